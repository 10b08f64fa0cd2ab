"""Step 1: what is checked, how rows are split, and what a split's file holds."""

from __future__ import annotations

import csv
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

import hash_split
import process
import splits
from dataset import Columns, DataError, Split, read_groups, read_split
from people import (
    AS_OF,
    GENDERS,
    ODD_CITIES,
    ODD_IDS,
    arguments,
    container_at,
    facet_argument,
    paid,
    paid_arguments,
    people,
    query_result,
)
from twins import contents

SPLITS = ("train", "validation", "test")


@pytest.fixture
def base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A container's folder."""
    container_at(monkeypatch, tmp_path)
    return tmp_path


def run(base: Path, *tables: pa.Table, more: tuple[str, ...] = (), **options: str) -> None:
    """Step 1 on these tables."""
    query_result(base, *tables)
    process.main([*arguments(**options), *more])


def split(base: Path, name: str) -> Split:
    return read_split(base / "processing" / "output" / name, name)


def lines(base: Path, name: str) -> list[list[str]]:
    file = base / "processing" / "output" / name / f"{name}.csv"
    with file.open(newline="", encoding="utf-8") as text:
        return list(csv.reader(text))


def refused(base: Path, *tables: pa.Table, **options: str) -> str:
    with pytest.raises(DataError) as error:
        run(base, *tables, **options)
    assert "\n" not in str(error.value)
    return str(error.value)


def estimate(base: Path, table: pa.Table, **options: str) -> None:
    """Step 1 where the salary is to be estimated."""
    query_result(base, table)
    process.main(paid_arguments(**options))


def content(base: Path, name: str) -> dict[str, Any]:
    """A split's `columns.json`."""
    file = base / "processing" / "output" / name / "columns.json"
    return dict(json.loads(file.read_text("utf-8")))


def test_every_record_is_in_the_split_that_salt_and_id_tell(base: Path) -> None:
    table = people()
    run(base, table)
    where = {record: name for name in SPLITS for record in split(base, name).ids}
    assert sorted(where) == sorted(table["person"].to_pylist())
    for record, name in where.items():
        point = int.from_bytes(hashlib.sha256(f"people{record}".encode()).digest()[:8], "big")
        share = point / 2**64
        assert name == ("train" if share < 0.6 else "validation" if share < 0.8 else "test")


def test_a_record_keeps_its_split_whatever_else_is_in_the_store(base: Path) -> None:
    run(base, people(900))
    before = {name: set(split(base, name).ids) for name in SPLITS}
    run(base, people(1200, seed=8))
    for name in SPLITS:
        assert before[name] <= set(split(base, name).ids)


def test_shares_are_kept_and_another_salt_is_another_split() -> None:
    keys = [str(number) for number in range(20000)]
    chosen = hash_split.split_of(keys, "a", (0.7, 0.2, 0.1))
    assert np.bincount(chosen) / len(keys) == pytest.approx([0.7, 0.2, 0.1], abs=0.015)
    assert (chosen != hash_split.split_of(keys, "b", (0.7, 0.2, 0.1))).mean() > 0.3


def test_columns_are_id_moment_label_context_features_in_this_order(base: Path) -> None:
    run(base, people(), group_variable="city")
    found = content(base, "test")
    context = ["facet_gender", "facet_age", "facet_city"]
    features = ["age", "income", "visits", "nothing"]
    assert found["columns"] == ["person", "event_time", "stayed", *context, *features]
    assert found["types"]["stayed"] == "integer"
    assert {found["types"][name] for name in features} == {"number"}
    assert {found["types"][name] for name in context} == {"string"}
    assert {len(row) for row in lines(base, "test")} == {10}


def test_columns_that_people_know_by_another_name_are_told_with_it(base: Path) -> None:
    run(base, people(), more=("--shown", '["person", "Person №"]', "--shown", '["age", "Alter"]'))
    assert split(base, "test").columns.shown == {"person": "Person №", "age": "Alter"}


def test_excluded_columns_are_no_features_and_may_still_be_facets(base: Path) -> None:
    run(base, people(), more=("--exclude", "age", "--exclude", "nothing"))
    columns = split(base, "train").columns
    assert columns.features == ("income", "visits")
    assert columns.context == ("gender", "age")


def test_rows_lie_in_the_order_of_their_ids_in_whatever_order_the_query_gave_them(
    base: Path,
) -> None:
    table = people()
    run(base, table)
    before = (base / "processing/output/train/train.csv").read_bytes()
    assert split(base, "train").ids == sorted(split(base, "train").ids)
    run(base, table.take(np.arange(len(table))[::-1]))
    assert (base / "processing/output/train/train.csv").read_bytes() == before


