"""Reading a raw table: what is counted and kept, what is refused, and which line is named."""

from __future__ import annotations

import dataclasses
import json
import re
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from ninesteps.errors import RawTableError
from ninesteps.feature_store.raw_table import RawTable, read_raw_table
from ninesteps.settings.data import Column, Quality
from ninesteps.settings.settings import Settings
from pets import HEADER, ROWS, changed, raw_file, settings


def read(folder: Path, *rows: str, event_time: str = "") -> RawTable:
    """The usual rows, and these."""
    return read_raw_table(raw_file(folder, *ROWS, *rows), settings(event_time))


def refusal(file: Path, of: Settings | None = None, **options: str) -> str:
    """The sentence that a file is refused with, less the folder."""
    with pytest.raises(RawTableError) as refused:
        read_raw_table(file, of or settings(**options))
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
    assert set(table.rows["event_time"]) == {"2026-01-31T00:00:00.000Z"}
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
        tmp_path,
        '"a,b",1,1,2020-01-31,cat,',
        '"a""b",0,1,,cat,',
        " 007 ,1,1,,cat,",
        "1e400,1,1,,cat,",
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
    rows = [f"{number},{number % 2},1,2020-01-31,cat,,{remark}" for number in range(4000)]
    file = raw_file(tmp_path, *rows, header=f"{HEADER},remark")
    assert file.stat().st_size > 2 * 2**20
    assert read_raw_table(file, settings()).rows["chip"].tolist() == list(map(str, range(4000)))
    rows[3000] = f"9,1,old,,cat,,{remark}"
    line = 2 + 3000 * 101
    assert f"line {line}: 'age'" in refusal(raw_file(tmp_path, *rows, header=f"{HEADER},remark"))


def test_a_number_is_the_nearest_to_its_text(tmp_path: Path) -> None:
    texts = [repr(number) for number in (np.random.default_rng(1).random(500) * 100).tolist()]
    file = raw_file(
        tmp_path, *(f"{i},{i % 2},{text},2020-01-31,cat," for i, text in enumerate(texts))
    )
    assert read_raw_table(file, settings()).rows["age"].tolist() == [float(t) for t in texts]


@pytest.mark.parametrize("text", ["", " ", "NA", "#N/A", "NaN", "null"])
def test_a_missing_number_is_counted_and_kept(tmp_path: Path, text: str) -> None:
    table = read(tmp_path, f"009,1,{text},2020-01-31,cat,")
    assert np.isnan(table.rows["age"].iloc[-1])
    assert table.found == {"missing age": 1}


@pytest.mark.parametrize(
    "text", ["1/0/00", "2020-02-30", "31.1.2020", "10000-01-01", "2020-01-31x"]
)
def test_an_unreadable_date_is_counted_and_kept(tmp_path: Path, text: str) -> None:
    table = read(tmp_path, f"009,1,1,{text},cat,", "010,1,1, 2020-01-31 ,cat,")
    assert table.rows["born"].isna().tolist()[-2:] == [True, False]
    assert table.found == {"unreadable date in born": 1}


@pytest.mark.parametrize("text", ["", " ", "#N/A", "null"])
def test_a_missing_date_is_counted_and_kept(tmp_path: Path, text: str) -> None:
    table = read(tmp_path, f"009,1,1,{text},cat,")
    assert table.rows["born"].isna().tolist() == [False, False, False, True]
    assert table.found == {"missing born": 1}


def test_unknown_and_missing_values_of_a_category_are_counted_and_kept(tmp_path: Path) -> None:
    table = read(tmp_path, "009,1,1,2020-01-31,rabbit,", "010,0,1,2020-01-31, ,")
    assert table.rows["species"].iloc[-2] == "rabbit"
    assert table.rows["species"].isna().iloc[-1]
    assert table.found == {"unknown value in species": 1, "missing species": 1}


WORDS = ("NA", "None", "null", "nan", "N/A")


def test_a_word_that_reads_like_none_is_a_value_among_texts(tmp_path: Path) -> None:
    """A group called NA must not vanish from the bias report."""
    of = settings(region=Column("category", values=WORDS), owner=Column("text"))
    rows = [f"{word},{n % 2},{word},{word},1,2020-01-31,cat" for n, word in enumerate(WORDS)]
    file = raw_file(tmp_path, *rows, header="chip,adopted,region,owner,age,born,species")
    typed = tmp_path / "pets.parquet"
    pq.write_table(pyarrow.csv.read_csv(file), typed)
    for table in (read_raw_table(file, of), read_raw_table(typed, of)):
        for name in ("chip", "region", "owner"):
            assert table.rows[name].tolist() == list(WORDS)
        assert table.found == {}


def test_words_that_mean_no_value_are_missing_in_every_column(tmp_path: Path) -> None:
    of = changed(settings(owner=Column("text")), data={"missing": ("-", "?")})
    file = raw_file(
        tmp_path,
        *(f"{row},Ann" for row in ROWS),
        "-,1,1,2020-01-31,cat,,Bob", "5,?,1,2020-01-31,cat,,Bob", "6,1,-,?, - ,,?",
        header=f"{HEADER},owner",
    )  # fmt: skip
    table = read_raw_table(file, of)
    assert table.rows["chip"].tolist() == ["007", "008", "1e5", "6"]
    assert table.rows.iloc[-1].isna().to_dict() == {
        "chip": False, "adopted": False, "age": True, "born": True, "species": True, "owner": True,
        "event_time": False,
    }  # fmt: skip
    assert table.found == {
        "missing age": 1, "missing born": 1, "missing species": 1, "missing owner": 1,
        "empty chip: left out": 1, "no adopted: left out": 1,
    }  # fmt: skip


