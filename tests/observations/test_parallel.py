"""Work in parallel: everything comes back once, whatever a worker dies of."""

import pytest

from precip_sae.observations.parallel import run_days

# `eval` stands for the work: a worker of its own can import it, and a day can be anything, its worker's death included
DEADLY = "__import__('os')._exit(3)"


@pytest.mark.parametrize("workers", [1, 2])
def test_every_day_comes_back_once(workers: int) -> None:
    days = [f"{k} * {k}" for k in range(30)]
    assert sorted(run_days(days, eval, repr, workers=workers)) == [k * k for k in range(30)]


def test_a_day_that_kills_its_worker_costs_itself_alone() -> None:
    days = [*map(str, range(6)), DEADLY, *map(str, range(6, 20))]
    found = list(run_days(days, eval, len, workers=2))
    assert sorted(found) == sorted([*range(20), len(DEADLY)])


def test_a_defect_is_not_taken_for_a_bad_day() -> None:
    with pytest.raises(ZeroDivisionError):
        list(run_days(["1", "1 / 0", "2"], eval, repr, workers=2))


def test_no_days_are_no_work() -> None:
    assert list(run_days([], eval, repr, workers=2)) == []


def test_a_dask_cluster_of_this_machine_does_the_same() -> None:
    pytest.importorskip("distributed")
    assert sorted(run_days(["1 + 1", "2 + 2", "3 + 3"], eval, repr, "local-cluster", workers=2)) == [2, 4, 6]
