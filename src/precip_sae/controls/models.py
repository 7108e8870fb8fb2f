"""Networks trained otherwise, and SAEs on them, through the same pipeline as the task's own."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from precip_sae.models import engine
from precip_sae.models.engine.blocks import unpack
from precip_sae.models.engine.networks import NetworkShape, train_networks
from precip_sae.models.initial import mlp_weights
from precip_sae.models.mlp import MLP
from precip_sae.models.sae import SAE
from precip_sae.settings import MLPSettings, SAESettings
from precip_sae.tasks.prepare import Part, Prepared


@dataclass(frozen=True)
class Pipeline:
    """How networks and SAEs are trained.

    Attributes:
        convention: of the SAE's penalty, see `reference.sae_loss`.
        seeds: one model each.
    """

    mlp: MLPSettings
    sae: SAESettings
    convention: str
    seeds: Sequence[int]


def untrained_networks(prepared: Prepared, pipeline: Pipeline) -> MLP:
    """The networks as they start."""
    sizes = (prepared.train.x.shape[1], pipeline.mlp.hidden, prepared.data.outputs)
    return MLP.of([mlp_weights(seed, *sizes) for seed in pipeline.seeds])


def networks(
    prepared: Prepared, pipeline: Pipeline, hidden: int | None = None, hidden_l1: float = 0.0, shuffled: bool = False
) -> MLP:
    """Networks trained as the task's, but for one thing.

    Args:
        hidden: units instead of the task's.
        hidden_l1: weight of the penalty on the hidden activations, see `reference.train_mlps`.
        shuffled: responses of the training part in random order, the same for all seeds: nothing is left to learn
            but their distribution.
    """
    mlp = pipeline.mlp if hidden is None else pipeline.mlp.model_copy(update={"hidden": hidden})
    train = shuffled_responses(prepared.train) if shuffled else prepared.train
    sizes = (train.x.shape[1], mlp.hidden, prepared.data.outputs)
    trained = train_networks(
        train,
        prepared.validation,
        NetworkShape(*sizes, prepared.data.kind),
        mlp,
        np.tile(np.arange(sizes[0]), (len(pipeline.seeds), 1)),
        np.asarray(pipeline.seeds),
        hidden_l1=hidden_l1,
    )
    return unpack(trained.weights, mlp_weights(0, *sizes), MLP)


def shuffled_responses(part: Part) -> Part:
    """The part with its responses in random order; the same order in every run."""
    return replace(part, y=part.y[np.random.default_rng(0).permutation(len(part))])


def trained_otherwise(prepared: Prepared, pipeline: Pipeline, hidden_l1: float) -> dict[str, MLP]:
    """The networks that controls need: not trained, of shuffled labels, as wide as the SAE, with the penalty itself.

    Args:
        hidden_l1: weight of that penalty.
    """
    return {
        "untrained_network": untrained_networks(prepared, pipeline),
        "shuffled": networks(prepared, pipeline, shuffled=True),
        "wide": networks(prepared, pipeline, hidden=pipeline.sae.latents),
        "penalised": networks(prepared, pipeline, hidden_l1=hidden_l1),
    }


def fitted_saes(stack: MLP, prepared: Prepared, pipeline: Pipeline) -> SAE:
    """SAEs on the hidden activations of networks, as the task's are fitted on its own."""
    hidden = engine.hidden_activations(stack, prepared.sae.x)
    saes, _ = engine.train_saes(hidden, pipeline.sae, pipeline.convention, list(pipeline.seeds))
    return saes
