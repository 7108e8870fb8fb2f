"""A table is read as its owner meant it: names, units, marks, dialects, formats, and in bounded memory."""

import csv
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from precip_sae.errors import TableError
from precip_sae.settings import DataSettings
from precip_sae.tables import delimited, parquet, read
from precip_sae.tables.read import read_table
from precip_sae.tables.values import numbers
from tests.tables.conftest import CLASSIFICATION, REGRESSION, good


def data(**changes: Any) -> DataSettings:
    return DataSettings(**(REGRESSION | changes))


def classes(**changes: Any) -> DataSettings:
    return DataSettings(**(CLASSIFICATION | changes))


def written(folder: Path, text: str, name: str = "t.csv", encoding: str = "utf-8") -> Path:
    (folder / name).write_bytes(text.encode(encoding))
    return folder / name


def test_csv_parquet_and_netcdf_give_the_same_columns(tmp_path: Path) -> None:
    frame = good()[["a", "b", "y"]]
    frame.to_csv(tmp_path / "t.csv", index=False)
    frame.to_csv(tmp_path / "t.tsv", index=False, sep="\t")
    frame.to_csv(tmp_path / "t.csv.gz", index=False)
    frame.to_parquet(tmp_path / "t.parquet")
    xr.Dataset.from_dataframe(frame).to_netcdf(tmp_path / "t.nc")
    for name in ("t.csv", "t.tsv", "t.csv.gz", "t.parquet", "t.nc"):
        pd.testing.assert_frame_equal(read_table(tmp_path / name, data()), frame, check_index_type=False, obj=name)


def test_columns_go_by_the_names_that_the_task_gives_them(tmp_path: Path) -> None:
    path = written(tmp_path, "2mt,bin_3,y\n1,2,3\n4,5,6\n")
    frame = read_table(path, data(file={"columns": {"a": "2mt", "b": "bin_3"}}))
    assert frame.to_dict("list") == {"a": [1, 4], "b": [2, 5], "y": [3, 6]}


def test_a_column_of_categories_is_one_input_for_each_value_that_is_named(tmp_path: Path) -> None:
    path = written(tmp_path, "ground,a,y\nsnow,1,3\ngrass,4,6\n,2,2\nsnow ,3,3\n")
    settings = data(predictors=["a", "surface=snow", "surface = grass"], file={"columns": {"surface": "ground"}})
    frame = read_table(path, settings)
    assert frame["surface=snow"].tolist()[:2] == [1.0, 0.0]
    assert frame["surface = grass"].tolist()[1] == 1.0
    assert np.isnan(frame["surface=snow"].tolist()[2])
    assert frame["surface=snow"].tolist()[3] == 1.0
    # a column that is really called so is that column
    path = written(tmp_path, "a=b,y\n7,3\n")
    assert read_table(path, data(predictors=["a=b"]))["a=b"].tolist() == [7.0]
    with pytest.raises(TableError, match="has no column 'kind'"):
        read_table(path, data(predictors=["kind=b"]))


def test_numbers_and_flags_of_a_file_are_categories_too(tmp_path: Path) -> None:
    flags = {"flag_values": [0, 1], "flag_meanings": "grass snow"}
    ground = ("row", np.array([0, 1, 1]), flags)
    xr.Dataset({"ground": ground, "y": ("row", [1.0, 2.0, 3.0])}).to_netcdf(tmp_path / "t.nc")
    frame = read_table(tmp_path / "t.nc", data(predictors=["ground=snow"]))
    assert frame["ground=snow"].tolist() == [0.0, 1.0, 1.0]
    path = written(tmp_path, "month,y\n1,3\n12,6\n")
    assert read_table(path, data(predictors=["month=12"]))["month=12"].tolist() == [0.0, 1.0]


