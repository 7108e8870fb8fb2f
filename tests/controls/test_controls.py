"""Controls: decompositions beside scikit-learn, chance beside shifts done by hand, and the comparison as a whole."""

import warnings

import numpy as np
import pytest
from scipy import signal
from sklearn.decomposition import PCA

from precip_sae.controls import beside, decompositions, models
from precip_sae.controls.chance import LEAST_SHIFT, shifted_correlations
from precip_sae.interpretation.compared import redrawn_measures
from precip_sae.interpretation.measures import MEASURES, evaluate
from precip_sae.interpretation.responses import Inputs, Layer, Responses, follow
from precip_sae.interpretation.sensitivity import correlations
from precip_sae.scheduling import side_by_side
from precip_sae.settings import DataSettings, MLPSettings, SAESettings
from precip_sae.simulation.simulate import simulate
from precip_sae.tasks.episodes import Episodes
from precip_sae.tasks.prepare import Part, prepare


@pytest.fixture
def hidden() -> np.ndarray:
    rng = np.random.default_rng(0)
    values = np.maximum(rng.normal(size=(500, 3)) @ rng.normal(size=(3, 5)), 0)
    values[:, 4] = 0.0
    return values.astype(np.float32)


def test_principal_components_are_those_of_scikit_learn(hidden):
    scores = follow(Inputs(hidden), [decompositions.principal(hidden)]).units
    expected = PCA(4).fit_transform(hidden.astype(np.float64))
    assert np.abs(scores[:, :4]) == pytest.approx(np.abs(expected), abs=1e-5)


def test_independent_components_find_the_sources_of_a_mixture():
    rng = np.random.default_rng(0)
    sources = rng.uniform(-1, 1, size=(3000, 3)) ** 3
    mixed = sources @ rng.normal(size=(3, 3))
    found = follow(Inputs(mixed), [decompositions.independent(mixed, 0)]).units
    r = np.abs(correlations(found[None], sources)[0])
    assert (r.max(axis=1) > 0.98).all()
    assert (np.sort(r, axis=1)[:, 1] < 0.1).all()


def test_independent_components_of_a_dead_unit_are_fewer(hidden):
    assert decompositions.independent(hidden, 0).weight.shape == (5, 4)


def test_non_negative_components_rebuild_the_activations(hidden):
    fitted = decompositions.NonNegative(hidden, 6, 0)
    coded = fitted.activations(hidden)
    assert (coded >= 0).all()
    left = np.square(coded @ fitted.model.components_ - hidden).sum() / np.square(hidden).sum()
    assert left < 0.02


def test_fits_side_by_side_are_those_one_by_one_and_hide_no_later_warning(hidden):
    def fit(seed: int) -> np.ndarray:
        return decompositions.NonNegative(hidden, 6, seed).activations(hidden)

    shown = list(warnings.filters)
    side = side_by_side(fit, range(8), threads=4)
    assert list(warnings.filters) == shown
    for seed, found in enumerate(side):
        np.testing.assert_array_equal(found, fit(seed))


def test_random_directions_fire_as_often_as_the_sae(hidden):
    latents = np.zeros((500, 4), np.float32)
    latents[:50, 0] = 1.0  # in a tenth of the rows
    latents[:400, 1] = 1.0
    latents[:, 2] = 1.0  # always; the last one is dead
    layer = decompositions.random_like(hidden, latents, 3)
    fired = (follow(Inputs(hidden), [layer]).units > 0).sum(axis=0)
    # rows in which all hidden units are silent project alike
    assert fired[0] == 50
    assert fired[1] <= 400 <= fired[2] == 500
    assert fired[3] == 0
    far = follow(Inputs(1000 * hidden), [layer]).units
    assert not far[:, 3].any()


def test_shifted_correlations_are_those_of_rolled_inputs():
    rng = np.random.default_rng(0)
    units, inputs = rng.normal(size=(200, 3)), rng.normal(size=(200, 2))
    units[:, 2] = 1.0
    found = shifted_correlations(units, inputs, 4)
    for r, shift in zip(found, (10, 70, 130, 190), strict=True):
        expected = correlations(units[None], np.roll(inputs, shift, axis=0))[0]
        assert r == pytest.approx(expected, abs=1e-10, nan_ok=True)
    assert LEAST_SHIFT == 0.05


