"""The study's models trained by JAX: one step written for one model, vmap over models, scan over steps, all compiled.

Started by speed.py as keras_process.py is; the rates count all models. What compiling takes is not timed.

Usage: jax_process.py DATA.npz
"""

import os
import sys
import time

os.environ["JAX_PLATFORMS"] = "cpu"

import jax
import jax.numpy as jnp
import numpy as np

MODELS = 256
B1, B2, EPSILON = 0.9, 0.999, 1e-7


def trainer(loss, rate, sizes, batches):
    """An epoch of all models: parameters and moments -> the same after it."""

    def step(state, rows):
        weights, m, v, count = state
        gradient = jax.grad(loss)(weights, *rows)
        count += 1
        size = rate * jnp.sqrt(1 - B2**count) / (1 - B1**count)
        m = jax.tree.map(lambda a, g: a + (g - a) * (1 - B1), m, gradient)
        v = jax.tree.map(lambda a, g: a + (g * g - a) * (1 - B2), v, gradient)
        weights = jax.tree.map(lambda w, a, b: w - size * a / (jnp.sqrt(b) + EPSILON), weights, m, v)
        return (weights, m, v, count), None

    epoch = jax.jit(jax.vmap(lambda state: jax.lax.scan(step, state, batches)[0]))
    random = np.random.default_rng(0)
    first, middle, last = sizes
    weights = {
        "first": random.uniform(-0.5, 0.5, (MODELS, first, middle)), "middle": np.zeros((MODELS, middle)),
        "second": random.uniform(-0.5, 0.5, (MODELS, middle, last)), "last": np.zeros((MODELS, last)),
    }  # fmt: skip
    weights = jax.tree.map(lambda w: jnp.asarray(w, jnp.float32), weights)
    nothing = jax.tree.map(jnp.zeros_like, weights)
    state = weights, nothing, nothing, jnp.zeros(MODELS, jnp.float32)
    jax.block_until_ready(epoch(state))  # compiles
    return lambda: jax.block_until_ready(epoch(state))


def cross_entropy(weights, x, y):
    hidden = jax.nn.relu(x @ weights["first"] + weights["middle"])
    shares = jax.nn.log_softmax(hidden @ weights["second"] + weights["last"])
    return -jnp.take_along_axis(shares, y[:, None], axis=1).mean()


def objective(weights, h):
    latents = jax.nn.relu(h @ weights["first"] + weights["middle"])
    return jnp.square(latents @ weights["second"] + weights["last"] - h).mean() + 0.01 * latents.sum()


def in_batches(values, size):
    whole = len(values) // size * size
    return jnp.asarray(values[:whole].reshape(-1, size, *values.shape[1:]))


def main() -> None:
    data = np.load(sys.argv[1])
    x, y, h = data["x"][:8000], data["y"][:8000].astype(np.int32), data["h"][:8000]
    inputs, units = x.shape[1], h.shape[1]
    epochs = {
        "mlp": trainer(cross_entropy, 5e-4, (inputs, 6, 3), (in_batches(x, 32), in_batches(y, 32))),
        "sae": trainer(objective, 1e-3, (units, 2 * units, units), (in_batches(h, 8),)),
    }
    print(f"jax {jax.__version__}", flush=True)
    for line in sys.stdin:
        begin = time.perf_counter()
        epochs[line.strip()]()
        print(MODELS * 8000 / (time.perf_counter() - begin), flush=True)


if __name__ == "__main__":
    main()
