"""Figures of the search: every mark stands where its number says, whatever the search left undefined."""

from collections.abc import Callable
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import same_color
from matplotlib.figure import Figure
from matplotlib.patches import StepPatch
from matplotlib.text import Annotation, Text

from precip_sae.figures import search
from precip_sae.figures.names import names
from precip_sae.figures.style import DOUBLE, KIND_MARKERS, KIND_NAMES, KINDS, SINGLE, save

NAN = np.nan
POOL = {
    11: names(None, ["n0", "Nt", "lambda", "Rho", "Fs", "Dm", "T", "RH", "P", "WS", "ETH"]),
    14: [f"$Z_{{{k}}}$" for k in range(14)],
}
Arrays = dict[str, np.ndarray]


def drawn_search(subsets: int = 462, seeds: int = 10) -> Arrays:
    rng = np.random.default_rng(0)
    models = rng.normal(0.13, 0.08, (subsets, 1)) + rng.normal(0, 0.15, (subsets, seeds))
    draws = np.unique(np.clip([1, 2, 5, 10, 20, 50, 100, 250, subsets], 1, subsets))
    return {
        "models": models.ravel(), "untrained": models.ravel() - 0.05, "mean": models.mean(axis=1),
        "low": models.min(axis=1), "high": models.max(axis=1), "skill": rng.uniform(0.6, 1.0, subsets),
        "draws": draws, "expected": 0.13 + 0.06 * np.log(draws),
    }  # fmt: skip


def effects(inputs: int = 11, ways: tuple[str, ...] = ()) -> pd.DataFrame:
    difference = np.linspace(-0.05, 0.06, inputs)
    table = pd.DataFrame(
        {"input": POOL[inputs], "difference": difference, "low": difference - 0.01, "high": difference + 0.02}
    )
    return pd.concat([table.assign(counted=way) for way in ways]) if ways else table


def distribution(s: Arrays, chosen: bool = True) -> Figure:
    return search.distribution(s["models"], s["untrained"], s["mean"][1] if chosen else None, 0.33)


def against_skill(s: Arrays, chosen: bool = True) -> Figure:
    return search.against_skill(s["skill"], s["mean"], 1 if chosen else None, "accuracy (share of rows)")


def ranked(s: Arrays, chosen: bool = True) -> Figure:
    return search.ranked(s["mean"], s["low"], s["high"], 1 if chosen else None, 0.33)


def best_of(s: Arrays, chosen: bool = True, published: float = 0.33, typical: float = 0.13) -> Figure:
    draws, expected = s["draws"], s["expected"]
    low, high = expected - 0.2 / draws**0.5, expected + 0.1
    return search.best_of(draws, expected, low, high, 250 if chosen else 3, published, typical)


FIGURES: dict[str, Callable[[Arrays, bool], Figure]] = {
    "distribution": distribution, "against_skill": against_skill, "ranked": ranked, "best_of": best_of,
}  # fmt: skip
SEARCHES = {
    "462 x 10": drawn_search(),
    "2002 x 10": drawn_search(2002),
    "6 x 2": drawn_search(6, 2),
    "6 x 1": drawn_search(6, 1),
    "2 x 1": drawn_search(2, 1),
    "undefined": {k: v if k == "draws" else v * NAN for k, v in drawn_search(6, 2).items()},
}


def written(figure: Figure) -> list[Text]:
    """All texts that are drawn: ticks beyond the limits of an axis exist, but are not."""
    figure.draw_without_rendering()
    beyond = {
        id(label)
        for axes in figure.axes
        for axis in (axes.xaxis, axes.yaxis)
        for tick in (*axis.get_major_ticks(), *axis.get_minor_ticks())
        for label in (tick.label1, tick.label2)
        if not min(axis.get_view_interval()) <= tick.get_loc() <= max(axis.get_view_interval())
    }
    return [t for t in figure.findobj(Text) if t.get_text().strip() and t.get_visible() and id(t) not in beyond]


def misplaced(figure: Figure) -> list[tuple[str, str]]:
    """Pairs of texts that cover each other, and texts that leave the page."""
    # an annotation's own extent holds the point it belongs to as well
    found = [(t.get_text(), Text.get_window_extent(t)) for t in written(figure)]
    page = figure.bbox.padded(0.5)
    wrong = [(a, b) for (a, one), (b, other) in combinations(found, 2) if one.overlaps(other)]
    return wrong + [
        (a, "leaves the page")
        for a, box in found
        if not (
            page.fully_containsx(box.x0)
            and page.fully_containsx(box.x1)
            and page.fully_containsy(box.y0)
            and page.fully_containsy(box.y1)
        )
    ]


