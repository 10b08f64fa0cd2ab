"""Drafting `[data]` for a table: what its values decide, and what is left to a person, in words."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import tomllib
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from ninesteps.cli import here, main
from ninesteps.errors import RawTableError
from ninesteps.feature_store.drafting.dates import DAYS
from ninesteps.feature_store.drafting.draft import Decisions, draft
from ninesteps.feature_store.raw_table import read_raw_table
from ninesteps.feature_store.reading.table_file import clean_name
from ninesteps.settings.data import Column, Data, Quality, Split
from ninesteps.settings.judgement import GateSettings
from ninesteps.settings.names import is_stored_name
from ninesteps.settings.project import Project
from ninesteps.settings.settings import Settings
from ninesteps.settings.toml import RuleBroken
from ninesteps.settings.tuning import Range, Tuning

ROWS = 120


def table(file: Path, **columns: list[str]) -> Path:
    """A CSV file of an id, a label and these columns; shorter ones begin again."""
    always = {"chip": [f"P{n}" for n in range(ROWS)], "returned": ["1", "0", "0"]}
    cells = {name: values for name, values in {**always, **columns}.items() if values}
    with file.open("w", newline="", encoding="utf-8") as lines:
        writer = csv.writer(lines)
        writer.writerow(cells)
        for row in range(ROWS):
            writer.writerow([values[row % len(values)] for values in cells.values()])
    return file


def drafted(folder: Path, label: str = "returned", **columns: list[str]) -> dict[str, Any]:
    """`[data]` as TOML reads it, once the settings' own rules have held."""
    file = table(folder / "pets.csv", **columns)
    data: dict[str, Any] = tomllib.loads(draft(file, Decisions(label)))
    data = data["data"]
    types = {name: Column(**column) for name, column in data["columns"].items()}
    label_column = Column(**data.get("label_column", {"type": "number"}))
    Data(**{**data, "columns": types, "label_column": label_column})
    return data


def line(folder: Path, start: str, label: str = "returned", **columns: list[str]) -> str:
    """The line that begins so, with a comment that stands above it."""
    lines = draft(table(folder / "pets.csv", **columns), Decisions(label)).splitlines()
    place = next(place for place, text in enumerate(lines) if text.startswith(start))
    above = place
    while lines[above - 1].startswith("# ") and above > 3:
        above -= 1
    return " ".join([text.removeprefix("# ") for text in lines[above:place]] + [lines[place]])


def type_of(folder: Path, values: list[str], name: str = "x") -> dict[str, Any]:
    """What a column of these values is."""
    column: dict[str, Any] = drafted(folder, **{name: values})["columns"][name]
    return column


def test_a_draft_says_everything_that_the_settings_ask_for(tmp_path: Path) -> None:
    file = table(
        tmp_path / "pets.csv",
        age=["1.5", "", "12", "NA"],
        born=["1/31/2020", "12/9/2009"],
        species=["dog", "cat", "bird", "dog", ""],
        remark=[f"found in street {n}" for n in range(60)],
    )
    os.utime(file, (1_767_225_600 + 3600, 1_767_225_600 + 3600))
    text = draft(file, Decisions("returned"))
    assert tomllib.loads(text) == {
        "data": {
            "file": file.as_posix(),
            "record_id": "chip",
            "label": "returned",
            "snapshot": "2026-01-01T00:00:00Z",
            "columns": {
                "age": {"type": "number"},
                "born": {"type": "date", "format": "%m/%d/%Y"},
                "species": {"type": "category", "values": ["bird", "cat", "dog"]},
                "remark": {"type": "text"},
            },
        }
    }
    assert "120 rows and 6 columns of pets.csv" in " ".join(text.split())
    assert "no column has the time" in text
    assert "the latest date is 2020-01-31, in born" in text


@pytest.mark.parametrize("has_id", [True, False])
@pytest.mark.parametrize("labels", [["1", "0", "0"], ["Yes", "No", ""]])
def test_a_draft_reads_the_table_that_it_was_made_of(
    tmp_path: Path, has_id: bool, labels: list[str]
) -> None:
    columns = {
        "returned": labels,
        "age": ["12", "", "1.5"],
        "born": ["31.1.2020", "12.9.2009"],
        "species": ["dog", "cat", "bird", ""],
        "found": [f"street {n}" for n in range(60)],
        "date time": ["2026-01-31 10:00:00", "2026-02-01 11:00:00"],
    }
    data = drafted(tmp_path, **(columns if has_id else {"chip": [], **columns}))
    types = {name: Column(**column) for name, column in data["columns"].items()}
    said = Settings(
        project=Project("Pets", "pets", "Pet", "custom"),
        data=Data(**{**data, "columns": types, "quality": Quality(dropped=0.4)}),
        split=Split("pets"),
        tuning=Tuning(ranges={"eta": Range(0.1, 0.5)}),
        gate=GateSettings("auc > 0.5"),
    )
    raw = read_raw_table(Path(data["file"]), said)
    assert raw.rows["returned"].sum() == ROWS / 3
    assert (raw.read, raw.rows["age"].max()) == (ROWS, 12)


def test_the_file_stands_as_the_caller_says(tmp_path: Path) -> None:
    file = table(tmp_path / "pets.csv", age=["1", "2"])
    assert f'file = "{file.as_posix()}"\n' in draft(file)
    assert 'file = "data/pets.csv"\n' in draft(file, path="data/pets.csv")


# The record id


def test_an_id_with_blemishes_is_one_and_they_are_counted(tmp_path: Path) -> None:
    chips = [f"P{n}" for n in range(ROWS)]
    repeated = line(tmp_path, "record_id", chip=[*chips[:-1], "P7"], age=["1", "2"])
    assert (
        repeated == 'record_id = "chip"  # by its values; 1 row with a duplicate id: '
        "the last row is kept"
    )
    missing = line(tmp_path, "record_id", chip=[*chips[:-1], ""], age=["1", "2"])
    assert missing.endswith("1 row without one: left out")
    many = drafted(tmp_path, chip=[*chips[:-2], "P7", "P8"], age=["1", "2"])
    assert many["number_rows"] is True


def test_rows_that_no_column_tells_apart_are_numbered(tmp_path: Path) -> None:
    data = drafted(tmp_path, chip=[], age=["1", "2"])
    assert (data["record_id"], data["number_rows"]) == ("row", True)
    data = drafted(tmp_path, chip=[], Row=["1", "2"], row_2=["a", "b"])
    assert data["record_id"] == "row_3"


def test_whole_numbers_are_ids_by_their_name_or_if_chance_would_have_repeated_one(
    tmp_path: Path,
) -> None:
    wide = [str(n * 7919 % 1_000_003) for n in range(1, ROWS + 1)]
    assert "number_rows" in drafted(tmp_path, chip=[], pay=wide)
    assert "all values differ: an id?" in line(tmp_path, "pay", chip=[], pay=wide)
    assert drafted(tmp_path, chip=[], petId=wide, age=["1", "2"])["record_id"] == "petId"
    dense = [str(5000 - n) for n in range(ROWS)]
    assert drafted(tmp_path, chip=[], pet=dense, age=["1", "2"])["record_id"] == "pet"
    repeated = [*dense[:-1], dense[0]]
    assert "number_rows" in drafted(tmp_path, chip=[], pet=repeated)
    fractions = [f"{n}.25" for n in range(ROWS)]
    assert "number_rows" in drafted(tmp_path, chip=[], pet=fractions)


