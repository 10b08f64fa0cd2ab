"""The offline store as of a moment: the query, run by DuckDB over a store with a history."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ninesteps.errors import StepError
from ninesteps.feature_store.point_in_time import (
    AS_OF,
    AS_OF_SECONDS,
    Joined,
    Source,
    as_of_query,
    joined_query,
    one_record,
)
from ninesteps.local.offline_store import run_query
from ninesteps.local.storage import Storage

LOCATION = "s3://bucket/offline-store/pets-1/data"
Row = tuple[str, str, int, int, bool, int]
"""Id, event time, moments of call and write, whether it is a deletion, value."""


def moment(day: int, hour: int = 0) -> str:
    """An hour of January 2026; day 0 is the last of December."""
    return f"2026-01-{day:02}T{hour:02}:00:00Z" if day else f"2025-12-31T{hour:02}:00:00Z"


def put(chip: str, day: int, value: int, called: int = 0, written: int = 0) -> Row:
    return chip, moment(day), called, written, False, value


def delete(chip: str, day: int, called: int = 0) -> Row:
    return chip, moment(day), called, 0, True, -1


def store(folder: Path, rows: Iterable[Row]) -> Storage:
    """A store of these rows, a file each, in the order given: neither may matter."""
    storage = Storage(folder / "s3")
    for number, (chip, event_time, called, written, deleted, value) in enumerate(rows):
        year, month, day, hour = (
            event_time[:4],
            event_time[5:7],
            event_time[8:10],
            event_time[11:13],
        )
        name = f"year={year}/month={month}/day={day}/hour={hour}/{number:016}.parquet"
        file = storage.path(f"{LOCATION}/{name}")
        file.parent.mkdir(parents=True, exist_ok=True)
        columns = {
            "chip": [chip],
            "event_time": [event_time],
            "value": [value],
            "api_invocation_time": pa.array([called], pa.timestamp("us", tz="UTC")),
            "write_time": pa.array([written], pa.timestamp("us", tz="UTC")),
            "is_deleted": [deleted],
        }
        pq.write_table(pa.table(columns), file)
    return storage


def ask(storage: Storage, folder: Path, as_of: str, record_id: str = "chip") -> pa.Table:
    query = as_of_query(Source("pets", record_id)).replace(AS_OF, as_of)
    folder.mkdir(exist_ok=True)
    catalog = {("features", "pets"): LOCATION}
    run_query(query, "features", catalog, storage, folder)
    return pq.ParquetFile(folder / "rows.parquet").read()


def as_of(folder: Path, day: int, rows: Iterable[Row]) -> dict[str, int]:
    """Each record's value as of a day."""
    table = ask(store(folder, rows), folder / "answer", moment(day))
    values = dict(zip(table["chip"].to_pylist(), table["value"].to_pylist(), strict=True))
    assert len(values) == table.num_rows
    return values


def test_of_each_record_the_newest_row_counts(tmp_path: Path) -> None:
    rows = [put("a", 2, 20), put("a", 3, 30), put("b", 1, 10), put("a", 1, 10)]
    assert as_of(tmp_path, 9, rows) == {"a": 30, "b": 10}


def test_a_row_of_the_moment_itself_counts_and_a_newer_one_does_not(tmp_path: Path) -> None:
    rows = [put("a", 2, 20), put("a", 3, 30), put("b", 3, 30)]
    assert as_of(tmp_path, 2, rows) == {"a": 20}


def test_hours_and_minutes_are_told_apart(tmp_path: Path) -> None:
    rows = [("a", "2026-01-02T10:30:00Z", 0, 0, False, 1), put("a", 2, 0)]
    storage = store(tmp_path, rows)
    for at, value in (("10:29:59", 0), ("10:30:00", 1)):
        assert ask(storage, tmp_path / "x", f"2026-01-02T{at}Z")["value"].to_pylist() == [value]


