"""The readable training of the variants, one loop for all: the specification of what `engine.variants` compiles."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from precip_sae.models.reference import KerasAdam
from precip_sae.models.variants import VARIANTS, BatchTopK, Gated, TopK, Variant
from precip_sae.settings import DescentSettings

# Streams of random numbers per purpose; 0 to 2 are those of `initial`.
WEIGHTS, ROWS, RESAMPLED = 3, 4, 5

SLOWING = 0.2
"""Last share of the steps, in which the step size falls to zero."""
WARMING = 0.2
"""First share of the steps, in which a penalty that warms up grows."""
SILENT = 0.05
"""A latent is dead once it has been silent for this share of the steps."""
RESAMPLING = (0.25, 0.5)
"""Shares of the steps after which dead latents start anew."""
RESAMPLED_NORM = 0.2
"""Norm of a resampled latent's encoder, as a share of the living ones' mean."""


def fit_variant(
    name: str,
    activations: NDArray[np.float32],
    latents: int,
    penalties: Sequence[float],
    settings: DescentSettings,
    seeds: Sequence[int],
) -> Variant:
    """Trains one dictionary per model, all side by side; equal seeds see the same rows in the same order.

    Args:
        name: a key of `VARIANTS`.
        activations: [models, rows, units].
        latents: of each dictionary.
        penalties: for each model the weight of its sparsity penalty, or its k [models].
        settings: steps, rows per step and step size.
        seeds: of the initial weights and the order of the rows [models]; models may share a seed.

    Returns:
        The trained stack, in the order of `seeds`.
    """
    torch.set_num_threads(1)  # one thread gives the same bytes everywhere
    kind = VARIANTS[name]
    stack = kind.start(activations, latents, [np.random.default_rng([seed, WEIGHTS]) for seed in seeds])
    resampling = [np.random.default_rng([seed, RESAMPLED]) for seed in seeds]
    weight = torch.tensor(penalties, dtype=torch.float32)
    if isinstance(stack, TopK | BatchTopK):
        with torch.no_grad():
            stack.k.copy_(weight)
    moving = [value for parameter, value in stack.named().items() if parameter not in kind.FIXED]
    adam = KerasAdam(nn.ParameterList(moving), settings.learning_rate)
    if kind.UNIT_NORM:
        stack.decoder_weight.register_hook(lambda gradient: across(gradient, stack.decoder_weight))
    with torch.no_grad():
        x = stack.scaled(torch.from_numpy(activations))
    silent = torch.zeros(len(seeds), latents)
    least = torch.zeros(len(seeds))
    first = torch.arange(len(seeds))[:, None] * x.shape[1]
    plan = schedule(kind, settings)
    for step, rows in enumerate(row_batches(seeds, x.shape[1], settings)):
        batch = x.flatten(0, 1).index_select(0, (rows + first).flatten()).reshape(*rows.shape, -1)
        loss, active = stack.objective(batch, plan.grown[step] * weight, silent > plan.patience)
        adam.learning_rate = plan.rates[step]
        adam.step(loss.sum())
        with torch.no_grad():
            silent = torch.where(active.amax(dim=1) > 0, 0.0, silent + 1)
            if kind.UNIT_NORM:
                stack.decoder_weight.div_(stack.decoder_weight.norm(dim=2, keepdim=True))
            if step + 1 in plan.pauses:
                resample(stack, adam, x, silent > plan.patience, resampling)
                silent.zero_()
            if issubclass(kind, BatchTopK) and step >= plan.slows_from:
                kept = torch.where(active > 0, active, torch.inf).amin(dim=(1, 2))
                least += torch.where(kept.isfinite(), kept, 0.0) / (settings.steps - plan.slows_from)
    if isinstance(stack, BatchTopK):
        with torch.no_grad():
            stack.threshold.copy_(least)
    return kind({parameter: value.detach() for parameter, value in stack.named().items()})


@dataclass(frozen=True)
class Schedule:
    """What changes from step to step of a training.

    Attributes:
        rates: Adam's step size [steps], falling to zero over the last SLOWING of them; slows_from: the first of these.
        grown: what the penalty is multiplied by [steps].
        pauses: numbers of steps after which dead latents start anew.
        patience: steps after which a silent latent is dead.
    """

    rates: list[float]
    slows_from: int
    grown: list[float]
    pauses: list[int]
    patience: float


def schedule(kind: type[Variant], settings: DescentSettings) -> Schedule:
    """The schedule of a variant."""
    steps = settings.steps
    slowing = max(int(SLOWING * steps), 1)
    return Schedule(
        rates=[settings.learning_rate * min((steps - step) / slowing, 1.0) for step in range(steps)],
        slows_from=steps - slowing,
        grown=[min((step + 1) / (WARMING * steps), 1.0) if kind.WARMS_UP else 1.0 for step in range(steps)],
        pauses=[int(share * steps) for share in RESAMPLING] if kind.RESAMPLES else [],
        patience=SILENT * steps,
    )


def row_batches(seeds: Sequence[int], rows: int, settings: DescentSettings) -> Iterator[torch.Tensor]:
    """The rows of every step, [models, rows of a batch]: whole passes in a new order each, the partial batch left out.

    Yields:
        `settings.steps` tensors.
    """
    size = min(settings.batch, rows)
    per_pass = rows // size
    distinct = sorted(set(seeds))
    place = torch.tensor([distinct.index(seed) for seed in seeds])
    generators = [np.random.default_rng([seed, ROWS]) for seed in distinct]
    for step in range(settings.steps):
        at = step % per_pass
        if at == 0:
            order = torch.from_numpy(np.stack([generator.permutation(rows) for generator in generators]))
        yield order[place, at * size : (at + 1) * size]


def across(gradient: torch.Tensor, decoder: torch.Tensor) -> torch.Tensor:
    """The part of a gradient that turns the rows of D and does not stretch them (Bricken et al. 2023, appendix)."""
    unit = decoder.detach()
    return gradient - (gradient * unit).sum(dim=2, keepdim=True) * unit


def resample(
    stack: Variant,
    adam: KerasAdam,
    x: torch.Tensor,
    dead: torch.Tensor,
    generators: Sequence[np.random.Generator],
) -> None:
    """Starts dead latents anew, each towards a row that is badly reconstructed.

    Bricken et al. 2023, appendix "Neuron resampling": rows are drawn in proportion to their squared loss; the decoder
    becomes the direction of the row (less d), the encoder the same with RESAMPLED_NORM of the living encoders' mean
    norm, the bias 0, and Adam forgets the latent.

    Args:
        x: scaled activations [models, rows, units].
        dead: [models, latents].
    """
    loss = (x - stack.after(stack.active(x))).square().sum(dim=2)
    norms = stack.encoder_weight.norm(dim=1)
    for model in dead.any(dim=1).nonzero()[:, 0].tolist():
        gone = dead[model].nonzero()[:, 0]
        chance = loss[model].double().square()
        if not float(chance.sum()) > 0:
            continue
        drawn = generators[model].choice(len(chance), size=len(gone), p=(chance / chance.sum()).numpy())
        rows = x[model, torch.from_numpy(drawn)] - stack.decoder_bias[model]
        rows = rows / rows.norm(dim=1, keepdim=True).clamp_min(1e-12)
        living = norms[model][~dead[model]]
        norm = RESAMPLED_NORM * (living.mean() if len(living) else torch.ones(()))
        stack.decoder_weight[model, gone] = rows
        stack.encoder_weight[model][:, gone] = norm * rows.T
        stack.encoder_bias[model, gone] = 0.0
        if isinstance(stack, Gated):
            stack.magnitude_scale[model, gone] = 0.0
            stack.magnitude_bias[model, gone] = 0.0
        for weight, m, v in zip(adam.weights, adam.m, adam.v, strict=True):
            for moment in (m, v):
                if weight is stack.encoder_weight:
                    moment[model][:, gone] = 0.0
                elif weight is not stack.decoder_bias:
                    moment[model, gone] = 0.0