def test_of_two_ids_the_one_that_is_called_so_is_taken(tmp_path: Path) -> None:
    ids = [f"C{n}" for n in range(ROWS)]
    data = drafted(tmp_path, customer_id=ids, age=["1", "2"])
    assert data["record_id"] == "customer_id"
    assert data["columns"]["chip"] == {"type": "text"}


# The label


def test_a_label_that_nobody_named_is_asked_for_and_the_likeliest_are_named(tmp_path: Path) -> None:
    flags = {"returned": [], "neutered": ["1", "0"], "is_churn": ["0", "0", "1"], "tag": ["a", "b"]}
    asked = line(tmp_path, "label", "", **flags, age=["1.5", "2", "3"])
    assert asked.endswith('label = ""')
    assert "Draft again with its name" in asked
    assert "--label NAME" in asked
    assert "Likely: is_churn." in asked
    unnamed = line(tmp_path, "label", "", returned=[], tag=["a", "b"], age=["1.5", "2", "3"])
    assert "Likely: tag, age." in unnamed
    text = draft(table(tmp_path / "pets.csv"), Decisions(""))
    data = tomllib.loads(text)["data"]
    assert "returned" in data["columns"]
    with pytest.raises(RuleBroken, match="the column to predict"):
        Data(**{**data, "columns": {"returned": Column("number")}})


def test_a_label_of_a_value_and_a_word_for_none_says_so(tmp_path: Path) -> None:
    text = draft(table(tmp_path / "p.csv", gone=["None", "Some"]), Decisions("gone"))
    assert "got 2 different values, 1 of which may mean no value" in text
    decided = Decisions("gone", values=("None",))
    assert 'problem = "binary"' in draft(tmp_path / "p.csv", decided)


def test_a_label_is_found_by_the_name_that_the_file_has(tmp_path: Path) -> None:
    file = table(tmp_path / "pets.csv", **{" gone  away ": ["1", "0"]})
    assert 'label = "gone away"' in draft(file, Decisions(" gone  away "))


def test_a_label_that_the_caller_names_is_not_asked_for(tmp_path: Path) -> None:
    expected = 'label = "is_churn"  # two values: [project] problem = "binary"'
    assert line(tmp_path, "label", label="is_churn", is_churn=["0", "1"]) == expected
    file = table(tmp_path / "pets.csv", is_churn=["0", "1"])
    assert expected in draft(file, likely_label="is_churn")
    assert 'label = ""' in draft(file, likely_label="left")
    assert 'label = "returned"' in draft(file, Decisions("returned"), "is_churn")


@pytest.mark.parametrize(
    ("name", "other"),
    [("target", "has_left"), ("loan_default", "price"), ("wage", "price"), ("SalePrice", "age")],
)
def test_the_likelier_name_comes_first(tmp_path: Path, name: str, other: str) -> None:
    numbers, flags = ["3", "1", "4", "1.5"], ["0", "0", "1"]
    kinds = {"target": flags, "has_left": flags, "loan_default": flags}
    columns = {c: kinds.get(c, numbers) for c in (other, name)}
    if name == "wage":
        columns["price_range"] = numbers
        columns.pop("price")
    assert f"Likely: {name}" in line(tmp_path, "label", "", returned=[], **columns)


def test_two_values_are_binary_and_numbers_a_regression(tmp_path: Path) -> None:
    assert 'problem = "binary"' in line(tmp_path, "label", age=["1.5", "2", "3"])
    regression = line(tmp_path, "label", label="age", age=["1.5", "2", "", "3", "4", "5"])
    assert regression == (
        'label = "age"  # numbers: [project] problem = "regression"; 20 rows without one: left out'
    )
    most = line(tmp_path, "label", label="age", age=["1.5", "2", "", "3"])
    assert "30 rows without one: more than a run accepts (see [data.quality] dropped)" in most
    names = [f"pet {n}" for n in range(60)]
    texts = line(tmp_path, "label", label="name", name=names)
    assert "expected two values, or numbers, got 60 different" in texts
    few = line(tmp_path, "label", label="grade", grade=["1", "2", "3"])
    assert "few values: if they are classes, say which count as 1 (positive, negative)" in few


def test_a_label_of_numbers_as_people_write_them_comes_with_the_setting(tmp_path: Path) -> None:
    prices = [f"${n * 97:,}.50" for n in range(1, 60)]
    data = drafted(tmp_path, "price", price=prices, age=["1.5", "2"])
    assert data["label_column"] == {"type": "number", "thousands": ",", "unit": "$"}
    assert 'problem = "regression"' in line(tmp_path, "label", "price", price=prices)


def test_of_three_values_all_are_told_apart_and_the_choice_is_asked_about(tmp_path: Path) -> None:
    values = ["Yes", "No", "no", "Maybe", "No"]
    data = drafted(tmp_path, returned=values, age=["1.5", "2", "3"])
    assert (data["positive"], set(data["negative"])) == ("Yes", {"No", "no", "Maybe"})
    asked = line(tmp_path, "positive", returned=values, age=["1.5", "2", "3"])
    assert "is this right? Each other value belongs here or in negative" in asked
    grades = drafted(tmp_path, returned=["a", "b", "b", "c", "c", "c"], age=["1.5", "2", "3"])
    assert (grades["positive"], grades["negative"]) == ("a", ["b", "c"])


def test_texts_that_are_one_word_count_alike(tmp_path: Path) -> None:
    values = ["Yes", "yes", "Y", "NO", "no", "n"]
    data = drafted(tmp_path, returned=values, age=["1.5", "2", "3"])
    assert (set(data["positive"]), set(data["negative"])) == (
        {"Yes", "yes", "Y"},
        {"NO", "no", "n"},
    )
    assert "positive" not in drafted(tmp_path, returned=["1", "1.0", "0"], age=["1.5", "2", "3"])


@pytest.mark.parametrize(
    ("typed", "near"), [("Yess", "Yes"), ("yse", "Yes"), ("Yex", "Yes"), ("Noo", "No")]
)
def test_a_rare_label_that_looks_misspelt_counts_as_the_common_one_and_is_asked_about(
    tmp_path: Path, typed: str, near: str
) -> None:
    values = [typed, *["Yes", "No", "No"] * 40][:ROWS]
    columns = {"returned": values, "age": ["1.5", "2", "3"]}
    data = drafted(tmp_path, **columns)
    assert {typed, near} <= set(data["positive" if near == "Yes" else "negative"])
    text = draft(table(tmp_path / "pets.csv", **columns), Decisions("returned"))
    asked = f'"{typed}" (1 row) looks like "{near}" misspelt: is it?'
    assert asked in " ".join(text.replace("#", "").split())


def test_a_rare_text_that_is_like_none_or_common_is_a_value_of_its_own(tmp_path: Path) -> None:
    for rare in ("Maybe", "Partly"):
        values = [rare, *["Yes", "No", "No"] * 40][:ROWS]
        assert rare in drafted(tmp_path, returned=values, age=["1.5", "2"])["negative"]
    assert drafted(tmp_path, returned=["left", "lift"], age=["1.5", "2"])["positive"] == "left"


