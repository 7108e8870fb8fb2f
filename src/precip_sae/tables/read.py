"""Reads the columns that a task uses, in the task's names and units, in bounded memory."""

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from precip_sae.errors import TableError, closest
from precip_sae.settings import DataSettings
from precip_sae.tables import units, values
from precip_sae.tables.formats import Opened, open_table

# Rows held in memory: a file of any size is read, and what is more than this is refused before it fills the machine.
MOST_ROWS = 5_000_000


@dataclass(frozen=True)
class Table:
    """What was read of a file.

    Attributes:
        frame: the task's columns by its own names; predictors (and the response of a regression) float64 in the unit
            asked for, labels and groups text, times datetime64 (UTC) or numbers; rows in the file's order.
        kind: CSV, parquet or xarray.
        columns: all that the file has.
        rows: in the file.
        units: of the predictors and the response as the file holds them, where it or the settings say.
    """

    frame: pd.DataFrame
    kind: str
    columns: list[str]
    rows: int
    units: dict[str, str]


def read_table(path: Path, data: DataSettings) -> pd.DataFrame:
    """The task's columns of the file at `path`; see `Table.frame`.

    Raises:
        TableError: see `read`.
    """
    return read(path, data).frame


def read(path: Path, data: DataSettings, progress: Callable[[int, int], None] | None = None) -> Table:
    """Reads the columns that a task uses.

    Args:
        progress: called as progress(done, all), in rows or bytes.

    Raises:
        TableError: no such file, not a table, a column is missing or stands there twice, a value cannot be read, units
            disagree, or too many rows.
    """
    opened = open_table(path, data.file)
    source = str(path)
    named = {column: data.file.columns.get(column, column) for column in data.columns}
    _refuse_absent(opened, data, named, source)
    given = _units(opened, data, named, source)
    kept: list[pd.DataFrame] = []
    rows = held = 0
    with closing(opened.pieces(list(dict.fromkeys(named.values())))) as pieces:
        for raw, done, whole in pieces:
            first = -rows % data.file.every
            raw.index = pd.RangeIndex(rows, rows + len(raw))
            rows += len(raw)
            piece = raw.iloc[first :: data.file.every]
            held += len(piece)
            if held > MOST_ROWS:
                likely = max(2, int(np.ceil(data.file.every * held / MOST_ROWS * whole / max(done, 1))))
                raise TableError(
                    f"{source}: holds more than {MOST_ROWS} rows, expected fewer: read one in so many with "
                    f"data.file.every, for example {likely}."
                )
            kept.append(_clean(piece, data, named, opened, given, source))
            if progress:
                progress(done, whole)
    if not held:
        raise TableError(f"{source}: has columns but no rows.")
    frame = pd.concat(kept)
    return Table(frame, opened.kind, opened.names, rows, given)


def _refuse_absent(opened: Opened, data: DataSettings, named: dict[str, str], source: str) -> None:
    known = set(opened.names)
    for column, name in named.items():
        if name not in known:
            asked = f"'{name}'" if name == column else f"'{name}' (data.file.columns names it for '{column}')"
            if opened.kind == "CSV" and len(opened.names) == 1:
                only = opened.names[0]
                if mark := next((mark for mark in ";\t|," if mark in only), None):
                    raise TableError(
                        f"{source}: has no column {asked}, its only one is '{only[:60]}': is the delimiter {mark!r}? "
                        "Set data.file.delimiter."
                    )
            above = opened.kind == "CSV" and not known.intersection(named.values())
            hint = " (is its first line that of the names? data.file.skip_rows skips lines)" if above else ""
            raise TableError(f"{source}: has no column {asked}; {closest(name, opened.names)}{hint}.")
        if opened.names.count(name) > 1:
            raise TableError(f"{source}: has {opened.names.count(name)} columns '{name}', expected one.")


def _units(opened: Opened, data: DataSettings, named: dict[str, str], source: str) -> dict[str, str]:
    """The unit of each column in the file, where it is stated."""
    given = {}
    for column, name in named.items():
        stated, told = opened.units.get(name), data.file.units.get(column)
        if stated and told and not units.same(stated, told):
            raise TableError(
                f"{source}: column '{name}' says that its unit is '{stated}', and data.file.units says '{told}': "
                "expected one of them."
            )
        if told and column not in data.units:
            raise TableError(
                f"{source}: data.file.units says '{told}' for '{column}', and data.units does not say what to convert "
                "it to."
            )
        if found := stated or told:
            given[column] = found
    return given


def _clean(
    piece: pd.DataFrame, data: DataSettings, named: dict[str, str], opened: Opened, given: dict[str, str], source: str
) -> pd.DataFrame:
    """A piece of the file as the task sees it."""
    clean = {}
    numeric = {*data.predictors} | ({data.response} if data.kind == "regression" else set())
    for column, name in named.items():
        classes = [*data.classes, *data.drop_classes, *data.labels] if column == data.response else []
        found = values.without_marks(piece[name], data.file.missing_marks, classes)
        if column in numeric:
            own = values.numbers(found, name, source, data.file.decimal, data.file.thousands)
            if column in given and column in data.units:
                own = units.convert(own, given[column], data.units[column], f"{source}: column '{name}'")
            clean[column] = pd.Series(own, index=piece.index)
        elif column == data.time:
            clean[column] = values.times(found, name, source, data.time_format)
        else:
            if name in opened.meanings:
                found = found.map(opened.meanings[name])
            clean[column] = values.labels(found)
    return pd.DataFrame(clean)
