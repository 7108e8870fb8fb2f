"""Nothing that a file holds is run: pickles are refused wherever one could stand."""

import ast
import json
import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from precip_sae.errors import PaperError
from precip_sae.models.engine.cache import compiled
from precip_sae.models.exchange.read import read_network
from precip_sae.models.exchange.recorded import read_activations
from precip_sae.settings import DataSettings
from precip_sae.tables.read import read_table

ROOT = Path(__file__).parents[2]
DATA = DataSettings(table="t", predictors=["a"], response="y", kind="regression")
MODULES = {"pickle", "_pickle", "cPickle", "cloudpickle", "dill", "joblib", "marshal", "shelve"}
CALLS = {"read_pickle", "eval", "exec", "unsafe_load"}
# Compiled loops that this user's own processes kept in the user's own cache; files of others are not read.
ALLOWED = {"src/precip_sae/models/engine/cache.py"}


class Harmful:
    """Leaves a file where it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return Path.touch, (self.mark,)  # type: ignore[return-value]


def code(file: Path) -> str:
    if file.suffix == ".py":
        return file.read_text()
    cells = json.loads(file.read_text())["cells"]
    sources = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    return "\n".join(
        line if not line.lstrip().startswith("%") else "" for source in sources for line in source.split("\n")
    )


def unpickling(source: str) -> list[str]:
    """What in a module could run code of a file."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names if alias.name.split(".")[0] in MODULES]
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in MODULES:
            found.append(node.module or "")
        elif isinstance(node, ast.Call):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            given = {word.arg: getattr(word.value, "value", None) for word in node.keywords}
            owner = getattr(getattr(node.func, "value", None), "id", "")
            if called in CALLS and owner != "re" and not (called == "eval" and owner):
                found.append(called)
            if given.get("allow_pickle") or (
                called == "load" and owner == "torch" and given.get("weights_only") is not True
            ):
                found.append(f"{owner}.{called}")
    return found


def test_the_search_for_what_unpickles_finds_it() -> None:
    for source in ("import pickle", "from joblib import load", "pd.read_pickle(x)", "eval(x)", "torch.load(x)"):
        assert unpickling(source), source
    assert unpickling("np.load(x, allow_pickle=True)")
    assert not unpickling("np.load(x)\ntorch.load(x, weights_only=True)\nmodel.eval()")


@pytest.mark.parametrize("folder", ["src", "notebooks", "benchmarks", "docs", "examples"])
def test_no_code_of_the_project_unpickles(folder: str) -> None:
    files = [*(ROOT / folder).rglob("*.py"), *(ROOT / folder).rglob("*.ipynb")]
    found = {f.relative_to(ROOT).as_posix(): what for f in files if (what := unpickling(code(f)))}
    assert {name: what for name, what in found.items() if name not in ALLOWED} == {}


@pytest.mark.parametrize("name", ["m.pkl", "m.pt", "m.keras", "m.safetensors", "m.onnx", "m.json"])
def test_a_pickle_is_no_network_whatever_it_is_called(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(pickle.dumps(Harmful(tmp_path / "mark")))
    (tmp_path / "m.yaml").write_text("inputs: [a]\noutputs: [y]\n")
    with pytest.raises(PaperError):
        read_network(tmp_path / name)
    assert not (tmp_path / "mark").exists()


@pytest.mark.parametrize("name", ["a.npy", "a.parquet", "a.nc"])
@pytest.mark.parametrize("wrapped", [True, False], ids=["in an array of objects", "plain"])
def test_a_pickle_holds_no_activations(name: str, wrapped: bool, tmp_path: Path) -> None:
    harmful = Harmful(tmp_path / "mark")
    if wrapped:
        with (tmp_path / name).open("wb") as stream:
            np.save(stream, np.array([[harmful]], dtype=object), allow_pickle=True)
    else:
        (tmp_path / name).write_bytes(pickle.dumps(harmful))
    with pytest.raises(PaperError):
        read_activations(tmp_path / name)
    assert not (tmp_path / "mark").exists()


@pytest.mark.parametrize("name", ["t.pkl", "t.csv", "t.csv.gz", "t.parquet", "t.nc", "t.npy"])
def test_a_pickle_is_no_table(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(pickle.dumps(Harmful(tmp_path / "mark")))
    with pytest.raises(PaperError):
        read_table(tmp_path / name, DATA)
    assert not (tmp_path / "mark").exists()


def test_a_zarr_store_of_pickles_is_not_opened(tmp_path: Path) -> None:
    store = tmp_path / "t.zarr"
    (store / "a").mkdir(parents=True)
    (store / ".zgroup").write_text('{"zarr_format": 2}')
    meta = {"zarr_format": 2, "shape": [1], "chunks": [1], "dtype": "|O", "filters": [{"id": "pickle", "protocol": 5}]}
    meta |= {"compressor": None, "fill_value": None, "order": "C"}
    (store / "a" / ".zarray").write_text(json.dumps(meta))
    (store / "a" / "0").write_bytes(pickle.dumps(Harmful(tmp_path / "mark")))
    for read in (lambda: read_table(store, DATA), lambda: read_activations(store)):
        with pytest.raises(PaperError, match=r"a/.zarray speaks of pickles, which are not read"):
            read()
    assert not (tmp_path / "mark").exists()


def test_compiled_code_of_another_user_is_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRECIP_SAE_CACHE", str(tmp_path))

    def doubled(number: int) -> int:
        return 2 * number

    assert compiled()(doubled)(2) == 4
    (kept,) = tmp_path.iterdir()
    if os.getuid() != 0:
        pytest.skip("only root can give a file away")
    os.chown(kept, 12345, -1)
    before = kept.stat().st_ino
    assert compiled()(doubled)(2) == 4
    assert kept.stat().st_ino != before, "not compiled again"
