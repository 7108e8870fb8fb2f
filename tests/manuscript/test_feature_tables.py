"""The tables on features, from hand-made results."""

from precip_sae.interpretation import causes, stability
from precip_sae.manuscript.feature_tables import KIND_NAMES, families, features
from precip_sae.manuscript.numbers import flatten
from precip_sae.quantities import THIN, quantity
from precip_sae.settings import DataSettings, TaskSettings
from precip_sae.spread import over_seeds

DATA = DataSettings(table="t.csv", predictors=["T"], response="y", kind="regression")
TASKS = {"rain": TaskSettings(title="Rain rate", data=DATA)}
SPREAD = over_seeds([0.2, 0.3, 0.4], ".1%")


def numbers() -> dict:
    partner = {"partner": SPREAD}
    stability = {
        kind: {"above_70": partner, "above_90": partner, "families": 3, "covered": quantity(0.4, ".1%")}
        for kind in ("latents", "hidden")
    }
    causes = {kind: {"size": SPREAD, "tied": SPREAD} for kind in ("latents", "principal")}
    turn = over_seeds([-3.0, -2.0], ".1f °C") | {"over": "spells"}
    family = {
        "name": "T−",
        "reading": {"kind": "cold side"},
        "stability": {"share_of_seeds": quantity(0.8, ".1%")},
        "active_share": SPREAD,
        "threshold": {"turn": turn},
        "ablation": {"size": SPREAD},
        "steering": {},
    }
    results = {"stability": {"kinds": stability}, "causes": {"kinds": causes}, "cards": {"family_1": family}}
    return dict(flatten(results, ["rain"]))


def test_every_kind_of_unit_has_a_row_with_dashes_for_what_it_was_not_asked() -> None:
    table = features(numbers(), TASKS, ["rain"]).set_index("Units")
    assert table.loc["SAE latents", "Partner, r > 0.7"] == f"30.0{THIN}%"
    assert table.loc["SAE latents", "95 %, seeds, r > 0.9"] == f"5.2 to 54.8{THIN}%"
    assert table.loc["hidden units", "Families"] == "3"
    assert table.loc["hidden units", "Moved by ablation"] == "–"
    assert table.loc["principal directions", "Partner, r > 0.7"] == "–"
    assert table.loc["principal directions", "Tied to one input"] == f"30.0{THIN}%"


def test_every_family_with_a_card_has_a_row() -> None:
    (row,) = families(numbers(), TASKS, ["rain"]).to_dict("records")
    assert (row["Task"], row["Family"], row["Reading"], row["Carries"]) == ("Rain rate", "T−", "cold side", "–")
    assert row["Turns at"] == f"−2.5{THIN}°C"


def test_a_paper_without_families_has_the_head_of_their_table() -> None:
    assert families({}, TASKS, ["rain"]).to_csv(index=False).startswith("Task,Family,Reading,")


def test_every_kind_of_unit_has_a_name() -> None:
    assert set(KIND_NAMES) == {*stability.KINDS, *causes.KINDS}