def test_every_value_survives_the_file(base: Path) -> None:
    table = people()
    run(base, table, facets="gender, age>=40", group_variable="city")
    expected = {row["person"]: row for row in table.to_pylist()}
    seen = set()
    for name in SPLITS:
        read = split(base, name)
        assert all(
            row[0] == record for row, record in zip(lines(base, name), read.ids, strict=True)
        )
        for position, record in enumerate(read.ids):
            row = expected[record]
            assert read.labels[position] == row["stayed"]
            assert read.context["gender"].raw[position] == row["gender"]
            assert read.context["city"].raw[position] == row["city"]
            age = read.context["age"].raw[position]
            assert (None if age is None else int(age)) == row["age"]
            values = [row["age"], row["income"], row["visits"], row["nothing"]]
            wanted = np.array([np.nan if v is None else v for v in values], dtype=np.float32)
            np.testing.assert_array_equal(read.features[position], wanted)
            seen |= {row["gender"], row["city"], record}
    assert seen >= {*ODD_IDS, *GENDERS, *ODD_CITIES}


def test_a_number_is_written_in_full(base: Path) -> None:
    income = (np.random.default_rng(3).random(900) * 1e5).tolist()
    table = people(income=income)
    run(base, table, facets="gender")
    expected = dict(zip(table["person"].to_pylist(), table["income"].to_pylist(), strict=True))
    for row in lines(base, "train"):
        assert float(row[5]) == expected[row[0]]


def test_event_times_of_any_precision_and_offset_become_one_form(base: Path) -> None:
    forms = ["2026-01-30T00:00:00Z", "2026-01-30T00:00:00.5Z", "2026-01-30T02:00:00.2509+02:00"]
    run(base, people(event_time=forms * 300), as_of="2026-01-30T00:00:00.500Z")
    seconds = {row[1] for name in SPLITS for row in lines(base, name)}
    assert seconds == {f"2026-01-30T00:00:00.{part}Z" for part in ("000", "500", "250")}


@pytest.mark.parametrize("kind", [pa.float64(), pa.bool_(), pa.int8(), pa.int64()])
def test_a_label_of_any_type_is_written_as_an_integer(base: Path, kind: pa.DataType) -> None:
    labels = people()["stayed"]
    table = people().sort_by("person")
    table = table.set_column(2, "stayed", table["stayed"].cast(pa.int64()).cast(kind))
    run(base, table)
    assert {row[2] for row in lines(base, "train")} == {"0", "1"}
    assert sum(split(base, name).labels.sum() for name in SPLITS) == sum(labels.to_pylist())


def test_a_facet_of_whole_numbers_with_gaps_has_no_decimal_point(base: Path) -> None:
    """Parquet holds such a column as doubles: `doorstep=1` has to find its rows all the same."""
    refill = [1.0, 0.0, None] * 300
    run(base, people(refill=refill), facets="refill=1")
    assert {row[3] for row in lines(base, "train")} == {"", "0", "1"}
    bias = json.loads((base / "processing/output/bias/pretraining_bias.json").read_text("utf-8"))
    (group,) = bias["facets"]["facet_refill"]
    assert group["value_or_threshold"] == "1"
    assert -1 < group["metrics"][0]["value"] < 1  # CI of an empty group would be 1


def test_names_come_back_as_asked_for_though_athena_writes_them_in_lower_case(base: Path) -> None:
    run(
        base,
        people(),
        facets="Gender, AGE>=40",
        record_id="Person",
        label="Stayed",
        group_variable="City",
        more=("--exclude", "Visits"),
    )
    columns = split(base, "test").columns
    assert (columns.record_id, columns.label) == ("Person", "Stayed")
    assert columns.context == ("Gender", "AGE", "City")
    assert columns.features == ("AGE", "income", "nothing")


def test_files_of_a_query_are_one_table_though_their_types_differ(base: Path) -> None:
    table = people().sort_by("person")
    whole, rest = table.slice(0, 400), table.slice(400)
    position = rest.column_names.index("visits")
    rest = rest.set_column(position, "visits", rest["visits"].cast(pa.float64()))
    rest = rest.set_column(rest.column_names.index("city"), "city", pa.nulls(500))
    run(base, whole, rest, facets="city")
    assert sum(len(split(base, name).ids) for name in SPLITS) == 900


