"""Tables that are not ours go through the same stages, from one section of settings and no code."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from precip_sae.files import read_json
from precip_sae.paths import Paths
from precip_sae.pipeline.task_folder import run_task, task_settings
from precip_sae.table_check import check

ROOT = Path(__file__).parents[2]
SHARED = ROOT.parent / "shared" / "realdata"

pytestmark = pytest.mark.usefixtures("forked_stages")

OWN = """\
title: My own table
data:
  table: mine.csv
  predictors: [height, warmth]
  response: yield
  kind: regression
  transforms: {height: log10}
  missing: median
  units: {height: m, warmth: K, yield: mm/h}
"""


def write_own(folder: Path) -> Path:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"height": rng.uniform(1, 900, 400), "warmth": rng.normal(280, 9, 400)})
    frame["yield"] = np.log10(frame["height"]) + 0.1 * rng.normal(size=400)
    frame.loc[::50, "warmth"] = np.nan
    frame.to_csv(folder / "mine.csv", index=False)
    (folder / "mine.yaml").write_text(OWN)
    return folder / "mine.yaml"


def test_a_table_of_ones_own_runs_through_all_stages(tmp_path: Path) -> None:
    file, out = write_own(tmp_path), tmp_path / "out"
    run_task(file, out, Paths(ROOT), smoke=True)
    assert read_json(out / "results/mine/train.json")["rows"]["filled with the median"] == 8
    assert read_json(out / "results/mine/interpret.json")["inputs"] == ["height", "warmth"]
    for made in ("models/mine/mlp/weights.safetensors", "figures/mine/heatmaps.png", "figures/mine/responses.svg"):
        assert (out / made).is_file(), made
    said: list[str] = []
    run_task(file, out, Paths(ROOT), smoke=True, say=said.append)
    assert said == [
        f"{stage}: nothing changed, skipped." for stage in ("train", "fit", "interpret", "report", "companions")
    ]


def test_several_responses_run_through_all_stages_to_a_page_with_a_row_for_each(tmp_path: Path) -> None:
    file, out = write_own(tmp_path), tmp_path / "out"
    file.write_text(OWN.replace("response: yield", "response: [yield, second]"))
    frame = pd.read_csv(tmp_path / "mine.csv").assign(second=lambda t: 1000 * t["yield"] ** 2)
    frame.loc[:4, "second"] = np.nan
    frame.to_csv(tmp_path / "mine.csv", index=False)
    run_task(file, out, Paths(ROOT), smoke=True)
    train = read_json(out / "results/mine/train.json")
    assert train["rows"]["dropped, a response missing"] == 5
    assert list(train["skill"]["test"]) == list(train["gain_over"]["linear"]) == ["second", "yield"]
    page = read_json(out / "paper/reports/mine.json")
    assert page["response"] == ["yield (mm h⁻¹)", "second"]
    assert [row[0] for row in page["skill"]] == ["Response", *["yield (mm h⁻¹)"] * 3, *["second"] * 3]
    assert (out / "paper/reports/mine.pdf").read_bytes()[:5] == b"%PDF-"


REAL = {"mountain_rain_or_snow": (17014, 1163), "cold_lake_mrr": (2295, 0)}


@pytest.mark.parametrize("name", REAL)
def test_real_tables_of_others_run_through_all_stages_to_a_page_beside_their_baselines(
    name: str, tmp_path: Path
) -> None:
    table = next(SHARED.glob(f"{name}.*"), None)
    if table is None:
        pytest.skip(f"the real table {name} is not beside this checkout")
    run_task(ROOT / "examples" / f"{name}.yaml", tmp_path / "out", Paths(ROOT), smoke=True, table=table)
    results = tmp_path / "out" / "results" / name
    train = read_json(results / "train.json")
    read, dropped = REAL[name]
    assert train["rows"]["read"] == read
    assert train["rows"]["dropped, predictor missing"] == dropped
    assert sum(train["rows"][part] for part in ("train", "validation", "sae", "test")) == read - dropped
    assert list(train["baselines"]) == list(train["gain_over"]) == ["climatology", "linear", "threshold"]
    page = read_json(tmp_path / "out" / "paper" / "reports" / f"{name}.json")
    assert page["source"]["simulated"] is False
    assert "doi 10." in page["source"]["sentence"]
    assert len(page["verdict"]) == 3
    assert (tmp_path / "out" / "paper" / "reports" / f"{name}.pdf").read_bytes()[:5] == b"%PDF-"


@pytest.mark.parametrize("name", REAL)
def test_the_examples_describe_the_real_tables_rightly(name: str) -> None:
    table = next(SHARED.glob(f"{name}.*"), None)
    if table is None:
        pytest.skip(f"the real table {name} is not beside this checkout")
    task, subsets = task_settings(str(ROOT / "examples" / f"{name}.yaml"))
    found = check(table, task.data, subsets)
    assert found.refusal is None
    assert not [warning for warning in found.warnings if "said to be in" in warning], "units as they are"
    if name == "cold_lake_mrr":
        assert found.columns.loc["temperature_850", "median"] == pytest.approx(-6.689, abs=0.001), "in °C"
