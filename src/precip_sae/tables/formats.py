"""Opens a table's file, whatever its format, and hands out its rows in pieces that fit into memory."""

import csv
import gzip
import re
import warnings
import zlib
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
import pandas as pd

from precip_sae.errors import TableError
from precip_sae.settings import FileSettings

PIECE_ROWS = 65_536
BLOCK = 1 << 20  # bytes of CSV read at once
LONGEST_LINE = 256 << 20  # bytes of a line of column names, beyond which the file is no table

CSV, PARQUET = {".csv", ".tsv", ".txt"}, {".parquet", ".pq"}
EXPECTED = "a CSV or parquet file, or one that xarray opens (netCDF, Zarr)"


# Rows of a file, how much is done and how much there is.
Rows = Generator[tuple[pd.DataFrame, int, int], None, None]


@dataclass(frozen=True)
class Opened:
    """A table's file.

    Attributes:
        kind: CSV, parquet or xarray.
        names: of the columns, in the file's order.
        pieces: given names, yields (rows with these columns as the file holds them, done, all); done and all
            count rows or bytes.
        units: that the file itself states, by column.
        meanings: texts that numbers stand for (`flag_values` and `flag_meanings`), by column.
    """

    kind: str
    names: list[str]
    pieces: Callable[[list[str]], Rows]
    units: dict[str, str] = field(default_factory=dict)
    meanings: dict[str, dict[float, str]] = field(default_factory=dict)


def open_table(path: Path, settings: FileSettings) -> Opened:
    """Looks into the file at `path`; no row is read yet.

    Raises:
        TableError: there is no such file, or it is not a table.
    """
    if path.is_symlink() and not path.exists():
        raise TableError(f"{path}: is a link to {path.readlink()}, which does not exist; expected {EXPECTED}.")
    if not path.exists():
        raise TableError(f"{path}: no such file, expected {EXPECTED}.")
    suffixes = [s.lower() for s in path.suffixes]
    if path.is_dir():
        # a Zarr store is a folder
        if not any((path / name).is_file() for name in (".zgroup", ".zmetadata", "zarr.json")):
            raise TableError(f"{path}: is a folder, expected {EXPECTED}.")
        return _open_xarray(path)
    if not path.is_file():
        raise TableError(f"{path}: is no regular file, expected {EXPECTED}.")
    if path.stat().st_size == 0:
        raise TableError(f"{path}: is empty (0 bytes), expected {EXPECTED}.")
    ending = suffixes[-2] if len(suffixes) > 1 and suffixes[-1] == ".gz" else (suffixes or [""])[-1]
    if ending in PARQUET:
        return _open_parquet(path)
    if ending in CSV:
        return _open_csv(path, settings, suffixes[-1] == ".gz", "\t" if ending == ".tsv" else ",")
    return _open_xarray(path)


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")


# CSV


def _open_csv(path: Path, settings: FileSettings, zipped: bool, usual: str) -> Opened:
    delimiter = settings.delimiter or usual
    names, length = _names(path, settings, zipped, delimiter)

    def pieces(wanted: list[str]) -> Rows:
        import pyarrow as pa
        import pyarrow.csv as pc

        # by position: names may repeat
        chosen = [names.index(name) for name in wanted]
        above = settings.skip_rows + 1 + settings.skip_after_names
        size = path.stat().st_size
        # one thread: rows then have numbers, and the order of the blocks is the file's
        read = pc.ReadOptions(
            use_threads=False,
            block_size=max(BLOCK, 4 * length),
            column_names=[str(k) for k in range(len(names))],
            skip_rows=above,
            encoding="utf8" if settings.encoding.lower() in ("utf-8", "utf8") else settings.encoding,
        )
        convert = pc.ConvertOptions(
            include_columns=[str(k) for k in chosen],
            column_types={str(k): pa.large_string() for k in chosen},
            strings_can_be_null=False,
        )
        parse = pc.ParseOptions(delimiter=delimiter, newlines_in_values=True)
        with (
            _sentences(path, settings),
            path.open("rb") as raw,
            _plain(raw, zipped) as stream,
            # closed at once when a mistake is found: it reads ahead in a thread, which must not outlive the file
            pc.open_csv(pa.PythonFile(stream, mode="r"), read, parse, convert) as reader,
        ):
            for batch in reader:
                frame = batch.to_pandas()
                frame.columns = wanted
                yield frame, min(raw.tell(), size), size

    return Opened("CSV", names, pieces)