def test_a_number_that_means_no_value_is_missing_in_a_typed_column_too(tmp_path: Path) -> None:
    of = changed(settings(), data={"missing": ("-999",)})
    for cells in (pa.array([1.5, -999.0, None]), pa.array([1, -999, 2]), ["1", "-999", "2"]):
        assert np.isnan(read_raw_table(parquet(tmp_path, age=cells), of).rows["age"].iloc[1])


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
    assert what.startswith("duplicate chip: kept the last row")
    assert table.found[what] == 2


def test_one_id_at_two_moments_is_history_and_no_repetition(tmp_path: Path) -> None:
    table = read(tmp_path, "007,1,2,2020-01-31,cat,2026-01-05", event_time="seen")
    assert table.found == {}
    assert table.rows["event_time"].tolist() == [
        "2026-01-01T10:30:00.000Z",
        "2026-01-02T00:00:00.000Z",
        "2026-01-02T23:59:59.000Z",
        "2026-01-05T00:00:00.000Z",
    ]


def test_a_moment_of_another_zone_is_told_in_utc(tmp_path: Path) -> None:
    table = read(tmp_path, "9,1,1,2020-01-31,cat, 2026-01-01T01:00:00.9+02:00", event_time="seen")
    assert table.rows["event_time"].iloc[-1] == "2025-12-31T23:00:00.900Z"


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        (
            "009,1,1 000,,cat,",
            "pets.csv, line 5: 'age': expected a number, got '1 000' (1 such row)",
        ),
        (
            '009,1,"1,000",,cat,',
            "pets.csv, line 5: 'age': expected a number, got '1,000' (1 such row)",
        ),
        (
            "009,1,1_000,,cat,",
            "pets.csv, line 5: 'age': expected a number, got '1_000' (1 such row)",
        ),
        ("009,1,12kg,,cat,", "pets.csv, line 5: 'age': expected a number, got '12kg' (1 such row)"),
        ("009,1,inf,,cat,", "pets.csv, line 5: 'age': expected a number, got 'inf' (1 such row)"),
        (
            "009,1,1e400,,cat,",
            "pets.csv, line 5: 'age': expected a number, got '1e400' (1 such row)",
        ),
        (
            "009,yes,1,,cat,",
            "pets.csv, line 5: the label 'adopted': expected 0 or 1, got 'yes' (1 such row)",
        ),
        (
            "009,TRUE,1,,cat,",
            "pets.csv, line 5: the label 'adopted': expected 0 or 1, got 'TRUE' (1 such row)",
        ),
        (
            "009,2,1,,cat,",
            "pets.csv, line 5: the label 'adopted': expected 0 or 1, got '2' (1 such row)",
        ),
        ("009,1,1,,cat", "pets.csv, line 5: expected 6 values, got 5"),
        ("009,1,1,,cat,,", "pets.csv, line 5: expected 6 values, got 7"),
        ('"0\n9",1,1,,cat,', "pets.csv, line 5: 'chip': expected one line of text, got '0\\n9'"),
        (
            '009,1,1,,"c\r\nat",',
            "pets.csv, line 5: 'species': expected one line of text, got 'c\\r\\nat'",
        ),
    ],
)
def test_what_must_not_be_stops_with_line_and_value(
    tmp_path: Path, row: str, sentence: str
) -> None:
    read_as = refusal(raw_file(tmp_path, *ROWS, row))
    assert read_as.startswith("pets.csv, ")
    assert sentence in read_as


def test_the_line_is_the_editors_past_blank_lines_and_quoted_line_breaks(tmp_path: Path) -> None:
    rows = ["", '007,1,1,2020-01-31,cat,"a\nremark\nof three lines"', "  ", "008,0,old,,dog,"]
    sentence = refusal(raw_file(tmp_path, *rows))
    assert sentence.startswith("pets.csv, line 7: 'age': expected a number, got 'old' (1 such row)")
    ragged = refusal(raw_file(tmp_path, *rows[:-1], "008,0,old,,dog"))
    assert ragged == "pets.csv, line 7: expected 6 values, got 5"
    assert "line 7: 'age'" in refusal(raw_file(tmp_path, *rows, end="\r\n"))


def test_missing_and_repeated_columns_are_named_with_those_that_there_are(tmp_path: Path) -> None:
    absent = raw_file(tmp_path, "1,1", header="chip,label")
    assert refusal(absent, facets="") == (
        "pets.csv: expected a column 'adopted', 'age', 'born', 'species', got chip, label"
    )
    twice = raw_file(tmp_path, "1,1,2,2020-01-31,cat,3", header="chip,adopted,age,born,species,age")
    assert refusal(twice).startswith("pets.csv: expected one column 'age', got several: chip")


