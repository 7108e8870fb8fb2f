"""A stack of models: equal shapes, one leading axis, so that all seeds train side by side.

Every parameter has the shape [models, ...] and every model sees its own slice only, so the gradients of a sum of
losses are the gradients of the models one by one. A single model is a stack of one.
"""

from collections.abc import Mapping, Sequence
from typing import ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn


class Stack(nn.Module):
    """Models of equal shape along a leading axis; concrete classes say what they compute."""

    AXES: ClassVar[dict[str, tuple[str, ...]]]
    """The axes of every parameter; the same name is the same length in all of them."""

    def __init__(self, parameters: Mapping[str, torch.Tensor]) -> None:
        super().__init__()
        self.names = list(parameters)
        for name, value in parameters.items():
            self.register_parameter(name.replace(".", "_"), nn.Parameter(value.clone()))

    @classmethod
    def of(cls, models: Sequence[Mapping[str, NDArray[np.float32]]]) -> Self:
        """Stacks the named arrays of single models."""
        return cls({name: torch.from_numpy(np.stack([m[name] for m in models])) for name in models[0]})

    def __len__(self) -> int:
        return len(next(self.parameters()))

    def __getitem__(self, which: int | slice | Sequence[int]) -> Self:
        """The chosen models, as a stack (of one, for an int)."""
        chosen = [which] if isinstance(which, int) else which
        return type(self)({name: value.detach()[chosen] for name, value in self.named().items()})

    def named(self) -> dict[str, nn.Parameter]:
        """Parameters under their published names, for example `hidden.weight` [models, inputs, hidden]."""
        return {name: getattr(self, name.replace(".", "_")) for name in self.names}

    def arrays(self, model: int) -> dict[str, NDArray[np.float32]]:
        """The named arrays of one model, without the leading axis."""
        return {name: value.detach()[model].numpy() for name, value in self.named().items()}


def affine(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    """x W + b for every model: [models, rows, in] (or [rows, in]) -> [models, rows, out]."""
    return torch.matmul(x, weight) + bias[:, None, :]
