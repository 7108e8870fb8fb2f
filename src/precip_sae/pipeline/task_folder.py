"""One task in a folder of its own: train, fit, interpret and report without DVC, on anybody's table."""

import hashlib
import json
import shutil
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from precip_sae.errors import OutputError, SettingsError, TableError, closest
from precip_sae.files import (
    WRITING,
    copy_error,
    emptied_on_failure,
    output_error,
    read_json,
    remove,
    write_json,
    write_text,
)
from precip_sae.models.exchange.description import BESIDE
from precip_sae.paths import Paths, locate
from precip_sae.pipeline.alone import alone
from precip_sae.pipeline.networks import FOLDER, with_network
from precip_sae.pipeline.runner import dependencies, run_stage, state
from precip_sae.pipeline.smoke import EVERY_TASK, OVERLAY, merged
from precip_sae.pipeline.stages import Stage, stages
from precip_sae.search.plan import plan, with_pool
from precip_sae.settings import DataSettings, Settings, SubsetSettings, TaskSettings, load_settings, parse, read_yaml
from precip_sae.tables.formats import is_list, open_table, table_files
from precip_sae.tables.read import read_table
from precip_sae.tasks.folds import every_fold, fold_name
from precip_sae.tasks.prepare import prepare

RECORD = ".done.json"
FOLDS = "folds"
OWN = "own"


def run_task(
    file: Path,
    out: Path,
    project: Paths,
    smoke: bool = False,
    say: Callable[[str], None] = lambda _: None,
    table: Path | None = None,
) -> None:
    """Runs the stages of the task described in `file`, each only if something that it uses changed.

    Where `data.folds` asks for a cross-validation, every fold is run so in a folder of its own, out/folds/1 and so on,
    and `out` gets the page that pools them.

    Args:
        file: YAML with the keys of one section below `tasks`, and, to try every input subset, of one below
            `search.tasks` as `search` (without `table`); the file's name is the task's, and `data.table` is
            relative to it.
        out: the folder to fill; an earlier run of the same task is continued.
        project: whose notebooks, template of the report and smoke overlay are used.
        smoke: lay params.smoke.yaml's `every_task` over the task.
        say: is told what is run and what is skipped.
        table: stands for `data.table`, and may be a folder or a pattern as well; None: as the file says.

    Raises:
        PaperError: the file, the table or the folder cannot be used, or a stage failed.
    """
    name = file.stem
    settings = _read(file, read_yaml(project.root / OVERLAY).get(EVERY_TASK, {}) if smoke else None)
    task, subsets = settings.tasks[name], settings.search.tasks.get(name)
    # as it stands: a link that leads nowhere is said to be one
    place = (table or file.parent / task.data.table).absolute()
    try:
        for found in table_files(place):
            open_table(found, task.data.file)
    except TableError as error:
        if table:
            raise
        raise SettingsError(f"{file.name}: data.table names {error}") from error
    # a mistake in the table is told before anything is written
    data = task.data.model_copy(update={"table": str(place)})
    frame = read_table(place, with_pool(data, subsets))
    folds = every_fold(data)
    for one in folds:
        prepare(frame, one)
    if subsets is not None:
        plan(frame, data, subsets)
    if len(folds) == 1:
        root = _own_folder(out, name)
        with alone(root, str(out)):
            _prepare(name, settings, place, root, project, file.parent)
            _run_stages(name, Paths(root), say)
        return
    whole = _folder_of_folds(out, name)
    with alone(whole, str(out)):
        _remove_other_folds(whole, len(folds))
        folders = []
        for one in folds:
            of_fold = _with_data(settings, name, task.data.model_copy(update={"fold": one.fold}))
            folder = _own_folder(whole / FOLDS / str(one.fold), name)
            _prepare(name, of_fold, place, folder, project, file.parent)
            folders.append(Paths(folder))
            _run_stages(name, folders[-1], partial(_say_of_fold, say, fold_name(one)))
        say("pooling the folds.")
        _pool(name, task, Paths(whole), folders, frame, folds, project)


def _pool(
    name: str,
    task: TaskSettings,
    whole: Paths,
    folders: Sequence[Paths],
    frame: pd.DataFrame,
    folds: Sequence[DataSettings],
    project: Paths,
) -> None:
    """Writes the page of all folds into the folder of the whole task."""
    # seconds, which whoever has no folds does without
    from precip_sae.folds.page import write_pooled
    from precip_sae.folds.pool import read_fold

    write_text(whole.paper / "folds.typ", (project.paper / "folds.typ").read_text(encoding="utf-8"))
    read = [read_fold(paths, name, frame, one, task.seeds) for one, paths in zip(folds, folders, strict=True)]
    write_pooled(whole, name, task, read, frame, folders[0])


