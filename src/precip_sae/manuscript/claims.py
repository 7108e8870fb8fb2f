"""The ledger of claims: what was published, what came out here, and whether the two agree."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from precip_sae.errors import ManuscriptError
from precip_sae.files import read_json
from precip_sae.manuscript.numbers import number
from precip_sae.paths import Paths
from precip_sae.quantities import SIGNIFICANT, write
from precip_sae.settings import Section, parse, read_yaml


class Claim(Section):
    """One published claim and the test that it has to pass here.

    The claim holds when the value under `key` lies in [at_least, at_most] (either may be absent). With `whole`,
    the whole 95 % interval over seeds has to lie there, not only the mean.
    """

    id: str = Field(description="short name")
    statement: str = Field(description="what is claimed, in one sentence")
    source: str = Field(description="where it is published")
    kind: Literal["published", "control"] = Field(description="a claim of the study, or a check of ours on it")
    key: str = Field(description="the number in paper/numbers.json that decides")
    at_least: float | None = Field(None, description="smallest value with which the claim holds")
    at_most: float | None = Field(None, description="largest value with which the claim holds")
    whole: bool = Field(False, description="judge the whole 95 % interval instead of the mean")


class Ledger(Section):
    """The whole of claims.yaml."""

    claims: list[Claim] = Field(min_length=1)


def read_claims(path: Path) -> list[Claim]:
    """Reads and checks claims.yaml.

    Raises:
        SettingsError: a key is unknown, missing or of the wrong type.
    """
    return parse(Ledger, read_yaml(path), path.name).claims


def judge(claim: Claim, numbers: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    """One line of the ledger: the claim, the number that decides, and PASS or FAIL.

    An undefined number (None) fails.

    Raises:
        ManuscriptError: the claim asks for a number (or an interval) that is not there, or has no bound.
    """
    if claim.at_least is None and claim.at_most is None:
        raise ManuscriptError(f"claims.yaml: claim '{claim.id}' has neither at_least nor at_most.")
    found = number(numbers, claim.key)
    if claim.whole:
        low, high = (number(numbers, f"{claim.key}.{end}")["value"] for end in ("low", "high"))
    else:
        low = high = numbers.get(f"{claim.key}.mean", found)["value"]
    holds = (
        low is not None
        and high is not None
        and (claim.at_least is None or low >= claim.at_least)
        and (claim.at_most is None or high <= claim.at_most)
    )
    judged = {"found": found["text"], "rule": _rule(claim, found), "verdict": "PASS" if holds else "FAIL"}
    return claim.model_dump() | judged


def ledger_markdown(judged: list[dict[str, Any]]) -> str:
    """The ledger as a Markdown table."""
    lines = ["| claim | found here | holds when | verdict |", "| --- | --- | --- | --- |"]
    for line in judged:
        cells = (f"{line['statement']} ({line['source']})", line["found"], line["rule"], line["verdict"])
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _rule(claim: Claim, found: Mapping[str, Any]) -> str:
    form = found.get("form", SIGNIFICANT)
    bounds = [
        f"{sign} {write(bound, form)}"
        for bound, sign in ((claim.at_least, "≥"), (claim.at_most, "≤"))
        if bound is not None
    ]
    return f"{'whole interval' if claim.whole else 'mean'} {' and '.join(bounds)}"


def headline(paths: Paths) -> str:
    """A few plain lines for the end of `make reproduce`: the PDF, the ledger, verdict by verdict."""
    judged = read_json(paths.paper / "claims.json")
    held = sum(line["verdict"] == "PASS" for line in judged)
    lines = [f"Manuscript: {paths.paper / 'manuscript.pdf'}", f"Claims: {held} of {len(judged)} hold."]
    lines += [f"  {line['verdict']}  {line['statement']}: {line['found']}." for line in judged]
    return "\n".join(lines)
