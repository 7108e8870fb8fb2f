"""Published files to table: the way there and back, what a bad file costs, and the same bytes however it was run.

A few simulated days are written as archive files once; tests copy them, spoil the copy, and ingest it.
"""

import csv
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import netCDF4
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from precip_sae.archive import files, ingest, layout
from precip_sae.archive.deposit import archive_source, deposit_archive
from precip_sae.archive.ingest import Season, ingest_days, parts_folder
from precip_sae.archive.read_day import read_day
from precip_sae.archive.write import Folders, write_season
from precip_sae.cli import main
from precip_sae.errors import ArchiveError, OutputError, SettingsError, StageError, TableError
from precip_sae.files import read_json
from precip_sae.observations.deposit import REPORT
from precip_sae.observations.describe import read_source
from precip_sae.observations.schema import BY_NAME, GATES, validate
from precip_sae.paths import Paths
from precip_sae.settings import SimulationSettings
from precip_sae.simulation.deposit import deposit_simulation
from precip_sae.simulation.simulate import simulate
from tests.damage import Changes, damaged, random_changes

DAYS = 9

# How far an ingested value may lie from the simulated one. The table is rounded to four significant digits and the
# spectra are not; the radar's files and ERA5's hold single precision.
FOUR_DIGITS, SINGLE = 5.1e-4, 1.2e-7
RELATIVE = dict.fromkeys(("n0", "lambda", "Nt", "Rho", "Fs", "Dm"), FOUR_DIGITS)
RELATIVE |= dict.fromkeys(("Sr", "Rr", "T", "RH", "P", "WS", "ETH"), 1e-12)
RELATIVE |= dict.fromkeys([f"{name}_{k}" for k in GATES for name in ("reflectivity", "dv")], SINGLE)
RELATIVE |= dict.fromkeys(("t_15", "rh_15"), SINGLE)
LABELS = ("regime9", "regime3", "density", "temperature")


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Folders, pd.DataFrame]:
    """Archive files of a few simulated days, and the simulated table of these days."""
    root = tmp_path_factory.mktemp("archive")
    return Folders(root), write_season(root, records=3000, seed=11, days=DAYS)


@pytest.fixture(scope="module")
def short(written: tuple[Folders, pd.DataFrame], tmp_path_factory: pytest.TempPathFactory) -> Folders:
    """The files of the first two of these days: an archive for what does not depend on how many there are."""
    root = tmp_path_factory.mktemp("short") / "archive"
    later = [day for day in days_of(written[1]) if day not in days_of(written[1])[:2]]
    shutil.copytree(written[0].root, root, ignore=shutil.ignore_patterns(*(f"*{day}*" for day in later)))
    return Folders(root)


@pytest.fixture
def copy(short: Folders, tmp_path: Path) -> Folders:
    """The files of two days again, for spoiling."""
    shutil.copytree(short.root, tmp_path / "archive")
    return Folders(tmp_path / "archive")


@pytest.fixture
def long_copy(written: tuple[Folders, pd.DataFrame], tmp_path: Path) -> Folders:
    """The files of all days again, for spoiling."""
    shutil.copytree(written[0].root, tmp_path / "long")
    return Folders(tmp_path / "long")


def ingested(folders: Folders, out: Path, profile: bool = True, **options: object) -> tuple[pd.DataFrame, Season]:
    found = layout.find_days(folders.pip, folders.weather, folders.radar, folders.profile if profile else None, "MQT")
    season = ingest_days(found, "MQT", profile, parts_folder(out), **{"workers": 1, **options})
    return pd.read_parquet(deposit_archive(out, season, "MQT", profile)), season


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture(scope="module")
def whole(written: tuple[Folders, pd.DataFrame], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, pd.DataFrame]:
    """The table of the untouched files, and its folder."""
    out = tmp_path_factory.mktemp("whole") / "data"
    return out, ingested(written[0], out)[0]


@pytest.fixture(scope="module")
def two_days(short: Folders, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, pd.DataFrame]:
    """The table of the untouched files of two days, and its folder."""
    out = tmp_path_factory.mktemp("two_days") / "data"
    return out, ingested(short, out)[0]


# There and back ------------------------------------------------------------------------------------------------------


def test_every_column_comes_back_within_its_tolerance(
    written: tuple[Folders, pd.DataFrame], whole: tuple[Path, pd.DataFrame]
) -> None:
    simulated, table = written[1], whole[1]
    measured = [name for name in BY_NAME if name not in ("melted", "riming", "phase")]
    assert list(table.columns) == measured, "what only a simulation knows is not in an archive"
    assert set(measured) == {"time", "storm", *LABELS, *RELATIVE}
    assert (table["time"].to_numpy() == simulated["time"].to_numpy()).all()
    for name, tolerance in RELATIVE.items():
        np.testing.assert_allclose(table[name], simulated[name], rtol=tolerance, atol=0, equal_nan=True, err_msg=name)
    for name in LABELS:
        assert (table[name] == simulated[name]).all(), name
    assert simulated["reflectivity_29"].isna().any()
    assert simulated["reflectivity_29"].notna().any()


def test_storms_are_what_lies_between_pauses_of_six_hours(whole: tuple[Path, pd.DataFrame]) -> None:
    table = whole[1]
    begins = table["time"].diff() > pd.Timedelta("6h")
    assert (table["storm"] == begins.cumsum()).all()
    assert table["storm"].max() > 1


