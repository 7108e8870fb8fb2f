"""The published statistics: those that the simulation meets stay met, and those that it misses stay visible."""

import pandas as pd
import pytest

from precip_sae.observations.fidelity import CORRELATIONS, QUARTILES, compare

# Known and reported, not hidden: see the reasons beside them.
MISSED = {
    # published Dm and n0 spread as they do make Ze spread by 11.5 dB, not 9.8
    "regressor table: standard deviation of reflectivity_3 (dBZ)",
    "regressor table: standard deviation of reflectivity_4 (dBZ)",
    # published rates come nearer to zero than n0, Dm and Rho of the same table make them
    "snow: standard deviation of log10 Sr",
    # large and partly melted flakes fall faster than the line
    "snow: Fs (m/s) on log10 Rho, residual",
    # counting noise of sparse records
    "standard deviation of Nt lambda / (25 n0)",
    # the published mean of log10 Rho over all phases asks for 28 % rain
    "share of regime Rain",
}


@pytest.fixture(scope="module")
def report(table: pd.DataFrame) -> pd.DataFrame:
    return compare(table).set_index("statistic")


def test_inputs_of_the_published_classifier_keep_their_distribution(report: pd.DataFrame) -> None:
    scalers = report[report.index.str.startswith("classifier table")]
    assert len(scalers) == 10
    assert scalers["passed"].all(), scalers[~scalers["passed"]]


def test_surface_weather_keeps_its_published_quartiles(report: pd.DataFrame) -> None:
    quartiles = report[report.index.str.contains("% quantile")]
    assert len(quartiles) == 3 * len(QUARTILES)
    assert quartiles["passed"].all(), quartiles[~quartiles["passed"]]


def test_correlations_in_snow_keep_their_published_signs(report: pd.DataFrame) -> None:
    signs = report[report.index.str.contains("correlation of")]
    assert len(signs) == len(CORRELATIONS)
    assert signs["passed"].all(), signs[~signs["passed"]]


def test_only_the_known_statistics_are_missed(report: pd.DataFrame) -> None:
    assert set(report.index[~report["passed"]]) <= MISSED


def test_report_says_what_was_published_and_how_it_is_known(report: pd.DataFrame) -> None:
    assert report.index.is_unique
    assert set(report["tag"]) <= {"V", "C", "D"}
    assert report[["published", "simulated"]].notna().all(axis=None)
