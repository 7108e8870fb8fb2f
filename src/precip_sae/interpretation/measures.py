"""Every measure of how many inputs the units of a dictionary respond to, behind one interface.

`MEASURES[name](responses)` is the mean over units of a number of inputs (counted above a cut-off, or an effective
number without one); `reductions` compares two dictionaries on the same rows. NaN means: not defined here (no unit is
counted, or the way from the inputs to the units is not known).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from precip_sae.interpretation import strengths
from precip_sae.interpretation.responses import Responses
from precip_sae.interpretation.sensitivity import mean_sensitive, reduction, sensitive_inputs

THRESHOLD = 0.4  # the study's, of |r|
THRESHOLDS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8)
DOMINANT = 0.8  # the companion page's

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Measure:
    """A way to say how many inputs the units of a dictionary respond to.

    Attributes:
        title: for figures and tables.
        formula: what is computed, in one line.
        source: who defined it.
        of: gives the mean (or weighted mean) over units.
    """

    title: str
    formula: str
    source: str
    of: Callable[[Responses], float]

    def __call__(self, responses: Responses) -> float:
        return self.of(responses)


def _counted(r: Values, counted: str, threshold: float = THRESHOLD) -> float:
    return float(mean_sensitive(r[None], threshold, counted)[0])


def _weighted(responses: Responses) -> float:
    """Mean number of sensitive inputs, each unit weighted by the share of rows in which it fires."""
    weights = responses.fires * responses.varies
    numbers = sensitive_inputs(responses.r, THRESHOLD)
    return float((weights * numbers).sum() / weights.sum()) if weights.any() else float("nan")


def _mean_effective(power: Values | None) -> float:
    """Mean effective number over the units that have one."""
    numbers = np.array([]) if power is None else strengths.effective_number(power)
    return float(np.nanmean(numbers)) if np.isfinite(numbers).any() else float("nan")


def _inverse_dominance(responses: Responses) -> float:
    """Mean of sum |w| / max |w| over units that vary."""
    if responses.weights is None:
        return float("nan")
    ratios = 1 / strengths.dominance(responses.weights)[responses.varies]
    return float(np.nanmean(ratios)) if np.isfinite(ratios).any() else float("nan")


def dominant_share(responses: Responses) -> float:
    """Share of the living units that the companion page would call monosemantic (dominance above 0.8)."""
    if responses.weights is None or not responses.varies.any():
        return float("nan")
    return float((strengths.dominance(responses.weights)[responses.varies] > DOMINANT).mean())


def threshold_curve(responses: Responses, thresholds: Sequence[float] = THRESHOLDS, counted: str = "every") -> Values:
    """Mean number of inputs with |r| above each threshold [thresholds]; `counted`: see `sensitivity.COUNTED`."""
    r = responses.r
    return np.array([_counted(r, counted, threshold) for threshold in thresholds])


_STUDY = "King et al. 2025"
_OWN = "this paper"

MEASURES: dict[str, Measure] = {
    "published": Measure(
        "published",
        "number of inputs with |r| > 0.4, mean over units that have one",
        _STUDY,
        lambda x: _counted(x.r, "published"),
    ),
    "every": Measure(
        "every unit",
        "number of inputs with |r| > 0.4, mean over all units",
        _OWN,
        lambda x: _counted(x.r, "every"),
    ),
    "living": Measure(
        "living units",
        "number of inputs with |r| > 0.4, mean over units that vary",
        _OWN,
        lambda x: _counted(x.r, "living"),
    ),
    "weighted": Measure(
        "weighted by firing",
        "number of inputs with |r| > 0.4, mean over units weighted by the share of rows in which they fire",
        _OWN,
        _weighted,
    ),
    "spearman": Measure(
        "rank correlation",
        "number of inputs with |rho| > 0.4, mean over units that vary",
        "Spearman 1904",
        lambda x: _counted(strengths.spearman(x), "living"),
    ),
    "partial": Measure(
        "partial correlation",
        "number of inputs with |r| > 0.4 given the other inputs, mean over units that vary",
        "Fisher 1924",
        lambda x: _counted(strengths.partial(x), "living"),
    ),
    "information": Measure(
        "mutual information",
        "number of inputs with sqrt(1 - exp(-2 I)) > 0.4, mean over units that vary",
        "Linfoot 1957",
        lambda x: _counted(strengths.information(x), "living"),
    ),
    "effective": Measure(
        "effective number, r²",
        "(sum r^2)^2 / sum r^4, mean over units that vary",
        "Simpson 1949; Hill 1973",
        lambda x: _mean_effective(x.r**2),
    ),
    "effective_partial": Measure(
        "effective number, partial r²",
        "(sum r^2)^2 / sum r^4 of partial correlations, mean over units that vary",
        "Simpson 1949; Fisher 1924",
        lambda x: _mean_effective(strengths.partial(x) ** 2),
    ),
    "gradients": Measure(
        "effective number, gradients",
        "(sum g)^2 / sum g^2 with g the mean square of d unit / d input, mean over units that vary",
        "Sobol and Kucherenko 2009",
        lambda x: _mean_effective(strengths.gradient_power(x)),
    ),
    "relevance": Measure(
        "effective number, relevance",
        "(sum R)^2 / sum R^2 with R the mean square relevance of an input (epsilon rule), mean over units that vary",
        "Bach et al. 2015",
        lambda x: _mean_effective(strengths.relevance_power(x)),
    ),
    "dominance": Measure(
        "inverse dominance",
        "sum |w| / max |w| of the weights from the inputs, mean over units that vary",
        "NN Inspector",
        _inverse_dominance,
    ),
}


def evaluate(responses: Responses, measures: Mapping[str, Measure] = MEASURES) -> dict[str, float]:
    """Every measure of one dictionary."""
    return {name: measure(responses) for name, measure in measures.items()}


def reductions(before: Responses, after: Responses, measures: Mapping[str, Measure] = MEASURES) -> dict[str, float]:
    """1 - after / before by every measure: the share by which the number of inputs per unit falls; NaN if undefined."""
    pairs = {name: (measure(before), measure(after)) for name, measure in measures.items()}
    return {name: float(reduction(np.array(a), np.array(b))) for name, (a, b) in pairs.items()}
