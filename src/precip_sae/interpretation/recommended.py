"""The measure of how few inputs units respond to that this package recommends, and what it says of a task's SAEs."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from precip_sae.interpretation.compared import BASE, compared
from precip_sae.interpretation.dictionaries import DIGITS
from precip_sae.interpretation.measures import MEASURES
from precip_sae.interpretation.responses import Inputs, Responses
from precip_sae.interpretation.units import Variant
from precip_sae.spread import over_seeds

RECOMMENDED = "effective_partial"
"""One of MEASURES: the one by which few inputs go best with true recovery, over the dictionaries of all experiments
whose truth is known. The stage `ranking` finds it (`best` in results/ranking.json); a test holds this name to it."""


def recommended(
    found: Mapping[str, Variant],
    inputs: NDArray[np.floating],
    seeds: Sequence[int],
    trained: Sequence[str],
    one_network: bool = False,
) -> dict[str, Any]:
    """What SAEs change by the recommended measure, paired by seed with the hidden units and the untrained control.

    Args:
        found: see `units.variants`; inputs: standardised inputs of the same rows [rows, inputs].
        trained: the variants that were fitted.
        one_network: that the seeds are those of the SAEs alone; the hidden units' value then has no interval.

    Returns:
        measure, and of it title, value, reduction and gain as in `compared.compared`. Undefined (None) where inputs
        determine each other.
    """
    seen, measure = Inputs(inputs), MEASURES[RECOMMENDED]
    rows = [
        {"variant": name, "seed": seed, "measure": RECOMMENDED, "value": round(measure(Responses(units, seen)), DIGITS)}
        for name, variant in found.items()
        for seed, units in zip(seeds, variant.activations, strict=True)
    ]
    table = pd.DataFrame(rows)
    result: dict[str, Any] = compared(table, trained)[RECOMMENDED]
    if one_network:
        first = table["value"][table["variant"] == BASE].iloc[:1]
        result["value"][BASE] = over_seeds(first, result["value"][BASE]["form"])
    return {"measure": RECOMMENDED} | result
