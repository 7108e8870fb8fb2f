"""Sparse autoencoders from the literature, as dictionaries of equal use: they encode, decode and have directions.

What a variant computes and what it is trained for stand here; how it is trained stands in `variant_training`.
All but the study's own work on x = h / s, where s is chosen so that x varies by one in the mean square: a penalty then
means the same on every layer, and the squared error of a row is its share of the variance.
"""

from abc import abstractmethod
from collections.abc import Sequence
from typing import ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray

from precip_sae.models.dictionary import largest
from precip_sae.models.reference import sae_loss
from precip_sae.models.sae import SAE
from precip_sae.models.stack import Stack, affine

AUXILIARY = 1 / 32
"""Weight of the auxiliary loss (Gao et al. 2024, appendix A.2)."""
BANDWIDTH = 0.1
"""Width of the kernel that estimates the gradient of a threshold, in units of x. The source takes 0.001 and trains for
billions of rows; few rows lie so near to a threshold here."""
FIRST_THRESHOLD = 0.1
PREFIXES = (1 / 4, 1 / 2, 1.0)
"""Shares of the latents that a Matryoshka SAE has to reconstruct with."""


class Variant(Stack):
    """x = h / s;  z = (x - d) E + e;  x^ = f D + d;  h^ = s x^.  A subclass says how f comes from z.

    d is subtracted before the encoder and starts at the mean of x, the rows of D have unit norm, and E starts as the
    transpose of D.
    """

    AXES: ClassVar[dict[str, tuple[str, ...]]] = SAE.AXES | {"scale": ("models",)}
    FIXED: ClassVar[frozenset[str]] = frozenset({"scale"})
    """Parameters that no gradient moves."""
    RESAMPLES: ClassVar[bool] = False
    """Whether latents that stay dead start anew while training (Bricken et al. 2023, appendix)."""
    WARMS_UP: ClassVar[bool] = False
    """Whether the penalty grows from zero at first."""
    UNIT_NORM: ClassVar[bool] = True
    """Whether the rows of D keep the norm one."""

    encoder_weight: torch.Tensor
    encoder_bias: torch.Tensor
    decoder_weight: torch.Tensor
    decoder_bias: torch.Tensor
    scale: torch.Tensor

    @classmethod
    def start(cls, h: NDArray[np.float32], latents: int, generators: Sequence[np.random.Generator]) -> Self:
        """The models before training, one per generator.

        Args:
            h: activations to be trained on [models, rows, units].
        """
        mean = h.mean(axis=1, dtype=np.float64)
        scale = np.sqrt(np.square(h - mean[:, None]).sum(axis=2).mean(axis=1))
        scale = np.where(scale > 0, scale, 1.0)
        models = []
        for generator, centre, s in zip(generators, mean, scale, strict=True):
            rows = generator.normal(size=(latents, h.shape[2]))
            decoder = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
            first = {
                "encoder.weight": decoder.T.copy(),
                "encoder.bias": np.zeros(latents, np.float32),
                "decoder.weight": decoder,
                "decoder.bias": (centre / s).astype(np.float32),
                "scale": np.float32(s),
            }
            models.append(first | cls.more(latents))
        return cls.of(models)

    @classmethod
    def more(cls, latents: int) -> dict[str, NDArray[np.float32]]:
        """The first values of what a subclass has besides."""
        return {}

    def scaled(self, h: torch.Tensor) -> torch.Tensor:
        """x of h [models, rows, units]."""
        return h / self.scale[:, None, None]

    def before(self, x: torch.Tensor) -> torch.Tensor:
        """z of x [models, rows, latents]."""
        return affine(x - self.decoder_bias[:, None, :], self.encoder_weight, self.encoder_bias)

    def after(self, latents: torch.Tensor) -> torch.Tensor:
        """x^ of f [models, rows, units]."""
        return affine(latents, self.decoder_weight, self.decoder_bias)

    @abstractmethod
    def active(self, x: torch.Tensor) -> torch.Tensor:
        """f of x [models, rows, latents]."""

    @abstractmethod
    def objective(
        self, x: torch.Tensor, penalty: torch.Tensor, dead: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """What training makes small on a batch.

        Args:
            x: scaled activations [models, rows, units].
            penalty: weight of the sparsity penalty, or number of active latents per row [models].
            dead: latents that have long been silent [models, latents].

        Returns:
            The loss [models], and f [models, rows, latents].
        """

    def encode(self, h: torch.Tensor) -> torch.Tensor:
        """Latent activations: [rows, units] or [models, rows, units] -> [models, rows, latents]."""
        return self.active(self.scaled(h))

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        """Reconstructed activations: [models, rows, latents] -> [models, rows, units]."""
        return self.after(latents) * self.scale[:, None, None]

    def forward(self, h: torch.Tensor) -> torch.Tensor:
        """Reconstruction: decode(encode(h))."""
        return self.decode(self.encode(h))

    @property
    def directions(self) -> torch.Tensor:
        """What one unit of each latent adds to the activations [models, latents, units]."""
        return self.decoder_weight * self.scale[:, None, None]


class L1(Variant):
    """f = ReLU(z);  loss = mean over rows of ||x - x^||^2 + penalty sum f.

    Bricken et al. 2023, Towards Monosemanticity, "Sparse autoencoder setup"; dead latents are resampled.
    """

    RESAMPLES = True

    def active(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.before(x))

    def objective(
        self, x: torch.Tensor, penalty: torch.Tensor, dead: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        latents = self.active(x)
        return error(x, self.after(latents)) + penalty * latents.sum(dim=2).mean(dim=1), latents


class TopK(Variant):
    """f = ReLU(z) where z is among the k largest of its row, else 0;  loss = mean ||x - x^||^2 + auxiliary loss.

    Gao et al. 2024, Scaling and evaluating sparse autoencoders, equations 3 and 4. The auxiliary loss lets dead
    latents explain what is left, see `auxiliary`. k is a fixed parameter of each model.
    """

    AXES = Variant.AXES | {"k": ("models",)}
    k: torch.Tensor
    FIXED = Variant.FIXED | {"k"}

    @classmethod
    def more(cls, latents: int) -> dict[str, NDArray[np.float32]]:
        return {"k": np.array(1, np.float32)}

    def active(self, x: torch.Tensor) -> torch.Tensor:
        return largest(torch.relu(self.before(x)), self.k)

    def objective(
        self, x: torch.Tensor, penalty: torch.Tensor, dead: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        positive = torch.relu(self.before(x))
        latents = largest(positive, self.k)
        reconstruction = self.after(latents)
        return error(x, reconstruction) + auxiliary(self, x - reconstruction, positive, dead), latents


class BatchTopK(Variant):
    """f = ReLU(z) where it is among the k n largest of a batch of n rows, else 0; losses as in TopK.

    Bussmann, Leask and Nanda 2024, BatchTopK sparse autoencoders. Once trained, f = ReLU(z) where it is at least a
    threshold, the mean over batches of the least positive activation that was kept (their equation 5): else a row's
    latents would depend on the rows beside it.
    """

    AXES = Variant.AXES | {"k": ("models",), "threshold": ("models",)}
    k: torch.Tensor
    threshold: torch.Tensor
    FIXED = Variant.FIXED | {"k", "threshold"}

    @classmethod
    def more(cls, latents: int) -> dict[str, NDArray[np.float32]]:
        return {"k": np.array(1, np.float32), "threshold": np.array(0, np.float32)}

    def active(self, x: torch.Tensor) -> torch.Tensor:
        positive = torch.relu(self.before(x))
        return positive * (positive >= self.threshold[:, None, None])

    def among_batch(self, positive: torch.Tensor) -> torch.Tensor:
        """The k n largest of a batch of n rows [models, rows, latents], the others 0."""
        models, rows, latents = positive.shape
        return largest(positive.reshape(models, 1, -1), self.k * rows).reshape(models, rows, latents)

    def objective(
        self, x: torch.Tensor, penalty: torch.Tensor, dead: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        positive = torch.relu(self.before(x))
        latents = self.among_batch(positive)
        left = x - self.after(latents)
        return self.errors(x, latents) + auxiliary(self, left, positive, dead), latents

    def errors(self, x: torch.Tensor, latents: torch.Tensor) -> torch.Tensor:
        """The error that the latents have to make small [models]."""
        return error(x, self.after(latents))


class Matryoshka(BatchTopK):
    """BatchTopK whose first latents must also do alone: loss = mean over prefixes of ||x - x^ of that prefix||^2.

    Bussmann et al. 2025, Learning multi-level features with Matryoshka sparse autoencoders, section 3, on the base of
    BatchTopK; the prefixes are a quarter, a half and all of the latents. Their sum over prefixes is a mean here, so
    that the auxiliary loss keeps its weight.
    """

    def errors(self, x: torch.Tensor, latents: torch.Tensor) -> torch.Tensor:
        edges = prefixes(latents.shape[2])
        reconstruction, errors = self.decoder_bias[:, None, :], []
        for low, high in zip([0, *edges], edges, strict=False):
            part = torch.matmul(latents[..., low:high], self.decoder_weight[:, low:high])
            reconstruction = reconstruction + part
            errors.append(error(x, reconstruction))
        return torch.stack(errors).mean(dim=0)


class JumpReLU(Variant):
    """f = ReLU(z) where z > t, else 0;  loss = mean ||x - x^||^2 + penalty L0, the number of z above t.

    Rajamanoharan et al. 2024b, Jumping ahead: JumpReLU sparse autoencoders, equations 9 to 12. t = exp(a) learns
    through the kernel K of width w: d f / d t = -t / w K((z - t) / w) and d L0 / d t = -1 / w K((z - t) / w). The
    penalty grows from zero at first.
    """

    AXES = Variant.AXES | {"log_threshold": ("models", "latents")}
    log_threshold: torch.Tensor
    WARMS_UP = True

    @classmethod
    def more(cls, latents: int) -> dict[str, NDArray[np.float32]]:
        return {"log_threshold": np.full(latents, np.log(FIRST_THRESHOLD), np.float32)}

    def active(self, x: torch.Tensor) -> torch.Tensor:
        return self.jumped(x)[0]

    def jumped(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """f, and which latents are above their threshold, both [models, rows, latents]."""
        z = torch.relu(self.before(x))
        t = torch.exp(self.log_threshold)[:, None, :]
        above = (z > t).to(z.dtype)
        near = ((z - t).abs() < BANDWIDTH / 2).to(z.dtype).detach() / BANDWIDTH
        # adds nothing forward; backward it is the estimate of the gradient with respect to t
        moved = near * (t - t.detach())
        return z * above - t.detach() * moved, above - moved

    def objective(
        self, x: torch.Tensor, penalty: torch.Tensor, dead: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        latents, above = self.jumped(x)
        return error(x, self.after(latents)) + penalty * above.sum(dim=2).mean(dim=1), latents


class Gated(Variant):
    """f = ReLU(exp(r) (x - d) E + m) where z > 0, else 0.

    loss = mean ||x - x^||^2 + penalty sum ReLU(z) + ||x - x^ of ReLU(z) through the decoder as it stands||^2.

    Rajamanoharan et al. 2024a, Improving dictionary learning with gated sparse autoencoders, equations 6 to 8: z says
    whether, the magnitude how much, with one encoder; dead latents are resampled as in L1.
    """

    AXES = Variant.AXES | {"magnitude.scale": ("models", "latents"), "magnitude.bias": ("models", "latents")}
    RESAMPLES = True
    magnitude_scale: torch.Tensor
    magnitude_bias: torch.Tensor

    @classmethod
    def more(cls, latents: int) -> dict[str, NDArray[np.float32]]:
        return {"magnitude.scale": np.zeros(latents, np.float32), "magnitude.bias": np.zeros(latents, np.float32)}

    def magnitude(self, z: torch.Tensor) -> torch.Tensor:
        """How much, from the gate's z [models, rows, latents]."""
        linear = (z - self.encoder_bias[:, None, :]) * torch.exp(self.magnitude_scale)[:, None, :]
        return torch.relu(linear + self.magnitude_bias[:, None, :])

    def active(self, x: torch.Tensor) -> torch.Tensor:
        z = self.before(x)
        return (z > 0) * self.magnitude(z)

    def objective(
        self, x: torch.Tensor, penalty: torch.Tensor, dead: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        z = self.before(x)
        latents, gate = (z > 0) * self.magnitude(z), torch.relu(z)
        frozen = affine(gate, self.decoder_weight.detach(), self.decoder_bias.detach())
        loss = error(x, self.after(latents)) + penalty * gate.sum(dim=2).mean(dim=1) + error(x, frozen)
        return loss, latents


class Published(Variant):
    """The study's SAE (see `SAE`) on h itself, with either convention of its penalty: no pre-encoder bias, any norm.

    King et al. 2025. z = h E + e;  f = ReLU(z);  h^ = f D + d; the loss is `reference.sae_loss`.
    """

    CONVENTION: ClassVar[str]
    UNIT_NORM = False

    @classmethod
    def start(cls, h: NDArray[np.float32], latents: int, generators: Sequence[np.random.Generator]) -> Self:
        stack = super().start(h, latents, generators)
        # Glorot (see `initial.glorot_uniform`), of the same standard deviation as the uniform one
        size = np.sqrt(2.0 / (h.shape[2] + latents))
        with torch.no_grad():
            for weight in (stack.encoder_weight, stack.decoder_weight):
                drawn = [g.uniform(-np.sqrt(3) * size, np.sqrt(3) * size, weight.shape[1:]) for g in generators]
                weight.copy_(torch.from_numpy(np.stack(drawn)))
            stack.decoder_bias.zero_()
            stack.scale.fill_(1.0)
        return stack

    def before(self, x: torch.Tensor) -> torch.Tensor:
        return affine(x, self.encoder_weight, self.encoder_bias)

    def active(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.before(x))

    def objective(
        self, x: torch.Tensor, penalty: torch.Tensor, dead: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        return sae_loss(x, self, penalty, self.CONVENTION), self.active(x).detach()


class SummedL1(Published):
    """`Published` with its penalty summed over the batch, as Keras 3 does."""

    CONVENTION = "keras3"


class AveragedL1(Published):
    """`Published` with its penalty divided by the rows of the batch, as Keras 2 did."""

    CONVENTION = "batch_mean"


VARIANTS: dict[str, type[Variant]] = {
    "keras3": SummedL1,
    "batch_mean": AveragedL1,
    "l1": L1,
    "topk": TopK,
    "batch_topk": BatchTopK,
    "jumprelu": JumpReLU,
    "gated": Gated,
    "matryoshka": Matryoshka,
}


def error(x: torch.Tensor, reconstruction: torch.Tensor) -> torch.Tensor:
    """Mean over rows of ||x - x^||^2, [models, rows, units] -> [models]."""
    return (x - reconstruction).square().sum(dim=2).mean(dim=1)


def auxiliary(variant: Variant, left: torch.Tensor, positive: torch.Tensor, dead: torch.Tensor) -> torch.Tensor | float:
    """AUXILIARY ||left - left^||^2, where left^ is decoded from the dead latents with the largest activations.

    Gao et al. 2024, appendix A.2. As many dead latents are used as half the units; `left`, what the living latents
    leave of x, is taken as given.

    Args:
        left: [models, rows, units].
        positive: ReLU(z) [models, rows, latents].
        dead: [models, latents].

    Returns:
        [models]; 0 where none is dead.
    """
    if not bool(dead.any()):
        return 0.0
    silent = positive * dead[:, None, :]
    used = largest(silent, torch.full((len(silent),), max(left.shape[2] // 2, 1)))
    return AUXILIARY * error(left.detach(), torch.matmul(used, variant.decoder_weight)) * dead.any(dim=1)


def prefixes(latents: int) -> list[int]:
    """How many latents each prefix of a Matryoshka SAE has; the last has all."""
    return sorted({max(round(share * latents), 1) for share in PREFIXES})
