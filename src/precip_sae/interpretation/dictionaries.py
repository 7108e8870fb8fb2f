"""The dictionaries of a task's models, one seed at a time, as measures look at them."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd

from precip_sae.interpretation.measures import MEASURES, THRESHOLDS, Measure, evaluate, threshold_curve
from precip_sae.interpretation.responses import Inputs, Layer, Responses, follow
from precip_sae.interpretation.sensitivity import COUNTED
from precip_sae.models.mlp import MLP
from precip_sae.models.sae import SAE

# Gives the dictionary of the model at a place.
OfModel = Callable[[int], Responses]
DIGITS = 9  # decimals of stored measures: more than differ between processors


def hidden_units(networks: MLP, inputs: Inputs) -> OfModel:
    """The hidden units of each network."""
    return lambda model: follow(inputs, [hidden_layer(networks, model)])


def latents(networks: MLP, saes: SAE, inputs: Inputs) -> OfModel:
    """The latents of each SAE on its network."""

    def of_model(model: int) -> Responses:
        sae = saes.arrays(model)
        return follow(inputs, [hidden_layer(networks, model), Layer(sae["encoder.weight"], sae["encoder.bias"])])

    return of_model


def hidden_layer(networks: MLP, model: int) -> Layer:
    """The hidden layer of one network."""
    network = networks.arrays(model)
    return Layer(network["hidden.weight"], network["hidden.bias"])


def measured(
    dictionaries: Mapping[str, OfModel], seeds: Sequence[int], measures: Mapping[str, Measure] = MEASURES
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Every measure of every dictionary, and the numbers of sensitive inputs by threshold.

    Returns:
        variant, seed, measure, value; and variant, seed, counted, threshold, value.
    """
    values, curves = [], []
    for place, seed in enumerate(seeds):
        for name, of_model in dictionaries.items():
            responses = of_model(place)
            about = {"variant": name, "seed": seed}
            values += [about | {"measure": m, "value": v} for m, v in evaluate(responses, measures).items()]
            for counted in COUNTED:
                curve = threshold_curve(responses, THRESHOLDS, counted)
                curves += [
                    about | {"counted": counted, "threshold": t, "value": v}
                    for t, v in zip(THRESHOLDS, curve, strict=True)
                ]
    tables = pd.DataFrame(values), pd.DataFrame(curves)
    for table in tables:
        table["value"] = np.round(table["value"].astype(np.float64), DIGITS)
    return tables
