"""What the network says once a latent is changed: splicing, ablating, clamping, and the controls of each.

The output layer is linear. To change latent j by d in a row adds d D_j to the hidden activations and d D_j W_out to the
outputs, exactly; what the SAE does not reconstruct is left as it is. (With one hidden layer this is the whole of the
network after the intervention, so no effect has to be approximated.)
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from precip_sae.interpretation import storms
from precip_sae.quantities import PERCENT
from precip_sae.spread import over_seeds

Values = NDArray[np.float64]


def losses(z: Values, y: NDArray[Any], kind: str) -> Values:
    """Loss of every row: cross-entropy (nat) of the logits, or squared error.

    Args:
        z: outputs [models, rows, outputs]; y: class numbers or responses [rows].
        kind: `classification` or `regression`.

    Returns:
        [models, rows].
    """
    if kind == "regression":
        return np.square(z[..., 0] - y)
    first = _outputs_first(z)
    top = first.max(axis=0)
    normaliser = top + np.log(np.exp(first - top).sum(axis=0))
    return normaliser - np.take_along_axis(first, y[None, None, :], axis=0)[0]


def predictions(z: Values, kind: str) -> Values:
    """What the network says: class probabilities (softmax), or the responses; [.., outputs] -> the same shape."""
    if kind == "regression":
        return z
    first = _outputs_first(z)
    e = np.exp(first - first.max(axis=0))
    return np.moveaxis(e / e.sum(axis=0), 0, -1)


def _outputs_first(z: Values) -> Values:
    """The same values with the outputs, of which there are few, on the first axis: far faster to add up."""
    return np.ascontiguousarray(np.moveaxis(z, -1, 0))


def outputs(hidden: NDArray[Any], weight: Values, bias: Values) -> Values:
    """z = h W + b of every model: [models, rows, hidden] -> [models, rows, outputs], in float64."""
    return np.einsum("mrh,mho->mro", hidden.astype(np.float64), weight) + bias[:, None, :]


def recovered(original: Values, spliced: Values, mean: Values) -> Values:
    """Loss recovered = (L_mean - L_spliced) / (L_mean - L_original).

    1 where the reconstruction does as well as the activations, 0 where it does no better than their mean; below 0 where
    it does worse (as Bricken et al. 2023, "Towards Monosemanticity", with the mean in the place of zero).

    Args:
        original, spliced, mean: loss of the network as it is, with the reconstruction in the place of the hidden
            activations, and with their mean [..].

    Returns:
        [..]; NaN where the network is no better than its mean activations.
    """
    room = mean - original
    return np.divide(mean - spliced, room, out=np.full(np.shape(room), np.nan), where=room > 0)


def recovered_spread(original: Values, spliced: Values, mean: Values, episodes: NDArray[np.int64], over: str) -> dict:
    """Loss recovered, over seeds, and of the mean loss over seeds over storms.

    Args:
        original, spliced, mean: losses of the rows [models, rows], see `recovered`.
    """
    draws = storms.weights(episodes)
    by_draw = [draws @ storms.sums(loss.mean(axis=0), episodes) for loss in (original, spliced, mean)]
    by_seed = [loss.mean(axis=1) for loss in (original, spliced, mean)]
    return {
        "seeds": over_seeds(recovered(*by_seed), PERCENT),
        "storms": storms.interval(recovered(*by_draw), episodes, PERCENT, over),
    }


def principal(hidden: NDArray[np.float32]) -> tuple[Values, Values]:
    """Mean and principal directions of hidden activations, the largest variance first.

    Args:
        hidden: [models, rows, hidden].

    Returns:
        The mean [models, hidden] and unit directions [models, directions, hidden], their largest entries positive.
    """
    h = hidden.astype(np.float64)
    mean = h.mean(axis=1)
    centred = h - mean[:, None, :]
    _, vectors = np.linalg.eigh(np.einsum("mrh,mrk->mhk", centred, centred))
    directions = vectors[:, :, ::-1].transpose(0, 2, 1)
    largest = np.take_along_axis(directions, np.abs(directions).argmax(axis=2)[..., None], axis=2)
    return mean, directions * np.where(largest < 0, -1.0, 1.0)


def projected(hidden: NDArray[np.float32], mean: Values, directions: Values) -> Values:
    """Hidden activations rebuilt from their places along orthonormal directions alone; [models, rows, hidden]."""
    along = np.einsum("mrh,mdh->mrd", hidden - mean[:, None, :], directions)
    return mean[:, None, :] + np.einsum("mrd,mdh->mrh", along, directions)


def directed(rows: Values, generator: np.random.Generator) -> Values:
    """A random direction in the place of each row, of the same length: the control of an intervention.

    Args:
        rows: [.., hidden].
    """
    v = generator.standard_normal(rows.shape)
    return v * np.linalg.norm(rows, axis=-1, keepdims=True) / np.linalg.norm(v, axis=-1, keepdims=True)


def changed(z: Values, change: Values, row: Values, kind: str) -> Values:
    """Predictions of one model with one of its units changed [rows, outputs].

    Args:
        z: outputs as they are [rows, outputs].
        change: by how much the unit is changed [rows]: -f ablates, f doubles, v - f clamps at v.
        row: what a unit more adds to the outputs, D_j W_out [outputs].
    """
    return predictions(z + change[:, None] * row, kind)


def size(change: Values, kind: str) -> Values:
    """How large the effect is in each row: total variation of the class probabilities (half the sum of the absolute
    changes, 0-1), or the absolute change of the response; [.., outputs] -> [..]."""
    return np.abs(change).sum(axis=-1) / 2 if kind == "classification" else np.abs(change[..., 0])


def tied(effects: Values, bins: NDArray[np.int64]) -> Values:
    """How far an effect goes with one input alone: the share of its variance between bins of the input (eta squared).

    Args:
        effects: one number per row and unit [rows, units].
        bins: the bin of every row, of every input [inputs, rows], from 0.

    Returns:
        [units, inputs]; NaN for an effect that does not vary.
    """
    total = np.square(effects - effects.mean(axis=0)).sum(axis=0)
    shares = []
    for number in bins:
        counts = np.bincount(number)
        member = np.zeros((len(counts), len(number)))
        member[number, np.arange(len(number))] = 1.0
        means = (member @ effects) / np.maximum(counts, 1)[:, None]
        shares.append((counts[:, None] * np.square(means - effects.mean(axis=0))).sum(axis=0))
    between = np.stack(shares, axis=1)
    # a sum of squares of rounding errors is no variance
    varies = total > 1e-20 * len(effects)
    return np.where(varies[:, None], between / np.where(varies, total, 1.0)[:, None], np.nan)


def quantile_bins(x: NDArray[np.floating], bins: int) -> NDArray[np.int64]:
    """Bins of equal numbers of rows, of every input: [rows, inputs] -> [inputs, rows], from 0."""
    found = []
    for column in x.T:
        edges = np.unique(np.quantile(column, np.linspace(0, 1, bins + 1)[1:-1]))
        found.append(np.searchsorted(edges, column, side="right"))
    return np.stack(found)
