"""What the state machines' jobs record, and what they refuse: run in an account of moto's."""

from __future__ import annotations

import dataclasses
import gzip
import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.stub import Stubber
from moto import mock_aws
from moto.core import DEFAULT_ACCOUNT_ID
from moto.s3.models import s3_backends

import container
import container_variables
import golden_requests
import known_answers
import record_evidence
import verify_evidence
from aws import client
from ninesteps.definition import published
from ninesteps.infrastructure.job_code import SCRIPTS, code_objects, job_code
from ninesteps.registry.account import recorded_origin
from ninesteps.settings import loading as pipeline_settings
from ninesteps.settings.environment import Environment
from ninesteps.step_code import bundle
from reports import CAME_FROM

REPOSITORY = Path(__file__).resolve().parents[2]
PROD = Environment("111122223333", "us-east-1", bucket="models", name="prod")
BUCKET, ROOT = "models", "s3://models/pets/executions/1"
GATE = "auc > 0.75 and worst_dppl < 0.1"
STAMPS = {"profile": "churn", "profile_sha256": "ab" * 32, "library": "1.4.0+g0a"}
INFERENCE = b"""CSV = "text/csv"
def model_fn(folder): return 0
def input_fn(body, kind): return [line.split(",") for line in body.decode().split()]
def predict_fn(rows, model): return rows
def output_fn(rows, kind): return "".join(f"1,{float(r[0]) / 10}\\n" for r in rows), kind
"""
DEFINITION = json.dumps({
    "Version": "2020-12-01", "Steps": [],
    "Parameters": [{"Name": "AsOf", "Type": "String"},
                   {"Name": "Threshold", "Type": "Float", "DefaultValue": 0.5}],
})  # fmt: skip
PUBLISHED = {name: value for name, value in CAME_FROM.items() if name != "table"}
ANSWERS = [f"1,{number / 10}" for number in range(100)]


def analysis(dppl: float) -> dict[str, Any]:
    metrics = [{"name": "CDDPL", "value": 0.9}, {"name": "DI", "value": 0.95},
               {"name": "DPPL", "value": dppl}]  # fmt: skip
    groups = [{"value_or_threshold": "f", "metrics": metrics}]
    return {"post_training_bias_metrics": {"facets": {"facet_gender": groups}}}


def evaluation(auc: float = 0.9, dppl: float = 0.05) -> dict[str, Any]:
    return {
        "binary_classification_metrics": {"auc": {"value": auc}},
        "bias_metrics": {
            "worst_dppl": {"value": dppl}, "worst_di": {"value": 0.95},
            "dppl": {"gender": {"value": dppl}}, "di": {"gender": {"value": 0.95}},
            "groups": {"gender": [
                {"value": "f", "rows": 400, "counted": True},
                {"value": "x", "rows": 3, "counted": False},
            ]},
        },
        "rows": 1000,
    }  # fmt: skip


@pytest.fixture
def package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[str]:
    """A registered version with its files; gives its ARN."""
    monkeypatch.setattr(container, "BASE", tmp_path)
    with mock_aws():
        s3 = client("s3")
        s3.create_bucket(
            Bucket=BUCKET,
            CreateBucketConfiguration={"LocationConstraint": container_variables.REGION},
        )
        s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
        put("evaluation.json", evaluation())
        put("analysis.json", analysis(-0.05))
        put("analysis_config.json", {})
        put("model.tar.gz", archive())
        put("test.csv", "".join(f'{n},t,1,"a,b",{n},2\n' for n in range(100)).encode())
        put("columns.json", {"features": ["one", "two"]})
        put("test.csv.out", lines(f"{n},{answer}" for n, answer in enumerate(ANSWERS)))
        put("answers.csv", lines(ANSWERS))
        sagemaker = client("sagemaker")
        sagemaker.create_model_package_group(ModelPackageGroupName="pets")
        sagemaker.create_pipeline(
            PipelineName="pets", PipelineDefinition=DEFINITION,
            RoleArn="arn:aws:iam::123456789012:role/pets-pipeline",
        )  # fmt: skip
        publish(PUBLISHED)
        yield registered(started())


def publish(origin: dict[str, Any], definition: str = DEFINITION) -> str:
    """What `pipeline publish` records; gives its URI."""
    content = json.dumps({"at": "2026-01-01T00:00:00Z", **origin}).encode()
    key = published.origins("pets", definition) + published.name("2026-01-01T00:00:00Z", content)
    client("s3").put_object(Bucket=BUCKET, Key=key, Body=content)
    return f"s3://{BUCKET}/{key}"


def started(as_of: str = "2026-01-31T00:00:00Z") -> str:
    """An execution; gives its id."""
    arn = client("sagemaker").start_pipeline_execution(
        PipelineName="pets", PipelineParameters=[{"Name": "AsOf", "Value": as_of}]
    )["PipelineExecutionArn"]
    return str(arn.rpartition("/")[2])


def registered(execution: str) -> str:
    """A version; gives its ARN."""
    source = {"ContentType": "application/json"}
    return str(client("sagemaker").create_model_package(
            ModelPackageGroupName="pets",
            InferenceSpecification={
                "Containers": [{"Image": "image", "ModelDataUrl": f"{ROOT}/model.tar.gz"}],
                "SupportedContentTypes": ["text/csv"],
                "SupportedResponseMIMETypes": ["text/csv"],
            },
            ModelMetrics={
                "ModelQuality": {"Statistics": {**source, "S3Uri": f"{ROOT}/evaluation.json"}},
                "Bias": {"Report": {**source, "S3Uri": f"{ROOT}/analysis.json"}},
            },
            CustomerMetadataProperties={
                "analysis_config": f"{ROOT}/analysis_config.json", "test_split": ROOT,
                "predictions": ROOT, "execution": execution, **STAMPS,
            },
        )["ModelPackageArn"])  # fmt: skip


