"""A finished paper that was archived and unpacked elsewhere still verifies, in its folder alone."""

import zipfile
from pathlib import Path

from precip_sae.files import write_text
from precip_sae.paths import Paths
from precip_sae.publication.archive import write_archive
from precip_sae.review.verify import verify
from tests.review.conftest import dvc, git

CITATION = "title: A small paper\nauthors: [{name: Somebody}]\nversion: 1.0.0\nlicense: MIT\n"


def test_a_reviewer_who_unpacks_the_archive_gets_what_the_authors_got(paper: Paths, tmp_path: Path) -> None:
    write_text(paper.root / "CITATION.cff", CITATION)
    git(paper.root, "add", "--all")
    git(paper.root, "commit", "--quiet", "--message", "a citation")
    folder = tmp_path / "unpacked"
    with zipfile.ZipFile(write_archive(paper, tmp_path / "paper.zip")) as content:
        content.extractall(folder)
    unpacked = Paths(folder.resolve())
    report = verify(unpacked, quick=True)
    assert [f.sentence for f in report.findings if f.verdict == "FAIL"] == []
    assert not report.departs
    dvc(unpacked, "pull", "--quiet")
    assert "up to date" in dvc(unpacked, "status")
