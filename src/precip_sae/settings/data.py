"""Which table a network sees, and how its file is read."""

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from precip_sae.settings.kinds import Count, Scaling, Section, Transform

MOST_RESPONSES = 16


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
    response: str | list[str] = Field(
        description="column to predict; of a regression also a list of columns, which one network predicts at once: "
        "each is standardised, and the loss is the mean of their squared errors"
    )
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
    folds: Annotated[int, Field(ge=2, le=100)] | None = Field(
        None,
        description="cross-validation of a small table: the rows, the groups or (parts: blocks) the blocks of days are "
        "cut into so many sets, each of which is the test part once, and of the others 60 % are for networks, 15 % "
        "validate them and 25 % are for SAEs; `precip-sae task run` runs them all and pools them on one page",
    )
    fold: Count | None = Field(
        None, description="folds: the one that is run, from 1; of five in time order the last has the usual parts"
    )
    missing: Literal["drop", "refuse", "median"] = Field(
        "drop", description="rows with a missing predictor: left out, an error, or the training part's median"
    )
    names: dict[str, str] = Field({}, description="column: name to show in figures and tables")
    units: dict[str, str] = Field({}, description="column: unit to use and show; observations.schema knows its own")
    file: FileSettings = FileSettings()
    source: str = Field("", description="where the table comes from, in words; the report of the task says it")

    @property
    def responses(self) -> list[str]:
        """The columns to predict, in the order of the outputs."""
        return [self.response] if isinstance(self.response, str) else self.response

    @property
    def several(self) -> bool:
        """Whether one network predicts several responses."""
        return len(self.responses) > 1

    def one(self, response: str) -> "DataSettings":
        """The same with one of several responses."""
        return self.model_copy(update={"response": response})

    @property
    def outputs(self) -> int:
        """Outputs of a network: one per class, or one per response."""
        return len(self.classes) or len(self.responses)

    @property
    def columns(self) -> list[str]:
        """Every column that the task uses, once."""
        asked = [*self.predictors, *self.responses, self.time, self.groups]
        return list(dict.fromkeys(column for column in asked if column is not None))

    @field_validator("response", mode="before")
    @classmethod
    def _columns_to_predict(cls, given: Any) -> Any:
        if isinstance(given, str):
            return given
        if not isinstance(given, list) or not given or not all(isinstance(name, str) for name in given):
            raise ValueError(f"it is {given!r:.60}, expected the name of a column, or a list of names")
        if repeated := sorted({name for name in given if given.count(name) > 1}):
            raise ValueError(f"it names {', '.join(repeated)} more than once")
        if len(given) > MOST_RESPONSES:
            raise ValueError(f"it names {len(given)} columns, expected at most {MOST_RESPONSES}")
        return given if len(given) > 1 else given[0]

    @model_validator(mode="before")
    @classmethod
    def _several_are_standardised(cls, given: Any) -> Any:
        """Fills in what several responses leave no choice of: none may outweigh another by its unit."""
        if not isinstance(given, dict) or not isinstance(given.get("response"), list) or len(given["response"]) < 2:
            return given
        if given.get("kind") == "classification":
            raise ValueError("response is a list, which belongs to a regression, and kind is classification")
        if given.get("standardise_response") is False:
            raise ValueError(
                "standardise_response is false, and several responses are always standardised: leave it out"
            )
        return given | {"standardise_response": True}

    @model_validator(mode="after")
    def _consistent(self) -> "DataSettings":
        if repeated := sorted({p for p in self.predictors if self.predictors.count(p) > 1}):
            raise ValueError(f"predictors names {', '.join(repeated)} more than once")
        if both := [c for c in self.responses if c in self.predictors]:
            raise ValueError(f"the response {both[0]} is also among the predictors")
        if unknown := [c for c in self.transforms if c not in self.predictors]:
            raise ValueError(f"transforms names {', '.join(unknown)}, which is not among the predictors")
        scaled = [*self.predictors, *(self.responses if self.standardise_response else [])]
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
        if self.time in (*self.predictors, *self.responses):
            raise ValueError(f"{self.time} is the time column and also a predictor or the response")
        if self.parts == "blocks" and (self.time is None or self.groups is not None):
            raise ValueError(
                "parts: blocks needs the name of a column in time"
                if self.time is None
                else f"parts: blocks and groups: {self.groups} both say what stays in one part, expected one of them"
            )
        if self.fold is not None and (self.folds is None or self.fold > self.folds):
            raise ValueError(
                f"fold is {self.fold}, expected 1 to {self.folds}, the number of folds"
                if self.folds
                else f"fold is {self.fold}, and folds is null: of how many is it one?"
            )
        if self.shuffle_groups is not None and self.groups is None:
            raise ValueError("shuffle_groups needs the name of a column in groups")
        if self.groups in self.responses:
            raise ValueError(f"groups names {self.groups}, the response: no part would hold every value of it")
        return self
