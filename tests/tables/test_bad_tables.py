"""Whatever is wrong with a file, a table or a setting: one sentence that names it, exit status 1, nothing written."""

import gzip
import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from precip_sae.cli import main
from precip_sae.errors import TableError
from precip_sae.settings import DataSettings
from precip_sae.table_check import check
from tests.damage import Changes, damaged, random_changes
from tests.tables.conftest import CLASSIFICATION, REGRESSION, ROWS, good

Write = Callable[[Path], Path]


def as_csv(name: str = "t.csv", **options: Any) -> Callable[[pd.DataFrame], Write]:
    """good() changed, as CSV."""

    def of(frame: pd.DataFrame) -> Write:
        def write(folder: Path) -> Path:
            frame.to_csv(folder / name, index=False, **options)
            return folder / name

        return write

    return of


def csv(**columns: Any) -> Write:
    """good() with other columns, as CSV."""
    return as_csv()(good().assign(**columns))


def spoilt(column: str, row: int, value: Any) -> Write:
    """good() with one other value, in the row counted from 1."""
    frame = good().astype({column: object})
    frame.loc[row - 1, column] = value
    return as_csv()(frame)


def text(content: str | bytes, name: str = "t.csv") -> Write:
    def write(folder: Path) -> Path:
        (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
        return folder / name

    return write


def plain() -> str:
    return good().to_csv(index=False)


def lines(change: Callable[[list[str]], list[str]]) -> Write:
    """good()'s lines, changed."""
    return text("\n".join(change(plain().splitlines())) + "\n")


def made(make: Callable[[Path], object], name: str) -> Write:
    def write(folder: Path) -> Path:
        make(folder / name)
        return folder / name

    return write


def parquet(frame: pd.DataFrame, keep: float = 1.0) -> Write:
    def write(folder: Path) -> Path:
        path = folder / "t.parquet"
        frame.to_parquet(path)
        path.write_bytes(path.read_bytes()[: int(keep * path.stat().st_size)])
        return path

    return write


def netcdf(units: dict[str, str] | None = None, keep: float = 1.0, **columns: Any) -> Write:
    def write(folder: Path) -> Path:
        import xarray as xr

        data = {name: ("time", good()[name].to_numpy()) for name in ("a", "b", "y")} | columns
        dataset = xr.Dataset({name: value for name, value in data.items() if value is not None})
        for name, unit in (units or {}).items():
            dataset[name].attrs["units"] = unit
        path = folder / "t.nc"
        dataset.to_netcdf(path)
        path.write_bytes(path.read_bytes()[: int(keep * path.stat().st_size)])
        return path

    return write


def several(files: dict[str, str | pd.DataFrame]) -> Write:
    """A folder of files."""

    def write(folder: Path) -> Path:
        (folder / "months").mkdir()
        for name, content in files.items():
            path = folder / "months" / name
            content.to_parquet(path) if isinstance(content, pd.DataFrame) else path.write_text(content)
        return folder / "months"

    return write


@dataclass
class Bad:
    write: Write
    expected: str
    data: dict[str, Any] = field(default_factory=dict)
    base: dict[str, Any] = field(default_factory=lambda: REGRESSION)


TIME = {"time": "time"}
HOURS = ("time", np.where(np.arange(ROWS) == 9, 1e300, np.arange(ROWS)), {"units": "hours since 2020-01-01"})
BAD = {
    # files
    "zero bytes": Bad(text(b""), r"t\.csv: is empty \(0 bytes\), expected a CSV"),
    "a folder": Bad(made(Path.mkdir, "t.csv"), r"t\.csv: is a folder without files, expected"),
    "no such file": Bad(made(lambda p: None, "t.csv"), r"t\.csv: no such file"),
    "a link to nowhere": Bad(
        made(lambda p: p.symlink_to("gone.csv"), "t.csv"), r"t\.csv: is a link to gone\.csv, which does not exist"
    ),
    "a pipe": Bad(made(os.mkfifo, "t.csv"), r"t\.csv: is no regular file"),
    "a spreadsheet": Bad(text(b"PK\x03\x04rest", "t.xlsx"), r"t\.xlsx: ends in '\.xlsx' and xarray cannot open it"),
    "no ending": Bad(text("a,b\n1,2\n", "table"), r"table: has no ending and xarray cannot open it"),
    "a parquet file cut short": Bad(parquet(good(), 0.9), r"t\.parquet: cannot be read as parquet"),
    "parquet that is text": Bad(text(plain(), "t.parquet"), r"t\.parquet: cannot be read as parquet"),
    "a netCDF file cut short": Bad(netcdf(keep=0.3), r"t\.nc: "),
    "netCDF that is text": Bad(text(plain(), "t.nc"), r"t\.nc: .*xarray"),
    "zip that is none": Bad(text(plain(), "t.csv.gz"), r"t\.csv\.gz: cannot be unzipped"),
    "zip cut short": Bad(text(gzip.compress(plain().encode())[:-900], "t.csv.gz"), r"t\.csv\.gz: cannot be unzipped"),
    "zip damaged within": Bad(
        text(damaged(gzip.compress(plain().encode()), [(0.3, 500, b"")]), "t.csv.gz"), r"t\.csv\.gz: cannot be unzip"
    ),
    # the text of a CSV file
    "semicolons": Bad(as_csv(sep=";")(good()), r"no column 'a', its only one is 'time;site;a.*delimiter ';'"),
    "tabs": Bad(as_csv(sep="\t")(good()), r"no column 'a'.*delimiter '\\t'\? Set data\.file\.delimiter"),
    "commas in a .tsv": Bad(as_csv("t.tsv")(good()), r"t\.tsv: has no column 'a'.*delimiter ','"),
    "latin-1": Bad(
        as_csv(encoding="latin-1")(good().assign(site="Québec")),
        r"is not text in utf-8.*data\.file\.encoding",
        {"groups": "site"},
    ),
    "latin-1 in the names": Bad(
        as_csv(encoding="latin-1")(good().rename(columns={"site": "québec"})), r"is not text in utf-8 \(byte 0xe9\)"
    ),
    "utf-16": Bad(as_csv(encoding="utf-16")(good()), r"begins with the mark of UTF-16, expected utf-8"),
    "utf-8 with its mark read as latin-1": Bad(
        as_csv(encoding="utf-8-sig")(good()),
        r"begins with the mark of UTF-8, expected latin-1: leave out",
        {"file": {"encoding": "latin-1"}},
    ),
    "utf-8 read as utf-16": Bad(as_csv()(good()), r"t\.csv: ", {"file": {"encoding": "utf-16"}}),
    "binary": Bad(text(bytes(range(256)) * 20), r"t\.csv: (is not text|holds NUL)"),
    "NUL bytes": Bad(text("a\0b,y\n1,2\n"), r"holds NUL bytes in its first line"),
    "blank line first": Bad(text("\n" + plain()), r"line 1 is empty, expected the column names"),
    "names only": Bad(text("a,b,y\n"), r"t\.csv: has columns but no rows"),
    "names only, no line end": Bad(text("a,b,y"), r"t\.csv: has columns but no rows"),
    "a row too long": Bad(
        lines(lambda x: [*x[:5], x[5] + ",9", *x[6:]]), r"line 6 holds 7 columns, expected 6 as in the line of names"
    ),
    "a row too short": Bad(lines(lambda x: [*x[:5], "2020-01-01,s", *x[6:]]), r"line 6 holds 2 columns, expected 6"),
    "a row too long that is no text": Bad(text(plain().encode() + b"\xff,1,2,3,4,5,6\n"), r"is not text in utf-8"),
    "a row too short after blank lines and a line end in a cell": Bad(
        text('a,b,y,note\n1,2,3,"two\nlines"\n\n1,2\n'), r"line 5 holds 2 columns, expected 4"
    ),
    "a quote never closed where bad rows are dropped": Bad(
        text('a,b,y\n1,2,3\n"1,2,3\n1,2,3\n1,2,3\n'),
        r"line 3 holds 1 columns after a quote over several lines, expected 3",
        {"file": {"bad_rows": "drop"}},
    ),
    "several files of which one lacks a column": Bad(
        several({"1.csv": "a,b,y\n1,2,3\n", "2.csv": "a,y\n1,2\n"}), r"months/2\.csv: has no column 'b'; .*known: a, y"
    ),
    "several files with a word in the second": Bad(
        several({"1.csv": "a,b,y\n1,2,3\n1,2,3\n", "2.csv": "a,b,y\n1,2,3\n1,x,3\n"}),
        r"months/2\.csv: column 'b' holds 'x' in row 2, expected numbers",
    ),
    "files of two kinds in a folder": Bad(
        several({"1.csv": "a,b,y\n1,2,3\n", "2.parquet": good()}),
        r"months: 2\.parquet is parquet and 1\.csv is CSV, expected files of one kind",
    ),
    "a pattern that matches nothing": Bad(
        made(lambda p: None, "2019-*.csv"), r"2019-\*\.csv: no file matches this pattern"
    ),
    "a delimited file of another ending": Bad(text(plain(), "t.dat"), r"data\.file\.format: csv reads delimited text"),
    "a quote never closed": Bad(lines(lambda x: [*x[:5], '"' + x[5], *x[6:]]), r"t\.csv: .*(columns|CSV)"),
    "a quote never closed in a long file": Bad(
        text("a,b,y\n" + '"1,2,3\n' + "1,2,3\n" * 500_000), r"a quote in it never closes, or a row is longer"
    ),
    "title lines above the names": Bad(
        text("Station 7\nmade by hand\n" + plain()), r"has no column 'a'; .*known: Station 7"
    ),
    "a column twice": Bad(text("a,b,y,a\n" + "1,2,3,4\n" * 9), r"has 2 columns 'a', expected one"),
    "a misspelt column": Bad(
        as_csv()(good().rename(columns={"b": "B2"})), r"no column 'b'; .*known: time, site, a, B2"
    ),
    "a million columns": Bad(
        lambda path: text(",".join(f"c{k}" for k in range(1_000_000)) + "\n" + "1," * 999_999 + "1\n")(path),
        r"has no column 'a'; .*known: c0, .* and 999980 more",
    ),
    # numbers
    "a word among numbers": Bad(spoilt("a", 18, "warm"), r"column 'a' holds 'warm' in row 18, expected numbers"),
    "a word far down": Bad(
        text("a,b,y\n" + "1,2,3\n" * 400_000 + "x,2,3\n"), r"column 'a' holds 'x' in row 400001, expected numbers"
    ),
    "thousands": Bad(spoilt("b", 3, "1,234.5"), r"'b' holds '1,234\.5' in row 3.*data\.file\.thousands: ','"),
    "thousands as points": Bad(spoilt("b", 3, "1.234.567"), r"'b' holds '1\.234\.567' in row 3.*thousands: '\.'"),
    "thousands as apostrophes": Bad(spoilt("b", 3, "1'234"), r"'b' holds \"1'234\" in row 3.*data\.file\.thousands"),
    "decimal commas": Bad(
        as_csv(sep=";", decimal=",")(good()),
        r"'a' holds '\d,\d+' in row 1.*data\.file\.decimal: ','",
        {"file": {"delimiter": ";"}},
    ),
    "units in the second line": Bad(
        lines(lambda x: [x[0], "UTC,,degC,hPa,mm,", *x[1:]]), r"'a' holds 'degC' in row 1, expected numbers"
    ),
    "complex numbers": Bad(csv(a="1+2j"), r"column 'a' holds '1\+2j' in row 1"),
    "booleans as words": Bad(csv(a="yes"), r"column 'a' holds 'yes' in row 1"),
    "dates where numbers should be": Bad(
        parquet(good().assign(a=pd.Timestamp("2020"))), r"column 'a' holds datetime64\[.*\], expected numbers"
    ),
    "lists in parquet": Bad(
        parquet(good().assign(a=[[1.0]] * ROWS)), r"column 'a' holds .* in row 1, expected numbers"
    ),
    "lengths of time": Bad(
        parquet(good().assign(a=pd.to_timedelta(np.arange(ROWS), "h"))),
        r"'a' holds timedelta64\[.*\], expected numbers",
    ),
    "values beyond arithmetic": Bad(
        spoilt("a", 7, 1e300), r"column 'a' holds values so far apart.*data\.file\.missing_marks"
    ),
    "nothing but infinities": Bad(csv(a=np.inf), r"column 'a' holds no usable value, expected numbers"),
    "nothing at all": Bad(csv(b=np.nan), r"column 'b' holds no usable value, expected numbers"),
    "an undeclared mark of missing": Bad(spoilt("a", 4, "M"), r"'a' holds 'M' in row 4.*data\.file\.missing_marks"),
    "no logarithm": Bad(
        csv(a=-1.0),
        r"column 'a' holds no usable value, expected positive numbers to take the log10 of",
        {"transforms": {"a": "log10"}},
    ),
    "a constant column": Bad(csv(b=3.25), r"column 'b' is constant in the training part, expected it to vary"),
    "constant until the test": Bad(csv(b=np.repeat([1.0, 2.0], [150, 50])), r"column 'b' is constant in the training"),
    "missing refused": Bad(
        spoilt("a", 7, ""),
        r"column 'a' is missing or infinite in 1 rows, and data\.missing is 'refuse'",
        {"missing": "refuse"},
    ),
    "no median": Bad(
        csv(a=good()["a"].where(np.arange(ROWS) > 130)),
        r"column 'a' holds no number in the training part",
        {"missing": "median"},
    ),
    # units
    "units that disagree": Bad(
        netcdf({"a": "K"}),
        r"column 'a' says that its unit is 'K', and data\.file\.units says 'degC'",
        {"file": {"units": {"a": "degC"}}, "units": {"a": "K"}},
    ),
    "units of different things": Bad(
        as_csv()(good()),
        r"column 'a': is in 'hPa', expected a unit that converts to 'm/s'",
        {"file": {"units": {"a": "hPa"}}, "units": {"a": "m/s"}},
    ),
    "a netCDF unit of another thing": Bad(
        netcdf({"b": "m"}), r"column 'b': is in 'm', expected", {"units": {"b": "K"}}
    ),
    "an unknown unit": Bad(
        as_csv()(good()),
        r"column 'a': the unit 'furl/s' is not known",
        {"file": {"units": {"a": "furl/s"}}, "units": {"a": "m/s"}},
    ),
    "a unit and nothing to convert to": Bad(
        as_csv()(good()),
        r"data\.file\.units says 'hPa' for 'a', and data\.units does not say",
        {"file": {"units": {"a": "hPa"}}},
    ),
    # times
    "dates with points": Bad(
        spoilt("time", 5, "31.01.2020"), r"column 'time' holds '31\.01\.2020' in row 5, expected ISO", TIME
    ),
    "dates with slashes": Bad(
        csv(time="01/31/2020"), r"column 'time' holds '01/31/2020' in row 1.*data\.time_format", TIME
    ),
    "dates with words": Bad(csv(time="Jan 31 2020"), r"'time' holds 'Jan 31 2020' in row 1", TIME),
    "three styles": Bad(
        csv(time=np.resize(["2020-01-31", "31.01.2020", "1/31/20"], ROWS)),
        r"'time' holds '31\.01\.2020' in row 2",
        TIME,
    ),
    "another pattern": Bad(
        as_csv()(good()),
        r"'time' holds '2020-01-01 00:00' in row 1, expected the pattern %d\.%m\.%Y",
        TIME | {"time_format": "%d.%m.%Y"},
    ),
    "no such pattern": Bad(
        as_csv()(good()),
        r"data\.time_format is '%Q', expected a pattern of strptime",
        TIME | {"time_format": "%Q"},
    ),
    "a pattern that asks twice": Bad(
        as_csv()(good()), r"data\.time_format is '%Y%Y', expected a pattern", TIME | {"time_format": "%Y%Y"}
    ),
    "no such day": Bad(spoilt("time", 9, "2021-02-30"), r"'time' holds '2021-02-30' in row 9", TIME),
    "a missing time": Bad(spoilt("time", 9, None), r"'time' misses 1 values, the first in row 9", TIME),
    "milliseconds": Bad(
        csv(time=1577836800000),
        r"'time' holds 1577836800000, expected seconds since 1970",
        TIME | {"time_format": "unix"},
    ),
    "times repeated": Bad(
        spoilt("time", 2, "2020-01-01 00:00"),
        r"'time' holds 2020-01-01 00:00:00 more than once \(1 such rows\)",
        TIME | {"repeated_times": "refuse"},
    ),
    "a time without a zone of its own": Bad(csv(time="25:61"), r"'time' holds '25:61' in row 1", TIME),
    # labels
    "a category never named": Bad(
        spoilt("label", 150, "Hail"),
        r"response 'label' holds \"Hail\" \(1\), expected the classes Rain, Snow",
        base=CLASSIFICATION,
    ),
    "another spelling": Bad(spoilt("label", 1, "rain"), r"'label' holds \"rain\" \(1\), expected", base=CLASSIFICATION),
    "a class with two rows": Bad(
        csv(label=np.where(np.arange(ROWS) < 2, "Rain", "Snow")),
        r"holds 2 rows of class 'Rain' of response 'label', expected at least 5",
        base=CLASSIFICATION,
    ),
    "a class in the test part alone": Bad(
        csv(label=np.where(np.arange(ROWS) > 170, "Rain", "Snow")), r"holds 0 rows of class 'Rain'", base=CLASSIFICATION
    ),
    "no label": Bad(csv(label=np.nan), r"0 usable rows of 200, expected at least 84", base=CLASSIFICATION),
    "a constant response": Bad(csv(y=1.0), r"response 'y' is constant in the training part"),
    "no response": Bad(csv(y=np.nan), r"response 'y' holds no number\."),
    "response beyond float32": Bad(
        csv(y=good()["y"] * 1e300 + 1e300), r"response 'y' holds no number within the range of"
    ),
    # rows and groups
    "too few rows": Bad(as_csv()(good().head(60)), r"60 usable rows of 60, expected at least 84"),
    "one group": Bad(
        csv(site="here"), r"the 1 groups of column 'site' leave the part .* with 0 rows", {"groups": "site"}
    ),
    "a row of no group": Bad(spoilt("site", 3, None), r"column 'site' of groups misses 1 values", {"groups": "site"}),
    "columns of two lengths": Bad(
        netcdf(b=("height", np.arange(5.0))), r"column 'b' runs along 'height', expected 'time' as the others do"
    ),
    "a time beyond all times": Bad(
        netcdf(time=HOURS), r"t\.nc: cannot be read with xarray \(time values outside", TIME
    ),
    "such a time among the columns": Bad(
        netcdf(when=HOURS), r"column 'when' cannot be read \(time values outside", {"time": "when"}
    ),
    "a category of a column that is not there": Bad(
        csv(), r"no column 'q' \(for 'q=hail'\); known", {"predictors": ["a", "q=hail"]}
    ),
    "an entry that is not there": Bad(
        netcdf(Ze=(("time", "range"), np.ones((ROWS, 3)))),
        r"no column 'Ze\[3\]' \(data\.file\.columns names it for 'b'\)",
        {"file": {"columns": {"b": "Ze[3]"}}},
    ),
    # settings
    "an unknown key": Bad(
        as_csv()(good()),
        r"task\.yaml: data\.file\.delimeter is not a known key; did you mean 'delim",
        {"file": {"delimeter": ";"}},
    ),
    "two characters between columns": Bad(
        as_csv()(good()), r"task\.yaml: data\.file\.delimiter is", {"file": {"delimiter": ", "}}
    ),
    "an encoding nobody knows": Bad(
        as_csv()(good()), r"encoding is 'utf-9', expected one", {"file": {"encoding": "utf-9"}}
    ),
    "an encoding of no text": Bad(as_csv()(good()), r"encoding is 'rot13', expected", {"file": {"encoding": "rot13"}}),
    "an encoding of names": Bad(as_csv()(good()), r"encoding is 'punycode', exp", {"file": {"encoding": "punycode"}}),
    "a delimiter beyond ASCII": Bad(as_csv()(good()), r"delimiter is 'é', expected", {"file": {"delimiter": "é"}}),
    "a quote as delimiter": Bad(as_csv()(good()), r"delimiter is '\"', expected", {"file": {"delimiter": '"'}}),
    "one mark for two things": Bad(
        as_csv()(good()),
        r"thousands and decimal are both ','",
        {"file": {"thousands": ",", "decimal": ",", "delimiter": ";"}},
    ),
    "thousands that part the columns": Bad(
        as_csv()(good()), r"delimiter and thousands are both ','", {"file": {"thousands": ","}}
    ),
    "a column of the file that nobody uses": Bad(
        as_csv()(good()),
        r"data\.file\.columns names 'c', which the task does not use",
        {"file": {"columns": {"c": "a"}}},
    ),
    "a mapping to nothing": Bad(
        as_csv()(good()), r"no column 'A7' \(data\.file\.columns names it for 'a'\)", {"file": {"columns": {"a": "A7"}}}
    ),
    "a transform nobody knows": Bad(
        as_csv()(good()), r"task\.yaml: data\.transforms\.a is 'ln'", {"transforms": {"a": "ln"}}
    ),
    "a transform of a stranger": Bad(
        as_csv()(good()), r"transforms names y, which is not", {"transforms": {"y": "sqrt"}}
    ),
    "a pattern without a column": Bad(as_csv()(good()), r"time_format and repeated_times need", {"time_format": "%Y"}),
    "time as a predictor": Bad(as_csv()(good()), r"a is the time column and also a predictor", {"time": "a"}),
    "an order of no groups": Bad(as_csv()(good()), r"shuffle_groups needs the name of a column", {"shuffle_groups": 1}),
    "a label for no class": Bad(
        as_csv()(good()), r"labels has 'Sleet: Ice', expected a class", {"labels": {"Sleet": "Ice"}}, CLASSIFICATION
    ),
    "a class kept and dropped": Bad(
        as_csv()(good()), r"Rain stands in classes and in drop_classes", {"drop_classes": ["Rain"]}, CLASSIFICATION
    ),
    "no row at all wanted": Bad(as_csv()(good()), r"data\.file\.every is 0", {"file": {"every": 0}}),
}


@pytest.mark.parametrize("name", BAD)
def test_a_mistake_is_answered_by_one_sentence_that_names_it(
    name: str, tmp_path: Path, task_file: Callable[[dict[str, Any]], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    bad = BAD[name]
    table = bad.write(tmp_path)
    task = task_file(bad.base | bad.data)
    there = sorted(tmp_path.iterdir())
    assert main(["table", "check", str(table), "--task", str(task)]) == 1
    said = capsys.readouterr().err.strip()
    assert said.count("\n") == 0, said
    assert re.search(bad.expected, said), said
    assert said.endswith((".", "?")), said
    assert len(said) < 700, said
    assert "failed in a way it should not" not in said
    assert sorted(tmp_path.iterdir()) == there


def test_the_list_of_mistakes_is_as_long_as_promised() -> None:
    assert len(BAD) >= 60


FORMATS = {"t.csv": as_csv(), "t.csv.gz": as_csv("t.csv.gz"), "t.parquet": parquet}


@settings(max_examples=150, deadline=None)
@given(
    name=st.sampled_from([*FORMATS, "t.nc"]),
    changes=random_changes(b'"', b",", b"\n", b"\r", b"\0", b"\xef\xbb\xbf", b"1e999"),
    task=st.sampled_from([REGRESSION, CLASSIFICATION, REGRESSION | TIME | {"groups": "site", "missing": "median"}]),
)
def test_a_damaged_file_is_used_or_answered_by_one_sentence(
    whole_files: dict[str, bytes],
    tmp_path_factory: pytest.TempPathFactory,
    name: str,
    changes: Changes,
    task: dict[str, Any],
) -> None:
    path = tmp_path_factory.getbasetemp() / name
    path.write_bytes(damaged(whole_files[name], changes))
    try:
        report = check(path, DataSettings(**task))
    except TableError as error:
        said = str(error)
    else:
        said = str(report.refusal or f"{path}: .")
    assert said.startswith(str(path)), said
    assert said.count("\n") == 0, said


@pytest.fixture(scope="module")
def whole_files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("whole")
    files = {name: write(good())(folder).read_bytes() for name, write in FORMATS.items()}
    return files | {"t.nc": netcdf()(folder).read_bytes()}
