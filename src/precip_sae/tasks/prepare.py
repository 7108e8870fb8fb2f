"""From the columns of a table to standardised arrays in chronological parts, or parts of whole groups or days."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from precip_sae.errors import TableError
from precip_sae.settings import DataSettings, MLPSettings
from precip_sae.tables import values as columns
from precip_sae.tables.read import BAD_ROWS
from precip_sae.tasks.folds import fold_name, fold_rows
from precip_sae.tasks.parts import SHARES, block_rows, keeps_classes, part_rows

MINIMUM_CLASS = 5  # rows of the training part
MOST_LABELS = 60  # named in one sentence
LARGEST_RESPONSE = 1e9  # derivatives of more leave the range of float32 in which networks are trained

Values = NDArray[np.float64]
# name: (transform, its inverse, numbers that have one)
TRANSFORMS: dict[str, tuple[Callable[[Values], Values], Callable[[Values], Values], str]] = {
    "log10": (np.log10, lambda values: 10.0**values, "positive numbers"),
    "log1p": (np.log1p, np.expm1, "numbers above -1"),
    "sqrt": (np.sqrt, np.square, "numbers from 0 on"),
    "cbrt": (np.cbrt, lambda values: values**3, "numbers"),
}


@dataclass(frozen=True)
class Part:
    """Rows of a prepared table: consecutive ones, or those of whole groups.

    Attributes:
        x: standardised predictors, float32 [rows, predictors].
        y: int64 class numbers [rows], or float32 responses [rows] (of several [rows, responses]), in the table's unit
            unless they are standardised (see `Prepared.response`).
        classes: their names, by number; empty of a regression.
    """

    x: NDArray[np.float32]
    y: NDArray[Any]
    classes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.x)


@dataclass(frozen=True)
class Prepared:
    """A table as the networks see it.

    Attributes:
        train, validation, sae, test: the parts, in time order.
        mean, scale: of the (transformed) predictors over train and validation, float64 [predictors]; the
            scale is the standard deviation with denominator n. Both as `data.scaling` says, where it does.
        response_mean, response_scale: likewise of the response, 0 and 1 unless `data.standardise_response`; of several
            [responses].
        counts: rows read, rows dropped by reason, and rows of each part.
        rows: of each part, where its rows stand in the table's index.
    """

    data: DataSettings
    train: Part
    validation: Part
    sae: Part
    test: Part
    mean: NDArray[np.float64]
    scale: NDArray[np.float64]
    counts: dict[str, int]
    rows: dict[str, pd.Index] = field(default_factory=dict)
    response_mean: float | Values = 0.0
    response_scale: float | Values = 1.0

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
            "response_mean": np.asarray(self.response_mean).tolist(),
            "response_scale": np.asarray(self.response_scale).tolist(),
            "seeds": list(seeds),
            "settings": settings.model_dump(),
        }

    def response(self, y: NDArray[np.float32]) -> NDArray[np.float32]:
        """Responses as the networks give them in the table's unit: of any shape; of several [.., responses]."""
        if not self.data.standardise_response:
            return y
        return (y.astype(np.float64) * self.response_scale + self.response_mean).astype(np.float32)

    def said(self, z: NDArray[np.float32]) -> NDArray[np.float32]:
        """What networks of a regression say, in the table's unit, in the form of `Part.y`.

        Args:
            z: their outputs [models, rows, responses].

        Returns:
            [models, rows]; of several responses [models, rows, responses].
        """
        return self.response(z if self.data.several else z[..., 0])

    def physical(self, x: NDArray[np.float32], predictor: str) -> NDArray[np.float64]:
        """Standardised values of one predictor, [rows, predictors] -> [rows] in the table's unit."""
        k = self.data.predictors.index(predictor)
        values = x[:, k].astype(np.float64) * self.scale[k] + self.mean[k]
        transform = self.data.transforms.get(predictor)
        return TRANSFORMS[transform][1](values) if transform else values


