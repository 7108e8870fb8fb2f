"""What several test folders share: a small project with stand-in notebooks, and a clean environment."""

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import HealthCheck, settings
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from precip_sae.paths import Paths
from precip_sae.pipeline.stages import stages
from precip_sae.pipeline.warm import WARM_VARIABLE, warm
from precip_sae.simulation.simulate import simulate

REPOSITORY = Path(__file__).resolve().parents[1]

# A property is tried on the same examples in every run, however busy the machine is: time decides nothing.
settings.register_profile("same", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("same")

PARAMS = """\
simulation: {records: 300, seed: 1}
tasks:
  rain:
    title: Rain rate
    data: {table: data/table.csv, predictors: [a, b], response: y, kind: regression}
    seeds: [0, 1]
    mlp: {hidden: 3}
    sae: {latents: 4}
    sensitivity: {}
standards:
  rain: {table: data/table.csv, network: data/network.json}
companions: {hidden: [2]}
inspector: {records: 20}
measures:
  rain: {table: data/table.csv}
noise:
  rain: {table: data/table.csv}
controls:
  rain: {table: data/table.csv}
features:
  rain: {table: data/table.csv}
toys: {dictionaries: {l1: [0.1]}}
variants:
  rain: {table: data/table.csv, dictionaries: {l1: [0.1]}}
search:
  tasks:
    rain: {table: data/table.csv, pool: [a, b], size: 2, seeds: [0, 1]}
column: {seeds: [0, 1]}
"""

# Folders and files that are run by one process, as they share what takes long to make: a small paper, a page in a
# browser, a large table, the process that is forked. Any other file is run by whichever process is free.
TOGETHER = {
    "inspector": "inspector",
    "observations": "records",
    "simulation": "records",
    "hostile/test_bombs.py": "forked",
    "hostile/test_names.py": "forked",
    "paper/test_own_data.py": "forked",
    "pipeline/test_warm.py": "forked",
    "review": "forked",
    "search/test_run.py": "forked",
}

# Begun first: what is left to the end of a run on several processes should be short.
LONG = (
    "paper/test_whole_paper.py",
    "forked",
    "pipeline/test_dvc.py",
    "inspector",
    "records",
    "figures/test_figures.py",
)

# Stands in for every notebook: writes all that its stage promises, from what it is given and what it reads.
STAND_IN = """\
import json
from precip_sae.files import write_json, write_text
from precip_sae.paths import locate
from precip_sae.pipeline.inputs import fingerprints
from precip_sae.pipeline.stages import named
from precip_sae.settings import load_settings

stage, root, settings = named("{name}"), locate().root, load_settings(locate().params)
task = globals().get("task")
given = {{"task": task}} | stage.values(settings, task)
given = {{place.removeprefix(f"tasks.{{task}}."): value for place, value in given.items()}}
read = fingerprints(root, stage.dependencies(settings, task, stage.reads))
for output in stage.outputs(task):
    path = root / output
    if output.startswith("paper/supplement/"):
        continue
    if path.suffix == ".json":
        write_json(path, {{"read": read, **{{k: v for k, v in given.items() if k != "data"}}}})
    elif path.suffix == ".csv":
        write_text(path, "epoch,loss\\n1,2\\n2,1\\n")
    else:
        write_text(path if path.suffix else path / "all.txt", json.dumps([given, read]))
print("done")
"""


def run_by(nodeid: str) -> str:
    """The name of all that one process runs with this test."""
    file = nodeid.partition("::")[0].removeprefix("tests/")
    return TOGETHER.get(file) or TOGETHER.get(file.partition("/")[0], file)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    places = {name: place for place, name in enumerate(LONG)}
    items.sort(key=lambda item: places.get(run_by(item.nodeid), len(LONG)))


class Together(LoadScopeScheduling):
    """Which process runs a test; xdist's own groups, which are marks, are not heard of by pytest 9.2."""

    def _split_scope(self, nodeid: str) -> str:
        return run_by(nodeid)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Together:
    return Together(config, log)


def write_notebook(path: Path, parameters: str | None, *cells: str) -> None:
    """A notebook with a heading, a cell tagged `parameters` (unless None) and code cells."""
    code = {"cell_type": "code", "execution_count": None, "outputs": [], "metadata": {}}
    content = [{"cell_type": "markdown", "id": "h", "metadata": {}, "source": f"# About {path.stem}"}]
    if parameters is not None:
        content.append({**code, "id": "p", "metadata": {"tags": ["parameters"]}, "source": parameters})
    content += [{**code, "id": f"c{k}", "source": source} for k, source in enumerate(cells)]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"cells": content, "metadata": kernel, "nbformat": 4, "nbformat_minor": 5}))


