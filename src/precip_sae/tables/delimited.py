"""Reads delimited text, block by block."""

import codecs
import csv
import gzip
import re
import zlib
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
import pandas as pd

from precip_sae.errors import TableError, first_line
from precip_sae.settings import FileSettings
from precip_sae.tables.opened import Opened, Piece, Rows

BLOCK = 1 << 20  # bytes of CSV read at once
LONGEST_LINE = 32 << 20  # characters of a line of column names, beyond which the file is no table


# CSV


def open_delimited(path: Path, settings: FileSettings, zipped: bool, usual: str) -> Opened:
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
