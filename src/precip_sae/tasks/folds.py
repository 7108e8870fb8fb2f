"""Which rows train, validate, feed the SAE and test in each fold of a cross-validation (Stone 1974)."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from precip_sae.errors import TableError
from precip_sae.settings import DataSettings
from precip_sae.tasks.parts import (
    MINIMUM_PART,
    NETWORK_SHARE,
    PARTS,
    SAE_SHARE,
    SHARES,
    VALIDATION_SHARE,
    blocks_held,
    dealt,
    groups_in_order,
)

TEST = PARTS.index("test")


def every_fold(data: DataSettings) -> list[DataSettings]:
    """The settings of each fold, in order; of data without folds, or of one that is chosen, those settings alone."""
    if data.folds is None or data.fold is not None:
        return [data]
    return [data.model_copy(update={"fold": fold}) for fold in range(1, data.folds + 1)]


def fold_name(data: DataSettings) -> str:
    """`fold 2 of 5`."""
    return f"fold {data.fold} of {data.folds}"


def fold_rows(frame: pd.DataFrame, y: NDArray[np.int64] | None, data: DataSettings) -> dict[str, NDArray[np.int64]]:
    """Which rows belong to which part in the fold `data.fold`, each part's in order.

    Over all folds every row is tested once. Rows in time order, or whole groups in their order, are cut into
    `data.folds` sets that follow each other. Those of the fold's own number test; the others are taken in a circle from
    the one behind it: 60 % of them train, 15 % validate, 25 % train the SAE, so that the last of five folds has the
    parts of `part_rows`, to a row. With `data.parts: blocks` blocks of days are dealt to the sets, and then to the
    parts, as `block_rows` deals them.

    Args:
        frame: the usable rows, in order.
        y: class number of every row; None: rows count alike.

    Raises:
        TableError: no fold is chosen, there are more folds than groups or blocks of days, a row has no group, or a part
            holds fewer than 10 rows.
    """
    if data.folds is None or data.fold is None:
        raise TableError(
            f"{data.table}: data.folds is {data.folds} and data.fold is null; `precip-sae task run` runs every fold."
        )
    if data.parts == "blocks":
        part = _dealt_rows(frame[data.time], y, data, data.folds, data.fold - 1)
    else:
        groups = frame[data.groups] if data.groups else None
        part = _rows_in_a_circle(groups, len(frame), data, data.folds, data.fold - 1)
    chosen = {name: np.flatnonzero(part == k) for k, name in enumerate(PARTS)}
    fewest = min(chosen, key=lambda name: len(chosen[name]))
    if len(chosen[fewest]) < MINIMUM_PART:
        raise TableError(
            f"{data.table}: of {len(frame)} usable rows {fold_name(data)} leaves {len(chosen[fewest])} to the part "
            f"{fewest}, expected at least {MINIMUM_PART}: set another number of folds (data.folds)."
        )
    return chosen


def _rows_in_a_circle(
    groups: pd.Series | None, rows: int, data: DataSettings, folds: int, fold: int
) -> NDArray[np.int64]:
    """The part of each row [rows] by number in PARTS; `fold` from 0."""
    if groups is None:
        number = order = np.arange(rows)
    else:
        number, order = groups_in_order(groups, data)
        _refuse_more(folds, len(order), f"groups in column '{data.groups}'", data)
    size = np.bincount(number, minlength=len(order))[order]
    # a group belongs to the set, and to the part, in which its middle row falls
    set_of = (2 * np.cumsum(size) - size) * folds // (2 * max(rows, 1))
    others = np.flatnonzero(set_of != fold)
    others = others[np.argsort((set_of[others] - fold - 1) % folds, kind="stable")]
    left = int(size[others].sum())
    network = round(left * NETWORK_SHARE / (NETWORK_SHARE + SAE_SHARE))
    ends = [int(network * (1 - VALIDATION_SHARE)), network]
    part = np.full(len(order), TEST)
    part[others] = np.searchsorted(ends, np.cumsum(size[others]) - size[others] / 2, side="right")
    by_group = np.empty(len(order), dtype=np.int64)
    by_group[order] = part
    return by_group[number]


def _dealt_rows(
    times: pd.Series, y: NDArray[np.int64] | None, data: DataSettings, folds: int, fold: int
) -> NDArray[np.int64]:
    """The part of each row [rows] where blocks of days are dealt; `fold` from 0."""
    block, held, order = blocks_held(times, y, data)
    _refuse_more(folds, len(held), f"blocks of {data.block_days:g} days", data)
    others = dealt(held, order, [1 / folds] * folds) != fold
    shares = [share / (NETWORK_SHARE + SAE_SHARE) for share in SHARES[:TEST]]
    place = np.cumsum(others) - 1
    part = np.full(len(held), TEST)
    part[others] = dealt(held[others], place[order[others[order]]], shares)
    return part[block]


def _refuse_more(folds: int, there: int, what: str, data: DataSettings) -> None:
    if folds > there:
        raise TableError(f"{data.table}: holds {there} {what}, expected at least {folds}, one for each of data.folds.")
