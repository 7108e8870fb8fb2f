"""Networks of other libraries: the same predictions as those that made them, or one sentence on what is wrong."""

import io
import json
import os
import pickle
import shutil
import subprocess
import zipfile
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.numpy import save as save_safetensors
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from precip_sae.errors import NetworkError
from precip_sae.models.exchange import Input, Layer, Network, read_network
from precip_sae.models.exchange.agreement import differs, far_inputs, onnxruntime_outputs
from precip_sae.models.exchange.libraries import from_keras, from_sklearn, from_torch
from precip_sae.models.exchange.network import ACTIVATIONS
from precip_sae.models.exchange.recorded import read_activations, record
from precip_sae.models.exchange.write import export_network
from precip_sae.models.initial import mlp_weights
from precip_sae.models.mlp import MLP
from precip_sae.models.store import save_models
from precip_sae.paths import Paths

KERAS = Path(os.environ.get("PRECIP_SAE_KERAS", "/work/main/.venv-keras/bin/python"))


def rows(count: int = 60, inputs: int = 5) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(count, inputs))


def network(activation: str = "relu", kind: str = "classification", deep: bool = True) -> Network:
    random = np.random.default_rng(1)
    sizes = [3, 6, 5, 2 if kind == "classification" else 1] if deep else [3, 4, 1]
    sizes_of = list(pairwise(sizes))
    layers = [Layer(random.normal(size=pair), random.normal(size=pair[1]), activation) for pair in sizes_of]
    layers[-1] = Layer(layers[-1].weight, layers[-1].bias, "identity")
    inputs = (Input("n0", "log10", 2.5, 0.8, "m^-3"), Input("T", None, 271.0, 9.0, "K"), Input("RH", None, 90.0, 6.0))
    responses = ("Rain", "Snow") if kind == "classification" else ("Sr",)
    scale = (0.0, 1.0) if kind == "classification" else (0.3, 0.7)
    return Network("made", inputs, tuple(layers), responses, kind, *scale)


def columns(count: int = 50) -> np.ndarray:
    random = np.random.default_rng(2)
    return np.column_stack(
        [10 ** random.normal(2.5, 0.8, count), random.normal(271, 9, count), random.normal(90, 6, count)]
    )


def said(one: Network, values: np.ndarray) -> np.ndarray:
    return one.outputs(one.standardised(values))


# Each activation by its own definition, worked out by torch


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_an_activation_is_that_of_torch(name: str) -> None:
    z = np.linspace(-6, 6, 101)
    theirs: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
        "identity": lambda t: t,
        "gelu_tanh": lambda t: torch.nn.functional.gelu(t, approximate="tanh"),
    }
    expected = theirs.get(name, getattr(torch.nn.functional, name, None))(torch.from_numpy(z)).numpy()
    assert ACTIVATIONS[name](z) == pytest.approx(expected, abs=1e-12)


# Round trips


@pytest.mark.parametrize("form", ["inspector", "onnx", "safetensors"])
@pytest.mark.parametrize("kind", ["classification", "regression"])
@pytest.mark.parametrize("activation", ["relu", "tanh", "gelu"])
def test_a_network_that_was_written_predicts_the_same_when_it_is_read(
    form: str, kind: str, activation: str, tmp_path: Path
) -> None:
    pytest.importorskip("onnx")
    one = network(activation, kind)
    first = tmp_path / "first.safetensors"
    from precip_sae.models.exchange.torch_files import as_safetensors

    first.write_bytes(as_safetensors(one))
    out = tmp_path / f"out{ {'inspector': '.json'}.get(form, f'.{form}') }"
    export_network(first, out, form)
    again = read_network(out)
    assert (again.predictors, again.responses, again.kind) == (one.predictors, one.responses, one.kind)
    assert said(again, columns()) == pytest.approx(said(one, columns()), abs=1e-5)
    before = out.read_bytes()
    export_network(first, out, form)
    assert out.read_bytes() == before


