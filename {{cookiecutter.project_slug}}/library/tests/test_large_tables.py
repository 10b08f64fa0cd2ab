"""A table that is read and written part by part gives the same records, counts and refusals."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import pytest

from ninesteps.errors import FeaturesError, RawTableError
from ninesteps.feature_store import doubts, write
from ninesteps.feature_store.ingest import Ingested, ingest
from ninesteps.feature_store.reading.columns import Columns
from ninesteps.repository import modules
from ninesteps.settings.data import Column, Quality
from ninesteps.settings.environment import Environment
from ninesteps.settings.settings import Settings
from pets import HEADER, ROOT, changed, raw_file, settings

ENVIRONMENT = Environment("111122223333", "eu-west-1")
AT_ONCE = (1, 2, 7)
OF_THE_CALL = ["api_invocation_time", "write_time"]


def pet_features(table: pd.DataFrame, categories: dict[str, tuple[str, ...]]) -> pd.DataFrame:
    return pd.DataFrame({
        "age": table["age"], "born": (table["born"] - pd.Timestamp("2020-01-01")).dt.days,
        **{f"is_{kind}": (table["species"] == kind).astype(int) for kind in categories["species"]},
    }, index=table.index)  # fmt: skip


@pytest.fixture(autouse=True)
def team(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The repository's module of features, with those of pets in it."""
    module = modules.features(ROOT)
    monkeypatch.setattr(module, "features", pet_features)
    old = lambda table: {"old pets": int((table["age"] > 10).sum())}  # noqa: E731
    monkeypatch.setattr(module, "findings", old)
    return module


def rows(count: int = 40) -> list[str]:
    """Rows of 15 pets over three days: some repeated, some without a value, some unreadable."""
    source = np.random.default_rng(7)
    lines = []
    for number in range(count):
        chip = f"{source.integers(15)}.0" if number % 9 == 4 else f"{source.integers(15)}"
        age = "" if number % 11 == 3 else f"{source.integers(20)}.5"
        born = ("2020-01-31", "soon", "", "9999-12-31")[number % 4]
        species = ("cat", "dog", "newt", "")[source.integers(4)]
        seen = f"2026-01-0{source.integers(1, 4)}T0{source.integers(3)}:00:00Z"
        adopted = "" if number % 13 == 5 else f"{number % 2}"
        lines.append(f"{chip},{adopted},{age},{born},{species},{seen if number % 17 else ''}")
    return lines


SETTINGS = {
    "a history": settings("seen"),
    "a snapshot": settings(),
    "facets": settings("seen", facets="age>=2, born, species"),
    "a regression": changed(settings("seen"), project={"problem": "regression"}),
    "numbered": changed(settings("seen"), data={"number_rows": True, "record_id": "row"}),
    "by text": changed(settings("seen"), data={"positive": "1"}),
    "undated": changed(settings("seen"), data={"missing": ("9999-12-31", "7")}),
}


def stored(folder: Path, ingested: Ingested) -> tuple[pa.Table, list[str]]:
    """All records in the order in which they were put, and the files' folders."""
    location = folder / "s3" / ingested.location.removeprefix("s3://")
    files = sorted(location.rglob("*.parquet"))
    table = pa.concat_tables([pq.ParquetFile(file).read() for file in files])
    folders = [f"{f.parent.relative_to(location)}/{f.name[:17]}" for f in files]
    return table.sort_by("api_invocation_time"), folders


def summary(ingested: Ingested) -> dict[str, Any]:
    return {n: v for n, v in dataclasses.asdict(ingested).items() if n != "location"}


def same_in_parts(folder: Path, file: Path, of: Settings) -> None:
    """Check that parts of any size make no difference, and leave nothing beside the records."""
    whole = ingest(file, of, ENVIRONMENT, folder / "s3")
    records, folders = stored(folder, whole)
    for at_once in AT_ONCE:
        own = folder / str(at_once)
        parts = ingest(file, of, ENVIRONMENT, own / "s3", rows_at_once=at_once)
        assert summary(parts) == summary(whole)
        of_parts, own_folders = stored(own, parts)
        assert own_folders == folders
        assert of_parts.drop(OF_THE_CALL).equals(records.drop(OF_THE_CALL))
        called = [table["api_invocation_time"].to_pylist() for table in (of_parts, records)]
        first, other = ([str(moment - times[0]) for moment in times] for times in called)
        assert first == other
        assert set(of_parts["write_time"].to_pylist()) == {max(called[0]) + pd.Timedelta("1us")}
        assert {path.name for path in (own / "s3").rglob("*") if path.is_file()} == {
            "ingested.json", *(p.name for p in (own / "s3").rglob("*.parquet")),
        }  # fmt: skip
        assert not list((own / "s3").rglob("*.arrow"))


@pytest.mark.parametrize("of", SETTINGS.values(), ids=SETTINGS.keys())
def test_parts_of_any_size_give_the_same_store_and_summary(tmp_path: Path, of: Settings) -> None:
    same_in_parts(tmp_path, raw_file(tmp_path, *rows()), of)


@pytest.mark.parametrize("kind", ["parquet", "feather"])
def test_of_typed_columns_too(tmp_path: Path, kind: str) -> None:
    cells = [line.split(",") for line in rows()]
    columns = dict(zip(HEADER.split(","), map(list, zip(*cells, strict=True)), strict=True))
    table = pa.table({
        **columns, "age": [float(age) if age else None for age in columns["age"]],
        "adopted": [int(label) if label else None for label in columns["adopted"]],
        "species": pa.array(columns["species"]).dictionary_encode(),
    })  # fmt: skip
    file = tmp_path / f"pets.{kind}"
    if kind == "parquet":
        pq.write_table(table, file, row_group_size=9)
    else:
        pyarrow.feather.write_feather(table, file, chunksize=9)
    same_in_parts(tmp_path, file, settings("seen"))


