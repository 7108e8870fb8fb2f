import json

import pytest

from precip_sae.errors import SettingsError, StageError
from precip_sae.pipeline.inputs import dependencies, resolve
from precip_sae.pipeline.runner import check_parameters
from precip_sae.pipeline.stages import STAGES, Stage, named, stage_settings
from precip_sae.settings import load_settings, read_yaml

# In git, where a forge shows them; everything else is in the DVC store.
IN_GIT = (".json", ".csv", ".md", ".pdf", ".tex", "figures/", "paper/tables")


@pytest.fixture(scope="module")
def declared(repository):
    """dvc.yaml's stages, `foreach` unpacked."""
    stages = read_yaml(repository.root / "dvc.yaml")["stages"]
    return {name: entry.get("do", entry) for name, entry in stages.items() if name != "code"}


def _outputs(entry):
    listed = [output for kind in ("outs", "metrics", "plots") for output in entry.get(kind, [])]
    return {path: flags for output in listed for path, flags in output.items()}


def test_dvc_knows_every_stage_and_no_other(declared):
    assert list(declared) == list(STAGES)


@pytest.mark.parametrize("stage", STAGES.values(), ids=STAGES)
def test_dvc_tracks_everything_that_a_stage_writes(declared, stage: Stage):
    assert set(_outputs(declared[stage.name])) == set(stage.outputs("${key}"))


@pytest.mark.parametrize("stage", STAGES.values(), ids=STAGES)
def test_dvc_leaves_earlier_outputs_to_the_runner_which_brings_them_back(declared, stage: Stage):
    assert all(flags["persist"] is True for flags in _outputs(declared[stage.name]).values())


@pytest.mark.parametrize("stage", STAGES.values(), ids=STAGES)
def test_results_that_a_forge_can_show_are_in_git_and_the_rest_in_the_store(declared, stage: Stage):
    for path, flags in _outputs(declared[stage.name]).items():
        shown = path.endswith(IN_GIT[:-2]) or path.startswith(IN_GIT[-2:])
        assert flags.get("cache", True) is not shown, path


@pytest.mark.parametrize("stage", STAGES.values(), ids=STAGES)
def test_a_changed_table_notebook_or_earlier_result_makes_its_stage_stale(declared, stage: Stage):
    table = "${item.table}" if stage.searched else "${item.data.table}"
    reads = {r.format(task="${key}", table=table) for r in stage.reads}
    code = {f"notebooks/{stage.notebook}", f"digests/{stage.name}.json", "requirements.lock"}
    assert reads | code == set(declared[stage.name]["deps"])


@pytest.mark.parametrize("stage", STAGES.values(), ids=STAGES)
def test_a_changed_setting_makes_the_stages_stale_that_are_given_it(declared, stage: Stage):
    prefix = "tasks.${key}." if stage.per_task else ""
    given = {prefix + section for section in stage.sections}
    given |= {"search.tasks.${key}"} if stage.searched else set()
    given = {"search.tasks" if name == "searched" else name for name in given}
    assert given <= set(declared[stage.name].get("params", []))


@pytest.mark.parametrize("stage", STAGES.values(), ids=STAGES)
def test_dvc_starts_the_stage_by_its_name(declared, stage: Stage):
    task = " --task ${key}" if stage.per_task else ""
    assert declared[stage.name]["cmd"] == f"precip-sae stage {stage.name}{task}"


@pytest.mark.parametrize("stage", STAGES.values(), ids=STAGES)
def test_the_notebook_takes_what_its_stage_gives(repository, stage: Stage):
    check_parameters(repository.notebooks / stage.notebook, stage.parameters)


@pytest.mark.parametrize("stage", STAGES.values(), ids=STAGES)
def test_a_stage_is_given_its_own_sections_typed_and_no_others(repository, monkeypatch, stage: Stage):
    monkeypatch.chdir(repository.notebooks)  # where Jupyter starts
    settings = load_settings(repository.params)
    task = next(iter(settings.tasks)) if stage.per_task else None
    given = vars(stage_settings(stage.name, task))
    assert set(given) == {*stage.sections, *(["search"] if stage.searched else [])}
    if stage.per_task:
        assert given.items() <= {**dict(settings.tasks[task]), "search": settings.search.tasks.get(task)}.items()
    assert json.loads(json.dumps(stage.values(settings, task))).keys() == given.keys()


def test_every_path_of_dvc_yaml_resolves_for_every_task(repository):
    settings = load_settings(repository.params)
    for stage in STAGES.values():
        for task in stage.tasks(settings) if stage.per_task else [None]:
            assert not any("$" in path for path in dependencies(stage, task, settings, repository))


def test_a_misspelt_name_in_dvc_yaml_is_named():
    with pytest.raises(StageError, match=r"\$\{item.data.tabel\} in 'x/\$\{item.data.tabel\}' names nothing"):
        resolve("x/${item.data.tabel}", {"item": {"data": {"table": "t.csv"}}})


def test_a_stage_that_dvc_yaml_lacks_is_refused(project):
    (project.root / "dvc.yaml").write_text("stages: {}\n")
    with pytest.raises(StageError, match=r"dvc.yaml: has no stage 'train'"):
        dependencies(STAGES["train"], "rain", load_settings(project.params), project)


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
        STAGES[stage].check_task(load_settings(project.params), task)
