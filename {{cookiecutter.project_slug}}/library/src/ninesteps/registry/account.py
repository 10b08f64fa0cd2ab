"""The versions in an AWS account, in SageMaker's Model Registry.

It has no compare-and-set and no history. A decision is written in one call, so that one event is
sent, with who and why in the package's metadata; the version's status is read just before and just
after. Two people who decide in the same second may both believe for a moment that they were first;
the state machines act on the final status in the registry.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from ninesteps.definition.metadata import writable
from ninesteps.errors import RegistryError
from ninesteps.feature_store.ingest import Ingested
from ninesteps.infrastructure import account, serving
from ninesteps.registry.person import arn_of
from ninesteps.registry.registry import (
    APPROVED,
    PENDING,
    REJECTED,
    ABLook,
    Decision,
    EvidenceFile,
    Version,
    version_of,
)
from ninesteps.settings.environment import Environment

EVIDENCE_URI, SAME_MODEL_AS = "evidence_uri", "same_model_as"
"""The keys of a package's metadata for its evidence file and for an earlier version with the same
bytes; `record_evidence.py` writes both."""

IN_TEST = "in test"
"""What `rollout.asl.json` records of a version whose A/B test has begun."""

NOT_THERE = ("NoSuchKey", "404")


@dataclass(frozen=True)
class AccountRegistry:
    """A `registry.Registry` in an account; `session` is boto3's, of its region."""

    session: Any
    environment: Environment
    pipeline: str  # its name in the account
    group: str
    prefix: str = ""  # of its objects in the bucket: the pipeline's name in the settings

    def numbers(self) -> list[int]:
        """All versions, newest first."""
        return numbers(self._sagemaker, self.group)

    def approved(self) -> Iterator[tuple[int, str]]:
        """The approved versions, newest first, each with the time it was created."""
        return approved(self._sagemaker, self.group)

    def version(self, number: int) -> Version:
        """An existing version."""
        package = self._describe(number)
        metadata = package.get("CustomerMetadataProperties", {})
        return version_of(
            package,
            self.group,
            number,
            package["ModelApprovalStatus"],
            account.moment(package["CreationTime"]),
            metadata.get("execution", ""),
            tuple(decisions(package)),
        )

    def package(self, number: int) -> str:
        """The ARN of a version's model package."""
        return self.environment.sagemaker_arn(f"model-package/{self.group}/{number}")

    def execution(self, identifier: str) -> str:
        """The ARN of an execution of the pipeline."""
        return self.environment.sagemaker_arn(f"pipeline/{self.pipeline}/execution/{identifier}")

    def read(self, uri: str) -> bytes | None:
        """The content of an S3 URI; None if there is no object."""
        body = self._body(uri)
        return None if body is None else bytes(body.read())

    def evidence(self, version: Version) -> list[EvidenceFile]:
        """A version's evidence, as recorded by the account's state machine and now."""
        metadata = version.metadata
        return [
            EvidenceFile(uri, metadata.get(digest_key(uri), ""), self._digest(uri))
            for uri in (*version.evidence, *filter(None, [metadata.get(EVIDENCE_URI)]))
        ]

    def started_by(self, version: Version) -> str:
        """Who started the execution that registered it, from AWS; empty if unknown."""
        if not version.execution:
            return ""
        execution = self._sagemaker.describe_pipeline_execution(
            PipelineExecutionArn=self.execution(version.execution)
        )
        return arn_of(execution.get("CreatedBy", {}))

    def findings(self, version: Version) -> bytes | None:
        """Step 1's findings on its splits; None if there are none, or they may not be read.

        They are beside the test split, whose rows not every approver may read.
        """
        with contextlib.suppress(ClientError):
            return self.read(version.findings) if version.findings else None
        return None

    def table(self, version: Version) -> Ingested | None:
        """None: an account does not record how its feature group was filled."""
        return None

    def warnings(self, version: Version) -> list[str] | None:
        """Its warnings, as the account's state machine recorded them; None if it did not."""
        found = recorded_evidence(version.metadata, self.read).get("warnings")
        return None if found is None else list(map(str, found))

    def origin(self, version: Version) -> Mapping[str, Any]:
        """Where its run came from, from the evidence file of its registration."""
        return recorded_origin(version.metadata, self.read)

    def same_model_as(self, version: Version) -> int | None:
        """The first version with the same archive, as recorded by the account's state machine."""
        noted = version.metadata.get(SAME_MODEL_AS, "")
        return int(noted) if noted.isdecimal() else None

    def erased(self, version: Version) -> str:
        """Unknown: chains of events record only erasures on their own machine."""
        return ""

    def ab_look(self, version: Version) -> ABLook | None:
        """The state of a version's running A/B test, from its job's last decision; None: no test.

        A decision that is older than this test is from an earlier test.
        """
        metadata = version.metadata
        if metadata.get("rollout") != IN_TEST:
            return None
        began = datetime.fromisoformat(metadata["rollout_at"])
        try:
            last = max((one for one in self._decisions(version.number) if one[0] > began),
                       default=None)  # fmt: skip
            content = last and self.read(last[1])
        except ClientError as error:
            return ABLook(f"its state may not be read: {error.response['Error']['Code']}")
        if not last or not content:
            return ABLook(
                "no decision so far: the first evaluation is an hour after the test began"
            )
        decision = json.loads(content)
        return ABLook(
            decision["reason"], account.moment(last[0]), decision["look"], decision["share"],
            decision["metadata"],
        )  # fmt: skip

    def _decisions(self, number: int) -> Iterator[tuple[datetime, str]]:
        """When each A/B test of a version was last evaluated, and the S3 URI of the decision."""
        bucket = self.environment.bucket_name
        pages = self._s3.get_paginator("list_objects_v2").paginate(
            Bucket=bucket, Prefix=f"{self.prefix}/deployments/v{number}/ab-",
            ExpectedBucketOwner=self.environment.account,
        )  # fmt: skip
        for page in pages:
            for one in page.get("Contents", []):
                if one["Key"].endswith("/decision.json"):
                    yield one["LastModified"], f"s3://{bucket}/{one['Key']}"

    def identity(self, who: str) -> str:
        """Who is signed in to AWS, not the name that was given."""
        return self._caller

    def keep(self, version: Version, decision: Decision) -> bool:
        """Write a decision if the version's status has not changed meanwhile.

        Raises:
            RegistryError: if somebody else decided at the same moment.
        """
        now = self.version(version.number)
        if now.status != decision.before:
            return False
        written = _written(decision, self._caller)
        self._sagemaker.update_model_package(
            ModelPackageArn=self.package(version.number),
            ModelApprovalStatus=decision.after,
            ApprovalDescription=f"{decision.who}: {decision.why}",
            CustomerMetadataProperties={**now.metadata, **written},
        )
        after = self._describe(version.number)
        kept = after.get("CustomerMetadataProperties", {})
        if after["ModelApprovalStatus"] == decision.after and written.items() <= kept.items():
            return True
        who = arn_of(after.get("LastModifiedBy", {})) or "somebody else"
        raise RegistryError(
            f"{version.name} was decided on by {who} at the same moment, and is now "
            f"{after['ModelApprovalStatus']}: look at it again"
        )

    def archives(self) -> Iterator[tuple[int, str]]:
        """Each version, newest first, with the SHA-256 of its archive at registration."""
        return archives(self._sagemaker, self.environment, self.group)

    def serving(self) -> int | None:
        """The version that the environment's endpoint serves; None if there is no endpoint.

        Raises:
            RegistryError: if what serves is not a registered version.
        """
        try:
            arn = serving.package_arn(self._sagemaker, self.pipeline)
        except ValueError as error:
            raise RegistryError(str(error)) from None
        return serving.number(arn) if arn else None

    def report(self, version: Version) -> Path | None:
        """None: the report of an execution is written on this machine on request."""
        return None

    @cached_property
    def _sagemaker(self) -> Any:
        return self.session.client("sagemaker")

    @cached_property
    def _s3(self) -> Any:
        return self.session.client("s3")

    @cached_property
    def _caller(self) -> str:
        return str(self.session.client("sts").get_caller_identity()["Arn"])

    def _describe(self, number: int) -> dict[str, Any]:
        name = self.package(number)
        return dict(self._sagemaker.describe_model_package(ModelPackageName=name))

    def _digest(self, uri: str) -> str:
        body = self._body(uri)
        if body is None:
            return ""
        digest = hashlib.sha256()
        for chunk in body.iter_chunks(1 << 20):
            digest.update(chunk)
        return digest.hexdigest()

    def _body(self, uri: str) -> Any:
        try:
            return account.get_object(self._s3, uri, self.environment)["Body"]
        except ClientError as error:
            if error.response["Error"]["Code"] not in NOT_THERE:
                raise
            return None


