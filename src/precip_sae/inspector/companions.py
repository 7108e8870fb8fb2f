"""Networks of several sizes, with and without a penalty on their hidden layer, after every epoch; and their SAEs.

They stand beside a task's own networks, which are among them bit for bit: the same seeds, rows and settings.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from precip_sae.errors import StageError
from precip_sae.files import replacing, write_json, write_parquet
from precip_sae.models import engine, fitting
from precip_sae.models.engine.blocks import pack, packed, unpack
from precip_sae.models.engine.networks import NetworkShape, train_networks
from precip_sae.models.initial import mlp_weights, sae_weights
from precip_sae.models.mlp import MLP
from precip_sae.models.reference import Progress, mlp_history
from precip_sae.models.store import load_config, load_history
from precip_sae.settings import CompanionSettings, DataSettings, MLPSettings, SAESettings, SubsetSettings
from precip_sae.tasks.prepare import Part, Prepared

Array = NDArray[np.float32]


@dataclass(frozen=True)
class Companions:
    """Networks of one size and penalty, one per seed, and the SAEs on their last epoch.

    Attributes:
        hidden, latents: units of the networks and of the SAEs.
        hidden_l1: see `reference.train_mlps`.
        networks: weights before training and after each epoch, each network's in the order of `mlp_weights`
            [seeds, epochs + 1, parameters].
        trained, untrained: SAEs, in the order of `sae_weights` [seeds, parameters].
        history: as of `reference.train_mlps`.
    """

    hidden: int
    latents: int
    hidden_l1: float
    networks: Array
    trained: Array
    untrained: Array
    history: pd.DataFrame


def latents_for(hidden: int, mlp: MLPSettings, sae: SAESettings) -> int:
    """Latents of an SAE on so many hidden units: as many per unit as the task's own has."""
    return max(1, round(sae.latents * hidden / mlp.hidden))


def train_companions(
    prepared: Prepared,
    mlp: MLPSettings,
    sae: SAESettings,
    settings: CompanionSettings,
    progress: Progress | None = None,
) -> list[Companions]:
    """Trains the networks of every size, without and with the penalty, and an SAE on each.

    Args:
        mlp, sae: the task's settings; sizes apart, they hold for all. Its own size is always among them.
        progress: called as progress(kinds done, kinds).
    """
    sizes = sorted({*settings.hidden, mlp.hidden})
    kinds = [(size, l1) for size in sizes for l1 in dict.fromkeys((0.0, settings.l1))]
    found = []
    for number, (size, l1) in enumerate(kinds):
        found.append(_train(prepared, mlp.model_copy(update={"hidden": size}), sae, latents_for(size, mlp, sae),
                            l1, settings.seeds))  # fmt: skip
        if progress:
            progress(number + 1, len(kinds))
    return found


def best_inputs(data: DataSettings, subsets: SubsetSettings, search: Mapping[str, Any]) -> DataSettings:
    """A task's settings with the inputs that the search's figures point at: the largest mean reduction over seeds.

    Args:
        search: what the stage `subsets` found (results/TASK/search.json); where no subset has a reduction, the task's
            own inputs stay.
    """
    best = search["counted"]["published"].get("best") or {}
    inputs = best.get("inputs") or data.predictors
    transforms = {**data.transforms, **subsets.transforms}
    return data.model_copy(
        update={
            "predictors": list(inputs),
            "transforms": {name: transforms[name] for name in inputs if name in transforms},
        }
    )


def _train(
    prepared: Prepared, mlp: MLPSettings, sae: SAESettings, latents: int, hidden_l1: float, seeds: Sequence[int]
) -> Companions:
    data, inputs = prepared.data, prepared.train.x.shape[1]
    shape = NetworkShape(inputs, mlp.hidden, data.outputs, data.kind)
    columns = np.tile(np.arange(inputs), (len(seeds), 1))
    done = train_networks(
        prepared.train, prepared.validation, shape, mlp, columns, np.asarray(seeds), True, hidden_l1=hidden_l1
    )
    stack = unpack(done.weights, mlp_weights(0, inputs, mlp.hidden, data.outputs), MLP)
    trained, untrained = fit_saes(stack, prepared.sae, sae, latents, seeds)
    history = mlp_history(data.kind, seeds, done.loss, done.score, done.val_loss, done.val_score)
    networks = np.ascontiguousarray(done.course.transpose(1, 0, 2))
    return Companions(mlp.hidden, latents, hidden_l1, networks, trained, untrained, history)


def fit_saes(stack: MLP, part: Part, settings: SAESettings, latents: int, seeds: Sequence[int]) -> tuple[Array, Array]:
    """SAEs on the hidden activations of networks, in the headline convention: trained and as they start.

    Args:
        part: the rows on which they are trained.

    Returns:
        Both packed [seeds, parameters].
    """
    hidden = engine.hidden_activations(stack, part.x)
    settings = settings.model_copy(update={"latents": latents})
    fitted, _ = fitting.fit_saes(hidden, settings, settings.l1_conventions[0], seeds)
    return packed(fitted), pack([sae_weights(seed, hidden.shape[2], latents) for seed in seeds])


def save_companions(folder: Path, found: Sequence[Companions], config: dict[str, Any]) -> None:
    """Writes weights.safetensors, config.json and history.parquet of one task.

    Args:
        config: see `Prepared.config`.
    """
    tensors: dict[str, Array] = {}
    kinds, histories = [], []
    for k, one in enumerate(found):
        tensors |= {f"{k}.{name}": getattr(one, name) for name in _TENSORS}
        kinds.append({"hidden": one.hidden, "latents": one.latents, "hidden_l1": one.hidden_l1})
        histories.append(one.history.assign(kind=k))
    with replacing(folder / "weights.safetensors") as beside:
        beside.write_bytes(save(tensors))
    whole = pd.concat(histories, ignore_index=True) if histories else pd.DataFrame({"kind": []})
    write_parquet(folder / "history.parquet", whole)
    write_json(folder / "config.json", config | {"kinds": kinds})


_TENSORS = ("networks", "trained", "untrained")


def load_companions(folder: Path) -> tuple[list[Companions], dict[str, Any]]:
    """Reads what `save_companions` wrote, and its config.

    Raises:
        StageError: a file is missing or damaged.
    """
    config = load_config(folder)
    path = folder / "weights.safetensors"
    try:
        tensors, history = load_file(path), load_history(folder)
    except (OSError, SafetensorError, ValueError) as error:
        raise StageError(f"{path}: cannot be read ({error}); run the stage companions first.") from error
    found = []
    for k, kind in enumerate(config.get("kinds", [])):
        if missing := [name for name in _TENSORS if f"{k}.{name}" not in tensors]:
            raise StageError(f"{path}: has no tensor {k}.{missing[0]}; run the stage companions again.")
        mine = history[history["kind"] == k].drop(columns="kind").reset_index(drop=True)
        found.append(Companions(**kind, **{name: tensors[f"{k}.{name}"] for name in _TENSORS}, history=mine))  # type: ignore[arg-type]
    return found, config
