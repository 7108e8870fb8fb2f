"""Figures of toy models and of the variants of SAE: the same bytes, legible, and one mark per variant."""

from collections.abc import Callable
from pathlib import Path
from typing import get_args

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

from precip_sae.figures import superposition, variants
from precip_sae.figures.style import DOUBLE, save
from precip_sae.models.variants import VARIANTS
from precip_sae.settings import VariantName


def dictionaries(widths: tuple[int, ...] = (1, 4)) -> pd.DataFrame:
    """A made-up row per dictionary."""
    generator = np.random.default_rng(0)
    rows = [
        (source, activity, variant, width, penalty, seed)
        for source in ("toy", "random")
        for activity in (0.01, 0.05)
        for variant in VARIANTS
        for width in widths
        for penalty in (1.0, 2.0)
        for seed in (0, 1)
    ]
    table = pd.DataFrame(rows, columns=["source", "activity", "variant", "latents_per_unit", "penalty", "seed"])
    for name in ("fvu", "l0", "dead", "found", "mmcs", "reduction_published"):
        table[name] = generator.uniform(0.1, 1, len(table))
    return table


def competing() -> pd.DataFrame:
    rows = [(a, s, 0.2, 0.3, 0.5) for a in (1.0, 0.1, 0.01) for s in (0, 1)]
    return pd.DataFrame(rows, columns=["activity", "seed", "ignored", "dedicated", "superposed"])


def every_figure() -> dict[str, Callable[[], Figure]]:
    diagram = np.array([[0, 2, 2], [1, 2, 2]])
    star = np.random.default_rng(0).normal(size=(5, 2)).astype(np.float32)
    table = dictionaries()
    return {
        "phases": lambda: superposition.phases(diagram, [1.0, 0.3, 0.1], [0.1, 10.0], competing(), {1.0: star}),
        "recovery_curves": lambda: superposition.recovery_curves(table, 4, 0.95),
        "reconstruction_and_truth": lambda: superposition.reconstruction_and_truth(table),
        "reconstruction": lambda: variants.reconstruction({"Phase": table, "Rate": table}, 4),
        "reconstruction_of_one": lambda: variants.reconstruction({"Phase": table}, 4),
        "measure_by_width": lambda: variants.measure_by_width({"Phase": table, "Rate": table}, 0.33),
        "measure_of_one": lambda: variants.measure_by_width({"Phase": table}, 0.33),
    }


NAMES = list(every_figure())


@pytest.mark.parametrize("name", NAMES)
def test_a_figure_is_the_same_bytes_each_time_it_is_drawn(name: str, tmp_path: Path) -> None:
    first, second = (save(every_figure()[name](), tmp_path / run / name) for run in ("a", "b"))
    for suffix in (".svg", ".png"):
        assert first.with_suffix(suffix).read_bytes() == second.with_suffix(suffix).read_bytes()


@pytest.mark.parametrize("name", NAMES)
def test_a_figure_fits_the_page_and_its_text_is_legible_and_inside_it(name: str) -> None:
    figure = every_figure()[name]()
    assert figure.get_figwidth() <= DOUBLE + 1e-6
    figure.draw_without_rendering()
    texts = [t for t in figure.findobj(Text) if t.get_text().strip() and t.get_visible()]
    assert min(t.get_fontsize() for t in texts) >= 7
    page = figure.bbox
    for label in (label for axis in figure.axes for label in (axis.xaxis.label, axis.yaxis.label, axis.title)):
        box = label.get_window_extent()
        if label.get_text():
            assert box.x0 >= page.x0 - 1, label
            assert box.x1 <= page.x1 + 1, label
            assert box.y0 >= page.y0 - 1, label
            assert box.y1 <= page.y1 + 1, label


def test_the_legend_names_the_variants_of_every_task() -> None:
    table = dictionaries()
    figure = variants.measure_by_width({"Phase": table, "Rate": table[table["variant"] == "topk"]}, 0.33)
    shown = [text.get_text() for text in figure.legends[0].get_texts()]
    assert shown == [variants.VARIANT_NAMES[name] for name in variants.VARIANT_NAMES]


def test_every_variant_has_a_name_a_colour_and_a_mark_of_its_own() -> None:
    names = set(VARIANTS)
    assert set(get_args(VariantName)) == names
    for looks in (variants.VARIANT_NAMES, variants.VARIANT_COLOURS, variants.VARIANT_MARKERS):
        assert set(looks) == names
        assert len(set(looks.values())) == len(names)
