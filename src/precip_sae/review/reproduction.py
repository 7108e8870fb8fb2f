"""Whether this machine got what another run got: claim by claim, in three tiers.

*Same bytes*: the file of results that a claim's number comes from is the same. *Same numbers*: what the claim is judged
by agrees within its tolerance. *Same conclusion*: the claim passes or fails as it did. Each claim says which tier it
has to reach at least; below it, this run departs.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from precip_sae.manuscript.claims import NOT_TESTED, Claim, Ledger, judge, judged_values
from precip_sae.quantities import write
from precip_sae.review.reference import Run

BYTES, NUMBERS, CONCLUSION, DEPARTS, NOTHING = "bytes", "numbers", "conclusion", "departs", "not tested"
# Outputs that are kept in git, so that every run has them.
IN_GIT = ("figures/", "paper/tables/", "paper/reports/")
# From the strictest on.
TIERS = (BYTES, NUMBERS, CONCLUSION, DEPARTS)


@dataclass(frozen=True)
class Line:
    """One claim, judged and compared.

    Attributes:
        claim: as `claims.judge` gives it.
        then: the number of the other run, as text; None where there is no other run, or no such number in it.
        reached: one of TIERS, or NOTHING where there is nothing to compare.
        as_promised: whether `reached` is at least the claim's own tier.
    """

    claim: dict[str, Any]
    then: str | None
    reached: str
    as_promised: bool


def results_file(key: str, outputs: Mapping[str, str]) -> str | None:
    """The file of results that a number comes from; None for settings and what is published."""
    words = key.split(".")
    candidates = (f"results/{'/'.join(words[:count])}.json" for count in range(len(words), 0, -1))
    return next((name for name in candidates if name in outputs), None)


def compare(ledger: Ledger, numbers: Mapping[str, dict[str, Any]], now: Run, then: Run | None) -> list[Line]:
    """Every claim of the ledger: does it hold here, and which tier did this run reach.

    Args:
        numbers: of this run, with text and form.
        then: the run that this one is held to; None where there is none.
    """
    return [_line(claim, ledger, numbers, now, then) for claim in ledger.claims]


def _line(claim: Claim, ledger: Ledger, numbers: Mapping[str, dict[str, Any]], now: Run, then: Run | None) -> Line:
    judged = judge(claim, numbers)
    if judged["verdict"] == NOT_TESTED or then is None or claim.metric is None:
        return Line(judged, None, NOTHING, True)
    before = _entries(then, numbers)
    needed = [claim.metric] + [key for key in (claim.at_least, claim.at_most) if isinstance(key, str)]
    if any(key not in before for key in needed):
        return Line(judged, None, NOTHING, True)
    reached = _reached(claim, ledger.tolerances[claim.tolerance].absolute, numbers, before, now, then)
    return Line(judged, _text(claim.metric, before), reached, TIERS.index(reached) <= TIERS.index(claim.tier))


def _reached(
    claim: Claim,
    tolerance: float,
    numbers: Mapping[str, dict[str, Any]],
    before: Mapping[str, dict[str, Any]],
    now: Run,
    then: Run,
) -> str:
    values = [*judged_values(claim, numbers), numbers[str(claim.metric)]["value"]]
    earlier = [*judged_values(claim, before), before[str(claim.metric)]["value"]]
    file = results_file(str(claim.metric), then.outputs)
    if values == earlier and (file is None or now.outputs.get(file) == then.outputs[file]):
        return BYTES
    if all(_close(a, b, tolerance) for a, b in zip(values, earlier, strict=True)):
        return NUMBERS
    return CONCLUSION if judge(claim, numbers)["verdict"] == judge(claim, before)["verdict"] else DEPARTS


def _close(a: Any, b: Any, tolerance: float) -> bool:
    if isinstance(a, (int, float)) and isinstance(b, (int, float)):
        # six digits are kept of every number, and a last one may round either way
        return abs(a - b) <= tolerance + 1e-5 * abs(b)
    return bool(a == b)


def _entries(run: Run, numbers: Mapping[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The numbers of another run, written in the forms of this one."""
    found = {}
    for key, value in run.numbers.items():
        form = numbers.get(key, {}).get("form")
        text = write(value, form) if form else ", ".join(value) if isinstance(value, list) else write(value)
        found[key] = {"value": value, "text": text} | ({"form": form} if form else {})
    return found


def _text(key: str, entries: Mapping[str, dict[str, Any]]) -> str:
    """A number, and its interval where it has one."""
    low, high = (entries.get(f"{key}.{end}") for end in ("low", "high"))
    interval = f" ({low['text']} to {high['text']})" if low and high else ""
    return f"{entries[key]['text']}{interval}"


@dataclass(frozen=True)
class Differences:
    """What differs between two runs beside the claims.

    Attributes:
        outputs: how many files are the same, and the names of those that are not.
        numbers: how many are the same, and those that are not: key, then, now.
        sources: names of source files that differ; of params.yaml the settings instead: `tasks.rain.seeds is ...`.
    """

    outputs: tuple[int, list[str]]
    numbers: tuple[int, list[tuple[str, Any, Any]]]
    sources: list[str]


def differences(now: Run, then: Run) -> Differences:
    """What differs between this run and another, file by file, number by number."""
    numbers = [
        (key, then.numbers.get(key), now.numbers.get(key))
        for key in sorted(now.numbers.keys() | then.numbers.keys())
        if key not in now.numbers or key not in then.numbers or now.numbers[key] != then.numbers[key]
    ]
    # what is pulled may be absent on either side, and then does not differ
    both = now.outputs.keys() & then.outputs.keys()
    kept = {name for name in now.outputs.keys() ^ then.outputs.keys() if name.startswith(IN_GIT)}
    outputs = [name for name in _unlike(then.outputs, now.outputs) if name in both | kept]
    same = len(both) - len(both.intersection(outputs))
    sources = [name for name in _unlike(then.sources, now.sources) if name != "params.yaml"]
    return Differences((same, outputs), (len(now.numbers) - len(numbers), numbers), [*_settings(now, then), *sources])


def _settings(now: Run, then: Run) -> Iterator[str]:
    nothing = "not there"
    for place in sorted(now.settings.keys() | then.settings.keys()):
        a, b = now.settings.get(place, nothing), then.settings.get(place, nothing)
        if a != b:
            yield f"params.yaml: {place} is {a}, in {then.name} {b}"


def _unlike(then: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    names = sorted(now.keys() | then.keys())
    return [name for name in names if now.get(name) != then.get(name)]
