"""The compiled loops of the engine: many models side by side, one model per lane.

A block of models is one value of `lanes` per number of a model, so that a network's weights are [parameters] values
and a layer's activations [rows, units] values.
"""

from collections.abc import Callable
from functools import lru_cache

from precip_sae.models.engine.arithmetic import STRICT, clear, copy, f32, number, padded, scratch, total
from precip_sae.models.engine.cache import compiled
from precip_sae.models.engine.lanes import accumulate, spread
from precip_sae.models.engine.layers import backward, descend, forget, forward
from precip_sae.models.engine.losses import cross_entropy, sae_objective, squared_error, weighted_cross_entropy


class MLPKernels:
    """Compiled for one size of network: `epoch` trains, `evaluate` scores, `hidden` gives the hidden activations."""

    def __init__(self, epoch: Callable, evaluate: Callable, hidden: Callable) -> None:
        self.epoch, self.evaluate, self.hidden = epoch, evaluate, hidden


@lru_cache
def mlp_kernels(
    inputs: int, hidden: int, outputs: int, classification: bool, batch: int, weighted: bool = False
) -> MLPKernels:
    """The loops of an MLP. Weights are packed [parameters, LANES] in the order of `initial.mlp_weights`.

    `weighted` networks learn with class weights; the loops of others hold nothing of them.
    """
    second = (inputs + 1) * hidden  # where the second layer's parameters start
    parameters = second + (hidden + 1) * outputs
    room = padded(batch)

    @compiled(**STRICT)
    def epoch(x, y, rows, weights, m, v, sizes, penalty, class_weights, loss, score):
        """Steps through `rows` rows in batches.

        x [rows + room, inputs, LANES], y [rows + room, responses, LANES], any finite numbers in the last `room` rows;
        weights, m, v [parameters, LANES], moved on;
        sizes: Adam's step sizes, one per batch; penalty: weight of the sum of a batch's hidden activations in its
        loss; class_weights: float32 [outputs], read if `weighted`; loss, score: float64 [LANES], added to.
        """
        w, m_, v_ = scratch(parameters), scratch(parameters), scratch(parameters)
        h, dh, z = scratch(room * hidden), scratch(room * hidden), scratch(room * outputs)
        copy(weights, w, parameters)
        copy(m, m_, parameters)
        copy(v, v_, parameters)
        for start in range(0, rows, batch):
            size = min(batch, rows - start)
            share = f32(1.0) / f32(size)
            xs, ys = x[start : start + room], y[start : start + room]
            forward(xs, w, 0, h, room, True, inputs, hidden)
            forward(h, w, second, z, room, False, hidden, outputs)
            lost = scored = number(0.0)
            if weighted:
                lost, scored = weighted_cross_entropy(z, ys, class_weights, size, share, lost, scored, outputs)
            elif classification:
                lost, scored = cross_entropy(z, ys, size, share, lost, scored, outputs)
            else:
                lost, scored = squared_error(z, ys, size, share, lost, scored, outputs)
            if penalty > f32(0.0):
                lost += total(h, size * hidden) * spread(penalty * f32(size))
            clear(z, size * outputs, room * outputs)
            clear(h, size * hidden, room * hidden)
            backward(z, w, second, spread(penalty), h, dh, room, hidden, outputs)
            forget(m_, v_, start // batch, parameters)
            step = spread(sizes[start // batch])
            descend(h, z, w, m_, v_, second, step, room, hidden, outputs)
            descend(xs, dh, w, m_, v_, 0, step, room, inputs, hidden)
            accumulate(loss, lost)
            accumulate(score, scored)
        copy(w, weights, parameters)
        copy(m_, m, parameters)
        copy(v_, v, parameters)

    @compiled(**STRICT)
    def evaluate(x, y, rows, weights, loss, score):
        """Adds the losses and scores of `rows` rows to loss and score, float64 [LANES]; arrays as in `epoch`."""
        h, z = scratch(room * hidden), scratch(room * outputs)
        for start in range(0, rows, room):
            size = min(room, rows - start)
            ys = y[start : start + room]
            forward(x[start : start + room], weights, 0, h, room, True, inputs, hidden)
            forward(h, weights, second, z, room, False, hidden, outputs)
            lost = scored = number(0.0)
            if classification:
                lost, scored = cross_entropy(z, ys, size, f32(1.0), lost, scored, outputs)
            else:
                lost, scored = squared_error(z, ys, size, f32(1.0), lost, scored, outputs)
            accumulate(loss, lost)
            accumulate(score, scored)

    @compiled(**STRICT)
    def hidden_activations(x, rows, weights, out):
        """Hidden activations of `rows` rows into out [rows, hidden, LANES]; rows a multiple of ROWS."""
        forward(x, weights, 0, out, rows, True, inputs, hidden)

    return MLPKernels(epoch, evaluate, hidden_activations)


class SAEKernels:
    """Compiled for one size of SAE: `epoch` trains, `encode` and `decode` apply it."""

    def __init__(self, epoch: Callable, encode: Callable, decode: Callable) -> None:
        self.epoch, self.encode, self.decode = epoch, encode, decode


@lru_cache
def sae_kernels(hidden: int, latents: int, batch: int) -> SAEKernels:
    """The loops of an SAE. Weights are packed [parameters, LANES] in the order of `initial.sae_weights`."""
    decoder = (hidden + 1) * latents  # where its parameters start
    parameters = decoder + (latents + 1) * hidden
    room = padded(batch)

    @compiled(**STRICT)
    def epoch(h, rows, weights, m, v, sizes, l1, by_batch, loss):
        """Steps through `rows` rows in batches.

        h [rows + room, hidden, LANES]; weights, m, v [parameters, LANES], moved on; sizes: Adam's step sizes;
        by_batch: whether the penalty's sum is divided by the rows of the batch; loss: float64 [LANES], added to.
        """
        w, m_, v_ = scratch(parameters), scratch(parameters), scratch(parameters)
        f, df, z = scratch(room * latents), scratch(room * latents), scratch(room * hidden)
        copy(weights, w, parameters)
        copy(m, m_, parameters)
        copy(v, v_, parameters)
        for start in range(0, rows, batch):
            size = min(batch, rows - start)
            penalty = l1 / f32(size) if by_batch else l1
            hs = h[start : start + room]
            forward(hs, w, 0, f, room, True, hidden, latents)
            forward(f, w, decoder, z, room, False, latents, hidden)
            lost = sae_objective(hs, f, z, size, spread(penalty * f32(size)), hidden, latents)
            clear(z, size * hidden, room * hidden)
            clear(f, size * latents, room * latents)
            backward(z, w, decoder, spread(penalty), f, df, room, latents, hidden)
            forget(m_, v_, start // batch, parameters)
            step = spread(sizes[start // batch])
            descend(f, z, w, m_, v_, decoder, step, room, latents, hidden)
            descend(hs, df, w, m_, v_, 0, step, room, hidden, latents)
            accumulate(loss, lost)
        copy(w, weights, parameters)
        copy(m_, m, parameters)
        copy(v_, v, parameters)

    @compiled(**STRICT)
    def encode(h, rows, weights, out):
        """Latents of `rows` rows into out [rows, latents, LANES], rows a multiple of ROWS."""
        forward(h, weights, 0, out, rows, True, hidden, latents)

    @compiled(**STRICT)
    def decode(f, rows, weights, out):
        """Reconstructions of `rows` rows into out [rows, hidden, LANES], rows a multiple of ROWS."""
        forward(f, weights, decoder, out, rows, False, latents, hidden)

    return SAEKernels(epoch, encode, decode)