def test_the_study_s_network_keeps_every_epoch_in_the_page_s_format(repository: Paths, tmp_path: Path) -> None:
    ours = read_network(repository.published / "classifier.json")
    export_network(repository.published / "classifier.json", tmp_path / "again.json", "inspector")
    again = read_network(tmp_path / "again.json")
    assert (again.epochs, again.logged) == (32, ours.logged)
    x = rows(20)
    assert np.array_equal(again.at(3).outputs(x), ours.at(3).outputs(x))
    assert np.array_equal(again.loss, ours.loss)


@pytest.mark.parametrize("mean", [None, [], [1.0], "x"])
def test_a_folder_that_lost_its_means_is_not_read_as_one_that_has_none(tmp_path: Path, mean: Any) -> None:
    folder = tmp_path / "mlp"
    stack = MLP.of([mlp_weights(0, 2, 4, 1)])
    data = {"predictors": ["a", "b"], "transforms": {}, "response": "y", "classes": [], "kind": "regression"}
    config = {"seeds": [0], "data": data, "mean": [1.0, 2.0], "scale": [1.0, 2.0]}
    save_models(folder, stack, config, pd.DataFrame({"seed": [0], "epoch": [1]}))
    assert [given.mean for given in read_network(folder).inputs] == [1.0, 2.0]
    save_models(folder, stack, config | {"mean": mean}, pd.DataFrame({"seed": [0], "epoch": [1]}))
    with pytest.raises(NetworkError, match=r"config\.json: does not say the inputs and outputs of its networks"):
        read_network(folder)


def test_our_own_folder_is_read_and_its_seed_chosen(tmp_path: Path) -> None:
    import pandas as pd

    from precip_sae.models.initial import mlp_weights
    from precip_sae.models.mlp import MLP

    stack = MLP.of([mlp_weights(seed, 2, 3, 1) for seed in (0, 5)])
    data = {"predictors": ["a", "b"], "transforms": {"a": "sqrt"}, "classes": [], "response": "y", "kind": "regression"}
    config = {"seeds": [0, 5], "data": data, "mean": [1.0, 2.0], "scale": [2.0, 4.0]}
    save_models(tmp_path / "mlp", stack, config, pd.DataFrame({"seed": [0]}))
    export_network(tmp_path / "mlp", tmp_path / "five.safetensors", "safetensors", seed=5)
    one, x = read_network(tmp_path / "five.safetensors"), np.array([[4.0, 6.0], [9.0, 2.0]])
    standard = torch.tensor([[0.5, 1.0], [1.0, 0.0]])
    assert said(one, x)[:, 0] == pytest.approx(stack(standard)[1, :, 0].detach().numpy(), abs=1e-6)
    with pytest.raises(NetworkError, match="has no network of seed 4, expected one of 0 to 5"):
        export_network(tmp_path / "mlp", tmp_path / "x.onnx", "onnx", seed=4)


