"""The study's measure and its companions, on cases small enough for a hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from precip_sae.interpretation.sensitivity import (
    COUNTED,
    correlations,
    mean_sensitive,
    reduction,
    sensitive_inputs,
)

NAN = np.nan
# Three units, four inputs: two sensitive inputs, none, dead.
R = np.array([[[0.9, -0.5, 0.4, 0.1], [0.2, 0.0, -0.4, 0.3], [NAN, NAN, NAN, NAN]]])


def test_a_correlation_at_the_threshold_does_not_count() -> None:
    np.testing.assert_array_equal(sensitive_inputs(R, 0.4), [[2, 0, 0]])


def test_the_three_ways_of_counting_differ_in_the_units_that_they_leave_out() -> None:
    means = {counted: float(mean_sensitive(R, 0.4, counted)[0]) for counted in COUNTED}
    assert means == {"published": 2.0, "living": 1.0, "every": pytest.approx(2 / 3)}


def test_a_model_without_any_sensitive_unit_has_no_published_mean() -> None:
    none = np.zeros((1, 2, 3))
    assert np.isnan(mean_sensitive(none, 0.4, "published")[0])
    assert mean_sensitive(none, 0.4, "every")[0] == 0
    assert np.isnan(reduction(np.array([2.0]), np.array([NAN]))[0])


def test_an_unknown_way_of_counting_is_refused() -> None:
    with pytest.raises(ValueError, match="published, living, every"):
        mean_sensitive(R, 0.4, "publish")


def test_the_reduction_is_one_minus_the_ratio() -> None:
    np.testing.assert_allclose(reduction(np.array([3.0, 2.0]), np.array([2.0, 3.0])), [1 / 3, -0.5])


def test_correlations_are_pearsons() -> None:
    rng = np.random.default_rng(0)
    units, inputs = rng.normal(size=(2, 50, 3)).astype("f4"), rng.normal(size=(50, 4)).astype("f4")
    r = correlations(units, inputs)
    for model in range(2):
        expected = np.corrcoef(np.hstack([units[model], inputs]).T)[:3, 3:]
        np.testing.assert_allclose(r[model], expected, atol=1e-6)


def test_an_input_that_does_not_vary_has_no_correlation_even_if_its_mean_is_rounded() -> None:
    rng = np.random.default_rng(0)
    units = rng.normal(size=(1, 20, 3)).astype(np.float32)
    r = correlations(units, np.column_stack([np.full(20, 0.1), rng.normal(size=20)]))
    assert np.isnan(r[0, :, 0]).all()
    assert np.isfinite(r[0, :, 1]).all()


def test_a_dead_unit_has_no_correlation_even_if_its_constant_is_not_zero() -> None:
    units = np.full((1, 1000, 1), 0.1, np.float32)
    assert np.isnan(correlations(units, np.random.default_rng(0).normal(size=(1000, 2)).astype("f4"))).all()


@given(arrays(np.float64, (2, 3, 4), elements=st.floats(-1, 1)), st.floats(0.05, 0.95))
def test_counting_more_units_never_raises_the_mean(r: np.ndarray, threshold: float) -> None:
    published, living, every = (mean_sensitive(r, threshold, counted) for counted in COUNTED)
    defined = ~np.isnan(published)
    assert (published[defined] >= living[defined]).all()
    assert (living >= every).all()
