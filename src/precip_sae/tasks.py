"""From a table and a task's settings to standardised arrays in chronological parts."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from precip_sae.errors import TableError, closest
from precip_sae.settings import DataSettings, MLPSettings

# The study's parts: the first 60 % of the rows train the network (their last fifth validates), the next
# 20 % train the SAE, the last 20 % test both. Rows are never shuffled between parts.
NETWORK_SHARE = 0.6
SAE_SHARE = 0.2
VALIDATION_SHARE = 0.2
MINIMUM_PART = 10


@dataclass(frozen=True)
class Part:
    """Consecutive rows of a prepared table.

    Attributes:
        x: standardised predictors, float32 [rows, predictors].
        y: int64 class numbers [rows], or float32 responses [rows] in the table's unit.
    """

    x: NDArray[np.float32]
    y: NDArray[Any]

    def __len__(self) -> int:
        return len(self.x)


@dataclass(frozen=True)
class Prepared:
    """A table as the networks see it.

    Attributes:
        train, validation, sae, test: the parts, in time order.
        mean, scale: of the (transformed) predictors over train and validation, float64 [predictors]; the
            scale is the standard deviation with denominator n.
        counts: rows read, rows dropped by reason, and rows of each part.
    """

    data: DataSettings
    train: Part
    validation: Part
    sae: Part
    test: Part
    mean: NDArray[np.float64]
    scale: NDArray[np.float64]
    counts: dict[str, int]

    @property
    def parts(self) -> dict[str, Part]:
        return {"train": self.train, "validation": self.validation, "sae": self.sae, "test": self.test}

    def config(self, task: str, seeds: Sequence[int], settings: MLPSettings) -> dict[str, Any]:
        """What a reader of the weights has to know: inputs, their transforms and scales, outputs, settings."""
        return {
            "task": task,
            "data": self.data.model_dump(),
            "mean": self.mean.tolist(),
            "scale": self.scale.tolist(),
            "seeds": list(seeds),
            "settings": settings.model_dump(),
        }

    def physical(self, x: NDArray[np.float32], predictor: str) -> NDArray[np.float64]:
        """Standardised values of one predictor, [rows, predictors] -> [rows] in the table's unit."""
        k = self.data.predictors.index(predictor)
        values = x[:, k].astype(np.float64) * self.scale[k] + self.mean[k]
        return 10.0**values if predictor in self.data.log10 else values


def read_table(path: Path, data: DataSettings) -> pd.DataFrame:
    """Reads the columns that a task uses from a parquet or CSV file, rows in the file's order.

    Raises:
        TableError: no such file, not a table, or a column that the task uses is missing.
    """
    if path.is_dir():
        raise TableError(f"{path}: is a folder, expected a parquet or CSV file.")
    if not path.exists():
        raise TableError(f"{path}: no such file, expected a parquet or CSV table.")
    if path.stat().st_size == 0:
        raise TableError(f"{path}: is empty (0 bytes), expected a parquet or CSV table.")
    readers = {".parquet": pd.read_parquet, ".csv": pd.read_csv}
    if path.suffix.lower() not in readers:
        raise TableError(f"{path}: ends in '{path.suffix}', expected .parquet or .csv.")
    try:
        frame = readers[path.suffix.lower()](path)
    except (OSError, ValueError) as error:
        # pyarrow's and pandas' parser errors are ValueErrors or OSErrors; their first line says what broke
        reason = str(error).strip().splitlines()[0].rstrip(".")
        raise TableError(f"{path}: cannot be read as {path.suffix[1:]} ({reason}).") from error
    wanted = [*data.predictors, data.response, *([data.time] if data.time else [])]
    for column in wanted:
        if column not in frame.columns:
            raise TableError(f"{path}: has no column '{column}'; {closest(column, frame.columns)}.")
    return frame[list(dict.fromkeys(wanted))]


