"""Intervals over storms of statistics that are not the mean of a row: correlations, ratios, change points, shares.

The bootstrap of whole episodes of `spread.over_episodes`, opened up: whoever can take a statistic of weighted episodes
gets its interval.
"""

import numpy as np
from numpy.typing import NDArray

from precip_sae.comparisons import over_both
from precip_sae.quantities import SIGNIFICANT
from precip_sae.spread import FEWEST_EPISODES, Spread

RESAMPLES = 500


def weights(episodes: NDArray[np.int64], resamples: int = RESAMPLES) -> NDArray[np.float64]:
    """How often each episode is drawn in each resample; the draws are the same in every run.

    Args:
        episodes: the episode of each row [rows].

    Returns:
        [resamples + 1, episodes]; the first row is 1 throughout, the observations as they are.
    """
    count = len(np.unique(episodes))
    draws = np.random.default_rng(0).multinomial(count, np.full(count, 1 / count), size=resamples)
    return np.concatenate([np.ones((1, count)), draws])


def sums(values: NDArray[np.float64], episodes: NDArray[np.int64]) -> NDArray[np.float64]:
    """Sums over the rows of each episode: [rows, ..] -> [episodes, ..], in the order of the episodes' numbers."""
    if (np.diff(episodes) < 0).any():  # rows mostly come in time order, and to sort them takes a copy
        order = np.argsort(episodes, kind="stable")
        values, episodes = values[order], episodes[order]
    return np.add.reduceat(values, np.flatnonzero(np.diff(episodes, prepend=episodes[0] - 1)), axis=0)


def redrawn_means(
    values: NDArray[np.float64], episodes: NDArray[np.int64], draws: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Mean over the rows as they are, and over those of drawn episodes: [rows, ..] -> [resamples + 1, ..].

    Args:
        draws: see `weights`; to make them takes longer than a mean, so many means share them.
    """
    rows = draws @ sums(np.ones(len(values)), episodes)
    found = np.tensordot(draws, sums(values, episodes), axes=1)
    return np.asarray(found / rows.reshape(-1, *[1] * (values.ndim - 1)))


def over_seeds_and_draws(
    drawn: NDArray[np.float64], episodes: NDArray[np.int64], form: str = SIGNIFICANT, over: str = "storms"
) -> Spread:
    """`comparisons.over_both` of a statistic of the observations and of resamples [resamples + 1, seeds].

    With fewer than FEWEST_EPISODES episodes the interval is left open.
    """
    enough = len(np.unique(episodes)) >= FEWEST_EPISODES
    return over_both(drawn[0], drawn[1:] if enough else np.full_like(drawn[1:], np.nan), form, over)


def interval(
    draws: NDArray[np.float64], episodes: NDArray[np.int64], form: str = SIGNIFICANT, over: str = "storms"
) -> Spread:
    """A statistic and the middle 95 % of its resamples, as `spread.over_episodes` gives them.

    Args:
        draws: the statistic of every row of `weights`: of the observations, then of each resample. NaN in a resample is
            left out and counted.
        episodes: the episode of each row [rows].

    Returns:
        The keys of `spread.over_seeds`; with fewer than FEWEST_EPISODES episodes the interval is left open.
    """
    count = len(np.unique(episodes))
    point, resampled = draws[0], draws[1:][np.isfinite(draws[1:])]
    result: Spread = dict.fromkeys(("mean", "sd", "low", "high", "least", "most"))
    if np.isfinite(point):
        result["mean"] = float(point)
        if count >= FEWEST_EPISODES and len(resampled) > 1:
            low, high = np.quantile(resampled, (0.025, 0.975))
            result |= {"sd": float(resampled.std(ddof=1)), "low": float(low), "high": float(high)}
    return result | {"n": count, "undefined": len(draws) - 1 - len(resampled), "form": form, "over": over}
