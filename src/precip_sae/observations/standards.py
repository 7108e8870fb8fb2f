"""The networks that the study shipped, as standards for a table of observations.

They are functions fitted to the real table, with the curves of how they were learnt: the only public things that have
seen it. A table is like the real one as far as such a network finds in it what it has learnt, and as far as our own
networks learn on it as fast and as well. Every function is pure and returns rows in the form of `fidelity.compare`,
with one column more: `why` a standard is as it is.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from precip_sae.observations.fidelity import Target, judged

Array = NDArray[np.float64]

EPOCHS = (1, 2, 4, 8, 16, 32)
"""Epochs (the first is 1) at which learning curves are compared."""
LEARNING_FACTOR = {"classification": 1.5, "regression": 1.2}
"""How many times as large or as small our losses may be."""

BIAS = 0.10  # of the mean
LEAST_CORRELATION = 0.6
MOST_ERROR = 1.3  # times the error of our own networks


class Curves(Protocol):
    """Losses of a published training by epoch, (epochs,): `exchange.PublishedNetwork` has them."""

    loss: Array
    val_loss: Array


def regressor_standards(predicted: Array, observed: Array, own_error: float) -> pd.DataFrame:
    """Bias, correlation and error of the shipped regressor on the rows of a table.

    Args:
        predicted: (rows,) what the shipped network says of our inputs, in mm/h.
        observed: (rows,) our response, in mm/h.
        own_error: mean squared error, over the same rows, of our own networks of the same shape (their median).

    Returns:
        Three rows, or rows that fail (NaN) where nothing was observed or it does not vary.
    """
    known = np.isfinite(predicted) & np.isfinite(observed)
    said, found = predicted[known], observed[known]
    some = found.size > 0
    ratio = said.mean() / found.mean() if some and found.mean() else np.nan
    varied = some and said.std() > 0 and found.std() > 0
    r = np.corrcoef(said, found)[0, 1] if varied else np.nan
    error = np.mean((said - found) ** 2) / own_error if some and own_error > 0 else np.nan
    reasons = (
        ("shipped regressor: its mean over the mean of Sr", Target(1.0, BIAS, "V"), ratio,
         "A network trained on squared errors has the mean of the table that it was trained on."),
        ("shipped regressor: correlation with Sr", Target(1.0, 1.0 - LEAST_CORRELATION, "V"), r,
         f"At least {LEAST_CORRELATION}: on the real table its final error leaves about half of the variance."),
        ("shipped regressor: its error over that of our networks", Target(1.0, MOST_ERROR - 1.0, "V"), error,
         f"At most {MOST_ERROR}: on the real table no network of its shape is known to do better."),
    )  # fmt: skip
    return _with_reasons(("shipped regressor", *row) for row in reasons)


def learning_standards(history: pd.DataFrame, published: Curves, network: str, factor: float) -> pd.DataFrame:
    """Losses of our networks at EPOCHS, the median over seeds, beside those of the published training.

    Args:
        history: columns seed, epoch (from 1 on), loss, val_loss, as `engine.train_mlps` returns it.
        published: losses by epoch; epochs that it does not reach are left out.
        network: what the rows call it.
        factor: how many times as large or as small a loss may be.

    Returns:
        Two rows, of the training and of the validation part, for every one of EPOCHS.
    """
    median = history.groupby("epoch")[["loss", "val_loss"]].median()
    why = f"Within a factor of {factor:g}: it leaves room for which storms a part holds; seeds differ by far less."
    rows = []
    for column, part in (("loss", "training"), ("val_loss", "validation")):
        theirs = getattr(published, column)
        for epoch in (e for e in EPOCHS if e <= len(theirs)):
            target = float(theirs[epoch - 1])
            ours = float(median[column].get(epoch, np.nan))
            # a factor is a wider tolerance upward than downward
            tolerance = target * (factor - 1.0) if ours > target else target * (1.0 - 1.0 / factor)
            statistic = f"{network}: {part} loss after epoch {epoch}"
            rows.append((f"learning, {network}", statistic, Target(target, tolerance, "V"), ours, why))
    return _with_reasons(rows)


def _with_reasons(found: Iterable[tuple[str, str, Target, float, str]]) -> pd.DataFrame:
    rows = list(found)
    return judged(row[:4] for row in rows).assign(why=[row[4] for row in rows])
