"""Feed-forward networks in ONNX: the graph is read, not run; onnxruntime serves as the check alone.

What is understood is one chain from one input: MatMul, Gemm, element-wise arithmetic with constants, batch
normalisation, activations. Anything else is refused by its name.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from precip_sae.errors import NetworkError
from precip_sae.models.exchange.description import describe, read_description
from precip_sae.models.exchange.network import Array, Layer, Network

OURS = "precip_sae"  # the entry of the model's metadata that describes the network
OPSET = 20  # the first with Gelu
ACTIVATION_NODES = {"Relu": "relu", "Tanh": "tanh", "Sigmoid": "sigmoid", "Gelu": "gelu", "Elu": "elu", "Selu": "selu",
                    "Softplus": "softplus"}  # fmt: skip
PASSED = {"Identity", "Cast", "Dropout", "Flatten"}  # do nothing to the rows of a table
ENDS = {"ArgMax", "ZipMap", "ArrayFeatureExtractor", "LabelEncoder"}  # make labels of the outputs


def read_onnx(path: Path) -> Network:
    """Reads a network from an ONNX file; its inputs are described in its metadata, or in a file beside it.

    Raises:
        NetworkError: the package onnx is missing, the file is no ONNX, or the graph is no feed-forward network.
    """
    onnx = _onnx(path)
    try:
        model = onnx.load_model_from_string(path.read_bytes())
        onnx.checker.check_model(model)
    except OSError as error:
        raise NetworkError(f"{path}: cannot be read ({error.strerror}).") from error
    except Exception as error:  # a parser of untrusted bytes fails in many ways
        raise NetworkError(f"{path}: is no ONNX model ({str(error).strip().splitlines()[0]:.100}).") from error
    stored = {entry.key: entry.value for entry in model.metadata_props}.get(OURS)
    try:
        within = json.loads(stored) if stored else None
    except ValueError as error:
        raise NetworkError(f"{path}: its metadata '{OURS}' is not JSON ({error}).") from error
    chain = _Chain(onnx, model.graph, str(path))
    layers, last = chain.layers()
    return read_description(path, within).network(str(path), layers, last)


def _onnx(path: Path | str) -> Any:
    try:
        import onnx
    except ImportError as error:
        raise NetworkError(f"{path}: ONNX needs the package onnx: pip install 'precip-sae[networks]'.") from error
    return onnx


class _Chain:
    """Follows the one chain of nodes from the graph's input to its outputs and keeps what it computes."""

    def __init__(self, onnx: Any, graph: Any, source: str) -> None:
        self.source, self.graph = source, graph
        self.constants = {t.name: onnx.numpy_helper.to_array(t) for t in graph.initializer}
        for node in graph.node:
            if node.op_type == "Constant" and node.attribute[0].HasField("t"):
                self.constants[node.output[0]] = onnx.numpy_helper.to_array(node.attribute[0].t)
        self.nodes = [node for node in graph.node if node.op_type != "Constant"]
        self.value = onnx.helper.get_attribute_value
        self.found: list[Layer] = []
        self.open = False  # whether the last layer waits for its activation
        self.last = "identity"
        # an element-wise a x + b that waits for the next matrix
        self.factor: Array = np.ones(1)
        self.offset: Array = np.zeros(1)

    def layers(self) -> tuple[list[Layer], str]:
        """The layers, and the function behind the last one."""
        inputs = [entry.name for entry in self.graph.input if entry.name not in self.constants]
        if len(inputs) != 1:
            raise NetworkError(f"{self.source}: has {len(inputs)} inputs, expected one: the rows of a table.")
        tensor = inputs[0]
        while following := [n for n in self.nodes if tensor in n.input and n.op_type not in ENDS]:
            if len(following) > 1:
                kinds = " and ".join(sorted(node.op_type for node in following))
                raise NetworkError(f"{self.source}: {tensor:.60} goes into {kinds}, expected one chain of layers.")
            try:
                self._take(following[0], tensor)
            except ValueError as error:
                raise NetworkError(
                    f"{self.source}: the constants of a {following[0].op_type} do not fit each other ({error!s:.80})."
                ) from error
            tensor = following[0].output[0]
        if not self.found:
            raise NetworkError(f"{self.source}: holds no layer, expected MatMul or Gemm nodes.")
        if self.factor.size > 1 or self.factor.item() != 1 or self.offset.any():
            raise NetworkError(f"{self.source}: its outputs are scaled after the last activation, expected none.")
        if not self.open and self.last == "identity":
            self.last = self.found[-1].activation
        return self.found, self.last

    def _take(self, node: Any, tensor: str) -> None:
        kind = node.op_type
        if self.last != "identity":
            raise NetworkError(f"{self.source}: a {kind} follows its softmax, expected that at the end.")
        if kind in ("MatMul", "Gemm"):
            self._matrix(node, tensor)
        elif kind in ("Add", "Sub", "Mul", "Div", "BatchNormalization", "Scaler"):
            self._elementwise(*self._affine(node, tensor))
        elif kind in ACTIVATION_NODES:
            self._activation(self._activation_name(node))
        elif kind == "Softmax":
            self.last, self.open = "softmax", False
        elif kind == "Reshape" and list(np.ravel(self._constant(node, 1)))[:1] in ([-1], [0]):
            pass
        elif kind not in PASSED:
            known = ", ".join(["MatMul", "Gemm", *ACTIVATION_NODES, "Softmax"])
            raise NetworkError(f"{self.source}: holds a node {kind}, expected a feed-forward network ({known}).")

    def _matrix(self, node: Any, tensor: str) -> None:
        attributes = self._attributes(node)
        weight = np.asarray(self._constant(node, 1), dtype=float)
        if node.input[0] != tensor or weight.ndim != 2 or attributes.get("transA"):
            raise NetworkError(f"{self.source}: a {node.op_type} is not of rows times a constant matrix.")
        weight = attributes.get("alpha", 1.0) * (weight.T if attributes.get("transB") else weight)
        bias = np.zeros(weight.shape[1])
        if node.op_type == "Gemm" and len(node.input) > 2:
            bias = bias + attributes.get("beta", 1.0) * np.asarray(self._constant(node, 2), dtype=float).ravel()
        if self.factor.size > 1 and self.factor.size != len(weight):
            raise NetworkError(f"{self.source}: {self.factor.size} columns are scaled and {len(weight)} follow.")
        # (a x + b) W + c = x (a W) + (b W + c)
        bias = bias + np.broadcast_to(self.offset, len(weight)) @ weight
        weight = weight * np.broadcast_to(self.factor, len(weight))[:, None]
        self.factor, self.offset = np.ones(1), np.zeros(1)
        self.found.append(Layer(weight, bias, "identity"))
        self.open = True

    def _affine(self, node: Any, tensor: str) -> tuple[Array, Array]:
        """a and b of a node that computes a x + b, column by column."""
        kind = node.op_type
        if kind == "BatchNormalization":
            scale, shift, mean, variance = (np.asarray(self._constant(node, k), dtype=float) for k in range(1, 5))
            a = scale / np.sqrt(variance + self._attributes(node).get("epsilon", 1e-5))
            return a, shift - mean * a
        if kind == "Scaler":  # of ai.onnx.ml: (x - offset) scale
            given = self._attributes(node)
            a = np.asarray(given.get("scale", [1.0]), dtype=float)
            return a, -np.asarray(given.get("offset", [0.0]), dtype=float) * a
        place = 1 if node.input[0] == tensor else 0
        c = np.asarray(self._constant(node, place), dtype=float)
        if c.ndim > 1 and c.shape[:-1] != (1,) * (c.ndim - 1):
            raise NetworkError(f"{self.source}: a {kind} with a constant of shape {c.shape} is not one for all rows.")
        c, one, none = c.ravel(), np.ones(c.size), np.zeros(c.size)
        if kind == "Div" and place == 0:
            raise NetworkError(f"{self.source}: divides by its units, expected a feed-forward network.")
        if kind == "Sub":
            return (one, -c) if place else (-one, c)
        return {"Add": (one, c), "Mul": (c, none), "Div": (1.0 / np.where(c, c, np.nan), none)}[kind]

    def _elementwise(self, a: Array, b: Array) -> None:
        if not self.open:
            self.factor, self.offset = self.factor * a, self.offset * a + b
            return
        layer = self.found[-1]
        if a.size not in (1, layer.units):
            raise NetworkError(f"{self.source}: {a.size} numbers are added to or multiplied with {layer.units} units.")
        self.found[-1] = Layer(layer.weight * a, layer.bias * a + b, "identity")

    def _activation_name(self, node: Any) -> str:
        given = self._attributes(node)
        if node.op_type == "Gelu" and given.get("approximate", b"none") == b"tanh":
            return "gelu_tanh"
        if node.op_type == "Elu" and given.get("alpha", 1.0) != 1.0:
            raise NetworkError(f"{self.source}: an Elu has alpha {given['alpha']:g}, expected 1.")
        return ACTIVATION_NODES[node.op_type]

    def _activation(self, name: str) -> None:
        if not self.open:
            raise NetworkError(f"{self.source}: a {name} follows no layer, expected one after each MatMul or Gemm.")
        layer = self.found[-1]
        self.found[-1], self.open = Layer(layer.weight, layer.bias, name), False

    def _attributes(self, node: Any) -> dict[str, Any]:
        return {attribute.name: self.value(attribute) for attribute in node.attribute}

    def _constant(self, node: Any, place: int) -> Any:
        name = node.input[place] if place < len(node.input) else ""
        if name not in self.constants:
            raise NetworkError(f"{self.source}: a {node.op_type} takes {name or 'nothing'!r:.60}, expected a constant.")
        return self.constants[name]


