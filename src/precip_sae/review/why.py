"""Where a figure, a number or a claim comes from: stage by stage, back to the observations."""

from collections.abc import Iterator
from pathlib import Path

from precip_sae.errors import ReviewError, closest
from precip_sae.files import read_json
from precip_sae.manuscript.claims import judge, read_ledger
from precip_sae.manuscript.numbers import number
from precip_sae.paths import Paths
from precip_sae.pipeline.basis import basis
from precip_sae.pipeline.stamp import STAMPED, read_stamp
from precip_sae.review.artefacts import changed_dependencies, older
from precip_sae.review.lock import maker, makers
from precip_sae.review.project import Project, open_project
from precip_sae.review.reproduction import results_file

# Digits of a digest that are shown.
SHOWN = 12


def why(paths: Paths, target: str) -> Iterator[str]:
    """The chain behind `figures/NAME`, `tables/NAME`, `number:KEY` or `claim:ID`, a line at a time.

    Raises:
        ReviewError: there is no such figure, number or claim.
    """
    project = open_project(paths, None)
    kind, _, name = target.partition(":")
    if kind == "claim":
        yield from _claim(project, name)
    elif kind == "number":
        yield from _number(project, name)
    else:
        yield from _file(project, target)


def _claim(project: Project, name: str) -> Iterator[str]:
    claims = {claim.id: claim for claim in read_ledger(project.paths.paper / "claims.yaml").claims}
    if name not in claims:
        raise ReviewError(f"paper/claims.yaml: has no claim '{name}'; {closest(name, claims)}.")
    claim = claims[name]
    judged = judge(claim, read_json(project.paths.paper / "numbers.json"))
    yield f"claim:{name} ({claim.standing}; {claim.source}; manuscript: {claim.place})"
    yield f"  {claim.sentence}"
    yield f"  {judged['verdict']}: expected {judged['expected']}, found {judged['found']}"
    if claim.metric:
        yield from _number(project, claim.metric)


def _number(project: Project, key: str) -> Iterator[str]:
    found = number(read_json(project.paths.paper / "numbers.json"), key)
    yield f"number:{key} is {found['text']} (paper/numbers.json, gathered by the stage collect)"
    outputs = {out: "" for entry in project.lock.values() for out in entry.outs}
    file = results_file(key, outputs)
    if file is None:
        yield "  a choice in params.yaml, or a published value"
        return
    yield from _file(project, file)


def _file(project: Project, target: str) -> Iterator[str]:
    file = _found(project.paths, target)
    name = project.paths.relative(file)
    stage = maker(project.lock, name)
    if stage is None:
        raise ReviewError(f"{name}: no stage makes it.")
    yield f"{name} is made by {stage}"
    stamp = read_stamp(file) if file.suffix in (*STAMPED, ".csv") and file.parent != project.paths.results else None
    if stamp:
        yield f"  it says: settings {stamp.basis.settings}, data {stamp.basis.data}, code {stamp.basis.code}"
        short, _, task = stage.partition("@")
        now = basis(project.stages[short], task or None, project.settings, project.paths)
        if (stamp.stage, stamp.file) != (stage, name):
            yield f"  ! it says that it is {stamp.file} of {stamp.stage}: it was swapped or moved"
        elif old := older(stamp, now):
            yield f"  ! it is older than the {' and '.join(old)} that it should rest on: run `dvc repro`"
    elif file.suffix in (".svg", ".png"):
        yield "  ! it has no stamp: no stage made it"
    yield from _chain(project, stage)


def _chain(project: Project, first: str) -> Iterator[str]:
    """Every stage behind one, nearest first, with what it rested on."""
    waiting, told = [first], set[str]()
    while waiting:
        stage = waiting.pop(0)
        if stage in told:
            continue
        told.add(stage)
        entry, changed = project.lock[stage], changed_dependencies(project, stage)
        label = stage.replace("@", "-")
        page = f" (page: paper/supplement/{label}.html)" if stage != "code" else ""
        yield f"{stage} rested on{page}"
        for path, md5 in entry.deps.items():
            sources = makers(project.lock, path)
            note = f", made by {', '.join(sources)}" if sources else ""
            note += " ! which has changed since" if path in changed else ""
            yield f"    {path}  {md5[:SHOWN]}{note}"
            waiting += [source for source in sources if source != "code"]
        if entry.params:
            yield f"    params.yaml: {', '.join(entry.params)}"
    yield from _observations(project)


def _observations(project: Project) -> Iterator[str]:
    file = project.paths.data / "source.json"
    if file.is_file():
        said = ", ".join(f"{name} {value}" for name, value in read_json(file).items())
        yield f"The observations: {project.paths.relative(project.paths.observations)} ({said})"


def _found(paths: Paths, target: str) -> Path:
    """The file of that name below the project or its paper, with or without its suffix."""
    for start in (paths.root, paths.paper, paths.figures):
        for suffix in ("", ".svg", ".png", ".csv", ".tex", ".pdf", ".json"):
            file = start / f"{target}{suffix}"
            if file.is_file() and file.resolve().is_relative_to(paths.root):
                return file
    near = [paths.relative(file.with_suffix("")) for file in paths.figures.rglob("*.svg")]
    raise ReviewError(f"{target}: no such file, number:KEY or claim:ID; {closest(target, near)}.")
