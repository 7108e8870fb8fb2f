"""Whether what is cheap to derive comes out again: numbers, tables, reductions, and what the kept weights give.

Nothing is trained.
"""

import errno
import math
from collections.abc import Iterator, Mapping
from itertools import combinations, zip_longest
from math import comb
from typing import Any

import numpy as np
import pandas as pd

from precip_sae.files import read_json
from precip_sae.manuscript import numbers as collecting
from precip_sae.manuscript import source, tables
from precip_sae.manuscript.claims import Ledger, judge
from precip_sae.pipeline.stamp import unstamped
from precip_sae.review.project import Project

# Correlations of units that were kept, and those that the kept weights give, agree to float32's rounding.
TOLERANCE = 1e-5
# Scores over all rows, likewise.
SCORES = 1e-6
# Of the models of a task, so many are tried against the units that were kept.
TRIED = 3


def collected(project: Project) -> dict[str, dict[str, Any]]:
    """The numbers as the results give them now."""
    settings = project.settings
    return collecting.collect(
        project.paths, settings.tasks, project.stages.values(), list(settings.search.tasks), list(settings.standards)
    )


def made_tables(project: Project, numbers: Mapping[str, dict[str, Any]]) -> dict[str, pd.DataFrame]:
    """The tables as these numbers give them."""
    settings = project.settings
    searched, held = list(settings.search.tasks), list(settings.standards)
    return tables.all_tables(numbers, settings.tasks, project.paths, searched, held, list(settings.features))


def number_faults(project: Project) -> Iterator[str]:
    """Numbers that differ from the results of the stages."""
    kept, now = read_json(project.paths.paper / "numbers.json"), collected(project)
    for key in sorted(kept.keys() | now.keys()):
        if kept.get(key) != now.get(key):
            texts = [found.get(key, {}).get("text", "nothing") for found in (kept, now)]
            yield f"paper/numbers.json: '{key}' is {texts[0]}, the results give {texts[1]}"


def table_faults(project: Project) -> Iterator[str]:
    """Tables that differ from what the numbers give."""
    paths = project.paths
    for name, table in made_tables(project, read_json(paths.paper / "numbers.json")).items():
        for suffix, text in tables.as_text(table).items():
            file = paths.tables / f"{name}{suffix}"
            written = unstamped(suffix, file.read_bytes()).decode().splitlines()
            pairs = zip_longest(written, text.splitlines())
            if wrong := next((line for line, (found, made) in enumerate(pairs, start=1) if found != made), None):
                yield f"{paths.relative(file)}: line {wrong} is not what the numbers give"


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
            there, asked = _brief(config["seeds"]), _brief(task.seeds)
            yield f"models/{name}/mlp: its seeds are {there}, params.yaml asks for {asked}"
            continue
        saes = units.load_saes(models / "sae", list(task.seeds))
        prepared = prepare(read_table(project.paths.root / task.data.table, task.data), task.data)
        trained = read_json(project.paths.task_results(name) / "train.json")
        # one network that was taken stands for every seed, and its skill is said once
        asked_of = networks[:1] if "taken" in config else networks
        if not _agree(skill_by_part(asked_of, prepared), trained["skill"]):
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
    made_tables(project, numbers)
    for claim in ledger.claims:
        judge(claim, numbers)
    idle, needless = source.unasked(numbers, used | numbers.used, listed.unused)
    for key in idle:
        yield f"paper/numbers.json: '{key}' is used by no text, table or claim, and literals.yaml gives no reason"
    for pattern in needless:
        yield f"paper/literals.yaml: no idle key is like '{pattern}'"
