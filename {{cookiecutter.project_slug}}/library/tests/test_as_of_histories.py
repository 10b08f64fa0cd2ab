"""The query as of a moment beside a plain loop, over random histories; and as Trino's grammar."""

from __future__ import annotations

import dataclasses
import os
import random
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, timezone

import duckdb
import pyarrow as pa
import pytest
from sqlfluff.core import FluffConfig, Linter
from sqlfluff.core.parser import BaseSegment

from ninesteps.feature_store.point_in_time import (
    AS_OF,
    AS_OF_SECONDS,
    Joined,
    Source,
    as_of_query,
    joined_query,
)

HISTORIES = int(os.environ.get("HISTORIES_TRIED", "300"))
START = int(datetime(2024, 2, 28, 23, 59, 58, tzinfo=UTC).timestamp() * 1000)
MOMENTS = sorted(
    START + after + step for after in (0, 499, 999, 2000, 86_400_000) for step in range(3)
)
"""Of all histories' events, in milliseconds since 1970: over two seconds, and a day later."""

TEXTS = Source("pets", "chip", "seen at")
SECONDS = Source("pets", "chip", "seen at", is_fractional=True)
WINDOWS = [replace(source, window_days=28) for source in (TEXTS, SECONDS)]
DAY = 86_400_000


@dataclass(frozen=True)
class Row:
    """One row of the offline store."""

    chip: str
    moment: int  # milliseconds since 1970
    written: str  # the same as the store has it
    called: int  # api_invocation_time, write_time: milliseconds since 1970
    put: int
    is_deleted: bool
    value: int


def iso(source: random.Random, moment: int) -> str:
    """A moment in one of the ways in which it can be written; finer than a millisecond, too."""
    zone = source.choice([UTC, UTC, timezone(timedelta(minutes=source.randrange(-720, 840)))])
    when = (datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=moment)).astimezone(zone)
    digits = f"{moment % 1000:03}"
    fractions = [f".{digits}", f".{digits}{source.randrange(10**6):06}"]
    fractions += [f".{digits.rstrip('0')}"] if moment % 1000 else ["", ".0"]
    offset = "Z" if zone is UTC else when.strftime("%z")
    if zone is not UTC and source.random() < 0.5:
        offset = f"{offset[:3]}:{offset[3:]}"
    return f"{when:%Y-%m-%dT%H:%M:%S}{source.choice(fractions)}{offset}"


def history(seed: int, is_fractional: bool) -> list[Row]:
    """Puts, updates, deletions, late arrivals and rows of one moment, in no order.

    Few moments and few calls, so that many are equal; no two rows of a record are equal in
    everything that decides.
    """
    source = random.Random(seed)
    moments = source.sample(MOMENTS, 5)
    rows: dict[object, Row] = {}
    for value in range(source.randrange(1, 25)):
        chip, moment = f"{seed}{source.choice('aAä')}", source.choice(moments)
        called = moment + source.choice([0, 0, 1, 900_000, 10**9])  # late: put long after it
        put = called + source.choice([0, 1, 900_000])
        written = repr(moment / 1000) if is_fractional else iso(source, moment)
        row = Row(chip, moment, written, called, put, source.random() < 0.25, value)
        rows.setdefault((chip, moment, called, put), row)
    return source.sample(list(rows.values()), len(rows))


def expected(rows: list[Row], as_of: int, days: int = 0) -> dict[str, int]:
    """Each record's value as of a moment, by a loop; of older ones none, if days are said."""
    newest: dict[str, Row] = {}
    for row in rows:
        if row.moment > as_of:
            continue
        other = newest.get(row.chip)
        if not other or (row.moment, row.called, row.put) > (other.moment, other.called, other.put):
            newest[row.chip] = row
    oldest = as_of - days * DAY if days else -1
    kept = {chip: row for chip, row in newest.items() if row.moment > oldest}
    return {chip: row.value for chip, row in kept.items() if not row.is_deleted}


def table(rows: list[Row], is_fractional: bool) -> pa.Table:
    moments = [row.written for row in rows]
    when = pa.timestamp("ms", tz="UTC")
    return pa.table({
        "chip": [row.chip for row in rows],
        "seen at": [float(text) for text in moments] if is_fractional else moments,
        "value": [row.value for row in rows],
        "moment": [row.moment for row in rows],
        "api_invocation_time": pa.array([row.called for row in rows], when),
        "write_time": pa.array([row.put for row in rows], when),
        "is_deleted": [row.is_deleted for row in rows],
    })  # fmt: skip


@pytest.mark.parametrize("days", [0, 1], ids=["of any age", "of a window"])
@pytest.mark.parametrize("is_fractional", [False, True], ids=["texts", "seconds"])
def test_random_histories_are_read_as_a_plain_loop_reads_them(
    is_fractional: bool, days: int
) -> None:
    query = as_of_query(replace(SECONDS if is_fractional else TEXTS, window_days=days))
    rows = [row for seed in range(HISTORIES) for row in history(seed, is_fractional)]
    random.Random(0).shuffle(rows)
    with duckdb.connect() as connection:
        connection.register("pets", table(rows, is_fractional))
        for as_of in (MOMENTS[0] - 1, *MOMENTS, MOMENTS[-1] + 10**10):
            when = datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=as_of)
            text = f"{when:%Y-%m-%dT%H:%M:%S}.{as_of % 1000:03}Z"
            seconds = f"{as_of // 1000}.{as_of % 1000:03}"
            own = query.replace(AS_OF, text).replace(AS_OF_SECONDS, seconds)
            answer = connection.sql(own).to_arrow_table()
            chips, values = answer["chip"].to_pylist(), answer["value"].to_pylist()
            assert all(moment <= as_of for moment in answer["moment"].to_pylist())
            assert len(set(chips)) == len(chips)
            got, loop = dict(zip(chips, values, strict=True)), expected(rows, as_of, days)
            if got != loop:
                other = next(c for c in got | loop if got.get(c) != loop.get(c))
                own_rows = [row for row in rows if row.chip == other]
                pytest.fail(f"as of {text} {got.get(other)}, not {loop.get(other)}: {own_rows}")
            assert (not loop) == (as_of < MOMENTS[0] or (days > 0 and as_of > MOMENTS[-1] + DAY))


