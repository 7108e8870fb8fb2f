"""Phase labels of a record, each from its own source. All functions are pure: arrays in, array of names out."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

FREEZING = 273.15
"""Melting point of ice (K)."""

REGIMES = {
    "Heavy rain": "Rain",
    "Drizzle": "Rain",
    "Heavy rain to mixed": "Ambiguous",
    "Light rain to mixed": "Ambiguous",
    "Heavy mixed": "Mixed-phase",
    "Light mixed": "Mixed-phase",
    "Heavy snow to mixed": "Ambiguous",
    "Heavy snow": "Snow",
    "Light snow": "Snow",
    "Ambiguous": "Ambiguous",
}
"""The nine published regimes and what belongs to none, each with the phase that it counts as in `regime3`. The names
are those of the lookup table of King et al. (2025, "Decoding nonlinear signals", github.com/frasertheking/umap)."""
TRANSITIONS = tuple(name for name in REGIMES if " to " in name)

LOGGED = ("n0", "lambda", "Rho", "Nt", "Sr", "Rr")
PLAIN = ("Fs", "T", "RH", "P", "WS")
DEW_POINT = "dew point"
VARIABLES = (*LOGGED, *PLAIN, DEW_POINT)
"""What the study clusters (King et al. 2025, "Decoding nonlinear signals", github.com/frasertheking/umap): logarithms
of LOGGED, with 0 for the logarithm of no rate, PLAIN as they are, and the dew point."""


def dew_point(temperature: ArrayLike, humidity: ArrayLike) -> NDArray[np.float64]:
    """Dew point (K) from air temperature (K) and relative humidity (%) by the Magnus form (a = 17.625, b = 243.04 C;
    Alduchov and Eskridge 1996)."""
    t = np.asarray(temperature, dtype=float) - FREEZING
    g = np.log(np.asarray(humidity, dtype=float) / 100.0) + 17.625 * t / (243.04 + t)
    return 243.04 * g / (17.625 - g) + FREEZING


# Where a variable changes its sign, and its unit. Zero is where the published clusters border on each other, as far as
# borders are known: snow | mixed at T = -5.6 C (and the dew point of that air at the mean humidity, 90.4 %), mixed |
# rain at Rho 0.4-0.5 g cm^-3 and Fs 1.5-2 m/s, heavy | light at log10 Nt = 3.85. Elsewhere it is a published mean (n0:
# scaler of the shipped classifier; lambda: snow) or lies between the published values of snow and rain (P, WS; Sr, of
# which 0 stands for the logarithm of no snow). RH has no border: its zero is nearly saturated air, so that drier is
# colder throughout (assumed). Units are published standard deviations, or follow from published quartiles (P, WS) or
# from the values of both phases together (Fs); those of Rr are assumed.
SCALE = {
    "n0": (2.49, 0.775), "lambda": (-0.105, 0.116), "Rho": (-0.35, 0.475), "Nt": (3.85, 0.75), "Sr": (-1.0, 1.0),
    "Rr": (0.0, 0.33), "Fs": (1.75, 1.5), "T": (FREEZING - 5.6, 9.0), "RH": (96.0, 6.13), "P": (1013.5, 9.0),
    "WS": (3.0, 1.6), DEW_POINT: (float(np.round(dew_point(FREEZING - 5.6, 90.4), 2)), 9.0),
}  # fmt: skip

# Where the clusters are dense: log10 of n0, lambda, Rho, Nt, Sr, Rr (0 for no rate); Fs (m/s), T (C), RH (%), P (hPa),
# WS (m/s). Published means and medians of snow and rain by phase. A heavy (light) core lies 0.67 standard deviations
# above (below) the mean in Nt, and as far in n0, lambda and Sr as the published correlations with Nt (0.99, 0.64, 0.64)
# say. Assumed, as nothing is published: rates and numbers of rain; the transitions, snow on its way to the density and
# fall speed of drops; and that snow colder and warmer than the border at -5.6 C differs in temperature and humidity
# alone. Its temperatures lie 1 to 3 K nearer to the border than the medians of either side by the published quartiles
# of snow (-10.2 and -2.2 C), its humidities near those quartiles (85 and 93 %). These four, the zero of RH and REACH
# were chosen while looking at how the shipped classifier was learnt and what it says (`standards`).
CORES = {
    "Heavy rain": (2.64, -0.08, -0.109, 4.15, 0.0, 0.3, 4.06, 6.9, 94.9, 1009.7, 2.2),
    "Drizzle": (1.90, -0.14, -0.109, 3.35, 0.0, -0.3, 4.06, 6.9, 94.9, 1009.7, 2.2),
    "Heavy rain to mixed": (3.04, -0.055, -0.55, 4.44, -0.95, 0.0, 2.4, 1.1, 93.0, 1015.4, 3.1),
    "Light rain to mixed": (1.94, -0.155, -0.55, 3.42, -1.79, 0.0, 2.4, 1.1, 93.0, 1015.4, 3.1),
    "Heavy mixed": (3.04, -0.055, -1.0, 4.44, -0.95, 0.0, 0.95, -3.4, 93.0, 1015.4, 3.1),
    "Light mixed": (1.94, -0.155, -1.0, 3.42, -1.79, 0.0, 0.95, -3.4, 93.0, 1015.4, 3.1),
    "Heavy snow to mixed": (3.04, -0.055, -0.55, 4.44, -0.95, 0.0, 2.4, -7.0, 89.0, 1015.4, 3.1),
    "Heavy snow": (3.04, -0.055, -1.0, 4.44, -0.95, 0.0, 0.95, -7.7, 83.0, 1015.4, 3.1),
    "Light snow": (1.94, -0.155, -1.0, 3.42, -1.79, 0.0, 0.95, -7.7, 83.0, 1015.4, 3.1),
}
"""The core of every regime of REGIMES but Ambiguous."""
REACH = 0.49
"""Mean distance per variable up to which a record belongs to its nearest core: 0 is the core itself, 1 is on the other
side of zero in every variable. What lies farther is in a thin place: about a tenth of the records (published: 12 %)."""


SNOW_DENSITY = 0.4
"""PIP tools: effective density (g cm^-3) up to which a record is snow (doi 10.1029/2024EA003538)."""

# Rain-snow temperature thresholds of 95 % of northern stations lie between these (Jennings et al. 2018,
# doi 10.1038/s41467-018-03629-7): snow below, rain above, either between.
TEMPERATURE_RANGE = (FREEZING - 0.4, FREEZING + 2.4)

# True phase: a hydrometeor population that is melted by less or more than this is called snow or rain.
MELTED_RANGE = (0.1, 0.9)


def variables(columns: Mapping[str, ArrayLike]) -> NDArray[np.float64]:
    """VARIABLES of a table's columns, (records, 12). The logarithm of a rate of 0 is 0, as in the study."""
    given = {name: np.asarray(columns[name], dtype=float) for name in (*LOGGED, *PLAIN)}
    logs = [np.log10(np.where(given[name] == 0, 1.0, given[name])) for name in LOGGED]
    return np.column_stack([*logs, *(given[name] for name in PLAIN), dew_point(given["T"], given["RH"])])


