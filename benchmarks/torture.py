"""Kills and interrupts runs at random moments, ends them with the same command, and compares with an undisturbed run.

Usage: python benchmarks/torture.py [--kills 100] [--interrupts 20] [--seed 1] [--only stages,ingest]

Every try starts the command, waits for a random part of the time that an undisturbed run takes, and sends SIGKILL (to
all its processes or to the first alone) or SIGINT. The next try goes on from whatever that left. At last the command
runs to its end. A fault is: it does not end with 0, other bytes than the undisturbed run, a file or folder left over, a
damaged file in DVC's cache, a process that outlives its command, or an interrupt that is answered by a traceback.
"""

import argparse
import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(REPOSITORY)]

from precip_sae.archive.write import Folders, write_season  # noqa: E402
from precip_sae.files import read_json, write_json, write_text  # noqa: E402
from precip_sae.paths import Paths  # noqa: E402
from precip_sae.pipeline.smoke import environment  # noqa: E402
from precip_sae.pipeline.stages import stages  # noqa: E402
from precip_sae.pipeline.warm import WARM_VARIABLE, started_at_once, warm  # noqa: E402
from tests.conftest import write_project  # noqa: E402

RESULTS = REPOSITORY / "benchmarks" / "results" / "torture.md"
ORPHAN_SECONDS = 60  # how long processes may outlive the one that was killed
LEFT_OVER = (".earlier", ".search", ".writing-", ".failed.ipynb")
# DVC's own notes of what it hashed and when
NOT_COMPARED = (".dvc", "src", "project", "log.txt")
WORDS = {
    "stages": "every stage, its notebook replaced by one of a second, in a project whose stages all ran",
    "repro": "`precip-sae repro` of all these stages",
    "task": "`task run --smoke` of a small table",
    "ingest": "`ingest` of nine days",
    "search": "a search of subsets on threads",
    "dask": "the same search on a local Dask cluster",
}
SHARE = {"stages": 0.5, "repro": 0.1, "task": 0.1, "ingest": 0.2, "search": 0.05, "dask": 0.05}

SEARCH = """\
import sys

def search():
    from pathlib import Path
    import numpy as np, pandas as pd
    from precip_sae.files import write_parquet
    from precip_sae.search import plan as planning
    from precip_sae.search.run import clear, run_search
    from precip_sae.search.unit import Work
    from precip_sae.settings import DataSettings, MLPSettings, SAESettings, SubsetSettings

    pool = list("abcdef")
    data = DataSettings(table="t.csv", predictors=pool[:5], response="y", kind="regression")
    subsets = SubsetSettings(table="t.csv", pool=pool, size=3, seeds=list(range(8)))
    planning.UNIT_MODELS = 8
    frame = pd.DataFrame(np.random.default_rng(1).normal(size=(3000, 6)), columns=pool)
    frame = frame.assign(y=frame["a"] * frame["b"] - frame["c"])
    plan = planning.plan(frame, data, subsets)
    work = Work(plan, "regression", 1, MLPSettings(epochs=400), SAESettings(epochs=2000), 0.4)
    found = run_search(work, Path(".search/rain"), sys.argv[1], 1)
    write_parquet(Path("search.parquet"), found)
    clear(Path(".search/rain"))

if __name__ == "__main__":
    try:
        search()
    except KeyboardInterrupt:
        # as `precip-sae` ends; Python itself would print where it was, among its imports most of the time
        sys.exit(130)
"""
TASK = """\
title: Rain rate
data: {table: mine.csv, predictors: [a, b], response: y, kind: regression}
seeds: [0, 1]
"""


@dataclass
class Scenario:
    """What is run, again and again, in one folder.

    Attributes:
        prepare: makes the folder as it is before the command.
        command: run in the folder.
        compared: how the names of the files begin that have to be the same; empty: all.
        longest: a try waits no longer than this before it kills [s].
    """

    name: str
    prepare: Callable[[Path], None]
    command: list[str]
    compared: tuple[str, ...] = ()
    longest: float = 60.0
    tries: list[dict[str, object]] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)


