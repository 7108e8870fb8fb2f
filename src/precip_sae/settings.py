"""Typed settings: the one source of the names, defaults and descriptions of every choice of the study.

`params.yaml` is read as YAML 1.2 (as DVC reads it: `1e-3` is a number) and unknown keys are refused.
"""

import math
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from ruamel.yaml.error import YAMLError

from precip_sae.errors import SettingsError, closest
from precip_sae.observations.schema import COLUMNS
from precip_sae.plain_yaml import load_yaml

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1)]
Shuffle = Literal["fixed", "per_epoch"]
L1Convention = Literal["keras3", "batch_mean"]
Share = Annotated[float, Field(gt=0, le=1)]
VariantName = Literal["keras3", "batch_mean", "l1", "topk", "batch_topk", "jumprelu", "gated", "matryoshka"]
Transform = Literal["log10", "log1p", "sqrt", "cbrt"]
Scaling = Annotated[list[Annotated[float, Field(allow_inf_nan=False)]], Field(min_length=2, max_length=2)]


MOST_SEEDS = 100_000


def _counted(seeds: Any) -> Any:
    if type(seeds) is not int or seeds < 1:
        return seeds
    if seeds > MOST_SEEDS:
        raise ValueError(f"asks for {seeds} seeds, expected at most {MOST_SEEDS}")
    return list(range(seeds))


def _distinct(seeds: list[int]) -> list[int]:
    if len(set(seeds)) < len(seeds):
        raise ValueError("names a seed more than once")
    return seeds


Seeds = Annotated[
    list[Annotated[int, Field(ge=0)]],
    Field(min_length=1),
    BeforeValidator(_counted),
    AfterValidator(_distinct),
]
"""Seeds in order; a number N in params.yaml stands for 0 to N - 1."""

# More models than this are a mistake in pool or size, not a search.
MOST_MODELS = 5_000_000

# What the compiled engine trains; wider SAEs are left to torch.
MOST_HIDDEN, MOST_LATENTS = 64, 256

# Folders below figures/ and models/ that belong to no task.
RESERVED = {
    "data", "published", "reductions", "search", "standards", "measures", "noise", "controls", "stability", "causes",
    "thresholds", "cards", "column", "toys", "variants", "companions", "ranking", "picked",
}  # fmt: skip


class Section(BaseModel):
    """A section of params.yaml: values are fixed after reading, unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class SimulationSettings(Section):
    """The simulated observations (`precip-sae simulate`)."""

    records: int = Field(88_000, ge=200, le=2_000_000, description="5-minute records of precipitation to simulate")
    seed: int = Field(2025, ge=0, description="seed of the simulation; the same seed gives the same bytes")


class FileSettings(Section):
    """How the table's file is read: the names, units and marks that it uses, and the dialect of a CSV file."""

    columns: dict[str, str] = Field(
        {},
        description="column: its name in the file; NAME[k]: entry k along a netCDF variable's second dimension",
    )
    units: dict[str, str] = Field(
        {}, description="column: unit of its numbers in the file, if the file does not say; converted to data.units"
    )
    missing_marks: list[str | float] = Field(
        [], description="values that stand for a missing one, besides empty, NA and NaN: -999 for example"
    )
    every: Count = Field(1, description="read one row in so many, for files of many millions")
    format: Literal["csv", "parquet", "xarray"] | None = Field(
        None, description="what the file is, whatever its name ends in; null: by the ending"
    )
    bad_rows: Literal["refuse", "drop"] = Field(
        "refuse", description="CSV: rows with another number of columns than the line of names: an error, or left out"
    )
    delimiter: str | None = Field(
        None, min_length=1, max_length=1, description="CSV: character between columns; null: comma, in .tsv tab"
    )
    decimal: Literal[".", ","] = Field(".", description="CSV: decimal mark")
    thousands: str | None = Field(
        None, min_length=1, max_length=1, description="CSV: character between groups of digits; null: none"
    )
    encoding: str = Field("utf-8", description="CSV: encoding of the text, for example latin-1 or utf-16")
    skip_rows: int = Field(0, ge=0, description="CSV: lines above the line of column names")
    skip_after_names: int = Field(0, ge=0, description="CSV: lines between the names and the first row")

    @model_validator(mode="after")
    def _consistent(self) -> "FileSettings":
        try:
            # four zero bytes are text in every encoding of files; rot13, idna and their like are none
            str(memoryview(bytes(4)), self.encoding)
        except (LookupError, AttributeError, UnicodeError) as error:
            raise ValueError(
                f"encoding is '{self.encoding}', expected one that Python knows, such as latin-1"
            ) from error
        if self.delimiter is not None and (not self.delimiter.isascii() or self.delimiter in '"\r\n'):
            raise ValueError(f"delimiter is {self.delimiter!r}, expected an ASCII character, no quote or line end")
        if self.thousands == self.decimal:
            raise ValueError(f"thousands and decimal are both '{self.decimal}'")
        for key in ("decimal", "thousands"):
            # a comma is the delimiter only where nothing else is asked for
            if getattr(self, key) == (self.delimiter or ("," if key == "thousands" else None)):
                raise ValueError(f"delimiter and {key} are both '{getattr(self, key)}'")
        return self


