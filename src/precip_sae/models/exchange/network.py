"""A trained feed-forward network of anybody, in one form: what it takes, its layers, what it gives."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from precip_sae.errors import NetworkError, TableError, closest

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]

KINDS = ("classification", "regression")
ORDERED = 64  # inputs of a layer up to which sums are taken in one order, so that every processor gives the same bytes
BLOCK = 8192  # rows that are computed at a time


def _sigmoid(z: Array) -> Array:
    return 0.5 * (1.0 + np.tanh(0.5 * z))


def _gelu(z: Array) -> Array:
    from scipy.special import ndtr  # of the optional ones alone, so that the rest reads where scipy is not installed

    return z * ndtr(z)


def _gelu_tanh(z: Array) -> Array:
    return 0.5 * z * (1.0 + np.tanh(math.sqrt(2.0 / math.pi) * (z + 0.044715 * z**3)))


def _elu(z: Array) -> Array:
    return np.where(z > 0, z, np.expm1(np.minimum(z, 0.0)))


def _selu(z: Array) -> Array:
    # the constants of Klambauer et al. 2017, arXiv 1706.02515
    return 1.0507009873554805 * np.where(z > 0, z, 1.6732632423543772 * np.expm1(np.minimum(z, 0.0)))


ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "identity": lambda z: z,
    "relu": lambda z: np.maximum(z, 0.0),
    "tanh": np.tanh,
    "sigmoid": _sigmoid,
    "gelu": _gelu,
    "gelu_tanh": _gelu_tanh,
    "elu": _elu,
    "selu": _selu,
    "silu": lambda z: z * _sigmoid(z),
    "softplus": lambda z: np.logaddexp(z, 0.0),
}
SYNONYMS = {"linear": "identity", "logistic": "sigmoid", "swish": "silu", "none": "identity"}

# The transforms that an input may go through; `tasks.prepare` takes the same from a table.
TRANSFORMS: dict[str, Callable[[Array], Array]] = {
    "log10": np.log10,
    "log1p": np.log1p,
    "sqrt": np.sqrt,
    "cbrt": np.cbrt,
}


@dataclass(frozen=True)
class Input:
    """One input: (transform(x) - mean) / scale of a column.

    Attributes:
        name: of the column.
        transform: taken first (see TRANSFORMS); None: none.
        mean, scale: of the transformed column; 0 and 1 for a network that takes it as it is.
        unit: of the column, where the file says it.
    """

    name: str
    transform: str | None = None
    mean: float = 0.0
    scale: float = 1.0
    unit: str = ""


@dataclass(frozen=True)
class Layer:
    """activation(x W + b).

    Attributes:
        weight: W (inputs, units); bias: b (units,); activation: see ACTIVATIONS.
    """

    weight: Array
    bias: Array
    activation: str

    @property
    def units(self) -> int:
        return self.weight.shape[1]

    def __call__(self, x: Array) -> Array:
        """Activations (rows, units) of what the layer before gives (rows, inputs)."""
        return ACTIVATIONS[self.activation](affine(x, self.weight, self.bias))


@dataclass(frozen=True)
class History:
    """What is known of a training.

    Attributes:
        layers: the layers as they stood at the end of every epoch; empty if unknown.
        loss, val_loss: cross-entropy or mean squared error of the training and the validation part, (epochs,).
        score, val_score: accuracy, or mean absolute error, likewise. Empty where unknown.
    """

    layers: tuple[tuple[Layer, ...], ...] = ()
    loss: Array = field(default_factory=lambda: np.empty(0))
    val_loss: Array = field(default_factory=lambda: np.empty(0))
    score: Array = field(default_factory=lambda: np.empty(0))
    val_score: Array = field(default_factory=lambda: np.empty(0))


@dataclass(frozen=True)
class Network:
    """A feed-forward network with its weights.

    A classification has one output per class: whoever writes a single sigmoid for two classes is given the logits 0 and
    z, which have the same probabilities. The last layer is without activation; softmax is left to `outputs`.

    Attributes:
        source: where it comes from, for sentences.
        inputs: in their order.
        layers: one or more hidden layers and that of the outputs.
        responses: the classes, or the responses, in the order of the outputs.
        kind: classification or regression.
        response_mean, response_scale: of a regression: what the outputs are multiplied by (scale) and moved by (mean),
            one number for all, or one for each.
        history: of its training.

    Raises:
        NetworkError: the parts do not fit each other, a weight is not finite, or a name is unknown or used twice.
    """

    source: str
    inputs: tuple[Input, ...]
    layers: tuple[Layer, ...]
    responses: tuple[str, ...]
    kind: str
    response_mean: float | tuple[float, ...] = 0.0
    response_scale: float | tuple[float, ...] = 1.0
    history: History = field(default_factory=History)

    def __post_init__(self) -> None:
        for problem in self._problems():
            raise NetworkError(f"{self.source}: {problem}.")

    def _problems(self) -> Iterator[str]:
        if self.kind not in KINDS:
            yield f"kind is {self.kind!r:.40}, expected {' or '.join(KINDS)}"
        for what, names in (("inputs", self.predictors), ("outputs", self.responses)):
            if not names or not all(isinstance(name, str) and name.strip() and name.isprintable() for name in names):
                yield f"{what} are named {list(names)!r:.60}, expected a name of printable characters for each"
            if len(set(names)) < len(names):
                yield f"{what} are named {list(names)!r:.60}, expected different names"
        if self.kind == "classification" and len(self.responses) == 1:
            yield f"a classification has 1 output ({self.responses[0][:60]}), expected one for each of several classes"
        for given in self.inputs:
            if given.transform is not None and given.transform not in TRANSFORMS:
                known = closest(str(given.transform), TRANSFORMS)
                yield f"input {given.name} has the transform {given.transform!r:.40}; {known}"
            if not (math.isfinite(given.mean) and math.isfinite(given.scale) and given.scale > 0):
                yield (
                    f"input {given.name} has the mean {given.mean:g} and the scale {given.scale:g}, expected finite "
                    "numbers, the scale above 0"
                )
        for what, told in (("means", self.response_mean), ("scales", self.response_scale)):
            if isinstance(told, tuple) and len(told) != len(self.responses):
                yield f"{len(told)} {what} of responses are given, and {len(self.responses)} outputs are named"
        for mean in np.atleast_1d(self.response_mean):
            if not math.isfinite(mean):
                yield f"a response's mean is {mean:g}, expected a finite number"
        for scale in np.atleast_1d(self.response_scale):
            if not (math.isfinite(scale) and scale > 0):
                yield f"the response's scale is {scale:g}, expected a number above 0"
        if len(self.layers) < 2:
            yield f"has {len(self.layers)} layers, expected a hidden one and that of the outputs"
        for number, layer in enumerate(self.layers, start=1):
            if layer.activation not in ACTIVATIONS:
                known = closest(str(layer.activation), ACTIVATIONS)
                yield f"layer {number} has the activation {layer.activation!r:.40}; {known}"
            if layer.weight.ndim != 2 or layer.bias.shape != layer.weight.shape[1:] or not layer.weight.size:
                shapes = f"weights {_shape(layer.weight)} and biases {_shape(layer.bias)}"
                yield f"layer {number} has {shapes}, expected n x m and m"
            if not (np.isfinite(layer.weight).all() and np.isfinite(layer.bias).all()):
                yield f"layer {number} holds a weight that is no finite number"
        for number, (one, next_one) in enumerate(pairwise(self.layers), start=1):
            if one.units != next_one.weight.shape[0]:
                yield f"layer {number} has {one.units} units, and layer {number + 1} takes {next_one.weight.shape[0]}"
        if self.layers[0].weight.shape[0] != len(self.inputs):
            yield f"layer 1 takes {self.layers[0].weight.shape[0]} inputs, and {len(self.inputs)} are named"
        if self.layers[-1].units != len(self.responses):
            yield f"the last layer has {self.layers[-1].units} units, and {len(self.responses)} outputs are named"
        if self.layers[-1].activation != "identity":
            yield f"the last layer has the activation {self.layers[-1].activation}, expected none before the outputs"

    @property
    def predictors(self) -> tuple[str, ...]:
        return tuple(given.name for given in self.inputs)

    @property
    def logged(self) -> tuple[str, ...]:
        """The inputs of which log10 is taken."""
        return tuple(given.name for given in self.inputs if given.transform == "log10")

    @property
    def hidden_layers(self) -> tuple[Layer, ...]:
        return self.layers[:-1]

    @property
    def sizes(self) -> tuple[int, ...]:
        """Inputs, the units of every hidden layer, outputs."""
        return (len(self.inputs), *(layer.units for layer in self.layers))

    @property
    def epochs(self) -> int:
        """How many epochs of its training are known."""
        return max(len(self.history.layers), len(self.history.loss))

    @property
    def loss(self) -> Array:
        """See `History`; likewise `val_loss` and `val_score`."""
        return self.history.loss

    @property
    def val_loss(self) -> Array:
        return self.history.val_loss

    @property
    def val_score(self) -> Array:
        return self.history.val_score

    def at(self, epoch: int) -> Network:
        """The network as it stood after an epoch; 0 is the first."""
        return replace(self, layers=self.history.layers[epoch])

    def standardise(self, frame: pd.DataFrame) -> Array:
        """The network's inputs (rows, inputs) of a table, NaN where it has none or no transform.

        Raises:
            TableError: the table lacks a column.
        """
        if missing := [name for name in self.predictors if name not in frame.columns]:
            raise TableError(f"The table has no column {missing[0]}, which the network takes as input.")
        return self.standardised(np.column_stack([frame[name].to_numpy(dtype=float) for name in self.predictors]))

    def standardised(self, columns: Array) -> Array:
        """The network's inputs of its columns, (rows, inputs) -> (rows, inputs); NaN where a transform is undefined."""
        x = np.array(columns, dtype=float)
        for k, given in enumerate(self.inputs):
            if given.transform:
                with np.errstate(divide="ignore", invalid="ignore"):
                    x[:, k] = TRANSFORMS[given.transform](x[:, k])
        x[~np.isfinite(x)] = np.nan
        return (x - [given.mean for given in self.inputs]) / [given.scale for given in self.inputs]

    def hidden(self, x: NDArray[Any], layer: int | None = None) -> Array:
        """Activations (rows, units) of a hidden layer, from 1 (None: last), for standardised inputs (rows, inputs)."""
        front = self.layers[: layer or len(self.layers) - 1]
        return _by_rows(lambda rows: _through(front, rows), x)

    def logits(self, x: NDArray[Any]) -> Array:
        """Logits of the classes (rows, classes), or the responses as the last layer gives them (rows, responses)."""
        return _by_rows(lambda rows: _through(self.layers, rows), x)

    def outputs(self, x: NDArray[Any]) -> Array:
        """Probabilities of the classes (rows, classes), or the responses in their units (rows, responses)."""
        z = self.logits(x)
        if self.kind == "regression":
            return z * np.asarray(self.response_scale) + np.asarray(self.response_mean)
        return softmax(z)


