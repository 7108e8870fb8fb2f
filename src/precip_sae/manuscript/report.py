"""The report of one task on one page: what its table was, how well its networks predict, what its SAEs show."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from precip_sae.errors import ManuscriptError
from precip_sae.files import read_json, write_json
from precip_sae.manuscript import recommendation
from precip_sae.manuscript.compile import compile_pdf
from precip_sae.manuscript.numbers import number, task_numbers
from precip_sae.manuscript.tables import VARIANT_NAMES, Numbers, column_name, places, quality, reductions, skill
from precip_sae.observations.describe import ARCHIVE, SIMULATION
from precip_sae.paths import Paths
from precip_sae.quantities import grouped
from precip_sae.settings import DataSettings, TaskSettings
from precip_sae.tasks.parts import PARTS

# The score that the verdict is about.
JUDGED = {"classification": "accuracy", "regression": "mse"}
# What the baselines are called in a sentence.
_CALLED = {"climatology": "climatology, which uses no input", "threshold": "the best threshold on one input"}
CALLED = {
    "classification": _CALLED | {"linear": "logistic regression"},
    "regression": _CALLED | {"linear": "linear regression"},
}


def write_report(paths: Paths, name: str, task: TaskSettings) -> Path:
    """Writes paper/reports/NAME.json and compiles paper/report.typ with it to NAME.pdf, whose path is returned.

    Raises:
        ManuscriptError: a stage's results are missing, or the template does not compile.
    """
    reports = paths.paper / "reports"
    write_json(reports / f"{name}.json", contents(paths, name, task))
    pdf = reports / f"{name}.pdf"
    compile_pdf(paths.paper / "report.typ", pdf, paths.root, {"task": name})
    return pdf


def contents(paths: Paths, name: str, task: TaskSettings) -> dict[str, Any]:
    """Everything that the page says; text ready to print.

    Raises:
        ManuscriptError: a stage's results are missing.
    """
    numbers, data = task_numbers(paths, name), task.data
    called = [column_name(data, response) for response in data.responses]
    tasks = {name: task}
    prefix = f"{name}.train.rows."
    rows = {key.removeprefix(prefix): found["text"] for key, found in numbers.items() if key.startswith(prefix)}
    recommended, (headline, *_) = _recommended(paths, name), task.sae.l1_conventions
    kinds = {kind: VARIANT_NAMES[kind] for kind in (headline, "untrained")}
    return {
        "title": task.title,
        "source": describe_source(paths, data),
        "response": called if data.several else called[0],
        "inputs": [f"{data.transforms.get(c, '')} {column_name(data, c)}".strip() for c in data.predictors],
        "classes": data.classes,
        "split": describe_parts(data),
        "rows": [[reason, rows[reason]] for reason in sorted(rows, key=_in_order)],
        "models": describe_models(task, number(numbers, f"{name}.train.seeds")["text"]),
        "threshold": number(numbers, f"{name}.interpret.threshold")["text"],
        "typical_seed": number(numbers, f"{name}.interpret.typical_seed")["text"],
        "verdict": [*verdict(numbers, name, data, task.mlp.network is not None), *weighted(numbers, name, task)],
        "reduction": reduction_sentences(numbers, name, headline),
        "recommended": recommendation.sentences(recommended, headline, len(data.predictors)),
        "skill": _table(skill(numbers, tasks)),
        "reductions": _table(reductions(numbers, tasks).drop(columns="Published"))
        + recommendation.rows(recommended, kinds),
        "quality": _table(quality(numbers, tasks)),
    }


def _recommended(paths: Paths, name: str) -> dict[str, Any]:
    """What the stage `interpret` found by the recommended measure."""
    file = paths.task_results(name) / "interpret.json"
    found: dict[str, Any] | None = read_json(file).get("recommended")
    if found is None:
        raise ManuscriptError(f"{file}: has nothing by the recommended measure, the stage interpret has to run again.")
    return found


def describe_models(task: TaskSettings, seeds: str) -> str:
    """The networks and their SAEs, in a sentence."""
    mlp, sae = task.mlp, f"SAE, {task.mlp.hidden}–{task.sae.latents}–{task.mlp.hidden}"
    if mlp.network is None:
        shape = f"{len(task.data.predictors)}–{mlp.hidden}–{task.data.outputs}"
        at_once = (
            " Each network predicts all responses at once; it learns the mean of their squared errors, each response "
            "standardised, so that all weigh the same."
        )
        return (
            f"{seeds} networks ({shape}), each with a sparse autoencoder ({sae}) on its hidden activations; scores are "
            f"means over seeds.{at_once if task.data.several else ''}"
        )
    return (
        f"The network was not trained here but taken from {Path(mlp.network).name}; {seeds} sparse autoencoders "
        f"({sae}) are fitted on the {mlp.hidden} units of its hidden layer {mlp.layer or 1}."
    )


def describe_parts(data: DataSettings) -> str:
    """By what the rows were parted."""
    fold = f"fold {data.fold} of {data.folds}, " if data.folds else ""
    if data.groups:
        return f"{fold}whole groups of {data.groups}"
    if data.parts == "blocks":
        return f"{fold}blocks of {data.block_days:g} days, drawn with seed {data.block_seed}"
    return fold + ("in time order" if data.time else "rows as they stand")


def _in_order(reason: str) -> tuple[int, str]:
    """Rows read, then those dropped and filled, then the parts."""
    place = {"read": 0} | {part: 2 + k for k, part in enumerate(PARTS)}
    return place.get(reason, 1), reason


def _table(frame: pd.DataFrame) -> list[list[str]]:
    """Header and rows, without the column that repeats the task's title."""
    frame = frame.drop(columns="Task")
    return [list(frame.columns), *frame.astype(str).to_numpy().tolist()]


