"""Athena and S3 as a job finds them on this machine: boto3 itself asks."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import duckdb
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from ninesteps.errors import StepError
from ninesteps.local.athena import Athena, RefusedError, parsed
from ninesteps.local.job_calls import answered
from ninesteps.local.processes import Command, Processes, Sandbox
from ninesteps.local.storage import Storage
from small_definitions import BUCKET, Bench, s3_input

TABLE = f"{BUCKET}/pets/data"
PLACE = f"{BUCKET}/executions/abc/queries"
UNLOAD = "UNLOAD ({query}) TO '{to}' WITH (format = 'PARQUET', compression = 'SNAPPY')"
HUGE = "SELECT count(*) AS n FROM range(1000000) a, range(1000000) b WHERE a.range * b.range = -1"


def put_table(root: Path) -> None:
    folder = root / "s3/bucket/pets/data"
    folder.mkdir(parents=True)
    duckdb.sql("SELECT 'a' AS chip, 1 AS age UNION ALL SELECT 'b', 2").write_parquet(
        str(folder / "rows.parquet")
    )


class Account:
    """What a job's script has: clients, by the variables that it is given."""

    def __init__(self, variables: dict[str, str]) -> None:
        self.variables = variables

    def client(self, service: str, key: str = "") -> Any:
        return boto3.client(
            service,
            region_name="eu-west-1",
            endpoint_url=self.variables[f"AWS_ENDPOINT_URL_{service.upper()}"],
            aws_access_key_id=key or self.variables["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=self.variables["AWS_SECRET_ACCESS_KEY"],
            config=Config(retries={"total_max_attempts": 1}),
        )

    def ask(self, query: str, to: str, **more: Any) -> str:
        started = self.client("athena").start_query_execution(
            QueryString=UNLOAD.format(query=query, to=to),
            QueryExecutionContext={"Database": "store", "Catalog": "AwsDataCatalog"},
            ResultConfiguration={"OutputLocation": f"{PLACE}/"},
            WorkGroup="primary",
            **more,
        )
        return str(started["QueryExecutionId"])

    def ended(self, identifier: str) -> dict[str, Any]:
        athena = self.client("athena")
        while True:
            found = athena.get_query_execution(QueryExecutionId=identifier)
            status: dict[str, Any] = found["QueryExecution"]["Status"]
            if status["State"] not in ("QUEUED", "RUNNING"):
                return status


@pytest.fixture
def root(tmp_path: Path) -> Path:
    put_table(tmp_path)
    return tmp_path


@pytest.fixture
def account(root: Path) -> Iterator[Account]:
    sandbox = Sandbox(root / "sandbox")
    sandbox.root.mkdir()
    with Processes(1) as processes:

        def start(words: list[str], log: Path) -> Any:
            return processes.start(Command(words, sandbox, {}, log, log.parent))

        catalog = {("store", "pets"): TABLE}
        athena = Athena(catalog, Storage(root / "s3"), sandbox.root / "queries", start)
        with answered(athena, Storage(root / "s3")) as variables:
            yield Account(variables)


def listed(account: Account, prefix: str, **more: int) -> list[str]:
    pages = account.client("s3").get_paginator("list_objects_v2")
    found = pages.paginate(Bucket="bucket", Prefix=prefix, PaginationConfig=more)
    return [item["Key"] for page in found for item in page.get("Contents", [])]


def test_rows_of_a_query_are_objects_that_can_be_listed_and_got(
    account: Account, tmp_path: Path
) -> None:
    status = account.ended(account.ask("SELECT chip FROM pets ORDER BY chip", f"{PLACE}/1/rows/"))
    assert status["State"] == "SUCCEEDED"
    assert status["CompletionDateTime"] >= status["SubmissionDateTime"]
    (key,) = listed(account, "executions/abc/queries/1/rows/")
    body = account.client("s3").get_object(Bucket="bucket", Key=key)["Body"].read()
    (tmp_path / "got.parquet").write_bytes(body)
    assert duckdb.read_parquet(str(tmp_path / "got.parquet")).fetchall() == [("a",), ("b",)]


def test_two_queries_at_once_write_to_their_own_places(account: Account) -> None:
    ids = [account.ask("SELECT * FROM pets", f"{PLACE}/{n}/rows/") for n in range(2)]
    assert [account.ended(i)["State"] for i in ids] == ["SUCCEEDED"] * 2
    assert len(listed(account, "executions/abc/queries/")) == 2


def test_a_place_with_rows_is_not_written_to_again(account: Account) -> None:
    account.ended(account.ask("SELECT * FROM pets", f"{PLACE}/1/rows/"))
    status = account.ended(account.ask("SELECT * FROM pets", f"{PLACE}/1/rows/"))
    assert status["State"] == "FAILED"
    assert status["StateChangeReason"].startswith("HIVE_PATH_ALREADY_EXISTS: ")


def test_a_pipelines_objects_are_listed_however_long_its_name_is(
    account: Account, root: Path
) -> None:
    """The first folder of a long name is shortened on disk."""
    name = "customers-who-may-leave-within-the-year"
    file = Storage(root / "s3").path(f"s3://bucket/{name}/a.txt")
    file.parent.mkdir(parents=True)
    file.touch()
    assert listed(account, f"{name}/") == [f"{name}/a.txt"]


def test_a_query_that_fails_says_why(account: Account) -> None:
    status = account.ended(account.ask("SELECT colour FROM pets", f"{PLACE}/1/rows/"))
    assert status["State"] == "FAILED"
    assert "colour" in status["StateChangeReason"]
    assert listed(account, "executions/") == []


def test_a_query_that_is_stopped_has_ended(account: Account) -> None:
    identifier = account.ask(HUGE, f"{PLACE}/1/rows/")
    account.client("athena").stop_query_execution(QueryExecutionId=identifier)
    status = account.ended(identifier)
    assert (status["State"], status["StateChangeReason"]) == (
        "CANCELLED", "Query cancelled by user",
    )  # fmt: skip


def test_the_same_token_is_the_same_query(account: Account) -> None:
    token = "t" * 32
    asked = [account.ask("SELECT * FROM pets", f"{PLACE}/1/rows/", ClientRequestToken=token)
             for _ in range(2)]  # fmt: skip
    assert len(set(asked)) == 1
    with pytest.raises(ClientError, match="Idempotent parameters do not match"):
        account.ask("SELECT * FROM pets", f"{PLACE}/2/rows/", ClientRequestToken=token)


def test_pages_of_a_list_follow_each_other(account: Account, root: Path) -> None:
    keys = [f"odd/ä &<{n}>.txt" for n in range(5)]
    for key in keys:
        (root / "s3/bucket" / key).parent.mkdir(exist_ok=True)
        (root / "s3/bucket" / key).write_text(key, encoding="utf-8")
    assert listed(account, "odd/", PageSize=2) == keys
    assert listed(account, "odd/ä &<3") == keys[3:4]
    body = account.client("s3").get_object(Bucket="bucket", Key=keys[0])["Body"].read()
    assert body.decode() == keys[0]


@pytest.mark.parametrize(
    ("service", "operation", "arguments", "words"),
    [
        ("athena", "list_work_groups", {}, "no other call of Athena is supported on this machine"),
        ("athena", "get_query_execution", {"QueryExecutionId": "x"}, "x was not found"),
        ("athena", "start_query_execution", {"QueryString": "SELECT 1"}, "QueryExecutionContext"),
        ("s3", "get_object", {"Bucket": "bucket", "Key": "none"}, "NoSuchKey"),
        ("s3", "get_object", {"Bucket": "bucket", "Key": "../../x"}, "InvalidURI"),
        ("s3", "get_object", {"Bucket": "bucket", "Key": "x", "Range": "bytes=0-1"}, "NotImplem"),
        ("s3", "list_objects_v2", {"Bucket": "bucket", "Delimiter": "/"}, "NotImplemented"),
        ("s3", "get_bucket_location", {"Bucket": "bucket"}, "NotImplemented"),
    ],
)
def test_what_is_not_answered_is_refused(
    account: Account, service: str, operation: str, arguments: dict[str, Any], words: str
) -> None:
    with pytest.raises(ClientError, match=words):
        getattr(account.client(service), operation)(**arguments)


def test_a_process_without_the_jobs_credentials_is_told_nothing(account: Account) -> None:
    with pytest.raises(ClientError, match="AccessDenied"):
        account.client("s3", "another").list_objects_v2(Bucket="bucket")
    with pytest.raises(ClientError, match="UnrecognizedClient"):
        account.client("athena", "another").get_query_execution(QueryExecutionId="x")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("SELECT 1", "expected UNLOAD "),
        ("UNLOAD (SELECT 1) TO '/tmp' WITH (format = 'PARQUET')", "expected UNLOAD "),
        ("UNLOAD (SELECT 1) TO 's3://b/x/' WITH (format = 'ORC')", "format = 'PARQUET', got 'ORC'"),
        ("UNLOAD (SELECT 1) TO 's3://b/x/' WITH (format = 'PARQUET', partitioned_by = 'x')",
         "not supported on this machine: partitioned_by"),
        ("UNLOAD (SELECT 1) TO 's3://b/x/' WITH (format = 'PARQUET', format = 'PARQUET')",
         "expected an option"),
        ("UNLOAD (SELECT 1) TO 's3://b/x/' WITH (format = 'PARQUET', compression = 'LZO')",
         "expected NONE, SNAPPY, GZIP, ZSTD, got 'LZO'"),
    ],
)  # fmt: skip
def test_a_statement_that_is_not_supported_is_refused(text: str, words: str) -> None:
    with pytest.raises(RefusedError, match=words):
        parsed(text)


