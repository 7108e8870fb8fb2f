"""What the table of observations is and holds, in numbers."""

from typing import Any

import numpy as np
import pandas as pd

from precip_sae.errors import StageError
from precip_sae.files import read_json
from precip_sae.observations.fidelity import compare
from precip_sae.observations.labels import FREEZING
from precip_sae.paths import Paths
from precip_sae.quantities import PERCENT, quantity
from precip_sae.settings import SimulationSettings

# Variables of the distribution figure and of the correlation matrix; logarithms where the study takes them.
SHOWN = ["n0", "lambda", "Nt", "Rho", "Fs", "Dm", "T", "RH", "reflectivity_3", "ETH"]
LOGGED = ["n0", "lambda", "Nt", "Rho", "Dm"]
CORRELATED = ["n0", "lambda", "Nt", "Rho", "Fs", "Dm", "Sr", "T", "RH", "P", "WS", "reflectivity_3", "ETH"]
REMEMBERED = ["n0", "Dm", "Rho", "Fs", "T", "reflectivity_3"]
LABELS = ["regime9", "regime3", "density", "temperature", "phase"]
SIMULATION, ARCHIVE = "simulation", "archive"


def read_source(paths: Paths, simulation: SimulationSettings) -> dict[str, Any]:
    """What `data/source.json` says the observations are.

    Raises:
        StageError: there is no such file, it does not say what the table is, or it is a simulation with other
            settings than `simulation`: DVC sees the table, not the settings it was made from, so a changed seed would
            else go unnoticed.
    """
    path = paths.data / "source.json"
    try:
        source = read_json(path)
    except FileNotFoundError as error:
        raise StageError(
            f"{path}: no such file, run `dvc pull data.dvc`, `precip-sae simulate` or `precip-sae ingest`."
        ) from error
    except ValueError as error:
        raise StageError(f"{path}: is not JSON ({error}).") from error
    known = (SIMULATION, ARCHIVE)
    kind = source.get("kind") if isinstance(source, dict) else source
    if kind not in known:
        raise StageError(f"{path}: kind is {kind!r}, expected {' or '.join(known)}.")
    if kind == SIMULATION:
        for name, wanted in simulation.model_dump().items():
            if source.get(name) != wanted:
                raise StageError(
                    f"params.yaml: simulation.{name} is {wanted}, but data/ was simulated with {source.get(name)}; "
                    "run `precip-sae simulate` and then `dvc add data`."
                )
    return source


def beside_published(frame: pd.DataFrame, source: dict[str, Any]) -> pd.DataFrame:
    """`fidelity.compare`, the table's own column named after what it is: `simulated` or `observed`.

    For a simulation this is the report on the simulator. For an archive it compares measurements with the statistics of
    the study's tables, which were made of the same archive by another hand.
    """
    return named_after_source(compare(frame), source)


def named_after_source(compared: pd.DataFrame, source: dict[str, Any]) -> pd.DataFrame:
    """Rows of a comparison whose column of the table's own values says what the table is: simulated or observed."""
    simulated = source.get("kind") == SIMULATION or source.get("simulated", False)
    return compared.rename(columns={} if simulated else {"simulated": "observed"})


def summary(frame: pd.DataFrame, source: dict[str, Any]) -> dict[str, Any]:
    """Rows, storms, years, mean and standard deviation of every numeric column, and the share of every label.

    Args:
        frame: observations that satisfy the schema.
        source: see `read_source`.
    """
    variables = {}
    for column in frame.select_dtypes("number").columns.drop("storm"):
        values = frame[column]
        missing = int(values.isna().sum())
        variables[column] = _moments(values) | {
            "missing": {"rows": missing, "share": quantity(missing / len(frame), PERCENT)}
        }
    logarithms = {column: _moments(np.log10(frame[column].where(frame[column] > 0))) for column in LOGGED}
    return {
        "source": source,
        "rows": len(frame),
        "storms": int(frame["storm"].nunique()),
        "first_year": str(frame["time"].min().year),
        "last_year": str(frame["time"].max().year),
        "variables": variables,
        "log10": logarithms,
        "labels": {label: shares(frame[label]) for label in LABELS if label in frame},
    }


def _moments(values: pd.Series) -> dict[str, float | None]:
    # a column without any value has neither
    moments = {"mean": float(values.mean()), "sd": float(values.std(ddof=0))}
    return {name: None if np.isnan(value) else value for name, value in moments.items()}


def shares(labels: pd.Series) -> dict[str, dict[str, Any]]:
    """Rows and share of every label."""
    counts = labels.value_counts().sort_index()
    return {str(name): {"rows": int(n), "share": quantity(n / len(labels), PERCENT)} for name, n in counts.items()}


def correlations(frame: pd.DataFrame) -> pd.DataFrame:
    """Pearson correlations of CORRELATED, pairwise complete; log10 of LOGGED, whose names then say so."""
    columns = {}
    for column in CORRELATED:
        values = frame[column].astype(np.float64)
        name = f"log10 {column}" if column in LOGGED else column
        columns[name] = np.log10(values.where(values > 0)) if column in LOGGED else values
    return pd.DataFrame(columns).corr()


def memory(frame: pd.DataFrame, minutes: tuple[int, ...] = (5, 15, 30, 60, 180)) -> pd.DataFrame:
    """Correlation of REMEMBERED variables with themselves some minutes later in the same storm; logarithms of LOGGED.

    Rows are variables, columns minutes.
    """
    values = frame[REMEMBERED].apply(lambda column: np.log10(column) if column.name in LOGGED else column)
    values.index = pd.MultiIndex.from_arrays([frame["storm"], frame["time"]])
    found = {}
    for lag in minutes:
        later = values.copy()
        later.index = pd.MultiIndex.from_arrays([frame["storm"], frame["time"] - pd.Timedelta(minutes=lag)])
        found[lag] = values.corrwith(later.reindex(values.index))
    return pd.DataFrame(found)


def likeliest_regimes(frame: pd.DataFrame, kelvin: float = 4.0, decades: float = 0.5, least: int = 30) -> pd.DataFrame:
    """The most frequent of `regime9` by air temperature (C, rows) and log10 Nt (columns), with its share.

    Bins are named by their lower ends; those with fewer than `least` rows are empty. The study published the
    probabilities of its regimes by the same two variables.
    """
    celsius = kelvin * np.floor((frame["T"] - FREEZING) / kelvin)
    number = decades * np.floor(np.log10(frame["Nt"].where(frame["Nt"] > 0)) / decades)
    counts = pd.crosstab([celsius.rename("T (C)"), number.rename("log10 Nt")], frame["regime9"])
    total = counts.sum(axis=1)
    share = 100 * counts.max(axis=1) / total
    text = counts.idxmax(axis=1) + share.map(" {:.0f} %".format)
    return text.where(total >= least, "").unstack(fill_value="")


def varied_storm(frame: pd.DataFrame, label: str = "regime3", least: int = 24) -> pd.DataFrame:
    """The rows of the storm whose labels are spread most evenly (largest entropy), of at least `least` records.

    Without a storm that long, the longest one.
    """
    counts = frame.groupby(["storm", label]).size().unstack(fill_value=0)
    total = counts.sum(axis=1)
    p = counts.div(total, axis=0)
    entropy = -(p * np.log(p.where(p > 0, 1.0))).sum(axis=1)
    long_enough = entropy[total >= least]
    chosen = long_enough.idxmax() if len(long_enough) else total.idxmax()
    return frame[frame["storm"] == chosen]
