"""Long work is seen on the terminal and never in a notebook."""

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


def test_without_a_terminal_nothing_is_drawn(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    for terminal in ("", str(tmp_path / "no" / "such" / "terminal")):
        monkeypatch.setenv(TERMINAL_VARIABLE, terminal)
        progress("networks")(1, 1)
    assert capfd.readouterr() == ("", "")
