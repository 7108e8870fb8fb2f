"""What is said of dictionaries whose worth is known, by hand."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import ttest_1samp

from precip_sae.interpretation import probes, recovery
from precip_sae.interpretation.layer_dictionaries import Dictionary
from precip_sae.interpretation.recovery import Layer

ROWS, SEEDS = 2000, [0, 1, 2, 3]
RNG = np.random.default_rng(2)
STORMS = np.repeat(np.arange(50), 40)
FACTORS = pd.DataFrame({"depth": RNG.normal(size=ROWS), "lake": (RNG.random(ROWS) < 0.3).astype(float)})
LAYER = Layer(
    "column", "3", 1, 3, 5, SEEDS, np.full(4, 0.9), RNG.normal(size=(ROWS, 2)).astype(np.float32), FACTORS,
    probes.halves(STORMS), ["lake"],
)  # fmt: skip


def noise(columns: int) -> np.ndarray:
    return RNG.normal(size=(len(SEEDS), ROWS, columns)).astype(np.float32)


def dictionary(kind: str, units: np.ndarray, l1: float | None = None, fvu: float = np.nan) -> Dictionary:
    return Dictionary(kind, units, np.full(len(SEEDS), fvu), l1)


def mixed(columns: int, share: float) -> np.ndarray:
    """Units of which the first two hold this share of the variance of a factor each."""
    units = noise(columns)
    standard = ((FACTORS - FACTORS.mean()) / FACTORS.std()).to_numpy()
    units[:, :, :2] = np.sqrt(share) * standard + np.sqrt(1 - share) * units[:, :, :2]
    return units


MADE = [
    dictionary("units", mixed(3, 0.5)),
    dictionary("sae", noise(6), 0.1, 0.5),
    dictionary("sae", mixed(6, 0.9), 0.03, 0.08),
    dictionary("sae", mixed(6, 0.2), 0.01, 0.01),
    dictionary("untrained", noise(6)),
]


@pytest.fixture(scope="module")
def tables() -> tuple[pd.DataFrame, pd.DataFrame]:
    def judge(units: np.ndarray, inputs: np.ndarray) -> dict[str, float]:
        return {"elements_seen": units.shape[1], "inputs_seen": inputs.shape[1]}

    return recovery.recover(LAYER, MADE, 0.1, [1, 2], judge).tables()


def test_the_sae_that_counts_is_the_sparsest_that_still_reconstructs() -> None:
    assert recovery.counted(MADE, 0.1) == {0, 2, 4}
    assert recovery.counted(MADE, 0.6) == {0, 1, 4}
    # none is good enough: the best there is
    assert recovery.counted(MADE, 0.001) == {0, 3, 4}
    assert recovery.counted(MADE[:1], 0.1) == {0}
    # a seed whose layer is dead has no variance to explain, and decides nothing
    one_dead = [Dictionary(d.kind, d.units, np.array([np.nan, *d.fvu[1:]]), d.l1) for d in MADE]
    assert recovery.counted(one_dead, 0.1) == {0, 2, 4}
    assert recovery.counted(one_dead, 0.001) == {0, 3, 4}


def test_a_row_per_dictionary_and_seed_says_what_it_recovers(tables: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    dictionaries, factors = tables
    assert len(dictionaries) == 5 * 4
    assert len(factors) == 5 * 4 * 2
    mean = dictionaries.groupby(["kind", "counted"])["recovery"].mean()
    assert mean["units", True] == pytest.approx(0.5, abs=0.04)
    assert mean["sae", True] == pytest.approx(0.9, abs=0.02)
    assert mean["untrained", True] == pytest.approx(0, abs=0.02)
    # half of the draws of three of six latents have the right one
    even = dictionaries[dictionaries["counted"]].groupby("kind")["recovery_even"].mean()
    assert even["sae"] == pytest.approx(0.45, abs=0.03)
    assert even["units"] == pytest.approx(mean["units", True])
    assert (dictionaries["elements"] == dictionaries["elements_seen"]).all()
    assert (dictionaries["inputs_seen"] == 2).all()


def test_only_factors_that_are_true_or_false_have_an_area(tables: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    _, factors = tables
    assert factors.loc[factors["factor"] == "depth", "area"].isna().all()
    area = factors[(factors["factor"] == "lake") & factors["counted"]].groupby("kind")["area"].mean()
    assert area["sae"] > 0.98
    assert area["untrained"] == pytest.approx(0.5, abs=0.05)


def test_a_gain_is_paired_over_seeds_and_corrected_for_the_factors(tables: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    found = recovery.by_factor(tables[1])
    assert list(found) == ["depth", "lake"]
    for spreads in found.values():
        assert spreads["gain"]["mean"] == pytest.approx(spreads["sae"]["mean"] - spreads["units"]["mean"])
        assert spreads["gain"]["over"] == "seeds"
        assert spreads["gain"]["p"]["value"] <= spreads["p_corrected"]["value"] < 0.05
    gains = recovery.gains(tables[0])
    assert set(gains["gain_over"]) == {"units", "untrained"}
    assert gains["gain_over"]["units"]["mean"] == pytest.approx(0.4, abs=0.05)
    assert gains["even_gain_over"]["units"]["mean"] < 0
    assert gains["l1"]["value"] == 0.03


def test_the_probability_is_that_of_student_s_test() -> None:
    values = np.array([0.1, 0.3, 0.2, 0.05])
    assert recovery.paired(values)["p"]["value"] == pytest.approx(ttest_1samp(values, 0).pvalue, rel=0.01)
    assert recovery.paired(values[:1])["p"]["value"] is None
    assert recovery.paired(np.ones(3))["p"]["value"] == 1e-6  # less is not told apart


def test_the_gain_over_storms_is_the_gain_with_an_interval_over_storms() -> None:
    spread = recovery.gain_over_storms(LAYER, MADE, 0.1, STORMS)
    assert spread["mean"] == pytest.approx(0.4, abs=0.05)
    assert spread["low"] < spread["mean"] < spread["high"]
    assert spread["n"] == 50


def test_pressure_is_factors_per_unit_and_its_trend_is_per_doubling() -> None:
    rows = []
    for learnt, seed in [(4, 0), (8, 0), (16, 0), (4, 1), (8, 1), (16, 1)]:
        name = {"experiment": "planted", "network": "8-4", "layer": 2, "width": 4, "learnt": learnt, "seed": seed}
        level = 0.9 - 0.1 * np.log2(learnt / 4)
        for kind, value in (("units", level), ("sae", level + (0.05 + 0.02 * seed) * np.log2(learnt / 4))):
            rows.append(name | {"kind": kind, "counted": True, "recovery": value, "present": 0.95})
    layers = recovery.pressure(pd.DataFrame(rows))
    assert layers["load"].tolist() == [1, 1, 2, 2, 4, 4]
    assert (layers["spread"] == layers["present"] - layers["units"]).all()
    assert recovery.trend(layers, "units")["mean"] == pytest.approx(-0.1)
    assert recovery.trend(layers, "gain")["mean"] == pytest.approx(0.06)
    assert recovery.trend(layers, "gain")["most"] == pytest.approx(0.07)
