"""What every dictionary can do, whoever made it: code activations as latents with directions, and back."""

from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray


class Dictionary(Protocol):
    """What is asked of a dictionary, whatever it was made by."""

    def encode(self, h: torch.Tensor) -> torch.Tensor:
        """Latent activations, none below zero: [models, rows, units] -> [models, rows, latents]."""

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        """Reconstructed activations: [models, rows, latents] -> [models, rows, units]."""

    @property
    def directions(self) -> torch.Tensor:
        """What one unit of each latent adds to the activations [models, latents, units]."""


def decoded(
    dictionary: Dictionary, h: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Latents [models, rows, latents], reconstruction [models, rows, units] and directions of a dictionary as arrays.

    Args:
        h: activations [models, rows, units].
    """
    with torch.no_grad():
        latents = dictionary.encode(torch.from_numpy(h))
        return latents.numpy(), dictionary.decode(latents).numpy(), dictionary.directions.detach().numpy()


def largest(values: torch.Tensor, k: torch.Tensor) -> torch.Tensor:
    """The k largest of the last axis, the others set to 0; of values equal to the k-th all stay.

    Args:
        values: not negative [models, rows, entries].
        k: how many of each model [models]; rounded, at most `entries`.
    """
    kept, entries = [], values.shape[2]
    # neighbours of equal k are looked at together
    groups, sizes = torch.unique_consecutive(k.round().long().clamp(1, entries), return_counts=True)
    for count, part in zip(groups.tolist(), values.detach().split(sizes.tolist()), strict=True):
        kept.append(part >= part.kthvalue(entries - count + 1, dim=2, keepdim=True).values)
    return values * torch.cat(kept)