def program(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "precip_sae", *arguments]


def prepare_stages(folder: Path) -> None:
    """The real dvc.yaml, settings and sources, and notebooks that stand for the real ones."""
    paths = write_project(folder)
    for name in ("dvc.yaml", ".dvcignore", ".dvc/config", ".dvc/.gitignore"):
        write_text(paths.root / name, (REPOSITORY / name).read_text())
    write_text(paths.root / ".dvc" / "config.local", "[core]\n    no_scm = true\n")
    write_text(paths.root / "requirements.lock", "stands for the lock file\n")
    ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
    shutil.copytree(REPOSITORY / "src", paths.root / "src", ignore=ignored)
    subprocess.run(
        [sys.executable, "-m", "dvc", "add", "--quiet", "data"], cwd=folder, env=environment(paths), check=True
    )


def prepare_task(folder: Path) -> None:
    rows = "".join(f"{k % 31},{k % 7},{(k * k) % 5}\n" for k in range(300))
    write_text(folder / "mine.csv", "a,b,y\n" + rows)
    write_text(folder / "rain.yaml", TASK)


def prepare_search(folder: Path) -> None:
    write_text(folder / "run_search.py", SEARCH)


def started(command: list[str], folder: Path) -> subprocess.Popen[bytes]:
    """The command in a session of its own; in a project, with the sources of the project."""
    around = started_at_once(environment(Paths(folder)) if (folder / "src").is_dir() else dict(os.environ))
    with (folder / "log.txt").open("wb") as log:
        return subprocess.Popen(
            command, cwd=folder, env=around, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )


def processes_in(folder: Path) -> Iterator[str]:
    """Processes that work in the folder."""
    for process in Path("/proc").iterdir():
        try:
            if process.name.isdigit() and (process / "cwd").readlink().is_relative_to(folder):
                state = (process / "stat").read_text().rpartition(")")[2].split()[0]
                if state != "Z":
                    yield f"{process.name} " + (process / "cmdline").read_text().replace("\0", " ")[:200]
        except OSError:
            continue


def wait_for_orphans(folder: Path) -> list[str]:
    end = time.monotonic() + ORPHAN_SECONDS
    while (left := list(processes_in(folder))) and time.monotonic() < end:
        time.sleep(0.2)
    return left


def snapshot(folder: Path, compared: tuple[str, ...]) -> dict[str, str]:
    found = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        left_out = name.parts[0] in NOT_COMPARED or "__pycache__" in name.parts
        if path.is_file() and not left_out and name.as_posix().startswith(compared or ""):
            found[name.as_posix()] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def damaged_cache(folder: Path) -> list[str]:
    """Files of DVC's cache whose bytes are not those that they are named after."""
    bad = []
    for file in (folder / ".dvc" / "cache" / "files" / "md5").glob("??/*"):
        if hashlib.md5(file.read_bytes()).hexdigest() != file.parent.name + file.name.removesuffix(".dir"):
            bad.append(file.name)
    return bad


def finish(scenario: Scenario, folder: Path, command: list[str]) -> float:
    """Runs the command to its end; what went wrong is noted. Returns the seconds that it took."""
    begin = time.monotonic()
    code = started(command, folder).wait()
    if code:
        said = (folder / "log.txt").read_text(errors="replace").strip()[-600:]
        scenario.faults.append(f"{' '.join(command[1:])} ended with {code}: {said}")
    return time.monotonic() - begin


