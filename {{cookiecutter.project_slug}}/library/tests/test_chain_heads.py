"""Heads of the chain in an account's bucket: kept, locked where that can be, and read back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber
from click.testing import CliRunner, Result
from moto import mock_aws

from accounts import ACCOUNT, REGION, recorded_calls, sign_in
from ninesteps.cli import here, main
from ninesteps.infrastructure import chain_heads, permissions
from ninesteps.local.chain import NO_ENTRY, Entry
from ninesteps.settings import loading as pipeline_settings
from ninesteps.settings.environment import Environment
from pets import settings as pet_settings
from versions import Registered

BUCKET = "pets-prod-111122223333"
PROD = Environment(name="prod", account=ACCOUNT, region=REGION, bucket=BUCKET)


@pytest.fixture
def s3(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    sign_in(monkeypatch, tmp_path)
    with mock_aws():
        yield boto3.Session(region_name=REGION).client("s3")


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Registered:
    machine = Registered(tmp_path / ".local")
    machine.register()
    monkeypatch.setattr(here, "local", lambda: machine.local)
    monkeypatch.setattr(here, "root", lambda: tmp_path)
    settings = replace(pet_settings(), environments={"prod": PROD})
    monkeypatch.setattr(pipeline_settings, "load", lambda root: settings)
    return machine


def make_bucket(s3: Any, is_locked: bool = False, days: int = 0) -> None:
    where = {"LocationConstraint": REGION}
    s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration=where,
                     ObjectLockEnabledForBucket=is_locked)  # fmt: skip
    if days:
        rule = {"DefaultRetention": {"Mode": "COMPLIANCE", "Days": days}}
        s3.put_object_lock_configuration(
            Bucket=BUCKET,
            ObjectLockConfiguration={"ObjectLockEnabled": "Enabled", "Rule": rule},
        )


def audit(*arguments: str, status: int = 0) -> Result:
    done = CliRunner().invoke(main.main, ("audit", *arguments, "--env", "prod"))
    assert done.exit_code == status, done.output
    return done


def test_the_head_is_kept_and_read_back(s3: Any, machine: Registered) -> None:
    make_bucket(s3)
    first, last = machine.state.events()
    done = audit("--head")
    assert done.stdout == f"{last.head}\n"
    key = f"pets/chain/{first.sha256[:16]}/00000002-{last.sha256}.json"
    assert done.stderr == (
        f"kept as s3://{BUCKET}/{key}; the bucket has no object lock: anyone who may "
        "delete objects there may delete it\n"
    )
    content = json.loads(s3.get_object(Bucket=BUCKET, Key=key)["Body"].read())
    assert content == {"head": f"2:{last.sha256}", "at": last.at, "kind": "registered"}
    assert "it was stored there before" in audit("--head").stderr
    machine.register()
    audit("--head")
    assert json.loads(audit("--verify", "--json").stdout)["compared_with"] == [
        f"{entry.number}:{entry.sha256}" for entry in machine.state.events()[1::2]
    ]


def test_a_chain_that_was_cut_or_written_again_is_found_by_what_the_bucket_has(
    s3: Any, machine: Registered, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_bucket(s3, is_locked=True)  # with versions
    first = machine.state.events()[0]
    machine.register()
    audit("--head")
    machine.state.append_event("erased", {})
    audit("--verify")
    cut = Registered(tmp_path / "cut/.local")
    cut.local.mkdir(parents=True)
    monkeypatch.setattr(here, "local", lambda: cut.local)
    with cut.state.transaction() as connection:
        connection.execute(
            "INSERT INTO events VALUES (1, ?, ?, ?, ?, ?)",
            (first.kind, first.at, json.dumps(first.facts, sort_keys=True, separators=(",", ":")),
             first.previous, first.sha256),
        )  # fmt: skip
    said = audit("--verify", status=1).stderr
    assert "entry 4: expected it because of the head 4:" in said
    listed = s3.list_object_versions(Bucket=BUCKET)["Versions"]
    for version in listed:  # a deletion that leaves the version there hides nothing
        s3.delete_object(Bucket=BUCKET, Key=version["Key"])
    assert "entry 4: expected it because of the head 4:" in audit("--verify", status=1).stderr
    again = Registered(tmp_path / "again/.local")
    again.register(started_by="Al")
    monkeypatch.setattr(here, "local", lambda: again.local)
    assert audit("--verify", status=2).stderr == (
        f"pipeline: no head of this chain is in {BUCKET}; heads of 1 other chains are there: "
        f"{first.sha256[:16]}: `pipeline audit --head --env prod` stores one; a rewritten chain "
        "has none\n"
    )


@pytest.mark.parametrize(("days", "mode"), [(0, "GOVERNANCE"), (30, "COMPLIANCE")])
def test_object_lock_keeps_the_head_where_the_bucket_has_it(
    s3: Any, machine: Registered, days: int, mode: str
) -> None:
    make_bucket(s3, is_locked=True, days=days)
    said = audit("--head").stderr
    assert ("locked by the bucket's own rule: COMPLIANCE, 30 days" if days
            else "; locked until ") in said  # fmt: skip
    (version,) = s3.list_object_versions(Bucket=BUCKET)["Versions"]
    if not days:  # moto gives nothing of a default rule's to the object
        kept = s3.head_object(Bucket=BUCKET, Key=version["Key"])
        left = (kept["ObjectLockRetainUntilDate"] - datetime.now(UTC)).days
        assert (kept["ObjectLockMode"], left) == (mode, chain_heads.RETAINED_DAYS - 1)
        with pytest.raises(ClientError, match="AccessDenied"):
            s3.delete_object(Bucket=BUCKET, Key=version["Key"], VersionId=version["VersionId"])


def test_a_bucket_that_does_not_say_whether_it_has_object_lock_is_taken_to_have_none() -> None:
    client = boto3.client("s3", region_name=REGION, aws_access_key_id="x",
                          aws_secret_access_key="x")  # noqa: S106  # fmt: skip
    entry = Entry(1, "erased", "2026-01-31T00:00:00Z", {}, NO_ENTRY, "ab" * 32)
    with Stubber(client) as stub:
        stub.add_client_error("get_object_lock_configuration", "AccessDenied")
        stub.add_response("put_object", {})
        kept = chain_heads.keep(client, PROD, "pets", [entry])
        stub.add_client_error("get_object_lock_configuration", "NoSuchBucket")
        with pytest.raises(ClientError, match="NoSuchBucket"):
            chain_heads.keep(client, PROD, "pets", [entry])
    assert kept.how == "no permission to see whether the bucket has object lock: assume none"


def test_where_no_head_was_kept_that_is_said(s3: Any, machine: Registered) -> None:
    make_bucket(s3)
    said = audit("--verify", status=2).stderr
    assert said.startswith(f"pipeline: no head of this chain is in {BUCKET}: `pipeline audit")


def test_without_the_bucket_one_sentence_says_so(s3: Any, machine: Registered) -> None:
    assert audit("--head", status=1).stderr.startswith("pipeline: AWS refused ")


def test_the_calls_are_those_of_the_table(
    s3: Any, machine: Registered, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_bucket(s3)
    with recorded_calls(monkeypatch) as calls:
        audit("--head")
        audit("--verify")
    assert calls == permissions.CALLS["audit"].keys()
