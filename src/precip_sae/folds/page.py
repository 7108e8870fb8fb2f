"""The one page of a cross-validated task: all folds pooled, and what its intervals are over."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from precip_sae.figures import folds as draw
from precip_sae.figures import skill as draw_skill
from precip_sae.figures.names import names, unit
from precip_sae.figures.style import save
from precip_sae.files import write_json, write_parquet
from precip_sae.folds.pool import POOLED, AllRows, Fold, measured, pooled_measures, pooled_rows, pooled_skill
from precip_sae.interpretation.measures import MEASURES, THRESHOLD
from precip_sae.interpretation.units import UNTRAINED
from precip_sae.manuscript.compile import compile_pdf
from precip_sae.manuscript.numbers import flatten, number
from precip_sae.manuscript.report import describe_models, describe_source, verdict, weighted
from precip_sae.manuscript.tables import BASELINES, SCORES, Numbers, column_name, interval, places
from precip_sae.models.class_weights import class_weights
from precip_sae.models.skill import confusion
from precip_sae.paths import Paths
from precip_sae.quantities import grouped, quantity, written
from precip_sae.settings import DataSettings, TaskSettings
from precip_sae.tasks.parts import NETWORK_SHARE, PARTS, SAE_SHARE, VALIDATION_SHARE


def write_pooled(
    paths: Paths, name: str, task: TaskSettings, folds: Sequence[Fold], frame: pd.DataFrame, first: Paths
) -> Path:
    """Pools the folds: results/NAME/folds.json and .parquet, figures, and the page paper/reports/NAME.pdf.

    Args:
        paths: the folder of the whole task, which holds paper/folds.typ; first: that of its first fold, whose
            data/source.json says what the table is.
        folds: all of them, in order; frame: the table that they were made from.

    Returns:
        The page.

    Raises:
        ManuscriptError: the template does not compile.
    """
    headline = task.sae.l1_conventions[0]
    all_rows, table = pooled_rows(folds, frame), measured(folds, task.seeds)
    results = pooled_skill(all_rows, task.data) | {
        "folds": len(folds),
        "seeds": len(task.seeds),
        "tested": len(all_rows.fold),
        "measures": pooled_measures(table, headline),
    }
    if task.mlp.class_weights is not None:
        found = [class_weights(task.mlp, fold.prepared.train, task.data.outputs) for fold in folds]
        means = np.mean([weights for weights in found if weights is not None], axis=0)
        results["class_weights"] = {c: quantity(float(w), ".3g") for c, w in zip(task.data.classes, means, strict=True)}
    write_json(paths.task_results(name) / "folds.json", results)
    write_parquet(paths.task_results(name) / "folds.parquet", table)
    figures = paths.task_figures(name)
    save(_skill_figure(all_rows, task.data), figures / "skill")
    save(draw.reductions(table, headline, {m: MEASURES[m].title for m in POOLED}), figures / "reductions")
    counts = folds[0].prepared.counts
    page = contents(results, name, task, counts, describe_source(first, task.data), all_rows.episodes.name)
    reports = paths.paper / "reports"
    write_json(reports / f"{name}.json", page)
    pdf = reports / f"{name}.pdf"
    compile_pdf(paths.paper / "folds.typ", pdf, paths.root, {"task": name})
    return pdf


def _skill_figure(all_rows: AllRows, data: DataSettings) -> Any:
    if data.kind == "classification":
        rows = confusion(all_rows.predicted, all_rows.observed)
        return draw_skill.confusion(rows, data.classes, len(all_rows.predicted))
    mean = all_rows.predicted.mean(axis=0, dtype=np.float64)
    return draw_skill.predicted_observed(
        all_rows.observed, mean, names(data, data.responses), [unit(data, name) for name in data.responses]
    )


def contents(
    results: Mapping[str, Any],
    name: str,
    task: TaskSettings,
    counts: Mapping[str, int],
    source: Mapping[str, Any],
    episodes: str,
) -> dict[str, Any]:
    """Everything that the page says; text ready to print.

    Args:
        results: see `write_pooled`; counts: of the rows of a fold, see `Prepared.counts`.
        source: see `report.describe_source`; episodes: what the interval of a gain is over.
    """
    # the same keys as a task's own, so that the same sentences are made of them
    numbers: Numbers = dict(flatten(results, [name, "train"]))
    data = task.data
    called = [column_name(data, response) for response in data.responses]
    read = {reason: rows for reason, rows in counts.items() if reason not in PARTS}
    return {
        "title": task.title,
        "source": dict(source),
        "response": called if data.several else called[0],
        "inputs": [f"{data.transforms.get(c, '')} {column_name(data, c)}".strip() for c in data.predictors],
        "classes": data.classes,
        "folds": describe_folds(data, len(task.seeds)),
        "rows": [*([reason, grouped(rows)] for reason, rows in read.items()), ["tested", grouped(results["tested"])]],
        "models": describe_models(task, f"In each fold {len(task.seeds)}"),
        "verdict": [*verdict(numbers, name, data), *weighted(numbers, name, task)],
        "skill": skill_table(numbers, f"{name}.train", data),
        "intervals": describe_intervals(episodes),
        "reduction": reduction_sentence(numbers, f"{name}.train.measures", task.sae.l1_conventions[0]),
        "measures": measure_table(numbers, f"{name}.train.measures", task.sae.l1_conventions[0]),
    }


def describe_folds(data: DataSettings, seeds: int) -> str:
    """How the rows were cut."""
    if data.groups:
        what = f"Whole groups of {data.groups}"
    elif data.parts == "blocks":
        what = f"Blocks of {data.block_days:g} days, drawn with seed {data.block_seed},"
    else:
        what = f"The rows, {'in time order' if data.time else 'as they stand'},"
    others = NETWORK_SHARE + SAE_SHARE
    train, validation = (NETWORK_SHARE * share / others for share in (1 - VALIDATION_SHARE, VALIDATION_SHARE))
    return (
        f"{what} are cut into {data.folds} sets. Each is the test part of one fold, whose {seeds} networks and SAEs "
        f"learn from the other sets ({100 * train:.0f} % of their rows train networks, {100 * validation:.0f} % "
        f"validate them, {100 * SAE_SHARE / others:.0f} % train SAEs)."
    )


def describe_intervals(episodes: str) -> str:
    """What the page's intervals are over."""
    return (
        "Every row is tested once, by networks that did not learn from it. Intervals of scores are over seeds; those "
        f"of gains are over {episodes} of all rows; those of inputs per unit are over seeds, each seed's folds "
        "averaged. No interval is over folds: they share most of their training rows and are no independent "
        "repetitions, so the least and the largest value of a fold are given instead."
    )


