"""Drafting `[data]` for a table: what its values decide, and what is left to a person, in words."""

from __future__ import annotations

import csv
import os
import tomllib
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ninesteps.errors import RawTableError
from ninesteps.feature_store.raw_table import read_raw_table
from ninesteps.feature_store.schema import draft
from ninesteps.feature_store.table_columns import DAYS
from ninesteps.settings.data import Column, Data, Split
from ninesteps.settings.judgement import GateSettings
from ninesteps.settings.project import Project
from ninesteps.settings.settings import Settings
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


def drafted(folder: Path, label: str = "", **columns: list[str]) -> dict[str, Any]:
    """`[data]` as TOML reads it, once the settings' own rules have held."""
    data: dict[str, Any] = tomllib.loads(draft(table(folder / "pets.csv", **columns), label))
    data = data["data"]
    types = {name: Column(**column) for name, column in data["columns"].items()}
    Data(**{**data, "columns": types})
    return data


def line(folder: Path, start: str, label: str = "", **columns: list[str]) -> str:
    """The line that begins so, with a comment that stands above it."""
    lines = draft(table(folder / "pets.csv", **columns), label).splitlines()
    place = next(place for place, text in enumerate(lines) if text.startswith(start))
    above = lines[place - 1] if lines[place - 1].startswith("# ") and place > 3 else ""
    return f"{above} {lines[place]}".strip()


def type_of(folder: Path, values: list[str], name: str = "x") -> dict[str, Any]:
    """What a column of these values is."""
    column: dict[str, Any] = drafted(folder, **{name: values})["columns"][name]
    return column


def test_a_draft_says_everything_that_the_settings_ask_for(tmp_path: Path) -> None:
    file = table(
        tmp_path / "pets.csv",
        age=["1.5", "", "12", "NA"],
        born=["1/31/2020", "12/9/2009"],
        species=["dog", "cat", "null"],
        remark=[f"found in street {n}" for n in range(60)],
    )
    os.utime(file, (1_767_225_600 + 3600, 1_767_225_600 + 3600))
    text = draft(file)
    assert tomllib.loads(text) == {
        "data": {
            "file": file.as_posix(),
            "record_id": "chip",
            "label": "returned",
            "snapshot": "2026-01-01T00:00:00Z",
            "columns": {
                "age": {"type": "number"},
                "born": {"type": "date", "format": "%m/%d/%Y"},
                "species": {"type": "category", "values": ["cat", "dog"]},
                "remark": {"type": "text"},
            },
        }
    }
    assert "120 rows and 6 columns of pets.csv" in " ".join(text.split())
    assert "no column says the moment" in text
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
        "species": ["dog", "cat", "null"],
        "found": [f"street {n}" for n in range(60)],
        "date time": ["2026-01-31 10:00:00", "2026-02-01 11:00:00"],
    }
    data = drafted(tmp_path, **(columns if has_id else {"chip": [], **columns}))
    types = {name: Column(**column) for name, column in data["columns"].items()}
    said = Settings(
        project=Project("Pets", "pets", "Pet", "custom"),
        data=Data(**{**data, "columns": types}),
        split=Split("pets"),
        tuning=Tuning(ranges={"eta": Range(0.1, 0.5)}),
        gate=GateSettings("auc > 0.5"),
    )
    raw = read_raw_table(Path(data["file"]), said)
    assert raw.rows["returned"].sum() == ROWS / 3
    assert (raw.read, raw.rows["age"].max()) == (ROWS, 12)


def test_the_file_stands_as_it_was_typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table(tmp_path / "pets.csv", age=["1", "2"])
    monkeypatch.chdir(tmp_path)
    assert 'file = "pets.csv"\n' in draft(Path("pets.csv"))


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
    assert "no two rows have the same: an id?" in line(tmp_path, "pay", chip=[], pay=wide)
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


