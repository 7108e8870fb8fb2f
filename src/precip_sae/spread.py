"""The mean of a quantity over seeds (or stretches of rows), and how sure one can be of it."""

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats


def over_seeds(values: ArrayLike, confidence: float = 0.95) -> dict[str, float | int | None]:
    """Mean, standard deviation and interval of the mean over models that differ in their seed alone, or the like.

    The interval is Student's t with n - 1 degrees of freedom. Undefined values (NaN) are left out and counted.

    Args:
        values: one number per seed [seeds].

    Returns:
        mean, sd (denominator n - 1), low, high, least, most, n, undefined; None where not defined.
    """
    numbers = np.asarray(values, dtype=np.float64)
    kept = numbers[np.isfinite(numbers)]
    n = len(kept)
    result: dict[str, float | int | None] = dict.fromkeys(("mean", "sd", "low", "high", "least", "most"))
    result |= {"n": n, "undefined": len(numbers) - n}
    if n:
        mean = float(kept.mean())
        result |= {"mean": mean, "least": float(kept.min()), "most": float(kept.max())}
        if n > 1:
            sd = float(kept.std(ddof=1))
            half = float(stats.t.ppf(0.5 + confidence / 2, n - 1)) * sd / np.sqrt(n)
            result |= {"sd": sd, "low": mean - half, "high": mean + half}
    return result
