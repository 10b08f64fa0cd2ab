"""A query of the offline store: rows of the one database, or a sentence that says what is wrong."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import duckdb
import pytest

from ninesteps.errors import StepError
from ninesteps.local.offline_store import run_query
from ninesteps.local.storage import Storage
from small_definitions import BUCKET

TABLES = {
    ("store", "churn"): f"{BUCKET}/churn/data",
    ("store", "nowhere"): f"{BUCKET}/nowhere",
    ("other", "secrets"): f"{BUCKET}/churn/data",
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A table in the offline store's layout: two partitions, the second with one column more.

    It lies below a folder whose name would be a pattern, if DuckDB took it for one.
    """
    root = tmp_path / "mine [1] it's"
    for hour, columns in {"07": "1 AS id", "11": "2 AS id, 0.5 AS rate"}.items():
        folder = root / f"s3/bucket/churn/data/year=2026/hour={hour}"
        folder.mkdir(parents=True)
        duckdb.sql(f"SELECT {columns}").write_parquet(str(folder / "rows.parquet"))
    return root


def queried(root: Path, query: str, database: str = "store") -> list[tuple[object, ...]]:
    catalog = {key: uri for key, uri in TABLES.items() if key[1] != "nowhere"}
    (root / "out").mkdir()
    run_query(query, database, catalog, Storage(root / "s3"), root / "out")
    (rows,) = (root / "out").glob("*.parquet")
    return duckdb.read_parquet([str(rows)]).fetchall()  # in a list no name is a pattern


def test_partitions_are_columns_of_text_and_columns_are_matched_by_name(root: Path) -> None:
    rows = queried(root, 'SELECT id, rate, "hour" FROM "churn" ORDER BY id')
    assert [tuple(map(str, row)) for row in rows] == [("1", "None", "07"), ("2", "0.5", "11")]


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("SELECT * FROM customers", "the query failed: .*Table with name customers does not exist"),
        ("SELECT * FROM secrets", "the query failed: .*secrets does not exist"),
        ("SELECT colour FROM churn", "the query failed: .*colour"),
        ("SELECT FROM WHERE", "the query failed: .*syntax error"),
    ],
)
def test_a_query_that_fails_is_one_sentence(root: Path, query: str, words: str) -> None:
    with pytest.raises(StepError, match=words) as failed:
        queried(root, query)
    assert "\n" not in str(failed.value)


def test_a_table_without_files_is_one_sentence(root: Path) -> None:
    (root / "out").mkdir()
    with pytest.raises(StepError, match=r"the query failed: .*No files found"):
        run_query("SELECT 1", "store", TABLES, Storage(root / "s3"), root / "out")


@pytest.mark.skipif(sys.platform == "win32", reason="names that Windows does not have")
@pytest.mark.parametrize("name", ["back\\slash", "[a]*?{b}", "quo'te", "new\nline"])
def test_a_table_lies_in_a_folder_of_any_name(root: Path, tmp_path: Path, name: str) -> None:
    shutil.copytree(root, tmp_path / name)
    assert queried(tmp_path / name, "SELECT count(*) AS n FROM churn")
