"""Which quantity that only the simulation knows a family of latents says best, beside what one input says of it."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from precip_sae.interpretation import probes
from precip_sae.interpretation.interventions import Values
from precip_sae.quantities import PERCENT
from precip_sae.simulation.truth import Hidden
from precip_sae.spread import over_episodes, over_seeds
from precip_sae.tasks.episodes import Episodes


def best_said(
    members: NDArray[np.float32],
    inputs: NDArray[np.float32],
    names: list[str],
    truth: Mapping[str, Values],
    hidden: Mapping[str, Hidden],
    episodes: Episodes,
) -> dict[str, Any] | None:
    """The hidden quantity that a family's latents say best by a straight line, and how well the best input says it.

    Lines are fitted (and the input is chosen) on one half of the episodes and scored on the other, then the other way
    round, as in `probes`; the quantity is the one with the largest share on the halves that were fitted, so that the
    scores are not those of a choice among many. Numbers are rounded to what no processor changes.

    Args:
        members: activations of the family's latents, one per model [members, rows].
        inputs: standardised [rows, inputs]; names: of them.
        truth: by name, the hidden quantities of the same rows [rows]; hidden: what they are.
        episodes: of the same rows.

    Returns:
        None where no quantity varies; else factor, what and unit: the quantity; r2: share of its variance that a latent
        explains, mean over the members, with its interval over episodes; r2_seeds: the same over seeds; input: the one
        that explains most of it, and input_r2; more: r2 less input_r2, row by row; of a quantity that is true or false
        also area, the area under the ROC curve over seeds, and input_area.
    """
    varying = [name for name, values in truth.items() if np.ptp(values) > 0]
    if not varying:
        return None
    factors = np.stack([truth[name] for name in varying], axis=1)
    half = probes.halves(episodes.number)
    units = members[:, :, None]
    mine = probes.single(probes.folds(units, factors, half))
    place = int(mine.chosen.mean(axis=(0, 1, 2)).round(9).argmax())
    name, wanted = varying[place], factors[:, [place]]
    mine = probes.single(probes.folds(units, wanted, half))
    best = probes.single(probes.folds(inputs[None], wanted, half))
    said, told = (
        probes.row_scores(values, wanted, half, found)[:, 0].round(9)
        for values, found in ((units, mine), (inputs[None], best))
    )
    strongest = int(best.chosen.mean(axis=0)[0, :, 0].round(9).argmax())
    result: dict[str, Any] = {
        "factor": name,
        "what": hidden[name].meaning,
        "unit": hidden[name].unit,
        "r2": over_episodes(said, episodes.number, ".2f", episodes.name),
        "r2_seeds": over_seeds(mine.best_of()[:, 0].round(9), ".2f"),
        "input": names[strongest],
        "input_r2": over_episodes(told, episodes.number, ".2f", episodes.name),
        "more": over_episodes(said - told, episodes.number, ".2f", episodes.name),
    }
    if hidden[name].binary:
        true = wanted[:, 0] > 0
        result["area"] = over_seeds(probes.best_area(units, true, half, mine, 0).round(9), PERCENT)
        result["input_area"] = over_seeds(probes.best_area(inputs[None], true, half, best, 0).round(9), PERCENT)
    return result
