"""DVC's command, but that it parses a text of YAML once: `python -m precip_sae.pipeline.dvc_once ...`.

It would parse params.yaml anew for each stage, a third of the time of a `dvc repro` that finds nothing to do. And it
goes on where an earlier one was killed while it wrote down what it holds.
"""

import copy
import json
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from dvc.cli import main
from dvc.utils.serialize import _yaml

Parse = Callable[..., Any]


def once(parse: Parse) -> Parse:
    """A function that parses as `parse` does, each text once; whoever asks gets a copy of his own."""
    found: dict[tuple[str, str], Any] = {}

    def parsed(text: str, path: Any, typ: str = "safe") -> Any:
        if (text, typ) not in found:
            found[text, typ] = parse(text, path, typ)
        return copy.deepcopy(found[text, typ])

    return parsed


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
    forget_damaged(Path(".dvc/tmp/rwlock"))
    _yaml.parse_yaml = once(_yaml.parse_yaml)
    sys.exit(main(sys.argv[1:]))
