"""Every figure: the same bytes each time, legible, labelled, and marked as its legend says."""

from collections.abc import Callable
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from precip_sae.figures import data, networks, response, sensitivity, skill, training
from precip_sae.figures.names import axis_labels, names, pretty_unit
from precip_sae.figures.style import CLOUDS, DOUBLE, save
from precip_sae.interpretation.units import per_seed, variants
from precip_sae.models.initial import mlp_weights, sae_weights
from precip_sae.models.sae import SAE
from precip_sae.observations import describe
from precip_sae.observations.fidelity import compare
from precip_sae.settings import DataSettings
from precip_sae.simulation.simulate import simulate

SEEDS = [0, 1, 2]
INPUTS = ["T", "RH", "n0"]
NAN = np.nan


@pytest.fixture(scope="module")
def observations() -> pd.DataFrame:
    return simulate(600, 1)


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(80, 3)).astype(np.float32)
    hidden = np.maximum(rng.normal(size=(3, 80, 4)), 0).astype(np.float32)
    sae = SAE.of([sae_weights(seed, 4, 8) for seed in SEEDS])
    return per_seed(variants(hidden, {"keras3": sae, "untrained": sae}, x), SEEDS, 0.1)


def histories(score: str = "accuracy", seeds: int = 3) -> pd.DataFrame:
    rows = [(s, e, 1 / e, 1.1 / e, 0.5, 0.4) for s in range(seeds) for e in (1, 2, 3)]
    return pd.DataFrame(rows, columns=["seed", "epoch", "loss", "val_loss", score, f"val_{score}"])


def curve(column: str, kind: str = "mlp", logarithmic: bool = False) -> response.Curve:
    bins = np.linspace(1, 50, 6)
    return response.Curve("unit 1", kind, column, f"{column} (K)", bins, bins * 0, bins / 2, bins, -0.5, logarithmic)


R = np.array([[0.9, -0.4, 0.41], [0.1, NAN, -0.95], [NAN, NAN, NAN]])
DEAD = np.array([False, False, True])
DEAD6 = np.zeros(6, dtype=bool)


def every_figure(observations: pd.DataFrame, table: pd.DataFrame) -> dict[str, Callable[[], Figure]]:
    labels = axis_labels()
    weights, sae = mlp_weights(0, 3, 4, 2), sae_weights(0, 4, 8)
    y = np.random.default_rng(0).gamma(1.0, size=400).astype(np.float32)
    return {
        "distributions": lambda: data.distributions(observations, describe.SHOWN, "regime3", labels),
        "correlations": lambda: data.correlation_matrix(describe.correlations(observations), labels),
        "storm": lambda: data.storm(describe.varied_storm(observations), labels),
        "profiles": lambda: data.profiles(observations, "regime3"),
        "fidelity": lambda: data.fidelity(compare(observations)),
        "phases_by_temperature": lambda: data.phases_by_temperature(observations, "regime3", [-5.6, 1.0]),
        "histories": lambda: training.histories(histories()),
        "beside_published": lambda: training.beside_published(
            histories(), {"loss": np.array([0.9, 0.4]), "val_loss": np.array([0.8, 0.5])}, "cross-entropy (nat)"
        ),
        "sae_histories": lambda: training.sae_histories({"keras3": histories(), "batch_mean": histories()}),
        "confusion": lambda: skill.confusion(np.array([[5, 1], [0, 9]]), ["Rain", "Snow"]),
        "predicted_observed": lambda: skill.predicted_observed(y, y * 0.8, ["$S_r$"], ["mm h⁻¹"]),
        "predicted_observed_of_four": lambda: skill.predicted_observed(
            np.stack([y] * 4, axis=1), np.stack([y * 0.8] * 4, axis=1), list("abcd"), ["mm", "", "K", "m"]
        ),
        "heatmaps": lambda: sensitivity.heatmaps(R, R, INPUTS, 0.4, DEAD, DEAD),
        "sensitive_inputs": lambda: sensitivity.sensitive_inputs(table),
        "reductions": lambda: sensitivity.reductions(table[table["variant"] != "mlp"].assign(task="Phase"), 0.33),
        "responses": lambda: response.responses([curve("T"), curve("RH", "sae"), curve("n0", logarithmic=True)]),
        "schematic": lambda: networks.schematic(weights, INPUTS, ["Rain", "Snow"], np.array([0.1, 0.0, 2.0, 1.0])),
        "framework": lambda: networks.framework(weights, sae, INPUTS, ["Rain", "Snow"], ["T+"] * 7 + ["dead"]),
    }


