"""The column task and the planted targets: what is given, what is learnt, and what is neither."""

import numpy as np
import pandas as pd
import pytest

from precip_sae.errors import TableError
from precip_sae.observations.labels import FREEZING
from precip_sae.simulation.simulate import simulate
from precip_sae.simulation.truth import HIDDEN
from precip_sae.tasks import planted
from precip_sae.tasks.column import FEWEST_ROWS, NO_ECHO, column_task
from precip_sae.tasks.column import inputs as column_inputs


@pytest.fixture(scope="module")
def small() -> pd.DataFrame:
    return simulate(6000, seed=2)


def test_a_gate_without_an_echo_lies_below_every_echo(small: pd.DataFrame) -> None:
    seen = column_inputs(small)
    silent = small["reflectivity_29"].isna()
    assert silent.any()
    assert (seen.loc[silent, "reflectivity_29"] == NO_ECHO["reflectivity"]).all()
    assert (seen.loc[silent, "dv_29"] == 0).all()
    assert small.filter(like="reflectivity_").min(axis=None) > NO_ECHO["reflectivity"]
    assert seen.notna().all(axis=None)
    assert seen.shape == (6000, 58)


def test_what_is_hidden_is_neither_given_nor_learnt(small: pd.DataFrame) -> None:
    task = column_task(small)
    for name in HIDDEN:
        assert name not in task.prepared.data.predictors
    assert task.learnt(1) == ["regime"]
    assert task.learnt(5) == ["snowfall", "rain", "melted", "echo_top", "regime"]


def test_numbers_belong_to_the_rows_of_their_part(small: pd.DataFrame) -> None:
    task = column_task(small)
    for part, numbers in task.numbers.items():
        rows = small.loc[task.prepared.rows[part]]
        assert np.corrcoef(numbers[:, 0], np.log1p(rows["Sr"]))[0, 1] == pytest.approx(1)
        assert np.corrcoef(numbers[:, 3], rows["ETH"].fillna(0))[0, 1] == pytest.approx(1)
        assert len(numbers) == len(task.prepared.parts[part])
    learnt = np.concatenate([task.numbers["train"], task.numbers["validation"]])
    assert learnt.mean(axis=0) == pytest.approx(np.zeros(4), abs=1e-5)
    assert learnt.std(axis=0) == pytest.approx(np.ones(4), abs=1e-4)


def test_responses_are_added_one_by_one(small: pd.DataFrame) -> None:
    task = column_task(small)
    classes = len(task.prepared.data.classes)
    assert task.responses("test", 1).outputs == classes
    assert task.responses("test", 3).outputs == classes + 2
    assert (task.responses("test", 5).numbers == task.numbers["test"]).all()


def test_a_regime_too_rare_to_learn_is_left_out(small: pd.DataFrame) -> None:
    counts = small["regime9"].value_counts()
    rare = counts[counts < FEWEST_ROWS].index
    assert len(rare)
    assert not set(rare) & set(column_task(small).prepared.data.classes)


def test_a_table_without_a_melted_fraction_is_refused(small: pd.DataFrame) -> None:
    with pytest.raises(TableError, match="no column melted; expected the table of a simulation"):
        column_task(small.drop(columns="melted"))


def test_steps_and_ramps_are_what_their_thresholds_say() -> None:
    inputs = pd.DataFrame({"T": FREEZING + np.array([0.5, 1.5, 8.0]), "Nt": [3.0, 3.85, 4.85]})
    by_name = {factor.name: factor for factor in planted.FACTORS}
    assert by_name["warm"].values(inputs).tolist() == [0, 1, 1]
    assert by_name["sparse"].values(inputs + {"T": 0, "Nt": -0.1}).tolist() == [1, 0, 0]
    ramp = by_name["intense"].values(inputs)
    assert ramp == pytest.approx(np.array([0, 0, 1]) / inputs["Nt"].std(ddof=0))


def test_every_response_is_a_sum_of_factors_that_says_them_all() -> None:
    for factors in (4, 8, 16):
        mixed = planted.mixture(factors, 3)
        assert (mixed.sum(axis=0) == 3).all()
        assert np.linalg.matrix_rank(mixed) == factors
    assert planted.mixture(3, 1).tolist() == np.eye(3).tolist()
    for factors, together in ((4, 2), (2, 3), (6, 3)):
        with pytest.raises(ValueError, match="do not say each"):
            planted.mixture(factors, together)


def test_no_planted_factor_is_an_input_or_a_response_and_each_is_both_true_and_false(small: pd.DataFrame) -> None:
    target = planted.planted(small, 16, 3)
    assert target.x.shape == (6000, 9)
    assert target.factors.shape == (6000, 16)
    assert target.responses.numbers.shape == (6000, 16)
    share = (target.factors > 0).mean(axis=0)
    assert ((share > 0.05) & (share < 0.65)).all(), dict(zip(target.names, share, strict=True))
    both = np.corrcoef(np.column_stack([target.factors, target.x, target.responses.numbers]).T)[:16, 16:]
    assert np.abs(both).max() < 0.98
    # but the responses together say each of them
    solved = np.linalg.lstsq(np.column_stack([target.responses.numbers, np.ones(6000)]), target.factors, rcond=None)
    assert (solved[1] / target.factors.var(axis=0) / 6000 < 1e-6).all()


def test_a_deeper_network_of_more_factors_begins_with_those_of_fewer(small: pd.DataFrame) -> None:
    few, many = planted.planted(small, 4, 3), planted.planted(small, 8, 3)
    assert (many.factors[:, :4] == few.factors).all()
    assert many.names[:4] == few.names == ["warm", "fast", "intense", "frost"]


def test_rare_factors_are_at_work_in_the_asked_share_of_the_rows(small: pd.DataFrame) -> None:
    target = planted.planted(small, 16, 3, rare=0.03)
    assert (target.factors > 0).mean(axis=0) == pytest.approx(np.full(16, 0.03), abs=0.005)
