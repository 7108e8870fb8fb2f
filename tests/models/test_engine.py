"""The compiled engine against the readable reference, and against itself: company, width, threads and CPU."""

import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator

import numpy as np
import pytest
import torch

from precip_sae.errors import StageError
from precip_sae.interpretation import metrics
from precip_sae.interpretation.sensitivity import correlations, correlations_from_sums
from precip_sae.models import engine, reference, skill
from precip_sae.models.engine import autoencoders, moments
from precip_sae.models.engine.arithmetic import ROWS, padded
from precip_sae.models.engine.blocks import Feed, blocks, packed, unpack
from precip_sae.models.engine.lanes import LANES
from precip_sae.models.engine.networks import NetworkShape, train_networks
from precip_sae.models.engine.variants import fit_variant
from precip_sae.models.initial import sae_weights
from precip_sae.models.mlp import MLP
from precip_sae.models.sae import SAE
from precip_sae.models.stack import Stack
from precip_sae.settings import DescentSettings, MLPSettings, SAESettings
from precip_sae.tasks.prepare import Part


def parts(inputs: int, outputs: int, kind: str, rows: int = 700, seed: int = 0) -> tuple[Part, Part]:
    """A training and a validation part whose response depends on the inputs."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((rows, inputs)).astype(np.float32)
    signal = x @ rng.standard_normal((inputs, outputs)) + 0.3 * rng.standard_normal((rows, outputs))
    y = signal.argmax(axis=1) if kind == "classification" else signal[:, 0].astype(np.float32)
    cut = rows - rows // 5
    return Part(x[:cut], y[:cut]), Part(x[cut:], y[cut:])


def activations(models: int, rows: int, hidden: int, seed: int = 0) -> np.ndarray:
    """Rectified activations, some of them always zero."""
    rng = np.random.default_rng(seed)
    mixed = rng.standard_normal((models, rows, 3)) @ rng.standard_normal((models, 3, hidden))
    return np.maximum(mixed, 0).astype(np.float32)


def largest_difference(a: Stack, b: Stack) -> float:
    return max(
        float(np.abs(p.detach().numpy() - q.detach().numpy()).max())
        for p, q in zip(a.parameters(), b.parameters(), strict=True)
    )


def assert_same_bytes(a: Stack, b: Stack) -> None:
    for p, q in zip(a.parameters(), b.parameters(), strict=True):
        assert p.detach().numpy().tobytes() == q.detach().numpy().tobytes()


@pytest.mark.parametrize(
    ("inputs", "hidden", "outputs", "kind", "batch", "shuffle"),
    [
        (5, 6, 3, "classification", 32, "fixed"),
        (5, 6, 1, "regression", 32, "per_epoch"),
        (1, 1, 1, "regression", 7, "fixed"),
        (14, 13, 2, "classification", 10, "per_epoch"),
    ],
)
def test_networks_of_the_engine_are_those_of_the_reference(inputs, hidden, outputs, kind, batch, shuffle):
    fit, check = parts(inputs, outputs, kind)
    settings = MLPSettings(hidden=hidden, epochs=32, batch=batch, shuffle=shuffle)
    expected, expected_history = reference.train_mlps(fit, check, kind, outputs, settings, [3, 0, 8])
    found, history = engine.train_mlps(fit, check, kind, outputs, settings, [3, 0, 8])
    assert largest_difference(expected, found) < 1e-6
    assert list(history.columns) == list(expected_history.columns)
    np.testing.assert_allclose(history, expected_history, rtol=2e-5, atol=2e-6)


def test_the_largest_sizes_that_settings_allow_are_trained_correctly():
    fit, check = parts(64, 16, "classification", rows=160)
    settings = MLPSettings(hidden=64, epochs=3)
    expected, _ = reference.train_mlps(fit, check, "classification", 16, settings, [1])
    found, _ = engine.train_mlps(fit, check, "classification", 16, settings, [1])
    assert largest_difference(expected, found) < 1e-6
    hidden = engine.hidden_activations(found, fit.x)
    sae = SAESettings(latents=256, epochs=1)
    expected_sae, _ = reference.train_saes(hidden, sae, "keras3", [1])
    found_sae, _ = engine.train_saes(hidden, sae, "keras3", [1])
    assert largest_difference(expected_sae, found_sae) < 1e-5


@pytest.mark.parametrize("convention", ["keras3", "batch_mean"])
@pytest.mark.parametrize(("hidden", "latents", "batch"), [(6, 12, 8), (4, 8, 5), (1, 1, 3)])
def test_saes_of_the_engine_are_those_of_the_reference_after_one_epoch(convention, hidden, latents, batch):
    h = activations(3, 1003, hidden)
    settings = SAESettings(latents=latents, epochs=1, batch=batch)
    expected, expected_history = reference.train_saes(h, settings, convention, [3, 0, 8])
    found, history = engine.train_saes(h, settings, convention, [3, 0, 8])
    assert largest_difference(expected, found) < 1e-5
    np.testing.assert_allclose(history, expected_history, rtol=1e-5)


def test_saes_of_the_engine_are_those_of_the_reference_on_average_after_many_epochs():
    # single weights go apart, chaotically; what is reported must not
    seeds = list(range(16))
    h = activations(16, 500, 6)
    settings = SAESettings(epochs=60)
    found = []
    for trainer in (reference, engine):
        stack, history = trainer.train_saes(h, settings, "keras3", seeds)
        fvu = metrics.fraction_of_variance_unexplained(h, stack.reconstruct(h), h.mean(axis=1, dtype=np.float64))
        found.append((history.groupby("seed")["loss"].last().mean(), fvu.mean()))
    np.testing.assert_allclose(found[0], found[1], rtol=0.01)


def test_early_stopping_stops_each_sae_where_the_reference_stops_it():
    h = activations(5, 300, 6)
    settings = SAESettings(epochs=60, patience=1, learning_rate=0.02)
    expected, expected_history = reference.train_saes(h, settings, "keras3", list(range(5)))
    found, history = engine.train_saes(h, settings, "keras3", list(range(5)))
    runs = expected_history.groupby("seed").size()
    assert runs.nunique() > 1
    assert runs.max() < 60
    assert history.groupby("seed").size().tolist() == runs.tolist()
    # stopped an epoch early or late, a weight would be off by up to the step size times the batches of an epoch
    assert largest_difference(expected, found) < 0.02


def test_gathering_the_saes_that_still_train_changes_no_byte(monkeypatch):
    seeds = list(range(70))
    h = activations(70, 120, 6)
    settings = SAESettings(epochs=40, patience=1, learning_rate=0.02)
    repacked, history = engine.train_saes(h, settings, "keras3", seeds, threads=1)
    monkeypatch.setattr(autoencoders, "REPACK_EPOCHS", 10_000)
    plain, plain_history = engine.train_saes(h, settings, "keras3", seeds, threads=1)
    assert history.groupby("seed").size().nunique() > 2
    assert_same_bytes(repacked, plain)
    assert history.equals(plain_history)


def test_a_model_is_the_same_bytes_alone_and_in_company_in_any_lane_on_one_thread_and_on_two():
    fit, check = parts(5, 3, "classification")
    settings = MLPSettings(epochs=3)
    seeds = list(range(40))
    both, history = engine.train_mlps(fit, check, "classification", 3, settings, seeds, threads=2)
    one, one_history = engine.train_mlps(fit, check, "classification", 3, settings, seeds, threads=1)
    moved, _ = engine.train_mlps(fit, check, "classification", 3, settings, seeds[9:])
    alone, _ = engine.train_mlps(fit, check, "classification", 3, settings, [17])
    assert_same_bytes(both, one)
    assert history.equals(one_history)
    assert_same_bytes(both[17], moved[8])
    assert_same_bytes(both[17], alone)

    h = engine.hidden_activations(both, fit.x)
    assert h[17].tobytes() == engine.hidden_activations(alone, fit.x)[0].tobytes()
    sae = SAESettings(epochs=3)
    both_saes, _ = engine.train_saes(h, sae, "batch_mean", seeds, threads=2)
    one_saes, _ = engine.train_saes(h, sae, "batch_mean", seeds, threads=1)
    moved_saes, _ = engine.train_saes(h[9:], sae, "batch_mean", seeds[9:])
    alone_sae, _ = engine.train_saes(h[17:18], sae, "batch_mean", [17])
    assert_same_bytes(both_saes, one_saes)
    assert_same_bytes(both_saes[17], moved_saes[8])
    assert_same_bytes(both_saes[17], alone_sae)


def test_tables_too_large_to_lay_out_at_once_give_the_same_bytes(monkeypatch):
    fit, check = parts(5, 3, "classification")
    settings = MLPSettings(epochs=2)
    whole, history = engine.train_mlps(fit, check, "classification", 3, settings, [0, 1])
    h = engine.hidden_activations(whole, fit.x)
    monkeypatch.setattr(Feed.__init__, "__defaults__", (20_000,))
    pieces, piece_history = engine.train_mlps(fit, check, "classification", 3, settings, [0, 1])
    assert_same_bytes(whole, pieces)
    np.testing.assert_allclose(history, piece_history, rtol=1e-6)
    assert engine.hidden_activations(whole, fit.x).tobytes() == h.tobytes()


def test_a_network_takes_its_own_columns_out_of_a_larger_table():
    fit, check = parts(8, 3, "classification")
    settings = MLPSettings(epochs=2)
    columns = np.array([[0, 2, 5, 6, 7], [1, 2, 3, 4, 5]])
    shape = NetworkShape(5, 6, 3, "classification")
    found = train_networks(fit, check, shape, settings, columns, np.array([4, 9]))
    for k, seed in enumerate((4, 9)):
        own = [Part(part.x[:, columns[k]], part.y) for part in (fit, check)]
        alone, history = engine.train_mlps(*own, "classification", 3, settings, [seed])
        assert found.weights[k].tobytes() == packed(alone)[0].tobytes()
        assert found.val_loss[-1, k] == history["val_loss"].iloc[-1]


def test_hidden_activations_are_those_of_the_network_definition():
    fit, check = parts(5, 3, "classification")
    stack, _ = engine.train_mlps(fit, check, "classification", 3, MLPSettings(epochs=1), [0, 1, 2])
    with torch.no_grad():
        expected = stack.hidden(torch.from_numpy(check.x)).numpy()
    found = engine.hidden_activations(stack, check.x)
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, atol=1e-6)


def evaluated(models: int = 20) -> tuple[moments.Evaluation, MLP, SAE, Part, np.ndarray]:
    fit, check = parts(5, 3, "classification")
    settings = MLPSettings(epochs=2)
    stack, _ = engine.train_mlps(fit, check, "classification", 3, settings, list(range(models)))
    h = engine.hidden_activations(stack, fit.x)
    saes, _ = engine.train_saes(h, SAESettings(epochs=6), "keras3", list(range(models)))
    shape = NetworkShape(5, 6, 3, "classification")
    columns = np.tile(np.arange(5), (models, 1))
    mean = h.mean(axis=1, dtype=np.float64)
    found = moments.evaluate(packed(stack), shape, {"sae": packed(saes)}, check.x, columns, mean, blocks(models))
    return found, stack, saes, check, mean


def test_correlations_and_fvu_of_the_search_are_those_of_the_stages():
    found, stack, saes, check, mean = evaluated()
    h = engine.hidden_activations(stack, check.x)
    with torch.no_grad():
        latents = saes.encode(torch.from_numpy(h)).numpy()
    for name, units in (("mlp", h), ("sae", latents)):
        s = found.units[name]
        r = correlations_from_sums(s.rows, s.a, s.aa, s.x, s.xx, s.ax, s.varies)
        np.testing.assert_allclose(r, correlations(units, check.x), atol=1e-5)
        np.testing.assert_array_equal(s.active == 0, metrics.dead(units))
        np.testing.assert_allclose(s.active / s.rows, (units > 0).mean(axis=1), atol=1e-12)
    expected = metrics.fraction_of_variance_unexplained(h, saes.reconstruct(h), mean)
    np.testing.assert_allclose(found.fvu["sae"], expected, rtol=1e-4)


def test_scores_of_the_search_are_those_of_the_stages():
    fit, check = parts(5, 3, "classification")
    stack, _ = engine.train_mlps(fit, check, "classification", 3, MLPSettings(epochs=2), [0, 1])
    shape = NetworkShape(5, 6, 3, "classification")
    columns = np.tile(np.arange(5), (2, 1))
    loss, accuracy = moments.score_networks(packed(stack), shape, check, columns, blocks(2))
    expected = skill.classification_scores(skill.predict(stack, check), check.y)
    np.testing.assert_allclose(loss, expected["cross_entropy"], rtol=1e-5)
    np.testing.assert_allclose(accuracy, expected["accuracy"], atol=1e-12)


def test_correlations_from_sums_by_hand():
    x = np.array([[1.0], [2.0], [4.0]], np.float32)
    a = np.array([[[2.0, 5.0], [1.0, 5.0], [0.0, 5.0]]], np.float32)
    r = correlations_from_sums(
        3,
        a.sum(axis=1, dtype=float),
        np.square(a).sum(axis=1, dtype=float),
        x.sum(axis=0, dtype=float)[None],
        np.square(x).sum(axis=0, dtype=float)[None],
        np.einsum("mru,ri->mui", a, x, dtype=float),
        np.array([[True, False]]),
    )
    # deviations of a: 1, 0, -1; of x: -4/3, -1/3, 5/3
    assert r[0, 0, 0] == pytest.approx(-3 / np.sqrt(2 * 42 / 9))
    assert np.isnan(r[0, 1, 0])


def test_packed_weights_come_back_under_their_names():
    stack = SAE.of([sae_weights(seed, 4, 6) for seed in (0, 5)])
    again = unpack(packed(stack), sae_weights(0, 4, 6), SAE)
    assert again.names == stack.names
    assert_same_bytes(again, stack)


@pytest.mark.parametrize(("models", "used"), [(1, [1]), (16, [16]), (17, [16, 1])])
def test_blocks_hold_every_model_once(models, used):
    found = blocks(models)
    assert [b.used for b in found] == used
    assert all(len(b.models) == LANES for b in found)
    assert np.concatenate([b.kept for b in found]).tolist() == list(range(models))


@pytest.mark.parametrize("rows", [1, 3, 4, 5, 32])
def test_room_for_a_batch_is_whole_groups_of_rows(rows):
    assert padded(rows) % ROWS == 0
    assert 0 <= padded(rows) - rows < ROWS


OTHER_CPU = """
import hashlib, sys
sys.path.insert(0, {here!r})
from test_engine import everything
print(everything())
"""


def everything() -> str:
    """A digest of trained weights, losses, correlations and scores."""
    found, stack, saes, _, _ = evaluated(18)
    digest = hashlib.sha256(packed(stack).tobytes() + packed(saes).tobytes())
    fit, check = parts(5, 1, "regression")
    networks, history = engine.train_mlps(fit, check, "regression", 1, MLPSettings(epochs=2), [0])
    digest.update(packed(networks).tobytes() + history.to_numpy(dtype=float).tobytes())
    fit, check = parts(5, 3, "classification")
    weighted, history = engine.train_mlps(
        fit, check, "classification", 3, MLPSettings(epochs=2, class_weights="balanced"), [0]
    )
    digest.update(packed(weighted).tobytes() + history.to_numpy(dtype=float).tobytes())
    for sums in found.units.values():
        digest.update(b"".join(np.ascontiguousarray(v).tobytes() for v in vars(sums).values() if np.ndim(v)))
    return digest.hexdigest()


@pytest.mark.parametrize("cpu", ["generic", "haswell"])
def test_results_are_the_same_bytes_on_another_cpu(cpu):
    environment = os.environ | {"NUMBA_CPU_NAME": cpu}
    if cpu == "generic":
        environment["NUMBA_CPU_FEATURES"] = ""
    code = OTHER_CPU.format(here=os.path.dirname(__file__))  # noqa: PTH120
    run = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert run.stdout.strip() == everything()


@pytest.fixture
def flushing() -> Iterator[None]:
    if not torch.set_flush_denormal(True):
        pytest.skip("this processor always keeps denormal numbers")
    yield
    torch.set_flush_denormal(False)


@pytest.mark.parametrize("what", ["networks", "saes", "variants"])
def test_nothing_is_trained_where_the_smallest_numbers_are_taken_for_zero(what: str, flushing: None) -> None:
    fit, check = parts(5, 3, "classification", rows=100)
    h = np.ones((1, 100, 6), np.float32)
    train = {
        "networks": lambda: engine.train_mlps(fit, check, "classification", 3, MLPSettings(epochs=1), [0]),
        "saes": lambda: engine.train_saes(h, SAESettings(epochs=1), "keras3", [0]),
        "variants": lambda: fit_variant("topk", h, 6, [2.0], DescentSettings(steps=10), [0]),
    }
    with pytest.raises(StageError, match="this process takes the smallest numbers for zero"):
        train[what]()