@pytest.mark.parametrize("option", ["facets", "group_variable"])
def test_a_column_that_groups_are_told_by_and_that_is_not_there_is_named_as_such(
    tmp_path: Path, option: str
) -> None:
    sex = Column("category", values=("f", "m"))
    by_sex = changed(settings(facets="species", sex=sex), bias={option: "sex"})
    assert refusal(raw_file(tmp_path, *ROWS), by_sex) == (
        "pets.csv: expected a column 'sex', which [bias] needs for its facets and groups, got "
        "chip, adopted, age, born, species, seen"
    )


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "pets.csv: expected a header and rows, got an empty file"),
        (b"\n\n", "pets.csv: expected a header and rows, got an empty file"),
        (HEADER.encode(), "pets.csv: expected rows, got a header only"),
        (f"{HEADER}\n".encode(), "pets.csv: expected rows, got a header only"),
        (
            f"{HEADER}\n,1,1,,cat,\n".encode(),
            "pets.csv: expected rows that can be used, got none",
        ),
        (
            f"{HEADER}\n1,1,1,,cat,\n2,1,1,,cat,\n".encode(),
            "pets.csv: the label 'adopted': expected both 0 and 1 to learn from, got 1 in every "
            "row",
        ),
        (
            f"{HEADER}\n1,1,1,,caf\xe9,\n".encode("latin-1"),
            "pets.csv, line 2: expected text in UTF-8, got another encoding, such as Latin-1 or",
        ),
        (
            f"{HEADER}\n1,1,1,,cat,\n".encode("utf-16"),
            "pets.csv: expected a table as CSV or JSON Lines (or either in gzip), Parquet or "
            "Feather, got text in UTF-16: save it as UTF-8",
        ),
        (
            b"PK\x03\x04\x14\x00\x06\x00\x08",
            "pets.csv: expected a table as CSV or JSON Lines (or either in gzip), Parquet or "
            "Feather, got a zip archive: unpack it, and name the table in it",
        ),
        (
            f"{HEADER}\n{ROWS[0]}\n".replace(",", " ").encode(),
            "pets.csv, line 1: expected names with a comma, semicolon, tab or bar between "
            "them, got 'chip adopted age born species seen'",
        ),
    ],
)
def test_a_file_that_is_no_table_says_so(tmp_path: Path, content: bytes, sentence: str) -> None:
    file = tmp_path / "pets.csv"
    file.write_bytes(content)
    assert sentence in refusal(file)


def test_a_folder_and_nothing_are_no_tables(tmp_path: Path) -> None:
    assert refusal(tmp_path / "pets.csv") == "there is no file pets.csv"
    folder = tmp_path / "folder"
    folder.mkdir()
    assert refusal(folder).endswith("got a folder: name one file, and join several first")


def test_a_file_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    file = raw_file(tmp_path, *ROWS)
    monkeypatch.setattr(Path, "open", refuse)
    assert refusal(file) == "pets.csv cannot be read: Permission denied"


# How much may be of no use


STRICT = changed(settings(), data={"quality": Quality()})


def many(rows: int = 100, **odd: tuple[int, str]) -> list[str]:
    """Rows of which some have another text in a column, such as `born=(3, "never")`."""
    names = HEADER.split(",")[:5]
    lines = []
    for n in range(rows):
        values = dict(zip(names, (str(n), str(n % 2), "1", "2020-01-31", "cat"), strict=True))
        values |= {name: text for name, (count, text) in odd.items() if n < count}
        lines.append(",".join([*values.values(), ""]))
    return lines


@pytest.mark.parametrize(
    ("column", "text", "expected"),
    [
        ("born", "31.1.2020", "expected dates of the format '%Y-%m-%d'"),
        ("species", "CAT", "expected one of the values in [data.columns] ('cat', 'dog')"),
    ],
)
def test_few_unusable_values_are_counted_and_more_are_refused(
    tmp_path: Path, column: str, text: str, expected: str
) -> None:
    table = read_raw_table(raw_file(tmp_path, *many(**{column: (5, text)})), STRICT)
    assert list(table.found.values()) == [5]
    assert refusal(raw_file(tmp_path, *many(**{column: (6, text)})), STRICT) == (
        f"pets.csv: '{column}': {expected}, got {text!r} (line 2), {text!r} (line 3), {text!r} "
        "(line 4) in 6 of 100 values: [data.quality] unreadable = 0.05 allows 5; records '0', '1', "
        "'2', '3', '4'"
    )
    loose = changed(settings(), data={"quality": Quality(unreadable=0.06)})
    assert read_raw_table(raw_file(tmp_path, *many(**{column: (6, text)})), loose).found
    assert refusal(raw_file(tmp_path, *many(**{column: (100, text)})), settings()).endswith(
        "in 100 of 100 values: no value can be used, and [data.quality] unreadable never allows "
        "that; records '0', '1', '2', '3', '4'"
    )


def test_missing_values_are_no_unusable_ones(tmp_path: Path) -> None:
    rows = many(born=(90, ""))
    rows[-1] = rows[-1].replace("2020-01-31", "never")  # 1 of 10 that are given
    sentence = refusal(raw_file(tmp_path, *rows), STRICT)
    assert "got 'never' (line 101) in 1 of 10 values" in sentence


@pytest.mark.parametrize("column", ["age", "born", "species", "owner"])
def test_a_column_without_any_value_is_refused(tmp_path: Path, column: str) -> None:
    of = settings(owner=Column("text"))
    rows = [f"{line}Ann" for line in many(9)]
    names = [*HEADER.split(",")[:5], "owner"]
    place = names.index(column)
    emptied = [",".join([*r.split(",")[:place], "", *r.split(",")[place + 1 :]]) for r in rows]
    sentence = refusal(raw_file(tmp_path, *emptied, header=",".join(names)), of)
    assert sentence.startswith(f"pets.csv: {column!r}: expected values, got none in 9 rows: take ")


@pytest.mark.parametrize(
    ("odd", "reason"),
    [
        ({"chip": (21, "")}, "empty chip in 21 (line 2, line 3, line 4)"),
        ({"adopted": (21, "")}, "no adopted in 21 (line 2, line 3, line 4)"),
        ({"chip": (22, "7")}, "duplicate chip in 21 (line 2, line 3, line 4)"),
    ],
)
def test_few_rows_may_be_left_out_and_more_are_refused(
    tmp_path: Path, odd: dict[str, tuple[int, str]], reason: str
) -> None:
    file = raw_file(tmp_path, *many(200, **odd))
    assert read_raw_table(file, STRICT).found
    assert refusal(raw_file(tmp_path, *many(**odd)), STRICT) == (
        f"pets.csv: expected at most 20 rows to be left out ([data.quality] dropped = 0.2), got "
        f"21 of 100: {reason}"
    )


