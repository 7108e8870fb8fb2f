"""Figures of stability, causes, borders and cards: the same bytes, legible, and still drawn where little is known."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.text import Text

from precip_sae.figures import cards as draw_cards
from precip_sae.figures import features, style
from precip_sae.figures.features import LOOKS
from precip_sae.interpretation.borders import Axis
from precip_sae.interpretation.cards import Card, Curve
from precip_sae.interpretation.causes import Steering
from precip_sae.settings import DataSettings
from precip_sae.spread import over_seeds

SPREAD = over_seeds([0.2, 0.3, 0.5], ".1%")
SHRUNK = 162 / (25.4 * style.DOUBLE)


def effects() -> pd.DataFrame:
    rows = [
        (kind, seed, unit, 0.5, 0.1 * unit, 0.2 * unit, 0.4)
        for kind in ("latents", "hidden", "untrained", "random", "principal")
        for seed in range(3)
        for unit in range(4)
    ]
    return pd.DataFrame(rows, columns=["kind", "seed", "unit", "active", "size", "doubled", "tied"])


def steering(outputs: int = 3, seeds: int = 2) -> Steering:
    curves = np.random.default_rng(0).uniform(size=(seeds, 5, outputs))
    return Steering(1, "T", np.linspace(-1, 1, 5), curves[0], curves[0], curves, curves / 2, curves / 3, {})


def outputs(low: float | None = -1.0) -> dict:
    spread = SPREAD | {"low": low, "high": None if low is None else 1.0}
    entry = {source: {"step": spread} for source in ("observed", "networks", "linear")}
    return {"T": {"Rain": entry, "Snow": entry}, "Fs": {"Rain": entry, "Snow": entry}}


def turns() -> pd.DataFrame:
    return pd.DataFrame(
        {"column": ["T", "T", "Fs"], "kind": ["latents", "hidden", "latents"], "turn": [-5.0, 1.0, 2.0]}
    )


TRUTH = {
    "factor": "wet_bulb",
    "r2": SPREAD | {"mean": 0.5, "low": 0.4, "high": 0.6, "form": ".2f", "over": "spells"},
    "input": "T",
    "input_r2": SPREAD | {"mean": 0.8},
}


def card(outputs: tuple[str, ...] = ("Rain", "Snow", "Mixed-phase"), low: float | None = -6.0) -> Card:
    places = np.linspace(-10, 10, 8)
    turn = SPREAD | {"mean": -5.0, "low": low, "high": None if low is None else -4.0, "form": ".1f °C"}
    turn |= {"over": "groups of site"}
    line = np.linspace(1, 0, 8)
    bound = np.full(8, np.nan) if low is None else line
    facts = {
        "name": "T− Fs−",
        "reading": {"kind": "snow", "rule": "T− Fs−", "words": "cold air, slowly falling particles"},
        "stability": {"share_of_seeds": {"value": 0.8}, "similarity": {"value": 0.9}, "latents": 9},
        "inputs": [{"input": "T", "r": over_seeds([-0.8, -0.7])}, {"input": "Fs", "r": over_seeds([0.5])}],
        "threshold": {"input": "T", "turn": turn},
        "active_share": SPREAD,
        "ablation": {"size": SPREAD, "outputs": dict.fromkeys(outputs, SPREAD)},
        "steering": {"carried": SPREAD} if low else {},
        "hidden_factors": {
            "melted": {"r": over_seeds([0.4]), "unit_r": over_seeds([0.5]), "input": "T", "input_r": {"value": 0.8}}
        },
        "truth": TRUTH if low else None,
    }
    return Card(facts, Curve("T", ".1f °C", places, line, bound, bound, line, line, turn, 0.9), {"T": -1, "Fs": -1})


def every_figure() -> dict[str, Callable[[], Figure]]:
    shares = {"above_70": SPREAD, "above_90": over_seeds([0.1, 0.2, 0.2], ".1%")}
    names, labels = {"T": "$T$", "Fs": "$F_s$"}, {"T": "$T$ (°C)", "Fs": "$F_s$ (m s⁻¹)"}
    similar = {kind: np.linspace(-0.5, 1, 50) ** 3 for kind in LOOKS}
    return {
        "partners": lambda: features.partners(similar, [0.7, 0.9], {"decoder": shares, "input": shares}),
        "ablations": lambda: features.ablations(effects(), "moved (points)", 100),
        "steering": lambda: features.steering(
            [steering(), steering()], ["one", "two"], ["P(Rain)", "P(Snow)", "P(Mixed)"], labels, lambda _, x: x
        ),
        "borders": lambda: features.borders(
            {"regime3": outputs(), "phase": outputs()}, turns(), labels, {"T": {"a": (-6.6, -4.6)}, "Fs": {}}
        ),
        "cards": lambda: draw_cards.cards([card(), card(("Sr",))], names, labels),
    }


NAMES = list(every_figure())


@pytest.mark.parametrize("name", NAMES)
def test_a_figure_is_the_same_bytes_each_time_it_is_drawn(name: str, tmp_path: Path) -> None:
    draw = every_figure()[name]
    for run in ("a", "b"):
        style.save(draw(), tmp_path / run / name)
    for suffix in (".svg", ".png"):
        first, second = ((tmp_path / run / name).with_suffix(suffix).read_bytes() for run in ("a", "b"))
        assert first == second


@pytest.mark.parametrize("name", NAMES)
def test_a_figure_fits_the_page_and_its_text_is_legible_in_print(name: str) -> None:
    figure = every_figure()[name]()
    assert figure.get_figwidth() <= style.DOUBLE + 1e-6
    figure.canvas.draw()
    texts = [t for t in figure.findobj(Text) if t.get_text().strip() and t.get_visible()]
    assert min(t.get_fontsize() for t in texts) * SHRUNK >= 7


@pytest.mark.parametrize("name", NAMES)
def test_every_axis_says_what_it_shows(name: str) -> None:
    for axis in every_figure()[name]().axes:
        if axis.get_visible() and axis.axison:
            assert any([axis.get_xlabel(), axis.get_ylabel(), axis.get_title()]), axis


def test_every_kind_of_unit_has_a_colour_marker_and_name_of_its_own() -> None:
    names, _, markers, _ = zip(*LOOKS.values(), strict=True)
    assert len(set(names)) == len(set(markers)) == len(LOOKS)
    colours = [to_rgb(colour) for _, colour, _, _ in LOOKS.values()]
    assert len(set(colours)) == len(LOOKS)
    assert not set(colours) & {to_rgb(colour) for colour in style.PHASES.values()}


def test_a_card_names_inputs_as_figures_do_whatever_is_in_their_names() -> None:
    one = card()
    one.facts["inputs"].append({"input": "no ice", "r": over_seeds([np.nan])})
    named = replace(one, signs={"no ice": 1, "T": -1})
    axes = draw_cards.cards([named], {"T": "$T$", "Fs": "$F_s$", "no ice": "ice-free"}, {"T": "T"}).axes
    assert axes[0].get_title(loc="left") == "ice-free+ $T$−"
    # one that does not vary has no bar
    assert len(axes[1].patches) == 2


def test_every_level_of_similarity_has_a_mark_of_its_own_and_is_in_the_legend() -> None:
    levels = [0.5, 0.7, 0.9]
    found = {"decoder": {f"above_{k}": SPREAD for k in (50, 70, 90)}}
    figure = features.partners({"latents": np.linspace(-1, 1, 9)}, levels, found)
    marks = [line for line in figure.axes[1].lines if line.get_linestyle() == "None"]
    assert len({(line.get_marker(), line.get_color()) for line in marks}) == 3
    assert [t.get_text() for t in figure.legends[0].get_texts()][1:] == ["above 0.5", "above 0.7", "above 0.9"]


def test_figures_are_drawn_where_intervals_or_families_are_missing() -> None:
    every = [
        draw_cards.cards([], {}, {}),
        draw_cards.cards([card(low=None)], {"T": "T", "Fs": "F"}, {"T": "T"}),
        features.steering([], [], [], {}, lambda _, x: x),
        features.borders({"regime3": outputs(None)}, turns().iloc[:0], {"T": "T", "Fs": "F"}, {}),
        features.partners({"latents": np.full(3, np.nan)}, [0.7], {"x": {"above_70": over_seeds([np.nan])}}),
        features.ablations(effects().assign(active=0.0), "size", 1),
    ]
    for figure in every:
        figure.canvas.draw()


def test_a_card_names_its_reading_its_seeds_and_its_turn() -> None:
    figure = draw_cards.cards([card()], {"T": "$T$", "Fs": "$F_s$"}, {"T": "T"})
    text = "\n".join(t.get_text() for t in figure.axes[3].texts)
    assert "snow (rule: $T$− $F_s$−)" in text
    assert "in 80\u202f% of seeds, members alike at r 0.90" in text
    assert "turns at −5.0\u202f°C (−6.0 to −4.0 over groups of site)" in text.replace("\n  ", " ")
    assert "wet bulb, R² 0.50 (0.40 to 0.60 over storms); $T$ alone 0.80" in text.replace("\n  ", " ")
    assert figure.axes[0].get_title(loc="left") == "$T$− $F_s$−"


def test_a_card_of_a_table_without_truth_has_no_line_of_it() -> None:
    figure = draw_cards.cards([card(low=None)], {"T": "$T$", "Fs": "$F_s$"}, {"T": "T"})
    text = "\n".join(t.get_text() for t in figure.axes[3].texts).replace("\n  ", " ")
    assert "simulation" not in text
    assert "melted: r +0.40 (a unit: 0.50, $T$: +0.80)" in text


def test_temperatures_are_told_in_degrees_celsius() -> None:
    data = DataSettings(table="t.csv", predictors=["T", "n0"], response="y", kind="regression")
    axes = [
        Axis("T", 270.0, 2.0, np.zeros(1), lambda x: x - 273.15, ".1f °C"),
        Axis("n0", 0.0, 1.0, np.zeros(1), lambda x: 10**x, ".3g m^-3 mm^-1"),
    ]
    assert features.axis_names(data, axes) == {"T": "$T$ (°C)", "n0": "$n_0$ (m⁻³ mm⁻¹)"}
    np.testing.assert_allclose(axes[0].place(np.array([1.0])), [-1.15])
