"""A simulated season as the files that `ingest.py` reads: to try the way from an archive without having one.

The files are those of the archive in names, folders, variables, units, attributes, formats, compression and marks for
missing values. What they hold is the simulation, and each says so in a global attribute. Limits:

- the simulator knows one spectrum per 5 minutes, so the five minutes of a record hold the same spectrum;
- minutes without a record are missing, and the weather between records is interpolated;
- ERA5 is hourly and the simulated air changes within the hour, so the profile is written every 5 minutes unless
  `profile_minutes` asks for less;
- wind direction and spectral width are not simulated and are missing.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from precip_sae.archive import layout
from precip_sae.files import replacing
from precip_sae.observations.five_minutes import BIN_WIDTH, DIAMETERS, MINUTES, Spectra
from precip_sae.observations.labels import FREEZING
from precip_sae.observations.schema import GATES
from precip_sae.simulation import simulate

MISSING = -9999.0
"""IMProToo's mark of a missing value."""
RADAR_HEIGHTS = 100.0 * np.arange(1, 32)
LEVELS = (925.0, 900.0, 850.0)
"""Pressure levels (hPa) of the profile files; only 900 hPa is simulated."""

_CONTACT = {
    "Conventions": "CF-1.10",
    "Reference1": "https://doi.org/10.3390/atmos11080785",
    "Reference2": "https://doi.org/10.3390/rs13112183",
}
_STANDARD_NAMES = {
    "psd": "drop_size_distribution", "vvd": "velocity_distribution", "rho": "effective_density_distribution",
    "bin_centers": "bin_center", "bin_edges": "bin_edge", "nrr_adj": "adjusted_non_rainfall_rate",
    "rr_adj": "adjusted_rainfall_rate", "ed_adj": "adjusted_effective_density",
    "temperature": "surface_temperature", "relative_humidity": "relative_humidity",
    "pressure": "surface_air_pressure", "wind_speed": "wind_speed", "wind_direction": "wind_from_direction",
}  # fmt: skip


@dataclass(frozen=True)
class Folders:
    """Where the files of each instrument lie below one root."""

    root: Path

    @property
    def pip(self) -> Path:
        return self.root / "pip"

    @property
    def weather(self) -> Path:
        return self.root / "weather"

    @property
    def radar(self) -> Path:
        return self.root / "radar"

    @property
    def profile(self) -> Path:
        return self.root / "profile"


def write_season(
    root: Path,
    records: int,
    seed: int,
    days: int | None = None,
    site: str = "MQT",
    profile_minutes: int = 5,
    progress: Callable[[int, int], None] | None = None,
) -> pd.DataFrame:
    """Simulates, and writes the first days with precipitation as archive files; returns their part of the table.

    Args:
        root: folder to write below, see `Folders`.
        records, seed: of the simulation, as for `simulate`.
        days: how many days with precipitation; None for all.
        site: key of `layout.SITES`.
        profile_minutes: between profiles; 60 as ERA5 has them.
        progress: called as f(done, total) in days, where `days` is given.
    """
    note = f"precip-sae simulate, {records} records, seed {seed}: not a measurement"
    written = []
    for done, (date, frame, spectra) in enumerate(by_day(simulate.chunks(records, seed)), start=1):
        write_day(Folders(root), date, frame, spectra, site, note, profile_minutes)
        written.append(frame)
        if progress is not None and days is not None:
            progress(done, days)
        if done == days:
            break
    return pd.concat(written, ignore_index=True)


def by_day(parts: Iterable[tuple[pd.DataFrame, Spectra]]) -> Iterator[tuple[np.datetime64, pd.DataFrame, Spectra]]:
    """The same records, day by day in time order; a day that two parts share comes out whole."""
    waiting: tuple[pd.DataFrame, Spectra] | None = None
    for part in parts:
        waiting = part if waiting is None else _joined(waiting, part)
        dates = _dates(waiting[0])
        for date in np.unique(dates)[:-1]:
            yield date, *_rows(waiting, dates == date)
        waiting = _rows(waiting, dates == dates[-1])
    if waiting is not None:
        yield _dates(waiting[0])[0], *waiting


def _dates(frame: pd.DataFrame) -> NDArray[np.datetime64]:
    return frame["time"].to_numpy().astype("datetime64[D]")


def _joined(a: tuple[pd.DataFrame, Spectra], b: tuple[pd.DataFrame, Spectra]) -> tuple[pd.DataFrame, Spectra]:
    names = ("psd", "speed", "density")
    spectra = Spectra(*(np.concatenate([getattr(a[1], name), getattr(b[1], name)]) for name in names))
    return pd.concat([a[0], b[0]], ignore_index=True), spectra


def _rows(part: tuple[pd.DataFrame, Spectra], chosen: NDArray[np.bool_]) -> tuple[pd.DataFrame, Spectra]:
    frame, spectra = part
    return frame[chosen].reset_index(drop=True), Spectra(
        spectra.psd[chosen], spectra.speed[chosen], spectra.density[chosen]
    )


