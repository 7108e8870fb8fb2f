"""How well networks predict, beside forecasts that need no network."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from precip_sae.models import engine
from precip_sae.models.mlp import MLP
from precip_sae.models.taken import Taken
from precip_sae.quantities import PERCENT, POINTS, quantity
from precip_sae.settings import DataSettings
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
    """Scores of every part, spread over seeds: {part: {score: see `over_seeds`}}; errors in the table's unit.

    Of several responses {part: {response: {score: ..}}}, each in its own unit.
    """
    return {name: skill_on(part, stack, prepared) for name, part in prepared.parts.items()}


def skill_on(part: Part, stack: MLP | Taken, prepared: Prepared) -> dict[str, dict]:
    """Scores of one part of `prepared`; see `skill_by_part`."""

    def spread(values: dict[str, NDArray[np.float64]]) -> dict[str, dict]:
        return {score: over_seeds(per_model, FORMS[score]) for score, per_model in values.items()}

    z = predict(stack, part)
    if prepared.data.kind == "classification":
        return spread(classification_scores(z, part.y))
    values = by_response(regression_scores, prepared.data, prepared.said(z), prepared.response(part.y))
    return plainly({response: spread(own) for response, own in values.items()}, prepared.data)


def by_response(
    score: Callable[[NDArray[Any], NDArray[Any]], Any],
    data: DataSettings,
    predicted: NDArray[Any],
    observed: NDArray[Any],
) -> dict[str, Any]:
    """What a score says of each response, by the response's name.

    Args:
        score: of the predictions [models, rows] and what was observed [rows] of one response.
        predicted: [models, rows] of one response, [models, rows, responses] of several; observed: likewise without
            models.
    """
    each = zip(data.responses, one_by_one(predicted, data), one_by_one(observed, data), strict=True)
    return {name: score(*own) for name, *own in each}


def one_by_one(values: NDArray[Any], data: DataSettings) -> list[NDArray[Any]]:
    """An array for each response: of one the values as they are, of several those along the last axis."""
    return list(np.ascontiguousarray(np.moveaxis(values, -1, 0))) if data.several else [values]


def plainly(by_name: dict[str, Any], data: DataSettings) -> Any:
    """What is known by response; of one response without its name."""
    return by_name if data.several else by_name[data.responses[0]]


def baselines(prepared: Prepared) -> dict[str, dict[str, Any]]:
    """Scores on the test part of the forecasts without a network (see `forecasts`).

    The absolute error of a regression's climatology is that of the training median, which makes it least.

    Returns:
        {baseline: {score: value}}, of several responses {baseline: {response: {score: value}}}, the scores being those
        of `skill_by_part`; None where one is not defined (R² of a constant).
    """
    train, test, data = prepared.train, prepared.test, prepared.data
    if data.kind == "classification":
        scores = {name: classification_scores(z[None], test.y) for name, z in forecasts(prepared).items()}
        return {name: _defined(found) for name, found in scores.items()}
    observed, median = prepared.response(test.y), np.median(prepared.response(train.y), axis=0)
    by_name = {name: by_response(regression_scores, data, y[None], observed) for name, y in forecasts(prepared).items()}
    for response, error in by_response(_mean_absolute, data, (observed - median)[None], observed).items():
        by_name["climatology"][response]["mae"] = error
    return {
        name: plainly({response: _defined(own) for response, own in found.items()}, data)
        for name, found in by_name.items()
    }


def _mean_absolute(errors: NDArray[Any], _: NDArray[Any]) -> NDArray[np.float64]:
    """[models, rows] -> [models]."""
    return np.abs(errors).mean(axis=1)


def _defined(scores: dict[str, NDArray[np.float64]]) -> dict[str, float | None]:
    """Of one model; None where a score is not defined."""
    return {score: float(value[0]) if np.isfinite(value[0]) else None for score, value in scores.items()}


def formed(scores: dict[str, Any]) -> dict[str, Any]:
    """Scores by name, or by name and response, each with the form in which it is written."""
    return {
        name: quantity(found, FORMS[name]) if name in FORMS and not isinstance(found, dict) else formed(found)
        for name, found in scores.items()
    }


def forecasts(prepared: Prepared) -> dict[str, NDArray[np.float64]]:
    """Three forecasts of the test part without a network, all learnt from the training part.

    - `climatology` uses no input: the shares of the classes (so the most frequent is predicted), or the mean.
    - `threshold` asks for one input, whether it is above one value: the best tree with a single split.
    - `linear` is multinomial logistic regression (with scikit-learn's unit L2 penalty on the standardised inputs), or
      linear regression by least squares.

    Returns:
        {baseline: logarithms of the classes' probabilities [rows, classes], or responses [rows] in the table's unit, of
        several [rows, responses], each forecast by itself}.
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

    def forecast(y: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
        return {
            "climatology": np.full(len(test), y.mean()),
            "threshold": _fitted(DecisionTreeRegressor(max_depth=1, random_state=0), train.x, y).predict(test.x),
            "linear": _fitted(LinearRegression(), train.x, y).predict(test.x),
        }

    y = prepared.response(train.y).astype(np.float64)
    each = [forecast(one) for one in one_by_one(y, prepared.data)]
    return {name: np.stack([one[name] for one in each], axis=-1).reshape(len(test), *y.shape[1:]) for name in each[0]}


def gain_over_baselines(stack: MLP | Taken, prepared: Prepared, episodes: Episodes) -> dict[str, dict[str, dict]]:
    """How much better the networks, on average over seeds, predict the test part than the forecasts without one.

    The interval is over the episodes, since it is other observations that the gain is meant to hold for.

    Args:
        episodes: of the test part.

    Returns:
        {baseline: {score: spread}} (see `over_episodes`) of the accuracy (networks' less the baseline's) or the mean
        squared error (baseline's less the networks'); of several responses {baseline: {response: {score: spread}}}.
    """
    z, observed = predict(stack, prepared.test), prepared.test.y
    if prepared.data.kind == "regression":
        z, observed = prepared.said(z), prepared.response(observed)
    return gains(z, observed, forecasts(prepared), episodes, prepared.data)


def gains(
    predicted: NDArray[np.float32],
    observed: NDArray[Any],
    others: Mapping[str, NDArray[np.float64]],
    episodes: Episodes,
    data: DataSettings,
) -> dict[str, dict[str, dict]]:
    """`gain_over_baselines` of predictions as they are.

    Args:
        predicted: logits [models, rows, classes], or responses in the table's unit, see `Prepared.said`.
        observed: class numbers or responses [rows], of several responses [rows, responses].
        others: see `forecasts`.
    """

    def gain(own: NDArray[np.float64], other: NDArray[np.float64], score: str) -> dict[str, dict]:
        return {score: over_episodes(own - other, episodes.number, GAIN_FORMS[score], episodes.name)}

    if data.kind == "classification":
        hits = (predicted.argmax(axis=2) == observed).mean(axis=0)
        return {name: gain(hits, (p.argmax(axis=1) == observed) * 1.0, "accuracy") for name, p in others.items()}

    def error(y: NDArray[Any], seen: NDArray[Any]) -> NDArray[np.float64]:
        return -np.square(y - seen.astype(np.float64)).mean(axis=0)

    own = by_response(error, data, predicted, observed)
    return {
        name: plainly(
            {
                response: gain(own[response], found, "mse")
                for response, found in by_response(error, data, y[None], observed).items()
            },
            data,
        )
        for name, y in others.items()
    }


def _fitted(model: Any, x: NDArray[np.float32], y: NDArray[Any]) -> Any:
    """A scikit-learn model fitted in float64."""
    return model.fit(x.astype(np.float64), y)
