"""The records that the page holds: some of the test parts, in whole spells, so that a storm can be drawn."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from precip_sae.inspector.pack import Packer
from precip_sae.tasks.episodes import STORM_PAUSE

STRETCH = 50  # rows that are shown together where no times say what belongs together


@dataclass(frozen=True)
class Records:
    """Rows of one table.

    Attributes:
        frame: their columns, in the order of the table (or of its times), by the table's row numbers.
        spell: of each row, counted from 0 [rows].
        time: name of the column of times; None without one.
    """

    frame: pd.DataFrame
    spell: NDArray[np.int32]
    time: str | None

    def packed(self, packer: Packer) -> dict[str, Any]:
        """Their numbers as the page reads them: float32, times in milliseconds since 1970 (or as they are)."""
        numbers = self.frame.select_dtypes("number").drop(columns=self.time or [], errors="ignore")
        found = {
            "rows": len(self.frame),
            "columns": {name: packer.add(numbers[name].to_numpy(np.float32)) for name in numbers},
            "spell": packer.add(self.spell),
            "time": None,
            "dated": False,
        }
        if self.time:
            times = self.frame[self.time]
            dated = pd.api.types.is_datetime64_any_dtype(times)
            values = times.astype("datetime64[ms]").astype(np.int64) if dated else times
            found |= {"time": packer.add(values.to_numpy(np.float64)), "dated": dated}
        return found

    def positions(self, rows: pd.Index) -> NDArray[np.int32]:
        """Where those of `rows` that are kept stand, in order."""
        return np.flatnonzero(self.frame.index.isin(rows)).astype(np.int32)


def choose(frame: pd.DataFrame, rows: Iterable[pd.Index], time: str | None, most: int) -> Records:
    """About `most` rows of a table in whole spells, evenly over all of them.

    Args:
        frame: the columns to keep.
        rows: which rows may be chosen: those of several tasks' test parts, for example.
        time: the column of times; a pause of STORM_PAUSE hours ends a spell. None: spells are STRETCH rows each.
        most: the spells that are taken hold this many rows or fewer, unless one alone holds more.
    """
    allowed = pd.Index(np.unique(np.concatenate([np.asarray(index) for index in rows])))
    frame = frame.loc[allowed]
    if time:
        frame = frame.sort_values(time, kind="stable")
    if time and pd.api.types.is_datetime64_any_dtype(frame[time]):
        spell = (frame[time].diff() > pd.Timedelta(hours=STORM_PAUSE)).cumsum().to_numpy()
    else:
        spell = np.arange(len(frame)) // STRETCH
    sizes = np.bincount(spell)
    chosen = _evenly(sizes, most)
    kept = np.isin(spell, chosen)
    return Records(frame[kept], np.searchsorted(chosen, spell[kept]).astype(np.int32), time)


def _evenly(sizes: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    """Numbers of spells, evenly spaced, whose rows together are at most `most`; at least one."""
    count = min(len(sizes), max(1, int(most / sizes.mean())))
    while True:
        chosen = np.unique(np.linspace(0, len(sizes) - 1, count).round().astype(int))
        if count == 1 or sizes[chosen].sum() <= most:
            return chosen
        count -= 1
