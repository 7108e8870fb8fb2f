"""Columns as they come, text or numbers, to numbers, times and labels; each refusal names the row.

A row's number counts from 1, the first row of data. A column's index holds the numbers from 0, so that a piece of a
file knows which rows it holds.
"""

import re
from collections.abc import Sequence

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from precip_sae.errors import TableError

# What stands for a missing value in text, besides a file's own marks.
MISSING_TEXT = ("", "NA", "N/A", "n/a", "#N/A", "<NA>", "NaN", "nan", "NULL", "null", "None")
UNIX = "unix"
LARGEST_WHOLE = 2.0**53  # beyond it float64 does not tell whole numbers apart


def without_marks(values: pd.Series, marks: Sequence[str | float], keep: Sequence[str] = ()) -> pd.Series:
    """The column with None or NaN where a mark of a missing value stands; text loses the blanks around it.

    Args:
        marks: the file's own, compared as numbers in a column of numbers, and as text otherwise.
        keep: texts that are values although they look missing (a class may be called None).
    """
    if pd.api.types.is_bool_dtype(values) or values.dtype.kind in "mM":  # times and durations
        return values
    if pd.api.types.is_numeric_dtype(values):
        numeric = [number for number in map(_as_number, marks) if number is not None]
        return values.mask(values.isin(numeric)) if numeric else values
    text = values.map(_stripped, na_action="ignore") if _mixed(values) else values.str.strip()
    missing = {*MISSING_TEXT, *(f"{mark:g}" if isinstance(mark, float) else mark for mark in marks)} - {*keep}
    return text.mask(text.isin(missing))


def _mixed(values: pd.Series) -> bool:
    """Whether the values may be of several types; a CSV file's are all text."""
    return values.dtype == object


def _stripped(value: object) -> object:
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else value
    return text.strip() if isinstance(text, str) else text


def _as_number(mark: str | float) -> float | None:
    try:
        return float(mark)
    except ValueError:
        return None


def numbers(
    values: pd.Series, column: str, source: str, decimal: str = ".", thousands: str | None = None
) -> NDArray[np.float64]:
    """A column as numbers, NaN for missing ones [rows].

    Args:
        decimal, thousands: marks in the numbers of a column of text.

    Raises:
        TableError: something is neither a number nor missing.
    """
    if pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_complex_dtype(values):
        return values.to_numpy(dtype=np.float64, na_value=np.nan)
    if pd.api.types.is_datetime64_any_dtype(values) or pd.api.types.is_timedelta64_dtype(values):
        raise TableError(f"{source}: column '{column}' holds {values.dtype}, expected numbers.")
    text = values
    if thousands is not None and not _mixed(values):
        # only between digits in threes: 1,234,567 and not 12,34
        three = rf"(?<=\d){re.escape(thousands)}(?=\d{{3}}(?!\d))"
        text = text.str.replace(three, "", regex=True)
    if decimal != "." and not _mixed(values):
        # a full stop is then no mark of anything
        text = text.str.replace(".", "?", regex=False).str.replace(decimal, ".", regex=False)
    if not _mixed(text):
        try:
            found = pc.cast(pa.chunked_array(pa.array(text, type=pa.large_string())), pa.float64())
            return found.to_numpy().astype(np.float64)
        except (pa.ArrowInvalid, pa.ArrowTypeError):
            pass  # a plus sign, say, or a mistake: pandas reads the one, and the other is looked for below
    parsed = pd.to_numeric(text, errors="coerce")
    if pd.api.types.is_complex_dtype(parsed):
        raise TableError(f"{source}: column '{column}' holds complex numbers, expected real ones.")
    bad = values[parsed.isna() & values.notna()]
    if len(bad):
        found = str(bad.iloc[0])
        raise TableError(f"{source}: column '{column}' holds {found!r} in row {_row(bad)}, expected {_wanted(found)}.")
    return parsed.to_numpy(dtype=np.float64, na_value=np.nan)