def test_a_list_of_files_is_one_table_in_its_own_order(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    written(tmp_path, "a,b,y\n1,2,3\n", "late.csv")
    written(tmp_path / "old", "b,a,y\n5,4,6\n", "early.csv")
    (tmp_path / "all.yaml").write_text("- old/early.csv\n- late.csv\n")
    assert read_table(tmp_path / "all.yaml", data()).to_dict("list") == {"a": [4, 1], "b": [5, 2], "y": [6, 3]}


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("late.csv", "is no list of files"),
        ("[]", "is no list of files"),
        ("- 3", "is no list of files"),
        ("[a: [", "cannot be read as a list of files"),
        ("- late.csv\n- late.csv", "late.csv is listed more than once"),
        ("- all.yaml", "names all.yaml, which is a list itself"),
        ("- none.csv", "none.csv: no such file"),
        ("- '*.nc'", "no file matches this pattern"),
    ],
)
def test_a_list_that_names_no_table_is_one_sentence(content: str, sentence: str, tmp_path: Path) -> None:
    written(tmp_path, "a,b,y\n1,2,3\n", "late.csv")
    (tmp_path / "all.yaml").write_text(content)
    with pytest.raises(TableError, match=sentence) as refused:
        read_table(tmp_path / "all.yaml", data())
    assert "\n" not in str(refused.value)


def test_files_in_other_units_are_converted_to_one_or_refused(tmp_path: Path) -> None:
    folder = tmp_path / "months"
    folder.mkdir()
    for name, unit, value in (("a", {"units": "K"}, 273.15), ("b", {"units": "degC"}, 0.0), ("c", {}, 0.0)):
        columns = {"T": ("time", np.full(2, value), unit), "y": ("time", np.arange(2.0))}
        xr.Dataset(columns).to_netcdf(folder / f"{name}.nc")
    settings = data(predictors=["T"])
    with pytest.raises(TableError, match=r"'T' is in 'K' in a\.nc and in 'degC' in b\.nc, expected one unit, or"):
        read_table(folder, settings)
    converted = data(predictors=["T"], units={"T": "°C"})
    with pytest.raises(TableError, match=r"'T' is in 'K' in a\.nc, and c\.nc does not say in which unit"):
        read_table(folder, converted)
    (folder / "c.nc").unlink()
    assert read_table(folder, converted)["T"].tolist() == [0.0] * 4
    (folder / "a.nc").unlink()
    assert read_table(folder, settings)["T"].tolist() == [0.0] * 2


