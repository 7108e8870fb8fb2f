"""What an SAE changes by every measure: reductions and gains beyond a control, paired by seed."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from precip_sae.comparisons import few_digits, holm, over_both, t_test
from precip_sae.interpretation import storms
from precip_sae.interpretation.dictionaries import OfModel
from precip_sae.interpretation.measures import MEASURES
from precip_sae.interpretation.redrawn import OF_CORRELATIONS, OF_DRAWS, Drawn
from precip_sae.interpretation.sensitivity import reduction
from precip_sae.quantities import PERCENT, POINTS, quantity
from precip_sae.scheduling import side_by_side
from precip_sae.spread import FEWEST_EPISODES, Spread, over_seeds
from precip_sae.tasks.episodes import Episodes

Values = NDArray[np.float64]

BASE, CONTROL = "mlp", "untrained"


def compared(table: pd.DataFrame, trained: Sequence[str], base: str = BASE, control: str = CONTROL) -> dict[str, Any]:
    """By measure: the values of every variant, reductions from `base`, and gains beyond the reduction of `control`.

    Args:
        table: variant, seed, measure, value; one row of each.
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
    dictionaries: Mapping[str, OfModel],
    models: int,
    episodes: Episodes,
    resamples: int,
    measures: Collection[str] = tuple(OF_CORRELATIONS),
) -> dict[str, dict[str, tuple[Values, Values]]]:
    """Measures of every dictionary, as they are and on drawn episodes (see `redrawn`).

    Args:
        measures: names of MEASURES; those that follow from correlations alone take the least time.

    Returns:
        {measure: {variant: (values [models], values on drawn episodes [resamples, models])}}; with fewer than
        FEWEST_EPISODES the latter are NaN, as they would say too little about others.
    """
    draws = storms.weights(episodes.number, resamples)
    enough = draws.shape[1] >= FEWEST_EPISODES

    def of(piece: tuple[str, int]) -> list[Values]:
        variant, model = piece
        drawn = Drawn(dictionaries[variant](model), episodes.number, draws)
        return [OF_DRAWS[name](drawn) for name in measures]

    # one model after the other: dictionaries of a kind may have to be fitted one at a time
    found = side_by_side(of, [(variant, model) for model in range(models) for variant in dictionaries])
    by_place = np.array(found).round(9).reshape(models, len(dictionaries), len(measures), len(draws))
    result: dict[str, dict[str, tuple[Values, Values]]] = {name: {} for name in measures}
    for k, variant in enumerate(dictionaries):
        # [measures, draws, models]
        of_variant = np.ascontiguousarray(by_place[:, k].transpose(1, 2, 0))
        for name, values in zip(measures, of_variant, strict=True):
            result[name][variant] = values[0], values[1:] if enough else np.full(values[1:].shape, np.nan)
    return result


def as_table(redrawn: Mapping[str, Mapping[str, tuple[Values, Values]]], seeds: Sequence[int]) -> pd.DataFrame:
    """The measures on the episodes as they are, as `compared` takes them; see `redrawn_measures`."""
    rows = [
        {"variant": variant, "seed": seed, "measure": name, "value": value}
        for name, of in redrawn.items()
        for variant, (values, _) in of.items()
        for seed, value in zip(seeds, values.tolist(), strict=True)
    ]
    return pd.DataFrame(rows)


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