SECOND = "2026-01-02T10:30:00"
WITHIN = (
    f"{SECOND}Z", f"{SECOND}.001Z", f"{SECOND}.5Z", f"{SECOND}.500999Z", f"{SECOND}.87Z",
    f"{SECOND}.999999999Z", "2026-01-02T12:30:01.000+02:00", "2026-01-02T05:00:01.25-0530",
)  # fmt: skip
"""Moments in order, written in every way: the fourth is the third to the millisecond."""


def test_events_within_a_second_are_told_apart_however_they_are_written(tmp_path: Path) -> None:
    for number, order in enumerate(itertools.permutations(range(len(WITHIN)), 2)):
        rows = [("a", WITHIN[place], place, 0, False, place) for place in order]
        answer = as_of(tmp_path / str(number), 9, rows)
        assert answer == {"a": max(order)}, [WITHIN[place] for place in order]


@pytest.mark.parametrize(
    ("at", "newest"),
    [
        (f"{SECOND}Z", 0), (f"{SECOND}.000Z", 0), (f"{SECOND}.001Z", 1), (f"{SECOND}.499Z", 1),
        (f"{SECOND}.500Z", 3), (f"{SECOND}.999Z", 5), ("2026-01-02T10:30:01Z", 6),
        ("2026-01-02T10:30:01.249Z", 6), ("2026-01-02T10:30:01.250Z", 7),
    ],
)  # fmt: skip
def test_a_moment_within_a_second_lets_no_later_row_in(
    tmp_path: Path, at: str, newest: int
) -> None:
    rows = [("a", text, place, 0, False, place) for place, text in enumerate(WITHIN)]
    assert ask(store(tmp_path, rows), tmp_path / "x", at)["value"].to_pylist() == [newest]


def test_within_a_millisecond_the_row_that_was_put_last_wins(tmp_path: Path) -> None:
    rows = [("a", WITHIN[2], 2, 0, False, 20), ("a", WITHIN[3], 1, 0, False, 10)]
    assert as_of(tmp_path, 9, rows) == {"a": 20}


@pytest.mark.parametrize("text", ["2026-01-02", "2026-01-02T00:00:00", "soon"])
def test_an_event_time_that_is_no_moment_fails_the_query(tmp_path: Path, text: str) -> None:
    file = pa.table({
        "chip": ["a"], "event_time": [text], "is_deleted": [False],
        "api_invocation_time": [0], "write_time": [0],
    })  # fmt: skip
    storage = Storage(tmp_path / "s3")
    place = storage.path(f"{LOCATION}/rows.parquet")
    place.parent.mkdir(parents=True)
    pq.write_table(file, place)
    with pytest.raises(StepError, match="the query failed: "):
        ask(storage, tmp_path / "x", moment(9))


def test_a_deleted_record_is_gone_and_its_older_rows_do_not_come_back(tmp_path: Path) -> None:
    rows = [put("a", 1, 10), put("a", 2, 20), delete("a", 3), put("b", 1, 10)]
    assert as_of(tmp_path, 9, rows) == {"b": 10}


def test_a_deletion_after_the_moment_has_not_happened_yet(tmp_path: Path) -> None:
    assert as_of(tmp_path, 2, [put("a", 1, 10), delete("a", 3)]) == {"a": 10}


def test_a_record_that_was_made_again_is_there_again(tmp_path: Path) -> None:
    assert as_of(tmp_path, 9, [put("a", 1, 10), delete("a", 2), put("a", 3, 30)]) == {"a": 30}


def test_of_one_event_time_the_row_that_was_put_last_wins_in_whatever_order_it_lies(
    tmp_path: Path,
) -> None:
    rows = [put("a", 1, 10, called=1), put("a", 1, 30, called=3), put("a", 1, 20, called=2)]
    for number, order in enumerate(itertools.permutations(rows)):
        assert as_of(tmp_path / str(number), 9, order) == {"a": 30}