def numbers(sagemaker: Any, group: str) -> list[int]:
    """The versions of a group, newest first."""
    pages = sagemaker.get_paginator("list_model_packages").paginate(ModelPackageGroupName=group)
    packages = [package for page in pages for package in page["ModelPackageSummaryList"]]
    return sorted((package["ModelPackageVersion"] for package in packages), reverse=True)


def approved(sagemaker: Any, group: str) -> Iterator[tuple[int, str]]:
    """The versions of a group that are approved now, the newest first, with when it was made."""
    pages = sagemaker.get_paginator("list_model_packages").paginate(
        ModelPackageGroupName=group, ModelApprovalStatus=APPROVED,
        SortBy="CreationTime", SortOrder="Descending",
    )  # fmt: skip
    for page in pages:
        for package in page["ModelPackageSummaryList"]:
            yield package["ModelPackageVersion"], account.moment(package["CreationTime"])


def archives(sagemaker: Any, environment: Environment, group: str) -> Iterator[tuple[int, str]]:
    """Each version, newest first, with the SHA-256 of its archive at registration."""
    for number in numbers(sagemaker, group):
        arn = environment.sagemaker_arn(f"model-package/{group}/{number}")
        package = sagemaker.describe_model_package(ModelPackageName=arn)
        uri = package["InferenceSpecification"]["Containers"][0]["ModelDataUrl"]
        if digest := package.get("CustomerMetadataProperties", {}).get(digest_key(uri)):
            yield number, digest


