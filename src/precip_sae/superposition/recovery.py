"""Whether a dictionary has found the true features: by the directions of its latents."""

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

FOUND = 0.95
"""A feature is found by a latent whose direction has a larger cosine with it than this."""


def cosines(directions: NDArray[np.floating], truth: NDArray[np.floating]) -> NDArray[np.float64]:
    """Cosine of every true direction with that of every latent; 0 where either has no length.

    Args:
        directions: [models, latents, units].
        truth: [models, features, units].

    Returns:
        [models, features, latents].
    """
    return np.einsum("mfu,mlu->mfl", _unit(truth), _unit(directions))


def recovery(
    directions: NDArray[np.floating],
    truth: NDArray[np.floating],
    living: NDArray[np.bool_],
    threshold: float = FOUND,
) -> dict[str, NDArray[np.float64]]:
    """How much of the truth a dictionary holds, and how much besides.

    - `mmcs`: mean over features of the largest cosine with a living latent (Sharkey, Braun and Millidge 2022).
    - `found`: share of features with a living latent whose cosine is above the threshold.
    - `false`: share of living latents whose cosine with every feature is not above it; NaN where all are dead.
    - `one_to_one`, `found_one_to_one`: as `mmcs` and `found`, but a latent may stand for one feature only, which the
      assignment of largest total cosine decides (Kuhn 1955).

    Args:
        directions: of the latents [models, latents, units].
        truth: of the features [models, features, units]; one of no length is no feature.
        living: latents that are ever active [models, latents].

    Returns:
        Each [models].
    """
    found = np.where(living[:, None, :], cosines(directions, truth), 0.0)
    there = np.linalg.norm(truth.astype(np.float64), axis=2) > 0
    best = found.max(axis=2)
    alone = (np.where(there[:, :, None], found, -1.0).max(axis=1) <= threshold) & living
    matched = np.stack([_matched(model) for model in found])
    return {
        "mmcs": mean_of(best, there),
        "found": mean_of(best > threshold, there),
        "false": mean_of(alone, living),
        "one_to_one": mean_of(matched, there),
        "found_one_to_one": mean_of(matched > threshold, there),
    }


def _matched(found: NDArray[np.float64]) -> NDArray[np.float64]:
    """The cosine of each feature with the latent assigned to it; 0 without one; [features, latents] -> [features]."""
    features, latents = linear_sum_assignment(found, maximize=True)
    matched = np.zeros(len(found))
    matched[features] = found[features, latents]
    return matched


def mean_of(values: NDArray, which: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Mean over the last axis of those that count; NaN where none does."""
    total = which.sum(axis=1)
    sums = np.where(which, values, 0).sum(axis=1, dtype=np.float64)
    return np.divide(sums, total, out=np.full(len(values), np.nan), where=total > 0)


def _unit(vectors: NDArray[np.floating]) -> NDArray[np.float64]:
    """Vectors of length one along the last axis; those of no length stay."""
    v = vectors.astype(np.float64)
    norms = np.linalg.norm(v, axis=-1, keepdims=True)
    return np.divide(v, norms, out=np.zeros_like(v), where=norms > 0)
