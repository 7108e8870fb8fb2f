"""The compiled loops of the engine: many models side by side, one model per lane.

A block of models is one value of `lanes` per number of a model, so that a network's weights are [parameters] values
and a layer's activations [rows, units] values. Sums go on in registers, several at a time. Arithmetic is strict IEEE
float32 in a fixed order, without contraction, reassociation or a system library's exp and log: a lane's result does
not depend on the CPU or on the models in the other lanes.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
from numba import njit

from precip_sae.models.engine.cache import compiled
from precip_sae.models.engine.lanes import (
    LANES,
    accumulate,
    exponent,
    get,
    magnitude,
    mantissa,
    power_of_two,
    put,
    root,
    spread,
    truncated,
    where_above,
    where_equal,
)

f32 = np.float32

STRICT: dict[str, Any] = {"nogil": True, "fastmath": False, "error_model": "numpy", "boundscheck": False}
part_of_loop = njit(forceinline=True, **STRICT)

ROWS = 4  # rows that share one load of a weight
STEPS_TO_FORGET = 64  # see `forget`; a first moment shrinks to a thousandth in as many


def padded(rows: int) -> int:
    """`rows` rounded up to whole groups of ROWS: the room that a batch takes, its last rows unused."""
    return -(-rows // ROWS) * ROWS


@part_of_loop
def scratch(size):
    """Zeros for `size` values; see `lanes.aligned`."""
    memory = np.zeros((size + 1) * LANES, np.float32)
    skip = -(memory.ctypes.data // 4) % LANES
    return memory[skip : skip + size * LANES]


@part_of_loop
def copy(source, target, size):
    """The first `size` values of an array into another."""
    for i in range(size):
        put(target, i, get(source, i))


@part_of_loop
def number(x):
    """A constant as float32 in every lane."""
    return spread(f32(x))


@part_of_loop
def larger(a, b):
    """The larger of two values; b where a is not a number."""
    return where_above(a, b, a, b)


@part_of_loop
def exponential(x):
    """e^x for x <= 0: a whole power of two times the Taylor series of the remaining power f, |f| <= 1/2.

    The relative error is below 2e-7 + 1e-7 |x|.
    """
    power = larger(x, number(-87.0)) * number(1.44269504)
    n = truncated(power - number(0.5))
    f = power - n
    p = number(1.5403530e-4)
    p = p * f + number(1.3333558e-3)
    p = p * f + number(9.6181291e-3)
    p = p * f + number(5.5504109e-2)
    p = p * f + number(2.4022651e-1)
    p = p * f + number(6.9314718e-1)
    return (p * f + number(1.0)) * power_of_two(n)


@part_of_loop
def logarithm(x):
    """log x for x >= 1 (Cephes logf: exponent and a polynomial of the mantissa; relative error below 2e-7)."""
    e, x = exponent(x), mantissa(x)
    half = number(0.70710678)
    one = number(1.0)
    e = where_above(half, x, e - one, e)
    x = where_above(half, x, x + x - one, x - one)
    z = x * x
    p = number(7.0376836292e-2)
    p = p * x - number(1.1514610310e-1)
    p = p * x + number(1.1676998740e-1)
    p = p * x - number(1.2420140846e-1)
    p = p * x + number(1.4249322787e-1)
    p = p * x - number(1.6668057665e-1)
    p = p * x + number(2.0000714765e-1)
    p = p * x - number(2.4999993993e-1)
    p = p * x + number(3.3333331174e-1)
    p = p * x * z
    p = p - e * number(2.12194440e-4)
    p = p - number(0.5) * z
    return x + p + e * number(0.693359375)


@part_of_loop
def forward(inputs, w, layer, out, rows, rectify, ins, outs):
    """out = inputs W + b for every row, rectified if asked for.

    Args:
        inputs: [rows, ins] values.
        w: a model's parameters; W [ins, outs] starts at `layer`, b [outs] follows it.
        out: [rows, outs], written.
        rows: how many, a multiple of ROWS.
    """
    zero = number(0.0)
    for s in range(0, rows, ROWS):
        for j in range(outs):
            z0 = z1 = z2 = z3 = get(w, layer + ins * outs + j)
            for k in range(ins):
                a = get(w, layer + k * outs + j)
                z0 += get(inputs, s * ins + k) * a
                z1 += get(inputs, (s + 1) * ins + k) * a
                z2 += get(inputs, (s + 2) * ins + k) * a
                z3 += get(inputs, (s + 3) * ins + k) * a
            if rectify:
                z0, z1, z2, z3 = larger(z0, zero), larger(z1, zero), larger(z2, zero), larger(z3, zero)
            put(out, s * outs + j, z0)
            put(out, (s + 1) * outs + j, z1)
            put(out, (s + 2) * outs + j, z2)
            put(out, (s + 3) * outs + j, z3)


@part_of_loop
def backward(deltas, w, layer, offset, active, out, rows, ins, outs):
    """out = (offset + deltas W^T) where `active` is above zero, else 0; see `forward`.

    Args:
        deltas: [rows, outs] values; active: activations [rows, ins].
        offset: the penalty's share of the derivative.
        out: [rows, ins], written.
    """
    zero = number(0.0)
    for s in range(0, rows, ROWS):
        for k in range(ins):
            g0 = g1 = g2 = g3 = offset
            for j in range(outs):
                a = get(w, layer + k * outs + j)
                g0 += get(deltas, s * outs + j) * a
                g1 += get(deltas, (s + 1) * outs + j) * a
                g2 += get(deltas, (s + 2) * outs + j) * a
                g3 += get(deltas, (s + 3) * outs + j) * a
            i0, i1, i2, i3 = s * ins + k, (s + 1) * ins + k, (s + 2) * ins + k, (s + 3) * ins + k
            put(out, i0, where_above(get(active, i0), zero, g0, zero))
            put(out, i1, where_above(get(active, i1), zero, g1, zero))
            put(out, i2, where_above(get(active, i2), zero, g2, zero))
            put(out, i3, where_above(get(active, i3), zero, g3, zero))


@part_of_loop
def moments(m, v, p, slope):
    """The moments of parameter p after a step with derivative `slope`."""
    first, second = get(m, p), get(v, p)
    first += (slope - first) * number(0.1)
    second += (slope * slope - second) * number(0.001)
    return first, second


@part_of_loop
def adam(w, m, v, places, slopes, size):
    """One step of Adam as `reference.KerasAdam` defines it for three parameters, which share one division.

    The product of three divisors stays in the range of float32 as long as no derivative exceeds 1e12.

    Args:
        places, slopes: which parameters, and their derivatives.
        size: lr sqrt(1 - b2^t) / (1 - b1^t) of this step.
    """
    p, q, r = places
    first_p, second_p = moments(m, v, p, slopes[0])
    first_q, second_q = moments(m, v, q, slopes[1])
    first_r, second_r = moments(m, v, r, slopes[2])
    epsilon = number(1e-7)
    root_p, root_q, root_r = root(second_p) + epsilon, root(second_q) + epsilon, root(second_r) + epsilon
    two = root_p * root_q
    share = size / (two * root_r)
    share_of_two = share * root_r
    # all is read before anything is written: a place may stand there twice
    new_p = get(w, p) - first_p * (share_of_two * root_q)
    new_q = get(w, q) - first_q * (share_of_two * root_p)
    new_r = get(w, r) - first_r * (share * two)
    put(m, p, first_p)
    put(m, q, first_q)
    put(m, r, first_r)
    put(v, p, second_p)
    put(v, q, second_q)
    put(v, r, second_r)
    put(w, p, new_p)
    put(w, q, new_q)
    put(w, r, new_r)


@part_of_loop
def forget(m, v, step, parameters):
    """Sets the vanishing moments to zero, now and then.

    The moments of a unit that died shrink until they are denormal, which processors compute many times slower. No
    weight can tell a first moment below 1e-30 from zero, or a second one below 1e-32.
    """
    if step % STEPS_TO_FORGET == 0:
        zero = number(0.0)
        for p in range(parameters):
            first, second = get(m, p), get(v, p)
            put(m, p, where_above(magnitude(first), number(1e-30), first, zero))
            put(v, p, where_above(second, number(1e-32), second, zero))


@part_of_loop
def slopes(inputs, deltas, k, outputs, rows, ins, outs):
    """Derivatives by the weights of input k to three outputs, or by the outputs' biases if k = ins."""
    i, j, o = outputs
    a = b = c = number(0.0)
    for s in range(rows):
        x = get(inputs, s * ins + k) if k < ins else number(1.0)
        a += x * get(deltas, s * outs + i)
        b += x * get(deltas, s * outs + j)
        c += x * get(deltas, s * outs + o)
    return a, b, c


