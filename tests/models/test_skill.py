"""Scores against scikit-learn and by hand."""

import numpy as np
import pytest
import torch
from sklearn import linear_model, metrics

from precip_sae.models import skill
from precip_sae.models.mlp import MLP
from precip_sae.settings import DataSettings
from precip_sae.tasks.episodes import Episodes
from precip_sae.tasks.prepare import Part, Prepared

RNG = np.random.default_rng(0)
Z = RNG.normal(size=(2, 50, 3)).astype(np.float32)
Y = RNG.integers(0, 3, 50)


def test_classification_scores_are_scikit_learns() -> None:
    scores = skill.classification_scores(Z, Y)
    for model in range(2):
        answer = Z[model].argmax(axis=1)
        p = np.exp(Z[model].astype(np.float64))
        p /= p.sum(axis=1, keepdims=True)
        assert scores["accuracy"][model] == pytest.approx(metrics.accuracy_score(Y, answer))
        assert scores["balanced_accuracy"][model] == pytest.approx(metrics.balanced_accuracy_score(Y, answer))
        assert scores["cross_entropy"][model] == pytest.approx(metrics.log_loss(Y, p, labels=[0, 1, 2]))


def test_regression_scores_are_scikit_learns() -> None:
    observed, predicted = RNG.gamma(1.0, size=60).astype("f4"), RNG.gamma(1.0, size=(2, 60)).astype("f4")
    scores = skill.regression_scores(predicted, observed)
    for model in range(2):
        assert scores["mse"][model] == pytest.approx(metrics.mean_squared_error(observed, predicted[model]))
        assert scores["mae"][model] == pytest.approx(metrics.mean_absolute_error(observed, predicted[model]))
        assert scores["r2"][model] == pytest.approx(metrics.r2_score(observed, predicted[model]), abs=1e-6)


def test_the_confusion_matrix_adds_the_models_and_keeps_observed_in_rows() -> None:
    matrix = skill.confusion(Z, Y)
    expected = sum(metrics.confusion_matrix(Y, z.argmax(axis=1), labels=[0, 1, 2]) for z in Z)
    np.testing.assert_array_equal(matrix, expected)


def prepared(kind: str, train: list, test: list) -> Prepared:
    classes = ["a", "b"] if kind == "classification" else []
    data = DataSettings(table="t.csv", predictors=["x"], response="y", kind=kind, classes=classes)
    parts = [Part(np.zeros((len(y), 1), np.float32), np.array(y)) for y in (train, train, train, test)]
    return Prepared(data, *parts, mean=np.zeros(1), scale=np.ones(1), counts={})


def test_climatology_knows_the_training_part_only() -> None:
    found = skill.baselines(prepared("classification", [0, 0, 1], [0, 1, 1, 1]))["climatology"]
    assert (found["accuracy"], found["balanced_accuracy"]) == (0.25, 0.5)
    assert found["cross_entropy"] == pytest.approx(-(np.log(2 / 3) + 3 * np.log(1 / 3)) / 4)
    without = skill.baselines(prepared("regression", [0.0, 0.0, 3.0], [2.0]))["climatology"]
    assert (without["mse"], without["mae"]) == (pytest.approx(1.0), pytest.approx(2.0))


def one_input(kind: str, x: list[float], y: list[float], **scale: float) -> Prepared:
    """Trained on x and y, tested on the same rows; the first class is 0."""
    classes = ["a", "b"] if kind == "classification" else []
    data = DataSettings(
        table="t.csv", predictors=["x"], response="y", kind=kind, classes=classes, standardise_response=bool(scale)
    )
    part = Part(np.array(x, np.float32)[:, None], np.array(y, int if classes else np.float32))
    return Prepared(data, part, part, part, part, mean=np.zeros(1), scale=np.ones(1), counts={}, **scale)


def test_the_threshold_is_the_best_single_split() -> None:
    classes = skill.baselines(one_input("classification", [1, 2, 3, 4, 5, 6], [0, 0, 0, 1, 1, 0]))
    assert classes["threshold"]["accuracy"] == pytest.approx(5 / 6)
    steps = skill.baselines(one_input("regression", [1, 2, 3, 4], [0, 0, 8, 8]))
    assert steps["threshold"]["mse"] == pytest.approx(0)


def test_the_linear_baseline_is_scikit_learns_and_finds_a_line() -> None:
    line = skill.baselines(one_input("regression", [1, 2, 3, 4], [3, 5, 7, 9]))
    assert line["linear"]["r2"] == pytest.approx(1)
    x, y = RNG.normal(size=80), RNG.integers(0, 2, 80)
    found = skill.baselines(one_input("classification", x.tolist(), y.tolist()))["linear"]
    x = x.astype(np.float32).astype(float)[:, None]
    model = linear_model.LogisticRegression().fit(x, y)
    assert found["cross_entropy"] == pytest.approx(metrics.log_loss(y, model.predict_proba(x)), rel=1e-6)


def test_scores_of_a_standardised_response_are_in_its_own_unit() -> None:
    found = skill.baselines(
        one_input("regression", [1, 2, 3, 4], [-1, 1, -1, 1], response_mean=5.0, response_scale=10.0)
    )
    assert found["climatology"]["mse"] == pytest.approx(100)
    assert found["climatology"]["mae"] == pytest.approx(10)


def test_the_gain_over_a_baseline_is_that_of_the_same_rows_episode_by_episode() -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(size=200).astype(np.float32)
    y = (2 * x + rng.normal(size=200)).astype(np.float32)
    task = one_input("regression", x.tolist(), y.tolist())
    # a stack that predicts exactly y = 2x
    weights = {
        "hidden.weight": [[[1.0, -1.0]]],
        "hidden.bias": [[0.0, 0.0]],
        "output.weight": [[[2.0], [-2.0]]],
        "output.bias": [[0.0]],
    }
    stack = MLP({name: torch.tensor(value) for name, value in weights.items()})
    episodes = Episodes(np.arange(200) // 20, "storms")
    gain = skill.gain_over_baselines(stack, task, episodes)
    errors = np.square(y.astype(float) - y.mean(dtype=float)) - np.square(2.0 * x - y.astype(float))
    blocks = errors.reshape(10, 20).mean(axis=1)
    assert gain["climatology"]["mse"]["mean"] == pytest.approx(blocks.mean(), rel=1e-5)
    assert gain["climatology"]["mse"]["sd"] == pytest.approx(blocks.std(ddof=1), rel=1e-5)
    assert (gain["climatology"]["mse"]["n"], gain["climatology"]["mse"]["over"]) == (10, "storms")
    assert abs(gain["linear"]["mse"]["mean"]) < 0.05
