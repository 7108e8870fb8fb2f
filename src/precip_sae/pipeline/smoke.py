"""The whole paper, small: every stage in a folder of its own."""

import copy
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

from precip_sae.errors import OutputError, SettingsError, StageError
from precip_sae.files import copy_error, emptied_on_failure, output_error, write_text
from precip_sae.paths import ROOT_VARIABLE, Paths
from precip_sae.pipeline.side_by_side import Job, jobs, run_jobs, run_quietly
from precip_sae.pipeline.stages import read_stages, stages
from precip_sae.pipeline.warm import STARTER_VARIABLE, WARM_VARIABLE, module_command, warm
from precip_sae.scheduling import available_threads
from precip_sae.settings import load_settings, project_settings, read_yaml

OVERLAY = "params.smoke.yaml"
EVERY_TASK = "every_task"
DVC = "precip_sae.pipeline.dvc_command"
TIDYING_SECONDS = 30  # that DVC and a stage have after an interrupt

# Not copied: what belongs to one checkout, what tools leave behind, and what the stages make.
_LEFT_OUT = {
    ".git", ".earlier", ".search", ".simulated", ".hypothesis", "__pycache__", ".ipynb_checkpoints", "data",
    "data.parts", "data.dvc", "digests", "dvc.lock", "models", "results", "figures", "supplement", "reports",
    "reference.json", "build",
}  # fmt: skip
# Nor are environments and caches, whoever made them.
_LEFT_OUT_BEGINNING, _LEFT_OUT_ENDING = ".venv", ("_cache", ".egg-info")
_NOT_NEEDED = {"tests", "benchmarks", "docs", "examples", ".ci"}
_LEFT_OUT_OF_DVC = {"cache", "store", "tmp", "config.local"}


def merged(base: Any, overlay: Any) -> Any:
    """`base` with `overlay` laid over it: mappings key by key, anything else replaced."""
    if isinstance(base, dict) and isinstance(overlay, dict):
        return base | {key: merged(base.get(key), value) for key, value in overlay.items()}
    return overlay


def small_settings(params: Path, overlay: Path) -> dict[str, Any]:
    """params.yaml made small: the overlay's `every_task` is laid over each task, the rest over the whole.

    Raises:
        SettingsError: either file, or what they make together, is wrong.
    """
    content, small = read_yaml(params), read_yaml(overlay)
    every = small.pop(EVERY_TASK, {})
    project_settings(content, params.parent, params.name)
    # a copy for each task: YAML would write what they share as an anchor
    content["tasks"] = {name: merged(task, copy.deepcopy(every)) for name, task in content["tasks"].items()}
    content = merged(content, small)
    project_settings(content, params.parent, f"{params.name} with {overlay.name}")
    return content


def copy_project(source: Paths, folder: Path) -> Paths:
    """A copy of the project without outputs, observations, environment and history.

    Of `data`, the study's networks are copied where they are there.

    Raises:
        OutputError: `folder` exists and is not empty, is a file, lies in the way, or cannot be written.
    """
    if folder.is_dir() and any(folder.iterdir()):
        raise OutputError(f"{folder}: is not empty, expected a new or empty folder.")
    target = folder.resolve()
    made = {source.root / output for stage in stages().values() for output in stage.writes if "{" not in output}

    def left_out(place: str, names: list[str]) -> set[str]:
        here = Path(place)
        out = {n for n in names if n in _LEFT_OUT and not here.is_relative_to(source.root / "src")}
        out |= {n for n in names if n.startswith(_LEFT_OUT_BEGINNING) or n.endswith(_LEFT_OUT_ENDING)}
        out |= {n for n in names if n == "__pycache__"}
        if here == source.root:
            out |= _NOT_NEEDED.intersection(names)
        if here == source.root / ".dvc":
            out |= _LEFT_OUT_OF_DVC.intersection(names)
        return out | {n for n in names if here / n in made or (here / n).resolve() == target}

    try:
        mode = target.stat().st_mode if target.is_dir() else None
        with emptied_on_failure(target):
            shutil.copytree(source.root, target, ignore=left_out, dirs_exist_ok=True)
        if mode is not None:
            # a folder that nobody else may enter stays so
            target.chmod(mode)
    except shutil.Error as error:
        raise copy_error(folder, error) from error
    except OSError as error:
        raise output_error(folder, error) from error
    return Paths(target)


