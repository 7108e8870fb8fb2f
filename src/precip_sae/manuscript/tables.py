"""The tables of the manuscript, as text: CSV for the PDF and for readers, LaTeX for a journal."""

import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from precip_sae.figures.names import unit, with_unit
from precip_sae.files import write_text
from precip_sae.interpretation.sensitivity import COUNTED, PUBLISHED_REDUCTION
from precip_sae.manuscript.numbers import number
from precip_sae.observations.schema import BY_NAME
from precip_sae.paths import Paths
from precip_sae.quantities import signed, telling_apart, write, written
from precip_sae.settings import DataSettings, TaskSettings

Numbers = Mapping[str, dict[str, Any]]

VARIANT_NAMES = {
    "keras3": "summed penalty",
    "batch_mean": "averaged penalty",
    "untrained": "untrained",
}
SCORES = {
    "classification": {"accuracy": "Accuracy", "balanced_accuracy": "Balanced accuracy", "cross_entropy": "Loss"},
    "regression": {"mse": "MSE", "mae": "MAE", "r2": "R²"},
}
# Forecasts without a network; see `models.skill.baselines`.
BASELINES = {"climatology": "Climatology", "threshold": "One threshold", "linear": "Linear"}


def variables(numbers: Numbers) -> pd.DataFrame:
    """Name, unit, meaning, mean and spread of every numeric column of the observations."""
    rows = []
    for name, column in BY_NAME.items():
        if f"observe.variables.{name}.mean" not in numbers:
            continue
        rows.append(
            {
                "Variable": name,
                "Unit": column.unit or "–",
                "Meaning": column.meaning,
                "Mean": number(numbers, f"observe.variables.{name}.mean")["text"],
                "SD": number(numbers, f"observe.variables.{name}.sd")["text"],
                "Missing": number(numbers, f"observe.variables.{name}.missing.share")["text"],
            }
        )
    return pd.DataFrame(rows)


def settings(tasks: Mapping[str, TaskSettings]) -> pd.DataFrame:
    """What each task predicts from what, and how its networks and SAEs are trained; one column per task."""
    columns = {}
    for name, task in tasks.items():
        mlp, sae, data = task.mlp, task.sae, task.data
        columns[name] = {
            "Response": ", ".join(data.responses),
            "Inputs": ", ".join(f"{data.transforms.get(p, '')} {p}".strip() for p in data.predictors),
            "Network": f"{len(data.predictors)}–{mlp.hidden}–{data.outputs}",
            "Network training": f"{mlp.epochs} epochs, batch {mlp.batch}, step {mlp.learning_rate:g}"
            if mlp.network is None
            else f"none: {mlp.network}",
            "SAE": f"{mlp.hidden}–{sae.latents}–{mlp.hidden}",
            "SAE training": f"{'up to ' if sae.patience else ''}{sae.epochs} epochs, batch {sae.batch}, "
            f"step {sae.learning_rate:g}",
            "Early stopping": f"patience {sae.patience}" if sae.patience else "none",
            "L1 weight": f"{sae.l1:g}",
            "Seeds": str(len(task.seeds)),
        }
    return pd.DataFrame(columns).rename_axis("Setting").reset_index()


def skill(numbers: Numbers, tasks: Mapping[str, TaskSettings]) -> pd.DataFrame:
    """Scores of every task on every part, mean and 95 % interval over seeds, beside those without a network.

    Where a task has several responses, there is a row for each, and a column that names it.
    """
    named = any(task.data.several for task in tasks.values())
    rows = []
    for name, task in tasks.items():
        for place, response in places(task.data).items():
            for score, shown in SCORES[task.data.kind].items():
                row = {"Task": task.title} | ({"Response": response} if named else {}) | {"Score": shown}
                for part in ("train", "validation", "test"):
                    row[part.capitalize()] = number(numbers, f"{name}.train.skill.{part}{place}.{score}.mean")["text"]
                row["Test, 95 %, seeds"] = interval(numbers, f"{name}.train.skill.test{place}.{score}")
                for baseline, heading in BASELINES.items():
                    row[heading] = number(numbers, f"{name}.train.baselines.{baseline}{place}.{score}")["text"]
                rows.append(row)
    return pd.DataFrame(rows)


