"""The penalty on the hidden layer: reference by hand, engine against reference, weights after every epoch."""

import numpy as np
import pytest
import torch

from precip_sae.models import engine, reference
from precip_sae.models.engine.blocks import unpack
from precip_sae.models.engine.networks import NetworkShape, train_networks
from precip_sae.models.initial import mlp_weights, row_order
from precip_sae.models.mlp import MLP
from precip_sae.settings import MLPSettings
from precip_sae.tasks.prepare import Part


def parts(kind: str, rows: int = 203) -> tuple[Part, Part]:
    rng = np.random.default_rng(4)
    x = rng.standard_normal((rows, 3)).astype(np.float32)
    y = (x[:, 0] > 0).astype(np.int64) if kind == "classification" else (x[:, 0] - x[:, 1]).astype(np.float32)
    return Part(x[:160], y[:160]), Part(x[160:], y[160:])


def trained(kind: str, settings: MLPSettings, hidden_l1: float):
    fit, check = parts(kind)
    shape = NetworkShape(3, settings.hidden, 2 if kind == "classification" else 1, kind)
    columns = np.tile(np.arange(3), (2, 1))
    return train_networks(fit, check, shape, settings, columns, np.array([0, 5]), True, hidden_l1=hidden_l1)


def test_the_penalty_is_added_to_the_batchs_loss_as_keras_3_adds_it():
    fit, check = parts("regression", 203)
    one = Part(fit.x[:8], fit.y[:8])
    settings = MLPSettings(hidden=4, epochs=1, batch=8)
    _, plain = reference.train_mlps(one, check, "regression", 1, settings, [2])
    _, penalised = reference.train_mlps(one, check, "regression", 1, settings, [2], hidden_l1=0.01)
    start = mlp_weights(2, 3, 4, 1)
    order = row_order(2, 8, 0, "fixed")
    hidden = np.maximum(one.x[order] @ start["hidden.weight"], 0)
    assert penalised.loss[0] - plain.loss[0] == pytest.approx(0.01 * hidden.sum(), rel=1e-5)


@pytest.mark.parametrize("kind", ["classification", "regression"])
@pytest.mark.parametrize("hidden_l1", [0.0, 0.003])
def test_penalised_networks_of_the_engine_are_those_of_the_reference(kind, hidden_l1):
    settings = MLPSettings(hidden=5, epochs=6, batch=7)
    fit, check = parts(kind)
    outputs = 2 if kind == "classification" else 1
    expected, history = reference.train_mlps(fit, check, kind, outputs, settings, [0, 5], hidden_l1=hidden_l1)
    found = trained(kind, settings, hidden_l1)
    stack = unpack(found.weights, mlp_weights(0, 3, 5, outputs), MLP)
    for p, q in zip(expected.parameters(), stack.parameters(), strict=True):
        torch.testing.assert_close(p, q, atol=1e-6, rtol=0)
    np.testing.assert_allclose(found.loss.T.ravel(), history.loss, rtol=2e-5)
    np.testing.assert_allclose(found.val_loss.T.ravel(), history.val_loss, rtol=2e-5)


def test_the_weights_after_every_epoch_are_those_of_shorter_trainings():
    settings = MLPSettings(hidden=4, epochs=3, batch=32)
    course = trained("classification", settings, 0.01).course
    fit, check = parts("classification")
    assert course.shape[0] == 4
    assert np.concatenate([v.ravel() for v in mlp_weights(5, 3, 4, 2).values()]).tobytes() == course[0, 1].tobytes()
    for epochs in (1, 2, 3):
        shorter = trained("classification", settings.model_copy(update={"epochs": epochs}), 0.01)
        assert shorter.weights.tobytes() == course[epochs].tobytes()
    plain, _ = engine.train_mlps(fit, check, "classification", 2, settings, [0, 5])
    unpenalised = trained("classification", settings, 0.0)
    again = unpack(unpenalised.course[-1], mlp_weights(0, 3, 4, 2), MLP)
    for p, q in zip(plain.parameters(), again.parameters(), strict=True):
        assert p.detach().numpy().tobytes() == q.detach().numpy().tobytes()
