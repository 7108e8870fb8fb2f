"""One HTML file of the page's modules, style and content, which needs nothing else."""

import json
import re
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Any

_IMPORT = re.compile(r'^import (?:\{([^}]*)\}|\* as (\w+)) from "\./(\w+)\.js";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async )?(?:function|const|class) (\w+))", re.MULTILINE)
_PLACE = re.compile(r"<!-- (\w+) -->")
ENTRY = "main"
D3 = "d3.min.js"


def sources() -> Traversable:
    """The folder of the page's sources, wherever the package lies."""
    return resources.files("precip_sae.inspector") / "page"


def in_order(folder: Traversable, entry: str = ENTRY) -> dict[str, str]:
    """The modules that `entry` needs and itself, each after those that it imports: name and text.

    Raises:
        ValueError: modules import each other in a circle.
    """
    found: dict[str, str] = {}

    def visit(name: str, waiting: tuple[str, ...]) -> None:
        if name in waiting:
            raise ValueError(f"{' -> '.join([*waiting, name])}: modules import each other in a circle")
        if name in found:
            return
        text = (folder / f"{name}.js").read_text(encoding="utf-8")
        for imported in _IMPORT.finditer(text):
            visit(imported[3], (*waiting, name))
        found[name] = text

    visit(entry, ())
    return found


def bundled(modules: dict[str, str]) -> str:
    """The modules as one script without imports: each a function that runs once and gives what it exports.

    Raises:
        ValueError: an import or export in another form than `import { a } from "./b.js";` and `export function a`.
    """
    pieces = []
    for name, text in modules.items():
        exported = [match[1] for match in _EXPORT.finditer(text)]
        body = _EXPORT.sub("", _IMPORT.sub(_taken, text))
        if left := re.search(r"^(import|export)\b.*", body, re.MULTILINE):
            raise ValueError(f'{name}.js: "{left[0]}" is no import or export that the page\'s bundle knows')
        pieces.append(f"const ${name} = (() => {{\n{body}\nreturn {{ {', '.join(exported)} }};\n}})();\n")
    return '"use strict";\n' + "\n".join(pieces)


def _taken(imported: re.Match[str]) -> str:
    names = f"{{{imported[1].replace(' as ', ': ')}}}" if imported[1] else imported[2]
    return f"const {names} = ${imported[3]};\n"


def page(content: dict[str, Any], numbers: str) -> str:
    """The whole page.

    Args:
        content: what the page shows, see `content.gathered`.
        numbers: the arrays that it refers to, see `pack.Packer.text`.
    """
    folder = sources()
    # a "<" in a name must not end the script that holds it
    embedded = json.dumps(content, ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":"))
    parts = {
        "style": (folder / "style.css").read_text(encoding="utf-8"),
        "d3": (folder / D3).read_text(encoding="utf-8"),
        "licence": (folder / "d3-LICENSE.txt").read_text(encoding="utf-8").strip(),
        "content": embedded.replace("<", "\\u003c"),
        "numbers": numbers,
        "script": bundled(in_order(folder)),
    }
    return _PLACE.sub(lambda match: parts[match[1]], (folder / "page.html").read_text(encoding="utf-8"))
