"""The page of an execution in an account beside the version it is compared with, and its lineage.

Calls of SageMaker are answered by botocore's Stubber, which validates what is asked and answered;
the files lie in moto's S3.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from moto import mock_aws

from account_runs import (
    BEGAN,
    EVIDENCE,
    PROD,
    RECORDED,
    ROOT,
    Service,
    completed,
    execution,
    execution_arn,
    job_arn,
    parameters,
    serves,
    version,
    versions,
)
from accounts import REGION, sign_in
from ninesteps.infrastructure import account
from ninesteps.report.account_page import write_account_report
from ninesteps.settings import loading as pipeline_settings
from page_structure import Page, check_structure
from reports import files

OTHER = "bbbbbbbbbbbb"
"""The execution of the version that it is compared with, by an id as the service makes them."""

GROUP = {"ModelPackageGroupName": "customer-churn-prod"}


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Service]:
    """Execution `one`, which is to register version 3, and OTHER of the same files."""
    sign_in(monkeypatch, tmp_path)
    with mock_aws():
        made = Service(pipeline_settings.load(ROOT))
        where = {"LocationConstraint": REGION}
        made.s3.create_bucket(Bucket="bucket", CreateBucketConfiguration=where)
        for uri, content in files().content.items():
            for run in ("one", OTHER):
                key = uri.removeprefix("s3://bucket/").replace(
                    "executions/one", f"executions/{run}"
                )
                made.s3.put_object(Bucket="bucket", Key=key, Body=content)
        key = RECORDED.removeprefix("s3://bucket/")
        made.s3.put_object(Bucket="bucket", Key=key, Body=EVIDENCE)
        clients = {"sagemaker": made.sagemaker, "s3": made.s3}

        class Session:
            def client(self, name: str, config: Any = None) -> Any:
                return clients[name]

        monkeypatch.setattr(account, "session", lambda environment: Session())
        with made.stub:
            yield made


def approved(service: Service, *versions_made: tuple[int, int]) -> None:
    """The approved versions: number, and days from the beginning of execution `one`."""
    packages = [
        {"ModelPackageArn": job_arn("model-package", f"customer-churn-prod/{number}"),
         "ModelPackageVersion": number, "CreationTime": BEGAN + timedelta(days=days),
         "ModelPackageStatus": "Completed", "ModelApprovalStatus": "Approved"}
        for number, days in versions_made
    ]  # fmt: skip
    asked = {**GROUP, "ModelApprovalStatus": "Approved", "SortBy": "CreationTime",
             "SortOrder": "Descending"}  # fmt: skip
    service.answer("list_model_packages", asked, ModelPackageSummaryList=packages)


def refused(service: Service, operation: str) -> None:
    service.stub.add_client_error(operation, "AccessDeniedException", "not yours", 403)


def asks(service: Service, **how: Any) -> None:
    """What is asked of the execution itself."""
    completed(service, **how)
    service.no_earlier()
    service.stub.add_client_error("describe_feature_group", "ResourceNotFound", "no such group")


def of_lineage(service: Service) -> None:
    """SageMaker has none of version 3."""
    versions(service, 1, 2, 3)
    version(service, 3, "one")
    service.answer("list_artifacts",
                   {"SourceUri": job_arn("model-package", "customer-churn-prod/3")},
                   ArtifactSummaries=[])  # fmt: skip


def other(service: Service, number: int) -> None:
    """What is asked of the version that it is compared with, of execution OTHER."""
    versions(service, 1, 2, 3)
    version(service, number, OTHER)
    execution(service, OTHER)
    parameters(service, OTHER, "2025-12-01T00:00:00Z")


def page(service: Service, tmp_path: Path, run: str = "") -> Page:
    run = run or execution_arn(service.settings)
    file = write_account_report(tmp_path, service.settings, PROD, run, pytest.fail)
    service.stub.assert_no_pending_responses()
    return check_structure(file.read_text(encoding="utf-8"))


def test_a_version_stands_for_the_execution_that_registered_it(
    service: Service, tmp_path: Path
) -> None:
    versions(service, 1, 2, 3)
    version(service, 3, "one")
    asks(service)
    serves(service, 3)
    approved(service)
    of_lineage(service)
    made = page(service, tmp_path, "3")
    assert "one" in [one.text for one in made.root.all("dd")]
    assert "pets version 3" in made.root.all("header")[0].text


def test_it_is_compared_with_the_version_that_serves(service: Service, tmp_path: Path) -> None:
    asks(service)
    serves(service, 1)
    version(service, 1, OTHER)
    of_lineage(service)
    other(service, 1)
    made = page(service, tmp_path)
    compared = made.section("comparison").text
    assert "Compared with version 1" in compared
    assert "Version 1 is the version that serves." in compared
    assert "2025-12-01T00:00:00Z" in compared  # what differs: the moment
    assert "no lineage for it" in made.section("lineage").text
    assert "customer-churn-prod version 3" in made.section("lineage").text


@pytest.mark.parametrize("serving", [None, 3])
def test_without_another_that_serves_it_is_the_newest_approved_one_before_it(
    service: Service, tmp_path: Path, serving: int | None
) -> None:
    asks(service)
    serves(service, serving)
    approved(service, (4, 1), (3, 0), (2, -1), (1, -2))
    version(service, 2, OTHER)
    of_lineage(service)
    other(service, 2)
    said = "Version 2 is the newest approved version before it."
    assert said in page(service, tmp_path).section("comparison").text


def test_an_execution_of_no_version_is_compared_with_one_made_before_it(
    service: Service, tmp_path: Path
) -> None:
    asks(service, outcome="false")
    serves(service, None)
    approved(service, (4, 1), (1, -2))
    version(service, 1, OTHER)
    other(service, 1)
    made = page(service, tmp_path)
    assert "Compared with version 1" in made.section("comparison").text
    assert made.section("lineage").text.strip() == (
        "Lineage This execution registered no version, and lineage is drawn from a version."
    )


def test_with_nothing_to_compare_with_there_is_no_such_part(
    service: Service, tmp_path: Path
) -> None:
    asks(service)
    serves(service, None)
    approved(service, (3, 0))
    of_lineage(service)
    assert 'id="comparison"' not in page(service, tmp_path).html


def test_what_may_not_be_asked_is_said_in_its_part_and_the_others_are_there(
    service: Service, tmp_path: Path
) -> None:
    asks(service)
    refused(service, "describe_endpoint")
    versions(service, 1, 2, 3)
    version(service, 3, "one")
    refused(service, "list_artifacts")
    made = page(service, tmp_path)
    for part, call in (("comparison", "DescribeEndpoint"), ("lineage", "ListArtifacts")):
        (said,) = [e.text for e in made.section(part).all("p")
                   if e.attributes.get("class") == "absent"]  # fmt: skip
        assert said == (
            f"AWS refused {call}: AccessDeniedException: not yours; README.md lists what the role "
            "needs."
        )
    assert made.root.all("h1")[0].text.endswith("The model was registered")


def test_a_version_whose_execution_may_not_be_seen_says_so(
    service: Service, tmp_path: Path
) -> None:
    asks(service)
    serves(service, 1)
    version(service, 1, OTHER)
    of_lineage(service)
    versions(service, 1, 2, 3)
    version(service, 1, OTHER)
    refused(service, "describe_pipeline_execution")
    compared = page(service, tmp_path).section("comparison").text
    assert "Compared with version 1" in compared
    assert "AWS refused DescribePipelineExecution: AccessDeniedException: not yours" in compared
