"""Several comparisons at once, against statsmodels' textbook cases and scipy."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import ttest_1samp

from precip_sae.interpretation.comparisons import holm, paired


def test_p_values_are_corrected_as_holm_does_it() -> None:
    # 4 x 0.01; 3 x 0.02 = 0.06; 2 x 0.03 stays at 0.06; 0.04 stays at 0.06
    np.testing.assert_allclose(holm(np.array([0.04, 0.01, 0.03, 0.02])), [0.06, 0.04, 0.06, 0.06])
    np.testing.assert_allclose(holm(np.array([0.6, np.nan, 0.5])), [1, np.nan, 1])
    assert holm(np.array([])).shape == (0,)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_a_correction_never_makes_a_p_value_smaller_nor_changes_their_order(p: list[float]) -> None:
    values = np.array(p)
    found = holm(values)
    assert (found >= values).all()
    assert (found <= 1).all()
    order = np.argsort(values, kind="stable")
    assert (np.diff(found[order]) >= 0).all()


def test_a_pairs_p_value_is_students() -> None:
    differences = np.array([0.1, 0.3, -0.05, 0.2, np.nan])
    found = paired({"one": differences}, ".1pp")["one"]
    assert found["p"]["value"] == pytest.approx(ttest_1samp(differences[:4], 0).pvalue)
    assert (found["n"], found["undefined"], found["form"]) == (4, 1, ".1pp")


def test_a_single_seed_has_no_p_value_and_equal_differences_are_certain() -> None:
    found = paired({"few": np.array([0.2]), "same": np.array([0.2, 0.2]), "none": np.zeros(3)})
    assert found["few"]["p"] is None
    assert found["same"]["p"]["value"] == 0
    assert found["none"]["p"]["value"] == 1
