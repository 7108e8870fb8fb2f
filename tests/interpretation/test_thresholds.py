"""Change points: planted ones are found, other implementations agree, and intervals are over storms."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import curve_fit
from sklearn.linear_model import LinearRegression
from sklearn.tree import DecisionTreeRegressor

from precip_sae.interpretation import borders, storms, thresholds
from precip_sae.interpretation.thresholds import Bins
from precip_sae.manuscript.claims import NOT_TESTED, Claim, judge
from precip_sae.settings import DataSettings

RNG = np.random.default_rng(0)
X = np.linspace(-10, 10, 41)


@given(st.integers(5, 35), st.floats(-2, 2), st.floats(0.5, 3))
def test_a_planted_turn_is_found_exactly(knot: int, slope: float, bend: float) -> None:
    curve = slope * X + bend * np.maximum(X - X[knot], 0)
    found = thresholds.turns(X, curve[None, :])
    assert found.place[0] == X[knot]
    assert found.explained[0] == pytest.approx(1)


@given(st.lists(st.tuples(st.integers(12, 30), st.floats(-3, 3), st.floats(0.1, 5)), min_size=1, max_size=6))
def test_a_turn_is_told_along_its_own_input_whichever_was_looked_at_before(inputs: list[tuple]) -> None:
    for bins, start, apart in inputs:
        x = start + apart * np.arange(bins)
        found = thresholds.turns(x, np.maximum(x - x[7], 0)[None, :])
        assert found.place[0] == x[7]


@given(st.integers(0, 39), st.floats(0.1, 5))
def test_a_planted_step_is_found_between_its_bins(last: int, height: float) -> None:
    found = thresholds.steps(X, (height * (np.arange(41) > last))[None, :])
    assert found.place[0] == (X[last] + X[last + 1]) / 2
    assert found.explained[0] == pytest.approx(1)


def test_steps_are_the_first_split_of_a_regression_tree() -> None:
    curves = np.tanh(X / 3) + RNG.normal(0, 0.3, (20, 41))
    found = thresholds.steps(X, curves)
    for place, curve in zip(found.place, curves, strict=True):
        tree = DecisionTreeRegressor(max_depth=1, random_state=0).fit(X[:, None], curve)
        assert place == pytest.approx(tree.tree_.threshold[0])


def test_turns_explain_as_much_as_the_best_fit_of_scipy() -> None:
    curve = np.abs(X - 1.3) + RNG.normal(0, 0.1, 41)

    def two_lines(x: np.ndarray, a: float, b: float, c: float, k: float) -> np.ndarray:
        return a + b * x + c * np.maximum(x - k, 0)

    fit, _ = curve_fit(two_lines, X, curve, p0=[1.0, -1.0, 2.0, 0.5])
    left = ((curve - two_lines(X, *fit)) ** 2).sum()
    found = thresholds.turns(X, curve[None, :])
    assert found.place[0] == pytest.approx(fit[3], abs=0.5)  # knots stand 0.5 apart
    assert found.explained[0] == pytest.approx(1 - left / ((curve - curve.mean()) ** 2).sum(), abs=2e-3)


def test_lines_are_the_r2_of_least_squares() -> None:
    curves = RNG.normal(size=(3, 41)) + X
    for share, curve in zip(thresholds.lines(X, curves), curves, strict=True):
        assert share == pytest.approx(LinearRegression().fit(X[:, None], curve).score(X[:, None], curve))


@given(st.integers(0, 100))
def test_two_lines_never_explain_less_than_one(seed: int) -> None:
    curves = np.random.default_rng(seed).normal(size=(2, 41))
    assert (thresholds.turns(X, curves).explained >= thresholds.lines(X, curves) - 1e-9).all()


def test_a_dead_unit_and_too_few_bins_have_no_change_point() -> None:
    flat = np.full((1, 41), 0.3)
    for find in (thresholds.turns, thresholds.steps):
        assert np.isnan(find(X, flat).place[0])
        assert np.isnan(find(X, flat).explained[0])
        assert np.isnan(find(X[:1], flat[:, :1]).place[0])
    assert np.isnan(thresholds.turns(X[:4], flat[:, :4]).place[0])


def test_bins_hold_as_many_rows_each_and_their_means_are_right() -> None:
    values = RNG.permutation(np.arange(100.0))
    bins = Bins.of(values, 10)
    assert np.bincount(bins.number).tolist() == [10] * 10
    np.testing.assert_allclose(bins.centres, np.arange(4.5, 100, 10))
    np.testing.assert_allclose(bins.means(values[:, None])[0], bins.centres)
    assert len(Bins.of(np.array([1.0, 1, 2, 2]), 10).centres) == 2
    assert Bins.of(np.zeros(5), 10).centres.tolist() == [0]


def test_the_first_resample_is_the_observations_and_others_are_of_whole_storms() -> None:
    values, curve = RNG.normal(size=60), RNG.normal(size=60)
    episodes = np.repeat(np.arange(12), 5)
    bins = Bins.of(values, 4)
    draws = storms.weights(episodes, 3)
    found = bins.resampled(curve, episodes, draws)
    np.testing.assert_allclose(found[0], bins.means(curve[:, None])[0])
    times = draws[2][episodes].astype(int)
    rows = np.repeat(np.arange(60), times)
    for k in range(4):
        assert found[2, k] == pytest.approx(curve[rows][bins.number[rows] == k].mean())


def test_the_interval_of_a_change_point_holds_the_planted_one() -> None:
    values = RNG.uniform(-10, 10, 4000)
    episodes = np.repeat(np.arange(40), 100)
    curve = (values > 2) + RNG.normal(0, 0.5, 4000)
    found = thresholds.place_over_storms(
        Bins.of(values, 60), curve, episodes, thresholds.steps, lambda places: places + 100, ".1f K", "spells"
    )
    assert found["low"] <= found["mean"] <= found["high"]
    assert found["mean"] == pytest.approx(102, abs=0.4)
    assert (found["over"], found["n"], found["form"]) == ("spells", 40, ".1f K")


def test_few_storms_leave_an_interval_open() -> None:
    episodes = np.repeat(np.arange(4), 5)
    assert storms.interval(np.arange(6.0), episodes)["low"] is None
    assert storms.interval(np.full(6, np.nan), np.arange(20))["mean"] is None


def test_sums_are_over_the_rows_of_each_storm_in_any_order() -> None:
    episodes = np.array([2, 0, 2, 1, 0])
    np.testing.assert_array_equal(storms.sums(np.arange(5.0), episodes), [5, 3, 2])
    assert storms.sums(np.ones((5, 2)), episodes).shape == (3, 2)


def test_along_an_input_that_does_not_vary_nothing_is_explained() -> None:
    bins = thresholds.Bins.of(np.full(30, 4.0), 10)
    curve = bins.means(np.arange(30.0)[:, None])
    assert bins.centres.tolist() == [4.0]
    assert np.isnan(thresholds.lines(bins.centres, curve)).all()
    for find in (thresholds.steps, thresholds.turns):
        assert np.isnan(find(bins.centres, curve).place).all()


def test_chance_is_the_share_of_places_where_a_turn_could_stand() -> None:
    # of 41 centres the first and last two are no knots; 5 of 37 lie within 1 of 0
    assert thresholds.chance(X, (-1.0, 1.0)) == pytest.approx(5 / 37)


def test_the_published_borders_are_those_of_the_study() -> None:
    (cold_low, cold_high), (warm_low, warm_high) = thresholds.published("T").values()
    assert ((cold_low + cold_high) / 2, (warm_low + warm_high) / 2) == pytest.approx((267.55, 274.15))
    assert dict(thresholds.published("Fs")) == {"mixed_rain": (1.5, 2.0)}
    assert dict(thresholds.published("n0")) == {}


def test_labels_that_a_table_lacks_are_left_out_and_named() -> None:
    data = DataSettings(
        table="t.csv", predictors=["T"], response="regime3", kind="classification", classes=["Rain", "Snow"],
        drop_classes=["Ambiguous"],
    )  # fmt: skip
    sets, lacking = borders.kinds_of_labels(data, ["temperature", "phase"], ["T", "regime3", "temperature"])
    assert list(sets) == ["regime3", "temperature"]
    assert sets["regime3"] is data
    assert sets["temperature"].classes == ["Rain", "Snow", "Mixed-phase"]
    assert lacking == ["phase"]
    assert borders.lacking(lacking, "t.csv") == (
        "t.csv has no column phase: no network is trained with such labels, and claims about them are not tested."
    )
    assert borders.lacking([], "t.csv") == ""


def test_a_claim_on_labels_that_a_table_lacks_is_not_tested() -> None:
    claim = Claim(
        id="phase", sentence="Snow ends where the true phase does", place="Results", standing="ours", at_least=0.0,
        metric="classifier.thresholds.outputs.phase.T.Snow.networks.step", untested="no true phase in these data",
    )  # fmt: skip
    assert judge(claim, {})["verdict"] == NOT_TESTED
