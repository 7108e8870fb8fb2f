"""From the models of every fold to the results of all: skill on all rows, and what the SAEs change.

Folds share most of their training rows, so they are no independent repetitions (Bengio and Grandvalet 2004, J. Mach.
Learn. Res. 5, 1089-1105): no interval here is taken over folds. Skill is of all rows, each tested once, with intervals
over seeds or over episodes of rows; reductions are averaged over folds, with intervals over seeds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from precip_sae.interpretation import dictionaries
from precip_sae.interpretation.dictionaries import DIGITS
from precip_sae.interpretation.measures import MEASURES
from precip_sae.interpretation.recommended import RECOMMENDED
from precip_sae.interpretation.responses import Inputs
from precip_sae.interpretation.sensitivity import reduction
from precip_sae.interpretation.units import UNTRAINED, load_saes
from precip_sae.models import skill
from precip_sae.models.mlp import MLP
from precip_sae.models.sae import SAE
from precip_sae.models.store import load_models
from precip_sae.paths import Paths
from precip_sae.quantities import PERCENT, POINTS
from precip_sae.settings import DataSettings
from precip_sae.spread import Spread, crossed, over_seeds
from precip_sae.tasks.episodes import Episodes, episodes_of
from precip_sae.tasks.prepare import Prepared, prepare, rows_in_time_order

# The study's measure, the one that goes best with true recovery, and those of every living unit and by gradients.
POOLED = ("published", RECOMMENDED, "living", "gradients")
NOTHING = np.array([], dtype=np.float64)


@dataclass(frozen=True)
class Fold:
    """The models of one fold.

    Attributes:
        networks: one per seed.
        saes: by L1 convention, the headline first, and UNTRAINED; each stack in the order of the networks.
    """

    prepared: Prepared
    networks: MLP
    saes: dict[str, SAE]


@dataclass(frozen=True)
class AllRows:
    """All rows in time order, each predicted by the networks of the fold in which it is tested.

    Attributes:
        fold: in which each row is tested, from 1 [rows].
        observed: class numbers, or responses in the table's unit [rows], of several [rows, responses].
        predicted: logits [seeds, rows, classes], or responses [seeds, rows], of several [seeds, rows, responses].
        forecasts: without a network, see `skill.forecasts`; each learnt from the training part of the row's fold.
        median: of the response in the training part of the row's fold [rows], of several [rows, responses]; empty of a
            classification.
        episodes: of the rows.
    """

    fold: NDArray[np.int64]
    observed: NDArray[Any]
    predicted: NDArray[np.float32]
    forecasts: dict[str, NDArray[np.float64]]
    median: NDArray[np.float64]
    episodes: Episodes


def read_fold(paths: Paths, task: str, frame: pd.DataFrame, data: DataSettings, seeds: list[int]) -> Fold:
    """The models of one fold, from its folder.

    Args:
        frame: the whole table; data: the fold's settings.
    """
    networks, _ = load_models(paths.models(task) / "mlp", MLP)
    return Fold(prepare(frame, data), networks, load_saes(paths.models(task) / "sae", seeds))


def pooled_rows(folds: Sequence[Fold], frame: pd.DataFrame) -> AllRows:
    """The rows of all test parts, put in time order.

    Args:
        folds: all of them, in order; frame: the table that they were made from.
    """
    data = folds[0].prepared.data
    regression = data.kind == "regression"
    rows = np.concatenate([fold.prepared.rows["test"] for fold in folds])
    order = np.argsort(rows_in_time_order(frame, data).index.get_indexer(rows), kind="stable")
    predicted: list[NDArray[np.float32]] = []
    observed: list[NDArray[Any]] = []
    medians: list[NDArray[np.float64]] = []
    for fold in folds:
        one, z = fold.prepared, skill.predict(fold.networks, fold.prepared.test)
        predicted.append(one.said(z) if regression else z)
        observed.append(one.response(one.test.y) if regression else one.test.y)
        if regression:
            median = np.asarray(np.median(one.response(one.train.y), axis=0), dtype=np.float64)
            medians.append(np.broadcast_to(median, one.test.y.shape))
    others = [skill.forecasts(fold.prepared) for fold in folds]
    number = np.repeat(np.arange(1, len(folds) + 1), [len(fold.prepared.test) for fold in folds])
    return AllRows(
        number[order],
        np.concatenate(observed)[order],
        np.concatenate(predicted, axis=1)[:, order],
        {name: np.concatenate([other[name] for other in others])[order] for name in others[0]},
        np.concatenate(medians)[order] if regression else NOTHING,
        episodes_of(frame.loc[rows[order]], data),
    )


def pooled_skill(all_rows: AllRows, data: DataSettings) -> dict[str, Any]:
    """Scores of all rows, in the form of the stage `train`'s: skill (of the test part alone), baselines, gain_over.

    `by_fold` adds the least and the largest score of a fold, of the mean over seeds; of several responses by response.

    Args:
        data: of the task.
    """
    predicted, observed, others = all_rows.predicted, all_rows.observed, all_rows.forecasts
    gain_over = {"gain_over": skill.gains(predicted, observed, others, all_rows.episodes, data)}
    by_baseline = {name: skill.one_by_one(y, data) for name, y in others.items()}
    columns = (skill.one_by_one(values, data) for values in (predicted, observed, all_rows.median))
    each = {
        name: _pooled(all_rows.fold, z, y, {b: found[k] for b, found in by_baseline.items()}, median, data.kind)
        for k, (name, z, y, median) in enumerate(zip(data.responses, *columns, strict=True))
    }
    return {
        "skill": {"test": skill.plainly({name: scores for name, (scores, _, _) in each.items()}, data)},
        "baselines": {b: skill.plainly({name: one[b] for name, (_, one, _) in each.items()}, data) for b in others},
        **gain_over,
        "by_fold": skill.plainly({name: by_fold for name, (_, _, by_fold) in each.items()}, data),
    }


def _pooled(
    fold: NDArray[np.int64],
    predicted: NDArray[np.float32],
    observed: NDArray[Any],
    others: Mapping[str, NDArray[np.float64]],
    median: NDArray[np.float64],
    kind: str,
) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Scores, those of the forecasts without a network, and their range over folds, of one response; see `AllRows`."""
    scores = _scores(predicted, observed, kind)
    baselines = {name: _scores(y[None], observed, kind) for name, y in others.items()}
    if len(median):
        baselines["climatology"]["mae"] = np.abs(observed - median).mean(keepdims=True)
    of_folds = [_scores(predicted[:, fold == number], observed[fold == number], kind) for number in np.unique(fold)]
    return (
        {name: over_seeds(values, skill.FORMS[name]) for name, values in scores.items()},
        skill.formed({name: {s: _number(v) for s, v in row.items()} for name, row in baselines.items()}),
        {name: _range([float(one[name].mean()) for one in of_folds]) | {"form": skill.FORMS[name]} for name in scores},
    )


