"""No sentence of the manuscript outlives its result: the paper is compiled with the effects found, absent and reversed.

`make opposite` leaves these papers in a folder, for a person to read.
"""

import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import typst

from precip_sae.files import read_json, write_json
from precip_sae.manuscript.compile import compile_pdf
from precip_sae.manuscript.numbers import spread_text
from precip_sae.paths import Paths
from precip_sae.quantities import SIGNIFICANT, write

Numbers = dict[str, dict[str, Any]]

# Where the papers are kept; a folder of the test's own where nothing is asked for.
KEPT = os.environ.get("PRECIP_SAE_OPPOSITE")
TASKS = ("classifier", "regressor")
# By case: which way effects point, of the two main tasks, of all else, and where named of what was never trained; and
# how many families of latents return, where they are not as many as there are.
UNTRAINED = "untrained"
FAMILIES = "families"
CASES = {
    "found": {"classifier": 1, "regressor": 1, "": 1},
    "absent": {"classifier": 0, "regressor": 0, "": 0},
    "reversed": {"classifier": -1, "regressor": -1, "": -1},
    "mixed": {"classifier": 1, "regressor": -1, "": 0},
    "without training": {"classifier": 1, "regressor": 1, "": 1, UNTRAINED: 1},
    "nothing returns": {"classifier": -1, "regressor": -1, "": -1, FAMILIES: 0},
}
# Differences that an effect would show: from nothing, from a control, from units. Reductions are those of trained SAEs.
EFFECTS = (
    "*.reduction.keras3*", "*.reduction.batch_mean*", "*.keras3.reduction.*", "*.batch_mean.reduction.*",
    "*.controls.measures.*.sae.reduction", "*.search.counted.*.reduction", "*.beyond_untrained*", "*.beyond",
    "*.gain.*", "*.gain_over*", "*.latents_less*", "*.trend.gain", "*.noise.training.*", "ranking.agreement.*",
    "*.carried",
)  # fmt: skip
# The same of what was never trained, or is no SAE: it shows nothing, or a part of the effect.
NO_EFFECT = ("*.untrained.reduction.*", "*.reduction.untrained*", "*.controls.measures.*.reduction", "*.carried_random")
SIZE = {"%": 0.35, "pp": 0.35, "f": 0.4, "g": 0.4}
HALF = 0.05  # of an interval
PART = 0.1  # of what was never trained


def supposed(numbers: Numbers, signs: dict[str, int]) -> Numbers:
    """The numbers of a paper in which effects are there (1), are none (0), or are the other way round (-1)."""
    made = dict(numbers)
    for key in [key for key in numbers if f"{key}.low" in numbers]:
        sign = signs.get(key.partition(".")[0], signs[""])
        kind = re.sub(r"^\.\d+|\s.*$", "", numbers[key].get("form", SIGNIFICANT))
        if any(fnmatchcase(key, pattern) for pattern in EFFECTS):
            _set(made, key, sign * SIZE[kind])
        elif any(fnmatchcase(key, pattern) for pattern in NO_EFFECT):
            _set(made, key, PART * signs.get(UNTRAINED, 0))
    for task in TASKS:
        _suit(made, task, signs[task])
        if FAMILIES in signs:
            _set(made, f"{task}.stability.kinds.latents.families", signs[FAMILIES])
    _suit_known_truth(made, signs[""])
    _suit_thresholds(made, signs["classifier"])
    return made


def _set(numbers: Numbers, key: str, value: Any) -> None:
    """Another value of a number and of what there is of its spread, in its form; the interval is HALF to both sides."""
    shifts = {"mean": 0, "low": -HALF, "high": HALF, "least": -2 * HALF, "most": 2 * HALF}
    ends = {end: value + shift for end, shift in shifts.items()}
    for place, one in {key: value, **{f"{key}.{end}": moved for end, moved in ends.items()}}.items():
        if place in numbers:
            form = numbers[place].get("form", SIGNIFICANT)
            over = re.search(r"% interval over ([a-z ]+) ", numbers[place]["text"])
            text = spread_text(ends | {"over": over[1]}, form) if over else write(one, form)
            numbers[place] = numbers[place] | {"value": one, "text": text}


