"""How numbers reach the text, on hand-made results."""

from pathlib import Path

import pytest

from precip_sae.errors import ManuscriptError, SettingsError
from precip_sae.files import write_json
from precip_sae.manuscript.claims import Claim, judge, ledger_markdown, read_ledger
from precip_sae.manuscript.numbers import collect, flatten, number, shown_rare
from precip_sae.manuscript.tables import latex
from precip_sae.pipeline.stages import Stage
from precip_sae.quantities import THIN, quantity
from precip_sae.settings import load_settings
from precip_sae.spread import over_seeds


def test_a_number_is_written_as_the_stage_that_made_it_says() -> None:
    # whatever a task or a class is called
    made = {"share": {"form": ".1%", "x": 0.5, "rows": 3}, "accuracy": quantity(2.5, ".2f"), "plain": 271.164}
    numbers = dict(flatten({"accuracy": made, "share": 0.25}))
    assert {key: found["text"] for key, found in numbers.items()} == {
        "accuracy.share.x": f"50.0{THIN}%",
        "accuracy.share.rows": "3",
        "accuracy.accuracy": "2.50",
        "accuracy.plain": "271.2",
        "share": "0.25",
    }
    assert numbers["accuracy.accuracy"] == {"value": 2.5, "text": "2.50", "form": ".2f"}


def test_a_spread_is_one_number_with_its_interval_and_also_its_parts() -> None:
    numbers = dict(flatten({"reduction": {"published": over_seeds([0.2, 0.3, 0.4], ".1%")}}, ["a"]))
    text = f"30.0{THIN}% (95{THIN}% interval over seeds 5.2 to 54.8{THIN}%)"
    assert numbers["a.reduction.published"]["text"] == text
    assert numbers["a.reduction.published"]["value"] == pytest.approx(0.3)
    assert numbers["a.reduction.published.n"]["text"] == "3"
    assert "a.reduction.published.form" not in numbers


def test_a_space_between_thousands_is_no_unit() -> None:
    spread = over_seeds([11_500.0, 12_100.0], ".3g mm/h")
    text = dict(flatten(spread, ["a"]))["a"]["text"]
    assert text == f"11{THIN}800{THIN}mm/h (95{THIN}% interval over seeds 7990 to 15{THIN}600{THIN}mm/h)"


@pytest.mark.parametrize(
    ("made", "spoken_of"),
    [
        (["n48_16_layer_2_learnt_16", "n48_16_layer_2_learnt_8", "n48_4_layer_2_learnt_4"], "n48_16_layer_2_learnt_16"),
        (["n48_4_layer_2_learnt_4", "n48_4_layer_2_learnt_8"], "n48_4_layer_2_learnt_8"),
        ([], None),
    ],
)
def test_text_and_figures_speak_of_the_same_experiment_with_rare_factors(
    made: list[str], spoken_of: str | None
) -> None:
    others = ["column.layers.n16_layer_1_learnt_5.gain_over.both", "column.rare.trend.gain"]
    keys = [f"column.rare.layers.{layer}.gain_over.{over}" for layer in made for over in ("both", "pca")]
    assert shown_rare([*others, *keys]) == spoken_of


def test_an_unknown_number_is_refused_with_its_likely_spelling() -> None:
    with pytest.raises(ManuscriptError, match=r"no number 'a.lss'; did you mean 'a.loss'"):
        number({"a.loss": {"value": 1.0, "text": "1"}}, "a.lss")


NUMBERS = {
    "x": {"value": 0.30, "text": "30 %", "form": ".0%"},
    "x.mean": {"value": 0.30, "text": "30 %"},
    "x.low": {"value": 0.10, "text": "10 %"},
    "x.high": {"value": 0.50, "text": "50 %"},
    "none": {"value": None, "text": "–"},
}


def claim(**changes: object) -> Claim:
    plain = {"id": "c", "sentence": "s", "place": "Results", "source": "p", "standing": "published", "metric": "x"}
    return Claim(**(plain | changes))


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        ({"at_least": 0.23, "at_most": 0.43}, "PASS"),
        ({"at_least": 0.23, "at_most": 0.43, "whole": True}, "FAIL"),
        ({"at_least": 0.0, "whole": True}, "PASS"),
        ({"at_least": 0.31}, "FAIL"),
        ({"at_most": 0.30}, "PASS"),
        ({"metric": "none", "at_least": 0.0}, "FAIL"),
        ({"at_least": "x.low"}, "PASS"),
        ({"at_least": "x.high"}, "FAIL"),
        ({"at_most": "none"}, "FAIL"),
        ({"standing": "untestable", "metric": None, "untested": "no table"}, "NOT TESTED"),
    ],
)
def test_a_claim_passes_only_inside_its_bounds(changes: dict, verdict: str) -> None:
    assert judge(claim(**changes), NUMBERS)["verdict"] == verdict


def test_a_claim_that_nothing_decides_is_refused() -> None:
    with pytest.raises(ValueError, match="neither at_least nor at_most"):
        claim()
    with pytest.raises(ValueError, match="needs a `metric`, or the standing untestable"):
        claim(metric=None)
    with pytest.raises(ValueError, match="is untestable: it needs `untested`"):
        claim(standing="untestable")
    with pytest.raises(ManuscriptError, match=r"no number 'none\.low'"):
        judge(claim(metric="none", at_least=0.0, whole=True), NUMBERS)
    with pytest.raises(ManuscriptError, match="no number 'y'"):
        judge(claim(metric="y", at_least=0.0), NUMBERS)


