"""What a search says: how large the reduction is over all subsets and seeds, and what picking the best would report."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats
from scipy.special import gammaln

from precip_sae.interpretation.sensitivity import COUNTED
from precip_sae.spread import over_seeds

# The column by which a search is judged, by the kind of the response.
SCORES = {"classification": "test_accuracy", "regression": "test_mae"}

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


def spreads(models: pd.DataFrame, column: str) -> dict[str, float | None]:
    """Standard deviations of a column between subsets and between the seeds of a subset.

    One-way analysis of variance with random effects: the variance between subsets is that of their means less what
    the seeds leave in a mean (0 if that is more).

    Returns:
        subsets, seeds; None where one seed or one subset alone leaves it open.
    """
    kept = models.dropna(subset=[column])
    groups = kept.groupby("subset")[column]
    counts = groups.size()
    within, between = int((counts - 1).sum()), len(counts) - 1
    seeds = float((groups.var(ddof=1).fillna(0) * (counts - 1)).sum() / within) if within else None
    subsets = None
    if between and seeds is not None:
        typical = float((counts.sum() - (counts**2).sum() / counts.sum()) / between)
        square = float((counts * (groups.mean() - kept[column].mean()) ** 2).sum() / between)
        subsets = max(0.0, (square - seeds) / typical)
    return {"subsets": None if subsets is None else subsets**0.5, "seeds": None if seeds is None else seeds**0.5}


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


def input_effects(subsets: pd.DataFrame, pool: Sequence[str], column: str) -> pd.DataFrame:
    """For every input: mean of `column` over the subsets that hold it, less that over those that do not.

    Returns:
        input, difference, and the 95 % interval low, high of Welch's t; in the order of the pool. NaN where
        all subsets or none hold the input.
    """
    kept = subsets.dropna(subset=[column])
    held = [set(inputs.split(" ")) for inputs in kept["inputs"]]
    rows = []
    for name in pool:
        has = np.array([name in inputs for inputs in held], dtype=bool)
        with_it, without = kept.loc[has, column], kept.loc[~has, column]
        row = {"input": name, "difference": np.nan, "low": np.nan, "high": np.nan}
        if len(with_it) and len(without):
            row["difference"] = with_it.mean() - without.mean()
        if len(with_it) > 1 and len(without) > 1 and (with_it.var() + without.var()) > 0:
            ends = stats.ttest_ind(with_it, without, equal_var=False).confidence_interval(0.95)
            row |= {"low": float(ends.low), "high": float(ends.high)}
        rows.append(row)
    return pd.DataFrame(rows)


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
        models, subsets, seeds, draws; and by way of counting: over all models the spread of the reduction (the
        interval is over subsets, each the mean of its seeds) and of the gain over untrained SAEs; the shares of
        models and subsets that reach the published value; the best, worst and median subset; the spreads between
        subsets and between seeds; what the best of 250 drawn subsets is expected to show; its rank correlation
        with the score; and the task's own subset.
    """
    subsets = by_subset(models, score)
    own = subsets.index[subsets["inputs"] == " ".join(inputs)]
    result: dict[str, Any] = {
        "models": len(models),
        "subsets": len(subsets),
        "seeds": int(models["seed"].nunique()),
        "draws": min(DRAWN, len(subsets)),
        "includes_own": bool(len(own)),
        "fvu": over_seeds(models["fvu"]),
        "epochs": over_seeds(models["epochs"]),
        "counted": {},
    }
    for counted in COUNTED:
        column = f"reduction_{counted}"
        defined = subsets.dropna(subset=[column]).sort_values(column, kind="stable", ignore_index=True)
        if defined.empty:
            result["counted"][counted] = {"reduction": over_seeds(subsets[column]), "defined": 0}
            continue
        single = models[column].dropna()
        ranked = {"best": len(defined) - 1, "typical": len(defined) // 2, "worst": 0}
        best = best_of(by_seed(models, column), DRAWN)
        found: dict[str, Any] = {
            "defined": len(defined),
            "reduction": over_seeds(defined[column]),
            "beyond_untrained": over_seeds(subsets[f"gain_{counted}"]),
            "share": {
                "gain": float((subsets[f"gain_{counted}"].dropna() > 0).mean()),
                "models_at_published": float((single >= published).mean()),
                "subsets_at_published": float((defined[column] >= published).mean()),
            },
            "single_model": {"least": float(single.min()), "most": float(single.max()), "mean": float(single.mean())},
            "spread_between": spreads(models, column),
            "best_of": best,
            "selection_bias": best["expected"] - float(single.mean()),
            "rank_correlation": _rank_correlation(defined[column], defined[score]),
            **{
                name: {"inputs": defined["inputs"][k].split(" "), "reduction": float(defined[column][k])}
                for name, k in ranked.items()
            },
        }
        if len(own) and np.isfinite(subsets[column][own[0]]):
            mine = subsets.loc[own[0]]
            found["own"] = {
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
