"""Tasks that name a network instead of training one: what its file says of the task is filled in before it is checked.

Of params.yaml DVC sees what is written there; the file itself is a dependency of the stage `train`, which writes what
it took to models/TASK/mlp, and every later stage rests on that.
"""

from pathlib import Path
from typing import Any

import numpy as np

from precip_sae.errors import SettingsError
from precip_sae.models.exchange import Network, read_network

FOLDER = "published"
"""Where the networks of params.yaml lie: dvc.yaml names this folder as what the stage `train` rests on."""


def with_networks(content: dict[str, Any], root: Path, source: str) -> dict[str, Any]:
    """The content of params.yaml with all that the networks which its tasks name say of them.

    Args:
        content: as read; whatever is not as it should be is left to the check of the settings.
        root: what the names of files are relative to; source: the file, for sentences.

    Raises:
        NetworkError: a network cannot be read.
        SettingsError: a task contradicts its network, or the network lies where DVC does not see it.
    """
    tasks = content.get("tasks")
    if not isinstance(tasks, dict):
        return content
    filled = {}
    for name, task in tasks.items():
        file = _named(task)
        if file is not None and Path(file).parts[:1] != (FOLDER,):
            raise SettingsError(f"{source}: tasks.{name}.mlp.network is {file}, expected a file in {FOLDER}/.")
        filled[name] = with_network(task, root, f"{source}: tasks.{name}.")
    return content | {"tasks": filled}


def with_network(task: Any, root: Path, place: str) -> Any:
    """One task with what its network says of it; as it is if it names none.

    Args:
        task: as read; root: what the file's name is relative to; place: of the task, for sentences.

    Raises:
        NetworkError, SettingsError: see `with_networks`.
    """
    file = _named(task)
    if file is None:
        return task
    network, mlp, data = read_network(root / file), task["mlp"], task.get("data")
    if not isinstance(data, dict):
        return task
    layer = mlp.get("layer") or len(network.hidden_layers)
    if not isinstance(layer, int) or not 1 <= layer <= len(network.hidden_layers):
        raise SettingsError(
            f"{place}mlp.layer is {layer}, expected 1 to {len(network.hidden_layers)}, its hidden layers."
        )
    told = told_by(network)
    for key, value in told.items():
        if key in data and data[key] not in (value, None):
            raise SettingsError(f"{place}data.{key} is {data[key]!r:.80}, and {file} says {value!r:.80}: leave it out.")
    given = mlp.get("hidden")
    if given not in (None, units := network.hidden_layers[layer - 1].units):
        raise SettingsError(f"{place}mlp.hidden is {given}, and {file} has {units} units: leave it out.")
    return task | {"data": data | told, "mlp": mlp | {"hidden": units, "layer": layer}}


def told_by(network: Network) -> dict[str, Any]:
    """What a network's file says of the section `data` of a task."""
    told: dict[str, Any] = {
        "predictors": list(network.predictors),
        "transforms": {given.name: given.transform for given in network.inputs if given.transform},
        "kind": network.kind,
        "scaling": {given.name: [given.mean, given.scale] for given in network.inputs},
    }
    if network.kind == "classification":
        return told | {"classes": list(network.responses)}
    several = len(network.responses) > 1
    told["response"] = list(network.responses) if several else network.responses[0]
    if several or (network.response_mean, network.response_scale) != (0.0, 1.0):
        told["standardise_response"] = True
        scaling = (
            np.broadcast_to(v, len(network.responses)).tolist() for v in (network.response_mean, network.response_scale)
        )
        told["scaling"] |= {name: [m, s] for name, m, s in zip(network.responses, *scaling, strict=True)}
    return told


def _named(task: Any) -> str | None:
    mlp = task.get("mlp") if isinstance(task, dict) else None
    file = mlp.get("network") if isinstance(mlp, dict) else None
    return file if isinstance(file, str) else None