def prepare(frame: pd.DataFrame, data: DataSettings, source: str | None = None) -> Prepared:
    """Transforms, drops incomplete rows, splits in time order and standardises, as the study does.

    log10 of the predictors that `data.log10` names; infinite or missing values are handled as `data.missing`
    says; mean and scale come from the first 60 % of the rows (training and validation part).

    Args:
        frame: table that holds the columns named by `data`.
        data: the task's `data` section.
        source: the table's name in error messages (default: `data.table`).

    Raises:
        TableError: text in a number column, nothing left, a part with fewer than 10 rows, a constant or empty
            predictor, an unknown label, or a class without a row in the training part.
    """
    source = source or data.table
    if frame.empty:
        raise TableError(f"{source}: has columns but no rows.")
    frame = rows_in_time_order(frame, data, source)
    x = _predictors(frame, data, source)
    y, kept, counts = _responses(frame, data, source)
    incomplete = np.isnan(x).any(axis=1) & kept
    if data.missing == "refuse" and incomplete.any():
        column = data.predictors[int(np.argmax(np.isnan(x[kept]).any(axis=0)))]
        raise TableError(
            f"{source}: column '{column}' misses values in {int(np.isnan(x[kept]).any(axis=1).sum())} rows "
            "have a missing predictor, and missing is 'refuse'."
        )
    if data.missing != "median":
        kept &= ~incomplete
        counts["dropped, predictor missing"] = int(incomplete.sum())
    x, y = x[kept], y[kept]

    ends = _part_ends(len(x))
    if min(np.diff([0, *ends])) < MINIMUM_PART:
        raise TableError(
            f"{source}: {len(x)} usable rows of {len(frame)}, expected at least "
            f"{_rows_needed()} so that each part holds {MINIMUM_PART}."
        )
    fitted = x[: ends[1]]
    if data.missing == "median":
        if np.isnan(fitted).all(axis=0).any():
            column = data.predictors[int(np.argmax(np.isnan(fitted).all(axis=0)))]
            raise TableError(f"{source}: column '{column}' holds no number in the training part, so no median.")
        counts["filled with the median"] = int(incomplete.sum())
        x = np.where(np.isnan(x), np.nanmedian(fitted, axis=0), x)
        fitted = x[: ends[1]]
    # column by column: numpy adds up a lone column in another order than one among others
    by_column = [np.ascontiguousarray(column) for column in fitted.T]
    mean, scale = np.array([c.mean() for c in by_column]), np.array([c.std() for c in by_column])
    for column, m, s in zip(data.predictors, mean, scale, strict=True):
        if s <= 1e-12 * max(1.0, abs(m)):
            raise TableError(f"{source}: column '{column}' is constant in the training part, expected it to vary.")
    standardised = ((x - mean) / scale).astype(np.float32)
    bounds = [0, *ends]
    parts = [Part(standardised[a:b], y[a:b]) for a, b in pairwise(bounds)]
    _check_training_response(parts[0].y, data, source)
    names = ("train", "validation", "sae", "test")
    counts |= {name: len(part) for name, part in zip(names, parts, strict=True)}
    return Prepared(data, *parts, mean=mean, scale=scale, counts=counts)


def present(frame: pd.DataFrame, data: DataSettings, source: str | None = None) -> NDArray[np.bool_]:
    """Which values `prepare` could use: the predictor is finite after its transform, and the row has a response.

    Args:
        frame: rows in the order in which `prepare` is to see them.

    Returns:
        [rows, predictors].

    Raises:
        TableError: see `prepare`.
    """
    source = source or data.table
    _, kept, _ = _responses(frame, data, source)
    return ~np.isnan(_predictors(frame, data, source)) & kept[:, None]


def _predictors(frame: pd.DataFrame, data: DataSettings, source: str) -> NDArray[np.float64]:
    """The predictors, transformed, with NaN for whatever is not a finite number [rows, predictors]."""
    x = np.column_stack([_numbers(frame, c, source) for c in data.predictors])
    for k, column in enumerate(data.predictors):
        if column in data.log10:
            with np.errstate(divide="ignore", invalid="ignore"):
                x[:, k] = np.log10(x[:, k])
    x[~np.isfinite(x)] = np.nan
    for column, empty in zip(data.predictors, np.isnan(x).all(axis=0), strict=True):
        if empty:
            what = "no positive number to take the logarithm of" if column in data.log10 else "no number"
            raise TableError(f"{source}: column '{column}' holds {what}, expected numbers.")
    return x


