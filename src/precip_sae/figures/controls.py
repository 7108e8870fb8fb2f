"""The trained SAE beside its controls."""

from collections.abc import Mapping
from typing import Any

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from precip_sae.figures.style import DOUBLE, KINDS, mark, styled

MEASURES = {
    "published": "published",
    "living": "living units",
    "every": "every unit",
    "effective": "effective\nnumber",
    "effective_partial": "effective,\npartial",
    "gradients": "gradients",
}
SIGNIFICANCE = 0.05


@styled
def controls(found: Mapping[str, Mapping[str, Any]], names: Mapping[str, str], trained: str = "sae") -> Figure:
    """Reduction of the number of inputs per unit by every control, one panel per measure, with 95 % intervals.

    A control is filled where the trained SAE's reduction differs from its own after correction for all comparisons.
    The band is the trained SAE's interval.

    Args:
        found: {measure: {control: {reduction, beyond}}}, see `controls.beside.beside`.
        names: controls in order, in words.
        trained: the name of the trained SAE among them.
    """
    figure = Figure(figsize=(DOUBLE, 1.1 + 0.25 * len(names)))
    axes = figure.subplots(1, len(MEASURES), sharey=True)
    for axis, (measure, title) in zip(axes, MEASURES.items(), strict=True):
        of = found[measure]
        band = of[trained]["reduction"]
        if band["low"] is not None:
            axis.axvspan(100 * band["low"], 100 * band["high"], color=KINDS["keras3"], alpha=0.15, linewidth=0)
        for place, control in enumerate(names):
            own = control == trained
            p = of[control]["beyond"]["p_holm"]["value"] if not own else 0.0
            colour = KINDS["keras3"] if own else "0.2"
            look = {"marker": "s" if own else "o", "markersize": 4.5}
            look["markerfacecolor"] = colour if p is not None and p < SIGNIFICANCE else "white"
            mark(axis, of[control]["reduction"], place, colour, 100, **look)
        axis.axvline(0, color="0.4", linewidth=0.6)
        axis.set_title(title)
        axis.tick_params(axis="y", length=0)
    axes[0].set(yticks=range(len(names)), yticklabels=list(names.values()), ylim=(len(names) - 0.5, -0.5))
    figure.supxlabel("fewer inputs per unit than in the hidden layer (%)", fontsize="medium")
    handles = [
        Line2D([], [], marker="o", linestyle="", color="0.2", markersize=4.5, label="differs from the trained SAE"),
        Line2D(
            [], [], marker="o", linestyle="", color="0.2", markerfacecolor="white", markersize=4.5, label="does not"
        ),
    ]
    figure.legend(handles=handles, loc="outside upper right", ncols=2)
    return figure
