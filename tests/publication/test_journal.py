"""The submission is whole: LaTeX compiles, Word shows the same, nothing names a file that is not there."""

import re
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest

from precip_sae.errors import PublicationError
from precip_sae.files import write_json, write_text
from precip_sae.manuscript.compile import compile_tex
from precip_sae.paths import Paths
from precip_sae.publication.journal import write_journal

SOURCE = """\
#let numbers = json("numbers.json")
#let n(key) = numbers.at(key).text
#set document(title: "A title")
*A title*

Below it

= Results
It is #n("a.b") @king2025, see @fig-one and @tab-one; $ x = y $
#figure(image("../figures/deep/one.svg"), caption: [One of |r|]) <fig-one>
#let rows = ([rain & snow], [−1.5 %], [#n("a.b")], [2.90])
#figure(table(columns: 2, table.header([Name], [Value]), ..rows), caption: [Words]) <tab-one>
#bibliography("references.bib")
"""
SVG = '<svg xmlns="http://www.w3.org/2000/svg" width="30" height="10"><rect width="30" height="10"/></svg>'
BIB = "@article{king2025, title={Rain}, author={King, F.}, year={2025}, journal={J}}\n"
needs_tex = pytest.mark.skipif(
    shutil.which("pdflatex") is None or shutil.which("bibtex") is None,
    reason="no TeX here (Debian: texlive-latex-extra, lmodern); `make journal` itself needs none",
)


@pytest.fixture
def small_paper(tmp_path: Path, repository: Paths) -> Paths:
    """A manuscript with one of everything, as the stage `paper` makes it."""
    paths = Paths((tmp_path / "a paper").resolve())
    write_json(paths.paper / "numbers.json", {"a.b": {"value": 0.331, "text": "33.1 %"}})
    for name, text in {
        "CITATION.cff": "authors: [{name: Somebody}]\n",
        "paper/references.bib": BIB,
        "paper/manuscript.typ": SOURCE,
        "figures/deep/one.svg": SVG,
    }.items():
        write_text(paths.root / name, text)
    shutil.copyfile(next(repository.figures.rglob("*.png")), paths.figures / "deep" / "one.png")
    compile_tex(paths.paper / "manuscript.typ", paths.paper / "manuscript.tex")
    return paths


def pages(folder: Path) -> str:
    """The log of the last of pdfLaTeX's runs on a copy of the submission; it has to succeed."""
    for command in ("pdflatex", "bibtex", "pdflatex", "pdflatex", "pdflatex"):
        options = ["-interaction=nonstopmode", "-halt-on-error"] if command == "pdflatex" else []
        done = subprocess.run([command, *options, "manuscript"], cwd=folder, capture_output=True, check=False)
        assert done.returncode == 0, done.stdout.decode(errors="replace")[-2000:]
    return (folder / "manuscript.log").read_text(errors="replace")


def words(docx: Path) -> str:
    """What a Word file says, markup left out."""
    with zipfile.ZipFile(docx) as content:
        return re.sub(r"<[^>]+>", " ", content.read("word/document.xml").decode())


@needs_tex
def test_latex_compiles_with_every_reference_resolved(small_paper: Paths) -> None:
    log = pages(write_journal(small_paper))
    assert "undefined" not in log
    assert "Missing character" not in log
    assert "figures/deep-one.pdf" in log


def test_word_shows_figures_tables_numbers_and_literature(small_paper: Paths) -> None:
    docx = write_journal(small_paper) / "manuscript.docx"
    text = " ".join(words(docx).split())
    for expected in ("33.1 %", "−1.5 %", "2.90", "see Figure 1 and Table 1", "King", "Rain"):
        assert expected in text
    for caption in ("Figure 1. One of |r|", "Table 1. Words"):
        assert caption in text
    with zipfile.ZipFile(docx) as content:
        markup = content.read("word/document.xml").decode()
        assert sum(name.startswith("word/media/") for name in content.namelist()) == 1
    assert markup.count("<pic:pic") == 1
    assert markup.count("<w:tbl>") == 1


def test_the_same_manuscript_gives_the_same_submission(small_paper: Paths) -> None:
    folder = write_journal(small_paper)
    first = folder.with_suffix(".zip").read_bytes()
    (folder / "left over.txt").write_text("of an earlier one")
    assert write_journal(small_paper).with_suffix(".zip").read_bytes() == first
    with zipfile.ZipFile(folder.with_suffix(".zip")) as content:
        assert sorted(content.namelist()) == [
            "README.txt", "figures/deep-one.pdf", "manuscript.docx", "manuscript.tex", "references.bib",
        ]  # fmt: skip
    assert str(small_paper.root) not in (folder / "manuscript.tex").read_text()


def test_a_missing_figure_is_named_and_the_earlier_submission_stays(small_paper: Paths) -> None:
    folder = write_journal(small_paper)
    (small_paper.figures / "deep" / "one.svg").unlink()
    with pytest.raises(PublicationError, match=r"deep/one\.svg: no such file, but the manuscript shows it"):
        write_journal(small_paper)
    assert (folder / "manuscript.tex").is_file()


def test_without_a_manuscript_the_stage_is_named(small_paper: Paths) -> None:
    (small_paper.paper / "manuscript.tex").unlink()
    with pytest.raises(PublicationError, match="`dvc repro paper`"):
        write_journal(small_paper)


@pytest.mark.slow
@needs_tex
def test_the_papers_own_submission_compiles_and_word_has_every_figure(repository: Paths, tmp_path: Path) -> None:
    paths = Paths((tmp_path / "paper").resolve())
    for name in ("paper", "figures"):
        shutil.copytree(repository.root / name, paths.root / name, ignore=shutil.ignore_patterns("supplement"))
    shutil.copyfile(repository.root / "CITATION.cff", paths.root / "CITATION.cff")
    folder = write_journal(paths)
    log = pages(folder)
    assert "undefined" not in log
    assert "Missing character" not in log
    assert max(map(float, re.findall(r"Overfull \\hbox \(([\d.]+)pt", log)), default=0) < 20
    text = (folder / "manuscript.tex").read_text()
    with zipfile.ZipFile(folder / "manuscript.docx") as content:
        markup = content.read("word/document.xml").decode()
    assert markup.count("<pic:pic") == text.count("\\includegraphics")
    shown = words(folder / "manuscript.docx")
    lost = [cell for cell in re.findall(r"& (\d[\d.]+) (?=&)", text) if cell not in shown]
    assert lost == [], "pandoc lost numbers that cells begin with"
    for number in range(1, text.count("\\begin{figure}") + 1):
        assert f"Figure {number}." in shown