def test_the_label_is_told_by_name_and_the_others_are_named(tmp_path: Path) -> None:
    flags = {"returned": [], "neutered": ["1", "0"], "is_churn": ["0", "0", "1"], "tag": ["a", "b"]}
    flags["age"] = ["1", "2", "3"]
    assert line(tmp_path, "label", **flags) == (
        'label = "is_churn"  # two values: [project] problem = "binary"; or neutered, tag'
    )
    assert 'label = "returned"' in line(tmp_path, "label", label="returned", y=["0", "1"])
    assert "or " not in line(tmp_path, "label", label="returned", y=["0", "1"])


@pytest.mark.parametrize(
    ("name", "other"),
    [("target", "has_left"), ("loan_default", "price"), ("wage", "price"), ("SalePrice", "age")],
)
def test_the_likelier_name_wins(tmp_path: Path, name: str, other: str) -> None:
    numbers, flags = ["3", "1", "4", "1.5"], ["0", "0", "1"]
    kinds = {"target": flags, "has_left": flags, "loan_default": flags}
    columns = {c: kinds.get(c, numbers) for c in (other, name)}
    if name == "wage":
        columns["price_range"] = numbers
        columns.pop("price")
    assert drafted(tmp_path, returned=[], **columns)["label"] == name


def test_two_values_are_binary_and_numbers_a_regression(tmp_path: Path) -> None:
    assert 'problem = "binary"' in line(tmp_path, "label", age=["1", "2", "3"])
    regression = line(tmp_path, "label", label="age", age=["1.5", "2", "", "3"])
    assert regression == (
        'label = "age"  # numbers: [project] problem = "regression"; 30 rows without one: left out'
    )
    three = line(tmp_path, "label", label="species", species=["a", "b", "c"])
    assert "# expected two values, or numbers, got 3 different values" in three


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


def test_a_table_without_a_possible_label_leaves_it_to_a_person(tmp_path: Path) -> None:
    text = draft(table(tmp_path / "pets.csv", returned=["a", "b", "c"], city=["x", "y", "z"]))
    assert tomllib.loads(text)["data"]["label"] == ""


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
    columns = {"arrived": times, "timestamp": times, "age": ["1", "2", "3"]}
    assert line(tmp_path, "event_time", **columns) == 'event_time = "timestamp"  # or arrived'
    assert drafted(tmp_path, **columns)["columns"]["arrived"]["format"] == "%Y-%m-%d %H:%M"


# Dates


@pytest.mark.parametrize("form", [*DAYS, "%Y%m%d", "%d.%m.%Y %H:%M", "%m/%d/%Y %I:%M %p"])
def test_a_format_is_found_if_the_values_decide(tmp_path: Path, form: str) -> None:
    days = pd.to_datetime(["2026-01-31 13:05", "2025-09-23 01:00", "2024-12-15 23:59"])
    assert type_of(tmp_path, days.strftime(form).tolist()) == {"type": "date", "format": form}


def test_an_order_that_no_value_decides_is_said_or_taken_from_another_column(
    tmp_path: Path,
) -> None:
    unclear, clear = ["1/2/2026", "3/4/2026"], ["1/2/2026", "31/1/2026"]
    assert line(tmp_path, "born", born=unclear) == (
        'born = { type = "date", format = "%m/%d/%Y" }  # or %d/%m/%Y: no value decides'
    )
    assert line(tmp_path, "born", born=unclear, seen=clear) == (
        'born = { type = "date", format = "%d/%m/%Y" }'
    )
    same = line(tmp_path, "born", born=["1/1/2026", "2/2/2026"])
    assert "no value decides" not in same


