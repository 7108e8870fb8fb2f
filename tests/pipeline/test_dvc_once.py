"""DVC reads the same settings when it parses them once."""

import os
import subprocess
import sys
import time

import pytest
from dvc.utils.serialize import _yaml

from precip_sae.pipeline.dvc_once import forget_damaged, once

TEXT = "tasks: {rain: {seeds: [0, 1], rate: 5.0e-4}}\nempty: {}\n"


def test_what_is_parsed_once_is_what_dvc_parses_and_nobody_shares_it():
    asked = []
    parsed = once(lambda text, path, typ="safe": (asked.append(text), _yaml.parse_yaml(text, path, typ))[1])
    first = parsed(TEXT, "params.yaml")
    first["tasks"]["rain"]["seeds"].append(2)
    assert parsed(TEXT, "copy.yaml") == _yaml.parse_yaml(TEXT, "params.yaml")
    assert asked == [TEXT]
    assert parsed("a: 1", "params.yaml") == {"a": 1}


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


def test_a_changed_setting_is_seen_by_the_next_command(tmp_path):
    def dvc(*arguments):
        command = [sys.executable, "-P", "-m", "precip_sae.pipeline.dvc_once", *arguments]
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
