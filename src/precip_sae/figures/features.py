"""Do latents hold up? Partners across seeds, effects of interventions, steering curves, and borders between phases."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from precip_sae.figures.names import names, pretty_unit, with_unit
from precip_sae.figures.style import DOUBLE, KINDS, PHASES, PUBLISHED, logarithmic, styled
from precip_sae.interpretation.borders import Axis
from precip_sae.interpretation.causes import PRINCIPAL, Steering, by_seed
from precip_sae.interpretation.stability import HIDDEN, LATENTS, RANDOM, SHIFTED, UNTRAINED
from precip_sae.settings import DataSettings
from precip_sae.spread import over_seeds

# Kind of unit: its name, colour, marker and line.
LOOKS: dict[str, tuple[str, str, str, str]] = {
    LATENTS: ("SAE latents", KINDS["keras3"], "s", "-"),
    HIDDEN: ("hidden units", KINDS["mlp"], "o", "-"),
    UNTRAINED: ("latents, SAE untrained", KINDS["untrained"], "D", "--"),
    RANDOM: ("random directions", "#AA7744", "v", "-."),
    PRINCIPAL: ("principal directions", "#332288", "P", "-."),
    SHIFTED: ("latents, shifted in time", "#E08FB8", "x", ":"),
}
LEVEL_LOOKS = (("s", "#333333"), ("D", "#9A9A9A"), ("^", "#666666"), ("v", "#BBBBBB"))
"""Marker and colour of each level of similarity."""
SOURCES = {"observed": ("observed", "o"), "networks": ("networks", "s"), "linear": ("linear model", "^")}
LABELS = {"regime3": "regimes (study)", "density": "density", "temperature": "temperature", "phase": "true phase"}


def axis_names(data: DataSettings, axes: Sequence[Axis]) -> dict[str, str]:
    """What is written below each axis: the input's name and the unit in which places along it are told."""
    return {
        axis.column: with_unit(name, pretty_unit(axis.unit))
        for axis, name in zip(axes, names(data, [axis.column for axis in axes]), strict=True)
    }


def _entry(kind: str) -> Line2D:
    name, colour, marker, line = LOOKS[kind]
    return Line2D([], [], color=colour, marker=marker, linestyle=line, markersize=3.5, label=name)


def _interval(axis: Axes, spread: Mapping[str, Any], y: float, scale: float, **look: Any) -> None:
    """A spread as a marker on a bar, along x."""
    if spread["mean"] is None:
        return
    if spread["low"] is not None:
        axis.hlines(y, scale * spread["low"], scale * spread["high"], color=look["color"], linewidth=1.4)
    axis.plot(scale * spread["mean"], y, markersize=4, linestyle="none", **look)


@styled
def partners(
    similarities: Mapping[str, NDArray[np.float64]],
    levels: Sequence[float],
    elsewhere: Mapping[str, Mapping[str, Mapping[str, Any]]],
) -> Figure:
    """How alike units and their partners in other seeds are.

    Left, the share of units whose partner is more similar than x, a line per kind. Right, the shares above the levels
    when latents are compared in other ways, with 95 % intervals.

    Args:
        similarities: of every kind, similarity of every unit with its partner, any shape, NaN for none.
        levels: to mark.
        elsewhere: way of comparing, in words: {key of a level: spread}, levels in the same order.
    """
    figure = Figure(figsize=(DOUBLE, 2.95))
    left, right = figure.subplots(1, 2, gridspec_kw={"width_ratios": [1.15, 1]})
    grid = np.linspace(-0.2, 1, 241)
    for kind, values in similarities.items():
        known = np.sort(values[np.isfinite(values)])
        above = 100 * (1 - np.searchsorted(known, grid, side="right") / len(known)) if len(known) else np.nan * grid
        left.plot(grid, above, color=LOOKS[kind][1], linestyle=LOOKS[kind][3])
    for level in levels:
        left.axvline(level, color="0.6", linewidth=0.6, linestyle=":")
    left.set(
        xlabel="correlation with the partner", ylabel="units above it (%)", xlim=(-0.2, 1.005), ylim=(0, 105),
        title="across networks, by activation",
    )  # fmt: skip
    looks = [LEVEL_LOOKS[k % len(LEVEL_LOOKS)] for k in range(len(levels))]
    for row, spreads in enumerate(elsewhere.values()):
        for k, (spread, (marker, colour)) in enumerate(zip(spreads.values(), looks, strict=True)):
            _interval(right, spread, row + 0.22 * (k - 0.5), 100, marker=marker, color=colour)
    right.set(yticks=range(len(elsewhere)), xlabel="latents with a partner above (%)", xlim=(0, 102))
    right.set_yticklabels(list(elsewhere))
    right.set_ylim(len(elsewhere) - 0.5, -0.5)
    right.set_title("compared in other ways")
    marks = [
        Line2D([], [], linestyle="none", marker=marker, color=colour, markersize=4, label=f"above {level:g}")
        for level, (marker, colour) in zip(levels, looks, strict=True)
    ]
    lines = [
        Line2D([], [], color=LOOKS[kind][1], linestyle=LOOKS[kind][3], label=LOOKS[kind][0]) for kind in similarities
    ]
    figure.legend(handles=[*lines, *marks], loc="outside lower center", ncols=4)
    return figure


