"""Reading a raw table: what is counted and kept, what is refused, and which line is named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pets import HEADER, ROWS, raw_file, settings

from cli.settings import Column
from feature_store.errors import RawTableError
from feature_store.raw_table import RawTable, read_raw_table


def read(folder: Path, *rows: str, event_time: str = "") -> RawTable:
    """The usual rows, and these."""
    return read_raw_table(raw_file(folder, *ROWS, *rows), settings(event_time))


def refusal(file: Path, **options: str) -> str:
    """The sentence that a file is refused with, less the folder."""
    with pytest.raises(RawTableError) as refused:
        read_raw_table(file, settings(**options))
    sentence = str(refused.value)
    assert "\n" not in sentence
    return sentence.replace(f"{file.parent}/", "")


def test_every_value_is_read_as_the_settings_say(tmp_path: Path) -> None:
    table = read(tmp_path)
    assert table.rows["chip"].tolist() == ["007", "008", "1e5"]  # no number, though it looks so
    assert table.rows["adopted"].tolist() == [1, 0, 1]
    assert table.rows["age"].tolist() == [1.5, 12, 0.25]
    assert table.rows["born"].tolist()[0] == pd.Timestamp("2020-01-31")
    assert table.rows["species"].tolist() == ["cat", "dog", "cat"]
    assert set(table.rows["event_time"]) == {"2026-01-31T00:00:00Z"}
    assert (table.read, table.found) == (3, {})


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_line_ends_and_byte_order_marks_make_no_difference(
    tmp_path: Path, end: str, mark: str
) -> None:
    plain = read(tmp_path).rows
    file = raw_file(tmp_path, *ROWS, header=f"{mark}{HEADER}", end=end)
    assert read_raw_table(file, settings()).rows.equals(plain)


def test_ids_may_hold_commas_quotes_and_zeros_and_lose_spaces_around(tmp_path: Path) -> None:
    file = raw_file(
        tmp_path, '"a,b",1,1,,cat,', '"a""b",0,1,,cat,', " 007 ,1,1,,cat,", "1e400,1,1,,cat,"
    )
    rows = read_raw_table(file, settings()).rows
    assert rows["chip"].tolist() == ["a,b", 'a"b', "007", "1e400"]


def test_other_columns_and_their_order_do_not_matter(tmp_path: Path) -> None:
    names = HEADER.split(",")
    rows = [
        ",".join(["x", *reversed(row.split(",")), 'a remark, "quoted"'.replace('"', "")])
        for row in ROWS
    ]
    header = ",".join(["extra", *reversed(names), "remark", "remark"])
    other = read_raw_table(raw_file(tmp_path, *rows, header=header), settings()).rows
    assert other.equals(read(tmp_path).rows)


def test_a_large_file_may_hold_line_breaks_wherever_its_blocks_end(tmp_path: Path) -> None:
    remark = '"' + "a line\n" * 100 + '"'
    rows = [f"{number},{number % 2},1,,cat,,{remark}" for number in range(4000)]
    file = raw_file(tmp_path, *rows, header=f"{HEADER},remark")
    assert file.stat().st_size > 2 * 2**20
    assert read_raw_table(file, settings()).rows["chip"].tolist() == list(map(str, range(4000)))
    rows[3000] = f"9,1,old,,cat,,{remark}"
    line = 2 + 3000 * 101
    assert f"line {line}: 'age'" in refusal(raw_file(tmp_path, *rows, header=f"{HEADER},remark"))


def test_a_number_is_the_nearest_to_its_text(tmp_path: Path) -> None:
    texts = [repr(number) for number in (np.random.default_rng(1).random(500) * 100).tolist()]
    file = raw_file(tmp_path, *(f"{i},{i % 2},{text},,cat," for i, text in enumerate(texts)))
    assert read_raw_table(file, settings()).rows["age"].tolist() == [float(t) for t in texts]


@pytest.mark.parametrize("text", ["", " ", "NA", "#N/A", "NaN", "null"])
def test_a_missing_number_is_counted_and_kept(tmp_path: Path, text: str) -> None:
    table = read(tmp_path, f"009,1,{text},2020-01-31,cat,")
    assert np.isnan(table.rows["age"].iloc[-1])
    assert table.found == {"missing age": 1}


@pytest.mark.parametrize("text", ["1/0/00", "2020-02-30", "31.1.2020", "", "#N/A", "2020-01-31x"])
def test_an_unreadable_date_is_counted_and_kept(tmp_path: Path, text: str) -> None:
    table = read(tmp_path, f"009,1,1,{text},cat,", "010,1,1, 2020-01-31 ,cat,")
    assert table.rows["born"].isna().tolist()[-2:] == [True, False]
    assert table.found == {"unreadable date in born": 1}


def test_unknown_and_missing_values_of_a_category_are_counted_and_kept(tmp_path: Path) -> None:
    table = read(tmp_path, "009,1,1,2020-01-31,rabbit,", "010,0,1,2020-01-31, ,")
    assert table.rows["species"].iloc[-2] == "rabbit"
    assert table.rows["species"].isna().iloc[-1]
    assert table.found == {"unknown value in species": 1, "missing species": 1}


def test_a_known_value_is_a_value_even_if_it_reads_like_none(tmp_path: Path) -> None:
    region = Column("category", values=("EU", "NA"))
    file = raw_file(
        tmp_path, "1,1,NA,1,2020-01-31,cat", "2,0,null,1,2020-01-31,cat",
        header="chip,adopted,region,age,born,species",
    )  # fmt: skip
    table = read_raw_table(file, settings(region=region))
    assert table.rows["region"].tolist()[0] == "NA"
    assert table.found == {"missing region": 1}


def test_a_row_without_an_id_or_a_label_is_left_out_and_counted(tmp_path: Path) -> None:
    table = read(tmp_path, " ,1,1,2020-01-31,cat,", "009,,1,2020-01-31,cat,", ",,,,,")
    assert table.rows["chip"].tolist() == ["007", "008", "1e5"]
    assert table.read == 6
    assert table.found["empty chip: left out"] == 2
    assert table.found["no adopted: left out"] == 1


def test_of_a_repeated_id_all_rows_are_kept_in_order_and_the_earlier_ones_counted(
    tmp_path: Path,
) -> None:
    table = read(tmp_path, "007,0,2,2020-01-31,cat,", "007,1,3,2020-01-31,cat,")
    assert table.rows["age"].tolist() == [1.5, 12, 0.25, 2, 3]
    (what,) = table.found
    assert what.startswith("repeated chip: of each the row put last")
    assert table.found[what] == 2


def test_one_id_at_two_moments_is_history_and_no_repetition(tmp_path: Path) -> None:
    table = read(tmp_path, "007,1,2,2020-01-31,cat,2026-01-05", event_time="seen")
    assert table.found == {}
    assert table.rows["event_time"].tolist() == [
        "2026-01-01T10:30:00Z",
        "2026-01-02T00:00:00Z",
        "2026-01-02T23:59:59Z",
        "2026-01-05T00:00:00Z",
    ]


def test_a_moment_of_another_zone_is_told_in_utc(tmp_path: Path) -> None:
    table = read(tmp_path, "9,1,1,2020-01-31,cat, 2026-01-01T01:00:00.9+02:00", event_time="seen")
    assert table.rows["event_time"].iloc[-1] == "2025-12-31T23:00:00Z"


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        ("009,1,1 000,,cat,", "line 5: 'age' is '1 000', where a number is right (1 such rows)"),
        ('009,1,"1,000",,cat,', "line 5: 'age' is '1,000', where a number is right"),
        ("009,1,1_000,,cat,", "line 5: 'age' is '1_000', where a number is right"),
        ("009,1,12kg,,cat,", "line 5: 'age' is '12kg', where a number is right"),
        ("009,1,inf,,cat,", "line 5: 'age' is 'inf', where a number is right"),
        ("009,1,1e400,,cat,", "line 5: 'age' is '1e400', where a number is right"),
        ("009,yes,1,,cat,", "line 5: the label 'adopted' is 'yes', where 0 or 1 is right (1 such"),
        ("009,TRUE,1,,cat,", "line 5: the label 'adopted' is 'TRUE', where 0 or 1 is right"),
        ("009,2,1,,cat,", "line 5: the label 'adopted' is '2', where 0 or 1 is right"),
        ("009,1,1,,cat", "line 5: 5 values were read, where 6 are right"),
        ("009,1,1,,cat,,", "line 5: 7 values were read, where 6 are right"),
        ('"0\n9",1,1,,cat,', r"line 5: 'chip' is '0\n9', where a text of one line is right"),
        ('009,1,1,,"c\r\nat",', r"line 5: 'species' is 'c\r\nat', where a text of one line"),
    ],
)
def test_what_must_not_be_stops_with_line_and_value(
    tmp_path: Path, row: str, sentence: str
) -> None:
    read_as = refusal(raw_file(tmp_path, *ROWS, row))
    assert read_as.startswith("pets.csv, ")
    assert sentence in read_as


def test_the_line_is_the_editors_past_blank_lines_and_quoted_line_breaks(tmp_path: Path) -> None:
    rows = ["", '007,1,1,,cat,"a\nremark\nof three lines"', "  ", "008,0,old,,dog,"]
    assert "line 7: 'age' is 'old'" in refusal(raw_file(tmp_path, *rows))
    assert "line 7: 5 values" in refusal(raw_file(tmp_path, *rows[:-1], "008,0,old,,dog"))
    assert "line 7: 'age'" in refusal(raw_file(tmp_path, *rows, end="\r\n"))


def test_a_moment_that_is_none_stops(tmp_path: Path) -> None:
    file = raw_file(tmp_path, *ROWS, "009,1,1,,cat,", "010,1,1,,cat,last week")
    sentence = refusal(file, event_time="seen")
    assert "line 5: 'seen' is '', where a moment such as 2026-01-31T00:00:00Z is right" in sentence
    assert "(2 such rows)" in sentence


def test_missing_and_repeated_columns_are_named_with_those_that_there_are(tmp_path: Path) -> None:
    absent = raw_file(tmp_path, "1,1", header="chip,label")
    assert refusal(absent) == (
        "pets.csv has no column 'adopted', 'age', 'born', 'species'; it has chip, label"
    )
    twice = raw_file(tmp_path, "1,1,2,2020-01-31,cat,3", header="chip,adopted,age,born,species,age")
    assert refusal(twice).startswith("pets.csv has more than one column 'age'; it has chip")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "pets.csv is empty, where a header and rows are right"),
        (b"\n\n", "pets.csv is empty"),
        (HEADER.encode(), "pets.csv has a header and no rows"),
        (f"{HEADER}\n".encode(), "pets.csv has a header and no rows"),
        (f"{HEADER}\n,1,1,,cat,\n".encode(), "pets.csv has no row with a chip and a adopted"),
        (f"{HEADER}\n1,1,1,,cat,\n2,1,1,,cat,\n".encode(), "the label 'adopted' is 1 in every row"),
        (f"{HEADER}\n1,1,1,,caf\xe9,\n".encode("latin-1"), "pets.csv is no UTF-8 text"),
        (f"{HEADER}\n1,1,1,,cat,\n".encode("utf-16"), "pets.csv is no UTF-8 text"),
        (b"PK\x03\x04\x14\x00\x06\x00\x08", "pets.csv is no CSV file: its first line does not"),
        (HEADER.replace(",", ";").encode(), "no column 'chip', 'adopted'"),
    ],
)
def test_a_file_that_is_no_table_says_so(tmp_path: Path, content: bytes, sentence: str) -> None:
    file = tmp_path / "pets.csv"
    file.write_bytes(content)
    assert sentence in refusal(file)


def test_a_parquet_file_a_folder_and_nothing_are_no_tables(tmp_path: Path) -> None:
    file = tmp_path / "pets.csv"
    assert refusal(file) == "there is no file pets.csv"
    pq.write_table(pa.table({"chip": [1, 2], "adopted": [0, 1]}), file)
    assert refusal(file).startswith("pets.csv is no ")
    folder = tmp_path / "folder"
    folder.mkdir()
    assert refusal(folder) == "folder cannot be read: Is a directory"


def test_a_file_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    file = raw_file(tmp_path, *ROWS)
    monkeypatch.setattr(Path, "open", refuse)
    assert refusal(file) == "pets.csv cannot be read: Permission denied"
