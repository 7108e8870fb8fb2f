"""Which rows train, validate, feed the SAE and test: in time order, by whole groups, or by drawn blocks of days."""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from precip_sae.errors import TableError
from precip_sae.settings import DataSettings
from precip_sae.tables.values import UNIX

# The study's parts: the first 60 % of the rows train the network (their last fifth validates), the next
# 20 % train the SAE, the last 20 % test both. Rows are never shuffled between parts; with `data.groups`, whole
# groups fill the parts in turn, and with `data.parts: blocks` blocks of days are drawn for them.
PARTS = ("train", "validation", "sae", "test")
NETWORK_SHARE = 0.6
SAE_SHARE = 0.2
VALIDATION_SHARE = 0.2
_TRAIN_SHARE = NETWORK_SHARE * (1 - VALIDATION_SHARE)
SHARES = (_TRAIN_SHARE, NETWORK_SHARE - _TRAIN_SHARE, SAE_SHARE, 1 - NETWORK_SHARE - SAE_SHARE)  # in the order of PARTS
MINIMUM_PART = 10


def part_rows(
    groups: pd.Series | None, rows: int, data: DataSettings, read: int
) -> dict[str, slice | NDArray[np.int64]]:
    """Which rows belong to which part, each part's in order.

    Without groups the parts follow each other: 48 % train, 12 % validate, 20 % train the SAE, 20 % test. With groups,
    whole groups follow each other, by their first row or in the random order of `data.shuffle_groups`, and a group
    belongs to the part in which its middle row falls.

    Args:
        groups: of every usable row, in the rows' order.
        rows: usable rows; read: rows of the table.

    Raises:
        TableError: a row without a group, or a part with fewer than 10 rows.
    """
    ends = _part_ends(rows)
    if groups is None:
        chosen: dict[str, Any] = {n: slice(a, b) for n, (a, b) in zip(PARTS, pairwise([0, *ends]), strict=True)}
        sizes = np.diff([0, *ends])
    else:
        number, order = groups_in_order(groups, data)
        size = np.bincount(number, minlength=len(order))
        middle = np.empty(len(order))
        middle[order] = np.cumsum(size[order]) - size[order] / 2
        part = np.searchsorted(ends[:-1], middle, side="right")
        chosen = {name: np.flatnonzero(part[number] == k) for k, name in enumerate(PARTS)}
        sizes = np.array([len(found) for found in chosen.values()])
        if rows and min(sizes) < MINIMUM_PART:
            raise TableError(
                f"{data.table}: the {len(order)} groups of column '{data.groups}' leave the part "
                f"{PARTS[sizes.argmin()]} with {min(sizes)} rows (the largest group holds {max(size)} of {rows}), "
                f"expected at least {MINIMUM_PART}."
            )
    _refuse_few(sizes, rows, data, read)
    return chosen


