"""Evaluates many networks and SAEs at once: scores, FVU, and the sums from which sensitivities are computed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from precip_sae.models.engine import arithmetic, kernels
from precip_sae.models.engine.blocks import Block, Feed, lanes_of
from precip_sae.models.engine.lanes import LANES, aligned
from precip_sae.models.engine.networks import NetworkShape
from precip_sae.models.engine.rows import add_products, add_residuals, add_sums
from precip_sae.scheduling import side_by_side
from precip_sae.tasks.prepare import Part

CHUNK_BYTES = 2**20  # inputs of rows that are evaluated together, so that their activations stay in the cache


@dataclass(frozen=True)
class Sums:
    """Sums over rows of units' activations a and of their products with the inputs x, in float64.

    Attributes:
        rows: how many.
        a, aa: sums of a and of a^2 [models, units]; x, xx: of x and x^2 [models, inputs].
        ax: sums of a x [models, units, inputs].
        active: rows with a > 0 [models, units].
        varies: whether a takes more than one value [models, units].
    """

    rows: int
    a: NDArray[np.float64]
    aa: NDArray[np.float64]
    x: NDArray[np.float64]
    xx: NDArray[np.float64]
    ax: NDArray[np.float64]
    active: NDArray[np.float64]
    varies: NDArray[np.bool_]


@dataclass(frozen=True)
class Evaluation:
    """Many models on the rows of one part.

    Attributes:
        units: sums by variant: `mlp`, and the SAEs by name.
        fvu: fraction of variance unexplained of every SAE (see `interpretation.metrics`) [models].
    """

    units: dict[str, Sums]
    fvu: dict[str, NDArray[np.float64]]


def evaluate(
    weights: NDArray[np.float32],
    shape: NetworkShape,
    saes: Mapping[str, NDArray[np.float32]],
    x: NDArray[np.float32],
    columns: NDArray[np.int64],
    mean: NDArray[np.float64],
    pieces: Sequence[Block],
    threads: int | None = 1,
) -> Evaluation:
    """Sums over the rows of a part for hidden units and latents, and the FVU of every SAE.

    Args:
        weights: packed networks [models, parameters].
        saes: packed SAEs by name [models, parameters].
        x: inputs [rows, columns]; columns: the inputs of each network [models, inputs].
        mean: mean hidden activations of the SAE part [models, hidden], for the FVU.
        threads: blocks that are evaluated at once (None: all CPUs); changes no bit.
    """
    found = side_by_side(lambda block: _evaluate_block(block, weights, shape, saes, x, columns, mean), pieces, threads)
    return Evaluation(
        units={
            name: Sums(len(x), *(np.concatenate([f.units[name].__dict__[field] for f in found]) for field in _FIELDS))
            for name in found[0].units
        },
        fvu={name: np.concatenate([f.fvu[name] for f in found]) for name in saes},
    )


_FIELDS = ("a", "aa", "x", "xx", "ax", "active", "varies")


class _Adding:
    """Sums of one kind of unit of one block, while rows are added."""

    def __init__(self, units: int, inputs: int, lanes: int) -> None:
        self.a, self.aa = np.zeros((units, lanes)), np.zeros((units, lanes))
        self.ax, self.active = np.zeros((units, inputs, lanes)), np.zeros((units, lanes))
        self.low = np.full((units, lanes), np.inf, np.float32)
        self.high = np.full((units, lanes), -np.inf, np.float32)

    def add(self, activations: NDArray[np.float32], x: NDArray[np.float32], rows: int) -> None:
        add_sums(activations, rows, self.a, self.aa)
        add_products(activations, x, rows, self.ax, self.active, self.low, self.high)

    def sums(self, rows: int, x: NDArray[np.float64], xx: NDArray[np.float64], used: int) -> Sums:
        first: tuple[Any, ...] = (self.a, self.aa, x, xx, self.ax, self.active, self.high > self.low)
        return Sums(rows, *(np.moveaxis(values, -1, 0)[:used] for values in first))


def _evaluate_block(
    block: Block,
    weights: NDArray[np.float32],
    shape: NetworkShape,
    saes: Mapping[str, NDArray[np.float32]],
    x: NDArray[np.float32],
    columns: NDArray[np.int64],
    mean: NDArray[np.float64],
) -> Evaluation:
    lanes, hidden = LANES, shape.hidden
    inputs = columns.shape[1]
    latents = {name: (w.shape[1] - hidden) // (2 * hidden + 1) for name, w in saes.items()}
    network, packed_network = shape.kernels(arithmetic.ROWS), lanes_of(weights, block)
    packed_saes = {name: lanes_of(w, block) for name, w in saes.items()}
    sae_kernels = {name: kernels.sae_kernels(hidden, count, arithmetic.ROWS) for name, count in latents.items()}
    adding = {name: _Adding(units, inputs, lanes) for name, units in ({"mlp": hidden} | latents).items()}
    x_sum, x_square = np.zeros((inputs, lanes)), np.zeros((inputs, lanes))
    left = {name: np.zeros(lanes) for name in saes}
    total = {name: np.zeros(lanes) for name in saes}
    centre = np.ascontiguousarray(mean[block.models].T)
    feed = Feed(
        Part(x, np.zeros(len(x), np.float32)),
        np.ascontiguousarray(columns[block.models].T),
        arithmetic.ROWS,
        CHUNK_BYTES,
    )
    for rows_x, _, rows in feed.in_time_order():
        whole = arithmetic.padded(rows)
        h = aligned(whole, hidden, lanes)
        network.hidden(rows_x, whole, packed_network, h)
        add_sums(rows_x, rows, x_sum, x_square)
        adding["mlp"].add(h, rows_x, rows)
        for name, count in latents.items():
            f, again = aligned(whole, count, lanes), aligned(*h.shape)
            sae_kernels[name].encode(h, whole, packed_saes[name], f)
            sae_kernels[name].decode(f, whole, packed_saes[name], again)
            adding[name].add(f, rows_x, rows)
            add_residuals(h, again, centre, rows, left[name], total[name])
    with np.errstate(invalid="ignore", divide="ignore"):
        fvu = {name: np.where(total[name] > 0, left[name] / total[name], np.nan)[: block.used] for name in saes}
    return Evaluation({name: sums.sums(len(x), x_sum, x_square, block.used) for name, sums in adding.items()}, fvu)


def mean_hidden(hidden: Sequence[NDArray[np.float32]], pieces: Sequence[Block], rows: int) -> NDArray[np.float64]:
    """Mean hidden activations over the first `rows` rows of `networks.hidden_blocks`, [models, hidden]."""
    found = []
    for block, h in zip(pieces, hidden, strict=True):
        sums, squares = np.zeros(h.shape[1:]), np.zeros(h.shape[1:])
        add_sums(h, rows, sums, squares)
        found.append((sums / rows).T[: block.used])
    return np.concatenate(found)


def score_networks(
    weights: NDArray[np.float32],
    shape: NetworkShape,
    part: Part,
    columns: NDArray[np.int64],
    pieces: Sequence[Block],
    threads: int | None = 1,
    batch: int = arithmetic.ROWS,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean loss, and accuracy or mean absolute error, of every network on a part: [models], [models].

    Args:
        threads: see `evaluate`.
        batch: rows whose errors are added up in float32; with that of the training these are its `val_loss` and
            `val_score` to the last bit.
    """

    def scores(block: Block) -> NDArray[np.float64]:
        feed = Feed(part, np.ascontiguousarray(columns[block.models].T), batch, CHUNK_BYTES)
        lanes, loss, score = lanes_of(weights, block), np.zeros(LANES), np.zeros(LANES)
        for x, y, rows in feed.in_time_order():
            shape.kernels(batch).evaluate(x, y, rows, lanes, loss, score)
        return np.stack([loss, score])[:, : block.used] / len(part)

    loss, score = np.concatenate(side_by_side(scores, pieces, threads), axis=1)
    return loss, score
