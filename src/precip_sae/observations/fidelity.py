"""How near a table comes to the published statistics of Marquette: one row per statistic, passed or not.

The simulator's constants and these tolerances were settled while looking at this report for seed 2025, so passing
is a description of the fit, not an independent test of it: seed 2025 passes 126 of 132, other seeds 116 to 124.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from precip_sae.observations.labels import FREEZING

TRAIN_SHARE = 0.6
"""The published scalers are fitted on the first 60 % of the rows."""

CAP = 3000.0  # height (m) of gate 29, the highest


@dataclass(frozen=True)
class Target:
    """A published statistic: value, tolerance, and where it was read.

    tag: V in the authors' files word for word, C computed from a published file, D digitised from a figure.
    """

    published: float
    tolerance: float
    tag: str


@dataclass(frozen=True)
class Line:
    """A published regression y = intercept + slope x of one phase, and its spread: `residual` or `r`."""

    kind: str
    y: str
    x: str
    intercept: float
    slope: float
    measure: str
    spread: float
    tag: str


# Scalers of the shipped classifier (mean, standard deviation), over the rows that are not Ambiguous.
CLASSIFIER = {
    "log10 n0": (Target(2.491, 0.10, "V"), Target(0.775, 0.08, "V")),
    "log10 Rho": (Target(-0.745, 0.06, "V"), Target(0.475, 0.05, "V")),
    "log10 Dm": (Target(0.181, 0.05, "V"), Target(0.236, 0.03, "V")),
    "T (K)": (Target(271.16, 1.0, "V"), Target(9.00, 0.9, "V")),
    "RH (%)": (Target(90.42, 0.8, "V"), Target(6.13, 0.6, "V")),
}
# Scalers of the shipped regressor, over the rows with an echo at both gates.
REGRESSOR = {
    "reflectivity_3 (dBZ)": (Target(10.39, 1.5, "V"), Target(9.82, 1.5, "V")),
    "reflectivity_4 (dBZ)": (Target(10.69, 1.5, "V"), Target(9.31, 1.5, "V")),
    "n0 (m^-3 mm^-1)": (Target(1284, 400, "V"), Target(2497, 800, "V")),
    "lambda (mm^-1)": (Target(0.790, 0.04, "V"), Target(0.204, 0.04, "V")),
    "t_15 (K)": (Target(267.11, 1.5, "V"), Target(10.34, 1.5, "V")),
}
# Quartiles of surface weather, Snow and Rain by density: temperature in C, humidity in %, hPa, m/s.
QUARTILES = {
    ("T (C)", "Snow"): ((-11.1, -7.0, -3.2), 1.2),
    ("T (C)", "Rain"): ((3.4, 6.9, 13.3), 1.2),
    ("RH (%)", "Snow"): ((85.1, 89.0, 92.8), 1.0),
    ("RH (%)", "Rain"): ((93.0, 94.9, 96.8), 1.0),
    ("P (hPa)", "Snow"): ((1009.1, 1015.4, 1022.2), 1.5),
    ("P (hPa)", "Rain"): ((1004.2, 1009.7, 1013.9), 1.5),
    ("WS (m/s)", "Snow"): ((2.3, 3.1, 4.4), 0.3),
    ("WS (m/s)", "Rain"): ((1.4, 2.2, 3.1), 0.3),
}
# Mean and standard deviation by phase.
MOMENTS = {
    "Snow": {
        "log10 n0": (Target(2.49, 0.10, "C"), Target(0.82, 0.10, "C")),
        "log10 lambda": (Target(-0.105, 0.02, "C"), Target(0.116, 0.02, "C")),
        "Fs (m/s)": (Target(0.95, 0.10, "C"), Target(0.35, 0.07, "C")),
        "log10 Rho": (Target(-1.00, 0.05, "C"), Target(0.26, 0.04, "C")),
        "log10 Sr": (Target(-1.37, 0.15, "C"), Target(0.99, 0.15, "C")),
        "log10 Nt": (Target(3.93, 0.10, "C"), Target(0.75, 0.10, "C")),
        "log10 Dm": (Target(0.145, 0.05, "C"), Target(0.230, 0.03, "C")),
    },
    "Rain": {
        "log10 lambda": (Target(-0.110, 0.03, "D"), Target(0.092, 0.03, "D")),
        "log10 n0": (Target(2.27, 0.10, "D"), Target(0.58, 0.10, "D")),
        "log10 Rho": (Target(-0.109, 0.03, "D"), Target(0.054, 0.03, "D")),
        "Fs (m/s)": (Target(4.06, 0.30, "D"), Target(0.88, 0.20, "D")),
        "log10 Dm": (Target(0.004, 0.04, "D"), Target(0.120, 0.03, "D")),
    },
}
# Regressions of y on x by phase; `spread` is the residual or the correlation.
LINES = (
    Line("Snow", "log10 n0", "log10 lambda", 3.013, 4.905, "residual", 0.595, "C"),
    Line("Snow", "Fs (m/s)", "log10 Rho", 1.772, 0.829, "residual", 0.216, "C"),
    Line("Snow", "log10 lambda", "log10 Dm", -0.076, -0.235, "r", -0.48, "C"),
    Line("Rain", "log10 n0", "log10 lambda", 2.65, 3.51, "residual", 0.48, "D"),
    Line("Rain", "log10 lambda", "log10 Dm", -0.108, -0.513, "r", -0.67, "D"),
)
SHARES = {"Ambiguous": 0.12 + 0.02, "Mixed-phase": 0.29, "Rain": 0.16, "Snow": 0.42}
# Correlations at Marquette in 2019, which holds mostly snow; those of 0.15 and more, in natural logarithms there.
CORRELATIONS = {
    ("log10 Nt", "log10 n0"): 0.992,
    ("log10 Nt", "log10 Sr"): 0.639,
    ("log10 Nt", "log10 lambda"): 0.639,
    ("log10 Nt", "RH (%)"): 0.247,
    ("log10 Nt", "T (C)"): -0.239,
    ("log10 n0", "log10 lambda"): 0.733,
    ("log10 n0", "Fs (m/s)"): 0.208,
    ("Fs (m/s)", "ETH (m)"): 0.529,
    ("Fs (m/s)", "log10 Rho"): 0.388,
    ("Fs (m/s)", "RH (%)"): 0.380,
    ("Fs (m/s)", "T (C)"): 0.467,
    ("Fs (m/s)", "log10 Dm"): 0.325,
    ("Fs (m/s)", "P (hPa)"): -0.247,
    ("Fs (m/s)", "log10 Sr"): 0.231,
    ("ETH (m)", "log10 Rho"): 0.451,
    ("ETH (m)", "T (C)"): 0.529,
    ("ETH (m)", "RH (%)"): 0.255,
    ("ETH (m)", "WS (m/s)"): -0.200,
    ("ETH (m)", "P (hPa)"): -0.333,
    ("log10 Sr", "T (C)"): -0.263,
    ("log10 Sr", "log10 Dm"): 0.263,
    ("log10 Sr", "log10 lambda"): 0.286,
    ("log10 Sr", "RH (%)"): 0.184,
    ("RH (%)", "log10 Rho"): 0.412,
    ("RH (%)", "T (C)"): 0.365,
    ("RH (%)", "P (hPa)"): -0.349,
    ("RH (%)", "log10 lambda"): 0.216,
    ("log10 Rho", "T (C)"): 0.576,
    ("log10 Rho", "log10 Dm"): -0.561,
    ("log10 Rho", "P (hPa)"): -0.255,
    ("log10 Rho", "log10 lambda"): 0.271,
    ("log10 lambda", "log10 Dm"): -0.514,
    ("T (C)", "P (hPa)"): -0.404,
    ("T (C)", "WS (m/s)"): -0.176,
    ("T (C)", "log10 Dm"): -0.192,
}


def compare(frame: pd.DataFrame) -> pd.DataFrame:
    """The published statistics beside those of a table of observations.

    Columns: statistic, published, simulated, tolerance, passed, tag (V, C or D as in `Target`). Correlations pass
    when the sign is the published one; their tolerance is given as NaN. Tolerances are this package's own:
    the reading error of figures, the variation between seeds, and the disagreement among the published tables
    themselves (log10 Dm is 0.181 over all phases, yet 0.145 in snow and 0.004 in rain).
    """
    rows = []
    for statistic, target, simulated in _statistics(frame):
        passed = abs(simulated - target.published) <= target.tolerance
        if np.isnan(target.tolerance):
            passed = simulated * target.published > 0
        rows.append((statistic, target.published, simulated, target.tolerance, bool(passed), target.tag))
    return pd.DataFrame(rows, columns=["statistic", "published", "simulated", "tolerance", "passed", "tag"])


def quantities(frame: pd.DataFrame) -> pd.DataFrame:
    """The quantities that published statistics speak of, one column each, logarithms where theirs are."""
    with np.errstate(divide="ignore"):
        logs = {f"log10 {name}": np.log10(frame[name]) for name in ("n0", "lambda", "Nt", "Rho", "Dm", "Sr")}
    plain = {
        "T (K)": frame["T"], "T (C)": frame["T"] - FREEZING, "RH (%)": frame["RH"], "P (hPa)": frame["P"],
        "WS (m/s)": frame["WS"], "ETH (m)": frame["ETH"], "Fs (m/s)": frame["Fs"], "t_15 (K)": frame["t_15"],
        "n0 (m^-3 mm^-1)": frame["n0"], "lambda (mm^-1)": frame["lambda"],
        "reflectivity_3 (dBZ)": frame["reflectivity_3"], "reflectivity_4 (dBZ)": frame["reflectivity_4"],
    }  # fmt: skip
    return pd.DataFrame(logs | plain)


def _statistics(frame: pd.DataFrame) -> Iterator[tuple[str, Target, float]]:
    """Every statistic: its sentence, what is published, and what the table gives."""
    q = quantities(frame)
    is_first = np.arange(len(frame)) < TRAIN_SHARE * len(frame)
    known = (frame["regime3"] != "Ambiguous").to_numpy() & is_first
    heard = frame[["reflectivity_3", "reflectivity_4"]].notna().all(axis=1).to_numpy() & is_first
    for targets, rows, table in ((CLASSIFIER, known, "classifier"), (REGRESSOR, heard, "regressor")):
        for name, (mean, deviation) in targets.items():
            yield f"{table} table: mean of {name}", mean, q.loc[rows, name].mean()
            yield f"{table} table: standard deviation of {name}", deviation, q.loc[rows, name].std()

    phase = frame["density"]
    for (name, kind), (published, tolerance) in QUARTILES.items():
        for share, value in zip((25, 50, 75), published, strict=True):
            simulated = q.loc[phase == kind, name].quantile(share / 100)
            yield f"{kind.lower()}: {share} % quantile of {name}", Target(value, tolerance, "D"), simulated
    for kind, targets in MOMENTS.items():
        for name, (mean, deviation) in targets.items():
            yield f"{kind.lower()}: mean of {name}", mean, q.loc[phase == kind, name].mean()
            yield f"{kind.lower()}: standard deviation of {name}", deviation, q.loc[phase == kind, name].std()
    for line in LINES:
        yield from _line(q.loc[phase == line.kind, line.x], q.loc[phase == line.kind, line.y], line)

    ratio = frame["Nt"] * frame["lambda"] / (25 * frame["n0"])
    yield "mean of Nt lambda / (25 n0)", Target(0.858, 0.02, "C"), ratio.mean()
    yield "standard deviation of Nt lambda / (25 n0)", Target(0.013, 0.01, "C"), ratio.std()
    for name, share in SHARES.items():
        simulated = (frame["regime3"] == name).mean()
        yield f"share of regime {name}", Target(share, 0.05, "C"), simulated
    yield "share of echo tops at the highest gate", Target(0.5, 0.1, "D"), (frame["ETH"] >= CAP).mean()
    low = frame.loc[frame["ETH"] < CAP, "ETH"].between(600, 1300).mean()
    yield "share of lower echo tops at gates 5-12", Target(0.8, 0.2, "D"), low
    yield from _profiles(frame)
    snow = q[phase == "Snow"]
    for (a, b), r in CORRELATIONS.items():
        yield f"snow: correlation of {a} and {b}", Target(r, np.nan, "C"), snow[a].corr(snow[b])


def _line(x: pd.Series, y: pd.Series, line: Line) -> Iterator[tuple[str, Target, float]]:
    """Slope, height in the middle of the data, and spread of a regression line."""
    # a table without enough of a phase has no line, and so none that agrees
    usable = np.isfinite(x) & np.isfinite(y)
    slope, intercept = np.polyfit(x[usable], y[usable], 1) if x[usable].nunique() > 1 else (np.nan, np.nan)
    spread = (y - slope * x - intercept).std() if line.measure == "residual" else x.corr(y)
    name = f"{line.kind.lower()}: {line.y} on {line.x}"
    yield f"{name}, slope", Target(line.slope, 0.25 * abs(line.slope), line.tag), slope
    # intercepts lie outside the data, so the lines are compared at the mean of x
    height = Target(line.intercept + line.slope * x.mean(), 0.2 * y.std(), line.tag)
    yield f"{name}, at the mean", height, y.mean()
    yield f"{name}, {line.measure}", Target(line.spread, 0.2 * abs(line.spread), line.tag), spread


def _profiles(frame: pd.DataFrame) -> Iterator[tuple[str, Target, float]]:
    """Radar profiles under a melting layer and in deep snow (published for two days).

    By the true phase where it is known, else by that of the density.
    """
    deep = frame[frame["ETH"] >= CAP]
    phase = deep["phase" if "phase" in frame else "density"]
    rain = deep[(phase == "Rain") & (deep["T"] - FREEZING).between(5, 10)]
    snow = deep[phase == "Snow"]
    yield "rain, deep: median Ze at 400 m (dBZ)", Target(20, 4, "D"), rain["reflectivity_3"].median()
    yield "rain, deep: median Ze at 3000 m (dBZ)", Target(8, 4, "D"), rain["reflectivity_29"].median()
    yield "rain, deep: median velocity at 400 m (m/s)", Target(5.5, 1.5, "D"), rain["dv_3"].median()
    yield "snow, deep: median Ze at 400 m (dBZ)", Target(12, 5, "D"), snow["reflectivity_3"].median()
    fall = (snow["reflectivity_3"] - snow["reflectivity_29"]).median() / 26
    yield "snow, deep: fall of Ze per 100 m (dB)", Target(0.3, 0.1, "D"), fall
    yield "snow, deep: median velocity at 400 m (m/s)", Target(1.2, 0.3, "D"), snow["dv_3"].median()
