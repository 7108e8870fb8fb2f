"""Reconstruction, sparsity and death, on cases small enough for a hand."""

import numpy as np
import pandas as pd
import pytest

from precip_sae.interpretation.metrics import active_per_row, dead, fraction_of_variance_unexplained
from precip_sae.interpretation.response import binned_response, most_selective, strongest_responses
from precip_sae.interpretation.units import Variant, feature_names, per_seed, summary, typical_seed, unit_table
from precip_sae.settings import DataSettings
from precip_sae.spread import over_seeds
from precip_sae.tasks.prepare import prepare

X = np.random.default_rng(0).uniform(size=(2, 40, 3)).astype(np.float32)
MEAN = X.mean(axis=1, dtype=np.float64)


def test_a_perfect_reconstruction_leaves_nothing_unexplained() -> None:
    np.testing.assert_array_equal(fraction_of_variance_unexplained(X, X, MEAN), 0)


def test_predicting_the_mean_leaves_everything_unexplained() -> None:
    constant = np.broadcast_to(MEAN[:, None, :], X.shape)
    np.testing.assert_allclose(fraction_of_variance_unexplained(X, constant, MEAN), 1, rtol=1e-12)


def test_activations_that_never_vary_have_no_variance_to_explain() -> None:
    flat = np.ones((1, 5, 2), np.float32)
    assert np.isnan(fraction_of_variance_unexplained(flat, flat, np.ones((1, 2)))).all()


def test_active_latents_are_counted_row_by_row() -> None:
    latents = np.array([[[0.0, 2.0, 1.0], [0.0, 0.0, 3.0]]], np.float32)
    assert active_per_row(latents)[0] == 1.5
    np.testing.assert_array_equal(dead(latents), [[True, False, False]])


def test_the_interval_over_seeds_is_students_t() -> None:
    spread = over_seeds([1.0, 2.0, 3.0, np.nan])
    # mean 2, sd 1, n 3, t(0.975, 2) = 4.3027
    assert spread["mean"] == 2
    assert spread["high"] == pytest.approx(2 + 4.302653 / np.sqrt(3))
    assert (spread["n"], spread["undefined"]) == (3, 1)


def test_a_single_seed_has_a_mean_and_no_interval() -> None:
    spread = over_seeds([0.5])
    assert (spread["mean"], spread["low"], spread["n"]) == (0.5, None, 1)
    assert over_seeds([np.nan])["mean"] is None


def test_the_binned_response_of_a_straight_line_is_a_straight_line() -> None:
    values = np.arange(100.0)
    response = binned_response(values, (2 * values).astype(np.float32), bins=5)
    np.testing.assert_allclose(response.median, 2 * response.centres)
    assert (response.low <= response.high).all()


def test_an_input_with_two_values_gives_two_bins_and_a_constant_one() -> None:
    response = binned_response(np.array([0.0, 0.0, 1.0, 1.0]), np.array([1, 1, 3, 3], np.float32))
    assert set(response.median) <= {1.0, 3.0}
    assert len(binned_response(np.zeros(4), np.ones(4, np.float32)).median) == 1


def test_dead_units_are_never_the_most_selective() -> None:
    r = np.array([[np.nan], [-0.9], [0.3]])
    assert most_selective(r, 0, 3) == [1, 2]


def test_the_summary_counts_dead_and_insensitive_units_and_compares_with_the_control_seed_by_seed() -> None:
    seeds = [7, 9]
    inputs = np.linspace(-1, 1, 20, dtype=np.float32)[:, None]
    line = np.broadcast_to(inputs, (2, 20, 1))
    r_mlp = np.array([[[0.9, 0.8]], [[0.9, 0.8]]])
    r_sae = np.array([[[0.9, 0.1], [0.1, 0.1]], [[0.9, 0.8], [np.nan, np.nan]]])
    two = np.repeat(line, 2, axis=2)
    found = {
        "mlp": Variant(line, r_mlp, np.zeros((2, 1), bool)),
        "keras3": Variant(two, r_sae, np.isnan(r_sae).all(axis=2)),
        "untrained": Variant(line, r_mlp, np.zeros((2, 1), bool)),
    }
    table = per_seed(found, seeds, 0.4)
    result = summary(table, found, ["a", "b"], 0.4)["keras3"]
    assert result["monosemantic"]["mean"] == 0.25  # one of two living latents, none of one
    assert result["strongest"]["b"]["mean"] == pytest.approx(0.45)
    assert result["reduction"]["published"]["mean"] == pytest.approx(0.25)  # 1 - 1/2 and 1 - 2/2
    assert result["beyond_untrained"]["published"]["mean"] == pytest.approx(0.25)
    assert result["dead"]["mean"] == 0.5
    assert result["insensitive"]["mean"] == 0.5
    units = unit_table(found, seeds, ["a", "b"], 0.4)
    assert units[units["variant"] == "keras3"]["sensitive"].tolist() == [1, 0, 2, 0]
    assert typical_seed(table, "keras3") == 7
    assert feature_names(r_sae[1], np.array([False, True]), ["a", "b"], 0.4) == ["a+ b+", "dead"]


def test_the_responses_shown_are_those_of_the_strongest_units_in_the_inputs_own_unit() -> None:
    frame = pd.DataFrame({"a": np.linspace(10, 90, 200), "b": np.sin(np.arange(200)), "y": np.arange(200.0)})
    prepared = prepare(frame, DataSettings(table="t.csv", predictors=["a", "b"], response="y", kind="regression"))
    x = prepared.test.x
    activations = np.stack([x[:, 1] + 5, np.zeros(len(x), np.float32), 2 * x[:, 0]], axis=1)[None]
    r = np.array([[[0.1, 1.0], [np.nan, np.nan], [1.0, 0.1]]])
    found = {
        "mlp": Variant(activations, r, np.array([[False, True, False]])),
        "keras3": Variant(activations, np.full((1, 3, 2), np.nan), np.ones((1, 3), bool)),
    }
    first, second = strongest_responses(prepared, found, ["mlp", "keras3"], 0)
    assert (first.column, first.unit, second.column, second.unit) == ("a", 2, "b", 0)
    assert first.bins.centres.min() > 70, "the test part holds the last fifth of a's range, not z-scores"
