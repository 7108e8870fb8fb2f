"""Do networks that differ in their seed alone learn the same units? Partners, shares, and families that return.

Units of different networks are compared by what they do on the same rows: the correlation of their activations. The
directions of a latent's decoder live in the space of its own network's hidden units, which no other network shares;
across networks its *input direction* (the mean gradient with respect to the inputs where it is active) and its *output
direction* (what the linear output layer makes of its decoder row) take their place. Only SAEs on the same network are
compared by their decoder rows.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import squareform

from precip_sae.interpretation.storms import sums
from precip_sae.models.mlp import MLP
from precip_sae.models.sae import SAE

DIGITS = 6
"""Similarities are rounded to so many decimals, so that no tie is broken by a processor's last digit."""


def similarities(activations: NDArray[np.float32]) -> NDArray[np.float64]:
    """Pearson correlation of every unit with every unit of every model, over the same rows.

    Args:
        activations: [models, rows, units].

    Returns:
        [models, models, units, units]: entry [s, t, i, j] is of unit i of model s and unit j of model t; NaN where one
        of them does not vary.
    """
    models, rows, units = activations.shape
    flat = activations.transpose(1, 0, 2).reshape(rows, models * units).astype(np.float64)
    varies = np.ptp(flat, axis=0) > 0
    flat -= flat.mean(axis=0)
    norms = np.sqrt(np.square(flat).sum(axis=0))
    flat /= np.where(varies, norms, np.nan)
    return _by_models(flat.T @ flat, models, units)


def cosines(directions: NDArray[np.float64]) -> NDArray[np.float64]:
    """Cosine of every direction with every direction of every model; as `similarities`.

    Args:
        directions: [models, units, dimensions], in a space that all models share; one of length 0 has no cosine.
    """
    models, units, size = directions.shape
    flat = directions.reshape(models * units, size).astype(np.float64)
    length = np.sqrt(np.square(flat).sum(axis=1, keepdims=True))
    flat = flat / np.where(length > 0, length, np.nan)
    return _by_models(flat @ flat.T, models, units)


def _by_models(matrix: NDArray[np.float64], models: int, units: int) -> NDArray[np.float64]:
    rounded = np.clip(np.round(matrix, DIGITS), -1.0, 1.0)
    return np.ascontiguousarray(rounded.reshape(models, units, models, units).transpose(0, 2, 1, 3))


