"""From the state of the air to the particles near the ground: melting, size, density and fall speed."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import gammaln

from precip_sae.observations.weather import Weather

Array = NDArray[np.float64]

LEVELS = np.arange(0.0, 5001.0, 100.0)
"""Heights (m) of the profiles, shape (51,)."""

# Warm wet-bulb excess, integrated along the fall (K m), that melts 63 % of the mass; a melting layer of 400 m at
# 6 K/km adds up to 480 K m (Mitra et al. 1990 find complete melting within 300-500 m).
MELTING_SCALE, MELTING_POWER = 68.0, 1.6

# Aggregates: density (g cm^-3) at 1 mm and its fall with diameter (Brandes et al. 2007: 0.178 D^-0.922);
# the first is chosen to meet log10 Rho = -1.00 in snow.
SNOW_DENSITY_1MM, DENSITY_POWER, ICE_DENSITY = 0.156, 0.9, 0.917
# Area ratio of aggregates: Heymsfield and Westbrook (2010) give 0.3-0.8; chosen to meet Fs = 0.95 m/s in snow.
AREA_RATIO, AREA_RATIO_POWER = 0.19, -0.4

# The published fit drops drizzle: below 0.5 mm its lambda passes 10 per mm.
SMALLEST_LOG_DM = -0.35
LOG_SHAPE = (-0.25, 1.2)  # log10 (shape + 1): between broader than exponential and nearly one size
LOG_MOST_NUMBER = 4.55  # m^-3, where aggregation takes as many particles as come: chosen to meet n0 +- 2497
MOST_CONTENT = 1000.0  # mg m^-3 of ice and water, approached by the heaviest precipitation

GRAVITY, AIR_VISCOSITY, AIR_DENSITY = 9.81, 1.70e-5, 1.28  # m s^-2, Pa s, kg m^-3 near 0 C and 1010 hPa


@dataclass(frozen=True)
class Particles:
    """The gamma size distribution N(D) ~ D^shape exp(-slope D) near the ground: arrays of shape (records,)."""

    number: Array  # m^-3
    mass_diameter: Array  # mm
    shape: Array
    slope: Array  # mm^-1
    riming: Array  # factor on the density of dry snow
    drag: Array  # factor on the fall speed of ice
    melted: Array  # mass fraction
    liquid: Array  # 0-1, how far density and fall speed have gone from ice to water

    def rows(self, chosen: NDArray[np.int64]) -> Particles:
        """The particles of the chosen records."""
        return Particles(*(getattr(self, field.name)[chosen] for field in fields(self)))


def wet_bulb(temperature: ArrayLike, humidity: ArrayLike) -> Array:
    """Wet-bulb temperature (C) from air temperature (C) and relative humidity (%), Stull (2011), eq. 1."""
    t, rh = np.asarray(temperature, dtype=float), np.asarray(humidity, dtype=float)
    return (
        t * np.arctan(0.151977 * np.sqrt(rh + 8.313659))
        + np.arctan(t + rh)
        - np.arctan(rh - 1.676331)
        + 0.00391838 * rh**1.5 * np.arctan(0.023101 * rh)
        - 4.686035
    )


def temperature_profile(air: Weather, height: ArrayLike) -> Array:
    """Air temperature (C) at heights (m): a lapse rate and, ahead of warm fronts, warm air near 900 m.

    height is (heights,) or (records, heights); the result is (records, heights).
    """
    z = np.asarray(height, dtype=float)
    bump = np.exp(-(((z - 900.0) / 450.0) ** 2)) - np.exp(-4.0)
    ground = (air.temperature + air.near_surface)[:, None]
    return ground - air.lapse[:, None] * z + air.nose[:, None] * np.maximum(bump, 0.0)


def melted_profile(air: Weather) -> Array:
    """Melted mass fraction (0-1) at LEVELS, shape (records, 51): what has melted on the way from the cloud top.

    Melting follows the warm wet-bulb excess that a particle has fallen through.
    """
    temperature = temperature_profile(air, LEVELS)
    saturation = np.minimum(LEVELS / 1000.0, 1.0)
    humidity = air.humidity[:, None] * (1 - saturation) + 99.0 * saturation
    excess = np.maximum(wet_bulb(temperature, humidity), 0.0)
    excess[air.cloud_top[:, None] <= LEVELS] = 0.0  # no particle falls from above the cloud
    step = LEVELS[1] - LEVELS[0]
    fallen = step * (np.cumsum(excess[:, ::-1], axis=1)[:, ::-1] - 0.5 * excess)
    return 1.0 - np.exp(-((fallen / MELTING_SCALE) ** MELTING_POWER))


def liquid_likeness(melted: ArrayLike) -> Array:
    """How far (0-1) density and fall speed have gone from ice to water: (rho - rho_s) / (1 - rho_s).

    The volumes of ice and water add: 1 / rho = (1 - melted) / rho_s + melted, rho_s the density of dry snow.
    """
    m = np.asarray(melted, dtype=float)
    return SNOW_DENSITY_1MM * m / (1.0 - m * (1.0 - SNOW_DENSITY_1MM))


def density(diameter: ArrayLike, riming: ArrayLike, liquid: ArrayLike) -> Array:
    """Density (g cm^-3) at diameter (mm): Brandes et al. (2007) times riming, at most ice; to water by `liquid`."""
    dry = np.asarray(riming) * SNOW_DENSITY_1MM * np.asarray(diameter) ** -DENSITY_POWER
    return np.minimum(dry, ICE_DENSITY) * (1.0 - np.asarray(liquid)) + np.asarray(liquid)


def ice_speed(diameter: ArrayLike, density: ArrayLike) -> Array:
    """Fall speed (m/s) of ice particles of equal-area diameter (mm) and density (g cm^-3).

    Heymsfield and Westbrook (2010): Reynolds number from a Best number with the root of the area ratio.
    Theirs is the maximum dimension, D / sqrt(area ratio), and the mass is pi/6 rho D^3 with D as PIP measures it.
    """
    d = np.asarray(diameter) * 1e-3
    mass = np.pi / 6 * 1e3 * np.asarray(density) * d**3
    area_ratio = np.minimum(AREA_RATIO * np.asarray(diameter) ** AREA_RATIO_POWER, 1.0)
    dimension = d / np.sqrt(area_ratio)
    best = 8 * mass * GRAVITY * AIR_DENSITY / (np.pi * AIR_VISCOSITY**2 * np.sqrt(area_ratio))
    delta, drag = 8.0, 0.35
    reynolds = delta**2 / 4 * (np.sqrt(1 + 4 * np.sqrt(best) / (delta**2 * np.sqrt(drag))) - 1) ** 2
    return AIR_VISCOSITY * reynolds / (AIR_DENSITY * dimension)


def rain_speed(diameter: ArrayLike) -> Array:
    """Fall speed (m/s) of drops of diameter (mm): Atlas et al. (1973), 9.65 - 10.3 exp(-0.6 D), not below 4 D."""
    d = np.asarray(diameter, dtype=float)
    # the published form is negative below 0.11 mm; small drops fall at about 4 m/s per mm (Beard 1976)
    return np.where(d < 0.6, np.minimum(4.0 * d, 9.65 - 10.3 * np.exp(-0.36)), 9.65 - 10.3 * np.exp(-0.6 * d))


def soft_floor(x: ArrayLike, least: float, width: float) -> Array:
    """x where it is well above `least`, bent over `width` to stay above it: no value piles up at a bound."""
    return least + width * np.logaddexp(0.0, (np.asarray(x) - least) / width)


def gamma_distribution(diameter: ArrayLike, number: Array, shape: Array, slope: Array) -> Array:
    """N(D) = number slope^(shape+1) / Gamma(shape+1) D^shape exp(-slope D), in m^-3 mm^-1, shape (records, bins).

    diameter (bins,) in mm; number (records,) in m^-3; slope (records,) in mm^-1. shape = 0 is the exponential.
    """
    d = np.asarray(diameter)[None, :]
    scale = np.log(number) + (shape + 1) * np.log(slope) - gammaln(shape + 1)
    return np.exp(scale[:, None] + shape[:, None] * np.log(d) - slope[:, None] * d)


def particles(air: Weather, x: Array) -> tuple[Particles, Array]:
    """The particles near the ground, and the melted fraction at LEVELS, from the weather and latent variables.

    x is (records, 4) standard normal: shape, diameter, riming and drag.
    """
    x_shape, x_diameter, x_riming, x_drag = x.T
    profile = melted_profile(air)
    melted = profile[:, 0]
    liquid = liquid_likeness(melted)
    warmth = air.temperature + 7.0  # against the median of snow

    # snow: chosen to meet log10 Dm 0.15-0.2 +- 0.23, log10 Rho -1.00 +- 0.26 and their correlations with T
    log_riming = 0.017 * warmth - 0.08 * air.lake + 0.15 * x_riming + 0.06 * air.intensity - 0.04 * air.dryness
    log_riming = np.clip(log_riming, -1.0, 0.75)
    log_dm_snow = 0.255 - 0.010 * warmth + 0.23 * x_diameter - 0.06 * air.intensity
    log_dm_rain = 0.01 + 0.10 * x_diameter
    log_dm = soft_floor(log_dm_snow * (1 - liquid) + log_dm_rain * liquid, SMALLEST_LOG_DM, 0.08)
    # number: chosen to meet log10 n0 2.49 +- 0.82 in snow, 2.27 +- 0.58 in rain
    log_number = 2.87 + 0.88 * air.intensity - 0.04 * warmth
    log_number = log_number * (1 - liquid) + (2.42 + 0.60 * air.intensity) * liquid
    log_number = -soft_floor(-log_number, -LOG_MOST_NUMBER, 0.2)
    # shape: small or sparse particles have narrow distributions, aggregates and dense populations broad ones;
    # chosen to meet the published regressions of log lambda on log Dm and of log n0 on log lambda. A gamma
    # distribution's fitted lambda is slope / (2 shape + 1), so lambda and Dm together say what its shape is.
    d = log_dm - 0.15
    log_shape_snow = 0.18 - 3.0 * d + 1.35 * d**2 - 0.42 * air.intensity - 0.38 * x_shape + 0.01 * warmth
    log_shape_rain = 0.84 - 1.30 * log_dm - 0.11 * air.intensity - 0.18 * x_shape
    log_shape = log_shape_snow * (1 - liquid) + log_shape_rain * liquid
    shape = 10 ** -soft_floor(-soft_floor(log_shape, LOG_SHAPE[0], 0.1), -LOG_SHAPE[1], 0.1) - 1.0
    power = DENSITY_POWER * (1 - liquid)
    diameter = 10**log_dm
    slope = (4.0 - power + shape) / diameter
    # what the air has to give bounds the mass in it
    number = 10 ** np.maximum(log_number, 0.7)
    typical = density(diameter, 10**log_riming, liquid)
    content = np.pi / 6 * typical * number * (shape + 1) * (shape + 2) * (shape + 3) / slope**3
    return (
        Particles(
            number=number / (1.0 + content / MOST_CONTENT),
            mass_diameter=diameter,
            shape=shape,
            slope=slope,
            riming=10**log_riming,
            drag=10 ** (0.03 * x_drag + 0.08 * log_riming),  # rimed particles are rounder
            melted=melted,
            liquid=liquid,
        ),
        profile,
    )
