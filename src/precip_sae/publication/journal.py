"""`precip-sae journal`: the manuscript as a journal takes it, LaTeX with its figures and a Word file, in one folder."""

import os
import shutil
import subprocess
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from precip_sae.errors import PublicationError
from precip_sae.files import output_error
from precip_sae.manuscript.compile import compile_pdf
from precip_sae.paths import Paths
from precip_sae.publication.citation import author_names
from precip_sae.publication.latex import image_files, numbered, plain_for_word, submission
from precip_sae.publication.zipped import write_zip
from precip_sae.settings import read_yaml

# The first day that a zip can hold: the submission says nothing of when it was made.
WHEN = datetime(1980, 1, 1, tzinfo=UTC)
README = """\
manuscript.tex    LaTeX (article, numbered lines): pdflatex, bibtex, pdflatex, pdflatex
references.bib    the literature
figures/          vector graphics, one file each
manuscript.docx   the same text for a word processor, figures as pictures

A journal's own class goes into the first line of manuscript.tex.
"""


def write_journal(paths: Paths) -> Path:
    """Writes build/journal and the same as build/journal.zip; the same manuscript gives the same bytes.

    Returns:
        The folder.

    Raises:
        PublicationError: the manuscript or a figure of it is not there, or pandoc cannot read the manuscript.
        PaperError: a figure does not compile, or a file cannot be written.
    """
    source = paths.paper / "manuscript.tex"
    if not source.is_file():
        raise PublicationError(f"{source}: no such file, expected what `dvc repro paper` makes.")
    text = source.read_text(encoding="utf-8")
    images = image_files(text)
    for name in images:
        for suffix in (".svg", ".png"):
            if not (paths.figures / f"{name}{suffix}").is_file():
                raise PublicationError(f"{paths.figures / name}{suffix}: no such file, but the manuscript shows it.")
    laid_out = submission(text, author_names(read_yaml(paths.root / "CITATION.cff")))
    folder = paths.root / "build" / "journal"
    try:
        folder.parent.mkdir(exist_ok=True)
        scratch = tempfile.TemporaryDirectory(prefix="journal-", dir=folder.parent)
    except OSError as error:
        raise output_error(folder, error) from error
    with scratch as name:
        whole = Path(name) / "whole"
        (whole / "figures").mkdir(parents=True)
        (whole / "manuscript.tex").write_text(laid_out, encoding="utf-8", newline="\n")
        (whole / "README.txt").write_text(README, encoding="utf-8", newline="\n")
        shutil.copyfile(paths.paper / "references.bib", whole / "references.bib")
        for figure, flat in images.items():
            _as_pdf(paths, figure, whole / "figures" / f"{flat}.pdf", Path(name))
        _as_docx(laid_out, images, paths, whole / "manuscript.docx")
        shutil.rmtree(folder, ignore_errors=True)
        whole.replace(folder)
    members = {f.relative_to(folder).as_posix(): f for f in folder.rglob("*") if f.is_file()}
    write_zip(folder.with_suffix(".zip"), members, WHEN)
    return folder


def _as_pdf(paths: Paths, figure: str, target: Path, scratch: Path) -> None:
    """A figure as PDF, vectors kept, by the program that sets the manuscript."""
    page = scratch / "figure.typ"
    name = f"{paths.relative(paths.figures)}/{figure}.svg"
    page.write_text(f'#set page(width: auto, height: auto, margin: 0pt)\n#image("/{name}")\n', encoding="utf-8")
    compile_pdf(page, target, paths.root)


def _as_docx(text: str, images: dict[str, str], paths: Paths, target: Path) -> None:
    """The laid out LaTeX as a Word file, by pandoc: pictures inside, references and literature resolved."""
    import pypandoc

    for figure, flat in images.items():
        text = text.replace(f"{{figures/{flat}.pdf}}", f"{{{figure}.png}}")
    command = [
        pypandoc.get_pandoc_path(), "--from=latex", "--to=docx", "--standalone", "--number-sections", "--citeproc",
        f"--bibliography={paths.paper / 'references.bib'}", f"--output={target}",
    ]  # fmt: skip
    done = subprocess.run(
        command,
        input=numbered(plain_for_word(text)),
        cwd=paths.figures,
        env=os.environ | {"SOURCE_DATE_EPOCH": str(int(WHEN.timestamp()))},
        encoding="utf-8",
        capture_output=True,
        check=False,
    )
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise PublicationError(f"manuscript.tex: pandoc cannot turn it into a Word file ({reason}).")
