"""Trains the models of one piece of a search and says what came out: one row per model."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from precip_sae.interpretation.sensitivity import COUNTED, correlations_from_sums, mean_sensitive, reduction
from precip_sae.models.engine import kernels
from precip_sae.models.engine.moments import look, mean_hidden, score_networks
from precip_sae.models.engine.train import (
    NetworkShape,
    blocks,
    fit_autoencoders,
    hidden_blocks,
    pack,
    train_networks,
)
from precip_sae.models.initial import sae_weights
from precip_sae.models.reference import SCORE
from precip_sae.search.plan import Plan, Unit
from precip_sae.settings import MLPSettings, SAESettings

FITTED, UNTRAINED = "sae", "untrained"


@dataclass(frozen=True)
class Work:
    """What is done with every unit of a search: the same for all, sent to each worker once.

    Attributes:
        kind, outputs: of the task; see `reference.train_mlps`.
        threshold: of a sensitive input.
    """

    plan: Plan
    kind: str
    outputs: int
    mlp: MLPSettings
    sae: SAESettings
    threshold: float


def run_unit(work: Work, unit: Unit) -> pd.DataFrame:
    """Trains the unit's networks and SAEs (headline convention) on one thread and measures them on the test part.

    Returns:
        One row per model: subset, seed; loss and accuracy or mean absolute error on validation and test part;
        epochs and FVU of the SAE; L0 (latents above zero in a row), dead units and latents; and by way of counting
        (`sensitivity.COUNTED`) the mean number of sensitive inputs per hidden unit, latent and latent of the
        untrained SAE, and the reductions from the first to the other two.
    """
    prepared, models = work.plan.prepared[unit.rows], len(unit.seeds)
    shape = NetworkShape(unit.columns.shape[1], work.mlp.hidden, work.outputs, work.kind)
    networks = train_networks(prepared.train, prepared.validation, shape, work.mlp, unit.columns, unit.seeds, threads=1)
    pieces = blocks(models)
    hidden = hidden_blocks(
        networks.weights, shape, prepared.sae.x, unit.columns, pieces, kernels.padded(work.sae.batch)
    )
    mean = mean_hidden(hidden, pieces, len(prepared.sae))
    convention = work.sae.l1_conventions[0]
    fitted = fit_autoencoders(hidden, pieces, len(prepared.sae), work.sae, convention, unit.seeds)
    start = {int(seed): sae_weights(int(seed), work.mlp.hidden, work.sae.latents) for seed in np.unique(unit.seeds)}
    untrained = pack([start[int(seed)] for seed in unit.seeds])
    looked = look(
        networks.weights,
        shape,
        {FITTED: fitted.weights, UNTRAINED: untrained},
        prepared.test.x,
        unit.columns,
        mean,
        pieces,
    )
    test_loss, test_score = score_networks(networks.weights, shape, prepared.test, unit.columns, pieces)
    score = SCORE[work.kind]
    units = looked.units
    # errors in the unit of the response, squared for the loss of a regression; of several as they are, standardised
    own = 1.0 if prepared.data.several else prepared.response_scale
    unit_of = {"loss": own**2, score: own if work.kind == "regression" else 1.0}
    columns = {
        "subset": unit.subsets,
        "seed": unit.seeds,
        "val_loss": networks.val_loss[-1] * unit_of["loss"],
        f"val_{score}": networks.val_score[-1] * unit_of[score],
        "test_loss": test_loss * unit_of["loss"],
        f"test_{score}": test_score * unit_of[score],
        "epochs": fitted.epochs,
        "fvu": looked.fvu[FITTED],
        "active_per_row": units[FITTED].active.sum(axis=1) / units[FITTED].rows,
        "dead_units": (units["mlp"].active == 0).sum(axis=1),
        "dead_latents": (units[FITTED].active == 0).sum(axis=1),
    }
    r = {name: correlations_from_sums(s.rows, s.a, s.aa, s.x, s.xx, s.ax, s.varies) for name, s in units.items()}
    for counted in COUNTED:
        sensitive = {name: mean_sensitive(values, work.threshold, counted) for name, values in r.items()}
        columns |= {f"sensitive_{name}_{counted}": values for name, values in sensitive.items()}
        columns[f"reduction_{counted}"] = reduction(sensitive["mlp"], sensitive[FITTED])
        columns[f"reduction_untrained_{counted}"] = reduction(sensitive["mlp"], sensitive[UNTRAINED])
    return pd.DataFrame(columns)