def _plain(raw: BinaryIO, zipped: bool) -> AbstractContextManager[BinaryIO]:
    return cast(AbstractContextManager[BinaryIO], gzip.open(raw)) if zipped else nullcontext(raw)


def _names(path: Path, settings: FileSettings, zipped: bool, delimiter: str) -> tuple[list[str], int]:
    """The column names of a CSV file, and how many bytes their line may have."""
    with path.open("rb") as raw:
        begin = raw.read(4)
    if begin[:2] in (b"\xff\xfe", b"\xfe\xff") and not settings.encoding.lower().replace("-", "").startswith("utf16"):
        raise TableError(
            f"{path}: begins with the mark of UTF-16, expected {settings.encoding}: set data.file.encoding."
        )
    encoding = "utf-8-sig" if settings.encoding.lower() in ("utf-8", "utf8") else settings.encoding
    line = ""
    with (
        _sentences(path, settings),
        (gzip.open if zipped else open)(path, "rt", encoding=encoding, newline=None) as text,
    ):
        for _ in range(settings.skip_rows + 1):
            line = text.readline(LONGEST_LINE)
    if not line.strip():
        raise TableError(
            f"{path}: line {settings.skip_rows + 1} is empty, expected the column names "
            "(data.file.skip_rows skips lines)."
        )
    if "\0" in line:
        raise TableError(f"{path}: holds NUL bytes in its first line, expected text: is it CSV in {settings.encoding}?")
    csv.field_size_limit(LONGEST_LINE)
    try:
        found = next(csv.reader([line], delimiter=delimiter, strict=True))
    except csv.Error as error:
        raise TableError(f"{path}: its line of column names cannot be read ({error}).") from error
    return [name.strip() for name in found], len(line.encode())


