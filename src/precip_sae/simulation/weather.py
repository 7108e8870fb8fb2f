"""Storms and the weather they come with: when they pass, how warm, moist, windy and deep they are.

Every storm has a date, a temperature anomaly that persists from storm to storm, a depth, and possibly a cold front;
the records within a storm vary about the storm's own state as a first-order autoregressive process.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

from precip_sae.errors import SettingsError

Array = NDArray[np.float64]

FIRST_WINTER, WINTERS = 2015, 8
"""PIP at Marquette: the winters 2015-16 to 2022-23."""
SEASON_START, SEASON_DAYS = "09-01", 365
STEPS_PER_DAY = 288
RECORDS_PER_STORM, FEWEST_STORMS = 60, 100
# About as many a winter as were published (97,900 in eight); more records than the eight winters hold go on into
# further winters of the same climate.
RECORDS_PER_WINTER = 12_500
MOST_RECORDS = 2_000_000

# Storms are more frequent in midwinter than in summer: chosen to meet the published means of T and Rho.
MIDWINTER_EXCESS = 0.94
MIDWINTER_DAY = 139.0  # days after the season's start: 18 January

# Site climate (C): mean and amplitude of the air temperature, coldest on 22 January (a usual day at Marquette goes from
# -11 to -4 at the end of January and from 14 to 24 in late July; winter is nearly 2 K colder here, chosen to meet the
# published quartiles of T in snow), and of the surface of Lake Superior, coldest in March (assumed).
AIR_MEAN, AIR_AMPLITUDE, AIR_COLDEST = 5.25, 14.5, 143.0
LAKE_MEAN, LAKE_AMPLITUDE, LAKE_COLDEST = 7.5, 6.5, 186.0
# Standard deviation (K) and memory (days) of the storms' anomalies: chosen to meet T 271.16 +- 9.00 K.
ANOMALY, ANOMALY_DAYS = 4.1, 3.0

# Lake-effect convection wants air at 900 hPa about 12 K colder than the lake (Holroyd 1971: 13 K at 850 hPa) and
# the northwesterly flow that follows a cold front, here a cold anomaly; the latter is chosen to meet the share of
# echo tops at the highest gate.
LAKE_CONTRAST, LAKE_CONTRAST_WIDTH, LAKE_ANOMALY, LAKE_ANOMALY_WIDTH = 12.0, 2.0, -1.1, 2.0
LAKE_900 = 8.0  # K, by which air at 900 hPa is colder than at the ground: dry adiabatic

# Fronts: fall of the temperature (K, gamma distributed) and rise of the pressure (as many hPa) as one passes, within
# about FRONT_STEPS records, and what is left of it in lake-effect snow. Assumed.
FRONT_SHAPE, FRONT_SCALE, FRONT_STEPS, FRONT_LAKE = 1.5, 1.2, 18.0, 0.5
# Day and night under cloud (K, coldest at 3 h local time), scatter of T within a storm, air cooled over the shore in
# northwesterly flow. Assumed.
DAILY, COLDEST_HOUR, T_SPREAD, T_LAKE = 0.8, 3.0, 1.0, -1.0
# Pressure (hPa): high behind the fronts that bring lake-effect snow, lower the warmer, windier and moister it is.
# Chosen to meet its quartiles by phase and its correlations with T, RH and WS.
P_DEEP, P_LAKE, P_PER_K, P_SPREAD, P_DRYNESS, P_GUST = 1011.0, 1016.5, -0.29, 7.1, 2.2, -1.5
# Wind (m/s), log-normal: chosen to meet its quartiles by phase and its correlations with n0, Nt and Sr in snow.
WS_INTENSITY = 0.07
WS_MEDIAN, WS_LAKE, WS_PER_K, WS_WARM, WS_SPREAD, WS_SPREAD_WARM = 2.75, 0.10, -0.012, -0.15, 0.46, 0.10
# Humidity: precipitation keeps the air between saturation over ice and over water (ICE_WEIGHT of the way to ice, in
# logarithms), less some evaporation below cloud (%, log-normal), of which heavy precipitation leaves less. Chosen to
# meet its quartiles by phase. Saturation over ice / over water = exp(0.00972 T) from Murphy and Koop (2005).
ICE_PER_K, ICE_WEIGHT = 0.00972, 0.4
RH_DEFICIT, RH_WARM, RH_SPREAD, RH_INTENSITY, RH_LEAST = 7.1, -2.8, 0.615, -0.15, 55.0
# Where the air counts as warm (C), and over how many K: about where snow turns to rain.
WARM_AT, WARM_WIDTH = 1.5, 1.0

# Lapse rate (K/m): dry convection over the lake has some 8 K/km, deep clouds between isothermal layers and the moist
# adiabat; chosen to meet t_15. Warm air aloft (K) ahead of warm fronts, less the warmer it is below: assumed.
LAPSE_LAKE, LAPSE_DEEP, LAPSE_SPREAD = 8.0e-3, 3.4e-3, 0.8e-3
NOSE, NOSE_SPREAD, NOSE_PER_K, NOSE_MOST = 1.0, 1.2, -0.05, 4.0
# Cloud top (m): lake-effect clouds end at an inversion, chosen to meet echo tops at gates 5-12; deep ones assumed.
TOP_LAKE, TOP_LAKE_SPREAD = 1100.0, 0.20
TOP_DEEP, TOP_DEEP_SPREAD, TOP_DEEP_RANGE = 5000.0, 800.0, (2400.0, 9000.0)
PAUSES = 0.08  # share of records that a pause of 5 to 20 minutes follows: assumed

# Spread (K) between the station's thermometer and the air that a particle falls through, which a shallow layer near
# the lake warms or cools: chosen to meet the published width of the change from mixed-phase precipitation to rain.
SHALLOW_LAYER = 0.7

WEATHER_LATENT, PARTICLE_LATENT = 9, 7
LATENT = WEATHER_LATENT + PARTICLE_LATENT
RECORD_MEMORY = 0.93  # correlation of successive 5-minute records: an hour or so; assumed
# Share of the variance of each latent variable that is common to a storm, beside what its records have in common by
# their memory: chosen so that parts of the table differ in snowfall no more than the two published learning curves do.
STORM_SHARE = 0.15


@dataclass(frozen=True)
class Storms:
    """The calendar: arrays of shape (storms,) unless said otherwise."""

    length: NDArray[np.int64]  # records
    step: NDArray[np.int64]  # first 5-minute step, counted from FIRST_WINTER's first of January
    season: Array  # days since the season's start
    anomaly: Array  # K
    lake: NDArray[np.bool_]  # shallow lake-effect snow rather than deep synoptic precipitation
    character: Array  # (storms, LATENT): mean of each latent variable over the records of a storm


@dataclass(frozen=True)
class Weather:
    """The state of the atmosphere: arrays of shape (records,)."""

    step: NDArray[np.int64]
    storm: NDArray[np.int32]
    lake: NDArray[np.bool_]
    temperature: Array  # C
    humidity: Array  # %
    pressure: Array  # hPa
    wind: Array  # m/s
    lapse: Array  # K/m
    nose: Array  # warm air aloft, K
    cloud_top: Array  # m
    near_surface: Array  # how much warmer (K) the air of the column is than the shallow layer at the thermometer
    intensity: Array  # of precipitation, standard normal
    dryness: Array  # of the air near the ground, standard normal


def latent(rng: np.random.Generator, lengths: NDArray[np.int64], character: Array) -> Array:
    """Standard normal variables of shape (records, columns) that remember their storm and the record before.

    lengths is (storms,), character (storms, columns): the means over every storm.
    """
    rows = []
    for length, common in zip(lengths, character, strict=True):
        noise = rng.standard_normal((length + 1, len(common)))
        noise[1:] *= np.sqrt(1 - RECORD_MEMORY**2)
        within = lfilter([1.0], [1.0, -RECORD_MEMORY], noise, axis=0)[1:]
        within -= within.sum(axis=0) / max(length, 1)  # rounding leaves a storm of a small table without records
        rows.append(common + np.sqrt(1 - STORM_SHARE) * within)
    return np.concatenate(rows)


def mean_variance(lengths: NDArray[np.int64]) -> Array:
    """Variance of the mean of a latent variable over a storm, (storms,): 1 for a single record.

    What is common to the storm, and the mean of n records of a first-order autoregressive process of variance 1,
    1/n ((1 + r) / (1 - r) - 2 r (1 - r^n) / (n (1 - r)^2)).
    """
    r, n = RECORD_MEMORY, np.maximum(lengths, 1).astype(float)
    within = ((1 + r) / (1 - r) - 2 * r * (1 - r**n) / (n * (1 - r) ** 2)) / n
    return STORM_SHARE + (1 - STORM_SHARE) * within


def normalised(values: Array, weights: Array) -> Array:
    """The columns of values, less their weighted means, each made uncorrelated with those before it, variance 1.

    values is (storms, columns), weights (storms,). What is random in a climate is random about that climate's own
    mean: without this, the mean of a few hundred storms would differ between seeds by more than the published
    statistics are known to. Too few storms for that are left as they are.
    """
    storms, columns = values.shape
    if storms < 4 * columns:
        return values
    share = weights / weights.sum()
    centred = values - share @ values
    covariance = (centred * share[:, None]).T @ centred
    return np.linalg.solve(np.linalg.cholesky(covariance), centred.T).T


def calendar(records: int, rng: np.random.Generator) -> Storms:
    """Storms that hold `records` records in all, in time order, spread over every season of the eight winters.

    Few records make few and short storms, not a short period, so that any chronological part has all phases.
    Raises SettingsError when `records` is not between 1 and MOST_RECORDS.
    """
    if not 1 <= records <= MOST_RECORDS:
        raise SettingsError(f"simulation.records is {records}; expected 1 to {MOST_RECORDS}.")
    storms = min(records, max(FEWEST_STORMS, records // RECORDS_PER_STORM))
    weight = np.clip(rng.lognormal(0.0, 0.6, storms), 0.3, 3.0)
    edges = np.round(np.cumsum(weight) / weight.sum() * records).astype(np.int64)
    length = np.diff(edges, prepend=0)
    winters = max(WINTERS, -(-records // RECORDS_PER_WINTER))

    # by records, not storms, so that the season of the records does not hang on a few long storms
    position = (edges - length * rng.uniform(0.5, 1.0, storms)) / records * winters
    # rounding may leave the last storm without records, at the very end of the last winter
    winter = np.minimum(position.astype(np.int64), winters - 1)
    season = _season_day(position - winter)
    first = np.array([np.datetime64(f"{FIRST_WINTER + w}-{SEASON_START}", "D") for w in range(winters)])
    origin = np.datetime64(f"{FIRST_WINTER}-01-01", "D")
    start = (first[winter] - origin).astype(np.int64) * STEPS_PER_DAY + (season * STEPS_PER_DAY).astype(np.int64)
    for k in range(1, storms):  # a long storm delays the next by its own span (pauses included) and half an hour
        start[k] = max(start[k], start[k - 1] + 2 * length[k - 1] + 6)

    days = start / STEPS_PER_DAY
    memory = rng.standard_normal(storms)
    for k in range(1, storms):
        r = np.exp(-(days[k] - days[k - 1]) / ANOMALY_DAYS)
        memory[k] = r * memory[k - 1] + np.sqrt(1 - r * r) * memory[k]
    # Uncorrelated with time and season, so that there is no trend, no slow swing over the winters, and no chance that
    # ties cold spells to midwinter.
    waves = [wave(2 * np.pi * k * season / 365.25) for k in (1, 2) for wave in (np.cos, np.sin)]
    waves += [wave(2 * np.pi * position / winters) for wave in (np.cos, np.sin)]
    seasonal = np.column_stack([position, *waves, memory])
    anomaly = ANOMALY * normalised(seasonal, length)[:, -1]
    # The whole mean of a storm, with what the memory of its records adds: else that would move the mean of all records.
    variance = mean_variance(length)
    spread = np.sqrt(np.average(variance, weights=length))
    character = rng.standard_normal((storms, LATENT)) * (np.sqrt(variance) / spread)[:, None]
    character = spread * normalised(np.column_stack([seasonal, character]), length)[:, -LATENT:]
    contrast = lake_temperature(season) - (air_temperature(season) + anomaly - LAKE_900)
    chance = _logistic((contrast - LAKE_CONTRAST) / LAKE_CONTRAST_WIDTH) * _logistic(
        (LAKE_ANOMALY - anomaly) / LAKE_ANOMALY_WIDTH
    )
    return Storms(length, start, season, anomaly, rng.random(storms) < chance, character)


def air_temperature(season: Array) -> Array:
    """Mean air temperature (C) by days since the season's start."""
    return AIR_MEAN - AIR_AMPLITUDE * np.cos(2 * np.pi * (season - AIR_COLDEST) / 365.25)