def groups_in_order(groups: pd.Series, data: DataSettings) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The group of each row [rows], and the groups in the order in which they fill the parts [groups].

    That order is by their first row, or the random one of `data.shuffle_groups`.

    Raises:
        TableError: a row without a group.
    """
    if missing := int(groups.isna().sum()):
        raise TableError(
            f"{data.table}: column '{data.groups}' of groups misses {missing} values, expected one in every row."
        )
    number, names = pd.factorize(groups)
    order = np.arange(len(names))
    if data.shuffle_groups is not None:
        # by name, so that the order of the rows does not matter
        by_name = np.argsort(np.asarray(names).astype(str), kind="stable")
        order = by_name[np.random.default_rng(data.shuffle_groups).permutation(len(names))]
    return number, order


def block_rows(times: pd.Series, y: NDArray[np.int64] | None, data: DataSettings, read: int) -> dict[str, Any]:
    """Which rows belong to which part where blocks of `data.block_days` days are drawn, each part's in order.

    The blocks are counted from 1970 and taken in a random order, each block's place drawn from its number and
    `data.block_seed`, so that the order of two blocks depends on no other. Each goes to the part that lacks most of
    what the block holds: of each class, the share that the part still lacks of what is due to it, weighted by the
    share of the class that stands in the block. What the parts lack does depend on which rows are usable: two sets of
    predictors that miss different rows may have other parts.

    Args:
        times: of every usable row, in the rows' order.
        y: class number of every usable row; None: rows count alike.
        read: rows of the table.

    Raises:
        TableError: the time column holds numbers, or a part has fewer than 10 rows.
    """
    block, held, order = blocks_held(times, y, data)
    part = dealt(held, order, SHARES)
    chosen = {name: np.flatnonzero(part[block] == k) for k, name in enumerate(PARTS)}
    sizes = np.array([len(rows) for rows in chosen.values()])
    if len(block) >= _rows_needed() and min(sizes) < MINIMUM_PART:
        raise TableError(
            f"{data.table}: the {len(held)} blocks of {data.block_days:g} days leave the part {PARTS[sizes.argmin()]} "
            f"with {min(sizes)} rows, expected at least {MINIMUM_PART}: make data.block_days smaller."
        )
    _refuse_few(sizes, len(block), data, read)
    return chosen


def blocks_held(
    times: pd.Series, y: NDArray[np.int64] | None, data: DataSettings
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """The block of days of each row [rows], each block's rows of every class [blocks, classes], and their drawn order.

    Raises:
        TableError: the time column holds numbers.
    """
    if not pd.api.types.is_datetime64_any_dtype(times):
        raise TableError(
            f"{data.table}: time column '{data.time}' holds numbers, expected times for data.parts: blocks (is "
            f"data.time_format '{UNIX}'?)."
        )
    block, days = pd.factorize(block_numbers(times, data))
    classes = np.zeros(len(block), dtype=np.int64) if y is None else y
    held = np.zeros((len(days), classes.max(initial=0) + 1), dtype=np.int64)
    np.add.at(held, (block, classes), 1)
    drawn = [float(np.random.default_rng([data.block_seed, day % 2**32]).random()) for day in days.tolist()]
    return block, held, np.argsort(drawn, kind="stable")


def dealt(held: NDArray[np.int64], order: NDArray[np.int64], shares: Sequence[float]) -> NDArray[np.int64]:
    """Which part each block goes to: the one that lacks most of what it holds (see `block_rows`), [blocks].

    Args:
        held: rows of each class [blocks, classes].
        order: in which the blocks are dealt.
        shares: of every part in each class.
    """
    total = held.sum(axis=0)
    filled = np.zeros((len(shares), len(total)), dtype=np.int64)
    part = np.empty(len(held), dtype=np.int64)
    for b in order:
        there = np.flatnonzero(held[b])
        # added up exactly: a part must not be chosen by the order in which a processor adds
        lacks = [
            math.fsum(held[b, c] / total[c] * (1 - filled[k, c] / (share * total[c])) for c in there)
            for k, share in enumerate(shares)
        ]
        part[b] = lacks.index(max(lacks))
        filled[part[b]] += held[b]
    return part


def block_numbers(times: pd.Series, data: DataSettings) -> NDArray[np.int64]:
    """The block of `data.block_days` days that each time falls in, counted from 1970; [rows] -> [rows]."""
    return times.to_numpy("datetime64[us]").astype(np.int64) // round(data.block_days * 86_400e6)


def _refuse_few(sizes: NDArray[np.int64], rows: int, data: DataSettings, read: int) -> None:
    if min(sizes) < MINIMUM_PART:
        raise TableError(
            f"{data.table}: {rows} usable rows of {read}, expected at least {_rows_needed()} so that each part holds "
            f"{MINIMUM_PART}."
        )


def keeps_classes(data: DataSettings) -> str:
    """What to set so that every part holds every class."""
    if data.parts == "blocks":
        return "a smaller data.block_days may spread it"
    if data.groups:
        return (
            f"data.shuffle_groups fills the parts in {'another' if data.shuffle_groups is not None else 'random'} order"
        )
    if data.time:
        return "data.parts: blocks draws parts that keep classes"
    return "data.parts: blocks draws parts that keep classes, and needs a column of times in data.time"


def _part_ends(rows: int) -> tuple[int, int, int, int]:
    """Where the training, validation, SAE and test parts end, truncated as Keras and the study truncate."""
    network = int(rows * NETWORK_SHARE)
    return int(network * (1 - VALIDATION_SHARE)), network, int(rows * (NETWORK_SHARE + SAE_SHARE)), rows


def _rows_needed() -> int:
    return math.ceil(MINIMUM_PART / (NETWORK_SHARE * VALIDATION_SHARE))
