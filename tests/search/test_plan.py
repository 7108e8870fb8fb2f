"""Which models a search trains: all of them, on the rows and numbers that each would see alone."""

from itertools import combinations

import numpy as np
import pandas as pd
import pytest

from precip_sae.errors import TableError
from precip_sae.search import plan as planning
from precip_sae.search.plan import UNIT_MODELS, plan, pool_data
from precip_sae.settings import DataSettings, SubsetSettings
from precip_sae.tasks.prepare import prepare

POOL = ["a", "b", "c", "d"]


def frame(rows: int = 400) -> pd.DataFrame:
    rng = np.random.default_rng(1)
    table = pd.DataFrame(rng.lognormal(size=(rows, 4)), columns=POOL)
    table.loc[rng.random(rows) < 0.2, "c"] = np.nan
    table.loc[rng.random(rows) < 0.1, "d"] = np.inf
    table["y"] = table["a"] - table["b"]
    table["time"] = rng.permutation(rows)
    return table


def data(**changes: object) -> DataSettings:
    known = {"table": "t.csv", "predictors": ["a", "b"], "response": "y", "kind": "regression", "time": "time"}
    return DataSettings(**(known | changes))


SUBSETS = SubsetSettings(table="t.csv", pool=POOL, size=2, transforms={"b": "log10"}, seeds=[0, 1, 2])


def test_every_subset_is_trained_with_every_seed_once():
    found = plan(frame(), data(), SUBSETS)
    assert found.names == list(combinations(POOL, 2))
    pairs = [pair for unit in found.units for pair in zip(unit.subsets.tolist(), unit.seeds.tolist(), strict=True)]
    assert sorted(pairs) == [(subset, seed) for subset in range(6) for seed in range(3)]
    assert found.models == 18


@pytest.mark.parametrize("missing", ["drop", "median"])
def test_each_model_sees_the_very_numbers_that_its_subset_alone_would_give(missing):
    found = plan(frame(), data(missing=missing), SUBSETS)
    for unit in found.units:
        for columns, subset in zip(unit.columns, unit.subsets, strict=True):
            alone = prepare(frame(), pool_data(data(missing=missing), SUBSETS, found.names[subset]))
            among = found.prepared[unit.rows]
            for name, part in alone.parts.items():
                assert part.x.tobytes() == np.ascontiguousarray(among.parts[name].x[:, columns]).tobytes()
                assert part.y.tobytes() == among.parts[name].y.tobytes()


def test_rows_are_lost_for_a_subsets_own_columns_only():
    found = plan(frame(), data(), SUBSETS)
    rows = {found.names[s]: len(found.prepared[u.rows].train) for u in found.units for s in u.subsets}
    assert rows["a", "b"] > rows["a", "d"] > rows["a", "c"] > rows["c", "d"]
    assert len(found.prepared) == 4


@pytest.mark.parametrize("models", [1, 31, 32, 33, 4620, 20_020])
@pytest.mark.parametrize("workers", [1, 2, 3, 16])
def test_no_worker_waits_long_for_the_last_piece(models, workers):
    sizes = list(planning._sizes(models))
    assert sum(sizes) == models
    assert all(size <= UNIT_MODELS for size in sizes)
    busy = [0] * workers
    for size in sizes:  # whoever is free first takes the next piece
        busy[busy.index(min(busy))] += size
    assert max(busy) - min(busy) <= max(2 * planning.LEAST_MODELS, models / 8)
    if models >= 64 * workers * planning.LEAST_MODELS / 8:
        assert max(busy) <= 1.05 * models / workers + planning.LEAST_MODELS


def test_pieces_are_small_enough_to_be_saved_often():
    many = SUBSETS.model_copy(update={"seeds": list(range(300))})
    found = plan(frame(), data(), many)
    assert max(len(unit.seeds) for unit in found.units) <= UNIT_MODELS
    assert found.models == 6 * 300


def test_a_table_that_no_subset_can_use_is_refused_before_training():
    empty = frame().assign(c=np.nan)
    with pytest.raises(TableError, match="column 'c' holds no usable value"):
        plan(empty, data(), SUBSETS)


def test_missing_values_are_refused_where_the_task_refuses_them():
    with pytest.raises(TableError, match="missing is 'refuse'"):
        plan(frame(), data(missing="refuse"), SUBSETS)
