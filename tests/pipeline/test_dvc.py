"""The stages under DVC, with stand-in notebooks: what is redone, what a failure leaves, what a clone brings.

Their cells run in the stage's own process, and their pages are stand-ins: dozens of stages are run here, and DVC does
not see the difference.
"""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from precip_sae.files import write_text
from precip_sae.pipeline.side_by_side import jobs, run_jobs, run_quietly
from precip_sae.pipeline.smoke import DVC, environment, make
from precip_sae.pipeline.stages import read_stages, stages
from precip_sae.pipeline.warm import WARM_VARIABLE, module_command, started_at_once, warm
from precip_sae.settings import load_settings

# `precip-sae` as it is, but for that.
PLAIN = """
import sys
from contextlib import contextmanager
from itertools import count
from nbformat import from_dict
from precip_sae.cli import main
from precip_sae.pipeline import executor, page

@contextmanager
def cells_here():
    names, numbers = {}, count(1)

    def run(source):
        outputs = []
        try:
            exec(source, names)
        except Exception as error:
            told = {"ename": type(error).__name__, "evalue": str(error), "traceback": []}
            outputs = [{"output_type": "error", **told}]
        return from_dict({"execution_count": next(numbers), "outputs": outputs})

    yield run

executor.cells_process = cells_here
page.page = lambda notebook, title: title
sys.exit(main())
"""


