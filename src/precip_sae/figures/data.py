"""The observations."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.dates import ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import NullFormatter
from numpy.typing import NDArray

from precip_sae.figures.style import DOUBLE, LINES, NOTHING, PAIR, PHASES, SIGNS, SMALL, VERDICTS, styled

# Variables that span decades.
LOGARITHMIC = {"n0", "Nt", "Rho", "Sr", "Rr"}
LEFT_OUT = "Ambiguous"
# Fewer rows than this make no profile.
LEAST_ROWS = 10
# Differences larger than this many tolerances are drawn there.
MOST_TOLERANCES = 4.0
FREEZING = 273.15  # K
# More variables than this make a matrix whose values do not fit its cells.
MOST_PRINTED = 14


def _phases(labels: pd.Series) -> list[str]:
    """The phases that occur, in the order of the palette; rows of other labels are not drawn."""
    return [name for name in PHASES if name != LEFT_OUT and name in set(labels)]


@styled
def distributions(frame: pd.DataFrame, columns: Sequence[str], label: str, labels: Mapping[str, str]) -> Figure:
    """Share of the rows of each phase in bins of each variable.

    Args:
        frame: observations; columns: variables to show; label: the column that holds the phase.
        labels: column to axis label, unit included.
    """
    across = min(5, len(columns))
    down = math.ceil(len(columns) / across)
    figure = Figure(figsize=(DOUBLE, 0.35 + 1.5 * down))
    axes = figure.subplots(down, across, squeeze=False)
    for axis in axes.flat[len(columns) :]:
        axis.set_visible(False)
    for axis, column in zip(axes.flat, columns, strict=False):
        values = frame[column]
        logarithmic = column in LOGARITHMIC
        kept = values[values > 0] if logarithmic else values.dropna()
        edges = _edges(kept.to_numpy(dtype=np.float64), logarithmic)
        for phase in _phases(frame[label]):
            mine = kept[frame.loc[kept.index, label] == phase]
            counts, _ = np.histogram(mine, edges)
            share = 100 * counts / max(len(mine), 1)
            axis.stairs(share, edges, color=PHASES[phase], linestyle=LINES[phase], label=phase, linewidth=1.1)
        axis.set(xlabel=labels.get(column, column), xscale="log" if logarithmic else "linear")
    for row in axes:
        row[0].set_ylabel("rows of the phase (%)")
    _legend(figure, axes[0, 0])
    return figure


def _edges(values: NDArray[np.float64], logarithmic: bool) -> NDArray[np.float64]:
    """Edges of 40 bins over all but the outermost 0.4 % of the values."""
    low, high = np.quantile(values, [0.002, 0.998]) if len(values) else (1.0, 1.0)
    if low == high:
        low, high = (low / 2, 2 * low) if logarithmic else (low - 0.5, high + 0.5)
    return np.geomspace(low, high, 41) if logarithmic else np.linspace(low, high, 41)


def _legend(figure: Figure, axis: Axes) -> None:
    handles, names = axis.get_legend_handles_labels()
    figure.legend(handles, names, loc="outside upper center", ncols=max(len(names), 1))


@styled
def correlation_matrix(correlations: pd.DataFrame, labels: Mapping[str, str]) -> Figure:
    """Pearson correlations, lower triangle, with their values.

    Args:
        correlations: square, named on both sides; NaN where not defined. labels: column to label (units are left out).

    Raises:
        ValueError: fewer than two variables.
    """
    if len(correlations) < 2:
        raise ValueError("correlations need at least two variables")
    names = [labels.get(c, c).split(" (")[0] for c in correlations]
    values = correlations.to_numpy()
    shown = np.where(np.tril(np.ones_like(values, dtype=bool), k=-1), values, np.nan)[1:, :-1]
    figure = Figure(figsize=(DOUBLE * 0.85, DOUBLE * 0.66))
    axis = figure.subplots()
    image = axis.imshow(shown, cmap=SIGNS, vmin=-1, vmax=1, aspect="auto")
    for i, j in zip(*np.tril_indices(len(shown)), strict=True):
        if np.isnan(shown[i, j]):
            axis.add_patch(Rectangle((j - 0.5, i - 0.5), 1, 1, facecolor=NOTHING, gid="undefined"))
        elif len(names) <= MOST_PRINTED:
            text, colour = f"{shown[i, j]:.2f}".replace("-", "−"), "white" if abs(shown[i, j]) > 0.65 else "black"
            axis.text(j, i, text, ha="center", va="center", fontsize=SMALL, color=colour)
    every = -(-len(names) // 36)
    axis.set(xticks=range(0, len(names) - 1, every), yticks=range(0, len(names) - 1, every))
    axis.set_yticklabels(names[1::every])
    axis.set_xticklabels(names[:-1:every], rotation=45, ha="right", rotation_mode="anchor")
    axis.tick_params(length=0)
    axis.spines[:].set_visible(False)
    figure.colorbar(image, ax=axis, label="correlation r", shrink=0.8)
    return figure


@styled
def storm(frame: pd.DataFrame, labels: Mapping[str, str], label: str = "regime3") -> Figure:
    """One storm as time series, phases as a band on top, and the radar's reflectivity by time and height.

    Args:
        frame: the rows of one storm; labels: column to axis label, unit included.
        label: the column that holds the phase; without it there is no band.

    White in the radar's panel: no record, or no echo. A record between two gaps shows as a dot.
    """
    frame = frame.sort_values("time")
    # one row per five minutes, so that dry gaps stay gaps
    steps = frame.set_index("time").asfreq("5min")
    times = steps.index.to_numpy()
    figure = Figure(figsize=(DOUBLE, 6.0))
    axes = figure.subplots(5, 1, sharex=True, height_ratios=[1.6, 1, 1, 1, 1])
    gates = [c for c in frame if c.startswith("reflectivity_")]
    heights = [0.1 * (int(c.removeprefix("reflectivity_")) + 1) for c in gates]
    echo = steps[gates].to_numpy(dtype=float).T
    half = np.timedelta64(150, "s")
    # edges, as a single record or gate would have no width by its centre alone
    edges, floors = np.append(times - half, times[-1] + half), np.append(heights, heights[-1] + 0.1) - 0.05
    mesh = axes[0].pcolormesh(edges, floors, np.ma.masked_invalid(echo), cmap="cividis", rasterized=True)
    axes[0].set_ylabel("height (km)")
    figure.colorbar(mesh, cax=axes[0].inset_axes((1.015, 0, 0.015, 0.85)), label="reflectivity\n(dBZ)")
    pairs = [("n0", "Dm"), ("Fs", "Rho"), ("T", "RH"), ("Sr", "Rr")]
    for axis, (left, right) in zip(axes[1:], pairs, strict=True):
        twin = axis.twinx()
        twin.spines["right"].set_visible(True)
        for side, column, colour, line in ((axis, left, *PAIR[0]), (twin, right, *PAIR[1])):
            side.plot(times, steps[column], color=colour, linestyle=line)
            there = steps[column].notna()
            alone = there & ~there.shift(1, fill_value=False) & ~there.shift(-1, fill_value=False)
            side.plot(times[alone], steps[column][alone], color=colour, linestyle="none", marker="o", markersize=2)
            side.set_ylabel(labels.get(column, column).replace(" (", "\n("), color=colour)
            if column == "n0":
                side.set_yscale("log")
                side.yaxis.set_minor_formatter(NullFormatter())
    found = frame[label] if label in frame else pd.Series(index=frame.index, dtype=object)
    # a step lower for each phase, so that they are told apart without colour
    lanes = [*_phases(found), *([LEFT_OUT] if (found == LEFT_OUT).any() else [])]
    for lane, phase in enumerate(lanes):
        mine = frame["time"][found == phase]
        height = max(heights) + 0.62 - 0.16 * lane
        axes[0].plot(mine, np.full(len(mine), height), marker="|", color=PHASES[phase], linestyle="none",
                     markersize=4.5, markeredgewidth=1.6, label=phase)  # fmt: skip
    axes[0].set_ylim(min(heights) - 0.05, max(heights) + 0.75)
    _legend(figure, axes[0])
    axes[-1].xaxis.set_major_formatter(ConciseDateFormatter(axes[-1].xaxis.get_major_locator()))
    axes[-1].set_xlabel("time (UTC)")
    axes[-1].set_xlim(edges[0], edges[-1])
    return figure


@styled
def profiles(frame: pd.DataFrame, label: str) -> Figure:
    """Mean and quartiles of reflectivity and Doppler velocity by height and phase, of the rows with an echo there.

    Gates where a phase has fewer than LEAST_ROWS echoes are left out.

    Args:
        frame: observations; label: the column that holds the phase.
    """
    figure = Figure(figsize=(DOUBLE, 2.9))
    axes = figure.subplots(1, 3, sharey=True)
    panels = (("reflectivity_", "reflectivity (dBZ)"), ("dv_", "Doppler velocity, downward (m s⁻¹)"))
    gates = sorted(int(c.removeprefix("dv_")) for c in frame if c.startswith("dv_"))
    heights = np.array([0.1 * (gate + 1) for gate in gates])
    for phase in _phases(frame[label]):
        rows = frame[frame[label] == phase]
        style = {"color": PHASES[phase], "linestyle": LINES[phase]}
        for axis, (prefix, _) in zip(axes, panels, strict=False):
            values = rows[[f"{prefix}{gate}" for gate in gates]]
            enough = (values.notna().sum() >= LEAST_ROWS).to_numpy()
            if enough.any():
                low, high = values.loc[:, enough].quantile(0.25), values.loc[:, enough].quantile(0.75)
                axis.fill_betweenx(heights[enough], low, high, color=PHASES[phase], alpha=0.15, linewidth=0)
                axis.plot(values.loc[:, enough].mean(), heights[enough], **style)
        echo = rows[[f"reflectivity_{gate}" for gate in gates]].notna().mean()
        axes[2].plot(100 * echo, heights, label=f"{phase} ({len(rows):,} rows)".replace(",", "\u202f"), **style)
    for axis, (_, name) in zip(axes, panels, strict=False):
        axis.set_xlabel(name)
    axes[2].set(xlabel="rows with an echo (%)", xlim=(0, 102))
    axes[0].set_ylabel("height (km)")
    _legend(figure, axes[2])
    return figure


@styled
def fidelity(compared: pd.DataFrame) -> Figure:
    """How far every statistic of the table is from the published one, in tolerances, by group.

    Args:
        compared: as `observations.fidelity.compare` makes it.

    Within the shaded strip a statistic passes. What lies beyond the axis is drawn at its end. CONTRADICTED: another
    published statistic excludes this one.
    """
    groups = list(dict.fromkeys(compared["group"]))
    figure = Figure(figsize=(DOUBLE, 0.8 + 0.27 * len(groups)))
    axis = figure.subplots()
    axis.axvspan(-1, 1, color=NOTHING, alpha=0.5, linewidth=0)
    tolerance = compared["tolerance"].where(compared["tolerance"] > 0)
    exact = np.where(compared["passed"], 0.0, np.sign(compared["difference"]) * MOST_TOLERANCES)
    distance = (compared["difference"] / tolerance).fillna(pd.Series(exact, index=compared.index))
    place = compared["group"].map({name: i for i, name in enumerate(groups)})
    rank = compared.groupby("group").cumcount() / compared.groupby("group")["group"].transform("size")
    for required, marker, name in ((True, "o", "of the standard"), (False, "D", "beyond it")):
        for result, colour in VERDICTS.items():
            mine = (compared["required"] == required) & (compared["verdict"] == result)
            axis.scatter(distance[mine].clip(-MOST_TOLERANCES, MOST_TOLERANCES), (place + 0.6 * (rank - 0.5))[mine],
                         s=14, marker=marker, linewidths=0.8, edgecolors=colour,
                         facecolors=colour if result == "PASS" else "none", label=f"{result}, {name}")  # fmt: skip
    axis.axvline(0, color="black", linewidth=0.6)
    axis.set(yticks=range(len(groups)), yticklabels=groups, xlim=(-MOST_TOLERANCES - 0.2, MOST_TOLERANCES + 0.2))
    axis.set_xlabel("difference from published, in tolerances")
    axis.invert_yaxis()
    # three verdicts side by side, the standard above what lies beyond it
    handles, labels = axis.get_legend_handles_labels()
    order = [k + 3 * half for k in range(3) for half in (0, 1)]
    figure.legend([handles[k] for k in order], [labels[k] for k in order], loc="outside upper center", ncols=3)
    return figure


@styled
def phases_by_temperature(frame: pd.DataFrame, label: str, borders: Sequence[float]) -> Figure:
    """Shares of the phases by air temperature, and echo tops by phase.

    Args:
        frame: observations; label: the column that holds the phase.
        borders: published temperatures (C) at which one phase gives way to the next.

    Bins of 1 K with fewer than LEAST_ROWS rows are left out.
    """
    figure = Figure(figsize=(DOUBLE, 2.6))
    left, right = figure.subplots(1, 2)
    bins = np.floor(frame["T"] - FREEZING)
    counts = pd.crosstab(bins, frame[label])
    counts = counts[counts.sum(axis=1) >= LEAST_ROWS]
    edges = np.arange(350.0, 3100.0, 100.0)
    for phase in [name for name in PHASES if name in set(frame[label])]:
        style = {"color": PHASES[phase], "linestyle": LINES.get(phase, ":"), "label": phase}
        if phase in counts:
            left.plot(counts.index + 0.5, 100 * counts[phase] / counts.sum(axis=1), **style)
        top = frame.loc[frame[label] == phase, "ETH"].dropna()
        share = 100 * np.histogram(top, edges)[0] / max(len(top), 1)
        right.stairs(share, edges / 1000, color=PHASES[phase], linestyle=LINES.get(phase, ":"))
    for border in borders:
        left.axvline(border, color="black", linewidth=0.6, linestyle=(0, (1, 2)))
    left.set(xlabel="air temperature (°C)", ylabel="rows of the bin (%)", xlim=(-20, 12))
    right.set(xlabel="echo top (km)", ylabel="rows of the phase (%)", yscale="log")
    _legend(figure, left)
    return figure
