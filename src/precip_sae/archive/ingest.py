"""From the published files to the table of observations: one day at a time, each once, in parallel, resumable."""

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

from precip_sae.archive import layout
from precip_sae.archive.layout import Day, LostDay
from precip_sae.archive.parallel import run_days
from precip_sae.archive.read_day import DROPPED, read_day
from precip_sae.errors import ArchiveError, TableError, first_line
from precip_sae.files import output_error, replacing, write_text
from precip_sae.observations.deposit import REPORT
from precip_sae.observations.schema import validate

STORM_PAUSE = np.timedelta64(6, "h")
ROWS_AT_ONCE = 50_000
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
    for kind in layout.KINDS:
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
    package = Path(__file__).parents[1]
    names = [f"archive/{name}" for name in ("files", "ingest", "layout", "read_day")]
    names += [f"observations/{name}" for name in ("five_minutes", "labels", "schema")]
    return hashlib.sha256(b"".join((package / f"{name}.py").read_bytes() for name in names)).hexdigest()


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
    found: layout.Found,
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
        ArchiveError: no day has a row, or a part is not the one of this season.
        OutputError: the file cannot be written.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    wanted = [outcome for outcome in season.outcomes if outcome.rows]
    if not wanted:
        raise ArchiveError(nothing(season, parts))
    storm, last, waiting, writer = -1, None, [], None
    with replacing(path) as beside:
        try:
            for place, outcome in enumerate(wanted):
                frame = _rows_of(outcome, parts)
                time = frame["time"].to_numpy()
                before = np.concatenate([[time[0] if last is None else last], time[:-1]])
                begins = time - before > STORM_PAUSE
                begins[0] |= last is None
                frame["storm"] = (storm + np.cumsum(begins)).astype("int32")
                storm, last = int(frame["storm"].iloc[-1]), time[-1]
                waiting.append(frame)
                if sum(map(len, waiting)) >= ROWS_AT_ONCE or place == len(wanted) - 1:
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


def _rows_of(outcome: Outcome, parts: Path) -> pd.DataFrame:
    import pyarrow as pa
    import pyarrow.parquet as pq

    part = parts / f"{outcome.date.replace('-', '')}.parquet"
    try:
        table = pq.read_table(part)
        # another run with other files or options may have come in between
        if json.loads(table.schema.metadata[_METADATA])["key"] == outcome.key:
            return table.to_pandas()
        why = "was replaced by another run"
    except (OSError, pa.ArrowException, KeyError, TypeError, ValueError) as error:
        why = f"cannot be read ({first_line(error)})"
    raise ArchiveError(f"{part}: {why}, expected the rows of {outcome.date}; delete it and run again.")


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