class DataSettings(Section):
    """Which columns of which table a network sees."""

    table: str = Field(
        description="CSV, parquet, netCDF or whatever xarray opens, relative to the project (or to the task file); "
        "a folder of such files is one table, and in a task file so is a pattern such as months/*.csv, or a .yaml file "
        "that lists files"
    )
    predictors: list[str] = Field(
        min_length=1,
        max_length=64,
        description="input columns, in order; COLUMN=VALUE of a column of categories is 1 where it holds the value, "
        "else 0",
    )
    response: str = Field(description="column to predict")
    kind: Literal["classification", "regression"] = Field(description="what kind of response it is")
    classes: list[str] = Field(
        [], max_length=16, description="classification: class names, in the order of the outputs"
    )
    drop_classes: list[str] = Field([], description="classification: labels whose rows are left out")
    labels: dict[str, str] = Field({}, description="classification: label in the table: class that it counts as")
    other_labels: Literal["refuse", "drop"] = Field(
        "refuse",
        description="classification: rows with a label that is not in classes, labels or drop_classes: an error, or "
        "left out",
    )
    transforms: dict[str, Transform] = Field(
        {}, description="predictor: log10, log1p, sqrt or cbrt, taken before standardising"
    )
    scaling: dict[str, Scaling] = Field(
        {},
        description="predictor: mean and standard deviation (after its transform) to standardise it with, and likewise "
        "of a response that is standardised; of the others the training part's",
    )
    standardise_response: bool = Field(
        False,
        description="regression: networks learn the response less its mean, over its standard deviation; scores "
        "and figures stay in its unit",
    )
    time: str | None = Field(None, description="column that puts the rows in time order; null: as they stand")
    time_format: str | None = Field(
        None,
        description="pattern of text times (%d.%m.%Y %H:%M), or unix for seconds since 1970; null: ISO 8601, or "
        "numbers as they are",
    )
    repeated_times: Literal["keep", "refuse", "first"] = Field(
        "keep", description="rows with the time of an earlier row: kept, an error, or left out"
    )
    parts: Literal["time", "blocks"] = Field(
        "time",
        description="time: 60 % of the rows for networks, then 20 % for SAEs, then 20 % for the test; blocks: blocks "
        "of days, drawn so that each part gets its share of every class",
    )
    block_days: float = Field(
        5.0, ge=1 / 24, le=3660, allow_inf_nan=False, description="parts: blocks: length of a block, in days"
    )
    block_seed: int = Field(0, ge=0, description="parts: blocks: seed of the draw")
    groups: str | None = Field(
        None, description="column: rows that share its value (a storm, a station) stay in one part; null: parts by row"
    )
    shuffle_groups: Annotated[int, Field(ge=0)] | None = Field(
        None, description="seed of a random order in which groups fill the parts; null: by their first row"
    )
    missing: Literal["drop", "refuse", "median"] = Field(
        "drop", description="rows with a missing predictor: left out, an error, or the training part's median"
    )
    names: dict[str, str] = Field({}, description="column: name to show in figures and tables")
    units: dict[str, str] = Field({}, description="column: unit to use and show; observations.schema knows its own")
    file: FileSettings = FileSettings()
    source: str = Field("", description="where the table comes from, in words; the report of the task says it")

    @property
    def outputs(self) -> int:
        """Outputs of a network: one per class, or one response."""
        return len(self.classes) or 1

    @property
    def columns(self) -> list[str]:
        """Every column that the task uses, once."""
        asked = [*self.predictors, self.response, self.time, self.groups]
        return list(dict.fromkeys(column for column in asked if column is not None))

    @model_validator(mode="after")
    def _consistent(self) -> "DataSettings":
        if repeated := sorted({p for p in self.predictors if self.predictors.count(p) > 1}):
            raise ValueError(f"predictors names {', '.join(repeated)} more than once")
        if self.response in self.predictors:
            raise ValueError(f"the response {self.response} is also among the predictors")
        if unknown := [c for c in self.transforms if c not in self.predictors]:
            raise ValueError(f"transforms names {', '.join(unknown)}, which is not among the predictors")
        scaled = [*self.predictors, *([self.response] if self.standardise_response else [])]
        if unknown := [c for c in self.scaling if c not in scaled]:
            raise ValueError(f"scaling names {', '.join(unknown)}, which is not standardised")
        if wrong := [c for c, (_, scale) in self.scaling.items() if scale <= 0]:
            raise ValueError(f"scaling of {wrong[0]} has the standard deviation {self.scaling[wrong[0]][1]:g}")
        if self.kind == "classification" and len(set(self.classes)) < 2:
            raise ValueError("a classification needs at least two different class names in classes")
        if self.kind == "regression" and (
            self.classes or self.drop_classes or self.labels or self.other_labels != "refuse"
        ):
            raise ValueError(
                "classes, drop_classes, labels and other_labels belong to a classification, and kind is regression"
            )
        if self.kind == "classification" and self.standardise_response:
            raise ValueError("standardise_response belongs to a regression, and kind is classification")
        if both := [c for c in self.classes if c in self.drop_classes]:
            raise ValueError(f"{both[0]} stands in classes and in drop_classes")
        if unknown := [f"{k}: {v}" for k, v in self.labels.items() if v not in {*self.classes, *self.drop_classes}]:
            raise ValueError(f"labels has '{unknown[0]}', expected a class of classes or drop_classes")
        if self.time is None and (self.time_format or self.repeated_times != "keep"):
            raise ValueError("time_format and repeated_times need the name of a time column in time")
        if self.time in (*self.predictors, self.response):
            raise ValueError(f"{self.time} is the time column and also a predictor or the response")
        if self.parts == "blocks" and (self.time is None or self.groups is not None):
            raise ValueError(
                "parts: blocks needs the name of a column in time"
                if self.time is None
                else f"parts: blocks and groups: {self.groups} both say what stays in one part, expected one of them"
            )
        if self.shuffle_groups is not None and self.groups is None:
            raise ValueError("shuffle_groups needs the name of a column in groups")
        if self.groups == self.response:
            raise ValueError(f"groups names {self.groups}, the response: no part would hold every value of it")
        return self


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


