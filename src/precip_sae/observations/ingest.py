"""From the published files to the table of observations: one day at a time, each once, in parallel, resumable.

The 5-minute processing is that of `instruments.five_minute_record`, the same functions that the simulator's spectra go
through. What the published description leaves open is decided here and said here:

- A period counts when none of its five minutes is missing, as in the public script, whose means turn NaN otherwise. A
  missing minute is one whose psd, vvd or rho is NaN in every bin; a single NaN in a bin is a bin without particles.
- Surface weather is the mean of the readings in the period. A period without a reading is dropped.
- A gate has an echo when at least 3 of the minutes have one. Its reflectivity is the mean of those in linear units,
  its velocity their mean. Fewer than 3 minutes in the radar's file: the period is dropped, because "no echo" would be
  a claim.
- ERA5 is interpolated in time to the start of the period and taken at the nearest grid point.
- A storm ends with a pause of more than 6 hours.
- A value outside the schema's range drops its row; a column with more of them than not costs the day, since then
  something is wrong with the file and not with a row.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from precip_sae.errors import ArchiveError, TableError
from precip_sae.files import output_error, replacing, write_text
from precip_sae.observations import archive, labels
from precip_sae.observations.archive import Day, File, LostDay, only_file, opened
from precip_sae.observations.instruments import (
    DIAMETERS,
    GATE_HEIGHTS,
    MINUTES,
    Spectra,
    echo_top,
    five_minute_record,
)
from precip_sae.observations.parallel import run_days
from precip_sae.observations.schema import COLUMNS, GATES, validate

Array = NDArray[np.float64]

PERIODS = archive.MINUTES_PER_DAY // MINUTES
LEAST_MINUTES = 3
STORM_PAUSE = np.timedelta64(6, "h")
ROWS_AT_ONCE = 50_000
DROPPED = ("size, speed or density", "rate", "weather", "radar", "profile", "range")
"""Why a period with precipitation gives no row, in the order in which it is asked."""

REPORT = "ingest_report.csv"
_METADATA = b"precip_sae"
# netCDF-4's library must not be entered by two threads, and a Dask worker may have several
_ONE_AT_A_TIME = threading.Lock()


@dataclass(frozen=True)
class Job:
    """What a worker needs for one day; `known` is the key under which the day was ingested before, if it was."""

    day: Day
    site: str
    profile: bool
    known: str = ""


@dataclass(frozen=True)
class Outcome:
    """What became of one day.

    Attributes:
        date: `2019-01-05`.
        key: SHA-256 of everything that the result depends on: files, options and code.
        files: SHA-256 of the day's files.
        reason: why the day is lost; empty if it is not.
        rows: of the table.
        periods: of 5 minutes with precipitation, those dropped included.
        dropped: how many of them, by reason.
        simulation: what the files say about being a simulation; empty if they say nothing.
        part: the day's rows as parquet; empty when a part of this key was already there.
    """

    date: str
    key: str
    files: str
    reason: str = ""
    rows: int = 0
    periods: int = 0
    dropped: dict[str, int] = field(default_factory=dict)
    simulation: str = ""
    part: bytes = b""

    def described(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "part"}


@dataclass(frozen=True)
class Season:
    """What an archive came to: every day's outcome in order, and the files whose names say no day."""

    outcomes: tuple[Outcome, ...]
    ignored: tuple[Path, ...]

    @property
    def lost(self) -> list[Outcome]:
        return [outcome for outcome in self.outcomes if outcome.reason]

    @property
    def rows(self) -> int:
        return sum(outcome.rows for outcome in self.outcomes)


# One day ------------------------------------------------------------------------------------------------------------


