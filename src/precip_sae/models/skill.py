"""How well networks predict, beside forecasts that need no network."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from precip_sae.models import engine
from precip_sae.models.mlp import MLP
from precip_sae.models.taken import Taken
from precip_sae.quantities import PERCENT, POINTS, quantity
from precip_sae.spread import over_episodes, over_seeds
from precip_sae.tasks.episodes import Episodes
from precip_sae.tasks.prepare import Part, Prepared

# How scores are written; errors are in the unit of anybody's response, or its square.
FORMS = {
    "accuracy": PERCENT,
    "balanced_accuracy": PERCENT,
    "cross_entropy": ".4f",
    "mse": ".3g",
    "mae": ".3g",
    "r2": PERCENT,
}
GAIN_FORMS = {"accuracy": POINTS, "mse": ".3g"}


def predict(stack: MLP | Taken, part: Part) -> NDArray[np.float32]:
    """Logits or responses of every model, [models, rows, outputs]."""
    with torch.no_grad():
        return stack(torch.from_numpy(part.x)).numpy()


def hidden_activations(stack: MLP | Taken, part: Part) -> NDArray[np.float32]:
    """Hidden activations of every model, [models, rows, hidden]; the engine's are the same on every CPU."""
    if isinstance(stack, Taken):
        return np.array(stack.activations(part.x))
    return engine.hidden_activations(stack, part.x)


def confusion(z: NDArray[np.float32], y: NDArray[np.int64]) -> NDArray[np.int64]:
    """Rows by observed and predicted class, summed over models.

    Args:
        z: logits [models, rows, classes].
        y: observed class numbers [rows].

    Returns:
        [classes observed, classes predicted].
    """
    classes = z.shape[2]
    pairs = y[None, :] * classes + z.argmax(axis=2)
    return np.bincount(pairs.ravel(), minlength=classes**2).reshape(classes, classes)


def classification_scores(z: NDArray[np.floating], y: NDArray[np.int64]) -> dict[str, NDArray[np.float64]]:
    """Accuracy, balanced accuracy (mean recall of the classes that occur) and cross-entropy (nat), each [models]."""
    hits = z.argmax(axis=2) == y
    recall = np.stack([hits[:, y == c].mean(axis=1) for c in np.unique(y)])
    logits = z.astype(np.float64)
    top = logits.max(axis=2, keepdims=True)
    normaliser = top[..., 0] + np.log(np.exp(logits - top).sum(axis=2))
    chosen = np.take_along_axis(logits, y[None, :, None].repeat(len(z), axis=0), axis=2)[..., 0]
    return {
        "accuracy": hits.mean(axis=1),
        "balanced_accuracy": recall.mean(axis=0),
        "cross_entropy": (normaliser - chosen).mean(axis=1),
    }


def regression_scores(predicted: NDArray[np.floating], y: NDArray[np.floating]) -> dict[str, NDArray[np.float64]]:
    """Mean squared error, mean absolute error and the fraction of variance explained (R^2), each [models].

    Args:
        predicted: [models, rows].
        y: observed [rows]; errors are in its unit.
    """
    error = predicted.astype(np.float64) - y
    observed = y.astype(np.float64)
    variance = observed.var()
    mse = np.square(error).mean(axis=1)
    r2 = 1 - mse / variance if variance > 0 else np.full(len(mse), np.nan)
    return {"mse": mse, "mae": np.abs(error).mean(axis=1), "r2": r2}


def skill_by_part(stack: MLP | Taken, prepared: Prepared) -> dict[str, dict[str, dict]]:
    """Scores of every part, spread over seeds: {part: {score: see `over_seeds`}}; errors in the table's unit."""
    return {name: skill_on(part, stack, prepared) for name, part in prepared.parts.items()}


def skill_on(part: Part, stack: MLP | Taken, prepared: Prepared) -> dict[str, dict]:
    """Scores of one part of `prepared`, spread over seeds: {score: see `over_seeds`}; errors in the table's unit."""
    z = predict(stack, part)
    if prepared.data.kind == "classification":
        values = classification_scores(z, part.y)
    else:
        values = regression_scores(prepared.response(z[..., 0]), prepared.response(part.y))
    return {score: over_seeds(per_model, FORMS[score]) for score, per_model in values.items()}


