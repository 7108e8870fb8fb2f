"""The published files: how they are named, where they lie, and what they hold.

One description, used by the reader (`read_day.py`) and by the writer that turns a simulation into such files
(`write.py`). Sources: the PIP archive (doi 10.7302/37yx-9q53) and its data paper (doi 10.1029/2024EA003538);
the files of its converters (github.com/frasertheking/pip_processing), whose `missing_value` is the word "NaN" and whose
units hold a typographic minus sign; IMProToo (github.com/maahn/IMProToo), whose times are the ends of the minutes; ERA5
on pressure levels with the names and units of either form of the Climate Data Store.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from precip_sae.errors import ArchiveError, closest

Array = NDArray[np.float64]

NAME = "Precipitation Imaging Package dataset"
DOI = "10.7302/37yx-9q53"
MINUTES_PER_DAY = 1440
SIMULATION_ATTRIBUTE = "simulation"
"""Global attribute of files that hold a simulation: a table made of them must not pass as measured."""


class LostDay(Exception):
    """A day's files cannot be used; the message is one sentence naming file, variable, found and expected."""


@dataclass(frozen=True)
class Site:
    """Where the instruments stand; `instrument` is the number that PIP files of the site begin with."""

    name: str
    instrument: str
    latitude: float  # degrees north
    longitude: float  # degrees east
    behind_utc: int  # hours, in winter; in summer on the daylight saving time of the United States


SITES = {"MQT": Site("NWS Marquette, Michigan", "006", 46.5318, -87.5483, behind_utc=5)}


@dataclass(frozen=True)
class Variable:
    """A variable of a file: names it may have (the first is written), dimensions, and units it may be given in.

    The first unit is the one that is written; the others are spellings of the same unit, not conversions.
    """

    names: tuple[str, ...]
    units: tuple[str, ...]
    dimensions: tuple[str, ...] = ("time",)
    meaning: str = ""

    @property
    def name(self) -> str:
        return self.names[0]


_PER_BIN = ("time", "bin_centers")
_PER_GATE = ("time", "range")
_RATE_UNITS = ("mm hr-1", "mm h-1", "mm/h", "mm/hr")
_SPEED_UNITS = ("m s-1", "m/s")

PSD = Variable(("psd",), ("m−3 mm−1", "mm-1 m-3"), _PER_BIN, "Drop size distributions")
VVD = Variable(("vvd",), _SPEED_UNITS, _PER_BIN, "Vertical velocity distributions")
RHO = Variable(("rho",), ("g cm-3", "g/cm3"), _PER_BIN, "Effective density distributions")
BIN_CENTERS = Variable(("bin_centers",), ("mm",), ("bin_centers",), "Vertical bin centers")
BIN_EDGES = Variable(("bin_edges",), ("mm",), ("bin_edges",), "Vertical bin edges")
SNOW_RATE = Variable(("nrr_adj",), _RATE_UNITS, meaning="Adjusted non-rain rate")
RAIN_RATE = Variable(("rr_adj",), _RATE_UNITS, meaning="Adjusted rain rate")
DENSITY = Variable(("ed_adj",), ("g cm-3", "g/cm3"), meaning="Adjusted effective density")

TEMPERATURE = Variable(("temperature",), ("degrees C", "degC", "C", "Celsius", "degree_Celsius", "celsius"))
HUMIDITY = Variable(("relative_humidity",), ("percent", "%"))
PRESSURE = Variable(("pressure",), ("hPa", "mbar", "mb", "millibar", "millibars"))
WIND_SPEED = Variable(("wind_speed",), _SPEED_UNITS)
WIND_DIRECTION = Variable(("wind_direction",), ("degrees", "degree"))
WEATHER = (TEMPERATURE, HUMIDITY, PRESSURE, WIND_SPEED)

HEIGHT = Variable(("height",), ("m",), _PER_GATE, "height above instrument")
ZE = Variable(("Ze",), ("dBz", "dBZ"), _PER_GATE, "reflectivity of the most significant peak")
DOPPLER = Variable(("W",), ("m/s", "m s^-1", "m s-1"), _PER_GATE, "Mean Doppler Velocity of the most significant peak")
WIDTH = Variable(("spectralWidth",), ("m s^-1", "m/s"), _PER_GATE, "spectral width of the most significant peak")
RADAR_DELAY = 60
"""Seconds by which IMProToo's times follow the start of their minute: "11:55" holds 11:54:00 to 11:54:59."""

LEVEL = Variable(("pressure_level", "level"), ("hPa", "millibars", "mbar"), ("pressure_level",))
AIR_TEMPERATURE = Variable(("t",), ("K", "kelvin"), ("time", "level"))
AIR_HUMIDITY = Variable(("r",), ("%", "percent"), ("time", "level"))
LATITUDE = Variable(("latitude",), ("degrees_north", "degree_north"), ("latitude",))
LONGITUDE = Variable(("longitude",), ("degrees_east", "degree_east"), ("longitude",))
PROFILE_TIME = ("valid_time", "time")
PROFILE_LEVEL = 900.0
"""Pressure (hPa) of t_15 and rh_15."""


@dataclass(frozen=True)
class Product:
    """A kind of daily file, whose names end in `suffix`. PIP products lie in `folder`, others anywhere in theirs."""

    kind: str
    folder: str = ""
    suffix: str = ".nc"


PIP_PRODUCTS = (
    Product("psd", "particle_size_distributions", "_psd.nc"),
    Product("vvd", "velocity_distributions", "_vvd.nc"),
    Product("rho", "edensity_distributions", "_rho.nc"),
    Product("min", "adjusted_edensity_lwe_rate", "_min.nc"),
)
OTHER_PRODUCTS = (Product("weather", suffix="_met.nc"), Product("radar"), Product("profile"))
KINDS = tuple(product.kind for product in (*PIP_PRODUCTS, *OTHER_PRODUCTS))