def smoke(
    source: Paths,
    folder: Path,
    progress: Callable[[int, int], None] | None = None,
    say: Callable[[str], object] = print,
) -> Paths:
    """Copies the project to `folder`, simulates little data and makes the whole paper of it.

    Args:
        source: the project.
        folder: new or empty.
        progress: told how many records are simulated, of how many.
        say: told each stage that has ended.

    Raises:
        PaperError: the settings are wrong, the folder cannot be used, or a stage failed.
    """
    from ruamel.yaml import YAML

    from precip_sae.observations.schema import validate
    from precip_sae.simulation.deposit import deposit_simulation
    from precip_sae.simulation.simulate import simulate

    if not (source.root / OVERLAY).is_file():
        raise SettingsError(f"{source.root / OVERLAY}: no such file.")
    content = small_settings(source.params, source.root / OVERLAY)
    paths = copy_project(source, folder)
    yaml = YAML(typ="safe", pure=True)
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    with paths.params.open("w", encoding="utf-8") as stream:
        yaml.dump(content, stream)
    settings = load_settings(paths.params)
    # a process of its own: the one that this may have been forked from has imported the sources of another folder
    own = {name: value for name, value in environment(paths).items() if name != WARM_VARIABLE}
    with warm(own, paths.root) as around:
        frame = validate(simulate(settings.simulation.records, settings.simulation.seed, progress))
        deposit_simulation(paths.data, frame, settings.simulation)
        write_text(paths.root / ".dvc" / "config.local", "[core]\n    no_scm = true\n")
        make(paths, around, say)
    return paths


def make(paths: Paths, around: dict[str, str], say: Callable[[str], object]) -> None:
    """Runs every stage of a project in which nothing is made, one for each processor, and has DVC record it all.

    `dvc repro` then finds nothing to do.

    Args:
        paths: the project, with its data.
        around: the environment in which stages and DVC run.
        say: told each stage that has ended.

    Raises:
        PaperError: the settings are wrong, or a stage failed.
    """
    wanted = jobs(read_stages(paths.root / "dvc.yaml").values(), load_settings(paths.params))
    wanted.insert(0, Job("code", ("precip-sae", "digest"), frozenset(), frozenset({"digests"})))
    # before anything reads them: DVC may put links in the place of files
    add = (*module_command(around, DVC), "add", "--quiet", "data")
    wanted.insert(0, Job("data", add, frozenset(), frozenset({"data"})))
    ended = count(1)

    def run(job: Job) -> None:
        run_quietly(job, paths.root, around)
        say(f"{job.address} is done, {next(ended)} of {len(wanted)}.")

    # one more than processors: while a stage's process begins or ends, another has work
    run_jobs(wanted, run, available_threads() + 1)
    dvc(paths, around, "commit", "--quiet", "--force")


def environment(paths: Paths) -> dict[str, str]:
    """The environment in which DVC runs the stages of `paths` with the sources of `paths`."""
    inherited = {name: value for name, value in os.environ.items() if name != ROOT_VARIABLE}
    return inherited | {
        "PYTHONPATH": os.pathsep.join(filter(None, [str(paths.root / "src"), os.environ.get("PYTHONPATH")])),
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]),
    }


def dvc(paths: Paths, around: dict[str, str], *arguments: str, forked: bool = True) -> None:
    """Runs a DVC command in the project; it ends with this process, also where that is killed.

    Args:
        around: the environment in which it runs.
        forked: where processes can be; else it does not wait until the one that they are forked from is ready.

    Raises:
        StageError: DVC ended with an error; what it said is on the terminal.
    """
    command = module_command(around if forked else {}, DVC)
    own = around if forked else around | {STARTER_VARIABLE: str(os.getpid())}
    with subprocess.Popen([*command, *arguments], cwd=paths.root, env=own) as process:
        try:
            process.wait()
        except KeyboardInterrupt:
            # DVC and the stage that it runs have heard it as well, and put things in order before they end
            try:
                process.wait(TIDYING_SECONDS)
            except subprocess.TimeoutExpired:
                pass
            finally:
                process.kill()
            raise
    if process.returncode:
        raise StageError(f"`dvc {' '.join(arguments)}` in {paths.root} failed; the lines above say why.")
