"""Imports once what every stage imports, and forks a process for each command: `fork_server.py SOCKET`, the number
of a socket that it inherits and that listens.

A script, run by its path. What it has imported of this package is forgotten in a process that would import other
sources: edited ones, or those of another copy. Says on standard output that it is ready. Ends, and what it forked with
it, when its standard input closes.
"""

import atexit
import builtins
import gc
import importlib
import io
import json
import os
import runpy
import selectors
import signal
import socket
import sys
import threading
import weakref
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn

NUMBER = 8  # bytes of every number that is exchanged

# What runner and notebooks import of other packages; one that is missing costs its import in every process.
IMPORTED = (
    "typer", "rich.progress", "ruamel.yaml", "pydantic", "nbformat", "papermill", "papermill.engines", "nbconvert",
    "pygments.formatters", "pygments.lexers.python", "IPython.core.interactiveshell", "IPython.core.completer",
    "matplotlib_inline.backend_inline", "numpy", "scipy.stats", "pandas", "pyarrow.parquet", "pyarrow.csv", "xarray",
    "pint", "cf_xarray.units", "pandera.pandas", "torch", "numba", "sklearn.linear_model", "matplotlib.figure",
    "matplotlib.pyplot", "matplotlib.backends.backend_agg", "matplotlib.backends.backend_svg", "safetensors.torch",
    "threadpoolctl", "tqdm", "typst", "pypandoc",
)  # fmt: skip

# What a module needs besides, imported when it is first asked for.
IMPORTED_FOR = {
    "precip_sae.pipeline.dvc_command": (
        "dvc.cli.parser", "dvc.repo", "dvc.repo.artifacts", "dvc.repo.graph", "dvc.repo.index", "dvc.repo.metrics",
        "dvc.repo.open_repo", "dvc.repo.plots", "dvc.stage.cache", "dvc.stage.run", "dvc.cachemgr", "dvc.data_cloud",
        "dvc.dirs", "dvc.dvcfile", "dvc.lock", "dvc.rwlock", "dvc.scm", "dvc.ui.table", "dvc.utils.strictyaml",
        "dvc_data.hashfile.db.local", "dvc_data.hashfile.status", "dvc_data.index.checkout", "networkx",
    ),
}  # fmt: skip

# Variables that decide what libraries do from their import on: a process that was given others is not forked here.
READ_AT_IMPORT = (
    "ATEN_", "LC_", "LD_", "MATPLOTLIBRC", "MKL_", "NPY_", "NUMBA_", "NUMEXPR_", "OMP_", "OPENBLAS_", "PYTHONHASHSEED",
    "PYTHONUTF8", "PYTHONWARNINGS", "TZ", "VECLIB_",
)  # fmt: skip


PACKAGE = "precip_sae"

OBJECTS = 7000  # new ones after which unreachable ones are looked for


@dataclass(frozen=True)
class Command:
    """What a forked process has to run.

    Attributes:
        request: module, arguments, folder and environment.
        streams: its standard input, output and error.
        sources: of the package that the server has imported, see `sources`.
    """

    request: dict[str, Any]
    streams: list[int]
    sources: dict[str, tuple[int, int]]

    def run(self) -> None:
        """Makes this process what a new one would be, and runs the module in it."""
        os.setsid()
        for number, stream in enumerate(self.streams):
            os.dup2(stream, number)
            os.close(stream)
        by_line = 1 if os.isatty(1) else -1
        sys.stdin = sys.__stdin__ = open(0, closefd=False)  # type: ignore[misc]  # noqa: SIM115
        sys.stdout = sys.__stdout__ = open(1, "w", by_line, closefd=False)  # type: ignore[misc]  # noqa: SIM115
        sys.stderr = sys.__stderr__ = open(2, "w", 1, errors="backslashreplace", closefd=False)  # type: ignore[misc]  # noqa: SIM115
        before, environment = _named_paths(), self.request["environment"]
        os.environ.clear()
        os.environ.update(environment)
        sys.path[:] = _named_paths() + [place for place in sys.path if place not in before]
        os.chdir(self.request["folder"])
        if sources() != self.sources:
            for name in [name for name in sys.modules if name.partition(".")[0] == PACKAGE]:
                del sys.modules[name]
        sys.argv = [self.request["module"], *self.request["arguments"]]
        runpy.run_module(self.request["module"], run_name="__main__", alter_sys=True)


def end_after(command: Command) -> NoReturn:
    """Runs the command and ends the process as the interpreter would, but for taking down what was imported.

    That writes to every page that is shared with the server, and each is copied first: half a second for a process.
    An exception other than SystemExit goes the interpreter's own way.
    """
    try:
        command.run()
        code: Any = None
    except SystemExit as end:
        code = end.code
    # the interpreter's own order: other threads, what was registered, the streams
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    if code is not None and not isinstance(code, int):
        print(code, file=sys.stderr)
        code = 1
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit((code or 0) & 0xFF)


def sources() -> dict[str, tuple[int, int]]:
    """Every source file of the package that an import would find here, with its time of change (ns) and size."""
    specs = (finder.find_spec(PACKAGE, None) for finder in sys.meta_path)
    folders = next((spec.submodule_search_locations for spec in specs if spec), None) or []
    found = {}
    for file in (file for folder in folders for file in Path(folder).rglob("*.py")):
        with suppress(FileNotFoundError):  # an editor's
            found[str(file)] = ((state := file.stat()).st_mtime_ns, state.st_size)
    return found


def _named_paths() -> list[str]:
    return [place for place in os.environ.get("PYTHONPATH", "").split(os.pathsep) if place]


