"""Which measure ranks dictionaries as the truth does."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure

from precip_sae.figures.style import DOUBLE, KINDS, SMALL, mark, styled
from precip_sae.interpretation.measures import MEASURES
from precip_sae.interpretation.ranking import BESIDE

TITLES = {
    "toys": "Toy models",
    "column": "Column task",
    "planted": "Planted,\noften at work",
    "rare": "Planted,\nseldom at work",
}
BEST, OTHER, PLAIN = KINDS["keras3"], KINDS["mlp"], "#8FA3A3"


@styled
def agreement(found: Mapping[str, Any]) -> Figure:
    """Rank correlation of every measure with true recovery, mean over seeds with its 95 % interval, by experiment.

    Args:
        found: as `interpretation.ranking.compared` gives it.
    """
    experiments = list(found["agreement"])
    order = _order(found)
    figure = Figure(figsize=(DOUBLE, 0.21 * len(order) + 0.9))
    axes = figure.subplots(1, len(experiments), sharey=True, squeeze=False)[0]
    for axis, experiment in zip(axes, experiments, strict=True):
        axis.axvline(0, color="0.6", linewidth=0.6, zorder=0)
        for place, name in enumerate(order):
            spread = found["agreement"][experiment].get(name)
            if spread is None:
                axis.annotate("not defined", (0, place), fontsize=SMALL, color="0.5", ha="center", va="center")
                continue
            colour = BEST if name == found["best"] else PLAIN if name in BESIDE else OTHER
            marker = "s" if name in BESIDE else "o"
            mark(axis, spread, place, colour, width=1.6, marker=marker, markersize=4)
        axis.set(xlim=(-1.05, 1.05), xticks=[-1, 0, 1])
        axis.set_title(TITLES.get(experiment, experiment), fontsize=SMALL)
    axes[0].set(yticks=range(len(order)), yticklabels=[_title(name) for name in order])
    axes[0].invert_yaxis()
    figure.supxlabel("rank correlation with true recovery", fontsize=SMALL + 0.25)
    return figure


def _order(found: Mapping[str, Any]) -> Sequence[str]:
    """Measures by their mean over experiments, the best first, then those defined in some alone, then the others."""
    everywhere = sorted(found["means"], key=lambda name: -found["means"][name]["value"])
    named = [name for each in found["agreement"].values() for name in each]
    partly = [name for name in dict.fromkeys(named) if name not in everywhere and name not in BESIDE]
    return [*everywhere, *partly, *(name for name in BESIDE if name in named)]


def _title(name: str) -> str:
    return MEASURES[name].title if name in MEASURES else BESIDE[name]
