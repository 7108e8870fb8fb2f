"""Many comparisons at once, paired by seed: whether a mean differs from zero, and intervals over seeds and storms."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtr

from precip_sae.quantities import SIGNIFICANT, quantity
from precip_sae.spread import Spread, over_seeds


def t_test(differences: ArrayLike) -> float:
    """Two-sided p of Student's t-test that the mean of paired differences is zero; undefined ones are left out.

    1 where all of them are zero; NaN with fewer than two.
    """
    kept = np.asarray(differences, dtype=np.float64)
    kept = kept[np.isfinite(kept)]
    if len(kept) < 2:
        return float("nan")
    error = kept.std(ddof=1) / np.sqrt(len(kept))
    if error == 0:
        return 0.0 if kept[0] else 1.0
    return float(2 * stdtr(len(kept) - 1, -abs(kept.mean()) / error))


def holm(p: Mapping[str, float]) -> dict[str, float]:
    """p-values of several comparisons, corrected for their number (Holm 1979, Scand. J. Stat. 6, 65-70).

    Below 0.05 means: whichever of the hypotheses hold, the chance to reject any of them falsely is at most 5 %. NaN
    stay NaN and are not counted.
    """
    defined = sorted((value, name) for name, value in p.items() if not np.isnan(value))
    corrected, least = dict.fromkeys(p, float("nan")), 0.0
    for place, (value, name) in enumerate(defined):
        least = max(least, min(1.0, (len(defined) - place) * value))
        corrected[name] = least
    return {name: corrected[name] for name in p}


def few_digits(p: float) -> float:
    """A p-value to three significant digits, not less than 1e-6: more would not be the same on every processor."""
    return p if np.isnan(p) else max(float(f"{p:.3g}"), 1e-6)


def over_both(values: ArrayLike, redrawn: NDArray[np.float64], form: str = SIGNIFICANT, over: str = "storms") -> Spread:
    """Mean over seeds, and its interval if other seeds had been taken and other episodes observed.

    Half of it is the root of two squares added up (Zou and Donner 2008, doi 10.1002/sim.3095): half the interval of
    `spread.over_seeds`, and 1.96 standard deviations of the mean over seeds on episodes drawn with replacement (Efron
    and Tibshirani 1993, section 8.6). Every draw misses some episodes, and with them some responses: quantiles of the
    draws would not hold the mean in their middle.

    Args:
        values: one number per seed [seeds], on the episodes as they are.
        redrawn: the same on drawn episodes [resamples, seeds].
        over: what the episodes are called.

    Returns:
        As `spread.over_seeds`, with `over` naming both; left open with one seed, and where the draws are not defined.
    """
    result = over_seeds(values, form)
    there = np.isfinite(redrawn)
    total = there.sum(axis=1)
    means = np.where(there, redrawn, 0.0).sum(axis=1)[total > 0] / total[total > 0]
    low, high = None, None
    if len(means) > 1 and result["high"] is not None:
        half = float(np.sqrt((result["high"] - result["mean"]) ** 2 + 1.96**2 * means.var(ddof=1)))
        low, high = result["mean"] - half, result["mean"] + half
    return result | {"low": low, "high": high, "over": f"seeds and {over}"}


def paired(differences: Mapping[str, NDArray[np.float64]], form: str = SIGNIFICANT) -> dict[str, Spread]:
    """Mean differences over seeds with their intervals, and p-values corrected for how many are compared.

    Args:
        differences: a number per seed for each comparison; seeds without one (NaN) are left out.

    Returns:
        {comparison: see `spread.over_seeds`, and `p`}; p is None with fewer than two seeds.
    """
    corrected = holm({name: t_test(values) for name, values in differences.items()})
    p = {name: None if np.isnan(one) else quantity(few_digits(one), ".2g") for name, one in corrected.items()}
    return {name: over_seeds(values, form) | {"p": p[name]} for name, values in differences.items()}
