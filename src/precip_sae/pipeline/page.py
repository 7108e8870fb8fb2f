"""An executed notebook as one HTML file that reads the same offline: no scripts, fonts or styles from elsewhere."""

import html
import re
from functools import cache
from typing import Any

from nbformat import NotebookNode

_STYLE = """
body { max-width: 62rem; margin: 2rem auto; padding: 0 1rem; color: #1b1b1b; background: #fff;
       font: 1rem/1.55 system-ui, "Segoe UI", "Helvetica Neue", Arial, sans-serif; }
h1, h2, h3 { line-height: 1.25; }
a.anchor-link { display: none; }
code, pre { font: .86rem/1.45 ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; }
pre { margin: 0; white-space: pre-wrap; overflow-wrap: anywhere; }
.prompt { color: #6b6b6b; font-size: .75rem; }
.input_area { padding: .6rem .8rem; background: #f6f6f4; border-left: 3px solid #b9b9b3; }
.output_subarea { padding: .5rem .8rem; overflow-x: auto; }
.celltag_injected-parameters .input_area { border-left-color: #0072b2; }
img, svg { max-width: 100%; height: auto; }
table { border-collapse: collapse; font-size: .9rem; }
th, td { padding: .2rem .6rem; text-align: right; border-bottom: 1px solid #ddd; }
math { font-size: 1.05em; }
@media print { body { max-width: none; margin: 0; } }
"""


def page(notebook: NotebookNode, title: str) -> str:
    """The whole page.

    Args:
        notebook: normalised.
        title: shown by the browser; the notebook's first heading wins.
    """
    from pygments.formatters import HtmlFormatter

    body, _ = _exporter().from_notebook_node(notebook)
    colours = HtmlFormatter(style="default").get_style_defs(".highlight")
    heading = next((m[1] for c in notebook.cells if (m := re.match(r"#\s+(.+)", c.source))), title)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{html.escape(heading)}</title>\n<style>{_STYLE}{colours}\n</style>\n</head>\n"
        f"<body>\n{body.strip()}\n</body>\n</html>\n"
    )


@cache
def _exporter() -> Any:
    """What makes the pages of this process: reading its templates takes longer than making a page."""
    # imported here: nbconvert takes a good part of a second
    from nbconvert import HTMLExporter

    return HTMLExporter(template_name="basic", filters={"markdown2html": _markdown})


def _markdown(source: str) -> str:
    """Markdown as HTML, formulas as MathML: browsers show it without MathJax."""
    import pypandoc
    from nbconvert.filters import markdown2html_mistune

    if "$" not in source:
        return markdown2html_mistune(source)
    return pypandoc.convert_text(source, "html5", format="gfm+tex_math_dollars", extra_args=["--mathml"])
