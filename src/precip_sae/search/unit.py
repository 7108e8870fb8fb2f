"""Trains the models of one piece of a search and says what came out: one row per model."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from precip_sae.interpretation.sensitivity import COUNTED, correlations_from_sums, mean_sensitive, reduction
from precip_sae.models.device.cuda import Cuda, Device
from precip_sae.models.device.training import Trainer
from precip_sae.models.engine import arithmetic
from precip_sae.models.engine.autoencoders import fit_autoencoders
from precip_sae.models.engine.blocks import Block, blocks, pack
from precip_sae.models.engine.moments import Evaluation, evaluate, mean_hidden, score_networks
from precip_sae.models.engine.networks import NetworkShape, hidden_blocks, train_networks
from precip_sae.models.initial import sae_weights
from precip_sae.models.reference import SCORE
from precip_sae.scheduling import side_by_side
from precip_sae.search.plan import Plan, Unit
from precip_sae.settings import MLPSettings, SAESettings

FITTED, UNTRAINED = "sae", "untrained"


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


@dataclass(frozen=True)
class Measured:
    """Skill of a unit's networks, and what their units and those of the SAEs respond to.

    Attributes:
        val_loss, val_score, test_loss, test_score: mean over the rows of the part, at the end of training [models].
        epochs: how many each SAE ran [models].
        evaluation: on the test part; its SAEs are FITTED and UNTRAINED.
    """

    val_loss: NDArray[np.float64]
    val_score: NDArray[np.float64]
    test_loss: NDArray[np.float64]
    test_score: NDArray[np.float64]
    epochs: NDArray[np.int64]
    evaluation: Evaluation


def run_unit(work: Work, unit: Unit) -> pd.DataFrame:
    """Trains the unit's networks and SAEs (headline convention) and measures them on the test part.

    Returns:
        One row per model: subset, seed; loss and accuracy or mean absolute error on validation and test part;
        epochs and FVU of the SAE; L0 (latents above zero in a row), dead units and latents; and by way of counting
        (`sensitivity.COUNTED`) the mean number of sensitive inputs per hidden unit, latent and latent of the
        untrained SAE, and the reductions from the first to the other two.

    Raises:
        SettingsError: see `device.cuda.Cuda` and `device.training.Trainer`.
    """
    prepared = work.plan.prepared[unit.rows]
    found = _by_engine(work, unit) if work.engine == "compiled" else _by_device(work, unit, Cuda())
    score = SCORE[work.kind]
    units = found.evaluation.units
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
        "fvu": found.evaluation.fvu[FITTED],
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
    prepared, shape, pieces = work.plan.prepared[unit.rows], _shape(work, unit), blocks(len(unit.seeds))
    networks = train_networks(prepared.train, prepared.validation, shape, work.mlp, unit.columns, unit.seeds, threads=1)
    hidden = _hidden(work, unit, networks.weights, pieces)
    mean = mean_hidden(hidden, pieces, len(prepared.sae))
    fitted = fit_autoencoders(
        hidden, pieces, len(prepared.sae), work.sae, work.sae.l1_conventions[0], unit.seeds
    )  # fmt: skip
    val = networks.val_loss[-1], networks.val_score[-1]
    return _measured(work, unit, networks.weights, mean, fitted.weights, fitted.epochs, val, threads=1)


def _by_device(work: Work, unit: Unit, device: Device) -> Measured:
    """The unit's models trained by a device, and measured by the engine on all threads."""
    prepared, shape, pieces = work.plan.prepared[unit.rows], _shape(work, unit), blocks(len(unit.seeds))
    trainer = Trainer(device, shape, work.mlp, work.sae, unit.columns, unit.seeds)
    networks = trainer.networks(prepared.train)
    saes, epochs = trainer.autoencoders(networks, prepared.sae, work.sae.l1_conventions[0])

    def mean_of(block: Block) -> NDArray[np.float64]:
        return mean_hidden(_hidden(work, unit, networks, [block]), [block], len(prepared.sae))

    mean = np.concatenate(side_by_side(mean_of, pieces))
    val = score_networks(networks, shape, prepared.validation, unit.columns, pieces, None, work.mlp.batch)
    return _measured(work, unit, networks, mean, saes, epochs, val, threads=None)


def _shape(work: Work, unit: Unit) -> NetworkShape:
    return NetworkShape(unit.columns.shape[1], work.mlp.hidden, work.outputs, work.kind)


def _hidden(work: Work, unit: Unit, networks: NDArray[np.float32], pieces: list[Block]) -> list[NDArray[np.float32]]:
    """Hidden activations of the SAE part; see `hidden_blocks`."""
    x, room = work.plan.prepared[unit.rows].sae.x, arithmetic.padded(work.sae.batch)
    return hidden_blocks(networks, _shape(work, unit), x, unit.columns, pieces, room)


def _measured(
    work: Work,
    unit: Unit,
    networks: NDArray[np.float32],
    mean: NDArray[np.float64],
    saes: NDArray[np.float32],
    epochs: NDArray[np.int64],
    val: tuple[NDArray[np.float64], NDArray[np.float64]],
    threads: int | None,
) -> Measured:
    """Trained models on the test part, and their SAEs as they started beside them."""
    test, shape, pieces = work.plan.prepared[unit.rows].test, _shape(work, unit), blocks(len(unit.seeds))
    start = {int(seed): sae_weights(int(seed), work.mlp.hidden, work.sae.latents) for seed in np.unique(unit.seeds)}
    untrained = pack([start[int(seed)] for seed in unit.seeds])
    sets = {FITTED: saes, UNTRAINED: untrained}
    evaluation = evaluate(networks, shape, sets, test.x, unit.columns, mean, pieces, threads)
    return Measured(*val, *score_networks(networks, shape, test, unit.columns, pieces, threads), epochs, evaluation)
