"""What calls ask of IAM, by the tests' account: what a request implies is asked for too."""

from __future__ import annotations

from typing import Any

import pytest

from ninesteps.infrastructure import permissions
from pretend_account import calls
from pretend_account.calls import Place

KEY, ROLE = "arn:aws:kms:eu-west-1:111122223333:key/1a", "arn:aws:iam::111122223333:role/pets"
PLACE = Place(
    "aws", "eu-west-1", "111122223333",
    key_of_bucket={"models": KEY, "plain": ""}.__getitem__,
    version_made_next=lambda group: 3,
    place_of_table=lambda database, table: f"s3://models/{database}/{table}/data",
)  # fmt: skip
SAGEMAKER = "arn:aws:sagemaker:eu-west-1:111122223333"
PASSED = f"iam:PassRole on {ROLE} with iam:PassedToService = sagemaker.amazonaws.com"


@pytest.mark.parametrize(
    ("call", "request_", "expected"),
    [
        ("s3:GetObject", {"Bucket": "plain", "Key": "a/b"},
         ["s3:GetObject on arn:aws:s3:::plain/a/b"]),
        ("s3:GetObject", {"Bucket": "models", "Key": "a", "VersionId": "1"},
         ["s3:GetObjectVersion on arn:aws:s3:::models/a", f"kms:Decrypt on {KEY}"]),
        ("s3:PutObject", {"Bucket": "models", "Key": "a"},
         ["s3:PutObject on arn:aws:s3:::models/a", f"kms:GenerateDataKey on {KEY}"]),
        ("s3:ListObjectsV2", {"Bucket": "models", "Prefix": "a/"},
         ["s3:ListBucket on arn:aws:s3:::models with s3:prefix = a/"]),
        ("sagemaker:CreatePipeline",
         {"PipelineName": "Pets", "RoleArn": ROLE, "Tags": [{"Key": "a", "Value": "b"}]},
         [f"sagemaker:CreatePipeline on {SAGEMAKER}:pipeline/pets",
          f"sagemaker:AddTags on {SAGEMAKER}:pipeline/pets", PASSED]),
        ("sagemaker:UpdatePipeline", {"PipelineName": "pets", "RoleArn": ROLE},
         [f"sagemaker:UpdatePipeline on {SAGEMAKER}:pipeline/pets", PASSED]),
        ("sagemaker:CreateProcessingJob",
         {"ProcessingJobName": "a", "RoleArn": ROLE,
          "ProcessingResources": {"ClusterConfig": {"VolumeKmsKeyId": KEY}}},
         [f"sagemaker:CreateProcessingJob on {SAGEMAKER}:processing-job/a", PASSED,
          f"kms:DescribeKey on {KEY}",
          f"kms:CreateGrant on {KEY} with kms:GrantIsForAWSResource = true"]),
        ("sagemaker:CreateModelPackage",
         {"ModelPackageGroupName": "pets", "ModelApprovalStatus": "Approved"},
         [f"sagemaker:CreateModelPackage on {SAGEMAKER}:{path} with "
          "sagemaker:ModelApprovalStatus = Approved"
          for path in ("model-package-group/pets", "model-package/pets/3")]),
        ("sagemaker:UpdateModelPackage", {"ModelPackageArn": f"{SAGEMAKER}:model-package/pets/3"},
         [f"sagemaker:UpdateModelPackage on {SAGEMAKER}:model-package/pets/3"]),
        ("sagemaker:CreateEndpoint", {"EndpointName": "pets", "EndpointConfigName": "pets-v1"},
         [f"sagemaker:CreateEndpoint on {SAGEMAKER}:{path}"
          for path in ("endpoint/pets", "endpoint-config/pets-v1")]),
    ],
    ids=str,
)  # fmt: skip
def test_what_a_request_implies_is_asked_for(
    call: str, request_: dict[str, Any], expected: list[str]
) -> None:
    assert [str(one) for one in calls.asked(PLACE, call, request_)] == expected


def test_a_query_asks_for_catalogue_rows_and_the_place_of_its_answer() -> None:
    request = {
        "QueryString": 'UNLOAD (WITH one AS (SELECT * FROM "pets") SELECT * FROM "one") '
                       "TO 's3://models/answers/rows/' WITH (format = 'PARQUET')",
        "QueryExecutionContext": {"Catalog": "AwsDataCatalog", "Database": "store"},
        "WorkGroup": "primary",
    }  # fmt: skip
    asked = {str(one) for one in calls.asked(PLACE, "athena:StartQueryExecution", request)}
    assert {
        "glue:GetTable on arn:aws:glue:eu-west-1:111122223333:table/store/pets",
        "s3:GetObject on arn:aws:s3:::models/store/pets/data/rows.parquet",
        "s3:PutObject on arn:aws:s3:::models/answers/rows/answer",
        f"kms:GenerateDataKey on {KEY}",
    } < asked
    assert not [one for one in asked if "store/one" in one]  # a name within the query


def test_a_call_that_is_not_known_is_an_error() -> None:
    with pytest.raises(calls.UnknownCall, match="sagemaker:CreateApp"):
        calls.asked(PLACE, "sagemaker:CreateApp", {})


def test_every_call_of_the_commands_is_known() -> None:
    of_commands = {call for entries in permissions.CALLS.values() for call in entries}
    assert of_commands <= calls.RULES.keys()