def test_dates_of_the_other_order_are_refused_however_few_are_unreadable(tmp_path: Path) -> None:
    american = settings(born=Column("date", format="%m/%d/%Y"))
    rows = [row.replace("2020-01-31", "01/12/2020") for row in many()]
    assert read_raw_table(raw_file(tmp_path, *rows), american).found == {}
    rows[50] = rows[50].replace("01/12/2020", "31/12/2020")
    assert refusal(raw_file(tmp_path, *rows), american) == (
        "pets.csv, line 52: 'born': expected dates of the format '%m/%d/%Y' in [data.columns], got "
        "'31/12/2020' (1 such row); '%d/%m/%Y' reads more of the values"
    )
    rows[60] = rows[60].replace("01/12/2020", "01/31/2020")  # then neither reads more
    assert read_raw_table(raw_file(tmp_path, *rows), american).found == {
        "unreadable date in born": 1
    }


# Numbers in ordinary notation


@pytest.mark.parametrize(
    ("notation", "text", "value"),
    [
        ({"thousands": ","}, '"1,234.50"', 1234.5),
        ({"unit": "$"}, "$12.50", 12.5),
        ({"unit": "%"}, "12%", 12),
        ({"unit": "kg"}, "12 kg", 12),
        ({"decimal": ","}, '"1,5"', 1.5),
        ({"parentheses": True}, "(12)", -12),
        ({"decimal": ",", "thousands": ".", "unit": "€"}, '"1.234,50 €"', 1234.5),
    ],
)
def test_a_number_is_read_in_its_notation_and_the_remedy_is_named(
    tmp_path: Path, notation: dict[str, Any], text: str, value: float
) -> None:
    file = raw_file(tmp_path, *(f"{n},{n},{text},2020-01-31,cat," for n in range(2)))
    table = read_raw_table(file, settings(age=Column("number", **notation)))
    assert table.rows["age"].tolist() == [value, value]
    said = ", ".join(
        f"{key} = {json.dumps(notation[key], ensure_ascii=False)}"
        for key in Column.NOTATION
        if key in notation
    )
    assert refusal(file).endswith(f"(2 such rows); {said} in [data.columns] reads it")


@pytest.mark.parametrize("text", ["?", "-", "Infinity", "unknown"])
def test_a_word_among_numbers_names_the_setting_for_it(tmp_path: Path, text: str) -> None:
    file = raw_file(tmp_path, *ROWS, f"9,1,{text},2020-01-31,cat,")
    assert refusal(file).endswith(
        f'got {text!r} (1 such row); list a word that means "no value" in [data] missing'
    )
    of = changed(settings(), data={"missing": (text,)})
    assert np.isnan(read_raw_table(file, of).rows["age"].iloc[-1])


# Dates of any year


@pytest.mark.parametrize("text", ["9999-12-31", "0001-01-01", "1676-01-01", "2263-01-01"])
def test_a_date_of_any_year_is_a_date(tmp_path: Path, text: str) -> None:
    table = read(tmp_path, f"9,1,1,{text},cat,")
    assert str(table.rows["born"].iloc[-1].date()).zfill(10) == text
    assert table.found == {}
    typed = parquet(tmp_path, born=pa.array([text, "2020-01-31", None]).cast(pa.date32()))
    assert str(read_raw_table(typed, settings()).rows["born"][0].date()).zfill(10) == text


def test_a_moment_of_any_year_before_now_is_a_moment(tmp_path: Path) -> None:
    table = read(tmp_path, "9,1,1,0001-01-01,cat,0001-01-01T00:00:00Z", event_time="seen")
    assert table.rows["event_time"].iloc[-1] == "0001-01-01T00:00:00.000Z"


# The moment


DATED = changed(settings("seen"), data={"quality": Quality()})


def dated(*moments: str, rows: int = 100) -> list[str]:
    texts = [*moments, *["2026-01-01T00:00:00.5Z"] * (rows - len(moments))]
    return [f"{n},{n % 2},1,2020-01-31,cat,{text}" for n, text in enumerate(texts)]


def test_a_moment_keeps_its_milliseconds(tmp_path: Path) -> None:
    texts = ("2026-01-01T10:00:00.1239Z", "2026-01-01", "2026-01-01 10:00", "20260101T100000+0200")
    assert read_raw_table(raw_file(tmp_path, *dated(*texts)), DATED).rows["event_time"][
        :5
    ].tolist() == [
        "2026-01-01T10:00:00.123Z", "2026-01-01T00:00:00.000Z", "2026-01-01T10:00:00.000Z",
        "2026-01-01T08:00:00.000Z", "2026-01-01T00:00:00.500Z",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "what"),
    [("", "no seen: left out"), ("last week", "unreadable seen: left out"),
     ("2999-01-01", "seen in the future: left out"),
     ("9999-12-31T00:00:00Z", "seen in the future: left out")],
)  # fmt: skip
def test_few_rows_without_a_moment_are_left_out_and_counted(
    tmp_path: Path, text: str, what: str
) -> None:
    table = read_raw_table(raw_file(tmp_path, *dated(text, text)), DATED)
    assert table.rows["chip"].tolist() == [str(n) for n in range(2, 100)]
    assert table.found == {what: 2}


