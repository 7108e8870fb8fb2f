"""What a layer can be taken apart into: its units, SAE latents, and the controls that an SAE has to be better than."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from precip_sae.interpretation.metrics import fraction_of_variance_unexplained
from precip_sae.models.engine.variants import fit_saes
from precip_sae.models.initial import sae_weights
from precip_sae.models.sae import SAE
from precip_sae.settings import DictionarySettings

KINDS = {
    "units": "hidden units",
    "sae": "SAE latents",
    "untrained": "latents of an untrained SAE",
    "pca": "principal components",
    "both": "hidden units and principal components",
    "random": "random directions",
    "wider": "units of a wider network",
}
"""Kinds of dictionaries and what their elements are called."""


class Coder(Protocol):
    """Anything that makes latents of activations and activations of latents: `models.sae.SAE`, or a variant of it."""

    def encode(self, h: torch.Tensor) -> torch.Tensor:
        """[models, rows, units] -> [models, rows, latents]."""

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        """[models, rows, latents] -> [models, rows, units]."""


Maker = Callable[[NDArray[np.float32], Sequence[int]], Mapping[str, Coder]]
"""Further dictionaries: scaled activations to be fitted on [models, rows, units], and seeds, to coders by kind."""


@dataclass(frozen=True)
class Dictionary:
    """The elements of a layer as one kind of dictionary takes it apart.

    Attributes:
        kind: of KINDS; l1: weight of the SAE's penalty, None without.
        units: activations on the test rows [models, rows, elements].
        fvu: share of the layer's variance that it leaves unexplained [models]; NaN where it does not reconstruct.
    """

    kind: str
    units: NDArray[np.float32]
    fvu: NDArray[np.float64]
    l1: float | None = None


def dictionaries(
    fit: NDArray[np.float32],
    test: NDArray[np.float32],
    settings: DictionarySettings,
    seeds: Sequence[int],
    wider: NDArray[np.float32] | None = None,
    more: Maker | None = None,
) -> list[Dictionary]:
    """A layer's units, SAEs of every penalty, and controls.

    An SAE has `settings.latents_per_unit` elements per unit, and so have an SAE with its initial weights, random
    directions (normally distributed, of unit length, no threshold) and the same layer of a network that is as much
    wider. There are as many principal components as units; both together are what one has without an SAE, and are as
    many as the latents if these are two per unit.

    Args:
        fit: activations that dictionaries are fitted on [models, rows, units]; test: those that are looked at.
        seeds: one per model.
        wider: activations of the wider network on the test rows [models, rows, more units]; None: there is none.
        more: makes further kinds, from activations scaled as `scales` says.
    """
    nothing = np.full(len(fit), np.nan)
    latents = settings.latents_per_unit * fit.shape[2]
    mean, scale = fit.mean(axis=1, dtype=np.float64), scales(fit)
    first = SAE.of([sae_weights(seed, fit.shape[2], latents) for seed in seeds])
    components = _principal(fit, test)
    found = [
        Dictionary("units", test, np.zeros(len(fit))),
        Dictionary("pca", components, np.zeros(len(fit))),
        Dictionary("both", np.concatenate([test, components], axis=2), np.zeros(len(fit))),
        Dictionary("untrained", coded(first, test / scale)[0], nothing),
        Dictionary("random", _random(test, latents, seeds), nothing),
    ]
    if wider is not None:
        found.append(Dictionary("wider", wider, nothing))
    coders = [("sae", l1, c) for l1, c in zip(settings.l1, fit_saes(fit / scale, settings, seeds), strict=True)]
    coders += [(kind, None, coder) for kind, coder in (more(fit / scale, seeds) if more else {}).items()]  # type: ignore[misc]
    for kind, l1, coder in coders:
        latents_of, back = coded(coder, test / scale)
        fvu = fraction_of_variance_unexplained(test / scale, back, mean / scale[:, 0])
        found.append(Dictionary(kind, latents_of, fvu, l1))
    return found


def scales(h: NDArray[np.float32]) -> NDArray[np.float32]:
    """By what activations are divided, [models, 1, 1], so that a unit's variance is 1 on average over the units.

    A penalty then weighs as much in every layer. 1 for a layer that is dead.

    Args:
        h: [models, rows, units].
    """
    variance = h.var(axis=1, dtype=np.float64).mean(axis=1)
    return np.sqrt(np.where(variance > 0, variance, 1.0)).astype(np.float32)[:, None, None]


def coded(coder: Coder, h: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Latents [models, rows, latents] and reconstruction [models, rows, units] of h [models, rows, units]."""
    with torch.no_grad():
        latents = coder.encode(torch.from_numpy(h))
        return latents.numpy(), coder.decode(latents).numpy()


def _principal(fit: NDArray[np.float32], test: NDArray[np.float32]) -> NDArray[np.float32]:
    """Principal components of the activations, fitted on one part and taken of the other, [models, rows, units]."""
    mean = fit.mean(axis=1, keepdims=True, dtype=np.float64)
    centred = fit - mean
    _, directions = np.linalg.eigh(centred.transpose(0, 2, 1) @ centred)
    return ((test - mean) @ directions[:, :, ::-1]).astype(np.float32)


def _random(test: NDArray[np.float32], how_many: int, seeds: Sequence[int]) -> NDArray[np.float32]:
    directions = np.stack([np.random.default_rng([seed, 11]).normal(size=(test.shape[2], how_many)) for seed in seeds])
    return (test @ (directions / np.linalg.norm(directions, axis=1, keepdims=True))).astype(np.float32)
