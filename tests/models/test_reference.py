"""The training loops against an independent implementation: plain numpy, gradients by hand, one model at a time."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from precip_sae.models import initial, reference
from precip_sae.models.mlp import MLP
from precip_sae.models.sae import SAE
from precip_sae.settings import MLPSettings, SAESettings
from precip_sae.tasks.prepare import Part

Arrays = dict[str, NDArray[np.float64]]


def keras_adam(w: Arrays, g: Arrays, m: Arrays, v: Arrays, t: int, rate: float) -> None:
    """Keras 3.5's update, read in its source."""
    size = rate * np.sqrt(1 - 0.999**t) / (1 - 0.9**t)
    for k in w:
        m[k] += (g[k] - m[k]) * (1 - 0.9)
        v[k] += (g[k] ** 2 - v[k]) * (1 - 0.999)
        w[k] -= m[k] * size / (np.sqrt(v[k]) + 1e-7)


def zeros(w: Arrays) -> Arrays:
    return {k: np.zeros_like(a) for k, a in w.items()}


def doubles(w: dict[str, NDArray[np.float32]]) -> Arrays:
    return {k: a.astype(np.float64) for k, a in w.items()}


def mlp_by_hand(train: Part, kind: str, outputs: int, settings: MLPSettings, seed: int) -> tuple[Arrays, list[float]]:
    w = doubles(initial.mlp_weights(seed, train.x.shape[1], settings.hidden, outputs))
    m, v, t, losses = zeros(w), zeros(w), 0, []
    for epoch in range(settings.epochs):
        order = initial.row_order(seed, len(train), epoch, settings.shuffle)
        total = 0.0
        for start in range(0, len(order), settings.batch):
            rows = order[start : start + settings.batch]
            x, n = train.x[rows].astype(np.float64), len(rows)
            a = x @ w["hidden.weight"] + w["hidden.bias"]
            h = np.maximum(a, 0)
            z = h @ w["output.weight"] + w["output.bias"]
            if kind == "classification":
                p = np.exp(z - z.max(1, keepdims=True))
                p /= p.sum(1, keepdims=True)
                y = np.eye(outputs)[train.y[rows]]
                total += -np.log((p * y).sum(1)).sum()
                dz = (p - y) / n
            else:
                error = z - train.y[rows][:, None].astype(np.float64)
                total += (error**2).sum()
                dz = 2 * error / n
            da = (dz @ w["output.weight"].T) * (a > 0)
            g = {
                "hidden.weight": x.T @ da,
                "hidden.bias": da.sum(0),
                "output.weight": h.T @ dz,
                "output.bias": dz.sum(0),
            }
            t += 1
            keras_adam(w, g, m, v, t, settings.learning_rate)
        losses.append(total / len(order))
    return w, losses


def sae_by_hand(hidden: NDArray, settings: SAESettings, convention: str, seed: int) -> tuple[Arrays, list[float]]:
    w = doubles(initial.sae_weights(seed, hidden.shape[1], settings.latents))
    m, v, t, losses, best, waited = zeros(w), zeros(w), 0, [], np.inf, 0
    for _ in range(settings.epochs):
        total = 0.0
        for start in range(0, len(hidden), settings.batch):
            x = hidden[start : start + settings.batch].astype(np.float64)
            n, units = x.shape
            a = x @ w["encoder.weight"] + w["encoder.bias"]
            f = np.maximum(a, 0)
            error = f @ w["decoder.weight"] + w["decoder.bias"] - x
            weight = settings.l1 if convention == "keras3" else settings.l1 / n
            total += n * ((error**2).mean() + weight * f.sum())
            de = 2 * error / (n * units)
            da = (de @ w["decoder.weight"].T + weight) * (a > 0)
            g = {
                "encoder.weight": x.T @ da,
                "encoder.bias": da.sum(0),
                "decoder.weight": f.T @ de,
                "decoder.bias": de.sum(0),
            }
            t += 1
            keras_adam(w, g, m, v, t, settings.learning_rate)
        losses.append(total / len(hidden))
        better = losses[-1] < best
        best, waited = (losses[-1], 0) if better else (best, waited + 1)
        if settings.patience and waited >= settings.patience:
            break
    return w, losses


def part(rows: int, inputs: int, kind: str, classes: int = 3, seed: int = 0) -> Part:
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((rows, inputs)).astype(np.float32)
    signal = x @ rng.standard_normal(inputs)
    if kind == "classification":
        return Part(x, np.digitize(signal, np.quantile(signal, np.linspace(0, 1, classes + 1)[1:-1])))
    return Part(x, np.maximum(signal, 0).astype(np.float32))


@pytest.mark.parametrize("shuffle", ["fixed", "per_epoch"])
@pytest.mark.parametrize(("kind", "outputs"), [("classification", 3), ("classification", 2), ("regression", 1)])
def test_networks_are_trained_as_keras_would_train_them(kind: str, outputs: int, shuffle: str) -> None:
    train, validation = part(203, 4, kind, outputs), part(50, 4, kind, outputs, seed=1)
    settings = MLPSettings(hidden=5, epochs=6, batch=32, learning_rate=5e-3, shuffle=shuffle)
    stack, history = reference.train_mlps(train, validation, kind, outputs, settings, [3, 8])
    for number, seed in enumerate([3, 8]):
        weights, losses = mlp_by_hand(train, kind, outputs, settings, seed)
        for name, value in stack.arrays(number).items():
            np.testing.assert_allclose(value, weights[name], atol=2e-5, err_msg=name)
        np.testing.assert_allclose(history[history["seed"] == seed]["loss"], losses, rtol=1e-4)