@styled
def ablations(table: pd.DataFrame, what: str, scale: float) -> Figure:
    """What ablating units does: how large the effect is and how far it goes with one input, a point per seed.

    Args:
        table: see `interpretation.causes.effects`; what: label of the size; scale: factor to the label's unit.
    """
    found = by_seed(table).dropna(subset="size")
    kinds = [kind for kind in LOOKS if kind in found.index]
    measures = (
        (scale * found["size"], "mean over units", what),
        (scale * found["strongest"], "the strongest unit", what),
        (100 * found["tied"], "tied to one input", "variance of the effect (%)"),
    )
    figure = Figure(figsize=(DOUBLE, 2.3))
    for axis, (values, title, label) in zip(figure.subplots(1, 3), measures, strict=True):
        for x, kind in enumerate(kinds):
            _, colour, marker, _ = LOOKS[kind]
            points = values[kind].to_numpy()
            axis.scatter(np.full(len(points), x), points, s=6, color=colour, alpha=0.35, linewidths=0)
            spread = over_seeds(points)
            if spread["low"] is not None:
                axis.vlines(x + 0.25, spread["low"], spread["high"], color=colour, linewidth=1.5)
            axis.plot(x + 0.25, spread["mean"], marker=marker, color=colour, markersize=4)
        axis.set(xticks=[], ylabel=label, title=title, xlim=(-0.5, len(kinds) - 0.3))
        axis.set_ylim(bottom=0)
    figure.legend(handles=[_entry(kind) for kind in kinds], loc="outside lower center", ncols=3)
    return figure