def places(data: DataSettings) -> dict[str, str]:
    """Where the scores of each response stand in the results, and what it is called: `.Sr` of several, else nothing."""
    called = {name: column_name(data, name) for name in data.responses}
    return {f".{name}": shown for name, shown in called.items()} if data.several else {"": called[data.responses[0]]}


def column_name(data: DataSettings, column: str) -> str:
    """A column's name with its unit, and without the symbols of figures, which are TeX."""
    return with_unit(data.names.get(column, column), unit(data, column))


def reductions(numbers: Numbers, tasks: Mapping[str, TaskSettings]) -> pd.DataFrame:
    """Sensitive inputs per unit before and after, and the reduction, by task, SAE and way of counting."""
    rows = []
    for name, task in tasks.items():
        for variant in [*task.sae.l1_conventions, "untrained"]:
            for counted in COUNTED:
                key = f"{name}.interpret.variants"
                change = f"{key}.{variant}.reduction.{counted}"
                rows.append(
                    {
                        "Task": task.title,
                        "Latents": VARIANT_NAMES[variant],
                        "Units counted": counted,
                        "MLP": number(numbers, f"{key}.mlp.sensitive.{counted}.mean")["text"],
                        "SAE": number(numbers, f"{key}.{variant}.sensitive.{counted}.mean")["text"],
                        "Reduction": number(numbers, f"{change}.mean")["text"],
                        "95 %, seeds": interval(numbers, change),
                        "Seeds": number(numbers, f"{change}.n")["text"],
                        "Published": write(PUBLISHED_REDUCTION, ".0%") if counted == "published" else "–",
                    }
                )
    return pd.DataFrame(rows)


def headline(numbers: Numbers, tasks: Mapping[str, TaskSettings], searched: Sequence[str]) -> pd.DataFrame:
    """The reduction in the searched tasks by two ways of counting, beside the control and all subsets of inputs."""
    columns = {}
    for name in searched:
        for counted, words in (("published", "study's count"), ("living", "all living units")):
            key, search = f"{name}.interpret.variants", f"{name}.search.counted.{counted}"
            first = tasks[name].sae.l1_conventions[0]
            trained = f"{key}.{first}.reduction.{counted}"
            column = {
                "Sensitive inputs per hidden unit": text_of(numbers, f"{key}.mlp.sensitive.{counted}.mean"),
                "Sensitive inputs per SAE latent": text_of(numbers, f"{key}.{first}.sensitive.{counted}.mean"),
                "Reduction": with_interval(numbers, trained),
                "Lowest and highest seed of these": ", ".join(
                    text_of(numbers, f"{trained}.{end}") for end in ("least", "most")
                ),
            }
            for other in tasks[name].sae.l1_conventions[1:]:
                column[f"Reduction, {VARIANT_NAMES[other]}"] = with_interval(
                    numbers, f"{key}.{other}.reduction.{counted}"
                )
            columns[f"{tasks[name].title}, {words}"] = column | {
                "Reduction, untrained SAEs": with_interval(numbers, f"{key}.untrained.reduction.{counted}"),
                "Trained less untrained": with_interval(numbers, f"{key}.{first}.beyond_untrained.{counted}"),
                "All subsets: reduction": with_interval(numbers, f"{search}.reduction"),
                "All subsets: trained less untrained": with_interval(numbers, f"{search}.beyond_untrained"),
                "All subsets: SD between subsets": text_of(numbers, f"{search}.spread_between.subsets"),
                "All subsets: SD within a subset": text_of(numbers, f"{search}.spread_between.one_subset"),
                "Largest of drawn subsets, expected": text_of(numbers, f"{search}.best_of.expected"),
            }
    return pd.DataFrame(columns).rename_axis("Quantity").reset_index()


def notable_subsets(numbers: Numbers, tasks: Mapping[str, TaskSettings], searched: Sequence[str]) -> pd.DataFrame:
    """The subsets with the largest, the median and the smallest mean reduction by the study's measure."""
    rows = []
    for name in searched:
        for which in ("best", "typical", "worst"):
            key = f"{name}.search.counted.published.{which}"
            if f"{key}.inputs" in numbers:
                rows.append(
                    {
                        "Task": tasks[name].title,
                        "Subset": which,
                        "Inputs": number(numbers, f"{key}.inputs")["text"],
                        "Reduction": number(numbers, f"{key}.reduction")["text"],
                    }
                )
    return pd.DataFrame(rows)


