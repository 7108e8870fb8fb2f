"""The package in other surroundings: the same bytes, whatever the folder, home, mask, clock and language."""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TASK = """\
title: Rain rate
data: {table: mine.csv, predictors: [a, b], response: y, kind: regression}
seeds: [0, 1]
"""
# What is said of a run: how it is started, its environment, its folder.
SURROUNDINGS: dict[str, tuple[list[str], dict[str, str], str]] = {
    "a path with a space and letters beyond ASCII": ([], {}, "eine Straße 雪/work"),
    "a home that cannot be written": ([], {"HOME": "/dev/null/home"}, "home/work"),
    "a mask that keeps others out": (["sh", "-c", 'umask 077; exec "$@"', "sh"], {}, "mask/work"),
    "another clock": ([], {"TZ": "Pacific/Kiritimati"}, "clock/work"),
    "the C locale": ([], {"LANG": "C", "LC_ALL": "C"}, "locale/work"),
    "a Turkish locale": ([], {"LANG": "tr_TR.UTF-8", "LC_ALL": "tr_TR.UTF-8"}, "turkish/work"),
    # newer instructions round some last digits differently: neither compiled loops nor libraries may use them
    "a processor of 2013": (
        [],
        {
            "NUMBA_CPU_NAME": "haswell",
            "NUMBA_CPU_FEATURES": "",
            "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX512F,-AVX512VL,-AVX512BW,-AVX512DQ",
        },
        "processor/work",
    ),
    "no network": (
        ["unshare", "--net", "sh", "-c", 'ip link set lo up; exec "$@"', "sh"],
        {"http_proxy": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9"},
        "offline/work",
    ),
}
TOGETHER = ([*SURROUNDINGS["a mask that keeps others out"][0]], {}, "alles zugleich/ü")
for _, _variables, _ in SURROUNDINGS.values():
    TOGETHER[1].update(_variables)


def run(folder: Path, start: list[str], variables: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    dropped = ("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "PRECIP_SAE_CACHE")
    around = {name: value for name, value in os.environ.items() if name not in dropped}
    command = [*start, sys.executable, "-m", "precip_sae.cli", *arguments]
    return subprocess.run(
        command, cwd=folder, env=around | variables, capture_output=True, text=True, encoding="utf-8", check=False
    )


def made(folder: Path) -> dict[str, str]:
    files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    return {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in files.items() if "data/" not in name}


def test_a_simulation_is_the_same_in_all_surroundings_at_once(tmp_path: Path) -> None:
    start, variables, place = TOGETHER
    for name, given in (("plain", ([], {})), (place, (start, variables))):
        (tmp_path / name).mkdir(parents=True)
        done = run(ROOT, *given, "simulate", "--records", "300", "--out", str(tmp_path / name / "data"))
        assert done.returncode == 0, done.stderr
    tables = [(tmp_path / name / "data" / "observations.parquet").read_bytes() for name in ("plain", place)]
    assert tables[0] == tables[1]
    assert (tmp_path / place / "data" / "observations.parquet").stat().st_mode & 0o077 == 0


def write_task(folder: Path) -> Path:
    folder.mkdir(parents=True)
    rows = "".join(f"{k % 31},{k % 7},{(k * k) % 5}\n" for k in range(300))
    (folder / "mine.csv").write_text("a,b,y\n" + rows)
    (folder / "rain.yaml").write_text(TASK)
    return folder


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What the stages of a small task make here."""
    folder = write_task(tmp_path_factory.mktemp("plain") / "work")
    done = run(folder, [], {}, "task", "run", "rain.yaml", "--out", "out", "--smoke")
    assert done.returncode == 0, done.stderr
    return made(folder / "out")


@pytest.mark.slow
@pytest.mark.parametrize("name", SURROUNDINGS)
def test_a_task_is_the_same_in_other_surroundings(name: str, plain: dict[str, str], tmp_path: Path) -> None:
    start, variables, place = SURROUNDINGS[name]
    if start and (shutil.which(start[0]) is None or subprocess.run([*start, "true"], check=False).returncode):
        pytest.skip(f"{start[0]} is not permitted here")
    folder = write_task(tmp_path / place)
    done = run(folder, start, variables, "task", "run", "rain.yaml", "--out", "out", "--smoke")
    assert done.returncode == 0, done.stderr
    found = made(folder / "out")
    assert {name for name in {*plain, *found} if plain.get(name) != found.get(name)} == set()


@pytest.mark.slow
def test_a_zip_of_the_repository_without_git_makes_a_stage_and_knows_what_is_stale(tmp_path: Path) -> None:
    """As `make reproduce` begins, up to a stage that takes seconds."""
    git = shutil.which("git")
    if git is None or not (ROOT / ".git").exists():
        pytest.skip("this is no clone")
    packed, folder = tmp_path / "paper.zip", tmp_path / "un zip é"
    subprocess.run([git, "archive", "--format=zip", "--output", str(packed), "HEAD"], cwd=ROOT, check=True)
    shutil.unpack_archive(packed, folder)
    around = os.environ | {"PYTHONPATH": str(folder / "src"), "GIT_CEILING_DIRECTORIES": str(tmp_path)}

    def program(*arguments: str) -> str:
        command = [sys.executable, "-m", *arguments]
        done = subprocess.run(command, cwd=folder, env=around, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    program("dvc", "config", "--local", "core.no_scm", "true")
    program("dvc", "pull", "--quiet", "data.dvc")
    assert (folder / "data" / "observations.parquet").is_file()
    program("precip_sae.cli", "digest")
    program("precip_sae.cli", "stage", "animate")
    assert (folder / "figures" / "training.gif").is_file()
    assert "classifier: " in program("precip_sae.cli", "rows")


@pytest.mark.slow
@pytest.mark.parametrize("version", ["3.12", "3.13", "3.14"])
def test_the_lock_file_resolves_on_other_versions_of_python(version: str, tmp_path: Path) -> None:
    """Asks the package index, and installs nothing."""
    from_pyenv = sorted(Path("~/.pyenv/versions").expanduser().glob(f"{version}.*/bin/python{version}"))
    found = str(from_pyenv[-1]) if from_pyenv else shutil.which(f"python{version}")
    if found is None or subprocess.run([found, "-c", ""], capture_output=True, check=False).returncode:
        pytest.skip(f"there is no Python {version} on this machine")
    command = [found, "-m", "pip", "install", "--dry-run", "--ignore-installed", "--no-deps"]
    command += ["--quiet", "--target", str(tmp_path), "--requirement", str(ROOT / "requirements.lock")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
