"""Networks in this package's own folders: config.json and weights.safetensors, as the stage `train` writes them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from precip_sae.errors import NetworkError
from precip_sae.models.exchange.network import Layer, Network, named_inputs


def read_folder(folder: Path, seed: int | None = None) -> Network:
    """One network of a folder.

    Args:
        folder: for example models/classifier/mlp; seed: which network; None: the first.

    Raises:
        NetworkError: there is no network of that seed, or config.json does not say what the inputs are.
        StageError: a file is missing or damaged.
    """
    from precip_sae.models.mlp import MLP
    from precip_sae.models.store import load_models

    stack, config = load_models(folder, MLP)
    seeds = config["seeds"]
    if seed is not None and seed not in seeds:
        raise NetworkError(f"{folder}: has no network of seed {seed}, expected one of {seeds[0]} to {seeds[-1]}.")
    arrays = {k: v.astype(float) for k, v in stack.arrays(seeds.index(seed) if seed is not None else 0).items()}
    try:
        data = config["data"]
        mean, scale = (list(map(float, config[key])) for key in ("mean", "scale"))
        inputs = named_inputs(data["predictors"], data["transforms"], mean, scale)
        named = data["response"]
        responses = tuple(data["classes"] or ([named] if isinstance(named, str) else named))
        response = _scaling(config.get("response_mean", 0.0)), _scaling(config.get("response_scale", 1.0))
        kind = data["kind"]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise NetworkError(
            f"{folder / 'config.json'}: does not say the inputs and outputs of its networks ({error!r:.60})."
        ) from error
    layers = (
        Layer(arrays["hidden.weight"], arrays["hidden.bias"], "relu"),
        Layer(arrays["output.weight"], arrays["output.bias"], "identity"),
    )
    return Network(str(folder), inputs, layers, responses, kind, *response)


def _scaling(given: Any) -> float | tuple[float, ...]:
    """One number, or one for each response."""
    return tuple(map(float, given)) if isinstance(given, list) else float(given)


def as_arrays(network: Network) -> dict[str, np.ndarray]:
    """The weights of a network with one hidden ReLU layer under the names that `MLP` has.

    Raises:
        NetworkError: it is of another form.
    """
    if len(network.layers) != 2 or network.layers[0].activation != "relu":
        form = ", ".join(f"{layer.units} {layer.activation}" for layer in network.hidden_layers)
        raise NetworkError(f"{network.source}: its hidden layers are {form}, expected one of ReLU units.")
    hidden, output = network.layers
    named = {"hidden.weight": hidden.weight, "hidden.bias": hidden.bias,
             "output.weight": output.weight, "output.bias": output.bias}  # fmt: skip
    return {name: np.ascontiguousarray(value, dtype=np.float32) for name, value in named.items()}
