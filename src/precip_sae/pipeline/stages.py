"""The stages of the paper: what each one is given, reads and writes.

A stage is a notebook of the same name. `dvc.yaml` says the same in DVC's words, and a test holds the two together.
"""

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from pydantic_core import to_jsonable_python

from precip_sae.errors import SettingsError, StageError, closest
from precip_sae.paths import locate
from precip_sae.settings import Settings, load_settings


@dataclass(frozen=True)
class Stage:
    """One notebook run by the pipeline.

    Attributes:
        name: of the stage, and of its notebook without `.ipynb`.
        per_task: whether it runs once for each task.
        sections: what of params.yaml it rests on: sections of the task (`per_task`), else of the whole.
        searched: whether it runs for the tasks below `search.tasks` in params.yaml alone, and rests on their
            section as `search`.
        reads: files and folders that earlier stages made, `{task}` and `{table}` standing for the task's.
        writes: files and folders that it makes, besides its own page in the supplement.
    """

    name: str
    per_task: bool
    sections: tuple[str, ...]
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    searched: bool = False

    @property
    def notebook(self) -> str:
        return f"{self.name}.ipynb"

    @property
    def parameters(self) -> tuple[str, ...]:
        """The names that the notebook's `parameters` cell must define, no more and no fewer."""
        return ("task",) if self.per_task else ()

    def tasks(self, settings: Settings) -> list[str]:
        """The tasks that it runs for."""
        return list(settings.search.tasks if self.searched else settings.tasks)

    def label(self, task: str | None) -> str:
        """`train-classifier`, or `paper`: the name of the executed notebook."""
        return f"{self.name}-{task}" if self.per_task else self.name

    def address(self, task: str | None) -> str:
        """`train@classifier`, or `paper`: what DVC calls it."""
        return f"{self.name}@{task}" if self.per_task else self.name

    def phrase(self, task: str | None) -> str:
        """`stage train, task classifier`, or `stage paper`: for sentences."""
        return f"stage {self.name}, task {task}" if self.per_task else f"stage {self.name}"

    def outputs(self, task: str | None) -> list[str]:
        """Everything it makes, relative to the root."""
        page = f"paper/supplement/{self.label(task)}"
        return [*(w.format(task=task) for w in self.writes), f"{page}.ipynb", f"{page}.html"]

    def settings(self, settings: Settings, task: str | None) -> dict[str, Any]:
        """The sections that it rests on, typed, by name."""
        if self.per_task:
            own = settings.tasks[task or ""]
            found = {name: getattr(own, name) for name in self.sections}
            return found | ({"search": settings.search.tasks[task or ""]} if self.searched else {})
        whole = {
            "simulation": settings.simulation,
            "tasks": settings.tasks,
            "searched": list(settings.search.tasks),
        }
        return {name: whole[name] for name in self.sections}

    def values(self, settings: Settings, task: str | None) -> dict[str, Any]:
        """The same sections as plain numbers, strings, lists and dicts."""
        return to_jsonable_python(self.settings(settings, task))

    def check_task(self, settings: Settings, task: str | None) -> None:
        """Refuses a task that the stage does not take.

        Raises:
            SettingsError: params.yaml has no such task.
            StageError: a task is needed and none is given, or the other way round.
        """
        if self.per_task and task is None:
            raise StageError(
                f"The stage {self.name} runs for one task: add --task with one of {', '.join(self.tasks(settings))}."
            )
        if not self.per_task and task is not None:
            raise StageError(f"The stage {self.name} covers all tasks: leave out --task {task}.")
        if task is not None and task not in self.tasks(settings):
            place = "search.tasks" if self.searched else "tasks"
            raise SettingsError(f"params.yaml: {place}.{task} does not exist; {closest(task, self.tasks(settings))}.")


STAGES = {
    stage.name: stage
    for stage in (
        Stage(
            "observe",
            per_task=False,
            sections=("simulation",),
            reads=("data/observations.parquet", "data/source.json"),
            writes=("results/observe.json", "results/fidelity.csv", "figures/data"),
        ),
        Stage(
            "train",
            per_task=True,
            sections=("data", "seeds", "mlp"),
            reads=("{table}",),
            writes=(
                "models/{task}/mlp",
                "results/{task}/train.json",
                "results/{task}/history.csv",
            ),
        ),
        Stage(
            "fit",
            per_task=True,
            sections=("data", "seeds", "sae"),
            reads=("{table}", "models/{task}/mlp"),
            writes=("models/{task}/sae", "results/{task}/fit.json"),
        ),
        Stage(
            "interpret",
            per_task=True,
            sections=("data", "seeds", "sensitivity"),
            reads=("{table}", "models/{task}/mlp", "models/{task}/sae"),
            writes=(
                "results/{task}/interpret.json",
                "results/{task}/units.parquet",
                "results/{task}/reductions.parquet",
                "figures/{task}",
            ),
        ),
        Stage(
            "report",
            per_task=True,
            sections=("title", "data", "seeds", "mlp", "sae", "sensitivity"),
            reads=(
                "data/source.json",
                "results/{task}/train.json",
                "results/{task}/fit.json",
                "results/{task}/interpret.json",
                "figures/{task}",
                "paper/report.typ",
            ),
            writes=("paper/reports/{task}.json", "paper/reports/{task}.pdf"),
        ),
        Stage(
            "search",
            per_task=True,
            sections=("data", "mlp", "sae", "sensitivity"),
            reads=("{table}",),
            writes=("results/{task}/search.parquet",),
            searched=True,
        ),
        Stage(
            "subsets",
            per_task=True,
            sections=("data", "sae"),
            reads=("results/{task}/search.parquet",),
            writes=("results/{task}/search.json", "figures/search/{task}"),
            searched=True,
        ),
        Stage(
            "collect",
            per_task=False,
            sections=("tasks", "searched"),
            reads=("results",),
            writes=("paper/numbers.json", "paper/tables", "figures/reductions"),
        ),
        Stage(
            "paper",
            per_task=False,
            sections=(),
            reads=("figures", "paper/numbers.json", "paper/tables", "paper/manuscript.typ", "paper/references.bib"),
            writes=("paper/manuscript.pdf", "paper/manuscript.tex"),
        ),
        Stage(
            "verify",
            per_task=False,
            sections=(),
            reads=("paper/numbers.json", "paper/claims.yaml"),
            writes=("paper/claims.json", "paper/claims.md"),
        ),
    )
}


def named(name: str) -> Stage:
    """The stage of that name.

    Raises:
        StageError: there is none.
    """
    if name not in STAGES:
        raise StageError(f"There is no stage '{name}'; {closest(name, STAGES)}.")
    return STAGES[name]


def stage_settings(name: str, task: str | None = None) -> SimpleNamespace:
    """The sections of params.yaml that a stage rests on: what its notebook may use, and nothing else.

    Args:
        name: of the stage.
        task: of the stages that run once per task.

    Returns:
        An attribute per section, for example `.data` (a DataSettings) and `.seeds`.

    Raises:
        SettingsError: params.yaml is wrong or has no such task.
        StageError: no such stage, or a task is missing or not taken.
    """
    stage, settings = named(name), load_settings(locate().params)
    stage.check_task(settings, task)
    return SimpleNamespace(**stage.settings(settings, task))
