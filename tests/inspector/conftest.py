"""A small study with networks of random weights, its page, and a browser that looks at it."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from precip_sae.files import write_json, write_text
from precip_sae.inspector.companions import Companions, latents_for, save_companions
from precip_sae.inspector.study import Task, read_task, study_page
from precip_sae.models.reference import SCORE
from precip_sae.paths import Paths
from precip_sae.settings import InspectorSettings, load_settings
from precip_sae.simulation.deposit import deposit_simulation
from precip_sae.simulation.simulate import simulate_parts

REPOSITORY = Path(__file__).resolve().parents[2]
EPOCHS, SEEDS, SIZES = 4, (0, 1), (2, 6, 16)


@dataclass(frozen=True)
class Study:
    """A project folder with a page, and what went into it."""

    paths: Paths
    tasks: dict[str, Task]
    companions: dict[str, list[Companions]]
    page: Path

    def named(self, task: str, hidden: int, l1: float = 0.0) -> Companions:
        return next(c for c in self.companions[task] if c.hidden == hidden and c.hidden_l1 == l1)


def random_companions(task: Task, rng: np.random.Generator) -> list[Companions]:
    """Networks and SAEs of random weights: what the page computes of them does not depend on training."""
    data, mlp, sae = task.settings.data, task.settings.mlp, task.settings.sae
    inputs, outputs, found = len(data.predictors), data.outputs, []
    for hidden in sorted({*SIZES, mlp.hidden}):
        for l1 in (0.0, 0.01):
            latents = latents_for(hidden, mlp, sae)
            size = inputs * hidden + hidden + hidden * outputs + outputs
            sae_size = 2 * hidden * latents + latents + hidden
            networks = rng.standard_normal((len(SEEDS), EPOCHS + 1, size)).astype(np.float32)
            trained, untrained = 0.5 * rng.standard_normal((2, len(SEEDS), sae_size)).astype(np.float32)
            score = SCORE[data.kind]
            history = pd.DataFrame(
                {"seed": np.repeat(SEEDS, EPOCHS), "epoch": np.tile(np.arange(1, EPOCHS + 1), len(SEEDS))}
                | {n: rng.uniform(0.1, 1, len(SEEDS) * EPOCHS) for n in ("loss", "val_loss", score, f"val_{score}")}
            )
            found.append(Companions(hidden, latents, l1, networks, trained, untrained, history))
    return found


@pytest.fixture(scope="session")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """Every task of params.yaml on few simulated records."""
    root = tmp_path_factory.mktemp("study")
    paths = Paths(root)
    settings = load_settings(REPOSITORY / "params.yaml")
    simulation = settings.simulation.model_copy(update={"records": 2500})
    deposit_simulation(paths.data, simulate_parts(2500, simulation.seed), simulation)
    shutil.copytree(REPOSITORY / "published", paths.published)
    rng = np.random.default_rng(1)
    tasks, companions = {}, {}
    for name, section in settings.tasks.items():
        if section.mlp.network is not None:
            continue
        tasks[name] = read_task(paths, name, section)
        companions[name] = random_companions(tasks[name], rng)
        config = tasks[name].prepared.config(name, SEEDS, section.mlp)
        save_companions(paths.companions / name, companions[name], config)
    reading = {"kind": "rain", "rule": "T+", "words": "warm air"}
    card = {"name": "warm", "reading": reading, "members": {"0": 3, "1": 5, "77": 1}}
    stability = {"share_of_seeds": {"value": 0.9}, "similarity": {"value": 0.95}}
    write_json(paths.task_results("classifier") / "cards.json", {"families": [card | {"stability": stability}]})
    page = paths.paper / "inspector.html"
    write_text(page, study_page(paths, list(tasks.values()), settings.standards, InspectorSettings(records=400)))
    return Study(paths, tasks, companions, page)


@dataclass
class Looking:
    """A page in a browser, with everything that it complained about or asked the network for."""

    page: Any
    complaints: list[str]
    requests: list[str]
    address: str

    def load(self, state: str = "") -> None:
        """The page anew."""
        self.page.goto("about:blank")
        self.page.goto(f"{self.address}#{state}")
        self.page.wait_for_function("() => window.inspector !== undefined")

    def go(self, state: str = "") -> None:
        """The page with another state, as after a click on a link within it."""
        script = "(s) => { history.replaceState(null, '', '#' + s); dispatchEvent(new HashChangeEvent('hashchange')); }"
        self.page.evaluate(script, state)

    def state(self) -> dict[str, Any]:
        return self.page.evaluate("() => inspector.store.get()")

    def ask(self, script: str, given: Any = None) -> Any:
        return self.page.evaluate(script, given)


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Debian's chromium, or whichever is there."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    names = ("chromium", "chromium-browser", "google-chrome")
    found = next((path for name in names if (path := shutil.which(name))), None)
    with playwright.sync_playwright() as started:
        if found is None and not Path(started.chromium.executable_path).exists():
            pytest.skip("no chromium is installed: apt-get install chromium")
        arguments = ["--no-sandbox", "--disable-gpu", "--force-device-scale-factor=1"]
        launched = started.chromium.launch(executable_path=found, args=arguments)
        yield launched
        launched.close()


@pytest.fixture(scope="session")
def look(browser: Any) -> Callable[[Path], Looking]:
    """Opens a page."""
    return lambda path: _look(browser, path)


def _look(browser: Any, path: Path, **options: Any) -> Looking:
    page = browser.new_page(**({"viewport": {"width": 1280, "height": 800}} | options))
    page.set_default_timeout(5000)
    looking = Looking(page, [], [], path.as_uri())
    page.on("console", lambda m: looking.complaints.append(m.text) if m.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: looking.complaints.append(str(error)))
    page.on("request", lambda request: looking.requests.append(request.url))
    looking.load()
    return looking


@pytest.fixture(scope="module")
def looking(browser: Any, study: Study) -> Iterator[Looking]:
    """The study's page; afterwards it must not have complained, nor asked for anything but itself."""
    found = _look(browser, study.page)
    yield found
    assert found.complaints == []
    assert {url.partition("#")[0] for url in found.requests if not url.startswith(("data:", "blob:", "about:"))} == {
        found.address
    }
    found.page.close()
