"""Runs independent pieces of work here on threads or processes, or on a Dask cluster; the results are the same."""

import logging
import multiprocessing
import os
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack, contextmanager
from functools import partial
from multiprocessing import resource_tracker
from typing import Any, TypeVar

from precip_sae.errors import SettingsError, StageError

Piece = TypeVar("Piece")
Result = TypeVar("Result")

ANSWER_SECONDS = 10  # how long a scheduler may take to answer
WORKER_SECONDS = 60  # how long the first worker may take to appear


_inherited: tuple[Callable[[Any], Any], Sequence[Any]] | None = None
"""In a process of `in_processes`: its work and all pieces."""


def available_threads() -> int:
    """CPUs that this process may use; one in a process of `in_processes`, which shares them with the others."""
    if _inherited is not None:
        return 1
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def as_finished(
    work: Callable[[Any, Piece], Result],
    shared: Any,
    pieces: Sequence[Piece],
    scheduler: str = "local",
    workers: int | None = None,
    same_code: Callable[[], str] | None = None,
) -> Iterator[tuple[int, Result]]:
    """work(shared, piece) for every piece; yields the number of the piece and its result as they finish.

    Args:
        work: a function of a module, so that other processes can import it; has to release the GIL to use threads.
        shared: what every piece needs; sent to each worker once.
        scheduler: `local` (threads of this process), `local-cluster` (Dask processes on this machine), or the
            address of a Dask scheduler.
        workers: threads or processes; default: one per CPU. Unused with an address.
        same_code: fingerprint of the code that does the work; a worker with another one is refused.

    Raises:
        SettingsError: see `dask_client`.
        StageError: a worker runs other code, a piece kept losing its workers, or the scheduler was lost.
    """
    if scheduler == "local":
        yield from on_threads(partial(work, shared), pieces, workers)
    else:
        yield from _on_dask(work, shared, pieces, scheduler, workers, same_code)


def on_threads(
    work: Callable[[Piece], Result], pieces: Sequence[Piece], threads: int | None = None
) -> Iterator[tuple[int, Result]]:
    """work(piece) for every piece on threads (default: one per CPU); yields as `as_finished` does."""
    pool = ThreadPoolExecutor(threads or available_threads())
    try:
        numbers = {pool.submit(work, piece): number for number, piece in enumerate(pieces)}
        for future in as_completed(numbers):
            # a finished piece's result is not needed twice
            yield numbers.pop(future), future.result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def side_by_side(work: Callable[[Piece], Result], pieces: Sequence[Piece], threads: int | None = None) -> list[Result]:
    """work(piece) for every piece on threads, in the order of the pieces."""
    found = dict(on_threads(work, pieces, threads))
    return [found[number] for number in range(len(pieces))]


def in_processes(
    work: Callable[[Piece], Result],
    pieces: Sequence[Piece],
    processes: int | None = None,
    finished: Callable[[int, int], None] | None = None,
) -> list[Result]:
    """work(piece) for every piece in processes of one thread each, in the order of the pieces.

    For work of many short calls, during which threads would wait for each other: Python runs one thread at a time.
    Processes are forked, so that work and pieces may be anything and large; only results are sent, as NumPy arrays and
    plain objects. Where libraries may not survive a fork, the pieces are worked on here, one after another.

    Args:
        pieces: those that take longest should stand first.
        processes: default: one per CPU; with one, everything is done here.
        finished: called as finished(pieces done, pieces) after each.

    Raises:
        StageError: a process was killed, most likely because memory ran out.
    """
    count = min(processes or available_threads(), len(pieces))
    tell = finished or (lambda done, total: None)
    found: dict[int, Result] = {}
    if count < 2 or sys.platform != "linux":
        for number, piece in enumerate(pieces):
            found[number] = work(piece)
            tell(len(found), len(pieces))
        return list(found.values())
    context = multiprocessing.get_context("fork")
    pool = ProcessPoolExecutor(count, mp_context=context, initializer=_inherit, initargs=(work, pieces))
    try:
        with warnings.catch_warnings():
            # Python 3.12 and later warn of any thread; those of libraries are not used in the processes, see `_inherit`
            warnings.filterwarnings("ignore", "This process .* is multi-threaded", DeprecationWarning)
            with unheard_interrupts():
                numbers = {pool.submit(_of_inherited, number): number for number in range(len(pieces))}
        for future in as_completed(numbers):
            found[numbers.pop(future)] = future.result()
            tell(len(found), len(pieces))
    except BrokenProcessPool as error:
        raise StageError("A process that shares this work was killed; has memory run out? Run again.") from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
    return [found[number] for number in range(len(pieces))]


def _inherit(work: Callable[[Any], Any], pieces: Sequence[Any]) -> None:
    from threadpoolctl import threadpool_limits

    global _inherited
    _inherited = work, pieces
    follow_parent()
    threadpool_limits(1)
    # threads of torch that were running before the fork are not there any more
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(1)


