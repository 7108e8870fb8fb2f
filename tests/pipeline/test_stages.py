"""What is derived from dvc.yaml, and what dvc.yaml has to keep to."""

import json
import subprocess
import sys

import pytest

from precip_sae.errors import SettingsError, StageError
from precip_sae.files import write_text
from precip_sae.pipeline.runner import check_parameters
from precip_sae.pipeline.stages import ENVIRONMENT, Stage, named, read_stages, resolve, stage_settings, stages
from precip_sae.settings import load_settings, read_yaml

# In git, where a forge shows them; everything else is in the DVC store.
IN_GIT = (".json", ".csv", ".md", ".pdf", ".tex")
IN_GIT_BELOW = ("figures/", "paper/tables")

EVERY_STAGE = pytest.mark.parametrize("stage", stages().values(), ids=stages())


@pytest.fixture(scope="module")
def declared(repository):
    """dvc.yaml's stages, `foreach` unpacked."""
    entries = read_yaml(repository.root / "dvc.yaml")["stages"]
    return {name: entry.get("do", entry) for name, entry in entries.items()}


def _outputs(entry):
    listed = [output for kind in ("outs", "metrics", "plots") for output in entry.get(kind, [])]
    return {path: flags for output in listed for path, flags in output.items()}


def first_task(stage, settings):
    return stage.tasks(settings)[0] if stage.per_task else None


@EVERY_STAGE
def test_dvc_leaves_earlier_outputs_to_the_runner_which_brings_them_back(declared, stage: Stage):
    assert all(flags["persist"] is True for flags in _outputs(declared[stage.name]).values())


@EVERY_STAGE
def test_results_that_a_forge_can_show_are_in_git_and_the_rest_in_the_store(declared, stage: Stage):
    for path, flags in _outputs(declared[stage.name]).items():
        shown = path.endswith(IN_GIT) or path.startswith(IN_GIT_BELOW)
        assert flags.get("cache", True) is not shown, path


@EVERY_STAGE
def test_every_stage_has_its_page_and_rests_on_its_code_and_environment(stage: Stage):
    label = stage.label("${key}")
    assert {f"paper/supplement/{label}.ipynb", f"paper/supplement/{label}.html"} <= set(stage.outs)
    assert {f"notebooks/{stage.notebook}", f"digests/{stage.name}.json", ENVIRONMENT} <= set(stage.deps)


@EVERY_STAGE
def test_dvc_starts_the_stage_by_its_name(declared, stage: Stage):
    task = " --task ${key}" if stage.per_task else ""
    assert declared[stage.name]["cmd"] == f"precip-sae stage {stage.name}{task}"


@EVERY_STAGE
def test_the_notebook_takes_what_its_stage_gives(repository, stage: Stage):
    check_parameters(repository.notebooks / stage.notebook, stage.parameters)


@EVERY_STAGE
def test_a_notebook_is_given_the_sections_that_dvc_watches_and_no_others(repository, monkeypatch, stage: Stage):
    monkeypatch.chdir(repository.notebooks)  # where Jupyter starts
    settings = load_settings(repository.params)
    task = first_task(stage, settings)
    given = vars(stage_settings(stage.name, task))
    assert len(given) == len(stage.params)
    for place in stage.params:
        if place.startswith("tasks.${key}."):
            name = place.rpartition(".")[2]
            assert given[name] == getattr(settings.tasks[task], name)
    assert len(json.loads(json.dumps(stage.values(settings, task)))) == len(given)


@EVERY_STAGE
def test_every_path_of_dvc_yaml_resolves_for_every_task(repository, stage: Stage):
    settings = load_settings(repository.params)
    for task in stage.tasks(settings) if stage.per_task else [None]:
        assert not any("$" in path for path in [*stage.dependencies(settings, task), *stage.outputs(task)])


def test_names_of_dvc_yaml_are_looked_up():
    names = {"key": "rain", "item": {"data": {"table": "data/t.csv"}}}
    assert resolve("models/${key}/mlp", names) == "models/rain/mlp"
    assert resolve("${item.data.table}", names) == "data/t.csv"
    assert resolve("plain", names) == "plain"


def test_a_misspelt_name_in_dvc_yaml_is_named():
    with pytest.raises(StageError, match=r"\$\{item.data.tabel\} in 'x/\$\{item.data.tabel\}' names nothing"):
        resolve("x/${item.data.tabel}", {"item": {"data": {"table": "t.csv"}}})


@pytest.mark.parametrize("content", ["stages: []", "stages: {train: {}}", "other: 1", "stages: {train: 3}"])
def test_a_dvc_yaml_that_declares_no_stages_is_one_sentence(tmp_path, content):
    write_text(tmp_path / "dvc.yaml", content)
    with pytest.raises(StageError, match=r"dvc.yaml: does not declare stages as DVC expects them"):
        read_stages(tmp_path / "dvc.yaml")


def test_a_misspelt_stage_gets_a_suggestion():
    with pytest.raises(StageError, match="no stage 'trian'; did you mean 'train'"):
        named("trian")


@pytest.mark.parametrize(
    ("stage", "task", "error", "sentence"),
    [
        ("train", None, StageError, "add --task with one of rain"),
        ("paper", "rain", StageError, "covers all tasks: leave out --task rain"),
        ("train", "rian", SettingsError, "tasks.rian does not exist; did you mean 'rain'"),
        ("search", "snow", SettingsError, "search.tasks.snow does not exist"),
    ],
)
def test_a_task_that_does_not_fit_the_stage_is_refused(project, stage, task, error, sentence):
    with pytest.raises(error, match=sentence):
        named(stage).check_task(load_settings(project.params), task)


# the measures that interpret takes rank by scipy.stats
@pytest.mark.parametrize(("notebook", "without"), [("collect", {"sklearn", "scipy.stats"}), ("interpret", {"sklearn"})])
def test_a_stage_does_not_wait_for_packages_that_it_does_without(repository, notebook, without):
    # each takes most of a second, in the kernel of every such stage
    cells = json.loads((repository.notebooks / f"{notebook}.ipynb").read_text(encoding="utf-8"))["cells"]
    lines = [line for cell in cells if cell["cell_type"] == "code" for line in "".join(cell["source"]).splitlines()]
    imports = [line for line in lines if line.startswith(("import ", "from "))]
    code = "\n".join([*imports, "import sys", f"print({without} & sys.modules.keys())"])
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
