"""Scores against scikit-learn and by hand."""

import numpy as np
import pytest
from sklearn import metrics

from precip_sae.models import skill
from precip_sae.settings import DataSettings
from precip_sae.tasks import Part, Prepared

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


def test_the_forecast_without_inputs_knows_the_training_part_only() -> None:
    assert skill.baseline(prepared("classification", [0, 0, 1], [0, 1, 1, 1])) == {"accuracy": 0.25}
    without = skill.baseline(prepared("regression", [0.0, 0.0, 3.0], [2.0]))
    assert without == {"mse": pytest.approx(1.0), "mae": pytest.approx(2.0)}
