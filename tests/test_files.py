"""Nobody ever sees half of a file, and what a killed process left of one goes away."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from precip_sae import files
from precip_sae.errors import OutputError
from precip_sae.files import output_error, replacing, write_text

KILLED = """\
import os, sys
from pathlib import Path
from precip_sae.files import replacing
with replacing(Path(sys.argv[1])) as beside:
    beside.write_text("half of")
    os.kill(os.getpid(), 9)
"""


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture(autouse=True)
def _as_a_new_process() -> None:
    files._sweep.cache_clear()


def test_what_a_killed_process_left_half_written_goes_with_the_next_file(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", KILLED, str(tmp_path / "a.csv")], check=False)
    assert [name.startswith(files.WRITING) for name in names(tmp_path)] == [True]
    write_text(tmp_path / "b.csv", "whole")
    assert names(tmp_path) == ["b.csv"]


def test_what_another_writes_now_is_left_alone(tmp_path: Path) -> None:
    with replacing(tmp_path / "a.csv") as beside:
        beside.write_text("a")
        files._sweep.cache_clear()
        write_text(tmp_path / "b.csv", "b")
    assert names(tmp_path) == ["a.csv", "b.csv"]
    assert (tmp_path / "a.csv").read_text() == "a"


def test_a_failure_leaves_the_earlier_file_and_nothing_else(tmp_path: Path) -> None:
    write_text(tmp_path / "a.csv", "earlier")

    def fail() -> None:
        with replacing(tmp_path / "a.csv") as beside:
            beside.write_text("half of")
            raise OSError(28, "No space left on device")

    with pytest.raises(OutputError, match=r"a.csv: cannot be written, the disk is full"):
        fail()
    assert names(tmp_path) == ["a.csv"]
    assert (tmp_path / "a.csv").read_text() == "earlier"


@pytest.mark.parametrize(("full", "reason"), [(True, "the disk is full"), (False, "permission was denied")])
def test_a_full_disk_is_called_one_where_a_library_says_otherwise(
    full: bool, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Usage:
        free = 0 if full else 1

    monkeypatch.setattr(files.shutil, "disk_usage", lambda _: Usage)
    assert reason in str(output_error(tmp_path / "a.nc", PermissionError(13, "Permission denied")))


def test_files_have_the_permissions_of_any_other_file(tmp_path: Path) -> None:
    earlier = os.umask(0o027)
    try:
        write_text(tmp_path / "a", "a")
    finally:
        os.umask(earlier)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o640


def test_netcdf_files_whose_library_locks_them_can_be_written(tmp_path: Path) -> None:
    import netCDF4

    with replacing(tmp_path / "a.nc") as beside, netCDF4.Dataset(beside, "w") as file:
        file.createDimension("row", 2)
    assert names(tmp_path) == ["a.nc"]
