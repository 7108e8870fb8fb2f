"""Reads the columns that a task uses, in the task's names and units, in bounded memory."""

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from precip_sae.errors import TableError, closest
from precip_sae.settings import DataSettings
from precip_sae.tables import conversion, values
from precip_sae.tables.formats import open_table, table_files
from precip_sae.tables.opened import Opened

# Rows held in memory: a file of any size is read, and what is more than this is refused before it fills the machine.
MOST_ROWS = 5_000_000
PROGRESS = 10_000  # steps of a progress bar
# How many rows `data.file.bad_rows` left out, in `frame.attrs`: whoever counts the rows of the frame counts them too.
BAD_ROWS = "bad_rows"


@dataclass(frozen=True)
class Table:
    """What was read of a file.

    Attributes:
        frame: the task's columns by its own names; predictors (and the response of a regression) float64 in the unit
            asked for, labels and groups text, times datetime64 (UTC) or numbers; rows in the file's order, and of
            several files one after the other. `attrs[BAD_ROWS]` has the number of bad rows left out, if there are any.
        kind: CSV, parquet or xarray.
        columns: all that the file has.
        rows: in the file, or in all files of the table.
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


def columns_of(path: Path, data: DataSettings) -> list[str]:
    """All columns that the file at `path` has, whether the task uses them or not; of several files the first's.

    Raises:
        TableError: no such file, or not a table.
    """
    return open_table(table_files(path)[0], data.file).names


def read(path: Path, data: DataSettings, progress: Callable[[int, int], None] | None = None) -> Table:
    """Reads the columns that a task uses.

    Args:
        path: a file, a folder of files, or a pattern that files match.
        progress: called as progress(done, all).

    Raises:
        TableError: no such file, not a table, a column is missing or stands there twice, a value cannot be read, units
            disagree, or too many rows.
    """
    files = [open_table(file, data.file) for file in table_files(path)]
    if other := [file for file in files if file.kind != files[0].kind]:
        raise TableError(
            f"{path}: {other[0].path.name} is {other[0].kind} and {files[0].path.name} is {files[0].kind}, expected "
            "files of one kind: name those that belong to the table by a pattern, such as *.csv."
        )
    chosen = {
        c: split
        for c in data.predictors
        if (split := category(c)) and name_in_file(c, data, files[0].names) != data.file.columns.get(c, c)
    }
    named = {column: name_in_file(column, data, files[0].names) for column in data.columns}
    for opened in files:
        _refuse_absent(opened, data, named, str(opened.path))
    given = [_units(opened, data, named, str(opened.path)) for opened in files]
    _refuse_mixed_units(path, [opened.path.name for opened in files], given, data)
    kept: list[pd.DataFrame] = []
    rows = held = bad = 0
    for k, opened in enumerate(files):
        source, above = str(opened.path), rows
        with closing(opened.pieces(list(dict.fromkeys(named.values())))) as pieces:
            for raw in pieces:
                # rows are numbered within their file, which is what a sentence names, and then within the table
                numbers = raw.frame.index + (rows - above)
                piece = raw.frame.set_axis(numbers)[(numbers + above) % data.file.every == 0]
                bad += int(((raw.bad + rows) % data.file.every == 0).sum())
                rows += len(raw.frame) + len(raw.bad)
                held += len(piece)
                done = (k + raw.done / max(raw.whole, 1)) / len(files)
                if held > MOST_ROWS:
                    likely = max(2, int(np.ceil(data.file.every * held / MOST_ROWS / max(done, 1e-9))))
                    raise TableError(
                        f"{path}: holds more than {MOST_ROWS} rows, expected fewer: read one in so many with "
                        f"data.file.every, for example {likely}."
                    )
                clean = _clean(piece, data, named, chosen, opened, given[k], source)
                kept.append(clean.set_axis(clean.index + above))
                if progress:
                    progress(int(done * PROGRESS), PROGRESS)
    if not held:
        raise TableError(f"{path}: has columns but no rows.")
    frame = pd.concat(kept)
    if bad:
        frame.attrs[BAD_ROWS] = bad
    return Table(frame, files[0].kind, files[0].names, rows, given[0])


def category(predictor: str) -> tuple[str, str] | None:
    """The column and the value of a predictor such as `surface=snow`; None of any other name.

    It is 1 in rows where the column holds the value, 0 in others, and missing where the column is.
    """
    column, mark, value = predictor.partition("=")
    return (column.strip(), value.strip()) if mark and column.strip() and value.strip() else None


def name_in_file(column: str, data: DataSettings, names: Sequence[str]) -> str:
    """What a column of the task is called in a file that has these columns."""
    split = category(column) if column in data.predictors and column not in (*names, *data.file.columns) else None
    base = split[0] if split else column
    return data.file.columns.get(base, base)


def _refuse_absent(opened: Opened, data: DataSettings, named: dict[str, str], source: str) -> None:
    known = set(opened.names)
    for column, name in named.items():
        if name not in known:
            named_by = "data.file.columns names it " if name in data.file.columns.values() else ""
            asked = f"'{name}'" if name == column else f"'{name}' ({named_by}for '{column}')"
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
        if stated and told and not conversion.same(stated, told):
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


def _refuse_mixed_units(path: Path, files: list[str], given: list[dict[str, str]], data: DataSettings) -> None:
    """Refuses numbers in several units that are not all converted to one.

    Args:
        files: names of the table's files; given: the units of the columns in each, see `_units`.
    """
    for column in [*data.predictors, *(data.responses if data.kind == "regression" else [])]:
        stated = {file: units[column] for file, units in zip(files, given, strict=True) if column in units}
        wanted = data.units.get(column) or next(iter(stated.values()), "")
        other = next(((file, unit) for file, unit in stated.items() if not conversion.same(unit, wanted)), None)
        if other is None:
            continue
        silent = next((file for file in files if file not in stated), None)
        if column not in data.units:
            first = next(iter(stated))
            raise TableError(
                f"{path}: column '{column}' is in '{wanted}' in {first} and in '{other[1]}' in {other[0]}, expected "
                "one unit, or in data.units the one to convert to."
            )
        if silent is not None:
            raise TableError(
                f"{path}: column '{column}' is in '{other[1]}' in {other[0]}, and {silent} does not say in which unit, "
                "expected it in data.file.units."
            )


def _clean(
    piece: pd.DataFrame,
    data: DataSettings,
    named: dict[str, str],
    chosen: dict[str, tuple[str, str]],
    opened: Opened,
    given: dict[str, str],
    source: str,
) -> pd.DataFrame:
    """A piece of the file as the task sees it."""
    clean = {}
    numeric = {*data.predictors} | (set(data.responses) if data.kind == "regression" else set())
    for column, name in named.items():
        kept = [value for other, (_, value) in chosen.items() if named[other] == name]
        kept += [*data.classes, *data.drop_classes, *data.labels] if column in data.responses else []
        found = values.without_marks(piece[name], data.file.missing_marks, kept)
        if column in chosen:
            clean[column] = _one_hot(found, opened.meanings.get(name), chosen[column][1])
        elif column in numeric:
            own = values.numbers(found, name, source, data.file.decimal, data.file.thousands)
            if column in given and column in data.units:
                own = conversion.convert(own, given[column], data.units[column], f"{source}: column '{name}'")
            clean[column] = pd.Series(own, index=piece.index)
        elif column == data.time:
            clean[column] = values.times(found, name, source, data.time_format)
        else:
            if name in opened.meanings:
                found = found.map(opened.meanings[name])
            clean[column] = values.labels(found)
    return pd.DataFrame(clean)


def _one_hot(found: pd.Series, meanings: dict[float, str] | None, value: str) -> pd.Series:
    """1 where a column of categories holds the value, 0 where it holds another, NaN where it is missing."""
    text = values.labels(found.map(meanings) if meanings else found)
    return (text == value).astype(float).where(text.notna())