def test_an_exported_graph_runs_in_onnxruntime_with_the_same_predictions(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    from precip_sae.models.exchange.onnx_graph import as_onnx

    for kind in ("classification", "regression"):
        one = network("tanh", kind)
        (tmp_path / "a.onnx").write_bytes(as_onnx(one))
        given = columns()
        given[:, 0] = np.log10(given[:, 0])
        theirs = onnxruntime_outputs(tmp_path / "a.onnx", given)
        assert theirs == pytest.approx(said(one, columns()), abs=1e-5)


# scikit-learn


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("activation", ["relu", "tanh", "logistic", "identity"])
def test_a_classifier_of_scikit_learn_predicts_what_it_does_there(classes: int, activation: str) -> None:
    x = rows(150)
    y = np.array(["a", "b", "c"])[(x[:, 0] > 0).astype(int) + (x[:, 1] > 0.5) * (classes - 2)]
    model = make_pipeline(
        StandardScaler(), MLPClassifier(hidden_layer_sizes=(7, 4), activation=activation, max_iter=5000, tol=1e-2)
    )
    model.fit(x, y)
    one = from_sklearn(model)
    assert one.responses == ("a", "b", "c")[:classes]
    assert differs(one, x, model.predict_proba(x)) == ""


def test_a_regressor_of_scikit_learn_predicts_what_it_does_there() -> None:
    x = rows(150)
    model = MLPRegressor(hidden_layer_sizes=(6,), activation="tanh", max_iter=5000, tol=1e-2).fit(x, x[:, 0] ** 2)
    assert differs(from_sklearn(model, response="square"), x, model.predict(x)) == ""


def test_a_regressor_of_several_responses_predicts_what_it_does_there() -> None:
    x = rows(150)
    model = MLPRegressor(hidden_layer_sizes=(6, 4), max_iter=5000, tol=1e-2).fit(x, x[:, :2] ** 2)
    network = from_sklearn(model, response="square")
    assert network.responses == ("square 1", "square 2")
    assert differs(network, x, model.predict(x)) == ""


@pytest.mark.parametrize(
    ("model", "sentence"),
    [
        (MLPClassifier(), "is not fitted"),
        (StandardScaler(), "expected an MLPClassifier or MLPRegressor"),
        (
            MLPClassifier(hidden_layer_sizes=(3,), max_iter=5000, tol=1.0).fit(rows(30), rows(30)[:, :2] > 0),
            "gives 2 labels at once, expected classes of which one holds",
        ),
    ],
)
def test_another_model_of_scikit_learn_is_one_sentence(model: Any, sentence: str) -> None:
    with pytest.raises(NetworkError, match=sentence):
        from_sklearn(model)


# PyTorch


def sequential() -> torch.nn.Sequential:
    torch.manual_seed(0)
    inner = torch.nn.Sequential(torch.nn.Linear(8, 6), torch.nn.GELU())
    return torch.nn.Sequential(
        torch.nn.Linear(5, 8), torch.nn.ReLU(), torch.nn.Dropout(0.3), inner, torch.nn.Linear(6, 3), torch.nn.Softmax(1)
    ).eval()


def test_a_module_of_torch_predicts_what_it_does_there() -> None:
    x, model = rows(), sequential()
    one = from_torch(model, list("abcde"), ["x", "y", "z"])
    with torch.no_grad():
        theirs = model(torch.from_numpy(x).float()).numpy()
        third = model[3](model[1](model[0](torch.from_numpy(x).float()))).numpy()
    assert differs(one, x, theirs) == ""
    assert one.hidden(x) == pytest.approx(third, abs=1e-5)
    # any module, by the name of a layer
    recorded = record(model.train(), "3", x.astype(np.float32))
    assert recorded == pytest.approx(third, abs=1e-6)
    assert model.training


@pytest.mark.parametrize("ending", [".pt", ".pth", ".safetensors"])
def test_a_state_dict_with_a_description_predicts_the_same(ending: str, tmp_path: Path) -> None:
    x, model, file = rows(), sequential(), tmp_path / f"weights{ending}"
    if ending == ".safetensors":
        file.write_bytes(save_safetensors({k: v.numpy() for k, v in model.state_dict().items()}))
    else:
        torch.save(model.state_dict(), file)
    file.with_suffix(".yaml").write_text("inputs: [a, b, c, d, e]\noutputs: [x, y, z]\nactivation: [relu, gelu]\n")
    with torch.no_grad():
        assert differs(read_network(file), x, model(torch.from_numpy(x).float()).numpy()) == ""


# ONNX graphs of other writers


def test_a_graph_of_matrices_sums_and_batch_normalisation_is_read(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    random, make = np.random.default_rng(3), onnx.helper.make_node
    given = {
        "mean": random.normal(size=4), "sd": random.uniform(1, 2, 4), "w0": random.normal(size=(4, 6)),
        "b0": random.normal(size=6), "gamma": random.normal(size=6), "beta": random.normal(size=6),
        "m": random.normal(size=6), "v": random.uniform(1, 2, 6), "w1": random.normal(size=(3, 6)),
        "b1": random.normal(size=3),
    }  # fmt: skip
    nodes = [
        make("Sub", ["x", "mean"], ["a"]), make("Div", ["a", "sd"], ["b"]), make("MatMul", ["b", "w0"], ["c"]),
        make("Add", ["b0", "c"], ["d"]), make("BatchNormalization", ["d", "gamma", "beta", "m", "v"], ["e"]),
        make("Elu", ["e"], ["f"]), make("BatchNormalization", ["f", "gamma", "beta", "m", "v"], ["g"]),
        make("Gemm", ["g", "w1", "b1"], ["h"], transB=1), make("Softmax", ["h"], ["p"], axis=1),
        make("ArgMax", ["p"], ["label"], axis=1),
    ]  # fmt: skip
    kind = onnx.TensorProto
    graph = onnx.helper.make_graph(
        nodes, "g", [onnx.helper.make_tensor_value_info("x", kind.FLOAT, [None, 4])],
        [onnx.helper.make_tensor_value_info(n, k, [None, None]) for n, k in (("label", kind.INT64), ("p", kind.FLOAT))],
        [onnx.numpy_helper.from_array(value.astype(np.float32), name) for name, value in given.items()],
    )  # fmt: skip
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)], ir_version=9)
    file = tmp_path / "m.onnx"
    file.write_bytes(model.SerializeToString())
    (tmp_path / "m.yaml").write_text("inputs: [a, b, c, d]\noutputs: [x, y, z]\n")
    x = rows(40, 4).astype(np.float32).astype(float)
    theirs = onnxruntime_outputs(file, x)
    assert theirs is not None
    assert differs(read_network(file), x, theirs) == ""


