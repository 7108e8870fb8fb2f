"""A dense layer of the compiled loops: forward, backward, and a step of Adam down its derivatives."""

from precip_sae.models.engine.arithmetic import ROWS, larger, number, part_of_loop
from precip_sae.models.engine.lanes import (
    get,
    magnitude,
    put,
    root,
    where_above,
)

STEPS_TO_FORGET = 64  # see `forget`; a first moment shrinks to a thousandth in as many


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

    The moments of a unit that died shrink until they are denormal, which processors compute many times slower. Few
    weights can tell a first moment below 1e-30 from zero, but those that shrink towards zero as well, such as an SAE's
    to a hidden unit that is dead, may grow again from there: whatever trains the same models has to count steps alike.
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
