"""`pipeline ingest --env`: what reaches an account's Feature Store, and when that is said.

The account is moto's with `pretend_account.feature_store`: what is put by PutRecord or as files is
read back by the query of step 1, in DuckDB, from the Parquet files in S3.
"""

from __future__ import annotations

import dataclasses
import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pandas as pd
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result
from moto import mock_aws

from accounts import ACCOUNT, REGION, recorded_calls, sign_in
from ninesteps.cli import here, main
from ninesteps.errors import AccountError, FeaturesError
from ninesteps.feature_store.ingest import Ingested
from ninesteps.feature_store.point_in_time import AS_OF, AS_OF_SECONDS, Source, as_of_query
from ninesteps.feature_store.records import FeatureGroup
from ninesteps.infrastructure import arrivals, own_feature_group, permissions, put_records
from ninesteps.repository import modules
from ninesteps.runs import ingesting
from ninesteps.settings import loading
from ninesteps.settings.environment import Environment
from ninesteps.settings.settings import Settings
from pets import HEADER, ROOT, ROWS, raw_file
from pets import settings as pets_settings
from pretend_account import feature_store
from pretend_account.feature_store import FeatureStore

BUCKET = f"pets-prod-{ACCOUNT}"


def pet_features(table: pd.DataFrame, categories: dict[str, tuple[str, ...]]) -> pd.DataFrame:
    return pd.DataFrame({"age": table["age"], "is_cat": (table["species"] == "cat").astype(int)})


def settings(event_time: str = "seen", **features: Any) -> Settings:
    """Pets with an account."""
    own = pets_settings(event_time)
    return dataclasses.replace(
        own,
        features=dataclasses.replace(own.features, **features),
        environments={"prod": Environment(ACCOUNT, REGION)},
    )


@pytest.fixture(autouse=True)
def _pets(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    team = modules.features(ROOT)
    monkeypatch.setattr(team, "features", pet_features)
    monkeypatch.setattr(team, "findings", lambda table: {})
    monkeypatch.setattr(here, "root", lambda: tmp_path)
    for module, seconds in ((own_feature_group, "POLL_SECONDS"), (arrivals, "POLL_SECONDS")):
        monkeypatch.setattr(module, seconds, 0.0)


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FeatureStore]:
    sign_in(monkeypatch, tmp_path)
    with mock_aws(), feature_store.taught(monkeypatch, REGION) as taught:
        where = {"LocationConstraint": REGION}
        boto3.client("s3", region_name=REGION).create_bucket(
            Bucket=BUCKET, CreateBucketConfiguration=where
        )
        yield taught


def make_group(folder: Path, of: Settings, *rows: str) -> FeatureGroup:
    """The feature group of the account, as bootstrap makes it."""
    environment = of.account_environment("prod")
    read = ingesting.table(folder / ".local", of, environment, raw_file(folder, *(rows or ROWS)))
    place = own_feature_group.Place(
        f"s3://{BUCKET}/pets/feature-store", f"arn:aws:kms:{REGION}:{ACCOUNT}:key/1",
        f"arn:aws:iam::{ACCOUNT}:role/pets-prod-features", {},
    )  # fmt: skip
    clients = (boto3.client(service, region_name=REGION) for service in ("sagemaker", "glue"))
    own_feature_group.ensure(*clients, read.group, place, lambda line: True)
    return read.group


def run(
    monkeypatch: pytest.MonkeyPatch, of: Settings, file: Path, *options: str, status: int = 0
) -> Result:
    monkeypatch.setattr(loading, "load", lambda root: of)
    monkeypatch.setattr(here, "_check_installed", lambda: None)
    done = CliRunner().invoke(main.main, ["ingest", str(file), "--env", "prod", *options])
    assert done.exit_code == status, done.output
    return done


def training_rows(store: FeatureStore, of: Settings) -> list[dict[str, Any]]:
    """What step 1's query gives as of now."""
    features = of.features_of(of.account_environment("prod"))
    source = Source(features.table, "chip", features.event_time, features.is_fractional)
    query = as_of_query(source).replace(AS_OF, "2026-12-31T00:00:00.000Z")
    names, rows = store._answer(query.replace(AS_OF_SECONDS, "1798675200"), features.database)
    return sorted((dict(zip(names, row, strict=True)) for row in rows), key=lambda r: r["chip"])


def objects(prefix: str) -> dict[str, bytes]:
    s3 = boto3.client("s3", region_name=REGION)
    items = s3.list_objects_v2(Bucket=BUCKET, Prefix=prefix).get("Contents", [])
    return {
        item["Key"]: s3.get_object(Bucket=BUCKET, Key=item["Key"])["Body"].read() for item in items
    }


