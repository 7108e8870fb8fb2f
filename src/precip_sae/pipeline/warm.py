"""Stages that start at once: their processes are forked from one that has imported what all of them import.

A stage takes two processes, its own and that of its notebook's cells, and importing takes each of them seconds.
Within `warm` both start through `fork_client`: `precip-sae` by its name in the PATH, other modules by `module_command`.
Each is still a process of its own, with the environment and folder that it would have, and nothing needs it.
"""

import os
import shlex
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from precip_sae.pipeline import fork_client, fork_server
from precip_sae.pipeline.environment import notebook_environment

WARM_VARIABLE = "PRECIP_SAE_WARM"
# The process with which DVC ends, see `dvc_command`.
STARTER_VARIABLE = "PRECIP_SAE_STARTER"


@contextmanager
def warm(environment: dict[str, str], root: Path) -> Iterator[dict[str, str]]:
    """Starts the process that is forked; ends it with the block.

    Args:
        environment: of the command that runs stages.
        root: the project.

    Returns:
        The environment in which the command's stages start at once: from the process of a block around this one, if
        there is one. The same one where processes cannot be forked.
    """
    # elsewhere libraries may not survive a fork (macOS), or there is none; a socket's name holds 107 bytes
    far = len(os.fsencode(tempfile.gettempdir())) > 80
    if sys.platform != "linux" or WARM_VARIABLE in environment or far:
        yield started_at_once(environment)
        return
    with tempfile.TemporaryDirectory(prefix="precip-sae-") as place:
        folder = Path(place)
        command = folder / "bin" / "precip-sae"
        command.parent.mkdir()
        words = module_command({WARM_VARIABLE: place}, "precip_sae.cli")
        command.write_text(f'#!/bin/sh\nexec {shlex.join(words)} "$@"\n', encoding="utf-8")
        command.chmod(0o700)
        # listened to from the beginning: whoever connects before all is imported waits
        with socket.socket(socket.AF_UNIX) as listener, notebook_environment(root):
            listener.bind(str(folder / "socket"))
            listener.listen()
            server = subprocess.Popen(
                [sys.executable, fork_server.__file__, str(listener.fileno())],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                pass_fds=[listener.fileno()],
                start_new_session=True,
                env=dict(os.environ) | {"PYTHONPATH": environment.get("PYTHONPATH", "")},
            )
        try:
            yield started_at_once(environment | {WARM_VARIABLE: place})
        finally:
            os.set_blocking(server.stdout.fileno(), False)  # type: ignore[union-attr]
            if not server.stdout.read():  # type: ignore[union-attr]
                # it still imports, and has forked nothing that it would have to end
                server.kill()
            server.communicate()


def started_at_once(environment: dict[str, str]) -> dict[str, str]:
    """An environment in which `precip-sae` is forked, if it names a process that can be."""
    if WARM_VARIABLE not in environment:
        return environment
    path = [str(Path(environment[WARM_VARIABLE]) / "bin"), environment.get("PATH", os.defpath)]
    return environment | {"PATH": os.pathsep.join(path)}


def module_command(environment: dict[str, str], module: str) -> list[str]:
    """The words that run a module in an environment: forked, where this names a process that can be."""
    if WARM_VARIABLE in environment:
        return [
            sys.executable,
            "-I",
            "-S",
            fork_client.__file__,
            str(Path(environment[WARM_VARIABLE]) / "socket"),
            module,
        ]
    return [sys.executable, "-P", "-m", module]
