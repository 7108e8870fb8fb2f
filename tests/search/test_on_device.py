"""A search trained by PyTorch, on a CPU or a GPU, finds what the compiled engine finds."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from precip_sae.errors import SettingsError
from precip_sae.models.engine.arithmetic import padded
from precip_sae.models.engine.autoencoders import fit_autoencoders
from precip_sae.models.engine.blocks import blocks, packed
from precip_sae.models.engine.networks import NetworkShape, hidden_blocks, train_networks
from precip_sae.search import on_device
from precip_sae.search import plan as planning
from precip_sae.search.measured import FITTED
from precip_sae.search.plan import plan
from precip_sae.search.run import run_search
from precip_sae.search.unit import Work
from precip_sae.settings import DataSettings, MLPSettings, SAESettings, SubsetSettings

POOL = ["a", "b", "c", "d", "e", "f"]
SUBSETS = SubsetSettings(table="t.csv", pool=POOL, size=5, seeds=[0, 1, 5])
# What float32 leaves open after these few steps.
CLOSE = 2e-5

GPU = pytest.param(
    "cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="PyTorch finds no CUDA device here")
)


def table(rows: int = 500) -> pd.DataFrame:
    """Six inputs, one of which has gaps, a response and classes."""
    rng = np.random.default_rng(1)
    frame = pd.DataFrame(rng.normal(size=(rows, 6)), columns=POOL)
    frame = frame.assign(y=frame["a"] * frame["b"] - frame["c"])
    frame["class"] = np.select([frame["y"] > 0.7, frame["y"] < -0.5], ["high", "low"], "middle")
    frame.loc[:50, "f"] = np.nan
    return frame


def work(trainer: str, kind: str, mlp: MLPSettings, sae: SAESettings) -> Work:
    told = (
        {"classes": ["low", "middle", "high"], "response": "class"} if kind == "classification" else {"response": "y"}
    )
    data = DataSettings(table="t.csv", predictors=POOL[:5], kind=kind, **told)
    subsets = SUBSETS.model_copy(update={"engine": trainer})
    return Work(plan(table(), data, subsets), kind, data.outputs, mlp, sae, 0.4, trainer)


CASES = {
    "classification": (MLPSettings(epochs=3), SAESettings(epochs=6)),
    "regression": (MLPSettings(epochs=3, shuffle="per_epoch"), SAESettings(epochs=12, learning_rate=0.05, patience=1)),
}


@pytest.mark.parametrize("trainer", ["torch", GPU])
@pytest.mark.parametrize("kind", CASES)
def test_a_search_by_pytorch_finds_what_the_engine_finds(trainer: str, kind: str, tmp_path: Path) -> None:
    ours = run_search(work(trainer, kind, *CASES[kind]), tmp_path / "ours")
    theirs = run_search(work("compiled", kind, *CASES[kind]), tmp_path / "theirs")
    assert ours.columns.tolist() == theirs.columns.tolist()
    assert ours["inputs"].tolist() == theirs["inputs"].tolist()
    assert ours["epochs"].tolist() == theirs["epochs"].tolist()
    numbers = [name for name in ours if name != "inputs"]
    # counts of sensitive inputs and the reductions among them
    np.testing.assert_allclose(ours[numbers], theirs[numbers], rtol=CLOSE, atol=CLOSE)
    if kind == "regression":
        assert 1 < ours["epochs"].min() < ours["epochs"].max(), "models stop at different epochs"


@pytest.mark.parametrize("trainer", ["torch", GPU])
def test_weights_by_pytorch_are_those_of_the_engine(trainer: str) -> None:
    mlp = MLPSettings(epochs=3, class_weights={"high": 4.0})
    given = work("compiled", "classification", mlp, SAESettings(epochs=4))
    unit, prepared = given.plan.units[0], given.plan.prepared[given.plan.units[0].rows]
    models = on_device.Models(unit.columns, unit.seeds, given.kind, given.outputs, on_device.device_of(trainer))
    networks = on_device.train_networks(models, prepared.train, mlp)
    shape = NetworkShape(5, mlp.hidden, given.outputs, given.kind)
    theirs = train_networks(prepared.train, prepared.validation, shape, mlp, unit.columns, unit.seeds)
    assert packed(networks.cpu()) == pytest.approx(theirs.weights, abs=CLOSE)

    saes, epochs = on_device.fit_saes(models, networks.to(models.device), prepared.sae, given.sae, "batch_mean")
    pieces = blocks(len(models))
    hidden = hidden_blocks(theirs.weights, shape, prepared.sae.x, unit.columns, pieces, padded(8))
    fitted = fit_autoencoders(hidden, pieces, len(prepared.sae), given.sae, "batch_mean", unit.seeds)
    assert packed(saes.cpu()) == pytest.approx(fitted.weights, abs=CLOSE)
    assert epochs.tolist() == fitted.epochs.tolist() == [4] * len(models)


def test_what_a_step_needs_lies_on_the_device_that_trains() -> None:
    """PyTorch's device without data refuses most sums with what lies on the CPU: a slip shows without a GPU."""
    mlp = MLPSettings(epochs=1, class_weights={"high": 4.0})
    given = work("compiled", "classification", mlp, SAESettings(epochs=1))
    unit, prepared = given.plan.units[0], given.plan.prepared[given.plan.units[0].rows]
    models = on_device.Models(unit.columns, unit.seeds, given.kind, given.outputs, torch.device("meta"))
    networks = on_device.train_networks(models, prepared.train, mlp)
    saes = {FITTED: on_device.untrained(models, given.sae, mlp.hidden)}
    assert {w.device.type for stack in (networks, *saes.values()) for w in stack.parameters()} == {"meta"}
    with torch.no_grad(), pytest.raises(NotImplementedError, match="Cannot copy out of meta tensor; no data"):
        on_device.look(models, networks, saes, prepared)  # as far as the sums, which are brought back


