"""The figure of the argument: every number has its place, and what was not asked stays out."""

from typing import Any

import pytest

from precip_sae.figures.overview import ORDER, known_layers, overview
from precip_sae.interpretation.measures import MEASURES
from precip_sae.interpretation.stability import key
from precip_sae.manuscript.numbers import flatten
from precip_sae.spread import over_seeds

TITLES = {"rain": "Rain", "snow": "Snow"}
COMMON, RARE = "n16_layer_1_learnt_5", "n48_16_layer_2_learnt_16"


def spread(mean: float) -> dict[str, Any]:
    return over_seeds([mean - 0.1, mean, mean + 0.1], ".2f")


def numbers(known: bool = True) -> dict[str, Any]:
    """Trained SAEs show 0.3 and untrained ones 0.1 by every measure; recovery and partners likewise."""
    measured = {
        name: {"title": measure.title, "reduction": {"keras3": spread(0.3), "untrained": spread(0.1)}}
        for name, measure in MEASURES.items()
    }
    stability = {
        kind: {"above_70": {"partner": spread(0.5)}, "above_90": {"partner": spread(0.4)}}
        for kind in ("latents", "hidden", "untrained")
    }
    layer = {
        "recovery": {"units": spread(0.4), "sae": spread(0.3), "untrained": spread(0.2)},
        "gain_over": {"both": spread(0.1)},
    }
    tasks = {task: {"measures": {"measures": measured}, "stability": {"kinds": stability}} for task in TITLES}
    column = {
        "known": known, "shown": {"network": "16"}, "layers": {COMMON: layer},
        "rare": {"layers": {"n8_layer_1_learnt_4": layer, RARE: layer}, "shown": RARE},
    }  # fmt: skip
    return dict(flatten(tasks | {"column": column}))


def points(axis: Any) -> list[float]:
    return sorted(round(float(line.get_xdata()[0]), 3) for line in axis.lines if len(line.get_xdata()) == 1)


def test_every_measure_of_every_task_is_drawn_for_trained_and_untrained_saes() -> None:
    figure = overview(numbers(), TITLES, 0.33)
    for axis in figure.axes[:2]:
        assert points(axis) == [10.0] * len(MEASURES) + [30.0] * len(MEASURES)
        assert 33.0 in [float(line.get_xdata()[0]) for line in axis.lines]
    recovered, returning = figure.axes[2:]
    assert points(recovered) == [0.2, 0.2, 0.3, 0.3, 0.4, 0.4]
    assert points(returning) == [50.0] * 6, "at the lower of the two levels"
    figure.draw_without_rendering()


def test_every_measure_has_its_place_in_the_figure() -> None:
    assert list(MEASURES) == list(ORDER)


def test_what_is_not_known_or_not_measured_leaves_its_place_empty() -> None:
    assert list(known_layers(numbers(known=False)).values()) == [f"column.rare.layers.{RARE}"]
    found = {key: number for key, number in numbers(known=False).items() if ".reduction.untrained" not in key}
    figure = overview(found, TITLES, 0.33)
    assert points(figure.axes[0]) == [30.0] * len(MEASURES)
    figure.draw_without_rendering()


def test_a_paper_without_features_has_a_figure_that_says_so() -> None:
    for found, titles in (({}, {}), ({}, TITLES)):
        overview(found, titles, 0.33).draw_without_rendering()


@pytest.mark.parametrize("missing", [".low", ".high"])
def test_one_seed_makes_points_without_intervals(missing: str) -> None:
    found = {key: {"value": None, "text": "–"} if key.endswith(missing) else n for key, n in numbers().items()}
    axis = overview(found, TITLES, 0.33).axes[2]
    assert points(axis) == [0.2, 0.2, 0.3, 0.3, 0.4, 0.4]
    assert not [line for line in axis.lines if len(line.get_xdata()) == 2]


@pytest.mark.parametrize(("levels", "lowest"), [([0.7, 0.05], "r > 0.05 (%)"), ([0.925, 0.93], "r > 0.925 (%)")])
def test_the_lowest_level_is_named_whatever_its_digits(levels: list[float], lowest: str) -> None:
    keys = [key(level) for level in levels]
    assert len(set(keys)) == 2
    found = {k.replace("above_70", keys[0]).replace("above_90", keys[1]): n for k, n in numbers().items()}
    axis = overview(found, TITLES, 0.33).axes[3]
    assert axis.get_xlabel() == f"with a partner, {lowest}"
