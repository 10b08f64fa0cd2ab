"""What step 1 asks Athena and S3, each request and answer validated by botocore's own models."""

from __future__ import annotations

import io
import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.response import StreamingBody
from botocore.stub import ANY, Stubber

import athena
import aws
import container
from dataset import DataError

STEP = "s3://models/pets/executions/abc/PetModelProcess"
KEY = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd"
QUERY = athena.Query("features", "SELECT 1\n-- the end", "store", "AwsDataCatalog", "science")
ID = "f4b0e2e6"


class Account:
    """Clients with the answers that they give in turn."""

    def __init__(self) -> None:
        keys = {"aws_access_key_id": "a", "aws_secret_access_key": "b"}
        self.athena, self.s3 = (
            boto3.client(name, region_name="eu-west-1", **keys) for name in ("athena", "s3")
        )
        self.asked, self.objects = Stubber(self.athena), Stubber(self.s3)
        self.requests: list[dict[str, Any]] = []
        self.athena.meta.events.register(
            "provide-client-params.athena.StartQueryExecution",
            lambda params, **_: self.requests.append(params),
        )

    def started(self, key: str = "") -> None:
        configuration: dict[str, Any] = {"OutputLocation": ANY}
        if key:
            encrypted = {"EncryptionOption": "SSE_KMS", "KmsKey": key}
            configuration["EncryptionConfiguration"] = encrypted
        self.asked.add_response("start_query_execution", {"QueryExecutionId": ID}, {
            "QueryString": ANY,
            "ClientRequestToken": ANY,
            "QueryExecutionContext": {"Catalog": "AwsDataCatalog", "Database": "store"},
            "WorkGroup": "science",
            "ResultConfiguration": configuration,
        })  # fmt: skip

    def state(self, state: str, reason: str = "", **more: Any) -> None:
        status = {"State": state, **({"StateChangeReason": reason} if reason else {}), **more}
        self.asked.add_response(
            "get_query_execution", {"QueryExecution": {"Status": status}}, {"QueryExecutionId": ID}
        )

    def stopped(self) -> None:
        self.asked.add_response("stop_query_execution", {}, {"QueryExecutionId": ID})

    def there(self, *contents: bytes) -> None:
        """The objects below the query's own place, on pages of one each."""
        for number, content in enumerate(contents or (b"",)):
            page: dict[str, Any] = {"IsTruncated": False, "Contents": []}
            if contents:
                page["Contents"] = [{"Key": f"rows/{number}", "Size": len(content)}]
            asked = {"Bucket": "models", "Prefix": ANY}
            if number + 1 < len(contents):
                page |= {"IsTruncated": True, "NextContinuationToken": str(number)}
            if number:
                asked["ContinuationToken"] = str(number - 1)
            self.objects.add_response("list_objects_v2", page, asked)
        for number, content in enumerate(contents):
            body = {"Body": StreamingBody(io.BytesIO(content), len(content))}
            wanted = {"Bucket": "models", "Key": f"rows/{number}"}
            if content:
                self.objects.add_response("get_object", body, wanted)


@pytest.fixture
def account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Account]:
    """An account, and a container's folder with the job's request."""
    monkeypatch.setattr(container, "BASE", tmp_path)
    request(tmp_path)
    made = Account()
    monkeypatch.setattr(aws, "client", lambda service: getattr(made, service))
    monkeypatch.setattr(athena, "FIRST_PAUSE", 0.0)
    with made.asked, made.objects:
        yield made
        made.asked.assert_no_pending_responses()
        made.objects.assert_no_pending_responses()


def request(base: Path, **more: str) -> None:
    outputs = [{"OutputName": "train", "S3Output": {"S3Uri": f"{STEP}/train"}}]
    (base / "config").mkdir(exist_ok=True)
    content = {"ProcessingOutputConfig": {"Outputs": outputs, **more}}
    (base / "config/processingjobconfig.json").write_text(json.dumps(content), encoding="utf-8")


