"""What correlations arise by chance between series that are alike from one row to the next.

Inputs and activations change slowly within a storm and over a season, so that thousands of rows hold far fewer
independent ones. Shifting the inputs in time against the units keeps all of that and breaks their relation.
"""

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]

LEAST_SHIFT = 0.05  # of all rows: nearer shifts leave some of the relation


def shifted_correlations(units: NDArray[np.floating], inputs: NDArray[np.floating], shifts: int) -> Values:
    """Pearson correlations with the inputs shifted circularly, all inputs together, by evenly spaced numbers of rows.

    r(s) = sum_t a_t x_(t - s) / (|a| |x|) of centred series, for all s at once by the fast Fourier transform.

    Args:
        units: [rows, units]; inputs: [rows, inputs], rows in time order.
        shifts: how many, between LEAST_SHIFT and 1 - LEAST_SHIFT of the rows.

    Returns:
        [shifts, units, inputs]; NaN where a series does not vary.
    """
    rows = len(units)
    a, x = (values.astype(np.float64) - values.mean(axis=0, dtype=np.float64) for values in (units, inputs))
    chosen = np.unique(np.linspace(LEAST_SHIFT * rows, (1 - LEAST_SHIFT) * rows, shifts).round().astype(int))
    spectra = np.fft.rfft(x, axis=0).conj()
    varies = np.outer(np.ptp(units, axis=0) > 0, np.ptp(inputs, axis=0) > 0)
    norms = np.outer(np.sqrt((a * a).sum(axis=0)), np.sqrt((x * x).sum(axis=0)))
    found = np.full((len(chosen), a.shape[1], x.shape[1]), np.nan)
    for unit in range(a.shape[1]):
        of_all = np.fft.irfft(np.fft.rfft(a[:, unit])[:, None] * spectra, n=rows, axis=0)
        found[:, unit] = of_all[chosen]
    return np.divide(found, norms, out=np.full_like(found, np.nan), where=varies)
