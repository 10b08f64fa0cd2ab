"""The evidence of a registered version: which files it is, and how a job reads and judges them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from botocore.exceptions import ClientError

from aws import client
from container import output_path, write_json

NAMES = ("evaluation", "analysis", "analysis_config", "model")
"""What is recorded; a file's name in the package's metadata, before `_version_id` and `_sha256`."""

UNVERSIONED = "null"
"""What S3 calls the version of an object that was put where none are kept."""


class EvidenceError(ValueError):
    """Evidence that nothing can rest on; the message says which, what was expected and got."""


@dataclass(frozen=True)
class Package:
    """What the registry says of a version."""

    uris: Mapping[str, str]  # of the evidence, by name
    metadata: Mapping[str, str]
    arn: str = ""
    modified_by: Mapping[str, Any] = field(default_factory=dict)  # last: a UserContext

    def noted(self, key: str) -> str:
        """A value of the metadata.

        Raises:
            EvidenceError: if it is not there.
        """
        if not self.metadata.get(key):
            raise EvidenceError(
                f"expected {key} in the package's metadata, got none: its evidence is not recorded"
            )
        return self.metadata[key]


@dataclass(frozen=True)
class Recorded:
    """One version of an object in S3."""

    content: bytes
    version_id: str

    @property
    def sha256(self) -> str:
        """Of the content, in hexadecimal digits."""
        return hashlib.sha256(self.content).hexdigest()


def read_package(arn: str) -> Package:
    """Ask the registry.

    Raises:
        EvidenceError: if the package names no evidence.
    """
    package = client("sagemaker").describe_model_package(ModelPackageName=arn)
    metadata = package.get("CustomerMetadataProperties", {})
    metrics = package.get("ModelMetrics", {})
    containers = package.get("InferenceSpecification", {}).get("Containers", [{}])
    uris = {
        "evaluation": metrics.get("ModelQuality", {}).get("Statistics", {}).get("S3Uri", ""),
        "analysis": metrics.get("Bias", {}).get("Report", {}).get("S3Uri", ""),
        "analysis_config": metadata.get("analysis_config", ""),
        "model": containers[0].get("ModelDataUrl", ""),
    }
    for name, uri in uris.items():
        if not uri:
            raise EvidenceError(f"expected the package to name its {name}, got none")
    return Package(uris, metadata, arn, package.get("LastModifiedBy", {}))


def read(uri: str, version_id: str = "") -> Recorded:
    """An object of S3, the newest version or one that is named.

    Raises:
        EvidenceError: if it is not there, or the bucket keeps no versions.
    """
    parts = urlsplit(uri)
    which = {"VersionId": version_id} if version_id else {}
    try:
        stored_object = client("s3").get_object(
            Bucket=parts.netloc, Key=parts.path.removeprefix("/"), **which
        )
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if code not in ("NoSuchKey", "NoSuchVersion", "404"):
            raise
        named = f"{uri} as {version_id}" if version_id else uri
        raise EvidenceError(f"{named} is not there") from None
    if stored_object.get("VersionId", UNVERSIONED) == UNVERSIONED:
        raise EvidenceError(f"the bucket of {uri} keeps no versions, which evidence needs")
    return Recorded(stored_object["Body"].read(), stored_object["VersionId"])


def read_noted(package: Package, name: str, uri: str) -> bytes:
    """The version of a file that was noted, if it has the digest that was noted and is the newest.

    Raises:
        EvidenceError: if it was not noted, is gone, was altered or written over.
    """
    noted, digest = package.noted(f"{name}_version_id"), package.noted(f"{name}_sha256")
    recorded = read(uri, noted)
    if recorded.sha256 != digest:
        raise EvidenceError(f"{name}: expected the recorded sha256 {digest}, got {recorded.sha256}")
    if read(uri).version_id != noted:  # it is by the address alone that an endpoint gets a model
        raise EvidenceError(f"{name} was written over since it was recorded: {uri}")
    return recorded.content


def write_verdict(passed: bool, reason: str) -> None:
    """What the state machine decides by."""
    write_json(output_path("result") / "verdict.json", {"passed": passed, "reason": reason})


def as_json(name: str, content: bytes) -> Any:
    """A file's content.

    Raises:
        EvidenceError: if it is not JSON.
    """
    try:
        return json.loads(content)
    except ValueError as error:
        raise EvidenceError(f"{name}: expected JSON, got something else: {error}") from None