def disturb(
    scenario: Scenario, folder: Path, command: list[str], what: str, seconds: float, draw: random.Random
) -> bool:
    """Starts the command and kills or interrupts it after a random part of some seconds; whether it was in time."""
    wait, alone = draw.uniform(0, min(seconds, scenario.longest)), what == "kill" and draw.random() < 0.3
    begin, place = time.monotonic(), f"try {len(scenario.tries) + 1}, {' '.join(command[-4:])}"
    process = started(command, folder)
    try:
        code: int | None = process.wait(wait)
    except subprocess.TimeoutExpired:
        code = None
        if alone:
            process.kill()
        else:
            os.killpg(process.pid, signal.SIGKILL if what == "kill" else signal.SIGINT)
        process.wait()
        if orphans := wait_for_orphans(folder):
            scenario.faults.append(f"{place}: outlived the {what}: {'; '.join(orphans)}")
    said = (folder / "log.txt").read_text(errors="replace")
    if what == "interrupt" and code is None and "Traceback" in said:
        scenario.faults.append(f"{place}: a traceback after an interrupt: {said[-600:]}")
    if code:
        scenario.faults.append(f"{place}: ended with {code} by itself: {said[-600:]}")
    done = {
        "how": what + " of the first alone" * alone,
        "after": round(time.monotonic() - begin, 2),
        "hit": code is None,
    }
    scenario.tries.append(done)
    print(f"  {scenario.name} {len(scenario.tries)}: {done}", flush=True)
    return code is None


def compare(scenario: Scenario, folder: Path, expected: dict[str, str]) -> None:
    found = snapshot(folder, scenario.compared)
    if other := sorted(name for name in expected if found.get(name) != expected[name]):
        scenario.faults.append(f"other bytes: {', '.join(other[:8])}")
    if more := sorted(found.keys() - expected.keys()):
        scenario.faults.append(f"left over: {', '.join(more[:8])}")
    names = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if ".dvc" not in path.parts]
    if left := [name for name in names if any(mark in name for mark in LEFT_OVER)]:
        scenario.faults.append(f"left over: {', '.join(left[:8])}")
    if bad := damaged_cache(folder):
        scenario.faults.append(f"damaged in the cache: {', '.join(bad)}")


def shuffled(kills: int, interrupts: int, draw: random.Random) -> list[str]:
    how = ["kill"] * kills + ["interrupt"] * interrupts
    draw.shuffle(how)
    return how


def torture(scenario: Scenario, kills: int, interrupts: int, draw: random.Random, scratch: Path) -> None:
    """As many kills and interrupts of one command; a folder that came to its end is followed by a new one."""
    reference = scratch / f"{scenario.name}-undisturbed" / "work"
    reference.parent.mkdir()
    scenario.prepare(reference)
    seconds = finish(scenario, reference, scenario.command)
    if scenario.faults:
        return
    expected = snapshot(reference, scenario.compared)
    print(f"{scenario.name}: {seconds:.0f} s undisturbed, {len(expected)} files", flush=True)
    number, folder = 0, None
    for what in shuffled(kills, interrupts, draw):
        if folder is None:
            # the name of the folder is that of the reference: outputs may hold it
            number += 1
            folder = scratch / f"{scenario.name}-disturbed-{number}" / "work"
            folder.parent.mkdir()
            scenario.prepare(folder)
        if not disturb(scenario, folder, scenario.command, what, seconds, draw):
            # it was quicker than the undisturbed run
            compare(scenario, folder, expected)
            folder = None
    if folder is not None:
        finish(scenario, folder, scenario.command)
        compare(scenario, folder, expected)


def torture_stages(scenario: Scenario, kills: int, interrupts: int, draw: random.Random, scratch: Path) -> None:
    """Kills and interrupts of every stage in turn, in a project whose stages all ran: earlier outputs must survive."""
    folder = scratch / "stages" / "work"
    folder.parent.mkdir()
    scenario.prepare(folder)
    every = [(stage, "rain" if stage.per_task else None) for stage in stages().values()]
    commands = [["precip-sae", "stage", s.name, *(["--task", task] if task else [])] for s, task in every]
    with warm(environment(Paths(folder)), folder) as around:
        os.environ[WARM_VARIABLE] = around[WARM_VARIABLE]
        finish(scenario, folder, ["precip-sae", "digest"])
        seconds = [finish(scenario, folder, command) for command in commands]
        expected = snapshot(folder, ())
        print(f"stages: {sum(seconds):.0f} s undisturbed, {len(expected)} files", flush=True)
        places = [place % len(commands) for place in range(kills + interrupts)]
        for place, what in sorted(zip(places, shuffled(kills, interrupts, draw), strict=True)):
            if scenario.faults:
                break
            disturb(scenario, folder, commands[place], what, seconds[place], draw)
            # later stages use what this one makes
            finish(scenario, folder, commands[place])
        compare(scenario, folder, expected)
    del os.environ[WARM_VARIABLE]