def reduction_sentence(numbers: Numbers, key: str, headline: str) -> str:
    """What the SAEs do to the number of sensitive inputs, by the study's count."""
    fitted, untrained = (number(numbers, f"{key}.published.reduction.{v}")["text"] for v in (headline, UNTRAINED))
    beyond = number(numbers, f"{key}.published.beyond_untrained")["text"]
    return (
        f"By the study's count, the mean number of sensitive inputs (|r| above {THRESHOLD:g}) falls by {fitted} from "
        f"hidden units to latents; to latents of SAEs that were never trained, by {untrained}: training adds {beyond}. "
        "A negative fall is a rise."
    )


def skill_table(numbers: Numbers, key: str, data: DataSettings) -> list[list[str]]:
    """Scores of all rows beside those without a network, header first; of several responses a row for each."""
    several = ["Response"] if data.several else []
    rows = [[*several, "Score", "All rows", "95 %, seeds", "Folds, least to largest", *BASELINES.values()]]
    for place, response in places(data).items():
        for score, shown in SCORES[data.kind].items():
            found = f"{key}.skill.test{place}.{score}"
            others = [number(numbers, f"{key}.baselines.{baseline}{place}.{score}")["text"] for baseline in BASELINES]
            own, over_folds = number(numbers, f"{found}.mean")["text"], f"{key}.by_fold{place}.{score}"
            called = [response] if data.several else []
            rows.append([*called, shown, own, interval(numbers, found), _range(numbers, over_folds), *others])
    return rows


def measure_table(numbers: Numbers, key: str, headline: str) -> list[list[str]]:
    """Inputs per unit and their reduction by every measure, header first."""
    rows = [
        ["Measure", "MLP", "SAE", "Reduction", "95 %, seeds", "Folds", "Untrained", "Beyond untrained", "95 %, seeds",
         "Folds"]
    ]  # fmt: skip
    for name in POOLED:
        one = f"{key}.{name}"

        def text(place: str, one: str = one) -> str:
            return number(numbers, f"{one}.{place}.mean")["text"]

        fall, beyond = f"reduction.{headline}", "beyond_untrained"
        rows.append(
            [MEASURES[name].title, text("value.mlp"), text(f"value.{headline}"), text(fall),
             interval(numbers, f"{one}.{fall}"), _range(numbers, f"{one}.by_fold.{headline}"),
             text(f"reduction.{UNTRAINED}"), text(beyond), interval(numbers, f"{one}.{beyond}"),
             _range(numbers, f"{one}.beyond_by_fold")]
        )  # fmt: skip
    return rows


def _range(numbers: Numbers, key: str) -> str:
    """`least to most` of the folds, without the unit twice."""
    least, most = (number(numbers, f"{key}.{end}") for end in ("least", "most"))
    if least["text"] == most["text"]:
        return least["text"]
    return f"{written(least['value'], least['form'])[0]} to {most['text']}"