def labels(figure: Figure) -> list[str]:
    return [t.get_text() for t in figure.axes[0].texts]


def line_at(figure: Figure, label: str) -> float:
    """Where the upright line of a label stands."""
    note = next(t for t in figure.axes[0].texts if isinstance(t, Annotation) and t.get_text().startswith(label))
    places = [line.get_xdata()[0] for line in figure.axes[0].lines if len(set(line.get_xdata())) == 1]
    assert note.xy[0] in places
    return float(note.xy[0])


def steps(figure: Figure) -> list[StepPatch]:
    return [p for p in figure.axes[0].patches if isinstance(p, StepPatch)]


def star(figure: Figure) -> tuple[float, float] | None:
    found = [line for line in figure.axes[0].lines if line.get_marker() == "*"]
    return (float(found[0].get_xdata()[0]), float(found[0].get_ydata()[0])) if found else None


@pytest.mark.parametrize("chosen", [True, False])
@pytest.mark.parametrize("which", SEARCHES)
@pytest.mark.parametrize("name", FIGURES)
def test_a_search_of_any_size_is_drawn_with_every_label_legible(name: str, which: str, chosen: bool) -> None:
    figure = FIGURES[name](SEARCHES[which], chosen)
    assert misplaced(figure) == []
    assert figure.get_figwidth() == SINGLE
    assert all(axis.get_xlabel() and axis.get_ylabel() for axis in figure.axes)
    assert ("no reduction is defined" in labels(figure)) == (which == "undefined")


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_of_the_search_is_the_same_bytes_each_time(name: str, tmp_path: Path) -> None:
    for run in ("a", "b"):
        save(FIGURES[name](SEARCHES["2002 x 10"], True), tmp_path / run)
    for suffix in ("svg", "png"):
        assert (tmp_path / f"a.{suffix}").read_bytes() == (tmp_path / f"b.{suffix}").read_bytes()


def test_bars_count_every_model_and_the_control_is_told_apart_without_colour() -> None:
    s = SEARCHES["462 x 10"]
    trained, untrained = steps(distribution(s))
    assert trained.get_data().values.sum() == pytest.approx(100)
    assert untrained.get_data().values.sum() == pytest.approx(100)
    edges = trained.get_data().edges
    np.testing.assert_array_equal(
        trained.get_data().values, 100 * np.histogram(100 * s["models"], edges)[0] / len(s["models"])
    )
    assert 0 in edges
    assert (trained.get_fill(), untrained.get_fill()) == (True, False)
    assert same_color(untrained.get_edgecolor(), KINDS["untrained"])
    assert same_color(trained.get_facecolor()[:3], KINDS["keras3"])


def test_a_share_at_the_edge_of_a_bar_is_counted_above_it_whatever_its_last_digit() -> None:
    # 100 x 0.55, 0.56 and 0.57 are not whole numbers of floating point
    shares = np.array([0.1, 0.15, 0.35, 0.55, 0.6 - 1e-16, 0.3 - 1e-16]).repeat(1000)
    bars = steps(search.distribution(shares, shares, None, 0.33))[0].get_data()
    counted = {round(edge): round(value, 1) for edge, value in zip(bars.edges, bars.values, strict=False) if value}
    assert counted == dict.fromkeys([10, 15, 30, 35, 55, 60], 16.7)


def test_undefined_reductions_are_left_out_of_the_bars_rather_than_counted_as_zero() -> None:
    values = np.array([0.5, 0.5, NAN, NAN])
    trained = steps(search.distribution(values, values, NAN, 0.33))[0].get_data()
    assert trained.values[trained.edges[:-1] == 50] == [100]
    assert trained.values.sum() == 100


def test_the_published_value_and_the_studys_inputs_stand_at_their_values() -> None:
    s = SEARCHES["462 x 10"]
    figure = search.distribution(s["models"], s["untrained"], 0.18, 0.33)
    assert line_at(figure, "published 33 %") == pytest.approx(33)
    assert line_at(figure, "study’s inputs 18 %") == pytest.approx(18)
    assert len(labels(distribution(s, chosen=False))) == 1


