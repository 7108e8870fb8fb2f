"""The examples of CONTRIBUTING.md do what the page says."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch

from precip_sae.interpretation import measures
from precip_sae.interpretation.responses import Inputs, Responses
from precip_sae.manuscript.claims import read_ledger
from precip_sae.models import variants
from precip_sae.models.engine.variants import fit_variant
from precip_sae.settings import DescentSettings, load_settings

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture
def example():
    blocks = re.findall(r"```\w*\n(.*?)```", (REPOSITORY / "CONTRIBUTING.md").read_text(encoding="utf-8"), re.DOTALL)

    def found(word: str) -> str:
        (block,) = [block for block in blocks if word in block]
        return block

    return found


def test_the_measure_counts_a_unit_of_one_input_as_one(example):
    added = eval("{" + example("Measure(") + "}", dict(vars(measures)))
    x = np.random.default_rng(0).normal(size=(2000, 3)).astype(np.float32)
    assert added["strongest"](Responses(x[:, :1] * np.float32(2), Inputs(x))) == pytest.approx(1, abs=0.02)


def test_the_variant_is_trained(example, monkeypatch):
    known = dict(vars(variants))
    exec(example("class Root"), known)
    monkeypatch.setitem(variants.VARIANTS, "root", known["Root"])
    h = np.maximum(np.random.default_rng(0).normal(size=(1, 64, 3)), 0).astype(np.float32)
    left = [unexplained(h, penalty, steps) for penalty, steps in ((0.0, 10), (0.0, 300), (10.0, 300))]
    assert left[1] < left[0] < left[2]


def unexplained(h: np.ndarray, penalty: float, steps: int) -> float:
    settings = DescentSettings(steps=steps, batch=16, learning_rate=0.01)
    trained, rows = fit_variant("root", h, 6, [penalty], settings, [0]), torch.from_numpy(h)
    with torch.no_grad():
        scaled = trained.scaled(rows)
        return float(((trained.after(trained.active(scaled)) - scaled) ** 2).mean())


def test_the_task_is_read(example, tmp_path):
    file = tmp_path / "params.yaml"
    file.write_text("tasks:\n" + example("  rain:\n"))
    assert load_settings(file).tasks["rain"].data.predictors == ["n0", "Nt", "Dm"]


def test_the_claim_is_read(example, tmp_path):
    file = tmp_path / "claims.yaml"
    tolerances = "tolerances: {change: {absolute: 0.04, reason: a test}}\nclaims:\n"
    file.write_text(tolerances + example("direction-rain"))
    (claim,) = read_ledger(file).claims
    assert claim.id == "direction-rain"
