"""Waits until stored rows can be read, then writes the marker that starts a run.

PutRecord's rows land in the offline store within 15 minutes
(https://docs.aws.amazon.com/sagemaker/latest/dg/feature-store-offline.html): a run that began
earlier would learn from older rows. `data_arrival.asl.json` reads the marker.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

from ninesteps.errors import AccountError
from ninesteps.feature_store.point_in_time import quoted
from ninesteps.infrastructure.athena_rows import Athena
from ninesteps.settings.environment import Environment

POLL_SECONDS = 30.0
MOST_SECONDS = 1800.0

CLOCK = timedelta(seconds=1)
"""What the service's clock is told to."""


@dataclass(frozen=True)
class Arrived:
    """Rows that can be read."""

    rows: int
    largest_write_time: str  # when the last of them was written, in UTC, to the second


def wait(athena: Athena, began: datetime, rows: int, tell: Callable[[int], None]) -> Arrived:
    """Wait until all rows that were put since a moment can be read.

    Args:
        began: the moment, by the clock that stamps the rows.
        tell: called with the number of readable rows after each query.

    Raises:
        AccountError: if they cannot be read after 30 minutes.
    """
    since = (began.astimezone(UTC) - CLOCK).strftime("%Y-%m-%d %H:%M:%S.000")
    query = (
        'SELECT count(*) AS "rows", max(write_time) AS written '
        f"FROM {quoted(athena.features.table)} WHERE api_invocation_time >= timestamp '{since}'"
    )
    until = time.monotonic() + MOST_SECONDS
    while True:
        answer = athena.rows(query)[0]
        readable = int(answer["rows"])
        tell(readable)
        if readable >= rows:
            return Arrived(readable, _to_the_second(answer["written"]))
        if time.monotonic() > until:
            raise AccountError(
                f"expected {rows:,} rows to be readable in {athena.features.table} within "
                f"{MOST_SECONDS / 60:.0f} minutes, got {readable:,}; the rows are stored, but no "
                "marker was written: ingest the table again later, which waits for them"
            )
        time.sleep(POLL_SECONDS)


def mark(
    s3: Any, environment: Environment, pipeline: str, rows: int, largest_write_time: str
) -> str:
    """Write the marker of rows that have arrived; gives its S3 URI."""
    content = {"rows": rows, "largest_write_time": largest_write_time}
    name = largest_write_time.replace(":", "").replace("-", "")
    key = f"{pipeline}/arrivals/{name}.json"
    s3.put_object(
        Bucket=environment.bucket_name, Key=key, Body=json.dumps(content).encode(),
        ContentType="application/json", ExpectedBucketOwner=environment.account,
    )  # fmt: skip
    return f"s3://{environment.bucket_name}/{key}"


def service_time(answer: dict[str, Any]) -> datetime:
    """The moment of an answer, by the service's clock if known: this machine's may be wrong."""
    told = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date", "")
    try:
        return parsedate_to_datetime(told)
    except ValueError:
        return datetime.now(UTC)


def _to_the_second(written: str) -> str:
    """A moment in Athena's format, such as `2026-01-31 00:00:00.123`, rounded up, so that no row is
    after a run's moment."""
    moment = datetime.fromisoformat(written.removesuffix(" UTC")).replace(tzinfo=UTC)
    if moment.microsecond:
        moment = moment.replace(microsecond=0) + timedelta(seconds=1)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