@pytest.mark.parametrize("published", [-0.9, -0.3, 0.1, 0.32, 0.33, 0.6, 0.95])
@pytest.mark.parametrize("chosen", [-0.8, 0.0, 0.33, 0.9])
def test_labels_of_two_values_never_cover_each_other(chosen: float, published: float) -> None:
    s = SEARCHES["462 x 10"]
    figure = search.distribution(s["models"], s["untrained"], chosen, published)
    assert misplaced(figure) == []
    low, high = figure.axes[0].get_xlim()
    assert low < 100 * min(chosen, published)
    assert high > 100 * max(chosen, published)


def test_there_is_a_point_for_every_subset_with_both_numbers_and_none_for_others() -> None:
    s = SEARCHES["6 x 2"]
    reduction, skill = s["mean"].copy(), s["skill"].copy()
    reduction[0], skill[2] = NAN, NAN
    figure = search.against_skill(skill, reduction, 1, "accuracy (share of rows)")
    kept = [1, 3, 4, 5]
    points = figure.axes[0].collections[0].get_offsets()
    np.testing.assert_allclose(points, np.column_stack([skill, 100 * reduction])[kept])
    assert star(figure) == pytest.approx((skill[1], 100 * reduction[1]))
    assert line_at(figure, "study’s inputs") == skill[1]
    for missing in (0, 2, None):
        assert star(search.against_skill(skill, reduction, missing, "accuracy (share of rows)")) is None


def test_thousands_of_points_are_small_transparent_and_an_image_inside_the_svg() -> None:
    few, many = (against_skill(SEARCHES[k]).axes[0].collections[0] for k in ("6 x 2", "2002 x 10"))
    assert (few.get_rasterized(), many.get_rasterized()) == (False, True)
    assert many.get_sizes()[0] < few.get_sizes()[0]
    assert many.get_alpha() < few.get_alpha()
    assert len(many.get_offsets()) == 2002


def test_subsets_are_ranked_from_the_largest_mean_each_with_the_range_of_its_own_seeds() -> None:
    means, low = np.array([0.1, 0.3, NAN, 0.2]), np.array([0.05, 0.1, NAN, 0.2])
    figure = search.ranked(means, low, means + 0.1, 3, 0.33)
    band, line = (p.get_data() for p in steps(figure))
    np.testing.assert_allclose(line.values, [30, 20, 10])
    np.testing.assert_allclose(line.edges, [0.5, 1.5, 2.5, 3.5])
    np.testing.assert_allclose(band.values, [40, 30, 20])
    np.testing.assert_allclose(band.baseline, [10, 20, 5])
    assert star(figure) == pytest.approx((2, 20))
    (seeds,) = [c for c in figure.axes[0].collections if c.get_gid() == "seeds"]
    np.testing.assert_allclose(seeds.get_segments()[0], [[2, 20], [2, 30]])
    assert "study’s inputs: 2 of 3" in labels(figure)
    # the study's subset is one of those without a defined reduction
    assert star(search.ranked(means, low, means + 0.1, 2, 0.33)) is None


def test_one_seed_has_no_range_in_the_legend() -> None:
    names = {k: [t.get_text() for t in ranked(SEARCHES[k]).legends[0].get_texts()] for k in ("6 x 1", "6 x 2")}
    assert names == {"6 x 1": ["mean over seeds"], "6 x 2": ["range over seeds", "mean over seeds"]}


@pytest.mark.parametrize("draw", [ranked, best_of])
def test_the_published_reduction_is_a_dashed_line_at_its_value(draw: Callable[[Arrays], Figure]) -> None:
    figure = draw(SEARCHES["462 x 10"])
    (dashed,) = [line for line in figure.axes[0].lines if line.get_linestyle() == "--"]
    np.testing.assert_allclose(dashed.get_ydata(), 33)
    assert "published 33 %" in labels(figure)


def test_a_label_across_moves_to_where_the_band_leaves_room() -> None:
    # a high band that only its right end leaves, then the same from below
    means = np.linspace(0.9, 0.0, 100)
    places = {}
    for name, published in (("right", 0.6), ("left", 0.3)):
        figure = search.ranked(means, means - 0.02, means + 0.02, None, published)
        (note,) = [t for t in figure.axes[0].texts if t.get_text().startswith("published")]
        places[name] = (note.get_ha(), note.get_va())
    assert places["right"] == ("right", "bottom")
    steep = np.array([0.9] * 30 + [0.65] * 70)
    figure = search.ranked(steep, steep - 0.3, steep + 0.05, None, 0.6)
    (note,) = [t for t in figure.axes[0].texts if t.get_text().startswith("published")]
    assert (note.get_ha(), note.get_va()) == ("left", "top")


