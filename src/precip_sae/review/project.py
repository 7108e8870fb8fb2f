"""What the checks of a paper look at, and how they answer."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from precip_sae.paths import Paths
from precip_sae.pipeline.stages import Stage, read_stages
from precip_sae.review.lock import Locked, read_lock
from precip_sae.review.reference import Run
from precip_sae.settings import Settings, load_settings


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


def runs(project: Project) -> Iterator[tuple[Stage, str | None]]:
    """Every stage with every task that it runs for."""
    for stage in project.stages.values():
        for task in stage.tasks(project.settings) if stage.per_task else [None]:
            yield stage, task
