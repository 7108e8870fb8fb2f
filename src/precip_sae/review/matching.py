"""Units and latents of two runs, matched before they are compared: training permutes them."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

# Two units are alike whose correlations with every input differ by no more.
ALIKE = 0.05


@dataclass(frozen=True)
class Matched:
    """How alike the units of two runs are, for one kind of unit.

    Attributes:
        variant: mlp, keras3, ...
        units: pairs compared, over the seeds that both runs have.
        alike: share of the pairs that are alike (ALIKE) once matched.
        in_place: the same without matching: unit k beside unit k.
        largest: the largest difference of a correlation within a matched pair.
    """

    variant: str
    units: int
    alike: float
    in_place: float
    largest: float


def match(now: NDArray[np.float64], then: NDArray[np.float64]) -> NDArray[np.int64]:
    """The unit of `then` that each unit of `now` is, so that the differences are smallest in sum (Hungarian).

    Args:
        now, then: correlations with the inputs [units, inputs]; NaN (dead) counts as none, 0.
    """
    a, b = np.nan_to_num(now), np.nan_to_num(then)
    return linear_sum_assignment(np.abs(a[:, None, :] - b[None, :, :]).max(axis=2))[1]


def compare_units(now: pd.DataFrame, then: pd.DataFrame) -> list[Matched]:
    """The units of two runs of a task, seed by seed.

    Args:
        now, then: see `interpretation.units.unit_table`.

    Returns:
        One entry per kind of unit that both have, with as many units and the same inputs.
    """
    inputs = [column for column in now.columns if column.startswith("r_")]
    if inputs != [column for column in then.columns if column.startswith("r_")]:
        return []
    tables = [dict(iter(table.groupby(["variant", "seed"], sort=True))) for table in (now, then)]
    found: dict[str, list[NDArray[np.float64]]] = {}
    for (variant, seed), rows in tables[0].items():
        other = tables[1].get((variant, seed))
        if other is not None and len(other) == len(rows):
            a, b = (np.nan_to_num(frame[inputs].to_numpy()) for frame in (rows, other))
            apart = np.stack([np.abs(a - b[match(a, b)]).max(axis=1), np.abs(a - b).max(axis=1)])
            found.setdefault(str(variant), []).append(apart)
    return [_summary(variant, np.concatenate(apart, axis=1)) for variant, apart in found.items()]


def _summary(variant: str, apart: NDArray[np.float64]) -> Matched:
    alike = (apart <= ALIKE).mean(axis=1)
    return Matched(variant, apart.shape[1], float(alike[0]), float(alike[1]), float(apart[0].max()))
