"""Eleven faults planted in a small paper: each is found and named, by `verify`, by `dvc status` or by the stage.

`pytest tests/review/test_faults.py` repeats the table of faults.
"""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from precip_sae.cli import main
from precip_sae.errors import StageError
from precip_sae.files import read_json, write_json, write_parquet
from precip_sae.paths import Paths
from precip_sae.pipeline import runner
from precip_sae.pipeline.content import file_md5
from precip_sae.pipeline.stages import stages
from precip_sae.review.verify import verify
from tests.review.conftest import dvc

pytestmark = pytest.mark.usefixtures("forked_stages")

WEIGHTS = "models/rain/mlp/weights.safetensors"


def replace(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))


def flip(file: Path) -> None:
    """One bit of the last byte but nine: within the numbers of a weight file."""
    content = bytearray(file.read_bytes())
    content[-10] ^= 0x40
    file.chmod(0o644)
    file.write_bytes(bytes(content))


def stored(paper: Paths, folder: str, name: str) -> Path:
    md5 = file_md5(paper.root / name)
    return paper.root / ".dvc" / folder / "files" / "md5" / md5[:2] / md5[2:]


def changed_number(paper: Paths) -> None:
    numbers = read_json(paper.paper / "numbers.json")
    numbers["rain.train.skill.test.mae"]["text"] = "0.001"
    write_json(paper.paper / "numbers.json", numbers)


def swapped_figure(paper: Paths) -> None:
    figures = paper.figures / "rain"
    shutil.copy(figures / "responses.svg", figures / "heatmaps.svg")


def edited_csv(paper: Paths) -> None:
    file = paper.tables / "skill.csv"
    file.write_text(re.sub(r"\d\.\d+", "9.99", file.read_text(), count=1))


def stale_table(paper: Paths) -> None:
    """A table of an earlier run, with the stamp of that run, which DVC then takes for the stage's own."""
    edited_csv(paper)
    stamps = read_json(paper.tables / "provenance.json")
    stamps["skill.csv"]["basis"]["data"] = "0" * 16
    write_json(paper.tables / "provenance.json", stamps)
    dvc(paper, "commit", "--quiet", "--force", "collect")


def weight_in_workspace(paper: Paths) -> None:
    flip(paper.root / WEIGHTS)


def weight_in_cache(paper: Paths) -> None:
    flip(stored(paper, "cache", WEIGHTS))


def weight_in_store(paper: Paths) -> None:
    flip(stored(paper, "store", WEIGHTS))


def other_seed(paper: Paths) -> None:
    replace(paper.params, "seeds: [0, 1, 2]", "seeds: [0, 1, 3]")


def weights_of_another_seed(paper: Paths) -> None:
    """Other networks under the same names, recorded by DVC as if they had been trained here."""
    replace(paper.root / "models/rain/mlp/config.json", "    0,\n", "    7,\n")
    dvc(paper, "commit", "--quiet", "--force", "train@rain")


def typed_number(paper: Paths) -> None:
    replace(paper.paper / "manuscript.typ", "= Results", "= Results\nThe reduction is 33.1 %.")


def edited_lock(paper: Paths) -> None:
    md5 = file_md5(paper.task_results("rain") / "train.json")
    replace(paper.root / "dvc.lock", md5, "0" * 31 + "a")


def missing_rows(paper: Paths) -> None:
    file = paper.task_results("rain") / "search.parquet"
    write_parquet(file, pd.read_parquet(file).iloc[1:])
    dvc(paper, "commit", "--quiet", "--force", "search@rain")


def file_named_like_an_output(paper: Paths) -> None:
    (paper.figures / "rain-mine.txt").write_text("mine")


def dirty_tree(paper: Paths) -> None:
    (paper.root / "src" / "precip_sae" / "extra.py").write_text("x = 1\n")


