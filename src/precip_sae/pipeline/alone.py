"""One process at a time in a folder; a process that is killed leaves nothing behind that holds others off."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from precip_sae.errors import StageError


@contextmanager
def alone(folder: Path, where: str) -> Iterator[None]:
    """Runs its block while no other process is in a block of the same folder.

    The folder itself is locked, so that there is no file that could be left. Where the system knows no such locks,
    nothing is locked.

    Args:
        folder: exists.
        where: for the sentence.

    Raises:
        StageError: another process is; it names the process where the system tells.
    """
    try:
        import fcntl
    except ImportError:
        yield
        return
    held = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StageError(
                f"{where}: {_holder(os.fstat(held).st_ino)} already works there; wait until it has ended."
            ) from error
        except OSError:
            pass  # a file system of a network may not lock folders
        yield
    finally:
        os.close(held)


def _holder(inode: int) -> str:
    """`process 123`, from Linux's list of locks: number, kind, mode, access, process, device:inode, ..."""
    with suppress(OSError, ValueError):
        for line in Path("/proc/locks").read_text().splitlines():
            entry = line.split()
            if entry[1] == "FLOCK" and int(entry[5].rpartition(":")[2]) == inode:
                return f"process {entry[4]}"
    return "another process"
