"""Where networks, their units and simpler models put the borders between phases, with every kind of label."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from precip_sae.comparisons import paired
from precip_sae.interpretation import thresholds
from precip_sae.interpretation.interventions import predictions
from precip_sae.interpretation.thresholds import Bins, Values
from precip_sae.interpretation.units import Variant
from precip_sae.models.skill import forecasts
from precip_sae.observations.labels import FREEZING
from precip_sae.observations.schema import BY_NAME
from precip_sae.quantities import PERCENT, POINTS, quantity
from precip_sae.settings import DataSettings
from precip_sae.spread import over_seeds
from precip_sae.tasks.episodes import Episodes
from precip_sae.tasks.prepare import TRANSFORMS, Prepared

FINE, COARSE = 300, 60
"""Bins along an input: for outputs, whose borders are sharp, and for units, of which there are many."""


def relabelled(data: DataSettings, column: str) -> DataSettings:
    """The task with another label column of the observations, all of whose classes are kept.

    Raises:
        KeyError: the observations have no such label.
    """
    return data.model_copy(update={"response": column, "classes": list(BY_NAME[column].classes), "drop_classes": []})


def kinds_of_labels(
    data: DataSettings, asked: Sequence[str], there: Collection[str]
) -> tuple[dict[str, DataSettings], list[str]]:
    """The task by kind of label, its own first, and the labels that its table lacks.

    A table that was measured does not know the true phase.

    Args:
        asked: label columns besides the task's own; there: the columns of the table.
    """
    sets = {data.responses[0]: data} | {label: relabelled(data, label) for label in asked if label in there}
    return sets, [label for label in asked if label not in there]


def lacking(labels: Sequence[str], table: str) -> str:
    """Says which labels a table lacks and what follows; empty where it has them all."""
    if not labels:
        return ""
    return (
        f"{table} has no column {' and no column '.join(labels)}: no network is trained with such labels, and claims "
        "about them are not tested."
    )


@dataclass(frozen=True)
class Axis:
    """An input as responses are followed along it: transformed as the networks see it, told in its unit.

    Attributes:
        column: its name; mean, scale: of the standardised input; values: of the rows, not standardised [rows].
        told: from `values` to the unit in which places are told: temperatures in degrees Celsius, others untransformed.
        form: how places are written, with that unit.
        borders: the published borders along it, in that unit; none where the table has the input in a unit of its own.
    """

    column: str
    mean: float
    scale: float
    values: Values
    told: Callable[[Values], Values]
    form: str
    borders: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    @property
    def unit(self) -> str:
        """The unit in which places are told."""
        return self.form.partition(" ")[2]

    def place(self, standardised: Values) -> Values:
        """From standardised values of the input to the unit in which places are told."""
        return self.told(standardised * self.scale + self.mean)

    @classmethod
    def of(cls, prepared: Prepared, column: str) -> "Axis":
        """One of the predictors on the test part."""
        k = prepared.data.predictors.index(column)
        mean, scale = float(prepared.mean[k]), float(prepared.scale[k])
        values = prepared.test.x[:, k].astype(np.float64) * scale + mean
        own = BY_NAME[column].unit if column in BY_NAME else ""
        unit = prepared.data.units.get(column, own)
        transform = prepared.data.transforms.get(column)
        back = TRANSFORMS[transform][1] if transform else np.asarray
        borders = thresholds.published(column) if unit == own else {}
        if unit != "K":
            return cls(column, mean, scale, values, back, f".3g {unit}".strip(), borders)
        celsius = {name: (low - FREEZING, high - FREEZING) for name, (low, high) in borders.items()}
        return cls(column, mean, scale, values, lambda places: back(places) - FREEZING, ".1f °C", celsius)


def said(z: NDArray[np.float32], prepared: Prepared) -> Values:
    """What networks say of the test part: probabilities, or responses in the table's unit.

    Args:
        z: their outputs [models, rows, outputs].
    """
    if prepared.data.kind == "classification":
        return predictions(z.astype(np.float64), "classification")
    return prepared.response(z).astype(np.float64)


def sources(prepared: Prepared, predicted: Values) -> dict[str, Values]:
    """What is followed along the inputs: the observed responses, the networks' mean, and the linear forecast.

    Args:
        predicted: see `said`.

    Returns:
        observed, networks, linear: each [rows, outputs]; of a classification the classes' shares or probabilities.
    """
    linear = forecasts(prepared)["linear"]
    if prepared.data.kind == "classification":
        observed = np.eye(len(prepared.data.classes))[prepared.test.y]
        return {"observed": observed, "networks": predicted.mean(axis=0), "linear": np.exp(linear)}
    observed = prepared.response(prepared.test.y).astype(np.float64)[:, None]
    return {"observed": observed, "networks": predicted.mean(axis=0), "linear": linear[:, None]}


def of_outputs(
    prepared: Prepared, predicted: Values, axes: Sequence[Axis], episodes: Episodes
) -> dict[str, dict[str, Any]]:
    """Where what is observed and what is predicted changes along each input.

    Args:
        predicted: see `said` [models, rows, outputs].

    Returns:
        {column: {output: {source: {step, turn: spread over storms; step_explained, turn_explained, line_explained}}}};
        of the networks also `step_seeds`, over seeds.
    """
    names = prepared.data.classes or prepared.data.responses
    found: dict[str, dict[str, Any]] = {}
    curves = sources(prepared, predicted)
    for axis in axes:
        bins = Bins.of(axis.values, FINE)
        found[axis.column] = {}
        for k, name in enumerate(names):
            found[axis.column][name] = {}
            for source, values in curves.items():
                mean = bins.means(values[:, [k]])
                entry: dict[str, Any] = {
                    "line_explained": quantity(float(thresholds.lines(bins.centres, mean)[0]), PERCENT)
                }
                for shape, find in (("step", thresholds.steps), ("turn", thresholds.turns)):
                    entry[shape] = thresholds.place_over_storms(
                        bins, values[:, k], episodes.number, find, axis.told, axis.form, episodes.name
                    )
                    explained = float(find(bins.centres, mean).explained[0])
                    entry[f"{shape}_explained"] = quantity(explained, PERCENT)
                if source == "networks":
                    by_seed = thresholds.steps(bins.centres, bins.means(predicted[:, :, k].T)).place
                    entry["step_seeds"] = over_seeds(axis.told(by_seed), axis.form)
                found[axis.column][name][source] = entry
    return found


def turns_of_units(
    variants: Mapping[str, Variant], prepared: Prepared, axes: Sequence[Axis], seeds: Sequence[int], threshold: float
) -> pd.DataFrame:
    """One row per input, kind, seed and unit that is sensitive to the input: where its response turns.

    Args:
        variants: by kind, on the test part; threshold: an input is sensitive when |r| is above it.

    Returns:
        column, kind, seed, unit, r, turn (in the unit of `Axis.form`), explained.
    """
    frames = []
    for axis in axes:
        bins, k = Bins.of(axis.values, COARSE), prepared.data.predictors.index(axis.column)
        for kind, variant in variants.items():
            models, rows, units = variant.activations.shape
            flat = variant.activations.transpose(1, 0, 2).reshape(rows, models * units)
            found = thresholds.turns(bins.centres, bins.means(flat))
            r = np.nan_to_num(variant.r[:, :, k].ravel(), nan=0.0)
            frame = pd.DataFrame(
                {
                    "column": axis.column,
                    "kind": kind,
                    "seed": np.repeat(seeds, units),
                    "unit": np.tile(np.arange(units), models),
                    "r": r.round(6),
                    "turn": axis.told(found.place).round(6),
                    "explained": found.explained.round(6),
                }
            )
            frames.append(frame[np.abs(r) > threshold])
    return pd.concat(frames, ignore_index=True)


def of_units(table: pd.DataFrame, axes: Sequence[Axis], seeds: Sequence[int], first: str) -> dict[str, Any]:
    """How many units turn at the published borders, by kind, and the first kind's less those of the others.

    Args:
        table: see `turns_of_units`; first: the kind that the others are controls of.

    Returns:
        {column: {kinds: {kind: {units, turn, at: {border: share}}}, chance: {border: share},
        less: {border: {kind: difference with Holm-corrected p}}}}; shares at borders only where a turn could lie there.
    """
    found: dict[str, Any] = {}
    for axis in axes:
        bins, rows = Bins.of(axis.values, COARSE), table[table["column"] == axis.column]
        chances = {name: thresholds.chance(axis.told(bins.centres), b) for name, b in axis.borders.items()}
        borders = {name: border for name, border in axis.borders.items() if chances[name] > 0}
        kinds: dict[str, Any] = {}
        shares: dict[str, dict[str, pd.Series]] = {name: {} for name in borders}
        for kind, mine in rows.groupby("kind", sort=False):
            by_seed = mine.groupby("seed")["turn"]
            kinds[str(kind)] = {
                "units": over_seeds(by_seed.size().reindex(seeds, fill_value=0), ".1f"),
                "turn": over_seeds(by_seed.median().reindex(seeds), axis.form),
                "at": {},
            }
            for name, border in borders.items():
                share = by_seed.agg(lambda turns, at=border: thresholds.within(turns.to_numpy(), at).mean())
                shares[name][str(kind)] = share.reindex(seeds)
                kinds[str(kind)]["at"][name] = over_seeds(shares[name][str(kind)], PERCENT)
        differences = {
            f"{name} {kind}": (of[first] - of[kind]).to_numpy()
            for name, of in shares.items()
            for kind in of
            if kind != first and first in of
        }
        corrected = paired(differences, POINTS)
        found[axis.column] = {
            "kinds": kinds,
            "chance": {name: quantity(share, PERCENT) for name, share in chances.items()},
            "less": {
                name: {kind: corrected[f"{name} {kind}"] for kind in of if f"{name} {kind}" in corrected}
                for name, of in shares.items()
            },
        }
    return found
