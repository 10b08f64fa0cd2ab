"""A record that is divided into several own feature groups, here and in an account, and joined."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import boto3
import pyarrow.parquet as pq
import pytest

import test_ingest_account as ingests
from accounts import ACCOUNT, REGION, recorded_calls
from ninesteps.cli import account as account_commands
from ninesteps.errors import AccountError, SettingsError
from ninesteps.feature_store.ingest import tables
from ninesteps.feature_store.point_in_time import AS_OF
from ninesteps.feature_store.shared import bring
from ninesteps.infrastructure import (
    feature_groups,
    own_feature_group,
    permissions,
    policies,
    put_records,
)
from ninesteps.local.offline_store import run_query
from ninesteps.local.storage import Storage
from ninesteps.runs import ingesting
from ninesteps.settings.features import OwnedGroup, SharedGroup
from ninesteps.settings.settings import Settings
from ninesteps.step_code import queries
from pets import ROWS, raw_file
from pretend_account.feature_store import FeatureStore
from test_ingest_account import BUCKET, objects, run
from test_record import content, ingest, record

store, _pets = ingests.store, ingests._pets
"""The fixtures of an account with a Feature Store, and of pets."""

OWNED = {"vet": OwnedGroup(("age",)), "looks": OwnedGroup(("is_cat",))}
LATER = "007,1,2.5,2020-01-31,cat,2026-01-05T00:00:00Z"


def settings(**features: Any) -> Settings:
    """Pets, whose age and looks lie in groups of their own."""
    return ingests.settings(**{"owned": OWNED, **features})


def query(of: Settings, environment: str, as_of: str = "2026-12-31T00:00:00.000Z") -> str:
    """Step 1's query."""
    files = queries.files(of, of.environment(environment))
    return files["features.sql"].decode().replace(AS_OF, as_of)


def answer(store: FeatureStore, of: Settings) -> list[dict[str, Any]]:
    """What step 1's query gives in the account, less what the store adds."""
    names, rows = store._answer(query(of, "prod"), "sagemaker_featurestore")
    assert len(set(names)) == len(names)
    system = {"api_invocation_time", "write_time", "is_deleted", "year", "month", "day", "hour",
              "recency"}  # fmt: skip
    found = ({n: v for n, v in zip(names, row, strict=True) if n not in system} for row in rows)
    return sorted(found, key=lambda row: row["chip"])


def make_groups(folder: Path, of: Settings, *rows: str) -> None:
    """The feature groups of the account, as bootstrap makes them."""
    environment = of.account_environment("prod")
    file = raw_file(folder, *(rows or ROWS))
    read = ingesting.table(folder / ".local", of, environment, file)
    place = own_feature_group.Place(
        f"s3://{BUCKET}/pets/feature-store", f"arn:aws:kms:{REGION}:{ACCOUNT}:key/1",
        f"arn:aws:iam::{ACCOUNT}:role/pets-prod-features", {},
    )  # fmt: skip
    for part in read.every:
        clients = (boto3.client(service, region_name=REGION) for service in ("sagemaker", "glue"))
        own_feature_group.ensure(*clients, part.group, place, lambda line: True)


WHOLE = [
    {"chip": "007", "event_time": "2026-01-05T00:00:00.000Z", "adopted": 1, "species": "cat",
     "age": 2.5, "is_cat": 1},
    {"chip": "008", "event_time": "2026-01-02T00:00:00.000Z", "adopted": 0, "species": "dog",
     "age": 12.0, "is_cat": 0},
    {"chip": "1e5", "event_time": "2026-01-02T23:59:59.000Z", "adopted": 1, "species": "cat",
     "age": 0.25, "is_cat": 1},
]  # fmt: skip


# Here


