"""`precip-sae archive`: one zip from which the paper can be read, checked and made again without a network.

It holds the files of the commit, what the stages made in its place and as objects of the DVC store (so that DVC knows
it), and a description for machines (`crate`).
"""

import hashlib
import re
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path

from precip_sae.errors import PublicationError
from precip_sae.paths import Paths
from precip_sae.pipeline.content import FOLDER
from precip_sae.publication.crate import METADATA, Deposit, Member, describe
from precip_sae.publication.zipped import write_zip
from precip_sae.review.artefacts import file_faults, lock_faults, stale_faults
from precip_sae.review.lock import listing, stored
from precip_sae.review.project import Project, open_project
from precip_sae.review.reference import stores
from precip_sae.review.verify import local_changes
from precip_sae.settings import read_yaml

STORE = ".dvc/store/"
# DVC looks for git unless it is told that there is none.
WITHOUT_GIT = {".dvc/config.local": b"[core]\n    no_scm = true\n"}
# Where another licence than the package's own holds, see paper/LICENSE.md and published/LICENSE.md.
LICENCES = {"paper/": "CC-BY-4.0", "figures/": "CC-BY-4.0", "data/": "CC-BY-4.0"}


def write_archive(paths: Paths, target: Path | None = None) -> Path:
    """Writes the archive of the last commit; the same commit gives the same bytes.

    Args:
        target: default: build/precip-sae-VERSION.zip.

    Returns:
        Where it was written.

    Raises:
        PublicationError: there is no commit, it does not hold all that is here, or the run is not finished.
        PaperError: the project cannot be read or the file not be written.
    """
    commit, committed = last_commit(paths.root)
    project = open_project(paths, None)
    fault = next(chain(lock_faults(project), file_faults(project), stale_faults(project)), None)
    if fault:
        raise PublicationError(f"Only a finished run can be archived, and {fault}.")
    citation = read_yaml(paths.root / "CITATION.cff")
    tracked = [name for name in _tracked(paths.root) if not name.startswith(STORE)]
    members = {name: paths.root / name for name in tracked} | artefacts(project, set(tracked))
    described = Deposit(
        files={name: _member(file) for name, file in members.items()},
        lock=project.lock,
        stages=read_yaml(paths.root / "dvc.yaml")["stages"],
        citation=citation,
        licences={"": str(citation["license"]), **LICENCES},
        commit=commit,
        committed=committed,
        engine=_locked_version(paths.root / "requirements.lock", "dvc"),
    )
    crate = {METADATA: describe(described).encode()}
    target = target or paths.root / "build" / f"precip-sae-{citation['version']}.zip"
    write_zip(target, {**members, **objects(project), **WITHOUT_GIT, **crate}, committed)
    return target


def last_commit(root: Path) -> tuple[str, datetime]:
    """The commit that is checked out, and its time.

    Raises:
        PublicationError: there is none, or files here differ from it.
    """
    changed = local_changes(root)
    if changed is None:
        raise PublicationError(f"{root}: has no git history, expected a clone: an archive is made of a commit.")
    if changed:
        others = f" and {len(changed) - 1} more" if len(changed) > 1 else ""
        raise PublicationError(
            f"{changed[0]}{others}: has changes that no commit holds, expected a clean tree: commit them first."
        )
    done = _git(root, "log", "-1", "--format=%H %ct")
    if done is None:
        raise PublicationError(f"{root}: has no commit yet, expected one to make an archive of.")
    commit, seconds = done.split()
    return commit, datetime.fromtimestamp(int(seconds), UTC)


def artefacts(project: Project, elsewhere: set[str]) -> dict[str, Path]:
    """Every file that DVC keeps and git does not, by where it belongs, with the object that holds its bytes.

    Args:
        elsewhere: names of the files that git keeps.

    Raises:
        PublicationError: no store has one of them.
    """
    folders, found = stores(project.paths.root), {}
    for out, md5 in _locked(project):
        if out in elsewhere or any(name.startswith(f"{out}/") for name in elsewhere):
            continue
        for name, each in _files(folders, out, md5):
            found[name] = _object(folders, name, each)
    return found


def objects(project: Project) -> dict[str, Path]:
    """The objects of the store that dvc.lock and data.dvc name, by their place in the store of the archive."""
    folders = stores(project.paths.root)
    named = {md5 for out, locked in _locked(project) for _, md5 in [("", locked), *_files(folders, out, locked)]}
    there = {md5: stored(folders, md5) for md5 in sorted(named)}
    return {f"{STORE}files/md5/{md5[:2]}/{md5[2:]}": file for md5, file in there.items() if file}


def _locked(project: Project) -> Iterator[tuple[str, str]]:
    """Outputs of stages, and what was added by hand (data.dvc), with their digests."""
    for run in project.lock.values():
        yield from run.outs.items()
    for file in sorted(project.paths.root.glob("*.dvc")):
        if file.is_file():
            yield from ((str(out["path"]), str(out["md5"])) for out in read_yaml(file)["outs"])


def _files(folders: list[Path], out: str, md5: str) -> list[tuple[str, str]]:
    """The files of an output with their digests."""
    if not md5.endswith(FOLDER):
        return [(out, md5)]
    return [(f"{out}/{name}", each) for name, each in listing(folders, md5).items()] or [(out, md5)]


def _object(folders: list[Path], name: str, md5: str) -> Path:
    file = stored(folders, md5)
    if file is None or md5.endswith(FOLDER):
        raise PublicationError(f"{name}: no store has what dvc.lock says of it, expected it there: run `dvc push`.")
    return file


def _member(file: Path) -> Member:
    content = file.read_bytes()
    return Member(len(content), hashlib.sha256(content).hexdigest())


def _locked_version(lock: Path, package: str) -> str:
    """The version of a package in the lock, which makes the runs; the one installed here may be another."""
    found = re.search(rf"^{package}==(\S+)", lock.read_text(encoding="utf-8"), re.M)
    return found[1] if found else "unknown"


def _tracked(root: Path) -> list[str]:
    return [name for name in (_git(root, "ls-files", "-z") or "").split("\0") if name]


def _git(root: Path, *arguments: str) -> str | None:
    """What git says; None where it refuses."""
    done = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, check=False)
    return done.stdout if not done.returncode else None
