"""A small project under DVC and git whose two stages are shell commands."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from precip_sae.files import write_text
from precip_sae.paths import Paths

STAGES = """\
stages:
  shout:
    cmd: mkdir -p out && tr a-z A-Z < "data/some words.txt" > out/loud.txt && echo 1 > out/one.txt
    deps: [data/some words.txt]
    params: [simulation]
    outs: [out]
  count:
    cmd: wc -c < out/loud.txt | tr -d ' ' > count.txt
    deps: [out]
    outs:
      - count.txt: {cache: false}
"""
CITATION = """\
title: A small paper
authors: [{name: Somebody}]
version: 1.2.3
license: MIT
references: [{type: article, title: Another, year: 2025, doi: 10.1/x}]
"""
Run = Callable[..., str]


def run(folder: Path, *command: str) -> str:
    """What a command says in `folder`, as nobody's settings would have it; it has to succeed."""
    who = {f"GIT_{role}_{what}": "test@example.org" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    alone = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    words = [sys.executable, "-m", *command] if command[0] == "dvc" else list(command)
    done = subprocess.run(words, cwd=folder, env=os.environ | who | alone, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="session")
def in_folder() -> Run:
    return run


@pytest.fixture
def small(made_small: Paths, tmp_path: Path) -> Paths:
    """A copy of the project, to change something in."""
    shutil.copytree(made_small.root, tmp_path / "small", symlinks=True)
    return Paths((tmp_path / "small").resolve())


@pytest.fixture(scope="session")
def made_small(
    tmp_path_factory: pytest.TempPathFactory, repository: Paths, make_project: Callable[[Path], Paths]
) -> Paths:
    """The project, run, pushed to its store and committed."""
    folder = tmp_path_factory.mktemp("publication")
    settings = make_project(folder / "settings").params.read_text()
    paths = Paths((folder / "small").resolve())
    files = {
        "params.yaml": settings,
        "dvc.yaml": STAGES,
        "CITATION.cff": CITATION,
        "README.md": "# A small paper\n",
        "requirements.lock": "dvc==3.0\n",
        "data/some words.txt": "hello\n",
        "bin/tool": "#!/bin/sh\n",
        ".gitignore": "/data\n/out\n/build/\n",
        **{name: (repository.root / name).read_text() for name in (".dvc/config", ".dvc/.gitignore", ".dvcignore")},
    }
    for name, text in files.items():
        write_text(paths.root / name, text)
    (paths.root / "bin/tool").chmod(0o755)
    run(paths.root, "git", "init", "--quiet")
    run(paths.root, "dvc", "add", "--quiet", "data")
    run(paths.root, "dvc", "repro", "--quiet")
    run(paths.root, "dvc", "push", "--quiet")
    run(paths.root, "git", "add", "--all")
    run(paths.root, "git", "commit", "--quiet", "--message", "a small paper")
    return paths
