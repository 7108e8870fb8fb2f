"""The instruments: a video disdrometer (PIP) and a 24 GHz profiling radar (MRR)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from precip_sae.observations.five_minutes import (
    BIN_WIDTH,
    DIAMETERS,
    GATE_HEIGHTS,
    MINUTES,
    Spectra,
    echo_top,
    five_minute_record,
    precipitation_rate,
)
from precip_sae.simulation import microphysics as mp
from precip_sae.simulation.weather import Weather

Array = NDArray[np.float64]

TRIES = 20  # to sample a record that the fit drops
SMALLEST = 0.2
"""Diameter (mm) below which PIP is taken to count nothing: chosen to meet Nt = 0.858 x 25 n0 / lambda."""

# Cross-section (m^2) that particles fall through: a field of view 64 mm wide, times 100 mm of depth in focus (assumed).
PIP_AREA = 0.0064
# Effective over true density, as if blur enlarged the images by 7 %: chosen to meet the published density of rain,
# log10 Rho = -0.109, which is not that of water.
PIP_DENSITY_FACTOR = 0.81
PIP_DENSITY_SPREAD, PIP_SPEED_SPREAD = 0.25, 0.25  # relative, of single particles: assumed

WAVELENGTH = 12.4  # mm, at 24.23 GHz
ASPECT_RATIO = 0.6  # height over width of aggregates that fall flat (Hogan et al. 2012, doi 10.1175/JAMC-D-11-074.1)
ICE_DIELECTRIC, WATER_DIELECTRIC = 0.209, 0.93  # |K|^2 per squared density (Smith 1984), and of water
# Reflectivity grows from the cloud top downward as (distance fallen)^growth: chosen to meet 0.3 dB per 100 m in
# deep snow; lake-effect snow grows fast near its top.
DEEP_GROWTH, LAKE_GROWTH = 2.4, 0.85
MELTING_STEP = 5.4  # dB that snow above the melting layer lies below the rain: chosen to meet 8 dBZ at 3 km
BRIGHT_BAND = 6.0  # dB, where half of the mass has melted: assumed
# One-way attenuation by rain, dB/km = k R^alpha: at 24.23 GHz the formula of ITU-R P.838-3 gives k = 0.146 for
# horizontal polarisation.
ATTENUATION, ATTENUATION_POWER = 0.146, 1.01
# Detection limit: -14 to -8 dBZ, depending on range (Maahn and Kollias 2012, doi 10.5194/amt-5-2661-2012); that these
# are the values at 500 and 3000 m is assumed.
DETECTION_1KM, DETECTION_PER_DECADE = -11.7, 7.7
# The lowest gate lies in the antenna's near field and on the steepest part of the transfer function: its spread and
# mean are chosen to meet the published difference between gates 3 and 4.
NEAR_FIELD, NEAR_FIELD_NOISE, NEAR_FIELD_LOSS = 450.0, 3.0, 0.65
RADAR_NOISE, DOPPLER_NOISE = 0.5, 0.08  # dB, m/s: assumed
CALIBRATION_NOISE = 0.5  # dB, drifts as slowly as the weather: assumed
SPEED_GROWTH = 0.15  # fall speed of ice grows from the cloud top downward as (distance fallen)^this: assumed
# The drag law of ice holds, at the density that melting has given, until little of the frame is left, since the frame
# of ice collapses last (Mitra et al. 1990): power of `liquid` that stands for this, chosen.
COLLAPSE = 2.0
# The reported rate is the integral over the size distribution, in snow with an adjusted density: one that falls faster
# with diameter than the true one, as D^-RATE_POWER beside it and equal at RATE_DIAMETER (mm), and that misses the part
# RATE_RIMING of log10 riming. It scatters about the integral by log10 bias and spreads. Minutes with too little to see
# count as none, which takes half of a snowfall of LIGHT_LOSS (mm/h). All chosen to meet log10 Sr = -1.37 +- 0.99 and
# what the shipped regressor says of snowfall by reflectivity, n0, lambda and temperature. No rate is bounded.
RATE_RIMING, RATE_POWER, RATE_DIAMETER = 0.55, 0.3, 2.0
RATE_BIAS_SNOW, RATE_SPREAD_SNOW, RATE_SPREAD_RAIN = 0.07, 0.265, 0.15
LIGHT_LOSS = 0.05
# A wet antenna takes away up to so much (dB), nearly all of it from 1 mm/h of rain on: chosen to meet 20 dBZ in rain.
WET_ANTENNA = 2.7


@dataclass(frozen=True)
class Echo:
    """What the radar sees; NaN where the echo is below the detection limit."""

    reflectivity: Array  # dBZ, (records, 27)
    velocity: Array  # m/s downward, (records, 27)
    top: Array  # m, (records,)


def sample_spectra(p: mp.Particles, rng: np.random.Generator) -> Spectra:
    """Count particles through the PIP's cross-section in 5 minutes (Poisson) and measure them."""
    true_density = mp.density(DIAMETERS, p.riming[:, None], p.liquid[:, None])
    true_speed = fall_speed(p, true_density)
    volume = PIP_AREA * true_speed * 60.0 * MINUTES  # m^3
    expected = mp.gamma_distribution(DIAMETERS, p.number, p.shape, p.slope) * BIN_WIDTH * volume
    expected[:, DIAMETERS < SMALLEST] = 0.0
    counts = rng.poisson(expected)
    empty = counts.sum(axis=1) == 0  # a record exists because something fell
    counts[empty, expected[empty].argmax(axis=1)] = 1
    seen = counts > 0
    spread = rng.standard_normal((2, *counts.shape)) / np.sqrt(np.maximum(counts, 1))
    speed = true_speed * np.exp(PIP_SPEED_SPREAD * spread[0])
    density = PIP_DENSITY_FACTOR * true_density * np.exp(PIP_DENSITY_SPREAD * spread[1])
    return Spectra(
        psd=counts / (volume * BIN_WIDTH),
        speed=np.where(seen, speed, np.nan),
        density=np.where(seen, np.minimum(density, 1.0), np.nan),
    )


