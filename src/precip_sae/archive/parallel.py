"""Independent pieces of work on this machine's processors or on a Dask cluster, results as they come."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack
from typing import Any, TypeVar

from precip_sae.errors import SettingsError, StageError
from precip_sae.scheduling import available_threads, dask_client, follow_parent, unheard_interrupts

Job = TypeVar("Job")
Result = TypeVar("Result")

IN_FLIGHT = 4
"""Jobs given out per worker at once, so that neither jobs nor results pile up."""


def run_days(
    days: Sequence[Job],
    work: Callable[[Job], Result],
    failed: Callable[[Job], Result],
    scheduler: str = "local",
    workers: int | None = None,
) -> Iterator[Result]:
    """`work(day)` of every day, in the order in which they are done.

    Args:
        days: what to work on; picklable.
        work: a function of a module, without side effects that matter twice.
        failed: the result of a day that kills its worker (a library that crashes on a damaged file).
        scheduler: `local` (processes), `local-cluster` (a Dask cluster on this machine) or the `tcp://host:port` of
            a running Dask scheduler, whose workers see the same files.
        workers: how many, for the first two; None: one per processor. One local worker is this process.

    Raises:
        SettingsError: an unknown scheduler, no worker, no Dask, or no scheduler at that address.
        StageError: the Dask scheduler was lost.
    """
    if workers is not None and workers < 1:
        raise SettingsError(f"--workers is {workers}, expected at least 1.")
    count = min(workers or available_threads(), max(len(days), 1))
    if scheduler == "local":
        yield from map(work, days) if count == 1 else _processes(days, work, failed, count)
    elif scheduler == "local-cluster" or re.fullmatch(r"(tcp|tls)://\S+:\d+", scheduler):
        yield from _dask(days, work, failed, scheduler, count)
    else:
        raise SettingsError(f"--scheduler is '{scheduler}', expected local, local-cluster or tcp://host:port.")


def _processes(
    days: Sequence[Job], work: Callable[[Job], Result], failed: Callable[[Job], Result], count: int
) -> Iterator[Result]:
    waiting = deque(days)
    while waiting:
        suspects = deque((yield from _until_a_worker_dies(waiting, work, count, IN_FLIGHT * count)))
        # one of them killed its worker, so they go on one at a time: what is lost then is what did it
        while suspects:
            for day in (yield from _until_a_worker_dies(suspects, work, 1, 1)):
                yield failed(day)


def _until_a_worker_dies(
    waiting: deque[Job], work: Callable[[Job], Result], count: int, limit: int
) -> Generator[Result, None, list[Job]]:
    """Takes from `waiting` and works in one pool of processes until nothing waits or a worker dies.

    A pool of which a worker died takes no further job, but what was done before is kept.

    Args:
        waiting: what is left in it was not begun.
        count: processes.
        limit: jobs given out at once.

    Returns:
        The jobs that were given out and are lost; none if the worker that died was idle.
    """
    from multiprocessing import get_context

    # fork would copy the state of libraries that do not survive it (HDF5, BLAS threads)
    pool = ProcessPoolExecutor(count, mp_context=get_context("spawn"), initializer=follow_parent)
    given: dict[Future[Result], Job] = {}
    lost: list[Job] = []
    broken = False
    try:
        while given or (waiting and not broken):
            while waiting and not broken and len(given) < limit:
                try:
                    # the pool starts its processes as it is given work
                    with unheard_interrupts():
                        future = pool.submit(work, waiting[0])
                except BrokenProcessPool:
                    broken = True
                else:
                    given[future] = waiting.popleft()
            for future in wait(given, return_when=FIRST_COMPLETED).done:
                day = given.pop(future)
                if isinstance(future.exception(), BrokenProcessPool):
                    broken = True
                    lost.append(day)
                else:
                    yield future.result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
    return lost


def _dask(
    days: Sequence[Job], work: Callable[[Job], Result], failed: Callable[[Job], Result], scheduler: str, count: int
) -> Iterator[Result]:
    with ExitStack() as stack:
        try:
            client = stack.enter_context(dask_client(scheduler, count))
        except SettingsError as error:
            raise SettingsError(f"--scheduler {error}") from error
        from distributed import CancelledError, KilledWorker, as_completed

        waiting = deque(days)
        running, given = as_completed(), {}
        while waiting or running.count():
            limit = IN_FLIGHT * _workers(client, scheduler)
            while waiting and running.count() < limit:
                future = client.submit(work, waiting[0], pure=False)
                given[future.key] = waiting.popleft()
                running.add(future)
            future = next(running)
            day = given.pop(future.key)
            try:
                result = future.result()
            except KilledWorker:
                result = failed(day)
            except CancelledError as error:
                raise _lost(scheduler) from error
            yield result


def _workers(client: Any, scheduler: str) -> int:
    """How many there are now: workers of a cluster come and go."""
    try:
        return max(len(client.nthreads()), 1)
    except OSError as error:
        raise _lost(scheduler) from error


def _lost(scheduler: str) -> StageError:
    return StageError(f"--scheduler {scheduler}: the Dask scheduler was lost; run again to go on.")
