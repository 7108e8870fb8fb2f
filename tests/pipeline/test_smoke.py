import errno
import shutil
import subprocess
from pathlib import Path

import pytest

from precip_sae.errors import OutputError, SettingsError
from precip_sae.files import write_text
from precip_sae.pipeline.smoke import copy_project, environment, merged, small_settings, smoke
from precip_sae.settings import Settings, parse, project_settings

OVERLAY = "simulation: {records: 250}\nevery_task: {seeds: [7], mlp: {epochs: 1}}\n"


def test_an_overlay_goes_deep_and_leaves_the_rest():
    base = {"a": {"b": 1, "c": 2}, "d": [1, 2]}
    assert merged(base, {"a": {"b": 3}, "d": [9], "e": 5}) == {"a": {"b": 3, "c": 2}, "d": [9], "e": 5}
    assert base == {"a": {"b": 1, "c": 2}, "d": [1, 2]}


def test_every_task_is_made_small_a_new_one_too(project):
    text = project.params.read_text()
    rain = text[text.index("  rain:\n") : text.index("standards:")]
    project.params.write_text(text.replace("standards:", rain.replace("rain:", "snow:") + "standards:"))
    write_text(project.root / "small.yaml", OVERLAY)
    small = parse(Settings, small_settings(project.params, project.root / "small.yaml"), "small")
    assert small.simulation.records == 250
    for task in small.tasks.values():
        assert (task.seeds, task.mlp.epochs, task.mlp.hidden) == ([7], 1, 3)


@pytest.mark.parametrize("slip", ["every_tasks: {}", "every_task: {mpl: {}}", "simulation: {records: 1}"])
def test_a_slip_in_the_overlay_is_named(project, slip):
    write_text(project.root / "small.yaml", slip)
    with pytest.raises(SettingsError, match=r"^params.yaml with small.yaml: "):
        small_settings(project.params, project.root / "small.yaml")


def test_the_project_s_own_overlay_makes_every_task_small(repository):
    content = small_settings(repository.params, repository.root / "params.smoke.yaml")
    small = project_settings(content, repository.root, "params.smoke.yaml")
    assert small.simulation.records < 10_000
    assert all(len(t.seeds) <= 3 and t.mlp.epochs <= 5 and t.sae.epochs <= 5 for t in small.tasks.values())


def test_the_copy_has_the_sources_and_neither_outputs_nor_data_nor_history(project, tmp_path):
    for name in (
        "dvc.yaml", "dvc.lock", "data.dvc", ".git/HEAD", ".venv/x", ".venv-docs/x", ".mypy_cache/x",
        ".dvc/config", ".dvc/config.local", ".dvc/cache/x",
        ".dvc/store/x", "models/rain/mlp/x", "results/rain/train.json", "figures/x.svg", "paper/numbers.json",
        "paper/supplement/x.html", "paper/reports/rain.pdf",
        "src/precip_sae/models/mlp.py", "src/precip_sae/__pycache__/x.pyc",
        "src/precip_sae/figures/x.py", "tests/test_x.py",
    ):  # fmt: skip
        write_text(project.root / name, "x")
    copy = copy_project(project, tmp_path / "copy")
    names = {p.relative_to(copy.root).as_posix() for p in copy.root.rglob("*") if p.is_file()}
    assert {n for n in names if not n.startswith("notebooks/")} == {
        "CITATION.cff",
        "params.yaml",
        "dvc.yaml",
        ".dvc/config",
        "paper/manuscript.typ",
        "paper/report.typ",
        "paper/references.bib",
        "paper/claims.yaml",
        "published/classifier.json",
        "published/network.json",
        "src/precip_sae/models/mlp.py",
        "src/precip_sae/figures/x.py",
    }
    assert "notebooks/train.ipynb" in names


def test_the_copy_has_the_study_s_networks_but_not_the_observations(project, tmp_path):
    write_text(project.published / "classifier.json", "{}")
    copy = copy_project(project, tmp_path / "copy")
    assert sorted(p.name for p in copy.published.iterdir()) == ["classifier.json", "network.json"]
    assert not copy.data.exists()


def test_a_copy_inside_the_project_does_not_copy_itself(project):
    copy = copy_project(project, project.root / "smoke")
    assert (copy.root / "params.yaml").is_file()
    assert not (copy.root / "smoke").exists()


def test_a_folder_with_something_in_it_is_refused(project, tmp_path):
    write_text(tmp_path / "mine" / "thesis.txt", "x")
    with pytest.raises(OutputError, match=r"mine: is not empty, expected a new or empty folder"):
        copy_project(project, tmp_path / "mine")
    assert [p.name for p in (tmp_path / "mine").iterdir()] == ["thesis.txt"]


def test_a_folder_that_cannot_hold_the_copy_is_left_empty(project, tmp_path, monkeypatch):
    def no_room(source, target, **_):
        if Path(source).name == "params.yaml":
            raise OSError(errno.ENOSPC, "No space left on device")
        write_text(Path(target), "x")

    monkeypatch.setattr(shutil, "copyfile", no_room)
    with pytest.raises(OutputError, match=r"copy: not everything could be copied there \(the disk is full\)\."):
        copy_project(project, tmp_path / "copy")
    assert list((tmp_path / "copy").iterdir()) == []


def test_a_private_folder_stays_private(project, tmp_path):
    (tmp_path / "copy").mkdir(mode=0o700)
    copy = copy_project(project, tmp_path / "copy")
    assert copy.root.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("given", ["", "/tmp/a folder", "it's; touch broken", "$(touch broken)", "-x"])
def test_make_smoke_uses_a_fresh_private_folder_or_the_one_named_as_it_is_named(repository, tmp_path, given):
    """The recipe itself, with a command that says what it is given."""
    recipe = ["make", "--silent", "--file", str(repository.root / "Makefile"), "--assume-old=.venv/.ready"]
    dry = [*recipe, "--dry-run", "smoke", f"SMOKE_DIR={given.replace('$', '$$')}"]
    script = subprocess.run(dry, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    script = script[script.index("folder=") :]
    shown = f'precip-sae() {{ printf "%s\n" "$3"; }}; {script}'
    found = subprocess.run(["bash", "-c", shown], cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    folder = Path(found.removesuffix("\n"))
    assert not (tmp_path / "broken").exists()
    if given:
        assert str(folder) == given
    else:
        assert folder.stat().st_mode & 0o777 == 0o700
        folder.rmdir()


def test_a_file_where_the_folder_should_be_is_refused(project, tmp_path):
    write_text(tmp_path / "file", "x")
    with pytest.raises(OutputError, match=r"file: .*a file stands where a folder is needed"):
        copy_project(project, tmp_path / "file")


def test_a_project_without_overlay_is_refused(project, tmp_path):
    with pytest.raises(SettingsError, match=r"params.smoke.yaml: no such file"):
        smoke(project, tmp_path / "copy")


def test_stages_of_the_copy_run_the_sources_of_the_copy(project, monkeypatch):
    monkeypatch.setenv("PRECIP_SAE_ROOT", "/elsewhere")
    monkeypatch.setenv("PYTHONPATH", "/mine")
    found = environment(project)
    assert "PRECIP_SAE_ROOT" not in found
    assert found["PYTHONPATH"].startswith(f"{project.root}/src")
    assert found["PYTHONPATH"].endswith("/mine")
