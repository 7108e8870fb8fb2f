"""DVC reads the same settings when it reads them once, ends as it should, and goes on after a kill."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import dpath
import pytest
from dvc.utils.serialize import _yaml

from precip_sae.pipeline.dvc_command import forget_damaged, once, runs, value_at, written_whole
from precip_sae.pipeline.warm import STARTER_VARIABLE

TEXT = "tasks: {rain: {seeds: [0, 1], rate: 5.0e-4}}\nempty: {}\n"


def test_what_is_parsed_once_is_what_dvc_parses_and_nobody_shares_it():
    asked = []
    parsed = once(lambda text, path, typ="safe": (asked.append(text), _yaml.parse_yaml(text, path, typ))[1])
    first = parsed(TEXT, "params.yaml")
    first["tasks"]["rain"]["seeds"].append(2)
    assert parsed(TEXT, "copy.yaml") == _yaml.parse_yaml(TEXT, "params.yaml")
    assert asked == [TEXT]
    assert parsed("a: 1", "params.yaml") == {"a": 1}


CONTENT = {"a": {"b": [1, {"c": 2}], "d": {}, "e": None}, "b": {"b": 1}, 1: 2, "text": "abc"}


@pytest.mark.parametrize(
    "key", ["a", "a.b", "a.d", "a.e", "a.b.0", "a.b.1.c", "a.b.7", "b.*", "a.x", "x", "1", "text.0"]
)
def test_a_key_has_the_value_that_dvc_would_find(key):
    def answer(get):
        try:
            return get(CONTENT, key, separator=".")
        except (KeyError, ValueError) as error:
            return type(error)

    assert answer(value_at) == answer(dpath.get)


def test_dvc_ends_with_the_process_that_started_it(tmp_path, alive):
    start = """\
import os, subprocess, sys
command = [sys.executable, "-P", "-m", "precip_sae.pipeline.dvc_command", "repro"]
child = subprocess.Popen(command, env=os.environ | {sys.argv[1]: str(os.getpid())}, stdout=subprocess.DEVNULL)
print(child.pid, flush=True)
child.wait()
"""
    subprocess.run([sys.executable, "-m", "dvc", "init", "--no-scm", "--quiet"], cwd=tmp_path, check=True)
    (tmp_path / "dvc.yaml").write_text(
        "stages:\n  one:\n    cmd: touch began && sleep 60 && touch out\n    outs: [out]\n"
    )
    command = [sys.executable, "-c", start, STARTER_VARIABLE]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True, start_new_session=True) as starter:
        dvc = int(starter.stdout.readline())
        while not (tmp_path / "began").exists():
            assert starter.poll() is None
            time.sleep(0.05)
        starter.kill()
    until = time.monotonic() + 20
    while alive(dvc):
        assert time.monotonic() < until, "DVC outlives the command that started it"
        time.sleep(0.05)
    # the stage, which was started as no stage of ours is
    os.killpg(starter.pid, signal.SIGKILL)


def test_an_interrupted_command_ends_after_its_stage_has_put_things_in_order(tmp_path):
    start = """\
import os, signal
from precip_sae.paths import locate
from precip_sae.pipeline.smoke import dvc
# ignored in what a shell has started in the background
signal.signal(signal.SIGINT, signal.default_int_handler)
try:
    dvc(locate(), dict(os.environ), "repro", forked=False)
except KeyboardInterrupt:
    print("interrupted")
