"""Weights as PyTorch stores them: a state_dict in safetensors, or in a file that `torch.load(weights_only=True)` reads.

Linear layers alone, `NAME.weight` [outputs, inputs] and `NAME.bias`. A file that holds a whole pickled module is
refused: to read it would run whatever code it names.
"""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from precip_sae.errors import NetworkError
from precip_sae.models.exchange.description import Description, describe, read_description
from precip_sae.models.exchange.network import Array, Layer, Network

LARGEST = 1 << 31  # bytes that a file may unpack to
OURS = "precip_sae"  # the entry of a safetensors header that describes the network


def read_torch(path: Path) -> Network:
    """Reads a network from `path` and its description.

    Raises:
        NetworkError: the file needs unpickling, is no state_dict of linear layers, or is not described.
    """
    if path.suffix == ".safetensors":
        tensors, within = _safetensors(path)
    else:
        tensors, within = _weights_only(path), None
    description = read_description(path, within)
    return description.network(str(path), layers_of(tensors, description, str(path)))


def _safetensors(path: Path) -> tuple[dict[str, Array], dict[str, Any] | None]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
            tensors = {name: _array(file.get_tensor(name), name, path) for name in file.keys()}  # noqa: SIM118
        return tensors, json.loads(header[OURS]) if OURS in header else None
    except (OSError, SafetensorError, ValueError) as error:
        raise NetworkError(f"{path}: cannot be read as safetensors ({str(error).splitlines()[0]:.100}).") from error


def _weights_only(path: Path) -> dict[str, Array]:
    import torch

    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                if sum(entry.file_size for entry in archive.infolist()) > LARGEST:
                    raise NetworkError(f"{path}: unpacks to more than {LARGEST} bytes, expected fewer.")
        found = torch.load(path, map_location="cpu", weights_only=True)
    except NetworkError:
        raise
    except OSError as error:
        raise NetworkError(f"{path}: cannot be read ({error.strerror or error}).") from error
    except Exception as error:  # the reader of untrusted bytes fails in many ways
        raise NetworkError(
            f"{path}: holds no weights alone, expected what torch.save(model.state_dict(), ...) writes; nothing is "
            f"unpickled ({type(error).__name__})."
        ) from error
    found = found.get("state_dict", found) if isinstance(found, dict) else found
    if not isinstance(found, dict) or not all(isinstance(value, torch.Tensor) for value in found.values()):
        raise NetworkError(f"{path}: holds {type(found).__name__}, expected a state_dict: names and tensors.")
    return {str(name): _array(value, str(name), path) for name, value in found.items()}


def _array(tensor: Any, name: str, path: Path) -> Array:
    import torch

    if not tensor.dtype.is_floating_point or tensor.layout != torch.strided:
        raise NetworkError(f"{path}: {name:.60} holds {tensor.dtype}, expected floating-point numbers.")
    # a view may repeat one stored number any number of times
    if tensor.numel() > LARGEST // 8:
        raise NetworkError(f"{path}: {name:.60} has {tensor.numel()} weights, expected fewer.")
    return tensor.detach().to(torch.float64).numpy()


def layers_of(tensors: Mapping[str, Array], description: Description, source: str) -> list[Layer]:
    """The linear layers of a state_dict, in the order in which they are run.

    Raises:
        NetworkError: a name is unknown or no part of a linear layer, or a weight is no matrix.
    """
    names = {name.rpartition(".")[0] for name in tensors}
    if stray := [name for name in sorted(tensors) if name.rpartition(".")[2] not in ("weight", "bias")]:
        raise NetworkError(f"{source}: holds {stray[0]:.60}, expected weights and biases of linear layers alone.")
    order = description.layers or sorted(names, key=_by_number)
    if missing := [name for name in order if f"{name}.weight" not in tensors]:
        raise NetworkError(
            f"{source}: holds no {missing[0]:.60}.weight, only {', '.join(sorted(tensors))[:100] or 'nothing'}."
        )
    if unused := sorted(names - {*order}):
        raise NetworkError(f"{source}: holds {unused[0]:.60}, which the description's layers do not name.")
    activations = [*description.activations(len(order) - 1, source), "identity"]
    layers = []
    for name, activation in zip(order, activations, strict=True):
        weight = tensors[f"{name}.weight"]
        if weight.ndim != 2:
            raise NetworkError(
                f"{source}: {name:.60}.weight has {weight.ndim} dimensions, expected 2 of a linear layer."
            )
        bias = tensors.get(f"{name}.bias", np.zeros(len(weight)))
        layers.append(Layer(np.ascontiguousarray(weight.T), bias, activation))
    return layers


def _by_number(name: str) -> list[tuple[int, str]]:
    """So that layer 10 stands behind layer 9."""
    return [(int(piece), "") if piece.isdigit() else (-1, piece) for piece in re.split(r"(\d+)", name) if piece]


def as_safetensors(network: Network) -> bytes:
    """The network as a safetensors file: a PyTorch state_dict (`layers.0.weight` [outputs, inputs], ...), float64.

    The header's entry `precip_sae` describes it; `read_torch` gives the same network back.
    """
    from safetensors.numpy import save

    tensors = {}
    for number, layer in enumerate(network.layers):
        tensors[f"layers.{number}.weight"] = np.ascontiguousarray(layer.weight.T)
        tensors[f"layers.{number}.bias"] = np.ascontiguousarray(layer.bias)
    return save(tensors, {OURS: json.dumps(describe(network), sort_keys=True)})
