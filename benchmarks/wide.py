"""Time and memory of an SAE with 4,096 latents on 512 units and 100,000 rows, by `precip_sae.explain`.

    python benchmarks/wide.py [EPOCHS]

Activations alone are given: 512 ReLU units of a random network of eight inputs. One seed, one thread.
"""

import resource
import sys
import time

import numpy as np

import precip_sae
from precip_sae.explanation.measure import settings_for

ROWS, INPUTS, UNITS, LATENTS = 100_000, 8, 512, 4096


def main() -> None:
    epochs = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    random = np.random.default_rng(0)
    x = random.normal(size=(ROWS, INPUTS))
    hidden = np.maximum(x @ random.normal(size=(INPUTS, UNITS)) + random.normal(size=UNITS), 0.0).astype(np.float32)
    settings = settings_for(UNITS, LATENTS).model_copy(update={"epochs": epochs})
    start, cpu = time.perf_counter(), time.process_time()
    found = precip_sae.explain(hidden, x, seeds=1, sae=settings, progress=False)
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    unexplained = found.measures[found.fitted]["fvu"]["mean"]
    dead = found.measures[found.fitted]["dead"]["mean"]
    print(
        f"{UNITS} units, {LATENTS} latents, {ROWS} rows, {epochs} epochs of batches of {settings.batch}: "
        f"{seconds:.0f} s ({cpu:.0f} s of processor), {memory:.2f} GiB at most; "
        f"variance unexplained {unexplained:.1%}, {dead:.0f} latents dead"
    )


if __name__ == "__main__":
    main()
