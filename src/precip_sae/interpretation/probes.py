"""Whether units say something that was never an input or an output: probes of one unit, of a few, and of all.

A line must not be drawn further than it was fitted: where a unit goes beyond the range that it has in the rows it was
fitted on, it counts as being at the end of that range (else a latent that is hardly ever active decides everything).

A unit that was chosen because it fits a factor fits it too well on the rows by which it was chosen, and the more there
are to choose from the more so. Everything here is therefore fitted and chosen on one half of the storms and scored on
the other, then the other way round; and where dictionaries differ in size, `single` says what the best of equally many
units reaches (`best_of`).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln
from scipy.stats import rankdata

Array = NDArray[np.float64]

RIDGE = 1e-3
"""Penalty on the squared slopes of standardised units, as a share of the rows; keeps copies of a unit apart."""


@dataclass(frozen=True)
class Halves:
    """Sums over the rows of one half of the storms, about the means of the half that was fitted.

    Attributes:
        units: sums of products of units [models, units, units].
        both: of units and factors [models, units, factors].
        factors: of squares of the factors [factors].
        rows: how many.
    """

    units: Array
    both: Array
    factors: Array
    rows: int


@dataclass(frozen=True)
class Fold:
    """What is fitted and chosen on, and what is scored on."""

    fitted: Halves
    scored: Halves


def halves(episodes: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Rows of every other episode, in the order of their numbers: [rows] -> [rows].

    Neighbouring storms go to different halves, so that both see all seasons; rows of a storm stay together.
    """
    _, place = np.unique(episodes, return_inverse=True)
    return place % 2 == 0


def folds(units: NDArray[np.float32], factors: Array, half: NDArray[np.bool_]) -> tuple[Fold, Fold]:
    """The sums that all probes rest on, for both ways of taking the halves.

    Args:
        units: activations [models, rows, units].
        factors: what is to be found [rows, factors].
        half: see `halves`.
    """
    found = []
    for fitted in (half, ~half):
        u, y = _about(units, fitted), factors - factors[fitted].mean(axis=0)
        y[:, np.ptp(factors, axis=0) == 0] = 0.0  # rounding of a mean is no variance
        found.append(Fold(_sums(u[:, fitted], y[fitted]), _sums(u[:, ~fitted], y[~fitted])))
    return found[0], found[1]


def _about(units: NDArray[np.float32], fitted: NDArray[np.bool_]) -> Array:
    """Activations within the range of the fitted rows, less their mean in these; [models, rows, units]."""
    own = units[:, fitted]
    within = np.clip(units, own.min(axis=1, keepdims=True), own.max(axis=1, keepdims=True))
    return within - own.mean(axis=1, keepdims=True, dtype=np.float64)


def _sums(u: Array, y: Array) -> Halves:
    turned = u.transpose(0, 2, 1)
    return Halves(turned @ u, turned @ y, np.square(y).sum(axis=0), len(y))


@dataclass(frozen=True)
class Single:
    """How well each unit alone says each factor, by a straight line.

    Attributes:
        chosen: R^2 on the rows that the line was fitted on [2 folds, models, units, factors].
        held: R^2 of the same line on the other half of the storms, 1 - sum (y - y^)^2 / sum (y - mean)^2 with the mean
            of the half that was fitted: 0 says as much as that mean, less says worse.
        slope: of the line, in the factor's unit per activation.
    """

    chosen: Array
    held: Array
    slope: Array

    def best_of(self, candidates: int | None = None) -> Array:
        """Held-out R^2 of the unit that fits best, [models, factors], mean of the two folds.

        Args:
            candidates: of so many units, drawn at random: the mean over all draws, so that dictionaries of different
                sizes have equally many chances. None: of all. With n units, the r-th best (r = 1, 2, ...) is the best
                of a draw of m with the probability C(n - r, m - 1) / C(n, m).
        """
        order = np.argsort(-self.chosen, axis=2, kind="stable")
        held = np.take_along_axis(self.held, order, axis=2)
        weights = chance_of_best(held.shape[2], candidates)
        return np.einsum("fmuy,u->my", held, weights) / len(held)

    def best(self) -> NDArray[np.int64]:
        """The unit that fits best, by fold, [2, models, factors]."""
        return self.chosen.argmax(axis=2)


