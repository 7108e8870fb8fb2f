"""The page of a project: every task's networks, the published ones beside them, on records of the test parts."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from precip_sae.errors import StageError
from precip_sae.files import read_json
from precip_sae.inspector import content
from precip_sae.inspector.bundle import page
from precip_sae.inspector.companions import fit_saes, latents_for, load_companions
from precip_sae.inspector.pack import Packer
from precip_sae.inspector.records import Records, choose
from precip_sae.manuscript.report import describe_source
from precip_sae.models.exchange import Network, read_published
from precip_sae.models.mlp import MLP
from precip_sae.models.store import load_config
from precip_sae.paths import Paths
from precip_sae.settings import DataSettings, InspectorSettings, StandardSettings, TaskSettings, load_settings
from precip_sae.tables.read import read_table
from precip_sae.tasks.prepare import Part, Prepared, prepare


@dataclass(frozen=True)
class Task:
    """A task with its table, as read and as prepared.

    Attributes:
        folder: its networks, see `companions.save_companions`.
        picked: whether its inputs are those that the search's figures point at, not the task's own.
    """

    name: str
    settings: TaskSettings
    frame: pd.DataFrame
    prepared: Prepared
    folder: Path
    picked: bool = False


def read_task(paths: Paths, name: str, settings: TaskSettings) -> Task:
    """Reads and prepares a task's table.

    Raises:
        TableError: see `read_table` and `prepare`.
    """
    frame = read_table(paths.root / settings.data.table, settings.data)
    return Task(name, settings, frame, prepare(frame, settings.data), paths.companions / name)


def read_picked(paths: Paths, name: str, settings: TaskSettings) -> Task:
    """The same with the inputs of the networks that the stage `picked` trained.

    Raises:
        StageError: there are none.
    """
    folder = paths.picked / name
    data = DataSettings.model_validate(load_config(folder)["data"])
    frame = read_table(paths.root / data.table, data)
    return Task(f"picked_{name}", settings.model_copy(update={"data": data}), frame, prepare(frame, data), folder, True)


def project_page(paths: Paths) -> str:
    """The page of a project's tasks, as HTML: of the paper, or of a folder that `precip-sae task run` made.

    Raises:
        PaperError: see `read_task` and `study_page`.
    """
    settings = load_settings(paths.params)
    tasks = [read_task(paths, name, task) for name, task in settings.tasks.items()]
    tasks += [read_picked(paths, name, settings.tasks[name]) for name in settings.search.tasks if paths.picked.is_dir()]
    return study_page(paths, tasks, settings.standards, settings.inspector)


def study_page(
    paths: Paths, tasks: Sequence[Task], standards: dict[str, StandardSettings], settings: InspectorSettings
) -> str:
    """The page of all tasks, as HTML.

    Raises:
        StageError: a task's networks are missing, or no task trains any.
        NetworkError: a published network cannot be read.
    """
    # the page draws one response, or classes
    tasks = [task for task in tasks if not task.settings.data.several]
    # a task whose network was taken from a file has no training to show; a search may point at inputs shown already
    own = [task for task in tasks if not task.picked and task.settings.mlp.network is None]
    known = [task.settings.data.predictors for task in own]
    tasks = own + [task for task in tasks if task.picked and task.settings.data.predictors not in known]
    if not tasks:
        raise StageError(
            "No task here trains networks of its own on classes or on one response, so there is no training to show: "
            "make the page of networks from files with `precip-sae inspector --model FILE --out PAGE.html`."
        )
    packer = Packer()
    tables: list[dict[str, Any]] = []
    sets, sources = [], []
    for name in dict.fromkeys(task.settings.data.table for task in tasks):
        mine = [task for task in tasks if task.settings.data.table == name]
        records = _records(mine, settings.records)
        for task in mine:
            sets.append(_task_set(packer, paths, task, records, len(tables)))
            if task.name in standards:
                network = read_published(paths.root / standards[task.name].network)
                sets.append(_published_set(packer, network, task, records, len(tables)))
        tables.append(records.packed(packer))
        sources.append(describe_source(paths, mine[0].settings.data))
    source = {
        "simulated": any(source["simulated"] for source in sources),
        "sentence": " ".join(dict.fromkeys(source["sentence"] for source in sources)),
    }
    threshold = tasks[0].settings.sensitivity.threshold
    return page(content.gathered(sets, tables, source, threshold), packer.text())


def _records(tasks: Sequence[Task], most: int) -> Records:
    """Records of one table, with the columns of all its tasks."""
    columns: dict[str, pd.Series] = {}
    for task in tasks:
        columns |= {name: task.frame[name] for name in task.frame if name not in columns}
    time = tasks[0].settings.data.time
    return choose(pd.DataFrame(columns), [task.prepared.rows["test"] for task in tasks], time, most)


def _observed(task: Task, records: Records) -> tuple[NDArray[np.int32], NDArray[Any]]:
    """Which records belong to a task's test part, and what was observed in them."""
    test = task.prepared.rows["test"]
    positions = records.positions(test)
    y = task.prepared.test.y[test.get_indexer(records.frame.index[positions])]
    return positions, task.prepared.response(y) if task.settings.data.kind == "regression" else y


