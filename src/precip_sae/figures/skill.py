"""How well the networks predict."""

import numpy as np
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from numpy.typing import NDArray

from precip_sae.figures.style import SINGLE, styled


@styled
def confusion(matrix: NDArray[np.int64], classes: list[str]) -> Figure:
    """Confusion matrix: shares of each observed class, and the rows behind them.

    Args:
        matrix: rows by observed and predicted class [classes, classes].
    """
    total = matrix.sum(axis=1, keepdims=True)
    share = np.divide(matrix, total, out=np.zeros(matrix.shape), where=total > 0)
    figure = Figure(figsize=(SINGLE, SINGLE * 0.82))
    axis = figure.subplots()
    image = axis.imshow(100 * share, cmap="Blues", vmin=0, vmax=100)
    for i, j in np.ndindex(matrix.shape):
        axis.text(
            j, i, f"{100 * share[i, j]:.1f} %\n{matrix[i, j]:,}".replace(",", "\u202f"),
            ha="center", va="center", fontsize=7, color="white" if share[i, j] > 0.55 else "black",
        )  # fmt: skip
    ticks = range(len(classes))
    axis.set(xticks=ticks, yticks=ticks, xticklabels=classes, yticklabels=classes)
    axis.set(xlabel="predicted", ylabel="observed")
    axis.spines[:].set_visible(False)
    axis.tick_params(length=0)
    figure.colorbar(image, ax=axis, label="share of the observed class (%)", shrink=0.85)
    return figure


@styled
def predicted_observed(
    observed: NDArray[np.float32], predicted: NDArray[np.float32], name: str, unit: str, bins: int = 60
) -> Figure:
    """Rows by observed and predicted response, with the line of perfect forecasts and the binned median.

    Args:
        observed, predicted: [rows], in `unit`. Axes end at the 99.5 % quantile of the observed response.
    """
    low = float(min(observed.min(), np.quantile(predicted, 0.001)))
    high = float(np.quantile(observed, 0.995))
    high = high if high > low else low + 1.0
    edges = np.linspace(low, high, bins + 1)
    counts, _, _ = np.histogram2d(observed, predicted, bins=(edges, edges))
    figure = Figure(figsize=(SINGLE, SINGLE * 0.82))
    axis = figure.subplots()
    norm = LogNorm(vmin=1, vmax=max(counts.max(), 2))
    mesh = axis.pcolormesh(
        edges, edges, np.where(counts > 0, counts, np.nan).T, norm=norm, cmap="Blues", rasterized=True
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
    return figure
