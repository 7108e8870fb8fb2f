"""Networks whose hidden factors are known: the column task with the simulation's truth, and planted targets."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from precip_sae.interpretation import probes
from precip_sae.interpretation.layer_dictionaries import Maker, dictionaries
from precip_sae.interpretation.recovery import (
    Judge,
    Layer,
    Recovery,
    by_factor,
    gain_over_storms,
    gains,
    pressure,
    recover,
    trend,
)  # fmt: skip
from precip_sae.models.deep import activations, skill, train_deep
from precip_sae.quantities import quantity
from precip_sae.settings import ColumnSettings
from precip_sae.simulation.truth import HIDDEN
from precip_sae.spread import Spread, over_seeds
from precip_sae.tasks.column import column_task
from precip_sae.tasks.planted import planted

RECOVERED = (
    "log_riming", "intensity", "dryness", "melting_height", "nose", "cloud_top", "lake", "log_number", "log_slope",
    "shape", "log_diameter",
)  # fmt: skip
"""The hidden factors that are looked for. Of HIDDEN are left out: the melted fraction and the true rates, which are
responses or nearly so; the wet-bulb temperature, nearly an input; the lapse rate, nearly the same as `lake`."""

COLUMN, PLANTED, RARE = "column", "planted", "planted, rare"
"""The experiments: the column task; planted factors at the study's thresholds; planted factors seldom at work."""

SHOWN_WIDTH = 16
Progress = Callable[[int, int], None]


@dataclass
class Found:
    """What the column task found; empty where the hidden state is not known.

    Attributes:
        recovery: tables of all layers.
        storms: the SAE's gain with an interval over storms, by network: of the last layer of those that learn the most.
        scores: skill of the shown network by response, spread over seeds.
        inputs: R^2 of the best single input, by factor: what is there before any network.
        all_inputs: R^2 of all together, by factor.
    """

    recovery: Recovery = field(default_factory=Recovery)
    storms: dict[str, Spread] = field(default_factory=dict)
    scores: dict[str, Spread] = field(default_factory=dict)
    inputs: dict[str, float] = field(default_factory=dict)
    all_inputs: dict[str, float] = field(default_factory=dict)

    @property
    def known(self) -> bool:
        """Whether there was a hidden state to hold the networks to."""
        return bool(self.recovery.dictionaries)


def planned(settings: ColumnSettings) -> list[tuple[list[int], int]]:
    """Networks of the column task, each with how many things it learns; only those of one layer learn fewer."""
    most = max(settings.responses)
    learnt = {1: sorted(set(settings.responses))}
    return [(layers, n) for layers in settings.networks for n in learnt.get(len(layers), [most])]


def shown(settings: ColumnSettings) -> str:
    """The network that stands for the others: the first of one layer with SHOWN_WIDTH units, else the first."""
    return name([SHOWN_WIDTH] if [SHOWN_WIDTH] in settings.networks else settings.networks[0])


def name(layers: Sequence[int]) -> str:
    """`16-16` of two layers of 16 units."""
    return "-".join(map(str, layers))


def column_experiment(
    table: pd.DataFrame,
    truth: pd.DataFrame,
    settings: ColumnSettings,
    judge: Judge | None = None,
    progress: Progress | None = None,
    more: Maker | None = None,
) -> Found:
    """Trains the networks of the column task, takes their layers apart and holds them to the hidden state.

    Args:
        table: observations of a simulation; truth: see `truth_of`, with the same index.
        judge: see `recover`; more: see `dictionaries`.
        progress: called as progress(networks done, networks).
    """
    task = column_task(table.iloc[:: settings.every])
    parts = task.prepared.parts
    where = task.prepared.rows["test"]
    storms = table.loc[where, "storm"].to_numpy()
    factors = truth.loc[where, list(RECOVERED)]
    half = probes.halves(storms)
    binary = [factor for factor in RECOVERED if HIDDEN[factor].binary]
    one, together = said_by_inputs(parts["test"].x, factors, half)
    found = Found(inputs=one, all_inputs=together)
    plan, most, limit = planned(settings), max(settings.responses), settings.dictionary.unexplained
    sisters: dict[tuple[int, int], NDArray[np.float32]] = {}
    # from wide to narrow: a wider network is a control of a narrower one
    for done, (layers, learnt) in enumerate(sorted(plan, key=lambda each: (len(each[0]), -each[0][0])), start=1):
        stack = train_deep(parts["train"].x, task.responses("train", learnt), layers, settings.training, settings.seeds)
        scores = skill(stack, parts["test"].x, task.responses("test", learnt))
        if name(layers) == shown(settings) and learnt == most:
            found.scores = dict(zip(task.learnt(learnt), (over_seeds(s, ".2f") for s in scores.T), strict=True))
        fitted, seen = (activations(stack, parts[part].x) for part in ("sae", "test"))
        for number, width in enumerate(layers, start=1):
            layer = Layer(
                COLUMN, name(layers), number, width, learnt, settings.seeds, scores.mean(axis=1), parts["test"].x,
                factors, half, binary,
            )  # fmt: skip
            wider = None
            if len(layers) == 1:
                wider = sisters.get((width * settings.dictionary.latents_per_unit, learnt))
                sisters[(width, learnt)] = seen[0]
            made = dictionaries(fitted[number - 1], seen[number - 1], settings.dictionary, settings.seeds, wider, more)
            found.recovery.add(recover(layer, made, limit, settings.probes, judge))
            if learnt == most and number == len(layers):
                found.storms[name(layers)] = gain_over_storms(layer, made, limit, storms)
        if progress:
            progress(done, len(plan))
    return found


