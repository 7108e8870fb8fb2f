"""What is said about the observations, and that nobody mistakes a simulation for measurements."""

import hashlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from precip_sae.errors import StageError
from precip_sae.files import read_json
from precip_sae.observations import describe
from precip_sae.paths import Paths
from precip_sae.settings import SimulationSettings, load_settings, read_yaml
from precip_sae.simulation.deposit import deposit_simulation
from precip_sae.simulation.simulate import simulate

SETTINGS = SimulationSettings(records=300, seed=4)


@pytest.fixture(scope="module")
def observations() -> pd.DataFrame:
    return simulate(SETTINGS.records, SETTINGS.seed)


def test_the_data_folder_says_that_it_is_simulated(tmp_path: Path, observations: pd.DataFrame) -> None:
    deposit_simulation(tmp_path / "data", observations, SETTINGS)
    assert "not measurements" in (tmp_path / "data" / "README.md").read_text()
    source = describe.read_source(Paths(tmp_path), SETTINGS)
    assert source == {"kind": "simulation", "records": 300, "seed": 4}
    assert describe.summary(observations, source)["source"]["kind"] == "simulation"


def test_the_same_seed_gives_the_same_file(tmp_path: Path, observations: pd.DataFrame) -> None:
    again = simulate(SETTINGS.records, SETTINGS.seed)
    files = [deposit_simulation(tmp_path / name, f, SETTINGS) for name, f in (("a", observations), ("b", again))]
    assert files[0].read_bytes() == files[1].read_bytes()


def test_a_changed_seed_cannot_go_unnoticed(tmp_path: Path, observations: pd.DataFrame) -> None:
    deposit_simulation(tmp_path / "data", observations, SETTINGS)
    with pytest.raises(StageError, match=r"simulation\.seed is 5, but data/ was simulated with 4; run"):
        describe.read_source(Paths(tmp_path), SimulationSettings(records=300, seed=5))
    with pytest.raises(StageError, match="no such file"):
        describe.read_source(Paths(tmp_path / "elsewhere"), SETTINGS)


@pytest.mark.parametrize(
    ("content", "found"), [('{"kind": "rumour"}', "kind is 'rumour'"), ("[]", r"kind is \[\]"), ("{", "is not JSON")]
)
def test_a_source_that_says_nothing_known_is_refused(tmp_path: Path, content: str, found: str) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "source.json").write_text(content)
    with pytest.raises(StageError, match=found):
        describe.read_source(Paths(tmp_path), SETTINGS)


def test_measurements_are_not_called_simulated_beside_the_published_statistics(table: pd.DataFrame) -> None:
    measured = table.drop(columns=["melted", "riming", "phase"])
    archive = describe.beside_published(measured, {"kind": "archive", "simulated": False})
    assert "observed" in archive
    assert "simulated" not in archive
    simulation = describe.beside_published(table, {"kind": "simulation"})
    same = archive["statistic"].str.contains("deep") | (archive["observed"] == simulation["simulated"])
    assert same.all(), "without the true phase, only what is said of rain and snow profiles differs"
    assert archive["observed"].notna().all()


def test_a_table_without_rain_is_compared_all_the_same(observations: pd.DataFrame) -> None:
    snow = observations[observations["density"] == "Snow"].drop(columns=["melted", "riming", "phase"])
    compared = describe.beside_published(snow, {"kind": "archive"})
    rain = compared[compared["statistic"].str.startswith("rain")]
    assert rain["observed"].isna().all()
    assert not rain["passed"].any()


def test_a_column_without_a_value_has_no_mean(observations: pd.DataFrame) -> None:
    silent = observations.assign(reflectivity_29=np.nan)
    assert describe.summary(silent, {"kind": "archive"})["variables"]["reflectivity_29"]["mean"] is None


def test_shares_and_moments_are_those_of_the_rows(observations: pd.DataFrame) -> None:
    summary = describe.summary(observations, {"kind": "archive"})
    assert summary["rows"] == 300
    for label in describe.LABELS:
        assert sum(entry["rows"] for entry in summary["labels"][label].values()) == 300
    assert summary["variables"]["T"]["mean"] == pytest.approx(float(observations["T"].mean()))
    missing = int(observations["reflectivity_29"].isna().sum())
    assert summary["variables"]["reflectivity_29"]["missing"]["rows"] == missing


def test_correlations_take_logarithms_where_the_study_does(observations: pd.DataFrame) -> None:
    r = describe.correlations(observations)
    expected = np.corrcoef(np.log10(observations["n0"]), np.log10(observations["lambda"]))[0, 1]
    assert r.loc["log10 n0", "log10 lambda"] == pytest.approx(expected)


def test_the_storm_that_is_shown_is_the_one_with_the_most_evenly_spread_phases() -> None:
    frame = pd.DataFrame({"storm": [1] * 30 + [2] * 30 + [3] * 4, "regime3": ["Rain"] * 30 + ["Rain", "Snow"] * 17})
    assert set(describe.varied_storm(frame)["storm"]) == {2}
    assert set(describe.varied_storm(frame, least=100)["storm"]) == {1}


def test_the_simulation_recreates_the_stored_data_byte_for_byte(tmp_path: Path) -> None:
    root = Path(__file__).parents[2]
    stored = next(out for out in read_yaml(root / "data.dvc")["outs"])["md5"]
    listing = root / ".dvc/store/files/md5" / stored[:2] / stored[2:]
    if not listing.is_file():
        pytest.skip("the stored data is not the default simulation of this repository")
    expected = {entry["relpath"]: entry["md5"] for entry in read_json(listing)}
    settings = load_settings(root / "params.yaml").simulation
    deposit_simulation(tmp_path, simulate(settings.records, settings.seed), settings)
    made = {path.name: hashlib.md5(path.read_bytes()).hexdigest() for path in tmp_path.iterdir()}
    assert made == expected, "run `precip-sae simulate`, `dvc add data`, `dvc repro` and `dvc push`"


def test_memory_is_the_correlation_with_the_same_storm_later() -> None:
    storms = [simulate(4000, seed=5)]
    found = describe.memory(pd.concat(storms), (5, 60))
    assert list(found.columns) == [5, 60]
    assert (found[5] > found[60]).all()
    frame = storms[0]
    alternating = frame.assign(T=280.0 + (frame["time"].dt.minute // 5) % 2)
    assert describe.memory(alternating, (5, 10)).loc["T"].round(6).tolist() == [-1.0, 1.0]


def test_likeliest_regimes_name_the_most_frequent_with_its_share() -> None:
    frame = pd.DataFrame(
        {
            "T": [262.15] * 40 + [275.15] * 3,
            "Nt": [2000.0] * 43,
            "regime9": ["Light snow"] * 30 + ["Ambiguous"] * 10 + ["Drizzle"] * 3,
        }
    )
    found = describe.likeliest_regimes(frame)
    assert found.loc[-12.0, 3.0] == "Light snow 75 %"
    assert found.loc[0.0, 3.0] == ""  # too few rows