def _suit(numbers: Numbers, task: str, sign: int) -> None:
    """What the text prints beside the effects of a task, so that it fits them."""
    variants = f"{task}.interpret.variants"
    for counted in ("published", "living", "every"):
        if sign < 0:  # of those sensitive to any, every unit is to one
            _set(numbers, f"{variants}.mlp.sensitive.{counted}", 1.0)
        units = numbers[f"{variants}.mlp.sensitive.{counted}"]["value"]
        for variant in ("keras3", "batch_mean", "untrained"):
            share = numbers[f"{variants}.{variant}.reduction.{counted}"]["value"]
            _set(numbers, f"{variants}.{variant}.sensitive.{counted}", units * (1 - share))
    for kind, value in {"mlp": 0.2, "keras3": 0.2 + 0.15 * sign, "untrained": 0.2}.items():
        _set(numbers, f"{variants}.{kind}.monosemantic", value)
    for level in ("above_70", "above_90"):
        for kind, value in {"hidden": 0.5, "latents": 0.5 + SIZE["pp"] * sign}.items():
            _set(numbers, f"{task}.stability.kinds.{kind}.{level}.partner", value)
    searched = f"{task}.search.counted.published"
    for end, more in {"expected": 0.1, "low": 0.05, "high": 0.15}.items():
        _set(numbers, f"{searched}.best_of.{end}", SIZE["%"] * sign + more)
    _set(numbers, f"{searched}.selection_bias", 0.1)
    for share in ("models_at_published", "subsets_at_published"):
        _set(numbers, f"{searched}.share.{share}", 0.6 if sign > 0 else 0.0)
    rounding = 0.01 if sign > 0 else 0.5
    _set(numbers, f"{task}.noise.twins.rounding.published.apart", rounding)
    _set(numbers, f"{task}.noise.floors.published.rounding", rounding)
    hidden = numbers[f"{task}.causes.kinds.hidden.size"]["value"]
    for kind, times in {"latents": 1 + 0.9 * sign, "random": 1.0}.items():
        _set(numbers, f"{task}.causes.kinds.{kind}.size", times * hidden)


def _suit_thresholds(numbers: Numbers, sign: int) -> None:
    """Where networks put the end of snow: elsewhere than a linear model (1), there (0), and with the labels (-1)."""
    places = {
        "regime3.T.Snow.networks": 0,
        "regime3.T.Snow.linear": 3 * (sign > 0),
        "phase.T.Snow.networks": min(sign, 0),
    }
    for which, place in places.items():
        _set(numbers, f"classifier.thresholds.outputs.{which}.step", place)


def _suit_known_truth(numbers: Numbers, sign: int) -> None:
    """The same of the experiments whose truth is known."""
    of = numbers["column.shown.of"]["value"]
    _set(numbers, "column.shown.better", of if sign > 0 else 0)
    _set(numbers, "column.shown.worse", of if sign < 0 else 0)
    for layer in {key.removesuffix(".gain_over.units") for key in numbers if key.endswith(".gain_over.units")}:
        if f"{layer}.recovery.units" in numbers:
            _set(numbers, f"{layer}.recovery.units", 0.45)
            _set(numbers, f"{layer}.recovery.sae", 0.45 + SIZE["f"] * sign)
    for key in [key for key in numbers if re.fullmatch(r"toys\.recovery\..*\.found", key)]:
        _set(numbers, key, 0.94 if sign > 0 else 0.06)
    _set(numbers, "ranking.above", numbers["ranking.of"]["value"] if sign > 0 else 0)
    _set(numbers, "ranking.mean", SIZE["f"] * sign)


# Words of a condition that is about what the observations and settings are, not about what was found.
GIVEN = re.compile(
    r"\b(simulated|archived|rehearsed|synthetic|known|compared|tasks|settings|source|seeds|tables|keep|inputs|author|review)\b"
)
ASKING = re.compile(r"\b(above|below|both|two|sign|gain|reduction)\b")


@dataclass(frozen=True)
class Branch:
    """What the manuscript prints on a condition: the place of its text in the source, and the condition."""

    start: int
    condition: str

    @property
    def of_results(self) -> bool:
        return bool(ASKING.search(self.condition)) or not GIVEN.search(self.condition)


def branches(source: str) -> Iterator[Branch]:
    """Every `#if .. [..] else if .. [..] else [..]` of a text, whatever it stands in."""
    for found in re.finditer(r"#if ", source):
        at, so_far = found.end(), ""
        while True:
            opens = source.index("[", at)
            condition = " ".join(source[at:opens].split())
            so_far = f"{so_far} {condition}".strip()
            yield Branch(opens + 1, so_far)
            at = _after(source, opens)
            following = re.compile(r"\s*else\s*(if )?").match(source, at)
            if following is None:
                break
            at, so_far = following.end(), f"{so_far}; else"
            if following[1] is None:
                yield Branch(source.index("[", at) + 1, so_far)
                break


def _after(source: str, opens: int) -> int:
    """The place after the bracket that closes the one at `opens`."""
    depth, at = 0, opens
    while True:
        depth += {"[": 1, "]": -1}.get(source[at], 0)
        at += 2 if source[at] == "\\" else 1
        if not depth:
            return at