@dataclass(frozen=True, eq=False)
class Forked:
    """A process that runs.

    Attributes:
        end: a file descriptor that can be read once the process has ended.
        connection: to whoever waits for it.
    """

    pid: int
    end: int
    connection: socket.socket


def serve(listener: socket.socket) -> Command | None:
    """Answers requests until the standard input closes; returns in every forked process with its command."""
    imported = _import_all()
    os.write(1, b"ready")
    selector = selectors.DefaultSelector()
    selector.register(listener, selectors.EVENT_READ)
    selector.register(0, selectors.EVENT_READ)
    running: set[Forked] = set()
    lacking = dict(IMPORTED_FOR)
    while True:
        for key, _ in selector.select():
            if key.fileobj == 0:
                for forked in running:
                    _kill(forked.pid)
                return None
            if key.fileobj is listener:
                connection, _ = listener.accept()
                command = _received(connection, imported)
                if command is None:
                    connection.close()
                    continue
                _import(lacking.pop(command.request["module"], ()))
                if (pid := os.fork()) == 0:
                    for held in [connection, listener, selector, *(forked.connection for forked in running)]:
                        held.close()  # type: ignore[attr-defined]
                    for forked in running:
                        os.close(forked.end)
                    return command
                for stream in command.streams:
                    os.close(stream)
                forked = Forked(pid, os.pidfd_open(pid), connection)
                running.add(forked)
                selector.register(forked.end, selectors.EVENT_READ, forked)
                selector.register(connection, selectors.EVENT_READ, forked)
                with suppress(OSError):
                    connection.sendall(pid.to_bytes(NUMBER, "big"))
            elif key.data in running and key.fileobj == key.data.end:
                running.remove(key.data)
                _tell(selector, key.data)
            elif key.data in running:
                # whoever waited for it is gone
                selector.unregister(key.fileobj)
                _kill(key.data.pid)


def _kill(pid: int) -> None:
    """Kills a forked process and what it has started."""
    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:
        # it has not got its own session yet
        os.kill(pid, signal.SIGKILL)


def _tell(selector: selectors.BaseSelector, forked: Forked) -> None:
    """Tells how a process ended."""
    _, status = os.waitpid(forked.pid, 0)
    for held in (forked.end, forked.connection):
        with suppress(KeyError):
            selector.unregister(held)
    os.close(forked.end)
    with forked.connection, suppress(OSError):
        forked.connection.sendall(os.waitstatus_to_exitcode(status).to_bytes(NUMBER, "big", signed=True))


def _received(connection: socket.socket, imported: dict[str, tuple[int, int]]) -> Command | None:
    """A request; None if it was not understood, or is not to be run here."""
    connection.settimeout(10.0)
    streams: list[int] = []
    try:
        length, streams, _, _ = socket.recv_fds(connection, NUMBER, 3)
        content = b""
        while len(content) < int.from_bytes(length, "big"):
            if not (more := connection.recv(2**16)):
                raise OSError("the connection was closed")
            content += more
        request = json.loads(content)
        if len(streams) == 3 and _fits(request["environment"]):
            return Command(request, list(streams), imported)
    except (OSError, ValueError):
        pass
    for stream in streams:
        os.close(stream)
    return None


def _fits(environment: dict[str, str]) -> bool:
    """Whether the libraries imported here would not have been told otherwise."""
    told = {name: value for name, value in environment.items() if name.startswith(READ_AT_IMPORT)}
    return all(os.environ.get(name) == value for name, value in told.items())


def _import_all() -> dict[str, tuple[int, int]]:
    """Imports what processes share; returns the sources of this package as they were."""
    # pandas asks while it is imported whether it is in a notebook
    builtins.get_ipython = lambda: SimpleNamespace(kernel=None)  # type: ignore[attr-defined]
    _import(IMPORTED)
    gc.disable()
    # before they are imported: what is edited meanwhile is seen to be
    found = sources()
    for prepare in (_compile, _prepare_stages, _draw):
        # what cannot be done here fails, or does not, where it is needed
        with suppress(Exception):
            prepare()
    del builtins.get_ipython  # type: ignore[attr-defined]
    _keep_shared()
    return found


def _import(names: tuple[str, ...]) -> None:
    gc.disable()
    for name in names:
        with suppress(ImportError):
            importlib.import_module(name)
    _keep_shared()


def _keep_shared() -> None:
    """Leaves to this process what is only its own, and has the forked ones write to nothing that they share with it."""
    # what libraries take down as a process ends (torch: each of its operators) is for this one, not for those it forks
    for finalizer in list(weakref.finalize._registry):  # type: ignore[attr-defined]
        finalizer.atexit = False
    gc.freeze()
    # what a stage makes mostly lives until it ends: it need not be looked through every 700 new objects
    gc.set_threshold(OBJECTS, 20, 20)
    gc.enable()


def _compile() -> None:
    """Has numba make ready what it needs for any loop."""
    import numba

    numba.njit(lambda number: number + 1)(1)


def _prepare_stages() -> None:
    """Has this package make ready what it needs for any stage of the project."""
    from precip_sae.paths import locate
    from precip_sae.pipeline.beforehand import prepare

    prepare(locate())


def _draw() -> None:
    """Has matplotlib make ready fonts and formulas."""
    from matplotlib.figure import Figure

    figure = Figure()
    figure.add_subplot().set_title("a $b^2$")
    for kind in ("svg", "png"):
        figure.savefig(io.BytesIO(), format=kind)


if __name__ == "__main__":
    sys.path.remove(os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100, PTH120
    if (command := serve(socket.socket(fileno=int(sys.argv[1])))) is not None:
        end_after(command)
