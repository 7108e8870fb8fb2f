"""Networks and dictionaries whose true features are known, and the variants of SAE."""

import math
from typing import Annotated

from pydantic import Field, model_validator

from precip_sae.settings.kinds import Count, NonNegative, Positive, Section, Seeds, Share, VariantName


class DeepTraining(Section):
    """How a network of several layers and responses is trained."""

    epochs: Count = Field(15, description="passes over the training part")
    batch: Count = Field(256, description="rows per step; the last partial batch is kept")
    learning_rate: Positive = Field(3e-3, description="Adam's step size")


class DictionarySettings(Section):
    """The SAEs on the layers of networks whose hidden factors are known, and what they are compared with."""

    latents_per_unit: Count = Field(2, description="latents, random directions and units of a wider network per unit")
    epochs: Count = Field(30, description="passes over the SAE part, in a random order")
    batch: Count = Field(256, description="rows per step; the last partial batch is kept")
    learning_rate: Positive = Field(3e-3, description="Adam's step size")
    l1: list[NonNegative] = Field(
        [0.003, 0.01, 0.03],
        min_length=1,
        description="weights of the activity penalty (batch_mean), from weak to strong",
    )
    unexplained: float = Field(
        0.1,
        gt=0,
        lt=1,
        description="of the penalties, the strongest counts whose SAEs leave at most this share of the variance",
    )


Layers = Annotated[list[Annotated[int, Field(ge=1, le=256)]], Field(min_length=1, max_length=3)]
"""Units of each hidden layer, from the inputs on."""


class PlantedSettings(Section):
    """Planted targets: sums of known factors through a narrow layer."""

    factors: list[Annotated[int, Field(ge=1, le=16)]] = Field([4, 8, 16], description="how many factors are planted")
    together: Count = Field(3, description="factors in the sum of each response; no common divisor with `factors`")
    first: Count = Field(48, description="units of the first layer, which has room for all of them")
    widths: list[Count] = Field([4, 8, 16], description="units of the second layer, which is looked into")
    rare: float = Field(
        0.03, gt=0, lt=0.5, description="share of the rows in which a factor is at work, in the second kind of target"
    )
    every: Count = Field(3, description="one row of the table in so many is used: neighbours are alike")
    training: DeepTraining = DeepTraining()

    @model_validator(mode="after")
    def _invertible(self) -> "PlantedSettings":
        for n in self.factors:
            if self.together > n or math.gcd(n, self.together) > 1:
                raise ValueError(f"sums of {self.together} of {n} factors do not say each of them")
        return self


class ColumnSettings(Section):
    """Networks whose hidden factors are known: the column task, and planted targets."""

    seeds: Seeds = Field(list(range(10)), description="one network each: a list, or a number")
    networks: list[Layers] = Field(
        [[4], [8], [16], [32], [16, 16], [16, 16, 16]],
        min_length=1,
        description="units of the hidden layers of each network; the first with 16 units is the one shown",
    )
    responses: list[Annotated[int, Field(ge=1, le=5)]] = Field(
        [1, 5],
        min_length=1,
        description="how many things are learnt at once, for networks of one layer; deeper ones learn the most",
    )
    every: Count = Field(3, description="one row of the table in so many is used: neighbours are alike")
    training: DeepTraining = DeepTraining()
    dictionary: DictionarySettings = DictionarySettings()
    probes: list[Count] = Field([1, 2, 4, 8], min_length=1, description="units that a sparse probe may use")
    planted: PlantedSettings = PlantedSettings()


class DescentSettings(Section):
    """Training by a fixed number of steps, for models that are compared with each other."""

    steps: int = Field(600, ge=10, description="Adam steps; the step size falls to zero over the last fifth")
    batch: Count = Field(64, description="rows per step")
    learning_rate: Positive = Field(0.015, description="Adam's step size")


Grid = Annotated[dict[VariantName, Annotated[list[NonNegative], Field(min_length=1)]], Field(min_length=1)]
"""Variants of SAE (see models.variants), each with the weights of its penalty, or its numbers of active latents."""


class ToySettings(Section):
    """Toy models of superposition, whose features are known, and the dictionaries that are fitted on them."""

    seeds: Seeds = Field(list(range(10)), description="toy models and dictionaries: a list, or a number")
    units: Count = Field(16, description="dimensions that the features have to share")
    features: Count = Field(32, description="true features")
    rows: int = Field(4096, ge=100, description="rows to train dictionaries on, and half as many to judge them on")
    activities: list[Share] = Field(
        [0.01, 0.05, 0.2], min_length=1, description="shares of rows in which a feature is active"
    )
    width: Count = Field(4, description="latents per unit where the activity varies")
    widths: list[Count] = Field([1, 2, 8], description="further widths, at the middle activity and penalty")
    dictionaries: Grid = Field(description="variants, each with the weights of its penalty, or its active latents")
    threshold: float = Field(0.4, gt=0, lt=1, description="of the study's measure, as sensitivity.threshold")
    training: DescentSettings = Field(DescentSettings(), description="of every dictionary")
    networks: DescentSettings = Field(DescentSettings(), description="of every toy model")


class VariantSettings(Section):
    """Variants of SAE on the hidden activations of a task's networks."""

    table: str = Field(description="the task's table, once more: DVC has to see it here")
    seeds: Count = Field(10, description="how many of the task's networks, its first ones, are taken")
    rows: int = Field(4096, ge=100, description="rows to train on and to judge on, evenly out of the SAE and test part")
    widths: list[Count] = Field([1, 2, 4, 8], min_length=1, description="latents per hidden unit")
    dictionaries: Grid = Field(description="variants, each with the weights of its penalty, or its active latents")
    training: DescentSettings = Field(DescentSettings(), description="of every dictionary")
