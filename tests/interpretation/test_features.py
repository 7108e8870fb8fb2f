"""What the stages of stability, borders and cards put together, on small tasks."""

import json

import numpy as np
import pandas as pd
import pytest

from precip_sae.interpretation import borders, cards, causes, matching, stability
from precip_sae.interpretation.units import Variant
from precip_sae.manuscript.numbers import flatten
from precip_sae.settings import DataSettings
from precip_sae.tasks.episodes import Episodes
from precip_sae.tasks.prepare import prepare

RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    """600 rows of 30 storms whose phase changes at exactly -2 C; n0 is noise and melted follows the temperature."""
    t = 271.15 + RNG.uniform(-10, 10, 600)
    labels = np.where(t < 271.15, "Snow", "Rain")
    return pd.DataFrame(
        {"T": t, "n0": 10 ** RNG.normal(2, 1, 600), "phase": labels, "melted": (t > 271.15) * 1.0, "Sr": t - 260}
    )


DATA = DataSettings(
    table="t.csv", predictors=["T", "n0"], response="phase", kind="classification", classes=["Rain", "Snow"],
    transforms={"n0": "log10"},
)  # fmt: skip


def storms(prepared) -> Episodes:
    return Episodes(np.arange(len(prepared.test)) // 5, "spells")


def test_kinds_that_are_the_same_in_every_seed_have_partners_and_shifted_ones_do_not() -> None:
    one = np.maximum(RNG.normal(size=(1, 900, 4)), 0).astype(np.float32)
    same = np.repeat(one, 5, axis=0)
    other = np.maximum(RNG.normal(size=(5, 900, 6)), 0).astype(np.float32)
    kinds = stability.kinds(same, same, other)
    assert set(kinds) == set(stability.KINDS)
    matched = {kind: stability.Matched.of(activations) for kind, activations in kinds.items()}
    episodes = np.repeat(np.arange(30), 30)
    found = stability.compare(matched, [0.7, 0.9], 0.7, 0.5, episodes, "spells")
    latents, untrained, shifted = (found["kinds"][k] for k in ("latents", "untrained", "shifted"))
    assert latents["above_90"]["partner"]["mean"] == pytest.approx(1)
    assert latents["above_90"]["partner_storms"]["mean"] == pytest.approx(1)
    assert (latents["families"], latents["covered"]["value"]) == (4, 1)
    assert untrained["above_70"]["partner"]["mean"] == shifted["above_70"]["partner"]["mean"] == 0
    less = found["latents_less"]["above_70"]
    assert (less["hidden"]["mean"], less["untrained"]["mean"]) == pytest.approx((0, 1))
    assert less["untrained"]["p"]["value"] == pytest.approx(1e-6)  # less is not told apart
    assert found["latents_less_storms"]["above_70"]["untrained"]["over"] == "spells"
    keys = dict(flatten(found, ["task", "stability"]))
    assert keys["task.stability.kinds.latents.above_70.partner"]["text"].startswith("100.0")


def test_two_seeds_are_too_few_for_an_interval_and_still_give_results() -> None:
    a = RNG.normal(size=(2, 60, 3)).astype(np.float32)
    kinds = stability.kinds(a, a, a)
    matched = {kind: stability.Matched.of(activations) for kind, activations in kinds.items()}
    found = stability.compare(matched, [0.7], 0.7, 0.5, np.arange(60) // 3, "spells")
    assert found["kinds"]["latents"]["above_70"]["partner"]["mean"] is None
    assert json.dumps(found, allow_nan=False)


def test_the_families_of_a_file_are_those_that_were_found() -> None:
    labels = np.array([[0, -1, 2], [1, 0, 0]])
    table = stability.membership(labels, [4, 9])
    assert table[table["seed"] == 9]["family"].tolist() == [1, 0, 0]
    np.testing.assert_array_equal(stability.labels_of(table), labels)


def test_latents_of_one_network_are_compared_network_by_network() -> None:
    rows = RNG.normal(size=(2, 3, 4))
    same = matching.cosines(np.repeat(rows[:1], 3, axis=0))
    other = matching.cosines(np.concatenate([rows, -rows[:1]]))
    found = stability.same_network({"decoder": [same, other]}, [0.9])["decoder"]["above_90"]
    assert (found["most"], found["n"], found["over"]) == (1.0, 2, "networks")


def test_a_label_that_changes_at_one_temperature_steps_there_in_every_source(frame: pd.DataFrame) -> None:
    prepared = prepare(frame, DATA)
    axes = [borders.Axis.of(prepared, "T"), borders.Axis.of(prepared, "n0")]
    sure = 20 * np.where(prepared.test.y == 0, 1.0, -1.0)
    z = np.repeat(np.stack([sure, -sure], axis=1)[None], 3, axis=0).astype(np.float32)
    found = borders.of_outputs(prepared, borders.said(z, prepared), axes, storms(prepared))
    for source in ("observed", "networks", "linear"):
        assert found["T"]["Snow"][source]["step"]["mean"] == pytest.approx(-2, abs=0.5)
        assert found["T"]["Snow"][source]["step_explained"]["value"] > 0.8
    assert found["T"]["Snow"]["observed"]["step"]["form"] == ".1f °C"
    assert found["T"]["Snow"]["networks"]["step_seeds"]["sd"] == 0
    assert found["n0"]["Snow"]["observed"]["step"]["mean"] > 0


def test_places_along_a_transformed_input_and_its_borders_are_told_in_its_unit(frame: pd.DataFrame) -> None:
    falling = frame.assign(Fs=np.linspace(0.5, 4.5, len(frame))[RNG.permutation(len(frame))])
    transforms = {"T": "log10", "Fs": "log10"}
    data = DATA.model_copy(update={"predictors": ["T", "Fs"], "transforms": transforms})
    prepared = prepare(falling, data)
    t, fs = (borders.Axis.of(prepared, column) for column in ("T", "Fs"))
    own = falling.loc[prepared.rows["test"]]
    np.testing.assert_allclose(t.told(t.values), own["T"] - 273.15, atol=1e-3)
    np.testing.assert_allclose(fs.told(fs.values), own["Fs"], atol=1e-5)
    assert (fs.borders, fs.form) == ({"mixed_rain": (1.5, 2.0)}, ".3g m/s")
    assert t.borders["mixed_rain"] == pytest.approx((0, 2))


def test_published_borders_are_left_out_where_a_table_has_another_unit(frame: pd.DataFrame) -> None:
    celsius = DATA.model_copy(update={"units": {"T": "°C"}})
    axis = borders.Axis.of(prepare(frame.assign(T=frame["T"] - 273.15), celsius), "T")
    assert (axis.borders, axis.form) == ({}, ".3g °C")


def test_a_regressions_line_has_no_turn_to_speak_of(frame: pd.DataFrame) -> None:
    data = DataSettings(table="t.csv", predictors=["T", "n0"], response="Sr", kind="regression")
    prepared = prepare(frame, data)
    said = borders.said(np.repeat(prepared.test.y[None, :, None], 2, axis=0), prepared)
    found = borders.of_outputs(prepared, said, [borders.Axis.of(prepared, "T")], storms(prepared))["T"]["Sr"]
    assert found["observed"]["line_explained"]["value"] > 0.99
    assert found["linear"]["line_explained"]["value"] > 0.99


def test_units_turn_where_their_relu_starts(frame: pd.DataFrame) -> None:
    prepared = prepare(frame, DATA)
    t = prepared.physical(prepared.test.x, "T") - 273.15
    planted = np.stack([np.maximum(t + 5.6, 0), np.maximum(t - 1, 0)], axis=1).astype(np.float32)
    noise = RNG.normal(size=planted.shape).astype(np.float32)
    r = np.array([[[0.9, 0.0], [0.8, 0.0]]] * 2)
    variants = {
        "latents": Variant(np.stack([planted, planted]), r, np.zeros((2, 2), bool)),
        "hidden": Variant(np.stack([noise, noise]), r * 0.1, np.zeros((2, 2), bool)),
    }
    axes = [borders.Axis.of(prepared, "T")]
    table = borders.turns_of_units(variants, prepared, axes, [0, 1], 0.4)
    assert set(table["kind"]) == {"latents"}
    np.testing.assert_allclose(table["turn"], [-5.6, 1, -5.6, 1], atol=0.6)
    found = borders.of_units(table, axes, [0, 1], "latents")["T"]
    assert found["kinds"]["latents"]["at"]["snow_mixed"]["mean"] == 0.5
    assert found["kinds"]["latents"]["units"]["mean"] == 2
    assert 0 < found["chance"]["snow_mixed"]["value"] < 0.3


def test_another_label_keeps_all_its_classes() -> None:
    found = borders.relabelled(DATA.model_copy(update={"drop_classes": ["Ambiguous"]}), "temperature")
    assert (found.response, found.classes, found.drop_classes) == ("temperature", ["Rain", "Snow", "Mixed-phase"], [])


def test_a_reading_follows_from_the_table_of_rules_alone() -> None:
    found = cards.signs({"T": -0.8, "Fs": -0.6, "RH": 0.1}, 0.4)
    assert cards.name_of(found) == "T− Fs−"
    assert cards.reading(found) == {
        "kind": "snow",
        "rule": "T− Fs−",
        "words": "cold air, slowly falling particles",
    }
    assert cards.reading({"tair": 1}) == {"kind": cards.NO_READING, "rule": "", "words": "high tair"}
    assert cards.name_of({}) == "no input"
    assert cards.name_of({"T": 1, "n0": -1, "Fs": 1}, {"T": "$T$", "n0": "$n_0$", "Fs": "f"}, most=2) == "$T$+ $n_0$− …"


def test_every_rule_can_be_reached_and_every_sign_has_its_phrase() -> None:
    for kind, needed in cards.KINDS:
        assert cards.reading(needed)["kind"] == kind, needed
        assert all(key in cards.PHRASES for key in needed.items())
    assert {(name, -sign) for name, sign in cards.PHRASES} == set(cards.PHRASES)


def made(frame: pd.DataFrame) -> cards.Card:
    prepared = prepare(frame, DATA)
    t = prepared.test.x[:, 0]
    member = np.maximum(t, 0)[:, None] * np.array([1.0, 3.0])[:, None, None]
    family = matching.Family({0: 0, 1: 0}, 2, 1.0, 0.99)
    effects = pd.DataFrame(
        {"kind": ["latents", "latents", "hidden"], "seed": [5, 8, 5], "unit": [0, 0, 0], "size": [0.2, 0.4, 9.0],
         "out_0": [-0.2, -0.4, 9.0], "out_1": [0.2, 0.4, 9.0], "tied": [0.5, 0.7, 0.9]}
    )  # fmt: skip
    factors = {"melted": frame.loc[prepared.rows["test"], "melted"].to_numpy()}
    r = np.array([[[0.9, 0.1]], [[0.8, -0.1]]])
    carried = {"carried": {"mean": 0.7, "low": 0.6, "high": 0.8}}
    return cards.card(
        family,
        member.astype(np.float32),
        np.stack([prepared.test.x] * 2),
        r,
        effects,
        carried,
        prepared,
        [5, 8],
        storms(prepared),
        factors,
        0.4,
    )


def test_a_card_holds_what_is_known_of_its_family(frame: pd.DataFrame) -> None:
    facts = made(frame).facts
    assert (facts["name"], facts["reading"]["kind"]) == ("T+", "warm side")
    assert facts["members"] == {"5": 0, "8": 0}
    assert [one["input"] for one in facts["inputs"]] == ["T", "n0"]
    assert facts["ablation"]["size"]["mean"] == pytest.approx(0.3)
    assert facts["ablation"]["outputs"]["Rain"]["mean"] == pytest.approx(-0.3)
    assert facts["threshold"]["turn"]["mean"] == pytest.approx(-2, abs=1)
    assert facts["active_share"]["mean"] == pytest.approx(0.5, abs=0.1)
    melted = facts["hidden_factors"]["melted"]
    assert (melted["input"], melted["what"]) == ("T", cards.HIDDEN_FACTORS["melted"])
    assert 0.5 < melted["r"]["mean"] < 1
    assert facts["truth"] is None
    assert json.dumps(facts, allow_nan=False)


def test_the_manuscript_gets_numbers_and_texts_of_every_family(frame: pd.DataFrame) -> None:
    keys = dict(flatten(cards.numbers([made(frame)]), ["rain", "cards"]))
    assert keys["rain.cards.family_1.name"]["value"] == "T+"
    assert keys["rain.cards.family_1.stability.share_of_seeds"]["text"] == "100.0\u202f%"
    assert not any("members" in key or "response" in key for key in keys)


def test_members_of_any_size_make_one_curve(frame: pd.DataFrame) -> None:
    curve = made(frame).curve
    np.testing.assert_allclose(curve.seeds_low, curve.seeds_high, atol=1e-6)
    assert curve.mean.max() == pytest.approx(1)
    assert (curve.low <= curve.mean + 1e-9).all()
    assert (curve.mean <= curve.high + 1e-9).all()


def test_a_factor_that_is_missing_in_some_rows_is_judged_by_the_others() -> None:
    a = RNG.normal(size=(1, 50)).astype(np.float32)
    factor = a[0].astype(np.float64).copy()
    factor[:10] = np.nan
    units = np.stack([-a[0], np.zeros(50, np.float32)], axis=1)[None]
    found = cards.hidden_factor(a, units, factor, a.T)
    assert found["r"]["mean"] == pytest.approx(1)
    assert found["unit_r"]["mean"] == pytest.approx(1)
    assert cards.hidden_factor(a, units, np.full(50, 3.0), a.T)["r"]["mean"] is None


def test_a_family_is_shown_along_an_input_that_varies() -> None:
    assert cards.strongest({"flag": np.nan, "T": 0.2, "n0": -0.6}) == "n0"
    assert cards.strongest({"a": 0.5, "b": -0.5}) == "a"


def test_effects_are_written_as_shares_or_in_the_unit_of_the_response() -> None:
    assert causes.effect_form(DATA) == ".1%"
    rate = DataSettings(table="t.csv", predictors=["T"], response="Sr", kind="regression")
    assert causes.effect_form(rate) == ".3f mm/h"
    assert causes.effect_form(rate.model_copy(update={"response": "mine"})) == ".3f"