def shifted(activations: NDArray[np.float32]) -> NDArray[np.float32]:
    """The activations with each model's rows moved around a circle: what series alike in nothing but memory share.

    Neighbours in time are alike, so that even unrelated units correlate. The offsets are spread evenly over the rows:
    any two models are at least rows / models rows apart.

    Args:
        activations: [models, rows, units], rows in time order.
    """
    models, rows, _ = activations.shape
    return np.stack([np.roll(a, k * rows // models, axis=0) for k, a in enumerate(activations)])


def random_units(
    hidden: NDArray[np.float32], latents: NDArray[np.float32], generator: np.random.Generator
) -> NDArray[np.float32]:
    """Units on random directions of the hidden space, each active as often as the latent that it stands for.

    f = ReLU(h v - c), with v normal and c the quantile of h v above which the latent's share of the rows lies. A dead
    latent stands for a dead unit.

    Args:
        hidden: [models, rows, hidden]; latents: [models, rows, latents].
    """
    active = (latents > 0).mean(axis=1)
    v = generator.standard_normal((len(hidden), hidden.shape[2], latents.shape[2]))
    along = np.einsum("mrh,mhl->mrl", hidden.astype(np.float64), v)
    found = np.zeros(latents.shape, np.float32)
    for m, k in np.argwhere(active > 0):
        found[m, :, k] = np.maximum(along[m, :, k] - np.quantile(along[m, :, k], 1 - active[m, k]), 0)
    return found


@dataclass(frozen=True)
class Partners:
    """One-to-one partners of every model's units in every other model.

    Attributes:
        unit: the partner of each unit [models, models, units].
        similarity: with the partner [models, models, units]: 0 for a partner that does not vary; NaN for a unit that
            does not vary itself, and between a model and itself.
        nearest: the largest similarity with any unit of the other model, likewise.
    """

    unit: NDArray[np.int64]
    similarity: NDArray[np.float64]
    nearest: NDArray[np.float64]

    def first(self, models: int) -> "Partners":
        """Those of the first so many models alone."""
        some = slice(0, models)
        return Partners(self.unit[some, some], self.similarity[some, some], self.nearest[some, some])


def partners(similarity: NDArray[np.float64]) -> Partners:
    """Pairs up the units of every two models so that the sum of their similarities is largest.

    The assignment problem, solved by scipy's Hungarian-type algorithm (Kuhn 1955, doi 10.1002/nav.3800020109; Crouse
    2016, doi 10.1109/TAES.2016.140952).

    Args:
        similarity: see `similarities` and `cosines`.
    """
    models, _, units, _ = similarity.shape
    filled = np.nan_to_num(similarity, nan=0.0)
    unit = np.zeros((models, models, units), np.int64)
    for s in range(models):
        for t in range(s + 1, models):
            _, unit[s, t] = linear_sum_assignment(filled[s, t], maximize=True)
            unit[t, s] = np.argsort(unit[s, t])
    matched = np.take_along_axis(filled, unit[..., None], axis=3)[..., 0]
    left_out = ~living(similarity)[:, None, :] | np.eye(models, dtype=bool)[:, :, None]
    return Partners(unit, *(np.where(left_out, np.nan, values) for values in (matched, filled.max(axis=3))))


def living(similarity: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which units vary: those that are similar to themselves; [models, models, units, units] -> [models, units]."""
    own = np.einsum("ssuu->su", similarity)
    return ~np.isnan(own)


def share_above(similarity: NDArray[np.float64], level: float) -> NDArray[np.float64]:
    """Share of a model's living units that are more similar than `level`: [models, models, units] -> [models, models].

    NaN between a model and itself, and for a model without living units.
    """
    counted = ~np.isnan(similarity)
    total = counted.sum(axis=2)
    above = (np.where(counted, similarity, -1.0) > level).sum(axis=2)
    return np.divide(above, total, out=np.full(total.shape, np.nan), where=total > 0)


def by_model(pairs: NDArray[np.float64]) -> NDArray[np.float64]:
    """A number per model whose mean, and standard error, are those of the mean over all pairs of models.

    Pairs that share a model are not independent, and the interval of a mean over pairs taken as if they were is far too
    narrow. These are the jackknife's pseudo-values of the mean over pairs, n U - (n - 1) U_(without one model) (Arvesen
    1969, doi 10.1214/aoms/1177697287), for `spread.over_seeds`.

    Args:
        pairs: [models, models]; both orders of a pair count, the diagonal does not. A model whose pairs are NaN is left
            out.

    Returns:
        [models]; NaN for a model that is left out, and for all where fewer than three are left.
    """
    models = len(pairs)
    both = (pairs + pairs.T) / 2
    np.fill_diagonal(both, np.nan)
    kept = ~np.isnan(both).all(axis=1)
    found = np.full(models, np.nan)
    n = int(kept.sum())
    if n > 2:
        sums = np.nansum(both[kept][:, kept], axis=1)
        whole = sums.sum() / 2
        mean = whole / (n * (n - 1) / 2)
        found[kept] = n * mean - (n - 1) * (whole - sums) / ((n - 1) * (n - 2) / 2)
    return found


def families(similarity: NDArray[np.float64], cut: float) -> NDArray[np.int64]:
    """Families of living units over all models: average linkage, cut where units correlate by less than `cut`.

    Agglomerative clustering on 1 - similarity with the unweighted average between groups (Sokal and Michener 1958):
    two families are merged while their units are, on average, more similar than `cut`.

    Args:
        similarity: see `similarities`.

    Returns:
        [models, units]: the family of each unit, numbered from 0 by the number of models that have it (in a tie by the
        first model that does); -1 for units that do not vary.
    """
    models, _, units, _ = similarity.shape
    flat = similarity.transpose(0, 2, 1, 3).reshape(models * units, models * units)
    alive = np.flatnonzero(living(similarity).ravel())
    found = np.full(models * units, -1)
    if len(alive) < 2:
        found[alive] = 0
        return found.reshape(models, units)
    distance = np.maximum(1 - np.nan_to_num(flat[np.ix_(alive, alive)], nan=0.0), 0.0)
    np.fill_diagonal(distance, 0.0)
    labels = fcluster(linkage(squareform(distance, checks=False), "average"), 1 - cut, "distance")
    model = alive // units
    spread = {label: (len(set(model[labels == label])), int(model[labels == label][0])) for label in np.unique(labels)}
    order = sorted(spread, key=lambda label: (-spread[label][0], spread[label][1], label))
    found[alive] = [order.index(label) for label in labels]
    return found.reshape(models, units)


@dataclass(frozen=True)
class Family:
    """Units of several models that do the same.

    Attributes:
        members: position of the model: its unit; of several in one model the one nearest to the others.
        units: how many units belong to it in all.
        share: share of the models that have a member.
        similarity: mean similarity between members of different models.
    """

    members: dict[int, int]
    units: int
    share: float
    similarity: float


def returning(labels: NDArray[np.int64], similarity: NDArray[np.float64], least: float) -> list[Family]:
    """The families that at least a share `least` of the models, and at least two, have; in the order of their numbers.

    Args:
        labels: see `families`.
    """
    models = len(labels)
    found = []
    for number in range(labels.max() + 1):
        model, unit = np.nonzero(labels == number)
        have = np.unique(model)
        # the quotient is rounded as `least` was, the product `least * models` may lie above a whole number
        if len(have) < 2 or len(have) / models < least:
            continue
        near = similarity[model[:, None], model[None, :], unit[:, None], unit[None, :]].mean(axis=1)
        members = {int(m): int(unit[model == m][np.argmax(near[model == m])]) for m in have}
        m, u = np.array(list(members)), np.array(list(members.values()))
        between = similarity[m[:, None], m[None, :], u[:, None], u[None, :]][~np.eye(len(m), dtype=bool)]
        found.append(Family(members, len(unit), len(have) / models, float(between.mean())))
    return found


def input_directions(
    networks: MLP, saes: SAE, x: NDArray[np.float32], hidden: NDArray[np.float32], latents: NDArray[np.float32]
) -> NDArray[np.float64]:
    """What each latent asks of the inputs: the mean of its gradient over the rows where it is active.

    Of f = ReLU(h E + e), h = ReLU(x W + b): df/dx = W diag(h > 0) E where f > 0, so the mean needs only how often each
    hidden unit is active together with the latent.

    Args:
        x: standardised inputs [rows, inputs]; hidden, latents: activations on them [models, rows, ..].

    Returns:
        [models, latents, inputs]; 0 for a latent that is never active.
    """
    on = (latents > 0).astype(np.float64)
    together = np.einsum("mrh,mrl->mhl", (hidden > 0).astype(np.float64), on)
    share = together / np.maximum(on.sum(axis=1), 1)[:, None, :]
    w, e = _array(networks.hidden_weight), _array(saes.encoder_weight)
    return np.einsum("mih,mhl->mli", w, e * share)


def output_directions(networks: MLP, saes: SAE) -> NDArray[np.float64]:
    """What a unit more of each latent adds to the outputs: D W_out, exactly, the output layer being linear.

    Of several outputs, which are logits, the mean is taken off: it changes no probability.

    Returns:
        [models, latents, outputs].
    """
    effect = np.einsum("mlh,mho->mlo", _array(saes.decoder_weight), _array(networks.output_weight))
    return effect - effect.mean(axis=2, keepdims=True) if effect.shape[2] > 1 else effect


def decoder_rows(saes: SAE) -> NDArray[np.float64]:
    """What a unit more of each latent adds to the hidden activations [models, latents, hidden].

    They can be compared between SAEs on the same network alone.
    """
    return _array(saes.decoder_weight)


def _array(value: torch.Tensor) -> NDArray[np.float64]:
    return value.detach().numpy().astype(np.float64)


def share_over_episodes(
    activations: NDArray[np.float32],
    found: Partners,
    episodes: NDArray[np.int64],
    draws: NDArray[np.float64],
    levels: Sequence[float],
) -> NDArray[np.float64]:
    """`share_above` averaged over all pairs of models, for every resample of episodes, the partners held fixed.

    Args:
        activations: [models, rows, units]; found: their partners.
        episodes: of each row [rows]; draws: see `storms.weights` [resamples, episodes].

    Returns:
        [levels, resamples].
    """
    models = len(activations)
    a = activations.astype(np.float64).transpose(1, 0, 2)
    # far from zero, squares would lose digits
    a -= a.mean(axis=0)
    rows = draws @ np.bincount(np.unique(episodes, return_inverse=True)[1])
    first = np.einsum("be,emu->mbu", draws, sums(a, episodes)) / rows[:, None]
    second = np.einsum("be,emu->mbu", draws, sums(a * a, episodes)) / rows[:, None]
    spread = np.sqrt(np.maximum(second - first**2, 0.0))
    total, counted = np.zeros((len(levels), len(draws))), 0
    for s in range(models):
        alive = ~np.isnan(found.similarity[s]).all(axis=0)
        others = [t for t in range(models) if t != s]
        if not alive.any():
            continue
        for t in others:
            unit = found.unit[s, t]
            both = (draws @ sums(a[:, s] * a[:, t, unit], episodes)) / rows[:, None]
            norm = spread[s] * spread[t][:, unit]
            r = (both - first[s] * first[t][:, unit]) / np.where(norm > 0, norm, np.inf)
            total += np.stack([(r[:, alive] > level).mean(axis=1) for level in levels])
            counted += 1
    return total / counted if counted else np.full(total.shape, np.nan)
