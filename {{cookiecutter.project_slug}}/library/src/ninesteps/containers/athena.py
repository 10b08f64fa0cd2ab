"""Runs a query in Athena, and copies its rows into the container as Parquet files.

It uses UNLOAD, which creates no table in the data catalogue, into the job's own folder, so that no
two jobs write to the same place. https://docs.aws.amazon.com/athena/latest/ug/unload.html
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
"""The time limit of a query: SageMaker ends the job after 3600. Athena's own limit is 1800, unless
the account has raised it."""

MOST_ATTEMPTS = 3
"""How often to run a query whose error Athena calls retryable."""

FIRST_PAUSE, LONGEST_PAUSE, GROWTH = 0.02, 5.0, 1.5
"""Seconds between status checks of a query, and their growth."""


@dataclass(frozen=True)
class Query:
    """A query, and where its tables are."""

    name: str  # of the feature group, for messages and folders
    text: str  # SELECT ..., without a semicolon
    database: str
    catalog: str
    workgroup: str


def rows(query: Query) -> Path:
    """The folder with a query's rows as Parquet files; it may be empty if there are no rows.

    Raises:
        DataError: with Athena's message, if the query is refused or fails.
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
    """Where only this job writes: beside its outputs, under the execution's prefix."""
    return f"{container.output_uri('train').rpartition('/')[0]}/queries"


def _unload(query: Query, place: str) -> tuple[str, str, bool]:
    """Write a query's rows under a prefix; return its status, the reason, and whether to retry."""
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
    except BaseException:  # the job is ending, and nothing would read the rows
        athena.stop_query_execution(QueryExecutionId=identifier)
        raise
    reason = " ".join(status.get("StateChangeReason", "no reason was given").split())
    may_retry = bool(status.get("AthenaError", {}).get("Retryable"))
    return status["State"], f"{reason} (query execution {identifier})", may_retry


def _encryption() -> dict[str, Any]:
    """The encryption of the job's outputs, if it has a key; otherwise the bucket's default
    applies."""
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
    """The folder with the objects under a prefix, downloaded one after another."""
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
    """Stop the query when the job is stopped: it gets SIGTERM, and is killed two minutes later."""

    def end(*_: object) -> None:
        raise DataError("the job was stopped during a query in Athena")

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
    """The SDK's error as a sentence."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except ClientError as error:
        code, message = (error.response["Error"].get(key, "") for key in ("Code", "Message"))
        reason = " ".join(f"{code}: {message}".split())
        raise DataError(f"AWS refused {error.operation_name}: {reason}") from None
    except BotoCoreError as error:
        raise DataError(f"AWS could not be reached: {' '.join(str(error).split())}") from None
