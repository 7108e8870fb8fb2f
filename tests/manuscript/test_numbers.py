"""How numbers reach the text, on hand-made results."""

import pytest

from precip_sae.errors import ManuscriptError, SettingsError
from precip_sae.manuscript.claims import Claim, judge, ledger_markdown, read_claims
from precip_sae.manuscript.numbers import flatten, grouped, number, text_of
from precip_sae.manuscript.tables import latex
from precip_sae.spread import over_seeds

MINUS, THIN = "−", "\u202f"


@pytest.mark.parametrize(
    ("key", "value", "text"),
    [
        ("a.train.skill.test.accuracy.mean", 0.99812, f"99.8{THIN}%"),
        ("a.interpret.variants.keras3.reduction.published.low", -0.0312, f"{MINUS}3.1{THIN}%"),
        ("a.interpret.variants.keras3.beyond_untrained.living.mean", 0.081, f"8.1{THIN}points"),
        ("a.train.skill.test.mae.sd", 0.22449, "0.224"),
        ("a.interpret.variants.mlp.sensitive.every.mean", 2.5, "2.50"),
        ("observe.rows", 46000, f"46{THIN}000"),
        ("observe.storms", 765, "765"),
        ("observe.variables.T.mean", 271.164, "271.2"),
        ("observe.variables.Nt.mean", 25636.73, f"25{THIN}640"),
        ("a.fit.keras3.loss.low", None, "–"),
        ("observe.source.kind", "simulation", "simulation"),
    ],
)
def test_every_kind_of_number_is_written_with_its_unit_and_decimals(key: str, value: object, text: str) -> None:
    assert text_of(key.split("."), value) == text


def test_a_spread_is_one_number_with_its_interval_and_also_its_parts() -> None:
    numbers = dict(flatten({"reduction": {"published": over_seeds([0.2, 0.3, 0.4])}}, ["a"]))
    assert numbers["a.reduction.published"]["text"] == f"30.0{THIN}% (95{THIN}% interval 5.2 to 54.8{THIN}%)"
    assert numbers["a.reduction.published"]["value"] == pytest.approx(0.3)
    assert numbers["a.reduction.published.n"]["text"] == "3"


def test_thousands_are_grouped_from_five_digits_on() -> None:
    assert [grouped(n) for n in (999, 1234, 12345, -46000)] == ["999", "1234", f"12{THIN}345", f"{MINUS}46{THIN}000"]


def test_an_unknown_number_is_refused_with_its_likely_spelling() -> None:
    with pytest.raises(ManuscriptError, match=r"no number 'a.lss'; did you mean 'a.loss'"):
        number({"a.loss": {"value": 1.0, "text": "1"}}, "a.lss")


NUMBERS = {
    "x": {"value": 0.30, "text": "30 %"},
    "x.mean": {"value": 0.30, "text": "30 %"},
    "x.low": {"value": 0.10, "text": "10 %"},
    "x.high": {"value": 0.50, "text": "50 %"},
    "none": {"value": None, "text": "–"},
}


def claim(**changes: object) -> Claim:
    return Claim(**({"id": "c", "statement": "s", "source": "p", "kind": "published", "key": "x"} | changes))


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        ({"at_least": 0.23, "at_most": 0.43}, "PASS"),
        ({"at_least": 0.23, "at_most": 0.43, "whole": True}, "FAIL"),
        ({"at_least": 0.0, "whole": True}, "PASS"),
        ({"at_least": 0.31}, "FAIL"),
        ({"at_most": 0.30}, "PASS"),
        ({"key": "none", "at_least": 0.0}, "FAIL"),
    ],
)
def test_a_claim_passes_only_inside_its_bounds(changes: dict, verdict: str) -> None:
    assert judge(claim(**changes), NUMBERS)["verdict"] == verdict


def test_a_claim_without_bounds_or_number_is_refused() -> None:
    with pytest.raises(ManuscriptError, match="neither at_least nor at_most"):
        judge(claim(), NUMBERS)
    with pytest.raises(ManuscriptError, match="no number 'y'"):
        judge(claim(key="y", at_least=0.0), NUMBERS)


def test_a_misspelt_key_in_the_claims_is_named(tmp_path) -> None:
    path = tmp_path / "claims.yaml"
    path.write_text("claims:\n- {id: c, statement: s, source: p, kind: published, key: x, atleast: 1}\n")
    with pytest.raises(SettingsError, match=r"claims.0.atleast is not a known key; did you mean 'at_least'"):
        read_claims(path)


def test_the_ledger_shows_what_was_found_and_the_rule() -> None:
    text = ledger_markdown([judge(claim(at_least=0.0, whole=True), NUMBERS)])
    assert "| s (p) | 30 % | whole interval ≥ 0 | PASS |" in text


def test_latex_tables_escape_what_latex_would_read_as_commands() -> None:
    text = latex(["a_b"], [["5 % & −1 R²"]])
    assert r"a\_b" in text
    assert r"5 \% \& $-$1 R$^2$ \\" in text
