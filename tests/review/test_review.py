"""What a reviewer is told: claims in tiers, chains back to the observations, changes since a reference."""

import shutil
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from precip_sae.cli import main
from precip_sae.errors import ReviewError
from precip_sae.files import read_json, write_json, write_parquet, write_text
from precip_sae.manuscript.claims import Ledger
from precip_sae.paths import Paths
from precip_sae.publication.archive import write_archive
from precip_sae.review.diff import diff_page
from precip_sae.review.reference import Run, accept
from precip_sae.review.reproduction import compare, differences
from precip_sae.review.verify import verify, verify_against
from precip_sae.review.why import why
from tests.review.conftest import dvc, git

pytestmark = pytest.mark.usefixtures("forked_stages")

CITATION = "title: A small paper\nauthors: [{name: Somebody}]\nversion: 1.0.0\nlicense: MIT\n"

FILE = "results/rain/fit.json"
THEN = Run("then", {"rain.fit.x": 0.30, "rain.fit.x.low": 0.1, "rain.fit.x.high": 0.5}, {FILE: "a"}, {}, {})


def ledger(**changes: object) -> Ledger:
    claim = {"id": "c", "sentence": "s", "place": "p", "standing": "ours", "metric": "rain.fit.x", "at_least": 0.25}
    return Ledger.model_validate(
        {"tolerances": {"trained": {"absolute": 0.02, "reason": "r"}}, "claims": [claim | changes]}
    )


@pytest.mark.parametrize(
    ("value", "md5", "tier", "reached", "as_promised"),
    [
        (0.30, "a", "bytes", "bytes", True),
        (0.30, "b", "bytes", "numbers", False),
        (0.31, "b", "numbers", "numbers", True),
        (0.33, "b", "numbers", "conclusion", False),
        (0.33, "b", "conclusion", "conclusion", True),
        (0.24, "b", "conclusion", "departs", False),
    ],
)
def test_a_claim_reaches_the_strictest_tier_that_its_number_allows(
    value: float, md5: str, tier: str, reached: str, as_promised: bool
) -> None:
    numbers = {key: {"value": v, "text": str(v)} for key, v in (THEN.numbers | {"rain.fit.x": value}).items()}
    now = replace(THEN, name="now", numbers={}, outputs={FILE: md5})
    (line,) = compare(ledger(tier=tier), numbers, now, THEN)
    assert (line.reached, line.as_promised) == (reached, as_promised)


def test_a_published_claim_that_fails_is_no_failed_reproduction() -> None:
    numbers = {key: {"value": v, "text": str(v)} for key, v in THEN.numbers.items()}
    (line,) = compare(ledger(at_least=0.9, standing="published"), numbers, replace(THEN, name="now"), THEN)
    assert line.claim["verdict"] == "FAIL"
    assert (line.reached, line.as_promised) == ("bytes", True)


def test_an_interval_that_moved_is_seen_where_the_claim_is_about_the_interval() -> None:
    moved = THEN.numbers | {"rain.fit.x.low": 0.2}
    numbers = {key: {"value": v, "text": str(v)} for key, v in moved.items()}
    now = replace(THEN, name="now", outputs={FILE: "b"})
    assert compare(ledger(), numbers, now, THEN)[0].reached == "numbers"
    assert compare(ledger(whole=True, at_least=0.0), numbers, now, THEN)[0].reached == "conclusion"


def test_a_claim_without_a_reference_is_judged_and_not_compared() -> None:
    numbers = {key: {"value": v, "text": str(v)} for key, v in THEN.numbers.items()}
    (line,) = compare(ledger(), numbers, THEN, None)
    assert (line.claim["verdict"], line.reached, line.as_promised) == ("PASS", "not tested", True)


def test_a_paper_as_it_was_made_departs_in_nothing(made: Paths) -> None:
    report = verify(made)
    assert [f.sentence for f in report.findings if f.verdict != "PASS"] == []
    assert "training" in [f.check for f in report.findings], "models are trained again unless --quick"
    assert not report.departs
    assert [line.reached for line in report.lines] == ["bytes", "bytes", "not tested"]
    assert [line.claim["verdict"] for line in report.lines] == ["PASS", "PASS", "NOT TESTED"]


