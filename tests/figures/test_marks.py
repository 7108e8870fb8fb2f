"""What marks in the figures mean, and figures of unusual tables."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import LineCollection
from matplotlib.colors import same_color, to_rgb
from matplotlib.figure import Figure
from matplotlib.font_manager import findfont
from matplotlib.text import Text

from precip_sae.figures import data, networks, response, sensitivity, skill, style, training
from precip_sae.simulation.simulate import simulate

NAN = np.nan
# The manuscript prints the widest figures on 162 mm.
SHRUNK = 162 / (25.4 * style.DOUBLE)


def network(inputs: int = 3, hidden: int = 4, outputs: int = 2, latents: int = 8) -> tuple[dict, dict]:
    rng = np.random.default_rng(0)
    mlp = {
        "hidden.weight": rng.normal(size=(inputs, hidden)), "hidden.bias": rng.normal(size=hidden),
        "output.weight": rng.normal(size=(hidden, outputs)), "output.bias": rng.normal(size=outputs),
    }  # fmt: skip
    sae = {
        "encoder.weight": rng.normal(size=(hidden, latents)), "encoder.bias": rng.normal(size=latents),
        "decoder.weight": rng.normal(size=(latents, hidden)), "decoder.bias": rng.normal(size=hidden),
    }  # fmt: skip
    return mlp, sae


def framework(inputs: int = 3, hidden: int = 4, latents: int = 8, features: list[str] | None = None) -> Figure:
    mlp, sae = network(inputs, hidden, 2, latents)
    names = [f"a long name of an input {k}" for k in range(inputs)]
    return networks.framework(mlp, sae, names, ["Rain", "Snow"], features or ["T+ Fs−"] * latents)


def texts(figure: Figure) -> list[str]:
    return [t.get_text() for t in figure.findobj(Text) if t.get_visible() and t.get_text().strip()]


def edges(figure: Figure) -> list[LineCollection]:
    return [c for c in figure.axes[0].collections if c.get_gid() == "edges"]


def test_print_at_the_manuscripts_scale_keeps_every_text_at_7_points() -> None:
    sizes = [style.TEXT, style.SMALL, *(v for k, v in style.STYLE.items() if k.endswith("size") and "major" not in k)]
    assert min(sizes) * SHRUNK >= 7
    figures = [
        framework(),
        sensitivity.heatmaps(np.eye(3), np.eye(3), ["a", "b", "c"], 0.4, np.zeros(3, bool), np.zeros(3, bool)),
        skill.confusion(np.eye(3, dtype=int), ["Rain", "Snow", "Mixed-phase"]),
    ]
    for figure in figures:
        # a single-column figure stands in a column of 79 mm
        shrunk = min(SHRUNK, 79 / (25.4 * style.SINGLE))
        assert min(t.get_fontsize() for t in figure.findobj(Text) if t.get_text().strip()) * shrunk >= 7


def test_the_font_is_the_one_that_comes_with_matplotlib() -> None:
    assert "mpl-data" in Path(findfont(style.STYLE["font.family"])).parts


def test_no_colour_means_two_things() -> None:
    phases, kinds = ({to_rgb(c) for c in palette.values()} for palette in (style.PHASES, style.KINDS))
    assert not phases & kinds
    assert set(style.KIND_MARKERS) == set(style.KINDS) == set(style.KIND_NAMES)
    assert len(set(style.KIND_MARKERS.values())) == len(style.KINDS)


def test_a_kind_of_sae_has_one_marker_in_every_figure() -> None:
    rows = [("Phase", v, "published", s, 2.0, 0.2) for v in ("keras3", "untrained") for s in (0, 1)]
    table = pd.DataFrame(rows, columns=["task", "variant", "counted", "seed", "sensitive", "reduction"])
    for figure in (sensitivity.sensitive_inputs(table), sensitivity.reductions(table, 0.33)):
        found = {h.get_label(): h.get_marker() for h in figure.legends[0].legend_handles}
        assert found[style.KIND_NAMES["keras3"]] == "s"
        assert found[style.KIND_NAMES["untrained"]] == "D"


def test_figures_with_a_dot_in_their_name_do_not_overwrite_each_other(tmp_path: Path) -> None:
    figure = skill.confusion(np.eye(2, dtype=int), ["a", "b"])
    assert style.save(figure, tmp_path / "rate.1") == tmp_path / "rate.1.png"
    style.save(figure, tmp_path / "rate.2")
    names = {f"rate.{k}.{suffix}" for k in (1, 2) for suffix in ("svg", "png")}
    assert {p.name for p in tmp_path.iterdir()} == names


def test_a_figure_that_was_shown_is_still_saved_as_the_same_bytes(tmp_path: Path) -> None:
    figure = framework()
    for name in ("a", "b"):
        style.save(figure, tmp_path / name)
    for suffix in ("svg", "png"):
        assert (tmp_path / f"a.{suffix}").read_bytes() == (tmp_path / f"b.{suffix}").read_bytes()


def test_an_edge_has_the_colour_of_its_weights_sign_and_the_width_of_its_magnitude() -> None:
    mlp, _ = network()
    figure = networks.schematic(mlp, ["a", "b", "c"], ["x", "y"], np.array([0.1, 0.5, 2.0, 1.0]))
    drawn = edges(figure)
    assert [len(c.get_segments()) for c in drawn] == [12, 8]
    weights = np.sort(np.abs(mlp["hidden.weight"]), axis=None)
    widths = np.sort(drawn[0].get_linewidths())
    np.testing.assert_allclose(widths, np.maximum(0.15, networks.WIDEST * weights / weights[-1]))
    positive = sum(same_color(c[:3], style.POSITIVE) for c in drawn[0].get_colors())
    assert positive == (mlp["hidden.weight"] > 0).sum()
    strongest = mlp["hidden.weight"].ravel()[np.argmax(np.abs(mlp["hidden.weight"]))]
    assert same_color(drawn[0].get_colors()[-1][:3], style.POSITIVE if strongest > 0 else style.NEGATIVE)


def test_negative_weights_are_dashed_for_print_in_grey() -> None:
    mlp, _ = network()
    drawn = edges(networks.schematic(mlp, ["a", "b", "c"], ["x", "y"], np.ones(4)))[0]
    dashed = [pattern is not None for _, pattern in drawn.get_linestyles()]
    assert dashed == [not same_color(c[:3], style.POSITIVE) for c in drawn.get_colors()]


def test_a_unit_that_is_never_active_is_crossed_out() -> None:
    mlp, _ = network()
    figure = networks.schematic(mlp, ["a", "b", "c"], ["x", "y"], np.array([0.1, 0.0, NAN, 1.0]))
    assert sum(line.get_gid() == "silent" for line in figure.axes[0].lines) == 2
    assert "never active" in texts(figure)
    assert "never active" not in texts(networks.schematic(mlp, ["a", "b", "c"], ["x", "y"], np.ones(4)))


def test_latents_show_what_they_respond_to_and_which_do_nothing() -> None:
    figure = framework(features=["T+", "dead", "none", *["RH−"] * 5])
    boxes = [p for p in figure.axes[0].patches if p.get_gid() == "latent"]
    assert [same_color(b.get_facecolor(), "white") for b in boxes] == [True, False, False, *[True] * 5]
    assert {"T+", "dead", "none", "RH−"} <= set(texts(figure))


def test_names_that_do_not_belong_to_the_weights_are_refused() -> None:
    mlp, sae = network()
    with pytest.raises(ValueError, match="inputs: found 2, expected 3"):
        networks.schematic(mlp, ["a", "b"], ["x", "y"], np.ones(4))
    with pytest.raises(ValueError, match="features: found 1, expected 8"):
        networks.framework(mlp, sae, ["a", "b", "c"], ["x", "y"], ["T+"])


def test_a_network_too_large_to_draw_says_what_is_left_out() -> None:
    figure = framework(inputs=64, hidden=64, latents=256)
    figure.canvas.draw()
    assert any("strongest weights" in t for t in texts(figure))
    assert "256 latents" in texts(figure)
    assert max(len(c.get_segments()) for c in edges(figure)) == networks.MOST_EDGES
    assert figure.get_figheight() * 25.4 <= networks.TALLEST
    assert not any("strongest" in t for t in texts(framework(inputs=1, hidden=1, latents=1)))


def test_long_names_keep_their_ends_by_which_they_differ() -> None:
    cut = networks._shorten("reflectivity above the station, gate 29", 30.0)
    assert "…" in cut
    assert cut.endswith("29")
    assert networks._width([cut]) <= 30.0


def test_an_input_that_never_varies_is_grey_rather_than_blank() -> None:
    r = np.array([[0.5, NAN], [0.1, NAN]])
    figure = sensitivity.heatmaps(r, r, ["a", "b"], 0.4, np.zeros(2, bool), np.zeros(2, bool))
    assert sum(p.get_gid() == "undefined" for p in figure.axes[0].patches) == 2
    assert not any(p.get_gid() == "dead" for p in figure.axes[0].patches)


@pytest.mark.parametrize(("inputs", "printed"), [(6, "−0.46"), (7, "−.46"), (14, None)])
def test_values_are_printed_only_where_they_fit_their_cells(inputs: int, printed: str | None) -> None:
    r = np.full((3, inputs), -0.46)
    figure = sensitivity.heatmaps(r, r, [f"i{k}" for k in range(inputs)], 0.4, np.zeros(3, bool), np.zeros(3, bool))
    figure.canvas.draw()
    found = {t.get_text() for t in figure.axes[0].texts}
    assert found == ({printed} if printed else set())
    assert sum(p.get_gid() == "sensitive" for p in figure.axes[0].patches) == r.size
    if printed:
        cell = figure.axes[0].transData.transform([(0, 0), (1, 0)])[:, 0]
        assert figure.axes[0].texts[0].get_window_extent().width <= cell[1] - cell[0]


def test_a_confusion_matrix_says_that_its_rows_are_those_of_all_seeds() -> None:
    titles = [skill.confusion(np.eye(2, dtype=int), ["a", "b"], models).axes[0].get_title() for models in (1, 10)]
    assert titles == ["share of the observed class, and rows", "share of the class; rows of all seeds"]


def test_a_class_that_was_never_observed_has_no_share() -> None:
    figure = skill.confusion(np.array([[3, 1], [0, 0]]), ["Rain", "Snow"])
    assert sum(t.startswith("–") for t in texts(figure)) == 2
    many = skill.confusion(np.eye(9) * 2.5, [f"regime number {k}" for k in range(9)])
    many.canvas.draw()
    assert "100.0" in texts(many)
    skill.confusion(np.eye(1), ["Rain"]).canvas.draw()


def test_storms_of_one_record_and_without_labels_are_drawn() -> None:
    frame = simulate(60, 1)
    figure = data.storm(frame.iloc[[0]], {})
    figure.canvas.draw()
    spacing = figure.axes[-1].get_xlim()
    assert (spacing[1] - spacing[0]) * 24 * 60 == pytest.approx(5)
    data.storm(frame[frame["storm"] == frame["storm"].iloc[0]].drop(columns="regime3"), {}).canvas.draw()


def test_columns_that_are_constant_or_missing_and_single_phases_are_drawn() -> None:
    frame = simulate(60, 1).assign(same=1.0, none=NAN, regime3="Snow")
    data.distributions(frame, ["n0", "same", "none"], "regime3", {}).canvas.draw()
    data.distributions(frame.assign(regime3="Ambiguous"), ["n0"], "regime3", {}).canvas.draw()
    data.profiles(frame, "regime3").canvas.draw()


def test_correlations_that_are_not_defined_are_grey_and_many_are_not_printed() -> None:
    few = pd.DataFrame([[1, NAN], [NAN, 1]], index=["a", "b"], columns=["a", "b"])
    assert [p.get_gid() for p in data.correlation_matrix(few, {}).axes[0].patches] == ["undefined"]
    names = [f"v{k}" for k in range(40)]
    many = data.correlation_matrix(pd.DataFrame(np.eye(40), names, names), {})
    many.canvas.draw()
    assert not many.axes[0].texts
    with pytest.raises(ValueError, match="at least two"):
        data.correlation_matrix(few.iloc[:1, :1], {})


def test_reference_lines_stand_at_their_value_and_carry_their_name() -> None:
    bins = np.linspace(260, 280, 5)
    level = np.linspace(0, 1, 5)
    curve = response.Curve("unit 1", "sae", "T", "$T$ (K)", bins, level, level, level, NAN, False, {"0 °C": 273.15})
    figure = response.responses([curve])
    figure.canvas.draw()
    assert "0 °C" in texts(figure)
    assert 273.15 in [line.get_xdata()[0] for line in figure.axes[0].lines]
    assert any(t.endswith("r –") for t in texts(figure))


def test_training_and_validation_are_told_apart_without_colour() -> None:
    rows = [(s, e, 1 / e, 1.1 / e, 0.5, 0.4) for s in (0, 1) for e in (1, 2, 3)]
    figure = training.histories(pd.DataFrame(rows, columns=["seed", "epoch", "loss", "val_loss", "mae", "val_mae"]))
    lines = {h.get_label(): h.get_linestyle() for h in figure.axes[0].get_legend().legend_handles}
    assert lines == {"training": "-", "validation": "--"}


def test_a_logarithmic_axis_needs_positive_values_over_a_decade() -> None:
    assert style.logarithmic([0.01, 0.1, 1, NAN])
    for values in ([1, 2, 3], [0, 1, 100], [-1, 1, 100], [NAN]):
        assert not style.logarithmic(values)


def test_numbers_are_written_with_a_minus_sign_and_no_signed_zero() -> None:
    assert [style.signed(v) for v in (0.421, -0.42, -0.001, 1.0, NAN)] == ["+0.42", "−0.42", "0.00", "+1.00", "–"]
    assert [style.signed(v, short=True) for v in (0.42, -0.42, -1.0, 0.0)] == [".42", "−.42", "−1.00", ".00"]


def test_axes_with_two_scales_do_not_change_the_names_inside_an_svg(tmp_path: Path) -> None:
    # without settled places about every second drawing differed, so a few drawings are needed to see it
    frame = simulate(60, 1)
    storm = frame[frame["storm"] == frame["storm"].iloc[0]].iloc[:20]
    paths = [style.save(data.storm(storm, {}), tmp_path / str(k)).with_suffix(".svg") for k in range(6)]
    assert len({path.read_bytes() for path in paths}) == 1


def test_places_of_axes_are_round_so_that_another_processors_last_digit_does_not_show(tmp_path: Path) -> None:
    figure = data.profiles(simulate(60, 1), "regime3")
    style.save(figure, tmp_path / "profiles")
    places = np.concatenate([axis.get_position(original=True).extents for axis in figure.axes])
    np.testing.assert_allclose(places * 1e6, np.round(places * 1e6), atol=1e-6)
