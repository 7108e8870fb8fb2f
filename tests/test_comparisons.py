"""Many comparisons: p-values beside scipy, Holm's correction by hand, intervals over seeds and storms."""

import numpy as np
import pytest
from scipy import stats

from precip_sae.comparisons import holm, over_both, paired, t_test
from precip_sae.spread import over_seeds


def test_t_test_is_scipys() -> None:
    x = np.random.default_rng(0).normal(0.3, 1.0, 17)
    assert t_test(x) == pytest.approx(stats.ttest_1samp(x, 0).pvalue)
    assert t_test([*x, np.nan]) == t_test(x)


def test_t_test_of_equal_or_too_few_differences() -> None:
    assert t_test([0.0, 0.0]) == 1.0
    assert t_test([0.5, 0.5]) == 0.0
    assert np.isnan(t_test([1.0]))


def test_holm_by_hand() -> None:
    # in order: 4 x 0.01, then the larger of it and 3 x 0.012, 2 x 0.03, 1 x 0.04 (not below the one before)
    found = holm({"a": 0.03, "b": 0.01, "c": 0.012, "d": 0.04, "e": float("nan")})
    assert found == pytest.approx({"a": 0.06, "b": 0.04, "c": 0.04, "d": 0.06, "e": np.nan}, nan_ok=True)
    assert list(found) == ["a", "b", "c", "d", "e"]
    assert holm({"a": 0.9, "b": 0.8}) == {"a": 1.0, "b": 1.0}


def test_interval_over_seeds_and_storms_covers_both() -> None:
    rng = np.random.default_rng(0)
    seeds, storms = rng.normal(0, 1.0, 30), rng.normal(0, 0.5, (2000, 1))
    found = over_both(seeds, seeds + storms, ".2f", "spells")
    width = 2 * 1.96 * np.hypot(seeds.std(ddof=1) / np.sqrt(30), 0.5)
    assert found["high"] - found["low"] == pytest.approx(width, rel=0.03)
    assert found["over"] == "seeds and spells"
    assert found["mean"] == pytest.approx(seeds.mean())


@pytest.mark.parametrize("count", [2, 3, 30])
def test_interval_over_seeds_and_storms_is_no_narrower_than_that_over_seeds(count: int) -> None:
    rng = np.random.default_rng(count)
    seeds = rng.normal(size=count)
    alone = over_seeds(seeds)
    same = over_both(seeds, np.tile(seeds, (50, 1)))
    assert [same["low"], same["high"]] == pytest.approx([alone["low"], alone["high"]])
    moved = over_both(seeds, seeds + rng.normal(size=(50, 1)))
    assert moved["high"] - moved["low"] > same["high"] - same["low"]
    # seeds that agree leave the storms alone
    storms = rng.normal(size=(2000, 1))
    agreed = over_both(np.ones(count), np.ones(count) + storms)
    assert agreed["high"] - 1 == pytest.approx(1.96 * storms.std(ddof=1), rel=1e-4)


def test_interval_over_storms_is_left_open_without_resamples() -> None:
    found = over_both([1.0, 2.0], np.full((50, 2), np.nan))
    assert found["low"] is None
    assert found["mean"] == 1.5


def test_a_pairs_p_value_is_students() -> None:
    differences = np.array([0.1, 0.3, -0.05, 0.2, np.nan])
    found = paired({"one": differences}, ".1pp")["one"]
    assert found["p"]["value"] == pytest.approx(stats.ttest_1samp(differences[:4], 0).pvalue, rel=0.01)
    assert (found["n"], found["undefined"], found["form"]) == (4, 1, ".1pp")


def test_a_single_seed_has_no_p_value_and_equal_differences_are_certain() -> None:
    found = paired({"few": np.array([0.2]), "same": np.array([0.2, 0.2]), "none": np.zeros(3)})
    assert found["few"]["p"] is None
    assert found["same"]["p"]["value"] == 1e-6  # less is not told apart
    assert found["none"]["p"]["value"] == 1
