"""Variants of SAE on the hidden activations of a task's networks: how well, how sparsely, and what the study's measure
says of each."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from precip_sae.interpretation.variant_grid import Activations, Judge, described, fit_grid, published_sensitivity
from precip_sae.models.mlp import MLP
from precip_sae.quantities import PERCENT
from precip_sae.settings import VariantSettings
from precip_sae.spread import over_seeds
from precip_sae.tasks.prepare import Prepared

FORMS = {"fvu": PERCENT, "l0": ".2f", "dead": PERCENT, "reduction_published": PERCENT, "reduction_every": PERCENT}


GOOD_FVU = 0.05
"""A dictionary that leaves less of the variance unexplained reconstructs well."""


def task_activations(networks: MLP, prepared: Prepared, seeds: Sequence[int], rows: int) -> Activations:
    """Hidden activations of the SAE part, to train on, and of the test part, to judge by; rows evenly out of each.

    Args:
        networks: one per seed.
        rows: at most, of each part.
    """
    train, test = (part.x[spread_out(len(part), rows)] for part in (prepared.sae, prepared.test))
    with torch.no_grad():
        hidden = [networks.hidden(torch.from_numpy(x)).numpy() for x in (train, test)]
    return Activations(hidden[0], hidden[1], test, lambda place: networks[place].hidden, seeds)


def spread_out(rows: int, most: int) -> NDArray[np.int64]:
    """Row numbers, at most so many, evenly from the first to the last."""
    return np.unique(np.linspace(0, rows - 1, min(rows, most)).round().astype(np.int64))


def variant_table(
    activations: Activations, settings: VariantSettings, threshold: float, judges: Sequence[Judge] = ()
) -> pd.DataFrame:
    """One row per dictionary: variant, width, penalty, seed, FVU, L0, dead share and the study's measure.

    Args:
        threshold: of the study's measure.
        judges: further measures, see `variant_grid.Judge`.
    """
    measures = [published_sensitivity(threshold), *judges]
    frames = [
        described(fitted, measures)
        for width in settings.widths
        for fitted in fit_grid(activations, settings.dictionaries, width, settings.training)
    ]
    return pd.concat(frames, ignore_index=True)


def summary(table: pd.DataFrame) -> dict[str, Any]:
    """Spreads over seeds of every variant and width, from the densest codes (`p0`) to the sparsest penalty.

    Returns:
        `dictionaries`, their number; `variants.NAME.wWIDTH.pPLACE` with the numbers of FORMS; `sparsest`: of the
        dictionaries of a seed that leave less than GOOD_FVU unexplained, the one with fewest active latents, as the
        same numbers, and the commonest of their variants.
    """
    found: dict[str, Any] = {"dictionaries": len(table), "variants": {}}
    for (variant, width), rows in table.groupby(["variant", "latents_per_unit"]):
        dense_first = rows.groupby("penalty")["l0"].mean().sort_values(ascending=False).index
        places = {f"p{place}": rows[rows["penalty"] == penalty] for place, penalty in enumerate(dense_first)}
        found["variants"].setdefault(variant, {})[f"w{width}"] = {p: _spreads(each) for p, each in places.items()}
    good = table[table["fvu"] < GOOD_FVU]
    if len(good):
        sparsest = good.loc[good.groupby("seed")["l0"].idxmin()]
        found["sparsest"] = _spreads(sparsest) | {"variant": sparsest["variant"].mode()[0]}
    return found


def _spreads(rows: pd.DataFrame) -> dict[str, Any]:
    return {name: over_seeds(rows[name], form) for name, form in FORMS.items()}
