"""Networks drawn with their weights."""

from collections.abc import Mapping, Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.collections import LineCollection
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from precip_sae.figures.style import ACTIVATION, DOUBLE, SIGNS, styled

Weights = Mapping[str, NDArray[np.float32]]

POSITIVE, NEGATIVE = (mpl.colormaps[SIGNS](shade) for shade in (0.88, 0.12))
WIDEST = 2.6
# Layers of more units than this are drawn without a number in each node.
MOST_NUMBERED = 24


@styled
def schematic(
    weights: Weights, inputs: Sequence[str], outputs: Sequence[str], activations: NDArray[np.float32]
) -> Figure:
    """One network: nodes in layers, edges as wide as their weight and coloured by its sign.

    Hidden nodes are filled by their mean activation; a ring tells the sign of each bias.

    Args:
        weights: hidden.weight [inputs, hidden], hidden.bias [hidden], output.weight [hidden, outputs],
            output.bias [outputs].
        activations: mean hidden activations [hidden].
    """
    tallest = max(len(inputs), len(outputs), len(activations))
    figure = Figure(figsize=(DOUBLE * 0.85, min(6.5, 0.9 + 0.36 * tallest)))
    axis = _canvas(figure)
    layers = [_heights(len(inputs)), _heights(len(activations)), _heights(len(outputs))]
    _edges(axis, 0, 1, layers[0], layers[1], weights["hidden.weight"])
    _edges(axis, 1, 2, layers[1], layers[2], weights["output.weight"])
    norm = Normalize(0, max(float(activations.max()), 1e-6))
    shades = mpl.colormaps[ACTIVATION](norm(activations))
    _nodes(axis, 0, layers[0])
    _nodes(axis, 1, layers[1], shades, weights["hidden.bias"], numbered=True)
    _nodes(axis, 2, layers[2], biases=weights["output.bias"])
    _names(axis, -0.06, layers[0], inputs, "right")
    _names(axis, 2.06, layers[2], outputs, "left")
    _titles(axis, {0: "inputs", 1: "hidden units (ReLU)", 2: "outputs"})
    axis.set_xlim(-0.6, 2.7)
    bar = figure.colorbar(ScalarMappable(norm, ACTIVATION), ax=axis, shrink=0.6, pad=0.01)
    bar.set_label("mean activation, test part")
    _legend(figure)
    return figure


@styled
def framework(
    mlp: Weights, sae: Weights, inputs: Sequence[str], outputs: Sequence[str], features: Sequence[str]
) -> Figure:
    """The whole way: a network, and the sparse autoencoder that rebuilds its hidden activations.

    Args:
        mlp: as for `schematic`; sae: encoder.weight [hidden, latents], encoder.bias [latents],
            decoder.weight [latents, hidden], decoder.bias [hidden].
        features: what each latent is sensitive to [latents].
    """
    hidden, latents = sae["encoder.weight"].shape
    figure = Figure(figsize=(DOUBLE, min(7.5, 0.9 + 0.27 * max(latents, 2 * hidden, len(inputs) + len(outputs)))))
    axis = _canvas(figure)
    ins, units, codes = _heights(len(inputs), 0.1), _heights(hidden, 0.1), _heights(latents)
    outs = _heights(len(outputs), 0.3)
    _edges(axis, 0, 1, ins, units, mlp["hidden.weight"])
    _edges(axis, 1, 2, units, codes, sae["encoder.weight"])
    _edges(axis, 2, 3, codes, units, sae["decoder.weight"])
    _nodes(axis, 0, ins)
    _nodes(axis, 1, units, biases=mlp["hidden.bias"], numbered=True)
    _nodes(axis, 2, codes, biases=sae["encoder.bias"], numbered=True)
    _nodes(axis, 3, units, biases=sae["decoder.bias"], numbered=True)
    _edges(axis, 3, 4, units, outs, mlp["output.weight"])
    _nodes(axis, 4, outs, biases=mlp["output.bias"])
    _names(axis, -0.06, ins, inputs, "right")
    _names(axis, 4.06, outs, outputs, "left")
    for height, feature in zip(codes, features, strict=True):
        axis.text(
            2.07, height, feature, fontsize=7, va="center", ha="left", zorder=4,
            bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 0.8},
        )  # fmt: skip
    _titles(
        axis,
        {
            0: "inputs",
            1: "hidden units $h$",
            2: "latents $f$ and\ntheir inputs",
            3: "rebuilt $\\hat{h}$",
            4: "outputs",
        },
    )
    axis.set_xlim(-0.5, 4.6)
    _legend(figure)
    return figure


