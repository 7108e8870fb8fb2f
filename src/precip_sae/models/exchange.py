"""Networks as the study published them: one JSON file each, in the format of its page, the NN Inspector."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from precip_sae.errors import NetworkError, TableError

Array = NDArray[np.float64]

OUR_NAMES = {"Temperature": "T", "Relative Humidity": "RH", "Pressure": "P", "Wind_Speed": "WS",
             "Cloud Top Height": "ETH"}  # fmt: skip
"""What the study calls the columns that have another name here."""

# Of the inputs of which the study may take log10: a usual value. The files do not say of which they were taken, but the
# scaler's mean does: it lies near this value, or near its logarithm. (n0: 2.49 in one network, 1284 in the other.)
USUAL = {"n0": 300.0, "Nt": 8000.0, "lambda": 0.8, "Rho": 0.18, "Dm": 1.5}

KINDS = {"categorical_crossentropy": "classification", "mse": "regression"}
SCORES = {"classification": "accuracy", "regression": "mae"}
ACTIVATION = "relu"


@dataclass(frozen=True)
class PublishedNetwork:
    """A network with one hidden layer, after every epoch of its training.

    Attributes:
        predictors: the inputs, by the names of our columns.
        logged: those of which log10 is taken before they are standardised.
        responses: the classes in the order of the outputs, or the one response.
        kind: classification or regression.
        mean, scale: of the inputs, after the logarithms, (inputs,).
        hidden_weights (epochs, inputs, hidden), hidden_bias (epochs, hidden), output_weights (epochs, hidden, outputs),
        output_bias (epochs, outputs): as they stood at the end of every epoch.
        loss, val_loss: cross-entropy or mean squared error of the training and the validation part, (epochs,).
        score, val_score: accuracy, or mean absolute error, likewise.
    """

    predictors: tuple[str, ...]
    logged: tuple[str, ...]
    responses: tuple[str, ...]
    kind: str
    mean: Array
    scale: Array
    hidden_weights: Array
    hidden_bias: Array
    output_weights: Array
    output_bias: Array
    loss: Array
    val_loss: Array
    score: Array
    val_score: Array

    @property
    def epochs(self) -> int:
        return len(self.loss)

    def standardise(self, frame: pd.DataFrame) -> Array:
        """The network's inputs (rows, inputs) of a table of observations, NaN where it has none or no logarithm.

        Raises:
            TableError: the table lacks a column.
        """
        if missing := [name for name in self.predictors if name not in frame.columns]:
            raise TableError(f"The table has no column {missing[0]}, which the published network takes as input.")
        columns = [frame[name].to_numpy(dtype=float) for name in self.predictors]
        with np.errstate(invalid="ignore"):
            columns = [
                np.log10(np.where(values > 0, values, np.nan)) if name in self.logged else values
                for name, values in zip(self.predictors, columns, strict=True)
            ]
        return (np.column_stack(columns) - self.mean) / self.scale

    def hidden(self, x: Array, epoch: int = -1) -> Array:
        """Hidden activations (rows, hidden) of standardised inputs (rows, inputs); epoch 0 is the first."""
        return np.maximum(_affine(x, self.hidden_weights[epoch], self.hidden_bias[epoch]), 0.0)

    def outputs(self, x: Array, epoch: int = -1) -> Array:
        """Probabilities of the classes (rows, classes), or the response (rows, 1), of standardised inputs."""
        z = _affine(self.hidden(x, epoch), self.output_weights[epoch], self.output_bias[epoch])
        if self.kind == "regression":
            return z
        # softmax; the largest logit is taken off so that no exponential overflows
        exponential = np.exp(z - z.max(axis=1, keepdims=True))
        return exponential / exponential.sum(axis=1, keepdims=True)


def _affine(x: Array, weights: Array, bias: Array) -> Array:
    """x W + b, added up input by input: the same bytes on every processor, as a matrix product would not be."""
    z = np.broadcast_to(bias, (len(x), len(bias)))
    for column, row in zip(np.asarray(x, dtype=float).T, weights, strict=True):
        z = z + column[:, None] * row
    return z


def read_published(path: Path) -> PublishedNetwork:
    """Reads a network from the JSON file of the study's page.

    Raises:
        NetworkError: the file is missing, is no JSON, lacks a field, or a field has a wrong shape or no numbers.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise NetworkError(f"{path}: cannot be read ({error.strerror}), expected a network as JSON.") from error
    except (ValueError, RecursionError) as error:
        raise NetworkError(f"{path}: is not JSON ({error}).") from error
    file = _File(path, content if isinstance(content, dict) else {})
    names = file.names("predictors")
    predictors = tuple(OUR_NAMES.get(name, name) for name in names)
    responses = file.names("response_variable")
    kind = file.choice("LOSS_FUNC", KINDS)
    file.choice("ACTIVATION", {ACTIVATION: ACTIVATION})
    if (len(responses) == 1) != (kind == "regression"):
        raise NetworkError(
            f"{path}: response_variable has {len(responses)} names, expected one of a regression, several of classes."
        )
    inputs, hidden, outputs = len(predictors), file.count("N_HIDDEN"), len(responses)
    epochs = len(file.field("loss_history", list, "a list of numbers"))
    if not epochs:
        raise NetworkError(f"{path}: loss_history is empty, expected a number for every epoch.")
    weights = file.layers("weights_history", epochs, ((inputs, hidden), (hidden, outputs)))
    biases = file.layers("biases_history", epochs, ((hidden,), (outputs,)))
    scaling = file.field("scaling_info", dict, "mean and scale")
    mean, scale = (file.numbers(scaling.get(key), f"scaling_info.{key}", (inputs,)) for key in ("mean", "scale"))
    if (scale <= 0).any():
        raise NetworkError(f"{path}: scaling_info.scale holds {scale.min():g}, expected positive numbers.")
    score = SCORES[kind]
    fields = ("loss_history", "val_loss_history", f"{score}_history", f"val_{score}_history")
    histories = [file.numbers(file.content.get(name), name, (epochs,)) for name in fields]
    return PublishedNetwork(
        predictors,
        tuple(name for name, value in zip(predictors, mean, strict=True) if name in USUAL and _is_log(name, value)),
        responses,
        kind,
        mean,
        scale,
        weights[0],
        biases[0],
        weights[1],
        biases[1],
        *histories,
    )