def test_a_category_that_looks_like_a_missing_value_is_one_where_a_predictor_names_it(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("region,y\nNA,1\nEU,2\n,3\n")
    found = read_table(path, data(predictors=["region=NA", "region=EU"]))
    np.testing.assert_array_equal(found["region=NA"], [1, 0, np.nan])
    np.testing.assert_array_equal(found["region=EU"], [0, 1, np.nan])


def test_stated_units_are_converted_and_others_left_alone(tmp_path: Path) -> None:
    path = written(tmp_path, "a,b,y\n273.15,1013,3.6\n")
    settings = data(
        file={"units": {"a": "K", "b": "hPa", "y": "km/h"}}, units={"a": "°C", "b": "kPa", "y": "m s-1", "label": "mm"}
    )
    frame = read_table(path, settings)
    np.testing.assert_allclose(frame.to_numpy(), [[0.0, 101.3, 1.0]], atol=1e-12)
    assert read_table(path, data(units={"a": "°C"}))["a"].tolist() == [273.15]


def test_a_netcdf_file_is_taken_at_its_word(tmp_path: Path) -> None:
    """Units, packing, fill values, flags, times and one entry of a second dimension."""
    count = 4
    dataset = xr.Dataset(
        {
            "t2m": ("time", [273.15, 274.15, np.nan, 275.15], {"units": "K"}),
            "Ze": (("time", "range"), np.arange(12.0).reshape(count, 3), {"units": "dBZ"}),
            "phase": ("time", np.array([0, 1, 1, 0], np.int8), {"flag_values": np.array([0, 1], np.int8),
                                                                 "flag_meanings": "Rain Snow"}),
        },
        {"time": pd.date_range("2020-01-01", periods=count, freq="5min")},
    )  # fmt: skip
    dataset.to_netcdf(
        tmp_path / "t.nc",
        encoding={"t2m": {"dtype": "i2", "scale_factor": 0.01, "add_offset": 270, "_FillValue": -999}},
    )
    settings = classes(
        response="phase", time="time", units={"a": "degC", "b": "dBZ"}, file={"columns": {"a": "t2m", "b": "Ze[2]"}}
    )
    table = read.read(tmp_path / "t.nc", settings)
    np.testing.assert_allclose(table.frame["a"], [0, 1, np.nan, 2], atol=0.005)
    assert table.frame["b"].tolist() == [2, 5, 8, 11]
    assert table.frame["phase"].tolist() == ["Rain", "Snow", "Snow", "Rain"]
    assert table.frame["time"].iloc[1] == pd.Timestamp("2020-01-01 00:05")
    assert table.units == {"a": "K", "b": "dBZ"}
    assert "Ze[0]" in table.columns


def test_a_length_of_time_is_a_number_in_its_unit(tmp_path: Path) -> None:
    hours = xr.Dataset({"a": ("time", [1.0, 36.0], {"units": "hours"}), "y": ("time", [0.0, 1.0])})
    hours.to_netcdf(tmp_path / "t.nc")
    settings = data(predictors=["a"], units={"a": "min"})
    assert read_table(tmp_path / "t.nc", settings)["a"].tolist() == [60, 2160]


def test_marks_of_numbers_in_text_leave_numbers_alone(tmp_path: Path) -> None:
    frame = pd.DataFrame({"a": [1.5, 2.5], "b": [b"3,5", b" 4,5"], "y": [0.0, 1.0]})
    frame.to_parquet(tmp_path / "t.parquet")
    settings = data(file={"decimal": ",", "thousands": ".", "delimiter": ";"})
    assert read_table(tmp_path / "t.parquet", settings)[["a", "b"]].to_numpy().tolist() == [[1.5, 3.5], [2.5, 4.5]]


def test_rows_may_be_the_second_dimension(tmp_path: Path) -> None:
    ze = np.arange(12.0).reshape(3, 4)
    one = {name: ("time", np.arange(4.0)) for name in ("a", "y")}
    xr.Dataset(one | {"Ze": (("range", "time"), ze)}).to_netcdf(tmp_path / "t.nc")
    frame = read_table(tmp_path / "t.nc", data(file={"columns": {"b": "Ze[1]"}}))
    assert frame["b"].tolist() == ze[1].tolist()


@pytest.mark.parametrize(
    ("text", "file", "expected"),
    [
        ("a;b;y\n1,5;2;3\n", {"delimiter": ";", "decimal": ","}, [1.5, 2, 3]),
        ("a;b;y\n1.234,5;2;3\n", {"delimiter": ";", "decimal": ",", "thousands": "."}, [1234.5, 2, 3]),
        ("a;b;y\n1,234,567.5;-12,345;3\n", {"delimiter": ";", "thousands": ","}, [1234567.5, -12345, 3]),
        ("a b y\n1 +2 3e2\n", {"delimiter": " "}, [1, 2, 300]),
        ("Station 7\n\na,b,y\nm,m,m\n1,2,3\n", {"skip_rows": 2, "skip_after_names": 1}, [1, 2, 3]),
        ('"a","b","y"\n"1","2","3"\n', {}, [1, 2, 3]),
        (" a , b,y\n 1 , 2,3\r\n", {}, [1, 2, 3]),
        ('note,a,b,y\n"two\nlines",1,2,3\n', {}, [1, 2, 3]),
    ],
    ids=["decimal comma", "both", "thousands", "signs", "lines above and below", "quotes", "blanks", "line in a cell"],
)  # fmt: skip
def test_dialects_of_csv(tmp_path: Path, text: str, file: dict[str, Any], expected: list[float]) -> None:
    assert read_table(written(tmp_path, text), data(file=file)).to_numpy().tolist() == [expected]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1", "utf-16"])
def test_encodings_of_csv(tmp_path: Path, encoding: str) -> None:
    path = written(tmp_path, "höhe,b,y,ort\n1,2,3,Québec\n", encoding=encoding)
    file = {"columns": {"a": "höhe"}} | ({} if encoding.startswith("utf-8") else {"encoding": encoding})
    frame = read_table(path, data(file=file, groups="ort"))
    assert (frame["a"].tolist(), frame["ort"].tolist()) == ([1], ["Québec"])


def test_marks_of_missing_values_are_missing_and_a_class_called_none_is_not(tmp_path: Path) -> None:
    path = written(tmp_path, "a,b,label\n-999,M,None\nNA,2,Rain\n1,-999.0,\n")
    frame = read_table(path, classes(classes=["None", "Rain"], file={"missing_marks": [-999, "-999.0", "M"]}))
    np.testing.assert_array_equal(frame["a"], [np.nan, np.nan, 1])
    np.testing.assert_array_equal(frame["b"], [np.nan, 2, np.nan])
    assert frame["label"].fillna("missing").tolist() == ["None", "Rain", "missing"]


def test_marks_of_missing_values_in_numbers(tmp_path: Path) -> None:
    pd.DataFrame({"a": [-999.0, 1], "b": [1, -9999], "y": [0.0, 0.0]}).to_parquet(tmp_path / "t.parquet")
    frame = read_table(tmp_path / "t.parquet", data(file={"missing_marks": [-999, "-9999", "M"]}))
    np.testing.assert_array_equal(frame[["a", "b"]], [[np.nan, 1], [1, np.nan]])


@pytest.mark.parametrize(
    ("times", "pattern"),
    [
        (["2020-01-31 06:00", "2020-02-01"], None),
        (["2020-01-31T01:00-05:00", "2020-01-31T20:00-04:00"], None),
        (["31.01.2020 06:00", "01.02.2020 00:00"], "%d.%m.%Y %H:%M"),
        (["1580450400", "1580515200"], "unix"),
    ],
)
def test_times_in_several_styles_are_the_same_times(tmp_path: Path, times: list[str], pattern: str | None) -> None:
    path = written(tmp_path, "t,a,b,y\n" + "".join(f"{t},1,2,3\n" for t in times))
    read_times = read_table(path, data(time="t", time_format=pattern))["t"]
    assert read_times.tolist() == [pd.Timestamp("2020-01-31 06:00"), pd.Timestamp("2020-02-01")]


def test_labels_that_are_numbers_do_not_depend_on_how_the_file_holds_them(tmp_path: Path) -> None:
    for name, labels in {"whole": [0, 1, 1], "float": [0.0, 1.0, np.nan], "category": ["0", "1", "1"]}.items():
        frame = pd.DataFrame({"a": [1.0, 2, 3], "b": [1.0, 2, 4], "label": labels})
        frame = frame.astype({"label": "category"}) if name == "category" else frame
        frame.to_parquet(tmp_path / "t.parquet")
        found = read_table(tmp_path / "t.parquet", classes(classes=["0", "1"]))["label"]
        assert found.tolist()[:2] == ["0", "1"], name


def test_a_label_does_not_depend_on_what_else_its_piece_of_the_file_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stations = [1.0, 2.0, np.nan, 1.0, 2.5, 1e300, -0.0, 2.0**53]
    pd.DataFrame({"a": 1.0, "b": 2.0, "y": 3.0, "station": stations}).to_parquet(tmp_path / "t.parquet")
    monkeypatch.setattr(parquet, "PIECE_ROWS", 3)
    found = read_table(tmp_path / "t.parquet", data(groups="station"))["station"]
    assert found.dropna().tolist() == ["1", "2", "1", "2.5", "1e+300", "0", "9007199254740992.0"]
    assert found.isna().tolist() == [station != station for station in stations]


def test_columns_of_truth_values_and_whole_numbers_are_numbers(tmp_path: Path) -> None:
    frame = pd.DataFrame({"a": [True, False], "b": pd.array([1, None], "Int64"), "y": np.array([1, 2], np.int8)})
    frame.to_parquet(tmp_path / "t.parquet")
    np.testing.assert_array_equal(read_table(tmp_path / "t.parquet", data()), [[1, 1, 1], [0, np.nan, 2]])


def test_one_row_in_so_many_is_taken_across_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    frame = pd.DataFrame({"a": np.arange(1000.0), "b": 1.0, "y": 2.0})
    frame.to_parquet(tmp_path / "t.parquet")
    monkeypatch.setattr(parquet, "PIECE_ROWS", 13)
    table = read.read(tmp_path / "t.parquet", data(file={"every": 7}))
    assert table.frame["a"].tolist() == list(range(0, 1000, 7))
    assert table.frame.index.tolist() == list(range(0, 1000, 7))
    assert table.rows == 1000


def test_more_rows_than_memory_is_meant_for_are_refused_with_a_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pd.DataFrame({"a": np.arange(1000.0), "b": 1.0, "y": 2.0}).to_parquet(tmp_path / "t.parquet")
    monkeypatch.setattr(parquet, "PIECE_ROWS", 50)
    monkeypatch.setattr(read, "MOST_ROWS", 300)
    with pytest.raises(TableError, match=r"more than 300 rows.*data\.file\.every, for example 4"):
        read_table(tmp_path / "t.parquet", data())
    assert len(read_table(tmp_path / "t.parquet", data(file={"every": 4}))) == 250


def test_the_progress_reaches_the_end(tmp_path: Path) -> None:
    good().to_csv(tmp_path / "t.csv", index=False)
    said: list[tuple[int, int]] = []
    read.read(tmp_path / "t.csv", data(), lambda done, whole: said.append((done, whole)))
    assert said[-1][0] == said[-1][1] > 0


def test_rows_cut_short_are_left_out_where_asked_and_the_others_keep_their_numbers(tmp_path: Path) -> None:
    path = written(tmp_path, "a,b,y\n1,2,3\n4,5\n\n7,8,9\n7,8,9,10\n1,x,2\n")
    settings = data(file={"bad_rows": "drop", "missing_marks": ["x"]})
    table = read.read(path, settings)
    assert table.frame[["a", "y"]].to_numpy().tolist() == [[1, 3], [7, 9], [1, 2]]
    assert table.frame.index.tolist() == [0, 2, 4]
    assert (table.rows, table.frame.attrs[read.BAD_ROWS]) == (5, 2)
    with pytest.raises(TableError, match=r"column 'b' holds 'x' in row 5"):
        read_table(path, data(file={"bad_rows": "drop"}))
    every = read.read(path, data(file={"bad_rows": "drop", "every": 4, "missing_marks": ["x"]}))
    assert (every.frame.index.tolist(), every.frame.attrs) == ([0, 4], {})


def test_months_in_files_of_their_own_are_one_table(tmp_path: Path) -> None:
    """In order of their names, whatever the order of their columns; some with a byte order mark, some zipped."""
    folder = tmp_path / "months"
    folder.mkdir()
    for month in range(1, 73):
        text = f"a,b,y\n{month},2,3\n{month},2.5,3\n"
        if month % 2:
            text = f"\ufeffb,y,a\n2,3,{month}\n2.5,3,{month}\n"
        written(folder, text, f"{month:02}.csv")
    (folder / ".DS_Store").write_bytes(b"\0")
    for place in (folder, tmp_path / "mon*" / "??.csv"):
        table = read.read(place, data())
        assert table.frame["a"].tolist() == [month for month in range(1, 73) for _ in range(2)]
        assert table.frame["b"].tolist() == [2, 2.5] * 72
        assert table.frame.index.tolist() == list(range(144))
    seventh = read.read(folder, data(file={"every": 7}))
    assert seventh.frame.index.tolist() == list(range(0, 144, 7))


@pytest.mark.parametrize("name", ["t.dat", "t.txt", "t", "t.asc.gz"])
def test_a_delimited_file_is_read_whatever_its_name_ends_in(tmp_path: Path, name: str) -> None:
    pd.DataFrame({"a": [1.0], "b": [2.0], "y": [3.0]}).to_csv(tmp_path / name, index=False, sep=";")
    settings = data(file={"format": "csv", "delimiter": ";"})
    assert read_table(tmp_path / name, settings).to_numpy().tolist() == [[1, 2, 3]]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "latin-1"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    notes=st.lists(st.text(alphabet='a",\nü ', max_size=12), min_size=1, max_size=12),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    size=st.integers(30, 80),
)
def test_a_row_is_whole_wherever_the_file_is_cut_into_blocks(
    tmp_path: Path, encoding: str, end: str, notes: list[str], quoting: Any, size: int
) -> None:
    notes = [note.strip() or "." for note in notes]
    path = tmp_path / "t.csv"
    with path.open("w", encoding=encoding, newline="") as stream:
        # Python's writer leaves a bare line feed as it is where lines end in carriage returns
        writer = csv.writer(stream, quoting=csv.QUOTE_ALL if end == "\r" else quoting, lineterminator=end)
        writer.writerows([["a", "label", "b"], *([k, note, k / 2] for k, note in enumerate(notes))])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(delimited, "BLOCK", size)
        frame = read_table(path, classes(file={"encoding": encoding}))
    assert frame["label"].tolist() == notes
    assert frame["a"].tolist() == list(range(len(notes)))


