"""The published 5-minute processing of what the instruments measure, simulated or from the archive."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from precip_sae.observations.schema import GATES

Array = NDArray[np.float64]

BIN_WIDTH = 0.2
DIAMETERS = np.round(0.1 + BIN_WIDTH * np.arange(131), 1)
"""PIP bin centres (mm), shape (131,)."""
MINUTES = 5
GATE_HEIGHTS = 100.0 * (np.array(GATES) + 1.0)
"""Heights (m) of the radar gates, shape (27,)."""
RUN = 4  # gates in a row that make an echo


@dataclass(frozen=True)
class Spectra:
    """What PIP measures in 5 minutes: arrays of shape (records, 131), or (records, minutes, 131)."""

    psd: Array  # m^-3 mm^-1, mean over the 5 minutes, or of each minute
    speed: Array  # m/s, NaN where no particle was counted
    density: Array  # g cm^-3, NaN where no particle was counted


def five_minute_record(spectra: Spectra) -> dict[str, Array]:
    """The published processing: n0, lambda, Nt, Rho, Fs, Dm and the precipitation rate, each (records,).

    The size distribution is averaged over the minutes and then fitted. Nt sums it over the 5 minutes and the bins;
    Rho and Fs are means over the minutes and bins that hold particles; Dm = sum(rho psd D^4) / sum(rho psd D^3) over
    minutes and bins. `rate` (mm/h, liquid equivalent) is the minutes' mean of the integral of pi/6 rho D^3 v psd.
    """
    psd, speed, density = _by_minute(spectra)
    mean = psd.mean(axis=1)
    n0, slope = fit_exponential(mean)
    mass = np.nan_to_num(density) * psd * DIAMETERS**3

    def flat(values: Array) -> Array:
        return values.reshape(len(values), -1)

    return {
        "n0": n0,
        "lambda": slope,
        "Nt": MINUTES * mean.sum(axis=1),
        "Rho": np.nanmean(flat(density), axis=1),
        "Fs": np.nanmean(flat(speed), axis=1),
        "Dm": flat(mass * DIAMETERS).sum(axis=1) / flat(mass).sum(axis=1),
        "rate": precipitation_rate(spectra),
    }


def precipitation_rate(spectra: Spectra, adjustment: ArrayLike = 1.0) -> Array:
    """Integral of pi/6 rho D^3 v psd over the bins, mean of the minutes: mm/h of liquid water, (records,).

    adjustment: factors on the density, (131,) or a number.
    """
    psd, speed, density = _by_minute(spectra)
    mass = np.nan_to_num(density) * psd * DIAMETERS**3
    flux = np.pi / 6 * mass * np.nan_to_num(speed) * BIN_WIDTH  # mg m^-2 s^-1
    return (flux * adjustment).reshape(len(flux), -1).sum(axis=1) / psd.shape[1] * 3.6e-3


def _by_minute(spectra: Spectra) -> tuple[Array, ...]:
    """psd, speed and density, each (records, minutes, 131); a simulation has one spectrum for all minutes."""
    return tuple(v.reshape(len(v), -1, len(DIAMETERS)) for v in (spectra.psd, spectra.speed, spectra.density))


def fit_exponential(psd: ArrayLike) -> tuple[Array, Array]:
    """Least squares of n0 exp(-lambda D) in linear space: n0 (m^-3 mm^-1) and lambda (mm^-1), each (records,).

    psd is (records, 131). n0 is linear in the problem, so only lambda is searched (variable projection): the best
    of a grid, then Newton steps to the stationary point. This is the minimum that the published `curve_fit`
    looks for from (1e4, 2), without depending on the start. NaN outside 0 < n0 < 1e7 and 0 < lambda < 10.
    """
    psd = np.asarray(psd, dtype=float)
    grid = np.geomspace(0.02, 10.0, 240)
    basis = np.exp(-np.outer(DIAMETERS, grid))
    # 6 decimals: a tie that the last digit of a matrix product would decide goes to the smaller lambda everywhere
    gain = np.log(np.maximum(psd @ basis, 1e-300)) - 0.5 * np.log((basis**2).sum(axis=0))
    slope = grid[np.round(gain, 6).argmax(axis=1)]
    for _ in range(6):
        e = np.exp(-slope[:, None] * DIAMETERS)
        p0, p1, p2 = ((psd * e * DIAMETERS**k).sum(axis=1) for k in range(3))
        e0, e1, e2 = ((e * e * DIAMETERS**k).sum(axis=1) for k in range(3))
        force = p1 * e0 - p0 * e1
        stiffness = 2 * p0 * e2 - p2 * e0 - p1 * e1
        step = np.where(stiffness != 0, force / np.where(stiffness != 0, stiffness, 1.0), 0.0)
        slope = slope - np.clip(step, -0.05 * slope, 0.05 * slope)
    e = np.exp(-slope[:, None] * DIAMETERS)
    n0 = (psd * e).sum(axis=1) / (e * e).sum(axis=1)
    kept = (n0 > 0) & (n0 < 1e7) & (slope > 0) & (slope < 10)
    return np.where(kept, n0, np.nan), np.where(kept, slope, np.nan)


def echo_top(heard: NDArray[np.bool_]) -> Array:
    """Height (m) of the top of the first run, from below, of at least 4 gates with an echo; NaN without one.

    heard is (records, 27).
    """
    run = np.zeros(len(heard), dtype=np.int64)
    top = np.full(len(heard), np.nan)
    for gate, height in enumerate(GATE_HEIGHTS):
        ended = ~heard[:, gate] & (run >= RUN)
        run = np.where(ended, -len(GATE_HEIGHTS), np.where(heard[:, gate], run + 1, np.where(run < 0, run, 0)))
        top = np.where(run >= RUN, height, top)
    return top
