"""Reading one published file without trusting it: every surprise is a `LostDay` that names it."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cftime
import numpy as np
from numpy.typing import NDArray

from precip_sae.archive.layout import SITES, LostDay, Variable
from precip_sae.errors import closest, first_line

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Content:
    """A variable as it stands in a file: values as numbers, dimension names, attributes."""

    values: NDArray
    dimensions: tuple[str, ...]
    attributes: dict[str, Any]


class File:
    """An open netCDF file; everything asked of it is checked, and a `LostDay` says what is wrong."""

    def __init__(self, path: Path, variables: Any, attributes: dict[str, Any]) -> None:
        self.path = path
        self._variables = variables
        self.attributes = attributes

    def has(self, name: str) -> bool:
        return name in self._variables

    def _found(self, names: tuple[str, ...]) -> str:
        found = next((name for name in names if name in self._variables), None)
        if found is None:
            raise LostDay(f"{self.path.name}: has no variable {names[0]}; {closest(names[0], self._variables)}.")
        return found

    def dimensions(self, names: tuple[str, ...]) -> tuple[str, ...]:
        """What the dimensions of the variable are called that has one of the names.

        Raises:
            LostDay: there is none.
        """
        return tuple(self._variables[self._found(names)].dimensions)

    def content(self, names: tuple[str, ...]) -> Content:
        """The variable that has one of the names, as it stands.

        Raises:
            LostDay: there is none, or its bytes are damaged.
        """
        found = self._found(names)
        try:
            return _content(self._variables[found])
        except _DAMAGE as error:
            raise LostDay(f"{self.path.name}: variable {found} is damaged ({first_line(error)}).") from error

    def read(self, variable: Variable, dimensions: int | None = None) -> Array:
        """A variable as float64, missing values as NaN, packed values unpacked.

        Args:
            variable: what to read.
            dimensions: how many it has, where it may have more than the description names (ERA5's grid).

        Raises:
            LostDay: it is missing or damaged, or its unit or number of dimensions is not the expected one.
        """
        content = self.content(variable.names)
        name, unit = variable.name, content.attributes.get("units")
        if unit is None or _plain(unit) not in {_plain(u) for u in variable.units}:
            found = "has no unit" if unit is None else f"is in '{unit}'"
            raise LostDay(f"{self.path.name}: variable {name} {found}, expected '{variable.units[0]}'.")
        if content.values.ndim != (dimensions or len(variable.dimensions)):
            raise LostDay(
                f"{self.path.name}: variable {name} has the dimensions ({', '.join(content.dimensions)}), "
                f"expected ({', '.join(variable.dimensions)})."
            )
        return _numbers(content, f"{self.path.name}: variable {name}")

    def times(self, names: tuple[str, ...] = ("time",)) -> NDArray[np.datetime64]:
        """The time coordinate in UTC, to the second.

        Raises:
            LostDay: it is missing, in another time zone, not in "UNIT since DATE", not increasing, or lacks the very
                hour that a site's clocks skip in spring. Any other gap is for the caller to judge.
        """
        content = self.content(names)
        unit = str(content.attributes.get("units", ""))
        match = re.match(r"(second|minute|hour|day)s? since ", unit.strip())
        calendar = str(content.attributes.get("calendar", "standard")).lower()
        if match is None or calendar not in {"standard", "gregorian", "proleptic_gregorian"}:
            raise LostDay(f"{self.path.name}: time is in '{unit}' ({calendar}), expected 'minutes since YYYY-MM-DD'.")
        if (zone := str(content.attributes.get("timezone", "UTC"))) not in {"UTC", "utc", "GMT"}:
            raise LostDay(f"{self.path.name}: time is in the time zone '{zone}', expected UTC.")
        try:
            origin = np.datetime64(cftime.num2pydate(0, unit.strip(), calendar), "s")
        except (ValueError, TypeError, OverflowError) as error:
            since = unit.strip()[match.end() :]
            raise LostDay(f"{self.path.name}: time counts from '{since}', expected a date.") from error
        seconds = _numbers(content, f"{self.path.name}: time") * _SECONDS[match[1]]
        if content.values.ndim != 1 or not len(seconds) or not (np.abs(seconds) < _FAR).all():
            raise LostDay(f"{self.path.name}: time has missing or impossible values, expected one for each row.")
        times = origin + np.round(seconds).astype("timedelta64[s]")
        steps = np.diff(times).astype(np.int64)
        if (steps <= 0).any():
            at = times[1:][steps <= 0][0]
            raise LostDay(f"{self.path.name}: time stands still or runs back at {at}, expected it to increase.")
        if (skips := _clocks_put_forward(times)) is not None:
            raise LostDay(f"{self.path.name}: time jumps by one hour at {skips}, as summer time begins, expected UTC.")
        return times


def _clocks_put_forward(times: NDArray[np.datetime64]) -> np.datetime64 | None:
    """The first time after the hour that clocks skip in spring, if exactly this hour is missing; else None.

    A logger on local time lacks 02:00 to 03:00 of that day; made UTC with the winter's difference, 07:00 to 08:00
    at Marquette. The same gap at any other time is an instrument that was off.
    """
    steps = np.diff(times).astype(np.int64)
    usual = int(np.median(steps)) if len(steps) else 3600
    if usual >= 3600:
        return None
    shifts = np.array([0, *sorted({site.behind_utc for site in SITES.values()})]).astype("timedelta64[h]")
    for k in np.flatnonzero(steps == 3600 + usual):
        skipped = summer_time_begins(times[k].astype("datetime64[Y]")) + shifts
        # both ends belong to it: the times of IMProToo are the ends of minutes
        if ((times[k] <= skipped) & (skipped <= times[k] + np.timedelta64(usual, "s"))).any():
            return times[k + 1]
    return None


def summer_time_begins(year: np.datetime64) -> np.datetime64:
    """The local time at which clocks in the United States are put forward: 02:00 on the second Sunday of March.

    The rule of the Energy Policy Act of 2005 (section 110), since 2007; written out, so that no result depends on the
    time zone data of the machine.
    """
    first = (year.astype("datetime64[M]") + 2).astype("datetime64[D]")
    weekday = (first.astype(int) + 3) % 7  # 0: Monday
    return (first + (6 - weekday) + 7).astype("datetime64[s]") + np.timedelta64(2, "h")


_FAR = 1e11  # s, some three thousand years
_SECONDS = {"second": 1.0, "minute": 60.0, "hour": 3600.0, "day": 86400.0}


@contextmanager
def opened(path: Path) -> Iterator[File]:
    """A netCDF file of the classic format or of netCDF-4.

    Raises:
        LostDay: it is empty, not netCDF, or its structure is damaged.
    """
    with ExitStack() as stack:
        try:
            file = _open(path, stack)
        except _DAMAGE as error:
            raise LostDay(f"{path.name}: cannot be read as netCDF ({first_line(error)}).") from error
        yield file


# What readers of netCDF raise on damaged files.
_DAMAGE = (
    OSError, RuntimeError, ValueError, TypeError, KeyError, IndexError, AssertionError, AttributeError, OverflowError,
)  # fmt: skip


def _open(path: Path, stack: ExitStack) -> File:
    stream = stack.enter_context(path.open("rb"))
    magic = stream.read(4)
    if not magic:
        raise LostDay(f"{path.name}: is empty (0 bytes), expected a netCDF file.")
    if magic[:3] == b"CDF":
        # the netCDF library reads a truncated classic file as if it were whole; this reader notices
        from scipy.io import netcdf_file

        # out of memory, which gives no more than there is where a damaged header asks for terabytes
        whole = netcdf_file(io.BytesIO(magic + stream.read()), mmap=False)
        return File(path, whole.variables, {name: _text(value) for name, value in whole._attributes.items()})
    if magic != b"\x89HDF":
        raise LostDay(f"{path.name}: is not a netCDF file (it begins with {magic!r}).")
    from netCDF4 import Dataset

    dataset = stack.enter_context(Dataset(path))
    dataset.set_auto_maskandscale(False)
    return File(path, dataset.variables, {name: dataset.getncattr(name) for name in dataset.ncattrs()})


def _content(variable: Any) -> Content:
    if hasattr(variable, "ncattrs"):
        return Content(
            np.asarray(variable[...]),
            tuple(variable.dimensions),
            {name: variable.getncattr(name) for name in variable.ncattrs()},
        )
    values = np.asarray(variable[...] if variable.shape else variable.getValue())
    return Content(
        values.astype(values.dtype.newbyteorder("=")),
        tuple(variable.dimensions),
        {name: _text(value) for name, value in variable._attributes.items()},
    )


@np.errstate(over="ignore", invalid="ignore")  # what is not finite becomes NaN
def _numbers(content: Content, what: str) -> Array:
    """Float64 with NaN for what is marked as missing, unpacked."""
    if content.values.dtype.kind not in "fiu":
        raise LostDay(f"{what} holds {content.values.dtype}, expected numbers.")
    values = content.values.astype(np.float64)
    for mark in ("_FillValue", "missing_value"):
        fill = np.asarray(content.attributes.get(mark, np.nan))
        if fill.dtype.kind in "fiu":  # the PIP files say the word "NaN"
            if content.values.dtype.kind == "f":  # -9999.9 as float32 is another float64
                fill = fill.astype(content.values.dtype)
            values[np.isin(content.values, fill)] = np.nan
    for name, unpack in (("scale_factor", np.multiply), ("add_offset", np.add)):
        if name in content.attributes:
            try:
                number = float(np.asarray(content.attributes[name]).reshape(-1)[0])
            except (ValueError, TypeError, IndexError) as error:
                raise LostDay(f"{what} has the {name} '{content.attributes[name]}', expected a number.") from error
            unpack(values, number, out=values)
    values[~np.isfinite(values)] = np.nan
    return values


def _plain(unit: Any) -> str:
    """A unit without the marks in which spellings differ: typographic minus, powers' signs, spaces."""
    text = re.sub(r"[−–]", "-", str(_text(unit)))
    return " ".join(text.replace("**", "").replace("^", "").split())


def _text(value: Any) -> Any:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value