def fall_speed(p: mp.Particles, density: Array) -> Array:
    """Fall speed (m/s) by record and bin, shape (records, 131), from ice to water by `liquid`."""
    frame = p.drag[:, None] * mp.ice_speed(DIAMETERS, density)
    collapsed = p.liquid[:, None] ** COLLAPSE
    return frame * (1 - collapsed) + mp.rain_speed(DIAMETERS) * collapsed


def measure(p: mp.Particles, rng: np.random.Generator) -> dict[str, Array]:
    """The processed record of sampled spectra (see `_processed`); one that its fit would drop is sampled again."""
    return measure_with_spectra(p, rng)[0]


def measure_with_spectra(p: mp.Particles, rng: np.random.Generator) -> tuple[dict[str, Array], Spectra]:
    """As `measure`, and the spectra that the records were made of."""
    spectra = sample_spectra(p, rng)
    record = _processed(spectra)
    for _ in range(TRIES):
        dropped = np.flatnonzero(np.isnan(record["n0"]))
        if not dropped.size:
            break
        others = sample_spectra(p.rows(dropped), rng)
        for name in ("psd", "speed", "density"):
            getattr(spectra, name)[dropped] = getattr(others, name)
        for name, values in _processed(others).items():
            record[name][dropped] = values
    return record, spectra


def _processed(spectra: Spectra) -> dict[str, Array]:
    """`five_minute_record`, and `adjusted`: the rate by the density that snowfall is reported with, before riming."""
    adjustment = (DIAMETERS / RATE_DIAMETER) ** -RATE_POWER
    return five_minute_record(spectra) | {"adjusted": precipitation_rate(spectra, adjustment)}


