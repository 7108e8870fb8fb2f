"""What is asked of a task's own networks and latents."""

from typing import Annotated

from pydantic import Field, model_validator

from precip_sae.errors import closest
from precip_sae.observations.schema import COLUMNS
from precip_sae.settings.kinds import Count, NonNegative, Section, Seeds


class StandardSettings(Section):
    """A network trained elsewhere on the real table, which a task with the same inputs is held to."""

    table: str = Field(description="the task's table, once more: DVC has to see it here")
    network: str = Field(description="JSON file in the format of the study's page, relative to the project")


class CompanionSettings(Section):
    """Networks of other sizes beside each task's own, kept after every epoch: what the Inspector shows."""

    hidden: list[Annotated[int, Field(ge=1, le=64)]] = Field(
        [1, 2, 4, 8, 16], description="hidden units; the task's own number is added"
    )
    seeds: Seeds = Field([0, 1, 2], description="one network each: a list, or a number")
    l1: NonNegative = Field(
        0.01,
        description="weight of the activity penalty on the hidden layer of a second set (times the sum over batch and "
        "units, as in Keras 3); 0: no second set",
    )


class InspectorSettings(Section):
    """The page in which a reader sees networks learn (paper/inspector.html)."""

    records: int = Field(
        4000,
        ge=20,
        le=20_000,
        description="records of the test parts that it holds, in whole storms if it can",
    )


class MeasureSettings(Section):
    """Every measure of how many inputs units respond to, on a task's own models."""

    table: str = Field(description="the task's table, once more: DVC has to see it here")
    resamples: int = Field(500, ge=10, description="times that the storms of the test part are drawn for an interval")


class NoiseSettings(Section):
    """Models that differ from a task's own in one thing alone."""

    table: str = Field(description="the task's table, once more: DVC has to see it here")
    seeds: Count = Field(30, description="how many of the task's seeds, its first ones, are trained again")
    tables: int = Field(10, ge=0, description="further simulated tables; none are made if the task's is no simulation")
    table_seeds: Count = Field(16, description="how many of the task's seeds are trained on each of these tables")
    resamples: int = Field(200, ge=10, description="times that the storms of the test part are drawn")


class ControlSettings(Section):
    """Dictionaries and networks that a task's SAEs are held against."""

    table: str = Field(description="the task's table, once more: DVC has to see it here")
    seeds: Count = Field(30, description="how many of the task's seeds, its first ones, are taken")
    hidden_l1: NonNegative = Field(
        0.01, description="weight of the activity penalty on the hidden layer of the network that is sparse itself"
    )
    resamples: int = Field(200, ge=10, description="times that the storms of the test part are drawn for an interval")
    shifts: int = Field(200, ge=10, description="circular shifts of the inputs, for correlations by chance")


class FeatureSettings(Section):
    """Whether a task's latents hold up: across seeds, under interventions, and at the thresholds of physics."""

    table: str = Field(description="the task's table, once more: DVC has to see it here")
    levels: list[Annotated[float, Field(gt=0, lt=1)]] = Field(
        [0.7, 0.9], min_length=1, description="similarities above which two units count as alike"
    )
    cut: float = Field(
        0.7, gt=0, lt=1, description="units belong to a family while their mean correlation is above this"
    )
    returning: float = Field(
        0.5, gt=0, le=1, description="share of the seeds, at least two, that must have a family for it to be named"
    )
    refitted_networks: Count = Field(16, description="networks on each of which SAEs of several seeds are fitted")
    refits: int = Field(8, ge=2, description="SAEs fitted on each of them")
    intervened: Count = Field(50, description="seeds, the first ones, whose units are ablated one by one")
    along: list[str] = Field(
        [], description="predictors along which change points are sought; none: the first predictor"
    )
    labels: list[str] = Field(
        [], description="classification: other label columns of the observations with which networks are trained"
    )
    label_seeds: Count = Field(32, description="seeds, the first ones, with which they are trained and compared")

    @model_validator(mode="after")
    def _known(self) -> "FeatureSettings":
        known = [column.name for column in COLUMNS if column.classes]
        if unknown := [label for label in self.labels if label not in known]:
            raise ValueError(f"labels names '{unknown[0]}'; {closest(unknown[0], known)}")
        return self
