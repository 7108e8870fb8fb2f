"""How well an SAE reconstructs, and how sparsely."""

import numpy as np
from numpy.typing import NDArray


def fraction_of_variance_unexplained(
    x: NDArray[np.float32], reconstruction: NDArray[np.float32], mean: NDArray[np.float64]
) -> NDArray[np.float64]:
    """FVU = sum ||x - x^||^2 / sum ||x - mean||^2 over all rows of the evaluation set.

    0 is a perfect reconstruction, 1 that of always predicting `mean`.

    Args:
        x, reconstruction: activations [models, rows, units].
        mean: mean activations of the rows that the SAE was fitted on [models, units].

    Returns:
        [models]; NaN where x never departs from `mean`.
    """
    x = x.astype(np.float64)
    left = np.square(x - reconstruction).sum(axis=(1, 2))
    total = np.square(x - mean[:, None, :]).sum(axis=(1, 2))
    return np.divide(left, total, out=np.full(len(x), np.nan), where=total > 0)


def active_per_row(latents: NDArray[np.float32]) -> NDArray[np.float64]:
    """L0: the mean number of latents above zero in a row; [models, rows, latents] -> [models]."""
    return (latents > 0).sum(axis=2).mean(axis=1)


def dead(latents: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Latents (or units) that are never above zero in the rows; [models, rows, latents] -> [models, latents]."""
    return np.asarray(~(latents > 0).any(axis=1))
