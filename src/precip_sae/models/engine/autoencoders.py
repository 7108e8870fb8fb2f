"""Fits many SAEs at once with the compiled loops of `kernels`; see `networks`."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from precip_sae.models.engine import arithmetic, kernels
from precip_sae.models.engine.blocks import Block, Counter, blocks, lanes_of, pack, step_sizes, unpack
from precip_sae.models.engine.lanes import LANES, aligned
from precip_sae.models.initial import sae_weights
from precip_sae.models.reference import Progress, sae_history
from precip_sae.models.sae import SAE
from precip_sae.scheduling import available_threads, side_by_side
from precip_sae.settings import SAESettings

REPACK_EPOCHS = 8  # how often the SAEs that still train are gathered into fewer blocks


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
    arithmetic.refuse_flushing()
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
    count = Counter(progress, settings.epochs * models)
    room = arithmetic.padded(settings.batch)

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
    stack = unpack(np.concatenate([d.weights for d in done]), sae_weights(0, units, settings.latents), SAE)
    return stack, sae_history(history)
