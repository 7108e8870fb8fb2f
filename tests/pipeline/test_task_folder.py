import errno
import os
import shutil
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

import pytest

from precip_sae.cli import main
from precip_sae.errors import OutputError, SettingsError, StageError, TableError
from precip_sae.files import WRITING, write_text
from precip_sae.paths import Paths
from precip_sae.pipeline import task_folder
from precip_sae.pipeline.task_folder import run_task
from precip_sae.settings import load_settings
from precip_sae.tables.read import read_table

TASK = """\
title: Rain rate
data: {table: tables/mine.csv, predictors: [a, b], response: y, kind: regression}
seeds: [0, 1]
"""
TABLE = "a,b,y\n" + "".join(f"{k},{k % 7},{k % 5}\n" for k in range(90))


@pytest.fixture
def file(tmp_path):
    write_text(tmp_path / "tables" / "mine.csv", TABLE)
    write_text(tmp_path / "rain.yaml", TASK)
    return tmp_path / "rain.yaml"


@pytest.fixture
def ran(monkeypatch):
    """The stages that were run, by name; nothing is executed, their outputs are written."""
    names = []

    def run(stage, task, paths):
        names.append(stage.name)
        for output in stage.outputs(task):
            path = paths.root / output
            write_text(path if path.suffix else path / "x", f"{stage.values(load_settings(paths.params), task)}")

    monkeypatch.setattr(task_folder, "run_stage", run)
    return names


def test_the_stages_run_in_order_in_a_folder_of_their_own(file, tmp_path, project, ran):
    run_task(file, tmp_path / "out", project)
    assert ran == ["train", "fit", "interpret", "report", "companions"]
    paths = Paths(tmp_path / "out")
    settings = load_settings(paths.params)
    assert list(settings.tasks) == ["rain"]
    assert settings.tasks["rain"].mlp.hidden == 6
    assert (paths.root / settings.tasks["rain"].data.table).read_text() == TABLE
    assert sorted(p.name for p in paths.notebooks.iterdir()) == [
        "companions.ipynb",
        "fit.ipynb",
        "interpret.ipynb",
        "report.ipynb",
        "train.ipynb",
    ]


def test_every_subset_is_tried_where_the_file_asks_for_it(file, tmp_path, project, ran):
    write_text(file, TASK + "search: {pool: [a, b], size: 1, seeds: [3]}\n")
    run_task(file, tmp_path / "out", project)
    assert ran == ["train", "fit", "interpret", "report", "search", "subsets", "companions", "picked"]
    subsets = load_settings(Paths(tmp_path / "out").params).search.tasks["rain"]
    assert (subsets.table, subsets.size, subsets.seeds) == ("data/mine.csv", 1, [3])


@pytest.mark.parametrize(
    ("section", "sentence"),
    [
        ("5", "rain.yaml: search is 5, expected keys and values"),
        ("{pool: [a, b], size: 3}", "rain.yaml: search: size is 3, expected at most 2"),
        ("{pol: [a, b]}", "rain.yaml: search.pol is not a known key; did you mean 'pool'"),
    ],
)
def test_a_slip_in_the_search_of_a_task_file_is_one_sentence(file, tmp_path, project, ran, section, sentence):
    write_text(file, TASK + f"search: {section}\n")
    with pytest.raises(SettingsError, match=sentence):
        run_task(file, tmp_path / "out", project)
    assert ran == []


@pytest.fixture
def pooled(monkeypatch):
    """What was pooled: the folds' settings, in order; nothing is read."""
    given = []
    monkeypatch.setattr(task_folder, "_pool", lambda *arguments: given.append([d.fold for d in arguments[5]]))
    return given


def cross_validated(file, folds, rows=200):
    """Makes the task one of so many folds, and its table long enough for them."""
    write_text(file, TASK.replace("regression}", f"regression, folds: {folds}}}"))
    write_text(file.parent / "tables" / "mine.csv", "a,b,y\n" + "".join(f"{k},{k % 7},{k % 5}\n" for k in range(rows)))


STAGES = ["train", "fit", "interpret", "report", "companions"]


