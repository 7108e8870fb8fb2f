"""Rows that belong together: by groups, blocks of days, spells, or stretches of rows."""

import numpy as np
import pandas as pd
import pytest

from precip_sae.interpretation.compared import redrawn_measures
from precip_sae.interpretation.measures import MEASURES
from precip_sae.interpretation.responses import Inputs, Responses
from precip_sae.settings import DataSettings
from precip_sae.tasks.episodes import episodes_of

HOURS = np.arange(60) * 4.0
HOURS[30:] += 90 * 24  # a season without a row


def rows(**columns: object) -> pd.DataFrame:
    start = pd.Timestamp("2021-03-01T01:00")
    return pd.DataFrame({"when": start + pd.to_timedelta(HOURS, unit="h"), "a": np.arange(60.0)} | columns)


def data(**given: object) -> DataSettings:
    return DataSettings(table="t.csv", predictors=["a"], response="y", kind="regression", **given)


@pytest.mark.parametrize(
    ("given", "name", "count"),
    [
        ({"groups": "site"}, "groups of site", 3),
        ({"parts": "blocks", "time": "when", "block_days": 1.0}, "blocks of 1 days", 10),
        ({"time": "when"}, "10 stretches of rows", 10),
        ({}, "10 stretches of rows", 10),
    ],
)
def test_episodes_are_numbered_from_0_without_gaps(given: dict, name: str, count: int) -> None:
    found = episodes_of(rows(site=["x", "z z", "y"] * 20), data(**given))
    assert found.name == name
    assert sorted(set(found.number.tolist())) == list(range(count))


def test_measures_of_a_task_in_blocks_of_days_are_those_of_its_rows() -> None:
    rng = np.random.default_rng(0)
    inputs = Inputs(rng.normal(size=(60, 3)).astype(np.float32))
    units = np.maximum(inputs.values @ rng.normal(size=(3, 4)), 0).astype(np.float32)
    blocks = episodes_of(rows(), data(parts="blocks", time="when", block_days=1.0))
    found = redrawn_measures({"mlp": lambda _: Responses(units, inputs)}, 1, blocks, 20)
    for name, of in found.items():
        assert of["mlp"][0] == pytest.approx(MEASURES[name](Responses(units, inputs)), abs=1e-9)
        assert of["mlp"][1].shape == (20, 1)
        assert np.isfinite(of["mlp"][1]).all()