def test_a_row_put_late_with_an_older_event_time_is_not_the_newest(tmp_path: Path) -> None:
    assert as_of(tmp_path, 9, [put("a", 2, 20, called=1), put("a", 1, 10, called=9)]) == {"a": 20}


def test_of_one_event_time_a_deletion_put_last_wins_and_one_put_first_does_not(
    tmp_path: Path,
) -> None:
    rows = [put("a", 1, 10, called=1), delete("a", 1, called=2)]
    rows += [delete("b", 1, called=1), put("b", 1, 10, called=2)]
    assert as_of(tmp_path, 9, rows) == {"b": 10}


def test_of_one_call_the_row_that_was_written_last_wins(tmp_path: Path) -> None:
    rows = [put("a", 1, 20, called=1, written=2), put("a", 1, 10, called=1, written=1)]
    assert as_of(tmp_path / "a", 9, rows) == {"a": 20}
    assert as_of(tmp_path / "b", 9, reversed(rows)) == {"a": 20}


def test_ids_that_differ_in_a_zero_are_two_records(tmp_path: Path) -> None:
    assert as_of(tmp_path, 9, [put("7", 1, 1), put("07", 1, 2)]) == {"7": 1, "07": 2}


@pytest.mark.parametrize("seed", range(5))
def test_random_histories_agree_with_a_loop(tmp_path: Path, seed: int) -> None:
    source = np.random.default_rng(seed)
    rows: list[Row] = []
    for called in source.permutation(40).tolist():
        chip, day = "abcde"[source.integers(5)], int(source.integers(1, 6))
        deleted = source.random() < 0.3
        rows.append(delete(chip, day, called) if deleted else put(chip, day, called, called))
    for day in range(7):
        newest: dict[str, Row] = {}
        for row in sorted(rows, key=lambda row: (row[1], row[2])):
            if row[1] <= moment(day):
                newest[row[0]] = row
        expected = {chip: row[5] for chip, row in newest.items() if not row[4]}
        assert as_of(tmp_path / str(day), day, rows) == expected


def test_columns_that_came_later_are_missing_in_older_rows(tmp_path: Path) -> None:
    storage = store(tmp_path, [put("a", 1, 10)])
    newer = pq.ParquetFile(next((tmp_path / "s3").rglob("*.parquet"))).read()
    newer = newer.set_column(0, "chip", pa.array(["b"])).append_column("colour", pa.array(["red"]))
    file = storage.path(f"{LOCATION}/year=2026/month=01/day=01/hour=00/newer.parquet")
    pq.write_table(newer, file)
    table = ask(storage, tmp_path / "answer", moment(9)).sort_by("chip")
    assert table["colour"].to_pylist() == [None, "red"]


def test_a_quote_in_the_ids_name_does_not_end_it() -> None:
    name = 'chip" DESC'
    with duckdb.connect() as connection:
        connection.execute(
            f"CREATE TABLE pets AS SELECT 'a' AS \"chip\"\" DESC\", '{moment(1)}' AS event_time, "
            "0 AS api_invocation_time, 0 AS write_time, false AS is_deleted"
        )
        query = as_of_query(Source("pets", name)).replace(AS_OF, moment(2))
        assert connection.execute(query).fetchone()


@pytest.mark.parametrize(("identifier", "ages"), [("7", [2]), ("8", []), ("7' OR '1'='1", [])])
def test_one_record_is_read_by_an_id_that_a_group_has_as_a_number(
    identifier: str, ages: list[int]
) -> None:
    with duckdb.connect() as connection:
        connection.execute(
            "CREATE TABLE pets AS SELECT 7 AS chip, 2 AS age, '2026-01-01T00:00:00Z' AS event_time,"
            " TIMESTAMP '2026-01-01' AS api_invocation_time, TIMESTAMP '2026-01-01' AS write_time,"
            " false AS is_deleted"
        )
        query = one_record("pets", "chip", identifier, "2026-01-31T00:00:00Z", "event_time", False)
        names = [column[0] for column in connection.execute(query).description]
        rows = connection.execute(query).fetchall()
    assert [row[names.index("age")] for row in rows] == ages


