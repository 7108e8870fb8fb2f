"""The notebooks as they are committed: short, without outputs, and ready to run by themselves."""

import ast
from pathlib import Path

import nbformat
import pytest

from precip_sae.paths import Paths
from precip_sae.pipeline.stages import Stage, stages
from precip_sae.settings import load_settings

PATHS = Paths(Path(__file__).parents[2])


def cells(stage: Stage) -> list:
    return nbformat.read(PATHS.notebooks / stage.notebook, as_version=4).cells


def test_every_notebook_is_a_stage() -> None:
    assert {path.name for path in PATHS.notebooks.glob("*.ipynb")} == {stage.notebook for stage in stages().values()}


@pytest.mark.parametrize("stage", stages().values(), ids=stages())
def test_a_notebook_opened_by_itself_runs_with_a_task_of_the_paper(stage: Stage) -> None:
    (parameters,) = (c for c in cells(stage) if "parameters" in c.metadata.get("tags", []))
    assigned = {
        node.targets[0].id: ast.literal_eval(node.value)
        for node in ast.parse(parameters.source).body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    }
    assert assigned.keys() == set(stage.parameters)
    if stage.per_task:
        assert assigned["task"] in stage.tasks(load_settings(PATHS.params))


@pytest.mark.parametrize("stage", stages().values(), ids=stages())
def test_a_notebook_is_committed_without_outputs_and_starts_with_what_it_is_about(stage: Stage) -> None:
    first, *rest = cells(stage)
    assert first.cell_type == "markdown"
    assert first.source.startswith("# ")
    assert all(not c.get("outputs") and c.get("execution_count") is None for c in rest)
    definitions = [c for c in rest if c.cell_type == "code" and ("def " in c.source or "class " in c.source)]
    assert not definitions, "a notebook tells; what is worth defining belongs into the library, with a test"
