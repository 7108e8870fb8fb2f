"""What a user sees after a slip in params.yaml: one sentence that names the place and what would be right."""

import re

import pytest

from precip_sae.cli import main
from precip_sae.errors import SettingsError
from precip_sae.pipeline.keys import described
from precip_sae.settings import Settings, TaskSettings, load_settings, parse, read_yaml

# (what, replaced by, what the sentence has to say); the text is the small project's params.yaml of conftest.py
SLIPS = {
    "task named like a folder of figures": ("rain:", "data:", r"the task name 'data' is taken by a folder of figures"),
    "misspelt key": ("hidden: 3", "hiden: 3", r"tasks\.rain\.mlp\.hiden is not a known key; did you mean 'hidden'\?"),
    "misspelt section": ("sae: {", "sea: {", r"tasks\.rain\.sea is not a known key; did you mean 'sae'\?"),
    "misspelt top section": ("tasks:", "task:", r"task is not a known key; did you mean 'tasks'\?"),
    "unknown key far from any": ("{hidden: 3}", "{zzz: 3}", r"tasks\.rain\.mlp\.zzz is not a known key; known: hidden"),
    "weights of a regression": (
        "{hidden: 3}",
        "{class_weights: balanced}",
        r"class_weights belong to a classification",
    ),
    "one fold": ("response: y", "response: y, folds: 1", r"data\.folds is 1, but .* greater than or equal to 2"),
    "fold of none": ("response: y", "response: y, fold: 1", r"fold is 1, and folds is null"),
    "fold beyond the last": ("response: y", "response: y, folds: 3, fold: 4", r"fold is 4, expected 1 to 3"),
    "search of folds": (
        "response: y",
        "response: y, folds: 3",
        r"search has one set of parts, and .*folds cuts several",
    ),
    "text for a number": ("hidden: 3", "hidden: three", r"tasks\.rain\.mlp\.hidden is 'three', but input should be a"),
    "quoted number": ("hidden: 3", "hidden: '3'", r"tasks\.rain\.mlp\.hidden is '3', but input should be a valid int"),
    "fraction for a count": ("hidden: 3", "hidden: 2.5", r"tasks\.rain\.mlp\.hidden is 2\.5, but"),
    "yes for a number": ("hidden: 3", "hidden: true", r"tasks\.rain\.mlp\.hidden is True, but"),
    "zero units": ("hidden: 3", "hidden: 0", r"tasks\.rain\.mlp\.hidden is 0, but .* greater than or equal to 1"),
    "negative rate": ("hidden: 3", "learning_rate: -1e-3", r"mlp\.learning_rate is -0\.001, but .* greater than 0"),
    "infinite rate": ("hidden: 3", "learning_rate: .inf", r"mlp\.learning_rate is inf, but"),
    "not a number": ("latents: 4", "l1: .nan", r"tasks\.rain\.sae\.l1 is nan, but"),
    "unknown choice": ("hidden: 3", "shuffle: always", r"mlp\.shuffle is 'always', but .*'fixed' or 'per_epoch'"),
    "duplicate seeds": ("[0, 1]", "[0, 1, 1]", r"tasks\.rain\.seeds: names a seed more than once"),
    "no seeds": ("[0, 1]", "[]", r"tasks\.rain\.seeds is \[\], but .* at least 1 item"),
    "no seeds, as a number": ("[0, 1]", "0", r"tasks\.rain\.seeds is 0, but .* list"),
    "more seeds than memory": (
        "[0, 1]",
        "1000000000000",
        r"tasks\.rain\.seeds: asks for 1000000000000 seeds",
    ),
    "negative seed": ("[0, 1]", "[-1]", r"tasks\.rain\.seeds\.0 is -1, but"),
    "missing key": ("title: Rain rate", "", r"tasks\.rain\.title is missing"),
    "null section": ("data: {", "data: null #", r"tasks\.rain\.data is None, but"),
    "response among predictors": ("response: y", "response: a", r"response a is also among the predictors"),
    "predictor twice": ("[a, b]", "[a, a]", r"predictors names a more than once"),
    "log10 of a stranger": (
        "response: y",
        "response: y, transforms: {c: log10}",
        r"transforms names c, which is not among the pred",
    ),
    "classes of a regression": (
        "response: y",
        "response: y, classes: [u, v]",
        r"classes, drop_classes, labels and other_labels belong to",
    ),
    "classification without classes": ("regression", "classification", r"at least two different class names"),
    "threshold out of range": ("sensitivity: {}", "sensitivity: {threshold: 1}", r"threshold is 1, but .* less than 1"),
    "subset larger than the pool": (
        "size: 2",
        "size: 3",
        r"search\.tasks\.rain: size is 3, expected at most 2, the",
    ),
    "empty subset": ("size: 2", "size: 0", r"search\.tasks\.rain\.size is 0, but .* greater than or equal to 1"),
    "empty pool": ("pool: [a, b]", "pool: []", r"search\.tasks\.rain\.pool is \[\], but .* at least 1 item"),
    "column twice in the pool": (
        "pool: [a, b]",
        "pool: [a, b, a]",
        r"search\.tasks\.rain: pool names a more than",
    ),
    "response in the pool": ("pool: [a, b]", "pool: [a, b, y]", r"search\.tasks\.rain\.pool names y, the response"),
    "pool in another order": ("pool: [a, b]", "pool: [b, a]", r"pool names the task's predictors in another order"),
    "other logarithms than the task's": (
        "size: 2",
        "size: 2, transforms: {a: log10}",
        r"transforms differs from the task's, expected",
    ),
    "unknown variant of SAE": ("toys: {dictionaries: {l1:", "toys: {dictionaries: {l2:", r"toys\.dictionaries\.l2"),
    "variant without penalties": (
        "toys: {dictionaries: {l1: [0.1]}}",
        "toys: {dictionaries: {l1: []}}",
        r"at least 1 it",
    ),
    "feature never active": (
        "toys: {",
        "toys: {activities: [0.0], ",
        r"toys\.activities\.0 is 0\.0, but .* greater than 0",
    ),
    "variants of another table": (
        "  rain: {table: data/table.csv, dictionaries",
        "  rain: {table: data/other.csv, dictionaries",
        r"variants\.rain\.table is data/other\.csv, expected data/table\.csv, the task's",
    ),
    "variants of no task": (
        "  rain: {table: data/table.csv, dictionaries",
        "  snow: {table: data/table.csv, dictionaries",
        r"variants\.snow: there is no task of that name",
    ),
    "search without seeds": ("size: 2, seeds: [0, 1]", "seeds: []", r"search\.tasks\.rain\.seeds is \[\], but"),
    "search seed twice": (
        "2, seeds: [0, 1]",
        "2, seeds: [1, 1]",
        r"search\.tasks\.rain\.seeds: names a seed more",
    ),
    "search of an unknown task": (
        "    rain: {",
        "    rian: {",
        r"search\.tasks\.rian: there is no task of that name;",
    ),
    "search of another table": (
        "{table: data/table.csv, pool",
        "{table: x.csv, pool",
        r"rain\.table is x\.csv, exp",
    ),
    "features of an unknown task": (
        "features:\n  rain:",
        "features:\n  rian:",
        r"features\.rian: there is no task of that name;",
    ),
    "features of another table": (
        "features:\n  rain: {table: data/table.csv}",
        "features:\n  rain: {table: x.csv}",
        r"features\.rain\.table is x\.csv, expected data/table\.csv",
    ),
    "change points along a stranger": (
        "features:\n  rain: {table: data/table.csv}",
        "features:\n  rain: {table: data/table.csv, along: [c]}",
        r"features\.rain\.along names 'c', no predictor of the task;",
    ),
    "labels of a regression": (
        "features:\n  rain: {table: data/table.csv}",
        "features:\n  rain: {table: data/table.csv, labels: [density]}",
        r"features\.rain\.labels belongs to a classification",
    ),
    "labels that observations do not have": (
        "features:\n  rain: {table: data/table.csv}",
        "features:\n  rain: {table: data/table.csv, labels: [densty]}",
        r"labels names 'densty'; did you mean 'density'",
    ),
    "no such scheduler": (
        "search:",
        "search:\n  scheduler: dask",
        r"search\.scheduler is 'dask', but string should",
    ),
    "no workers": ("search:", "search:\n  workers: 0", r"search\.workers is 0, but"),
    "more units than the engine takes": (
        "hidden: 3",
        "hidden: 65",
        r"mlp: hidden is 65, expected at most 64 of a network that is trained here",
    ),
    "task named like the folder of searches": ("rain:", "search:", r"the task name 'search' is taken by a folder"),
    "task name with a hyphen": ("  rain:", "  rain-rate:", r"the task name 'rain-rate' is not letters, digits"),
    "no tasks": ("tasks:", "tasks: {}\nsimulatoin:", r"simulatoin is not a known key; did you mean 'simulation'\?"),
    "too few records": ("records: 300", "records: 3", r"simulation\.records is 3, but"),
    "bracket not closed": ("[0, 1]", "[0, 1", r"is not valid YAML at line \d+"),
    "tab for indentation": ("    title", "\ttitle", r"is not valid YAML at line \d+"),
    "key twice": ("    seeds", "    title: Again\n    seeds", r"is not valid YAML at line \d+"),
}