def _of_inherited(number: int) -> Any:
    work, pieces = _inherited  # type: ignore[misc]
    return work(pieces[number])


@contextmanager
def unheard_interrupts() -> Iterator[None]:
    """Threads and processes that are started within never hear an interrupt; this one hears it at the end.

    A worker that is still importing when Ctrl-C reaches the whole group has not called `follow_parent` yet.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    # the first spawned process starts the tracker of resources, which takes the mask away from the thread that does so
    resource_tracker.ensure_running()
    came: list[tuple[Any, ...]] = []
    heard = signal.getsignal(signal.SIGINT)
    # the mask is inherited, and alone would leave the interrupt to other threads of this process
    defer = callable(heard) and threading.current_thread() is threading.main_thread()
    if defer:
        signal.signal(signal.SIGINT, lambda *what: came.append(what))
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        if defer:
            signal.signal(signal.SIGINT, heard)
    if came and callable(heard):
        heard(*came[0])


def follow_parent() -> None:
    """In a worker: an interrupt is the parent's business, and a worker does not outlive its parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()

    def follow() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=follow, daemon=True).start()


def _given(value: Any) -> Any:
    return value


def _on_dask(
    work: Callable[[Any, Piece], Result],
    shared: Any,
    pieces: Sequence[Piece],
    scheduler: str,
    workers: int | None,
    same_code: Callable[[], str] | None,
) -> Iterator[tuple[int, Result]]:
    with dask_client(scheduler, workers) as client:
        from distributed import CancelledError, KilledWorker
        from distributed import as_completed as as_completed_on_dask

        if same_code is not None:
            _refuse_other_code(client, same_code)
        # A task, not scattered data: if the workers that hold it are lost, the scheduler makes it again.
        given = client.submit(_given, shared, pure=False)
        numbers = {
            client.submit(work, given, piece, pure=False, retries=3): number for number, piece in enumerate(pieces)
        }
        try:
            for future in as_completed_on_dask(list(numbers)):
                result = future.result()
                yield numbers.pop(future), result
                future.release()
        except KilledWorker as error:
            raise StageError(
                f"{scheduler}: a piece of work lost its Dask worker again and again; has memory run out?"
            ) from error
        except (CancelledError, OSError) as error:
            raise StageError(f"{scheduler}: the Dask scheduler was lost; run again to go on.") from error


@contextmanager
def dask_client(scheduler: str, workers: int | None) -> Iterator[Any]:
    """A Dask client with at least one worker.

    Args:
        scheduler: `local-cluster` (processes on this machine, stopped at the end) or the address of a scheduler.
        workers: how many processes of a local cluster; default: one per CPU.

    Raises:
        SettingsError: Dask is not installed, or no scheduler or no worker answers; begins with the scheduler.
    """
    try:
        import dask
        from distributed import Client
    except ImportError as error:
        raise SettingsError(f"{scheduler}: needs Dask, `pip install dask distributed`; or use local.") from error
    with ExitStack() as stack:
        # the arrays of a table may be larger than what Dask likes to see in a graph
        stack.enter_context(dask.config.set({"distributed.admin.large-graph-warning-threshold": "1GB"}))
        address: Any = scheduler
        if scheduler == "local-cluster":
            address = stack.enter_context(_local_cluster(workers or available_threads()))
        try:
            client = stack.enter_context(Client(address, timeout=ANSWER_SECONDS))
        except (OSError, TimeoutError) as error:
            raise SettingsError(f"{scheduler}: no Dask scheduler answers at this address.") from error
        try:
            client.wait_for_workers(1, timeout=WORKER_SECONDS)
        except TimeoutError as error:
            raise SettingsError(f"{scheduler}: the Dask scheduler has no worker, expected at least one.") from error
        yield client


@contextmanager
def _local_cluster(workers: int) -> Iterator[Any]:
    """A Dask cluster of processes on this machine, without a dashboard; interrupts are the business of this process."""
    from distributed import LocalCluster

    with ExitStack() as stack:
        with unheard_interrupts():
            cluster = LocalCluster(
                n_workers=workers,
                threads_per_worker=1,
                # without an address Dask asks for port 8787, which another cluster may hold
                dashboard_address="127.0.0.1:0",
                scheduler_kwargs={"dashboard": False},
                # what Dask says of work that an interrupt threw away is not news, and what fails is raised
                silence_logs=logging.CRITICAL,
            )
            stack.callback(unheard_interrupts()(cluster.close))
        yield cluster


def _refuse_other_code(client: Any, same_code: Callable[[], str]) -> None:
    mine = same_code()
    for address, theirs in client.run(same_code, on_error="return").items():
        if isinstance(theirs, ImportError):
            raise StageError(f"{address}: the Dask worker cannot import precip_sae ({theirs}).")
        if theirs != mine:
            raise StageError(f"{address}: the Dask worker runs another version of precip_sae, expected this one.")