def test_the_table_is_valid_with_and_without_profiles(
    short: Folders, two_days: tuple[Path, pd.DataFrame], tmp_path: Path
) -> None:
    assert len(validate(two_days[1])) == len(two_days[1])
    table, _ = ingested(short, tmp_path / "data", profile=False)
    assert list(table.columns) == [c for c in two_days[1].columns if c not in ("t_15", "rh_15")]
    pd.testing.assert_frame_equal(validate(table), two_days[1].drop(columns=["t_15", "rh_15"]))


def test_a_simulated_archive_does_not_pass_as_measured(whole: tuple[Path, pd.DataFrame]) -> None:
    source = read_json(whole[0] / "source.json")
    assert source["kind"] == "archive"
    assert source["simulated"] is True
    assert "seed 11: not a measurement" in source["simulation"]
    assert "are simulated" in (whole[0] / "README.md").read_text()
    assert (source["days"], source["days_read"], source["days_lost"]) == (DAYS, DAYS, 0)


def test_files_that_do_not_say_so_are_not_called_simulated() -> None:
    outcome = ingest.Outcome("2019-01-05", "k", "f", rows=3, periods=4, dropped={"fit": 1})
    dry = ingest.Outcome("2019-01-07", "m", "h")
    silent = ingest.Outcome("2019-01-08", "n", "i", periods=2, dropped={"radar": 2})
    lost = ingest.Outcome("2019-01-06", "l", "g", reason="no psd file of the day, expected one.")
    source = archive_source(Season((outcome, lost), ()), "MQT", profile=False)
    assert (source["simulated"], source["days_lost"], source["periods_dropped"]) == (False, 1, 1)
    assert source["doi"] == "10.7302/37yx-9q53"
    source = archive_source(Season((outcome, lost, dry, silent), ()), "MQT", profile=False)
    assert source["days_without_precipitation"] == 1, "not the day whose radar was off while it rained"


# Bad files -----------------------------------------------------------------------------------------------------------


def pip_file(folders: Folders, date: str, kind: str) -> Path:
    product = next(p for p in layout.PIP_PRODUCTS if p.kind == kind)
    return layout.pip_folder(folders.pip, date[:4], "MQT", product) / layout.pip_name("MQT", date, product)


def edited(path: Path, edit: Callable[[netCDF4.Dataset], None]) -> None:
    with netCDF4.Dataset(path, "a") as file:
        file.set_auto_maskandscale(False)
        edit(file)


def rewritten(path: Path, minutes: np.ndarray) -> None:
    """The file with other minutes of the day as its time coordinate; what else it holds follows."""
    with netCDF4.Dataset(path) as old, netCDF4.Dataset(path.with_suffix(".new"), "w") as new:
        old.set_auto_maskandscale(False)
        for name, dimension in old.dimensions.items():
            new.createDimension(name, len(minutes) if name == "time" else len(dimension))
        for name, variable in old.variables.items():
            made = new.createVariable(name, variable.dtype, variable.dimensions)
            made.units = getattr(variable, "units", "")
            values = variable[...]
            made[...] = (
                minutes if name == "time" else values[: len(minutes)] if "time" in variable.dimensions else values
            )
    path.with_suffix(".new").replace(path)


def damage(path: Path) -> None:
    """Overwrites the compressed values of a netCDF-4 file and leaves its structure alone."""
    content = bytearray(path.read_bytes())
    # the first zlib stream of the largest variable: deflate level 2 begins with these two bytes
    at = max(range(len(content) - 1), key=lambda k: (content[k : k + 2] == b"\x78\x5e", k))
    content[at + 2 : at + 300] = b"\xff" * 298
    path.write_bytes(content)


def unit(folders: Folders, date: str) -> None:
    edited(pip_file(folders, date, "vvd"), lambda file: file["vvd"].setncattr("units", "cm s-1"))


def pascals(folders: Folders, date: str) -> None:
    def in_pascals(file: netCDF4.Dataset) -> None:
        file["pressure"][:] = 100 * file["pressure"][:]

    edited(folders.weather / f"{date}_met.nc", in_pascals)


def rename(folders: Folders, date: str) -> None:
    path = pip_file(folders, date, "rho")
    path.rename(path.with_name(f"006_{date}_rho.nc"))


def duplicate(folders: Folders, date: str) -> None:
    path = pip_file(folders, date, "psd")
    shutil.copy(path, path.with_name(path.name.replace("006", "003", 1)))


def truncate(path: Path, share: float = 0.6) -> None:
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])


def hour_twice(folders: Folders, date: str) -> None:
    minutes = np.arange(1440)
    rewritten(pip_file(folders, date, "min"), minutes - 60 * (minutes >= 120))


def other_day(folders: Folders, date: str) -> None:
    path = pip_file(folders, date, "psd")
    edited(path, lambda file: file["time"].setncattr("units", "minutes since 1999-01-01 00:00:00"))