def prepare(frame: pd.DataFrame, data: DataSettings) -> Prepared:
    """Transforms, drops incomplete rows, splits in time order and standardises, as the study does.

    Predictors are transformed as `data.transforms` says; infinite or missing values are handled as `data.missing`
    says; mean and scale come from the training and validation part. See `part_rows`, `block_rows` and `fold_rows` for
    the parts.

    Args:
        frame: table that holds the columns named by `data`.
        data: the task's `data` section.

    Raises:
        TableError: text in a number column, nothing left, a part with fewer than 10 rows, a constant or empty
            predictor, an unknown label, or a class with fewer than 5 rows in the training part.
    """
    if frame.empty:
        raise TableError(f"{data.table}: has columns but no rows.")
    read, bad_rows = len(frame), frame.attrs.get(BAD_ROWS, 0)
    frame = rows_in_time_order(frame, data)
    x = _predictors(frame, data)
    y, kept, dropped = _responses(frame, data)
    repeated = read - len(frame)
    counts = {"read": read + bad_rows}
    counts |= {"dropped, wrong number of columns": bad_rows} if bad_rows else {}
    counts |= ({"dropped, time repeated": repeated} if repeated else {}) | dropped
    incomplete = np.isnan(x).any(axis=1) & kept
    if data.missing == "refuse" and incomplete.any():
        column = data.predictors[int(np.argmax(np.isnan(x[kept]).any(axis=0)))]
        raise TableError(
            f"{data.table}: column '{column}' is missing or infinite in {int(incomplete.sum())} rows, and "
            "data.missing is 'refuse', which expects none."
        )
    if data.missing != "median":
        kept &= ~incomplete
        counts["dropped, predictor missing"] = int(incomplete.sum())
    x, y = x[kept], y[kept]  # of several responses y is [rows, responses]
    rows: dict[str, Any]
    if data.folds is not None:
        rows = fold_rows(frame[kept], y if data.kind == "classification" else None, data)
    elif data.parts == "blocks":
        rows = block_rows(frame[data.time][kept], y if data.kind == "classification" else None, data, len(frame))
    else:
        rows = part_rows(frame[data.groups][kept] if data.groups else None, len(x), data, len(frame))
    fitted = np.concatenate([x[rows["train"]], x[rows["validation"]]])
    if data.missing == "median":
        if np.isnan(fitted).all(axis=0).any():
            column = data.predictors[int(np.argmax(np.isnan(fitted).all(axis=0)))]
            raise TableError(f"{data.table}: column '{column}' holds no number in the training part, so no median.")
        counts["filled with the median"] = int(incomplete.sum())
        medians = np.nanmedian(fitted, axis=0)
        x, fitted = np.where(np.isnan(x), medians, x), np.where(np.isnan(fitted), medians, fitted)
    # column by column: numpy adds up a lone column in another order than one among others
    by_column = [np.ascontiguousarray(column) for column in fitted.T]
    with np.errstate(over="ignore"):
        given = [data.scaling.get(name) for name in data.predictors]
        mean = np.array([g[0] if g else c.mean() for g, c in zip(given, by_column, strict=True)])
        scale = np.array([g[1] if g else c.std() for g, c in zip(given, by_column, strict=True)])
    for column, m, s in zip(data.predictors, mean, scale, strict=True):
        if s <= 1e-12 * abs(m):
            raise TableError(f"{data.table}: column '{column}' is constant in the training part, expected it to vary.")
    response_mean: float | Values = 0.0
    response_scale: float | Values = 1.0
    if data.standardise_response:
        learnt = np.concatenate([y[rows["train"]], y[rows["validation"]]])
        response_mean, response_scale = _response_scaling(learnt, data)
        y = (y - response_mean) / response_scale
    if data.kind == "regression":
        y = y.astype(np.float32)
    with np.errstate(over="ignore", invalid="ignore"):
        standardised = ((x - mean) / scale).astype(np.float32)
    for column, values, s in zip(data.predictors, standardised.T, scale, strict=True):
        if not (np.isfinite(s) and np.isfinite(values).all()):
            raise TableError(
                f"{data.table}: column '{column}' holds values so far apart that they cannot be standardised, expected "
                "measurements: are some a mark of missing values (data.file.missing_marks)?"
            )
    parts = {name: Part(standardised[chosen], y[chosen], tuple(data.classes)) for name, chosen in rows.items()}
    _check_training_response(parts["train"].y, data)
    counts |= {name: len(part) for name, part in parts.items()}
    index = frame.index[kept]
    where = {name: index[chosen] for name, chosen in rows.items()}
    return Prepared(
        data,
        **parts,
        mean=mean,
        scale=scale,
        counts=counts,
        rows=where,
        response_mean=response_mean,
        response_scale=response_scale,
    )