def lines(texts: Iterable[str]) -> bytes:
    return "".join(f"{text}\n" for text in texts).encode()


def archive(script: bytes = INFERENCE) -> bytes:
    packed = io.BytesIO()
    # The same bytes at any time: gzip notes when.
    with (
        gzip.GzipFile(fileobj=packed, mode="wb", mtime=0) as zipped,
        tarfile.open(fileobj=zipped, mode="w") as tar,
    ):
        member = tarfile.TarInfo("code/inference.py")
        member.size = len(script)
        tar.addfile(member, io.BytesIO(script))
    return packed.getvalue()


def put(file: str, content: object) -> None:
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    client("s3").put_object(Bucket=BUCKET, Key=f"pets/executions/1/{file}", Body=body)


def put_at(key: str, content: object) -> None:
    client("s3").put_object(
        Bucket=BUCKET, Key=f"pets/executions/{key}", Body=json.dumps(content).encode()
    )


def result(file: str) -> Any:
    return json.loads((container.BASE / "processing/output/result" / file).read_text())


def run_record(package: str) -> None:
    record_evidence.main(["--package", package, "--place", ROOT, "--name", "pets",
                          "--folder", "pets"])  # fmt: skip


def record(package: str) -> None:
    """What the state machine does: the job, and what it recorded into the metadata."""
    run_record(package)
    noted = result("recorded.json")["metadata"]
    for name in ("golden", "evidence"):
        file = f"{name}.json"
        put(file, (container.BASE / "processing/output/result" / file).read_bytes())
        newest = client("s3").head_object(Bucket=BUCKET, Key=f"pets/executions/1/{file}")
        noted[f"{name}_version_id"] = newest["VersionId"]
    note(package, noted)


def note(package: str, noted: dict[str, str]) -> None:
    sagemaker = client("sagemaker")
    kept = sagemaker.describe_model_package(ModelPackageName=package)["CustomerMetadataProperties"]
    metadata = {key: value for key, value in {**kept, **noted}.items() if value}
    sagemaker.update_model_package(ModelPackageArn=package, ModelApprovalStatus="Approved",
                                   CustomerMetadataProperties=metadata)  # fmt: skip


def verdict(
    package: str,
    gate: str = GATE,
    least: int = 100,
    least_library: str = "1.4.0",
    two: str = "false",
) -> dict[str, Any]:
    verify_evidence.main([
        "--package", package, "--gate", gate, "--problem", "binary", "--facets", "gender=gender",
        "--min-group-size", str(least), "--profile", "churn", "--profile-sha256", "ab" * 32,
        "--least-library", least_library, "--pipeline", "pets", "--require-second-approver", two,
    ])  # fmt: skip
    return dict(result("verdict.json"))


def test_evidence_as_it_was_recorded_passes(package: str) -> None:
    record(package)
    assert verdict(package)["passed"]


ROLE = "arn:aws:sts::111122223333:assumed-role"
ANN, BOB = f"{ROLE}/Scientist/ann@example.com", f"{ROLE}/pets-approver/bob@example.com"
RULE = "[approval] require_second_approver asks for two people"


@pytest.mark.parametrize(
    ("started_by", "approved_by", "modified_by", "refusal"),
    [
        (ANN, BOB, BOB, ""),
        (ANN, "", BOB, ""),  # in Studio
        (ANN, BOB, f"{ROLE}/pets-rollout/1", ""),  # tried again: a machine noted what failed
        (ANN, f"{ROLE}/pets-approver/Ann+x@Example.com", BOB,
         f"{ROLE}/pets-approver/Ann+x@Example.com approved the version of a run that {ANN} had "
         f"started, and {RULE}"),
        (ANN, BOB, f"{ROLE}/pets-approver/ANN@example.com",  # by hand, after Bob's
         f"{ROLE}/pets-approver/ANN@example.com approved the version of a run that {ANN} had "
         f"started, and {RULE}"),
        ("", BOB, BOB,
         f"who started the run and who approved its version is not known, and {RULE}"),
        (ANN, "", f"{ROLE}/pets-approved/1",
         f"who started the run and who approved its version is not known, and {RULE}"),
    ],
)  # fmt: skip
def test_who_ran_it_and_who_approved_it_are_asked_again_before_a_rollout(
    package: str, monkeypatch: pytest.MonkeyPatch, started_by: str, approved_by: str,
    modified_by: str, refusal: str,
) -> None:  # fmt: skip
    record(package)
    note(package, {"execution": "abc", "approved_by": approved_by})
    asked, sagemaker = [], client("sagemaker")
    describe = sagemaker.describe_model_package

    def execution(PipelineExecutionArn: str) -> dict[str, Any]:
        asked.append(PipelineExecutionArn)
        return {"CreatedBy": {"IamIdentity": {"Arn": started_by}}}

    monkeypatch.setattr(sagemaker, "describe_pipeline_execution", execution)
    last = {"LastModifiedBy": {"IamIdentity": {"Arn": modified_by}}}
    monkeypatch.setattr(
        sagemaker, "describe_model_package", lambda **names: describe(**names) | last
    )
    assert verdict(package)["passed"] and not asked
    said = verdict(package, two="true")
    arn = f"arn:aws:sagemaker:{container_variables.REGION}:123456789012:pipeline/pets/execution/abc"
    assert asked == [arn]
    assert (said["passed"], said["reason"] if refusal else "") == (not refusal, refusal)


