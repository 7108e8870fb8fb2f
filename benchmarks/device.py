"""How fast one GPU trains a search, beside the compiled engine on all CPUs of the same machine, in one run.

Networks and SAEs are the classifier's (5-6-3, batch 32, and 6-12-6, batch 8), on made-up observations; the unit is
model-samples per second, as in speed.py. Both give the same bytes: every round compares the weights of some models.

Usage: python benchmarks/device.py [--rounds N] [--out FILE.md]
"""

import argparse
import platform
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from statistics import median

import numpy as np
from numpy.typing import NDArray
from speed import SHAPE, SUBSETS, _processor, observations

from precip_sae.files import write_text
from precip_sae.models.device.cuda import Cuda
from precip_sae.models.device.training import Trainer
from precip_sae.models.engine.autoencoders import fit_autoencoders
from precip_sae.models.engine.blocks import blocks
from precip_sae.models.engine.networks import hidden_blocks, train_networks
from precip_sae.scheduling import available_threads, side_by_side
from precip_sae.settings import MLPSettings, SAESettings
from precip_sae.tasks.prepare import Part

SIZES = ((462, 24_000), (4_620, 24_000), (20_020, 24_000), (80_080, 24_000), (20_020, 1_000_000))  # models, rows
CPU_MODELS = 4_620  # at most: its rate grows no further
MLP, SAE, CONVENTION = MLPSettings(epochs=1), SAESettings(epochs=1), "keras3"


def seconds(work: Callable[[], NDArray]) -> tuple[float, NDArray]:
    """Time of a piece of work, and what it gave."""
    begin = time.perf_counter()
    found = work()
    return time.perf_counter() - begin, found


def engine_saes(weights: NDArray, part: Part, columns: NDArray, seeds: NDArray) -> NDArray:
    """An SAE for each network by the engine on all threads; hidden activations included, as on the GPU."""

    def work(group: NDArray) -> NDArray:
        pieces = blocks(len(group))
        hidden = hidden_blocks(weights[group], SHAPE, part.x, columns[group], pieces, 8)
        return fit_autoencoders(hidden, pieces, len(part), SAE, CONVENTION, seeds[group]).weights

    groups = np.array_split(np.arange(len(seeds)), max(available_threads(), len(seeds) // 64))
    return np.concatenate(side_by_side(work, groups))


def measured(models: int, part: Part, sae_part: Part, device: Cuda, rounds: int) -> dict[str, float]:
    """Medians of model-samples per second of one epoch, in millions, and the models that differ by a bit."""
    columns, seeds = np.resize(SUBSETS, (models, 5)), np.arange(models) // len(SUBSETS)
    few = slice(0, min(models, CPU_MODELS))
    validation = Part(part.x[:8], part.y[:8])
    trainer = Trainer(device, SHAPE, MLP, SAE, columns, seeds)
    found: dict[str, list[float]] = {"GPU, MLP": [], "GPU, SAE": [], "CPUs, MLP": [], "CPUs, SAE": []}
    for number in range(rounds + 1):
        gpu_mlp, networks = seconds(lambda: trainer.networks(part))
        gpu_sae, saes = seconds(lambda: trainer.autoencoders(networks, sae_part, CONVENTION)[0])
        if number == 0:
            continue  # compiles
        mlp, own = seconds(
            lambda: train_networks(part, validation, SHAPE, MLP, columns[few], seeds[few]).weights
        )  # fmt: skip
        sae, own_saes = seconds(lambda: engine_saes(networks[few], sae_part, columns[few], seeds[few]))
        for name, count, rows, spent in (
            ("GPU, MLP", models, len(part), gpu_mlp), ("GPU, SAE", models, len(sae_part), gpu_sae),
            ("CPUs, MLP", len(own), len(part), mlp), ("CPUs, SAE", len(own), len(sae_part), sae),
        ):  # fmt: skip
            found[name].append(count * rows / spent / 1e6)
    differ = (networks[few] != own).any(axis=1) | (saes[few] != own_saes).any(axis=1)
    return {name: median(values) for name, values in found.items()} | {"models that differ": int(differ.sum())}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "device.md")
    options = parser.parse_args()
    device = Cuda()
    short = observations(24_000)
    for part in (short, Part(short.x[:10_000], short.y[:10_000])):
        measured(16, part, part, device, 1)  # compiles the engine's loops
    names = ["GPU, MLP", "CPUs, MLP", "GPU, SAE", "CPUs, SAE"]
    lines = [
        f"| models | rows of networks, of SAEs | {' | '.join(names)} | GPU / CPUs, MLP | GPU / CPUs, SAE | differ |",
        "| --- " * 9 + "|",
    ]
    print("\n".join(lines), flush=True)
    for models, rows in SIZES:
        part = observations(rows)
        sae_part = Part(part.x[:10_000], part.y[:10_000]) if rows == 24_000 else part
        rate = measured(models, part, sae_part, device, options.rounds if rows == 24_000 else 1)
        lines.append(
            f"| {models} | {len(part)}, {len(sae_part)} | {' | '.join(f'{rate[name]:.4g}' for name in names)} | "
            f"{rate['GPU, MLP'] / rate['CPUs, MLP']:.3g} | {rate['GPU, SAE'] / rate['CPUs, SAE']:.3g} | "
            f"{rate['models that differ']} of {min(models, CPU_MODELS)} |"
        )
        print(lines[-1], flush=True)
    card = device.cupy.cuda.runtime.getDeviceProperties(0)["name"].decode()
    versions = ", ".join(f"{name} {version(name)}" for name in ("numba", "numpy"))
    note = (
        f"Millions of model-samples per second of one epoch, copies to and from the GPU included; medians of "
        f"{options.rounds} rounds (one for the longest table). {card}, CuPy {device.cupy.__version__}; "
        f"{available_threads()} threads of {_processor()}; Python {platform.python_version()}, {versions}. "
        f"The CPUs train {CPU_MODELS} models at most. Differ: models whose network or SAE is not the same bytes.\n"
    )
    write_text(options.out, "\n".join(lines) + f"\n\n{note}")
    print(note)


if __name__ == "__main__":
    main()
