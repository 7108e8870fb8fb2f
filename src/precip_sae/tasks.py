"""From the columns of a table to standardised arrays in chronological parts, or parts of whole groups or days."""

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from precip_sae.errors import TableError
from precip_sae.settings import DataSettings, MLPSettings
from precip_sae.spread import FEWEST_EPISODES
from precip_sae.tables import values as columns
from precip_sae.tables.read import BAD_ROWS

# The study's parts: the first 60 % of the rows train the network (their last fifth validates), the next
# 20 % train the SAE, the last 20 % test both. Rows are never shuffled between parts; with `data.groups`, whole
# groups fill the parts in turn, and with `data.parts: blocks` blocks of days are drawn for them.
PARTS = ("train", "validation", "sae", "test")
NETWORK_SHARE = 0.6
SAE_SHARE = 0.2
VALIDATION_SHARE = 0.2
MINIMUM_PART = 10
MINIMUM_CLASS = 5  # rows of the training part
MOST_LABELS = 60  # named in one sentence
STORM_PAUSE = 6.0  # hours without a row that end a storm
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
        y: int64 class numbers [rows], or float32 responses [rows], in the table's unit unless they are standardised
            (see `Prepared.response`).
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
        response_mean, response_scale: likewise of the response, 0 and 1 unless `data.standardise_response`.
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
    response_mean: float = 0.0
    response_scale: float = 1.0

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
            "response_mean": self.response_mean,
            "response_scale": self.response_scale,
            "seeds": list(seeds),
            "settings": settings.model_dump(),
        }

    def response(self, y: NDArray[np.float32]) -> NDArray[np.float32]:
        """Responses as the networks give them, any shape, in the table's unit."""
        if not self.data.standardise_response:
            return y
        return (y.astype(np.float64) * self.response_scale + self.response_mean).astype(np.float32)

    def physical(self, x: NDArray[np.float32], predictor: str) -> NDArray[np.float64]:
        """Standardised values of one predictor, [rows, predictors] -> [rows] in the table's unit."""
        k = self.data.predictors.index(predictor)
        values = x[:, k].astype(np.float64) * self.scale[k] + self.mean[k]
        transform = self.data.transforms.get(predictor)
        return TRANSFORMS[transform][1](values) if transform else values


