"""Drawings of networks with their real weights. Coordinates are millimetres on paper."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.collections import EllipseCollection, LineCollection
from matplotlib.colors import Normalize, to_rgb
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.lines import Line2D
from matplotlib.patches import FancyBboxPatch
from matplotlib.textpath import TextPath
from numpy.typing import NDArray

from precip_sae.figures.style import ACTIVATION, DOUBLE, NEGATIVE, POSITIVE, SMALL, STYLE, styled

Weights = Mapping[str, NDArray[np.float32]]

MM = 25.4
# Negative weights are dashed, so that signs are told apart in grey as well.
DASHES: tuple[int, tuple[float, float]] = (0, (3.5, 1.5))
WIDEST = 2.6
# Distance between nodes that leaves room for a line of text, and the tallest drawing that fits a page.
PITCH, LEAST_PITCH, TALLEST = 7.6, 3.6, 200.0
# More edges than this are a smear: the strongest are drawn, and the title says so.
MOST_EDGES = 300
LEGEND = 14.0


@dataclass(frozen=True)
class Layer:
    """Nodes in a column, the first on top: x [1] and y [nodes] of their centres, and their radius."""

    x: float
    y: NDArray[np.float64]
    radius: float
    pitch: float

    @property
    def labelled(self) -> bool:
        """Whether a line of text fits beside every node."""
        return self.pitch >= LEAST_PITCH


@styled
def schematic(
    weights: Weights, inputs: Sequence[str], outputs: Sequence[str], activations: NDArray[np.float32], title: str = ""
) -> Figure:
    """One network: edges are weights (colour and dash: sign, width: magnitude), hidden nodes its mean activations.

    Triangles are biases. Where layers are so large that names or edges would run together, they are left out and the
    drawing says so.

    Args:
        weights: `hidden.weight` [inputs, hidden], `hidden.bias` [hidden], `output.weight` [hidden, outputs],
            `output.bias` [outputs].
        inputs, outputs: their names.
        activations: mean activation of every hidden unit [hidden]; NaN counts as 0, a unit at 0 is crossed out.

    Raises:
        KeyError: an array is missing.
        ValueError: there are not as many names or activations as the weights have.
    """
    w_in, w_out = weights["hidden.weight"], weights["output.weight"]
    _agree(inputs=(len(inputs), len(w_in)), outputs=(len(outputs), w_out.shape[1]))
    _agree(activations=(len(activations), w_in.shape[1]))
    figure, axes, height = _canvas(0.79 * DOUBLE * MM, max(*w_in.shape, w_out.shape[1]), title)
    width, middle = 0.79 * DOUBLE * MM, (LEGEND + height) / 2
    left, right = (min(44.0, 4 + _width(names)) for names in (inputs, outputs))
    x = np.linspace(left + 4, width - 17 - right, 3)
    sizes = (*w_in.shape, w_out.shape[1])
    layers = [_layer(float(at), n, middle, height - LEGEND) for at, n in zip(x, sizes, strict=True)]
    drawn = [_edges(axes, *layers[:2], w_in), _edges(axes, *layers[1:], w_out)]

    mean = np.nan_to_num(np.asarray(activations, dtype=np.float64))
    norm = Normalize(0.0, float(mean.max(initial=0.0)) or 1.0)
    fills = colormaps[ACTIVATION](norm(mean))
    _nodes(axes, layers[0])
    _nodes(axes, layers[1], fills, [str(k + 1) for k in range(len(mean))], crossed=mean <= 0)
    _nodes(axes, layers[2])
    _biases(axes, layers[1], weights["hidden.bias"])
    _biases(axes, layers[2], weights["output.bias"])
    _names(axes, layers[0], inputs, -1, left)
    _names(axes, layers[2], outputs, +1, right)
    for layer, n, name in zip(layers, sizes, ("inputs", "hidden units", "outputs"), strict=True):
        _heading(axes, layer, name if layer.labelled else f"{n} {name}", height - 3)
    bar = axes.inset_axes((width - 14, LEGEND + 4, 2.5, min(40.0, height - LEGEND - 14)), transform=axes.transData)
    figure.colorbar(ScalarMappable(norm, ACTIVATION), cax=bar, label="mean activation")
    _legend(axes, width, drawn, crossed=bool((mean <= 0).any()))
    return figure


@styled
def framework(
    mlp: Weights,
    sae: Weights,
    inputs: Sequence[str],
    outputs: Sequence[str],
    features: Sequence[str],
) -> Figure:
    """The whole way: inputs, hidden units and outputs of a network; its hidden activations into a sparse autoencoder.

    Each latent is a box with its number and the inputs that it is sensitive to. Edges as in `schematic`, their widths
    relative to the largest weight between the same two layers, triangles relative to the largest bias of their layer.

    Args:
        mlp: see `schematic`.
        sae: `encoder.weight` [hidden, latents], `encoder.bias` [latents], `decoder.weight` [latents, hidden],
            `decoder.bias` [hidden].
        inputs, outputs: their names.
        features: what each latent is sensitive to [latents]; "dead" and "none" are greyed.

    Raises:
        KeyError: an array is missing.
        ValueError: names or features are not as many as the weights have, or the two networks do not fit together.
    """
    w_in, w_out = mlp["hidden.weight"], mlp["output.weight"]
    encoder, decoder = sae["encoder.weight"], sae["decoder.weight"]
    hidden, latents = encoder.shape
    _agree(inputs=(len(inputs), len(w_in)), outputs=(len(outputs), w_out.shape[1]))
    _agree(features=(len(features), latents), hidden=(hidden, w_in.shape[1]))
    width = DOUBLE * MM
    figure, axes, height = _canvas(width, max(len(w_in), hidden, latents, len(outputs)), "", below=9)
    floor = LEGEND + 9
    middle, room = (floor + height - 5) / 2, height - 5 - floor
    left, right = (min(26.0, 3 + _width(names)) for names in (inputs, outputs))
    boxes = float(np.clip(7 + _width([f"{latents} {f}" for f in features]), 14, 36))
    x_in, x_out, x_copy, x_again = left + 5.0, width * 0.56 - right - 7, width * 0.56 + 8, width - 6
    x_latent = (x_copy + x_again) / 2
    network = [
        _layer(x, n, middle, room)
        for x, n in ((x_in, len(w_in)), ((x_in + x_out) / 2, hidden), (x_out, w_out.shape[1]))
    ]
    copy, again = (_layer(x, hidden, middle, room) for x in (x_copy, x_again))
    latent = _layer(x_latent, latents, middle, room)

    half = width * 0.56
    for x, wide, text in ((1.0, half - 2, "a  network"), (half + 1, width - half - 2, "b  sparse autoencoder")):
        axes.add_patch(
            FancyBboxPatch((x + 1, floor - 1), wide - 2, height - floor, boxstyle="round,pad=1",
                           facecolor="#F6F6F4", edgecolor="none", zorder=0)
        )  # fmt: skip
        axes.text(x + 1, height - 2.6, text, ha="left", va="center", fontsize=SMALL, fontweight="bold")

    drawn = [_edges(axes, *network[:2], w_in), _edges(axes, *network[1:], w_out)]
    wide = boxes if latent.labelled else 2 * latent.radius
    drawn += [_edges(axes, copy, latent, encoder, end_gap=wide / 2)]
    drawn += [_edges(axes, latent, again, decoder, start_gap=wide / 2)]
    numbers = [str(k + 1) for k in range(hidden)]
    for layer, written in ((network[0], None), (network[1], numbers), (network[2], None), (copy, numbers),
                           (again, numbers)):  # fmt: skip
        _nodes(axes, layer, texts=written)
    _boxes(axes, latent, features, boxes) if latent.labelled else _nodes(axes, latent)
    _biases(axes, network[1], mlp["hidden.bias"])
    _biases(axes, network[2], mlp["output.bias"])
    _biases(axes, latent, sae["encoder.bias"], gap=wide / 2)
    _biases(axes, again, sae["decoder.bias"])
    _names(axes, network[0], inputs, -1, left)
    _names(axes, network[2], outputs, +1, right)
    top = height - 7.5
    for layer, name in zip((*network, copy, latent, again), ("inputs", "hidden units", "outputs", "$h$", "latents",
                           r"$\hat{h}$"), strict=True):  # fmt: skip
        _heading(axes, layer, name if layer.labelled else f"{len(layer.y)} {name}", top)
    _handed_over(axes, network[1], copy, floor)
    _legend(axes, width, drawn)
    return figure


def _agree(**numbers: tuple[int, int]) -> None:
    for name, (found, expected) in numbers.items():
        if found != expected:
            raise ValueError(f"{name}: found {found}, expected {expected} as in the weights")


def _canvas(width: float, nodes: int, title: str, below: float = 0.0) -> tuple[Figure, Axes, float]:
    """A figure whose only axes have millimetres as coordinates; high enough for `nodes` in a column."""
    height = float(np.clip(nodes * PITCH + LEGEND + 12 + below, 62.0, TALLEST))
    above = 5.0 if title else 0.0
    figure = Figure(figsize=(width / MM, (height + above) / MM), layout="none")
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, width), ylim=(0, height + above))
    axes.set_axis_off()
    if title:
        axes.text(width / 2, height + above - 3, title, ha="center", va="center", fontsize=SMALL)
    return figure, axes, height


def _layer(x: float, nodes: int, middle: float, room: float) -> Layer:
    pitch = min(PITCH * 1.9, (room - 8) / max(nodes, 1))
    y = middle - 2 + pitch * ((nodes - 1) / 2 - np.arange(nodes))
    return Layer(x, y, min(2.6, 0.42 * pitch), pitch)


def _largest(weight: NDArray[np.float32]) -> float:
    return float(np.abs(weight).max(initial=0.0)) or 1.0


def _edges(
    axes: Axes,
    start: Layer,
    end: Layer,
    weight: NDArray[np.float32],
    start_gap: float = 0.0,
    end_gap: float = 0.0,
) -> tuple[int, int]:
    """Draws a weight matrix [start, end], the strongest edges on top; how many are drawn, and of how many."""
    order = np.argsort(np.abs(weight), axis=None, kind="stable")[-MOST_EDGES:]
    i, j = np.unravel_index(order, weight.shape)
    value = weight[i, j]
    # many lines are thinner ones
    widest = WIDEST * min(1.0, np.sqrt(90 / max(len(order), 1)))
    ends = np.stack([np.full(len(i), start.x + start_gap), start.y[i], np.full(len(i), end.x - end_gap), end.y[j]], 1)
    axes.add_collection(
        LineCollection(
            list(ends.reshape(-1, 2, 2)),
            linewidths=np.maximum(0.15, widest * np.abs(value) / _largest(weight)),
            colors=[POSITIVE if v >= 0 else NEGATIVE for v in value],
            linestyles=["-" if v >= 0 else DASHES for v in value],
            alpha=0.8, capstyle="butt", zorder=1, gid="edges",
        )
    )  # fmt: skip
    return len(order), weight.size


def _nodes(
    axes: Axes,
    layer: Layer,
    fills: NDArray[np.float64] | None = None,
    texts: Sequence[str] | None = None,
    crossed: NDArray[np.bool_] | None = None,
) -> None:
    centres = np.column_stack([np.full(len(layer.y), layer.x), layer.y])
    fills = np.ones((len(layer.y), 4)) if fills is None else fills
    size = 2 * layer.radius
    axes.add_collection(
        EllipseCollection(
            np.full(len(centres), size), np.full(len(centres), size), np.zeros(len(centres)), units="xy",
            offsets=centres, transOffset=axes.transData, facecolors=fills, edgecolors="black", linewidths=0.6, zorder=3,
        )
    )  # fmt: skip
    if texts is not None and layer.labelled and layer.radius > 1.8:
        for (x, y), text, fill in zip(centres, texts, fills, strict=True):
            axes.text(x, y, text, ha="center", va="center_baseline", fontsize=SMALL, color=_ink(fill), zorder=4)
    for x, y in centres[crossed] if crossed is not None else ():
        r = 1.25 * layer.radius
        axes.plot([x - r, x + r], [y - r, y + r], color="black", linewidth=1.0, zorder=5, gid="silent")


def _boxes(axes: Axes, layer: Layer, features: Sequence[str], width: float) -> None:
    """The latents as boxes with their number and the inputs they are sensitive to."""
    height = min(5.2, 0.86 * layer.pitch)
    for k, (y, feature) in enumerate(zip(layer.y, features, strict=True)):
        idle = feature in ("dead", "none")
        axes.add_patch(
            FancyBboxPatch(
                (layer.x - width / 2 + 0.8, y - height / 2 + 0.8), width - 1.6, height - 1.6,
                boxstyle="round,pad=0.8", facecolor="0.85" if idle else "white", edgecolor="black", linewidth=0.6,
                linestyle="--" if feature == "dead" else "-", zorder=3, gid="latent",
            )
        )  # fmt: skip
        left = layer.x - width / 2 + 1.2
        axes.text(left, y, str(k + 1), ha="left", va="center_baseline", fontsize=SMALL, fontweight="bold", zorder=4)
        number = _width([str(len(features))]) + 2.6
        text = _shorten(feature, width - number - 2.2)
        axes.text(left + number, y, text, ha="left", va="center_baseline", fontsize=SMALL, zorder=4)


def _biases(axes: Axes, layer: Layer, bias: NDArray[np.float32], gap: float | None = None) -> None:
    """Triangles at the nodes, up for positive and down for negative, their area as the magnitude."""
    at = layer.x + (0.75 * layer.radius if gap is None else gap)
    size = 22 * np.abs(bias) / _largest(bias) * min(1.0, layer.radius / 2.6) ** 2
    for chosen, marker, colour in ((bias > 0, "^", POSITIVE), (bias < 0, "v", NEGATIVE)):
        axes.scatter(
            np.full(int(chosen.sum()), at), layer.y[chosen] + 0.85 * layer.radius, s=size[chosen], marker=marker,
            color=colour, edgecolors="white", linewidths=0.3, zorder=6, gid="bias",
        )  # fmt: skip


def _names(axes: Axes, layer: Layer, names: Sequence[str], side: int, room: float) -> None:
    if not layer.labelled:
        return
    for y, name in zip(layer.y, names, strict=True):
        x = layer.x + side * (layer.radius + 1.2)
        text = _shorten(name, room)
        axes.text(x, y, text, ha="left" if side > 0 else "right", va="center", fontsize=SMALL, zorder=4)


def _heading(axes: Axes, layer: Layer, text: str, y: float) -> None:
    axes.text(layer.x, y, text, ha="center", va="center", fontsize=SMALL, color="0.3", zorder=4)


def _handed_over(axes: Axes, hidden: Layer, copy: Layer, floor: float) -> None:
    """The arrow from the hidden units to the autoencoder's input, below everything."""
    low = floor - 5.5
    path_x = [hidden.x, hidden.x, copy.x, copy.x]
    path_y = [hidden.y[-1] - hidden.radius - 1, low, low, copy.y[-1] - copy.radius - 2.2]
    axes.plot(path_x, path_y, color="black", linewidth=0.9, zorder=2)
    axes.plot(path_x[-1], path_y[-1], marker="^", color="black", markersize=4, zorder=2)
    axes.text((hidden.x + copy.x) / 2, low + 1.9, "hidden activations $h$", ha="center", va="center", fontsize=SMALL,
              zorder=4)  # fmt: skip


