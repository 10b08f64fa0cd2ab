"""Step 1: what is checked, how rows are split, and what a split's file holds."""

from __future__ import annotations

import csv
import hashlib
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from people import (
    AS_OF,
    GENDERS,
    ODD_CITIES,
    ODD_IDS,
    arguments,
    facet_argument,
    people,
    query_result,
)

import container
import process
from dataset import DataError, Split, read_split

SPLITS = ("train", "validation", "test")


@pytest.fixture
def base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A container's folder."""
    monkeypatch.setattr(container, "BASE", tmp_path)
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
    chosen = process.split_of(keys, "a", (0.7, 0.2, 0.1))
    assert np.bincount(chosen) / len(keys) == pytest.approx([0.7, 0.2, 0.1], abs=0.015)
    assert (chosen != process.split_of(keys, "b", (0.7, 0.2, 0.1))).mean() > 0.3


def test_columns_are_id_moment_label_context_features_in_this_order(base: Path) -> None:
    run(base, people(), group_variable="city")
    content = json.loads((base / "processing/output/test/columns.json").read_text("utf-8"))
    context = ["facet_gender", "facet_age", "facet_city"]
    features = ["age", "income", "visits", "nothing"]
    assert content["columns"] == ["person", "event_time", "stayed", *context, *features]
    assert content["types"]["stayed"] == "integer"
    assert {content["types"][name] for name in features} == {"number"}
    assert {content["types"][name] for name in context} == {"string"}
    assert {len(row) for row in lines(base, "test")} == {10}


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
            assert read.context["gender"][position] == row["gender"]
            assert read.context["city"][position] == row["city"]
            age = read.context["age"][position]
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
        (people().slice(0, 0), {}, f"the feature store has no rows as of {AS_OF}"),
        (people(), {"as_of": "2026-01-05T00:00:00Z"}, "returned a row of 2026-01-30T00:00:00Z"),
        (people(), {"as_of": "yesterday"}, "AsOf is 'yesterday', where a moment in UTC such as"),
        (people(), {"record_id": "chip"}, "no column 'chip' for the record id"),
        (people(), {"label": "left"}, "no column 'left'; it has person, event_time, stayed, age"),
        (people(), {"facets": "race"}, "the feature group has no column 'race'"),
        (people(), {"group_variable": "race"}, "the feature group has no column 'race'"),
        (people(), {"facets": "city>=3"}, "the facet city_ge_3 compares numbers, but"),
        (people(person=["a"] * 900), {}, "returned more than one row of a record"),
        (people(person=[None, *map(str, range(899))]), {}, "1 rows of the feature store have no p"),
        (people(person=["a\nb", *map(str, range(899))]), {}, r"'person' holds 'a\nb', where one"),
        (people(city=["a\rb"] * 900), {"facets": "city"}, r"'city' holds 'a\rb', where one line"),
        (people(stayed=[1] * 900), {}, "the label 'stayed' holds 1, where both 0 and 1 are right"),
        (people(stayed=[0, 1, None] * 300), {}, "the label 'stayed' holds 0, 1, None, where"),
        (people(stayed=[0.0, 1.0, 0.5] * 300), {}, "the label 'stayed' holds 0.0, 0.5, 1.0, where"),
        (people(stayed=["no", "yes"] * 450), {}, "the label 'stayed' holds 'no', 'yes', where"),
        (people(visits=[np.inf, 1.0, 2.0] * 300), {}, "the feature 'visits' holds inf, which"),
        (people(visits=[-1e39, 1.0, 2.0] * 300), {}, "the feature 'visits' holds -1e+39, which"),
        (people(facet_gender=[1, 2] * 450), {}, "a split would have two columns facet_gender"),
        (people(stayed=[1] * 890 + [0] * 10), {}, "split has"),
        (people(stayed=[1] * 890 + [0] * 10), {}, "where at least 20 are right ([split] min_pos"),
    ],
)  # fmt: skip
def test_what_cannot_be_learnt_from_is_refused(
    base: Path, table: pa.Table, options: dict[str, str], sentence: str
) -> None:
    assert sentence in refused(base, table, **options)


def test_a_group_without_a_number_to_learn_from_is_refused(base: Path) -> None:
    table = people().select(["person", "event_time", "stayed", "gender", "city", "recency"])
    assert refused(base, table, facets="gender") == (
        "the feature group has no numeric column left to learn from"
    )


def test_a_query_without_a_file_is_refused(base: Path) -> None:
    assert refused(base) == "the query of the feature store gave no file"


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
    in_bath = train.context["city"] == "Bath, UK"
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
    told = {(str(c), int(s)) for c, s in zip(train.context["city"], train.strata, strict=True)}
    assert len({stratum for _, stratum in told}) == 3
