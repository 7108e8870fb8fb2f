"""What an SAE changes by every measure: reductions and gains beyond a control, paired by seed."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from precip_sae.comparisons import episode_draws, few_digits, holm, over_both, t_test
from precip_sae.interpretation.dictionaries import OfModel
from precip_sae.interpretation.measures import MEASURES, THRESHOLD
from precip_sae.interpretation.resampled import redrawn_correlations
from precip_sae.interpretation.sensitivity import COUNTED, mean_sensitive, reduction
from precip_sae.interpretation.strengths import effective_number
from precip_sae.quantities import PERCENT, POINTS, quantity
from precip_sae.spread import FEWEST_EPISODES, Spread, over_seeds
from precip_sae.tasks.episodes import Episodes

Values = NDArray[np.float64]

BASE, CONTROL = "mlp", "untrained"
# The measures that follow from correlations alone, which sums over episodes give: r [.., units, inputs] -> [..].
OF_CORRELATIONS: dict[str, Callable[[Values], Values]] = {
    counted: partial(mean_sensitive, threshold=THRESHOLD, counted=counted) for counted in COUNTED
}
OF_CORRELATIONS["effective"] = lambda r: _mean_defined(effective_number(r**2))


def _mean_defined(values: Values) -> Values:
    """Mean over the last axis of what is not NaN; NaN where nothing is."""
    there = np.isfinite(values)
    total = there.sum(axis=-1)
    sums = np.where(there, values, 0.0).sum(axis=-1)
    return np.divide(sums, total, out=np.full(total.shape, np.nan), where=total > 0)


def compared(table: pd.DataFrame, trained: Sequence[str], base: str = BASE, control: str = CONTROL) -> dict[str, Any]:
    """By measure: the values of every variant, reductions from `base`, and gains beyond the reduction of `control`.

    Args:
        table: variant, seed, measure, value; see `dictionaries.measured`.
        trained: variants whose gain is tested. The p-values of all measures are corrected together (Holm).

    Returns:
        {measure: {title, value: {variant: spread}, reduction: {variant: spread}, gain: {variant: spread and p}}}.
    """
    names = [name for name in MEASURES if name in set(table["measure"])]
    variants = list(dict.fromkeys(table["variant"]))
    result: dict[str, Any] = {}
    tests: dict[tuple[str, str], float] = {}
    for name in names:
        values = table[table["measure"] == name].pivot(index="seed", columns="variant", values="value")
        fallen = {v: reduction(values[base].to_numpy(), values[v].to_numpy()) for v in variants if v != base}
        gains = {v: fallen[v] - fallen[control] for v in trained}
        tests |= {(name, v): t_test(gain) for v, gain in gains.items()}
        result[name] = {
            "title": MEASURES[name].title,
            "value": {v: over_seeds(values[v], ".2f") for v in variants},
            "reduction": {v: over_seeds(share, PERCENT) for v, share in fallen.items()},
            "gain": {v: over_seeds(gain, POINTS) for v, gain in gains.items()},
        }
    corrected = holm({f"{name} {v}": p for (name, v), p in tests.items()})
    for (name, v), p in tests.items():
        result[name]["gain"][v] |= {
            "p": quantity(few_digits(p), ".2g"),
            "p_holm": quantity(few_digits(corrected[f"{name} {v}"]), ".2g"),
        }
    return result


def redrawn_measures(
    dictionaries: Mapping[str, OfModel], models: int, episodes: Episodes, resamples: int
) -> dict[str, dict[str, tuple[Values, Values]]]:
    """The measures of OF_CORRELATIONS of every dictionary, as they are and on drawn episodes.

    Returns:
        {measure: {variant: (values [models], values on drawn episodes [resamples, models])}}; with fewer than
        FEWEST_EPISODES the latter are NaN, as they would say too little about others.
    """
    draws = episode_draws(episodes.number, resamples)
    enough = draws.shape[1] >= FEWEST_EPISODES
    # the rows as they are are one draw more
    draws = np.vstack([np.ones((1, draws.shape[1])), draws])
    found: dict[str, dict[str, list[Values]]] = {name: {} for name in OF_CORRELATIONS}
    for variant, of_model in dictionaries.items():
        for model in range(models):
            responses = of_model(model)
            r = redrawn_correlations(responses.units, responses.inputs.values, episodes.number, draws)
            # a unit that lives in the test part is no dead unit where its few episodes are not drawn
            r = np.where(np.isnan(r) & ~np.isnan(responses.r), 0.0, r)
            for name, measure in OF_CORRELATIONS.items():
                found[name].setdefault(variant, []).append(measure(r))
    result: dict[str, dict[str, tuple[Values, Values]]] = {name: {} for name in OF_CORRELATIONS}
    for name, of in found.items():
        for variant, columns in of.items():
            values: Values = np.stack(columns, axis=1).round(9)
            result[name][variant] = values[0], values[1:] if enough else np.full(values[1:].shape, np.nan)
    return result


def over_seeds_and_storms(
    redrawn: Mapping[str, Mapping[str, tuple[Values, Values]]],
    trained: Sequence[str],
    over: str,
    base: str = BASE,
    control: str = CONTROL,
) -> dict[str, Any]:
    """Reductions and gains beyond the control with intervals over seeds and episodes; see `redrawn_measures`.

    Args:
        over: what the episodes are called.

    Returns:
        {measure: {reduction: {variant: spread}, gain: {variant: spread}}}.
    """
    result: dict[str, Any] = {}
    for name, of in redrawn.items():
        fallen = {v: tuple(map(reduction, of[base], pair)) for v, pair in of.items() if v != base}

        def spread(pair: Sequence[Values], form: str) -> Spread:
            return over_both(pair[0], pair[1], form, over)

        gains = {v: [a - b for a, b in zip(fallen[v], fallen[control], strict=True)] for v in trained}
        result[name] = {
            "reduction": {v: spread(pair, PERCENT) for v, pair in fallen.items()},
            "gain": {v: spread(pair, POINTS) for v, pair in gains.items()},
        }
    return result
