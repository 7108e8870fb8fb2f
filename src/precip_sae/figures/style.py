"""How every figure looks, and how it is written so that the same figure is the same bytes."""

import io
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from precip_sae.files import replacing

# Widths of a journal's page in inches (86 and 178 mm); text is 7 pt or more at these widths.
SINGLE, DOUBLE = 3.39, 7.01

# Okabe & Ito's colours, which stay apart for colour-blind readers; shapes and labels carry the meaning as well.
PHASES = {"Rain": "#D55E00", "Snow": "#0072B2", "Mixed-phase": "#009E73", "Ambiguous": "#999999"}
KINDS = {"mlp": "#444444", "keras3": "#0072B2", "batch_mean": "#E69F00", "untrained": "#CC79A7"}
KIND_NAMES = {
    "mlp": "hidden units",
    "keras3": "SAE, summed penalty",
    "batch_mean": "SAE, averaged penalty",
    "untrained": "SAE, untrained",
}
SIGNS = "RdBu_r"
ACTIVATION = "cividis"
MARKERS = ("o", "s", "^", "D", "v", "P")

STYLE: dict[str, Any] = {
    "font.family": "DejaVu Sans",  # shipped with matplotlib, so the same on every machine
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.labelsize": 8,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 7,
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


def styled(draw: Callable[..., Figure]) -> Callable[..., Figure]:
    """Draws a figure in the style of the paper, whatever the caller's matplotlib settings are."""

    @wraps(draw)
    def in_style(*args: Any, **kwargs: Any) -> Figure:
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
    for suffix, options in (
        (".svg", {"dpi": 300, "metadata": {"Date": None, "Creator": None}}),
        (".png", {"dpi": 200, "metadata": {"Software": None}}),
    ):
        buffer = io.BytesIO()
        with mpl.rc_context({key: STYLE[key] for key in ("svg.fonttype", "svg.hashsalt", "hatch.linewidth")}):
            figure.savefig(buffer, format=suffix[1:], **options)
        with replacing(path.with_suffix(suffix)) as beside:
            beside.write_bytes(buffer.getvalue())
    return path.with_suffix(".png")
