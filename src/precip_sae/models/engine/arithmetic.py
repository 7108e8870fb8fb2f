"""Arithmetic of the compiled loops, on one value of `lanes` at a time.

Strict IEEE float32 in a fixed order, without contraction, reassociation or a system library's exp and log: a lane's
result does not depend on the CPU or on what stands in the other lanes.
"""

from typing import Any

import numpy as np
from numba import njit

from precip_sae.errors import StageError
from precip_sae.models.engine.lanes import (
    LANES,
    exponent,
    get,
    mantissa,
    power_of_two,
    put,
    spread,
    truncated,
    where_above,
)

f32 = np.float32

STRICT: dict[str, Any] = {"nogil": True, "fastmath": False, "error_model": "numpy", "boundscheck": False}
part_of_loop = njit(forceinline=True, **STRICT)

ROWS = 4  # rows that share one load of a weight
DENORMAL = f32(1e-38), f32(0.1)  # their product


def refuse_flushing() -> None:
    """Checks that the thread keeps denormal numbers.

    A library compiled with -ffast-math, or `torch.set_flush_denormal`, makes a thread take them for zero: weights that
    shrink towards zero, and grow again, would not be the same.

    Raises:
        StageError: it takes them for zero.
    """
    if f32(DENORMAL[0] * DENORMAL[1]) == 0:
        raise StageError(
            "this process takes the smallest numbers for zero (torch.set_flush_denormal, or a library compiled with "
            "-ffast-math), expected one that keeps them: its results would be others."
        )


def padded(rows: int) -> int:
    """`rows` rounded up to whole groups of ROWS: the room that a batch takes, its last rows unused."""
    return -(-rows // ROWS) * ROWS


@part_of_loop
def scratch(size):
    """Zeros for `size` values; see `lanes.aligned`."""
    memory = np.zeros((size + 1) * LANES, np.float32)
    skip = -(memory.ctypes.data // 4) % LANES
    return memory[skip : skip + size * LANES]


@part_of_loop
def copy(source, target, size):
    """The first `size` values of an array into another."""
    for i in range(size):
        put(target, i, get(source, i))


@part_of_loop
def number(x):
    """A constant as float32 in every lane."""
    return spread(f32(x))


@part_of_loop
def larger(a, b):
    """The larger of two values; b where a is not a number."""
    return where_above(a, b, a, b)


@part_of_loop
def exponential(x):
    """e^x for x <= 0: a whole power of two times the Taylor series of the remaining power f, |f| <= 1/2.

    The relative error is below 2e-7 + 1e-7 |x|.
    """
    power = larger(x, number(-87.0)) * number(1.44269504)
    n = truncated(power - number(0.5))
    f = power - n
    p = number(1.5403530e-4)
    p = p * f + number(1.3333558e-3)
    p = p * f + number(9.6181291e-3)
    p = p * f + number(5.5504109e-2)
    p = p * f + number(2.4022651e-1)
    p = p * f + number(6.9314718e-1)
    return (p * f + number(1.0)) * power_of_two(n)


@part_of_loop
def logarithm(x):
    """log x for x >= 1 (Cephes logf: exponent and a polynomial of the mantissa; relative error below 2e-7)."""
    e, x = exponent(x), mantissa(x)
    half = number(0.70710678)
    one = number(1.0)
    e = where_above(half, x, e - one, e)
    x = where_above(half, x, x + x - one, x - one)
    z = x * x
    p = number(7.0376836292e-2)
    p = p * x - number(1.1514610310e-1)
    p = p * x + number(1.1676998740e-1)
    p = p * x - number(1.2420140846e-1)
    p = p * x + number(1.4249322787e-1)
    p = p * x - number(1.6668057665e-1)
    p = p * x + number(2.0000714765e-1)
    p = p * x - number(2.4999993993e-1)
    p = p * x + number(3.3333331174e-1)
    p = p * x * z
    p = p - e * number(2.12194440e-4)
    p = p - number(0.5) * z
    return x + p + e * number(0.693359375)


@part_of_loop
def clear(values, start, stop):
    """Sets values to zero."""
    for i in range(start, stop):
        put(values, i, number(0.0))


@part_of_loop
def total(values, size):
    """The sum of the first `size` values of an array."""
    added = number(0.0)
    for i in range(size):
        added += get(values, i)
    return added
