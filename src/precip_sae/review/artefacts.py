"""Whether what lies here is what the stages made: every file against dvc.lock, every object of the store against its
name, and what is cheap to derive derived again. Nothing is trained.
"""

import errno
import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import combinations
from math import comb
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from precip_sae.errors import PaperError
from precip_sae.files import read_json
from precip_sae.manuscript import numbers as collecting
from precip_sae.manuscript import source, tables
from precip_sae.manuscript.claims import FAIL, NOT_TESTED, PASS, Ledger, judge
from precip_sae.paths import Paths
from precip_sae.pipeline.basis import basis
from precip_sae.pipeline.content import content_md5, file_md5, files_of
from precip_sae.pipeline.stages import Stage, read_stages
from precip_sae.pipeline.stamp import STAMPED, Basis, Stamp, read_stamp
from precip_sae.review.lock import Locked, contradictions, listing, read_lock, stored
from precip_sae.review.reference import Run, stores
from precip_sae.settings import Settings, load_settings, read_yaml

# Correlations of units that were kept, and those that the kept weights give, agree to float32's rounding.
TOLERANCE = 1e-5
# Scores over all rows, likewise.
SCORES = 1e-6
# Of the models of a task, so many are tried against the units that were kept.
TRIED = 3


@dataclass(frozen=True)
class Finding:
    """The answer of one check, in one sentence."""

    check: str
    verdict: str
    sentence: str


@dataclass(frozen=True)
class Project:
    """What the checks look at.

    Attributes:
        reference: the authors' run; None where none was accepted.
    """

    paths: Paths
    settings: Settings
    stages: Mapping[str, Stage]
    lock: Mapping[str, Locked]
    reference: Run | None


def open_project(paths: Paths, reference: Run | None) -> Project:
    """Reads what the checks need.

    Raises:
        PaperError: params.yaml, dvc.yaml or dvc.lock cannot be read.
    """
    root = paths.root
    stages = read_stages(root / "dvc.yaml")
    return Project(paths, load_settings(paths.params), stages, read_lock(root / "dvc.lock"), reference)


def check_all(project: Project, ledger: Ledger) -> list[Finding]:
    """Every check in turn; a check that finds nothing wrong gives one line, else a line per fault."""
    checks: dict[str, tuple[Callable[[Project], Iterator[str]], str]] = {
        "lock": (lock_faults, "dvc.lock agrees with itself and with dvc.yaml"),
        "files": (file_faults, "every output here is the one that dvc.lock records"),
        "stale": (stale_faults, "every stage ran with the settings and files that are here"),
        "store": (store_faults, "every object of the store and the cache is what its name says"),
        "numbers": (number_faults, "numbers.json is what the results give"),
        "tables": (table_faults, "the tables are what the numbers give"),
        "reductions": (reduction_faults, "the reductions are what the kept units give"),
        "weights": (weight_faults, f"the weights give the kept correlations ({TRIED} seeds of every task)"),
        "searches": (search_faults, "every search has one row for every subset and seed"),
        "stamps": (stamp_faults, "every figure and table says that it rests on what is here"),
        "typed": (partial(typed_faults, ledger=ledger), "no number of the manuscript is typed, no number is idle"),
    }
    found = []
    for name, (check, well) in checks.items():
        try:
            faults = [Finding(name, FAIL, fault) for fault in check(project)]
        except FileNotFoundError as error:
            faults = [Finding(name, NOT_TESTED, f"{error.filename} is not here: `dvc pull` brings it")]
        except PaperError as error:
            faults = [Finding(name, FAIL, str(error))]
        found += faults or [Finding(name, PASS, well)]
    return found


def lock_faults(project: Project) -> Iterator[str]:
    """Entries of dvc.lock that contradict each other or dvc.yaml."""
    for stage, source_stage, path in contradictions(project.lock):
        yield f"dvc.lock: {stage} rests on another {path} than {source_stage} made"
    expected = {s.address(task): s for s, task in _runs(project)}
    for address in expected:
        if address not in project.lock:
            yield f"dvc.lock: has no entry of {address}, which dvc.yaml declares"
    for stage, task in _runs(project):
        entry = project.lock.get(stage.address(task))
        if entry and (missing := set(stage.outputs(task)) - entry.outs.keys()):
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