def write_project(root: Path) -> Paths:
    """A project of one task without dvc.yaml or sources: params.yaml, a table and stand-in notebooks."""
    paths = Paths(root.resolve())
    paths.data.mkdir(parents=True)
    paths.params.write_text(PARAMS)
    (paths.data / "table.csv").write_text("a,b,y\n" + "".join(f"{k},{k % 7},{k % 5}\n" for k in range(200)))
    paths.observations.write_text("stands for the observations")
    for name in ("source.json", "network.json"):
        (paths.data / name).write_text("{}")
    paths.published.mkdir()
    for name in ("network.json", "classifier.json"):
        (paths.published / name).write_text("{}")
    for name, stage in stages().items():
        parameters = "\n".join(f"{parameter} = 'rain'" for parameter in stage.parameters)
        write_notebook(paths.notebooks / stage.notebook, parameters, STAND_IN.format(name=name))
    for name in ("manuscript.typ", "report.typ", "references.bib", "claims.yaml"):
        (paths.paper / name).parent.mkdir(exist_ok=True)
        (paths.paper / name).write_text(f"stands for {name}")
    (paths.root / "CITATION.cff").write_text("stands for CITATION.cff")
    return paths


@pytest.fixture(scope="session")
def alive() -> Callable[[int], bool]:
    """Whether a process runs: it has not ended, not even without anybody having asked how."""

    def runs(pid: int) -> bool:
        try:
            return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
        except (FileNotFoundError, ProcessLookupError):
            return False

    return runs


@pytest.fixture(scope="session")
def table() -> pd.DataFrame:
    """One simulated table of the size of the published one, for all tests that ask of many records."""
    return simulate(88_000, seed=2025)


@pytest.fixture
def project(tmp_path: Path) -> Paths:
    return write_project(tmp_path / "project")


@pytest.fixture
def notebook() -> Callable[..., None]:
    return write_notebook


@pytest.fixture(scope="session")
def make_project() -> Callable[[Path], Paths]:
    return write_project


@pytest.fixture(scope="session")
def repository() -> Paths:
    """The project that these tests belong to."""
    return Paths(REPOSITORY)


@pytest.fixture(scope="session")
def forking() -> Iterator[dict[str, str]]:
    """The variable that names a process that has imported all that stages import, to fork others from."""
    with warm(dict(os.environ), REPOSITORY) as environment:
        yield {name: environment[name] for name in environment.keys() & {WARM_VARIABLE}}


@pytest.fixture(scope="module")
def forked_stages(forking: dict[str, str]) -> Iterator[None]:
    """Stages of this module's tests are forked from one process, which is shared by all such modules."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in forking.items():
            patch.setenv(name, value)
        yield


@pytest.fixture(autouse=True)
def _no_project_named(monkeypatch: pytest.MonkeyPatch) -> None:
    # a variable of the shell must not lead tests into another project
    monkeypatch.delenv("PRECIP_SAE_ROOT", raising=False)


def files_below(folder: Path) -> dict[str, bytes]:
    """Every file below `folder` with its bytes."""
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.fixture(scope="session")
def snapshot() -> Callable[[Path], dict[str, bytes]]:
    return files_below
