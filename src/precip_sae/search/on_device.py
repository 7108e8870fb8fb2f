"""The models of a piece trained side by side by PyTorch, on the CPU or on one CUDA device.

Networks and SAEs are those of `models.reference`: the same initial weights, row orders, losses and Adam. What differs
is how they are fed. A step takes its rows out of one table that all models share, so that memory does not grow with
models x rows; a device is kept busy by thousands of models in a step. Results agree with the compiled engine up to the
rounding of float32, whose order of sums is PyTorch's: weights to about 1e-5 where the training part is small. They are
not the same bytes.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from precip_sae.errors import SettingsError
from precip_sae.models.class_weights import class_weights
from precip_sae.models.engine.moments import Looked, Sums
from precip_sae.models.initial import mlp_weights, row_order, sae_weights
from precip_sae.models.mlp import MLP
from precip_sae.models.reference import KerasAdam, batches, response_loss, response_score, sae_loss
from precip_sae.models.sae import SAE
from precip_sae.search.measured import FITTED, UNTRAINED, Measured
from precip_sae.settings import MLPSettings, SAESettings
from precip_sae.tasks.prepare import Part, Prepared

BLOCK_VALUES = 1 << 24  # activations that are looked at together


def device_of(engine: str) -> torch.device:
    """Where a search's `engine` trains.

    Raises:
        SettingsError: it is `cuda`, and PyTorch sees no such device.
    """
    if engine == "cuda" and not torch.cuda.is_available():
        raise SettingsError(
            "search: engine is cuda, and PyTorch finds no CUDA device here, expected compiled, torch, or a machine "
            "with a GPU and PyTorch's build for it."
        )
    return torch.device("cuda" if engine == "cuda" else "cpu")


@dataclass(frozen=True)
class Models:
    """Which models are trained, and where.

    Attributes:
        columns: the inputs of each network, as columns of a part [models, inputs]; seeds: of each [models].
        kind, outputs: see `reference.train_mlps`.
    """

    columns: NDArray[np.int64]
    seeds: NDArray[np.int64]
    kind: str
    outputs: int
    device: torch.device

    def __len__(self) -> int:
        return len(self.seeds)

    def rows_of(self, part: Part) -> "Rows":
        """The rows of a part on the device."""
        y = torch.from_numpy(part.y if self.kind == "classification" else part.y.astype(np.float32))
        columns = torch.from_numpy(self.columns).to(self.device)
        return Rows(torch.from_numpy(part.x).to(self.device), y.to(self.device), columns)

    def orders(self, rows: int, epoch: int, shuffle: str) -> Callable[[slice], torch.Tensor]:
        """The rows that each model visits at some steps of an epoch: slice -> [models, rows of the slice]."""
        seeds, which = np.unique(self.seeds, return_inverse=True)
        order = torch.from_numpy(np.stack([row_order(int(seed), rows, epoch, shuffle) for seed in seeds]))
        order, chosen = order.to(self.device), torch.from_numpy(which).to(self.device)
        return lambda some: order[:, some][chosen]


@dataclass(frozen=True)
class Rows:
    """A part on a device: x [rows, columns], y [rows], and the columns of each model [models, inputs]."""

    x: torch.Tensor
    y: torch.Tensor
    columns: torch.Tensor

    def __len__(self) -> int:
        return len(self.x)

    def inputs(self, which: torch.Tensor | slice) -> torch.Tensor:
        """Inputs of every model [models, rows, inputs]; `which`: a slice, or the rows of each model [models, rows]."""
        if isinstance(which, slice):
            return self.x[which][:, self.columns].transpose(0, 1)
        return self.x[which[:, :, None], self.columns[:, None, :]]


def train_networks(models: Models, train: Part, settings: MLPSettings) -> MLP:
    """Trains one network per model; see `reference.train_mlps`."""
    inputs = models.columns.shape[1]
    initial = {int(s): mlp_weights(int(s), inputs, settings.hidden, models.outputs) for s in np.unique(models.seeds)}
    stack = MLP.of([initial[int(seed)] for seed in models.seeds]).to(models.device)
    adam, rows = KerasAdam(stack, settings.learning_rate), models.rows_of(train)
    given = class_weights(settings, train, models.outputs)
    weights = None if given is None else torch.from_numpy(given).to(models.device)
    for epoch in range(settings.epochs):
        if epoch == 0 or settings.shuffle == "per_epoch":
            order = models.orders(len(rows), epoch, settings.shuffle)
        for some in batches(len(rows), settings.batch):
            which = order(some)
            adam.step(response_loss(stack(rows.inputs(which)), rows.y[which], models.kind, weights).sum())
    return stack


def fit_saes(
    models: Models, networks: MLP, part: Part, settings: SAESettings, convention: str
) -> tuple[SAE, NDArray[np.int64]]:
    """Fits one SAE on the hidden activations of every network; see `reference.train_saes`.

    A model that has stopped keeps its weights of that epoch, and its place until the last one stops: to leave fewer
    models in a step would save a device nothing.

    Returns:
        The SAEs, and how many epochs each ran [models].
    """
    stack, rows = untrained(models, settings, networks.hidden_bias.shape[1]), models.rows_of(part)
    adam = KerasAdam(stack, settings.learning_rate)
    kept = stack[list(range(len(models)))]
    best = torch.full((len(models),), math.inf, dtype=torch.float64, device=models.device)
    waited = torch.zeros(len(models), dtype=torch.int64, device=models.device)
    ran = torch.zeros_like(waited)
    for epoch in range(1, settings.epochs + 1):
        sums = torch.zeros_like(best)
        for some in batches(len(rows), settings.batch):
            with torch.no_grad():
                h = networks.hidden(rows.inputs(some))
            loss = sae_loss(h, stack, settings.l1, convention)
            adam.step(loss.sum())
            sums += loss.detach() * h.shape[1]
        losses = sums / len(rows)
        better = losses < best
        best, waited = torch.where(better, losses, best), torch.where(better, 0, waited + 1)
        done = (ran == 0) & (waited >= (settings.patience or math.inf))
        done = done | (ran == 0) if epoch == settings.epochs else done
        ran[done] = epoch
        with torch.no_grad():
            for last, now in zip(kept.parameters(), stack.parameters(), strict=True):
                last[done] = now[done]
        if bool((ran > 0).all()):
            break
    return kept, ran.cpu().numpy()


def untrained(models: Models, settings: SAESettings, hidden: int) -> SAE:
    """The SAEs as they start."""
    initial = {int(seed): sae_weights(int(seed), hidden, settings.latents) for seed in np.unique(models.seeds)}
    return SAE.of([initial[int(seed)] for seed in models.seeds]).to(models.device)


def measure(models: Models, prepared: Prepared, mlp: MLPSettings, sae: SAESettings) -> Measured:
    """Trains and measures all models: networks, SAEs in the headline convention, and untrained SAEs."""
    networks = train_networks(models, prepared.train, mlp)
    fitted, epochs = fit_saes(models, networks, prepared.sae, sae, sae.l1_conventions[0])
    saes = {FITTED: fitted, UNTRAINED: untrained(models, sae, mlp.hidden)}
    with torch.no_grad():
        val = _skill(models, networks, prepared.validation)
        test = _skill(models, networks, prepared.test)
        looked = look(models, networks, saes, prepared)
    return Measured(*val, *test, epochs, looked)


def _blocks(models: Models, rows: int, units: int) -> Iterator[slice]:
    return batches(rows, max(1, BLOCK_VALUES // (len(models) * units)))


def _skill(models: Models, networks: MLP, part: Part) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean loss, and accuracy or mean absolute error, of every network on a part: [models], [models]."""
    rows = models.rows_of(part)
    sums = torch.zeros(2, len(models), dtype=torch.float64, device=models.device)
    for some in _blocks(models, len(rows), networks.hidden_bias.shape[1]):
        z, y = networks(rows.inputs(some)), rows.y[some].expand(len(models), -1)
        both = response_loss(z, y, models.kind), response_score(z, y, models.kind)
        sums += torch.stack(both).double() * y.shape[1]
    loss, score = (sums / len(rows)).cpu().numpy()
    return loss, score


