"""How near a table comes to the published statistics of Marquette: one row per statistic, PASS or FAIL.

Two kinds of statistics. Those of `required` set the standard that the simulator is built to. Those `beyond` were
compared as well, with this package's own, looser tolerances: they say what else the simulation has right or wrong. The
simulator's constants were chosen while looking at both, so passing describes the fit and is no independent test of it;
other seeds than the default one guard against fitting its noise. Where two published figures exclude each other, one
of them was given up: `CONTRADICTED` says which and why, and it counts neither as met nor as missed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from precip_sae.observations.labels import FREEZING, TRANSITIONS
from precip_sae.observations.published import (
    CAP,
    CLASSIFIER,
    CONTRADICTED,
    CORRELATIONS,
    CROSSINGS,
    LINES,
    MOMENTS,
    QUARTILES,
    REGRESSOR,
    SCALER_TOLERANCE,
    SHARE_TOLERANCE,
    SHARES,
    SNOWFALL,
    SNOWFALL_TOLERANCE,
    Target,
)
from precip_sae.tasks.parts import NETWORK_SHARE

SLOPE_TOLERANCE, RESIDUAL_TOLERANCE = 0.15, 0.20  # relative

NT_IDENTITY, NT_TOLERANCE = 0.858, 0.03  # Nt = 0.858 x 25 n0 / lambda
CROSSING_TOLERANCE, WIDTH, WIDTH_TOLERANCE = 0.5, 2.0, 1.0
CORRELATION_RMS, CORRELATION_SIGN = 0.10, 0.2

COLUMNS = ("group", "statistic", "published", "simulated", "difference", "tolerance", "passed", "tag", "required",
           "contradicts", "verdict")  # fmt: skip
PASS, FAIL, SET_ASIDE = "PASS", "FAIL", "CONTRADICTED"


def compare(frame: pd.DataFrame) -> pd.DataFrame:
    """The published statistics beside those of a table of observations.

    Columns: COLUMNS. `tag` is V, C or D as in `Target`; `contradicts` holds the entry of CONTRADICTED, else nothing;
    `verdict` is PASS, FAIL or, where `contradicts` says something, CONTRADICTED.
    """
    q = quantities(frame)
    labelled = (frame["regime3"] != "Ambiguous").to_numpy()
    groups = {
        "classifier's inputs": _scaler(q, CLASSIFIER, "classifier", fitted(q, CLASSIFIER, labelled)),
        "regressor's inputs": _scaler(q, REGRESSOR, "regressor", fitted(q, REGRESSOR)),
        "weather by phase": _quartiles(frame, q),
        "regressions": _lines(frame, q),
        "number": _identity(frame),
        "correlations": _correlation(q[frame["density"] == "Snow"]),
        "regimes": _regimes(frame, q),
        "snowfall rate": _snowfall(q[frame["density"] == "Snow"]),
        "echo tops": _echo_tops(frame),
        "radar profiles": _profiles(frame),
        "moments by phase": _moments(frame, q),
        "single correlations": _pairs(q[frame["density"] == "Snow"]),
    }
    return judged((group, *found) for group, statistics in groups.items() for found in statistics)


def judged(found: Iterable[tuple[str, str, Target, float]]) -> pd.DataFrame:
    """Rows of `compare` from group, statistic, target and what the table gives."""
    rows = []
    for group, statistic, t, simulated in found:
        difference = simulated - t.published
        passed = bool(abs(difference) <= t.tolerance)
        contradicts = CONTRADICTED.get(statistic, "")
        verdict = SET_ASIDE if contradicts else PASS if passed else FAIL
        rows.append(
            (group, statistic, t.published, simulated, difference, t.tolerance, passed, t.tag, t.required,
             contradicts, verdict)
        )  # fmt: skip
    return pd.DataFrame(rows, columns=list(COLUMNS))


def counts(compared: pd.DataFrame) -> dict[str, Any]:
    """How many statistics of `compare` passed: of the standard, and of those beyond it.

    `of` counts those that could pass; `contradicted` are the others.
    """

    def of(rows: pd.DataFrame) -> dict[str, int]:
        aside = rows["verdict"] == SET_ASIDE
        passed = int((rows["verdict"] == PASS).sum())
        return {"passed": passed, "of": int((~aside).sum()), "contradicted": int(aside.sum())}

    required = compared["required"]
    return {**of(compared[required]), "beyond": of(compared[~required])}


def quantities(frame: pd.DataFrame) -> pd.DataFrame:
    """The quantities that published statistics speak of, one column each, logarithms where theirs are.

    A rate of zero has no logarithm: NaN.
    """
    logs = {f"log10 {k}": np.log10(frame[k].where(frame[k] > 0)) for k in ("n0", "lambda", "Nt", "Rho", "Dm", "Sr")}
    plain = {
        "T (K)": frame["T"], "T (C)": frame["T"] - FREEZING, "RH (%)": frame["RH"], "P (hPa)": frame["P"],
        "WS (m/s)": frame["WS"], "ETH (m)": frame["ETH"], "Fs (m/s)": frame["Fs"],
        "t_15 (K)": frame.get("t_15", np.nan),
        "n0 (m^-3 mm^-1)": frame["n0"], "lambda (mm^-1)": frame["lambda"],
        "reflectivity_3 (dBZ)": frame["reflectivity_3"], "reflectivity_4 (dBZ)": frame["reflectivity_4"],
    }  # fmt: skip
    return pd.DataFrame(logs | plain)


def published_correlations(name: str) -> pd.DataFrame:
    """A published correlation matrix of CORRELATIONS, square and named as `quantities`."""
    names, rows = CORRELATIONS[name]
    matrix = np.eye(len(names))
    upper = np.triu_indices(len(names), 1)
    matrix[upper] = [r for row in rows for r in row]
    matrix.T[upper] = matrix[upper]
    return pd.DataFrame(matrix, index=names, columns=names)


Statistics = Iterator[tuple[str, Target, float]]
"""Of every statistic: its sentence, what is published, and what the table gives."""


def fitted(q: pd.DataFrame, names: Iterable[str], known: NDArray[np.bool_] | None = None) -> NDArray[np.bool_]:
    """Which rows `tasks.prepare` fits a scaler to: the first 60 % of those that it keeps.

    Args:
        q: see `quantities`, in time order.
        names: inputs; a row without one of them is dropped.
        known: rows (rows,) with a response; None for all.
    """
    # an archive may lack the profiles of the air; the other inputs then stand alone
    there = [name for name in names if q[name].notna().any()]
    kept = np.isfinite(q[there].to_numpy(dtype=float)).all(axis=1)
    if known is not None:
        kept &= known
    return kept & (np.cumsum(kept) <= int(NETWORK_SHARE * kept.sum()))


def _scaler(
    q: pd.DataFrame, scaler: Mapping[str, tuple[float, float]], table: str, rows: NDArray[np.bool_]
) -> Statistics:
    """Means and standard deviations (denominator n, as theirs) of the inputs of a shipped network over `rows`."""
    for name, (mean, deviation) in scaler.items():
        tolerance = SCALER_TOLERANCE * deviation
        yield f"{table} table: mean of {name}", Target(mean, tolerance, "V"), q.loc[rows, name].mean()
        target = Target(deviation, tolerance, "V")
        yield f"{table} table: standard deviation of {name}", target, q.loc[rows, name].std(ddof=0)


def _quartiles(frame: pd.DataFrame, q: pd.DataFrame) -> Statistics:
    """Quartiles of the surface weather in snow and rain."""
    for (name, kind), (published, tolerance) in QUARTILES.items():
        values = q.loc[frame["density"] == kind, name]
        for share, value in zip((25, 50, 75), published, strict=True):
            statistic = f"{kind.lower()}: {share} % quantile of {name}"
            yield statistic, Target(value, tolerance, "D"), values.quantile(share / 100)


def _lines(frame: pd.DataFrame, q: pd.DataFrame) -> Statistics:
    """Slope and residual of the regression lines by phase, and their heights in the middle of the data."""
    for line in LINES:
        rows = frame["density"] == line.kind
        x, y = q.loc[rows, line.x], q.loc[rows, line.y]
        # a table without enough of a phase has no line, and so none that agrees
        usable = np.isfinite(x) & np.isfinite(y)
        slope, intercept = np.polyfit(x[usable], y[usable], 1) if x[usable].nunique() > 1 else (np.nan, np.nan)
        residual = (y - slope * x - intercept).std()
        name = f"{line.kind.lower()}: {line.y} on {line.x}"
        yield f"{name}, slope", Target(line.slope, SLOPE_TOLERANCE * abs(line.slope), line.tag), slope
        yield f"{name}, residual", Target(line.residual, RESIDUAL_TOLERANCE * line.residual, line.tag), residual
        # the published intercept lies outside the data, so the lines are compared at the mean of x
        height = Target(line.intercept + line.slope * x.mean(), 0.2 * y.std(), line.tag, required=False)
        yield f"{name}, at the mean", height, y.mean()


def _identity(frame: pd.DataFrame) -> Statistics:
    """Nt carries nothing beyond n0 and lambda."""
    ratio = frame["Nt"] * frame["lambda"] / (25 * frame["n0"])
    yield "mean of Nt lambda / (25 n0)", Target(NT_IDENTITY, NT_TOLERANCE * NT_IDENTITY, "C"), ratio.mean()
    yield "standard deviation of Nt lambda / (25 n0)", Target(0.013, 0.01, "C", required=False), ratio.std()


def _correlation(snow: pd.DataFrame) -> Statistics:
    """Distance of the correlation matrix of snow from the published ones, and signs that differ."""
    for name in CORRELATIONS:
        published = published_correlations(name)
        upper = np.triu_indices(len(published), 1)
        r, theirs = snow[list(published)].corr().to_numpy()[upper], published.to_numpy()[upper]
        rms = np.sqrt(np.mean((r - theirs) ** 2))
        yield f"snow: correlations of {name}, root-mean-square difference", Target(0.0, CORRELATION_RMS, "C"), rms
        wrong = ((r * theirs < 0) & (np.abs(theirs) > CORRELATION_SIGN)).sum()
        yield f"snow: correlations of {name} above 0.2, wrong signs", Target(0.0, 0.0, "C"), float(wrong)


def _regimes(frame: pd.DataFrame, q: pd.DataFrame) -> Statistics:
    """Shares of the regimes, and the temperatures at which one phase gives way to the next."""
    regime = frame["regime3"].mask(frame["regime9"].isin(TRANSITIONS), "Transitions")
    for name, share in SHARES.items():
        yield f"share of regime {name}", Target(share, SHARE_TOLERANCE, "C"), (regime == name).mean()
    for (colder, warmer), published in CROSSINGS.items():
        at, width = crossing(q["T (C)"].to_numpy(), (regime == colder).to_numpy(), (regime == warmer).to_numpy())
        name = f"{colder} to {warmer}"
        yield f"{name}: equally likely at T (C)", Target(published, CROSSING_TOLERANCE, "D"), at
        yield f"{name}: width in T (K)", Target(WIDTH, WIDTH_TOLERANCE, "D"), width
    by_density = Target(0.216, SHARE_TOLERANCE, "D", required=False)
    yield "share of rain by density", by_density, (frame["density"] == "Rain").mean()


def _snowfall(snow: pd.DataFrame) -> Statistics:
    """Mean and spread of the snowfall rate."""
    tolerance = SNOWFALL_TOLERANCE * SNOWFALL[1]
    yield "snow: mean of log10 Sr", Target(SNOWFALL[0], tolerance, "C"), snow["log10 Sr"].mean()
    yield "snow: standard deviation of log10 Sr", Target(SNOWFALL[1], tolerance, "C"), snow["log10 Sr"].std()


def _echo_tops(frame: pd.DataFrame) -> Statistics:
    """Half of the echoes reach the highest gate, most of the others end in shallow clouds."""
    tops = frame["ETH"].dropna()
    yield "share of echo tops at the highest gate", Target(0.5, 0.1, "D"), (tops >= CAP).mean()
    low = tops[tops < CAP].between(600, 1300).mean()
    yield "share of lower echo tops at gates 5-12", Target(0.8, 0.2, "D"), low


def crossing(temperature: NDArray, colder: NDArray, warmer: NDArray, step: float = 0.25) -> tuple[float, float]:
    """Where (C) the warmer of two phases becomes the likelier, and over how many K it goes from 10 to 90 %.

    temperature (records,) in C; colder, warmer (records,) bool: records of either phase. The share of `warmer` among
    the two is taken in bins of `step` K, made monotone by a running maximum from below and minimum from above, and
    interpolated; bins that hold fewer than 10 records of the two are left out. NaN without a crossing.
    """
    both = colder | warmer
    place = np.floor(temperature[both] / step).astype(int)
    bins, inverse, counts = np.unique(place, return_inverse=True, return_counts=True)
    share = np.bincount(inverse, weights=warmer[both]) / counts
    kept = counts >= 10
    centre, share = (bins[kept] + 0.5) * step, share[kept]
    if share.size == 0 or share.min() > 0.1 or share.max() < 0.9:
        return np.nan, np.nan
    smooth = 0.5 * (np.maximum.accumulate(share) + np.minimum.accumulate(share[::-1])[::-1])
    smooth = smooth + 1e-9 * np.arange(smooth.size)  # interpolation wants it to increase
    low, middle, high = np.interp([0.1, 0.5, 0.9], smooth, centre)
    return float(middle), float(high - low)


def _profiles(frame: pd.DataFrame) -> Statistics:
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


def _moments(frame: pd.DataFrame, q: pd.DataFrame) -> Statistics:
    """Means and standard deviations by phase."""
    for kind, targets in MOMENTS.items():
        values = q[frame["density"] == kind]
        for name, (mean, deviation) in targets.items():
            yield f"{kind.lower()}: mean of {name}", replace(mean, required=False), values[name].mean()
            yield (
                f"{kind.lower()}: standard deviation of {name}",
                replace(deviation, required=False),
                values[name].std(),
            )


def _pairs(snow: pd.DataFrame) -> Statistics:
    """The stronger correlations in snow, one by one."""
    published = published_correlations("Marquette 2019")
    for a, b in combinations(published, 2):
        r = published.loc[a, b]
        if abs(r) > CORRELATION_SIGN:
            yield f"snow: correlation of {a} and {b}", Target(r, 0.2, "C", required=False), snow[a].corr(snow[b])
