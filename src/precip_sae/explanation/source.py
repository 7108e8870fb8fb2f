"""What is explained: the activations of one layer of a model, beside the inputs that led to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from precip_sae.errors import NetworkError, TableError, closest
from precip_sae.models.exchange import Network, read_network
from precip_sae.models.exchange.agreement import differs, far_inputs, onnxruntime_outputs
from precip_sae.models.exchange.libraries import from_keras, from_sklearn
from precip_sae.models.exchange.recorded import ENDINGS, read_activations, record, usable

FEWEST_ROWS = 50
MOST_CHECKED = 2000  # rows on which predictions are compared with those of the model's own library


@dataclass(frozen=True)
class Source:
    """The activations of a layer, row by row with the inputs.

    Attributes:
        model: what was given, in words; layer: which of its layers.
        names: of the inputs.
        x: the inputs as the model sees them, [rows, inputs]; columns: in their own units, [rows, inputs].
        hidden: activations [rows, units].
        left_out: rows without a usable value of every input.
        notes: sentences: how predictions were checked, and what looks wrong.
    """

    model: str
    layer: str
    names: tuple[str, ...]
    x: NDArray[np.float32]
    columns: NDArray[np.float64]
    hidden: NDArray[np.float32]
    left_out: int
    notes: tuple[str, ...]


def source_of(model: Any, inputs: Any, layer: int | str | None = None, names: Sequence[str] | None = None) -> Source:
    """The activations of a layer of whatever was given.

    Args:
        model: a file of a network (see `read_network`) or of activations; a `Network`; a torch.nn.Module; a model of
            scikit-learn or Keras; or activations, an array [rows, units].
        inputs: a table or an array [rows, inputs], in the units that the model takes, before any scaling of its own; of
            a table, the columns that the model names are taken.
        layer: the number of a hidden layer, from 1 (the last is the default), or the name of a module's layer.
        names: of the inputs of an array.

    Raises:
        NetworkError: the model cannot be read, its predictions are not those of its own library, or there is no such
            layer.
        TableError: the inputs are not such numbers.
    """
    if isinstance(model, str | Path):
        path = Path(model)
        if path.suffix in ENDINGS:
            model = read_activations(path)
        else:
            return _of_network(read_network(path), inputs, layer, path)
    if isinstance(model, Network):
        return _of_network(model, inputs, layer)
    if isinstance(model, np.ndarray):
        frame, _ = _table(inputs, names)
        hidden = usable(model, "the activations")
        if len(hidden) != len(frame):
            raise NetworkError(f"the activations: hold {len(hidden)} rows, and the inputs {len(frame)}.")
        note = "Activations were given without a network, so no prediction was checked."
        return _complete("activations", "as given", frame, frame.to_numpy(), hidden, (note,))
    kind = _library(model)
    if kind == "torch":
        return _of_module(model, inputs, layer, names)
    if kind == "sklearn":
        network = from_sklearn(model, _names(inputs, names))
        return _of_network(network, inputs, layer, own=_sklearn_outputs(model, network))
    if kind == "keras":
        frame, given = _table(inputs, names)
        outputs = int(model.output_shape[-1])
        called = [f"output {k + 1}" for k in range(outputs)] if outputs > 1 else ["response"]
        # without softmax nothing says whether they are classes or numbers; of numbers both predict the same
        linear = outputs > 1 and getattr(getattr(model.layers[-1], "activation", None), "__name__", "") == "linear"
        network = from_keras(model, given, called, **({"kind": "regression"} if linear else {}))
        return _of_network(network, frame, layer, own=lambda columns: np.asarray(model.predict(columns, verbose=0)))
    raise NetworkError(
        f"{type(model).__name__} is no model that is known, expected a file, activations [rows, units], or a model of "
        "PyTorch, scikit-learn or Keras."
    )


def _library(model: Any) -> str:
    modules = " ".join(base.__module__ for base in type(model).__mro__)
    return next((name for name in ("torch", "sklearn", "keras") if f" {name}." in f" {modules}"), "")


def _names(inputs: Any, names: Sequence[str] | None) -> list[str] | None:
    if names is not None:
        return list(names)
    return [str(name) for name in inputs.columns] if isinstance(inputs, pd.DataFrame) else None


def _table(inputs: Any, names: Sequence[str] | None) -> tuple[pd.DataFrame, list[str]]:
    """The inputs as a table of numbers, and the names of its columns."""
    if not isinstance(inputs, pd.DataFrame):
        array = np.asarray(inputs)
        if array.ndim != 2 or array.dtype.kind not in "iuf":
            raise TableError(
                f"The inputs are an array {array.shape} of {array.dtype}, expected numbers, rows x inputs."
            )
        called = list(names) if names is not None else [f"x{k + 1}" for k in range(array.shape[1])]
        if len(called) != array.shape[1]:
            raise TableError(f"{len(called)} inputs are named, and the array has {array.shape[1]} columns.")
        inputs = pd.DataFrame(array, columns=called)
    elif names is not None:
        if missing := [name for name in names if name not in inputs.columns]:
            raise TableError(f"The table has no column {missing[0]}; {closest(missing[0], inputs.columns)}.")
        inputs = inputs[list(names)]
    if len(repeated := inputs.columns[inputs.columns.duplicated()]):
        raise TableError(f"The inputs are named {repeated[0]} more than once, expected different names.")
    if text := [str(name) for name in inputs.columns if not pd.api.types.is_numeric_dtype(inputs[name])]:
        raise TableError(f"The table's column {text[0]} holds no numbers, expected a number for every input.")
    return inputs.astype(float), [str(name) for name in inputs.columns]


def _of_network(
    network: Network, inputs: Any, layer: int | str | None, path: Path | None = None, own: Any = None
) -> Source:
    count = len(network.hidden_layers)
    number = count if layer is None else layer
    if not isinstance(number, int) or not 1 <= number <= count:
        raise NetworkError(f"{network.source}: has no hidden layer {layer!r:.40}, expected a number from 1 to {count}.")
    if isinstance(inputs, pd.DataFrame):
        unnamed = not set(network.predictors) & set(map(str, inputs.columns))
        if unnamed and inputs.shape[1] == len(network.inputs):
            inputs = inputs.set_axis(list(network.predictors), axis=1)
        if missing := [name for name in network.predictors if name not in inputs.columns]:
            raise TableError(
                f"The table has no column {missing[0]}, which the network takes; {closest(missing[0], inputs.columns)}."
            )
    frame, _ = _table(inputs, network.predictors)
    columns = frame.to_numpy()
    x = network.standardised(columns)
    usable_rows = np.isfinite(x).all(axis=1)
    hidden = np.zeros((len(x), network.hidden_layers[number - 1].units), np.float32)
    hidden[usable_rows] = network.hidden(x[usable_rows], number)
    notes = [*_checked(network, columns[usable_rows], path, own), *far_inputs(network, columns)]
    what = f"{network.hidden_layers[number - 1].units} {network.hidden_layers[number - 1].activation} units"
    return _complete(network.source, f"hidden layer {number} ({what})", frame, x, hidden, tuple(notes))


def _checked(network: Network, columns: NDArray[np.float64], path: Path | None, own: Any) -> list[str]:
    """How the predictions compare with those of the model's own library."""
    # as float32, which most libraries take: both then see the same numbers
    some = columns[:: max(1, len(columns) // MOST_CHECKED)].astype(np.float32).astype(float)
    if own is not None:
        said, by = own(some), "its own library"
    elif path is not None and path.suffix == ".onnx":
        # the transforms do not stand in the graph: both see what has been transformed
        bare = tuple(replace(given, mean=0.0, scale=1.0) for given in network.inputs)
        some = replace(network, inputs=bare).standardised(some).astype(np.float32).astype(float)
        network = replace(network, inputs=tuple(replace(given, transform=None) for given in network.inputs))
        said, by = onnxruntime_outputs(path, some), "onnxruntime"
    else:
        said, by = None, ""
    if said is None or not len(some):
        return ["Its predictions were not checked: the library that made it is not at hand."]
    if sentence := differs(network, some, said):
        raise NetworkError(sentence)
    return [f"Its predictions are those of {by} to within 1e-5 on {len(some)} rows."]


def _sklearn_outputs(model: Any, network: Network) -> Any:
    named = getattr(model, "feature_names_in_", None)

    def said(columns: NDArray[np.float64]) -> NDArray[np.float64]:
        rows = columns if named is None else pd.DataFrame(columns, columns=list(named))
        return model.predict_proba(rows) if network.kind == "classification" else model.predict(rows)

    return said


def _of_module(module: Any, inputs: Any, layer: int | str | None, names: Sequence[str] | None) -> Source:
    frame, _ = _table(inputs, names)
    x = frame.to_numpy()
    name = type(module).__name__
    if not isinstance(layer, str):
        known = [called for called, part in module.named_modules() if called and not list(part.children())]
        raise NetworkError(f"PyTorch's {name}: which layer? Name one of {', '.join(known[:20])} in layer.")
    usable_rows = np.isfinite(x).all(axis=1)
    some = record(module, layer, x[usable_rows].astype(np.float32))
    hidden = np.zeros((len(x), some.shape[1]), np.float32)
    hidden[usable_rows] = some
    note = "The module itself ran on the rows, so its activations need no check."
    return _complete(f"PyTorch's {name}", f"layer '{layer}' ({some.shape[1]} units)", frame, x, hidden, (note,))


def _complete(
    model: str,
    layer: str,
    frame: pd.DataFrame,
    x: NDArray[np.float64],
    hidden: NDArray[np.float32],
    notes: tuple[str, ...],
) -> Source:
    """Without the rows that miss an input."""
    kept = np.isfinite(x).all(axis=1)
    if kept.sum() < FEWEST_ROWS:
        raise TableError(f"{int(kept.sum())} rows have every input, expected at least {FEWEST_ROWS}.")
    names = tuple(str(name) for name in frame.columns)
    constant = [name for name, column in zip(names, x[kept].T, strict=True) if np.ptp(column) == 0]
    notes = (*notes, *(f"{name}: is the same in all rows." for name in constant))
    return Source(
        model, layer, names, x[kept].astype(np.float32), frame.to_numpy()[kept], hidden[kept], int((~kept).sum()), notes
    )