def report(runs: dict[str, dict[str, Any]]) -> str:
    """The last run of every scenario as a table."""
    lines = [
        "# Kills and interrupts at random moments",
        "",
        "Written by `make torture` (`benchmarks/torture.py`), which keeps the last run of each row. A kill is SIGKILL",
        "to all processes of the command or, in three of ten, to the first alone; an interrupt is SIGINT, as Ctrl-C",
        "sends it. A try whose command had already ended counts as neither. Each row ends with the same command run to",
        "its end and compared with an undisturbed run.",
        "",
        "| what was run | seed | kills | interrupts | came too late | faults |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for name, run in runs.items():
        hit = [str(one["how"]) for one in run["tries"] if one["hit"]]
        kills = sum(how.startswith("kill") for how in hit)
        counts = [kills, len(hit) - kills, len(run["tries"]) - len(hit), len(run["faults"]) or "none"]
        lines.append(f"| {WORDS[name]} | {run['seed']} | {' | '.join(map(str, counts))} |")
    faults = [f"- {name}: {' '.join(fault.split())}" for name, run in runs.items() for fault in run["faults"]]
    return "\n".join([*lines, *([""] if faults else []), *faults]) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--interrupts", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default=",".join(SHARE))
    parser.add_argument("--out", type=Path, default=RESULTS)
    chosen = parser.parse_args()
    # a shell starts what runs behind it deaf to interrupts, and so would be all that is started here
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with tempfile.TemporaryDirectory(prefix="torture-", ignore_cleanup_errors=True) as name:
        scratch = Path(name)
        archive = Folders(scratch / "archive")
        if "ingest" in chosen.only:
            write_season(archive.root, records=1500, seed=11, days=9)
        places = {"pip": archive.pip, "weather": archive.weather, "radar": archive.radar, "profile": archive.profile}
        options = [word for option, place in places.items() for word in (f"--{option}", str(place))]
        every = {
            "stages": Scenario("stages", prepare_stages, []),
            "repro": Scenario("repro", prepare_stages, ["precip-sae", "repro"]),
            "task": Scenario(
                "task", prepare_task, program(*["task", "run", "rain.yaml", "--out", "out", "--smoke"]), ("out/",)
            ),
            "ingest": Scenario("ingest", Path.mkdir, program("ingest", *options, "--out", "data"), ("data/",)),
            "search": Scenario("search", prepare_search, [sys.executable, "run_search.py", "local"]),
            "dask": Scenario("dask", prepare_search, [sys.executable, "run_search.py", "local-cluster"]),
        }
        scenarios = [every[name] for name in chosen.only.split(",")]
        whole = sum(SHARE[each.name] for each in scenarios)
        draw = random.Random(chosen.seed)
        kept = chosen.out.with_suffix(".json")
        runs: dict[str, dict[str, Any]] = read_json(kept) if kept.is_file() else {}
        for each in scenarios:
            share = SHARE[each.name] / whole
            run = torture_stages if each.name == "stages" else torture
            run(each, round(share * chosen.kills), round(share * chosen.interrupts), draw, scratch)
            runs[each.name] = {"seed": chosen.seed, "tries": each.tries, "faults": each.faults}
            write_json(kept, runs)
            write_text(chosen.out, report({name: runs[name] for name in SHARE if name in runs}))
    print(report(runs))
    return int(any(each.faults for each in scenarios))


if __name__ == "__main__":
    sys.exit(main())
