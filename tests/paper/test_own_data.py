"""Tables that are not ours go through the same stages, from one section of settings and no code."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from precip_sae.errors import TableError
from precip_sae.files import read_json
from precip_sae.paths import Paths
from precip_sae.pipeline.task_folder import run_task

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "mountain_rain_or_snow.yaml"
MOUNTAIN = ROOT.parent / "shared" / "realdata" / "mountain_rain_or_snow.parquet"

OWN = """\
title: My own table
data:
  table: mine.csv
  predictors: [height, warmth]
  response: yield
  kind: regression
  log10: [height]
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
    assert said == [f"{stage}: nothing changed, skipped." for stage in ("train", "fit", "interpret")]


def test_a_mistake_in_ones_own_table_is_one_sentence_about_that_table(tmp_path: Path) -> None:
    file = write_own(tmp_path)
    table = pd.read_csv(tmp_path / "mine.csv").astype({"warmth": object})
    table.loc[3, "warmth"] = "warm"
    table.to_csv(tmp_path / "mine.csv", index=False)
    with pytest.raises(Exception, match=r"mine\.csv: column 'warmth' holds 'warm' in row 3") as caught:
        run_task(file, tmp_path / "out", Paths(ROOT), smoke=True)
    assert "\n" not in str(caught.value)
    assert not isinstance(caught.value, TableError), "it is told as the failure of a stage"


@pytest.mark.skipif(not MOUNTAIN.is_file(), reason=f"the real table {MOUNTAIN.name} is not beside this checkout")
def test_real_reports_of_rain_and_snow_run_through_all_stages(tmp_path: Path) -> None:
    run_task(EXAMPLE, tmp_path / "out", Paths(ROOT), smoke=True)
    train = read_json(tmp_path / "out/results/mountain_rain_or_snow/train.json")
    assert train["rows"]["read"] == 17014
    assert train["rows"]["dropped, predictor missing"] == 17014 - sum(
        train["rows"][part] for part in ("train", "validation", "sae", "test")
    )
    assert train["skill"]["test"]["accuracy"]["mean"] > 0.4, "better than a coin among three phases"
