"""One prediction problem: its data, network and sparse autoencoder."""

from pydantic import Field, model_validator

from precip_sae.settings.data import DataSettings
from precip_sae.settings.kinds import Count, L1Convention, NonNegative, Positive, Section, Seeds, Shuffle

# What the compiled engine trains; wider SAEs are left to torch.
MOST_HIDDEN, MOST_LATENTS = 64, 256


class MLPSettings(Section):
    """The single-hidden-layer network and its training."""

    hidden: int = Field(6, ge=1, le=16_384, description="hidden ReLU units")
    epochs: Count = Field(32, description="passes over the training part")
    batch: Count = Field(32, description="rows per step; the last partial batch is kept")
    learning_rate: Positive = Field(5e-4, description="Adam's step size")
    shuffle: Shuffle = Field(
        "fixed", description="row order: one permutation per seed for all epochs (Keras with a seed), or anew"
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

    @model_validator(mode="after")
    def _consistent(self) -> "MLPSettings":
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
