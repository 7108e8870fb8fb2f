"""Dictionaries on a task's activations: one row each, the right rows, and measures of one's own."""

import numpy as np
import pandas as pd
import pytest
import torch

from precip_sae.interpretation.task_variants import spread_out, summary, task_activations, variant_table
from precip_sae.interpretation.variant_grid import Activations, Fitted, fit_grid, published_sensitivity, quality
from precip_sae.models.initial import mlp_weights
from precip_sae.models.mlp import MLP
from precip_sae.settings import DataSettings, DescentSettings, VariantSettings
from precip_sae.tasks.prepare import prepare

TRAINING = DescentSettings(steps=30, batch=16, learning_rate=0.01)
SETTINGS = VariantSettings(
    table="t.csv", seeds=2, rows=100, widths=[1, 2], dictionaries={"l1": [0.1, 0.01], "topk": [1.0]}, training=TRAINING
)


@pytest.fixture(scope="module")
def activations() -> Activations:
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(1000, 4)), columns=["a", "b", "c", "y"])
    data = DataSettings(table="t.csv", predictors=["a", "b", "c"], response="y", kind="regression")
    networks = MLP.of([mlp_weights(seed, 3, 5, 1) for seed in (7, 8)])
    return task_activations(networks, prepare(frame, data), [7, 8], 100)


def test_rows_are_taken_evenly_and_never_twice() -> None:
    assert spread_out(9, 3).tolist() == [0, 4, 8]
    assert spread_out(3, 100).tolist() == [0, 1, 2]


def test_dictionaries_are_trained_on_the_sae_part_and_judged_by_the_test_part(activations: Activations) -> None:
    assert activations.train.shape == activations.test.shape == (2, 100, 5)
    assert not np.array_equal(activations.train, activations.test)
    with torch.no_grad():
        both = activations.network([1, 0])(torch.from_numpy(activations.inputs)).numpy()
    np.testing.assert_array_equal(both, activations.test[[1, 0]])


def test_every_dictionary_belongs_to_the_activations_of_its_seed(activations: Activations) -> None:
    (fitted,) = fit_grid(activations, {"l1": [0.1, 0.01]}, 2, TRAINING)
    assert fitted.seeds == [7, 8, 7, 8]
    assert fitted.penalties == [0.1, 0.1, 0.01, 0.01]
    np.testing.assert_array_equal(fitted.hidden[3], activations.test[1])
    with torch.no_grad():
        hidden = fitted.network(torch.from_numpy(fitted.inputs))
        np.testing.assert_allclose(fitted.dictionary.encode(hidden).numpy(), fitted.latents, atol=1e-6)
    assert quality(fitted)["l0"][0] < quality(fitted)["l0"][2] + 1e-9, "the larger penalty leaves no more active"


def test_a_table_has_one_row_per_dictionary_with_every_judge(activations: Activations) -> None:
    def latents(fitted: Fitted) -> dict[str, list[int]]:
        return {"latents": [fitted.latents.shape[2]] * len(fitted.seeds)}

    table = variant_table(activations, SETTINGS, 0.4, [latents])
    assert len(table) == 2 * (2 * 2 + 2)
    assert (table["latents"] == 5 * table["latents_per_unit"]).all()
    assert table[["fvu", "l0", "dead", "sensitive_every", "reduction_every"]].notna().all(axis=None)


def test_the_study_s_measure_of_the_units_themselves_reduces_nothing(activations: Activations) -> None:
    (fitted,) = fit_grid(activations, {"topk": [1.0]}, 1, TRAINING)
    same = Fitted(**(vars(fitted) | {"latents": fitted.hidden}))
    assert np.nanmax(np.abs(published_sensitivity(0.3)(same)["reduction_published"])) == 0


def test_the_summary_orders_penalties_from_dense_to_sparse_and_finds_the_sparsest_that_still_reconstructs() -> None:
    rows = [
        ("l1", 2, 0.1, 0, 0.04, 1.0), ("l1", 2, 0.01, 0, 0.01, 3.0), ("topk", 2, 1.0, 0, 0.30, 0.5),
        ("l1", 2, 0.1, 1, 0.03, 1.2), ("l1", 2, 0.01, 1, 0.01, 3.2), ("topk", 2, 1.0, 1, 0.30, 0.5),
    ]  # fmt: skip
    table = pd.DataFrame(rows, columns=["variant", "latents_per_unit", "penalty", "seed", "fvu", "l0"])
    found = summary(table.assign(dead=0.0, reduction_published=0.1, reduction_every=0.2))
    assert found["variants"]["l1"]["w2"]["p0"]["l0"]["mean"] == pytest.approx(3.1)
    assert found["variants"]["l1"]["w2"]["p1"]["fvu"]["mean"] == pytest.approx(0.035)
    assert found["sparsest"]["variant"] == "l1"
    assert found["sparsest"]["l0"]["mean"] == pytest.approx(1.1)
    assert found["dictionaries"] == 6