def one_sentence(capsys, expected: str) -> None:
    said = capsys.readouterr()
    assert said.out == ""
    assert len(said.err.splitlines()) == 1, said.err
    assert "params.yaml: " in said.err
    assert said.err.endswith(".\n")
    assert re.search(expected, said.err), said.err


@pytest.mark.parametrize(("found", "replaced", "expected"), SLIPS.values(), ids=SLIPS)
def test_a_slip_in_params_yaml_is_one_sentence(project, monkeypatch, capsys, found, replaced, expected):
    text = project.params.read_text()
    assert found in text
    project.params.write_text(text.replace(found, replaced, 1))
    monkeypatch.chdir(project.root)
    assert main(["rows"]) == 1
    one_sentence(capsys, expected)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", r"found NoneType, expected keys and values|is empty"),
        (b"# only a comment\n", r"found NoneType, expected keys and values|is empty"),
        (b"- a\n- b\n", r"found (list|a list), expected keys and values"),
        (b"just text\n", r"found (str|text), expected keys and values"),
        (b"simulation: {}\n", r"tasks is missing"),
        (b"tasks: {}\n", r"tasks is \{\}, but .* at least 1 item"),
        (b"a: !!python/object:os.system x\n", r"not valid YAML|is not a known key|could not determine"),
        (b"\xff\xfe\x00", r"cannot be read as text|not valid YAML"),
    ],
    ids=["empty", "comment", "list", "text", "no tasks", "empty tasks", "python tag", "not text"],
)
def test_a_params_yaml_that_holds_no_settings_is_one_sentence(project, monkeypatch, capsys, content, expected):
    project.params.write_bytes(content)
    monkeypatch.chdir(project.root)
    assert main(["rows"]) == 1
    one_sentence(capsys, expected)


