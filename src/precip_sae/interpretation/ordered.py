"""What the order of values alone decides, column by column: ranks, bins of equal numbers of rows, joint counts."""

import numpy as np
from numpy.typing import NDArray

from precip_sae.models.engine.cache import compiled

BINS = 10
"""Values of an input (or a unit) fall into so many bins of equal numbers of rows, for mutual information."""


def mean_ranks(values: NDArray[np.floating]) -> NDArray[np.float64]:
    """Ranks within each column, from 1; ties share their mean rank; [rows, columns] -> [rows, columns]."""
    columns = np.ascontiguousarray(values.T)
    result = np.empty(columns.shape)
    _rank(columns, np.argsort(columns, axis=1), result)
    return result.T


@compiled(nogil=True)  # type: ignore[arg-type]
def _rank(columns: NDArray[np.floating], order: NDArray[np.int64], result: NDArray[np.float64]) -> None:
    for k in range(len(columns)):
        column, places, first = columns[k], order[k], 0
        while first < len(column):
            last, value = first, column[places[first]]
            while last < len(column) and column[places[last]] == value:
                last += 1
            for place in range(first, last):
                result[k, places[place]] = (first + 1 + last) / 2
            first = last


def bins(values: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Which of BINS bins each value falls into, [rows, columns] -> [rows, columns].

    The bins of a column hold equal numbers of rows, as far as ties allow: equal values share a bin, so that the zeros
    of a ReLU are a bin of their own, and the rest is cut into the other bins.
    """
    rows, columns = values.shape
    result = np.empty((rows, columns), np.uint8)
    for k in range(columns):
        column = np.ascontiguousarray(values[:, k])
        ordered = np.sort(column)
        least = int(np.searchsorted(ordered, ordered[0], side="right"))
        # a value that more than a bin's share of rows hold at the lower end (the zeros of a ReLU) has a bin alone
        alone = least > rows / BINS
        rest = ordered[least:] if alone else ordered
        wanted = BINS - alone
        cuts = rest[np.arange(1, wanted) * len(rest) // wanted] if len(rest) else rest
        number = np.searchsorted(cuts, column, side="right")
        result[:, k] = np.where(column > ordered[0], number + 1, 0) if alone else number
    return result


def joint_counts(units: NDArray[np.uint8], inputs: NDArray[np.uint8]) -> NDArray[np.int32]:
    """Rows in which a unit is in one bin and an input in another.

    Args:
        units: see `bins` [rows, units]; inputs: likewise [rows, inputs].

    Returns:
        [units, bins of the unit, inputs, bins of the input].
    """
    result = np.zeros((units.shape[1], BINS, inputs.shape[1], BINS), np.int32)
    _count(np.ascontiguousarray(units.T), np.ascontiguousarray(inputs), result)
    return result


@compiled(nogil=True)  # type: ignore[arg-type]
def _count(units: NDArray[np.uint8], inputs: NDArray[np.uint8], result: NDArray[np.int32]) -> None:
    for u in range(len(units)):
        for row in range(len(inputs)):
            mine, theirs = result[u, units[u, row]], inputs[row]
            for k in range(len(theirs)):
                mine[k, theirs[k]] += 1
