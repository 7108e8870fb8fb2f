"""Rows in the compiled loops: laid out for the lanes, and added up over many models."""

import numpy as np

from precip_sae.models.engine.arithmetic import STRICT, f32
from precip_sae.models.engine.cache import compiled
from precip_sae.models.engine.lanes import (
    LANES,
)


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