BAD: dict[str, tuple[Callable[[Folders, str], object], str]] = {
    "empty": (lambda f, d: pip_file(f, d, "psd").write_bytes(b""), "_psd.nc: is empty (0 bytes), expected a netCDF"),
    "truncated netCDF-4": (lambda f, d: truncate(pip_file(f, d, "vvd")), "_vvd.nc: cannot be read as netCDF ("),
    "truncated classic": (lambda f, d: truncate(f.radar / f"{d}_mrr.nc"), "_mrr.nc: cannot be read as netCDF ("),
    "damaged": (lambda f, d: damage(pip_file(f, d, "rho")), "_rho.nc: variable rho is damaged ("),
    "not netCDF": (lambda f, d: (f.weather / f"{d}_met.nc").write_text("<html>"), "_met.nc: is not a netCDF file"),
    "duplicated": (duplicate, "2 psd files claim the day (003"),
    "misnamed": (rename, "no rho file of the day; 006_"),
    "missing": (lambda f, d: (f.radar / f"{d}_mrr.nc").unlink(), "no radar file of the day, expected one."),
    "wrong unit": (unit, "_vvd.nc: variable vvd is in 'cm s-1', expected 'm s-1'."),
    "short day": (lambda f, d: rewritten(pip_file(f, d, "psd"), np.arange(1380)), "has 1380 minutes, expected 1440."),
    "hour twice": (hour_twice, "_min.nc: time stands still or runs back at"),
    "another day's": (other_day, "_psd.nc: minute 0 is 1999-01-01T00:00:00, expected"),
    "wrong magnitude": (pascals, "_met.nc: column P would hold"),
    "no variable": (
        lambda f, d: edited(pip_file(f, d, "min"), lambda file: file.renameVariable("rr_adj", "rain")),
        "_min.nc: has no variable rr_adj; ",
    ),
    "no such level": (
        lambda f, d: edited(f.profile / f"era5_{d}.nc", lambda file: file["pressure_level"].__setitem__(1, 700.0)),
        "variable pressure_level has no 900 hPa.",
    ),
}


# always the same damage: a file that crashes the netCDF library would end the tests, as it ends a worker of `ingest`
@settings(max_examples=100, deadline=None, derandomize=True)
@given(kind=st.sampled_from(layout.KINDS), changes=random_changes())
def test_a_file_damaged_anywhere_is_read_or_costs_its_day_with_one_line(
    written: tuple[Folders, pd.DataFrame], tmp_path_factory: pytest.TempPathFactory, kind: str, changes: Changes
) -> None:
    folders = written[0]
    day = layout.find_days(folders.pip, folders.weather, folders.radar, folders.profile, "MQT").days[0]
    original = layout.only_file(day, kind)
    spoilt = tmp_path_factory.getbasetemp() / original.name
    spoilt.write_bytes(damaged(original.read_bytes(), changes))
    said = ""
    try:
        validate(read_day(layout.Day(day.date, day.files | {kind: [spoilt]}), "MQT", profile=True)[0])
    except (layout.LostDay, TableError) as problem:
        said = str(problem)
    assert said.count("\n") == 0, said


def grid(
    path: Path,
    latitude: np.ndarray,
    order: tuple[str, ...] = ("time", "level", "latitude", "longitude"),
    rows: str = "latitude",
) -> None:
    """A day of hourly ERA5 on two levels, in place of the file: latitudes along `rows`, two longitudes."""
    with netCDF4.Dataset(path) as file:
        since = file["valid_time"][0]
    path.unlink()
    with netCDF4.Dataset(path, "w") as file:
        sizes = {"time": 24, "level": 2, "latitude": 3, "longitude": 2} | {rows: len(latitude)}
        for name, size in sizes.items():
            file.createDimension(name, size)
        for name, dimension, unit_name, values in (
            ("time", "time", "seconds since 1970-01-01", since + 3600 * np.arange(24)),
            ("level", "level", "hPa", [900.0, 850.0]),
            ("latitude", rows, "degrees_north", latitude),
            ("longitude", "longitude", "degrees_east", [-88.0, -87.5]),
        ):
            variable = file.createVariable(name, str if np.asarray(values).dtype == object else "f8", (dimension,))
            variable.units = unit_name
            variable[:] = values
        for name, unit_name, value in (("t", "K", 270.0), ("r", "%", 50.0)):
            variable = file.createVariable(name, "f4", order)
            variable.units = unit_name
            variable[:] = value


def mark(variable: str, name: str, value: object) -> Callable[[Path], None]:
    return lambda path: edited(path, lambda file: file[variable].setncattr(name, value))


def no_bins(path: Path) -> None:
    with netCDF4.Dataset(path) as file:
        since = file["time"].units
    path.unlink()
    with netCDF4.Dataset(path, "w") as file:
        file.createDimension("time", 1440)
        file.createDimension("bin_centers", 0)
        file.createVariable("time", "i8", ("time",))[:] = np.arange(1440)
        for name, dimensions in (("bin_centers", ("bin_centers",)), ("psd", ("time", "bin_centers"))):
            file.createVariable(name, "f8", dimensions)
        file["time"].units, file["bin_centers"].units, file["psd"].units = since, "mm", "mm-1 m-3"


def fewer_gates(path: Path) -> None:
    with netCDF4.Dataset(path) as old, netCDF4.Dataset(path.with_suffix(".new"), "w") as new:
        old.set_auto_maskandscale(False)
        for name, size in {"time": 1440, "range": 31, "few": 20}.items():
            new.createDimension(name, size)
        for name in ("time", "height", "Ze", "W"):
            along = ("time",) if name == "time" else ("time", "few" if name == "W" else "range")
            made = new.createVariable(name, old[name].dtype, along)
            made.units = old[name].units
            made[:] = old[name][:] if name == "time" else old[name][:, : new.dimensions[along[1]].size]
    path.with_suffix(".new").replace(path)


def endless(path: Path) -> None:
    """The header says that there are two thousand million gates, 8.6 GB of their numbers alone."""
    content = path.read_bytes()
    at = content.index(b"range\0\0\0") + 8
    path.write_bytes(content[:at] + b"\x7f\xff\xff\xff" + content[at + 4 :])


