"""Where responses change: the turn of a two-piece line, the place of a step, and whether published ones stand there.

The mean of an activation, a probability or a label in bins of an input is a curve. Its *turn* is the knot of the best
continuous line of two pieces, its *step* the best place for a jump between two constants. A curve always has a best
knot: how much of it each shape explains says whether there is a change point at all.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from precip_sae.interpretation import storms
from precip_sae.observations.labels import FREEZING
from precip_sae.spread import Spread

Values = NDArray[np.float64]

PUBLISHED: dict[str, dict[str, tuple[float, float]]] = {
    "T": {
        "snow_mixed": (FREEZING - 5.6 - 1.0, FREEZING - 5.6 + 1.0),
        "mixed_rain": (FREEZING + 1.0 - 1.0, FREEZING + 1.0 + 1.0),
    },
    "Fs": {"mixed_rain": (1.5, 2.0)},
}
"""Input: border between phases: the interval in which a change point stands at it. Borders of the published regimes
(King et al. 2025, "Decoding nonlinear signals", figures, read off): snow | mixed at about -5.6 C, mixed | rain at about
+1 C, here within 1 K, and at 1.5 to 2 m/s."""

LEAST_BINS = 3
"""Bins that have to lie on either side of a turn."""


@dataclass(frozen=True)
class Bins:
    """An input cut into bins of equal numbers of rows.

    Attributes:
        number: the bin of each row [rows]; centres: median of the input in each bin [bins].
    """

    number: NDArray[np.int64]
    centres: Values

    @classmethod
    def of(cls, values: NDArray[np.floating], count: int) -> "Bins":
        """At most `count` bins of the values [rows]; fewer where few values are distinct."""
        edges = np.unique(np.quantile(values, np.linspace(0, 1, count + 1)[1:-1]))
        number = np.unique(np.searchsorted(edges, values, side="right"), return_inverse=True)[1]
        return cls(number, np.array([np.median(values[number == k]) for k in range(number.max() + 1)], np.float64))

    def means(self, curves: NDArray[np.floating]) -> Values:
        """Mean of every curve in every bin: [rows, curves] -> [curves, bins]."""
        member = np.zeros((len(self.centres), len(self.number)))
        member[self.number, np.arange(len(self.number))] = 1.0
        return ((member @ curves.astype(np.float64)) / member.sum(axis=1, keepdims=True)).T

    def resampled(self, curve: NDArray[np.floating], episodes: NDArray[np.int64], draws: Values) -> Values:
        """Mean of one curve in every bin, for every resample of episodes.

        Args:
            curve: [rows]; episodes: of each row [rows]; draws: see `storms.weights`.

        Returns:
            [resamples, bins]; a bin whose episodes were not drawn takes the mean of the observations as they are.
        """
        episode = np.unique(episodes, return_inverse=True)[1]
        count, bins = int(episode.max()) + 1, len(self.centres)
        place = episode * bins + self.number
        rows, total = (
            draws @ np.bincount(place, weights, minlength=count * bins).reshape(count, bins)
            for weights in (None, curve.astype(np.float64))
        )
        return np.where(rows > 0, total / np.maximum(rows, 1), self.means(curve[:, None]))


@dataclass(frozen=True)
class Change:
    """Where curves change.

    Attributes:
        place: in the input's unit [curves]; NaN for a curve that does not vary.
        explained: share of the variance of the bins' means that the fit explains [curves].
    """

    place: Values
    explained: Values


def turns(x: Values, curves: Values) -> Change:
    """The knot of the best continuous line of two pieces, among the bins' centres, by least squares.

    y = a + b x + c max(x - k, 0) (a linear spline with one knot; Muggeo 2003, doi 10.1002/sim.1545). Every candidate
    knot is tried.

    Args:
        x: centres of the bins, increasing [bins]; curves: [curves, bins].
    """
    knots = np.arange(LEAST_BINS - 1, len(x) - LEAST_BINS + 1)
    if len(knots) == 0:
        return _nowhere(curves)
    y, total, varies = _centred(curves)
    explained = np.empty((len(y), len(knots)))
    for k, basis in enumerate(_bases(tuple(x.tolist()))):
        explained[:, k] = np.square(y @ basis).sum(axis=1)
    return _best(explained, x[knots], total, varies)


# all outputs of all sources are looked at along the same few inputs
@lru_cache(maxsize=4)
def _bases(x: tuple[float, ...]) -> list[Values]:
    """Orthonormal bases of the lines of two pieces along `x`, one for each candidate knot of `turns` [bins, 3]."""
    centres = np.array(x)
    scaled = (centres - centres.mean()) / (np.ptp(centres) or 1.0)
    designs = (
        np.stack([np.ones(len(x)), scaled, np.maximum(scaled - scaled[knot], 0.0)], axis=1)
        for knot in range(LEAST_BINS - 1, len(x) - LEAST_BINS + 1)
    )
    return [np.linalg.qr(design)[0] for design in designs]


def steps(x: Values, curves: Values) -> Change:
    """The best place for a jump between two constants, halfway between two bins, by least squares.

    The first split of a regression tree on the bins' means (Breiman et al. 1984).

    Args:
        x: centres of the bins, increasing [bins]; curves: [curves, bins].
    """
    if len(x) < 2:
        return _nowhere(curves)
    y, total, varies = _centred(curves)
    left = np.arange(1, len(x))
    below = np.cumsum(y, axis=1)[:, :-1]
    # y is centred: what lies above sums to minus what lies below
    explained = np.square(below) * (1 / left + 1 / (len(x) - left))
    return _best(explained, (x[:-1] + x[1:]) / 2, total, varies)


def lines(x: Values, curves: Values) -> Values:
    """Share of the variance of the bins' means that a straight line explains [curves]."""
    if len(x) < 2:
        return np.full(len(curves), np.nan)
    y, total, varies = _centred(curves)
    along = (x - x.mean()) / np.linalg.norm(x - x.mean())
    return np.where(varies, np.square(y @ along) / np.where(varies, total, 1.0), np.nan)


