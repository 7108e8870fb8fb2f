import pytest

from precip_sae.errors import StageError
from precip_sae.files import write_text
from precip_sae.pipeline.inputs import fingerprints, first_difference


def test_files_folders_and_tables_elsewhere_are_covered(tmp_path):
    root, elsewhere = tmp_path / "root", tmp_path / "elsewhere.csv"
    write_text(root / "a" / "b" / "c.py", "1")
    write_text(root / "d.py", "2")
    write_text(elsewhere, "3")
    assert list(fingerprints(root, ["a", "d.py", str(elsewhere)])) == ["a/b/c.py", "d.py", elsewhere.as_posix()]


def test_importing_a_module_does_not_look_like_editing_it(tmp_path):
    write_text(tmp_path / "a" / "b.py", "1")
    before = fingerprints(tmp_path, ["a"])
    write_text(tmp_path / "a" / "__pycache__" / "b.pyc", "2")
    write_text(tmp_path / "a" / ".ipynb_checkpoints" / "n.ipynb", "2")
    assert fingerprints(tmp_path, ["a"]) == before


@pytest.mark.parametrize("change", ["edit", "add", "remove"])
def test_any_change_in_a_folder_is_found(tmp_path, change):
    write_text(tmp_path / "a" / "b.py", "1")
    before = fingerprints(tmp_path, ["a"])
    if change == "edit":
        write_text(tmp_path / "a" / "b.py", "2")
    elif change == "add":
        write_text(tmp_path / "a" / "c.py", "2")
    else:
        (tmp_path / "a" / "b.py").unlink()
    changed = "a/c.py" if change == "add" else "a/b.py"
    assert first_difference(before, fingerprints(tmp_path, ["a"])) == changed


def test_nothing_changed_is_nothing(tmp_path):
    write_text(tmp_path / "a", "1")
    assert first_difference(fingerprints(tmp_path, ["a"]), fingerprints(tmp_path, ["a"])) is None


def test_a_missing_dependency_says_how_to_get_it(tmp_path):
    with pytest.raises(StageError, match=r"^models/rain/mlp does not exist: `dvc pull` .* `dvc repro`"):
        fingerprints(tmp_path, ["models/rain/mlp"])
