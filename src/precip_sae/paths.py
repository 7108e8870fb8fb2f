"""Every path of the project, from one root.

The root is the folder that holds `params.yaml`: the one named by the environment variable PRECIP_SAE_ROOT, else
the nearest at or above the working directory. Notebooks, stages and tests all find their
files here, so the same code works in a clone, in a temporary copy and in Jupyter (which starts in `notebooks/`).
What the package itself brings (notebooks, the report's template) is found from the package's own place, see `shipped`.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from precip_sae.errors import SettingsError

ROOT_VARIABLE = "PRECIP_SAE_ROOT"


@dataclass(frozen=True)
class Paths:
    """Where things are, below `root`."""

    root: Path

    @property
    def params(self) -> Path:
        return self.root / "params.yaml"

    @property
    def data(self) -> Path:
        return self.root / "data"

    @property
    def observations(self) -> Path:
        return self.data / "observations.parquet"

    @property
    def published(self) -> Path:
        """The networks that the study shipped."""
        return self.root / "published"

    @property
    def notebooks(self) -> Path:
        return self.root / "notebooks"

    @property
    def digests(self) -> Path:
        return self.root / "digests"

    def digest(self, stage: str) -> Path:
        """What code the stage rests on (see `pipeline.digest`)."""
        return self.digests / f"{stage}.json"

    def models(self, task: str) -> Path:
        return self.root / "models" / task

    @property
    def companions(self) -> Path:
        """The Inspector's networks, a folder for each task."""
        return self.root / "models" / "companions"

    @property
    def picked(self) -> Path:
        """The networks of the inputs that the search's figures point at, a folder for each task."""
        return self.root / "models" / "picked"

    @property
    def results(self) -> Path:
        return self.root / "results"

    def task_results(self, task: str) -> Path:
        return self.results / task

    def search_pieces(self, task: str) -> Path:
        """Pieces of a search that is not finished; no stage reads them but the search's own next start."""
        return self.root / ".search" / task

    @property
    def simulated(self) -> Path:
        """Tables that tasks share (see `noise.tables`); no stage rests on them."""
        return self.root / ".simulated"

    @property
    def figures(self) -> Path:
        return self.root / "figures"

    def task_figures(self, task: str) -> Path:
        return self.figures / task

    @property
    def paper(self) -> Path:
        return self.root / "paper"

    @property
    def tables(self) -> Path:
        return self.paper / "tables"

    @property
    def supplement(self) -> Path:
        return self.paper / "supplement"

    def relative(self, path: Path) -> str:
        """`path` as seen from the root, with forward slashes: the form in which outputs may name files."""
        return Path(path).resolve().relative_to(self.root).as_posix()


def locate(start: Path | None = None) -> Paths:
    """The project that `start` (default: the working directory) belongs to.

    Raises:
        SettingsError: no `params.yaml` there nor in any folder above, nor where PRECIP_SAE_ROOT points.
    """
    named = os.environ.get(ROOT_VARIABLE)
    if start is None and named:
        root = Path(named).resolve()
        if not (root / "params.yaml").is_file():
            raise SettingsError(f"{ROOT_VARIABLE} names {root}, which holds no params.yaml.")
        return Paths(root)
    begin = (start or Path.cwd()).resolve()
    for folder in (begin, *begin.parents):
        if (folder / "params.yaml").is_file():
            return Paths(folder)
    raise SettingsError(f"No params.yaml in {begin} nor in any folder above it: run this inside the project.")


def shipped() -> Paths:
    """Where this package's dvc.yaml, notebooks, paper/report.typ and params.smoke.yaml are, wherever it is run.

    A wheel holds them beside the code; the code of a clone lies in its `src`.
    """
    package = Path(__file__).resolve().parent
    inside = package / "project"
    return Paths(inside if inside.is_dir() else package.parents[1])