def quality(numbers: Numbers, tasks: Mapping[str, TaskSettings]) -> pd.DataFrame:
    """How well and how sparsely every kind of SAE reconstructs the activations of the test part."""
    rows = []
    for name, task in tasks.items():
        for convention in task.sae.l1_conventions:
            variant = f"{name}.interpret.variants.{convention}"
            rows.append(
                {
                    "Task": task.title,
                    "Latents": VARIANT_NAMES[convention],
                    "FVU": number(numbers, f"{name}.fit.{convention}.fvu.mean")["text"],
                    "Active per row": number(numbers, f"{variant}.active_per_row.mean")["text"],
                    "One input": number(numbers, f"{variant}.monosemantic.mean")["text"],
                    "Dead": number(numbers, f"{variant}.dead.mean")["text"],
                    "Alive, insensitive": number(numbers, f"{variant}.insensitive.mean")["text"],
                    "Of": number(numbers, f"{variant}.units")["text"],
                    "Epochs": number(numbers, f"{name}.fit.{convention}.epochs.mean")["text"],
                }
            )
    return pd.DataFrame(rows)


def saes(numbers: Numbers, tasks: Mapping[str, TaskSettings]) -> pd.DataFrame:
    """Every kind of SAE of every task: reduction by three ways of counting, reconstruction, and what latents do."""
    rows = []
    for name, task in tasks.items():
        for variant in [*task.sae.l1_conventions, "untrained"]:
            key = f"{name}.interpret.variants.{variant}"
            rows.append(
                {
                    "Task": task.title,
                    "SAE": VARIANT_NAMES[variant],
                    "Study's count": with_interval(numbers, f"{key}.reduction.published"),
                    "Living units": with_interval(numbers, f"{key}.reduction.living"),
                    "Every unit": text_of(numbers, f"{key}.reduction.every.mean"),
                    "FVU": text_of(numbers, f"{name}.fit.{variant}.fvu.mean"),
                    "Active": text_of(numbers, f"{key}.active_per_row.mean"),
                    "One input": text_of(numbers, f"{key}.monosemantic.mean"),
                    "No input": text_of(numbers, f"{key}.insensitive.mean"),
                    "Dead": text_of(numbers, f"{key}.dead.mean"),
                    "Of": text_of(numbers, f"{key}.units"),
                }
            )
    return pd.DataFrame(rows)


def fidelity(compared: pd.DataFrame) -> pd.DataFrame:
    """The table of observations beside what is published: statistics of the real one, and networks trained on it.

    The verdict on a statistic beyond the standard stands in brackets.

    Args:
        compared: rows of `observations.fidelity.compare` and `observations.standards.compare`.
    """
    ours = "simulated" if "simulated" in compared else "observed"
    verdicts = compared["verdict"]
    return pd.DataFrame(
        {
            "Statistic": compared["statistic"],
            "Published": [signed(f"{value:.4g}") for value in compared["published"]],
            ours.capitalize(): ["–" if pd.isna(value) else signed(f"{value:.4g}") for value in compared[ours]],
            "Difference": ["–" if pd.isna(value) else signed(f"{value:.2g}") for value in compared["difference"]],
            "Tolerance": [f"±{value:.2g}" for value in compared["tolerance"]],
            "Verdict": verdicts.where(compared["required"], "(" + verdicts + ")"),
        }
    )


def beside_published(paths: Paths, held: Sequence[str]) -> pd.DataFrame:
    """Every published statistic, and the standards of every task that is held to a published network."""
    files = [paths.results / "fidelity.csv", *(paths.task_results(task) / "standards.csv" for task in held)]
    found = [pd.read_csv(file) for file in files]
    return pd.concat([frame for frame in found if len(frame)], ignore_index=True)