def _task_set(packer: Packer, paths: Paths, task: Task, records: Records, table: int) -> dict[str, Any]:
    found, config = load_companions(task.folder)
    prepared, data = task.prepared, task.settings.data
    response = (prepared.response_mean, prepared.response_scale)
    return {
        "id": task.name,
        "title": f"{task.settings.title}: best of the search" if task.picked else task.settings.title,
        "picked": task.picked,
        "own": task.settings.mlp.hidden,
        "published": False,
        "table": table,
        **content.described(data, prepared.mean, prepared.scale, task.frame, response),  # type: ignore[arg-type]
        **content.records_of(packer, *_observed(task, records)),
        "models": content.companion_models(packer, found, config["seeds"], data.kind),
        "families": _families(paths, task.name, config["seeds"]),
    }


def _families(paths: Paths, task: str, seeds: Sequence[int]) -> list[dict[str, Any]]:
    """The families of latents that the stage `cards` found to return over all seeds; none without that stage.

    Its SAEs are those of the companions of the task's own size without a penalty, bit for bit.
    """
    file = paths.task_results(task) / "cards.json"
    if not file.is_file():
        return []
    shown = {str(seed) for seed in seeds}
    return [
        {
            "name": card["name"],
            "reading": f"{card['reading']['kind']}: {card['reading']['words']}",
            "members": {seed: unit for seed, unit in card["members"].items() if seed in shown},
            "share": card["stability"]["share_of_seeds"]["value"],
            "similarity": card["stability"]["similarity"]["value"],
        }
        for card in read_json(file)["families"]
    ]


def _published_set(packer: Packer, network: Network, task: Task, records: Records, table: int) -> dict[str, Any]:
    settings = task.settings
    data = content.published_data(network, settings.data)
    latents = latents_for(network.layers[0].units, settings.mlp, settings.sae)
    return {
        "id": f"published_{task.name}",
        "title": f"{settings.title}: the published network",
        "own": network.layers[0].units,
        "published": True,
        "table": table,
        **content.described(data, *content.scaler(network), task.frame, content.response_scaler(network)),
        **content.records_of(packer, *_observed(task, records)),
        "models": [content.published_model(packer, network, _saes_of(network, task, latents), latents)],
    }


def _saes_of(network: Network, task: Task, latents: int) -> dict[str, NDArray[np.float32]]:
    """SAEs on the activations of a published network on the task's SAE part, as if its seed were 0."""
    rows = task.frame.loc[task.prepared.rows["sae"]]
    x = np.ascontiguousarray(network.standardise(rows).astype(np.float32))
    part = Part(x, np.zeros(len(x), np.float32))
    hidden, output = network.layers
    stack = MLP(
        {
            name: torch.from_numpy(values[None].astype(np.float32))
            for name, values in (
                ("hidden.weight", hidden.weight),
                ("hidden.bias", hidden.bias),
                ("output.weight", output.weight),
                ("output.bias", output.bias),
            )
        }
    )
    trained, untrained = fit_saes(stack, part, task.settings.sae, latents, [0])
    return {"trained": trained[0], "untrained": untrained[0]}
