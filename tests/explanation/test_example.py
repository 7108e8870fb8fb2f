"""The example notebook runs as it stands, and so does the package where it is installed from a wheel."""

import json
import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from precip_sae.paths import Paths


def test_the_example_notebook_explains_a_network_of_another_library(
    repository: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    cells = json.loads((repository.root / "examples" / "explain_your_network.ipynb").read_text())["cells"]
    names: dict[str, object] = {}
    for cell in cells:
        if cell["cell_type"] == "code":
            exec(compile("".join(cell["source"]), cell["id"], "exec"), names)
    assert (tmp_path / "report.pdf").read_bytes().startswith(b"%PDF")
    said = capsys.readouterr().out
    assert "Its predictions are those of its own library to within 1e-5" in said
    assert all(cell.get("outputs", []) == [] for cell in cells), "the notebook is kept without outputs"


THREE_LINES = """
import numpy as np, precip_sae
x = np.random.default_rng(0).normal(size=(300, 3))
found = precip_sae.explain(np.maximum(x + 0.5, 0).astype("float32"), x, seeds=2, progress=False)
print(precip_sae.__file__, found.report("report.pdf"))
"""


@pytest.mark.slow
def test_a_wheel_in_an_empty_environment_explains_a_table_of_its_own(repository: Paths, tmp_path: Path) -> None:
    wheels = tmp_path / "wheels"
    make = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "--wheel-dir",
        str(wheels),
    ]
    subprocess.run([*make, str(repository.root)], check=True)
    venv.create(tmp_path / "empty", with_pip=True)
    python = tmp_path / "empty" / "bin" / "python"
    install = ["-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
    subprocess.run([python, *install, *map(str, wheels.glob("*.whl"))], check=True)
    # the same packages as here, but this project's own sources
    site = next((tmp_path / "empty" / "lib").glob("python3*")) / "site-packages"
    folders = [folder for folder in sys.path if folder.endswith("site-packages")]
    (site / "same.pth").write_text("\n".join(folders) + "\n")
    inside = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PRECIP_SAE_ROOT")}
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    done = subprocess.run(
        [python, "-c", THREE_LINES], cwd=elsewhere, env=inside, check=True, capture_output=True, text=True
    )
    assert str(site) in done.stdout
    assert (elsewhere / "report.pdf").read_bytes().startswith(b"%PDF")
