"""Phase labels of a record, each from its own source. All functions are pure: arrays in, array of names out."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

FREEZING = 273.15
"""Melting point of ice (K)."""

# Borders between the published UMAP + HDBSCAN clusters, read as a rule on signs: snow | mixed at T = -5.6 C,
# mixed | rain at Rho 0.4-0.5 g cm^-3 together with Fs 1.5-2 m/s, heavy | light at log10 Nt = 3.85.
SNOW_MIXED_T = FREEZING - 5.6
MIXED_RAIN_RHO = (0.4, 0.5)
MIXED_RAIN_FS = (1.5, 2.0)
HEAVY_LOG_NT = 3.85
# Half-width (K) of the strip about the temperature border that belongs to neither cluster: the published change
# from snow to mixed-phase is about 2 K wide.
AMBIGUOUS_T = 0.8

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

SNOW_DENSITY = 0.4
"""PIP tools: effective density (g cm^-3) up to which a record is snow (doi 10.1029/2024EA003538)."""

# Rain-snow temperature thresholds of 95 % of northern stations lie between these (Jennings et al. 2018,
# doi 10.1038/s41467-018-03629-7): snow below, rain above, either between.
TEMPERATURE_RANGE = (FREEZING - 0.4, FREEZING + 2.4)

# True phase: a hydrometeor population that is melted by less or more than this is called snow or rain.
MELTED_RANGE = (0.1, 0.9)


def regime9(T: ArrayLike, Rho: ArrayLike, Fs: ArrayLike, Nt: ArrayLike) -> NDArray[np.str_]:
    """One of REGIMES by the sign rule that the published clusters follow.

    T in K, Rho in g cm^-3, Fs in m/s, Nt a count, all of shape (records,). Whether a record is warm, dense and fast
    says its phase: rain is all three, mixed-phase precipitation only warm ("mixed" is mostly warm snow), snow none.
    Warm and either dense or fast is the transition of rain and mixed; cold and either, that of snow and mixed, which
    has a heavy regime only. Nt divides each phase in a heavy and a light regime. What lies on a border, and what is
    as cold as snow and yet like rain or a light transition, is Ambiguous.
    """
    T, Rho, Fs = np.asarray(T), np.asarray(Rho), np.asarray(Fs)
    is_heavy = np.asarray(Nt) > 10**HEAVY_LOG_NT
    cold, warm = T < SNOW_MIXED_T - AMBIGUOUS_T, T > SNOW_MIXED_T + AMBIGUOUS_T
    light, dense = Rho < MIXED_RAIN_RHO[0], Rho > MIXED_RAIN_RHO[1]
    slow, fast = Fs < MIXED_RAIN_FS[0], Fs > MIXED_RAIN_FS[1]
    either = (dense & slow) | (light & fast)
    cases = {
        "Heavy rain": warm & dense & fast & is_heavy,
        "Drizzle": warm & dense & fast & ~is_heavy,
        "Heavy rain to mixed": warm & either & is_heavy,
        "Light rain to mixed": warm & either & ~is_heavy,
        "Heavy mixed": warm & light & slow & is_heavy,
        "Light mixed": warm & light & slow & ~is_heavy,
        "Heavy snow to mixed": cold & either & is_heavy,
        "Heavy snow": cold & light & slow & is_heavy,
        "Light snow": cold & light & slow & ~is_heavy,
    }
    return np.select(list(cases.values()), list(cases), "Ambiguous")


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
