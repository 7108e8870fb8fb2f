"""What a model costs, by how many are trained together and by how many rows there are.

Usage: python benchmarks/scaling.py
"""

import time
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from rich.progress import track

from precip_sae.figures.style import DOUBLE, save, styled
from precip_sae.files import write_text
from precip_sae.models.engine.arithmetic import padded
from precip_sae.models.engine.autoencoders import fit_autoencoders
from precip_sae.models.engine.blocks import blocks
from precip_sae.models.engine.lanes import LANES
from precip_sae.models.engine.networks import NetworkShape, hidden_blocks, train_networks
from precip_sae.scheduling import available_threads, side_by_side
from precip_sae.settings import MLPSettings, SAESettings
from precip_sae.tasks.prepare import Part

HERE = Path(__file__).parent
MODELS = (1, 4, 16, 64, 256, 1024, 4096, 20_020)
ROWS = (1000, 2000, 4000, 8000, 16_000, 32_000, 64_000)
EPOCHS = 2
SHAPE = NetworkShape(5, 6, 3, "classification")


def seconds(models: int, rows: int) -> float:
    """Wall time to train `models` networks and their SAEs on all threads, two epochs each."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((rows, 11)).astype(np.float32)
    part = Part(x, x[:, :3].argmax(axis=1))
    columns = np.array([rng.choice(11, 5, replace=False) for _ in range(models)])
    seeds = np.arange(models) % 10

    def work(group: np.ndarray) -> None:
        pieces = blocks(len(group))
        trained = train_networks(
            part,
            Part(part.x[:8], part.y[:8]),
            SHAPE,
            MLPSettings(epochs=EPOCHS),
            columns[group],
            seeds[group],
            threads=1,
        )
        hidden = hidden_blocks(trained.weights, SHAPE, part.x, columns[group], pieces, padded(8))
        fit_autoencoders(hidden, pieces, rows, SAESettings(epochs=EPOCHS), "keras3", seeds[group])

    threads = available_threads()
    groups = np.array_split(np.arange(models), max(threads if models >= 2 * LANES else 1, -(-models // 256)))
    begin = time.perf_counter()
    side_by_side(work, groups, threads)
    return time.perf_counter() - begin


@styled
def figure(table: pd.DataFrame) -> Figure:
    """Seconds against models and against rows, on logarithmic axes, with the line of equal cost per model and row.

    The exponent is fitted over the upper two decades.
    """
    drawn = Figure(figsize=(DOUBLE, 2.6))
    for axis, by, label in zip(
        drawn.subplots(1, 2), ("models", "rows"), ("models trained together", "rows of the table"), strict=True
    ):
        mine = table[table["varied"] == by]
        upper = mine[mine[by] >= mine[by].max() / 100]
        exponent = np.polyfit(np.log(upper[by]), np.log(upper["seconds"]), 1)[0]
        name = f"measured, exponent {exponent:.2f}"
        axis.loglog(mine[by], mine["seconds"], marker="o", markersize=4, color="black", linewidth=1.2, label=name)
        last = mine.iloc[-1]
        proportional = last["seconds"] * mine[by] / last[by]
        axis.loglog(mine[by], proportional, color="0.5", linewidth=0.9, linestyle="--", label="proportional")
        axis.set(xlabel=label, ylabel="time (s)")
        axis.legend(loc="upper left")
    return drawn


def main() -> None:
    for models in (1, 64):
        seconds(models, 1000)  # compiles
    points = [("models", models, 2000) for models in MODELS] + [("rows", 256, rows) for rows in ROWS]
    rows = []
    for varied, models, length in track(points, "Points"):
        took = float(np.median([seconds(models, length) for _ in range(3)]))
        rows.append({"varied": varied, "models": models, "rows": length, "seconds": round(took, 4)})
    table = pd.DataFrame(rows)
    write_text(HERE / "results" / "scaling.csv", table.to_csv(index=False))
    save(figure(table), HERE / "results" / "scaling")
    print(table.to_string(index=False))


if __name__ == "__main__":
    main()