LATITUDES = np.array([46.0, 46.5, 47.0])
ODD: dict[str, tuple[str, Callable[[Path], None], str]] = {
    "a unit that is a number": ("psd", mark("psd", "units", 5), "variable psd is in '5', expected"),
    "a unit that is a list": ("vvd", mark("vvd", "units", ["a", "b"]), "variable vvd is in '"),
    "a factor that is a word": (
        "weather",
        mark("pressure", "scale_factor", "none"),
        "pressure has the scale_factor 'none', expected a number.",
    ),
    "an offset of times that is a word": ("min", mark("time", "add_offset", "x"), "time has the add_offset 'x', exp"),
    "no bins": ("psd", no_bins, "variable bin_centers has 0 bins, expected 131 from 0.1 to 26.1 mm."),
    "other gates": ("radar", fewer_gates, "variable W has 20 gates, height has 31."),
    "too large for any memory": ("radar", endless, "cannot be read as netCDF ("),
    "latitudes that are missing": (
        "profile",
        lambda path: grid(path, np.full(3, np.nan)),
        "has no grid point within 0.5 degrees of 46.5318 N, -87.5483 E.",
    ),
    "latitudes that are words": (
        "profile",
        lambda path: grid(path, np.array(["a", "b", "c"], dtype=object)),
        "variable latitude holds object, expected numbers.",
    ),
    "no latitudes": ("profile", lambda path: grid(path, LATITUDES[:0]), "has no grid point within 0.5 degrees of"),
    "latitudes of another grid": (
        "profile",
        lambda path: grid(path, np.linspace(40.0, 50.0, 30), rows="other"),
        "expected those of time, level, latitude and longitude.",
    ),
    "a grid turned round": (
        "profile",
        lambda path: grid(path, LATITUDES, ("time", "level", "longitude", "latitude")),
        "t has the dimensions (time, level, longitude, latitude), expected those of time, level,",
    ),
}


@pytest.fixture
def little_memory() -> Iterator[None]:
    """4 GB more than there are in use, where the system can be told so; some promise any amount."""
    place = Path("/proc/self/statm")
    if not place.exists():
        yield
        return
    resource = pytest.importorskip("resource")
    limits = resource.getrlimit(resource.RLIMIT_AS)
    used = int(place.read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + 2**32, limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, limits)


@pytest.mark.usefixtures("little_memory")
@pytest.mark.parametrize(("kind", "spoil", "sentence"), ODD.values(), ids=ODD.keys())
def test_a_file_that_holds_what_nobody_expects_costs_its_day_and_not_the_run(
    copy: Folders, kind: str, spoil: Callable[[Path], None], sentence: str
) -> None:
    day = layout.find_days(copy.pip, copy.weather, copy.radar, copy.profile, "MQT").days[0]
    path = layout.only_file(day, kind)
    spoil(path)
    with pytest.raises(layout.LostDay, match=f"^{re.escape(path.name)}: .*{re.escape(sentence)}"):
        read_day(day, "MQT", profile=True)


def test_the_grid_point_of_the_site_is_found_in_a_grid_as_it_should_be(copy: Folders) -> None:
    day = layout.find_days(copy.pip, copy.weather, copy.radar, copy.profile, "MQT").days[0]
    grid(layout.only_file(day, "profile"), LATITUDES)
    assert set(read_day(day, "MQT", profile=True)[0]["t_15"]) == {270.0}


