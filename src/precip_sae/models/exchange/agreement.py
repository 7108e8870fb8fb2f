"""Whether a network that was read predicts what its own library predicts, and what differs if it does not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import combinations, permutations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from precip_sae.errors import NetworkError
from precip_sae.models.exchange.network import ACTIVATIONS, TRANSFORMS, Array, Network

TOLERANCE = 1e-5  # of a probability, or of the size of what a response is added up from
MOST_ORDERS = 7  # inputs or outputs of which every pair is tried in another order
FAR = 8.0  # standard deviations at which a table's input is not the one that was learnt


def differs(network: Network, columns: Array, said: NDArray[Any]) -> str:
    """What differs between a network and its own library, in one sentence; empty if nothing does.

    Args:
        columns: rows of the inputs in their units, before transforms (rows, inputs).
        said: what the library says of them: probabilities (rows, classes), or of the second of two classes (rows,); or
            the response (rows,) or (rows, 1).
    """
    theirs = np.asarray(said, dtype=float)
    theirs = theirs[:, None] if theirs.ndim == 1 else theirs
    if network.kind == "classification" and len(network.responses) == 2 and theirs.shape[1:] == (1,):
        theirs = np.hstack([1.0 - theirs, theirs])
    if theirs.shape != (len(columns), len(network.responses)):
        return (
            f"{network.source}: its library gives {theirs.shape[1]} numbers of {len(theirs)} rows, expected "
            f"{len(network.responses)} of {len(columns)}."
        )
    sizes = _sizes(network, columns)

    def distance(x: Array, other: Network = network) -> float:
        with np.errstate(all="ignore"):
            found = (np.abs(other.outputs(x) - theirs) / sizes).max(initial=0.0)
        return float(found) if np.isfinite(found) else np.inf

    here = distance(network.standardised(columns))
    if here <= TOLERANCE:
        return ""
    for what, x, other in _otherwise(network, columns):
        if distance(x, other) <= TOLERANCE:
            return f"{network.source}: predicts what its library does {what}."
    order = permutations(range(len(network.responses)))
    if 1 < len(network.responses) <= MOST_ORDERS:
        for places in order:
            moved = np.abs(network.outputs(network.standardised(columns)) - theirs[:, places]) / sizes
            if moved.max(initial=0.0) <= TOLERANCE:
                return (
                    f"{network.source}: predicts what its library does if the outputs are "
                    f"{', '.join(np.array(network.responses)[np.argsort(places)])}, in this order."
                )
    return (
        f"{network.source}: predictions differ from its library's by up to {here:.3g}"
        f"{' of their size' if network.kind == 'regression' else ''}, expected {TOLERANCE:g}."
    )


def _sizes(network: Network, columns: Array) -> Array:
    """What an error of each output is measured by (outputs,): 1 of a probability; of a response, the sum of the sizes
    of what it is added up from, so that neither its unit nor what float32 loses in the sum decides.
    """
    if network.kind == "classification":
        return np.ones(len(network.responses))
    last = network.layers[-1]
    terms = np.abs(network.hidden(network.standardised(columns))) @ np.abs(last.weight) + np.abs(last.bias)
    most = np.where(np.isfinite(terms), terms, 0.0).max(axis=0, initial=0.0)
    found = most * np.asarray(network.response_scale) + np.abs(np.asarray(network.response_mean))
    return np.where(found > 0, found, 1.0)


def _otherwise(network: Network, columns: Array) -> Iterator[tuple[str, Array, Network]]:
    """Mistakes that are often made, each as words, inputs and network."""
    x = network.standardised(columns)
    plain = replace(network, inputs=tuple(replace(given, mean=0.0, scale=1.0) for given in network.inputs))
    yield "if its inputs are not scaled", plain.standardised(columns), network
    yield "if its inputs are standardised already", np.asarray(columns, dtype=float), network
    fitted = np.where(np.isfinite(x), x, np.nan)
    with np.errstate(all="ignore"):
        yield "if its inputs are scaled by the table's own mean and spread", _scaled(fitted), network
    for name in ACTIVATIONS:
        if name != network.layers[0].activation:
            hidden = tuple(replace(layer, activation=name) for layer in network.hidden_layers)
            was = network.layers[0].activation
            yield (
                f"if its hidden units are {name}, not {was}",
                x,
                replace(network, layers=(*hidden, network.layers[-1])),
            )
    names = network.predictors
    for a, b in combinations(range(len(names)), 2):
        order = list(range(len(names)))
        order[a], order[b] = b, a
        yield f"if the inputs {names[a]} and {names[b]} change places", network.standardised(columns[:, order]), network
    for k, given in enumerate(network.inputs):
        for transform in (None, *TRANSFORMS):
            if transform != given.transform:
                changed = tuple(replace(i, transform=transform) if i is given else i for i in network.inputs)
                words = f"with the {transform} of {names[k]}" if transform else f"with {names[k]} as it is"
                yield words, replace(network, inputs=changed).standardised(columns), network
        for words, convert in _UNITS.items():
            moved = np.array(columns, dtype=float)
            moved[:, k] = convert(moved[:, k])
            yield f"if {names[k]} is in another unit ({words})", network.standardised(moved), network


_UNITS: dict[str, Callable[[Array], Array]] = {
    "°C, not K": lambda v: v - 273.15,
    "K, not °C": lambda v: v + 273.15,
    "100 times larger": lambda v: v * 100.0,
    "100 times smaller": lambda v: v / 100.0,
    "1000 times larger": lambda v: v * 1000.0,
    "1000 times smaller": lambda v: v / 1000.0,
}


def _scaled(x: Array) -> Array:
    spread = np.nanstd(x, axis=0)
    return (x - np.nanmean(x, axis=0)) / np.where(spread > 0, spread, 1.0)


def far_inputs(network: Network, columns: Array) -> list[str]:
    """A sentence for every input whose values in a table lie far from those that the network has learnt from.

    An input without a scaling says nothing about what was learnt.

    Args:
        columns: rows of the inputs in their units (rows, inputs).
    """
    x = network.standardised(columns)
    found = []
    for given, values in zip(network.inputs, x.T, strict=True):
        known = values[np.isfinite(values)]
        if not known.size:
            found.append(f"{given.name}: no row has a usable value of it.")
        elif (given.mean, given.scale) != (0.0, 1.0) and abs(middle := float(np.median(known))) > FAR:
            found.append(
                f"{given.name}: its median lies {middle:+.0f} of the network's standard deviations from the network's "
                "mean; is it in another unit, or another column?"
            )
    return found


def onnxruntime_outputs(path: Any, columns: Array) -> NDArray[np.float64] | None:
    """What onnxruntime says of a model's rows, its last output of two dimensions; None where it is not installed.

    Args:
        columns: as the graph takes them, after the transforms (rows, inputs).

    Raises:
        NetworkError: it cannot run the model.
    """
    try:
        import onnxruntime
    except ImportError:
        return None
    try:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 4
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        found = session.run(None, {session.get_inputs()[0].name: np.asarray(columns, dtype=np.float32)})
    except Exception as error:  # whatever its own library raises
        raise NetworkError(f"{path}: onnxruntime cannot run it ({str(error).strip().splitlines()[0]:.100}).") from error
    matrices = [value for value in found if isinstance(value, np.ndarray) and value.ndim == 2]
    return matrices[-1].astype(float) if matrices else None
