"""What a search says: how large the reduction is over all subsets and seeds, and what picking the best would report.

Every subset is trained with the same seeds, and the subsets are all there are. So the seed is the replicate: an
interval is over the seeds' means over all subsets, and spreads are those of a crossed layout of subsets and seeds.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats
from scipy.special import gammaln

from precip_sae.interpretation.sensitivity import COUNTED
from precip_sae.models.reference import SCORE
from precip_sae.quantities import PERCENT, POINTS, quantity
from precip_sae.search.names import separate
from precip_sae.spread import Spread, crossed, over_seeds

# The column by which a search is judged, by the kind of the response.
SCORES = {kind: f"test_{score}" for kind, score in SCORE.items()}

# The study meant to draw so many subsets and look at the reduction and the skill of each.
DRAWN = 250


def by_subset(models: pd.DataFrame, score: str) -> pd.DataFrame:
    """Means over the seeds of every subset, in the order of the subsets.

    Args:
        models: one row per model (see `run.run_search`).
        score: the column of skill, for example test_accuracy.

    Returns:
        subset, inputs, `score`; and by way of counting: reduction_C (mean over seeds with a defined value), its
        low_C and high_C (range over seeds), and gain_C (mean difference to the untrained SAE, seed by seed).
    """
    columns: dict[str, Any] = {"inputs": ("inputs", "first"), score: (score, "mean")}
    frame = models
    for counted in COUNTED:
        change = models[f"reduction_{counted}"]
        frame = frame.assign(**{f"gain_{counted}": change - models[f"reduction_untrained_{counted}"]})
        columns |= {
            f"reduction_{counted}": (f"reduction_{counted}", "mean"),
            f"low_{counted}": (f"reduction_{counted}", "min"),
            f"high_{counted}": (f"reduction_{counted}", "max"),
            f"gain_{counted}": (f"gain_{counted}", "mean"),
        }
    return frame.groupby("subset", sort=True).agg(**columns).reset_index()


def own_subset(subsets: pd.DataFrame, inputs: Sequence[str]) -> int | None:
    """The row of `by_subset` that holds a task's own inputs, in whatever order the pool names them; None: no row."""
    for row, text in subsets["inputs"].items():
        if set(separate(text)) == set(inputs):
            return int(row)
    return None


def over_subsets(models: pd.DataFrame, column: str, form: str) -> Spread:
    """The mean of a column over all subsets, its interval over seeds: each seed gives one mean over the subsets."""
    return over_seeds(_column_means(by_seed(models, column)), form)


