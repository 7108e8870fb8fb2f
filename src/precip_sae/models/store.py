"""Models on disk: a folder with the weights (safetensors), what they are (config.json) and their history."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeVar

import pandas as pd
from safetensors import SafetensorError
from safetensors.torch import load_file, save

from precip_sae.errors import StageError
from precip_sae.files import read_json, replacing, write_json, write_parquet
from precip_sae.models.mlp import MLP
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

    A network that was not trained here (`taken`) is stored once, and read as one for every seed.

    Args:
        folder: as `save_models` writes it.
        kind: `MLP` or `SAE`.

    Raises:
        StageError: a file is missing or damaged, or the weights are not those of such models, one per seed.
    """
    config = load_config(folder)
    path = folder / "weights.safetensors"
    if not path.is_file():
        raise _missing(folder, path.name)
    try:
        weights = load_file(path)
    except (OSError, SafetensorError) as error:
        raise StageError(f"{path}: cannot be read as safetensors ({error}).") from error
    if set(weights) != set(kind.AXES):
        raise StageError(f"{path}: holds {_listed(weights)}, expected {_listed(kind.AXES)} ({kind.__name__}).")
    once = kind is MLP and "taken" in config
    sizes = {"models": 1 if once else len(config["seeds"])}
    for name, axes in kind.AXES.items():
        shape = tuple(weights[name].shape)
        if len(shape) != len(axes) or any(sizes.setdefault(a, n) != n for a, n in zip(axes, shape, strict=True)):
            expected = ", ".join(f"{sizes[axis]} {axis}" if axis in sizes else axis for axis in axes)
            raise StageError(f"{path}: {name} has the shape {shape}, expected ({expected}).")
    stack = kind({name: weights[name] for name in kind.AXES})
    return (stack[[0] * len(config["seeds"])] if once else stack), config


def load_config(folder: Path) -> dict[str, Any]:
    """Reads what the models of a folder are.

    Raises:
        StageError: config.json is missing, damaged, without seeds, or its settings are no keys and values.
    """
    path = folder / "config.json"
    if not path.is_file():
        raise _missing(folder, path.name)
    try:
        config = read_json(path)
    except (OSError, ValueError) as error:
        raise StageError(f"{path}: cannot be read as JSON ({error}).") from error
    if not isinstance(config, dict) or not isinstance(config.get("seeds"), list):
        raise StageError(f"{path}: has no list of seeds, expected what `save_models` writes.")
    if not isinstance(config.get("settings", {}), dict):
        raise StageError(f"{path}: settings is {config['settings']!r:.40}, expected keys and values.")
    return config


def contents(folder: Path) -> str:
    """What a folder holds (the first ten names), for a sentence about what it lacks."""
    if not folder.is_dir():
        return "no such folder"
    names = sorted(path.name for path in folder.iterdir())
    more = f" and {len(names) - 10} more" if len(names) > 10 else ""
    return f"it holds {_listed(names[:10]) or 'nothing'}{more}"


def _missing(folder: Path, name: str) -> StageError:
    return StageError(
        f"{folder}: holds no trained models ({contents(folder)}), expected {name}; run the stage that makes them first."
    )


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))


def load_history(folder: Path) -> pd.DataFrame:
    """The training history: one row per seed and epoch."""
    return pd.read_parquet(folder / "history.parquet")


def median_by_epoch(history: pd.DataFrame) -> pd.DataFrame:
    """Median over seeds of every column of a history, one row per epoch, six significant digits."""
    medians = history.drop(columns="seed").groupby("epoch").median()
    return medians.map(lambda value: float(f"{value:.6g}")).reset_index()