def test_every_fold_runs_as_the_task_that_it_is_and_is_pooled(file, tmp_path, project, ran, pooled):
    cross_validated(file, 2)
    said = []
    run_task(file, tmp_path / "out", project, say=said.append)
    assert ran == STAGES * 2
    assert pooled == [[1, 2]]
    assert said[0] == "fold 1 of 2, train: running."
    assert said[5] == "fold 2 of 2, train: running."
    for fold in (1, 2):
        data = load_settings(tmp_path / "out" / "folds" / str(fold) / "params.yaml").tasks["rain"].data
        assert (data.folds, data.fold) == (2, fold)


def test_an_interrupted_cross_validation_goes_on_in_the_fold_where_it_stopped(
    file, tmp_path, project, ran, pooled, monkeypatch
):
    cross_validated(file, 3)
    run = task_folder.run_stage

    def stops(stage, task, paths):
        if paths.root.name == "2" and stage.name == "interpret":
            raise KeyboardInterrupt
        run(stage, task, paths)

    with monkeypatch.context() as patch:
        patch.setattr(task_folder, "run_stage", stops)
        with pytest.raises(KeyboardInterrupt):
            run_task(file, tmp_path / "out", project)
    assert pooled == []
    ran.clear()
    run_task(file, tmp_path / "out", project)
    assert ran == [*STAGES[2:], *STAGES]
    assert pooled == [[1, 2, 3]]


def test_folds_that_are_no_longer_asked_for_are_removed(file, tmp_path, project, ran, pooled):
    for folds in (3, 2):
        cross_validated(file, folds)
        run_task(file, tmp_path / "out", project)
    assert sorted(p.name for p in (tmp_path / "out" / "folds").iterdir()) == ["1", "2"]


def test_a_run_of_fewer_folds_that_is_refused_leaves_the_others_to_whoever_works_there(
    file, tmp_path, project, ran, pooled, monkeypatch
):
    cross_validated(file, 3)
    run, refused = task_folder.run_stage, []

    def meanwhile(stage, task, paths):
        if paths.root.name == "3" and not refused:
            cross_validated(file, 2)
            with pytest.raises(StageError, match="already works there") as said:
                run_task(file, tmp_path / "out", project)
            refused.append(said)
        run(stage, task, paths)

    monkeypatch.setattr(task_folder, "run_stage", meanwhile)
    run_task(file, tmp_path / "out", project)
    assert ran == STAGES * 3
    assert pooled == [[1, 2, 3]]


def test_folds_do_not_fill_a_folder_of_something_else(file, tmp_path, project, ran, pooled):
    run_task(file, tmp_path / "out", project)
    cross_validated(file, 2)
    with pytest.raises(OutputError, match="out: holds something else than folds of task rain"):
        run_task(file, tmp_path / "out", project)


def test_folds_that_the_table_does_not_allow_are_told_before_anything_is_written(file, tmp_path, project, ran):
    cross_validated(file, 10, rows=90)
    with pytest.raises(TableError, match=r"of 90 usable rows fold 1 of 10 leaves 9 to the part test"):
        run_task(file, tmp_path / "out", project)
    assert not (tmp_path / "out").exists()


def test_a_second_run_does_nothing(file, tmp_path, project, ran):
    said = []
    run_task(file, tmp_path / "out", project)
    run_task(file, tmp_path / "out", project, say=said.append)
    assert ran == ["train", "fit", "interpret", "report", "companions"]
    assert said == [f"{name}: nothing changed, skipped." for name in ran]


def test_only_what_a_changed_setting_touches_is_redone(file, tmp_path, project, ran):
    run_task(file, tmp_path / "out", project)
    ran.clear()
    write_text(file, TASK + "sae: {latents: 5}\n")
    run_task(file, tmp_path / "out", project)
    assert ran == ["fit", "interpret", "report", "companions"]


