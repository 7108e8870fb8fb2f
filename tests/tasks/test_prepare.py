"""From a table to standardised parts: what a user's table goes through before any training."""

import re
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from precip_sae.errors import TableError
from precip_sae.settings import DataSettings
from precip_sae.tables.read import BAD_ROWS
from precip_sae.tasks.prepare import prepare


def settings(**changes: Any) -> DataSettings:
    plain: dict[str, Any] = {"table": "t.csv", "predictors": ["a", "b"], "response": "y", "kind": "regression"}
    return DataSettings(**(plain | changes))


def table(rows: int = 200) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    return pd.DataFrame({"a": rng.uniform(1, 9, rows), "b": rng.normal(size=rows), "y": rng.normal(size=rows)})


def phases(rows: int = 200) -> pd.DataFrame:
    return table(rows).assign(y=np.resize(["Rain", "Snow", "Ambiguous"], rows))


CLASSES: dict[str, Any] = {"kind": "classification", "classes": ["Rain", "Snow"], "drop_classes": ["Ambiguous"]}


def test_parts_are_consecutive_and_sized_as_the_study_sizes_them() -> None:
    frame = table(1000)
    prepared = prepare(frame, settings())
    assert [len(p) for p in prepared.parts.values()] == [480, 120, 200, 200]
    together = np.concatenate([p.y for p in prepared.parts.values()])
    np.testing.assert_array_equal(together, frame["y"].to_numpy(np.float32))


def test_the_scaler_sees_only_the_first_sixty_percent() -> None:
    frame = table(100)
    prepared = prepare(frame, settings())
    first = frame["a"][:60].to_numpy()
    assert prepared.mean[0] == pytest.approx(first.mean())
    assert prepared.scale[0] == pytest.approx(first.std(ddof=0))
    np.testing.assert_allclose(prepared.physical(prepared.test.x, "a"), frame["a"][80:], rtol=1e-5)


def test_rows_are_put_in_time_order_before_they_are_split() -> None:
    frame = table(100).assign(time=pd.date_range("2020", periods=100, freq="5min"))
    shuffled = frame.sample(frac=1, random_state=1)
    np.testing.assert_array_equal(
        prepare(shuffled, settings(time="time")).test.x, prepare(frame, settings(time="time")).test.x
    )


def test_logarithms_of_zero_and_infinities_cost_the_row_as_in_the_study() -> None:
    frame = table(200)
    frame.loc[[3, 50], "a"] = [0.0, np.inf]
    frame.loc[7, "b"] = np.nan
    prepared = prepare(frame, settings(transforms={"a": "log10"}))
    assert prepared.counts["dropped, predictor missing"] == 3
    assert sum(len(p) for p in prepared.parts.values()) == 197
    np.testing.assert_allclose(prepared.physical(prepared.test.x, "a"), frame["a"][-len(prepared.test) :], rtol=1e-5)


def test_left_out_labels_are_counted_and_classes_keep_their_order() -> None:
    prepared = prepare(phases(300), settings(**CLASSES))
    assert prepared.counts["dropped, label left out"] == 100
    assert prepared.train.y[:4].tolist() == [0, 1, 0, 1]


def test_missing_values_become_the_training_median_where_asked() -> None:
    frame = table(200)
    frame.loc[199, "a"] = np.nan
    prepared = prepare(frame, settings(missing="median"))
    assert prepared.counts["filled with the median"] == 1
    assert prepared.physical(prepared.test.x, "a")[-1] == pytest.approx(np.median(frame["a"][:120]), rel=1e-5)


@pytest.mark.parametrize(
    ("transform", "values", "expected"),
    [
        ("log10", [1, 10, 0, -5], [0, 1, np.nan, np.nan]),
        ("log1p", [0, np.e - 1, -1, -2], [0, 1, np.nan, np.nan]),
        ("sqrt", [0, 9, 0.25, -1], [0, 3, 0.5, np.nan]),
        ("cbrt", [0, 8, -27, 1], [0, 2, -3, 1]),
    ],
)
def test_transforms_are_taken_before_standardising_and_undone_for_figures(
    transform: str, values: list[float], expected: list[float]
) -> None:
    frame = table(100)
    frame.loc[96:, "a"] = values
    data = settings(transforms={"a": transform}, missing="median")
    prepared = prepare(frame, data)
    transformed = prepared.test.x[-4:, 0].astype(float) * prepared.scale[0] + prepared.mean[0]
    there = ~np.isnan(expected)
    np.testing.assert_allclose(transformed[there], np.array(expected)[there], atol=1e-5)
    back = prepared.physical(prepared.test.x, "a")[-4:]
    np.testing.assert_allclose(back[there], np.array(values)[there], atol=1e-4)
    assert prepared.counts["filled with the median"] == int((~there).sum())