def _say_of_fold(say: Callable[[str], None], fold: str, text: str) -> None:
    say(f"{fold}, {text}")


def _with_data(settings: Settings, name: str, data: DataSettings) -> Settings:
    """The settings with another `data` section of the task."""
    task = settings.tasks[name].model_copy(update={"data": data})
    return settings.model_copy(update={"tasks": {name: task}})


def _folder_of_folds(out: Path, name: str) -> Path:
    """The folder of a cross-validation, made if there is none.

    Raises:
        OutputError: it holds something else, or cannot be made.
    """
    root = out.resolve()
    try:
        there = sorted((root / FOLDS).iterdir()) if (root / FOLDS).is_dir() else []
        other = root.is_dir() and any(place.name != FOLDS for place in root.iterdir())
        if (other and not there) or not all(_holds(folder, name) for folder in there if any(folder.iterdir())):
            raise OutputError(f"{out}: holds something else than folds of task {name}, expected a new or empty folder.")
        (root / FOLDS).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise output_error(Path(error.filename or root), error) from error
    return root


def _remove_other_folds(whole: Path, folds: int) -> None:
    """Removes the folds that are no longer asked for: for whoever holds the folder, as another may work in them."""
    for folder in (whole / FOLDS).iterdir():
        if folder.name not in map(str, range(1, folds + 1)):
            shutil.rmtree(folder)


def _run_stages(name: str, paths: Paths, say: Callable[[str], None]) -> None:
    """Runs the stages of a prepared folder of which something changed."""
    settings = load_settings(paths.params)
    record_file = paths.root / RECORD
    record: dict[str, str | None] = read_json(record_file) if record_file.is_file() else {}
    for stage in (s for s in stages().values() if s.per_task and name in s.tasks(settings)):
        now = _state(stage, name, paths)
        if now is not None and record.get(stage.name) == now:
            say(f"{stage.name}: nothing changed, skipped.")
            continue
        record.pop(stage.name, None)
        say(f"{stage.name}: running.")
        run_stage(stage, name, paths)
        record[stage.name] = _state(stage, name, paths)
        write_json(record_file, record)


def task_settings(task: str) -> tuple[TaskSettings, SubsetSettings | None]:
    """A task, and its search if it has one, of a file ending in .yaml, else of the params.yaml of the project around.

    Raises:
        SettingsError: there is none of that name, or it is wrong.
    """
    file = Path(task)
    if file.suffix.lower() in (".yaml", ".yml"):
        settings, name = _read(file), file.stem
    else:
        settings, name = load_settings(locate().params), task
    if name not in settings.tasks:
        raise SettingsError(
            f"params.yaml: tasks.{name} does not exist; {closest(name, settings.tasks)} "
            "(a task file has to end in .yaml)."
        )
    return settings.tasks[name], settings.search.tasks.get(name)


def _read(file: Path, small: dict[str, Any] | None = None) -> Settings:
    """The task of a file, by the file's name, and its search where it asks for one.

    Args:
        small: what a first look lays over the task.
    """
    name, content = file.stem, read_yaml(file)
    subsets = content.pop("search", None)
    content = with_network(merged(content, small or {}), file.parent, f"{file.name}: ")
    task: TaskSettings = parse(TaskSettings, content, file.name)
    whole: dict[str, Any] = {"tasks": {name: task.model_dump()}}
    if subsets is not None:
        if not isinstance(subsets, dict):
            raise SettingsError(f"{file.name}: search is {subsets!r}, expected keys and values.")
        given = subsets | ({"seeds": task.seeds} if small else {}) | {"table": task.data.table}
        whole["search"] = {"tasks": {name: parse(SubsetSettings, given, file.name, "search.").model_dump()}}
    try:
        return parse(Settings, whole, file.name)
    except SettingsError as error:
        # the file has no such level
        raise SettingsError(str(error).replace(f"tasks.{name}.", "")) from error


def _own_folder(out: Path, name: str) -> Path:
    """The folder, made if there is none.

    Raises:
        OutputError: it holds something else, or cannot be made.
    """
    root = out.resolve()
    try:
        root.mkdir(parents=True, exist_ok=True)
        # what a process left that was killed while it wrote the first file is nothing
        empty = all(place.name.startswith(WRITING) for place in root.iterdir())
    except OSError as error:
        raise output_error(Path(error.filename or root), error) from error
    if not empty and not _holds(root, name):
        raise OutputError(f"{out}: holds something else than task {name}, expected a new or empty folder.")
    return root


