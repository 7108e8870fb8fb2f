"""Writes a network for other programs."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from precip_sae.errors import NetworkError, closest
from precip_sae.files import replacing
from precip_sae.models.exchange.folders import read_folder
from precip_sae.models.exchange.network import Network
from precip_sae.models.exchange.onnx_graph import as_onnx
from precip_sae.models.exchange.page import as_page
from precip_sae.models.exchange.read import read_network
from precip_sae.models.exchange.torch_files import as_safetensors

FORMATS: dict[str, Callable[[Network], bytes]] = {
    "inspector": lambda network: (json.dumps(as_page(network), ensure_ascii=False) + "\n").encode(),
    "onnx": as_onnx,
    "safetensors": as_safetensors,
}
ENDINGS = {"inspector": ".json", "onnx": ".onnx", "safetensors": ".safetensors"}


def export_network(model: Path, out: Path, form: str, seed: int | None = None) -> Network:
    """Reads a network and writes it in another format, from which `read_network` reads the same predictions.

    Args:
        model: see `read_network`; out: the file to write; form: one of FORMATS.
        seed: which network of a folder of this package's; None: the first.

    Raises:
        NetworkError: the network cannot be read, or the format is unknown or cannot hold it.
        OutputError: the file cannot be written.
    """
    if form not in FORMATS:
        raise NetworkError(f"--format is {form!r:.40}; {closest(form, FORMATS)}.")
    if out.suffix != ENDINGS[form]:
        raise NetworkError(f"{out}: ends in '{out.suffix}', expected {ENDINGS[form]} of the format {form}.")
    if seed is not None and not model.is_dir():
        raise NetworkError(f"{model}: is one network, expected a folder of them for --seed {seed}.")
    network = read_folder(model, seed) if model.is_dir() else read_network(model)
    content = FORMATS[form](network)
    with replacing(out) as beside:
        beside.write_bytes(content)
    return network
