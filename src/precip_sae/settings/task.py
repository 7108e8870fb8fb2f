"""One prediction problem: its data, network and sparse autoencoder."""

from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from precip_sae.errors import closest
from precip_sae.settings.data import DataSettings
from precip_sae.settings.kinds import Count, L1Convention, NonNegative, Positive, Section, Seeds, Shuffle

# What the compiled engine trains; wider SAEs are left to torch.
MOST_HIDDEN, MOST_LATENTS = 64, 256
# Beyond these a weight is a slip, and derivatives may leave the range of float32.
LEAST_WEIGHT, MOST_WEIGHT = 1e-3, 1e3


class MLPSettings(Section):
    """The single-hidden-layer network and its training."""

    hidden: int = Field(6, ge=1, le=16_384, description="hidden ReLU units")
    epochs: Count = Field(32, description="passes over the training part")
    batch: Count = Field(32, description="rows per step; the last partial batch is kept")
    learning_rate: Positive = Field(5e-4, description="Adam's step size")
    shuffle: Shuffle = Field(
        "fixed", description="row order: one permutation per seed for all epochs (Keras with a seed), or anew"
    )
    class_weights: Literal["balanced"] | dict[str, Positive] | None = Field(
        None,
        description="classification, in training alone, as Keras' class_weight: a batch's loss is the sum over its "
        "rows of the class's weight times the cross-entropy, over the number of rows; CLASS: WEIGHT (1 where not "
        "named), or balanced: rows of the training part / (classes x rows of the class); scores are not weighted",
    )
    network: str | None = Field(
        None,
        description="a trained network to take instead of training one, relative to the project (in published/) "
        "or to the task file: .json (the study's page), .onnx, .keras, .safetensors, .pt, or a folder of models; "
        "predictors, transforms, scaling, classes and hidden are then the file's",
    )
    layer: Count | None = Field(
        None, description="network: the hidden layer that the SAEs are fitted on, from 1; null: the last"
    )

    @field_validator("class_weights", mode="before")
    @classmethod
    def _weights(cls, given: Any) -> Any:
        if given is None or given == "balanced":
            return given
        if not isinstance(given, dict) or not given:
            raise ValueError(f"it is {given!r}, expected balanced, or CLASS: WEIGHT of one class or more")
        for name, weight in given.items():
            if not isinstance(name, str):
                raise ValueError(f"it names {name!r}, expected the name of a class as text, in quotes")
            number = isinstance(weight, int | float) and not isinstance(weight, bool)
            if not number or not LEAST_WEIGHT <= weight <= MOST_WEIGHT:
                raise ValueError(
                    f"the weight of '{name}' is {weight!r}, expected a number from {LEAST_WEIGHT:g} to {MOST_WEIGHT:g}"
                )
        return given

    @model_validator(mode="after")
    def _consistent(self) -> "MLPSettings":
        if self.network is not None and self.class_weights is not None:
            raise ValueError("class_weights belong to a network that is trained here, and network names one")
        if self.network is None and self.layer is not None:
            raise ValueError("layer belongs to a network that is named, and network is null")
        if self.network is None and self.hidden > MOST_HIDDEN:
            raise ValueError(
                f"hidden is {self.hidden}, expected at most {MOST_HIDDEN} of a network that is trained here"
            )
        return self


class SAESettings(Section):
    """The sparse autoencoder on the hidden activations and its training."""

    latents: int = Field(
        12,
        ge=1,
        le=65_536,
        description="latent ReLU units; more than 256, or on more than 64 hidden units, torch trains",
    )
    epochs: Count = Field(75, description="passes over the SAE part, rows in time order")
    batch: Count = Field(8, description="rows per step; the last partial batch is kept")
    learning_rate: Positive = Field(1e-3, description="Adam's step size")
    l1: NonNegative = Field(0.01, description="weight of the activity penalty")
    l1_conventions: list[L1Convention] = Field(
        ["keras3", "batch_mean"],
        min_length=1,
        description="keras3: l1 x sum over batch and units (as published); batch_mean: that divided by the rows "
        "of the batch (Keras 2). The first is the headline, all are fitted and reported",
    )
    patience: Count | None = Field(
        None, description="stop when the epoch's training loss has not fallen for so many epochs; null: never"
    )


class SensitivitySettings(Section):
    """When an input counts as one that a unit responds to."""

    threshold: float = Field(0.4, gt=0, lt=1, description="an input is sensitive when |r| is above this, strictly")


class TaskSettings(Section):
    """One prediction problem: a table, a network on it and the SAEs on the network's activations."""

    title: str = Field(description="what the manuscript calls it")
    data: DataSettings
    seeds: Seeds = Field(list(range(20)), description="one model each: a list, or a number N for the seeds 0 to N - 1")
    mlp: MLPSettings = MLPSettings()
    sae: SAESettings = SAESettings()
    sensitivity: SensitivitySettings = SensitivitySettings()

    @model_validator(mode="after")
    def _fits_the_data(self) -> "TaskSettings":
        weights, data = self.mlp.class_weights, self.data
        if data.folds is not None and self.mlp.network is not None:
            raise ValueError("data.folds trains a network for every fold, and mlp.network names one")
        if weights is not None and data.kind == "regression":
            raise ValueError("mlp.class_weights belong to a classification, and data.kind is regression")
        if isinstance(weights, dict) and (unknown := [name for name in weights if name not in data.classes]):
            raise ValueError(
                f"mlp.class_weights names '{unknown[0]}', none of data.classes; {closest(unknown[0], data.classes)}"
            )
        return self
