"""`pipeline record`: a record online, offline as of a moment, and what the model says of it."""

from __future__ import annotations

import base64
import dataclasses
import io
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from click.testing import CliRunner, Result
from moto.sagemakerruntime.models import sagemakerruntime_backends

import test_ingest_account as ingests
from accounts import ACCOUNT, REGION, recorded_calls
from ninesteps.cli import main
from ninesteps.infrastructure import permissions
from ninesteps.infrastructure.account_records import AccountOnlineStore
from ninesteps.runs import ingesting
from ninesteps.runs.record import Answer, Found
from ninesteps.settings import loading
from ninesteps.settings.settings import Settings
from ninesteps.terminal import record as view
from pets import ROWS, raw_file
from pretend_account.feature_store import FeatureStore
from test_ingest_account import BUCKET, make_group, settings

store, _pets = ingests.store, ingests._pets
"""The fixtures of an account with a Feature Store, and of pets."""

OLDER = "007,1,1,2020-01-31,cat,2025-06-01T00:00:00Z"


def record(
    monkeypatch: pytest.MonkeyPatch, of: Settings, *arguments: str, status: int = 0
) -> Result:
    monkeypatch.setattr(loading, "load", lambda root: of)
    done = CliRunner().invoke(main.main, ["record", *arguments])
    assert done.exit_code == status, done.output
    return done


def content(monkeypatch: pytest.MonkeyPatch, of: Settings, *arguments: str) -> dict[str, Any]:
    done = record(monkeypatch, of, *arguments, "--json")
    return dict(json.loads(done.stdout))


def ingest(folder: Path, of: Settings, *rows: str) -> ingesting.Table:
    """A table in the stores of this machine."""
    file = raw_file(folder, *rows)
    read = ingesting.table(folder / ".local", of, of.environment(), file)
    ingesting.put_online(folder / ".local", read)
    return read


# Here


def test_both_stores_and_the_moment_are_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    of = settings(online=True)
    ingest(tmp_path, of, *ROWS, OLDER)
    found = content(monkeypatch, of, "007")
    assert found["offline"] == found["online"] == {
        "chip": "007", "event_time": "2026-01-01T10:30:00.000Z", "adopted": "1", "age": "1.5",
        "is_cat": "1", "species": "cat",
    }  # fmt: skip
    assert (found["differences"], found["model"]) == ([], None)
    assert found["no_model"] == "no version is registered"


def test_offline_is_as_of_a_moment_and_what_differs_online_is_marked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    of = settings(online=True)
    ingest(tmp_path, of, *ROWS, OLDER)
    moment = ("--as-of", "2025-12-31T00:00:00Z")
    assert content(monkeypatch, of, "007", *moment)["differences"] == ["event_time", "age"]
    shown = record(monkeypatch, of, "007", *moment).stdout.splitlines()
    assert shown[0] == "record 007 as of 2025-12-31T00:00:00Z"
    assert [line.split() for line in shown if line.endswith("*")] == [
        ["event_time", "2025-06-01T00:00:00.000Z", "2026-01-01T10:30:00.000Z", "*"],
        ["age", "1.0", "1.5", "*"],
    ]
    assert "* 2 features differ between the stores" in shown
    before = record(monkeypatch, of, "007", "--as-of", "2025-01-01T00:00:00Z").stdout
    assert "offline: no such record as of 2025-01-01T00:00:00Z\n" in before