@pytest.mark.parametrize(
    ("kind", "variable"), [("weather", "relative_humidity"), ("min", "nrr_adj")], ids=["humidity", "rate"]
)
def test_values_without_a_logarithm_are_dropped_without_a_warning(copy: Folders, kind: str, variable: str) -> None:
    day = layout.find_days(copy.pip, copy.weather, copy.radar, copy.profile, "MQT").days[0]
    whole, _, _, _ = read_day(day, "MQT", profile=True)
    begin = (whole["time"].iloc[0] - whole["time"].iloc[0].normalize()) // pd.Timedelta("1min")

    def below_zero(file: netCDF4.Dataset) -> None:
        step = 1440 // len(file[variable])
        file[variable][begin // step : (begin + 5) // step] = -5.0

    edited(layout.only_file(day, kind), below_zero)
    frame, _, dropped, _ = read_day(day, "MQT", profile=True)
    assert dropped["range"] == 1
    pd.testing.assert_frame_equal(frame, whole.iloc[1:].reset_index(drop=True))


def test_times_are_those_of_the_calendar_that_the_file_names(tmp_path: Path) -> None:
    days = (np.datetime64("2019-01-05") - np.datetime64("0001-01-01")).astype(int)
    with netCDF4.Dataset(tmp_path / "t.nc", "w") as file:
        file.createDimension("time", 1)
        file.createVariable("time", "f8", ("time",))[:] = days
        file["time"].setncatts({"units": "days since 0001-01-01", "calendar": "Proleptic_Gregorian"})
    with files.opened(tmp_path / "t.nc") as opened:
        assert opened.times().tolist() == [np.datetime64("2019-01-05", "s").item()]


@pytest.mark.parametrize(
    ("unit", "first"),
    [
        ("minutes since 2019-01-05", "2019-01-05T00:00:00"),
        ("minutes since 2019-01-05T06:30:00Z", "2019-01-05T06:30:00"),
        ("seconds since 1970-1-1 0:00:00 UTC", "1970-01-01T00:00:00"),
        ("hours since 1900-01-01 00:00:00.0", "1900-01-01T00:00:00"),
        ("minutes since 2019-01-05 06:30:00 +01:00", "2019-01-05T05:30:00"),
        ("minutes since 2019-13-05", "time counts from '2019-13-05', expected a date."),
        ("minutes since 20190105", "time counts from '20190105', expected a date."),
        ("fortnights since 2019-01-05", "time is in 'fortnights since 2019-01-05' (standard), expected 'minutes since"),
    ],
)
def test_times_count_from_their_origin_in_utc_however_it_is_spelt(unit: str, first: str, tmp_path: Path) -> None:
    with netCDF4.Dataset(tmp_path / "t.nc", "w") as file:
        file.createDimension("time", 2)
        file.createVariable("time", "i4", ("time",))[:] = [0, 1]
        file["time"].units = unit
    with files.opened(tmp_path / "t.nc") as opened:
        if "expected" in first:
            with pytest.raises(layout.LostDay, match=re.escape(f"t.nc: {first}")):
                opened.times()
        else:
            assert str(opened.times()[0]) == first


def times_without(gap: range, date: str, path: Path, step: int = 1, late: int = 0) -> Path:
    """A file with the times of a day, one for every `step` minutes and so many minutes late, without those of a gap."""
    with netCDF4.Dataset(path, "w") as file:
        kept = [late + minute for minute in range(0, 1440, step) if minute not in gap]
        file.createDimension("time", len(kept))
        file.createVariable("time", "i4", ("time",))[:] = kept
        file["time"].units = f"minutes since {date}"
    return path


# In 2019 clocks were put forward on 10 March and back on 3 November.
@pytest.mark.parametrize("gap", [range(120, 180), range(420, 480)], ids=["local time", "UTC by winter's difference"])
@pytest.mark.parametrize(("step", "late"), [(1, 0), (5, 0), (20, 15), (5, 5)])
def test_a_day_without_the_hour_that_clocks_skip_is_on_summer_time(
    gap: range, step: int, late: int, tmp_path: Path
) -> None:
    path = times_without(gap, "2019-03-10", tmp_path / "t.nc", step, late)
    after = np.datetime64("2019-03-10T00:00:00") + np.timedelta64(gap.stop + late, "m")
    with files.opened(path) as file, pytest.raises(layout.LostDay, match=f"jumps by one hour at {after}, as summer"):
        file.times()


@pytest.mark.parametrize(
    ("gap", "date"),
    [
        (range(120, 180), "2019-01-05"),
        (range(120, 180), "2019-03-11"),
        (range(120, 180), "2019-11-03"),
        (range(122, 182), "2019-03-10"),
        (range(600, 660), "2019-03-10"),
        *((range(120, 120 + minutes), "2019-03-10") for minutes in (1, 59, 61, 180)),
    ],
)
def test_an_instrument_that_was_off_for_an_hour_is_not_on_summer_time(gap: range, date: str, tmp_path: Path) -> None:
    with files.opened(times_without(gap, date, tmp_path / "t.nc")) as file:
        assert len(file.times()) == 1440 - len(gap)


def test_summer_time_begins_when_the_time_zone_data_of_the_site_say() -> None:
    try:
        zone = ZoneInfo("America/Detroit")
    except ZoneInfoNotFoundError:
        pytest.skip("no time zone data on this machine")
    for year in range(2007, 2038):
        begins = files.summer_time_begins(np.datetime64(str(year), "Y")).item()
        before, after = ((begins + timedelta(seconds=s)).replace(tzinfo=zone).utcoffset() for s in (-1, 3600))
        assert (before, after) == (timedelta(hours=-5), timedelta(hours=-4)), year
        # a time that no clock shows comes back as another
        assert begins.replace(tzinfo=zone).astimezone(UTC).astimezone(zone).hour == 3


def test_a_pause_of_an_hour_in_the_weather_costs_its_periods_and_not_the_day(
    copy: Folders, two_days: tuple[Path, pd.DataFrame], tmp_path: Path
) -> None:
    first = two_days[1].iloc[0]["time"]
    path = copy.weather / f"{first:%Y%m%d}_met.nc"
    with netCDF4.Dataset(path) as file:
        minutes = np.asarray(file["time"][:])
    begin = first.hour * 60 + first.minute
    rewritten(path, minutes[(minutes < begin) | (minutes >= begin + 60)])
    table, season = ingested(copy, tmp_path / "data")
    gone = two_days[1]["time"].between(first, first + pd.Timedelta(minutes=55))
    assert not season.lost
    assert table["time"].tolist() == two_days[1]["time"][~gone].tolist()
    assert sum(outcome.dropped["weather"] for outcome in season.outcomes) == gone.sum()


def days_of(table: pd.DataFrame) -> list[str]:
    return sorted(table["time"].dt.strftime("%Y%m%d").unique())


@pytest.mark.parametrize("few", [0, 1], ids=["first kinds", "other kinds"])
def test_each_bad_file_costs_its_day_and_a_line_of_the_report_and_nothing_else(
    few: int, long_copy: Folders, whole: tuple[Path, pd.DataFrame], tmp_path: Path
) -> None:
    kinds = list(BAD.items())[few::2]
    days = days_of(whole[1])
    assert len(days) == DAYS > len(kinds)
    spoiled = dict(zip(days, kinds, strict=False))
    for date, (_, (spoil, _)) in spoiled.items():
        spoil(long_copy, date)
    out = tmp_path / "data"
    table, season = ingested(long_copy, out)

    kept = whole[1][~whole[1]["time"].dt.strftime("%Y%m%d").isin(spoiled)]
    pd.testing.assert_frame_equal(
        table.drop(columns="storm"), kept.drop(columns="storm").reset_index(drop=True), check_exact=True
    )
    lines = list(csv.DictReader((out / REPORT).read_text().splitlines()))
    assert len(lines) == DAYS
    reasons = {line["day"].replace("-", ""): line["reason"] for line in lines if line["status"] == "lost"}
    assert set(reasons) == set(spoiled)
    for date, (kind, (_, expected)) in spoiled.items():
        assert expected in reasons[date], kind
        assert "\n" not in reasons[date]
    assert read_json(out / "source.json")["days_lost"] == len(spoiled) == len(season.lost)


def test_a_file_that_says_no_day_is_named_and_costs_nothing(
    copy: Folders, two_days: tuple[Path, pd.DataFrame], tmp_path: Path
) -> None:
    (copy.radar / "notes.txt").write_text("calibrated in May")
    table, season = ingested(copy, tmp_path / "data")
    pd.testing.assert_frame_equal(table, two_days[1])
    assert [path.name for path in season.ignored] == ["notes.txt"]
    assert (
        ",file left out,0,0,0,0,0,0,0,0,notes.txt: is not named as expected.\n"
        in (tmp_path / "data" / REPORT).read_text()
    ), "a line of the report"


def test_a_period_with_a_missing_minute_is_dropped_and_the_day_is_not(
    copy: Folders, two_days: tuple[Path, pd.DataFrame], tmp_path: Path
) -> None:
    first = two_days[1].iloc[0]
    minute = first["time"].hour * 60 + first["time"].minute + 2

    def miss(file: netCDF4.Dataset) -> None:
        file["psd"][minute] = np.nan

    edited(pip_file(copy, f"{first['time']:%Y%m%d}", "psd"), miss)
    table, _ = ingested(copy, tmp_path / "data")
    pd.testing.assert_frame_equal(table, two_days[1].iloc[1:].reset_index(drop=True))


def test_a_row_out_of_range_is_dropped_and_counted(
    copy: Folders, two_days: tuple[Path, pd.DataFrame], tmp_path: Path
) -> None:
    first = two_days[1].iloc[0]
    step = (first["time"].hour * 60 + first["time"].minute) // 5

    def spike(file: netCDF4.Dataset) -> None:
        file["relative_humidity"][step] = 400.0

    edited(copy.weather / f"{first['time']:%Y%m%d}_met.nc", spike)
    table, season = ingested(copy, tmp_path / "data")
    pd.testing.assert_frame_equal(table, two_days[1].iloc[1:].reset_index(drop=True))
    assert season.outcomes[0].dropped["range"] == 1


def test_silence_of_the_radar_is_an_echo_missing_only_while_it_was_on(
    copy: Folders, two_days: tuple[Path, pd.DataFrame], tmp_path: Path
) -> None:
    first = two_days[1].iloc[0]
    minute = first["time"].hour * 60 + first["time"].minute
    path = copy.radar / f"{first['time']:%Y%m%d}_mrr.nc"

    def silent(file: netCDF4.Dataset) -> None:
        file["Ze"][minute : minute + 3] = -9999.0

    edited(path, silent)
    table, _ = ingested(copy, tmp_path / "silent")
    assert len(table) == len(two_days[1])
    assert table.loc[0, [f"reflectivity_{k}" for k in GATES]].isna().all()
    assert np.isnan(table.loc[0, "ETH"])

    with netCDF4.Dataset(path) as file:
        kept = np.delete(np.arange(1440), slice(minute, minute + 3))
        arrays = {name: np.ma.getdata(file[name][:]) for name in ("time", "height", "Ze", "W")}
    with netCDF4.Dataset(path, "w") as file:
        file.createDimension("time", len(kept))
        file.createDimension("range", 31)
        units = {"time": "seconds since 1970-01-01 00:00:00", "height": "m", "Ze": "dBZ", "W": "m/s"}
        for name, values in arrays.items():
            dimensions = ("time",) if name == "time" else ("time", "range")
            made = file.createVariable(name, values.dtype, dimensions, fill_value=-9999)
            made.units = units[name]
            made[:] = values[kept]
    table, season = ingested(copy, tmp_path / "off")
    assert len(table) == len(two_days[1]) - 1
    assert season.outcomes[0].dropped["radar"] == 1


def test_hourly_packed_profiles_of_a_grid_are_interpolated_at_the_nearest_point(
    copy: Folders, two_days: tuple[Path, pd.DataFrame], tmp_path: Path
) -> None:
    date = days_of(two_days[1])[0]
    path = copy.profile / f"era5_{date}.nc"
    path.unlink()
    with netCDF4.Dataset(path, "w", format="NETCDF3_64BIT_OFFSET") as file:
        # the older form of the Climate Data Store: packed, "level", hours since 1900
        for name, values, kind, unit_name in (
            ("time", np.arange(24), "i4", "hours since 1900-01-01 00:00:00.0"),
            ("level", [900, 950], "i4", "millibars"),
            ("latitude", [47.0, 46.5], "f4", "degrees_north"),
            ("longitude", [272.25, 272.5], "f4", "degrees_east"),
        ):
            file.createDimension(name, len(values))
            variable = file.createVariable(name, kind, (name,))
            variable.units = unit_name
            hours = (np.datetime64(f"{date[:4]}-{date[4:6]}-{date[6:]}") - np.datetime64("1900-01-01")).astype(int) * 24
            variable[:] = np.asarray(values) + (hours if name == "time" else 0)
        for name, unit_name in (("t", "K"), ("r", "%")):
            variable = file.createVariable(name, "i2", ("time", "level", "latitude", "longitude"), fill_value=-32767)
            variable.set_auto_maskandscale(False)
            variable.units, variable.scale_factor, variable.add_offset = unit_name, 0.01, 250.0 if name == "t" else 50.0
            values = np.full((24, 2, 2, 2), -32767, dtype="i2")
            values[:, 0, 1, 1] = 100 * np.arange(24)  # 1 K or 1 % more each hour
            variable[:] = values
    table, _ = ingested(copy, tmp_path / "data")
    day = table[table["time"].dt.strftime("%Y%m%d") == date]
    hours = np.minimum(day["time"].dt.hour + day["time"].dt.minute / 60, 23)
    np.testing.assert_allclose(day["t_15"], 250 + hours, atol=1e-9)
    np.testing.assert_allclose(day["rh_15"], 50 + hours, atol=1e-9)


# However it was run --------------------------------------------------------------------------------------------------


def test_one_and_two_workers_give_the_same_bytes(
    written: tuple[Folders, pd.DataFrame], whole: tuple[Path, pd.DataFrame], tmp_path: Path
) -> None:
    ingested(written[0], tmp_path / "data", workers=2)
    assert bytes_of(tmp_path / "data") == bytes_of(whole[0])


def test_a_killed_run_resumes_and_gives_the_same_bytes(
    written: tuple[Folders, pd.DataFrame], whole: tuple[Path, pd.DataFrame], tmp_path: Path
) -> None:
    folders, out = written[0], tmp_path / "data"
    options = [f"--{name}={getattr(folders, name)}" for name in ("pip", "weather", "radar", "profile")]
    command = [sys.executable, "-m", "precip_sae.cli", "ingest", *options, f"--out={out}", "--workers=1"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    until = time.monotonic() + 60
    while len(list(parts_folder(out).glob("2*.parquet"))) < 3 and process.poll() is None and time.monotonic() < until:
        time.sleep(0.002)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    left = {path.name: path.stat().st_mtime_ns for path in parts_folder(out).glob("2*.parquet")}
    assert 3 <= len(left) < DAYS
    assert not out.exists(), "nothing is half-written"
    ingested(folders, out)
    assert bytes_of(out) == bytes_of(whole[0])
    for name, written_at in left.items():
        assert (parts_folder(out) / name).stat().st_mtime_ns == written_at, "a day already ingested is skipped"


def test_two_runs_in_one_folder_at_once_give_the_same_bytes(
    short: Folders, two_days: tuple[Path, pd.DataFrame], tmp_path: Path
) -> None:
    out = tmp_path / "data"
    places = {"pip": short.pip, "weather": short.weather, "radar": short.radar, "profile": short.profile}
    options = [word for option, place in places.items() for word in (f"--{option}", str(place))]
    command = [sys.executable, "-m", "precip_sae.cli", "ingest", *options, "--out", str(out), "--workers", "1"]
    runs = [subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    said = [run.communicate()[1] for run in runs]
    assert [run.returncode for run in runs] == [0, 0], said
    assert bytes_of(out) == bytes_of(two_days[0])


def test_a_day_whose_file_changed_is_read_again_and_no_other(
    copy: Folders, two_days: tuple[Path, pd.DataFrame], tmp_path: Path
) -> None:
    out = tmp_path / "data"
    date = days_of(two_days[1])[1]
    good = (copy.radar / f"{date}_mrr.nc").read_bytes()
    truncate(copy.radar / f"{date}_mrr.nc")
    assert len(ingested(copy, out)[1].lost) == 1
    before = {path.name: path.stat().st_mtime_ns for path in parts_folder(out).iterdir()}
    (copy.radar / f"{date}_mrr.nc").write_bytes(good)
    table, season = ingested(copy, out)
    after = {path.name: path.stat().st_mtime_ns for path in parts_folder(out).iterdir()}
    assert [name for name in before if before[name] != after[name]] == [f"{date}.parquet"]
    assert not season.lost
    pd.testing.assert_frame_equal(table, two_days[1])


def test_a_damaged_part_is_made_again(short: Folders, tmp_path: Path) -> None:
    ingested(short, tmp_path / "data")
    before = bytes_of(tmp_path / "data")
    part = min(parts_folder(tmp_path / "data").iterdir())
    part.write_bytes(b"PAR1")
    ingested(short, tmp_path / "data")
    assert bytes_of(tmp_path / "data") == before


def test_a_part_whose_pages_are_damaged_is_named_and_not_the_table(short: Folders, tmp_path: Path) -> None:
    out = tmp_path / "data"
    ingested(short, out)
    before = bytes_of(out)
    part = min(parts_folder(out).glob("2*.parquet"))
    content = part.read_bytes()
    part.write_bytes(content[:4] + b"\xff" * 4000 + content[4004:])
    assert ingest.described_part(part) is not None, "what it says about itself is whole"
    with pytest.raises(ArchiveError, match=rf"{part.name}: cannot be read \(.*\), .*; delete it and run again\.$"):
        ingested(short, out)
    assert bytes_of(out) == before
    part.unlink()
    ingested(short, out)
    assert bytes_of(out) == before


def test_rows_that_another_run_of_other_files_put_there_do_not_get_into_the_table(
    short: Folders, copy: Folders, two_days: tuple[Path, pd.DataFrame], tmp_path: Path
) -> None:
    def season(folders: Folders) -> Season:
        found = layout.find_days(folders.pip, folders.weather, folders.radar, folders.profile, "MQT")
        return ingest_days(found, "MQT", True, parts_folder(tmp_path / "data"), workers=1)

    date = days_of(two_days[1])[0]
    mine = season(short)
    edited(copy.weather / f"{date}_met.nc", lambda file: file["temperature"].__setitem__(slice(None), 1.0))
    season(copy)
    with pytest.raises(ArchiveError, match=rf"{date}\.parquet: was replaced by another run, expected the rows of"):
        deposit_archive(tmp_path / "data", mine, "MQT", True)
    assert not (tmp_path / "data" / "observations.parquet").exists()


# Mistakes ------------------------------------------------------------------------------------------------------------


def said(capsys: pytest.CaptureFixture[str]) -> str:
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1, lines
    return lines[0]


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"pip": "nowhere"}, "--pip: nowhere is not a folder, expected the folder of the daily files."),
        ({"radar": "nowhere"}, "--radar: nowhere is not a folder"),
        ({"site": "KIS"}, "--site is 'KIS'; known: MQT."),
        ({"scheduler": "slurm"}, "--scheduler is 'slurm', expected local, local-cluster or tcp://host:port."),
        ({"workers": "0"}, "--workers is 0, expected at least 1."),
    ],
)
def test_a_mistake_is_one_sentence_and_nothing_is_written(
    written: tuple[Folders, pd.DataFrame],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    changed: dict[str, str],
    sentence: str,
) -> None:
    options = {name: str(getattr(written[0], name)) for name in ("pip", "weather", "radar", "profile")}
    options |= {"out": str(tmp_path / "data")} | changed
    assert main(["ingest", *(f"--{name}={value}" for name, value in options.items())]) == 1
    assert said(capsys).startswith(sentence)
    assert not (tmp_path / "data").exists()


