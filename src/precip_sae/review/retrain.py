"""A few models of every task trained again, to see whether this machine gets the kept weights bit for bit."""

from collections.abc import Iterator

import torch

from precip_sae.models.stack import Stack
from precip_sae.review.derived import TRIED, require_models
from precip_sae.review.project import Project
from precip_sae.settings import TaskSettings


def training_faults(project: Project) -> Iterator[str]:
    """Models that come out with other weights than those that were kept."""
    for name, task in project.settings.tasks.items():
        require_models(project, name)
        for kind, kept, again in _pairs(project, name, task):
            for model, seed in enumerate(list(task.seeds)[: len(again)]):
                a, b = kept[model].named(), again[model].named()
                if not all(torch.equal(a[key], b[key]) for key in a):
                    yield f"models/{name}/{kind}: seed {seed}, trained again here, has other weights"
                    break


def _pairs(project: Project, name: str, task: TaskSettings) -> Iterator[tuple[str, Stack, Stack]]:
    """Kind, kept models and models trained now, of one task."""
    from precip_sae.models import engine
    from precip_sae.models.mlp import MLP
    from precip_sae.models.sae import SAE
    from precip_sae.models.skill import hidden_activations
    from precip_sae.models.store import load_models
    from precip_sae.tables.read import read_table
    from precip_sae.tasks.prepare import prepare

    folder, seeds, data = project.paths.models(name), list(task.seeds)[:TRIED], task.data
    prepared = prepare(read_table(project.paths.root / data.table, data), data)
    networks, _ = load_models(folder / "mlp", MLP)
    if task.mlp.network is None:  # one that was taken is not trained here
        again, _ = engine.train_mlps(prepared.train, prepared.validation, data.kind, data.outputs, task.mlp, seeds)
        yield "mlp", networks[:TRIED], again
    hidden = hidden_activations(networks[:TRIED], prepared.sae)
    for convention in task.sae.l1_conventions:
        saes, _ = load_models(folder / "sae" / convention, SAE)
        yield f"sae/{convention}", saes[:TRIED], engine.train_saes(hidden, task.sae, convention, seeds)[0]
