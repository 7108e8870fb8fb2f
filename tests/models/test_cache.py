"""Compiled loops are found again by what they depend on, and by nothing else."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import platformdirs
import pytest

from precip_sae.models.engine import cache, kernels

# Compiles one loop of the engine and tells how often it was found and how often compiled.
ADDS = """
import numpy as np
from precip_sae.models.engine.rows import add_sums
sums, squares = np.zeros((1, 16)), np.zeros((1, 16))
add_sums(np.full((2, 1, 16), 3, np.float32), 2, sums, squares)
assert (sums == 6).all() and (squares == 18).all()
print(sum(add_sums.stats.cache_hits.values()), sum(add_sums.stats.cache_misses.values()))
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache."""
    monkeypatch.setenv(cache.CACHE_VARIABLE, str(tmp_path / "cache"))
    return tmp_path / "cache"


def start(clone: Path, **variables: str) -> subprocess.Popen:
    """A process that uses the package as it stands in a clone."""
    environment = os.environ | {"PYTHONPATH": str(clone)} | variables
    return subprocess.Popen([sys.executable, "-c", ADDS], env=environment, stdout=subprocess.PIPE, text=True)


def found_and_compiled(process: subprocess.Popen) -> tuple[int, int]:
    answer, _ = process.communicate()
    assert process.returncode == 0
    found, made = answer.split()
    return int(found), int(made)


def clone(destination: Path) -> Path:
    package = Path(kernels.__file__).parents[2]
    shutil.copytree(package, destination / package.name, ignore=shutil.ignore_patterns("__pycache__"))
    # what trains with the loops is not wanted here, and imports torch
    (destination / package.name / "models" / "engine" / "__init__.py").write_text("")
    return destination


def test_a_second_clone_compiles_nothing_until_its_sources_differ(folder, tmp_path):
    first, second = clone(tmp_path / "first"), clone(tmp_path / "second")
    assert found_and_compiled(start(first)) == (0, 1)
    assert found_and_compiled(start(second)) == (1, 0)
    source = second / "precip_sae/models/engine/kernels.py"
    source.write_text(source.read_text() + "\n# edited\n")
    assert found_and_compiled(start(second)) == (0, 1)
    assert found_and_compiled(start(first)) == (1, 0)


def test_code_for_another_processor_is_compiled_anew(folder, tmp_path):
    here = clone(tmp_path / "clone")
    assert found_and_compiled(start(here)) == (0, 1)
    assert found_and_compiled(start(here, NUMBA_CPU_NAME="generic", NUMBA_CPU_FEATURES="")) == (0, 1)


def test_two_processes_that_compile_at_once_leave_one_good_file(folder, tmp_path):
    here = clone(tmp_path / "clone")
    for process in [start(here), start(here)]:
        assert sum(found_and_compiled(process)) == 1
    assert len(list(folder.iterdir())) == 1
    assert found_and_compiled(start(here)) == (1, 0)


def times(factor: int) -> Callable:
    """A new dispatcher, as in a new process."""

    @cache.compiled(nogil=True)
    def multiplied(x):
        return x * factor

    return multiplied


def test_the_same_loop_for_other_sizes_is_another_file(folder):
    assert [times(factor)(2.0) for factor in (3, 5, 3)] == [6.0, 10.0, 6.0]
    assert len(list(folder.iterdir())) == 2
    again = times(5)
    assert again(2.0) == 10.0
    assert sum(again.stats.cache_hits.values()) == 1


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"",
        lambda content: content[:20],
        lambda content: content[:-100],
        lambda content: b"not a kernel" * 100,
        lambda content: content[:-1000] + bytes([content[-1000] ^ 1]) + content[-999:],
    ],
    ids=["empty", "cut early", "cut late", "garbage", "one bit"],
)
def test_a_damaged_file_is_compiled_and_written_anew(folder, damage):
    assert times(3)(2.0) == 6.0
    (file,) = folder.iterdir()
    file.write_bytes(damage(file.read_bytes()))
    again = times(3)
    assert again(2.0) == 6.0
    assert sum(again.stats.cache_misses.values()) == 1
    after = times(3)
    assert after(2.0) == 6.0
    assert sum(after.stats.cache_hits.values()) == 1


def test_without_a_folder_to_write_to_everything_is_compiled(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv(cache.CACHE_VARIABLE, str(tmp_path / "file" / "cache"))
    for _ in range(2):
        loop = times(3)
        assert loop(2.0) == 6.0
        assert sum(loop.stats.cache_misses.values()) == 1


def test_a_cache_that_cannot_be_written_is_still_read(folder, monkeypatch):
    assert times(3)(2.0) == 6.0

    def refused(*_: object, **__: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr("precip_sae.files.tempfile.mkstemp", refused)
    found, other = times(3), times(4)
    assert (found(2.0), other(2.0)) == (6.0, 8.0)
    assert sum(found.stats.cache_hits.values()) == 1


def test_the_cache_lies_where_the_platform_keeps_a_users_caches(monkeypatch):
    monkeypatch.delenv(cache.CACHE_VARIABLE, raising=False)
    assert cache.cache_folder() == platformdirs.user_cache_path("precip-sae", appauthor=False)


def test_a_loop_is_made_for_numbers_only(folder):
    array = np.zeros(3)

    def first(x):
        return x + array[0]

    with pytest.raises(TypeError, match="expected numbers only"):
        cache.DiskCache(first)