def said_by_inputs(
    x: NDArray[np.float32], factors: pd.DataFrame, half: NDArray[np.bool_]
) -> tuple[dict[str, float], dict[str, float]]:
    """R^2 of the best single input and of all together, by factor; see `probes`.

    Args:
        x: standardised inputs [rows, inputs]; factors: hidden ones [rows, factors]; half: see `probes.halves`.
    """
    sums = probes.folds(x[None], factors.to_numpy(np.float64), half)
    found = probes.single(sums).best_of()[0], probes.everything(sums)[0]
    return tuple(dict(zip(factors, values.tolist(), strict=True)) for values in found)


def planted_experiment(
    table: pd.DataFrame,
    settings: ColumnSettings,
    judge: Judge | None = None,
    progress: Progress | None = None,
    more: Maker | None = None,
) -> Recovery:
    """Trains networks on planted targets and looks into their narrow layer.

    Args:
        table: observations, measured or simulated; judge: see `recover`; more: see `dictionaries`.
        progress: called as progress(networks done, networks).
    """
    own = settings.planted
    table = table.iloc[:: own.every]
    first, second = (int(share * len(table)) for share in (0.6, 0.8))
    train, fit, test = slice(first), slice(first, second), slice(second, None)
    half = probes.halves(table["storm"].to_numpy()[test])
    found = Recovery()
    plan = [(rare, n, width) for rare in (None, own.rare) for n in own.factors for width in own.widths]
    for done, (rare, factors, width) in enumerate(plan, start=1):
        target = planted(table, factors, own.together, rare)
        layers = [own.first, width]
        stack = train_deep(target.x[train], target.responses.rows(train), layers, own.training, settings.seeds)
        layer = Layer(
            PLANTED if rare is None else RARE, name(layers), 2, width, factors, settings.seeds,
            skill(stack, target.x[test], target.responses.rows(test)).mean(axis=1), target.x[test],
            pd.DataFrame(target.factors[test], columns=target.names), half,
        )  # fmt: skip
        fitted, seen = (activations(stack, target.x[part])[1] for part in (fit, test))
        made = dictionaries(fitted, seen, settings.dictionary, settings.seeds, more=more)
        found.add(recover(layer, made, settings.dictionary.unexplained, settings.probes, judge))
        if progress:
            progress(done, len(plan))
    return found


def tables(column: Found, planted: Recovery) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Every dictionary, and every dictionary and factor, of both experiments; see `recover`."""
    both = Recovery()
    both.add(column.recovery)
    both.add(planted)
    return both.tables()


def of_shown(frame: pd.DataFrame, settings: ColumnSettings) -> pd.DataFrame:
    """Of either table, the rows of the shown network and the penalty that counts."""
    own = (frame["experiment"] == COLUMN) & (frame["network"] == shown(settings))
    return frame[own & (frame["learnt"] == max(settings.responses)) & frame["counted"]]


def summary(column: Found, planted: Recovery, settings: ColumnSettings) -> dict[str, Any]:
    """The numbers of the stage `column`.

    Args:
        column: empty where the hidden state is not known.

    Returns:
        `known`; of the column task `shown` (network, skill, factors, gains) and `layers`, what the SAE gains in every
        layer; `planted` and `rare`, the same for planted targets, with the trends over factors per unit.
    """
    result: dict[str, Any] = {"known": column.known, "seeds": len(settings.seeds)}
    if column.known:
        dictionaries, factors = column.recovery.tables()
        own = of_shown(factors, settings)
        found = by_factor(own)
        inputs = {"input": column.inputs, "all_inputs": column.all_inputs}
        result["shown"] = {
            "network": shown(settings),
            "skill": column.scores,
            "factors": {
                factor: spreads | {name: quantity(given[factor], ".2f") for name, given in inputs.items()}
                for factor, spreads in found.items()
            },
            "area": {
                factor: {kind: over_seeds(rows["area"], ".2f") for kind, rows in each.groupby("kind")}
                for factor, each in own[own["area"].notna()].groupby("factor")
            },
            **_verdicts(found),
        }
        result["layers"] = _layers(dictionaries)
        result["storms"] = {network.replace("-", "_"): spread for network, spread in column.storms.items()}
        one_layer = ~dictionaries["network"].str.contains("-")
        result["trend"] = _trends(dictionaries[one_layer & (dictionaries["learnt"] == max(settings.responses))])
    tables = planted.tables()[0]
    for key, experiment in (("planted", PLANTED), ("rare", RARE)):
        rows = tables[tables["experiment"] == experiment]
        result[key] = {"layers": _layers(rows), "trend": _trends(rows)}
    return result


def _verdicts(found: dict[str, dict[str, Any]]) -> dict[str, int]:
    """Of how many factors the SAE says more, or less, than a unit, with p below 0.05 after correction."""
    sure = [f["gain"]["mean"] for f in found.values() if (f["p_corrected"]["value"] or 1.0) < 0.05]
    return {"better": sum(mean > 0 for mean in sure), "worse": sum(mean < 0 for mean in sure), "of": len(found)}


def _layers(dictionaries: pd.DataFrame) -> dict[str, Any]:
    """`gains` of every layer, by its name: `n16_16_layer_2_learnt_5`."""
    return {
        f"n{network.replace('-', '_')}_layer_{layer}_learnt_{learnt}": gains(rows)
        for (network, layer, learnt), rows in dictionaries.groupby(["network", "layer", "learnt"], sort=False)
    }


def _trends(dictionaries: pd.DataFrame) -> dict[str, Any]:
    layers = pressure(dictionaries)
    if layers["load"].nunique() < 2:
        return {}
    return {name: trend(layers, name) for name in ("units", "sae", "present", "spread", "gain")}
