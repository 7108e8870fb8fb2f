"""The simulated table: the same for the same seed, and physically possible."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from precip_sae.errors import SettingsError
from precip_sae.models.exchange import read_published
from precip_sae.observations import five_minutes
from precip_sae.observations.labels import FREEZING
from precip_sae.observations.schema import GATES
from precip_sae.simulation import instruments as ins
from precip_sae.simulation import simulate as simulation
from precip_sae.simulation.microphysics import wet_bulb
from precip_sae.simulation.simulate import simulate
from precip_sae.simulation.weather import RECORD_MEMORY, STORM_SHARE, calendar, latent, mean_variance

PRINT_DIGEST = """
import hashlib
from precip_sae.simulation.simulate import simulate
print(hashlib.sha256(simulate(2500, seed=11).to_csv().encode()).hexdigest())
"""


def test_same_seed_gives_the_same_values_and_another_seed_others() -> None:
    assert_frame_equal(simulate(400, seed=3), simulate(400, seed=3), check_exact=True)
    other = simulate(400, seed=4)
    assert not np.isclose(simulate(400, seed=3)["n0"], other["n0"]).any()


# numpy's kernels for newer instructions round differently; a processor without them has to give the same table
@pytest.mark.parametrize("absent", ["X86_V4 AVX512_ICL AVX512_SPR", "X86_V3 X86_V4 AVX512_ICL AVX512_SPR"])
def test_another_processor_gives_the_same_bytes(absent: str) -> None:
    here = simulate(2500, seed=11).to_csv().encode()
    there = subprocess.run(
        [sys.executable, "-c", PRINT_DIGEST],
        env=os.environ | {"NPY_DISABLE_CPU_FEATURES": absent},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert there.stdout.strip() == hashlib.sha256(here).hexdigest()


@pytest.mark.parametrize("records", [1, 37, 200, 1234])
def test_exactly_the_asked_number_of_records_comes(records: int) -> None:
    assert len(simulate(records, seed=1)) == records


@pytest.mark.parametrize("records", [0, -5, 10**7])
def test_an_impossible_number_of_records_is_refused_in_a_sentence(records: int) -> None:
    with pytest.raises(SettingsError, match=f"records is {records}; expected 1 to"):
        simulate(records, seed=1)


def test_progress_is_reported_to_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simulation, "CHUNK_RECORDS", 100)
    calls: list[tuple[int, int]] = []
    simulate(500, seed=1, progress=lambda done, total: calls.append((done, total)))
    assert len(calls) > 3
    assert calls[-1] == (500, 500)
    assert [done for done, _ in calls] == sorted({done for done, _ in calls})


@pytest.mark.parametrize("records", [200, 1000])
@pytest.mark.parametrize("seed", [1, 2025])
def test_every_chronological_fifth_of_a_small_table_has_all_three_regimes(records: int, seed: int) -> None:
    regime = simulate(records, seed)["regime3"]
    for fifth in np.array_split(regime, 5):
        assert {"Rain", "Snow", "Mixed-phase"} <= set(fifth)


def test_no_snow_falls_in_warm_air_and_no_rain_in_deep_frost(table: pd.DataFrame) -> None:
    celsius = table["T"] - FREEZING
    warm = wet_bulb(celsius, table["RH"]) > 5
    assert not (table["phase"][warm] == "Snow").any()
    assert not (table["density"][warm] == "Snow").any()
    assert not (table["phase"][celsius < -8] == "Rain").any()
    assert (table.loc[celsius < -8, "melted"] == 0).all()


def test_rain_is_denser_and_faster_than_snow(table: pd.DataFrame) -> None:
    rain, snow = (table[table["phase"] == phase] for phase in ("Rain", "Snow"))
    for name in ("Rho", "Fs"):
        assert rain[name].quantile(0.02) > snow[name].quantile(0.98)


def test_each_record_is_reported_as_snow_or_as_rain(table: pd.DataFrame) -> None:
    is_snow = table["density"] == "Snow"
    assert (table.loc[is_snow, "Sr"] > 0).all()
    assert (table.loc[~is_snow, "Rr"] > 0).all()
    assert (table["Sr"] * table["Rr"] == 0).all()


def test_records_of_a_storm_resemble_each_other(table: pd.DataFrame) -> None:
    assert (table["storm"].diff().dropna() >= 0).all()
    for name in ("n0", "Dm", "T"):
        values = np.log(table[name])
        following = values.groupby(table["storm"]).shift()
        assert values.corr(following) > 0.7, name


def test_storms_come_in_every_year_and_month_and_most_in_winter(table: pd.DataFrame) -> None:
    time = table["time"].dt
    assert set(time.year) == set(range(2015, 2024))
    assert set(time.month) == set(range(1, 13))
    assert time.month.isin([12, 1, 2]).mean() > 5 * time.month.isin([6, 7, 8]).mean()


@pytest.mark.parametrize("rows", [7, 300, 1000, 5000])
def test_parts_are_the_table_whatever_their_size(rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simulation, "CHUNK_RECORDS", 120)  # several chunks: what is random comes chunk by chunk
    storms = [chunk for chunk, _ in simulation.chunks(1000, seed=6)]
    assert len(storms) > 3
    monkeypatch.setattr(simulation, "PART_RECORDS", rows)
    parts = list(simulation.simulate_parts(1000, seed=6))
    assert [len(part) for part in parts] == [rows] * (1000 // rows) + [1000 % rows] * (1000 % rows > 0)
    assert all(part.index[0] == 0 for part in parts)
    assert_frame_equal(pd.concat(parts, ignore_index=True), pd.concat(storms, ignore_index=True), check_exact=True)


@pytest.mark.parametrize(("records", "seed"), [(100, 0), (100, 7), (200, 104), (1, 0), (2, 1)])
def test_few_records_make_a_table_whatever_the_seed(records: int, seed: int) -> None:
    """Rounding may leave the last storm without records."""
    storms = calendar(records, np.random.default_rng(seed))
    assert storms.length.sum() == records
    assert len(simulate(records, seed)) == records


def test_more_records_than_eight_winters_hold_go_on_into_further_ones() -> None:
    storms = calendar(400_000, np.random.default_rng(0))
    assert storms.length.sum() == 400_000
    assert (np.diff(storms.step) >= 2 * storms.length[:-1]).all()  # no storm overtakes the next
    years = storms.step / (288 * 365.25)
    assert 31 < years[-1] - years[0] < 33


@pytest.mark.parametrize("length", [1, 2, 60])
def test_the_mean_of_a_storm_varies_as_that_of_an_autoregressive_process(length: int) -> None:
    lags = np.abs(np.subtract.outer(np.arange(length), np.arange(length)))
    within = np.mean(RECORD_MEMORY**lags)  # of all pairs of records
    assert mean_variance(np.array([length])) == pytest.approx(STORM_SHARE + (1 - STORM_SHARE) * within)


def test_latent_variables_have_unit_variance_and_the_means_of_their_storms() -> None:
    storms = calendar(88_000, np.random.default_rng(0))
    x = latent(np.random.default_rng(1), storms.length, storms.character)
    first = np.cumsum(storms.length) - storms.length
    means = np.add.reduceat(x, first) / storms.length[:, None]
    assert means == pytest.approx(storms.character, abs=1e-9)
    # chance does not move the mean of all records, only how the records spread
    assert x.mean(axis=0) == pytest.approx(np.zeros(x.shape[1]), abs=1e-9)
    assert x.var(axis=0) == pytest.approx(np.ones(x.shape[1]), abs=0.04)


def test_anomalies_have_no_mean_no_trend_and_unit_variance() -> None:
    storms = calendar(88_000, np.random.default_rng(0))
    share = storms.length / storms.length.sum()
    assert share @ storms.character == pytest.approx(np.zeros(storms.character.shape[1]), abs=1e-9)
    covariance = (storms.character * share[:, None]).T @ storms.character
    assert covariance == pytest.approx(share @ mean_variance(storms.length) * np.eye(len(covariance)), abs=1e-9)
    assert share @ storms.anomaly == pytest.approx(0, abs=1e-9)
    assert share @ (storms.anomaly * storms.step) == pytest.approx(
        0, abs=0.02 * storms.step.std() * storms.anomaly.std()
    )


def test_the_rate_is_the_integral_over_the_size_distribution_and_the_scatter_of_its_retrieval() -> None:
    snow, rain = [], []
    for frame, spectra in simulation.chunks(12_000, seed=8):
        mass = np.nan_to_num(spectra.density * spectra.speed) * spectra.psd * five_minutes.DIAMETERS**3
        flux = 3.6e-3 * np.pi / 6 * 0.2 * mass  # mm/h of water from mg m^-2 s^-1
        adjusted = (flux * (five_minutes.DIAMETERS / ins.RATE_DIAMETER) ** -ins.RATE_POWER).sum(axis=1)
        adjusted = adjusted * frame["riming"] ** -ins.RATE_RIMING
        # before the lightest was lost: the root of s^2 / (s + loss) = Sr
        before = 0.5 * (frame["Sr"] + np.sqrt(frame["Sr"] ** 2 + 4 * ins.LIGHT_LOSS * frame["Sr"]))
        is_snow = frame["density"] == "Snow"
        snow.append(np.log10((before / adjusted)[is_snow]))
        rain.append(np.log10((frame["Rr"] / flux.sum(axis=1))[~is_snow]))
    for error, bias, spread in (
        (np.concatenate(snow), ins.RATE_BIAS_SNOW, ins.RATE_SPREAD_SNOW),
        (np.concatenate(rain), 0.0, ins.RATE_SPREAD_RAIN),
    ):
        assert error.mean() == pytest.approx(bias, abs=0.05)
        assert error.std() == pytest.approx(spread, rel=0.15)
        assert np.abs(error - bias).max() < 6 * spread


def test_half_of_the_snow_falls_at_the_rates_at_which_it_does_elsewhere(table: pd.DataFrame) -> None:
    # at Montreal half of the snow of two winters fell at 1.2 mm/h or less, and no half-hour brought more than 7.4 mm/h
    # (McGill Stormy Weather Group 1965, AD0621153); here are eight winters
    rate = np.sort(table["Sr"])
    assert 0.8 < rate[np.searchsorted(np.cumsum(rate), 0.5 * rate.sum())] < 1.8
    assert 5 < table["Sr"].rolling(6).mean().max() < 15


def test_snowfall_depends_on_the_radar_and_the_size_distribution_as_the_shipped_network_says(
    table: pd.DataFrame,
) -> None:
    # planes through what the shipped regressor says of this table's snow, and through the table's own rates: they agree
    # but for a weak fall with warmth
    network = read_published(Path(__file__).resolve().parents[2] / "published" / "regressor.json")
    names = ["reflectivity_4", "n0", "lambda"]
    snow = table[(table["density"] == "Snow") & table[list(network.predictors)].notna().all(axis=1)]
    x = np.column_stack([*(snow[name] for name in names), snow["T"], np.ones(len(snow))])
    said = network.outputs(network.standardise(snow))[:, 0]
    slopes = [np.linalg.lstsq(x, rates, rcond=None)[0] for rates in (said, snow["Sr"].to_numpy())]
    for name, theirs, ours in zip(names, *slopes, strict=False):
        assert ours == pytest.approx(theirs, rel=0.5), name


def test_rates_spread_about_what_falls_but_rain_and_snow_keep_their_order(table: pd.DataFrame) -> None:
    snow = table[table["density"] == "Snow"]
    assert 0.5 < np.log10(snow["Sr"]).corr(np.log10(snow["Nt"])) < 0.9
    assert snow["Sr"].quantile(0.999) < 10


def test_lambda_has_no_spike(table: pd.DataFrame) -> None:
    counts = np.histogram(table["lambda"], np.arange(0.3, 1.5, 0.02))[0]
    neighbours = 0.5 * (counts[:-2] + counts[2:])
    assert (counts[1:-1] < 1.25 * neighbours + 60).all()


def test_rain_shows_a_melting_layer_and_snow_does_not(table: pd.DataFrame) -> None:
    deep = table[table["ETH"] == 3000]
    rain = deep[(deep["phase"] == "Rain") & (deep["T"] - FREEZING).between(4, 7)]
    low, high = rain["dv_3"].median(), rain["dv_29"].median()
    assert low > 4
    assert high < 2
    snow = deep[deep["phase"] == "Snow"]
    assert abs(snow["dv_3"].median() - snow["dv_29"].median()) < 0.6


def test_an_echo_has_both_reflectivity_and_velocity(table: pd.DataFrame) -> None:
    for gate in GATES:
        assert (table[f"reflectivity_{gate}"].isna() == table[f"dv_{gate}"].isna()).all()


def test_values_carry_no_more_digits_than_instruments_report(table: pd.DataFrame) -> None:
    for name, decimals in {"T": 2, "RH": 2, "ETH": 0, "reflectivity_3": 1, "dv_20": 2, "melted": 4}.items():
        values = table[name].dropna().to_numpy()
        assert (values == np.round(values, decimals)).all(), name
    for name in ("n0", "Nt", "Dm"):
        assert all(value == float(f"{value:.4g}") for value in table[name].head(3000)), name