def _response_scaling(learnt: Values, data: DataSettings) -> tuple[float | Values, float | Values]:
    """Mean and standard deviation of the response; of several of each, [responses].

    Args:
        learnt: responses of the rows that they are taken from [rows], or [rows, responses].

    Raises:
        TableError: a response is constant.
    """
    found = []
    # column by column, as the predictors
    for name, column in zip(data.responses, np.ascontiguousarray(learnt.T).reshape(-1, len(learnt)), strict=True):
        mean, scale = data.scaling.get(name) or (float(column.mean()), float(column.std()))
        # the sum of one value's copies is rounded, so that their spread may not be quite nothing
        if scale == 0 or (data.several and scale <= 1e-12 * abs(mean)):
            raise TableError(f"{data.table}: response '{name}' is constant in the training part.")
        found.append((mean, scale))
    if not data.several:
        return found[0]
    means, scales = np.array(found).T
    return means, scales


def present(frame: pd.DataFrame, data: DataSettings) -> NDArray[np.bool_]:
    """Which values `prepare` could use: the predictor is finite after its transform, and the row has a response.

    Args:
        frame: rows in the order in which `prepare` is to see them.

    Returns:
        [rows, predictors].

    Raises:
        TableError: see `prepare`.
    """
    _, kept, _ = _responses(frame, data)
    return ~np.isnan(_predictors(frame, data)) & kept[:, None]


def _predictors(frame: pd.DataFrame, data: DataSettings) -> NDArray[np.float64]:
    """The predictors, transformed, with NaN for whatever is not a finite number [rows, predictors]."""
    x = np.column_stack([columns.numbers(frame[c], c, data.table) for c in data.predictors])
    for k, column in enumerate(data.predictors):
        if column in data.transforms:
            with np.errstate(divide="ignore", invalid="ignore"):
                x[:, k] = TRANSFORMS[data.transforms[column]][0](x[:, k])
    x[~np.isfinite(x)] = np.nan
    for column, empty in zip(data.predictors, np.asarray(np.isnan(x).all(axis=0)), strict=True):
        if empty:
            transform = data.transforms.get(column)
            wanted = f"{TRANSFORMS[transform][2]} to take the {transform} of" if transform else "numbers"
            raise TableError(f"{data.table}: column '{column}' holds no usable value, expected {wanted}.")
    return x


def rows_in_time_order(frame: pd.DataFrame, data: DataSettings) -> pd.DataFrame:
    """The rows sorted by the task's time column, stably; as they stand without one.

    Of rows with the same time, `data.repeated_times` says whether all are kept, the first, or none is allowed.

    Raises:
        TableError: a time is missing or repeated, or the times cannot be compared.
    """
    time = data.time
    if time is None:
        return frame
    if missing := int(frame[time].isna().sum()):
        raise TableError(f"{data.table}: time column '{time}' misses {missing} values, expected one in every row.")
    try:
        frame = frame.sort_values(time, kind="stable")
    except TypeError as error:
        raise TableError(f"{data.table}: time column '{time}' mixes types that cannot be put in order.") from error
    if data.repeated_times == "keep":
        return frame
    repeated = frame[time].duplicated()
    if data.repeated_times == "refuse" and repeated.any():
        raise TableError(
            f"{data.table}: time column '{time}' holds {frame[time][repeated].iloc[0]} more than once "
            f"({int(repeated.sum())} such rows), and data.repeated_times is 'refuse', which expects none."
        )
    return frame[~repeated]