def test_a_zip_without_history_and_artefacts_says_what_it_cannot_check(paper: Paths) -> None:
    shutil.rmtree(paper.root / ".git")
    shutil.rmtree(paper.models("rain"))
    report = verify(paper)
    untested = {f.check: f.sentence for f in report.findings if f.verdict == "NOT TESTED"}
    brought = "models/rain/mlp is not here: `dvc pull` brings it"
    assert untested == {"tree": "no git history here", "weights": brought, "training": brought}
    assert [f.sentence for f in report.findings if f.verdict == "FAIL"] == []
    assert not report.departs


def test_an_output_that_git_keeps_and_is_gone_is_named(paper: Paths) -> None:
    shutil.rmtree(paper.figures / "rain")
    said = [f.sentence for f in verify(paper, quick=True).findings if f.check == "files"]
    assert said == ["figures/rain is missing, and no store has it (interpret@rain)"]


def test_models_that_come_out_otherwise_here_are_named(paper: Paths) -> None:
    file = paper.models("rain") / "mlp" / "weights.safetensors"
    content = bytearray(file.read_bytes())
    content[-10] ^= 1  # too small for anything but the bits themselves
    file.chmod(0o644)
    file.write_bytes(bytes(content))
    said = [f.sentence for f in verify(paper).findings if f.check == "training"]
    assert said == ["models/rain/mlp: seed 2, trained again here, has other weights"]


def test_a_run_is_held_to_a_revision_with_its_latents_matched(paper: Paths) -> None:
    file = paper.task_results("rain") / "units.parquet"
    units = pd.read_parquet(file)
    latents = units["variant"] == "keras3"
    r = [column for column in units if column.startswith("r_")]
    turned = units.loc[latents, r].to_numpy().reshape(3, 4, -1)[:, ::-1]
    units.loc[latents, r] = turned.reshape(12, -1)
    file.chmod(0o644)
    write_parquet(file, units)
    found = {each.variant: each for each in verify_against(paper, "HEAD").units["rain"]}
    assert found["mlp"].alike == found["mlp"].in_place == 1.0
    assert found["keras3"].alike == 1.0
    assert found["keras3"].in_place < 1.0
    assert found["keras3"].largest == 0.0


def test_what_one_run_has_not_pulled_does_not_differ_and_a_new_figure_does() -> None:
    then = replace(THEN, outputs={"models/rain/a": "1", "figures/x.svg": "1", "results/b.json": "1"})
    now = replace(THEN, outputs={"results/rain/units.parquet": "1", "figures/y.svg": "1", "results/b.json": "2"})
    assert differences(now, then).outputs == (0, ["figures/x.svg", "figures/y.svg", "results/b.json"])


def test_what_is_no_run_is_refused_in_one_sentence(made: Paths) -> None:
    with pytest.raises(ReviewError, match=r"'v9' is neither a folder with a params\.yaml nor a revision"):
        verify_against(made, "v9")


def test_why_leads_from_a_figure_back_to_the_observations(made: Paths) -> None:
    said = list(why(made, "figures/rain/heatmaps"))
    assert said[0] == "figures/rain/heatmaps.svg is made by interpret@rain"
    assert said[1].startswith("  it says: settings ")
    stages = [line.split(" ")[0] for line in said if " rested on" in line]
    assert stages == ["interpret@rain", "train@rain", "fit@rain"]
    assert any(line.startswith("    models/rain/mlp  ") and line.endswith(", made by train@rain") for line in said)
    assert any(line.startswith("    data/observations.parquet  ") for line in said)
    assert said[-1] == "The observations: data/observations.parquet (kind simulation, records 500, seed 1)"
    assert not any("!" in line for line in said)


def test_why_leads_from_a_table_through_all_results(made: Paths) -> None:
    said = list(why(made, "tables/skill"))
    assert said[0] == "paper/tables/skill.csv is made by collect"
    stages = {line.split(" ")[0] for line in said if " rested on" in line}
    assert {"collect", "observe", "train@rain", "interpret@rain", "subsets@rain", "search@rain"} <= stages


def test_why_leads_from_a_claim_through_its_number(made: Paths) -> None:
    said = "\n".join(why(made, "claim:reduction"))
    assert "claim:reduction (published; a paper; manuscript: Results)" in said
    assert "number:rain.interpret.variants.keras3.reduction.living is " in said
    assert "results/rain/interpret.json is made by interpret@rain" in said
    assert "params.yaml" in "\n".join(why(made, "number:rain.settings.mlp.hidden"))


def test_why_says_when_a_figure_is_older_than_what_it_should_rest_on(paper: Paths) -> None:
    paper.params.write_text(paper.params.read_text().replace("threshold: 0.2", "threshold: 0.3"))
    said = list(why(paper, "figures/rain/heatmaps.png"))
    assert said[2] == "  ! it is older than the settings that it should rest on: run `dvc repro`"


