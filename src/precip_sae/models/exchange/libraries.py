"""Models of scikit-learn, Keras and PyTorch from memory; their libraries are imported by whoever made the model."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from precip_sae.errors import NetworkError
from precip_sae.models.exchange.description import Description
from precip_sae.models.exchange.keras_files import read_layers
from precip_sae.models.exchange.network import Input as GivenInput
from precip_sae.models.exchange.network import Layer, Network, activation_named, with_outputs

# Layers of torch by their names, so that torch is not imported for the others.
TORCH_ACTIVATIONS = {"ReLU": "relu", "Tanh": "tanh", "Sigmoid": "sigmoid", "GELU": "gelu", "ELU": "elu", "SELU": "selu",
                     "SiLU": "silu", "Softplus": "softplus"}  # fmt: skip
TORCH_PASSED = {"Identity", "Dropout", "Flatten"}


def from_sklearn(model: Any, inputs: Sequence[str] | None = None, response: str = "response") -> Network:
    """An MLPClassifier or MLPRegressor that was fitted, alone or behind a StandardScaler in a Pipeline.

    Args:
        inputs: names of the columns; None: those of the table that it was fitted on, else x1, x2, ...
        response: name of a regression's response; of several they are numbered. The classes are the model's own.

    Raises:
        NetworkError: the model is not fitted, or it is another one.
    """
    steps = [step for _, step in getattr(model, "steps", [("", model)])]
    source, network = f"scikit-learn's {type(steps[-1]).__name__}", steps[-1]
    kinds = [type(step).__name__ for step in steps]
    if kinds[-1] not in ("MLPClassifier", "MLPRegressor") or kinds[:-1] not in ([], ["StandardScaler"]):
        raise NetworkError(
            f"{source}: found {' and '.join(kinds)}, expected an MLPClassifier or MLPRegressor, or a pipeline of a "
            "StandardScaler and one of them."
        )
    if not hasattr(network, "coefs_"):
        raise NetworkError(f"{source}: is not fitted, expected a model after fit().")
    scaler = steps[0] if len(steps) > 1 else None
    count = network.coefs_[0].shape[0]
    found = getattr(model, "feature_names_in_", None)
    names = list(inputs or (found if found is not None else [f"x{k + 1}" for k in range(count)]))
    if len(names) != count:
        raise NetworkError(f"{source}: {len(names)} inputs are named, expected {count}.")
    mean = getattr(scaler, "mean_", None)
    scale = getattr(scaler, "scale_", None)
    given = tuple(
        GivenInput(str(name), None, 0.0 if mean is None else float(mean[k]), 1.0 if scale is None else float(scale[k]))
        for k, name in enumerate(names)
    )
    classifies = kinds[-1] == "MLPClassifier"
    outputs = network.n_outputs_
    called = [response] if outputs == 1 else [f"{response} {k + 1}" for k in range(outputs)]
    responses = [str(label) for label in network.classes_] if classifies else called
    last = activation_named(network.out_activation_, source) if network.out_activation_ != "softmax" else "softmax"
    if classifies and outputs > 1 and last != "softmax":
        raise NetworkError(f"{source}: gives {outputs} labels at once, expected classes of which one holds.")
    activation = activation_named(network.activation, source)
    layers = [
        Layer(np.asarray(weight, dtype=float), np.asarray(bias, dtype=float), activation)
        for weight, bias in zip(network.coefs_, network.intercepts_, strict=True)
    ]
    kind = "classification" if classifies else "regression"
    made, names_out = with_outputs(source, layers, kind, responses, last)
    return Network(source, given, made, names_out, kind)


def from_keras(model: Any, inputs: Sequence[str], outputs: Sequence[str], **described_by: Any) -> Network:
    """A Keras model of Dense layers in one chain.

    Args:
        inputs: names of the columns; outputs: the classes, or the responses, in the order of the outputs.
        described_by: more of `Description`: kind, transforms, mean, scale, units, response_mean, response_scale.

    Raises:
        NetworkError: the model holds other layers, or names and layers do not fit each other.
    """
    # through its file, so that a model from memory and one from a file are read by the same code
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "model.keras"
        model.save(file)
        layers, last = read_layers(file)
    description = Description(inputs=list(inputs), outputs=list(outputs), **described_by)
    return description.network(f"Keras model {model.name}", layers, last)


def from_torch(module: Any, inputs: Sequence[str], outputs: Sequence[str], **described_by: Any) -> Network:
    """A torch.nn.Sequential of linear layers and activations.

    Any other module computes what only itself knows: see `recorded.record`, which takes a layer's activations.

    Args:
        inputs, outputs, described_by: see `from_keras`.

    Raises:
        NetworkError: the module is no such chain.
    """
    source = f"PyTorch's {type(module).__name__}"
    if type(module).__name__ != "Sequential":
        raise NetworkError(f"{source}: is no Sequential, expected one (or its activations, see explain's layer).")
    layers: list[Layer] = []
    last, waiting = "identity", False
    for part in module.modules():
        name = type(part).__name__
        if name == "Sequential" or name in TORCH_PASSED:
            continue
        if name == "Linear":
            weight = part.weight.detach().double().cpu().numpy().T
            bias = np.zeros(weight.shape[1]) if part.bias is None else part.bias.detach().double().cpu().numpy()
            layers.append(Layer(np.ascontiguousarray(weight), bias, "identity"))
            waiting = True
        elif name in ("Softmax", "LogSoftmax"):
            last, waiting = "softmax", False
        elif name in TORCH_ACTIVATIONS and waiting:
            known = "gelu_tanh" if getattr(part, "approximate", "none") == "tanh" else TORCH_ACTIVATIONS[name]
            if getattr(part, "alpha", 1.0) != 1.0 or getattr(part, "beta", 1.0) != 1.0:
                raise NetworkError(f"{source}: its {name} is not of the usual form (alpha or beta is not 1).")
            layers[-1] = Layer(layers[-1].weight, layers[-1].bias, known)
            waiting = False
        else:
            raise NetworkError(f"{source}: holds {name}, expected Linear layers, each followed by an activation.")
    if not layers:
        raise NetworkError(f"{source}: holds no Linear layer.")
    if not waiting and last == "identity":
        last = layers[-1].activation
    return Description(inputs=list(inputs), outputs=list(outputs), **described_by).network(source, layers, last)