class SubsetSettings(Section):
    """Which input subsets of a task are tried; networks, SAEs and thresholds are the task's own."""

    table: str = Field(description="the task's table, once more: DVC has to see it here")
    pool: list[str] = Field(min_length=1, max_length=64, description="columns that subsets are drawn from, in order")
    size: Count = Field(5, description="inputs of each network")
    transforms: dict[str, Transform] = Field({}, description="column of the pool: its transform, as in data")
    seeds: Seeds = Field(list(range(10)), description="networks trained on each subset: a list, or a number")

    @model_validator(mode="after")
    def _consistent(self) -> "SubsetSettings":
        if repeated := sorted({p for p in self.pool if self.pool.count(p) > 1}):
            raise ValueError(f"pool names {', '.join(repeated)} more than once")
        if self.size > len(self.pool):
            raise ValueError(f"size is {self.size}, expected at most {len(self.pool)}, the number of columns in pool")
        if unknown := [c for c in self.transforms if c not in self.pool]:
            raise ValueError(f"transforms names {', '.join(unknown)}, which is not in pool")
        if (models := math.comb(len(self.pool), self.size) * len(self.seeds)) > MOST_MODELS:
            raise ValueError(f"{models} models would be trained, expected at most {MOST_MODELS}")
        return self


class SearchSettings(Section):
    """Every input subset, with several seeds."""

    scheduler: str = Field(
        "local",
        pattern=r"^(local|local-cluster|(tcp|tls)://[^\s:]+:\d+)$",
        description="where the models are trained: local (threads of this process), local-cluster (Dask, processes "
        "on this machine) or tcp://host:port of a Dask scheduler; the results are the same bytes",
    )
    workers: Count | None = Field(None, description="local: threads, local-cluster: processes; null: one per CPU")
    tasks: dict[str, SubsetSettings] = Field({}, description="which tasks are searched, and how")


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


