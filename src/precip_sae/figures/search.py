"""What a search over every subset of inputs and several seeds shows. Reductions come as shares and are drawn in %."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.textpath import TextPath
from numpy.typing import NDArray

from precip_sae.figures.sensitivity import COUNTED_NAMES
from precip_sae.figures.style import DOUBLE, KIND_MARKERS, KIND_NAMES, KINDS, SINGLE, SMALL, logarithmic, styled

# The study's own models and the value it published: black, told apart by the line.
OWN = {"color": "black", "linewidth": 0.7, "linestyle": "-"}
PUBLISHED = {"color": "black", "linewidth": 0.9, "linestyle": "--"}
TYPICAL = {"color": "0.4", "linewidth": 0.9, "linestyle": ":"}
STAR = {
    "marker": "*", "markersize": 9, "color": "white", "markeredgecolor": "black", "markeredgewidth": 0.8,
    "linestyle": "none", "zorder": 5,
}  # fmt: skip
BEHIND = {"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 0.6}
# Widths of bars of a histogram, percentage points. Reductions are ratios of small numbers: bars of less than 5 points
# would show which ratios there are.
BIN_WIDTHS = (5.0, 10.0, 20.0)
# With more points than this an SVG holds them as an image.
MOST_POINTS = 1000


@styled
def distribution(
    trained: NDArray[np.float64],
    untrained: NDArray[np.float64],
    chosen: float | None,
    published: float,
    kind: str = "keras3",
) -> Figure:
    """Reduction of every model of the search beside that of untrained SAEs on the same networks.

    Args:
        trained, untrained: reductions of all models [models], shares; NaN (not defined) is left out of the bars.
        chosen: mean reduction over the seeds of the study's own inputs, a share; None or NaN if they were not searched.
        published: the published reduction, a share.
        kind: of the trained SAEs, a key of `KINDS`.
    """
    figure, axis = _single(0.78)
    values = {kind: _defined(trained), "untrained": _defined(untrained)}
    edges = _bins(np.concatenate(list(values.values())), min(map(len, values.values())))
    for name, reductions in values.items():
        counts, _ = np.histogram(reductions, edges)
        share = 100 * counts / max(len(reductions), 1)
        # a pale face under a dark edge: the pale outline of the control shows on it in grey too
        face = {"fill": True, "facecolor": to_rgba(KINDS[name], 0.25), "linewidth": 0.8, "zorder": 1}
        look = face if name == kind else {"linewidth": 1.4, "zorder": 2}
        axis.stairs(share, edges, edgecolor=KINDS[name], label=KIND_NAMES[name], **look)
    marks = [(100 * published, f"published {_percent(published)}", PUBLISHED)]
    if chosen is not None and not np.isnan(chosen):
        marks.append((100 * chosen, f"study’s inputs {_percent(chosen)}", OWN))
    places = [edges[0], edges[-1], *(x for x, _, _ in marks)]
    # the bars may end at the marks, the marks not at the frame
    margin = 0.02 * (max(places) - min(places))
    axis.set(xlim=(min(places) - margin, max(places) + margin), xlabel="reduction (%)", ylabel="models (%)")
    if not any(map(len, values.values())):
        _nothing(axis)
    axis.set_ylim(bottom=0)
    axis.vlines(0, 0, axis.get_ylim()[1], color="0.6", linewidth=0.6, zorder=0)
    _mark_above(axis, marks)
    figure.legend(loc="outside lower center", ncols=2, handlelength=1.2, columnspacing=1.2)
    return figure


@styled
def against_skill(
    skill: NDArray[np.float64],
    reduction: NDArray[np.float64],
    chosen: int | None,
    skill_label: str,
    kind: str = "keras3",
) -> Figure:
    """A point per subset of inputs: how well its networks predict, and how large the reduction is.

    Args:
        skill: mean over the seeds of each subset [subsets], as on the axis.
        reduction: mean over the seeds of each subset [subsets], shares. Subsets with NaN in either are left out.
        chosen: index of the study's own subset; None if it was not searched.
        skill_label: name and unit of the skill, such as `accuracy (share of rows)`.
        kind: of the SAEs, a key of `KINDS`.
    """
    figure, axis = _single(0.78)
    x, y = np.asarray(skill, dtype=np.float64), 100 * np.asarray(reduction, dtype=np.float64)
    shown = np.isfinite(x) & np.isfinite(y)
    many = int(shown.sum())
    axis.scatter(
        x[shown], y[shown], s=float(np.clip(3000 / max(many, 1), 3.5, 14)), color=KINDS[kind],
        marker=KIND_MARKERS[kind], alpha=float(np.clip(150 / max(many, 1), 0.25, 0.8)), linewidths=0,
        rasterized=many > MOST_POINTS,
    )  # fmt: skip
    axis.set(xlabel=skill_label, ylabel="reduction (%)")
    axis.margins(0.05)
    if not many:
        _nothing(axis)
    if _given(y, chosen) and shown[chosen]:
        _mark_above(axis, [(x[chosen], f"study’s inputs {_percent(y[chosen] / 100)}", OWN)], start=y[chosen])
        axis.plot(x[chosen], y[chosen], **STAR)
    return figure


@styled
def ranked(
    means: NDArray[np.float64],
    low: NDArray[np.float64],
    high: NDArray[np.float64],
    chosen: int | None,
    published: float,
    kind: str = "keras3",
) -> Figure:
    """Subsets of inputs from the largest mean reduction to the smallest, with the range over the seeds of each.

    Args:
        means: mean reduction over the seeds of each subset [subsets], shares; subsets with NaN are left out.
        low, high: least and largest reduction among the seeds of each subset [subsets], shares.
        chosen: index of the study's own subset; None if it was not searched.
        published: the published reduction, a share.
        kind: of the SAEs, a key of `KINDS`.
    """
    means, low, high = (100 * np.asarray(values, dtype=np.float64) for values in (means, low, high))
    order = np.argsort(-means, kind="stable")
    order = order[np.isfinite(means[order])]
    figure, axis = _single(0.78)
    # a step per subset: a line between subsets would invent reductions, as a band would spreads
    edges = np.arange(len(order) + 1) + 0.5
    if (high[order] > low[order]).any():
        look = {"color": KINDS[kind], "linewidth": 0, "fill": True}
        axis.stairs(high[order], edges, baseline=low[order], alpha=0.25, label="range over seeds", **look)
    if len(order):
        axis.stairs(means[order], edges, baseline=None, color=KINDS[kind], linewidth=1.4, label="mean over seeds")
    axis.axhline(0, color="0.6", linewidth=0.6, zorder=0)
    axis.set(xlim=(edges[0], max(edges[-1], 1.5)), xlabel="rank of the subset of inputs", ylabel="reduction (%)")
    axis.locator_params(axis="x", integer=True, min_n_ticks=1)
    _scale(axis, [*low[order], *high[order], 0, 100 * published])
    if _given(means, chosen):
        rank = int(np.flatnonzero(order == chosen)[0]) + 1
        _mark_above(axis, [(rank, f"study’s inputs: {rank} of {len(order)}", OWN)], start=high[chosen])
        axis.vlines(rank, low[chosen], high[chosen], color="black", linewidth=1.8, zorder=4, gid="seeds")
        axis.plot(rank, means[chosen], **STAR)
    band = edges[1:] - 0.5, low[order], high[order]
    _level(axis, published, f"published {_percent(published)}", PUBLISHED, band, (True, False))
    if not len(order):
        _nothing(axis)
    else:
        figure.legend(loc="outside lower center", ncols=2, handlelength=1.2, columnspacing=1.2)
    return figure


@styled
def inputs(effects: pd.DataFrame, kind: str = "keras3") -> Figure:
    """How much larger the reduction is with an input than without it, with 95 % intervals over seeds, a row per input.

    Rows go from the largest difference (by the first way of counting) to the smallest, those not defined last.

    Args:
        effects: columns input (as displayed), difference, low, high (mean reduction of the subsets with the input less
            that of those without, and its interval; shares, NaN where not defined), and perhaps counted: one panel
            for each way, all on one scale.
        kind: of the SAEs, a key of `KINDS`.
    """
    table = effects if "counted" in effects else effects.assign(counted="")
    ways = list(dict.fromkeys(table["counted"]))
    first = table[table["counted"] == ways[0]]
    rows = list(first.sort_values("difference", ascending=False, na_position="last", kind="stable")["input"])
    figure = Figure(figsize=(SINGLE if len(ways) == 1 else DOUBLE, 0.75 + 0.17 * len(rows) + 0.3 * (len(ways) > 1)))
    axes = figure.subplots(1, len(ways), sharex=True, sharey=True, squeeze=False)[0]
    for axis, way in zip(axes, ways, strict=True):
        panel = table[table["counted"] == way].set_index("input").reindex(rows)
        middle, low, high = (100 * panel[name].to_numpy(dtype=np.float64) for name in ("difference", "low", "high"))
        axis.axvline(0, color="0.6", linewidth=0.6, zorder=0)
        for y in range(len(rows)):
            if np.isnan(middle[y]):
                axis.text(0, y, "not defined", ha="center", va="center", fontsize=SMALL, color="0.4", bbox=BEHIND)
        known = np.isfinite(low) & np.isfinite(high)
        axis.hlines(np.flatnonzero(known), low[known], high[known], color=KINDS[kind], linewidth=1.6)
        axis.plot(
            middle, range(len(rows)), marker=KIND_MARKERS[kind], color=KINDS[kind], markeredgecolor="black",
            markeredgewidth=0.5, markersize=4.5, linestyle="none",
        )  # fmt: skip
        axis.set(title=COUNTED_NAMES.get(way, way), yticks=range(len(rows)), yticklabels=rows)
        axis.set_xlabel("reduction with the input less\nthat without (percentage points)")
        axis.tick_params(axis="y", length=0)
        axis.grid(axis="y", color="0.92", linewidth=0.5)
        axis.set_axisbelow(True)
    reach = np.append(100 * table[["difference", "low", "high"]].to_numpy(dtype=np.float64), 0.0)
    margin = 0.06 * float(np.nanmax(reach) - np.nanmin(reach)) or 1.0
    axes[0].set(xlim=(np.nanmin(reach) - margin, np.nanmax(reach) + margin), ylim=(len(rows) - 0.5, -0.5))
    return figure


@styled
def best_of(
    draws: NDArray[np.int64],
    expected: NDArray[np.float64],
    low: NDArray[np.float64],
    high: NDArray[np.float64],
    drawn: int,
    published: float,
    typical: float,
    kind: str = "keras3",
) -> Figure:
    """The largest reduction to expect among subsets drawn at random and trained from one seed, by how many are drawn.

    Args:
        draws: numbers of subsets drawn [steps], above 0.
        expected, low, high: expected largest reduction, and the ends of 95 % of draws and seeds [steps], shares.
        drawn: how many the study meant to draw; not marked unless it is among `draws`.
        published: the published reduction, a share.
        typical: mean reduction of all models, a share.
        kind: of the SAEs, a key of `KINDS`.
    """
    draws = np.asarray(draws)
    expected, low, high = (100 * np.asarray(values, dtype=np.float64) for values in (expected, low, high))
    figure, axis = _single(0.78)
    axis.fill_between(draws, low, high, color=KINDS[kind], alpha=0.25, linewidth=0, label="95 % of draws and seeds")
    axis.plot(draws, expected, color=KINDS[kind], linewidth=1.4, label="expected largest")
    axis.set(xlabel="subsets drawn at random, one seed", ylabel="largest reduction (%)")
    # a logarithmic axis of less than a decade has no room for its labels
    if logarithmic(draws):
        axis.set_xscale("log")
        axis.xaxis.set_major_formatter("{x:g}")
    else:
        axis.locator_params(axis="x", integer=True, min_n_ticks=1)
    least, most = min(draws), max(draws)
    axis.set_xlim(least, most if most > least else least + 1)
    _scale(axis, [*low, *high, 100 * published, 100 * typical])
    if np.isnan(expected).all():
        _nothing(axis)
    at = np.flatnonzero(draws == drawn)
    if len(at) and np.isfinite(expected[at[0]]):
        value = expected[at[0]]
        _mark_above(axis, [(drawn, f"{drawn} drawn: {_percent(value / 100)}", OWN)], start=value)
        axis.plot(drawn, value, marker="o", markersize=4, color="black", zorder=5)
    # the upper of two lines is labelled above and the lower one below, however near they are
    upper = not published < typical
    _level(axis, published, f"published {_percent(published)}", PUBLISHED, (draws, low, high), (upper,))
    if not np.isnan(typical):
        _level(axis, typical, f"mean of all {_percent(typical)}", TYPICAL, (draws, low, high), (not upper,))
    figure.legend(loc="outside lower center", ncols=2, handlelength=1.2, columnspacing=1.2)
    return figure


def _single(height: float) -> tuple[Figure, Axes]:
    """A figure as wide as a column, and its axes; the height is a share of the width."""
    figure = Figure(figsize=(SINGLE, SINGLE * height))
    return figure, figure.subplots()


def _nothing(axis: Axes) -> None:
    """Says why the axes are empty."""
    look = {"ha": "center", "va": "center", "bbox": BEHIND, "zorder": 6}
    axis.text(0.5, 0.5, "no reduction is defined", transform=axis.transAxes, **look)
    axis.set(ylim=(0, 100))


def _defined(shares: NDArray[np.float64]) -> NDArray[np.float64]:
    """In %, without NaN, and without the last digits that would move a share of, say, 1/5 over the edge of a bar."""
    values = 100 * np.asarray(shares, dtype=np.float64)
    return np.round(values[np.isfinite(values)], 9)


def _bins(values: NDArray[np.float64], models: int) -> NDArray[np.float64]:
    """Edges of bars around all values, one of them at 0; as wide as the rule of Freedman and Diaconis asks for."""
    if not len(values):
        return np.array([0.0, 100.0])
    asked = 2 * float(np.subtract(*np.quantile(values, (0.75, 0.25)))) / max(models, 1) ** (1 / 3)
    width = next((w for w in BIN_WIDTHS if w >= asked), BIN_WIDTHS[-1])
    first, last = np.floor(values.min() / width), np.floor(values.max() / width) + 1
    return np.arange(first, last + 1) * width


def _percent(share: float) -> str:
    """`33 %` or `−5 %`; `–` for NaN."""
    if np.isnan(share):
        return "–"
    return f"{round(100 * share)} %".replace("-", "−")


def _given(values: NDArray[np.float64], index: int | None) -> bool:
    """Whether there is such a subset and its value is defined."""
    return index is not None and bool(np.isfinite(values[index]))


def _scale(axis: Axes, values: Sequence[float]) -> None:
    """Limits of y around the values, with room for a line of text on either side."""
    kept = np.asarray(values, dtype=np.float64)
    kept = kept[np.isfinite(kept)]
    low, high = (float(kept.min()), float(kept.max())) if len(kept) else (0.0, 1.0)
    margin = 0.12 * (high - low) or 1.0
    axis.set_ylim(low - margin, high + margin)


def _box(axis: Axes, text: str) -> tuple[float, float]:
    """Width and height of a text as shares of the axes, before the layout says how large these are exactly."""
    width, height = 72 * axis.figure.get_size_inches() - (45.0, 62.0)
    return (TextPath((0, 0), text, size=SMALL).get_extents().width + 6) / width, 1.35 * SMALL / height


def _fractions(axis: Axes, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """Places as shares of the axes [2, places]."""
    return (axis.transData - axis.transAxes).transform(np.column_stack([x, y])).T


def _mark_above(axis: Axes, marks: Sequence[tuple[float, str, dict]], start: float | None = None) -> None:
    """One or two upright lines with their names above the data, beside their lines and clear of each other.

    Args:
        marks: place on x, name and look of each line. Limits of x must be set, those of y are raised for the names.
        start: where the lines begin on y; None for the lower end of the axis.
    """
    marks = sorted(marks, key=lambda mark: mark[0])
    bottom, top = axis.get_ylim()
    places = _fractions(axis, np.array([x for x, _, _ in marks]), np.full(len(marks), bottom))[0]
    wide = [_box(axis, name)[0] for _, name, _ in marks]
    fits_right = places[-1] + wide[-1] <= 1
    sides = ["left" if fits_right else "right"]
    rows = [0]
    if len(marks) == 2:
        # names point away from each other where they fit; else the one that must cross goes above the other
        sides = ["right" if places[0] >= wide[0] else "left", *sides]
        rows = [0, int(not fits_right)] if sides[0] == "right" else [1, 0]
    high, levels = _box(axis, "0")[1], max(rows) + 1
    top = bottom + (top - bottom) / (1 - levels * high)
    axis.set_ylim(bottom, top)
    begin = 0.0 if start is None else (start - bottom) / (top - bottom)
    for (x, name, look), side, row in zip(marks, sides, rows, strict=True):
        ceiling = 1 - (levels - row - 1) * high
        axis.axvline(x, begin, ceiling, zorder=3, **look)
        axis.annotate(
            name, (x, ceiling), (2.5 if side == "left" else -2.5, 0), xycoords=("data", "axes fraction"),
            textcoords="offset points", ha=side, va="top", fontsize=SMALL, zorder=6, bbox=BEHIND,
        )  # fmt: skip


def _level(
    axis: Axes,
    share: float,
    name: str,
    look: dict,
    band: tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]],
    above: Sequence[bool],
) -> None:
    """A line across, its name at the end and on the side where it covers least of a band.

    Args:
        share: where the line is; drawn in %.
        band: x, low and high [places]. Limits must be set.
        above: sides that the name may be on, the preferred one first.
    """
    axis.axhline(100 * share, zorder=3, **look)
    x, low = _fractions(axis, *band[:2])
    high = _fractions(axis, band[0], band[2])[1]
    # a band covers what lies between one place and the next as well
    low, high = np.fmin(low, np.append(low[1:], np.nan)), np.fmax(high, np.append(high[1:], np.nan))
    (level,) = _fractions(axis, np.array([band[0][0] if len(band[0]) else 1.0]), np.array([100 * share]))[1]
    wide, tall = _box(axis, name)

    def covered(place: tuple[bool, str]) -> float:
        up, side = place
        bottom = level if up else level - tall
        beside = x >= 1 - wide if side == "right" else x <= wide
        return float((beside & (high > bottom) & (low < bottom + tall)).sum())

    up, side = min(((up, side) for up in above for side in ("right", "left")), key=covered)
    axis.annotate(
        name, (1.0 if side == "right" else 0.0, 100 * share), (-2 if side == "right" else 2, 1 if up else -1),
        xycoords=("axes fraction", "data"), textcoords="offset points", ha=side, va="bottom" if up else "top",
        fontsize=SMALL, zorder=6, bbox=BEHIND,
    )  # fmt: skip
