"""The published statistics: those that the simulation meets stay met, and those that it misses stay visible."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from precip_sae.observations import fidelity, published
from precip_sae.observations.fidelity import compare, crossing
from precip_sae.observations.published import CORRELATIONS, QUARTILES
from precip_sae.settings import load_settings
from precip_sae.simulation.simulate import simulate
from precip_sae.tasks.prepare import prepare

REPOSITORY = Path(__file__).resolve().parents[2]

# Of the standard; known and reported, not hidden: see the reasons beside them.
MISSED = {
    # the other published matrix, of Marquette alone, differs from this one by 0.16 where they overlap
    "snow: correlations of all sites, root-mean-square difference",
    # the shipped regressor wants more snowfall than a distribution with this mean and spread of log10 Sr holds, unless
    # its heaviest rates were heavier than the published errors allow
    "snow: mean of log10 Sr",
}
# Of any seed. What is asked of seeds other than the default one, 70 of 75; the constants were chosen by the means over
# seeds 1-4, 6, 7, 9, 10, 12, 13 and the default one, each of which missed three at most. Seed 17 is none of them.
MOST_MISSED = 5


@pytest.fixture(scope="module")
def report(table: pd.DataFrame) -> pd.DataFrame:
    return compare(table).set_index("statistic")


@pytest.fixture(scope="module")
def another() -> pd.DataFrame:
    return compare(simulate(88_000, seed=17)).set_index("statistic")


def test_inputs_of_the_published_networks_keep_their_distribution(report: pd.DataFrame) -> None:
    scalers = report[report["tag"] == "V"]
    assert len(scalers) == 20
    # a tolerance of 5 % of a standard deviation, twice that at most
    assert (scalers["difference"].abs() <= 2 * scalers["tolerance"]).all(), scalers[~scalers["passed"]]


def test_surface_weather_keeps_its_published_quartiles(report: pd.DataFrame) -> None:
    quartiles = report[report.index.str.contains("% quantile")]
    assert len(quartiles) == 3 * len(QUARTILES)
    assert (quartiles["difference"].abs() <= 1.3 * quartiles["tolerance"]).all(), quartiles[~quartiles["passed"]]


def test_shares_of_echo_tops_are_of_the_records_that_have_one(table: pd.DataFrame) -> None:
    tops = np.full(300, np.nan)
    tops[:100], tops[100:200] = published.CAP, 1000.0
    found = compare(table.head(300).assign(ETH=tops)).set_index("statistic")["simulated"]
    assert found["share of echo tops at the highest gate"] == 0.5
    assert found["share of lower echo tops at gates 5-12"] == 1.0


def test_no_strong_correlation_in_snow_has_the_wrong_sign(report: pd.DataFrame) -> None:
    signs = report[report.index.str.contains("wrong signs")]
    assert len(signs) == len(CORRELATIONS)
    assert (signs["simulated"] == 0).all(), signs


def test_only_the_known_statistics_are_missed(report: pd.DataFrame) -> None:
    required = report[report["required"]]
    assert set(required.index[required["verdict"] == "FAIL"]) <= MISSED


def test_another_seed_comes_as_near(another: pd.DataFrame) -> None:
    required = another[another["required"]]
    missed = required[required["verdict"] == "FAIL"]
    assert len(missed) <= MOST_MISSED, missed


def test_report_says_what_was_published_and_how_it_is_known(report: pd.DataFrame) -> None:
    assert report.index.is_unique
    assert set(report["tag"]) <= {"V", "C", "D"}
    assert report[["published", "simulated", "tolerance"]].notna().all(axis=None)
    assert (report["difference"] == report["simulated"] - report["published"]).all()
    assert (report["passed"] == (report["difference"].abs() <= report["tolerance"])).all()


def test_counts_keep_the_standard_apart_from_what_lies_beyond(report: pd.DataFrame) -> None:
    counts = fidelity.counts(report)
    beyond = counts["beyond"]
    assert (counts["of"] + counts["contradicted"], beyond["of"] + beyond["contradicted"]) == (78, 64)
    assert counts["passed"] + beyond["passed"] == (report["verdict"] == "PASS").sum()


def test_a_figure_that_another_excludes_counts_neither_as_met_nor_as_missed(report: pd.DataFrame) -> None:
    aside = report[report["verdict"] == "CONTRADICTED"]
    assert set(aside.index) == set(published.CONTRADICTED)
    for statistic, reason in published.CONTRADICTED.items():
        # each names the statistic that it was given up for, which is held to
        partner = next(name for name in report.index if reason.startswith(name))
        assert report.loc[partner, "contradicts"] == "", statistic
    counts = fidelity.counts(report)
    assert counts["contradicted"] + counts["beyond"]["contradicted"] == len(aside)
    assert counts["of"] == report["required"].sum() - aside["required"].sum()


def test_regimes_of_the_published_shares_cannot_have_the_published_density(report: pd.DataFrame) -> None:
    shares = published.SHARES
    rain, snow = (report.loc[f"{kind}: mean of log10 Rho", "published"] for kind in ("rain", "snow"))
    density = report.loc["classifier table: mean of log10 Rho"]
    least = density["published"] - density["tolerance"]
    labelled = shares["Rain"] + shares["Snow"] + shares["Mixed-phase"]
    # even with as much rain, and as few labelled records, as the tolerance of the shares allows
    for part, of in ((shares["Rain"], labelled), (shares["Rain"] + 0.04, 1 - shares["Ambiguous"] - 0.04)):
        assert (part * rain + (of - part) * snow) / of < least
    # and as much rain as the density wants leaves too little for the other two
    wanted = (density["published"] - snow) / (rain - snow)
    assert (1 - wanted) * (1 - shares["Ambiguous"]) < shares["Snow"] + shares["Mixed-phase"] - 0.04


def test_snow_and_rain_of_the_published_diameters_cannot_have_the_published_mean(report: pd.DataFrame) -> None:
    snow, rain = (report.loc[f"{kind}: mean of log10 Dm"] for kind in ("snow", "rain"))
    both = report.loc["classifier table: mean of log10 Dm"]
    most = 0.8 * (snow["published"] + snow["tolerance"]) + 0.2 * (rain["published"] + rain["tolerance"])
    assert most < both["published"] - both["tolerance"]


@pytest.mark.parametrize("task", ["shipped_classifier", "shipped_regressor"])
def test_scalers_are_fitted_to_the_rows_that_train_the_networks(table: pd.DataFrame, task: str) -> None:
    data = load_settings(REPOSITORY / "params.yaml").tasks[task].data
    prepared = prepare(table, data)
    q = fidelity.quantities(table)
    classifier = data.kind == "classification"
    inputs = published.CLASSIFIER if classifier else published.REGRESSOR
    rows = fidelity.fitted(q, inputs, (table["regime3"] != "Ambiguous").to_numpy() if classifier else None)
    assert table.index[rows].equals(prepared.rows["train"].union(prepared.rows["validation"]))
    assert q.loc[rows, list(inputs)].mean().to_numpy() == pytest.approx(prepared.mean)
    assert q.loc[rows, list(inputs)].std(ddof=0).to_numpy() == pytest.approx(prepared.scale)


def test_published_matrices_are_those_of_the_files() -> None:
    matrix = fidelity.published_correlations("Marquette 2019")
    assert (matrix.to_numpy() == matrix.to_numpy().T).all()
    assert (np.diag(matrix) == 1).all()
    assert matrix.loc["T (C)", "P (hPa)"] == -0.404
    assert matrix.loc["log10 Dm", "log10 Rho"] == -0.561
    assert fidelity.published_correlations("all sites").loc["log10 lambda", "log10 Rho"] == 0.247


def test_a_crossing_is_found_where_it_was_put() -> None:
    rng = np.random.default_rng(0)
    temperature = rng.uniform(-8, 8, 40_000)
    # logistic: from 10 to 90 % in 2 ln(9) scales
    warmer = rng.random(40_000) < 1 / (1 + np.exp(-(temperature - 1.2) / 0.5))
    at, width = crossing(temperature, ~warmer, warmer)
    assert at == pytest.approx(1.2, abs=0.1)
    assert width == pytest.approx(0.5 * 2 * np.log(9), abs=0.3)


def test_a_gap_between_two_phases_is_crossed_in_its_middle() -> None:
    temperature = np.linspace(-10, 10, 8001)
    at, width = crossing(temperature, temperature < -2, temperature > 0)
    assert at == pytest.approx(-1.0, abs=0.15)
    assert width == pytest.approx(0.8 * 2.0, abs=0.3)
    assert np.isnan(crossing(temperature, temperature < 99, temperature > 99)).all()