def distances(columns: Mapping[str, ArrayLike]) -> NDArray[np.float64]:
    """Mean Canberra distance (0-1) of every record from every one of CORES, (records, 9).

    The metric is the study's: the mean of |x - c| / (|x| + |c|) over VARIABLES, each from the zero and in the unit of
    SCALE. A variable on the other side of zero than the core's counts 1 whatever its size, so what lies near zero in
    several variables is far from every core.

    Args:
        columns: at least LOGGED and PLAIN, of shape (records,), in the units of the table.
    """
    zero, unit = np.array([SCALE[name] for name in VARIABLES]).T
    x = (variables(columns) - zero) / unit
    cores = np.array(list(CORES.values()))
    temperature, humidity = cores[:, 7] + FREEZING, cores[:, 8]
    cores[:, 7] = temperature
    centres = (np.column_stack([cores, dew_point(temperature, humidity)]) - zero) / unit
    found = np.zeros((len(x), len(centres)))
    # one variable and core at a time: little memory, and sums in the same order on every processor
    for k, core in enumerate(centres):
        for values, c in zip(x.T, core, strict=True):
            size = np.abs(values) + abs(c)
            found[:, k] += np.abs(values - c) / np.where(size == 0, 1.0, size)
    return found / len(VARIABLES)


def regime9(columns: Mapping[str, ArrayLike]) -> NDArray[np.str_]:
    """One of REGIMES: that of the nearest of CORES, or Ambiguous farther than REACH from it.

    It stands for the study's clusters (UMAP with the Canberra metric, then HDBSCAN, see `clusters`): dense places of
    the space of twelve variables, with thin places between them that belong to none, at any temperature. The clusters
    themselves depend on the version of the programs and on the processor, and on all other rows of a table; the
    regime of a record depends on the record alone, so it is the same in every table and part of one.

    Args:
        columns: see `distances`. A record without one of the variables is Ambiguous.
    """
    found = distances(columns)
    nearest = found.argmin(axis=1)
    reached = np.take_along_axis(found, nearest[:, None], axis=1)[:, 0] <= REACH
    return np.where(reached, np.array(list(CORES))[nearest], "Ambiguous")


def regime3(regimes: ArrayLike) -> NDArray[np.str_]:
    """Rain, Snow, Mixed-phase or Ambiguous from `regime9`; transitions are Ambiguous, as the study leaves them out."""
    names, inverse = np.unique(np.asarray(regimes), return_inverse=True)
    return np.array([REGIMES[name] for name in names])[inverse]


def density(Rho: ArrayLike) -> NDArray[np.str_]:
    """Snow up to an effective density of 0.4 g cm^-3, Rain above (PIP tools, doi 10.1029/2024EA003538)."""
    return np.where(np.asarray(Rho) <= SNOW_DENSITY, "Snow", "Rain")


def temperature(T: ArrayLike) -> NDArray[np.str_]:
    """Snow below -0.4 C, Rain above 2.4 C, Mixed-phase between; T in K (Jennings et al. 2018)."""
    snow_below, rain_above = TEMPERATURE_RANGE
    air = np.asarray(T)
    return np.select([air < snow_below, air > rain_above], ["Snow", "Rain"], "Mixed-phase")


def phase(melted: ArrayLike) -> NDArray[np.str_]:
    """True phase by melted mass fraction (0-1): Snow below 0.1, Rain above 0.9, Mixed-phase between."""
    snow_below, rain_above = MELTED_RANGE
    melted = np.asarray(melted)
    return np.select([melted < snow_below, melted > rain_above], ["Snow", "Rain"], "Mixed-phase")
