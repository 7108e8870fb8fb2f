"""The 5-minute processing against closed forms, and the radar against what it must not see."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import curve_fit
from scipy.special import gamma

from precip_sae.observations import five_minutes
from precip_sae.simulation import instruments as ins
from precip_sae.simulation import microphysics as mp

D = five_minutes.DIAMETERS


def spectra(psd: np.ndarray, density: float = 0.2, speed: float = 1.5) -> five_minutes.Spectra:
    return five_minutes.Spectra(psd, np.full_like(psd, speed), np.full_like(psd, density))


def particles(liquid: float = 0.0, number: float = 500.0, rows: int = 1) -> mp.Particles:
    shared = {"mass_diameter": 1.5, "shape": 2.0, "slope": 3.0, "riming": 1.0, "drag": 1.0}
    one = {"number": number, "melted": liquid, "liquid": liquid} | shared
    return mp.Particles(**{name: np.full(rows, value) for name, value in one.items()})


@given(n0=st.floats(1.0, 1e6), slope=st.floats(0.15, 6.0))
@settings(max_examples=60, deadline=None)
def test_fit_recovers_a_noiseless_exponential(n0: float, slope: float) -> None:
    found = five_minutes.fit_exponential(n0 * np.exp(-slope * D)[None])
    assert found[0] == pytest.approx([n0], rel=1e-8)
    assert found[1] == pytest.approx([slope], rel=1e-8)


def test_fit_agrees_with_the_published_curve_fit_on_noisy_spectra() -> None:
    rng = np.random.default_rng(4)
    psd = rng.poisson(400 * D * np.exp(-2.0 * D) * np.ones((20, 1))).astype(float)
    n0, slope = five_minutes.fit_exponential(psd)
    for row in range(20):
        reference, _ = curve_fit(lambda d, a, b: a * np.exp(-b * d), D, psd[row], p0=(1e4, 2))
        assert (n0[row], slope[row]) == pytest.approx(tuple(reference), rel=1e-4)


def test_fit_of_a_gamma_distribution_has_the_slope_of_theory() -> None:
    shape, slope = np.array([0.0, 1.0, 2.0, 4.0]), np.full(4, 1.5)
    psd = mp.gamma_distribution(D, np.full(4, 100.0), shape, slope)
    assert five_minutes.fit_exponential(psd)[1] == pytest.approx(slope / (2 * shape + 1), rel=0.02)


def test_fit_drops_what_the_published_processing_drops() -> None:
    steep = 1e3 * np.exp(-14.0 * D)
    assert np.isnan(five_minutes.fit_exponential(steep[None])).all()
    assert np.isnan(five_minutes.fit_exponential(1e8 * np.exp(-2.0 * D)[None])).all()


def test_bulk_quantities_of_an_exponential_are_its_moments() -> None:
    n0, slope, rho, v = 900.0, 0.9, 0.2, 1.5
    record = five_minutes.five_minute_record(spectra(n0 * np.exp(-slope * D)[None], rho, v))
    assert record["Nt"] == pytest.approx([25 * n0 / slope], rel=0.005)  # 5 minutes, 5 bins per mm
    assert record["Dm"] == pytest.approx([4 / slope], rel=0.005)
    assert record["Rho"] == pytest.approx([rho])
    assert record["Fs"] == pytest.approx([v])
    flux = np.pi / 6 * rho * v * n0 * gamma(4) / slope**4  # mg m^-2 s^-1
    assert record["rate"] == pytest.approx([3.6e-3 * flux], rel=0.005)


def test_density_and_speed_average_only_bins_that_hold_particles() -> None:
    psd = np.zeros((1, len(D)))
    psd[0, [5, 9]] = 10.0
    density, speed = np.full_like(psd, np.nan), np.full_like(psd, np.nan)
    density[0, [5, 9]], speed[0, [5, 9]] = [0.3, 0.1], [1.0, 2.0]
    record = five_minutes.five_minute_record(five_minutes.Spectra(psd, speed, density))
    assert record["Rho"] == pytest.approx([0.2])
    assert record["Fs"] == pytest.approx([1.5])
    d, weight = D[[5, 9]], np.array([0.3, 0.1])
    assert record["Dm"] == pytest.approx([(weight * d**4).sum() / (weight * d**3).sum()])


def test_counting_noise_leaves_the_mean_and_shrinks_with_number() -> None:
    rng = np.random.default_rng(0)
    few, many = (ins.measure(particles(number=n, rows=400), rng)["Nt"] / n for n in (50.0, 5000.0))
    assert few.mean() == pytest.approx(many.mean(), rel=0.05)
    assert few.std() > 5 * many.std()


def test_reflectivity_is_that_of_the_exponential_drops() -> None:
    n0, slope = 500.0, 2.0
    rain = dataclasses.replace(particles(liquid=1.0, number=n0 / slope), shape=np.zeros(1), slope=np.full(1, slope))
    expected = 10 * np.log10(n0 * gamma(7) / slope**7)
    assert ins.surface_reflectivity(rain) == pytest.approx([expected], abs=0.05)


def test_dry_snow_is_weaker_by_dielectric_factor_and_squared_density() -> None:
    snow = particles(liquid=0.0)
    heavier = dataclasses.replace(snow, riming=np.array([1.25]))
    gain = ins.surface_reflectivity(heavier) - ins.surface_reflectivity(snow)
    assert gain == pytest.approx([20 * np.log10(1.25)], abs=0.05)


def test_aggregates_near_the_wavelength_scatter_less_than_rayleigh_says() -> None:
    factor = ins.form_factor(np.array([0.1, 1.0, 3.0, 6.0]))
    assert factor[0] == pytest.approx(1.0, abs=1e-3)
    assert (np.diff(factor) < 0).all()
    # Guinier: 1 - u^2 / 10 for small u
    u = 2 * np.pi * ins.ASPECT_RATIO ** (2 / 3) / ins.WAVELENGTH
    assert factor[1] == pytest.approx(1 - u**2 / 10, abs=1e-3)


def test_reported_snowfall_loses_the_lightest_and_has_no_bound() -> None:
    rate = np.array([1e-4, 0.01, 1.0, 1e3, 1e4])
    snow = ins.reported_rate(rate, np.ones(5), np.full(5, "Snow"), np.zeros(5)) / 10**ins.RATE_BIAS_SNOW
    assert (np.diff(snow) > 0).all()
    assert snow[0] / rate[0] < 0.05 < 0.5 < snow[2] / rate[2] < 1
    assert snow[4] / snow[3] == pytest.approx(10.0, rel=1e-3)
    assert ins.reported_rate(rate, np.ones(5), np.full(5, "Rain"), np.zeros(5)) == pytest.approx(rate)


def test_reported_snowfall_sees_part_of_the_riming() -> None:
    riming = np.array([1.0, 2.0])
    snow = ins.reported_rate(100.0 * riming, riming, np.full(2, "Snow"), np.zeros(2))
    assert 1.0 < snow[1] / snow[0] < 2.0
    assert snow[1] / snow[0] == pytest.approx(2 ** (1 - ins.RATE_RIMING), rel=1e-3)


def test_the_fewer_flakes_the_less_is_known_of_their_rate() -> None:
    rate, up = np.array([1e-3, 1.0, 1e3]), np.ones(3)
    high, low = (ins.reported_rate(rate, np.ones(3), np.full(3, "Rain"), s * up) for s in (1, -1))
    assert high / low == pytest.approx(np.full(3, 10 ** (2 * ins.RATE_SPREAD_RAIN)))
    high, low = (ins.reported_rate(rate, np.ones(3), np.full(3, "Snow"), s * up) for s in (1, -1))
    assert (np.diff(np.log(high / low)) < 0).all()


@pytest.mark.parametrize(
    ("gates", "expected"),
    [
        ([], np.nan),
        ([3, 4, 5], np.nan),
        ([3, 4, 5, 6], 700.0),
        ([3, 4, 6, 7, 8, 9, 12, 13, 14, 15], 1000.0),
        (list(range(3, 30)), 3000.0),
    ],
)
def test_echo_top_is_the_top_of_the_first_run_of_four(gates: list[int], expected: float) -> None:
    heard = np.zeros((1, 27), dtype=bool)
    heard[0, [gate - 3 for gate in gates]] = True
    assert five_minutes.echo_top(heard) == pytest.approx([expected], nan_ok=True)
