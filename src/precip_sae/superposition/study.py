"""Dictionaries on toy activations, whose true features are known: which variant finds them, and when."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from precip_sae.interpretation.metrics import dead
from precip_sae.interpretation.variant_grid import (
    Activations,
    Judge,
    described,
    fit_grid,
    middle,
    published_sensitivity,
)
from precip_sae.quantities import PERCENT, quantity
from precip_sae.scheduling import in_processes
from precip_sae.settings import DescentSettings, ToySettings, VariantName
from precip_sae.spread import over_seeds
from precip_sae.superposition.geometry import FATES, IGNORED, antipodal, dimensionality, fates, polygon
from precip_sae.superposition.recovery import FOUND, mean_of, recovery
from precip_sae.superposition.toy import random_directions, sparse_features, train_toys

TOY, RANDOM = "toy", "random"
SOURCES = {TOY: "directions that a trained toy model has arranged", RANDOM: "directions drawn on the sphere"}

# Streams of random numbers of the rows that dictionaries are trained on and judged by.
_TRAIN, _TEST = 13, 14

IMPORTANCE = 0.9
"""Importance of each feature relative to the one before it, where features compete (Elhage et al. 2022)."""


@dataclass(frozen=True)
class ToyDictionaries:
    """Dictionaries of one variant and width on toy activations, and the truth about them.

    Attributes:
        source: TOY or RANDOM.
        activity: share of the rows in which a feature is active.
        activations: what they are fitted on; their `inputs` are the true features.
        truth: directions of the features [seeds, features, units]; without length where the toy ignores one.
        latents_per_unit: their width.
        variant: of SAE; penalties: weights of its penalty, each with every seed.
    """

    source: str
    activity: float
    activations: Activations
    truth: NDArray[np.float32]
    latents_per_unit: int
    variant: VariantName
    penalties: Sequence[float]

    def described(self, settings: DescentSettings, judges: Sequence[Judge]) -> pd.DataFrame:
        """Fits them; see `dictionary_table` for the columns."""
        grid = {self.variant: self.penalties}
        (fitted,) = fit_grid(self.activations, grid, self.latents_per_unit, settings)
        truth = np.tile(self.truth, (len(self.penalties), 1, 1))
        true = recovery(fitted.directions, truth, ~dead(fitted.latents))
        return described(fitted, judges, source=self.source, activity=self.activity).assign(**true)


def toy_activations(source: str, activity: float, settings: ToySettings) -> tuple[Activations, NDArray[np.float32]]:
    """Activations of one toy model per seed, and the directions of its features.

    Args:
        source: TOY, a trained bottleneck; RANDOM, directions drawn on the sphere.
        activity: share of the rows in which a feature is active.

    Returns:
        The activations, judged by rows that all seeds share, and directions [seeds, features, units].
    """
    seeds, features = settings.seeds, settings.features
    if source == TOY:
        importance = np.ones((len(seeds), features))
        model = train_toys(settings.units, [activity] * len(seeds), importance, seeds, settings.networks)
        weight = model.weight.detach().numpy()
    else:
        weight = random_directions(seeds, features, settings.units)
    drawn = [sparse_features(np.random.default_rng([s, _TRAIN]), settings.rows, features, activity) for s in seeds]
    train = np.stack([(values * active) @ w for (values, active), w in zip(drawn, weight, strict=True)])
    values, active = sparse_features(np.random.default_rng(_TEST), settings.rows // 2, features, activity)
    x = values * active
    held = torch.from_numpy(weight)
    found = Activations(train, x @ weight, x, lambda place: lambda inputs: torch.matmul(inputs, held[place]), seeds)
    return found, np.where((fates(weight) != IGNORED)[..., None], weight, 0.0)


def toy_dictionaries(settings: ToySettings) -> list[ToyDictionaries]:
    """Every variant on activations of every activity and source, then on further widths at the middle activity."""
    grid = settings.dictionaries
    made = {
        (source, a): toy_activations(source, a, settings) for source in SOURCES for a in sorted(settings.activities)
    }
    cases = [(*case, settings.width, grid) for case in made]
    further = [width for width in settings.widths if width != settings.width]
    cases += [(RANDOM, middle_activity(settings), width, middle(grid)) for width in further]
    return [
        ToyDictionaries(source, activity, *made[source, activity], width, variant, penalties)
        for source, activity, width, wanted in cases
        for variant, penalties in wanted.items()
    ]


def dictionary_table(settings: ToySettings, judges: Sequence[Judge] = ()) -> pd.DataFrame:
    """One row per dictionary: what it is, FVU, L0, dead share, the study's measure, and its true recovery.

    Args:
        judges: further measures, see `Judge`.

    Returns:
        Columns source, activity, variant, latents_per_unit, penalty, seed, fvu, l0, dead, those of
        `published_sensitivity` and of `judges`, and those of `recovery`.
    """
    measures = [published_sensitivity(settings.threshold), *judges]

    # one variant and width at a time is in memory in each process, so that any measure can be taken of them
    def work(each: ToyDictionaries) -> pd.DataFrame:
        return each.described(settings.training, measures)

    return pd.concat(in_processes(work, toy_dictionaries(settings)), ignore_index=True)


def halves(table: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Rows of every second seed, to choose by, and of the seeds between, to report; all twice of one seed alone."""
    seeds = sorted(table["seed"].unique())
    first, second = (table[table["seed"].isin(seeds[start::2])] for start in (0, 1))
    return (first, second) if len(seeds) > 1 else (table, table)


