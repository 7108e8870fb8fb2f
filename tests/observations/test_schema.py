"""The table's contract: what a simulated table keeps to, and what a user is told about a table that does not."""

import numpy as np
import pandas as pd
import pytest

from precip_sae.errors import TableError
from precip_sae.observations.schema import BY_NAME, COLUMNS, validate
from precip_sae.simulation.simulate import simulate


@pytest.fixture(scope="module")
def small() -> pd.DataFrame:
    return simulate(200, seed=1)


def test_simulated_tables_are_accepted(table: pd.DataFrame, small: pd.DataFrame) -> None:
    assert len(validate(table)) == 88_000
    assert list(validate(small).columns) == list(BY_NAME)


def test_every_column_says_its_unit_and_meaning() -> None:
    without_unit = {"storm", "melted", "riming", *(c.name for c in COLUMNS if c.classes)}
    assert all(column.meaning and column.symbol for column in COLUMNS)
    assert {column.name for column in COLUMNS if not column.unit} == without_unit


@pytest.mark.parametrize("name", [c.name for c in COLUMNS if c.high is not None and c.dtype == "float64"])
def test_a_value_out_of_range_is_named_with_its_column_and_range(small: pd.DataFrame, name: str) -> None:
    column = BY_NAME[name]
    broken = small.copy()
    broken.loc[17, name] = column.high + 1.5
    with pytest.raises(TableError) as problem:
        validate(broken)
    sentence = str(problem.value)
    assert f"Column {name} holds {column.high + 1.5}" in sentence
    assert "row 17" in sentence
    assert f"to {column.high:g}" in sentence


@pytest.mark.parametrize("name", [c.name for c in COLUMNS if c.dtype == "float64" and not c.missing])
def test_a_missing_value_is_named_with_its_column(small: pd.DataFrame, name: str) -> None:
    broken = small.copy()
    broken.loc[3, name] = np.nan
    with pytest.raises(TableError, match=f"Column {name} holds nan at row 3.*none missing"):
        validate(broken)


@pytest.mark.parametrize("name", [c.name for c in COLUMNS if c.classes])
def test_an_unknown_class_is_named_with_the_known_ones(small: pd.DataFrame, name: str) -> None:
    broken = small.copy()
    broken.loc[5, name] = "Hail"
    known = ", ".join(BY_NAME[name].classes)
    with pytest.raises(TableError, match=f"Column {name} holds Hail at row 5; expected one of {known}"):
        validate(broken)


def test_an_absent_column_is_named(small: pd.DataFrame) -> None:
    with pytest.raises(TableError, match="no column RH; expected float64 values from 0 to 110 %"):
        validate(small.drop(columns="RH"))


def test_a_table_of_an_archive_does_without_what_only_a_simulation_knows(small: pd.DataFrame) -> None:
    measured = small.drop(columns=["melted", "riming", "phase", "t_15", "rh_15"])
    assert list(validate(measured).columns) == list(measured.columns)
    with pytest.raises(TableError, match="Column regime3 is out of order; expected time"):
        validate(measured[[*measured.columns[::-1][2:], *measured.columns[-2:]]])


def test_an_optional_column_is_checked_where_it_is(small: pd.DataFrame) -> None:
    assert {c.name for c in COLUMNS if c.optional} == {"melted", "riming", "phase", "t_15", "rh_15"}
    with pytest.raises(TableError, match="Column t_15 holds -5"):
        validate(small.assign(t_15=-5.0))


def test_a_column_that_does_not_belong_is_named(small: pd.DataFrame) -> None:
    with pytest.raises(TableError, match="column surprise"):
        validate(small.assign(surprise=1.0))


def test_columns_in_another_order_are_named(small: pd.DataFrame) -> None:
    with pytest.raises(TableError, match="Column phase is out of order; expected time"):
        validate(small[list(BY_NAME)[::-1]])


def test_numbers_written_as_text_are_named(small: pd.DataFrame) -> None:
    with pytest.raises(TableError, match="Column T holds str; expected float64 values"):
        validate(small.assign(T=small["T"].astype(str)))


def test_times_out_of_order_or_off_the_grid_are_refused(small: pd.DataFrame) -> None:
    backwards = small.assign(time=small["time"].to_numpy()[::-1])
    with pytest.raises(TableError, match="Column time breaks its rule; expected times that strictly increase"):
        validate(backwards)
    shifted = small.assign(time=small["time"] + pd.Timedelta("90s"))
    with pytest.raises(TableError, match="expected times on a 5-minute grid"):
        validate(shifted)


def test_gates_without_echo_may_be_missing(small: pd.DataFrame) -> None:
    silent = small.assign(reflectivity_29=np.nan, dv_29=np.nan, ETH=np.nan)
    assert validate(silent)["ETH"].isna().all()