@pytest.mark.parametrize("changed", ["tables/mine.csv", "project/notebooks/train.ipynb"])
def test_a_changed_table_or_notebook_is_noticed(file, tmp_path, project, ran, changed):
    run_task(file, tmp_path / "out", project)
    ran.clear()
    with (tmp_path / changed).open("a") as stream:
        stream.write("\n")
    run_task(file, tmp_path / "out", project)
    assert ran[0] == "train"


def no_room(*_: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_new_folder_that_cannot_be_prepared_is_left_empty(file, tmp_path, project, ran, monkeypatch):
    monkeypatch.setattr(shutil, "copyfile", no_room)
    with pytest.raises(OutputError, match="the disk is full"):
        run_task(file, tmp_path / "out", project)
    assert list((tmp_path / "out").iterdir()) == ran == []


def test_a_folder_that_cannot_be_prepared_again_keeps_what_it_holds(file, tmp_path, project, ran, monkeypatch):
    run_task(file, tmp_path / "out", project)
    before = sorted((tmp_path / "out").rglob("*"))
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "copyfile", no_room)
        with pytest.raises(OutputError, match="the disk is full"):
            run_task(file, tmp_path / "out", project)
    assert sorted((tmp_path / "out").rglob("*")) == before


@pytest.mark.parametrize("function", ["_link", "_source"])
def test_a_run_that_was_killed_while_it_prepared_its_folder_goes_on(
    file, tmp_path, project, ran, monkeypatch, function
):
    with monkeypatch.context() as patch:
        patch.setattr(task_folder, function, lambda *_: sys.exit())
        patch.setattr(task_folder, "emptied_on_failure", nullcontext)  # which whoever is killed does not come to
        with pytest.raises(SystemExit):
            run_task(file, tmp_path / "out", project)
    run_task(file, tmp_path / "out", project)
    assert ran == ["train", "fit", "interpret", "report", "companions"]


def test_a_run_that_was_killed_while_it_wrote_its_first_file_goes_on(file, tmp_path, project, ran):
    write_text(tmp_path / "out" / f"{WRITING}0-1-params.yaml", "{")
    run_task(file, tmp_path / "out", project)
    assert ran == ["train", "fit", "interpret", "report", "companions"]


def test_a_run_that_failed_continues_where_it_stopped(file, tmp_path, project, ran, monkeypatch):
    run = task_folder.run_stage

    def fails(stage, task, paths):
        if stage.name == "fit":
            raise StageError("fit failed.")
        run(stage, task, paths)

    with monkeypatch.context() as patch:
        patch.setattr(task_folder, "run_stage", fails)
        with pytest.raises(StageError, match="fit failed"):
            run_task(file, tmp_path / "out", project)
    run_task(file, tmp_path / "out", project)
    assert ran == ["train", "fit", "interpret", "report", "companions"]


def test_a_deleted_result_is_made_again(file, tmp_path, project, ran):
    run_task(file, tmp_path / "out", project)
    ran.clear()
    (tmp_path / "out" / "results" / "rain" / "fit.json").unlink()
    run_task(file, tmp_path / "out", project)
    assert ran == ["fit"]


def test_a_first_look_uses_few_seeds_and_epochs(file, tmp_path, project, ran):
    write_text(project.root / "params.smoke.yaml", "every_task: {seeds: [5], mlp: {epochs: 1}}")
    run_task(file, tmp_path / "out", project, smoke=True)
    task = load_settings(tmp_path / "out" / "params.yaml").tasks["rain"]
    assert (task.seeds, task.mlp.epochs) == ([5], 1)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (TASK + "mpl: {}\n", r"^rain.yaml: mpl is not a known key; did you mean 'mlp'"),
        (TASK.replace("mine.csv", "other.csv"), r"^rain.yaml: data.table names .*other.csv: no such file"),
        ("", r"^rain.yaml: "),
    ],
)
def test_a_slip_in_the_task_file_is_named(file, tmp_path, project, ran, content, sentence):
    write_text(file, content)
    with pytest.raises(SettingsError, match=sentence):
        run_task(file, tmp_path / "out", project)
    assert not (tmp_path / "out").exists()