def test_why_names_a_likely_figure_number_or_claim(made: Paths) -> None:
    for target, likely in (
        ("figures/rain/heatmap", "did you mean 'figures/rain/heatmaps'"),
        ("claim:reductoin", "did you mean 'reduction'"),
    ):
        with pytest.raises(ReviewError, match=likely):
            list(why(made, target))


def test_the_page_of_changes_shows_what_changed_and_nothing_else(
    paper: Paths, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = diff_page(paper, "HEAD")
    assert page.count("Nothing changed.") == 5
    numbers = read_json(paper.paper / "numbers.json")
    numbers["observe.rows"] = {"value": 400, "text": "400"}
    write_json(paper.paper / "numbers.json", numbers)
    manuscript = paper.paper / "manuscript.typ"
    manuscript.write_text(manuscript.read_text().replace("= Results", "= Results <b>") + "++ more\n")
    shutil.copy(paper.figures / "rain" / "responses.png", paper.figures / "rain" / "heatmaps.png")
    monkeypatch.chdir(paper.root)
    assert main(["diff", "HEAD"]) == 0
    page = (paper.root / "build" / "diff.html").read_text()
    assert "<td>observe.rows</td><td>500</td><td>400</td>" in page
    assert '<td>There are rows</td><td>500</td><td>400</td><td>PASS</td><td class="FAIL">FAIL</td>' in page
    assert "<del>= Results</del>" in page
    assert "<ins>= Results &lt;b&gt;</ins>" in page
    assert "<ins>++ more</ins>" in page
    assert page.count("<h3>figures/") == 1
    assert page.count('src="data:image/png;base64,') == page.count("<img") == 2
    assert "Tables" in page


def test_nothing_differs_between_a_paper_and_its_clone(made: Paths, tmp_path: Path) -> None:
    git(tmp_path, "clone", "--quiet", str(made.root), "clone")
    clone = Paths((tmp_path / "clone").resolve())
    dvc(clone, "pull", "--quiet")
    report = verify_against(made, str(clone.root))
    assert report.differences is not None
    assert report.differences.outputs[1] == report.differences.numbers[1] == report.differences.sources == []
    assert np.isclose(min(each.alike for each in report.units["rain"]), 1.0)
    assert not report.departs


def test_a_reviewer_who_unpacks_the_archive_gets_what_the_authors_got(paper: Paths, tmp_path: Path) -> None:
    write_text(paper.root / "CITATION.cff", CITATION)
    accept(paper)
    git(paper.root, "add", "--all")
    git(paper.root, "commit", "--quiet", "--message", "a citation")
    folder = tmp_path / "unpacked"
    with zipfile.ZipFile(write_archive(paper, tmp_path / "paper.zip")) as content:
        content.extractall(folder)
    unpacked = Paths(folder.resolve())
    report = verify(unpacked, quick=True)
    assert [f.sentence for f in report.findings if f.verdict == "FAIL"] == []
    assert not report.departs
    dvc(unpacked, "pull", "--quiet")
    assert "up to date" in dvc(unpacked, "status")


def test_an_edition_names_its_commit_and_whether_there_are_local_changes(
    paper: Paths, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("manuscript.typ", "references.bib"):
        (paper.paper / name).write_text('#sys.inputs.at("rests_on") #sys.inputs.at("commit") #sys.inputs.at("review")')
    git(paper.root, "add", "--all")
    git(paper.root, "commit", "--quiet", "--message", "names its commit")
    head = git(paper.root, "rev-parse", "--short=12", "HEAD").strip()
    monkeypatch.chdir(paper.root)
    assert main(["edition", "build/copy.pdf"]) == 0
    assert f"the manuscript of {head}.\n" in capsys.readouterr().out
    before = (paper.root / "build" / "copy.pdf").read_bytes()
    assert before.startswith(b"%PDF")
    assert main(["edition", "build/review.pdf", "--review"]) == 0
    assert (paper.root / "build" / "review.pdf").read_bytes() != before, "the source asks for `review`"
    capsys.readouterr()
    (paper.root / "note.txt").write_text("x")
    assert main(["edition", "build/copy.pdf"]) == 0
    assert f"the manuscript of {head} with local changes.\n" in capsys.readouterr().out
    assert (paper.root / "build" / "copy.pdf").read_bytes() != before
