"""A published network's learning, epoch by epoch, as a moving picture."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter
from numpy.typing import NDArray
from PIL import Image

from precip_sae.figures.style import DOUBLE, NEGATIVE, PARTS, POSITIVE, SMALL, styled
from precip_sae.models.exchange import Layer, Network

DOTS_PER_INCH = 100
MILLISECONDS, LAST = 140, 2500
COLOURS = 48
WIDEST = 4.0  # points of the largest weight of any epoch
PLACES = (0.0, 1.0, 2.0)  # of the inputs, the hidden units and the outputs


@styled
def frame(network: Network, epoch: int, inputs: Sequence[str], outputs: Sequence[str], loss: str) -> Figure:
    """The weights after an epoch, and the losses up to it.

    Colour is a weight's sign and width its size, on one scale for all epochs; a ring is as thick as its bias is large.

    Args:
        network: with one hidden layer and the weights and losses of its epochs; epoch: from 0.
        inputs, outputs: their names; loss: what the loss is called, with its unit.
    """
    layers, known = network.history.layers, network.history
    largest = max(float(np.abs(layer.weight).max()) for epochs in layers for layer in epochs)
    figure = Figure(figsize=(DOUBLE, 2.7), dpi=DOTS_PER_INCH)
    drawing, curve = figure.subplots(1, 2, width_ratios=(1.5, 1.0))
    heights = [_heights(count) for count in network.sizes]
    for k, layer in enumerate(layers[epoch]):
        _edges(drawing, PLACES[k : k + 2], heights[k : k + 2], layer, largest)
    _nodes(drawing, heights, layers[epoch], largest)
    for x, side, names, y in ((-0.1, "right", inputs, heights[0]), (2.1, "left", outputs, heights[2])):
        for name, at in zip(names, y, strict=True):
            drawing.text(x, at, name, ha=side, va="center", fontsize=SMALL)
    drawing.text(1.0, -1.45, "red: positive, blue: negative; width: size", ha="center", fontsize=SMALL)
    drawing.set(xlim=(-0.75, 2.85), ylim=(-1.5, 1.3), title=f"after epoch {epoch + 1} of {len(layers)}")
    drawing.axis("off")
    epochs = np.arange(1, len(layers) + 1)
    for values, (part, (colour, line)) in zip((known.loss, known.val_loss), PARTS.items(), strict=True):
        curve.plot(epochs, values, color=colour, alpha=0.2)
        curve.plot(epochs[: epoch + 1], values[: epoch + 1], color=colour, linestyle=line, label=f"{part} part")
        curve.plot(epochs[epoch], values[epoch], "o", color=colour, markersize=3)
    curve.set(yscale="log", xlabel="epoch", ylabel=loss)
    curve.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    curve.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    curve.yaxis.set_minor_formatter(NullFormatter())
    curve.legend(loc="upper right")
    return figure


def _heights(count: int) -> NDArray[np.float64]:
    return np.linspace(1.0, -1.0, count) if count > 1 else np.zeros(1)


def _edges(axes: Axes, x: Sequence[float], y: Sequence[NDArray[np.float64]], layer: Layer, largest: float) -> None:
    ends = [[(x[0], a), (x[1], b)] for a in y[0] for b in y[1]]
    weights = layer.weight.ravel()
    axes.add_collection(
        LineCollection(
            ends,
            linewidths=WIDEST * np.abs(weights) / largest,
            colors=[POSITIVE if weight > 0 else NEGATIVE for weight in weights],
            zorder=1,
        )
    )


def _nodes(axes: Axes, heights: Sequence[NDArray[np.float64]], layers: Sequence[Layer], largest: float) -> None:
    biases = [np.zeros(len(heights[0])), *(layer.bias for layer in layers)]
    for x, y, bias in zip(PLACES, heights, biases, strict=True):
        rings = ["black" if value == 0 else POSITIVE if value > 0 else NEGATIVE for value in bias]
        widths = 0.5 + WIDEST * np.abs(bias) / largest
        axes.scatter(np.full(len(y), x), y, s=90, facecolor="white", edgecolor=rings, linewidths=widths, zorder=2)


def moving(network: Network, inputs: Sequence[str], outputs: Sequence[str], loss: str) -> bytes:
    """Every epoch as a frame of a GIF that starts again; the same network gives the same bytes.

    Args:
        network, inputs, outputs, loss: see `frame`.
    """
    frames = [frame(network, epoch, inputs, outputs, loss) for epoch in range(len(network.history.layers))]
    lay_out_alike(frames)
    pictures = [_drawn(figure) for figure in frames]
    # one palette, of the first and the last picture, so that nothing flickers
    both = Image.fromarray(np.vstack([np.asarray(pictures[0]), np.asarray(pictures[-1])]))
    palette = both.quantize(COLOURS, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    first, *rest = [picture.quantize(palette=palette, dither=Image.Dither.NONE) for picture in pictures]
    durations = [MILLISECONDS] * len(rest) + [LAST]
    held = io.BytesIO()
    first.save(held, format="GIF", save_all=True, append_images=rest, duration=durations, loop=0, optimize=False)
    return held.getvalue()


def lay_out_alike(figures: Sequence[Figure]) -> None:
    """Gives the axes of all figures the places that the layout finds for the first, so that nothing jumps."""
    first, *_ = figures
    if (layout := first.get_layout_engine()) is not None:
        layout.execute(first)
    for figure in figures:
        figure.set_layout_engine("none")
        for axes, placed in zip(figure.axes, first.axes, strict=True):
            axes.set_position(placed.get_position(original=True))


def _drawn(figure: Figure) -> Image.Image:
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3])
