"""How training went, seed by seed."""

from collections.abc import Mapping

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from precip_sae.figures.style import DOUBLE, KIND_NAMES, KINDS, PARTS, logarithmic, styled

ACCURACY, ERROR = "accuracy", "mae"
LOSS = "loss"


@styled
def histories(history: pd.DataFrame, unit: str = "") -> Figure:
    """Loss and score of the networks on their training and validation parts.

    Args:
        history: one row per seed and epoch; columns seed, epoch, loss, val_loss, and accuracy or mae with val_.
        unit: of the response of a regression.
    """
    if ACCURACY in history:
        score, names = ACCURACY, ("cross-entropy (nat)", "accuracy (share of rows)")
    else:
        squared, plain = (f" (({unit})²)", f" ({unit})") if unit else ("", "")
        score, names = ERROR, (f"mean squared error{squared}", f"mean absolute error{plain}")
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


def _lines(axis: Axes, history: pd.DataFrame, column: str, colour: str, line: str, label: str) -> None:
    """A thin line per seed and a bold one for their median (of the seeds that still run)."""
    for _, rows in history.groupby("seed"):
        axis.plot(rows["epoch"], rows[column], color=colour, linewidth=0.4, alpha=0.4)
    median = history.groupby("epoch")[column].median()
    axis.plot(median.index, median, color=colour, linewidth=1.6, linestyle=line, label=label)
