"""How units respond along an input."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from precip_sae.figures.style import DOUBLE, KIND_MARKERS, KINDS, SMALL, logarithmic, signed, styled


@dataclass(frozen=True)
class Curve:
    """A unit's activation in bins of an input.

    Attributes:
        unit: its name; kind: `mlp` or `sae`.
        input: the input's label, with its unit of measure; column: the input's own name, which groups panels.
        centres, low, median, high: of the bins [bins]; the quartiles are of the activation.
        r: correlation with the input.
        logarithmic: whether the input's axis is.
        references: values of the input to mark by a line, by name, such as {"0 °C": 273.15}.
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
    references: Mapping[str, float] = field(default_factory=dict)


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
            kind = "mlp" if curve.kind == "mlp" else "keras3"
            colour = KINDS[kind]
            top = max(float(np.nanmax(curve.high, initial=0.0)), float(np.finfo(np.float32).tiny))
            axis.fill_between(curve.centres, curve.low / top, curve.high / top, color=colour, alpha=0.2, linewidth=0)
            axis.plot(
                curve.centres, curve.median / top, color=colour, marker=KIND_MARKERS[kind],
                markersize=2.2, linestyle="-" if kind == "mlp" else "--", label=f"{curve.unit}, r {signed(curve.r)}",
            )  # fmt: skip
        axis.set(xlabel=mine[0].input, ylim=(-0.03, 1.45))
        # a logarithmic axis of less than a decade has no room for its labels
        if mine[0].logarithmic and logarithmic(mine[0].centres):
            axis.set_xscale("log")
        axis.set_yticks([0, 0.5, 1])
        for name, value in {k: v for curve in mine for k, v in curve.references.items()}.items():
            axis.axvline(value, ymax=0.7, color="0.4", linewidth=0.7, linestyle=":")
            axis.annotate(name, (value, 1.0), (2, 0), textcoords="offset points", fontsize=SMALL, color="0.3", va="top")
        axis.legend(loc="upper center", handlelength=0.9, handletextpad=0.4, borderpad=0.1, borderaxespad=0.0)
    for row in axes:
        row[0].set_ylabel("activation (scaled)")
    return figure