def _responses(frame: pd.DataFrame, data: DataSettings) -> tuple[Any, Any, dict[str, int]]:
    """The response [rows] or [rows, responses], which rows have one [rows], and the rows dropped by reason."""
    if data.several:
        return _several_responses(frame, data)
    (response,) = data.responses
    if data.kind == "regression":
        y = columns.numbers(frame[response], response, data.table)
        kept = _trainable(y, response, data)
        if not data.standardise_response and (most := np.abs(y[kept]).max()) > LARGEST_RESPONSE:
            raise TableError(
                f"{data.table}: response '{response}' holds numbers as large as {most:.3g}, expected at most "
                f"{LARGEST_RESPONSE:g}: take another unit (data.units), or set data.standardise_response."
            )
        return y, kept, {"dropped, response missing": int((~kept).sum())}
    labels = columns.labels(frame[response])
    there = labels.notna()
    text = labels.map(lambda label: data.labels.get(label, label), na_action="ignore")
    others = text[there & ~text.isin([*data.classes, *data.drop_classes])]
    if len(others) and data.other_labels == "refuse":
        raise TableError(_others_sentence(others, data))
    y = text.map({name: number for number, name in enumerate(data.classes)})
    kept = (y.notna() & there).to_numpy(dtype=bool, copy=True)
    counts = {"dropped, response missing": int((~there).sum())}
    counts["dropped, label left out"] = int((~kept).sum()) - len(others) - counts["dropped, response missing"]
    if data.other_labels == "drop":
        counts["dropped, other label"] = len(others)
    return y.where(kept, -1).to_numpy(dtype=np.int64), kept, counts


def _several_responses(frame: pd.DataFrame, data: DataSettings) -> tuple[Values, NDArray[np.bool_], dict[str, int]]:
    """`_responses` of several: a row is kept where all are there; the count says what each lack costs.

    Raises:
        TableError: a response holds no number, or no row has all.
    """
    y = np.column_stack([columns.numbers(frame[name], name, data.table) for name in data.responses])
    kept = np.all([_trainable(y[:, k], name, data) for k, name in enumerate(data.responses)], axis=0)
    if not kept.any():
        raise TableError(f"{data.table}: no row holds all responses ({', '.join(data.responses)}).")
    return y, kept, {"dropped, a response missing": int((~kept).sum())}


def _trainable(y: Values, response: str, data: DataSettings) -> NDArray[np.bool_]:
    """Which values of a response networks can learn: finite as float32, [rows].

    Raises:
        TableError: none.
    """
    there = np.asarray(np.abs(y) <= np.finfo(np.float32).max)
    if not there.any():
        beyond = " within the range of float32: take another unit (data.units)" if np.isfinite(y).any() else ""
        raise TableError(f"{data.table}: response '{response}' holds no number{beyond}.")
    return there


def _others_sentence(others: pd.Series, data: DataSettings) -> str:
    """Every label that no setting names with its rows, and what to paste into the task."""

    def quoted(label: Any) -> str:
        return json.dumps(str(label)[:60], ensure_ascii=False)

    rows = others.value_counts().sort_index().sort_values(ascending=False, kind="stable")
    named = [f"{quoted(label)} ({count})" for label, count in rows.head(MOST_LABELS).items()]
    more = f" and {len(rows) - MOST_LABELS} more" if len(rows) > MOST_LABELS else ""
    text = (
        f"{data.table}: response '{data.responses[0]}' holds {', '.join(named)}{more}, expected the classes "
        f"{', '.join(data.classes)}, or a label of labels or drop_classes: put below data other_labels: drop to leave "
        "such rows out"
    )
    if not more:
        dropped = ", ".join(map(quoted, [*data.drop_classes, *rows.index]))
        text += f", or drop_classes: [{dropped}] without those that labels: {{{quoted(rows.index[0])}: CLASS}} counts"
    return f"{text}."


def _check_training_response(y: NDArray[Any], data: DataSettings) -> None:
    if data.kind == "regression":
        for name, column in zip(data.responses, y.reshape(len(y), -1).T, strict=True):
            if np.ptp(column) == 0:
                raise TableError(f"{data.table}: response '{name}' is constant in the training part.")
        return
    whose = f"{SHARES[0]:.0%} of the rows" if data.folds is None else fold_name(data)
    for number, name in enumerate(data.classes):
        if (found := int((y == number).sum())) < MINIMUM_CLASS:
            raise TableError(
                f"{data.table}: the training part ({whose}) holds {found} rows of class '{name}' of response "
                f"'{data.responses[0]}', expected at least {MINIMUM_CLASS}: leave it out (drop_classes) or count it as "
                f"another (labels), or set other parts ({keeps_classes(data)})."
            )