def _added(sums: dict[str, torch.Tensor] | None, a: torch.Tensor, x: torch.Tensor) -> dict[str, torch.Tensor]:
    """The sums of `moments.Sums` with further activations [models, rows, units] and inputs [models, rows, inputs]."""
    wide, inputs = a.double(), x.double()
    now = {
        "a": wide.sum(1), "aa": (wide * wide).sum(1), "x": inputs.sum(1), "xx": (inputs * inputs).sum(1),
        "ax": wide.transpose(1, 2) @ inputs, "active": (a > 0).sum(1).double(),
        "least": a.amin(1), "most": a.amax(1),
    }  # fmt: skip
    if sums is None:
        return now
    add = {"least": torch.minimum, "most": torch.maximum}
    return {name: add.get(name, torch.add)(sums[name], value) for name, value in now.items()}


def _sums(rows: int, sums: dict[str, torch.Tensor]) -> Sums:
    arrays = {name: value.cpu().numpy() for name, value in sums.items()}
    return Sums(rows=rows, varies=arrays.pop("most") > arrays.pop("least"), **arrays)


def look(models: Models, networks: MLP, saes: dict[str, SAE], prepared: Prepared) -> Looked:
    """`moments.look` at the test part: sums over its rows for hidden units and latents, and the FVU of the SAEs."""
    fit, rows = models.rows_of(prepared.sae), models.rows_of(prepared.test)
    units = max(sae.encoder_bias.shape[1] for sae in saes.values())
    mean: Any = 0.0
    for some in _blocks(models, len(fit), units):
        mean = mean + networks.hidden(fit.inputs(some)).double().sum(1, keepdim=True) / len(fit)
    sums: dict[str, Any] = dict.fromkeys(("mlp", *saes))
    left: dict[str, Any] = dict.fromkeys(saes, 0.0)
    total: Any = 0.0
    for some in _blocks(models, len(rows), units):
        x = rows.inputs(some)
        h = networks.hidden(x)
        sums["mlp"] = _added(sums["mlp"], h, x)
        total = total + (h.double() - mean).square().sum((1, 2))
        for name, sae in saes.items():
            latents = sae.encode(h)
            sums[name] = _added(sums[name], latents, x)
            left[name] = left[name] + (h.double() - sae.decode(latents).double()).square().sum((1, 2))
    fvu = {name: torch.where(total > 0, value / total, math.nan).cpu().numpy() for name, value in left.items()}
    return Looked({name: _sums(len(rows), one) for name, one in sums.items()}, fvu)