@pytest.mark.parametrize("inputs", [11, 14])
@pytest.mark.parametrize("ways", [(), ("published", "living"), ("published", "living", "every")])
def test_inputs_of_a_pool_are_named_without_covering_each_other(inputs: int, ways: tuple[str, ...]) -> None:
    figure = search.inputs(effects(inputs, ways))
    assert misplaced(figure) == []
    assert len(figure.axes) == max(len(ways), 1)
    assert figure.get_figwidth() == (DOUBLE if ways else SINGLE)
    assert [axis.get_title() for axis in figure.axes] == [search.COUNTED_NAMES[w] for w in ways] or not ways


def test_an_input_stands_at_its_difference_with_its_own_interval_and_the_largest_on_top() -> None:
    table = effects(11, ("published", "living"))
    table.loc[table["counted"] == "living", ["difference", "low", "high"]] *= -1
    figure = search.inputs(table)
    left, right = figure.axes
    assert [t.get_text() for t in left.get_yticklabels()] == POOL[11][::-1]
    for axis, sign in ((left, 1), (right, -1)):
        marks = next(line for line in axis.lines if line.get_marker() == KIND_MARKERS["keras3"])
        np.testing.assert_allclose(marks.get_xdata(), sign * np.linspace(6, -5, 11))
        np.testing.assert_allclose(axis.collections[0].get_segments()[0], [[sign * 5, 0], [sign * 8, 0]])
        assert axis.get_ylim()[0] > axis.get_ylim()[1]
    assert left.get_xlim() == right.get_xlim()


def test_an_input_of_every_subset_is_said_to_be_undefined_and_comes_last() -> None:
    table = effects()
    table.loc[10, ["difference", "low", "high"]] = NAN
    table.loc[9, ["low", "high"]] = NAN
    figure = search.inputs(table)
    assert [t.get_text() for t in figure.axes[0].get_yticklabels()][-1] == POOL[11][10]
    assert [(t.get_text(), t.get_position()[1]) for t in figure.axes[0].texts] == [("not defined", 10)]
    assert len(figure.axes[0].collections[0].get_segments()) == 9
    nothing = search.inputs(table.assign(difference=NAN, low=NAN, high=NAN))
    nothing.draw_without_rendering()
    assert nothing.axes[0].get_xlim() == (-1, 1)


def test_the_number_that_the_study_meant_to_draw_is_marked_with_what_it_would_report() -> None:
    s = SEARCHES["462 x 10"]
    figure = best_of(s)
    expected = float(s["expected"][s["draws"] == 250][0])
    assert line_at(figure, f"250 drawn: {round(100 * expected)} %") == 250
    (dot,) = [line for line in figure.axes[0].lines if line.get_marker() == "o"]
    assert (dot.get_xdata()[0], dot.get_ydata()[0]) == pytest.approx((250, 100 * expected))
    assert figure.axes[0].get_xscale() == "log"
    # fewer subsets than that were searched: no number is made up
    assert not any("drawn" in t for t in labels(best_of(SEARCHES["6 x 2"])))
    assert figure.axes[0].get_xlim() == (1, 462)


@pytest.mark.parametrize("published", [0.02, 0.12, 0.13, 0.14, 0.33, 0.9])
def test_lines_that_lie_near_each_other_keep_their_names_apart(published: float) -> None:
    figure = best_of(SEARCHES["462 x 10"], published=published)
    assert misplaced(figure) == []
    sides = {t.get_text().split()[0]: t.get_va() for t in figure.axes[0].texts}
    assert {sides["published"], sides["mean"]} == {"bottom", "top"}


def test_the_kind_of_sae_that_was_searched_gives_the_colour_and_the_name() -> None:
    s = SEARCHES["6 x 2"]
    figure = search.distribution(s["models"], s["untrained"], None, 0.33, kind="batch_mean")
    assert [t.get_text() for t in figure.legends[0].get_texts()] == [KIND_NAMES["batch_mean"], KIND_NAMES["untrained"]]
    points = search.against_skill(s["skill"], s["mean"], None, "accuracy (share of rows)", kind="batch_mean")
    assert same_color(points.axes[0].collections[0].get_facecolor()[0][:3], KINDS["batch_mean"])


def test_numbers_on_labels_are_rounded_with_a_minus_sign() -> None:
    assert [search._percent(v) for v in (0.331, -0.05, -0.001, NAN)] == ["33 %", "−5 %", "0 %", "–"]