@pytest.mark.parametrize("convention", ["keras3", "batch_mean"])
def test_saes_are_fitted_with_the_penalty_that_the_study_used(convention: str) -> None:
    hidden = np.maximum(np.random.default_rng(5).standard_normal((2, 93, 6)), 0).astype(np.float32)
    settings = SAESettings(latents=12, epochs=3, batch=8, learning_rate=1e-3)
    stack, history = reference.train_saes(hidden, settings, convention, [1, 2])
    for number, seed in enumerate([1, 2]):
        weights, losses = sae_by_hand(hidden[number], settings, convention, seed)
        for name, value in stack.arrays(number).items():
            np.testing.assert_allclose(value, weights[name], atol=1e-5, err_msg=name)
        np.testing.assert_allclose(history[history["seed"] == seed]["loss"], losses, rtol=1e-4)


def test_early_stopping_stops_each_model_where_it_would_stop_alone() -> None:
    hidden = np.maximum(np.random.default_rng(7).standard_normal((4, 40, 3)), 0).astype(np.float32)
    settings = SAESettings(latents=4, epochs=60, batch=8, learning_rate=0.05, patience=2)
    seeds = [0, 1, 2, 3]
    stack, history = reference.train_saes(hidden, settings, "keras3", seeds)
    epochs = history.groupby("seed")["epoch"].max()
    assert len(set(epochs)) > 1, "the example should have models that stop at different epochs"
    for number, seed in enumerate(seeds):
        alone, own = reference.train_saes(hidden[[number]], settings, "keras3", [seed])
        assert own["epoch"].max() == epochs[seed]
        for name, value in alone.arrays(0).items():
            np.testing.assert_allclose(stack.arrays(number)[name], value, atol=1e-5)
        losses = own["loss"].to_numpy()
        assert all(losses[-2:] >= losses[:-2].min()), "it stops after `patience` epochs without a new best loss"


def test_the_reported_validation_loss_is_that_of_the_weights_at_the_end_of_the_epoch() -> None:
    train, validation = part(64, 3, "classification"), part(30, 3, "classification", seed=2)
    stack, history = reference.train_mlps(train, validation, "classification", 3, MLPSettings(epochs=2), [0])
    with torch.no_grad():
        z = stack(torch.from_numpy(validation.x))[0]
    expected = torch.nn.functional.cross_entropy(z, torch.from_numpy(validation.y))
    assert history["val_loss"].iloc[-1] == pytest.approx(float(expected), rel=1e-6)
    assert history["val_accuracy"].iloc[-1] == pytest.approx((z.argmax(1).numpy() == validation.y).mean())


def test_the_l1_conventions_differ_by_the_batch_size_exactly() -> None:
    h = torch.rand(1, 8, 6)
    sae = SAE.of([initial.sae_weights(0, 6, 12)])
    summed = reference.sae_loss(h, sae, 0.01, "keras3")
    averaged = reference.sae_loss(h, sae, 0.08, "batch_mean")
    assert float(summed.detach()) == pytest.approx(float(averaged.detach()))


def test_a_model_in_a_stack_learns_what_it_would_learn_alone() -> None:
    train, validation = part(100, 4, "regression"), part(20, 4, "regression", seed=1)
    settings = MLPSettings(hidden=3, epochs=3)
    together, _ = reference.train_mlps(train, validation, "regression", 1, settings, [4, 5, 6])
    alone, _ = reference.train_mlps(train, validation, "regression", 1, settings, [5])
    for name, value in alone.arrays(0).items():
        np.testing.assert_allclose(together.arrays(1)[name], value, atol=1e-6)


def test_weights_start_inside_glorots_bounds_with_zero_biases() -> None:
    weights = initial.mlp_weights(0, 5, 6, 3)
    assert np.abs(weights["hidden.weight"]).max() <= np.sqrt(6 / 11)
    assert not weights["hidden.bias"].any()
    other = initial.mlp_weights(1, 5, 6, 3)
    assert not np.array_equal(weights["hidden.weight"], other["hidden.weight"])
    np.testing.assert_array_equal(weights["output.weight"], initial.mlp_weights(0, 5, 6, 3)["output.weight"])


def test_the_fixed_row_order_is_the_same_in_every_epoch_and_the_other_is_not() -> None:
    fixed = [initial.row_order(1, 50, epoch, "fixed") for epoch in (0, 7)]
    fresh = [initial.row_order(1, 50, epoch, "per_epoch") for epoch in (0, 7)]
    np.testing.assert_array_equal(*fixed)
    assert not np.array_equal(*fresh)
    assert sorted(fresh[1]) == list(range(50))


def test_an_sae_reconstructs_by_decoding_what_it_encodes() -> None:
    sae = SAE.of([initial.sae_weights(s, 6, 12) for s in range(3)])
    h = torch.rand(3, 7, 6)
    torch.testing.assert_close(sae(h), sae.decode(sae.encode(h)))
    assert (sae.encode(h) >= 0).all()


def test_a_network_computes_what_its_equation_says() -> None:
    weights = {
        "hidden.weight": np.array([[1.0, -1.0]], np.float32),
        "hidden.bias": np.array([0.0, 1.0], np.float32),
        "output.weight": np.array([[2.0], [3.0]], np.float32),
        "output.bias": np.array([0.5], np.float32),
    }
    z = MLP.of([weights])(torch.tensor([[2.0], [-1.0]]))
    # x = 2: h = (2, 0), z = 4.5; x = -1: h = (0, 2), z = 6.5
    torch.testing.assert_close(z, torch.tensor([[[4.5], [6.5]]]))