@styled
def steering(
    curves: Sequence[Steering], titles: Sequence[str], outputs: Sequence[str], labels: Mapping[str, str], places: Any
) -> Figure:
    """Predictions with a family's latents clamped, beside those with the input itself moved, and what was observed.

    Args:
        curves: a panel each; titles: names of the families.
        outputs: names of the outputs, with their unit; of the one that moving the input changes most.
        labels: of the inputs' axes; places: a column and standardised values -> values in the label's unit.
    """
    across = max(1, min(3, len(curves)))
    down = max(1, -(-len(curves) // across))
    figure = Figure(figsize=(DOUBLE, 0.55 + 2.05 * down))
    axes = figure.subplots(down, across, squeeze=False).ravel()
    for axis in axes[len(curves) :]:
        axis.set_axis_off()
    for axis, one, name in zip(axes, curves, titles, strict=False):
        output = one.output
        x = places(one.column, one.centres)
        for values, kind, label in ((one.moved, None, "moved"), (one.clamped, LATENTS, ""), (one.random, RANDOM, "")):
            colour = LOOKS[kind][1] if kind else "#222222"
            line = LOOKS[kind][3] if kind else "--"
            low, high = np.quantile(values[..., output], (0.025, 0.975), axis=0)
            if label or kind == LATENTS:
                axis.fill_between(x, low, high, color=colour, alpha=0.12, linewidth=0)
            axis.plot(x, values[..., output].mean(axis=0), color=colour, linestyle=line)
        axis.plot(x, one.observed[:, output], color="0.45", marker="o", markersize=2.8, linestyle="none")
        axis.set(xlabel=labels[one.column], ylabel=outputs[output], title=name)
        if logarithmic(x, 30):
            axis.set_xscale("log")
    figure.legend(
        handles=[
            Line2D([], [], color="0.45", marker="o", markersize=3, linestyle="none", label="observed there"),
            Line2D([], [], color="#222222", linestyle="--", label="input itself moved"),
            Line2D([], [], color=LOOKS[LATENTS][1], label="family's latent clamped"),
            Line2D([], [], color=LOOKS[RANDOM][1], linestyle="-.", label="random direction moved as far"),
        ],
        loc="outside lower center",
        ncols=4,
    )
    return figure


@styled
def borders(
    found: Mapping[str, Mapping[str, Any]], turns: pd.DataFrame, labels: Mapping[str, str],
    published: Mapping[str, Mapping[str, tuple[float, float]]],
) -> Figure:  # fmt: skip
    """Where outputs step and where the responses of units turn, a column per input.

    Above, for every kind of label, the step of each output in what is observed, in the networks and in the linear
    model, with intervals over storms. Below, the share of sensitive units whose response turns below x, with the first
    labels.

    Args:
        found: kind of label: see `interpretation.borders.of_outputs`.
        turns: see `interpretation.borders.turns_of_units`, of the first kind of label.
        labels: of the inputs' axes; published: input: the published borders, in the axis's unit.
    """
    columns = list(next(iter(found.values())))
    rows = sum(1 for of in found.values() for _ in next(iter(of.values())))
    figure = Figure(figsize=(DOUBLE, 2.3 + 0.27 * rows))
    axes = figure.subplots(
        2, len(columns), squeeze=False, sharex="col", gridspec_kw={"height_ratios": [0.4 + 0.27 * rows, 1.6]}
    )
    for (above, below), column in zip(axes.T, columns, strict=True):
        for low, high in published.get(column, {}).values():
            for axis in (above, below):
                axis.axvspan(low, high, color=PUBLISHED, alpha=0.16, linewidth=0)
        ticks: list[str] = []
        for kind, of in found.items():
            for name, each in of[column].items():
                y = len(ticks)
                ticks.append(f"{LABELS.get(kind, kind)}: {name}" if len(found) > 1 else name)
                for k, (source, (_, marker)) in enumerate(SOURCES.items()):
                    look = {"color": PHASES.get(name, "#333333"), "marker": marker}
                    _interval(above, each[source]["step"], y + 0.25 * (k - 1), 1, **look)
        above.set(yticks=range(len(ticks)), ylim=(len(ticks) - 0.5, -0.5), title="steps of outputs")
        above.set_yticklabels(ticks if column == columns[0] else [""] * len(ticks))
        mine = turns[turns["column"] == column]
        for unit, of_kind in mine.groupby("kind", sort=False):
            places = np.sort(of_kind["turn"].to_numpy())
            _, colour, _, line = LOOKS[str(unit)]
            share = 100 * np.arange(1, len(places) + 1) / len(places)
            below.step(places, share, where="post", color=colour, linestyle=line)
        below.set(xlabel=labels[column], ylim=(0, 103), title="turns of units")
        if len(mine) and logarithmic(mine["turn"], 30):
            below.set_xscale("log")
    axes[1, 0].set_ylabel("units turning\nbelow (%)")
    handles = [
        Line2D([], [], color="#333333", marker=marker, linestyle="none", markersize=4, label=name)
        for name, marker in SOURCES.values()
    ]
    kinds = [kind for kind in LOOKS if kind in set(turns["kind"])]
    lines = [Line2D([], [], color=LOOKS[k][1], linestyle=LOOKS[k][3], label=LOOKS[k][0]) for k in kinds]
    band = [Line2D([], [], color=PUBLISHED, alpha=0.3, linewidth=5, label="published border")]
    band = band if any(published.values()) else []
    figure.legend(handles=[*handles, *lines, *band], loc="outside lower center", ncols=4)
    return figure
