"""The loops of `loops.cu` compiled for a CPU: the same source, one model after another instead of a thread each."""

import ctypes
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from precip_sae.models.device.cuda import SOURCE, Start

COMPILER = shutil.which("c++")

# What CUDA C++ adds to C++, as far as the loops use it.
CUDA = r"""
#include <cmath>
#include <cstddef>
#include <cstring>
#define __device__
#define __global__
struct { int x; } static blockIdx, threadIdx, blockDim = {1};
static inline float __int_as_float(int bits) { float x; std::memcpy(&x, &bits, sizeof x); return x; }
extern "C" void choose(int model) { blockIdx.x = model; }
"""

FLUSHING = r"""
#include <xmmintrin.h>
extern "C" void flush(int on) { _mm_setcsr(_mm_getcsr() & ~0x8040 | (on ? 0x8040 : 0)); }
"""


class DeviceOnCPU:
    """Stands where a GPU would: arrays are NumPy's.

    Args:
        folder: for what is compiled.
        flush: take denormal numbers for zero while a kernel runs, as some compilers of GPU code do unasked (x86 only).
    """

    def __init__(self, folder: Path, flush: bool = False) -> None:
        if COMPILER is None:
            pytest.skip("no C++ compiler here")
        self.folder, self.flush = folder, flush

    def array(self, values: NDArray) -> Any:
        return np.array(values, order="C")

    def numpy(self, array: Any) -> NDArray:
        return array.copy()

    def loops(self, sizes: dict[str, int]) -> Start:
        name = "-".join(map(str, sizes.values()))
        source, library = self.folder / f"{name}.cpp", self.folder / f"{name}.so"
        source.write_text(CUDA + (FLUSHING if self.flush else "") + SOURCE.read_text())
        strict = ["-O1", "-ffp-contract=off", "-Wno-unknown-pragmas", "-w"]
        defined = [f"-D{name}={size}" for name, size in sizes.items()]
        subprocess.run([COMPILER, "-shared", "-fPIC", *strict, *defined, "-o", library, source], check=True)
        loaded = ctypes.CDLL(str(library))
        of = {np.dtype(np.int32): ctypes.c_int, np.dtype(np.float32): ctypes.c_float}

        def start(name: str, models: int, *arguments: Any) -> None:
            told = [a.ctypes.data_as(ctypes.c_void_p) if np.ndim(a) else of[a.dtype](a) for a in arguments]
            if self.flush:
                loaded.flush(1)
            for model in range(models):
                loaded.choose(model)
                getattr(loaded, name)(*told)
            if self.flush:
                loaded.flush(0)

        return start