def test_a_second_table_adds_to_the_history_of_a_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Late ones change nothing that is newer; each table stays the one that a run can take."""
    of = settings(online=True)
    first = ingest(tmp_path, of, *ROWS)
    newer = "008,1,13,2009-12-01,dog,2026-02-01T00:00:00Z"
    second = ingest(tmp_path, of, OLDER, newer, "9,0,1,2020-01-31,cat,2026-01-01T00:00:00Z")
    assert first.ingested.location != second.ingested.location
    assert content(monkeypatch, of, "007")["online"]["age"] == "1.5"
    assert content(monkeypatch, of, "007")["offline"]["age"] == "1.5"
    assert content(monkeypatch, of, "008")["online"]["age"] == "13.0"
    then = content(monkeypatch, of, "008", "--as-of", "2026-01-31T00:00:00Z")
    assert then["offline"]["age"] == "12.0"


def test_without_an_online_store_it_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ingest(tmp_path, settings(), *ROWS)
    shown = record(monkeypatch, settings(), "007").stdout
    assert "there is no online store: [features] online is false\n" in shown


def test_a_record_that_is_nowhere_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for step in (lambda: None, lambda: ingest(tmp_path, settings(), *ROWS)):
        step()
        done = record(monkeypatch, settings(), "it's", "--as-of", "2026-01-01T00:00:00Z", status=2)
        assert done.stderr == (
            'pipeline: no record "it\'s" as of 2026-01-01T00:00:00Z on this machine, '
            "neither offline nor online; `pipeline ingest FILE` puts a table's records there\n"
        )


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--as-of", "yesterday"), "--as-of: expected a time in UTC such as 2026-01-31T00:00:00Z"
         ", got 'yesterday'"),
        (("--yes",), "--yes is for --delete: expected both"),
        (("--delete", "--as-of", "2026-01-01T00:00:00Z", "--yes"),
         "--delete deletes the record as of now: expected no --as-of"),
        (("--delete", "--json", "--yes"), "expected no --json"),
        (("--delete", "--yes"),
         "expected an online store to delete from, got none: [features] online is false"),
        (("--delete", "--env", "prod"), "expected a terminal to ask at, got none: --yes deletes"),
    ],
)  # fmt: skip
def test_wrong_use_is_refused(
    monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], sentence: str
) -> None:
    assert sentence in record(monkeypatch, settings(), "007", *arguments, status=2).stderr


def test_a_record_is_deleted_online_and_the_table_is_named_that_still_has_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    of = settings(online=True)
    ingest(tmp_path, of, *ROWS)
    done = record(monkeypatch, of, "007", "--delete", "--yes")
    assert done.stdout == "deleted online; delete its rows in pets.csv too\n"
    assert content(monkeypatch, of, "007")["online"] is None
    done = record(monkeypatch, of, "007", "--delete", "--yes", status=2)
    assert "the online store of this machine has no record '007'" in done.stderr


def test_moments_that_differ_stand_whole_in_80_columns(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    long = "created_first_days_diff"  # the longest of churn's
    earlier, later = "2025-06-01T00:00:00.000Z", "2026-01-01T10:30:00.000Z"
    offline, online = ({"event_time": when, long: "1"} for when in (earlier, later))
    view.show(Found("007", later, offline, online, True, "event_time"))
    lines = capsys.readouterr().out.splitlines()
    assert ["event_time", earlier, later, "*"] in [line.split() for line in lines]
    assert max(map(len, lines)) <= 80


def test_a_label_and_a_number_are_said() -> None:
    found = Found("007", "2026-01-01T00:00:00Z", {"a": "1.0", "k": "x"}, {"a": "1", "k": "y"}, True,
                  "event_time", {"k": "kind"}, Answer(3, "Approved", (1.0, 0.25)))  # fmt: skip
    assert found.differences == ["k"]  # 1.0 and 1 are one number
    assert view.sentences(found) == [
        "* 1 feature differs between the stores",
        "model: version 3 (Approved) predicts 1, with probability 0.25",
    ]
    number = dataclasses.replace(found, answer=Answer(3, "Approved", (51234.5678,)))
    assert view.sentences(number)[-1] == "model: version 3 (Approved) predicts 51234.6"
    assert view.as_json(number)["model"]["estimate"] == 51234.5678


# In an account


@pytest.fixture
def account(
    store: FeatureStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[FeatureStore]:
    """A feature group with an online store that pets were put into."""
    make_group(tmp_path, ONLINE, *ROWS, OLDER)
    ingests.run(monkeypatch, ONLINE, tmp_path / "pets.csv")
    yield store


ONLINE = settings(online=True)


def deploy(answer: str, file: str = "code/columns.json") -> None:
    """An endpoint that serves version 1 and has an answer.

    Args:
        file: what the model's archive contains.
    """
    sagemaker = boto3.client("sagemaker", region_name=REGION)
    uri = f"s3://{BUCKET}/pets/executions/1/model.tar.gz"
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        columns = json.dumps({"features": ["is_cat", "age"], "shown": {"species": "kind"}}).encode()
        member = tarfile.TarInfo(file)
        member.size = len(columns)
        archive.addfile(member, io.BytesIO(columns))
    boto3.client("s3", region_name=REGION).put_object(
        Bucket=BUCKET, Key=uri.removeprefix(f"s3://{BUCKET}/"), Body=packed.getvalue()
    )
    sagemaker.create_model_package_group(ModelPackageGroupName="pets-prod")
    package = sagemaker.create_model_package(
        ModelPackageGroupName="pets-prod",
        InferenceSpecification={
            "Containers": [{"Image": "image", "ModelDataUrl": uri}],
            "SupportedContentTypes": ["text/csv"], "SupportedResponseMIMETypes": ["text/csv"],
        },
    )["ModelPackageArn"]  # fmt: skip
    role = f"arn:aws:iam::{ACCOUNT}:role/pets-prod-endpoint"
    sagemaker.create_model(
        ModelName="pets-prod-v1", ExecutionRoleArn=role,
        PrimaryContainer={"ModelPackageName": package},
    )  # fmt: skip
    variant = {"VariantName": "main", "ModelName": "pets-prod-v1", "InstanceType": "ml.m5.large",
               "InitialInstanceCount": 1}  # fmt: skip
    sagemaker.create_endpoint_config(
        EndpointConfigName="pets-prod-v1", ProductionVariants=[variant]
    )
    sagemaker.create_endpoint(EndpointName="pets-prod", EndpointConfigName="pets-prod-v1")
    runtime = sagemakerruntime_backends[ACCOUNT][REGION]
    runtime.results_queue.append((answer, "text/csv", "main", ""))


def test_an_account_shows_its_stores_and_what_its_endpoint_says(
    account: FeatureStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    deploy("1,0.75\n")
    found = content(monkeypatch, ONLINE, "007", "--env", "prod")
    assert found["offline"] == found["online"] == {
        "chip": "007", "event_time": "2026-01-01T10:30:00.000Z", "adopted": "1", "age": "1.5",
        "is_cat": "1", "species": "cat",
    }  # fmt: skip
    assert found["model"] == {
        "version": 1, "where": "which the endpoint pets-prod serves", "label": 1.0,
        "probability": 0.75,
    }  # fmt: skip
    (asked,) = sagemakerruntime_backends[ACCOUNT][REGION].results.values()
    assert json.loads(base64.b64decode(next(iter(asked))))["Body"] == "1,1.5\n"  # in its order
    shown = record(monkeypatch, ONLINE, "007", "--env", "prod").stdout
    assert "kind" in shown and "species" not in shown


def test_an_account_is_shown_as_of_a_moment_and_without_an_endpoint(
    account: FeatureStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = content(monkeypatch, ONLINE, "007", "--env", "prod", "--as-of", "2025-12-31T00:00:00Z")
    assert (found["offline"]["age"], found["online"]["age"]) == ("1.0", "1.5")
    assert found["differences"] == ["event_time", "age"]
    assert found["no_model"] == "no endpoint serves a version"


@pytest.mark.parametrize(
    ("answer", "file", "reason"),
    [
        ("1\n", "model.json",
         f"s3://{BUCKET}/pets/executions/1/model.tar.gz: expected a model archive with "
         "code/columns.json"),
        ("no number\n", "code/columns.json", "could not convert string to float: 'no number'"),
    ],
)  # fmt: skip
def test_what_the_stores_have_is_shown_where_the_endpoint_does_not_answer(
    account: FeatureStore, monkeypatch: pytest.MonkeyPatch, answer: str, file: str, reason: str
) -> None:
    deploy(answer, file)
    found = content(monkeypatch, ONLINE, "007", "--env", "prod")
    assert found["offline"]["age"] == "1.5" and found["model"] is None
    assert found["no_model"] == f"the endpoint's version gave no answer: {reason}"


def test_a_record_is_deleted_in_every_store_of_an_account(
    account: FeatureStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = record(monkeypatch, ONLINE, "007", "--env", "prod", "--delete", "--yes")
    assert done.stdout.startswith("deleted as of 20")
    gone = record(monkeypatch, ONLINE, "007", "--env", "prod", status=2)
    assert f"in account {ACCOUNT}, neither offline nor online; `pipeline ingest FILE" in gone.stderr
    then = content(monkeypatch, ONLINE, "007", "--env", "prod", "--as-of", "2026-02-01T00:00:00Z")
    assert (then["offline"]["age"], then["online"]) == ("1.5", None)


@pytest.mark.parametrize(
    ("features", "said"),
    [
        ({"event_time": "observed"}, "event_time: expected 'event_time', which the feature group "),
        ({"event_time_type": "fractional"}, "event_time_type: expected 'string', which the "),
        ({"table": "elsewhere"}, "table: expected 'pets_prod', which the feature group pets-prod"),
        ({"online": True}, "online: expected 'false', which the feature group pets-prod has in"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("options", [(), ("--delete", "--yes")], ids=["show", "delete"])
def test_settings_that_the_group_does_not_have_are_named_before_it_is_queried(
    store: FeatureStore,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    features: dict[str, Any],
    said: str,
    options: tuple[str, ...],
) -> None:
    make_group(tmp_path, settings(), *ROWS)
    of = settings()
    of = dataclasses.replace(of, features=dataclasses.replace(of.features, **features))
    done = record(monkeypatch, of, "007", "--env", "prod", *options, status=2)
    assert done.stderr.startswith(f"pipeline: pipeline.toml [features] {said}")


@pytest.mark.parametrize("of", [ONLINE, settings()], ids=["online", "offline alone"])
def test_an_id_that_no_store_of_an_account_has_is_not_said_to_be_deleted(
    store: FeatureStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, of: Settings
) -> None:
    """The service itself takes the deletion of any id, a misspelt one too."""
    make_group(tmp_path, of, *ROWS)
    ingests.run(monkeypatch, of, tmp_path / "pets.csv")
    done = record(monkeypatch, of, "OO7", "--env", "prod", "--delete", "--yes", status=2)
    assert "no record 'OO7' as of 20" in done.stderr
    assert done.stdout == ""
    record(monkeypatch, of, "007", "--env", "prod", "--delete", "--yes")


def test_the_online_store_of_an_account_has_the_face_of_the_one_here(
    account: FeatureStore, tmp_path: Path
) -> None:
    group = ingesting.table(
        tmp_path / ".local", ONLINE, ONLINE.account_environment("prod"), tmp_path / "pets.csv"
    ).group
    runtime = boto3.client("sagemaker-featurestore-runtime", region_name=REGION)
    online = AccountOnlineStore(runtime, group)
    assert online.get(["nobody"]) == {}
    assert {i: r["age"] for i, r in online.get(["007", "nobody", "008"]).items()} == {
        "007": "1.5", "008": "12.0",
    }  # fmt: skip
    newer = {"chip": "007", "event_time": "2026-03-01T00:00:00.000Z", "age": "2.5"}
    assert online.put([newer]) == 1
    assert online.get(["007"]) == {"007": newer}
    assert online.delete("007", "2026-03-02T00:00:00.000Z")
    assert online.get(["007"]) == {}


def test_records_that_were_not_got_to_are_asked_for_again(
    account: FeatureStore, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    group = ingesting.table(
        tmp_path / ".local", ONLINE, ONLINE.account_environment("prod"), tmp_path / "pets.csv"
    ).group
    batch, asked = account.batch_get_record, list[list[str]]()

    def one_at_a_time(Identifiers: list[dict[str, Any]]) -> dict[str, Any]:
        (one,) = Identifiers
        first, *rest = one["RecordIdentifiersValueAsString"]
        asked.append([first, *rest])
        answer = dict(batch([{**one, "RecordIdentifiersValueAsString": [first]}]))
        left = [{**one, "RecordIdentifiersValueAsString": rest}] if rest else []
        return answer | {"UnprocessedIdentifiers": left}

    monkeypatch.setattr(account, "batch_get_record", one_at_a_time)
    runtime = boto3.client("sagemaker-featurestore-runtime", region_name=REGION)
    assert len(AccountOnlineStore(runtime, group).get(["007", "008"])) == 2
    assert asked == [["007", "008"], ["008"]]


def test_the_calls_of_a_record_are_those_of_the_table(
    account: FeatureStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    deploy("1,0.75\n")
    with recorded_calls(monkeypatch) as calls:
        record(monkeypatch, ONLINE, "007", "--env", "prod")
        record(monkeypatch, ONLINE, "007", "--env", "prod", "--delete", "--yes")
    assert calls == permissions.CALLS["record"].keys()
