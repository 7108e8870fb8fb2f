"""How well networks predict, beside what needs no network."""

import numpy as np
import torch
from numpy.typing import NDArray

from precip_sae.models import engine
from precip_sae.models.mlp import MLP
from precip_sae.spread import over_seeds
from precip_sae.tasks import Part, Prepared


def predict(stack: MLP, part: Part) -> NDArray[np.float32]:
    """Logits or responses of every model, [models, rows, outputs]."""
    with torch.no_grad():
        return stack(torch.from_numpy(part.x)).numpy()


def hidden_activations(stack: MLP, part: Part) -> NDArray[np.float32]:
    """Hidden activations of every model, [models, rows, hidden]; by the engine, so the same on every CPU."""
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


def classification_scores(z: NDArray[np.float32], y: NDArray[np.int64]) -> dict[str, NDArray[np.float64]]:
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


def regression_scores(predicted: NDArray[np.float32], y: NDArray[np.float32]) -> dict[str, NDArray[np.float64]]:
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


def skill_by_part(stack: MLP, prepared: Prepared) -> dict[str, dict[str, dict]]:
    """Scores of every part, spread over seeds: {part: {score: see `over_seeds`}}."""
    scores = {}
    for name, part in prepared.parts.items():
        z = predict(stack, part)
        if prepared.data.kind == "classification":
            values = classification_scores(z, part.y)
        else:
            values = regression_scores(z[..., 0], part.y)
        scores[name] = {score: over_seeds(per_model) for score, per_model in values.items()}
    return scores


def baseline(prepared: Prepared) -> dict[str, float]:
    """Scores on the test part of a forecast without inputs.

    Classification: the most frequent class of the training part. Regression: its mean (for the squared error)
    and its median (for the absolute error).
    """
    train, test = prepared.train.y, prepared.test.y
    if prepared.data.kind == "classification":
        commonest = int(np.bincount(train).argmax())
        return {"accuracy": float((test == commonest).mean())}
    return {
        "mse": float(np.square(test.astype(np.float64) - train.mean(dtype=np.float64)).mean()),
        "mae": float(np.abs(test.astype(np.float64) - np.median(train)).mean()),
    }
