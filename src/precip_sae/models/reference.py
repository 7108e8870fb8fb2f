"""The readable training loops: the specification of how the study's models are trained.

They follow Keras 3.5, in which the study is written: its form of Adam, its reported losses, its early stopping and
its activity penalty. All models of a stack train side by side on one thread, each as if it were alone.
"""

import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn.functional import cross_entropy

from precip_sae.models.class_weights import class_weights
from precip_sae.models.dictionary import Dictionary
from precip_sae.models.initial import mlp_weights, row_order, sae_weights
from precip_sae.models.mlp import MLP
from precip_sae.models.sae import SAE
from precip_sae.models.stack import Stack
from precip_sae.settings import MLPSettings, SAESettings
from precip_sae.tasks.prepare import Part

Progress = Callable[[int, int], None]


B1, B2, EPSILON = 0.9, 0.999, 1e-7


def adam_step_size(learning_rate: float, step: int) -> float:
    """a_t = lr sqrt(1 - b2^t) / (1 - b1^t) of step t = 1, 2, ... (Kingma & Ba 2015, end of section 2)."""
    return learning_rate * math.sqrt(1 - B2**step) / (1 - B1**step)


class KerasAdam:
    """Adam in Keras 3's algebraic form (Kingma & Ba 2015, end of section 2; Keras puts epsilon there).

    m += (g - m)(1 - b1);  v += (g^2 - v)(1 - b2);  w -= m a_t / (sqrt(v) + epsilon), with a_t of `adam_step_size`.
    torch.optim.Adam adds epsilon to the bias-corrected root, which drifts apart over a full training.
    """

    def __init__(self, stack: nn.Module, learning_rate: float) -> None:
        self.weights = list(stack.parameters())
        self.m = [torch.zeros_like(w) for w in self.weights]
        self.v = [torch.zeros_like(w) for w in self.weights]
        self.learning_rate, self.steps = learning_rate, 0

    def step(self, loss: torch.Tensor) -> None:
        """One step down the gradient of `loss` (a scalar)."""
        self.steps += 1
        size = adam_step_size(self.learning_rate, self.steps)
        gradients = torch.autograd.grad(loss, self.weights)
        with torch.no_grad():
            for w, m, v, g in zip(self.weights, self.m, self.v, gradients, strict=True):
                m.add_(g - m, alpha=1 - B1)
                v.add_(g * g - v, alpha=1 - B2)
                w.sub_(m * size / (v.sqrt() + EPSILON))

    def keep(self, stack: Stack, which: torch.Tensor) -> None:
        """Goes on with the models `which` of the stack alone, moments included."""
        self.weights = list(stack.parameters())
        self.m = [m[which] for m in self.m]
        self.v = [v[which] for v in self.v]


def batches(rows: int, size: int) -> Iterator[slice]:
    """Consecutive batches; the last, partial one is kept."""
    return (slice(start, min(start + size, rows)) for start in range(0, rows, size))


def response_loss(z: torch.Tensor, y: torch.Tensor, kind: str, weights: torch.Tensor | None = None) -> torch.Tensor:
    """Mean loss over the rows of every model: cross-entropy of the logits, or squared error.

    Of several responses, each of which is standardised, the mean of their squared errors: all weigh the same.

    Args:
        z: network outputs [models, rows, outputs].
        y: class numbers or responses [models, rows], or several responses [models, rows, outputs].
        weights: of the classes [outputs]: each row's cross-entropy is multiplied by its class's before the mean over
            rows is taken, as Keras does with `class_weight`; None: all count alike.

    Returns:
        [models].
    """
    if kind == "classification":
        # torch's own mean would divide by the sum of the weights, Keras divides by the rows
        return cross_entropy(z.transpose(1, 2), y, weights, reduction="none").mean(dim=1)
    return _errors(z, y).square().mean(dim=1)


