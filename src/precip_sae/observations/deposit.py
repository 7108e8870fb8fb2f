"""The data folder: the observations, what they are (source.json) and a note for whoever opens the folder."""

from collections.abc import Iterable
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from precip_sae.files import replacing, write_json, write_text
from precip_sae.observations.describe import SIMULATION
from precip_sae.observations.simulate import PART_RECORDS
from precip_sae.settings import SimulationSettings

README = """\
# These observations are simulated

`observations.parquet` holds {records} five-minute records of precipitation, written by `precip-sae simulate` from the
seed {seed}. They are **not measurements**: the tables of King et al. (2025, doi 10.1029/2025JH000769) were never
published, so this package ships a physical simulation of their site, Marquette, Michigan, held to the statistics that
were published about it. The column `melted` and the label `phase` are known to a simulation only.

Columns, units and ranges: `src/precip_sae/observations/schema.py`. How near the simulation comes to the published
statistics: `results/fidelity.csv`. The same command and seed give the same bytes.

The real microphysics are in the PIP archive (doi 10.7302/37yx-9q53). Turning its files into a table is not part of this
version of the package. To train a task's networks and SAEs on real observations, make a table with the columns of the
task by other means and run the task on it, see "Your own data" in the README of the repository.
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
    _write(target, [table] if isinstance(table, pd.DataFrame) else table)
    write_json(folder / "source.json", {"kind": SIMULATION, **settings.model_dump()})
    write_text(folder / "README.md", README.format(**settings.model_dump()))
    return target


def _write(path: Path, parts: Iterable[pd.DataFrame]) -> None:
    """One parquet file of the parts, a row group of at most PART_RECORDS rows after the other."""
    with replacing(path) as beside:
        writer = None
        try:
            for part in parts:
                rows = pa.Table.from_pandas(part, preserve_index=False)
                writer = writer or pq.ParquetWriter(beside, rows.schema, compression="zstd")
                writer.write_table(rows, row_group_size=PART_RECORDS)
        finally:
            if writer is not None:
                writer.close()
