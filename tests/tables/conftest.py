"""A small good table and its task, for the tests to spoil."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from ruamel.yaml import YAML

ROWS = 200


def good() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "time": pd.date_range("2020-01-01", periods=ROWS, freq="h").strftime("%Y-%m-%d %H:%M"),
            "site": np.repeat([f"site {k}" for k in range(20)], 10),
            "a": rng.uniform(1, 9, ROWS).round(6),
            "b": rng.normal(5, 3, ROWS).round(6),
            "y": rng.normal(size=ROWS).round(6),
            "label": np.resize(["Rain", "Snow"], ROWS),
        }
    )


REGRESSION: dict[str, Any] = {"table": "t.csv", "predictors": ["a", "b"], "response": "y", "kind": "regression"}
CLASSIFICATION: dict[str, Any] = REGRESSION | {
    "response": "label", "kind": "classification", "classes": ["Rain", "Snow"],
}  # fmt: skip


@pytest.fixture
def task_file(tmp_path: Path) -> Callable[[dict[str, Any]], Path]:
    """Writes the `data` section into a task file and returns its path."""

    def write(data: dict[str, Any]) -> Path:
        path = tmp_path / "task.yaml"
        with path.open("w") as stream:
            YAML(typ="safe").dump({"title": "Mine", "data": data}, stream)
        return path

    return write
