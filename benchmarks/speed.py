"""How fast the study's models are trained: Keras, torch, JAX, scikit-learn and the engine, side by side.

All contenders train the classifier's network (5-6-3, batch 32) and its SAE (6-12-6, batch 8) on the same data, in turn,
for several rounds of one run; medians and their ratios are reported. The unit is model-samples per second: models x
rows x epochs / seconds. The ceiling is a loop of multiplications and additions on all threads, once as strict
arithmetic has to do them and once fused, which strict arithmetic may not use.

Usage: python benchmarks/speed.py [--keras PYTHON] [--jax PYTHON] [--rounds N] [--out FILE without ending]
"""

import argparse
import platform
import resource
import subprocess
import tempfile
import time
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numba import njit
from rich.progress import track
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier

from precip_sae.files import write_text
from precip_sae.models import reference
from precip_sae.models.engine import moments
from precip_sae.models.engine.arithmetic import padded
from precip_sae.models.engine.autoencoders import Autoencoders, fit_autoencoders
from precip_sae.models.engine.blocks import blocks
from precip_sae.models.engine.lanes import LANES, get, put, spread
from precip_sae.models.engine.networks import Networks, NetworkShape, hidden_blocks, train_networks
from precip_sae.scheduling import available_threads, side_by_side
from precip_sae.settings import MLPSettings, SAESettings
from precip_sae.tasks.prepare import Part

HERE = Path(__file__).parent
POOL, ROWS, SAE_ROWS = 11, 24_000, 10_000
FEW = 8000  # rows that slow contenders pass over
PHASES = ("mlp", "sae")
Contender = Callable[[str], float]  # model-samples per second of a phase
SUBSETS = np.array(list(combinations(range(POOL), 5)))
SHAPE = NetworkShape(5, 6, 3, "classification")
# Sizes, batch, and operations of the objective: an exponential (17) and its share per class and one logarithm (25);
# a difference, its square and sums per unit (5) and the penalty per latent (2).
MLP_WORK, SAE_WORK = ((5, 6, 3), 32, 3 * 20 + 25), ((6, 12, 6), 8, 6 * 5 + 12 * 2)