def test_a_predictor_of_tiny_numbers_is_not_called_constant() -> None:
    small = prepare(table().assign(a=lambda f: f["a"] * 1e-15), settings())
    np.testing.assert_allclose(small.train.x, prepare(table(), settings()).train.x, rtol=1e-5, atol=1e-6)


def test_a_standardised_response_comes_back_in_its_own_unit() -> None:
    frame = table(100).assign(y=lambda f: 3e-5 * f["y"] + 0.02)
    prepared = prepare(frame, settings(standardise_response=True))
    learnt = np.concatenate([prepared.train.y, prepared.validation.y]).astype(float)
    assert (learnt.mean(), learnt.std()) == (pytest.approx(0, abs=1e-6), pytest.approx(1, abs=1e-6))
    np.testing.assert_allclose(prepared.response(prepared.test.y), frame["y"][80:], rtol=1e-6)
    plain = prepare(frame, settings())
    assert plain.response(plain.test.y) is plain.test.y


def grouped(sizes: list[int]) -> pd.DataFrame:
    """A table whose rows are numbered in `y`, groups of these sizes one after the other, then mixed up in time."""
    groups = np.repeat([f"g{k}" for k in range(len(sizes))], sizes)
    return table(len(groups)).assign(y=np.arange(len(groups)), g=groups, t=np.arange(len(groups)))


def parts_of_groups(frame: pd.DataFrame, **changes: Any) -> dict[str, set[str]]:
    prepared = prepare(frame, settings(groups="g", **changes))
    assert sum(len(part) for part in prepared.parts.values()) == len(frame)
    return {name: set(frame["g"][rows]) for name, rows in prepared.rows.items()}


def test_groups_fill_the_parts_whole_and_in_the_order_of_their_first_row() -> None:
    found = parts_of_groups(grouped([40, 8, 12, 20, 20]))
    assert found == {"train": {"g0", "g1"}, "validation": {"g2"}, "sae": {"g3"}, "test": {"g4"}}


def test_groups_whose_rows_are_mixed_stay_together_and_their_rows_in_time_order() -> None:
    frame = grouped([5] * 40).sample(frac=1, random_state=3)
    prepared = prepare(frame, settings(groups="g", time="t"))
    assert all((np.diff(part.y) > 0).all() for part in prepared.parts.values())
    sets = [set(frame["g"][rows]) for rows in prepared.rows.values()]
    assert sum(map(len, sets)) == 40 == len(set.union(*sets))


def test_groups_in_random_order_do_not_depend_on_the_order_of_the_rows() -> None:
    frame = grouped([7] * 60)
    shuffled = frame.sample(frac=1, random_state=2)
    first = parts_of_groups(frame, shuffle_groups=1)
    assert first == parts_of_groups(shuffled, shuffle_groups=1)
    assert first != parts_of_groups(frame, shuffle_groups=2)
    assert first != parts_of_groups(frame)


@given(st.lists(st.integers(8, 12), min_size=40, max_size=80), st.none() | st.integers(0, 9))
def test_no_group_is_ever_split(sizes: list[int], seed: int | None) -> None:
    found = parts_of_groups(grouped(sizes), shuffle_groups=seed)
    assert sum(map(len, found.values())) == len(sizes)


