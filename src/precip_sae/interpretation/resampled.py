"""Correlations as they would be with other storms, from sums over each episode: a draw costs next to nothing."""

import numpy as np
from numpy.typing import NDArray

from precip_sae.interpretation import storms
from precip_sae.interpretation.sensitivity import correlations_from_sums


def redrawn_correlations(
    units: NDArray[np.floating],
    inputs: NDArray[np.floating],
    episodes: NDArray[np.int64],
    draws: NDArray[np.float64],
) -> NDArray[np.float64]:
    """`sensitivity.correlations` of one dictionary in drawn episodes.

    Args:
        units: [rows, units]; inputs: [rows, inputs].
        episodes: the episode of each row [rows], numbered from 0 without gaps.
        draws: how often each episode is drawn [draws, episodes].

    Returns:
        [draws, units, inputs]; NaN where a unit (or an input) does not vary in the drawn episodes.
    """
    a, x = units.astype(np.float64), inputs.astype(np.float64)
    number, width = a.shape[1], x.shape[1]
    cross = (a[:, :, None] * x[:, None, :]).reshape(len(a), -1)
    sums = np.column_stack(
        [np.bincount(episodes), *(storms.sums(values, episodes) for values in (a, a * a, x, x * x, cross))]
    )
    means = draws @ sums
    means = means[:, 1:] / means[:, :1]
    a, aa, x, xx, ax = np.split(means, np.cumsum([number, number, width, width]), axis=1)
    # rounding leaves a residue where a unit does not vary
    varies = (aa - a * a) > 1e-12 * aa
    return correlations_from_sums(1, a, aa, x, xx, ax.reshape(len(draws), number, width), varies)