def _legend(axes: Axes, width: float, drawn: Sequence[tuple[int, int]], crossed: bool = False) -> None:
    handles = [
        Line2D([], [], color=POSITIVE, linewidth=1.4, label="weight > 0"),
        Line2D([], [], color=NEGATIVE, linewidth=1.4, linestyle=DASHES, label="weight < 0"),
        Line2D([], [], color="0.3", linewidth=WIDEST, label="largest of its layers"),
        Line2D([], [], color=POSITIVE, marker="^", linestyle="none", markersize=4.5, label="bias > 0"),
        Line2D([], [], color=NEGATIVE, marker="v", linestyle="none", markersize=4.5, label="bias < 0"),
    ]
    if crossed:
        handles.append(Line2D([], [], color="black", marker="$/$", linestyle="none", label="never active"))
    axes.legend(
        handles=handles, loc="center", bbox_to_anchor=(width / 2, 8.0), bbox_transform=axes.transData, fontsize=SMALL,
        ncols=3 if width < 150 else len(handles), columnspacing=1.4, handlelength=2.2,
    )  # fmt: skip
    if any(shown < total for shown, total in drawn):
        text = f"only the {MOST_EDGES} strongest weights of each layer are drawn"
        axes.text(width / 2, 1.4, text, ha="center", va="center", fontsize=SMALL)