@pytest.mark.parametrize(
    ("texts", "sentence"),
    [
        (["31.01.2026 10:00"] * 100,
         "pets.csv: 'seen': expected times such as 2026-01-31T00:00:00Z, got '31.01.2026 10:00' "
         "(line 2), '31.01.2026 10:00' (line 3), '31.01.2026 10:00' (line 4) in 100 of 100 values: "
         "no value can be used, and [data.quality] unreadable never allows that; another "
         'format, such as "%d.%m.%Y %H:%M", goes into [data] event_time_format'),
        (["last week"] * 6, "in 6 of 100 values: [data.quality] unreadable = 0.05 allows 5"),
        (["2999-01-01"] * 6, "pets.csv: 'seen': expected times up to now (20"),
        ([""] * 21, "got 21 of 100: no seen in 21 (line 2, line 3, line 4)"),
        ([""] * 100, "pets.csv: 'seen': expected times, got none in any row"),
    ],
)  # fmt: skip
def test_many_rows_without_a_moment_are_refused(
    tmp_path: Path, texts: list[str], sentence: str
) -> None:
    assert sentence in refusal(raw_file(tmp_path, *dated(*texts)), DATED)


def test_a_moment_may_be_in_another_format(tmp_path: Path) -> None:
    german = changed(DATED, data={"event_time_format": "%d.%m.%Y %H:%M:%S.%f"})
    file = raw_file(tmp_path, *dated(*["31.01.2026 10:00:00.25"] * 100))
    times = read_raw_table(file, german).rows["event_time"]
    assert set(times) == {"2026-01-31T10:00:00.250Z"}


def test_a_snapshot_in_the_future_is_refused(tmp_path: Path) -> None:
    of = changed(settings(), data={"snapshot": "2999-01-01T00:00:00Z"})
    assert "got 2999-01-01T00:00:00Z in [data] snapshot, which is in the future" in refusal(
        raw_file(tmp_path, *ROWS), of
    )


# Names and ids


def test_a_padded_name_is_the_name(tmp_path: Path) -> None:
    header = ' chip ,"adopted",\tage,"bo\nrn",species\u00a0,seen'
    of = settings(**{"bo rn": DAY})
    del of.data.columns["born"]
    table = read_raw_table(raw_file(tmp_path, *ROWS, header=header), of)
    assert table.rows["age"].tolist() == [1.5, 12, 0.25]
    padded = changed(of, data={"columns": {" age ": NUMBER, "species": SPECIES}})
    table = read_raw_table(raw_file(tmp_path, *ROWS, header=header), padded)
    assert table.rows[" age "].tolist() == [1.5, 12, 0.25]


def test_a_float_id_is_the_same_text_from_any_file(tmp_path: Path) -> None:
    owner = Column("text")
    of = changed(settings(facets="species", owner=owner), split={"group": "owner"})
    rows = [
        f"{n}.0,{row.partition(',')[2]},{n + 4}.00" for n, row in zip((7, 8, 9), ROWS, strict=True)
    ]
    csv = read_raw_table(raw_file(tmp_path, *rows, header=f"{HEADER},owner"), of).rows
    numbers = {"chip": pa.array([7.0, 8.0, 9.0]), "owner": pa.array([11.0, 12.0, 13.0])}
    typed = read_raw_table(parquet(tmp_path, **numbers), of).rows
    pd.testing.assert_frame_equal(typed, csv)
    assert csv["chip"].tolist() == ["7", "8", "9"]
    assert csv["owner"].tolist() == ["11", "12", "13"]


def test_a_category_of_numbers_is_known_however_they_were_written(tmp_path: Path) -> None:
    for values, texts in ((("1", "2"), ("1.0", "2", "3.0")), (("1.0", "2.0"), ("1", "2.0", "3"))):
        rows = [f"{row},{text}" for row, text in zip(ROWS, texts, strict=True)]
        of = settings(grade=Column("category", values=values))
        table = read_raw_table(raw_file(tmp_path, *rows, header=f"{HEADER},grade"), of)
        assert table.rows["grade"].tolist()[:2] == list(values)
        assert table.found == {"unknown value in grade": 1}


# Texts, numbered rows, and labels of other kinds


def test_a_text_is_kept_as_it_is_and_a_missing_one_counted(tmp_path: Path) -> None:
    owner = Column("text")
    owners = ("007", "", '" Ann, or Bob "')
    rows = [f"{row},{text}" for row, text in zip(ROWS, owners, strict=True)]
    table = read_raw_table(
        raw_file(tmp_path, *rows, header=f"{HEADER},owner"), settings(owner=owner)
    )
    assert table.rows["owner"].dropna().to_dict() == {0: "007", 2: "Ann, or Bob"}
    assert table.found == {"missing owner": 1}
    broken = raw_file(tmp_path, f'{ROWS[0]},"a\nb"', header=f"{HEADER},owner")
    sentence = "pets.csv, line 2: 'owner': expected one line of text, got 'a\\nb' (1 such row)"
    assert refusal(broken, settings(owner=owner)) == sentence


NUMBERED = changed(settings(), data={"number_rows": True, "record_id": "row"})


def test_rows_that_no_column_tells_apart_are_numbered(tmp_path: Path) -> None:
    rows = [row.partition(",")[2] for row in ROWS]
    rows.insert(1, rows[1].replace("0,", ",", 1))  # without a label: it is left out
    table = read_raw_table(
        raw_file(tmp_path, *rows, rows[0], header=HEADER.removeprefix("chip,")), NUMBERED
    )
    assert table.rows["row"].tolist() == ["1", "3", "4", "5"]  # the last is as the first
    assert table.found == {"no adopted: left out": 1}


REGRESSION = changed(settings(facets=""), project={"problem": "regression"})