def response_score(z: torch.Tensor, y: torch.Tensor, kind: str) -> torch.Tensor:
    """Accuracy (share of rows) or mean absolute error (unit of the response, if need be standardised), [models]."""
    if kind == "classification":
        return (z.argmax(dim=2) == y).float().mean(dim=1)
    return _errors(z, y).abs().mean(dim=1)


def _errors(z: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Of every response in every row, [models, rows x outputs]."""
    return (z - y.reshape(z.shape)).flatten(start_dim=1)


SCORE = {"classification": "accuracy", "regression": "mae"}


def train_mlps(
    train: Part,
    validation: Part,
    kind: str,
    outputs: int,
    settings: MLPSettings,
    seeds: Sequence[int],
    progress: Progress | None = None,
    hidden_l1: float = 0.0,
) -> tuple[MLP, pd.DataFrame]:
    """Trains one network per seed on the same rows, each with its own initial weights and row order.

    Args:
        train, validation: parts of a prepared table.
        kind: `classification` (cross-entropy) or `regression` (mean squared error).
        outputs: number of classes or of responses.
        progress: called as progress(epochs done, epochs) after every epoch.
        hidden_l1: weight of the activity penalty on the hidden layer, in Keras 3's convention: times the sum of the
            activations over the rows of the batch and the units, added to the batch's loss. `loss` holds the penalty,
            `val_loss` does not; nor does it hold `settings.class_weights`, which `loss` does.

    Returns:
        The trained stack, in the order of `seeds`, and its history with the columns seed, epoch, loss, val_loss,
        and accuracy, val_accuracy or mae, val_mae. Loss and score are the row-weighted means over the batches
        while the weights move, as Keras reports them; val_ is evaluated at the end of the epoch.
    """
    torch.set_num_threads(1)  # the steps are too small to share, and one thread gives the same bytes everywhere
    inputs = train.x.shape[1]
    stack = MLP.of([mlp_weights(seed, inputs, settings.hidden, outputs) for seed in seeds])
    adam = KerasAdam(stack, settings.learning_rate)
    val_x = torch.from_numpy(validation.x)
    val_y = torch.from_numpy(validation.y).expand(len(seeds), *validation.y.shape)
    given = class_weights(settings, train, outputs)
    weights = None if given is None else torch.from_numpy(given)
    record = []
    for epoch in range(settings.epochs):
        if epoch == 0 or settings.shuffle == "per_epoch":
            order = np.stack([row_order(seed, len(train), epoch, settings.shuffle) for seed in seeds])
            x, y = torch.from_numpy(train.x[order]), torch.from_numpy(train.y[order])
        sums = torch.zeros(2, len(seeds), dtype=torch.float64)
        for rows in batches(len(train), settings.batch):
            hidden = stack.hidden(x[:, rows])
            z = stack.output(hidden)
            loss = response_loss(z, y[:, rows], kind, weights)
            if hidden_l1:
                loss = loss + hidden_l1 * hidden.sum(dim=(1, 2))
            adam.step(loss.sum())
            with torch.no_grad():
                sums += torch.stack([loss, response_score(z, y[:, rows], kind)]) * z.shape[1]
        with torch.no_grad():
            z = stack(val_x)
            val = response_loss(z, val_y, kind), response_score(z, val_y, kind)
        record.append(np.stack([*(sums / len(train)).numpy(), *(one.numpy() for one in val)]))
        if progress:
            progress(epoch + 1, settings.epochs)
    return stack, mlp_history(kind, seeds, *np.stack(record, axis=1))


def mlp_history(
    kind: str,
    seeds: Sequence[int],
    loss: NDArray[np.float64],
    score: NDArray[np.float64],
    val_loss: NDArray[np.float64],
    val_score: NDArray[np.float64],
) -> pd.DataFrame:
    """The history that `train_mlps` returns, of what was recorded [epochs, models]."""
    named = {"loss": loss, "val_loss": val_loss, SCORE[kind]: score, f"val_{SCORE[kind]}": val_score}
    epochs = len(loss)
    columns = {"seed": np.repeat(seeds, epochs), "epoch": np.tile(np.arange(1, epochs + 1), len(seeds))}
    frame = pd.DataFrame(columns | {name: values.T.ravel() for name, values in named.items()})
    return frame.sort_values(["seed", "epoch"], ignore_index=True)


def sae_history(record: Sequence[tuple[int, int, float]]) -> pd.DataFrame:
    """The history that `train_saes` returns, of the seed, epoch and loss of every epoch that an SAE ran."""
    return pd.DataFrame(record, columns=["seed", "epoch", "loss"]).sort_values(["seed", "epoch"], ignore_index=True)


def sae_loss(h: torch.Tensor, sae: Dictionary, l1: float | torch.Tensor, convention: str) -> torch.Tensor:
    """The SAE's objective on a batch, for every model.

    mean over rows and units of (h - h^)^2, plus the activity penalty: l1 times the sum of |f| over rows and
    latents (`keras3`: Keras 3 does not divide by the batch size), or that sum divided by the rows (`batch_mean`).

    Args:
        h: hidden activations [models, rows, hidden].
        l1: one weight, or one per model [models].

    Returns:
        [models].
    """
    latents = sae.encode(h)
    error = (sae.decode(latents) - h).square().mean(dim=(1, 2))
    activity = latents.abs().sum(dim=(1, 2))
    return error + l1 * (activity if convention == "keras3" else activity / h.shape[1])


def train_saes(
    hidden: NDArray[np.float32],
    settings: SAESettings,
    convention: str,
    seeds: Sequence[int],
    progress: Progress | None = None,
) -> tuple[SAE, pd.DataFrame]:
    """Fits one SAE per seed, on that seed's hidden activations, rows in time order.

    With `settings.patience`, a model stops once its epoch loss has not fallen (strictly) below its best for that
    many epochs; the weights of the last epoch are kept, not the best ones.

    Args:
        hidden: hidden activations of the SAE part, [models, rows, hidden].
        convention: see `sae_loss`.
        progress: called as progress(epochs done, epochs) after every epoch.

    Returns:
        The trained stack, in the order of `seeds`, and its history with the columns seed, epoch, loss.
    """
    torch.set_num_threads(1)
    h = torch.from_numpy(hidden)
    stack = SAE.of([sae_weights(seed, h.shape[2], settings.latents) for seed in seeds])
    adam = KerasAdam(stack, settings.learning_rate)
    running = torch.arange(len(seeds))
    best = torch.full((len(seeds),), math.inf, dtype=torch.float64)
    waited = torch.zeros(len(seeds), dtype=torch.int64)
    finished: dict[int, SAE] = {}
    history = []
    for epoch in range(settings.epochs):
        sums = torch.zeros(len(running), dtype=torch.float64)
        for rows in batches(h.shape[1], settings.batch):
            batch = h[:, rows]
            loss = sae_loss(batch, stack, settings.l1, convention)
            adam.step(loss.sum())
            sums += loss.detach() * batch.shape[1]
        losses = sums / h.shape[1]
        history += [(seeds[int(k)], epoch + 1, value) for k, value in zip(running, losses.tolist(), strict=True)]
        if settings.patience:
            better = losses < best
            best = torch.where(better, losses, best)
            waited = torch.where(better, 0, waited + 1)
            stopping = waited >= settings.patience
            if stopping.any():
                finished |= {int(running[k]): stack[int(k)] for k in stopping.nonzero()}
                going = (~stopping).nonzero()[:, 0]
                stack, h, running = stack[going.tolist()], h[going], running[going]
                best, waited = best[going], waited[going]
                adam.keep(stack, going)
        if progress:
            progress(epoch + 1 if len(running) else settings.epochs, settings.epochs)
        if len(running) == 0:
            break
    finished |= {int(k): stack[position] for position, k in enumerate(running)}
    trained = SAE.of([finished[k].arrays(0) for k in range(len(seeds))])
    return trained, sae_history(history)
