"""Opens a table's file, whatever its format, and hands out its rows in pieces that fit into memory."""

import codecs
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
from numpy.typing import NDArray
from ruamel.yaml.error import YAMLError

from precip_sae.errors import TableError, first_line
from precip_sae.plain_yaml import load_yaml
from precip_sae.settings import FileSettings

PIECE_ROWS = 65_536
BLOCK = 1 << 20  # bytes of CSV read at once
LONGEST_LINE = 32 << 20  # characters of a line of column names, beyond which the file is no table
MOST_COLUMNS = 1_000_000  # that the entries of a file's variables may make
LARGEST_CHUNK = 1 << 28  # bytes that a file may ask for at once: compressed, they may be a few thousand

CSV, PARQUET = {".csv", ".tsv", ".txt"}, {".parquet", ".pq"}
LISTS = {".yaml", ".yml"}
EXPECTED = "a CSV or parquet file, or one that xarray opens (netCDF, Zarr)"


@dataclass(frozen=True)
class Piece:
    """Some rows of a file.

    Attributes:
        frame: as the file holds them; the index holds their numbers, the piece's first row 0.
        done, whole: how much of the file is read and how much there is, rows or bytes.
        bad: numbers of the rows that were left out, as another number of columns stands in them.
    """

    frame: pd.DataFrame
    done: int
    whole: int
    bad: NDArray[np.int64] = field(default_factory=lambda: np.array([], dtype=np.int64))


Rows = Generator[Piece, None, None]


@dataclass(frozen=True)
class Opened:
    """A table's file.

    Attributes:
        path: where it is.
        kind: CSV, parquet or xarray.
        names: of the columns, in the file's order.
        pieces: given names, yields the rows with these columns.
        units: that the file itself states, by column.
        meanings: texts that numbers stand for (`flag_values` and `flag_meanings`), by column.
    """

    path: Path
    kind: str
    names: list[str]
    pieces: Callable[[list[str]], Rows]
    units: dict[str, str] = field(default_factory=dict)
    meanings: dict[str, dict[float, str]] = field(default_factory=dict)


def table_files(path: Path) -> list[Path]:
    """The files of a table: `path` itself, by name those in the folder `path` or that it matches as a pattern, or those
    that it lists.

    A list is a YAML file of names (or folders, or patterns) relative to it; its order is that of the rows.

    Raises:
        TableError: there is none, or a list is no list of names, or names a file twice.
    """
    if is_list(path):
        return _listed(path)
    if path.is_symlink() and not path.exists():
        raise TableError(f"{path}: is a link to {path.readlink()}, which does not exist; expected {EXPECTED}.")
    if path.is_dir() and not _is_zarr(path):
        files = sorted(p for p in path.iterdir() if not p.name.startswith("."))
        if not files:
            raise TableError(f"{path}: is a folder without files, expected {EXPECTED}.")
        return files
    if not path.exists() and any(mark in str(path) for mark in "*?["):
        files = sorted(Path(path.anchor).glob(str(path.relative_to(path.anchor))))
        if not files:
            raise TableError(f"{path}: no file matches this pattern, expected {EXPECTED}.")
        return files
    return [path]


def is_list(path: Path) -> bool:
    """Whether a file lists the files of a table."""
    return path.suffix.lower() in LISTS and path.is_file()


def _listed(path: Path) -> list[Path]:
    try:
        names = load_yaml(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, YAMLError) as error:
        raise TableError(f"{path}: cannot be read as a list of files ({first_line(error)}).") from error
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        raise TableError(f"{path}: is no list of files, expected a name in each line after a dash.")
    files: list[Path] = []
    for name in names:
        place = path.parent / name
        if is_list(place):
            raise TableError(f"{path}: names {name}, which is a list itself, expected files, folders or patterns.")
        files += table_files(place)
    if repeated := next((file for file in files if files.count(file) > 1), None):
        raise TableError(f"{path}: {repeated.name} is listed more than once.")
    return files


def _is_zarr(path: Path) -> bool:
    # a Zarr store is a folder
    return any((path / name).is_file() for name in (".zgroup", ".zmetadata", "zarr.json"))


def refuse_pickled(store: Path) -> None:
    """Refuses a Zarr store whose arrays are pickled: to read them would run whatever code they hold.

    Raises:
        TableError: naming the array.
    """
    for name in (".zarray", ".zmetadata", "zarr.json"):
        for file in store.rglob(name):
            if b"pickle" in file.read_bytes():
                raise TableError(f"{store}: {file.relative_to(store)} speaks of pickles, which are not read.")


