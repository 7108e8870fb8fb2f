"""Which models a search trains, and in which pieces."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from precip_sae.errors import TableError
from precip_sae.settings import DataSettings, SubsetSettings
from precip_sae.tasks.prepare import Prepared, prepare, present, rows_in_time_order

UNIT_MODELS = 256  # models that are trained, saved and resumed together, at most
LEAST_MODELS = 32  # and at least, unless no more are left
DEVICE_MODELS = 1 << 15  # where a GPU trains: it is busy only when it is given many at once


@dataclass(frozen=True)
class Unit:
    """Models that are trained together, on the same rows.

    Attributes:
        rows: number of the set of rows in `Plan.prepared`.
        columns: the inputs of each model, as columns of that set [models, inputs].
        seeds: [models].
        subsets: number of each model's subset, in the order of `itertools.combinations` [models].
    """

    rows: int
    columns: NDArray[np.int64]
    seeds: NDArray[np.int64]
    subsets: NDArray[np.int64]


@dataclass(frozen=True)
class Plan:
    """A search, ready to run.

    Attributes:
        names: inputs of every subset.
        prepared: the table, once for each different set of complete rows; a subset loses the rows that miss one
            of its own inputs, so its set holds all columns that are complete there.
        units: the models in pieces.
    """

    names: list[tuple[str, ...]]
    prepared: list[Prepared]
    units: list[Unit]

    @property
    def models(self) -> int:
        return sum(len(unit.seeds) for unit in self.units)


def plan(frame: pd.DataFrame, data: DataSettings, subsets: SubsetSettings) -> Plan:
    """All subsets with all seeds, in pieces of models that share their rows.

    Every model is standardised and split exactly as `tasks.prepare` does it for the subset alone.

    Args:
        frame: holds the columns of the pool, the response and the time column.
        data: the task's `data` section; its predictors are replaced by each subset in turn.

    Raises:
        TableError: see `tasks.prepare`; the inputs whose rows cannot be used are named.
    """
    frame = rows_in_time_order(frame, data)
    names = list(combinations(subsets.pool, subsets.size))
    position = {column: k for k, column in enumerate(subsets.pool)}
    whole = pool_data(data, subsets, subsets.pool)
    if data.missing == "refuse":
        prepare(frame, whole)
    there = present(frame, whole)
    members: dict[bytes, list[int]] = {}
    for number, chosen in enumerate(names):
        rows = there[:, [position[c] for c in chosen]].all(axis=1)
        # a median fills what is missing, so that no row is lost and all subsets share theirs
        members.setdefault(b"" if data.missing == "median" else rows.tobytes(), []).append(number)
    prepared: list[Prepared] = []
    units: list[Unit] = []
    for key, numbers in members.items():
        rows = np.frombuffer(key, bool) if key else np.ones(len(frame), bool)
        complete = [c for c in subsets.pool if data.missing == "median" or there[rows, position[c]].all()]
        try:
            prepared.append(prepare(frame[rows], pool_data(data, subsets, complete)))
        except TableError as error:
            inputs = ", ".join(names[numbers[0]])
            raise TableError(f"{str(error).rstrip('.')} (rows that hold the search's inputs {inputs}).") from error
        column = {name: k for k, name in enumerate(complete)}
        columns = np.array([[column[name] for name in names[number]] for number in numbers])
        units += _pieces(len(prepared) - 1, columns, np.array(numbers), subsets)
    return Plan(names, prepared, units)


def with_pool(data: DataSettings, subsets: SubsetSettings | None) -> DataSettings:
    """The task's `data` section with the pool of its search, if it has one, as further predictors."""
    if subsets is None:
        return data
    more = [column for column in subsets.pool if column not in data.predictors]
    update = {"predictors": [*data.predictors, *more], "transforms": subsets.transforms | data.transforms}
    return data.model_copy(update=update)


def pool_data(data: DataSettings, subsets: SubsetSettings, columns: list[str]) -> DataSettings:
    """The task's `data` section with `columns` of the pool as predictors."""
    transforms = {column: name for column, name in subsets.transforms.items() if column in columns}
    return data.model_copy(update={"predictors": list(columns), "transforms": transforms})


def _pieces(
    rows: int, columns: NDArray[np.int64], numbers: NDArray[np.int64], subsets: SubsetSettings
) -> Iterator[Unit]:
    seeds = np.array(subsets.seeds)
    all_columns = np.repeat(columns, len(seeds), axis=0)
    all_seeds, all_subsets = np.tile(seeds, len(columns)), np.repeat(numbers, len(seeds))
    start = 0
    models = len(all_seeds)
    sizes = _sizes(models) if subsets.engine == "compiled" else np.diff([*range(0, models, DEVICE_MODELS), models])
    for size in sizes:
        piece = slice(start, start := start + size)
        yield Unit(rows, all_columns[piece], all_seeds[piece], all_subsets[piece])


def _sizes(models: int) -> Iterator[int]:
    """How many models each piece has: fewer towards the end, so that workers end at nearly the same time.

    A piece is an eighth of what is left, in whole multiples of `LEAST_MODELS` (which fill the engine's lanes), whatever
    the number of workers: an interrupted search may go on with more of them.
    """
    while models:
        share = models // 8 // LEAST_MODELS * LEAST_MODELS
        size = min(models, UNIT_MODELS, max(share, LEAST_MODELS))
        yield size
        models -= size
