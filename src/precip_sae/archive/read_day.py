"""The rows of one day, from its files.

The 5-minute processing is that of `five_minutes.five_minute_record`, the same functions that the simulator's spectra go
through. What the published description leaves open is decided here and said here:

- A period counts when none of its five minutes is missing, as in the public script, whose means turn NaN otherwise. A
  missing minute is one whose psd, vvd or rho is NaN in every bin; a single NaN in a bin is a bin without particles.
- Surface weather is the mean of the readings in the period. A period without a reading is dropped.
- A gate has an echo when at least 3 of the minutes have one. Its reflectivity is the mean of those in linear units,
  its velocity their mean. Fewer than 3 minutes in the radar's file: the period is dropped, because "no echo" would be
  a claim.
- ERA5 is interpolated in time to the start of the period and taken at the nearest grid point; the first and the last
  profile of a file stand for an hour before and after.
- A storm ends when the next row begins more than 6 hours after the last one.
- A value outside the schema's range drops its row; a column with more of them than not costs the day, since then
  something is wrong with the file and not with a row.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from precip_sae.archive import layout
from precip_sae.archive.files import File, opened
from precip_sae.archive.layout import Day, LostDay, only_file
from precip_sae.observations import labels
from precip_sae.observations.five_minutes import (
    DIAMETERS,
    GATE_HEIGHTS,
    MINUTES,
    Spectra,
    echo_top,
    five_minute_record,
)
from precip_sae.observations.schema import COLUMNS, GATES

Array = NDArray[np.float64]

PERIODS = layout.MINUTES_PER_DAY // MINUTES
LEAST_MINUTES = 3
DROPPED = ("size, speed or density", "rate", "weather", "radar", "profile", "range")
"""Why a period with precipitation gives no row, in the order in which it is asked."""


def read_day(day: Day, site: str, profile: bool) -> tuple[pd.DataFrame, int, dict[str, int], str]:
    """The rows of one day: table, periods with precipitation, how many were dropped why, and the simulation's note.

    The table keeps to the schema, except that `storm` is 0: storms are told apart over the whole season.

    Raises:
        LostDay: a file is missing, doubled, damaged or not what its name says.
    """
    notes: list[str] = []
    psd, speed, density = (_distribution(day, kind, notes) for kind in ("psd", "vvd", "rho"))
    present = np.ones(layout.MINUTES_PER_DAY, dtype=bool)
    for distribution in (psd, speed, density):
        present &= ~np.isnan(distribution).all(axis=1)
    in_fives = (PERIODS, MINUTES, len(DIAMETERS))
    psd, speed, density = (np.nan_to_num(values).reshape(in_fives) for values in (psd, speed, density))
    whole = present.reshape(PERIODS, MINUTES).all(axis=1)
    falling = np.flatnonzero(whole & (psd > 0).any(axis=(1, 2)))

    kept = np.ones(len(falling), dtype=bool)
    dropped = dict.fromkeys(DROPPED, 0)

    def drop(reason: str, bad: NDArray[np.bool_]) -> None:
        dropped[reason] += int((bad & kept).sum())
        kept[bad] = False

    psd, speed, density = psd[falling], speed[falling], density[falling]
    measured = (speed > 0).any(axis=(1, 2)) & ((density > 0) & (psd > 0)).any(axis=(1, 2))
    record = {name: np.full(len(falling), np.nan) for name in ("n0", "lambda", "Nt", "Rho", "Fs", "Dm")}
    if measured.any():
        # 0 stands for a bin without particles
        seen = Spectra(psd[measured], *(np.where(v > 0, v, np.nan)[measured] for v in (speed, density)))
        processed = five_minute_record(seen)
        for name, column in record.items():
            column[measured] = processed[name]
    drop("size, speed or density", _incomplete(record))

    rates = _rates(day, notes)
    rates = {name: found[falling] for name, found in rates.items()}
    drop("rate", np.isnan(rates["Sr"]))
    air = {name: found[falling] for name, found in _weather(day, notes).items()}
    drop("weather", _incomplete(air))
    reflectivity, velocity, on = _radar(day, notes)
    reflectivity, velocity = reflectivity[falling], velocity[falling]
    drop("radar", ~on[falling])
    start = day.date.astype("datetime64[s]") + falling * np.timedelta64(60 * MINUTES, "s")
    aloft = _profile(day, layout.SITES[site], start, notes) if profile else {}
    if aloft:
        drop("profile", _incomplete(aloft))

    values: dict[str, Any] = {
        "time": start.astype("datetime64[ns]"),
        "storm": np.zeros(len(falling)),
        **record,
        **rates,
        **air,
        "ETH": echo_top(~np.isnan(reflectivity)),
        **{f"reflectivity_{gate}": reflectivity[:, k] for k, gate in enumerate(GATES)},
        **{f"dv_{gate}": velocity[:, k] for k, gate in enumerate(GATES)},
        **aloft,
    }
    _drop_out_of_range(values, kept, drop, lambda column: only_file(day, _kind_of(column)).name)
    # what is out of range has no logarithm
    values = {name: column[kept] for name, column in values.items()}
    regimes = labels.regime9(values)
    values |= {
        "regime9": regimes,
        "regime3": labels.regime3(regimes),
        "density": labels.density(values["Rho"]),
        "temperature": labels.temperature(values["T"]),
    }
    columns = [column for column in COLUMNS if column.name in values]
    frame = pd.DataFrame({column.name: values[column.name] for column in columns})
    frame = frame.astype({column.name: column.dtype for column in columns})
    return frame, len(falling), dropped, "; ".join(sorted(set(notes)))


def _incomplete(columns: dict[str, Array]) -> NDArray[np.bool_]:
    """Which rows miss a value of some column; columns of (records,) -> (records,)."""
    return np.asarray(np.isnan(np.column_stack(list(columns.values()))).any(axis=1))


def _drop_out_of_range(
    values: dict[str, Any],
    kept: NDArray[np.bool_],
    drop: Callable[[str, NDArray[np.bool_]], None],
    origin: Callable[[str], str],
) -> None:
    for column in COLUMNS:
        if column.low is None or column.name not in values:
            continue
        found = values[column.name]
        with np.errstate(invalid="ignore"):
            bad = ((found < column.low) | (found > column.high)) & kept
        if 2 * bad.sum() > max(kept.sum(), 1):
            raise LostDay(
                f"{origin(column.name)}: column {column.name} would hold {found[bad][0]:g} and the like in "
                f"{int(bad.sum())} of {int(kept.sum())} rows, expected {column.expected}."
            )
        drop("range", bad)


def _kind_of(column: str) -> str:
    """The kind of file that a column comes from, or mainly comes from."""
    kinds = {"Rho": "rho", "Fs": "vvd", "Sr": "min", "Rr": "min", "t_15": "profile", "rh_15": "profile"}
    kinds |= dict.fromkeys(("T", "RH", "P", "WS"), "weather")
    return kinds.get(column, "radar" if column.startswith(("reflectivity", "dv", "ETH")) else "psd")


def _note(file: File, notes: list[str]) -> None:
    if layout.SIMULATION_ATTRIBUTE in file.attributes:
        notes.append(str(file.attributes[layout.SIMULATION_ATTRIBUTE]))


def _pip_minutes(file: File, day: Day) -> None:
    """Refuses a file that is not the 1440 minutes of its day."""
    times = file.times()
    if len(times) != layout.MINUTES_PER_DAY:
        raise LostDay(f"{file.path.name}: has {len(times)} minutes, expected {layout.MINUTES_PER_DAY}.")
    expected = day.date.astype("datetime64[s]") + np.arange(layout.MINUTES_PER_DAY) * np.timedelta64(60, "s")
    if (times != expected).any():
        at = int(np.argmax(times != expected))
        raise LostDay(f"{file.path.name}: minute {at} is {times[at]}, expected {expected[at]}.")


def _distribution(day: Day, kind: str, notes: list[str]) -> Array:
    """psd, vvd or rho, shape (1440, 131)."""
    variable = {"psd": layout.PSD, "vvd": layout.VVD, "rho": layout.RHO}[kind]
    with opened(only_file(day, kind)) as file:
        _note(file, notes)
        _pip_minutes(file, day)
        bins = file.read(layout.BIN_CENTERS)
        if bins.shape != DIAMETERS.shape or not np.allclose(bins, DIAMETERS, atol=0.01):
            reach = f" from {bins[0]:g} to {bins[-1]:g} mm" if len(bins) else ""
            raise LostDay(
                f"{file.path.name}: variable bin_centers has {len(bins)} bins{reach}, "
                f"expected {len(DIAMETERS)} from {DIAMETERS[0]:g} to {DIAMETERS[-1]:g} mm."
            )
        values, what = file.read(variable), f"{file.path.name}: variable {variable.name}"
        if values.shape != (layout.MINUTES_PER_DAY, len(DIAMETERS)):
            raise LostDay(f"{what} has the shape {values.shape}, expected (1440, 131).")
        if (values < 0).any():
            raise LostDay(f"{what} holds {values[values < 0][0]:g}, expected no negative values.")
        return values


def _rates(day: Day, notes: list[str]) -> dict[str, Array]:
    """Sr and Rr (mm/h), each (288,): means of the minutes that have one; NaN where neither has.

    Where only one of the two has a value, PIP has called the precipitation rain or snow, and the other is 0.
    """
    with opened(only_file(day, "min")) as file:
        _note(file, notes)
        _pip_minutes(file, day)
        snow, rain = (
            _mean_of_present(file.read(variable).reshape(PERIODS, MINUTES))
            for variable in (layout.SNOW_RATE, layout.RAIN_RATE)
        )
    neither = np.isnan(snow) & np.isnan(rain)
    return {
        "Sr": np.where(neither, np.nan, np.nan_to_num(snow)),
        "Rr": np.where(neither, np.nan, np.nan_to_num(rain)),
    }


def _mean_of_present(values: Array) -> Array:
    """Mean over the second axis of what is not NaN; NaN where all is."""
    count = (~np.isnan(values)).sum(axis=1)
    return np.where(count > 0, np.nan_to_num(values).sum(axis=1) / np.maximum(count, 1), np.nan)


def _weather(day: Day, notes: list[str]) -> dict[str, Array]:
    """T (K), RH (%), P (hPa) and WS (m/s), each (288,)."""
    with opened(only_file(day, "weather")) as file:
        _note(file, notes)
        period = _seconds(file, file.times(), day) // (60 * MINUTES)
        inside = (period >= 0) & (period < PERIODS)
        means = {}
        for name, variable in zip(("T", "RH", "P", "WS"), layout.WEATHER, strict=True):
            values = _along_time(file, variable, len(period))
            used = inside & ~np.isnan(values)
            count = np.bincount(period[used], minlength=PERIODS)
            total = np.bincount(period[used], weights=values[used], minlength=PERIODS)
            means[name] = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    means["T"] = means["T"] + labels.FREEZING
    return means


def _seconds(file: File, times: NDArray[np.datetime64], day: Day) -> NDArray[np.int64]:
    """Seconds since the day began; refuses a file without a time in the day that its name says."""
    seconds = (times - day.date.astype("datetime64[s]")).astype(np.int64)
    if not ((seconds >= 0) & (seconds < 86400)).any():
        raise LostDay(f"{file.path.name}: holds {times[0]} to {times[-1]}, expected times of {day.date}.")
    return seconds


def _along_time(file: File, variable: layout.Variable, count: int) -> Array:
    values = file.read(variable)
    if values.shape[0] != count:
        raise LostDay(f"{file.path.name}: variable {variable.name} has {values.shape[0]} values, time has {count}.")
    return values


def _radar(day: Day, notes: list[str]) -> tuple[Array, Array, NDArray[np.bool_]]:
    """Reflectivity (dBZ) and velocity (m/s), each (288, 27), and whether the radar was on, (288,)."""
    with opened(only_file(day, "radar")) as file:
        _note(file, notes)
        times = file.times() - np.timedelta64(layout.RADAR_DELAY, "s")
        minute = _seconds(file, times, day) // 60
        height, ze, w = (_along_time(file, v, len(times)) for v in (layout.HEIGHT, layout.ZE, layout.DOPPLER))
        for variable, values in ((layout.ZE, ze), (layout.DOPPLER, w)):
            if values.shape != height.shape:
                raise LostDay(
                    f"{file.path.name}: variable {variable.name} has {values.shape[1]} gates, height has "
                    f"{height.shape[1]}."
                )
        gates = _gates(file, height)
    inside = (minute >= 0) & (minute < layout.MINUTES_PER_DAY)
    heard = ~np.isnan(ze[:, gates]) & ~np.isnan(w[:, gates])
    with np.errstate(over="ignore"):  # an impossible reflectivity is dropped by its range
        linear = np.where(heard, 10 ** (np.nan_to_num(ze[:, gates]) / 10), 0.0)
    period = minute[inside] // MINUTES
    shape = (PERIODS, len(GATES))
    count, power, speed = np.zeros(shape), np.zeros(shape), np.zeros(shape)
    np.add.at(count, period, heard[inside])
    np.add.at(power, period, linear[inside])
    np.add.at(speed, period, np.where(heard, np.nan_to_num(w[:, gates]), 0.0)[inside])
    echo = count >= LEAST_MINUTES
    on = np.bincount(period, minlength=PERIODS) >= LEAST_MINUTES
    count = np.maximum(count, 1)
    with np.errstate(divide="ignore"):
        reflectivity = 10 * np.log10(power / count)
    return np.where(echo, reflectivity, np.nan), np.where(echo, speed / count, np.nan), on


def _gates(file: File, height: Array) -> NDArray[np.int64]:
    """The columns whose height is that of the gates of the schema, shape (27,)."""
    # the first row that has all heights: they do not change within a day
    rows = np.flatnonzero(~np.isnan(height).any(axis=1))
    if not height[rows].size:
        raise LostDay(f"{file.path.name}: variable height has no complete row, expected heights in m.")
    heights = height[rows[0]]
    nearest = np.abs(heights[None, :] - GATE_HEIGHTS[:, None]).argmin(axis=1)
    wrong = np.abs(heights[nearest] - GATE_HEIGHTS) > 1.0
    if wrong.any():
        raise LostDay(
            f"{file.path.name}: variable height runs from {heights.min():g} to {heights.max():g} m without a gate at "
            f"{GATE_HEIGHTS[wrong][0]:g} m, expected one every 100 m."
        )
    return nearest


def _profile(day: Day, site: layout.Site, start: NDArray[np.datetime64], notes: list[str]) -> dict[str, Array]:
    """t_15 (K) and rh_15 (%) at 900 hPa at the given times, each (records,)."""
    with opened(only_file(day, "profile")) as file:
        _note(file, notes)
        times = file.times(layout.PROFILE_TIME)
        seconds = _seconds(file, times, day)
        if (np.diff(seconds) > 3600).any():
            raise LostDay(f"{file.path.name}: time has steps of {np.diff(seconds).max() / 3600:g} hours, expected 1.")
        levels = file.read(layout.LEVEL)
        at = np.flatnonzero(np.abs(levels - layout.PROFILE_LEVEL) < 0.5)
        if not len(at):
            raise LostDay(f"{file.path.name}: variable {layout.LEVEL.name} has no {layout.PROFILE_LEVEL:g} hPa.")
        wanted = (start - day.date.astype("datetime64[s]")).astype(np.int64)
        near = (wanted >= seconds[0] - 3600) & (wanted <= seconds[-1] + 3600)
        found = {}
        for name, variable in (("t_15", layout.AIR_TEMPERATURE), ("rh_15", layout.AIR_HUMIDITY)):
            dimensions = file.dimensions(variable.names)
            values = file.read(variable, len(dimensions) if len(dimensions) in (2, 4) else None)
            if values.shape[:2] != (len(times), len(levels)):
                raise LostDay(
                    f"{file.path.name}: variable {variable.name} has the shape {values.shape}, "
                    f"expected ({len(times)}, {len(levels)}, ...) for time and level."
                )
            column = values[:, at[0]] if values.ndim == 2 else values[:, at[0], *_grid_point(file, site, variable)]
            found[name] = np.where(near, np.interp(wanted, seconds, column), np.nan)
    return found


def _grid_point(file: File, site: layout.Site, variable: layout.Variable) -> tuple[int, int]:
    """The place in the last two dimensions of a variable that is nearest to the site."""
    latitude, longitude = file.read(layout.LATITUDE), file.read(layout.LONGITUDE)
    grid = file.dimensions(layout.LATITUDE.names) + file.dimensions(layout.LONGITUDE.names)
    if (found := file.dimensions(variable.names))[2:] != grid:
        raise LostDay(
            f"{file.path.name}: variable {variable.name} has the dimensions ({', '.join(found)}), "
            "expected those of time, level, latitude and longitude."
        )
    away = np.abs(latitude - site.latitude), np.abs((longitude - site.longitude + 180) % 360 - 180)
    # also where there is none, or one that is NaN
    if not all((distances <= 0.5).any() for distances in away):
        raise LostDay(
            f"{file.path.name}: has no grid point within 0.5 degrees of {site.latitude:g} N, {site.longitude:g} E."
        )
    row, column = (int(np.nanargmin(distances)) for distances in away)
    return row, column
