"""Whether latents cause what the network says, beside what else could be changed in it.

Kinds of units that are changed: the SAE's `latents`; and controls: the network's `hidden` units, the latents of the
`untrained` SAE, for every latent a `random` direction of the length of its decoder row, changed by as much, and the
`principal` directions of the hidden activations, moved to their mean.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from precip_sae.comparisons import paired
from precip_sae.interpretation import interventions, storms
from precip_sae.interpretation.interventions import Values
from precip_sae.interpretation.stability import HIDDEN, LATENTS, RANDOM, UNTRAINED
from precip_sae.models.mlp import MLP
from precip_sae.models.sae import SAE
from precip_sae.observations.schema import BY_NAME
from precip_sae.quantities import PERCENT, POINTS
from precip_sae.settings import DataSettings
from precip_sae.spread import over_seeds
from precip_sae.tasks.prepare import Part, Prepared

PRINCIPAL = "principal"
KINDS = (LATENTS, HIDDEN, UNTRAINED, RANDOM, PRINCIPAL)
BINS = 20
DIGITS = 6


@dataclass(frozen=True)
class Subject:
    """The networks of a task and what can be changed in them, in float64.

    Attributes:
        kind: `classification` or `regression`.
        weight, bias: of the output layer [models, hidden, outputs], [models, outputs].
        hidden: hidden activations [models, rows, hidden]; z: outputs, logits or responses in the table's unit
            [models, rows, outputs].
        changes: of every kind, by how much each unit is changed when it is ablated [models, rows, units].
        rows: of every kind, what a unit more adds to the hidden activations [models, units, hidden].
    """

    kind: str
    weight: Values
    bias: Values
    hidden: NDArray[np.float32]
    z: Values
    changes: Mapping[str, NDArray[np.floating]]
    rows: Mapping[str, Values]


def subject(
    networks: MLP,
    saes: SAE,
    untrained: SAE,
    hidden: NDArray[np.float32],
    latents: NDArray[np.float32],
    control: NDArray[np.float32],
    prepared: Prepared,
) -> Subject:
    """Puts together what can be changed.

    Args:
        hidden, latents, control: activations on the same rows, of the hidden units, of `saes` and of `untrained`
            [models, rows, units].
        prepared: of the task; outputs are put into the unit of its response.
    """
    weight, bias = (_array(p) for p in (networks.output_weight, networks.output_bias))
    weight, bias = weight * prepared.response_scale, bias * prepared.response_scale + prepared.response_mean
    decoder = _array(saes.decoder_weight)
    mean, directions = interventions.principal(hidden)
    along = np.einsum("mrh,mdh->mrd", hidden - mean[:, None, :], directions)
    random = interventions.directed(decoder, np.random.default_rng(0))
    changes = {LATENTS: -latents, HIDDEN: -hidden, UNTRAINED: -control, RANDOM: -latents, PRINCIPAL: -along}
    rows = {
        LATENTS: decoder,
        HIDDEN: np.broadcast_to(np.eye(hidden.shape[2]), (len(hidden), hidden.shape[2], hidden.shape[2])),
        UNTRAINED: _array(untrained.decoder_weight),
        RANDOM: random,
        PRINCIPAL: directions,
    }
    return Subject(prepared.data.kind, weight, bias, hidden, interventions.outputs(hidden, weight, bias), changes, rows)


def splicing(
    it: Subject, reconstructions: Mapping[str, Values], y: NDArray[Any], mean: Values, episodes: NDArray[np.int64],
    over: str,
) -> dict[str, Any]:  # fmt: skip
    """Loss recovered with each reconstruction in the place of the hidden activations.

    Args:
        reconstructions: by name [models, rows, hidden]; y: class numbers, or responses in the table's unit [rows].
        mean: hidden activations that stand for nothing [models, hidden].
        episodes: of each row [rows]; over: what they are called.

    Returns:
        {name: {seeds, storms}}.
    """
    original = interventions.losses(it.z, y, it.kind)
    flat = np.broadcast_to(mean[:, None, :], it.hidden.shape)
    least = interventions.losses(interventions.outputs(flat, it.weight, it.bias), y, it.kind)
    return {
        name: interventions.recovered_spread(
            original,
            interventions.losses(interventions.outputs(hidden, it.weight, it.bias), y, it.kind),
            least,
            episodes,
            over,
        )
        for name, hidden in reconstructions.items()
    }


def effects(it: Subject, part: Part, seeds: list[int], inputs: list[str]) -> tuple[pd.DataFrame, dict[str, Values]]:
    """What ablating and doubling each unit does.

    Args:
        part: the rows of `it`.
        inputs: names of the inputs.

    Returns:
        One row per kind, seed and unit: `active` (share of rows in which ablating changes anything), `size` (mean size
        of the effect of ablating it, see `interventions.size`), `doubled` (of doubling it), `out_0`.. (mean change of
        each prediction over the rows where it is active), `tied` (the largest share of the effect's variance that goes
        with one input) and `tied_to`, that input. And of every kind, the size of ablating in every row, mean over the
        living units of each model [models, rows]; NaN of a model without one.
    """
    bins = interventions.quantile_bins(part.x, BINS)
    frames: list[tuple[Any, ...]] = []
    by_row = {}
    for name, changes in it.changes.items():
        by_row[name] = np.full((len(seeds), len(part)), np.nan)
        for m, seed in enumerate(seeds):
            pushed = it.rows[name][m] @ it.weight[m]
            before = interventions.predictions(it.z[m], it.kind)
            columns: list[Values] = []
            for change, row in zip(changes[m].T.astype(np.float64), pushed, strict=True):
                here = change != 0
                if not here.any():
                    frames.append((name, seed, len(columns), 0.0, 0.0, 0.0, *np.zeros(len(row))))
                    columns.append(np.zeros(len(part)))
                    continue
                ablated, doubled = (
                    interventions.changed(it.z[m], sign * change, row, it.kind) - before for sign in (1, -1)
                )
                sizes = interventions.size(ablated, it.kind)
                outs = ablated[here].mean(axis=0)
                more = interventions.size(doubled, it.kind).mean()
                frames.append((name, seed, len(columns), here.mean(), sizes.mean(), more, *outs))
                columns.append(sizes)
            together = np.stack(columns, axis=1)
            _tie(frames, interventions.tied(together, bins), inputs)
            alive = (changes[m] != 0).any(axis=0)
            if alive.any():
                by_row[name][m] = together[:, alive].mean(axis=1)
    outs = [f"out_{k}" for k in range(it.z.shape[2])]
    names = ["kind", "seed", "unit", "active", "size", "doubled", *outs, "tied", "tied_to"]
    kept = {"active": DIGITS, "tied": DIGITS}
    kept |= dict.fromkeys(["size", "doubled", *outs], _decimals(interventions.predictions(it.z, it.kind)))
    return pd.DataFrame(frames, columns=names).round(kept), by_row


def _decimals(values: Values) -> int:
    """How many decimals keep DIGITS of numbers of this size, however small their unit makes them; at least DIGITS."""
    largest = np.abs(values).max()
    return DIGITS + max(0, -int(np.ceil(np.log10(largest)))) if largest else DIGITS


def _tie(frames: list[tuple[Any, ...]], shares: Values, inputs: list[str]) -> None:
    """Adds to the last rows, one per unit, the input that the effect goes with most, and how far."""
    for k, share in enumerate(shares, start=len(frames) - len(shares)):
        known = np.isfinite(share).any()
        best = int(np.nanargmax(share)) if known else -1
        frames[k] += (share[best], inputs[best]) if known else (np.nan, "")


def by_seed(table: pd.DataFrame) -> pd.DataFrame:
    """What the living units of every kind and seed do, taken together: a row per kind and seed.

    Args:
        table: see `effects`.

    Returns:
        `size` and `doubled` (means over units), `strongest` (the largest size) and `tied` (mean weighted by the size:
        what does nothing is tied to nothing); NaN without a living unit.
    """
    living = table[table["active"] > 0]
    grouped = living.assign(weighed=living["tied"] * living["size"]).groupby(["kind", "seed"])
    found = pd.DataFrame(
        {
            "size": grouped["size"].mean(),
            "strongest": grouped["size"].max(),
            "doubled": grouped["doubled"].mean(),
            "tied": grouped["weighed"].sum() / grouped["size"].sum(),
        }
    )
    return found.reindex(pd.MultiIndex.from_product([table["kind"].unique(), np.unique(table["seed"])]))


def summary(
    table: pd.DataFrame, by_row: Mapping[str, Values], episodes: NDArray[np.int64], over: str, form: str
) -> dict[str, Any]:
    """Effects of every kind over seeds, and the latents' less those of the controls, paired by seed.

    Args:
        table, by_row: see `effects`; episodes: of each row [rows]; over: what they are called.
        form: of the size of an effect.

    Returns:
        {kinds: {kind: {size, size_storms, strongest, doubled, tied}}, latents_less: {size: {control: ..}, tied: ..},
        latents_less_storms: {size: {control: ..}}}; the last with intervals over seeds and episodes.
    """
    draws = storms.weights(episodes)
    drawn = {kind: storms.redrawn_means(values.T, episodes, draws) for kind, values in by_row.items()}
    measures = by_seed(table)
    forms = dict.fromkeys(measures, form) | {"tied": PERCENT}
    found = {
        kind: {name: over_seeds(values, forms[name]) for name, values in measures.loc[kind].items()}
        | {"size_storms": storms.interval(_mean_over_models(drawn[kind]), episodes, form, over)}
        for kind in by_row
    }
    differences = {
        f"{name} {kind}": (measures.loc[LATENTS, name] - measures.loc[kind, name]).to_numpy()
        for name in ("size", "tied")
        for kind in by_row
        if kind != LATENTS
    }
    corrected = paired(differences)
    differing = {"size": POINTS if form.endswith("%") else form, "tied": POINTS}
    return {
        "kinds": found,
        "latents_less": {
            name: {kind: corrected[f"{name} {kind}"] | {"form": differing[name]} for kind in by_row if kind != LATENTS}
            for name in ("size", "tied")
        },
        "latents_less_storms": {
            "size": {
                kind: storms.over_seeds_and_draws(drawn[LATENTS] - drawn[kind], episodes, differing["size"], over)
                for kind in by_row
                if kind != LATENTS
            }
        },
    }


def _mean_over_models(drawn: Values) -> Values:
    """[draws, models] -> [draws]; a model without a living unit says nothing."""
    there = ~np.isnan(drawn[0])
    return drawn[:, there].mean(axis=1) if there.any() else np.full(len(drawn), np.nan)


@dataclass(frozen=True)
class Steering:
    """Predictions with a family's latents clamped, along the input that the family responds to most.

    Attributes:
        family: its number; column: the input; centres: median of the input in each bin, standardised [bins].
        observed: mean response, or shares of the classes, of the rows in each bin [bins, outputs].
        network: mean predictions there [bins, outputs].
        moved: mean predictions over all rows with the input itself set to the bin's median, seed by seed
            [seeds, bins, outputs].
        clamped: with the latent set to its mean activation in the bin, likewise.
        random: with a random direction of the same length moved by as much, likewise.
        drawn: `carried` and `carried_random` on the episodes as they are and on drawn ones, the bins and what they
            clamp at as they are [draws, seeds].
    """

    family: int
    column: str
    centres: Values
    observed: Values
    network: Values
    moved: Values
    clamped: Values
    random: Values
    drawn: Mapping[str, Values]

    @property
    def output(self) -> int:
        """The output that moving the input changes most."""
        return _most_moved(self.moved)

    @property
    def carried(self) -> Values:
        """How much of the response to the input goes through the latent: the slope of `clamped` on `moved`.

        Of `output`; below 0 where the latent pushes it the other way [seeds].
        """
        return _slopes(self.clamped, self.moved, self.output)

    @property
    def carried_random(self) -> Values:
        """The same of the random direction [seeds]."""
        return _slopes(self.random, self.moved, self.output)


def effect_form(data: DataSettings) -> str:
    """How the size of an effect on a task's predictions is written: as a share, or in the unit of the response."""
    if data.kind == "classification":
        return PERCENT
    (response,) = data.responses  # `Settings` refuses several
    known = BY_NAME[response].unit if response in BY_NAME else ""
    return f".3f {data.units.get(response, known)}".strip()


