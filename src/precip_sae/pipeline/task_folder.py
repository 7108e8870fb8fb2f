"""One task in a folder of its own: train, fit and interpret without DVC, for a first look at one's own table."""

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import precip_sae
from precip_sae.errors import OutputError, SettingsError
from precip_sae.files import output_error, read_json, write_json
from precip_sae.paths import Paths
from precip_sae.pipeline.inputs import dependencies, fingerprints
from precip_sae.pipeline.runner import run_stage
from precip_sae.pipeline.smoke import EVERY_TASK, OVERLAY, merged
from precip_sae.pipeline.stages import STAGES, Stage
from precip_sae.settings import Settings, SubsetSettings, TaskSettings, load_settings, parse, read_yaml

RECORD = ".done.json"


def run_task(
    file: Path, out: Path, project: Paths, smoke: bool = False, say: Callable[[str], None] = lambda _: None
) -> None:
    """Runs the stages of the task described in `file`, each only if something that it uses changed.

    Args:
        file: YAML with the keys of one section below `tasks`, and, to try every input subset, of one below
            `search.tasks` as `search` (without `table`); the file's name is the task's, and `data.table` is
            relative to it.
        out: the folder to fill; an earlier run of the same task is continued.
        project: whose notebooks (and smoke overlay) are used.
        smoke: lay params.smoke.yaml's `every_task` over the task.
        say: is told what is run and what is skipped.

    Raises:
        PaperError: the file, the table or the folder cannot be used, or a stage failed.
    """
    name = file.stem
    content = read_yaml(file)
    subsets = content.pop("search", None)
    if smoke:
        content = merged(content, read_yaml(project.root / OVERLAY).get(EVERY_TASK, {}))
    task: TaskSettings = parse(TaskSettings, content, file.name)
    if subsets is not None:
        if not isinstance(subsets, dict):
            raise SettingsError(f"{file.name}: search is {subsets!r}, expected keys and values.")
        given = subsets | ({"seeds": task.seeds} if smoke else {}) | {"table": task.data.table}
        subsets = parse(SubsetSettings, given, file.name, "search.")
    paths = _prepare(name, task, subsets, file, out, project)
    settings = load_settings(paths.params)
    record_file = paths.root / RECORD
    record: dict[str, str | None] = read_json(record_file) if record_file.is_file() else {}
    for stage in (s for s in STAGES.values() if s.per_task and name in s.tasks(settings)):
        state = _state(stage, name, paths)
        if state is not None and record.get(stage.name) == state:
            say(f"{stage.name}: nothing changed, skipped.")
            continue
        record.pop(stage.name, None)
        say(f"{stage.name}: running.")
        run_stage(stage, name, paths)
        record[stage.name] = _state(stage, name, paths)
        write_json(record_file, record)


def _prepare(
    name: str, task: TaskSettings, subsets: SubsetSettings | None, file: Path, out: Path, project: Paths
) -> Paths:
    """The folder with params.yaml, the table and the notebooks in place."""
    table = (file.parent / task.data.table).resolve()
    if not table.is_file():
        raise SettingsError(f"{file.name}: data.table names {table}, which does not exist.")
    root = out.resolve()
    if root.is_dir() and any(root.iterdir()) and not _holds(root, name):
        raise OutputError(f"{out}: holds something else than task {name}, expected a new or empty folder.")
    inside = f"data/{table.name}"
    section = task.model_dump()
    section["data"]["table"] = inside
    content: dict[str, Any] = {"tasks": {name: section}}
    if subsets is not None:
        content["search"] = {"tasks": {name: subsets.model_dump() | {"table": inside}}}
    settings: Settings = parse(Settings, content, file.name)
    paths = Paths(root)
    try:
        for folder in (paths.data, paths.notebooks):
            folder.mkdir(parents=True, exist_ok=True)
        _link(table, root / inside)
        for stage in STAGES.values():
            if stage.per_task and name in stage.tasks(settings):
                shutil.copyfile(project.notebooks / stage.notebook, paths.notebooks / stage.notebook)
    except FileNotFoundError as error:
        raise OutputError(f"{error.filename}: no such file.") from error
    except OSError as error:
        raise output_error(Path(error.filename or root), error) from error
    # JSON is YAML, and leaves no doubt about quoting
    write_json(paths.params, content)
    return paths


def _holds(root: Path, name: str) -> bool:
    params = root / "params.yaml"
    try:
        return params.is_file() and list(load_settings(params).tasks) == [name]
    except SettingsError:
        return False


def _link(table: Path, link: Path) -> None:
    link.unlink(missing_ok=True)
    try:
        link.symlink_to(table)
    except (OSError, NotImplementedError):
        shutil.copyfile(table, link)


def _state(stage: Stage, task: str, paths: Paths) -> str | None:
    """A digest of all that the stage used and made; None if something of it is missing."""
    settings = load_settings(paths.params)
    used = [*dependencies(stage, task, settings, paths), *stage.outputs(task)]
    if not all((paths.root / path).exists() for path in used):
        return None
    package = Path(precip_sae.__file__).parent
    state: dict[str, Any] = {
        "values": stage.values(settings, task),
        "files": fingerprints(paths.root, used),
        "package": fingerprints(package, ["."]),
    }
    return hashlib.sha256(json.dumps(state, sort_keys=True).encode()).hexdigest()
