"""From replicates to noise floors: the standard deviation that each source alone gives one model's reduction."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from precip_sae.quantities import POINTS, quantity
from precip_sae.spread import RESAMPLES, Spread

Values = NDArray[np.float64]
SEEDS = "seeds"
FEWEST_SEEDS = 5
"""With fewer seeds the interval of a standard deviation over them is left open."""


def within(values: Values) -> Values:
    """Pooled variance of replicates of the same seed, [replicates, seeds] -> the seeds' own variances [seeds].

    Denominator replicates - 1, so that of a pair it is half the square of the difference; undefined (NaN) replicates
    are left out, and a seed with fewer than two is NaN.
    """
    there = np.isfinite(values)
    count = there.sum(axis=0)
    mean = np.where(there, values, 0.0).sum(axis=0) / np.maximum(count, 1)
    squares = np.where(there, (values - mean) ** 2, 0.0).sum(axis=0)
    return np.divide(squares, count - 1, out=np.full(count.shape, np.nan), where=count > 1)


def floor(values: Values, form: str = POINTS) -> Spread:
    """The standard deviation between replicates that share a seed, and its interval over seeds.

    sd = sqrt(mean over seeds of the variance within a seed): how far two models lie apart that differ in the source
    alone, over sqrt 2. The interval holds the middle 95 % of 2,000 such values with seeds drawn with replacement.

    Args:
        values: reductions [replicates, seeds].
        form: of the standard deviation.
    """
    variances = within(values)
    variances = variances[np.isfinite(variances)]
    result: Spread = {"mean": None, "low": None, "high": None, "n": len(variances), "form": form, "over": "seeds"}
    if len(variances):
        result["mean"] = float(np.sqrt(variances.mean()))
    if len(variances) >= FEWEST_SEEDS:
        drawn = np.random.default_rng(0).integers(len(variances), size=(RESAMPLES, len(variances)))
        low, high = np.quantile(np.sqrt(variances[drawn].mean(axis=1)), (0.025, 0.975))
        result |= {"low": float(low), "high": float(high)}
    return result


def twins(values: Values) -> dict[str, Any]:
    """How far apart the two models of a pair lie: median, mean and largest |difference|, shares beyond 1 and 10 points.

    Args:
        values: reductions [2, seeds].
    """
    apart = np.abs(values[1] - values[0])
    apart = apart[np.isfinite(apart)]
    if not len(apart):
        return {"pairs": 0}
    shares = {f"beyond_{points}": quantity(float((apart > points / 100).mean()), ".0%") for points in (1, 10)}
    sizes = {"median": float(np.median(apart)), "mean": float(apart.mean()), "most": float(apart.max()), "form": POINTS}
    return {"apart": sizes, "pairs": len(apart)} | shares


def long_table(sources: Mapping[str, Sequence[Mapping[str, Values]]], seeds: Sequence[int]) -> pd.DataFrame:
    """source, replicate, seed, measure, reduction: one row per model and measure; replicate 0 is the task's own.

    Args:
        sources: {source: one {measure: [models]} per replicate}; models in the order of `seeds`, of the first ones if
            there are fewer.
    """
    rows = [
        pd.DataFrame({"source": source, "replicate": k, "seed": list(seeds)[: len(v)], "measure": name, "reduction": v})
        for source, found in sources.items()
        for k, by_measure in enumerate(found)
        for name, v in by_measure.items()
    ]
    return pd.concat(rows, ignore_index=True)


def floors(table: pd.DataFrame) -> dict[str, dict[str, Spread]]:
    """The floor of every source by every measure: {measure: {source: see `floor`}}.

    That of `seeds`, whose models are independent, is the standard deviation over them; it is undefined of any other
    source that has no replicate beside the task's own.

    Args:
        table: see `long_table`.
    """
    found: dict[str, dict[str, Spread]] = {}
    for (measure, source), rows in table.groupby(["measure", "source"], sort=False):
        values = rows.pivot(index="replicate", columns="seed", values="reduction").to_numpy()
        found.setdefault(measure, {})[source] = independent(values[0]) if source == SEEDS else floor(values)
    return found


def independent(values: Values, form: str = POINTS) -> Spread:
    """The standard deviation of independent models [models], with the interval of `floor`."""
    kept = values[np.isfinite(values)]
    result: Spread = {"mean": None, "low": None, "high": None, "n": len(kept), "form": form, "over": "seeds"}
    if len(kept) > 1:
        result["mean"] = float(kept.std(ddof=1))
    if len(kept) >= FEWEST_SEEDS:
        drawn = np.random.default_rng(0).integers(len(kept), size=(RESAMPLES, len(kept)))
        low, high = np.quantile(kept[drawn].std(axis=1, ddof=1), (0.025, 0.975))
        result |= {"low": float(low), "high": float(high)}
    return result