def _most_moved(moved: Values) -> int:
    """The output with the widest range over the bins, mean over the seeds [seeds, bins, outputs]."""
    return int(np.ptp(moved.mean(axis=0), axis=0).argmax())


def _slopes(curves: Values, moved: Values, output: int) -> Values:
    """Slopes of `curves` on `moved` over the bins, by least squares, [.., seeds, bins, outputs] -> [.., seeds]."""
    a, b = (c[..., output] - c[..., output].mean(axis=-1, keepdims=True) for c in (curves, moved))
    return (a * b).sum(axis=-1) / np.maximum((b * b).sum(axis=-1), np.finfo(float).tiny)


def steer(
    it: Subject, networks: MLP, part: Part, episodes: NDArray[np.int64], members: Mapping[int, int], column: int,
    family: int, name: str, bins: int = 12,
) -> Steering:  # fmt: skip
    """Clamps a family's latents, one per model that has it, at what they are in each bin of an input.

    Args:
        part: the rows of `it`, responses in the table's unit; episodes: of each of them.
        members: position of the model: its latent.
        column: the input; name: its name.
    """
    number = interventions.quantile_bins(part.x[:, [column]], bins)[0]
    there = np.unique(number)
    centres = np.array([np.median(part.x[number == b, column]) for b in there])
    classes = it.z.shape[2]
    truth = np.eye(classes)[part.y] if it.kind == "classification" else part.y.astype(np.float64)[:, None]
    w, b = _array(networks.hidden_weight), _array(networks.hidden_bias)
    draws, network = storms.weights(episodes), np.zeros((len(there), classes))
    curves: dict[str, list[Values]] = {"moved": [], LATENTS: [], RANDOM: []}
    for m, unit in members.items():
        latent = -it.changes[LATENTS][m, :, unit].astype(np.float64)
        said = interventions.predictions(it.z[m], it.kind)
        network += np.stack([said[number == k].mean(axis=0) for k in there]) / len(members)
        x = part.x.astype(np.float64)
        for centre in centres:
            x[:, column] = centre
            z = np.maximum(x @ w[m] + b[m], 0) @ it.weight[m] + it.bias[m]
            curves["moved"].append(storms.redrawn_means(interventions.predictions(z, it.kind), episodes, draws))
        for kind in (LATENTS, RANDOM):
            row = it.rows[kind][m, unit] @ it.weight[m]
            for k in there:
                clamped = interventions.changed(it.z[m], latent[number == k].mean() - latent, row, it.kind)
                curves[kind].append(storms.redrawn_means(clamped, episodes, draws))
    # [draws, seeds, bins, outputs]
    moved, clamped, random = (
        np.stack(found, axis=1).reshape(-1, len(members), len(there), classes) for found in curves.values()
    )
    output = _most_moved(moved[0])
    drawn = {
        "carried": _slopes(clamped, moved, output).round(DIGITS),
        "carried_random": _slopes(random, moved, output).round(DIGITS),
    }
    observed = np.stack([truth[number == k].mean(axis=0) for k in there])
    return Steering(family, name, centres, observed, network, moved[0], clamped[0], random[0], drawn)


def _array(value: Any) -> Values:
    return value.detach().numpy().astype(np.float64)