def priced(*prices: str) -> list[str]:
    return [f"{number},{price},1,2020-01-31,cat," for number, price in enumerate(prices)]


def test_a_regressions_label_is_any_number(tmp_path: Path) -> None:
    file = raw_file(tmp_path, *priced("-1.5", " 1e3 ", "", "0", "NA"))
    table = read_raw_table(file, REGRESSION)
    assert table.rows["adopted"].tolist() == [-1.5, 1000, 0]
    assert table.found == {"no adopted: left out": 2}


@pytest.mark.parametrize(
    ("prices", "sentence"),
    [
        (("1", "2", "9 000"),
         "pets.csv, line 4: the label 'adopted': expected a number, got '9 000' (1 such row)"),
        (("1", "inf"),
         "pets.csv, line 3: the label 'adopted': expected a number, got 'inf' (1 such row); "),
        (("7.5", "7.5", ""),
         "pets.csv: the label 'adopted': expected different numbers to learn from, got 7.5 "
         "in every row"),
        (("", "NA"), "pets.csv: expected rows that can be used, got none"),
    ],
)  # fmt: skip
def test_a_regressions_label_that_is_no_number_or_one_alone_stops(
    tmp_path: Path, prices: tuple[str, ...], sentence: str
) -> None:
    assert refusal(raw_file(tmp_path, *priced(*prices)), REGRESSION).startswith(sentence)


def test_a_regressions_label_may_be_in_ordinary_notation(tmp_path: Path) -> None:
    file = raw_file(tmp_path, *priced("$9.50", "$12.50"))
    assert refusal(file, REGRESSION) == (
        "pets.csv, line 2: the label 'adopted': expected a number, got '$9.50' (2 such rows); "
        'unit = "$" in [data.label_column] reads them'
    )
    of = changed(REGRESSION, data={"label_column": Column("number", unit="$")})
    assert read_raw_table(file, of).rows["adopted"].tolist() == [9.5, 12.5]


def test_a_sentence_holds_no_more_of_a_table_than_a_person_reads(tmp_path: Path) -> None:
    file = raw_file(tmp_path, f"7,1,{'x' * 9_999},2020-01-31,cat,")
    assert len(refusal(file)) < 250
    header = ",".join(f"c{n}" for n in range(9_999))
    assert len(refusal(raw_file(tmp_path, header.replace("c", "d"), header=header))) < 500


def told(positive: str) -> Settings:
    return changed(settings(), data={"positive": positive})


def test_one_of_two_texts_counts_as_1(tmp_path: Path) -> None:
    file = raw_file(tmp_path, *priced("No", " Yes ", "", "No", " "))
    for positive, labels in (("Yes", [0, 1, 0]), ("No", [1, 0, 1])):
        table = read_raw_table(file, told(positive))
        assert table.rows["adopted"].tolist() == labels
        assert table.rows["chip"].tolist() == ["0", "1", "3"]
        assert table.found == {"no adopted: left out": 2}


def test_the_positive_text_is_a_value_even_if_it_reads_like_none(tmp_path: Path) -> None:
    table = read_raw_table(raw_file(tmp_path, *priced("None", "null", "")), told("None"))
    assert table.rows["adopted"].tolist() == [1, 0]


def test_several_texts_may_count_as_1_and_several_as_0(tmp_path: Path) -> None:
    of = changed(settings(), data={"positive": ("Yes", "yes"), "negative": ("No", "Maybe")})
    file = raw_file(tmp_path, *priced("No", "yes", "Yes", "Maybe", ""))
    assert read_raw_table(file, of).rows["adopted"].tolist() == [0, 1, 1, 0]
    assert refusal(raw_file(tmp_path, *priced("No", "yes", "no", "NO")), of) == (
        "pets.csv, line 4: the label 'adopted': expected 'Yes' or 'yes' ([data] positive) or 'No' "
        "or 'Maybe' (negative), got 'no' (2 such rows)"
    )


@pytest.mark.parametrize(
    ("labels", "values"),
    [
        (("Yes", "No", "maybe", ""), "'No', 'Yes', 'maybe'"),
        (("yes", "No"), "'No', 'yes'"),
        (("Yes", "Yes"), "'Yes'"),
        (("No", "No"), "'No'"),
        (("Yes", *"abcdefg"), "'Yes', 'a', 'b', 'c', 'd'"),
    ],
)
def test_a_label_of_other_texts_than_two_stops(
    tmp_path: Path, labels: tuple[str, ...], values: str
) -> None:
    assert refusal(raw_file(tmp_path, *priced(*labels)), told("Yes")) == (
        "pets.csv: the label 'adopted': expected 'Yes' ([data] positive) and one other value, got "
        f"{values}; several others go into [data] negative"
    )


# Parquet


def parquet(folder: Path, **replaced: Any) -> Path:
    """The usual rows as a Parquet file, with other columns in place of these or beside them."""
    columns: dict[str, Any] = {
        name: [row.split(",")[place] for row in ROWS]
        for place, name in enumerate(HEADER.split(","))
    }
    file = folder / "pets.parquet"
    pq.write_table(pa.table({**columns, **replaced}), file)
    return file


def moments(*texts: str | None) -> list[datetime | None]:
    return [None if text is None else datetime.fromisoformat(text) for text in texts]


