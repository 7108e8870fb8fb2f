"""A search is the same bytes however it is run, stopped and continued."""

import hashlib
import os
import signal
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from precip_sae.errors import SettingsError, StageError
from precip_sae.files import write_parquet
from precip_sae.interpretation.sensitivity import COUNTED, correlations, mean_sensitive, reduction
from precip_sae.models import engine, skill
from precip_sae.pipeline.warm import module_command
from precip_sae.search import plan as planning
from precip_sae.search.plan import plan, pool_data
from precip_sae.search.run import clear, fingerprint, run_search
from precip_sae.search.unit import Work
from precip_sae.settings import DataSettings, MLPSettings, SAESettings, SubsetSettings
from precip_sae.tasks.prepare import prepare

POOL = ["a", "b", "c", "d", "e", "f"]
DATA = DataSettings(table="t.csv", predictors=POOL[:5], response="y", kind="regression")
SUBSETS = SubsetSettings(table="t.csv", pool=POOL, size=5, seeds=[0, 1, 2, 3])
MLP, SAE = MLPSettings(epochs=2), SAESettings(epochs=6, patience=1)


def table(rows: int = 600) -> pd.DataFrame:
    rng = np.random.default_rng(1)
    frame = pd.DataFrame(rng.normal(size=(rows, 6)), columns=POOL)
    frame.loc[:50, "f"] = np.nan
    return frame.assign(y=frame["a"] * frame["b"] - frame["c"])


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> Work:
    """Twenty-four models in pieces of five."""
    monkeypatch.setattr(planning, "UNIT_MODELS", 5)
    return Work(plan(table(), DATA, SUBSETS), "regression", 1, MLP, SAE, 0.4)


def digest(frame: pd.DataFrame, folder: Path) -> str:
    write_parquet(folder / "result.parquet", frame)
    return hashlib.sha256((folder / "result.parquet").read_bytes()).hexdigest()


@pytest.fixture
def expected(work: Work, tmp_path: Path) -> str:
    return digest(run_search(work, tmp_path / "expected"), tmp_path)


def test_one_row_per_model_in_the_order_of_subsets_and_seeds(work, tmp_path):
    found = run_search(work, tmp_path / "pieces")
    assert list(zip(found["subset"], found["seed"], strict=True)) == [(s, k) for s in range(6) for k in range(4)]
    assert found["inputs"].iloc[-1] == "b c d e f"


def test_a_search_finds_the_models_that_the_stages_train_and_the_numbers_that_they_report(work, tmp_path):
    found = run_search(work, tmp_path / "pieces")
    prepared = prepare(table(), pool_data(DATA, SUBSETS, ["a", "b", "c", "d", "f"]))
    networks, history = engine.train_mlps(prepared.train, prepared.validation, "regression", 1, MLP, [2])
    hidden = skill.hidden_activations(networks, prepared.sae)
    saes, sae_history = engine.train_saes(hidden, SAE, "keras3", [2])
    row = found[(found["inputs"] == "a b c d f") & (found["seed"] == 2)].iloc[0]
    assert row["val_loss"] == history["val_loss"].iloc[-1]
    assert row["epochs"] == len(sae_history)
    scores = skill.regression_scores(skill.predict(networks, prepared.test)[..., 0], prepared.test.y)
    assert row["test_loss"] == pytest.approx(scores["mse"][0], rel=1e-5)
    assert row["test_mae"] == pytest.approx(scores["mae"][0], rel=1e-5)
    import torch

    test = skill.hidden_activations(networks, prepared.test)
    with torch.no_grad():
        latents = saes.encode(torch.from_numpy(test)).numpy()
    assert row["active_per_row"] == pytest.approx((latents > 0).sum(axis=2).mean())
    for counted in COUNTED:
        before = mean_sensitive(correlations(test, prepared.test.x), 0.4, counted)
        after = mean_sensitive(correlations(latents, prepared.test.x), 0.4, counted)
        np.testing.assert_allclose(row[f"reduction_{counted}"], reduction(before, after)[0], rtol=1e-12)


