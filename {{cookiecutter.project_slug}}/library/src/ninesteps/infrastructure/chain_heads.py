"""Stores heads of the chain of events in an account's bucket, where users cannot edit them.

A head is an object whose key has everything: `PIPELINE/chain/FIRST/NUMBER-HASH.json`. FIRST is the
beginning of the hash of the chain's first entry, which identifies the machine's chain. If the
bucket has object lock, the object is locked. Every version of every key is read, so that a head
that was deleted or overwritten in a bucket with versions still counts.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.exceptions import ClientError

from ninesteps.local.chain import Entry, Head
from ninesteps.settings.environment import Environment

RETAINED_DAYS = 3653
"""How long a head is locked, if the bucket has no rule of its own: the ten years for which the EU
AI Act requires technical documentation to be kept (article 18)."""

_KEY = re.compile(r".*/chain/([0-9a-f]{16})/(\d{8,12})-([0-9a-f]{64})\.json")
_FIRST = 16

_NO_LOCK = "the bucket has no object lock: anyone who may delete objects there may delete it"


@dataclass(frozen=True)
class Kept:
    """Where a head is stored, and how it is protected."""

    uri: str
    how: str


def keep(s3: Any, environment: Environment, pipeline: str, chain: Sequence[Entry]) -> Kept:
    """Store the head of a chain in the environment's bucket; an existing head is never replaced.

    Args:
        pipeline: its name in pipeline.toml.
    """
    last, bucket = chain[-1], environment.bucket_name
    key = f"{_prefix(pipeline)}{chain[0].sha256[:_FIRST]}/{last.number:08d}-{last.sha256}.json"
    content = {"head": f"{last.number}:{last.sha256}", "at": last.at, "kind": last.kind}
    how, retention = _retention(s3, environment)
    try:
        s3.put_object(
            Bucket=bucket, Key=key, Body=json.dumps(content).encode(), IfNoneMatch="*",
            ContentType="application/json", ExpectedBucketOwner=environment.account, **retention,
        )  # fmt: skip
    except ClientError as error:
        if error.response["Error"]["Code"] not in ("PreconditionFailed", "412"):
            raise
        how = "it was stored there before"
    return Kept(f"s3://{bucket}/{key}", how)


def kept(
    s3: Any, environment: Environment, pipeline: str, first: Entry
) -> tuple[list[Head], list[str]]:
    """The stored heads of a chain, and the beginnings of the pipeline's other chains.

    Args:
        first: the chain's first entry.
    """
    heads = every(s3, environment, pipeline)
    return heads.pop(first.sha256[:_FIRST], []), [*heads]


def every(s3: Any, environment: Environment, pipeline: str) -> dict[str, list[Head]]:
    """The stored heads of every chain, by the beginning of its first entry's hash."""
    found: dict[str, set[Head]] = {}
    for start, head in _heads(s3, environment, pipeline):
        found.setdefault(start, set()).add(head)
    return {
        start: sorted(heads, key=lambda head: (head.number, head.sha256))
        for start, heads in sorted(found.items())
    }


def _prefix(pipeline: str) -> str:
    return f"{pipeline}/chain/"


def _heads(s3: Any, environment: Environment, pipeline: str) -> Iterator[tuple[str, Head]]:
    pages = s3.get_paginator("list_object_versions").paginate(
        Bucket=environment.bucket_name, Prefix=_prefix(pipeline),
        ExpectedBucketOwner=environment.account,
    )  # fmt: skip
    for page in pages:
        for version in page.get("Versions", []):
            if found := _KEY.fullmatch(version["Key"]):
                yield found[1], Head(int(found[2]), found[3])


def _retention(s3: Any, environment: Environment) -> tuple[str, dict[str, Any]]:
    """How the bucket protects an object, in words, and the request's fields for it."""
    try:
        answer = s3.get_object_lock_configuration(
            Bucket=environment.bucket_name, ExpectedBucketOwner=environment.account
        )
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if code == "ObjectLockConfigurationNotFoundError":
            return _NO_LOCK, {}
        if code.startswith("AccessDenied"):
            return "no permission to see whether the bucket has object lock: assume none", {}
        raise
    configuration = answer.get("ObjectLockConfiguration", {})
    if configuration.get("ObjectLockEnabled") != "Enabled":
        return _NO_LOCK, {}
    if rule := configuration.get("Rule", {}).get("DefaultRetention"):
        unit = "Years" if rule.get("Years") else "Days"
        return f"locked by the bucket's own rule: {rule['Mode']}, {rule[unit]} {unit.lower()}", {}
    until = datetime.now(UTC) + timedelta(days=RETAINED_DAYS)
    return f"locked until {until:%Y-%m-%d}: GOVERNANCE", {
        "ObjectLockMode": "GOVERNANCE", "ObjectLockRetainUntilDate": until,
    }  # fmt: skip
