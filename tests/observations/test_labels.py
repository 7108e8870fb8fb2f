"""Phase labels on cases small enough for a hand, and what they are in a whole table."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist
from sklearn.linear_model import LogisticRegression

from precip_sae.observations import labels
from precip_sae.observations.schema import REGIME3, REGIME9

FREEZING = labels.FREEZING
NAMES = (*labels.LOGGED, *labels.PLAIN)
RATES = ("Sr", "Rr")


def at_core(regime: str, **changed: float) -> dict[str, list[float]]:
    """The columns of one record that lies at the core of a regime, but for what is changed."""
    values = dict(zip(NAMES, labels.CORES[regime], strict=True))
    columns = {name: 10.0**value if name in labels.LOGGED else value for name, value in values.items()}
    for rate in RATES:  # the study's logarithm of no rate is 0
        columns[rate] = 0.0 if values[rate] == 0 else columns[rate]
    return {name: [value] for name, value in (columns | {"T": values["T"] + FREEZING} | changed).items()}


def test_a_core_has_its_own_regime_and_every_regime_a_core() -> None:
    assert set(labels.CORES) == set(labels.REGIMES) - {"Ambiguous"}
    for number, regime in enumerate(labels.CORES):
        columns = at_core(regime)
        assert labels.distances(columns)[0, number] == pytest.approx(0, abs=1e-9), regime
        assert labels.regime9(columns)[0] == regime


def test_distance_is_that_of_a_hand() -> None:
    snow = list(labels.CORES).index("Heavy snow")
    # the core's pressure is 1.9 hPa above zero; three times as far: |3 - 1| / (3 + 1) of one variable in twelve
    assert labels.distances(at_core("Heavy snow", P=1013.5 + 3 * 1.9))[0, snow] == pytest.approx(0.5 / 12)
    # on the other side of zero a variable counts whole, near or far
    for pressure in (1013.0, 960.0):
        assert labels.distances(at_core("Heavy snow", P=pressure))[0, snow] == pytest.approx(1 / 12)


def test_the_metric_is_the_canberra_distance_of_scipy(table: pd.DataFrame) -> None:
    some = table.head(500)
    zero, unit = np.array([labels.SCALE[name] for name in labels.VARIABLES]).T
    cores = pd.concat([pd.DataFrame(at_core(regime)) for regime in labels.CORES])
    x, c = ((labels.variables(frame) - zero) / unit for frame in (some, cores))
    assert labels.distances(some) * 12 == pytest.approx(cdist(x, c, "canberra"), abs=1e-9)


def test_dew_point_is_the_temperature_in_saturated_air_and_falls_with_humidity() -> None:
    assert labels.dew_point([263.15, 293.15], [100.0, 100.0]) == pytest.approx([263.15, 293.15])
    assert labels.dew_point(293.15, 50.0) == pytest.approx(273.15 + 9.27, abs=0.05)


def test_warmth_makes_snow_mixed_and_particles_make_a_regime_heavy() -> None:
    heavy = {name: at_core("Heavy snow")[name][0] for name in ("n0", "lambda", "Nt", "Sr")}
    assert labels.regime9(at_core("Light snow", T=FREEZING - 1.0))[0] == "Light mixed"
    assert labels.regime9(at_core("Light snow", **heavy))[0] == "Heavy snow"
    assert labels.regime9(at_core("Light mixed", Fs=2.4, Rho=0.28, T=FREEZING + 1.1))[0] == "Light rain to mixed"


def test_what_lies_in_thin_places_is_ambiguous_at_any_temperature() -> None:
    nowhere = {name: value for name, (value, _) in labels.SCALE.items() if name in ("RH", "P", "WS", "Fs")}
    between = {"n0": 10**2.49, "Nt": 10**3.85, "lambda": 10**-0.105, "Sr": 0.1}
    for celsius in (-20.0, -10.0, -2.0, 3.0):
        assert labels.regime9(at_core("Heavy snow", T=FREEZING + celsius, **nowhere, **between))[0] == "Ambiguous"


@pytest.mark.parametrize("name", NAMES)
def test_a_record_without_a_variable_is_ambiguous(name: str) -> None:
    assert labels.regime9(at_core("Heavy rain", **{name: np.nan}))[0] == "Ambiguous"


def test_a_record_has_the_same_regime_in_every_part_of_a_table(table: pd.DataFrame) -> None:
    pieces = [table.iloc[k : k + 700] for k in range(0, 7000, 700)]
    assert (np.concatenate([labels.regime9(piece) for piece in pieces]) == table["regime9"][:7000]).all()
    backwards = table[:7000].iloc[::-1]
    assert (labels.regime9(backwards) == backwards["regime9"]).all()


@settings(max_examples=50, deadline=None)
@given(
    st.fixed_dictionaries(
        {name: st.floats(1e-3, 1e4) for name in labels.LOGGED}
        | {"Fs": st.floats(0, 15), "T": st.floats(220, 320), "RH": st.floats(5, 110), "P": st.floats(950, 1060)}
        | {"WS": st.floats(0, 50)}
    )
)
def test_every_record_has_a_regime_and_distances_from_nought_to_one(record: dict[str, float]) -> None:
    columns = {name: [value] for name, value in record.items()}
    found = labels.distances(columns)
    assert ((found >= 0) & (found <= 1 + 1e-12)).all()
    expected = list(labels.CORES)[found.argmin()] if found.min() <= labels.REACH else "Ambiguous"
    assert labels.regime9(columns)[0] == expected


CODE = """
import hashlib, sys
import numpy as np
from precip_sae.observations import labels
rng = np.random.default_rng(0)
names = (*labels.LOGGED, *labels.PLAIN)
cores = np.array(list(labels.CORES.values()))[rng.integers(0, 9, 20000)]
columns = dict(zip(names, (cores + 0.4 * rng.standard_normal(cores.shape) * np.abs(cores)).T))
columns = {k: np.float_power(10.0, np.round(v, 3)) if k in labels.LOGGED else v for k, v in columns.items()}
columns["T"] = columns["T"] + labels.FREEZING
columns["RH"] = np.clip(columns["RH"], 20, 100)
sys.stdout.write(hashlib.sha256("".join(labels.regime9(columns)).encode()).hexdigest())
"""


@pytest.mark.parametrize("disabled", ["X86_V4 AVX512_ICL AVX512_SPR", "X86_V3 X86_V4 AVX512_ICL AVX512_SPR"])
def test_another_processor_gives_the_same_regimes(disabled: str) -> None:
    def digest(environment: dict[str, str]) -> str:
        # numpy warns of features that this processor does not have
        command = [sys.executable, "-W", "ignore", "-c", CODE]
        return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout

    here = digest(dict(os.environ))
    assert len(here) == len(hashlib.sha256().hexdigest())
    assert digest(os.environ | {"NPY_DISABLE_CPU_FEATURES": disabled}) == here


def test_phases_overlap_near_their_borders_and_thin_places_lie_at_any_temperature(table: pd.DataFrame) -> None:
    celsius = table["T"] - FREEZING
    by_phase = celsius.groupby(table["regime3"])
    # from where the warmer phase begins to where the colder one has ended
    for colder, warmer in (("Snow", "Mixed-phase"), ("Mixed-phase", "Rain")):
        overlap = by_phase.get_group(colder).quantile(0.99) - by_phase.get_group(warmer).quantile(0.01)
        assert 0.5 < overlap < 6.0, (colder, warmer)
    share = table.groupby(np.floor(celsius))["regime3"].value_counts(normalize=True).unstack(fill_value=0.0)
    assert (share.loc[-13:3, "Ambiguous"] > 0.01).all()
    # and warm snow is what most of the mixed phase is
    assert (share.loc[-4:-1, "Mixed-phase"] > 0.6).all()
    assert (table.loc[table["regime3"] == "Mixed-phase", "phase"] == "Snow").mean() > 0.8


def test_no_plane_divides_the_phases_but_one_nearly_does(table: pd.DataFrame) -> None:
    known = table[table["regime3"] != "Ambiguous"].iloc[::4]
    x = np.column_stack([np.log10(known["n0"]), np.log10(known["Rho"]), np.log10(known["Dm"]), known["T"], known["RH"]])
    x = (x - x.mean(axis=0)) / x.std(axis=0)
    accuracy = LogisticRegression(C=100.0, max_iter=500).fit(x, known["regime3"]).score(x, known["regime3"])
    assert 0.99 < accuracy < 0.9985


def test_the_network_that_the_study_shipped_recognises_the_phases(table: pd.DataFrame) -> None:
    from precip_sae.models.exchange import read_published

    network = read_published(Path(__file__).resolve().parents[2] / "published" / "classifier.json")
    known = table[table["regime3"] != "Ambiguous"]
    said = np.array(network.responses)[network.outputs(network.standardise(known)).argmax(axis=1)]
    assert 0.985 < (said == known["regime3"]).mean() < 0.999


def test_phases_merge_the_regimes_and_leave_transitions_out() -> None:
    given = ["Drizzle", "Heavy rain", "Light snow", "Heavy mixed", "Heavy rain to mixed", "Ambiguous"]
    expected = ["Rain", "Rain", "Snow", "Mixed-phase", "Ambiguous", "Ambiguous"]
    assert list(labels.regime3(given)) == expected
    assert all(labels.REGIMES[name] == "Ambiguous" for name in labels.TRANSITIONS)


def test_the_table_may_hold_every_regime() -> None:
    assert set(REGIME9) == set(labels.REGIMES)
    assert set(REGIME3) == set(labels.REGIMES.values())


def test_density_labels_follow_the_pip_tools_at_0_4() -> None:
    assert list(labels.density([0.05, 0.4, 0.41, 0.9])) == ["Snow", "Snow", "Rain", "Rain"]


def test_temperature_labels_leave_the_doubtful_range_mixed() -> None:
    given = [FREEZING - 5, FREEZING, FREEZING + 1, FREEZING + 5]
    assert list(labels.temperature(given)) == ["Snow", "Mixed-phase", "Mixed-phase", "Rain"]


def test_true_phase_is_the_melted_fraction_alone() -> None:
    assert list(labels.phase([0.0, 0.09, 0.5, 0.91, 1.0])) == ["Snow", "Snow", "Mixed-phase", "Rain", "Rain"]
