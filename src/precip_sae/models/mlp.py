"""The network of the study: one hidden layer."""

from typing import ClassVar

import torch

from precip_sae.models.stack import Stack, affine


class MLP(Stack):
    """h = ReLU(x W1 + b1);  z = h W2 + b2.

    z are the logits of the classes (softmax is left to the loss) or the predicted response.
    """

    AXES: ClassVar[dict[str, tuple[str, ...]]] = {
        "hidden.weight": ("models", "inputs", "hidden"),
        "hidden.bias": ("models", "hidden"),
        "output.weight": ("models", "hidden", "outputs"),
        "output.bias": ("models", "outputs"),
    }

    hidden_weight: torch.Tensor
    hidden_bias: torch.Tensor
    output_weight: torch.Tensor
    output_bias: torch.Tensor

    def hidden(self, x: torch.Tensor) -> torch.Tensor:
        """Hidden activations: [rows, inputs] or [models, rows, inputs] -> [models, rows, hidden]."""
        return torch.relu(affine(x, self.hidden_weight, self.hidden_bias))

    def output(self, hidden: torch.Tensor) -> torch.Tensor:
        """Logits or responses from hidden activations: [models, rows, hidden] -> [models, rows, outputs]."""
        return affine(hidden, self.output_weight, self.output_bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[rows, inputs] or [models, rows, inputs] -> [models, rows, outputs]."""
        return self.output(self.hidden(x))