def open_table(path: Path, settings: FileSettings) -> Opened:
    """Looks into the file at `path`; no row is read yet.

    Raises:
        TableError: there is no such file, or it is not a table.
    """
    if not path.exists():
        raise TableError(f"{path}: no such file, expected {EXPECTED}.")
    if path.is_dir():
        if not _is_zarr(path):
            raise TableError(f"{path}: is a folder, expected {EXPECTED}.")
        refuse_pickled(path)
        return _open_xarray(path)
    if not path.is_file():
        raise TableError(f"{path}: is no regular file, expected {EXPECTED}.")
    if path.stat().st_size == 0:
        raise TableError(f"{path}: is empty (0 bytes), expected {EXPECTED}.")
    suffixes = [s.lower() for s in path.suffixes]
    zipped = suffixes[-1:] == [".gz"]
    ending = "".join(suffixes[-2:-1] if zipped else suffixes[-1:])
    found = settings.format or ("csv" if ending in CSV else "parquet" if ending in PARQUET else "xarray")
    if found == "parquet":
        return _open_parquet(path)
    if found == "csv":
        return _open_csv(path, settings, zipped, "\t" if ending == ".tsv" else ",")
    return _open_xarray(path)


# CSV


def _open_csv(path: Path, settings: FileSettings, zipped: bool, usual: str) -> Opened:
    delimiter = settings.delimiter or usual
    names, length = _names(path, settings, zipped, delimiter)

    def pieces(wanted: list[str]) -> Rows:
        import pyarrow as pa
        import pyarrow.csv as pc

        # by position: names may repeat
        chosen = [str(names.index(name)) for name in wanted]
        # one thread: rows then have numbers
        read = pc.ReadOptions(use_threads=False, column_names=[str(k) for k in range(len(names))])
        convert = pc.ConvertOptions(
            include_columns=chosen,
            column_types={k: pa.large_string() for k in chosen},
            strings_can_be_null=False,
        )
        size = path.stat().st_size
        line = settings.skip_rows + 1 + settings.skip_after_names  # lines above the block
        with _sentences(path, settings), path.open("rb") as raw, _plain(raw, zipped) as stream:
            for block in _blocks(stream, settings.encoding, delimiter, line, max(BLOCK, 4 * length)):
                short: list[pc.InvalidRow] = []

                def note(row: Any, found: list[Any] = short) -> str:
                    found.append(row)
                    return "skip"

                read.block_size = len(block) + 1
                parse = pc.ParseOptions(delimiter=delimiter, newlines_in_values=True)
                if _decodes(block):  # or Arrow could not hand over a row
                    parse.invalid_row_handler = note
                # of a block in memory: the streaming reader of Arrow reads ahead in a thread that it does not wait
                # for, and a thread that still asks for Python when the interpreter ends aborts the process
                frame = pc.read_csv(pa.BufferReader(block), read, parse, convert).to_pandas()
                _refuse_bad_rows(path, settings, short, block, line)
                line += block.count(b"\n")
                bad = np.array([row.number - 1 for row in short], dtype=np.int64)
                frame.index = pd.Index(np.delete(np.arange(len(frame) + len(bad)), bad))
                frame.columns = wanted
                yield Piece(frame, min(raw.tell(), size), size, bad)

    return Opened(path, "CSV", names, pieces)


def _blocks(stream: BinaryIO, encoding: str, delimiter: str, skipped: int, size: int) -> Iterator[bytes]:
    """The text in UTF-8, cut after whole rows.

    Args:
        skipped: lines at its beginning to leave out.
        size: bytes to read at once, and the most that a row may have.

    Raises:
        TableError: a row is longer.
    """
    decoder = None if _is_utf8(encoding) else codecs.getincrementaldecoder(encoding)()
    rest, more = b"", True
    while more:
        read = stream.read(size)
        more = bool(read)
        rest += decoder.decode(read, final=not more).encode() if decoder else read
        while skipped and (end := _line_end(rest, more)):
            rest, skipped = rest[end:], skipped - 1
        if skipped:
            continue
        cut = _row_end(rest, delimiter) if more else len(rest)
        if more and not cut and len(rest) > 2 * size:
            raise _TooLong
        if rest[:cut].strip(b"\r\n"):
            yield rest[:cut]
        rest = rest[cut:]


def _refuse_bad_rows(path: Path, settings: FileSettings, rows: list[Any], block: bytes, above: int) -> None:
    """Refuses the first row that holds another number of columns than the line of names, unless such rows are dropped.

    One of several lines is never dropped: a quote that does not close takes good lines with it.

    Args:
        rows: of the block, as Arrow describes them; above: lines of the file before the block.
    """
    for row in rows:
        several = len(row.text.strip().splitlines()) > 1
        if settings.bad_rows == "drop" and not several:
            continue
        # blank lines, and line ends within quotes, have no row number
        found = re.search(rb"^" + re.escape(row.text.encode()) + rb"\r?$", block, re.MULTILINE)
        line = above + (block[: found.start()].count(b"\n") + 1 if found else row.number)
        hint = "" if settings.bad_rows == "drop" else " To leave such lines out, set data.file.bad_rows: drop."
        raise TableError(
            f"{path}: line {line} holds {row.actual_columns} columns{' after a quote over several lines' * several}, "
            f"expected {row.expected_columns} as in the line of names: a missing quote, a stray delimiter, or decimal "
            f"commas?{hint}"
        )


