"""The compiled loops of the engine: many models side by side, one model per lane.

Every array ends with the axis `lanes`, contiguous and of constant length, so that each innermost loop is a vector
loop; the sizes of the layers are constants of the compiled code, so that short sums are unrolled. Arithmetic is
strict IEEE float32 in a fixed order, without contraction, reassociation or a system library's exp and log: a lane's
result does not depend on the CPU, on the number of lanes, or on the models in the other lanes.

Everything that is compiled stands in this one file, because numba's cache on disk notices an edit of the file
of the compiled function only.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
from numba import njit

from precip_sae.models.engine.cache import compiled

f32 = np.float32

STRICT: dict[str, Any] = {
    "nogil": True, "fastmath": False, "error_model": "numpy", "boundscheck": False,
}  # fmt: skip
INLINE = {"inline": "always"}

ROWS = 4  # rows that share one load of a weight in a forward pass
GRADIENT_ROWS = 8  # rows that share one load and store of a gradient
UNROLLED = 12  # the longest sum that the compiler is asked to unroll; longer ones go on through memory


def padded(rows: int) -> int:
    """`rows` rounded up to whole groups of GRADIENT_ROWS: the room that a batch takes, its last rows unused."""
    return -(-rows // GRADIENT_ROWS) * GRADIENT_ROWS


@njit(**INLINE)
def exponential(x):
    """e^x for x <= 0: 2^n times a polynomial of the remainder (Cephes expf; relative error below 2e-7).

    Returns:
        the polynomial's value and the bits of 2^n, to be multiplied after reinterpretation.
    """
    x = max(x, f32(-87.0))
    n = np.int32(np.floor(x * f32(1.44269504) + f32(0.5)))
    r = x - f32(n) * f32(0.693359375)
    r = r + f32(n) * f32(2.12194440e-4)
    p = f32(1.9875691500e-4)
    p = p * r + f32(1.3981999507e-3)
    p = p * r + f32(8.3334519073e-3)
    p = p * r + f32(4.1665795894e-2)
    p = p * r + f32(1.6666665459e-1)
    p = p * r + f32(0.5)
    return p * r * r + r + f32(1.0), (n + np.int32(127)) << np.int32(23)


@njit(**INLINE)
def logarithm(bits):
    """log of a float32 >= 1 from its bits (Cephes logf: exponent and a polynomial; relative error below 2e-7).

    Args:
        bits: the number's bits as int32.

    Returns:
        exponent and mantissa bits, the mantissa in [0.5, 1): see `finish_logarithm`.
    """
    return (bits >> np.int32(23)) - np.int32(126), (bits & np.int32(0x007FFFFF)) | np.int32(0x3F000000)


@njit(**INLINE)
def finish_logarithm(exponent, mantissa):
    """log(mantissa 2^exponent)."""
    small = mantissa < f32(0.70710678)
    e = f32(exponent - np.int32(1)) if small else f32(exponent)
    x = mantissa + mantissa - f32(1.0) if small else mantissa - f32(1.0)
    z = x * x
    p = f32(7.0376836292e-2)
    p = p * x - f32(1.1514610310e-1)
    p = p * x + f32(1.1676998740e-1)
    p = p * x - f32(1.2420140846e-1)
    p = p * x + f32(1.4249322787e-1)
    p = p * x - f32(1.6668057665e-1)
    p = p * x + f32(2.0000714765e-1)
    p = p * x - f32(2.4999993993e-1)
    p = p * x + f32(3.3333331174e-1)
    p = p * x * z
    p = p + e * f32(-2.12194440e-4)
    p = p - f32(0.5) * z
    return x + p + e * f32(0.693359375)


@njit(**INLINE)
def affine(inputs, w, weight, bias, out, rows, rectify, ins, outs, lanes):
    """out = inputs W + b, row by row and lane by lane, rectified if asked for.

    Args:
        inputs: [rows, in, lanes].
        w: packed weights [parameters, lanes]; W [in, out] starts at `weight`, b [out] at `bias`.
        out: [rows, out, lanes], written.
        rows: how many, a multiple of ROWS.
        ins, outs, lanes: sizes, constants of the compiled code.
    """
    zero = f32(0.0)
    first = min(ins, UNROLLED)
    for s in range(0, rows, ROWS):
        for j in range(outs):
            for lane in range(lanes):
                b = w[bias + j, lane]
                z0, z1, z2, z3 = b, b, b, b
                for k in range(first):
                    a = w[weight + k * outs + j, lane]
                    z0 += inputs[s, k, lane] * a
                    z1 += inputs[s + 1, k, lane] * a
                    z2 += inputs[s + 2, k, lane] * a
                    z3 += inputs[s + 3, k, lane] * a
                if rectify and ins <= UNROLLED:
                    z0, z1, z2, z3 = max(z0, zero), max(z1, zero), max(z2, zero), max(z3, zero)
                out[s, j, lane] = z0
                out[s + 1, j, lane] = z1
                out[s + 2, j, lane] = z2
                out[s + 3, j, lane] = z3
            for k in range(first, ins):
                for lane in range(lanes):
                    a = w[weight + k * outs + j, lane]
                    out[s, j, lane] += inputs[s, k, lane] * a
                    out[s + 1, j, lane] += inputs[s + 1, k, lane] * a
                    out[s + 2, j, lane] += inputs[s + 2, k, lane] * a
                    out[s + 3, j, lane] += inputs[s + 3, k, lane] * a
            if rectify and ins > UNROLLED:
                for i in range(ROWS):
                    for lane in range(lanes):
                        out[s + i, j, lane] = max(out[s + i, j, lane], zero)


@njit(**INLINE)
def backward(deltas, w, weight, offset, active, out, rows, ins, outs, lanes):
    """out = (offset + deltas W^T) where `active` is above zero, else 0; see `affine`.

    Args:
        deltas: [rows, out, lanes]; active: activations [rows, in, lanes].
        offset: a number, the penalty's share of the derivative.
        out: [rows, in, lanes], written.
    """
    zero = f32(0.0)
    first = min(outs, UNROLLED)
    for s in range(rows):
        for k in range(ins):
            for lane in range(lanes):
                g = offset
                for j in range(first):
                    g += deltas[s, j, lane] * w[weight + k * outs + j, lane]
                if outs <= UNROLLED:
                    g = g if active[s, k, lane] > zero else zero
                out[s, k, lane] = g
            for j in range(first, outs):
                for lane in range(lanes):
                    out[s, k, lane] += deltas[s, j, lane] * w[weight + k * outs + j, lane]
            if outs > UNROLLED:
                for lane in range(lanes):
                    out[s, k, lane] = out[s, k, lane] if active[s, k, lane] > zero else zero


@njit(**INLINE)
def gradient(inputs, deltas, g, weight, bias, rows, ins, outs, lanes):
    """Derivatives of a layer: sum over rows of inputs x deltas, and of deltas; two outputs share a load of an input.

    See `affine`.

    Args:
        inputs: [rows, in, lanes]; deltas: [rows, out, lanes].
        g: packed like the weights, written.
        rows: how many, a multiple of GRADIENT_ROWS; rows beyond the batch have deltas of zero.
    """
    for p in range(ins * outs):
        for lane in range(lanes):
            g[weight + p, lane] = f32(0.0)
    for j in range(outs):
        for lane in range(lanes):
            g[bias + j, lane] = f32(0.0)
    for s in range(0, rows, GRADIENT_ROWS):
        for k in range(ins):
            for j in range(0, outs - 1, 2):
                for lane in range(lanes):
                    a = g[weight + k * outs + j, lane]
                    b = g[weight + k * outs + j + 1, lane]
                    for i in range(GRADIENT_ROWS):
                        x = inputs[s + i, k, lane]
                        a += x * deltas[s + i, j, lane]
                        b += x * deltas[s + i, j + 1, lane]
                    g[weight + k * outs + j, lane] = a
                    g[weight + k * outs + j + 1, lane] = b
            if outs % 2 == 1:
                for lane in range(lanes):
                    a = g[weight + k * outs + outs - 1, lane]
                    for i in range(GRADIENT_ROWS):
                        a += inputs[s + i, k, lane] * deltas[s + i, outs - 1, lane]
                    g[weight + k * outs + outs - 1, lane] = a
        for j in range(outs):
            for lane in range(lanes):
                a = g[bias + j, lane]
                for i in range(GRADIENT_ROWS):
                    a += deltas[s + i, j, lane]
                g[bias + j, lane] = a


@njit(**INLINE)
def adam(w, m, v, g, size, parameters, lanes):
    """One step of Adam as `reference.KerasAdam` defines it; all arrays [parameters, lanes].

    The moments of a unit that died shrink until they are denormal, which processors compute many times slower;
    below 1e-30 the first moment is set to zero, which no weight can tell.

    Args:
        size: lr sqrt(1 - b2^t) / (1 - b1^t) of this step.
    """
    for p in range(parameters):
        for lane in range(lanes):
            slope = g[p, lane]
            a = m[p, lane] + (slope - m[p, lane]) * f32(0.1)
            a = a if abs(a) > f32(1e-30) else f32(0.0)
            b = v[p, lane] + (slope * slope - v[p, lane]) * f32(0.001)
            m[p, lane] = a
            v[p, lane] = b
            w[p, lane] -= a * size / (np.sqrt(b) + f32(1e-7))


@njit(**INLINE)
def cross_entropy(z, y, start, rows, share, powers, bits, top, best, loss, score, classes, lanes):
    """Softmax cross-entropy: z becomes its derivative, losses and hits are added up.

    Args:
        z: logits [rows, classes, lanes]; y: class numbers [all rows, lanes], of this batch from row `start` on.
        share: weight of a row in the derivative, 1 / rows of the batch.
        powers: float32 [classes, lanes], and bits, the same memory as int32; top, best: [lanes]; all scratch.
        loss: sum of -log p (nat) [lanes]; score: number of rows whose largest logit is the observed class's.
    """
    for s in range(rows):
        for lane in range(lanes):
            top[lane] = z[s, 0, lane]
            best[lane] = np.int32(0)
        for o in range(1, classes):
            for lane in range(lanes):
                above = z[s, o, lane] > top[lane]
                top[lane] = z[s, o, lane] if above else top[lane]
                best[lane] = np.int32(o) if above else best[lane]
        for lane in range(lanes):
            observed = y[start + s, lane]
            score[lane] += f32(1.0) if best[lane] == observed else f32(0.0)
            less = top[lane]
            for o in range(classes):
                less -= z[s, o, lane] if observed == o else f32(0.0)
            loss[lane] += less
        for o in range(classes):
            for lane in range(lanes):
                p, two = exponential(z[s, o, lane] - top[lane])
                z[s, o, lane] = p
                bits[o, lane] = two
        for o in range(classes):
            for lane in range(lanes):
                z[s, o, lane] *= powers[o, lane]
        for lane in range(lanes):
            total = z[s, 0, lane]
            for o in range(1, classes):
                total += z[s, o, lane]
            top[lane] = total
            powers[0, lane] = total
        for lane in range(lanes):
            exponent, mantissa = logarithm(bits[0, lane])
            best[lane] = exponent
            bits[0, lane] = mantissa
        for lane in range(lanes):
            loss[lane] += finish_logarithm(best[lane], powers[0, lane])
            top[lane] = share / top[lane]
        for o in range(classes):
            for lane in range(lanes):
                z[s, o, lane] = z[s, o, lane] * top[lane] - (share if y[start + s, lane] == o else f32(0.0))


@njit(**INLINE)
def squared_error(z, y, start, rows, share, loss, score, lanes):
    """Squared error: z becomes its derivative, squared and absolute errors are added up; see `cross_entropy`."""
    twice = f32(2.0) * share
    for s in range(rows):
        for lane in range(lanes):
            e = z[s, 0, lane] - y[start + s, lane]
            loss[lane] += e * e
            score[lane] += abs(e)
            z[s, 0, lane] = e * twice


class MLPKernels:
    """Compiled for one size of network: `epoch` trains, `evaluate` scores, `hidden` gives the hidden activations."""

    def __init__(self, epoch: Callable, evaluate: Callable, hidden: Callable) -> None:
        self.epoch, self.evaluate, self.hidden = epoch, evaluate, hidden


@lru_cache
def mlp_kernels(inputs: int, hidden: int, outputs: int, classification: bool, batch: int, lanes: int) -> MLPKernels:
    """The loops of an MLP. Weights are packed [parameters, lanes] in the order of `initial.mlp_weights`."""
    b1 = inputs * hidden
    w2 = b1 + hidden
    b2 = w2 + hidden * outputs
    parameters = b2 + outputs
    room = padded(batch)

    @compiled(**STRICT)
    def epoch(x, y, rows, weights, m, v, sizes, loss, score):
        """Steps through `rows` rows in batches.

        x [rows + room, inputs, lanes], y [rows + room, lanes], any finite numbers in the last `room` rows;
        weights, m, v [parameters, lanes], moved on;
        sizes: Adam's step sizes, one per batch; loss, score: float64 [lanes], added to.
        """
        w = np.empty((parameters, lanes), np.float32)
        m_ = np.empty((parameters, lanes), np.float32)
        v_ = np.empty((parameters, lanes), np.float32)
        g = np.empty((parameters, lanes), np.float32)
        h = np.empty((room, hidden, lanes), np.float32)
        dh = np.zeros((room, hidden, lanes), np.float32)
        z = np.empty((room, outputs, lanes), np.float32)
        powers = np.empty((outputs, lanes), np.float32)
        bits = powers.view(np.int32)
        top = np.empty(lanes, np.float32)
        best = np.empty(lanes, np.int32)
        loss32 = np.empty(lanes, np.float32)
        score32 = np.empty(lanes, np.float32)
        w[:] = weights
        m_[:] = m
        v_[:] = v
        for start in range(0, rows, batch):
            size = min(batch, rows - start)
            share = f32(1.0) / f32(size)
            xs = x[start : start + room]
            loss32[:] = f32(0.0)
            score32[:] = f32(0.0)
            affine(xs, w, 0, b1, h, room, True, inputs, hidden, lanes)
            affine(h, w, w2, b2, z, room, False, hidden, outputs, lanes)
            if classification:
                cross_entropy(z, y, start, size, share, powers, bits, top, best, loss32, score32, outputs, lanes)
            else:
                squared_error(z, y, start, size, share, loss32, score32, lanes)
            z[size:room] = f32(0.0)
            backward(z, w, w2, f32(0.0), h, dh, room, hidden, outputs, lanes)
            gradient(xs, dh, g, 0, b1, room, inputs, hidden, lanes)
            gradient(h, z, g, w2, b2, room, hidden, outputs, lanes)
            adam(w, m_, v_, g, sizes[start // batch], parameters, lanes)
            for lane in range(lanes):
                loss[lane] += np.float64(loss32[lane])
                score[lane] += np.float64(score32[lane])
        weights[:] = w
        m[:] = m_
        v[:] = v_

    @compiled(**STRICT)
    def evaluate(x, y, rows, weights, loss, score):
        """Adds the losses and scores of `rows` rows to loss and score, float64 [lanes]; arrays as in `epoch`."""
        w = np.empty((parameters, lanes), np.float32)
        h = np.empty((room, hidden, lanes), np.float32)
        z = np.empty((room, outputs, lanes), np.float32)
        powers = np.empty((outputs, lanes), np.float32)
        bits = powers.view(np.int32)
        top = np.empty(lanes, np.float32)
        best = np.empty(lanes, np.int32)
        loss32 = np.empty(lanes, np.float32)
        score32 = np.empty(lanes, np.float32)
        w[:] = weights
        for start in range(0, rows, room):
            size = min(room, rows - start)
            loss32[:] = f32(0.0)
            score32[:] = f32(0.0)
            affine(x[start : start + room], w, 0, b1, h, room, True, inputs, hidden, lanes)
            affine(h, w, w2, b2, z, room, False, hidden, outputs, lanes)
            if classification:
                cross_entropy(z, y, start, size, f32(1.0), powers, bits, top, best, loss32, score32, outputs, lanes)
            else:
                squared_error(z, y, start, size, f32(1.0), loss32, score32, lanes)
            for lane in range(lanes):
                loss[lane] += np.float64(loss32[lane])
                score[lane] += np.float64(score32[lane])

    @compiled(**STRICT)
    def hidden_activations(x, rows, weights, out):
        """Hidden activations of `rows` rows into out [rows, hidden, lanes]; rows a multiple of ROWS."""
        w = np.empty((w2, lanes), np.float32)
        w[:] = weights[:w2]
        affine(x, w, 0, b1, out, rows, True, inputs, hidden, lanes)

    return MLPKernels(epoch, evaluate, hidden_activations)


@njit(**INLINE)
def sae_objective(h, f, z, rows, penalty, loss, hidden, latents, lanes):
    """Squared reconstruction error and activity penalty: z becomes the derivative of the error, losses are added up.

    Args:
        h: hidden activations [rows, hidden, lanes]; f: latents [rows, latents, lanes]; z: reconstruction like h.
        penalty: weight of a latent's activation in `loss`.
        loss: sum over rows of the mean squared error and of the penalty [lanes].
    """
    share = f32(2.0) / f32(hidden * rows)
    part = f32(1.0) / f32(hidden)
    for s in range(rows):
        for k in range(hidden):
            for lane in range(lanes):
                e = z[s, k, lane] - h[s, k, lane]
                loss[lane] += e * e * part
                z[s, k, lane] = e * share
        for j in range(latents):
            for lane in range(lanes):
                loss[lane] += penalty * f[s, j, lane]


class SAEKernels:
    """Compiled for one size of SAE: `epoch` trains, `latents` and `reconstruct` apply it."""

    def __init__(self, epoch: Callable, encode: Callable, decode: Callable) -> None:
        self.epoch, self.encode, self.decode = epoch, encode, decode


@lru_cache
def sae_kernels(hidden: int, latents: int, batch: int, lanes: int) -> SAEKernels:
    """The loops of an SAE. Weights are packed [parameters, lanes] in the order of `initial.sae_weights`."""
    be = hidden * latents
    wd = be + latents
    bd = wd + latents * hidden
    parameters = bd + hidden
    room = padded(batch)

    @compiled(**STRICT)
    def epoch(h, rows, weights, m, v, sizes, l1, by_batch, loss):
        """Steps through `rows` rows in batches.

        h [rows + room, hidden, lanes]; weights, m, v [parameters, lanes], moved on; sizes: Adam's step sizes;
        by_batch: whether the penalty's sum is divided by the rows of the batch; loss: float64 [lanes], added to.
        """
        w = np.empty((parameters, lanes), np.float32)
        m_ = np.empty((parameters, lanes), np.float32)
        v_ = np.empty((parameters, lanes), np.float32)
        g = np.empty((parameters, lanes), np.float32)
        f = np.empty((room, latents, lanes), np.float32)
        df = np.empty((room, latents, lanes), np.float32)
        z = np.empty((room, hidden, lanes), np.float32)
        loss32 = np.empty(lanes, np.float32)
        w[:] = weights
        m_[:] = m
        v_[:] = v
        for start in range(0, rows, batch):
            size = min(batch, rows - start)
            penalty = l1 / f32(size) if by_batch else l1
            hs = h[start : start + room]
            loss32[:] = f32(0.0)
            affine(hs, w, 0, be, f, room, True, hidden, latents, lanes)
            affine(f, w, wd, bd, z, room, False, latents, hidden, lanes)
            sae_objective(hs, f, z, size, penalty * f32(size), loss32, hidden, latents, lanes)
            z[size:room] = f32(0.0)
            f[size:room] = f32(0.0)
            backward(z, w, wd, penalty, f, df, room, latents, hidden, lanes)
            gradient(hs, df, g, 0, be, room, hidden, latents, lanes)
            gradient(f, z, g, wd, bd, room, latents, hidden, lanes)
            adam(w, m_, v_, g, sizes[start // batch], parameters, lanes)
            for lane in range(lanes):
                loss[lane] += np.float64(loss32[lane])
        weights[:] = w
        m[:] = m_
        v[:] = v_

    @compiled(**STRICT)
    def encode(h, rows, weights, out):
        """Latents of `rows` rows into out [rows, latents, lanes], rows a multiple of ROWS."""
        w = np.empty((wd, lanes), np.float32)
        w[:] = weights[:wd]
        affine(h, w, 0, be, out, rows, True, hidden, latents, lanes)

    @compiled(**STRICT)
    def decode(f, rows, weights, out):
        """Reconstructions of `rows` rows into out [rows, hidden, lanes], rows a multiple of ROWS."""
        w = np.empty((parameters - wd, lanes), np.float32)
        w[:] = weights[wd:]
        affine(f, w, 0, bd - wd, out, rows, False, latents, hidden, lanes)

    return SAEKernels(epoch, encode, decode)


@compiled(**STRICT)
def gather(table, response, order, columns, x, y):
    """Lays rows out: x[i, k, lane] = table[order[i, lane], columns[k, lane]], y[i, lane] = response[order[i, lane]].

    Args:
        table: float32 [rows, columns]; response: int32 or float32 [rows].
        order: which rows, int32 [n, lanes]; columns: which inputs, int64 [inputs, lanes].
        x: [n or more, inputs, lanes]; y: [n or more, lanes]; written up to n.
    """
    n, lanes = order.shape
    for i in range(n):
        for k in range(columns.shape[0]):
            for lane in range(lanes):
                x[i, k, lane] = table[order[i, lane], columns[k, lane]]
        for lane in range(lanes):
            y[i, lane] = response[order[i, lane]]


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
