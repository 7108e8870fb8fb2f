"""Products of the compiled loop of dictionaries, of any size: whole vectors and what is beyond them, beside NumPy."""

import numpy as np
import pytest

from precip_sae.models.engine.dictionary_kernels import keep_largest
from precip_sae.models.engine.matrices import add_outer, add_products

RANGES = [(0, 16), (0, 37), (5, 37), (3, 3), (16, 32), (30, 37)]


def drawn(*shape: int) -> np.ndarray:
    return np.random.default_rng(shape).normal(size=shape).astype(np.float32)


@pytest.mark.parametrize("rows", [1, 4, 7])
@pytest.mark.parametrize(("low", "high"), RANGES)
def test_products_are_those_of_numpy_in_the_columns_asked_for(rows: int, low: int, high: int) -> None:
    out, left, matrix = drawn(rows, 37), drawn(9, 6), drawn(5, 37)
    expected = out.copy()
    expected[:, low:high] += left[:rows, 1:5] @ matrix[1:5, low:high]
    add_products(out, left, matrix, 1, 5, low, high)
    np.testing.assert_allclose(out, expected, rtol=1e-5, atol=1e-6)
    assert (out[:, :low] == expected[:, :low]).all()
    assert (out[:, high:] == expected[:, high:]).all()


@pytest.mark.parametrize("units", [1, 4, 6])
@pytest.mark.parametrize(("low", "high"), RANGES)
def test_sums_over_rows_are_those_of_numpy_in_the_columns_asked_for(units: int, low: int, high: int) -> None:
    out, left, right = drawn(units, 37), drawn(11, 8), drawn(11, 37)
    expected = out.copy()
    expected[:, low:high] += left[:, :units].T @ right[:, low:high]
    add_outer(out, left, right, low, high)
    np.testing.assert_allclose(out, expected, rtol=1e-5, atol=1e-5)
    assert (out[:, :low] == expected[:, :low]).all()
    assert (out[:, high:] == expected[:, high:]).all()


@pytest.mark.parametrize("how_many", [1, 3, 50])
def test_the_largest_values_stay_and_all_that_are_equal_to_the_last_of_them(how_many: int) -> None:
    values = np.maximum(np.round(drawn(50), 1), 0)
    least = np.sort(values)[-how_many]
    expected = np.where(values >= least, values, 0)
    keep_largest(values, how_many, np.empty(50, np.float32))
    assert (values == expected).all()