# Keras, in a process and an environment of its own

MAKE_KERAS = """
import os, sys
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import keras, numpy as np
keras.utils.set_random_seed(1)
layers = keras.layers
model = keras.Sequential([keras.Input((5,)), layers.Dense(7, activation="tanh"), layers.Dropout(0.1),
    layers.Dense(6), layers.Activation("gelu"), layers.Dense(4, activation="silu", use_bias=False),
    layers.Dense(3, activation="softmax")])
x = np.random.default_rng(0).normal(size=(60, 5)).astype("float32")
model.save(sys.argv[1] + "/model.keras")
np.savez(sys.argv[1] + "/said.npz", x=x, p=model.predict(x, verbose=0))
"""


@pytest.mark.skipif(not KERAS.is_file(), reason="no environment with Keras (`make bench` makes one)")
def test_a_file_of_keras_3_predicts_what_keras_does(tmp_path: Path) -> None:
    subprocess.run([str(KERAS), "-c", MAKE_KERAS, str(tmp_path)], check=True, capture_output=True, timeout=300)
    (tmp_path / "model.yaml").write_text("inputs: [a, b, c, d, e]\noutputs: [x, y, z]\n")
    theirs = np.load(tmp_path / "said.npz")
    assert differs(read_network(tmp_path / "model.keras"), theirs["x"], theirs["p"]) == ""

    class Model:
        """As Keras's own, as far as it is asked."""

        name = "sequential"

        def save(self, path: Path) -> None:
            shutil.copyfile(tmp_path / "model.keras", path)

    assert differs(from_keras(Model(), list("abcde"), list("xyz")), theirs["x"], theirs["p"]) == ""


# What differs


def test_what_differs_from_the_own_library_is_named() -> None:
    one, x = network(), columns()
    theirs = said(one, x)
    assert differs(one, x, theirs) == ""
    swapped = Network("made", (*one.inputs[1::-1], one.inputs[2]), one.layers, one.responses, one.kind)
    assert "if the inputs T and n0 change places" in differs(swapped, x, theirs) or "differ" in differs(
        swapped, x, theirs
    )
    celsius = x - [[0, 273.15, 0]]
    assert "if T is in another unit (K, not °C)" in differs(one, celsius, theirs)
    tanh = Network("made", one.inputs, tuple(network("tanh").layers), one.responses, one.kind)
    assert "if its hidden units are relu, not tanh" in differs(tanh, x, theirs)
    raw = Network("made", tuple(Input(i.name, i.transform) for i in one.inputs), one.layers, one.responses, one.kind)
    assert "predictions differ" in differs(raw, x, theirs)
    assert "if the outputs are Snow, Rain, in this order" in differs(one, x, theirs[:, ::-1])
    assert "gives 3 numbers of 50 rows, expected 2 of 50" in differs(one, x, np.ones((50, 3)))


