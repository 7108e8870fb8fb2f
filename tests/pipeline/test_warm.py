"""Forked processes do what new ones do: same streams, folder, environment, status and bytes."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from precip_sae.cli import main
from precip_sae.pipeline import fork_client, fork_server
from precip_sae.pipeline.environment import notebook_environment
from precip_sae.pipeline.runner import run_stage
from precip_sae.pipeline.smoke import DVC
from precip_sae.pipeline.stages import stages
from precip_sae.pipeline.warm import WARM_VARIABLE, module_command, warm

REPOSITORY = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are forked on Linux only")

# Tells how it was started.
TOLD = """
import json, os, sys
told = [sys.argv[1:], os.getcwd(), os.environ.get("COLOUR"), sys.stdin.read(), "papermill" in sys.modules, __name__]
print(json.dumps(told))
print("about it", file=sys.stderr)
sys.exit(3)
"""
WAITS = """
import signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(5))
print("waits", flush=True)
time.sleep(60)
"""
# A process that runs threads must not be forked: what they hold is held for ever. Arrow's jemalloc sees to that itself.
IMPORTED = """
import os, sys
from pathlib import Path
threads = [thread.read_text().strip() for thread in Path(f"/proc/{os.getppid()}/task").glob("*/comm")]
print([name for name in sys.argv[1:] if name not in sys.modules], [t for t in threads if t != "jemalloc_bg_thd"])
"""


# What the interpreter still does when a module has ended, or ends early.
ENDS = """
import atexit, sys, threading, time
how = sys.argv[1]
def late():
    time.sleep(0.2)
    print("thread", flush=True)
threading.Thread(target=late).start()
atexit.register(print, "registered")
print("written", end=" ")
if how == "raises":
    raise ValueError("no")
if how != "returns":
    sys.exit({"nothing": None, "sentence": "a sentence", "large": 259}[how])
"""


# Stand for libraries that the server would import for seconds, where none of them is asked for.
SLOW = {name.partition(".")[0] for name in fork_server.IMPORTED}


@pytest.fixture
def without_libraries(tmp_path):
    """A folder to find modules in before all libraries: a server that is told of it has nothing to import."""
    folder = tmp_path / "none"
    folder.mkdir()
    for name in SLOW:
        (folder / f"{name}.py").write_text("raise ImportError('left out')")
    return str(folder)


@pytest.fixture(scope="module")
def around(tmp_path_factory, forking):
    """The environment within `warm`, for modules of a folder."""
    folder = tmp_path_factory.mktemp("modules")
    (folder / "told.py").write_text(TOLD)
    (folder / "waits.py").write_text(WAITS)
    (folder / "ends.py").write_text(ENDS)
    (folder / "imported.py").write_text(IMPORTED)
    (folder / "dies.py").write_text("import os\nos.kill(os.getpid(), 9)")
    with warm(fit_environment() | forking | {"PYTHONPATH": str(folder)}, REPOSITORY) as environment:
        yield environment


def fit_environment():
    """This environment without what other tests' libraries have set: that would make the process unfit."""
    return {name: value for name, value in os.environ.items() if not name.startswith(fork_server.READ_AT_IMPORT)}


