"""Dictionaries of hidden activations that are no SAE: principal, independent, non-negative components, random ones."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from precip_sae.interpretation.responses import Layer

Values = NDArray[np.float64]

NOTHING = 1e-9  # of the largest variance: what rounding leaves of a direction that does not vary
NMF_ROWS = 2000  # evenly out of all rows: its dictionary has a few dozen numbers
_FITTING = Lock()


@contextmanager
def _unsettled() -> Iterator[None]:
    """Lets scikit-learn stop before it has converged: what it has then is a dictionary as well.

    One thread at a time: which warnings are shown is the whole process's affair.
    """
    from sklearn.exceptions import ConvergenceWarning

    with _FITTING, warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        yield


def principal(hidden: NDArray[np.floating]) -> Layer:
    """Scores on the principal components of hidden activations (Hotelling 1933), as a layer without a ReLU.

    Directions in which nothing varies are left out, but for one of a layer that is dead.

    Args:
        hidden: activations to fit on [rows, hidden].
    """
    mean = hidden.mean(axis=0, dtype=np.float64)
    centred = hidden - mean
    power, directions = np.linalg.eigh(centred.T @ centred)
    kept = power > NOTHING * max(float(power.max()), np.finfo(np.float64).tiny)
    directions = directions[:, kept][:, ::-1] if kept.any() else np.zeros((len(directions), 1))
    return Layer(directions, -mean @ directions, relu=False)


def independent(hidden: NDArray[np.floating], seed: int) -> Layer:
    """Scores on independent components, by FastICA (Hyvarinen 1999, doi 10.1109/72.761722), as a layer without a ReLU.

    As many as there are principal components.

    Args:
        hidden: activations to fit on [rows, hidden]; seed: of the initial rotation.
    """
    from sklearn.decomposition import FastICA

    first = principal(hidden)
    scores = hidden.astype(np.float64) @ first.weight + first.bias
    if scores.shape[1] < 2:
        return first
    with _unsettled():
        found = FastICA(whiten="unit-variance", random_state=seed, max_iter=200).fit(scores)
    turn = found.components_.T
    return Layer(first.weight @ turn, (first.bias - found.mean_) @ turn, relu=False)


class NonNegative:
    """Non-negative components (Lee and Seung 1999, doi 10.1038/44565): h ~ a D with a, D >= 0, a the activations.

    Of a layer that is dead where it is fitted they are never active.

    Args:
        hidden: activations to fit on [rows, hidden].
        components: how many.
        seed: of the initial values.
    """

    def __init__(self, hidden: NDArray[np.floating], components: int, seed: int) -> None:
        from sklearn.decomposition import NMF

        self.components, self.dead = components, not hidden.any()
        if self.dead:
            return
        rows = np.linspace(0, len(hidden) - 1, min(len(hidden), NMF_ROWS)).round().astype(int)
        self.model = NMF(components, init="random", random_state=seed, max_iter=200, tol=1e-3)
        with _unsettled():
            self.model.fit(hidden[rows].astype(np.float64))

    def activations(self, hidden: NDArray[np.floating]) -> Values:
        """[rows, hidden] -> [rows, components]."""
        if self.dead:
            return np.zeros((len(hidden), self.components))
        with _unsettled():
            return self.model.transform(hidden.astype(np.float64))


def random_like(hidden: NDArray[np.floating], latents: NDArray[np.floating], seed: int) -> Layer:
    """An encoder of random directions whose latents fire as often as those of an SAE, one by one, and are dead as they.

    Directions are normal with equal variances; each bias is minus the quantile of its projection that leaves the SAE's
    share of rows above zero.

    Args:
        hidden: activations [rows, hidden]; latents: of the SAE in the same rows [rows, latents].
        seed: of the directions.
    """
    directions = np.random.default_rng([seed, 15]).normal(size=(hidden.shape[1], latents.shape[1]))
    projected = np.sort(hidden.astype(np.float64) @ directions, axis=0)
    above = (latents > 0).sum(axis=0)
    # the bias lies between the last row that is silent and the first that fires
    last = np.take_along_axis(projected, np.clip(len(hidden) - above - 1, 0, None)[None], axis=0)[0]
    first = np.take_along_axis(projected, np.clip(len(hidden) - above, None, len(hidden) - 1)[None], axis=0)[0]
    threshold = np.where(above == 0, np.inf, np.where(above == len(hidden), first - 1e-6, (last + first) / 2))
    # a dead latent never fires in any row, not in these alone
    dead = ~np.isfinite(threshold)
    return Layer(np.where(dead, 0.0, directions), np.where(dead, -1.0, -threshold))
