"""How features lie in a bottleneck: ignored, with a dimension of their own, or sharing (Elhage et al. 2022)."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from precip_sae.settings import DescentSettings
from precip_sae.superposition.toy import sparse_features, toy_loss, train_toys

IGNORED, DEDICATED, SUPERPOSED = 0, 1, 2
FATES = ("ignored", "dedicated", "superposed")
LEAST_NORM = 0.5
"""A feature with a shorter direction is ignored: less than a quarter of its variance comes through."""
MOST_INTERFERENCE = 0.1
"""A feature with more interference shares its dimensions. A pentagon has 0.96, an antipodal pair 1."""


def interference(weight: NDArray[np.floating]) -> NDArray[np.float64]:
    """sum over j not i of (u_i . W_j)^2, where u_i is W_i / ||W_i||: what others add in the direction of feature i.

    Elhage et al. 2022, "Demonstrating superposition".

    Args:
        weight: directions of the features [models, features, units].

    Returns:
        [models, features]; NaN for a feature without a direction.
    """
    w = weight.astype(np.float64)
    norms = np.linalg.norm(w, axis=2, keepdims=True)
    unit = np.divide(w, norms, out=np.full_like(w, np.nan), where=norms > 0)
    shared = np.square(np.einsum("miu,mju->mij", unit, w))
    return shared.sum(axis=2) - norms[..., 0] ** 2


def dimensionality(weight: NDArray[np.floating]) -> NDArray[np.float64]:
    """||W_i||^2 / sum over all j of (u_i . W_j)^2: the share of a dimension that feature i has.

    Elhage et al. 2022, "Feature dimensionality": 1 alone, 1/2 in an antipodal pair, 2/5 in a pentagon.

    Args:
        weight: [models, features, units].

    Returns:
        [models, features]; NaN for a feature without a direction.
    """
    own = np.square(weight.astype(np.float64)).sum(axis=2)
    return own / (own + interference(weight))


def fates(weight: NDArray[np.floating]) -> NDArray[np.int64]:
    """IGNORED, DEDICATED or SUPERPOSED, feature by feature; [models, features, units] -> [models, features]."""
    shares = np.nan_to_num(interference(weight)) > MOST_INTERFERENCE
    ignored = np.linalg.norm(weight.astype(np.float64), axis=2) < LEAST_NORM
    return np.where(ignored, IGNORED, np.where(shares, SUPERPOSED, DEDICATED))


def antipodal(weight: NDArray[np.floating], cosine: float = -0.9) -> NDArray[np.bool_]:
    """Which represented features have a represented partner in the opposite direction, [models, features, units] ->
    [models, features]."""
    there = fates(weight) != IGNORED
    w = weight.astype(np.float64)
    norms = np.linalg.norm(w, axis=2, keepdims=True)
    unit = np.divide(w, norms, out=np.zeros_like(w), where=norms > 0)
    cosines = np.einsum("miu,mju->mij", unit, unit)
    return there & ((cosines < cosine) & there[:, None, :]).any(axis=2)


def polygon(weight: NDArray[np.floating], tolerance: float = 12.0) -> NDArray[np.int64]:
    """How many corners the represented features make as a regular polygon in a plane; 0 if they make none.

    Args:
        weight: [models, features, 2].
        tolerance: by how many degrees an angle between neighbours may differ from 360 over the corners.

    Returns:
        [models].
    """
    corners = np.zeros(len(weight), dtype=np.int64)
    for model, (w, fate) in enumerate(zip(weight, fates(weight), strict=True)):
        kept = w[fate != IGNORED].astype(np.float64)
        if len(kept) < 3:
            continue
        angles = np.sort(np.degrees(np.arctan2(kept[:, 1], kept[:, 0])))
        gaps = np.diff(np.append(angles, angles[0] + 360))
        if (np.abs(gaps - 360 / len(kept)) < tolerance).all():
            corners[model] = len(kept)
    return corners


def phase_diagram(
    activities: Sequence[float], importances: Sequence[float], seeds: Sequence[int], settings: DescentSettings
) -> NDArray[np.int64]:
    """What becomes of a second feature beside one of importance 1, when both have one dimension.

    Elhage et al. 2022, "Superposition as a phase change": of each cell the model of least loss (on rows that all
    share) counts.

    Args:
        activities: share of rows in which a feature is active [activities].
        importances: of the second feature [importances].

    Returns:
        IGNORED, DEDICATED or SUPERPOSED [importances, activities].
    """
    cells = [(p, i, seed) for i in importances for p in activities for seed in seeds]
    shares = [p for p, _, _ in cells]
    weights = np.array([(1.0, i) for _, i, _ in cells], dtype=np.float32)
    models = train_toys(1, shares, weights, [seed for _, _, seed in cells], settings)
    values, _ = sparse_features(np.random.default_rng(0), 4096, 2)
    chance = np.random.default_rng(1).random(values.shape, dtype=np.float32)
    x = torch.from_numpy(values * (chance < np.array(shares, np.float32)[:, None, None]))
    with torch.no_grad():
        loss = toy_loss(models, x, torch.from_numpy(weights)).numpy()
    shape = (len(importances), len(activities), len(seeds))
    best = loss.reshape(shape).argmin(axis=2)
    second = fates(models.weight.detach().numpy())[:, 1].reshape(shape)
    return np.take_along_axis(second, best[..., None], axis=2)[..., 0]