# In a step of a definition

SCRIPT = f"""\
import json, os, sys, time
import boto3
sys.path.insert(0, {str(Path(__file__).parent)!r})
request = json.load(open(os.environ["SAGEMAKER_BASE_DIR"] + "/config/processingjobconfig.json"))
(out,) = request["ProcessingOutputConfig"]["Outputs"]
query = open(os.environ["SAGEMAKER_BASE_DIR"] + "/processing/input/query/q.sql").read()
athena = boto3.client("athena", region_name=os.environ["AWS_REGION"])
place = out["S3Output"]["S3Uri"] + "-queries/"
identifier = athena.start_query_execution(
    QueryString="UNLOAD (" + query + ") TO '" + place + "rows/' WITH (format = 'PARQUET')",
    QueryExecutionContext=dict(Database="store"), ResultConfiguration=dict(OutputLocation=place),
)["QueryExecutionId"]
while True:
    status = athena.get_query_execution(QueryExecutionId=identifier)["QueryExecution"]["Status"]
    if status["State"] not in ("QUEUED", "RUNNING"):
        break
    time.sleep(0.01)
base = os.environ["SAGEMAKER_BASE_DIR"] + "/processing/output/rows/"
open(base + "state.json", "w").write(json.dumps([status["State"], sorted(os.environ)]))
"""


