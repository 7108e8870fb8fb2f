"""DVC's command, but that it reads params.yaml once: `python -m precip_sae.pipeline.dvc_once ...`.

It would parse it anew for each stage, and go through all of it for each key: a third of the time of a `dvc repro` that
finds nothing to do. And it goes on where an earlier one was killed while it wrote down what it holds.
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
from dvc.cli import main
from dvc.dependency import param
from dvc.utils.serialize import _yaml

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
    param.dpath = SimpleNamespace(get=value_at, search=dpath.search)
    sys.exit(main(sys.argv[1:]))