def _prepare(name: str, settings: Settings, table: Path, root: Path, project: Paths, beside: Path) -> None:
    """Puts params.yaml, the table, the network that the task names and the notebooks in place.

    params.yaml is first: it says whose folder this is, so that a run that was killed here can go on. A new folder is
    empty again if anything cannot be put there.

    Args:
        beside: what the network's name is relative to.
    """
    inside = f"data/{_name(table)}"
    content = settings.model_dump(include={"tasks", "search"})
    content["tasks"][name]["data"]["table"] = inside
    # for the Inspector the first of its own networks is enough: other sizes would be trained for nothing else
    content["companions"] = {"hidden": [], "seeds": settings.tasks[name].seeds[:1], "l1": 0.0}
    network = settings.tasks[name].mlp.network
    if network is not None:
        content["tasks"][name]["mlp"]["network"] = f"{FOLDER}/{Path(network).name}"
    for subsets in content["search"]["tasks"].values():
        subsets["table"] = inside
    paths = Paths(root)
    undone = nullcontext() if paths.params.exists() else emptied_on_failure(root)
    try:
        with undone:
            # JSON is YAML, and leaves no doubt about quoting
            write_json(paths.params, content)
            for folder in (paths.data, paths.notebooks, paths.paper, paths.published):
                folder.mkdir(parents=True, exist_ok=True)
            if network is not None:
                _copy_network(beside / network, paths.published)
            _link(table, root / inside)
            write_json(paths.data / "source.json", _source(table))
            shutil.copyfile(project.paper / "report.typ", paths.paper / "report.typ")
            for stage in stages().values():
                if stage.per_task and name in stage.tasks(settings):
                    shutil.copyfile(project.notebooks / stage.notebook, paths.notebooks / stage.notebook)
    except FileNotFoundError as error:
        raise OutputError(f"{error.filename}: no such file.") from error
    except shutil.Error as error:
        raise copy_error(root, error) from error
    except OSError as error:
        raise output_error(Path(error.filename or root), error) from error


def _source(table: Path) -> dict[str, Any]:
    """What the folder's data/source.json says: the table is the user's own, unless it is one that this package made."""
    made = table.resolve().with_name("source.json")
    if table.resolve().name == "observations.parquet" and made.is_file():
        return read_json(made)
    return {"kind": OWN}


def _holds(root: Path, name: str) -> bool:
    params = root / "params.yaml"
    try:
        return params.is_file() and list(load_settings(params).tasks) == [name]
    except SettingsError:
        return False


def _copy_network(network: Path, folder: Path) -> None:
    """A network's file and the one that describes it, or a folder of models."""
    if network.is_dir():
        shutil.copytree(network, folder / network.name, dirs_exist_ok=True)
        return
    for file in {network, *(network.with_suffix(ending) for ending in BESIDE)}:
        if file.is_file():
            shutil.copyfile(file, folder / file.name)


def _name(table: Path) -> str:
    """What the table is called in the folder; several files of a pattern are called as the folder they lie in."""
    if is_list(table):
        name = table.stem
    else:
        place = next(folder for folder in (table, *table.parents) if folder.exists())
        name = place.name if place.name != ".." else place.resolve().name
    # dots alone are a place and no name: what is made of it has to lie in the folder
    return name if name.strip(".") else "table"


def _link(table: Path, link: Path) -> None:
    # also where the link itself was named: it must not be removed first
    if table.exists() and link.exists() and table.samefile(link):
        return
    remove(link)
    if table.exists() and not is_list(table):
        _link_one(table, link)
        return
    link.mkdir()
    for number, file in enumerate(table_files(table)):
        # files of several folders may have one name, and their order is that of the table's rows
        _link_one(file, link / f"{number:05}_{file.name}")


def _link_one(table: Path, link: Path) -> None:
    try:
        link.symlink_to(table.resolve())
    except (OSError, NotImplementedError):
        (shutil.copytree if table.is_dir() else shutil.copyfile)(table, link)


def _state(stage: Stage, task: str, paths: Paths) -> str | None:
    """A digest of all that the stage used and made; None if something of it is missing."""
    settings = load_settings(paths.params)
    used = [*dependencies(stage, task, settings, paths), *stage.outputs(task)]
    if not all((paths.root / path).exists() for path in used):
        return None
    whole = {"values": stage.values(settings, task), "state": state(stage, paths, used)}
    return hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()
