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
from precip_sae.scheduling import in_processes
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
        progress: called as progress(layers done, layers).
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
    most, rows = max(settings.responses), parts["test"].x
    # from wide to narrow: a wider network is a control of a narrower one
    plan = sorted(planned(settings), key=lambda each: (len(each[0]), -each[0][0]))

    def trained(piece: tuple[list[int], int]) -> _Trained:
        layers, learnt = piece
        stack = train_deep(parts["train"].x, task.responses("train", learnt), layers, settings.training, settings.seeds)
        scores = skill(stack, rows, task.responses("test", learnt))
        return _Trained(layers, learnt, scores, *(activations(stack, x) for x in (parts["sae"].x, rows)))

    networks = in_processes(trained, plan)
    sisters = {(each.layers[0], each.learnt): each.seen[0] for each in networks if len(each.layers) == 1}

    def taken_apart(piece: tuple[_Trained, int]) -> tuple[Recovery, Spread | None]:
        network, place = piece
        width, learnt, last = network.layers[place], network.learnt, place == len(network.layers) - 1
        layer = Layer(
            COLUMN, name(network.layers), place + 1, width, learnt, settings.seeds, network.scores.mean(axis=1), rows,
            factors, half, binary,
        )  # fmt: skip
        wide = width * settings.dictionary.latents_per_unit
        wider = sisters.get((wide, learnt)) if len(network.layers) == 1 and wide > width else None
        held = network.fitted[place], network.seen[place]
        made = dictionaries(*held, settings.dictionary, settings.seeds, wider, more)
        limit = settings.dictionary.unexplained
        over_storms = gain_over_storms(layer, made, limit, storms) if learnt == most and last else None
        return recover(layer, made, limit, settings.probes, judge), over_storms

    pieces = [(network, place) for network in networks for place in range(len(network.layers))]
    taken = in_processes(taken_apart, pieces, None, progress)
    for (network, _), (recovery, over_storms) in zip(pieces, taken, strict=True):
        found.recovery.add(recovery)
        if over_storms is not None:
            found.storms[name(network.layers)] = over_storms
    for network in networks:
        if name(network.layers) == shown(settings) and network.learnt == most:
            spreads = (over_seeds(scores, ".2f") for scores in network.scores.T)
            found.scores = dict(zip(task.learnt(most), spreads, strict=True))
    return found


@dataclass(frozen=True)
class _Trained:
    """Trained networks of the column task.

    Attributes:
        layers: units of each hidden layer; learnt: how many things they learn.
        scores: skill [models, responses].
        fitted, seen: activations of every layer on the rows that dictionaries are fitted on, and on the test rows.
    """

    layers: list[int]
    learnt: int
    scores: NDArray[np.float64]
    fitted: list[NDArray[np.float32]]
    seen: list[NDArray[np.float32]]


def said_by_inputs(
    x: NDArray[np.float32], factors: pd.DataFrame, half: NDArray[np.bool_]
) -> tuple[dict[str, float], dict[str, float]]:
    """R^2 of the best single input and of all together, by factor; see `probes`.

    Args:
        x: standardised inputs [rows, inputs]; factors: hidden ones [rows, factors]; half: see `probes.halves`.
    """
    sums = probes.folds(x[None], factors.to_numpy(np.float64), half)
    found = probes.single(sums).best_of()[0], probes.everything(sums)[0]
    return tuple(dict(zip(factors, values.tolist(), strict=True)) for values in found)  # type: ignore[return-value]


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
        progress: called as progress(layers done, layers).
    """
    own = settings.planted
    table = table.iloc[:: own.every]
    first, second = (int(share * len(table)) for share in (0.6, 0.8))
    train, fit, test = slice(first), slice(first, second), slice(second, None)
    half = probes.halves(table["storm"].to_numpy()[test])

    def taken_apart(piece: tuple[float | None, int, int]) -> Recovery:
        rare, factors, width = piece
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
        return recover(layer, made, settings.dictionary.unexplained, settings.probes, judge)

    plan = [(rare, n, width) for rare in (None, own.rare) for n in own.factors for width in own.widths]
    found = Recovery()
    # what takes longest, many factors in a wide layer, is begun first
    for recovery in in_processes(taken_apart, plan[::-1], None, progress)[::-1]:
        found.add(recovery)
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
