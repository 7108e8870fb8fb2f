"""What a family says of the hidden state: the factor it is made of is named, and scored where it was not fitted."""

import json

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression

from precip_sae.interpretation.hidden_truth import best_said
from precip_sae.simulation.truth import HIDDEN
from precip_sae.tasks.episodes import Episodes

RNG = np.random.default_rng(0)
ROWS = 2000
STORMS = Episodes(np.arange(ROWS) // 50, "storms")
INTENSITY, NOSE = RNG.normal(size=(2, ROWS))
LAKE = (RNG.uniform(size=ROWS) < 0.4).astype(np.float64)
TRUTH = {"intensity": INTENSITY, "nose": NOSE, "lake": LAKE, "lapse": np.zeros(ROWS)}
INPUTS = np.stack([NOSE + RNG.normal(size=ROWS), INTENSITY + 2 * RNG.normal(size=ROWS)], axis=1).astype(np.float32)


def said(members: np.ndarray, truth: dict = TRUTH, episodes: Episodes = STORMS) -> dict | None:
    return best_said(members.astype(np.float32), INPUTS, ["a", "b"], truth, HIDDEN, episodes)


def test_the_factor_that_a_family_is_made_of_is_named_beside_the_input_that_says_most_of_it() -> None:
    members = np.stack([INTENSITY + 0.5 * RNG.normal(size=ROWS), 3 * INTENSITY])
    found = said(members)
    assert (found["factor"], found["input"], found["what"]) == ("intensity", "b", HIDDEN["intensity"].meaning)
    assert found["r2"]["mean"] == pytest.approx(0.9, abs=0.02)
    assert found["input_r2"]["mean"] == pytest.approx(0.2, abs=0.05)
    assert found["more"]["mean"] == pytest.approx(found["r2"]["mean"] - found["input_r2"]["mean"])
    assert found["more"]["low"] > 0
    assert (found["r2"]["over"], found["r2_seeds"]["n"]) == ("storms", 2)
    assert json.dumps(found, allow_nan=False)


def test_a_line_is_scored_on_the_storms_that_it_was_not_fitted_on() -> None:
    member = INTENSITY + RNG.normal(size=ROWS)
    half = STORMS.number % 2 == 0
    scores = []
    for fitted in (half, ~half):
        x = np.clip(member, member[fitted].min(), member[fitted].max())[:, None]
        line = LinearRegression().fit(x[fitted], INTENSITY[fitted])
        error = np.square(INTENSITY[~fitted] - line.predict(x[~fitted])).mean()
        scores.append(1 - error / np.square(INTENSITY[~fitted] - INTENSITY[fitted].mean()).mean())
    assert said(member[None])["r2"]["mean"] == pytest.approx(np.mean(scores), abs=1e-6)


def test_of_what_is_true_or_false_the_area_is_told_too() -> None:
    found = said((LAKE + 0.2 * RNG.normal(size=ROWS))[None])
    assert found["factor"] == "lake"
    assert found["area"]["mean"] > 0.99
    assert found["input_area"]["mean"] == pytest.approx(0.5, abs=0.05)


def test_few_storms_leave_the_interval_open() -> None:
    assert said(INTENSITY[None], episodes=Episodes(np.arange(ROWS) // 500, "storms"))["r2"]["low"] is None


def test_a_table_without_truth_has_nothing_to_say() -> None:
    assert said(INTENSITY[None], {}) is None
    assert said(INTENSITY[None], {"lapse": np.zeros(ROWS)}) is None