@pytest.mark.parametrize("workers", [1, 2])
def test_threads_change_no_byte(work, expected, tmp_path, workers):
    assert digest(run_search(work, tmp_path / "pieces", "local", workers), tmp_path) == expected


def test_the_size_of_the_pieces_changes_no_byte(work, expected, tmp_path, monkeypatch):
    monkeypatch.setattr(planning, "UNIT_MODELS", 256)
    other = Work(plan(table(), DATA, SUBSETS), "regression", 1, MLP, SAE, 0.4)
    assert digest(run_search(other, tmp_path / "pieces"), tmp_path) == expected


def test_a_stopped_search_goes_on_without_repeating_a_piece(work, expected, tmp_path):
    folder = tmp_path / "pieces"

    class Stopped(Exception):
        pass

    def stop(done: int, total: int) -> None:
        if done >= 10:
            raise Stopped

    with pytest.raises(Stopped):
        run_search(work, folder, workers=1, progress=stop)
    saved = {file: file.stat().st_mtime_ns for file in folder.rglob("*.parquet")}
    assert len(saved) >= 2
    told = []
    again = run_search(work, folder, progress=lambda done, total: told.append(done))
    assert told[0] >= 10
    assert told[-1] == work.plan.models
    assert all(file.stat().st_mtime_ns == time for file, time in saved.items())
    assert digest(again, tmp_path) == expected


def test_pieces_of_other_settings_are_not_taken_for_these(work, expected, tmp_path):
    folder = tmp_path / "pieces"
    other = Work(work.plan, "regression", 1, MLP, SAE.model_copy(update={"l1": 0.1}), 0.4)
    run_search(other, folder)
    assert digest(run_search(work, folder), tmp_path) == expected
    assert [path.name for path in folder.iterdir()] == [fingerprint(work)[:16]]


def test_a_file_that_a_file_manager_left_among_the_pieces_stops_nothing(work, expected, tmp_path):
    (tmp_path / "pieces").mkdir()
    (tmp_path / "pieces" / ".DS_Store").write_text("")
    assert digest(run_search(work, tmp_path / "pieces"), tmp_path) == expected


def test_pieces_with_losses_in_another_unit_are_not_taken_for_these(work, tmp_path):
    data = DATA.model_copy(update={"standardise_response": True})

    def found(factor: float) -> Work:
        frame = table()
        return replace(work, plan=plan(frame.assign(y=frame["y"] * factor), data, SUBSETS))

    in_metres, in_millimetres = found(1.0), found(1024.0)
    # the networks see the same numbers
    assert np.array_equal(in_metres.plan.prepared[0].train.y, in_millimetres.plan.prepared[0].train.y)
    assert fingerprint(in_metres) != fingerprint(in_millimetres)


def test_a_finished_search_leaves_nothing_behind(work, tmp_path):
    run_search(work, tmp_path / ".search" / "rain")
    clear(tmp_path / ".search" / "rain")
    assert not (tmp_path / ".search").exists()


KILLED = """
import os, signal, sys
from pathlib import Path
from precip_sae.search import plan as planning
planning.UNIT_MODELS = 5
from test_run import DATA, MLP, SAE, SUBSETS, digest, plan, run_search, table
from precip_sae.search.unit import Work
folder, saved, between = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3] == "between"
replace, done = Path.replace, []

def replaced(self, target):
    # every piece takes its place by a rename
    if target.parent.parent.name == "pieces":
        if len(done) == saved and not between:
            os.kill(os.getpid(), signal.SIGKILL)
        done.append(target)
    found = replace(self, target)
    if len(done) == saved and between:
        os.kill(os.getpid(), signal.SIGKILL)
    return found

Path.replace = replaced
work = Work(plan(table(), DATA, SUBSETS), "regression", 1, MLP, SAE, 0.4)
print(digest(run_search(work, folder / "pieces", workers=1), folder), len(done))
"""


