"""Long work is seen on the terminal and never in a notebook."""

import re
from pathlib import Path

import pytest

from precip_sae.progress import TERMINAL_VARIABLE, progress


def test_the_terminal_sees_how_far_the_work_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = tmp_path / "terminal"
    monkeypatch.setenv(TERMINAL_VARIABLE, str(terminal))
    advance = progress("networks")
    for epoch in (1, 2, 4):
        advance(epoch, 4)
    assert "networks" in terminal.read_text()


def test_the_time_left_of_work_that_goes_on_is_that_of_what_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = tmp_path / "terminal"
    monkeypatch.setenv(TERMINAL_VARIABLE, str(terminal))
    clock = iter(range(0, 1000, 10))
    monkeypatch.setattr("tqdm.std.time", lambda: float(next(clock)))
    advance = progress("models")
    # an earlier run did 900 of 1000; after some tens of seconds 10 more are done
    advance(900, 1000)
    advance(910, 1000)
    (left,) = re.findall(r"910/1000 .*<(\d+):(\d+)", terminal.read_text())
    assert int(left[0]) >= 1, "90 are left, at ten in some tens of seconds"
    advance(1000, 1000)


def test_without_a_terminal_nothing_is_drawn(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    for terminal in ("", str(tmp_path / "no" / "such" / "terminal")):
        monkeypatch.setenv(TERMINAL_VARIABLE, terminal)
        progress("networks")(1, 1)
    assert capfd.readouterr() == ("", "")