def describe_source(paths: Paths, data: DataSettings) -> dict[str, Any]:
    """What the table is: `simulated` (so that nobody takes it for measurements), and a sentence.

    data/source.json speaks for data/observations.parquet alone.
    """
    file = paths.data / "source.json"
    ours = paths.root / data.table == paths.observations and file.is_file()
    source: Mapping[str, Any] = read_json(file) if ours else {}
    table = Path(data.table).name
    if source.get("kind") == SIMULATION:
        records = grouped(source["records"])
        sentence = f"{table}: {records} simulated records (seed {source['seed']}); no measurements."
        return {"simulated": True, "sentence": sentence}
    if source.get("kind") == ARCHIVE:
        sentence = f"{table}: {source['name']}, doi {source['doi']}; {source['days_read']} days read."
        if source["simulated"]:
            sentence += " The files themselves are simulated."
        return {"simulated": source["simulated"], "sentence": sentence}
    return {"simulated": False, "sentence": f"{table}: {data.source}." if data.source else f"{table}."}


def verdict(numbers: Numbers, name: str, data: DataSettings, one_network: bool = False) -> list[str]:
    """A sentence for each baseline: whether the networks are better on the test part, by the interval of the gain.

    Of several responses a sentence for each baseline and outcome, with the responses that it holds for.
    """
    score = JUDGED[data.kind]
    who, do, are = ("The network", "does", "is") if one_network else ("The networks", "do", "are")
    sentences = []
    for baseline, called in CALLED[data.kind].items():
        outcomes: dict[str, list[str]] = {}
        for place, response in places(data).items():
            found = number(numbers, f"{name}.train.baselines.{baseline}{place}.{score}")["text"]
            key = f"{name}.train.gain_over.{baseline}{place}.{score}"
            gain, low, high = (number(numbers, f"{key}{end}") for end in ("", ".low", ".high"))
            if low["value"] is None:
                how = "cannot be told, from so few episodes, to do better or worse than"
            elif low["value"] > 0:
                how = f"{do} better than"
            elif high["value"] < 0:
                how = f"{do} worse than"
            else:
                how = f"{are} not distinguishable from"
            one = f"({found}): gain {gain['text']}"
            outcomes.setdefault(how, []).append(f"for {response} {one}" if data.several else one)
        before = "," if data.several and "," in called else ""
        sentences += [f"{who} {how} {called}{before} {'; '.join(of)}." for how, of in outcomes.items()]
    return sentences


def weighted(numbers: Numbers, name: str, task: TaskSettings) -> list[str]:
    """That classes were weighted, and the score that fits that; nothing where they were not."""
    if task.mlp.class_weights is None:
        return []
    weights = ", ".join(f"{c} {number(numbers, f'{name}.train.class_weights.{c}')['text']}" for c in task.data.classes)
    own = number(numbers, f"{name}.train.skill.test.balanced_accuracy")["text"]
    others = [
        f"{called.partition(',')[0]} {number(numbers, f'{name}.train.baselines.{baseline}.balanced_accuracy')['text']}"
        for baseline, called in CALLED["classification"].items()
    ]
    return [
        f"In training the classes were weighted ({weights}); scores and the other forecasts are not. On "
        f"test rows the networks reach a balanced accuracy of {own}, {', '.join(others)}."
    ]


def reduction_sentences(numbers: Numbers, name: str, headline: str) -> list[str]:
    """What the SAEs do to the number of sensitive inputs, by the study's count and of all living units."""
    sentences = []
    for counted, words in (("published", "By the study's count"), ("living", "Counting every living unit")):
        change = f"{name}.interpret.variants.{{}}.reduction.{counted}"
        fitted, untrained = (number(numbers, change.format(which)) for which in (headline, "untrained"))
        sentences.append(
            f"{words}, the mean number of sensitive inputs falls by {fitted['text']} from hidden units to latents; to "
            f"latents of SAEs that were never trained, by {untrained['text']}."
        )
    return [*sentences, "A negative fall is a rise."]
