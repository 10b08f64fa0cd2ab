"""What moto (5.2) lacks of the Feature Store, and of Athena where that asks for its rows.

- DescribeFeatureGroup of a group that is not there is a KeyError, DataCatalogConfig is replaced,
  and a group is Created at once: `statuses` are those that it shows one after the other.
- UpdateFeatureGroup is not there, nor is the runtime API (PutRecord, GetRecord, DeleteRecord).
- Athena answers what a test has queued: here DuckDB answers, from the Parquet files in S3.

As AWS documents them: a record whose event time is not greater than the stored one's is kept
offline alone, a deletion has to be later than the record, and rows land in S3 after a while.
Requests and answers pass botocore's validation.
"""

from __future__ import annotations

import io
import re
import secrets
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from botocore.client import BaseClient
from botocore.exceptions import ClientError
from botocore.validate import validate_parameters
from moto.s3.models import s3_backends

ACCOUNT = "111122223333"
STRING_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?Z")
ARROW = {"String": pa.string(), "Integral": pa.int64(), "Fractional": pa.float64()}


@dataclass
class Group:
    """A feature group: what it was made by, and what it holds."""

    request: dict[str, Any]
    made: datetime
    region: str
    statuses: list[str] = field(default_factory=list)  # one a look, the last one stays
    updates: list[str] = field(default_factory=list)
    failure: str = ""
    online: dict[str, dict[str, str]] = field(default_factory=dict)
    buffer: list[dict[str, Any]] = field(default_factory=list)  # rows that have not landed

    @property
    def types(self) -> dict[str, str]:
        return {d["FeatureName"]: d["FeatureType"] for d in self.request["FeatureDefinitions"]}

    @property
    def place(self) -> str:
        """The prefix of its rows, which the service resolves."""
        uri = self.request["OfflineStoreConfig"]["S3StorageConfig"]["S3Uri"]
        name = f"{self.request['FeatureGroupName']}-{self.made.timestamp():.0f}"
        return f"{uri}/{ACCOUNT}/sagemaker/{self.region}/offline-store/{name}/data"


