"""Folds of a small table: every row is tested once, and no fold learns from what it tests."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from precip_sae.errors import TableError
from precip_sae.settings import DataSettings
from precip_sae.tasks.folds import every_fold, fold_rows
from precip_sae.tasks.parts import PARTS, part_rows
from precip_sae.tasks.prepare import prepare


def data(**changes) -> DataSettings:
    plain = {"table": "t.csv", "predictors": ["a"], "response": "y", "kind": "regression"}
    return DataSettings(**(plain | changes))


def frame(rows: int = 300, groups: int = 30) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "a": rng.normal(size=rows),
            "y": rng.normal(size=rows),
            "phase": np.where(np.arange(rows) % 12 == 0, "Mix", "Rain"),
            "station": np.arange(rows) * groups // rows,
            "when": pd.date_range("2020-01-01", periods=rows, freq="8h"),
        }
    )


def folds_of(table: pd.DataFrame, one: DataSettings) -> list[dict[str, np.ndarray]]:
    return [fold_rows(table, None, fold) for fold in every_fold(one)]


@settings(max_examples=40, deadline=None)
@given(rows=st.integers(200, 400), folds=st.integers(2, 6), how=st.sampled_from(["time", "groups", "blocks"]))
def test_every_row_is_tested_once_and_stands_in_one_part_of_each_fold(rows, folds, how) -> None:
    chosen = {
        "time": {},
        "groups": {"groups": "station"},
        "blocks": {"parts": "blocks", "time": "when", "block_days": 1.0},
    }[how]
    found = folds_of(frame(rows), data(folds=folds, **chosen))
    for parts in found:
        assert sorted(np.concatenate([parts[name] for name in PARTS])) == list(range(rows))
        assert all((np.diff(part) > 0).all() for part in parts.values()), "each part's rows are in order"
    assert sorted(np.concatenate([parts["test"] for parts in found])) == list(range(rows))


def test_the_parts_of_a_fold_are_worked_out_by_hand() -> None:
    # the second of four folds tests rows 50 to 99; 90 rows from 100 on train, 22 validate, 38 are for SAEs
    parts = fold_rows(frame(200), None, data(folds=4, fold=2))
    np.testing.assert_array_equal(parts["test"], np.arange(50, 100))
    np.testing.assert_array_equal(parts["train"], np.arange(100, 189))
    np.testing.assert_array_equal(parts["validation"], [*range(12), *range(189, 200)])
    np.testing.assert_array_equal(parts["sae"], np.arange(12, 50))


def test_the_last_of_five_folds_has_the_parts_of_a_table_without_folds() -> None:
    usual = part_rows(None, 300, data(), 300)
    for name, rows in fold_rows(frame(300), None, data(folds=5, fold=5)).items():
        np.testing.assert_array_equal(rows, np.arange(300)[usual[name]])


@pytest.mark.parametrize("shuffle", [None, 3])
def test_a_group_stays_in_one_part_of_a_fold(shuffle) -> None:
    table = frame(300, groups=25)
    for parts in folds_of(table, data(folds=5, groups="station", shuffle_groups=shuffle)):
        of = [set(table["station"].iloc[rows]) for rows in parts.values()]
        assert sum(map(len, of)) == 25


def test_a_block_of_days_stays_in_one_part_and_a_rare_class_is_spread_over_the_folds() -> None:
    table = frame(300).assign(block=np.arange(300) // 6)
    rare = (table["phase"] == "Mix").to_numpy().astype(np.int64)
    one = data(folds=5, parts="blocks", time="when", block_days=2)
    for parts in [fold_rows(table, rare, fold) for fold in every_fold(one)]:
        assert sum(table["block"].iloc[rows].nunique() for rows in parts.values()) == 50
        assert min(rare[rows].sum() for rows in parts.values()) >= 2


def test_a_fold_is_prepared_with_the_scales_of_its_own_training_rows() -> None:
    table = frame(300)
    prepared = prepare(table, data(folds=5, fold=1))
    learnt = np.concatenate([prepared.rows["train"], prepared.rows["validation"]])
    assert prepared.mean[0] == pytest.approx(table["a"].loc[learnt].mean())
    assert not set(learnt) & set(prepared.rows["test"])


CLASSES = {"kind": "classification", "response": "phase", "classes": ["Rain", "Mix"]}


@pytest.mark.parametrize(
    ("chosen", "sentence"),
    [
        (
            {"folds": 40, "groups": "station", "fold": 1},
            r"holds 30 groups in column 'station', expected at least 40, one",
        ),
        (
            {"folds": 40, "fold": 2},
            r"of 300 usable rows fold 2 of 40 leaves [78] to the part test, expected at least 10",
        ),
        ({"folds": 5}, r"data\.folds is 5 and data\.fold is null; `precip-sae task run` runs every fold"),
        (
            {"folds": 90, "fold": 1, "parts": "blocks", "time": "when"},
            r"holds 21 blocks of 5 days, expected at least 90",
        ),
    ],
)
def test_folds_that_cannot_be_are_refused_in_one_sentence(chosen, sentence) -> None:
    with pytest.raises(TableError, match=sentence):
        prepare(frame(), data(**chosen))


def test_a_class_that_a_fold_cannot_learn_is_named_with_the_fold() -> None:
    table = frame().assign(phase=lambda t: np.where(t.index >= 280, "Mix", "Rain"))
    with pytest.raises(TableError, match=r"training part \(fold 5 of 5\) holds 0 rows of class 'Mix'"):
        prepare(table, data(**CLASSES, folds=5, fold=5))
    with pytest.raises(TableError, match=r"data\.parts: blocks draws parts that keep classes"):
        prepare(table, data(**CLASSES, folds=5, fold=5))