def softmax(z: Array) -> Array:
    """Probabilities of logits (rows, classes); the largest is taken off so that no exponential overflows."""
    exponential = np.exp(z - z.max(axis=1, keepdims=True))
    return exponential / exponential.sum(axis=1, keepdims=True)


def affine(x: Array, weight: Array, bias: Array) -> Array:
    """x W + b; of up to ORDERED inputs added up input by input: the same bytes on every processor."""
    if len(weight) > ORDERED:
        return x @ weight + bias
    z = np.broadcast_to(bias, (len(x), len(bias)))
    for column, row in zip(x.T, weight, strict=True):
        z = z + column[:, None] * row
    return z


def _through(layers: Sequence[Layer], x: Array) -> Array:
    for layer in layers:
        x = layer(x)
    return x


def _by_rows(compute: Callable[[Array], Array], x: NDArray[Any]) -> Array:
    pieces = [compute(np.asarray(x[start : start + BLOCK], dtype=float)) for start in range(0, max(len(x), 1), BLOCK)]
    return pieces[0] if len(pieces) == 1 else np.concatenate(pieces)


def _shape(array: Array) -> str:
    return " x ".join(map(str, array.shape)) or "of one number"


def activation_named(name: Any, source: str) -> str:
    """The name of an activation as it is called here.

    Raises:
        NetworkError: it is unknown.
    """
    known = SYNONYMS.get(str(name).lower(), str(name).lower())
    if known not in ACTIVATIONS:
        raise NetworkError(f"{source}: the activation {str(name)!r:.60} is unknown; {closest(str(name), ACTIVATIONS)}.")
    return known


