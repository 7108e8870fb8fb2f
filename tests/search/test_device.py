"""A search trained by a GPU, or by its source on a CPU, finds what the compiled engine finds, to the last byte."""

import platform
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from precip_sae.errors import SettingsError
from precip_sae.models.device.cuda import Cuda, Device
from precip_sae.models.device.training import Trainer
from precip_sae.models.engine.arithmetic import padded
from precip_sae.models.engine.autoencoders import fit_autoencoders
from precip_sae.models.engine.blocks import Feed, blocks, pack
from precip_sae.models.engine.networks import NetworkShape, hidden_blocks, train_networks
from precip_sae.models.initial import mlp_weights
from precip_sae.search import plan as planning
from precip_sae.search.plan import plan
from precip_sae.search.run import run_search
from precip_sae.search.unit import FITTED, UNTRAINED, Work, _by_device, _by_engine
from precip_sae.settings import DataSettings, MLPSettings, SAESettings, SubsetSettings
from tests.device_on_cpu import DeviceOnCPU

POOL = ["a", "b", "c", "d", "e", "f"]
SUBSETS = SubsetSettings(table="t.csv", pool=POOL, size=5, seeds=[0, 1, 5])


def table(rows: int = 500) -> pd.DataFrame:
    """Six inputs, one of which has gaps, a response and classes."""
    rng = np.random.default_rng(1)
    frame = pd.DataFrame(rng.normal(size=(rows, 6)), columns=POOL)
    frame = frame.assign(y=frame["a"] * frame["b"] - frame["c"])
    frame["z"] = frame["d"] + 0.1 * frame["y"] ** 2
    frame["class"] = np.select([frame["y"] > 0.7, frame["y"] < -0.5], ["high", "low"], "middle")
    frame.loc[:50, "f"] = np.nan
    return frame


def work(trainer: str, case: str, mlp: MLPSettings, sae: SAESettings) -> Work:
    several = case == "several responses"
    kind = "classification" if case.startswith("class") else "regression"
    told = {"response": ["y", "z"] if several else "y"}
    if kind == "classification":
        told = {"classes": ["low", "middle", "high"], "response": "class"}
    data = DataSettings(table="t.csv", predictors=POOL[:5], kind=kind, **told)
    subsets = SUBSETS.model_copy(update={"engine": trainer})
    return Work(plan(table(), data, subsets), kind, data.outputs, mlp, sae, 0.4, trainer)


CASES = {
    "classification": (MLPSettings(epochs=3), SAESettings(epochs=6)),
    "class weights": (MLPSettings(epochs=2, batch=7, class_weights={"high": 4.0}), SAESettings(epochs=3, batch=5)),
    "regression": (MLPSettings(epochs=3, shuffle="per_epoch"), SAESettings(epochs=12, learning_rate=0.05, patience=1)),
    "penalty of keras3": (MLPSettings(epochs=70, hidden=7), SAESettings(epochs=2, l1_conventions=["keras3"])),
    "several responses": (MLPSettings(epochs=2, hidden=4), SAESettings(epochs=2, latents=5)),
}


@pytest.fixture(params=["its source on a CPU", "GPU"])
def device(request: pytest.FixtureRequest, tmp_path: Path) -> Device:
    if request.param != "GPU":
        return DeviceOnCPU(tmp_path)
    pytest.importorskip("cupy", reason="CuPy is not installed here")
    try:
        return Cuda()
    except SettingsError as error:
        pytest.skip(str(error))


@pytest.mark.parametrize("case", CASES)
def test_a_search_by_a_gpu_finds_the_same_bytes(case: str, device: Device) -> None:
    given = work("cuda", case, *CASES[case])
    for number, unit in enumerate(given.plan.units):
        ours, theirs = _by_device(given, unit, device), _by_engine(given, unit)
        assert len(unit.seeds) == [3, 15][number]
        for name in ("val_loss", "val_score", "test_loss", "test_score", "epochs"):
            assert getattr(ours, name).tobytes() == getattr(theirs, name).tobytes(), name
        for name in ("mlp", FITTED, UNTRAINED):
            one, other = ours.evaluation.units[name], theirs.evaluation.units[name]
            assert one.a.tobytes() == other.a.tobytes()
            assert one.ax.tobytes() == other.ax.tobytes()
        if case == "regression":
            assert 1 < ours.epochs.min() < ours.epochs.max(), "models stop at different epochs"


