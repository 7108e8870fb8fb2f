"""A table's file that was opened: its columns, and its rows in pieces that fit into memory."""

from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

PIECE_ROWS = 65_536
LARGEST_CHUNK = 1 << 28  # bytes that a file may ask for at once: compressed, they may be a few thousand
EXPECTED = "a CSV or parquet file, or one that xarray opens (netCDF, Zarr)"


@dataclass(frozen=True)
class Piece:
    """Some rows of a file.

    Attributes:
        frame: as the file holds them; the index holds their numbers, the piece's first row 0.
        done, whole: how much of the file is read and how much there is, rows or bytes.
        bad: numbers of the rows that were left out, as another number of columns stands in them.
    """

    frame: pd.DataFrame
    done: int
    whole: int
    bad: NDArray[np.int64] = field(default_factory=lambda: np.array([], dtype=np.int64))


Rows = Generator[Piece, None, None]


@dataclass(frozen=True)
class Opened:
    """A table's file.

    Attributes:
        path: where it is.
        kind: CSV, parquet or xarray.
        names: of the columns, in the file's order.
        pieces: given names, yields the rows with these columns.
        units: that the file itself states, by column.
        meanings: texts that numbers stand for (`flag_values` and `flag_meanings`), by column.
    """

    path: Path
    kind: str
    names: list[str]
    pieces: Callable[[list[str]], Rows]
    units: dict[str, str] = field(default_factory=dict)
    meanings: dict[str, dict[float, str]] = field(default_factory=dict)
