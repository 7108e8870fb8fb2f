"""Writing files so that nobody ever sees half of one: write beside, then rename."""

import errno
import json
import os
import re
import shutil
import socket
import sys
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

from precip_sae.errors import OutputError

WRITING = ".writing-"

_REASONS = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EROFS: "the file system is read-only",
    errno.EACCES: "permission was denied",
    errno.EPERM: "permission was denied",
    errno.ENOTDIR: "a file stands where a folder is needed",
    errno.EEXIST: "a file stands where a folder is needed",
    errno.EISDIR: "a folder stands where the file should be",
}
_OF_THE_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)


def output_error(path: Path, error: OSError) -> OutputError:
    """The sentence for a file that could not be written."""
    reason = _REASONS.get(error.errno or 0, error.strerror or str(error))
    if error.errno in (errno.EACCES, errno.EPERM) and _full(path):
        # netCDF's library says of every failed write that permission was denied
        reason = _REASONS[errno.ENOSPC]
    return OutputError(f"{path}: cannot be written, {reason}; the earlier file, if any, is untouched.")


def copy_error(folder: Path, error: shutil.Error) -> OutputError:
    """The sentence for a folder into which `shutil.copytree` could not copy everything."""
    why = error.args[0][0][2]  # of the first file: "[Errno 28] No space left on device: ..."
    number = re.match(r"\[Errno (\d+)\]", why)
    reason = _REASONS.get(int(number[1])) if number and int(number[1]) in _OF_THE_DISK else None
    return OutputError(f"{folder}: not everything could be copied there ({reason or why}).")


def _full(path: Path) -> bool:
    """Whether no byte is left where `path` should be."""
    try:
        return shutil.disk_usage(next(folder for folder in path.absolute().parents if folder.is_dir())).free == 0
    except OSError:
        return False


def _mark() -> str:
    """How the names of files begin that processes of this machine write: `.writing-MACHINE-`.

    No lock says that a file is being written: the library of netCDF locks its files itself.
    """
    return f"{WRITING}{zlib.crc32(socket.gethostname().encode()):08x}-"


@cache
def _sweep(folder: Path) -> None:
    """Removes, once in a process, what killed processes of this machine left half-written."""
    for left in folder.glob(f"{_mark()}*"):
        number = left.name.removeprefix(_mark()).partition("-")[0]
        if number.isdigit() and not _runs(int(number)):
            with suppress(OSError):
                left.unlink()


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        return True
    return True


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A fresh file name beside `path` that takes its place when the block ends without an exception.

    The temporary name keeps the suffix of `path`, so that writers that look at it behave the same.

    Raises:
        OutputError: the folder cannot be made or the file cannot be written; `path` is then untouched.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if sys.platform != "win32":  # where asking for a process would end it
            _sweep(path.parent.resolve())
        prefix = f"{_mark()}{os.getpid()}-"
        handle, name = tempfile.mkstemp(prefix=prefix, suffix=path.suffix, dir=path.parent)
        os.close(handle)
    except OSError as error:
        raise output_error(path, error) from error
    beside = Path(name)
    try:
        try:
            yield beside
            # mkstemp makes private files; outputs get the permissions that a plain open() would give.
            mask = os.umask(0)
            os.umask(mask)
            beside.chmod(0o666 & ~mask)
            beside.replace(path)
        except OSError as error:
            raise output_error(path, error) from error
    finally:
        beside.unlink(missing_ok=True)


def remove(path: Path) -> None:
    """Removes a file, a link or a folder and all in it, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


@contextmanager
def emptied_on_failure(folder: Path) -> Iterator[None]:
    """Runs a block that fills an empty folder; if it fails, the folder is empty again."""
    try:
        yield
    except BaseException:
        for place in list(folder.iterdir()) if folder.is_dir() else ():
            remove(place)
        raise


def write_text(path: Path, text: str) -> None:
    """Writes UTF-8 text with `\\n` line ends."""
    with replacing(path) as beside:
        beside.write_text(text, encoding="utf-8", newline="\n")


def write_json(path: Path, value: Any) -> None:
    """Writes JSON that diffs well: sorted keys, two spaces, NaN refused (use null for "not defined")."""
    write_text(path, json.dumps(value, indent=2, sort_keys=True, allow_nan=False, ensure_ascii=False) + "\n")


def read_json(path: Path) -> Any:
    """Reads a JSON file written by an earlier stage."""
    return json.loads(path.read_text(encoding="utf-8"))


def write_parquet(path: Path, frame: "Any") -> None:
    """Writes a DataFrame without its index; the same frame gives the same bytes."""
    with replacing(path) as beside:
        frame.to_parquet(beside, index=False, compression="zstd", engine="pyarrow")
