"""The units of a task's networks and the latents of its SAEs, side by side: one table, one summary.

Variants: `mlp`, the hidden units; one per L1 convention, the latents of the fitted SAEs; and the control
`untrained`, the latents of the same SAEs with their initial weights. A reduction that the control shows as well is
no finding about training.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from precip_sae.errors import StageError
from precip_sae.interpretation import metrics
from precip_sae.interpretation.sensitivity import (
    COUNTED,
    correlations,
    living,
    mean_sensitive,
    reduction,
    sensitive_inputs,
)
from precip_sae.models.initial import sae_weights
from precip_sae.models.sae import SAE
from precip_sae.models.store import contents, load_config, load_models
from precip_sae.quantities import PERCENT, POINTS
from precip_sae.spread import over_seeds

UNTRAINED = "untrained"


@dataclass(frozen=True)
class Variant:
    """Units of one kind, over all seeds, on the test part.

    Attributes:
        activations: [models, rows, units].
        r: correlation with each input [models, units, inputs]; NaN for units that do not vary.
        dead: never above zero [models, units].
    """

    activations: NDArray[np.float32]
    r: NDArray[np.float64]
    dead: NDArray[np.bool_]


def untrained_saes(seeds: list[int], hidden: int, latents: int) -> SAE:
    """The SAEs as they start, one per seed."""
    return SAE.of([sae_weights(seed, hidden, latents) for seed in seeds])


def fitted(saes: Mapping[str, SAE]) -> list[str]:
    """The names of the SAEs that were trained: all but the control."""
    return [name for name in saes if name != UNTRAINED]


def variants(hidden: NDArray[np.float32], saes: Mapping[str, SAE], inputs: NDArray[np.float32]) -> dict[str, Variant]:
    """The hidden units and the latents of every kind of SAE, with their correlations.

    Args:
        hidden: hidden activations on the test part [models, rows, hidden].
        saes: the SAEs by name; each stack in the order of the models.
        inputs: standardised inputs of the test part [rows, inputs].
    """
    activations = {"mlp": hidden} | {name: encoded(sae, hidden) for name, sae in saes.items()}
    return {name: Variant(a, correlations(a, inputs), metrics.dead(a)) for name, a in activations.items()}


def encoded(saes: SAE, hidden: NDArray[np.float32]) -> NDArray[np.float32]:
    """Latent activations: [models, rows, hidden] -> [models, rows, latents]."""
    with torch.no_grad():
        return saes.encode(torch.from_numpy(hidden)).numpy()


def unit_table(found: Mapping[str, Variant], seeds: list[int], inputs: list[str], threshold: float) -> pd.DataFrame:
    """One row per variant, seed and unit: dead, number of sensitive inputs, and r with every input."""
    frames = []
    for name, variant in found.items():
        models, units, _ = variant.r.shape
        frame = pd.DataFrame(variant.r.reshape(models * units, -1), columns=[f"r_{i}" for i in inputs])
        frame.insert(0, "sensitive", sensitive_inputs(variant.r, threshold).ravel())
        frame.insert(0, "dead", variant.dead.ravel())
        frame.insert(0, "unit", np.tile(np.arange(units), models))
        frame.insert(0, "seed", np.repeat(seeds, units))
        frame.insert(0, "variant", name)
        frames.append(frame)
    return pd.concat(frames, ignore_index=True)


def per_seed(found: Mapping[str, Variant], seeds: list[int], threshold: float) -> pd.DataFrame:
    """One row per variant, way of counting and seed: mean sensitive inputs per unit and its reduction from `mlp`."""
    rows = []
    for counted in COUNTED:
        before = mean_sensitive(found["mlp"].r, threshold, counted)
        for name, variant in found.items():
            after = mean_sensitive(variant.r, threshold, counted)
            columns = {"variant": name, "counted": counted, "seed": seeds, "sensitive": after}
            rows.append(pd.DataFrame(columns | {"reduction": reduction(before, after)}))
    return pd.concat(rows, ignore_index=True)


def _insensitive(r: NDArray[np.float64], threshold: float) -> NDArray[np.int64]:
    """Living units that are sensitive to no input, [models, units, inputs] -> [models]."""
    return (living(r) & (sensitive_inputs(r, threshold) == 0)).sum(axis=1)


def _monosemantic(r: NDArray[np.float64], threshold: float) -> NDArray[np.float64]:
    """Share of the living units that are sensitive to exactly one input, [models, units, inputs] -> [models]."""
    total = living(r).sum(axis=1)
    single = (sensitive_inputs(r, threshold) == 1).sum(axis=1)
    return np.divide(single, total, out=np.full(len(r), np.nan), where=total > 0)


def _strongest(r: NDArray[np.float64]) -> NDArray[np.float64]:
    """The largest |r| of any unit with each input, [models, units, inputs] -> [models, inputs]; 0 without a unit."""
    return np.nan_to_num(np.abs(r), nan=0.0).max(axis=1)


def summary(
    table: pd.DataFrame,
    found: Mapping[str, Variant],
    inputs: Sequence[str],
    threshold: float,
    one_network: bool = False,
) -> dict[str, Any]:
    """Spread over seeds of every variant: sensitive inputs and reductions by way of counting, dead units, L0.

    `beyond_untrained`, of fitted SAEs alone, is the reduction minus that of the untrained control, seed by seed.

    Args:
        table: see `per_seed`.
        inputs: names of the inputs.
        one_network: that the seeds are those of the SAEs alone; what is said of the hidden units is then of one
            network, without an interval over seeds.
    """
    result: dict[str, Any] = {}
    if one_network:
        mlp, first = found["mlp"], table["seed"] == table["seed"].iloc[0]
        found = {**found, "mlp": Variant(mlp.activations[:1], mlp.r[:1], mlp.dead[:1])}
        table = table[(table["variant"] != "mlp") | first]
    control = table[table["variant"] == UNTRAINED].set_index(["counted", "seed"])["reduction"]
    for name, variant in found.items():
        mine = table[table["variant"] == name].groupby("counted", sort=True)
        result[name] = {
            "sensitive": {counted: over_seeds(rows["sensitive"], ".2f") for counted, rows in mine},
            "reduction": {counted: over_seeds(rows["reduction"], PERCENT) for counted, rows in mine},
            "dead": over_seeds(variant.dead.sum(axis=1), ".1f"),
            "monosemantic": over_seeds(_monosemantic(variant.r, threshold), PERCENT),
            "strongest": {
                column: over_seeds(strength, ".2f")
                for column, strength in zip(inputs, _strongest(variant.r).T, strict=True)
            },
            "insensitive": over_seeds(_insensitive(variant.r, threshold), ".1f"),
            "active_per_row": over_seeds(metrics.active_per_row(variant.activations), ".2f"),
            "units": variant.r.shape[1],
        }
        if name not in ("mlp", UNTRAINED):
            gain = table[table["variant"] == name].set_index(["counted", "seed"])["reduction"] - control
            result[name]["beyond_untrained"] = {c: over_seeds(rows, POINTS) for c, rows in gain.groupby("counted")}
    return result


def typical_seed(table: pd.DataFrame, variant: str, counted: str = "published") -> int:
    """The seed whose reduction is nearest to the median over seeds; the first of them in a tie.

    Args:
        table: see `per_seed`.
    """
    rows = table[(table["variant"] == variant) & (table["counted"] == counted)]
    distance = (rows["reduction"] - rows["reduction"].median()).abs().fillna(np.inf)
    return int(rows["seed"].to_numpy()[int(np.argmin(distance.to_numpy()))])


def feature_names(
    r: NDArray[np.float64], dead_units: NDArray[np.bool_], inputs: list[str], threshold: float
) -> list[str]:
    """The inputs that each latent of one model is sensitive to, with the sign of r: `T+ Fs-`.

    Args:
        r: [latents, inputs].
        dead_units: [latents].
    """
    described = []
    for row, gone in zip(r, dead_units, strict=True):
        strong = [
            name + ("+" if value > 0 else "−")
            for name, value in zip(inputs, np.nan_to_num(row), strict=True)
            if abs(value) > threshold
        ]
        described.append("dead" if gone else " ".join(strong) or "none")
    return described


def load_saes(folder: Path, seeds: list[int]) -> dict[str, SAE]:
    """The fitted SAEs by L1 convention, the headline first, and the untrained control.

    Args:
        folder: holds one folder of models per convention, as the stage `fit` makes them.
        seeds: of the task, one per model in order.

    Raises:
        StageError: there are no SAEs, a convention's are missing or damaged, or they are of other seeds or sizes.
    """
    conventions: list[str] = []
    for config in (load_config(path.parent) for path in sorted(folder.glob("*/config.json"))):
        conventions = conventions or config.get("settings", {}).get("l1_conventions", [])
    if not conventions:
        raise StageError(
            f"{folder}: holds no fitted SAEs ({contents(folder)}), expected a folder for each L1 convention with "
            "config.json and weights.safetensors; run the stage that fits them first."
        )
    loaded = {convention: load_models(folder / convention, SAE) for convention in conventions}
    hidden, latents = loaded[conventions[0]][0].encoder_weight.shape[1:]
    for convention, (saes, config) in loaded.items():
        for model, (trained, asked) in enumerate(zip_longest(config["seeds"], seeds, fillvalue="none")):
            if trained != asked:
                raise StageError(f"{folder / convention}: the seed of model {model} is {trained}, expected {asked}.")
        found = tuple(saes.encoder_weight.shape[1:])
        if found != (hidden, latents):
            raise StageError(
                f"{folder / convention}: its SAEs have {found[0]} hidden units and {found[1]} latents, expected "
                f"{hidden} and {latents} as in {conventions[0]}."
            )
    control = untrained_saes(seeds, hidden, latents)
    return {convention: saes for convention, (saes, _) in loaded.items()} | {UNTRAINED: control}
