"""A task that names a network: its file says the inputs, scaling and classes, and later stages find one network."""

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from ruamel.yaml import YAML

from precip_sae.errors import NetworkError, SettingsError, StageError
from precip_sae.models import skill
from precip_sae.models.exchange import Network, read_network
from precip_sae.models.exchange.network import Layer
from precip_sae.models.exchange.write import export_network
from precip_sae.models.mlp import MLP
from precip_sae.models.store import load_models
from precip_sae.models.taken import Taken, load_networks, of_network, save_taken
from precip_sae.paths import Paths
from precip_sae.pipeline.networks import with_network
from precip_sae.settings import DataSettings, load_settings
from precip_sae.tasks.prepare import Part, prepare

TASK: dict[str, Any] = {
    "title": "Phase",
    "data": {"table": "t.csv", "response": "regime3"},
    "mlp": {"network": "classifier.json"},
}


def changed(**changes: Any) -> dict[str, Any]:
    task = copy.deepcopy(TASK)
    for place, value in changes.items():
        section, key = place.split("__")
        task[section][key] = value
    return task


def test_the_file_says_inputs_transforms_scaling_and_classes(repository: Paths) -> None:
    task = with_network(TASK, repository.published, "task.yaml: ")
    data = DataSettings(**task["data"])
    assert data.predictors == ["n0", "Rho", "Dm", "T", "RH"]
    assert data.transforms == {"n0": "log10", "Rho": "log10", "Dm": "log10"}
    assert data.classes == ["Rain", "Snow", "Mixed-phase"]
    assert data.scaling["T"] == [271.16151242719417, 8.997569122127834]
    assert task["mlp"]["hidden"] == 4
    assert with_network(task, repository.published, "") == task  # what was filled in does not contradict
    told = {"data": {"kind": "regression"}, "mlp": {"hidden": 3}}
    assert with_network(told, repository.published, "") == told


@pytest.mark.parametrize(
    ("task", "sentence"),
    [
        (changed(data__predictors=["T"]), r"task.yaml: data.predictors is \['T'\], and classifier.json says"),
        (changed(data__classes=["Snow", "Rain"]), "data.classes is"),
        (changed(data__kind="regression"), "data.kind is 'regression', and classifier.json says 'classification'"),
        (changed(mlp__hidden=6), "mlp.hidden is 6, and classifier.json has 4 units"),
        (changed(mlp__layer=2), "mlp.layer is 2, expected 1 to 1"),
    ],
)
def test_a_task_that_contradicts_its_network_is_one_sentence(task: Any, sentence: str, repository: Paths) -> None:
    with pytest.raises(SettingsError, match=sentence):
        with_network(task, repository.published, "task.yaml: ")


def test_a_network_that_dvc_would_not_see_is_refused(project: Paths) -> None:
    content = YAML(typ="safe", pure=True).load(project.params.read_text())
    content["tasks"]["rain"]["mlp"]["network"] = "elsewhere/net.onnx"
    YAML(typ="safe", pure=True).dump(content, project.params)
    with pytest.raises(
        SettingsError, match=r"tasks.rain.mlp.network is elsewhere/net.onnx, expected a file in published/"
    ):
        load_settings(project.params)
    content["tasks"]["rain"]["mlp"]["network"] = "published/net.onnx"
    YAML(typ="safe", pure=True).dump(content, project.params)
    with pytest.raises(NetworkError, match=r"published/net.onnx: no such file"):
        load_settings(project.params)


def test_a_list_of_files_that_dvc_would_not_follow_is_refused(project: Paths) -> None:
    project.params.write_text(project.params.read_text().replace("data/table.csv", "data/all.yaml"))
    with pytest.raises(SettingsError, match=r"data.table is data/all.yaml, a list of files, which DVC does not follow"):
        load_settings(project.params)


def test_the_paper_s_published_tasks_are_those_networks(repository: Paths) -> None:
    tasks = load_settings(repository.params).tasks
    assert tasks["published_classifier"].data.classes == ["Rain", "Snow", "Mixed-phase"]
    assert tasks["published_regressor"].data.response == "Sr"
    assert tasks["published_regressor"].data.transforms == {}