CHAMPION = "auc >= champion.auc - 0.005"


def another_version(sha256: str) -> str:
    """A version that was registered with an archive of this digest; gives its ARN."""
    return str(client("sagemaker").create_model_package(
        ModelPackageGroupName="pets", CustomerMetadataProperties={"model_sha256": sha256}
    )["ModelPackageArn"])  # fmt: skip


def serve(package: str) -> None:
    """The pipeline's endpoint serves the model of a version; without one, a model that is none."""
    sagemaker = client("sagemaker")
    name = f"pets-{len(sagemaker.list_models()['Models'])}"
    sagemaker.create_model(
        ModelName=name, ExecutionRoleArn="arn:aws:iam::123456789012:role/pets-endpoint",
        PrimaryContainer={"ModelPackageName": package} if package else {"Image": "image"},
    )  # fmt: skip
    variant = {"VariantName": "main", "ModelName": name, "InstanceType": "ml.m5.large",
               "InitialInstanceCount": 1}  # fmt: skip
    sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant])
    if sagemaker.list_endpoints()["Endpoints"]:
        sagemaker.delete_endpoint(EndpointName="pets")
    sagemaker.create_endpoint(EndpointName="pets", EndpointConfigName=name)


def compared(outcome: str, sha256: str, difference: float = 0.0) -> None:
    """The evaluation of the first version, which was compared with an archive."""
    section = {"outcome": outcome, "sha256": sha256, "auc_difference": {"value": difference}}
    put("evaluation.json", {**evaluation(), "champion": section})


def test_what_a_version_was_compared_with_is_an_archive_that_was_registered(package: str) -> None:
    compared("scored", "ab" * 32)
    record(package)
    refused = verdict(package, gate=CHAMPION)
    assert refused["reason"] == (
        "version 1 was compared with an archive of sha256 abababababab, which no registered "
        "version has: run the pipeline again"
    )
    another_version("cd" * 32)
    assert not verdict(package, gate=CHAMPION)["passed"]
    another_version("ab" * 32)
    assert verdict(package, gate=CHAMPION)["passed"]
    assert not verdict(package, gate="auc >= champion.auc + 0.005")["passed"]


def test_a_version_that_was_compared_with_none_goes_before_none_that_serves(package: str) -> None:
    compared("none serves", "00" * 32)
    record(package)
    assert verdict(package, gate=CHAMPION)["passed"]
    serve(another_version("cd" * 32))
    assert verdict(package, gate=CHAMPION)["reason"] == (
        "version 1 was not compared with a champion, but version 2 serves now: run the pipeline "
        "again"
    )


def test_the_version_that_serves_may_be_rolled_out_again(package: str) -> None:
    compared("none serves", "00" * 32)
    record(package)
    serve(package)
    assert verdict(package, gate=CHAMPION)["passed"]


def test_golden_requests_are_rows_of_the_test_split_with_the_transforms_answers(
    package: str,
) -> None:
    record(package)
    golden = result("golden.json")
    assert len(golden) == record_evidence.GOLDEN
    assert golden[1] == {"request": "5,2", "answer": "1,0.5", "content_types": "text/csv"}


def test_what_a_model_reads_is_noted_of_its_golden_requests(package: str) -> None:
    put("model.tar.gz", archive(INFERENCE + b'CONTENT_TYPES = (CSV, "application/json")\n'))
    record(package)
    assert result("golden.json")[0]["content_types"] == "text/csv,application/json"


OTHERWISE = [number / 10 + (number == 50) / 1000 for number in range(100)]


@pytest.mark.parametrize(
    ("file", "content", "reason"),
    [
        ("answers.csv", lines(f"1,{one}" for one in OTHERWISE), "the evaluation: 1 of 100 answers"),
        ("answers.csv", lines(ANSWERS[:-1]), "the evaluation: 1 of 100 answers differ"),
        ("answers.csv", lines("0" + answer[1:] for answer in ANSWERS), "the evaluation: 100 of"),
        ("answers.csv", b"", "the evaluation: 100 of 100 answers differ"),
        ("test.csv.out", lines(f"{n},1,nan" for n in range(100)), "the evaluation: 100 of 100"),
        ("test.csv.out", lines(f"{n},1,x" for n in range(100)), "the transform: expected numbers"),
        ("test.csv", b"", "the transform: expected 0 predictions, got 100"),
        ("model.tar.gz", archive(INFERENCE.replace(b"/ 10", b"/ 9")), "the archive: 19 of 20"),
        (
            "model.tar.gz",
            archive(INFERENCE.replace(b"/ 10", b"/ (10 if len(rows) > 1 else 9)")),
            "the archive: 1 of 1 answers differ from what the model predicted when it was "
            "registered, sent alone, as text/csv",
        ),
        (
            "model.tar.gz",
            archive(INFERENCE.replace(b"/ 10", b"/ (10 if len(rows) != 2 else 9)")),
            "sent 2 at once, as text/csv",
        ),
    ],
)  # fmt: skip
def test_no_evidence_is_recorded_of_what_is_not_served_as_it_was_judged(
    package: str, file: str, content: bytes, reason: str
) -> None:
    put(file, content)
    with pytest.raises(ValueError, match=re.escape(reason)):
        run_record(package)


