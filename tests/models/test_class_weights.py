"""Class weights: Keras' loss by hand, the engine against the reference, and a search that learns with them too."""

import numpy as np
import pytest
import torch

from precip_sae.models import engine, reference
from precip_sae.models.class_weights import class_weights
from precip_sae.models.initial import mlp_weights, row_order
from precip_sae.search.plan import Plan, Unit
from precip_sae.search.unit import Work, run_unit
from precip_sae.settings import DataSettings, MLPSettings, SAESettings
from precip_sae.tasks.prepare import Part, Prepared

CLASSES = ("Rain", "Snow", "Mix")


def part(rows: int, seed: int) -> Part:
    """Three classes, the last of them rare."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((rows, 4)).astype(np.float32)
    return Part(x, np.digitize(x[:, 0] + 0.5 * rng.standard_normal(rows), [0.2, 1.6]), CLASSES)


FIT, CHECK = part(203, 0), part(60, 1)
WEIGHTS = [{"Mix": 7.5, "Rain": 0.3}, "balanced"]


def settings(weights, **changes) -> MLPSettings:
    return MLPSettings(hidden=5, class_weights=weights, **changes)


def test_balanced_gives_every_class_the_same_share_of_the_loss() -> None:
    train = Part(np.zeros((8, 1), np.float32), np.array([0, 0, 0, 0, 0, 1, 1, 2]), CLASSES)
    found = class_weights(settings("balanced"), train, 3)
    np.testing.assert_allclose(found, [8 / 15, 8 / 6, 8 / 3], rtol=1e-6)


def test_a_class_without_a_weight_of_its_own_counts_once_as_in_keras() -> None:
    np.testing.assert_array_equal(class_weights(settings({"Mix": 4}), FIT, 3), np.float32([1, 1, 4]))
    assert class_weights(settings(None), FIT, 3) is None


def test_weights_by_name_are_not_given_to_the_wrong_classes() -> None:
    with pytest.raises(ValueError, match="names 0 classes, expected 3"):
        class_weights(settings({"Mix": 4}), Part(FIT.x, FIT.y), 3)


def test_the_weighted_loss_is_averaged_over_the_rows_of_the_batch_as_in_keras() -> None:
    # one batch of ten rows before any step: sum of w l over 10, not over the sum of the weights
    few = Part(FIT.x[:10], FIT.y[:10], CLASSES)
    _, history = reference.train_mlps(few, CHECK, "classification", 3, settings(WEIGHTS[0], epochs=1), [2])
    start, order = mlp_weights(2, 4, 5, 3), row_order(2, 10, 0, "fixed")
    hidden = np.maximum(few.x[order] @ start["hidden.weight"] + start["hidden.bias"], 0)
    z = (hidden @ start["output.weight"] + start["output.bias"]).astype(np.float64)
    losses = np.log(np.exp(z).sum(axis=1)) - z[np.arange(10), few.y[order]]
    by_hand = (np.array([0.3, 1, 7.5])[few.y[order]] * losses).sum() / 10
    assert history["loss"][0] == pytest.approx(by_hand, rel=1e-5)


@pytest.mark.parametrize("weights", WEIGHTS)
@pytest.mark.parametrize("batch", [7, 32])
def test_weighted_networks_of_the_engine_are_those_of_the_reference(weights, batch) -> None:
    chosen = settings(weights, epochs=12, batch=batch)
    expected, expected_history = reference.train_mlps(FIT, CHECK, "classification", 3, chosen, [3, 0])
    found, history = engine.train_mlps(FIT, CHECK, "classification", 3, chosen, [3, 0])
    for p, q in zip(expected.parameters(), found.parameters(), strict=True):
        torch.testing.assert_close(p, q, atol=1e-6, rtol=0)
    np.testing.assert_allclose(history, expected_history, rtol=2e-5, atol=2e-6)


def test_a_rare_class_is_found_more_often_when_it_counts_more() -> None:
    def recall(weights) -> float:
        stack, _ = engine.train_mlps(FIT, CHECK, "classification", 3, settings(weights, epochs=200), range(4))
        with torch.no_grad():
            predicted = stack(torch.from_numpy(CHECK.x)).numpy().argmax(axis=2)
        return float((predicted[:, CHECK.y == 2] == 2).mean())

    assert recall({"Mix": 20}) > recall(None)


def test_validation_scores_are_not_weighted() -> None:
    chosen = settings({"Mix": 50}, epochs=1)
    stack, history = engine.train_mlps(FIT, CHECK, "classification", 3, chosen, [1])
    with torch.no_grad():
        z = stack(torch.from_numpy(CHECK.x))[0]
    plain = torch.nn.functional.cross_entropy(z, torch.from_numpy(CHECK.y))
    assert history["val_loss"][0] == pytest.approx(float(plain), rel=1e-5)


def test_a_search_learns_with_the_same_weights_as_the_task() -> None:
    data = DataSettings(
        table="t.csv", predictors=list("abcd"), response="y", kind="classification", classes=list(CLASSES)
    )
    prepared = Prepared(data, FIT, CHECK, CHECK, CHECK, np.zeros(4), np.ones(4), {})
    seeds = np.array([0, 3])
    unit = Unit(0, np.tile(np.arange(4), (2, 1)), seeds, np.zeros(2, np.int64))
    chosen = settings("balanced", epochs=4)
    work = Work(Plan([tuple("abcd")], [prepared], [unit]), "classification", 3, chosen, SAESettings(epochs=1), 0.4)
    _, history = engine.train_mlps(FIT, CHECK, "classification", 3, chosen, seeds.tolist())
    last = history[history["epoch"] == 4]
    assert run_unit(work, unit)["val_loss"].tolist() == last["val_loss"].tolist()