def test_chance_correlations_of_slow_series_are_far_above_those_of_independent_rows():
    rng = np.random.default_rng(0)
    slow = signal.lfilter([1.0], [1.0, -0.99], rng.normal(size=(5000, 4)), axis=0)
    size = np.abs(shifted_correlations(slow[:, :2], slow[:, 2:], 200))
    assert np.quantile(size, 0.95) > 5 * 1.96 / np.sqrt(5000)
    quick = rng.normal(size=(5000, 4))
    size = np.abs(shifted_correlations(quick[:, :2], quick[:, 2:], 200))
    assert np.quantile(size, 0.95) == pytest.approx(1.96 / np.sqrt(5000), rel=0.2)


def test_shuffled_labels_keep_their_distribution_and_nothing_else():
    part = Part(np.arange(100, dtype=np.float32)[:, None], np.arange(100, dtype=np.float32))
    shuffled = models.shuffled_responses(part)
    assert sorted(shuffled.y) == sorted(part.y)
    assert (shuffled.x == part.x).all()
    assert abs(np.corrcoef(shuffled.y, part.y)[0, 1]) < 0.3


@pytest.fixture(scope="module")
def whole():
    data = DataSettings(table="table", predictors=["n0", "T", "RH"], response="Sr", kind="regression",
                        transforms={"n0": "log10"}, time="time")  # fmt: skip
    prepared = prepare(simulate(600, 3), data)
    pipeline = models.Pipeline(MLPSettings(hidden=4, epochs=3), SAESettings(latents=6, epochs=3), "keras3", [0, 1, 2])
    own = models.networks(prepared, pipeline)
    saes = models.fitted_saes(own, prepared, pipeline)
    others = models.trained_otherwise(prepared, pipeline, 0.01)
    return beside.controls(prepared, pipeline, own, saes, others)


def test_every_control_is_a_dictionary_of_its_own(whole):
    found = whole
    assert set(found) == {*beside.CONTROLS, beside.BASE, *beside.BASES.values()}
    sizes = {name: of(0).units.shape[1] for name, of in found.items()}
    assert sizes["wide"] == sizes["nmf"] == sizes["random"] == sizes["sae"] == 6
    assert sizes["mlp"] == sizes["penalised"] == sizes["pca"] == 4
    seen = [of(1).units.sum() for of in found.values()]
    assert len(set(seen)) == len(seen)


def test_controls_stand_beside_the_trained_sae_with_intervals_over_seeds_and_storms(whole):
    redrawn = redrawn_measures(whole, 3, Episodes(np.arange(120) // 10, "spells"), 20, MEASURES)
    result = beside.beside(redrawn, "spells")
    assert list(result) == list(MEASURES), "controls carry every measure"
    for measure in MEASURES:
        assert set(result[measure]) == {*beside.CONTROLS, "mlp"}
        assert "beyond" not in result[measure]["sae"]
        assert result[measure]["pca"]["reduction"]["over"] == "seeds and spells"
    # how components that are solved for row by row depend on an input is not known
    assert result["gradients"]["nmf"]["reduction"]["mean"] is None
    assert result["gradients"]["ica"]["reduction"]["mean"] is not None
    # the SAE of an untrained network is measured from that network's own units
    before, after = redrawn["every"]["untrained_network_units"][0], redrawn["every"]["untrained_network"][0]
    expected = np.nanmean(1 - after / before)
    assert result["every"]["untrained_network"]["reduction"]["mean"] == pytest.approx(expected)
    trained, wide = (result["every"][name]["reduction"]["mean"] for name in ("sae", "wide"))
    assert result["every"]["wide"]["beyond"]["mean"] == pytest.approx(trained - wide)


def test_chance_is_reported_by_every_measure(whole):
    result = beside.chance(whole, ["mlp", "sae"], 3, 50)
    assert set(result["mlp"]) == {"r95", "beyond", "independent", "published", "every", "living", "effective"}
    assert result["sae"]["r95"]["n"] == 3
    assert result["mlp"]["independent"]["value"] == pytest.approx(1.96 / np.sqrt(120))


def test_a_network_that_is_dead_has_decompositions_in_which_nothing_varies():
    rng = np.random.default_rng(0)
    dead = np.zeros((60, 3), np.float32)
    inputs = Inputs(rng.normal(size=(60, 2)).astype(np.float32))
    hidden = Layer(np.zeros((2, 3), np.float32), -np.ones(3, np.float32))
    made = [
        follow(inputs, [hidden, layer])
        for layer in (decompositions.principal(dead), decompositions.independent(dead, 0))
    ]
    made.append(Responses(decompositions.NonNegative(dead, 4, 0).activations(dead), inputs))
    for responses in made:
        found = evaluate(responses)
        assert (found["every"], np.isnan(found["living"]), np.isnan(found["information"])) == (0, True, True)