def _column_means(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Means of the defined values, [subsets, seeds] -> [seeds]; NaN without any."""
    there = np.isfinite(values)
    total = there.sum(axis=0)
    sums = np.where(there, values, 0.0).sum(axis=0)
    return np.divide(sums, total, out=np.full(len(total), np.nan), where=total > 0)


def spreads(models: pd.DataFrame, column: str) -> dict[str, Any]:
    """Standard deviations of a column between subsets, between seeds, and of what neither explains (see `crossed`).

    Returns:
        subsets, seeds, rest; one_subset, that between the seeds of one subset: seeds and rest together. None where one
        seed or one subset alone leaves it open.
    """
    found = crossed(by_seed(models, column))
    parts = {"subsets": found["rows"], "seeds": found["columns"], "rest": found["rest"]}
    within = None if found["rest"] is None else float(np.hypot(found["columns"] or 0.0, found["rest"]))
    return parts | {"one_subset": within, "form": POINTS}


def best_of(values: NDArray[np.float64], draws: int) -> dict[str, float]:
    """The largest value among `draws` subsets drawn at random without repetition, all trained with one random seed.

    P(largest <= i-th smallest of N) = C(i, n) / C(N, n), averaged over the seeds.

    Args:
        values: one column per seed [subsets, seeds]; NaN where not defined.
        draws: n; all subsets if there are fewer.

    Returns:
        expected, and the 2.5 % and 97.5 % quantiles low and high.
    """
    levels, weights = [], []
    for column in values.T:
        ordered = np.sort(column[~np.isnan(column)])
        if len(ordered) == 0:
            continue
        n = min(draws, len(ordered))
        i = np.arange(n, len(ordered) + 1)
        log_ways = gammaln(i + 1) - gammaln(i - n + 1)
        at_most = np.exp(log_ways - log_ways[-1])
        levels.append(ordered[n - 1 :])
        weights.append(np.diff(at_most, prepend=0.0))
    if not levels:
        return dict.fromkeys(("expected", "low", "high"), float("nan"))
    value, weight = np.concatenate(levels), np.concatenate(weights) / len(levels)
    order = np.argsort(value, kind="stable")
    value, weight = value[order], weight[order]
    reached = np.cumsum(weight)
    last = len(value) - 1
    low, high = (value[min(int(np.searchsorted(reached, q)), last)] for q in (0.025, 0.975))
    return {"expected": float((value * weight).sum()), "low": float(low), "high": float(high)}


def best_of_curve(values: NDArray[np.float64]) -> pd.DataFrame:
    """`best_of` for 1, 2, 5, 10, ... subsets up to all: columns draws, expected, low, high."""
    subsets = len(values)
    steps = sorted({min(round(m * 10**k), subsets) for k in range(8) for m in (1, 1.5, 2, 3, 5, 7)} | {subsets})
    steps = sorted({n for n in steps if n <= subsets} | ({DRAWN} if subsets >= DRAWN else set()))
    return pd.DataFrame([{"draws": n} | best_of(values, n) for n in steps])


def input_effects(models: pd.DataFrame, pool: Sequence[str], column: str) -> pd.DataFrame:
    """For every input: mean of `column` over the subsets that hold it, less that over those that do not.

    Returns:
        input, difference (mean over seeds), and its 95 % interval over seeds low, high; in the order of the pool. NaN
        where all subsets or none hold the input, or one seed leaves the interval open.
    """
    values = by_seed(models, column)
    held = [set(separate(inputs)) for inputs in models.groupby("subset", sort=True)["inputs"].first()]
    rows = []
    for name in pool:
        has = np.array([name in inputs for inputs in held], dtype=bool)
        found = over_seeds(_column_means(values[has]) - _column_means(values[~has]))
        rows.append({"input": name, "difference": found["mean"], "low": found["low"], "high": found["high"]})
    return pd.DataFrame(rows).astype({"difference": float, "low": float, "high": float})


def by_seed(models: pd.DataFrame, column: str) -> NDArray[np.float64]:
    """A column of the models as [subsets, seeds]."""
    return models.pivot(index="subset", columns="seed", values=column).to_numpy(dtype=np.float64)


def summarise(models: pd.DataFrame, score: str, inputs: Sequence[str], published: float) -> dict[str, Any]:
    """The numbers of a search.

    Args:
        models: one row per model (see `run.run_search`).
        score: the column of skill.
        inputs: the task's own inputs; its subset is reported beside the others if it is among them.
        published: the published reduction, as a share.

    Returns:
        models, subsets, seeds, draws; and by way of counting: the mean over all subsets of the reduction and of the
        gain over untrained SAEs, with intervals over seeds; the shares of models and subsets that reach the published
        value; the best, worst and median subset; the spreads between subsets and between seeds; what the best of 250
        drawn subsets is expected to show (its interval is over draws and seeds); its rank correlation with the score;
        and the task's own subset.
    """
    subsets = by_subset(models, score)
    own = own_subset(subsets, inputs)
    result: dict[str, Any] = {
        "models": len(models),
        "subsets": len(subsets),
        "seeds": int(models["seed"].nunique()),
        "draws": min(DRAWN, len(subsets)),
        "includes_own": own is not None,
        "fvu": over_subsets(models, "fvu", PERCENT),
        "epochs": over_subsets(models, "epochs", ".1f"),
        "counted": {},
    }
    for counted in COUNTED:
        column = f"reduction_{counted}"
        reduction = over_subsets(models, column, PERCENT)
        defined = subsets.dropna(subset=[column]).sort_values(column, kind="stable", ignore_index=True)
        gain = models[column] - models[f"reduction_untrained_{counted}"]
        beyond = over_subsets(models.assign(gain=gain), "gain", POINTS)
        if defined.empty:
            result["counted"][counted] = {"reduction": reduction, "beyond_untrained": beyond, "defined": 0}
            continue
        single = models[column].dropna()
        ranked = {"best": len(defined) - 1, "typical": len(defined) // 2, "worst": 0}
        best = best_of(by_seed(models, column), DRAWN)
        found: dict[str, Any] = {
            "defined": len(defined),
            "reduction": reduction,
            "beyond_untrained": beyond,
            "share": {
                "gain": float((subsets[f"gain_{counted}"].dropna() > 0).mean()),
                "models_at_published": float((single >= published).mean()),
                "subsets_at_published": float((defined[column] >= published).mean()),
                "form": PERCENT,
            },
            "single_model": {
                "least": float(single.min()),
                "most": float(single.max()),
                "mean": float(single.mean()),
                "form": PERCENT,
            },
            "spread_between": spreads(models, column),
            "best_of": best | {"form": PERCENT},
            "selection_bias": quantity(best["expected"] - float(single.mean()), POINTS),
            "rank_correlation": quantity(_rank_correlation(defined[column], defined[score]), ".2f"),
            **{
                name: {"inputs": separate(defined["inputs"][k]), "reduction": quantity(defined[column][k], PERCENT)}
                for name, k in ranked.items()
            },
        }
        if own is not None and np.isfinite(subsets[column][own]):
            mine = subsets.loc[own]
            found["own"] = {
                "form": PERCENT,
                "reduction": float(mine[column]),
                "single_model": {"least": float(mine[f"low_{counted}"]), "most": float(mine[f"high_{counted}"])},
                "share": {"subsets_below": float((defined[column] < mine[column]).mean())},
            }
        result["counted"][counted] = found
    return result


def _rank_correlation(first: pd.Series, second: pd.Series) -> float | None:
    """Spearman's rank correlation; None where a rank is not defined."""
    if len(first) < 3 or first.nunique() < 2 or second.nunique() < 2:
        return None
    return float(stats.spearmanr(first, second).statistic)