def chance_of_best(units: int, candidates: int | None) -> Array:
    """How likely the r-th best of `units` is the best of `candidates` of them drawn at random, [units].

    With as many candidates as units, or more, it is the best for sure.
    """
    drawn = units if candidates is None else min(candidates, units)
    left = units - np.arange(1, units + 1)

    def log_binomial(n: NDArray[np.int64] | int, k: int) -> Array:
        return gammaln(np.add(n, 1.0)) - gammaln(k + 1.0) - gammaln(np.maximum(np.subtract(n, k), 0) + 1.0)

    return np.where(left >= drawn - 1, np.exp(log_binomial(left, drawn - 1) - log_binomial(units, drawn)), 0.0)


def single(found: tuple[Fold, Fold]) -> Single:
    """R^2 of every unit alone with every factor, fitted on one half and scored on the other.

    A unit that does not vary has slope 0 and says as much as the mean.
    """
    chosen, held, slopes = [], [], []
    for fold in found:
        variance = np.einsum("muu->mu", fold.fitted.units)[:, :, None]
        slope = np.divide(fold.fitted.both, variance, out=np.zeros_like(fold.fitted.both), where=variance > 0)
        chosen.append(_explained(fold.fitted.factors - slope * fold.fitted.both, fold.fitted.factors))
        left = _left(fold.scored, slope, np.einsum("muu->mu", fold.scored.units)[:, :, None])
        held.append(_explained(left, fold.scored.factors))
        slopes.append(slope)
    return Single(np.stack(chosen), np.stack(held), np.stack(slopes))


def _left(scored: Halves, slope: Array, variance: Array) -> Array:
    """Squares that a line leaves unexplained."""
    return scored.factors - 2 * slope * scored.both + slope**2 * variance


def _explained(left: Array, whole: Array) -> Array:
    """1 - left / whole; 0 where a factor does not vary, so that there is nothing to say."""
    share = np.divide(left, whole, out=np.ones(np.broadcast_shapes(left.shape, whole.shape)), where=whole > 0)
    return 1.0 - share


def sparse(found: tuple[Fold, Fold], sizes: Sequence[int]) -> Array:
    """Held-out R^2 of linear probes that may use so many units, [models, factors, sizes], mean of the two folds.

    k-sparse probing as in Gurnee et al. (2023, arXiv 2305.01610): the units are added one by one, each the one that
    explains most of what is left (forward selection), and their slopes then fitted together with the penalty RIDGE. A
    factor that is true or false is taken as 1 and 0: the direction of least squares is Fisher's discriminant.

    Args:
        sizes: in rising order; with fewer units than that, all are used.
    """
    scores = [_sparse(fold, sizes) for fold in found]
    return np.mean(scores, axis=0)


def _sparse(fold: Fold, sizes: Sequence[int]) -> Array:
    models, units, factors = fold.fitted.both.shape
    spread = np.sqrt(np.einsum("muu->mu", fold.fitted.units) / fold.fitted.rows)
    # a dead unit is never chosen
    spread = np.where(spread > 0, spread, np.inf)
    # all pairs of model and factor side by side
    gram = fold.fitted.units / spread[:, :, None] / spread[:, None, :]
    both = (fold.fitted.both / spread[:, :, None]).transpose(0, 2, 1).reshape(models * factors, units)
    scored = fold.scored.units / spread[:, :, None] / spread[:, None, :]
    scored_both = (fold.scored.both / spread[:, :, None]).transpose(0, 2, 1).reshape(models * factors, units)
    order = _forward(np.repeat(gram, factors, axis=0), both, min(max(sizes), units))
    model = np.repeat(np.arange(models), factors)
    result = np.empty((models * factors, len(sizes)))
    for place, size in enumerate(sizes):
        chosen = order[:, :size]
        pairs = model[:, None, None], chosen[:, :, None], chosen[:, None, :]
        penalty = RIDGE * fold.fitted.rows * np.eye(chosen.shape[1])
        target = np.take_along_axis(both, chosen, axis=1)
        slopes = np.linalg.solve(gram[pairs] + penalty, target[:, :, None])[:, :, 0]
        linear = (slopes * np.take_along_axis(scored_both, chosen, axis=1)).sum(axis=1)
        square = np.einsum("bi,bij,bj->b", slopes, scored[pairs], slopes)
        left = np.tile(fold.scored.factors, models) - 2 * linear + square
        result[:, place] = _explained(left, np.tile(fold.scored.factors, models))
    return result.reshape(models, factors, len(sizes))


