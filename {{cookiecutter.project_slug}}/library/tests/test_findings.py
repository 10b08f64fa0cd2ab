"""What a person is told of a run's data: which summary is a run's, and how it is said."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from ninesteps.feature_store import findings
from ninesteps.feature_store.ingest import Ingested, ingest, summary_of
from ninesteps.settings.environment import Environment
from pets import ROWS, raw_file, settings

TABLE = Ingested("s3://b/data", "2026", 10, 9, {"missing age": 2}, used=7)


def test_the_summary_of_a_runs_table_is_found_by_its_catalog(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ninesteps.repository import modules

    team = modules.features(settings().root)
    monkeypatch.setattr(team, "features", lambda table, _: table[["age"]])
    monkeypatch.setattr(team, "findings", lambda table: {})
    s3 = tmp_path / "s3"
    made = ingest(raw_file(tmp_path, *ROWS), settings(), Environment("1" * 12, "eu-west-1"), s3)
    assert summary_of([("store", "pets", made.location)], s3) == made
    assert summary_of([("store", "pets", "s3://bucket/elsewhere")], s3) is None
    assert summary_of([], s3) is None


def test_the_summary_of_an_earlier_and_of_a_later_version_is_read(tmp_path: Path) -> None:
    earlier = {"location": "x", "latest": "2026", "read": 5, "kept": 4, "found": {}}
    (tmp_path / "group/data").mkdir(parents=True)
    for content in (earlier, {**earlier, "something_new": 1}):
        (tmp_path / "group/ingested.json").write_text(json.dumps(content), "utf-8")
        found = summary_of([("store", "pets", "s3://group/data")], tmp_path)
        assert found == Ingested("x", "2026", 5, 4, {})
    assert found and findings.of_table(found) == "5 rows read, 4 kept"


def test_rows_used_are_told_as_of_the_newest_event_alone() -> None:
    assert findings.of_table(TABLE) == "10 rows read, 7 used; 2 missing age"
    assert findings.of_table(TABLE, is_latest=False) == "10 rows read, 9 kept; 2 missing age"
    assert list(findings.counts(TABLE)) == ["rows read", "rows used", "missing age"]


@pytest.mark.parametrize(
    ("metrics", "is_said"),
    [({"auc": 0.9951}, True), ({"auc": 0.995}, False), ({"r2": 0.9995}, True),
     ({"r2": 0.99, "accuracy": 1.0}, False), ({"auc": None}, False), ({}, False)],
)  # fmt: skip
def test_a_metric_that_is_too_good_is_said(metrics: dict[str, float | None], is_said: bool) -> None:
    assert bool(findings.of_metrics(metrics)) == is_said


@pytest.mark.parametrize("content", [None, b"", b"{", b"[]", b"\xff"])
def test_findings_that_cannot_be_read_say_nothing(content: bytes | None) -> None:
    assert findings.remarks(None, findings.read(content), {}) == []


def test_a_column_that_is_named_itself_is_not_named_by_its_features_too() -> None:
    splits = {"suspicious_features": {"alive=yes": 1.0, "alive=no": 1.0, "size": 0.995}}
    table = replace(TABLE, suspicious={"alive": 1.0})
    said = findings.remarks(table, splits, {})
    assert [sentence.split()[0] for sentence in said] == ["'size'", "'alive'"]
