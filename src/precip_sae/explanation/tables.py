"""The inputs of a network from a table's file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from precip_sae.errors import TableError, closest
from precip_sae.models.exchange import read_network
from precip_sae.models.exchange.recorded import ENDINGS
from precip_sae.settings import FileSettings
from precip_sae.tables.formats import open_table, table_files
from precip_sae.tables.values import numbers, without_marks


def inputs_of(model: Path, table: Path, names: Sequence[str] | None = None) -> pd.DataFrame:
    """The columns of a table that a network takes as inputs.

    Args:
        model: the network's file, or that of activations, to which any column may belong.
        table: a file, a folder of files, or a pattern.
        names: the columns in the network's order; None: those that the network names, and beside activations all that
            hold numbers.

    Returns:
        A column per input.

    Raises:
        NetworkError: the network cannot be read.
        TableError: the table cannot be read, lacks a column or has it twice, or a column is named twice.
    """
    if repeated := next((name for name in names or () if list(names or ()).count(name) > 1), None):
        raise TableError(f"The columns name '{repeated}' more than once, expected different inputs.")
    opened = [open_table(file, FileSettings()) for file in table_files(table)]
    alone = model.suffix in ENDINGS
    asked = list(names or ([] if alone else read_network(model).predictors)) or list(opened[0].names)
    frames = []
    for file in opened:
        if missing := [name for name in asked if name not in file.names]:
            raise TableError(f"{file.path}: has no column '{missing[0]}'; {closest(missing[0], file.names)}.")
        if repeated := next((name for name in asked if file.names.count(name) > 1), None):
            raise TableError(f"{file.path}: has {file.names.count(repeated)} columns '{repeated}', expected one.")
        pieces = [piece.frame for piece in file.pieces(asked)]
        if not pieces:
            raise TableError(f"{file.path}: has columns but no rows.")
        frames += pieces
    whole = pd.concat(frames, ignore_index=True)
    found = {}
    for name in asked:
        try:
            found[name] = numbers(without_marks(whole[name], []), name, str(table))
        except TableError:
            if names is not None or not alone:
                raise
    if not found:
        raise TableError(f"{table}: holds no column of numbers.")
    return pd.DataFrame(found)
