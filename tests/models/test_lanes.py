"""Values of sixteen models compute what numpy computes, and the engine's own functions come close to the exact ones."""

from collections.abc import Callable

import numpy as np
import pytest
from numba import njit

from precip_sae.models.engine import arithmetic, lanes, layers
from precip_sae.models.engine.lanes import get, put

rng = np.random.default_rng(0)
A, B = (rng.standard_normal(lanes.LANES).astype(np.float32) for _ in range(2))


def applied(function: Callable, *values: np.ndarray) -> np.ndarray:
    """A function of values, on arrays of a multiple of sixteen numbers."""
    out = np.empty_like(values[0])

    @njit
    def loop(a, b, out):
        for i in range(len(out) // lanes.LANES):
            put(out, i, function(get(a, i), get(b, i)))

    loop(values[0], values[-1], out)
    return out


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (njit(lambda a, b: a + b), A + B),
        (njit(lambda a, b: a - b), A - B),
        (njit(lambda a, b: a * b), A * B),
        (njit(lambda a, b: a / b), A / B),
        (njit(lambda a, b: lanes.where_above(a, b, a, b)), np.maximum(A, B)),
        (njit(lambda a, b: lanes.where_equal(a, a, a, b)), A),
        (njit(lambda a, b: lanes.root(lanes.magnitude(a))), np.sqrt(np.abs(A))),
        (njit(lambda a, b: lanes.truncated(a + a + a)), np.trunc(A + A + A) + np.float32(0)),
        (njit(lambda a, b: lanes.mantissa(lanes.magnitude(a))), np.frexp(np.abs(A))[0]),
        (njit(lambda a, b: lanes.exponent(lanes.magnitude(a))), np.frexp(np.abs(A))[1].astype(np.float32)),
        (njit(lambda a, b: lanes.power_of_two(lanes.truncated(a))), np.exp2(np.trunc(A))),
        (njit(lambda a, b: lanes.spread(np.float32(1.5))), np.full(lanes.LANES, 1.5, np.float32)),
    ],
)
def test_every_operation_is_rounded_as_numpy_rounds_it(function, expected):
    assert applied(function, A, B).tobytes() == expected.tobytes()


def test_an_array_whose_numbers_do_not_follow_each_other_is_refused():
    @njit
    def first(a, out):
        put(out, 0, get(a, 0))

    with pytest.raises(TypeError, match="expected a contiguous array"):
        first(np.zeros((16, 2), np.float32)[:, 0], A.copy())


def test_sums_in_float64_lose_nothing():
    sums = np.full(lanes.LANES, 1e9)

    @njit
    def add(value, sums):
        lanes.accumulate(sums, get(value, 0))

    add(A, sums)
    assert sums.tolist() == (1e9 + A.astype(float)).tolist()


def test_the_exponential_is_as_exact_as_it_says():
    x = -np.linspace(0, 86, 16_000).astype(np.float32)
    exact = np.exp(x.astype(float))
    error = np.abs(applied(njit(lambda a, b: arithmetic.exponential(a)), x) / exact - 1)
    assert (error < 2e-7 + 1e-7 * np.abs(x)).all()


def test_the_exponential_of_what_is_too_small_or_no_number_is_a_tiny_number():
    x = np.array([-88, -1e30, -np.inf, np.nan] * 4, np.float32)
    found = applied(njit(lambda a, b: arithmetic.exponential(a)), x)
    assert ((found > 0) & (found < 1e-37)).all()


def test_the_logarithm_is_as_exact_as_it_says():
    x = np.geomspace(1, 1e30, 16_000).astype(np.float32)
    exact = np.log(x.astype(float))
    found = applied(njit(lambda a, b: arithmetic.logarithm(a)), x)
    np.testing.assert_allclose(found, exact, rtol=2e-7, atol=1e-7)


def test_moments_of_units_that_died_do_not_become_denormal():
    m = np.array([1e-29, -1e-29, 1e-31, -1e-31] * 4, np.float32)
    v = np.array([1e-31, 1e-33, 1, 0] * 4, np.float32)

    @njit
    def loop(m, v, step):
        layers.forget(m, v, step, 1)

    loop(m, v, 1)
    assert np.count_nonzero(m) == 16
    loop(m, v, 2 * layers.STEPS_TO_FORGET)
    assert m[:4].tolist() == [np.float32(1e-29), np.float32(-1e-29), 0, 0]
    assert v[:4].tolist() == [np.float32(1e-31), 0, 1, 0]


def test_memory_of_values_begins_at_a_cache_line():
    found = [lanes.aligned(rows, 3, lanes.LANES) for rows in (1, 5, 1000)]
    assert [a.shape for a in found] == [(1, 3, 16), (5, 3, 16), (1000, 3, 16)]
    assert all(a.ctypes.data % 64 == 0 and a.flags.c_contiguous and not a.any() for a in found)
