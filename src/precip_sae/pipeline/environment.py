"""The environment in which notebooks run: it decides digits, threads and fonts, so every stage rests on it."""

import importlib.util
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import precip_sae
from precip_sae.files import output_error
from precip_sae.paths import ROOT_VARIABLE
from precip_sae.progress import TERMINAL_VARIABLE

THREADS = ("OMP", "MKL", "OPENBLAS", "NUMEXPR", "VECLIB_MAXIMUM")

# Libraries choose code by CPU, and each choice rounds the last digit differently: the plainest, or what every
# x86-64 CPU since 2013 has. Costs up to 6 % of a stage's time.
SAME_DIGITS = {
    "ATEN_CPU_CAPABILITY": "default",
    "MKL_CBWR": "COMPATIBLE",
    "NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512_ICL AVX512_SPR",
}


@contextmanager
def notebook_environment(root: Path) -> Iterator[None]:
    """The environment of a notebook's process: this project, this package, one thread, nobody's personal set-up.

    Raises:
        OutputError: no temporary folder can be made.
    """
    matplotlib = importlib.util.find_spec("matplotlib")
    try:
        scratch = tempfile.TemporaryDirectory(prefix="precip-sae-")
    except OSError as error:
        raise output_error(Path(tempfile.gettempdir()), error) from error
    with scratch as folder:
        package = str(Path(precip_sae.__file__).resolve().parents[1])
        wanted = {
            ROOT_VARIABLE: str(root),
            "PYTHONPATH": os.pathsep.join(filter(None, [package, os.environ.get("PYTHONPATH")])),
            "PYTHONHASHSEED": "0",
            "PYTHONUTF8": "1",
            "TZ": "UTC",
            # 1980-01-01, the earliest that zip-based formats can hold
            "SOURCE_DATE_EPOCH": "315532800",
            # sums over several threads are added in another order
            **{f"{library}_NUM_THREADS": "1" for library in THREADS},
            **SAME_DIGITS,
            # a reader's own IPython settings and matplotlibrc would change what is run and drawn
            "IPYTHONDIR": folder,
            "MPLBACKEND": "module://matplotlib_inline.backend_inline",
        }
        if _has_avx2():
            wanted["OPENBLAS_CORETYPE"] = "Haswell"
        if sys.stderr.isatty():
            wanted[TERMINAL_VARIABLE] = os.ttyname(sys.stderr.fileno())
        if matplotlib and matplotlib.origin:
            wanted["MATPLOTLIBRC"] = str(Path(matplotlib.origin).parent / "mpl-data" / "matplotlibrc")
        unwanted = (TERMINAL_VARIABLE, "PYTHONWARNINGS", "PYTHONSTARTUP")
        earlier = dict(os.environ)
        for name in unwanted:
            os.environ.pop(name, None)
        os.environ.update(wanted)
        try:
            yield
        finally:
            os.environ.clear()
            os.environ.update(earlier)


def _has_avx2() -> bool:
    """Whether OpenBLAS may be told to run its Haswell code; it does so unasked on AMD and older Intel CPUs."""
    import numpy as np

    return "X86_V3" in np.show_config(mode="dicts")["SIMD Extensions"].get("found", [])
