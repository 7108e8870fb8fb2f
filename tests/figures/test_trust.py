"""Figures of measures, noise floors and controls: what stands where, and what is missing stays out."""

import numpy as np
import pandas as pd
import pytest

from precip_sae.figures import controls, measures, noise
from precip_sae.interpretation.measures import MEASURES
from precip_sae.interpretation.sensitivity import COUNTED
from precip_sae.spread import over_seeds


def spread(mean, half=0.02):
    if mean is None:
        return {"mean": None, "low": None, "high": None}
    return {"mean": mean, "low": None if half is None else mean - half, "high": None if half is None else mean + half}


def markers(axis):
    """Single points by colour: (x, y, filled)."""
    return [
        (round(float(line.get_xdata()[0]), 6), float(line.get_ydata()[0]), line.get_markerfacecolor() != "white")
        for line in axis.lines
        if len(line.get_xdata()) == 1
    ]


def compared(p):
    return {
        "title": "published",
        "reduction": {"keras3": spread(0.2), "untrained": spread(0.1, None)},
        "gain": {"keras3": {"p_holm": {"value": p}}},
    }


def test_a_measure_is_filled_where_training_gains_after_correction():
    rows = [
        {"variant": v, "seed": s, "counted": c, "threshold": t, "value": 3 - 2 * t + 0.1 * s}
        for v in ("mlp", "keras3", "untrained") for s in (0, 1) for c in COUNTED for t in (0.1, 0.4, 0.8)
    ]  # fmt: skip
    nothing = compared(None) | {"reduction": {"keras3": spread(None), "untrained": spread(None)}}
    figure = measures.measures(pd.DataFrame(rows), {"a": compared(0.01), "b": compared(0.2), "c": nothing})
    points = markers(figure.axes[3])
    assert [(x, filled) for x, _, filled in points] == [(10, False), (20, True), (10, False), (20, False)]
    assert [len(axis.collections) for axis in figure.axes[:3]] == [3, 3, 3]
    figure.draw_without_rendering()


def test_every_measure_has_a_place_in_the_figure_of_measures():
    rows = [
        {"variant": v, "seed": 0, "counted": c, "threshold": 0.4, "value": 1.0}
        for v in ("mlp", "keras3", "untrained") for c in COUNTED
    ]  # fmt: skip
    found = {name: compared(0.01) | {"title": m.title} for name, m in MEASURES.items()}
    figure = measures.measures(pd.DataFrame(rows), found)
    assert [t.get_text() for t in figure.axes[3].get_yticklabels()] == [m.title for m in MEASURES.values()]


@pytest.mark.parametrize("gain", [0.05, -0.05])
def test_floors_stand_above_what_is_looked_for_and_a_loss_is_not_cut_off(gain):
    names = {"order": "order of the rows", "data": "simulated table", "storms": "storms"}
    found = {counted: {"order": spread(0.05), "storms": spread(0.04, None)} for counted in COUNTED}
    training = {counted: spread(gain) for counted in COUNTED}
    figure = noise.floors(found, names, dict.fromkeys(COUNTED, 0.03) | {"every": None}, training)
    # the table is no simulation: no such row
    labels = [t.get_text() for t in figure.axes[0].get_yticklabels()]
    assert labels == ["order of the rows", "storms", "subset of the inputs", "training (mean gain)"]
    assert [x for x, _, _ in markers(figure.axes[0])] == [5, 4, 3, round(100 * gain, 6)]
    assert len(markers(figure.axes[2])) == 3
    low = figure.axes[0].get_xlim()[0]
    assert low <= min(0, 100 * gain - 2)
    assert low == 0 or gain < 0


def test_floors_are_drawn_where_the_gain_of_training_is_not_defined():
    training = dict.fromkeys(COUNTED, spread(None))
    figure = noise.floors({name: {"order": spread(0.05)} for name in COUNTED}, {"order": "order"}, {}, training)
    assert [x for x, _, _ in markers(figure.axes[0])] == [5]


def test_bands_around_curves_of_a_few_seeds_are_students():
    rows = [
        {"variant": v, "seed": s, "counted": c, "threshold": t, "value": value}
        for v in ("mlp", "keras3", "untrained") for s, value in enumerate((1.0, 2.0, 3.0)) for c in COUNTED
        for t in (0.1, 0.4)
    ]  # fmt: skip
    band = measures.measures(pd.DataFrame(rows), {"a": compared(0.01)}).axes[0].collections[0]
    low, high = band.get_paths()[0].vertices[:, 1].min(), band.get_paths()[0].vertices[:, 1].max()
    alone = over_seeds([1.0, 2.0, 3.0])
    assert (low, high) == pytest.approx((alone["low"], alone["high"]))


def test_controls_that_the_trained_sae_does_not_beat_are_hollow():
    names = {"sae": "SAE, trained", "pca": "principal components", "wide": "wide network", "none": "undefined"}
    of = {
        "sae": {"reduction": spread(0.3)},
        "pca": {"reduction": spread(0.1), "beyond": {"p_holm": {"value": 0.001}}},
        "wide": {"reduction": spread(0.29), "beyond": {"p_holm": {"value": 0.6}}},
        "none": {"reduction": spread(None), "beyond": {"p_holm": {"value": None}}},
    }
    figure = controls.controls(dict.fromkeys(controls.MEASURES, of), names)
    assert markers(figure.axes[0]) == [(30, 0, True), (10, 1, True), (29, 2, False)]
    assert np.isclose(figure.axes[0].patches[0].get_x(), 28)
    figure.draw_without_rendering()
