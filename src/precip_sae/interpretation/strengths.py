"""How strongly a unit responds to an input: matrices [units, inputs], one per way of asking.

Pearson's is `Responses.r`. Correlations lie in -1 .. 1 and are NaN for a unit (or an input) that does not vary. Powers
are mean squares of what one input does to a unit; `effective_number` says how many inputs share them.
"""

import numpy as np
from numpy.typing import NDArray

from precip_sae.interpretation.ordered import bins, joint_counts, mean_ranks
from precip_sae.interpretation.responses import Responses
from precip_sae.interpretation.sensitivity import correlations

Values = NDArray[np.float64]


def spearman(responses: Responses) -> Values:
    """Pearson's correlation of the ranks, ties sharing their mean rank (Spearman 1904)."""
    return correlations(mean_ranks(responses.units)[None], responses.inputs.ranks)[0]


def partial(responses: Responses) -> Values:
    """Correlation with one input, the other inputs held fixed by linear regression.

    With standardised values, b = P r the coefficients of the regression of a unit on all inputs, P the inverse of the
    inputs' correlation matrix and R^2 = b r its explained share, r_j|rest = b_j / sqrt(b_j^2 + P_jj (1 - R^2))
    (Fisher 1924; Kendall and Stuart, The Advanced Theory of Statistics 2, ch. 27). NaN where the other inputs determine
    an input.
    """
    return partial_of(responses.r, responses.inputs.inverse)


def partial_of(r: Values, inverse: Values) -> Values:
    """`partial` of correlations with the inputs [.., units, inputs] and P, the inverse of those among the inputs
    [.., inputs, inputs]."""
    own = np.diagonal(inverse, axis1=-2, axis2=-1)[..., None, :]
    known, precision = np.nan_to_num(r), np.nan_to_num(inverse)
    slopes = known @ precision
    # what rounding of float32 leaves of an exact combination of inputs is no residual to share
    left = np.clip(1.0 - (slopes * known).sum(axis=-1, keepdims=True), 1e-12, None)
    norms = np.sqrt(slopes**2 + np.nan_to_num(own) * left)
    with np.errstate(divide="ignore", invalid="ignore"):
        found = slopes / norms
    return np.clip(np.where(~np.isnan(own) & (norms > 0) & ~np.isnan(r), found, np.nan), -1.0, 1.0)


def information(responses: Responses) -> Values:
    """Mutual information, written as the correlation that two normal variables with as much of it would have.

    I = sum p_ab log(p_ab / (p_a p_b)) over BINS x BINS bins of equal numbers of rows (nat), less what independent rows
    would show, (A - 1)(B - 1) / (2 rows) with A and B the bins in use (Miller 1955; Moddemeijer 1989, doi
    10.1016/0165-1684(89)90132-1); then sqrt(1 - exp(-2 I)) (Linfoot 1957, doi 10.1016/S0019-9958(57)90116-X). With
    counts n and f(n) = n log n, N I = sum f(n_ab) - sum f(n_a) - sum f(n_b) + f(N).

    Returns:
        0 .. 1 [units, inputs]; NaN where the unit or the input does not vary.
    """
    rows = len(responses.units)
    both = joint_counts(bins(responses.units), responses.inputs.bins)
    of_units, of_inputs = both[:, :, 0].sum(axis=2), both[0].sum(axis=0)
    n = np.arange(rows + 1, dtype=np.float64)
    f = n * np.log(np.maximum(n, 1.0))
    terms = f[both].sum(axis=(1, 3)) - f[of_units].sum(axis=1)[:, None] - f[of_inputs].sum(axis=1) + f[rows]
    used = ((of_units > 0).sum(axis=1) - 1)[:, None] * ((of_inputs > 0).sum(axis=1) - 1)
    nats = np.clip((terms - used / 2) / rows, 0.0, None)
    defined = responses.varies[:, None] & (np.ptp(responses.inputs.values, axis=0) > 0)
    return np.where(defined, np.sqrt(-np.expm1(-2 * nats)), np.nan)


def gradient_power(responses: Responses) -> Values | None:
    """Mean square over rows of d unit / d input, [units, inputs]; None where gradients are not known.

    With inputs of unit variance this is the derivative-based global sensitivity measure (Sobol and Kucherenko 2009,
    doi 10.1016/j.matcom.2009.01.023).
    """
    return _power(responses.gradients() if responses.gradients else None)


def relevance_power(responses: Responses) -> Values | None:
    """Mean square over rows of the relevance of an input for a unit, [units, inputs]; None where it is not known."""
    return _power(responses.relevance() if responses.relevance else None)


def _power(values: NDArray[np.floating] | None) -> Values | None:
    if values is None:
        return None
    return np.einsum("rui,rui->ui", values, values, dtype=np.float64) / len(values)


def effective_number(power: Values) -> Values:
    """How many inputs share a unit's response: (sum p)^2 / sum p^2 of shares or powers p, [units, inputs] -> [units].

    The participation ratio, or inverse Simpson index (Simpson 1949, doi 10.1038/163688a0; Hill 1973, its number of
    order 2): 1 where one input holds everything, n where n inputs hold equal shares. NaN where nothing is held; an
    undefined (NaN) p is nothing.
    """
    p = np.nan_to_num(np.asarray(power, np.float64))
    # scaled, so that squares of small powers do not vanish
    most = p.max(axis=-1, keepdims=True)
    p = np.divide(p, most, out=np.zeros_like(p), where=most > 0)
    total, squares = p.sum(axis=-1), (p * p).sum(axis=-1)
    return np.divide(total**2, squares, out=np.full(total.shape, np.nan), where=squares > 0)


def dominance(weights: NDArray[np.floating]) -> Values:
    """max |w| / sum |w| of the weights into each unit, [units, inputs] -> [units]; NaN without a weight.

    The measure of the study's companion page (NN Inspector), which calls a unit monosemantic above 0.8.
    """
    size = np.abs(weights.astype(np.float64))
    total = size.sum(axis=1)
    return np.divide(size.max(axis=1), total, out=np.full(len(size), np.nan), where=total > 0)