def read_day(day: Day, site: str, profile: bool) -> tuple[pd.DataFrame, int, dict[str, int], str]:
    """The rows of one day: table, periods with precipitation, how many were dropped why, and the simulation's note.

    The table keeps to the schema, except that `storm` is 0: storms are told apart over the whole season.

    Raises:
        LostDay: a file is missing, doubled, damaged or not what its name says.
    """
    notes: list[str] = []
    psd, speed, density = (_distribution(day, kind, notes) for kind in ("psd", "vvd", "rho"))
    present = np.ones(archive.MINUTES_PER_DAY, dtype=bool)
    for values in (psd, speed, density):
        present &= ~np.isnan(values).all(axis=1)
    in_fives = (PERIODS, MINUTES, len(DIAMETERS))
    psd, speed, density = (np.nan_to_num(values).reshape(in_fives) for values in (psd, speed, density))
    whole = present.reshape(PERIODS, MINUTES).all(axis=1)
    falling = np.flatnonzero(whole & (psd > 0).any(axis=(1, 2)))

    kept = np.ones(len(falling), dtype=bool)
    dropped = dict.fromkeys(DROPPED, 0)

    def drop(reason: str, bad: NDArray[np.bool_]) -> None:
        dropped[reason] += int((bad & kept).sum())
        kept[bad] = False

    psd, speed, density = psd[falling], speed[falling], density[falling]
    measured = (speed > 0).any(axis=(1, 2)) & ((density > 0) & (psd > 0)).any(axis=(1, 2))
    record = {name: np.full(len(falling), np.nan) for name in ("n0", "lambda", "Nt", "Rho", "Fs", "Dm")}
    if measured.any():
        # 0 stands for a bin without particles
        seen = Spectra(psd[measured], *(np.where(v > 0, v, np.nan)[measured] for v in (speed, density)))
        processed = five_minute_record(seen)
        for name, values in record.items():
            values[measured] = processed[name]
    drop("size, speed or density", np.isnan(np.column_stack(list(record.values()))).any(axis=1))

    rates = _rates(day, notes)
    rates = {name: values[falling] for name, values in rates.items()}
    drop("rate", np.isnan(rates["Sr"]))
    air = {name: values[falling] for name, values in _weather(day, notes).items()}
    drop("weather", np.isnan(np.column_stack(list(air.values()))).any(axis=1))
    reflectivity, velocity, watched = (values[falling] for values in _radar(day, notes))
    drop("radar", ~watched)
    start = day.date.astype("datetime64[s]") + falling * np.timedelta64(60 * MINUTES, "s")
    aloft = _profile(day, archive.SITES[site], start, notes) if profile else {}
    if aloft:
        drop("profile", np.isnan(np.column_stack(list(aloft.values()))).any(axis=1))

    values: dict[str, Any] = {
        "time": start.astype("datetime64[ns]"),
        "storm": np.zeros(len(falling)),
        **record,
        **rates,
        **air,
        "ETH": echo_top(~np.isnan(reflectivity)),
        **{f"reflectivity_{gate}": reflectivity[:, k] for k, gate in enumerate(GATES)},
        **{f"dv_{gate}": velocity[:, k] for k, gate in enumerate(GATES)},
        **aloft,
    }
    _drop_out_of_range(values, kept, drop, lambda column: only_file(day, _kind_of(column)).name)
    regimes = labels.regime9(values)
    values |= {
        "regime9": regimes,
        "regime3": labels.regime3(regimes),
        "density": labels.density(values["Rho"]),
        "temperature": labels.temperature(values["T"]),
    }
    columns = [column for column in COLUMNS if column.name in values]
    frame = pd.DataFrame({column.name: values[column.name][kept] for column in columns})
    frame = frame.astype({column.name: column.dtype for column in columns})
    return frame, len(falling), dropped, "; ".join(sorted(set(notes)))


def _drop_out_of_range(
    values: dict[str, Any],
    kept: NDArray[np.bool_],
    drop: Callable[[str, NDArray[np.bool_]], None],
    origin: Callable[[str], str],
) -> None:
    for column in COLUMNS:
        if column.low is None or column.name not in values:
            continue
        found = values[column.name]
        with np.errstate(invalid="ignore"):
            bad = ((found < column.low) | (found > column.high)) & kept
        if 2 * bad.sum() > max(kept.sum(), 1):
            raise LostDay(
                f"{origin(column.name)}: column {column.name} would hold {found[bad][0]:g} and the like in "
                f"{int(bad.sum())} of {int(kept.sum())} rows, expected {column.expected}."
            )
        drop("range", bad)


def _kind_of(column: str) -> str:
    """The kind of file that a column comes from, or mainly comes from."""
    kinds = {"Rho": "rho", "Fs": "vvd", "Sr": "min", "Rr": "min", "t_15": "profile", "rh_15": "profile"}
    kinds |= dict.fromkeys(("T", "RH", "P", "WS"), "weather")
    return kinds.get(column, "radar" if column.startswith(("reflectivity", "dv", "ETH")) else "psd")


