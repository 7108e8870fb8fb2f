"""The stages of the paper, as `dvc.yaml` declares them: what each one rests on and makes.

A stage is a notebook of the same name. `dvc.yaml` is the one declaration; what is not in it (which sections of
params.yaml a notebook may use, which files it has to write) is derived from it here.
"""

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from pydantic_core import to_jsonable_python

from precip_sae.errors import SettingsError, StageError, closest
from precip_sae.paths import locate, shipped
from precip_sae.settings import Settings, load_settings, read_yaml

COMMAND = "precip-sae stage "
ENVIRONMENT = "requirements.lock"
_PAGE = "paper/supplement/"
_KEY = "${key}"


@dataclass(frozen=True)
class Stage:
    """One notebook run by the pipeline.

    Attributes:
        name: of the stage, and of its notebook without `.ipynb`.
        over: the section of params.yaml for each of whose keys, which are names of tasks, it runs (`tasks`,
            `search.tasks`); None for a stage that covers all tasks.
        params: the sections of params.yaml that it rests on; `${key}` stands for the task.
        deps: files and folders that it rests on; `${key}` and `${item...}` stand for the task and its section.
        outs: what it makes, its page in the supplement among it.
    """

    name: str
    over: str | None
    params: tuple[str, ...]
    deps: tuple[str, ...]
    outs: tuple[str, ...]

    @property
    def per_task(self) -> bool:
        return self.over is not None

    @property
    def notebook(self) -> str:
        return f"{self.name}.ipynb"

    @property
    def parameters(self) -> tuple[str, ...]:
        """The names that the notebook's `parameters` cell must define, no more and no fewer."""
        return ("task",) if self.per_task else ()

    @property
    def reads(self) -> tuple[str, ...]:
        """Of `deps` those that are neither code nor its environment: data, and what earlier stages made."""
        return tuple(d for d in self.deps if not d.startswith(("digests/", "notebooks/")) and d != ENVIRONMENT)

    @property
    def writes(self) -> tuple[str, ...]:
        """Of `outs` those that the notebook itself has to write: all but its page."""
        return tuple(out for out in self.outs if not out.startswith(_PAGE))

    def tasks(self, settings: Settings) -> list[str]:
        """The tasks that it runs for, or that it covers."""
        return list(_section(settings, self.over or "tasks"))

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
        return [out.replace(_KEY, str(task)) for out in self.outs]

    def dependencies(self, settings: Settings, task: str | None, of: tuple[str, ...] | None = None) -> list[str]:
        """The files and folders that it rests on, relative to the root; `of`: only these of `deps`.

        Raises:
            StageError: a name in dvc.yaml that params.yaml does not have.
        """
        names = {"key": task, "item": _section(settings, f"{self.over}.{task}")} if self.over else {}
        return [resolve(text, names) for text in (self.deps if of is None else of)]

    def sections(self, settings: Settings, task: str | None) -> dict[str, Any]:
        """The typed sections of params.yaml that it rests on, by where they stand: `tasks.rain.mlp`."""
        places = [place.replace(_KEY, str(task)) for place in self.params]
        return {place: _section(settings, place) for place in places}

    def values(self, settings: Settings, task: str | None) -> dict[str, Any]:
        """The same sections as plain numbers, strings, lists and dicts."""
        return to_jsonable_python(self.sections(settings, task))

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
            raise SettingsError(
                f"params.yaml: {self.over}.{task} does not exist; {closest(task, self.tasks(settings))}."
            )


def read_stages(file: Path) -> dict[str, Stage]:
    """The stages of a dvc.yaml that run a notebook, by name.

    Raises:
        SettingsError: there is no such file, or it is not YAML.
        StageError: it declares no stages, or a stage by something else than keys and lists.
    """
    try:
        entries = read_yaml(file)["stages"].items()
        found = {}
        for name, entry in entries:
            each = entry.get("do", entry)
            if each["cmd"].startswith(COMMAND):
                made = [out for kind in ("metrics", "plots", "outs") for out in each.get(kind, [])]
                found[name] = Stage(
                    name,
                    entry["foreach"].strip("${}") if "foreach" in entry else None,
                    tuple(each.get("params", [])),
                    tuple(each.get("deps", [])),
                    tuple(next(iter(out)) if isinstance(out, dict) else out for out in made),
                )
    except (KeyError, AttributeError, TypeError) as error:
        raise StageError(f"{file.name}: does not declare stages as DVC expects them ({error}).") from error
    return found


@cache
def stages() -> dict[str, Stage]:
    """The stages of the project that the running package belongs to."""
    return read_stages(shipped().root / "dvc.yaml")


def named(name: str) -> Stage:
    """The stage of that name.

    Raises:
        StageError: there is none.
    """
    if name not in stages():
        raise StageError(f"There is no stage '{name}'; {closest(name, stages())}.")
    return stages()[name]


def stage_settings(name: str, task: str | None = None) -> SimpleNamespace:
    """The sections of params.yaml that a stage rests on: what its notebook may use, and nothing else.

    Args:
        name: of the stage.
        task: of the stages that run once per task.

    Returns:
        An attribute per section: a task's own by their names (`.data`, `.seeds`), others by the first word of where
        they stand (`.search`, `.simulation`).

    Raises:
        SettingsError: params.yaml is wrong or has no such task.
        StageError: no such stage, or a task is missing or not taken.
    """
    stage, settings = named(name), load_settings(locate().params)
    stage.check_task(settings, task)
    own = f"tasks.{task}."
    found = stage.sections(settings, task).items()
    return SimpleNamespace(**{place.removeprefix(own).partition(".")[0]: section for place, section in found})


def resolve(text: str, names: dict[str, Any]) -> str:
    """DVC's `${key}` and `${item.data.table}`, looked up in `names`.

    Raises:
        StageError: a name that is not there.
    """

    def value(match: re.Match[str]) -> str:
        try:
            return str(_section(names, match[1].strip()))
        except (KeyError, AttributeError) as error:
            raise StageError(f"dvc.yaml: {match[0]} in '{text}' names nothing.") from error

    return re.sub(r"\$\{([^}]*)\}", value, text)


def _section(start: Any, place: str) -> Any:
    """What stands at a dotted place below typed settings or mappings."""
    for part in place.split("."):
        start = start[part] if isinstance(start, dict) else getattr(start, part)
    return start
