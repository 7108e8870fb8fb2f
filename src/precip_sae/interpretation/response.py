"""How a unit's activation changes along one input, in that input's own unit."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from precip_sae.interpretation.units import Variant
from precip_sae.tasks.prepare import Prepared


@dataclass(frozen=True)
class BinnedResponse:
    """A unit's activation in bins of an input that hold equal numbers of rows.

    Attributes:
        centres: median of the input in each bin [bins], in the input's unit.
        low, median, high: quartiles of the activation in each bin [bins].
    """

    centres: NDArray[np.float64]
    low: NDArray[np.float64]
    median: NDArray[np.float64]
    high: NDArray[np.float64]


def binned_response(values: NDArray[np.float64], activation: NDArray[np.float32], bins: int = 20) -> BinnedResponse:
    """Quartiles of an activation along an input.

    Args:
        values: the input, [rows].
        activation: of one unit, [rows].
        bins: most bins to make; fewer where the input has few distinct values.

    Returns:
        The response, bins without a row left out.
    """
    edges = np.unique(np.quantile(values, np.linspace(0, 1, bins + 1)))
    number = np.clip(np.searchsorted(edges, values, side="right") - 1, 0, max(len(edges) - 2, 0))
    rows = [
        (np.median(values[chosen]), *np.quantile(activation[chosen], (0.25, 0.5, 0.75)))
        for chosen in (number == k for k in range(max(len(edges) - 1, 1)))
        if chosen.any()
    ]
    centres, low, median, high = np.array(rows, dtype=np.float64).T
    return BinnedResponse(centres, low, median, high)


def most_selective(r: NDArray[np.float64], column: int, how_many: int) -> list[int]:
    """The units with the largest |r| with one input, strongest first.

    Args:
        r: correlations of one model [units, inputs]; dead units (NaN) are never chosen.
        column: the input.
    """
    strength = np.nan_to_num(np.abs(r[:, column]), nan=-1.0)
    order = np.argsort(-strength, kind="stable")[:how_many]
    return [int(k) for k in order if strength[k] >= 0]


@dataclass(frozen=True)
class UnitResponse:
    """How one unit of a variant responds along one predictor.

    Attributes:
        variant: `mlp` or the name of an SAE; unit: its number, from 0; column: the predictor.
        r: correlation of the two on the test part.
        bins: the response, the predictor in the table's unit.
    """

    variant: str
    unit: int
    column: str
    r: float
    bins: BinnedResponse


def strongest_responses(
    prepared: Prepared, found: Mapping[str, Variant], chosen: Sequence[str], model: int
) -> list[UnitResponse]:
    """For every predictor, the unit of each chosen variant with the largest |r|, and its response on the test part.

    Args:
        prepared: the task's table; found: the variants, with activations on its test part.
        chosen: variants to take; one whose units are all dead gives nothing.
        model: position of the seed.
    """
    responses = []
    for k, column in enumerate(prepared.data.predictors):
        values = prepared.physical(prepared.test.x, column)
        for name in chosen:
            variant = found[name]
            for unit in most_selective(variant.r[model], k, 1):
                bins = binned_response(values, variant.activations[model, :, unit])
                responses.append(UnitResponse(name, unit, column, float(variant.r[model, unit, k]), bins))
    return responses
