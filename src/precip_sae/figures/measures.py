"""How many inputs units respond to, by every measure."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from precip_sae.figures.sensitivity import COUNTED_NAMES
from precip_sae.figures.style import DOUBLE, KIND_MARKERS, KIND_NAMES, KINDS, mark, styled
from precip_sae.spread import over_seeds

SIGNIFICANCE = 0.05


@styled
def measures(
    curves: pd.DataFrame, compared: Mapping[str, Any], trained: str = "keras3", threshold: float = 0.4
) -> Figure:
    """Sensitive inputs by threshold (above), and what SAEs change by every measure (below).

    Lines and bands above are means over seeds and their 95 % intervals. Below, points are mean reductions from the
    hidden units with intervals over seeds; the trained SAE's is filled where its gain beyond the untrained one differs
    from zero after correction for the number of measures.

    Args:
        curves: variant, seed, counted, threshold, value.
        compared: see `interpretation.compared.compared`.
        trained: the variant that was trained.
        threshold: the study's.
    """
    height = 2.0 + 0.24 * len(compared)
    figure = Figure(figsize=(DOUBLE, 1.2 + height))
    grid = figure.add_gridspec(2, 3, height_ratios=(2.1, height - 0.9))
    _curves([figure.add_subplot(grid[0, k]) for k in range(3)], curves, threshold)
    _points(figure.add_subplot(grid[1, :]), compared, trained)
    handles = [
        Line2D([], [], color=KINDS[v], marker=KIND_MARKERS[v], markersize=4, label=KIND_NAMES[v])
        for v in ("mlp", trained, "untrained")
    ]
    figure.legend(handles=handles, loc="outside upper center", ncols=3)
    return figure


def _curves(axes: Sequence[Axes], curves: pd.DataFrame, threshold: float) -> None:
    for axis, (counted, title) in zip(axes, COUNTED_NAMES.items(), strict=True):
        for variant, rows in curves[curves["counted"] == counted].groupby("variant", sort=False):
            by = pd.DataFrame({at: over_seeds(each["value"]) for at, each in rows.groupby("threshold")}).T
            mean, low, high = (by[end].astype(float) for end in ("mean", "low", "high"))
            axis.fill_between(mean.index, low, high, color=KINDS[variant], alpha=0.25, linewidth=0)
            axis.plot(mean.index, mean, color=KINDS[variant], marker=KIND_MARKERS[variant], markersize=2.5)
        axis.axvline(threshold, color="0.6", linewidth=0.6, linestyle=":")
        axis.set_title(title.replace("\n", " ").replace(" (published measure)", ""))
        axis.set(xlabel="threshold of |r|", ylim=(0, None))
    axes[0].set_ylabel("sensitive inputs per unit")


def _points(axis: Axes, compared: Mapping[str, Any], trained: str) -> None:
    for place, found in enumerate(compared.values()):
        p = found["gain"][trained]["p_holm"]["value"]
        for variant, offset in (("untrained", 0.16), (trained, -0.16)):
            hollow = variant == "untrained" or p is None or p >= SIGNIFICANCE
            look = {"marker": KIND_MARKERS[variant], "markersize": 4.5}
            look["markerfacecolor"] = "white" if hollow else KINDS[variant]
            mark(axis, found["reduction"][variant], place + offset, KINDS[variant], 100, **look)
    axis.axvline(0, color="0.4", linewidth=0.6)
    axis.set(
        yticks=range(len(compared)), yticklabels=[found["title"] for found in compared.values()],
        ylim=(len(compared) - 0.5, -0.5), xlabel="fewer inputs per unit than in the hidden layer (%)",
    )  # fmt: skip
    axis.tick_params(axis="y", length=0)
