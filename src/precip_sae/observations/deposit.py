"""The data folder holds the observations, what they are (source.json) and a note for whoever opens the folder."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from precip_sae.files import replacing, write_text

ROW_GROUP = 65_536
COMPRESSION = 9
REPORT = "ingest_report.csv"
INCREASING = ("time", "storm")


@contextmanager
def nameless(folder: Path) -> Iterator[None]:
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


def write_table(path: Path, parts: Iterable[pd.DataFrame]) -> None:
    """One parquet file of the parts, a row group of at most ROW_GROUP rows after the other.

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
                writer.write_table(rows, row_group_size=ROW_GROUP)
        finally:
            if writer is not None:
                writer.close()
