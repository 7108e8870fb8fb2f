"""What is waited for that is no science: a notebook's process, and DVC where nothing is to be done.

Each pair is measured in turn, in one run: the same notebook of two small cells by papermill's own way (a Jupyter
kernel) and by ours; `dvc repro` and `precip-sae repro` in this project, of which nothing may be out of date.

Usage: python benchmarks/waiting.py [TIMES]
"""

import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import nbformat
import papermill

from precip_sae.files import write_text
from precip_sae.paths import locate
from precip_sae.pipeline.environment import notebook_environment
from precip_sae.pipeline.executor import NAME

HERE = Path(__file__).parent
CELLS = ("import numpy as np", "np.arange(3).sum()")


def notebook_by(engine: str | None, folder: Path) -> Callable[[], object]:
    """A run of a small notebook by one of papermill's engines."""
    source = folder / "source.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in CELLS]), source)

    def run() -> None:
        with notebook_environment(folder):
            papermill.execute_notebook(
                source, folder / "executed.ipynb", engine_name=engine, kernel_name="python3", progress_bar=False,
                extra_arguments=["--IPKernelApp.log_level=CRITICAL"],
            )  # fmt: skip

    return run


def command(*words: str) -> Callable[[], object]:
    """A run of a command in this project."""
    return lambda: subprocess.run(words, cwd=locate().root, check=True, capture_output=True)


def seconds(run: Callable[[], object]) -> tuple[float, float]:
    """Time and processor time of a run and of the processes that it waited for (s)."""
    start, before = time.perf_counter(), _processor()
    run()
    return time.perf_counter() - start, _processor() - before


def _processor() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def main(times: int) -> None:
    with tempfile.TemporaryDirectory() as place:
        pairs = {
            "a notebook of two small cells": {
                "a Jupyter kernel": notebook_by(None, Path(place)),
                "one process": notebook_by(NAME, Path(place)),
            },
            "nothing to redo": {
                "`dvc repro`": command(sys.executable, "-m", "dvc", "repro", "--quiet"),
                "`precip-sae repro`": command("precip-sae", "repro", "--quiet"),
            },
        }
        lines = ["| what | how | time | of processor |", "| --- | --- | --- | --- |"]
        for what, ways in pairs.items():
            found: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
            for run in ways.values():
                run()
            for _ in range(times):
                for name, run in ways.items():
                    found[name].append(seconds(run))
            for name, taken in found.items():
                wall, processor = (median(one[k] for one in taken) for k in (0, 1))
                lines.append(f"| {what} | {name} | {wall:.2f} s | {processor:.2f} s |")
    model = next(line.split(": ")[1] for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line)
    lines += ["", f"Medians of {times} runs in turn on {model}; Python {platform.python_version()}.", ""]
    lines += ["Written by `benchmarks/waiting.py`.", ""]
    write_text(HERE / "results" / "waiting.md", "\n".join(lines))
    print("\n".join(lines))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10)
