"""Compiled loops kept on disk, so that another clone, notebook, worker or test starts with them.

numba's own cache is found by the path of the source, so that every clone compiles anew, and processes that compile
different loops at the same time can spoil its index. Here every compiled loop is one file, named after all that it
depends on: the text of the sources, the sizes it was made for, the types of its arguments, the processor, and the
versions of what compiled it. A file that is damaged is as good as none.
"""

import hashlib
import os
import pickle
import sys
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from types import FunctionType
from typing import Any

import llvmlite
import numba
import platformdirs
from numba import njit
from numba.core import config
from numba.core.caching import _Cache
from numba.core.compiler import CompileResult
from numba.core.serialize import dumps

from precip_sae.errors import OutputError
from precip_sae.files import replacing

CACHE_VARIABLE = "PRECIP_SAE_CACHE"
DIGEST = hashlib.sha256().digest_size


def cache_folder() -> Path:
    """Where compiled loops are kept: PRECIP_SAE_CACHE, else the platform's folder for a user's cache."""
    named = os.environ.get(CACHE_VARIABLE)
    return Path(named) if named else platformdirs.user_cache_path("precip-sae", appauthor=False)


@lru_cache
def sources(folder: Path) -> str:
    """SHA-256 of the Python files of a folder: loops may inline what stands in any of them."""
    digest = hashlib.sha256()
    for file in sorted(folder.glob("*.py")):
        digest.update(file.name.encode() + b"\0" + hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()


class DiskCache(_Cache):
    """What numba asks before and tells after it compiles `function`, whose closure may hold numbers only."""

    def __init__(self, function: FunctionType) -> None:
        self.function = function
        self.sources = sources(Path(function.__code__.co_filename).parent)
        self.sizes = [cell.cell_contents for cell in function.__closure__ or ()]
        if not all(isinstance(size, int) for size in self.sizes):
            raise TypeError(f"{function.__qualname__} is made for {self.sizes}, expected numbers only.")

    @property
    def cache_path(self) -> str:
        return str(cache_folder())

    def file(self, signature: Any, codegen: Any) -> Path:
        """The file of the function compiled for argument types on a processor."""
        made_by = (numba.__version__, llvmlite.__version__, sys.version, str(config.OPT))  # type: ignore[attr-defined]
        depends_on = (
            self.sources, self.function.__qualname__, self.sizes, signature, codegen.magic_tuple(), made_by,
        )  # fmt: skip
        digest = hashlib.sha256(repr(depends_on).encode()).hexdigest()
        return cache_folder() / f"{self.function.__name__}-{digest[:32]}.bin"

    def load_overload(self, sig: Any, target_context: Any) -> CompileResult | None:
        """The compiled function, or None: it was not kept, or the file is damaged and will be written anew."""
        target_context.refresh()
        file = self.file(sig, target_context.codegen())
        try:
            # what another user put into a shared folder could be any code
            if hasattr(os, "getuid") and file.stat().st_uid not in (os.getuid(), 0):
                return None
            content = file.read_bytes()
        except OSError:
            return None
        code = content[DIGEST:]
        if hashlib.sha256(code).digest() != content[:DIGEST]:
            return None
        return CompileResult._rebuild(target_context, *pickle.loads(code))

    def save_overload(self, sig: Any, data: CompileResult) -> None:
        """Keeps a compiled function; where nothing can be written, nothing is kept."""
        code = dumps(data._reduce())
        try:
            with replacing(self.file(sig, data.codegen)) as beside:
                beside.write_bytes(hashlib.sha256(code).digest() + code)
        except OutputError:
            pass

    def enable(self) -> None:
        """Always on."""

    def disable(self) -> None:
        """Always on."""

    def flush(self) -> None:
        """Nothing is kept in memory."""


def compiled(**options: Any) -> Callable[[FunctionType], Any]:
    """`numba.njit` with these options, and with what it compiles kept by `DiskCache`."""

    def decorate(function: FunctionType) -> Any:
        kept = DiskCache(function)
        # a name of its own for every size: numba names the machine code after it
        function.__qualname__ = "_".join([function.__qualname__, *map(str, kept.sizes)])
        dispatcher = njit(**options)(function)
        dispatcher._cache = kept
        return dispatcher

    return decorate
