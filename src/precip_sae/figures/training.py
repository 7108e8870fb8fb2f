"""How training went, seed by seed."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter
from numpy.typing import NDArray

from precip_sae.figures.style import DOUBLE, KIND_NAMES, KINDS, PARTS, PUBLISHED, logarithmic, styled

ACCURACY, ERROR = "accuracy", "mae"
LOSS = "loss"


def loss_name(kind: str, unit: str = "") -> str:
    """The loss of a kind of task, with its unit; `unit` is that of a regression's response."""
    if kind == "classification":
        return "cross-entropy (nat)"
    return f"mean squared error (({unit})²)" if unit else "mean squared error"


@styled
def histories(history: pd.DataFrame, unit: str = "") -> Figure:
    """Loss and score of the networks on their training and validation parts.

    Args:
        history: one row per seed and epoch; columns seed, epoch, loss, val_loss, and accuracy or mae with val_.
        unit: of the response of a regression.
    """
    if ACCURACY in history:
        score, names = ACCURACY, (loss_name("classification"), "accuracy (share of rows)")
    else:
        score, names = ERROR, (loss_name("regression", unit), f"mean absolute error{f' ({unit})' if unit else ''}")
    figure = Figure(figsize=(DOUBLE, 2.3))
    axes = figure.subplots(1, 2)
    for axis, column, name in zip(axes, (LOSS, score), names, strict=True):
        for prefix, part in (("", "training"), ("val_", "validation")):
            _lines(axis, history, prefix + column, *PARTS[part], part)
        axis.set(xlabel="epoch", ylabel=name)
        axis.legend()
        if logarithmic(history[[column, f"val_{column}"]].to_numpy()):
            axis.set_yscale("log")
    return figure


@styled
def sae_histories(history: Mapping[str, pd.DataFrame]) -> Figure:
    """Training loss of the SAEs, a panel per L1 convention (their losses are not comparable).

    Args:
        history: by convention, one row per seed and epoch; columns seed, epoch, loss.
    """
    figure = Figure(figsize=(DOUBLE, 2.1))
    axes = figure.subplots(1, len(history), squeeze=False)[0]
    for axis, (convention, frame) in zip(axes, history.items(), strict=True):
        _lines(axis, frame, LOSS, KINDS[convention], "-", "median")
        axis.set(xlabel="epoch", ylabel=LOSS, title=KIND_NAMES[convention])
        if logarithmic(frame[LOSS]):
            axis.set_yscale("log")
    return figure


@styled
def beside_published(history: pd.DataFrame, published: Mapping[str, NDArray[np.float64]], name: str) -> Figure:
    """Losses of our networks on both parts, median and range over seeds, beside those of a published training.

    Args:
        history: one row per seed and epoch; columns seed, epoch, loss, val_loss.
        published: loss and val_loss by epoch, each [epochs].
        name: of the loss, with its unit.
    """
    figure = Figure(figsize=(DOUBLE, 2.3))
    axes = figure.subplots(1, 2, sharey=True)
    for axis, prefix, part in zip(axes, ("", "val_"), PARTS, strict=True):
        column = prefix + LOSS
        seeds = history.groupby("epoch")[column]
        median, colour = seeds.median(), PARTS[part][0]
        axis.fill_between(median.index, seeds.min(), seeds.max(), color=colour, alpha=0.25, linewidth=0)
        axis.plot(median.index, median, color=colour, label="ours, median and range over seeds")
        theirs = published[column]
        epochs = np.arange(1, len(theirs) + 1)
        axis.plot(epochs, theirs, "o", color=PUBLISHED, markersize=2.6, label="published")
        axis.set(xlabel="epoch", title=f"{part} part", xscale="log", yscale="log")
        axis.set_xticks([1, 2, 4, 8, 16, 32], ["1", "2", "4", "8", "16", "32"])
        axis.set_xticks([], minor=True)
        axis.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.yaxis.set_major_formatter(FuncFormatter(lambda loss, _: f"{loss:g}"))
        axis.yaxis.set_minor_formatter(NullFormatter())
    # beside a low panel the unit needs a line of its own
    axes[0].set_ylabel(name.replace(" (", "\n(", 1))
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2)
    return figure


def _lines(axis: Axes, history: pd.DataFrame, column: str, colour: str, line: str, label: str) -> None:
    """A thin line per seed and a bold one for their median (of the seeds that still run)."""
    for _, rows in history.groupby("seed"):
        axis.plot(rows["epoch"], rows[column], color=colour, linewidth=0.4, alpha=0.4, rasterized=True)
    median = history.groupby("epoch")[column].median()
    axis.plot(median.index, median, color=colour, linewidth=1.6, linestyle=line, label=label)
