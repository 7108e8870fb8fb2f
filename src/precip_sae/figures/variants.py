"""Variants of SAE beside each other: how much is left unexplained for how many active latents, and how many die."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter

from precip_sae.figures.style import DOUBLE, KINDS, SINGLE, styled

# Each variant's name, colour and marker.
_LOOKS = {
    "keras3": ("L1, summed", KINDS["keras3"], "s"),
    "batch_mean": ("L1, averaged", KINDS["batch_mean"], "^"),
    "l1": ("L1, unit norm", "#117733", "o"),
    "topk": ("TopK", "#332288", "v"),
    "batch_topk": ("BatchTopK", "#3F9FC5", "D"),
    "jumprelu": ("JumpReLU", "#CC6677", "P"),
    "gated": ("Gated", "#E08A1E", "X"),
    "matryoshka": ("Matryoshka", "#7A4B2A", "p"),
}
VARIANT_NAMES = {variant: name for variant, (name, _, _) in _LOOKS.items()}
VARIANT_COLOURS = {variant: colour for variant, (_, colour, _) in _LOOKS.items()}
VARIANT_MARKERS = {variant: marker for variant, (_, _, marker) in _LOOKS.items()}


@styled
def reconstruction(tables: Mapping[str, pd.DataFrame], width: int) -> Figure:
    """Unexplained variance and dead latents against active latents, a column of panels per task.

    A point is the mean over seeds at one penalty, its bar the range; the points of a variant are joined.

    Args:
        tables: by title, one row per dictionary; columns variant, latents_per_unit, penalty, seed, fvu, l0, dead.
        width: latents per unit that is shown.
    """
    figure = Figure(figsize=(min(SINGLE * len(tables), DOUBLE), 4.4))
    axes = figure.subplots(2, len(tables), squeeze=False, sharex="col", sharey="row")
    for column, (title, table) in zip(axes.T, tables.items(), strict=True):
        rows = table[table["latents_per_unit"] == width]
        for axis, name in zip(column, ("fvu", "dead"), strict=True):
            _against_active(axis, rows, name)
        column[0].set(title=f"{title}, {width} latents per unit", yscale="log")
        column[0].yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:g}"))
        column[1].yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:g}"))
        column[1].set(xlabel="active latents per row", ylim=(-0.03, 1))
    axes[0, 0].set_ylabel("unexplained variance (%)")
    axes[1, 0].set_ylabel("dead latents (%)")
    figure.legend(
        handles=legend_handles(_present(tables)), loc="outside lower center", ncols=2 if len(tables) == 1 else 4
    )
    return figure


@styled
def measure_by_width(tables: Mapping[str, pd.DataFrame], published: float) -> Figure:
    """The study's reduction of every variant against the number of latents, a panel per task.

    A point is the mean over seeds at one penalty: what is left between points of one width is choice of method.

    Args:
        tables: as in `reconstruction`, with reduction_published.
        published: the published reduction, a share.
    """
    figure = Figure(figsize=(min(SINGLE * len(tables), DOUBLE), 2.9))
    axes = figure.subplots(1, len(tables), squeeze=False, sharey=True)[0]
    names = _present(tables)
    for axis, (title, table) in zip(axes, tables.items(), strict=True):
        means = table.groupby(["variant", "latents_per_unit", "penalty"])["reduction_published"].mean().reset_index()
        widths = sorted(means["latents_per_unit"].unique())
        for k, name in enumerate(names):
            rows = means[means["variant"] == name]
            places = rows["latents_per_unit"].map(widths.index) + 0.085 * (k - (len(names) - 1) / 2)
            _points(axis, places, 100 * rows["reduction_published"], name)
        axis.axhline(0, color="0.6", linewidth=0.6, zorder=0)
        axis.axhline(100 * published, color="black", linewidth=0.9, linestyle="--", zorder=0)
        axis.set(title=title, xlabel="latents per hidden unit", xticks=range(len(widths)))
        axis.set_xticklabels([f"{width:g}" for width in widths])
    axes[0].set_ylabel("reduction (%), published: dashed")
    figure.legend(
        handles=legend_handles(names, line=False), loc="outside lower center", ncols=2 if len(tables) == 1 else 4
    )
    return figure


def _present(tables: Mapping[str, pd.DataFrame]) -> list[str]:
    """The variants that any of the tables has, in the order of VARIANT_NAMES."""
    return [name for name in VARIANT_NAMES if any((table["variant"] == name).any() for table in tables.values())]


def legend_handles(variants: list[str], line: bool = True) -> list[Line2D]:
    """One mark per variant, in the order of VARIANT_NAMES."""
    return [
        Line2D([], [], color=VARIANT_COLOURS[name], marker=VARIANT_MARKERS[name], markersize=4,
               linestyle="-" if line else "none", label=VARIANT_NAMES[name])
        for name in variants
    ]  # fmt: skip


def _points(axis: Axes, x: pd.Series, y: pd.Series, variant: str) -> None:
    axis.plot(x, y, color=VARIANT_COLOURS[variant], marker=VARIANT_MARKERS[variant], markersize=3.5, linestyle="none")


def _against_active(axis: Axes, rows: pd.DataFrame, name: str) -> None:
    """Means over seeds of every penalty, joined from dense to sparse, with the range over seeds."""
    for variant in VARIANT_NAMES:
        penalties = rows[rows["variant"] == variant].groupby("penalty")
        if not len(penalties):
            continue
        means = penalties[["l0", name]].mean().sort_values("l0")
        least, most = penalties[name].min()[means.index], penalties[name].max()[means.index]
        bars = np.maximum(np.stack([means[name] - least, most - means[name]]), 0)
        axis.errorbar(
            means["l0"], means[name], yerr=bars, color=VARIANT_COLOURS[variant], marker=VARIANT_MARKERS[variant],
            markersize=3.5, elinewidth=0.5,
        )  # fmt: skip
