"""Interventions: against the closed form of a linear output layer, and against running the network anew."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.decomposition import PCA
from sklearn.metrics import log_loss

from precip_sae.interpretation import causes, interventions, storms
from precip_sae.models.initial import mlp_weights, sae_weights
from precip_sae.models.mlp import MLP
from precip_sae.models.sae import SAE
from precip_sae.settings import DataSettings
from precip_sae.tasks.prepare import Part, Prepared

RNG = np.random.default_rng(0)
X = RNG.normal(size=(80, 3)).astype(np.float32)
EPISODES = np.repeat(np.arange(20), 4)


def prepared(kind: str, scale: float = 1.0, mean: float = 0.0) -> Prepared:
    """No rows, but how a response was standardised."""
    classes = ["a", "b", "c"] if kind == "classification" else []
    data = DataSettings(table="t", predictors=["a", "b", "c"], response="y", kind=kind, classes=classes)
    part = Part(X[:0], X[:0, 0])
    return Prepared(data, part, part, part, part, np.zeros(3), np.ones(3), {}, response_mean=mean, response_scale=scale)


def task(kind: str, scale: float = 1.0, mean: float = 0.0) -> tuple[MLP, SAE, SAE, causes.Subject, Part]:
    outputs = 3 if kind == "classification" else 1
    networks = MLP.of([mlp_weights(seed, 3, 4, outputs) for seed in (0, 1)])
    saes, untrained = (SAE.of([sae_weights(seed, 4, 5) for seed in seeds]) for seeds in ((0, 1), (7, 8)))
    with torch.no_grad():
        hidden = networks.hidden(torch.from_numpy(X))
        latents, control = (s.encode(hidden).numpy() for s in (saes, untrained))
        z = networks.output(hidden).numpy()
    y = z[0].argmax(axis=1) if kind == "classification" else scale * (z[0, :, 0] + 0.1) + mean
    it = causes.subject(networks, saes, untrained, hidden.numpy(), latents, control, prepared(kind, scale, mean))
    return networks, saes, untrained, it, Part(X, y)


@given(d=st.floats(-3, 3), unit=st.integers(0, 4))
def test_changing_a_latent_by_d_moves_the_outputs_by_d_times_its_decoder_row_times_the_output_weights(
    d: float, unit: int
) -> None:
    # the closed form of one ReLU layer with a linear output: dz = d D_j W, whatever the row
    networks, saes, _, it, _ = task("regression")
    row = it.rows["latents"][0, unit] @ it.weight[0]
    change = interventions.changed(it.z[0], np.full(len(X), d), row, "regression") - it.z[0]
    with torch.no_grad():
        latents = saes.encode(torch.from_numpy(it.hidden))
        more = latents.clone()
        more[:, :, unit] += d
        moved = torch.from_numpy(it.hidden) + saes.decode(more) - saes.decode(latents)
        anew = (networks.output(moved) - networks.output(torch.from_numpy(it.hidden)))[0].numpy()
    np.testing.assert_allclose(change, np.broadcast_to(d * row, change.shape), atol=1e-12)
    np.testing.assert_allclose(change, anew, atol=2e-5)


def test_ablating_a_hidden_unit_is_running_the_network_without_it() -> None:
    networks, _, _, it, part = task("classification")
    table, _ = causes.effects(it, part, [3, 5], ["a", "b", "c"])
    without = networks[[0, 1]]
    with torch.no_grad():
        without.output_weight[:, 2] = 0
        before, after = (torch.softmax(n(torch.from_numpy(X)), dim=2).numpy() for n in (networks, without))
    mine = table[(table["kind"] == "hidden") & (table["unit"] == 2)]
    np.testing.assert_allclose(mine["size"], np.abs(after - before).sum(axis=2).mean(axis=1) / 2, atol=1e-5)
    assert mine["seed"].tolist() == [3, 5]


def test_a_clamped_latent_is_what_the_network_says_with_the_latent_at_that_value() -> None:
    networks, saes, _, it, _ = task("classification")
    levels = np.array([0.0, 0.7])
    latent = -it.changes["latents"][1, :, 2].astype(np.float64)
    row = it.rows["latents"][1, 2] @ it.weight[1]
    found = np.stack([interventions.changed(it.z[1], k - latent, row, "classification").mean(axis=0) for k in levels])
    with torch.no_grad():
        h = torch.from_numpy(it.hidden)
        f = saes.encode(h)
        for level, curve in zip(levels, found, strict=True):
            g = f.clone()
            g[:, :, 2] = level
            anew = torch.softmax(networks.output(h + saes.decode(g) - saes.decode(f)), dim=2)[1].mean(dim=0)
            np.testing.assert_allclose(curve, anew.numpy(), atol=1e-5)


def test_the_activations_themselves_recover_the_whole_loss_and_their_mean_none_of_it() -> None:
    _, _, _, it, part = task("classification")
    mean = it.hidden.mean(axis=1, dtype=np.float64)
    flat = np.broadcast_to(mean[:, None, :], it.hidden.shape)
    found = causes.splicing(it, {"same": it.hidden, "mean": flat}, part.y, mean, EPISODES, "storms")
    for over in ("seeds", "storms"):
        assert found["same"][over]["mean"] == pytest.approx(1)
        assert found["mean"][over]["mean"] == pytest.approx(0, abs=1e-12)
    assert found["same"]["storms"]["over"] == "storms"


def test_a_reconstruction_worse_than_the_mean_recovers_less_than_nothing() -> None:
    assert interventions.recovered(np.array([1.0]), np.array([4.0]), np.array([3.0]))[0] == -0.5
    assert np.isnan(interventions.recovered(np.array([3.0]), np.array([1.0]), np.array([2.0]))[0])


def test_losses_are_sklearns_cross_entropy_and_the_squared_error() -> None:
    z, y = RNG.normal(size=(1, 30, 3)), RNG.integers(0, 3, 30)
    own = interventions.losses(z, y, "classification").mean()
    assert own == pytest.approx(log_loss(y, interventions.predictions(z, "classification")[0], labels=[0, 1, 2]))
    assert interventions.losses(np.array([[[3.0]]]), np.array([1.0]), "regression")[0, 0] == 4


def test_probabilities_of_huge_logits_are_still_probabilities() -> None:
    p = interventions.predictions(np.array([[1000.0, 0.0], [-1000.0, -1000.0]]), "classification")
    np.testing.assert_allclose(p, [[1, 0], [0.5, 0.5]])


def test_principal_directions_are_sklearns() -> None:
    hidden = RNG.normal(size=(1, 50, 3)).astype(np.float32) * np.array([3, 2, 1], np.float32)
    mean, directions = interventions.principal(hidden)
    other = PCA(3).fit(hidden[0].astype(np.float64))
    np.testing.assert_allclose(mean[0], other.mean_, atol=1e-6)
    np.testing.assert_allclose(np.abs(directions[0]), np.abs(other.components_), atol=1e-6)
    two = interventions.projected(hidden, mean, directions[:, :2])
    expected = other.inverse_transform(other.transform(hidden[0]) * np.array([1, 1, 0]))
    np.testing.assert_allclose(two[0], expected, atol=1e-5)
    np.testing.assert_allclose(interventions.projected(hidden, mean, directions), hidden, atol=1e-5)


def test_a_random_direction_has_the_length_of_the_row_that_it_stands_for() -> None:
    rows = RNG.normal(size=(2, 5, 4))
    found = interventions.directed(rows, np.random.default_rng(3))
    np.testing.assert_allclose(np.linalg.norm(found, axis=2), np.linalg.norm(rows, axis=2))
    assert np.abs(found - rows).min() > 0


def test_an_effect_that_follows_one_input_is_tied_to_it_alone() -> None:
    x = RNG.normal(size=(4000, 2))
    bins = interventions.quantile_bins(x, 10)
    follows = np.where(bins[0] < 5, 0.0, 1.0)
    found = interventions.tied(np.stack([follows, np.zeros(4000)], axis=1), bins)
    assert found[0, 0] == pytest.approx(1)
    assert found[0, 1] < 0.02
    assert np.isnan(found[1]).all()


def test_a_share_of_variance_between_bins_is_that_of_an_analysis_of_variance() -> None:
    values, bins = RNG.normal(size=60), np.repeat(np.arange(3), 20)
    frame = pd.DataFrame({"v": values, "b": bins})
    between = (frame.groupby("b")["v"].transform("mean") - values.mean()).pow(2).sum()
    found = interventions.tied(values[:, None], bins[None, :])
    assert found[0, 0] == pytest.approx(between / ((values - values.mean()) ** 2).sum())


def test_the_size_of_an_effect_is_the_probability_that_changes_hands() -> None:
    assert interventions.size(np.array([0.3, -0.2, -0.1]), "classification") == pytest.approx(0.3)
    assert interventions.size(np.array([-0.4]), "regression") == 0.4


def test_a_dead_latent_changes_nothing_and_is_not_averaged() -> None:
    _, _, _, it, part = task("classification")
    it.changes["latents"][:, :, 1:] = 0
    table, by_row = causes.effects(it, part, [0, 1], ["a", "b", "c"])
    dead = table[(table["kind"] == "latents") & (table["unit"] > 0)]
    assert (dead[["active", "size", "doubled", "out_0"]] == 0).all(axis=None)
    assert (dead["tied_to"] == "").all()
    summary = causes.summary(table, by_row, EPISODES, "storms", ".1%")
    alone = table[(table["kind"] == "latents") & (table["unit"] == 0)]["size"]
    assert summary["kinds"]["latents"]["size"]["mean"] == pytest.approx(alone[alone > 0].mean())
    assert summary["latents_less"]["size"].keys() == {"hidden", "untrained", "random", "principal"}


def test_latents_that_are_all_dead_leave_their_effects_undefined() -> None:
    _, _, _, it, part = task("regression")
    it.changes["latents"][:] = 0
    table, by_row = causes.effects(it, part, [4, 2], ["a", "b", "c"])
    found = causes.summary(table, by_row, EPISODES, "storms", ".3f")
    assert (found["kinds"]["latents"]["size"]["mean"], found["kinds"]["latents"]["size"]["undefined"]) == (None, 2)
    assert found["kinds"]["hidden"]["size"]["n"] == 2
    assert found["latents_less"]["size"]["hidden"]["mean"] is None
    json.dumps(found, allow_nan=False)


def test_effects_on_a_standardised_response_are_told_in_its_own_unit() -> None:
    plain, scaled = task("regression"), task("regression", scale=5.0, mean=-2.0)
    tables = [causes.effects(it, part, [0, 1], ["a", "b", "c"])[0] for *_, it, part in (plain, scaled)]
    np.testing.assert_allclose(tables[1]["size"], 5 * tables[0]["size"], atol=1e-5)
    # a response in kilograms where others have milligrams is no smaller
    tiny = task("regression", scale=1e-9)
    small = causes.effects(*tiny[3:], [0, 1], ["a", "b", "c"])[0]
    for name in ("size", "doubled", "out_0"):
        np.testing.assert_allclose(1e9 * small[name], tables[0][name], rtol=1e-4, atol=1e-5)
    curves = [
        causes.steer(it, n, part, EPISODES, {0: 1, 1: 3}, 2, 4, "c", bins=5) for n, _, _, it, part in (plain, scaled)
    ]
    for name in ("observed", "network", "moved", "clamped"):
        np.testing.assert_allclose(getattr(curves[1], name), 5 * getattr(curves[0], name) - 2, atol=1e-5)
    np.testing.assert_allclose(curves[1].carried, curves[0].carried)


def test_what_latents_do_more_than_controls_has_an_interval_over_seeds_and_storms() -> None:
    _, _, _, it, part = task("classification")
    table, by_row = causes.effects(it, part, [0, 1], ["a", "b", "c"])
    found = causes.summary(table, by_row, EPISODES, "storms", ".1%")
    for control, spread in found["latents_less_storms"]["size"].items():
        assert spread["over"] == "seeds and storms"
        assert spread["mean"] == pytest.approx(found["latents_less"]["size"][control]["mean"], abs=1e-6)
        assert spread["low"] < spread["mean"] < spread["high"]
    # a few storms say too little about others
    few = causes.summary(table, by_row, np.repeat(np.arange(4), 20), "storms", ".1%")
    assert few["latents_less_storms"]["size"]["hidden"]["low"] is None


def test_means_of_drawn_storms_are_those_of_the_repeated_rows() -> None:
    values = np.random.default_rng(1).normal(size=(80, 2))
    draws = storms.weights(EPISODES, 3)
    for weights, mean in zip(draws.astype(int), storms.redrawn_means(values, EPISODES, draws), strict=True):
        np.testing.assert_allclose(mean, np.repeat(values, weights[EPISODES], axis=0).mean(axis=0))


def test_a_latent_that_carries_the_whole_response_is_said_to() -> None:
    curve = np.array([[[0.0], [1.0], [3.0]]])
    one = causes.Steering(1, "T", np.arange(3.0), curve[0], curve[0], curve, 0.5 * curve + 2, -curve, {})
    np.testing.assert_allclose(one.carried, [0.5])
    np.testing.assert_allclose(one.carried_random, [-1.0])


def test_steering_asks_every_model_that_has_the_family() -> None:
    networks, _, _, it, part = task("classification")
    found = causes.steer(it, networks, part, EPISODES, {0: 1, 1: 3}, 2, 4, "c", bins=5)
    assert found.clamped.shape == found.moved.shape == (2, 5, 3)
    np.testing.assert_allclose(found.moved.sum(axis=2), 1)
    np.testing.assert_allclose(found.observed.sum(axis=1), 1)
    x = X.astype(np.float64).copy()
    x[:, 2] = found.centres[3]
    with torch.no_grad():
        anew = torch.softmax(networks(torch.from_numpy(x.astype(np.float32))), dim=2).mean(dim=1).numpy()
    np.testing.assert_allclose(found.moved[:, 3], anew, atol=1e-5)
    # on the storms as they are the latent carries what the means over all rows say
    np.testing.assert_allclose(found.drawn["carried"][0], found.carried, atol=1e-6)
    np.testing.assert_allclose(found.drawn["carried_random"][0], found.carried_random, atol=1e-6)
    assert found.drawn["carried"].shape == (storms.RESAMPLES + 1, 2)
