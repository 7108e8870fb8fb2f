"""Matching units across seeds: on cases that a hand can check, and against other implementations."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.stats import pearsonr

from precip_sae.interpretation import matching, storms
from precip_sae.models.initial import mlp_weights, sae_weights
from precip_sae.models.mlp import MLP
from precip_sae.models.sae import SAE
from precip_sae.spread import over_seeds

RNG = np.random.default_rng(0)


def series(models: int = 3, rows: int = 50, units: int = 4) -> np.ndarray:
    return RNG.normal(size=(models, rows, units)).astype(np.float32)


def permuted_copies() -> np.ndarray:
    """Three models with the same four units in different orders."""
    one = series(1)[0]
    return np.stack([one, one[:, [2, 0, 3, 1]], one[:, ::-1]])


def test_similarities_are_scipys_correlations() -> None:
    a = series()
    found = matching.similarities(a)
    for s, t, i, j in itertools.product(range(3), range(3), range(4), range(4)):
        assert found[s, t, i, j] == pytest.approx(pearsonr(a[s, :, i], a[t, :, j])[0], abs=1e-6)


def test_a_dead_unit_is_similar_to_nothing_and_is_not_counted() -> None:
    a = series()
    a[1, :, 2] = 0
    found = matching.similarities(a)
    assert np.isnan(found[1, :, 2]).all()
    np.testing.assert_array_equal(matching.living(found).sum(axis=1), [4, 3, 4])
    partners = matching.partners(found)
    assert np.isnan(partners.similarity[1, 0, 2])
    # the unit of model 0 that is left with the dead one has a partner that is no partner
    assert (partners.similarity[0, 1] == 0).sum() == 1


def test_units_in_another_order_find_their_own_copies() -> None:
    partners = matching.partners(matching.similarities(permuted_copies()))
    np.testing.assert_array_equal(partners.unit[0, 1], [1, 3, 0, 2])
    np.testing.assert_array_equal(partners.unit[1, 0], [2, 0, 3, 1])
    np.testing.assert_allclose(partners.similarity[0, 1], 1, atol=1e-6)
    np.testing.assert_array_equal(matching.share_above(partners.similarity, 0.9)[0, 1:], [1, 1])


@given(st.integers(0, 1000))
def test_no_other_pairing_is_more_similar_in_all(seed: int) -> None:
    similarity = matching.similarities(np.random.default_rng(seed).normal(size=(2, 8, 4)).astype(np.float32))
    best = max(similarity[0, 1, range(4), order].sum() for order in map(list, itertools.permutations(range(4))))
    assert matching.partners(similarity).similarity[0, 1].sum() == pytest.approx(best)


def test_partners_are_one_to_one_and_the_nearest_need_not_be() -> None:
    a = series(2)
    a[0, :, 1] = a[0, :, 0] + 0.01 * a[0, :, 1]
    a[1, :, 0] = a[0, :, 0]
    partners = matching.partners(matching.similarities(a))
    assert (partners.nearest[0, 1, :2] > 0.99).all()
    assert (partners.similarity[0, 1, :2] > 0.99).sum() == 1
    assert (partners.nearest[0, 1] >= partners.similarity[0, 1]).all()


def test_a_share_is_of_the_living_units_and_strictly_above() -> None:
    similarity = np.full((2, 2, 3), np.nan)
    similarity[0, 1] = [0.7, 0.71, np.nan]
    similarity[1, 0] = [0.9, 0.8, 0.1]
    share = matching.share_above(similarity, 0.7)
    assert (share[0, 1], share[1, 0]) == (0.5, pytest.approx(2 / 3))
    assert np.isnan(share[0, 0])


def test_the_interval_of_a_mean_over_pairs_knows_that_pairs_share_models() -> None:
    # pairs that are sums of two models' own numbers: the mean over pairs is twice the mean number
    own = np.array([0.1, 0.5, 0.2, 0.9, 0.4])
    pairs = own[:, None] + own[None, :]
    numbers = matching.by_model(pairs)
    np.testing.assert_allclose(numbers, 2 * own)
    assert over_seeds(numbers)["mean"] == pytest.approx(2 * own.mean())


def test_a_model_without_living_units_and_too_few_models_give_no_number() -> None:
    pairs = np.full((4, 4), 0.5)
    pairs[2] = pairs[:, 2] = np.nan
    assert np.isnan(matching.by_model(pairs)).tolist() == [False, False, True, False]
    assert np.isnan(matching.by_model(np.full((2, 2), 0.5))).all()


def test_copies_are_one_family_each_and_every_model_has_it() -> None:
    similarity = matching.similarities(permuted_copies())
    labels = matching.families(similarity, 0.7)
    assert sorted(labels[0]) == [0, 1, 2, 3]
    np.testing.assert_array_equal(labels[1], labels[0][[2, 0, 3, 1]])
    found = matching.returning(labels, similarity, 0.5)
    assert len(found) == 4
    assert all(family.share == 1 and family.similarity == pytest.approx(1, abs=1e-6) for family in found)
    assert found[0].members.keys() == {0, 1, 2}


def test_families_are_scipys_average_linkage() -> None:
    a = series(4, 30, 3) + series(1, 30, 1)
    similarity = matching.similarities(a)
    flat = similarity.transpose(0, 2, 1, 3).reshape(12, 12)
    other = fcluster(linkage((1 - flat)[np.triu_indices(12, 1)], "average"), 0.5, "distance")
    labels = matching.families(similarity, 0.5).ravel()
    for i, j in itertools.combinations(range(12), 2):
        assert (labels[i] == labels[j]) == (other[i] == other[j])


def test_a_family_of_one_seed_does_not_return() -> None:
    similarity = matching.similarities(series(2, 400))
    labels = matching.families(similarity, 0.7)
    assert matching.returning(labels, similarity, 0.5) == []


def test_of_two_units_of_a_model_in_a_family_the_nearer_one_is_its_member() -> None:
    common, noise = RNG.normal(size=(2, 200)).astype(np.float32)
    rough = common + 0.4 * noise
    a = np.stack([np.stack([rough, common], axis=1), np.stack([common, -common], axis=1)])
    similarity = matching.similarities(a)
    (family,) = matching.returning(matching.families(similarity, 0.7), similarity, 0.5)
    assert (family.members, family.units) == ({0: 1, 1: 0}, 3)


def test_a_family_that_exactly_the_share_of_models_has_returns() -> None:
    # 0.28 x 25 is 7.000000000000001
    labels = np.full((25, 1), -1)
    labels[:7] = 0
    (family,) = matching.returning(labels, np.ones((25, 25, 1, 1)), 0.28)
    assert family.share == 0.28


def test_a_random_unit_is_active_as_often_as_the_latent_that_it_stands_for() -> None:
    hidden = np.abs(series(2, 1000, 3))
    latents = np.maximum(series(2, 1000, 5) - np.linspace(-1, 1, 5, dtype=np.float32), 0)
    latents[0, :, 4] = 0
    found = matching.random_units(hidden, latents, np.random.default_rng(1))
    np.testing.assert_allclose((found > 0).mean(axis=1), (latents > 0).mean(axis=1), atol=2e-3)


def test_shifting_keeps_every_units_values_and_moves_models_apart() -> None:
    a = np.repeat(np.arange(12, dtype=np.float32)[None, :, None], 3, axis=0)
    found = matching.shifted(a)
    np.testing.assert_array_equal(np.sort(found, axis=1), a)
    assert found[:, 0, 0].tolist() == [0, 8, 4]


def tiny() -> tuple[MLP, SAE, np.ndarray, np.ndarray, np.ndarray]:
    networks = MLP.of([mlp_weights(seed, 3, 4, 2) for seed in (0, 1)])
    saes = SAE.of([sae_weights(seed, 4, 5) for seed in (0, 1)])
    x = RNG.normal(size=(60, 3)).astype(np.float32)
    with torch.no_grad():
        hidden = networks.hidden(torch.from_numpy(x))
        return networks, saes, x, hidden.numpy(), saes.encode(hidden).numpy()


def test_the_input_direction_is_the_mean_gradient_where_the_latent_is_active() -> None:
    networks, saes, x, hidden, latents = tiny()
    found = matching.input_directions(networks, saes, x, hidden, latents)
    given_x = torch.from_numpy(x).expand(2, -1, -1).clone().requires_grad_(True)
    f = saes.encode(networks.hidden(given_x))
    for m, k in itertools.product(range(2), range(5)):
        (gradient,) = torch.autograd.grad(f[m, :, k].sum(), given_x, retain_graph=True)
        active = max(int((latents[m, :, k] > 0).sum()), 1)
        np.testing.assert_allclose(found[m, k], gradient[m].sum(dim=0).numpy() / active, atol=1e-5)


def test_the_output_direction_is_what_a_unit_more_of_a_latent_adds_to_the_logits() -> None:
    networks, saes, _, _, latents = tiny()
    more = latents.copy()
    more[:, :, 3] += 1
    with torch.no_grad():
        change = networks.output(saes.decode(torch.from_numpy(more))) - networks.output(
            saes.decode(torch.from_numpy(latents))
        )
    expected = change[:, 0].numpy()
    found = matching.output_directions(networks, saes)[:, 3]
    np.testing.assert_allclose(found, expected - expected.mean(axis=1, keepdims=True), atol=1e-5)


def test_directions_are_alike_whatever_their_lengths() -> None:
    v = np.array([[[1.0, 0.0], [0.0, 2.0]], [[0.0, 5.0], [3.0, 3.0]]])
    found = matching.cosines(v)
    np.testing.assert_allclose(found[0, 1], [[0, np.sqrt(0.5)], [1, np.sqrt(0.5)]], atol=1e-6)
    assert np.isnan(matching.cosines(np.zeros((1, 2, 2)))).all()


def test_the_share_of_the_observations_themselves_is_the_first_of_the_resampled_ones() -> None:
    a = series(4, 90, 3)
    a[:, :, 0] = a[0, :, 0] + 0.8 * a[:, :, 0]
    a[3, :, 2] = 0
    partners = matching.partners(matching.similarities(a))
    episodes = np.repeat(np.arange(15), 6)
    levels = (0.1, 0.5)
    resampled = matching.share_over_episodes(a, partners, episodes, storms.weights(episodes, 20), levels)
    for level, found in zip(levels, resampled, strict=True):
        pairs = matching.share_above(partners.similarity, level)
        assert found[0] == pytest.approx(np.nanmean(pairs))
        assert ((found >= 0) & (found <= 1)).all()


def test_a_resample_is_what_the_drawn_storms_alone_would_give() -> None:
    a = series(3, 40, 2)
    episodes = np.repeat(np.arange(8), 5)
    partners = matching.partners(matching.similarities(a))
    draw = np.array([[0.0, 2, 1, 1, 0, 3, 1, 0]])
    rows = np.concatenate([np.flatnonzero(episodes == e) for e, n in enumerate(draw[0]) for _ in range(int(n))])
    again = matching.similarities(a[:, rows])
    matched = np.array([[again[s, t, range(2), partners.unit[s, t]] for t in range(3)] for s in range(3)])
    expected = np.mean([(matched[s, t] > 0.05).mean() for s in range(3) for t in range(3) if s != t])
    found = matching.share_over_episodes(a, partners, episodes, draw, [0.05])
    assert found[0, 0] == pytest.approx(expected)