OWNED = Joined(Source("looks", "chip", "seen at"), ("looks",))
SHARED = Joined(Source("pay", "pet", "seen at", True, "hr"), ("value",), "pay_")
GROUPS = joined_query(TEXTS, {"looks": OWNED, "pay": SHARED})
"""Of three groups: the main one, an own one and one of another repository in another database."""


def test_random_histories_of_several_groups_are_joined_as_a_plain_loop_joins_them() -> None:
    """Each group has its own puts, deletions and late arrivals; all are read as of one moment."""
    own = [row for seed in range(HISTORIES) for row in history(seed, False)]
    # The same records under other seeds' histories, of which some are in one group alone.
    looks, pay = (
        [
            dataclasses.replace(row, chip=f"{seed - HISTORIES * group}{row.chip[-1]}")
            for seed in range(HISTORIES * group, HISTORIES * (group + 1))
            for row in history(seed, is_fractional)
        ]
        for group, is_fractional in ((2, False), (3, True))
    )
    with duckdb.connect() as connection:
        connection.register("pets", table(own, False))
        connection.register("looks", table(looks, False).rename_columns({"value": "looks"}))
        connection.register("hr_pay", table(pay, True).rename_columns({"chip": "pet"}))
        connection.execute("CREATE SCHEMA hr")
        connection.execute("CREATE TABLE hr.pay AS SELECT * FROM hr_pay")
        seen = set()
        for as_of in (MOMENTS[0] - 1, *MOMENTS, MOMENTS[-1] + 10**10):
            when = datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=as_of)
            text = f"{when:%Y-%m-%dT%H:%M:%S}.{as_of % 1000:03}Z"
            seconds = f"{as_of // 1000}.{as_of % 1000:03}"
            asked = GROUPS.replace(AS_OF, text).replace(AS_OF_SECONDS, seconds)
            names = "chip, value, looks, pay_value"
            found = connection.execute(f"SELECT {names} FROM ({asked})").fetchall()
            values, others = expected(own, as_of), [expected(rows, as_of) for rows in (looks, pay)]
            loop = {
                chip: (value, *(other.get(chip) for other in others))
                for chip, value in values.items()
            }
            assert len(found) == len(loop)  # one row of a record
            got = {chip: values for chip, *values in found}
            for chip in got | loop:
                assert tuple(got.get(chip, ())) == loop.get(chip, ()), f"{chip} as of {text}"
            seen |= {(a is None, b is None) for _, a, b in loop.values()}
        assert len(seen) == 4  # in both, in one or the other, in none


def test_of_rows_that_are_equal_in_all_that_decides_one_is_there() -> None:
    row = Row("a", 1_000, "1970-01-01T00:00:01Z", 5, 5, False, 1)
    with duckdb.connect() as connection:
        connection.register("pets", table([row, row, row], False))
        query = as_of_query(TEXTS).replace(AS_OF, "2026-01-01T00:00:00Z")
        assert len(connection.execute(query).fetchall()) == 1


FUNCTIONS = {"CAST", "greatest", "least", "length", "replace", "row_number", "rpad", "substr"}
"""What Trino's reference has by the same names, arguments and meaning as DuckDB's."""


def parsed(query: str) -> BaseSegment | None:
    """A query by Trino's grammar; None if it is not of it."""
    linter = Linter(config=FluffConfig(overrides={"dialect": "trino"}))
    result = linter.parse_string(query)
    return None if result.violations else result.tree


@pytest.mark.parametrize(
    "query",
    [*map(as_of_query, [TEXTS, SECONDS, *WINDOWS]), GROUPS],
    ids=["texts", "seconds", "a window of texts", "a window of seconds", "several groups"],
)
def test_the_same_text_is_of_trinos_grammar(query: str) -> None:
    tree = parsed(query.replace(AS_OF, "2026-01-31T00:00:00.000Z"))
    assert tree is not None
    called = {name.raw for name in tree.recursive_crawl("function_name")}
    assert called <= FUNCTIONS
    assert "row_number" in called


@pytest.mark.parametrize(
    "query",
    [
        "SELECT * EXCLUDE (recency) FROM pets",
        "SELECT DISTINCT ON (chip) * FROM pets ORDER BY chip, event_time DESC",
        "FROM pets SELECT chip",
        "SELECT * FROM pets QUALIFY row_number() OVER (PARTITION BY chip ORDER BY event_time) = 1",
        "SELECT CAST(event_time AS timestamptz) FROM pets",
        "SELECT (chip FROM pets",
    ],
)
def test_what_duckdb_alone_understands_is_not_of_it(query: str) -> None:
    assert parsed(query) is None
