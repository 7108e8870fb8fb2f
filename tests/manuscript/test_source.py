"""No number of the manuscript is typed by hand: what the scan of its source finds, and what it leaves alone."""

from itertools import pairwise
from pathlib import Path

import pytest

from precip_sae.errors import SettingsError
from precip_sae.files import read_json
from precip_sae.manuscript.claims import judge, read_ledger
from precip_sae.manuscript.source import Recording, asked, literals, pieces, read_literals, unasked, untold
from precip_sae.paths import Paths
from precip_sae.review.derived import made_tables
from precip_sae.review.project import open_project

KEYS = {"rain.fit.keras3.fvu", "rain.fit.keras3.fvu.mean", "snow.fit.keras3.fvu", "observe.rows"}


def typed(source: str) -> list[str]:
    return [text for _, text in literals(source, KEYS)]


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("The reduction is 33.1 %, of 12.", ["33.1", "12"]),
        ("= Section 4\n*bold 5* _6_ `raw 7`", ["4", "5", "6", "7"]),
        ("from 1e4 to 2", ["1e4", "2"]),
        ('#n("rain.fit.keras3.fvu") and #found("rain", "fit.keras3.fvu")', []),
        ('#if v("observe.rows") > 3 [there are 40 rows] else if x { "or 50" } else [60]', ["40", "50", "60"]),
        ('#figure(image("../figures/rain/a1.svg", width: 80%), caption: [Height 3 km.]) <fig-2>', ["3"]),
        ("#set text(size: 10.5pt)\n#grid(columns: (1fr, 1fr), gutter: 4mm)[see @fig-3 @king2025]", []),
        ("#let x = 0.33\n#let y = rows.slice(1)", ["0.33"]),
        ("#0.5 and #(0.25)", ["0.5", "0.25"]),
        ("$ alpha = 1 / 2, quad x_1 $ // 99\n/* 98 */ http://x.org/97", ["1", "2", "97"]),
        (r"a \#5 \[6\] [7]", ["5", "6", "7"]),
        ('#let f(a) = {\n  if a { "8 units" } else { [9] }\n}\n#f(true). 10', ["8", "9", "10"]),
        ("h#super[−1]", ["1"]),
    ],
)  # fmt: skip
def test_digits_of_the_text_are_found_and_those_of_the_layout_are_not(source: str, found: list[str]) -> None:
    assert typed(source) == found


def test_nothing_of_the_source_is_read_twice() -> None:
    source = '#if a [x #b("c") y] else [z] and $m$ #d[e]'
    ends = [(piece.start, piece.start + len(piece.text)) for piece in pieces(source)]
    assert all(end <= start for (_, end), (start, _) in pairwise(ends))
    assert all(source[piece.start :].startswith(piece.text) for piece in pieces(source))


def test_a_typed_number_is_named_with_its_line_unless_a_reason_is_given() -> None:
    source = "It opened in\n2025. The reduction is 33.1 %."
    told, gone = untold(source, {"opened in 2025": "a year", "no longer 5": "stale"})
    assert told == ["line 2: '33.1' in \"ned in 2025. The reduction is 33.1 %.\""]
    assert gone == ["no longer 5"]


def test_a_number_that_nobody_uses_is_named_unless_a_reason_is_given() -> None:
    used = asked('#n("observe.rows") #let k = "fit.keras3.fvu"\n#n(task + "." + k)', KEYS)
    assert used == KEYS
    used = asked('#n("rain.fit.keras3.fvu")', KEYS)
    idle, needless = unasked(KEYS, used, {"observe.*": "shown elsewhere", "sleet.*": "stale"})
    assert idle == ["snow.fit.keras3.fvu"], "the mean of a spread that is used is used with it"
    assert needless == ["sleet.*"]


def test_a_mistake_in_the_list_of_reasons_is_named(tmp_path: Path) -> None:
    (tmp_path / "literals.yaml").write_text("literals: {a: b}\nunusd: {}\n")
    with pytest.raises(SettingsError, match="unusd is not a known key; did you mean 'unused'"):
        read_literals(tmp_path / "literals.yaml")


@pytest.fixture(scope="module")
def source(repository: Paths) -> str:
    return (repository.paper / "manuscript.typ").read_text(encoding="utf-8")


def test_no_number_of_the_manuscript_is_typed_by_hand(repository: Paths, source: str) -> None:
    listed, numbers = read_literals(repository.paper / "literals.yaml"), read_json(repository.paper / "numbers.json")
    told, gone = untold(source, listed.literals, numbers)
    assert told == [], "let a stage produce it, or give a reason in paper/literals.yaml"
    assert gone == [], "paper/literals.yaml gives a reason for what does not stand in the manuscript"


def test_no_number_is_made_that_nobody_uses(repository: Paths, source: str) -> None:
    listed = read_literals(repository.paper / "literals.yaml")
    numbers = Recording(read_json(repository.paper / "numbers.json"))
    made_tables(open_project(repository, None), numbers)
    for claim in read_ledger(repository.paper / "claims.yaml").claims:
        judge(claim, numbers)
    idle, needless = unasked(numbers, asked(source, numbers) | numbers.used, listed.unused)
    assert idle == [], "print it, or give a reason in paper/literals.yaml"
    assert needless == [], "paper/literals.yaml excuses what is not there"


def test_every_claim_says_where_the_manuscript_says_it(repository: Paths, source: str) -> None:
    headings = {line.strip("= ") for line in source.splitlines() if line.startswith("=")}
    for claim in read_ledger(repository.paper / "claims.yaml").claims:
        assert claim.place in headings or f"<{claim.place}>" in source, claim.id
