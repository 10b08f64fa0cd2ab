"""Writes rows straight into an offline store as Parquet, for tables too large for PutRecord.

As AWS's own connector for Spark does (sagemaker-feature-store-spark, FeatureStoreManager.scala,
`batchIngestIntoOfflineStore`): files by the hour of the event time below ResolvedOutputS3Uri, with
INT96 timestamps, under the group's key. The connector does not add new folders to the data
catalogue, and neither does this module: the group's table finds them itself.
"""

from __future__ import annotations

import io
import secrets
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ninesteps.feature_store.records import WRITTEN, FeatureGroup
from ninesteps.settings.environment import Environment

AT_ONCE = 8
"""Files that are sent in parallel."""

HOUR = 13
"""Characters of a moment up to its hour, such as 2026-01-31T00."""

MOST_ROWS = 500_000
"""Rows of one file."""


def put_files(
    s3: Any,
    group: FeatureGroup,
    rows: Iterable[pa.Table],
    described: dict[str, Any],
    environment: Environment,
    tell: Callable[[int, int], None],
) -> int:
    """Write rows and give their number; only PutRecord writes to the online store.

    Args:
        rows: of this machine's offline store, in the order of their moments.
        described: the group's description by DescribeFeatureGroup.
        tell: called with the numbers of files and rows written so far.
    """
    storage = described["OfflineStoreConfig"]["S3StorageConfig"]
    bucket, _, prefix = storage["ResolvedOutputS3Uri"].removeprefix("s3://").partition("/")
    owned = {"Bucket": bucket, "ExpectedBucketOwner": environment.account}
    if key := storage.get("KmsKeyId"):
        owned |= {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": key}

    def put(name: str, content: bytes, count: int) -> int:
        s3.put_object(Key=f"{prefix.rstrip('/')}/{name}", Body=content, **owned)
        return count

    files = count = 0
    for done in _results(put, _files(group, rows)):
        files, count = files + 1, count + done
        tell(files, count)
    return count


def _results(
    put: Callable[[str, bytes, int], int], files: Iterable[tuple[str, bytes, int]]
) -> Iterator[int]:
    waiting: deque[Future[int]] = deque()
    pool = ThreadPoolExecutor(AT_ONCE)
    try:
        for file in files:
            waiting.append(pool.submit(put, *file))
            if len(waiting) > AT_ONCE:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def _files(group: FeatureGroup, rows: Iterable[pa.Table]) -> Iterator[tuple[str, bytes, int]]:
    """Files by name, each with its content and how many rows it has."""
    hour, parts = "", list[pa.Table]()
    for table in rows:
        hours = pc.utf8_slice_codeunits(table[WRITTEN], 0, HOUR)
        for start, length, text in _runs(hours):
            held = sum(part.num_rows for part in parts)
            if parts and (text != hour or held >= MOST_ROWS):
                yield _file(group, hour, pa.concat_tables(parts))
                parts = []
            hour = text
            parts.append(table.slice(start, length))
    if parts:
        yield _file(group, hour, pa.concat_tables(parts))


def _runs(values: pa.ChunkedArray) -> Iterator[tuple[int, int, str]]:
    """The start and length of each run of equal values."""
    encoded = pc.run_end_encode(values.combine_chunks())
    start = 0
    for end, value in zip(encoded.run_ends.to_pylist(), encoded.values.to_pylist(), strict=True):
        yield start, end - start, value
        start = end


def _file(group: FeatureGroup, hour: str, rows: pa.Table) -> tuple[str, bytes, int]:
    latest = datetime.fromisoformat(pc.max(rows[WRITTEN]).as_py()).strftime("%Y%m%dT%H%M%SZ")
    year, month, day, clock = hour[:4], hour[5:7], hour[8:10], hour[11:13]
    folder = f"year={year}/month={month}/day={day}/hour={clock}"
    now = pa.scalar(datetime.now(UTC), pa.timestamp("us"))
    cast = group.cast(rows).select(list(group.definitions))
    stored = {
        "api_invocation_time": pa.repeat(now, rows.num_rows),
        "write_time": pa.repeat(now, rows.num_rows),
        "is_deleted": pa.repeat(False, rows.num_rows),
    }
    for name, column in stored.items():
        cast = cast.append_column(name, column)
    content = io.BytesIO()
    pq.write_table(cast, content, use_deprecated_int96_timestamps=True)
    return f"{folder}/{latest}_{secrets.token_hex(8)}.parquet", content.getvalue(), rows.num_rows