def _centred(curves: Values) -> tuple[Values, Values, NDArray[np.bool_]]:
    y = curves - curves.mean(axis=1, keepdims=True)
    total = np.square(y).sum(axis=1)
    return y, total, np.ptp(curves, axis=1) > 0


def _best(explained: Values, places: Values, total: Values, varies: NDArray[np.bool_]) -> Change:
    # places that explain as much, up to rounding, are a tie, which the first wins on every processor
    share = np.round(explained / np.where(varies, total, 1.0)[:, None], 9)
    best = share.argmax(axis=1)
    found = np.take_along_axis(share, best[:, None], axis=1)[:, 0]
    return Change(np.where(varies, places[best], np.nan), np.where(varies, found, np.nan))


def _nowhere(curves: Values) -> Change:
    return Change(np.full(len(curves), np.nan), np.full(len(curves), np.nan))


def within(places: Values, interval: tuple[float, float]) -> NDArray[np.bool_]:
    """Which places lie in an interval, its ends among it; NaN lies nowhere."""
    return (places >= interval[0]) & (places <= interval[1])


def chance(x: Values, interval: tuple[float, float]) -> float:
    """Share of the candidate knots of `turns` in an interval: where a turn that could be anywhere would fall."""
    knots = x[LEAST_BINS - 1 : len(x) - LEAST_BINS + 1]
    return float(within(knots, interval).mean()) if len(knots) else float("nan")


def place_over_storms(
    bins: Bins, curve: NDArray[np.floating], episodes: NDArray[np.int64], find: Any, physical: Any, form: str, over: str
) -> Spread:
    """A change point of one curve, with its interval over storms.

    Args:
        curve: [rows]; episodes: of each row [rows]; over: what they are called.
        find: `turns` or `steps`.
        physical: maps places on the axis of the bins to the unit in which they are told.
        form: of the place.
    """
    again = bins.resampled(curve, episodes, storms.weights(episodes))
    return storms.interval(physical(find(bins.centres, again).place), episodes, form, over)


def published(column: str) -> Mapping[str, tuple[float, float]]:
    """The published borders along an input; none for most."""
    return PUBLISHED.get(column, {})
