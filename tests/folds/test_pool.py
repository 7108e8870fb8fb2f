"""Pooled folds: what is said of all rows is what a hand computation of them says."""

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from precip_sae.folds.page import contents, measure_table, skill_table
from precip_sae.folds.pool import POOLED, Fold, measured, pooled_measures, pooled_rows, pooled_skill
from precip_sae.interpretation.units import UNTRAINED, untrained_saes
from precip_sae.manuscript.numbers import flatten
from precip_sae.models.initial import mlp_weights
from precip_sae.models.mlp import MLP
from precip_sae.models.skill import forecasts, predict
from precip_sae.settings import DataSettings, TaskSettings
from precip_sae.tasks.folds import every_fold
from precip_sae.tasks.prepare import prepare

SEEDS = [0, 4]


def table(rows: int = 240) -> pd.DataFrame:
    rng = np.random.default_rng(2)
    a, b = rng.normal(size=(2, rows))
    y = a - b + 0.3 * rng.normal(size=rows)
    # the rows do not stand in time order
    times = pd.date_range("2021", periods=rows, freq="4h")[rng.permutation(rows)]
    return pd.DataFrame({"a": a, "b": b, "y": y, "phase": np.where(y > 0, "Rain", "Snow"), "when": times})


def data(kind: str) -> DataSettings:
    plain = {"table": "t.csv", "predictors": ["a", "b"], "time": "when", "folds": 4, "kind": kind}
    own = {"response": "phase", "classes": ["Snow", "Rain"]} if kind == "classification" else {"response": "y"}
    return DataSettings(**(plain | own))


def made(kind: str) -> tuple[list[Fold], pd.DataFrame]:
    """Untrained networks, others in every fold."""
    frame, folds = table(), []
    for number, one in enumerate(every_fold(data(kind))):
        networks = MLP.of([mlp_weights(10 * number + seed, 2, 3, one.outputs) for seed in SEEDS])
        saes = {"keras3": untrained_saes([7, 8], 3, 6), UNTRAINED: untrained_saes(SEEDS, 3, 6)}
        folds.append(Fold(prepare(frame, one), networks, saes))
    return folds, frame


@pytest.mark.parametrize("kind", ["classification", "regression"])
def test_every_row_stands_beside_the_prediction_of_its_own_fold(kind) -> None:
    folds, frame = made(kind)
    pooled = pooled_rows(folds, frame)
    ordered = frame.sort_values("when")
    y = ordered["y"].to_numpy(np.float32) if kind == "regression" else (ordered["phase"] == "Rain").astype(int)
    np.testing.assert_array_equal(pooled.observed, y)
    np.testing.assert_array_equal(pooled.fold, np.repeat([1, 2, 3, 4], 60))
    z = predict(folds[2].networks, folds[2].prepared.test)
    expected = z[..., 0] if kind == "regression" else z
    np.testing.assert_array_equal(pooled.predicted[:, 120:180], expected)
    np.testing.assert_array_equal(pooled.forecasts["linear"][120:180], forecasts(folds[2].prepared)["linear"])


def test_the_pooled_accuracy_is_the_share_of_all_rows_and_the_gain_is_over_rows() -> None:
    folds, frame = made("classification")
    pooled = pooled_rows(folds, frame)
    found = pooled_skill(pooled, data("classification"))
    hits = pooled.predicted.argmax(axis=2) == pooled.observed
    assert found["skill"]["test"]["accuracy"]["mean"] == pytest.approx(hits.mean())
    assert found["skill"]["test"]["accuracy"]["over"] == "seeds"
    shares = [hits[:, start:stop].mean() for start, stop in pairwise(range(0, 241, 60))]
    assert found["by_fold"]["accuracy"]["least"] == pytest.approx(min(shares))
    assert found["by_fold"]["accuracy"]["most"] == pytest.approx(max(shares))
    linear = (pooled.forecasts["linear"].argmax(axis=1) == pooled.observed).mean()
    assert found["baselines"]["linear"]["accuracy"]["value"] == pytest.approx(linear)
    gain = found["gain_over"]["linear"]["accuracy"]
    assert gain["mean"] == pytest.approx(hits.mean() - linear)
    assert gain["over"] == pooled.episodes.name == "10 stretches of rows"