def test_a_category_with_a_rare_text_that_looks_misspelt_is_said(tmp_path: Path) -> None:
    cities = ["Lodnon", *["London", "Leeds"] * 60][:ROWS]
    assert '"Lodnon" looks like "London" misspelt' in line(tmp_path, "city", city=cities)
    assert "misspelt" not in line(tmp_path, "city", city=["London", "Lodnon"])


def test_amounts_that_hardly_repeat_are_no_panel_by_chance(tmp_path: Path) -> None:
    """Eight salaries are paid twice, each at two grades: that does not make them persons."""
    salaries = [f"{50_000 + 17 * n:,}" for n in range(ROWS - 8)]
    grades = [str(n % 2) for n in range(ROWS - 8)] + [str((n + 1) % 2) for n in range(8)]
    columns = {"salary": [*salaries, *salaries[:8]], "grade": grades, "left": ["Yes", "No", "No"]}
    assert "group =" not in draft(table(tmp_path / "pets.csv", **columns), Decisions("left"))


def test_a_label_in_a_tiny_unit_is_as_good_as_any(tmp_path: Path) -> None:
    small = [f"{n}e-7" for n in range(1, 60)]
    said = line(tmp_path, "label", label="flow", flow=small)
    assert said == 'label = "flow"  # numbers: [project] problem = "regression"'
    assert "its values are near" not in line(tmp_path, "label", label="age", age=["1.5", "2", "9"])


@pytest.mark.parametrize(
    ("returned", "said"),
    [
        (["1", *["0"] * 59], "too few rows that count as 1: of 2 about 0"),
        (["0", *["1"] * 59], "too few rows that count as 0: of 2 about 0"),
        ([f"{n}.5" for n in range(ROWS)], "perhaps too few rows: of 120 about 18"),
    ],
)
def test_splits_that_will_be_too_small_are_foretold(
    tmp_path: Path, returned: list[str], said: str
) -> None:
    text = draft(table(tmp_path / "pets.csv", returned=returned), Decisions("returned"))
    said += " fall into the smallest split, but [split] min_positives requires 20"
    assert said in " ".join(text.replace("#", "").split())


def test_splits_that_are_large_enough_are_not_mentioned(tmp_path: Path) -> None:
    file = tmp_path / "many.csv"
    file.write_text("id,y,x\n" + "".join(f"{n},{n % 2},{n % 7}.5\n" for n in range(600)))
    assert "min_positives" not in draft(file, Decisions("y"))


@pytest.mark.parametrize(
    ("values", "positive"),
    [
        (["No", "Yes"], "Yes"),
        (["yes", "yes", "no"], "yes"),
        (["TRUE", "FALSE"], "TRUE"),
        (["stayed", "left", "left"], "left"),
        (["good", "bad", "good"], "bad"),
        (["1", "2", "1"], "2"),
        (["0", "1"], None),
        (["0.0", "1.0"], None),
    ],
)
def test_of_two_values_one_counts_as_1(
    tmp_path: Path, values: list[str], positive: str | None
) -> None:
    assert drafted(tmp_path, returned=values, age=["1", "2", "3"]).get("positive") == positive


def test_a_positive_value_that_no_word_tells_is_the_rarer_one_and_in_doubt(tmp_path: Path) -> None:
    doubtful = line(tmp_path, "positive", returned=["good", "bad", "good"], age=["1", "2", "3"])
    assert doubtful == (
        'positive = "bad"  # counts as 1, "good" as 0; the rarer one: is it the one to find?'
    )
    clear = line(tmp_path, "positive", returned=["No", "Yes", "Yes"], age=["1", "2", "3"])
    assert clear == 'positive = "Yes"  # counts as 1, "No" as 0'


# The moment


@pytest.mark.parametrize(
    "moments",
    [
        ["2026-01-31T10:00:00Z", "2026-02-01T00:00:00Z"],
        ["2026-01-31 10:00:00", "2026-02-01 00:00:00"],
        ["2026-01-31T10:00:00+02:00", "2026-02-01T09:00:00-01:00"],
    ],
)
def test_a_column_of_moments_is_the_event_time(tmp_path: Path, moments: list[str]) -> None:
    data = drafted(tmp_path, seen=moments, age=["1", "2"])
    assert (data["event_time"], "snapshot" in data) == ("seen", False)
    assert list(data["columns"]) == ["age"]


def test_days_are_a_moment_only_by_the_columns_name(tmp_path: Path) -> None:
    days = ["2026-01-31", "2026-02-01"]
    assert "snapshot" in drafted(tmp_path, born=days)
    assert "snapshot" in drafted(tmp_path, born=[f"{day} 00:00:00" for day in days])
    assert drafted(tmp_path, event_time=days, age=["1", "2"])["event_time"] == "event_time"


def test_a_moment_that_some_rows_lack_is_a_date(tmp_path: Path) -> None:
    data = drafted(tmp_path, seen=["2026-01-31T10:00:00Z", ""])
    assert data["columns"]["seen"] == {"type": "date", "format": "%Y-%m-%dT%H:%M:%SZ"}
    assert "snapshot" in data


def test_of_two_moments_the_other_one_is_named(tmp_path: Path) -> None:
    times = ["2026-01-31 10:00", "2026-02-01 11:30"]
    columns = {"arrived": times, "timestamp": times, "age": ["1.5", "2", "3", "4"]}
    assert line(tmp_path, "event_time", **columns) == 'event_time = "timestamp"  # or arrived'
    assert drafted(tmp_path, **columns)["columns"]["arrived"]["format"] == "%Y-%m-%d %H:%M"


def test_a_column_that_is_not_called_so_is_asked_about(tmp_path: Path) -> None:
    seen = line(tmp_path, "event_time", seen=["2026-01-31 10:00", "2026-02-01 11:30"])
    assert "is it the time that the row describes? If not, put it into [data.columns]" in seen


@pytest.mark.parametrize("name", ["event_time", "timestamp", "Event Date"])
def test_the_moment_in_another_format_comes_with_the_format(tmp_path: Path, name: str) -> None:
    moments = ["31.01.2026 10:00", "01.02.2026 11:30", "02.02.2026 08:15"]
    data = drafted(tmp_path, **{name: moments, "age": ["1.5", "2"]})
    assert (data["event_time"], data["event_time_format"]) == (name, "%d.%m.%Y %H:%M")
    assert "snapshot" not in data


def test_a_few_rows_without_the_moment_are_counted(tmp_path: Path) -> None:
    moments = [f"2026-01-{1 + n % 28:02}T10:00:00Z" for n in range(ROWS)]
    said = line(tmp_path, "event_time", event_time=[*moments[2:], "", "soon"], age=["1.5", "2"])
    assert said == 'event_time = "event_time"  # 2 rows without one: left out'
    data = drafted(tmp_path, event_time=[*moments[2:], "", ""], age=["1.5", "2"])
    assert (data["event_time"], list(data["columns"])) == ("event_time", ["age"])