_DATE = re.compile(r"(?<!\d)(\d{8})(?!\d)")
_PIP_NAME = re.compile(r"(\d{3})(\d{8})(_[a-z]+\.nc)")
_EIGHT_DIGITS = re.compile(r"(?:19|20)\d{6}")


@dataclass
class Day:
    """The files of one day: `files[kind]` holds every file that claims to be it, `strays[kind]` what nearly is."""

    date: np.datetime64
    files: dict[str, list[Path]] = field(default_factory=dict)
    strays: dict[str, list[Path]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """`20190105`."""
        return str(self.date).replace("-", "")


@dataclass(frozen=True)
class Found:
    """Every day that some PIP file names, in order, and the files whose name says no day."""

    days: tuple[Day, ...]
    ignored: tuple[Path, ...]


def pip_folder(root: Path, year: int | str, site: str, product: Product) -> Path:
    """Where the archive keeps a product: `2019_MQT/netCDF/particle_size_distributions`."""
    return root / f"{year}_{site}" / "netCDF" / product.folder


def pip_name(site: str, date: str, product: Product) -> str:
    """`00620190105_psd.nc`."""
    return f"{SITES[site].instrument}{date}{product.suffix}"


def find_days(pip: Path, weather: Path, radar: Path, profile: Path | None, site: str) -> Found:
    """The files of every day. Folders of other sites are not looked at; files are told apart by name alone.

    Raises:
        ArchiveError: a folder is missing, the site is unknown, or there is no file of that site.
    """
    if site not in SITES:
        raise ArchiveError(f"--site is '{site}'; {closest(site, SITES)}.")
    folders = {"pip": pip, "weather": weather, "radar": radar} | ({"profile": profile} if profile else {})
    for option, folder in folders.items():
        if not folder.is_dir():
            raise ArchiveError(f"--{option}: {folder} is not a folder, expected the folder of the daily files.")
    days: dict[str, Day] = {}
    ignored: list[Path] = []
    # the archive, or the folder of one year
    years = [f for f in (pip.resolve(), *sorted(pip.iterdir())) if f.is_dir() and _of_site(f.name, site)]
    for product in PIP_PRODUCTS:
        for path in _files(folder / "netCDF" / product.folder for folder in years):
            match = _PIP_NAME.fullmatch(path.name)
            date = match[2] if match is not None and match[3] == product.suffix else None
            _sort_in(days, ignored, product.kind, path, date, opens=True)
    if not days:
        expected = pip_folder(pip, "YEAR", site, PIP_PRODUCTS[0])
        raise ArchiveError(f"--pip: {pip} holds no file of {site}, expected files such as {expected}/*_psd.nc.")
    for product in OTHER_PRODUCTS:
        if product.kind in folders:
            for path in _files([folders[product.kind]], deep=True):
                dates = _DATE.findall(path.stem) if path.name.endswith(product.suffix) else []
                date = dates[0] if len(dates) == 1 else None
                _sort_in(days, ignored, product.kind, path, date, opens=False)
    # a stray that explains why a day lacks a file is told with that day, any other on its own
    for day in days.values():
        ignored += [path for kind, paths in day.strays.items() if kind in day.files for path in paths]
    return Found(tuple(days[name] for name in sorted(days)), tuple(sorted(ignored)))


def _of_site(folder: str, site: str) -> bool:
    # the archive's own guide says SITE_YEAR, its files and the public scripts YEAR_SITE
    return re.fullmatch(rf"\d{{4}}_{site}|{site}_\d{{4}}", folder) is not None


def _files(folders: Any, deep: bool = False) -> Iterator[Path]:
    for folder in folders:
        if folder.is_dir():
            yield from (f for f in sorted(folder.rglob("*") if deep else folder.iterdir()) if f.is_file())


def _sort_in(days: dict[str, Day], ignored: list[Path], kind: str, path: Path, date: str | None, opens: bool) -> None:
    """Puts a file to its day; `opens`: a file of this kind makes a day that was not known."""
    named = date if date is not None and _is_date(date) else None
    if named is None:
        hints = [d for d in _EIGHT_DIGITS.findall(path.name) if _is_date(d)]
        hint = hints[0] if len(hints) == 1 else None
        if hint is None or not (opens or hint in days):
            ignored.append(path)
        else:
            _day(days, hint).strays.setdefault(kind, []).append(path)
    elif opens or named in days:
        _day(days, named).files.setdefault(kind, []).append(path)


def _day(days: dict[str, Day], date: str) -> Day:
    return days.setdefault(date, Day(np.datetime64(f"{date[:4]}-{date[4:6]}-{date[6:]}", "D")))


def _is_date(digits: str) -> bool:
    try:
        np.datetime64(f"{digits[:4]}-{digits[4:6]}-{digits[6:]}", "D")
    except ValueError:
        return False
    return True


def only_file(day: Day, kind: str) -> Path:
    """The day's one file of a kind.

    Raises:
        LostDay: there is none, or there are several.
    """
    paths = day.files.get(kind, [])
    if len(paths) == 1:
        return paths[0]
    if paths:
        names = ", ".join(sorted(path.name for path in paths))
        raise LostDay(f"{len(paths)} {kind} files claim the day ({names}), expected one.")
    strays = day.strays.get(kind, [])
    seen = f"; {strays[0].name} is not named as such files are" if strays else ""
    raise LostDay(f"no {kind} file of the day{seen}, expected one.")