def best_penalty(table: pd.DataFrame) -> pd.DataFrame:
    """The rows, of the seeds between, of the penalty of each variant that finds most features on every second seed.

    Chosen by the truth, ties by MMCS: what a variant can find when somebody knows how to set it. What is reported was
    not chosen by (see `halves`).
    """
    by = ["source", "activity", "latents_per_unit", "variant"]
    choosing, reported = halves(table)
    means = choosing.groupby([*by, "penalty"])[["found", "mmcs"]].mean().reset_index()
    best = means.sort_values(["found", "mmcs"]).groupby(by).tail(1)
    return reported.merge(best[[*by, "penalty"]], on=[*by, "penalty"])


def compete(activities: Sequence[float], settings: ToySettings) -> pd.DataFrame:
    """What becomes of features of falling importance as they grow sparse.

    Returns:
        One row per activity and seed: activity, seed, the shares ignored, dedicated and superposed, the share in
        antipodal pairs, and the mean dimensionality of the features that are represented (NaN where none is).
    """
    seeds = list(settings.seeds)
    shares = [activity for activity in activities for _ in seeds]
    importance = np.tile(IMPORTANCE ** np.arange(settings.features), (len(shares), 1))
    model = train_toys(settings.units, shares, importance, seeds * len(activities), settings.networks)
    weight = model.weight.detach().numpy()
    fate, size = fates(weight), dimensionality(weight)
    kept = fate != IGNORED
    columns = {"activity": shares, "seed": seeds * len(activities)}
    columns |= {name: (fate == k).mean(axis=1) for k, name in enumerate(FATES)}
    columns |= {"antipodal": antipodal(weight).mean(axis=1), "dimensionality": mean_of(size, kept)}
    return pd.DataFrame(columns)


def five_in_a_plane(activities: Sequence[float], settings: ToySettings) -> dict[float, NDArray[np.float32]]:
    """Directions of five features in two dimensions [seeds, features, 2], by activity (Elhage et al. 2022).

    Their importance falls slightly, by IMPORTANCE from each to the next.
    """
    importance = np.tile(IMPORTANCE ** np.arange(5), (len(settings.seeds), 1))
    return {
        activity: train_toys(2, [activity] * len(settings.seeds), importance, settings.seeds, settings.networks)
        .weight.detach()
        .numpy()
        for activity in activities
    }


