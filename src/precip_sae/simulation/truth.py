"""The hidden physical state of the simulated records: what no instrument reports and no network is given."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from precip_sae.errors import StageError
from precip_sae.observations.five_minutes import BIN_WIDTH, DIAMETERS
from precip_sae.simulation import microphysics as mp
from precip_sae.simulation.instruments import fall_speed
from precip_sae.simulation.simulate import State, observation_times, states
from precip_sae.simulation.weather import Weather

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Hidden:
    """One hidden quantity.

    Attributes:
        meaning: what it is, in words.
        unit: that its values are in; empty for numbers.
        binary: whether it is true or false (1 or 0).
    """

    meaning: str
    unit: str = ""
    binary: bool = False


HIDDEN: dict[str, Hidden] = {
    "melted": Hidden("melted mass fraction at the ground"),
    "log_riming": Hidden("log10 of the snow's density over that of unrimed snow of its size"),
    "intensity": Hidden("intensity of the precipitation, standard normal over all records"),
    "dryness": Hidden("dryness of the air near the ground, standard normal over all records"),
    "wet_bulb": Hidden("wet-bulb temperature of the air that particles fall through, at the ground", "C"),
    "melting_height": Hidden(
        "greatest height in the cloud at which the wet-bulb temperature is above 0 C; 0 for none", "m"
    ),
    "nose": Hidden("warm air aloft, above what the lapse rate gives", "K"),
    "lapse": Hidden("fall of the temperature with height", "K/km"),
    "cloud_top": Hidden("height of the cloud top", "m"),
    "lake": Hidden("whether shallow lake-effect convection makes the precipitation", binary=True),
    "log_number": Hidden("log10 of the number of particles per m^3"),
    "log_slope": Hidden("log10 of the slope of the gamma size distribution per mm"),
    "shape": Hidden("shape of the gamma size distribution"),
    "log_diameter": Hidden("log10 of the mass-weighted mean diameter in mm"),
    "snow_rate": Hidden("precipitation that falls as ice, liquid equivalent", "mm/h"),
    "rain_rate": Hidden("precipitation that falls as water", "mm/h"),
}


def truth(records: int, seed: int) -> pd.DataFrame:
    """The hidden state of `simulate(records, seed)`, row by row.

    The state is drawn before the instruments look at it, so neither changes the other.

    Returns:
        `time` and `storm` as in the table, and every quantity of HIDDEN; float64 [records].

    Raises:
        SettingsError: see `simulate`.
    """
    return pd.concat([_quantities(state) for state, _ in states(records, seed)], ignore_index=True)


def truth_of(table: pd.DataFrame, records: int, seed: int) -> pd.DataFrame:
    """`truth`, with the index of the table whose hidden state it is.

    Raises:
        StageError: the table is not the one that the two numbers make.
    """
    hidden = truth(records, seed)
    same = len(hidden) == len(table) and all(
        np.array_equal(hidden[name].to_numpy(), table[name].to_numpy()) for name in ("time", "storm")
    )
    # the table says the melted fraction to four decimals
    if not same or not np.allclose(hidden["melted"], table["melted"], rtol=0, atol=1e-4):
        raise StageError(
            f"data/observations.parquet is not the table that {records} records and seed {seed} make, so its hidden "
            "state is not known: run `precip-sae simulate` and then `dvc add data`."
        )
    return hidden.set_index(table.index)


def _quantities(state: State) -> pd.DataFrame:
    air, p = state.air, state.falling
    wet_bulb = wet_bulb_profile(air)
    rate = precipitation_rate(p)
    values = {
        "time": observation_times(air),
        "storm": air.storm,
        "melted": p.melted,
        "log_riming": np.log10(p.riming),
        "intensity": air.intensity,
        "dryness": air.dryness,
        "wet_bulb": wet_bulb[:, 0],
        "melting_height": melting_height(wet_bulb, air.cloud_top),
        "nose": air.nose,
        "lapse": 1000.0 * air.lapse,
        "cloud_top": air.cloud_top,
        "lake": air.lake.astype(np.float64),
        "log_number": np.log10(p.number),
        "log_slope": np.log10(p.slope),
        "shape": p.shape,
        "log_diameter": np.log10(p.mass_diameter),
        "snow_rate": rate * (1 - p.melted),
        "rain_rate": rate * p.melted,
    }
    return pd.DataFrame(values)


def wet_bulb_profile(air: Weather) -> Array:
    """Wet-bulb temperature (C) at `microphysics.LEVELS`, [records, 51]."""
    return mp.wet_bulb(mp.temperature_profile(air, mp.LEVELS), mp.humidity_profile(air))


def melting_height(wet_bulb: Array, cloud_top: Array) -> Array:
    """Greatest height (m) below the cloud top at which it is warmer than 0 C (wet bulb), [records]; 0 for none.

    Linear between LEVELS; no precipitation melts above the cloud, and nothing is known above the highest level.

    Args:
        wet_bulb: C, at LEVELS [records, 51]; cloud_top: m [records].
    """
    warm = (wet_bulb > 0) & (cloud_top[:, None] > mp.LEVELS)
    highest = np.where(warm, np.arange(len(mp.LEVELS)), 0).max(axis=1)
    rows = np.arange(len(wet_bulb))
    last = len(mp.LEVELS) - 1
    below, above = wet_bulb[rows, highest], wet_bulb[rows, np.minimum(highest + 1, last)]
    crosses = above <= 0
    # where it stays warm up to the cloud top, that is the height
    share = np.where(crosses, below / np.where(crosses, below - above, 1.0), highest < last)
    height = np.minimum(mp.LEVELS[highest] + (mp.LEVELS[1] - mp.LEVELS[0]) * share, cloud_top)
    return np.where(warm.any(axis=1), height, 0.0)


def precipitation_rate(p: mp.Particles) -> Array:
    """Precipitation (mm/h, liquid equivalent) of the true size distribution, [records].

    The integral of pi/6 rho D^3 v N(D) over PIP's bins, with the true density and fall speed.
    """
    density = mp.density(DIAMETERS, p.riming[:, None], p.liquid[:, None])
    psd = mp.gamma_distribution(DIAMETERS, p.number, p.shape, p.slope)
    flux = np.pi / 6 * density * DIAMETERS**3 * fall_speed(p, density) * psd  # mg m^-2 s^-1 mm^-1
    return 3.6e-3 * BIN_WIDTH * flux.sum(axis=1)
