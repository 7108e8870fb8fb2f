import os
import subprocess
import sys
from contextlib import suppress

import pytest

from precip_sae.errors import OutputError, StageError
from precip_sae.files import write_text
from precip_sae.pipeline import aside
from precip_sae.pipeline.aside import set_aside

OUTPUTS = ["models/rain/mlp", "results/rain/train.json"]


@pytest.fixture
def root(tmp_path):
    write_text(tmp_path / "models/rain/mlp/0.txt", "old")
    write_text(tmp_path / "results/rain/train.json", "old")
    write_text(tmp_path / "results/rain/fit.json", "of another stage")
    return tmp_path


def make(root, text):
    write_text(root / "models/rain/mlp/1.txt", text)
    write_text(root / "results/rain/train.json", text)


def killed(root, after):
    """A process that sets the outputs aside and ends there without another word."""
    script = (
        "import os, sys; from pathlib import Path; from precip_sae.pipeline import aside\n"
        f"with aside.set_aside(Path(sys.argv[1]), 'train-rain', {OUTPUTS}):\n    {after or 'pass'}\n    os._exit(0)"
    )
    subprocess.run([sys.executable, "-c", script, str(root)], check=True)


class Killed(BaseException):
    """Stands for the end of the process: nothing of ours handles it in the middle of putting back."""


def test_a_kill_while_earlier_outputs_are_put_back_loses_none(root, snapshot, monkeypatch):
    before = snapshot(root)
    killed(root, after="")
    make(root, "half-made")
    move, moved = aside._move, []

    def once(source, target):
        if moved:
            raise Killed
        moved.append(target)
        move(source, target)

    monkeypatch.setattr(aside, "_move", once)
    with pytest.raises(Killed), set_aside(root, "train-rain", OUTPUTS):
        pass
    monkeypatch.undo()
    with suppress(ValueError), set_aside(root, "train-rain", OUTPUTS):
        raise ValueError
    assert snapshot(root) == before


def test_a_kill_while_the_shelf_is_cleared_keeps_the_new_outputs(root, snapshot, monkeypatch):
    def half(path):
        if path.name.endswith(aside.REPLACED) and path.exists():
            (path / aside.COMPLETE).unlink()
            raise Killed
        remove(path)

    remove = aside.remove
    monkeypatch.setattr(aside, "remove", half)
    with pytest.raises(Killed), set_aside(root, "train-rain", OUTPUTS):
        make(root, "new")
    monkeypatch.undo()
    with suppress(ValueError), set_aside(root, "train-rain", OUTPUTS):
        raise ValueError
    assert snapshot(root)["results/rain/train.json"] == b"new"
    assert snapshot(root)["models/rain/mlp/1.txt"] == b"new"
    assert not (root / aside.FOLDER).exists()


def test_two_runs_of_a_stage_at_once_are_refused_and_harm_nothing(root):
    with set_aside(root, "train-rain", OUTPUTS):
        make(root, "of the first")
        with (
            pytest.raises(StageError, match=rf"train-rain\): process {os.getpid()} already works there"),
            set_aside(root, "train-rain", OUTPUTS),
        ):
            pass
        with set_aside(root, "fit-rain", ["results/rain/fit.json"]):
            write_text(root / "results/rain/fit.json", "at the same time")
    assert (root / "results/rain/train.json").read_text() == "of the first"


def test_new_outputs_replace_the_earlier_ones(root, snapshot):
    with set_aside(root, "train-rain", OUTPUTS):
        make(root, "new")
    assert snapshot(root) == {
        "models/rain/mlp/1.txt": b"new",
        "results/rain/train.json": b"new",
        "results/rain/fit.json": b"of another stage",
    }


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_earlier_outputs_come_back_when_the_stage_fails(root, snapshot, error):
    before = snapshot(root)
    with suppress(error), set_aside(root, "train-rain", OUTPUTS):
        make(root, "half-made")
        raise error
    assert snapshot(root) == before


def test_a_failed_first_run_leaves_nothing_half_made(tmp_path, snapshot):
    with suppress(ValueError), set_aside(tmp_path, "train-rain", OUTPUTS):
        make(tmp_path, "half-made")
        raise ValueError
    assert snapshot(tmp_path) == {}


def test_earlier_outputs_come_back_at_the_next_start_when_the_stage_was_killed(root, snapshot):
    before = snapshot(root)
    killed(root, after="")
    make(root, "half-made")
    assert snapshot(root) != before
    with suppress(ValueError), set_aside(root, "train-rain", OUTPUTS):
        assert not (root / "models/rain/mlp").exists()
        raise ValueError
    assert snapshot(root) == before


def test_earlier_outputs_come_back_when_the_stage_was_killed_while_they_were_moved(root, snapshot):
    before = snapshot(root)
    shelf = root / aside.FOLDER / "train-rain" / OUTPUTS[0]
    shelf.parent.mkdir(parents=True)
    (root / OUTPUTS[0]).rename(shelf)
    with suppress(ValueError), set_aside(root, "train-rain", OUTPUTS):
        raise ValueError
    assert snapshot(root) == before


def test_a_file_in_the_way_is_a_sentence_and_nothing_is_lost(root, snapshot):
    (root / aside.FOLDER).write_text("in the way")
    before = snapshot(root)
    with pytest.raises(OutputError, match="cannot be written"), set_aside(root, "train-rain", OUTPUTS):
        pass
    assert snapshot(root) == before
