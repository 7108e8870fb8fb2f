"""Recovery of known features: cases small enough for a hand, and what the variants must find."""

import numpy as np
import pandas as pd
import pytest
import torch

from precip_sae.interpretation.variant_grid import Fitted, middle
from precip_sae.settings import DescentSettings, ToySettings
from precip_sae.superposition import study
from precip_sae.superposition.recovery import cosines, recovery
from precip_sae.superposition.toy import ToyModel

TRUTH = np.array([[[1.0, 0.0], [0.0, 2.0]]])
LIVING = np.ones((1, 2), bool)


def values(found: dict[str, np.ndarray]) -> dict[str, float]:
    return {name: float(value[0]) for name, value in found.items()}


def test_the_truth_itself_is_found_whatever_its_order_and_length() -> None:
    found = values(recovery(np.array([[[0.0, 0.1], [7.0, 0.0]]]), TRUTH, LIVING))
    assert found == {"mmcs": 1.0, "found": 1.0, "false": 0.0, "one_to_one": 1.0, "found_one_to_one": 1.0}


def test_the_opposite_of_a_feature_is_not_the_feature() -> None:
    np.testing.assert_allclose(cosines(np.array([[[-1.0, 0.0]]]), TRUTH)[0], [[-1.0], [0.0]])
    found = values(recovery(np.array([[[-1.0, 0.0], [0.0, 1.0]]]), TRUTH, LIVING))
    assert (found["found"], found["false"]) == (0.5, 0.5)


def test_one_latent_between_two_features_is_their_best_and_finds_neither() -> None:
    found = values(recovery(np.array([[[1.0, 1.0]]]), TRUTH, np.ones((1, 1), bool)))
    assert found["mmcs"] == pytest.approx(np.sqrt(0.5))
    assert (found["found"], found["false"]) == (0.0, 1.0)
    assert found["one_to_one"] == pytest.approx(np.sqrt(0.5) / 2), "it can stand for one of them only"


def test_two_latents_for_one_feature_find_it_once() -> None:
    found = values(recovery(np.array([[[1.0, 0.0], [1.0, 0.01]]]), TRUTH, LIVING))
    assert (found["found"], found["false"], found["found_one_to_one"]) == (0.5, 0.0, 0.5)


def test_a_dead_latent_finds_nothing_and_is_not_false_either() -> None:
    found = values(recovery(np.array([[[1.0, 0.0], [0.0, 1.0]]]), TRUTH, np.array([[True, False]])))
    assert (found["found"], found["false"]) == (0.5, 0.0)
    nothing = values(recovery(np.array([[[1.0, 0.0], [0.0, 1.0]]]), TRUTH, np.zeros((1, 2), bool)))
    assert (nothing["mmcs"], nothing["found"]) == (0.0, 0.0)
    assert np.isnan(nothing["false"])


def test_a_feature_that_the_network_ignores_is_not_asked_for() -> None:
    truth = np.array([[[1.0, 0.0], [0.0, 0.0]]])
    assert values(recovery(np.array([[[1.0, 0.0], [0.0, 1.0]]]), truth, LIVING))["found"] == 1.0


SMALL = ToySettings(
    seeds=[0, 1], units=16, features=32, rows=2048, activities=[0.05], width=4, widths=[1],
    dictionaries={"l1": [0.2, 0.5, 1.2], "batch_mean": [1e-4]},
    training=DescentSettings(steps=600, batch=64, learning_rate=0.015),
    networks=DescentSettings(steps=600, batch=64, learning_rate=0.02),
)  # fmt: skip


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    def judge(fitted: Fitted) -> dict[str, np.ndarray]:
        assert fitted.inputs.shape == (1024, 32)
        assert fitted.latents.shape[:2] == fitted.hidden.shape[:2]
        return {"own": np.arange(len(fitted.seeds))}

    return study.dictionary_table(SMALL, [judge])


def test_the_best_variant_finds_nearly_every_sparse_feature(table: pd.DataFrame) -> None:
    best = study.best_penalty(table[table["latents_per_unit"] == 4])
    found = best[best["variant"] == "l1"].groupby("source")["found"].mean()
    assert (found >= 0.95).all(), found


def test_the_best_reconstruction_finds_none_of_the_random_directions(table: pd.DataFrame) -> None:
    rows = table[(table["source"] == "random") & (table["latents_per_unit"] == 4)]
    chosen = study.chosen(rows)
    assert chosen["truth"]["mean"] >= 0.95
    assert chosen["fvu"]["mean"] < 0.1


def test_every_dictionary_has_one_row_with_its_measures_and_its_truth(table: pd.DataFrame) -> None:
    # two sources, two seeds, four penalties; and the middle penalties at one more width
    assert len(table) == 2 * 2 * 4 + 2 * 2
    assert {"source", "activity", "fvu", "l0", "dead", "reduction_published", "own", "mmcs", "false"} <= set(table)
    assert not table.duplicated(["source", "activity", "variant", "latents_per_unit", "penalty", "seed"]).any()


def test_the_summary_names_the_best_variant_and_says_how_far_it_goes(table: pd.DataFrame) -> None:
    competing = study.compete([1.0, 0.05], SMALL)
    planes = study.five_in_a_plane([1.0, 0.05], SMALL)
    found = study.summary(table, competing, planes, SMALL)
    best = found["recovery"]["random"]["5_percent"]
    assert best["best"] == "l1"
    assert best["most"] == best["variants"]["l1"]
    assert best["most"]["found"]["over"] == "seeds"
    assert found["fates"]["100_percent"]["superposed"]["mean"] < found["fates"]["5_percent"]["superposed"]["mean"]
    assert list(found["widths"]) == ["w1"]
    assert study.activity_key(0.005) == "0p5_percent"


def test_the_middle_penalty_is_taken_where_one_must_do() -> None:
    assert middle({"l1": [3.0, 1.0, 2.0], "topk": [1.0]}) == {"l1": [2.0], "topk": [1.0]}


def test_features_that_are_all_ignored_have_no_dimensionality(monkeypatch: pytest.MonkeyPatch) -> None:
    def ignoring(units: int, activity: list[float], *_: object) -> ToyModel:
        shape = len(activity), SMALL.features
        return ToyModel({"weight": torch.zeros(*shape, units), "bias": torch.zeros(*shape)})

    monkeypatch.setattr(study, "train_toys", ignoring)
    found = study.compete([1.0], SMALL)
    assert (found["ignored"] == 1).all()
    assert found["dimensionality"].isna().all()