def test_a_folder_without_files_of_the_site_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "2019_KIS" / "netCDF").mkdir(parents=True)
    folder = str(tmp_path)
    arguments = ["ingest", "--pip", folder, "--weather", folder, "--radar", folder, "--out", str(tmp_path / "data")]
    assert main(arguments) == 1
    assert f"--pip: {tmp_path} holds no file of MQT, expected files such as" in said(capsys)


def test_an_archive_of_which_every_day_is_lost_leaves_the_earlier_table_alone(
    long_copy: Folders, whole: tuple[Path, pd.DataFrame], tmp_path: Path
) -> None:
    out = tmp_path / "data"
    shutil.copytree(whole[0], out)
    shutil.rmtree(long_copy.radar)
    long_copy.radar.mkdir()
    with pytest.raises(
        ArchiveError, match=rf"has {DAYS} days, {DAYS} of them lost, .*no radar file of the day, expected"
    ):
        ingested(long_copy, out)
    assert bytes_of(out) == bytes_of(whole[0])
    assert (parts_folder(out) / REPORT).read_text().count("lost") == DAYS


def test_a_table_that_cannot_be_written_leaves_what_was_there(short: Folders, tmp_path: Path) -> None:
    out = tmp_path / "data"
    (out / "observations.parquet").mkdir(parents=True)
    (out / "source.json").write_text("earlier")
    with pytest.raises(OutputError, match=r"observations\.parquet: cannot be written, a folder stands where the file"):
        ingested(short, out)
    assert sorted(path.name for path in out.iterdir()) == ["observations.parquet", "source.json"]
    assert (out / "source.json").read_text() == "earlier"


