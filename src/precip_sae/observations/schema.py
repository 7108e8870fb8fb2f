"""The table of observations: its columns, their units and ranges, and the check that a table keeps to them.

One row is 5 minutes of precipitation at Marquette, Michigan (46.53 N, 87.55 W). The columns follow the tables of
King et al. (2025, doi 10.1029/2025JH000769) and the 24 GHz Micro Rain Radar beside the instrument.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from precip_sae.errors import TableError

if TYPE_CHECKING:
    import pandas as pd
    from pandera.errors import SchemaErrors
    from pandera.pandas import DataFrameSchema

GATES = range(3, 30)
"""Radar gates that can be used; gate k is centred 100 (k + 1) m above the ground."""

REGIME9 = (
    "Heavy rain", "Drizzle", "Heavy rain to mixed", "Light rain to mixed", "Heavy mixed", "Light mixed",
    "Heavy snow to mixed", "Heavy snow", "Light snow", "Ambiguous",
)  # fmt: skip
REGIME3 = ("Rain", "Snow", "Mixed-phase", "Ambiguous")
DENSITY = ("Rain", "Snow")
TEMPERATURE = ("Rain", "Snow", "Mixed-phase")
PHASE = ("Rain", "Snow", "Mixed-phase")

STEP_MINUTES = 5


@dataclass(frozen=True)
class Column:
    """One column: how it is named, written, measured, and what it may hold.

    `low` and `high` are inclusive and in `unit`. `missing` says what NaN means where NaN is allowed.
    `classes` are the permitted names of a label. `optional` says which tables do without the column.
    """

    name: str
    symbol: str
    unit: str
    low: float | None
    high: float | None
    meaning: str
    dtype: str = "float64"
    missing: str = ""
    classes: tuple[str, ...] = ()
    optional: str = ""

    @property
    def expected(self) -> str:
        """What the column may hold, as the end of a sentence."""
        if self.classes:
            return "one of " + ", ".join(self.classes)
        if self.low is None:
            return f"{self.dtype} values, none missing"
        unit = f" {self.unit}" if self.unit else ""
        return f"{self.dtype} values from {self.low:g} to {self.high:g}{unit}" + (
            "" if self.missing else ", none missing"
        )


_NO_ECHO = "no echo above the detection limit"
_NO_PROFILE = "made from an archive without profiles of the air"
_NOT_MEASURED = "made from an archive"

_SURFACE = (
    Column("time", "t", "UTC", None, None, "start of the 5 minutes", "datetime64[ns]"),
    Column("storm", "storm", "", 0, 2**31 - 1, "number of the storm that the record belongs to", "int32"),
    Column("n0", "n_0", "m^-3 mm^-1", 1e-6, 1e7, "intercept of the fitted size distribution n0 exp(-lambda D)"),
    Column("lambda", "lambda", "mm^-1", 1e-6, 10, "slope of the fitted size distribution n0 exp(-lambda D)"),
    Column("Nt", "N_t", "count", 0, 1e8, "size distribution summed over the 5 minutes and all diameter bins"),
    Column("Rho", "rho", "g cm^-3", 0.001, 1.2, "effective density, mean of the bins that hold particles"),
    Column("Fs", "F_s", "m/s", 0, 15, "fall speed, mean of the bins that hold particles"),
    Column("Dm", "D_m", "mm", 0.05, 26.2, "mass-weighted mean diameter"),
    Column("Sr", "S_r", "mm/h", 0, 100, "snowfall rate, liquid equivalent"),
    Column("Rr", "R_r", "mm/h", 0, 300, "rainfall rate"),
    Column("T", "T", "K", 213.15, 323.15, "air temperature near the ground"),
    Column("RH", "RH", "%", 0, 110, "relative humidity over water near the ground"),
    Column("P", "P", "hPa", 940, 1070, "air pressure near the ground"),
    Column("WS", "WS", "m/s", 0, 60, "wind speed near the ground"),
    Column("ETH", "ETH", "m", 0, 3000, "echo-top height: top of the first run of at least 4 gates with an echo",
           missing="no such run"),
)  # fmt: skip

_RADAR = tuple(
    Column(f"reflectivity_{k}", f"Z_(e,{k})", "dBZ", -40, 70, f"radar reflectivity {100 * (k + 1)} m above ground",
           missing=_NO_ECHO)
    for k in GATES
) + tuple(
    Column(f"dv_{k}", f"W_{k}", "m/s", -5, 15, f"downward Doppler velocity {100 * (k + 1)} m above ground",
           missing=_NO_ECHO)
    for k in GATES
)  # fmt: skip

_ALOFT = (
    Column("t_15", "T_900", "K", 203.15, 323.15, "air temperature at 900 hPa", optional=_NO_PROFILE),
    Column("rh_15", "RH_900", "%", 0, 110, "relative humidity at 900 hPa", optional=_NO_PROFILE),
    Column("melted", "f_m", "", 0, 1, "true melted mass fraction at the ground, known only to the simulation",
           optional=_NOT_MEASURED),
    Column("riming", "f_r", "", 0.05, 10, "true density of the snow over that of unrimed snow of its size, known only "
           "to the simulation", optional=_NOT_MEASURED),
)  # fmt: skip

_LABELS = (
    Column("regime9", "regime", "", None, None, "regime by the nearest dense core of the twelve variables that the "
           "study clusters", "str", classes=REGIME9),
    Column("regime3", "phase (regime)", "", None, None, "the regimes merged into phases", "str", classes=REGIME3),
    Column("density", "phase (density)", "", None, None, "phase by effective density", "str", classes=DENSITY),
    Column("temperature", "phase (temperature)", "", None, None, "phase by air temperature", "str",
           classes=TEMPERATURE),
    Column("phase", "phase", "", None, None, "true phase, by melted fraction", "str", classes=PHASE,
           optional=_NOT_MEASURED),
)  # fmt: skip

COLUMNS: tuple[Column, ...] = (*_SURFACE, *_RADAR, *_ALOFT, *_LABELS)
BY_NAME: dict[str, Column] = {column.name: column for column in COLUMNS}


@cache
def schema() -> DataFrameSchema:
    """The pandera schema of the table of observations, built from `COLUMNS`. Other columns are refused.

    Optional columns may be absent, see `Column.optional`.
    """
    # pandera takes a second to import and reading the registry must stay instant
    import pandera.pandas as pa

    def on_the_grid(times: pd.Series) -> bool:
        return bool((times == times.dt.floor(f"{STEP_MINUTES}min")).all())

    def increasing(times: pd.Series) -> bool:
        return bool(times.is_monotonic_increasing and times.is_unique)

    columns = {}
    for column in COLUMNS:
        checks = []
        if column.classes:
            checks.append(pa.Check.isin(column.classes))
        elif column.low is not None:
            checks.append(pa.Check.in_range(column.low, column.high))
        elif column.name == "time":
            checks.append(pa.Check(on_the_grid, name="times on a 5-minute grid"))
            checks.append(pa.Check(increasing, name="times that strictly increase"))
        columns[column.name] = pa.Column(
            column.dtype, checks, nullable=bool(column.missing), required=not column.optional
        )
    return pa.DataFrameSchema(columns, strict=True, ordered=True)


def validate(frame: pd.DataFrame) -> pd.DataFrame:
    """The same table, once every column has been found to keep to its type, unit range and classes.

    Raises TableError with one sentence that names the first offending column, what was found in it and what was
    expected.
    """
    import pandera.errors

    try:
        return schema().validate(frame, lazy=True)
    except pandera.errors.SchemaErrors as problems:
        raise TableError(_sentence(problems, frame)) from None


def _sentence(problems: SchemaErrors, frame: pd.DataFrame) -> str:
    """The first problem as a sentence; a missing or unknown column comes before a wrong value."""
    cases = problems.failure_cases
    missing = [c.name for c in COLUMNS if c.name not in frame.columns and not c.optional]
    if missing:
        return f"The table has no column {missing[0]}; expected {BY_NAME[missing[0]].expected}."
    unknown = [name for name in frame.columns if name not in BY_NAME]
    if unknown:
        return f"The table has a column {unknown[0]} that observations do not have; expected none of that name."
    here = [name for name in BY_NAME if name in frame.columns]
    if list(frame.columns) != here:
        name, expected = next((a, b) for a, b in zip(frame.columns, here, strict=True) if a != b)
        return f"Column {name} is out of order; expected {expected} in its place."
    case = cases.iloc[0]
    column = BY_NAME[str(case["column"])]
    if str(case["check"]).startswith("dtype"):
        return f"Column {column.name} holds {frame[column.name].dtype}; expected {column.expected}."
    if str(case["check"]).startswith("times"):
        return f"Column {column.name} breaks its rule; expected {case['check']}."
    where = "" if case["index"] is None else f" at row {case['index']}"
    return f"Column {column.name} holds {case['failure_case']}{where}; expected {column.expected}."