def test_a_fold_whose_response_is_constant_leaves_the_range_to_the_others() -> None:
    frame = table()
    frame.loc[frame["when"].rank() <= 60, "y"] = 1.0
    folds = [Fold(prepare(frame, one), made("regression")[0][0].networks, {}) for one in every_fold(data("regression"))]
    found = pooled_skill(pooled_rows(folds, frame), data("regression"))["by_fold"]["r2"]
    assert np.isfinite([found["least"], found["most"]]).all()
    assert found["least"] < found["most"]


def test_climatology_of_a_regression_is_each_folds_own() -> None:
    folds, frame = made("regression")
    found = pooled_skill(pooled_rows(folds, frame), data("regression"))["baselines"]["climatology"]
    errors = []
    for fold in folds:
        train, test = fold.prepared.train.y.astype(float), fold.prepared.test.y.astype(float)
        errors.append([np.square(test - train.mean()), np.abs(test - np.median(train))])
    assert found["mse"]["value"] == pytest.approx(np.concatenate([square for square, _ in errors]).mean())
    assert found["mae"]["value"] == pytest.approx(np.concatenate([size for _, size in errors]).mean())


def rows_of(values: dict[str, list[list[float]]]) -> pd.DataFrame:
    """A table of one measure from reductions [folds][seeds] by variant."""
    return pd.DataFrame(
        [
            {"fold": f + 1, "variant": v, "seed": s, "measure": "living", "value": 1.0, "reduction": one}
            for v, folds in values.items()
            for f, seeds in enumerate(folds)
            for s, one in enumerate(seeds)
        ]
    )


def test_reductions_are_averaged_over_folds_before_an_interval_is_taken_over_seeds() -> None:
    # folds differ a lot and seeds, once averaged, do not: the interval must have no width
    trained = [[0.1, 0.2], [0.5, 0.4]]
    control = [[0.0, 0.0], [0.2, np.nan]]
    zero = [[0.0, 0.0]] * 2
    found = pooled_measures(rows_of({"mlp": zero, "keras3": trained, UNTRAINED: control}), "keras3")["living"]
    fall = found["reduction"]["keras3"]
    assert [fall[key] for key in ("mean", "low", "high")] == pytest.approx([0.3] * 3)
    assert fall["n"] == 2
    assert fall["over"] == "seeds"
    assert found["by_fold"]["keras3"] == {"least": pytest.approx(0.15), "most": pytest.approx(0.45), "form": ".1%"}
    # seed 0: (0.1 + 0.3) / 2, seed 1: 0.2 alone
    assert found["beyond_untrained"]["mean"] == pytest.approx(0.2)
    assert found["beyond_untrained"]["undefined"] == 1


def test_the_page_says_what_no_interval_is_over() -> None:
    folds, frame = made("regression")
    pooled = pooled_rows(folds, frame)
    values = measured(folds, SEEDS)
    assert len(values) == 4 * len(SEEDS) * 3 * len(POOLED)
    results = pooled_skill(pooled, data("regression")) | {"tested": 240, "measures": pooled_measures(values, "keras3")}
    task = TaskSettings(title="Rain", data=data("regression"), seeds=SEEDS)
    page = contents(results, "t", task, folds[0].prepared.counts, {}, pooled.episodes.name)
    assert "No interval is over folds" in page["intervals"]
    assert "are cut into 4 sets" in page["folds"]
    assert page["rows"][-1] == ["tested", "240"]
    assert not {"train", "sae", "test"} & {reason for reason, _ in page["rows"]}
    assert all("10 stretches of rows" in sentence for sentence in page["verdict"])
    numbers = dict(flatten(results, ["t", "train"]))
    assert {len(row) for row in skill_table(numbers, "t.train", data("regression"))} == {7}
    assert {len(row) for row in measure_table(numbers, "t.train.measures", "keras3")} == {10}
