"""Files of a few thousand bytes that stand for gigabytes: one sentence, in bounded memory and time."""

import gzip
import json
import os
import subprocess
import zipfile
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from precip_sae.pipeline.warm import module_command

MIB = 1 << 20
# Of the address space, libraries take 1.5 GiB when they are imported; every bomb here unpacks to more than all of it.
LIMIT = 6 << 30
# What the process may really use; 380 MiB of it are libraries.
PEAK = 1500

TASK = "title: Mine\ndata: {table: t.csv, predictors: [a, b], response: y, kind: regression}\n"

# One process imports the readers and forks for every bomb, which is then read alone and within the limit.
READ = """\
import json, os, resource, sys, warnings
from pathlib import Path
from precip_sae.errors import PaperError
from precip_sae.models.exchange import keras_files, page, torch_files
from precip_sae.models.exchange.read import read_network
from precip_sae.models.exchange.recorded import read_activations
from precip_sae.pipeline.task_folder import task_settings
from precip_sae.settings import DataSettings
from precip_sae.tables.formats import table_files
from precip_sae.tables.read import read_table
import netCDF4, pyarrow.csv, pyarrow.parquet, torch, xarray

warnings.simplefilter("ignore")
data = DataSettings(table="t", predictors=["a", "b"], response="y", kind="regression")
readers = {
    "table": lambda path: read_table(path, data), "task": lambda path: task_settings(str(path)), "list": table_files,
    "network": read_network, "activations": read_activations,
}
for line in sys.stdin:
    reader, path = json.loads(line)
    if (child := os.fork()) == 0:
        limit = int(sys.argv[1])
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        said = "nothing was said"
        try:
            readers[reader](Path(path))
        except PaperError as error:
            said = str(error)
        except BaseException as error:
            said = repr(error)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        print(json.dumps([said[:2000], peak]), flush=True)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    if status:
        print(json.dumps([f"died ({status})", 0]), flush=True)
"""


def anchors(first: str, again: Callable[[str, int], str], names: str = "abcdefghijk") -> str:
    """Lines that define an anchor each, of nine times the last one."""
    lines = [f"{names[0]}: &{names[0]} {first}"]
    lines += [f"{name}: &{name} {again('*' + last, 9)}" for last, name in pairwise(names)]
    return "\n".join(lines) + "\n"


def sequence(name: str, times: int) -> str:
    return f"[{', '.join([name] * times)}]"


def mapping(name: str, times: int) -> str:
    return f"{{{', '.join(f'k{k}: {name}' for k in range(times))}}}"


def merging(name: str, times: int) -> str:
    return f"{{<<: [{', '.join([name] * times)}]}}"


def inside(first: str, again: Callable[[str, int], str]) -> str:
    """The same where the settings expect a value, so that a sentence would print it."""
    whole = [f"&a {first}"]
    whole += [f"&{name} {again('*' + last, 9)}" for last, name in zip("abcdefghij", "bcdefghijk", strict=True)]
    return f"title: [{', '.join(whole)}]\n"


