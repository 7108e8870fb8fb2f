"""Work in parallel: everything comes back once, whatever a worker dies of."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import active_children
from pathlib import Path
from typing import Any

import pytest

from precip_sae.archive import parallel
from precip_sae.archive.parallel import IN_FLIGHT, run_days
from precip_sae.errors import StageError

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


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.fixture
def in_two_minutes() -> Iterator[None]:
    """A run that never ends fails and does not hang."""

    def stop(*_: object) -> None:
        raise TimeoutError

    earlier = signal.signal(signal.SIGALRM, stop)
    signal.alarm(120)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, earlier)


@pytest.mark.usefixtures("in_two_minutes")
def test_a_worker_that_dies_when_its_jobs_are_done_costs_nothing(tmp_path: Path) -> None:
    others = active_children()
    days = [f"__import__('pathlib').Path({str(tmp_path / str(k))!r}).write_text('') or {k}" for k in range(30)]
    results = run_days(days, eval, len, workers=2)
    found = [next(results)]
    until(lambda: len(list(tmp_path.iterdir())) == 2 * IN_FLIGHT)
    mine = [worker for worker in active_children() if worker not in others]
    mine[0].kill()
    # the pool ends its other workers when it has seen that one is dead
    until(lambda: not any(worker.is_alive() for worker in mine))
    assert sorted([*found, *results]) == list(range(30))


def test_after_a_death_the_pool_is_made_again_and_not_once_for_each_job(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []

    class Counted(ProcessPoolExecutor):
        def __init__(self, *args: Any, **options: Any) -> None:
            made.append(args)
            super().__init__(*args, **options)

    monkeypatch.setattr(parallel, "ProcessPoolExecutor", Counted)
    assert sum(1 for _ in run_days([DEADLY, *map(str, range(20))], eval, len, workers=2)) == 21
    assert len(made) <= 4  # until the death; up to it one by one; the rest of what was given out; what waited


def test_a_defect_is_not_taken_for_a_bad_day() -> None:
    with pytest.raises(ZeroDivisionError):
        list(run_days(["1", "1 / 0", "2"], eval, repr, workers=2))


def test_no_days_are_no_work() -> None:
    assert list(run_days([], eval, repr, workers=2)) == []


def test_a_dask_cluster_of_this_machine_does_the_same() -> None:
    pytest.importorskip("distributed")
    assert sorted(run_days(["1 + 1", "2 + 2", "3 + 3"], eval, repr, "local-cluster", workers=2)) == [2, 4, 6]


def test_a_cluster_starts_beside_whatever_holds_the_port_of_dasks_page() -> None:
    pytest.importorskip("distributed")
    with socket.socket() as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            held.bind(("127.0.0.1", 8787))
            held.listen()
        except OSError:
            pass  # another program holds it already
        # a warning of Dask's would be an error here
        assert list(run_days(["1 + 1"], eval, repr, "local-cluster", workers=1)) == [2]


INTERRUPTED = """
import os, signal, sys
from pathlib import Path
from precip_sae import cli
from precip_sae.archive.parallel import run_days

if __name__ == "__main__":
    # a shell starts what runs behind it deaf to interrupts
    signal.signal(signal.SIGINT, signal.default_int_handler)
    cli.app.command("days")(lambda: list(run_days(["1"] * 9, eval, repr, sys.argv[1], workers=2)))
    sys.exit(cli.main(["days"]))

# this is a worker, which has not come further than its imports
try:
    Path("interrupted").touch(exist_ok=False)
except FileExistsError:
    pass
else:
    os.killpg(0, signal.SIGINT)
"""


def members(session: int) -> list[str]:
    """Processes of a session that still run."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            state, _, _, of = (place / "stat").read_text().rpartition(")")[2].split()[:4]
            if int(of) == session and state != "Z":
                found.append((place / "cmdline").read_text())
        except OSError:
            continue
    return found


@pytest.mark.skipif(sys.platform != "linux", reason="processes are listed in /proc")
@pytest.mark.parametrize("scheduler", ["local", "local-cluster"])
def test_an_interrupt_while_workers_import_is_one_sentence_and_ends_them(tmp_path: Path, scheduler: str) -> None:
    if scheduler == "local-cluster":
        pytest.importorskip("distributed")
    (tmp_path / "days.py").write_text(INTERRUPTED)
    command = [sys.executable, "days.py", scheduler]
    around = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    with subprocess.Popen(
        command, cwd=tmp_path, env=around, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as run:
        _, said = run.communicate(timeout=120)
    assert said == "Interrupted; run the same command again to continue.\n"
    assert run.returncode == 130
    until(lambda: not members(run.pid))


def test_every_worker_of_a_cluster_has_work_however_few_processors_are_here(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    distributed = pytest.importorskip("distributed")
    monkeypatch.setattr(parallel, "available_threads", lambda: 1)
    begun = f"len(__import__('os').listdir({str(tmp_path)!r}))"
    # none ends before more have begun than one worker is given, and each tells how many have
    day = (
        f"[__import__('tempfile').mkstemp(dir={str(tmp_path)!r}), "
        f"[__import__('time').sleep(0.02) for _ in range(500) if {begun} <= {IN_FLIGHT}], {begun}][-1]"
    )
    options = {"threads_per_worker": 4, "dashboard_address": ":0", "silence_logs": 50}
    with distributed.LocalCluster(n_workers=2, **options) as cluster:
        assert min(run_days([day] * 8, eval, len, cluster.scheduler_address)) > IN_FLIGHT


def test_a_lost_dask_scheduler_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    distributed = pytest.importorskip("distributed")
    monkeypatch.setattr("precip_sae.scheduling.ANSWER_SECONDS", 1)
    options = {"threads_per_worker": 1, "dashboard_address": ":0", "silence_logs": 50}
    with distributed.LocalCluster(n_workers=1, **options) as cluster:
        results = run_days(["__import__('time').sleep(0.3)"] * 10, eval, len, cluster.scheduler_address)
        next(results)
        cluster.close()
        with pytest.raises(StageError, match=r"--scheduler tcp://.*: the Dask scheduler was lost; run again"):
            list(results)
