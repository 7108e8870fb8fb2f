"""One simulated table for all tests of this folder: the size of the published one."""

import pandas as pd
import pytest

from precip_sae.observations.simulate import simulate


@pytest.fixture(scope="session")
def table() -> pd.DataFrame:
    return simulate(88_000, seed=2025)
