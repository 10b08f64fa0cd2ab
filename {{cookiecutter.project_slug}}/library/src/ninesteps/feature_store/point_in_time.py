"""The query of the offline store that is correct as of a moment.

One SQL text for both machines: Athena runs it on SageMaker, DuckDB here.
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
        "ORDER BY event_time DESC, api_invocation_time DESC, write_time DESC) AS recency "
        f'FROM "{table}" WHERE event_time <= \''
    )
    after = "') AS history WHERE recency = 1 AND NOT is_deleted"
    return before, after