def lake_temperature(season: Array) -> Array:
    """Lake surface temperature (C) by days since the season's start."""
    return LAKE_MEAN - LAKE_AMPLITUDE * np.cos(2 * np.pi * (season - LAKE_COLDEST) / 365.25)


def weather(storms: Storms, chosen: slice, rng: np.random.Generator) -> Weather:
    """The weather of the records of the chosen storms."""
    length = storms.length[chosen]
    numbers = np.repeat(np.arange(len(storms.length), dtype=np.int32)[chosen], length)
    per_record = np.repeat(np.arange(len(length)), length)
    lake = storms.lake[chosen][per_record]
    offset = np.concatenate([_offsets(rng, n) for n in length])
    step = storms.step[chosen][per_record] + offset
    x = latent(rng, length, storms.character[chosen, :WEATHER_LATENT])
    warmth, weight, gust, dryness, stability, advection, depth, intensity, shallow = x.T

    # cold front: temperature falls and pressure rises as it passes, at some moment of a deep storm
    count = len(length)
    moment = rng.uniform(0, 1, count) * length
    fall = np.where(storms.lake[chosen], FRONT_LAKE, rng.gamma(FRONT_SHAPE, FRONT_SCALE, count))
    front = fall[per_record] * np.tanh((offset - moment[per_record]) / FRONT_STEPS)
    hour = (step % STEPS_PER_DAY) / 12.0 - 6.0  # local solar time at 88 W
    temperature = (
        (air_temperature(storms.season[chosen]) + storms.anomaly[chosen])[per_record]
        - front
        - DAILY * np.cos(2 * np.pi * (hour - COLDEST_HOUR) / 24.0)
        + T_SPREAD * warmth
        + T_LAKE * lake
    )
    pressure = np.where(lake, P_LAKE, P_DEEP) + front + P_PER_K * temperature
    pressure += P_SPREAD * weight + P_DRYNESS * dryness + P_GUST * gust

    warm = _logistic((temperature - WARM_AT) / WARM_WIDTH)
    log_wind = WS_LAKE * lake + WS_PER_K * temperature + WS_WARM * warm + WS_INTENSITY * intensity
    log_wind += (WS_SPREAD + WS_SPREAD_WARM * warm) * gust
    over_ice = np.exp(ICE_PER_K * np.minimum(temperature, 0.0))
    deficit = (RH_DEFICIT + RH_WARM * warm) * np.exp(RH_SPREAD * dryness + RH_INTENSITY * intensity)
    humidity = np.clip(100.0 * over_ice**ICE_WEIGHT - deficit, RH_LEAST, 100.0)

    lapse = np.where(lake, LAPSE_LAKE, LAPSE_DEEP + LAPSE_SPREAD * np.clip(stability, -2, 2))
    nose = np.where(lake, 0.0, np.clip(NOSE + NOSE_SPREAD * advection + NOSE_PER_K * temperature, 0.0, NOSE_MOST))
    deep_top = np.clip(TOP_DEEP + TOP_DEEP_SPREAD * depth, *TOP_DEEP_RANGE)
    cloud_top = np.where(lake, TOP_LAKE * np.exp(TOP_LAKE_SPREAD * depth), deep_top)
    wind = WS_MEDIAN * np.exp(log_wind)
    return Weather(
        step, numbers, lake, temperature, humidity, pressure, wind, lapse, nose, cloud_top,
        near_surface=SHALLOW_LAYER * shallow, intensity=intensity, dryness=dryness,
    )  # fmt: skip


def _season_day(fraction: Array) -> Array:
    """Day of the season before which this fraction (0-1) of a winter's storms has come."""
    days = np.linspace(0.0, SEASON_DAYS, 2001)
    rate = 1 + MIDWINTER_EXCESS * np.cos(2 * np.pi * (days - MIDWINTER_DAY) / SEASON_DAYS)
    return np.interp(fraction, np.cumsum(rate) / rate.sum(), days)


def _offsets(rng: np.random.Generator, length: int) -> NDArray[np.int64]:
    """5-minute steps of a storm's records since its start: mostly successive, with pauses."""
    pause = np.where(rng.random(length) < PAUSES, rng.integers(1, 5, length), 0)
    return np.minimum(np.arange(length) + np.cumsum(pause), 2 * np.arange(length))


def _logistic(x: Array) -> Array:
    return 1.0 / (1.0 + np.exp(-x))
