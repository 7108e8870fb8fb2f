"""Every measure as it would be with other storms, from sums over each episode: a draw costs next to nothing.

Correlations, firing, counts in bins, gradients and relevances are sums over rows, so drawing episodes draws sums. Ranks
and bins are those of all rows, whatever is drawn; weights know no rows at all.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from precip_sae.interpretation import storms, strengths
from precip_sae.interpretation.measures import THRESHOLD
from precip_sae.interpretation.ordered import BINS
from precip_sae.interpretation.responses import MOST_CONDITION, Responses, bin_indicators
from precip_sae.interpretation.sensitivity import COUNTED, correlations_from_sums, mean_sensitive, sensitive_inputs

Values = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Drawn:
    """What measures rest on, of one dictionary in drawn episodes; each part is worked out when a measure asks for it.

    A unit that varies in the rows as they are is no dead unit where its few episodes are not drawn: it responds to
    nothing there.

    Attributes:
        responses: of the rows as they are.
        episodes: the episode of each row [rows], numbered from 0 without gaps.
        draws: how often each episode is drawn [draws, episodes].
    """

    responses: Responses
    episodes: NDArray[np.int64]
    draws: Values

    @cached_property
    def rows(self) -> Values:
        """How many rows are drawn [draws, 1]."""
        return self.draws @ np.bincount(self.episodes)[:, None]

    @cached_property
    def r(self) -> Values:
        """Pearson's correlations [draws, units, inputs]."""
        return self._defined(self._correlations(self.responses.units, self.responses.inputs.values))

    @cached_property
    def spearman(self) -> Values:
        """Spearman's, of the ranks among all rows [draws, units, inputs]."""
        return self._defined(self._correlations(rankdata(self.responses.units, axis=0), self.responses.inputs.ranks))

    @cached_property
    def partial(self) -> Values:
        """Partial correlations [draws, units, inputs]; see `strengths.partial`."""
        x = self.responses.inputs.values
        return strengths.partial_of(self.r, _inverses(self._correlations(x, x)))

    @cached_property
    def information(self) -> Values:
        """Mutual information in the bins of all rows [draws, units, inputs]; see `strengths.information`."""
        return self._defined(_information(self.responses, self.episodes, self.draws))

    @cached_property
    def fires(self) -> Values:
        """Share of the rows in which a unit is not zero [draws, units]."""
        fired = (self.responses.units != 0).astype(np.float64)
        return self.draws @ storms.sums(fired, self.episodes) / self.rows

    def power(self, values: NDArray[np.floating]) -> Values:
        """Mean square over rows, [rows, units, inputs] -> [draws, units, inputs]."""
        squares = np.square(values.reshape(len(values), -1), dtype=np.float64)
        means = self.draws @ storms.sums(squares, self.episodes) / self.rows
        return np.asarray(means.reshape(len(self.draws), *values.shape[1:]))

    def _correlations(self, units: NDArray[np.floating], inputs: NDArray[np.floating]) -> Values:
        return redrawn_correlations(units, inputs, self.episodes, self.draws)

    def _defined(self, values: Values) -> Values:
        there = self.responses.varies[:, None] & (np.ptp(self.responses.inputs.values, axis=0) > 0)
        return np.where(there, np.nan_to_num(values), np.nan)


def redrawn_correlations(
    units: NDArray[np.floating],
    inputs: NDArray[np.floating],
    episodes: NDArray[np.int64],
    draws: NDArray[np.float64],
) -> NDArray[np.float64]:
    """`sensitivity.correlations` of one dictionary in drawn episodes.

    Args:
        units: [rows, units]; inputs: [rows, inputs].
        episodes: the episode of each row [rows], numbered from 0 without gaps.
        draws: how often each episode is drawn [draws, episodes].

    Returns:
        [draws, units, inputs]; NaN where a unit (or an input) does not vary in the drawn episodes.
    """
    a, x = units.astype(np.float64), inputs.astype(np.float64)
    number, width = a.shape[1], x.shape[1]
    cross = (a[:, :, None] * x[:, None, :]).reshape(len(a), -1)
    sums = np.column_stack(
        [np.bincount(episodes), *(storms.sums(values, episodes) for values in (a, a * a, x, x * x, cross))]
    )
    means = draws @ sums
    means = means[:, 1:] / means[:, :1]
    a, aa, x, xx, ax = np.split(means, np.cumsum([number, number, width, width]), axis=1)
    # rounding leaves a residue where a unit does not vary
    varies = (aa - a * a) > 1e-12 * aa
    return correlations_from_sums(1, a, aa, x, xx, ax.reshape(len(draws), number, width), varies)