ABORTS = """
import sys
from precip_sae.cli import main
sys.exit(main(["table", "check", "short.csv", "--task", "task.yaml"]))
"""


@pytest.mark.slow
def test_a_line_cut_short_early_in_a_long_file_never_aborts_the_process(
    tmp_path: Path, task_file: Callable[[dict[str, Any]], Path]
) -> None:
    """A thread that still read the file when the interpreter ended did, in more than half of the runs."""
    rows, columns, short = 52_584, 28, 1_092
    numbers = np.random.default_rng(0).normal(10, 5, (rows, columns - 2)).round(2).astype(str)
    times = pd.date_range("2019-01-01", periods=rows, freq="h").strftime("%Y-%m-%dT%H:%M:%S")
    lines = [",".join(["time", "a", "b", "y", *(f"c{k}" for k in range(columns - 5)), "remark"])]
    lines += [",".join([f'"{t}"', *row, '"clear, calm"']) for t, row in zip(times, numbers, strict=True)]
    lines[short - 1] = ",".join(lines[short - 1].split(",")[:9])
    written(tmp_path, "\n".join(lines) + "\n", "short.csv")
    task_file(REGRESSION)
    for _ in range(200):
        done = subprocess.run([sys.executable, "-c", ABORTS], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 1, done.stderr
        assert done.stderr.startswith("short.csv: line 1092 holds 9 columns, expected 28"), done.stderr
        assert done.stderr.count("\n") == 1, done.stderr


MEASURE = """
import resource, sys
from pathlib import Path
from precip_sae.settings import DataSettings
from precip_sae.tables.read import read_table
settings = DataSettings(table="t", predictors=["c1"], response="c2", kind="regression", file={"every": 10})
read_table(Path(sys.argv[1]), settings)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
frame = read_table(Path(sys.argv[2]), settings)
print(len(frame), (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    """The second file is sixteen times as long as the first, 240 MB more, and may cost a quarter of that."""
    row = ",".join(["0.1234567"] * 40) + "\n"
    names = ",".join(f"c{k}" for k in range(40)) + "\n"
    for name, rows in (("small.csv", 50_000), ("large.csv", 800_000)):
        with (tmp_path / name).open("w") as stream:
            stream.write(names)
            for _ in range(rows // 1000):
                stream.write(row * 1000)
    command = [sys.executable, "-c", MEASURE, str(tmp_path / "small.csv"), str(tmp_path / "large.csv")]
    rows, grown = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    assert int(rows) == 80_000
    assert int(grown) < 60, f"{grown} MB more"


@settings(deadline=None, max_examples=200)
@given(st.lists(st.floats(allow_nan=False, width=64), min_size=1, max_size=20), st.sampled_from([".", ","]))
def test_every_number_survives_being_text(values: list[float], decimal: str) -> None:
    text = pd.Series([repr(v).replace(".", decimal) for v in values], dtype="str")
    np.testing.assert_array_equal(numbers(text, "a", "t.csv", decimal), values)


def test_the_columns_that_a_task_does_not_use_are_known_too(tmp_path: Path) -> None:
    good()[["a", "b", "y", "site"]].to_csv(tmp_path / "t.csv", index=False)
    assert read.columns_of(tmp_path / "t.csv", data()) == ["a", "b", "y", "site"]
    with pytest.raises(TableError, match="no such file"):
        read.columns_of(tmp_path / "other.csv", data())
