"""What is made ready for all stages is there for each, and an edit is seen all the same."""

import pytest

from precip_sae import plain_yaml
from precip_sae.errors import SettingsError
from precip_sae.paths import Paths
from precip_sae.pipeline.beforehand import prepare
from precip_sae.plain_yaml import load_yaml
from precip_sae.settings import load_settings, read_yaml


def test_settings_that_were_read_beforehand_are_not_read_again_until_they_are_edited(project, monkeypatch):
    plain_yaml._values.cache_clear()
    prepare(project)
    title = load_settings(project.params).tasks["rain"].title

    def refuse(**_):
        raise AssertionError("the YAML is read again")

    with monkeypatch.context() as patch:
        patch.setattr(plain_yaml, "YAML", refuse)
        assert load_settings(project.params).tasks["rain"].title == title
    project.params.write_text(project.params.read_text().replace(title, "Another"))
    assert load_settings(project.params).tasks["rain"].title == "Another"
    project.params.write_text("tasks: {rain: {}}")
    with pytest.raises(SettingsError):
        load_settings(project.params)


def test_what_one_reader_changes_no_other_sees(project):
    first = read_yaml(project.params)
    first["tasks"]["rain"]["seeds"].append(7)
    first["tasks"]["snow"] = {}
    assert read_yaml(project.params)["tasks"]["rain"]["seeds"] == [0, 1]
    assert list(read_yaml(project.params)["tasks"]) == ["rain"]
    shared = load_yaml("a: &x [1]\nb: *x")
    shared["a"].append(2)
    assert load_yaml("a: &x [1]\nb: *x") == {"a": [1], "b": [1]}


def test_a_folder_without_a_paper_can_be_prepared_for(tmp_path):
    prepare(Paths(tmp_path))
