"""DVC's command, but that it parses a text of YAML once: `python -m precip_sae.pipeline.dvc_once ...`.

It would parse params.yaml anew for each stage, a third of the time of a `dvc repro` that finds nothing to do.
"""

import copy
import sys
from collections.abc import Callable
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


if __name__ == "__main__":
    _yaml.parse_yaml = once(_yaml.parse_yaml)
    sys.exit(main(sys.argv[1:]))
