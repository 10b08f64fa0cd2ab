"""One record of an account: online, offline as of a moment, and its endpoint's prediction."""

from __future__ import annotations

import io
import json
import tarfile
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ninesteps.errors import AccountError
from ninesteps.feature_store.point_in_time import one_record
from ninesteps.feature_store.records import FeatureGroup, Record
from ninesteps.infrastructure import account, put_records
from ninesteps.infrastructure import serving as endpoints
from ninesteps.infrastructure.athena_rows import Athena
from ninesteps.settings.environment import Environment
from ninesteps.settings.names import SYSTEM_COLUMNS

AT_ONCE = 100
"""The most records that one BatchGetRecord reads."""

TRIES = 5
"""How often unprocessed records are requested again."""


@dataclass(frozen=True)
class AccountOnlineStore:
    """An `ninesteps.feature_store.online.OnlineStore` of the runtime API."""

    runtime: Any  # put_records.client
    group: FeatureGroup

    def get(self, ids: Sequence[str]) -> dict[str, Record]:
        """The records of some ids."""
        name = self.group.name
        if len(ids) == 1:
            answer = self.runtime.get_record(
                FeatureGroupName=name, RecordIdentifierValueAsString=ids[0]
            )
            return {ids[0]: _record(answer["Record"])} if answer.get("Record") else {}
        found: dict[str, Record] = {}
        for start in range(0, len(ids), AT_ONCE):
            found |= self._batch([*ids[start : start + AT_ONCE]])
        return found

    def put(self, records: Iterable[Record]) -> int:
        """Put records; give how many were accepted."""
        return put_records.put_all(self.runtime, self.group, records, lambda sent: None).put

    def delete(self, identifier: str, event_time: str) -> bool:
        """Delete a record from every store of the group; offline, this adds a mark.

        Raises:
            ClientError: if the record online is not older.
        """
        online = {"DeletionMode": "HardDelete"} if self.group.features.online else {}
        self.runtime.delete_record(
            FeatureGroupName=self.group.name, RecordIdentifierValueAsString=identifier,
            EventTime=event_time, **online,
        )  # fmt: skip
        return True

    def _batch(self, ids: list[str]) -> dict[str, Record]:
        found: dict[str, Record] = {}
        for attempt in range(TRIES):
            asked = [{"FeatureGroupName": self.group.name, "RecordIdentifiersValueAsString": ids}]
            answer = self.runtime.batch_get_record(Identifiers=asked)
            for error in answer["Errors"]:
                raise AccountError(
                    f"the record {error['RecordIdentifierValueAsString']!r} of {self.group.name} "
                    f"could not be read: {error['ErrorCode']}: {error['ErrorMessage']}"
                )
            for one in answer["Records"]:
                found[one["RecordIdentifierValueAsString"]] = _record(one["Record"])
            left = answer["UnprocessedIdentifiers"]
            ids = [i for one in left for i in one["RecordIdentifiersValueAsString"]]
            if not ids:
                return found
            time.sleep(0.1 * 2**attempt)
        raise AccountError(
            f"{len(ids)} records of {self.group.name} could not be read: try again later"
        )


def _record(values: Iterable[Mapping[str, Any]]) -> Record:
    return {v["FeatureName"]: v["ValueAsString"] for v in values if "ValueAsString" in v}


def offline(athena: Athena, group: FeatureGroup, identifier: str, as_of: str) -> Record | None:
    """A record as the offline store has it as of a moment; None if there is none."""
    features = group.features
    query = one_record(
        features.table, group.record_id, identifier, as_of, features.event_time,
        features.is_fractional,
    )  # fmt: skip
    stored = {name.lower(): name for name in group.definitions}  # the catalogue has small letters
    for row in athena.rows(query):
        return {stored.get(n, n): text for n, text in row.items() if n not in SYSTEM_COLUMNS}
    return None


@dataclass(frozen=True)
class Serving:
    """The version that an endpoint serves."""

    endpoint: str
    version: int
    features: tuple[str, ...]  # as the model takes them
    names: Mapping[str, str]  # of columns that are shown under another name


def serving(session: Any, environment: Environment, pipeline: str) -> Serving | None:
    """The version that the environment's endpoint serves; None if there is no endpoint.

    Raises:
        AccountError: if its archive is not one of this pipeline's.
        ValueError: if it is not a registered version.
    """
    name = environment.named(pipeline)
    package = endpoints.package(session.client("sagemaker"), name)
    if package is None:
        return None
    uri = endpoints.archive(package)
    columns = _columns(account.get_object(session.client("s3"), uri, environment), uri)
    number = endpoints.number(package["ModelPackageArn"])
    return Serving(name, number, tuple(columns["features"]), columns.get("shown", {}))


def _columns(stored_object: Mapping[str, Any], uri: str) -> dict[str, Any]:
    """The columns that a model's archive lists."""
    try:
        with tarfile.open(fileobj=io.BytesIO(stored_object["Body"].read())) as archive:
            content = archive.extractfile("code/columns.json")
            return dict(json.load(content)) if content else {}
    except (tarfile.TarError, KeyError, ValueError):
        raise AccountError(f"{uri}: expected a model archive with code/columns.json") from None


def ask(session: Any, endpoint: str, request: str, kind: str) -> str:
    """An endpoint's answer to a request of a content type, in the same type."""
    answer = session.client("sagemaker-runtime").invoke_endpoint(
        EndpointName=endpoint, ContentType=kind, Accept=kind, Body=request
    )
    return str(answer["Body"].read().decode())