def test_the_unit_of_a_response_does_not_decide_whether_predictions_agree() -> None:
    """A response in m/s is of the order of 1e-7, one in Pa of 1e5; both are checked to the same digits."""
    one, x = network(), columns()
    units = np.array([1e-7, 1e5])
    outputs = Layer(one.layers[-1].weight * units, one.layers[-1].bias * units, "identity")
    both = Network("made", one.inputs, (*one.layers[:-1], outputs), ("rate", "pressure"), "regression")
    theirs = said(both, x)
    assert differs(both, x, theirs * (1 + 1e-6)) == ""
    assert "predictions differ from its library's by up to" in differs(both, x, theirs * [2.0, 1.0])
    assert "predictions differ from its library's by up to" in differs(both, x, theirs * [1.0, 1.001])
    assert "if the outputs are pressure, rate, in this order" in differs(both, x, theirs[:, ::-1])


def test_inputs_in_another_unit_are_told_from_the_table_alone() -> None:
    one, x = network(), columns()
    assert far_inputs(one, x) == []
    (sentence,) = far_inputs(one, x - [[0, 273.15, 0]])
    assert sentence.startswith("T: its median lies -30 of the network's standard deviations")
    assert far_inputs(one, x * [[-1, 1, 1]]) == ["n0: no row has a usable value of it."]


# Files that cannot be used: one sentence each, and nothing is run


class Harmful:
    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, ("touch /tmp/precip_sae_was_unpickled",)


def zipped(**entries: Any) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        for name, content in entries.items():
            archive.writestr(name.replace("__", "."), content if isinstance(content, bytes) else json.dumps(content))
    return held.getvalue()


def tensors(**changes: Any) -> bytes:
    made = {"a.weight": np.ones((3, 2)), "a.bias": np.ones(3), "b.weight": np.ones((1, 3)), "b.bias": np.ones(1)}
    made = {k: v for k, v in (made | {k.replace("__", "."): v for k, v in changes.items()}).items() if v is not None}
    return save_safetensors(made)


def state(content: Any) -> bytes:
    held = io.BytesIO()
    torch.save(content, held)
    return held.getvalue()


