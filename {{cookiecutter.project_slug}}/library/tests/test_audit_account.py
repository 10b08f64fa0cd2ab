"""The audit pack of a version in an account: what is asked of AWS, and what is made of the answers.

Calls of SageMaker are answered by botocore's Stubber, which validates what is asked and answered;
the files lie in moto's S3.
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from moto import mock_aws

from account_runs import (
    ARN,
    BEGAN,
    ENDED,
    EVALUATED,
    EVIDENCE,
    PROD,
    RECORDED,
    Service,
    began,
    definition,
    execution_arn,
    job_arn,
    of_job,
    processing,
    serves,
)
from accounts import ACCOUNT, REGION, recorded_calls, sign_in
from audited_machine import PLANTED, planted, spellings
from ninesteps.audit import pack, subject, verify
from ninesteps.audit.pack import Pack
from ninesteps.errors import AccountError, RegistryError
from ninesteps.infrastructure import account, permissions
from ninesteps.settings import loading
from ninesteps.settings.settings import Settings
from ninesteps.step_code import bundle
from reports import files

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture
def settings() -> Settings:
    return dataclasses.replace(loading.load(REPOSITORY), environments={"prod": PROD})


@pytest.fixture
def service(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[Service]:
    """An account with an execution's files, in which names are planted."""
    sign_in(monkeypatch, tmp_path)
    with mock_aws():
        made = Service(settings)
        where = {"LocationConstraint": REGION}
        made.s3.create_bucket(Bucket="bucket", CreateBucketConfiguration=where)
        for uri, content in files(**planted()).content.items():
            made.s3.put_object(Bucket="bucket", Key=uri.removeprefix("s3://bucket/"), Body=content)
        monkeypatch.setattr(account, "session", lambda environment: Session(made))
        with made.stub:
            yield made


@dataclasses.dataclass(frozen=True)
class Session:
    """A session of boto3 whose SageMaker is stubbed."""

    service: Service

    def client(self, name: str, config: Any = None) -> Any:
        return {"sagemaker": self.service.sagemaker, "s3": self.service.s3}[name]


def package(settings: Settings, **more: Any) -> dict[str, Any]:
    """What Describe says of version 3, with who made and changed it."""
    name = f"{ARN}:model-package/{group(settings)}/3"
    statistics = {"S3Uri": EVALUATED, "ContentType": "application/json"}
    return {
        "ModelPackageName": name,
        "ModelPackageArn": name,
        "ModelPackageGroupName": group(settings),
        "ModelPackageVersion": 3,
        "CreationTime": BEGAN,
        "ModelPackageStatus": "Completed",
        "ModelApprovalStatus": "Approved",
        "ModelPackageStatusDetails": {"ValidationStatuses": []},
        "CreatedBy": {"UserProfileName": "Zebedee"},
        "LastModifiedBy": {"UserProfileName": "Petunia"},
        "LastModifiedTime": ENDED,
        "ApprovalDescription": "Jo: as agreed",
        "ModelMetrics": {"ModelQuality": {"Statistics": statistics}},
        "CustomerMetadataProperties": {
            "execution": "one",
            "profile": "churn",
            "approved_by": "arn:aws:sts::1:assumed-role/Approver/jo",
            "approved_name": "Jo",
            "approved_at": "2026-01-01T00:31:00Z",
            "evaluation_sha256": "0" * 64,
        },
        **more,
    }


def group(settings: Settings) -> str:
    return PROD.named(settings.model_package_group)


def listed(service: Service, *numbers: int, **more: str) -> None:
    summaries = [
        {"ModelPackageArn": f"{ARN}:model-package/{group(service.settings)}/{number}",
         "ModelPackageVersion": number, "CreationTime": BEGAN, "ModelPackageStatus": "Completed"}
        for number in numbers
    ]  # fmt: skip
    asked = {"ModelPackageGroupName": group(service.settings), **more}
    service.answer("list_model_packages", asked, ModelPackageSummaryList=summaries)


def described(service: Service, **more: Any) -> None:
    content = package(service.settings, **more)
    service.answer(
        "describe_model_package", {"ModelPackageName": content["ModelPackageArn"]}, **content
    )


