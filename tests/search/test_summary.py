"""What is reported about a search, by hand and against brute force."""

from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from precip_sae.interpretation.sensitivity import COUNTED
from precip_sae.search import summary
from precip_sae.search.names import joined, separate


def models(published: list[list[float]], untrained: float = 0.1) -> pd.DataFrame:
    """One row per subset (outer) and seed (inner), with the same reductions by every way of counting."""
    rows = []
    for subset, seeds in enumerate(published):
        for seed, value in enumerate(seeds):
            row = {"subset": subset, "inputs": ["a b", "a c", "b c"][subset], "seed": seed, "test_mae": subset}
            row |= {"fvu": 0.1, "epochs": 3}
            for counted in COUNTED:
                row |= {f"reduction_{counted}": value, f"reduction_untrained_{counted}": untrained}
            rows.append(row)
    return pd.DataFrame(rows)


def test_subsets_are_averaged_over_their_seeds():
    found = summary.by_subset(models([[0.1, 0.3], [0.5, np.nan], [0.0, 0.0]]), "test_mae")
    np.testing.assert_allclose(found["reduction_published"], [0.2, 0.5, 0.0])
    np.testing.assert_allclose(found["low_published"], [0.1, 0.5, 0.0])
    np.testing.assert_allclose(found["gain_published"], [0.1, 0.4, -0.1])


def test_the_best_of_many_by_hand():
    # two of {1, 2, 3}: the largest is 2 once, 3 twice
    found = summary.best_of(np.array([[3.0], [1.0], [2.0]]), 2)
    assert found["expected"] == pytest.approx(8 / 3)
    assert (found["low"], found["high"]) == (2.0, 3.0)


@given(st.lists(st.floats(-1, 1), min_size=2, max_size=6, unique=True), st.integers(1, 6))
def test_the_best_of_many_is_the_mean_over_all_draws(values, draws):
    draws = min(draws, len(values))
    expected = np.mean([max(drawn) for drawn in combinations(values, draws)])
    assert summary.best_of(np.array(values)[:, None], draws)["expected"] == pytest.approx(expected)


def test_the_best_of_many_draws_within_one_seed_and_averages_over_seeds():
    two = np.array([[0.0, 10.0], [1.0, np.nan], [2.0, 30.0]])
    assert summary.best_of(two, 3)["expected"] == pytest.approx((2 + 30) / 2)
    assert summary.best_of(two, 1)["expected"] == pytest.approx((1 + 20) / 2)


def test_nothing_defined_is_reported_as_not_defined():
    assert np.isnan(summary.best_of(np.full((3, 2), np.nan), 2)["expected"])


def test_the_curve_of_the_best_rises_and_ends_with_all_subsets():
    values = np.random.default_rng(0).normal(size=(400, 3))
    curve = summary.best_of_curve(values)
    assert curve["draws"].is_monotonic_increasing
    assert curve["draws"].iloc[-1] == 400
    assert summary.DRAWN in curve["draws"].tolist()
    assert curve["expected"].is_monotonic_increasing
    assert curve["expected"].iloc[-1] == pytest.approx(values.max(axis=0).mean())


def crossed_layout(subsets: int, seeds: int, sds: tuple[float, float, float], rng: np.random.Generator) -> pd.DataFrame:
    """A column x of models whose subsets, seeds and rest have these standard deviations."""
    subset, seed = np.divmod(np.arange(subsets * seeds), seeds)
    x = sds[0] * rng.normal(size=subsets)[subset] + sds[1] * rng.normal(size=seeds)[seed]
    return pd.DataFrame({"subset": subset, "seed": seed, "x": x + sds[2] * rng.normal(size=len(subset))})


def test_the_spread_of_subsets_is_not_swallowed_by_seeds_that_they_share():
    # as nested, the seeds' spread would be taken for noise of every subset: 0.73 where 1.0 is true
    rng = np.random.default_rng(5)
    many = [summary.spreads(crossed_layout(300, 10, (1.0, 2.0, 1.0), rng), "x") for _ in range(40)]
    assert np.mean([found["subsets"] for found in many]) == pytest.approx(1.0, rel=0.03)
    assert np.sqrt(np.mean([found["seeds"] ** 2 for found in many])) == pytest.approx(2.0, rel=0.15)
    assert np.mean([found["rest"] for found in many]) == pytest.approx(1.0, rel=0.02)


def test_subsets_that_differ_by_their_seeds_alone_have_no_spread_of_their_own():
    found = summary.spreads(crossed_layout(500, 10, (0.0, 1.0, 1.0), np.random.default_rng(5)), "x")
    assert found["subsets"] < 0.15
    assert found["one_subset"] == pytest.approx(np.hypot(found["seeds"], found["rest"]))