def test_without_rows_there_are_no_golden_requests_and_no_evidence(package: str) -> None:
    for file in ("test.csv", "test.csv.out", "answers.csv"):
        put(file, b"")
    with pytest.raises(ValueError, match="expected rows for golden requests, got none"):
        run_record(package)


@pytest.mark.parametrize("is_the_models", [True, False])
def test_metrics_of_another_archive_are_refused(package: str, is_the_models: bool) -> None:
    sha256 = hashlib.sha256(archive()).hexdigest() if is_the_models else "ab" * 32
    put("evaluation.json", {**evaluation(), "model_sha256": sha256})
    record(package)
    assert verdict(package)["passed"] == is_the_models
    assert is_the_models or verdict(package)["reason"].startswith(
        "evaluation.json: expected metrics of the model with sha256 "
    )


# Where a version came from


def later(uri: str, seconds: int = 5) -> str:
    """As if an object had been put at another moment; gives its URI."""
    bucket = s3_backends[DEFAULT_ACCOUNT_ID]["aws"].buckets[BUCKET]
    key = bucket.keys[uri.removeprefix(f"s3://{BUCKET}/")]
    key.last_modified += timedelta(seconds=seconds)
    return uri


def ingest(**table: Any) -> str:
    """What `pipeline ingest --env` records."""
    found = {"found": table.pop("found")} if "found" in table else {}
    content = {"at": "2026-01-01T00:00:00Z", **PUBLISHED, "table": {**CAME_FROM["table"], **table},
               **found}  # fmt: skip
    body = json.dumps(content).encode()
    key = published.ingests("pets") + published.name(f"2026-01-{len(table):02}T00:00:00Z", body)
    client("s3").put_object(Bucket=BUCKET, Key=key, Body=body)
    return f"s3://{BUCKET}/{key}"


def test_one_file_has_all_of_the_evidence_and_where_the_version_came_from(package: str) -> None:
    ingest(path="old.csv")
    ingest(path="later.csv", first="2026-02-01T00:00:00.000Z")
    package = registered(execution := started())
    later(ingest(path="after.csv", bytes=1, rows=1))  # the execution cannot have read it
    record(package)
    evidence = result("evidence.json")
    assert evidence["package"] == package
    assert evidence["execution"]["id"] == execution
    assert evidence["execution"]["parameters"] == {
        "AsOf": "2026-01-31T00:00:00Z", "Threshold": "0.5"
    }  # fmt: skip
    files = evidence["files"]
    assert files.keys() == {"evaluation", "analysis", "analysis_config", "model"}
    metadata = described(package)
    for name, file in files.items():
        assert file["version_id"] == metadata[f"{name}_version_id"]
        assert file["sha256"] == metadata[f"{name}_sha256"]
    assert files["model"]["uri"] == f"{ROOT}/model.tar.gz"
    assert evidence["golden"]["sha256"] == metadata["golden_sha256"]
    origin = evidence["origin"]
    assert PUBLISHED.items() <= origin.items()
    recorded = record_evidence.read(origin["uri"], origin["version_id"])
    assert recorded.sha256 == origin["sha256"]
    assert [one["table"]["path"] for one in evidence["ingests"]] == ["old.csv"]
    assert (evidence["older_ingests"], evidence["same_model_as"]) == (0, None)
    assert metadata["evidence_uri"] == f"{ROOT}/evidence.json"
    assert (evidence["warnings"], metadata["warnings"]) == ([], "0")
    assert "warnings_text" not in metadata
    noted = record_evidence.read(metadata["evidence_uri"], metadata["evidence_version_id"])
    assert json.loads(noted.content) == evidence
    assert noted.sha256 == metadata["evidence_sha256"]
    shown = recorded_origin(metadata, lambda uri: record_evidence.read(uri).content)
    assert shown["repository"] == PUBLISHED["repository"] and shown["ingests"]
    assert result("recorded.json")["notice"] == (
        f" Its code is not committed: 1 file differs from commit {'0a' * 6}."
    )


def test_the_warnings_of_a_version_are_recorded_with_it(package: str) -> None:
    """Of the splits, of the tables, and of the drift since the newest approved version."""
    columns = {"age": {"missing": 0, "values": [[n, 10] for n in range(10)]}}
    profile = {"rows": 100, "features": columns, "context": {},
               "label": {"missing": 0, "values": [[0, 50], [1, 50]]}}  # fmt: skip
    put_at("train/profile.json", profile)
    put("findings.json", {"suspicious_features": {"fate": 0.999}})
    earlier = f"{ROOT.removesuffix('1')}0/Process"
    moved = {**profile, "features": {"age": {"missing": 0, "values": [[9, 100]]}}}
    put_at("0/Process/train/profile.json", moved)
    note(package, {"test_split": f"{earlier}/test"})  # which approves it, too
    publish({**PUBLISHED, "at": "later", "protected": {"sex": "agreed by the board"}})
    found = {"read": 100, "left_out": {"no id": 20}, "protected": {"sex": "gender"}}
    ingest(path="old.csv", found=found)
    ingest(path="new.csv", found={"read": 100, "left_out": {"no id": 10, "no label": 1}})
    ingest(path="of an earlier library.csv", bytes=1)
    second = registered(started())
    record(second)
    told = result("evidence.json")["warnings"]
    assert [text[:33] for text in told] == [
        "'fate' alone ranks the label almo", "features are made of 'sex' (sex o",
        "31 of 200 rows (16%) are left out", "the training data moved much sinc",
    ]  # fmt: skip
    assert told[1].endswith("on purpose: agreed by the board ([model.protected])")
    assert "since version 1 (the newest approved version before it): age (PSI " in told[3]
    metadata = described(second)
    assert metadata["warnings"] == "4"
    assert metadata["warnings_text"].startswith("fate alone ranks the label almost perfectly 0.999")
    assert metadata["warnings_text"].endswith(" / and 2 more")
    assert f" Before you trust its metrics: {told[0]}; " in result("recorded.json")["notice"]