def _scores(predicted: NDArray[Any], observed: NDArray[Any], kind: str) -> dict[str, NDArray[np.float64]]:
    return (skill.classification_scores if kind == "classification" else skill.regression_scores)(predicted, observed)


def _number(value: NDArray[np.float64]) -> float | None:
    return float(value[0]) if np.isfinite(value[0]) else None


def measured(folds: Sequence[Fold], seeds: Sequence[int], measures: Sequence[str] = POOLED) -> pd.DataFrame:
    """Inputs per unit of every fold and seed on the fold's test part, and their reduction from the hidden units.

    Returns:
        Columns fold (from 1), variant, seed, measure, value, reduction.
    """
    found = []
    for number, fold in enumerate(folds, start=1):
        inputs = Inputs(fold.prepared.test.x)
        of = {"mlp": dictionaries.hidden_units(fold.networks, inputs)}
        of |= {name: dictionaries.latents(fold.networks, sae, inputs) for name, sae in fold.saes.items()}
        values = pd.DataFrame(
            {"variant": variant, "seed": seed, "measure": name, "value": round(MEASURES[name](of_model(place)), DIGITS)}
            for place, seed in enumerate(seeds)
            for variant, of_model in of.items()
            for name in measures
        )
        before = values[values["variant"] == "mlp"].set_index(["seed", "measure"])["value"]
        pairs = pd.MultiIndex.from_frame(values[["seed", "measure"]])
        values["reduction"] = reduction(before.loc[pairs].to_numpy(), values["value"].to_numpy())
        found.append(values.assign(fold=number))
    return pd.concat(found, ignore_index=True)[["fold", "variant", "seed", "measure", "value", "reduction"]]


def pooled_measures(table: pd.DataFrame, headline: str) -> dict[str, Any]:
    """By measure: inputs per unit, reductions of trained and untrained SAEs, and what training adds.

    Every number is a mean over folds and seeds; its interval is over seeds, each seed's folds averaged, and so holds
    for the same rows in the same folds. `by_fold` has the least and the largest mean of a fold, `sd_between` the
    standard deviations of folds, seeds and the rest (see `spread.crossed`).

    Args:
        table: see `measured`; headline: the L1 convention whose SAEs are reported.
    """
    result: dict[str, Any] = {}
    for name, rows in table.groupby("measure", sort=False):
        values = {v: _wide(mine, "value") for v, mine in rows.groupby("variant", sort=False)}
        falls = {v: _wide(rows[rows["variant"] == v], "reduction") for v in (headline, UNTRAINED)}
        gain = falls[headline] - falls[UNTRAINED]
        result[str(name)] = {
            "title": MEASURES[str(name)].title,
            "value": {v: _averaged(values[v], ".2f") for v in ("mlp", headline, UNTRAINED)},
            "reduction": {v: _averaged(fall, PERCENT) for v, fall in falls.items()},
            "beyond_untrained": _averaged(gain, POINTS),
            "by_fold": {v: _by_fold(fall, PERCENT) for v, fall in falls.items()},
            "beyond_by_fold": _by_fold(gain, POINTS),
            "sd_between": {"form": POINTS} | _named(crossed(falls[headline])),
        }
    return result


def _wide(rows: pd.DataFrame, column: str) -> NDArray[np.float64]:
    """[folds, seeds]."""
    return rows.pivot(index="fold", columns="seed", values=column).to_numpy(dtype=np.float64)


def _mean(values: NDArray[np.float64], axis: int) -> NDArray[np.float64]:
    """Mean of what is defined; NaN where nothing is."""
    return np.asarray(np.ma.masked_invalid(values).mean(axis=axis).filled(np.nan))


def _averaged(values: NDArray[np.float64], form: str) -> Spread:
    """Over seeds, each seed's folds averaged; `undefined` counts folds and seeds without a value."""
    return over_seeds(_mean(values, 0), form) | {"undefined": int((~np.isfinite(values)).sum())}


def _by_fold(values: NDArray[np.float64], form: str) -> dict[str, Any]:
    means = _mean(values, 1)
    return _range(means.tolist()) | {"form": form}


def _range(values: Sequence[float]) -> dict[str, float | None]:
    """The least and the largest of what is defined."""
    there = [value for value in values if np.isfinite(value)]
    return {"least": min(there, default=None), "most": max(there, default=None)}


def _named(found: Mapping[str, float | None]) -> dict[str, float | None]:
    return {"folds": found["rows"], "seeds": found["columns"], "rest": found["rest"]}