def whole(service: Service, **metadata: str) -> None:
    """All that is asked for the pack of version 3, in order."""
    content = package(service.settings)
    known = {**content["CustomerMetadataProperties"], **metadata}
    more = {"CustomerMetadataProperties": known}
    arn = {"PipelineExecutionArn": execution_arn(service.settings)}
    listed(service, 3)
    described(service, **more)
    service.execution()
    version = content["ModelPackageArn"]
    service.steps(
        of_job("Process"), of_job("Tune", "TuningJob"), of_job("Evaluate"),
        began("Create", Model={"Arn": job_arn("model", "job")}), of_job("Config"),
        began("Transform", TransformJob={"Arn": job_arn("transform-job", "job-Transform")}),
        of_job("Clarify"), began("Check", Condition={"Outcome": "true"}),
        began("Register", RegisterModel={"Arn": version}),
    )  # fmt: skip
    service.process_and_search()
    service.others("Evaluate")
    service.stub.add_client_error("describe_model", "ValidationException", "deleted")
    service.others("Config")
    service.stub.add_client_error("describe_transform_job", "ResourceNotFound", "deleted")
    service.others("Clarify")
    described(service, **more)
    service.parameters()
    service.no_earlier()
    service.answer(
        "describe_pipeline_definition_for_execution", arn, PipelineDefinition=definition()
    )
    service.answer(
        "describe_pipeline_execution", arn, **arn,
        CreatedBy={"IamIdentity": {"Arn": "arn:aws:sts::1:assumed-role/Ops/Zebedee"}},
    )  # fmt: skip


def beside(service: Service) -> None:
    """What is asked beside the execution: SageMaker has no lineage, nothing serves, one version."""
    service.answer("list_artifacts", {"SourceUri": package(service.settings)["ModelPackageArn"]},
                   ArtifactSummaries=[])  # fmt: skip
    service.answer("list_artifacts", {"SourceUri": EVALUATED.rpartition("/")[0]},
                   ArtifactSummaries=[])  # fmt: skip
    service.stub.add_client_error("describe_endpoint", "ValidationException", "Could not find")
    approved(service, 3)


def approved(service: Service, *numbers: int) -> None:
    listed(service, *numbers, ModelApprovalStatus="Approved", SortBy="CreationTime",
           SortOrder="Descending")  # fmt: skip


def made(service: Service) -> Pack:
    whole(service)
    beside(service)
    done = pack.make(subject.in_account(service.settings, "prod", 3))
    service.stub.assert_no_pending_responses()
    return done