def test_a_mistake_in_the_table_is_told_before_anything_is_written(file, tmp_path, project, ran):
    write_text(tmp_path / "tables" / "mine.csv", TABLE.replace("\n8,", "\nmany,"))
    with pytest.raises(TableError, match=r"mine.csv: column 'a' holds 'many' in row 9"):
        run_task(file, tmp_path / "out", project)
    assert ran == []
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("third", "sentence"),
    [
        (None, r"mine.csv: has no column 'c'"),
        (lambda k: 1, r"mine.csv: column 'c' is constant .* \(rows that hold the search's inputs a, b\)\.$"),
        (lambda k: k if k < 15 else "", r"mine.csv: 15 usable rows .* \(rows that hold the search's inputs a, c\)\.$"),
    ],
    ids=["absent", "constant", "mostly missing"],
)
def test_a_mistake_that_only_the_search_meets_is_told_before_anything_is_written(
    file, tmp_path, project, ran, third, sentence
):
    if third is not None:
        first, *lines = TABLE.splitlines()
        own = [f"{line},{third(k)}" for k, line in enumerate(lines)]
        write_text(tmp_path / "tables" / "mine.csv", "\n".join([f"{first},c", *own]) + "\n")
    write_text(file, TASK + "search: {pool: [a, b, c], size: 2, seeds: [3]}\n")
    with pytest.raises(TableError, match=sentence):
        run_task(file, tmp_path / "out", project)
    assert ran == []
    assert not (tmp_path / "out").exists()


def test_a_name_that_cannot_be_a_task_is_refused(file, tmp_path, project, ran):
    with pytest.raises(SettingsError, match=r"^my-rain.yaml: .*'my-rain' is not letters"):
        run_task(file.rename(tmp_path / "my-rain.yaml"), tmp_path / "out", project)


def test_a_missing_task_file_is_refused(tmp_path, project):
    with pytest.raises(SettingsError, match=r"rain.yaml: no such file"):
        run_task(tmp_path / "rain.yaml", tmp_path / "out", project)


def test_the_file_may_have_its_own_names_for_columns_that_the_search_alone_uses(file, tmp_path, project, ran):
    write_text(tmp_path / "tables" / "mine.csv", TABLE.replace("a,b,y", "a,B 2,y"))
    task = TASK.replace("kind:", "file: {columns: {b: B 2}}, kind:").replace("[a, b]", "[a]")
    write_text(file, task)
    with pytest.raises(SettingsError, match=r"^rain.yaml: data.file.columns names 'b', which the task does not use"):
        run_task(file, tmp_path / "out", project)
    write_text(file, task + "search: {pool: [a, b], size: 1, seeds: [3]}\n")
    run_task(file, tmp_path / "out", project)
    assert "search" in ran


@pytest.mark.parametrize("holds", ["thesis.txt", "params.yaml"])
def test_a_folder_that_holds_something_else_is_left_alone(file, tmp_path, project, ran, holds):
    write_text(tmp_path / "out" / holds, "tasks: {snow: {}}\n")
    with pytest.raises(OutputError, match=r"out: holds something else than task rain"):
        run_task(file, tmp_path / "out", project)
    assert [p.name for p in (tmp_path / "out").iterdir()] == [holds]


def test_a_file_where_the_folder_should_be_is_a_sentence(file, tmp_path, project, ran):
    write_text(tmp_path / "out", "x")
    with pytest.raises(OutputError, match="a file stands where a folder is needed"):
        run_task(file, tmp_path / "out", project)


def test_a_platform_without_links_gets_a_copy_of_the_table(file, tmp_path, project, ran, monkeypatch):
    def refuse(*_):
        raise OSError(1, "not permitted")

    monkeypatch.setattr("pathlib.Path.symlink_to", refuse)
    run_task(file, tmp_path / "out", project)
    assert not (tmp_path / "out" / "data" / "mine.csv").is_symlink()
    assert (tmp_path / "out" / "data" / "mine.csv").read_text() == TABLE


def test_the_table_of_the_folder_may_be_named_as_the_table(file, tmp_path, project, ran):
    for table in (None, tmp_path / "out" / "data" / "mine.csv"):
        run_task(file, tmp_path / "out", project, table=table)
    assert (tmp_path / "out" / "data" / "mine.csv").read_text() == TABLE
    assert ran == STAGES


