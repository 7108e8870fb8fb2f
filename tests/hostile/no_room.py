"""Runs every stage and every command that writes on a full and on a read-only file system; a line of JSON for each.

For `unshare --mount python no_room.py FOLDER [STAGE ...]`: FOLDER is hidden by a small file system that ends with
this process. Without names of stages, all of them are run.
"""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(REPOSITORY)]

from benchmarks.torture import prepare_stages, prepare_task  # noqa: E402
from precip_sae.archive.write import Folders, write_season  # noqa: E402
from precip_sae.paths import Paths  # noqa: E402
from precip_sae.pipeline.smoke import environment  # noqa: E402
from precip_sae.pipeline.stages import stages  # noqa: E402
from precip_sae.pipeline.warm import started_at_once, warm  # noqa: E402


def contents(folder: Path) -> dict[str, str]:
    """Every file but DVC's notes."""
    files = [
        path for path in folder.rglob("*") if path.is_file() and not {".dvc", "__pycache__"}.intersection(path.parts)
    ]
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def fill(folder: Path) -> None:
    """Leaves no room for a byte; empty files and folders can still be made, as on many a full disk."""
    with (folder / "filler").open("wb", buffering=0) as stream:
        for size in (1 << 16, 1):
            while True:
                try:
                    stream.write(bytes(size))
                except OSError:
                    break


def fill_the_list_of_files(folder: Path) -> None:
    """Leaves no room for another file either."""
    number = 0
    while True:
        try:
            (folder / f"filler-{number}").touch()
        except OSError:
            return
        number += 1


def main(folder: Path, only: list[str]) -> None:
    mount = ["mount", "-t", "tmpfs", "-o", "size=40m,nr_inodes=4k", "none", str(folder)]
    subprocess.run(mount, check=True)
    project, task, aside = folder / "project", folder / "task", Folders(folder.parent / "archive")
    prepare_stages(project)
    prepare_task(task)
    write_season(aside.root, records=300, seed=1, days=1)
    every = [(s, "rain" if s.per_task else None) for s in stages().values() if not only or s.name in only]
    commands = {
        f"stage {s.name}": ["stage", s.name, *(["--task", task_name] if task_name else [])] for s, task_name in every
    }
    with warm(environment(Paths(project)), project) as around:
        start = started_at_once(around) | {"JUPYTER_PATH": os.environ.get("JUPYTER_PATH", "")}

        def run(arguments: list[str]) -> subprocess.CompletedProcess[str]:
            return subprocess.run(
                ["precip-sae", *arguments], cwd=project, env=start, capture_output=True, text=True, check=False
            )

        def run_ours(arguments: list[str]) -> subprocess.CompletedProcess[str]:
            """In the real project, whose notebooks and small settings these commands take."""
            command = [sys.executable, "-m", "precip_sae.cli", *arguments]
            ours = environment(Paths(REPOSITORY))
            return subprocess.run(command, cwd=REPOSITORY, env=ours, capture_output=True, text=True, check=False)

        for arguments in (["digest"], *commands.values()):
            done = run(arguments)
            if done.returncode:
                sys.exit(f"{arguments}: {done.stderr}")
        network = str(REPOSITORY / "published" / "regressor.json")
        places = {"pip": aside.pip, "weather": aside.weather, "radar": aside.radar}

        def out(name: str) -> str:
            """A new folder for each command: those that want an empty one refuse even what holds empty folders."""
            return str(folder / f"out-{name}")

        commands |= {
            "digest": ["digest"],
            "simulate": ["simulate", "--records", "300", "--out", out("simulate")],
            "ingest": [
                "ingest", *(w for o, p in places.items() for w in (f"--{o}", str(p))), "--out", out("ingest")
            ],
            "write-archive": ["write-archive", "--out", out("archive"), "--records", "300", "--days", "1"],
            "task run": ["task", "run", str(task / "rain.yaml"), "--out", out("task"), "--smoke"],
            "export": ["export", network, "--out", f"{out('export')}/m.json"],
            "inspector": ["inspector", "--model", network, "--out", f"{out('inspector')}/page.html"],
            "smoke": ["smoke", out("smoke")],
        }  # fmt: skip
        for kind in ("full", "no more files", "read-only"):
            if kind == "full":
                fill(folder)
            elif kind == "no more files":
                fill_the_list_of_files(folder)
            else:
                subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)
            before = contents(folder)
            for name, arguments in commands.items():
                done = (run_ours if name in ("task run", "smoke") else run)(arguments)
                after = contents(folder)
                changed = sorted(path for path in {*before, *after} if before.get(path) != after.get(path))
                found = {"kind": kind, "name": name, "code": done.returncode, "said": done.stderr, "changed": changed}
                print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
