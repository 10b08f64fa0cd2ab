"""What runs in a container makes its clients in one place, in the region that SageMaker says."""

from __future__ import annotations

import ast
import io
import json
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import botocore
import botocore.exceptions
import pytest
from botocore.awsrequest import AWSPreparedRequest, AWSResponse

import aws
import container
import container_variables
import process  # a script: this module's tests get a container's variables
from conftest import SCRIPTS
from ninesteps.step_code.bundle import CONTAINERS

TESTS = Path(__file__).parent
ARN = "arn:aws-cn:sagemaker:cn-north-1:111122223333:processing-job/one"


def test_a_client_is_in_the_region_that_sagemaker_says() -> None:
    assert aws.client("sagemaker").meta.region_name == container_variables.REGION
    assert aws.client("s3") is aws.client("s3")


def test_what_athena_has_too_many_of_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """By Athena's API reference the status is 400, which botocore's legacy mode takes for final."""
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda seconds: None)
    asked = []

    def answered(request: AWSPreparedRequest, **_: object) -> AWSResponse:
        asked.append(request.url)
        many = {"__type": "TooManyRequestsException", "Message": "You have exceeded the limit"}
        status, content = (400, many) if len(asked) < 5 else (200, {"QueryExecutionId": "1"})
        raw = io.BytesIO(json.dumps(content).encode())
        raw.stream = lambda **_: iter(lambda: raw.read(100), b"")  # type: ignore[attr-defined]
        return AWSResponse(request.url, status, {}, raw)

    client = aws._client.__wrapped__("athena", container_variables.REGION)
    client.meta.events.register("choose-signer.athena", lambda **_: botocore.UNSIGNED)
    client.meta.events.register("before-send.athena", answered)
    assert client.start_query_execution(QueryString="SELECT 1")["QueryExecutionId"] == "1"
    assert len(asked) == 5


def test_botocore_does_not_read_that_variable() -> None:
    """Else this rule would not be needed: who makes a client by itself has no region there."""
    import boto3.session

    with pytest.raises(botocore.exceptions.NoRegionError):
        boto3.session.Session().client("sagemaker")


def test_without_the_variable_the_region_is_the_jobs_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(container, "BASE", tmp_path)
    monkeypatch.delenv("AWS_REGION")
    with pytest.raises(RuntimeError, match="expected the job's region in the variable AWS_REGION"):
        aws.region()
    (tmp_path / "config").mkdir()
    (tmp_path / "config/processingjobconfig.json").write_text(json.dumps({"ProcessingJobArn": ARN}))
    assert aws.region() == "cn-north-1"


def files_of_containers() -> Iterator[Path]:
    for folder in (CONTAINERS, *SCRIPTS):
        yield from folder.glob("*.py")


def test_no_other_module_of_a_container_makes_a_client() -> None:
    made = {
        f"{file.name}: {name}"
        for file in files_of_containers()
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in ([node.module or ""] if isinstance(node, ast.ImportFrom)
                     else [alias.name for alias in node.names])
        if name.split(".")[0] in ("boto3", "botocore") and name != "botocore.exceptions"
    }  # fmt: skip
    assert made == {"aws.py: boto3", "aws.py: botocore.config"}


def test_a_containers_test_has_sagemakers_variables_and_no_others() -> None:
    assert process.__file__
    theirs = {**container_variables.PROCESSING, "HOME": os.environ["HOME"]}
    own = {name: value for name, value in os.environ.items()
           if name not in container_variables.OF_THE_TESTS
           and not name.startswith(container_variables.PREFIXES_OF_THE_TESTS)}  # fmt: skip
    assert own == theirs


@pytest.mark.parametrize("name", ["process", "train", "evaluate", "clarify", "rollout_jobs"])
def test_the_tests_of_scripts_are_found(name: str) -> None:
    """Those that this rule was made for; a name that moved would leave them without it."""
    __import__(f"test_{name}")
    module = sys.modules[f"test_{name}"]
    assert container_variables.is_of_a_container(module, SCRIPTS)


LEAKS = re.compile(r"""["'](AWS_(DEFAULT_REGION|PROFILE|CONFIG_FILE|ACCESS_KEY_ID))["']""")


def test_no_test_of_a_script_sets_what_is_not_set_there() -> None:
    scripts = {file.stem for folder in SCRIPTS for file in folder.glob("*.py")}
    imports = re.compile(rf"^(import|from) ({'|'.join(sorted(scripts))})\b", re.MULTILINE)
    leaking = [
        (file.name, found[1])
        for file in sorted(TESTS.glob("test_*.py"))
        if file != Path(__file__) and imports.search(text := file.read_text(encoding="utf-8"))
        for found in LEAKS.finditer(text)
    ]
    # The SDK's schema is no container's: its import wants a region, and says so there.
    assert leaking == [("test_clarify.py", "AWS_DEFAULT_REGION")]
