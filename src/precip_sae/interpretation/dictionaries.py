"""The dictionaries of a task's models, one seed at a time, as measures look at them."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd

from precip_sae.interpretation.measures import THRESHOLDS, threshold_curve
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


def threshold_curves(dictionaries: Mapping[str, OfModel], seeds: Sequence[int]) -> pd.DataFrame:
    """Mean sensitive inputs per unit of every dictionary by threshold: variant, seed, counted, threshold, value."""
    curves = []
    for place, seed in enumerate(seeds):
        for name, of_model in dictionaries.items():
            responses = of_model(place)
            for counted in COUNTED:
                curve = np.round(threshold_curve(responses, THRESHOLDS, counted), DIGITS)
                about = {"variant": name, "seed": seed, "counted": counted}
                curves += [
                    about | {"threshold": threshold, "value": value}
                    for threshold, value in zip(THRESHOLDS, curve, strict=True)
                ]
    return pd.DataFrame(curves)
