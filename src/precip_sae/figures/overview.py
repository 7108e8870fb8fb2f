"""The argument of the paper in one figure: what is counted, what is recovered, what returns."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from precip_sae.figures.names import level_of
from precip_sae.figures.style import DOUBLE, KIND_MARKERS, KIND_NAMES, KINDS, TEXT, mark, styled

Numbers = Mapping[str, Mapping[str, Any]]

# The measures by the names of `interpretation.measures`, whose imports take seconds.
ORDER = (
    "published", "every", "living", "weighted", "spearman", "partial", "information", "effective", "effective_partial",
    "gradients", "relevance", "dominance",
)  # fmt: skip
TRAINED, UNTRAINED, HIDDEN = "keras3", "untrained", "mlp"
# Kinds by the names that the experiments with known truth and the comparison of seeds give them.
IN_RECOVERY = {HIDDEN: "units", TRAINED: "sae", UNTRAINED: "untrained"}
IN_STABILITY = {HIDDEN: "hidden", TRAINED: "latents", UNTRAINED: "untrained"}


@styled
def overview(numbers: Numbers, titles: Mapping[str, str], published: float) -> Figure:
    """Reduction by every measure (a), known factors recovered (b), and units that return in another seed (c).

    Points are means with 95 % intervals over seeds.

    Args:
        numbers: as `manuscript.numbers.collect` gives them.
        titles: of the tasks to show, by name, each with the stages `measures` and `features`; none: the figure says so.
        published: the published reduction, a share; a dashed line in (a).
    """
    if not titles:
        figure = Figure(figsize=(DOUBLE, 1.0))
        figure.text(0.5, 0.5, "no task has features to show", ha="center", va="center")
        return figure
    listed = f"{next(iter(titles))}.measures.measures"
    measures = {
        name: str(numbers[f"{listed}.{name}.title"]["value"]) for name in ORDER if f"{listed}.{name}.title" in numbers
    }
    figure = Figure(figsize=(DOUBLE, 1.3 + 0.19 * max(len(measures), 8)))
    grid = figure.add_gridspec(2, len(titles) + 1)
    left = [figure.add_subplot(grid[:, 0])]
    left += [figure.add_subplot(grid[:, k], sharex=left[0], sharey=left[0]) for k in range(1, len(titles))]
    for axis, (task, title) in zip(left, titles.items(), strict=True):
        _reductions(axis, numbers, task, list(measures), published)
        axis.set(title=title, xlabel="fewer inputs (%)")
        axis.tick_params(axis="y", length=0, labelleft=axis is left[0])
    left[0].set(
        yticks=range(len(measures)), yticklabels=list(measures.values()), ylim=(max(len(measures), 1) - 0.5, -0.5)
    )
    upper, lower = (figure.add_subplot(grid[row, -1]) for row in (0, 1))
    _recovered(upper, numbers)
    _returning(lower, numbers, titles)
    _letter(left[0], "a", "inputs per latent, beside hidden units", -0.85)
    _letter(upper, "b", "known factors, the best unit", -0.6)
    _letter(lower, "c", "units back in another seed", -0.6)
    shown = {HIDDEN: KIND_NAMES[HIDDEN], TRAINED: "SAE latents", UNTRAINED: "latents, SAE untrained"}
    handles = [
        Line2D([], [], color=KINDS[kind], marker=KIND_MARKERS[kind], linestyle="none", markersize=4, label=name)
        for kind, name in shown.items()
    ]
    line = {"color": "black", "linestyle": "--", "linewidth": 0.9}
    handles.append(Line2D([], [], label=f"published {100 * published:.0f} %", **line))
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))
    return figure


def _letter(axis: Axes, letter: str, text: str, x: float) -> None:
    axis.text(x, 1.1, letter, transform=axis.transAxes, fontweight="bold", fontsize=TEXT + 1)
    axis.text(x + 0.09, 1.1, text, transform=axis.transAxes)


def _reductions(axis: Axes, numbers: Numbers, task: str, measures: Sequence[str], published: float) -> None:
    axis.axvline(0, color="0.4", linewidth=0.6)
    axis.axvline(100 * published, color="black", linestyle="--", linewidth=0.9)
    for place, measure in enumerate(measures):
        for kind, offset in ((UNTRAINED, 0.16), (TRAINED, -0.16)):
            key = f"{task}.measures.measures.{measure}.reduction.{kind}"
            _point(axis, numbers, key, place + offset, kind, 100)


def _recovered(axis: Axes, numbers: Numbers) -> None:
    """R² of the best element for each hidden factor, where the truth is known."""
    places = known_layers(numbers)
    for row, layer in enumerate(places.values()):
        for kind, name in IN_RECOVERY.items():
            _point(axis, numbers, f"{layer}.recovery.{name}", row + _offset(kind), kind)
    axis.set(xlabel="R², mean over factors", xlim=(0, 1))
    _name(axis, list(places))


def known_layers(numbers: Numbers) -> dict[str, str]:
    """The layers of the experiments with known truth that the text speaks of: what is to be found, and the key."""
    layers = {}
    if numbers.get("column.known", {}).get("value"):
        shown = str(numbers["column.shown.network"]["value"]).replace("-", "_")
        layers["common factors"] = f"column.layers.n{shown}_layer_1_learnt_5"
    if "column.rare.shown" in numbers:
        layers["rare factors"] = f"column.rare.layers.{numbers['column.rare.shown']['value']}"
    return {name: layer for name, layer in layers.items() if f"{layer}.recovery.sae.mean" in numbers}


def _returning(axis: Axes, numbers: Numbers, titles: Mapping[str, str]) -> None:
    """Share of living units whose activation has a counterpart in another seed, at the lowest level that was asked."""
    levels = sorted({key.split(".")[4] for key in numbers if ".stability.kinds.latents.above_" in key}, key=level_of)
    if not levels:
        return
    for row, task in enumerate(titles):
        for kind, name in IN_STABILITY.items():
            key = f"{task}.stability.kinds.{name}.{levels[0]}.partner"
            _point(axis, numbers, key, row + _offset(kind), kind, 100)
    axis.set(xlabel=f"with a partner, r > {level_of(levels[0]):g} (%)", xlim=(0, 100))
    _name(axis, list(titles.values()))


def _offset(kind: str) -> float:
    return {HIDDEN: -0.22, TRAINED: 0.0, UNTRAINED: 0.22}[kind]


def _name(axis: Axes, names: Sequence[str]) -> None:
    axis.set(yticks=range(len(names)), yticklabels=names, ylim=(max(len(names), 1) - 0.5, -0.5))
    axis.tick_params(axis="y", length=0)


def _point(axis: Axes, numbers: Numbers, key: str, y: float, kind: str, scale: float = 1) -> None:
    """A mean with its interval, where they are defined."""
    spread = {part: numbers.get(f"{key}.{part}", {}).get("value") for part in ("mean", "low", "high")}
    mark(axis, spread, y, KINDS[kind], scale, marker=KIND_MARKERS[kind], markersize=4)
