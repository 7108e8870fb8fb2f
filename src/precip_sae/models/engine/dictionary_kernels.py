"""The compiled loop that trains dictionaries of every kind, one model at a time; see `variants` for their formulas.

The kernels of `kernels` put one model in every lane, for thousands of small SAEs. Here a vector holds neighbouring
latents of one model, since dictionaries of many kinds and widths are trained. Every sum has one order, whatever the
processor, and no system library's exp is asked.
"""

import math

import numpy as np
from numba import njit

from precip_sae.models.engine.arithmetic import STRICT
from precip_sae.models.engine.cache import compiled
from precip_sae.models.engine.lanes import LANES
from precip_sae.models.engine.layers import STEPS_TO_FORGET
from precip_sae.models.engine.matrices import add_outer, add_products, add_rows
from precip_sae.models.variants import AUXILIARY, BANDWIDTH

PUBLISHED, L1, TOPK, BATCH_TOPK, JUMPRELU, GATED = range(6)
"""What a latent is of its sum; `matryoshka` is BATCH_TOPK with several prefixes."""

f32 = np.float32
_AUXILIARY, _BANDWIDTH = f32(AUXILIARY), f32(BANDWIDTH)


@njit(**STRICT)
def exponential(x):
    """e^x: a whole power of two times the Taylor series of what remains, in float64."""
    whole = math.floor(x * 1.4426950408889634 + 0.5)
    rest = x - whole * 0.6931471805599453
    term = total = 1.0
    for k in range(1, 15):
        term *= rest / k
        total += term
    return f32(math.ldexp(total, int(whole)))


@njit(**STRICT)
def rectify(z, f):
    """f = ReLU(z), arrays of equal shape."""
    sums, out = z.reshape(-1), f.reshape(-1)
    for p in range(len(sums)):
        out[p] = sums[p] if sums[p] > f32(0.0) else f32(0.0)


@njit(**STRICT)
def where_active(f, slopes, offset, out):
    """out = slopes + offset where f is above zero, else 0; arrays of equal shape."""
    latents, given, found = f.reshape(-1), slopes.reshape(-1), out.reshape(-1)
    for p in range(len(latents)):
        found[p] = given[p] + offset if latents[p] > f32(0.0) else f32(0.0)


@njit(**STRICT)
def wait(silent, f, active):
    """Counts the steps since each latent was last active, [latents]; f: [rows, latents]; active: overwritten."""
    active[:] = f32(0.0)
    for i in range(len(f)):
        row = f[i]
        for j in range(len(active)):
            active[j] = row[j] if row[j] > active[j] else active[j]
    for j in range(len(active)):
        silent[j] = f32(0.0) if active[j] > f32(0.0) else silent[j] + f32(1.0)


@njit(**STRICT)
def least_active(f):
    """The least value above zero; infinite without one."""
    values, smallest = f.reshape(-1), f32(np.inf)
    for p in range(len(values)):
        smallest = values[p] if f32(0.0) < values[p] < smallest else smallest
    return smallest