def _inverses(correlation: Values) -> Values:
    """Inverses of correlations among inputs [draws, inputs, inputs]; NaN where they determine each other.

    An input that does not vary in a draw has nothing to do with the others there.
    """
    one = np.eye(correlation.shape[-1])
    filled = np.where(one > 0, 1.0, np.nan_to_num(correlation))
    good = np.linalg.cond(filled) < MOST_CONDITION
    result = np.full(correlation.shape, np.nan)
    result[good] = np.linalg.inv(filled[good])
    return result


def _information(responses: Responses, episodes: NDArray[np.int64], draws: Values) -> Values:
    """`strengths.information` in drawn episodes: N I = sum f(n_ab) - sum f(n_a) - sum f(n_b) + f(N), f(n) = n log n."""
    mine, theirs = bin_indicators(responses.units), responses.inputs.indicators
    order = np.argsort(episodes, kind="stable")
    ends = np.cumsum(np.bincount(episodes))[:-1]
    pairs = zip(np.split(mine[order], ends), np.split(theirs[order], ends), strict=True)
    counts = np.stack([(a.T @ b).ravel() for a, b in pairs])
    # whole numbers below 2^24: exact in float32 in whatever order they are added
    units, inputs = mine.shape[1] // BINS, theirs.shape[1] // BINS
    both = (draws.astype(np.float32) @ counts).astype(np.int32).reshape(len(draws), units, BINS, inputs, BINS)
    of_units, of_inputs = both[:, :, :, 0].sum(axis=-1), both[:, 0].sum(axis=1)
    rows = of_units[:, 0].sum(axis=-1)
    n = np.arange(rows.max() + 1, dtype=np.float64)
    f = n * np.log(np.maximum(n, 1.0))
    terms = f[both].sum(axis=(2, 4))
    terms += f[rows][:, None, None] - f[of_units].sum(axis=-1)[:, :, None] - f[of_inputs].sum(axis=-1)[:, None, :]
    used = ((of_units > 0).sum(axis=-1) - 1)[:, :, None] * ((of_inputs > 0).sum(axis=-1) - 1)[:, None, :]
    nats = np.clip((terms - used / 2) / rows[:, None, None], 0.0, None)
    return np.asarray(np.sqrt(-np.expm1(-2 * nats)))


def _mean_defined(values: Values) -> Values:
    """Mean over the last axis of what is not NaN; NaN where nothing is."""
    there = np.isfinite(values)
    total = there.sum(axis=-1)
    sums = np.where(there, values, 0.0).sum(axis=-1)
    return np.divide(sums, total, out=np.full(total.shape, np.nan), where=total > 0)


def _effective(of: Drawn, values: Callable[[], NDArray[np.floating]] | None) -> Values:
    """Mean effective number of inputs by gradients or relevances; NaN where they are not known [draws]."""
    if values is None:
        return np.full(len(of.draws), np.nan)
    return _mean_defined(strengths.effective_number(of.power(values())))


def _weighted(of: Drawn) -> Values:
    weights = of.fires * of.responses.varies
    total = weights.sum(axis=-1)
    sums = (weights * sensitive_inputs(of.r, THRESHOLD)).sum(axis=-1)
    return np.divide(sums, total, out=np.full(len(sums), np.nan), where=total > 0)


def _inverse_dominance(of: Drawn) -> Values:
    weights, found = of.responses.weights, np.array(np.nan)
    if weights is not None:
        found = _mean_defined(1 / strengths.dominance(weights)[of.responses.varies])
    return np.full(len(of.draws), found)


# The measures that follow from correlations alone: r [.., units, inputs] -> [..].
OF_CORRELATIONS: dict[str, Callable[[Values], Values]] = {
    counted: partial(mean_sensitive, threshold=THRESHOLD, counted=counted) for counted in COUNTED
}
OF_CORRELATIONS["effective"] = lambda r: _mean_defined(strengths.effective_number(r**2))

# All of MEASURES, in their order, of drawn episodes: -> [draws].
OF_DRAWS: dict[str, Callable[[Drawn], Values]] = {
    "published": lambda of: OF_CORRELATIONS["published"](of.r),
    "every": lambda of: OF_CORRELATIONS["every"](of.r),
    "living": lambda of: OF_CORRELATIONS["living"](of.r),
    "weighted": _weighted,
    "spearman": lambda of: OF_CORRELATIONS["living"](of.spearman),
    "partial": lambda of: OF_CORRELATIONS["living"](of.partial),
    "information": lambda of: OF_CORRELATIONS["living"](of.information),
    "effective": lambda of: OF_CORRELATIONS["effective"](of.r),
    "effective_partial": lambda of: OF_CORRELATIONS["effective"](of.partial),
    "gradients": lambda of: _effective(of, of.responses.gradients),
    "relevance": lambda of: _effective(of, of.responses.relevance),
    "dominance": _inverse_dominance,
}
