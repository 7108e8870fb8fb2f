"""Probes against what is known by hand, and against numpy's and scikit-learn's own."""

from itertools import combinations
from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.metrics import roc_auc_score

from precip_sae.interpretation import probes

ROWS = 4000
RNG = np.random.default_rng(3)
STORMS = np.repeat(np.arange(200), ROWS // 200)
HALF = probes.halves(STORMS)


def skill(y: np.ndarray, predicted: np.ndarray, mean: float) -> float:
    """R^2 beside a forecast that knows the mean of the fitted half."""
    return 1 - np.square(y - predicted).sum() / np.square(y - mean).sum()


def units_and_factors(units: int = 6) -> tuple[np.ndarray, np.ndarray]:
    """Noise and two factors: one that unit 2 is (with its sign turned), one that is nowhere."""
    rng = np.random.default_rng(1)
    factors = rng.normal(size=(ROWS, 2)) + np.array([5.0, 0.0])
    noise = rng.normal(size=(2, ROWS, units)).astype(np.float32)
    noise[:, :, 2] = -3 * factors[:, 0] + 1
    return noise, factors


def test_storms_are_never_cut_and_both_halves_have_half_of_them() -> None:
    assert HALF.reshape(200, -1).all(axis=1).sum() == 100
    assert (~HALF).reshape(200, -1).all(axis=1).sum() == 100
    assert probes.halves(np.array([7, 7, 3, 9])).tolist() == [False, False, True, True]


def test_a_unit_that_is_the_factor_scores_one_and_noise_none() -> None:
    units, factors = units_and_factors()
    found = probes.folds(units, factors, HALF)
    best = probes.single(found).best_of()
    assert best[:, 0] == pytest.approx([1, 1], abs=1e-4)
    assert np.abs(best[:, 1]).max() < 0.01
    assert (probes.single(found).best()[:, :, 0] == 2).all()


def test_the_best_of_many_noise_units_is_not_flattered() -> None:
    # few storms, and 500 units to choose from: what fits best by chance says nothing elsewhere
    rng = np.random.default_rng(0)
    factor, units = rng.normal(size=(60, 1)), rng.normal(size=(20, 60, 500)).astype(np.float32)
    one = probes.single(probes.folds(units, factor, probes.halves(np.arange(60))))
    assert one.chosen.max(axis=2).mean() > 0.25
    assert one.best_of().mean() < 0


def test_a_line_is_fitted_on_one_half_and_scored_on_the_other_as_scikit_learn_does() -> None:
    units, factors = units_and_factors()
    units[:, :, 1] += factors[:, 1] * 0.5
    one = probes.single(probes.folds(units, factors, HALF))
    for fold, fitted in enumerate((HALF, ~HALF)):
        x = units[1, :, 1:2].astype(float)
        x = np.clip(x, x[fitted].min(), x[fitted].max())  # no line goes further than it was fitted
        line = LinearRegression().fit(x[fitted], factors[fitted, 1])
        expected = skill(factors[~fitted, 1], line.predict(x[~fitted]), factors[fitted, 1].mean())
        assert one.held[fold, 1, 1, 1] == pytest.approx(expected)
        assert one.chosen[fold, 1, 1, 1] == pytest.approx(line.score(x[fitted], factors[fitted, 1]))
        assert one.slope[fold, 1, 1, 1] == pytest.approx(line.coef_[0])


def test_the_chance_of_being_the_best_of_a_draw_is_that_of_counting_all_draws() -> None:
    n, m = 7, 3
    counted = np.bincount([min(draw) for draw in combinations(range(n), m)], minlength=n) / comb(n, m)
    assert probes.chance_of_best(n, m) == pytest.approx(counted)
    assert probes.chance_of_best(5, None).tolist() == pytest.approx([1, 0, 0, 0, 0])
    assert probes.chance_of_best(5, 9).tolist() == pytest.approx([1, 0, 0, 0, 0])
    assert probes.chance_of_best(4, 1) == pytest.approx([0.25] * 4)


@given(units=st.integers(1, 200), candidates=st.integers(1, 250))
def test_one_unit_of_every_draw_is_the_best(units: int, candidates: int) -> None:
    chances = probes.chance_of_best(units, candidates)
    assert chances.sum() == pytest.approx(1)
    assert (np.diff(chances) <= 1e-9).all()


def test_doubling_a_dictionary_by_noise_does_not_look_better_among_as_many_candidates() -> None:
    units, factors = units_and_factors(6)
    more = np.concatenate([units, RNG.normal(size=units.shape).astype(np.float32)], axis=2)
    few, many = (probes.single(probes.folds(u, factors, HALF)) for u in (units, more))
    assert many.best_of()[:, 0] == pytest.approx(few.best_of()[:, 0], abs=1e-3)
    # the unit is in half of the draws of 6 of 12
    assert many.best_of(6)[:, 0] == pytest.approx([0.5, 0.5], abs=0.01)


def test_dead_units_say_what_the_mean_says() -> None:
    units, factors = units_and_factors()
    units[:, :, :] = 0
    found = probes.folds(units, factors, HALF)
    assert not probes.single(found).best_of().any()
    assert not probes.sparse(found, [1, 4]).any()


def test_a_latent_that_hardly_fires_in_one_half_does_not_decide_the_score() -> None:
    units, factors = units_and_factors()
    units[:] = 0
    units[:, HALF, 0] = np.where(RNG.random((2, HALF.sum())) < 0.002, 1e-3, 0.0)
    units[:, ~HALF, 0] = np.abs(RNG.normal(size=(2, ROWS - HALF.sum())))
    assert probes.single(probes.folds(units, factors, HALF)).best_of().min() > -0.5


def test_a_factor_that_never_varies_is_not_recovered() -> None:
    units, factors = units_and_factors()
    factors[:] = 0.1
    found = probes.folds(units, factors, HALF)
    assert not probes.single(found).held.any()
    assert not probes.sparse(found, [2]).any()


def test_a_factor_that_is_still_in_one_half_is_no_reason_for_an_endless_score() -> None:
    units, factors = units_and_factors()
    factors[HALF] = 0.1
    found = probes.folds(units, factors, HALF)
    assert np.abs(probes.single(found).best_of()).max() < 1
    assert np.abs(probes.sparse(found, [4])).max() < 1


def test_a_factor_spread_over_two_units_needs_two() -> None:
    rng = np.random.default_rng(5)
    units = rng.normal(size=(1, ROWS, 8)).astype(np.float32)
    factors = (units[0, :, 3] - units[0, :, 6])[:, None].astype(float)
    scores = probes.sparse(probes.folds(units, factors, HALF), [1, 2, 8])[0, 0]
    assert scores[0] == pytest.approx(0.5, abs=0.05)
    assert scores[1:] == pytest.approx([1, 1], abs=0.001)


def test_sparse_probes_are_forward_selection_and_ridge() -> None:
    rng = np.random.default_rng(8)
    units = (rng.normal(size=(2, ROWS, 7)) @ rng.normal(size=(7, 7)) + 3).astype(np.float32)
    factors = units[0].astype(float) @ rng.normal(size=(7, 3)) + 4 * rng.normal(size=(ROWS, 3))
    ours = probes.sparse(probes.folds(units, factors, HALF), [1, 3])
    for model in range(2):
        for factor in range(3):
            theirs = []
            for fitted in (HALF, ~HALF):
                x = units[model].astype(float)
                x = np.clip(x, x[fitted].min(axis=0), x[fitted].max(axis=0))
                x = (x - x[fitted].mean(axis=0)) / x[fitted].std(axis=0)
                y = factors[:, factor] - factors[fitted, factor].mean()
                chosen: list[int] = []
                for _ in range(3):
                    rest = [k for k in range(7) if k not in chosen]
                    fits = [LinearRegression().fit(x[fitted][:, [*chosen, k]], y[fitted]) for k in rest]
                    gain = [f.score(x[fitted][:, [*chosen, k]], y[fitted]) for f, k in zip(fits, rest, strict=True)]
                    chosen.append(rest[int(np.argmax(gain))])
                ridge = Ridge(alpha=probes.RIDGE * fitted.sum(), fit_intercept=False)
                ridge.fit(x[fitted][:, chosen], y[fitted])
                theirs.append(skill(y[~fitted], ridge.predict(x[~fitted][:, chosen]), 0.0))
            assert ours[model, factor, 1] == pytest.approx(np.mean(theirs), abs=1e-6)


def test_two_copies_of_a_unit_do_not_upset_a_probe() -> None:
    units, factors = units_and_factors()
    units[:, :, 4] = units[:, :, 2]
    scores = probes.sparse(probes.folds(units, factors, HALF), [2, 6])
    assert scores[:, 0] == pytest.approx(np.ones((2, 2)), abs=0.01)


@pytest.mark.parametrize("candidates", [None, 3])
def test_rows_add_up_to_the_score_of_their_half(candidates: int | None) -> None:
    units, factors = units_and_factors()
    one = probes.single(probes.folds(units, factors, HALF))
    rows = probes.row_scores(units, factors, HALF, one, candidates)
    by_half = (rows[HALF].mean(axis=0) + rows[~HALF].mean(axis=0)) / 2
    assert by_half == pytest.approx(one.best_of(candidates).mean(axis=0), abs=1e-6)


def test_the_area_under_the_curve_counts_ties_half() -> None:
    assert probes.area(np.array([0.0, 0, 1, 1]), np.array([False, True, False, True])) == 0.5
    assert np.isnan(probes.area(np.arange(3.0), np.ones(3, dtype=bool)))
    values = np.round(RNG.normal(size=500), 1)
    true = values + RNG.normal(size=500) > 0
    assert probes.area(values, true) == pytest.approx(roc_auc_score(true, values))


def test_a_unit_that_falls_with_a_factor_tells_it_as_well_as_one_that_rises() -> None:
    units, factors = units_and_factors()
    true = factors[:, 0] > 5
    binary = np.column_stack([true, factors[:, 1] > 0]).astype(float)
    one = probes.single(probes.folds(units, binary, HALF))
    assert probes.best_area(units, true, HALF, one, 0) == pytest.approx([1, 1])