@pytest.mark.parametrize(
    ("table", "options", "sentence"),
    [
        (people().slice(0, 0), {}, "the feature store has no rows as of 2026-01-31T00:00:00.000Z"),
        (people(), {"as_of": "2026-01-05T00:00:00Z"}, "returned a row of 2026-01-30T00:00:00.000Z"),
        (people(), {"as_of": "yesterday"},
         "AsOf: expected a moment in UTC such as 2026-01-31T00:00:00.000Z, got 'yesterday'"),
        (people(), {"as_of": "2026-01-31T00:00:00+00:00"},
         "AsOf: expected a moment in UTC such as 2026-01-31T00:00:00.000Z, got "
         "'2026-01-31T00:00:00+00:00'"),
        (people(), {"as_of": "2026-01-31T00:00:00.Z"}, "AsOf: expected a moment in UTC such as "),
        (people(), {"as_of": "2026-02-30T00:00:00.000Z"},
         "AsOf: expected a moment in UTC such as 2026-01-31T00:00:00.000Z, got "
         "'2026-02-30T00:00:00.000Z'"),
        (people(event_time=["2026-01-30T00:00:00.001Z"] * 900), {"as_of": "2026-01-30T00:00:00Z"},
         "the query as of 2026-01-30T00:00:00.000Z returned a row of 2026-01-30T00:00:00.001Z"),
        (people(event_time=["2026-01-30"] * 900), {},
         "'event_time': expected a moment such as 2026-01-31T00:00:00.000Z, got '2026-01-30'"),
        (people(event_time=[1769731200] * 900), {},
         "'event_time': expected texts such as 2026-01-31T00:00:00.000Z, or seconds since 1970 "
         "with a fraction, got int64"),
        (people(event_time=[np.inf] * 900), {},
         "'event_time': expected a moment such as 2026-01-31T00:00:00.000Z, got inf"),
        (people(), {"record_id": "chip"},
         "the feature group: expected a column 'chip' (record id), got person, event_time, "
         "stayed, age, income, visits, nothing, gender, city"),
        (people(), {"label": "left"},
         "the feature group: expected a column 'left', got person, event_time, stayed, age, "
         "income, visits, nothing, gender, city"),
        (people(), {"facets": "race"},
         "the feature group: expected a column 'race', got person, event_time, stayed, age, "
         "income, visits, nothing, gender, city"),
        (people(), {"group_variable": "race"},
         "the feature group: expected a column 'race', got person, event_time, stayed, age, "
         "income, visits, nothing, gender, city"),
        (people(), {"facets": "city>=3"},
         "the facet city_ge_3: expected numbers, but could not convert string to float: 'None'"),
        (people(person=["a"] * 900), {}, "returned more than one row of a record"),
        (people(person=[None, *map(str, range(899))]), {}, "1 rows of the feature store have no p"),
        (people(person=["a\nb", *map(str, range(899))]), {},
         "'person': expected one line of text, got 'a\\nb'"),
        (people(city=["a\rb"] * 900), {"facets": "city"},
         "'city': expected one line of text, got 'a\\rb'"),
        (people(stayed=[1] * 900), {}, "the label 'stayed': expected both 0 and 1, got 1"),
        (people(stayed=[0, 1, None] * 300), {},
         "the label 'stayed': expected both 0 and 1, got 0, 1, None"),
        (people(stayed=[0.0, 1.0, 0.5] * 300), {},
         "the label 'stayed': expected both 0 and 1, got 0.0, 0.5, 1.0"),
        (people(stayed=["no", "yes"] * 450), {},
         "the label 'stayed': expected both 0 and 1, got 'no', 'yes'"),
        (people(), {"group": "race"},
         "the feature group: expected a column 'race', got person, event_time, stayed, age, "
         "income, visits, nothing, gender, city"),
        (people(household=[None, *map(str, range(899))]), {"group": "household"},
         "1 rows have no household, which keeps rows together"),
        (people(visits=[np.inf, 1.0, 2.0] * 300), {},
         "the feature 'visits': expected finite numbers within single precision, got inf"),
        (people(visits=[-1e39, 1.0, 2.0] * 300), {},
         "the feature 'visits': expected finite numbers within single precision, got -1e+39"),
        (people(facet_gender=[1, 2] * 450), {},
         "expected different columns in a split, got several of facet_gender"),
        (people(stayed=[1] * 890 + [0] * 10), {},
         "the train split: expected at least 20 negative rows ([split] min_positives), got 5 "
         "of 548"),
    ],
)  # fmt: skip
def test_what_cannot_be_learnt_from_is_refused(
    base: Path, table: pa.Table, options: dict[str, str], sentence: str
) -> None:
    assert sentence in refused(base, table, **options)


SALARY = "the label 'salary': expected finite numbers that are not all the same, got "


