"""dvc.lock: what each stage rested on and made, as digests."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from precip_sae.errors import ReviewError
from precip_sae.files import read_json
from precip_sae.pipeline.content import FOLDER
from precip_sae.settings import read_yaml


@dataclass(frozen=True)
class Locked:
    """One stage as it last ran.

    Attributes:
        deps, outs: digests by path relative to the root; a folder's ends in `.dir`.
        params: values by place in params.yaml.
    """

    deps: dict[str, str]
    outs: dict[str, str]
    params: dict[str, Any]


def read_lock(file: Path) -> dict[str, Locked]:
    """The stages of a dvc.lock by their names, `train@classifier`.

    Raises:
        ReviewError: there is none, or it is not what DVC writes.
    """
    try:
        entries = read_yaml(file)["stages"].items() if file.is_file() else None
        if entries is None:
            raise ReviewError(f"{file}: no such file, expected what `dvc repro` writes.")
        return {
            name: Locked(
                {each["path"]: str(each["md5"]) for each in entry.get("deps", [])},
                {each["path"]: str(each["md5"]) for each in entry.get("outs", [])},
                entry.get("params", {}).get("params.yaml", {}),
            )
            for name, entry in entries
        }
    except (KeyError, AttributeError, TypeError) as error:
        raise ReviewError(f"{file}: is not a dvc.lock as DVC writes it ({error}).") from error


def maker(lock: Mapping[str, Locked], path: str) -> str | None:
    """The stage that makes a file (or the folder that holds it); None for what no stage makes."""
    for name, stage in lock.items():
        if any(path == out or path.startswith(f"{out}/") for out in stage.outs):
            return name
    return None


def makers(lock: Mapping[str, Locked], path: str) -> list[str]:
    """The stages that make a file or folder, or something within it."""
    if source := maker(lock, path):
        return [source]
    return [name for name, stage in lock.items() if any(out.startswith(f"{path}/") for out in stage.outs)]


def contradictions(lock: Mapping[str, Locked]) -> Iterator[tuple[str, str, str]]:
    """Stages that rest on another version of a file than the one that its stage made: stage, maker, path."""
    for name, stage in lock.items():
        for path, md5 in stage.deps.items():
            source = maker(lock, path)
            if source and lock[source].outs.get(path, md5) != md5:
                yield name, source, path


def stored(folders: list[Path], md5: str) -> Path | None:
    """The object of that digest in the first of the stores (or caches) that has it."""
    places = (folder / "files" / "md5" / md5[:2] / md5[2:] for folder in folders)
    return next((place for place in places if place.is_file()), None)


def listing(folders: list[Path], md5: str) -> dict[str, str]:
    """The files of a stored folder with their digests, by name relative to it; none where the store lacks it."""
    place = stored(folders, md5) if md5.endswith(FOLDER) else None
    return {entry["relpath"]: entry["md5"] for entry in read_json(place)} if place else {}
