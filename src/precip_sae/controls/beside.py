"""Every control beside the trained SAE: inputs per unit, and reductions from the hidden units of its own network."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from precip_sae.comparisons import few_digits, holm, over_both, t_test
from precip_sae.controls import decompositions
from precip_sae.controls.chance import shifted_correlations
from precip_sae.controls.models import Pipeline, fitted_saes
from precip_sae.interpretation.dictionaries import OfModel, hidden_layer, hidden_units, latents
from precip_sae.interpretation.measures import THRESHOLD
from precip_sae.interpretation.redrawn import OF_CORRELATIONS
from precip_sae.interpretation.responses import Inputs, Layer, Responses, follow
from precip_sae.interpretation.sensitivity import reduction
from precip_sae.interpretation.units import untrained_saes
from precip_sae.models import engine
from precip_sae.models.mlp import MLP
from precip_sae.models.sae import SAE
from precip_sae.quantities import PERCENT, POINTS, quantity
from precip_sae.spread import Spread, over_seeds
from precip_sae.tasks.prepare import Prepared

Values = NDArray[np.float64]

TRAINED = "sae"
# What stands beside it, in words, in the order of figures and tables.
CONTROLS = {
    TRAINED: "SAE, trained",
    "untrained": "SAE, untrained",
    "random": "random directions, as sparse",
    "untrained_network": "SAE on an untrained network",
    "shuffled": "SAE on a network of shuffled labels",
    "pca": "principal components",
    "ica": "independent components",
    "nmf": "non-negative components",
    "wide": "network as wide as the SAE",
    "penalised": "network with the penalty itself",
}
# Of controls whose hidden units are not those of the task's networks: whose reduction they are measured from.
BASES = {"untrained_network": "untrained_network_units", "shuffled": "shuffled_units"}
BASE = "mlp"


def controls(
    prepared: Prepared, pipeline: Pipeline, own: MLP, saes: SAE, others: Mapping[str, MLP]
) -> dict[str, OfModel]:
    """The dictionaries of all controls on the test part, and the hidden units that they are compared with.

    Args:
        own, saes: the task's networks and SAEs of the pipeline's seeds.
        others: see `models.trained_otherwise`.

    Returns:
        The names of CONTROLS, `mlp`, and those of BASES.
    """
    inputs = Inputs(prepared.test.x)
    start = untrained_saes(list(pipeline.seeds), pipeline.mlp.hidden, pipeline.sae.latents)
    hidden = engine.hidden_activations(own, prepared.sae.x)
    found = {BASE: hidden_units(own, inputs), TRAINED: latents(own, saes, inputs)}
    found["untrained"] = latents(own, start, inputs)
    for control, units in BASES.items():
        found[units] = hidden_units(others[control], inputs)
        found[control] = latents(others[control], fitted_saes(others[control], prepared, pipeline), inputs)
    for control in ("wide", "penalised"):
        found[control] = hidden_units(others[control], inputs)
    return found | _decomposed(own, saes, hidden, inputs, pipeline)


def _decomposed(
    own: MLP, saes: SAE, hidden: NDArray[np.float32], inputs: Inputs, pipeline: Pipeline
) -> dict[str, OfModel]:
    """The dictionaries that are fitted on the hidden activations of the SAE part [models, rows, hidden]."""

    def on(model: int, layer: Layer) -> Responses:
        return follow(inputs, [hidden_layer(own, model), layer])

    def random(model: int) -> Responses:
        sae = saes.arrays(model)
        coded = np.maximum(hidden[model] @ sae["encoder.weight"] + sae["encoder.bias"], 0)
        return on(model, decompositions.random_like(hidden[model], coded, pipeline.seeds[model]))

    def nmf(model: int) -> Responses:
        fitted = decompositions.NonNegative(hidden[model], pipeline.sae.latents, pipeline.seeds[model])
        tested = follow(inputs, [hidden_layer(own, model)]).units
        return Responses(fitted.activations(tested), inputs)

    return {
        "random": random,
        "pca": lambda model: on(model, decompositions.principal(hidden[model])),
        "ica": lambda model: on(model, decompositions.independent(hidden[model], pipeline.seeds[model])),
        "nmf": nmf,
    }


def beside(
    redrawn: Mapping[str, Mapping[str, tuple[Values, Values]]], over: str
) -> dict[str, dict[str, dict[str, Any]]]:
    """By measure and control: inputs per unit, reduction, and how much more the trained SAE reduces.

    Args:
        redrawn: see `compared.redrawn_measures`.
        over: what its episodes are called.

    Returns:
        {measure: {control: {inputs: spread, reduction: spread, beyond: spread and p}}}; reductions are from the hidden
        units of the control's own network, intervals over seeds and episodes, and p-values (over seeds) are corrected
        for the number of controls and measures together. The trained SAE has no `beyond`.
    """
    result: dict[str, dict[str, dict[str, Any]]] = {}
    tests: dict[tuple[str, str], float] = {}
    for measure, of in redrawn.items():
        fallen: dict[str, tuple[Values, Values]] = {}
        for control in (control for control in CONTROLS if control in of):
            (before, before_redrawn), (after, after_redrawn) = of[BASES.get(control, BASE)], of[control]
            fallen[control] = reduction(before, after), reduction(before_redrawn, after_redrawn)

        def spread(pair: tuple[Values, Values], form: str) -> Spread:
            return over_both(pair[0], pair[1], form, over)

        result[measure] = {BASE: {"inputs": spread(of[BASE], ".2f")}}
        for control, shares in fallen.items():
            result[measure][control] = {"inputs": spread(of[control], ".2f"), "reduction": spread(shares, PERCENT)}
            if control != TRAINED:
                own, own_redrawn = fallen[TRAINED]
                beyond = own - shares[0], own_redrawn - shares[1]
                result[measure][control]["beyond"] = spread(beyond, POINTS)
                tests[measure, control] = t_test(beyond[0])
    corrected = holm({f"{measure} {control}": p for (measure, control), p in tests.items()})
    for measure, control in tests:
        p = few_digits(corrected[f"{measure} {control}"])
        result[measure][control]["beyond"]["p_holm"] = quantity(p, ".2g")
    return result


def chance(
    dictionaries: Mapping[str, OfModel], names: Sequence[str], models: int, shifts: int
) -> dict[str, dict[str, Any]]:
    """What correlations and measures would be if units and inputs had nothing to do with each other.

    Returns:
        {name: {r95: the |r| that 5 % of chance correlations exceed, independent: the same if rows were independent
        (normal approximation), beyond: share of chance correlations beyond THRESHOLD, and the mean of
        OF_CORRELATIONS}},
        spreads over seeds.
    """
    result: dict[str, dict[str, Any]] = {}
    for name in names:
        rows: dict[str, list[float]] = {}
        for model in range(models):
            responses = dictionaries[name](model)
            r = shifted_correlations(responses.units, responses.inputs.values, shifts)
            size = np.abs(r[np.isfinite(r)])
            found = {"r95": np.quantile(size, 0.95), "beyond": (size > THRESHOLD).mean()} if len(size) else {}
            by_measure = {measure: of(r) for measure, of in OF_CORRELATIONS.items()}
            found |= {measure: np.nanmean(v) for measure, v in by_measure.items() if np.isfinite(v).any()}
            for key in ("r95", "beyond", *OF_CORRELATIONS):
                rows.setdefault(key, []).append(round(float(found.get(key, np.nan)), 9))
        forms = {"beyond": PERCENT}
        result[name] = {key: over_seeds(values, forms.get(key, ".3f")) for key, values in rows.items()}
        result[name]["independent"] = quantity(1.96 / np.sqrt(len(responses.units)), ".3f")
    return result
