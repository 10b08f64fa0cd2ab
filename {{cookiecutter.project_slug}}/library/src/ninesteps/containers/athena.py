"""Asks Athena for the rows of a query, and brings them into the container as Parquet files.

By UNLOAD, which makes no table in the data catalogue, into a folder of the job's own: no two jobs
write to one place. https://docs.aws.amazon.com/athena/latest/ug/unload.html
"""

from __future__ import annotations

import contextlib
import shutil
import signal
import threading
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aws
import container
from dataset import DataError

MOST_SECONDS = 3000.0
"""What a query may take: SageMaker ends the job after 3600. Athena's own limit is 1800 unless an
account has raised it."""

MOST_ATTEMPTS = 3
"""How often a query is asked that Athena itself says may be tried again."""

FIRST_PAUSE, LONGEST_PAUSE, GROWTH = 0.02, 5.0, 1.5
"""Seconds between looks at a query, and how they grow."""


@dataclass(frozen=True)
class Query:
    """A query, and where its tables are looked for."""

    name: str  # of the feature group's rows, as messages and folders have it
    text: str  # SELECT ..., without a semicolon
    database: str
    catalog: str
    workgroup: str


def rows(query: Query) -> Path:
    """The folder with the rows of a query, in Parquet files; with no rows there may be none.

    Raises:
        DataError: with Athena's own words, if it refuses or fails.
    """
    for attempt in range(1, MOST_ATTEMPTS + 1):
        place = f"{_own_prefix()}/{query.name}-{uuid.uuid4().hex}"
        with _one_sentence(), _ended_by_sigterm():
            state, reason, may_retry = _unload(query, place)
            if state == "SUCCEEDED":
                return _brought(f"{place}/rows/", _folder(query))
        if not may_retry or attempt == MOST_ATTEMPTS:
            break
    raise DataError(f"the query of {query.name} {state.lower()}: {reason}")


def _folder(query: Query) -> Path:
    return container.BASE / "processing" / "rows" / query.name


def _own_prefix() -> str:
    """Where only this job writes: beside its outputs, below the execution's own prefix."""
    return f"{container.output_uri('train').rpartition('/')[0]}/queries"


def _unload(query: Query, place: str) -> tuple[str, str, bool]:
    """Have a query's rows written below a place; gives how it ended, why, and if again may help."""
    athena = aws.client("athena")
    identifier = athena.start_query_execution(
        QueryString=(
            f"UNLOAD (\n{query.text}\n) TO '{place}/rows/' "
            "WITH (format = 'PARQUET', compression = 'SNAPPY')"
        ),
        ClientRequestToken=uuid.uuid4().hex,
        QueryExecutionContext={"Catalog": query.catalog, "Database": query.database},
        WorkGroup=query.workgroup,
        ResultConfiguration={"OutputLocation": f"{place}/", **_encryption()},
    )["QueryExecutionId"]
    try:
        status = _ended(athena, identifier)
    except BaseException:  # the job is to end, and nobody would read the rows
        athena.stop_query_execution(QueryExecutionId=identifier)
        raise
    reason = " ".join(status.get("StateChangeReason", "no reason was given").split())
    may_retry = bool(status.get("AthenaError", {}).get("Retryable"))
    return status["State"], f"{reason} (query execution {identifier})", may_retry


def _encryption() -> dict[str, Any]:
    """The key of the job's outputs, if it has one; otherwise the bucket's own settings hold."""
    key = container.job_request()["ProcessingOutputConfig"].get("KmsKeyId")
    if not key:
        return {}
    return {"EncryptionConfiguration": {"EncryptionOption": "SSE_KMS", "KmsKey": key}}


def _ended(athena: Any, identifier: str) -> dict[str, Any]:
    """The status of a query, once it has ended."""
    deadline, pause = time.monotonic() + MOST_SECONDS, FIRST_PAUSE
    while True:
        answer = athena.get_query_execution(QueryExecutionId=identifier)
        status: dict[str, Any] = answer["QueryExecution"]["Status"]
        if status["State"] in ("SUCCEEDED", "FAILED", "CANCELLED"):
            return status
        if time.monotonic() > deadline:
            raise DataError(f"the query {identifier} took too long, and was stopped")
        time.sleep(pause)
        pause = min(pause * GROWTH, LONGEST_PAUSE)


def _brought(uri: str, folder: Path) -> Path:
    """The folder with the objects below a prefix, fetched one after another."""
    s3 = aws.client("s3")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    bucket, _, prefix = uri.removeprefix("s3://").partition("/")
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    keys = [item["Key"] for page in pages for item in page.get("Contents", []) if item["Size"]]
    for number, key in enumerate(keys):
        body = s3.get_object(Bucket=bucket, Key=key)["Body"]
        with contextlib.closing(body), (folder / f"{number:06}.parquet").open("wb") as file:
            shutil.copyfileobj(body, file, 1 << 20)
    return folder


@contextlib.contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """A job that is stopped gets SIGTERM, and is killed two minutes later: it stops its query."""

    def end(*_: object) -> None:
        raise DataError("the job was stopped while Athena was asked")

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextlib.contextmanager
def _one_sentence() -> Iterator[None]:
    """What the SDK raises, as a sentence."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except ClientError as error:
        code, message = (error.response["Error"].get(key, "") for key in ("Code", "Message"))
        reason = " ".join(f"{code}: {message}".split())
        raise DataError(f"AWS refused {error.operation_name}: {reason}") from None
    except BotoCoreError as error:
        raise DataError(f"AWS could not be asked: {' '.join(str(error).split())}") from None
