"""Whether what lies here is what the stages made: every file against dvc.lock, every object of the store against its
name, every figure against its stamp.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from precip_sae.pipeline.basis import basis
from precip_sae.pipeline.content import content_md5, file_md5, files_of
from precip_sae.pipeline.stamp import STAMPED, Basis, Stamp, read_stamp
from precip_sae.review.lock import contradictions, listing, stored
from precip_sae.review.project import Project, runs
from precip_sae.review.reference import stores
from precip_sae.settings import read_yaml


def lock_faults(project: Project) -> Iterator[str]:
    """Entries of dvc.lock that contradict each other or dvc.yaml."""
    for name, source, path in contradictions(project.lock):
        yield f"dvc.lock: {name} rests on another {path} than {source} made"
    for stage, task in runs(project):
        entry = project.lock.get(stage.address(task))
        if entry is None:
            yield f"dvc.lock: has no entry of {stage.address(task)}, which dvc.yaml declares"
        elif missing := set(stage.outputs(task)) - entry.outs.keys():
            yield f"dvc.lock: {stage.address(task)} lacks the output {sorted(missing)[0]}"


def file_faults(project: Project) -> Iterator[str]:
    """Outputs that are not what dvc.lock says, and which of the two is not what the authors had."""
    root = project.paths.root
    for name, entry in project.lock.items():
        for out, locked in entry.outs.items():
            found = content_md5(root / out)
            if found is None and not stored(stores(root), locked):
                yield f"{out} is missing, and no store has it ({name})"
            if found in (None, locked):
                continue
            for file, md5 in _changed(project, out, locked):
                theirs = project.reference.outputs.get(file) if project.reference else None
                if theirs and theirs == md5:
                    yield f"dvc.lock: the entry of {out} ({name}) is not of the file here, which is the authors'"
                else:
                    yield f"{file} is not what {name} wrote: its digest is not that in dvc.lock"


def _changed(project: Project, out: str, locked: str) -> list[tuple[str, str | None]]:
    """The files of an output that differ from what was locked, with their digests; the output itself if unknown."""
    path = project.paths.root / out
    if path.is_file():
        return [(out, file_md5(path))]
    then = listing(stores(project.paths.root), locked)
    if not then and project.reference:
        then = {k.removeprefix(f"{out}/"): v for k, v in project.reference.outputs.items() if k.startswith(f"{out}/")}
    names = sorted(then.keys() | {f.relative_to(path).as_posix() for f in path.rglob("*") if f.is_file()})
    now = {name: file_md5(path / name) if (path / name).is_file() else None for name in names}
    changed = [(f"{out}/{name}", now[name]) for name in names if then and now[name] != then.get(name)]
    return changed or [(out, None)]


def store_faults(project: Project) -> Iterator[str]:
    """Objects of the store or the cache whose bytes are not those of their name."""
    folders = stores(project.paths.root)
    called = dict(_named_objects(project, folders))
    for folder in folders:
        for file in sorted((folder / "files" / "md5").glob("??/*")):
            md5 = file.parent.name + file.name
            if re.fullmatch(r"[0-9a-f]{32}(\.dir)?", md5) and file_md5(file) != md5[:32]:
                name = f" ({called[md5]})" if md5 in called else ""
                yield f"{file.relative_to(project.paths.root).as_posix()}{name} is damaged: delete it and `dvc pull`"


def _named_objects(project: Project, folders: list[Path]) -> Iterator[tuple[str, str]]:
    for entry in project.lock.values():
        for out, md5 in entry.outs.items():
            yield md5, out
            for name, each in listing(folders, md5).items():
                yield each, f"{out}/{name}"


def stale_faults(project: Project) -> Iterator[str]:
    """Stages that ran with other settings or files than those that are here."""
    params = read_yaml(project.paths.params)
    for name, entry in project.lock.items():
        for path in changed_dependencies(project, name):
            yield f"{path} changed since {name} ran: run `dvc repro`"
        for place, value in entry.params.items():
            if _at(params, place) != value:
                yield f"params.yaml: {place} changed since {name} ran: run `dvc repro`"


def _at(settings: Any, place: str) -> Any:
    for part in place.split("."):
        settings = settings.get(part) if isinstance(settings, dict) else None
    return settings


def changed_dependencies(project: Project, name: str) -> list[str]:
    """The dependencies of a stage that are here and not what it last ran with."""
    entry, root = project.lock.get(name), project.paths.root
    return [path for path, md5 in entry.deps.items() if content_md5(root / path) not in (md5, None)] if entry else []


def stamp_faults(project: Project) -> Iterator[str]:
    """Figures and tables without a stamp, with that of another file, or older than what they should rest on."""
    root = project.paths.root
    for stage, task in runs(project):
        folders = [root / out for out in stage.outputs(task) if (root / out).is_dir() and "supplement" not in out]
        files = [f for folder in folders for f in files_of(folder) if f.suffix in (*STAMPED, ".csv")]
        if not files:
            continue
        now = basis(stage, task, project.settings, project.paths)
        # of data that is not here (not pulled) nobody can tell whether it is what the stage read
        complete = all((root / name).exists() for name in stage.dependencies(project.settings, task, stage.reads))
        for file in files:
            name, stamp = project.paths.relative(file), read_stamp(file)
            if stamp is None:
                yield f"{name} has no stamp: no stage made it"
            elif (stamp.stage, stamp.file) != (stage.address(task), name):
                yield f"{name} says that it is {stamp.file} of {stamp.stage}: it was swapped or moved"
            elif old := [what for what in older(stamp, now) if complete or what != "data"]:
                yield f"{name} is older than the {' and '.join(old)} that it should rest on: run `dvc repro`"


def older(stamp: Stamp, now: Basis) -> list[str]:
    """Which of settings, data and code are not those that the stamped file was made from."""
    return [what for what in ("settings", "data", "code") if getattr(stamp.basis, what) != getattr(now, what)]
