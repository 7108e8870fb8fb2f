"""Fits SAEs by whatever trains them: the compiled engine where it fits, torch beyond."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from precip_sae.models import engine, reference
from precip_sae.models.sae import SAE
from precip_sae.settings import MOST_HIDDEN, MOST_LATENTS, SAESettings


def by_engine(hidden: int, latents: int) -> bool:
    """Whether the compiled engine trains SAEs of these sizes: then the results are the same bytes everywhere."""
    return hidden <= MOST_HIDDEN and latents <= MOST_LATENTS


def fit_saes(
    hidden: NDArray[np.float32],
    settings: SAESettings,
    convention: str,
    seeds: Sequence[int],
    progress: reference.Progress | None = None,
) -> tuple[SAE, pd.DataFrame]:
    """One SAE per seed; arguments and results as of `reference.train_saes`.

    Wide SAEs are trained by torch, one after the other on one thread, so that the memory is that of one.
    """
    models, _, units = hidden.shape
    if by_engine(units, settings.latents):
        return engine.train_saes(hidden, settings, convention, seeds, progress)
    fitted, histories = [], []
    for number, (activations, seed) in enumerate(zip(hidden, seeds, strict=True)):

        def advance(done: int, total: int, before: int = number) -> None:
            if progress:
                progress(before * total + done, models * total)

        stack, history = reference.train_saes(
            np.ascontiguousarray(activations)[None], settings, convention, [seed], advance
        )
        fitted.append(stack.arrays(0))
        histories.append(history)
    return SAE.of(fitted), pd.concat(histories, ignore_index=True)