def test_each_group_has_a_folder_and_the_query_joins_them_again(tmp_path: Path) -> None:
    read = ingest(tmp_path, settings(), *ROWS, LATER)
    columns = {}
    for part in read.every:
        (*_, file) = sorted(part.folder.rglob("*.parquet"))
        columns[part.group.name] = pq.ParquetFile(file).schema_arrow.names
    added = ["api_invocation_time", "write_time", "is_deleted"]
    assert columns == {
        "pets": ["chip", "event_time", "adopted", "species", *added],
        "pets-vet": ["chip", "event_time", "age", *added],
        "pets-looks": ["chip", "event_time", "is_cat", *added],
    }
    of = settings()
    features = of.features_of(of.environment())
    catalog = tables(features, read.ingested)
    assert [table for _, table in catalog] == ["pets", "pets_vet", "pets_looks"]
    storage = Storage(tmp_path / ".local" / "s3")
    run_query(query(of, "local"), features.database, catalog, storage, tmp_path)
    rows = pq.ParquetFile(tmp_path / "rows.parquet").read().sort_by("chip").to_pylist()
    assert [{name: row[name] for name in WHOLE[0]} for row in rows] == WHOLE


def test_a_feature_that_features_py_does_not_give_is_refused(tmp_path: Path) -> None:
    of = settings(owned={"vet": OwnedGroup(("age", "weight"))})
    with pytest.raises(SettingsError) as refused:
        ingest(tmp_path, of, *ROWS)
    assert str(refused.value).endswith(
        "[features.owned.vet] columns: expected stored names of features that features.py "
        "computes (adopted, age, is_cat, species), got 'weight'"
    )
    assert not [*(tmp_path / ".local").rglob("*.parquet")]


def test_another_division_is_another_table(tmp_path: Path) -> None:
    places = {
        ingest(tmp_path, settings(owned=owned), *ROWS).ingested.location
        for owned in ({}, OWNED, {"vet": OwnedGroup(("age", "is_cat"))})
    }
    assert len(places) == 3


def test_a_record_is_shown_and_deleted_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    of = settings(online=True)
    ingest(tmp_path, of, *ROWS)
    ingest(tmp_path, of, LATER, *ROWS[1:])
    found = content(monkeypatch, of, "007")
    whole = {name: str(value) for name, value in WHOLE[0].items()}
    assert found["offline"] == found["online"] == whole
    assert [*found["offline"]] == [*whole]  # as the query has them, the main group's first
    assert found["differences"] == []
    then = content(monkeypatch, of, "007", "--as-of", "2026-01-03T00:00:00Z")
    assert (then["offline"]["age"], then["online"]["age"]) == ("1.5", "2.5")
    record(monkeypatch, of, "007", "--delete", "--yes")
    assert content(monkeypatch, of, "007")["online"] is None


def test_another_repository_reads_one_of_them(tmp_path: Path) -> None:
    (tmp_path / "owner").mkdir()
    ingest(tmp_path / "owner", settings(), *ROWS)
    reader = ingests.settings(groups={"theirs": SharedGroup("pets-vet", ("age",), store="owner")})
    reader = dataclasses.replace(reader, root=tmp_path)
    ((_, place),) = bring(reader, reader.environment(), tmp_path / "s3").items()
    (file, *_) = Storage(tmp_path / "s3").path(place).rglob("*.parquet")
    assert "age" in pq.ParquetFile(file).schema_arrow.names
    assert "is_cat" not in pq.ParquetFile(file).schema_arrow.names

    wrong = SharedGroup("pets-teeth", ("age",), store="owner")
    with pytest.raises(SettingsError) as refused:
        of = dataclasses.replace(reader.features, groups={"theirs": wrong})
        bring(dataclasses.replace(reader, features=of), reader.environment(), tmp_path / "s3")
    assert str(refused.value).endswith(
        "[features.groups.theirs] group: expected a group that the owner has on this machine "
        "(pets, pets-vet, pets-looks), got 'pets-teeth'"
    )


# In an account


