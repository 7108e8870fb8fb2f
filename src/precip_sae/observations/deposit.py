"""The data folder: the observations, what they are (source.json) and a note for whoever opens the folder."""

import hashlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from precip_sae.files import replacing, write_json, write_text
from precip_sae.observations import archive
from precip_sae.observations.describe import ARCHIVE, SIMULATION
from precip_sae.observations.ingest import REPORT, Season, parts_folder, report, write_table
from precip_sae.observations.simulate import PART_RECORDS
from precip_sae.settings import SimulationSettings

COMPRESSION = 9
INCREASING = ("time", "storm")

README = """\
# These observations are simulated

`observations.parquet` holds {records} five-minute records of precipitation, written by `precip-sae simulate` from the
seed {seed}. They are **not measurements**: the tables of King et al. (2025, doi 10.1029/2025JH000769) were never
published, so this package ships a physical simulation of their site, Marquette, Michigan, held to the statistics that
were published about it. The columns `melted` and `riming` and the label `phase` are known to a simulation only.

Columns, units and ranges: `src/precip_sae/observations/schema.py`. How near the simulation comes to the published
statistics: `results/fidelity.csv`. The same command and seed give the same bytes.

The real microphysics are in the PIP archive (doi 10.7302/37yx-9q53); `precip-sae ingest` makes the same table of its
files, see "The real archive" in the README of the repository.
"""


@contextmanager
def _nameless(folder: Path) -> Iterator[None]:
    """While the table changes, nothing says what it is; the earlier source.json comes back if it did not change.

    A run killed in between so leaves a table that no stage accepts, and never one that passes for another.
    """
    path = folder / "source.json"
    earlier = path.read_text(encoding="utf-8") if path.is_file() else None
    if earlier is not None:
        path.unlink()
    try:
        yield
    except BaseException:
        if earlier is not None:
            write_text(path, earlier)
        raise


def deposit_simulation(
    folder: Path, table: pd.DataFrame | Iterable[pd.DataFrame], settings: SimulationSettings
) -> Path:
    """Writes simulated observations with their source and a note; returns the table's path.

    Args:
        folder: where to; made if needed.
        table: the simulated table, or its consecutive parts, of which one at a time is held in memory.
        settings: what it was simulated from.
    """
    target = folder / "observations.parquet"
    with _nameless(folder):
        _write(target, [table] if isinstance(table, pd.DataFrame) else table)
    write_json(folder / "source.json", {"kind": SIMULATION, **settings.model_dump()})
    (folder / REPORT).unlink(missing_ok=True)  # of an earlier archive
    write_text(folder / "README.md", README.format(**settings.model_dump()))
    return target


def _write(path: Path, parts: Iterable[pd.DataFrame]) -> None:
    """One parquet file of the parts, a row group of at most PART_RECORDS rows after the other.

    Times and storms are written as differences, everything else by a dictionary of its values: numbers of few digits
    repeat, so that a table takes two thirds of what it would otherwise.
    """
    with replacing(path) as beside:
        writer = None
        try:
            for part in parts:
                rows = pa.Table.from_pandas(part, preserve_index=False)
                writer = writer or pq.ParquetWriter(
                    beside,
                    rows.schema,
                    compression="zstd",
                    compression_level=COMPRESSION,
                    use_dictionary=[name for name in rows.column_names if name not in INCREASING],
                    column_encoding=dict.fromkeys(INCREASING, "DELTA_BINARY_PACKED"),
                )
                writer.write_table(rows, row_group_size=PART_RECORDS)
        finally:
            if writer is not None:
                writer.close()


ARCHIVE_README = """\
# These observations {are}

`observations.parquet` holds {rows} five-minute records of precipitation from {first_day} to {last_day}, made by
`precip-sae ingest` of daily files in the format of the {name}
(doi {doi}) at the site {site}, with surface weather and radar{profile}.
{days_lost} of {days} days were lost; `{report}` says of every day how many rows it gave, or why it is lost.
{simulation}
Columns, units and ranges: `src/precip_sae/observations/schema.py`. What the published description leaves open, and how
it was decided: `src/precip_sae/observations/ingest.py`. The same files give the same bytes.
"""


def deposit_archive(folder: Path, season: Season, site: str, profile: bool) -> Path:
    """Writes ingested observations with their source, the report and a note; returns the table's path.

    Args:
        folder: where to; made if needed.
        season: what became of every day; its rows lie in `parts_folder(folder)`.
        site: key of `archive.SITES`.
        profile: whether profiles of the air were read.

    Raises:
        ArchiveError: no day has a row; nothing is written then.
    """
    table = folder / "observations.parquet"
    with _nameless(folder):
        write_table(table, season, parts_folder(folder))
    source = archive_source(season, site, profile)
    write_json(folder / "source.json", source)
    write_text(folder / REPORT, report(season))
    simulated = f"\nThe files say that they are simulated: {source['simulation']}.\n" if source["simulated"] else ""
    text = ARCHIVE_README.format(
        **source | {"profile": ", and profiles of the air" if profile else "", "simulation": simulated},
        are="are simulated, by way of archive files" if source["simulated"] else "come from an archive",
        report=REPORT,
    )
    write_text(folder / "README.md", text)
    return table


def archive_source(season: Season, site: str, profile: bool) -> dict[str, Any]:
    """What source.json says about an ingested table."""
    read = [outcome for outcome in season.outcomes if not outcome.reason]
    notes = sorted({outcome.simulation for outcome in read if outcome.simulation})
    files = "".join(outcome.files for outcome in season.outcomes)
    return {
        "kind": ARCHIVE,
        "name": archive.NAME,
        "doi": archive.DOI,
        "site": site,
        "place": archive.SITES[site].name,
        "profile": profile,
        "rows": season.rows,
        "days": len(season.outcomes),
        "days_read": len(read),
        "days_lost": len(season.lost),
        "days_without_precipitation": sum(outcome.rows == 0 for outcome in read),
        "first_day": season.outcomes[0].date,
        "last_day": season.outcomes[-1].date,
        "periods_dropped": sum(sum(outcome.dropped.values()) for outcome in read),
        # true when any file says that it holds a simulation: the table must not pass as measured
        "simulated": bool(notes),
        "simulation": "; ".join(notes),
        "sha256": hashlib.sha256(files.encode()).hexdigest(),
    }