def test_rows_that_are_looked_at_in_pieces_are_all_counted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    given = work("torch", "regression", MLPSettings(epochs=1), SAESettings(epochs=1))
    unit, prepared = given.plan.units[0], given.plan.prepared[given.plan.units[0].rows]
    models = on_device.Models(unit.columns, unit.seeds, given.kind, given.outputs, torch.device("cpu"))
    whole = on_device.measure(models, prepared, given.mlp, given.sae)
    monkeypatch.setattr(on_device, "BLOCK_VALUES", 7 * 12 * len(models))
    pieces = on_device.measure(models, prepared, given.mlp, given.sae)
    assert len(prepared.test) % 7
    np.testing.assert_allclose(pieces.test_loss, whole.test_loss, rtol=1e-6)
    np.testing.assert_allclose(pieces.looked.fvu[FITTED], whole.looked.fvu[FITTED], rtol=1e-6)
    for name in ("rows", "x", "ax", "active", "varies"):
        one, other = (getattr(found.looked.units[FITTED], name) for found in (pieces, whole))
        np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-6)


def test_a_search_on_a_gpu_that_is_not_there_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(SettingsError, match=r"search: engine is cuda, and PyTorch finds no CUDA device here, expected"):
        run_search(work("cuda", "regression", MLPSettings(), SAESettings()), tmp_path / "pieces")
    assert not list(tmp_path.rglob("*.parquet"))


def test_a_device_is_given_thousands_of_models_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planning, "DEVICE_MODELS", 5)
    units = work("torch", "regression", MLPSettings(), SAESettings()).plan.units
    # subsets with and without the input that has gaps do not share their rows
    assert [len(unit.seeds) for unit in units] == [3, 5, 5, 5]
    compiled = work("compiled", "regression", MLPSettings(), SAESettings()).plan.units
    assert [len(unit.seeds) for unit in compiled] == [3, 15]