def _forward(gram: Array, both: Array, steps: int) -> NDArray[np.int64]:
    """Units in the order of forward selection, [problems, steps]: each explains most of what those before leave."""
    gram, both = gram.copy(), both.copy()
    rows = np.arange(len(both))
    free = np.ones(both.shape, dtype=bool)
    least = 1e-9 * np.maximum(np.einsum("buu->bu", gram).max(axis=1, initial=0.0), 1e-300)[:, None]
    order = np.empty((len(both), steps), dtype=np.int64)
    for step in range(steps):
        variance = np.einsum("buu->bu", gram)
        # what earlier units say wholly is left to the last
        gain = np.divide(both**2, variance, out=np.full(both.shape, -1.0), where=variance > least)
        pick = np.where(free, gain, -2.0).argmax(axis=1)
        order[:, step], free[rows, pick] = pick, False
        pivot = variance[rows, pick]
        share = np.divide(gram[rows, :, pick], pivot[:, None], out=np.zeros_like(both), where=pivot[:, None] > least)
        both -= share * both[rows, pick][:, None]
        gram -= share[:, :, None] * gram[rows, pick][:, None, :]
    return order


def everything(found: tuple[Fold, Fold]) -> Array:
    """Held-out R^2 of the linear probe of all units, [models, factors]: how much of a factor is there at all."""
    return sparse(found, [found[0].fitted.both.shape[1]])[:, :, 0]


def row_scores(
    units: NDArray[np.float32],
    factors: Array,
    half: NDArray[np.bool_],
    found: Single,
    candidates: int | None = None,
) -> Array:
    """What each row adds to the held-out R^2 of the best unit, mean over the models, [rows, factors].

    1 - (y - y^)^2 over the scored half's mean of (y - mean)^2: the mean of these over the rows of a half is the R^2 of
    that half, so that storms can be drawn anew (`spread.over_episodes`).

    Args:
        units: activations [models, rows, units]; factors: [rows, factors]; half: see `halves`.
        found: of the same; candidates: see `Single.best_of`.
    """
    scores = np.zeros(factors.shape)
    weights = chance_of_best(units.shape[2], candidates)
    order = np.argsort(-found.chosen, axis=2, kind="stable")
    counted = np.flatnonzero(weights > 1e-6)
    for fold, fitted in enumerate((half, ~half)):
        y, mean = factors[~fitted], factors[fitted].mean(axis=0)
        square = np.square(y - mean).mean(axis=0)
        about = _about(units, fitted)[:, ~fitted]
        for model, u in enumerate(about):
            for factor in range(factors.shape[1]):
                picked = order[fold, model, counted, factor]
                error = y[:, factor, None] - mean[factor] - u[:, picked] * found.slope[fold, model, picked, factor]
                left = np.square(error) @ weights[counted]
                scores[~fitted, factor] += 1.0 - left / square[factor] if square[factor] > 0 else 0.0
    return scores / len(units)


def area(values: NDArray[np.float64], true: NDArray[np.bool_]) -> float:
    """Area under the ROC curve: how often a true row has the larger value than a false one; ties count half.

    NaN where all rows are true, or all false. Mann and Whitney's U over the number of pairs (Hanley and McNeil 1982,
    doi 10.1148/radiology.143.1.7063747).

    Args:
        values: [rows]; true: [rows].
    """
    positive = int(true.sum())
    negative = len(true) - positive
    if not positive or not negative:
        return float("nan")
    ranks = rankdata(values)
    return float((ranks[true].sum() - positive * (positive + 1) / 2) / (positive * negative))


def best_area(
    units: NDArray[np.float32], true: NDArray[np.bool_], half: NDArray[np.bool_], found: Single, factor: int
) -> Array:
    """Area under the ROC curve of the unit chosen for a factor on the other half of the storms, [models].

    Args:
        units: [models, rows, units]; true: [rows]; found: of the same units; factor: which of its factors.
    """
    areas = np.empty((2, len(units)))
    for fold, fitted in enumerate((half, ~half)):
        for model, activation in enumerate(units):
            unit = found.best()[fold, model, factor]
            sign = np.sign(found.slope[fold, model, unit, factor])
            areas[fold, model] = area(sign * activation[~fitted, unit].astype(np.float64), true[~fitted])
    return areas.mean(axis=0)
