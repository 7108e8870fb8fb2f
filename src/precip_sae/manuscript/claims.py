"""The ledger of claims: what is said, which number decides, and whether it holds here.

Whether a claim *holds* is one question, answered here from numbers.json alone; whether this machine *got what the
authors got* is another (`review.reproduction`). A published claim that our data contradict fails the first and can
pass the second.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from precip_sae.errors import ManuscriptError
from precip_sae.manuscript.numbers import number
from precip_sae.quantities import SIGNIFICANT, write
from precip_sae.settings import Section, parse, read_yaml

PASS, FAIL, NOT_TESTED = "PASS", "FAIL", "NOT TESTED"
Standing = Literal["published", "ours", "untestable"]
Tier = Literal["bytes", "numbers", "conclusion"]


class Tolerance(Section):
    """How far a number may be from the authors' and still count as the same."""

    absolute: float = Field(ge=0, description="largest difference, in the number's own unit; 0: equal as printed")
    reason: str = Field(description="why so much, and no more")


class Claim(Section):
    """One statement, and the test that it has to pass here.

    It holds when the value under `metric` lies in [at_least, at_most] (either may be absent, and either may be the
    key of another number). With `whole`, the whole 95 % interval has to lie there, not only the mean.
    """

    id: str = Field(description="short name")
    sentence: str = Field(description="what is said, in one sentence")
    place: str = Field(description="where the manuscript says it: a label such as fig-heat, or a heading")
    standing: Standing = Field(
        description="published: the study's; ours: of this package; untestable: the study's, and not testable here"
    )
    source: str = Field("this package", description="where it is published")
    metric: str | None = Field(None, description="the number in paper/numbers.json that decides")
    at_least: float | str | None = Field(None, description="smallest value with which it holds, or a number's key")
    at_most: float | str | None = Field(None, description="largest value with which it holds, or a number's key")
    whole: bool = Field(False, description="judge the whole 95 % interval instead of the mean")
    over: str | None = Field(None, description="what the number's interval is over: seeds, episodes, ...")
    tier: Tier = Field("numbers", description="the least that another machine has to get: bytes, numbers or conclusion")
    tolerance: str = Field("trained", description="a name below `tolerances`, for the tier numbers")
    untested: str | None = Field(None, description="why it cannot be decided: always, or where its metric is missing")
    headline: bool = Field(False, description="shown in the README and at the end of `make reproduce`")

    @model_validator(mode="after")
    def _can_be_decided(self) -> Self:
        if self.standing == "untestable":
            if self.metric or not self.untested:
                raise ValueError(f"claim '{self.id}' is untestable: it needs `untested` (why) and no `metric`")
        elif self.metric is None:
            raise ValueError(f"claim '{self.id}' needs a `metric`, or the standing untestable")
        elif self.at_least is None and self.at_most is None:
            raise ValueError(f"claim '{self.id}' has neither at_least nor at_most")
        return self


class Ledger(Section):
    """The whole of claims.yaml."""

    tolerances: dict[str, Tolerance] = Field(description="by name: `trained` is that of numbers without another")
    claims: list[Claim] = Field(min_length=1)

    @model_validator(mode="after")
    def _names_are_known(self) -> Self:
        ids = [claim.id for claim in self.claims]
        if twice := sorted({name for name in ids if ids.count(name) > 1}):
            raise ValueError(f"claim '{twice[0]}' stands there twice")
        for claim in self.claims:
            if claim.tolerance not in self.tolerances:
                raise ValueError(f"claim '{claim.id}' asks for the tolerance '{claim.tolerance}', which is not there")
        return self


def read_ledger(path: Path) -> Ledger:
    """Reads and checks claims.yaml.

    Raises:
        SettingsError: a key is unknown, missing or of the wrong type, or a claim cannot be decided.
    """
    return parse(Ledger, read_yaml(path), path.name)


def judge(claim: Claim, numbers: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    """One line of the ledger: the claim, what was expected, what was found, and PASS, FAIL or NOT TESTED.

    An undefined number (None) fails.

    Raises:
        ManuscriptError: the claim asks for a number (or an interval) that is not there, or names an interval over
            something else than the number's.
    """
    if claim.metric is None or (claim.untested and claim.metric not in numbers):
        return claim.model_dump() | {"expected": "–", "found": claim.untested, "verdict": NOT_TESTED}
    found = number(numbers, claim.metric)
    if claim.over and "interval over " in found["text"] and f"interval over {claim.over} " not in found["text"]:
        raise ManuscriptError(
            f"claims.yaml: claim '{claim.id}' is about an interval over {claim.over}, "
            f"but {claim.metric} is {found['text']}."
        )
    low, high = judged_values(claim, numbers)
    least, most = (_bound(bound, numbers) for bound in (claim.at_least, claim.at_most))
    holds = low is not None and high is not None and (least is None or low >= least) and (most is None or high <= most)
    if None in [value for bound, value in ((claim.at_least, least), (claim.at_most, most)) if bound is not None]:
        holds = False
    judged = {"expected": _rule(claim, found, numbers), "found": found["text"], "verdict": PASS if holds else FAIL}
    return claim.model_dump() | judged


def judged_values(claim: Claim, numbers: Mapping[str, dict[str, Any]]) -> tuple[Any, Any]:
    """The two values that the bounds of a claim are held against: the ends of the interval, or the mean twice.

    Raises:
        ManuscriptError: no such number.
    """
    if claim.metric is None or (claim.untested and claim.metric not in numbers):
        return None, None
    if claim.whole:
        return tuple(number(numbers, f"{claim.metric}.{end}")["value"] for end in ("low", "high"))
    value = numbers.get(f"{claim.metric}.mean", number(numbers, claim.metric))["value"]
    return value, value


def _bound(bound: float | str | None, numbers: Mapping[str, dict[str, Any]]) -> float | None:
    return number(numbers, bound)["value"] if isinstance(bound, str) else bound


def _rule(claim: Claim, found: Mapping[str, Any], numbers: Mapping[str, dict[str, Any]]) -> str:
    form = found.get("form", SIGNIFICANT)
    least, most = (
        None if bound is None else write(_bound(bound, numbers), form) for bound in (claim.at_least, claim.at_most)
    )
    if least is not None and least == most:
        bounds = f"= {least}"
    else:
        bounds = " and ".join(f"{sign} {bound}" for bound, sign in ((least, "≥"), (most, "≤")) if bound is not None)
    what = "whole interval " if claim.whole else "mean " if f"{claim.metric}.mean" in numbers else ""
    return what + bounds


def ledger_markdown(judged: Sequence[Mapping[str, Any]]) -> str:
    """Claims as a Markdown table."""
    lines = ["| claim | expected | found here | verdict |", "| --- | --- | --- | --- |"]
    for line in judged:
        cells = (f"{line['sentence']} ({line['source']})", line["expected"], line["found"], line["verdict"])
        lines.append("| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def headlines(judged: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The claims that the README shows."""
    return [line for line in judged if line["headline"]]