def _note(file: File, notes: list[str]) -> None:
    if archive.SIMULATION_ATTRIBUTE in file.attributes:
        notes.append(str(file.attributes[archive.SIMULATION_ATTRIBUTE]))


def _pip_minutes(file: File, day: Day) -> None:
    """Refuses a file that is not the 1440 minutes of its day."""
    times = file.times()
    if len(times) != archive.MINUTES_PER_DAY:
        raise LostDay(f"{file.path.name}: has {len(times)} minutes, expected {archive.MINUTES_PER_DAY}.")
    expected = day.date.astype("datetime64[s]") + np.arange(archive.MINUTES_PER_DAY) * np.timedelta64(60, "s")
    if (times != expected).any():
        at = int(np.argmax(times != expected))
        raise LostDay(f"{file.path.name}: minute {at} is {times[at]}, expected {expected[at]}.")


def _distribution(day: Day, kind: str, notes: list[str]) -> Array:
    """psd, vvd or rho, shape (1440, 131)."""
    variable = {"psd": archive.PSD, "vvd": archive.VVD, "rho": archive.RHO}[kind]
    with opened(only_file(day, kind)) as file:
        _note(file, notes)
        _pip_minutes(file, day)
        bins = file.read(archive.BIN_CENTERS)
        if bins.shape != DIAMETERS.shape or not np.allclose(bins, DIAMETERS, atol=0.01):
            raise LostDay(
                f"{file.path.name}: variable bin_centers has {len(bins)} bins from {bins[0]:g} to {bins[-1]:g} mm, "
                f"expected {len(DIAMETERS)} from {DIAMETERS[0]:g} to {DIAMETERS[-1]:g} mm."
            )
        values, what = file.read(variable), f"{file.path.name}: variable {variable.name}"
        if values.shape != (archive.MINUTES_PER_DAY, len(DIAMETERS)):
            raise LostDay(f"{what} has the shape {values.shape}, expected (1440, 131).")
        if (values < 0).any():
            raise LostDay(f"{what} holds {values[values < 0][0]:g}, expected no negative values.")
        return values


def _rates(day: Day, notes: list[str]) -> dict[str, Array]:
    """Sr and Rr (mm/h), each (288,): means of the minutes that have one; NaN where neither has.

    Where only one of the two has a value, PIP has called the precipitation rain or snow, and the other is 0.
    """
    with opened(only_file(day, "min")) as file:
        _note(file, notes)
        _pip_minutes(file, day)
        snow, rain = (
            _mean_of_present(file.read(variable).reshape(PERIODS, MINUTES))
            for variable in (archive.SNOW_RATE, archive.RAIN_RATE)
        )
    neither = np.isnan(snow) & np.isnan(rain)
    return {
        "Sr": np.where(neither, np.nan, np.nan_to_num(snow)),
        "Rr": np.where(neither, np.nan, np.nan_to_num(rain)),
    }


def _mean_of_present(values: Array) -> Array:
    """Mean over the second axis of what is not NaN; NaN where all is."""
    count = (~np.isnan(values)).sum(axis=1)
    return np.where(count > 0, np.nan_to_num(values).sum(axis=1) / np.maximum(count, 1), np.nan)


def _weather(day: Day, notes: list[str]) -> dict[str, Array]:
    """T (K), RH (%), P (hPa) and WS (m/s), each (288,)."""
    with opened(only_file(day, "weather")) as file:
        _note(file, notes)
        period = _seconds(file, file.times(), day) // (60 * MINUTES)
        inside = (period >= 0) & (period < PERIODS)
        means = {}
        for name, variable in zip(("T", "RH", "P", "WS"), archive.WEATHER, strict=True):
            values = _along_time(file, variable, len(period))
            used = inside & ~np.isnan(values)
            count = np.bincount(period[used], minlength=PERIODS)
            total = np.bincount(period[used], weights=values[used], minlength=PERIODS)
            means[name] = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    means["T"] = means["T"] + labels.FREEZING
    return means


