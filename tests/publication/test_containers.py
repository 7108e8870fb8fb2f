"""Docker, a development container and Binder give the environment of the lock, on one version of Python."""

import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

from precip_sae.files import read_json
from precip_sae.paths import Paths


@pytest.fixture
def root(repository: Paths) -> Path:
    return repository.root


def test_all_of_them_run_the_oldest_python_that_the_package_takes(root: Path) -> None:
    oldest = tomllib.loads((root / "pyproject.toml").read_text())["project"]["requires-python"].removeprefix(">=")
    image = read_json(root / ".devcontainer" / "devcontainer.json")["image"]
    assert re.search(r"^FROM python:([\d.]+)-", (root / "Dockerfile").read_text(), re.M)[1] == oldest
    assert re.search(r"python:([\d.]+)-", image)[1] == oldest
    assert (root / "binder" / "runtime.txt").read_text() == f"python-{oldest}\n"


def test_all_of_them_install_the_lock(root: Path, tmp_path: Path) -> None:
    made = "make .venv/.ready"
    assert f"RUN {made} " in (root / "Dockerfile").read_text()
    assert read_json(root / ".devcontainer" / "devcontainer.json")["postCreateCommand"].startswith(f"{made} ")
    # of that target, in a folder where nothing is installed yet
    for name in ("Makefile", "requirements.lock", "pyproject.toml"):
        shutil.copyfile(root / name, tmp_path / name)
    done = subprocess.run(
        ["make", "--dry-run", ".venv/.ready"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert "--requirement requirements.lock" in done.stdout
    named = re.findall(r"^-r (.+)$", (root / "binder" / "requirements.txt").read_text(), re.M)
    assert [(root / "binder" / name).resolve() for name in named] == [root / "requirements.lock"]


def test_every_command_of_them_can_be_read_by_its_shell(root: Path) -> None:
    commands = re.findall(r"^RUN (.+)$", (root / "Dockerfile").read_text(), re.M)
    assert len(commands) == 3
    commands.append(read_json(root / ".devcontainer" / "devcontainer.json")["postCreateCommand"])
    for command in commands:
        subprocess.run(["sh", "-n", "-c", command], check=True)
    assert os.access(root / "binder" / "postBuild", os.X_OK)
    subprocess.run(["bash", "-n", root / "binder" / "postBuild"], check=True)


def test_an_image_holds_all_that_git_keeps(root: Path) -> None:
    left_out = [line for line in (root / ".dockerignore").read_text().splitlines() if line and line[0] != "#"]
    done = subprocess.run(["git", "ls-files"], cwd=root, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip("no git history here")
    for pattern in left_out:
        if "*" not in pattern:
            assert not [name for name in done.stdout.splitlines() if name == pattern or name.startswith(f"{pattern}/")]
