"""The query of the offline store that is correct as of a moment.

One SQL text for both machines: Athena (Trino) runs it on SageMaker, DuckDB here.
"""

from __future__ import annotations


def as_of_query(table: str, record_id: str) -> tuple[str, str]:
    """The newest row of each record among those not after a moment, less the deleted records.

    Two texts, between which the moment stands: only an execution knows it.

    A delete appends a row, so the newest row is found first and its mark read after: the other
    way round, a deleted record's older rows would come back. Rows of one event time are told
    apart by when they were put, the last one winning, as in the online store.
    """
    key = record_id.replace('"', '""')
    before = (
        f'SELECT * FROM (SELECT *, row_number() OVER (PARTITION BY "{key}" '
        f"ORDER BY {_EVENT_MOMENT} DESC, api_invocation_time DESC, write_time DESC) AS recency "
        f'FROM "{table}" WHERE {_EVENT_MOMENT} <= CAST(replace(replace(\''
    )
    after = (
        "', 'T', ' '), 'Z', '+00:00') AS timestamp with time zone)) AS history "
        "WHERE recency = 1 AND NOT is_deleted"
    )
    return before, after


_ZONE = "replace(replace(substr(event_time, 20), 'Z', '+0000'), ':', '')"
"""What follows the seconds: digits after a point, if any, and an offset such as +0000."""

_EVENT_MOMENT = (
    "CAST(CASE WHEN event_time LIKE '____-__-__T__:__:__.___Z' "  # nearly all: four times as quick
    "THEN replace(replace(event_time, 'T', ' '), 'Z', '+00:00') "
    "ELSE replace(substr(event_time, 1, 19), 'T', ' ') || '.' || "
    f"rpad(substr({_ZONE}, 2, least(3, greatest(length({_ZONE}) - 6, 0))), 3, '0') || "
    f"substr({_ZONE}, -5, 3) || ':' || substr({_ZONE}, -2) END AS timestamp with time zone)"
)
"""The event time to the millisecond, however it is written: texts of different precision sort
wrongly ('00.500Z' before '00Z'). Only functions that both engines have, and mean the same by."""
