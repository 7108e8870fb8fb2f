"""What a row of each class counts in training."""

import numpy as np
from numpy.typing import NDArray

from precip_sae.settings import MLPSettings
from precip_sae.tasks.prepare import Part


def class_weights(settings: MLPSettings, train: Part, outputs: int) -> NDArray[np.float32] | None:
    """The weight of every class in the loss of a batch, as Keras' `class_weight`: sum over rows of w l, over the rows.

    `balanced` gives every class the same share of the training part's loss: rows / (classes x rows of the class), as
    scikit-learn's `compute_class_weight` does (King and Zeng 2001, doi 10.1093/oxfordjournals.pan.a004868).

    Args:
        settings: `class_weights` are by the name of the class; one that is not named counts 1.
        train: the training part, which names its classes where weights are given by name.
        outputs: number of classes.

    Returns:
        [classes] by number; None where no weights are asked for.

    Raises:
        ValueError: weights are given by name, and the part does not name its classes.
    """
    given = settings.class_weights
    if given is None:
        return None
    if given == "balanced":
        # a class without a row has no loss to weight
        rows = np.maximum(np.bincount(train.y, minlength=outputs), 1)
        return (len(train) / (outputs * rows)).astype(np.float32)
    if len(train.classes) != outputs:
        raise ValueError(f"the training part names {len(train.classes)} classes, expected {outputs}.")
    return np.array([given.get(name, 1.0) for name in train.classes], np.float32)
