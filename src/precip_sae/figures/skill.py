"""How well the networks predict."""

from collections.abc import Sequence

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap, LogNorm
from matplotlib.figure import Figure
from numpy.typing import NDArray

from precip_sae.figures.style import DOUBLE, NOTHING, SINGLE, SMALL, styled

# Without the palest shades, in which single rows would vanish.
COUNTS = ListedColormap(colormaps["Blues"](np.linspace(0.3, 1, 256)))
MOST_PRINTED = 14
ABREAST = 3
"""Panels of several responses in a row."""


@styled
def confusion(matrix: NDArray[np.int64], classes: list[str], models: int = 1) -> Figure:
    """Confusion matrix: shares of each observed class, and the rows behind them.

    Args:
        matrix: rows by observed and predicted class [classes, classes], added up over the models. A class that was
            never observed has a grey row.
        models: how many, so that the title says whose rows they are.
    """
    total = matrix.sum(axis=1, keepdims=True)
    share = np.divide(matrix, total, out=np.full(matrix.shape, np.nan), where=total > 0)
    # more classes need more room; of many only the shares are printed, and of very many nothing is
    many = len(classes) > 4
    figure = Figure(figsize=(DOUBLE * 0.8, DOUBLE * 0.65) if many else (SINGLE, SINGLE * 0.82))
    axis = figure.subplots()
    image = axis.imshow(100 * share, cmap=colormaps["Blues"].with_extremes(bad=NOTHING), vmin=0, vmax=100)
    for i, j in np.ndindex(matrix.shape) if len(classes) <= MOST_PRINTED else ():
        text = "–" if np.isnan(share[i, j]) else f"{100 * share[i, j]:.1f}" + ("" if many else " %")
        rows = "" if many else f"\n{matrix[i, j]:,.0f}".replace(",", "\u202f")
        colour = "white" if share[i, j] > 0.55 else "black"
        axis.text(j, i, text + rows, ha="center", va="center", fontsize=SMALL, color=colour)
    ticks = range(len(classes))
    axis.set(xticks=ticks, yticks=ticks, xticklabels=classes, yticklabels=classes)
    # names that are wider than a cell would run into each other
    if max(map(len, classes)) * len(classes) > (110 if many else 40):
        axis.set_xticklabels(classes, rotation=45, ha="right", rotation_mode="anchor")
    axis.set(xlabel="predicted", ylabel="observed")
    axis.spines[:].set_visible(False)
    axis.tick_params(length=0)
    what = "share of the observed class (%)"
    if len(classes) <= MOST_PRINTED:
        counted = "share of the observed class, and rows" if models == 1 else "share of the class; rows of all seeds"
        axis.set_title(what if many else counted)
    else:
        figure.colorbar(image, ax=axis, label=what, shrink=0.75)
    return figure


@styled
def predicted_observed(
    observed: NDArray[np.float32],
    predicted: NDArray[np.float32],
    names: Sequence[str],
    units: Sequence[str],
    bins: int = 60,
) -> Figure:
    """Rows by observed and predicted response, with the line of perfect forecasts and the binned median.

    Args:
        observed, predicted: [rows], of several responses [rows, responses]: a panel for each.
        names, units: of the responses. Axes end at the 99.5 % quantile of the observed response.
    """
    if len(names) == 1:
        figure = Figure(figsize=(SINGLE, SINGLE * 0.82))
        _panel(figure, figure.subplots(), observed, predicted, names[0], units[0], bins)
        return figure
    columns = min(len(names), ABREAST)
    rows = -(-len(names) // columns)
    figure = Figure(figsize=(DOUBLE / ABREAST * columns, DOUBLE / ABREAST * 0.82 * rows))
    axes = figure.subplots(rows, columns).ravel()
    for axis in axes[len(names) :]:
        axis.set_axis_off()
    for axis, own, said, name, unit in zip(axes, observed.T, predicted.T, names, units, strict=False):
        _panel(figure, axis, own, said, name, unit, bins)
    return figure


def _panel(
    figure: Figure,
    axis: Axes,
    observed: NDArray[np.float32],
    predicted: NDArray[np.float32],
    name: str,
    unit: str,
    bins: int,
) -> None:
    low = float(min(observed.min(), np.quantile(predicted, 0.001)))
    high = float(np.quantile(observed, 0.995))
    high = high if high > low else low + 1.0
    edges = np.linspace(low, high, bins + 1)
    counts, _, _ = np.histogram2d(observed, predicted, bins=(edges, edges))
    norm = LogNorm(vmin=1, vmax=max(counts.max(), 2))
    mesh = axis.pcolormesh(
        edges, edges, np.where(counts > 0, counts, np.nan).T, norm=norm, cmap=COUNTS, rasterized=True
    )
    axis.plot([low, high], [low, high], color="black", linewidth=0.8, linestyle="--", label="perfect")
    groups = np.digitize(observed, np.quantile(observed, np.linspace(0, 1, 16)[1:-1]))
    medians = [(np.median(observed[groups == g]), np.median(predicted[groups == g])) for g in np.unique(groups)]
    axis.plot(*np.array(medians).T, color="#D55E00", marker="o", markersize=3, label="median")
    measured = f" ({unit})" if unit else ""
    axis.set(xlabel=f"observed {name}{measured}", ylabel=f"predicted {name}{measured}")
    axis.set(xlim=(low, high), ylim=(low, high), aspect="equal")
    axis.legend(loc="upper left")
    figure.colorbar(mesh, ax=axis, label="rows", shrink=0.85)