def _decodes(block: bytes) -> bool:
    try:
        block.decode()
    except UnicodeDecodeError:
        return False
    return True


class _TooLong(Exception):
    """A row is longer than what is read at once."""


def _line_end(text: bytes, more: bool) -> int:
    """Where the first line ends, 0 if that is not known; with `more` text to come, a carriage return may be half."""
    found = re.search(rb"\r\n|\n|\r(?=.)" if more else rb"\r\n|\n|\r", text, re.DOTALL)
    return found.end() if found else 0 if more else len(text)


def _row_end(text: bytes, delimiter: str) -> int:
    """Where the last whole row of `text` ends, which begins with a row; 0 if none does.

    A line end within quotes ends no row. Quotes count where they open a field, as in Arrow's parser.
    """
    quoted = []
    if b'"' in text:
        # the mark first and what stands before it after, so that the search leaps from mark to mark
        before = rb'(?:(?<=\A")|(?<=[\r\n' + re.escape(delimiter.encode()) + rb']"))'
        opening = rb'"' + before + rb'[^"]*(?:""[^"]*)*(?:"|\Z)'
        quoted = [found.span() for found in re.finditer(opening, text)]
    for mark in (b"\n", b"\r"):
        end, inside = len(text), len(quoted) - 1
        while (end := text.rfind(mark, 0, end)) >= 0:
            while inside >= 0 and quoted[inside][0] > end:
                inside -= 1
            if inside < 0 or end >= quoted[inside][1]:
                return end + 1
            end = quoted[inside][0]
    return 0


def _plain(raw: BinaryIO, zipped: bool) -> AbstractContextManager[BinaryIO]:
    return cast(AbstractContextManager[BinaryIO], gzip.open(raw)) if zipped else nullcontext(raw)


def _is_utf8(encoding: str) -> bool:
    # by Python's name for it: UTF-8, utf8 and U8 are one
    return codecs.lookup(encoding).name == "utf-8"


