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
from precip_sae.models.engine.layers import STEPS_TO_FORGET
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
def add_product(out, row, matrix, low, high):
    """out += row M for the latents from low to high, [units], [units, latents] -> [latents].

    A latent's sum goes from the first unit to the last.
    """
    units = len(row)
    for u in range(0, units - 3, 4):
        a, b, c, d = row[u], row[u + 1], row[u + 2], row[u + 3]
        ma, mb, mc, md = matrix[u], matrix[u + 1], matrix[u + 2], matrix[u + 3]
        for j in range(low, high):
            out[j] = (((out[j] + a * ma[j]) + b * mb[j]) + c * mc[j]) + d * md[j]
    for u in range(units - units % 4, units):
        a, ma = row[u], matrix[u]
        for j in range(low, high):
            out[j] += a * ma[j]


@njit(**STRICT)
def add_outer(out, left, right, low, high):
    """out += left^T right for the latents from low to high: [units, latents], [rows, units], [rows, latents].

    Rows are added from the first to the last.
    """
    rows, units = left.shape
    for i in range(0, rows - 3, 4):
        ra, rb, rc, rd = right[i], right[i + 1], right[i + 2], right[i + 3]
        for u in range(units):
            a, b, c, d, row = left[i, u], left[i + 1, u], left[i + 2, u], left[i + 3, u], out[u]
            for j in range(low, high):
                row[j] = (((row[j] + a * ra[j]) + b * rb[j]) + c * rc[j]) + d * rd[j]
    for i in range(rows - rows % 4, rows):
        ra = right[i]
        for u in range(units):
            a, row = left[i, u], out[u]
            for j in range(low, high):
                row[j] += a * ra[j]


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
def add_rows(out, rows):
    """out += the sum of the rows, from the first to the last, [rows, columns] -> [columns]."""
    for i in range(len(rows)):
        row = rows[i]
        for j in range(len(out)):
            out[j] += row[j]


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
def decode(latents, turned, out):
    """out += f D of one row, D as [latents, units]; latents that are zero cost nothing."""
    for j in range(len(latents)):
        value = latents[j]
        if value != f32(0.0):
            row = turned[j]
            for u in range(len(out)):
                out[u] += value * row[u]


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
        if values[j] > f32(0.0):
            room[there] = values[j]
            there += 1
    if there > how_many:
        least = of_rank(room[:there], how_many - 1)
        for j in range(len(values)):
            values[j] = values[j] if values[j] >= least else f32(0.0)


@njit(**STRICT)
def code(kind, z, f, k, bias, first, second, room):
    """f of z, both [rows, latents]; first, second: what a kind has besides, see `descend`; room: see `keep_largest`."""
    rows, latents = z.shape
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
    """Sets moments to zero that no weight can tell from it, as `kernels.forget` does and for its reason."""
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
    D = np.empty((latents, units), f32)
    most = 0
    for step in range(len(sizes)):
        most = max(most, starts[step + 1] - starts[step])
    batch, centred = np.empty((most, units), f32), np.empty((most, units), f32)
    z, f = np.empty((most, latents), f32), np.empty((most, latents), f32)
    df, dz = np.empty((most, latents), f32), np.empty((most, latents), f32)
    left = np.empty((len(edges), most, units), f32)  # of the prefixes, then what these give together
    spare, used = np.empty((most, units), f32), np.empty((most, latents), f32)
    total, room = np.empty(latents, f32), np.empty(most * latents, f32)
    for step in range(len(sizes)):
        rows, n = order[starts[step] : starts[step + 1]], starts[step + 1] - starts[step]
        penalty = penalties[step]
        share = f32(2.0) / f32(n * len(edges) * (units if mean_over_units else 1))
        g[:] = zero
        for j in range(latents):
            for u in range(units):
                D[j, u] = DT[u, j]
            first[j] = exponential(extra[j]) if kind in (JUMPRELU, GATED) else zero
        for i in range(n):
            for u in range(units):
                batch[i, u] = x[rows[i], u]
                centred[i, u] = batch[i, u] - (zero if kind == PUBLISHED else d[u])
            for j in range(latents):
                z[i, j] = e[j]
            add_product(z[i], centred[i], E, 0, latents)
        code(kind, z[:n], f[:n], int(np.rint(k * n if kind == BATCH_TOPK else k)), e, first, second, room)
        some_dead = False
        if kind in (TOPK, BATCH_TOPK):
            for j in range(latents):
                some_dead |= silent[j] > patience
        df[:n] = zero
        # the derivatives of the errors by the reconstructions of the prefixes
        for i in range(n):
            spare[i] = d
            low = 0
            for s in range(len(edges)):
                decode(f[i, low : edges[s]], D[low : edges[s]], spare[i])
                for u in range(units):
                    left[s, i, u] = (spare[i, u] - batch[i, u]) * share
                low = edges[s]
            for u in range(units):
                spare[i, u] = batch[i, u] - spare[i, u]
        # a latent is in its own prefix and in all longer ones
        for s in range(len(edges) - 1, -1, -1):
            low = edges[s - 1] if s > 0 else 0
            for i in range(n):
                if s < len(edges) - 1:
                    for u in range(units):
                        left[s, i, u] += left[s + 1, i, u]
                add_product(df[i], left[s, i], DT, low, edges[s])
            add_outer(gDT, left[s, :n], f[:n], low, edges[s])
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
                spare[i] = d
                decode(used[i], D, spare[i])
                for u in range(units):
                    spare[i, u] = (spare[i, u] - batch[i, u]) * share
                add_product(dz[i], spare[i], DT, 0, latents)
                for j in range(latents):
                    gate = dz[i, j] + penalty if z[i, j] > zero else zero
                    size = df[i, j] if f[i, j] > zero else zero
                    ge[j] += gate
                    g_first[j] += size * (z[i, j] - e[j]) * first[j]
                    g_second[j] += size
                    dz[i, j] = gate + size * first[j]
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
                decode(used[i], D, left[0, i])
                for u in range(units):
                    left[0, i, u] = (left[0, i, u] - spare[i, u]) * (_AUXILIARY * f32(2.0) / f32(n))
                add_product(df[i], left[0, i], DT, 0, latents)
                for j in range(latents):
                    dz[i, j] += df[i, j] if used[i, j] > zero else zero
            add_outer(gDT, left[0, :n], used[:n], 0, latents)
        add_outer(gE, centred[:n], dz[:n], 0, latents)
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
            for u in range(units):
                for j in range(latents):
                    DT[u, j] /= np.sqrt(total[j])
        wait(silent, f[:n], total)
        smallest = least_active(f[:n]) if step >= averaged_from else f32(np.inf)
        if smallest < f32(np.inf):
            least[0] += smallest / f32(len(sizes) - averaged_from)
