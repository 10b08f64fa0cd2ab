"""The warnings of a registered version, from its evidence: for people who decide on it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError

from aws import client
from evidence import EvidenceError, Package, read
from ninesteps.feature_store import findings
from ninesteps.infrastructure import serving
from ninesteps.report import run_warnings


@dataclass
class Tables:
    """What the ingests of all tables found that a version may have learnt from."""

    read: int = 0
    left_out: dict[str, int] = field(default_factory=dict)
    suspicious: dict[str, float] = field(default_factory=dict)
    crossing: dict[str, int] = field(default_factory=dict)
    protected: dict[str, str] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)

    @staticmethod
    def of(ingests: Iterable[Mapping[str, Any]]) -> Tables:
        """By their records, the oldest first; an earlier version of the library recorded less."""
        every = Tables()
        for ingest in ingests:
            found = ingest.get("found", {})
            every.read += found.get("read", 0)
            for why, rows in found.get("left_out", {}).items():
                every.left_out[why] = every.left_out.get(why, 0) + rows
            for name in ("suspicious", "crossing", "protected", "names"):
                getattr(every, name).update(found.get(name, {}))
        return every


def warnings(
    package: Package,
    pipeline: str,
    evaluation: bytes,
    ingests: Iterable[Mapping[str, Any]],
    origin: Mapping[str, Any],
) -> list[str]:
    """A sentence each, what matters most first; of a file that is not there nothing is said.

    Args:
        pipeline: its name in the account, which its endpoint has too.
        ingests: the records of the tables that it may have learnt from.
        origin: the record of what was published.
    """
    split, tables = package.noted("test_split"), Tables.of(ingests)
    before, before_name = _before(package, pipeline)
    return run_warnings.warnings(
        run_warnings.Known(
            evaluation=findings.read(evaluation),
            splits=_json(f"{split}/{findings.FINDINGS}"),
            profile=_profile(split),
            table=tables,
            on_purpose=origin.get("protected", {}),
            before=before,
            before_name=before_name,
            names=dict(_json(f"{split}/columns.json").get("shown", {})) | tables.names,
        )
    )


def _before(package: Package, pipeline: str) -> tuple[dict[str, Any], str]:
    """The profile of the version that serves, else of the newest approved one, and its name."""
    group, own = package.arn.split("/")[-2:]
    try:
        arn = serving.package_arn(client("sagemaker"), pipeline)
    except ValueError:  # a model of no registered version
        arn = ""
    found = serving.compared_with(
        serving.number(arn) if arn else None, _approved(group), int(own), ""
    )
    if found is None:
        return {}, ""
    number, why = found
    arn = f"{package.arn.rpartition('/')[0]}/{number}"
    try:
        described = client("sagemaker").describe_model_package(ModelPackageName=arn)
    except ClientError as error:
        if error.response["Error"]["Code"] not in serving.NO_ENDPOINT:
            raise
        return {}, ""  # it serves, and was deleted
    split = described.get("CustomerMetadataProperties", {}).get("test_split", "")
    return (_profile(split) if split else {}), f"version {number} ({why})"


def _approved(group: str) -> Iterator[tuple[int, str]]:
    """The approved versions, the newest first; when each was made is not needed."""
    listed = client("sagemaker").get_paginator("list_model_packages")
    pages = listed.paginate(ModelPackageGroupName=group, ModelApprovalStatus="Approved")
    numbers = [
        summary["ModelPackageVersion"]
        for page in pages
        for summary in page["ModelPackageSummaryList"]
    ]
    yield from ((number, "") for number in sorted(numbers, reverse=True))


def _profile(test_split: str) -> dict[str, Any]:
    """What the training split's columns look like: it lies beside the test split."""
    return _json(f"{test_split.rpartition('/')[0]}/train/profile.json")


def _json(uri: str) -> dict[str, Any]:
    """The content of a file; empty if there is none, or none that can be read."""
    try:
        content = json.loads(read(uri).content)
    except (EvidenceError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
