import json
import os
import shutil
from pathlib import Path

import pytest

import precip_sae
from precip_sae.errors import NotebookError, OutputError, PaperError, SettingsError, StageError
from precip_sae.pipeline import environment, runner
from precip_sae.pipeline.environment import notebook_environment
from precip_sae.pipeline.runner import check_parameters, run_stage
from precip_sae.pipeline.stages import stages

TRAIN = stages()["train"]


def outputs(paths, snapshot):
    """What a reader has: everything but the inputs."""
    inputs = (
        "CITATION.cff",
        "notebooks/",
        "data/",
        "params.yaml",
        "paper/manuscript.typ",
        "paper/report.typ",
        "paper/references.bib",
        "paper/claims.yaml",
        "published/",
    )
    return {name: content for name, content in snapshot(paths.root).items() if not name.startswith(inputs)}


@pytest.fixture(scope="module")
def trained(tmp_path_factory, make_project):
    """A project whose train stage has run; copied by `ran`, so that one run serves many tests."""
    paths = make_project(tmp_path_factory.mktemp("trained") / "project")
    run_stage(TRAIN, "rain", paths)
    return paths


@pytest.fixture
def ran(trained, tmp_path):
    shutil.copytree(trained.root, tmp_path / "ran")
    return type(trained)((tmp_path / "ran").resolve())


@pytest.fixture
def instead(monkeypatch):
    """Runs a function where the notebook would be run."""

    def replace(action):
        def execute(source, executed, values, phrase, failed, paths):
            for output in TRAIN.writes:
                path = paths.root / output.replace("${key}", "rain")
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text("new")
            action(paths)
            shutil.copy(source, executed)

        monkeypatch.setattr(runner, "_execute", execute)

    return replace


# What a stage leaves behind


def test_a_stage_does_not_wait_for_libraries_to_take_leave(project, notebook):
    """torch takes down each of its operators, for half a second; all that a notebook makes is written by then."""
    leave = "import atexit\nfrom pathlib import Path\natexit.register(Path('took leave').touch)"
    source = (project.notebooks / TRAIN.notebook).read_text()
    written = next("".join(c["source"]) for c in json.loads(source)["cells"][2:])
    notebook(project.notebooks / TRAIN.notebook, "task = 'rain'", leave, written)
    run_stage(TRAIN, "rain", project)
    assert not (project.root / "took leave").exists()


def test_a_stage_leaves_its_outputs_and_its_page_and_nothing_else(trained, snapshot):
    made = set(outputs(trained, snapshot))
    folders = tuple(TRAIN.outputs("rain"))
    assert made
    assert all(name.startswith(folders) for name in made)
    assert {"paper/supplement/train-rain.ipynb", "paper/supplement/train-rain.html"} <= made


def test_the_notebook_is_given_the_typed_settings_of_its_task(trained):
    given = json.loads((trained.task_results("rain") / "train.json").read_text())
    assert given["task"] == "rain"
    assert given["seeds"] == [0, 1]
    assert given["mlp"] == {"hidden": 3, "epochs": 32, "batch": 32, "learning_rate": 5e-4, "shuffle": "fixed",
                            "class_weights": None, "network": None, "layer": None}  # fmt: skip


def test_running_again_gives_the_same_bytes_in_another_folder_too(trained, ran, snapshot):
    before = outputs(trained, snapshot)
    run_stage(TRAIN, "rain", ran)
    assert outputs(ran, snapshot) == before


def test_nothing_in_an_output_names_this_machine(trained, snapshot):
    for name, content in outputs(trained, snapshot).items():
        assert str(trained.root).encode() not in content, name


def test_files_of_dropped_seeds_do_not_linger(ran, instead):
    (ran.models("rain") / "mlp" / "of_a_dropped_seed.txt").write_text("old")
    instead(lambda paths: None)
    run_stage(TRAIN, "rain", ran)
    assert not (ran.models("rain") / "mlp" / "of_a_dropped_seed.txt").exists()


# Failures: one sentence, and what was there before is still there


