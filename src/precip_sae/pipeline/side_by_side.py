"""The stages of a project run one beside the other where none rests on what another makes.

`dvc repro` runs one stage at a time and writes dvc.lock anew after each, which takes about as long as a small stage.
Where nothing has been made yet, the stages need no DVC to tell them what to do: it records at the end what they made.
"""

import subprocess
import sys
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from graphlib import TopologicalSorter
from pathlib import Path

from precip_sae.errors import StageError
from precip_sae.pipeline.stages import COMMAND, Stage
from precip_sae.settings import Settings


@dataclass(frozen=True)
class Job:
    """A stage for one task, or for all of them.

    Attributes:
        address: what DVC calls it, `train@classifier`.
        command: its words.
        reads: files and folders that it rests on, relative to the root.
        writes: files and folders that it makes.
    """

    address: str
    command: tuple[str, ...]
    reads: frozenset[str]
    writes: frozenset[str]


def jobs(stages: Iterable[Stage], settings: Settings) -> list[Job]:
    """Every stage for each of its tasks, in the order of dvc.yaml.

    Raises:
        StageError: a name in dvc.yaml that params.yaml does not have.
    """
    found = []
    for stage in stages:
        for task in stage.tasks(settings) if stage.per_task else [None]:
            words = [*COMMAND.split(), stage.name, *(["--task", task] if task else [])]
            reads = frozenset(stage.dependencies(settings, task))
            found.append(Job(stage.address(task), tuple(words), reads, frozenset(stage.outputs(task))))
    return found


def run_jobs(wanted: list[Job], run: Callable[[Job], None], processes: int) -> None:
    """Runs each job after all those that make something that it reads, `processes` of them at a time.

    Raises:
        CycleError: jobs that wait for each other.
        Exception: whatever `run` raises; no other job is then begun, and those that run have ended.
    """
    order = TopologicalSorter({job: _waits_for(job, wanted) for job in wanted})
    order.prepare()
    running: dict[Future[None], Job] = {}
    with ThreadPoolExecutor(processes) as pool:
        try:
            while order.is_active():
                running |= {pool.submit(run, job): job for job in order.get_ready()}
                ended, _ = wait(running, return_when=FIRST_COMPLETED)
                for one in ended:
                    order.done(running.pop(one))
                    one.result()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _waits_for(job: Job, among: list[Job]) -> set[Job]:
    """The jobs that make a file or folder that `job` reads, something in such a folder, or the folder around it."""
    return {
        other
        for other in among
        if other is not job and any(_overlap(read, made) for read in job.reads for made in other.writes)
    }


def _overlap(one: str, other: str) -> bool:
    return f"{one}/".startswith(f"{other}/") or f"{other}/".startswith(f"{one}/")


def run_quietly(job: Job, root: Path, around: dict[str, str]) -> None:
    """Runs the job's command in the project; what it says is shown if it fails, as two would speak at once.

    Raises:
        StageError: it ended with an error.
    """
    told = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    done = subprocess.run(job.command, cwd=root, env=around, stdin=subprocess.DEVNULL, check=False, **told)  # type: ignore[call-overload]
    if done.returncode:
        print(done.stdout.decode(errors="replace").rstrip(), file=sys.stderr)
        raise StageError(f"`{' '.join(job.command)}` in {root} failed; the lines above say why.")
