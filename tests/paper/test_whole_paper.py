"""The whole paper from little data, in a temporary copy: what a reviewer does.

It is made once for all that is asked of it; what makes it again, or much of it, is left to `make test-all`.
"""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys

import pytest

from precip_sae.cli import main
from precip_sae.pipeline.smoke import environment
from precip_sae.pipeline.stages import stages
from precip_sae.pipeline.warm import started_at_once
from precip_sae.settings import load_settings, read_yaml

# A page may name addresses in its text and links; it may not load anything from them.
LOADS = re.compile(r"""<script\b[^>]*\bsrc|<link\b[^>]*\bhref|<(img|iframe|embed)\b[^>]*\bsrc=["'](?!data:)|@import""")


def dvc(paths, *arguments):
    """What a DVC command in the project says; it has to succeed."""
    done = subprocess.run(
        [sys.executable, "-m", "dvc", *arguments],
        cwd=paths.root,
        env=started_at_once(environment(paths)),
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def stages_run(said):
    return re.findall(r"Running stage '([^']+)'", said)


@pytest.fixture(scope="module")
def paper(tmp_path_factory, repository):
    """The small paper, made once by `precip-sae smoke`."""
    folder = tmp_path_factory.mktemp("smoke") / "paper"
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(repository.root)
        patch.delenv("PRECIP_SAE_ROOT", raising=False)
        assert main(["smoke", str(folder)]) == 0
    return type(repository)(folder.resolve())


def made(paths):
    """Every output of every stage, files only, with the SHA-256 of its bytes."""
    settings = load_settings(paths.params)
    found = {"dvc.lock": paths.root / "dvc.lock"}
    for stage in stages().values():
        for task in stage.tasks(settings) if stage.per_task else [None]:
            for output in stage.outputs(task):
                path = paths.root / output
                assert path.exists(), output
                found |= {p.relative_to(paths.root).as_posix(): p for p in [path, *path.rglob("*")] if p.is_file()}
    return {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in found.items()}


def test_the_pdf_is_there(paper):
    assert (paper.paper / "manuscript.pdf").read_bytes().startswith(b"%PDF")


def test_every_output_of_every_stage_is_there(paper):
    assert len(made(paper)) > len(stages())


def test_running_again_does_nothing(paper):
    assert stages_run(dvc(paper, "repro")) == []


def test_every_executed_notebook_reads_the_same_offline(paper):
    pages = list(paper.supplement.glob("*.html"))
    assert pages
    for page in pages:
        assert not LOADS.search(page.read_text()), page.name


def test_the_pages_show_pictures_and_not_only_that_there_is_one(paper):
    for page in paper.supplement.glob("*.html"):
        assert "&lt;Figure size" not in page.read_text(), f"{page.name}: its notebook needs %matplotlib inline"


def test_no_output_names_the_machine_it_was_made_on(paper):
    for name in made(paper):
        assert str(paper.root).encode() not in (paper.root / name).read_bytes(), name


@pytest.mark.slow
def test_redoing_everything_gives_the_same_bytes(paper, forked_stages):
    before = made(paper)
    said = dvc(paper, "repro", "--force")
    assert len(stages_run(said)) >= len(stages())
    after = made(paper)
    assert [name for name in before if before[name] != after.get(name)] == []
    assert after.keys() == before.keys()


def test_the_models_of_the_paper_are_among_those_of_the_search(paper):
    import numpy as np
    import pandas as pd

    settings = load_settings(paper.params)
    assert settings.search.tasks
    for task in settings.search.tasks:
        found = pd.read_parquet(paper.task_results(task) / "search.parquet")
        own = found[found["inputs"] == " ".join(settings.tasks[task].data.predictors)].set_index("seed")
        reductions = pd.read_parquet(paper.task_results(task) / "reductions.parquet")
        headline = settings.tasks[task].sae.l1_conventions[0]
        for counted, rows in reductions[reductions["variant"] == headline].groupby("counted"):
            shown = rows.set_index("seed")["reduction"]
            seeds = own.index.intersection(shown.index)
            assert len(seeds)
            np.testing.assert_allclose(own.loc[seeds, f"reduction_{counted}"], shown[seeds], rtol=1e-9)
        history = pd.read_parquet(paper.models(task) / "mlp" / "history.parquet")
        last = history.groupby("seed")["val_loss"].last()
        assert own["val_loss"].tolist() == last[own.index].tolist()


def test_every_claim_is_judged_by_the_number_that_was_made_here(paper):
    numbers = json.loads((paper.paper / "numbers.json").read_text(encoding="utf-8"))
    judged = json.loads((paper.paper / "claims.json").read_text(encoding="utf-8"))
    claims = read_yaml(paper.paper / "claims.yaml")["claims"]
    assert [line["id"] for line in judged] == [claim["id"] for claim in claims]
    for claim, line in zip(claims, judged, strict=True):
        if claim["standing"] == "untestable":
            assert line["verdict"] == "NOT TESTED"
            continue
        key = claim["metric"]
        if key not in numbers:
            assert claim["untested"], claim["id"]
            assert line["verdict"] == "NOT TESTED"
            continue
        single = f"{key}.mean" if f"{key}.mean" in numbers else key
        low, high = (
            numbers[k]["value"] for k in ((f"{key}.low", f"{key}.high") if claim.get("whole") else [single] * 2)
        )
        # undefined (the interval of a single seed) holds nothing
        bounds = [claim.get(name) for name in ("at_least", "at_most")]
        least, most = (numbers[bound]["value"] if isinstance(bound, str) else bound for bound in bounds)
        holds = low is not None and (least is None or least <= low) and (most is None or high <= most)
        assert line["verdict"] == ("PASS" if holds else "FAIL"), claim["id"]
        assert line["found"] == numbers[key]["text"]


def test_the_small_paper_is_what_its_stages_made(paper, monkeypatch, capsys):
    monkeypatch.chdir(paper.root)
    main(["verify", "--quick"])
    said = capsys.readouterr().out
    faults = [line for line in said.splitlines() if line.startswith("  FAIL") and "expected" not in line]
    # the reasons for numbers of the full paper need not all be needed by a small one
    assert [line for line in faults if "typed: " not in line] == []


def test_the_number_behind_the_headline_is_the_mean_over_the_seeds(paper):
    import pandas as pd

    settings = load_settings(paper.params)
    numbers = json.loads((paper.paper / "numbers.json").read_text(encoding="utf-8"))
    keys = {claim.get("metric") for claim in read_yaml(paper.paper / "claims.yaml")["claims"]}
    for task in ("classifier", "regressor"):
        headline = settings.tasks[task].sae.l1_conventions[0]
        key = f"{task}.interpret.variants.{headline}.reduction.published"
        assert key in keys
        rows = pd.read_parquet(paper.task_results(task) / "reductions.parquet")
        own = rows[(rows["variant"] == headline) & (rows["counted"] == "published")].set_index("seed")["reduction"]
        assert own.index.tolist() == list(settings.tasks[task].seeds)
        assert numbers[f"{key}.mean"]["value"] == pytest.approx(own.mean(), rel=1e-5)


@pytest.mark.slow
def test_a_changed_setting_redoes_its_own_task_and_the_paper_only(paper, forked_stages):
    # last of the tests on `paper`, which it changes
    tasks = list(load_settings(paper.params).tasks)
    content = paper.params.read_text()
    hidden = re.search(rf"{tasks[0]}:.*?hidden: (\d+)", content, re.DOTALL)
    start, end = hidden.span(1)
    paper.params.write_text(f"{content[:start]}{int(hidden[1]) - 1}{content[end:]}")
    rerun = stages_run(dvc(paper, "repro"))
    own = [name for name in rerun if "@" in name]
    settings = load_settings(paper.params)
    of_a_task = [stage.name for stage in stages().values() if stage.per_task and tasks[0] in stage.tasks(settings)]
    assert sorted(own) == sorted(f"{name}@{tasks[0]}" for name in of_a_task)
    assert "observe" not in rerun
    assert {"collect", "paper"} <= set(rerun)


def test_a_clone_brings_data_weights_and_results(tmp_path, repository):
    root = repository.root
    if shutil.which("git") is None or not (root / ".git").exists():
        pytest.skip("not a git checkout")
    tracked = subprocess.run(
        ["git", "ls-files", "dvc.lock", "data.dvc"], cwd=root, capture_output=True, text=True, check=True
    )
    if tracked.stdout.split() != ["data.dvc", "dvc.lock"]:
        pytest.skip("data.dvc and dvc.lock are not in git yet")
    alone = os.environ | {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    alone |= {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "safe.directory", "GIT_CONFIG_VALUE_0": "*"}
    subprocess.run(["git", "clone", "--quiet", str(root), "clone"], cwd=tmp_path, env=alone, check=True)
    clone = type(repository)((tmp_path / "clone").resolve())
    dvc(clone, "pull", "--quiet")
    assert clone.observations.is_file()
    assert made(clone)
    # what is on disk is what dvc.lock says; code edited since is another test's business
    changed = json.loads(dvc(clone, "status", "--json"))
    broken = {stage: c for stage, causes in changed.items() for c in causes if "changed outs" in c}
    assert broken == {}
