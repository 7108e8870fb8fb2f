"""What is known of the models of a piece, whoever trained them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from precip_sae.models.engine.moments import Looked

FITTED, UNTRAINED = "sae", "untrained"


@dataclass(frozen=True)
class Measured:
    """Skill of the networks, and a look at the units of networks and SAEs.

    Attributes:
        val_loss, val_score, test_loss, test_score: mean over the rows of the part, at the end of training [models].
        epochs: how many each SAE ran [models].
        looked: at the test part; its SAEs are FITTED and UNTRAINED.
    """

    val_loss: NDArray[np.float64]
    val_score: NDArray[np.float64]
    test_loss: NDArray[np.float64]
    test_score: NDArray[np.float64]
    epochs: NDArray[np.int64]
    looked: Looked
