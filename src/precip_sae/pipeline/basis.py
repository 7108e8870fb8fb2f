"""Digests of what a stage rests on, for the stamps of its figures and tables and for asking whether they are stale."""

import hashlib
import json
from pathlib import Path
from typing import Any

import precip_sae
from precip_sae.paths import Paths
from precip_sae.pipeline.content import content_md5
from precip_sae.pipeline.digest import code_digests
from precip_sae.pipeline.stages import ENVIRONMENT, Stage, named
from precip_sae.pipeline.stamp import Basis, stamp_folder
from precip_sae.settings import Settings, load_settings


def basis(stage: Stage, task: str | None, settings: Settings, paths: Paths) -> Basis:
    """The digests of what the stage rests on now."""
    reads = stage.dependencies(settings, task, stage.reads)
    notebook = paths.notebooks / stage.notebook
    code = {
        "notebook": content_md5(notebook),
        "modules": code_digests(notebook, Path(precip_sae.__file__).parent),
        "environment": content_md5(paths.root / ENVIRONMENT),
    }
    return Basis(
        settings=_digest({"task": task} | stage.values(settings, task)),
        data=_digest({name: content_md5(paths.root / name) for name in reads}),
        code=_digest(code),
    )


def stamp_outputs(stage: Stage, task: str | None, settings: Settings, paths: Paths) -> None:
    """Stamps every figure and table in the folders that the stage has written.

    Raises:
        OutputError: a file cannot be written.
    """
    found = basis(stage, task, settings, paths)
    for output in stage.outputs(task):
        if (paths.root / output).is_dir():
            stamp_folder(paths.root / output, paths.root, stage.address(task), found)


def manuscript_rests_on(paths: Paths) -> str:
    """The digest that the manuscript prints: of every figure, number, table and sentence that it is compiled from.

    These are the dependencies of the stage `paper` as dvc.lock records them, and each figure and number rests on the
    rest of dvc.lock. The whole file cannot be printed: it holds the digest of the PDF itself, and so would a commit.

    Raises:
        SettingsError: params.yaml is wrong.
    """
    return basis(named("paper"), None, load_settings(paths.params), paths).data


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]