def _canvas(figure: Figure) -> Axes:
    axis = figure.subplots()
    axis.axis("off")
    axis.set_ylim(-0.05, 1.12)
    return axis


def _heights(nodes: int, margin: float = 0.0) -> NDArray[np.float64]:
    """Where the nodes of a layer stand, from the top down; a single one in the middle."""
    return np.linspace(1 - margin, margin, nodes) if nodes > 1 else np.array([0.5])


def _edges(
    axis: Axes, left: float, right: float, above: NDArray[np.float64], below: NDArray[np.float64],
    weight: NDArray[np.float32],
) -> None:  # fmt: skip
    """Lines between two layers; widths relative to the largest weight between them."""
    size = np.abs(weight) / max(float(np.abs(weight).max()), 1e-12)
    ends = [((left, a), (right, b)) for a in above for b in below]
    colours = [POSITIVE if w > 0 else NEGATIVE for w in weight.ravel()]
    axis.add_collection(
        LineCollection(ends, linewidths=WIDEST * size.ravel(), colors=colours, alpha=0.75, zorder=1, capstyle="round")
    )


def _nodes(
    axis: Axes,
    x: float,
    heights: NDArray[np.float64],
    fill: NDArray[np.float64] | None = None,
    biases: NDArray[np.float32] | None = None,
    numbered: bool = False,
) -> None:
    rings = ["0.35"] * len(heights) if biases is None else [POSITIVE if b > 0 else NEGATIVE for b in biases]
    face = np.ones((len(heights), 4)) if fill is None else fill
    axis.scatter(np.full(len(heights), x), heights, s=150, c=face, edgecolors=rings, linewidths=1.3, zorder=3)
    if numbered and len(heights) <= MOST_NUMBERED:
        for number, (height, shade) in enumerate(zip(heights, face, strict=True), start=1):
            dark = float(np.dot(shade[:3], (0.299, 0.587, 0.114))) < 0.5
            axis.text(
                x, height, str(number), fontsize=7, ha="center", va="center_baseline",
                color="white" if dark else "black", zorder=4,
            )  # fmt: skip


def _names(axis: Axes, x: float, heights: NDArray[np.float64], names: Sequence[str], side: str) -> None:
    for height, name in zip(heights, names, strict=True):
        offset = -0.05 if side == "right" else 0.05
        axis.text(x + offset, height, name, ha=side, va="center")


def _titles(axis: Axes, titles: Mapping[int, str]) -> None:
    for x, title in titles.items():
        axis.text(x, 1.06, title, ha="center", va="bottom", fontweight="bold", fontsize=8)


def _legend(figure: Figure) -> None:
    lines = [
        Line2D([], [], color=POSITIVE, linewidth=2, label="positive weight"),
        Line2D([], [], color=NEGATIVE, linewidth=2, label="negative weight"),
        Line2D([], [], marker="o", linestyle="none", markerfacecolor="white", markeredgecolor=POSITIVE,
               markeredgewidth=1.3, label="positive bias"),
        Line2D([], [], marker="o", linestyle="none", markerfacecolor="white", markeredgecolor=NEGATIVE,
               markeredgewidth=1.3, label="negative bias"),
    ]  # fmt: skip
    figure.legend(handles=lines, loc="outside lower center", ncols=4)
