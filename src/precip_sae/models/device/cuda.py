"""Compiles and starts the loops of `loops.cu` on one NVIDIA GPU, with CuPy."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from precip_sae.errors import SettingsError, StageError
from precip_sae.models.engine.arithmetic import DENORMAL

SOURCE = Path(__file__).with_name("loops.cu")
THREADS = 64  # models of a block: few, so that the blocks of some ten thousand models spread over the whole GPU
STRICT = ("--fmad=false", "--prec-div=true", "--prec-sqrt=true", "--ftz=false")
Start = Callable[..., None]  # start(name of a kernel, models, its arguments ...)


class Device(Protocol):
    """What trains: it holds arrays, and starts kernels on them."""

    def array(self, values: NDArray) -> Any:
        """A copy of an array on the device."""

    def numpy(self, array: Any) -> NDArray:
        """A copy of a device's array here."""

    def loops(self, sizes: dict[str, int]) -> Start:
        """The kernels of `loops.cu`, compiled for sizes of networks and SAEs."""


class Cuda:
    """The first CUDA device.

    Raises:
        SettingsError: there is none, or CuPy is not installed.
    """

    def __init__(self) -> None:
        expected = "expected compiled, or a machine with an NVIDIA GPU and CuPy (pip install cupy-cuda13x)."
        try:
            import cupy
        except ImportError as error:
            raise SettingsError(f"search: engine is cuda, and CuPy is not installed here, {expected}") from error
        try:
            devices = cupy.cuda.runtime.getDeviceCount()
        except cupy.cuda.runtime.CUDARuntimeError:  # no driver
            devices = 0
        if not devices:
            raise SettingsError(f"search: engine is cuda, and CuPy finds no CUDA device here, {expected}")
        self.cupy = cupy

    def array(self, values: NDArray) -> Any:
        return self.cupy.asarray(np.ascontiguousarray(values))

    def numpy(self, array: Any) -> NDArray:
        return self.cupy.asnumpy(array)

    def loops(self, sizes: dict[str, int]) -> Start:
        """See `Device`.

        Raises:
            StageError: what was compiled takes denormal numbers for zero.
        """
        from cupy.cuda.compiler import compile_using_nvrtc
        from cupy.cuda.function import Module

        options = STRICT + tuple(f"-D{name}={size}" for name, size in sizes.items())
        # cupy.RawModule compiles with --ftz=true, whatever it is told: weights that shrink towards zero, and grow
        # again, would not be the same.
        compiled, _ = compile_using_nvrtc(SOURCE.read_text(), options, filename=SOURCE.name)
        module = Module()
        module.load(compiled if isinstance(compiled, bytes) else compiled.encode())

        def start(name: str, models: int, *arguments: Any) -> None:
            module.get_function(name)((-(-models // THREADS),), (THREADS,), arguments)

        out = self.array(np.zeros(1, np.float32))
        start("product", 1, *DENORMAL, out)
        if self.numpy(out)[0] != DENORMAL[0] * DENORMAL[1]:
            raise StageError(
                "search: engine is cuda, and this GPU's code takes the smallest numbers for zero, so that its weights "
                "would not be the engine's; expected compiled."
            )
        return start
