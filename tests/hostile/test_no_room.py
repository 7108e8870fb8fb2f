"""A full disk and a read-only folder, in every stage and every command that writes: a sentence, and nothing changed."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from precip_sae.pipeline.stages import stages

COMMANDS = ["digest", "simulate", "ingest", "write-archive", "task run", "export", "inspector", "smoke"]
NAMES = [*(f"stage {name}" for name in stages()), *COMMANDS]
SAID = {"full": "the disk is full", "no more files": "the disk is full", "read-only": "the file system is read-only"}

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def tried(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], dict[str, object]]:
    private = [shutil.which("unshare") or "unshare", "--mount"]
    if os.getuid() != 0 or subprocess.run([*private, "true"], capture_output=True, check=False).returncode:
        pytest.skip("only root can mount a small file system")
    folder = tmp_path_factory.mktemp("no_room") / "small"
    folder.mkdir()
    script = Path(__file__).with_name("no_room.py")
    done = subprocess.run(
        [*private, sys.executable, str(script), str(folder)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    return {(each["kind"], each["name"]): each for each in found}


@pytest.mark.parametrize("kind", SAID)
@pytest.mark.parametrize("name", NAMES)
def test_no_room_is_one_sentence_and_leaves_everything_as_it_was(
    kind: str, name: str, tried: dict[tuple[str, str], dict[str, object]]
) -> None:
    found = tried[kind, name]
    said = str(found["said"]).strip()
    assert found["code"] == 1, said
    assert SAID[kind] in said
    assert "\n" not in said
    assert found["changed"] == []
