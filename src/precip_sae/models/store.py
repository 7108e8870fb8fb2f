"""Models on disk: a folder with the weights (safetensors), what they are (config.json) and their history."""

import json
from pathlib import Path
from typing import Any, TypeVar

import pandas as pd
from safetensors.torch import load_file, save

from precip_sae.errors import StageError
from precip_sae.files import replacing, write_json, write_parquet
from precip_sae.models.stack import Stack

S = TypeVar("S", bound=Stack)


def save_models(folder: Path, stack: Stack, config: dict[str, Any], history: pd.DataFrame) -> None:
    """Writes weights.safetensors (every tensor with the leading axis models), config.json and history.parquet.

    Args:
        config: what a reader needs to use the weights; must hold `seeds`, one per model in order.
    """
    weights = {name: value.detach().contiguous() for name, value in stack.named().items()}
    with replacing(folder / "weights.safetensors") as beside:
        beside.write_bytes(save(weights))
    write_parquet(folder / "history.parquet", history)
    write_json(folder / "config.json", config | {"parameters": stack.names})


def load_models(folder: Path, kind: type[S]) -> tuple[S, dict[str, Any]]:
    """Reads a stack and its config.

    Args:
        kind: `MLP` or `SAE`.

    Raises:
        StageError: the folder or a file in it is missing: the stage that makes it has not run.
    """
    try:
        weights = load_file(folder / "weights.safetensors")
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise StageError(f"{folder}: holds no trained models; run the stage that makes them first.") from error
    return kind({name: weights[name] for name in config["parameters"]}), config


def load_history(folder: Path) -> pd.DataFrame:
    """The training history: one row per seed and epoch."""
    return pd.read_parquet(folder / "history.parquet")


def median_by_epoch(history: pd.DataFrame) -> pd.DataFrame:
    """Median over seeds of every column of a history, one row per epoch, six significant digits."""
    medians = history.drop(columns="seed").groupby("epoch").median()
    return medians.map(lambda value: float(f"{value:.6g}")).reset_index()