def test_drift_is_recorded_since_the_version_that_serves_unless_that_is_this_one(
    package: str,
) -> None:
    values = [[n, 10] for n in range(10)]
    profile = {"rows": 100, "features": {"age": {"missing": 0, "values": values}}, "context": {},
               "label": {"missing": 0, "values": [[0, 50], [1, 50]]}}  # fmt: skip
    moved = {**profile, "features": {"age": {"missing": 0, "values": [[9, 100]]}}}
    put("findings.json", b"cut o")
    put_at("train/profile.json", profile)
    for run, content in (("0", profile), ("9", moved)):
        put_at(f"{run}/Process/train/profile.json", content)
    splits = {run: f"{ROOT.removesuffix('1')}{run}/Process/test" for run in ("0", "9")}
    note(package, {"test_split": splits["9"]})
    second, third = registered(started()), registered(started())
    note(second, {"test_split": splits["9"]})
    later_version = registered(started())
    note(later_version, {"test_split": splits["0"]})  # approved, and not before the third

    def since() -> list[str]:
        run_record(third)
        told = result("evidence.json")["warnings"]
        return [text.partition(" since ")[2].partition(":")[0] for text in told]

    approved = ["version 2 (the newest approved version before it)"]
    assert since() == approved
    serve(package)
    assert since() == ["version 1 (the version that serves)"]
    serve(third)
    assert since() == approved
    serve("")  # a model of no version
    assert since() == approved
    serve(f"{package.rpartition('/')[0]}/99")
    assert since() == []  # it was deleted, and still serves


def described(package: str) -> dict[str, str]:
    found = client("sagemaker").describe_model_package(ModelPackageName=package)
    return dict(found["CustomerMetadataProperties"])


def test_a_version_came_from_what_was_published_last_before_its_execution_began(
    package: str,
) -> None:
    committed = {**PUBLISHED["repository"], "commit": "ff" * 20, "is_dirty": False}
    uri = later(publish({**PUBLISHED, "repository": committed}), -5)
    for earlier in client("s3").list_objects_v2(Bucket=BUCKET, Prefix="pets/code/")["Contents"]:
        if not uri.endswith(earlier["Key"]):
            later(f"s3://{BUCKET}/{earlier['Key']}", -10)
    package = registered(started())
    later(publish(PUBLISHED | {"library": "9.9.9"}))
    publish(PUBLISHED, DEFINITION.replace("0.5", "0.6"))
    run_record(package)
    origin = result("evidence.json")["origin"]
    assert (origin["uri"], origin["repository"]) == (uri, committed)
    assert result("recorded.json")["notice"] == ""


def test_a_definition_that_was_published_without_a_record_says_so(package: str) -> None:
    for found in client("s3").list_objects_v2(Bucket=BUCKET, Prefix="pets/code/")["Contents"]:
        client("s3").delete_object(Bucket=BUCKET, Key=found["Key"])
    run_record(package)
    assert result("evidence.json")["origin"] == {
        "unknown": "the definition was published without a record of where it came from"
    }
    assert result("recorded.json")["notice"] == ""