NUMBER, TEXT, SPECIES = Column("number"), Column("text"), Column("category", values=("cat", "dog"))
DAY = Column("date", format="%Y-%m-%d")
FRACTION = Column("date", format="%Y-%m-%d %H:%M:%S.%f")
IN_UTC = Column("date", format="%Y-%m-%d %H:%M:%S.%fZ")
NOON = "2026-01-31 12:00:00"
TYPED = {
    "whole numbers": (NUMBER, pa.array([1, None, 2**53]), ("1", "", str(2**53))),
    "small whole numbers": (NUMBER, pa.array([1, 2, 255], pa.uint8()), ("1", "2", "255")),
    "numbers": (NUMBER, pa.array([0.1, None, 1e300]), ("0.1", "", "1e300")),
    "no number among numbers": (NUMBER, pa.array([1.5, float("nan"), 2]), ("1.5", "", "2")),
    "short numbers": (NUMBER, pa.array([0.1, 2**24, None], pa.float32()), ("0.1", "16777216", "")),
    "decimals": (NUMBER, pa.array([Decimal("1.50"), None, Decimal("-9")]), ("1.50", "", "-9")),
    "yes and no": (NUMBER, pa.array([True, False, None]), ("1", "0", "")),
    "texts": (SPECIES, pa.array(["cat", None, "cow"]), ("cat", "", "cow")),
    "large texts": (SPECIES, pa.array(["cat", "", "cow"], pa.large_string()), ("cat", "", "cow")),
    "coded texts": (SPECIES, pa.array(["cat", None, "b"]).dictionary_encode(), ("cat", "", "b")),
    "whole numbers as codes": (
        Column("category", values=("1", "2")), pa.array([1.0, None, 2.0]), ("1", "", "2")
    ),
    "texts that look like numbers": (TEXT, pa.array(["007", "1e5", " 1 "]), ("007", "1e5", "1")),
    "days": (DAY, pa.array([date(2026, 1, 31), None, date(1999, 12, 1)]),
             ("2026-01-31", "", "1999-12-01")),
    "days as moments": (DAY, pa.array([date(2026, 1, 31)] * 3, pa.date64()), ("2026-01-31",) * 3),
    **{
        f"moments in {unit}": (
            FRACTION,
            pa.array(moments(NOON, f"{NOON}.5", None), pa.timestamp(unit)),
            (f"{NOON}.0", f"{NOON}.5", ""),
        )
        for unit in ("ms", "us", "ns")
    },
    "moments of UTC": (
        IN_UTC,
        pa.array(moments(f"{NOON}+00:00", f"{NOON}+02:00", None), pa.timestamp("us", "UTC")),
        (f"{NOON}.0Z", "2026-01-31 10:00:00.0Z", ""),
    ),
    "moments as days": (DAY, pa.array(moments(NOON, None, NOON), pa.timestamp("us")),
                        ("2026-01-31", "", "2026-01-31")),
    "moments of a zone with summer time": (
        Column("date", format="%Y-%m-%d %H:%M"),
        pa.array(moments("2026-01-31 12:00", "2026-07-31 12:00", None),
                 pa.timestamp("us", "Europe/Berlin")),
        ("2026-01-31 12:00", "2026-07-31 12:00", ""),
    ),
    "text views": (SPECIES, pa.array(["cat", None, "cow"], pa.string_view()), ("cat", "", "cow")),
    "durations": (NUMBER, pa.array([1500, None, 0], pa.duration("ms")), ("1.5", "", "0")),
    "times of day": (TEXT, pa.array([time(10, 30), None, time(1, 2, 3, 500000)]),
                     ("10:30:00", "", "01:02:03.5")),
    "half numbers": (NUMBER, pa.array(np.array([1.5, 2, 3], np.float16)), ("1.5", "2", "3")),
    "large whole numbers": (TEXT, pa.array([1e15, None, 4111111111111111.0]),
                            ("1000000000000000", "", "4111111111111111")),
    "days of any year": (DAY, pa.array([date(9999, 12, 31), None, date(1, 1, 1)]),
                         ("9999-12-31", "", "0001-01-01")),
    "moments of any year": (IN_UTC, pa.array([datetime(9999, 12, 31), None, datetime(1, 1, 1)]),
                            ("9999-12-31 00:00:00.0Z", "", "0001-01-01 00:00:00.0Z")),
}  # fmt: skip


@pytest.mark.parametrize(("column", "cells", "texts"), TYPED.values(), ids=TYPED)
def test_a_parquet_column_is_read_as_that_of_a_csv_file(
    tmp_path: Path, column: Column, cells: pa.Array, texts: tuple[str, ...]
) -> None:
    rows = [f"{row},{text}" for row, text in zip(ROWS, texts, strict=True)]
    csv = read_raw_table(raw_file(tmp_path, *rows, header=f"{HEADER},more"), settings(more=column))
    typed = read_raw_table(parquet(tmp_path, more=cells), settings(more=column))
    pd.testing.assert_frame_equal(typed.rows, csv.rows)
    assert (typed.read, typed.found) == (csv.read, csv.found)


def test_ids_labels_and_moments_of_a_parquet_file_are_read_as_those_of_a_csv_file(
    tmp_path: Path,
) -> None:
    seen = moments("2026-01-01T10:30:00", "2026-01-02T00:00:00", "2026-01-02T23:59:59")
    labels = {
        "1,0,1": [pa.array([1, 0, 1], pa.int8()), pa.array([1.0, 0.0, 1.0]),
                  pa.array([True, False, True]), pa.array(["1", "0", "1"]).dictionary_encode()],
        "Yes,No,": [coded := pa.array(["Yes", "No", None]), coded.dictionary_encode()],
    }  # fmt: skip
    for texts, columns in labels.items():
        rows = [
            f"{number},{label},{row.split(',', 2)[2]}"
            for number, label, row in zip("789", texts.split(","), ROWS, strict=True)
        ]
        of = changed(settings("seen"), data={"positive": "Yes" if "Yes" in texts else ""})
        csv = read_raw_table(raw_file(tmp_path, *rows), of).rows
        for adopted in columns:
            for chip in (pa.array([7, 8, 9]), pa.array([7.0, 8.0, 9.0]), pa.array(["7", "8", "9"])):
                for zone in (None, "UTC", "Europe/Paris", "-03:30"):
                    utc = [
                        None if moment is None else moment.replace(tzinfo=UTC) for moment in seen
                    ]
                    when = pa.array(utc if zone else seen, pa.timestamp("ns", zone))
                    file = parquet(tmp_path, chip=chip, adopted=adopted, seen=when)
                    pd.testing.assert_frame_equal(read_raw_table(file, of).rows, csv)


