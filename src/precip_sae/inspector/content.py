"""What the page shows: tables of records, and sets of networks on the same inputs with all that a reader may ask."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from precip_sae.figures.names import names, unit
from precip_sae.inspector.companions import Companions
from precip_sae.inspector.pack import Packer
from precip_sae.interpretation.sensitivity import PUBLISHED_REDUCTION
from precip_sae.models.exchange import Network
from precip_sae.models.reference import SCORE
from precip_sae.observations.schema import BY_NAME
from precip_sae.settings import DataSettings

VERSION = 1
_GREEK = {r"\lambda": "λ", r"\rho": "ρ"}
_SUBSCRIPTS = str.maketrans("0123456789strm", "₀₁₂₃₄₅₆₇₈₉ₛₜᵣₘ")


def plain(name: str) -> str:
    """A symbol in matplotlib's mathematics as plain text: `$n_0$` -> `n₀`, `RH$_{900}$` -> `RH₉₀₀`."""

    def symbol(match: re.Match[str]) -> str:
        text = match[1]
        for command, letter in _GREEK.items():
            text = text.replace(command, letter)
        return re.sub(r"_\{?(\w+)\}?", lambda below: below[1].translate(_SUBSCRIPTS), text)

    return re.sub(r"\$([^$]*)\$", symbol, name).replace(r"\$", "$")


def column(data: DataSettings, name: str) -> dict[str, Any]:
    """What a column is called: symbol, unit, and what it is in words (empty for one that only a task knows)."""
    (label,) = names(data, [name])
    meaning = BY_NAME[name].meaning if name in BY_NAME and name not in data.names else ""
    return {"name": name, "label": plain(label), "unit": unit(data, name), "meaning": meaning}


def described(
    data: DataSettings,
    mean: Sequence[float],
    scale: Sequence[float],
    frame: pd.DataFrame,
    response: tuple[float, float] = (0.0, 1.0),
) -> dict[str, Any]:
    """What the networks of a set have in common: inputs with their ranges in `frame`, outputs, how both are scaled.

    Args:
        mean, scale: of the transformed inputs [inputs]; response: likewise, of what the networks learn.
        frame: the task's table.
    """
    inputs = []
    for k, name in enumerate(data.predictors):
        transform = data.transforms.get(name)
        low, high = _range(frame[name], transform == "log10") if name in frame else (None, None)
        scaled = {"transform": transform, "mean": float(mean[k]), "scale": float(scale[k]), "low": low, "high": high}
        inputs.append(column(data, name) | scaled)
    return {
        "kind": data.kind,
        "inputs": inputs,
        "response": column(data, data.responses[0]) | {"mean": response[0], "scale": response[1]},
        "classes": data.classes,
    }


def _range(values: pd.Series, positive: bool) -> tuple[float, float]:
    numbers = values.to_numpy(np.float64)
    numbers = numbers[np.isfinite(numbers) & (numbers > 0 if positive else True)]
    return float(numbers.min()), float(numbers.max())


def records_of(packer: Packer, positions: NDArray[np.int32], y: NDArray[Any]) -> dict[str, Any]:
    """Which records of its table a set is tried on, and what was observed: class numbers, or responses.

    Args:
        positions, y: [records].
    """
    return {"rows": packer.add(positions), "y": packer.add(np.asarray(y, np.float32))}


def companion_models(
    packer: Packer, found: Sequence[Companions], seeds: Sequence[int], kind: str
) -> list[dict[str, Any]]:
    """The networks of a task as the page reads them."""
    models, score = [], SCORE[kind]
    for one in found:
        for k, seed in enumerate(seeds):
            history = one.history[one.history["seed"] == seed].sort_values("epoch")
            curves = {"loss": "loss", "val_loss": "val_loss", "score": score, "val_score": f"val_{score}"}
            models.append(
                {
                    "hidden": one.hidden,
                    "l1": one.hidden_l1,
                    "seed": seed,
                    "first_epoch": 0,
                    "weights": packer.add(one.networks[k]),
                    "curves": {name: packer.add(history[c].to_numpy(np.float32)) for name, c in curves.items()},
                    "latents": one.latents,
                    "saes": {"trained": packer.add(one.trained[k]), "untrained": packer.add(one.untrained[k])},
                }
            )
    return models


def published_model(
    packer: Packer, network: Network, saes: Mapping[str, NDArray[np.float32]], latents: int
) -> dict[str, Any]:
    """A published network as the page reads it.

    Args:
        saes: `trained` and `untrained`, fitted here on its activations, packed [parameters]; empty: none.
    """
    epochs = network.history.layers or (network.layers,)
    weights = np.stack(
        [np.concatenate([part.ravel() for layer in layers for part in (layer.weight, layer.bias)]) for layers in epochs]
    )
    curves = {name: getattr(network.history, name) for name in ("loss", "val_loss", "score", "val_score")}
    return {
        "hidden": network.layers[0].units,
        "l1": 0.0,
        "seed": None,
        "first_epoch": 1,
        "weights": packer.add(weights.astype(np.float32)),
        "curves": {name: packer.add(values.astype(np.float32)) for name, values in curves.items()},
        "latents": latents if saes else 0,
        "saes": {name: packer.add(values) for name, values in saes.items()},
    }


def scaler(network: Network) -> tuple[list[float], list[float]]:
    """Means and scales of a network's inputs, after their transforms."""
    return [given.mean for given in network.inputs], [given.scale for given in network.inputs]


def response_scaler(network: Network) -> tuple[float, float]:
    """Mean and scale of the one response that a network's outputs are put back with; 0 and 1 of classes."""
    if network.kind == "classification":
        return 0.0, 1.0
    return np.asarray(network.response_mean).item(), np.asarray(network.response_scale).item()


def published_data(network: Network, data: DataSettings) -> DataSettings:
    """A task's settings as the published network with the same inputs would have them."""
    changed = {
        "predictors": list(network.predictors),
        "transforms": {given.name: given.transform for given in network.inputs if given.transform},
        "classes": list(network.responses) if network.kind == "classification" else [],
        "kind": network.kind,
        "standardise_response": False,
    }
    return data.model_copy(update=changed)


def gathered(
    sets: Sequence[Mapping[str, Any]], tables: Sequence[Mapping[str, Any]], source: Mapping[str, Any], threshold: float
) -> dict[str, Any]:
    """The whole content.

    Args:
        source: `simulated` and a `sentence`, see `manuscript.report.describe_source`.
        threshold: of a sensitive input.
    """
    return {
        "version": VERSION,
        "sets": list(sets),
        "tables": list(tables),
        "source": dict(source),
        "threshold": threshold,
        "published_reduction": PUBLISHED_REDUCTION,
    }