def prepare(frame: pd.DataFrame, data: DataSettings) -> Prepared:
    """Transforms, drops incomplete rows, splits in time order and standardises, as the study does.

    Predictors are transformed as `data.transforms` says; infinite or missing values are handled as `data.missing`
    says; mean and scale come from the training and validation part. See `part_rows` and `block_rows` for the parts.

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
    x, y = x[kept], y[kept]
    rows: dict[str, Any]
    if data.parts == "blocks":
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
        mean, scale = np.array([c.mean() for c in by_column]), np.array([c.std() for c in by_column])
    for column, m, s in zip(data.predictors, mean, scale, strict=True):
        if s <= 1e-12 * abs(m):
            raise TableError(f"{data.table}: column '{column}' is constant in the training part, expected it to vary.")
    response_mean, response_scale = 0.0, 1.0
    if data.standardise_response:
        learnt = np.concatenate([y[rows["train"]], y[rows["validation"]]])
        response_mean, response_scale = float(learnt.mean()), float(learnt.std())
        if response_scale == 0:
            raise TableError(f"{data.table}: response '{data.response}' is constant in the training part.")
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
    parts = {name: Part(standardised[chosen], y[chosen]) for name, chosen in rows.items()}
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


@dataclass(frozen=True)
class Episodes:
    """Rows that belong together, so that an interval over them speaks of other observations.

    Attributes:
        number: the episode of each row [rows].
        name: what they are called in a sentence.
    """

    number: NDArray[np.int64]
    name: str


def episodes(frame: pd.DataFrame, prepared: Prepared, part: str) -> Episodes:
    """The episodes of a part: the task's groups, the blocks that its parts are made of, storms, or stretches of rows.

    A storm, or a spell of whatever the table holds, ends with a pause of STORM_PAUSE hours in the task's times. With
    fewer than FEWEST_EPISODES spells, or without times, the part is cut into that many stretches of as many rows:
    neighbours in time are alike as well.

    Args:
        frame: the table that was prepared.
    """
    rows = frame.loc[prepared.rows[part]]
    data = prepared.data
    if data.groups:
        return Episodes(pd.factorize(rows[data.groups])[0], f"groups of {data.groups}")
    if data.parts == "blocks":
        return Episodes(block_numbers(rows[data.time], data), f"blocks of {data.block_days:g} days")
    if data.time and pd.api.types.is_datetime64_any_dtype(rows[data.time]):
        pauses = rows[data.time].diff() > pd.Timedelta(hours=STORM_PAUSE)
        if pauses.sum() + 1 >= FEWEST_EPISODES:
            return Episodes(pauses.cumsum().to_numpy(dtype=np.int64), "spells")
    stretches = np.arange(len(rows)) * FEWEST_EPISODES // len(rows)
    return Episodes(stretches, f"{FEWEST_EPISODES} stretches of rows")


def part_rows(
    groups: pd.Series | None, rows: int, data: DataSettings, read: int
) -> dict[str, slice | NDArray[np.int64]]:
    """Which rows belong to which part, each part's in order.

    Without groups the parts follow each other: 48 % train, 12 % validate, 20 % train the SAE, 20 % test. With groups,
    whole groups follow each other, by their first row or in the random order of `data.shuffle_groups`, and a group
    belongs to the part in which its middle row falls.

    Args:
        groups: of every usable row, in the rows' order.
        rows: usable rows; read: rows of the table.

    Raises:
        TableError: a row without a group, or a part with fewer than 10 rows.
    """
    ends = _part_ends(rows)
    if groups is None:
        chosen: dict[str, Any] = {n: slice(a, b) for n, (a, b) in zip(PARTS, pairwise([0, *ends]), strict=True)}
        sizes = np.diff([0, *ends])
    else:
        if missing := int(groups.isna().sum()):
            raise TableError(
                f"{data.table}: column '{data.groups}' of groups misses {missing} values, expected one in every row."
            )
        number, names = pd.factorize(groups)
        order = np.arange(len(names))
        if data.shuffle_groups is not None:
            # by name, so that the order of the rows does not matter
            by_name = np.argsort(np.asarray(names).astype(str), kind="stable")
            order = by_name[np.random.default_rng(data.shuffle_groups).permutation(len(names))]
        size = np.bincount(number, minlength=len(names))
        middle = np.empty(len(names))
        middle[order] = np.cumsum(size[order]) - size[order] / 2
        part = np.searchsorted(ends[:-1], middle, side="right")
        chosen = {name: np.flatnonzero(part[number] == k) for k, name in enumerate(PARTS)}
        sizes = np.array([len(found) for found in chosen.values()])
        if rows and min(sizes) < MINIMUM_PART:
            raise TableError(
                f"{data.table}: the {len(names)} groups of column '{data.groups}' leave the part "
                f"{PARTS[sizes.argmin()]} with {min(sizes)} rows (the largest group holds {max(size)} of {rows}), "
                f"expected at least {MINIMUM_PART}."
            )
    _refuse_few(sizes, rows, data, read)
    return chosen


def block_rows(times: pd.Series, y: NDArray[np.int64] | None, data: DataSettings, read: int) -> dict[str, Any]:
    """Which rows belong to which part where blocks of `data.block_days` days are drawn, each part's in order.

    The blocks are counted from 1970 and taken in a random order, each block's place drawn from its number and
    `data.block_seed`, so that the order of two blocks depends on no other. Each goes to the part that lacks most of
    what the block holds: of each class, the share that the part still lacks of what is due to it, weighted by the
    share of the class that stands in the block. What the parts lack does depend on which rows are usable: two sets of
    predictors that miss different rows may have other parts.

    Args:
        times: of every usable row, in the rows' order.
        y: class number of every usable row; None: rows count alike.
        read: rows of the table.

    Raises:
        TableError: the time column holds numbers, or a part has fewer than 10 rows.
    """
    if not pd.api.types.is_datetime64_any_dtype(times):
        raise TableError(
            f"{data.table}: time column '{data.time}' holds numbers, expected times for data.parts: blocks (is "
            f"data.time_format '{columns.UNIX}'?)."
        )
    block, days = pd.factorize(block_numbers(times, data))
    classes = np.zeros(len(block), dtype=np.int64) if y is None else y
    held = np.zeros((len(days), classes.max(initial=0) + 1), dtype=np.int64)
    np.add.at(held, (block, classes), 1)
    total = held.sum(axis=0)
    train = NETWORK_SHARE * (1 - VALIDATION_SHARE)
    shares = (train, NETWORK_SHARE - train, SAE_SHARE, 1 - NETWORK_SHARE - SAE_SHARE)
    filled = np.zeros((len(PARTS), len(total)), dtype=np.int64)
    part = np.empty(len(days), dtype=np.int64)
    drawn = [float(np.random.default_rng([data.block_seed, day % 2**32]).random()) for day in days.tolist()]
    for b in np.argsort(drawn, kind="stable"):
        there = np.flatnonzero(held[b])
        # added up exactly: a part must not be chosen by the order in which a processor adds
        lacks = [
            math.fsum(held[b, c] / total[c] * (1 - filled[k, c] / (share * total[c])) for c in there)
            for k, share in enumerate(shares)
        ]
        part[b] = lacks.index(max(lacks))
        filled[part[b]] += held[b]
    chosen = {name: np.flatnonzero(part[block] == k) for k, name in enumerate(PARTS)}
    sizes = np.array([len(rows) for rows in chosen.values()])
    if len(block) >= _rows_needed() and min(sizes) < MINIMUM_PART:
        raise TableError(
            f"{data.table}: the {len(days)} blocks of {data.block_days:g} days leave the part {PARTS[sizes.argmin()]} "
            f"with {min(sizes)} rows, expected at least {MINIMUM_PART}: make data.block_days smaller."
        )
    _refuse_few(sizes, len(block), data, read)
    return chosen


def block_numbers(times: pd.Series, data: DataSettings) -> NDArray[np.int64]:
    """The block of `data.block_days` days that each time falls in, counted from 1970; [rows] -> [rows]."""
    return times.to_numpy("datetime64[us]").astype(np.int64) // round(data.block_days * 86_400e6)


def _refuse_few(sizes: NDArray[np.int64], rows: int, data: DataSettings, read: int) -> None:
    if min(sizes) < MINIMUM_PART:
        raise TableError(
            f"{data.table}: {rows} usable rows of {read}, expected at least {_rows_needed()} so that each part holds "
            f"{MINIMUM_PART}."
        )


def keeps_classes(data: DataSettings) -> str:
    """What to set so that every part holds every class."""
    if data.parts == "blocks":
        return "a smaller data.block_days may spread it"
    if data.groups:
        return (
            f"data.shuffle_groups fills the parts in {'another' if data.shuffle_groups is not None else 'random'} order"
        )
    if data.time:
        return "data.parts: blocks draws parts that keep classes"
    return "data.parts: blocks draws parts that keep classes, and needs a column of times in data.time"


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
    for column, empty in zip(data.predictors, np.isnan(x).all(axis=0), strict=True):
        if empty:
            transform = data.transforms.get(column)
            wanted = f"{TRANSFORMS[transform][2]} to take the {transform} of" if transform else "numbers"
            raise TableError(f"{data.table}: column '{column}' holds no usable value, expected {wanted}.")
    return x


def _part_ends(rows: int) -> tuple[int, int, int, int]:
    """Where the training, validation, SAE and test parts end, truncated as Keras and the study truncate."""
    network = int(rows * NETWORK_SHARE)
    return int(network * (1 - VALIDATION_SHARE)), network, int(rows * (NETWORK_SHARE + SAE_SHARE)), rows


def _rows_needed() -> int:
    return math.ceil(MINIMUM_PART / (NETWORK_SHARE * VALIDATION_SHARE))


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
    """The response [rows], which rows have one [rows], and the rows dropped by reason."""
    if data.kind == "regression":
        y = columns.numbers(frame[data.response], data.response, data.table)
        kept = np.abs(y) <= np.finfo(np.float32).max
        if not kept.any():
            raise TableError(f"{data.table}: response '{data.response}' holds no number.")
        if not data.standardise_response and (most := np.abs(y[kept]).max()) > LARGEST_RESPONSE:
            raise TableError(
                f"{data.table}: response '{data.response}' holds numbers as large as {most:.3g}, expected at most "
                f"{LARGEST_RESPONSE:g}: take another unit (data.units), or set data.standardise_response."
            )
        return y, kept, {"dropped, response missing": int((~kept).sum())}
    labels = columns.labels(frame[data.response])
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


def _others_sentence(others: pd.Series, data: DataSettings) -> str:
    """Every label that no setting names with its rows, and what to paste into the task."""

    def quoted(label: Any) -> str:
        return json.dumps(str(label)[:60], ensure_ascii=False)

    rows = others.value_counts().sort_index().sort_values(ascending=False, kind="stable")
    named = [f"{quoted(label)} ({count})" for label, count in rows.head(MOST_LABELS).items()]
    more = f" and {len(rows) - MOST_LABELS} more" if len(rows) > MOST_LABELS else ""
    text = (
        f"{data.table}: response '{data.response}' holds {', '.join(named)}{more}, expected the classes "
        f"{', '.join(data.classes)}, or a label of labels or drop_classes: put below data other_labels: drop to leave "
        "such rows out"
    )
    if not more:
        dropped = ", ".join(map(quoted, [*data.drop_classes, *rows.index]))
        text += f", or drop_classes: [{dropped}] without those that labels: {{{quoted(rows.index[0])}: CLASS}} counts"
    return f"{text}."


def _check_training_response(y: NDArray[Any], data: DataSettings) -> None:
    if data.kind == "regression":
        if np.ptp(y) == 0:
            raise TableError(f"{data.table}: response '{data.response}' is constant in the training part.")
        return
    for number, name in enumerate(data.classes):
        if (found := int((y == number).sum())) < MINIMUM_CLASS:
            raise TableError(
                f"{data.table}: the training part ({NETWORK_SHARE * (1 - VALIDATION_SHARE):.0%} of the rows) "
                f"holds {found} rows of class '{name}' of response '{data.response}', expected at least "
                f"{MINIMUM_CLASS}: leave it out (drop_classes) or count it as another (labels), or set other parts "
                f"({keeps_classes(data)})."
            )