def test_repeated_times_are_kept_or_the_first_row_is() -> None:
    frame = table(200).assign(t=np.arange(200) // 2)
    assert prepare(frame, settings(time="t")).counts["read"] == 200
    prepared = prepare(frame, settings(time="t", repeated_times="first"))
    assert prepared.counts["dropped, time repeated"] == 100
    assert prepared.counts["read"] == 200
    np.testing.assert_array_equal(prepared.train.y, frame["y"][:96:2].to_numpy(np.float32))


def test_labels_of_the_table_count_as_the_classes_that_the_settings_say() -> None:
    frame = phases(300).assign(y=np.resize(["rain", "Rain", "2"], 300))
    prepared = prepare(frame, settings(**CLASSES, labels={"rain": "Rain", "2": "Snow"}))
    assert prepared.train.y[:6].tolist() == [0, 0, 1, 0, 0, 1]


def many_labels() -> pd.DataFrame:
    """Rain and snow, and fifty labels of one to fifty rows."""
    others = np.repeat([f"WMO {k}" for k in range(1, 51)], np.arange(1, 51))
    return table(2000).assign(y=[*np.resize(["Rain", "Snow"], 2000 - len(others)), *others])


def test_all_labels_that_no_setting_names_are_said_at_once_with_lines_to_paste() -> None:
    data = settings(kind="classification", classes=["Rain", "Snow"], drop_classes=["WMO 50"])
    with pytest.raises(TableError) as caught:
        prepare(many_labels(), data)
    said = str(caught.value)
    assert '"WMO 49" (49), "WMO 48" (48)' in said
    assert said.count("(") == 49
    pasted = YAML(typ="safe").load(said[said.index("drop_classes: [") : said.index("]") + 1])
    assert prepare(many_labels(), data.model_copy(update=pasted)).counts["dropped, label left out"] == 1275
    (key, value) = re.search(r"(other_labels): (drop)", said).groups()
    counts = prepare(many_labels(), data.model_copy(update={key: value})).counts
    assert (counts["dropped, label left out"], counts["dropped, other label"]) == (50, 1225)


def test_a_response_with_a_label_in_every_row_is_still_one_sentence() -> None:
    frame = table(2000).assign(y=[f"station {k}" for k in range(2000)])
    with pytest.raises(TableError, match=r"and 1940 more, expected .* other_labels: drop to leave such rows out\.$"):
        prepare(frame, settings(**CLASSES))


def test_rows_that_the_reader_left_out_are_counted_as_read_and_dropped() -> None:
    frame = table(200)
    frame.attrs[BAD_ROWS] = 3
    counts = prepare(frame, settings()).counts
    assert (counts["read"], counts["dropped, wrong number of columns"], counts["test"]) == (203, 3, 40)


def a_year() -> pd.DataFrame:
    """Hourly reports from January on, snow in January, February and December, hail on three days."""
    times = pd.date_range("2019-01-01", periods=8760, freq="h")
    phase = np.where(times.month.isin([1, 2, 12]), "Snow", "Rain")
    hail = times.strftime("%m-%d").isin(["06-01", "07-10", "08-20", "09-05", "05-15"]) & (times.hour == 15)
    return table(8760).assign(t=times, y=np.where(hail, "Hail", phase))


BLOCKS: dict[str, Any] = {"kind": "classification", "classes": ["Rain", "Snow"], "time": "t", "parts": "blocks"}


@pytest.mark.parametrize("seed", range(5))
def test_blocks_of_days_keep_the_share_of_every_class_in_every_part_of_a_year(seed: int) -> None:
    frame = a_year()
    in_order = prepare(frame, settings(**(BLOCKS | {"parts": "time"}), other_labels="drop"))
    assert (in_order.validation.y == 1).sum() == (in_order.sae.y == 1).sum() == 0
    prepared = prepare(frame, settings(**BLOCKS, other_labels="drop", block_seed=seed))
    shares = {"train": 0.48, "validation": 0.12, "sae": 0.2, "test": 0.2}
    for name, part in prepared.parts.items():
        for number in (0, 1):
            whole = int((frame["y"] == BLOCKS["classes"][number]).sum())
            assert (part.y == number).sum() == pytest.approx(shares[name] * whole, abs=1.5 * 5 * 24), (name, number)


def test_a_block_of_days_is_never_split_and_rows_stay_in_time_order() -> None:
    frame = a_year().sample(frac=1, random_state=1)
    prepared = prepare(frame, settings(**BLOCKS, other_labels="drop", block_days=7))
    blocks = [
        set(frame["t"][rows].astype("datetime64[s]").astype("int64") // (7 * 86_400)) for rows in prepared.rows.values()
    ]
    assert sum(map(len, blocks)) == len(set.union(*blocks)) == 53
    assert all(frame["t"][rows].is_monotonic_increasing for rows in prepared.rows.values())
    assert sum(map(len, prepared.parts.values())) == 8755


def test_blocks_are_drawn_alike_whatever_the_order_of_the_rows_and_anew_with_another_seed() -> None:
    def test_rows(frame: pd.DataFrame, **changes: Any) -> list[int]:
        return prepare(frame, settings(time="t", parts="blocks", **changes)).rows["test"].tolist()

    frame = a_year().assign(y=lambda f: f["a"])
    first = test_rows(frame)
    assert first == test_rows(frame.sample(frac=1, random_state=2))
    assert first != test_rows(frame, block_seed=1)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"time": "n"}, r"time column 'n' holds numbers, expected times for data\.parts: blocks"),
        ({"block_days": 200.0}, r"the 3 blocks of 200 days leave the part test with 0 rows.*data\.block_days smaller"),
    ],
)
def test_blocks_that_cannot_be_drawn_are_one_sentence(changes: dict[str, Any], expected: str) -> None:
    frame = a_year().assign(n=lambda f: np.arange(len(f)))
    with pytest.raises(TableError, match=expected):
        prepare(frame, settings(**(BLOCKS | {"other_labels": "drop"} | changes)))


