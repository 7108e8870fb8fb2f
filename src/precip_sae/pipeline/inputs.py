"""What a stage depends on, as `dvc.yaml` declares it, and whether it stayed the same while the stage ran.

DVC hashes dependencies after a command has ended, so a file edited meanwhile would be credited with results of
its earlier self. The runner hashes them before and after.
"""

import hashlib
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from precip_sae.errors import StageError
from precip_sae.paths import Paths
from precip_sae.pipeline.stages import Stage
from precip_sae.settings import Settings, read_yaml

# Written by running or looking at code; also in .dvcignore.
IGNORED = {"__pycache__", ".ipynb_checkpoints", ".DS_Store"}


def dependencies(stage: Stage, task: str | None, settings: Settings, paths: Paths) -> list[str]:
    """The files and folders that the stage depends on, relative to the root.

    They are those of `dvc.yaml`; in a folder without one (`precip-sae task run`), the notebook, what the stage
    reads, and nothing of the package.

    Raises:
        StageError: dvc.yaml does not declare the stage.
    """
    table = settings.tasks[task].data.table if task else ""
    declared = paths.root / "dvc.yaml"
    if not declared.is_file():
        return [f"notebooks/{stage.notebook}", *(r.format(task=task, table=table) for r in stage.reads)]
    entry = read_yaml(declared).get("stages", {}).get(stage.name)
    if entry is None:
        raise StageError(f"dvc.yaml: has no stage '{stage.name}'.")
    names: dict[str, Any] = {}
    if stage.per_task:
        section = (settings.search.tasks if stage.searched else settings.tasks)[task or ""]
        entry, names = entry["do"], {"key": task, "item": section.model_dump()}
    return [resolve(text, names) for text in entry.get("deps", [])]


def resolve(text: str, names: dict[str, Any]) -> str:
    """DVC's `${key}` and `${item.data.table}`, looked up in `names`.

    Raises:
        StageError: a name that is not there.
    """

    def value(match: re.Match[str]) -> str:
        found: Any = names
        for part in match[1].strip().split("."):
            if not isinstance(found, dict) or part not in found:
                raise StageError(f"dvc.yaml: {match[0]} in '{text}' names nothing.")
            found = found[part]
        return str(found)

    return re.sub(r"\$\{([^}]*)\}", value, text)


def fingerprints(root: Path, dependencies: Iterable[str]) -> dict[str, str]:
    """The SHA-256 of every file in the dependencies, by its path relative to the root.

    Raises:
        StageError: a dependency does not exist.
    """
    found = {}
    for dependency in dependencies:
        path = root / dependency
        if not path.exists():
            raise StageError(
                f"{dependency} does not exist: `dvc pull` fetches what was stored, `dvc repro` makes the rest."
            )
        files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
        for file in files:
            if not IGNORED.intersection(file.parts):
                name = file.relative_to(root).as_posix() if file.is_relative_to(root) else file.as_posix()
                with file.open("rb") as stream:
                    found[name] = hashlib.file_digest(stream, "sha256").hexdigest()
    return found


def first_difference(before: dict[str, str], after: dict[str, str]) -> str | None:
    """The first file that was changed, added or removed; None if all are the same."""
    changed = sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
    return changed[0] if changed else None
