"""Simulated tables that tasks share: made once, and never taken from other code."""

import pandas as pd
import pytest

from precip_sae.noise import tables
from precip_sae.simulation.simulate import simulate


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The seeds of the tables that are simulated, in order."""
    seeds: list[int] = []

    def counted(records: int, seed: int) -> pd.DataFrame:
        seeds.append(seed)
        return simulate(records, seed)

    monkeypatch.setattr(tables, "simulate", counted)
    return seeds


def test_a_table_that_is_kept_is_the_one_that_is_simulated(tmp_path, made):
    for _ in range(2):
        table = tables.Tables(300, tmp_path)
        for seed in (4, 5):
            pd.testing.assert_frame_equal(table(seed), simulate(300, seed))
    assert made == [4, 5]


def test_tables_of_another_length_are_not_taken_for_ones_own(tmp_path, made):
    assert [len(tables.Tables(records, tmp_path)(4)) for records in (300, 400)] == [300, 400]
    assert made == [4, 4]


def test_tables_of_other_code_are_made_anew_and_removed(tmp_path, made, monkeypatch):
    tables.Tables(300, tmp_path)(4)
    monkeypatch.setattr(tables, "fingerprint", lambda: "f" * 64)
    tables.Tables(300, tmp_path)(4)
    assert made == [4, 4]
    assert [folder.name for folder in tmp_path.iterdir()] == ["f" * 16]


def test_a_changed_source_makes_tables_of_other_code(tmp_path, monkeypatch):
    package = tmp_path / "precip_sae"
    for folder in ("observations", "simulation"):
        (package / folder).mkdir(parents=True)
        (package / folder / "__init__.py").write_text("")
    monkeypatch.setattr(tables.precip_sae, "__file__", str(package / "__init__.py"))
    before = tables.fingerprint()
    assert tables.fingerprint() == before
    (package / "simulation" / "weather.py").write_text("FIRST_WINTER = 1999\n")
    assert tables.fingerprint() != before