def _seconds(file: File, times: NDArray[np.datetime64], day: Day) -> NDArray[np.int64]:
    """Seconds since the day began; refuses a file without a time in the day that its name says."""
    seconds = (times - day.date.astype("datetime64[s]")).astype(np.int64)
    if not ((seconds >= 0) & (seconds < 86400)).any():
        raise LostDay(f"{file.path.name}: holds {times[0]} to {times[-1]}, expected times of {day.date}.")
    return seconds


def _along_time(file: File, variable: archive.Variable, count: int) -> Array:
    values = file.read(variable)
    if values.shape[0] != count:
        raise LostDay(f"{file.path.name}: variable {variable.name} has {values.shape[0]} values, time has {count}.")
    return values


def _radar(day: Day, notes: list[str]) -> tuple[Array, Array, NDArray[np.bool_]]:
    """Reflectivity (dBZ) and velocity (m/s), each (288, 27), and whether the radar was on, (288,)."""
    with opened(only_file(day, "radar")) as file:
        _note(file, notes)
        times = file.times() - np.timedelta64(archive.RADAR_DELAY, "s")
        minute = _seconds(file, times, day) // 60
        height, ze, w = (_along_time(file, v, len(times)) for v in (archive.HEIGHT, archive.ZE, archive.DOPPLER))
        gates = _gates(file, height)
    inside = (minute >= 0) & (minute < archive.MINUTES_PER_DAY)
    heard = ~np.isnan(ze[:, gates]) & ~np.isnan(w[:, gates])
    with np.errstate(over="ignore"):  # an impossible reflectivity is dropped by its range
        linear = np.where(heard, 10 ** (np.nan_to_num(ze[:, gates]) / 10), 0.0)
    period = minute[inside] // MINUTES
    shape = (PERIODS, len(GATES))
    count, power, speed = np.zeros(shape), np.zeros(shape), np.zeros(shape)
    np.add.at(count, period, heard[inside])
    np.add.at(power, period, linear[inside])
    np.add.at(speed, period, np.where(heard, np.nan_to_num(w[:, gates]), 0.0)[inside])
    echo = count >= LEAST_MINUTES
    on = np.bincount(period, minlength=PERIODS) >= LEAST_MINUTES
    count = np.maximum(count, 1)
    with np.errstate(divide="ignore"):
        reflectivity = 10 * np.log10(power / count)
    return np.where(echo, reflectivity, np.nan), np.where(echo, speed / count, np.nan), on


def _gates(file: File, height: Array) -> NDArray[np.int64]:
    """The columns whose height is that of the gates of the schema, shape (27,)."""
    # the first row that has all heights: they do not change within a day
    rows = np.flatnonzero(~np.isnan(height).any(axis=1))
    if not len(rows):
        raise LostDay(f"{file.path.name}: variable height has no complete row, expected heights in m.")
    heights = height[rows[0]]
    nearest = np.abs(heights[None, :] - GATE_HEIGHTS[:, None]).argmin(axis=1)
    wrong = np.abs(heights[nearest] - GATE_HEIGHTS) > 1.0
    if wrong.any():
        raise LostDay(
            f"{file.path.name}: variable height runs from {heights.min():g} to {heights.max():g} m without a gate at "
            f"{GATE_HEIGHTS[wrong][0]:g} m, expected one every 100 m."
        )
    return nearest


def _profile(day: Day, site: archive.Site, start: NDArray[np.datetime64], notes: list[str]) -> dict[str, Array]:
    """t_15 (K) and rh_15 (%) at 900 hPa at the given times, each (records,)."""
    with opened(only_file(day, "profile")) as file:
        _note(file, notes)
        times = file.times(archive.PROFILE_TIME)
        seconds = _seconds(file, times, day)
        if (np.diff(seconds) > 3600).any():
            raise LostDay(f"{file.path.name}: time has steps of {np.diff(seconds).max() / 3600:g} hours, expected 1.")
        levels = file.read(archive.LEVEL)
        at = np.flatnonzero(np.abs(levels - archive.PROFILE_LEVEL) < 0.5)
        if not len(at):
            raise LostDay(f"{file.path.name}: variable {archive.LEVEL.name} has no {archive.PROFILE_LEVEL:g} hPa.")
        wanted = (start - day.date.astype("datetime64[s]")).astype(np.int64)
        near = (wanted >= seconds[0] - 3600) & (wanted <= seconds[-1] + 3600)
        found = {}
        for name, variable in (("t_15", archive.AIR_TEMPERATURE), ("rh_15", archive.AIR_HUMIDITY)):
            dimensions = file.content(variable.names).values.ndim
            values = file.read(variable, dimensions if dimensions in (2, 4) else None)
            if values.shape[:2] != (len(times), len(levels)):
                raise LostDay(
                    f"{file.path.name}: variable {variable.name} has the shape {values.shape}, "
                    f"expected ({len(times)}, {len(levels)}, ...) for time and level."
                )
            column = values[:, at[0]] if values.ndim == 2 else values[:, at[0], *_grid_point(file, site)]
            found[name] = np.where(near, np.interp(wanted, seconds, column), np.nan)
    return found


