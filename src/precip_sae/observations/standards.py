"""The networks that the study shipped, as standards for a table of observations.

They are functions fitted to the real table, with the curves of how they were learnt: the only public things that have
seen it. A table is like the real one as far as such a network finds in it what it has learnt, and as far as our own
networks learn on it as fast and as well. Comparisons are rows in the form of `fidelity.compare`, with one column more:
`why` a standard is as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from precip_sae.models.exchange import Network
from precip_sae.models.mlp import MLP
from precip_sae.models.skill import predict, regression_scores
from precip_sae.observations.fidelity import PASS, judged
from precip_sae.observations.published import Target
from precip_sae.quantities import PERCENT
from precip_sae.settings import DataSettings, MLPSettings
from precip_sae.tasks.parts import PARTS
from precip_sae.tasks.prepare import Part, Prepared

Array = NDArray[np.float64]

EPOCHS = (1, 2, 4, 8, 16, 32)
"""Epochs (the first is 1) at which learning curves are compared."""
LEARNING_FACTOR = {"classification": 1.5, "regression": 1.2}
"""How many times as large or as small our losses may be."""

AGREEMENT = (0.985, 0.999)
"""Share of the labelled records on which the shipped classifier agrees: least, and most, for its own labels are not a
function of its inputs alone."""
ACCURACY = (0.995, 0.9995)
"""Validation accuracy of our own classifiers of its shape: least and most."""
CLASS_AGREEMENT = 0.97

BIAS = 0.10  # of the mean
LEAST_CORRELATION = 0.6
MOST_ERROR = 1.3  # times the error of our own networks


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
         f"At least {LEAST_CORRELATION}: chosen here, since no correlation is published."),
        ("shipped regressor: its error over that of our networks", Target(1.0, MOST_ERROR - 1.0, "V"), error,
         f"At most {MOST_ERROR}: on the real table no network of its shape is known to do better."),
    )  # fmt: skip
    return _with_reasons(("shipped regressor", *row) for row in reasons)


def classifier_standards(
    predicted: Sequence[str] | NDArray[Any], labels: Sequence[str] | NDArray[Any], history: pd.DataFrame,
    published: Network,
) -> pd.DataFrame:  # fmt: skip
    """Agreement of the shipped classifier with the labels of a table, and accuracy of our own networks on them.

    Args:
        predicted: (rows,) the class that the shipped network says.
        labels: (rows,) ours, of the labelled rows only.
        history: columns seed, epoch, val_accuracy of our networks of its shape, as `engine.train_mlps` returns it.
        published: its validation accuracy by epoch.

    Returns:
        A row for the agreement over all rows, one for every class of `published`, and one for the median accuracy after
        the last epoch. The published value of all is the accuracy that the network reached on the real labels.
    """
    said, known = np.asarray(predicted), np.asarray(labels)
    reached = float(published.val_score[-1])
    same = said == known
    agreement = float(same.mean()) if same.size else np.nan
    name = "shipped classifier: agreement with regime3"
    why = "From {:g} to {:g}: labels are those of clusters in twelve variables, of which it knows five."
    rows = [("shipped classifier", name, _between(reached, agreement, *AGREEMENT), agreement, why.format(*AGREEMENT))]
    for kind in published.responses:
        share = float(same[known == kind].mean()) if (known == kind).any() else np.nan
        target = replace(_between(reached, share, CLASS_AGREEMENT, 1.0), required=False)
        reason = f"At least {CLASS_AGREEMENT:g}, so that no class hides behind another; by class nothing is published."
        rows.append(("shipped classifier", f"{name}, {kind}", target, share, reason))
    accuracy = float(history.loc[history["epoch"] == len(published.val_score), "val_accuracy"].median())
    why = f"From {ACCURACY[0]:g} to {ACCURACY[1]:g}: as hard as the real labels, and no harder."
    statistic = "classifier: validation accuracy after the last epoch"
    target = _between(reached, accuracy, *ACCURACY)
    return _with_reasons([*rows, ("learning, classifier", statistic, target, accuracy, why)])


def _between(published: float, found: float, least: float, most: float) -> Target:
    """What is published, and how far `found` may lie from it on its side so that it is between `least` and `most`."""
    return Target(published, most - published if found > published else published - least, "V")


def learning_standards(history: pd.DataFrame, published: Network, network: str, factor: float) -> pd.DataFrame:
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
    why = f"Within a factor of {factor:g}: it leaves room for which storms a part holds."
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


def unlike(published: Network, data: DataSettings, mlp: MLPSettings) -> str:
    """Why a task cannot be held to a network: a sentence on what differs between the two; empty if nothing does."""
    ours = {
        "kind": data.kind,
        "response": "standardised" if data.standardise_response else "as it is",
        "missing values": data.missing if data.missing == "median" else "left out",
        "inputs": list(data.predictors),
        "logarithms": [name for name in data.predictors if data.transforms.get(name) == "log10"],
        "outputs": data.classes or data.responses,
        "hidden units": str(mlp.hidden),
        "activation": "relu",
        "epochs with a published loss": "some",
    }
    theirs = {
        "kind": published.kind,
        "response": "as it is",
        "missing values": "left out",
        "inputs": list(published.predictors),
        "logarithms": list(published.logged),
        "outputs": list(published.responses),
        "hidden units": ", ".join(str(layer.units) for layer in published.hidden_layers),
        "activation": published.layers[0].activation,
        "epochs with a published loss": "some" if len(published.loss) and len(published.val_score) else "none",
    }
    for what, expected in theirs.items():
        if ours[what] != expected:
            return f"Not compared: {what} of the task: {ours[what]}, of its published network: {expected}."
    return ""


def compare(
    published: Network, table: pd.DataFrame, prepared: Prepared, networks: MLP, history: pd.DataFrame
) -> pd.DataFrame:
    """Every standard that a published network sets for a task of its inputs and shape.

    Args:
        table: what `prepared` was made of; all its usable rows are asked about, those that ours were trained on too.
        networks: ours, one per seed; history: of their training.

    Returns:
        Rows as of `fidelity.compare`, with the reason `why`.
    """
    kind = prepared.data.kind
    rows = table.loc[np.concatenate([prepared.rows[part] for part in PARTS])]
    said = published.outputs(published.standardise(rows))
    y = np.concatenate([part.y for part in prepared.parts.values()])
    if kind == "classification":
        names = np.array(prepared.data.classes)
        found = classifier_standards(names[said.argmax(axis=1)], names[y], history, published)
    else:
        x = np.concatenate([part.x for part in prepared.parts.values()])
        errors = regression_scores(prepared.response(predict(networks, Part(x, y))[..., 0]), prepared.response(y))
        own = float(np.median(errors["mse"]))
        found = regressor_standards(said[:, 0], prepared.response(y).astype(float), own)
    name = "classifier" if kind == "classification" else "regressor"
    return pd.concat([found, learning_standards(history, published, name, LEARNING_FACTOR[kind])], ignore_index=True)


def nothing() -> pd.DataFrame:
    """The comparison of a task that is unlike its published network: no rows."""
    return _with_reasons([])


def summary(compared: pd.DataFrame, unlike: str = "") -> dict[str, Any]:
    """How many standards are met, and each by its name: what is published and what was found; why not, if `unlike`.

    Names are the statistics' in lower case, with underscores for all but letters and digits.
    """
    found: dict[str, Any] = {"passed": int((compared["verdict"] == PASS).sum()), "of": len(compared)}
    found |= {"unlike": unlike} if unlike else {}
    for row in compared.itertuples():
        form = PERCENT if "agreement" in row.statistic or "accuracy" in row.statistic else ".3g"
        name = re.sub(r"[^a-z0-9]+", "_", row.statistic.lower())
        ours = None if np.isnan(row.simulated) else float(row.simulated)
        found[name] = {"published": float(row.published), "found": ours, "form": form}
    return found
