"""The point-in-time query of the offline store.

The same SQL runs in both places: by Athena (Trino) on SageMaker, and by DuckDB on this machine.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

AS_OF = "{as_of}"
"""The placeholder for the moment in a query, such as 2026-01-31T00:00:00.000Z."""

AS_OF_SECONDS = "{as_of_seconds}"
"""The placeholder for the moment in seconds since 1970, such as 1769817600.000."""


MAIN = "own"
"""The main group's alias in a query; no other group has this name."""


@dataclass(frozen=True)
class Source:
    """A feature group's table."""

    table: str
    record_id: str  # the column that identifies a record
    event_time: str = "event_time"  # the column with the moment of the row
    is_fractional: bool = False  # whether moments are seconds since 1970 instead of texts
    database: str = ""  # if it differs from the database of the query
    window_days: int = 0  # records whose newest row is older are left out; 0: none

    @property
    def place(self) -> str:
        """The table's name in a query."""
        return ".".join(map(quoted, filter(None, [self.database, self.table])))


@dataclass(frozen=True)
class Joined:
    """A feature group that is joined to the main one, with the columns to read."""

    source: Source
    columns: tuple[str, ...]
    prefix: str = ""  # of its columns' names, so that they are unique


def joined_query(main: Source, others: Mapping[str, Joined]) -> str:
    """The main group's records as of a moment, joined with other groups' values as of that moment.

    A record that another group lacks, or has deleted, has no values from it; a record that the main
    group lacks is left out.
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
    """The newest row of each record up to a moment, without deleted records.

    `AS_OF` or `AS_OF_SECONDS` is the placeholder for the moment.

    A delete appends a row, so the query finds the newest row first and then reads its deletion
    mark: the other way round, a deleted record's older rows would reappear. Among rows with the
    same event time, the last one written wins, as in the online store. The time of writing does not
    exclude a row: an event that was written late counts as of its event time.
    """
    moment, as_of = _moments(source)
    window = ""
    if source.window_days:
        hours = 24 * source.window_days  # DuckDB's days are calendar days of 23 to 25 hours
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
    """The query for one record as of a moment, such as 2026-01-31T00:00:00Z.

    Ids are compared as texts: in another team's group they may be numbers.
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
    """The quoted name of a table or a column, with any characters."""
    return '"' + name.replace('"', '""') + '"'


def _moments(source: Source) -> tuple[str, str]:
    """The expressions for a row's moment and for the moment that it is compared with."""
    column = quoted(source.event_time)
    if source.is_fractional:
        return f"CAST({column} AS double)", f"CAST('{AS_OF_SECONDS}' AS double)"
    as_of = f"CAST(replace(replace('{AS_OF}', 'T', ' '), 'Z', '+00:00') AS {_TYPE})"
    return _event_moment(column), as_of


_TYPE = "timestamp with time zone"


def _event_moment(column: str) -> str:
    """The event time to the millisecond, in any format.

    Texts of different precision sort wrongly ('00.500Z' before '00Z'). It uses only functions that
    mean the same in both engines.
    """
    # The part after the seconds: a fraction, if any, and an offset such as +0000.
    zone = f"replace(replace(substr({column}, 20), 'Z', '+0000'), ':', '')"
    return (
        f"CAST(CASE WHEN {column} LIKE '____-__-__T__:__:__.___Z' "  # nearly all: 4 times as fast
        f"THEN replace(replace({column}, 'T', ' '), 'Z', '+00:00') "
        f"ELSE replace(substr({column}, 1, 19), 'T', ' ') || '.' || "
        f"rpad(substr({zone}, 2, least(3, greatest(length({zone}) - 6, 0))), 3, '0') || "
        f"substr({zone}, -5, 3) || ':' || substr({zone}, -2) END AS {_TYPE})"
    )
