"""Measures of how many inputs units respond to: cases by hand, properties, and independent implementations."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats
from sklearn.linear_model import LinearRegression
from sklearn.metrics import mutual_info_score

from precip_sae.interpretation import strengths
from precip_sae.interpretation.measures import MEASURES, dominant_share, evaluate, reductions, threshold_curve
from precip_sae.interpretation.ordered import BINS
from precip_sae.interpretation.ordered import bins as bins_of
from precip_sae.interpretation.responses import Inputs, Layer, Responses, follow, relevance_of

# Four rows of two inputs that do not depend on each other.
CROSS = np.array([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]])


def responses(units: np.ndarray, inputs: np.ndarray = CROSS) -> Responses:
    return Responses(np.asarray(units, np.float64), Inputs(inputs))


@pytest.fixture
def network() -> tuple[Inputs, list[Layer], Responses]:
    """Correlated inputs, a hidden ReLU layer and an encoder on it, as an SAE on a network has them."""
    rng = np.random.default_rng(3)
    x = rng.normal(size=(400, 4)) @ rng.normal(size=(4, 4))
    x = (x - x.mean(axis=0)) / x.std(axis=0)
    layers = [Layer(rng.normal(size=(4, 5)), rng.normal(size=5)), Layer(rng.normal(size=(5, 7)), rng.normal(size=7))]
    inputs = Inputs(x)
    return inputs, layers, follow(inputs, layers)


def bins(values: np.ndarray) -> np.ndarray:
    return bins_of(values[:, None])[:, 0]


def test_counts_of_three_units_by_hand() -> None:
    """One unit follows the first input, one both (r = 1/sqrt 2 each), one is dead."""
    found = responses(np.column_stack([CROSS[:, 0] > 0, CROSS.sum(axis=1), np.zeros(4)]))
    values = evaluate(found)
    assert values["published"] == values["living"] == 1.5
    assert values["every"] == 1.0
    # they fire in 2 and 2 of 4 rows
    assert values["weighted"] == 1.5
    assert values["effective"] == pytest.approx(1.5)
    assert values["spearman"] == 1.5
    assert threshold_curve(found, (0.5, 0.8)).tolist() == [1.0, 1 / 3]


def test_a_unit_that_fires_often_counts_more_when_weighted_by_firing() -> None:
    both = np.array([3.0, 1.0, 1.0, 0.0])  # r = 0.69 with each input, fires in 3 of 4 rows
    first = np.array([1.0, 0.0, 0.0, 0.0])  # r = 0.58 with each input, in 1 of 4
    alone = np.array([1.0, 1.0, 0.0, 0.0])  # one input, in 2 of 4
    assert evaluate(responses(np.column_stack([both, alone])))["weighted"] == pytest.approx((3 * 2 + 2 * 1) / 5)
    assert evaluate(responses(np.column_stack([first, alone])))["weighted"] == pytest.approx((1 * 2 + 2 * 1) / 3)


def test_dead_units_alone_leave_every_mean_over_living_units_open() -> None:
    values = evaluate(responses(np.zeros((4, 2))))
    assert values["every"] == 0.0
    assert all(np.isnan(value) for name, value in values.items() if name != "every")


def test_measures_of_unknown_ways_are_not_defined() -> None:
    values = evaluate(responses(CROSS))
    assert [name for name, value in values.items() if np.isnan(value)] == ["gradients", "relevance", "dominance"]
    assert np.isnan(dominant_share(responses(CROSS)))


@pytest.mark.parametrize(
    ("shares", "number"), [([1, 0, 0], 1.0), ([1, 1, 0], 2.0), ([1, 1, 1], 3.0), ([3, 1, 0], 1.6), ([1e-200, 0, 0], 1)]
)
def test_effective_number_by_hand(shares: list[float], number: float) -> None:
    assert strengths.effective_number(np.array([shares])) == pytest.approx([number])


@given(arrays(np.float64, (3, 5), elements=st.floats(0, 1e6)))
def test_effective_number_lies_between_one_and_the_number_of_inputs(power: np.ndarray) -> None:
    number = strengths.effective_number(power)
    assert ((number > 0.999) & (number < 5.001))[power.any(axis=1)].all()
    assert np.isnan(number[~power.any(axis=1)]).all()


def test_dominance_by_hand() -> None:
    weights = np.array([[9.0, -1.0], [1.0, 1.0], [0.0, 0.0]])
    assert strengths.dominance(weights) == pytest.approx([0.9, 0.5, np.nan], nan_ok=True)
    found = Responses(CROSS, Inputs(CROSS), weights=weights[:2])
    assert dominant_share(found) == 0.5
    assert MEASURES["dominance"](found) == pytest.approx((10 / 9 + 2) / 2)


def test_spearman_is_scipys(network: tuple[Inputs, list[Layer], Responses]) -> None:
    inputs, _, found = network
    both = stats.spearmanr(np.column_stack([found.units, inputs.values])).statistic
    assert strengths.spearman(found) == pytest.approx(both[:7, 7:], abs=1e-12)


def test_partial_correlation_is_that_of_residuals(network: tuple[Inputs, list[Layer], Responses]) -> None:
    inputs, _, found = network
    x = inputs.values
    for j in range(4):
        others = np.delete(x, j, axis=1)
        fit = LinearRegression().fit(others, np.column_stack([x[:, j], found.units]))
        left = np.column_stack([x[:, j], found.units]) - fit.predict(others)
        assert strengths.partial(found)[:, j] == pytest.approx(np.corrcoef(left.T)[0, 1:], abs=1e-10)


def test_partial_correlation_sees_through_a_correlated_input() -> None:
    rng = np.random.default_rng(0)
    first = rng.normal(size=2000)
    second = first + 0.5 * rng.normal(size=2000)
    found = responses(first[:, None] + 0.1 * rng.normal(size=(2000, 1)), np.column_stack([first, second]))
    assert MEASURES["living"](found) == 2
    assert MEASURES["partial"](found) == 1


def test_partial_correlation_of_repeated_or_constant_inputs_is_not_made_up() -> None:
    x = np.random.default_rng(0).normal(size=(50, 2))
    repeated = np.column_stack([x, x[:, 0]])
    assert np.isnan(strengths.partial(responses(x, repeated))).all()
    constant = np.column_stack([x, np.ones(50)])
    assert strengths.partial(responses(x, constant))[:, :2] == pytest.approx(np.eye(2), abs=1e-6)
    assert np.isnan(strengths.partial(responses(x, constant))[:, 2]).all()


def test_information_is_that_of_scikit_learn_less_chance(network: tuple[Inputs, list[Layer], Responses]) -> None:
    inputs, _, found = network
    mine = strengths.information(found)
    for unit in range(7):
        for j in range(4):
            a, b = bins(found.units[:, unit]), bins(inputs.values[:, j])
            chance = (len(set(a)) - 1) * (len(set(b)) - 1) / (2 * len(a))
            nats = max(mutual_info_score(a, b) - chance, 0.0)
            assert mine[unit, j] == pytest.approx(np.sqrt(1 - np.exp(-2 * nats)), abs=1e-12)


def test_information_sees_a_response_that_no_correlation_does() -> None:
    x = np.random.default_rng(0).normal(size=(5000, 2))
    found = responses(x[:, :1] ** 2, x)
    assert MEASURES["living"](found) == 0
    assert MEASURES["information"](found) == 1


def test_zeros_of_a_relu_are_a_bin_and_the_rest_is_cut_evenly() -> None:
    number = bins(np.concatenate([np.zeros(50), np.arange(1, 91)]))
    assert np.bincount(number, minlength=BINS).tolist() == [50] + [10] * 9
    assert np.bincount(bins(np.arange(100.0)), minlength=BINS).tolist() == [10] * BINS
    assert bins(np.ones(20)).tolist() == [0] * 20


def test_gradients_are_those_of_autograd(network: tuple[Inputs, list[Layer], Responses]) -> None:
    inputs, layers, found = network
    x = torch.from_numpy(inputs.values).requires_grad_()
    a = x
    for layer in layers:
        a = torch.relu(a @ torch.from_numpy(layer.weight) + torch.from_numpy(layer.bias))
    assert found.units == pytest.approx(a.detach().numpy())
    each = [torch.autograd.grad(a[:, unit].sum(), x, retain_graph=True)[0].numpy() for unit in range(7)]
    assert found.gradients() == pytest.approx(np.stack(each, axis=1), abs=1e-12)
    # and with a small epsilon, relevance is gradient times input
    assert found.relevance() == pytest.approx(np.stack(each, axis=1) * inputs.values[:, None, :], rel=0.01, abs=1e-6)


def test_relevance_follows_the_epsilon_rule_row_by_row(network: tuple[Inputs, list[Layer], Responses]) -> None:
    inputs, layers, _ = network
    first, second, epsilon = layers[0], layers[1], 0.25
    mine = relevance_of(inputs, layers, epsilon)
    for row in range(0, 400, 40):
        x = inputs.values[row]
        z = [sum(x[i] * first.weight[i, k] for i in range(4)) + first.bias[k] for k in range(5)]
        h = [max(value, 0.0) for value in z]
        for unit in range(7):
            top = sum(h[k] * second.weight[k, unit] for k in range(5)) + second.bias[unit]
            start = max(top, 0.0) / (top + (epsilon if top >= 0 else -epsilon))
            middle = [h[k] * second.weight[k, unit] * start for k in range(5)]
            shares = [middle[k] / (z[k] + (epsilon if z[k] >= 0 else -epsilon)) for k in range(5)]
            wanted = [sum(x[i] * first.weight[i, k] * shares[k] for k in range(5)) for i in range(4)]
            assert mine[row, unit] == pytest.approx(wanted, abs=1e-10)


def test_a_linear_unit_of_one_input_has_one_by_every_measure() -> None:
    rng = np.random.default_rng(1)
    inputs = Inputs(rng.normal(size=(3000, 3)))
    values = evaluate(follow(inputs, [Layer(np.eye(3), np.zeros(3), relu=False)]))
    assert values == pytest.approx(dict.fromkeys(MEASURES, 1.0), abs=0.01)


def test_a_sum_of_independent_inputs_has_as_many_by_every_effective_number() -> None:
    rng = np.random.default_rng(1)
    inputs = Inputs(rng.normal(size=(20_000, 3)))
    values = evaluate(follow(inputs, [Layer(np.ones((3, 1)), np.zeros(1))]))
    for name in ("published", "partial", "effective", "effective_partial", "gradients", "relevance", "dominance"):
        assert values[name] == pytest.approx(3, abs=0.01), name


def test_reductions_compare_dictionaries_and_leave_open_what_is_not_defined() -> None:
    two = responses(CROSS.sum(axis=1, keepdims=True))
    one = responses(CROSS[:, :1])
    found = reductions(two, one)
    assert found["published"] == found["living"] == 0.5
    assert found["effective"] == pytest.approx(0.5)
    assert np.isnan(found["gradients"])


def test_every_measure_says_what_it_computes_and_after_whom() -> None:
    assert all(measure.title and measure.formula and measure.source for measure in MEASURES.values())
