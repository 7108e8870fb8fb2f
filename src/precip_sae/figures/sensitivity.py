"""Which inputs units respond to, and how many."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle
from numpy.typing import NDArray

from precip_sae.figures.style import DOUBLE, KIND_NAMES, KINDS, MARKERS, SIGNS, styled
from precip_sae.spread import over_seeds

COUNTED_NAMES = {
    "published": "units with a sensitive input\n(published measure)",
    "living": "all living units",
    "every": "all units, dead ones too",
}
# Beyond this many cells values are not printed into them and hatches would run together.
MOST_PRINTED = 400


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
    rows, columns = max(len(mlp), len(sae)), 2 * len(inputs)
    figure = Figure(figsize=(DOUBLE, 1.1 + 0.21 * min(rows, 60)))
    axes = figure.subplots(1, 2)
    for axis, r, dead, what in zip(axes, (mlp, sae), (dead_mlp, dead_sae), ("hidden unit", "latent"), strict=True):
        image = axis.imshow(r, cmap=SIGNS, vmin=-1, vmax=1, aspect="auto")
        _mark_cells(axis, r, threshold, printed=rows * columns <= MOST_PRINTED)
        _mark_dead(axis, r, dead)
        step = max(1, len(r) // 40)
        axis.set(
            xticks=range(len(inputs)), xticklabels=inputs, yticks=range(0, len(r), step),
            yticklabels=range(1, len(r) + 1, step), xlabel="input", ylabel=what,
        )  # fmt: skip
        if max(map(len, inputs)) > 8 or len(inputs) > 8:
            axis.tick_params(axis="x", rotation=90 if len(inputs) > 12 else 30)
        axis.tick_params(length=0)
        axis.spines[:].set_visible(False)
    figure.colorbar(image, ax=axes, label="correlation r", shrink=0.9, pad=0.01)
    legend = [
        Patch(facecolor="white", edgecolor="0.35", hatch="////", label=f"|r| ≤ {threshold:g}"),
        Patch(facecolor="white", edgecolor="black", linewidth=1.2, label=f"|r| > {threshold:g}"),
        Patch(facecolor="0.8", label="dead"),
    ]
    figure.legend(handles=legend, loc="outside upper center", ncols=3)
    return figure


def _mark_cells(axis: Axes, r: NDArray[np.float64], threshold: float, printed: bool) -> None:
    for (i, j), value in np.ndenumerate(r):
        if np.isnan(value):
            continue
        sensitive = abs(value) > threshold
        box = (j - 0.47, i - 0.47), 0.94, 0.94
        if sensitive:
            axis.add_patch(Rectangle(*box, fill=False, edgecolor="black", linewidth=1.2, gid="sensitive"))
        elif printed:
            axis.add_patch(Rectangle(*box, fill=False, edgecolor="0.5", hatch="////", linewidth=0, gid="insensitive"))
        if printed:
            axis.text(
                j, i, f"{value:+.2f}".replace("-", "−"), ha="center", va="center", fontsize=7,
                color="white" if abs(value) > 0.7 else "black",
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.6, "alpha": 0.0 if sensitive else 0.75},
            )  # fmt: skip


def _mark_dead(axis: Axes, r: NDArray[np.float64], dead: NDArray[np.bool_]) -> None:
    for i in np.flatnonzero(dead | np.isnan(r).all(axis=1)):
        axis.add_patch(Rectangle((-0.5, i - 0.5), r.shape[1], 1, facecolor="0.8", edgecolor="none", gid="dead"))
        axis.text((r.shape[1] - 1) / 2, i, "dead" if dead[i] else "constant", ha="center", va="center", fontsize=7)


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
            axis.plot(range(len(variants)), seed, color="0.8", linewidth=0.4, zorder=1)
        for x, variant in enumerate(variants):
            values = wide[variant].to_numpy()
            axis.scatter(
                np.full(len(values), x), values, s=7, color=KINDS[variant], marker=MARKERS[x], alpha=0.5, linewidths=0
            )
            _mean_with_interval(axis, x + 0.25, values, KINDS[variant])
        axis.set(xticks=[], title=COUNTED_NAMES[way], xlim=(-0.5, len(variants) - 0.3))
        axis.set_ylim(bottom=0)
    axes[0].set_ylabel("sensitive inputs per unit")
    legend = [
        Line2D([], [], color=KINDS[v], marker=MARKERS[x], linestyle="none", markersize=4, label=KIND_NAMES[v])
        for x, v in enumerate(variants)
    ]
    figure.legend(handles=legend, loc="outside lower center", ncols=len(variants))
    return figure


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
    figure = Figure(figsize=(DOUBLE, 0.9 + 0.62 * len(tasks)))
    axes = figure.subplots(1, len(counted), sharey=True, squeeze=False)[0]
    for axis, way in zip(axes, counted, strict=True):
        axis.axvline(0, color="0.6", linewidth=0.6)
        axis.axvline(
            100 * published, color="black", linewidth=0.9, linestyle="--", label=f"published {100 * published:.0f} %"
        )
        for k, variant in enumerate(variants):
            for row, task in enumerate(tasks):
                chosen = (table["task"] == task) & (table["variant"] == variant) & (table["counted"] == way)
                values = 100 * table[chosen]["reduction"].to_numpy()
                y = row + 0.26 * (k - (len(variants) - 1) / 2)
                axis.scatter(values, np.full(len(values), y), s=5, color=KINDS[variant], alpha=0.35, linewidths=0)
                spread = over_seeds(values)
                if spread["mean"] is None:
                    continue
                if spread["low"] is not None:
                    axis.hlines(y, spread["low"], spread["high"], color=KINDS[variant], linewidth=2.2)
                label = KIND_NAMES[variant] if row == 0 else None
                axis.plot(
                    spread["mean"], y, marker=MARKERS[k], color=KINDS[variant], markeredgecolor="black",
                    markeredgewidth=0.5, markersize=5, linestyle="none", label=label,
                )  # fmt: skip
        axis.set(xlabel="reduction (%)", title=COUNTED_NAMES[way], yticks=range(len(tasks)))
        axis.set_yticklabels([task.replace(", ", ",\n") for task in tasks])
    axes[0].set_ylim(len(tasks) - 0.5, -0.5)
    handles, names = axes[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=4)
    return figure