def write_day(
    folders: Folders,
    date: np.datetime64,
    frame: pd.DataFrame,
    spectra: Spectra,
    site: str,
    note: str,
    profile_minutes: int = 5,
) -> None:
    """Writes the seven files of one day.

    Args:
        folders: where to.
        date: the day; every row of `frame` lies in it.
        frame: the day's simulated records.
        spectra: their spectra, arrays of shape (records, 131).
        site: key of `layout.SITES`.
        note: what the files say about being a simulation.
        profile_minutes: between profiles.
    """
    name = str(date).replace("-", "")
    start = ((frame["time"].to_numpy() - date) / np.timedelta64(1, "m")).astype(np.int64)
    minutes = (start[:, None] + np.arange(MINUTES)).ravel()
    place = layout.SITES[site]
    comment = f"Data was acquired at the {place.name} site (Lat: {place.latitude}, Lon: {place.longitude})"
    attributes = _CONTACT | {"Comment1": comment, layout.SIMULATION_ATTRIBUTE: note}

    def of_the_day(values: ArrayLike) -> NDArray:
        """Values per record as values per minute of the day, (1440, ...), NaN where there is no record."""
        values = np.asarray(values, dtype=float)
        whole = np.full((layout.MINUTES_PER_DAY, *values.shape[1:]), np.nan)
        whole[minutes] = np.repeat(values, MINUTES, axis=0)
        return whole

    pip = {product.kind: product for product in layout.PIP_PRODUCTS}

    def pip_path(kind: str) -> Path:
        return layout.pip_folder(folders.pip, name[:4], site, pip[kind]) / layout.pip_name(site, name, pip[kind])

    # where a bin holds no particle, the archive has 0 and the simulator NaN
    distributions = {"psd": (layout.PSD, spectra.psd), "vvd": (layout.VVD, np.nan_to_num(spectra.speed))}
    distributions["rho"] = (layout.RHO, np.nan_to_num(spectra.density))
    for kind, (variable, values) in distributions.items():
        with _created(pip_path(kind), attributes) as file:
            _pip_time(file, date)
            file.createDimension("bin_centers", len(DIAMETERS))
            file.createDimension("bin_edges", len(DIAMETERS) + 1)
            edges = np.round(np.append(DIAMETERS - BIN_WIDTH / 2, DIAMETERS[-1] + BIN_WIDTH / 2), 1)
            _pip_variable(file, layout.BIN_CENTERS, DIAMETERS, level=None)
            _pip_variable(file, layout.BIN_EDGES, edges, level=2)
            _pip_variable(file, variable, of_the_day(values), level=2)
            _place(file, place)
    with _created(pip_path("min"), attributes) as file:
        _pip_time(file, date)
        for variable, column in ((layout.DENSITY, "Rho"), (layout.SNOW_RATE, "Sr"), (layout.RAIN_RATE, "Rr")):
            _pip_variable(file, variable, of_the_day(frame[column]), level=None)
        _place(file, place)

    five_minutes = np.arange(0, layout.MINUTES_PER_DAY, MINUTES)
    with _created(
        folders.weather / f"{name}_met.nc", attributes | {"Comment2": "5 minute temporal resolution."}
    ) as file:
        _pip_time(file, date, five_minutes)
        celsius = frame["T"] - FREEZING
        columns = (celsius, frame["RH"], frame["P"], frame["WS"])
        for variable, column in zip(layout.WEATHER, columns, strict=True):
            _pip_variable(file, variable, np.interp(five_minutes, start, column), level=None)
        _pip_variable(file, layout.WIND_DIRECTION, np.full(len(five_minutes), np.nan), level=None)
        _place(file, place)

    _write_radar(folders.radar / f"{name}_mrr.nc", date, frame, of_the_day, note)
    times = np.arange(0, layout.MINUTES_PER_DAY, profile_minutes)
    aloft = {c: np.interp(times, start, frame[c]) for c in ("t_15", "rh_15")}
    _write_profile(folders.profile / f"era5_{name}.nc", date, times, aloft, place, note)


@contextmanager
def _created(path: Path, attributes: dict[str, str], form: Any = "NETCDF4") -> Iterator[Any]:
    from netCDF4 import Dataset

    with replacing(path) as beside, Dataset(beside, "w", format=form) as file:
        yield file
        file.setncatts(attributes)


def _pip_time(file: Any, date: np.datetime64, minutes: NDArray[np.int64] | None = None) -> None:
    minutes = np.arange(layout.MINUTES_PER_DAY) if minutes is None else minutes
    file.createDimension("time", len(minutes))
    time = file.createVariable("time", "i8", ("time",))
    time.setncatts({"long_name": "time", "units": f"minutes since {date} 00:00:00", "calendar": "proleptic_gregorian"})
    time[:] = minutes