@pytest.mark.parametrize(
    ("labels", "sentence"),
    [
        ([30_000.0] * 900, f"{SALARY}30000.0"),
        ([30_000.0, 40_000.0, None] * 300, f"{SALARY}30000.0, 40000.0, None"),
        ([30_000.0, 40_000.0, np.nan] * 300, f"{SALARY}30000.0, 40000.0, nan"),
        ([30_000.0, 40_000.0, -np.inf] * 300, f"{SALARY}-inf, 30000.0, 40000.0"),
        (["30000", "40000"] * 450, f"{SALARY}'30000', '40000'"),
        ([True, False] * 450, f"{SALARY}False, True"),
    ],
)
def test_numbers_that_cannot_be_estimated_are_refused(
    base: Path, labels: list[object], sentence: str
) -> None:
    table = paid()
    table = table.set_column(table.column_names.index("salary"), "salary", pa.array(labels))
    with pytest.raises(DataError) as error:
        estimate(base, table)
    assert str(error.value) == sentence


def test_a_group_without_a_number_to_learn_from_is_refused(base: Path) -> None:
    table = people().select(["person", "event_time", "stayed", "gender", "city", "recency"])
    assert refused(base, table, facets="gender") == (
        "the feature group: expected a numeric column to learn from, got none"
    )


def test_a_query_without_a_file_is_refused(base: Path) -> None:
    assert refused(base) == "the feature store has no rows as of 2026-01-31T00:00:00.000Z"


@pytest.mark.parametrize("part", ["", ".5", ".500", ".500001", ".500000999"])
def test_a_moment_of_any_precision_is_taken_as_data_arrival_and_the_schedule_write_it(
    base: Path, part: str
) -> None:
    run(base, people(), as_of=f"2026-01-31T00:00:00{part}Z")
    assert split(base, "train")


