"""Which code a stage rests on, as digests that change with what the code does and not with how it is worded.

DVC follows no imports, and hashes whole files: a reworded message would redo every training. So the stage `code`
writes `digests/STAGE.json`, one line per module that the stage's notebook may import, and the other stages depend on
their own file. Comments, docstrings, the arguments of `raise` and the descriptions of settings do not count.
"""

import ast
import hashlib
import json
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

from precip_sae.files import write_json
from precip_sae.paths import Paths

PACKAGE = "precip_sae"

# They make the page of every stage, stamp its figures, and make the environment in which all numbers are computed.
EVERYWHERE = tuple(f"{PACKAGE}.pipeline.{name}" for name in ("environment", "normalise", "page", "stamp"))

# Imported by stages and of no effect on what these write: sentences, progress bars, where files lie (dvc.yaml says
# that too, and a stage that writes elsewhere is refused), which sections of params.yaml DVC watches for a stage, and
# what a network's file says of a task (the stage `train` writes what it took, and the others rest on that).
WITHOUT_EFFECT = frozenset(
    f"{PACKAGE}.{name}" for name in ("errors", "progress", "paths", "pipeline.stages", "pipeline.networks")
)

# Arguments that explain and do not decide.
_WORDING = frozenset({"description", "help"})


def code_digests(notebook: Path, package: Path) -> dict[str, str]:
    """The digest of every module that a notebook may import, directly or through others.

    Args:
        notebook: its code cells are read, functions in the modules too.
        package: the folder `precip_sae`.

    Returns:
        Dotted name: 16 hexadecimal digits, in the order of the names.
    """
    found: dict[str, str] = {}
    seen: set[str] = set()
    waiting = [*EVERYWHERE, *_imported(ast.parse(_code(notebook)))]
    while waiting:
        name = waiting.pop()
        if name in seen or name in WITHOUT_EFFECT:
            continue
        seen.add(name)
        if (file := _file(package, name)) is not None:
            found[name], imported = _read(file.read_bytes())
            waiting += imported
    return dict(sorted(found.items()))


@cache
def _read(source: bytes) -> tuple[str, tuple[str, ...]]:
    """A module's digest, and what it imports; a process asks for the same ones again and again."""
    tree = ast.parse(source)
    return hashlib.sha256(meaning(tree).encode()).hexdigest()[:16], tuple(_imported(tree))


def write_digests(paths: Paths, package: Path, stages: Iterable[str]) -> None:
    """Writes digests/STAGE.json for every stage; files of stages that are gone are removed."""
    names = list(stages)
    for name in names:
        write_json(paths.digest(name), code_digests(paths.notebooks / f"{name}.ipynb", package))
    for file in paths.digests.glob("*.json"):
        if file.stem not in names:
            file.unlink()


def meaning(node: Any) -> str:
    """A text of syntax that is the same for code that does the same thing, whatever it says about itself.

    The same in every version of Python: fields that are empty are left out, since later versions add some.
    """
    if isinstance(node, ast.Raise):
        node = ast.Raise(exc=node.exc.func if isinstance(node.exc, ast.Call) else node.exc)
    if isinstance(node, ast.AST):
        fields = ((name, value) for name, value in ast.iter_fields(node) if name not in ("kind", "type_comment"))
        texts = [f"{name}={text}" for name, value in fields if (text := meaning(value))]
        return f"{type(node).__name__}({', '.join(texts)})"
    if isinstance(node, list):
        kept = [meaning(item) for item in node if not _is_wording(item)]
        return f"[{', '.join(kept)}]" if kept else ""
    return "" if node is None else repr(node)


def _is_wording(node: Any) -> bool:
    """A text that stands for itself (a docstring), or an argument that explains."""
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return isinstance(node.value.value, str)
    return isinstance(node, ast.keyword) and node.arg in _WORDING


def _code(notebook: Path) -> str:
    """The code cells as one text, without IPython's own commands."""
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    lines = [line for c in cells if c["cell_type"] == "code" for line in "".join(c["source"]).splitlines()]
    return "\n".join(line for line in lines if not line.lstrip().startswith(("%", "!")))


def _imported(tree: ast.AST) -> Iterator[str]:
    """Dotted names of the package, and of its folders, that the code may import anywhere in it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            parts = name.split(".")
            if parts[0] == PACKAGE:
                yield from (".".join(parts[:k]) for k in range(1, len(parts) + 1))


def _file(package: Path, module: str) -> Path | None:
    """The file of a module; None for a name that is something within one."""
    base = package.joinpath(*module.split(".")[1:])
    candidates = (base / "__init__.py", base.with_suffix(".py"))
    return next((file for file in candidates if file.is_file()), None)
