"""A run to compare with: the one that the authors accepted, a revision of the repository, or a folder.

What the authors got stands in paper/reference.json, which `precip-sae accept` writes and no stage touches: after
`make reproduce` numbers.json and dvc.lock are this machine's own, a zip has no history to look back into, and the
history of a clone goes on. It holds the digest of every file that the paper rests on or consists of, the value of
every number, and the settings.
"""

import subprocess
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from precip_sae.errors import ReviewError
from precip_sae.files import read_json, write_json
from precip_sae.paths import Paths
from precip_sae.pipeline.content import file_md5, files_of
from precip_sae.review.lock import Locked, read_lock
from precip_sae.settings import read_yaml

# What the authors write and the stages rest on; folders end in a slash.
SOURCES = (
    "params.yaml",
    "dvc.yaml",
    "requirements.lock",
    "notebooks/",
    "src/precip_sae/",
    "published/",
    "CITATION.cff",
)
PAPER_SOURCES = ("manuscript.typ", "report.typ", "folds.typ", "references.bib", "claims.yaml", "literals.yaml")


@dataclass(frozen=True)
class Run:
    """What one run gave.

    Attributes:
        name: for sentences.
        numbers: values of numbers.json by key.
        outputs, sources: digests by path relative to the root, of what stages made and of what they rest on.
        settings: values of params.yaml by place.
        root: where its files are; None where only the digests are known.
    """

    name: str
    numbers: dict[str, Any]
    outputs: dict[str, str]
    sources: dict[str, str]
    settings: dict[str, Any]
    root: Path | None = None


def reference_file(paths: Paths) -> Path:
    return paths.paper / "reference.json"


def this_run(paths: Paths, name: str = "this run") -> Run:
    """The project as it stands.

    Raises:
        ReviewError: dvc.lock is missing or no dvc.lock.
    """
    root = paths.root
    outputs = dict(_digests(root, [out for stage in _lock(root).values() for out in stage.outs]))
    sources = dict(_digests(root, [*SOURCES, *(f"paper/{name}" for name in PAPER_SOURCES), "data"]))
    numbers = paths.paper / "numbers.json"
    values = {key: entry["value"] for key, entry in read_json(numbers).items()} if numbers.is_file() else {}
    return Run(name, values, outputs, sources, flat(read_yaml(paths.params)), root)


def accept(paths: Paths) -> Path:
    """Writes paper/reference.json: from now on this run is what others are held to.

    Raises:
        ReviewError: there is no run.
    """
    run = this_run(paths)
    if not run.numbers:
        raise ReviewError(f"{paths.paper / 'numbers.json'}: no such file, `dvc repro` makes it.")
    kept = {"numbers": run.numbers, "outputs": run.outputs, "sources": run.sources, "settings": run.settings}
    write_json(reference_file(paths), kept)
    return reference_file(paths)


def accepted(paths: Paths) -> Run | None:
    """What the authors got; None where nobody has accepted a run (a small or a new paper)."""
    file = reference_file(paths)
    if not file.is_file():
        return None
    try:
        return Run("the authors' run", **read_json(file))
    except (ValueError, TypeError) as error:
        raise ReviewError(f"{file}: is not what `precip-sae accept` writes ({error}).") from error


@contextmanager
def against(paths: Paths, reference: str) -> Iterator[Run]:
    """The run of a folder, or of a tag, branch or commit of this repository; its files are there within the block.

    Raises:
        ReviewError: neither a folder with a params.yaml nor a revision, or no run in it.
    """
    folder = Path(reference)
    if (folder / "params.yaml").is_file():
        yield this_run(Paths(folder.resolve()), reference)
        return
    with tempfile.TemporaryDirectory() as scratch:
        archive = Path(scratch) / "revision.zip"
        command = ["git", "archive", "--format=zip", f"--output={archive}", reference]
        try:
            done = subprocess.run(command, cwd=paths.root, capture_output=True, text=True, check=False)
        except FileNotFoundError:
            done = None
        if done is None or done.returncode:
            raise ReviewError(
                f"'{reference}' is neither a folder with a params.yaml nor a revision of this repository"
                f"{' (git is not installed)' if done is None else ''}."
            )
        target = Path(scratch) / "revision"
        with zipfile.ZipFile(archive) as content:
            content.extractall(target)
        yield this_run(Paths(target.resolve()), reference)


def stores(root: Path) -> list[Path]:
    """Where the objects of DVC may lie."""
    return [folder for folder in (root / ".dvc" / "cache", root / ".dvc" / "store") if folder.is_dir()]


def flat(settings: Any, place: str = "") -> dict[str, Any]:
    """Values of nested settings by their dotted place; lists are values."""
    if not isinstance(settings, Mapping):
        return {place: settings}
    found: dict[str, Any] = {}
    for name, value in settings.items():
        found |= flat(value, f"{place}.{name}" if place else str(name))
    return found


def _lock(root: Path) -> dict[str, Locked]:
    return read_lock(root / "dvc.lock")


def _digests(root: Path, names: list[str]) -> Iterator[tuple[str, str]]:
    for name in names:
        if (root / name).exists():
            for file in files_of(root / name):
                yield file.relative_to(root).as_posix(), file_md5(file)