def test_a_missing_file_is_one_sentence(tmp_path):
    with pytest.raises(SettingsError, match=r"params.yaml: no such file\.$"):
        load_settings(tmp_path / "params.yaml")


def test_numbers_in_powers_of_ten_are_numbers_as_dvc_reads_them(project):
    project.params.write_text(project.params.read_text().replace("hidden: 3", "learning_rate: 1e-3"))
    assert load_settings(project.params).tasks["rain"].mlp.learning_rate == 0.001


def test_sections_left_out_have_the_published_defaults(project):
    text = project.params.read_text()
    project.params.write_text(text[: text.index("    seeds")])
    task = load_settings(project.params).tasks["rain"]
    assert task.seeds == list(range(20))
    assert task == TaskSettings(title=task.title, data=task.data)


def test_the_project_s_own_settings_are_valid(repository):
    assert load_settings(repository.params).tasks


def test_every_key_is_described():
    rows = list(described(Settings))
    assert [key for key, _, meaning in rows if not meaning] == []
    assert ("tasks.<name>.mlp.hidden", "6", "hidden ReLU units") in rows


def test_a_number_of_seeds_stands_for_that_many(project):
    text = project.params.read_text()
    project.params.write_text(text.replace("seeds: [0, 1]", "seeds: 3"))
    settings = load_settings(project.params)
    assert settings.tasks["rain"].seeds == settings.search.tasks["rain"].seeds == [0, 1, 2]


@pytest.mark.parametrize(
    ("weights", "expected"),
    [
        ("{Snw: 2}", r"mlp\.class_weights names 'Snw', none of data\.classes; did you mean 'Snow'\?"),
        ("{Snow: 0}", r"mlp\.class_weights: the weight of 'Snow' is 0, expected a number from 0\.001 to 1000"),
        ("{Snow: -1}", r"the weight of 'Snow' is -1, expected"),
        ("{Snow: .nan}", r"the weight of 'Snow' is nan, expected"),
        ("{Snow: true}", r"the weight of 'Snow' is True, expected"),
        ("{Snow: much}", r"the weight of 'Snow' is 'much', expected"),
        ("{1: 2}", r"it names 1, expected the name of a class as text, in quotes"),
        ("{}", r"it is \{\}, expected balanced, or CLASS: WEIGHT"),
        ("equal", r"it is 'equal', expected balanced, or CLASS: WEIGHT"),
        ("balanced, network: published/x.json", r"class_weights belong to a network that is trained here"),
    ],
)
def test_a_slip_in_class_weights_is_one_sentence(tmp_path, weights, expected):
    text = f"""title: t
data: {{table: t.csv, predictors: [a], response: y, kind: classification, classes: [Rain, Snow]}}
mlp: {{class_weights: {weights}}}
"""
    (tmp_path / "task.yaml").write_text(text)
    with pytest.raises(SettingsError, match=expected) as caught:
        parse(TaskSettings, read_yaml(tmp_path / "task.yaml"), "task.yaml")
    assert str(caught.value).count("\n") == 0


def test_class_weights_are_kept_as_given(tmp_path):
    data = {"table": "t.csv", "predictors": ["a"], "response": "y", "kind": "classification", "classes": ["u", "v"]}
    task = {"title": "t", "data": data}
    assert parse(TaskSettings, task, "t").mlp.class_weights is None
    assert parse(TaskSettings, task | {"mlp": {"class_weights": "balanced"}}, "t").mlp.class_weights == "balanced"
    assert parse(TaskSettings, task | {"mlp": {"class_weights": {"v": 2}}}, "t").mlp.class_weights == {"v": 2.0}


@pytest.mark.parametrize("section", ["noise", "controls", "features"])
def test_what_is_about_networks_of_several_seeds_is_refused_of_one_that_is_named(section):
    data = {"table": "t.csv", "predictors": ["a"], "response": "y", "kind": "regression"}
    task = {"title": "t", "data": data, "mlp": {"network": "published/regressor.json"}}
    with pytest.raises(SettingsError, match=rf"{section}\.one: .* tasks\.one\.mlp\.network names one"):
        parse(Settings, {"tasks": {"one": task}, section: {"one": {"table": "t.csv"}}}, "params.yaml")
