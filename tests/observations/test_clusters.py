"""The study's own way to its regimes, as a check on ours: needs the extra `umap` where it clusters."""

import sys

import numpy as np
import pandas as pd
import pytest

from precip_sae.errors import TableError
from precip_sae.observations import clusters, labels


def test_without_umap_one_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch, table: pd.DataFrame) -> None:
    monkeypatch.setitem(sys.modules, "umap", None)
    with pytest.raises(TableError, match=r'install it with `pip install "precip-sae\[umap\]"`'):
        clusters.clusters(table.head(500))


def test_inputs_are_twelve_z_scores_in_which_no_rate_is_zero(table: pd.DataFrame) -> None:
    x = clusters.inputs(table)
    assert x.shape == (len(table), 12)
    assert x.mean(axis=0) == pytest.approx(np.zeros(12), abs=1e-9)
    assert x.std(axis=0) == pytest.approx(np.ones(12))
    # the logarithm of no rainfall is 0, that of 1 mm/h: the same place for all snow
    snow = (table["density"] == "Snow").to_numpy()
    assert np.ptp(x[snow, labels.VARIABLES.index("Rr")]) == 0


def test_agreement_is_one_for_renamed_regimes_and_nought_by_chance() -> None:
    regimes = np.array(["Drizzle", "Heavy snow", "Ambiguous", "Light snow"] * 300)
    renamed = np.unique(regimes, return_inverse=True)[1]
    assert clusters.agreement(renamed, regimes) == pytest.approx(1.0)
    noise = np.random.default_rng(0).integers(0, 3, len(regimes))
    assert abs(clusters.agreement(noise, regimes)) < 0.02
    # rows without a cluster do not count
    assert clusters.agreement(np.where(np.arange(1200) % 8 == 1, clusters.NO_CLUSTER, renamed), regimes) == 1.0


# umap-learn compiles itself in every process, twenty seconds whatever the rows, and no stage uses the clusters
@pytest.mark.slow
def test_clusters_divide_the_table_much_as_the_cores_do(table: pd.DataFrame) -> None:
    pytest.importorskip("umap", reason="umap-learn is not installed, the clusters were not compared")
    some = table.iloc[::22].reset_index(drop=True)
    found = clusters.clusters(some)
    # both divide snow and rain by number, so phases agree better than regimes
    assert clusters.agreement(found, some["regime9"]) > 0.4
    clustered = found != clusters.NO_CLUSTER
    majority = pd.crosstab(found[clustered], some["regime3"][clustered]).drop(columns="Ambiguous").idxmax(axis=1)
    known = clustered & (some["regime3"] != "Ambiguous")
    assert (majority[found[known]].to_numpy() == some["regime3"][known]).mean() > 0.75