def asking(bench: Bench, query: str, **more: Any) -> dict[str, Any]:
    bench.put(f"{BUCKET}/queries/q.sql", query)
    inputs = [s3_input("query", f"{BUCKET}/queries")]
    return bench.processing("Ask", SCRIPT, outputs=("rows",), inputs=inputs, **more)


def test_a_step_with_a_query_among_its_inputs_asks_and_reads_the_rows(root: Path) -> None:
    bench = Bench(root, parallel=1, catalog={("store", "pets"): TABLE})
    execution = bench.run(asking(bench, "SELECT chip FROM pets"))
    assert execution.steps["Ask"].reason == ""
    state, variables = json.loads(bench.text(f"{BUCKET}/{execution.id}/Ask/rows/state.json"))
    assert state == "SUCCEEDED"
    assert {"AWS_REGION", "AWS_ENDPOINT_URL_S3"} <= set(variables)
    assert "AWS_DEFAULT_REGION" not in variables
    assert list((root / "s3/bucket" / execution.id / "Ask/rows-queries/rows").glob("*.parquet"))


def test_a_step_without_a_query_is_told_of_no_place_to_ask(root: Path) -> None:
    bench = Bench(root, catalog={("store", "pets"): TABLE})
    script = """\
import json, os
base = os.environ["SAGEMAKER_BASE_DIR"] + "/processing/output/rows/"
open(base + "names.json", "w").write(json.dumps(sorted(os.environ)))
"""
    execution = bench.run(bench.processing("Look", script, outputs=("rows",)))
    names = json.loads(bench.text(f"{BUCKET}/{execution.id}/Look/rows/names.json"))
    assert not [name for name in names if name.startswith("AWS_ENDPOINT")]


def test_a_step_is_reused_until_a_table_of_the_catalogue_changes(root: Path) -> None:
    bench = Bench(root, catalog={("store", "pets"): TABLE})
    step = asking(bench, "SELECT chip FROM pets")
    step["CacheConfig"] = {"Enabled": True, "ExpireAfter": "P30D"}
    runs = [bench.run(step).steps["Ask"] for _ in range(2)]
    assert [bool(run.source) for run in runs] == [False, True]
    duckdb.sql("SELECT 'c' AS chip, 3 AS age").write_parquet(
        str(root / "s3/bucket/pets/data/more.parquet")
    )
    assert not bench.run(step).steps["Ask"].source


@pytest.mark.skipif(sys.platform == "win32", reason="processes are told by their signals")
def test_a_job_that_ends_takes_its_query_with_it(root: Path) -> None:
    bench = Bench(root, catalog={("store", "pets"): TABLE})
    limit = {"StoppingCondition": {"MaxRuntimeInSeconds": 2}}
    execution = bench.run(asking(bench, HUGE, **limit))
    assert "ran for longer than MaxRuntimeInSeconds = 2" in execution.steps["Ask"].reason
    assert not list(root.rglob("*.parquet.tmp"))


def test_no_query_begins_once_all_is_ended(tmp_path: Path) -> None:
    with Processes(1) as processes:
        processes.end_all()
        with pytest.raises(StepError, match="was stopped"):
            processes.start(Command([], Sandbox(tmp_path), {}, tmp_path / "log", tmp_path))