def reductions_by_seed(paths: Paths, tasks: Mapping[str, TaskSettings]) -> pd.DataFrame:
    """One row per task, variant, way of counting and seed: columns task, variant, counted, seed, reduction."""
    frames = []
    for name, task in tasks.items():
        frame = pd.read_parquet(paths.task_results(name) / "reductions.parquet")
        frames.append(frame[frame["variant"] != "mlp"].assign(task=task.title))
    return pd.concat(frames, ignore_index=True)


def all_tables(
    numbers: Numbers,
    tasks: Mapping[str, TaskSettings],
    paths: Paths,
    searched: Sequence[str] = (),
    held: Sequence[str] = (),
    featured: Sequence[str] = (),
) -> dict[str, pd.DataFrame]:
    """Every table of the manuscript by name; those of the search and of features only where a task was asked.

    Args:
        searched: tasks of which all input subsets were tried; held: those that a published network is a standard for;
            featured: those whose latents were asked whether they hold up.
    """
    from precip_sae.manuscript import feature_tables

    made = {
        "variables": variables(numbers),
        "settings": settings(tasks),
        "skill": skill(numbers, tasks),
        "saes": saes(numbers, tasks),
        "fidelity": fidelity(beside_published(paths, held)),
    }
    if searched:
        made |= {
            "headline": headline(numbers, tasks, searched),
            "subsets": notable_subsets(numbers, tasks, searched),
        }
    if featured:
        made |= {
            "features": feature_tables.features(numbers, tasks, featured),
            "families": feature_tables.families(numbers, tasks, featured),
        }
    return made


def interval(numbers: Numbers, key: str) -> str:
    """`low to high` of a spread, with as many digits as tell them apart; a dash where there is no interval."""
    low, high = (number(numbers, f"{key}.{end}") for end in ("low", "high"))
    if low["value"] is None and high["value"] is None:
        return low["text"]
    if "form" not in low or "form" not in high:
        return f"{low['text']} to {high['text']}"
    form = telling_apart(low["value"], high["value"], low["form"])
    return f"{written(low['value'], form)[0]} to {write(high['value'], form)}"


def with_interval(numbers: Numbers, key: str) -> str:
    """`17.5 % (15.2 to 19.8)`: a mean and its interval; the mean alone, or a dash, where there is no more."""
    mean = text_of(numbers, f"{key}.mean")
    low, high = (numbers.get(f"{key}.{end}", {}) for end in ("low", "high"))
    if low.get("value") is None or high.get("value") is None:
        return mean
    form = telling_apart(low["value"], high["value"], low["form"])
    return f"{mean} ({written(low['value'], form)[0]} to {written(high['value'], form)[0]})"


def text_of(numbers: Numbers, key: str) -> str:
    """The number's text, a dash where there is none: not every task was asked every question."""
    return str(numbers[key]["text"]) if key in numbers else "–"


def write_tables(paths: Paths, tables: Mapping[str, pd.DataFrame]) -> None:
    """Writes paper/tables/NAME.csv and NAME.tex for every table."""
    for name, table in tables.items():
        for suffix, text in as_text(table).items():
            write_text(paths.tables / f"{name}{suffix}", text)


def as_text(table: pd.DataFrame) -> dict[str, str]:
    """A table by the suffix of its file: `.csv` and `.tex`."""
    return {
        ".csv": table.to_csv(index=False, lineterminator="\n"),
        ".tex": latex(table.columns, table.to_numpy().tolist()),
    }


def latex(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A booktabs table."""
    body = [" & ".join(_escaped(cell) for cell in row) + r" \\" for row in rows]
    head = " & ".join(_escaped(name) for name in columns) + r" \\"
    lines = [rf"\begin{{tabular}}{{{'l' * len(columns)}}}", r"\toprule", head, r"\midrule", *body]
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}"]) + "\n"


_LATEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "_": r"\_", "#": r"\#", "$": r"\$", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "\u2212": "$-$", "\u202f": r"\,", "–": "--", "²": "$^2$",
    "[": "{[}", "]": "{]}",  # behind the end of a row a bracket would begin an argument
}  # fmt: skip


def _escaped(cell: str) -> str:
    # marks of direction and the like have no form in print, and pdfLaTeX refuses them
    shown = (c for c in str(cell) if unicodedata.category(c) not in ("Cc", "Cf"))
    return "".join(_LATEX.get(character, character) for character in shown)
