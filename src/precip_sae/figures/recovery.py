"""What dictionaries recover of factors that no network was given."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from precip_sae.figures.style import DOUBLE, KIND_MARKERS, KINDS, NOTHING, SINGLE, SMALL, mark, styled
from precip_sae.interpretation.layer_dictionaries import KINDS as ELEMENTS
from precip_sae.spread import over_seeds

# colour, marker, line and name of each kind of dictionary; those that other figures know look as they do there
LOOKS = {
    "units": (KINDS["mlp"], KIND_MARKERS["mlp"], "-", "best hidden unit"),
    "sae": (KINDS["keras3"], KIND_MARKERS["keras3"], "--", "best SAE latent"),
    "untrained": (KINDS["untrained"], KIND_MARKERS["untrained"], ":", "best latent, SAE untrained"),
    "wider": ("#B07D2B", "v", "-.", "best unit, wider network"),
    "random": ("#8FA3A3", "x", (0, (1, 1)), "best random direction"),
    "pca": ("#2F8F7F", "P", (0, (4, 1, 1, 1, 1, 1)), "best principal component"),
}
NAMES = {
    "log_riming": "riming",
    "intensity": "intensity",
    "dryness": "dryness",
    "melting_height": "melting level",
    "nose": "warm air aloft",
    "cloud_top": "cloud top",
    "lake": "lake effect",
    "log_number": "particles",
    "log_slope": "slope of sizes",
    "shape": "shape of sizes",
    "log_diameter": "mean diameter",
}
"""What the hidden factors are called in a figure."""

TITLES = {
    "column": "Column task, hidden state",
    "planted": "Planted, at observed thresholds",
    "planted, rare": "Planted, seldom at work",
}
LOADS = ("o", "s", "^", "D", "v")
TOGETHER = "all units together"


UNKNOWN = "The hidden state of observations is not known."


@styled
def by_factor(factors: pd.DataFrame, inputs: Mapping[str, float], order: Sequence[str]) -> Figure:
    """What the best element of each kind says of every hidden factor, mean over seeds with its 95 % interval.

    Args:
        factors: rows of `Recovery.factors` of one layer, of the penalty that counts; none: the figure says UNKNOWN.
        inputs: R^2 of the best single input by factor.
        order: factors from top to bottom.
    """
    if factors.empty:
        return _unknown()
    figure = Figure(figsize=(DOUBLE, 0.34 * len(order) + 1.1))
    axis = figure.subplots()
    kinds = [kind for kind in LOOKS if kind in set(factors["kind"])]
    rows = factors.set_index(["factor", "kind"]).sort_index()
    for place, factor in enumerate(order):
        together = rows.loc[(factor, "units"), "present"].mean()
        axis.barh(place, together, height=0.86, color="#EEEEEE", zorder=0)
        axis.plot([inputs[factor]] * 2, [place - 0.43, place + 0.43], color="#777777", linewidth=0.8, zorder=1)
        for k, kind in enumerate(kinds):
            spread = over_seeds(rows.loc[(factor, kind), "recovery"].to_numpy())
            y = place + 0.66 * (k / max(len(kinds) - 1, 1) - 0.5)
            colour, marker, _, _ = LOOKS[kind]
            mark(axis, spread, y, colour, width=1.4, marker=marker, markersize=3.6)
    least = min(0.0, float(rows.loc[(slice(None), kinds), "recovery"].min()))
    axis.set(
        yticks=range(len(order)), yticklabels=[NAMES.get(factor, factor) for factor in order], xlim=(least - 0.02, 1.0),
        xlabel="R² of a straight line on the other half of the storms",
    )  # fmt: skip
    axis.set_ylim(len(order) - 0.45, -0.55)
    handles = [
        Line2D([], [], color=LOOKS[k][0], marker=LOOKS[k][1], linestyle="none", markersize=3.6, label=LOOKS[k][3])
        for k in kinds
    ]
    handles += [
        Line2D([], [], color="#EEEEEE", linewidth=6, label=TOGETHER),
        Line2D([], [], color="#777777", linewidth=0.8, label="best input"),
    ]
    figure.legend(handles=handles, loc="outside upper center", ncols=4, columnspacing=1.2, handletextpad=0.5)
    return figure


@styled
def pressure(layers: pd.DataFrame) -> Figure:
    """What units and latents say of hidden factors, and what the SAE gains, by how many factors there are per unit.

    Args:
        layers: rows of `recovery.pressure`, of one or more experiments.
    """
    numbers = sorted(set(layers["learnt"]))
    experiments = [name for name in TITLES if name in set(layers["experiment"])]
    figure = Figure(figsize=(DOUBLE, 4.4))
    axes = figure.subplots(2, len(experiments), sharey="row", squeeze=False)
    for column, experiment in enumerate(experiments):
        own = layers[layers["experiment"] == experiment]
        upper, lower = axes[:, column]
        for name, line, colour in (("present", "-", "#AAAAAA"), ("units", "-", LOOKS["units"][0]),
                                   ("sae", "--", LOOKS["sae"][0])):  # fmt: skip
            _by_load(upper, own, name, colour, line, numbers)
        _by_load(lower, own, "gain", LOOKS["sae"][0], "none", numbers)
        lower.axhline(0, color="black", linewidth=0.6)
        upper.set_title(TITLES[experiment])
        for axis in (upper, lower):
            first, last = np.floor(np.log2(own["load"].min())), np.ceil(np.log2(own["load"].max()))
            axis.set_xscale("log", base=2)
            powers = np.arange(first, last + 1, 1 if last - first <= 4 else 2)
            axis.set_xticks(2.0**powers, [f"1/{2**-k:g}" if k < 0 else f"{2**k:g}" for k in powers])
            axis.minorticks_off()
        lower.set_xlabel("things learnt per unit" if experiment == "column" else "planted factors per unit")
    axes[0, 0].set_ylabel("R², mean over factors")
    axes[1, 0].set_ylabel("R² gained by the SAE:\nbest latent less best unit")
    handles = [
        Line2D([], [], color="#AAAAAA", label=TOGETHER),
        Line2D([], [], color=LOOKS["units"][0], label=LOOKS["units"][3]),
        Line2D([], [], color=LOOKS["sae"][0], linestyle="--", label=LOOKS["sae"][3]),
    ]
    handles += [
        Line2D(
            [], [], color="#555555", marker=_marker(numbers, n), linestyle="none", markersize=3.6, label=f"{n} learnt"
        )
        for n in numbers
    ]
    figure.legend(
        handles=handles, loc="outside upper center", ncols=max(3, len(numbers)), columnspacing=1.4, handletextpad=0.5
    )
    return figure


def _marker(numbers: Sequence[int], n: int) -> str:
    return LOADS[list(numbers).index(n) % len(LOADS)]


def _by_load(axis: Axes, layers: pd.DataFrame, name: str, colour: str, line: str, numbers: Sequence[int]) -> None:
    """A column over the load, with intervals over seeds: a line for every number of factors."""
    for learnt, own in layers.groupby("learnt"):
        found = {load: over_seeds(rows[name].to_numpy()) for load, rows in own.groupby("load")}
        x = np.array(list(found))
        mean = np.array([spread["mean"] for spread in found.values()])
        axis.plot(x, mean, color=colour, linestyle=line, marker=_marker(numbers, learnt), markersize=3.2)
        for load, spread in found.items():
            if spread["low"] is not None:
                axis.plot([load, load], [spread["low"], spread["high"]], color=colour, linewidth=1.2)


@styled
def sparse(dictionaries: pd.DataFrame) -> Figure:
    """Mean R^2 over the factors of probes that may use a few elements, by kind of dictionary.

    Args:
        dictionaries: rows of `Recovery.dictionaries` of one layer, of the penalty that counts; none: the figure says
            UNKNOWN.
    """
    if dictionaries.empty:
        return _unknown()
    figure = Figure(figsize=(DOUBLE * 0.75, SINGLE * 0.8))
    axis = figure.subplots()
    sizes = sorted(int(name.removeprefix("sparse_")) for name in dictionaries if name.startswith("sparse_"))
    for kind, (colour, marker, line, _) in LOOKS.items():
        own = dictionaries[dictionaries["kind"] == kind]
        if own.empty:
            continue
        spreads = [over_seeds(own[f"sparse_{k}"].to_numpy()) for k in sizes]
        mean = [spread["mean"] for spread in spreads]
        axis.plot(sizes, mean, color=colour, marker=marker, linestyle=line, markersize=3.6, label=ELEMENTS[kind])
        for k, spread in zip(sizes, spreads, strict=True):
            if spread["low"] is not None:
                axis.plot([k, k], [spread["low"], spread["high"]], color=colour, linewidth=1.2)
    together = dictionaries.loc[dictionaries["kind"] == "units", "present"].mean()
    axis.axhline(together, color=NOTHING, linewidth=1.5)
    axis.annotate(
        TOGETHER, (sizes[0], together), xytext=(0, -3), textcoords="offset points", va="top", fontsize=SMALL,
        color="#777777",
    )  # fmt: skip
    axis.set_xscale("log", base=2)
    axis.set_xticks(sizes, [str(k) for k in sizes])
    axis.minorticks_off()
    axis.set(xlabel="elements that a probe may use", ylabel="R², mean over hidden factors")
    figure.legend(loc="outside right center", handlelength=2.6)
    return figure


def _unknown() -> Figure:
    figure = Figure(figsize=(SINGLE, SINGLE * 0.4))
    axis = figure.subplots()
    axis.set_axis_off()
    axis.text(0.5, 0.5, UNKNOWN, ha="center", va="center", fontsize=SMALL)
    return figure
