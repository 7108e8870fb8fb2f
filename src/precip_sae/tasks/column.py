"""The column task: what a profiling radar and a weather station see of a column, and what a network says of it.

A network gets the radar's profile and the surface weather, and learns several things at once: more of the column than a
narrow hidden layer has units for. What makes the column (`simulation.truth`) is neither among its inputs nor among its
responses, so that whoever looks into the network can be held to it.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from precip_sae.errors import TableError
from precip_sae.models.deep import Responses
from precip_sae.observations.schema import GATES, REGIME9
from precip_sae.settings import DataSettings
from precip_sae.tasks.prepare import Prepared, prepare

NO_ECHO = {"reflectivity": -15.0, "dv": 0.0}
"""What stands where the radar hears nothing: dBZ just below its least detection limit, and no motion (m/s). The
reflectivity then says by itself that there is no echo, so that no further input has to."""

NUMBERS = {
    "snowfall": "log1p of the snowfall rate in mm/h",
    "rain": "log1p of the rain rate in mm/h",
    "melted": "melted mass fraction",
    "echo_top": "height of the echo top in m; 0 without an echo",
}
"""The numbers that the networks learn, in the order in which they are added to the regime."""

FEWEST_ROWS = 50  # of a regime that is learnt; the rarest transitions have a hundredth of the rows
_WEATHER = ("T", "RH", "P", "WS")


@dataclass(frozen=True)
class Column:
    """The column task of a table.

    Attributes:
        prepared: inputs and regimes in chronological parts.
        numbers: standardised values of NUMBERS by part, float32 [rows, 4].
    """

    prepared: Prepared
    numbers: dict[str, NDArray[np.float32]]

    def responses(self, part: str, how_many: int) -> Responses:
        """The first `how_many` of what can be learnt of a part: the regime, then NUMBERS in their order."""
        classes = self.prepared.data.classes
        return Responses(self.numbers[part][:, : how_many - 1], self.prepared.parts[part].y, len(classes))

    def learnt(self, how_many: int) -> list[str]:
        """Names of what `responses` gives, in the order of `models.deep.skill`: the numbers, and the regime last."""
        return [*list(NUMBERS)[: how_many - 1], "regime"]


def inputs(table: pd.DataFrame) -> pd.DataFrame:
    """What the networks see, [rows, 58]: reflectivity and Doppler velocity of 27 gates, and the surface weather.

    Where a gate has no echo stands NO_ECHO.
    """
    radar = {
        f"{kind}_{gate}": table[f"{kind}_{gate}"].fillna(floor) for kind, floor in NO_ECHO.items() for gate in GATES
    }
    return pd.DataFrame(radar | {name: table[name] for name in _WEATHER})


def column_task(table: pd.DataFrame) -> Column:
    """The column task of a table of observations whose melted fraction is known.

    Rows of an ambiguous regime, or one with fewer than FEWEST_ROWS rows, are left out.

    Raises:
        TableError: no known melted fraction, or too few rows; see `prepare`.
    """
    if "melted" not in table:
        raise TableError("data/observations.parquet has no column melted; expected the table of a simulation.")
    seen = inputs(table)
    rows = table["regime9"].value_counts()
    known = [name for name in REGIME9 if name != "Ambiguous" and rows.get(name, 0) >= FEWEST_ROWS]
    data = DataSettings(
        table="data/observations.parquet",
        predictors=list(seen),
        response="regime9",
        kind="classification",
        classes=known,
        drop_classes=[name for name in REGIME9 if name not in known],
        time="time",
    )
    prepared = prepare(seen.assign(regime9=table["regime9"], time=table["time"]), data)
    values = pd.DataFrame(
        {
            "snowfall": np.log1p(table["Sr"]),
            "rain": np.log1p(table["Rr"]),
            "melted": table["melted"],
            "echo_top": table["ETH"].fillna(0.0),
        }
    )
    learnt = values.loc[prepared.rows["train"].union(prepared.rows["validation"])]
    standard = (values - learnt.mean()) / learnt.std(ddof=0)
    numbers = {part: standard.loc[where].to_numpy(np.float32, copy=True) for part, where in prepared.rows.items()}
    return Column(prepared, numbers)