def collected(project: Project) -> dict[str, dict[str, Any]]:
    """The numbers as the results give them now."""
    settings = project.settings
    return collecting.collect(project.paths, settings.tasks, list(settings.search.tasks), list(settings.standards))


def number_faults(project: Project) -> Iterator[str]:
    """Numbers that differ from the results of the stages."""
    kept, now = read_json(project.paths.paper / "numbers.json"), collected(project)
    for key in sorted(kept.keys() | now.keys()):
        if kept.get(key) != now.get(key):
            texts = [found.get(key, {}).get("text", "nothing") for found in (kept, now)]
            yield f"paper/numbers.json: '{key}' is {texts[0]}, the results give {texts[1]}"


def table_faults(project: Project) -> Iterator[str]:
    """Tables that differ from what the numbers give."""
    settings, paths = project.settings, project.paths
    kept = read_json(paths.paper / "numbers.json")
    made = tables.all_tables(kept, settings.tasks, paths, list(settings.search.tasks), list(settings.standards))
    for name, table in made.items():
        written = tables.as_text(table)
        for suffix, text in written.items():
            file = paths.tables / f"{name}{suffix}"
            lines = [line for line in file.read_text(encoding="utf-8").splitlines() if not line.startswith("% ")]
            for number, (found, expected) in enumerate(zip(lines, text.splitlines(), strict=False), start=1):
                if found != expected:
                    yield f"{paths.relative(file)}: line {number} is not what the numbers give"
                    break
            else:
                if len(lines) != len(text.splitlines()):
                    yield f"{paths.relative(file)}: has {len(lines)} lines, the numbers give {len(text.splitlines())}"


def reduction_faults(project: Project) -> Iterator[str]:
    """Reductions, seed by seed, that the kept correlations of the units do not give."""
    from precip_sae.interpretation.sensitivity import COUNTED, mean_sensitive, reduction

    for name, task in project.settings.tasks.items():
        folder = project.paths.task_results(name)
        units, kept = pd.read_parquet(folder / "units.parquet"), pd.read_parquet(folder / "reductions.parquet")
        kept = {key: rows["reduction"].to_numpy() for key, rows in kept.groupby(["variant", "counted"])}
        r = {variant: _stack(rows) for variant, rows in units.groupby("variant", sort=False)}
        for variant, values in r.items():
            for counted in COUNTED:
                before, after = (mean_sensitive(x, task.sensitivity.threshold, counted) for x in (r["mlp"], values))
                now, then = reduction(before, after), kept[variant, counted]
                if now.shape != then.shape or not np.allclose(now, then, rtol=0, atol=1e-12, equal_nan=True):
                    yield f"results/{name}/reductions.parquet: {variant}, {counted}, is not what units.parquet gives"


def _stack(rows: pd.DataFrame) -> np.ndarray:
    """Correlations [models, units, inputs] of one kind of unit."""
    inputs = [column for column in rows.columns if column.startswith("r_")]
    return np.stack([group[inputs].to_numpy() for _, group in rows.groupby("seed", sort=False)])


def weight_faults(project: Project) -> Iterator[str]:
    """Tasks whose weights, on the table that is here, do not give the correlations that were kept."""
    from precip_sae.interpretation import units
    from precip_sae.models.mlp import MLP
    from precip_sae.models.skill import hidden_activations, skill_by_part
    from precip_sae.models.store import load_models
    from precip_sae.tables.read import read_table
    from precip_sae.tasks.prepare import prepare

    for name, task in project.settings.tasks.items():
        require_models(project, name)
        models = project.paths.models(name)
        networks, config = load_models(models / "mlp", MLP)
        if config["seeds"] != list(task.seeds):
            found, asked = _brief(config["seeds"]), _brief(task.seeds)
            yield f"models/{name}/mlp: its seeds are {found}, params.yaml asks for {asked}"
            continue
        saes = units.load_saes(models / "sae", list(task.seeds))
        prepared = prepare(read_table(project.paths.root / task.data.table, task.data), task.data)
        # one network that was taken stands for every seed, and its skill is said once
        asked_of = networks[:1] if "taken" in config else networks
        if not _agree(
            skill_by_part(asked_of, prepared), read_json(project.paths.task_results(name) / "train.json")["skill"]
        ):
            yield f"models/{name}/mlp: its networks do not have the skill that train.json says"
        some = slice(0, TRIED)
        hidden = hidden_activations(networks[some], prepared.test)
        found = units.variants(hidden, {kind: sae[some] for kind, sae in saes.items()}, prepared.test.x)
        kept = pd.read_parquet(project.paths.task_results(name) / "units.parquet")
        for variant, rows in kept.groupby("variant", sort=False):
            now, then = found[str(variant)].r, _stack(rows)[some]
            if now.shape != then.shape or not np.allclose(now, then, rtol=0, atol=TOLERANCE, equal_nan=True):
                seed = task.seeds[int(np.argmax(~np.isclose(now, then, 0, TOLERANCE, True).all(axis=(1, 2))))]
                yield f"models/{name}: the {variant} weights of seed {seed} do not give the kept units.parquet"