def _grid_point(file: File, site: archive.Site) -> tuple[int, int]:
    latitude, longitude = (file.content((name,)).values.astype(float).ravel() for name in ("latitude", "longitude"))
    east = (longitude - site.longitude + 180) % 360 - 180
    row, column = int(np.abs(latitude - site.latitude).argmin()), int(np.abs(east).argmin())
    if abs(latitude[row] - site.latitude) > 0.5 or abs(east[column]) > 0.5:
        raise LostDay(
            f"{file.path.name}: its nearest grid point is {latitude[row]:g} N, {longitude[column]:g} E, "
            f"expected one within 0.5 degrees of {site.latitude:g} N, {site.longitude:g} E."
        )
    return row, column


# Many days ----------------------------------------------------------------------------------------------------------


def work(job: Job) -> Outcome:
    """One day, in whatever process: nothing to do, lost with a reason, or its rows."""
    from threadpoolctl import threadpool_limits

    date = str(job.day.date)
    # one thread: sums in another order would differ in the last digit from machine to machine
    with _ONE_AT_A_TIME, threadpool_limits(1):
        key, files = fingerprints(job)
        if key == job.known:
            return Outcome(date, key, files)
        try:
            frame, periods, dropped, note = read_day(job.day, job.site, job.profile)
            outcome = Outcome(date, key, files, "", len(frame), periods, dropped, note)
            return _with_part(outcome, validate(frame) if len(frame) else frame)
        except LostDay as problem:
            return _with_part(Outcome(date, key, files, str(problem)), pd.DataFrame())
        except TableError as problem:
            return _with_part(Outcome(date, key, files, f"{date}: {problem}"), pd.DataFrame())


def killed(job: Job) -> Outcome:
    """What is said of a day whose files crash the library that reads them."""
    reason = "reading its files ended the process, expected netCDF files."
    return _with_part(Outcome(str(job.day.date), *fingerprints(job), reason), pd.DataFrame())


def fingerprints(job: Job) -> tuple[str, str]:
    """SHA-256 of all that a day's result depends on (files, options, code), and of the files alone, names included."""
    total = hashlib.sha256()
    for kind in archive.KINDS:
        if kind == "profile" and not job.profile:
            continue
        for label, paths in (("file", job.day.files), ("stray", job.day.strays)):
            for path in paths.get(kind, []):
                total.update(f"\0{label} {kind} {path.name} ".encode())
                try:
                    with path.open("rb") as stream:
                        total.update(hashlib.file_digest(stream, "sha256").digest())
                except OSError as error:
                    total.update(str(error.errno).encode())
    files = total.hexdigest()
    return hashlib.sha256(f"{files} {job.site} {job.profile} {_code()}".encode()).hexdigest(), files


@cache
def _code() -> str:
    """SHA-256 of the modules that decide what a day's rows are."""
    here = Path(__file__).parent
    names = ("archive", "ingest", "instruments", "labels", "schema")
    return hashlib.sha256(b"".join((here / f"{name}.py").read_bytes() for name in names)).hexdigest()


def _with_part(outcome: Outcome, frame: pd.DataFrame) -> Outcome:
    """The outcome with its rows as parquet, in whose metadata the outcome is described."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.Table.from_pandas(frame, preserve_index=False)
    described = json.dumps(outcome.described(), sort_keys=True).encode()
    table = table.replace_schema_metadata({**(table.schema.metadata or {}), _METADATA: described})
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd")
    return Outcome(**outcome.described(), part=buffer.getvalue())


def described_part(path: Path) -> Outcome | None:
    """The outcome that a part was written for; None if there is no such part or it cannot be read."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return Outcome(**json.loads((pq.read_schema(path).metadata or {})[_METADATA]))
    except (OSError, pa.ArrowException, KeyError, TypeError, ValueError):
        return None