def start(around, *arguments, **variables):
    """A module, started as commands and notebooks are."""
    client = [sys.executable, "-I", "-S", fork_client.__file__, f"{around[WARM_VARIABLE]}/socket"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen([*client, *arguments], env=around | variables, text=True, **pipes)


def test_streams_folder_environment_and_status_are_those_of_a_new_process(around, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    process = start(around, "told", "a", "b c", COLOUR="blue")
    said, complained = process.communicate("given")
    assert process.returncode == 3
    assert json.loads(said) == [["a", "b c"], str(tmp_path), "blue", "given", True, "__main__"]
    assert complained == "about it\n"


@pytest.mark.parametrize("variable", ["NPY_DISABLE_CPU_FEATURES", "OMP_NUM_THREADS", "PYTHONHASHSEED"])
def test_libraries_told_otherwise_are_imported_anew(around, variable):
    process = start(around, "told", **{variable: "2" if variable != "NPY_DISABLE_CPU_FEATURES" else "AVX2"})
    said, _ = process.communicate("")
    assert process.returncode == 3
    assert json.loads(said)[4] is False


def test_without_a_server_the_module_is_run_in_the_plain_way(around, tmp_path):
    process = start(around | {WARM_VARIABLE: str(tmp_path)}, "told", "a")
    said, _ = process.communicate("given")
    assert process.returncode == 3
    assert json.loads(said)[0] == ["a"]
    assert json.loads(said)[4] is False


def test_dvc_is_imported_once_when_it_is_first_asked_for(around, tmp_path):
    said = subprocess.run(
        [*module_command(around, DVC), "init", "--no-scm", "--quiet"],
        cwd=tmp_path,
        env=around,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    assert (said.returncode, said.stdout) == (0, b"")
    assert (tmp_path / ".dvc" / "config").is_file()
    found, _ = start(around, "imported", *fork_server.IMPORTED_FOR[DVC]).communicate()
    assert found == "[] ['python']\n", "modules that are not, and threads"


@pytest.mark.parametrize(
    ("how", "status", "complaint"),
    [
        ("returns", 0, ""),
        ("nothing", 0, ""),
        ("sentence", 1, "a sentence\n"),
        ("large", 3, ""),
        ("raises", 1, "ValueError: no\n"),
    ],
)
def test_threads_what_is_registered_and_what_is_written_end_with_the_process(around, how, status, complaint):
    process = start(around, "ends", how)
    said, complained = process.communicate("")
    assert process.returncode == status
    assert said == "written thread\nregistered\n"
    assert complained.endswith(complaint)
    assert bool(complained) == bool(complaint)


def test_a_process_that_is_killed_is_seen_to_be(around):
    process = start(around, "dies")
    process.communicate()
    assert process.returncode == -signal.SIGKILL


def test_an_interrupt_before_there_is_a_process_is_no_traceback(tmp_path):
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "socket"))
        listener.listen()
        process = start({WARM_VARIABLE: str(tmp_path)}, "waits")
        connection, _ = listener.accept()
        connection.recv(8)
        process.send_signal(signal.SIGINT)
        _, complained = process.communicate(timeout=30)
        connection.close()
    assert process.returncode == -signal.SIGINT
    assert complained == ""


def test_a_signal_reaches_the_forked_process(around):
    process = start(around, "waits")
    assert process.stdout.readline() == "waits\n"
    process.terminate()
    process.communicate()
    assert process.returncode == 5


def test_who_waits_for_a_process_takes_it_along(around):
    process = start(around, "waits")
    assert process.stdout.readline() == "waits\n"
    process.kill()
    # the forked process holds the other end
    assert process.stdout.read() == ""
    process.communicate()


def test_what_a_killed_process_has_started_ends_with_it(around, alive):
    (Path(around["PYTHONPATH"]) / "starts.py").write_text(
        "import subprocess, time\nprint(subprocess.Popen(['sleep', '60']).pid, flush=True)\ntime.sleep(60)\n"
    )
    process = start(around, "starts")
    started = int(process.stdout.readline())
    process.kill()
    # it holds the other end, as the process that started it does
    assert process.stdout.read() == ""
    process.communicate()
    assert not alive(started)


def test_a_process_does_not_outlive_the_one_it_was_forked_from(tmp_path, alive):
    """It would go on to write what the next run of the same command writes too."""
    (tmp_path / "told_pids.py").write_text(
        "import os, time\nprint(os.getpid(), os.getppid(), flush=True)\ntime.sleep(60)\n"
    )
    with warm(fit_environment() | {"PYTHONPATH": str(tmp_path)}, REPOSITORY) as environment:
        process = start(environment, "told_pids")
        forked, server = map(int, process.stdout.readline().split())
        os.kill(server, signal.SIGKILL)
        assert process.wait(timeout=30) == 1
        # the forked process holds the other end
        assert process.stderr.read() == (
            "The process that this one was forked from has ended; run the same command again.\n"
        )
        deadline = time.monotonic() + 30
        while alive(forked):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        process.communicate()


def test_a_signal_that_comes_too_late_changes_no_status(tmp_path):
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "socket"))
        listener.listen()
        process = start(dict(os.environ) | {WARM_VARIABLE: str(tmp_path)}, "told")
        connection, _ = listener.accept()
        with connection:
            size, streams, _, _ = socket.recv_fds(connection, fork_server.NUMBER, 3)
            for stream in streams:
                os.close(stream)
            left = int.from_bytes(size, "big")
            while left:
                left -= len(connection.recv(left))
            connection.sendall(ended.pid.to_bytes(fork_server.NUMBER, "big"))
            # until it hears signals
            while not int(Path(f"/proc/{process.pid}/status").read_text().split("SigCgt:")[1].split()[0], 16) & 1 << 14:
                time.sleep(0.01)
            process.terminate()
            time.sleep(0.2)
            connection.sendall((3).to_bytes(fork_server.NUMBER, "big", signed=True))
            assert process.communicate() == ("", "")
    assert process.returncode == 3


def test_the_forked_process_imports_the_sources_as_they_are(around):
    module = Path(around["PYTHONPATH"]) / "edited.py"
    for word in ("before", "after!"):
        module.write_text(f"print({word!r})")
        said, _ = start(around, "edited").communicate()
        assert said == f"{word}\n"


# Stand for the package: what the server asks it to make ready, and a module of which a process says what it found.
STAND_INS = {
    "paths": "def locate(): return None",
    "pipeline/__init__": "",
    "pipeline/beforehand": "def prepare(paths): import precip_sae.word",
    "word": "WORD = 'before'",
}
ASKS = """
import sys
there = "precip_sae.word" in sys.modules
from precip_sae.word import WORD
print(there, WORD)
"""


