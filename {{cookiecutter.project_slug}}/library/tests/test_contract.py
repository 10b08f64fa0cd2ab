"""The contract of `[data]`: what stops a table before training refuses a request too."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pets
import raw_records
from archives import archive, repository
from ninesteps.errors import RawTableError
from ninesteps.feature_store.ingest import ingest
from ninesteps.feature_store.raw_table import read_raw_table
from ninesteps.settings.data import Column, Quality
from ninesteps.settings.environment import Environment
from ninesteps.settings.settings import Settings
from ninesteps.settings.toml import RuleBroken
from ninesteps.step_code.raw_columns import raw_columns

pytestmark = pytest.mark.usefixtures("own_features")

AGE = Column("number", min=0, max=30, required=True)
BORN = Column("date", format="%Y-%m-%d", required=True)
SPECIES = Column("category", values=("cat", "dog"), required=True)


def contract(**quality: Any) -> Settings:
    """Settings of pets whose columns have rules, with limits."""
    of = pets.settings(age=AGE, born=BORN, species=SPECIES)
    return pets.changed(of, data={"quality": Quality(**quality)})


def table(folder: Path, *wrong: str, rows: int = 100) -> Path:
    """A hundred pets as the rules want them, but for some."""
    right = [f"r{n},{n % 2},{n % 30},2020-01-31,cat," for n in range(rows - len(wrong))]
    return pets.raw_file(folder, *wrong, *right)


def refusal(file: Path, of: Settings) -> str:
    with pytest.raises(RawTableError) as refused:
        read_raw_table(file, of)
    return str(refused.value)


def test_every_broken_rule_is_told_with_its_count_and_five_record_ids(tmp_path: Path) -> None:
    wrong = [f"old{n},1,{31 + n},2020-01-31,cat," for n in range(7)]
    wrong += ["none,1,,,,", "cow,0,5,2020-01-31,cow,", "low,1,-1,2020-02-30,cat,"]
    said = refusal(table(tmp_path, *wrong), contract(unreadable=0))
    assert said == (
        f"{tmp_path / 'pets.csv'}: "
        "'age': expected a value in every row (required in [data.columns]), got none in 1 of 100 "
        "values: [data.quality] missing = 0 allows 0; record 'none'; and "
        "'age': expected numbers from 0 to 30, got '31' (line 2), '32' (line 3), '33' (line 4) in "
        "8 of 99 values: [data.quality] out_of_range = 0 allows 0; records 'old0', 'old1', 'old2', "
        "'old3', 'old4'; and "
        "'born': expected dates of the format '%Y-%m-%d', got '2020-02-30' (line 11) in 1 of 99 "
        "values: [data.quality] unreadable = 0 allows 0; record 'low'; and "
        "'born': expected a value in every row (required in [data.columns]), got none in 1 of 100 "
        "values: [data.quality] missing = 0 allows 0; record 'none'; and "
        "'species': expected one of the values in [data.columns] ('cat', 'dog'), got 'cow' "
        "(line 10) in 1 of 99 values: [data.quality] unreadable = 0 allows 0; record 'cow'; and "
        "'species': expected a value in every row (required in [data.columns]), got none in 1 of "
        "100 values: [data.quality] missing = 0 allows 0; record 'none'"
    )


def test_numbered_rows_are_named_by_their_numbers(tmp_path: Path) -> None:
    of = pets.changed(contract(), data={"number_rows": True, "record_id": "row"})
    file = table(tmp_path, "a,1,1,2020-01-31,cat,", "b,1,99,2020-01-31,cat,")
    assert refusal(file, of).endswith("[data.quality] out_of_range = 0 allows 0; record '2'")


def test_values_out_of_range_count_as_missing_where_some_are_allowed(tmp_path: Path) -> None:
    file = table(tmp_path, "old,1,31,2020-01-31,cat,", "none,1,,2020-01-31,cat,")
    read = read_raw_table(file, contract(out_of_range=0.02, missing=0.01))
    (rows,) = read.parts()
    assert np.isnan(rows["age"].to_numpy()[:2]).all() and rows["age"].notna().sum() == 98
    assert read.found["value out of range in age: treated as missing"] == 1
    assert read.found["missing age"] == 1


@pytest.mark.parametrize(
    ("column", "text"),
    [(Column("number", min=0), "of at least 0"), (Column("number", max=1.5), "of at most 1.5")],
)
def test_a_range_may_have_one_end(tmp_path: Path, column: Column, text: str) -> None:
    wrong = "-1" if column.min is not None else "2"
    file = pets.raw_file(tmp_path, f"a,1,{wrong},2020-01-31,cat,", "b,0,1,2020-01-31,cat,")
    said = refusal(file, pets.settings(age=column))
    assert f"'age': expected numbers {text}, got '{wrong}' (line 2) in 1 of 2 values" in said


def test_a_regressions_label_has_a_range_too(tmp_path: Path) -> None:
    of = pets.changed(
        contract(), project={"problem": "regression"},
        data={"label_column": Column("number", max=1), "quality": Quality()},
    )  # fmt: skip
    said = refusal(table(tmp_path, "a,5,1,2020-01-31,cat,"), of)
    assert "the label 'adopted': expected numbers of at most 1, got '5' (line 2)" in said


@pytest.mark.parametrize(
    ("column", "said"),
    [
        ({"type": "text", "min": 1.0}, "expected none for a text: only numbers have it, got 1.0"),
        ({"type": "number", "min": 1.0, "max": 1.0}, r"expected a number above min \(1.0\)"),
    ],
)
def test_a_range_is_of_numbers_and_has_some(column: dict[str, Any], said: str) -> None:
    with pytest.raises(RuleBroken, match=said):
        Column(**column)


# Age


def put(folder: Path, of: Settings, as_of: str = "") -> None:
    root = folder / "repository"
    of = replace(of, root=root if root.exists() else repository(folder, "custom"))
    environment = Environment("111122223333", "eu-west-1")
    moment = datetime.now(UTC) - timedelta(days=10)
    rows = [f"r{n},{n % 2},1,2020-01-31,cat,{moment:%Y-%m-%dT%H:%M:%SZ}" for n in range(9)]
    ingest(pets.raw_file(folder, *rows), of, environment, folder / "s3", as_of=as_of)


def test_a_table_whose_newest_row_is_too_old_is_refused_also_once_it_is_ingested(
    tmp_path: Path,
) -> None:
    seen = pets.changed(pets.settings("seen"), data={"quality": Quality(max_age_days=11)})
    put(tmp_path, seen)
    later = datetime.now(UTC) + timedelta(days=2)
    for _ in range(2):
        with pytest.raises(RawTableError, match=r"at most 11 days as of .*, which is 12\.0 days"):
            put(tmp_path, seen, f"{later:%Y-%m-%dT%H:%M:%SZ}")
    strict = pets.changed(seen, data={"quality": Quality(max_age_days=9.5)})
    with pytest.raises(RawTableError, match=r"of at most 9\.5 days now \(\[data\.quality\] max_a"):
        put(tmp_path, strict)
    put(tmp_path, strict, f"{datetime.now(UTC) - timedelta(days=5):%Y-%m-%dT%H:%M:%SZ}")


# Requests


def asked(folder: Path, of: Settings, **record: Any) -> raw_records.RawRequest:
    root = folder / "repository"
    of = replace(of, root=root if root.exists() else repository(folder, "custom"))
    given = {"age": 3, "born": "2020-01-31", "species": "cat", **record}
    return raw_records.read([given], archive(folder / of_name(of), of), ["age"])


def of_name(of: Settings) -> str:
    """A folder for the archive of these settings."""
    return f"code-{hash(raw_columns(of))}"


def test_a_request_is_refused_for_what_no_table_may_have(tmp_path: Path) -> None:
    of = contract()
    with pytest.raises(
        ValueError, match="record 1: 'age': expected a number from 0 to 30, got '31"
    ):
        asked(tmp_path, of, age=31)
    for name in ("age", "born", "species"):
        for none in (None, "", "NA") if name == "age" else (None, ""):
            with pytest.raises(
                ValueError, match=f"record 1: '{name}': expected a value, which is "
            ):
                asked(tmp_path, of, **{name: none})


def test_a_request_may_have_what_a_table_may(tmp_path: Path) -> None:
    of = contract(out_of_range=0.01, missing=0.01)
    read = asked(tmp_path, of, age=31, species="cow", born="2020-02-30")
    assert read.unknown == (("age", "born", "species"),)
    assert np.isnan(read.vectors[0, 0])
    assert np.isnan(asked(tmp_path, of, age=None).vectors[0, 0])
    assert asked(tmp_path, contract(), age=30).unknown == ((),)
