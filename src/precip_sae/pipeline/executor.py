"""How papermill runs a notebook here: its cells in one process without Jupyter, which is written when the last ends.

Jupyter's own way takes sockets, threads and messages for what is a list of cells to be run in order.
"""

import json
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import nbformat
from papermill.engines import Engine, papermill_engines

from precip_sae.pipeline.warm import module_command

NAME = "one-process"


class ProcessDied(Exception):
    """The process of the cells ended before it had answered."""


class OneProcess(Engine):
    """Runs the cells up to the first that fails; papermill then writes the notebook, also where the process died."""

    @classmethod
    def execute_managed_notebook(cls, nb_man: Any, kernel_name: str, **_: Any) -> None:
        place, nb_man.output_path = nb_man.output_path, None
        try:
            with cells_process() as run:
                for number, cell in enumerate(nb_man.nb.cells):
                    nb_man.cell_start(cell, number)
                    if cell.cell_type == "code" and cell.source.strip():
                        cell.update(run(cell.source))
                    failed = any(output.output_type == "error" for output in cell.get("outputs", []))
                    if failed:
                        nb_man.cell_exception(cell, number)
                    nb_man.cell_complete(cell, number)
                    if failed:
                        break
        finally:
            nb_man.output_path = place


@contextmanager
def cells_process() -> Iterator[Callable[[str], nbformat.NotebookNode]]:
    """Starts a process in this folder and environment; within the block a function has it run a cell.

    The process is killed with the block: all that a notebook makes is written when its last cell ends.
    """
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    # a session of its own: an interrupt on the terminal is for this process, which ends the other
    process = subprocess.Popen(
        module_command(dict(os.environ), "precip_sae.pipeline.cells"), text=True, encoding="utf-8",
        start_new_session=True, **pipes,
    )  # type: ignore[call-overload]  # fmt: skip

    def run(source: str) -> nbformat.NotebookNode:
        try:
            process.stdin.write(json.dumps({"source": source}) + "\n")
            process.stdin.flush()
        except BrokenPipeError as error:
            raise ProcessDied from error
        if not (answer := process.stdout.readline()):
            raise ProcessDied
        return nbformat.from_dict(json.loads(answer))

    try:
        yield run
    finally:
        # with whatever a cell has started; macOS refuses where all of it has ended
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


papermill_engines.register(NAME, OneProcess)
