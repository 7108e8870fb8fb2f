"""The losses of the compiled loops and their derivatives."""

from precip_sae.models.engine.arithmetic import ROWS, exponential, f32, larger, logarithm, number, part_of_loop
from precip_sae.models.engine.lanes import (
    LANES,
    get,
    magnitude,
    put,
    spread,
    where_above,
    where_equal,
)


@part_of_loop
def cross_entropy(z, y, rows, share, loss, score, classes):
    """Softmax cross-entropy: z becomes its derivative, losses and hits are added up.

    Args:
        z: logits [rows, classes] values; y: class numbers [rows].
        share: weight of a row in the derivative, 1 / rows of the batch.
        loss, score: sum of -log p (nat); number of rows whose largest logit is the observed class's.

    Returns:
        loss and score.
    """
    one, zero, weight = number(1.0), number(0.0), spread(share)
    for s in range(0, rows, ROWS):
        product = one  # of the rows' sums of exponentials, so that they share a logarithm
        for i in range(s, min(s + ROWS, rows)):
            observed = get(y, i)
            top, best = get(z, i * classes), zero
            for o in range(1, classes):
                logit = get(z, i * classes + o)
                best = where_above(logit, top, number(o), best)
                top = larger(logit, top)
            score += where_equal(best, observed, one, zero)
            total = zero
            for o in range(classes):
                less = get(z, i * classes + o) - top
                loss -= where_equal(observed, number(o), less, zero)
                power = exponential(less)
                total += power
                put(z, i * classes + o, power)
            product *= total
            scale = weight / total
            for o in range(classes):
                hit = where_equal(observed, number(o), weight, zero)
                put(z, i * classes + o, get(z, i * classes + o) * scale - hit)
        loss += logarithm(product)
    return loss, score


@part_of_loop
def weighted_cross_entropy(z, y, class_weights, rows, share, loss, score, classes):
    """`cross_entropy` with the loss and the derivative of every row times the weight of its observed class.

    Args:
        class_weights: float32 [classes].
    """
    zero = number(0.0)
    for s in range(rows):
        # one row at a time: rows of different weights cannot share a logarithm
        row = z[s * classes * LANES : (s + 1) * classes * LANES]
        lost, score = cross_entropy(row, y[s : s + 1], 1, share, zero, score, classes)
        weight = zero
        for o in range(classes):
            weight = where_equal(get(y, s), number(o), spread(class_weights[o]), weight)
        loss += lost * weight
        for o in range(classes):
            put(row, o, get(row, o) * weight)
    return loss, score


@part_of_loop
def squared_error(z, y, rows, share, loss, score, responses):
    """Squared error: z becomes its derivative, squared and absolute errors are added up; see `cross_entropy`.

    Of several responses the mean of their errors.

    Args:
        z, y: [rows, responses] values.
    """
    each = f32(1.0) / f32(responses)
    twice = spread(f32(2.0) * share * each)
    squares = errors = number(0.0)
    for s in range(rows * responses):
        e = get(z, s) - get(y, s)
        squares += e * e
        errors += magnitude(e)
        put(z, s, e * twice)
    return loss + squares * spread(each), score + errors * spread(each)


@part_of_loop
def sae_objective(h, f, z, rows, penalty, hidden, latents):
    """Squared reconstruction error and activity penalty: z becomes the derivative of the error.

    Args:
        h: hidden activations [rows, hidden] values; f: latents [rows, latents]; z: reconstruction like h.
        penalty: weight of a latent's activation in the loss.

    Returns:
        the sum over rows of the mean squared error and of the penalty.
    """
    squares = activity = number(0.0)
    share = spread(f32(2.0) / f32(hidden * rows))
    for i in range(rows * hidden):
        e = get(z, i) - get(h, i)
        squares += e * e
        put(z, i, e * share)
    for i in range(rows * latents):
        activity += get(f, i)
    return squares * spread(f32(1.0) / f32(hidden)) + activity * penalty