NAMES = list(every_figure(pd.DataFrame(), pd.DataFrame()))


def saved_by_matplotlib(figure: Figure, path: Path) -> None:
    """As `save`, but drawn as often as matplotlib likes before the figure is laid out and before it is written."""
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    for axis in figure.axes:
        axis.set_position(Bbox.from_extents(np.round(axis.get_position(original=True).extents, 6)))
    path.parent.mkdir()
    with mpl.rc_context({"svg.fonttype": "path", "svg.hashsalt": "precip-sae", "hatch.linewidth": 0.4}):
        figure.savefig(path.with_suffix(".svg"), dpi=CLOUDS, metadata={"Date": None, "Creator": None})
        figure.savefig(path.with_suffix(".png"), dpi=200, metadata={"Software": None})


@pytest.mark.parametrize("name", NAMES)
def test_a_figure_is_the_same_bytes_each_time_it_is_drawn_and_those_that_matplotlib_saves(
    name: str, observations: pd.DataFrame, table: pd.DataFrame, tmp_path: Path
) -> None:
    draw = every_figure(observations, table)[name]
    assert save(draw(), tmp_path / "a" / name).name == f"{name}.png"
    saved_by_matplotlib(draw(), tmp_path / "b" / name)
    for suffix in (".svg", ".png"):
        first, second = ((tmp_path / run / name).with_suffix(suffix).read_bytes() for run in ("a", "b"))
        assert first == second
    assert b"Date" not in (tmp_path / "a" / name).with_suffix(".svg").read_bytes()[:2000]


@pytest.mark.parametrize("name", NAMES)
def test_a_figure_fits_the_page_and_its_text_is_legible_in_print(
    name: str, observations: pd.DataFrame, table: pd.DataFrame
) -> None:
    figure = every_figure(observations, table)[name]()
    assert figure.get_figwidth() <= DOUBLE + 1e-6
    figure.canvas.draw()
    texts = [t for t in figure.findobj(Text) if t.get_text().strip() and t.get_visible()]
    assert texts
    assert min(t.get_fontsize() for t in texts) >= 7


@pytest.mark.parametrize("name", [n for n in NAMES if n not in {"schematic", "framework", "correlations"}])
def test_every_axis_says_what_it_shows(name: str, observations: pd.DataFrame, table: pd.DataFrame) -> None:
    for axis in every_figure(observations, table)[name]().axes:
        if axis.get_visible() and axis.axison:
            shared = axis.get_shared_x_axes().get_siblings(axis) + axis.get_shared_y_axes().get_siblings(axis)
            said = [axis.get_xlabel(), axis.get_ylabel(), axis.get_title(), *(a.get_xlabel() for a in shared)]
            assert any(said), axis


def test_hatches_and_outlines_tell_the_cells_below_and_above_the_threshold() -> None:
    figure = sensitivity.heatmaps(R, R[:1], INPUTS, 0.4, DEAD, DEAD[:1])
    patches = figure.axes[0].patches
    cells = {
        gid: {(round(p.get_y() + 0.47), round(p.get_x() + 0.47)) for p in patches if p.get_gid() == gid}
        for gid in ("sensitive", "insensitive")
    }
    assert cells["sensitive"] == {(0, 0), (0, 2), (1, 2)}  # 0.9, 0.41, -0.95; exactly -0.4 is not above
    assert cells["insensitive"] == {(0, 1), (1, 0)}
    assert sum(p.get_gid() == "dead" for p in patches) == 1
    assert "dead" in [t.get_text() for t in figure.axes[0].texts]


def test_a_large_network_is_drawn_without_numbers_and_without_a_warning() -> None:
    r = np.random.default_rng(0).uniform(-1, 1, (256, 64))
    dead = np.zeros(256, bool)
    inputs = [f"a rather long name {i}" for i in range(64)]
    figure = sensitivity.heatmaps(r[:30], r, inputs, 0.4, dead[:30], dead)
    figure.canvas.draw()
    assert not figure.axes[0].texts


