"""Activations of a layer, [rows, units], without its network: recorded from a module, or read from a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from precip_sae.errors import NetworkError, TableError
from precip_sae.tables.formats import refuse_pickled

ENDINGS = (".npy", ".parquet", ".nc", ".nc4", ".zarr")
NPY, NPZ = b"\x93NUMPY", b"PK\x03\x04"  # how NumPy's files of one array and of several begin
BLOCK = 4096  # rows that go through a module at a time
MOST_NUMBERS = 1 << 29  # of a file: a few bytes may stand for any number of repeated or never written ones


def record(module: Any, layer: str, x: NDArray[np.float32]) -> NDArray[np.float32]:
    """What a layer of any torch.nn.Module gives while the module runs on some rows.

    The module is put into evaluation mode for this, and back into the mode that it was in.

    Args:
        module: takes a float32 tensor [rows, inputs]; layer: its name, as in `module.named_modules()`.
        x: [rows, inputs].

    Returns:
        [rows, units].

    Raises:
        NetworkError: there is no layer of that name, it does not run once, or it does not give [rows, units].
    """
    import torch

    named = dict(module.named_modules())
    if layer not in named or not layer:
        from precip_sae.errors import closest

        known = [name for name in named if name]
        raise NetworkError(f"PyTorch's {type(module).__name__}: has no layer '{layer}'; {closest(layer, known)}.")
    seen: list[Any] = []
    handle = named[layer].register_forward_hook(lambda _module, _given, made: seen.append(made))
    mode, found = module.training, []
    module.eval()
    try:
        with torch.no_grad():
            for start in range(0, len(x), BLOCK):
                rows = torch.from_numpy(np.array(x[start : start + BLOCK], dtype=np.float32))
                module(rows)
                if len(seen) != 1 or not isinstance(seen[0], torch.Tensor) or seen[0].shape[:-1] != (len(rows),):
                    shape = tuple(seen[0].shape) if seen and isinstance(seen[0], torch.Tensor) else "no tensor"
                    raise NetworkError(
                        f"PyTorch's {type(module).__name__}: layer '{layer}' ran {len(seen)} times and gave {shape}, "
                        f"expected once, with ({len(rows)}, units)."
                    )
                # a layer behind it may work in place
                found.append(seen.pop().to(torch.float32).cpu().numpy().copy())
    except (RuntimeError, TypeError) as error:
        raise NetworkError(
            f"PyTorch's {type(module).__name__}: does not run on rows of {x.shape[1]} inputs "
            f"({str(error).strip().splitlines()[0]:.100})."
        ) from error
    finally:
        handle.remove()
        module.train(mode)
    return usable(np.concatenate(found), f"layer '{layer}'")


def read_activations(path: Path, rows: int | None = None) -> NDArray[np.float32]:
    """Activations from a file: .npy, parquet (a column per unit), netCDF or Zarr (one variable [rows, units]).

    Args:
        rows: of the table beside which they stand; None: any number.

    Returns:
        [rows, units].

    Raises:
        NetworkError: the file cannot be read, holds something else, or another number of rows.
    """
    if path.suffix not in ENDINGS:
        raise NetworkError(f"{path}: ends in '{path.suffix}', expected activations in one of {', '.join(ENDINGS)}.")
    try:
        found = {".npy": _npy, ".parquet": _parquet}.get(path.suffix, _xarray)(path)
    except NetworkError:
        raise
    except TableError as error:
        raise NetworkError(str(error)) from error
    except Exception as error:  # readers of untrusted bytes fail in many ways
        reason = getattr(error, "strerror", None) or (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise NetworkError(f"{path}: cannot be read as activations ({reason:.100}).") from error
    if rows is not None and len(found) != rows:
        raise NetworkError(f"{path}: holds {len(found)} rows of activations, and the table {rows}.")
    return usable(found, str(path))


def usable(found: NDArray[Any], source: str) -> NDArray[np.float32]:
    """The activations as float32 [rows, units].

    Raises:
        NetworkError: they are not two-dimensional, empty, no real numbers, or not finite.
    """
    _refuse_many(found.size, source)
    if found.ndim != 2 or not found.size:
        shape = " x ".join(map(str, found.shape)) or "of one number"
        raise NetworkError(f"{source}: holds an array {shape}, expected rows x units.")
    if found.dtype.kind not in "iuf":
        raise NetworkError(f"{source}: holds {found.dtype}, expected numbers.")
    with np.errstate(over="ignore"):
        made = np.ascontiguousarray(found, dtype=np.float32)
    if not np.isfinite(made).all():
        raise NetworkError(
            f"{source}: holds an activation that is no finite number, expected one of every unit and row."
        )
    return made


def _npy(path: Path) -> NDArray[Any]:
    with path.open("rb") as file:
        if not file.read(len(NPY)).startswith((NPY, NPZ)):
            # NumPy would take it for a pickle, and say how to load one
            raise NetworkError(f"{path}: cannot be read as activations (it does not begin as NumPy's files do).")
    # mapped, so that a header that promises terabytes costs nothing; pickles are refused
    found = np.load(path, mmap_mode="r", allow_pickle=False)
    if not isinstance(found, np.ndarray):
        raise NetworkError(f"{path}: is an archive of arrays (.npz), expected one array.")
    return found


def _refuse_many(numbers: int, source: str) -> None:
    """Refuses activations before they are unpacked."""
    if numbers > MOST_NUMBERS:
        raise NetworkError(f"{source}: holds {numbers} numbers, expected at most {MOST_NUMBERS}: take fewer rows.")


def _parquet(path: Path) -> NDArray[Any]:
    import pyarrow.parquet as pq

    promised = pq.read_metadata(path)
    _refuse_many(promised.num_rows * promised.num_columns, str(path))
    table = pq.read_table(path)
    if text := [field.name for field in table.schema if str(field.type) not in ("float", "double", "halffloat")]:
        raise NetworkError(
            f"{path}: its column {text[0]:.40} holds no floating-point numbers, expected a column per unit."
        )
    return np.column_stack([column.to_numpy() for column in table.columns])


def _xarray(path: Path) -> NDArray[Any]:
    import xarray as xr

    if path.is_dir():
        refuse_pickled(path)
    with xr.open_dataset(path) as dataset:
        matrices = [name for name, variable in dataset.data_vars.items() if variable.ndim == 2]
        if len(matrices) != 1:
            raise NetworkError(
                f"{path}: holds {len(matrices)} variables of two dimensions, expected one [rows, units]."
            )
        _refuse_many(dataset[matrices[0]].size, str(path))
        return dataset[matrices[0]].to_numpy()