def test_the_newest_ingests_are_listed_and_the_others_counted(
    package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(4):
        ingest(**{"path": f"{number}.csv", **{f"x{n}": n for n in range(number)}})
    monkeypatch.setattr(record_evidence.provenance, "MOST_INGESTS", 3)
    run_record(registered(started()))
    evidence = result("evidence.json")
    assert [one["table"]["path"] for one in evidence["ingests"]] == ["1.csv", "2.csv", "3.csv"]
    assert evidence["older_ingests"] == 1


def test_the_first_version_of_the_same_bytes_is_named(package: str) -> None:
    record(package)
    second, third = registered(started()), registered(started())
    record(second)
    assert described(second)["same_model_as"] == "1"
    assert " Its model.tar.gz has the same bytes as version 1." in result("recorded.json")["notice"]
    put("model.tar.gz", archive(INFERENCE + b"# other\n"))
    record(third)
    assert "same_model_as" not in described(third)
    assert result("evidence.json")["same_model_as"] is None


def test_an_evidence_file_that_is_altered_or_of_other_files_refuses_the_version(
    package: str,
) -> None:
    record(package)
    evidence = result("evidence.json")
    put("evidence.json", {**evidence, "origin": {}})
    assert "evidence was written over since it was recorded" in verdict(package)["reason"]
    record(package)
    note(package, {"evidence_sha256": "0" * 64})
    assert "evidence: expected the recorded sha256 " in verdict(package)["reason"]
    record(package)
    client("s3").delete_object(Bucket=BUCKET, Key="pets/executions/1/evidence.json")
    assert "is not there" in verdict(package)["reason"]
    record(package)
    assert verdict(package)["passed"]
    other = registered(started())
    put("model.tar.gz", archive(INFERENCE + b"# other\n"))
    record(other)  # its files; then the first one's evidence file is named in their place
    put("evidence.json", evidence)
    newest = client("s3").head_object(Bucket=BUCKET, Key="pets/executions/1/evidence.json")
    body = json.dumps(evidence).encode()
    note(other, {"evidence_version_id": newest["VersionId"],
                 "evidence_sha256": hashlib.sha256(body).hexdigest()})  # fmt: skip
    said = verdict(other)
    assert not said["passed"] and " as evidence.json has it, got " in said["reason"]


def test_a_version_whose_evidence_an_earlier_library_recorded_is_judged_by_its_files(
    package: str,
) -> None:
    record(package)
    note(package, dict.fromkeys(("evidence_uri", "evidence_sha256", "evidence_version_id"), ""))
    assert "evidence_uri" not in described(package)
    assert verdict(package)["passed"]


def test_evidence_that_was_not_recorded_is_refused(package: str) -> None:
    assert "expected evaluation_version_id" in verdict(package)["reason"]
    assert not verdict(package)["passed"]


@pytest.mark.parametrize(
    "file", ["evaluation.json", "analysis.json", "analysis_config.json", "model.tar.gz"]
)
def test_a_file_that_was_written_over_is_refused(package: str, file: str) -> None:
    record(package)
    put(file, {"any": "thing"})
    assert not verdict(package)["passed"] and "written over" in verdict(package)["reason"]


@pytest.mark.parametrize("key", ["analysis_sha256", "model_sha256"])
def test_another_digest_than_the_recorded_one_is_refused(package: str, key: str) -> None:
    record(package)
    note(package, {key: "0" * 64})
    assert (
        not verdict(package)["passed"]
        and "expected the recorded sha256" in verdict(package)["reason"]
    )


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        ("profile", "custom", "expected the profile 'churn', got 'custom'"),
        ("profile_sha256", "cd" * 32, "expected the profile 'churn' with sha256 abababababab, got"),
        ("library", "1.3.9+g0a", "expected library 1.4.0 or newer, got 1.3.9+g0a"),
        ("library", "", "expected library in its metadata, got none: it was registered before"),
    ],
)
def test_a_version_that_was_made_under_other_floors_is_refused(
    package: str, key: str, value: str, reason: str
) -> None:
    record(package)
    note(package, {key: value})
    found = verdict(package)
    assert not found["passed"] and found["reason"].startswith(reason)
    assert "\n" not in found["reason"]


def test_the_stack_fixes_the_least_library(package: str) -> None:
    record(package)
    assert verdict(package)["passed"]
    assert not verdict(package, least_library="1.4.1")["passed"]


@pytest.mark.parametrize(
    ("gate", "passes"),
    [
        ("auc > 0.95", False),  # the gate is stricter now
        ("auc > 0.95 or dppl[gender] < 0.06", True),
        ("worst_dppl < 0.04", False),
        ("recall > 0.5", False),  # a metric that is not there
    ],
)
def test_the_gate_in_force_decides(package: str, gate: str, passes: bool) -> None:
    record(package)
    assert verdict(package, gate)["passed"] == passes


@pytest.mark.parametrize(("gate", "passes"), [("lift > 2", True), ("lift < 2 or f1 > 0.5", False)])
def test_a_metric_of_ones_own_decides_too(package: str, gate: str, passes: bool) -> None:
    content = evaluation()
    content["binary_classification_metrics"] |= {"lift": {"value": 2.5}, "f1": {"value": 0.4}}
    put("evaluation.json", content)
    record(package)
    assert verdict(package, gate)["passed"] == passes


def test_bias_numbers_are_computed_again_from_the_analysis(package: str) -> None:
    put("analysis.json", analysis(-0.3))
    record(package)
    found = verdict(package)
    assert (
        not found["passed"] and "expected 0.3 as analysis.json gives, got 0.05" in found["reason"]
    )


def test_a_facet_none_of_whose_groups_counts_is_refused(package: str) -> None:
    record(package)
    assert not verdict(package, least=500)["passed"]


def test_a_bucket_that_keeps_no_versions_is_refused(package: str) -> None:
    where = {"LocationConstraint": container_variables.REGION}
    client("s3").create_bucket(Bucket="plain", CreateBucketConfiguration=where)
    client("s3").put_object(Bucket="plain", Key="x", Body=b"x")
    with pytest.raises(ValueError, match="keeps no versions"):
        record_evidence.read("s3://plain/x")


