"""A published network's learning, epoch by epoch, as a moving picture."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection, PathCollection
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter
from numpy.typing import NDArray
from PIL import Image

from precip_sae.figures.style import DOUBLE, NEGATIVE, PARTS, POSITIVE, SMALL, styled
from precip_sae.models.exchange import Network

DOTS_PER_INCH = 100
MILLISECONDS, LAST = 140, 2500
COLOURS = 48
WIDEST = 4.0  # points of the largest weight of any epoch
PLACES = (0.0, 1.0, 2.0)  # of the inputs, the hidden units and the outputs


def frame(network: Network, epoch: int, inputs: Sequence[str], outputs: Sequence[str], loss: str) -> Figure:
    """The weights after an epoch, and the losses up to it.

    Colour is a weight's sign and width its size, on one scale for all epochs; a ring is as thick as its bias is large.

    Args:
        network: with one hidden layer and the weights and losses of its epochs; epoch: from 0.
        inputs, outputs: their names; loss: what the loss is called, with its unit.
    """
    figure, show = _figure(network, inputs, outputs, loss)
    show(epoch)
    return figure


@styled
def _figure(
    network: Network, inputs: Sequence[str], outputs: Sequence[str], loss: str
) -> tuple[Figure, Callable[[int], None]]:
    """What all epochs share, and what makes the figure that of one epoch."""
    layers, known = network.history.layers, network.history
    largest = max(float(np.abs(layer.weight).max()) for epochs in layers for layer in epochs)
    figure = Figure(figsize=(DOUBLE, 2.7), dpi=DOTS_PER_INCH)
    drawing, curve = figure.subplots(1, 2, width_ratios=(1.5, 1.0))
    heights = [_heights(count) for count in network.sizes]
    edges = [_edges(drawing, PLACES[k : k + 2], heights[k : k + 2]) for k in range(len(layers[0]))]
    nodes = [
        drawing.scatter(np.full(len(y), x), y, s=90, facecolor="white", zorder=2)
        for x, y in zip(PLACES, heights, strict=True)
    ]
    _rings(nodes[0], np.zeros(len(heights[0])), largest)
    for x, side, names, y in ((-0.1, "right", inputs, heights[0]), (2.1, "left", outputs, heights[2])):
        for name, at in zip(names, y, strict=True):
            drawing.text(x, at, name, ha=side, va="center", fontsize=SMALL)
    drawing.text(1.0, -1.45, "red: positive, blue: negative; width: size", ha="center", fontsize=SMALL)
    drawing.set(xlim=(-0.75, 2.85), ylim=(-1.5, 1.3))
    drawing.axis("off")
    title = drawing.set_title("")
    epochs = np.arange(1, len(layers) + 1)
    drawn = []
    for values, (part, (colour, line)) in zip((known.loss, known.val_loss), PARTS.items(), strict=True):
        curve.plot(epochs, values, color=colour, alpha=0.2)
        (so_far,) = curve.plot(epochs, values, color=colour, linestyle=line, label=f"{part} part")
        (now,) = curve.plot(epochs[0], values[0], "o", color=colour, markersize=3)
        drawn.append((values, so_far, now))
    curve.set(yscale="log", xlabel="epoch", ylabel=loss)
    curve.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    curve.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    curve.yaxis.set_minor_formatter(NullFormatter())
    curve.legend(loc="upper right")

    def show(epoch: int) -> None:
        for layer, lines, rings in zip(layers[epoch], edges, nodes[1:], strict=True):
            weights = layer.weight.ravel()
            lines.set(
                linewidths=WIDEST * np.abs(weights) / largest,
                colors=[POSITIVE if weight > 0 else NEGATIVE for weight in weights],
            )
            _rings(rings, layer.bias, largest)
        title.set_text(f"after epoch {epoch + 1} of {len(layers)}")
        for values, so_far, now in drawn:
            so_far.set_data(epochs[: epoch + 1], values[: epoch + 1])
            now.set_data(epochs[epoch : epoch + 1], values[epoch : epoch + 1])

    return figure, show


def _heights(count: int) -> NDArray[np.float64]:
    return np.linspace(1.0, -1.0, count) if count > 1 else np.zeros(1)


def _edges(axes: Axes, x: Sequence[float], y: Sequence[NDArray[np.float64]]) -> LineCollection:
    lines = LineCollection([[(x[0], a), (x[1], b)] for a in y[0] for b in y[1]], zorder=1)
    axes.add_collection(lines)
    return lines


def _rings(nodes: PathCollection, bias: NDArray[np.floating], largest: float) -> None:
    """Gives nodes rings as thick as their biases are large, in the colours of signs."""
    rings = ["black" if value == 0 else POSITIVE if value > 0 else NEGATIVE for value in bias]
    nodes.set(edgecolor=rings, linewidths=0.5 + WIDEST * np.abs(bias) / largest)


def moving(network: Network, inputs: Sequence[str], outputs: Sequence[str], loss: str) -> bytes:
    """Every epoch as a frame of a GIF that starts again; the same network gives the same bytes.

    Args:
        network, inputs, outputs, loss: see `frame`.
    """
    pictures = pictures_of_epochs(network, inputs, outputs, loss)
    # one palette, of the first and the last picture, so that nothing flickers
    both = Image.fromarray(np.vstack([np.asarray(pictures[0]), np.asarray(pictures[-1])]))
    palette = both.quantize(COLOURS, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    first, *rest = [picture.quantize(palette=palette, dither=Image.Dither.NONE) for picture in pictures]
    durations = [MILLISECONDS] * len(rest) + [LAST]
    held = io.BytesIO()
    first.save(held, format="GIF", save_all=True, append_images=rest, duration=durations, loop=0, optimize=False)
    return held.getvalue()


def pictures_of_epochs(network: Network, inputs: Sequence[str], outputs: Sequence[str], loss: str) -> list[Image.Image]:
    """`frame` of every epoch as a picture, laid out as the first, so that nothing jumps.

    One figure is changed from epoch to epoch: to make it takes as long as to draw it.
    """
    figure, show = _figure(network, inputs, outputs, loss)
    show(0)
    if (layout := figure.get_layout_engine()) is not None:
        layout.execute(figure)
    figure.set_layout_engine("none")
    canvas, pictures = FigureCanvasAgg(figure), []
    for epoch in range(len(network.history.layers)):
        show(epoch)
        canvas.draw()
        pictures.append(Image.fromarray(np.array(canvas.buffer_rgba())[..., :3]))
    return pictures
