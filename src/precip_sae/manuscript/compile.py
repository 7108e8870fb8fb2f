"""The manuscript from its source: PDF through Typst, LaTeX and standalone text through pandoc."""

import re
from pathlib import Path

from precip_sae.errors import ManuscriptError
from precip_sae.files import replacing, write_text


def compile_pdf(source: Path, pdf: Path, root: Path, inputs: dict[str, str] | None = None) -> None:
    """Compiles a Typst file; the same inputs give the same bytes.

    Only the fonts inside the typst package are used, so that no machine's own fonts change the pages.

    Args:
        source: the .typ file.
        pdf: where to write.
        root: folder that absolute paths in the source start from.
        inputs: text that the source asks for as `sys.inputs`.

    Raises:
        ManuscriptError: it does not compile, or compiles with a warning (a missing font is only a warning).
    """
    import typst

    try:
        pages, warnings = typst.compile_with_warnings(
            str(source),
            root=str(root),
            format="pdf",
            ignore_system_fonts=True,
            timestamp=0,
            sys_inputs=inputs or {},
        )
    except typst.TypstError as error:
        raise ManuscriptError(f"{source.name}: does not compile, {_place(error)}.") from error
    if warnings:
        raise ManuscriptError(f"{source.name}: compiles with a warning, {_place(warnings[0])}.")
    with replacing(pdf) as beside:
        beside.write_bytes(pages)


def _place(problem: Exception) -> str:
    """Typst's message and, where it tells, the line."""
    line = re.search(r"┌─ .*?:(\d+):\d+", getattr(problem, "diagnostic", "") or "")
    message = (getattr(problem, "message", "") or str(problem)).strip().splitlines()[0]
    return message + (f" (line {line.group(1)})" if line else "")


def compile_tex(source: Path, tex: Path) -> None:
    """Writes the manuscript as LaTeX for a journal, numbers filled in.

    Figures are named as PNG, which every LaTeX reads; the vector files beside them are SVG.

    Raises:
        ManuscriptError: pandoc cannot read the source.
    """
    import pypandoc

    try:
        # from text and inside its folder: given a file, pandoc writes absolute paths, and hashes them into a PDF id
        text = pypandoc.convert_text(
            source.read_text(encoding="utf-8"),
            "latex",
            format="typst",
            extra_args=["--standalone", "--wrap=preserve"],
            cworkdir=str(source.parent),
        )
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[-1]
        raise ManuscriptError(f"{source.name}: pandoc cannot turn it into LaTeX ({reason}).") from error
    write_text(tex, journal_latex(text, source.with_name("references.bib")))


_IMAGE = re.compile(r"(?:\\pandocbounded\{)?\\includesvg(?:\[[^]]*\])?\{([^}]*)\.(?:svg|png)\}\}?")
_LABELLED = re.compile(
    r"\\begin\{(figure|longtable)\}(.*?)\\end\{\1\}\s*\\protect\\phantomsection\\label\{((?:fig|tab)-[^}]*)\}\{\}", re.S
)
_CAPTION = re.compile(r"\\caption\{(.*?)\}(?:\\tabularnewline)?\n", re.S)
# Figures and tables of the supplement are counted anew: S1, S2, ...
_SUPPLEMENT = "\\section{Supporting Information}"
_COUNTED_ANEW = "".join(
    f"\\setcounter{{{kind}}}{{0}}\n\\renewcommand{{\\the{kind}}}{{S\\arabic{{{kind}}}}}\n"
    for kind in ("figure", "table")
)


def journal_latex(text: str, bibliography: Path) -> str:
    """Pandoc's LaTeX with what it loses on the way from Typst: citations, references, labels, grids of figures.

    Args:
        text: LaTeX as pandoc writes it.
        bibliography: the .bib file, whose keys are the citations.
    """
    text = _LABELLED.sub(_float, text)
    text = _IMAGE.sub(r"\\includegraphics[width=\\linewidth]{\1.png}", text)
    for key in re.findall(r"@\w+\{([^,]+),", bibliography.read_text(encoding="utf-8")):
        text = text.replace(f"{{[}}{key}{{]}}", f"\\citep{{{key}}}")
    text = re.sub(r"\\hyperref\[((fig|tab)-[^]]*)\]\{\{\[\}\1\{\]\}\}", _reference, text)
    text = text.replace("\\usepackage{svg}", "\\usepackage{natbib}")
    # pdfLaTeX knows neither the minus sign nor the raised one
    text = text.replace("\\textsuperscript{−1}", "\\textsuperscript{-1}").replace("−", "\\ensuremath{-}")
    text = text.replace(_SUPPLEMENT, _COUNTED_ANEW + _SUPPLEMENT)
    end = f"\\bibliographystyle{{plainnat}}\n\\bibliography{{{bibliography.stem}}}\n\n\\end{{document}}"
    return text.replace("\\end{document}", end)


def _reference(match: re.Match[str]) -> str:
    word = "Figure" if match[2] == "fig" else "Table"
    return f"{word}~\\ref{{{match[1]}}}"


def _float(match: re.Match[str]) -> str:
    """A figure or table with its label inside; a grid of images, which pandoc makes a table, as a figure."""
    environment, body, label = match.groups()
    if environment == "longtable" and label.startswith("fig-"):
        images = "\n\n".join(found[0] for found in _IMAGE.finditer(body))
        caption = _CAPTION.search(body)
        body = f"\n\\centering\n{images}\n\\caption{{{caption[1] if caption else ''}}}\n"
        environment = "figure"
    body = _CAPTION.sub(
        lambda found: found[0].replace("\\caption{", f"\\caption{{\\label{{{label}}}", 1), body, count=1
    )
    return f"\\begin{{{environment}}}{body}\\end{{{environment}}}"