def test_a_search_that_is_killed_ends_with_the_same_bytes(work, expected, tmp_path, forked_stages):
    (tmp_path / "killed.py").write_text(KILLED)
    places = {"PYTHONPATH": os.pathsep.join([str(tmp_path), str(Path(__file__).parent)])}

    def run(saved: int, when: str) -> subprocess.CompletedProcess:
        command = [*module_command(dict(os.environ), "killed"), str(tmp_path), str(saved), when]
        return subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | places)

    def pieces() -> dict[str, int]:
        return {file.name: file.stat().st_mtime_ns for file in (tmp_path / "pieces").glob("*/[0-9]*.parquet")}

    assert run(2, "between").returncode == -signal.SIGKILL
    first = pieces()
    assert len(first) == 2
    assert run(1, "within").returncode == -signal.SIGKILL
    assert list((tmp_path / "pieces").glob("*/.writing-*")), "a piece was written and had not yet its name"
    second = pieces()
    assert len(second) == 3
    assert second.items() >= first.items()
    done = run(99, "between")
    assert done.stdout.split() == [expected, str(len(work.plan.units) - 3)], done.stderr
    assert pieces().items() >= second.items()


def test_no_scheduler_at_the_address_is_one_sentence(work, tmp_path, monkeypatch):
    pytest.importorskip("distributed")
    monkeypatch.setattr("precip_sae.scheduling.ANSWER_SECONDS", 0.2)
    with pytest.raises(SettingsError, match=r"tcp://127\.0\.0\.1:9: no Dask scheduler answers"):
        run_search(work, tmp_path / "pieces", "tcp://127.0.0.1:9")


@pytest.fixture(scope="module")
def growing():
    """A Dask cluster whose workers are processes of their own."""
    distributed = pytest.importorskip("distributed")
    options = {"threads_per_worker": 1, "dashboard_address": ":0", "silence_logs": 50}
    with distributed.LocalCluster(n_workers=1, **options) as running:
        yield running


@pytest.fixture(params=[1, 2, pytest.param(3, marks=pytest.mark.slow)])
def cluster(request, growing):
    """The cluster with so many workers: a process takes seconds to start, so that those that run are kept."""
    growing.scale(request.param)
    growing.wait_for_workers(request.param, timeout=60)
    return growing


def test_dask_workers_change_no_byte(work, expected, tmp_path, cluster):
    assert digest(run_search(work, tmp_path / "pieces", cluster.scheduler_address), tmp_path) == expected


def test_workers_on_this_machine_are_started_and_stopped(work, expected, tmp_path):
    pytest.importorskip("distributed")
    assert digest(run_search(work, tmp_path / "pieces", "local-cluster", 1), tmp_path) == expected


@pytest.mark.parametrize("cluster", [2], indirect=True)
def test_a_worker_with_other_code_is_refused(work, tmp_path, cluster, monkeypatch):
    from precip_sae.search import run

    monkeypatch.setattr(run, "_CODE", ("models",))
    with pytest.raises(StageError, match=r"tcp://.*: the Dask worker runs another version of precip_sae"):
        run_search(work, tmp_path / "pieces", cluster.scheduler_address)


@pytest.mark.parametrize("cluster", [2], indirect=True)
def test_a_lost_worker_loses_no_result(work, expected, tmp_path, cluster):
    lost = []

    def lose(done: int, total: int) -> None:
        if done >= 10 and not lost:
            lost.append(next(iter(cluster.workers.values())).pid)
            os.kill(lost[0], signal.SIGKILL)

    found = run_search(work, tmp_path / "pieces", cluster.scheduler_address, progress=lose)
    assert lost
    assert digest(found, tmp_path) == expected


def test_a_scheduler_without_workers_is_one_sentence(work, tmp_path, monkeypatch):
    distributed = pytest.importorskip("distributed")
    monkeypatch.setattr("precip_sae.scheduling.WORKER_SECONDS", 0.5)
    with (
        distributed.LocalCluster(n_workers=0, dashboard_address=":0", silence_logs=50) as running,
        pytest.raises(SettingsError, match="has no worker, expected at least one"),
    ):
        run_search(work, tmp_path / "pieces", running.scheduler_address)
