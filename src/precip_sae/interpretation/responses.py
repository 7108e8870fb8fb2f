"""What a measure may look at: the units of one dictionary beside the inputs that they respond to.

A dictionary is anything whose units can be read off in every row: the hidden units of a network, the latents of an
SAE, principal components, the latents of a toy model. Where the way from the inputs to the units is known in closed
form (layers of weights, biases and ReLUs), gradients and relevances follow from it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from precip_sae.interpretation.ordered import BINS, bins, mean_ranks
from precip_sae.interpretation.sensitivity import correlations

Values = NDArray[np.float64]

# Adds to |z| where relevance is divided by it, so that nothing is divided by zero (see `relevance_of`).
EPSILON = 1e-6
# Inputs whose correlations have a larger condition number determine each other.
MOST_CONDITION = 1e10


class Inputs:
    """The inputs of many dictionaries; what is worked out from them once is kept for the next dictionary.

    Args:
        values: standardised inputs [rows, inputs].
    """

    def __init__(self, values: NDArray[np.floating]) -> None:
        self.values = np.ascontiguousarray(values)

    @cached_property
    def ranks(self) -> Values:
        """Ranks within each input, ties sharing their mean [rows, inputs]."""
        return mean_ranks(self.values)

    @cached_property
    def correlation(self) -> Values:
        """Pearson correlations among the inputs [inputs, inputs]; NaN with an input that does not vary."""
        return _correlation(self.values)

    @cached_property
    def inverse(self) -> Values:
        """Inverse of `correlation` [inputs, inputs]; NaN where the others determine an input, or it does not vary."""
        varies = np.ptp(self.values, axis=0) > 0
        result = np.full(self.correlation.shape, np.nan)
        among = self.correlation[np.ix_(varies, varies)]
        if varies.any() and np.linalg.cond(among) < MOST_CONDITION:
            result[np.ix_(varies, varies)] = np.linalg.inv(among)
        return result

    @cached_property
    def bins(self) -> NDArray[np.uint8]:
        """Which bin a value falls into [rows, inputs]; see `ordered.bins`."""
        return bins(self.values)

    @cached_property
    def indicators(self) -> NDArray[np.float32]:
        """Which bin a value falls into, 1 or 0 [rows, inputs x BINS]; see `bin_indicators`."""
        return bin_indicators(self.values)


def _correlation(values: NDArray[np.floating]) -> Values:
    centred = values.astype(np.float64) - values.mean(axis=0, dtype=np.float64)
    norms = np.sqrt((centred * centred).sum(axis=0))
    with np.errstate(divide="ignore", invalid="ignore"):
        return centred.T @ centred / np.outer(norms, norms)


def bin_indicators(values: NDArray[np.floating]) -> NDArray[np.float32]:
    """1 in the bin that a value falls into (see `ordered.bins`) and 0 elsewhere, [rows, columns x BINS]."""
    numbers = bins(values)
    return (numbers[:, :, None] == np.arange(BINS)).astype(np.float32).reshape(len(values), -1)


@dataclass(frozen=True)
class Layer:
    """a = ReLU(x W + b), or x W + b without the ReLU.

    Attributes:
        weight: [in, out]; bias: [out].
    """

    weight: NDArray[np.floating]
    bias: NDArray[np.floating]
    relu: bool = True


@dataclass(frozen=True, eq=False)
class Responses:
    """The units of one dictionary in some rows, and the inputs in the same rows.

    Attributes:
        units: activations [rows, units].
        inputs: standardised inputs of these rows.
        gradients: gives d unit / d input in every row [rows, units, inputs]; None where nothing is known.
        relevance: gives what each input contributes to a unit in every row [rows, units, inputs]; None likewise.
        weights: weight of every input in a unit [units, inputs], through all layers; None likewise.
    """

    units: NDArray[np.floating]
    inputs: Inputs
    gradients: Callable[[], NDArray[np.floating]] | None = None
    relevance: Callable[[], NDArray[np.floating]] | None = None
    weights: NDArray[np.floating] | None = None

    @cached_property
    def r(self) -> Values:
        """Pearson's correlation of every unit with every input, the study's; NaN where one does not vary."""
        return correlations(self.units[None], self.inputs.values)[0]

    @cached_property
    def varies(self) -> NDArray[np.bool_]:
        """Which units take more than one value [units]."""
        return np.ptp(self.units, axis=0) > 0

    @cached_property
    def fires(self) -> Values:
        """Share of rows in which a unit is not zero [units]."""
        return (self.units != 0).mean(axis=0)


def follow(inputs: Inputs, layers: Sequence[Layer]) -> Responses:
    """The units of the last layer, with gradients, relevances and weights in closed form.

    Args:
        layers: from the inputs to the units; of an SAE on a network: the hidden layer, then the encoder.
    """
    weights = np.linalg.multi_dot(
        [np.eye(len(layers[0].weight)), *(layer.weight.astype(np.float64) for layer in layers)]
    )
    return Responses(
        sums(inputs, layers)[-1][1],
        inputs,
        lambda: gradients_of(inputs, layers),
        lambda: relevance_of(inputs, layers),
        weights.T,
    )


def sums(inputs: Inputs, layers: Sequence[Layer]) -> list[tuple[NDArray[np.floating], NDArray[np.floating]]]:
    """Of every layer z = x W + b and its activation, each [rows, out]."""
    found, x = [], inputs.values
    for layer in layers:
        z = x @ layer.weight + layer.bias
        x = np.maximum(z, 0) if layer.relu else z
        found.append((z, x))
    return found


def gradients_of(inputs: Inputs, layers: Sequence[Layer]) -> NDArray[np.floating]:
    """d unit / d input in every row [rows, units, inputs]: the product of the weights along open ReLUs.

    The derivative of a ReLU at 0 is taken as 0.
    """
    computed = [z for z, _ in sums(inputs, layers)]
    last = layers[-1]
    passing = (computed[-1] > 0).astype(computed[-1].dtype) if last.relu else np.ones_like(computed[-1])
    found = _own(passing, last.weight)
    for layer, z in zip(layers[-2::-1], computed[-2::-1], strict=True):
        found = _back(found * (z > 0)[:, None, :] if layer.relu else found, layer.weight)
    return found


def _own(values: NDArray[np.floating], weight: NDArray[np.floating]) -> NDArray[np.floating]:
    """`_back` of what each unit holds for itself alone: [rows, units] -> [rows, units, in]."""
    return values[:, :, None] * weight.T


def _back(values: NDArray[np.floating], weight: NDArray[np.floating]) -> NDArray[np.floating]:
    """values W^T, [rows, units, out] -> [rows, units, in], as one product of matrices."""
    rows, units, out = values.shape
    return (np.reshape(values, (rows * units, out)) @ weight.T).reshape(rows, units, -1)


def relevance_of(inputs: Inputs, layers: Sequence[Layer], epsilon: float = EPSILON) -> NDArray[np.floating]:
    """What each input contributes to a unit's activation, by layer-wise relevance propagation [rows, units, inputs].

    The epsilon rule (Bach et al. 2015, doi 10.1371/journal.pone.0130140, eq. 58): a unit starts with its activation,
    and R_i = sum_j x_i w_ij R_j / (z_j + epsilon sign z_j), with sign 0 = 1; what the bias holds is not passed on. With
    a small epsilon and ReLUs it is the gradient times the input (Ancona et al. 2018).
    """
    computed = sums(inputs, layers)
    below = [inputs.values, *(a for _, a in computed[:-1])]

    def kept_from_zero(z: NDArray[np.floating]) -> NDArray[np.floating]:
        return z + np.where(z < 0, -epsilon, epsilon).astype(z.dtype)

    z, units = computed[-1]
    found = _own(units / kept_from_zero(z), layers[-1].weight) * below[-1][:, None, :]
    for layer, x, (z, _) in zip(layers[-2::-1], below[-2::-1], computed[-2::-1], strict=True):
        found = _back(found / kept_from_zero(z)[:, None, :], layer.weight) * x[:, None, :]
    return found