def test_few_rows_wait_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(write, "MOST_WAITING", 3)
    same_in_parts(tmp_path, raw_file(tmp_path, *rows()), settings("seen"))


def test_a_feature_that_is_a_whole_number_in_some_rows_alone_is_no_whole_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, team: Any
) -> None:
    def features(table: pd.DataFrame, _: dict[str, tuple[str, ...]]) -> pd.DataFrame:
        ages = table["age"].fillna(0) * 2
        halves = table["age"] if table["age"].isna().any() else ages.astype("int64")
        return pd.DataFrame({"ages": ages.astype("int64"), "halves": halves}, index=table.index)

    monkeypatch.setattr(team, "features", features)
    ages = ["1", "2", "3", "", "5", "6"]
    lines = [f"{n},{n % 2},{age},2020-01-31,cat," for n, age in enumerate(ages)]
    ingested = ingest(
        raw_file(tmp_path, *lines), settings(), ENVIRONMENT, tmp_path / "s3", rows_at_once=2
    )
    table, _ = stored(tmp_path, ingested)
    assert [table.schema.field(n).type for n in ("ages", "halves")] == [pa.int64(), pa.float64()]
    assert table["halves"].to_pylist() == [2, 4, 3, None, 10, 12]
    assert table["ages"].to_pylist() == [2, 4, 6, 0, 10, 12]


def test_features_that_differ_from_part_to_part_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, team: Any
) -> None:
    monkeypatch.setattr(team, "features", lambda t, _: pd.get_dummies(t["species"], dtype=int))
    lines = [f"{n},{n % 2},1,2020-01-31,{('cat', 'dog')[n // 2]}," for n in range(4)]
    with pytest.raises(FeaturesError) as refused:
        ingest(raw_file(tmp_path, *lines), settings(), ENVIRONMENT, tmp_path / "s3", rows_at_once=2)
    assert str(refused.value) == (
        "feature_store/features.py: expected the same features of any rows, in the same order, "
        "got 'cat', 'dog' of some rows alone"
    )
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["pets.csv"]


WRONG = {
    "a word among numbers": ([*rows(9)[:8], "9,1,old,2020-01-31,cat,"], {}),
    "a label": ([*rows(9)[:8], "9,2,1,2020-01-31,cat,"], {}),
    "unreadable": (rows(), {"quality": Quality(unreadable=0.1, dropped=1)}),
    "left out": (rows(), {"quality": Quality(unreadable=1, dropped=0.1)}),
    "of one class": ([f"{n},1,1,2020-01-31,cat,2026-01-01T00:00:00Z" for n in range(9)], {}),
    "ragged": ([*rows(9), "9,1"], {}),
    "empty": ([f"{n},{n % 2},,2020-01-31,cat,2026-01-01T00:00:00Z" for n in range(9)], {}),
    "several lines": ([*rows(9), '"a\nb",1,1,2020-01-31,cat,2026-01-01T00:00:00Z'], {}),
}


@pytest.mark.parametrize(("lines", "data"), WRONG.values(), ids=WRONG.keys())
def test_a_table_is_refused_with_the_same_sentence(
    tmp_path: Path, lines: list[str], data: dict[str, Any]
) -> None:
    file, of = raw_file(tmp_path, *lines), changed(settings("seen"), data=data)
    sentences = set()
    for at_once in (None, *AT_ONCE):
        with pytest.raises(RawTableError) as refused:
            ingest(file, of, ENVIRONMENT, tmp_path / "s3", rows_at_once=at_once)
        sentences.add(str(refused.value))
        assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["pets.csv"]
    assert len(sentences) == 1


@pytest.mark.parametrize("each", [2, 4])
def test_persons_are_found_among_some_of_the_rows_and_counted_among_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, each: int
) -> None:
    days = [f"2026-01-{n + 1:02}T00:00:00Z" for n in range(each)]
    lines = [f"{n},{n % 2},{n % 7},2020-01-31,cat,{days[n % each]},o{n // each}"
             for n in range(20_000)]  # fmt: skip
    file = raw_file(tmp_path, *lines, header=f"{HEADER},owner")
    of = settings("seen", owner=Column("text"))
    whole = ingest(file, of, ENVIRONMENT, tmp_path / "s3").crossing
    monkeypatch.setattr(doubts, "MOST_ROWS", 2_000)
    drawn = ingest(file, of, ENVIRONMENT, tmp_path / "parts" / "s3", rows_at_once=999).crossing
    assert drawn == whole
    assert whole["owner"] > 1_000


def test_columns_on_disk_are_read_as_they_were_put(tmp_path: Path) -> None:
    texts = pa.chunked_array([["a", None], ["b"], ["c", "d"]])
    for folder in (None, tmp_path / "columns"):
        columns = Columns(folder, 2)
        columns.put("texts", texts)
        assert columns.whole("texts").to_pylist() == texts.to_pylist()
        parts = [columns.part("texts", number).to_pylist() for number in range(3)]
        assert parts == [["a", None], ["b", "c"], ["d"]]
        batches = pa.table({"0": texts, "1": [1, 2, 3, 4, 5]}).to_batches(max_chunksize=1)
        assert columns.fill(batches) == 5
        assert columns.whole("0").to_pylist() == texts.to_pylist()
        assert columns.whole("1").to_pylist() == [1, 2, 3, 4, 5]
    assert sorted(path.name for path in (tmp_path / "columns").iterdir()) == ["0.arrow", "1.arrow"]
