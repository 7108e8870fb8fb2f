"""Every mistake at the command line is one sentence, and a status that scripts can tell."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from precip_sae import terminal
from precip_sae.cli import main
from precip_sae.pipeline import runner
from precip_sae.pipeline.stages import stages

SOURCES = Path(terminal.__file__).parents[1]


@pytest.fixture
def here(project, monkeypatch):
    monkeypatch.chdir(project.root)
    return project


def said(capsys) -> str:
    """The one line on stderr."""
    output = capsys.readouterr()
    assert len(output.err.splitlines()) == 1, output.err
    assert "Traceback" not in output.err
    return output.err.strip()


def test_help_answers_at_once_because_nothing_heavy_is_imported():
    heavy = "numpy, pandas, torch, pydantic, matplotlib, papermill, nbconvert, dvc, rich.progress"
    code = f"import sys, precip_sae.cli; print(*(m for m in {heavy.split(', ')} if m in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


@pytest.mark.parametrize("ignored", [False, True])
def test_an_interrupt_while_the_command_is_imported_shows_no_traceback(tmp_path, ignored):
    (tmp_path / "typer.py").write_text(
        "import signal, time\nprint('importing', flush=True)\nprint(input(), flush=True)\nraise SystemExit(7)\n"
    )
    # a shell has what it runs in the background ignore interrupts, and this may be in the background
    with_signal = (
        "import os, signal, sys; signal.signal(2, getattr(signal, sys.argv[1])); os.execv(sys.argv[2], sys.argv[2:])"
    )
    heard = "SIG_IGN" if ignored else "SIG_DFL"
    start = [sys.executable, "-c", with_signal, heard, sys.executable, "-m", "precip_sae"]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), str(SOURCES)])}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(start, env=environment, text=True, **pipes) as process:
        assert process.stdout.readline() == "importing\n"
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate("go on\n")
    assert (process.returncode, errors) == (7 if ignored else -signal.SIGINT, "")


@pytest.mark.parametrize("command", [[], ["task"]], ids=["all", "task"])
def test_help_names_the_commands(capsys, command):
    assert main([*command, "--help"]) == 0
    names = (
        ["run"]
        if command
        else [
            "simulate",
            "ingest",
            "write-archive",
            "stage",
            "settings",
            "rows",
            "verify",
            "why",
            "diff",
            "smoke",
            "task",
        ]
    )
    shown = capsys.readouterr().out
    assert all(name in shown for name in names)


@pytest.mark.parametrize("arguments", [["nonsense"], ["stage"], ["smoke"], ["simulate", "--records", "many"]])
def test_a_misused_command_line_is_status_2(capsys, arguments):
    assert main(arguments) == 2
    assert "Traceback" not in capsys.readouterr().err


def test_settings_explains_every_key(capsys):
    assert main(["settings"]) == 0
    shown = capsys.readouterr().out
    assert "tasks.<name>.sae.l1_conventions" in shown
    assert "hidden ReLU units" in shown


def test_check_counts_the_rows_of_every_task(here, capsys):
    assert main(["rows"]) == 0
    line = capsys.readouterr().out
    assert line.startswith("rain: read 200;")
    assert "train 96" in line


def test_outside_a_project_the_user_is_told_so(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["rows"]) == 1
    assert said(capsys).startswith(f"No params.yaml in {tmp_path}")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["stage", "trian", "--task", "rain"], "There is no stage 'trian'; did you mean 'train'? known: "),
        (["stage", "train"], "The stage train runs for one task: add --task with one of rain."),
        (["stage", "train", "--task", "rian"], "params.yaml: tasks.rian does not exist; did you mean 'rain'? known: "),
        (["task", "run", "mine.yaml", "--out", "out"], "mine.yaml: no such file."),
    ],
)
def test_a_mistake_is_one_sentence_and_status_1(here, capsys, arguments, sentence):
    assert main(arguments) == 1
    assert said(capsys).startswith(sentence)


def test_a_failing_stage_is_one_sentence(here, notebook, capsys):
    notebook(here.notebooks / "train.ipynb", "task = mpl = None", "1")
    assert main(["stage", "train", "--task", "rain"]) == 1
    assert said(capsys).startswith("train.ipynb: its parameters cell names 'mpl', which the stage does not give")


def fails_with(monkeypatch, error):
    def run(*_):
        raise error

    monkeypatch.setattr(runner, "run_stage", run)
    return ["stage", "train", "--task", "rain"]


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (OSError(28, "No space left on device", "/x/a.json"), "/x/a.json: cannot be written, the disk is full; "),
        (OSError(30, "Read-only file system", "/x/a.json"), "/x/a.json: cannot be written, the file system is read-"),
        (PermissionError(13, "Permission denied", "/x/a.json"), "/x/a.json: cannot be written, permission was denied"),
        (FileNotFoundError(2, "No such file", "/x/a.json"), "/x/a.json: no such file."),
    ],
    ids=["full disk", "read-only", "forbidden", "missing"],
)
def test_a_bad_disk_is_one_sentence(here, monkeypatch, capsys, error, sentence):
    assert main(fails_with(monkeypatch, error)) == 1
    assert said(capsys).startswith(sentence)


def test_a_file_where_a_folder_is_needed_is_one_sentence(here, capsys):
    (here.root / "out").write_text("x")
    arguments = ["simulate", "--records", "300", "--out", "out"]
    assert main(arguments) == 1
    assert said(capsys) == (
        "out/observations.parquet: cannot be written, a file stands where a folder is needed; "
        "the earlier file, if any, is untouched."
    )


def test_simulate_writes_the_table_and_says_where(here, tmp_path, capsys):
    for folder in ("one", "two"):
        assert main(["simulate", "--records", "300", "--seed", "4", "--out", str(tmp_path / folder)]) == 0
        assert "300 simulated records (seed 4)." in capsys.readouterr().out
    tables = [(tmp_path / folder / "observations.parquet").read_bytes() for folder in ("one", "two")]
    assert tables[0] == tables[1]


def test_too_few_records_are_refused(here, capsys):
    assert main(["simulate", "--records", "3"]) == 1
    assert "--records is 3, but" in said(capsys)


def test_a_defect_is_one_sentence_and_its_traceback_is_in_a_file(here, monkeypatch, capsys):
    assert main(fails_with(monkeypatch, ZeroDivisionError("division by zero"))) == 1
    log = here.root / terminal.LOG
    assert said(capsys) == (
        f"precip-sae failed in a way it should not (ZeroDivisionError: division by zero); the details are in {log}."
    )
    assert "Traceback" in log.read_text()


def test_a_defect_where_no_log_can_be_written_is_still_one_sentence(here, monkeypatch, capsys, tmp_path):
    (here.root / terminal.LOG).mkdir()
    monkeypatch.setattr(terminal.tempfile, "gettempdir", lambda: str(tmp_path / "missing"))
    assert main(fails_with(monkeypatch, ZeroDivisionError())) == 1
    assert said(capsys).endswith("(ZeroDivisionError), and no log file could be written.")


def test_an_interrupt_says_how_to_go_on(here, monkeypatch, capsys):
    assert main(fails_with(monkeypatch, KeyboardInterrupt())) == 130
    assert said(capsys) == "Interrupted; run the same command again to continue."


def test_a_terminated_stage_ends_like_a_failed_one(here, monkeypatch, capsys):
    def run(*_):
        signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(runner, "run_stage", run)
    earlier = signal.getsignal(signal.SIGTERM)
    assert main(["stage", "train", "--task", "rain"]) == 1
    assert said(capsys) == "Terminated; run the same command again to continue."
    assert signal.getsignal(signal.SIGTERM) is earlier


def test_every_stage_can_be_named(here, monkeypatch):
    ran = []
    monkeypatch.setattr(runner, "run_stage", lambda stage, task, paths: ran.append((stage.name, task)))
    for stage in stages().values():
        assert main(["stage", stage.name, *(["--task", "rain"] if stage.per_task else [])]) == 0
    assert ran == [(stage.name, "rain" if stage.per_task else None) for stage in stages().values()]