def _is_log(name: str, mean: float) -> bool:
    """Whether a scaler's mean is one of log10 of the column: nearer to the logarithm of its usual value than to it."""
    return abs(mean - np.log10(USUAL[name])) < abs(mean - USUAL[name])


@dataclass(frozen=True)
class _File:
    """What a JSON file holds; every getter refuses what does not fit in one sentence."""

    path: Path
    content: dict[str, Any]

    def field(self, name: str, kind: type, expected: str) -> Any:
        if name not in self.content:
            raise NetworkError(f"{self.path}: has no field {name}, expected {expected}.")
        if not isinstance(self.content[name], kind):
            raise NetworkError(f"{self.path}: {name} holds {self.content[name]!r:.40}, expected {expected}.")
        return self.content[name]

    def names(self, name: str) -> tuple[str, ...]:
        values = self.field(name, list, "a list of names")
        if not values or not all(isinstance(value, str) for value in values) or len(set(values)) < len(values):
            raise NetworkError(f"{self.path}: {name} holds {values!r:.60}, expected different names.")
        return tuple(values)

    def count(self, name: str) -> int:
        value = self.field(name, int, "a number of hidden units")
        if isinstance(value, bool) or value < 1:
            raise NetworkError(f"{self.path}: {name} is {value}, expected at least 1.")
        return int(value)

    def choice(self, name: str, known: dict[str, str]) -> str:
        value = self.field("hyperparameters", dict, "the settings of the training").get(name)
        if not isinstance(value, str) or value not in known:
            raise NetworkError(f"{self.path}: hyperparameters.{name} is {value!r:.40}, expected {' or '.join(known)}.")
        return known[value]

    def layers(self, name: str, epochs: int, shapes: tuple[tuple[int, ...], tuple[int, ...]]) -> tuple[Array, Array]:
        history = self.field(name, list, "an entry for every epoch")
        if len(history) != epochs:
            raise NetworkError(f"{self.path}: {name} has {len(history)} epochs, loss_history {epochs}.")
        for number, layers in enumerate(history):
            if not isinstance(layers, list) or len(layers) != len(shapes):
                raise NetworkError(f"{self.path}: {name}[{number}] is not a list of {len(shapes)} layers.")
        first, second = (
            np.stack([self.numbers(e[k], f"{name}[{number}][{k}]", shape) for number, e in enumerate(history)])
            for k, shape in enumerate(shapes)
        )
        return first, second

    def numbers(self, value: Any, name: str, shape: tuple[int, ...]) -> Array:
        expected = f"expected numbers of shape {' x '.join(map(str, shape))}"
        if value is None:
            raise NetworkError(f"{self.path}: has no {name}, {expected}.")
        try:
            array = np.array(value)
        except ValueError:
            raise NetworkError(f"{self.path}: {name} has rows of several lengths, {expected}.") from None
        if array.shape != shape:
            found = " x ".join(map(str, array.shape)) or "of one value"
            raise NetworkError(f"{self.path}: {name} has the shape {found}, {expected}.")
        if array.dtype.kind not in "iuf" or not np.isfinite(array).all():
            raise NetworkError(f"{self.path}: {name} holds what is not a finite number, {expected}.")
        return array.astype(float)
