"""The feature group's files: SageMaker's layout, what a record holds, what is taken over."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

import hash_split
from ninesteps.errors import FeaturesError, RawTableError
from ninesteps.feature_store import ingest as ingesting
from ninesteps.feature_store import write
from ninesteps.feature_store.ingest import Ingested, ingest
from ninesteps.feature_store.point_in_time import AS_OF, Source, as_of_query
from ninesteps.local.offline_store import run_query
from ninesteps.local.storage import Storage
from ninesteps.repository import modules
from ninesteps.settings.data import Column, Quality
from ninesteps.settings.environment import Environment
from ninesteps.settings.names import is_stored_name
from ninesteps.settings.settings import Settings
from pets import HEADER, ROOT, ROWS, changed, raw_file, settings

ENVIRONMENT = Environment("111122223333", "eu-west-1")
Features = Callable[..., Any]


def features_of_churn() -> Any:
    """The module of the repository in place, which the library calls."""
    return modules.features(ROOT)


def pet_features(table: pd.DataFrame, categories: dict[str, tuple[str, ...]]) -> pd.DataFrame:
    return pd.DataFrame({"age": table["age"], "is_cat": (table["species"] == "cat").astype(int)})


@pytest.fixture(autouse=True)
def features(monkeypatch: pytest.MonkeyPatch) -> Callable[[Features], None]:
    """The features of pets; calling it puts others in their place."""

    def replace(function: Features) -> None:
        monkeypatch.setattr(features_of_churn(), "features", function)

    replace(pet_features)
    monkeypatch.setattr(features_of_churn(), "findings", lambda table: {})
    return replace


def put(folder: Path, *rows: str, of: Settings | None = None) -> Ingested:
    """Ingest the usual rows and these."""
    return ingest(raw_file(folder, *ROWS, *rows), of or settings(), ENVIRONMENT, folder / "s3")


def files(folder: Path) -> list[str]:
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def records(folder: Path) -> pa.Table:
    """Every record of the only feature group, by when it was put."""
    found = sorted((folder / "s3").rglob("*.parquet"))
    table = pa.concat_tables([pq.ParquetFile(file).read() for file in found])
    return table.sort_by("api_invocation_time")


def test_files_lie_as_sagemaker_lays_them_by_the_hour_of_the_event(tmp_path: Path) -> None:
    ingested = put(tmp_path, of=settings(event_time="seen"))
    below = ingested.location.removeprefix("s3://")
    assert re.fullmatch(
        r"sagemaker-eu-west-1-111122223333/pets/feature-store/[0-9a-f]{16}/data", below
    )
    hours = [re.sub("_[0-9a-zA-Z]{16}", "_*", name) for name in files(tmp_path / "s3" / below)]
    assert hours == [
        "year=2026/month=01/day=01/hour=10/20260101T103000Z_*.parquet",
        "year=2026/month=01/day=02/hour=00/20260102T000000Z_*.parquet",
        "year=2026/month=01/day=02/hour=23/20260102T235959Z_*.parquet",
    ]
    assert ingested.latest == "2026-01-02T23:59:59.000Z"


def test_a_file_is_named_by_the_latest_event_of_its_hour(tmp_path: Path) -> None:
    late = "9,1,1,2020-01-31,cat,2026-01-01T10:59:00Z"
    put(tmp_path, late, "10,1,1,2020-01-31,cat,2026-01-01T10:00:00Z", of=settings("seen"))
    (name,) = (name for name in files(tmp_path / "s3") if "hour=10" in name)
    assert "/20260101T105900Z_" in name
    (file,) = (tmp_path / "s3").rglob("hour=10/*.parquet")
    assert pq.ParquetFile(file).read()["chip"].to_pylist() == ["007", "9", "10"]


@pytest.mark.parametrize(
    ("rows", "hours", "folders"),
    [(100, 1, 100), (101, 1, 5), (101, 20 * 24, 67), (101, 40 * 24, 12), (101, 366 * 24, 1)],
    ids=["hours", "days", "months", "years", "one file"],
)
def test_many_hours_make_few_files_by_the_day_the_month_or_the_year(
    tmp_path: Path, rows: int, hours: int, folders: int
) -> None:
    moments = np.datetime64("1899-12-31T01:30", "ms") + np.arange(rows) * np.timedelta64(hours, "h")
    moments = moments[np.argsort(np.sin(np.arange(rows)))]  # in no order
    lines = [f"{n},{n % 2},{n},2020-01-31,cat,{m}Z" for n, m in enumerate(moments)]
    stored = settings("seen")
    ingested = ingest(raw_file(tmp_path, *lines), stored, ENVIRONMENT, tmp_path / "s3")
    found = list((tmp_path / "s3").rglob("*.parquet"))
    assert len(found) == len({file.parent for file in found}) == folders
    table = records(tmp_path)
    assert table["age"].to_pylist() == list(range(rows))
    assert ingested.kept == rows
    query = as_of_query(Source("pets", "chip")).replace(AS_OF, ingested.latest)
    catalog = {("store", "pets"): ingested.location}
    run_query(query, "store", catalog, Storage(tmp_path / "s3"), tmp_path)
    assert pq.ParquetFile(tmp_path / "rows.parquet").metadata.num_rows == rows
    for file in found:
        parts = [name.split("=") for name in file.parts if "=" in name]
        assert [name for name, _ in parts] == ["year", "month", "day", "hour"][: len(parts)]
        texts = set(pq.ParquetFile(file).read()["event_time"].to_pylist())
        assert {re.split("[-T:]", text)[: len(parts)] == [v for _, v in parts]
                for text in texts} == {True}  # fmt: skip


def test_a_record_has_id_moment_label_features_raw_facets_and_the_stores_columns(
    tmp_path: Path,
) -> None:
    put(tmp_path)
    table = records(tmp_path)
    assert {field.name: str(field.type).split("[")[0] for field in table.schema} == {
        "chip": "string",
        "event_time": "string",
        "adopted": "int64",
        "age": "double",
        "is_cat": "int64",
        "species": "string",
        "api_invocation_time": "timestamp",
        "write_time": "timestamp",
        "is_deleted": "bool",
    }
    assert table["chip"].to_pylist() == ["007", "008", "1e5"]
    assert table["species"].to_pylist() == ["cat", "dog", "cat"]
    assert table["is_deleted"].to_pylist() == [False, False, False]


def test_rows_are_put_one_after_the_other_and_written_after_that(tmp_path: Path) -> None:
    put(tmp_path, "007,0,2,2020-01-31,cat,", "007,1,3,2020-01-31,cat,")
    table = records(tmp_path)
    called = table["api_invocation_time"].to_pylist()
    assert len(set(called)) == 5
    assert table["age"].to_pylist() == [1.5, 12, 0.25, 2, 3]  # as in the file
    assert max(called) < min(table["write_time"].to_pylist())


def test_a_facet_without_any_value_is_still_a_text(tmp_path: Path) -> None:
    colour = Column("category", values=("red",))
    header = "chip,adopted,age,born,species,colour"
    rows = ("1,1,1,2020-01-31,cat,", "2,0,1,2020-01-31,cat,", "3,,1,2020-01-31,cat,red")
    file = raw_file(tmp_path, *rows, header=header)  # the last is left out
    ingest(file, settings(facets="colour", colour=colour), ENVIRONMENT, tmp_path / "s3")
    assert records(tmp_path).schema.field("colour").type == pa.string()


def test_what_is_odd_is_counted_and_handed_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(features_of_churn(), "findings", lambda table: {"old": 2, "older": 0})
    ingested = put(tmp_path, ",1,,,cat,")
    assert (ingested.read, ingested.kept) == (4, 3)
    assert ingested.found["empty chip: left out"] == 1
    assert ingested.found["old"] == 2
    assert "older" not in ingested.found


def test_the_same_table_is_taken_over_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = put(tmp_path)
    before = files(tmp_path)
    monkeypatch.delattr(write, "write_offline_store")
    assert put(tmp_path) == first
    assert files(tmp_path) == before


def test_another_table_or_another_facet_is_another_group_beside_the_first(tmp_path: Path) -> None:
    locations = [
        put(tmp_path).location,
        put(tmp_path, "9,1,1,2020-01-31,cat,").location,
        put(tmp_path, of=settings(facets="species, age>=2")).location,
        put(tmp_path, of=settings(event_time="seen")).location,
        put(tmp_path, of=changed(settings(), split={"group": "born"})).location,
        put(tmp_path, of=changed(settings(), model={"exclude": ("born",)})).location,
        put(tmp_path, of=changed(settings(), data={"positive": "1"})).location,
        put(tmp_path, of=changed(settings(), data={"number_rows": True})).location,
        put(tmp_path, of=changed(settings(), project={"problem": "regression"})).location,
    ]
    assert len(set(locations)) == len(locations)
    for location in locations:
        assert (tmp_path / "s3" / location.removeprefix("s3://")).is_dir()


def test_a_refused_table_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(RawTableError):
        put(tmp_path, "9,1,old,,cat,")
    with pytest.raises(RawTableError):
        ingest(tmp_path, settings(), ENVIRONMENT, tmp_path / "s3")
    assert files(tmp_path) == ["pets.csv"]


def test_a_disk_that_fills_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fill(writer: pq.ParquetWriter, table: pa.Table) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(write.pq.ParquetWriter, "write_table", fill)
    with pytest.raises(OSError, match="No space"):
        put(tmp_path)
    assert files(tmp_path) == ["pets.csv"]


def test_features_see_neither_label_nor_id_and_leave_the_facets_alone(
    tmp_path: Path, features: Callable[[Features], None]
) -> None:
    seen: list[str] = []

    def greedy(table: pd.DataFrame, categories: dict[str, tuple[str, ...]]) -> pd.DataFrame:
        seen.extend(table.columns)
        table["species"] = "fish"
        assert categories == {"species": ("cat", "dog")}
        return table[["age"]]

    features(greedy)
    put(tmp_path)
    assert seen[:4] == ["age", "born", "species", "event_time"]
    assert records(tmp_path)["species"].to_pylist() == ["cat", "dog", "cat"]


@pytest.mark.parametrize("part", ["", ".000", ".250"])
def test_features_get_moments_to_the_millisecond_whatever_they_stand_beside(
    tmp_path: Path, features: Callable[[Features], None], part: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []

    def look(table: pd.DataFrame, *_: object) -> Any:
        seen.append(table["event_time"].iloc[-1])
        return table[["age"]] if _ else {}

    features(look)
    monkeypatch.setattr(features_of_churn(), "findings", look)
    ingested = put(
        tmp_path, f"9,1,1,2020-01-31,cat,2026-01-03T00:00:00{part}Z", of=settings("seen")
    )
    given = f"2026-01-03T00:00:00{part or '.000'}Z"
    assert seen[:2] == [given, given]  # findings, features
    assert ingested.latest == given


def test_a_facet_that_is_a_feature_too_stands_there_once(tmp_path: Path) -> None:
    put(tmp_path, of=settings(facets="age>=2"))
    assert records(tmp_path).column_names.count("age") == 1


def test_a_stored_column_that_is_a_feature_too_is_stored_as_that_feature(tmp_path: Path) -> None:
    put(tmp_path, of=changed(settings(facets="age>=2"), split={"group": "age"}))
    assert records(tmp_path).schema.field("age").type == pa.float64()


def test_a_raw_column_that_no_feature_is_is_stored_as_text_whatever_it_holds(
    tmp_path: Path, features: Callable[[Features], None]
) -> None:
    features(lambda table, _: pd.DataFrame({"is_cat": (table["species"] == "cat").astype(int)}))
    stored = settings(
        facets="age>=2, born", litter=Column("number"), owner=Column("text"), tag=Column("text")
    )
    stored = changed(stored, bias={"group_variable": "litter"}, split={"group": "owner"})
    extra = ("3,007,x", ",,x", "1e22,Ann,x")
    rows = [f"{row},{more}" for row, more in zip(ROWS, extra, strict=True)]
    file = raw_file(tmp_path, *rows, header=f"{HEADER},litter,owner,tag")
    ingest(file, stored, ENVIRONMENT, tmp_path / "s3")
    table = records(tmp_path)
    texts = {
        "age": ["1.5", "12", "0.25"],
        "born": ["2020-01-31", "2009-12-01", "2025-11-30"],
        "litter": ["3", None, "1e+22"],
        "owner": ["007", None, "Ann"],
    }
    assert {name: table[name].to_pylist() for name in texts} == texts
    assert {table.schema.field(name).type for name in texts} == {pa.string()}
    assert not {"species", "tag"} & set(table.column_names)  # nobody asks for them


@pytest.mark.parametrize(
    ("problem", "type_"), [("binary", pa.int64()), ("regression", pa.float64())]
)
def test_the_label_is_stored_as_its_problem_has_it(
    tmp_path: Path, problem: str, type_: pa.DataType
) -> None:
    put(tmp_path, of=changed(settings(), project={"problem": problem}))
    label = records(tmp_path)["adopted"]
    assert (label.type, label.to_pylist()) == (type_, [1, 0, 1])


def test_a_regressions_label_is_stored_in_full(tmp_path: Path) -> None:
    regression = changed(settings(), project={"problem": "regression"})
    put(tmp_path, "9,0.1,1,2020-01-31,cat,", "10,-1e300,1,2020-01-31,cat,", of=regression)
    assert records(tmp_path)["adopted"].to_pylist()[3:] == [0.1, -1e300]


def test_a_label_told_by_its_positive_text_is_stored_as_0_and_1(tmp_path: Path) -> None:
    rows = ("1,No,1,2020-01-31,cat,", "2,Yes,1,2020-01-31,dog,", "3,,1,2020-01-31,dog,")
    told = changed(settings(), data={"positive": "Yes"})
    ingested = ingest(raw_file(tmp_path, *rows), told, ENVIRONMENT, tmp_path / "s3")
    assert records(tmp_path)["adopted"].to_pylist() == [0, 1]
    assert (ingested.read, ingested.kept) == (3, 2)


def test_numbered_rows_have_their_numbers_as_ids(tmp_path: Path) -> None:
    put(tmp_path, ROWS[0], of=changed(settings(), data={"number_rows": True, "record_id": "row"}))
    table = records(tmp_path)
    assert table["row"].to_pylist() == ["1", "2", "3", "4"]
    assert "chip" not in table.column_names


@pytest.mark.parametrize("event_time", ["", "seen"])
def test_a_parquet_file_gives_the_records_of_the_csv_file(tmp_path: Path, event_time: str) -> None:
    """Of typed columns: whole numbers, numbers, days and moments."""
    csv, parquet = tmp_path / "csv", tmp_path / "parquet"
    csv.mkdir()
    typed = pyarrow.csv.read_csv(raw_file(csv, *ROWS))
    typed = typed.set_column(0, "chip", pa.array(["007", "008", "1e5"]))
    assert [str(column.type) for column in typed][1:4] == ["int64", "double", "date32[day]"]
    assert pa.types.is_timestamp(typed["seen"].type)
    pq.write_table(typed, tmp_path / "pets.parquet")
    stored = settings(event_time, facets="species, age>=2, born")
    one = ingest(csv / "pets.csv", stored, ENVIRONMENT, csv / "s3")
    other = ingest(tmp_path / "pets.parquet", stored, ENVIRONMENT, parquet / "s3")
    assert (one.latest, one.read, one.kept) == (other.latest, other.read, other.kept)
    of_the_call = ["api_invocation_time", "write_time"]
    assert records(csv).drop(of_the_call).equals(records(parquet).drop(of_the_call))


def test_other_code_of_the_modules_that_requests_share_gives_another_group(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert [path.name for path in ingesting.SHARED if not path.is_file()] == []
    first = put(tmp_path).location
    assert put(tmp_path).location == first
    other = tmp_path / "raw_values.py"
    other.write_text("# other code\n", encoding="utf-8")
    monkeypatch.setattr(ingesting, "SHARED", (other, *ingesting.SHARED[1:]))
    assert put(tmp_path).location != first


@pytest.mark.parametrize(
    ("function", "sentence"),
    [
        (lambda table, _: pd.DataFrame({"to mean": table["age"] / table["age"].mean()}),
         r"'to mean': expected 0\.327273 for the record '007' alone, as in the whole table, got 1: "
         "compute a feature from its own row only"),
        (lambda table, _: table[["age"]].rank(), "'age': expected 2 for the record '007' alone, "),
        (lambda table, _: table[["age"]].diff(),
         r"'age': expected 10\.5 for the record '008' alone, as in the whole table, got nan"),
        (lambda table, _: pd.get_dummies(table["species"], dtype=int),
         "expected the same features of any rows, in the same order, got 'dog' of some rows alone"),
    ],
)  # fmt: skip
def test_a_feature_that_looks_at_other_rows_is_refused(
    tmp_path: Path, features: Callable[[Features], None], function: Features, sentence: str
) -> None:
    features(function)
    with pytest.raises(FeaturesError, match=f"feature_store/features.py: {sentence}"):
        put(tmp_path)


def test_a_feature_that_looks_at_many_other_rows_is_refused(
    tmp_path: Path, features: Callable[[Features], None]
) -> None:
    """One that a record alone does not show."""
    features(lambda table, _: table[["age"]].clip(upper=table["age"].quantile(0.9)))
    more = [f"n{n},{n % 2},{n},2020-01-31,cat,2026-01-01" for n in range(100)]
    with pytest.raises(
        FeaturesError, match=r"'age': expected .* for the record 'n\d+' with 19 oth"
    ):
        put(tmp_path, *more)


def test_features_may_write_into_the_rows_they_get(
    tmp_path: Path, features: Callable[[Features], None], recwarn: pytest.WarningsRecorder
) -> None:
    def write(table: pd.DataFrame, _: dict[str, tuple[str, ...]]) -> pd.DataFrame:
        table["age"] = table["age"] * 2
        return table[["age"]]

    features(write)
    put(tmp_path)
    assert [w.category.__name__ for w in recwarn] == []
    assert records(tmp_path)["age"].to_pylist() == [3.0, 24.0, 0.5]


def test_what_the_features_raise_without_a_word_is_told_with_its_line(
    tmp_path: Path, features: Callable[[Features], None]
) -> None:
    def nothing(table: pd.DataFrame, _: dict[str, tuple[str, ...]]) -> pd.DataFrame:
        raise KeyError

    features(nothing)
    with pytest.raises(FeaturesError, match=r"features\.py: line .*: KeyError: "):
        put(tmp_path, of=WITHHELD)


WITHHELD = changed(settings(), model={"exclude": ("species", "born", "is_old")})


def test_features_do_not_see_what_the_model_excludes(
    tmp_path: Path, features: Callable[[Features], None]
) -> None:
    seen: list[str] = []

    def look(table: pd.DataFrame, categories: dict[str, tuple[str, ...]]) -> pd.DataFrame:
        seen.extend([*table.columns, *categories])
        return table[["age"]]

    features(look)
    put(tmp_path, of=WITHHELD)
    assert {*seen} == {"age", "event_time"}
    assert records(tmp_path)["species"].to_pylist() == ["cat", "dog", "cat"]  # the facet's


@pytest.mark.parametrize(
    "function",
    [
        lambda table, _: table[["age"]].assign(old=table["born"]),
        lambda _, categories: pd.DataFrame(categories["born"]),
        lambda table, _: table[["age", "born"]],
        lambda table, _: table[["age"]].assign(old=table.born),
    ],
)
def test_features_that_need_what_the_model_excludes_are_told_so(
    tmp_path: Path, features: Callable[[Features], None], function: Features
) -> None:
    features(function)
    with pytest.raises(FeaturesError) as refused:
        put(tmp_path, of=WITHHELD)
    sentence = "feature_store/features.py: needs 'born', which [model] exclude withholds"
    assert str(refused.value) == sentence


def test_a_single_feature_that_the_model_excludes_is_stored_all_the_same(
    tmp_path: Path, features: Callable[[Features], None]
) -> None:
    features(lambda table, _: table[["age"]].assign(is_old=(table["age"] > 2).astype(int)))
    put(tmp_path, of=WITHHELD)
    assert records(tmp_path)["is_old"].to_pylist() == [0, 1, 0]


def test_a_feature_without_any_value_is_counted(
    tmp_path: Path, features: Callable[[Features], None]
) -> None:
    features(lambda table, _: table[["age"]].assign(ghost=np.nan))
    assert put(tmp_path).found == {"feature ghost without a value": 3}


def column(name: str, *values: Any) -> Features:
    """Features with one more column."""
    return lambda table, _: table[["age"]].assign(**{name: [values[row] for row in table.index]})


ODD_NAMES = (
    "year", "Hour", "is_deleted", "recency", "event_time", "Customer ID", "Größe", "年収", "年齢",
    "city=Köln", "_id", "AGE", "a" * 65, " ", "Customer-ID", "customer_id",
)  # fmt: skip


def test_a_feature_of_any_name_is_stored_under_a_legal_one_of_its_own(
    tmp_path: Path, features: Callable[[Features], None]
) -> None:
    values = {name: number for number, name in enumerate(ODD_NAMES)}
    features(lambda table, _: table[["age"]].assign(**values))
    ingested = put(tmp_path)
    table = records(tmp_path)
    stored = {shown: name for name, shown in ingested.names.items()}
    own = {"age", "Customer-ID", "customer_id"}
    assert set(stored) == set(ODD_NAMES) - own
    assert own < set(table.column_names)
    assert len({name.lower() for name in table.column_names}) == table.num_columns
    for name, value in values.items():
        assert table[stored.get(name, name)].to_pylist() == [value] * 3
        assert is_stored_name(stored.get(name, name))
    assert stored["city=Köln"].startswith("city_koln_")
    assert stored["year"].startswith("year_value_")


def test_a_feature_is_stored_under_the_same_name_whatever_else_there_is(
    tmp_path: Path, features: Callable[[Features], None]
) -> None:
    names = []
    for number, others in enumerate((("年収",), ("年齢", "性別", "年収"))):
        folder = tmp_path / str(number)
        folder.mkdir()
        features(lambda table, _, o=others: table[["age"]].assign(**dict.fromkeys(o, 1)))
        shown = put(folder).names
        names.append(next(name for name in shown if shown[name] == "年収"))
    assert names[0] == names[1]


def test_columns_with_a_stored_name_are_stored_under_it(
    tmp_path: Path, features: Callable[[Features], None]
) -> None:
    features(lambda table, _: table[["age", "year"]])
    of = settings(facets="species, year>=2", year=Column("number"))
    names = {"chip": "chip_id", "adopted": "was_adopted", "species": "kind", "year": "year_value"}
    of = changed(of, data={"stored": names})
    rows = [f"{row},{number}" for number, row in enumerate(ROWS)]
    file = raw_file(tmp_path, *rows, header=f"{HEADER},year")
    ingested = ingest(file, of, ENVIRONMENT, tmp_path / "s3")
    table = records(tmp_path)
    assert set(names.values()) < set(table.column_names)
    assert not set(names) & set(table.column_names)
    assert table["year_value"].to_pylist() == [0.0, 1.0, 2.0]  # the feature and the facet
    assert ingested.names == {stored: raw for raw, stored in names.items()}


def test_rows_used_are_the_different_records(tmp_path: Path) -> None:
    earlier = "007,1,1,2020-01-31,cat,2025-01-01T00:00:00Z"
    again = "008,1,1,2020-01-31,cat,2026-01-02T00:00:00Z"
    none = Quality(dropped=1)
    of = changed(settings("seen"), data={"quality": none})
    ingested = put(tmp_path, earlier, again, of=of)
    assert (ingested.read, ingested.kept, ingested.used) == (5, 5, 3)
    assert ingested.found["older row of the same chip: not used"] == 1
    assert ingested.found["duplicate chip: kept the last row"] == 1


@pytest.mark.parametrize(
    ("extra", "is_said"),
    [({}, True), ({"split": {"group": "owner"}}, False), ({"split": {"by": "time"}}, False)],
    ids=["by id", "kept together", "by time"],
)
def test_somebody_whose_rows_are_in_train_and_test_is_counted(
    tmp_path: Path, extra: dict[str, Any], is_said: bool
) -> None:
    rows = [f"{n},{n % 2},{n % 7},2020-01-31,cat,2026-01-01T{n % 24:02}:00:00Z,o{n // 4}"
            for n in range(400)]  # fmt: skip
    of = changed(settings("seen", owner=Column("text")), **extra)
    file = raw_file(tmp_path, *rows, header=f"{HEADER},owner")
    crossing = ingest(file, of, ENVIRONMENT, tmp_path / "s3").crossing
    if not is_said:
        assert crossing == {}
        return
    chosen = hash_split.split_of([str(n) for n in range(400)], "pets", (0.7, 0.15, 0.15))
    owners = [{n // 4 for n in np.flatnonzero(chosen == part)} for part in (0, 2)]
    assert crossing == {"owner": len(owners[0] & owners[1])}


def test_of_numbered_rows_somebody_is_counted_too(tmp_path: Path) -> None:
    rows = [f"{n},{n % 2},{n % 7},2020-01-31,cat,2026-01-01T00:00:00Z,o{n // 4}"
            for n in range(400)]  # fmt: skip
    of = changed(
        settings("seen", owner=Column("text")), data={"number_rows": True, "record_id": "row"}
    )
    file = raw_file(tmp_path, *rows, header=f"{HEADER},owner")
    crossing = ingest(file, of, ENVIRONMENT, tmp_path / "s3").crossing
    assert 20 < crossing["owner"] < 80


def test_a_measure_that_is_the_same_in_all_rows_of_somebody_tells_whose_they_are(
    tmp_path: Path,
) -> None:
    rows = [f"{n},{n % 2},{n % 7},2020-01-31,cat,2026-01-01T00:00:00Z,{n // 4 + 0.25}"
            for n in range(400)]  # fmt: skip
    file = raw_file(tmp_path, *rows, header=f"{HEADER},height")
    of = settings("seen", height=Column("number"))
    crossing = ingest(file, of, ENVIRONMENT, tmp_path / "s3").crossing
    assert 20 < crossing["height"] < 80


def test_a_category_whose_values_tell_the_label_is_suspicious(tmp_path: Path) -> None:
    reasons = Column("category", values=("moved", "angry", "none", "new"))
    noise = np.random.default_rng(3).random(200)
    rows = [
        f"{n},{n % 2},{noise[n]},2020-01-31,cat,,{('moved', 'none', 'angry', 'new')[n % 4]}"
        for n in range(200)
    ]
    of = settings(reason=reasons)
    file = raw_file(tmp_path, *rows, header=f"{HEADER},reason")
    powers = ingest(file, of, ENVIRONMENT, tmp_path / "s3").suspicious
    assert powers == {"reason": 1}
    withheld = changed(of, model={"exclude": ("reason",)})
    assert ingest(file, withheld, ENVIRONMENT, tmp_path / "s3").suspicious == {}


@pytest.mark.parametrize(
    ("function", "sentence"),
    [
        (lambda table, _: table["gone"], "feature_store/features.py: line ?: KeyError: 'gone'"),
        (lambda table, _: table["speceis"],
         "feature_store/features.py: line ?: KeyError: 'speceis'; did you mean 'species'?"),
        (lambda table, _: None,
         "feature_store/features.py: expected the table's 3 rows in their order, got None"),
        (lambda table, _: table[["age"]].iloc[1:],
         "feature_store/features.py: expected the table's 3 rows in their order, got 2 rows"),
        (lambda table, _: table[["age"]].iloc[::-1],
         "feature_store/features.py: expected the table's 3 rows in their order, got 3 rows"),
        (lambda table, _: table[["age"]].set_axis([5, 6, 7]),
         "feature_store/features.py: expected the table's 3 rows in their order, got 3 rows"),
        (lambda table, _: table[["age", "species"]],
         "feature_store/features.py: 'species': expected numbers, got object"),
        (lambda table, _: table[["age", "born"]],
         "feature_store/features.py: 'born': expected numbers, got datetime64[us]"),
        (column("old", True, False, True),
         "feature_store/features.py: 'old': expected numbers, got bool"),
        (column("big", 1.0, np.inf, -np.inf),
         "feature_store/features.py: 'big': expected finite numbers within single precision, "
         "got others in 2 of 3 rows"),
        (column("big", 1.0, 1e39, 1.0),
         "feature_store/features.py: 'big': expected finite numbers within single precision, "
         "got others in 1 of 3 rows"),
        (column("adopted", 1, 0, 1),
         "feature_store/features.py: expected another name (the feature group has 'adopted' "
         "already), got 'adopted'"),
        (lambda table, _: pd.DataFrame({7: table["age"]}),
         "feature_store/features.py: expected a string as a feature's name, got 7"),
        (lambda table, _: pd.concat([table[["age"]], table[["age"]]], axis=1),
         "feature_store/features.py: expected another name (the feature group has 'age' "
         "already), got 'age'"),
    ],
)  # fmt: skip
def test_features_that_no_group_can_hold_are_refused(
    tmp_path: Path, features: Callable[[Features], None], function: Features, sentence: str
) -> None:
    features(function)
    with pytest.raises(FeaturesError) as refused:
        put(tmp_path)
    assert str(refused.value).startswith("feature_store/features.py: ")
    assert sentence in str(refused.value)
    assert files(tmp_path) == ["pets.csv"]


def test_what_the_features_raise_is_told_with_the_line_that_raised_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()  # the repository's own features want other columns than a pet has
    team = tmp_path / "features.py"
    code = "def findings(table):\n    return {}\n\n\ndef features(table, categories):\n"
    team.write_text(f"{code}    return 1 / 0\n", encoding="utf-8")
    specification = importlib.util.spec_from_file_location("features", team)
    assert specification and specification.loader
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    monkeypatch.setattr(modules, "features", lambda root: module)
    with pytest.raises(FeaturesError, match=r"features\.py: line 6: ZeroDivisionError: division"):
        put(tmp_path)


def test_nullable_integers_are_numbers(
    tmp_path: Path, features: Callable[[Features], None]
) -> None:
    litters = pd.Series([1, None, 3], dtype="Int64")
    features(lambda table, _: table[["age"]].assign(litter=litters.loc[table.index]))
    put(tmp_path)
    assert records(tmp_path)["litter"].to_pylist() == [1, None, 3]
