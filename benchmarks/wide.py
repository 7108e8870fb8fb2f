"""Time and memory of `precip-sae explain` on a network of 512 units, with SAEs of 4,096 latents, on 100,000 rows.

PyTorch trains the network for a few epochs on simulated records; the command then reads its weights and the table from
files. One seed, the fewest that it takes, and one thread. The command runs once for each number of passes over the rows
(its option --epochs); what a further pass costs follows from the first and the last.

Usage: python benchmarks/wide.py [EPOCHS ...]
"""

import contextlib
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psutil
import torch
from safetensors.torch import save_file

from precip_sae.explanation.measure import settings_for
from precip_sae.files import read_json, write_json, write_parquet, write_text
from precip_sae.simulation.simulate import simulate

HERE = Path(__file__).parent
INPUTS = ["n0", "Rho", "Fs", "Dm", "T", "RH", "P", "WS"]
ROWS, UNITS, LATENTS, SEEDS, NETWORK_EPOCHS = 100_000, 512, 4096, 1, 3
LIMIT = 4.0  # GiB
SAMPLED = 0.5  # s between two looks at the memory


def write_network(table: pd.DataFrame, folder: Path) -> Path:
    """Trains a network of 512 units on the table's classes and writes its weights and their description."""
    x = table[INPUTS].to_numpy()
    mean, scale = x.mean(axis=0), x.std(axis=0)
    classes, y = np.unique(table["regime3"], return_inverse=True)
    torch.manual_seed(0)
    network = torch.nn.Sequential(
        torch.nn.Linear(len(INPUTS), UNITS), torch.nn.ReLU(), torch.nn.Linear(UNITS, len(classes))
    )
    adam = torch.optim.Adam(network.parameters(), 1e-3)
    inputs, labels = torch.from_numpy(((x - mean) / scale).astype(np.float32)), torch.from_numpy(y)
    for _ in range(NETWORK_EPOCHS):
        for rows in torch.randperm(len(inputs)).split(256):
            adam.zero_grad()
            torch.nn.functional.cross_entropy(network(inputs[rows]), labels[rows]).backward()
            adam.step()
    save_file(network.state_dict(), folder / "network.safetensors")
    described = {"inputs": INPUTS, "outputs": classes.tolist(), "mean": mean.tolist(), "scale": scale.tolist()}
    write_json(folder / "network.yaml", described)  # JSON is YAML
    return folder / "network.safetensors"


@dataclass(frozen=True)
class Run:
    """Seconds, seconds of processor, the most memory resident at a time (GiB), and what was found of the SAE."""

    seconds: float
    processor: float
    memory: float
    found: dict[str, Any]


def explained(network: Path, table: Path, out: Path, epochs: int) -> Run:
    """Runs the command to its end.

    The memory is that of all its processes together, looked at every SAMPLED seconds, or that which the system reports
    of the largest of them where this is more.
    """
    command = [str(Path(sys.executable).with_name("precip-sae")), "explain", str(network), str(table)]
    command += ["--out", str(out), "--seeds", str(SEEDS), "--latents", str(LATENTS), "--epochs", str(epochs)]
    start, before, most = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN), 0
    running = subprocess.Popen(command, env=os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"})
    watched = psutil.Process(running.pid)
    while running.poll() is None:
        # one may end while it is looked at
        with contextlib.suppress(psutil.NoSuchProcess):
            most = max(most, sum(one.memory_info().rss for one in [watched, *watched.children(recursive=True)]))
        time.sleep(SAMPLED)
    seconds, used = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    if running.returncode or not (out / "report.pdf").is_file():
        raise SystemExit(f"{' '.join(command)} ended with {running.returncode}.")
    processor = used.ru_utime + used.ru_stime - before.ru_utime - before.ru_stime
    variants = read_json(out / "measures.json")["variants"]
    sae = next(value for name, value in variants.items() if name not in ("mlp", "untrained"))
    return Run(seconds, processor, max(most / 2**30, used.ru_maxrss / 2**20), sae)


def page(runs: dict[int, Run]) -> str:
    """What was measured, as Markdown; `runs` by passes over the rows."""
    settings = settings_for(UNITS, LATENTS)
    rows = [
        ["passes over the rows", *map(str, runs)],
        ["memory of all processes, at most", *(f"{run.memory:.2f} GiB" for run in runs.values())],
        ["processor time until the report is written", *(f"{run.processor:.0f} s" for run in runs.values())],
        ["time, beside whatever else ran", *(f"{run.seconds:.0f} s" for run in runs.values())],
        ["variance unexplained", *(f"{run.found['fvu']['mean']:.1%}" for run in runs.values())],
        ["dead latents", *(f"{run.found['dead']['mean']:.0f}" for run in runs.values())],
    ]
    lines = [f"| {' | '.join(row)} |" for row in [rows[0], ["---"] * len(rows[0]), *rows[1:]]]
    text = (
        f"`precip-sae explain` on {UNITS} ReLU units of a network of {len(INPUTS)} inputs, {LATENTS:,} latents, "
        f"{ROWS:,} simulated rows, seeds: {SEEDS} (the fewest), steps of {settings.batch} rows.\n\n"
        + "\n".join(lines)
        + f"\n\nOne thread of {_processor()}; Python {platform.python_version()}, torch {torch.__version__}."
    )
    if len(runs) > 1:
        first, last = min(runs), max(runs)
        each = (runs[last].processor - runs[first].processor) / (last - first)
        whole = runs[first].processor + (settings.epochs - first) * each
        text += (
            f" A further pass costs {each:.0f} s of processor, so that the default of {settings.epochs} passes would "
            f"take {whole / 60:.0f} minutes of one quiet core (not run)."
        )
    return f"{text}\n\nWritten by `benchmarks/wide.py`.\n"


def main() -> None:
    torch.set_num_threads(1)
    asked = sorted({int(number) for number in sys.argv[1:]}) or [1, 3]
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        table = simulate(ROWS, seed=7)
        network = write_network(table, folder)
        write_parquet(folder / "table.parquet", table[INPUTS])
        runs = {n: explained(network, folder / "table.parquet", folder / f"out{n}", n) for n in asked}
    text = page(runs)
    write_text(HERE / "results" / "wide.md", text)
    print(text)
    if (most := max(run.memory for run in runs.values())) > LIMIT:
        raise SystemExit(f"{most:.2f} GiB, expected at most {LIMIT:g}.")


def _processor() -> str:
    """The processor's name, as Linux gives it."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


if __name__ == "__main__":
    main()
