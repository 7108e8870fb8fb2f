"""What the SAEs change in every fold of a cross-validation."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from precip_sae.figures.style import DOUBLE, KIND_MARKERS, KIND_NAMES, KINDS, styled

MOST_NUMBERED = 10  # folds whose numbers are all written


@styled
def reductions(table: pd.DataFrame, headline: str, titles: Mapping[str, str]) -> Figure:
    """The reduction of inputs per unit by fold: a point per seed, and the mean over seeds as a bar.

    Args:
        table: columns fold, variant, seed, measure, reduction (a share); see `folds.pool.measured`.
        headline: the SAEs that are shown, beside the untrained ones.
        titles: of the measures to show.
    """
    variants = (headline, "untrained")
    figure = Figure(figsize=(DOUBLE, 2.2))
    axes = figure.subplots(1, len(titles), sharey=True, squeeze=False)[0]
    for axis, (measure, title) in zip(axes, titles.items(), strict=True):
        axis.axhline(0, color="0.7", linewidth=0.6, zorder=0)
        for variant, shift in zip(variants, (-0.17, 0.17), strict=True):
            rows = table[(table["measure"] == measure) & (table["variant"] == variant) & table["reduction"].notna()]
            look = {"color": KINDS[variant], "marker": KIND_MARKERS[variant]}
            axis.scatter(rows["fold"] + shift, 100 * rows["reduction"], s=6, alpha=0.5, linewidths=0, **look)
            means = rows.groupby("fold")["reduction"].mean()
            axis.scatter(means.index + shift, 100 * means, s=70, color=KINDS[variant], marker="_", linewidths=1.6)
        folds = np.unique(table["fold"])
        axis.set(title=title, xlabel="fold", xlim=(folds[0] - 0.6, folds[-1] + 0.6))
        if len(folds) <= MOST_NUMBERED:
            axis.set_xticks(folds)
        else:
            axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes[0].set_ylabel("fewer inputs per unit (%)")
    entries = [
        Line2D([], [], linestyle="none", markersize=4, color=KINDS[v], marker=KIND_MARKERS[v], label=KIND_NAMES[v])
        for v in variants
    ]
    figure.legend(handles=entries, loc="outside lower center", ncols=len(variants))
    return figure