class Settings(Section):
    """The whole of params.yaml."""

    simulation: SimulationSettings = SimulationSettings()
    tasks: dict[str, TaskSettings] = Field(min_length=1, description="one section per prediction problem")
    search: SearchSettings = SearchSettings()
    standards: dict[str, StandardSettings] = Field({}, description="task: the published network that it is held to")
    noise: dict[str, NoiseSettings] = Field({}, description="task: how far its reduction moves by chance")
    controls: dict[str, ControlSettings] = Field({}, description="task: what its SAEs are held against")
    measures: dict[str, MeasureSettings] = Field({}, description="task: measures of what its units respond to")
    companions: CompanionSettings = CompanionSettings()
    inspector: InspectorSettings = InspectorSettings()
    features: dict[str, FeatureSettings] = Field({}, description="task: how its latents are asked whether they hold up")
    column: ColumnSettings = ColumnSettings()
    toys: ToySettings | None = Field(None, description="toy models whose features are known")
    variants: dict[str, VariantSettings] = Field({}, description="task: the variants of SAE on its networks")

    @model_validator(mode="after")
    def _task_names(self) -> "Settings":
        for name in self.tasks:
            if not name.isidentifier():
                raise ValueError(f"the task name '{name}' is not letters, digits and underscores")
            if name in RESERVED:
                raise ValueError(f"the task name '{name}' is taken by a folder of figures or models")
        return self

    @model_validator(mode="after")
    def _file_keys(self) -> "Settings":
        for name, task in self.tasks.items():
            pool = self.search.tasks[name].pool if name in self.search.tasks else []
            bases = [name.partition("=")[0] for name in task.data.predictors if "=" in name]
            used = [*task.data.columns, *bases, *pool]
            for key in ("columns", "units"):
                if unused := [c for c in getattr(task.data.file, key) if c not in used]:
                    place = f"tasks.{name}.data.file.{key}"
                    raise ValueError(
                        f"{place} names '{unused[0]}', which the task does not use; {closest(unused[0], used)}"
                    )
        return self

    @model_validator(mode="after")
    def _standards(self) -> "Settings":
        for name, standard in self.standards.items():
            if name not in self.tasks:
                raise ValueError(f"standards.{name}: there is no task of that name; {closest(name, self.tasks)}")
            if standard.table != (table := self.tasks[name].data.table):
                raise ValueError(f"standards.{name}.table is {standard.table}, expected {table}, the task's")
        return self

    @model_validator(mode="after")
    def _on_tasks(self) -> "Settings":
        for section in ("measures", "noise", "controls", "features", "variants"):
            for name, chosen in getattr(self, section).items():
                if name not in self.tasks:
                    raise ValueError(f"{section}.{name}: there is no task of that name; {closest(name, self.tasks)}")
                if chosen.table != (table := self.tasks[name].data.table):
                    raise ValueError(f"{section}.{name}.table is {chosen.table}, expected {table}, the task's")
        return self

    @model_validator(mode="after")
    def _features(self) -> "Settings":
        for name, asked in self.features.items():
            data = self.tasks[name].data
            if unknown := [column for column in asked.along if column not in data.predictors]:
                raise ValueError(
                    f"features.{name}.along names '{unknown[0]}', no predictor of the task; "
                    f"{closest(unknown[0], data.predictors)}"
                )
            if asked.labels and data.kind == "regression":
                raise ValueError(f"features.{name}.labels belongs to a classification, and {name} is a regression")
        return self

    @model_validator(mode="after")
    def _searches(self) -> "Settings":
        for name, subsets in self.search.tasks.items():
            place = f"search.tasks.{name}"
            if name not in self.tasks:
                raise ValueError(f"{place}: there is no task of that name; {closest(name, self.tasks)}")
            data, sae = self.tasks[name].data, self.tasks[name].sae
            if self.tasks[name].mlp.network is not None:
                raise ValueError(f"{place}: a search trains networks, and tasks.{name}.mlp.network names one")
            if sae.latents > MOST_LATENTS:
                raise ValueError(
                    f"tasks.{name}.sae.latents is {sae.latents}, expected at most {MOST_LATENTS} of a search"
                )
            if subsets.table != data.table:
                raise ValueError(f"{place}.table is {subsets.table}, expected {data.table}, the task's")
            if data.response in subsets.pool:
                raise ValueError(f"{place}.pool names {data.response}, the response")
            if not set(data.predictors) <= set(subsets.pool) or len(data.predictors) != subsets.size:
                continue
            # the task's own subset is among those searched: make it the very same models
            if [c for c in subsets.pool if c in data.predictors] != data.predictors:
                raise ValueError(
                    f"{place}.pool names the task's predictors in another order, expected {', '.join(data.predictors)}"
                )
            if {c: t for c, t in subsets.transforms.items() if c in data.predictors} != data.transforms:
                own = ", ".join(f"{column}: {name}" for column, name in data.transforms.items())
                raise ValueError(f"{place}.transforms differs from the task's, expected {own or 'none'} of its inputs")
        return self


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping in a YAML 1.2 file.

    Raises:
        SettingsError: the file is missing, is not YAML or does not hold a mapping.
    """
    try:
        content = load_yaml(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise SettingsError(f"{path}: no such file.") from error
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: cannot be read as text ({error}).") from error
    except YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f" at line {mark.line + 1}" if mark else ""
        raise SettingsError(f"{path.name}: is not valid YAML{line} ({getattr(error, 'problem', error)}).") from error
    if not isinstance(content, dict):
        raise SettingsError(f"{path.name}: found {type(content).__name__}, expected keys and values.")
    return content


def load_settings(path: Path) -> Settings:
    """Reads and checks params.yaml.

    Raises:
        SettingsError: the first thing that is wrong with it, in one sentence.
        NetworkError: a network that a task names cannot be read.
    """
    return project_settings(read_yaml(path), path.parent, path.name)


def project_settings(content: dict[str, Any], root: Path, source: str) -> Settings:
    """The content of a params.yaml in the folder `root` as checked settings.

    Raises:
        SettingsError, NetworkError: see `load_settings`.
    """
    from precip_sae.pipeline.networks import with_networks  # few tasks name one

    settings: Settings = parse(Settings, with_networks(content, root, source), source)
    for name, task in settings.tasks.items():
        if Path(task.data.table).suffix in (".yaml", ".yml"):
            raise SettingsError(
                f"{source}: tasks.{name}.data.table is {task.data.table}, a list of files, which DVC does not follow; "
                "expected a file or a folder."
            )
    return settings


def parse(section: type[Section], content: dict[str, Any], source: str, prefix: str = "") -> Any:
    """`content` as a checked `section`.

    Args:
        section: the class to make.
        content: keys and values, as read from YAML or passed to a notebook.
        source: file (or notebook) to name in the sentence if something is wrong.
        prefix: where in that file the section stands, for example `tasks.classifier.`.

    Raises:
        SettingsError: the first thing that is wrong, in one sentence.
    """
    try:
        return section.model_validate(content)
    except ValidationError as error:
        raise SettingsError(_sentence(error, section, source, prefix)) from error


def _sentence(error: ValidationError, section: type[Section], source: str, prefix: str) -> str:
    # An unknown key is named before a missing one: a misspelt key causes both, and the first says it best.
    problems = sorted(error.errors(), key=lambda e: e["type"] != "extra_forbidden")
    first = problems[0]
    place = (prefix + ".".join(str(part) for part in first["loc"])).rstrip(".")
    match first["type"]:
        case "extra_forbidden":
            known = _fields_at(section, first["loc"][:-1])
            return f"{source}: {place} is not a known key; {closest(str(first['loc'][-1]), known)}."
        case "missing":
            return f"{source}: {place} is missing."
        case "value_error":
            where = f" {place}:" if place else ""
            return f"{source}:{where} {first['ctx']['error']!s}."
        case _:
            message = first["msg"][0].lower() + first["msg"][1:]
            return f"{source}: {place} is {first['input']!r}, but {message}."


def _fields_at(section: type[BaseModel], place: tuple[Any, ...]) -> list[str]:
    """The known keys at `place`, following sections, and mappings and lists of sections."""
    current: Any = section
    for part in place:
        fields = getattr(current, "model_fields", None)
        current = fields[part].annotation if fields else get_args(current)[-1]
    return list(current.model_fields)
