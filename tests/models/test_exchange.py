"""The study's network files: read as they are, and what is wrong with one said in a sentence."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from precip_sae.errors import NetworkError, TableError
from precip_sae.models.exchange import Network, read_published
from precip_sae.paths import Paths

# Two epochs of two inputs, two hidden units and two classes. The second epoch is worked out by hand below.
SMALL = {
    "predictors": ["n0", "Temperature"],
    "units": ["mm-3 -1", "K"],
    "response_variable": ["Rain", "Snow"],
    "N_HIDDEN": 2,
    "weights_history": [[[[1, 0], [0, 1]], [[0, 0], [0, 0]]], [[[1, 0], [-2, 1]], [[1, 0], [0, 3]]]],
    "biases_history": [[[0, 0], [0, 0]], [[0.5, 0], [0, 1]]],
    "loss_history": [0.7, 0.3],
    "val_loss_history": [0.6, 0.2],
    "accuracy_history": [0.5, 0.9],
    "val_accuracy_history": [0.6, 1.0],
    "scaling_info": {"mean": [2.0, 270.0], "scale": [0.5, 10.0]},
    "hyperparameters": {"OPTMIZER": "ADAM", "LOSS_FUNC": "categorical_crossentropy", "ACTIVATION": "relu"},
}


@pytest.fixture
def written(tmp_path: Path) -> Callable[[Any], Path]:
    def write(content: Any) -> Path:
        path = tmp_path / "network.json"
        path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
        return path

    return write


def test_a_file_becomes_a_network_in_our_names(written: Callable[[Any], Path]) -> None:
    network = read_published(written(SMALL))
    assert network.predictors == ("n0", "T")
    assert (network.responses, network.kind, network.epochs) == (("Rain", "Snow"), "classification", 2)
    assert [layer.weight.shape for layer in network.layers] == [(2, 2), (2, 2)]
    assert list(network.val_score) == [0.6, 1.0]


def test_activations_and_probabilities_are_those_of_a_hand(written: Callable[[Any], Path]) -> None:
    network = read_published(written(SMALL))
    x = np.array([[1.0, 1.0], [2.0, -1.0]])
    # 1 - 2 + 0.5 < 0 and 1;  2 + 2 + 0.5 and -1 < 0
    assert network.hidden(x).tolist() == [[0.0, 1.0], [4.5, 0.0]]
    # logits 0 and 3 + 1;  4.5 and 1
    assert network.outputs(x) == pytest.approx(
        np.array([[1, np.exp(4)] / (1 + np.exp(4)), [np.exp(3.5), 1] / (1 + np.exp(3.5))])
    )
    assert network.at(0).hidden(x).tolist() == [[1.0, 1.0], [2.0, 0.0]]
    assert network.at(0).outputs(x) == pytest.approx(np.full((2, 2), 0.5))


def test_a_regression_gives_its_response_without_softmax(written: Callable[[Any], Path]) -> None:
    content = copy.deepcopy(SMALL) | {"response_variable": ["Sr"], "mae_history": [1, 2], "val_mae_history": [1, 2]}
    content["hyperparameters"]["LOSS_FUNC"] = "mse"
    content["weights_history"] = [[[[1, 0], [-2, 1]], [[1], [3]]]] * 2
    content["biases_history"] = [[[0.5, 0], [1]]] * 2
    assert read_published(written(content)).outputs(np.array([[1.0, 1.0], [2.0, -1.0]])).tolist() == [[4.0], [5.5]]


def test_the_scaler_says_of_which_inputs_the_logarithm_is_taken(written: Callable[[Any], Path]) -> None:
    frame = pd.DataFrame({"T": [280.0, 270.0, 270.0], "n0": [1000.0, 0.0, np.nan]})
    logged = read_published(written(SMALL))
    assert logged.logged == ("n0",)
    assert logged.standardise(frame)[0] == pytest.approx([2.0, 1.0])
    assert np.isnan(logged.standardise(frame)[1:, 0]).all()
    raw = read_published(written(SMALL | {"scaling_info": {"mean": [1284.0, 270.0], "scale": [2497.0, 10.0]}}))
    assert raw.logged == ()
    assert raw.standardise(frame)[0] == pytest.approx([-284 / 2497, 1.0])


def test_a_table_without_an_input_is_refused(written: Callable[[Any], Path]) -> None:
    with pytest.raises(TableError, match="The table has no column n0, which the network takes"):
        read_published(written(SMALL)).standardise(pd.DataFrame({"T": [270.0]}))


def _without(name: str) -> dict[str, Any]:
    return {key: value for key, value in SMALL.items() if key != name}


WRONG = {
    "not JSON": ("{", "is not JSON"),
    "nested without end": ("[" * 100_000, "is not JSON"),
    "not an object": ([1], "has no field predictors, expected a list of names"),
    "no weights": (_without("weights_history"), "has no field weights_history"),
    "no scaler": (SMALL | {"scaling_info": {"mean": [0, 0]}}, r"has no scaling_info.scale, .* shape 2"),
    "scaler of nothing": (SMALL | {"scaling_info": 3}, "scaling_info holds 3, expected mean and scale"),
    "scale of nought": (SMALL | {"scaling_info": {"mean": [0, 0], "scale": [1, 0]}}, "scale holds 0, expected"),
    "no epochs": (SMALL | {"loss_history": []}, "loss_history is empty"),
    "epochs that differ": (SMALL | {"loss_history": [1.0]}, "weights_history has 2 epochs, loss_history 1"),
    "a short curve": (SMALL | {"val_loss_history": [1.0]}, "val_loss_history has the shape 1, expected .* shape 2"),
    "a missing layer": (SMALL | {"biases_history": [[[0, 0]]] * 2}, r"biases_history\[0\] is not a list of 2 layers"),
    "a wrong shape": (SMALL | {"N_HIDDEN": 3}, r"weights_history\[0\]\[0\] has the shape 2 x 2, expected .* 2 x 3"),
    "no hidden units": (SMALL | {"N_HIDDEN": 0}, "N_HIDDEN is 0, expected at least 1"),
    "ragged": (SMALL | {"biases_history": [[[0, [1]], [0, 0]]] * 2}, "rows of several lengths"),
    "text": (SMALL | {"loss_history": ["1", "2"]}, "loss_history holds what is not a finite"),
    "NaN": (json.dumps(SMALL | {"loss_history": [1.0, float("nan")]}), "loss_history holds what is not a finite"),
    "a number too large": (SMALL | {"loss_history": [1.0, 10**400]}, "loss_history holds what is not a finite"),
    "an unknown activation": (
        SMALL | {"hyperparameters": {"LOSS_FUNC": "mse", "ACTIVATION": "tan"}, "response_variable": ["Sr"]},
        "hyperparameters.ACTIVATION: the activation 'tan' is unknown; did you mean 'tanh'",
    ),
    "an unknown loss": (SMALL | {"hyperparameters": {"LOSS_FUNC": ["mse"]}}, "hyperparameters.LOSS_FUNC is"),
    "one class": (SMALL | {"response_variable": ["Rain"]}, "response_variable has 1 names, expected"),
    "an input twice": (SMALL | {"predictors": ["n0", "n0"]}, "predictors holds .* expected different names"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_a_damaged_file_is_answered_by_one_sentence(written: Callable[[Any], Path], case: str) -> None:
    content, sentence = WRONG[case]
    with pytest.raises(NetworkError, match=sentence) as refused:
        read_published(written(content))
    assert "\n" not in str(refused.value)
    assert str(refused.value).startswith(str(written(content)))


def test_a_missing_file_is_answered_by_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(NetworkError, match=r"none.json: cannot be read \(No such file or directory\)"):
        read_published(tmp_path / "none.json")


@pytest.mark.parametrize("name", ["classifier", "regressor"])
def test_the_study_s_own_files_are_read(repository: Paths, name: str) -> None:
    path = repository.published / f"{name}.json"
    network: Network = read_published(path)
    assert (network.epochs, network.layers[0].weight.shape) == (32, (5, 4))
    # facts about the two files: the classifier takes logarithms, the regressor none
    assert network.logged == (("n0", "Rho", "Dm") if name == "classifier" else ())
    final = {"classifier": (0.0160, 0.9981), "regressor": (0.2178, 0.225)}[name]
    assert (network.loss[-1], network.val_score[-1]) == pytest.approx(final, abs=2e-3)
    middle = network.outputs(np.zeros((1, 5)))
    assert middle.sum() == pytest.approx(1.0) if name == "classifier" else np.isfinite(middle).all()
