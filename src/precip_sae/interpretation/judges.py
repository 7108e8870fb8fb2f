"""Every measure of how few inputs latents respond to, taken of dictionaries whose recovery is known.

`interpretation.ranking` then asks which of the measures ranks these dictionaries as the truth does.
"""

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray

from precip_sae.interpretation.measures import MEASURES, evaluate
from precip_sae.interpretation.responses import Inputs, Responses
from precip_sae.interpretation.strengths import dominance, effective_number
from precip_sae.interpretation.variant_grid import Fitted
from precip_sae.scheduling import side_by_side

PREFIX = "inputs_by_"
"""Of columns with a measure: the mean number of inputs per unit by it."""

# Known from what the units did, without the way from the inputs to them.
FROM_RESPONSES = {
    name: measure for name, measure in MEASURES.items() if name not in ("gradients", "relevance", "dominance")
}


class UnitJudge:
    """Judges units by their responses; what is worked out from the inputs once is kept for the next dictionary."""

    def __init__(self) -> None:
        # one value, so that threads that share a judge never see the inputs of one dictionary with those of another
        self._kept: tuple[NDArray[np.floating], Inputs] | None = None

    def __call__(self, units: NDArray[np.floating], inputs: NDArray[np.floating]) -> dict[str, float]:
        """Columns PREFIX + measure of one dictionary.

        Args:
            units: activations [rows, units]; inputs: [rows, inputs].
        """
        kept = self._kept
        if kept is None or kept[0] is not inputs:
            kept = self._kept = inputs, Inputs(inputs)
        return {PREFIX + name: value for name, value in evaluate(Responses(units, kept[1]), FROM_RESPONSES).items()}


def judge_fitted(fitted: Fitted) -> Mapping[str, NDArray[np.float64]]:
    """The same of dictionaries on activations that are linear in their inputs, [models] each; and by their weights.

    A latent that is a rectified sum of the inputs has the gradient of that sum wherever it is active, so that its
    effective number of inputs, and its dominance, follow from the weights alone.
    """
    judge = UnitJudge()
    columns = side_by_side(lambda latents: judge(latents, fitted.inputs), list(fitted.latents))
    found = {name: np.array([column[name] for column in columns]) for name in columns[0]}
    weights = input_weights(fitted)
    varies = np.ptp(fitted.latents, axis=1) > 0
    shares = np.stack([dominance(of_model) for of_model in weights])
    by_weights = {"gradients": effective_number(weights**2), "dominance": 1 / shares}
    for name, numbers in by_weights.items():
        counted = np.where(varies & np.isfinite(numbers), numbers, np.nan)
        some = np.isfinite(counted).any(axis=1)
        means = np.full(len(counted), np.nan)
        means[some] = np.nanmean(counted[some], axis=1)
        found[PREFIX + name] = means
    return found


def input_weights(fitted: Fitted) -> NDArray[np.float64]:
    """Weight of every input in a latent's sum, of a network without hidden layers [models, latents, inputs]."""
    inputs = fitted.inputs.shape[1]
    with torch.no_grad():
        own = torch.cat([torch.zeros(1, inputs), torch.eye(inputs)])
        activations = fitted.network(own).numpy().astype(np.float64)
    jacobian = activations[:, 1:] - activations[:, :1]
    encoder = fitted.dictionary.encoder_weight.detach().numpy().astype(np.float64)  # type: ignore[attr-defined]
    return np.einsum("miu,mul->mli", jacobian, encoder)
