"""Feature cards: one per family of latents that returns in most seeds, with everything that is known of it.

A family's physical reading is not a matter of taste: it follows from PHRASES and KINDS below and nothing else.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from precip_sae.interpretation import storms, thresholds
from precip_sae.interpretation.borders import COARSE, Axis
from precip_sae.interpretation.causes import effect_form
from precip_sae.interpretation.interventions import Values
from precip_sae.interpretation.matching import Family
from precip_sae.interpretation.sensitivity import correlations
from precip_sae.interpretation.stability import LATENTS
from precip_sae.interpretation.thresholds import Bins
from precip_sae.quantities import PERCENT, quantity
from precip_sae.settings import DataSettings
from precip_sae.spread import Spread, over_seeds
from precip_sae.tasks.episodes import Episodes
from precip_sae.tasks.prepare import Prepared

MOST = 6
"""Families that get a card, those of most seeds first: what fits a page."""
CURVE = 20
"""Bins of the curve on a card."""

# What it means that a latent is active where an input is high (+1) or low (-1).
PHRASES: dict[tuple[str, int], str] = {
    ("T", 1): "warm air",
    ("T", -1): "cold air",
    ("Fs", 1): "fast-falling particles",
    ("Fs", -1): "slowly falling particles",
    ("RH", 1): "moist air",
    ("RH", -1): "dry air",
    ("n0", 1): "many particles",
    ("n0", -1): "few particles",
    ("Nt", 1): "many particles",
    ("Nt", -1): "few particles",
    ("Dm", 1): "large particles",
    ("Dm", -1): "small particles",
    ("lambda", 1): "few large particles",
    ("lambda", -1): "many large particles",
    ("Rho", 1): "dense particles",
    ("Rho", -1): "light particles",
    ("reflectivity_3", 1): "strong echo near the ground",
    ("reflectivity_3", -1): "weak echo near the ground",
    ("reflectivity_4", 1): "strong echo near the ground",
    ("reflectivity_4", -1): "weak echo near the ground",
    ("reflectivity_29", 1): "strong echo at 3 km",
    ("reflectivity_29", -1): "weak echo at 3 km",
    ("dv_3", 1): "fast fall near the ground",
    ("dv_3", -1): "slow fall near the ground",
    ("dv_29", 1): "fast fall at 3 km",
    ("dv_29", -1): "slow fall at 3 km",
    ("t_15", 1): "warm air aloft",
    ("t_15", -1): "cold air aloft",
}

# The physical reading: the first line all of whose inputs the family is sensitive to, with these signs.
KINDS: tuple[tuple[str, dict[str, int]], ...] = (
    ("snow", {"T": -1, "Fs": -1}),
    ("rain", {"T": 1, "Fs": 1}),
    ("rain", {"Rho": 1, "T": 1}),
    ("snow", {"Rho": -1, "T": -1}),
    ("rain from a deep cloud, melted aloft", {"dv_3": 1, "dv_29": 1}),
    ("deep precipitation", {"reflectivity_3": 1, "reflectivity_29": 1}),
    ("weak or shallow precipitation", {"reflectivity_3": -1, "reflectivity_29": -1}),
    ("intense snowfall", {"n0": 1}),
    ("light precipitation", {"n0": -1}),
    ("cold side", {"T": -1}),
    ("warm side", {"T": 1}),
    ("melted particles", {"Fs": 1}),
    ("ice particles", {"Fs": -1}),
)
NO_READING = "none by the rules"

# Columns of the observations that only a simulation knows, and that no network sees.
HIDDEN_FACTORS = {"melted": "melted mass fraction at the ground", "riming": "density over that of unrimed snow"}


def with_factors(data: DataSettings, factors: Sequence[str]) -> DataSettings:
    """The task with factors in the place of its predictors, to read them from its table."""
    return data.model_copy(update={"predictors": list(factors), "transforms": {}})


def signs(r: Mapping[str, float], threshold: float) -> dict[str, int]:
    """The inputs with |r| above the threshold and their signs, the strongest first."""
    strong = sorted((name for name in r if abs(r[name]) > threshold), key=lambda name: -abs(r[name]))
    return {name: 1 if r[name] > 0 else -1 for name in strong}


def strongest(r: Mapping[str, float]) -> str:
    """The input with the largest |r|, the first of equals; one that does not vary (NaN) is never chosen.

    Args:
        r: correlation with each input.
    """
    return max(r, key=lambda name: np.nan_to_num(abs(r[name]), nan=-1.0))


def name_of(found: Mapping[str, int], shown: Mapping[str, str] | None = None, most: int | None = None) -> str:
    """A family's name: its inputs with their signs, `T− Fs−`; `no input` where it is sensitive to none.

    Args:
        found: see `signs`.
        shown: how inputs are written; None: by their names.
        most: how many inputs are named; None: all.
    """
    named = [(shown[name] if shown else name) + ("+" if sign > 0 else "−") for name, sign in found.items()]
    return " ".join([*named[:most], *(["…"] if most is not None and len(named) > most else [])]) or "no input"


def reading(found: Mapping[str, int]) -> dict[str, str]:
    """What a family stands for in physics, by KINDS and PHRASES.

    Args:
        found: see `signs`.

    Returns:
        kind: by the first rule that holds; rule: that rule, in words of its inputs; words: a phrase per input.
    """
    words = [PHRASES.get((name, sign), f"{'high' if sign > 0 else 'low'} {name}") for name, sign in found.items()]
    for kind, needed in KINDS:
        if all(found.get(name) == sign for name, sign in needed.items()):
            return {"kind": kind, "rule": name_of(needed), "words": ", ".join(words)}
    return {"kind": NO_READING, "rule": "", "words": ", ".join(words)}


@dataclass(frozen=True)
class Curve:
    """A family's response along the input that it responds to most.

    Attributes:
        column: the input; places: medians of the bins, in the unit of `form`; form: how they are written.
        mean: activation, of each member scaled to its own largest bin and averaged over seeds [bins].
        low, high: its interval over storms [bins]; NaN where there are too few.
        seeds_low, seeds_high: the middle 95 % of the members [bins].
        turn: where it turns, with its interval over storms; explained: share of the curve that two lines explain.
    """

    column: str
    form: str
    places: Values
    mean: Values
    low: Values
    high: Values
    seeds_low: Values
    seeds_high: Values
    turn: Spread
    explained: float


def curve(activations: NDArray[np.float32], axis: Axis, episodes: Episodes) -> Curve:
    """The response of a family along an input.

    Args:
        activations: of its members on the test part [members, rows].
        axis: the input on the same rows.
        episodes: of the same rows.
    """
    bins = Bins.of(axis.values, CURVE)
    each = bins.means(activations.T)
    tops = np.maximum(each.max(axis=1), np.finfo(np.float32).tiny)
    mean_activation = (activations / tops[:, None]).mean(axis=0)
    draws = bins.resampled(mean_activation, episodes.number, storms.weights(episodes.number))
    spans = [storms.interval(column, episodes.number) for column in draws.T]
    low, high = (np.array([span[end] for span in spans], dtype=np.float64) for end in ("low", "high"))
    seeds_low, seeds_high = np.quantile(each / tops[:, None], (0.025, 0.975), axis=0)
    fine = Bins.of(axis.values, COARSE)
    turn = thresholds.place_over_storms(
        fine, mean_activation, episodes.number, thresholds.turns, axis.told, axis.form, episodes.name
    )
    explained = thresholds.turns(fine.centres, fine.means(mean_activation[:, None])).explained[0]
    return Curve(
        axis.column, axis.form, axis.told(bins.centres), draws[0], low, high, seeds_low, seeds_high, turn,
        float(explained),
    )  # fmt: skip


def hidden_factor(
    activations: NDArray[np.float32], hidden: NDArray[np.float32], factor: Values, inputs: NDArray[np.float32]
) -> dict[str, Any]:
    """How a family goes with a factor that no network was given, beside the unit and the input that go with it most.

    Args:
        activations: of its members [members, rows]; hidden: of the hidden units of their networks
            [members, rows, hidden].
        factor: [rows], NaN where unknown; inputs: standardised [rows, inputs].

    Returns:
        r: correlation, over seeds; unit_r: the largest |r| of a hidden unit, over seeds; input, input_r: position of
        the input with the largest |r| with the factor, and that r.
    """
    known = np.isfinite(factor)
    wanted = factor[known, None].astype(np.float32)
    member = correlations(activations[:, known, None], wanted)[:, 0, 0]
    units = np.nan_to_num(np.abs(correlations(hidden[:, known], wanted)[:, :, 0]), nan=0.0).max(axis=1)
    own = correlations(inputs[None, known], wanted)[0, :, 0]
    best = int(np.nan_to_num(np.abs(own), nan=-1.0).argmax())
    return {
        "r": over_seeds(member, ".2f"),
        "unit_r": over_seeds(np.where(np.isnan(member), np.nan, units), ".2f"),
        "input": best,
        "input_r": quantity(float(own[best]), ".2f"),
    }


@dataclass(frozen=True)
class Card:
    """A family of latents and all that is known of it.

    Attributes:
        facts: what cards.json holds of it; curve: its response; signs: see `signs`.
    """

    facts: dict[str, Any]
    curve: Curve
    signs: Mapping[str, int]


def card(
    family: Family,
    activations: NDArray[np.float32],
    hidden: NDArray[np.float32],
    r: Values,
    effects: pd.DataFrame,
    carried: Mapping[str, Any],
    prepared: Prepared,
    seeds: Sequence[int],
    episodes: Episodes,
    factors: Mapping[str, Values],
    threshold: float,
    truth: Mapping[str, Any] | None = None,
) -> Card:
    """Fills a card.

    Args:
        activations: latents of all models on the test part [models, rows, latents]; hidden: their hidden units
            [models, rows, hidden]; r: correlation of latents with each input [models, latents, inputs].
        effects: see `causes.effects`; of the seeds that it lacks, effects are not known.
        carried: what `causes` found of steering the family.
        factors: hidden factors on the test part by name [rows].
        threshold: an input is strong when the mean |r| is above it.
        truth: which quantity of the simulation the family says best, see `hidden_truth.best_said`; None where no
            quantity is known.
    """
    data, members = prepared.data, family.members
    mine = np.array([activations[m, :, u] for m, u in members.items()])
    own = np.array([r[m, u] for m, u in members.items()])
    mean = dict(zip(data.predictors, own.mean(axis=0).tolist(), strict=True))
    found = signs(mean, threshold)
    first = strongest(mean)
    line = curve(mine, Axis.of(prepared, first), episodes)
    unit_of = {seeds[m]: u for m, u in members.items()}
    chosen = effects[(effects["kind"] == LATENTS) & (effects["unit"] == effects["seed"].map(unit_of))]
    outputs = data.classes or data.responses
    form = effect_form(data)
    known = {}
    for name, values in factors.items():
        one = hidden_factor(mine, hidden[list(members)], values, prepared.test.x)
        known[name] = one | {"input": data.predictors[one["input"]], "what": HIDDEN_FACTORS.get(name, name)}
    facts = {
        "name": name_of(found),
        "reading": reading(found),
        "members": {str(seed): unit for seed, unit in unit_of.items()},
        "stability": {
            "share_of_seeds": quantity(family.share, PERCENT),
            "similarity": quantity(family.similarity, ".2f"),
            "latents": family.units,
        },
        "inputs": [
            {"input": name, "r": over_seeds(own[:, data.predictors.index(name)], ".2f")}
            for name in sorted(mean, key=lambda name: -np.nan_to_num(abs(mean[name]), nan=-1.0))
        ],
        "threshold": {
            "input": first,
            "turn": line.turn,
            "explained": quantity(line.explained, PERCENT),
        },
        "active_share": over_seeds((mine > 0).mean(axis=1), PERCENT),
        "ablation": {
            "size": over_seeds(chosen["size"], form),
            "outputs": {
                name: over_seeds(chosen[f"out_{k}"], form.replace("%", "pp")) for k, name in enumerate(outputs)
            },
            "tied": over_seeds(chosen["tied"], PERCENT),
        },
        "steering": dict(carried),
        "hidden_factors": known,
        "truth": dict(truth) if truth else None,
        "response": {
            "input": line.column,
            "form": line.form,
            "places": _listed(line.places),
            **{name: _listed(getattr(line, name)) for name in ("mean", "low", "high", "seeds_low", "seeds_high")},
        },
    }
    return Card(facts, line, found)


def numbers(found: Sequence[Card]) -> dict[str, dict[str, Any]]:
    """What the manuscript prints of the cards: `family_1` and on, without curves and lists."""
    kept = ("name", "reading", "stability", "threshold", "active_share", "ablation", "steering", "hidden_factors")
    return {
        f"family_{k}": {key: card.facts[key] for key in kept}
        | ({"truth": card.facts["truth"]} if card.facts["truth"] else {})
        for k, card in enumerate(found, start=1)
    }


def _listed(values: Values) -> list[float | None]:
    return [None if np.isnan(value) else round(float(value), 6) for value in values]