@mock_aws
def test_golden_requests_are_sent_in_every_way(monkeypatch: pytest.MonkeyPatch) -> None:
    runtime = client("sagemaker-runtime")
    monkeypatch.setattr(golden_requests, "client", {"sagemaker-runtime": runtime}.__getitem__)
    csv, json_ = "text/csv", "application/json"
    both = b'{"instances": [{"features": [5.0, null]}, {"features": [-1.5, 2.0]}]}'
    first, second = (b'{"instances": [{"features": [%s]}]}' % text
                     for text in (b"5.0, null", b"-1.5, 2.0"))  # fmt: skip
    one = {"predicted_label": 1, "score": 0.5}
    two = {"predicted_label": 0, "score": 0.25}
    in_json = [json.dumps({"predictions": list_}).encode() for list_ in ([one, two], [one], [two])]
    in_csv = [b"1,0.5\n0,0.25\n", b"1,0.5\n", b"0,0.25\n"]
    csv_bodies, json_bodies = [b"5,\n-1.5,2\n", b"5,\n", b"-1.5,2\n"], [both, first, second]
    sent: list[tuple[str, str, bytes, bytes | None]] = [
        (csv, csv, *pair) for pair in zip(csv_bodies, in_csv, strict=True)
    ]
    sent.append((csv, csv, csv_bodies[0], in_csv[0]))  # the pair of them
    sent += [(json_, json_, *pair) for pair in zip(json_bodies, in_json, strict=True)]
    sent.append((json_, json_, both, in_json[0]))
    for number in (0, 1, 0):  # both, one alone, the pair
        sent.append((csv, json_, csv_bodies[number], in_json[number]))
    for number in (0, 1, 0):
        sent.append((json_, csv, json_bodies[number], in_csv[number]))
    for number in (1, 0):
        plain, answer = csv_bodies[number], in_csv[number]
        sent += [(csv, csv, plain.rstrip(), answer),
                 (csv, csv, plain.replace(b"\n", b"\r\n"), answer),
                 (f"{csv}; charset=utf-8", csv, plain, None),
                 (csv, "*/*", plain, answer)]  # fmt: skip
    for number in (1, 0):
        content, answer = json.loads(json_bodies[number]), in_json[number]
        sent += [(json_, json_, json.dumps(content, separators=(",", ":")).encode(), answer),
                 (json_, json_, json.dumps(content, indent=2).encode(), answer),
                 (f"{json_}; charset=utf-8", json_, json_bodies[number], None),
                 (json_, "*/*", json_bodies[number], answer)]  # fmt: skip
    with Stubber(runtime) as aws:
        for kind, accept, body, said in sent:
            asked = {"EndpointName": "staging", "ContentType": kind, "Accept": accept, "Body": body}
            if said is None:  # what not every script reads may be refused
                aws.add_client_error("invoke_endpoint", "ModelError", expected_params=asked)
            else:
                aws.add_response("invoke_endpoint", {"Body": io.BytesIO(said)}, asked)
        kinds = f"{csv},{json_}"
        noted = [{"request": "5,", "answer": "1,0.5", "content_types": kinds},
                 {"request": "-1.5,2", "answer": "0,0.25", "content_types": kinds}]  # fmt: skip
        assert golden_requests.check(noted, "staging") == len(sent)
        aws.assert_no_pending_responses()


class Endpoint:
    """An endpoint that answers as the archive does, but where it is told otherwise."""

    def __init__(self, score: Callable[[known_answers.GoldenRequest, int], float]) -> None:
        self.score = score

    def __call__(self, endpoint: str, request: known_answers.GoldenRequest) -> bytes:
        scores = [self.score(request, 5 * position) for position in request.positions]
        if request.accept == known_answers.CSV:
            return lines(f"1,{score}" for score in scores)
        predictions = [{"predicted_label": 1, "score": score} for score in scores]
        return json.dumps({"predictions": predictions}).encode()


@pytest.mark.parametrize(
    ("score", "reason"),
    [
        (lambda request, n: n / 10, ""),
        (lambda request, n: n / 10 + 9e-7, ""),
        (lambda request, n: n / 10 + 2e-6, "golden request 1: 20 of 20 answers differ"),
        (lambda request, n: n / 10 + (len(request.positions) == 1), "sent alone, as text/csv"),
        (lambda request, n: n / 10 + (request.accept != known_answers.CSV),
         "at once, as application/js"),
        (lambda request, n: n / 10 + (request.content_type != request.accept),
         "sent 20 at once, as text/csv, to be answered as application/json"),
        (lambda request, n: float("nan") if n == 50 else n / 10, "1 of 20 answers differ"),
    ],
    ids=["right", "nearly right", "wrong", "alone", "json", "crosswise", "not a number"],
)  # fmt: skip
def test_an_endpoint_that_answers_otherwise_is_refused(
    package: str,
    monkeypatch: pytest.MonkeyPatch,
    score: Callable[[known_answers.GoldenRequest, int], float],
    reason: str,
) -> None:
    put("model.tar.gz", archive(INFERENCE + b'CONTENT_TYPES = (CSV, "application/json")\n'))
    record(package)
    monkeypatch.setattr(golden_requests, "ask", Endpoint(score))
    golden_requests.main(["--package", package, "--endpoint", "staging"])
    assert result("verdict.json")["passed"] == (not reason)
    assert reason in result("verdict.json")["reason"]


def converse(replies: Sequence[str], judged: Sequence[str]) -> None:
    """Make the version a language model's, with the replies of its transform and evaluation."""
    asked = [{"role": "user", "content": "Größe?"}]
    columns = {"problem": "language_model", "features": []}
    for name, values in (
        ("test.jsonl", [{"id": f"c{n}", "messages": asked} for n in range(len(replies))]),
        ("test.jsonl.out", [{"id": f"c{n}", "SageMakerOutput": {"reply": reply, "status": 200}}
                            for n, reply in enumerate(replies)]),
        ("answers.jsonl", [{"id": f"c{n}", "reply": reply} for n, reply in enumerate(judged)]),
    ):  # fmt: skip
        put(name, lines(json.dumps(value) for value in values))
    put("columns.json", columns)


REPLIES = [f"Reply {n}" for n in range(40)]


@pytest.mark.parametrize("replies_wrong", [False, True])
def test_an_endpoint_gives_the_replies_that_were_judged(
    package: str, monkeypatch: pytest.MonkeyPatch, replies_wrong: bool
) -> None:
    converse(REPLIES, REPLIES)
    record(package)
    golden = result("golden.json")
    assert [one["answer"] for one in golden] == REPLIES[::2]
    assert json.loads(golden[0]["request"]) == [{"role": "user", "content": "Größe?"}]

    def ask(endpoint: str, request: known_answers.GoldenRequest) -> bytes:
        said = [REPLIES[2 * n] + "!" * replies_wrong for n in request.positions]
        answers = [{"reply": reply, "status": 200} for reply in said]
        if b"instances" in request.body:
            return json.dumps({"predictions": answers}).encode()
        return lines(map(json.dumps, answers))

    monkeypatch.setattr(golden_requests, "ask", ask)
    golden_requests.main(["--package", package, "--endpoint", "staging"])
    verdict = result("verdict.json")
    assert verdict["passed"] != replies_wrong
    assert verdict["reason"].startswith(
        "golden request 1: 20 of 20 replies differ" if replies_wrong
        else "24 golden requests were answered as recorded"
    )  # fmt: skip