def members(made: Pack) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(made.content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_it_has_what_the_account_has_and_says_what_it_has_not(
    service: Service, tmp_path: Path
) -> None:
    done = made(service)
    assert done.absent["chain.json"].startswith("an account keeps no chain of events")
    assert done.absent["requirements.lock"] == (
        "the run did not record which requirements.lock it ran with"
    )
    assert done.absent["comparison.json"] == (
        "no other version serves, and none was approved before it"
    )
    assert done.absent["chain_heads.json"].startswith("no head of a chain was kept in this account")
    assert done.absent["impact_ratios.json"].startswith("no step of this run wrote predictions")
    content = members(done)
    assert content["definition.json"].decode() == definition()
    decisions = json.loads(content["approvals.json"])["decisions"]
    assert [(d["after"], d["at"]) for d in decisions] == [("Approved", "2026-01-01T00:31:00Z")]
    text = " ".join(content["index.txt"].decode().split())
    assert f"account {ACCOUNT}, {REGION}" in text
    assert f"{group(service.settings)} version 3" in text
    assert "auc 0.9000" in text
    (tmp_path / "pack.zip").write_bytes(done.content)
    assert verify.check(tmp_path / "pack.zip")[0] == []


def test_evidence_that_is_not_as_the_account_noted_it_is_shouted(service: Service) -> None:
    done = made(service)
    assert EVALUATED in done.changed
    text = " ".join(members(done)["index.txt"].decode().split())
    assert f"{EVALUATED} was changed after its step had ended" in text


def test_no_planted_name_and_nobody_of_the_account_is_in_it(service: Service) -> None:
    content = members(made(service))
    for text in (*PLANTED, "assumed-role/Ops"):
        assert names(content, text) == [], text


def names(content: dict[str, bytes], text: str) -> list[str]:
    """The members of a pack that have a text, however it is spelt."""
    return [
        name for name, raw in content.items()
        if any(spelt.lower() in raw.lower() for spelt in spellings(text))
    ]  # fmt: skip


BEFORE = "aaaaaaaaaaaa"
"""The execution of version 2, by an id as the service makes them."""

LOCK = b"numpy==2.1.0\n"


def lineage(service: Service) -> None:
    """What SageMaker has recorded: a model, version 3 by it, its approval, and a rollout."""
    name = package(service.settings)["ModelPackageArn"]
    ours, model, approval, rollout, others = (
        f"{ARN}:{kind}/{number}" for number, kind in
        enumerate(("artifact", "artifact", "action", "action", "action"), start=1)
    )  # fmt: skip

    def around(direction: str, vertices: dict[str, str], edges: list[tuple[str, str]]) -> None:
        asked = {"StartArns": [ours], "Direction": direction, "IncludeEdges": True, "MaxDepth": 10,
                 "MaxResults": 50}  # fmt: skip
        service.answer(
            "query_lineage", asked,
            Vertices=[{"Arn": arn, "LineageType": kind} for arn, kind in vertices.items()],
            Edges=[{"SourceArn": source, "DestinationArn": destination,
                    "AssociationType": "ContributedTo"} for source, destination in edges],
        )  # fmt: skip

    service.answer("list_artifacts", {"SourceUri": name},
                   ArtifactSummaries=[{"ArtifactArn": ours}])  # fmt: skip
    around("Ascendants", {model: "Artifact"}, [(model, ours)])
    around(
        "Descendants", {rollout: "Action", approval: "Action", others: "Action"},
        [(ours, rollout), (ours, approval), (rollout, others)],
    )  # fmt: skip
    service.answer("list_artifacts", {"SourceUri": EVALUATED.rpartition("/")[0]},
                   ArtifactSummaries=[])  # fmt: skip
    for arn, uri in ((ours, name), (model, "s3://bucket/m")):
        service.answer("describe_artifact", {"ArtifactArn": arn}, ArtifactArn=arn,
                       ArtifactType="Model", Source={"SourceUri": uri})  # fmt: skip
    for arn, kind in ((rollout, "ModelDeployment"), (approval, "Approval"), (others, "Approval")):
        by = {"IamIdentity": {"Arn": f"arn:aws:sts::1:assumed-role/Ops/by-{kind}"}}
        service.answer("describe_action", {"ActionName": arn}, ActionArn=arn, ActionType=kind,
                       ActionName=arn.rpartition("/")[2], CreatedBy=by)  # fmt: skip


def before(service: Service) -> None:
    """Version 2 serves: it and its execution are asked for."""
    serves(service, 2)
    listed(service, 2, 3)
    name = f"{ARN}:model-package/{group(service.settings)}/2"
    more = {"ModelPackageName": name, "ModelPackageArn": name, "ModelPackageVersion": 2,
            "ModelMetrics": {}, "CustomerMetadataProperties": {"execution": BEFORE}}  # fmt: skip
    described(service, **more)
    service.execution(name=BEFORE)
    registered = began("Register", RegisterModel={"Arn": name})
    service.steps(of_job("Process"), of_job("Evaluate"), registered, name=BEFORE)
    for step in ("Process", "Evaluate"):
        service.answer("describe_processing_job", {"ProcessingJobName": f"job-{step}"},
                       **processing(step, f"s3://bucket/pets/executions/{BEFORE}"))  # fmt: skip
    described(service, **more)
    service.answer(
        "list_pipeline_parameters_for_execution",
        {"PipelineExecutionArn": execution_arn(service.settings, BEFORE)},
        PipelineParameters=[{"Name": "AsOf", "Value": "2025-12-01T00:00:00Z"}],
    )


def with_another(service: Service) -> Pack:
    """The pack of version 3 where version 2 serves, the lock was kept and a chain's head too."""
    copied = [uri for uri in files(**planted()).content if "/Evaluate/" in uri]
    for uri in copied:
        key = uri.removeprefix("s3://bucket/")
        service.s3.copy_object(
            Bucket="bucket", Key=key.replace("executions/one", f"executions/{BEFORE}"),
            CopySource={"Bucket": "bucket", "Key": key},
        )  # fmt: skip
    digest = hashlib.sha256(LOCK).hexdigest()
    put(service, bundle.lock_uri(bundle.root_uri(service.settings, PROD), digest), LOCK)
    content = json.loads(EVIDENCE)
    content["origin"]["lock_sha256"] = digest
    evidence = json.dumps(content).encode()
    put(service, RECORDED, evidence)
    pipeline = service.settings.project.pipeline
    put(service, f"s3://bucket/{pipeline}/chain/{'ab' * 8}/{7:08d}-{'cd' * 32}.json", b"{}")
    whole(service, evidence_uri=RECORDED, evidence_sha256=hashlib.sha256(evidence).hexdigest())
    lineage(service)
    before(service)
    done = pack.make(subject.in_account(service.settings, "prod", 3))
    service.stub.assert_no_pending_responses()
    return done


def put(service: Service, uri: str, content: bytes) -> None:
    key = uri.removeprefix("s3://bucket/")
    service.s3.put_object(Bucket="bucket", Key=key, Body=content)


def test_lineage_comparison_lock_and_kept_heads_are_in_it(
    service: Service, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with recorded_calls(monkeypatch) as calls:
        done = with_another(service)
    content = members(done)
    assert content["requirements.lock"] == LOCK
    graph = json.loads(content["lineage.json"])
    by = {one["name"]: one["properties"].get("by") for one in graph["entities"]}
    assert by["3"].endswith("by-Approval")  # who decided on this version is named
    assert by["4"] is None and "5" not in by  # ... who rolled it out is not; 5 is of another
    assert "3" in by and content["lineage.mmd"].startswith(b"flowchart LR")
    compared = json.loads(content["comparison.json"])
    assert (compared["first"]["name"], compared["second"]["name"]) == ("version 2", "version 3")
    assert compared["first"]["serves"] is True
    assert [row["name"] for row in compared["metrics"]["rows"]]
    (chain,) = json.loads(content["chain_heads.json"])["chains"]
    assert chain == {"first_entry": "ab" * 8, "heads": [f"7:{'cd' * 32}"]}
    for text in (*PLANTED, "assumed-role/Ops/by-ModelDeployment"):
        assert names(content, text) == [], text
    (tmp_path / "pack.zip").write_bytes(done.content)
    assert verify.check(tmp_path / "pack.zip")[0] == []
    of_the_test = {"s3:PutObject", "s3:CopyObject"}
    not_here = {
        "sts:GetCallerIdentity",  # by `account.session`, which is another's here
        "s3:ListObjectsV2",  # of code: these steps have none
        "sagemaker:DescribeContext", "sagemaker:DescribeTrialComponent",
    }  # fmt: skip
    assert (calls - of_the_test) | not_here == permissions.CALLS["audit pack"].keys()


def test_of_what_may_not_be_asked_the_pack_says_so_and_is_made(service: Service) -> None:
    whole(service)
    for call in ("list_artifacts", "describe_endpoint"):
        service.stub.add_client_error(call, "AccessDeniedException", "not you")
    done = pack.make(subject.in_account(service.settings, "prod", 3))
    for name, call in (("lineage.json", "ListArtifacts"), ("lineage.mmd", "ListArtifacts"),
                       ("comparison.json", "DescribeEndpoint")):  # fmt: skip
        assert done.absent[name].startswith(f"AWS refused {call}"), name


def test_a_version_of_no_execution_has_no_pack(service: Service) -> None:
    listed(service, 3)
    described(service, CustomerMetadataProperties={})
    with pytest.raises(RegistryError, match="nothing of the run that registered it is left"):
        subject.in_account(service.settings, "prod", 3)


def test_a_version_that_there_is_not(service: Service) -> None:
    listed(service, 2, 3)
    with pytest.raises(RegistryError, match="has no version 7: it has 2 to 3"):
        subject.in_account(service.settings, "prod", 7)


def test_files_that_were_removed_leave_no_pack(service: Service) -> None:
    for uri in files().content:
        service.s3.delete_object(Bucket="bucket", Key=uri.removeprefix("s3://bucket/"))
    whole(service)
    with pytest.raises(RegistryError, match="nothing of run one is left to make a pack of"):
        subject.in_account(service.settings, "prod", 3)


def test_what_aws_refuses_is_one_sentence(service: Service) -> None:
    service.stub.add_client_error("list_model_packages", "AccessDeniedException", "not you")
    with pytest.raises(AccountError, match="AWS refused ListModelPackages"), account.one_sentence():
        subject.in_account(service.settings, "prod", 3)


def test_the_query_is_read_where_the_step_says(service: Service) -> None:
    """In what the step was asked; the stub's step 1 was asked for none, so it is given one."""
    whole(service)
    found = subject.in_account(service.settings, "prod", 3)
    service.s3.put_object(Bucket="bucket", Key="pets/code/abc/features.sql", Body=b"SELECT 1")
    inputs = [{"InputName": "query", "S3Input": {"S3Uri": "s3://bucket/pets/code/abc"}}]
    steps = tuple(
        dataclasses.replace(step, answer={**step.answer, "ProcessingInputs": inputs})
        if step.name == "Process" else step
        for step in found.facts.steps
    )  # fmt: skip
    facts = dataclasses.replace(found.facts, steps=steps)
    assert members(pack.make(dataclasses.replace(found, facts=facts)))["query.sql"] == b"SELECT 1"
