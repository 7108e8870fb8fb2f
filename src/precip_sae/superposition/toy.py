"""Toy models of superposition: more features than dimensions, pressed through a bottleneck (Elhage et al. 2022)."""

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from precip_sae.models.reference import KerasAdam
from precip_sae.models.stack import Stack
from precip_sae.scheduling import in_processes
from precip_sae.settings import DescentSettings

# Streams of random numbers per purpose; each seed of a toy model has its own.
_WEIGHTS, _ROWS, _DIRECTIONS = 10, 11, 12

GROUPS = 2
"""Stacks into which models are divided. Processes take whole stacks: no digit depends on how many there are."""


class ToyModel(Stack):
    """h = x W;  x' = ReLU(h W^T + b).

    Elhage et al. 2022, Toy models of superposition, "ReLU output model"; W [features, units] is the transpose of
    theirs. Row i of W is the direction of feature i.
    """

    AXES: ClassVar[dict[str, tuple[str, ...]]] = {
        "weight": ("models", "features", "units"),
        "bias": ("models", "features"),
    }

    weight: torch.Tensor
    bias: torch.Tensor

    def hidden(self, x: torch.Tensor) -> torch.Tensor:
        """[rows, features] or [models, rows, features] -> [models, rows, units]."""
        return torch.matmul(x, self.weight)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The features as far as the bottleneck lets them through [models, rows, features]."""
        return torch.relu(torch.matmul(self.hidden(x), self.weight.transpose(1, 2)) + self.bias[:, None, :])


def sparse_features(
    generator: np.random.Generator, rows: int, features: int, activity: float = 1.0
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Independent features: uniform in 0 to 1 in a share `activity` of the rows, else 0 (Elhage et al. 2022).

    Returns:
        The values, as if all were active, and which are, both [rows, features]; their product is x.
    """
    values = generator.random((rows, features), dtype=np.float32)
    return values, generator.random((rows, features), dtype=np.float32) < activity


def toy_loss(model: ToyModel, x: torch.Tensor, importance: torch.Tensor) -> torch.Tensor:
    """Mean over rows of sum over features of importance (x - x')^2.

    Args:
        x: [models, rows, features].
        importance: [models, features].

    Returns:
        [models].
    """
    return ((x - model(x)).square() * importance[:, None, :]).sum(dim=2).mean(dim=1)


def train_toys(
    units: int,
    activity: Sequence[float],
    importance: ArrayLike,
    seeds: Sequence[int],
    settings: DescentSettings,
    processes: int | None = None,
) -> ToyModel:
    """Trains toy models side by side; models of equal seeds start alike and see the same draws.

    Args:
        units: dimensions of the bottleneck.
        activity: share of the rows in which a feature is active [models].
        importance: weight of each feature in the loss [models, features].
        seeds: [models]; models may share one.
        processes: groups of models that are trained at once (default: all CPUs); changes no bit.
    """
    weights = np.asarray(importance, dtype=np.float32)

    def work(group: NDArray[np.int64]) -> dict[str, NDArray[np.float32]]:
        own = [activity[k] for k in group], weights[group], [seeds[k] for k in group]
        return _train(units, *own, settings)

    groups = np.array_split(np.arange(len(seeds)), min(GROUPS, len(seeds)))
    trained = in_processes(work, groups, processes)
    return ToyModel({name: torch.from_numpy(np.concatenate([each[name] for each in trained])) for name in trained[0]})


def _train(
    units: int,
    activity: Sequence[float],
    importance: NDArray[np.float32],
    seeds: Sequence[int],
    settings: DescentSettings,
) -> dict[str, NDArray[np.float32]]:
    torch.set_num_threads(1)  # one thread gives the same bytes everywhere
    weights = torch.from_numpy(importance)
    features = weights.shape[1]
    distinct = sorted(set(seeds))
    place = torch.tensor([distinct.index(seed) for seed in seeds])
    start = np.stack([_start(seed, features, units) for seed in distinct])[place.numpy()]
    model = ToyModel({"weight": torch.from_numpy(start), "bias": torch.zeros(len(seeds), features)})
    adam = KerasAdam(model, settings.learning_rate)
    generators = [np.random.default_rng([seed, _ROWS]) for seed in distinct]
    shares = torch.tensor(activity, dtype=torch.float32)[:, None, None]
    slowing = max(settings.steps // 2, 1)
    for step in range(settings.steps):
        draws = np.stack([g.random((2, settings.batch, features), dtype=np.float32) for g in generators])
        values, chance = torch.from_numpy(draws).unbind(dim=1)
        x = values[place] * (chance[place] < shares)
        adam.learning_rate = settings.learning_rate * min((settings.steps - step) / slowing, 1.0)
        adam.step(toy_loss(model, x, weights).sum())
    return {name: value.detach().numpy() for name, value in model.named().items()}


def random_directions(seeds: Sequence[int], features: int, units: int) -> NDArray[np.float32]:
    """Directions of unit norm, uniform on the sphere, for features that no network has arranged.

    Returns:
        [models, features, units].
    """
    drawn = np.stack([np.random.default_rng([seed, _DIRECTIONS]).normal(size=(features, units)) for seed in seeds])
    return (drawn / np.linalg.norm(drawn, axis=2, keepdims=True)).astype(np.float32)


def _start(seed: int, features: int, units: int) -> NDArray[np.float32]:
    """Normal weights of variance 1 / features."""
    drawn = np.random.default_rng([seed, _WEIGHTS]).normal(size=(features, units)) / np.sqrt(features)
    return drawn.astype(np.float32)