TWO = "inputs: [p, q]\noutputs: [y]\n"
DENSE = {"class_name": "Dense", "config": {"name": "dense", "activation": "relu"}}
BAD: dict[str, tuple[str, bytes | str, str | None, str]] = {
    "a pickle": ("m.pkl", pickle.dumps(Harmful()), None, "is a pickle, which runs whatever code it holds"),
    "a pickle called pt": ("m.pt", pickle.dumps(Harmful()), TWO, "holds no weights alone"),
    "a whole module": ("m.pt", state(Harmful()), TWO, "nothing is unpickled"),
    "a joblib file": ("m.joblib", b"x", None, "is a pickle"),
    "another ending": ("m.h5", b"x", None, r"ends in '.h5', expected a network: .json"),
    "no ending": ("model", b"x", None, r"ends in '', expected a network"),
    "empty pt": ("m.pt", b"", TWO, "holds no weights alone"),
    "truncated pt": ("m.pt", state({"a.weight": torch.ones(3, 2)})[:-40], TWO, "holds no weights alone"),
    "a list": ("m.pt", state([1, 2]), TWO, "holds list, expected a state_dict"),
    "whole numbers": ("m.pt", state({"a.weight": torch.ones(3, 2, dtype=torch.int64)}), TWO, "holds torch.int64"),
    "no description": ("m.safetensors", tensors(), None, "expected m.yaml beside it"),
    "description of nothing": ("m.safetensors", tensors(), "outputs: [y]\n", r"m.yaml: inputs is missing"),
    "description misspelt": ("m.safetensors", tensors(), TWO + "activations: relu\n", "did you mean 'activation'"),
    "description no YAML": ("m.safetensors", tensors(), "inputs: [", "is not valid YAML"),
    "mean of another length": ("m.safetensors", tensors(), TWO + "mean: [1.0]\n", "mean has 1 entries, expected 2"),
    "scale of nought": ("m.safetensors", tensors(), TWO + "mean: [0, 0]\nscale: [1, 0]\n", "the scale above 0"),
    "transform of no input": ("m.safetensors", tensors(), TWO + "transforms: {z: log10}\n", "transforms names z"),
    "unknown activation": ("m.safetensors", tensors(), TWO + "activation: wobble\n", "'wobble' is unknown"),
    "activations too many": ("m.safetensors", tensors(), TWO + "activation: [relu, relu]\n", "2 activations are descr"),
    "an input too many": ("m.safetensors", tensors(), "inputs: [p, q, r]\noutputs: [y]\n", "takes 2 inputs, and 3 are"),
    "an input twice": ("m.safetensors", tensors(), "inputs: [p, p]\noutputs: [y]\n", "expected different names"),
    "a hostile name": ("m.safetensors", tensors(), 'inputs: [p, "q\\n\\e[2J"]\noutputs: [y]\n', "printable characters"),
    "an output too many": ("m.safetensors", tensors(), "inputs: [p, q]\noutputs: [y, z, u]\n", "1 units, and 3 outp"),
    "softmax of a regression": ("m.safetensors", tensors(), TWO + "last: softmax\n", "go through softmax, exp"),
    "layers that do not fit": ("m.safetensors", tensors(b__weight=np.ones((1, 4))), TWO, "has 3 units, and layer 2"),
    "biases that do not fit": ("m.safetensors", tensors(a__bias=np.ones(2)), TWO, "weights 2 x 3 and biases 2"),
    "a NaN": ("m.safetensors", tensors(a__bias=np.array([1, np.nan, 1])), TWO, "layer 1 holds a weight that is no"),
    "one layer": ("m.safetensors", save_safetensors({"a.weight": np.ones((1, 2))}), TWO, "has 1 layers, expected"),
    "batch normalisation": ("m.safetensors", tensors(a__running_mean=np.ones(3)), TWO, "holds a.running_mean, expect"),
    "a convolution": ("m.safetensors", tensors(a__weight=np.ones((3, 2, 1))), TWO, "has 3 dimensions, expected 2"),
    "a layer that is not there": ("m.safetensors", tensors(), TWO + "layers: [a, c]\n", "holds no c.weight, only a.bi"),
    "a layer unnamed": ("m.safetensors", tensors(c__weight=np.ones((1, 1))), TWO + "layers: [a, b]\n", "holds c, whic"),
    "hostile safetensors": ("m.safetensors", b"\xff" * 8 + b"{}", TWO, "cannot be read as safetensors"),
    "empty safetensors": ("m.safetensors", b"", TWO, "cannot be read as safetensors"),
    "no ONNX": ("m.onnx", b"not a graph", TWO, "is no ONNX model"),
    "empty ONNX": ("m.onnx", b"", TWO, "is no ONNX model"),
    "no zip": ("m.keras", b"PK nothing", TWO, "is no file of Keras 3"),
    "an empty zip": ("m.keras", zipped(), TWO, "is no file of Keras 3"),
    "a hostile name in a zip": ("m.keras", zipped(**{"../../config__json": {}}), TWO, "is no file of Keras 3"),
    "Keras without layers": ("m.keras", zipped(config__json={}, model__weights__h5=b"x"), TWO, "names no layers"),
    "Keras without weights": (
        "m.keras",
        zipped(config__json={"class_name": "Sequential", "config": {"layers": [DENSE]}}, model__weights__h5=b"x"),
        TWO,
        "its weights cannot be read",
    ),
    "a lambda in Keras": (
        "m.keras",
        zipped(config__json={"class_name": "Model", "config": {"layers": []}}, model__weights__h5=b"x"),
        TWO,
        "holds a 'Model', expected a Sequential",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_a_file_that_is_no_usable_network_is_one_sentence(case: str, tmp_path: Path) -> None:
    name, content, description, sentence = BAD[case]
    if name.endswith(".onnx"):
        pytest.importorskip("onnx")
    file = tmp_path / name
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    if description is not None:
        (tmp_path / "m.yaml").write_text(description)
    with pytest.raises(NetworkError, match=sentence) as refused:
        read_network(file)
    assert "\n" not in str(refused.value)
    assert str(refused.value).startswith((str(tmp_path), "m.yaml: "))
    assert str(refused.value).endswith(".")
    assert not Path("/tmp/precip_sae_was_unpickled").exists()


def test_a_network_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(NetworkError, match=r"none.onnx: no such file, expected a network"):
        read_network(tmp_path / "none.onnx")


def test_a_graph_that_is_no_feed_forward_network_is_named_by_its_node(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    make, file = onnx.helper.make_node, tmp_path / "m.onnx"
    (tmp_path / "m.yaml").write_text(TWO)
    shapes = {"w": (2, 2), "two": (2,), "three": (3,)}
    weights = [onnx.numpy_helper.from_array(np.ones(shape, np.float32), name) for name, shape in shapes.items()]
    one = [make("MatMul", ["x", "w"], ["a"])]
    for nodes, sentence in (
        ([make("Sin", ["x"], ["y"])], "holds a node Sin, expected a feed-forward network"),
        ([make("Relu", ["x"], ["y"])], "a relu follows no layer"),
        ([make("MatMul", ["x", "x"], ["y"])], "a MatMul takes 'x', expected a constant"),
        ([*one, make("Relu", ["a"], ["b"]), make("Add", ["a", "b"], ["y"])], "goes into Add and Relu, expected one ch"),
        ([*one, make("Softmax", ["a"], ["b"]), make("Relu", ["b"], ["y"])], "a Relu follows its softmax"),
        ([make("Identity", ["x"], ["y"])], "holds no layer"),
        ([make("Mul", ["x", "two"], ["a"]), make("Mul", ["a", "three"], ["y"])], "constants of a Mul do not fit each"),
    ):
        graph = onnx.helper.make_graph(
            nodes, "g", [onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [None, 2])],
            [onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [None, None])], weights,
        )  # fmt: skip
        model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)], ir_version=9)
        file.write_bytes(model.SerializeToString())
        with pytest.raises(NetworkError, match=sentence):
            read_network(file)


