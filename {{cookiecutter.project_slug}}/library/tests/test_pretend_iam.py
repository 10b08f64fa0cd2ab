"""IAM's decisions in the tests' account, by the rules and examples of AWS's User Guide."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pretend_account.iam import Asked, Identity, PolicyError, decide, may_assume, statements

BUCKET = "arn:aws:s3:::amzn-s3-demo-bucket"


def identity(*policies: str, boundary: str = "") -> Identity:
    limits = statements(json.loads(boundary)) if boundary else None
    return Identity(statements(*map(json.loads, policies)), limits)


def policy(**statement: Any) -> str:
    given = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*", **statement}
    given = {key: value for key, value in given.items() if value is not None}
    return json.dumps({"Version": "2012-10-17", "Statement": given})


def allowed(
    of: Identity, action: str = "s3:GetObject", resource: str = f"{BUCKET}/a", **context: str
) -> bool:
    values = tuple((key.replace("__", ":"), value) for key, value in context.items())
    return decide(of, Asked(action, resource, values)).allowed


HOME = """{
  "Version": "2012-10-17",
  "Statement": [
    {"Sid": "AllowListingOfUserFolder", "Action": ["s3:ListBucket"], "Effect": "Allow",
     "Resource": ["arn:aws:s3:::amzn-s3-demo-bucket"],
     "Condition": {"StringLike": {"s3:prefix": ["home/alice/*"]}}},
    {"Sid": "HomeDirObjectAccess", "Effect": "Allow",
     "Action": ["s3:PutObject", "s3:GetObject", "s3:DeleteObject"],
     "Resource": ["arn:aws:s3:::amzn-s3-demo-bucket/home/alice/*"]}
  ]
}"""
"""As "Policies and permissions in Amazon S3" has it, but for the policy variable."""


@pytest.mark.parametrize(
    ("action", "resource", "context", "expected"),
    [
        ("s3:ListBucket", BUCKET, {"s3__prefix": "home/alice/photos"}, True),
        ("s3:ListBucket", BUCKET, {"s3__prefix": "home/bob/"}, False),
        ("s3:ListBucket", BUCKET, {}, False),
        ("s3:GetObject", f"{BUCKET}/home/alice/a/b", {}, True),
        ("s3:GetObject", f"{BUCKET}/home/bob/a", {}, False),
        ("s3:PutObjectAcl", f"{BUCKET}/home/alice/a", {}, False),
        ("S3:getobject", f"{BUCKET}/home/alice/a", {}, True),  # of an action, case does not count
        ("s3:GetObject", f"{BUCKET}/HOME/alice/a", {}, False),  # of a resource, it does
    ],
)
def test_a_folder_of_ones_own(
    action: str, resource: str, context: dict[str, str], expected: bool
) -> None:
    assert allowed(identity(HOME), action, resource, **context) is expected


def test_what_nothing_allows_is_denied_and_a_deny_wins() -> None:
    assert not allowed(identity(policy(Action="s3:PutObject")))
    assert allowed(identity(policy()))
    denied = identity(policy(), policy(Effect="Deny", Action="s3:*"))
    assert not allowed(denied)
    assert "denies" in decide(denied, Asked("s3:GetObject", f"{BUCKET}/a")).reason


PASSES_ON = """{
  "Version": "2012-10-17",
  "Statement": [{"Effect": "Allow", "Action": "iam:PassRole", "Resource": "*",
    "Condition": {"StringEquals": {"iam:PassedToService": "cloudwatch.amazonaws.com"}}}]
}"""
"""As "IAM: Pass an IAM role to a specific AWS service" has it."""


def test_a_role_is_passed_to_the_service_that_is_named() -> None:
    passing = identity(PASSES_ON)
    role = "arn:aws:iam::111122223333:role/x"
    assert allowed(passing, "iam:PassRole", role, iam__PassedToService="cloudwatch.amazonaws.com")
    assert not allowed(passing, "iam:PassRole", role, iam__PassedToService="ec2.amazonaws.com")
    assert not allowed(passing, "iam:PassRole", role)


def test_a_boundary_limits_and_grants_nothing() -> None:
    everything, boundary = policy(Action="*"), policy(Action="s3:*")
    assert allowed(identity(everything, boundary=boundary))
    assert not allowed(identity(everything, boundary=boundary), "iam:CreateUser", "*")
    assert not allowed(Identity((), statements(json.loads(boundary))))
    assert not allowed(identity(everything, boundary=policy(Effect="Deny")))


@pytest.mark.parametrize(
    ("pattern", "resource", "expected"),
    [
        (f"{BUCKET}/*", f"{BUCKET}/a/b/c", True),
        (f"{BUCKET}/?", f"{BUCKET}/ab", False),
        (f"{BUCKET}/a?", f"{BUCKET}/ab", True),
        ("arn:aws:sagemaker:*:111122223333:endpoint/*",
         "arn:aws:sagemaker:eu-west-1:111122223333:endpoint/a", True),
        ("arn:aws:sagemaker:*:endpoint/*",  # a star does not reach over a colon
         "arn:aws:sagemaker:eu-west-1:111122223333:endpoint/a", None),
        ("arn:*:endpoint/*", "arn:aws:sagemaker:eu-west-1:111122223333:endpoint/a", None),
        ("arn:aws:s3:::a.b", "arn:aws:s3:::aXb", False),  # a dot is no wildcard
        ("arn:aws:logs:*:*:log-group:/aws/sagemaker/*",
         "arn:aws:logs:eu-west-1:111122223333:log-group:/aws/sagemaker/x:log-stream:y", True),
    ],
)  # fmt: skip
def test_wildcards(pattern: str, resource: str, expected: bool | None) -> None:
    asking = identity(policy(Resource=pattern))
    if expected is None:
        with pytest.raises(PolicyError, match="expected a resource's ARN"):
            allowed(asking, resource=resource)
    else:
        assert allowed(asking, resource=resource) is expected


def test_all_but_what_is_named() -> None:
    not_iam = identity(policy(Action=None, NotAction="iam:*"))
    assert allowed(not_iam) and not allowed(not_iam, "iam:CreateUser", "*")
    not_there = identity(policy(Resource=None, NotResource=f"{BUCKET}/secret/*"))
    assert allowed(not_there) and not allowed(not_there, resource=f"{BUCKET}/secret/a")


STATUS = "sagemaker:ModelApprovalStatus"


@pytest.mark.parametrize(
    ("condition", "given", "expected"),
    [
        ({"StringEquals": {STATUS: "Approved"}}, "Approved", True),
        ({"StringEquals": {STATUS: ["Approved", "Rejected"]}}, "Rejected", True),  # any value
        ({"StringEquals": {STATUS: "Approved"}}, "approved", False),
        ({"StringEqualsIgnoreCase": {STATUS: "Approved"}}, "approved", True),
        ({"StringEquals": {STATUS: "Approved"}}, None, False),
        ({"StringEqualsIfExists": {STATUS: "Approved"}}, None, True),
        ({"StringNotEquals": {STATUS: ["Approved", "Rejected"]}}, "Rejected", False),
        ({"StringNotEquals": {STATUS: "Approved"}}, None, True),  # so the User Guide has it
        ({"StringLike": {STATUS: "App*"}}, "Approved", True),
        ({"StringNotLike": {STATUS: "App*"}}, "Approved", False),
        ({"Null": {STATUS: "true"}}, None, True),
        ({"Null": {STATUS: "true"}}, "Approved", False),
        ({"Null": {STATUS: "false"}}, "Approved", True),
        # Several keys, and several operators: all of them.
        ({"StringLike": {STATUS: "A*"}, "Null": {"s3:prefix": "false"}}, "Approved", False),
        ({"StringLike": {STATUS: "A*", "s3:prefix": "a"}}, "Approved", False),
    ],
    ids=str,
)  # fmt: skip
def test_conditions(condition: dict[str, Any], given: str | None, expected: bool) -> None:
    context = {} if given is None else {STATUS.replace(":", "__"): given}
    assert allowed(identity(policy(Condition=condition)), **context) is expected


def test_a_truth_and_an_arn_are_compared_as_such() -> None:
    key = {"Bool": {"kms:GrantIsForAWSResource": "true"}}
    granting = identity(policy(Action="kms:CreateGrant", Condition=key))
    assert allowed(granting, "kms:CreateGrant", kms__GrantIsForAWSResource="true")
    assert not allowed(granting, "kms:CreateGrant", kms__GrantIsForAWSResource="false")
    assert not allowed(granting, "kms:CreateGrant")


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ({"Condition": {"NumericLessThan": {"s3:prefix": "1"}}}, "operator NumericLessThan"),
        ({"Condition": {"ForAllValues:StringEquals": {"s3:prefix": "1"}}}, "operator ForAllValues"),
        (
            {"Condition": {"StringEquals": {"sagemaker:ModelAproval": "1"}}},
            "sagemaker:ModelAproval",
        ),
        ({"Condition": {"Bool": {"aws:SecureTransport": "yes"}}}, "expected true or false"),
        ({"Resource": f"{BUCKET}/home/${{aws:username}}/*"}, "policy variables"),
        ({"Principal": "*"}, "a statement has Principal"),
        ({"NotAction": "s3:*"}, "expected Action or NotAction"),
        ({"Effect": "allow"}, "expected the effect Allow or Deny"),
    ],
    ids=str,
)
def test_what_is_not_known_is_an_error(statement: dict[str, Any], said: str) -> None:
    with pytest.raises(PolicyError, match=said):
        allowed(identity(policy(**statement)), aws__SecureTransport="true")


def test_one_unknown_value_beside_one_that_matches_is_an_error_too() -> None:
    asking = identity(policy(Resource=[f"{BUCKET}/a", f"{BUCKET}/${{aws:username}}"]))
    with pytest.raises(PolicyError, match="policy variables"):
        allowed(asking)


TRUST = {
    "Version": "2012-10-17",
    "Statement": [{
        "Effect": "Allow", "Principal": {"Service": "sagemaker.amazonaws.com"},
        "Action": "sts:AssumeRole",
        "Condition": {"StringEquals": {"aws:SourceAccount": "111122223333"}},
    }],
}  # fmt: skip


def test_a_service_takes_on_the_role_that_trusts_it() -> None:
    own, other = {"aws:SourceAccount": "111122223333"}, {"aws:SourceAccount": "444455556666"}
    assert may_assume(TRUST, {"Service": "sagemaker.amazonaws.com"}, own)
    assert not may_assume(TRUST, {"Service": "sagemaker.amazonaws.com"}, other)
    assert not may_assume(TRUST, {"Service": "sagemaker.amazonaws.com"}, {})
    assert not may_assume(TRUST, {"Service": "states.amazonaws.com"}, own)
    root = {"AWS": "arn:aws:iam::111122223333:root"}
    assert not may_assume(TRUST, root, own)


def test_without_a_statement_what_it_allowed_is_denied() -> None:
    home = identity(HOME)
    asked = Asked("s3:GetObject", f"{BUCKET}/home/alice/a")
    assert decide(home.without(0), asked).allowed
    assert not decide(home.without(1), asked).allowed
