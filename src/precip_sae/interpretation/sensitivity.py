"""Which inputs a unit is sensitive to: the study's measure, and versions of it that count every unit."""

import numpy as np
from numpy.typing import NDArray

# The study's one published number about the reduction (abstract of King et al. 2025), as a share.
PUBLISHED_REDUCTION = 0.33

# The ways in which the mean number of sensitive inputs per unit is taken. The study's leaves out units that are
# dead or sensitive to nothing, so that sparsity alone can lower it; the others show whether it did.
COUNTED = {
    "published": "units with at least one sensitive input",
    "living": "units whose activation varies, with or without a sensitive input",
    "every": "all units; dead ones count as sensitive to nothing",
}


def correlations(units: NDArray[np.floating], inputs: NDArray[np.floating]) -> NDArray[np.float64]:
    """Pearson correlation of every unit's activation with every input.

    Args:
        units: activations [models, rows, units].
        inputs: standardised inputs [rows, inputs].

    Returns:
        [models, units, inputs]; NaN where the unit (or the input) does not vary.
    """
    x = inputs.astype(np.float64) - inputs.mean(axis=0, dtype=np.float64)
    a = units.astype(np.float64) - units.mean(axis=1, keepdims=True, dtype=np.float64)
    # A constant column can leave a rounding residue after centring; ask the values themselves.
    varies = (np.ptp(units, axis=1)[:, :, None] > 0) & (np.ptp(inputs, axis=0) > 0)
    norms = np.sqrt((a * a).sum(axis=1))[:, :, None] * np.sqrt((x * x).sum(axis=0))
    with np.errstate(divide="ignore", invalid="ignore"):
        r = np.einsum("mru,ri->mui", a, x, optimize=True) / norms
    return np.clip(np.where(varies & (norms > 0), r, np.nan), -1.0, 1.0)


def correlations_from_sums(
    rows: int,
    a: NDArray[np.float64],
    aa: NDArray[np.float64],
    x: NDArray[np.float64],
    xx: NDArray[np.float64],
    ax: NDArray[np.float64],
    varies: NDArray[np.bool_],
) -> NDArray[np.float64]:
    """`correlations` from sums over rows, for models too many to keep their activations.

    r = (n sum(a x) - sum(a) sum(x)) / sqrt((n sum(a^2) - sum(a)^2) (n sum(x^2) - sum(x)^2)).

    Args:
        rows: n.
        a, aa: sums of the activations and of their squares [models, units].
        x, xx: sums of the inputs and of their squares [models, inputs].
        ax: sums of activation times input [models, units, inputs].
        varies: whether the unit takes more than one value [models, units].

    Returns:
        [models, units, inputs]; NaN where the unit (or the input) does not vary.
    """
    spread_a = np.maximum(rows * aa - a * a, 0.0)[:, :, None]
    spread_x = np.maximum(rows * xx - x * x, 0.0)[:, None, :]
    norms = np.sqrt(spread_a) * np.sqrt(spread_x)
    with np.errstate(divide="ignore", invalid="ignore"):
        r = (rows * ax - a[:, :, None] * x[:, None, :]) / norms
    return np.clip(np.where(varies[:, :, None] & (norms > 0), r, np.nan), -1.0, 1.0)


def living(r: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which units vary, so that a correlation is defined; [.., units, inputs] -> [.., units]."""
    return np.asarray(~np.isnan(r).all(axis=-1))


def sensitive_inputs(r: NDArray[np.float64], threshold: float) -> NDArray[np.int64]:
    """How many inputs each unit is sensitive to: |r| > threshold, strictly; [.., units, inputs] -> [.., units]."""
    return (np.abs(np.nan_to_num(r, nan=0.0)) > threshold).sum(axis=-1)


def mean_sensitive(r: NDArray[np.float64], threshold: float, counted: str) -> NDArray[np.float64]:
    """Mean number of sensitive inputs per unit, over the units that `counted` (see COUNTED) names.

    Args:
        r: correlations [models, units, inputs].

    Returns:
        [models]; NaN where no unit is counted.
    """
    numbers = sensitive_inputs(r, threshold)
    match counted:
        case "published":
            which = numbers > 0
        case "living":
            which = living(r)
        case "every":
            which = np.ones_like(numbers, dtype=bool)
        case _:
            raise ValueError(f"counted is {counted!r}, expected one of {', '.join(COUNTED)}")
    total = which.sum(axis=-1)
    return np.divide(np.where(which, numbers, 0).sum(axis=-1), total, out=np.full(total.shape, np.nan), where=total > 0)


def reduction(before: NDArray[np.float64], after: NDArray[np.float64]) -> NDArray[np.float64]:
    """1 - after / before, element by element; NaN where either is not defined."""
    return 1.0 - np.divide(after, before, out=np.full(np.shape(before), np.nan), where=before > 0)
