"""Simulated observations in the data folder."""

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from precip_sae.files import write_json, write_text
from precip_sae.observations.deposit import REPORT, nameless, write_table
from precip_sae.observations.describe import SIMULATION
from precip_sae.settings import SimulationSettings

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
    with nameless(folder):
        write_table(target, [table] if isinstance(table, pd.DataFrame) else table)
    write_json(folder / "source.json", {"kind": SIMULATION, **settings.model_dump()})
    (folder / REPORT).unlink(missing_ok=True)  # of an earlier archive
    write_text(folder / "README.md", README.format(**settings.model_dump()))
    return target