def with_outputs(
    source: str, layers: Sequence[Layer], kind: str, responses: Sequence[str], last: str
) -> tuple[tuple[Layer, ...], tuple[str, ...]]:
    """The layers with that of the outputs as `Network` has it, whatever function a library puts behind it.

    Args:
        kind: classification or regression; responses: the classes or the responses.
        last: the function behind the last layer: softmax, sigmoid or identity.

    Raises:
        NetworkError: a function that is none of these, or that does not go with the outputs.
    """
    given, end = tuple(layers), layers[-1] if layers else None
    if end is None:
        raise NetworkError(f"{source}: has no layer, expected a hidden one and that of the outputs.")
    single = end.weight.ndim == 2 and end.units == 1 and len(responses) == 2
    allowed = ("identity", "softmax", "sigmoid") if kind == "classification" else ("identity",)
    if last not in allowed or (last == "sigmoid" and not single):
        raise NetworkError(
            f"{source}: its {len(responses)} outputs go through {last}, expected "
            + ("softmax, nothing, or one sigmoid of two classes." if kind == "classification" else "nothing.")
        )
    if kind == "classification" and single:
        # a sigmoid of z has the probabilities of the logits 0 and z
        end = Layer(np.hstack([np.zeros_like(end.weight), end.weight]), np.append(0.0, end.bias), "identity")
    return (*given[:-1], replace(end, activation="identity")), tuple(responses)


def named_inputs(
    names: Sequence[str],
    transforms: Mapping[str, str] | None = None,
    mean: Sequence[float] | None = None,
    scale: Sequence[float] | None = None,
    units: Sequence[str] | None = None,
) -> tuple[Input, ...]:
    """Inputs of their names, with what is known of each; what is not given is as of a column that is taken as it is."""
    count = len(names)
    given = zip(
        names,
        [0.0] * count if mean is None else mean,
        [1.0] * count if scale is None else scale,
        [""] * count if units is None else units,
        strict=True,
    )
    return tuple(Input(name, (transforms or {}).get(name), float(m), float(s), unit) for name, m, s, unit in given)