@contextmanager
def _sentences(path: Path, settings: FileSettings) -> Iterator[None]:
    """Errors of the readers as sentences."""
    import pyarrow as pa

    try:
        yield
    except TableError:
        raise
    except UnicodeError as error:
        raise TableError(_not_text(path, settings, error)) from error
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        if ragged := re.search(r"(?:Row #(\d+): )?Expected (\d+) columns, got (\d+)", str(error)):
            row, expected, found = ragged.groups()
            raise TableError(
                f"{path}: {f'line {row}' if row else 'a line'} holds {found} columns, expected {expected} as in the "
                "line of names: a missing quote, a stray delimiter, or decimal commas?"
            ) from error
        if "UTF8" in str(error) or "codec" in str(error):
            raise TableError(_not_text(path, settings, error)) from error
        if "Empty CSV" in str(error) or "Could not skip" in str(error):
            raise TableError(f"{path}: has columns but no rows.") from error
        if "straddling" in str(error):
            raise TableError(f"{path}: a quote in it never closes, or a row is longer than {BLOCK} bytes.") from error
        raise TableError(f"{path}: cannot be read as CSV ({_first_line(error)}).") from error
    except (gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise TableError(f"{path}: cannot be unzipped ({_first_line(error)}).") from error
    except PermissionError as error:
        raise TableError(f"{path}: cannot be read, permission was denied.") from error
    except OSError as error:
        raise TableError(f"{path}: cannot be read ({_first_line(error)}).") from error


def _not_text(path: Path, settings: FileSettings, error: BaseException) -> str:
    byte = f" (byte 0x{error.object[error.start]:02x})" if isinstance(error, UnicodeDecodeError) else ""
    return f"{path}: is not text in {settings.encoding}{byte}: set data.file.encoding, for example to latin-1."


# parquet


def _open_parquet(path: Path) -> Opened:
    import pyarrow as pa
    import pyarrow.parquet as pq

    @contextmanager
    def sentences() -> Iterator[None]:
        try:
            yield
        except (pa.ArrowException, OSError, ValueError) as error:
            raise TableError(f"{path}: cannot be read as parquet ({_first_line(error)}).") from error

    with sentences():
        schema = pq.read_schema(path)
    units = {f.name: f.metadata[b"units"].decode() for f in schema if f.metadata and b"units" in f.metadata}

    def pieces(wanted: list[str]) -> Rows:
        done = 0
        with sentences(), pq.ParquetFile(path) as file:
            rows = file.metadata.num_rows
            for batch in file.iter_batches(PIECE_ROWS, columns=wanted):
                done += len(batch)
                # a text column may be a dictionary, and pieces may differ in it
                frame = pa.Table.from_batches([batch]).select(wanted).to_pandas(ignore_metadata=True)
                yield frame, done, rows

    return Opened("parquet", list(schema.names), pieces, units)


# whatever xarray opens


@contextmanager
def _far_dates() -> Iterator[None]:
    """A date that numpy cannot hold comes as an object of cftime, without a warning: it is read by its text."""
    import xarray as xr

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", xr.SerializationWarning)
        yield


def _open_xarray(path: Path) -> Opened:
    import xarray as xr

    def opened() -> xr.Dataset:
        with _far_dates():
            # a length of time in hours is a number of hours
            return xr.open_dataset(path, decode_timedelta=False)

    try:
        dataset = opened()
    except (OSError, ValueError, TypeError, KeyError, RuntimeError, AttributeError, OverflowError) as error:
        if "did not find a match" in str(error) or "unable to guess" in str(error):
            ending = f"ends in '{path.suffix}'" if path.suffix else "has no ending"
            raise TableError(f"{path}: {ending} and xarray cannot open it, expected {EXPECTED}.") from error
        if "dependencies may not be installed" in str(error):
            raise TableError(
                f"{path}: xarray needs another package to open it (for a Zarr store: pip install zarr)."
            ) from error
        raise TableError(f"{path}: cannot be read with xarray ({_first_line(error)}).") from error
    with dataset:
        shapes = {str(name): (tuple(map(str, v.dims)), v.shape) for name, v in dataset.variables.items()}
        attributes = {str(name): dict(v.attrs) for name, v in dataset.variables.items()}
    rows = _row_dimension(shapes)
    entries: dict[str, tuple[str, dict[str, int]]] = {}
    for name, (dims, shape) in shapes.items():
        if len(dims) == 1:
            entries[name] = (name, {})
        elif len(dims) == 2 and rows in dims:
            other = 1 - dims.index(rows)
            entries |= {f"{name}[{k}]": (name, {dims[other]: k}) for k in range(shape[other])}
    units = {c: str(attributes[v]["units"]) for c, (v, _) in entries.items() if attributes[v].get("units")}
    meanings = {c: flags for c, (v, _) in entries.items() if (flags := _flags(attributes[v]))}

    def pieces(wanted: list[str]) -> Rows:
        for name in wanted:
            if rows not in (along := shapes[entries[name][0]][0]):
                raise TableError(
                    f"{path}: column '{name}' runs along '{along[0]}', expected '{rows}' as the others do."
                )
        with opened() as again:
            count = int(again.sizes[rows])
            for start in range(0, count, PIECE_ROWS):
                piece = again.isel({rows: slice(start, start + PIECE_ROWS)})
                columns = {}
                for name in wanted:
                    variable, entry = entries[name]
                    try:
                        with _far_dates():
                            columns[name] = piece[variable].isel(entry).to_numpy()
                    except (OSError, RuntimeError, ValueError, OverflowError) as error:
                        raise TableError(f"{path}: column '{name}' cannot be read ({_first_line(error)}).") from error
                yield pd.DataFrame(columns), min(start + PIECE_ROWS, count), count

    return Opened("xarray", list(entries), pieces, units, meanings)


def _row_dimension(shapes: dict[str, tuple[tuple[str, ...], tuple[int, ...]]]) -> str:
    """The dimension that a row is one of: that of most variables, coordinates of a dimension not counted."""
    counted: dict[str, int] = {}
    for name, (dims, _) in shapes.items():
        for dimension in dims if (name,) != dims else ():
            counted[dimension] = counted.get(dimension, 0) + 1
    return max(counted, key=lambda dimension: counted[dimension], default="")


def _flags(attributes: dict[str, Any]) -> dict[float, str]:
    """What numbers of a variable stand for, by the CF conventions."""
    if "flag_values" not in attributes or "flag_meanings" not in attributes:
        return {}
    values = np.atleast_1d(attributes["flag_values"]).tolist()
    meanings = str(attributes["flag_meanings"]).split()
    return dict(zip(values, meanings, strict=False)) if len(values) == len(meanings) else {}