def _pip_variable(file: Any, variable: layout.Variable, values: NDArray, level: int | None) -> None:
    packed = {"zlib": True, "complevel": level} if level is not None else {}
    made = file.createVariable(variable.name, "f8", variable.dimensions, fill_value=np.nan, **packed)
    with warnings.catch_warnings():
        # the archive's missing_value is a word, which the library advises against
        warnings.simplefilter("ignore")
        made.setncatts(
            {
                "units": variable.units[0],
                "long_name": variable.meaning or variable.name,
                "standard_name": _STANDARD_NAMES[variable.name],
                "missing_value": "NaN",
            }
        )
        made[:] = values


def _place(file: Any, site: layout.Site) -> None:
    for name, value in (("lat", site.latitude), ("lon", site.longitude)):
        file.createVariable(name, "f8", ())[...] = value


def _write_radar(
    path: Path, date: np.datetime64, frame: pd.DataFrame, of_the_day: Callable[[ArrayLike], NDArray], note: str
) -> None:
    """As IMProToo: classic format, 31 gates, times at the end of the minute, -9999 where missing."""
    gates = np.full((len(frame), len(RADAR_HEIGHTS)), np.nan)
    ze, w = gates.copy(), gates.copy()
    ze[:, list(GATES)] = frame[[f"reflectivity_{k}" for k in GATES]]
    w[:, list(GATES)] = frame[[f"dv_{k}" for k in GATES]]
    shape = (layout.MINUTES_PER_DAY, len(RADAR_HEIGHTS))
    seconds = (date - np.datetime64("1970-01-01")).astype("timedelta64[s]").astype(np.int64)
    attributes = {
        "title": "Micro rain radar data processed with IMProToo",
        "source": "MRR-2",
        layout.SIMULATION_ATTRIBUTE: note,
    }
    with _created(path, attributes, "NETCDF3_CLASSIC") as file:
        file.createDimension("time", shape[0])
        file.createDimension("range", shape[1])
        time = file.createVariable("time", "i4", ("time",), fill_value=int(MISSING))
        time.setncatts({"timezone": "UTC", "units": "seconds since 1970-01-01 00:00:00"})
        time[:] = seconds + 60 * np.arange(shape[0]) + layout.RADAR_DELAY
        bins = file.createVariable("range", "i4", ("range",), fill_value=int(MISSING))
        bins.setncatts({"description": "range bins", "units": "#"})
        bins[:] = np.arange(1, shape[1] + 1)
        for variable, values in (
            (layout.HEIGHT, np.broadcast_to(RADAR_HEIGHTS, shape)),
            (layout.ZE, of_the_day(ze)),
            (layout.DOPPLER, of_the_day(w)),
            (layout.WIDTH, np.full(shape, np.nan)),
        ):
            made = file.createVariable(variable.name, "f4", variable.dimensions, fill_value=MISSING)
            made.setncatts({"description": variable.meaning, "units": variable.units[0]})
            made[:] = np.nan_to_num(values, nan=MISSING)


def _write_profile(
    path: Path, date: np.datetime64, minutes: NDArray, aloft: dict[str, NDArray], site: layout.Site, note: str
) -> None:
    """As the Climate Data Store writes ERA5: one grid point, the nearest of 0.25 degrees."""
    seconds = (date - np.datetime64("1970-01-01")).astype("timedelta64[s]").astype(np.int64)
    dimensions = ("valid_time", "pressure_level", "latitude", "longitude")
    coordinates = {
        "valid_time": ("i8", seconds + 60 * minutes, "seconds since 1970-01-01"),
        "pressure_level": ("f8", np.array(LEVELS), "hPa"),
        "latitude": ("f8", [round(4 * site.latitude) / 4], "degrees_north"),
        "longitude": ("f8", [round(4 * site.longitude) / 4], "degrees_east"),
    }
    attributes = {"Conventions": "CF-1.7", "GRIB_centre": "ecmf", layout.SIMULATION_ATTRIBUTE: note}
    with _created(path, attributes) as file:
        for name, (kind, values, unit) in coordinates.items():
            file.createDimension(name, len(values))
            made = file.createVariable(name, kind, (name,))
            made.units = unit
            made[:] = values
        file["valid_time"].calendar = "proleptic_gregorian"
        for variable, column in ((layout.AIR_TEMPERATURE, "t_15"), (layout.AIR_HUMIDITY, "rh_15")):
            made = file.createVariable(variable.name, "f4", dimensions, fill_value=np.nan, zlib=True, complevel=1)
            made.units = variable.units[0]
            values = np.full((len(minutes), len(LEVELS), 1, 1), np.nan)
            values[:, LEVELS.index(layout.PROFILE_LEVEL), 0, 0] = aloft[column]
            made[:] = values
