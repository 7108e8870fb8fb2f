"""Which measure ranks dictionaries as truth does, where truth is known?

A dictionary of a toy model has features that are known, one of the column task hidden factors that no network was
given. If a measure of how few inputs the latents respond to says anything about recovery, then among the dictionaries
of the same activations those that it prefers are those that recover more.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import rankdata

from precip_sae.errors import StageError
from precip_sae.interpretation.known_truth import COLUMN, PLANTED, RARE
from precip_sae.interpretation.measures import MEASURES
from precip_sae.quantities import PERCENT, quantity
from precip_sae.spread import over_seeds

FEWEST = 5
"""Dictionaries of one setting and seed below which no rank correlation is taken."""

Values = NDArray[np.float64]


def rank_correlation(a: Values, b: Values) -> float:
    """Spearman's rho of two columns, ties sharing their mean rank; NaN where one does not vary or too few are left.

    Args:
        a, b: [dictionaries]; rows where either is not finite are left out.
    """
    kept = np.isfinite(a) & np.isfinite(b)
    if kept.sum() < FEWEST:
        return float("nan")
    first, second = rankdata(a[kept]), rankdata(b[kept])
    if np.ptp(first) == 0 or np.ptp(second) == 0:
        return float("nan")
    return float(np.corrcoef(first, second)[0, 1])


def agreement(
    table: pd.DataFrame, truth: str, measures: Mapping[str, int], within: Sequence[str], replicate: str = "seed"
) -> pd.DataFrame:
    """Rank correlation of every measure with the truth, for each seed, mean over settings.

    Dictionaries are compared with those of the same setting and the same seed alone: they were made of the same
    activations, so that a difference is one between dictionaries. The settings of a seed share its network and are no
    replicates; a seed gives one number.

    Args:
        table: one row per dictionary.
        truth: the column that says how much was recovered, larger being better.
        measures: columns, and whether more (1) or less (-1) of one should mean a better dictionary.
        within: columns that make a setting.
        replicate: the column of seeds.

    Returns:
        One row per seed, one column per measure; NaN where a measure is not defined.
    """
    rows = {}
    for seed, of_seed in table.groupby(replicate, sort=True):
        by_setting = [
            {
                name: rank_correlation(sign * group[name].to_numpy(float), group[truth].to_numpy(float))
                for name, sign in measures.items()
            }
            for _, group in of_seed.groupby(list(within), sort=True)
        ]
        rows[seed] = pd.DataFrame(by_setting).mean()
    return pd.DataFrame(rows).T.rename_axis(replicate)


def ranked(by_seed: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """Mean rank correlation of every measure with its interval over seeds, the best measure first.

    Args:
        by_seed: see `agreement`.
    """
    spreads = {name: over_seeds(by_seed[name], ".2f") for name in by_seed.columns}
    defined = {name: spread for name, spread in spreads.items() if spread["mean"] is not None}
    return dict(sorted(defined.items(), key=lambda item: -item[1]["mean"]))


def cut_off(
    table: pd.DataFrame, truth: str, measure: str, sign: int, recovered: float, replicate: str = "seed"
) -> dict[str, Any]:
    """The value of a measure that tells dictionaries that recover from those that do not, found and tried apart.

    It is chosen on every second seed for the largest balanced accuracy (mean of the shares of recovering and of other
    dictionaries that it names rightly), and its balanced accuracy is that on the seeds between.

    Args:
        recovered: least truth of a dictionary that recovers.

    Returns:
        cut_off, and balanced_accuracy with its interval over the seeds that it was not chosen on; None where no
        dictionary recovers, or all do.
    """
    kept = table[np.isfinite(table[measure]) & np.isfinite(table[truth])]
    seeds = sorted(kept[replicate].unique())
    chosen, tried = (kept[kept[replicate].isin(seeds[start::2])] for start in (0, 1))
    values, good = sign * chosen[measure].to_numpy(float), (chosen[truth] >= recovered).to_numpy()
    if good.all() or not good.any():
        return {"cut_off": None, "balanced_accuracy": over_seeds([], PERCENT)}
    candidates = np.unique(values)
    between = (candidates[:-1] + candidates[1:]) / 2 if len(candidates) > 1 else candidates
    scores = [_balanced(values >= cut, good) for cut in between]
    best = float(between[int(np.argmax(scores))])
    by_seed = [
        _balanced(sign * group[measure].to_numpy(float) >= best, (group[truth] >= recovered).to_numpy())
        for _, group in tried.groupby(replicate, sort=True)
    ]
    return {"cut_off": sign * best, "balanced_accuracy": over_seeds(by_seed, PERCENT)}


def _balanced(named: NDArray[np.bool_], good: NDArray[np.bool_]) -> float:
    """Mean of the shares of both kinds that are named rightly; NaN without one of them."""
    if good.all() or not good.any():
        return float("nan")
    return float((named[good].mean() + (~named[~good]).mean()) / 2)


@dataclass(frozen=True)
class Experiment:
    """Dictionaries whose recovery is known.

    Attributes:
        title: for figures.
        table: one row per dictionary.
        truth: the column that says how much was recovered.
        recovered: least truth of a dictionary that recovers.
        within: columns of what dictionaries that are compared share.
    """

    title: str
    table: pd.DataFrame
    truth: str
    recovered: float
    within: tuple[str, ...]


# What the literature judges dictionaries by, beside the numbers of inputs; less of each should be better.
BESIDE = {"fvu": "variance unexplained", "l0": "active latents per row", "dead": "share of dead latents"}


def experiments(toys: pd.DataFrame, column: pd.DataFrame) -> dict[str, Experiment]:
    """The toy models, the column task and the planted targets, as far as there are any.

    Args:
        toys: of `superposition.study.dictionary_table`; column: of `known_truth.tables`.
    """
    column = column.assign(l0=column["active"], dead=1 - column["living"] / column["elements"])
    layer = ("network", "layer", "learnt")
    found = {"toys": Experiment("toy models", toys, "mmcs", 0.9, ("source", "activity", "latents_per_unit"))}
    for name, experiment in (("column", COLUMN), ("planted", PLANTED), ("rare", RARE)):
        rows = column[column["experiment"] == experiment]
        if len(rows):
            found[name] = Experiment(experiment, rows, "recovery", 0.5, layer)
    return found


def compared(found: Mapping[str, Experiment], measures: Sequence[str], prefix: str) -> dict[str, Any]:
    """Every measure in every experiment, and the one that does best in all of them.

    Args:
        measures: names of measures; their columns are `prefix` + name.

    Returns:
        `agreement` (experiment: measure: rank correlation with its interval over seeds), `best` and its `title` (the
        measure with the largest mean over the experiments, each counting the same, among those defined in all), its
        `mean`, in how many experiments its interval lies above zero (`above`, `of`) and its `cut_off` in each.

    Raises:
        StageError: no measure is defined in every experiment.
    """
    signs = {prefix + name: -1 for name in measures} | dict.fromkeys(BESIDE, -1)
    agreements = {
        name: ranked(
            agreement(each.table, each.truth, {c: s for c, s in signs.items() if c in each.table}, each.within)
        )
        for name, each in found.items()
    }
    everywhere = [prefix + name for name in measures if all(prefix + name in a for a in agreements.values())]
    if not everywhere:
        counts = ", ".join(f"{len(each.table)} of {each.title}" for each in found.values())
        raise StageError(
            f"No measure can be held to the truth in every experiment: there are {counts} dictionaries, expected at "
            f"least {FEWEST} in each setting and seed, which differ in what they recover."
        )
    means = {name: float(np.mean([a[name]["mean"] for a in agreements.values()])) for name in everywhere}
    best = max(means, key=lambda name: means[name])
    above = sum(bool((a[best]["low"] or 0.0) > 0) for a in agreements.values())
    cuts = {name: cut_off(each.table, each.truth, best, -1, each.recovered) for name, each in found.items()}
    return {
        "agreement": {
            name: {column.removeprefix(prefix): spread for column, spread in spreads.items()}
            for name, spreads in agreements.items()
        },
        "best": best.removeprefix(prefix),
        "title": MEASURES[best.removeprefix(prefix)].title,
        "mean": quantity(means[best], ".2f"),
        "means": {name.removeprefix(prefix): quantity(value, ".2f") for name, value in means.items()},
        "above": above,
        "of": len(found),
        "cut_off": {name: cut | {"cut_off": quantity(cut["cut_off"], ".2f")} for name, cut in cuts.items()},
    }
