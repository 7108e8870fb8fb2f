"""Regimes as the study found them: UMAP of the standardised variables, then HDBSCAN. Needs the extra `umap`.

The inputs, the metric, the three dimensions and the two programs are those of King et al. (2025, "Decoding nonlinear
signals", github.com/frasertheking/umap). The neighbours and the sizes of clusters were not found and are chosen here.
The clusters are a check on `labels.regime9`, which stands for them, not a column of the table: they depend on the
version of umap-learn and on the processor.
"""

from __future__ import annotations

import importlib

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from precip_sae.errors import TableError
from precip_sae.observations.labels import variables

DIMENSIONS = 3
NEIGHBOURS, LEAST_DISTANCE = 30, 0.0
LEAST_SHARE = 0.02  # of the rows in a cluster
NEIGHBOURHOOD = 15  # rows that make a point of a cluster dense
NO_CLUSTER = -1


def inputs(frame: pd.DataFrame) -> NDArray[np.float64]:
    """The study's twelve variables (`labels.VARIABLES`) as z-scores of this table, (rows, 12)."""
    columns = variables(frame)
    return (columns - columns.mean(axis=0)) / columns.std(axis=0)


def clusters(frame: pd.DataFrame, seed: int = 0) -> NDArray[np.int64]:
    """The cluster of every row, (rows,), numbered from 0; NO_CLUSTER for rows that belong to none.

    Raises:
        TableError: umap-learn is not installed.
    """
    try:
        umap = importlib.import_module("umap")
    except ImportError as error:
        raise TableError('The clusters need umap-learn; install it with `pip install "precip-sae[umap]"`.') from error
    from sklearn.cluster import HDBSCAN

    # n_jobs: a seed makes UMAP run on one thread, and it warns of that unless told so
    place = umap.UMAP(
        n_neighbors=NEIGHBOURS, min_dist=LEAST_DISTANCE, n_components=DIMENSIONS, metric="canberra",
        random_state=seed, n_jobs=1,
    ).fit_transform(inputs(frame))  # fmt: skip
    least = max(NEIGHBOURHOOD, int(LEAST_SHARE * len(frame)))
    return HDBSCAN(min_cluster_size=least, min_samples=NEIGHBOURHOOD, copy=True).fit_predict(place)


def agreement(found: ArrayLike, regimes: ArrayLike) -> float:
    """Adjusted Rand index of clusters and regimes (1: the same division, 0: as by chance).

    Over the rows that belong to a cluster and to a regime that is not Ambiguous.
    """
    from sklearn.metrics import adjusted_rand_score

    found, regimes = np.asarray(found), np.asarray(regimes)
    both = (found != NO_CLUSTER) & (regimes != "Ambiguous")
    return float(adjusted_rand_score(regimes[both], found[both]))