@part_of_loop
def descend(inputs, deltas, w, m, v, layer, size, rows, ins, outs):
    """A layer's step down its derivatives: sums over rows of inputs x deltas for W, of deltas for b; see `forward`.

    Args:
        inputs: [rows, ins] values; deltas: [rows, outs].
        w, m, v: parameters and their moments, moved on; size: see `adam`.
    """
    for k in range(ins + 1):
        p = layer + k * outs
        for j in range(0, outs, 3):
            i, o = min(j + 1, outs - 1), min(j + 2, outs - 1)  # the last output again if there are not three
            adam(w, m, v, (p + j, p + i, p + o), slopes(inputs, deltas, k, (j, i, o), rows, ins, outs), size)


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
def clear(values, start, stop):
    """Sets values to zero."""
    for i in range(start, stop):
        put(values, i, number(0.0))


@part_of_loop
def total(values, size):
    """The sum of the first `size` values of an array."""
    added = number(0.0)
    for i in range(size):
        added += get(values, i)
    return added


class MLPKernels:
    """Compiled for one size of network: `epoch` trains, `evaluate` scores, `hidden` gives the hidden activations."""

    def __init__(self, epoch: Callable, evaluate: Callable, hidden: Callable) -> None:
        self.epoch, self.evaluate, self.hidden = epoch, evaluate, hidden