@pytest.mark.parametrize("table", ["months", "months/2019-*.csv", "20*/m.csv"])
def test_several_files_are_one_table_and_a_changed_one_is_noticed(file, tmp_path, project, ran, table):
    head, *lines = TABLE.splitlines()
    for month in range(3):
        part = "\n".join([head, *lines[30 * month : 30 * month + 30]]) + "\n"
        write_text(tmp_path / "months" / f"2019-{month}.csv", part)
        write_text(tmp_path / f"20{month}" / "m.csv", part)
    write_text(file, TASK.replace("tables/mine.csv", table))
    for _ in range(2):
        run_task(file, tmp_path / "out", project)
    assert ran == ["train", "fit", "interpret", "report", "companions"]
    data = load_settings(tmp_path / "out" / "params.yaml").tasks["rain"].data
    assert read_table(tmp_path / "out" / data.table, data)["a"].tolist() == list(range(90))
    changed = tmp_path / ("201/m.csv" if table == "20*/m.csv" else "months/2019-1.csv")
    write_text(changed, changed.read_text() + "90,1,2\n")
    run_task(file, tmp_path / "out", project)
    assert ran[5] == "train"


def test_a_task_runs_in_any_folder(file, tmp_path, ran, monkeypatch, capsys):
    monkeypatch.chdir(file.parent)
    assert main(["task", "run", file.name, "--out", "out", "--smoke"]) == 0, capsys.readouterr().err
    assert (tmp_path / "out" / "notebooks" / "train.ipynb").is_file()
    assert (tmp_path / "out" / "paper" / "report.typ").is_file()


def test_a_wheel_holds_all_that_a_task_needs(repository, tmp_path):
    """Built and unpacked: the package then stands alone."""
    files = ["src", "notebooks", "paper/report.typ", "params.smoke.yaml", "dvc.yaml", "pyproject.toml", "setup.py"]
    for name in [*files, "README.md", "LICENSE"]:
        source, target = repository.root / name, tmp_path / "source" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        ignore = shutil.ignore_patterns("*.egg-info", "__pycache__")
        shutil.copytree(source, target, ignore=ignore) if source.is_dir() else shutil.copyfile(source, target)
    build = "from setuptools.build_meta import build_wheel; import sys; build_wheel(sys.argv[1])"
    command = [sys.executable, "-W", "ignore", "-c", build, str(tmp_path)]
    subprocess.run(command, cwd=tmp_path / "source", check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    shutil.unpack_archive(wheel, tmp_path / "installed", "zip")
    found = "from precip_sae.paths import shipped; from precip_sae.pipeline.stages import stages; "
    found += "print(shipped().root, *(shipped().notebooks.joinpath(s.notebook).is_file() for s in stages().values()))"
    environment = os.environ | {"PYTHONPATH": str(tmp_path / "installed")}
    command = [sys.executable, "-c", found]
    done = subprocess.run(command, cwd=tmp_path, env=environment, check=True, capture_output=True, text=True)
    place, *there = done.stdout.split()
    assert place == str(tmp_path / "installed" / "precip_sae" / "project")
    assert set(there) == {"True"}
    assert {"params.smoke.yaml", "dvc.yaml"} <= {path.name for path in Path(place).iterdir()}
    assert (Path(place) / "paper" / "report.typ").is_file()


def test_two_runs_in_one_folder_at_once_are_refused_and_the_first_goes_on(file, tmp_path, project, ran, monkeypatch):
    run, refused = task_folder.run_stage, []

    def again(stage, task, paths):
        if not refused:
            with pytest.raises(StageError, match=rf"out: process {os.getpid()} already works there") as said:
                run_task(file, tmp_path / "out", project)
            refused.append(said)
        run(stage, task, paths)

    monkeypatch.setattr(task_folder, "run_stage", again)
    run_task(file, tmp_path / "out", project)
    assert ran == ["train", "fit", "interpret", "report", "companions"]
