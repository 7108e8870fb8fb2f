"""SAEs of several seeds on the activations of one layer, and what their latents respond to, a seed at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from precip_sae.interpretation.measures import MEASURES, evaluate
from precip_sae.interpretation.responses import Inputs, Responses
from precip_sae.interpretation.sensitivity import correlations, sensitive_inputs
from precip_sae.interpretation.units import untrained_saes
from precip_sae.models import fitting
from precip_sae.models.reference import Progress
from precip_sae.models.sae import SAE
from precip_sae.settings import L1Convention, SAESettings, parse

COLUMNS = 256  # latents whose correlations are taken at a time
MATCHED_ROWS = 2000
MOST_MEASURED = 512  # units or latents, beyond which only the study's measure and its counts are taken
# Rows below which mutual information, of 10 x 10 bins, is left out: chance alone adds about 81 / (2 rows) to it (Miller
# 1955), and an input counts as sensitive from 0.087 on.
FEWEST_FOR_INFORMATION = 2000

# The measures that need no more than activations and inputs.
OF_ACTIVATIONS = {
    name: MEASURES[name]
    for name in (
        "published", "living", "every", "weighted", "spearman", "partial", "information", "effective",
        "effective_partial",
    )
}  # fmt: skip


@dataclass(frozen=True)
class Latents:
    """The latents of one SAE on the test rows.

    Attributes:
        r: correlation with each input [latents, inputs]; NaN where a latent does not vary.
        active: share of the rows in which each is above zero [latents].
        low, high: the 10th and 90th percentile of each input where the latent is active [latents, inputs].
        sample: activations on a sample of the rows, for matching [sampled rows, latents].
        unexplained: fraction of variance unexplained.
        values: what each of OF_ACTIVATIONS says of them; empty where there are more than MOST_MEASURED.
    """

    r: NDArray[np.float64]
    active: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    sample: NDArray[np.float32]
    unexplained: float
    values: dict[str, float] = field(default_factory=dict)


def settings_for(units: int, latents: int | None = None, epochs: int | None = None) -> SAESettings:
    """The study's SAE on any number of units, twice as many latents, and what it needs beyond the engine's sizes.

    The penalty keeps its weight against the error of one unit: the study's, 8 x 0.01 on the mean over 6 units, is 0.48
    on their sum. Wide SAEs take fewer and larger steps.

    Raises:
        SettingsError: more latents than an SAE may have.
    """
    count = 2 * units if latents is None else latents
    l1 = 0.48 / units
    steps = {} if fitting.by_engine(units, count) else {"epochs": 10, "batch": 256}
    steps |= {} if epochs is None else {"epochs": epochs}
    return parse(SAESettings, {"latents": count, "l1": l1, "l1_conventions": ["batch_mean"], **steps}, "explain")


def fitted(
    hidden: NDArray[np.float32],
    rows: int,
    settings: SAESettings,
    convention: L1Convention,
    seeds: Sequence[int],
    progress: Progress | None,
) -> Iterator[SAE]:
    """An SAE per seed, fitted on the first `rows` rows of hidden activations [rows, units]."""
    one = hidden[:rows]
    if fitting.by_engine(hidden.shape[1], settings.latents):
        everyone = np.broadcast_to(one, (len(seeds), *one.shape))
        stack, _ = fitting.fit_saes(everyone, settings, convention, seeds, progress)
        yield from (stack[k] for k in range(len(seeds)))
        return
    for number, seed in enumerate(seeds):

        def advance(done: int, total: int, before: int = number) -> None:
            if progress:
                progress(before * total + done, len(seeds) * total)

        yield fitting.fit_saes(one[None], settings, convention, [seed], advance)[0]


def control(seed: int, hidden: int, latents: int) -> SAE:
    """The SAE of a seed before any training."""
    return untrained_saes([seed], hidden, latents)


def latents_of(
    sae: SAE,
    hidden: NDArray[np.float32],
    inputs: Inputs,
    columns: NDArray[np.float64],
    mean: NDArray[np.float64],
) -> Latents:
    """What the latents of an SAE do on the test rows.

    Args:
        hidden: activations [rows, units]; inputs, columns: the inputs, as the model sees them and in their units
            [rows, inputs].
        mean: activation of each unit over the rows that the SAE was fitted on [units].
    """
    with torch.no_grad():
        made = sae.encode(torch.from_numpy(hidden))
        error = (sae.decode(made)[0].numpy().astype(np.float64) - hidden) ** 2
    activations = made[0].numpy()
    total = float(np.square(hidden.astype(np.float64) - mean).sum())
    quantiles = [_where_active(activations[:, k], columns) for k in range(activations.shape[1])]
    return Latents(
        r_with(activations, inputs.values),
        (activations > 0).mean(axis=0),
        np.array([low for low, _ in quantiles]),
        np.array([high for _, high in quantiles]),
        activations[:: max(1, len(activations) // MATCHED_ROWS)].copy(),
        float(error.sum()) / total if total > 0 else float("nan"),
        by_measure(activations, inputs),
    )


def by_measure(units: NDArray[np.float32], inputs: Inputs) -> dict[str, float]:
    """What each of OF_ACTIVATIONS says of some units [rows, units]; empty of more than MOST_MEASURED."""
    if units.shape[1] > MOST_MEASURED:
        return {}
    few = len(units) < FEWEST_FOR_INFORMATION
    chosen = {name: one for name, one in OF_ACTIVATIONS.items() if not (few and name == "information")}
    return evaluate(Responses(units, inputs), chosen)


def r_with(units: NDArray[np.float32], x: NDArray[np.floating]) -> NDArray[np.float64]:
    """Correlation of units [rows, units] with inputs [rows, inputs], some units at a time: [units, inputs]."""
    starts = range(0, units.shape[1], COLUMNS)
    pieces = [correlations(np.ascontiguousarray(units[None, :, s : s + COLUMNS]), x)[0] for s in starts]
    return np.concatenate(pieces)


def _where_active(activation: NDArray[np.float32], columns: NDArray[np.float64]) -> tuple[NDArray, NDArray]:
    rows = columns[activation > 0]
    if not len(rows):
        nothing = np.full(columns.shape[1], np.nan)
        return nothing, nothing
    low, high = np.quantile(rows, (0.1, 0.9), axis=0)
    return low, high


def matches(found: Sequence[Latents], seeds: Sequence[int]) -> pd.DataFrame:
    """For every living latent, how well its nearest latent of each other seed agrees with it.

    Returns:
        Columns seed, unit (from 0), agreement: the mean over the other seeds of the largest |correlation| with one of
        their latents, NaN with a single seed; and found_again: the share of them in which it is above 0.9.
    """
    scaled = [_scaled(latents.sample) for latents in found]
    rows = []
    for a, seed in enumerate(seeds):
        largest = [np.abs(scaled[a].T @ scaled[b]).max(axis=1) for b in range(len(seeds)) if b != a]
        best = np.stack(largest) if largest else np.full((1, scaled[a].shape[1]), np.nan)
        for unit in np.flatnonzero(~np.isnan(found[a].r).all(axis=1)):
            again = float((best[:, unit] > 0.9).mean()) if largest else float("nan")
            rows.append((seed, int(unit), float(best[:, unit].mean()), again))
    return pd.DataFrame(rows, columns=["seed", "unit", "agreement", "found_again"])


def _scaled(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Columns of mean 0 and length 1; a column that does not vary is 0."""
    centred = values - values.mean(axis=0, dtype=np.float64)
    length = np.sqrt(np.square(centred).sum(axis=0))
    return (centred / np.where(length > 0, length, 1.0)).astype(np.float32)


def latent_table(
    variant: str,
    seed: int,
    r: NDArray[np.float64],
    active: NDArray[np.float64],
    names: Sequence[str],
    threshold: float,
) -> pd.DataFrame:
    """One row per unit: variant, seed, unit, active, sensitive and r with every input."""
    frame = pd.DataFrame(r, columns=[f"r_{name}" for name in names])
    frame.insert(0, "sensitive", sensitive_inputs(r, threshold))
    frame.insert(0, "active", active)
    frame.insert(0, "unit", np.arange(len(frame)))
    frame.insert(0, "seed", seed)
    frame.insert(0, "variant", variant)
    return frame
