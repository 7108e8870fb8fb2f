"""The variants of SAE against plain numpy, one model and one row at a time, and what they must keep to."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from precip_sae.models.dictionary import decoded, largest
from precip_sae.models.initial import sae_weights
from precip_sae.models.reference import KerasAdam
from precip_sae.models.sae import SAE
from precip_sae.models.variant_training import across, fit_variant, resample, row_batches
from precip_sae.models.variants import (
    AUXILIARY,
    BANDWIDTH,
    L1,
    VARIANTS,
    BatchTopK,
    Gated,
    JumpReLU,
    Matryoshka,
    TopK,
    Variant,
    auxiliary,
    prefixes,
)
from precip_sae.settings import DescentSettings

EVERY = pytest.mark.parametrize("name", VARIANTS)
SHORT = DescentSettings(steps=40, batch=16, learning_rate=0.01)
PENALTY = {"topk": 2.0, "batch_topk": 2.0, "matryoshka": 2.0}


def activations(models: int = 2, rows: int = 64, units: int = 3) -> NDArray[np.float32]:
    return np.maximum(np.random.default_rng(5).normal(size=(models, rows, units)), 0).astype(np.float32)


def untrained(name: str, h: NDArray[np.float32], latents: int = 6) -> Variant:
    """A variant with weights that are nothing special."""
    stack = VARIANTS[name].start(h, latents, [np.random.default_rng(seed) for seed in range(len(h))])
    generator = np.random.default_rng(7)
    with torch.no_grad():
        for parameter, value in stack.named().items():
            if parameter == "k":
                value.fill_(2.0)
            elif parameter == "threshold":
                value.fill_(0.1)
            elif parameter != "scale":
                value.add_(torch.from_numpy(0.2 * generator.normal(size=value.shape)))
    return stack


def latents_by_hand(name: str, w: dict[str, NDArray], h: NDArray) -> NDArray:
    """f of one row, from the formula of its source, in float64."""
    w = {key: np.float64(value) for key, value in w.items()}
    x = h / w["scale"]
    centred = x if name in ("keras3", "batch_mean") else x - w["decoder.bias"]
    z = centred @ w["encoder.weight"] + w["encoder.bias"]
    positive = np.maximum(z, 0)
    match name:
        case "topk":
            kept = np.argsort(-positive)[: int(w["k"])]
            return np.where(np.isin(np.arange(len(z)), kept), positive, 0)
        case "batch_topk" | "matryoshka":
            return np.where(positive >= w["threshold"], positive, 0)
        case "jumprelu":
            return np.where(positive > np.exp(w["log_threshold"]), positive, 0)
        case "gated":
            magnitude = np.exp(w["magnitude.scale"]) * (centred @ w["encoder.weight"]) + w["magnitude.bias"]
            return np.where(z > 0, np.maximum(magnitude, 0), 0)
        case _:
            return positive


@EVERY
def test_a_variant_codes_as_the_formula_of_its_source_says(name: str) -> None:
    h = activations()
    stack = untrained(name, h)
    latents, reconstruction, directions = decoded(stack, h)
    for model in range(2):
        w = stack.arrays(model)
        for row in range(0, 64, 7):
            f = latents_by_hand(name, w, h[model, row].astype(np.float64))
            np.testing.assert_allclose(latents[model, row], f, atol=1e-5)
            x = f @ w["decoder.weight"] + w["decoder.bias"]
            np.testing.assert_allclose(reconstruction[model, row], w["scale"] * x, atol=1e-5)
        np.testing.assert_allclose(directions[model], w["scale"] * w["decoder.weight"], rtol=1e-6)


@EVERY
def test_forward_is_decode_of_encode_and_no_latent_is_negative(name: str) -> None:
    h = torch.from_numpy(activations())
    stack = untrained(name, h.numpy())
    with torch.no_grad():
        latents = stack.encode(h)
        assert (latents >= 0).all()
        torch.testing.assert_close(stack(h), stack.decode(latents), rtol=0, atol=0)


@EVERY
def test_a_row_s_code_does_not_depend_on_the_rows_beside_it(name: str) -> None:
    h = torch.from_numpy(activations())
    stack = untrained(name, h.numpy())
    with torch.no_grad():
        torch.testing.assert_close(stack.encode(h)[:, :5], stack.encode(h[:, :5]))


@EVERY
def test_a_direction_is_what_one_more_of_a_latent_adds(name: str) -> None:
    stack = untrained(name, activations())
    none, one = torch.zeros(2, 1, 6), torch.zeros(2, 1, 6)
    one[:, :, 4] = 1.0
    with torch.no_grad():
        torch.testing.assert_close((stack.decode(one) - stack.decode(none))[:, 0], stack.directions[:, 4])


def test_the_study_s_own_sae_is_a_dictionary_too() -> None:
    sae = SAE.of([sae_weights(0, 3, 6)])
    latents, reconstruction, directions = decoded(sae, activations(1))
    np.testing.assert_allclose(latents @ directions + sae.arrays(0)["decoder.bias"], reconstruction, atol=1e-6)


@EVERY
def test_training_is_the_same_twice_and_alone_as_beside_others(name: str) -> None:
    h, penalty = activations(), PENALTY.get(name, 0.01)
    both = fit_variant(name, h, 6, [penalty] * 2, SHORT, [3, 4])
    again = fit_variant(name, h, 6, [penalty] * 2, SHORT, [3, 4])
    alone = fit_variant(name, h[1:], 6, [penalty], SHORT, [4])
    for parameter, value in both.named().items():
        np.testing.assert_array_equal(value.detach(), again.named()[parameter].detach())
        np.testing.assert_allclose(value.detach()[1], alone.named()[parameter].detach()[0], atol=1e-5)


@EVERY
def test_training_explains_variance_and_keeps_what_its_source_keeps(name: str) -> None:
    h, penalty = activations(rows=512), PENALTY.get(name, 1e-4)
    stack = fit_variant(name, h, 12, [penalty] * 2, SHORT.model_copy(update={"steps": 300}), [0, 1])
    _, reconstruction, _ = decoded(stack, h)
    left = np.square(h - reconstruction).sum() / np.square(h - h.mean(axis=1, keepdims=True)).sum()
    assert left < 0.35
    norms = stack.named()["decoder.weight"].detach().norm(dim=2)
    if VARIANTS[name].UNIT_NORM:
        torch.testing.assert_close(norms, torch.ones_like(norms))
    else:
        assert float((norms - 1).abs().max()) > 0.01


@given(st.lists(st.integers(0, 5), min_size=6, max_size=6), st.integers(1, 6))
def test_the_largest_of_a_row_stay_and_ties_with_the_last_of_them(values: list[int], k: int) -> None:
    row = torch.tensor(values, dtype=torch.float32).reshape(1, 1, 6)
    least = sorted(values, reverse=True)[k - 1]
    expected = [value if value >= least else 0 for value in values]
    assert largest(row, torch.tensor([float(k)]))[0, 0].tolist() == expected


def test_models_with_different_k_keep_each_their_own_number() -> None:
    values = torch.rand(3, 4, 8, generator=torch.Generator().manual_seed(0))
    kept = largest(values, torch.tensor([1.0, 3.0, 1.0]))
    assert (kept > 0).sum(dim=2).unique(dim=1)[:, 0].tolist() == [1, 3, 1]


def test_batch_topk_shares_its_latents_between_the_rows_of_a_batch() -> None:
    stack = untrained("batch_topk", activations(1))
    assert isinstance(stack, BatchTopK)
    positive = torch.tensor([[[5.0, 4.0, 3.0, 2.0], [1.0, 0.5, 0.2, 0.1]]])
    with torch.no_grad():
        kept = stack.among_batch(positive)
    assert kept[0].tolist() == [[5.0, 4.0, 3.0, 2.0], [0.0, 0.0, 0.0, 0.0]]  # k = 2 per row, four of the batch


def test_the_threshold_of_batch_topk_gives_about_as_many_latents_as_it_was_trained_with() -> None:
    h = activations(2, 2048, 8)
    stack = fit_variant("batch_topk", h, 16, [1.0, 3.0], SHORT.model_copy(update={"steps": 300, "batch": 64}), [0, 0])
    active = (decoded(stack, h)[0] > 0).sum(axis=2).mean(axis=1)
    np.testing.assert_allclose(active, [1.0, 3.0], rtol=0.15)


def objective(stack: Variant, h: NDArray, penalty: float, dead: NDArray | None = None) -> NDArray:
    dead = np.zeros((len(h), 6), bool) if dead is None else dead
    with torch.no_grad():
        x = stack.scaled(torch.from_numpy(h))
        return stack.objective(x, torch.full((len(h),), penalty), torch.from_numpy(dead))[0].numpy()


def parts(stack: Variant, h: NDArray, model: int) -> tuple[NDArray, NDArray, NDArray, dict[str, NDArray]]:
    w = {key: np.float64(value) for key, value in stack.arrays(model).items()}
    x = h[model] / w["scale"]
    z = (x - w["decoder.bias"]) @ w["encoder.weight"] + w["encoder.bias"]
    f = np.array([latents_by_hand(NAMES[type(stack)], w, row) for row in h[model].astype(np.float64)])
    return x, z, f, w


NAMES = {kind: name for name, kind in VARIANTS.items()}


def squared(x: NDArray, f: NDArray, w: dict[str, NDArray]) -> float:
    return float(np.square(x - f @ w["decoder.weight"] - w["decoder.bias"]).sum(axis=1).mean())


def test_the_losses_are_those_of_the_sources() -> None:
    h = activations()
    for name, penalty in (("l1", 0.3), ("jumprelu", 0.3), ("gated", 0.3), ("topk", 2.0)):
        stack = untrained(name, h)
        for model, loss in enumerate(objective(stack, h, penalty)):
            x, z, f, w = parts(stack, h, model)
            expected = squared(x, f, w)
            gate = np.maximum(z, 0)
            if isinstance(stack, L1):
                expected += penalty * f.sum(axis=1).mean()
            elif isinstance(stack, JumpReLU):
                expected += penalty * (f > 0).sum(axis=1).mean()
            elif isinstance(stack, Gated):
                expected += penalty * gate.sum(axis=1).mean() + squared(x, gate, w)
            assert loss == pytest.approx(expected, rel=1e-4), name


def test_matryoshka_asks_its_first_latents_to_do_alone() -> None:
    h = activations()
    stack = untrained("matryoshka", h)
    assert isinstance(stack, Matryoshka)
    assert prefixes(6) == [2, 3, 6]  # a quarter is 1.5 latents
    for model, loss in enumerate(objective(stack, h, 2.0)):
        x, z, _, w = parts(stack, h, model)
        positive = np.maximum(z, 0)
        f = np.where(positive >= np.sort(positive.ravel())[-2 * len(x)], positive, 0)
        alone = [squared(x, np.where(np.arange(6) < size, f, 0), w) for size in (2, 3, 6)]
        assert loss == pytest.approx(np.mean(alone), rel=1e-4)


def test_the_auxiliary_loss_lets_dead_latents_explain_what_is_left_and_moves_no_living_one() -> None:
    h = activations(1)
    stack = untrained("topk", h)
    assert isinstance(stack, TopK)
    dead = torch.tensor([[False, False, False, True, True, False]])
    positive = torch.rand(1, 64, 6, generator=torch.Generator().manual_seed(1))
    left = torch.from_numpy(h) - 0.3
    loss = auxiliary(stack, left, positive, dead)
    assert isinstance(loss, torch.Tensor)
    # half of three units: one dead latent a row, the larger
    p, d = positive[0].detach().numpy(), stack.arrays(0)["decoder.weight"]
    used = np.where(p[:, 3] > p[:, 4], 3, 4)
    guess = p[np.arange(64), used][:, None] * d[used]
    assert loss.item() == pytest.approx(AUXILIARY * np.square(left[0].numpy() - guess).sum(axis=1).mean(), rel=1e-5)
    (gradient,) = torch.autograd.grad(loss.sum(), [stack.decoder_weight])
    assert gradient[0, [0, 1, 2, 5]].abs().max() == 0
    assert gradient[0, [3, 4]].abs().max() > 0


def test_a_jumprelu_threshold_learns_through_its_kernel() -> None:
    h = activations(1)
    stack = untrained("jumprelu", h)
    assert isinstance(stack, JumpReLU)
    every = torch.relu(stack.before(stack.scaled(torch.from_numpy(h)))).detach()[0]
    row, near = divmod(int(every.argmax()), 6)
    x, z = stack.scaled(torch.from_numpy(h[:, row : row + 1])), every[row]
    threshold = float(z[near]) - BANDWIDTH / 4
    with torch.no_grad():
        stack.log_threshold.fill_(10.0)
        stack.log_threshold[0, near] = np.log(threshold)
    latents, above = stack.jumped(x)
    (moved,) = torch.autograd.grad(latents.sum(), [stack.log_threshold], retain_graph=True)
    (counted,) = torch.autograd.grad(above.sum(), [stack.log_threshold])
    # d t / d log t = t, on top of the source's -t / w and -1 / w
    assert float(moved[0, near]) == pytest.approx(-threshold / BANDWIDTH * threshold, rel=1e-4)
    assert float(counted[0, near]) == pytest.approx(-1 / BANDWIDTH * threshold, rel=1e-4)
    assert moved.abs().sum() == moved[0, near].abs()


def test_a_gradient_that_stretches_a_direction_is_taken_out() -> None:
    decoder = torch.tensor([[[0.6, 0.8]]])
    torch.testing.assert_close(across(torch.tensor([[[0.6, 0.8]]]), decoder), torch.zeros(1, 1, 2))
    torch.testing.assert_close(across(torch.tensor([[[-0.8, 0.6]]]), decoder), torch.tensor([[[-0.8, 0.6]]]))


def test_resampled_latents_turn_to_rows_that_are_badly_reconstructed_and_others_stay() -> None:
    h = np.zeros((1, 50, 2), np.float32)
    h[0, :, 0] = np.linspace(0.9, 1.1, 50)
    h[0, 7] = (0.0, 40.0)  # the one row that nothing explains
    stack = VARIANTS["l1"].start(h, 3, [np.random.default_rng(0)])
    with torch.no_grad():
        stack.encoder_bias.fill_(-100.0)
        stack.decoder_bias.copy_(torch.tensor([[1.0, 0.0]]) / stack.scale)
        before = {name: value.detach().clone() for name, value in stack.named().items()}
        names = [name for name in stack.names if name not in stack.FIXED]
        adam = KerasAdam(torch.nn.ParameterList(stack.named()[name] for name in names), 0.01)
        for moment in adam.m:
            moment.fill_(1.0)
        dead = torch.tensor([[False, True, False]])
        resample(stack, adam, stack.scaled(torch.from_numpy(h)), dead, [np.random.default_rng(1)])
    toward = np.array([-1.0, 40.0]) / np.hypot(1, 40)
    np.testing.assert_allclose(stack.directions[0, 1].detach() / stack.scale.item(), toward, atol=1e-3)
    assert stack.encoder_bias[0].tolist() == [-100.0, 0.0, -100.0]
    torch.testing.assert_close(stack.encoder_weight[0][:, [0, 2]], before["encoder.weight"][0][:, [0, 2]])
    moments = dict(zip(names, adam.m, strict=True))
    assert moments["encoder.weight"][0].sum(dim=0).tolist() == [2.0, 0.0, 2.0]
    assert moments["decoder.bias"].sum() == 2.0


def test_equal_seeds_see_the_same_rows_and_a_pass_visits_each_once() -> None:
    settings = DescentSettings(steps=10, batch=5, learning_rate=0.01)
    steps = list(row_batches([4, 9, 4], 25, settings))
    assert len(steps) == 10
    for rows in steps:
        torch.testing.assert_close(rows[0], rows[2])
    first = torch.cat(steps[:5], dim=1)
    assert sorted(first[1].tolist()) == list(range(25))
    assert first[0].tolist() != torch.cat(steps[5:], dim=1)[0].tolist()
