"""Ranks and joint counts, beside those of SciPy and NumPy."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy.stats import rankdata

from precip_sae.interpretation.ordered import BINS, joint_counts, mean_ranks

TABLES = array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=40)
FEW_VALUES = st.floats(-2, 2, width=32).map(lambda value: np.float32(round(value, 1)))


@given(arrays(np.float32, TABLES, elements=FEW_VALUES))
def test_ranks_are_those_of_scipy_with_and_without_ties(values: np.ndarray) -> None:
    assert (mean_ranks(values) == rankdata(values, axis=0)).all()


def test_equal_values_share_the_mean_of_their_ranks() -> None:
    assert mean_ranks(np.array([[0.0, 3], [0, 1], [2, 2], [0, 0]])).tolist() == [[2, 4], [2, 2], [4, 3], [2, 1]]


def test_rows_of_two_bins_are_counted_as_a_histogram_counts_them() -> None:
    rng = np.random.default_rng(2)
    units, inputs = (rng.integers(0, BINS, size=(300, k), dtype=np.uint8) for k in (3, 2))
    found = joint_counts(units, inputs)
    edges = np.arange(BINS + 1)
    for u in range(3):
        for k in range(2):
            assert (found[u, :, k] == np.histogram2d(units[:, u], inputs[:, k], [edges, edges])[0]).all()
