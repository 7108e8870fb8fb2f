"""DVC's command, mended: `python -m precip_sae.pipeline.dvc_command ...`.

- It reads params.yaml once. DVC parses it anew for each stage and goes through all of it for each key, a third of the
  time of a `dvc repro` that finds nothing to do.
- A kill leaves nothing that the next command refuses: dvc.lock is written beside and then put in its place, and what a
  killed process held is free, also while nobody has asked how it ended.
"""

import copy
import ctypes
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dpath
import psutil
from dvc import rwlock
from dvc.cli import main
from dvc.dependency import param
from dvc.utils.serialize import _common, _yaml

from precip_sae.files import replacing
from precip_sae.pipeline.warm import STARTER_VARIABLE

Parse = Callable[..., Any]


def once(parse: Parse) -> Parse:
    """A function that parses as `parse` does, each text once; whoever asks gets a copy of his own."""
    found: dict[tuple[str, str], Any] = {}

    def parsed(text: str, path: Any, typ: str = "safe") -> Any:
        if (text, typ) not in found:
            found[text, typ] = parse(text, path, typ)
        return copy.deepcopy(found[text, typ])

    return parsed


def value_at(content: Any, key: str, separator: str) -> Any:
    """What `dpath.get` finds, which compares a key with every key of the content."""
    found = content
    try:
        for word in key.split(separator):
            found = found[word]
    except (KeyError, TypeError):
        # a place in a list, a pattern, or nothing
        return dpath.get(content, key, separator=separator)
    return found


def written_whole(dump: Callable[..., None]) -> Callable[..., None]:
    """A function that writes a file as `dump` does, but beside: a kill leaves the earlier file or the new one."""

    def written(path: Any, *arguments: Any, **named: Any) -> None:
        with replacing(Path(path)) as beside:
            dump(str(beside), *arguments, **named)

    return written


def runs(pid: int) -> bool:
    """Whether a process can still hold anything: it has not ended, not even without anybody having asked how."""
    try:
        return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:
        return True


def end_with(starter: str) -> None:
    """This process is killed when the one that started it ends, however that ends: nobody waits for it any more.

    Args:
        starter: the number of that process.
    """
    set_signal = 1  # PR_SET_PDEATHSIG
    ctypes.CDLL(None).prctl(set_signal, signal.SIGKILL)
    if os.getppid() != int(starter):
        os.kill(os.getpid(), signal.SIGKILL)


def forget_damaged(locks: Path) -> None:
    """Removes DVC's list of the paths in use if it is cut off, which DVC refuses: whoever wrote it was killed.

    One that was written within the last second is left: its writer may be at it.
    """
    with suppress(OSError):
        if time.time() - locks.stat().st_mtime < 1:
            return
        try:
            json.loads(locks.read_bytes())
        except ValueError:
            locks.unlink()


if __name__ == "__main__":
    if (started_by := os.environ.pop(STARTER_VARIABLE, None)) and sys.platform == "linux":
        end_with(started_by)
    forget_damaged(Path(".dvc/tmp/rwlock"))
    _yaml.parse_yaml = once(_yaml.parse_yaml)
    _common._dump_data = _yaml._dump_data = written_whole(_common._dump_data)
    param.dpath = SimpleNamespace(get=value_at, search=dpath.search)
    rwlock.psutil = SimpleNamespace(pid_exists=runs)
    sys.exit(main(sys.argv[1:]))
