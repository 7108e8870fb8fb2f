"""A figure that cannot say where it comes from, or says it differently every time, is no evidence."""

import shutil
from pathlib import Path
from xml.etree import ElementTree

import pytest
from matplotlib.figure import Figure
from matplotlib.image import imread

from precip_sae.figures.style import save
from precip_sae.manuscript.compile import compile_pdf
from precip_sae.pipeline.content import content_md5
from precip_sae.pipeline.stamp import BESIDE, Basis, Stamp, read_stamp, stamp_folder, unstamped

BASIS = Basis("1" * 16, "2" * 16, "3" * 16)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    figures = tmp_path / "figures"
    figure = Figure(figsize=(2, 1))
    figure.subplots().plot([0, 1], [0, 1])
    save(figure, figures / "line")
    (figures / "table.csv").write_text("a,b\n1,2\n")
    (figures / "table.tex").write_text("\\begin{tabular}{ll}\n\\end{tabular}\n")
    return figures


@pytest.mark.parametrize("name", ["line.svg", "line.png", "table.csv", "table.tex"])
def test_every_figure_and_table_says_which_stage_made_it_of_what(name: str, folder: Path) -> None:
    assert read_stamp(folder / name) is None
    stamp_folder(folder, folder.parent, 'interpret@rain & "snow" <é>', BASIS)
    assert read_stamp(folder / name) == Stamp('interpret@rain & "snow" <é>', f"figures/{name}", BASIS)


@pytest.mark.parametrize("name", ["line.svg", "line.png", "table.tex"])
def test_stamping_changes_nothing_of_what_is_drawn(name: str, folder: Path) -> None:
    before = (folder / name).read_bytes()
    stamp_folder(folder, folder.parent, "observe", BASIS)
    after = (folder / name).read_bytes()
    assert after != before
    assert unstamped(Path(name).suffix, after) == before
    stamp_folder(folder, folder.parent, "observe", BASIS)
    assert (folder / name).read_bytes() == after, "a second stamp takes the place of the first"


def test_a_stamped_figure_still_opens(folder: Path) -> None:
    pixels = imread(folder / "line.png")
    stamp_folder(folder, folder.parent, "observe", BASIS)
    assert (imread(folder / "line.png") == pixels).all()
    ElementTree.parse(folder / "line.svg")
    assert (folder / "table.csv").read_text() == "a,b\n1,2\n", "no reader of the CSV has to know of stamps"


def test_the_stamp_does_not_reach_the_pages_of_the_manuscript(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "m.typ").write_text('#image("figures/line.svg")\n')
    compile_pdf(tmp_path / "m.typ", tmp_path / "before.pdf", tmp_path)
    stamp_folder(folder, tmp_path, "observe", BASIS)
    compile_pdf(tmp_path / "m.typ", tmp_path / "after.pdf", tmp_path)
    assert (tmp_path / "before.pdf").read_bytes() == (tmp_path / "after.pdf").read_bytes()


def test_a_copied_figure_still_says_what_it_was(folder: Path) -> None:
    stamp_folder(folder, folder.parent, "observe", BASIS)
    shutil.copy(folder / "line.svg", folder / "other.svg")
    stamp = read_stamp(folder / "other.svg")
    assert stamp is not None
    assert stamp.file == "figures/line.svg"


def test_what_is_no_picture_is_left_alone(folder: Path) -> None:
    (folder / "broken.png").write_bytes(b"no PNG")
    stamp_folder(folder, folder.parent, "observe", BASIS)
    assert (folder / "broken.png").read_bytes() == b"no PNG"
    assert read_stamp(folder / "broken.png") is None


def test_only_folders_with_tables_get_a_file_beside_them(folder: Path) -> None:
    (folder / "table.csv").unlink()
    stamp_folder(folder, folder.parent, "observe", BASIS)
    assert not (folder / BESIDE).exists()


def test_a_folder_has_the_digest_that_dvc_gives_it(folder: Path) -> None:
    from dvc_data.hashfile.build import build
    from dvc_data.hashfile.db import HashFileDB
    from dvc_objects.fs.local import LocalFileSystem

    fs = LocalFileSystem()
    (folder / "inner").mkdir()
    (folder / "inner" / "z é.txt").write_text("x")
    (folder / "inner-1.txt").write_text("y")
    store = HashFileDB(fs, str(folder.parent / "store"))
    _, _, found = build(store, str(folder), fs, "md5")
    assert content_md5(folder) == found.hash_info.value
    _, _, found = build(store, str(folder / "table.csv"), fs, "md5")
    assert content_md5(folder / "table.csv") == found.hash_info.value
    assert content_md5(folder / "missing") is None
