"""The manuscript's source becomes pages and LaTeX, or one sentence."""

from pathlib import Path

import pytest

from precip_sae.errors import ManuscriptError
from precip_sae.files import read_json, write_json
from precip_sae.manuscript.claims import headlines, ledger_markdown
from precip_sae.manuscript.compile import compile_pdf, compile_tex, journal_latex
from precip_sae.manuscript.readme import BEGIN, END, with_results

HEAD = '#let numbers = json("numbers.json")\n#let n(key) = numbers.at(key).text\n'
SVG = '<svg xmlns="http://www.w3.org/2000/svg" width="30" height="10"><rect width="30" height="10"/></svg>'


@pytest.fixture
def paper(tmp_path: Path) -> Path:
    write_json(tmp_path / "numbers.json", {"a.b": {"value": 0.331, "text": "33.1 %"}})
    (tmp_path / "references.bib").write_text("@misc{king2025,\n title={T}, author={A}, year={2025}}\n")
    (tmp_path / "x.svg").write_text(SVG)
    return tmp_path


def source(paper: Path, body: str) -> Path:
    path = paper / "m.typ"
    path.write_text(HEAD + body)
    return path


def test_the_same_source_gives_the_same_pdf(paper: Path) -> None:
    path = source(paper, 'The reduction is #n("a.b").')
    for name in ("one.pdf", "two.pdf"):
        compile_pdf(path, paper / name, paper)
    assert (paper / "one.pdf").read_bytes() == (paper / "two.pdf").read_bytes()
    assert (paper / "one.pdf").read_bytes().startswith(b"%PDF")


def test_a_number_that_does_not_exist_stops_the_manuscript_and_leaves_the_earlier_pages(paper: Path) -> None:
    (paper / "m.pdf").write_text("earlier")
    with pytest.raises(ManuscriptError, match=r"m\.typ: does not compile, .*a\.c"):
        compile_pdf(source(paper, '#n("a.c")'), paper / "m.pdf", paper)
    assert (paper / "m.pdf").read_text() == "earlier"


def test_a_missing_font_is_an_error_not_another_looking_page(paper: Path) -> None:
    with pytest.raises(ManuscriptError, match=r"warning.*unknown font"):
        compile_pdf(source(paper, '#set text(font: "No Such Font")\nHello'), paper / "m.pdf", paper)


def test_latex_keeps_numbers_citations_references_and_figures(paper: Path) -> None:
    body = (
        '= Results\nIt is #n("a.b") @king2025, see @fig-one and @fig-two.\n\n'
        '#figure(image("x.svg"), caption: [One]) <fig-one>\n\n'
        '#figure(grid(columns: 2, image("x.svg"), image("x.svg")), caption: [Two]) <fig-two>\n'
        '#bibliography("references.bib")\n'
    )
    compile_tex(source(paper, body), paper / "m.tex")
    text = (paper / "m.tex").read_text()
    assert "33.1 \\%" in text or "33.1~\\%" in text
    assert r"\citep{king2025}" in text
    assert r"\bibliography{references}" in text
    assert text.count(r"\includegraphics[width=\linewidth]{x.png}") == 3
    for label in ("fig-one", "fig-two"):
        assert f"Figure~\\ref{{{label}}}" in text
        assert f"\\caption{{\\label{{{label}}}" in text
    assert text.count(r"\begin{figure}") == 2
    assert str(paper) not in text


def test_latex_is_the_same_in_every_folder(paper: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "315532800")
    body = '#n("a.b") is −1 #figure(image("x.svg"), caption: [One]) <fig-one>'
    compile_tex(source(paper, body), paper / "m.tex")
    other = paper / "elsewhere"
    other.mkdir()
    for name in ("numbers.json", "references.bib", "x.svg"):
        (other / name).write_bytes((paper / name).read_bytes())
    compile_tex(source(other, body), other / "m.tex")
    assert (other / "m.tex").read_bytes() == (paper / "m.tex").read_bytes()
    assert "−" not in (paper / "m.tex").read_text(), "pdfLaTeX does not know this character"


def test_a_table_keeps_its_caption_and_label(tmp_path: Path) -> None:
    (tmp_path / "r.bib").write_text("")
    text = (
        "\\begin{longtable}[]{@{}l@{}}\n\\caption{Skill.}\\tabularnewline\nx \\\\\n\\end{longtable}\n\n"
        "\\protect\\phantomsection\\label{tab-skill}{}"
    )
    out = journal_latex(text, tmp_path / "r.bib")
    assert "\\caption{\\label{tab-skill}Skill.}\\tabularnewline" in out
    assert "\\end{longtable}" in out


def test_figures_and_tables_of_the_supplement_are_counted_anew_in_latex(tmp_path: Path) -> None:
    (tmp_path / "r.bib").write_text("")
    out = journal_latex("\\section{Results}\n\\section{Supporting Information}\n", tmp_path / "r.bib")
    before, after = out.split("\\section{Supporting Information}")
    for kind in ("figure", "table"):
        assert f"\\setcounter{{{kind}}}{{0}}" in before
        assert f"\\renewcommand{{\\the{kind}}}{{S\\arabic{{{kind}}}}}" in before
    assert "renewcommand" not in after


def test_the_readme_says_what_the_results_rest_on_and_keeps_the_rest() -> None:
    text = with_results(f"before\n{BEGIN}\nold\n{END}\nafter\n", "| ledger |\n", "simulated observations")
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "simulated observations" in text
    assert "| ledger |" in text
    assert "old" not in text
    assert with_results(text, "| ledger |\n", "simulated observations") == text
    with pytest.raises(ManuscriptError, match="lacks the mark"):
        with_results("no marks", "", "simulation")


def test_the_readme_shows_the_current_ledger() -> None:
    root = Path(__file__).parents[2]
    judged = root / "paper" / "claims.json"
    assert judged.is_file(), "paper/claims.json is kept in git: run `dvc repro verify`"
    ledger = ledger_markdown(headlines(read_json(judged)))
    assert ledger in (root / "README.md").read_text(), "run `precip-sae readme`"
