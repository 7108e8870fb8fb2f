"""Reads parquet files, group by group of rows."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from precip_sae.errors import TableError, first_line
from precip_sae.tables.opened import LARGEST_CHUNK, PIECE_ROWS, Opened, Piece, Rows

# parquet


def open_parquet(path: Path) -> Opened:
    import pyarrow as pa
    import pyarrow.parquet as pq

    @contextmanager
    def sentences() -> Iterator[None]:
        try:
            yield
        except (pa.ArrowException, OSError, ValueError) as error:
            raise TableError(f"{path}: cannot be read as parquet ({first_line(error)}).") from error

    with sentences():
        schema = pq.read_schema(path)
    units = {f.name: f.metadata[b"units"].decode() for f in schema if f.metadata and b"units" in f.metadata}

    def pieces(wanted: list[str]) -> Rows:
        done = 0
        # a text that is written once and repeated stays one in memory until it is known how much it comes to
        text = [f.name for f in schema if pa.types.is_string(f.type) or pa.types.is_large_string(f.type)]
        with sentences(), pq.ParquetFile(path, read_dictionary=[name for name in wanted if name in text]) as file:
            _refuse_large_chunks(path, file.metadata, wanted)
            rows = file.metadata.num_rows
            for batch in file.iter_batches(PIECE_ROWS, columns=wanted):
                done += len(batch)
                # a text column may be a dictionary, and pieces may differ in it
                plain = _written_out(path, pa.Table.from_batches([batch]).select(wanted))
                yield Piece(plain.to_pandas(ignore_metadata=True), done, rows)

    return Opened(path, "parquet", list(schema.names), pieces, units)


def _refuse_large_chunks(path: Path, metadata: Any, wanted: list[str]) -> None:
    for group in range(metadata.num_row_groups):
        for place in range(metadata.num_columns):
            column = metadata.row_group(group).column(place)
            name = column.path_in_schema.partition(".")[0]
            if name in wanted and not 0 <= column.total_uncompressed_size <= LARGEST_CHUNK:
                raise TableError(
                    f"{path}: column '{name}' unpacks to more than {LARGEST_CHUNK} bytes at once, expected smaller "
                    "groups of rows."
                )


def _written_out(path: Path, table: Any) -> Any:
    """The table with dictionaries of text as text."""
    import pyarrow as pa
    import pyarrow.compute as pc

    for place, named in enumerate(table.schema):
        if not pa.types.is_dictionary(named.type) or not (
            pa.types.is_string(named.type.value_type) or pa.types.is_large_string(named.type.value_type)
        ):
            continue
        column = table.column(place)
        lengths = (pc.take(pc.binary_length(part.dictionary), part.indices) for part in column.chunks)
        if sum(pc.sum(found).as_py() or 0 for found in lengths) > LARGEST_CHUNK:
            raise TableError(
                f"{path}: column '{named.name}' holds more than {LARGEST_CHUNK} bytes of text in {PIECE_ROWS} rows, "
                "expected shorter texts."
            )
        table = table.set_column(place, named.name, column.cast(pa.large_string()))
    return table