# Activations alone


@pytest.mark.parametrize("ending", [".npy", ".parquet", ".nc"])
def test_activations_are_read_from_every_format(ending: str, tmp_path: Path) -> None:
    import pandas as pd
    import xarray as xr

    made, file = rows(20, 3).astype(np.float32), tmp_path / f"a{ending}"
    if ending == ".npy":
        np.save(file, made)
    elif ending == ".parquet":
        pd.DataFrame(made, columns=list("abc")).to_parquet(file)
    else:
        xr.Dataset({"hidden": (("row", "unit"), made)}).to_netcdf(file)
    assert np.array_equal(read_activations(file, 20), made)
    with pytest.raises(NetworkError, match="holds 20 rows of activations, and the table 21"):
        read_activations(file, 21)


@pytest.mark.parametrize(
    ("made", "sentence"),
    [
        (np.ones(3), "holds an array 3, expected rows x units"),
        (np.ones((0, 3)), "holds an array 0 x 3"),
        (np.array([[1.0, np.inf]]), "no finite number"),
        (np.array([["a"]]), "holds <U1, expected numbers"),
        (np.array([[1e300]]), "no finite number"),
        (np.array([{}], dtype=object), "cannot be read as activations"),
    ],
)
def test_activations_that_cannot_be_used_are_one_sentence(made: np.ndarray, sentence: str, tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", made, allow_pickle=True)
    with pytest.raises(NetworkError, match=sentence) as refused:
        read_activations(tmp_path / "a.npy")
    assert "\n" not in str(refused.value)


def test_a_layer_that_cannot_be_recorded_is_one_sentence() -> None:
    x = rows().astype(np.float32)
    with pytest.raises(NetworkError, match="has no layer 'fc'; known: 0, 1"):
        record(sequential(), "fc", x)
    with pytest.raises(NetworkError, match="does not run on rows of 4 inputs"):
        record(sequential(), "1", x[:, :4])