def test_weights_by_a_gpu_are_those_of_the_engine(device: Device) -> None:
    given = work("cuda", "classification", *CASES["classification"])
    unit, prepared = given.plan.units[1], given.plan.prepared[given.plan.units[1].rows]
    shape = NetworkShape(5, given.mlp.hidden, given.outputs, given.kind)
    trainer = Trainer(device, shape, given.mlp, given.sae, unit.columns, unit.seeds)
    ours = trainer.networks(prepared.train)
    theirs = train_networks(prepared.train, prepared.validation, shape, given.mlp, unit.columns, unit.seeds)
    assert ours.tobytes() == theirs.weights.tobytes()
    saes, epochs = trainer.autoencoders(ours, prepared.sae, "batch_mean")
    pieces = blocks(len(unit.seeds))
    hidden = hidden_blocks(theirs.weights, shape, prepared.sae.x, unit.columns, pieces, padded(8))
    fitted = fit_autoencoders(hidden, pieces, len(prepared.sae), given.sae, "batch_mean", unit.seeds)
    assert saes.tobytes() == fitted.weights.tobytes()
    assert epochs.tolist() == fitted.epochs.tolist()


def shrinking(device: Device) -> tuple[NDArray, NDArray]:
    """SAEs of networks with a dead unit, by a device and by the engine.

    Weights to the dead unit shrink towards zero and grow again: the smallest numbers decide what they grow to.
    """
    given = work("cuda", "regression", MLPSettings(), SAESettings(epochs=1500, learning_rate=0.01))
    unit, part = given.plan.units[1], given.plan.prepared[given.plan.units[1].rows].sae
    shape, pieces = NetworkShape(5, 6, 1, "regression"), blocks(len(unit.seeds))
    networks = pack([mlp_weights(int(seed), 5, 6, 1) for seed in unit.seeds])
    networks[:, 30] = -100.0
    hidden = hidden_blocks(networks, shape, part.x, unit.columns, pieces, padded(8))
    theirs = fit_autoencoders(hidden, pieces, len(part), given.sae, "keras3", unit.seeds).weights
    trainer = Trainer(device, shape, given.mlp, given.sae, unit.columns, unit.seeds)
    return trainer.autoencoders(networks, part, "keras3")[0], theirs


def test_weights_that_shrink_to_nothing_and_grow_again_are_the_same_bytes(device: Device) -> None:
    ours, theirs = shrinking(device)
    assert ours.tobytes() == theirs.tobytes()


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the flag that flushes denormal numbers is x86's")
def test_a_device_that_takes_the_smallest_numbers_for_zero_would_be_found_out(tmp_path: Path) -> None:
    ours, theirs = shrinking(DeviceOnCPU(tmp_path, flush=True))
    assert ours.tobytes() != theirs.tobytes()


def test_a_table_too_long_to_be_laid_out_at_once_gives_the_same_bytes(
    device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The engine counts the batches of each piece anew, and clears vanishing moments by that count."""
    rows = 40 * 4
    monkeypatch.setattr("precip_sae.models.engine.networks.Feed", partial(Feed, segment=4 * 5 * 16 * rows))
    monkeypatch.setattr("precip_sae.models.device.training.segment_rows", lambda inputs, batch: rows)
    given = work("cuda", "regression", MLPSettings(epochs=30, batch=4, learning_rate=0.1), SAESettings(epochs=1))
    unit, prepared = given.plan.units[1], given.plan.prepared[given.plan.units[1].rows]
    assert len(prepared.train) > rows
    shape = NetworkShape(5, given.mlp.hidden, given.outputs, given.kind)
    ours = Trainer(device, shape, given.mlp, given.sae, unit.columns, unit.seeds).networks(prepared.train)
    theirs = train_networks(prepared.train, prepared.validation, shape, given.mlp, unit.columns, unit.seeds)
    assert ours.tobytes() == theirs.weights.tobytes()


def test_a_search_on_a_gpu_that_is_not_there_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cupy", None)
    with pytest.raises(SettingsError, match=r"search: engine is cuda, and CuPy is not installed here, expected comp"):
        run_search(work("cuda", "regression", MLPSettings(), SAESettings()), tmp_path / "pieces")
    assert not list(tmp_path.rglob("*.parquet"))


def test_networks_that_a_gpu_thread_cannot_hold_are_one_sentence(tmp_path: Path) -> None:
    given = work("cuda", "regression", MLPSettings(hidden=64), SAESettings(latents=64))
    with pytest.raises(SettingsError, match=r"a network or SAE has 8320 parameters, expected at most 4096, or compil"):
        _by_device(given, given.plan.units[0], DeviceOnCPU(tmp_path))


def test_a_device_is_given_thousands_of_models_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planning, "DEVICE_MODELS", 5)
    units = work("cuda", "regression", MLPSettings(), SAESettings()).plan.units
    # subsets with and without the input that has gaps do not share their rows
    assert [len(unit.seeds) for unit in units] == [3, 5, 5, 5]
    compiled = work("compiled", "regression", MLPSettings(), SAESettings()).plan.units
    assert [len(unit.seeds) for unit in compiled] == [3, 15]