def baselines(prepared: Prepared) -> dict[str, dict[str, float | None]]:
    """Scores on the test part of the forecasts without a network (see `forecasts`).

    The absolute error of a regression's climatology is that of the training median, which makes it least.

    Returns:
        {baseline: {score: value}}, the scores being those of `skill_by_part`; None where one is not defined (R² of a
        constant).
    """
    train, test = prepared.train, prepared.test
    if prepared.data.kind == "classification":
        scores = {name: classification_scores(z[None], test.y) for name, z in forecasts(prepared).items()}
    else:
        observed = prepared.response(test.y)
        scores = {name: regression_scores(y[None], observed) for name, y in forecasts(prepared).items()}
        median = np.median(prepared.response(train.y))
        scores["climatology"]["mae"] = np.abs(observed[None] - median).mean(axis=1)
    return {
        name: {score: float(value[0]) if np.isfinite(value[0]) else None for score, value in found.items()}
        for name, found in scores.items()
    }


def formed(scores: dict[str, dict[str, float | None]]) -> dict[str, dict[str, dict[str, Any]]]:
    """Scores by name, each with the form in which it is written."""
    return {
        name: {score: quantity(value, FORMS[score]) for score, value in row.items()} for name, row in scores.items()
    }


def forecasts(prepared: Prepared) -> dict[str, NDArray[np.float64]]:
    """Three forecasts of the test part without a network, all learnt from the training part.

    - `climatology` uses no input: the shares of the classes (so the most frequent is predicted), or the mean.
    - `threshold` asks for one input, whether it is above one value: the best tree with a single split.
    - `linear` is multinomial logistic regression (with scikit-learn's unit L2 penalty on the standardised inputs), or
      linear regression by least squares.

    Returns:
        {baseline: logarithms of the classes' probabilities [rows, classes], or responses [rows] in the table's unit}.
    """
    # most of a second, which the stages that only predict do without
    from sklearn.linear_model import LinearRegression, LogisticRegression
    from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

    train, test = prepared.train, prepared.test
    if prepared.data.kind == "classification":
        shares = np.bincount(train.y, minlength=len(prepared.data.classes)) / len(train)
        probabilities = {
            "climatology": np.tile(shares, (len(test), 1)),
            "threshold": _fitted(DecisionTreeClassifier(max_depth=1, random_state=0), train.x, train.y).predict_proba(
                test.x
            ),
            "linear": _fitted(LogisticRegression(max_iter=1000), train.x, train.y).predict_proba(test.x),
        }
        # a class that a split never saw has no finite logarithm; one row in as many as were learnt from is assumed
        return {name: np.log(np.maximum(p, 1 / len(train))) for name, p in probabilities.items()}
    y = prepared.response(train.y).astype(np.float64)
    return {
        "climatology": np.full(len(test), y.mean()),
        "threshold": _fitted(DecisionTreeRegressor(max_depth=1, random_state=0), train.x, y).predict(test.x),
        "linear": _fitted(LinearRegression(), train.x, y).predict(test.x),
    }


def gain_over_baselines(stack: MLP | Taken, prepared: Prepared, episodes: Episodes) -> dict[str, dict[str, dict]]:
    """How much better the networks, on average over seeds, predict the test part than the forecasts without one.

    The interval is over the episodes, since it is other observations that the gain is meant to hold for.

    Args:
        episodes: of the test part.

    Returns:
        {baseline: {score: spread}} (see `over_episodes`) of the accuracy (networks' less the baseline's) or the mean
        squared error (baseline's less the networks').
    """
    z, observed = predict(stack, prepared.test), prepared.test.y
    if prepared.data.kind == "regression":
        z, observed = prepared.response(z[..., 0]), prepared.response(observed)
    return gains(z, observed, forecasts(prepared), episodes)


def gains(
    predicted: NDArray[np.float32],
    observed: NDArray[Any],
    others: Mapping[str, NDArray[np.float64]],
    episodes: Episodes,
) -> dict[str, dict[str, dict]]:
    """`gain_over_baselines` of predictions as they are.

    Args:
        predicted: logits [models, rows, classes], or responses in the table's unit [models, rows].
        observed: class numbers or responses [rows].
        others: see `forecasts`.
    """
    if predicted.ndim == 3:
        score, own = "accuracy", (predicted.argmax(axis=2) == observed).mean(axis=0)
        others = {name: (p.argmax(axis=1) == observed) * 1.0 for name, p in others.items()}
    else:
        observed = observed.astype(np.float64)
        score, own = "mse", -np.square(predicted - observed).mean(axis=0)
        others = {name: -np.square(y - observed) for name, y in others.items()}
    return {
        name: {score: over_episodes(own - other, episodes.number, GAIN_FORMS[score], episodes.name)}
        for name, other in others.items()
    }


def _fitted(model: Any, x: NDArray[np.float32], y: NDArray[Any]) -> Any:
    """A scikit-learn model fitted in float64."""
    return model.fit(x.astype(np.float64), y)
