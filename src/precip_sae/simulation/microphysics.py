"""From the state of the air to the particles near the ground: melting, size, density and fall speed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import gammaln

from precip_sae.simulation.weather import Weather

Array = NDArray[np.float64]

LEVELS = np.arange(0.0, 5001.0, 100.0)
"""Heights (m) of the profiles, shape (51,)."""

# Height and depth (m) of the warm air ahead of warm fronts; humidity (%) in cloud, which begins at CLOUD_BASE (m).
# Assumed.
NOSE_HEIGHT, NOSE_DEPTH = 900.0, 450.0
CLOUD_HUMIDITY, CLOUD_BASE = 99.0, 1000.0

# Warm wet-bulb excess, integrated along the fall (K m), that melts 63 % of the mass, and how sharply: chosen to meet
# the published change from mixed-phase precipitation to rain at +1.0 C. Everything has melted 300 m below the melting
# level at 6 K/km; Mitra et al. (1990) saw single large flakes take as long or longer.
MELTING_SCALE, MELTING_POWER = 70.0, 1.6

# Aggregates: density (g cm^-3) at 1 mm and its fall with diameter. Brandes et al. (2007, doi 10.1175/JAM2489.1) find
# 0.178 D^-0.922; the first is chosen to meet log10 Rho = -1.00 in snow.
SNOW_DENSITY_1MM, DENSITY_POWER, ICE_DENSITY = 0.1555, 0.906, 0.917
# Area over that of the circumscribed disc, at 1 mm, and its fall with diameter (large aggregates are more open): both
# chosen, to meet Fs = 0.95 m/s in snow and its regression on density.
AREA_RATIO, AREA_RATIO_POWER = 0.19, -0.16
# Heymsfield and Westbrook (2010, doi 10.1175/2010JAS3379.1): boundary layer and drag of their Reynolds number.
LAYER_DEPTH, DRAG_COEFFICIENT = 8.0, 0.35
# Scatter (log10) of the fall speed, and its rise with log10 riming, as rimed particles are rounder: chosen.
DRAG_SPREAD, DRAG_RIMING = 0.02, 0.06

# What makes the particles of a record, all chosen to meet the published means, spreads, correlations and regressions
# of log10 n0, Dm, lambda, Rho and Fs by phase. Warmth is K above REFERENCE, the median of snow; the intensity of the
# precipitation, its dryness and the spreads are per standard deviation.
REFERENCE = -7.0
RIMING = {"warmth": 0.0166, "lake": -0.10, "spread": 0.148, "intensity": 0.04, "dryness": -0.04}  # log10 of the factor
RIMING_RANGE = (-1.0, 0.75)
SNOW_DM = {"mean": 0.254, "warmth": -0.010, "spread": 0.235, "intensity": -0.06}  # log10 mm
RAIN_DM = {"mean": 0.01, "spread": 0.10}
SNOW_NUMBER = {"mean": 2.862, "warmth": -0.04, "intensity": 0.905}  # log10 m^-3
RAIN_NUMBER = {"mean": 2.53, "intensity": 0.68}
# log10 (shape + 1): small or sparse particles have narrow distributions, aggregates and dense populations broad ones.
# A gamma distribution's fitted lambda is slope / (2 shape + 1), so lambda and Dm together say what its shape is.
# `size` and `size2` are per log10 Dm above SHAPE_DM and its square.
SHAPE_DM = 0.15
SNOW_SHAPE = {"mean": 0.165, "size": -3.22, "size2": 1.35, "intensity": -0.464, "spread": -0.40, "warmth": 0.01}
RAIN_SHAPE = {"mean": 0.645, "size": -1.30, "intensity": -0.11, "spread": -0.18}

# Bounds, bent over WIDTHS so that nothing piles up at them. The published fit drops drizzle, since below 0.5 mm its
# lambda passes 10 per mm; aggregation takes flakes where they are many (chosen to meet n0 +- 2497), and drops of the
# size that PIP counts are seldom more than some 1000 m^-3 (assumed; the shipped regressor, which has hardly seen rain
# with more, takes it for snow).
SMALLEST_LOG_DM, LOG_DM_WIDTH = -0.35, 0.08
LOG_SHAPE, LOG_SHAPE_WIDTH = (-0.25, 1.2), 0.1  # between broader than exponential and nearly one size
LEAST_LOG_NUMBER, MOST_LOG_NUMBER, LOG_NUMBER_WIDTH = 0.7, {"snow": 4.53, "rain": 2.95}, 0.2
# mg m^-3 of ice and water, approached by the heaviest precipitation: chosen to meet n0 +- 2497. With it the simulated
# snow falls at rates measured elsewhere: at Montreal half of the snow of two winters fell at 1.2 mm/h or less, and the
# heaviest half-hour had 7.4 mm/h (McGill Stormy Weather Group 1965, AD0621153).
MOST_CONTENT = 835.0

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
    bump = np.exp(-(((z - NOSE_HEIGHT) / NOSE_DEPTH) ** 2)) - np.exp(-((NOSE_HEIGHT / NOSE_DEPTH) ** 2))
    ground = (air.temperature + air.near_surface)[:, None]
    return ground - air.lapse[:, None] * z + air.nose[:, None] * np.maximum(bump, 0.0)


def humidity_profile(air: Weather) -> Array:
    """Relative humidity (%) at LEVELS, shape (records, 51): from that near the ground to that in cloud."""
    saturation = np.minimum(LEVELS / CLOUD_BASE, 1.0)
    return air.humidity[:, None] * (1 - saturation) + CLOUD_HUMIDITY * saturation


def melted_profile(air: Weather) -> Array:
    """Melted mass fraction (0-1) at LEVELS, shape (records, 51): what has melted on the way from the cloud top.

    Melting follows the warm wet-bulb excess that a particle has fallen through.
    """
    excess = np.maximum(wet_bulb(temperature_profile(air, LEVELS), humidity_profile(air)), 0.0)
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
    ratio = np.sqrt(best) / (LAYER_DEPTH**2 * np.sqrt(DRAG_COEFFICIENT))
    reynolds = LAYER_DEPTH**2 / 4 * (np.sqrt(1 + 4 * ratio) - 1) ** 2
    return AIR_VISCOSITY * reynolds / (AIR_DENSITY * dimension)


def rain_speed(diameter: ArrayLike) -> Array:
    """Fall speed (m/s) of drops of diameter (mm): Atlas et al. (1973), 9.65 - 10.3 exp(-0.6 D); below 0.6 mm 4 D."""
    d = np.asarray(diameter, dtype=float)
    # the published form is negative below 0.11 mm; small drops fall at about 4 m/s per mm (Beard 1976)
    return np.where(d < 0.6, np.minimum(4.0 * d, 9.65 - 10.3 * np.exp(-0.36)), 9.65 - 10.3 * np.exp(-0.6 * d))


def soft_floor(x: Array, least: Array | float, width: float) -> Array:
    """x where it is well above `least`, bent over `width` to stay above it: no value piles up at a bound."""
    return least + width * np.logaddexp(0.0, (x - least) / width)


def soft_bounds(x: Array, bounds: tuple[Array | float, Array | float], width: float) -> Array:
    """`soft_floor` at the lower of the bounds, and its mirror image at the upper."""
    return -soft_floor(-soft_floor(x, bounds[0], width), -bounds[1], width)


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
    state: dict[str, ArrayLike] = {
        "mean": 1.0, "warmth": air.temperature - REFERENCE, "lake": air.lake, "intensity": air.intensity,
        "dryness": air.dryness,
    }  # fmt: skip

    log_riming = np.clip(_sum(RIMING, state | {"spread": x_riming}), *RIMING_RANGE)
    spread = state | {"spread": x_diameter}
    log_dm = soft_floor(_melting(SNOW_DM, RAIN_DM, spread, liquid), SMALLEST_LOG_DM, LOG_DM_WIDTH)
    most = MOST_LOG_NUMBER["snow"] * (1 - liquid) + MOST_LOG_NUMBER["rain"] * liquid
    log_number = _melting(SNOW_NUMBER, RAIN_NUMBER, state, liquid)
    log_number = soft_bounds(log_number, (LEAST_LOG_NUMBER, most), LOG_NUMBER_WIDTH)
    size = log_dm - SHAPE_DM
    spread = state | {"spread": x_shape, "size": size, "size2": size**2}
    shape = 10 ** soft_bounds(_melting(SNOW_SHAPE, RAIN_SHAPE, spread, liquid), LOG_SHAPE, LOG_SHAPE_WIDTH) - 1.0
    diameter = 10**log_dm
    slope = (4.0 - DENSITY_POWER * (1 - liquid) + shape) / diameter
    # what the air has to give bounds the mass in it
    number = 10**log_number
    typical = density(diameter, 10**log_riming, liquid)
    content = np.pi / 6 * typical * number * (shape + 1) * (shape + 2) * (shape + 3) / slope**3
    return (
        Particles(
            number=number / (1.0 + content / MOST_CONTENT),
            mass_diameter=diameter,
            shape=shape,
            slope=slope,
            riming=10**log_riming,
            drag=10 ** (DRAG_SPREAD * x_drag + DRAG_RIMING * log_riming),
            melted=melted,
            liquid=liquid,
        ),
        profile,
    )


def _sum(terms: Mapping[str, float], state: Mapping[str, ArrayLike]) -> Array:
    """The terms times what they are per, added up, (records,)."""
    return np.asarray(sum(value * np.asarray(state[name]) for name, value in terms.items()))


def _melting(
    snow: Mapping[str, float], rain: Mapping[str, float], state: Mapping[str, ArrayLike], liquid: Array
) -> Array:
    """From the sum for snow to the sum for rain by `liquid`, (records,)."""
    return _sum(snow, state) * (1 - liquid) + _sum(rain, state) * liquid
