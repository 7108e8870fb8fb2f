"""An editor gets numbered lines, figures, readable tables, and every reference resolved."""

import re

import pytest

from precip_sae.publication.citation import author_names
from precip_sae.publication.latex import ACROSS, column_shares, image_files, numbered, plain_for_word, submission

HEAD = """\
\\documentclass[
]{article}
\\setcounter{secnumdepth}{-\\maxdimen} % remove section numbering
\\usepackage{natbib}
\\title{A title}
\\author{}
\\begin{document}
\\maketitle

\\textbf{A title}

Below it

"""
TABLE = """\
\\begin{longtable}[]{@{}
  >{\\raggedright\\arraybackslash}p{(\\linewidth - 2\\tabcolsep) * \\real{0.5000}}
  >{\\raggedright\\arraybackslash}p{(\\linewidth - 2\\tabcolsep) * \\real{0.5000}}@{}}
\\caption{\\label{tab-one}Words.}\\tabularnewline
\\toprule\\noalign{}
\\begin{minipage}[b]{\\linewidth}\\raggedright
\\textbf{Name}
\\end{minipage} & \\begin{minipage}[b]{\\linewidth}\\raggedright
\\textbf{Value}
\\end{minipage} \\\\
\\midrule\\noalign{}
\\endfirsthead
\\toprule\\noalign{}
\\textbf{Name} & \\textbf{Value} \\\\
\\midrule\\noalign{}
\\endhead
\\bottomrule\\noalign{}
\\endlastfoot
salt \\& snow & 1.5\\,\\% \\\\
\\end{longtable}
"""


def figure(label: str, caption: str, *images: str) -> str:
    shown = "\n\n".join(f"\\includegraphics[width=\\linewidth]{{../figures/{name}.png}}" for name in images)
    return f"\\begin{{figure}}\n\\centering\n{shown}\n\\caption{{{label}{caption}}}\n\\end{{figure}}\n"


def laid_out(body: str) -> str:
    return submission(HEAD + body + "\\end{document}\n", ["Somebody"])


def test_lines_and_sections_are_numbered_and_the_title_comes_once() -> None:
    text = laid_out("x\n")
    assert "\\linenumbers" in text
    assert "\\setcounter{secnumdepth}{3}\n" in text
    assert "\\title{A title\\\\[1ex] \\large Below it}" in text
    assert text.count("A title") == 1
    assert text.count("Below it") == 1
    assert "\\author{Somebody}" in text


def test_key_points_and_supplement_carry_no_section_number_and_the_authors_come_once() -> None:
    parts = "Somebody\n\n\\subsection{Key Points}\n\\section{Results}\n\\subsection{Skill}\n"
    text = laid_out(parts + "\\section{Open Research}\n\\subsection{Text S1}\n")
    assert text.count("Somebody") == 1
    for bare in ("\\subsection*{Key Points}", "\\section*{Open Research}", "\\subsection*{Text S1}"):
        assert bare in text
    for counted in ("\\section{Results}", "\\subsection{Skill}"):
        assert counted in text


def test_figures_are_vector_files_beside_the_text() -> None:
    body = figure("", "One", "a/b/c")
    assert image_files(body) == {"a/b/c": "a-b-c"}
    assert "{figures/a-b-c.pdf}" in laid_out(body)


def test_images_stand_as_their_caption_says() -> None:
    assert "\\hfill" in laid_out(figure("", "Left: one. Right: two.", "a", "b"))
    stacked = laid_out(figure("", "One (top), two (bottom)", "a", "b"))
    assert "\\hfill" not in stacked
    assert stacked.count("height=0.36\\textheight") == 2


def test_links_to_the_page_that_is_not_submitted_are_gone() -> None:
    text = laid_out("See. \\href{inspector.html\\#view=a&b}{See it in the Inspector.} End.\n")
    assert "See. End." in " ".join(text.split())


def test_citations_beside_a_name_do_not_repeat_it() -> None:
    text = laid_out("King et al. \\citep{king} and \\citep{a}\\citep{b}, \\[x\\] then.\n")
    assert "King et al. \\citeyearpar{king} and \\citep{a,b}," in text
    assert "\\begin{equation}x\\end{equation}" in text


def test_a_table_keeps_its_cells_and_loses_nothing_but_its_boxes() -> None:
    text = laid_out(TABLE)
    assert "minipage" not in text
    assert "\\caption{\\label{tab-one}Words.}" in text
    assert "salt \\& snow & 1.5\\,\\% \\\\" in text
    # salt & snow: 11 letters and one; Value: 5 and one
    for share in (12 / ACROSS, 6 / ACROSS):
        assert f"\\real{{{share:.4f}}}" in text


def test_columns_share_the_page_and_hold_their_longest_word() -> None:
    shares = column_shares([["a" * 10, "word " * 60, "b"], ["a", "word", "b"]])
    assert sum(shares) == pytest.approx(1)
    # at least its longest word and one letter more
    assert shares[0] * ACROSS == pytest.approx(11)
    assert shares[2] * ACROSS == pytest.approx(2)
    assert column_shares([["ab", "cde"]]) == [3 / ACROSS, 4 / ACROSS]


def test_formats_that_do_not_count_get_the_numbers_that_latex_would_print() -> None:
    body = figure("", "Nameless", "a") + TABLE + figure("\\label{fig-two}", "Second", "b")
    text = numbered("See Figure~\\ref{fig-two} and Table~\\ref{tab-one}.\n" + body)
    assert text.startswith("See Figure~2 and Table~1.")
    for caption in ("{Figure 1. Nameless", "\\label{fig-two}Figure 2. Second", "\\label{tab-one}Table 1. Words"):
        assert caption in text
    with pytest.raises(KeyError, match="fig-three"):
        numbered("Figure~\\ref{fig-three}")


def test_word_gets_each_heading_once_and_every_bar() -> None:
    text = plain_for_word(laid_out(TABLE + "of \\textbar r\\textbar{} ."))
    assert text.count("\\textbf{Name}") == 1
    assert "of |r| ." in text


def test_word_stacks_images_as_the_page_does_and_fills_it_with_tables() -> None:
    text = plain_for_word(laid_out(figure("", "One (top), two (bottom)", "a", "b") + TABLE + "\\ensuremath{-}1"))
    assert text.index("figures/a.pdf") < text.index("\\begin{figure}") < text.index("figures/b.pdf")
    shares = re.findall(r"p\{([\d.]+)\\linewidth\}", text)
    assert [float(share) for share in shares] == pytest.approx([0.598, 0.402], abs=1e-3)
    assert "−1" in text


def test_authors_are_those_of_the_citation() -> None:
    authors = [{"name": "A group"}, {"given-names": "Ada", "family-names": "Low"}]
    text = submission(HEAD + "\\end{document}\n", author_names({"authors": authors}))
    assert "\\author{A group \\and Ada Low}" in text
