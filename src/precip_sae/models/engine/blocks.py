"""Blocks of models that are computed side by side, and the layout of weights and rows for them."""

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from precip_sae.models.engine.arithmetic import padded
from precip_sae.models.engine.lanes import LANES, aligned
from precip_sae.models.engine.rows import gather
from precip_sae.models.reference import Progress, adam_step_size
from precip_sae.models.stack import Stack
from precip_sae.tasks.prepare import Part

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


def segment_rows(inputs: int, batch: int, segment: int = SEGMENT_BYTES) -> int:
    """How many rows a `Feed` lays out at a time: whole batches of about `segment` bytes of inputs."""
    return max(1, segment // (4 * inputs * LANES * batch)) * batch


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
        self.room = padded(batch)
        self.rows = segment_rows(len(columns), batch, segment)
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
            gather(self.table, self.response, here, self.columns, x, y)
            yield x, y, len(here)

    def in_time_order(self) -> Iterator[tuple[Any, Any, int]]:
        """The segments of the rows as they stand."""
        rows = np.arange(len(self.part), dtype=np.int32)[:, None]
        yield from self.segments(np.broadcast_to(rows, (len(rows), self.columns.shape[1])))

    @property
    def fits(self) -> bool:
        """Whether one segment holds all rows."""
        return len(self.part) <= self.rows


class Counter:
    """Adds up progress from several threads."""

    def __init__(self, progress: Progress | None, total: int) -> None:
        self.progress, self.total, self.done = progress, total, 0
        self.lock = threading.Lock()

    def add(self, amount: int) -> None:
        with self.lock:
            self.done += amount
            if self.progress:
                self.progress(min(self.done, self.total), self.total)
