"""The networks beside a task's own: its own are among them, and they come back as they were kept."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from precip_sae.cli import app
from precip_sae.errors import NetworkError, StageError, TableError
from precip_sae.inspector.companions import best_inputs, load_companions, save_companions, train_companions
from precip_sae.inspector.own import _settings, own_page
from precip_sae.inspector.pack import Packer
from precip_sae.inspector.study import _published_set, _records
from precip_sae.models import engine
from precip_sae.models.engine.blocks import packed
from precip_sae.models.exchange import read_network
from precip_sae.settings import CompanionSettings, SubsetSettings


@pytest.fixture(scope="module")
def small(study):
    """The classifier, trained for two epochs."""
    task = study.tasks["classifier"]
    mlp = task.settings.mlp.model_copy(update={"epochs": 2})
    sae = task.settings.sae.model_copy(update={"epochs": 2})
    return task, mlp, sae


def test_the_tasks_own_networks_and_saes_are_among_the_companions_bit_for_bit(small, tmp_path):
    task, mlp, sae = small
    settings = CompanionSettings(hidden=[], seeds=[0, 3], l1=0.01)
    found = train_companions(task.prepared, mlp, sae, settings)
    assert [(one.hidden, one.hidden_l1) for one in found] == [(6, 0.0), (6, 0.01)]
    own, history = engine.train_mlps(task.prepared.train, task.prepared.validation, "classification", 3, mlp, [0, 3])
    assert found[0].networks[:, -1].tobytes() == packed(own).tobytes()
    hidden = engine.hidden_activations(own, task.prepared.sae.x)
    saes, _ = engine.train_saes(hidden, sae, sae.l1_conventions[0], [0, 3])
    assert found[0].trained.tobytes() == packed(saes).tobytes()
    assert found[0].history.equals(history)
    assert (found[1].networks[:, 0] == found[0].networks[:, 0]).all(), "both start from the same weights"
    assert not np.array_equal(found[1].networks[:, -1], found[0].networks[:, -1])
    save_companions(tmp_path, found, task.prepared.config("classifier", [0, 3], mlp))
    again, config = load_companions(tmp_path)
    for one, other in zip(found, again, strict=True):
        for name, value in dataclasses.asdict(one).items():
            if name == "history":
                assert one.history.equals(other.history)
            else:
                np.testing.assert_array_equal(value, getattr(other, name))
    assert config["seeds"] == [0, 3]


def test_missing_and_damaged_companions_are_one_sentence(tmp_path):
    with pytest.raises(StageError, match="run the stage"):
        load_companions(tmp_path / "nothing")
    (tmp_path / "config.json").write_text('{"seeds": [0], "kinds": []}')
    (tmp_path / "weights.safetensors").write_bytes(b"no tensors")
    with pytest.raises(StageError, match="cannot be read"):
        load_companions(tmp_path)


def test_a_search_points_at_its_best_inputs(small):
    data = small[0].settings.data
    subsets = SubsetSettings(
        table=data.table, pool=["n0", "Nt", "T"], size=2, transforms={"n0": "log10", "Nt": "log10"}
    )
    found = best_inputs(data, subsets, {"counted": {"published": {"best": {"inputs": ["Nt", "T"]}}}})
    assert (found.predictors, found.transforms) == (["Nt", "T"], {"Nt": "log10"})
    assert best_inputs(data, subsets, {"counted": {"published": {"best": None}}}).predictors == data.predictors


def test_a_page_is_made_of_anybodys_networks(study, tmp_path):
    page = tmp_path / "page.html"
    table = str(study.paths.data / "observations.parquet")
    networks = [str(study.paths.published / f"{kind}.json") for kind in ("classifier", "regressor")]
    options = [f"--model={network}" for network in networks]
    done = CliRunner().invoke(app, ["inspector", *options, "--table", table, "--out", str(page)])
    assert done.exit_code == 0, done.output
    text = page.read_text(encoding="utf-8")
    assert '"title":"classifier"' in text
    assert "Records: observations.parquet." in text
    assert "set the inputs by hand" in own_page([study.paths.published / "regressor.json"], None)
    (tmp_path / "broken.json").write_text("{")
    with pytest.raises(NetworkError, match="is not JSON"):
        own_page([tmp_path / "broken.json"], None)


def test_a_table_without_a_row_to_show_is_refused_and_so_is_an_unknown_response(repository, tmp_path):
    classifier, table = repository.published / "classifier.json", tmp_path / "t.csv"
    names = read_network(classifier).predictors
    pd.DataFrame({name: np.linspace(1, 2, 60) for name in names} | {"what": "hail"}).to_csv(table, index=False)
    with pytest.raises(TableError, match=r"t\.csv: no row holds every input and 'what' as "):
        own_page([classifier], table, "what")
    with pytest.raises(TableError, match=r"t\.csv: has no column 'waht'; did you mean 'what'\?"):
        own_page([classifier], table, "waht")


@pytest.mark.parametrize(
    "changed", [{"mean": ["x"]}, {"scale": None}, {"response_mean": "x"}, {"response_scale": [1.0]}]
)
def test_a_scaling_that_is_no_number_is_one_sentence(tmp_path, changed):
    data = {"table": "t.csv", "predictors": ["a"], "response": "y", "kind": "regression"}
    config = {"data": data, "mean": [0.0], "scale": [1.0]}
    assert _settings(tmp_path, config).predictors == ["a"]
    with pytest.raises(NetworkError, match=rf"config\.json: {next(iter(changed))} is "):
        _settings(tmp_path, config | changed)


def test_a_published_network_of_a_standardised_response_is_shown_in_the_unit_of_the_table(study):
    task, packer = study.tasks["shipped_regressor"], Packer()
    network = read_network(study.paths.published / "regressor.json")
    network = dataclasses.replace(network, response_mean=2.0, response_scale=3.0)
    found = _published_set(packer, network, task, _records([task], 100), 0)
    assert (found["response"]["mean"], found["response"]["scale"]) == (2.0, 3.0)


def test_a_page_of_anybodys_networks_opens(look, study, tmp_path):
    path = tmp_path / "page.html"
    path.write_text(own_page([study.paths.published / "regressor.json"], None), encoding="utf-8")
    looking = look(path)
    for view in ("training", "testing", "features", "models"):
        looking.go(f"view={view}")
    assert looking.complaints == []
    assert looking.page.locator("#view-testing .node .unit").count() in (0, 10)
    looking.page.close()