def gzipped(path: Path, piece: bytes, begin: bytes = b"a,b,y\n", times: int = 128) -> None:
    """A beginning, and 16 MiB of the same piece `times` over: members of a gzip file stand one behind the other."""
    whole = gzip.compress(piece * (16 * MIB // len(piece)))
    with path.open("wb") as stream:
        stream.write(gzip.compress(begin))
        for _ in range(times):
            stream.write(whole)


def parquet_of_one_text(path: Path) -> None:
    """A text of a megabyte that is written once and stands in 200,000 rows."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = 200_000
    text = pa.DictionaryArray.from_arrays(pa.array(np.zeros(rows, np.int32)), pa.array(["7" * MIB]))
    numbers = pa.array(np.zeros(rows))
    table = pa.table({"a": text.dictionary_encode(), "b": numbers, "y": numbers})
    plain = table.schema.set(0, pa.field("a", pa.dictionary(pa.int32(), pa.string())))
    pq.write_table(table.cast(plain), path, compression="zstd", store_schema=False)


def parquet_of_one_page(path: Path) -> None:
    """More than a quarter of a GiB of zeros in one page."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    zeros = pa.array(np.zeros(34_000_000))
    pq.write_table(
        pa.table({"a": zeros, "b": zeros, "y": zeros}), path, compression="zstd", use_dictionary=["b", "y"],
        row_group_size=len(zeros), data_page_size=1 << 31, write_statistics=False,
    )  # fmt: skip


def parquet_of_activations(path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    nothing = pa.table({"u": pa.nulls(10_000_000, pa.float64())})
    with pq.ParquetWriter(path, nothing.schema, compression="zstd") as writer:
        for _ in range(60):
            writer.write_table(nothing)


def netcdf(path: Path, rows: int, entries: int, chunk: tuple[int, ...] | None = None) -> None:
    """A file that promises what it never wrote."""
    import netCDF4

    with netCDF4.Dataset(path, "w") as file:
        file.createDimension("row", rows)
        file.createDimension("entry", entries)
        for name in ("a", "b", "y"):
            file.createVariable(name, "f8", ("row",), zlib=True, chunksizes=chunk)
        file.createVariable("wide", "f8", ("row", "entry"), zlib=True, chunksizes=(1, min(entries, 1000)))


def keras(path: Path, **entries: bytes) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            archive.writestr(name.replace("__", "."), content)


def npy(path: Path) -> None:
    header = {"descr": "<f8", "fortran_order": False, "shape": (10**7, 10**5)}
    with path.open("wb") as stream:
        np.lib.format.write_array_header_1_0(stream, header)


def npz(path: Path) -> None:
    with path.open("wb") as stream:
        np.savez_compressed(stream, a=np.zeros((1000, 1000)))


def torch_zip(path: Path) -> None:
    """An entry of 64 MiB that the directory names forty times."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("m/data/0", bytes(64 * MIB))
        archive.filelist *= 40


def torch_view(path: Path) -> None:
    import torch

    torch.save({"a.weight": torch.zeros(1).expand(10**6, 10**6), "b.weight": torch.zeros(1, 10**6)}, path)


BOMBS: dict[str, tuple[str, str, Callable[[Path], object], str]] = {
    "YAML, unknown keys": (
        "task", "t.yaml", lambda p: p.write_text(anchors("[x]", sequence) + TASK), "anchors stand for more than",
    ),
    "YAML, lists in a value": (
        "task", "t.yaml", lambda p: p.write_text(inside("[x]", sequence)), "anchors stand for more than",
    ),
    "YAML, mappings in a value": (
        "task", "t.yaml", lambda p: p.write_text(inside("{k: x}", mapping)), "anchors stand for more than",
    ),
    "YAML, merged keys": (
        "task", "t.yaml", lambda p: p.write_text(anchors("{k: x}", merging)), "anchors stand for more than",
    ),
    "YAML, an anchor in itself": (
        "task", "t.yaml", lambda p: p.write_text("title: &a [*a]\n"), "an anchor stands within itself",
    ),
    "YAML, nested a hundred thousand deep": (
        "task", "t.yaml", lambda p: p.write_text("title: " + "[" * 100_000 + "]" * 100_000), "nested too deeply",
    ),
    "YAML, a list of files": (
        "list", "l.yaml", lambda p: p.write_text("- " + inside("[x]", sequence)), "anchors stand for more than",
    ),
    "gzip, a line of names": (
        "table", "t.csv.gz", lambda p: gzipped(p, b"a", b""), "has a line of more than 33554432 characters",
    ),
    "gzip, two names a billion times": (
        "table", "t.csv.gz", lambda p: gzipped(p, b"a,", b""), "has a line of more than 33554432 characters",
    ),
    "gzip, a row": ("table", "t.csv.gz", lambda p: gzipped(p, b"1"), "or a row is longer than 1048576 bytes"),
    "gzip, a quote": (
        "table", "t.csv.gz", lambda p: gzipped(p, b"1", b'a,b,y\n"'), "a quote in it never closes",
    ),
    "gzip, empty lines": ("table", "t.csv.gz", lambda p: gzipped(p, b"\n", times=32), "has columns but no rows"),
    "gzip, rows": ("table", "t.csv.gz", lambda p: gzipped(p, b"1,2,3\n"), "holds more than 5000000 rows"),
    "parquet, a text of many rows": ("table", "t.parquet", parquet_of_one_text, "bytes of text in 65536 rows"),
    "parquet, a page": ("table", "t.parquet", parquet_of_one_page, "unpacks to more than 268435456 bytes at once"),
    "netCDF, rows never written": (
        "table", "t.nc", lambda p: netcdf(p, 10**10, 1, (10**6,)), "holds more than 5000000 rows",
    ),
    "netCDF, entries never written": (
        "table", "t.nc", lambda p: netcdf(p, 10**4, 10**9), "variable 'wide' has 1000000000 entries a row",
    ),
    "netCDF, a piece": (
        "table", "t.nc", lambda p: netcdf(p, 3 * 10**8, 1, (3 * 10**8,)), "packed in pieces of more than",
    ),
    "JSON, nested a hundred thousand deep": (
        "network", "m.json", lambda p: p.write_text("[" * 100_000), "is not JSON",
    ),
    "Keras, a configuration": (
        "network", "m.keras", lambda p: keras(p, config__json=b"[" * (64 * MIB)), "more than 16777216 bytes",
    ),
    "Keras, nested a hundred thousand deep": (
        "network", "m.keras", lambda p: keras(p, config__json=b"[" * 100_000, model__weights__h5=b""),
        "is no file of Keras 3",
    ),
    "torch, a zip": ("network", "m.pt", torch_zip, "unpacks to more than 2147483648 bytes"),
    "torch, a view of one number": ("network", "m.pt", torch_view, "has 1000000000000 weights, expected fewer"),
    "activations, parquet": (
        "activations", "a.parquet", parquet_of_activations, "holds 600000000 numbers, expected at most",
    ),
    "activations, netCDF": (
        "activations", "a.nc", lambda p: netcdf(p, 10**6, 10**6), "holds 1000000000000 numbers, expected at most",
    ),
    "activations, a header that promises terabytes": (
        "activations", "a.npy",
        npy,
        "cannot be read as activations",
    ),
    "activations, an archive called .npy": (
        "activations", "a.npy", npz,
        "is an archive of arrays",
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory, forked_stages: None) -> Iterator[subprocess.Popen[str]]:
    folder = tmp_path_factory.mktemp("reader")
    (folder / "reader.py").write_text(READ)
    with subprocess.Popen(
        [*module_command(dict(os.environ), "reader"), str(LIMIT)],
        env=os.environ | {"PYTHONPATH": str(folder)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield process
        assert process.stdin is not None
        process.stdin.close()


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_answered_by_one_sentence_in_bounded_memory(
    name: str, tmp_path: Path, reader: subprocess.Popen[str]
) -> None:
    how, file, make, sentence = BOMBS[name]
    make(tmp_path / file)
    assert reader.stdin is not None
    assert reader.stdout is not None
    print(json.dumps([how, str(tmp_path / file)]), file=reader.stdin, flush=True)
    said, peak = json.loads(reader.stdout.readline())
    assert sentence in said
    assert "\n" not in said
    assert len(said) < 1000
    assert peak < PEAK, f"{peak} MiB"
