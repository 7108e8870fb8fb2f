"""Trains many networks and SAEs at once with the compiled loops of `kernels`.

The results are those of `models.reference`, model by model, up to the rounding of float32; they do not depend on
which models are trained together, on the number of threads or on the CPU.
"""

import math
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeVar

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from precip_sae.models.class_weights import class_weights
from precip_sae.models.engine import kernels
from precip_sae.models.engine.lanes import LANES, aligned
from precip_sae.models.initial import mlp_weights, row_order, sae_weights
from precip_sae.models.mlp import MLP
from precip_sae.models.reference import SCORE, Progress, adam_step_size
from precip_sae.models.sae import SAE
from precip_sae.models.stack import Stack
from precip_sae.scheduling import available_threads, side_by_side
from precip_sae.settings import MLPSettings, SAESettings
from precip_sae.tasks.prepare import Part

REPACK_EPOCHS = 8  # how often the SAEs that still train are gathered into fewer blocks
SEGMENT_BYTES = 64 * 2**20  # inputs that are laid out at a time; larger tables are laid out anew in every epoch

S = TypeVar("S", bound=Stack)


@dataclass(frozen=True)
class Block:
    """Models that are computed side by side.

    Attributes:
        models: which models of a job, one per lane; spare lanes repeat the last model.
        used: how many lanes are not spare.
    """

    models: NDArray[np.int64]
    used: int

    @property
    def kept(self) -> NDArray[np.int64]:
        """The models of the lanes that are not spare."""
        return self.models[: self.used]


def blocks(models: int) -> list[Block]:
    """Blocks of as many models as there are lanes; the last one has spare lanes."""
    starts = range(0, models, LANES)
    return [Block(np.minimum(np.arange(s, s + LANES), models - 1), min(LANES, models - s)) for s in starts]


@lru_cache(maxsize=8)
def step_sizes(learning_rate: float, steps: int) -> NDArray[np.float32]:
    """`reference.adam_step_size` of the steps 1 .. steps [steps]; kept for the next block."""
    return np.array([adam_step_size(learning_rate, step) for step in range(1, steps + 1)], np.float32)


def pack(models: Sequence[dict[str, NDArray[np.float32]]]) -> NDArray[np.float32]:
    """Named arrays of single models -> [models, parameters]."""
    return np.stack([np.concatenate([value.ravel() for value in model.values()]) for model in models])


def packed(stack: Stack) -> NDArray[np.float32]:
    """A stack's parameters -> [models, parameters]."""
    return np.concatenate([v.detach().numpy().reshape(len(stack), -1) for v in stack.named().values()], axis=1)


def unpack(weights: NDArray[np.float32], like: dict[str, NDArray[np.float32]], kind: type[S]) -> S:
    """[models, parameters] -> a stack with the names and shapes of `like`."""
    ends = np.cumsum([value.size for value in like.values()])[:-1]
    pieces = np.split(weights, ends, axis=1)
    named = {
        name: torch.from_numpy(piece.reshape(len(weights), *value.shape).copy())
        for (name, value), piece in zip(like.items(), pieces, strict=True)
    }
    return kind(named)


def lanes_of(weights: NDArray[np.float32], block: Block) -> NDArray[np.float32]:
    """[models, parameters] -> the block's [parameters, LANES]."""
    return np.ascontiguousarray(weights[block.models].T)


