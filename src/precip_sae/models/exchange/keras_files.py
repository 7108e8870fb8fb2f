"""Networks in the `.keras` files of Keras 3, read without Keras: a zip of the configuration and the weights as HDF5."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from precip_sae.errors import NetworkError
from precip_sae.models.exchange.description import read_description
from precip_sae.models.exchange.network import Layer, Network, activation_named

PASSED = {"InputLayer", "Dropout", "GaussianNoise", "Flatten", "ActivityRegularization"}
# bytes of what is in the zip, which may itself have a few: a configuration is some pages, weights are many
LARGEST = {"config.json": 1 << 24, "model.weights.h5": 1 << 30}


def read_keras(path: Path) -> Network:
    """Reads a Sequential (or functional) model of Dense layers in one chain; a file beside it names inputs and outputs.

    Raises:
        NetworkError: the file is damaged, or holds another kind of layer.
    """
    layers, last = read_layers(path)
    return read_description(path).network(str(path), layers, last)


def read_layers(path: Path) -> tuple[list[Layer], str]:
    """The layers of a file, and the function behind the last.

    Raises:
        NetworkError: see `read_keras`.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            for name, largest in LARGEST.items():
                if archive.getinfo(name).file_size > largest:
                    raise NetworkError(f"{path}: {name} in it holds more than {largest} bytes, expected fewer.")
            config = json.loads(archive.read("config.json"))
            stored = archive.read("model.weights.h5")
    except OSError as error:
        raise NetworkError(f"{path}: cannot be read ({error.strerror or error}).") from error
    except (zipfile.BadZipFile, KeyError, ValueError, RecursionError, NotImplementedError, EOFError) as error:
        raise NetworkError(f"{path}: is no file of Keras 3 ({error!s:.80}).") from error
    return _layers(config, stored, str(path))


def _layers(config: Any, stored: bytes, source: str) -> tuple[list[Layer], str]:
    try:
        entries = [(entry["class_name"], entry["config"]) for entry in config["config"]["layers"]]
        kind = config["class_name"]
    except (KeyError, TypeError) as error:
        raise NetworkError(f"{source}: its config.json names no layers, expected those of Keras 3.") from error
    if kind not in ("Sequential", "Functional"):
        raise NetworkError(f"{source}: holds a {kind!r:.40}, expected a Sequential model.")
    for what in ("input_layers", "output_layers"):
        if kind == "Functional" and len(ends := config["config"].get(what, [0])) > 1 and isinstance(ends[0], list):
            raise NetworkError(
                f"{source}: has {len(ends)} {what.replace('_', ' ')}, expected one chain of Dense layers."
            )
    arrays = _arrays(stored, source)
    found: list[tuple[Any, Any, str]] = []
    number = 0
    for name, settings in entries:
        if name == "Dense":
            # by the layer's number, or, in files of later versions, by its own name
            places = [f"layers/dense{f'_{number}' if number else ''}/vars", f"layers/{settings.get('name')}/vars"]
            place = next((one for one in places if f"{one}/0" in arrays), places[0])
            number += 1
            weight = arrays.get(f"{place}/0")
            if weight is None:
                raise NetworkError(f"{source}: holds no weights of its Dense layer {number} ({place}).")
            activation = settings.get("activation", "linear")
            found.append((weight, arrays.get(f"{place}/1", np.zeros(weight.shape[-1:])), activation))
        elif name == "Activation" and found and found[-1][2] == "linear":
            found[-1] = (*found[-1][:2], settings.get("activation"))
        elif name == "ReLU" and found and found[-1][2] == "linear":
            found[-1] = (*found[-1][:2], "relu")
        elif name not in PASSED:
            raise NetworkError(f"{source}: holds a layer {name!r:.40}, expected Dense layers in one chain.")
    return _closed(found, source)


def _closed(found: list[tuple[Any, Any, Any]], source: str) -> tuple[list[Layer], str]:
    """Layers of weights, biases and the names of activations, and the function behind the last.

    Raises:
        NetworkError: an unknown activation, or no layer.
    """
    if not found:
        raise NetworkError(f"{source}: holds no layer, expected Dense layers.")
    last = "softmax" if found[-1][2] == "softmax" else activation_named(found[-1][2], source)
    hidden = [activation_named(name, source) for _, _, name in found[:-1]]
    layers = [
        Layer(np.asarray(weight, dtype=float), np.asarray(bias, dtype=float), activation)
        for (weight, bias, _), activation in zip(found, [*hidden, "identity"], strict=True)
    ]
    return layers, last


def _arrays(stored: bytes, source: str) -> Mapping[str, Any]:
    """Every dataset of an HDF5 file by its path; netCDF4's library reads HDF5."""
    import netCDF4

    found: dict[str, Any] = {}

    def walk(group: Any, place: str) -> None:
        for name, variable in group.variables.items():
            # what was never written costs a file nothing
            if variable.size * np.dtype(variable.dtype).itemsize > LARGEST["model.weights.h5"]:
                raise NetworkError(f"{source}: {place}{name} has {variable.size} weights, expected fewer.")
            found[f"{place}{name}"] = np.ma.getdata(variable[...])
        for name, inner in group.groups.items():
            walk(inner, f"{place}{name}/")

    try:
        with netCDF4.Dataset("weights", memory=stored) as file:
            walk(file, "")
    except (OSError, RuntimeError, ValueError) as error:
        raise NetworkError(f"{source}: its weights cannot be read ({error!s:.80}).") from error
    return found
