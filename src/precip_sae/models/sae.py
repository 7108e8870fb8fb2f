"""The sparse autoencoder of the study, on the hidden activations of an MLP."""

from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray

from precip_sae.models.stack import Stack, affine


class SAE(Stack):
    """f = ReLU(h E + e);  h^ = f D + d.

    Untied, no pre-encoder bias, no constraint on the decoder's norm.
    """

    AXES: ClassVar[dict[str, tuple[str, ...]]] = {
        "encoder.weight": ("models", "hidden", "latents"),
        "encoder.bias": ("models", "latents"),
        "decoder.weight": ("models", "latents", "hidden"),
        "decoder.bias": ("models", "hidden"),
    }

    encoder_weight: torch.Tensor
    encoder_bias: torch.Tensor
    decoder_weight: torch.Tensor
    decoder_bias: torch.Tensor

    def encode(self, h: torch.Tensor) -> torch.Tensor:
        """Latent activations: [rows, hidden] or [models, rows, hidden] -> [models, rows, latents]."""
        return torch.relu(affine(h, self.encoder_weight, self.encoder_bias))

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        """Reconstructed hidden activations: [models, rows, latents] -> [models, rows, hidden]."""
        return affine(latents, self.decoder_weight, self.decoder_bias)

    def forward(self, h: torch.Tensor) -> torch.Tensor:
        """Reconstruction: decode(encode(h))."""
        return self.decode(self.encode(h))

    def reconstruct(self, h: NDArray[np.float32]) -> NDArray[np.float32]:
        """forward on arrays, without gradients: [models, rows, hidden] -> [models, rows, hidden]."""
        with torch.no_grad():
            return self(torch.from_numpy(h)).numpy()
