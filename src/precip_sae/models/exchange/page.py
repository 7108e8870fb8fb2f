"""Networks in the JSON format of the study's page, the NN Inspector: read, and written.

The study's own files have one hidden layer and every field. Here a file may have several hidden layers and leave out
what is not needed to compute: the curves, the settings of the training, the number of hidden units, the scaling.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from precip_sae.errors import NetworkError
from precip_sae.models.exchange.network import Array, History, Input, Layer, Network, activation_named

OUR_NAMES = {"Temperature": "T", "Relative Humidity": "RH", "Pressure": "P", "Wind_Speed": "WS",
             "Cloud Top Height": "ETH"}  # fmt: skip
"""What the study calls the columns that have another name here."""

# Of the inputs of which the study may take log10: a usual value. The files do not say of which they were taken, but the
# scaler's mean does: it lies near this value, or near its logarithm. (n0: 2.49 in one network, 1284 in the other.)
USUAL = {"n0": 300.0, "Nt": 8000.0, "lambda": 0.8, "Rho": 0.18, "Dm": 1.5}

KINDS = {"categorical_crossentropy": "classification", "sparse_categorical_crossentropy": "classification",
         "mse": "regression", "mean_squared_error": "regression"}  # fmt: skip
LOSSES = {"classification": "categorical_crossentropy", "regression": "mse"}
SCORES = {"classification": "accuracy", "regression": "mae"}


def read_published(path: Path) -> Network:
    """Reads a network from the JSON file of the study's page.

    Needed are predictors, response_variable, weights_history and biases_history. Without LOSS_FUNC several outputs are
    classes; without ACTIVATION the hidden layers are ReLU; without scaling_info inputs are taken as they are. Which
    inputs go through log10 is told by the scaler's means (see USUAL), unless a field `transforms`, which the study's
    files do not have, says it.

    Raises:
        NetworkError: the file is missing, is no JSON, lacks a needed field, or a field has a wrong shape or no numbers.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise NetworkError(f"{path}: cannot be read ({error.strerror}), expected a network as JSON.") from error
    except (ValueError, RecursionError) as error:
        raise NetworkError(f"{path}: is not JSON ({error}).") from error
    file = _File(path, content if isinstance(content, dict) else {})
    inputs, responses, epochs = file.inputs(), file.names("response_variable"), file.epochs()
    settings = file.optional("hyperparameters", dict, "the settings of the training", {})
    kind = file.choice(settings, "LOSS_FUNC", KINDS, "regression" if len(responses) == 1 else "classification")
    activation = activation_named(settings.get("ACTIVATION", "relu"), f"{path}: hyperparameters.ACTIVATION")
    if (len(responses) == 1) != (kind == "regression"):
        raise NetworkError(
            f"{path}: response_variable has {len(responses)} names, expected one of a regression, several of classes."
        )
    layers = file.layers(epochs, len(inputs), len(responses), activation)
    score = SCORES[kind]
    curves = [
        file.numbers(content[name], name, (epochs,)) if name in content else np.empty(0)
        for name in ("loss_history", "val_loss_history", f"{score}_history", f"val_{score}_history")
    ]
    response = file.optional("response_scaling", dict, "mean and scale", {"mean": 0.0, "scale": 1.0})
    mean, scale = (float(file.numbers(response.get(k), f"response_scaling.{k}", ())) for k in ("mean", "scale"))
    return Network(
        str(path), inputs, layers[-1], responses, kind, mean, scale, History(layers if epochs > 1 else (), *curves)
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

    def optional(self, name: str, kind: type, expected: str, default: Any) -> Any:
        return self.field(name, kind, expected) if name in self.content else default

    def names(self, name: str) -> tuple[str, ...]:
        values = self.field(name, list, "a list of names")
        if not values or not all(isinstance(value, str) for value in values) or len(set(values)) < len(values):
            raise NetworkError(f"{self.path}: {name} holds {values!r:.60}, expected different names.")
        return tuple(values)

    def choice(self, settings: dict[str, Any], name: str, known: dict[str, str], default: str) -> str:
        if name not in settings:
            return default
        if not isinstance(settings[name], str) or settings[name] not in known:
            raise NetworkError(
                f"{self.path}: hyperparameters.{name} is {settings[name]!r:.40}, expected {' or '.join(known)}."
            )
        return known[settings[name]]

    def epochs(self) -> int:
        """How many epochs the weights are of; the curves, where there are any, are of as many."""
        count = len(self.field("weights_history", list, "an entry for every epoch"))
        if not count:
            raise NetworkError(f"{self.path}: weights_history is empty, expected the weights of an epoch.")
        for name in ("biases_history", "loss_history"):
            values = self.optional(name, list, "an entry for every epoch", [0] * count)
            if name == "loss_history" and not values:
                raise NetworkError(f"{self.path}: loss_history is empty, expected a number for every epoch.")
            if len(values) != count:
                raise NetworkError(f"{self.path}: weights_history has {count} epochs, {name} {len(values)}.")
        return count

    def inputs(self) -> tuple[Input, ...]:
        given = self.names("predictors")
        names = [OUR_NAMES.get(name, name) for name in given]
        units = self.optional("units", list, "a unit for each predictor", [""] * len(names))
        if len(units) != len(names):
            raise NetworkError(
                f"{self.path}: units has {len(units)} entries, expected {len(names)}, one per predictor."
            )
        shape = (len(names),)
        if "scaling_info" in self.content:
            scaling = self.field("scaling_info", dict, "mean and scale")
            mean, scale = (self.numbers(scaling.get(k), f"scaling_info.{k}", shape) for k in ("mean", "scale"))
            if (scale <= 0).any():
                raise NetworkError(f"{self.path}: scaling_info.scale holds {scale.min():g}, expected positive numbers.")
        else:
            mean, scale = np.zeros(shape), np.ones(shape)
        guessed = {n: "log10" for n, m in zip(names, mean, strict=True) if n in USUAL and _is_log(n, m)}
        told = self.optional("transforms", dict, "a transform by predictor", guessed if scale.any() else {})
        transforms = {OUR_NAMES.get(name, name): transform for name, transform in told.items()}
        if stray := [name for name in transforms if name not in names]:
            raise NetworkError(f"{self.path}: transforms names {stray[0]!r:.40}, which is not among the predictors.")
        found = zip(names, mean.tolist(), scale.tolist(), units, strict=True)
        return tuple(Input(n, transforms.get(n), m, s, str(unit)) for n, m, s, unit in found)

    def layers(self, epochs: int, inputs: int, outputs: int, activation: str) -> tuple[tuple[Layer, ...], ...]:
        """The layers after every epoch."""
        weights, biases = (
            self.field(f"{what}_history", list, "an entry for every epoch") for what in ("weights", "biases")
        )
        sizes = [inputs, *self._hidden(weights[0]), outputs]
        count = len(sizes) - 1
        for name, history in (("weights_history", weights), ("biases_history", biases)):
            for number, entry in enumerate(history):
                if not isinstance(entry, list) or len(entry) != count:
                    raise NetworkError(f"{self.path}: {name}[{number}] is not a list of {count} layers.")
        return tuple(
            tuple(
                Layer(
                    self.numbers(weights[e][k], f"weights_history[{e}][{k}]", (sizes[k], sizes[k + 1])),
                    self.numbers(biases[e][k], f"biases_history[{e}][{k}]", (sizes[k + 1],)),
                    activation if k < count - 1 else "identity",
                )
                for k in range(count)
            )
            for e in range(epochs)
        )

    def _hidden(self, first: Any) -> list[int]:
        """Units of the hidden layers: as N_HIDDEN says, else as wide as the first epoch's weights are."""
        if "N_HIDDEN" in self.content:
            value = self.content["N_HIDDEN"]
            counts = value if isinstance(value, list) else [value]
            if not counts or any(type(count) is not int for count in counts):
                raise NetworkError(f"{self.path}: N_HIDDEN holds {value!r:.40}, expected a number of hidden units.")
            if min(counts) < 1:
                raise NetworkError(f"{self.path}: N_HIDDEN is {min(counts)}, expected at least 1.")
            return counts
        try:
            return [len(layer[0]) for layer in first[:-1]]
        except (TypeError, IndexError, KeyError) as error:
            raise NetworkError(
                f"{self.path}: weights_history[0] is no list of layers, each rows of numbers."
            ) from error

    def numbers(self, value: Any, name: str, shape: tuple[int, ...]) -> Array:
        expected = f"expected numbers of shape {' x '.join(map(str, shape))}" if shape else "expected a number"
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


def as_page(network: Network) -> dict[str, Any]:
    """The network as the page reads it, with every epoch that is known; `read_published` gives the same network back.

    The fields `transforms` and `response_scaling` are not the study's; its page leaves unknown fields alone.

    Raises:
        NetworkError: the hidden layers have several activations, or a regression has several responses, which the
            format cannot say.
    """
    if network.kind == "regression" and len(network.responses) > 1:
        raise NetworkError(
            f"{network.source}: predicts {len(network.responses)} responses at once, expected one: the page's format "
            "takes several outputs for classes; export to onnx or safetensors."
        )
    activations = {layer.activation for layer in network.hidden_layers}
    if len(activations) > 1:
        raise NetworkError(
            f"{network.source}: its hidden layers are {' and '.join(sorted(activations))}, expected one activation: "
            "the page's format has one for all; export to onnx or safetensors."
        )
    epochs = network.history.layers or (network.layers,)
    hidden = [layer.units for layer in network.hidden_layers]
    score = SCORES[network.kind]
    curves = {
        "loss_history": network.history.loss,
        "val_loss_history": network.history.val_loss,
        f"{score}_history": network.history.score,
        f"val_{score}_history": network.history.val_score,
    }
    return {
        "predictors": list(network.predictors),
        "units": [given.unit for given in network.inputs],
        "response_variable": list(network.responses),
        "N_HIDDEN": hidden[0] if len(hidden) == 1 else hidden,
        "weights_history": [[layer.weight.tolist() for layer in layers] for layers in epochs],
        "biases_history": [[layer.bias.tolist() for layer in layers] for layers in epochs],
        "scaling_info": {"mean": [i.mean for i in network.inputs], "scale": [i.scale for i in network.inputs]},
        "transforms": {given.name: given.transform for given in network.inputs if given.transform},
        "response_scaling": {"mean": network.response_mean, "scale": network.response_scale},
        "hyperparameters": {"LOSS_FUNC": LOSSES[network.kind], "ACTIVATION": activations.pop()},
    } | {name: values.tolist() for name, values in curves.items() if len(values) == len(epochs)}
