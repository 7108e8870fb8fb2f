"""Every number of the manuscript: gathered from the results of the stages, formatted once, asked for by key.

`numbers.json` maps a key such as `classifier.interpret.variants.keras3.reduction.published` to `{"value": 0.33,
"text": "33.0 % (95 % interval over seeds 28.1 to 37.9 %)", "form": ".1%"}`. The manuscript prints `text`; an unknown
key does not compile.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from precip_sae.errors import ManuscriptError, closest
from precip_sae.files import read_json
from precip_sae.interpretation.sensitivity import PUBLISHED_REDUCTION
from precip_sae.paths import Paths
from precip_sae.pipeline.stages import Stage
from precip_sae.quantities import SIGNIFICANT, THIN, quantity, telling_apart, write, written
from precip_sae.settings import TaskSettings

RESULTS = "results"
_SPREAD = {"mean", "low", "high", "over"}
# Of a mapping's numbers, not numbers themselves.
_ABOUT = {"form", "over"}
# The experiment with rare factors that the text speaks of: as many factors as the layer has units.
_RARE, _ROOMY = "column.rare.layers", "n48_16_layer_2_learnt_16"


def spread_text(spread: Mapping[str, Any], form: str) -> str:
    """A mean with its interval: `0.42 (95 % interval over seeds 0.40 to 0.44)`."""
    if spread["low"] is None:
        return write(spread["mean"], form)
    form = telling_apart(spread["low"], spread["high"], form)
    low, high = written(spread["low"], form)[0], write(spread["high"], form)
    return f"{write(spread['mean'], form)} (95{THIN}% interval over {spread['over']} {low} to {high})"


def flatten(value: Any, words: Sequence[str] = (), form: str = SIGNIFICANT) -> Iterator[tuple[str, dict[str, Any]]]:
    """Keys and numbers of a nested result; a spread is also a number of its own.

    Args:
        form: of the numbers below, where nothing nearer says another.
    """
    key = ".".join(words)
    if isinstance(value, Mapping):
        form = value["form"] if isinstance(value.get("form"), str) else form
        if value.keys() == {"value", "form"}:
            yield key, _entry(value["value"], form)
            return
        if value.keys() >= _SPREAD:
            yield key, _entry(value["mean"], form) | {"text": spread_text(value, form)}
        for name in sorted(name for name in value if not (name in _ABOUT and isinstance(value[name], str))):
            yield from flatten(value[name], [*words, name], form)
    elif isinstance(value, list):
        if all(isinstance(item, str) for item in value):
            yield key, {"value": value, "text": ", ".join(value)}
    else:
        yield key, _entry(value, form)


def _entry(value: Any, form: str) -> dict[str, Any]:
    return {"value": _rounded(value), "text": write(value, form)} | ({"form": form} if _measured(value) else {})


def _measured(value: Any) -> bool:
    """Whether the number has digits to choose from: not a name, a count or a yes or no."""
    return isinstance(value, float)


def _rounded(value: Any) -> Any:
    """Six significant digits: what a reader can compare, and less than differs between processors."""
    return float(f"{value:.6g}") if isinstance(value, float) else value


def collect(
    paths: Paths,
    tasks: Mapping[str, TaskSettings],
    stages: Iterable[Stage],
    searched: Sequence[str] = (),
    held: Sequence[str] = (),
) -> dict[str, dict[str, Any]]:
    """All numbers of the results that the stages declare, the settings of the tasks, and the published reduction.

    What a stage writes as `results/NAME.json` is found below `NAME`, as `results/TASK/NAME.json` below `TASK.NAME`.

    Args:
        tasks: every task; searched: those of which all input subsets were tried; held: those that a published network
            is a standard for.
        stages: as dvc.yaml declares them.

    Raises:
        ManuscriptError: the results of a stage that runs for every task, or for none in particular, are missing.
    """
    numbers = dict(flatten({"reduction": quantity(PUBLISHED_REDUCTION, ".0%")}, ["published"]))
    for task, settings in tasks.items():
        numbers |= flatten(choices(settings), [task, "settings"])
    for stage in stages:
        covered: Iterable[str | None] = tasks if stage.per_task else [None]
        for name in covered:
            for path in map(Path, stage.outputs(name)):
                there = (paths.root / path).is_file()
                if path.parts[0] == RESULTS and path.suffix == ".json" and (there or stage.over in (None, "tasks")):
                    numbers |= flatten(_results(paths.root / path), path.with_suffix("").parts[1:])
    compared = [task for task in held if f"{task}.standards.unlike" not in numbers]
    if (rare := shown_rare(numbers)) is not None:
        numbers["column.rare.shown"] = {"value": rare, "text": rare}
    for heading, listed in {"compared": compared, "searched": searched, "tasks": tasks}.items():
        numbers[heading] = {"value": list(listed), "text": ", ".join(listed)}
    return numbers


def shown_rare(numbers: Iterable[str]) -> str | None:
    """Which layer of the experiment with rare factors text and figures show; the last one where it was not made.

    Args:
        numbers: their keys.

    Returns:
        As it stands in the keys; None where the experiment was not made.
    """
    made = [key.split(".")[3] for key in numbers if key.startswith(f"{_RARE}.") and key.endswith(".gain_over.both")]
    return _ROOMY if _ROOMY in made else made[-1] if made else None


def choices(task: TaskSettings) -> dict[str, Any]:
    """What was chosen for a task's models, as the text needs it; the first L1 convention is the headline."""
    sizes = {"inputs": len(task.data.predictors), "outputs": task.data.outputs}
    shares = {"latents_per_unit": quantity(task.sae.latents / task.mlp.hidden, ".2g")}
    return sizes | shares | task.model_dump(include={"mlp", "sae", "sensitivity"}, exclude={"sae": {"l1_conventions"}})


def task_numbers(paths: Paths, task: str) -> dict[str, dict[str, Any]]:
    """The numbers of one task, without those of its search.

    Raises:
        ManuscriptError: a stage's results are missing.
    """
    numbers: dict[str, dict[str, Any]] = {}
    for stage in ("train", "fit", "interpret"):
        numbers |= flatten(_results(paths.task_results(task) / f"{stage}.json"), [task, stage])
    return numbers


def _results(path: Any) -> Any:
    try:
        return read_json(path)
    except FileNotFoundError as error:
        raise ManuscriptError(f"{path}: no such file, the stage that writes it has not run.") from error


def number(numbers: Mapping[str, dict[str, Any]], key: str) -> dict[str, Any]:
    """One number by its key.

    Raises:
        ManuscriptError: no such key.
    """
    if key not in numbers:
        near = [k for k in numbers if k.split(".")[0] == key.split(".")[0]]
        raise ManuscriptError(f"paper/numbers.json: has no number '{key}'; {closest(key, near)[:300]}.")
    return numbers[key]
