"""Physics of single particles and of melting: what would break the meaning of every column made from them."""

import numpy as np
import pytest

from precip_sae.simulation import microphysics as mp
from precip_sae.simulation.weather import Weather


def still_air(temperature: list[float], humidity: float = 95.0, nose: float = 0.0) -> Weather:
    """Deep precipitation in air of these temperatures (C), 6 K/km colder aloft."""
    n = len(temperature)
    full = np.full
    return Weather(
        step=np.arange(n), storm=np.zeros(n, dtype=np.int32), lake=np.zeros(n, dtype=bool),
        temperature=np.array(temperature), humidity=full(n, humidity), pressure=full(n, 1010.0),
        wind=full(n, 3.0), lapse=full(n, 6e-3), nose=full(n, nose), cloud_top=full(n, 5000.0),
        near_surface=np.zeros(n), intensity=np.zeros(n), dryness=np.zeros(n),
    )  # fmt: skip


def test_wet_bulb_agrees_with_the_published_example() -> None:
    assert mp.wet_bulb(20.0, 50.0) == pytest.approx(13.7, abs=0.05)  # Stull (2011), worked example
    assert mp.wet_bulb(5.0, 99.0) == pytest.approx(5.0, abs=0.2)


def test_melting_grows_with_warmth_and_downward() -> None:
    melted = mp.melted_profile(still_air([-9, -5, 0, 1, 2, 3, 6, 12]))
    assert (np.diff(melted[:, 0]) >= 0).all()
    assert (np.diff(melted, axis=1) <= 1e-12).all()
    assert melted[0, 0] == 0
    assert melted[-1, 0] > 0.99


def test_melting_begins_where_the_wet_bulb_profile_crosses_zero() -> None:
    air = still_air([1.0, 3.0, 6.0, 10.0])
    temperature = mp.temperature_profile(air, mp.LEVELS)
    saturation = np.minimum(mp.LEVELS / 1000.0, 1.0)
    wet_bulb = mp.wet_bulb(temperature, 95.0 * (1 - saturation) + 99.0 * saturation)
    melted = mp.melted_profile(air)
    assert (melted[wet_bulb <= 0] == 0).all()
    for row in range(4):
        zero = mp.LEVELS[(wet_bulb[row] > 0)].max()  # the highest warm level
        assert melted[row, zero == mp.LEVELS] < 0.3
        below = melted[row, np.maximum(zero - 400.0, 0.0) >= mp.LEVELS]
        assert row == 0 or (below > 0.95).all()


def test_dry_air_keeps_snow_frozen_at_higher_temperature() -> None:
    moist, dry = (mp.melted_profile(still_air([2.0], humidity))[0, 0] for humidity in (98.0, 60.0))
    assert dry < 0.3 * moist


def test_warm_air_aloft_melts_what_falls_through_it() -> None:
    assert mp.melted_profile(still_air([-1.0]))[0, 0] == 0
    assert mp.melted_profile(still_air([-1.0], nose=8.0))[0, 0] > 0.5


def test_density_falls_with_size_and_rises_with_riming_and_melting() -> None:
    diameters = np.linspace(0.3, 20, 50)
    dry = mp.density(diameters, 1.0, 0.0)
    assert (np.diff(dry) < 0).all()
    assert (mp.density(diameters, 1.5, 0.0) > dry).all()
    assert (mp.density(diameters, 1.0, 0.5) > dry).all()
    assert mp.density(diameters, 1.0, 1.0) == pytest.approx(np.ones(50))
    assert mp.density(0.01, 3.0, 0.0) == mp.ICE_DENSITY


def test_fall_speeds_rise_with_size_and_with_density() -> None:
    diameters = np.linspace(0.1, 8, 80)
    rain = mp.rain_speed(diameters)
    assert (np.diff(rain) >= 0).all()
    assert (rain > 0).all()
    assert mp.rain_speed(1.0) == pytest.approx(3.997, abs=0.01)  # Atlas et al. (1973)
    snow = mp.ice_speed(diameters, 0.1)
    assert (np.diff(snow) > 0).all()
    assert (mp.ice_speed(diameters, 0.2) > snow).all()
    assert 0.5 < mp.ice_speed(2.0, mp.density(2.0, 1.0, 0.0)) < 1.5


def test_liquid_likeness_is_that_of_added_volumes() -> None:
    rho_s, m = mp.SNOW_DENSITY_1MM, 0.8
    mixture = 1 / ((1 - m) / rho_s + m)
    assert mp.liquid_likeness(m) == pytest.approx((mixture - rho_s) / (1 - rho_s))
    assert mp.liquid_likeness([0.0, 1.0]) == pytest.approx([0.0, 1.0])


def test_soft_bounds_keep_the_middle_and_pile_nothing_up() -> None:
    x = np.linspace(-3, 3, 61)
    bent = mp.soft_bounds(x, (-1.0, 1.0), 0.1)
    assert (np.diff(bent) > 0).all()
    assert (np.abs(bent) <= 1.0 + 1e-6).all()
    assert bent[np.abs(x) < 0.5] == pytest.approx(x[np.abs(x) < 0.5], abs=0.002)


def test_size_distribution_holds_the_number_it_is_given() -> None:
    d = np.arange(0.005, 60, 0.01)
    n = mp.gamma_distribution(d, np.array([250.0, 40.0]), np.array([0.0, 3.0]), np.array([0.8, 4.0]))
    assert n.sum(axis=1) * 0.01 == pytest.approx([250.0, 40.0], rel=1e-4)
    assert n[0] == pytest.approx(250 * 0.8 * np.exp(-0.8 * d))  # shape 0 is the exponential
    moment = (n[1] * d**4).sum() / (n[1] * d**3).sum()
    assert moment == pytest.approx((4 + 3) / 4.0, rel=1e-4)