"""
    stage = "trap 'sleep 1; touch tidy; exit 1' INT; touch began; sleep 60 & wait"
    (tmp_path / "params.yaml").touch()
    (tmp_path / "dvc.yaml").write_text(f"stages:\n  one:\n    cmd: {json.dumps(stage)}\n    outs: [out]\n")
    subprocess.run([sys.executable, "-m", "dvc", "init", "--no-scm", "--quiet"], cwd=tmp_path, check=True)
    about = {"cwd": tmp_path, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, "text": True}
    with subprocess.Popen(
        [sys.executable, "-c", start],
        env=os.environ | {"PRECIP_SAE_ROOT": str(tmp_path)},
        start_new_session=True,
        **about,
    ) as command:
        while not (tmp_path / "began").exists():
            assert command.poll() is None
            time.sleep(0.05)
        os.killpg(command.pid, signal.SIGINT)
        assert "interrupted\n" in iter(command.stdout.readline, "")
        assert (tmp_path / "tidy").exists()
        with suppress(ProcessLookupError):
            os.killpg(command.pid, signal.SIGKILL)


@pytest.fixture
def ended(alive):
    """The number of a process that has ended, and that nobody has asked how."""
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        while alive(process.pid):
            time.sleep(0.01)
        yield process.pid


def test_a_process_that_has_ended_holds_nothing(ended):
    assert not runs(ended)
    assert runs(os.getpid())
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    assert not runs(gone.pid)


def test_a_file_that_dvc_could_not_write_to_its_end_is_as_it_was(tmp_path):
    file = tmp_path / "dvc.lock"

    def dump(path, content, fs=None):
        Path(path).write_text(content[:3])
        if len(content) > 3:
            raise KeyboardInterrupt

    written_whole(dump)(str(file), "abc", fs=None)
    with pytest.raises(KeyboardInterrupt):
        written_whole(dump)(str(file), "defghi")
    assert [(entry.name, entry.read_text()) for entry in tmp_path.iterdir()] == [("dvc.lock", "abc")]


def test_comments_stay_where_dvc_edits_a_file():
    parsed = once(_yaml.parse_yaml)
    assert "# why" in _dumped(parsed("a: 1 # why\n", "params.yaml", typ="rt"))
    assert "# why" not in _dumped(parsed("a: 1 # why\n", "params.yaml"))


def _dumped(content):
    from ruamel.yaml import YAML
    from ruamel.yaml.compat import StringIO

    stream = StringIO()
    YAML().dump(content, stream)
    return stream.getvalue()


def test_a_changed_setting_is_seen_by_the_next_command_also_after_kills(tmp_path, ended):
    def dvc(*arguments):
        command = [sys.executable, "-P", "-m", "precip_sae.pipeline.dvc_command", *arguments]
        return subprocess.run(command, cwd=tmp_path, env=os.environ, capture_output=True, text=True, check=True).stdout

    dvc("init", "--no-scm", "--quiet")
    (tmp_path / "dvc.yaml").write_text(
        "stages:\n  one:\n    cmd: echo ${rate} > out\n    params: [rate]\n    outs: [out]\n"
    )
    for rate in ("1", "2"):
        (tmp_path / "params.yaml").write_text(f"rate: {rate}\n")
        dvc("repro", "--quiet")
        assert (tmp_path / "out").read_text() == f"{rate}\n"
    assert "up to date" in dvc("status")
    # a command that was killed while it wrote what it holds
    locks = tmp_path / ".dvc" / "tmp" / "rwlock"
    locks.write_text("")
    os.utime(locks, (0, 0))
    (tmp_path / "params.yaml").write_text("rate: 3\n")
    dvc("repro", "--quiet")
    assert (tmp_path / "out").read_text() == "3\n"
    # one that was killed while it held its output, and that nobody has asked how it ended
    held = {"read": {}, "write": {str(tmp_path / "out"): {"pid": ended, "cmd": "dvc repro"}}}
    locks.write_text(json.dumps(held))
    (tmp_path / "params.yaml").write_text("rate: 4\n")
    dvc("repro", "--quiet")
    assert (tmp_path / "out").read_text() == "4\n"


@pytest.mark.parametrize(
    ("content", "age", "kept"), [("", 0, True), ("", 9, False), ("{}", 9, True), ('{"a', 9, False)]
)
def test_only_a_list_of_locks_that_is_damaged_and_old_is_forgotten(tmp_path, content, age, kept):
    locks = tmp_path / "rwlock"
    locks.write_text(content)
    os.utime(locks, (time.time() - age,) * 2)
    forget_damaged(locks)
    assert locks.exists() == kept
    forget_damaged(tmp_path / "none")
