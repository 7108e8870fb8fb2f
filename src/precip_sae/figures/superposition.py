"""Toy models of superposition: what becomes of features, and which dictionaries find them."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter
from numpy.typing import NDArray

from precip_sae.figures.style import ACTIVATION, DOUBLE, SMALL, styled
from precip_sae.figures.variants import VARIANT_COLOURS, VARIANT_MARKERS, VARIANT_NAMES, legend_handles
from precip_sae.spread import over_seeds
from precip_sae.superposition.geometry import FATES, IGNORED

FATE_COLOURS = {"ignored": "#E6E6E6", "dedicated": "#8FB8A8", "superposed": "#3D4A7A"}
FATE_MARKERS = {"ignored": "s", "dedicated": "o", "superposed": "^"}
FATE_LINES = {"ignored": "#8C8C8C", "dedicated": "#4F8A75", "superposed": "#3D4A7A"}
SOURCE_NAMES = {"random": "random directions", "toy": "directions of toy models"}

PER_CENT = FuncFormatter(lambda value, _: f"{100 * value:g}")


@styled
def phases(
    diagram: NDArray[np.int64],
    activities: Sequence[float],
    importances: Sequence[float],
    competing: pd.DataFrame,
    shapes: Mapping[float, NDArray[np.float32]],
) -> Figure:
    """The phase change: one feature beside another, many features, and five features in a plane.

    Args:
        diagram: fate of the second of two features in one dimension [importances, activities].
        activities, importances: of the diagram, in order, evenly spaced on logarithmic scales.
        competing: one row per activity and seed (see `study.compete`).
        shapes: activity: directions of five features [features, 2].
    """
    figure = Figure(figsize=(DOUBLE, 4.1))
    upper, lower = np.ravel(figure.subfigures(2, 1, height_ratios=(1.35, 1)))
    left, right = upper.subplots(1, 2)
    _diagram(left, diagram, activities, importances)
    for name in FATES:
        by_activity = competing.groupby("activity")[name]
        middle = by_activity.mean()
        low, high = by_activity.min(), by_activity.max()
        right.fill_between(middle.index, low, high, color=FATE_LINES[name], alpha=0.25, linewidth=0)
        right.plot(middle, color=FATE_LINES[name], marker=FATE_MARKERS[name], markersize=4, label=name)
    right.set(xscale="log", xlabel="activity of a feature (%)", ylabel="features (%)", ylim=(-0.03, 1.03))
    right.invert_xaxis()
    right.xaxis.set_major_formatter(PER_CENT)
    right.yaxis.set_major_formatter(PER_CENT)
    right.set_title("b  many features, importance falling")
    upper.legend(*right.get_legend_handles_labels(), loc="outside lower center", ncols=3)
    for k, (axis, (activity, weight)) in enumerate(
        zip(lower.subplots(1, len(shapes), squeeze=False)[0], shapes.items(), strict=True)
    ):
        _star(axis, weight)
        axis.set_title(f"{'c  ' if k == 0 else ''}five in a plane, {100 * activity:g} % active")
    return figure


def _diagram(axis: Axes, diagram: NDArray[np.int64], activities: Sequence[float], importances: Sequence[float]) -> None:
    colours = ListedColormap([FATE_COLOURS[name] for name in FATES])
    x, y = np.log10(activities), np.log10(importances)
    axis.pcolormesh(x, y, diagram, cmap=colours, vmin=-0.5, vmax=2.5, edgecolors="white", linewidth=0.3)
    for fate, name in enumerate(FATES):
        rows, columns = np.nonzero(diagram == fate)
        if len(rows):
            # in print without colour the letter tells
            middle = np.argmin((rows - rows.mean()) ** 2 + (columns - columns.mean()) ** 2)
            colour = "black" if fate == IGNORED or name == "dedicated" else "white"
            axis.text(x[columns[middle]], y[rows[middle]], name, ha="center", va="center", color=colour, fontsize=SMALL)
    axis.set(xlabel="activity of both features (%)", ylabel="importance of the second")
    axis.set_title("a  second feature in one dimension")
    axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * 10**value:.3g}"))
    axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{10**value:.3g}"))
    axis.set(xticks=[np.log10(a) for a in (1, 0.3, 0.1, 0.03) if min(activities) <= a <= max(activities)])
    axis.set(yticks=[np.log10(i) for i in (0.1, 0.3, 1, 3, 10) if min(importances) <= i <= max(importances)])
    axis.invert_xaxis()


def _star(axis: Axes, weight: NDArray[np.float32]) -> None:
    for w in weight:
        axis.plot([0, w[0]], [0, w[1]], color=FATE_LINES["superposed"], marker="o", markevery=[1], markersize=4)
    axis.set(xlim=(-1.4, 1.4), ylim=(-1.4, 1.4), aspect="equal", xticks=[], yticks=[])
    axis.axhline(0, color="0.85", linewidth=0.5, zorder=0)
    axis.axvline(0, color="0.85", linewidth=0.5, zorder=0)
    axis.spines[:].set_visible(False)


@styled
def recovery_curves(best: pd.DataFrame, width: int, target: float) -> Figure:
    """Share of the true features that each variant finds at its best penalty: against sparsity, and against width.

    Bars are 95 % intervals of the mean over seeds.

    Args:
        best: rows of `study.best_penalty`.
        width: latents per unit where the activity varies.
        target: share that the best variant should find, drawn as a line.
    """
    figure = Figure(figsize=(DOUBLE, 2.9))
    axes = figure.subplots(1, 3, sharey=True)
    for axis, source, letter in zip(axes, SOURCE_NAMES, "ab", strict=False):
        rows = best[(best["source"] == source) & (best["latents_per_unit"] == width)]
        _curves(axis, rows, "activity")
        axis.set(title=f"{letter}  {SOURCE_NAMES[source]}", xlabel="activity of a feature (%)", xscale="log")
        axis.set_xticks(sorted(rows["activity"].unique()), minor=False)
        axis.set_xticks([], minor=True)
        axis.xaxis.set_major_formatter(PER_CENT)
    wide = best[best["source"] == "random"]
    varied = [activity for activity, rows in wide.groupby("activity") if rows["latents_per_unit"].nunique() > 1]
    rows = wide[wide["activity"].isin(varied)]
    _curves(axes[2], rows, "latents_per_unit")
    said = f", {100 * varied[0]:g} % active" if varied else ""
    axes[2].set(title=f"c  random directions{said}", xlabel="latents per dimension", xscale="log")
    axes[2].set_xticks(sorted(rows["latents_per_unit"].unique()), minor=False)
    axes[2].set_xticks([], minor=True)
    axes[2].xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes[0].set(ylabel="true features found (%)", ylim=(-0.03, 1.05))
    axes[0].yaxis.set_major_formatter(PER_CENT)
    for axis in axes:
        axis.axhline(target, color="black", linewidth=0.6, linestyle=":", zorder=0)
    present = [name for name in VARIANT_NAMES if (best["variant"] == name).any()]
    figure.legend(handles=legend_handles(present), loc="outside lower center", ncols=4)
    return figure


def _curves(axis: Axes, rows: pd.DataFrame, against: str) -> None:
    for name in VARIANT_NAMES:
        spreads = {x: over_seeds(each["found"]) for x, each in rows[rows["variant"] == name].groupby(against)}
        if not spreads:
            continue
        means = np.array([s["mean"] for s in spreads.values()])
        half = np.array([0.0 if s["low"] is None else s["mean"] - s["low"] for s in spreads.values()])
        axis.errorbar(
            list(spreads), means, yerr=half, color=VARIANT_COLOURS[name], marker=VARIANT_MARKERS[name], markersize=4,
            elinewidth=0.6,
        )  # fmt: skip


@styled
def reconstruction_and_truth(table: pd.DataFrame) -> Figure:
    """Every dictionary by active latents and unexplained variance, shaded by the share of true features it finds.

    Args:
        table: one row per dictionary; columns source, variant, l0, fvu, found; of one activity.
    """
    figure = Figure(figsize=(DOUBLE, 3.0))
    axes = figure.subplots(1, 2, sharex=True, sharey=True)
    for axis, source in zip(axes, SOURCE_NAMES, strict=True):
        rows = table[(table["source"] == source) & (table["l0"] > 0)]
        for name in VARIANT_NAMES:
            mine = rows[rows["variant"] == name]
            points = axis.scatter(
                mine["l0"], mine["fvu"], c=100 * mine["found"], cmap=ACTIVATION, vmin=0, vmax=100, s=14,
                marker=VARIANT_MARKERS[name], edgecolors="black", linewidths=0.25,
            )  # fmt: skip
        axis.set(title=SOURCE_NAMES[source], xlabel="active latents per row", xscale="log", yscale="log")
        axis.yaxis.set_major_formatter(PER_CENT)
        axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes[0].set_ylabel("unexplained variance (%)")
    figure.colorbar(points, ax=list(axes), label="true features found (%)", shrink=0.9)
    present = [name for name in VARIANT_NAMES if (table["variant"] == name).any()]
    handles = legend_handles(present, line=False)
    for handle in handles:
        handle.set(color="white", markeredgecolor="black")
    figure.legend(handles=handles, loc="outside lower center", ncols=4)
    return figure
