"""Runs one notebook as one stage.

Typed settings go in, names are checked against the notebook before anything runs, dependencies are compared
before and after, the executed notebook is kept as the stage's page in the supplement, and whatever goes wrong is
one sentence. Data flows between stages through files, never through notebooks.
"""

import ast
import sys
import tempfile
from pathlib import Path
from typing import Any

import precip_sae
from precip_sae import errors
from precip_sae.errors import NotebookError, PaperError, SettingsError, StageError, closest
from precip_sae.files import read_json, write_text
from precip_sae.paths import Paths
from precip_sae.pipeline.aside import set_aside
from precip_sae.pipeline.basis import stamp_outputs
from precip_sae.pipeline.digest import code_digests
from precip_sae.pipeline.environment import notebook_environment
from precip_sae.pipeline.inputs import fingerprints, first_difference
from precip_sae.pipeline.stages import Stage
from precip_sae.settings import Settings, load_settings


def run_stage(stage: Stage, task: str | None, paths: Paths) -> None:
    """Runs `stage`, for `task` if it is a stage per task, and replaces its outputs if all went well.

    Raises:
        SettingsError: params.yaml is wrong, or has no such task.
        NotebookError: the notebook is missing, unreadable, or its `parameters` cell asks for other names.
        StageError: the notebook failed, a dependency is missing or changed while it ran, or an output was not
            written. Earlier outputs are then back in place, and the half-run notebook lies beside them.
        OutputError: an output cannot be written.
    """
    settings = load_settings(paths.params)
    stage.check_task(settings, task)
    refuse_other_sources(paths.root)
    source = paths.notebooks / stage.notebook
    check_parameters(source, stage.parameters)
    values = stage.values(settings, task)
    depends = dependencies(stage, task, settings, paths)
    before = state(stage, paths, depends)
    _refuse_stale_digest(stage, paths, depends)
    failed = paths.supplement / f"{stage.label(task)}.failed.ipynb"

    with set_aside(paths.root, stage.label(task), stage.outputs(task)), tempfile.TemporaryDirectory() as scratch:
        executed = Path(scratch) / stage.notebook
        given = {"task": task} if stage.per_task else {}
        _execute(source, executed, given, stage.phrase(task), failed, paths)
        refuse_changes(stage, task, paths, before, depends, values)
        _refuse_missing(stage, task, paths)
        stamp_outputs(stage, task, settings, paths)
        _publish(executed, stage.label(task), paths)
    failed.unlink(missing_ok=True)


def dependencies(stage: Stage, task: str | None, settings: Settings, paths: Paths) -> list[str]:
    """The files and folders that the stage rests on, relative to the root.

    In a folder without dvc.yaml (`precip-sae task run`) they are the notebook and what the stage reads.

    Raises:
        StageError: a name in dvc.yaml that params.yaml does not have.
    """
    if (paths.root / "dvc.yaml").is_file():
        return stage.dependencies(settings, task)
    return [f"notebooks/{stage.notebook}", *stage.dependencies(settings, task, stage.reads)]


def state(stage: Stage, paths: Paths, depends: list[str]) -> dict[str, str]:
    """Digests of everything that the stage rests on but its settings, by file or module.

    Raises:
        StageError: a dependency does not exist.
    """
    package = Path(precip_sae.__file__).parent
    return fingerprints(paths.root, depends) | code_digests(paths.notebooks / stage.notebook, package)


def _refuse_stale_digest(stage: Stage, paths: Paths, depends: list[str]) -> None:
    """Refuses to run code that DVC would not credit with the results.

    Raises:
        StageError: digests/STAGE.json is of other code.
    """
    file = paths.digest(stage.name)
    if paths.relative(file) not in depends:
        return
    now = code_digests(paths.notebooks / stage.notebook, Path(precip_sae.__file__).parent)
    if changed := first_difference(read_json(file), now):
        raise StageError(
            f"{paths.relative(file)} describes another {changed} than the one that would run: `dvc repro` renews it."
        )


def refuse_other_sources(root: Path) -> None:
    """Refuses to run the code of another copy of the project: dvc.lock would credit this one with its results.

    Raises:
        StageError: `root` has sources, and the running package is not them.
    """
    sources = root / "src" / "precip_sae"
    running = Path(precip_sae.__file__).resolve().parent
    if sources.is_dir() and sources.resolve() != running:
        raise StageError(
            f"The running package is {running}, but this project's is {sources}: use this project's "
            "environment (`make reproduce` makes it) or set PYTHONPATH to its src."
        )


