"""Phase labels of a record, each from its own source. All functions are pure: arrays in, array of names out."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

FREEZING = 273.15
"""Melting point of ice (K)."""

# Borders between the published UMAP + HDBSCAN clusters, read as a rule on signs: snow | mixed at T = -5.6 C,
# mixed | rain at Rho 0.4-0.5 g cm^-3 together with Fs 1.5-2 m/s.
SNOW_MIXED_T = FREEZING - 5.6
MIXED_RAIN_RHO = (0.4, 0.5)
MIXED_RAIN_FS = (1.5, 2.0)
# Half-width (K) of the strip about the temperature border that belongs to neither cluster: chosen to meet the
# published shares of records that are ambiguous (12 %) or in transition (2 %).
AMBIGUOUS_T = 0.8

SNOW_DENSITY = 0.4
"""PIP tools: effective density (g cm^-3) up to which a record is snow (doi 10.1029/2024EA003538)."""

# Rain-snow temperature thresholds of 95 % of northern stations lie between these (Jennings et al. 2018,
# doi 10.1038/s41467-018-03629-7): snow below, rain above, either between.
TEMPERATURE_RANGE = (FREEZING - 0.4, FREEZING + 2.4)

# True phase: a hydrometeor population that is melted by less or more than this is called snow or rain.
MELTED_RANGE = (0.1, 0.9)


def regime3(T: ArrayLike, Rho: ArrayLike, Fs: ArrayLike) -> NDArray[np.str_]:
    """Rain, Snow, Mixed-phase or Ambiguous by the sign rule that the published regimes follow.

    T in K, Rho in g cm^-3, Fs in m/s, all of shape (records,). Rain is dense and fast; Snow and Mixed-phase are
    neither, and lie on the two sides of -5.6 C ("Mixed-phase" is mostly warm snow). What lies on a border, or is
    dense without being fast, or is as cold as snow and yet like rain, is Ambiguous.
    Source: clusters of King et al. (2025, doi 10.1029/2025JH000769), whose labels are UMAP + HDBSCAN.
    """
    T, Rho, Fs = np.asarray(T), np.asarray(Rho), np.asarray(Fs)
    like_rain = (Rho > MIXED_RAIN_RHO[1]) & (Fs > MIXED_RAIN_FS[1])
    like_snow = (Rho < MIXED_RAIN_RHO[0]) & (Fs < MIXED_RAIN_FS[0])
    colder, warmer = T < SNOW_MIXED_T - AMBIGUOUS_T, T > SNOW_MIXED_T + AMBIGUOUS_T
    return np.select(
        [like_rain & warmer, like_snow & colder, like_snow & warmer],
        ["Rain", "Snow", "Mixed-phase"],
        "Ambiguous",
    )


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
