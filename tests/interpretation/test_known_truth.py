"""The experiments, small: what they train, what they hold it to, and what is said where nothing is known."""

import numpy as np
import pandas as pd
import pytest

from precip_sae.figures import recovery as figures
from precip_sae.interpretation import known_truth
from precip_sae.interpretation.judges import UnitJudge
from precip_sae.interpretation.recovery import pressure
from precip_sae.settings import ColumnSettings
from precip_sae.simulation.simulate import simulate
from precip_sae.simulation.truth import truth_of

SETTINGS = ColumnSettings.model_validate(
    {
        "seeds": [0, 1],
        "networks": [[4], [8], [6, 4]],
        "training": {"epochs": 2},
        "dictionary": {"epochs": 2},
        "planted": {"factors": [4, 8], "widths": [4], "every": 1, "training": {"epochs": 2}},
    }
)


@pytest.fixture(scope="module")
def found() -> tuple[known_truth.Found, known_truth.Recovery]:
    table = simulate(2500, seed=3)
    truth = truth_of(table, 2500, 3)
    calls: list[tuple[int, int]] = []
    column = known_truth.column_experiment(table, truth, SETTINGS, UnitJudge(), lambda *done: calls.append(done))
    assert calls[-1] == (6, 6)
    return column, known_truth.planted_experiment(table, SETTINGS)


def test_only_networks_of_one_layer_learn_fewer_things() -> None:
    assert known_truth.planned(SETTINGS) == [([4], 1), ([4], 5), ([8], 1), ([8], 5), ([6, 4], 5)]
    assert known_truth.shown(SETTINGS) == "4"
    assert known_truth.shown(ColumnSettings()) == "16"


def test_every_layer_of_every_network_has_all_dictionaries(
    found: tuple[known_truth.Found, known_truth.Recovery],
) -> None:
    dictionaries, factors = known_truth.tables(found[0], found[1])
    own = dictionaries[dictionaries["experiment"] == "column"]
    assert len(own.groupby(["network", "layer", "learnt"])) == 6
    # 8 kinds and penalties, and a wider network for the narrow ones; two seeds
    assert own.groupby(["network", "layer", "learnt"]).size().sort_index().tolist() == [18, 18, 16, 16, 16, 16]
    assert set(factors.loc[factors["experiment"] == "column", "factor"]) == set(known_truth.RECOVERED)
    planted = dictionaries[dictionaries["experiment"] != "column"]
    assert len(planted.groupby(["experiment", "learnt"])) == 4
    assert own["inputs_by_published"].notna().any()
    assert dictionaries["recovery"].between(-20, 1).all()


def test_the_summary_says_what_the_shown_network_recovers(
    found: tuple[known_truth.Found, known_truth.Recovery],
) -> None:
    numbers = known_truth.summary(found[0], found[1], SETTINGS)
    assert numbers["known"] is True
    assert set(numbers["shown"]["factors"]) == set(known_truth.RECOVERED)
    assert numbers["shown"]["better"] + numbers["shown"]["worse"] <= numbers["shown"]["of"] == 11
    assert set(numbers["shown"]["skill"]) == {"snowfall", "rain", "melted", "echo_top", "regime"}
    assert set(numbers["storms"]) == {"4", "8", "6_4"}
    assert "n6_4_layer_2_learnt_5" in numbers["layers"]
    assert set(numbers["trend"]) == set(numbers["rare"]["trend"]) == {"units", "sae", "present", "spread", "gain"}


def test_of_an_archive_nothing_is_said_about_a_hidden_state(
    found: tuple[known_truth.Found, known_truth.Recovery],
) -> None:
    nothing = known_truth.Found()
    numbers = known_truth.summary(nothing, found[1], SETTINGS)
    assert numbers["known"] is False
    assert numbers.keys() == {"known", "seeds", "planted", "rare"}
    dictionaries, factors = known_truth.tables(nothing, found[1])
    assert not (dictionaries["experiment"] == "column").any()
    for figure in (
        figures.by_factor(known_truth.of_shown(factors, SETTINGS), {}, known_truth.RECOVERED),
        figures.sparse(known_truth.of_shown(dictionaries, SETTINGS)),
    ):
        assert figures.UNKNOWN in [text.get_text() for text in figure.axes[0].texts]


def test_the_same_settings_give_the_same_numbers(found: tuple[known_truth.Found, known_truth.Recovery]) -> None:
    again = known_truth.planted_experiment(simulate(2500, seed=3), SETTINGS)
    pd.testing.assert_frame_equal(again.tables()[0], found[1].tables()[0])


def test_every_factor_and_layer_is_in_its_figure(found: tuple[known_truth.Found, known_truth.Recovery]) -> None:
    dictionaries, factors = known_truth.tables(found[0], found[1])
    shown = known_truth.of_shown(factors, SETTINGS)
    drawn = figures.by_factor(shown, found[0].inputs, known_truth.RECOVERED)
    assert [t.get_text() for t in drawn.axes[0].get_yticklabels()] == list(figures.NAMES.values())
    sparse = figures.sparse(known_truth.of_shown(dictionaries, SETTINGS))
    assert {t.get_text() for t in sparse.axes[0].get_xticklabels()} == {"1", "2", "4", "8"}
    panels = figures.pressure(pressure(dictionaries)).axes
    assert len(panels) == 6
    loads = [line.get_xdata() for line in panels[1].lines if len(line.get_xdata()) > 0]
    assert {1.0, 2.0} <= set(np.concatenate(loads))
