"""Networks of several hidden layers with several responses at once: classes and numbers together."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import cross_entropy

from precip_sae.models.initial import deep_weights, row_order
from precip_sae.models.reference import KerasAdam, batches
from precip_sae.models.stack import Stack, affine
from precip_sae.scheduling import side_by_side
from precip_sae.settings import DeepTraining

AT_ONCE = 10
"""Networks in one stack. Threads take whole stacks, so that the last digits do not depend on how many there are."""


class Deep(Stack):
    """h_1 = ReLU(x W_1 + b_1);  h_l = ReLU(h_(l-1) W_l + b_l);  z = h_last W + b.

    z holds the logits of the classes, if there are any, and then one number per regression. Parameters are named as
    `initial.deep_weights` says; AXES is left out, since these networks are not stored.
    """

    @property
    def depth(self) -> int:
        """Number of hidden layers."""
        return len(self.names) // 2 - 1

    def hidden(self, x: torch.Tensor) -> list[torch.Tensor]:
        """Activations of every hidden layer: [rows, inputs] or [models, rows, inputs] -> each [models, rows, units]."""
        found: list[torch.Tensor] = []
        weights = self.named()
        for layer in range(1, self.depth + 1):
            x = torch.relu(affine(x, weights[f"hidden{layer}.weight"], weights[f"hidden{layer}.bias"]))
            found.append(x)
        return found

    def output(self, hidden: torch.Tensor) -> torch.Tensor:
        """Outputs from the last hidden layer: [models, rows, units] -> [models, rows, outputs]."""
        weights = self.named()
        return affine(hidden, weights["output.weight"], weights["output.bias"])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[rows, inputs] or [models, rows, inputs] -> [models, rows, outputs]."""
        return self.output(self.hidden(x)[-1])


@dataclass(frozen=True)
class Responses:
    """What a network learns of each row: a class, numbers, or both.

    Attributes:
        numbers: standardised, float32 [rows, numbers].
        classes: class numbers from 0, int64 [rows]; None where no class is learnt.
        kinds: how many classes there are; 0 without.
    """

    numbers: NDArray[np.float32]
    classes: NDArray[np.int64] | None = None
    kinds: int = 0

    @property
    def outputs(self) -> int:
        """Outputs of a network that learns them."""
        return self.kinds + self.numbers.shape[1]

    def rows(self, chosen: NDArray[np.int64] | slice) -> "Responses":
        """Those of the chosen rows."""
        return Responses(self.numbers[chosen], None if self.classes is None else self.classes[chosen], self.kinds)

    def entropy(self) -> float:
        """Of the classes (nat): the cross-entropy of a forecast that knows their shares alone."""
        shares = np.bincount(self.classes, minlength=self.kinds) / len(self.classes)  # type: ignore[arg-type]
        shares = shares[shares > 0]
        return float(-(shares * np.log(shares)).sum())


def joint_loss(z: torch.Tensor, numbers: torch.Tensor, classes: torch.Tensor | None, entropy: float) -> torch.Tensor:
    """Mean over the responses of the loss over that of climatology, of every model.

    The squared error of a standardised number, and the cross-entropy of the classes over their entropy: each is 1 for
    a forecast that knows the mean or the shares alone, so that no response outweighs another by its unit.

    Args:
        z: network outputs [models, rows, outputs], logits before numbers.
        numbers: [models, rows, numbers]; classes: [models, rows], None without.
        entropy: of the classes in the training part.

    Returns:
        [models].
    """
    kinds = z.shape[2] - numbers.shape[2]
    loss = (z[..., kinds:] - numbers).square().mean(dim=1).sum(dim=1)
    if classes is not None:
        loss = loss + cross_entropy(z[..., :kinds].transpose(1, 2), classes, reduction="none").mean(dim=1) / entropy
    return loss / (numbers.shape[2] + (classes is not None))


def train_deep(
    x: NDArray[np.float32],
    responses: Responses,
    layers: Sequence[int],
    settings: DeepTraining,
    seeds: Sequence[int],
    threads: int | None = None,
) -> Deep:
    """Trains one network per seed on the same rows, each with its own initial weights and row order.

    Adam in Keras' form as in `reference`, on shuffled minibatches; larger ones than the study's, since three layers
    and six responses are learnt from 40 times as many numbers per row.

    Args:
        x: standardised inputs [rows, inputs].
        layers: units of each hidden layer.
        threads: groups of AT_ONCE networks that are trained at once (default: all CPUs); changes no bit.

    Returns:
        The trained stack, in the order of `seeds`.
    """

    def work(group: Sequence[int]) -> Deep:
        return _train(x, responses, layers, settings, group)

    groups = [seeds[start : start + AT_ONCE] for start in range(0, len(seeds), AT_ONCE)]
    trained = [stack.arrays(k) for stack in side_by_side(work, groups, threads) for k in range(len(stack))]
    return Deep.of(trained)


def _train(
    x: NDArray[np.float32], responses: Responses, layers: Sequence[int], settings: DeepTraining, seeds: Sequence[int]
) -> Deep:
    torch.set_num_threads(1)  # the same bytes however many cores there are
    stack = Deep.of([deep_weights(seed, x.shape[1], layers, responses.outputs) for seed in seeds])
    adam = KerasAdam(stack, settings.learning_rate)
    inputs, numbers = torch.from_numpy(x), torch.from_numpy(responses.numbers)
    classes = None if responses.classes is None else torch.from_numpy(responses.classes)
    entropy = 1.0 if responses.classes is None else responses.entropy()
    for epoch in range(settings.epochs):
        order = torch.from_numpy(np.stack([row_order(seed, len(x), epoch, "per_epoch") for seed in seeds]))
        for rows in batches(len(x), settings.batch):
            chosen = order[:, rows]
            known = None if classes is None else classes[chosen]
            adam.step(joint_loss(stack(inputs[chosen]), numbers[chosen], known, entropy).sum())
    return stack


def skill(stack: Deep, x: NDArray[np.float32], responses: Responses) -> NDArray[np.float64]:
    """Share of what climatology leaves open that the networks explain, by response [models, responses].

    R^2 of every number, in order; last, if there are classes, their accuracy.
    """
    with torch.no_grad():
        z = stack(torch.from_numpy(x)).numpy().astype(np.float64)
    y = responses.numbers.astype(np.float64)
    left = np.square(z[..., responses.kinds :] - y).sum(axis=1)
    found = 1.0 - left / np.square(y - y.mean(axis=0)).sum(axis=0)
    if responses.classes is None:
        return found
    hits = (z[..., : responses.kinds].argmax(axis=2) == responses.classes).mean(axis=1)
    return np.column_stack([found, hits])


def activations(stack: Deep, x: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    """Activations of every hidden layer, each [models, rows, units]."""
    with torch.no_grad():
        return [h.numpy() for h in stack.hidden(torch.from_numpy(x))]
