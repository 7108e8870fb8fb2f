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