@lru_cache
def mlp_kernels(
    inputs: int, hidden: int, outputs: int, classification: bool, batch: int, weighted: bool = False
) -> MLPKernels:
    """The loops of an MLP. Weights are packed [parameters, LANES] in the order of `initial.mlp_weights`.

    `weighted` networks learn with class weights; the loops of others hold nothing of them.
    """
    second = (inputs + 1) * hidden  # where the second layer's parameters start
    parameters = second + (hidden + 1) * outputs
    room = padded(batch)

    @compiled(**STRICT)
    def epoch(x, y, rows, weights, m, v, sizes, penalty, class_weights, loss, score):
        """Steps through `rows` rows in batches.

        x [rows + room, inputs, LANES], y [rows + room, responses, LANES], any finite numbers in the last `room` rows;
        weights, m, v [parameters, LANES], moved on;
        sizes: Adam's step sizes, one per batch; penalty: weight of the sum of a batch's hidden activations in its
        loss; class_weights: float32 [outputs], read if `weighted`; loss, score: float64 [LANES], added to.
        """
        w, m_, v_ = scratch(parameters), scratch(parameters), scratch(parameters)
        h, dh, z = scratch(room * hidden), scratch(room * hidden), scratch(room * outputs)
        copy(weights, w, parameters)
        copy(m, m_, parameters)
        copy(v, v_, parameters)
        for start in range(0, rows, batch):
            size = min(batch, rows - start)
            share = f32(1.0) / f32(size)
            xs, ys = x[start : start + room], y[start : start + room]
            forward(xs, w, 0, h, room, True, inputs, hidden)
            forward(h, w, second, z, room, False, hidden, outputs)
            lost = scored = number(0.0)
            if weighted:
                lost, scored = weighted_cross_entropy(z, ys, class_weights, size, share, lost, scored, outputs)
            elif classification:
                lost, scored = cross_entropy(z, ys, size, share, lost, scored, outputs)
            else:
                lost, scored = squared_error(z, ys, size, share, lost, scored, outputs)
            if penalty > f32(0.0):
                lost += total(h, size * hidden) * spread(penalty * f32(size))
            clear(z, size * outputs, room * outputs)
            clear(h, size * hidden, room * hidden)
            backward(z, w, second, spread(penalty), h, dh, room, hidden, outputs)
            forget(m_, v_, start // batch, parameters)
            step = spread(sizes[start // batch])
            descend(h, z, w, m_, v_, second, step, room, hidden, outputs)
            descend(xs, dh, w, m_, v_, 0, step, room, inputs, hidden)
            accumulate(loss, lost)
            accumulate(score, scored)
        copy(w, weights, parameters)
        copy(m_, m, parameters)
        copy(v_, v, parameters)

    @compiled(**STRICT)
    def evaluate(x, y, rows, weights, loss, score):
        """Adds the losses and scores of `rows` rows to loss and score, float64 [LANES]; arrays as in `epoch`."""
        h, z = scratch(room * hidden), scratch(room * outputs)
        for start in range(0, rows, room):
            size = min(room, rows - start)
            ys = y[start : start + room]
            forward(x[start : start + room], weights, 0, h, room, True, inputs, hidden)
            forward(h, weights, second, z, room, False, hidden, outputs)
            lost = scored = number(0.0)
            if classification:
                lost, scored = cross_entropy(z, ys, size, f32(1.0), lost, scored, outputs)
            else:
                lost, scored = squared_error(z, ys, size, f32(1.0), lost, scored, outputs)
            accumulate(loss, lost)
            accumulate(score, scored)

    @compiled(**STRICT)
    def hidden_activations(x, rows, weights, out):
        """Hidden activations of `rows` rows into out [rows, hidden, LANES]; rows a multiple of ROWS."""
        forward(x, weights, 0, out, rows, True, inputs, hidden)

    return MLPKernels(epoch, evaluate, hidden_activations)


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


class SAEKernels:
    """Compiled for one size of SAE: `epoch` trains, `latents` and `reconstruct` apply it."""

    def __init__(self, epoch: Callable, encode: Callable, decode: Callable) -> None:
        self.epoch, self.encode, self.decode = epoch, encode, decode


@lru_cache
def sae_kernels(hidden: int, latents: int, batch: int) -> SAEKernels:
    """The loops of an SAE. Weights are packed [parameters, LANES] in the order of `initial.sae_weights`."""
    decoder = (hidden + 1) * latents  # where its parameters start
    parameters = decoder + (latents + 1) * hidden
    room = padded(batch)

    @compiled(**STRICT)
    def epoch(h, rows, weights, m, v, sizes, l1, by_batch, loss):
        """Steps through `rows` rows in batches.

        h [rows + room, hidden, LANES]; weights, m, v [parameters, LANES], moved on; sizes: Adam's step sizes;
        by_batch: whether the penalty's sum is divided by the rows of the batch; loss: float64 [LANES], added to.
        """
        w, m_, v_ = scratch(parameters), scratch(parameters), scratch(parameters)
        f, df, z = scratch(room * latents), scratch(room * latents), scratch(room * hidden)
        copy(weights, w, parameters)
        copy(m, m_, parameters)
        copy(v, v_, parameters)
        for start in range(0, rows, batch):
            size = min(batch, rows - start)
            penalty = l1 / f32(size) if by_batch else l1
            hs = h[start : start + room]
            forward(hs, w, 0, f, room, True, hidden, latents)
            forward(f, w, decoder, z, room, False, latents, hidden)
            lost = sae_objective(hs, f, z, size, spread(penalty * f32(size)), hidden, latents)
            clear(z, size * hidden, room * hidden)
            clear(f, size * latents, room * latents)
            backward(z, w, decoder, spread(penalty), f, df, room, latents, hidden)
            forget(m_, v_, start // batch, parameters)
            step = spread(sizes[start // batch])
            descend(f, z, w, m_, v_, decoder, step, room, latents, hidden)
            descend(hs, df, w, m_, v_, 0, step, room, hidden, latents)
            accumulate(loss, lost)
        copy(w, weights, parameters)
        copy(m_, m, parameters)
        copy(v_, v, parameters)

    @compiled(**STRICT)
    def encode(h, rows, weights, out):
        """Latents of `rows` rows into out [rows, latents, LANES], rows a multiple of ROWS."""
        forward(h, weights, 0, out, rows, True, hidden, latents)

    @compiled(**STRICT)
    def decode(f, rows, weights, out):
        """Reconstructions of `rows` rows into out [rows, hidden, LANES], rows a multiple of ROWS."""
        forward(f, weights, decoder, out, rows, False, latents, hidden)

    return SAEKernels(epoch, encode, decode)


@compiled(**STRICT)
def gather(table, response, order, columns, x, y):
    """Lays rows out: x[i, k, lane] = table[order[i, lane], columns[k, lane]], y[i, :, lane] = response[order[i, lane]].

    Args:
        table: float32 [rows, columns]; response: float32 [rows, responses], or class numbers [rows, 1].
        order: which rows, int32 [n, LANES]; columns: which inputs, int64 [inputs, LANES].
        x: [n or more, inputs, LANES]; y: [n or more, responses, LANES]; written up to n.
    """
    flat, width = table.reshape(-1), np.uint32(table.shape[1])
    told, several = response.reshape(-1), np.uint32(response.shape[1])
    for i in range(len(order)):
        for k in range(len(columns)):
            for lane in range(LANES):
                # unsigned: an index that may count from the end would keep this from being a vector loop
                x[i, k, lane] = flat[np.uint32(order[i, lane]) * width + np.uint32(columns[k, lane])]
        for k in range(response.shape[1]):
            for lane in range(LANES):
                y[i, k, lane] = told[np.uint32(order[i, lane]) * several + np.uint32(k)]


@compiled(**STRICT)
def add_sums(values, rows, sums, squares):
    """Adds rows of values [rows, units, lanes] and their squares to sums and squares, float64 [units, lanes]."""
    for i in range(rows):
        for u in range(values.shape[1]):
            for lane in range(values.shape[2]):
                a = np.float64(values[i, u, lane])
                sums[u, lane] += a
                squares[u, lane] += a * a


@compiled(**STRICT)
def add_products(activations, x, rows, products, active, low, high):
    """Adds rows to the products of units and inputs, and to what tells whether a unit lives.

    Args:
        activations: [rows, units, lanes]; x: inputs [rows, inputs, lanes].
        products: float64 [units, inputs, lanes].
        active: rows above zero, float64 [units, lanes]; low, high: range, float32 [units, lanes].
    """
    units, inputs, lanes = products.shape
    for i in range(rows):
        for u in range(units):
            for lane in range(lanes):
                a = activations[i, u, lane]
                low[u, lane] = min(low[u, lane], a)
                high[u, lane] = max(high[u, lane], a)
                active[u, lane] += 1.0 if a > f32(0.0) else 0.0
            for k in range(inputs):
                for lane in range(lanes):
                    products[u, k, lane] += np.float64(activations[i, u, lane]) * np.float64(x[i, k, lane])


@compiled(**STRICT)
def add_residuals(h, reconstruction, mean, rows, left, total):
    """Adds sum (h - h^)^2 to left and sum (h - mean)^2 to total, float64 [lanes]; h [rows, hidden, lanes]."""
    for i in range(rows):
        for k in range(h.shape[1]):
            for lane in range(h.shape[2]):
                a = np.float64(h[i, k, lane])
                e = a - np.float64(reconstruction[i, k, lane])
                d = a - mean[k, lane]
                left[lane] += e * e
                total[lane] += d * d
