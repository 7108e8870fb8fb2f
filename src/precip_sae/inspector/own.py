"""The page of anybody's models: files of single networks, or folders of networks as the stage `train` writes them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import ValidationError

from precip_sae.errors import NetworkError, TableError, closest
from precip_sae.inspector import content
from precip_sae.inspector.bundle import page
from precip_sae.inspector.pack import Packer
from precip_sae.inspector.records import choose
from precip_sae.interpretation.units import UNTRAINED, load_saes
from precip_sae.models.engine.blocks import packed
from precip_sae.models.exchange import Network, read_network
from precip_sae.models.mlp import MLP
from precip_sae.models.sae import SAE
from precip_sae.models.store import load_models
from precip_sae.settings import DataSettings, InspectorSettings, SensitivitySettings
from precip_sae.tables.formats import open_table, table_files
from precip_sae.tables.read import read_table
from precip_sae.tasks.prepare import present

NO_TABLE = "none"
NO_CURVE = np.zeros(0, np.float32)


def own_page(models: Sequence[Path], table: Path | None, response: str | None = None) -> str:
    """The page of some models, as HTML.

    Args:
        models: files of one network each in any format that `exchange` reads, or folders with config.json and
            weights.safetensors; SAEs in the folder `sae` beside such a folder are shown with it.
        table: records to try them on; None: there are none, and inputs are set by hand.
        response: the column of what was observed; None: what the model says that it predicts, if the table has it.

    Raises:
        PaperError: a model or the table cannot be read.
    """
    packer = Packer()
    tables: list[dict[str, Any]] = []
    sets = [_set(packer, tables, number, path, table, response) for number, path in enumerate(models)]
    sentence = f"Records: {table.name}." if table else "There are no records on this page: set the inputs by hand."
    source = {"simulated": False, "sentence": sentence}
    return page(content.gathered(sets, tables, source, SensitivitySettings().threshold), packer.text())


def _set(
    packer: Packer, tables: list[dict[str, Any]], number: int, path: Path, table: Path | None, response: str | None
) -> dict[str, Any]:
    if path.is_dir():
        stack, config = load_models(path, MLP)
        data = _settings(path, config)
        title, mean, scale = str(config.get("task", path.name)), config["mean"], config["scale"]
        scaled = (float(config.get("response_mean", 0.0)), float(config.get("response_scale", 1.0)))
        models = _stored(packer, path, stack, config)
    else:
        network = read_network(path)
        if len(network.layers) != 2 or network.layers[0].activation != "relu":
            shape = ", ".join(f"{layer.units} {layer.activation}" for layer in network.hidden_layers)
            raise NetworkError(f"{path}: has the hidden layers {shape}, expected one of ReLUs, which the page draws.")
        _refuse_several(path, len(network.responses) if network.kind == "regression" else 1)
        data = content.published_data(network, _bare(network))
        title, (mean, scale), scaled = path.stem, content.scaler(network), content.response_scaler(network)
        models = [content.published_model(packer, network, {}, 0) | {"seed": 0}]
    frame, positions, y = pd.DataFrame(), np.zeros(0, np.int32), np.zeros(0, np.float32)
    place = None
    if table is not None:
        data = _asked(data, table, response)
        frame, records, y = _records(data, table)
        place, positions = len(tables), records.positions(records.frame.index)
        tables.append(records.packed(packer))
    return {
        "id": f"model{number}",
        "title": title,
        "own": models[0]["hidden"],
        "published": False,
        "opened": True,
        "table": place,
        "blind": bool(np.isnan(y).any()) or not len(y),
        **content.described(data, mean, scale, frame, scaled),
        **content.records_of(packer, positions, y),
        "models": models,
    }


def _settings(path: Path, config: dict[str, Any]) -> DataSettings:
    """The task's data section in a config.

    Raises:
        NetworkError: it has none, or no means and scales of the inputs.
    """
    try:
        data = DataSettings.model_validate(config.get("data"))
    except ValidationError as error:
        raise NetworkError(
            f"{path / 'config.json'}: data is not the data section of a task ({error.errors()[0]['msg']})."
        ) from None
    _refuse_several(path, len(data.responses))
    for key in ("mean", "scale"):
        given = config.get(key)
        if not isinstance(given, list) or len(given) != len(data.predictors) or not all(map(_is_number, given)):
            raise NetworkError(
                f"{path / 'config.json'}: {key} is not a list of {len(data.predictors)} numbers, one per input."
            )
    for key in ("response_mean", "response_scale"):
        if not _is_number(config.get(key, 0.0)):
            raise NetworkError(f"{path / 'config.json'}: {key} is {config[key]!r:.40}, expected a number.")
    return data


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float)


def _refuse_several(path: Path, responses: int) -> None:
    if responses > 1:
        raise NetworkError(
            f"{path}: predicts {responses} responses at once, expected one or classes, which the page draws."
        )


def _bare(network: Network) -> DataSettings:
    return DataSettings(
        table=NO_TABLE,
        predictors=list(network.predictors),
        response=network.responses[0] if network.kind == "regression" else "class",
        kind="regression" if network.kind == "regression" else "classification",
        classes=list(network.responses) if network.kind == "classification" else [],
    )


def _stored(packer: Packer, path: Path, stack: MLP, config: dict[str, Any]) -> list[dict[str, Any]]:
    """The networks of a folder, and the SAEs beside them if there are any."""
    weights, seeds = packed(stack), config["seeds"]
    saes: dict[str, SAE] = {}
    if (path.parent / "sae").is_dir():
        known = load_saes(path.parent / "sae", seeds)
        headline = next(iter(known))
        saes = {"trained": known[headline], "untrained": known[UNTRAINED]}
    numbers = {name: packed(sae) for name, sae in saes.items()}
    latents = int(saes["trained"].encoder_weight.shape[2]) if saes else 0
    curve = packer.add(NO_CURVE)
    return [
        {
            "hidden": int(stack.hidden_weight.shape[2]),
            "l1": 0.0,
            "seed": seed,
            "first_epoch": int(config.get("settings", {}).get("epochs", 1)),
            "weights": packer.add(weights[k : k + 1]),
            "curves": dict.fromkeys(("loss", "val_loss", "score", "val_score"), curve),
            "latents": latents,
            "saes": {name: packer.add(values[k]) for name, values in numbers.items()},
        }
        for k, seed in enumerate(seeds)
    ]


def _asked(data: DataSettings, table: Path, response: str | None) -> DataSettings:
    """The settings with the table, what is observed in it, and times if it has a column of that name.

    Raises:
        TableError: the table cannot be read, or has no column of the response that is asked for.
    """
    names = open_table(table_files(table)[0], data.file).names
    if response is not None and response not in names:
        raise TableError(f"{table}: has no column '{response}'; {closest(response, names)}.")
    observed = response or next((name for name in data.responses if name in names), None)
    time = data.time if data.time in names else ("time" if "time" in names else None)
    changed = {
        "table": str(table),
        "time": time if time not in data.predictors else None,
        "groups": None,
        "parts": "time",
    }
    return data.model_copy(update=changed | ({"response": observed} if observed else {}))


def _records(data: DataSettings, table: Path) -> tuple[pd.DataFrame, Any, NDArray[np.float32]]:
    """The table's columns, the records that are shown, and what was observed in them (NaN where nothing was).

    Raises:
        TableError: the table cannot be read, or no row can be shown.
    """
    names = open_table(table_files(table)[0], data.file).names
    (observed,) = data.responses
    known = observed in names
    # without a response the first input stands in for it, so that the table can be read all the same
    asked = (
        data if known else data.model_copy(update={"response": data.predictors[0], "kind": "regression", "classes": []})
    )
    if known and data.kind == "classification":
        asked = asked.model_copy(update={"other_labels": "drop"})
    frame = read_table(table, asked)
    usable = present(frame, asked).all(axis=1)
    if not usable.any():
        classes = f" as {', '.join(data.classes)}" if known and data.kind == "classification" else ""
        raise TableError(f"{table}: no row holds every input{f' and {observed!r}{classes}' if known else ''}.")
    records = choose(frame, [frame.index[usable]], asked.time, InspectorSettings().records)
    if not known:
        return frame, records, np.full(len(records.frame), np.nan, np.float32)
    values = records.frame[observed]
    if data.kind == "classification":
        named = values.map(lambda label: data.labels.get(label, label))
        return frame, records, named.map({name: k for k, name in enumerate(data.classes)}).to_numpy(np.float32)
    return frame, records, values.to_numpy(np.float32)