@pytest.mark.parametrize(
    ("raised", "sentence"),
    [
        (
            "raise ValueError('first line\\nbatch is 3')",
            "train.ipynb failed in cell 3 with ValueError: batch is 3; "
            "see paper/supplement/train-rain.failed.ipynb (stage train, task rain).",
        ),
        (
            "from precip_sae.errors import TableError\nraise TableError('t.csv: has no column x.')",
            "t.csv: has no column x (stage train, task rain).",
        ),
        (
            "import os\nos._exit(9)",
            "The Python process of train.ipynb died, most often for lack of memory; "
            "see paper/supplement/train-rain.failed.ipynb (stage train, task rain).",
        ),
    ],
    ids=["defect", "user's mistake", "killed"],
)
def test_a_failing_notebook_is_one_sentence_and_leaves_the_earlier_outputs(ran, notebook, snapshot, raised, sentence):
    before = outputs(ran, snapshot)
    half_made = "from precip_sae.paths import locate\n(locate().results / 'rain').mkdir(parents=True, exist_ok=True)\n"
    notebook(ran.notebooks / "train.ipynb", "task = None", half_made + raised)
    with pytest.raises(StageError) as caught:
        run_stage(TRAIN, "rain", ran)
    assert str(caught.value) == sentence
    after = outputs(ran, snapshot)
    kept = after.pop("paper/supplement/train-rain.failed.ipynb")
    assert after == before
    assert json.loads(kept)["cells"]


def test_the_half_run_notebook_goes_when_the_stage_works_again(ran, instead):
    failed = ran.supplement / "train-rain.failed.ipynb"
    failed.write_text("{}")
    instead(lambda paths: None)
    run_stage(TRAIN, "rain", ran)
    assert not failed.exists()


@pytest.mark.parametrize("edited", ["data/table.csv", "notebooks/train.ipynb"])
def test_a_dependency_edited_while_it_runs_is_not_credited_with_the_results(ran, instead, snapshot, edited):
    before = outputs(ran, snapshot)

    def edit(paths):
        with (paths.root / edited).open("a") as stream:
            stream.write(" ")

    instead(edit)
    with pytest.raises(StageError, match=rf"^{edited} changed while it ran.*\(stage train, task rain\)\.$"):
        run_stage(TRAIN, "rain", ran)
    assert outputs(ran, snapshot) == before


def test_a_setting_edited_while_it_runs_is_not_credited_with_the_results(ran, instead, snapshot):
    before = outputs(ran, snapshot)
    instead(lambda paths: paths.params.write_text(paths.params.read_text().replace("hidden: 3", "hidden: 4")))
    with pytest.raises(StageError, match=r"^params.yaml: tasks.rain.mlp changed while it ran"):
        run_stage(TRAIN, "rain", ran)
    assert outputs(ran, snapshot) == before


def test_a_setting_of_another_stage_may_be_edited_meanwhile(ran, instead):
    instead(lambda paths: paths.params.write_text(paths.params.read_text().replace("latents: 4", "latents: 5")))
    run_stage(TRAIN, "rain", ran)


def test_an_output_that_was_not_written_is_named(ran, instead, snapshot):
    before = outputs(ran, snapshot)
    instead(lambda paths: (paths.task_results("rain") / "train.json").unlink())
    with pytest.raises(StageError, match=r"^train.ipynb ended without writing results/rain/train.json"):
        run_stage(TRAIN, "rain", ran)
    assert outputs(ran, snapshot) == before


def test_an_interrupt_leaves_the_earlier_outputs(ran, instead, snapshot):
    before = outputs(ran, snapshot)

    def interrupt(paths):
        raise KeyboardInterrupt

    instead(interrupt)
    with pytest.raises(KeyboardInterrupt):
        run_stage(TRAIN, "rain", ran)
    assert outputs(ran, snapshot) == before


def test_a_full_disk_while_the_page_is_written_leaves_the_earlier_outputs(ran, instead, snapshot, monkeypatch):
    before = outputs(ran, snapshot)
    instead(lambda paths: None)

    write = Path.write_text

    def full(self, *arguments, **options):
        if self.suffix == ".ipynb":
            raise OSError(28, "No space left on device")
        return write(self, *arguments, **options)

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(OutputError, match=r"train-rain.ipynb: cannot be written, the disk is full"):
        run_stage(TRAIN, "rain", ran)
    monkeypatch.undo()
    assert outputs(ran, snapshot) == before


def test_a_missing_table_is_named_before_anything_runs(project):
    (project.data / "table.csv").unlink()
    with pytest.raises(StageError, match=r"^data/table.csv does not exist: `dvc pull`"):
        run_stage(TRAIN, "rain", project)


def test_an_unknown_task_is_refused(project):
    with pytest.raises(SettingsError, match=r"tasks.snow does not exist"):
        run_stage(TRAIN, "snow", project)


