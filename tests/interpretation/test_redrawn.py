"""Measures on drawn storms: those of the rows written down as often as their storm is drawn."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from precip_sae.interpretation.measures import MEASURES, evaluate
from precip_sae.interpretation.redrawn import OF_DRAWS, Drawn
from precip_sae.interpretation.responses import Inputs, Layer, Responses, follow

STORMS = np.repeat(np.arange(6), [40, 7, 25, 33, 18, 27])
# Their ranks and bins are those of all rows, so that repeated rows are not quite the same to them.
OF_ALL_ROWS = ("spearman", "information")


def dictionary(seed: int, rows: np.ndarray | None = None, units: int = 5, inputs: int = 3) -> Responses:
    """Rectified units with gradients in closed form, some of them seldom or never active, in some rows."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(len(STORMS), inputs))
    bias = np.concatenate([rng.normal(size=units - 2), [-3.0, -50.0]])
    layer = Layer(rng.normal(size=(inputs, units)), bias)
    return follow(Inputs(x if rows is None else x[rows]), [layer])


def on(responses: Responses, draws: list[list[int]]) -> dict[str, np.ndarray]:
    redrawn = Drawn(responses, STORMS, np.array(draws, dtype=np.float64))
    return {name: measure(redrawn) for name, measure in OF_DRAWS.items()}


def test_every_measure_has_its_form_for_drawn_storms() -> None:
    assert list(OF_DRAWS) == list(MEASURES)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000))
def test_storms_as_they_are_give_the_measures_of_the_rows(seed: int) -> None:
    responses = dictionary(seed)
    found = on(responses, [[1] * 6])
    for name, value in evaluate(responses).items():
        assert found[name] == pytest.approx([value], abs=1e-9, nan_ok=True), name


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.lists(st.integers(0, 3), min_size=6, max_size=6).filter(lambda d: sum(d) > 2))
def test_drawn_storms_give_the_measures_of_the_repeated_rows(seed: int, draw: list[int]) -> None:
    rows = np.concatenate([np.flatnonzero(k == STORMS) for k in range(6) for _ in range(draw[k])])
    again, whole = dictionary(seed, rows), dictionary(seed)
    if not (again.varies == whole.varies).all():
        return  # a unit whose storms are not drawn: see below
    found, expected = on(whole, [draw]), evaluate(again)
    for name in MEASURES:
        if name not in OF_ALL_ROWS:
            assert found[name] == pytest.approx([expected[name]], abs=1e-7, nan_ok=True), name


def test_ranks_and_bins_of_all_rows_hardly_differ_from_those_of_the_repeated_rows() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(3000, 2))
    units = np.maximum(x @ rng.normal(size=(2, 4)) + rng.normal(size=(3000, 4)), 0)
    storms, draw = np.arange(3000) // 100, rng.multinomial(30, np.full(30, 1 / 30))
    rows = np.concatenate([np.flatnonzero(storms == k) for k in range(30) for _ in range(draw[k])])
    redrawn = Drawn(Responses(units, Inputs(x)), storms, draw[None].astype(np.float64))
    again = Drawn(Responses(units[rows], Inputs(x[rows])), np.zeros(len(rows), np.int64), np.ones((1, 1)))
    assert redrawn.spearman == pytest.approx(again.spearman, abs=0.01)
    assert redrawn.information == pytest.approx(again.information, abs=0.03)


def test_a_unit_whose_storms_are_not_drawn_responds_to_nothing_and_lives() -> None:
    x = np.random.default_rng(0).normal(size=(150, 2))
    units = np.column_stack([x[:, 0], np.where(STORMS == 1, x[:, 1], 0.0)])
    found = Drawn(Responses(units, Inputs(x)), STORMS, np.array([[2.0, 0, 1, 1, 1, 1]]))
    assert (found.r[0, 1] == 0).all()
    assert (found.information[0, 1] == 0).all()
    assert OF_DRAWS["living"](found) == pytest.approx([0.5])


def test_inputs_that_determine_each_other_leave_partial_correlations_undefined() -> None:
    x = np.random.default_rng(0).normal(size=(150, 2))
    x = np.column_stack([x, x[:, 0] - x[:, 1]])
    found = on(Responses(np.maximum(x[:, :2], 0), Inputs(x)), [[1] * 6, [2, 0, 1, 1, 1, 1]])
    assert np.isnan(found["effective_partial"]).all()
    assert np.isfinite(found["effective"]).all()


def test_what_is_not_known_of_a_dictionary_is_not_defined() -> None:
    x = np.random.default_rng(0).normal(size=(150, 2))
    found = on(Responses(x, Inputs(x)), [[1] * 6])
    assert [name for name, value in found.items() if np.isnan(value).all()] == ["gradients", "relevance", "dominance"]
