"""The page of a cross-validated task: one page for either kind of response, of real rows where they are at hand."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import typst

from precip_sae.files import read_json
from precip_sae.folds.page import describe_folds, write_pooled
from precip_sae.folds.pool import Fold
from precip_sae.interpretation.units import UNTRAINED, untrained_saes
from precip_sae.models import engine
from precip_sae.models.skill import hidden_activations
from precip_sae.paths import Paths
from precip_sae.pipeline.task_folder import task_settings
from precip_sae.settings import DataSettings, MLPSettings, SAESettings, TaskSettings
from precip_sae.tables.read import read_table
from precip_sae.tasks.folds import every_fold
from precip_sae.tasks.prepare import prepare

REAL = Path(__file__).parents[3] / "shared" / "realdata"
MIXED = "mountain_rain_or_snow.parquet"


def trained(frame: pd.DataFrame, task: TaskSettings) -> list[Fold]:
    """The models of every fold."""
    folds = []
    for one in every_fold(task.data):
        prepared = prepare(frame, one)
        networks, _ = engine.train_mlps(
            prepared.train, prepared.validation, one.kind, one.outputs, task.mlp, task.seeds
        )
        hidden = hidden_activations(networks, prepared.sae)
        saes = {c: engine.train_saes(hidden, task.sae, c, task.seeds)[0] for c in task.sae.l1_conventions}
        untrained = untrained_saes(task.seeds, task.mlp.hidden, task.sae.latents)
        folds.append(Fold(prepared, networks, saes | {UNTRAINED: untrained}))
    return folds


def page_of(frame: pd.DataFrame, task: TaskSettings, folder: Path, repository: Paths) -> dict:
    """The page's contents, after a look at whether it is one."""
    paths = Paths(folder)
    paths.paper.mkdir()
    shutil.copyfile(repository.paper / "folds.typ", paths.paper / "folds.typ")
    pdf = write_pooled(paths, "t", task, trained(frame, task), frame, paths)
    source = {"input": str(paths.paper / "folds.typ"), "root": str(folder), "sys_inputs": {"task": "t"}}
    picture = typst.compile(**source, format="png", ppi=20, ignore_system_fonts=True)
    assert isinstance(picture, bytes), f"{len(picture)} pages"
    assert pdf.is_file()
    assert len(pd.read_parquet(paths.task_results("t") / "folds.parquet")) > 0
    return read_json(pdf.with_suffix(".json"))


def test_the_page_of_a_regression_is_one_page(tmp_path: Path, repository: Paths) -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(200, 3)), columns=list("abc")).assign(y=lambda t: t["a"] - t["b"] ** 2)
    data = DataSettings(table="t.csv", predictors=list("abc"), response="y", kind="regression", folds=3)
    task = TaskSettings(title="Rain", data=data, seeds=[0, 1], mlp=MLPSettings(epochs=2), sae=SAESettings(epochs=2))
    page = page_of(frame, task, tmp_path, repository)
    assert [row[0] for row in page["skill"][1:]] == ["MSE", "MAE", "R²"]
    assert page["rows"][-1] == ["tested", "200"]


def test_300_real_reports_of_rain_snow_and_mix_fit_on_one_page(tmp_path: Path, repository: Paths) -> None:
    if not (REAL / MIXED).is_file():
        pytest.skip("the reports of Mountain Rain or Snow are not at hand")
    few = pd.read_parquet(REAL / MIXED).iloc[::53].head(300)
    few.to_csv(tmp_path / "few.csv", index=False)
    task, _ = task_settings(str(repository.root / "examples" / "mountain_rain_or_snow.yaml"))
    data = task.data.model_copy(update={"folds": 5, "parts": "blocks", "table": str(tmp_path / "few.csv")})
    mlp = task.mlp.model_copy(update={"class_weights": "balanced", "epochs": 2})
    sae = task.sae.model_copy(update={"epochs": 2})
    task = task.model_copy(update={"data": data, "mlp": mlp, "sae": sae, "seeds": [0, 1]})
    frame = read_table(tmp_path / "few.csv", data)
    page = page_of(frame, task, tmp_path, repository)
    assert int(page["rows"][-1][1]) == sum(len(prepare(frame, one).test) for one in every_fold(data))
    assert "the classes were weighted" in page["verdict"][-1]


def test_the_page_says_how_the_rows_were_cut() -> None:
    plain = {"table": "t.csv", "predictors": ["a"], "response": "y", "kind": "regression", "folds": 4, "time": "when"}
    assert describe_folds(DataSettings(**plain), 3).startswith("The rows, in time order, are cut into 4 sets.")
    assert "Whole groups of storm" in describe_folds(DataSettings(**plain, groups="storm"), 3)
    assert "Blocks of 3 days, drawn with seed 0," in describe_folds(
        DataSettings(**plain, parts="blocks", block_days=3), 3
    )