def test_units_that_are_all_dead_still_make_a_figure() -> None:
    nothing = np.full((4, 2), NAN)
    figure = sensitivity.heatmaps(nothing, nothing, ["a", "b"], 0.4, np.ones(4, bool), np.zeros(4, bool))
    assert [t.get_text() for t in figure.axes[1].texts] == ["constant"] * 4
    with pytest.raises(ValueError, match="no unit varies"):
        response.responses([])


def test_one_seed_makes_a_figure_without_an_interval(table: pd.DataFrame) -> None:
    one = table[table["seed"] == 0]
    sensitivity.sensitive_inputs(one).canvas.draw()
    sensitivity.reductions(one[one["variant"] != "mlp"].assign(task="T"), 0.33).canvas.draw()
    figure = training.histories(histories("mae", seeds=1), "mm h⁻¹")
    figure.canvas.draw()
    assert [axis.get_ylabel() for axis in figure.axes] == [
        "mean squared error ((mm h⁻¹)²)",
        "mean absolute error (mm h⁻¹)",
    ]


def test_names_and_units_of_a_table_of_ones_own_reach_the_axes() -> None:
    own = DataSettings(
        table="t.csv", predictors=["tair", "T"], response="y", kind="regression",
        names={"tair": "air temperature"}, units={"tair": "°C", "y": "mm/h"},
    )  # fmt: skip
    labels = axis_labels(own)
    assert (labels["tair"], labels["T"], labels["y"]) == ("air temperature (°C)", "$T$ (K)", "y (mm h⁻¹)")
    assert names(own, ["T", "zzz"]) == ["$T$", "zzz"]
    assert pretty_unit("m^-3 mm^-1") == "m⁻³ mm⁻¹"


@pytest.mark.parametrize(
    ("inputs", "shown", "upright"),
    [
        (["T", "RH", "$n_0$"], ["T", "RH", "$n_0$"], False),
        (["Temp (°C)"] * 6, ["Temp\n(°C)"] * 6, False),
        (["Visibility (km)", *["a"] * 5], ["Visibility\n(km)", *["a"] * 5], False),
        (["Visibility (km)"] * 6, ["Visibility (km)"] * 6, True),
        (["x"] * 60, ["x"] * 20, True),
    ],
)
def test_names_below_a_map_are_broken_before_they_are_turned_upright(
    inputs: list[str], shown: list[str], upright: bool
) -> None:
    r = np.zeros((3, len(inputs)))
    figure = sensitivity.heatmaps(r, r, inputs, 0.4, DEAD, DEAD)
    labels = figure.axes[0].get_xticklabels()
    assert [label.get_text() for label in labels] == shown
    assert {label.get_rotation() for label in labels} == {90.0 if upright else 0.0}


def test_long_names_take_height_from_the_page_and_not_from_the_map() -> None:
    r = np.zeros((6, 6))
    short, long = (sensitivity.heatmaps(r, r, [name] * 6, 0.4, DEAD6, DEAD6) for name in ("a", "a very long name" * 3))
    heights = []
    for figure in (short, long):
        figure.canvas.draw()
        heights.append(figure.axes[0].get_window_extent().height)
    assert heights[1] > 0.8 * heights[0]


def test_a_name_that_says_its_unit_is_not_given_it_again_and_a_price_is_no_formula() -> None:
    own = DataSettings(
        table="t.csv", predictors=["Temp (°C)", "$ per m3, $ per t"], response="Rain [mm]", kind="regression",
        units={"Temp (°C)": "°C", "Rain [mm]": "mm"},
    )  # fmt: skip
    labels = axis_labels(own)
    assert (labels["Temp (°C)"], labels["Rain [mm]"]) == ("Temp (°C)", "Rain [mm]")
    assert names(own, own.predictors)[1] == r"\$ per m3, \$ per t"


def test_no_figure_of_the_paper_is_larger_than_a_journal_takes() -> None:
    figures = sorted((Path(__file__).parents[2] / "figures").rglob("*.svg"))
    assert len(figures) > 50
    assert [path.name for path in figures if path.stat().st_size > 300_000] == []


def test_a_figure_of_nothing_is_saved_without_a_warning(tmp_path: Path) -> None:
    assert save(Figure(layout="constrained"), tmp_path / "nothing").is_file()
