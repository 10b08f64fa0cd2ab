"""A record in an account's splits: found as a stream, and what may not be read is said.

The registry is answered by botocore's Stubber, the files lie in moto's S3. What the stores say is
tested with `pipeline record` (`test_record.py`), and all of it together on the first day.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.response import StreamingBody
from click.testing import CliRunner, Result
from moto import mock_aws

from account_runs import ARN, BEGAN, PROD, Service
from accounts import REGION, recorded_calls, sign_in
from ninesteps.cli import here, main
from ninesteps.errors import StateError
from ninesteps.infrastructure import account, permissions
from ninesteps.runs import record as records
from ninesteps.settings import loading
from ninesteps.settings.settings import Settings
from reports import ROOT

REPOSITORY = Path(__file__).resolve().parents[2]
MOMENT = "2026-01-01T00:00:00.000Z"


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Service]:
    """An account with the splits of versions 1 and 2; the stores have record `7`."""
    sign_in(monkeypatch, tmp_path)
    settings = dataclasses.replace(loading.load(REPOSITORY), environments={"prod": PROD})
    with mock_aws():
        made = Service(settings)
        where = {"LocationConstraint": REGION}
        made.s3.create_bucket(Bucket="bucket", CreateBucketConfiguration=where)
        monkeypatch.setattr(account, "session", lambda environment: Session(made))
        monkeypatch.setattr(here, "settings_with_table", lambda: settings)
        stores(monkeypatch, lambda: records.Found(
            "7", MOMENT, {"custid": "7", "event_time": MOMENT}, None, False, "event_time",
            no_answer="no endpoint serves a version",
        ))  # fmt: skip
        with made.stub:
            yield made
            made.stub.assert_no_pending_responses()


@dataclasses.dataclass(frozen=True)
class Session:
    service: Service

    def client(self, name: str) -> Any:
        return {"sagemaker": self.service.sagemaker, "s3": self.service.s3}[name]


def stores(monkeypatch: pytest.MonkeyPatch, answer: Callable[[], records.Found]) -> None:
    monkeypatch.setattr(records, "in_account", lambda *_: answer())


def put(service: Service, version: int, name: str, *ids: str) -> None:
    lines = "".join(f"{one},{MOMENT},1,cat,1.5\n" for one in ids)
    key = f"{at(version)}/{name}".removeprefix("s3://bucket/")
    service.s3.put_object(Bucket="bucket", Key=key, Body=lines.encode())


def at(version: int) -> str:
    return f"{ROOT}/v{version}".replace("executions/one", "executions/of")


def group(settings: Settings) -> str:
    return PROD.named(settings.model_package_group)


def registered(service: Service, *numbers: int, looked_at: int = 5) -> None:
    """Versions, of which the newest are described; then whether one serves is asked: none."""
    name = group(service.settings)
    summaries = [
        {"ModelPackageArn": f"{ARN}:model-package/{name}/{n}", "ModelPackageVersion": n,
         "CreationTime": BEGAN, "ModelPackageStatus": "Completed"} for n in numbers
    ]  # fmt: skip
    service.answer("list_model_packages", {"ModelPackageGroupName": name},
                   ModelPackageSummaryList=summaries)  # fmt: skip
    for number in sorted(numbers, reverse=True)[:looked_at]:
        arn = f"{ARN}:model-package/{name}/{number}"
        statistics = {"S3Uri": f"{at(number)}/evaluation/evaluation.json",
                      "ContentType": "application/json"}  # fmt: skip
        service.answer(
            "describe_model_package", {"ModelPackageName": arn}, ModelPackageName=arn,
            ModelPackageArn=arn, ModelPackageGroupName=name, ModelPackageVersion=number,
            CreationTime=BEGAN, ModelPackageStatus="Completed", ModelApprovalStatus="Approved",
            ModelPackageStatusDetails={"ValidationStatuses": []},
            ModelMetrics={"ModelQuality": {"Statistics": statistics}},
            CustomerMetadataProperties={
                "execution": "of", "as_of": MOMENT, "test_split": f"{at(number)}/Process/test",
                "predictions": f"{at(number)}/Transform",
            },
        )  # fmt: skip


def nothing_serves(service: Service) -> None:
    service.stub.add_client_error("describe_endpoint", "ValidationException", "Could not find")


def splits(service: Service, version: int, **ids: tuple[str, ...]) -> None:
    for split in ("train", "validation", "test"):
        put(service, version, f"Process/{split}/{split}.csv", *ids.get(split, ("1", "70", "x7")))


def trace(*arguments: str, status: int = 0) -> Result:
    done = CliRunner().invoke(main.main, ["trace", *arguments, "--env", "prod"])
    assert done.exit_code == status, (done.output, done.exception)
    return done


def test_each_version_says_in_which_split_and_what_it_said(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    splits(service, 1, test=("1", "7"))
    key = f"{at(1)}/Transform/test.csv.out".removeprefix("s3://bucket/")
    service.s3.put_object(Bucket="bucket", Key=key, Body=b"1,0,0.25\n7,1,0.75\n")
    splits(service, 2, train=("1", "7"))
    registered(service, 1, 2, 3)
    splits(service, 3)
    nothing_serves(service)
    with recorded_calls(monkeypatch) as calls:
        found = json.loads(trace("7", "--json").stdout)
    assert [(v["version"], v["split"]) for v in found["versions"]] == [
        (3, None), (2, "train"), (1, "test")]  # fmt: skip
    assert found["versions"][2]["answer"] == {"label": 1.0, "probability": 0.75}
    assert found["versions"][2]["places"] == [
        f"{at(1)}/{name}" for name in ("Process/test/test.csv", "Transform/test.csv.out",
                                       "evaluation/answers.csv")
    ]  # fmt: skip
    assert found["why"] is None and found["older_versions"] == 0
    assert calls <= permissions.CALLS["trace"].keys()


def test_the_text_says_what_was_learnt_and_what_was_not_looked_at(service: Service) -> None:
    splits(service, 7, train=("7",))
    registered(service, 6, 7, looked_at=1)
    nothing_serves(service)
    text = trace("7", "--last", "1").stdout
    assert f"version 7, Approved: learnt from it (train split, as of {MOMENT})" in text
    assert "and 1 older: --last 2 reads them" in text
    assert "executions that registered no version" in text


def test_a_split_is_read_as_a_stream(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    def whole(self: StreamingBody, amt: int | None = None) -> bytes:
        assert amt, "a whole split is in memory"
        return read(self, amt)

    read = StreamingBody.read
    monkeypatch.setattr(StreamingBody, "read", whole)
    splits(service, 1, test=("7",))
    registered(service, 1)
    nothing_serves(service)
    assert "was tested on it" in trace("7").stdout


def test_what_is_gone_or_may_not_be_read_is_said(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    from botocore.exceptions import ClientError

    get = account.get_object

    def refused(s3: Any, uri: str, environment: Any) -> dict[str, Any]:
        if uri.endswith("validation.csv"):
            told = {"Error": {"Code": "AccessDenied"}, "ResponseMetadata": {"HTTPStatusCode": 403}}
            raise ClientError(told, "GetObject")  # type: ignore[arg-type]
        return get(s3, uri, environment)

    monkeypatch.setattr(account, "get_object", refused)
    put(service, 1, "Process/test/test.csv", "1")
    registered(service, 1)
    nothing_serves(service)
    text = trace("7").stdout
    assert "version 1, Approved: not every split could be read" in text
    assert f"{at(1)}/Process/train/train.csv no longer exists" in text
    assert f"the caller may not read {at(1)}/Process/validation/validation.csv" in text


def test_a_record_that_left_the_stores_is_found_in_splits(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone() -> records.Found:
        raise StateError("there is no record '7'")

    stores(monkeypatch, gone)
    splits(service, 1, train=("7",))
    registered(service, 1)
    nothing_serves(service)
    text = trace("7", "--erase").stdout
    assert text.startswith("NOTHING WAS DELETED in account ")
    assert "  no store has it now\n" in text and "--delete" not in text
    assert f"{at(1)}/Process/train/train.csv" in text
    assert "  versions 1:\n" in text and "pipeline start --env prod" in text
    splits(service, 1)
    registered(service, 1)
    said = trace("7", status=2).stderr
    assert "there is no record '7'; of 1 versions, no split of the newest 1" in said


def test_the_list_of_an_erasure_names_the_command_and_deletes_nothing(service: Service) -> None:
    splits(service, 1, test=("7",))
    registered(service, 1)
    nothing_serves(service)
    before = service.s3.list_objects_v2(Bucket="bucket")["Contents"]
    text = trace("7", "--erase").stdout
    assert "  pipeline record --delete --env prod -- 7\n" in text
    assert f"  {at(1)}/Process/test/test.csv\n" in text
    assert "  no version that was looked at\n" in text  # it was tested on it
    assert service.s3.list_objects_v2(Bucket="bucket")["Contents"] == before
