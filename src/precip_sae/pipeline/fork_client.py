"""Runs a module in a process that `fork_server` forks, as if this process ran it: `fork_client.py SOCKET MODULE ...`.

A script for `python -I -S`, without imports that take time. Where no server answers, or where the server was started in
another environment, the module is run in the plain way.
"""

import json
import os
import signal
import socket
import sys
from collections.abc import Callable
from typing import NoReturn

NUMBER = 8  # bytes of every number that is exchanged
PASSED_ON = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def main(place: str, module: str, *arguments: str) -> int:
    """Has `module` run with `arguments`, in this folder and environment and on these streams; returns its status."""
    # until there is a process to pass it on to, an interrupt ends this one, and the server sees that
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    starter = os.getppid()
    folder = os.getcwd()  # noqa: PTH109 (pathlib takes longer to import than the rest of this)
    request = {"module": module, "arguments": arguments, "folder": folder, "environment": dict(os.environ)}
    content = json.dumps(request).encode()
    with socket.socket(socket.AF_UNIX) as connection:
        try:
            connection.connect(place)
            socket.send_fds(connection, [len(content).to_bytes(NUMBER, "big")], [0, 1, 2])
            connection.sendall(content)
            pid = int.from_bytes(connection.recv(NUMBER), "big")
        except OSError:
            pid = 0
        if pid == 0:
            _run_here(module, arguments)
        for number in PASSED_ON:
            signal.signal(number, lambda number, _: _send(os.kill, pid, number))
        connection.settimeout(1.0)
        # a starter that was killed takes its process with it: the server sees that this connection closes
        while os.getppid() == starter:
            try:
                answer = connection.recv(NUMBER)
            except TimeoutError:
                continue
            if answer:
                return _as_that(int.from_bytes(answer, "big", signed=True))
            # whoever would have ended the process is gone (killed for lack of memory), and nobody waits for it
            _send(os.killpg, pid, signal.SIGKILL)
            _send(os.kill, pid, signal.SIGKILL)
            print("The process that this one was forked from has ended; run the same command again.", file=sys.stderr)
            return 1
    return 1


def _send(kill: Callable[[int, int], None], pid: int, number: int) -> None:
    try:  # noqa: SIM105 (contextlib takes longer to import than the rest of this)
        kill(pid, number)
    except ProcessLookupError:
        pass  # it has ended meanwhile, which its status will say


def _as_that(code: int) -> int:
    """The status to end with as a process ended that was killed by signal -code, if code is negative."""
    if code < 0:
        if -code in PASSED_ON:
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    return code


def _run_here(module: str, arguments: tuple[str, ...]) -> NoReturn:
    os.execv(sys.executable, [sys.executable, "-P", "-m", module, *arguments])


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
