"""Trains dictionaries of every kind with the compiled loop of `dictionary_kernels`, models on several threads.

The results are those of `models.variant_training`, model by model, up to the rounding of float32; they depend neither
on the models trained beside one nor on the number of threads.
"""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from precip_sae.models import variant_training
from precip_sae.models.engine import dictionary_kernels as kernels
from precip_sae.models.engine.arithmetic import refuse_flushing
from precip_sae.models.initial import sae_weights
from precip_sae.models.reference import KerasAdam, adam_step_size, batches
from precip_sae.models.sae import SAE
from precip_sae.models.variant_training import RESAMPLED, WEIGHTS, resample, row_batches, schedule
from precip_sae.models.variants import VARIANTS, BatchTopK, Matryoshka, TopK, Variant, prefixes
from precip_sae.scheduling import side_by_side
from precip_sae.settings import DescentSettings, DictionarySettings

_KINDS = {
    "keras3": kernels.PUBLISHED, "batch_mean": kernels.PUBLISHED, "l1": kernels.L1, "topk": kernels.TOPK,
    "batch_topk": kernels.BATCH_TOPK, "matryoshka": kernels.BATCH_TOPK, "jumprelu": kernels.JUMPRELU,
    "gated": kernels.GATED,
}  # fmt: skip
_EXTRA = {"jumprelu": ["log_threshold"], "gated": ["magnitude.scale", "magnitude.bias"]}
"""What a variant learns besides the weights of an SAE."""

Arrays = dict[str, NDArray[np.float32]]


class _Parameters:
    """Weights of one dictionary and their moments, as `dictionary_kernels.descend` wants them."""

    def __init__(self, arrays: Arrays, extra: Sequence[str] = ()) -> None:
        self.units, self.latents = arrays["encoder.weight"].shape
        self.extra = list(extra)
        self.w = self._flat(arrays)
        self.m, self.v = np.zeros_like(self.w), np.zeros_like(self.w)

    def _flat(self, arrays: Arrays) -> NDArray[np.float32]:
        parts = [
            arrays["encoder.weight"].ravel(), arrays["encoder.bias"], arrays["decoder.weight"].T.ravel(),
            arrays["decoder.bias"], *(arrays[name] for name in self.extra),
        ]  # fmt: skip
        empty = np.zeros(self.latents * (2 - len(self.extra)), np.float32)
        return np.concatenate([*parts, empty]).astype(np.float32)

    def named(self, flat: NDArray[np.float32]) -> Arrays:
        """The named arrays of w, m or v."""
        sizes = [self.units * self.latents, self.latents, self.units * self.latents, self.units, self.latents]
        encoder, bias, decoder, decoder_bias, first, second = np.split(flat, np.cumsum(sizes))
        found = {
            "encoder.weight": encoder.reshape(self.units, self.latents), "encoder.bias": bias,
            "decoder.weight": decoder.reshape(self.units, self.latents).T, "decoder.bias": decoder_bias,
        }  # fmt: skip
        found |= dict(zip(self.extra, (first, second), strict=False))
        return {name: np.ascontiguousarray(value) for name, value in found.items()}

    def resampled(
        self,
        kind: type[Variant],
        x: NDArray[np.float32],
        scale: NDArray[np.float32],
        dead: NDArray[np.bool_],
        draws: np.random.Generator,
    ) -> None:
        """Starts dead latents anew, see `variant_training.resample`; x: scaled activations [rows, units]."""
        stack = kind.of([self.named(self.w) | {"scale": scale}])
        moving = [name for name in stack.names if name not in kind.FIXED]
        adam = KerasAdam(nn.ParameterList(stack.named()[name] for name in moving), 0.0)
        moments = self.named(self.m), self.named(self.v)
        adam.m, adam.v = ([torch.from_numpy(each[name])[None] for name in moving] for each in moments)
        with torch.no_grad():
            resample(stack, adam, torch.from_numpy(x)[None], torch.from_numpy(dead)[None], [draws])
        self.w[:] = self._flat(stack.arrays(0))
        self.m[:], self.v[:] = (self._flat(each) for each in moments)


