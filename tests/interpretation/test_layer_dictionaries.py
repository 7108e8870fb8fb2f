"""What a layer is taken apart into, each against an independent way to make it."""

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA

from precip_sae.interpretation.layer_dictionaries import KINDS, coded, dictionaries, scales
from precip_sae.models.engine.variants import fit_saes
from precip_sae.models.initial import sae_weights
from precip_sae.models.reference import KerasAdam, batches, sae_loss
from precip_sae.models.sae import SAE
from precip_sae.settings import DictionarySettings

RNG = np.random.default_rng(0)
FIT = np.maximum(RNG.normal(size=(2, 400, 3)) @ RNG.normal(size=(3, 3)) + 1, 0).astype(np.float32)
TEST = np.maximum(RNG.normal(size=(2, 100, 3)), 0).astype(np.float32)
SMALL = DictionarySettings(epochs=2, batch=64, l1=[0.0, 0.05])


def made(wider: np.ndarray | None = None) -> dict:
    return {(d.kind, d.l1): d for d in dictionaries(FIT, TEST, SMALL, [4, 5], wider)}


def test_every_kind_has_its_number_of_elements() -> None:
    found = made(np.ones((2, 100, 6), np.float32))
    assert {kind for kind, _ in found} == set(KINDS)
    sizes = {key: d.units.shape for key, d in found.items()}
    assert sizes.pop(("units", None)) == sizes.pop(("pca", None)) == (2, 100, 3)
    # all others have two elements per unit, so that the best of them has equally many chances
    assert set(sizes.values()) == {(2, 100, 6)}
    assert ("wider", None) not in made()


def test_units_are_the_layer_itself_and_components_those_of_scikit_learn() -> None:
    found = made()
    assert (found[("units", None)].units == TEST).all()
    for model in range(2):
        theirs = PCA().fit(FIT[model].astype(float)).transform(TEST[model].astype(float))
        ours = found[("pca", None)].units[model]
        assert np.abs(ours) == pytest.approx(np.abs(theirs), abs=1e-4)
        both = found[("both", None)].units[model]
        assert (both[:, :3] == TEST[model]).all()
        assert (both[:, 3:] == ours).all()


def test_the_untrained_sae_is_the_one_that_training_starts_from() -> None:
    scaled = torch.from_numpy(TEST / scales(FIT))
    start = SAE.of([sae_weights(seed, 3, 6) for seed in (4, 5)])
    assert made()[("untrained", None)].units == pytest.approx(start.encode(scaled).detach().numpy())


def test_the_variance_of_a_scaled_layer_is_one_per_unit_and_a_dead_layer_stays() -> None:
    assert (FIT / scales(FIT)).var(axis=1).mean(axis=1) == pytest.approx([1, 1], rel=1e-5)
    assert scales(np.zeros((1, 9, 3), np.float32)).item() == 1


def test_saes_of_several_penalties_train_as_each_alone() -> None:
    h = FIT / scales(FIT)
    together = fit_saes(h, SMALL, [4, 5])
    alone = fit_saes(h[1:], SMALL.model_copy(update={"l1": [0.05]}), [5])[0]
    for name, values in alone.arrays(0).items():
        assert together[1].arrays(1)[name] == pytest.approx(values, abs=1e-5)
    weak, strong = (coded(stack, TEST / scales(FIT))[0].sum() for stack in together)
    assert strong < weak


def test_training_is_the_reference_objective_on_shuffled_batches() -> None:
    h = FIT[:1] / scales(FIT[:1])
    settings = SMALL.model_copy(update={"l1": [0.05], "epochs": 3, "batch": 150})  # the last batch of an epoch has 100
    ours = fit_saes(h, settings, [4])[0]
    stack, order = SAE.of([sae_weights(4, 3, 6)]), np.random.default_rng(0)
    adam = KerasAdam(stack, settings.learning_rate)
    for _ in range(settings.epochs):
        shuffled = torch.from_numpy(h[:, order.permutation(400)])
        for batch in batches(400, settings.batch):
            adam.step(sae_loss(shuffled[:, batch], stack, 0.05, "batch_mean").sum())
    for name, values in stack.arrays(0).items():
        assert ours.arrays(0)[name] == pytest.approx(values, abs=1e-5)


def test_saes_are_the_same_bytes_on_one_thread_and_on_two() -> None:
    one, two = (fit_saes(FIT, SMALL, [4, 5], threads=threads) for threads in (1, 2))
    for first, second in zip(one, two, strict=True):
        for name, values in first.named().items():
            assert values.detach().numpy().tobytes() == second.named()[name].detach().numpy().tobytes()


def test_a_reconstruction_is_judged_on_the_layer_s_own_scale() -> None:
    # without a penalty and after long training little is left unexplained, whatever the scale of the activations
    settings = DictionarySettings(epochs=40, batch=40, l1=[0.0], learning_rate=2e-2)
    for factor in (1e-2, 1e3):
        found = dictionaries(FIT * np.float32(factor), FIT * np.float32(factor), settings, [4, 5])
        assert found[-1].fvu.max() < 0.1


def test_further_kinds_are_fitted_on_the_scaled_layer_and_judged_beside_the_others() -> None:
    def more(h: np.ndarray, seeds: list[int]) -> dict:
        assert h == pytest.approx(FIT / scales(FIT))
        return {"long": fit_saes(h, SMALL.model_copy(update={"l1": [0.05]}), seeds)[0]}

    found = dictionaries(FIT, TEST, SMALL, [4, 5], more=more)
    long, strong = found[-1], found[-2]
    assert (long.kind, strong.kind) == ("long", "sae")
    assert long.units == pytest.approx(strong.units, abs=1e-5)
    assert long.fvu == pytest.approx(strong.fvu, abs=1e-5)
