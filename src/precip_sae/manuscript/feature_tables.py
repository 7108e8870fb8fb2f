"""The tables on features: do latents hold up beside their controls, and which families of them return."""

from collections.abc import Mapping, Sequence

import pandas as pd

from precip_sae.figures.names import level_of
from precip_sae.manuscript.numbers import number
from precip_sae.manuscript.tables import Numbers, interval, text_of
from precip_sae.settings import TaskSettings

# By the names of `interpretation.stability` and `interpretation.causes`, whose imports take seconds.
KIND_NAMES = {
    "latents": "SAE latents",
    "hidden": "hidden units",
    "untrained": "latents of untrained SAEs",
    "random": "random directions",
    "shifted": "latents, shifted in time",
    "principal": "principal directions",
}

# What is told of a family; where none returns, the table has its head.
FAMILY = (
    "Task", "Family", "Reading", "Seeds", "Active", "Turns at", "95 %, storms", "Moved by ablation", "Carries",
)  # fmt: skip


def features(numbers: Numbers, tasks: Mapping[str, TaskSettings], asked: Sequence[str]) -> pd.DataFrame:
    """Of every kind of unit: partners in other seeds, families that return, effect of ablating one.

    Args:
        asked: the tasks whose latents were asked whether they hold up.
    """
    rows = []
    for name in asked:
        latents = f"{name}.stability.kinds.latents.above_"
        levels = sorted({key.split(".")[4] for key in numbers if key.startswith(latents)}, key=level_of)
        for kind, shown in KIND_NAMES.items():
            matched, changed = f"{name}.stability.kinds.{kind}", f"{name}.causes.kinds.{kind}"
            row = {"Task": tasks[name].title, "Units": shown}
            for level in levels:
                heading = f"r > {level_of(level):g}"
                key = f"{matched}.{level}.partner"
                row[f"Partner, {heading}"] = text_of(numbers, f"{key}.mean")
                row[f"95 %, seeds, {heading}"] = interval(numbers, key) if f"{key}.low" in numbers else "–"
            row["Families"] = text_of(numbers, f"{matched}.families")
            row["Living units in them"] = text_of(numbers, f"{matched}.covered")
            row["Moved by ablation"] = text_of(numbers, f"{changed}.size.mean")
            row["Tied to one input"] = text_of(numbers, f"{changed}.tied.mean")
            rows.append(row)
    return pd.DataFrame(rows)


def families(numbers: Numbers, tasks: Mapping[str, TaskSettings], asked: Sequence[str]) -> pd.DataFrame:
    """One row per family that has a card: name, reading, stability, turn, effect, and what it carries."""
    rows = []
    for name in asked:
        number_of = 1
        while f"{name}.cards.family_{number_of}.name" in numbers:
            key = f"{name}.cards.family_{number_of}"
            turn = f"{key}.threshold.turn"
            told = (
                tasks[name].title,
                number(numbers, f"{key}.name")["text"],
                number(numbers, f"{key}.reading.kind")["text"],
                number(numbers, f"{key}.stability.share_of_seeds")["text"],
                number(numbers, f"{key}.active_share.mean")["text"],
                number(numbers, f"{turn}.mean")["text"],
                interval(numbers, turn) if text_of(numbers, f"{turn}.low") != "–" else "–",
                number(numbers, f"{key}.ablation.size.mean")["text"],
                text_of(numbers, f"{key}.steering.carried.mean"),
            )
            rows.append(dict(zip(FAMILY, told, strict=True)))
            number_of += 1
    return pd.DataFrame(rows, columns=list(FAMILY))
