"""Runs a search piece by piece, saves each as it finishes, and goes on where an earlier run was stopped."""

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

import precip_sae
from precip_sae.files import write_parquet
from precip_sae.scheduling import as_finished
from precip_sae.search.names import joined
from precip_sae.search.unit import Work, run_unit

# What a result depends on besides settings and data.
_CODE = (
    "models", "search/plan.py", "search/run.py", "search/unit.py",
    "interpretation/sensitivity.py", "tasks",
)  # fmt: skip


def code_fingerprint() -> str:
    """SHA-256 of the sources that a search's results depend on."""
    package = Path(precip_sae.__file__).parent
    digest = hashlib.sha256()
    for place in _CODE:
        path = package / place
        for file in [path] if path.is_file() else sorted((*path.rglob("*.py"), *path.rglob("*.cu"))):
            digest.update(file.relative_to(package).as_posix().encode())
            digest.update(file.read_bytes())
    return digest.hexdigest()


def fingerprint(work: Work) -> str:
    """SHA-256 of everything that the results of a search depend on: settings, data and code."""
    digest = hashlib.sha256(code_fingerprint().encode())
    settings = {
        "kind": work.kind, "outputs": work.outputs, "threshold": work.threshold, "names": work.plan.names,
        "mlp": work.mlp.model_dump(), "sae": work.sae.model_dump(), "engine": work.engine,
    }  # fmt: skip
    digest.update(json.dumps(settings, sort_keys=True).encode())
    for prepared in work.plan.prepared:
        for part in prepared.parts.values():
            digest.update(np.ascontiguousarray(part.x).tobytes())
            digest.update(np.ascontiguousarray(part.y).tobytes())
        # losses are in the table's unit, which a standardised response does not show
        digest.update(np.asarray(prepared.response_scale).tobytes())
    for unit in work.plan.units:
        digest.update(unit.columns.tobytes() + unit.seeds.tobytes() + unit.subsets.tobytes())
    return digest.hexdigest()


def run_search(
    work: Work,
    folder: Path,
    scheduler: str = "local",
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> pd.DataFrame:
    """Trains and measures all models of a search.

    Args:
        folder: for the pieces that are done; an interrupted search goes on from them, and pieces of other
            settings, data or code are removed. It can be deleted once the result is saved.
        scheduler, workers: see `scheduling.as_finished`.
        progress: called as progress(models done, models).

    Returns:
        One row per model (see `unit.run_unit`), in the order of subsets and seeds, with the subset's inputs in
        the column `inputs` (see `names.joined`).

    Raises:
        StageError: see `scheduling.as_finished`.
        SettingsError: see `unit.run_unit`.
    """
    if work.engine != "compiled" and scheduler == "local":
        workers = 1  # a piece fills the device, and all threads when it is measured
    pieces = folder / fingerprint(work)[:16]
    if folder.is_dir():
        for other in folder.iterdir():
            if other.is_dir() and other != pieces:
                shutil.rmtree(other)
    units = work.plan.units
    files = [pieces / f"{number:05d}.parquet" for number in range(len(units))]
    waiting = [number for number, file in enumerate(files) if not file.exists()]
    done = work.plan.models - sum(len(units[number].seeds) for number in waiting)
    if progress:
        progress(done, work.plan.models)
    todo = [units[number] for number in waiting]
    for position, frame in as_finished(run_unit, work, todo, scheduler, workers, code_fingerprint) if todo else ():
        write_parquet(files[waiting[position]], frame)
        done += len(frame)
        if progress:
            progress(done, work.plan.models)
    frame = pd.concat([pd.read_parquet(file) for file in files], ignore_index=True)
    frame = frame.sort_values(["subset", "seed"], ignore_index=True)
    frame.insert(1, "inputs", [joined(work.plan.names[number]) for number in frame["subset"]])
    return frame


def clear(folder: Path) -> None:
    """Removes the pieces of a search whose result is saved."""
    shutil.rmtree(folder, ignore_errors=True)
    if folder.parent.is_dir() and not any(folder.parent.iterdir()):
        folder.parent.rmdir()
