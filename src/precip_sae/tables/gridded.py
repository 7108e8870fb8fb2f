"""Reads netCDF, Zarr and whatever else xarray opens, a stretch of rows at a time."""

import gzip
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from precip_sae.errors import TableError, first_line
from precip_sae.tables.opened import EXPECTED, LARGEST_CHUNK, PIECE_ROWS, Opened, Piece, Rows

MOST_COLUMNS = 1_000_000  # that the entries of a file's variables may make


# whatever xarray opens


@contextmanager
def _far_dates() -> Iterator[None]:
    """A date that numpy cannot hold comes as an object of cftime, without a warning: it is read by its text."""
    import xarray as xr

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", xr.SerializationWarning)
        yield


def _is_text(path: Path) -> bool:
    with (gzip.open if path.suffix == ".gz" else open)(path, "rb") as file:
        try:
            return b"\0" not in file.read(4096)
        except (OSError, EOFError, zlib.error):
            return False


def open_gridded(path: Path) -> Opened:
    import xarray as xr

    def opened() -> xr.Dataset:
        with _far_dates():
            # a length of time in hours is a number of hours
            return xr.open_dataset(path, decode_timedelta=False)

    try:
        dataset = opened()
    except (OSError, ValueError, TypeError, KeyError, RuntimeError, AttributeError, OverflowError) as error:
        if "did not find a match" in str(error) or "unable to guess" in str(error):
            ending = f"ends in '{path.suffix}'" if path.suffix else "has no ending"
            hint = " (data.file.format: csv reads delimited text of any name)" if _is_text(path) else ""
            raise TableError(f"{path}: {ending} and xarray cannot open it, expected {EXPECTED}{hint}.") from error
        if "dependencies may not be installed" in str(error):
            raise TableError(
                f"{path}: xarray needs another package to open it (for a Zarr store: pip install zarr)."
            ) from error
        raise TableError(f"{path}: cannot be read with xarray ({first_line(error)}).") from error
    with dataset:
        shapes = {str(name): (tuple(map(str, v.dims)), v.shape) for name, v in dataset.variables.items()}
        attributes = {str(name): dict(v.attrs) for name, v in dataset.variables.items()}
        for name, v in dataset.variables.items():
            if np.prod(v.encoding.get("chunksizes") or (0,), dtype=float) * v.dtype.itemsize > LARGEST_CHUNK:
                raise TableError(
                    f"{path}: variable '{name}' is packed in pieces of more than {LARGEST_CHUNK} bytes, expected less."
                )
    rows = _row_dimension(shapes)
    entries: dict[str, tuple[str, dict[str, int]]] = {}
    for name, (dims, shape) in shapes.items():
        if len(dims) == 1:
            entries[name] = (name, {})
        elif len(dims) == 2 and rows in dims:
            other = 1 - dims.index(rows)
            if len(entries) + shape[other] > MOST_COLUMNS:
                raise TableError(f"{path}: variable '{name}' has {shape[other]} entries a row, expected fewer.")
            entries |= {f"{name}[{k}]": (name, {dims[other]: k}) for k in range(shape[other])}
    units = {c: str(attributes[v]["units"]) for c, (v, _) in entries.items() if attributes[v].get("units")}
    meanings = {c: flags for c, (v, _) in entries.items() if (flags := _flags(attributes[v]))}

    def pieces(wanted: list[str]) -> Rows:
        for name in wanted:
            if rows not in (along := shapes[entries[name][0]][0]):
                raise TableError(
                    f"{path}: column '{name}' runs along '{along[0]}', expected '{rows}' as the others do."
                )
        with opened() as again:
            count = int(again.sizes[rows])
            for start in range(0, count, PIECE_ROWS):
                piece = again.isel({rows: slice(start, start + PIECE_ROWS)})
                columns = {}
                for name in wanted:
                    variable, entry = entries[name]
                    try:
                        with _far_dates():
                            columns[name] = piece[variable].isel(entry).to_numpy()
                    except (OSError, RuntimeError, ValueError, OverflowError) as error:
                        raise TableError(f"{path}: column '{name}' cannot be read ({first_line(error)}).") from error
                yield Piece(pd.DataFrame(columns), min(start + PIECE_ROWS, count), count)

    return Opened(path, "xarray", list(entries), pieces, units, meanings)


def _row_dimension(shapes: dict[str, tuple[tuple[str, ...], tuple[int, ...]]]) -> str:
    """The dimension that a row is one of: that of most variables, coordinates of a dimension not counted."""
    counted: dict[str, int] = {}
    for name, (dims, _) in shapes.items():
        for dimension in dims if (name,) != dims else ():
            counted[dimension] = counted.get(dimension, 0) + 1
    return max(counted, key=lambda dimension: counted[dimension], default="")


def _flags(attributes: dict[str, Any]) -> dict[float, str]:
    """What numbers of a variable stand for, by the CF conventions."""
    if "flag_values" not in attributes or "flag_meanings" not in attributes:
        return {}
    values = np.atleast_1d(attributes["flag_values"]).tolist()
    meanings = str(attributes["flag_meanings"]).split()
    return dict(zip(values, meanings, strict=False)) if len(values) == len(meanings) else {}