def test_given_scaling_stands_for_the_training_part_s() -> None:
    frame = pd.DataFrame({"a": np.arange(200.0), "b": np.arange(200.0) % 7, "y": np.arange(200.0)})
    plain = {"table": "t", "predictors": ["a", "b"], "response": "y", "kind": "regression"}
    told = prepare(frame, DataSettings(**plain, scaling={"a": [10.0, 5.0]}))
    own = prepare(frame, DataSettings(**plain))
    assert told.train.x[:, 0].tolist() == ((np.arange(96) - 10.0) / 5.0).astype(np.float32).tolist()
    assert np.array_equal(told.train.x[:, 1], own.train.x[:, 1])
    whole = prepare(frame, DataSettings(**plain, standardise_response=True, scaling={"y": [1.0, 2.0]}))
    assert (whole.response_mean, whole.response_scale) == (1.0, 2.0)


@pytest.mark.parametrize(
    ("scaling", "sentence"),
    [({"z": [0, 1]}, "scaling names z"), ({"a": [0, 0]}, "scaling of a has the standard deviation 0")],
)
def test_scaling_that_cannot_be_is_refused(scaling: Any, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        DataSettings(table="t", predictors=["a"], response="y", kind="regression", scaling=scaling)


# One network in the place of many


def deep(repository: Paths) -> Network:
    one = read_network(repository.published / "classifier.json")
    random = np.random.default_rng(0)
    hidden = Layer(random.normal(size=(4, 7)), random.normal(size=7), "tanh")
    last = Layer(random.normal(size=(7, 3)), random.normal(size=3), "identity")
    return Network("deep", one.inputs, (one.layers[0], hidden, last), one.responses, one.kind)


def test_a_plain_network_is_stored_once_and_read_for_every_seed(repository: Paths, tmp_path: Path) -> None:
    one = read_network(repository.published / "classifier.json")
    save_taken(tmp_path, one, None, {"seeds": [0, 4, 9]})
    stack, config = load_networks(tmp_path)
    assert isinstance(stack, MLP)
    # the name alone: where it lay differs from machine to machine
    assert (len(stack), config["taken"]) == (3, "classifier.json")
    x = np.random.default_rng(1).normal(size=(50, 5)).astype(np.float32)
    found = skill.hidden_activations(stack, Part(x, x[:, 0]))
    assert found.shape == (3, 50, 4)
    assert found[2] == pytest.approx(one.hidden(x), abs=1e-5)
    assert len(load_models(tmp_path, MLP)[0]) == 3


def test_a_deep_network_gives_the_activations_of_the_layer_that_is_asked_for(repository: Paths, tmp_path: Path) -> None:
    one = deep(repository)
    x = np.random.default_rng(1).normal(size=(50, 5)).astype(np.float32)
    save_taken(tmp_path, one, 1, {"seeds": [0, 4]})
    stack, _ = load_networks(tmp_path)
    assert isinstance(stack, Taken)
    found = skill.hidden_activations(stack, Part(x, x[:, 0]))
    assert found == pytest.approx(np.stack([one.hidden(x, 1)] * 2), abs=1e-6)
    logits = skill.predict(stack, Part(x, x[:, 0]))
    assert logits == pytest.approx(np.stack([one.logits(x)] * 2), abs=1e-5)
    assert stack.output(torch.from_numpy(found)).numpy() == pytest.approx(logits, abs=1e-4)
    assert of_network(one).layer == 2
    (tmp_path / "network.safetensors").write_bytes(b"half")
    with pytest.raises(StageError, match=r"network.safetensors: cannot be read as safetensors"):
        load_networks(tmp_path)


def test_a_task_file_with_a_network_runs_from_any_folder(
    repository: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its settings, its network and its table stand in the folder, ready for every stage."""
    from precip_sae.pipeline import task_folder
    from precip_sae.simulation.simulate import simulate

    pytest.importorskip("onnx")
    simulate(400, seed=1).to_parquet(tmp_path / "t.parquet")
    export_network(repository.published / "classifier.json", tmp_path / "net.onnx", "onnx")
    (tmp_path / "phase.yaml").write_text(
        "title: Phase\ndata: {table: t.parquet, response: regime3, drop_classes: [Ambiguous]}\n"
        "mlp: {network: net.onnx}\nseeds: 2\nsae: {latents: 8, epochs: 1}\n"
    )
    ran = []
    monkeypatch.setattr(task_folder, "run_stage", lambda stage, task, paths: ran.append(stage.name))
    monkeypatch.setattr(task_folder, "_state", lambda *_: None)
    task_folder.run_task(tmp_path / "phase.yaml", tmp_path / "out", repository)
    assert ran[0] == "train"
    settings = load_settings(tmp_path / "out" / "params.yaml").tasks["phase"]
    assert settings.data.table == "data/t.parquet"
    assert settings.mlp.network == "published/net.onnx"
    assert (settings.mlp.hidden, settings.data.classes) == (4, ["Rain", "Snow", "Mixed-phase"])