def test_a_claim_about_another_kind_of_interval_than_the_numbers_is_refused() -> None:
    numbers = NUMBERS | {"x": NUMBERS["x"] | {"text": "30 % (95 % interval over spells 10 to 50 %)"}}
    assert judge(claim(at_least=0.0, over="spells"), numbers)["verdict"] == "PASS"
    with pytest.raises(ManuscriptError, match="is about an interval over seeds, but x is 30 %"):
        judge(claim(at_least=0.0, over="seeds"), numbers)


LEDGER = """\
tolerances: {{trained: {{absolute: 0.02, reason: r}}}}
claims:
- {{id: c, sentence: s, place: p, standing: ours, metric: x, {rest}}}
"""


@pytest.mark.parametrize(
    ("rest", "said"),
    [
        ("atleast: 1", r"claims.0.atleast is not a known key; did you mean 'at_least'"),
        ("at_least: 1, tolerance: exact", "claim 'c' asks for the tolerance 'exact', which is not there"),
        ("standing: mine", "claims.0.standing is 'mine'"),
    ],
)
def test_a_mistake_in_the_claims_is_named(rest: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "claims.yaml"
    text = LEDGER.format(rest=rest)
    path.write_text(text.replace("standing: ours, ", "") if "standing" in rest else text)
    with pytest.raises(SettingsError, match=said):
        read_ledger(path)


def test_the_ledger_shows_what_was_expected_and_what_was_found() -> None:
    text = ledger_markdown([judge(claim(at_least=0.0, whole=True), NUMBERS)])
    assert f"| s (p) | whole interval ≥ 0{THIN}% | 30 % | PASS |" in text
    text = ledger_markdown([judge(claim(at_least=0.3, at_most=0.3), NUMBERS)])
    assert f"| mean = 30{THIN}% |" in text


def test_the_main_table_shows_every_searched_task_and_leaves_out_what_is_not_defined() -> None:
    import pandas as pd

    from precip_sae.manuscript.tables import headline, notable_subsets
    from precip_sae.search.summary import summarise
    from precip_sae.settings import DataSettings, TaskSettings

    rows = [
        {"subset": k, "inputs": name, "seed": seed, "test_mae": 0.1 * k, "fvu": 0.1, "epochs": 3}
        | {f"reduction_{c}": None if c == "living" else 0.1 * k + 0.01 * seed for c in ("published", "living", "every")}
        | {f"reduction_untrained_{c}": 0.05 for c in ("published", "living", "every")}
        for k, name in enumerate(("a b", "a c", "b c"))
        for seed in (0, 1)
    ]
    found = summarise(pd.DataFrame(rows).astype({"reduction_living": float}), "test_mae", ["a", "c"], 0.33)
    numbers = dict(flatten(found, ["rain", "search"]))
    data = DataSettings(table="t.csv", predictors=["a", "c"], response="y", kind="regression")
    tasks = {"rain": TaskSettings(title="Rain", data=data)}
    reduction = {"keras3": {"reduction": {"published": over_seeds([0.2, 0.3, 0.4], ".1%")}}}
    numbers |= dict(flatten({"rain": {"interpret": {"variants": reduction}}}))
    table = headline(numbers, tasks, ["rain"]).set_index("Quantity")
    assert list(table) == ["Rain, study's count", "Rain, all living units"]
    assert table.loc["Reduction"].tolist() == [f"30.0{THIN}% (5.2 to 54.8)", "–"]
    assert table.loc["All subsets: reduction"].str.startswith(f"10.5{THIN}% (").tolist() == [True, False]
    assert table.loc["Reduction, untrained SAEs"].tolist() == ["–", "–"]
    assert notable_subsets(numbers, tasks, ["rain"])["Inputs"].tolist() == ["b, c", "a, c", "a, b"]


def test_latex_tables_escape_what_latex_would_read_as_commands() -> None:
    text = latex(["a_b"], [["5 % & −1 R²"]])
    assert r"a\_b" in text
    assert r"5 \% \& $-$1 R$^2$ \\" in text


def test_what_a_stage_declares_reaches_the_manuscript_and_nothing_else_does(project) -> None:
    declared = [
        Stage("observe", None, (), (), ("results/observe.json", "results/fidelity.csv")),
        Stage("train", "tasks", (), (), ("results/${key}/train.json",)),
        Stage("noise", "noise.tasks", (), (), ("results/${key}/noise.json",)),
    ]
    tasks = load_settings(project.params).tasks
    write_json(project.results / "observe.json", {"rows": 3})
    write_json(project.results / "left_over.json", {"rows": 4})
    with pytest.raises(ManuscriptError, match=r"rain/train\.json: no such file"):
        collect(project, tasks, declared)
    write_json(project.results / "rain" / "train.json", {"loss": 0.5})
    # a stage that need not run for a task may have written nothing
    found = collect(project, tasks, declared)
    assert found["observe.rows"]["value"] == 3
    assert found["rain.train.loss"]["value"] == 0.5
    assert not any(key.startswith(("left_over", "rain.noise")) for key in found)
    assert found["tasks"] == {"value": ["rain"], "text": "rain"}
