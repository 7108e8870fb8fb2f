"""How far a reduction moves by chance, by source, beside what the study looks for."""

from collections.abc import Mapping
from typing import Any

from matplotlib.figure import Figure

from precip_sae.figures.sensitivity import COUNTED_NAMES
from precip_sae.figures.style import DOUBLE, KINDS, PUBLISHED, SMALL, mark, styled


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
                mark(axis, of[source], place, "0.2", 100, marker="o", markersize=4.5)
        between = {"mean": subset.get(counted), "low": None, "high": None}
        mark(axis, between, len(shown), PUBLISHED, 100, marker="D", markersize=4.5)
        mark(axis, training[counted], len(shown) + 1, KINDS["keras3"], 100, marker="s", markersize=4.5)
        axis.axhline(len(shown) - 0.5, color="0.6", linewidth=0.6, linestyle=":")
        axis.set_title(title.replace("\n", " ").replace(" (published measure)", ""))
        axis.tick_params(axis="y", length=0)
    axes[0].set(yticks=range(len(rows)), yticklabels=rows, ylim=(len(rows) - 0.5, -0.5))
    loses = any((gain["mean"] or 0.0) < 0 for gain in training.values())
    axes[0].set_xlim(left=min(0.0, axes[0].get_xlim()[0]) if loses else 0.0)
    axes[1].set_xlabel("standard deviation of one model's reduction (points)", fontsize=SMALL)
    return figure
