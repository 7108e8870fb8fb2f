"""Work in processes: results in order, whatever is asked for, and a plain sentence when one of them is killed."""

import os
import sys

import numpy as np
import pytest

from precip_sae.errors import StageError
from precip_sae.scheduling import available_threads, in_processes

forked = pytest.mark.skipif(sys.platform != "linux", reason="processes are forked on Linux alone")


@pytest.mark.parametrize("processes", [1, 2, 3])
def test_results_come_in_the_order_of_the_pieces_and_every_one_is_told(processes: int) -> None:
    told: list[tuple[int, int]] = []
    base = np.arange(4)
    found = in_processes(lambda k: base + k, range(5), processes, lambda *done: told.append(done))
    assert np.array_equal(found, [base + k for k in range(5)])
    assert told == [(k, 5) for k in range(1, 6)]


def test_no_pieces_are_no_work() -> None:
    assert in_processes(lambda k: k, [], 2) == []


@forked
def test_a_process_that_shares_the_work_has_one_thread_and_forks_no_further() -> None:
    def work(_: int) -> tuple[int, int, list[int]]:
        return available_threads(), os.getpid(), in_processes(lambda k: os.getpid(), [0, 1])

    for threads, process, within in in_processes(work, range(4), 2):
        assert threads == 1
        assert process != os.getpid()
        assert within == [process, process]


@forked
def test_what_goes_wrong_in_a_process_is_raised_here() -> None:
    def work(k: int) -> float:
        return 1 / k

    with pytest.raises(ZeroDivisionError):
        in_processes(work, [1, 0, 2], 2)


@forked
def test_a_killed_process_is_a_plain_sentence() -> None:
    with pytest.raises(StageError, match="was killed; has memory run out"):
        in_processes(lambda k: os._exit(9), [1, 2], 2)