@pytest.mark.parametrize("options", [(), ("--bulk",)], ids=["records", "files"])
def test_an_ingest_fills_each_group_and_the_query_joins_them(
    store: FeatureStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...]
) -> None:
    of = settings(online=True)
    make_groups(tmp_path, of, *ROWS, LATER)
    assert {name: sorted(group.types) for name, group in store.groups.items()} == {
        "pets-prod": ["adopted", "chip", "event_time", "species"],
        "pets-prod-vet": ["age", "chip", "event_time"],
        "pets-prod-looks": ["chip", "event_time", "is_cat"],
    }
    with recorded_calls(monkeypatch) as calls:
        done = run(monkeypatch, of, tmp_path / "pets.csv", *options)
    assert calls <= permissions.CALLS["ingest"].keys()
    for name in store.groups:
        how = "rows put as files" if options else "records put"
        assert f"offline     4 {how} into {name}" in done.stdout
    assert answer(store, of) == WHOLE
    if not options:
        online = store.groups["pets-prod-vet"].online
        assert {chip: row["age"] for chip, row in online.items()} == {
            "007": "2.5", "008": "12.0", "1e5": "0.25",
        }  # fmt: skip


def test_a_second_pipeline_reads_one_of_them_in_the_account_as_of_its_own_moment(
    store: FeatureStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_groups(tmp_path, settings(), *ROWS, LATER)
    run(monkeypatch, settings(), tmp_path / "pets.csv")
    theirs = SharedGroup("pets-prod-vet", ("age",))
    reader = ingests.settings(group="strays", groups={"theirs": theirs})
    (tmp_path / "reader").mkdir()
    make_groups(tmp_path / "reader", reader, ROWS[0], "9,0,3,2020-01-31,cat,2026-01-01T00:00:00Z")
    run(monkeypatch, reader, tmp_path / "reader" / "pets.csv")
    feature_groups.check(
        boto3.client("sagemaker", region_name=REGION), reader, reader.account_environment("prod")
    )
    ages = [(row["chip"], row["age"], row["theirs_age"]) for row in answer(store, reader)]
    assert ages == [("007", 1.5, 2.5), ("9", 3.0, None)]
    before = query(reader, "prod", "2026-01-03T00:00:00.000Z")
    names, rows = store._answer(before, "sagemaker_featurestore")
    (first,) = (dict(zip(names, row, strict=True)) for row in rows if "007" in row)
    assert first["theirs_age"] == 1.5


def test_the_marker_is_written_when_all_groups_can_be_read(
    store: FeatureStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_groups(tmp_path, settings())
    asked = []
    start = store.start_query_execution

    def late(QueryString: str, **request: Any) -> dict[str, Any]:
        """The rows of the last group land after all others."""
        assert objects("pets/arrivals/") == {}
        asked.append(QueryString)
        looks = store.groups["pets-prod-looks"]
        kept, looks.buffer = looks.buffer, looks.buffer if len(asked) > 5 else []
        answered = start(QueryString=QueryString, **request)
        looks.buffer = [] if looks.buffer is kept else kept
        return answered

    monkeypatch.setattr(store, "start_query_execution", late)
    done = run(monkeypatch, settings(), tmp_path / "pets.csv")
    said = [line[:14] for line in done.stderr.splitlines() if "can be read" in line]
    assert said == ["3 of 3 rows ca", "3 of 3 rows ca", *["0 of 3 rows ca"] * 3, "3 of 3 rows ca"]
    ((_, marker),) = objects("pets/arrivals/").items()
    _, ((written,),) = store._answer(
        "SELECT max(write_time) FROM pets_prod_looks", "sagemaker_featurestore"
    )
    assert written.isoformat() <= json.loads(marker)["largest_write_time"].rstrip("Z")


def test_what_one_group_refused_is_put_there_alone_by_the_next_ingest(
    store: FeatureStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    of = settings()
    make_groups(tmp_path, of)
    store.refuses = lambda row: (
        "ValidationError" if row["chip"] == "008" and "age" in row else ""
    )  # fmt: skip
    done = run(monkeypatch, of, tmp_path / "pets.csv", status=1)
    assert "pipeline: AWS refused 1 of 9 records, so no marker was written" in done.stderr
    assert objects("pets/arrivals/") == {}
    store.land()
    assert [row["age"] for row in answer(store, of)] == [1.5, None, 0.25]

    put = []
    store.refuses = lambda row: put.append(sorted(row)) or ""  # type: ignore[func-returns-value]
    run(monkeypatch, of, tmp_path / "pets.csv")
    assert put == [["age", "chip", "event_time"]]
    assert [row["age"] for row in answer(store, of)] == [1.5, 12.0, 0.25]


def test_nothing_is_put_where_one_group_is_missing(
    store: FeatureStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_groups(tmp_path, settings())
    del store.groups["pets-prod-looks"]
    done = run(monkeypatch, settings(), tmp_path / "pets.csv", status=1)
    assert "pipeline: there is no feature group pets-prod-looks in" in done.stderr
    assert all(not group.buffer for group in store.groups.values())


def test_a_record_of_an_account_is_shown_and_deleted_whole(
    store: FeatureStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    of = settings(online=True)
    make_groups(tmp_path, of, *ROWS, LATER)
    run(monkeypatch, of, tmp_path / "pets.csv")
    found = content(monkeypatch, of, "007", "--env", "prod")
    assert found["offline"] == found["online"] == {n: str(v) for n, v in WHOLE[0].items()}
    record(monkeypatch, of, "007", "--env", "prod", "--delete", "--yes")
    store.land()
    assert [row["chip"] for row in answer(store, of)] == ["008", "1e5"]
    for group in store.groups.values():
        assert sorted(group.online) == ["008", "1e5"]


def test_bootstrap_makes_each_group(
    store: FeatureStore, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    of, session = settings(), boto3.Session(region_name=REGION)
    file, environment = raw_file(tmp_path, *ROWS), of.account_environment("prod")
    for part in ingesting.table(tmp_path / ".local", of, environment, file).every:
        group = part.group
        key = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/1"
        account_commands._make_feature_group(session, of, environment, group, key, yes=True)
    assert [*store.groups] == ["pets-prod", "pets-prod-vet", "pets-prod-looks"]
    assert (
        "features    pets-prod-vet: created\n            table sagemaker_featurestore.pets_p"
        in (capsys.readouterr().out)
    )


def test_publish_compares_each_group(
    store: FeatureStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    of = settings()
    make_groups(tmp_path, of)
    client, prod = boto3.client("sagemaker", region_name=REGION), of.account_environment("prod")
    for group in store.groups.values():
        group.statuses = ["Created"]
    feature_groups.check(client, of, prod)

    more = settings(owned={**OWNED, "vet": OwnedGroup(("age", "weight"))})
    with pytest.raises(AccountError) as refused:
        feature_groups.check(client, more, prod)
    assert str(refused.value) == (
        "the feature group pets-prod-vet has no 'weight': `pipeline bootstrap --env prod` adds new "
        "features"
    )
    other = settings(owned={**OWNED, "vet": OwnedGroup(("age",), table="teeth")})
    with pytest.raises(SettingsError, match=r"\[features.owned.vet\] table: expected 'pets_prod_v"):
        feature_groups.check(client, other, prod)


def test_the_roles_may_read_and_make_each_group() -> None:
    of = settings(groups={"theirs": SharedGroup("hr", ("salary",))})
    values = policies.feature_values(of, of.account_environment("prod"))
    own = ["pets-prod", "pets-prod-vet", "pets-prod-looks"]
    names = {key: [arn.rpartition("/")[2] for arn in values[key].split(",")]
             for key in ("groups", "read groups")}  # fmt: skip
    assert names == {"groups": own, "read groups": [*own, "hr"]}
    for key, others in (("tables", []), ("read tables", ["hr"])):
        arns = [arn.rpartition(":")[2] for arn in values[key].split(",")]
        tables = [*(name.replace("-", "_") for name in own), *others]
        assert arns[2:] == [f"table/sagemaker_featurestore/{table}" for table in tables]


def test_many_refused_records_of_one_group_stop_the_others(
    store: FeatureStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_groups(tmp_path, settings())
    monkeypatch.setattr(put_records, "MOST_REFUSED", 2)
    store.refuses = lambda row: "ValidationError"
    done = run(monkeypatch, settings(), tmp_path / "pets.csv", status=1)
    assert "the rest was not sent" in done.stderr
    assert "into pets-prod-vet" not in done.stdout