@pytest.mark.parametrize(
    ("replies", "judged", "reason"),
    [
        (REPLIES, REPLIES[1:], "the transform's replies: 39 of 39 replies of the transform differ"),
        (REPLIES, [], "the transform's replies: expected replies of the evaluation, got none"),
        ([], [], "the transform's replies: expected replies of the evaluation, got none"),
    ],
)
def test_no_evidence_is_recorded_of_replies_that_were_not_judged(
    package: str, replies: list[str], judged: list[str], reason: str
) -> None:
    converse(replies, judged)
    with pytest.raises(ValueError, match=re.escape(reason)):
        run_record(package)


def test_without_golden_requests_no_endpoint_passes(package: str) -> None:
    record(package)
    put("golden.json", [])
    newest = client("s3").head_object(Bucket=BUCKET, Key="pets/executions/1/golden.json")
    digest = hashlib.sha256(b"[]").hexdigest()
    note(package, {"golden_version_id": newest["VersionId"], "golden_sha256": digest})
    golden_requests.main(["--package", package, "--endpoint", "staging"])
    verdict = result("verdict.json")
    assert not verdict["passed"]
    assert verdict["reason"] == "golden.json: expected golden requests, got none"


def test_golden_requests_that_are_not_those_that_were_recorded_are_refused(package: str) -> None:
    record(package)
    put("golden.json", [{"request": "1,2", "answer": "1,0.1"}])
    golden_requests.main(["--package", package, "--endpoint", "staging"])
    assert "golden was written over" in result("verdict.json")["reason"]


def test_a_jobs_code_is_whole_and_moves_with_its_bytes() -> None:
    files = {script: set(job_code(script).files) for script in SCRIPTS}
    assert files["verify_evidence.py"] == {
        "verify_evidence.py", "approvers.py", "evidence.py", "container.py", "aws.py", "dataset.py",
        "hidden_imports.py",
        "ninesteps/__init__.py",
        "ninesteps/definition/__init__.py", "ninesteps/definition/metadata.py",
        "ninesteps/definition/published.py",
        "ninesteps/feature_store/__init__.py", "ninesteps/feature_store/findings.py",
        "ninesteps/feature_store/protected.py", "ninesteps/feature_store/protected.toml",
        "ninesteps/infrastructure/__init__.py", "ninesteps/infrastructure/serving.py",
        "ninesteps/profiles/__init__.py", "ninesteps/profiles/stamps.py",
        "ninesteps/registry/__init__.py", "ninesteps/registry/champion.py",
        "ninesteps/registry/confusables.py", "ninesteps/registry/person.py",
        "ninesteps/report/__init__.py", "ninesteps/report/drift.py",
        "ninesteps/report/formatting.py", "ninesteps/report/run_warnings.py",
        "ninesteps/settings/__init__.py", "ninesteps/settings/gate.py",
    }  # fmt: skip
    assert {name for name in files["golden_requests.py"] if "/" not in name} == {
        "golden_requests.py", "evidence.py", "container.py", "aws.py", "known_answers.py",
    }  # fmt: skip
    assert len({job_code(script).digest for script in SCRIPTS}) == len(SCRIPTS)


def test_a_jobs_code_runs_without_the_library_installed(tmp_path: Path) -> None:
    files = job_code("verify_evidence.py").files | job_code("record_evidence.py").files
    for name, content in files.items():
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    script = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        "import record_evidence, verify_evidence, ninesteps\n"
        "record_evidence.run_warnings.of_protected({'sex': 'gender'}, {})\n"
        "expected = verify_evidence.Expected('a', 'b', '1.4.0')\n"
        "print(ninesteps.__file__, expected.violation({}))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, env={**os.environ, "PYTHONPATH": ""},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.startswith(f"{tmp_path / 'ninesteps'}")
    assert "expected profile, profile_sha256, library in its metadata" in done.stdout


def test_a_module_of_the_teams_own_reaches_no_job(tmp_path: Path) -> None:
    """Those of a job and of the gate come from the library, whatever model_build/steps has."""
    repository = pipeline_settings.load(REPOSITORY)
    settings = dataclasses.replace(repository, root=tmp_path)
    own, steps = b"raise SystemExit(0)  # the team's own\n", tmp_path / bundle.STEPS
    shutil.copytree(REPOSITORY / bundle.STEPS, steps)
    before = code_objects(settings, PROD)
    names = {name.rpartition("/")[2] for name in before} | {"gate.py", "profile.py", "stamps.py"}
    for name in names:
        (steps / name).write_bytes(own)
    (steps / "ninesteps").mkdir()
    (steps / "ninesteps/__init__.py").write_bytes(own)
    assert code_objects(settings, PROD) == before
    # ... while a step does take what it is for a team to override
    assert bundle.processing_code(settings, "evaluate.py").files["dataset.py"] == own
    assert {"container.py", "dataset.py"} <= bundle.overridden(tmp_path).keys()
