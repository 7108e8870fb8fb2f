"""A small paper with real results, made once: the stages' notebooks are run here, without kernels, on little data."""

import contextlib
import io
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from matplotlib.figure import Figure
from PIL import Image
from ruamel.yaml import YAML

import precip_sae
from precip_sae.files import read_json, write_text
from precip_sae.observations.schema import validate
from precip_sae.paths import ROOT_VARIABLE, Paths
from precip_sae.pipeline.basis import stamp_outputs
from precip_sae.pipeline.digest import write_digests
from precip_sae.pipeline.smoke import DVC, environment
from precip_sae.pipeline.stages import read_stages, stages
from precip_sae.pipeline.warm import module_command
from precip_sae.review.reference import accept
from precip_sae.settings import SimulationSettings, load_settings, read_yaml
from precip_sae.simulation.deposit import deposit_simulation
from precip_sae.simulation.simulate import simulate

PARAMS = """\
simulation: {records: 500, seed: 1}
tasks:
  rain:
    title: Rain rate
    data:
      table: data/observations.parquet
      predictors: [n0, T]
      response: Sr
      kind: regression
      transforms: {n0: log10}
      time: time
    seeds: [0, 1, 2]
    mlp: {hidden: 3, epochs: 4}
    sae: {latents: 4, epochs: 3}
    sensitivity: {threshold: 0.2}
standards: {}
measures: {}
noise: {}
controls: {}
features: {}
variants: {}
search:
  tasks:
    rain: {table: data/observations.parquet, pool: [n0, T, RH], size: 2, transforms: {n0: log10}, seeds: [0, 1]}
"""
CLAIMS = """\
tolerances:
  trained: {absolute: 0.05, reason: for the tests}
claims:
  - id: rows
    sentence: There are rows
    place: Results
    standing: ours
    metric: observe.rows
    at_least: 500
    headline: true
  - id: reduction
    sentence: Latents are sensitive to fewer inputs
    place: Results
    standing: published
    source: a paper
    metric: rain.interpret.variants.keras3.reduction.living
    at_least: -5.0
    over: seeds
  - id: unknown
    sentence: Nobody can tell
    place: Results
    standing: untestable
    source: a paper
    untested: nobody can
"""
MANUSCRIPT = """\
#let numbers = json("numbers.json")
#let n(key) = numbers.at(key).text
= Results
Of 2 kinds of units @fig-heat shows the first; #n("observe.rows") rows give #n("rain.train.skill.test.mae").
#figure(image("../figures/rain/heatmaps.svg", width: 80%), caption: [Correlations.]) <fig-heat>
"""
LITERALS = """\
literals:
  Of 2 kinds of units: a count of kinds
unused:
  'rain.*': a small paper says little
  'observe.*': a small paper says little
  searched: a list
  compared: a list
  tasks: a list
  published.reduction: of another paper
"""
# What is left out: what takes minutes, or needs files that this paper has none of.
LEFT_OUT = {
    "report", "paper", "standards", "animate", "column", "toys", "ranking", "companions", "picked", "inspector",
}  # fmt: skip


def dvc(paths: Paths, *arguments: str) -> str:
    """What a DVC command says; it has to succeed."""
    done = subprocess.run(
        [*module_command(dict(os.environ), DVC), *arguments],
        cwd=paths.root,
        env=environment(paths),
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def git(folder: Path, *arguments: str) -> str:
    who = {f"GIT_{role}_{what}": "test@example.org" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    alone = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    done = subprocess.run(
        ["git", *arguments], cwd=folder, env=os.environ | who | alone, check=True, capture_output=True, text=True
    )
    return done.stdout


def run_notebook(file: Path, task: str | None) -> None:
    """Runs the code cells of a notebook in this process."""
    namespace: dict[str, Any] = {}
    for cell in read_json(file)["cells"]:
        lines = [line for line in "".join(cell["source"]).splitlines() if not line.startswith("%")]
        if cell["cell_type"] == "code":
            exec("\n".join(lines), namespace)
            if "parameters" in cell["metadata"].get("tags", []) and task:
                namespace["task"] = task


def sketch(figure: Figure, path: Path) -> Path:
    """Stands for `style.save`, which takes longer than the stages: the name of a figure in the place of its picture."""
    write_text(path.with_suffix(".svg"), f'<svg xmlns="http://www.w3.org/2000/svg"><text>{path.name}</text></svg>\n')
    picture = path.with_suffix(".png")
    Image.frombytes("L", (len(path.name), 1), path.name.encode()).save(picture)
    return picture


def make_paper(root: Path, repository: Paths) -> Paths:
    """Writes the sources, runs the stages, and lets DVC record what they made."""
    paths = Paths(root.resolve())
    for name in (".dvcignore", ".gitignore", ".dvc/config", ".dvc/.gitignore", "requirements.lock"):
        write_text(paths.root / name, (repository.root / name).read_text())
    for name, text in {
        "params.yaml": PARAMS,
        "paper/claims.yaml": CLAIMS,
        "paper/manuscript.typ": MANUSCRIPT,
        "paper/literals.yaml": LITERALS,
    }.items():
        write_text(paths.root / name, text)
    pipeline = read_yaml(repository.root / "dvc.yaml")
    pipeline["stages"] = {name: stage for name, stage in pipeline["stages"].items() if name not in LEFT_OUT}
    yaml = YAML(typ="safe", pure=True)
    yaml.sort_base_mapping_type_on_output = False
    with (paths.root / "dvc.yaml").open("w") as stream:
        yaml.dump(pipeline, stream)
    ignore = shutil.ignore_patterns("__pycache__", "*.egg-info")
    shutil.copytree(repository.root / "src", paths.root / "src", ignore=ignore)
    shutil.copytree(repository.notebooks, paths.notebooks, ignore=ignore)
    shutil.copytree(repository.published, paths.published)
    deposit_simulation(paths.data, validate(simulate(500, 1)), SimulationSettings(records=500, seed=1))
    write_digests(paths, Path(precip_sae.__file__).parent, stages())
    settings = load_settings(paths.params)
    for stage in read_stages(paths.root / "dvc.yaml").values():
        for task in stage.tasks(settings) if stage.per_task else [None]:
            run_notebook(paths.notebooks / stage.notebook, task)
            for output in stage.outputs(task):
                if output.startswith("paper/supplement/"):
                    write_text(paths.root / output, json.dumps("stands for a page"))
            stamp_outputs(stage, task, settings, paths)
    git(paths.root, "init", "--quiet")
    dvc(paths, "add", "--quiet", "data")
    dvc(paths, "commit", "--quiet", "--force")
    dvc(paths, "push", "--quiet")
    accept(paths)
    git(paths.root, "add", "--all")
    git(paths.root, "commit", "--quiet", "--message", "a small paper")
    return paths


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory, repository: Paths, forking: dict[str, str]) -> Paths:
    """The small paper as it was made; tests that change it take `paper`."""
    root = tmp_path_factory.mktemp("review") / "paper"
    root.mkdir()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(io.StringIO()):
        for name, value in (forking | {ROOT_VARIABLE: str(root.resolve())}).items():
            patch.setenv(name, value)
        patch.setattr("precip_sae.figures.style.save", sketch)
        return make_paper(root, repository)


@pytest.fixture
def paper(made: Paths, tmp_path: Path) -> Paths:
    """A copy of the small paper, to plant a fault in."""
    shutil.copytree(made.root, tmp_path / "paper", symlinks=True)
    return Paths((tmp_path / "paper").resolve())