@given(st.integers(84, 400))
def test_no_row_is_lost_or_used_twice(rows: int) -> None:
    prepared = prepare(table(rows), settings())
    assert sum(len(p) for p in prepared.parts.values()) == rows
    assert min(len(p) for p in prepared.parts.values()) >= 10


def text_in_a(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.astype({"a": object}).assign(a=lambda f: f["a"].where(f.index != 17, "n/a?"))


BAD_TABLES = {
    "empty": (lambda: table(0), settings(), "no rows"),
    "text in a number column": (lambda: text_in_a(table()), settings(), "'a' holds 'n/a\\?' in row 18"),
    "dates in a number column": (
        lambda: table().assign(a=pd.Timestamp("2020")),
        settings(),
        "'a' holds datetime64.*expected numbers",
    ),
    "all-NaN column": (lambda: table().assign(b=np.nan), settings(), "'b' holds no usable value, expected numbers"),
    "no positive value for a logarithm": (
        lambda: table().assign(a=-1.0),
        settings(transforms={"a": "log10"}),
        "'a' holds no usable value, expected positive numbers",
    ),
    "constant predictor": (lambda: table().assign(b=3.25), settings(), "'b' is constant"),
    "constant response": (lambda: table().assign(y=1.0), settings(), "'y' is constant"),
    "a response beyond float32": (
        lambda: table().assign(y=lambda f: f["y"] * 1e30),
        settings(),
        r"as large as .*e\+30",
    ),
    "a test row beyond float32": (
        lambda: table().assign(a=lambda f: f["a"].where(f.index != 199, 1e300)),
        settings(),
        "'a' holds values so far apart",
    ),
    "no response": (lambda: table().assign(y=np.nan), settings(), "'y' holds no number"),
    "too few rows": (lambda: table(60), settings(), "60 usable rows of 60, expected at least 84"),
    "one class": (lambda: phases().assign(y="Rain"), settings(**CLASSES), "holds 0 rows of class 'Snow'"),
    "unknown label": (
        lambda: phases().assign(y="Hail"),
        settings(**CLASSES),
        'holds "Hail" \\(200\\), expected the classes',
    ),
    "missing refused": (
        lambda: table().assign(a=lambda f: f["a"].where(f.index != 5)),
        settings(missing="refuse"),
        "'a' is missing or infinite in 1 rows",
    ),
    "no time": (
        lambda: table().assign(t=pd.NaT),
        settings(time="t"),
        "time column 't' misses 200 values",
    ),
    "mixed times": (
        lambda: table().assign(t=np.resize(np.array(["2020", 3], dtype=object), 200)),
        settings(time="t"),
        "mixes types",
    ),
}


@pytest.mark.parametrize("name", BAD_TABLES)
def test_a_bad_table_is_answered_by_one_sentence_that_names_the_column(name: str) -> None:
    make, data, expected = BAD_TABLES[name]
    with pytest.raises(TableError, match=expected) as caught:
        prepare(make(), data)
    assert str(caught.value).startswith("t.csv: ")
    assert "\n" not in str(caught.value)