def _row(bad: pd.Series) -> str:
    first = bad.index[0]
    return str(first + 1) if isinstance(first, int | np.integer) else str(first)


def _wanted(found: str) -> str:
    """What to expect instead of `found`, with a hint at the setting that may read it."""
    if re.fullmatch(r"[+-]?\d{1,3}(,\d{3})+(\.\d*)?", found):
        return "numbers without separators, or data.file.thousands: ',' (data.file.decimal: ',' if it is one)"
    if re.fullmatch(r"[+-]?\d{1,3}(['  ]\d{3})+([.,]\d*)?", found):
        return f"numbers without separators, or data.file.thousands: {found.lstrip('+-').lstrip('0123456789')[0]!r}"
    if re.fullmatch(r"[+-]?\d{1,3}(\.\d{3})+(,\d*)?", found):
        return "numbers without separators, or data.file.thousands: '.' with data.file.decimal: ','"
    if re.fullmatch(r"[+-]?\d*,\d+([eE][+-]?\d+)?", found):
        return "numbers with a decimal point, or data.file.decimal: ','"
    return "numbers (or it among data.file.missing_marks)"


def times(values: pd.Series, column: str, source: str, pattern: str | None = None) -> pd.Series:
    """A column as times in UTC, or as the numbers that it holds.

    Args:
        pattern: of text times, as strptime reads it; `unix`: seconds since 1970; None: ISO 8601.

    Raises:
        TableError: a value is missing, or is no such time.
    """
    if missing := int(values.isna().sum()):
        first = _row(values[values.isna()])
        raise TableError(
            f"{source}: time column '{column}' misses {missing} values, the first in row {first}; "
            "expected one in every row."
        )
    if pd.api.types.is_datetime64_any_dtype(values):
        return values.dt.tz_convert(None) if values.dt.tz is not None else values
    numeric = pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values)
    if pattern == UNIX or (pattern is None and (numeric or _all_numbers(values))):
        found = numbers(values, column, source)
        if not np.isfinite(found).all():
            raise TableError(f"{source}: time column '{column}' holds an infinite number, expected times.")
        if pattern is None:
            return pd.Series(found, index=values.index)
        if np.abs(found).max(initial=0.0) > 1e11:
            raise TableError(
                f"{source}: time column '{column}' holds {found[np.abs(found).argmax()]:.0f}, expected seconds "
                "since 1970 (are they milliseconds?)."
            )
        return pd.Series(pd.to_datetime(found, unit="s"), index=values.index)
    text = values.astype(str)
    try:
        parsed = pd.to_datetime(text, format=pattern or "ISO8601", errors="coerce", utc=True)
    except (ValueError, re.error) as error:
        raise TableError(
            f"{source}: data.time_format is '{pattern}', expected a pattern of strptime ({error})."
        ) from error
    bad = text[parsed.isna()]
    if len(bad):
        wanted = (
            f"the pattern {pattern} of data.time_format"
            if pattern
            else ("ISO 8601 (2020-01-31T12:00), or the pattern in data.time_format")
        )
        raise TableError(
            f"{source}: time column '{column}' holds '{bad.iloc[0]}' in row {_row(bad)}, expected {wanted}."
        )
    return parsed.dt.tz_convert(None)


def _all_numbers(values: pd.Series) -> bool:
    return bool(pd.to_numeric(values, errors="coerce").notna().all()) and not pd.api.types.is_bool_dtype(values)


def labels(values: pd.Series) -> pd.Series:
    """A column as text, missing values as they are; whole numbers without a point, so that 1.0 and 1 are one label."""
    if pd.api.types.is_float_dtype(values):
        # each number by itself: the next piece of the file may hold fractions where this one has none
        text = {number: _label(number) for number in values.dropna().unique()}
        return values.astype(object).map(text)
    return values.astype("str").where(values.notna())


def _label(number: float) -> str:
    return str(int(number)) if abs(number) < LARGEST_WHOLE and number == int(number) else str(number)
