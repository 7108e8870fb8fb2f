"""How far a reduction moves by chance, by source, beside what the study looks for."""

from collections.abc import Mapping
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from precip_sae.figures.sensitivity import COUNTED_NAMES
from precip_sae.figures.style import DOUBLE, KINDS, PUBLISHED, SMALL, styled


@styled
def floors(
    found: Mapping[str, Mapping[str, Any]],
    names: Mapping[str, str],
    subset: Mapping[str, float | None],
    training: Mapping[str, Mapping[str, Any]],
) -> Figure:
    """Standard deviations of one model's reduction by source (points), one panel per way of counting.

    Below the sources, apart: the standard deviation between subsets of inputs, and the mean gain of training beyond the
    untrained SAE.

    Args:
        found: {counted: {source: spread of the standard deviation}}, shares; see `noise.floors`.
        names: sources in order, in words.
        subset: {counted: standard deviation between subsets}, shares; None where not defined.
        training: {counted: spread of the gain}, shares.
    """
    shown = [source for source in names if any(source in of for of in found.values())]
    rows = [*(names[source] for source in shown), "subset of the inputs", "training (mean gain)"]
    figure = Figure(figsize=(DOUBLE, 0.9 + 0.25 * len(rows)))
    axes = figure.subplots(1, 3, sharey=True, sharex=True)
    for axis, (counted, title) in zip(axes, COUNTED_NAMES.items(), strict=True):
        of = found[counted]
        for place, source in enumerate(shown):
            if source in of:
                _point(axis, place, of[source], "0.2")
        if subset.get(counted) is not None:
            _point(axis, len(shown), {"mean": subset[counted], "low": None}, PUBLISHED, "D")
        _point(axis, len(shown) + 1, training[counted], KINDS["keras3"], "s")
        axis.axhline(len(shown) - 0.5, color="0.6", linewidth=0.6, linestyle=":")
        axis.set_title(title.replace("\n", " ").replace(" (published measure)", ""))
        axis.tick_params(axis="y", length=0)
    axes[0].set(yticks=range(len(rows)), yticklabels=rows, ylim=(len(rows) - 0.5, -0.5))
    loses = any((gain["mean"] or 0.0) < 0 for gain in training.values())
    axes[0].set_xlim(left=min(0.0, axes[0].get_xlim()[0]) if loses else 0.0)
    axes[1].set_xlabel("standard deviation of one model's reduction (points)", fontsize=SMALL)
    return figure


def _point(axis: Axes, place: int, spread: Mapping[str, Any], colour: str, marker: str = "o") -> None:
    if spread["mean"] is None:
        return
    if spread["low"] is not None:
        axis.plot([100 * spread["low"], 100 * spread["high"]], [place, place], color=colour, linewidth=1.2)
    axis.plot(100 * spread["mean"], place, marker, color=colour, markersize=4.5)
