"""Trains many networks at once with the compiled loops of `kernels`.

The results are those of `models.reference`, model by model, up to the rounding of float32; they do not depend on
which models are trained together, on the number of threads or on the CPU.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from precip_sae.models.class_weights import class_weights
from precip_sae.models.engine import arithmetic, kernels
from precip_sae.models.engine.blocks import Block, Counter, Feed, blocks, lanes_of, pack, packed, step_sizes, unpack
from precip_sae.models.engine.lanes import LANES, aligned
from precip_sae.models.initial import mlp_weights, row_order
from precip_sae.models.mlp import MLP
from precip_sae.models.reference import Progress, mlp_history
from precip_sae.scheduling import side_by_side
from precip_sae.settings import MLPSettings
from precip_sae.tasks.prepare import Part


@dataclass(frozen=True)
class Networks:
    """Trained networks.

    Attributes:
        weights: packed [models, parameters].
        loss, score: over the epochs, while the weights moved [epochs, models].
        val_loss, val_score: at the end of each epoch [epochs, models]; of the last epoch alone if not every
            epoch was validated.
        course: the weights before training and after each epoch [epochs + 1, models, parameters]; without
            `every_epoch` only those after the last [1, models, parameters].
    """

    weights: NDArray[np.float32]
    loss: NDArray[np.float64]
    score: NDArray[np.float64]
    val_loss: NDArray[np.float64]
    val_score: NDArray[np.float64]
    course: NDArray[np.float32]


@dataclass(frozen=True)
class NetworkShape:
    """Sizes of a network and what it predicts."""

    inputs: int
    hidden: int
    outputs: int
    kind: str

    def kernels(self, batch: int, weighted: bool = False) -> kernels.MLPKernels:
        classification = self.kind == "classification"
        return kernels.mlp_kernels(self.inputs, self.hidden, self.outputs, classification, batch, weighted)


def train_block(
    block: Block,
    train: Part,
    validation: Part,
    shape: NetworkShape,
    settings: MLPSettings,
    columns: NDArray[np.int64],
    seeds: NDArray[np.int64],
    every_epoch: bool,
    after_epoch: Callable[[int], None] | None = None,
    hidden_l1: float = 0.0,
    start: NDArray[np.float32] | None = None,
) -> Networks:
    """Trains the networks of one block; see `train_networks`. Spare lanes are left out of the result."""
    arithmetic.refuse_flushing()
    by_class = class_weights(settings, train, shape.outputs)
    kernel = shape.kernels(settings.batch, weighted=by_class is not None)
    by_class = np.ones(shape.outputs, np.float32) if by_class is None else by_class
    mine, inputs = seeds[block.models], np.ascontiguousarray(columns[block.models].T)
    weights = _lanes_of_initial(mine, shape) if start is None else lanes_of(start, block)
    m, v = np.zeros_like(weights), np.zeros_like(weights)
    feed, check = Feed(train, inputs, settings.batch), Feed(validation, inputs, settings.batch)
    checked = list(check.in_time_order()) if check.fits else None
    steps = -(-len(train) // settings.batch)
    sizes = step_sizes(settings.learning_rate, steps * settings.epochs).reshape(settings.epochs, steps)
    records: list[list[NDArray[np.float64]]] = [[], [], [], []]
    course = [weights.copy()] if every_epoch else []
    laid_out: Iterable[tuple[Any, Any, int]] | None = None
    for epoch in range(settings.epochs):
        if laid_out is None or settings.shuffle == "per_epoch" or not feed.fits:
            laid_out = feed.segments(_orders(mine, len(train), epoch, settings.shuffle))
            laid_out = list(laid_out) if feed.fits else laid_out
        loss, score, at = np.zeros(LANES), np.zeros(LANES), 0
        for x, y, rows in laid_out:
            kernel.epoch(
                x, y, rows, weights, m, v, sizes[epoch, at:], np.float32(hidden_l1), by_class, loss, score
            )  # fmt: skip
            at += -(-rows // settings.batch)
        records[0].append(loss[: block.used] / len(train))
        records[1].append(score[: block.used] / len(train))
        if every_epoch or epoch == settings.epochs - 1:
            course.append(weights.copy())
            val_loss, val_score = np.zeros(LANES), np.zeros(LANES)
            for x, y, rows in checked or check.in_time_order():
                kernel.evaluate(x, y, rows, weights, val_loss, val_score)
            records[2].append(val_loss[: block.used] / len(validation))
            records[3].append(val_score[: block.used] / len(validation))
        if after_epoch:
            after_epoch(block.used)
    after = np.stack([w.T[: block.used] for w in course])
    loss, score, val_loss, val_score = (np.stack(record) for record in records)
    return Networks(after[-1], loss, score, val_loss, val_score, after)


def _lanes_of_initial(seeds: NDArray[np.int64], shape: NetworkShape) -> NDArray[np.float32]:
    initial = {int(s): mlp_weights(int(s), shape.inputs, shape.hidden, shape.outputs) for s in np.unique(seeds)}
    return np.ascontiguousarray(pack([initial[int(s)] for s in seeds]).T)


def _orders(seeds: NDArray[np.int64], rows: int, epoch: int, shuffle: str) -> NDArray[np.int32]:
    """The row orders of an epoch, one per lane: [rows, lanes]."""
    return np.stack([_order(int(seed), rows, epoch, shuffle) for seed in seeds], axis=1)


@lru_cache(maxsize=32)
def _order(seed: int, rows: int, epoch: int, shuffle: str) -> NDArray[np.int32]:
    """`row_order`, kept for the next block of the same seeds."""
    return row_order(seed, rows, epoch, shuffle).astype(np.int32)


def train_networks(
    train: Part,
    validation: Part,
    shape: NetworkShape,
    settings: MLPSettings,
    columns: NDArray[np.int64],
    seeds: NDArray[np.int64],
    every_epoch: bool = False,
    progress: Progress | None = None,
    threads: int | None = None,
    hidden_l1: float = 0.0,
    start: NDArray[np.float32] | None = None,
) -> Networks:
    """Trains one network per row of `columns`.

    Args:
        train, validation: parts of a prepared table; their inputs may hold more columns than one network uses.
        columns: the inputs of each network, in its order [models, inputs].
        seeds: the seed of each network [models]: of its initial weights and of the order of its rows.
        every_epoch: evaluate the validation part and keep the weights after every epoch, not after the last alone.
        progress: called as progress(epochs done, epochs of all blocks).
        threads: blocks that are trained at once (default: all CPUs); changes no bit.
        hidden_l1: see `reference.train_mlps`.
        start: packed initial weights instead of those of the seeds [models, parameters].
    """
    pieces = blocks(len(seeds))
    count = Counter(progress, settings.epochs * len(pieces))

    def work(block: Block) -> Networks:
        return train_block(
            block, train, validation, shape, settings, columns, seeds, every_epoch, lambda _: count.add(1), hidden_l1,
            start,
        )  # fmt: skip

    done = side_by_side(work, pieces, threads)
    return Networks(
        np.concatenate([d.weights for d in done]),
        *(np.concatenate([getattr(d, name) for d in done], axis=1) for name in _RECORDS),
    )


_RECORDS = ("loss", "score", "val_loss", "val_score", "course")


def train_mlps(
    train: Part,
    validation: Part,
    kind: str,
    outputs: int,
    settings: MLPSettings,
    seeds: Sequence[int],
    progress: Progress | None = None,
    threads: int | None = None,
) -> tuple[MLP, pd.DataFrame]:
    """`reference.train_mlps`, compiled: one network per seed; arguments and results are the same."""
    inputs = train.x.shape[1]
    shape = NetworkShape(inputs, settings.hidden, outputs, kind)
    columns = np.tile(np.arange(inputs), (len(seeds), 1))
    done = train_networks(train, validation, shape, settings, columns, np.asarray(seeds), True, progress, threads)
    stack = unpack(done.weights, mlp_weights(0, inputs, settings.hidden, outputs), MLP)
    return stack, mlp_history(kind, seeds, done.loss, done.score, done.val_loss, done.val_score)


def hidden_blocks(
    weights: NDArray[np.float32],
    shape: NetworkShape,
    x: NDArray[np.float32],
    columns: NDArray[np.int64],
    pieces: Sequence[Block],
    room: int,
) -> list[NDArray[np.float32]]:
    """Hidden activations of a part, laid out for the lanes: one [rows + room, hidden, lanes] per block.

    Args:
        weights: packed networks [models, parameters].
        x: inputs [rows, columns]; columns: the inputs of each network [models, inputs].
    """
    found = []
    part = Part(x, np.zeros(len(x), np.float32))
    for block in pieces:
        kernel = shape.kernels(arithmetic.ROWS)
        lanes = lanes_of(weights, block)
        feed = Feed(part, np.ascontiguousarray(columns[block.models].T), arithmetic.ROWS)
        out = aligned(len(x) + max(room, feed.room), shape.hidden, LANES)
        at = 0
        for inputs, _, rows in feed.in_time_order():
            whole = arithmetic.padded(rows)
            kernel.hidden(inputs, whole, lanes, out[at : at + whole])
            at += rows
        out[len(x) :] = 0.0
        found.append(out)
    return found


def hidden_activations(stack: MLP, x: NDArray[np.float32]) -> NDArray[np.float32]:
    """Hidden activations of every network of a stack: x [rows, inputs] -> [models, rows, hidden]."""
    _, inputs, hidden = stack.hidden_weight.shape
    shape = NetworkShape(inputs, hidden, stack.output_weight.shape[2], "regression")
    columns = np.tile(np.arange(inputs), (len(stack), 1))
    pieces = blocks(len(stack))
    found = hidden_blocks(packed(stack), shape, x, columns, pieces, arithmetic.ROWS)
    by_model = [lanes[: len(x), :, : block.used].transpose(2, 0, 1) for block, lanes in zip(pieces, found, strict=True)]
    return np.ascontiguousarray(np.concatenate(by_model))