def test_under_one_percent_of_unreadable_dates_is_counted_and_more_make_it_no_date(
    tmp_path: Path,
) -> None:
    days = ["1/31/2020", "2/1/2020"] * (ROWS // 2)
    one = line(tmp_path, "born", born=[*days[:-1], "1/0/00"])
    assert one == (
        'born = { type = "date", format = "%m/%d/%Y" }  # 1 row unreadable, such as "1/0/00"'
    )
    assert type_of(tmp_path, [*days[:-2], "1/0/00", "1/0/00"])["type"] == "category"


# Numbers, categories, texts


def test_codes_are_no_numbers(tmp_path: Path) -> None:
    assert type_of(tmp_path, ["007", "123"])["values"] == ["007", "123"]
    assert type_of(tmp_path, ["98101", "10001"], "zip")["values"] == ["10001", "98101"]
    assert type_of(tmp_path, ["12345678901234567890", "2"])["type"] == "category"
    assert type_of(tmp_path, [str(n) for n in range(60)], "owner_id") == {"type": "text"}
    assert type_of(tmp_path, ["0", "0.5", "-0.5", "1e3"]) == {"type": "number"}


def test_few_whole_numbers_stay_numbers_and_in_doubt(tmp_path: Path) -> None:
    doubt = "few values: a category?"
    assert doubt in line(tmp_path, "level", level=["1", "2", "3"])
    assert doubt not in line(tmp_path, "level", level=["1", "2", "3.5"])
    assert doubt not in line(tmp_path, "level", level=[str(n) for n in range(11)])
    assert line(tmp_path, "level", level=["1", "0"]) == 'level = { type = "number" }  # 0 or 1'


def test_numbers_with_a_few_words_between_say_so(tmp_path: Path) -> None:
    ages = [str(n / 4) for n in range(ROWS - 1)]
    text = line(tmp_path, "age", age=[*ages, "?"])
    assert 'type = "text"' in text
    assert 'numbers but for 1 row, such as "?"' in text


def test_texts_of_up_to_50_different_values_are_a_category(tmp_path: Path) -> None:
    values = [f"v{n:02}" for n in range(51)]
    assert type_of(tmp_path, values[:50]) == {"type": "category", "values": values[:50]}
    assert type_of(tmp_path, values) == {"type": "text"}
    assert "51 different values" in line(tmp_path, "x", x=values)
    file = tmp_path / "few.csv"
    file.write_text("id,y,x\n1,0,a\n2,1,b\n3,0,c\n4,1,c\n", encoding="utf-8")
    assert tomllib.loads(draft(file))["data"]["columns"] == {"x": {"type": "text"}}


def test_yes_and_no_are_a_category_and_missing_words_no_values(tmp_path: Path) -> None:
    assert type_of(tmp_path, ["yes", "no"])["values"] == ["no", "yes"]
    assert type_of(tmp_path, ["true", "false", "N/A", "NaN", " "])["values"] == ["false", "true"]


def test_an_id_that_repeats_may_group_rows(tmp_path: Path) -> None:
    owners = [f"O{n}" for n in range(60)]
    assert "[split] group" in line(tmp_path, "owner_id", owner_id=owners)


# What a person should know


@pytest.mark.parametrize(
    ("name", "values", "reason"),
    [
        ("country", ["DE"], "every row has the same value"),
        ("colour", ["", "NA"], "it is empty"),
        ("story", ["a\nb", "c"], "expected texts of one line, got several"),
        ("event_time", ["1", "2", "3"], "the feature group has a column of that name"),
        ("", ["1", "2", "3"], "it has no name"),
    ],
)
def test_a_column_that_cannot_help_is_left_out_and_said(
    tmp_path: Path, name: str, values: list[str], reason: str
) -> None:
    columns = {name: values, "age": ["1", "2", "3"]}
    assert list(drafted(tmp_path, **columns)["columns"]) == ["age"]
    called = name or '""'
    assert line(tmp_path, f"# {called} is", **columns).endswith(f"is left out: {reason}")


def test_a_column_that_alone_tells_the_label_is_named(tmp_path: Path) -> None:
    warning = "alone it tells the label"
    assert warning in line(tmp_path, "x", x=["gone", "here", "here"])
    assert warning in line(tmp_path, "x", x=["reason A", "", "", "reason B", "", ""])
    assert warning not in line(tmp_path, "x", x=["here", "gone", "here"])
    assert warning not in line(tmp_path, "x", x=["1", "2", "3"])
    prices = {"price": ["1.5", "2", "9"], "euro": ["3", "4", "18"]}
    assert warning in line(tmp_path, "euro", label="price", **prices)
    single = [f"{n}.5" for n in range(ROWS)]
    assert warning in line(tmp_path, "copy", label="price", price=single, copy=single)
    assert warning not in line(tmp_path, "copy", label="price", price=single, copy=single[::-1])


def test_names_that_the_feature_group_has_are_no_facets(tmp_path: Path) -> None:
    assert "no facet and no feature can be called so" in line(tmp_path, "Year", Year=["1", "2"])


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
    assert list(drafted(tmp_path, **columns)["columns"]) == NASTY
    values = [f"<{name}>" for name in NASTY if "\n" not in name]
    assert set(type_of(tmp_path, values)["values"]) == set(values)
    for value in values:
        data = drafted(tmp_path, returned=[value, "other", "other"], age=["1", "2", "3"])
        assert data["positive"] == value
    for name in NASTY:
        age = ["1", "2", "3"]
        assert drafted(tmp_path, name, **{name: ["0", "1"], "age": age})["label"] == name
        assert list(drafted(tmp_path, **{name: [name], "age": age})["columns"]) == ["age"]


def test_lines_are_short_but_for_lists_of_values(tmp_path: Path) -> None:
    flags = {f"a_rather_long_name_of_a_column_{n}": ["1", "0"] for n in range(9)}
    text = draft(table(tmp_path / "pets.csv", x=[f"a long value {n}" for n in range(30)], **flags))
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
        text = draft(tmp_path / name)
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
        ("p.csv", b"", "p.csv: expected columns and rows, got an empty file"),
        ("p.csv", b"\n \n", "p.csv: expected columns and rows, got an empty file"),
        ("p.csv", b"a,b\n", "p.csv: expected rows, got columns only"),
        (
            "p.csv",
            b"a;b\n1;2\n",
            "p.csv: expected a label and other columns (separated by commas in a CSV file), got "
            "one column, 'a;b'",
        ),
        ("p.csv", b"a,b,a\n1,2,3\n", "p.csv: expected one column 'a', got several"),
        (
            "p.csv",
            b"a,b\n1,2\n1,2,3\n",
            "p.csv, row 3: expected 2 values, got 3 (1 such row)",
        ),
        (
            "p.csv",
            b"a,b\n1,2\n1\n\n1\n",
            "p.csv, row 3: expected 2 values, got 1 (2 such rows)",
        ),
        ("p.csv", "a,b\n1,é\n".encode("latin-1"), "p.csv: expected a CSV file, got no UTF-8 text"),
        ("p.csv", "a,b\n1,2\n".encode("utf-16"), "p.csv: expected a CSV file, got no UTF-8 text"),
        (
            "p.csv",
            b"PK\x03\x04\x00,b\n1,2",
            "p.csv: not a valid CSV file: its first line does not name columns",
        ),
        (
            "p.csv",
            b"PAR1,b\n1,2\n",
            "p.csv: not a valid Parquet file: Parquet magic bytes not found",
        ),
        (
            "p.parquet",
            b"a,b\n1,2\n",
            "p.parquet: not a valid Parquet file: Parquet magic bytes not found",
        ),
        ("p.pq", b"", "p.pq: not a valid Parquet file: Parquet file size is 0 bytes"),
    ],
)
def test_a_file_that_is_no_table_says_so(
    tmp_path: Path, name: str, content: bytes, sentence: str
) -> None:
    (tmp_path / name).write_bytes(content)
    assert sentence in refusal(tmp_path / name)


def test_no_file_a_folder_and_an_unknown_label_say_so(tmp_path: Path) -> None:
    assert refusal(tmp_path / "pets.csv") == "there is no file pets.csv"
    assert refusal(tmp_path).endswith("cannot be read: Is a directory")
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
        draft(file, label)
    sentence = str(refused.value)
    assert "\n" not in sentence
    return sentence.replace(f"{file.parent}/", "")
