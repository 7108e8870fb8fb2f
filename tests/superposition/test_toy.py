"""Toy models of superposition: the published patterns (Elhage et al. 2022), and measures for a hand."""

import numpy as np
import pytest
import torch

from precip_sae.settings import DescentSettings
from precip_sae.superposition.geometry import (
    DEDICATED,
    IGNORED,
    SUPERPOSED,
    antipodal,
    dimensionality,
    fates,
    interference,
    phase_diagram,
    polygon,
)
from precip_sae.superposition.toy import ToyModel, random_directions, sparse_features, toy_loss, train_toys

SETTINGS = DescentSettings(steps=800, batch=128, learning_rate=0.02)
SEEDS = [0, 1, 2]
FIVE = np.array([[np.cos(a), np.sin(a)] for a in 2 * np.pi * np.arange(5) / 5])


def weights(units: int, activity: float, importance: list[float]) -> np.ndarray:
    models = train_toys(units, [activity] * 3, np.tile(importance, (3, 1)), SEEDS, SETTINGS)
    return models.weight.detach().numpy()


def test_the_toy_model_is_its_formula() -> None:
    w, b = np.array([[1.0, 0.0], [0.0, 2.0], [-1.0, 0.5]], np.float32), np.array([0.1, -0.2, 0.0], np.float32)
    model = ToyModel.of([{"weight": w, "bias": b}])
    x = np.array([[1.0, 0.5, 0.0], [0.0, 0.0, 1.0]], np.float32)
    out = np.maximum(x @ w @ w.T + b, 0)
    with torch.no_grad():
        np.testing.assert_allclose(model(torch.from_numpy(x))[0], out, rtol=1e-6)
        loss = toy_loss(model, torch.from_numpy(x)[None], torch.tensor([[1.0, 0.5, 2.0]]))
    assert float(loss) == pytest.approx(((x - out) ** 2 * [1.0, 0.5, 2.0]).sum(axis=1).mean())


def test_features_are_as_rare_as_asked_and_uniform_where_they_are_active() -> None:
    values, active = sparse_features(np.random.default_rng(0), 20_000, 4, 0.05)
    assert active.mean() == pytest.approx(0.05, abs=0.005)
    assert values[active].mean() == pytest.approx(0.5, abs=0.02)


def test_a_feature_alone_has_a_dimension_a_pair_half_of_one_and_a_pentagon_two_fifths() -> None:
    alone, pair = np.array([[[1.0, 0.0], [0.0, 1.0]]]), np.array([[[1.0, 0.0], [-1.0, 0.0]]])
    np.testing.assert_allclose(dimensionality(alone), 1.0)
    np.testing.assert_allclose(dimensionality(pair), 0.5)
    np.testing.assert_allclose(dimensionality(FIVE[None]), 0.4)
    np.testing.assert_allclose(interference(pair), 1.0)
    assert fates(pair)[0].tolist() == [SUPERPOSED, SUPERPOSED]
    assert fates(np.array([[[1.0, 0.0], [0.0, 0.1], [0.0, 0.9]]]))[0].tolist() == [DEDICATED, IGNORED, DEDICATED]


def test_a_feature_without_a_direction_is_ignored_and_has_no_dimension() -> None:
    w = np.array([[[1.0, 0.0], [0.0, 0.0]]])
    assert fates(w)[0].tolist() == [DEDICATED, IGNORED]
    assert np.isnan(dimensionality(w)[0, 1])
    assert not antipodal(w).any()


def test_a_polygon_is_known_by_equal_angles() -> None:
    assert polygon(FIVE[None]).tolist() == [5]
    assert polygon(np.array([[[1, 0], [-1, 0], [0, 1], [0, -1]]], float)).tolist() == [4]
    assert polygon(np.array([[[1, 0], [0, 1], [0.7, 0.7]]], float)).tolist() == [0]
    assert polygon(np.array([[[1, 0], [-1, 0]]], float)).tolist() == [0]


def test_dense_features_get_the_dimensions_in_order_of_importance_as_in_pca() -> None:
    found = fates(weights(2, 1.0, [1.0, 0.7, 0.4, 0.2, 0.1]))
    assert (found == [DEDICATED, DEDICATED, IGNORED, IGNORED, IGNORED]).all()


def test_five_sparse_features_in_a_plane_make_a_pentagon() -> None:
    w = weights(2, 0.05, [1.0, 0.9, 0.81, 0.73, 0.66])
    assert polygon(w).tolist() == [5, 5, 5]
    np.testing.assert_allclose(dimensionality(w), 0.4, atol=0.05)


def test_twice_as_many_sparse_features_as_dimensions_lie_in_antipodal_pairs() -> None:
    w = weights(3, 0.05, [1.0] * 6)
    assert antipodal(w).all()
    np.testing.assert_allclose(dimensionality(w), 0.5, atol=0.03)


def test_a_second_feature_is_ignored_or_takes_the_dimension_when_dense_and_shares_it_when_sparse() -> None:
    diagram = phase_diagram([1.0, 0.05], [0.2, 5.0], SEEDS, SETTINGS)
    assert diagram.tolist() == [[IGNORED, SUPERPOSED], [DEDICATED, SUPERPOSED]]


def test_a_toy_model_is_the_same_beside_others_and_random_directions_have_unit_length() -> None:
    few = DescentSettings(steps=20, batch=16, learning_rate=0.01)
    both = train_toys(2, [0.1, 0.5], np.ones((2, 4)), [3, 3], few).weight.detach().numpy()
    alone = train_toys(2, [0.5], np.ones((1, 4)), [3], few).weight.detach().numpy()
    np.testing.assert_allclose(both[1], alone[0], atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(random_directions([0, 1], 5, 3), axis=2), 1, rtol=1e-6)


def test_toy_models_are_the_same_bytes_from_one_process_and_from_two() -> None:
    few, given = (
        DescentSettings(steps=20, batch=16, learning_rate=0.01),
        (2, [0.1, 0.5, 0.9], np.ones((3, 4)), [3, 4, 5]),
    )
    one, two = (train_toys(*given, few, processes=processes).weight.detach().numpy() for processes in (1, 2))
    assert one.tobytes() == two.tobytes()