def test_the_package_is_shared_until_its_sources_are_edited_or_others_are_named(tmp_path, without_libraries):
    for copy, word in (("one", "before"), ("two", "another")):
        for name, text in {"__init__": "", "asks": ASKS, **STAND_INS}.items():
            file = tmp_path / copy / "precip_sae" / f"{name}.py"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text.replace("before", word))
    one, two = tmp_path / "one", tmp_path / "two"
    with warm(fit_environment() | {"PYTHONPATH": os.pathsep.join([str(one), without_libraries])}, tmp_path) as around:

        def said(**variables):
            return start(around, "precip_sae.asks", **variables).communicate()[0]

        assert said() == "True before\n"
        assert said(PYTHONPATH=str(two)) == "False another\n"
        assert said() == "True before\n"
        (one / "precip_sae" / "word.py").write_text("WORD = 'after!'")
        assert said() == "False after!\n"


def test_nothing_is_left_when_the_block_ends(tmp_path, without_libraries):
    with warm(fit_environment() | {"PYTHONPATH": without_libraries}, tmp_path) as environment:
        folder = Path(environment[WARM_VARIABLE])
        (tmp_path / "sleeps.py").write_text("import time\nprint('sleeps', flush=True)\ntime.sleep(60)\n")
        process = start(environment | {"PYTHONPATH": str(tmp_path)}, "sleeps")
        # before that the server might be gone, and the process would run by itself
        assert process.stdout.readline() == "sleeps\n"
    process.communicate()
    assert process.returncode != 0
    assert not folder.exists()


def test_all_that_should_be_imported_beforehand_is(around):
    ours = ["precip_sae.pipeline.runner", "precip_sae.figures.style", "precip_sae.models.engine.kernels"]
    said, _ = start(around, "imported", *fork_server.IMPORTED, *ours).communicate()
    assert said == "[] ['python']\n", "modules that are not, and threads"


# pandas and matplotlib ask while they are imported whether they are in a notebook
SHOWS = """\
import matplotlib
import numpy as np
import pandas as pd
from precip_sae.files import write_json
from precip_sae.paths import locate
from precip_sae.pipeline.stages import named
print(matplotlib.get_backend(), pd.options.display.max_columns, np.log10(3.1).hex(), hash("a"))
pd.DataFrame(np.arange(60.0).reshape(2, 30)).pow(0.3)
"""
DRAWS = """\
%matplotlib inline
import matplotlib.pyplot as plt
plt.plot([1, 3, 2])
plt.title("about $x^2$")
"""
WRITES = """\
for output in named("observe").writes:
    path = locate().root / output
    write_json(path if path.suffix else path / "all.json", 1)
"""


def test_a_stage_writes_the_same_bytes_from_a_forked_process(around, project, notebook, monkeypatch, snapshot):
    notebook(project.notebooks / "observe.ipynb", "", SHOWS, DRAWS, WRITES)
    run_stage(stages()["observe"], None, project)
    alone = snapshot(project.root)
    monkeypatch.setenv(WARM_VARIABLE, around[WARM_VARIABLE])
    asked, start_process = [], subprocess.Popen
    noted = lambda command, **options: (asked.append(command), start_process(command, **options))[1]  # noqa: E731
    monkeypatch.setattr("precip_sae.pipeline.executor.subprocess.Popen", noted)
    run_stage(stages()["observe"], None, project)
    assert str(Path(around[WARM_VARIABLE]) / "socket") in asked[0]
    assert snapshot(project.root) == alone


def test_repro_hands_its_arguments_to_dvc_and_stages_find_the_server(around, project, monkeypatch):
    monkeypatch.chdir(project.root)
    monkeypatch.setenv(WARM_VARIABLE, around[WARM_VARIABLE])
    asked = []
    monkeypatch.setattr(
        "precip_sae.pipeline.smoke.dvc", lambda paths, around, *words, **_: asked.append((around, words))
    )
    assert main(["repro", "--force", "train@rain"]) == 0
    ((environment, arguments),) = asked
    assert arguments == ("repro", "--force", "train@rain")
    found = shutil.which("precip-sae", path=environment["PATH"])
    assert found == f"{around[WARM_VARIABLE]}/bin/precip-sae"


def test_where_no_socket_fits_nothing_is_forked_and_nothing_fails(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / ("long" * 30)))
    with warm({"PATH": "/bin"}, tmp_path) as environment:
        assert environment == {"PATH": "/bin"}


def test_the_environment_of_notebooks_is_what_the_server_was_started_in(around, tmp_path):
    with notebook_environment(tmp_path):
        process = start(around | dict(os.environ) | {"PYTHONPATH": around["PYTHONPATH"]}, "told")
        said, _ = process.communicate("")
    assert json.loads(said)[4] is True