@dataclass
class FeatureStore:
    """The feature groups of an account, and Athena's answers about them."""

    region: str
    groups: dict[str, Group] = field(default_factory=dict)
    creation: list[str] = field(default_factory=lambda: ["Creating", "Created"])
    failure: str = ""  # why a group that ends in CreateFailed does
    landing: int = 0  # questions to Athena until rows have landed
    refuses: Callable[[dict[str, str]], str] = lambda record: ""  # a code for what it refuses
    results: dict[str, tuple[list[str], list[tuple[Any, ...]]]] = field(default_factory=dict)
    queries: list[str] = field(default_factory=list)

    # The control plane

    def create_feature_group(self, **request: Any) -> dict[str, Any]:
        name = request["FeatureGroupName"]
        if name in self.groups:
            raise error("ResourceInUse", "CreateFeatureGroup", f"{name} already exists")
        types = {d["FeatureName"]: d["FeatureType"] for d in request["FeatureDefinitions"]}
        for key in ("RecordIdentifierFeatureName", "EventTimeFeatureName"):
            assert request[key] in types, f"{key} is no feature"
        assert types[request["EventTimeFeatureName"]] in ("String", "Fractional")
        assert not {"is_deleted", "write_time", "api_invocation_time"} & types.keys()
        made = datetime.now(UTC).replace(microsecond=0)
        self.groups[name] = Group(
            request, made, self.region, list(self.creation), failure=self.failure
        )
        return {"FeatureGroupArn": self._arn(name)}

    def describe_feature_group(self, FeatureGroupName: str, **_: Any) -> dict[str, Any]:
        group = self._group(FeatureGroupName, "DescribeFeatureGroup", "ResourceNotFound")
        config = group.request["OfflineStoreConfig"]
        status = group.statuses[0] if len(group.statuses) == 1 else group.statuses.pop(0)
        answer = {
            **group.request,
            "FeatureGroupArn": self._arn(FeatureGroupName),
            "CreationTime": group.made,
            "FeatureGroupStatus": status,
            "NextToken": "",
            "OfflineStoreConfig": {
                **config,
                "S3StorageConfig": {
                    **config["S3StorageConfig"], "ResolvedOutputS3Uri": group.place
                },
            },
        }  # fmt: skip
        answer.pop("Tags", None)
        if status == "CreateFailed":
            answer["FailureReason"] = group.failure
        if group.updates:
            update = group.updates[0] if len(group.updates) == 1 else group.updates.pop(0)
            answer["LastUpdateStatus"] = {"Status": update}
        return answer

    def update_feature_group(
        self, FeatureGroupName: str, FeatureAdditions: list[dict[str, str]]
    ) -> dict[str, Any]:
        group = self._group(FeatureGroupName, "UpdateFeatureGroup", "ResourceNotFound")
        assert not {d["FeatureName"] for d in FeatureAdditions} & group.types.keys()
        group.request["FeatureDefinitions"] = [
            *group.request["FeatureDefinitions"], *FeatureAdditions
        ]  # fmt: skip
        group.updates = ["InProgress", "Successful"]
        return {"FeatureGroupArn": self._arn(FeatureGroupName)}

    # The runtime

    def put_record(self, FeatureGroupName: str, Record: list[dict[str, str]]) -> dict[str, Any]:
        group = self._group(FeatureGroupName, "PutRecord", "ValidationError")
        record = {value["FeatureName"]: value["ValueAsString"] for value in Record}
        if code := self.refuses(record):
            raise error(code, "PutRecord", "as a test has it")
        identifier, moment = self._keys(group, record)
        for name, text in record.items():
            _check(group.types.get(name, ""), name, text)
        self._append(group, record, is_deleted=False)
        before = group.online.get(identifier)
        name = group.request["EventTimeFeatureName"]
        if "OnlineStoreConfig" in group.request and (before is None or before[name] < moment):
            group.online[identifier] = record
        return {}

    def get_record(self, FeatureGroupName: str, RecordIdentifierValueAsString: str) -> Any:
        group = self._group(FeatureGroupName, "GetRecord", "ResourceNotFound")
        self._check_online(group, "GetRecord")
        record = group.online.get(RecordIdentifierValueAsString)
        return {} if record is None else {"Record": _values(record)}

    def batch_get_record(self, Identifiers: list[dict[str, Any]]) -> Any:
        records = []
        for one in Identifiers:
            group = self._group(one["FeatureGroupName"], "BatchGetRecord", "ValidationError")
            self._check_online(group, "BatchGetRecord")
            records += [
                {
                    "FeatureGroupName": one["FeatureGroupName"],
                    "RecordIdentifierValueAsString": identifier,
                    "Record": _values(group.online[identifier]),
                }
                for identifier in one["RecordIdentifiersValueAsString"]
                if identifier in group.online
            ]
        return {"Records": records, "Errors": [], "UnprocessedIdentifiers": []}

    def delete_record(
        self, FeatureGroupName: str, RecordIdentifierValueAsString: str, EventTime: str,
        DeletionMode: str = "SoftDelete",
    ) -> dict[str, Any]:  # fmt: skip
        group = self._group(FeatureGroupName, "DeleteRecord", "ValidationError")
        is_online = "OnlineStoreConfig" in group.request
        assert is_online == (DeletionMode == "HardDelete"), "the only ones that are taught"
        names = group.request
        before = group.online.get(RecordIdentifierValueAsString)
        if before and before[names["EventTimeFeatureName"]] >= EventTime:
            raise error("ValidationError", "DeleteRecord", "EventTime is not later")
        group.online.pop(RecordIdentifierValueAsString, None)
        marker = {
            names["RecordIdentifierFeatureName"]: RecordIdentifierValueAsString,
            names["EventTimeFeatureName"]: EventTime,
        }
        self._append(group, marker, is_deleted=True)
        return {}

    def _check_online(self, group: Group, operation: str) -> None:
        if "OnlineStoreConfig" not in group.request:
            raise error("ValidationError", operation, "the online store is not enabled")

    def _keys(self, group: Group, record: dict[str, str]) -> tuple[str, str]:
        names = (group.request[f"{key}FeatureName"] for key in ("RecordIdentifier", "EventTime"))
        identifier, moment = (record.get(name, "") for name in names)
        if not identifier or not moment:
            raise error("ValidationError", "PutRecord", "no record identifier or event time")
        is_text = group.types[group.request["EventTimeFeatureName"]] == "String"
        if is_text and not STRING_TIME.fullmatch(moment):
            raise error("ValidationError", "PutRecord", f"no event time: {moment}")
        return identifier, moment

    def _append(self, group: Group, record: dict[str, str], is_deleted: bool) -> None:
        now = datetime.now(UTC).replace(tzinfo=None)
        typed = {name: _typed(group.types[name], text) for name, text in record.items()}
        group.buffer.append(typed | {"api_invocation_time": now, "is_deleted": is_deleted})

    # The offline store, and Athena

    def land(self) -> None:
        """Write the rows that were put into S3, by the hour of their events."""
        for group in self.groups.values():
            hours: dict[str, list[dict[str, Any]]] = {}
            for row in group.buffer:
                hours.setdefault(_hour(row[group.request["EventTimeFeatureName"]]), []).append(row)
            group.buffer = []
            bucket, _, prefix = group.place.removeprefix("s3://").partition("/")
            for hour, rows in hours.items():
                written = datetime.now(UTC).replace(tzinfo=None)
                columns = {
                    name: pa.array([row.get(name) for row in rows], ARROW[kind])
                    for name, kind in group.types.items()
                }
                columns["api_invocation_time"] = pa.array([r["api_invocation_time"] for r in rows])
                columns["write_time"] = pa.array([written] * len(rows))
                columns["is_deleted"] = pa.array([r["is_deleted"] for r in rows])
                content = io.BytesIO()
                pq.write_table(pa.table(columns), content)
                key = f"{prefix}/{hour}/{secrets.token_hex(8)}.parquet"
                _s3().put_object(bucket, key, content.getvalue())

    def start_query_execution(
        self, QueryString: str, QueryExecutionContext: dict[str, str], **_: Any
    ) -> dict[str, Any]:
        self.queries.append(QueryString)
        if self.landing:
            self.landing -= 1
        else:
            self.land()
        identifier = f"{len(self.queries):08}-1111-2222-3333-444444444444"
        self.results[identifier] = self._answer(QueryString, QueryExecutionContext["Database"])
        return {"QueryExecutionId": identifier}

    def get_query_execution(self, QueryExecutionId: str) -> dict[str, Any]:
        return {"QueryExecution": {"Status": {"State": "SUCCEEDED"}}}

    def get_query_results(self, QueryExecutionId: str) -> dict[str, Any]:
        names, rows = self.results[QueryExecutionId]
        texts = [names, *([_athenas(value) for value in row] for row in rows)]
        return {
            "ResultSet": {
                "Rows": [
                    {"Data": [{} if text is None else {"VarCharValue": text} for text in row]}
                    for row in texts
                ]
            }
        }

    def _answer(self, query: str, database: str) -> tuple[list[str], list[tuple[Any, ...]]]:
        with tempfile.TemporaryDirectory() as name, duckdb.connect() as connection:
            connection.execute("SET TimeZone = 'UTC'")
            for number, group in enumerate(self.groups.values()):
                catalog = group.request["OfflineStoreConfig"]["DataCatalogConfig"]
                folder = Path(name, str(number))
                if catalog["Database"] == database and self._download(group, folder):
                    connection.execute(
                        f'CREATE VIEW "{catalog["TableName"]}" AS SELECT * FROM read_parquet('
                        f"'{folder.as_posix()}/**/*.parquet', hive_partitioning=true, "
                        "hive_types_autocast=false, union_by_name=true)"
                    )
            done = connection.execute(query)
            return [column[0] for column in done.description], done.fetchall()

    def _download(self, group: Group, folder: Path) -> bool:
        bucket, _, prefix = group.place.removeprefix("s3://").partition("/")
        objects = {k: o for k, o in _s3().buckets[bucket].keys.items() if k.startswith(prefix)}
        folder.mkdir()
        if not objects:  # the table is there all the same, and empty
            columns = {n: pa.array([], ARROW[kind]) for n, kind in group.types.items()}
            times = {n: pa.array([], pa.timestamp("us")) for n in ("api_invocation_time",
                                                                   "write_time")}  # fmt: skip
            marks = {"is_deleted": pa.array([], pa.bool_())}
            pq.write_table(pa.table(columns | times | marks), folder / "none.parquet")
        for key, stored in objects.items():
            file = folder / key.removeprefix(prefix).strip("/")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(stored.value)
        return True

    def _group(self, name: str, operation: str, code: str) -> Group:
        if name not in self.groups:
            raise error(code, operation, f"no FeatureGroup with name {name}")
        return self.groups[name]

    def _arn(self, name: str) -> str:
        return f"arn:aws:sagemaker:{self.region}:{ACCOUNT}:feature-group/{name.lower()}"


