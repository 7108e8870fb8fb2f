"""Planted targets: known functions of the observations, more of them than a narrow layer has units for.

The study says that neurons answer to thresholds of temperature and fall speed and to the intensity of precipitation.
Here such steps and ramps are the whole truth: a network learns sums of a few of them, never one alone, and has to carry
all of them through a narrow layer. Which factors there are is known exactly, and none is an input or a response.
"""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from precip_sae.models.deep import Responses
from precip_sae.observations.labels import FREEZING

Array = NDArray[np.float64]

LOGGED = ("Nt", "Dm", "Rho", "lambda")
INPUTS = ("T", "Fs", "Nt", "Dm", "RH", "WS", "P", "Rho", "lambda")
"""What the networks see; logarithms (base 10) of LOGGED."""


@dataclass(frozen=True)
class Factor:
    """One planted factor: a function of one input.

    step: 1 beyond `threshold` and else 0. ramp: how far beyond it, in units of the input's spread, and else 0.

    Attributes:
        column: the input; threshold: in its own unit (logarithm of LOGGED); above: on which side of it.
    """

    name: str
    column: str
    kind: Literal["step", "ramp"]
    threshold: float
    above: bool = True

    def values(self, inputs: pd.DataFrame) -> Array:
        """The factor of each row, [rows]; inputs: see `inputs`."""
        beyond = (inputs[self.column] - self.threshold).to_numpy() * (1.0 if self.above else -1.0)
        if self.kind == "step":
            return (beyond > 0).astype(np.float64)
        return np.maximum(beyond, 0.0) / inputs[self.column].std(ddof=0)


FACTORS = (
    Factor("warm", "T", "step", FREEZING + 1.0),
    Factor("fast", "Fs", "step", 1.75),
    Factor("intense", "Nt", "ramp", 3.85),
    Factor("frost", "T", "step", FREEZING - 5.6, above=False),
    Factor("humid", "RH", "step", 96.0),
    Factor("windy", "WS", "step", 5.0),
    Factor("large", "Dm", "ramp", 0.3),
    Factor("high pressure", "P", "step", 1022.0),
    Factor("dry", "RH", "step", 82.0, above=False),
    Factor("dense", "Rho", "ramp", -0.7),
    Factor("low pressure", "P", "step", 1003.0, above=False),
    Factor("flat", "lambda", "step", -0.22, above=False),
    Factor("calm", "WS", "step", 1.5, above=False),
    Factor("sparse", "Nt", "step", 3.0, above=False),
    Factor("small", "Dm", "step", -0.05, above=False),
    Factor("hot", "T", "ramp", FREEZING + 7.0),
)
"""The planted factors, in the order in which they are added. The first four are thresholds that the study speaks of;
the others are chosen to be as seldom at work as these or seldomer, and to use every input."""


@dataclass(frozen=True)
class Planted:
    """A planted target of a table.

    Attributes:
        x: standardised inputs, float32 [rows, 9].
        factors: the planted factors [rows, factors].
        responses: what a network learns.
        names: of the factors.
    """

    x: NDArray[np.float32]
    factors: Array
    responses: Responses
    names: list[str]


def inputs(table: pd.DataFrame) -> pd.DataFrame:
    """The inputs of a table of observations, in their own units or their logarithms, [rows, 9]."""
    return pd.DataFrame({name: np.log10(table[name]) if name in LOGGED else table[name] for name in INPUTS})


def mixture(factors: int, together: int) -> Array:
    """Which factors each response is the sum of, [factors, responses]: 1 or 0.

    Response j is the sum of `together` factors j, j + 1, ... (counted round), and there are as many responses as
    factors. Where the two numbers have no common divisor, the responses say each factor: the matrix has an inverse.

    Raises:
        ValueError: more together than there are factors, or a common divisor.
    """
    if together > factors or np.gcd(factors, together) > 1:
        raise ValueError(f"sums of {together} of {factors} factors do not say each of them")
    first = np.zeros(factors)
    first[:together] = 1.0
    return np.stack([np.roll(first, j) for j in range(factors)], axis=1)


def made_rare(factor: Factor, inputs: pd.DataFrame, share: float) -> Factor:
    """The factor with its threshold moved to where only this share of the rows lies beyond."""
    return replace(factor, threshold=float(inputs[factor.column].quantile(1 - share if factor.above else share)))


def planted(table: pd.DataFrame, factors: int, together: int, rare: float | None = None) -> Planted:
    """The target of the first factors, in sums of a few.

    Every factor is standardised before it is added, and every response after, over the rows of the table.

    Args:
        table: observations.
        factors: how many of FACTORS.
        together: how many in each response, see `mixture`.
        rare: share of the rows in which each factor is to be at work; None: the thresholds as they stand in FACTORS.
    """
    seen = inputs(table)
    chosen = [made_rare(f, seen, rare) if rare else f for f in FACTORS[:factors]]
    x = ((seen - seen.mean()) / seen.std(ddof=0)).to_numpy(np.float32, copy=True)
    values = np.column_stack([factor.values(seen) for factor in chosen])
    sums = _standard(values) @ mixture(factors, together)
    responses = Responses(_standard(sums).astype(np.float32))
    return Planted(x, values, responses, [factor.name for factor in chosen])


def _standard(values: Array) -> Array:
    spread = values.std(axis=0)
    return (values - values.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
