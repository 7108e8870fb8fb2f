"""Means and intervals, by hand and against independent implementations."""

import numpy as np
import pytest
from scipy import stats

from precip_sae.spread import crossed, over_episodes, over_seeds


def test_the_interval_over_seeds_is_students_t():
    values = np.random.default_rng(1).normal(size=12)
    found = over_seeds([*values, np.nan])
    expected = stats.t.interval(0.95, 11, loc=values.mean(), scale=stats.sem(values))
    assert (found["low"], found["high"]) == pytest.approx(expected)
    assert (found["n"], found["undefined"], found["over"]) == (12, 1, "seeds")


def test_the_quantiles_of_students_t_are_those_of_scipy_to_the_last_bit():
    for n in range(2, 60):
        values = np.random.default_rng(n).normal(size=n)
        found = over_seeds(values)
        assert found["high"] == found["mean"] + stats.t.ppf(0.975, n - 1) * found["sd"] / np.sqrt(n)


def test_one_seed_has_a_mean_and_no_interval():
    found = over_seeds([0.3])
    assert (found["mean"], found["low"], found["high"], found["sd"]) == (0.3, None, None, None)


def test_rows_of_one_storm_are_no_replicates():
    # ten storms, every row of a storm the same: a hundred rows know no more than ten
    rng = np.random.default_rng(2)
    means = rng.normal(size=10)
    few = over_episodes(means, np.arange(10))
    many = over_episodes(np.repeat(means, 100), np.repeat(np.arange(10), 100))
    assert (many["low"], many["high"]) == pytest.approx((few["low"], few["high"]))
    assert many["n"] == 10


def test_the_bootstrap_of_episodes_agrees_with_that_of_scipy():
    rng = np.random.default_rng(3)
    values = rng.gamma(2.0, size=60)
    found = over_episodes(values, np.arange(60))
    theirs = stats.bootstrap((values,), np.mean, method="percentile", n_resamples=20_000, rng=rng).confidence_interval
    assert found["low"] == pytest.approx(theirs.low, abs=0.04)
    assert found["high"] == pytest.approx(theirs.high, abs=0.04)


def test_long_storms_weigh_by_their_rows():
    storms = np.repeat(np.arange(10), [91, *[1] * 9])
    found = over_episodes(np.where(storms == 0, 1.0, 5.0), storms)
    assert found["mean"] == pytest.approx(1.36)
    # a resample without the long storm has a mean of 5, and about a third are
    assert (found["low"], found["high"]) == (pytest.approx(1.0, abs=0.3), 5.0)


def test_two_groups_are_too_few_to_speak_of_others():
    found = over_episodes(np.array([1.0, 1.0, 2.0]), np.array([0, 0, 1]), over="groups of station")
    assert (found["mean"], found["low"], found["high"], found["n"]) == (pytest.approx(4 / 3), None, None, 2)


def test_a_crossed_table_by_hand():
    # rows 0 and 2, columns 0 and 4, no rest: mean squares 4, 16 and 0 over two cells each
    found = crossed(np.array([[0.0, 4.0], [2.0, 6.0]]))
    assert found["rest"] == pytest.approx(0.0, abs=1e-12)
    assert found["rows"] == pytest.approx(np.sqrt(2.0))
    assert found["columns"] == pytest.approx(np.sqrt(8.0))


def test_a_complete_table_gives_the_textbook_mean_squares():
    x = np.random.default_rng(4).normal(size=(7, 5)) + np.arange(7)[:, None]
    i, j = x.shape
    rest = x - x.mean(axis=1, keepdims=True) - x.mean(axis=0) + x.mean()
    error = (rest**2).sum() / ((i - 1) * (j - 1))
    rows = j * x.mean(axis=1).var(ddof=1)
    assert crossed(x)["rest"] == pytest.approx(np.sqrt(error))
    assert crossed(x)["rows"] == pytest.approx(np.sqrt((rows - error) / j))


def test_missing_cells_bias_no_spread():
    rng = np.random.default_rng(6)
    found = []
    for _ in range(60):
        x = rng.normal(size=(80, 1)) + 2.0 * rng.normal(size=(1, 8)) + 0.5 * rng.normal(size=(80, 8))
        x[rng.random(x.shape) < 0.3] = np.nan
        found.append([value**2 for value in crossed(x).values()])
    assert np.mean(found, axis=0) == pytest.approx([1.0, 4.0, 0.25], rel=0.2)


@pytest.mark.parametrize(
    "x", [np.ones((1, 5)), np.ones((5, 1)), np.full((3, 3), np.nan), np.where(np.eye(2) > 0, 1.0, np.nan)]
)
@pytest.mark.filterwarnings("ignore:invalid value")
def test_what_cannot_be_told_apart_is_left_open(x):
    assert crossed(x) == {"rows": None, "columns": None, "rest": None}
