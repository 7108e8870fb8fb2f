"""What `precip-sae table check` says before anything is trained: a user who reads it should not be surprised later."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from precip_sae.cli import main
from precip_sae.errors import TableError
from precip_sae.settings import DataSettings, SubsetSettings
from precip_sae.table_check import Report, check, shown

ROWS = 1000


def frame(**columns: Any) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    plain = {
        "t": pd.date_range("2020-01-01", periods=ROWS, freq="h"),
        "a": rng.normal(5, 2, ROWS),
        "b": rng.normal(0, 1, ROWS),
        "y": rng.normal(size=ROWS),
        "phase": np.resize(["Rain", "Snow", "Snow"], ROWS),
    }
    return pd.DataFrame(plain | columns)


def report(folder: Path, table: pd.DataFrame, search: dict[str, Any] | None = None, **changes: Any) -> Report:
    table.to_parquet(folder / "t.parquet")
    plain = {"table": "t.parquet", "predictors": ["a", "b"], "response": "y", "kind": "regression", "time": "t"}
    subsets = SubsetSettings(table="t.parquet", **search) if search else None
    return check(folder / "t.parquet", DataSettings(**(plain | changes)), subsets)


PHASES = {"response": "phase", "kind": "classification", "classes": ["Rain", "Snow"]}


def test_a_sound_table_is_described_and_gets_no_warning(tmp_path: Path) -> None:
    found = report(tmp_path, frame(), units={"a": "mm"})
    assert found.warnings == []
    assert found.refusal is None
    assert found.counts["read"] == ROWS
    assert found.parts["rows"].to_dict() == {"train": 480, "validation": 120, "sae": 200, "test": 200}
    assert found.parts.loc["validation", "from"] == pd.Timestamp("2020-01-01") + pd.Timedelta(hours=480)
    assert found.parts.loc["train", "mean"] == pytest.approx(frame()["y"][:480].mean())
    assert found.columns.loc["a", ["unit", "missing"]].tolist() == ["mm", 0]
    assert found.columns.loc["a", "median"] == pytest.approx(frame()["a"].median())


def test_the_classes_are_counted_in_every_part(tmp_path: Path) -> None:
    labels = np.where(np.arange(ROWS) % 10 == 0, "Rain", "Snow")
    parts = report(tmp_path, frame(phase=labels), **PHASES).parts
    assert parts["Rain"].tolist() == [48, 12, 20, 20]
    assert parts["Snow"].tolist() == [432, 108, 180, 180]


def test_every_fold_of_a_cross_validation_is_tried_and_the_parts_shown_are_said_to_be_the_firsts(
    tmp_path: Path,
) -> None:
    found = report(tmp_path, frame(), folds=5)
    assert found.parts.loc["test", "to"] == frame()["t"][199]
    assert found.warnings == ["The parts are those of fold 1 of 5; the others can be prepared too."]
    late = frame(phase=np.where(np.arange(ROWS) < 800, "Rain", "Snow"))
    refused = report(tmp_path, late, folds=5, **PHASES).refusal
    assert "the training part (fold 1 of 5) holds 0 rows of class 'Snow'" in str(refused)


def test_lost_rows_are_counted_by_reason(tmp_path: Path) -> None:
    table = frame()
    table.loc[:99, "a"] = np.nan
    table.loc[95:104, "y"] = np.nan
    found = report(tmp_path, table)
    assert found.counts["dropped, response missing"] == 10
    assert found.counts["dropped, predictor missing"] == 95
    assert found.columns["missing"].to_dict() == {"a": 100, "b": 0, "y": 10, "t": 0}


WARNED: dict[str, tuple[Callable[[], pd.DataFrame], dict[str, Any], str]] = {
    "kelvin called celsius": (
        lambda: frame(a=frame()["a"] + 270), {"units": {"a": "°C"}}, r"'a' is said to be in °C, .* it looks like K",
    ),
    "celsius called kelvin": (frame, {"units": {"a": "K"}}, r"'a' is said to be in K.*looks like °C"),
    "pascal called hectopascal": (
        lambda: frame(a=frame()["a"] + 101_325), {"units": {"a": "hPa"}}, r"'a' .* it looks like Pa",
    ),
    "infinite values": (lambda: frame(a=frame()["a"].where(frame().index > 3, np.inf)), {}, r"'a' holds 4 infinite"),
    "a nearly constant column": (
        lambda: frame(b=np.where(np.arange(ROWS) % 300 == 0, 1.0, 0.0)), {}, r"'b' is nearly constant: 99\.6% .* are 0",
    ),
    "a column mostly missing": (
        lambda: frame(b=frame()["b"].where(frame().index % 3 == 0)), {}, r"'b' is missing in 666 of 1000",
    ),
    "few rows left": (
        lambda: frame(b=frame()["b"].where(frame().index % 3 == 0)), {}, r"Only 334 of 1000 rows are used \(33%\)",
    ),
    "two columns that are one": (lambda: frame(b=frame()["a"]), {}, r"'a' and 'b' hold the same values"),
    "two columns that say the same": (
        lambda: frame(b=np.exp(frame()["a"])), {}, r"'a' and 'b' have the rank correlation 1\.0000",
    ),
    "no time": (frame, {"time": None}, r"No column of times is named"),
    "repeated times": (
        lambda: frame(t=pd.date_range("2020", periods=ROWS // 2, freq="h").repeat(2)), {}, r"500 rows have the time of",
    ),
    "rows out of order": (
        lambda: frame().sample(frac=1, random_state=0), {}, r"9\d\d rows stand after a later one; they are put in",
    ),
    "a class that the test part lacks": (
        lambda: frame(phase=np.where(np.arange(ROWS) % 2 * (np.arange(ROWS) < 790), "Rain", "Snow")), PHASES,
        r"The part test holds 0 rows of class 'Rain'.*\(data\.parts: blocks draws parts that keep classes\)",
    ),
    "drift": (lambda: frame(b=np.arange(ROWS) * 1.0), {}, r"'b' has drifted: the test part's mean lies \+3\.5 stand"),
    "a response in a tiny unit": (lambda: frame(y=frame()["y"] / 1e6), {}, r"deviation of 'y' is 9\.\d+e-07: networks"),
    "the response under another name": (
        lambda: frame(b=frame()["y"] * 2 + 1), {}, r"Leakage: 'b' alone predicts 'y' with R² 0\.99\d+"),
    "a label made of a predictor": (
        lambda: frame(phase=np.where(frame()["b"] > 0.3, "Rain", "Snow")), PHASES,
        r"Leakage: 'b' alone predicts 'phase' with accuracy (1\.0000|0\.99\d+)",
    ),
    "the response is a sum": (
        lambda: frame(y=frame()["a"] - 3 * frame()["b"]), {}, r"Leakage: linear regression on the predictors gives 'y'",
    ),
    "rows that stand twice": (
        lambda: pd.concat([frame()[:500], frame()[:500]]).assign(t=frame()["t"].to_numpy()), {},
        r"Leakage: 90\.0% of the test rows stand in the training part too",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", WARNED)
def test_what_looks_like_a_mistake_is_said(name: str, tmp_path: Path) -> None:
    make, changes, expected = WARNED[name]
    found = report(tmp_path, make(), **changes)
    assert found.refusal is None
    assert any(re.search(expected, warning) for warning in found.warnings), found.warnings
    assert all(warning.endswith((".", "?")) for warning in found.warnings)


def test_a_response_that_does_not_vary_in_the_test_part_has_no_r2_there(tmp_path: Path) -> None:
    found = report(tmp_path, frame(y=np.where(np.arange(ROWS) < 800, frame()["y"], 0.0)))
    assert found.refusal is None
    assert [scores["r2"] for scores in found.baselines.values()] == [None] * 3
    assert list(shown(found, "t", "y"))


def test_the_pool_of_the_search_is_looked_at_too(tmp_path: Path) -> None:
    pool = {"pool": ["a", "c", "d"], "size": 2, "seeds": [0, 1], "transforms": {"d": "log10"}}
    more = {"c": frame()["a"].where(frame().index >= 100), "d": np.exp(frame()["y"])}
    found = report(tmp_path, frame(**more), pool)
    assert found.refusal is None
    assert list(found.columns.index) == ["a", "b", "c", "d", "y", "t"]
    assert found.columns.loc["d", "transform"] == "log10"
    assert found.columns.loc["c", "missing"] == 100
    assert found.search == {"subsets": 3, "models": 6, "least": 900, "most": 1000}
    assert any("'a' and 'c' have the rank correlation" in warning for warning in found.warnings)
    assert any("Leakage: 'd' alone predicts 'y'" in warning for warning in found.warnings)
    assert "Search: 3 subsets of its pool, 6 models, on 900 to 1000 rows." in list(shown(found, "t", "y"))
    refused = report(tmp_path, frame(c=1.0, d=frame()["a"] + 100), pool)
    assert re.search(r"column 'c' is constant .* \(rows that hold the search's inputs a, c\)", str(refused.refusal))


def test_a_refused_table_is_still_described(tmp_path: Path) -> None:
    found = report(tmp_path, frame(b=1.0))
    assert isinstance(found.refusal, TableError)
    assert found.columns.loc["b", "values"] == 1
    assert found.parts.empty


def test_the_command_prints_the_report_and_exits_by_its_verdict(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine.yaml").write_text(
        "title: Mine\ndata: {table: gone.csv, predictors: [a, b], response: phase, kind: classification, "
        "classes: [Rain, Snow], time: t, file: {units: {a: K}}, units: {a: °C}}\n"
    )
    frame(a=frame()["a"] + 273.15).to_csv(tmp_path / "t.csv", index=False)
    command = ["table", "check", str(tmp_path / "t.csv"), "--task", str(tmp_path / "mine.yaml")]
    assert main(command) == 0
    said = capsys.readouterr().out
    for expected in ("CSV, 1000 rows, 5 columns, 1 of them not used", "K ", "read 1000;", "climatology", "Rain"):
        assert expected in said, expected
    frame(a=1.0).to_csv(tmp_path / "t.csv", index=False)
    assert main(command) == 1
    out, error = capsys.readouterr()
    assert "in the file" in out, "the columns help to see why"
    assert error.count("\n") == 1


def test_a_task_of_the_paper_can_be_checked_by_name(
    repository: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(repository.root)
    table = repository.observations
    if not table.is_file():
        pytest.skip("data/ is not pulled")
    assert main(["table", "check", str(table), "--task", "classifier"]) == 0
    assert "Mixed-phase" in capsys.readouterr().out
    assert main(["table", "check", str(table), "--task", "clasifier"]) == 1
    assert "did you mean 'classifier'" in capsys.readouterr().err


def test_the_report_is_drawn_without_empty_columns(tmp_path: Path) -> None:
    drawn = list(shown(report(tmp_path, frame()), "t.parquet", "y"))
    assert [column.header for column in drawn[2].columns] == [
        "column", "in the file", "missing", "infinite", "values", "least", "median", "largest",
    ]  # fmt: skip