def observe_echo(air: Weather, p: mp.Particles, melted: Array, x: Array, rng: np.random.Generator) -> Echo:
    """The radar's profile above the particles.

    melted is (records, 51) at LEVELS; x (records,) is a standard normal error of calibration.
    Rayleigh scattering, less what large aggregates lose by their size (`form_factor`). Ice grows from the cloud top
    to the melting level (or the ground); below it, the flux and so the reflectivity stay. The dielectric factor and
    the fall speed change in melting and nearly cancel (0.224 x 4); the bright band is what they leave between.
    """
    m = melted[:, np.searchsorted(mp.LEVELS, GATE_HEIGHTS)]
    top = air.cloud_top[:, None]
    frozen_from = np.minimum(100.0 * (melted > 0.01).sum(axis=1), 0.9 * air.cloud_top)[:, None]
    grown = np.maximum((top - np.maximum(GATE_HEIGHTS, frozen_from)) / (top - frozen_from), 1e-6)
    exponent = np.where(air.lake, LAKE_GROWTH, DEEP_GROWTH)[:, None]
    growth = 10 * exponent * np.log10(grown)
    band = BRIGHT_BAND * 4 * (m * (1 - m) - (p.melted * (1 - p.melted))[:, None])
    step = MELTING_STEP * (p.melted[:, None] - m)
    # km of path from the lowest gate on; the loss below it, 0.1 dB on average, is in WET_ANTENNA, which was chosen so
    rain_below = np.cumsum(0.1 * (m > 0.5), axis=1)
    loss = 2 * ATTENUATION * rain_rate(p)[:, None] ** ATTENUATION_POWER * rain_below
    calibration = CALIBRATION_NOISE * x[:, None]
    antenna = WET_ANTENNA * np.tanh(rain_rate(p))[:, None]
    dbz = surface_reflectivity(p)[:, None] + growth + band - step - loss - antenna + calibration
    noise = np.where(GATE_HEIGHTS < NEAR_FIELD, NEAR_FIELD_NOISE, RADAR_NOISE)
    dbz += noise * rng.standard_normal(dbz.shape) - np.where(GATE_HEIGHTS < NEAR_FIELD, NEAR_FIELD_LOSS, 0.0)

    # each phase falls at the speed of its reflectivity-weighted diameter; ice near the top is small and slow
    flake = (7.0 - 2 * mp.DENSITY_POWER + p.shape) / p.slope
    ice = (p.drag * mp.ice_speed(flake, mp.density(flake, p.riming, 0.0)))[:, None]
    ice = ice * np.maximum(grown, 0.05) ** SPEED_GROWTH
    rain = mp.rain_speed((7.0 + p.shape) / p.slope)[:, None]
    liquid = mp.liquid_likeness(m)
    velocity = ice * (1 - liquid) + rain * liquid + DOPPLER_NOISE * rng.standard_normal(m.shape)

    heard = dbz > DETECTION_1KM + DETECTION_PER_DECADE * np.log10(GATE_HEIGHTS / 1000.0)
    return Echo(np.where(heard, dbz, np.nan), np.where(heard, velocity, np.nan), echo_top(heard))


def reported_rate(rate: Array, riming: Array, phase: NDArray[np.str_], x: Array) -> Array:
    """The precipitation rate (mm/h) that the minute product reports, from the true one; all (records,).

    rate is the integral over the size distribution, in snow with the adjusted density (see `_processed`);
    riming is the true factor on the density; x is standard normal.
    """
    snow = rate * riming**-RATE_RIMING * 10 ** (RATE_BIAS_SNOW + RATE_SPREAD_SNOW * x)
    snow = snow * snow / (snow + LIGHT_LOSS)
    return np.where(phase == "Snow", snow, rate * 10 ** (RATE_SPREAD_RAIN * x))


def surface_reflectivity(p: mp.Particles) -> Array:
    """Equivalent reflectivity near the ground (dBZ), shape (records,), of the true size distribution.

    Rayleigh: Ze = sum |K|^2 / |K_w|^2 N D^6, with |K|^2 = 0.209 rho^2 in ice (Smith 1984) and 0.93 rho^2 in water.
    """
    density = mp.density(DIAMETERS, p.riming[:, None], p.liquid[:, None])
    factor = (ICE_DIELECTRIC * (1 - p.melted) + WATER_DIELECTRIC * p.melted) / WATER_DIELECTRIC
    psd = mp.gamma_distribution(DIAMETERS, p.number, p.shape, p.slope)
    # water refracts too much for the form factor, and drops are small; what is melted keeps Rayleigh's
    size = form_factor(DIAMETERS) ** 2 * (1 - p.liquid[:, None]) + p.liquid[:, None]
    return 10 * np.log10(factor * (psd * size * density**2 * DIAMETERS**6).sum(axis=1) * BIN_WIDTH)


def form_factor(diameter: Array) -> Array:
    """Rayleigh-Gans amplitude of a homogeneous sphere seen from behind, over its Rayleigh amplitude.

    3 (sin u - u cos u) / u^3 with u = 2 pi h / wavelength (Bohren and Huffman 1983, section 6.2). For its diameter h
    stands the height of a spheroid of the same volume as a sphere of diameter D (mm): D ASPECT_RATIO^(2/3).
    """
    u = 2 * np.pi * ASPECT_RATIO ** (2 / 3) * np.asarray(diameter) / WAVELENGTH
    return 3 * (np.sin(u) - u * np.cos(u)) / u**3


def rain_rate(p: mp.Particles) -> Array:
    """Rain rate (mm/h) of the liquid part, shape (records,), from the gamma distribution's mass flux."""
    content = np.pi / 6 * p.number * (p.shape + 1) * (p.shape + 2) * (p.shape + 3) / p.slope**3  # mg m^-3
    return 3.6e-3 * content * mp.rain_speed(p.mass_diameter) * p.liquid
