"""Whether latents hold up across seeds, beside what would hold up anyway.

Kinds of units, all over the same rows: the SAE's `latents`; and four controls: the network's `hidden` units, the
latents of the `untrained` SAE, `random` directions of the hidden space that are active as often as the latents, and the
latents `shifted` in time (what autocorrelated series share by chance).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from precip_sae.comparisons import paired
from precip_sae.interpretation import matching, storms
from precip_sae.quantities import PERCENT, POINTS, quantity
from precip_sae.spread import over_seeds

LATENTS, HIDDEN, UNTRAINED, RANDOM, SHIFTED = "latents", "hidden", "untrained", "random", "shifted"
KINDS = (LATENTS, HIDDEN, UNTRAINED, RANDOM, SHIFTED)
STORM_MODELS = 30
"""Models whose pairs the bootstrap over storms uses."""


@dataclass(frozen=True)
class Matched:
    """Units of one kind in all models, and how alike they are.

    Attributes:
        activations: [models, rows, units]; similarity, partners: see `matching`.
    """

    activations: NDArray[np.float32]
    similarity: NDArray[np.float64]
    partners: matching.Partners

    @classmethod
    def of(cls, activations: NDArray[np.float32]) -> "Matched":
        similarity = matching.similarities(activations)
        return cls(activations, similarity, matching.partners(similarity))


def kinds(
    hidden: NDArray[np.float32], latents: NDArray[np.float32], untrained: NDArray[np.float32]
) -> dict[str, NDArray[np.float32]]:
    """The activations of every kind [models, rows, units], random directions being the same in every run."""
    generator = np.random.default_rng(0)
    found = {LATENTS: latents, HIDDEN: hidden, UNTRAINED: untrained}
    return found | {RANDOM: matching.random_units(hidden, latents, generator), SHIFTED: matching.shifted(latents)}


def key(level: float) -> str:
    """`above_70` for 0.7, `above_92_5` for 0.925: how a level is named among the results."""
    return f"above_{100 * level:g}".replace(".", "_")


def compare(
    matched: Mapping[str, Matched],
    levels: list[float],
    cut: float,
    least: float,
    episodes: NDArray[np.int64],
    over: str,
) -> dict[str, Any]:
    """Shares of units with a partner in another model, and the families that return, of every kind.

    Args:
        matched: of every kind, see `kinds`.
        levels: correlations above which two units count as alike.
        cut: see `matching.families`; least: share of the models that has to have a family for it to return.
        episodes: of each row [rows]; over: what they are called.

    Returns:
        {kinds: {kind: {above_70: {partner, partner_storms, nearest}, .., living, families, covered}},
        latents_less: {above_70: {control: difference of shares with Holm-corrected p}, ..},
        latents_less_storms: {above_70: {control: difference, its interval over storms}, ..}}.
    """
    draws = storms.weights(episodes)
    shares: dict[str, dict[str, NDArray[np.float64]]] = {}
    resampled: dict[str, dict[str, NDArray[np.float64]]] = {}
    found: dict[str, dict[str, Any]] = {}
    for kind, one in matched.items():
        similarity, living = one.similarity, matching.living(one.similarity)
        few = one.partners.first(STORM_MODELS)
        labels = matching.families(similarity, cut)
        returning = matching.returning(labels, similarity, least)
        found[kind] = {
            "living": over_seeds(living.sum(axis=1), ".1f"),
            "families": len(returning),
            "covered": quantity(_covered(returning, living), PERCENT),
        }
        over_storms = matching.share_over_episodes(one.activations[:STORM_MODELS], few, episodes, draws, levels)
        for level, again in zip(levels, over_storms, strict=True):
            name = key(level)
            share = matching.by_model(matching.share_above(one.partners.similarity, level))
            shares.setdefault(name, {})[kind], resampled.setdefault(name, {})[kind] = share, again
            found[kind][name] = {
                "partner": over_seeds(share, PERCENT),
                "partner_storms": storms.interval(again, episodes, PERCENT, over),
                "nearest": over_seeds(matching.by_model(matching.share_above(one.partners.nearest, level)), PERCENT),
            }
    differences = {
        f"{name} {kind}": of[LATENTS] - of[kind] for name, of in shares.items() for kind in of if kind != LATENTS
    }
    corrected = paired(differences, POINTS)
    return {
        "kinds": found,
        "latents_less": {
            name: {kind: corrected[f"{name} {kind}"] for kind in of if kind != LATENTS} for name, of in shares.items()
        },
        "latents_less_storms": {
            name: {
                kind: storms.interval(of[LATENTS] - of[kind], episodes, POINTS, over) for kind in of if kind != LATENTS
            }
            for name, of in resampled.items()
        },
    }


def _covered(returning: list[matching.Family], living: NDArray[np.bool_]) -> float:
    return sum(family.units for family in returning) / living.sum() if living.any() else float("nan")


def directions(found: Mapping[str, NDArray[np.float64]], levels: list[float]) -> dict[str, Any]:
    """Shares of latents with a partner by direction instead of activation; see `matching.input_directions`.

    Args:
        found: name of a space that all models share: directions in it [models, latents, dimensions].
    """
    results: dict[str, Any] = {}
    for space, vectors in found.items():
        partners = matching.partners(matching.cosines(vectors))
        results[space] = {
            key(level): over_seeds(matching.by_model(matching.share_above(partners.similarity, level)), PERCENT)
            for level in levels
        }
    return results


def same_network(groups: Mapping[str, Sequence[NDArray[np.float64]]], levels: list[float]) -> dict[str, Any]:
    """Shares of latents with a partner among SAEs of other seeds on the same network.

    Args:
        groups: what is compared: similarities between SAEs of each network [SAEs, SAEs, units, units].

    Returns:
        {what: {above_70: spread over networks, ..}}.
    """
    results: dict[str, Any] = {}
    for what, networks in groups.items():
        partners = [matching.partners(similarity) for similarity in networks]
        results[what] = {
            key(level): over_seeds([_mean_share(p.similarity, level) for p in partners], PERCENT) | {"over": "networks"}
            for level in levels
        }
    return results


def _mean_share(similarity: NDArray[np.float64], level: float) -> float:
    shares = matching.share_above(similarity, level)
    return float(np.nanmean(shares)) if np.isfinite(shares).any() else float("nan")


def membership(labels: NDArray[np.int64], seeds: list[int]) -> pd.DataFrame:
    """One row per unit: its seed, number and family, -1 for none.

    Args:
        labels: see `matching.families`.
    """
    models, units = labels.shape
    return pd.DataFrame(
        {"seed": np.repeat(seeds, units), "unit": np.tile(np.arange(units), models), "family": labels.ravel()}
    )


def labels_of(table: pd.DataFrame) -> NDArray[np.int64]:
    """Back from `membership` to the labels of the families [models, units]."""
    return table["family"].to_numpy().reshape(table["seed"].nunique(), -1)