def parts_folder(out: Path) -> Path:
    """Where the days are kept that were already ingested: beside the output, not in it."""
    return out.resolve().parent / f"{out.resolve().name}.parts"


def ingest_days(
    found: archive.Found,
    site: str,
    profile: bool,
    parts: Path,
    scheduler: str = "local",
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Season:
    """Every day's rows as a parquet file in `parts`, written as soon as the day is read.

    Days whose files, options and code are unchanged are not read again.

    Raises:
        SettingsError: the scheduler or the number of workers cannot be used.
        OutputError: `parts` cannot be written.
    """
    outcomes: dict[str, Outcome] = {}
    jobs = []
    for day in found.days:
        earlier = described_part(parts / f"{day.name}.parquet")
        if earlier is not None:
            outcomes[str(day.date)] = earlier
        jobs.append(Job(day, site, profile, earlier.key if earlier else ""))
    for done, outcome in enumerate(run_days(jobs, work, killed, scheduler, workers), start=1):
        if outcome.part:
            with replacing(parts / f"{outcome.date.replace('-', '')}.parquet") as beside:
                beside.write_bytes(outcome.part)
            outcomes[outcome.date] = Outcome(**outcome.described())
        if progress is not None:
            progress(done, len(jobs))
    return Season(tuple(outcomes[str(day.date)] for day in found.days), found.ignored)


def write_table(path: Path, season: Season, parts: Path) -> None:
    """Joins the parts in time order and numbers the storms; holds no more than some 50,000 rows at once.

    Raises:
        ArchiveError: no day has a row.
        OutputError: the file cannot be written.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    names = [outcome.date.replace("-", "") for outcome in season.outcomes if outcome.rows]
    if not names:
        raise ArchiveError(nothing(season, parts))
    storm, last, waiting, writer = -1, None, [], None
    with replacing(path) as beside:
        try:
            for place, name in enumerate(names):
                frame = pd.read_parquet(parts / f"{name}.parquet")
                time = frame["time"].to_numpy()
                before = np.concatenate([[time[0] if last is None else last], time[:-1]])
                begins = time - before > STORM_PAUSE
                begins[0] |= last is None
                frame["storm"] = (storm + np.cumsum(begins)).astype("int32")
                storm, last = int(frame["storm"].iloc[-1]), time[-1]
                waiting.append(frame)
                if sum(map(len, waiting)) >= ROWS_AT_ONCE or place == len(names) - 1:
                    table = pa.Table.from_pandas(pd.concat(waiting, ignore_index=True), preserve_index=False)
                    if writer is None:
                        writer = pq.ParquetWriter(beside, table.schema, compression="zstd")
                    writer.write_table(table.cast(writer.schema))
                    waiting = []
        except OSError as error:
            raise output_error(path, error) from error
        finally:
            if writer is not None:
                writer.close()


def nothing(season: Season, parts: Path) -> str:
    """The sentence for an archive that gave no row, and the report that explains it, among the parts."""
    write_text(parts / REPORT, report(season))
    first = f"; the first, {season.lost[0].date}: {season.lost[0].reason}" if season.lost else "."
    return (
        f"The archive has {len(season.outcomes)} days, {len(season.lost)} of them lost, and no row of precipitation "
        f"(see {parts / REPORT}){first}"
    )


def report(season: Season) -> str:
    """One line per day (read or lost, and why) and one per file whose name says no day, as CSV."""
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\n")
    lines.writerow(["day", "status", "rows", "periods", *(f"dropped: {reason}" for reason in DROPPED), "reason"])
    for o in season.outcomes:
        counts = [o.rows, o.periods, *(o.dropped.get(reason, 0) for reason in DROPPED)]
        lines.writerow([o.date, "lost" if o.reason else "read", *counts, o.reason])
    for path in season.ignored:
        lines.writerow(["", "file left out", 0, 0, *(0 for _ in DROPPED), f"{path.name}: is not named as expected."])
    return text.getvalue()
