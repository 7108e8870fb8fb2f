"""Which inputs units respond to, and how many."""

import re
import textwrap
from collections.abc import Sequence
from functools import partial
from itertools import pairwise

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle
from matplotlib.ticker import MultipleLocator
from numpy.typing import NDArray

from precip_sae.figures.style import (
    DOUBLE,
    KIND_MARKERS,
    KIND_NAMES,
    KINDS,
    NOTHING,
    SIGNS,
    SMALL,
    signed,
    styled,
)
from precip_sae.spread import over_seeds

COUNTED_NAMES = {
    "published": "units with a sensitive input\n(published measure)",
    "living": "all living units",
    "every": "all units, dead ones too",
}
# Beyond this many cells hatches and outlines would run together, and nothing but the colours is drawn.
MOST_MARKED = 2000
# Of all names beside each other below a map, and of one name.
MOST_LETTERS, MOST_LINES = 48, 4
# Beyond so many inputs values are printed in short, and beyond so many not at all; likewise for rows.
MOST_LONG, MOST_SHORT, MOST_ROWS = 6, 7, 36


@styled
def heatmaps(
    mlp: NDArray[np.float64],
    sae: NDArray[np.float64],
    inputs: Sequence[str],
    threshold: float,
    dead_mlp: NDArray[np.bool_],
    dead_sae: NDArray[np.bool_],
) -> Figure:
    """Correlations of hidden units (left) and latents (right) with the inputs.

    Cells with |r| at or below the threshold are hatched, those above it outlined; dead units are grey.

    Args:
        mlp: Pearson r [units, inputs]; sae: [latents, inputs]; NaN where a unit does not vary.
        dead_mlp, dead_sae: never active [units], [latents].
    """
    rows = max(len(mlp), len(sae))
    marked = 2 * rows * len(inputs) <= MOST_MARKED
    named, upright, room = _fitted(inputs)
    figure = Figure(figsize=(DOUBLE, 1.1 + room + 0.21 * min(rows, MOST_ROWS)))
    axes = figure.subplots(1, 2)
    for axis, r, dead, what in zip(axes, (mlp, sae), (dead_mlp, dead_sae), ("hidden unit", "latent"), strict=True):
        image = axis.imshow(r, cmap=SIGNS, vmin=-1, vmax=1, aspect="auto")
        _mark_cells(axis, r, threshold, marked, printed=len(inputs) <= MOST_SHORT and rows <= MOST_ROWS)
        _mark_dead(axis, r, dead, written=rows <= MOST_ROWS)
        # a line of text is 0.11 inches high: name every unit or input only where all names fit
        step, every = -(-len(r) // MOST_ROWS), -(-len(inputs) // 26)
        axis.set(
            xticks=range(0, len(inputs), every), xticklabels=named[::every], yticks=range(0, len(r), step),
            yticklabels=range(1, len(r) + 1, step), xlabel="input", ylabel=what,
        )  # fmt: skip
        if upright:
            axis.tick_params(axis="x", rotation=90)
        axis.tick_params(length=0)
        axis.spines[:].set_visible(False)
    figure.colorbar(image, ax=axes, label="correlation r", shrink=0.9, pad=0.01)
    legend = [
        Patch(facecolor="white", edgecolor="0.35", hatch="////", label=f"|r| ≤ {threshold:g}"),
        Patch(facecolor="white", edgecolor="black", linewidth=1.2, label=f"|r| > {threshold:g}"),
        Patch(facecolor=NOTHING, label="dead or undefined"),
    ]
    figure.legend(handles=legend if marked else legend[2:], loc="outside upper center", ncols=3)
    return figure


def _fitted(names: Sequence[str]) -> tuple[list[str], bool, float]:
    """Names below the columns of a map: as they are, else over several lines, else turned upright.

    Returns:
        The names, whether they are upright, and the inches that they need beyond those of short ones.
    """
    # letters of mathtext's commands do not show
    longest = max(len(re.sub(r"[${}_^]|\\[a-z]+", "", name)) for name in names)
    width = MOST_LETTERS // len(names)
    if longest <= width:
        return list(names), False, 0.0
    # a formula is not cut
    wrap = partial(textwrap.wrap, width=max(1, width), break_long_words=False, break_on_hyphens=False)
    lines = [[name] if name.count("$") > 1 else wrap(name) for name in names]
    letters = [max(map(len, name)) for name in lines]
    # a long word may hang over, where its neighbour leaves room
    if width and max(map(len, lines)) <= MOST_LINES and all(a + b <= 2 * width for a, b in pairwise(letters)):
        return ["\n".join(name) for name in lines], False, 0.11 * (max(map(len, lines)) - 1)
    return list(names), True, max(0.0, 0.07 * longest - 0.7)


# Not `Axes.add_patch`, which looks for new limits each time: those of the image hold.
def _mark_cells(axis: Axes, r: NDArray[np.float64], threshold: float, marked: bool, printed: bool) -> None:
    short = r.shape[1] > MOST_LONG
    for (i, j), value in np.ndenumerate(r):
        if np.isnan(value):
            # an input that does not vary leaves its column undefined
            axis.add_artist(Rectangle((j - 0.5, i - 0.5), 1, 1, facecolor=NOTHING, edgecolor="none", gid="undefined"))
            continue
        sensitive = abs(value) > threshold
        box = (j - 0.47, i - 0.47), 0.94, 0.94
        if sensitive and marked:
            axis.add_artist(Rectangle(*box, fill=False, edgecolor="black", linewidth=1.2, gid="sensitive"))
        elif marked:
            axis.add_artist(Rectangle(*box, fill=False, edgecolor="0.5", hatch="////", linewidth=0, gid="insensitive"))
        if marked and printed:
            axis.text(
                j, i, signed(value, short), ha="center", va="center", fontsize=SMALL,
                color="white" if abs(value) > 0.7 else "black",
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.6, "alpha": 0.0 if sensitive else 0.75},
            )  # fmt: skip