def fit_variant(
    name: str,
    activations: NDArray[np.float32],
    latents: int,
    penalties: Sequence[float],
    settings: DescentSettings,
    seeds: Sequence[int],
    threads: int | None = None,
) -> Variant:
    """`variant_training.fit_variant`, compiled; arguments and results are the same.

    A variant that the compiled loop does not know is trained there.

    Args:
        threads: models that are trained at once (default: all CPUs); changes no bit.
    """
    if name not in _KINDS:
        return variant_training.fit_variant(name, activations, latents, penalties, settings, seeds)
    torch.set_num_threads(1)
    kind, steps = VARIANTS[name], settings.steps
    stack = kind.start(activations, latents, [np.random.default_rng([seed, WEIGHTS]) for seed in seeds])
    with torch.no_grad():
        scaled = stack.scaled(torch.from_numpy(activations)).numpy()
    orders = {seed: _order(seed, scaled.shape[1], settings) for seed in set(seeds)}
    plan = schedule(kind, settings)
    sizes = np.array([adam_step_size(rate, step + 1) for step, rate in enumerate(plan.rates)], np.float32)
    selecting = issubclass(kind, TopK | BatchTopK)
    batch = min(settings.batch, scaled.shape[1])
    edges = np.array(prefixes(latents) if issubclass(kind, Matryoshka) else [latents])

    def work(model: int) -> Arrays:
        refuse_flushing()
        arrays, x = stack.arrays(model), np.ascontiguousarray(scaled[model])
        own = _Parameters(arrays, _EXTRA.get(name, ()))
        silent, least = np.zeros(latents, np.float32), np.zeros(1, np.float32)
        k = float(penalties[model]) if selecting else 0.0
        paid = np.float32(penalties[model]) * np.array(plan.grown, np.float32)
        paid = paid if name == "keras3" else paid / np.float32(batch)
        draws = np.random.default_rng([seeds[model], RESAMPLED])
        starts = np.arange(steps + 1) * batch
        stops = sorted({0, *plan.pauses, steps})
        for first, last in pairwise(stops):
            kernels.descend(
                _KINDS[name], x, orders[seeds[model]], starts[first : last + 1], paid[first:last], sizes[first:last],
                edges, k, kind.UNIT_NORM, not kind.UNIT_NORM, silent, np.float32(plan.patience),
                plan.slows_from - first if selecting else steps, least, own.w, own.m, own.v,
            )  # fmt: skip
            if last in plan.pauses:
                own.resampled(kind, x, arrays["scale"], silent > np.float32(plan.patience), draws)
                silent[:] = 0.0
        found = arrays | own.named(own.w)
        found |= {"k": np.array(penalties[model], np.float32)} if selecting else {}
        return found | ({"threshold": least[0]} if issubclass(kind, BatchTopK) else {})

    return kind.of(side_by_side(work, range(len(seeds)), threads))


def _order(seed: int, rows: int, settings: DescentSettings) -> NDArray[np.int64]:
    return torch.cat(list(row_batches([seed], rows, settings)), dim=1)[0].numpy()


def fit_saes(
    h: NDArray[np.float32], settings: DictionarySettings, seeds: Sequence[int], threads: int | None = None
) -> list[SAE]:
    """SAEs of every penalty, one per model; `reference.sae_loss` with the penalty's mean over a batch.

    The study's SAE sees rows in time order in batches of 8. Here they come in batches large enough to train hundreds
    of SAEs, and in a random order, the same for all, since a large batch in time order would be one storm.

    Args:
        h: scaled activations [models, rows, units].
        threads: SAEs that are trained at once (default: all CPUs); changes no bit.

    Returns:
        One stack per penalty, in the order of `settings.l1`.
    """
    rows, units = h.shape[1:]
    latents = settings.latents_per_unit * units
    generator = np.random.default_rng(0)
    order = np.concatenate([generator.permutation(rows) for _ in range(settings.epochs)])
    ends = np.array([batch.stop for batch in batches(rows, settings.batch)])
    starts = np.concatenate([[0], *(ends + epoch * rows for epoch in range(settings.epochs))])
    counts = np.diff(starts).astype(np.float32)
    sizes = np.array([adam_step_size(settings.learning_rate, step + 1) for step in range(len(counts))], np.float32)

    def work(piece: tuple[float, int]) -> Arrays:
        l1, model = piece
        own = _Parameters(sae_weights(seeds[model], units, latents))
        kernels.descend(
            kernels.PUBLISHED, np.ascontiguousarray(h[model]), order, starts, np.float32(l1) / counts, sizes,
            np.array([latents]), 0.0, False, True, np.zeros(latents, np.float32), np.float32(np.inf), len(counts),
            np.zeros(1, np.float32), own.w, own.m, own.v,
        )  # fmt: skip
        return own.named(own.w)

    pieces = [(l1, model) for l1 in settings.l1 for model in range(len(h))]
    found = side_by_side(work, pieces, threads)
    return [SAE.of(found[start : start + len(h)]) for start in range(0, len(found), len(h))]
