"""Several comparisons at once: paired by seed, and corrected for their number."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr

from precip_sae.quantities import SIGNIFICANT
from precip_sae.spread import over_seeds


def holm(p: NDArray[np.float64]) -> NDArray[np.float64]:
    """P-values corrected for their number by the step-down method of Holm (1979, jstor.org/stable/4615733).

    The k-th smallest of n is multiplied by n - k + 1; none is smaller than one before it, and none exceeds 1. Undefined
    ones (NaN) are not counted.

    Args:
        p: [comparisons].
    """
    corrected = np.full(len(p), np.nan)
    known = np.flatnonzero(~np.isnan(p))
    order = known[np.argsort(p[known], kind="stable")]
    steps = p[order] * (len(order) - np.arange(len(order)))
    corrected[order] = np.minimum(np.maximum.accumulate(steps), 1.0) if len(order) else steps
    return corrected


def paired(differences: Mapping[str, NDArray[np.float64]], form: str = SIGNIFICANT) -> dict[str, dict[str, Any]]:
    """Mean differences over seeds with their intervals, and Holm-corrected p-values of Student's paired test.

    Args:
        differences: a number per seed for each comparison; seeds without one (NaN) are left out.

    Returns:
        {comparison: see `spread.over_seeds`, and `p`}; p is None where fewer than two seeds differ, and 0 or 1 where
        all differ by the same amount.
    """
    p = np.array([_p(values[np.isfinite(values)]) for values in differences.values()])
    return {
        name: over_seeds(values, form) | {"p": None if np.isnan(one) else {"value": float(one), "form": ".2g"}}
        for (name, values), one in zip(differences.items(), holm(p), strict=True)
    }


def _p(values: NDArray[np.float64]) -> float:
    if len(values) < 2:
        return float("nan")
    error = values.std(ddof=1) / np.sqrt(len(values))
    if error == 0:
        return float(values[0] == 0)
    return float(2 * stdtr(len(values) - 1, -abs(values.mean()) / error))