def require_models(project: Project, task: str) -> None:
    """Refuses a task whose models are not here, which `dvc pull` brings.

    Raises:
        FileNotFoundError: naming the folder.
    """
    for kind in ("mlp", "sae"):
        if not (project.paths.models(task) / kind).is_dir():
            raise FileNotFoundError(errno.ENOENT, "no such folder", f"models/{task}/{kind}")


def _agree(found: Any, kept: Any) -> bool:
    """Whether two nested results have the same numbers to SCORES' rounding."""
    if isinstance(kept, dict):
        return found.keys() == kept.keys() and all(_agree(found[name], kept[name]) for name in kept)
    if isinstance(kept, float) and found is not None:
        return math.isclose(found, kept, rel_tol=SCORES, abs_tol=SCORES)
    return bool(found == kept)


def _brief(seeds: Any) -> str:
    found = list(seeds)
    return str(found) if len(found) <= 6 else f"{found[0]} to {found[-1]} ({len(found)})"


def search_faults(project: Project) -> Iterator[str]:
    """Searches that lack rows, or have some twice."""
    for name, subsets in project.settings.search.tasks.items():
        file = f"results/{name}/search.parquet"
        rows = pd.read_parquet(project.paths.root / file, columns=["subset", "inputs", "seed"])
        asked = {" ".join(inputs) for inputs in combinations(subsets.pool, subsets.size)}
        count = rows.groupby("inputs")["seed"].nunique()
        if twice := int(rows.duplicated(["inputs", "seed"]).sum()):
            yield f"{file}: {twice} rows stand there twice"
        lacking = sorted(i for i in asked if count.get(i, 0) < len(subsets.seeds))
        if lacking:
            missing = comb(len(subsets.pool), subsets.size) * len(subsets.seeds) - int(count.sum())
            yield f"{file}: {missing} rows are missing, the first of the subset {lacking[0]}"


def stamp_faults(project: Project) -> Iterator[str]:
    """Figures and tables without a stamp, with that of another file, or older than what they should rest on."""
    root = project.paths.root
    for stage, task in _runs(project):
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


def typed_faults(project: Project, ledger: Ledger) -> Iterator[str]:
    """Literals of the manuscript that no stage produced, and numbers that nobody uses."""
    paths = project.paths
    text = (paths.paper / "manuscript.typ").read_text(encoding="utf-8")
    numbers = source.Recording(read_json(paths.paper / "numbers.json"))
    listed = source.read_literals(paths.paper / "literals.yaml")
    told, gone = source.untold(text, listed.literals, numbers)
    for literal in told:
        yield f"paper/manuscript.typ: {literal} comes from no stage, and literals.yaml gives no reason"
    for stretch in gone:
        yield f"paper/literals.yaml: '{stretch}' does not stand in the manuscript"
    used = source.asked(text, numbers)
    settings = project.settings
    tables.all_tables(numbers, settings.tasks, paths, list(settings.search.tasks), list(settings.standards))
    for claim in ledger.claims:
        judge(claim, numbers)
    idle, needless = source.unasked(numbers, used | numbers.used, listed.unused)
    for key in idle:
        yield f"paper/numbers.json: '{key}' is used by no text, table or claim, and literals.yaml gives no reason"
    for pattern in needless:
        yield f"paper/literals.yaml: no idle key is like '{pattern}'"


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


def _runs(project: Project) -> Iterator[tuple[Stage, str | None]]:
    """Every stage with every task that it runs for."""
    for stage in project.stages.values():
        for task in stage.tasks(project.settings) if stage.per_task else [None]:
            yield stage, task
