"""`explain`: SAEs of several seeds on a layer of anybody's model, measured beside their controls; and its result."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray

from precip_sae.errors import SettingsError
from precip_sae.explanation import measure
from precip_sae.explanation.source import Source, source_of
from precip_sae.interpretation.compared import BASE, compared
from precip_sae.interpretation.responses import Inputs
from precip_sae.interpretation.sensitivity import living
from precip_sae.interpretation.units import UNTRAINED, Variant, feature_names, per_seed, typical_seed
from precip_sae.progress import progress as bar
from precip_sae.quantities import PERCENT, POINTS
from precip_sae.settings import SAESettings
from precip_sae.spread import over_seeds

FEWEST_TEST = 20


@dataclass(frozen=True)
class Card:
    """What is known of one latent of the typical seed.

    Attributes:
        unit: its number, from 0; name: the inputs that it is sensitive to, with the sign of the correlation.
        active: share of the test rows in which it is above zero.
        r: correlation with each input; ranges: 10th and 90th percentile of each input where it is active, in its unit.
        agreement: with its nearest latent of the other seeds, see `measure.matches`; NaN with one seed.
    """

    unit: int
    name: str
    active: float
    r: dict[str, float]
    ranges: dict[str, tuple[float, float]]
    agreement: float


@dataclass(frozen=True)
class Explanation:
    """What SAEs say of a layer.

    Attributes:
        source: the model, its layer, the inputs, and how predictions were checked.
        settings, seeds, threshold: of the SAEs and the measure.
        rows: on which the SAEs were fitted, and of the test.
        latents: one row per unit of the layer (variant `mlp`), latent of a fitted SAE (variant: the L1 convention that
            it is fitted with) and latent of the untrained control (`untrained`): active, sensitive, r_INPUT.
        reductions: one row per variant, way of counting and seed (see `interpretation.units.per_seed`).
        matches: see `measure.matches`.
        measures: numbers with their spread over seeds: of each variant the sensitive inputs and the reduction by way of
            counting, beyond_untrained, dead, fvu.
        by_measure: {measure: {title, value, reduction, gain}} of every measure that activations and inputs are enough
            for, paired with the control by seed (see `interpretation.compared.compared`); empty of wide layers.
        cards: of the living latents of the typical seed, most active first.
        typical: the seed whose reduction is nearest to the median.
    """

    source: Source
    settings: SAESettings
    seeds: tuple[int, ...]
    threshold: float
    rows: dict[str, int]
    latents: pd.DataFrame
    reductions: pd.DataFrame
    matches: pd.DataFrame
    measures: dict[str, Any]
    by_measure: dict[str, Any]
    cards: tuple[Card, ...]
    typical: int

    @property
    def fitted(self) -> str:
        """The variant of the fitted SAEs."""
        return self.settings.l1_conventions[0]

    def figures(self) -> dict[str, Figure]:
        """The figures of the report: `sensitive_inputs` (every seed) and `heatmaps` (the typical one)."""
        from precip_sae.explanation.show import figures

        return figures(self)

    def report(self, path: str | Path) -> Path:
        """Writes the report as PDF, and returns where.

        Raises:
            OutputError: it cannot be written.
        """
        from precip_sae.explanation.show import report

        return report(self, Path(path))

    def save(self, folder: str | Path) -> Path:
        """Writes report.pdf, figures, latents.csv, reductions.csv, matches.csv and measures.json; returns the folder.

        Raises:
            OutputError: a file cannot be written.
        """
        from precip_sae.explanation.show import save_all

        return save_all(self, Path(folder))


def explain(
    model: Any,
    inputs: Any,
    layer: int | str | None = None,
    seeds: int | Sequence[int] = 5,
    *,
    names: Sequence[str] | None = None,
    latents: int | None = None,
    epochs: int | None = None,
    sae: SAESettings | None = None,
    threshold: float = 0.4,
    test_share: float = 0.2,
    progress: bool = True,
) -> Explanation:
    """Fits SAEs on the activations of a layer and asks what their latents respond to.

    The SAEs learn from the first rows and are measured on the last, so rows in time order are tested on later times.
    Activations are divided by one number, their root mean square, so that one penalty suits every network.

    Args:
        model: a file, a model of PyTorch, scikit-learn or Keras, or activations [rows, units]; see `source_of`.
        inputs: a table or an array [rows, inputs], before any scaling that is part of the model.
        layer: the name of a PyTorch module's layer, or the number of a hidden layer, from 1 (default: the last).
        seeds: how many SAEs, or their seeds.
        names: of the inputs of an array.
        latents: of each SAE; default: twice as many as the layer has units.
        epochs: passes over the rows that each SAE takes; default: see `measure.settings_for`.
        sae: all of how the SAEs are trained, instead of latents and epochs.
        threshold: an input is sensitive when |r| is above it (the study's 0.4).
        test_share: share of the rows, the last ones, on which everything is measured.
        progress: draw a bar on the terminal or in the notebook.

    Raises:
        NetworkError, TableError: see `source_of`.
        SettingsError: seeds, threshold or test_share cannot be used.
    """
    chosen = tuple(range(seeds) if isinstance(seeds, int) else seeds)
    if not chosen or len(set(chosen)) < len(chosen) or min(chosen) < 0:
        raise SettingsError(f"seeds is {seeds!r:.60}, expected a number above 0, or different seeds from 0 on.")
    for name, value in (("threshold", threshold), ("test_share", test_share)):
        if not 0 < value < 1:
            raise SettingsError(f"{name} is {value!r:.20}, expected a number between 0 and 1.")
    source = source_of(model, inputs, layer, names)
    count = len(source.hidden)
    fit = count - max(FEWEST_TEST, round(test_share * count))
    if fit < FEWEST_TEST:
        raise SettingsError(
            f"test_share is {test_share!r:.20}, which leaves {max(fit, 0)} of {count} rows to learn from, expected at "
            f"least {FEWEST_TEST}."
        )
    size = float(np.sqrt(np.square(source.hidden[:fit], dtype=np.float64).mean())) or 1.0
    hidden = (source.hidden / np.float32(size)).astype(np.float32)
    settings = sae or measure.settings_for(hidden.shape[1], latents, epochs)
    test, mean = hidden[fit:], hidden[:fit].mean(axis=0, dtype=np.float64)
    seen, columns = Inputs(source.x[fit:]), source.columns[fit:]
    advance = bar("SAEs") if progress else None
    fitted = settings.l1_conventions[0]
    found: dict[str, list[measure.Latents]] = {fitted: [], UNTRAINED: []}
    trained = measure.fitted(hidden, fit, settings, fitted, chosen, advance)
    for seed, model_of_seed in zip(chosen, trained, strict=True):
        untrained = measure.control(seed, hidden.shape[1], settings.latents)
        for variant, one in ((fitted, model_of_seed), (UNTRAINED, untrained)):
            found[variant].append(measure.latents_of(one, test, seen, columns, mean))
    return _gathered(source, settings, chosen, threshold, {"fit": fit, "test": count - fit}, test, seen, found)


def _gathered(
    source: Source,
    settings: SAESettings,
    seeds: tuple[int, ...],
    threshold: float,
    rows: dict[str, int],
    test: NDArray[np.float32],
    inputs: Inputs,
    found: dict[str, list[measure.Latents]],
) -> Explanation:
    own, fitted = measure.r_with(test, inputs.values), settings.l1_conventions[0]
    active = (test > 0).mean(axis=0)
    variants = {"mlp": _variant([own] * len(seeds), [active] * len(seeds))}
    variants |= {name: _variant([one.r for one in some], [one.active for one in some]) for name, some in found.items()}
    reductions = per_seed(variants, list(seeds), threshold)
    table = [measure.latent_table("mlp", seeds[0], own, active, source.names, threshold)]
    for name, some in found.items():
        for seed, one in zip(seeds, some, strict=True):
            table.append(measure.latent_table(name, seed, one.r, one.active, source.names, threshold))
    typical = typical_seed(reductions, fitted)
    matched = measure.matches(found[fitted], seeds)
    return Explanation(
        source,
        settings,
        seeds,
        threshold,
        rows,
        pd.concat(table, ignore_index=True),
        reductions,
        matched,
        measures(reductions, variants, found, fitted),
        _by_measure(measure.by_measure(test, inputs), found, seeds, fitted),
        cards(source, found[fitted][seeds.index(typical)], matched[matched["seed"] == typical], threshold),
        typical,
    )


def _by_measure(
    own: dict[str, float], found: dict[str, list[measure.Latents]], seeds: tuple[int, ...], fitted: str
) -> dict[str, Any]:
    """See `Explanation.by_measure`."""
    if not own or not found[fitted][0].values:
        return {}
    values = {BASE: [own] * len(seeds)} | {name: [one.values for one in some] for name, some in found.items()}
    rows = [
        {"variant": name, "seed": seed, "measure": called, "value": value}
        for name, some in values.items()
        for seed, by_name in zip(seeds, some, strict=True)
        for called, value in by_name.items()
    ]
    return compared(pd.DataFrame(rows), [fitted])


def _variant(r: list[NDArray[np.float64]], active: list[NDArray[np.float64]]) -> Variant:
    stacked = np.stack(active)
    return Variant(np.empty((len(r), 0, stacked.shape[1]), np.float32), np.stack(r), stacked == 0)


def measures(
    reductions: pd.DataFrame, variants: dict[str, Variant], found: dict[str, list[measure.Latents]], fitted: str
) -> dict[str, Any]:
    """See `Explanation.measures`; numbers of the layer's own units, which know no seeds, have no interval."""
    result: dict[str, Any] = {}
    control = reductions[reductions["variant"] == UNTRAINED].set_index(["counted", "seed"])["reduction"]
    for name, variant in variants.items():
        mine = reductions[reductions["variant"] == name]
        if name == "mlp":
            mine = mine[mine["seed"] == mine["seed"].iloc[0]]
        by_way = mine.groupby("counted", sort=True)
        dead = variant.dead[: 1 if name == "mlp" else None].sum(axis=1)
        result[name] = {
            "units": variant.r.shape[1],
            "sensitive": {way: over_seeds(rows["sensitive"], ".2f") for way, rows in by_way},
            "dead": over_seeds(dead, ".1f"),
        }
        if name != "mlp":
            result[name]["reduction"] = {way: over_seeds(rows["reduction"], PERCENT) for way, rows in by_way}
            result[name]["fvu"] = over_seeds([one.unexplained for one in found[name]], PERCENT)
    gain = reductions[reductions["variant"] == fitted].set_index(["counted", "seed"])["reduction"] - control
    result[fitted]["beyond_untrained"] = {way: over_seeds(rows, POINTS) for way, rows in gain.groupby("counted")}
    return result


def cards(source: Source, latents: measure.Latents, matched: pd.DataFrame, threshold: float) -> tuple[Card, ...]:
    """See `Explanation.cards`."""
    agreement = matched.set_index("unit")["agreement"]
    called = feature_names(latents.r, latents.active == 0, list(source.names), threshold)
    order = sorted(np.flatnonzero(living(latents.r)).tolist(), key=lambda unit: (-latents.active[unit], unit))
    return tuple(
        Card(
            unit,
            called[unit],
            float(latents.active[unit]),
            dict(zip(source.names, latents.r[unit].tolist(), strict=True)),
            {
                name: (float(low), float(high))
                for name, low, high in zip(source.names, latents.low[unit], latents.high[unit], strict=True)
            },
            float(agreement.get(unit, np.nan)),
        )
        for unit in order
    )
