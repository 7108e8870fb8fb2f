"""Simulated tables beside a task's own: every task's replicates stand on the same ones, so each is made once.

A table that is made lies in a folder until the code that makes it changes; no stage rests on the folder, which can be
deleted at any time.
"""

import hashlib
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import scipy

import precip_sae
from precip_sae.files import write_parquet
from precip_sae.simulation.simulate import simulate

_CODE = ("observations", "simulation")


def fingerprint() -> str:
    """SHA-256 of what a simulated table depends on besides its rows and seed: the sources and their libraries."""
    package = Path(precip_sae.__file__).parent
    digest = hashlib.sha256(f"numpy {np.__version__}, scipy {scipy.__version__}, pandas {pd.__version__}".encode())
    for folder in _CODE:
        for file in sorted((package / folder).rglob("*.py")):
            digest.update(file.relative_to(package).as_posix().encode() + file.read_bytes())
    return digest.hexdigest()


class Tables:
    """Simulated tables by their seed.

    Args:
        records: rows of each.
        folder: where tables are kept; those of other code are removed.
    """

    def __init__(self, records: int, folder: Path) -> None:
        self.records, self.folder = records, folder / fingerprint()[:16]
        if folder.is_dir():
            for other in folder.iterdir():
                if other.is_dir() and other != self.folder:
                    shutil.rmtree(other)

    def __call__(self, seed: int) -> pd.DataFrame:
        """The table of this seed, see `simulate`; the same whether it was kept or is made."""
        file = self.folder / f"{self.records}-{seed}.parquet"
        if not file.exists():
            write_parquet(file, simulate(self.records, seed))
        return pd.read_parquet(file)