TAUGHT = {
    "sagemaker": ("CreateFeatureGroup", "DescribeFeatureGroup", "UpdateFeatureGroup"),
    "sagemaker-featurestore-runtime": ("PutRecord", "GetRecord", "BatchGetRecord", "DeleteRecord"),
    "athena": ("StartQueryExecution", "GetQueryExecution", "GetQueryResults"),
}
"""The calls that moto is not asked for, by the service's name in boto3."""


@contextmanager
def taught(monkeypatch: pytest.MonkeyPatch, region: str) -> Iterator[FeatureStore]:
    """An account that has a Feature Store meanwhile."""
    store = FeatureStore(region)
    call = BaseClient._make_api_call

    def answered(self: BaseClient, operation: str, parameters: dict[str, Any]) -> Any:
        service = self.meta.service_model.service_name
        if operation not in TAUGHT.get(service, ()):
            return call(self, operation, parameters)
        model = self.meta.service_model.operation_model(operation)
        validate_parameters(parameters, model.input_shape)
        name = re.sub("(?<!^)(?=[A-Z])", "_", operation).lower()
        answer = getattr(store, name)(**parameters)
        if model.output_shape:
            validate_parameters(answer, model.output_shape)
        return answer

    with monkeypatch.context() as patched:
        patched.setattr(BaseClient, "_make_api_call", answered)
        yield store