def test_the_true_reason_is_said_where_the_moment_cannot_be_used(tmp_path: Path) -> None:
    moments = [f"2026-01-{1 + n % 28:02}T10:00:00Z" for n in range(ROWS)]
    many = line(tmp_path, "snapshot", event_time=[*moments[40:], *["soon"] * 40], age=["1.5", "2"])
    assert 'event_time has the time except in 40 rows, such as "soon"; add it there' in many
    none = line(tmp_path, "snapshot", event_time=["a", "b", "c"], age=["1.5", "2"])
    assert 'event_time has no readable times, such as "a"' in none


def test_moments_in_the_future_are_said(tmp_path: Path) -> None:
    past = ["2026-01-31T10:00:00Z"] * (ROWS - 1)
    one = line(tmp_path, "event_time", timestamp=[*past, "2999-01-31T10:00:00Z"], age=["1", "2.5"])
    assert "1 row in the future, up to 2999-01-31: left out" in one
    all_of_them = line(tmp_path, "event_time", timestamp=["2999-01-31T10:00:00Z"], age=["1", "2.5"])
    assert "120 rows in the future, up to 2999-01-31: more than a run accepts" in all_of_them


# Dates


@pytest.mark.parametrize("form", [*DAYS, "%Y%m%d", "%d.%m.%Y %H:%M", "%m/%d/%Y %I:%M %p"])
def test_a_format_is_found_if_the_values_decide(tmp_path: Path, form: str) -> None:
    days = pd.to_datetime(["2026-01-31 13:05", "2025-09-23 01:00", "2024-12-15 23:59"])
    assert type_of(tmp_path, days.strftime(form).tolist()) == {"type": "date", "format": form}


@pytest.mark.parametrize("form", ["%Y%m%d", "%m%d%Y", "%d%m%Y"])
def test_eight_digits_may_be_a_date(tmp_path: Path, form: str) -> None:
    days = [(datetime(2018, 10, 10) + timedelta(days=n)).strftime(form) for n in range(60)]
    assert type_of(tmp_path, days) == {"type": "date", "format": form}
    assert type_of(tmp_path, ["10402018", "10412018"])["type"] == "number"


def test_an_order_that_no_value_decides_is_said_or_taken_from_another_column(
    tmp_path: Path,
) -> None:
    unclear, clear = ["1/2/2026", "3/4/2026"], ["1/2/2026", "31/1/2026"]
    assert line(tmp_path, "made", made=unclear) == (
        'made = { type = "date", format = "%m/%d/%Y" }  # or %d/%m/%Y: the values fit both'
    )
    assert line(tmp_path, "made", made=unclear, seen=clear) == (
        'made = { type = "date", format = "%d/%m/%Y" }'
    )
    same = line(tmp_path, "made", made=["1/1/2026", "2/2/2026"])
    assert "the values fit both" not in same


