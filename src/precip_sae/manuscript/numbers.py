"""Every number of the manuscript: gathered from the results of the stages, formatted once, asked for by key.

`numbers.json` maps a key such as `classifier.interpret.variants.keras3.reduction.published` to
`{"value": 0.33, "text": "33.0 % (95 % interval 28.1 to 37.9 %)"}`. The manuscript prints `text`; an unknown key
does not compile.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from precip_sae.errors import ManuscriptError, closest
from precip_sae.files import read_json
from precip_sae.paths import Paths

MINUS = "\u2212"
THIN = "\u202f"

# How the values below a word of the key are written: percentages, or so many decimals and a unit.
PERCENT = frozenset(
    {"accuracy", "balanced_accuracy", "reduction", "r2", "fvu", "share", "monosemantic", "single_model", "best_of"},
)
POINTS = frozenset(
    {"beyond_untrained", "selection_bias", "spread_between", "accuracy_gain"}
)  # differences of shares, in percentage points
DECIMALS = {
    "cross_entropy": 4,
    "sensitive": 2,
    "strongest": 2,
    "active_per_row": 2,
    "dead": 1,
    "insensitive": 1,
    "epochs": 1,
    "loss": 3,
    "threshold": 1,
    "rank_correlation": 2,
}
# In the unit of anybody's response, or its square: three digits, wherever they are.
SIGNIFICANT = frozenset({"mse", "mae", "mse_gain"})
SPREAD = {"mean", "sd", "low", "high", "least", "most", "n", "undefined"}


def signed(text: str) -> str:
    """A number with a typographic minus sign."""
    return text.replace("-", MINUS)


def grouped(value: int) -> str:
    """A whole number with thin spaces between thousands: 46 000; four digits stay together."""
    return signed(f"{value:,}".replace(",", THIN) if abs(value) >= 10_000 else str(value))


def significant(value: float, digits: int = 4) -> str:
    """Few significant digits and no exponent: 271.2, 0.8386, 25 640, 0.000012."""
    rounded = float(f"{value:.{digits}g}")
    if abs(rounded) >= 10 ** (digits - 1):
        return grouped(int(rounded))
    return signed(f"{Decimal(f'{rounded:.{digits}g}'):f}")


def text_of(words: Sequence[str], value: float | int | str | None) -> str:
    """How one value is written, by the words of its key.

    Args:
        words: the key's parts, for example ["classifier", "train", "skill", "test", "accuracy", "mean"].
        value: the number; None (not defined) is written as a dash.
    """
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "–"
    if isinstance(value, str):
        return value
    if isinstance(value, int):
        return grouped(value)
    words = [w for w in words if w not in SPREAD]
    if PERCENT & set(words):
        return signed(f"{100 * value:.1f}{THIN}%")
    if POINTS & set(words):
        return signed(f"{100 * value:.1f}{THIN}points")
    if SIGNIFICANT & set(words):
        return significant(value, 3)
    for word in reversed(words):
        if word in DECIMALS:
            return signed(f"{value:.{DECIMALS[word]}f}")
    return significant(value)


def spread_text(words: Sequence[str], spread: Mapping[str, Any]) -> str:
    """A mean with its 95 % interval: 0.42 (95 % interval 0.40 to 0.44)."""
    mean = text_of(words, spread["mean"])
    if spread["low"] is None:
        return mean
    low, high = text_of(words, spread["low"]), text_of(words, spread["high"])
    unit = f"{THIN}{high.rpartition(THIN)[2]}" if THIN in high else ""
    return f"{mean} (95{THIN}% interval {low.removesuffix(unit)} to {high})"


def flatten(value: Any, words: Sequence[str] = ()) -> Iterator[tuple[str, dict[str, Any]]]:
    """Keys and numbers of a nested result; a spread over seeds is also a number of its own."""
    key = ".".join(words)
    if isinstance(value, Mapping):
        if set(value) >= SPREAD:
            yield key, {"value": _rounded(value["mean"]), "text": spread_text(words, value)}
        for name in sorted(value):
            yield from flatten(value[name], [*words, name])
    elif isinstance(value, list):
        if all(isinstance(item, str) for item in value):
            yield key, {"value": value, "text": ", ".join(value)}
    else:
        yield key, {"value": _rounded(value), "text": text_of(words, value)}


def _rounded(value: Any) -> Any:
    """Six significant digits: what a reader can compare, and less than differs between processors."""
    return float(f"{value:.6g}") if isinstance(value, float) else value


def collect(paths: Paths, tasks: Sequence[str], searched: Sequence[str] = ()) -> dict[str, dict[str, Any]]:
    """All numbers of the results folder.

    Args:
        tasks: every task; searched: those of which all input subsets were tried.

    Raises:
        ManuscriptError: a stage's results are missing.
    """
    numbers = dict(flatten(_results(paths.results / "observe.json"), ["observe"]))
    for task in tasks:
        numbers |= task_numbers(paths, task)
    for task in searched:
        numbers |= dict(flatten(_results(paths.task_results(task) / "search.json"), [task, "search"]))
    numbers["searched"] = {"value": list(searched), "text": ", ".join(searched)}
    numbers["tasks"] = {"value": list(tasks), "text": ", ".join(tasks)}
    return numbers


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