def _names(path: Path, settings: FileSettings, zipped: bool, delimiter: str) -> tuple[list[str], int]:
    """The column names of a CSV file, and how many bytes their line may have."""
    with path.open("rb") as raw:
        begin = raw.read(4)
    if begin[:2] in (b"\xff\xfe", b"\xfe\xff") and not settings.encoding.lower().replace("-", "").startswith("utf16"):
        raise TableError(
            f"{path}: begins with the mark of UTF-16, expected {settings.encoding}: set data.file.encoding."
        )
    if begin.startswith(codecs.BOM_UTF8) and codecs.lookup(settings.encoding).name not in ("utf-8", "utf-8-sig"):
        raise TableError(
            f"{path}: begins with the mark of UTF-8, expected {settings.encoding}: leave out data.file.encoding."
        )
    encoding = "utf-8-sig" if _is_utf8(settings.encoding) else settings.encoding
    line = ""
    with (
        _sentences(path, settings),
        (gzip.open if zipped else open)(path, "rt", encoding=encoding, newline=None) as text,
    ):
        for _ in range(settings.skip_rows + 1):
            line = text.readline(LONGEST_LINE)
            if len(line) == LONGEST_LINE:
                raise TableError(f"{path}: has a line of more than {LONGEST_LINE} characters, expected column names.")
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
    except _TooLong as error:
        raise TableError(f"{path}: a quote in it never closes, or a row is longer than {BLOCK} bytes.") from error
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        # no row was handed over, so the block did not decode
        if re.search(r"UTF8|codec|Expected \d+ columns", str(error)):
            raise TableError(_not_text(path, settings, error)) from error
        if "Empty CSV" in str(error) or "Could not skip" in str(error):
            raise TableError(f"{path}: has columns but no rows.") from error
        if "straddling" in str(error):
            raise TableError(f"{path}: a quote in it never closes, or a row is longer than {BLOCK} bytes.") from error
        raise TableError(f"{path}: cannot be read as CSV ({first_line(error)}).") from error
    except (gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise TableError(f"{path}: cannot be unzipped ({first_line(error)}).") from error
    except PermissionError as error:
        raise TableError(f"{path}: cannot be read, permission was denied.") from error
    except OSError as error:
        raise TableError(f"{path}: cannot be read ({first_line(error)}).") from error


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
            raise TableError(f"{path}: cannot be read as parquet ({first_line(error)}).") from error

    with sentences():
        schema = pq.read_schema(path)
    units = {f.name: f.metadata[b"units"].decode() for f in schema if f.metadata and b"units" in f.metadata}

    def pieces(wanted: list[str]) -> Rows:
        done = 0
        # a text that is written once and repeated stays one in memory until it is known how much it comes to
        text = [f.name for f in schema if pa.types.is_string(f.type) or pa.types.is_large_string(f.type)]
        with sentences(), pq.ParquetFile(path, read_dictionary=[name for name in wanted if name in text]) as file:
            _refuse_large_chunks(path, file.metadata, wanted)
            rows = file.metadata.num_rows
            for batch in file.iter_batches(PIECE_ROWS, columns=wanted):
                done += len(batch)
                # a text column may be a dictionary, and pieces may differ in it
                plain = _written_out(path, pa.Table.from_batches([batch]).select(wanted))
                yield Piece(plain.to_pandas(ignore_metadata=True), done, rows)

    return Opened(path, "parquet", list(schema.names), pieces, units)


def _refuse_large_chunks(path: Path, metadata: Any, wanted: list[str]) -> None:
    for group in range(metadata.num_row_groups):
        for place in range(metadata.num_columns):
            column = metadata.row_group(group).column(place)
            name = column.path_in_schema.partition(".")[0]
            if name in wanted and not 0 <= column.total_uncompressed_size <= LARGEST_CHUNK:
                raise TableError(
                    f"{path}: column '{name}' unpacks to more than {LARGEST_CHUNK} bytes at once, expected smaller "
                    "groups of rows."
                )


def _written_out(path: Path, table: Any) -> Any:
    """The table with dictionaries of text as text."""
    import pyarrow as pa
    import pyarrow.compute as pc

    for place, named in enumerate(table.schema):
        if not pa.types.is_dictionary(named.type) or not (
            pa.types.is_string(named.type.value_type) or pa.types.is_large_string(named.type.value_type)
        ):
            continue
        column = table.column(place)
        lengths = (pc.take(pc.binary_length(part.dictionary), part.indices) for part in column.chunks)
        if sum(pc.sum(found).as_py() or 0 for found in lengths) > LARGEST_CHUNK:
            raise TableError(
                f"{path}: column '{named.name}' holds more than {LARGEST_CHUNK} bytes of text in {PIECE_ROWS} rows, "
                "expected shorter texts."
            )
        table = table.set_column(place, named.name, column.cast(pa.large_string()))
    return table


# whatever xarray opens


@contextmanager
def _far_dates() -> Iterator[None]:
    """A date that numpy cannot hold comes as an object of cftime, without a warning: it is read by its text."""
    import xarray as xr

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", xr.SerializationWarning)
        yield


def _is_text(path: Path) -> bool:
    with (gzip.open if path.suffix == ".gz" else open)(path, "rb") as file:
        try:
            return b"\0" not in file.read(4096)
        except (OSError, EOFError, zlib.error):
            return False


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
            hint = " (data.file.format: csv reads delimited text of any name)" if _is_text(path) else ""
            raise TableError(f"{path}: {ending} and xarray cannot open it, expected {EXPECTED}{hint}.") from error
        if "dependencies may not be installed" in str(error):
            raise TableError(
                f"{path}: xarray needs another package to open it (for a Zarr store: pip install zarr)."
            ) from error
        raise TableError(f"{path}: cannot be read with xarray ({first_line(error)}).") from error
    with dataset:
        shapes = {str(name): (tuple(map(str, v.dims)), v.shape) for name, v in dataset.variables.items()}
        attributes = {str(name): dict(v.attrs) for name, v in dataset.variables.items()}
        for name, v in dataset.variables.items():
            if np.prod(v.encoding.get("chunksizes") or (0,), dtype=float) * v.dtype.itemsize > LARGEST_CHUNK:
                raise TableError(
                    f"{path}: variable '{name}' is packed in pieces of more than {LARGEST_CHUNK} bytes, expected less."
                )
    rows = _row_dimension(shapes)
    entries: dict[str, tuple[str, dict[str, int]]] = {}
    for name, (dims, shape) in shapes.items():
        if len(dims) == 1:
            entries[name] = (name, {})
        elif len(dims) == 2 and rows in dims:
            other = 1 - dims.index(rows)
            if len(entries) + shape[other] > MOST_COLUMNS:
                raise TableError(f"{path}: variable '{name}' has {shape[other]} entries a row, expected fewer.")
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
                        raise TableError(f"{path}: column '{name}' cannot be read ({first_line(error)}).") from error
                yield Piece(pd.DataFrame(columns), min(start + PIECE_ROWS, count), count)

    return Opened(path, "xarray", list(entries), pieces, units, meanings)


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