class Feed:
    """Rows of a part laid out for the lanes of a block, a segment at a time.

    Args:
        part: its inputs may hold more columns than a model has inputs.
        columns: the inputs of each lane, int64 [inputs, lanes].
        batch: rows per step; segments hold whole batches.
        segment: bytes of inputs that are laid out at a time.
    """

    def __init__(self, part: Part, columns: NDArray[np.int64], batch: int, segment: int = SEGMENT_BYTES) -> None:
        self.part, self.columns = part, columns
        self.room = kernels.padded(batch)
        inputs, lanes = columns.shape
        self.rows = max(1, segment // (4 * inputs * lanes * batch)) * batch
        self.response = np.ascontiguousarray(part.y.astype(np.float32).reshape(len(part), -1))
        self.table = np.ascontiguousarray(part.x)

    def segments(self, order: NDArray[np.int32]) -> Iterator[tuple[Any, Any, int]]:
        """Inputs [rows + room, inputs, lanes], responses [rows + room, responses, lanes] and rows of every segment.

        Args:
            order: the rows in the order of each lane [rows, lanes].
        """
        inputs, lanes = self.columns.shape
        for start in range(0, len(order), self.rows):
            here = np.ascontiguousarray(order[start : start + self.rows])
            room = len(here) + self.room
            x, y = aligned(room, inputs, lanes), aligned(room, self.response.shape[1], lanes)
            kernels.gather(self.table, self.response, here, self.columns, x, y)
            yield x, y, len(here)

    def in_time_order(self) -> Iterator[tuple[Any, Any, int]]:
        """The segments of the rows as they stand."""
        rows = np.arange(len(self.part), dtype=np.int32)[:, None]
        yield from self.segments(np.broadcast_to(rows, (len(rows), self.columns.shape[1])))

    @property
    def fits(self) -> bool:
        """Whether one segment holds all rows."""
        return len(self.part) <= self.rows


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
    count = _Counter(progress, settings.epochs * len(pieces))

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


class _Counter:
    """Adds up progress from several threads."""

    def __init__(self, progress: Progress | None, total: int) -> None:
        self.progress, self.total, self.done = progress, total, 0
        self.lock = threading.Lock()

    def add(self, amount: int) -> None:
        with self.lock:
            self.done += amount
            if self.progress:
                self.progress(min(self.done, self.total), self.total)


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
    score = SCORE[kind]
    epochs = settings.epochs
    history = pd.DataFrame(
        {
            "seed": np.repeat(seeds, epochs),
            "epoch": np.tile(np.arange(1, epochs + 1), len(seeds)),
            "loss": done.loss.T.ravel(),
            "val_loss": done.val_loss.T.ravel(),
            score: done.score.T.ravel(),
            f"val_{score}": done.val_score.T.ravel(),
        }
    )
    stack = unpack(done.weights, mlp_weights(0, inputs, settings.hidden, outputs), MLP)
    return stack, history.sort_values(["seed", "epoch"], kind="stable", ignore_index=True)


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
        kernel = shape.kernels(kernels.ROWS)
        lanes = lanes_of(weights, block)
        feed = Feed(part, np.ascontiguousarray(columns[block.models].T), kernels.ROWS)
        out = aligned(len(x) + max(room, feed.room), shape.hidden, LANES)
        at = 0
        for inputs, _, rows in feed.in_time_order():
            whole = kernels.padded(rows)
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
    found = hidden_blocks(packed(stack), shape, x, columns, pieces, kernels.ROWS)
    by_model = [lanes[: len(x), :, : block.used].transpose(2, 0, 1) for block, lanes in zip(pieces, found, strict=True)]
    return np.ascontiguousarray(np.concatenate(by_model))


@dataclass(frozen=True)
class Autoencoders:
    """Trained SAEs.

    Attributes:
        weights: packed [models, parameters].
        epochs: how many epochs each ran [models].
        losses: one (model, epoch from 1, loss) per epoch that a model ran.
    """

    weights: NDArray[np.float32]
    epochs: NDArray[np.int64]
    losses: list[tuple[int, int, float]]


def fit_autoencoders(
    hidden: list[NDArray[np.float32]],
    pieces: Sequence[Block],
    rows: int,
    settings: SAESettings,
    convention: str,
    seeds: NDArray[np.int64],
    after_epoch: Callable[[int], None] | None = None,
    start: NDArray[np.float32] | None = None,
) -> Autoencoders:
    """Fits one SAE per model on one thread; see `train_saes`.

    Args:
        hidden: see `hidden_blocks`; the list is emptied, so that the memory of blocks that are done is given back.
        pieces: the block of each of these arrays.
        rows: rows of the SAE part.
        seeds: the seed of each SAE [models].
        after_epoch: called with the number of models that ran an epoch.
        start: packed initial weights instead of those of the seeds [models, parameters].
    """
    units = hidden[0].shape[1]
    if start is None:
        initial = {int(seed): sae_weights(int(seed), units, settings.latents) for seed in np.unique(seeds)}
        start = pack([initial[int(seed)] for seed in seeds])
    nothing = np.zeros_like(start)
    state = [_Fitting(b.kept, h, *(lanes_of(a, b) for a in (start, nothing, nothing)))
             for b, h in zip(pieces, hidden, strict=True)]  # fmt: skip
    hidden.clear()
    steps = -(-rows // settings.batch)
    sizes = step_sizes(settings.learning_rate, steps * settings.epochs).reshape(settings.epochs, steps)
    models = len(seeds)
    trained, ran = np.empty_like(start), np.full(models, settings.epochs)
    losses: list[tuple[int, int, float]] = []
    best, waited = np.full(models, math.inf), np.zeros(models, np.int64)
    running = np.ones(models, bool)
    for epoch in range(settings.epochs):
        for fitting in state:
            loss = np.zeros(LANES)
            kernel = kernels.sae_kernels(units, settings.latents, settings.batch)
            kernel.epoch(fitting.hidden, rows, fitting.weights, fitting.m, fitting.v, sizes[epoch],
                         np.float32(settings.l1), convention == "batch_mean", loss)  # fmt: skip
            lanes = np.flatnonzero(running[fitting.models])
            which, epoch_loss = fitting.models[lanes], loss[lanes] / rows
            losses += zip(which.tolist(), [epoch + 1] * len(which), epoch_loss.tolist(), strict=True)
            better = epoch_loss < best[which]
            best[which] = np.where(better, epoch_loss, best[which])
            waited[which] = np.where(better, 0, waited[which] + 1)
            done = (waited[which] >= settings.patience) if settings.patience else np.zeros(len(which), bool)
            done |= epoch == settings.epochs - 1
            trained[which[done]] = fitting.weights.T[lanes[done]]
            ran[which[done]] = epoch + 1
            running[which[done]] = False
            if after_epoch:
                after_epoch(len(which))
        if not running.any():
            break
        if epoch % REPACK_EPOCHS == REPACK_EPOCHS - 1:
            state = _repacked(state, running)
    return Autoencoders(trained, ran, losses)


@dataclass
class _Fitting:
    """A block of SAEs in training; the arrays end with the lanes, of which the first len(models) are used."""

    models: NDArray[np.int64]
    hidden: NDArray[np.float32]
    weights: NDArray[np.float32]
    m: NDArray[np.float32]
    v: NDArray[np.float32]


def _repacked(state: list[_Fitting], running: NDArray[np.bool_]) -> list[_Fitting]:
    """The models that still train, gathered into fewer lanes if that saves any."""
    lanes = [np.flatnonzero(running[f.models]) for f in state]
    needed = blocks(sum(map(len, lanes)))
    if len(needed) == len(state):
        return state
    place = np.array([(number, lane) for number, some in enumerate(lanes) for lane in some])
    found = []
    for block in needed:
        number, lane = place[block.models].T

        def gathered(name: str, number: Any = number, lane: Any = lane) -> NDArray[np.float32]:
            first = getattr(state[0], name)
            out = aligned(*first.shape[:-1], len(number))
            for n in np.unique(number):
                out[..., number == n] = getattr(state[n], name)[..., lane[number == n]]
            return out

        models = np.array([state[n].models[k] for n, k in place[block.kept]])
        found.append(_Fitting(models, *(gathered(name) for name in ("hidden", "weights", "m", "v"))))
    return found


def train_saes(
    hidden: NDArray[np.float32],
    settings: SAESettings,
    convention: str,
    seeds: Sequence[int],
    progress: Progress | None = None,
    threads: int | None = None,
    start: NDArray[np.float32] | None = None,
) -> tuple[SAE, pd.DataFrame]:
    """`reference.train_saes`, compiled: one SAE per seed; arguments and results are the same.

    `start` holds packed initial weights instead of those of the seeds [models, parameters].
    """
    models, rows, units = hidden.shape
    count = _Counter(progress, settings.epochs * models)
    room = kernels.padded(settings.batch)

    def work(group: NDArray[np.int64]) -> Autoencoders:
        pieces = blocks(len(group))
        laid_out = []
        for block in pieces:
            lanes = aligned(rows + room, units, LANES)
            lanes[:rows] = hidden[group[block.models]].transpose(1, 2, 0)
            laid_out.append(lanes)
        return fit_autoencoders(laid_out, pieces, rows, settings, convention, np.asarray(seeds)[group],
                                count.add, None if start is None else start[group])  # fmt: skip

    groups = np.array_split(np.arange(models), min(threads or available_threads(), -(-models // LANES)))
    done = side_by_side(work, groups, threads)
    count.add(count.total)
    history = [
        (seeds[int(group[model])], epoch, loss)
        for group, fitted in zip(groups, done, strict=True)
        for model, epoch, loss in fitted.losses
    ]
    frame = pd.DataFrame(history, columns=["seed", "epoch", "loss"]).sort_values(["seed", "epoch"], ignore_index=True)
    stack = unpack(np.concatenate([d.weights for d in done]), sae_weights(0, units, settings.latents), SAE)
    return stack, frame