@njit(**STRICT)
def of_rank(values, rank):
    """The value that would stand at place `rank`, from 0, if the largest came first; reorders `values` (Hoare 1961)."""
    low, high = 0, len(values) - 1
    while low < high:
        pivot = values[(low + high) // 2]
        i, j = low, high
        while i <= j:
            while values[i] > pivot:
                i += 1
            while values[j] < pivot:
                j -= 1
            if i <= j:
                values[i], values[j] = values[j], values[i]
                i += 1
                j -= 1
        if rank <= j:
            high = j
        elif rank >= i:
            low = i
        else:
            break
    return values[rank]


@njit(**STRICT)
def keep_largest(values, how_many, room):
    """Sets all but the largest values to zero; of values equal to the last of them all stay (`dictionary.largest`).

    Args:
        values: not negative, changed; room: as long or longer, overwritten.
    """
    there = 0
    for j in range(len(values)):
        # written over by the next one if it is not above zero: a branch would be guessed wrong half of the time
        room[there] = values[j]
        there += values[j] > f32(0.0)
    if there > how_many:
        least = of_rank(room[:there], how_many - 1)
        for j in range(len(values)):
            values[j] = values[j] if values[j] >= least else f32(0.0)


@njit(**STRICT)
def code(kind, z, f, k, bias, first, second, room):
    """f of z, both [rows, latents or more]; first, second: what a kind has besides, see `descend` [latents].

    Args:
        room: see `keep_largest`.
    """
    rows, latents = len(z), len(first)
    rectify(z, f)
    if kind == TOPK:
        for i in range(rows):
            keep_largest(f[i], max(k, 1), room)
    elif kind == BATCH_TOPK:
        keep_largest(f.reshape(-1), max(k, 1), room)
    elif kind == JUMPRELU:
        for i in range(rows):
            for j in range(latents):
                f[i, j] = f[i, j] if f[i, j] > first[j] else f32(0.0)
    elif kind == GATED:
        for i in range(rows):
            for j in range(latents):
                size = max((z[i, j] - bias[j]) * first[j] + second[j], f32(0.0))
                f[i, j] = size if z[i, j] > f32(0.0) else f32(0.0)


@njit(**STRICT)
def adam(w, m, v, g, size):
    """One step of Adam as `reference.KerasAdam` defines it, of all parameters."""
    for p in range(len(w)):
        first = m[p] + (g[p] - m[p]) * f32(0.1)
        second = v[p] + (g[p] * g[p] - v[p]) * f32(0.001)
        m[p], v[p] = first, second
        w[p] -= first * size / (np.sqrt(second) + f32(1e-7))


@njit(**STRICT)
def forget(m, v):
    """Sets the vanishing moments to zero, as `layers.forget` does and for its reason."""
    for p in range(len(m)):
        m[p] = m[p] if abs(m[p]) > f32(1e-30) else f32(0.0)
        v[p] = v[p] if v[p] > f32(1e-32) else f32(0.0)


@compiled(**STRICT)
def descend(kind, x, order, starts, penalties, sizes, edges, k, unit_norm, mean_over_units, silent, patience,
            averaged_from, least, w, m, v):  # fmt: skip
    """Trains one dictionary for some steps.

    Args:
        kind: PUBLISHED ..; x: scaled activations [rows, units].
        order, starts: step s takes the rows order[starts[s]:starts[s + 1]].
        penalties: of each step, what a latent's activation in a row adds to the loss.
        sizes: Adam's step size of each step (`reference.adam_step_size`).
        edges: how many latents each prefix has (`variants.prefixes`); one prefix of all but for Matryoshka.
        k: active latents of TOPK in a row, of BATCH_TOPK for every row of the batch.
        unit_norm: whether the rows of D keep the norm one; mean_over_units: whether the error is a mean over units.
        silent: steps since each latent was last active, moved on [latents]; patience: dead is who is silent longer.
        averaged_from: step from which BATCH_TOPK's threshold is averaged; least: its sum, [1], added to.
        w, m, v: parameters and their moments, moved on: E [units, latents], e [latents], the transpose of D
            [units, latents], d [units], then twice [latents]: of JUMPRELU log t, of GATED r and m.
    """
    units, latents, zero = x.shape[1], len(silent), f32(0.0)
    matrix = units * latents
    E, e = w[:matrix].reshape(units, latents), w[matrix : matrix + latents]
    DT = w[matrix + latents : 2 * matrix + latents].reshape(units, latents)
    d = w[2 * matrix + latents : 2 * matrix + latents + units]
    extra = w[2 * matrix + latents + units :]
    g = np.zeros_like(w)
    gE, ge = g[:matrix].reshape(units, latents), g[matrix : matrix + latents]
    gDT = g[matrix + latents : 2 * matrix + latents].reshape(units, latents)
    gd = g[2 * matrix + latents : 2 * matrix + latents + units]
    g_first = g[2 * matrix + latents + units : 2 * matrix + 2 * latents + units]
    g_second = g[2 * matrix + 2 * latents + units :]
    first, second = np.zeros(latents, f32), extra[latents:]
    # whole vectors of latents and of units; what is beyond them stays zero
    wide, deep = -(-latents // LANES) * LANES, -(-units // LANES) * LANES
    encoder, turned = np.zeros((units, wide), f32), np.zeros((units, wide), f32)
    decoder = np.zeros((latents, deep), f32)
    g_encoder, g_turned = np.empty((units, wide), f32), np.empty((units, wide), f32)
    most = 0
    for step in range(len(sizes)):
        most = max(most, starts[step + 1] - starts[step])
    batch, centred, spare = np.zeros((most, deep), f32), np.zeros((most, deep), f32), np.zeros((most, deep), f32)
    z, f, used = np.zeros((most, wide), f32), np.zeros((most, wide), f32), np.zeros((most, wide), f32)
    df, dz = np.zeros((most, wide), f32), np.zeros((most, wide), f32)
    left = np.zeros((len(edges), most, deep), f32)  # of the prefixes, then what these give together
    total, room = np.empty(latents, f32), np.empty(most * wide, f32)
    for step in range(len(sizes)):
        rows, n = order[starts[step] : starts[step + 1]], starts[step + 1] - starts[step]
        penalty = penalties[step]
        share = f32(2.0) / f32(n * len(edges) * (units if mean_over_units else 1))
        g[:], g_encoder[:], g_turned[:] = zero, zero, zero
        for u in range(units):
            for j in range(latents):
                encoder[u, j], turned[u, j], decoder[j, u] = E[u, j], DT[u, j], DT[u, j]
        for j in range(latents):
            first[j] = exponential(extra[j]) if kind in (JUMPRELU, GATED) else zero
        for i in range(n):
            for u in range(units):
                batch[i, u] = x[rows[i], u]
                centred[i, u] = batch[i, u] - (zero if kind == PUBLISHED else d[u])
            for j in range(latents):
                z[i, j] = e[j]
        add_products(z[:n], centred, encoder, 0, units, 0, wide)
        code(kind, z[:n], f[:n], int(np.rint(k * n if kind == BATCH_TOPK else k)), e, first, second, room)
        some_dead = False
        if kind in (TOPK, BATCH_TOPK):
            for j in range(latents):
                some_dead |= silent[j] > patience
        df[:n] = zero
        # the derivatives of the errors by the reconstructions of the prefixes
        for i in range(n):
            for u in range(units):
                spare[i, u] = d[u]
        low = 0
        for s in range(len(edges)):
            add_products(spare[:n], f, decoder, low, edges[s], 0, deep)
            for i in range(n):
                for u in range(units):
                    left[s, i, u] = (spare[i, u] - batch[i, u]) * share
            low = edges[s]
        for i in range(n):
            for u in range(units):
                spare[i, u] = batch[i, u] - spare[i, u]
        # a latent is in its own prefix and in all longer ones
        for s in range(len(edges) - 1, -1, -1):
            low, high = edges[s - 1] if s > 0 else 0, wide
            if s < len(edges) - 1:
                high = edges[s]
                for i in range(n):
                    for u in range(units):
                        left[s, i, u] += left[s + 1, i, u]
            add_products(df[:n], left[s], turned, 0, units, low, high)
            add_outer(g_turned, left[s, :n], f[:n], low, high)
        add_rows(gd, left[0, :n])
        # through the code
        if kind == JUMPRELU:
            for i in range(n):
                for j in range(latents):
                    t = first[j]
                    dz[i, j] = df[i, j] if f[i, j] > zero else zero
                    near = abs(max(z[i, j], zero) - t) < _BANDWIDTH / f32(2.0)
                    g_first[j] += t / _BANDWIDTH * (-t * df[i, j] - penalty) if near else zero
        elif kind == GATED:
            dz[:n] = zero
            rectify(z[:n], used[:n])
            for i in range(n):
                for u in range(units):
                    spare[i, u] = d[u]
            add_products(spare[:n], used, decoder, 0, latents, 0, deep)
            for i in range(n):
                for u in range(units):
                    spare[i, u] = (spare[i, u] - batch[i, u]) * share
            add_products(dz[:n], spare, turned, 0, units, 0, wide)
            where_active(z[:n], dz[:n], penalty, used[:n])  # the derivatives by the gate's sums
            where_active(f[:n], df[:n], zero, df[:n])  # and by the sizes
            add_rows(ge, used[:n])
            add_rows(g_second, df[:n])
            for i in range(n):
                for j in range(latents):
                    dz[i, j] = df[i, j] * (z[i, j] - e[j]) * first[j]
            add_rows(g_first, dz[:n])
            for i in range(n):
                for j in range(latents):
                    dz[i, j] = used[i, j] + df[i, j] * first[j]
        else:
            paid = zero if kind in (TOPK, BATCH_TOPK) else penalty
            where_active(f[:n], df[:n], paid, dz[:n])
        if some_dead:
            # dead latents explain what is left, see `variants.auxiliary`
            for i in range(n):
                for j in range(latents):
                    used[i, j] = max(z[i, j], zero) if silent[j] > patience else zero
                    df[i, j] = zero
                keep_largest(used[i], max(units // 2, 1), room)
                for u in range(units):
                    left[0, i, u] = zero
            add_products(left[0, :n], used, decoder, 0, latents, 0, deep)
            for i in range(n):
                for u in range(units):
                    left[0, i, u] = (left[0, i, u] - spare[i, u]) * (_AUXILIARY * f32(2.0) / f32(n))
            add_products(df[:n], left[0], turned, 0, units, 0, wide)
            for i in range(n):
                for j in range(latents):
                    dz[i, j] += df[i, j] if used[i, j] > zero else zero
            add_outer(g_turned, left[0, :n], used[:n], 0, wide)
        add_outer(g_encoder, centred[:n], dz[:n], 0, wide)
        for u in range(units):
            for j in range(latents):
                gE[u, j], gDT[u, j] = g_encoder[u, j], g_turned[u, j]
        total[:] = zero
        add_rows(total, dz[:n])
        if kind != GATED:
            ge[:] = total
        if kind != PUBLISHED:
            for u in range(units):
                for j in range(latents):
                    gd[u] -= E[u, j] * total[j]
        if unit_norm:  # see `variant_training.across`
            total[:] = zero
            for u in range(units):
                for j in range(latents):
                    total[j] += gDT[u, j] * DT[u, j]
            for u in range(units):
                for j in range(latents):
                    gDT[u, j] -= total[j] * DT[u, j]
        adam(w, m, v, g, sizes[step])
        if step % STEPS_TO_FORGET == 0:
            forget(m, v)
        if unit_norm:
            total[:] = zero
            for u in range(units):
                for j in range(latents):
                    total[j] += DT[u, j] * DT[u, j]
            for j in range(latents):
                total[j] = np.sqrt(total[j])
            for u in range(units):
                for j in range(latents):
                    DT[u, j] /= total[j]
        wait(silent, f[:n], total)
        smallest = least_active(f[:n]) if step >= averaged_from else f32(np.inf)
        if smallest < f32(np.inf):
            least[0] += smallest / f32(len(sizes) - averaged_from)
