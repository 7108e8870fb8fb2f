"""Trains the models of one piece of a search and says what came out: one row per model."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from precip_sae.interpretation.sensitivity import COUNTED, correlations_from_sums, mean_sensitive, reduction
from precip_sae.models.engine import arithmetic
from precip_sae.models.engine.autoencoders import fit_autoencoders
from precip_sae.models.engine.blocks import blocks, pack
from precip_sae.models.engine.moments import look, mean_hidden, score_networks
from precip_sae.models.engine.networks import NetworkShape, hidden_blocks, train_networks
from precip_sae.models.initial import sae_weights
from precip_sae.models.reference import SCORE
from precip_sae.search import on_device
from precip_sae.search.measured import FITTED, UNTRAINED, Measured
from precip_sae.search.plan import Plan, Unit
from precip_sae.settings import MLPSettings, SAESettings


@dataclass(frozen=True)
class Work:
    """What is done with every unit of a search: the same for all, sent to each worker once.

    Attributes:
        kind, outputs: of the task; see `reference.train_mlps`.
        threshold: of a sensitive input.
        engine: who trains; see `settings.SubsetSettings`.
    """

    plan: Plan
    kind: str
    outputs: int
    mlp: MLPSettings
    sae: SAESettings
    threshold: float
    engine: str = "compiled"


def run_unit(work: Work, unit: Unit) -> pd.DataFrame:
    """Trains the unit's networks and SAEs (headline convention) and measures them on the test part.

    Returns:
        One row per model: subset, seed; loss and accuracy or mean absolute error on validation and test part;
        epochs and FVU of the SAE; L0 (latents above zero in a row), dead units and latents; and by way of counting
        (`sensitivity.COUNTED`) the mean number of sensitive inputs per hidden unit, latent and latent of the
        untrained SAE, and the reductions from the first to the other two.

    Raises:
        SettingsError: see `on_device.device_of`.
    """
    prepared = work.plan.prepared[unit.rows]
    if work.engine == "compiled":
        found = _by_engine(work, unit)
    else:
        device = on_device.device_of(work.engine)
        models = on_device.Models(unit.columns, unit.seeds, work.kind, work.outputs, device)
        found = on_device.measure(models, prepared, work.mlp, work.sae)
    score = SCORE[work.kind]
    units = found.looked.units
    # errors in the unit of the response, squared for the loss of a regression; of several as they are, standardised
    own = 1.0 if prepared.data.several else prepared.response_scale
    unit_of = {"loss": own**2, score: own if work.kind == "regression" else 1.0}
    columns = {
        "subset": unit.subsets,
        "seed": unit.seeds,
        "val_loss": found.val_loss * unit_of["loss"],
        f"val_{score}": found.val_score * unit_of[score],
        "test_loss": found.test_loss * unit_of["loss"],
        f"test_{score}": found.test_score * unit_of[score],
        "epochs": found.epochs,
        "fvu": found.looked.fvu[FITTED],
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


def _by_engine(work: Work, unit: Unit) -> Measured:
    """The unit's models by the compiled engine, on one thread."""
    prepared, models = work.plan.prepared[unit.rows], len(unit.seeds)
    shape = NetworkShape(unit.columns.shape[1], work.mlp.hidden, work.outputs, work.kind)
    networks = train_networks(prepared.train, prepared.validation, shape, work.mlp, unit.columns, unit.seeds, threads=1)
    pieces = blocks(models)
    hidden = hidden_blocks(
        networks.weights, shape, prepared.sae.x, unit.columns, pieces, arithmetic.padded(work.sae.batch)
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
    test = score_networks(networks.weights, shape, prepared.test, unit.columns, pieces)
    return Measured(networks.val_loss[-1], networks.val_score[-1], *test, fitted.epochs, looked)
