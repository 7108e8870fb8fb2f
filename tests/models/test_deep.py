"""Networks of several layers and responses, held to torch's own."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy, mse_loss

from precip_sae.models.deep import Deep, Responses, activations, joint_loss, skill, train_deep
from precip_sae.models.initial import deep_weights, row_order
from precip_sae.models.reference import KerasAdam
from precip_sae.settings import DeepTraining

RNG = np.random.default_rng(0)
X = RNG.normal(size=(300, 5)).astype(np.float32)
RESPONSES = Responses(
    np.stack([X[:, 0] * X[:, 1], np.abs(X[:, 2])], axis=1).astype(np.float32), (X[:, 3] > 0).astype(np.int64) + 1, 3
)


def twin(stack: Deep, model: int) -> nn.Sequential:
    """The same network as plain torch modules."""
    arrays = stack.arrays(model)
    modules: list[nn.Module] = []
    for name in [f"hidden{k + 1}" for k in range(stack.depth)] + ["output"]:
        weight, bias = arrays[f"{name}.weight"], arrays[f"{name}.bias"]
        linear = nn.Linear(*weight.shape)
        linear.weight.data, linear.bias.data = torch.tensor(weight.T), torch.tensor(bias)
        modules += [linear, nn.ReLU()]
    return nn.Sequential(*modules[:-1])


def stack_of(layers: list[int], seeds: list[int]) -> Deep:
    return Deep.of([deep_weights(seed, 5, layers, RESPONSES.outputs) for seed in seeds])


@pytest.mark.parametrize("layers", [[4], [6, 3], [8, 4, 32]])
def test_every_network_of_a_stack_is_the_plain_one(layers: list[int]) -> None:
    stack = stack_of(layers, [3, 8])
    assert stack.depth == len(layers)
    z = stack(torch.from_numpy(X))
    for model in range(2):
        plain = twin(stack, model)
        assert z[model].detach().numpy() == pytest.approx(plain(torch.from_numpy(X)).detach().numpy(), abs=1e-5)
        for layer, found in enumerate(activations(stack, X)):
            assert found.shape == (2, 300, layers[layer])
            expected = plain[: 2 * layer + 2](torch.from_numpy(X)).detach().numpy()
            assert found[model] == pytest.approx(expected, abs=1e-5)


def test_the_gradient_of_a_stack_is_that_of_each_network() -> None:
    stack = stack_of([6, 4], [0, 1])
    numbers, classes = torch.from_numpy(RESPONSES.numbers), torch.from_numpy(RESPONSES.classes)
    loss = joint_loss(stack(torch.from_numpy(X)), numbers.expand(2, -1, -1), classes.expand(2, -1), RESPONSES.entropy())
    loss.sum().backward()
    for model in range(2):
        plain = twin(stack, model)
        z = plain(torch.from_numpy(X))
        alone = mse_loss(z[:, 3], numbers[:, 0]) + mse_loss(z[:, 4], numbers[:, 1])
        alone = (alone + cross_entropy(z[:, :3], classes) / RESPONSES.entropy()) / 3
        assert loss[model].item() == pytest.approx(alone.item(), rel=1e-5)
        alone.backward()
        expected = plain[0].weight.grad.T.numpy()
        assert stack.named()["hidden1.weight"].grad[model].numpy() == pytest.approx(expected, abs=1e-6)


def test_a_forecast_of_climatology_has_the_loss_one_whatever_the_units() -> None:
    numbers = (RESPONSES.numbers - RESPONSES.numbers.mean(axis=0)) / RESPONSES.numbers.std(axis=0)
    shares = np.bincount(RESPONSES.classes, minlength=3) / 300
    z = np.concatenate([np.log(np.maximum(shares, 1e-30)), [0, 0]]).astype(np.float32)
    loss = joint_loss(
        torch.from_numpy(np.tile(z, (1, 300, 1))), torch.from_numpy(numbers)[None],
        torch.from_numpy(RESPONSES.classes)[None], RESPONSES.entropy(),
    )  # fmt: skip
    assert loss.item() == pytest.approx(1, abs=1e-4)
    assert Responses(numbers[:, :0], np.array([0, 0, 1, 1]), 2).entropy() == pytest.approx(np.log(2))


def test_a_network_trains_the_same_alone_and_beside_others() -> None:
    settings = DeepTraining(epochs=3, batch=64, learning_rate=3e-3)
    together = train_deep(X, RESPONSES, [6, 4], settings, [4, 7])
    alone = train_deep(X, RESPONSES, [6, 4], settings, [7])
    for name, values in alone.arrays(0).items():
        assert together.arrays(1)[name] == pytest.approx(values, abs=1e-5)


def test_training_is_adam_on_shuffled_batches_of_the_plain_network() -> None:
    settings = DeepTraining(epochs=2, batch=128, learning_rate=1e-2)
    trained = train_deep(X, RESPONSES, [4], settings, [5])
    stack = stack_of([4], [5])
    adam = KerasAdam(stack, 1e-2)
    for epoch in range(2):
        order = row_order(5, 300, epoch, "per_epoch")
        for start in (0, 128, 256):
            rows = order[start : start + 128]
            z = stack(torch.from_numpy(X[rows]))
            numbers, classes = RESPONSES.rows(rows).numbers, RESPONSES.rows(rows).classes
            adam.step(
                joint_loss(z, torch.from_numpy(numbers)[None], torch.from_numpy(classes)[None], RESPONSES.entropy())[0]
            )
    for name, values in stack.arrays(0).items():
        assert trained.arrays(0)[name] == pytest.approx(values, abs=1e-5)


def test_training_learns_classes_and_numbers_together() -> None:
    before = skill(stack_of([16], [1]), X, RESPONSES)
    trained = train_deep(X, RESPONSES, [16], DeepTraining(epochs=80, batch=64, learning_rate=1e-2), [1])
    after = skill(trained, X, RESPONSES)
    assert after.shape == (1, 3)
    assert (after > np.maximum(before, 0.8)).all()


def test_numbers_alone_need_no_classes() -> None:
    only = Responses(RESPONSES.numbers)
    trained = train_deep(X, only, [16], DeepTraining(epochs=40, batch=64, learning_rate=1e-2), [1])
    assert only.outputs == 2
    assert (skill(trained, X, only) > 0.7).all()


def test_seeds_and_layers_have_weights_of_their_own() -> None:
    one, other = deep_weights(0, 5, [4, 4], 2), deep_weights(1, 5, [4, 4], 2)
    assert list(one) == [f"{n}.{p}" for n in ("hidden1", "hidden2", "output") for p in ("weight", "bias")]
    assert not np.isclose(one["hidden1.weight"], other["hidden1.weight"]).any()
    assert not one["hidden1.bias"].any()
    assert not one["output.bias"].any()
    assert np.abs(one["hidden1.weight"]).max() <= np.sqrt(6 / 9)


def test_networks_are_the_same_bytes_on_one_thread_and_on_two() -> None:
    settings, seeds = DeepTraining(epochs=2, batch=64, learning_rate=1e-2), range(12)
    one, two = (train_deep(X, RESPONSES, [6, 4], settings, seeds, threads=threads) for threads in (1, 2))
    for name, values in one.named().items():
        assert values.detach().numpy().tobytes() == two.named()[name].detach().numpy().tobytes()
    with torch.no_grad():
        alone = train_deep(X, RESPONSES, [6, 4], settings, [6])(torch.from_numpy(X))[0]
        torch.testing.assert_close(one(torch.from_numpy(X))[6], alone, rtol=0, atol=1e-4)