def marked(source: str) -> str:
    """The manuscript with a mark at the beginning of every branch, and what `sign` said beside it."""
    # from the end on, as marks move what follows them
    for number, branch in sorted(enumerate(branches(source)), key=lambda numbered: -numbered[1].start):
        mark = f'#metadata("{number}") <branch>'
        source = source[: branch.start] + mark + source[branch.start :]
    place = re.search(r"#let sign\(.*?\n}\n.*#let each\(.*?\n}\n", source, re.S)
    assert place, "the manuscript has no `sign` and `each`"
    rest, told = source[place.end() :], ""
    for name in ("sign", "each"):
        told += f"#let told-{name}(..all) = {{ let said = {name}(..all); [#metadata(said) <sign>#said] }}\n"
        rest = rest.replace(f"#{name}(", f"#told-{name}(")
    return source[: place.end()] + told + rest


@pytest.fixture(scope="module")
def folder(repository: Paths, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The paper with its figures, without numbers."""
    made = tmp_path_factory.mktemp("opposite")
    shutil.copytree(repository.paper, made / "paper", ignore=shutil.ignore_patterns("supplement", "*.html", "*.pdf"))
    shutil.copytree(repository.figures, made / "figures", ignore=shutil.ignore_patterns("*.png", "*.gif"))
    shutil.copy(repository.root / "CITATION.cff", made)
    return made


@pytest.fixture(scope="module")
def source(repository: Paths) -> str:
    return (repository.paper / "manuscript.typ").read_text(encoding="utf-8")


@dataclass(frozen=True)
class Paper:
    """A paper of some results, compiled.

    Attributes:
        printed: the branches of the manuscript that are.
        signs: what `sign` and `each` say.
        points: its key points.
    """

    pdf: Path
    printed: set[int]
    signs: set[str]
    points: list[str]


@pytest.fixture(scope="module")
def paper(folder: Path, source: str, repository: Paths) -> Callable[[str], Paper]:
    """The paper of a case, or `as it is`, compiled when it is first asked for."""
    numbers = read_json(repository.paper / "numbers.json")

    @cache
    def of(case: str) -> Paper:
        made_up = case in CASES
        write_json(folder / "paper" / "numbers.json", supposed(numbers, CASES[case]) if made_up else numbers)
        # nobody shall take such a paper for ours
        warning = f"#set page(header: text(fill: red)[Made-up results, to read the sentences by: effects {case}.])\n"
        file = folder / "paper" / "opposite.typ"
        file.write_text(warning * made_up + marked(source), encoding="utf-8")
        pdf = (Path(KEPT) if KEPT and made_up else folder) / f"{case}.pdf"
        compile_pdf(file, pdf, folder)
        # at once, while Typst knows the pages
        asked = {"selector": "selector(<branch>).or(<sign>).or(<key-points>)", "ignore_system_fonts": True}
        told: dict[str, list[Any]] = {"<branch>": [], "<sign>": [], "<key-points>": []}
        for one in json.loads(typst.query(input=str(file), root=str(folder), **asked)):
            told[one["label"]].append(one["value"])
        (points,) = told["<key-points>"]
        return Paper(pdf, {int(number) for number in told["<branch>"]}, set(told["<sign>"]), points)

    return of


@pytest.mark.parametrize("case", CASES)
def test_a_paper_with_other_results_compiles(case: str, paper: Callable[[str], Paper]) -> None:
    made = paper(case)
    assert made.pdf.read_bytes().startswith(b"%PDF")
    assert len(made.points) == 3
    assert all(len(point) <= 140 for point in made.points), "the journal's limit"


def test_branches_are_found_in_each_other_and_after_each_other() -> None:
    text = '#if above("a.b", 0) [x #if known [y \\] z]] else if both(t) [v] else [w [u]] end'
    found = [(text[b.start : b.start + 1], b.condition, b.of_results) for b in branches(text)]
    first = 'above("a.b", 0)'
    assert found == [
        ("x", first, True),
        ("v", f"{first}; else both(t)", True),
        ("w", f"{first}; else both(t); else", True),
        ("y", "known", False),
    ]


def test_every_conditional_sentence_is_read_in_one_case_and_not_in_another(
    paper: Callable[[str], Paper], source: str
) -> None:
    printed = [paper(case).printed for case in (*CASES, "as it is")]
    ever, always = set.union(*printed), set.intersection(*printed)
    asked = {number: branch for number, branch in enumerate(branches(source)) if branch.of_results}
    shown = {n: f"line {source.count(chr(10), 0, b.start) + 1}: if {b.condition}" for n, b in asked.items()}
    assert [shown[n] for n in asked if n not in ever] == [], "no case prints these: add what they ask to `supposed`"
    assert [shown[n] for n in asked if n in always] == [], "these follow no result: add what they ask to `supposed`"


def test_no_paper_tells_of_a_gain_where_all_is_lost(paper: Callable[[str], Paper]) -> None:
    gains, losses, nothing = (paper(case).signs for case in ("found", "reversed", "absent"))
    assert gains, "the manuscript asks for no sign"
    assert gains.isdisjoint(losses)
    assert gains.isdisjoint(nothing)
    assert losses.isdisjoint(nothing)
