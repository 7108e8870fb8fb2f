"""The manuscript says what its table is: nobody may read a simulation as measured, nor the other way round."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from precip_sae.archive.deposit import archive_source
from precip_sae.archive.ingest import Outcome, Season
from precip_sae.files import read_json, write_json
from precip_sae.manuscript.compile import compile_pdf, compile_tex
from precip_sae.manuscript.numbers import flatten
from precip_sae.manuscript.readme import basis

ROOT = Path(__file__).parents[2]
NOTE = "precip-sae simulate, 10 records, seed 1: not a measurement"


def source(note: str = "", profile: bool = True) -> dict[str, Any]:
    """What source.json says of an archive of which one day of three is lost."""
    outcomes = [
        Outcome(f"2019-01-0{day}", "key", "files", rows=5, periods=7, dropped={"weather": 1}, simulation=note)
        for day in (1, 2)
    ]
    lost = Outcome("2019-01-03", "key", "files", reason="no psd file of the day, expected one.")
    return archive_source(Season((*outcomes, lost), ()), "MQT", profile)


def text_for(folder: Path, described: dict[str, Any]) -> str:
    """The manuscript of this repository, as LaTeX, with its observations described as given."""
    kept = read_json(ROOT / "paper" / "numbers.json")
    numbers = {key: value for key, value in kept.items() if not key.startswith("observe.source.")}
    return text_with(folder, numbers | dict(flatten(described, ["observe", "source"])))


def text_with(folder: Path, numbers: dict[str, Any]) -> str:
    """The manuscript of this repository, as LaTeX, with other numbers."""
    shutil.copytree(ROOT / "paper", folder / "paper", ignore=shutil.ignore_patterns("supplement"))
    shutil.copytree(ROOT / "figures", folder / "figures", ignore=shutil.ignore_patterns("*.png"))
    shutil.copy(ROOT / "CITATION.cff", folder)
    write_json(folder / "paper" / "numbers.json", numbers)
    manuscript = folder / "paper" / "manuscript.typ"
    compile_pdf(manuscript, folder / "paper" / "manuscript.pdf", folder)
    compile_tex(manuscript, folder / "paper" / "manuscript.tex")
    return " ".join((folder / "paper" / "manuscript.tex").read_text().split())


def test_a_paper_on_an_archive_names_it_and_counts_the_lost_days(tmp_path: Path) -> None:
    text = text_for(tmp_path, source())
    assert "Precipitation Imaging Package dataset" in text
    assert "10.7302/37yx-9q53" in text
    assert "the archive has 3 days; 2 were read and 1 lost" in text
    assert "2 days read, 1 lost" in text, "on the first page too"
    assert "2 further periods with precipitation were left out" in text
    assert "simulat" not in text.split("Open Research")[0].replace("simulation-only", "")


def test_a_paper_on_a_simulation_written_as_an_archive_says_that_it_is_one(tmp_path: Path) -> None:
    text = text_for(tmp_path, source(NOTE, profile=False))
    assert "no number below is a measurement of Marquette" in text
    assert "seed 1: not a measurement" in text
    assert "Simulated observations." in text, "in the captions"
    assert "profiles of the reanalysis" not in text


def test_a_paper_of_one_seed_has_no_intervals_and_claims_nothing_of_them(tmp_path: Path) -> None:
    numbers = read_json(ROOT / "paper" / "numbers.json")
    nothing = {"value": None, "text": "–"}
    ends = (".low", ".high", ".sd")
    text = text_with(tmp_path, {key: nothing if key.endswith(ends) else number for key, number in numbers.items()})
    assert "a gain" not in text
    assert "is reproduced for one task at most" in text


def test_a_copy_for_reviewers_has_numbered_lines(tmp_path: Path) -> None:
    for name, inputs in {"plain": {}, "review": {"review": "true"}}.items():
        compile_pdf(ROOT / "paper" / "manuscript.typ", tmp_path / f"{name}.pdf", ROOT, inputs)
    plain, review = ((tmp_path / f"{name}.pdf").stat().st_size for name in ("plain", "review"))
    assert review > plain, "a number beside every line"


def test_tasks_unlike_the_published_networks_leave_their_section_out(tmp_path: Path) -> None:
    numbers = read_json(ROOT / "paper" / "numbers.json")
    text = text_with(tmp_path, numbers | {"compared": {"value": [], "text": ""}})
    assert "own networks say of the observations" not in text
    assert "fig-learning" not in text


def test_a_paper_on_the_simulation_says_so(tmp_path: Path) -> None:
    text = text_for(tmp_path, {"kind": "simulation", "records": 46000, "seed": 2025})
    assert "no number below is a measurement of Marquette" in text
    assert "seed 2025" in text
    assert "the archive has" not in text


@pytest.mark.parametrize(
    ("described", "expected"),
    [
        ({"kind": "simulation", "records": 1, "seed": 1}, "simulated observations"),
        (source(), "the observations in files of the Precipitation Imaging Package dataset (doi 10.7302/37yx-9q53): "
         "2 days read, 1 lost"),
        (source(NOTE), "simulated observations, written as and read from files of the Precipitation Imaging Package"),
    ],
)  # fmt: skip
def test_the_ledger_in_the_readme_says_what_it_rests_on(described: dict[str, Any], expected: str) -> None:
    assert basis(dict(flatten(described, ["observe", "source"]))).startswith(expected)