def observations(rows: int = ROWS) -> Part:
    """Standardised inputs [rows, pool] and three classes that depend on them."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((rows, POOL)).astype(np.float32)
    return Part(x, (x[:, :3] + 0.5 * rng.standard_normal((rows, 3))).argmax(axis=1))


def operations(sizes: tuple[int, int, int], batch: int, objective: int) -> float:
    """Floating-point operations of one row of one model in training.

    Two for every weight in the forward pass, two in the gradient, two in the way back through the second layer; one
    for every bias forth and back; those of the objective; and per parameter and batch twelve of Adam, its root and
    division counted as one each.
    """
    first, second, biases = sizes[0] * sizes[1], sizes[1] * sizes[2], sizes[1] + sizes[2]
    return 4 * (first + second) + 2 * second + 2 * biases + objective + 12 * (first + second + biases) / batch


@njit(nogil=True, fastmath={"contract"}, error_model="numpy")
def _multiply_add(rounds, values):
    """16 multiply-adds on each of four values per step, enough of them independent to keep the units busy."""
    quarter = values.shape[0] // 4
    factor, term = np.float32(0.999), np.float32(0.5)
    for _ in range(rounds):
        for i in range(quarter):
            a, b, c, d = values[i], values[i + quarter], values[i + 2 * quarter], values[i + 3 * quarter]
            for _ in range(16):
                a = a * factor + term
                b = b * factor + term
                c = c * factor + term
                d = d * factor + term
            values[i], values[i + quarter], values[i + 2 * quarter], values[i + 3 * quarter] = a, b, c, d


@njit(nogil=True, error_model="numpy")
def _multiply_and_add(rounds, values):
    """The same, each operation rounded, on eight values of sixteen lanes that stay in registers."""
    factor, term = spread(np.float32(0.999)), spread(np.float32(0.5))
    a, b, c, d = get(values, 0), get(values, 1), get(values, 2), get(values, 3)
    e, f, g, h = get(values, 4), get(values, 5), get(values, 6), get(values, 7)
    for _ in range(rounds):
        a, b, c, d = a * factor + term, b * factor + term, c * factor + term, d * factor + term
        e, f, g, h = e * factor + term, f * factor + term, g * factor + term, h * factor + term
    put(values, 0, a + b + c + d + e + f + g + h)


def ceiling(loop: Callable, rounds: int, size: int, operations_per_value: int) -> float:
    """Floating-point operations per second of a loop on arrays of `size` numbers, on all threads."""
    threads = available_threads()
    loop(1, np.zeros(size, np.float32))
    with ThreadPoolExecutor(threads) as pool:
        begin = time.perf_counter()
        list(pool.map(lambda _: loop(rounds, np.zeros(size, np.float32)), range(threads)))
        return threads * rounds * size * operations_per_value / (time.perf_counter() - begin)


def engine_networks(part: Part, epochs: int, threads: int | None) -> Networks:
    """One network per subset, with everything around the training."""
    validation = Part(part.x[:8], part.y[:8])
    seeds = np.zeros(len(SUBSETS), np.int64)
    settings = MLPSettings(epochs=epochs)
    return train_networks(part, validation, SHAPE, settings, SUBSETS, seeds, threads=threads)


def engine_saes(weights: np.ndarray, part: Part, epochs: int, threads: int) -> list[Autoencoders]:
    """One SAE per network, hidden activations included."""

    def work(group: np.ndarray) -> Autoencoders:
        pieces = blocks(len(group))
        hidden = hidden_blocks(weights[group], SHAPE, part.x, SUBSETS[group], pieces, padded(8))
        settings = SAESettings(epochs=epochs)
        return fit_autoencoders(hidden, pieces, len(part), settings, "keras3", np.zeros(len(group), np.int64))

    return side_by_side(work, np.array_split(np.arange(len(weights)), threads), threads)


class OneTorchModel:
    """One model in a loop as one would write it, its losses and its optimiser's step compiled or not.

    Args:
        loss: of the model on some rows, given by number.
    """

    def __init__(self, model: torch.nn.Module, rate: float, loss: Callable, rows: int, batch: int, compiled: bool):
        self.rows, self.batch = torch.arange(rows), batch
        self.adam = torch.optim.Adam(model.parameters(), rate)
        self.loss = torch.compile(loss, dynamic=False) if compiled else loss
        self.update = torch.compile(self.adam.step) if compiled else self.adam.step
        for rows in self.rows.split(batch)[:20]:  # compiles
            self._step(rows)

    def _step(self, rows: torch.Tensor) -> None:
        self.adam.zero_grad()
        self.loss(rows).backward()
        self.update()

    def rate(self) -> float:
        """Model-samples per second of one pass."""
        begin = time.perf_counter()
        for rows in self.rows.split(self.batch):
            self._step(rows)
        return len(self.rows) / (time.perf_counter() - begin)


def torch_models(part: Part, h: np.ndarray, compiled: bool) -> Contender:
    """The network and its SAE, each trained as `OneTorchModel`."""
    torch.set_num_threads(1)
    x, y, hidden = (torch.from_numpy(a[:FEW]) for a in (part.x[:, :5].copy(), part.y, np.ascontiguousarray(h)))
    mlp = torch.nn.Sequential(torch.nn.Linear(5, 6), torch.nn.ReLU(), torch.nn.Linear(6, 3))
    encoder, decoder = torch.nn.Linear(6, 12), torch.nn.Linear(12, 6)

    def error(rows: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.cross_entropy(mlp(x[rows]), y[rows])

    def objective(rows: torch.Tensor) -> torch.Tensor:
        latents = torch.relu(encoder(hidden[rows]))
        return (decoder(latents) - hidden[rows]).square().mean() + 0.01 * latents.sum()

    both = torch.nn.ModuleList([encoder, decoder])
    models = {
        "mlp": OneTorchModel(mlp, 5e-4, error, FEW, 32, compiled),
        "sae": OneTorchModel(both, 1e-3, objective, FEW, 8, compiled),
    }
    return lambda phase: models[phase].rate()


class Peer:
    """A library that trains in a process and an environment of its own."""

    def __init__(self, python: str, script: str, data: Path) -> None:
        command = [python, str(HERE / script), str(data)]
        self.script = script
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        self.version = self.process.stdout.readline().strip()

    def rate(self, phase: str) -> float:
        """Model-samples per second of `mlp` or `sae`."""
        self.process.stdin.write(f"{phase}\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise SystemExit(f"The process of {self.script} ended; start it by itself to see why.")
        return float(answer)


def started(python: str, script: str, data: Path) -> Peer | None:
    """The peer, or None, said aloud, where its environment is not there."""
    if Path(python).exists():
        return Peer(python, script, data)
    print(f"{python}: not there, so {script} is left out; see benchmarks/README.md.")
    return None


def rates(contenders: dict[str, Contender], part: Part, sae_part: Part, h: np.ndarray) -> dict[tuple[str, str], float]:
    """One round: model-samples per second by contender and phase."""

    def timed(work: Callable, samples: int) -> float:
        begin = time.perf_counter()
        work()
        return samples / (time.perf_counter() - begin)

    found = {(name, phase): rate(phase) for name, rate in contenders.items() for phase in PHASES}
    few = slice(0, FEW)
    seeds = list(range(20))
    own = Part(part.x[few, :5], part.y[few])
    found["reference, 20 seeds stacked", "mlp"] = timed(
        lambda: reference.train_mlps(own, own, "classification", 3, MLPSettings(epochs=1), seeds), 20 * len(own)
    )
    stacked = np.broadcast_to(h[few], (20, FEW, 6)).copy()
    found["reference, 20 seeds stacked", "sae"] = timed(
        lambda: reference.train_saes(stacked, SAESettings(epochs=1), "keras3", seeds), 20 * FEW
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        sklearn = MLPClassifier((6,), batch_size=32, learning_rate_init=5e-4, max_iter=2, random_state=0)
        found["scikit-learn, one model", "mlp"] = timed(lambda: sklearn.fit(own.x, own.y), 2 * len(own))
    for name, threads in (("engine, 1 thread", 1), ("engine, all threads", available_threads())):
        models, epochs, sae_epochs = len(SUBSETS), 16, 8
        begin = time.perf_counter()
        networks = engine_networks(part, epochs, threads)
        found[name, "mlp"] = models * len(part) * epochs / (time.perf_counter() - begin)
        begin = time.perf_counter()
        engine_saes(networks.weights, sae_part, sae_epochs, threads)
        found[name, "sae"] = models * len(sae_part) * sae_epochs / (time.perf_counter() - begin)
    fused = ceiling(_multiply_add, 200_000, 1024, 32)
    strict = ceiling(_multiply_and_add, 50_000_000, 8 * LANES, 2)
    for phase, work in (("mlp", MLP_WORK), ("sae", SAE_WORK)):
        found["fused multiply-adds", phase] = fused / operations(*work)
        found["ceiling of strict arithmetic", phase] = strict / operations(*work)
    return found


def sensitivity_share(part: Part, sae_part: Part) -> dict[str, float]:
    """Time to evaluate all models, as a share of the training it follows (32 and 75 epochs, one thread)."""
    networks = engine_networks(part, 1, 1)
    begin = time.perf_counter()
    networks = engine_networks(part, 2, 1)
    epoch = (time.perf_counter() - begin) / 2
    begin = time.perf_counter()
    fitted = engine_saes(networks.weights, sae_part, 2, 1)[0]
    sae_epoch = (time.perf_counter() - begin) / 2
    mean = np.zeros((len(SUBSETS), 6))
    pieces = blocks(len(SUBSETS))
    # as the search does: fitted SAEs and untrained ones
    saes = {"fitted": fitted.weights, "untrained": np.roll(fitted.weights, 1, axis=0)}
    arguments = (networks.weights, SHAPE, saes, sae_part.x, SUBSETS, mean, pieces)
    moments.evaluate(*arguments)
    begin = time.perf_counter()
    moments.evaluate(*arguments)
    seconds = time.perf_counter() - begin
    return {"seconds": seconds, "share": seconds / (32 * epoch + 75 * sae_epoch)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--keras", default=".venv-keras/bin/python", help="Python of an environment that has Keras")
    parser.add_argument("--jax", default=".venv-jax/bin/python", help="Python of an environment that has JAX")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path, default=HERE / "results" / "speed", help="written as .csv and .md")
    options = parser.parse_args()
    part, sae_part = observations(), Part(*(a[:SAE_ROWS] for a in vars(observations()).values()))
    weights = engine_networks(part, 1, None).weights
    engine_saes(weights, sae_part, 1, available_threads())  # compiles
    pieces = blocks(1)
    h = hidden_blocks(weights[:1], SHAPE, sae_part.x, SUBSETS[:1], pieces, padded(8))[0][:SAE_ROWS, :, 0]
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data.npz"
        np.savez(data, x=part.x[:, :5], y=part.y, h=h)
        keras = started(options.keras, "keras_process.py", data)
        jax = started(options.jax, "jax_process.py", data)
        contenders = {
            **({"Keras, one process": keras.rate} if keras else {}),
            "torch eager, one model": torch_models(part, h, compiled=False),
            "torch compiled, one model": torch_models(part, h, compiled=True),
            **({"JAX vmap, 256 models, all threads": jax.rate} if jax else {}),
        }
        found = [rates(contenders, part, sae_part, h) for _ in track(range(options.rounds), "Rounds")]
        for peer in (keras, jax):
            if peer:
                peer.process.communicate()
    measured = pd.DataFrame(found, columns=pd.MultiIndex.from_tuples(found[0])) / 1e6
    table = measured.median().unstack()
    spread = (measured.max() / measured.min()).unstack()
    order = list(dict.fromkeys(name for name, _ in found[0]))
    report = pd.DataFrame(index=pd.Index(order, name="trained by"))
    for phase in PHASES:
        report[f"{phase.upper()}, M model-samples/s"] = table[phase].map("{:.4g}".format)
        if keras:
            report[f"{phase.upper()}, times Keras"] = (table[phase] / table[phase][order[0]]).map("{:.4g}".format)
        report[f"{phase.upper()}, % of ceiling"] = (100 * table[phase] / table[phase][order[-1]]).map("{:.2g}".format)
        report[f"{phase.upper()}, largest/least"] = spread[phase].map("{:.2f}".format)
    # the study's classifier and its SAE: 32 epochs of the one, 75 of the other
    whole = (ROWS * 32 / table["mlp"] + SAE_ROWS * 75 / table["sae"]) / 1e6
    report["both, s per model"] = whole.map("{:.4g}".format)
    if keras:
        report["both, times Keras"] = (whole[order[0]] / whole).map("{:.4g}".format)
    looked = sensitivity_share(part, sae_part)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    report = report.replace("nan", "–")
    versions = ", ".join(f"{name} {version(name)}" for name in ("numba", "numpy", "torch", "scikit-learn"))
    note = (
        f"{available_threads()} threads of {_processor()}; Python {platform.python_version()}, {versions}"
        f"{''.join(f', {peer.version}' for peer in (keras, jax) if peer)}. Medians of {options.rounds} rounds.\n\n"
        f"Sensitivities of {len(SUBSETS)} models on {SAE_ROWS} rows: {looked['seconds']:.2f} s on one thread, "
        f"{100 * looked['share']:.1f} % of the training they follow. Peak memory of the whole run: {memory:.2f} GiB.\n"
    )
    text = f"{_markdown(report.reset_index())}\n\n{note}"
    write_text(options.out.with_suffix(".csv"), report.to_csv())
    write_text(options.out.with_suffix(".md"), text)
    print(text)


def _markdown(table: pd.DataFrame) -> str:
    rows = [list(table.columns), ["---"] * len(table.columns), *table.to_numpy().tolist()]
    return "\n".join(f"| {' | '.join(map(str, row))} |" for row in rows)


def _processor() -> str:
    """The processor's name, as Linux gives it."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


if __name__ == "__main__":
    main()