def dvc(paths, *arguments, check=True):
    """Runs DVC in the project; returns its status and all that it said."""
    around = started_at_once(environment(paths))
    done = subprocess.run(
        [*module_command(around, DVC), *arguments],
        cwd=paths.root,
        env=around,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    assert not check or done.returncode == 0, done.stdout
    return done.returncode, done.stdout


def git(folder, *arguments):
    who = {f"GIT_{role}_{what}": "test@example.org" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    alone = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    command = ["git", *arguments]
    return subprocess.run(command, cwd=folder, env=os.environ | who | alone, check=True, capture_output=True).stdout


def stages_run(said):
    return re.findall(r"Running stage '([^']+)'", said)


@pytest.fixture(scope="module")
def project(tmp_path_factory, make_project, repository):
    """A git repository with the real dvc.yaml, DVC settings and sources, and stand-in notebooks; all stages ran."""
    paths = make_project(tmp_path_factory.mktemp("dvc") / "project")
    for name in ("dvc.yaml", ".dvcignore", ".gitignore", ".dvc/config", ".dvc/.gitignore"):
        write_text(paths.root / name, (repository.root / name).read_text())
    write_text(paths.root / "requirements.lock", "stands for the lock file\n")
    ignore = shutil.ignore_patterns("__pycache__", "*.egg-info")
    shutil.copytree(repository.root / "src", paths.root / "src", ignore=ignore)
    git(paths.root, "init", "--quiet")
    plain = tmp_path_factory.mktemp("plain")
    (plain / "plain_stages.py").write_text(PLAIN)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(plain))
        with warm(environment(paths), paths.root) as around:
            # stages of all tests here are forked from a process that has imported the sources of this project
            if WARM_VARIABLE in around:
                patch.setenv(WARM_VARIABLE, around[WARM_VARIABLE])
                command = Path(around[WARM_VARIABLE]) / "bin" / "precip-sae"
                command.write_text(command.read_text().replace("precip_sae.cli", "plain_stages"))
            make(paths, around, lambda _: None)
            _, said = dvc(paths, "repro", "--force", "--dry")
            assert stages_run(said) == ["code", *(stage.address("rain") for stage in stages().values())]
            dvc(paths, "push", "--quiet")
            git(paths.root, "add", "--all")
            git(paths.root, "commit", "--quiet", "--message", "all stages ran")
            yield paths


@pytest.fixture(autouse=True)
def _as_committed(project):
    yield
    redone = git(project.root, "status", "--porcelain", "dvc.lock", "results")
    git(project.root, "checkout", "--quiet", ".")
    git(project.root, "clean", "--quiet", "-d", "--force")
    if redone:
        dvc(project, "checkout", "--quiet", "--force")


def set_hidden(project, value):
    text = project.params.read_text()
    project.params.write_text(text.replace("hidden: 3", f"hidden: {value}"))


def test_nothing_is_redone_when_nothing_changed(project):
    _, said = dvc(project, "repro")
    assert stages_run(said) == []


def test_a_changed_setting_is_seen_by_its_stage_and_by_what_names_all_settings(project):
    set_hidden(project, 5)
    _, said = dvc(project, "status", "--json")
    assert list(json.loads(said)) == [
        "train@rain",
        "report@rain",
        "standards@rain",
        "controls@rain",
        "search@rain",
        "noise@rain",
        "thresholds@rain",
        "companions@rain",
        "picked@rain",
        "inspector",
        "collect",
    ]


def test_a_changed_setting_redoes_what_the_wanted_stage_rests_on(project):
    set_hidden(project, 5)
    _, said = dvc(project, "repro", "interpret@rain")
    assert stages_run(said) == ["train@rain", "fit@rain", "interpret@rain"]
    _, said = dvc(project, "metrics", "diff", "--json")
    assert json.loads(said)["results/rain/train.json"]["mlp.hidden"] == {"old": 3, "new": 5, "diff": 2}


def test_a_changed_setting_changes_all_that_depends_on_it_and_nothing_else(project):
    set_hidden(project, 5)
    # not `dvc repro`, which writes dvc.lock anew after each stage and says the same in half a minute
    wanted = jobs(read_stages(project.root / "dvc.yaml").values(), load_settings(project.params))
    around = started_at_once(environment(project))
    run_jobs(wanted, lambda job: run_quietly(job, project.root, around), 2)
    _, said = dvc(project, "status", "--json")
    outdated = {stage for stage, causes in json.loads(said).items() if any("changed deps" in cause for cause in causes)}
    other = ("observe", "animate", "column", "toys", "ranking")
    assert outdated == {s.address("rain") for s in stages().values() if s.name not in other}


@pytest.mark.slow
def test_a_changed_setting_redoes_what_depends_on_it(project):
    set_hidden(project, 5)
    _, said = dvc(project, "repro")
    other = ("observe", "animate", "column", "toys", "ranking")
    assert set(stages_run(said)) == {s.address("rain") for s in stages().values() if s.name not in other}


def test_a_reworded_sentence_in_the_code_trains_nothing_again(project):
    for name, old, new in (
        ("models/mlp.py", '"""The network of the study', '"""The only network of the study'),
        ("settings/task.py", "hidden ReLU units", "ReLU units in the hidden layer"),
        ("errors.py", "did you mean", "perhaps you mean"),
    ):
        file = project.root / "src" / "precip_sae" / name
        text = file.read_text()
        assert old in text
        file.write_text(text.replace(old, new))
    _, said = dvc(project, "repro")
    assert stages_run(said) == ["code"]


def test_what_makes_the_pages_is_code_that_every_stage_rests_on(project):
    file = project.root / "src" / "precip_sae" / "pipeline" / "page.py"
    file.write_text(file.read_text().replace("max-width: 62rem", "max-width: 60rem"))
    dvc(project, "repro", "code")
    _, said = dvc(project, "status", "--json")
    assert set(json.loads(said)) == {stage.address("rain") for stage in stages().values()}


def test_a_stage_started_by_hand_on_edited_code_is_refused(project):
    file = project.root / "src" / "precip_sae" / "files.py"
    file.write_text(file.read_text() + "\n\nADDED = 1\n")
    status, said = dvc(project, "repro", "--single-item", "train@rain", "--force", check=False)
    assert status != 0
    assert "digests/train.json describes another precip_sae.files than the one that would run" in said


def test_a_failing_stage_leaves_the_earlier_results_in_place(project, notebook, snapshot):
    # the outputs are `persist: true`: without it DVC deletes them before the stage starts
    def results():
        kept = {}
        for folder in ("models", "results", "figures", "paper"):
            kept |= {f"{folder}/{name}": content for name, content in snapshot(project.root / folder).items()}
        return kept

    before = results()
    notebook(project.notebooks / "train.ipynb", "task = None", "1 / 0")
    status, said = dvc(project, "repro", check=False)
    assert status != 0
    assert "train.ipynb failed in cell 3 with ZeroDivisionError: division by zero; see paper/supplement/" in said
    assert "Traceback" not in said
    after = results()
    assert after.pop("paper/supplement/train-rain.failed.ipynb")
    assert after == before


def test_a_new_section_gets_its_stages_without_a_change_of_dvc_yaml(project):
    yaml = YAML(typ="safe", pure=True)
    content = yaml.load(project.params.read_text())
    content["tasks"]["snow"] = content["tasks"]["rain"]
    with project.params.open("w") as stream:
        yaml.dump(content, stream)
    _, said = dvc(project, "stage", "list", "--name-only")
    assert {"train@snow", "fit@snow", "interpret@snow"} <= set(said.split())


def test_a_section_without_settings_is_refused_by_dvc_before_anything_runs(project):
    text = project.params.read_text()
    project.params.write_text(text.replace("    mlp: {hidden: 3}\n", ""))
    status, said = dvc(project, "repro", check=False)
    assert status != 0
    assert "Parameters 'tasks.rain.mlp' are missing from 'params.yaml'" in said
    assert stages_run(said) == []


def test_importing_the_package_leaves_every_stage_up_to_date(project):
    write_text(project.root / "src" / "precip_sae" / "models" / "__pycache__" / "x.pyc", "x")
    _, said = dvc(project, "status")
    assert "up to date" in said


def test_a_clone_is_complete_without_a_server(project, tmp_path):
    git(tmp_path, "clone", "--quiet", str(project.root), "clone")
    clone = type(project)((tmp_path / "clone").resolve())
    assert not clone.data.exists()
    dvc(clone, "pull", "--quiet")
    for stage in stages().values():
        assert all((clone.root / output).exists() for output in stage.outputs("rain"))
    _, said = dvc(clone, "status")
    assert "up to date" in said


def test_a_zip_without_history_runs(project, tmp_path):
    shutil.copytree(project.root, tmp_path / "zip")
    for name in (".git", ".dvc/cache", ".dvc/tmp", "data", "models", "paper/supplement"):
        shutil.rmtree(tmp_path / "zip" / name)
    unpacked = type(project)((tmp_path / "zip").resolve())
    dvc(unpacked, "config", "--local", "core.no_scm", "true")
    dvc(unpacked, "pull", "--quiet")
    _, said = dvc(unpacked, "repro")
    assert stages_run(said) == []
