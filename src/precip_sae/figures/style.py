"""How every figure looks, and how it is written so that the same figure is the same bytes."""

import io
from collections.abc import Callable, Mapping
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox
from numpy.typing import ArrayLike

from precip_sae.files import replacing

Made = TypeVar("Made")

# Widths of a journal's page in inches (86 and 178 mm).
SINGLE, DOUBLE = 3.39, 7.01
# Text in points. The manuscript's block of text is 162 mm wide and shrinks DOUBLE to 0.91: SMALL still prints at 7 pt.
TEXT, SMALL = 8, 7.75
# Dots per inch of the clouds of seeds within SVGs, whose files stay below 300 kB; what is read off them is no cloud.
CLOUDS = 160

# Colours that stay apart for colour-blind readers, after Okabe & Ito (phases) and Tol (kinds), one palette per meaning:
# no colour of one means something in another. Lines, markers and labels carry the meaning as well, for print in grey.
PHASES = {"Rain": "#D55E00", "Snow": "#0072B2", "Mixed-phase": "#009E73", "Ambiguous": "#999999"}
LINES = {"Rain": "-", "Snow": "--", "Mixed-phase": "-."}
KINDS = {"mlp": "#333333", "keras3": "#882255", "batch_mean": "#999933", "untrained": "#6FB7DC"}
KIND_MARKERS = {"mlp": "o", "keras3": "s", "batch_mean": "^", "untrained": "D"}
PARTS = {"training": ("#333333", "-"), "validation": ("#8C5FBF", "--")}
KIND_NAMES = {
    "mlp": "hidden units",
    "keras3": "SAE, summed penalty",
    "batch_mean": "SAE, averaged penalty",
    "untrained": "SAE, untrained",
}
# What the study published, where it stands beside ours.
PUBLISHED = "#C44601"
# The two variables of an axis with two scales.
PAIR = (("#222222", "-"), ("#A0408A", "--"))
VERDICTS = {"PASS": "#000000", "FAIL": "#B8860B", "CONTRADICTED": "#5577CC"}
SIGNS = "RdBu_r"
POSITIVE, NEGATIVE = "#B2182B", "#2166AC"
ACTIVATION = "cividis"
# Dead or undefined.
NOTHING = "#CCCCCC"

STYLE: dict[str, Any] = {
    "font.family": "DejaVu Sans",  # shipped with matplotlib, so the same on every machine
    "font.size": TEXT,
    "axes.titlesize": TEXT,
    "axes.labelsize": TEXT,
    "xtick.labelsize": SMALL,
    "ytick.labelsize": SMALL,
    "legend.fontsize": SMALL,
    "mathtext.fontset": "dejavusans",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "lines.linewidth": 1.0,
    "legend.frameon": False,
    "hatch.linewidth": 0.4,
    "svg.fonttype": "path",
    "svg.hashsalt": "precip-sae",
    "figure.constrained_layout.use": True,
    "figure.dpi": 110,
}


def styled(draw: Callable[..., Made]) -> Callable[..., Made]:
    """Makes a figure in the style of the paper, whatever the caller's matplotlib settings are."""

    @wraps(draw)
    def in_style(*args: Any, **kwargs: Any) -> Made:
        with mpl.rc_context():
            mpl.rcdefaults()
            mpl.rcParams.update(STYLE)
            return draw(*args, **kwargs)

    return in_style


def save(figure: Figure, path: Path) -> Path:
    """Writes PATH.svg, for the paper, and PATH.png at 200 dots per inch, for reading; the same bytes every time.

    Args:
        path: without suffix.

    Returns:
        The PNG, for a notebook to show.

    Raises:
        OutputError: a file cannot be written.
    """
    _settle(figure)
    for suffix, draw in ((".svg", _svg), (".png", _png)):
        buffer = io.BytesIO()
        with mpl.rc_context({key: STYLE[key] for key in ("svg.fonttype", "svg.hashsalt", "hatch.linewidth")}):
            draw(figure, buffer)
        # not with_suffix, which would cut a name at its own dot
        with replacing(path.with_name(path.name + suffix)) as beside:
            beside.write_bytes(buffer.getvalue())
    return path.with_name(path.name + ".png")


# Not `figure.savefig`, which draws once more before it draws, to lay out what is laid out.
def _svg(figure: Figure, buffer: io.BytesIO) -> None:
    canvas = FigureCanvasSVG(figure)
    figure.dpi = CLOUDS
    canvas.print_svg(buffer, metadata={"Date": None, "Creator": None})


def _png(figure: Figure, buffer: io.BytesIO) -> None:
    canvas = FigureCanvasAgg(figure)
    figure.dpi = 200
    canvas.print_png(buffer, metadata={"Software": None})


def _settle(figure: Figure) -> None:
    """Lays the figure out once and for all, on round places.

    The layout sums margins in an order that differs between runs, and axes with two scales then stand a last digit
    apart. Nobody sees that, but names in the SVG are hashes of exact places.
    """
    if figure.axes and (layout := figure.get_layout_engine()) is not None:
        layout.execute(figure)
    figure.set_layout_engine("none")
    for axis in figure.axes:
        axis.set_position(Bbox.from_extents(np.round(axis.get_position(original=True).extents, 6)))


def mark(
    axis: Axes, spread: Mapping[str, Any], y: float, color: str, scale: float = 1.0, width: float = 1.2, **look: Any
) -> None:
    """A mean as a marker on the bar of its interval, along x; what is not defined stays out.

    Args:
        spread: `mean`, `low` and `high`, None where not defined.
        scale: factor to the axis's unit; width: of the bar, in points; look: of the marker.
    """
    if spread["mean"] is None:
        return
    if spread["low"] is not None and spread["high"] is not None:
        axis.plot([scale * spread["low"], scale * spread["high"]], [y, y], color=color, linewidth=width)
    axis.plot(scale * spread["mean"], y, color=color, linestyle="none", **look)


def logarithmic(values: ArrayLike, ratio: float = 10.0) -> bool:
    """Whether a logarithmic axis is apt: all values above 0 (or missing), and the bulk spans a factor of `ratio`."""
    numbers = np.asarray(values, dtype=np.float64)
    numbers = numbers[np.isfinite(numbers)]
    if not len(numbers) or (numbers <= 0).any():
        return False
    low, high = np.quantile(numbers, (0.002, 0.998))
    return bool(high >= ratio * low)


def signed(value: float, short: bool = False) -> str:
    """`+0.42` or `−0.42`, without a sign where it rounds to zero; `.42` or `−.42` where space is short; `–` for NaN."""
    if np.isnan(value):
        return "–"
    text = f"{value:+.2f}".replace("-", "−")
    text = text[1:] if text[1:] == "0.00" else text
    return text.replace("+", "").replace("0.", ".", 1) if short else text