def test_spreads_of_one_seed_are_left_open():
    found = summary.spreads(pd.DataFrame({"subset": [0, 1], "seed": [0, 0], "x": [1.0, 2.0]}), "x")
    assert {found[name] for name in ("subsets", "seeds", "rest", "one_subset")} == {None}


def test_many_subsets_of_few_seeds_do_not_make_an_interval_narrow():
    # two seeds that differ by 1 in every subset: what other seeds would give is open, however many subsets there are
    frame = crossed_layout(2000, 2, (0.0, 0.0, 0.0), np.random.default_rng(0))
    found = summary.over_subsets(frame.assign(x=frame["seed"] * 1.0), "x", ".1%")
    assert (found["mean"], found["n"], found["over"]) == (0.5, 2, "seeds")
    assert found["high"] - found["low"] == pytest.approx(12.706, rel=1e-3)  # t with one degree of freedom


def test_the_effect_of_an_input_is_the_difference_that_it_makes_seed_by_seed():
    inputs = {0: "a b", 1: "a c", 2: "b c", 3: "b d"}
    rows = [
        {"subset": k, "inputs": name, "seed": seed, "r": value + seed * (1.0 if "a" in name else 0.0)}
        for (k, name), value in zip(inputs.items(), (1.0, 2.0, 4.0, 7.0), strict=True)
        for seed in (0, 1)
    ]
    found = summary.input_effects(pd.DataFrame(rows), ["a", "b", "d", "e"], "r").set_index("input")
    assert found.loc["a", "difference"] == pytest.approx((1.5 - 5.5 + 2.5 - 5.5) / 2)
    assert found.loc["a", "low"] < found.loc["a", "difference"] < found.loc["a", "high"]
    assert found.loc["a", "high"] - found.loc["a", "low"] == pytest.approx(12.706, rel=1e-3)
    assert np.isnan(found.loc["e", "difference"])


def test_inputs_whose_names_hold_spaces_are_told_apart():
    pool = ["wind speed", "speed", "type=wet snow"]
    inputs = [joined(some) for some in combinations(pool, 2)]
    assert [separate(text) for text in inputs] == [list(some) for some in combinations(pool, 2)]
    rows = [
        {"subset": k, "inputs": text, "seed": seed, "r": float(k)} for k, text in enumerate(inputs) for seed in (0, 1)
    ]
    found = summary.input_effects(pd.DataFrame(rows), pool, "r").set_index("input")["difference"]
    assert found.to_dict() == {"wind speed": 0.5 - 2.0, "speed": 1.0 - 1.0, "type=wet snow": 1.5 - 0.0}


@pytest.mark.parametrize(("inputs", "row"), [(["a", "c"], 1), (["c", "a"], 1), (["a"], None), (["a", "d"], None)])
def test_the_tasks_own_subset_is_found_in_whatever_order_it_names_its_inputs(inputs, row):
    assert summary.own_subset(pd.DataFrame({"inputs": ["a b", "a c", "b c"]}), inputs) == row


def test_the_tasks_own_subset_is_placed_among_the_others():
    found = summary.summarise(models([[0.1, 0.3], [0.5, 0.5], [0.0, 0.0]]), "test_mae", ["a", "b"], 0.33)
    published = found["counted"]["published"]
    assert found["includes_own"]
    assert published["own"]["reduction"] == pytest.approx(0.2)
    assert published["own"]["share"]["subsets_below"] == pytest.approx(1 / 3)
    assert published["best"] == {"inputs": ["a", "c"], "reduction": {"value": 0.5, "form": ".1%"}}
    assert published["worst"]["inputs"] == ["b", "c"]
    assert published["share"]["models_at_published"] == pytest.approx(2 / 6)
    assert published["share"]["gain"] == pytest.approx(2 / 3)
    assert published["selection_bias"]["value"] == pytest.approx((0.5 + 0.5) / 2 - 1.4 / 6)


def test_a_search_without_the_tasks_own_subset_says_so():
    found = summary.summarise(models([[0.1], [0.5], [0.2]]), "test_mae", ["x", "y"], 0.33)
    assert not found["includes_own"]
    assert "own" not in found["counted"]["published"]


def test_a_search_in_which_nothing_is_defined_is_still_reported():
    found = summary.summarise(models([[np.nan], [np.nan], [np.nan]]), "test_mae", ["a", "b"], 0.33)
    assert found["counted"]["published"]["defined"] == 0