def _part_ends(rows: int) -> tuple[int, int, int, int]:
    """Where the training, validation, SAE and test parts end, truncated as Keras and the study truncate."""
    network = int(rows * NETWORK_SHARE)
    return int(network * (1 - VALIDATION_SHARE)), network, int(rows * (NETWORK_SHARE + SAE_SHARE)), rows


def _rows_needed() -> int:
    return math.ceil(MINIMUM_PART / (NETWORK_SHARE * VALIDATION_SHARE))


def rows_in_time_order(frame: pd.DataFrame, data: DataSettings, source: str | None = None) -> pd.DataFrame:
    """The rows sorted by the task's time column, stably; as they stand without one.

    Raises:
        TableError: a time is missing, or the times cannot be compared.
    """
    source, time = source or data.table, data.time
    if time is None:
        return frame
    if missing := int(frame[time].isna().sum()):
        raise TableError(f"{source}: time column '{time}' misses {missing} values, expected one in every row.")
    try:
        return frame.sort_values(time, kind="stable")
    except TypeError as error:
        raise TableError(f"{source}: time column '{time}' mixes types that cannot be put in order.") from error


def _numbers(frame: pd.DataFrame, column: str, source: str) -> NDArray[np.float64]:
    """One column as float64, missing values as NaN."""
    values = frame[column]
    numbers = pd.to_numeric(values, errors="coerce") if not pd.api.types.is_numeric_dtype(values) else values
    if pd.api.types.is_datetime64_any_dtype(values) or (numbers.isna() & values.notna()).any():
        bad = values[numbers.isna() & values.notna()]
        found = repr(str(bad.iloc[0])) if len(bad) else str(values.dtype)
        where = f" in row {bad.index[0]}" if len(bad) else ""
        raise TableError(f"{source}: column '{column}' holds {found}{where}, expected numbers.")
    return numbers.to_numpy(dtype=np.float64, na_value=np.nan)


def _responses(frame: pd.DataFrame, data: DataSettings, source: str) -> tuple[Any, Any, dict[str, int]]:
    """The response [rows], which rows have one [rows], and the rows dropped by reason."""
    counts = {"read": len(frame)}
    if data.kind == "regression":
        y = _numbers(frame, data.response, source).astype(np.float32)
        kept = np.isfinite(y)
        if not kept.any():
            raise TableError(f"{source}: response '{data.response}' holds no number.")
        counts["dropped, response missing"] = int((~kept).sum())
        return y, kept, counts
    labels = frame[data.response]
    text = labels.astype(str)
    known = {*data.classes, *data.drop_classes}
    if unknown := sorted(set(text[labels.notna()]) - known):
        raise TableError(
            f"{source}: response '{data.response}' holds '{unknown[0]}', expected one of the classes "
            f"{', '.join(data.classes)} or a label of drop_classes."
        )
    y = text.map({name: number for number, name in enumerate(data.classes)})
    kept = (y.notna() & labels.notna()).to_numpy(dtype=bool, copy=True)
    counts["dropped, response missing"] = int(labels.isna().sum())
    counts["dropped, label left out"] = int((~kept).sum()) - counts["dropped, response missing"]
    return y.where(kept, -1).to_numpy(dtype=np.int64), kept, counts


def _check_training_response(y: NDArray[Any], data: DataSettings, source: str) -> None:
    if data.kind == "regression":
        if np.ptp(y) == 0:
            raise TableError(f"{source}: response '{data.response}' is constant in the training part.")
        return
    for number, name in enumerate(data.classes):
        if not (y == number).any():
            raise TableError(
                f"{source}: the training part (the first {NETWORK_SHARE * (1 - VALIDATION_SHARE):.0%} of the rows) "
                f"holds no row of class '{name}' of response '{data.response}'."
            )
