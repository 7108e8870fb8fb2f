"""What a file of weights does not say: the inputs, the outputs, the activations. A small YAML file beside it does."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import Field, model_validator

from precip_sae.errors import NetworkError, SettingsError
from precip_sae.models.exchange.network import Input, Layer, Network, activation_named, named_inputs, with_outputs
from precip_sae.settings import Section, Transform, parse, read_yaml
from precip_sae.settings.kinds import Positive

BESIDE = (".yaml", ".yml")  # endings of a description


class Description(Section):
    """The keys of the file; `mean`, `scale` and `units` are in the order of `inputs`."""

    inputs: list[str] = Field(min_length=1, description="columns that the network takes, in its order")
    outputs: list[str] = Field(min_length=1, description="the classes, or the responses, in the order of the outputs")
    kind: Literal["classification", "regression"] | None = Field(
        None, description="null: a regression with one output, else a classification"
    )
    transforms: dict[str, Transform] = Field({}, description="input: transform that is taken before it is standardised")
    mean: list[float] | None = Field(None, description="of the transformed inputs, taken off; null: none")
    scale: list[float] | None = Field(None, description="what they are then divided by; null: nothing")
    units: list[str] | None = Field(None, description="of the inputs")
    response_mean: float | list[float] = Field(
        0.0, description="regression: added to the outputs, after they are multiplied; one number, or one per output"
    )
    response_scale: Positive | list[Positive] = Field(
        1.0, description="regression: the outputs are multiplied by it; one number, or one per output"
    )
    activation: str | list[str] = Field("relu", description="of all hidden layers, or one for each")
    last: Literal["softmax", "sigmoid", "identity"] = Field("identity", description="behind the last layer")
    layers: list[str] | None = Field(
        None,
        description="names of the layers in the file, in the order in which they run; null: as they are numbered",
    )

    @model_validator(mode="after")
    def _consistent(self) -> Description:
        for key in ("mean", "scale", "units"):
            values = getattr(self, key)
            if values is not None and len(values) != len(self.inputs):
                raise ValueError(f"{key} has {len(values)} entries, expected {len(self.inputs)}, one per input")
        for key in ("response_mean", "response_scale"):
            values = getattr(self, key)
            if isinstance(values, list) and len(values) != len(self.outputs):
                raise ValueError(f"{key} has {len(values)} entries, expected {len(self.outputs)}, one per output")
        if unknown := [name for name in self.transforms if name not in self.inputs]:
            raise ValueError(f"transforms names {unknown[0]}, which is not among the inputs")
        return self

    def activations(self, hidden: int, source: str) -> list[str]:
        """The activation of every hidden layer.

        Raises:
            NetworkError: an unknown one, or another number of them than there are hidden layers.
        """
        given = [self.activation] * hidden if isinstance(self.activation, str) else self.activation
        if len(given) != hidden:
            raise NetworkError(
                f"{source}: {len(given)} activations are described, expected {hidden}, one per hidden layer."
            )
        return [activation_named(name, source) for name in given]

    @property
    def named(self) -> tuple[Input, ...]:
        return named_inputs(self.inputs, self.transforms, self.mean, self.scale, self.units)

    def network(self, source: str, layers: list[Layer], last: str | None = None) -> Network:
        """The network of these layers.

        Args:
            last: the function behind the last layer, where the file itself says it.

        Raises:
            NetworkError: layers and description do not fit each other.
        """
        kind = self.kind or ("regression" if len(self.outputs) == 1 else "classification")
        made, responses = with_outputs(source, layers, kind, self.outputs, last or self.last)
        mean, scale = (
            tuple(given) if isinstance(given, list) else given for given in (self.response_mean, self.response_scale)
        )
        return Network(source, self.named, made, responses, kind, *((mean, scale) if kind == "regression" else ()))


def describe(network: Network) -> dict[str, Any]:
    """The description that a file of the network's weights needs, as plain values."""
    return {
        "inputs": list(network.predictors),
        "outputs": list(network.responses),
        "kind": network.kind,
        "transforms": {given.name: given.transform for given in network.inputs if given.transform},
        "mean": [given.mean for given in network.inputs],
        "scale": [given.scale for given in network.inputs],
        "units": [given.unit for given in network.inputs],
        "response_mean": np.asarray(network.response_mean).tolist(),
        "response_scale": np.asarray(network.response_scale).tolist(),
        "activation": [layer.activation for layer in network.hidden_layers],
    }


def read_description(weights: Path, within: dict[str, Any] | None = None) -> Description:
    """The description of a file of weights: the one in it, else that of the YAML file beside it.

    Args:
        weights: the file; the one beside it has the same name, ending in .yaml or .yml.
        within: what the file itself says.

    Raises:
        NetworkError: there is none, or it is wrong.
    """
    beside = [weights.with_suffix(ending) for ending in BESIDE]
    found = next((path for path in beside if path.is_file()), None)
    try:
        if within is not None:
            return parse(Description, within, str(weights))
        if found is not None:
            return parse(Description, read_yaml(found), str(found))
    except SettingsError as error:
        raise NetworkError(str(error)) from error
    raise NetworkError(
        f"{weights}: does not say what its inputs and outputs are, expected {beside[0].name} beside it with inputs, "
        "outputs and, where they differ from it, activation: relu."
    )