def test_a_name_that_no_column_has_is_told(tmp_path: Path) -> None:
    with pytest.raises(StepError, match=r"the query failed: .*tag"):
        ask(store(tmp_path, [put("a", 1, 1)]), tmp_path / "answer", moment(9), record_id="tag")


FRACTIONAL = Source("pets", "chip", event_time="at", is_fractional=True)


@pytest.mark.parametrize(
    ("as_of", "value"), [("1767225600.000", 1), ("1767225600.500", 2), ("1767225601.250", 3)]
)
def test_moments_in_seconds_are_compared_as_numbers(as_of: str, value: int) -> None:
    with duckdb.connect() as connection:
        connection.execute(
            "CREATE TABLE pets AS SELECT 'a' AS chip, v AS value, t::DOUBLE AS at, 0 AS "
            "api_invocation_time, 0 AS write_time, false AS is_deleted FROM (VALUES "
            "(1, 1767225600.0), (3, 1767225601.25), (2, 1767225600.5)) AS rows(v, t)"
        )
        query = as_of_query(FRACTIONAL).replace(AS_OF_SECONDS, as_of)
        rows = connection.execute(f"SELECT value FROM ({query})").fetchall()
    assert rows == [(value,)]


# Groups that others own


def joined(day: int, own: Iterable[Row], other: Iterable[Row]) -> dict[str, tuple[int, int | None]]:
    """Each own record's value as of a day, and the other group's, in another database."""
    with duckdb.connect() as connection:
        connection.execute("CREATE SCHEMA hr")
        for table, rows in (("pets", own), ("hr.pay", other)):
            connection.execute(
                f"CREATE TABLE {table} (chip VARCHAR, event_time VARCHAR, api_invocation_time INT, "
                "write_time INT, is_deleted BOOLEAN, value INT)"
            )
            for row in rows:
                connection.execute(f"INSERT INTO {table} VALUES (?, ?, ?, ?, ?, ?)", row)
        pay = Joined(Source("pay", "chip", database="hr"), ("value",), "pay_")
        query = joined_query(Source("pets", "chip"), {"pay": pay}).replace(AS_OF, moment(day))
        found = connection.execute(f"SELECT chip, value, pay_value FROM ({query})").fetchall()
    assert len({chip for chip, *_ in found}) == len(found)
    return {chip: (value, paid) for chip, value, paid in found}


def test_each_group_is_read_as_of_the_same_moment() -> None:
    own = [put("a", 1, 10), put("a", 5, 50), put("b", 2, 20), put("c", 1, 30)]
    other = [put("a", 2, 200), put("a", 4, 400), put("b", 1, 100), delete("b", 3), put("x", 1, 1)]
    assert joined(2, own, other) == {"a": (10, 200), "b": (20, 100), "c": (30, None)}
    assert joined(4, own, other) == {"a": (10, 400), "b": (20, None), "c": (30, None)}
    assert joined(9, own, other) == {"a": (50, 400), "b": (20, None), "c": (30, None)}


@pytest.mark.parametrize("seed", range(3))
def test_random_histories_of_two_groups_agree_with_each_group_by_itself(
    tmp_path: Path, seed: int
) -> None:
    source = np.random.default_rng(seed)

    def history() -> list[Row]:
        rows: list[Row] = []
        for called in source.permutation(30).tolist():
            chip, day = "abcde"[source.integers(5)], int(source.integers(1, 6))
            deleted = source.random() < 0.3
            rows.append(delete(chip, day, called) if deleted else put(chip, day, called, called))
        return rows

    own, other = history(), history()
    for day in range(1, 7):
        first = as_of(tmp_path / f"own{day}", day, own)
        second = as_of(tmp_path / f"other{day}", day, other)
        expected = {chip: (value, second.get(chip)) for chip, value in first.items()}
        assert joined(day, own, other) == expected
