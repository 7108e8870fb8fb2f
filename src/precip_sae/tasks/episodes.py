"""Rows that belong together: what an interval that speaks of other observations is taken over."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from precip_sae.settings import DataSettings
from precip_sae.spread import FEWEST_EPISODES
from precip_sae.tasks.parts import block_numbers
from precip_sae.tasks.prepare import Prepared

STORM_PAUSE = 6.0  # hours without a row that end a storm


@dataclass(frozen=True)
class Episodes:
    """Rows that belong together, so that an interval over them speaks of other observations.

    Attributes:
        number: the episode of each row, numbered from 0 without gaps [rows].
        name: what they are called in a sentence.
    """

    number: NDArray[np.int64]
    name: str


def episodes(frame: pd.DataFrame, prepared: Prepared, part: str) -> Episodes:
    """The episodes of a part: the task's groups, the blocks that its parts are made of, storms, or stretches of rows.

    A storm, or a spell of whatever the table holds, ends with a pause of STORM_PAUSE hours in the task's times. With
    fewer than FEWEST_EPISODES spells, or without times, the part is cut into that many stretches of as many rows:
    neighbours in time are alike as well.

    Args:
        frame: the table that was prepared.
    """
    return episodes_of(frame.loc[prepared.rows[part]], prepared.data)


def episodes_of(rows: pd.DataFrame, data: DataSettings) -> Episodes:
    """The same of any rows of a table, in time order."""
    if data.groups:
        return Episodes(pd.factorize(rows[data.groups])[0], f"groups of {data.groups}")
    if data.parts == "blocks":
        return Episodes(pd.factorize(block_numbers(rows[data.time], data))[0], f"blocks of {data.block_days:g} days")
    if data.time and pd.api.types.is_datetime64_any_dtype(rows[data.time]):
        pauses = rows[data.time].diff() > pd.Timedelta(hours=STORM_PAUSE)
        if pauses.sum() + 1 >= FEWEST_EPISODES:
            return Episodes(pauses.cumsum().to_numpy(dtype=np.int64), "spells")
    stretches = np.arange(len(rows)) * FEWEST_EPISODES // len(rows)
    return Episodes(stretches, f"{FEWEST_EPISODES} stretches of rows")
