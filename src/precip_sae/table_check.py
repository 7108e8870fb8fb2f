"""What a task would use of a table, and what looks wrong with it: looked at before anything is trained."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from precip_sae.errors import TableError
from precip_sae.models.skill import baselines
from precip_sae.search.plan import Plan, plan, pool_data, with_pool
from precip_sae.settings import DataSettings, SubsetSettings
from precip_sae.tables.conversion import looks_wrong
from precip_sae.tables.read import Table, name_in_file, read
from precip_sae.tasks.folds import every_fold, fold_name
from precip_sae.tasks.parts import PARTS, keeps_classes
from precip_sae.tasks.prepare import MINIMUM_CLASS, Prepared, prepare

# Above these a warning is given; chosen so that the tables of the study and the real ones at hand are judged as a
# person would.
DETERMINED = 0.995  # accuracy or R² of one predictor alone
TWINS = 0.999  # |rank correlation| of two predictors
ONE_VALUE = 0.99  # share of one value in a column
LOST = 0.2  # share of rows not used
REPEATED = 0.01  # share of the test rows that stand in the training part too
LEARNABLE = (0.01, 100.0)  # standard deviation of a response that is not standardised
DRIFT = 1.0  # distance of the test part's mean, in standard deviations of the training part
MOST_LOOKED_AT = 20_000  # rows that a tree is grown on


@dataclass(frozen=True)
class Report:
    """What `check` found.

    Attributes:
        table: what was read.
        columns: a row per column used, by the task or its search: its name in the file, unit there and here,
            transform, missing values, least, median and largest value in the unit used.
        counts: rows read, dropped by reason, and of each part; empty after a refusal.
        parts: a row per part: rows, first and last time, and classes (rows) or mean and standard deviation of the
            response, or of each; empty after a refusal.
        baselines: see `models.skill.baselines`; empty after a refusal.
        warnings: sentences.
        search: number of subsets and of models, least and most rows that a subset has; empty without a search.
        refusal: why the table cannot be used; None if it can.
    """

    table: Table
    columns: pd.DataFrame
    warnings: list[str]
    counts: dict[str, int] = field(default_factory=dict)
    parts: pd.DataFrame = field(default_factory=pd.DataFrame)
    baselines: dict[str, dict[str, Any]] = field(default_factory=dict)
    search: dict[str, int] = field(default_factory=dict)
    refusal: TableError | None = None


def shown(report: Report, source: str, responses: Sequence[str]) -> Iterator[Any]:
    """The report for a terminal: text and rich tables.

    Args:
        source: the table's name; responses: the columns to predict.
    """
    table = report.table
    unused = len(table.columns) - report.columns["in the file"].nunique()
    yield f"{source}: {table.kind}, {table.rows} rows, {len(table.columns)} columns, {unused} of them not used."
    yield ""
    yield _rich(report.columns.reset_index())
    if report.counts:
        yield ""
        yield "Rows: " + "; ".join(f"{reason} {rows}" for reason, rows in report.counts.items()) + "."
        yield ""
        yield _rich(report.parts.rename_axis("part").reset_index())
        for response in responses:
            found = {name: row[response] if len(responses) > 1 else row for name, row in report.baselines.items()}
            yield ""
            yield f"What a network has to beat on the test part, predicting {response}:"
            yield _rich(pd.DataFrame(found).T.rename_axis("forecast").reset_index())
    if search := report.search:
        yield ""
        yield (
            f"Search: {search['subsets']} subsets of its pool, {search['models']} models, "
            f"on {search['least']} to {search['most']} rows."
        )
    for warning in report.warnings:
        yield ""
        yield f"Note: {warning}"


def _rich(frame: pd.DataFrame) -> Any:
    from rich.table import Table as Rich

    shown = frame.map(lambda v: "" if pd.isna(v) else f"{v:.4g}" if isinstance(v, float) else str(v))
    shown = shown.loc[:, (shown != "").any()]
    drawn = Rich(*map(str, shown.columns), box=None, pad_edge=False)
    for row in shown.itertuples(index=False):
        drawn.add_row(*row)
    return drawn


def check(
    path: Path,
    data: DataSettings,
    subsets: SubsetSettings | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Report:
    """Reads and prepares the table as the stages would, and looks for what is likely to be a mistake.

    Args:
        path: the file, which stands for `data.table`.
        subsets: the task's search, whose pool is looked at too.
        progress: see `tables.read.read`.

    Raises:
        TableError: the file cannot be read. What is wrong with its contents is `Report.refusal`.
    """
    data = data.model_copy(update={"table": str(path)})
    whole = with_pool(data, subsets)
    table = read(path, whole, progress)
    columns = describe_columns(table, whole)
    warnings = [*_column_warnings(table.frame, columns, whole), *_time_warnings(table.frame, data)]
    try:
        prepared, *others = [prepare(table.frame, one) for one in every_fold(data)]
        search = _search(plan(table.frame, data, subsets)) if subsets else {}
    except TableError as error:
        return Report(table, columns, warnings, refusal=error)
    if others:
        warnings.append(f"The parts are those of {fold_name(prepared.data)}; the others can be prepared too.")
    parts = describe_parts(table.frame, prepared)
    scores = baselines(prepared)
    warnings += [*_part_warnings(prepared, parts), *_about_responses(table.frame, prepared)]
    for response in data.responses:
        linear = scores["linear"][response] if data.several else scores["linear"]
        warnings += _leaks(_with_response(prepared, response), linear)
    if subsets:
        for column in whole.predictors[len(data.predictors) :]:
            one = prepare(table.frame, pool_data(data, subsets, [column]))
            for response in data.responses:
                warnings += _leaks(_with_response(one, response))
    return Report(table, columns, warnings, prepared.counts, parts, scores, search)


def describe_columns(table: Table, data: DataSettings) -> pd.DataFrame:
    """See `Report.columns`; one row per column that the task uses."""
    rows = []
    for column in data.columns:
        values = table.frame[column]
        numeric = pd.api.types.is_float_dtype(values)
        finite = values[np.isfinite(values)] if numeric else values.dropna()
        ordered = numeric or pd.api.types.is_datetime64_any_dtype(values)
        given, wanted = table.units.get(column, ""), data.units.get(column, "")
        rows.append(
            {
                "column": column,
                "in the file": name_in_file(column, data, table.columns),
                "unit there": given,
                "unit": wanted,
                "transform": data.transforms.get(column, ""),
                "missing": len(values) - len(finite),
                "infinite": int(np.isinf(values).sum()) if numeric else 0,
                "values": int(finite.nunique()),
                "least": finite.min() if ordered and len(finite) else None,
                "median": finite.median() if ordered and len(finite) else None,
                "largest": finite.max() if ordered and len(finite) else None,
            }
        )
    return pd.DataFrame(rows).set_index("column")


def describe_parts(frame: pd.DataFrame, prepared: Prepared) -> pd.DataFrame:
    """See `Report.parts`; `frame` as read."""
    data, rows = prepared.data, {}
    for name in PARTS:
        mine = frame.loc[prepared.rows[name]]
        row: dict[str, Any] = {"rows": len(mine)}
        if data.time:
            row |= {"from": mine[data.time].min(), "to": mine[data.time].max()}
        if data.groups:
            row["groups"] = int(mine[data.groups].nunique())
        if data.kind == "classification":
            row |= dict(
                zip(data.classes, np.bincount(prepared.parts[name].y, minlength=len(data.classes)), strict=True)
            )
        for response in data.responses if data.kind == "regression" else ():
            of = f" {response}" if data.several else ""
            row |= {f"mean{of}": float(mine[response].mean()), f"sd{of}": float(mine[response].std(ddof=0))}
        rows[name] = row
    return pd.DataFrame.from_dict(rows, orient="index")


def _search(planned: Plan) -> dict[str, int]:
    """See `Report.search`."""
    rows = [sum(len(part) for part in prepared.parts.values()) for prepared in planned.prepared]
    return {"subsets": len(planned.names), "models": planned.models, "least": min(rows), "most": max(rows)}


def _column_warnings(frame: pd.DataFrame, columns: pd.DataFrame, data: DataSettings) -> Iterator[str]:
    for column in data.predictors:
        about = columns.loc[column]
        if about["infinite"]:
            yield f"'{column}' holds {about['infinite']} infinite values, which count as missing."
        unit = data.units.get(column)
        if unit and about["values"] and (likely := looks_wrong(float(about["median"]), unit)):
            yield (
                f"'{column}' is said to be in {unit}, but its median is {about['median']:.4g}: it looks like {likely} "
                "(data.file.units converts)."
            )
        values = frame[column].dropna()
        if len(values) and about["values"] > 1 and (share := values.value_counts().iloc[0] / len(values)) >= ONE_VALUE:
            yield f"'{column}' is nearly constant: {share:.1%} of its values are {values.mode().iloc[0]:.4g}."
        if about["missing"] > len(frame) / 2:
            yield f"'{column}' is missing in {about['missing']} of {len(frame)} rows."
    for first, second, r in _twins(frame, data.predictors):
        what = "hold the same values" if frame[first].equals(frame[second]) else f"have the rank correlation {r:.4f}"
        yield f"'{first}' and '{second}' {what}: one of them may be enough."


def _twins(frame: pd.DataFrame, columns: list[str]) -> Iterator[tuple[str, str, float]]:
    """Pairs of columns that say the same."""
    with np.errstate(invalid="ignore", divide="ignore"):
        r = frame[columns].iloc[:: max(1, len(frame) // MOST_LOOKED_AT)].rank().corr().to_numpy()
    for a, b in zip(*np.nonzero(np.triu(np.abs(r) >= TWINS, k=1)), strict=True):
        yield columns[a], columns[b], float(r[a, b])


def _time_warnings(frame: pd.DataFrame, data: DataSettings) -> Iterator[str]:
    if not data.time:
        yield "No column of times is named (data.time): the rows are taken to be in time order."
        return
    times = frame[data.time]
    if times.dtype == object:
        return  # refused when it is sorted
    if repeated := int(times.duplicated().sum()):
        yield (
            f"{repeated} rows have the time of an earlier row of '{data.time}' "
            f"(data.repeated_times: {data.repeated_times})."
        )
    if early := int((times < times.cummax()).sum()):
        yield f"{early} rows stand after a later one; they are put in the order of '{data.time}'."


def _part_warnings(prepared: Prepared, parts: pd.DataFrame) -> Iterator[str]:
    data, counts = prepared.data, prepared.counts
    used = int(parts["rows"].sum())
    if used < (1 - LOST) * counts["read"]:
        yield f"Only {used} of {counts['read']} rows are used ({used / counts['read']:.0%})."
    for response in data.responses if data.kind == "regression" else ():
        y = _with_response(prepared, response).train.y
        if not LEARNABLE[0] <= (sd := float(y.std())) <= LEARNABLE[1]:
            helps = f"data.scaling {'makes it so' if response in data.scaling else 'can make it so'}"
            helps = helps if data.standardise_response else "data.standardise_response helps"
            yield (
                f"The standard deviation of '{response}' is {sd:.3g}: networks learn numbers of about 1 in so many "
                f"steps ({helps})."
            )
    for name in data.classes:
        for part in PARTS[1:]:
            if (rows := parts.loc[part, name]) < MINIMUM_CLASS:
                yield (
                    f"The part {part} holds {rows} rows of class '{name}': its scores say little "
                    f"({keeps_classes(data)})."
                )
    drift = prepared.test.x.mean(axis=0, dtype=np.float64)
    for column, distance in zip(data.predictors, drift, strict=True):
        if abs(distance) > DRIFT:
            yield (
                f"'{column}' has drifted: the test part's mean lies {distance:+.1f} standard deviations from "
                "that of the training and validation parts."
            )
    learnt, test = (pd.DataFrame(np.column_stack([part.x, part.y])) for part in (prepared.train, prepared.test))
    again = test.merge(learnt.drop_duplicates(), how="left", indicator="found")["found"] == "both"
    if again.mean() > REPEATED:
        yield (
            f"Leakage: {again.mean():.1%} of the test rows stand in the training part too, with the same inputs and "
            "response (data.groups keeps rows that belong together in one part)."
        )


def _with_response(prepared: Prepared, response: str) -> Prepared:
    """The same with one of several responses, as it is learnt."""
    data = prepared.data
    if not data.several:
        return prepared
    k = data.responses.index(response)
    parts: dict[str, Any] = {
        name: replace(part, y=np.ascontiguousarray(part.y[:, k])) for name, part in prepared.parts.items()
    }
    mean, scale = (float(np.asarray(value)[k]) for value in (prepared.response_mean, prepared.response_scale))
    return replace(prepared, data=data.one(response), **parts, response_mean=mean, response_scale=scale)


def _about_responses(frame: pd.DataFrame, prepared: Prepared) -> Iterator[str]:
    """What it costs that a row counts only where all of several responses are there, and which say the same."""
    data = prepared.data
    if not data.several:
        return
    there = np.isfinite(frame[data.responses].to_numpy(dtype=float))
    if lost := int((there.any(axis=1) & ~there.all(axis=1)).sum()):
        missing = zip(data.responses, (~there).sum(axis=0).tolist(), strict=True)
        each = ", ".join(f"'{name}' is missing in {rows}" for name, rows in missing)
        yield (
            f"A row is used only where all responses are there, and {lost} of {len(frame)} rows hold one and lack "
            f"another ({each})."
        )
    for first, second, r in _twins(frame, data.responses):
        what = "hold the same values" if frame[first].equals(frame[second]) else f"have the rank correlation {r:.4f}"
        yield f"The responses '{first}' and '{second}' {what}: one of them may be enough."


def _leaks(prepared: Prepared, linear: dict[str, float | None] | None = None) -> Iterator[str]:
    """Predictors that alone, or by a linear rule with these scores, tell the response."""
    data = prepared.data
    score = "accuracy" if data.kind == "classification" else "r2"
    found = False
    for k, column in enumerate(data.predictors):
        reached = _alone(prepared, k)
        if reached >= DETERMINED:
            found = True
            yield (
                f"Leakage: '{column}' alone predicts '{data.responses[0]}' with {_score_name(score)} {reached:.4f} on "
                "the test part: is one made from the other?"
            )
    reached_together = linear[score] if linear else None
    if not found and reached_together is not None and reached_together >= DETERMINED:
        how = "logistic regression" if data.kind == "classification" else "linear regression"
        yield (
            f"Leakage: {how} on the predictors gives '{data.responses[0]}' with {_score_name(score)} "
            f"{reached_together:.4f} on the test part: is it a rule made from them?"
        )


def _score_name(score: str) -> str:
    return "R²" if score == "r2" else score


def _alone(prepared: Prepared, column: int) -> float:
    """Accuracy or R² on the test part of what one predictor tells, by a tree of at most 256 leaves."""
    from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

    def one(x: NDArray[np.float32], stride: int = 1) -> NDArray[np.float32]:
        return x[::stride, [column]]

    stride = max(1, len(prepared.train) // MOST_LOOKED_AT)
    classifies = prepared.data.kind == "classification"
    tree = (DecisionTreeClassifier if classifies else DecisionTreeRegressor)(max_leaf_nodes=256, random_state=0)
    tree.fit(one(prepared.train.x, stride), prepared.train.y[::stride])
    if not classifies and np.ptp(prepared.test.y) == 0:
        return 0.0
    return float(tree.score(one(prepared.test.x), prepared.test.y))
