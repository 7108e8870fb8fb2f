"""Products of small matrices for the compiled loop of `dictionary_kernels`, whole vectors at a time."""

from numba import njit

from precip_sae.models.engine.arithmetic import STRICT
from precip_sae.models.engine.lanes import LANES, get, put, spread


@njit(**STRICT)
def add_products(out, rows, matrix, start, stop, low, high):
    """out += rows M for the columns from low to high, M's rows from start to stop.

    A sum goes from the first of M's rows to the last, and stays in a register until then.

    Args:
        out: [rows, columns]; rows: as many or more [rows, M's rows or more]; matrix: M.
    """
    count, vectors = len(out), (high - low) // LANES
    for at in range(low, low + vectors * LANES, LANES):
        for i in range(0, count - 3, 4):
            a, b, c, d = out[i, at:], out[i + 1, at:], out[i + 2, at:], out[i + 3, at:]
            za, zb, zc, zd = get(a, 0), get(b, 0), get(c, 0), get(d, 0)
            for k in range(start, stop):
                m = get(matrix[k, at:], 0)
                za += spread(rows[i, k]) * m
                zb += spread(rows[i + 1, k]) * m
                zc += spread(rows[i + 2, k]) * m
                zd += spread(rows[i + 3, k]) * m
            put(a, 0, za)
            put(b, 0, zb)
            put(c, 0, zc)
            put(d, 0, zd)
        for i in range(count - count % 4, count):
            a = out[i, at:]
            za = get(a, 0)
            for k in range(start, stop):
                za += spread(rows[i, k]) * get(matrix[k, at:], 0)
            put(a, 0, za)
    for i in range(count):
        for k in range(start, stop):
            for j in range(low + vectors * LANES, high):
                out[i, j] += rows[i, k] * matrix[k, j]


@njit(**STRICT)
def add_outer(out, left, right, low, high):
    """out += left^T right for the columns from low to high; rows are added from the first to the last.

    Args:
        out: [units, columns]; left: [rows, units or more]; right: [rows, columns].
    """
    add_products(out, left.T, right, 0, len(left), low, high)


@njit(**STRICT)
def add_rows(out, rows):
    """out += the sum of the rows, from the first to the last, [rows, columns] -> [columns]."""
    for i in range(len(rows)):
        row = rows[i]
        for j in range(len(out)):
            out[j] += row[j]
