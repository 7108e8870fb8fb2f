"""The hidden state: that of the very rows of the table, and what the simulator made them of."""

import numpy as np
import pandas as pd
import pytest

from precip_sae.errors import StageError
from precip_sae.simulation import instruments as ins
from precip_sae.simulation import microphysics as mp
from precip_sae.simulation import simulate as simulation
from precip_sae.simulation.simulate import simulate
from precip_sae.simulation.truth import HIDDEN, melting_height, precipitation_rate, truth, truth_of


@pytest.fixture(scope="module")
def small() -> pd.DataFrame:
    return simulate(6000, seed=5)


def test_the_hidden_state_is_that_of_the_same_rows(small: pd.DataFrame) -> None:
    hidden = truth(6000, seed=5)
    assert list(hidden) == ["time", "storm", *HIDDEN]
    for name in ("time", "storm"):
        assert np.array_equal(hidden[name], small[name])
    assert np.abs(hidden["melted"] - small["melted"]).max() <= 0.5001e-4
    assert np.abs(10 ** hidden["log_riming"] - small["riming"]).max() <= 0.5001e-3
    assert hidden[list(HIDDEN)].notna().all(axis=None)


def test_asking_for_the_hidden_state_does_not_change_the_table(small: pd.DataFrame) -> None:
    tables = []
    for state, rng in simulation.states(6000, seed=5):
        simulation.observation_times(state.air)
        tables.append(simulation._observed(state, rng)[0])
    pd.testing.assert_frame_equal(pd.concat(tables, ignore_index=True), small, check_exact=True)
    truth(6000, seed=5)
    pd.testing.assert_frame_equal(simulate(6000, seed=5), small, check_exact=True)


def test_the_true_rate_is_what_the_instrument_reports_but_for_its_errors(small: pd.DataFrame) -> None:
    hidden = truth(6000, seed=5)
    rain = (small["density"] == "Rain") & (hidden["melted"] == 1)
    ratio = np.log10(small["Rr"][rain] / hidden["rain_rate"][rain])
    assert ratio.median() == pytest.approx(np.log10(ins.PIP_DENSITY_FACTOR), abs=0.03)
    assert ratio.std() < 0.3
    assert (hidden.loc[hidden["melted"] == 1, "snow_rate"] == 0).all()
    assert (hidden.loc[hidden["melted"] == 0, "rain_rate"] == 0).all()


def test_the_true_rate_of_rain_is_the_flux_of_its_drops() -> None:
    # 300 drops per m^3 of N(D) ~ D^2 exp(-3 D), of density 1, by an integral on a fine grid
    one, fine = np.ones(1), np.linspace(1e-3, 15, 30_000)
    drops = mp.Particles(300 * one, 2 * one, 2 * one, 3 * one, one, one, one, one)
    psd = 300 * 3**3 / 2 * fine**2 * np.exp(-3 * fine)
    flux = np.trapezoid(np.pi / 6 * fine**3 * mp.rain_speed(fine) * psd, fine)  # mg m^-2 s^-1
    assert precipitation_rate(drops) == pytest.approx([3.6e-3 * flux], rel=0.01)


def test_the_melting_level_is_where_the_profile_crosses_zero() -> None:
    levels = mp.LEVELS
    profiles = np.array([3 - 0.006 * levels, -1 - 0.006 * levels, np.where(levels < 850, -1.0, 4 - 0.004 * levels)])
    cloud = np.array([4000.0, 4000.0, 4000.0])
    assert melting_height(profiles, cloud) == pytest.approx([500, 0, 1000])
    # a cloud that ends below the level at which it would be cold
    assert melting_height(profiles[:1], np.array([300.0])) == pytest.approx([300])


def test_it_melts_below_a_melting_level_and_nowhere_else(small: pd.DataFrame) -> None:
    hidden = truth(6000, seed=5)
    assert (hidden.loc[hidden["melting_height"] == 0, "melted"] == 0).all()
    assert (hidden.loc[hidden["melting_height"] > 0, "melted"] > 0).all()
    assert (hidden["melting_height"] <= hidden["cloud_top"]).all()
    assert (hidden.loc[hidden["lake"] == 1, "nose"] == 0).all()


def test_a_table_of_other_settings_has_no_known_hidden_state(small: pd.DataFrame) -> None:
    assert truth_of(small, 6000, 5).index.equals(small.index)
    for table, records, seed in ((small, 6000, 6), (small.iloc[:-1], 6000, 5)):
        with pytest.raises(StageError, match=rf"not the table that {records} records and seed {seed} make"):
            truth_of(table, records, seed)