def as_onnx(network: Network) -> bytes:
    """The network as an ONNX model in float32: columns of a table, transformed, in; what `outputs` says, out.

    Inputs are standardised, and a regression's responses are put back in their units, within the graph. Transforms are
    not (they stand in the metadata): give it log10 of the columns of which the network takes it.

    Raises:
        NetworkError: the package onnx is missing, or ONNX has no such activation.
    """
    onnx = _onnx(network.source)
    node, tensors, nodes = onnx.helper.make_node, [], []

    def constant(name: str, value: Any) -> str:
        tensors.append(onnx.numpy_helper.from_array(np.asarray(value, dtype=np.float32), name))
        return name

    at = "inputs"
    steps: list[tuple[str, str, Any]] = [
        ("Sub", "mean", [given.mean for given in network.inputs]),
        ("Div", "scale", [given.scale for given in network.inputs]),
    ]
    for kind, name, value in steps:
        nodes.append(node(kind, [at, constant(name, value)], [f"less_{name}"]))
        at = f"less_{name}"
    kinds: dict[str, tuple[str, dict[str, str]]] = {ours: (theirs, {}) for theirs, ours in ACTIVATION_NODES.items()}
    kinds |= {"gelu_tanh": ("Gelu", {"approximate": "tanh"}), "identity": ("Identity", {})}
    for number, layer in enumerate(network.layers):
        if layer.activation not in kinds:
            raise NetworkError(f"{network.source}: ONNX {OPSET} has no {layer.activation}; export to safetensors.")
        weight, bias = constant(f"weight_{number}", layer.weight), constant(f"bias_{number}", layer.bias)
        nodes.append(node("Gemm", [at, weight, bias], [f"z_{number}"]))
        called, more = kinds[layer.activation]
        nodes.append(node(called, [f"z_{number}"], [f"layer_{number}"], **more))
        at = f"layer_{number}"
    if network.kind == "classification":
        nodes.append(node("Softmax", [at], ["outputs"], axis=1))
    else:
        mean, scale = np.atleast_1d(network.response_mean), np.atleast_1d(network.response_scale)
        nodes.append(node("Mul", [at, constant("response_scale", scale)], ["scaled"]))
        nodes.append(node("Add", ["scaled", constant("response_mean", mean)], ["outputs"]))
    kind = onnx.TensorProto.FLOAT
    graph = onnx.helper.make_graph(
        nodes, "network", [onnx.helper.make_tensor_value_info("inputs", kind, [None, len(network.inputs)])],
        [onnx.helper.make_tensor_value_info("outputs", kind, [None, len(network.responses)])], tensors,
    )  # fmt: skip
    model = onnx.helper.make_model(
        graph, opset_imports=[onnx.helper.make_opsetid("", OPSET)], producer_name="precip-sae"
    )
    model.ir_version = 9
    # scaling stands in the graph: a reader finds it in the first and the last layer
    told = describe(network) | {"mean": None, "scale": None, "response_mean": 0.0, "response_scale": 1.0}
    onnx.helper.set_model_props(model, {OURS: json.dumps(told, sort_keys=True)})
    return model.SerializeToString(deterministic=True)