def test_records_are_put_and_the_marker_is_written_when_they_can_be_read(
    store: FeatureStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_group(tmp_path, settings())
    store.landing = 2  # they are not there at the first two looks
    done = run(monkeypatch, settings(), tmp_path / "pets.csv")
    assert [line for line in done.stderr.splitlines() if "can be read" in line] == [
        "0 of 3 rows can be read (AWS: within 15 minutes)",
        "0 of 3 rows can be read (AWS: within 15 minutes)",
        "3 of 3 rows can be read (AWS: within 15 minutes)",
    ]
    ((key, content),) = objects("pets/arrivals/").items()
    marker = json.loads(content)
    assert marker["rows"] == 3
    rows = training_rows(store, settings())
    written = max(row["write_time"] for row in rows)
    assert written.isoformat() <= marker["largest_write_time"].rstrip("Z")
    assert f"marker      s3://{BUCKET}/{key}\n" in done.stdout
    assert "offline     3 records put into pets-prod in " in done.stdout
    assert [(r["chip"], r["event_time"], r["adopted"], r["age"], r["is_cat"], r["species"])
            for r in rows] == [
        ("007", "2026-01-01T10:30:00.000Z", 1, 1.5, 1, "cat"),
        ("008", "2026-01-02T00:00:00.000Z", 0, 12.0, 0, "dog"),
        ("1e5", "2026-01-02T23:59:59.000Z", 1, 0.25, 1, "cat"),
    ]  # fmt: skip


def test_an_account_gets_exactly_the_rows_that_this_machine_has(
    store: FeatureStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = (*ROWS, "009,0,,2020-01-31,cat,2026-01-03T00:00:00Z")
    make_group(tmp_path, settings(), *rows)
    run(monkeypatch, settings(), tmp_path / "pets.csv")
    own = ["api_invocation_time", "write_time", "year", "month", "day", "hour", "recency"]
    there = pd.DataFrame(training_rows(store, settings())).drop(columns=own)
    files = sorted((tmp_path / ".local").rglob("*.parquet"))
    here_ = pd.concat([pq.ParquetFile(file).read().to_pandas() for file in files])
    here_ = here_.drop(columns=own[:2]).sort_values("chip", ignore_index=True)
    pd.testing.assert_frame_equal(there, here_[list(there)], check_dtype=False)


@pytest.mark.parametrize("options", [(), ("--bulk",)], ids=["records", "files"])
def test_of_several_rows_of_one_moment_the_last_is_put_and_history_stays(
    store: FeatureStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...]
) -> None:
    of = settings(online=True)
    rows = (*ROWS, "007,0,3,2020-01-31,dog,2026-01-01T10:30:00Z",
            "008,1,13,2009-12-01,dog,2026-01-05T00:00:00Z")  # fmt: skip
    make_group(tmp_path, of, *rows)
    run(monkeypatch, of, tmp_path / "pets.csv", *options)
    found = [(row["chip"], row["age"]) for row in training_rows(store, of)]
    assert found == [("007", 3.0), ("008", 13.0), ("1e5", 0.25)]
    _, rows_there = store._answer("SELECT count(*) FROM pets_prod", "sagemaker_featurestore")
    assert rows_there == [(4,)]
    if not options:
        online = store.groups["pets-prod"].online
        assert {chip: record["age"] for chip, record in online.items()} == {
            "007": "3.0", "008": "13.0", "1e5": "0.25",
        }  # fmt: skip


def test_files_lie_by_the_hour_under_the_groups_key_with_the_types_of_awss_own_connector(
    store: FeatureStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_group(tmp_path, settings())
    done = run(monkeypatch, settings(), tmp_path / "pets.csv", "--bulk")
    assert "offline     3 rows put as files into pets-prod\n" in done.stdout
    group = store.groups["pets-prod"]
    prefix = group.place.removeprefix(f"s3://{BUCKET}/")
    files = objects(f"{prefix}/")
    assert sorted(key.removeprefix(prefix).rpartition("_")[0] for key in files) == [
        "/year=2026/month=01/day=01/hour=10/20260101T103000Z",
        "/year=2026/month=01/day=02/hour=00/20260102T000000Z",
        "/year=2026/month=01/day=02/hour=23/20260102T235959Z",
    ]
    file = pq.ParquetFile(io.BytesIO(next(iter(files.values()))))
    kinds = {c.name: c.physical_type for c in map(file.schema.column, range(len(file.schema)))}
    assert kinds == {
        "chip": "BYTE_ARRAY", "event_time": "BYTE_ARRAY", "adopted": "INT64", "age": "DOUBLE",
        "is_cat": "INT64", "species": "BYTE_ARRAY", "api_invocation_time": "INT96",
        "write_time": "INT96", "is_deleted": "BOOLEAN",
    }  # fmt: skip
    head = boto3.client("s3", region_name=REGION).head_object(Bucket=BUCKET, Key=next(iter(files)))
    assert head["ServerSideEncryption"] == "aws:kms"
    assert head["SSEKMSKeyId"].endswith(":key/1")


@pytest.mark.parametrize("options", [(), ("--bulk",)], ids=["records", "files"])
def test_moments_may_be_seconds_in_a_column_of_another_name(
    store: FeatureStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...]
) -> None:
    of = settings(event_time_type="fractional")
    of = dataclasses.replace(of, features=dataclasses.replace(of.features, event_time="moment"))
    make_group(tmp_path, of)
    run(monkeypatch, of, tmp_path / "pets.csv", *options)
    assert [row["moment"] for row in training_rows(store, of)] == [
        1767263400.0, 1767312000.0, 1767398399.0,
    ]  # fmt: skip


def test_refused_records_are_listed_and_the_next_ingest_puts_those_alone(
    store: FeatureStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_group(tmp_path, settings())
    store.refuses = lambda record: "ValidationError" if record["chip"] == "008" else ""
    done = run(monkeypatch, settings(), tmp_path / "pets.csv", status=1)
    assert done.stderr.splitlines()[-2:] == [
        "refused     008 of 2026-01-02T00:00:00.000Z: ValidationError: as a test has it",
        "pipeline: AWS refused 1 of 3 records, so no marker was written; all others are "
        "stored; the next ingest of this table puts only these",
    ]
    assert objects("pets/arrivals/") == {}

    put = []
    store.refuses = lambda record: put.append(record["chip"]) or ""  # type: ignore[func-returns-value]
    again = run(monkeypatch, settings(), tmp_path / "pets.csv")
    assert put == ["008"]
    assert "resumed     2 rows were there already\n" in again.stdout
    (content,) = objects("pets/arrivals/").values()
    assert json.loads(content)["rows"] == 3

    run(monkeypatch, settings(), tmp_path / "pets.csv")
    assert put == ["008"]  # all of it is in
    last = run(monkeypatch, settings(), tmp_path / "pets.csv", "--again")
    assert "3 of 3 rows can be read (AWS: within 15 minutes)\n" in last.stderr  # of 6 in all
    assert sorted(put) == ["007", "008", "008", "1e5"]


def test_a_record_refused_by_chance_is_put_at_the_second_try(
    store: FeatureStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_group(tmp_path, settings())
    tries: list[str] = []

    def once(record: dict[str, str]) -> str:
        tries.append(record["chip"])
        return "InternalFailure" if tries.count("008") == 1 and record["chip"] == "008" else ""

    store.refuses = once
    run(monkeypatch, settings(), tmp_path / "pets.csv")
    assert sorted(tries) == ["007", "008", "008", "1e5"]


def test_where_too_many_are_refused_the_rest_is_not_sent(
    store: FeatureStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [f"{n},{n % 2},1,2020-01-31,cat,2026-01-01T10:30:00Z" for n in range(200)]
    make_group(tmp_path, settings(), *rows)
    monkeypatch.setattr(put_records, "MOST_REFUSED", 60)
    tries: list[str] = []
    store.refuses = lambda record: tries.append(record["chip"]) or "ValidationError"  # type: ignore[func-returns-value]
    done = run(
        monkeypatch, settings(), tmp_path / "pets.csv", "--parallel", "1", "--json", status=1
    )
    content = json.loads(done.stdout)
    assert content["is_stopped"] and len(content["refused"]) == 100
    assert len(tries) < 200
    store.refuses = lambda record: ""
    content = json.loads(run(monkeypatch, settings(), tmp_path / "pets.csv", "--json").stdout)
    assert content["put"] == 200


def test_what_concerns_every_record_ends_the_ingest_with_a_sentence(
    store: FeatureStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_group(tmp_path, settings())
    store.refuses = lambda record: "AccessDeniedException"
    done = run(monkeypatch, settings(), tmp_path / "pets.csv", status=1)
    assert done.stderr.splitlines()[-1].startswith(
        "pipeline: AWS refused PutRecord: AccessDeniedException: as a test has it; README.md lists"
    )


def test_rows_of_files_are_waited_for_by_the_clock_that_stamps_them(
    store: FeatureStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """This machine's: the service's, an hour ahead, would have none of them arrive."""
    make_group(tmp_path, settings())
    ahead = datetime.now(UTC) + timedelta(hours=1)
    monkeypatch.setattr(arrivals, "service_time", lambda answer: ahead)
    monkeypatch.setattr(arrivals, "MOST_SECONDS", -1.0)
    run(monkeypatch, settings(), tmp_path / "pets.csv", "--bulk")
    (content,) = objects("pets/arrivals/").values()
    assert json.loads(content)["rows"] == 3


def test_rows_that_never_land_leave_no_marker(
    store: FeatureStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_group(tmp_path, settings())
    store.landing = 99
    monkeypatch.setattr(arrivals, "MOST_SECONDS", -1.0)
    done = run(monkeypatch, settings(), tmp_path / "pets.csv", status=1)
    assert (
        "expected 3 rows to be readable in pets_prod within -0 minutes, got 0; the rows are "
        "stored, but no marker was written"
    ) in done.stderr
    assert objects("pets/arrivals/") == {}
    store.landing = 0
    run(monkeypatch, settings(), tmp_path / "pets.csv")  # which puts nothing, and marks it
    assert len(objects("pets/arrivals/")) == 1
    assert len(training_rows(store, settings())) == 3


def test_without_a_marker_nothing_is_waited_for(
    store: FeatureStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_group(tmp_path, settings())
    done = run(monkeypatch, settings(), tmp_path / "pets.csv", "--no-marker")
    assert "marker      not written\n" in done.stdout
    assert store.queries == []
    assert objects("pets/arrivals/") == {}


def test_the_names_that_columns_are_shown_under_lie_beside_the_rows(
    store: FeatureStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    of = settings()
    of = dataclasses.replace(of, data=dataclasses.replace(of.data, stored={"species": "kind"}))
    make_group(tmp_path, of)
    run(monkeypatch, of, tmp_path / "pets.csv")
    place = store.groups["pets-prod"].place.removeprefix(f"s3://{BUCKET}/").removesuffix("/data")
    summary = Ingested.from_json(json.loads(objects(place)[f"{place}/ingested.json"]))
    assert summary.names == {"kind": "species"}
    assert training_rows(store, of)[0]["kind"] == "cat"


def test_a_table_that_breaks_its_contract_is_refused_before_anything_is_sent(
    store: FeatureStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with recorded_calls(monkeypatch) as calls:
        file = raw_file(tmp_path, *ROWS, "9,1,old,,cat,2026-01-01T10:30:00Z")
        done = run(monkeypatch, settings(), file, status=2)
    assert "'age': expected a number" in done.stderr
    assert calls == set()


def test_a_group_that_is_missing_or_lacks_a_feature_is_a_sentence(
    store: FeatureStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = run(monkeypatch, settings(), raw_file(tmp_path, *ROWS), status=1)
    assert done.stderr.splitlines()[-1] == (
        f"pipeline: there is no feature group pets-prod in {REGION} of account {ACCOUNT}; "
        "`pipeline bootstrap --env prod` creates it"
    )
    make_group(tmp_path, settings())

    def more(table: pd.DataFrame, categories: dict[str, tuple[str, ...]]) -> pd.DataFrame:
        return pet_features(table, categories).assign(new=1)

    monkeypatch.setattr(modules.features(ROOT), "features", more)
    file = raw_file(tmp_path, *ROWS, "010,0,12,2009-12-01,dog,2026-01-02T00:00:00Z")
    done = run(monkeypatch, settings(), file, status=1)
    assert done.stderr.splitlines()[-1] == (
        "pipeline: the feature group pets-prod has no 'new': `pipeline bootstrap --env prod` adds "
        "new features"
    )
    assert store.groups["pets-prod"].buffer == []


def test_the_groups_type_decides_how_a_number_is_written(
    store: FeatureStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A feature of whole numbers is one of fractions in a table in which one is missing."""
    of = settings()

    def whole(table: pd.DataFrame, _: object) -> pd.DataFrame:
        return pd.DataFrame({"age": table["age"].astype(int)})

    def missing(table: pd.DataFrame, _: object) -> pd.DataFrame:
        return pd.DataFrame({"age": table["age"].round()}).mask(table["age"] > 10)

    monkeypatch.setattr(modules.features(ROOT), "features", whole)
    make_group(tmp_path, of)
    monkeypatch.setattr(modules.features(ROOT), "features", missing)
    file = raw_file(tmp_path, *ROWS, "011,0,7,2009-12-01,dog,2026-01-02T00:00:00Z")
    with pytest.raises(AccountError, match="expected 'age' to be Fractional, got Integral"):
        put(tmp_path, of, file)
    group = FeatureGroup(of.features_of(of.account_environment("prod")), "chip",
                         {"chip": "String", "event_time": "String", "age": "Integral"})  # fmt: skip
    read = ingesting.table(tmp_path / ".local", of, of.account_environment("prod"), file)
    records = [record for rows in read.rows() for record in group.records(group.cast(rows))]
    assert {record["chip"]: record.get("age") for record in records} == {
        "007": "2", "008": None, "1e5": "0", "011": "7",
    }  # fmt: skip


def put(folder: Path, of: Settings, file: Path) -> None:
    environment = of.account_environment("prod")
    read = ingesting.table(folder / ".local", of, environment, file)

    class Silent:
        def putting(self, done: int, of: int, rate: float) -> None: ...

        def waiting(self, readable: int, of: int) -> None: ...

    ingesting.put_into_account(
        folder / ".local", of, environment, read, ingesting.Options(), Silent()
    )


def test_values_that_a_groups_type_has_not_are_refused() -> None:
    group = FeatureGroup(settings().features.named("pets"), "chip",
                         {"chip": "String", "event_time": "String", "age": "Integral"})  # fmt: skip
    frame = pd.DataFrame({"chip": ["1"], "event_time": ["2026-01-01T00:00:00.000Z"], "age": [1.5]})
    import pyarrow as pa

    with pytest.raises(FeaturesError, match="'age': expected integral values, as the feature"):
        group.cast(pa.Table.from_pandas(frame))


def test_the_calls_of_an_ingest_are_those_of_the_table(
    store: FeatureStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_group(tmp_path, settings())
    with recorded_calls(monkeypatch) as calls:
        run(monkeypatch, settings(), tmp_path / "pets.csv")
        run(monkeypatch, settings(), tmp_path / "pets.csv", "--bulk", "--again")
    assert calls == permissions.CALLS["ingest"].keys()


def test_options_of_an_account_are_refused_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loading, "load", lambda root: settings())
    done = CliRunner().invoke(main.main, ["ingest", str(raw_file(tmp_path, *ROWS)), "--bulk"])
    assert done.exit_code == 2
    assert "--bulk is for an account: expected --env NAME too" in done.output


def test_here_the_newest_record_of_each_id_is_online_if_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = raw_file(tmp_path, *ROWS, "008,1,13,2009-12-01,dog,2026-01-05T00:00:00Z")
    assert HEADER
    for is_on, line in ((False, "off: [features] online is false"), (True, "3 records put")):
        of = settings(online=is_on)
        monkeypatch.setattr(loading, "load", lambda root, of=of: of)
        done = CliRunner().invoke(main.main, ["ingest", str(file)])
        assert done.exit_code == 0, done.output
        assert f"online      {line}\n" in done.stdout
        (where,) = [line for line in done.stdout.splitlines() if line.startswith("offline")]
        assert any((tmp_path / where.removeprefix("offline").strip()).rglob("*.parquet"))
    again = CliRunner().invoke(main.main, ["ingest", str(file)]).stdout
    assert "online      0 records put; 3 were there with the same or a later event time\n" in again
    read = ingesting.table(tmp_path / ".local", settings(), settings().environment(), file)
    found = ingesting.online_store(tmp_path / ".local", read.group).get(["007", "008"])
    assert {chip: record["age"] for chip, record in found.items()} == {"007": "1.5", "008": "13.0"}


def test_an_ingest_after_one_that_waited_in_vain_waits_for_the_same_rows(
    store: FeatureStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It counts rows since that one began: those of older tables are not taken for them."""
    make_group(tmp_path, settings())
    patience = arrivals.MOST_SECONDS
    monkeypatch.setattr(arrivals, "MOST_SECONDS", -1.0)
    asked = set()
    for _ in range(2):
        store.landing = 99
        done = run(monkeypatch, settings(), tmp_path / "pets.csv", status=1)
        assert (
            "got 0; the rows are stored, but no marker was written: ingest the table" in done.stderr
        )
        asked.add(store.queries[-1])
    (query,) = asked
    assert "WHERE api_invocation_time >= timestamp" in query
    monkeypatch.setattr(arrivals, "MOST_SECONDS", patience)
    store.landing = 2
    run(monkeypatch, settings(), tmp_path / "pets.csv")
    (content,) = objects("pets/arrivals/").values()
    assert json.loads(content)["rows"] == 3
