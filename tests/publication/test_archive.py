"""The archive holds all of a commit, says so to machines, and comes to life elsewhere."""

import hashlib
import os
import zipfile
from pathlib import Path
from urllib.parse import unquote

import pytest
from rocrate.rocrate import ROCrate

from precip_sae.errors import PublicationError
from precip_sae.files import read_json
from precip_sae.paths import Paths
from precip_sae.publication.archive import write_archive
from precip_sae.publication.crate import METADATA
from precip_sae.settings import read_yaml


@pytest.fixture
def unpacked(small: Paths, tmp_path: Path) -> Path:
    """The archive of the small project, unpacked in a folder with a space."""
    folder = tmp_path / "some where"
    with zipfile.ZipFile(write_archive(small)) as content:
        content.extractall(folder)
    return folder


def test_two_archives_of_a_commit_are_the_same_bytes(small: Paths, tmp_path: Path) -> None:
    first = write_archive(small)
    os.utime(small.root / "README.md", (1, 1))
    second = write_archive(small, tmp_path / "second.zip")
    assert first.name == "precip-sae-1.2.3.zip"
    assert first.read_bytes() == second.read_bytes()


def test_what_was_unpacked_is_clean_for_dvc_and_makes_itself_again_offline(unpacked: Path, in_folder) -> None:
    # read before anything is pulled
    assert (unpacked / "out" / "loud.txt").read_text() == "HELLO\n"
    in_folder(unpacked, "dvc", "pull", "--quiet")
    assert "up to date" in in_folder(unpacked, "dvc", "status")
    (unpacked / "out" / "loud.txt").unlink()
    in_folder(unpacked, "dvc", "repro", "--quiet", "--force")
    assert (unpacked / "out" / "loud.txt").read_text() == "HELLO\n"
    assert "up to date" in in_folder(unpacked, "dvc", "status")
    assert not (unpacked / ".git").exists()


def test_a_reader_of_the_crate_finds_every_file_as_it_is_described(unpacked: Path) -> None:
    crate = ROCrate(unpacked)
    described = {unquote(each.id): each for each in crate.get_entities() if "File" in str(each.type)}
    for name, entity in described.items():
        content = (unpacked / name).read_bytes()
        assert (int(entity["contentSize"]), entity["sha256"]) == (len(content), hashlib.sha256(content).hexdigest())
    there = {file.relative_to(unpacked).as_posix() for file in unpacked.rglob("*") if file.is_file()}
    # the store repeats what lies in its place, and two files are about the zip itself
    missing = {name for name in there - described.keys() if not name.startswith(".dvc/store/")}
    assert missing == {METADATA, ".dvc/config.local"}


def test_the_crate_says_what_each_stage_read_was_set_to_and_made(unpacked: Path) -> None:
    crate = ROCrate(unpacked)
    assert crate.mainEntity.id == "dvc.yaml"
    assert [step["name"] for step in crate.mainEntity["step"]] == ["shout", "count"]
    shout, count = crate.dereference("#stage/shout"), crate.dereference("#stage/count")
    assert [each["name"] for each in shout["object"][:1]] == ["data/some words.txt"]
    assert {each["name"]: each["value"] for each in shout["object"][1:]} == {
        "simulation.records": 300,
        "simulation.seed": 1,
    }
    assert shout["result"].id == count["object"].id == "out/"
    assert {part.id for part in shout["result"]["hasPart"]} == {"out/loud.txt", "out/one.txt"}
    whole = crate.dereference("#run")
    assert whole["object"][0]["name"] == "data/some words.txt"
    assert {each["name"] for each in whole["result"]} == {"out", "count.txt"}


def test_every_reference_within_the_crate_leads_somewhere(unpacked: Path) -> None:
    graph = read_json(unpacked / METADATA)["@graph"]
    known = [entity["@id"] for entity in graph]
    assert len(known) == len(set(known))

    def references(value: object) -> list[str]:
        if isinstance(value, dict):
            inside = [found for key, each in value.items() if key != "@id" for found in references(each)]
            return [value["@id"], *inside] if set(value) == {"@id"} else inside
        return [found for each in value for found in references(each)] if isinstance(value, list) else []

    # addresses may be of what is described elsewhere
    lost = {each for each in references(graph) if each not in known and not each.startswith("https://")}
    assert lost == set()


def test_no_time_but_the_commits_is_in_the_archive(small: Paths, unpacked: Path, in_folder) -> None:
    when = in_folder(small.root, "git", "log", "-1", "--format=%cI").strip()[:10]
    text = (unpacked / METADATA).read_text()
    assert {line.split('"')[3][:10] for line in text.splitlines() if "endTime" in line or "datePublished" in line} == {
        when,
        "2025",
    }
    assert str(small.root) not in text


def test_programs_stay_programs(small: Paths) -> None:
    with zipfile.ZipFile(write_archive(small)) as content:
        assert content.getinfo("bin/tool").external_attr >> 16 == 0o100755
        assert content.getinfo("README.md").external_attr >> 16 == 0o100644


def test_a_tree_with_changes_is_refused_with_the_name_of_a_file(small: Paths) -> None:
    (small.root / "README.md").write_text("changed")
    (small.root / "new.txt").write_text("new")
    with pytest.raises(PublicationError, match=r"README\.md and 1 more: has changes that no commit holds"):
        write_archive(small)
    assert not (small.root / "build").exists()


def test_a_folder_without_history_is_refused(unpacked: Path) -> None:
    with pytest.raises(PublicationError, match="has no git history"):
        write_archive(Paths(unpacked))


def test_a_run_that_is_out_of_date_is_refused(small: Paths, in_folder) -> None:
    params = small.params.read_text().replace("records: 300", "records: 301")
    small.params.write_text(params)
    in_folder(small.root, "git", "commit", "--quiet", "--all", "--message", "other settings")
    with pytest.raises(PublicationError, match=r"params\.yaml: simulation changed since shout ran"):
        write_archive(small)


def test_an_artefact_that_no_store_has_is_refused(small: Paths, in_folder) -> None:
    md5 = hashlib.md5(b"hello\n").hexdigest()
    for folder in ("cache", "store"):
        (small.root / ".dvc" / folder / "files" / "md5" / md5[:2] / md5[2:]).unlink()
    in_folder(small.root, "git", "commit", "--quiet", "--all", "--message", "the store lacks an object")
    with pytest.raises(PublicationError, match=r"data/some words\.txt: no store has .* run `dvc push`"):
        write_archive(small)
    assert not (small.root / "build").exists()


def test_zenodo_and_citation_say_the_same(repository: Paths) -> None:
    citation, zenodo = read_yaml(repository.root / "CITATION.cff"), read_json(repository.root / ".zenodo.json")
    for key in ("title", "version", "license"):
        assert zenodo[key] == citation[key]
    assert [each["name"] for each in zenodo["creators"]] == [each["name"] for each in citation["authors"]]
    dois = {each["doi"] for each in citation["references"]}
    assert {each["identifier"] for each in zenodo["related_identifiers"]} == dois