def parameter_names(notebook: Path) -> list[str]:
    """The names that the notebook's cell tagged `parameters` assigns.

    Raises:
        NotebookError: no such file, not a notebook, no or several such cells, or a cell that is not Python.
    """
    import nbformat
    from jsonschema import ValidationError

    name = notebook.name
    try:
        content = nbformat.reads(notebook.read_text(encoding="utf-8"), as_version=4)
    except FileNotFoundError as error:
        raise NotebookError(f"{notebook}: no such notebook.") from error
    except (OSError, ValueError, AttributeError, ValidationError) as error:
        # text that is not UTF-8 or not JSON is a ValueError, a JSON list an AttributeError
        raise NotebookError(f"{name}: is not a readable notebook.") from error
    cells = [c for c in content.cells if "parameters" in c.get("metadata", {}).get("tags", [])]
    if len(cells) != 1:
        found = f"{len(cells)} cells" if cells else "no cell"
        raise NotebookError(f"{name}: has {found} tagged 'parameters', expected one.")
    try:
        statements = ast.parse(cells[0].source).body
    except SyntaxError as error:
        raise NotebookError(f"{name}: line {error.lineno} of its parameters cell is not Python.") from error
    targets: list[ast.expr] = []
    for statement in statements:
        if isinstance(statement, ast.Assign):
            targets += statement.targets
        elif isinstance(statement, ast.AnnAssign):
            targets.append(statement.target)
    return [target.id for target in targets if isinstance(target, ast.Name)]


def check_parameters(notebook: Path, given: tuple[str, ...]) -> None:
    """Holds the notebook's `parameters` cell against the names that its stage gives.

    Raises:
        NotebookError: a name on one side only, or anything that `parameter_names` refuses.
    """
    asked = parameter_names(notebook)
    for name in asked:
        if name not in given:
            raise NotebookError(
                f"{notebook.name}: its parameters cell names '{name}', which the stage does not give; "
                f"{closest(name, given) if given else 'it gives none'}."
            )
    for name in given:
        if name not in asked:
            raise NotebookError(f"{notebook.name}: its parameters cell does not name '{name}', which the stage gives.")


def refuse_changes(
    stage: Stage,
    task: str | None,
    paths: Paths,
    before: dict[str, str],
    depends: list[str],
    values: dict[str, Any],
) -> None:
    """Refuses a run during which an input changed.

    Raises:
        StageError: naming the file, or the section of params.yaml.
    """
    again = " while it ran, so its results belong to neither version: run it again"
    changed = first_difference(before, state(stage, paths, depends))
    if changed:
        raise StageError(f"{changed} changed{again} ({stage.phrase(task)}).")
    try:
        now = stage.values(load_settings(paths.params), task)
    except (SettingsError, KeyError, AttributeError):
        now = {}
    for place in values:
        if now.get(place) != values[place]:
            raise StageError(f"params.yaml: {place} changed{again} ({stage.phrase(task)}).")


def _refuse_missing(stage: Stage, task: str | None, paths: Paths) -> None:
    for output in stage.outputs(task):
        if not output.startswith("paper/supplement/") and not (paths.root / output).exists():
            raise StageError(f"{stage.notebook} ended without writing {output} ({stage.phrase(task)}).")


def _execute(source: Path, executed: Path, values: dict[str, Any], phrase: str, failed: Path, paths: Paths) -> None:
    """Runs the notebook; on failure keeps what was run as `failed`.

    Raises:
        StageError: a cell raised, or the process died.
    """
    import papermill
    from papermill.exceptions import PapermillExecutionError

    from precip_sae.pipeline import executor

    try:
        with notebook_environment(paths.root):
            papermill.execute_notebook(
                source,
                executed,
                parameters=values,
                engine_name=executor.NAME,
                kernel_name="python3",
                cwd=paths.root,
                # a bar redraws itself on a terminal, and would fill the log of a continuous-integration run
                progress_bar=sys.stderr.isatty(),
            )
    except PapermillExecutionError as error:
        _keep(executed, failed)
        raise StageError(_failure(error, source.name, phrase, paths.relative(failed))) from error
    except executor.ProcessDied as error:
        _keep(executed, failed)
        raise StageError(
            f"The Python process of {source.name} died, most often for lack of memory; "
            f"see {paths.relative(failed)} ({phrase})."
        ) from error


def _failure(error: Any, notebook: str, phrase: str, kept: str) -> str:
    """The sentence for an exception in a notebook: its own for a user's mistake, else where and what."""
    message = " ".join(str(error.evalue).split())
    cls = getattr(errors, error.ename, None)
    if isinstance(cls, type) and issubclass(cls, PaperError):
        return f"{message.rstrip('.')} ({phrase})."
    last = str(error.evalue).strip().splitlines()[-1:] or [""]
    what = f"{error.ename}: {last[0]}".rstrip(": ").rstrip(".")
    return f"{notebook} failed in cell {error.exec_count} with {what}; see {kept} ({phrase})."


def _keep(executed: Path, failed: Path) -> None:
    if executed.exists():
        write_text(failed, executed.read_text(encoding="utf-8"))


def _publish(executed: Path, label: str, paths: Paths) -> None:
    """Writes the executed notebook, normalised, and its HTML page into the supplement."""
    import nbformat

    from precip_sae.pipeline.normalise import as_json, normalise
    from precip_sae.pipeline.page import page

    notebook, chatter = normalise(nbformat.read(executed, as_version=4), paths.root)
    if chatter:
        print(chatter.rstrip(), file=sys.stderr)
    write_text(paths.supplement / f"{label}.ipynb", as_json(notebook))
    write_text(paths.supplement / f"{label}.html", page(notebook, label))
