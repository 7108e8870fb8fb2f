"""Initial weights and row orders from seeds, with numpy alone, so that every trainer starts alike."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

# One independent stream per purpose and seed: adding a purpose never shifts another's numbers.
_STREAMS = {"mlp": 0, "sae": 1, "order": 2, "deep": 7}


def _generator(seed: int, purpose: str, *more: int) -> np.random.Generator:
    return np.random.default_rng([seed, _STREAMS[purpose], *more])


def glorot_uniform(generator: np.random.Generator, inputs: int, outputs: int) -> NDArray[np.float32]:
    """Uniform in +-sqrt(6 / (inputs + outputs)), float32 [inputs, outputs] (Glorot & Bengio 2010, eq. 16)."""
    limit = np.sqrt(6.0 / (inputs + outputs))
    return generator.uniform(-limit, limit, (inputs, outputs)).astype(np.float32)


def mlp_weights(seed: int, inputs: int, hidden: int, outputs: int) -> dict[str, NDArray[np.float32]]:
    """Glorot-uniform weights and zero biases of an MLP; equal sizes and seeds give equal weights.

    Returns:
        hidden.weight [inputs, hidden], hidden.bias [hidden], output.weight [hidden, outputs],
        output.bias [outputs].
    """
    generator = _generator(seed, "mlp")
    return {
        "hidden.weight": glorot_uniform(generator, inputs, hidden),
        "hidden.bias": np.zeros(hidden, np.float32),
        "output.weight": glorot_uniform(generator, hidden, outputs),
        "output.bias": np.zeros(outputs, np.float32),
    }


def deep_weights(seed: int, inputs: int, layers: Sequence[int], outputs: int) -> dict[str, NDArray[np.float32]]:
    """Glorot-uniform weights and zero biases of a network of several hidden layers.

    Args:
        layers: units of each hidden layer, from the inputs on.

    Returns:
        hidden1.weight [inputs, units], hidden1.bias [units], and so on for every layer; output.weight, output.bias.
    """
    generator = _generator(seed, "deep")
    sizes = [inputs, *layers, outputs]
    weights: dict[str, NDArray[np.float32]] = {}
    for number, (before, after) in enumerate(pairwise(sizes), start=1):
        name = f"hidden{number}" if number <= len(layers) else "output"
        weights |= {f"{name}.weight": glorot_uniform(generator, before, after)}
        weights |= {f"{name}.bias": np.zeros(after, np.float32)}
    return weights


def sae_weights(seed: int, hidden: int, latents: int) -> dict[str, NDArray[np.float32]]:
    """Glorot-uniform weights and zero biases of an SAE.

    Returns:
        encoder.weight [hidden, latents], encoder.bias [latents], decoder.weight [latents, hidden],
        decoder.bias [hidden].
    """
    generator = _generator(seed, "sae")
    return {
        "encoder.weight": glorot_uniform(generator, hidden, latents),
        "encoder.bias": np.zeros(latents, np.float32),
        "decoder.weight": glorot_uniform(generator, latents, hidden),
        "decoder.bias": np.zeros(hidden, np.float32),
    }


def row_order(seed: int, rows: int, epoch: int, shuffle: str) -> NDArray[np.int64]:
    """The order in which an epoch visits the rows, a permutation [rows].

    `fixed`: the same permutation in every epoch, as Keras shuffles once a seed is set; `per_epoch`: a new one.
    """
    generator = _generator(seed, "order", 0 if shuffle == "fixed" else epoch)
    return generator.permutation(rows)