def _width(texts: Sequence[str]) -> float:
    """Width of the widest text (mathtext too), in mm."""
    return max((_points(text) for text in texts if text.strip()), default=0.0) * MM / 72


# the same names are measured for every column of nodes, and again to be shortened
@lru_cache(maxsize=1024)
def _points(text: str) -> float:
    """Width of one text, in points."""
    prop = FontProperties(family=STYLE["font.family"], size=SMALL)
    return TextPath((0, 0), text, prop=prop).get_extents().width


def _shorten(text: str, room: float) -> str:
    """The text, its middle an ellipsis where it is wider than `room` mm; mathtext loses whole words from its end."""
    if _width([text]) <= room:
        return text
    if "$" in text:
        words = text.split(" ")
        while len(words) > 1 and _width([" ".join([*words, "…"])]) > room:
            words.pop()
        return " ".join([*words, "…"]) if len(words) < len(text.split(" ")) else text
    # names of a kind often differ at their end: keep both
    for kept in range(len(text) - 1, 1, -1):
        end = min(6, kept // 3)
        cut = text[: kept - end].rstrip() + "…" + text[len(text) - end :]
        if _width([cut]) <= room:
            return cut
    return "…"


def _ink(fill: NDArray[np.float64]) -> str:
    red, green, blue = to_rgb(fill)
    return "black" if 0.299 * red + 0.587 * green + 0.114 * blue > 0.5 else "white"