def test_some_unreadable_dates_are_counted_and_more_than_a_run_takes_make_it_no_date(
    tmp_path: Path,
) -> None:
    days = ["1/31/2020", "2/1/2020"] * (ROWS // 2)
    one = line(tmp_path, "made", made=[*days[:-1], "1/0/00"])
    assert "1 row unreadable, such as" in one
    assert one.endswith('made = { type = "date", format = "%m/%d/%Y" }')
    assert type_of(tmp_path, [*days[:-6], *["1/0/00"] * 6])["type"] == "date"
    many = line(tmp_path, "made", made=[*days[:-7], *["1/0/00"] * 7])
    assert 'type = "category"' in many
    assert "dates, but no format reads enough: not 7 rows with %m/%d/%Y and 64 rows with" in many


def test_the_format_that_reads_most_is_taken_and_a_mixture_is_said(tmp_path: Path) -> None:
    days = ["31/1/2020", "1/2/2020", "25/3/2020", "12/11/2019"] * (ROWS // 4)
    clear = line(tmp_path, "made", made=days)
    assert (
        clear == 'made = { type = "date", format = "%d/%m/%Y" }  # %m/%d/%Y could not read 60 rows'
    )
    mixed = line(tmp_path, "made", made=[*days[:-3], "1/31/2020", "2/25/2020", "3/26/2020"])
    assert "3 rows unreadable" in mixed
    assert "%m/%d/%Y could not read 59 rows; it reads 3 of these: are both in use?" in mixed


@pytest.mark.parametrize("far", ["9999-12-31", "1066-10-14", "0001-01-01"])
def test_dates_far_from_today_are_dates(tmp_path: Path, far: str) -> None:
    assert line(tmp_path, "until", until=["2020-01-31", far, "2021-02-01", "2021-02-02"]) == (
        'until = { type = "date", format = "%Y-%m-%d" }'
    )


# Words that may mean "no value"


def test_words_that_may_mean_no_value_are_listed_with_their_rows_and_refused(
    tmp_path: Path,
) -> None:
    columns = {"region": ["NA", "EU", "EU", "None"], "reply": ["NA", "a", "b", "c", "null"]}
    file = table(tmp_path / "pets.csv", **columns)
    text = draft(file, Decisions("returned"))
    data = tomllib.loads(text)["data"]
    assert (data["undecided"], data["missing"]) == (["NA", "None", "null"], [])
    assert data["columns"]["region"]["values"] == ["EU", "NA", "None"]
    assert '#   "NA": 30 rows of region, 24 rows of reply' in text
    assert "--missing NA --missing None --missing null" in " ".join(text.replace("#", "").split())
    types = {name: Column(**column) for name, column in data["columns"].items()}
    with pytest.raises(RuleBroken, match="expected an empty list"):
        Data(**{**data, "columns": types})


def test_a_draft_with_the_words_decided_asks_nothing(tmp_path: Path) -> None:
    file = table(tmp_path / "pets.csv", region=["NA", "EU", "AS", "-"], age=["1.5", "-", "3"])
    data = tomllib.loads(draft(file, Decisions("returned", ("-",), ("NA",))))["data"]
    assert (data["missing"], "undecided" in data) == (["-"], False)
    assert data["columns"] == {
        "region": {"type": "category", "values": ["AS", "EU", "NA"]},
        "age": {"type": "number"},
    }


LOOK_MISSING = (
    "NA", "N/A", "n/a", "n.a.", "#N/A", "nan", "NaN", "null", "NULL", "None", "none", "nil", "-",
    "--", "?", ".", "missing", "(null)", "<NA>", "\\N", "not available", "#DIV/0!",
)  # fmt: skip


@pytest.mark.parametrize("word", LOOK_MISSING)
def test_a_word_that_looks_so_is_asked_about_wherever_it_stands(tmp_path: Path, word: str) -> None:
    file = table(tmp_path / "pets.csv", region=[word, "EU", "AS"])
    assert tomllib.loads(draft(file, Decisions("returned")))["data"]["undecided"] == [word]
    file = table(tmp_path / "pets.csv", returned=["Yes", "No", word], age=["1.5", "2.5"])
    data = tomllib.loads(draft(file, Decisions("returned")))["data"]
    assert (data["undecided"], data["positive"], "negative" in data) == ([word], "Yes", False)


@pytest.mark.parametrize("word", ["unknown", "other", "no", "Nan Goldin", "0", "x"])
def test_other_words_are_values(tmp_path: Path, word: str) -> None:
    assert word in type_of(tmp_path, [word, "EU", "AS"])["values"]


@pytest.mark.parametrize("word", ["?", "-", "Infinity", "never", "unknown", "."])
def test_words_among_numbers_and_dates_are_no_values_of_them(tmp_path: Path, word: str) -> None:
    numbers, days = [f"{n}.5" for n in range(19)], [f"2026-01-{n:02}" for n in range(1, 20)]
    file = table(tmp_path / "pets.csv", age=[*numbers, word], born=[*days, word, word])
    text = draft(file, Decisions("returned"))
    data = tomllib.loads(text)["data"]
    assert data["undecided"] == [word]
    assert (data["columns"]["age"], data["columns"]["born"]["type"]) == ({"type": "number"}, "date")
    assert f"a number except {json.dumps(word)} (6 rows)" in text
    assert ", otherwise a date" in text


def test_words_that_numbers_always_skip_are_counted_and_not_asked_about(tmp_path: Path) -> None:
    columns = {"mass": ["1.5", "NA", "2.5", "3"], "made": ["2026-01-31", "2026-02-28", "NA", ""]}
    said = line(tmp_path, "mass", **columns)
    assert said == 'mass = { type = "number" }  # "NA" in 30 rows is not a value'
    assert '"NA" in 30 rows is not a value' in line(tmp_path, "made", **columns)
    assert "undecided" not in drafted(tmp_path, **columns)
    zero = line(tmp_path, "made", made=["2026-01-31", "2026-02-28", "0000-00-00", "2026-03-01"])
    assert 'a date except "0000-00-00" (30 rows)' in zero


def test_a_third_of_never_leaves_a_date_and_more_than_half_does_not(tmp_path: Path) -> None:
    days = [f"2026-01-{n:02}" for n in range(1, 8)]
    file = table(tmp_path / "pets.csv", seen=[*days, *["never"] * 3])
    data = tomllib.loads(draft(file, Decisions("returned")))["data"]
    assert data["columns"]["seen"] == {"type": "date", "format": "%Y-%m-%d"}
    assert type_of(tmp_path, [*days, *["never"] * 8])["type"] == "category"


def test_a_few_words_among_dates_are_counted_as_a_run_does(tmp_path: Path) -> None:
    days = [f"2026-01-{n:02}" for n in range(1, 25)]
    few = line(tmp_path, "seen", seen=[*days, "0000-00-00"])
    assert few.endswith('format = "%Y-%m-%d" }  # 4 rows unreadable, such as "0000-00-00"')
    assert "undecided" not in drafted(tmp_path, seen=[*days, "never"])


def test_nd_is_a_state_among_states(tmp_path: Path) -> None:
    states = ["ND", "AK", "AL", "AZ", "CA"]
    assert "undecided" not in drafted(tmp_path, state=states)
    text = draft(table(tmp_path / "p.csv", state=[*states, "Texas"]), Decisions("returned"))
    assert 'undecided = ["ND"]' in text


def test_words_in_the_record_id_are_asked_about(tmp_path: Path) -> None:
    chips = [*(f"P{n}" for n in range(ROWS - 1)), "null"]
    text = draft(table(tmp_path / "pets.csv", chip=chips, age=["1.5"]), Decisions("returned"))
    assert '#   "null": 1 row of chip' in text


# Numbers as people write them


NOTATIONS = {
    "thousands": (["1,234.50", "12.25", "3,000,000"], {"thousands": ","}),
    "dollars": (["$12.50", "$1,000", "-$3"], {"thousands": ",", "unit": "$"}),
    "percent": (["12%", "12.5 %", "-1%"], {"unit": "%"}),
    "a unit": (["12 kg", "1.5 kg", "0.2kg"], {"unit": "kg"}),
    "a currency": (["EUR 12.50", "EUR 3"], {"unit": "EUR"}),
    "a decimal comma": (["12,5", "3,25", "7"], {"decimal": ","}),
    "a comma and points": (["1.234,50", "3,5"], {"decimal": ",", "thousands": "."}),
    "parentheses": (["(12)", "12.5", "(1.5)"], {"parentheses": True}),
    "spaces": (["1 234", "12", "1 000 000"], {"thousands": " "}),
    "apostrophes": (["1'234.50", "12"], {"thousands": "'"}),
    "all of it": (["($1,234.50)", "$2"], {"thousands": ",", "unit": "$", "parentheses": True}),
}


@pytest.mark.parametrize(("values", "keys"), NOTATIONS.values(), ids=NOTATIONS)
def test_numbers_as_people_write_them_come_with_the_setting_that_reads_them(
    tmp_path: Path, values: list[str], keys: dict[str, object]
) -> None:
    assert type_of(tmp_path, values) == {"type": "number", **keys}


def test_a_notation_is_shown_by_an_example(tmp_path: Path) -> None:
    said = line(tmp_path, "pay", pay=["$12", "($1,234.50)", "$7", "$8"])
    assert said.startswith('"($1,234.50)" is -1234.5')


def test_a_separator_that_no_value_explains_is_said(tmp_path: Path) -> None:
    said = line(tmp_path, "pay", pay=["1,234", "12,345", "999"])
    assert '{ type = "number", thousands = "," }' in said
    assert 'or decimal = ",": the values fit both' in said
    assert "the values fit both" in line(tmp_path, "pay", pay=["1.234", "12.345", "999"])
    assert "the values fit both" not in line(tmp_path, "pay", pay=["1.234", "12.345", "9.5"])
    assert "the values fit both" not in line(tmp_path, "pay", pay=["0.234", "0.345", "0.999"])


def test_numbers_of_several_units_and_misspelt_ones_are_texts_that_say_so(tmp_path: Path) -> None:
    several = line(tmp_path, "x", x=[f"{n} {'kg' if n % 2 else 'g'}" for n in range(ROWS)])
    assert 'numbers of several units ("g", "kg"): one unit makes them numbers' in several
    misspelt = line(tmp_path, "x", x=[*(f"{n}.5" for n in range(ROWS - 3)), "1O.5", "2O.5", "l.5"])
    assert 'numbers except 3 rows, such as "1O.5"' in misspelt


@pytest.mark.parametrize(
    "values",
    [
        ["1. Married", "2. Single", "3. Widowed"],
        ["1st", "2nd", "3rd"],
        ["<=20", ">50", "20-50"],
        ["18-64", ">64"],
    ],
)
def test_words_beside_a_number_are_no_units(tmp_path: Path, values: list[str]) -> None:
    said = line(tmp_path, "x", x=[*values, *values[:1]])
    assert said.startswith("x = ") and said.endswith(" }")


def test_digits_that_no_setting_reads_are_said(tmp_path: Path) -> None:
    indian = line(tmp_path, "x", x=[f"{n},{n:02},{n * 7:03}" for n in range(1, 90)])
    assert 'digits, such as "1,01,007", in a notation that no setting reads as numbers' in indian


@pytest.mark.parametrize("values", [["Q1", "Q2"], ["A-1", "B-2"], ["10-20", "20-30"], ["3+", "2"]])
def test_codes_and_ranges_are_no_numbers_with_a_unit(tmp_path: Path, values: list[str]) -> None:
    assert type_of(tmp_path, values)["type"] == "category"


# Numbers, categories, texts


def test_codes_are_no_numbers(tmp_path: Path) -> None:
    assert type_of(tmp_path, ["007", "123"])["values"] == ["007", "123"]
    assert type_of(tmp_path, ["98101", "10001"], "zip")["values"] == ["10001", "98101"]
    assert type_of(tmp_path, ["12345678901234567890", "2"])["type"] == "category"
    assert type_of(tmp_path, [str(n) for n in range(60)], "owner_id") == {"type": "text"}
    assert type_of(tmp_path, ["0", "0.5", "-0.5", "1e3"]) == {"type": "number"}


@pytest.mark.parametrize(
    ("name", "first", "unit"),
    [
        ("timestamp", 1_600_000_000, "seconds"),
        ("created_at", 1_600_000_000_000, "milliseconds"),
        ("ts", 1_600_000_000_000_000, "microseconds"),
        ("amount", 1_600_000_000, ""),
        ("timestamp", 1_000, ""),
    ],
)
def test_seconds_since_1970_are_said(tmp_path: Path, name: str, first: int, unit: str) -> None:
    said = line(tmp_path, name, **{name: [str(first + 3600 * n * n) for n in range(ROWS)]})
    assert ("since 1970" in said) == bool(unit)
    assert f"{unit} since 1970? This is read as a number" in said or not unit


def test_values_that_differ_in_case_alone_are_said(tmp_path: Path) -> None:
    assert "differ only in case" in line(tmp_path, "x", x=["Yes", "YES", "no", "No"])
    assert "differ in case" not in line(tmp_path, "x", x=["Yes", "no"])


def test_few_whole_numbers_stay_numbers_and_in_doubt(tmp_path: Path) -> None:
    doubt = "few distinct values: a category?"
    assert doubt in line(tmp_path, "level", level=["1", "2", "3"])
    assert doubt not in line(tmp_path, "level", level=["1", "2", "3.5"])
    assert doubt not in line(tmp_path, "level", level=[str(n) for n in range(11)])
    assert line(tmp_path, "level", level=["1", "0"]) == 'level = { type = "number" }  # 0 or 1'


def test_texts_of_up_to_50_different_values_are_a_category(tmp_path: Path) -> None:
    values = [f"v{n:02}" for n in range(51)]
    assert type_of(tmp_path, values[:50]) == {"type": "category", "values": values[:50]}
    assert type_of(tmp_path, values) == {"type": "text"}
    assert "51 different values: a text cannot be a feature" in line(tmp_path, "x", x=values)
    file = tmp_path / "few.csv"
    file.write_text("id,y,x\n1,0,a\n2,1,b\n3,0,c\n4,1,c\n", encoding="utf-8")
    assert tomllib.loads(draft(file, Decisions("y")))["data"]["columns"] == {"x": {"type": "text"}}


def test_a_long_text_makes_no_category(tmp_path: Path) -> None:
    said = line(tmp_path, "note", note=["x", "y" * 1500, "z"])
    assert said.endswith("3 different values of up to 1,500 characters: a text cannot be a feature")


def test_yes_and_no_are_a_category(tmp_path: Path) -> None:
    assert type_of(tmp_path, ["yes", "no", " "])["values"] == ["no", "yes"]


# Whom a row belongs to


def grouped(folder: Path, **columns: list[str]) -> str:
    """The column that is to be [split] group; nothing if none is."""
    text = draft(table(folder / "pets.csv", **columns), Decisions("returned"))
    chosen = [row for row in text.splitlines() if row.startswith("# group = ")]
    return chosen[0].removeprefix("# group = ") if chosen else ""


SPREAD = [str(n * 7919 % 1013 / 8) for n in range(ROWS)]
MONTHS = [f"2026-0{n}" for n in range(1, 5)]


@pytest.mark.parametrize("name", ["owner_id", "customerId", "patient", "user id", "email", "acct"])
@pytest.mark.parametrize("kind", ["O{}", "{}"])
def test_a_name_that_is_somebodys_and_repeats_groups_rows(
    tmp_path: Path, name: str, kind: str
) -> None:
    values = [kind.format(n * n % 61 + 10) for n in range(ROWS)]
    columns = {name: values, "age": SPREAD}
    assert grouped(tmp_path, **columns) == f'"{name}"'
    assert drafted(tmp_path, **columns)["columns"][name] == {"type": "text"}
    text = draft(table(tmp_path / "pets.csv", **columns), Decisions("returned"))
    assert "Several rows have the same" in text


@pytest.mark.parametrize("kind", ["z{}", "{}", "{}.25"])
def test_values_that_repeat_as_a_panels_do_group_rows(tmp_path: Path, kind: str) -> None:
    who = [kind.format(n // 4 * 37 % 1009) for n in range(ROWS)]
    assert grouped(tmp_path, ref=who, month=MONTHS, age=SPREAD) == '"ref"'
    some = [value for n, value in enumerate(who * 2) if n % 5 and n % 7][:ROWS]
    months = [month for n, month in enumerate(MONTHS * ROWS) if n % 5 and n % 7][:ROWS]
    assert grouped(tmp_path, ref=some[:60] * 2, month=months, age=SPREAD) in ('"ref"', "")


def test_other_columns_that_go_with_a_value_make_it_somebodys(tmp_path: Path) -> None:
    who = [n * n % 41 for n in range(ROWS)]
    columns = {
        "nick": [f"k{n}" for n in who],
        "born": [f"19{50 + n}-01-31" for n in who],
        "sex": ["mf"[n % 2] for n in who],
        "size": [str(150 + n * 7 % 43) for n in who],
        "age": SPREAD,
    }
    assert grouped(tmp_path, **columns) == '"nick"'
    columns["sex"], columns["size"] = ["m", "f", "f"], SPREAD
    assert grouped(tmp_path, **columns) == ""


@pytest.mark.parametrize("name", ["city", "zip_code", "product_id", "months_as_customer", "size"])
def test_places_kinds_and_measures_group_nothing(tmp_path: Path, name: str) -> None:
    columns = {name: [str(n * n % 61 + 10) for n in range(ROWS)], "age": SPREAD}
    assert grouped(tmp_path, **columns) == ""


@pytest.mark.parametrize("form", ["{}", "{}.25", "${}.00", "{} kg"])
def test_columns_that_are_computed_from_an_amount_make_it_nobodys(
    tmp_path: Path, form: str
) -> None:
    hours = [n * n % 61 + 10 for n in range(ROWS)]
    columns = {
        "effort": [form.format(n) for n in hours],
        "twice": [str(2 * n) for n in hours],
        "tens": [f"t{n // 10}" for n in hours],
        "long": ["yes" if n > 40 else "no" for n in hours],
        "fee": [f"${n}.50" for n in hours],
        "age": SPREAD,
    }
    assert grouped(tmp_path, **columns) == ""
    assert drafted(tmp_path, **columns)["columns"]["effort"]["type"] == "number"


def test_whole_numbers_whose_neighbours_have_nothing_in_common_are_somebodys(
    tmp_path: Path,
) -> None:
    who = [n * n % 61 + 1001 for n in range(ROWS)]
    columns = {
        "ref": [str(n) for n in who],
        "plan": ["abc"[n % 3] for n in who],
        "town": [f"t{n * 7 % 11}" for n in who],
        "score": [str(n * 37 % 17) for n in who],
        "age": SPREAD,
    }
    assert grouped(tmp_path, **columns) == '"ref"'


def test_an_amount_that_repeats_as_a_persons_stays_a_feature(tmp_path: Path) -> None:
    pay = [f"{n // 4 * 37 % 1009}.25" for n in range(ROWS)]
    assert drafted(tmp_path, pay=pay, month=MONTHS, age=SPREAD)["columns"]["pay"] == {
        "type": "number"
    }


def test_identical_rows_are_counted_unless_chance_explains_them(tmp_path: Path) -> None:
    columns = {"age": SPREAD[:60], "size": SPREAD[:60]}
    copies = draft(table(tmp_path / "pets.csv", chip=[], **columns), Decisions("returned"))
    assert "60 rows are the same as an earlier one: identical rows go to one split." in copies
    named = draft(table(tmp_path / "pets.csv", **columns), Decisions("returned"))
    assert "60 rows are the same as an earlier one except for chip: if they are copies" in named
    columns = {"age": SPREAD, "size": SPREAD}
    assert "the same as" not in draft(table(tmp_path / "p.csv", **columns), Decisions("returned"))
    flags = {"sex": ["m", "f"], "size": ["1.5", "2.5", "3.5", "4", "5"]}
    assert "the same as" not in draft(table(tmp_path / "p.csv", **flags), Decisions("returned"))


# What a person should know


@pytest.mark.parametrize(
    ("name", "values", "reason"),
    [
        ("country", ["DE"], "every row has the same value"),
        ("colour", ["", " "], "it is empty"),
        ("story", ["a\nb", "c"], "expected texts of one line, got several"),
        (
            "event_time",
            ["1", "2", "3"],
            "the feature group uses this name for the event time; rename the column to use it",
        ),
        ("", ["1", "2", "3"], "it has no name"),
    ],
)
def test_a_column_that_cannot_help_is_left_out_and_said(
    tmp_path: Path, name: str, values: list[str], reason: str
) -> None:
    columns = {name: values, "age": ["1", "2", "3"]}
    assert list(drafted(tmp_path, **columns)["columns"]) == ["age"]
    text = draft(table(tmp_path / "pets.csv", **columns), Decisions("returned"))
    called = name or '""'
    assert f"# {called} is left out: {reason}" in text.replace("\n# ", " ").replace(
        f" {called} is left", f"\n# {called} is left"
    )


def test_a_column_that_alone_ranks_the_label_is_named(tmp_path: Path) -> None:
    warning = "alone it ranks the label almost perfectly: is it known before the outcome?"
    assert warning in line(tmp_path, "x", x=["gone", "here", "here"])
    assert warning in line(tmp_path, "x", x=["9.5", "2", "3"])
    assert warning in line(tmp_path, "x", x=["reason A", "", "", "reason B", "", ""])
    assert warning in line(tmp_path, "x", x=["a", "b", "c", "d", "b", "b"])
    assert warning not in line(tmp_path, "x", x=["here", "gone", "here"])
    assert warning not in line(tmp_path, "x", x=["1", "2", "3", "4"])
    prices = {"price": ["1.5", "2", "9"], "euro": ["$3", "$4", "$18"]}
    assert warning in line(tmp_path, "euro", label="price", **prices)
    assert warning in line(tmp_path, "copy", label="price", price=SPREAD, copy=SPREAD)
    assert warning not in line(tmp_path, "copy", label="price", price=SPREAD, copy=SPREAD[::-1])
    text = draft(table(tmp_path / "pets.csv", x=["9.5", "2", "3"]), Decisions("returned"))
    assert "# - x: alone it ranks the label almost perfectly" in text


def test_names_that_no_feature_group_takes_get_one_that_it_does(tmp_path: Path) -> None:
    names = [
        "Pet Age",
        "_size",
        "Year",
        "year",
        "is_deleted",
        "Größe (cm)",
        "年齢",
        "возраст",
        "x" * 65,
    ]
    columns = {name: ["1.5", "2.5", "3.5", "4"] for name in [*names, "pet_age"]}
    data = drafted(tmp_path, **columns)
    assert list(data["columns"]) == [*names, "pet_age"]
    assert list(data["stored"]) == names
    assert data["stored"]["Größe (cm)"] == "grosse_cm"
    lower = [*map(str.lower, data["stored"].values()), "pet_age", "chip", "returned", "row"]
    assert len(set(lower)) == len(lower)
    assert all(map(is_stored_name, data["stored"].values()))
    keys = {"Pet Chip": [f"P{n}" for n in range(ROWS)], "Came back": ["1", "0", "0", "0"]}
    data = drafted(tmp_path, "Came back", chip=[], returned=[], **keys, age=["1.5", "2"])
    assert data["stored"] == {"Pet Chip": "pet_chip", "Came back": "came_back"}
    assert "stored" not in drafted(tmp_path, age=["1.5", "2"])


def test_mostly_missing_values_are_counted(tmp_path: Path) -> None:
    assert "80 rows without a value" in line(tmp_path, "x", x=["1.5", "", "", "2.5", "", ""])


NASTY = [
    'a"b',
    "back\\slash",
    "new\nline",
    "tab\t",
    "\x7f\x85\u2028",
    "#",
    "a.b",
    "日本 é",
    "😀\ue000",
]


def test_any_name_and_any_value_come_back(tmp_path: Path) -> None:
    columns = {name: ["1.5", "2.5", "3.5"] for name in NASTY}
    cleaned = [clean_name(name) for name in NASTY]  # on one line, without spaces around
    assert list(drafted(tmp_path, **columns)["columns"]) == cleaned
    values = [f"<{name}>" for name in NASTY if "\n" not in name]
    assert set(type_of(tmp_path, values)["values"]) == set(values)
    for value in values:
        data = drafted(tmp_path, returned=[value, "other", "other"], age=["1", "2", "3"])
        assert data["positive"] == value
    for name in cleaned:
        age = ["1", "2", "3"]
        assert drafted(tmp_path, name, **{name: ["0", "1"], "age": age})["label"] == name
        assert list(drafted(tmp_path, **{name: [name], "age": age})["columns"]) == ["age"]


def test_lines_are_short_but_for_lists_of_values(tmp_path: Path) -> None:
    flags = {f"a_rather_long_name_of_a_column_{n}": ["1", "0"] for n in range(9)}
    text = draft(
        table(
            tmp_path / "pets.csv", returned=[], x=[f"a long value {n}" for n in range(30)], **flags
        )
    )
    long = [line for line in text.splitlines() if len(line) > 100]
    assert [line[:5] for line in long] == ["x = {"]
    assert "4 more" in text


# Files


def test_a_parquet_file_of_any_name_drafts_as_the_csv_file_does(tmp_path: Path) -> None:
    frame = pd.DataFrame({
        "chip": [f"P{n}" for n in range(60)],
        "returned": [True, False, False] * 20,
        "age": [1.5, None, 3.0] * 20,
        "born": pd.to_datetime(["2020-01-31", "2021-02-01", "2022-03-04"] * 20),
        "species": pd.Categorical(["cat", "dog", "cat"] * 20),
        "tags": [["a"], ["b"], []] * 20,
    })  # fmt: skip
    for name in ("pets.parquet", "pets.pq", "pets.data"):
        pq.write_table(pa.Table.from_pandas(frame), tmp_path / name)
        text = draft(tmp_path / name, Decisions("returned"))
        data = tomllib.loads(text)["data"]
        assert (data["record_id"], data["label"], data.get("positive")) == (
            "chip",
            "returned",
            None,
        )
        assert {name: column["type"] for name, column in data["columns"].items()} == {
            "age": "number", "born": "date", "species": "category",
        }  # fmt: skip
        assert "# tags is left out: expected single values, got lists, records or bytes" in text


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("p.csv", b"", "p.csv: expected a header and rows, got an empty file"),
        ("p.csv", b"\n \n", "p.csv: expected a header and rows, got an empty file"),
        ("p.pq", b"", "p.pq: expected a header and rows, got an empty file"),
        ("p.csv", b"a,b\n", "p.csv: expected rows, got a header only"),
        (
            "p.csv",
            b"a b\n1 2\n",
            "p.csv: expected a label and other columns (separated by commas in a CSV file), got "
            "one column, 'a b'",
        ),
        ("p.csv", b"a,b,a\n1,2,3\n", "p.csv: expected one column 'a', got several"),
        ("p.csv", b"a,b\n1,2\n1,2,3\n", "p.csv, line 3: expected 2 values, got 3"),
        ("p.csv", b"a,b\n1,2\n1\n\n1\n", "p.csv, line 3: expected 2 values, got 1"),
        ("p.csv", "a,b\n1,é\n".encode("latin-1"), "p.csv, line 2: expected text in UTF-8"),
        ("p.csv", "a,b\n1,2\n".encode("utf-16"), "got text in UTF-16: save it as UTF-8"),
        ("p.csv", b"PK\x03\x04\x00,b\n1,2", "got a zip archive: unpack it"),
        ("p.csv", b"PAR1 b\n1,2\n", "p.csv: not a valid Parquet file: Parquet magic bytes not"),
        ("p.csv", b"5.1,3.5,1.4,red\n4.9,3,1.4,blue\n",
         "p.csv: expected a first line that names the columns, got values ('5.1', '3.5', '1.4')"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_table_says_so(
    tmp_path: Path, name: str, content: bytes, sentence: str
) -> None:
    (tmp_path / name).write_bytes(content)
    assert sentence in refusal(tmp_path / name)


def test_no_file_a_folder_and_an_unknown_label_say_so(tmp_path: Path) -> None:
    assert refusal(tmp_path / "pets.csv") == "there is no file pets.csv"
    assert refusal(tmp_path).endswith("got a folder: name one file, and join several first")
    file = table(tmp_path / "pets.csv", event_time=["0", "1"])
    assert refusal(file, "colour") == (
        "pets.csv: expected a column 'colour', got chip, returned, event_time"
    )
    assert "expected another name for the label" in refusal(file, "event_time")


def test_parquet_files_without_rows_or_with_one_column_say_so(tmp_path: Path) -> None:
    file = tmp_path / "pets.parquet"
    pq.write_table(pa.table({"a": pa.array([], pa.int64()), "b": pa.array([], pa.int64())}), file)
    assert refusal(file) == "pets.parquet: expected rows, got columns only"
    pq.write_table(pa.table({"a": [1, 2]}), file)
    assert refusal(file).startswith("pets.parquet: expected a label and other columns")
    pq.write_table(pa.Table.from_arrays([pa.array([1]), pa.array([2])], ["a", "a"]), file)
    assert refusal(file).startswith("pets.parquet: expected one column 'a', got several")


def test_blank_lines_and_a_byte_order_mark_make_no_difference(tmp_path: Path) -> None:
    file = table(tmp_path / "pets.csv", chip=["007", "008"], age=["1", "2", "3"])
    plain = tomllib.loads(draft(file))
    file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes() + b"\n  \n")
    assert tomllib.loads(draft(file)) == plain
    assert "120 rows" in draft(file)


def refusal(file: Path, label: str = "") -> str:
    """The sentence that a file is refused with, less the folder."""
    with pytest.raises(RawTableError) as refused:
        draft(file, Decisions(label))
    sentence = str(refused.value)
    assert "\n" not in sentence
    return sentence.replace(f"{file.parent}/", "")


# The command


def schema(*arguments: str) -> str:
    done = CliRunner().invoke(main.main, ["schema", *arguments])
    assert done.exit_code == 0, done.output
    return done.stdout


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A repository with a table, and settings that do not load: the draft is to mend them."""
    root = tmp_path / "repository"
    (root / "data").mkdir(parents=True)
    table(root / "data/pets.csv", age=["1.5", "NA", "2", "3"], region=["NA", "EU", "AS"])
    settings = '[data]\nfile = "data/pets.csv"\nlabel = "returned"\nundecided = ["NA"]\n'
    (root / "pipeline.toml").write_text(settings, encoding="utf-8")
    here.root.cache_clear()
    monkeypatch.chdir(root)
    yield root
    here.root.cache_clear()


def test_a_table_that_git_would_commit_is_named(repository: Path) -> None:
    def notices() -> str:
        return CliRunner().invoke(main.main, ["schema", "data/pets.csv"]).stderr

    assert notices() == ""  # no work tree of git
    subprocess.run(["git", "init", "-q"], check=True)  # noqa: S607
    assert notices() == (
        "pipeline: notice: git does not ignore data/pets.csv: if its rows are people, add it to "
        ".gitignore\n"
    )
    (repository / ".gitignore").write_text("data/\n", encoding="utf-8")
    assert notices() == ""


def test_the_file_is_named_from_the_repository_on_wherever_the_command_is_given(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert 'file = "data/pets.csv"\n' in schema("data/pets.csv")
    assert 'file = "data/pets.csv"\n' in schema(str(repository / "data/pets.csv"))
    monkeypatch.chdir(repository / "data")
    assert 'file = "data/pets.csv"\n' in schema("pets.csv")
    outside = table(tmp_path / "pets.csv", age=["1.5", "2"])
    assert f'file = "{outside.as_posix()}"\n' in schema("../../pets.csv")


def test_outside_of_any_repository_the_file_is_named_in_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = table(tmp_path / "pets.csv", age=["1.5", "2"])
    here.root.cache_clear()
    monkeypatch.chdir(tmp_path)
    text = schema("pets.csv")
    assert f'file = "{file.resolve().as_posix()}"\n' in text
    assert 'label = ""' in text


def test_the_label_is_that_of_the_settings_and_the_options_decide_words(repository: Path) -> None:
    text = schema("data/pets.csv")
    assert 'label = "returned"' in text
    assert 'undecided = ["NA"]' in text
    assert 'label = "age"' in schema("data/pets.csv", "--label", "age")
    assert 'missing = ["NA", "-"]' in schema("data/pets.csv", "--missing", "NA", "--missing", "-")
    decided = schema("data/pets.csv", "--value", "NA")
    assert "undecided" not in decided
    assert '"NA"]' in decided
    (repository / "pipeline.toml").write_text("[data\n", encoding="utf-8")
    assert 'label = ""' in schema("data/pets.csv")
