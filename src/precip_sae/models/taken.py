"""A network that was not trained here in the place of the networks of all seeds: one network, many SAEs.

A network with one hidden layer of few ReLU units is an `MLP` like those that are trained here, and everything that is
asked of them can be asked of it. Any other is a `Taken`: its front, up to the hidden layer that the SAEs are fitted on,
gives activations, and its rest turns activations into outputs.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from precip_sae.errors import StageError
from precip_sae.files import replacing, write_json, write_parquet
from precip_sae.models.exchange.folders import as_arrays
from precip_sae.models.exchange.network import ACTIVATIONS, Network, affine
from precip_sae.models.exchange.page import SCORES
from precip_sae.models.mlp import MLP
from precip_sae.models.store import load_config, load_models, save_models
from precip_sae.settings import MOST_HIDDEN

WEIGHTS = "network.safetensors"


class Taken:
    """A network of any depth and width, standing for every seed; activations are those of one hidden layer.

    It computes in float64, and in one order up to 64 inputs of a layer; wider sums are the processor's own, and the
    last digits of their float32 results may differ between processors.

    Attributes:
        network: as it was read; layer: the hidden layer, from 1; seeds: how many seeds it stands for.
    """

    def __init__(self, network: Network, layer: int, seeds: int) -> None:
        self.network, self.layer, self.seeds = network, layer, seeds

    def __len__(self) -> int:
        return self.seeds

    def activations(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        """Hidden activations [models, rows, hidden] of x [rows, inputs]; those of every model are the same memory."""
        found = self.network.hidden(x, self.layer).astype(np.float32)
        return np.broadcast_to(found, (self.seeds, *found.shape))

    def hidden(self, x: torch.Tensor) -> torch.Tensor:
        """`activations` of tensors."""
        return torch.from_numpy(np.array(self.activations(x.numpy())))

    def output(self, hidden: torch.Tensor) -> torch.Tensor:
        """Logits, or responses as the last layer gives them, from hidden activations [models, rows, hidden]."""
        found = []
        for model in hidden.numpy():
            z = np.asarray(model, dtype=float)
            for layer in self.network.layers[self.layer :]:
                z = ACTIVATIONS[layer.activation](affine(z, layer.weight, layer.bias))
            found.append(z.astype(np.float32))
        return torch.from_numpy(np.stack(found))

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """[rows, inputs] -> [models, rows, outputs]."""
        z = self.network.logits(x.numpy()).astype(np.float32)
        return torch.from_numpy(np.array(np.broadcast_to(z, (self.seeds, *z.shape))))


def plain(network: Network) -> bool:
    """Whether a network has the form of those that are trained here: one hidden layer, of few ReLU units."""
    hidden = network.hidden_layers
    return len(hidden) == 1 and hidden[0].activation == "relu" and hidden[0].units <= MOST_HIDDEN


def of_network(network: Network, layer: int | None = None, seeds: int = 1) -> MLP | Taken:
    """The network in the place of those of so many seeds.

    Args:
        layer: hidden layer, from 1; None: the last.
    """
    if plain(network):
        return MLP.of([as_arrays(network)] * seeds)
    return Taken(network, layer or len(network.hidden_layers), seeds)


def curves(network: Network, seed: int) -> pd.DataFrame:
    """What the network's file says of its training, as a training's history; no rows where it says nothing."""
    score, known = SCORES[network.kind], network.history
    columns = {"loss": known.loss, "val_loss": known.val_loss, score: known.score, f"val_{score}": known.val_score}
    if not all(len(values) == len(known.loss) for values in columns.values()):
        columns = {name: np.empty(0) for name in columns}
    epochs = len(columns["loss"])
    return pd.DataFrame({"seed": np.full(epochs, seed), "epoch": np.arange(1, epochs + 1), **columns})


def save_taken(folder: Path, network: Network, layer: int | None, config: dict[str, Any]) -> None:
    """Writes a network in the place of a task's trained ones; `load_networks` reads it.

    Args:
        config: see `save_models`; its seeds are those of the SAEs.
    """
    from precip_sae.models.exchange.torch_files import as_safetensors

    history = curves(network, config["seeds"][0])
    # by its name alone: where it lay differs from machine to machine
    told = config | {"taken": Path(network.source).name, "layer": layer or len(network.hidden_layers)}
    if plain(network):
        save_models(folder, MLP.of([as_arrays(network)]), told, history)
        return
    with replacing(folder / WEIGHTS) as beside:
        beside.write_bytes(as_safetensors(network))
    write_parquet(folder / "history.parquet", history)
    write_json(folder / "config.json", told)


def load_networks(folder: Path) -> tuple[MLP | Taken, dict[str, Any]]:
    """The networks of a task, one per seed, and their config: those trained here, or the one that was taken.

    Raises:
        StageError: a file is missing or damaged.
    """
    config = load_config(folder)
    if "taken" not in config or not (folder / WEIGHTS).is_file():
        return load_models(folder, MLP)
    from precip_sae.errors import NetworkError
    from precip_sae.models.exchange.torch_files import read_torch

    try:
        return Taken(read_torch(folder / WEIGHTS), config["layer"], len(config["seeds"])), config
    except NetworkError as error:
        raise StageError(str(error)) from error