def chosen(table: pd.DataFrame) -> dict[str, Any]:
    """Share of features found by the dictionary that a criterion chooses, seed by seed: spreads over seeds.

    Criteria: `truth`, most features found; `fvu`, least unexplained variance; `published`, the largest reduction of
    the study's measure. Undefined values are never chosen.

    Args:
        table: rows of one source, activity and width (see `dictionary_table`).
    """
    scores = {"truth": table["found"], "fvu": -table["fvu"], "published": table["reduction_published"]}
    return {
        name: over_seeds([table["found"][score[rows].idxmax()] for rows in _by_seed(table, score)], PERCENT)
        for name, score in scores.items()
    }


def _by_seed(table: pd.DataFrame, score: pd.Series) -> list[pd.Index]:
    """The rows of every seed whose score is defined."""
    return [rows.index for _, rows in table[score.notna()].groupby("seed")]


def summary(
    table: pd.DataFrame, competing: pd.DataFrame, planes: Mapping[float, NDArray[np.float32]], settings: ToySettings
) -> dict[str, Any]:
    """Spreads over seeds: what becomes of features, and what the best penalty of each variant finds.

    Args:
        table: see `dictionary_table`.
        competing: see `compete`.
        planes: see `five_in_a_plane`.

    Returns:
        `fates` by activity; `pentagons`, the share of seeds whose five features make one, by activity; `recovery` by
        source and activity: every variant's spreads, the `best` variant and its own spreads as `most`, and what other
        criteria would have chosen (see `chosen`); `widths` likewise.
    """
    forms = dict.fromkeys((*FATES, "antipodal"), PERCENT) | {"dimensionality": ".2f"}
    found: dict[str, Any] = {
        "threshold": quantity(FOUND, ".2f"),
        "dictionaries": len(table),
        "features": settings.features,
        "units": settings.units,
        "fates": {
            activity_key(activity): {name: over_seeds(rows[name], form) for name, form in forms.items()}
            for activity, rows in competing.groupby("activity")
        },
        "pentagons": {
            activity_key(activity): quantity(float((polygon(weight) == 5).mean()), ".0%")
            for activity, weight in planes.items()
        },
        "recovery": {},
        "widths": {},
    }
    for (source, activity), rows in table[table["latents_per_unit"] == settings.width].groupby(["source", "activity"]):
        found["recovery"].setdefault(source, {})[activity_key(activity)] = _variants(rows) | {"chosen": chosen(rows)}
    for width, rows in table[table["latents_per_unit"] != settings.width].groupby("latents_per_unit"):
        found["widths"][f"w{width}"] = _variants(rows)
    return found


def _variants(rows: pd.DataFrame) -> dict[str, Any]:
    """Every variant at its best penalty, and the best of them; chosen on half of the seeds, reported on the others."""
    forms = {"found": PERCENT, "false": PERCENT, "dead": PERCENT, "fvu": PERCENT, "mmcs": ".3f", "l0": ".2f"}
    forms |= {"one_to_one": ".3f"}
    variants = {
        name: {column: over_seeds(each[column], form) for column, form in forms.items()}
        for name, each in best_penalty(rows).groupby("variant")
    }
    means = halves(rows)[0].groupby(["variant", "penalty"])[["found", "mmcs"]].mean()
    best = means.sort_values(["found", "mmcs"]).index[-1][0]
    return {"variants": variants, "best": best, "most": variants[best]}


def middle_activity(settings: ToySettings) -> float:
    """The middle one of the activities; of two in the middle the larger."""
    return sorted(settings.activities)[len(settings.activities) // 2]


def activity_key(activity: float) -> str:
    """A share as a word of a number's key: 0.05 -> 5_percent, 0.005 -> 0p5_percent."""
    return f"{100 * activity:.3g}".replace(".", "p") + "_percent"