# What each fault is called, by the check that finds it.
FAULTS: list[tuple[Callable[[Paths], None], dict[str, str]]] = [
    (
        changed_number,
        {
            "numbers": r"paper/numbers\.json: 'rain\.train\.skill\.test\.mae' is 0\.001, the results give ",
            "files": r"paper/numbers\.json is not what collect wrote",
        },
    ),
    (
        swapped_figure,
        {
            "stamps": r"figures/rain/heatmaps\.svg says that it is figures/rain/responses\.svg of interpret@rain",
            "files": r"figures/rain/heatmaps\.svg is not what interpret@rain wrote",
        },
    ),
    (
        edited_csv,
        {
            "tables": r"paper/tables/skill\.csv: line 2 is not what the numbers give",
            "files": r"paper/tables/skill\.csv is not what collect wrote",
        },
    ),
    (
        stale_table,
        {
            "stamps": r"paper/tables/skill\.csv is older than the data that it should rest on",
            "tables": r"paper/tables/skill\.csv: line 2 is not what the numbers give",
        },
    ),
    (
        weight_in_workspace,
        {
            "files": r"models/rain/mlp/weights\.safetensors is not what train@rain wrote",
            "weights": r"models/rain/mlp: its networks do not have the skill that train\.json says",
        },
    ),
    (weight_in_cache, {"store": r"\.dvc/cache/files/md5/../\w+ \(models/rain/mlp/weights\.safetensors\) is damaged"}),
    (weight_in_store, {"store": r"\.dvc/store/files/md5/../\w+ \(models/rain/mlp/weights\.safetensors\) is damaged"}),
    (
        other_seed,
        {
            "stale": r"params\.yaml: tasks\.rain\.seeds changed since train@rain ran",
            "sources": r"params\.yaml: tasks\.rain\.seeds is \[0, 1, 3\], in the authors' run \[0, 1, 2\]",
        },
    ),
    (
        weights_of_another_seed,
        {"weights": r"models/rain/mlp: its seeds are \[7, 1, 2\], params\.yaml asks for \[0, 1, 2\]"},
    ),
    (typed_number, {"typed": r"paper/manuscript\.typ: line 4: '33\.1' in .* comes from no stage"}),
    (
        edited_lock,
        {"files": r"dvc\.lock: the entry of results/rain/train\.json \(train@rain\) is not of the file here"},
    ),
    (missing_rows, {"searches": r"results/rain/search\.parquet: 1 rows are missing, the first of the subset n0 T"}),
    (file_named_like_an_output, {"tree": r"figures/rain-mine\.txt has local changes, which no commit holds"}),
    (
        dirty_tree,
        {
            "tree": r"src/precip_sae/extra\.py has local changes, which no commit holds",
            "sources": r"src/precip_sae/extra\.py: not the authors'",
        },
    ),
]


@pytest.mark.parametrize(("plant", "named"), FAULTS, ids=[plant.__name__ for plant, _ in FAULTS])
def test_verify_names_a_planted_fault(plant: Callable[[Paths], None], named: dict[str, str], paper: Paths) -> None:
    plant(paper)
    report = verify(paper, quick=True)
    for check, sentence in named.items():
        said = [f.sentence for f in report.findings if f.check == check and f.verdict == "FAIL"]
        assert any(re.search(sentence, line) for line in said), (check, said)
    assert report.departs


def test_dvc_names_another_seed(paper: Paths) -> None:
    other_seed(paper)
    changed = json.loads(dvc(paper, "status", "--json"))
    assert {"params.yaml": {"tasks.rain.seeds": "modified"}} in [
        cause["changed deps"] for cause in changed["train@rain"] if "changed deps" in cause
    ]


def test_dvc_names_an_edited_lock(paper: Paths) -> None:
    edited_lock(paper)
    changed = json.loads(dvc(paper, "status", "--json"))
    assert {"changed outs": {"results/rain/train.json": "modified"}} in changed["train@rain"]


def test_a_stage_whose_notebook_is_edited_while_it_runs_is_refused(
    project: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    train = stages()["train"]

    def edited_meanwhile(source: Path, executed: Path, *_: object) -> None:
        for output in train.writes:
            path = project.root / output.replace("${key}", "rain")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("new")
        shutil.copy(source, executed)
        source.write_text(source.read_text().replace("done", "edited"))

    monkeypatch.setattr(runner, "_execute", edited_meanwhile)
    with pytest.raises(StageError, match=r"notebooks/train\.ipynb changed while it ran"):
        runner.run_stage(train, "rain", project)


def test_the_command_says_so_and_ends_with_1(paper: Paths, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    monkeypatch.chdir(paper.root)
    assert main(["verify", "--quick"]) == 0
    assert "This machine's run got what is in the authors' run." in capsys.readouterr().out
    swapped_figure(paper)
    assert main(["verify", "--quick"]) == 1
    said = capsys.readouterr().out
    assert "it was swapped or moved" in said
    assert "This machine's run departs from the authors' run." in said
    page = (paper.root / "build" / "verify.html").read_text()
    assert "it was swapped or moved" in page
    assert "src=" not in page
    assert read_json(paper.root / "build" / "verify.json")["departs"] is True
