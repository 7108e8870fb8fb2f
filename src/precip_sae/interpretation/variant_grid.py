"""Dictionaries of many kinds on the same activations: fitted side by side, described alike, judged by any measure."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from numpy.typing import ArrayLike, NDArray

from precip_sae.interpretation.metrics import active_per_row, dead, fraction_of_variance_unexplained
from precip_sae.interpretation.sensitivity import COUNTED, correlations, mean_sensitive, reduction
from precip_sae.models.dictionary import Dictionary, decoded
from precip_sae.models.engine.variants import fit_variant
from precip_sae.settings import DescentSettings, VariantName


@dataclass(frozen=True)
class Fitted:
    """Dictionaries of one variant and width, on rows that none was trained on.

    Attributes:
        variant: its name.
        latents_per_unit: its width.
        penalties, seeds: of each dictionary [models].
        dictionary: the models themselves.
        network: inputs [rows, inputs] -> activations [models, rows, units], for gradients through it.
        inputs: what the network sees [rows, inputs].
        hidden: its activations [models, rows, units].
        mean: of the activations trained on [models, units].
        latents, reconstruction: of `hidden` [models, rows, ..].
        directions: of the latents [models, latents, units].
    """

    variant: str
    latents_per_unit: int
    penalties: list[float]
    seeds: list[int]
    dictionary: Dictionary
    network: Callable[[torch.Tensor], torch.Tensor]
    inputs: NDArray[np.float32]
    hidden: NDArray[np.float32]
    mean: NDArray[np.float64]
    latents: NDArray[np.float32]
    reconstruction: NDArray[np.float32]
    directions: NDArray[np.float32]


Judge = Callable[[Fitted], Mapping[str, ArrayLike]]
"""A measure, or several: columns by name, one number per dictionary [models]."""


@dataclass(frozen=True)
class Activations:
    """What dictionaries are fitted on and judged by, one set of activations per seed.

    Attributes:
        train: [seeds, rows, units].
        test: [seeds, rows, units], of the rows of `inputs`.
        inputs: [rows, inputs].
        network: models' places among the seeds -> map from inputs [rows, inputs] to activations [models, rows, units].
        seeds: in order.
    """

    train: NDArray[np.float32]
    test: NDArray[np.float32]
    inputs: NDArray[np.float32]
    network: Callable[[Sequence[int]], Callable[[torch.Tensor], torch.Tensor]]
    seeds: Sequence[int]


def fit_grid(
    activations: Activations,
    grid: Mapping[VariantName, Sequence[float]],
    latents_per_unit: int,
    settings: DescentSettings,
) -> Iterator[Fitted]:
    """Fits every variant with every weight of its penalty, all seeds and weights of a variant side by side.

    Args:
        grid: variant: weights of its penalty, or numbers of active latents.
        latents_per_unit: width of all dictionaries.
    """
    seeds, units = len(activations.seeds), activations.train.shape[2]
    for variant, weights in grid.items():
        place = list(range(seeds)) * len(weights)
        penalties = [weight for weight in weights for _ in range(seeds)]
        model_seeds = [activations.seeds[k] for k in place]
        train, hidden = activations.train[place], activations.test[place]
        dictionary = fit_variant(variant, train, latents_per_unit * units, penalties, settings, model_seeds)
        latents, reconstruction, directions = decoded(dictionary, hidden)
        yield Fitted(
            variant,
            latents_per_unit,
            penalties,
            model_seeds,
            dictionary,
            activations.network(place),
            activations.inputs,
            hidden,
            train.mean(axis=1, dtype=np.float64),
            latents,
            reconstruction,
            directions,
        )


def quality(fitted: Fitted) -> dict[str, NDArray[np.float64]]:
    """FVU, L0 and the share of dead latents of every dictionary (see `metrics`), each [models]."""
    return {
        "fvu": fraction_of_variance_unexplained(fitted.hidden, fitted.reconstruction, fitted.mean),
        "l0": active_per_row(fitted.latents),
        "dead": dead(fitted.latents).mean(axis=1),
    }


def published_sensitivity(threshold: float) -> Judge:
    """The study's measure by every way of counting: sensitive inputs per latent, and reduction from the hidden units.

    Args:
        threshold: an input is sensitive when |r| is above it.
    """

    def judge(fitted: Fitted) -> dict[str, NDArray[np.float64]]:
        latents = correlations(fitted.latents, fitted.inputs)
        units = correlations(fitted.hidden, fitted.inputs)
        found = {}
        for counted in COUNTED:
            after = mean_sensitive(latents, threshold, counted)
            found[f"sensitive_{counted}"] = after
            found[f"reduction_{counted}"] = reduction(mean_sensitive(units, threshold, counted), after)
        return found

    return judge


def described(fitted: Fitted, judges: Sequence[Judge], **same: object) -> pd.DataFrame:
    """One row per dictionary: what it is, how well it reconstructs, and what every judge says.

    Args:
        same: columns that all rows share.
    """
    columns = {
        "variant": fitted.variant,
        "latents_per_unit": fitted.latents_per_unit,
        "penalty": fitted.penalties,
        "seed": fitted.seeds,
    }
    for judge in (quality, *judges):
        columns |= judge(fitted)
    return pd.DataFrame(same | columns)


def middle(grid: Mapping[VariantName, Sequence[float]]) -> dict[VariantName, list[float]]:
    """The middle weight of every variant's penalty; of two in the middle the larger."""
    return {variant: [sorted(weights)[len(weights) // 2]] for variant, weights in grid.items()}