def test_code_of_another_copy_of_the_project_is_refused(project):
    (project.root / "src" / "precip_sae").mkdir(parents=True)
    with pytest.raises(StageError, match=r"The running package is .* but this project's is"):
        run_stage(TRAIN, "rain", project)


# The notebook's parameters cell


@pytest.mark.parametrize(
    ("cell", "sentence"),
    [
        ("other = None", "n.ipynb: its parameters cell names 'other', which the stage does not give; known: task."),
        (
            "task = tsak = None",
            "n.ipynb: its parameters cell names 'tsak', which the stage does not give; did you mean 'task'? "
            "known: task.",
        ),
        ("", "n.ipynb: its parameters cell does not name 'task', which the stage gives."),
        ("task =", "n.ipynb: line 1 of its parameters cell is not Python."),
        (None, "n.ipynb: has no cell tagged 'parameters', expected one."),
    ],
    ids=["unknown", "misspelt", "missing", "not Python", "no cell"],
)
def test_a_parameters_cell_that_does_not_fit_is_refused(tmp_path, notebook, cell, sentence):
    notebook(tmp_path / "n.ipynb", cell, "1")
    with pytest.raises(NotebookError) as caught:
        check_parameters(tmp_path / "n.ipynb", TRAIN.parameters)
    assert str(caught.value) == sentence


def test_two_parameters_cells_are_refused(tmp_path, notebook):
    notebook(tmp_path / "n.ipynb", "a = 1", "b = 2")
    content = json.loads((tmp_path / "n.ipynb").read_text())
    content["cells"][-1]["metadata"]["tags"] = ["parameters"]
    (tmp_path / "n.ipynb").write_text(json.dumps(content))
    with pytest.raises(NotebookError, match="has 2 cells tagged 'parameters', expected one"):
        check_parameters(tmp_path / "n.ipynb", ("a",))


@pytest.mark.parametrize("content", ["", "not JSON", "[]", "{}", b"\xff\xfe"], ids=repr)
def test_a_file_that_is_no_notebook_is_refused(tmp_path, content):
    path = tmp_path / "n.ipynb"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(NotebookError, match=r"^n.ipynb: (is not a readable notebook|has no cell tagged)"):
        check_parameters(path, ())


def test_a_missing_notebook_is_refused(tmp_path):
    with pytest.raises(NotebookError, match=r"n.ipynb: no such notebook"):
        check_parameters(tmp_path / "n.ipynb", ())


def test_annotated_and_plain_parameters_are_read(tmp_path, notebook):
    notebook(tmp_path / "n.ipynb", "# what for\na: int = 1\nb = c = {}\nd: str")
    check_parameters(tmp_path / "n.ipynb", ("a", "b", "c", "d"))


# What notebooks inherit


def test_notebooks_run_in_this_project_with_this_package_and_one_thread(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONWARNINGS", "error")
    before = dict(os.environ)
    with notebook_environment(tmp_path):
        inside = dict(os.environ)
    assert dict(os.environ) == before
    assert inside["PRECIP_SAE_ROOT"] == str(tmp_path)
    assert inside["PYTHONPATH"].split(os.pathsep)[0] == str(Path(precip_sae.__file__).resolve().parents[1])
    assert inside["PYTHONHASHSEED"] == "0"
    assert inside["OMP_NUM_THREADS"] == inside["MKL_NUM_THREADS"] == "1"
    assert Path(inside["MATPLOTLIBRC"]).is_file()
    assert environment.SAME_DIGITS.items() <= inside.items()
    assert "PYTHONWARNINGS" not in inside


def test_no_temporary_folder_is_a_sentence(tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(environment.tempfile, "TemporaryDirectory", full)
    with pytest.raises(PaperError, match="the disk is full"), notebook_environment(tmp_path):
        pass


def test_stderr_of_the_cells_is_shown_and_not_kept(ran, monkeypatch, capsys):
    def execute(source, executed, values, phrase, failed, paths):
        for output in TRAIN.writes:
            (paths.root / output.replace("${key}", "rain")).parent.mkdir(parents=True, exist_ok=True)
            (paths.root / output.replace("${key}", "rain")).write_text("new")
        content = json.loads(source.read_text())
        content["cells"][1]["outputs"] = [{"output_type": "stream", "name": "stderr", "text": "a warning\n"}]
        executed.write_text(json.dumps(content))

    monkeypatch.setattr(runner, "_execute", execute)
    run_stage(TRAIN, "rain", ran)
    assert "a warning" in capsys.readouterr().err
    assert "a warning" not in (ran.supplement / "train-rain.ipynb").read_text()
