"""The manuscript's LaTeX laid out for a submission: numbered lines and sections, columns as wide as their text.

paper/manuscript.tex is what pandoc makes of the Typst source; here it gets what an editor asks for. Only `article` and
packages that every TeX distribution has are used.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence

# Letters across the page in the size in which tables are set (8 of 10 points, margins of one inch).
ACROSS = 105
# No column is wider only because of one word longer than this; it may break.
LONGEST = 22
# The first section after the numbered ones.
AFTER = "\\section{Open Research}"
PREAMBLE = r"""\ifdefined\pdfminorversion\pdfminorversion=7\fi
\usepackage[letterpaper,margin=1in]{geometry}
\usepackage{lineno}
\linenumbers
"""
_IMAGE = re.compile(r"\\includegraphics\[width=\\linewidth\]\{\.\./figures/([^}]*)\.png\}")
_TO_THE_PAGE = re.compile(r"\s*\\href\{inspector\.html[^}]*\}\{[^}]*\}")
_FLOAT = re.compile(r"\\begin\{(figure|longtable)\}.*?\\end\{\1\}", re.S)
_LABEL = re.compile(r"\\label\{((?:fig|tab)-[^}]*)\}")
_CELL_BOX = re.compile(r"\\begin\{minipage\}\[b\]\{\\linewidth\}\\raggedright\n(.*?)\n\\end\{minipage\}", re.S)
_RULES = re.compile(r"\\(?:toprule|midrule|bottomrule)\\noalign\{\}|\\end(?:first|last)?(?:head|foot)")


def submission(text: str, authors: Sequence[str]) -> str:
    """The manuscript as one file of a submission; figures are PDF files in `figures/`, see `image_files`.

    Args:
        text: paper/manuscript.tex.
        authors: their names.
    """
    text = text.replace("\\documentclass[\n]{article}", "\\documentclass[10pt]{article}", 1)
    text = text.replace("\\begin{document}", f"{PREAMBLE}\n\\begin{{document}}", 1)
    text = re.sub(r"\\setcounter\{secnumdepth\}\{[^}]*\}[^\n]*", r"\\setcounter{secnumdepth}{3}", text, count=1)
    text = text.replace("\\usepackage{natbib}", "\\usepackage[round]{natbib}", 1)
    text = text.replace("\\author{}", "\\author{" + " \\and ".join(authors) + "}", 1)
    # the text repeats the title that LaTeX sets, and has a line below it
    title = text.partition("\\title{")[2].partition("}\n")[0]
    repeated = re.search(rf"(?<=\\maketitle\n)\n\\textbf\{{{re.escape(title)}\}}\n\n(.+)\n", text)
    if repeated:
        text = text.replace(repeated[0], "", 1)
        text = text.replace(f"\\title{{{title}}}", f"\\title{{{title}\\\\[1ex] \\large {repeated[1]}}}", 1)
    # and the authors' names
    text = text.replace(f"\n{', '.join(authors)}\n\n\\subsection", "\n\\subsection", 1)
    text = _numbered_between(text)
    # the Inspector is not part of a submission
    text = _TO_THE_PAGE.sub("", text)
    text = re.sub(r"(?<!\\)\\\[(.*?)\\\]", r"\\begin{equation}\1\\end{equation}", text, flags=re.S)
    text = re.sub(r"(et al\.) \\citep\{", r"\1 \\citeyearpar{", text)
    text = re.sub(r"(?:\\citep\{[^}]*\}){2,}", _merged, text)
    return _FLOAT.sub(lambda found: _laid_out(found[0], found[1]), text)


def image_files(text: str) -> dict[str, str]:
    """The figures that the manuscript shows, below `figures/` without suffix, and their names in the submission."""
    return {name: name.replace("/", "-") for name in _IMAGE.findall(text)}


def numbered(text: str) -> str:
    """The same text with the numbers of figures and tables written out, for formats that do not count them.

    Raises:
        KeyError: a reference to a label that no figure or table has.
    """
    counts, called = Counter[str](), dict[str, str]()

    def count(found: re.Match[str]) -> str:
        """A float with its number in front of its caption."""
        if "\\caption{" not in found[0]:
            return found[0]
        counts[found[1]] += 1
        word = f"{'Figure' if found[1] == 'figure' else 'Table'} {counts[found[1]]}"
        label = _LABEL.search(found[0])
        called.update({label[1]: word} if label else {})
        return re.sub(r"\\caption\{(\\label\{[^}]*\})?", lambda start: f"{start[0]}{word}. ", found[0], count=1)

    text = _FLOAT.sub(count, text)
    return re.sub(r"(?:Figure|Table)~\\ref\{([^}]*)\}", lambda found: called[found[1]].replace(" ", "~"), text)


def _numbered_between(text: str) -> str:
    """The same text with sections numbered from the first one to AFTER, as in the PDF."""
    front, section, rest = text.partition("\\section{")
    body, after, back = rest.partition(AFTER)
    bare_front, bare_back = (re.sub(r"\\((?:sub)*section)\{", r"\\\1*{", part) for part in (front, after + back))
    return bare_front + section + body + bare_back


def _merged(found: re.Match[str]) -> str:
    return f"\\citep{{{','.join(re.findall(r'{([^}]*)}', found[0]))}}}"


def _laid_out(text: str, kind: str) -> str:
    return _table(text) if kind == "longtable" else _figure(text)


def _figure(text: str) -> str:
    """A figure whose images share a page: in pairs where its caption speaks of left and right, else stacked."""
    images, caption = _IMAGE.findall(text), text.partition("\\caption{")[2]
    pairs = len(images) > 1 and {"left", "right"} <= set(re.findall(r"\w+", caption.lower()))
    width, height = (0.49, 1.44 / len(images)) if pairs else (1, 0.72 / max(len(images), 1))
    options = f"width={width:g}\\linewidth,height={height:.2f}\\textheight,keepaspectratio"
    graphics = [f"\\includegraphics[{options}]{{figures/{name.replace('/', '-')}.pdf}}" for name in images]
    rows = ["\\hfill\n".join(graphics[k : k + 2]) for k in range(0, len(graphics), 2)] if pairs else graphics
    stack = "\n\n".join(rows)
    return f"\\begin{{figure}}\n\\centering\n{stack}\n\\caption{{{caption}" if images else text


def _table(text: str) -> str:
    """A table in small letters, the page shared among its columns by what stands in them."""
    start = text.index("{", len("\\begin{longtable}"))
    end = _closing(text, start)
    body = _CELL_BOX.sub(r"\1", text[end + 1 :])
    rows = list(_rows(body))
    shares = column_shares(rows)
    space = f"(\\linewidth - {2 * (len(shares) - 1)}\\tabcolsep)"
    columns = "".join(f">{{\\raggedright\\arraybackslash}}p{{{space} * \\real{{{share:.4f}}}}}" for share in shares)
    small = "{\\footnotesize\\setlength{\\tabcolsep}{3pt}\\setlength{\\LTcapwidth}{\\linewidth}\n"
    return f"{small}\\begin{{longtable}}{{@{{}}{columns}@{{}}}}{body}}}"


def column_shares(rows: list[list[str]]) -> list[float]:
    """The share of the page that each column gets, at most 1 in sum.

    A column gets at least its longest word; what is left is shared by how much longer the longest cell is. Where
    everything fits, columns are as wide as their longest cells.

    Args:
        rows: cells as LaTeX, all rows of the same length.
    """
    cells = [[_plain(row[place]) for row in rows] for place in range(len(rows[0]))]
    # one letter more: bold headings are wider than their letters
    need = [min(max(len(word) for cell in column for word in (cell.split() or [""])), LONGEST) + 1 for column in cells]
    want = [max(need[place], *(len(cell) + 1 for cell in column)) for place, column in enumerate(cells)]
    if sum(want) <= ACROSS:
        return [each / ACROSS for each in want]
    spare, missing = max(ACROSS - sum(need), 0), sum(want) - sum(need)
    widths = [least + spare * (most - least) / max(missing, 1) for least, most in zip(need, want, strict=True)]
    return [each / sum(widths) for each in widths]


def _rows(body: str) -> Iterator[list[str]]:
    """The cells of every row of a longtable, header included."""
    after = _RULES.sub("", body[body.index("\\tabularnewline") :].removeprefix("\\tabularnewline"))
    lines = [line for line in after.partition("\\end{longtable}")[0].split("\\\\\n") if line.strip()]
    rows = [re.split(r"(?<!\\)&", line) for line in lines]
    longest = max(len(row) for row in rows)
    return (row for row in rows if len(row) == longest)


def _plain(cell: str) -> str:
    """What a cell shows, near enough to count its letters."""
    cell = re.sub(r"\\ensuremath\{-\}", "-", cell).replace("\\,", "~")
    cell = re.sub(r"\\hspace\{0pt\}", " ", cell)
    cell = re.sub(r"\\[a-zA-Z]+\s*", "", cell)
    return re.sub(r"[{}\\$]", "", cell).strip()


def plain_for_word(text: str) -> str:
    """Laid out LaTeX without what pandoc would print, repeat, shrink or lose.

    It loses a number that a cell begins with after a column's `\\arraybackslash`, and puts all images of a figure side
    by side.
    """
    for layout in ("\\linenumbers\n", "\\setlength{\\LTcapwidth}{\\linewidth}", ">{\\raggedright\\arraybackslash}"):
        text = text.replace(layout, "")
    text = re.sub(r",height=[\d.]+\\textheight,keepaspectratio", "", text)
    text = re.sub(r"\\endfirsthead\n.*?\\endhead", r"\\endhead", text, flags=re.S)
    # a minus sign as a letter: as a formula it is invisible where no formulas are shown
    text = text.replace("\\ensuremath{-}", "−")
    text = _FLOAT.sub(lambda found: _one_row(found[0]) if found[1] == "figure" else _whole_width(found[0]), text)
    return re.sub(r"\\textbar(?:\{\}| )", "|", text)


def _whole_width(table: str) -> str:
    """A table whose columns fill the page, their widths written as pandoc reads them.

    Word sets tables in the size of the text and pads every cell, so that narrow columns need more.
    """
    shares = [float(share) + 0.06 for share in re.findall(r"\* \\real\{([\d.]+)\}\}", table)]
    widths = (f"p{{{share / sum(shares):.4f}\\linewidth}}" for share in shares)
    return re.sub(r"p\{\([^)]*\) \* \\real\{[\d.]+\}\}", lambda found: next(widths), table)


def _one_row(figure: str) -> str:
    """A figure of its last row of images, the rows above as paragraphs before it."""
    before, _, rest = figure.partition("\\centering\n")
    images, _, caption = rest.partition("\n\\caption")
    *above, last = images.replace("\\hfill\n", " ").split("\n\n")
    return "\n\n".join([*above, f"{before}\\centering\n{last}\n\\caption{caption}"]) if caption else figure


def _closing(text: str, opening: int) -> int:
    """Where the brace at `opening` is closed."""
    depth = 0
    for place in range(opening, len(text)):
        depth += {"{": 1, "}": -1}.get(text[place], 0)
        if not depth:
            return place
    raise ValueError("a brace is not closed")
