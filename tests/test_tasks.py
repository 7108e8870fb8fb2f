"""From a table to standardised parts: what a user's table goes through before any training."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from precip_sae.errors import TableError
from precip_sae.settings import DataSettings
from precip_sae.tasks import prepare, read_table


def settings(**changes: Any) -> DataSettings:
    plain: dict[str, Any] = {"table": "t.csv", "predictors": ["a", "b"], "response": "y", "kind": "regression"}
    return DataSettings(**(plain | changes))


def table(rows: int = 200) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    return pd.DataFrame({"a": rng.uniform(1, 9, rows), "b": rng.normal(size=rows), "y": rng.normal(size=rows)})


def phases(rows: int = 200) -> pd.DataFrame:
    return table(rows).assign(y=np.resize(["Rain", "Snow", "Ambiguous"], rows))


CLASSES: dict[str, Any] = {"kind": "classification", "classes": ["Rain", "Snow"], "drop_classes": ["Ambiguous"]}


def test_parts_are_consecutive_and_sized_as_the_study_sizes_them() -> None:
    frame = table(1000)
    prepared = prepare(frame, settings())
    assert [len(p) for p in prepared.parts.values()] == [480, 120, 200, 200]
    together = np.concatenate([p.y for p in prepared.parts.values()])
    np.testing.assert_array_equal(together, frame["y"].to_numpy(np.float32))


def test_the_scaler_sees_only_the_first_sixty_percent() -> None:
    frame = table(100)
    prepared = prepare(frame, settings())
    first = frame["a"][:60].to_numpy()
    assert prepared.mean[0] == pytest.approx(first.mean())
    assert prepared.scale[0] == pytest.approx(first.std(ddof=0))
    np.testing.assert_allclose(prepared.physical(prepared.test.x, "a"), frame["a"][80:], rtol=1e-5)


def test_rows_are_put_in_time_order_before_they_are_split() -> None:
    frame = table(100).assign(time=pd.date_range("2020", periods=100, freq="5min"))
    shuffled = frame.sample(frac=1, random_state=1)
    np.testing.assert_array_equal(
        prepare(shuffled, settings(time="time")).test.x, prepare(frame, settings(time="time")).test.x
    )


def test_logarithms_of_zero_and_infinities_cost_the_row_as_in_the_study() -> None:
    frame = table(200)
    frame.loc[[3, 50], "a"] = [0.0, np.inf]
    frame.loc[7, "b"] = np.nan
    prepared = prepare(frame, settings(log10=["a"]))
    assert prepared.counts["dropped, predictor missing"] == 3
    assert sum(len(p) for p in prepared.parts.values()) == 197
    np.testing.assert_allclose(prepared.physical(prepared.test.x, "a"), frame["a"][-len(prepared.test) :], rtol=1e-5)


def test_left_out_labels_are_counted_and_classes_keep_their_order() -> None:
    prepared = prepare(phases(300), settings(**CLASSES))
    assert prepared.counts["dropped, label left out"] == 100
    assert prepared.train.y[:4].tolist() == [0, 1, 0, 1]


def test_missing_values_become_the_training_median_where_asked() -> None:
    frame = table(200)
    frame.loc[199, "a"] = np.nan
    prepared = prepare(frame, settings(missing="median"))
    assert prepared.counts["filled with the median"] == 1
    assert prepared.physical(prepared.test.x, "a")[-1] == pytest.approx(np.median(frame["a"][:120]), rel=1e-5)


@given(st.integers(84, 400))
def test_no_row_is_lost_or_used_twice(rows: int) -> None:
    prepared = prepare(table(rows), settings())
    assert sum(len(p) for p in prepared.parts.values()) == rows
    assert min(len(p) for p in prepared.parts.values()) >= 10


def text_in_a(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.astype({"a": object}).assign(a=lambda f: f["a"].where(f.index != 17, "n/a?"))


BAD_TABLES = {
    "empty": (lambda: table(0), settings(), "no rows"),
    "text in a number column": (lambda: text_in_a(table()), settings(), "'a' holds 'n/a\\?' in row 17"),
    "dates in a number column": (
        lambda: table().assign(a=pd.Timestamp("2020")),
        settings(),
        "'a' holds datetime64.*expected numbers",
    ),
    "all-NaN column": (lambda: table().assign(b=np.nan), settings(), "'b' holds no number"),
    "no positive value for a logarithm": (
        lambda: table().assign(a=-1.0),
        settings(log10=["a"]),
        "'a' holds no positive number",
    ),
    "constant predictor": (lambda: table().assign(b=3.25), settings(), "'b' is constant"),
    "constant response": (lambda: table().assign(y=1.0), settings(), "'y' is constant"),
    "no response": (lambda: table().assign(y=np.nan), settings(), "'y' holds no number"),
    "too few rows": (lambda: table(60), settings(), "60 usable rows of 60, expected at least 84"),
    "one class": (lambda: phases().assign(y="Rain"), settings(**CLASSES), "no row of class 'Snow'"),
    "unknown label": (lambda: phases().assign(y="Hail"), settings(**CLASSES), "holds 'Hail', expected one of"),
    "missing refused": (
        lambda: table().assign(a=lambda f: f["a"].where(f.index != 5)),
        settings(missing="refuse"),
        "'a' misses values",
    ),
    "no time": (
        lambda: table().assign(t=pd.NaT),
        settings(time="t"),
        "time column 't' misses 200 values",
    ),
    "mixed times": (
        lambda: table().assign(t=np.resize(np.array(["2020", 3], dtype=object), 200)),
        settings(time="t"),
        "mixes types",
    ),
}


@pytest.mark.parametrize("name", BAD_TABLES)
def test_a_bad_table_is_answered_by_one_sentence_that_names_the_column(name: str) -> None:
    make, data, expected = BAD_TABLES[name]
    with pytest.raises(TableError, match=expected) as caught:
        prepare(make(), data)
    assert str(caught.value).startswith("t.csv: ")
    assert "\n" not in str(caught.value)


def test_a_bad_file_is_answered_by_one_sentence_that_names_it(tmp_path: Path) -> None:
    good = tmp_path / "good.parquet"
    table().to_parquet(good)
    cut = tmp_path / "cut.parquet"
    cut.write_bytes(good.read_bytes()[:-200])
    (tmp_path / "zero.csv").touch()
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "t.xlsx").write_text("x")
    (tmp_path / "ragged.csv").write_text("a,b\n1,2\n1,2,3\n")
    cases = {
        "cut.parquet": "cannot be read as parquet",
        "zero.csv": "0 bytes",
        "folder.csv": "is a folder",
        "t.xlsx": "expected .parquet or .csv",
        "absent.csv": "no such file",
        "ragged.csv": "cannot be read as csv",
    }
    for name, expected in cases.items():
        with pytest.raises(TableError, match=expected) as caught:
            read_table(tmp_path / name, settings())
        assert name in str(caught.value)
        assert "\n" not in str(caught.value)


def test_a_missing_column_is_named_with_its_likely_spelling(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    table().rename(columns={"b": "B2"}).to_csv(path)
    with pytest.raises(TableError, match="no column 'b2'; did you mean 'B2'"):
        read_table(path, settings(predictors=["a", "b2"]))
