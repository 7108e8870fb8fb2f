"""DVC follows no imports: a digest that misses a module, or a change of one, keeps results of its earlier self."""

import ast

import pytest

from precip_sae.files import read_json, write_text
from precip_sae.pipeline.digest import EVERYWHERE, PACKAGE, code_digests, meaning, write_digests
from precip_sae.pipeline.stages import Stage, stages

SOURCE = '''\
"""What it is about."""
from pydantic import Field
LIMIT = 3
"""Told beside it."""
class Settings:
    """Told."""
    rows: int = Field(5, ge=1, description="rows of a step")  # told
def f(x):
    """Told."""
    if x > LIMIT:
        raise ValueError(f"{x} is above {LIMIT}")
    return f"{x:.2f}"
'''


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("What it is about.", "What it is really about."),
        ('"""Told beside it."""\n', ""),
        ('    """Told."""\n    rows', "    rows"),
        ("rows of a step", "how many rows a step has"),
        ("  # told", ""),
        ("is above", "is more than"),
        ("LIMIT = 3\n", "\n\nLIMIT = (3)\n"),
    ],
)
def test_a_reworded_sentence_redoes_nothing(old, new):
    assert old in SOURCE
    assert meaning(ast.parse(SOURCE.replace(old, new))) == meaning(ast.parse(SOURCE))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("LIMIT = 3", "LIMIT = 4"),
        ("LIMIT = 3", "LIMIT = 3.0"),
        ("x > LIMIT", "x >= LIMIT"),
        ("Field(5", "Field(6"),
        ("ge=1", "ge=2"),
        (".2f", ".3f"),
        ("rows: int", "rows: float"),
        ("ValueError", "TypeError"),
        ("return f", "yield f"),
        ('    if x > LIMIT:\n        raise ValueError(f"{x} is above {LIMIT}")\n', ""),
    ],
)
def test_whatever_can_change_a_number_is_seen(old, new):
    assert old in SOURCE
    assert meaning(ast.parse(SOURCE.replace(old, new))) != meaning(ast.parse(SOURCE))


@pytest.fixture
def package(tmp_path):
    """A package of five modules: the notebook's own, one imported in a function, one by a folder, one by nobody."""
    root = tmp_path / PACKAGE
    write_text(root / "__init__.py", "")
    write_text(root / "room" / "__init__.py", "from precip_sae.early import x\n")
    write_text(root / "room" / "inner.py", "def f():\n    import precip_sae.lazy\n")
    for name in ("early", "lazy", "idle"):
        write_text(root / f"{name}.py", "x = 1\n")
    return root


@pytest.fixture
def story(tmp_path, notebook):
    path = tmp_path / "notebooks" / "story.ipynb"
    notebook(path, "", "%matplotlib inline\nfrom precip_sae.room import inner")
    return path


def test_imports_are_followed_through_modules_folders_and_functions(package, story):
    names = [PACKAGE, *(f"{PACKAGE}.{name}" for name in ("early", "lazy", "room", "room.inner"))]
    assert list(code_digests(story, package)) == names


@pytest.mark.parametrize("name", ["early", "lazy", "room/inner"])
def test_an_edit_anywhere_below_the_notebook_changes_its_digest(package, story, name):
    before = code_digests(story, package)
    with (package / f"{name}.py").open("a") as stream:
        stream.write("y = 2\n")
    after = code_digests(story, package)
    assert [key for key in before if before[key] != after[key]] == [f"{PACKAGE}.{name.replace('/', '.')}"]


def test_an_edit_of_code_that_the_notebook_does_not_use_changes_nothing(package, story):
    before = code_digests(story, package)
    write_text(package / "idle.py", "x = 2\n")
    assert code_digests(story, package) == before


@pytest.mark.parametrize("stage", stages().values(), ids=stages())
def test_what_makes_pages_and_digits_is_part_of_every_stage(repository, stage: Stage):
    found = code_digests(repository.notebooks / stage.notebook, repository.root / "src" / PACKAGE)
    assert set(EVERYWHERE) < set(found)


def test_training_rests_on_the_engine_and_not_on_figures_or_sentences(repository):
    found = code_digests(repository.notebooks / "train.ipynb", repository.root / "src" / PACKAGE)
    assert f"{PACKAGE}.models.engine.kernels" in found
    assert not [name for name in found if name.startswith((f"{PACKAGE}.figures", f"{PACKAGE}.errors"))]


def test_a_stage_that_is_gone_leaves_no_digest(project, repository):
    write_text(project.digest("gone"), "{}")
    write_digests(project, repository.root / "src" / PACKAGE, stages())
    assert {file.stem for file in project.digests.iterdir()} == set(stages())
    assert read_json(project.digest("train"))
