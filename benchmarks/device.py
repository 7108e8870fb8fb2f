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
from typing import Any

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

# models, rows, and epochs of networks and SAEs (16 and 8 as in speed.py; few of them where they take long)
SIZES = ((462, 24_000, 16, 8), (4_620, 24_000, 16, 8), (20_020, 24_000, 16, 8), (20_020, 1_000_000, 2, 1))
CPU_MODELS = 4_620  # at most: its rate grows no further
CONVENTION = "keras3"


def seconds(work: Callable[..., Any], *arguments: Any) -> tuple[float, Any]:
    """Time of a piece of work, and what it gave."""
    begin = time.perf_counter()
    found = work(*arguments)
    return time.perf_counter() - begin, found


def engine_saes(weights: NDArray, part: Part, columns: NDArray, seeds: NDArray, settings: SAESettings) -> NDArray:
    """An SAE for each network by the engine on all threads; hidden activations included, as on the GPU."""

    def work(group: NDArray) -> NDArray:
        pieces = blocks(len(group))
        hidden = hidden_blocks(weights[group], SHAPE, part.x, columns[group], pieces, 8)
        return fit_autoencoders(hidden, pieces, len(part), settings, CONVENTION, seeds[group]).weights

    groups = np.array_split(np.arange(len(seeds)), max(available_threads(), len(seeds) // 64))
    return np.concatenate(side_by_side(work, groups))


def measured(
    models: int, part: Part, sae_part: Part, epochs: tuple[int, int], device: Cuda, rounds: int
) -> dict[str, float]:
    """Medians of model-samples per second, in millions, and the models that differ by any bit."""
    columns, seeds = np.resize(SUBSETS, (models, 5)), np.arange(models) // len(SUBSETS)
    few = slice(0, min(models, CPU_MODELS))
    validation = Part(part.x[:8], part.y[:8])
    mlp, sae = MLPSettings(epochs=epochs[0]), SAESettings(epochs=epochs[1])
    trainer = Trainer(device, SHAPE, mlp, sae, columns, seeds)
    trainer.autoencoders(trainer.networks(validation), validation, CONVENTION)  # compiles
    found = []
    for _ in range(rounds):
        gpu_mlp, networks = seconds(trainer.networks, part)
        gpu_sae, (saes, _) = seconds(trainer.autoencoders, networks, sae_part, CONVENTION)
        cpu_mlp, own = seconds(train_networks, part, validation, SHAPE, mlp, columns[few], seeds[few])
        cpu_sae, own_saes = seconds(engine_saes, networks[few], sae_part, columns[few], seeds[few], sae)
        passed = np.array([len(part) * epochs[0], len(sae_part) * epochs[1]]) / 1e6
        spent = np.array([[gpu_mlp, gpu_sae], [cpu_mlp, cpu_sae]])
        found.append(np.array([[models], [len(own_saes)]]) * passed / spent)
    (gpu_mlp, gpu_sae), (cpu_mlp, cpu_sae) = np.median(found, axis=0)
    return {
        "GPU, MLP": gpu_mlp, "CPUs, MLP": cpu_mlp, "GPU, SAE": gpu_sae, "CPUs, SAE": cpu_sae,
        "networks that differ": (networks[few] != own.weights).any(axis=1).sum(),
        "SAEs that differ": (saes[few] != own_saes).any(axis=1).sum(),
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "device.md")
    options = parser.parse_args()
    device = Cuda()
    short = observations(24_000)
    few = Part(short.x[:100], short.y[:100])
    measured(16, few, few, (1, 1), device, 1)  # compiles the engine's loops
    names = ["GPU, MLP", "CPUs, MLP", "GPU, SAE", "CPUs, SAE"]
    lines = [
        f"| models | rows of networks, of SAEs | {' | '.join(names)} | GPU / CPUs, MLP | GPU / CPUs, SAE | differ |",
        "| --- " * 9 + "|",
    ]
    print("\n".join(lines), flush=True)
    for models, rows, *epochs in SIZES:
        part = observations(rows)
        sae_part = Part(part.x[:10_000], part.y[:10_000]) if rows == 24_000 else part
        rate = measured(models, part, sae_part, tuple(epochs), device, options.rounds if rows == 24_000 else 1)
        lines.append(
            f"| {models} | {len(part)}, {len(sae_part)} | {' | '.join(f'{rate[name]:.4g}' for name in names)} | "
            f"{rate['GPU, MLP'] / rate['CPUs, MLP']:.3g} | {rate['GPU, SAE'] / rate['CPUs, SAE']:.3g} | "
            f"{rate['networks that differ']} and {rate['SAEs that differ']} of {min(models, CPU_MODELS)} |"
        )
        print(lines[-1], flush=True)
    card = device.cupy.cuda.runtime.getDeviceProperties(0)["name"].decode()
    versions = ", ".join(f"{name} {version(name)}" for name in ("numba", "numpy"))
    note = (
        f"Millions of model-samples per second, copies to and from the GPU included; medians of "
        f"{options.rounds} rounds (one for the longest table). {card}, CuPy {device.cupy.__version__}; "
        f"{available_threads()} threads of {_processor()}; Python {platform.python_version()}, {versions}. "
        f"The CPUs train {CPU_MODELS} models at most. Differ: networks and SAEs that are not the same bytes.\n"
    )
    write_text(options.out, "\n".join(lines) + f"\n\n{note}")
    print(note)


if __name__ == "__main__":
    main()
