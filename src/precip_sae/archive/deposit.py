"""Ingested observations in the data folder."""

import hashlib
from pathlib import Path
from typing import Any

from precip_sae.archive import layout
from precip_sae.archive.ingest import Season, parts_folder, report, write_table
from precip_sae.files import write_json, write_text
from precip_sae.observations.deposit import REPORT, nameless
from precip_sae.observations.describe import ARCHIVE

ARCHIVE_README = """\
# These observations {are}

`observations.parquet` holds {rows} five-minute records of precipitation, made by `precip-sae ingest` of daily files,
{first_day} to {last_day}, in the format of the {name}
(doi {doi}) at the site {site}, with surface weather and radar{profile}.
{days_lost} of {days} days were lost; `{report}` says of every day how many rows it gave, or why it is lost.
{simulation}
Columns, units and ranges: `src/precip_sae/observations/schema.py`. What the published description leaves open, and how
it was decided: `src/precip_sae/archive/read_day.py`. The same files give the same bytes.
"""


def deposit_archive(folder: Path, season: Season, site: str, profile: bool) -> Path:
    """Writes ingested observations with their source, the report and a note; returns the table's path.

    Args:
        folder: where to; made if needed.
        season: what became of every day; its rows lie in `parts_folder(folder)`.
        site: key of `layout.SITES`.
        profile: whether profiles of the air were read.

    Raises:
        ArchiveError: no day has a row, or the part of a day is not the one that was read; nothing is written then.
    """
    table = folder / "observations.parquet"
    with nameless(folder):
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
        "name": layout.NAME,
        "doi": layout.DOI,
        "site": site,
        "place": layout.SITES[site].name,
        "profile": profile,
        "rows": season.rows,
        "days": len(season.outcomes),
        "days_read": len(read),
        "days_lost": len(season.lost),
        "days_without_precipitation": sum(outcome.periods == 0 for outcome in read),
        "first_day": season.outcomes[0].date,
        "last_day": season.outcomes[-1].date,
        "periods_dropped": sum(sum(outcome.dropped.values()) for outcome in read),
        # true when any file says that it holds a simulation: the table must not pass as measured
        "simulated": bool(notes),
        "simulation": "; ".join(notes),
        "sha256": hashlib.sha256(files.encode()).hexdigest(),
    }