def recorded_origin(
    metadata: Mapping[str, str], read: Callable[[str], bytes | None]
) -> Mapping[str, Any]:
    """Where a version came from, from the evidence file in its metadata; or why it is unknown.

    Args:
        read: returns the content of an S3 URI.
    """
    evidence = recorded_evidence(metadata, read)
    if "unknown" in evidence:
        return evidence
    ingests = {"ingests": evidence["ingests"], "older_ingests": evidence["older_ingests"]}
    return {**evidence["origin"], **ingests}


def recorded_evidence(
    metadata: Mapping[str, str], read: Callable[[str], bytes | None]
) -> Mapping[str, Any]:
    """The evidence file that a version's metadata names; or `unknown`: why it is not known.

    Args:
        read: returns the content of an S3 URI.
    """
    uri = metadata.get(EVIDENCE_URI, "")
    if not uri:
        return {"unknown": "no evidence of where it came from is recorded"}
    try:
        content = read(uri)
    except ClientError as error:
        return {"unknown": f"{uri} may not be read: {error.response['Error']['Code']}"}
    if content is None:
        return {"unknown": f"{uri} is gone"}
    if hashlib.sha256(content).hexdigest() != metadata.get(digest_key(uri)):
        return {"unknown": f"{uri} was changed since it was recorded"}
    return dict(json.loads(content))


def digest_key(uri: str) -> str:
    """The metadata key of a file's SHA-256: `evaluation_sha256`, `model_sha256`."""
    return f"{uri.rpartition('/')[2].split('.')[0]}_sha256"


def _written(decision: Decision, caller: str) -> dict[str, str]:
    """A decision as metadata: `approved_by` and so on; a rejection keeps the approval's fields."""
    kind = decision.after.lower()
    values = {"by": caller, "name": decision.who, "why": decision.why, "at": decision.at,
              "rules": decision.rules}  # fmt: skip
    kept = {f"{kind}_{key}": writable(value) for key, value in values.items()}
    return {key: value for key, value in kept.items() if value}


def decisions(package: Mapping[str, Any]) -> Iterator[Decision]:
    """The decisions in a package's metadata, and one made elsewhere."""
    metadata = package.get("CustomerMetadataProperties", {})
    status, description = package["ModelApprovalStatus"], package.get("ApprovalDescription", "")
    before = PENDING
    for after in (APPROVED, REJECTED):
        noted = {
            key: metadata.get(f"{after.lower()}_{key}", "")
            for key in ("by", "name", "why", "at", "rules")
        }
        if noted["at"]:
            who = f"{noted['name']} ({noted['by']})" if noted["name"] else noted["by"]
            is_last = after == status and description
            why = description.partition(": ")[2] if is_last else noted["why"]
            yield Decision(before, after, who, why, noted["at"], rules=noted["rules"])
            before = after
    if status not in (PENDING, before):
        who = arn_of(package.get("LastModifiedBy", {})) or "somebody unknown"
        moment = package.get("LastModifiedTime")
        yield Decision(before, status, who, description, account.moment(moment) if moment else "")