def _mark_dead(axis: Axes, r: NDArray[np.float64], dead: NDArray[np.bool_], written: bool) -> None:
    for i in np.flatnonzero(dead | np.isnan(r).all(axis=1)):
        axis.add_artist(Rectangle((-0.5, i - 0.5), r.shape[1], 1, facecolor=NOTHING, edgecolor="none", gid="dead"))
        if written:
            text = "dead" if dead[i] else "constant"
            axis.text((r.shape[1] - 1) / 2, i, text, ha="center", va="center", fontsize=SMALL)


@styled
def sensitive_inputs(table: pd.DataFrame) -> Figure:
    """Mean number of sensitive inputs per unit: a point per seed, and the mean with its 95 % interval.

    Args:
        table: columns variant, counted, seed, sensitive (see `interpretation.units.per_seed`).
    """
    counted = [name for name in COUNTED_NAMES if name in set(table["counted"])]
    variants = [name for name in KIND_NAMES if name in set(table["variant"])]
    figure = Figure(figsize=(DOUBLE, 2.5))
    axes = figure.subplots(1, len(counted), sharey=True, squeeze=False)[0]
    for axis, way in zip(axes, counted, strict=True):
        rows = table[table["counted"] == way]
        wide = rows.pivot(index="seed", columns="variant", values="sensitive")[variants]
        for _, seed in wide.iterrows():
            axis.plot(range(len(variants)), seed, color="0.8", linewidth=0.4, zorder=1, rasterized=True)
        for x, variant in enumerate(variants):
            values = wide[variant].to_numpy()
            axis.scatter(
                np.full(len(values), x), values, s=7, color=KINDS[variant], marker=KIND_MARKERS[variant], alpha=0.5,
                linewidths=0, rasterized=True,
            )  # fmt: skip
            _mean_with_interval(axis, x + 0.25, values, KINDS[variant])
        axis.set(xticks=[], title=COUNTED_NAMES[way], xlim=(-0.5, len(variants) - 0.3))
        axis.set_ylim(bottom=0)
    axes[0].set_ylabel("sensitive inputs per unit")
    figure.legend(handles=_kinds(variants), loc="outside lower center", ncols=max(len(variants), 1))
    return figure


def _kinds(variants: Sequence[str]) -> list[Line2D]:
    """The entries of a legend."""
    look = {"linestyle": "none", "markersize": 4}
    return [Line2D([], [], color=KINDS[v], marker=KIND_MARKERS[v], label=KIND_NAMES[v], **look) for v in variants]


def _mean_with_interval(axis: Axes, x: float, values: NDArray[np.float64], colour: str) -> None:
    spread = over_seeds(values)
    if spread["mean"] is None:
        return
    if spread["low"] is not None:
        axis.vlines(x, spread["low"], spread["high"], color=colour, linewidth=1.5)
    axis.plot(x, spread["mean"], marker="_", color=colour, markersize=9, markeredgewidth=1.6)


@styled
def reductions(table: pd.DataFrame, published: float) -> Figure:
    """The reduction in every task: a point per seed, bars for the mean's 95 % interval, a line at the published one.

    Args:
        table: columns task, variant, counted, seed, reduction (as shares).
        published: the published reduction, a share.
    """
    tasks = list(dict.fromkeys(table["task"]))
    variants = [name for name in KIND_NAMES if name in set(table["variant"])]
    counted = [name for name in COUNTED_NAMES if name in set(table["counted"])]
    figure = Figure(figsize=(DOUBLE, 1.0 + 0.6 * len(tasks)))
    # one scale, so that panels can be compared
    axes = figure.subplots(1, len(counted), sharex=True, sharey=True, squeeze=False)[0]
    for axis, way in zip(axes, counted, strict=True):
        axis.axvline(0, color="0.6", linewidth=0.6)
        line = axis.axvline(100 * published, color="black", linewidth=0.9, linestyle="--")
        for k, variant in enumerate(variants):
            for row, task in enumerate(tasks):
                chosen = (table["task"] == task) & (table["variant"] == variant) & (table["counted"] == way)
                values = 100 * table[chosen]["reduction"].to_numpy()
                y = row + 0.26 * (k - (len(variants) - 1) / 2)
                places, look = np.full(len(values), y), {"alpha": 0.35, "linewidths": 0, "rasterized": True}
                axis.scatter(values, places, s=5, color=KINDS[variant], **look)
                spread = over_seeds(values)
                if spread["mean"] is None:
                    continue
                if spread["low"] is not None:
                    axis.hlines(y, spread["low"], spread["high"], color=KINDS[variant], linewidth=2.2)
                axis.plot(
                    spread["mean"], y, marker=KIND_MARKERS[variant], color=KINDS[variant], markeredgecolor="black",
                    markeredgewidth=0.5, markersize=5, linestyle="none",
                )  # fmt: skip
        axis.set(xlabel="reduction (%)", title=COUNTED_NAMES[way], yticks=range(len(tasks)))
        axis.set_yticklabels([task.replace(", ", ",\n") for task in tasks])
    axes[0].set_ylim(len(tasks) - 0.5, -0.5)
    axes[0].xaxis.set_major_locator(MultipleLocator(50))
    line.set_label(f"published {100 * published:.0f} %")
    figure.legend(handles=[line, *_kinds(variants)], loc="outside lower center", ncols=4)
    return figure
