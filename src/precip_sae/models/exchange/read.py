"""Finds the reader that a network's file needs."""

from __future__ import annotations

from pathlib import Path

from precip_sae.errors import NetworkError
from precip_sae.models.exchange.network import Network

EXPECTED = (
    "a network: .json (the study's page), .onnx, .keras, .safetensors or .pt (a PyTorch state_dict), or a folder of "
    "this package's models"
)


def read_network(path: Path) -> Network:
    """Reads a trained network, whatever wrote it.

    Args:
        path: its file, or a folder of this package's models (the network of its first seed).

    Raises:
        NetworkError: there is no such file, it is of no known kind, or it is damaged.
        StageError: a folder of models is damaged.
    """
    if path.is_dir():
        from precip_sae.models.exchange.folders import read_folder

        return read_folder(path)
    if not path.is_file():
        raise NetworkError(f"{path}: no such file, expected {EXPECTED}.")
    match path.suffix.lower():
        case ".json":
            from precip_sae.models.exchange.page import read_published

            return read_published(path)
        case ".onnx":
            from precip_sae.models.exchange.onnx_graph import read_onnx

            return read_onnx(path)
        case ".keras":
            from precip_sae.models.exchange.keras_files import read_keras

            return read_keras(path)
        case ".safetensors" | ".pt" | ".pth":
            from precip_sae.models.exchange.torch_files import read_torch

            return read_torch(path)
        case ".pkl" | ".pickle" | ".joblib":
            raise NetworkError(
                f"{path}: is a pickle, which runs whatever code it holds; expected {EXPECTED} (explain takes the model "
                "itself from Python)."
            )
    raise NetworkError(f"{path}: ends in '{path.suffix}', expected {EXPECTED}.")