def test_moments_in_seconds_under_another_name_become_texts(
    base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    container_at(monkeypatch, base, event_time="observedAt")
    table = people(event_time=[1769731200.0, 1769731200.5, 1769731200.2509] * 300)
    at = table.column_names.index("event_time")
    run(base, table.rename_columns([*table.column_names[:at], "observedat",
                                    *table.column_names[at + 1 :]]))  # fmt: skip
    seconds = {row[1] for name in SPLITS for row in lines(base, name)}
    assert seconds == {f"2026-01-30T00:00:00.{part}Z" for part in ("000", "500", "251")}


def test_the_training_splits_bias_is_clarifys_shape_with_every_facet_of_a_column(
    base: Path,
) -> None:
    comma = facet_argument(key="bath", column="city", values=["Bath, UK"])
    run(base, people(), facets="gender, age>=40, age>=60", more=tuple(comma), group_variable="city")
    bias = json.loads((base / "processing/output/bias/pretraining_bias.json").read_text("utf-8"))
    groups = {
        facet: [group["value_or_threshold"] for group in found]
        for facet, found in bias["facets"].items()
    }
    assert groups == {
        "facet_gender": ["f", "m", "x"],
        "facet_age": ["[40, 75]", "[60, 75]"],
        "facet_city": ["Bath, UK"],
    }
    train = split(base, "train")
    (bath,) = bias["facets"]["facet_city"]
    values = {metric["name"]: metric["value"] for metric in bath["metrics"]}
    in_bath = train.context["city"].raw == "Bath, UK"
    assert values["CI"] == pytest.approx(1 - 2 * in_bath.mean())
    assert values["DPL"] == pytest.approx(
        train.labels[~in_bath].mean() - train.labels[in_bath].mean()
    )
    assert "CDDL" in values
    assert (bias["label"], bias["label_value_or_threshold"]) == ("stayed", "1")


def test_rows_without_a_group_variable_are_a_stratum_of_their_own(base: Path) -> None:
    cities = ["None", None, "Leeds"] * 300
    run(base, people(city=cities), facets="gender", group_variable="city")
    train = split(base, "train")
    assert train.strata is not None
    told = {(str(c), int(s)) for c, s in zip(train.context["city"].raw, train.strata, strict=True)}
    assert len({stratum for _, stratum in told}) == 3


# Regression


@pytest.mark.parametrize("kind", [pa.float64(), pa.float32(), pa.int64()])
def test_a_number_to_be_estimated_is_written_as_it_was(base: Path, kind: pa.DataType) -> None:
    table = paid()
    position = table.column_names.index("salary")
    labels = pa.array(np.round(table["salary"].to_numpy())).cast(kind)
    labels = labels if kind == pa.int64() else pa.array(table["salary"].to_numpy()).cast(kind)
    table = table.set_column(position, "salary", labels)
    estimate(base, table)
    expected = dict(zip(table["person"].to_pylist(), table["salary"].to_pylist(), strict=True))
    for name in SPLITS:
        read = split(base, name)
        assert read.labels.dtype == np.float64
        assert read.labels.tolist() == [expected[record] for record in read.ids]
        assert (read.columns.problem, read.columns.is_regression) == ("regression", True)
        assert content(base, name)["types"]["salary"] == "number"


def test_favourable_is_above_the_training_splits_own_median_in_every_split(base: Path) -> None:
    estimate(base, paid())
    labels = {name: split(base, name).labels for name in SPLITS}
    median = float(np.median(labels["train"]))
    assert median != np.median(np.concatenate([*labels.values()]))
    for name in SPLITS:
        read = split(base, name)
        assert content(base, name)["label_threshold"] == read.columns.label_threshold == median
        assert read.favourable.tolist() == [number > median for number in read.labels]


def test_a_threshold_that_is_asked_for_is_taken_in_every_split(base: Path) -> None:
    estimate(base, paid(), label_threshold="50000")
    for name in SPLITS:
        read = split(base, name)
        assert read.columns.label_threshold == 50_000
        assert 0 < read.favourable.mean() < 1
        assert read.favourable.tolist() == [number > 50_000 for number in read.labels]


def test_a_number_at_the_threshold_is_not_above_it() -> None:
    columns = Columns("id", "y", "regression", 1, 2.5, (), None, (), ("x",))
    found = columns.favourable(np.array([2.5, np.nextafter(2.5, 3), 2.4, 9, -9]))
    assert found.tolist() == [False, True, False, True, False]


def test_the_favourable_class_is_the_one_that_is_named() -> None:
    labels = np.array([0.0, 1, 1])
    for favourable, expected in ((1, [False, True, True]), (0, [True, False, False])):
        columns = Columns("id", "y", "binary", favourable, None, (), None, (), ("x",))
        assert columns.favourable(labels).tolist() == expected


@pytest.mark.parametrize("threshold", ["0", "1e6", "largest", "below the smallest"])
def test_a_threshold_that_does_not_divide_the_training_split_is_refused(
    base: Path, threshold: str
) -> None:
    estimate(base, paid())
    labels = split(base, "train").labels
    ends = {"largest": labels.max(), "below the smallest": np.nextafter(labels.min(), 0)}
    with pytest.raises(DataError) as error:
        estimate(base, paid(), label_threshold=str(ends.get(threshold, threshold)))
    assert str(error.value).startswith(
        "[bias] threshold: expected a number that divides the training split's 'salary' "
        f"({labels.min():g} to {labels.max():g}), got "
    )
    estimate(base, paid(), label_threshold=repr(float(labels.min())))  # all others are above it


def test_a_median_that_is_the_largest_number_parts_nothing(base: Path) -> None:
    table = paid()
    position = table.column_names.index("salary")
    mostly = pa.array(np.where(np.arange(900) % 3, 50_000.0, table["salary"].to_numpy() / 1e3))
    with pytest.raises(
        DataError, match=r"\[bias\] threshold: .* 'salary' .* to 50000\), got 50000$"
    ):
        estimate(base, table.set_column(position, "salary", mostly))


def test_a_binary_label_has_no_threshold(base: Path) -> None:
    run(base, people())
    for name in SPLITS:
        assert content(base, name)["label_threshold"] is None


def test_of_a_regression_too_few_rows_are_refused(base: Path) -> None:
    with pytest.raises(
        DataError, match=r"validation split: expected at least 250 rows .*, got \d+$"
    ):
        estimate(base, paid(), min_positives="250")


def test_the_training_bias_of_a_regression_is_of_the_numbers_above_the_threshold(
    base: Path,
) -> None:
    estimate(base, paid(), facets="age>=40", label_threshold="50000")
    train = split(base, "train")
    bias = json.loads((base / "processing/output/bias/pretraining_bias.json").read_text("utf-8"))
    (group,) = bias["facets"]["facet_age"]
    values = {metric["name"]: metric["value"] for metric in group["metrics"]}
    old = np.array([age is not None and int(age) >= 40 for age in train.context["age"].raw])
    above = train.labels > 50_000
    assert values["DPL"] == pytest.approx(above[~old].mean() - above[old].mean())
    assert bias["label"] == "salary"


def test_the_training_bias_of_a_regression_says_the_threshold(base: Path) -> None:
    """As Clarify's analysis does, whose shape it has."""
    estimate(base, paid(), label_threshold="50000")
    bias = json.loads((base / "processing/output/bias/pretraining_bias.json").read_text("utf-8"))
    assert bias["label_value_or_threshold"] == "50000.0"


# Rows that are kept together


def test_rows_of_one_group_are_in_the_split_that_salt_and_group_tell(base: Path) -> None:
    households = [f"h{number % 200}" for number in range(900)]
    table = people(household=households)
    run(base, table, group="household")
    of = dict(zip(table["person"].to_pylist(), table["household"].to_pylist(), strict=True))
    where = {record: name for name in SPLITS for record in split(base, name).ids}
    assert len(where) == 900
    for record, name in where.items():
        point = int.from_bytes(hashlib.sha256(f"people{of[record]}".encode()).digest()[:8], "big")
        share = point / 2**64
        assert name == ("train" if share < 0.6 else "validation" if share < 0.8 else "test")


@pytest.mark.parametrize("way", ["hash", "time"])
def test_a_group_that_is_a_number_is_no_feature(base: Path, way: str) -> None:
    table = people(household=np.arange(900) % 300)
    run(base, table, group="household", split_by=way, shares="0.4,0.3,0.3", min_positives="1")
    found = split(base, "train").columns
    assert found.features == ("age", "income", "visits", "nothing")
    assert "household" not in " ".join(found.names)


def test_a_group_is_found_in_the_lower_case_that_athena_writes(base: Path) -> None:
    table = people(household=[f"h{number % 200}" for number in range(900)])
    run(base, table, group="HouseHold")
    assert sum(len(split(base, name).ids) for name in SPLITS) == 900


def repeated(times: int = 3) -> pa.Table:
    """300 people with random labels, each in several rows that a number alone tells apart."""
    few = people(300)
    table = pa.concat_tables([few] * times)
    numbers = pa.array([str(number) for number in range(table.num_rows)])
    return table.set_column(table.column_names.index("person"), "person", numbers)


def findings(base: Path) -> dict[str, Any]:
    """What step 1 left for people to read."""
    file = base / "processing/output/test/findings.json"
    return dict(json.loads(file.read_text("utf-8")))


def test_numbered_rows_of_the_same_content_are_in_one_split(base: Path) -> None:
    run(base, repeated(), more=("--split-key", "content"))
    sizes = findings(base)["rows"]
    assert sizes == {name: len(split(base, name).ids) for name in SPLITS}
    assert all(size % 3 == 0 for size in sizes.values())
    assert sizes["train"] / 900 == pytest.approx(0.6, abs=0.08)
    assert findings(base)["rows_with_a_twin"] == {"train": 0, "test": 0}


def test_a_split_by_content_is_the_same_whatever_order_and_numbers_the_rows_have(
    base: Path,
) -> None:
    run(base, repeated(), more=("--split-key", "content"))
    before = sorted(map(repr, split(base, "test").features.tolist()))
    table = repeated().take(np.arange(900)[::-1])
    numbers = pa.array([f"n{number}" for number in range(900)])
    run(base, table.set_column(table.column_names.index("person"), "person", numbers),
        more=("--split-key", "content"))  # fmt: skip
    assert sorted(map(repr, split(base, "test").features.tolist())) == before


def test_rows_whose_content_differs_in_one_place_are_not_the_same() -> None:
    table = pa.table({
        "y": [1, 1, 0, 1, 1, 1, 1], "x": [0.0, -0.0, 0.0, None, np.nan, 0.5, 0.0],
        "kind": ["a", "a", "a", "a", "a", "a", None],
    })  # fmt: skip
    columns = Columns("id", "y", "binary", 1, None, (), "kind", ("kind",), ("x",))
    found = contents(table, columns)
    assert found[0] == found[1]
    assert found[3] == found[4]
    assert len(set(found.tolist())) == 5
    assert found[0] == 11436037885803129957  # on every machine, in every version


def test_rows_that_test_what_they_taught_are_counted(base: Path) -> None:
    run(base, repeated())
    seen: dict[str, list[Any]] = {}
    for name in ("train", "test"):
        read = split(base, name)
        gender, age = read.context["gender"].raw, read.context["age"].raw
        rows = zip(read.features.tolist(), read.labels, gender, age, strict=True)
        seen[name] = [repr(row) for row in rows]
    counted = {
        one: sum(row in set(seen[other]) for row in seen[one])
        for one, other in (("train", "test"), ("test", "train"))
    }
    assert counted["test"] > 100
    assert findings(base)["rows_with_a_twin"] == counted


def test_different_people_have_no_twins(base: Path) -> None:
    run(base, people(income=np.arange(900.0)))
    assert findings(base) == {
        "rows": {name: len(split(base, name).ids) for name in SPLITS},
        "rows_with_a_twin": {"train": 0, "test": 0},
        "suspicious_features": {},
    }


# Features that know the label


def leaking(kind: str) -> pa.Array:
    """A feature that was made from the label."""
    label = people()["stayed"].to_numpy()[np.argsort(people()["person"].to_numpy())]
    drawn = np.random.default_rng(2)
    noise = drawn.normal(size=900)
    values = {
        "a copy": label,
        "its opposite": -label,
        "a copy with a few errors": np.where(drawn.random(900) < 0.002, 1 - label, label),
        "a noisy score": 5 * label + noise,
        "high at both ends": 5 * label * drawn.choice([-1, 1], 900) + noise,
        "four codes": np.where(label == 1, drawn.choice([1, 3], 900), drawn.choice([2, 4], 900)),
        "being there": np.where(label == 1, noise, np.nan),
        "a strong feature": 2 * label + noise,
        "a tenth of it wrong": np.where(drawn.random(900) < 0.1, 1 - label, label),
    }
    return pa.array(values[kind])


@pytest.mark.parametrize(
    ("kind", "is_named"),
    [("a copy", True), ("its opposite", True), ("a copy with a few errors", True),
     ("a noisy score", True), ("high at both ends", True), ("four codes", True),
     ("being there", True), ("a strong feature", False), ("a tenth of it wrong", False)],
)  # fmt: skip
def test_a_feature_that_alone_ranks_the_label_is_named(
    base: Path, kind: str, is_named: bool
) -> None:
    table = people().sort_by("person").append_column("score", leaking(kind))
    run(base, table)
    found = findings(base)["suspicious_features"]
    assert set(found) == ({"score"} if is_named else set())
    assert all(0.99 <= power <= 1 for power in found.values())


@pytest.mark.parametrize(("noise", "is_named"), [(0.02, True), (0.5, False)])
def test_a_feature_that_ranks_the_numbers_is_named(
    base: Path, noise: float, is_named: bool
) -> None:
    table = paid()
    drawn = np.random.default_rng(2).normal(size=900)
    in_pounds = -np.log(table["salary"].to_numpy()) + noise * drawn * 0.3
    estimate(base, table.append_column("in_pounds", pa.array(in_pounds)))
    assert set(findings(base)["suspicious_features"]) == ({"in_pounds"} if is_named else set())


# Split by time


def by_time(rows: str, *shares: float) -> str:
    """The splits of rows such as `a1 b2 a9`, a customer and a day each: a letter a row, - none."""
    keys = np.array([row[0] for row in rows.split()], dtype=object)
    days = np.array([f"2026-01-{row[1:]:>02}T00:00:00Z" for row in rows.split()], dtype=object)
    chosen = splits.split_by_time(keys, days, shares or (0.5, 0.25, 0.25))
    return "".join("tve-"[number] for number in chosen)


@pytest.mark.parametrize(
    ("rows", "splits"),
    [
        ("a1 b2 c3 d4", "ttve"),
        ("d4 b2 a1 c3", "ettv"),  # in whatever order the rows come
        ("a1 a2 b2 c3 c3 d4 d9", "tttvvee"),  # a customer's rows are in one split,
        ("a1 b2 a3 a9 c3 c4 d4", "tt--v-e"),  # but for those after its end
        ("a1 b2 c3 d4 b3 c9", "ttve--"),
        ("a9 c3 a1 d4 b2", "-vtet"),
        ("a1 b1 c3 d4", "ttve"),  # first seen together,
        ("a1 b2 c3 d3", "ttee"),  # they are in one split: the later one
        ("a1 b2 c2 d4", "tvve"),
        ("a1 b1 c1 d4", "vvve"),
        ("a1 b1 c1 d1", "eeee"),  # of one moment alone: the check of sizes says so
        ("a1 b2 c3 d4 e5 f6 g7 h8", "ttttvvee"),
        ("a1 b2 c3 d4 e5", "ttvee"),  # of a half more, the later split has it
    ],
)
def test_a_customer_is_in_the_split_of_the_time_when_it_was_first_seen(
    rows: str, splits: str
) -> None:
    assert by_time(rows) == splits


@pytest.mark.parametrize(
    ("shares", "splits"),
    [((0.5, 0.3, 0.2), "tttttvvvee"), ((0.1, 0.1, 0.8), "tveeeeeeee"),
     ((0.8, 0.1, 0.1), "ttttttttve"), ((0.55, 0.25, 0.2), "tttttvvvee")],
)  # fmt: skip
def test_shares_are_of_the_customers_not_of_the_rows(
    shares: tuple[float, float, float], splits: str
) -> None:
    once = " ".join(f"{key}{day}" for day, key in enumerate("abcdefghij", 1))
    assert by_time(once, *shares) == splits
    assert by_time("a1 " * 30 + once, *shares) == "t" * 30 + splits


def test_shares_that_are_whole_numbers_of_customers_are_kept() -> None:
    once = " ".join(f"{key}{day}" for day, key in enumerate("abcdefghij", 1))
    assert by_time(once, 0.7, 0.1, 0.2) == "tttttttvee"


@pytest.mark.parametrize("seed", range(20))
def test_no_customer_is_in_two_splits_and_each_split_is_before_the_next(seed: int) -> None:
    source = np.random.default_rng(seed)
    n, customers = 300, int(source.choice([20, 80, 250]))
    keys = np.array([f"c{key}" for key in source.integers(0, customers, n)], dtype=object)
    moments = source.integers(0, int(source.choice([80, 3600])), n)  # with many ties, with few
    times = np.array([f"2026-01-31T00:{m // 60:02}:{m % 60:02}Z" for m in moments], dtype=object)
    chosen = splits.split_by_time(keys, times, (0.5, 0.25, 0.25))
    of = [set(keys[chosen == number]) for number in range(3)]
    assert all(of)
    assert not (of[0] & of[1] or of[0] & of[2] or of[1] & of[2])
    starts = [min(times[chosen == number]) for number in range(3)]
    for number in (0, 1):
        assert max(times[chosen == number]) < starts[number + 1]
    # Left out are those rows alone that come after their own split's end.
    for position in np.flatnonzero(chosen < 0):
        own = chosen[keys == keys[position]].max()
        assert own in (0, 1)
        assert times[position] >= starts[own + 1]
    assert set(keys) == of[0] | of[1] | of[2]


def test_the_past_learns_and_the_future_tests(
    base: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """By record, whose rows are one each: none is left out."""
    table = people()
    run(base, table, split_by="time", shares="0.5,0.25,0.25")
    read = {name: lines(base, name) for name in SPLITS}
    assert sum(map(len, read.values())) == 900
    days = [[row[1] for row in read[name]] for name in SPLITS]
    assert max(days[0]) < min(days[1])
    assert max(days[1]) < min(days[2])
    assert len(days[0]) == pytest.approx(450, abs=60)
    assert capsys.readouterr().out.startswith("0 of 900 rows are in no split")


def test_rows_after_the_end_of_their_customers_split_are_in_no_file_and_are_counted(
    base: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = people(household=[f"h{number % 300}" for number in range(900)])
    run(base, table, split_by="time", group="household", min_positives="5")
    of = dict(zip(table["person"].to_pylist(), table["household"].to_pylist(), strict=True))
    households = [{of[record] for record in split(base, name).ids} for name in SPLITS]
    assert not households[0] & households[1]
    assert not households[1] & households[2]
    assert not households[0] & households[2]
    left_out = 900 - sum(len(split(base, name).ids) for name in SPLITS)
    assert left_out > 0
    assert capsys.readouterr().out.startswith(f"{left_out} of 900 rows are in no split")


def test_a_split_by_hash_says_nothing(base: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(base, people())
    assert capsys.readouterr().out == ""


def test_rows_of_one_moment_cannot_be_split_by_time(base: Path) -> None:
    table = people(event_time=[AS_OF] * 900)
    assert refused(base, table, split_by="time") == (
        "the train split: expected at least 20 positive rows ([split] min_positives), got 0 of 0"
    )


def test_there_is_no_third_way_to_split(base: Path) -> None:
    with pytest.raises(SystemExit):
        run(base, people(), split_by="chance")


def test_the_test_split_tells_which_of_its_rows_belong_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By numbers in the order of its rows: intervals are of groups, and nobody's name is told."""
    container_at(monkeypatch, tmp_path)
    table = people()
    households = [f"household {number % 200}" for number in range(len(table))]
    query_result(tmp_path, table.append_column("household", pa.array(households)))
    process.main([*arguments(), "--group", "household"])
    folder = tmp_path / "processing/output/test"
    test, codes = read_split(folder, "test"), read_groups(folder)
    assert codes is not None and codes.max() + 1 < len(codes)
    own = dict(zip(table["person"].to_pylist(), households, strict=True))
    named: dict[int, set[str]] = {}
    for identifier, code in zip(test.ids, codes, strict=True):
        named.setdefault(int(code), set()).add(own[identifier])
    assert all(len(names) == 1 for names in named.values())
    assert len(set.union(*named.values())) == len(named)
    assert read_groups(tmp_path / "processing/output/train") is None
