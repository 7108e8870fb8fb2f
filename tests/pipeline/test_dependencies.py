"""DVC follows no imports: a stage whose dependencies miss a module keeps results of the module's earlier self."""

import ast
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from precip_sae.pipeline.inputs import dependencies
from precip_sae.pipeline.stages import STAGES, Stage
from precip_sae.settings import load_settings

PACKAGE = "precip_sae"


def _imported(source: str) -> Iterator[str]:
    """Dotted names below the package that `source` may import, in functions too."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names = [node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)]
        else:
            continue
        yield from (name for name in names if name.split(".")[0] == PACKAGE)


def _file(sources: Path, module: str) -> Path | None:
    """The file of a module; None for a package's own name or something else than a module."""
    base = sources.joinpath(*module.split("."))
    return next((f for f in (base.with_suffix(".py"), base / "__init__.py") if f.is_file()), None)


def _code(notebook: Path) -> str:
    cells = json.loads(notebook.read_text())["cells"]
    code = "\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "code")
    return "\n".join(line for line in code.splitlines() if not line.lstrip().startswith(("%", "!")))


def used_files(notebook: Path, sources: Path) -> set[Path]:
    """Every file of the package that running the notebook may import."""
    found: set[Path] = set()
    waiting = list(_imported(_code(notebook)))
    while waiting:
        file = _file(sources, waiting.pop())
        if file and file not in found:
            found.add(file)
            waiting += _imported(file.read_text())
    return {file for file in found if not _only_a_docstring(file)}


def _only_a_docstring(file: Path) -> bool:
    body = ast.parse(file.read_text()).body
    return all(isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) for node in body)


@pytest.mark.parametrize("stage", STAGES.values(), ids=STAGES)
def test_every_module_that_a_stage_imports_is_among_its_dependencies(repository, stage: Stage):
    settings = load_settings(repository.params)
    task = next(iter(settings.tasks)) if stage.per_task else None
    declared = [repository.root / d for d in dependencies(stage, task, settings, repository)]
    used = used_files(repository.notebooks / stage.notebook, repository.root / "src")
    missing = {repository.relative(f) for f in used if not any(f.is_relative_to(d) for d in declared)}
    assert not missing, f"add to the deps of {stage.name} in dvc.yaml: {', '.join(sorted(missing))}"


@pytest.mark.parametrize("stage", STAGES.values(), ids=STAGES)
def test_no_stage_is_redone_for_code_that_it_does_not_use(repository, stage: Stage):
    settings = load_settings(repository.params)
    task = next(iter(settings.tasks)) if stage.per_task else None
    sources = repository.root / "src"
    declared = [d for d in dependencies(stage, task, settings, repository) if d.startswith("src/")]
    used = used_files(repository.notebooks / stage.notebook, sources)
    idle = [d for d in declared if not any(f.is_relative_to(repository.root / d) for f in used)]
    assert not idle, f"drop from the deps of {stage.name} in dvc.yaml: {', '.join(idle)}"


def test_imports_are_followed_through_modules_and_functions(tmp_path, notebook):
    package = tmp_path / PACKAGE
    (package / "room").mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "room" / "__init__.py").write_text("from precip_sae.early import x\n")
    (package / "room" / "inner.py").write_text("def f():\n    import precip_sae.lazy\n")
    (package / "lazy.py").write_text("x = 1\n")
    (package / "early.py").write_text("x = 1\n")
    (package / "idle.py").write_text("x = 1\n")
    notebook(tmp_path / "n.ipynb", "", "%matplotlib inline\nfrom precip_sae.room import inner")
    used = {f.relative_to(package).as_posix() for f in used_files(tmp_path / "n.ipynb", tmp_path)}
    assert used == {"room/__init__.py", "room/inner.py", "early.py", "lazy.py"}
