"""What the state machines' jobs record, and what they refuse: run in an account of moto's."""

from __future__ import annotations

import dataclasses
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber
from moto import mock_aws

import container
import golden_requests
import record_evidence
import verify_evidence
from evidence import client
from ninesteps.infrastructure.job_code import SCRIPTS, code_objects, job_code
from ninesteps.settings import loading as pipeline_settings
from ninesteps.settings.environment import Environment
from ninesteps.step_code import bundle

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
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setattr(container, "BASE", tmp_path)
    with mock_aws():
        s3 = client("s3")
        s3.create_bucket(Bucket=BUCKET)
        s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
        put("evaluation.json", evaluation())
        put("analysis.json", analysis(-0.05))
        put("analysis_config.json", {})
        put("model.tar.gz", archive())
        put("test.csv", "".join(f'{n},t,1,"a,b",{n},2\n' for n in range(100)).encode())
        put("columns.json", {"features": ["one", "two"]})
        sagemaker = client("sagemaker")
        sagemaker.create_model_package_group(ModelPackageGroupName="pets")
        source = {"ContentType": "application/json"}
        yield sagemaker.create_model_package(
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
                "analysis_config": f"{ROOT}/analysis_config.json", "test_split": ROOT, **STAMPS,
            },
        )["ModelPackageArn"]  # fmt: skip


def archive() -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        member = tarfile.TarInfo("code/inference.py")
        member.size = len(INFERENCE)
        tar.addfile(member, io.BytesIO(INFERENCE))
    return packed.getvalue()


def put(file: str, content: object) -> None:
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    client("s3").put_object(Bucket=BUCKET, Key=f"pets/executions/1/{file}", Body=body)


def result(file: str) -> Any:
    return json.loads((container.BASE / "processing/output/result" / file).read_text())


def record(package: str) -> None:
    """What the state machine does: the job, and its evidence into the metadata."""
    record_evidence.main(["--package", package, "--golden", f"{ROOT}/golden.json"])
    put("golden.json", (container.BASE / "processing/output/result/golden.json").read_bytes())
    newest = client("s3").head_object(Bucket=BUCKET, Key="pets/executions/1/golden.json")
    note(package, {**result("evidence.json"), "golden_version_id": newest["VersionId"]})


def note(package: str, noted: dict[str, str]) -> None:
    sagemaker = client("sagemaker")
    kept = sagemaker.describe_model_package(ModelPackageName=package)["CustomerMetadataProperties"]
    metadata = {key: value for key, value in {**kept, **noted}.items() if value}
    sagemaker.update_model_package(ModelPackageArn=package, ModelApprovalStatus="Approved",
                                   CustomerMetadataProperties=metadata)  # fmt: skip


def verdict(
    package: str, gate: str = GATE, least: int = 100, least_library: str = "1.4.0"
) -> dict[str, Any]:
    verify_evidence.main([
        "--package", package, "--gate", gate, "--problem", "binary", "--facets", "gender=gender",
        "--min-group-size", str(least), "--profile", "churn", "--profile-sha256", "ab" * 32,
        "--least-library", least_library,
    ])  # fmt: skip
    return dict(result("verdict.json"))


def test_evidence_as_it_was_recorded_passes(package: str) -> None:
    record(package)
    assert verdict(package)["passed"]


def test_golden_requests_are_rows_of_the_test_split_with_the_archives_answers(package: str) -> None:
    record(package)
    golden = result("golden.json")
    assert len(golden) == record_evidence.GOLDEN
    assert golden[1] == {"request": "5,2", "answer": "1,0.5"}


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
    client("s3").create_bucket(Bucket="plain")
    client("s3").put_object(Bucket="plain", Key="x", Body=b"x")
    with pytest.raises(ValueError, match="keeps no versions"):
        record_evidence.read("s3://plain/x")


@pytest.mark.parametrize(
    ("answer", "is_same"),
    [("1,0.5000009", True), ("1,0.500002", False), ("0,0.5", False), ("1", False), ("1,x", False)],
)
def test_answers_are_the_same_by_label_and_by_probability(answer: str, is_same: bool) -> None:
    assert golden_requests.same(answer, "1,0.5") == is_same


def test_a_golden_request_is_asked_as_csv(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    runtime = boto3.client("sagemaker-runtime", "us-east-1")
    monkeypatch.setattr(golden_requests, "client", {"sagemaker-runtime": runtime}.__getitem__)
    asked = {"EndpointName": "staging", "ContentType": "text/csv", "Accept": "text/csv",
             "Body": b"5,2"}  # fmt: skip
    with Stubber(runtime) as aws:
        aws.add_response("invoke_endpoint", {"Body": io.BytesIO(b"1,0.5\n")}, asked)
        assert golden_requests.ask("staging", "5,2") == "1,0.5"
        aws.assert_no_pending_responses()


def test_an_endpoint_that_answers_otherwise_is_refused(
    package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    record(package)
    answers = {one["request"]: one["answer"] for one in result("golden.json")}
    monkeypatch.setattr(golden_requests, "ask", lambda endpoint, request: answers[request])
    arguments = ["--package", package, "--endpoint", "staging"]
    golden_requests.main(arguments)
    assert result("verdict.json")["passed"]
    answers["5,2"] = "0,0.5"
    golden_requests.main(arguments)
    assert not result("verdict.json")["passed"]
    assert (
        "golden request 2 of 20: expected '1,0.5', got '0,0.5'" in result("verdict.json")["reason"]
    )


def test_a_jobs_code_is_whole_and_moves_with_its_bytes() -> None:
    files = {script: set(job_code(script).files) for script in SCRIPTS}
    assert files["verify_evidence.py"] == {
        "verify_evidence.py", "evidence.py", "container.py", "dataset.py", "hidden_imports.py",
        "ninesteps/__init__.py", "ninesteps/profiles/__init__.py", "ninesteps/profiles/stamps.py",
        "ninesteps/settings/__init__.py", "ninesteps/settings/gate.py",
    }  # fmt: skip
    assert files["golden_requests.py"] == {"golden_requests.py", "evidence.py", "container.py"}
    assert len({job_code(script).digest for script in SCRIPTS}) == len(SCRIPTS)


def test_a_jobs_code_runs_without_the_library_installed(tmp_path: Path) -> None:
    code = job_code("verify_evidence.py")
    for name, content in code.files.items():
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    script = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        "import verify_evidence, ninesteps\n"
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
