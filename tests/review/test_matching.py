import numpy as np
import pandas as pd
import pytest

from precip_sae.review.matching import compare_units, match


def units(r: list[list[float]], seed: int = 0, variant: str = "keras3") -> pd.DataFrame:
    frame = pd.DataFrame(r, columns=["r_a", "r_b"])
    return frame.assign(variant=variant, seed=seed, unit=range(len(r)))


R = [[0.9, 0.0], [0.0, -0.8], [np.nan, np.nan]]


def test_units_that_changed_places_are_the_same_units() -> None:
    permuted = [R[2], R[0], R[1]]
    assert match(np.array(R), np.array(permuted)).tolist() == [1, 2, 0]
    (found,) = compare_units(units(R), units(permuted))
    assert (found.units, found.alike, found.in_place, found.largest) == (3, 1.0, 0.0, 0.0)


def test_a_unit_that_became_another_is_not_alike_wherever_it_stands() -> None:
    (found,) = compare_units(units(R), units([[0.0, -0.8], [0.3, 0.3], R[2]]))
    assert found.alike == pytest.approx(2 / 3)
    assert found.largest == pytest.approx(0.6)


def test_only_seeds_and_inputs_that_both_runs_have_are_compared() -> None:
    assert compare_units(units(R, seed=1), units(R, seed=2)) == []
    assert compare_units(units(R), units(R).rename(columns={"r_b": "r_c"})) == []
    both = pd.concat([units(R, 0), units(R, 1)])
    assert compare_units(both, units(R, 1))[0].units == 3
