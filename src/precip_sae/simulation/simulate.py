"""Simulated observations: weather, particles, instruments and the published 5-minute processing in one table."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from precip_sae.observations import labels
from precip_sae.observations.five_minutes import Spectra
from precip_sae.observations.schema import BY_NAME, COLUMNS, GATES, STEP_MINUTES
from precip_sae.simulation import instruments, microphysics
from precip_sae.simulation.weather import FIRST_WINTER, WEATHER_LATENT, Storms, Weather, calendar, latent, weather

Progress = Callable[[int, int], None]

PART_RECORDS = 65_536
"""Rows of a part of a table that is written part by part."""
CHUNK_RECORDS = 4096
"""Records simulated at once, about: the spectra of 4096 records take 4 MB an array."""

# Decimals that are kept; what is not named here has four significant digits. No instrument has more: a 5-minute count
# is known to some per cent, and the radar to 0.5 dB.
DECIMALS = {"T": 2, "RH": 2, "P": 2, "WS": 2, "ETH": 0, "t_15": 2, "rh_15": 2, "melted": 4, "riming": 3}
DECIMALS |= {f"reflectivity_{gate}": 1 for gate in GATES} | {f"dv_{gate}": 2 for gate in GATES}
SIGNIFICANT = 4
# Humidity at 900 hPa (%) from that near the ground: nearer to cloud, and with an error of the reanalysis. Assumed.
MOISTENING, DRIER_900, RH_900_SPREAD = 0.3, -5.0, 6.0
_POWERS = np.array([float(f"1e{k}") for k in range(23)])  # exact, unlike 10.0 ** k on some processors


def simulate(records: int, seed: int, progress: Progress | None = None) -> pd.DataFrame:
    """A table of observations in time order that keeps to `schema.COLUMNS`: `records` rows of 5 minutes each.

    The same seed gives the same values; columns are rounded to what instruments report. `progress(done, records)`
    is called after every chunk of storms. Raises SettingsError when `records` is not between 1 and 2,000,000.
    """
    return pd.concat(simulate_parts(records, seed, progress), ignore_index=True)


def simulate_parts(records: int, seed: int, progress: Progress | None = None) -> Iterator[pd.DataFrame]:
    """The table of `simulate` in consecutive parts of PART_RECORDS rows (the last one shorter).

    However long the table, only about a part of it is in memory at a time.
    """
    waiting: list[pd.DataFrame] = []
    for chunk, _ in chunks(records, seed, progress):
        waiting.append(chunk)
        if sum(map(len, waiting)) >= PART_RECORDS:
            table = pd.concat(waiting, ignore_index=True)
            while len(table) >= PART_RECORDS:
                yield table.iloc[:PART_RECORDS].reset_index(drop=True)
                table = table.iloc[PART_RECORDS:]
            waiting = [table]
    rest = pd.concat(waiting, ignore_index=True)
    if len(rest):
        yield rest


def chunks(records: int, seed: int, progress: Progress | None = None) -> Iterator[tuple[pd.DataFrame, Spectra]]:
    """The same table, whole storms of about CHUNK_RECORDS at a time, with the spectra that the records are made of."""
    storms = calendar(records, np.random.default_rng([seed, 0]))
    ends = np.cumsum(storms.length)
    first = 0
    while first < len(ends):
        done = ends[first - 1] if first else 0
        last = max(first + 1, int(np.searchsorted(ends, done + CHUNK_RECORDS, side="right")))
        yield _chunk(storms, slice(first, last), np.random.default_rng([seed, 1, first]))
        if progress is not None:
            progress(int(ends[last - 1]), records)
        first = last


def _chunk(storms: Storms, chosen: slice, rng: np.random.Generator) -> tuple[pd.DataFrame, Spectra]:
    """The records of the chosen storms, and their spectra."""
    air = weather(storms, chosen, rng)
    x = latent(rng, storms.length[chosen], storms.character[chosen, WEATHER_LATENT:])
    falling, melted = microphysics.particles(air, x[:, :4])
    record, spectra = instruments.measure_with_spectra(falling, rng)
    echo = instruments.observe_echo(air, falling, melted, x[:, 4], rng)

    values: dict[str, NDArray] = {
        "time": np.datetime64(f"{FIRST_WINTER}-01-01", "ns") + air.step * np.timedelta64(STEP_MINUTES, "m"),
        "storm": air.storm,
        **{name: record[name] for name in ("n0", "lambda", "Nt", "Rho", "Fs", "Dm")},
        "T": air.temperature + labels.FREEZING,
        "RH": air.humidity,
        "P": air.pressure,
        "WS": air.wind,
        "ETH": echo.top,
        "t_15": _at_900_hpa(air) + labels.FREEZING,
        "rh_15": np.clip(_moistened(air.humidity) + RH_900_SPREAD * x[:, 5], 30.0, 100.0),
        "melted": falling.melted,
        "riming": falling.riming,
    }
    for column, gate in enumerate(GATES):
        values[f"reflectivity_{gate}"] = echo.reflectivity[:, column]
        values[f"dv_{gate}"] = echo.velocity[:, column]
    values = {name: _rounded(name, column) for name, column in values.items()}

    # the PIP tools call a record snow or rain by its density and report its rate as one or the other
    values["density"] = labels.density(values["Rho"])
    integral = np.where(values["density"] == "Snow", record["adjusted"], record["rate"])
    rate = _rounded("Sr", instruments.reported_rate(integral, falling.riming, values["density"], x[:, 6]))
    values["Sr"] = np.where(values["density"] == "Snow", rate, 0.0)
    values["Rr"] = np.where(values["density"] == "Snow", 0.0, rate)
    values["regime9"] = labels.regime9(values)
    values["regime3"] = labels.regime3(values["regime9"])
    values["temperature"] = labels.temperature(values["T"])
    values["phase"] = labels.phase(values["melted"])
    frame = pd.DataFrame({column.name: values[column.name] for column in COLUMNS})
    return frame.astype({column.name: column.dtype for column in COLUMNS}), spectra


def _moistened(humidity: NDArray[np.float64]) -> NDArray[np.float64]:
    """Humidity (%) at 900 hPa to be expected over this humidity near the ground."""
    return humidity + MOISTENING * (100.0 - humidity) + DRIER_900


def _at_900_hpa(air: Weather) -> NDArray[np.float64]:
    """Air temperature (C) at 900 hPa, whose height follows from the hypsometric equation."""
    mean_of_layer = air.temperature + labels.FREEZING - 3.0
    height = 29.27 * mean_of_layer * np.log(air.pressure / 900.0)
    return microphysics.temperature_profile(air, height[:, None])[:, 0]


def _rounded(name: str, values: NDArray) -> NDArray:
    """Values to what the instrument reports, so that another processor's last digit does not show."""
    if BY_NAME[name].dtype != "float64":
        return values
    if name in DECIMALS:
        return np.round(values, DECIMALS[name])
    decimals = SIGNIFICANT - 1 - np.floor(np.log10(np.where(values > 0, values, 1.0))).astype(int)
    up, down = _POWERS[np.maximum(decimals, 0)], _POWERS[np.maximum(-decimals, 0)]
    return np.round(values * up / down) / up * down