def test_a_regressions_label_may_be_typed(tmp_path: Path) -> None:
    file = parquet(tmp_path, adopted=pa.array([1.5, None, -2.0]))
    assert read_raw_table(file, REGRESSION).rows["adopted"].tolist() == [1.5, -2]


def test_a_file_is_told_by_what_it_holds_and_not_by_its_name(tmp_path: Path) -> None:
    plain = read(tmp_path).rows
    parquet(tmp_path).rename(tmp_path / "pets.csv")
    assert read_raw_table(tmp_path / "pets.csv", settings()).rows.equals(plain)
    raw_file(tmp_path, *ROWS).rename(tmp_path / "pets.parquet")
    assert read_raw_table(tmp_path / "pets.parquet", settings()).rows.equals(plain)


def test_parquet_columns_that_nobody_asked_for_may_be_anything(tmp_path: Path) -> None:
    file = parquet(
        tmp_path, tags=[["a"], [], None], photo=[b"\xff", b"", None], **{"age.x": [{"a": 1}] * 3}
    )
    assert read_raw_table(file, settings()).rows.equals(read(tmp_path).rows)


@pytest.mark.parametrize(
    ("replaced", "sentence"),
    [
        ({"age": ["1", "old", "old"]},
         "pets.parquet, row 2: 'age': expected a number, got 'old' (2 such rows)"),
        ({"age": [1.0, 2.0, float("inf")]},
         "pets.parquet, row 3: 'age': expected a number, got 'inf' (1 such row)"),
        ({"adopted": [0, 1, 2]},
         "pets.parquet, row 3: the label 'adopted': expected 0 or 1, got '2' (1 such row)"),
        ({"adopted": ["Yes", "No", "Yes"]},
         "pets.parquet, row 1: the label 'adopted': expected 0 or 1, got 'Yes' (3 such rows)"),
        ({"chip": ["1", "a\nb", "3"]},
         "pets.parquet, row 2: 'chip': expected one line of text, got 'a\\nb'"),
        ({"species": ["cat", "cat", "a\rb"]},
         "pets.parquet, row 3: 'species': expected one line of text, got 'a\\rb'"),
        ({"age": [[1], [2], [3]]},
         "pets.parquet: 'age': expected single values, got list<element: int64>"),
        ({"age": [{"years": 1}] * 3},
         "pets.parquet: 'age': expected single values, got struct<years: int64>"),
        ({"chip": [b"a", b"b", b"c"]}, "pets.parquet: 'chip': expected single values, got binary"),
        ({"chip": pa.array([b"a", b"b", b"c"], pa.large_binary())},
         "pets.parquet: 'chip': expected single values, got large_binary"),
        ({"adopted": [1, 1, 1]},
         "pets.parquet: the label 'adopted': expected both 0 and 1 to learn from, got 1 in "
         "every row"),
        ({"adopted": pa.nulls(3)},
         "pets.parquet: expected rows that can be used, got none"),
    ],
)  # fmt: skip
def test_what_must_not_be_in_a_parquet_file_stops_with_row_and_value(
    tmp_path: Path, replaced: dict[str, Any], sentence: str
) -> None:
    assert refusal(parquet(tmp_path, **replaced), event_time="seen").startswith(sentence)


def test_a_damaged_parquet_file_is_one_sentence(tmp_path: Path) -> None:
    file = parquet(tmp_path)
    file.write_bytes(file.read_bytes()[:-20])
    assert re.fullmatch(r".*pets\.parquet: not a valid Parquet file: [^\n]+\S", refusal(file))


def test_a_positive_text_that_no_row_has_is_no_label(tmp_path: Path) -> None:
    pets = settings()
    of = dataclasses.replace(pets, data=dataclasses.replace(pets.data, positive="Yes"))
    file = raw_file(tmp_path, "1,,1,,cat,", "2,,1,,cat,")
    with pytest.raises(RawTableError, match="expected rows that can be used, got none"):
        read_raw_table(file, of)


def test_a_parquet_file_without_rows_or_columns(tmp_path: Path) -> None:
    empty = {name: pa.array([], pa.string()) for name in HEADER.split(",")}
    assert refusal(parquet(tmp_path, **empty)) == "pets.parquet: expected rows, got columns only"
    pq.write_table(pa.table({"chip": [1], "label": [0]}), tmp_path / "pets.parquet")
    assert refusal(tmp_path / "pets.parquet", facets="") == (
        "pets.parquet: expected a column 'adopted', 'age', 'born', 'species', got chip, label"
    )
    pq.write_table(
        pa.table({name: ["1"] for name in HEADER.split(",")[:-2]}), tmp_path / "pets.parquet"
    )
    assert "'species', which [bias] needs for its facets" in refusal(tmp_path / "pets.parquet")


def test_half_a_parquet_file_is_none(tmp_path: Path) -> None:
    file = parquet(tmp_path)
    file.write_bytes(file.read_bytes()[:500])
    assert refusal(file).startswith("pets.parquet: not a valid Parquet file: ")
