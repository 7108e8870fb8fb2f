"""Models that differ from a task's own in one thing alone: rounding, row order, a seed, or the simulated table.

Each replicate stands beside the task's own model of the same seed, so that differences are due to that thing.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from precip_sae.files import read_json
from precip_sae.interpretation.compared import redrawn_measures
from precip_sae.interpretation.dictionaries import hidden_units, latents
from precip_sae.interpretation.redrawn import OF_CORRELATIONS
from precip_sae.interpretation.responses import Inputs
from precip_sae.interpretation.sensitivity import correlations, reduction
from precip_sae.models import engine
from precip_sae.models.engine.blocks import pack, unpack
from precip_sae.models.engine.networks import NetworkShape, train_networks
from precip_sae.models.initial import mlp_weights, sae_weights
from precip_sae.models.mlp import MLP
from precip_sae.models.sae import SAE
from precip_sae.scheduling import side_by_side
from precip_sae.settings import DataSettings, MLPSettings, SAESettings, SimulationSettings
from precip_sae.tasks.episodes import Episodes
from precip_sae.tasks.prepare import Prepared, prepare

# Added to a seed for another one: beyond all seeds that a task may have (settings.MOST_SEEDS).
OTHER = 1_000_000
SIMULATED = "data/observations.parquet"  # the table that `precip-sae simulate` writes
MODELS_AT_ONCE = 16  # activations of so many are in memory together

# What is changed alone, in words.
SOURCES = {
    "rounding": "rounding (network)",
    "rounding_sae": "rounding (SAE)",
    "order": "order of the rows",
    "sae_seed": "initial weights of the SAE",
    "network_seed": "initial weights of the network",
    "seeds": "all seeds together",
    "data": "simulated table",
    "storms": "storms of the test part",
}

Values = NDArray[np.float64]
Reductions = dict[str, Values]
"""By measure of `OF_CORRELATIONS`, the reduction of each model."""


@dataclass(frozen=True)
class Study:
    """What all replicates share.

    Attributes:
        convention: of the SAE's penalty, see `reference.sae_loss`.
    """

    mlp: MLPSettings
    sae: SAESettings
    convention: str


def next_numbers(weights: NDArray[np.float32]) -> NDArray[np.float32]:
    """Weights moved up by one unit in the last place; zeros stay."""
    return np.where(weights == 0, weights, np.nextafter(weights, np.float32(np.inf)))


def on_storms(
    networks: MLP, saes: SAE, inputs: NDArray[np.float32], episodes: Episodes, resamples: int
) -> list[Reductions]:
    """The reductions of every model with the episodes of the test part drawn anew, one entry per draw."""
    held = Inputs(inputs)
    dictionaries = {"mlp": hidden_units(networks, held), "sae": latents(networks, saes, held)}
    redrawn = redrawn_measures(dictionaries, len(networks), episodes, resamples)
    fallen = {name: reduction(of["mlp"][1], of["sae"][1]) for name, of in redrawn.items()}
    return [{name: values[k] for name, values in fallen.items()} for k in range(resamples)]


def reductions(networks: MLP, saes: SAE, inputs: NDArray[np.float32]) -> Reductions:
    """The reduction from the hidden units to the latents of every model.

    Args:
        inputs: standardised inputs of the test part [rows, inputs].

    Returns:
        {measure: [models]}.
    """
    found: dict[str, list[Values]] = {name: [] for name in OF_CORRELATIONS}
    for start in range(0, len(networks), MODELS_AT_ONCE):
        which = slice(start, start + MODELS_AT_ONCE)
        hidden = engine.hidden_activations(networks[which], inputs)
        with torch.no_grad():
            coded = saes[which].encode(torch.from_numpy(hidden)).numpy()
        before, after = correlations(hidden, inputs), correlations(coded, inputs)
        for name, measure in OF_CORRELATIONS.items():
            found[name].append(reduction(measure(before), measure(after)))
    return {name: np.concatenate(parts).round(9) for name, parts in found.items()}


def replicates(
    prepared: Prepared, study: Study, networks: MLP, saes: SAE, seeds: Sequence[int], threads: int | None = None
) -> dict[str, list[Reductions]]:
    """A task's own models and their replicates on the same table: {source: [own, replicate]}.

    Args:
        networks, saes: the task's own models of these seeds, trained as `study` says.
        threads: see `engine.train_networks`; changes no bit.
    """
    sizes = (prepared.train.x.shape[1], study.mlp.hidden, prepared.data.outputs)
    own = np.asarray(seeds)
    other = own + OTHER
    first = pack([mlp_weights(int(seed), *sizes) for seed in own])
    starts = {"rounding": next_numbers(first), "order": first}
    starts["network_seed"] = pack([mlp_weights(int(seed), *sizes) for seed in other])
    orders = np.concatenate([own, other, own])
    shape = NetworkShape(*sizes, prepared.data.kind)
    columns = np.tile(np.arange(sizes[0]), (len(orders), 1))
    trained = train_networks(
        prepared.train, prepared.validation, shape, study.mlp, columns, orders, threads=threads,
        start=np.concatenate(list(starts.values())),
    )  # fmt: skip
    changed_networks = unpack(trained.weights, mlp_weights(0, *sizes), MLP)

    sae_sizes = (study.mlp.hidden, study.sae.latents)
    plain = pack([sae_weights(int(seed), *sae_sizes) for seed in own])
    sae_starts = dict.fromkeys(starts, plain)
    sae_starts["rounding_sae"] = next_numbers(plain)
    sae_starts["sae_seed"] = pack([sae_weights(int(seed), *sae_sizes) for seed in other])
    # the SAEs that are changed alone stand on the task's own networks
    on = torch.arange(len(own)).repeat(2)
    stack = MLP({name: torch.cat([p, networks.named()[name][on]]) for name, p in changed_networks.named().items()})
    hidden = engine.hidden_activations(stack, prepared.sae.x)
    fitted, _ = engine.train_saes(
        hidden, study.sae, study.convention, list(range(len(hidden))), threads=threads,
        start=np.concatenate(list(sae_starts.values())),
    )  # fmt: skip
    changed = reductions(stack, fitted, prepared.test.x)
    base = reductions(networks, saes, prepared.test.x)
    split = {name: np.split(values, len(sae_starts)) for name, values in changed.items()}
    return {source: [base, {name: split[name][k] for name in split}] for k, source in enumerate(sae_starts)}


def own_table_of(settings: SimulationSettings, source: Path, table: str) -> bool:
    """Whether a task's table is the simulation that params.yaml describes, so that others like it can be made."""
    written = read_json(source)
    return table == SIMULATED and written == {"kind": "simulation", **settings.model_dump()}


def simulated(
    data: DataSettings,
    study: Study,
    table: Callable[[int], pd.DataFrame],
    table_seeds: Sequence[int],
    seeds: Sequence[int],
) -> list[Reductions]:
    """The same models on other simulated tables, one entry per table.

    Args:
        data: of the task.
        table: gives the simulation of a seed, as long as the task's own.
        table_seeds: of the simulations; seeds: of the models.
    """

    def work(table_seed: int) -> Reductions:
        prepared = prepare(table(table_seed), data)
        networks, _ = engine.train_mlps(
            prepared.train, prepared.validation, data.kind, data.outputs, study.mlp, seeds, threads=1
        )
        hidden = engine.hidden_activations(networks, prepared.sae.x)
        saes, _ = engine.train_saes(hidden, study.sae, study.convention, seeds, threads=1)
        return reductions(networks, saes, prepared.test.x)

    return side_by_side(work, list(table_seeds), None)
