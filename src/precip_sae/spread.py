"""The mean of a quantity, and how sure one can be of it: over seeds, over storms, or apart for both of two factors."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtrit

from precip_sae.quantities import SIGNIFICANT

Spread = dict[str, Any]

RESAMPLES = 2000
FEWEST_EPISODES = 10
"""With fewer episodes an interval over them is left open: they say too little about others."""


def over_seeds(values: ArrayLike, form: str = SIGNIFICANT) -> Spread:
    """Mean, standard deviation and interval of the mean over models that differ in their seed alone.

    The interval is Student's t with n - 1 degrees of freedom: it says how far the mean could differ with other seeds on
    the same observations. Undefined values (NaN) are left out and counted.

    Args:
        values: one number per seed [seeds].
        form: how the numbers are written, see `quantities`.

    Returns:
        mean, sd (denominator n - 1), low, high, least, most, n, undefined (None where not defined); form; and `over`,
        what the interval is over.
    """
    numbers = np.asarray(values, dtype=np.float64)
    kept = numbers[np.isfinite(numbers)]
    result = _summary(kept, len(numbers) - len(kept), form, "seeds")
    if len(kept) > 1:
        half = float(stdtrit(len(kept) - 1, 0.975)) * result["sd"] / np.sqrt(len(kept))
        result |= {"low": result["mean"] - half, "high": result["mean"] + half}
    return result


def over_episodes(
    values: NDArray[np.float64],
    episodes: NDArray[np.int64],
    form: str = SIGNIFICANT,
    over: str = "storms",
) -> Spread:
    """Mean over rows, and its interval if other episodes of the kind had been observed.

    The bootstrap of whole episodes (Efron and Tibshirani 1993, An Introduction to the Bootstrap, section 8.6): rows
    within a storm are alike, so storms are drawn with replacement and the mean over their rows is taken; the interval
    holds the middle 95 % of 2,000 such means. The draws are the same in every run. With fewer than FEWEST_EPISODES it
    is left open.

    Args:
        values: one number per row [rows].
        episodes: the episode of each row [rows].
        over: what the episodes are called.

    Returns:
        As `over_seeds`; sd, least and most are those of the episodes' own means, n their number.
    """
    _, number = np.unique(episodes, return_inverse=True)
    rows, sums = np.bincount(number), np.bincount(number, weights=values)
    result = _summary(sums / rows, 0, form, over) | {"mean": float(values.mean())}
    if len(rows) >= FEWEST_EPISODES:
        draws = np.random.default_rng(0).multinomial(len(rows), np.full(len(rows), 1 / len(rows)), size=RESAMPLES)
        means = (draws * sums).sum(axis=1) / (draws * rows).sum(axis=1)
        low, high = np.quantile(means, (0.025, 0.975))
        result |= {"low": float(low), "high": float(high)}
    return result


def _summary(kept: NDArray[np.float64], undefined: int, form: str, over: str) -> Spread:
    result: Spread = dict.fromkeys(("mean", "sd", "low", "high", "least", "most"))
    if len(kept):
        result |= {"mean": float(kept.mean()), "least": float(kept.min()), "most": float(kept.max())}
    if len(kept) > 1:
        result["sd"] = float(kept.std(ddof=1))
    return result | {"n": len(kept), "undefined": undefined, "form": form, "over": over}


def crossed(values: NDArray[np.float64]) -> dict[str, float | None]:
    """Standard deviations in a table in which every row meets every column once: of rows, of columns, of the rest.

    x_ij = mean + row_i + column_j + rest_ij with independent random effects; their variances by Henderson's method III
    (Henderson 1953, doi 10.2307/3001853), which allows for missing cells: the sums of squares of rows given columns, of
    columns given rows, and of the residuals of the additive fit are set equal to their expectations. A variance that
    comes out negative is 0.

    Args:
        values: [rows, columns], NaN where missing.

    Returns:
        rows, columns, rest; None where one row or one column alone leaves it open.
    """
    there = np.isfinite(values)
    kept = values[there.any(axis=1)][:, there.any(axis=0)]
    there = np.isfinite(kept)
    n, (i, j) = int(there.sum()), kept.shape
    freedom = n - i - j + 1
    if i < 2 or j < 2 or freedom < 1:
        return {"rows": None, "columns": None, "rest": None}
    x = np.where(there, kept - kept[there].mean(), 0.0)
    by_rows, by_columns = x.sum(axis=1) / there.sum(axis=1), x.sum(axis=0) / there.sum(axis=0)
    total = float((x**2).sum())
    rows_alone = float((there.sum(axis=1) * by_rows**2).sum())
    columns_alone = float((there.sum(axis=0) * by_columns**2).sum())
    # the columns' effects, once the rows' are taken out: normal equations of a few unknowns, the last one fixed at 0
    within = there / there.sum(axis=1, keepdims=True)
    equations = np.diag(there.sum(axis=0).astype(float)) - there.T.astype(float) @ within
    wanted = x.sum(axis=0) - there.T.astype(float) @ by_rows
    effects = np.linalg.lstsq(equations, wanted, rcond=None)[0]
    both = rows_alone + float(effects @ wanted)
    rest = (total - both) / freedom
    variances = {
        "rows": (both - columns_alone - (i - 1) * rest) / (n - j),
        "columns": (both - rows_alone - (j - 1) * rest) / (n - i),
        "rest": rest,
    }
    return {name: max(0.0, variance) ** 0.5 for name, variance in variances.items()}
