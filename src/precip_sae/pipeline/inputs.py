"""Whether what a stage rests on stayed the same while it ran.

DVC hashes dependencies after a command has ended, so a file edited meanwhile would be credited with results of
its earlier self. The runner hashes them before and after.
"""

import hashlib
from collections.abc import Iterable
from pathlib import Path

from precip_sae.errors import StageError

# Written by running or looking at code; also in .dvcignore.
IGNORED = {"__pycache__", ".ipynb_checkpoints", ".DS_Store"}


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