def _s3() -> Any:
    """What moto has in S3: the service's own reads and writes are no calls of whoever is tested."""
    return s3_backends[ACCOUNT]["aws"]


def error(code: str, operation: str, message: str) -> ClientError:
    """What the service answers to a call that it refuses."""
    return ClientError({"Error": {"Code": code, "Message": message}}, operation)


def _check(kind: str, name: str, text: str) -> None:
    pattern = {"Integral": r"-?\d+", "Fractional": r"-?\d+(\.\d+)?(e[+-]?\d+)?", "String": "(?s).*"}
    if not kind or not re.fullmatch(pattern[kind], text):
        raise error("ValidationError", "PutRecord", f"{name}: expected {kind or 'a feature'}")


def _typed(kind: str, text: str) -> Any:
    return {"Integral": int, "Fractional": float, "String": str}[kind](text)


def _values(record: dict[str, str]) -> list[dict[str, str]]:
    return [{"FeatureName": name, "ValueAsString": text} for name, text in record.items()]


def _hour(moment: str | float) -> str:
    if not isinstance(moment, str):
        moment = datetime.fromtimestamp(moment, UTC).isoformat()
    return f"year={moment[:4]}/month={moment[5:7]}/day={moment[8:10]}/hour={moment[11:13]}"


def _athenas(value: Any) -> str | None:
    """A value as Athena writes it."""
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
    return {True: "true", False: "false"}.get(value) if isinstance(value, bool) else (
        None if value is None else str(value)
    )  # fmt: skip
