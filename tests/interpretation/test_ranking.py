"""A measure is credited with what it ranks as truth does, seed by seed, among dictionaries of the same activations."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from precip_sae.errors import StageError
from precip_sae.interpretation.ranking import Experiment, agreement, compared, cut_off, rank_correlation, ranked


def dictionaries() -> pd.DataFrame:
    """Two settings and four seeds of six dictionaries: `good` falls as truth rises, `blind` knows the setting alone."""
    rng = np.random.default_rng(1)
    rows = []
    for seed in range(4):
        for setting in ("a", "b"):
            easy = 10.0 * (setting == "b")
            for k in range(6):
                rows.append(
                    {"seed": seed, "setting": setting, "truth": k / 5 + easy, "good": 5.0 - k, "blind": -easy}
                    | {"noise": rng.normal(), "missing": np.nan}
                )
    return pd.DataFrame(rows)


def test_a_measure_that_only_knows_which_task_is_easy_is_not_credited() -> None:
    found = agreement(dictionaries(), "truth", {"good": -1, "blind": -1, "noise": 1, "missing": 1}, ["setting"])
    assert found["good"].tolist() == [1.0] * 4
    assert found["blind"].isna().all()
    assert list(ranked(found)) == ["good", "noise"]
    assert ranked(found)["good"]["over"] == "seeds"


def test_ranks_agree_with_scipy_where_values_tie() -> None:
    a, b = np.array([1.0, 2.0, 2.0, 3.0, 9.0, 9.0]), np.array([3.0, 1.0, 4.0, 1.0, 5.0, 9.0])
    assert rank_correlation(a, b) == pytest.approx(spearmanr(a, b).statistic)
    assert np.isnan(rank_correlation(a[:4], b[:4]))
    assert np.isnan(rank_correlation(np.append(a[:4], np.nan), b[:5]))


def test_a_cut_off_is_tried_on_seeds_that_it_was_not_chosen_on() -> None:
    table = dictionaries().query("setting == 'a'")
    found = cut_off(table, "truth", "good", -1, recovered=0.6)
    assert found["cut_off"] == pytest.approx(2.5)
    assert found["balanced_accuracy"]["mean"] == 1.0
    assert found["balanced_accuracy"]["n"] == 2
    chance = cut_off(table, "truth", "noise", 1, recovered=0.6)
    assert chance["balanced_accuracy"]["mean"] < 1.0
    assert cut_off(table, "truth", "good", -1, recovered=99.0)["cut_off"] is None


def test_too_few_dictionaries_to_rank_are_told_in_one_sentence() -> None:
    few = dictionaries().assign(inputs_by_every=1.0).groupby(["seed", "setting"]).head(3)
    experiment = Experiment("toy models", few, "truth", 0.9, ("setting",))
    with pytest.raises(StageError, match="24 of toy models dictionaries, expected at least 5 in each setting and seed"):
        compared({"toys": experiment}, ["every"], "inputs_by_")
