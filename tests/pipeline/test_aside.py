from contextlib import suppress

import pytest

from precip_sae.errors import OutputError
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
    killed = set_aside(root, "train-rain", OUTPUTS)
    killed.__enter__()
    make(root, "half-made")
    # entered and never left, as a killed process leaves it
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
