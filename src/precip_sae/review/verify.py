"""`precip-sae verify`: two questions and their answers, on the terminal, as JSON and as a page.

*Did this machine get what the authors got?* Its files, numbers and verdicts are held to the reference, and what lies
here to itself. *Does a claim hold?* That is judged by this run's numbers alone, and a claim that fails is a result.
"""

import subprocess
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from precip_sae.errors import ReviewError
from precip_sae.files import read_json
from precip_sae.manuscript.claims import FAIL, NOT_TESTED, PASS, read_ledger
from precip_sae.paths import Paths
from precip_sae.review.checks import check_all
from precip_sae.review.lock import maker, read_lock, stored
from precip_sae.review.matching import Matched, compare_units
from precip_sae.review.project import Finding, open_project
from precip_sae.review.reference import Run, accepted, against, reference_file, stores, this_run
from precip_sae.review.reproduction import NOTHING, TIERS, Differences, Line, compare, differences

ACCEPT = "`precip-sae accept` makes one"


@dataclass(frozen=True)
class Report:
    """The answers.

    Attributes:
        reference: the name of the run that this one is held to; None without one.
        lines: claim by claim.
        findings: of the checks of what lies here; none where two runs are compared.
        differences: of files, numbers and sources; None without a reference.
        units: by task, where two runs are compared.
    """

    reference: str | None
    lines: list[Line]
    findings: list[Finding]
    differences: Differences | None
    units: dict[str, list[Matched]]

    @property
    def departs(self) -> bool:
        """Whether this machine's run is not what it is held to; claims that fail are not asked."""
        return not all(line.as_promised for line in self.lines) or any(f.verdict == FAIL for f in self.findings)

    def as_json(self) -> dict[str, Any]:
        return {"departs": self.departs, "sum": self.sums(), **asdict(self)}

    def sums(self) -> dict[str, dict[str, int]]:
        """How many claims pass or fail, how many reached which tier, and how many checks found what."""
        verdicts = Counter(line.claim["verdict"] for line in self.lines)
        tiers = Counter(line.reached for line in self.lines)
        checks = Counter(finding.verdict for finding in self.findings)
        return {
            "claims": {verdict: verdicts[verdict] for verdict in (PASS, FAIL, NOT_TESTED)},
            "tiers": {tier: tiers[tier] for tier in (*TIERS, NOTHING)},
            "checks": {verdict: checks[verdict] for verdict in (PASS, FAIL, NOT_TESTED)},
        }


def verify(paths: Paths, quick: bool = False, say: Callable[[str], None] = lambda _: None) -> Report:
    """This run beside the authors', and what lies here beside itself.

    Args:
        quick: without training a few models again.
        say: called with what is being looked at.

    Raises:
        PaperError: there is no run, or a file that it needs cannot be read.
    """
    say("claims and numbers")
    reference = accepted(paths)
    lines, changes = _compared(paths, reference)
    project, ledger = open_project(paths, reference), read_ledger(paths.paper / "claims.yaml")
    say("files, results and weights" + ("" if quick else ", and a few models, trained again"))
    findings = [*_sources(paths, reference, changes), *check_all(project, ledger, quick)]
    return Report(reference.name if reference else None, lines, findings, changes, {})


def verify_against(paths: Paths, reference: str) -> Report:
    """This run beside that of a revision or a folder, units and latents matched before they are compared.

    Raises:
        PaperError: there is no such run, or none here.
    """
    with against(paths, reference) as run:
        lines, changes = _compared(paths, run)
        return Report(run.name, lines, [], changes, _units(paths, run))


def _compared(paths: Paths, reference: Run | None) -> tuple[list[Line], Differences | None]:
    file = paths.paper / "numbers.json"
    if not file.is_file():
        raise ReviewError(f"{file}: no such file, `dvc repro` makes it.")
    now = this_run(paths)
    lines = compare(read_ledger(paths.paper / "claims.yaml"), read_json(file), now, reference)
    return lines, differences(now, reference) if reference else None


def _sources(paths: Paths, reference: Run | None, changes: Differences | None) -> list[Finding]:
    """Whether the sources are the authors', and whether git knows of changes here."""
    if reference is None or changes is None:
        found = [Finding("sources", NOT_TESTED, f"{reference_file(paths).name} is not there; {ACCEPT}")]
    else:
        found = [Finding("sources", FAIL, f"{name}: not the authors'") for name in changes.sources]
        found = found or [Finding("sources", PASS, "settings, notebooks, code, data and text are the authors'")]
    changed = local_changes(paths.root)
    if changed is None:
        return [*found, Finding("tree", NOT_TESTED, "no git history here")]
    lock = read_lock(paths.root / "dvc.lock")
    # what stages made is judged by its bytes
    mine = [name for name in changed if name != "dvc.lock" and maker(lock, name) is None]
    dirty = [Finding("tree", FAIL, f"{name} has local changes, which no commit holds") for name in mine]
    return [*found, *(dirty or [Finding("tree", PASS, "no local changes")])]


def local_changes(root: Path) -> list[str] | None:
    """Files that differ from the last commit or are in none; None without git or history."""
    if not (root / ".git").exists():
        return None
    # -z: names as they are, whatever characters they have; no renames, which would give two names
    command = ["git", "status", "--porcelain", "-z", "--no-renames"]
    try:
        done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return None
    return [entry[3:] for entry in done.stdout.split("\0") if entry] if not done.returncode else None


def _units(paths: Paths, run: Run) -> dict[str, list[Matched]]:
    """The units of every task that both runs have."""
    found = {}
    for file in sorted(paths.results.glob("*/units.parquet")):
        other = _units_file(paths, run, file.parent.name)
        if other:
            found[file.parent.name] = compare_units(pd.read_parquet(file), pd.read_parquet(other))
    return found


def _units_file(paths: Paths, run: Run, task: str) -> Path | None:
    """The other run's units of a task: in its folder, or by its dvc.lock in a store."""
    if run.root is None:
        return None
    name = f"results/{task}/units.parquet"
    if (run.root / name).is_file():
        return run.root / name
    outs = {out: md5 for entry in read_lock(run.root / "dvc.lock").values() for out, md5 in entry.outs.items()}
    return stored([*stores(run.root), *stores(paths.root)], outs[name]) if name in outs else None
