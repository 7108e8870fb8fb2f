"""Writes docs/pages: the README, CONTRIBUTING, every setting, and a page for each room of the library."""

import ast
import re
import shutil
from pathlib import Path

from precip_sae.files import write_text
from precip_sae.pipeline.keys import described
from precip_sae.settings import Settings

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "src" / "precip_sae"
PAGES = ROOT / "docs" / "pages"
# Links of the README that lead out of the site stay readable as names.
OUTSIDE = re.compile(r"\]\((?!https?:|#|mailto:)([^)]+)\)")


def readme(name: str) -> str:
    """A page of the repository, its pictures copied beside it."""
    text = (ROOT / name).read_text(encoding="utf-8")
    for picture in re.findall(r"!\[[^]]*\]\(([^)]+\.(?:png|gif|svg))\)", text):
        target = PAGES / picture
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / picture, target)
    return OUTSIDE.sub(lambda link: link[0] if (PAGES / link[1]).is_file() else "](#)", text)


def settings() -> str:
    """A table of every key of params.yaml."""
    rows = [f"| `{key}` | {_cell(default)} | {_cell(meaning)} |" for key, default, meaning in described(Settings)]
    return "\n".join(
        [
            "# Settings",
            "",
            "Every key of `params.yaml`.",
            "",
            "| key | default | meaning |",
            "| --- | --- | --- |",
            *rows,
            "",
        ]
    )


def _cell(text: object) -> str:
    return str(text).replace("|", "\\|").replace("<", "&lt;")


def room(folder: Path) -> str:
    """What a room holds, module by module, from the docstrings."""
    about = ast.get_docstring(ast.parse((folder / "__init__.py").read_text(encoding="utf-8"))) or ""
    lines = [f"# {folder.relative_to(PACKAGE)}", "", about, ""]
    for module in sorted(folder.glob("*.py")):
        if module.stem != "__init__":
            name = ".".join(module.relative_to(PACKAGE.parent).with_suffix("").parts)
            lines += [f"## {module.stem}", "", f"::: {name}", "    options:", "      heading_level: 3", ""]
    return "\n".join(lines)


def main() -> None:
    shutil.rmtree(PAGES, ignore_errors=True)
    write_text(PAGES / "index.md", readme("README.md"))
    write_text(PAGES / "contributing.md", readme("CONTRIBUTING.md"))
    write_text(PAGES / "settings.md", settings())
    for initial in sorted(PACKAGE.rglob("__init__.py")):
        folder = initial.parent
        if folder != PACKAGE:
            write_text(PAGES / "library" / f"{'-'.join(folder.relative_to(PACKAGE).parts)}.md", room(folder))


if __name__ == "__main__":
    main()
