"""The page of one task: what it says follows the numbers, and nobody takes a simulation for measurements."""

import json
from pathlib import Path
from typing import Any

import pytest
import typst

from precip_sae.files import read_json, write_json
from precip_sae.manuscript import report
from precip_sae.manuscript.tables import interval
from precip_sae.paths import Paths
from precip_sae.quantities import THIN
from precip_sae.settings import DataSettings, MLPSettings, TaskSettings, load_settings, read_yaml


def data(**changes: Any) -> DataSettings:
    plain = {"table": "data/mine.csv", "predictors": ["a"], "response": "y", "kind": "regression"}
    return DataSettings(**(plain | changes))


def numbers(score: str, **gains: tuple[float, float]) -> dict[str, Any]:
    found = {f"t.train.baselines.{name}.{score}": {"value": 0.5, "text": "B"} for name in gains}
    for name, (low, high) in gains.items():
        key = f"t.train.gain_over.{name}.{score}"
        found |= {key: {"text": "G"}, f"{key}.low": {"value": low}, f"{key}.high": {"value": high}}
    return found


@pytest.mark.parametrize(("kind", "score"), [("classification", "accuracy"), ("regression", "mse")])
def test_the_networks_are_called_better_only_where_the_whole_interval_of_the_gain_is(kind: str, score: str) -> None:
    given = numbers(score, climatology=(0.1, 0.2), threshold=(-0.1, 0.2), linear=(-0.2, -0.1))
    classes = ["Rain", "Snow"] if kind == "classification" else []
    assert report.verdict(given, "t", data(kind=kind, classes=classes)) == [
        "The networks do better than climatology, which uses no input (B): gain G.",
        "The networks are not distinguishable from the best threshold on one input (B): gain G.",
        f"The networks do worse than {'logistic' if kind == 'classification' else 'linear'} regression (B): gain G.",
    ]


def test_the_balanced_accuracy_is_said_where_classes_were_weighted() -> None:
    plain = {"title": "t", "data": data(kind="classification", classes=["Rain", "Snow"])}
    baselines = ("climatology", "threshold", "linear")
    given = {f"t.train.baselines.{name}.balanced_accuracy": {"text": name[0].upper()} for name in baselines}
    given |= {"t.train.skill.test.balanced_accuracy": {"text": "A"}}
    given |= {"t.train.class_weights.Rain": {"text": "1"}, "t.train.class_weights.Snow": {"text": "2.5"}}
    assert report.weighted(given, "t", TaskSettings(**plain)) == []
    (said,) = report.weighted(given, "t", TaskSettings(**plain, mlp=MLPSettings(class_weights={"Snow": 2.5})))
    assert "(Rain 1, Snow 2.5)" in said
    assert said.endswith(
        "balanced accuracy of A, climatology C, the best threshold on one input T, logistic regression L."
    )


def test_what_the_table_is_follows_the_table_and_its_source(tmp_path: Path) -> None:
    paths = Paths(tmp_path)
    mine, ours = data(source="A gauge in my garden"), data(table="data/observations.parquet")
    assert report.describe_source(paths, mine) == {"simulated": False, "sentence": "mine.csv: A gauge in my garden."}
    write_json(paths.data / "source.json", {"kind": "simulation", "records": 46000, "seed": 3})
    assert report.describe_source(paths, mine)["simulated"] is False, "another table of the same project"
    found = report.describe_source(paths, ours)
    assert found["simulated"] is True
    assert f"46{THIN}000 simulated records (seed 3)" in found["sentence"]
    archive = {"kind": "archive", "name": "PIP archive", "doi": "10.7302/37yx-9q53", "days_read": 12}
    write_json(paths.data / "source.json", archive | {"simulated": False})
    assert report.describe_source(paths, ours) == {
        "simulated": False,
        "sentence": "observations.parquet: PIP archive, doi 10.7302/37yx-9q53; 12 days read.",
    }
    write_json(paths.data / "source.json", archive | {"simulated": True})
    assert report.describe_source(paths, ours)["simulated"] is True
    write_json(paths.data / "source.json", {"kind": "own"})
    assert report.describe_source(paths, ours) == {"simulated": False, "sentence": "observations.parquet."}


def test_the_rows_read_come_first_then_those_lost_then_the_parts() -> None:
    reasons = ["test", "dropped, response missing", "train", "read", "sae", "validation"]
    assert sorted(reasons, key=report._in_order) == [
        "read", "dropped, response missing", "train", "validation", "sae", "test",
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["classifier", "regressor"])
def test_the_page_of_a_task_of_the_paper_is_one_page_and_says_what_the_data_are(
    repository: Paths, name: str, tmp_path: Path
) -> None:
    page = read_json(repository.paper / "reports" / f"{name}.json")
    made_with = read_yaml(repository.root / "dvc.lock")["stages"][f"report@{name}"]["params"]["params.yaml"]
    now = read_yaml(repository.params)["tasks"][name]
    if any(now.get(place.rpartition(".")[2]) != value for place, value in made_with.items()):
        pytest.skip("params.yaml was edited since the results were made: `dvc repro` makes them again")
    task: TaskSettings = load_settings(repository.params).tasks[name]
    # a clone has the results, and what they say of the data, before it has the data
    source = read_json(repository.results / "observe.json")["source"]
    clone = Paths(tmp_path)
    write_json(clone.data / "source.json", source)
    clone.results.symlink_to(repository.results)
    assert page == report.contents(clone, name, task), "the page is not that of the committed results"
    template: dict[str, Any] = {"input": str(repository.paper / "report.typ"), "root": str(repository.root)}
    template["sys_inputs"] = {"task": name}
    picture = typst.compile(**template, format="png", ppi=20, ignore_system_fonts=True)
    assert isinstance(picture, bytes), f"{len(picture)} pages"
    warned = json.loads(typst.query(**template, selector="<simulated>"))
    assert len(warned) == int(source["kind"] == "simulation" or source["simulated"])


def test_the_page_says_how_the_rows_were_parted() -> None:
    assert report.describe_parts(data(groups="storm")) == "whole groups of storm"
    assert report.describe_parts(data(time="t")) == "in time order"
    blocks = data(time="t", parts="blocks", block_days=3, block_seed=2)
    assert report.describe_parts(blocks) == "blocks of 3 days, drawn with seed 2"


def test_the_ends_of_an_interval_in_a_table_are_told_apart() -> None:
    ends = {"k.low": 0.99961, "k.high": 0.99989}
    found = {key: {"value": value, "text": "100.0 %", "form": ".1%"} for key, value in ends.items()}
    assert interval(found, "k") == f"99.96 to 99.99{THIN}%"
    none = {key: {"value": None, "text": "–"} for key in ends}
    assert interval(none, "k") == "–"