def test_rows_are_unloaded_below_the_executions_own_prefix_and_brought(account: Account) -> None:
    account.started()
    for state in ("QUEUED", "RUNNING", "SUCCEEDED"):
        account.state(state)
    account.there(b"one", b"two", b"")  # the last is a folder's mark
    folder = athena.rows(QUERY)
    assert [file.read_bytes() for file in sorted(folder.iterdir())] == [b"one", b"two"]
    (sent,) = account.requests
    place = sent["ResultConfiguration"]["OutputLocation"]
    assert place.startswith(f"{STEP}/queries/features-")
    assert sent["QueryString"] == (
        f"UNLOAD (\nSELECT 1\n-- the end\n) TO '{place}rows/' WITH (format = 'PARQUET', "
        "compression = 'SNAPPY')"
    )


def test_a_second_try_of_the_same_job_writes_to_another_place(account: Account) -> None:
    for _ in range(2):
        account.started()
        account.state("SUCCEEDED")
        account.there()
        assert not list(athena.rows(QUERY).iterdir())
    places = {sent["ResultConfiguration"]["OutputLocation"] for sent in account.requests}
    tokens = {sent["ClientRequestToken"] for sent in account.requests}
    assert len(places) == len(tokens) == 2


def test_the_key_of_the_jobs_outputs_is_the_rows_key(account: Account, tmp_path: Path) -> None:
    request(tmp_path, KmsKeyId=KEY)
    account.started(KEY)
    account.state("SUCCEEDED")
    account.there()
    athena.rows(QUERY)


def refusal() -> str:
    with pytest.raises(DataError) as refused:
        athena.rows(QUERY)
    assert "\n" not in str(refused.value)
    return str(refused.value)


def test_a_query_that_fails_is_told_in_athenas_words_with_its_id(account: Account) -> None:
    account.started()
    account.state("FAILED", "TABLE_NOT_FOUND: line 1:15:\nTable 'pets' does not exist")
    assert refusal() == (
        "the query of features failed: TABLE_NOT_FOUND: line 1:15: Table 'pets' does not exist "
        f"(query execution {ID})"
    )


def test_a_fault_of_athenas_own_is_tried_again_and_no_other(account: Account) -> None:
    fault = {"ErrorCategory": 1, "ErrorType": 1, "Retryable": True}
    for state in ("FAILED", "SUCCEEDED"):
        account.started()
        account.state(state, **({"AthenaError": fault} if state == "FAILED" else {}))
    account.there()
    athena.rows(QUERY)
    for _ in range(athena.MOST_ATTEMPTS):
        account.started()
        account.state("FAILED", AthenaError=fault)
    assert refusal().startswith("the query of features failed: no reason was given")
    account.started()
    account.state("CANCELLED", "Query cancelled by user")
    assert refusal().startswith("the query of features cancelled: Query cancelled by user")


def test_what_the_role_may_not_is_one_sentence(account: Account) -> None:
    account.asked.add_client_error(
        "start_query_execution", "AccessDeniedException", "no workgroup\nfor you"
    )
    assert refusal() == (
        "AWS refused StartQueryExecution: AccessDeniedException: no workgroup for you"
    )


def test_a_query_that_does_not_end_is_stopped(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(athena, "MOST_SECONDS", -1.0)
    account.started()
    account.state("RUNNING")
    account.stopped()
    assert refusal() == f"the query {ID} took too long, and was stopped"


def test_a_job_that_is_stopped_stops_its_query(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    account.started()
    account.state("RUNNING")
    account.stopped()
    monkeypatch.setattr(time, "sleep", lambda _: os.kill(os.getpid(), signal.SIGTERM))
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(DataError, match="the job was stopped during a query in Athena"):
        athena.rows(QUERY)
    assert signal.getsignal(signal.SIGTERM) == before
