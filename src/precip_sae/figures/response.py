"""How units respond along an input."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from precip_sae.figures.style import DOUBLE, KINDS, styled


@dataclass(frozen=True)
class Curve:
    """A unit's activation in bins of an input.

    Attributes:
        unit: its name; kind: `mlp` or `sae`.
        input: the input's label, with its unit of measure; column: the input's own name, which groups panels.
        centres, low, median, high: of the bins [bins]; the quartiles are of the activation.
        r: correlation with the input.
        logarithmic: whether the input's axis is.
    """

    unit: str
    kind: str
    column: str
    input: str
    centres: NDArray[np.float64]
    low: NDArray[np.float64]
    median: NDArray[np.float64]
    high: NDArray[np.float64]
    r: float
    logarithmic: bool = False


@styled
def responses(curves: Sequence[Curve]) -> Figure:
    """A panel per input: quartiles of the activation of each unit along it, scaled to the unit's largest quartile.

    Raises:
        ValueError: there is no curve to draw.
    """
    if not curves:
        raise ValueError("no unit varies, so there is no response to draw")
    columns = list(dict.fromkeys(curve.column for curve in curves))
    across = min(5, len(columns))
    down = math.ceil(len(columns) / across)
    figure = Figure(figsize=(DOUBLE, 0.3 + 1.75 * down))
    axes = figure.subplots(down, across, sharey=True, squeeze=False)
    for axis in axes.flat[len(columns) :]:
        axis.set_visible(False)
    for axis, column in zip(axes.flat, columns, strict=False):
        mine = [curve for curve in curves if curve.column == column]
        for curve in mine:
            colour = KINDS["mlp"] if curve.kind == "mlp" else KINDS["keras3"]
            top = max(float(curve.high.max()), np.finfo(np.float32).tiny)
            axis.fill_between(curve.centres, curve.low / top, curve.high / top, color=colour, alpha=0.2, linewidth=0)
            axis.plot(
                curve.centres, curve.median / top, color=colour, marker="o" if curve.kind == "mlp" else "s",
                markersize=2.2, label=f"{curve.unit}, r = {curve.r:+.2f}".replace("-", "−"),
            )  # fmt: skip
        axis.set(xlabel=mine[0].input, ylim=(-0.03, 1.45))
        centres = mine[0].centres
        # a logarithmic axis of less than a decade has no room for its labels
        if mine[0].logarithmic and centres.min() > 0 and centres.max() > 10 * centres.min():
            axis.set_xscale("log")
        axis.set_yticks([0, 0.5, 1])
        axis.legend(loc="upper center", handlelength=1.2, borderpad=0.1)
    for row in axes:
        row[0].set_ylabel("activation (scaled)")
    return figure
