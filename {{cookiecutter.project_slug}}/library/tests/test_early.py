"""A ruined table, and features that cannot be made of it, are seen before a run."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from ninesteps.cli import definition
from ninesteps.errors import FeaturesError, RawTableError
from ninesteps.feature_store.raw_table import read_raw_table
from ninesteps.feature_store.write import try_features
from ninesteps.repository import modules
from ninesteps.runs import checked
from ninesteps.settings.settings import Settings
from pets import HEADER, ROWS, changed, raw_file, settings

NAMES = "got 'chip:adopted:age:born:species:seen'"


@pytest.mark.parametrize(
    ("header", "rows", "said"),
    [
        (HEADER.replace(",", ":"), [r.replace(",", ":") for r in ROWS], f"line 1: expected names "
         f"with a comma, semicolon, tab or bar between them, {NAMES}"),
        ("# exported today", [HEADER, *ROWS], "line 1: expected the names of the columns, got "
         "'# exported today': the names are on line 2: delete the lines above it"),
        ("Pets;;;", [HEADER.replace(",", ";")], "the names are on line 2: delete the lines above"),
        (ROWS[0], ROWS[1:], "expected a first line that names the columns, got values ("
         "'2020-01-31', '2026-01-01T10:30:00Z', '007'): put a line of names above it"),
        (HEADER.replace("born", "Born"), ROWS, "seen; did you mean 'Born'?"),
        (HEADER.replace("species", "specie"), ROWS, "which [bias] needs for its facets and groups, "
         "got chip, adopted, age, born, specie, seen; did you mean 'specie'?"),
        (HEADER.replace("species", "kind").replace("age", "x"), ROWS,
         "expected a column 'age', 'species', got chip, adopted, x, born, kind, seen"),
    ],
)  # fmt: skip
def test_a_first_line_without_the_names_says_what_it_is(
    tmp_path: Path, header: str, rows: list[str], said: str
) -> None:
    with pytest.raises(RawTableError) as refused:
        read_raw_table(raw_file(tmp_path, *rows, header=header), settings())
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


def kinds_of_file(folder: Path, table: pd.DataFrame) -> list[Path]:
    """The same table in each kind of file."""
    table.to_csv(folder / "pets.csv", index=False)
    table.to_csv(folder / "pets.csv.gz", index=False)
    table.to_json(folder / "pets.jsonl", orient="records", lines=True)
    table.to_parquet(folder / "pets.parquet", row_group_size=2)
    table.to_feather(folder / "pets.feather")
    return sorted(folder.glob("pets.*"))


def test_the_first_rows_are_read_of_each_kind_of_file(tmp_path: Path) -> None:
    rows = [row.split(",") for row in (*ROWS, *ROWS)]
    table = pd.DataFrame(rows, columns=HEADER.split(","))
    table["chip"] += [str(n) for n in range(len(table))]
    files = kinds_of_file(tmp_path, table)
    assert len(files) == 5
    for file in files:
        read = read_raw_table(file, settings(), most_rows=3)
        assert (read.read, read.kept, read.doubts) == (3, 3, []), file
        assert read_raw_table(file, settings(), most_rows=10).read == 6


@pytest.mark.parametrize(
    ("ruin", "doubt"),
    [
        (lambda row: row.replace(",0,", ",1,", 1), "expected both 0 and 1 to learn from"),
        (lambda row: ",".join([*row.split(",")[:3], "", *row.split(",")[4:]]),
         "'born': expected values, got none"),
        (lambda row: row.replace("cat", "bird"), "expected one of the values in [data.columns]"),
    ],
    ids=["one class", "an empty column", "unknown values"],
)  # fmt: skip
def test_what_may_be_otherwise_further_down_is_a_doubt_of_a_sample_alone(
    tmp_path: Path, ruin: Callable[[str], str], doubt: str
) -> None:
    strict = changed(settings(), data={"quality": type(settings().data.quality)()})
    file = raw_file(tmp_path, *map(ruin, ROWS))
    with pytest.raises(RawTableError, match=doubt.replace("[", r"\[")):
        read_raw_table(file, strict)
    sample = read_raw_table(file, strict, most_rows=3)
    assert len(sample.doubts) == 1
    assert doubt in sample.doubts[0]


def test_a_column_of_which_no_value_of_the_sample_can_be_read_is_refused(tmp_path: Path) -> None:
    rows = [row.replace("-", "/") for row in ROWS]
    with pytest.raises(RawTableError, match="expected dates of the format"):
        read_raw_table(raw_file(tmp_path, *rows), settings(), most_rows=3)


def test_check_reads_a_sample_of_a_large_table_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    team(monkeypatch)
    monkeypatch.setattr(checked, "LARGE", 0)
    monkeypatch.setattr(definition, "SAMPLE", 3)
    rows = [row.replace(",0,", ",1,", 1) for row in ROWS]
    said = definition._check_table(settings(), raw_file(tmp_path, *rows, *rows))
    assert "3 rows of 3\n" in said
    assert "a sample: the first 3 rows; a run reads all" in said
    assert "in the sample:" in said and "expected both 0 and 1" in " ".join(said.split())
    assert "features are made of 'age' (age)," in " ".join(said.split())


def test_a_large_table_is_known_again_without_being_hashed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = raw_file(tmp_path, *ROWS)

    def digest() -> str:
        return checked.CheckCache.load(tmp_path, tmp_path, settings(), file).digest

    monkeypatch.setattr(checked, "LARGE", 0)
    before = digest()
    assert digest() == before
    raw_file(tmp_path, *ROWS, *ROWS)
    assert digest() != before


def team(monkeypatch: pytest.MonkeyPatch, **functions: Any) -> None:
    """A team whose features are the age, unless it says otherwise."""
    module = modules.features(settings().root)
    usual = {"features": lambda table, _: table[["age"]], "findings": lambda table: {}}
    for name, function in (usual | functions).items():
        monkeypatch.setattr(module, name, function)


def of(strict: Settings, folder: Path) -> int:
    """How many features a table of pets has."""
    return try_features(read_raw_table(raw_file(folder, *ROWS), strict), strict)


@pytest.mark.parametrize(
    ("function", "does", "said"),
    [
        ("features", lambda table, _: sys.exit(0), "SystemExit: 0"),
        ("features", lambda table, _: table[["weight"]], "KeyError"),
        ("features", lambda table, _: table[["species"]], "'species': expected numbers, got"),
        ("features", lambda table, _: table[["age"]] - table["age"].mean(),
         "compute a feature from its own row only"),
        ("findings", lambda table: 3, "findings: expected whole numbers by what is odd, got 3"),
        ("findings", lambda table: {"x": "y"}, "findings: expected whole numbers by what is odd"),
    ],
)  # fmt: skip
def test_features_that_cannot_be_made_are_one_sentence_with_their_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, function: str, does: Any, said: str
) -> None:
    team(monkeypatch, **{function: does})
    with pytest.raises(FeaturesError) as refused:
        of(settings(), tmp_path)
    assert str(refused.value).startswith("feature_store/features.py: ")
    assert said in str(refused.value)


def test_counts_may_be_numpys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    team(monkeypatch, findings=lambda table: {"old": (table["age"] > 3).sum()})
    assert of(settings(), tmp_path) == ["age"]