def test_a_table_without_a_source_is_refused_and_a_simulation_leaves_no_report_behind(
    whole: tuple[Path, pd.DataFrame], tmp_path: Path
) -> None:
    out = tmp_path / "data"
    shutil.copytree(whole[0], out)
    (out / "source.json").unlink()  # as a run that was killed leaves it
    settings = SimulationSettings(records=200, seed=1)
    with pytest.raises(StageError, match=r"source\.json: no such file"):
        read_source(Paths(tmp_path), settings)
    deposit_simulation(out, simulate(200, seed=1), settings)
    assert read_source(Paths(tmp_path), settings)["kind"] == "simulation"
    assert not (out / REPORT).exists()


def test_the_folder_of_one_year_is_an_archive_too(long_copy: Folders, whole: tuple[Path, pd.DataFrame]) -> None:
    year = str(whole[1]["time"].dt.year.iloc[0])
    found = layout.find_days(long_copy.pip / f"{year}_MQT", long_copy.weather, long_copy.radar, None, "MQT")
    assert [day.name for day in found.days] == [day for day in days_of(whole[1]) if day.startswith(year)]


def test_a_dask_scheduler_that_does_not_answer_is_said(
    written: tuple[Folders, pd.DataFrame], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("distributed")
    monkeypatch.setattr("precip_sae.scheduling.ANSWER_SECONDS", 0.2)
    with pytest.raises(SettingsError, match=r"--scheduler tcp://127\.0\.0\.1:9: no Dask scheduler answers"):
        ingested(written[0], tmp_path / "data", scheduler="tcp://127.0.0.1:9")


def test_the_command_line_writes_and_ingests_a_season(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folders = Folders(tmp_path / "files")
    assert main(["write-archive", "--out", str(folders.root), "--records", "600", "--seed", "3", "--days", "2"]) == 0
    options = [f"--{name}={getattr(folders, name)}" for name in ("pip", "weather", "radar", "profile")]
    assert main(["ingest", *options, "--out", str(tmp_path / "data"), "--workers", "1"]) == 0
    out = capsys.readouterr().out
    assert "2 simulated days as archive files" in out
    assert "records of 2 days, 0 of them lost; " in out
