"""The query of the offline store that is correct as of a moment.

One SQL text for both machines: Athena (Trino) runs it on SageMaker, DuckDB here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

AS_OF = "{as_of}"
"""Stands in a query for the moment, such as 2026-01-31T00:00:00.000Z: an execution knows it."""

AS_OF_SECONDS = "{as_of_seconds}"
"""The same in seconds since 1970, such as 1769817600.000."""


MAIN = "own"
"""What a query calls the main group's records; no other group is called so."""


@dataclass(frozen=True)
class Source:
    """A feature group's table."""

    table: str
    record_id: str  # the column that identifies a record
    event_time: str = "event_time"  # the column with the moment that a row describes
    is_fractional: bool = False  # whether moments are seconds since 1970, and not texts
    database: str = ""  # if it is another than the one that is asked
    window_days: int = 0  # a record whose newest row is older at the moment is left out; 0: none

    @property
    def place(self) -> str:
        """The table as a query names it."""
        return ".".join(map(quoted, filter(None, [self.database, self.table])))


@dataclass(frozen=True)
class Joined:
    """A feature group that is read beside the main one, and what of it is read."""

    source: Source
    columns: tuple[str, ...]
    prefix: str = ""  # what its columns' names begin with, so that no other group has the same ones


def joined_query(main: Source, others: Mapping[str, Joined]) -> str:
    """The main group's records as of a moment, with what other groups have of them as of it.

    A record that another group does not have, or has deleted, has no values of it; one that the
    main group does not have is none.
    """
    if not others:
        return as_of_query(main)
    columns = [
        f"{quoted(name)}.{quoted(column)} AS {quoted(group.prefix + column)}"
        for name, group in others.items()
        for column in group.columns
    ]
    joins = [
        f"LEFT JOIN (\n{as_of_query(group.source)}\n) AS {quoted(name)}\n"
        f"ON {MAIN}.{quoted(main.record_id)} = {quoted(name)}.{quoted(group.source.record_id)}"
        for name, group in others.items()
    ]
    selected = ",\n".join([f"{MAIN}.*", *columns])
    return f"SELECT {selected}\nFROM (\n{as_of_query(main)}\n) AS {MAIN}\n" + "\n".join(joins)


def as_of_query(source: Source) -> str:
    """The newest row of each record among those not after a moment, less the deleted records.

    `AS_OF` or `AS_OF_SECONDS` stands where the moment belongs.

    A delete appends a row, so the newest row is found first and its mark read after: the other
    way round, a deleted record's older rows would come back. Rows of one event time are told
    apart by when they were put, the last one winning, as in the online store. When a row was put
    leaves none out: an event that was written late counts as of its event time.
    """
    moment, as_of = _moments(source)
    window = ""
    if source.window_days:
        hours = 24 * source.window_days  # DuckDB's days are a calendar's, of 23 to 25 hours
        length = str(hours * 3600) if source.is_fractional else f"INTERVAL '{hours}' HOUR"
        window = f" AND {moment} > {as_of} - {length}"
    return (
        f"SELECT * FROM (SELECT *, row_number() OVER (PARTITION BY {quoted(source.record_id)} "
        f"ORDER BY {moment} DESC, api_invocation_time DESC, write_time DESC) AS recency "
        f"FROM {source.place} WHERE {moment} <= {as_of}) AS history "
        f"WHERE recency = 1 AND NOT is_deleted{window}"
    )


def one_record(
    table: str, record_id: str, identifier: str, as_of: str, event_time: str, is_fractional: bool
) -> str:
    """The query for one record as of a moment, such as 2026-01-31T00:00:00Z: its rows alone.

    Ids are compared as texts: in a group that another team made they may be numbers.
    """
    value = "'" + identifier.replace("'", "''") + "'"
    seconds = datetime.fromisoformat(as_of).timestamp()
    query = as_of_query(Source("record_rows", record_id, event_time, is_fractional))
    return (
        f"WITH record_rows AS (SELECT * FROM {quoted(table)} "
        f"WHERE CAST({quoted(record_id)} AS varchar) = {value}) "
        + query.replace(AS_OF, as_of).replace(AS_OF_SECONDS, f"{seconds:.3f}")
    )


def quoted(name: str) -> str:
    """A name of a table or a column, whatever it consists of."""
    return '"' + name.replace('"', '""') + '"'


def _moments(source: Source) -> tuple[str, str]:
    """How a row's moment is read, and how the one that it is compared with."""
    column = quoted(source.event_time)
    if source.is_fractional:
        return f"CAST({column} AS double)", f"CAST('{AS_OF_SECONDS}' AS double)"
    as_of = f"CAST(replace(replace('{AS_OF}', 'T', ' '), 'Z', '+00:00') AS {_TYPE})"
    return _event_moment(column), as_of


_TYPE = "timestamp with time zone"


def _event_moment(column: str) -> str:
    """The event time to the millisecond, however it is written.

    Texts of different precision sort wrongly ('00.500Z' before '00Z'). Only functions that both
    engines have, and mean the same by.
    """
    # What follows the seconds: digits after a point, if any, and an offset such as +0000.
    zone = f"replace(replace(substr({column}, 20), 'Z', '+0000'), ':', '')"
    return (
        f"CAST(CASE WHEN {column} LIKE '____-__-__T__:__:__.___Z' "  # nearly all: 4 times as quick
        f"THEN replace(replace({column}, 'T', ' '), 'Z', '+00:00') "
        f"ELSE replace(substr({column}, 1, 19), 'T', ' ') || '.' || "
        f"rpad(substr({zone}, 2, least(3, greatest(length({zone}) - 6, 0))), 3, '0') || "
        f"substr({zone}, -5, 3) || ':' || substr({zone}, -2) END AS {_TYPE})"
    )
