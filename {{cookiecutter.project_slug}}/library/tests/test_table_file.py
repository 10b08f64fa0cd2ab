"""What a file is: a table that is read, or one sentence that says what to do."""

from __future__ import annotations

import gzip
import os
import sqlite3
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.feather
import pyarrow.orc
import pyarrow.parquet as pq
import pytest

from ninesteps.errors import RawTableError
from ninesteps.feature_store.reading.table_file import open_table


def cells(folder: Path, content: str | bytes) -> dict[str, list[str]]:
    """What a file of this content has, by column; columns of one name must not be looked at."""
    file = folder / "pets.csv"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    table = open_table(file)
    table.check_header()
    columns = table.read(range(len(table.names)))
    return {name: column.to_pylist() for name, column in zip(table.names, columns, strict=True)}


def refusal(folder: Path, content: str | bytes) -> str:
    """The sentence that it is refused with, less the folder."""
    with pytest.raises(RawTableError) as refused:
        cells(folder, content)
    sentence = str(refused.value)
    assert "\n" not in sentence
    return sentence.replace(f"{folder}/", "")


TABLE = {"a": ["1", "3"], "b": ["2", "4"]}


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_cells_are_parted_by_commas_semicolons_tabs_or_bars(
    tmp_path: Path, delimiter: str, end: str
) -> None:
    rows = ("", "a,b", "1,2", "", "3,4")
    assert cells(tmp_path, end.join(rows).replace(",", delimiter)) == TABLE


def test_a_decimal_comma_does_not_part_cells(tmp_path: Path) -> None:
    assert cells(tmp_path, "a;b\n1,5;2\n3;4,5\n") == {"a": ["1,5", "3"], "b": ["2", "4,5"]}
    assert cells(tmp_path, "a,b\n1;2,x\n3;4;5,y\n") == {"a": ["1;2", "3;4;5"], "b": ["x", "y"]}


@pytest.mark.parametrize(
    ("header", "names"),
    [
        (" a , b ", ["a", "b"]),
        ('"a\nsecond line",b', ["a second line", "b"]),
        ('"a\r\n b",\u00a0b\u00a0', ["a b", "b"]),
        ("\ufeffa,b", ["a", "b"]),
        (",b", ["", "b"]),
        ("größe,年齢", ["größe", "年齢"]),
        ("2019,2020", ["2019", "2020"]),
    ],
)
def test_a_name_is_on_one_line_without_spaces_around(
    tmp_path: Path, header: str, names: list[str]
) -> None:
    assert list(cells(tmp_path, f"{header}\n1,2\n3,4\n")) == names


def test_columns_that_excel_adds_have_no_name(tmp_path: Path) -> None:
    assert cells(tmp_path, "a,b,,\n1,2,,\n3,4,,\n") == {**TABLE, "": ["", ""]}


def test_a_csv_file_may_be_in_gzip(tmp_path: Path) -> None:
    assert cells(tmp_path, gzip.compress(b"a,b\n1,2\n3,4\n")) == TABLE
    broken = gzip.compress(b"a,b\n1,2\n3,4,5\n")
    assert refusal(tmp_path, broken) == "pets.csv, line 3: expected 2 values, got 3"
    assert "not a valid" in refusal(tmp_path, gzip.compress(b"a,b\n" + b"1,2\n" * 99)[:-9])


def test_json_lines_are_columns_of_texts_by_their_keys(tmp_path: Path) -> None:
    lines = (
        '\ufeff{"a": 1, "b": "x"}',
        "",
        '{"b": "1.50", "c": 1.5, "a": true}',
        '{"a": null, "b": "\\ud83d 日本 👍", "c": NaN}',
        '{"a": 12345678901234567890, "c": 1e22}',
    )
    expected = {
        "a": ["1", "1", None, "12345678901234567890"],
        "b": ["x", "1.50", "\\ud83d 日本 👍", None],
        "c": [None, "1.5", None, "1e+22"],
    }
    text = "\r\n".join(lines)
    assert cells(tmp_path, text) == expected
    assert cells(tmp_path, gzip.compress(text.encode())) == expected


def test_a_row_of_json_lines_is_named_by_its_line(tmp_path: Path) -> None:
    file = tmp_path / "pets.jsonl"
    file.write_text('\n{"a": 1}\n\n{"a": 2}\n', encoding="utf-8")
    assert open_table(file).places([1, 0]) == ["line 4", "line 2"]


def test_a_feather_file_is_read(tmp_path: Path) -> None:
    file = tmp_path / "pets.feather"
    for version in (1, 2):
        pyarrow.feather.write_feather(pa.table({"a": [1], "b": ["x"]}), file, version=version)
        table = open_table(file)
        assert table.names == ("a", "b")
        assert [column.to_pylist() for column in table.read([1, 0])] == [["x"], [1]]


@pytest.mark.parametrize("size", [200_000, 3_000_000])
def test_one_cell_may_be_huge(tmp_path: Path, size: int) -> None:
    read = cells(tmp_path, f"a,b\n1,{'x' * size}\n3,4\n")
    assert [len(text) for text in read["b"]] == [size, 1]


NO_TABLES = {
    '{\n  "a": 1\n}\n': "got one JSON object: write the table as JSON Lines, one object per line",
    '[\n  {"a": 1}\n]\n': "got a JSON array: write the table as JSON Lines, one object per line",
    '{"a": 1}\n\n{"a": 2\n': "pets.csv, line 3: expected a JSON object, got something else at char",
    '{"a": 1}\n[2]\n': "pets.csv, line 2: expected a JSON object, got a list",
    '{"a": 1}\n"2"\n': "pets.csv, line 2: expected a JSON object, got a string",
    '{"a":\n1}\n': "pets.csv, line 1: expected a JSON object, got something else at character 7",
    '{"a": ' + "[" * 200_000: "pets.csv, line 1: expected a JSON object, got one that cannot be",
    '{"a": 1' + "0" * 5_000 + "}": "pets.csv, line 1: expected a JSON object, got one that cannot",
    '{"a": [1], "b": 2}\n': "line 1: 'a': expected a single value, got a list; messages are decl",
    '{"a": "é"}\n'.encode("cp1252"): "pets.csv, line 1: expected text in UTF-8, got another encod",
    "<!DOCTYPE html>\n<html>": "got a web page: save the table in it as CSV",
    '\ufeff<?xml version="1.0"?>': "got XML: export the table as CSV",
    "%PDF-1.7\n": "got a PDF: save the table in it as CSV",
    "sep=;\na;b\n1;2\n": 'got a first line "sep=", which only Excel reads: delete it',
    "version https://git-lfs.github.com/spec/v1\n": "got a pointer of Git LFS: run `git lfs pull`",
    "a,b\n1,é\n".encode("cp1252"): "pets.csv, line 2: expected text in UTF-8, got another encodin",
    "é,b\n1,2\n".encode("latin-1"): "pets.csv, line 1: expected text in UTF-8, got another encod",
    "a,b\n1,2\n".encode("utf-16"): "got text in UTF-16: save it as UTF-8",
    "a,b\n1,2\n".encode("utf-16-le"): "got text in UTF-16, or not text: save it as UTF-8",
    "a,b\n1,2\n".encode("utf-32"): "got text in UTF-32: save it as UTF-8",
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\0\0": "got an Excel workbook (xls): save its sheet as CSV",
    b"\x80\x05\x95.\0": "got a pickle, which is never read",
    b"BZh91AY&SY": "got a bzip2 archive: unpack it",
    b"PAR1\x15\0": "pets.csv: not a valid Parquet file: ",
    b"ARROW1\0\0": "pets.csv: not a valid Feather file: ",
    b"\x1f\x8b\x08": "pets.csv: not a valid gzip archive: ",
    gzip.compress(b"a,b\n1,\xe9\n", mtime=0): "pets.csv, line 2: expected text in UTF-8",
    gzip.compress(b'{"a": 1}\n3\n', mtime=0): "line 2: expected a JSON object, got a single value",
    gzip.compress(b"PAR1\x15\0", mtime=0): "got a gzip archive of something else: unpack it",
    b"a\0,b\n1,2\n" + b"1,2\n" * 99: "its first line does not name columns",
    "": "expected a header and rows, got an empty file",
    "\n \n": "expected a header and rows, got an empty file",
    "a,b\n": "expected rows, got a header only",
}


@pytest.mark.parametrize(("content", "sentence"), NO_TABLES.items())
def test_what_is_no_table_says_what_to_do(
    tmp_path: Path, content: str | bytes, sentence: str
) -> None:
    assert sentence in refusal(tmp_path, content)


@pytest.mark.parametrize("name", ["ORCID", "PARENT", "FEA1", "PKW", "RDA", "PAR1", "BZh"])
def test_a_name_that_begins_as_another_kind_of_file_is_a_name(tmp_path: Path, name: str) -> None:
    assert cells(tmp_path, f"{name},b\n1,2\n3,4\n") == {name: ["1", "3"], "b": ["2", "4"]}


def test_archives_and_databases_say_what_to_do(tmp_path: Path) -> None:
    file = tmp_path / "pets.csv"
    for member, sentence in {
        "xl/workbook.xml": "an Excel workbook: save its sheet as CSV UTF-8",
        "content.xml": "an OpenDocument file: save its sheet as CSV in UTF-8",
        "pets.csv": "a zip archive: unpack it, and name the table in it",
    }.items():
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr(member, "a,b\n1,2\n")
        assert refusal(tmp_path, file.read_bytes()).endswith(f"got {sentence}")
    file.unlink()
    with sqlite3.connect(file) as database:
        database.execute("CREATE TABLE pets (a)")
    assert refusal(tmp_path, file.read_bytes()).endswith("got an SQLite database: export its "
                                                         "table as CSV")  # fmt: skip
    pyarrow.orc.write_table(pa.table({"a": [1]}), file)
    assert refusal(tmp_path, file.read_bytes()).endswith("an ORC file: convert it to Parquet")


def opened(name: str) -> str:
    with pytest.raises(RawTableError) as refused:
        open_table(Path(name))
    return str(refused.value)


def test_what_is_no_file_says_what_to_do(tmp_path: Path) -> None:
    assert opened(str(tmp_path)).endswith("got a folder: name one file, and join several first")
    assert opened("-").endswith("can be read only once: save it to a file")
    assert opened("nowhere.csv") == "there is no file nowhere.csv"
    assert "cannot be read: " in opened("a\0b")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_pipe_or_a_device_is_not_waited_for(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for name in (str(pipe), "/dev/zero"):
        assert opened(name).endswith("which is read only once: save it to a file")


SWALLOWED = "\n".join(f"{n},{n},{n}" for n in range(9))


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (f'a,b,c\n1,"x,1\n{SWALLOWED}\n2,y",1\n',
         "pets.csv, line 2: expected a closing quote, got 9 whole rows within one cell"),
        (f'a,b,c\n1,2,"x\n{SWALLOWED}\n',
         "pets.csv, line 2: expected a closing quote, got 8 whole rows within one cell"),
        (f'a,b,c\n1,2,3\n1,"2,3\n{SWALLOWED}\n',
         "pets.csv, line 3: expected 3 values, got 2; is a closing quote missing?"),
    ],
)  # fmt: skip
def test_a_stray_quote_that_swallows_rows_is_named_with_its_line(
    tmp_path: Path, content: str, sentence: str
) -> None:
    for end in ("\n", "\r\n"):
        assert refusal(tmp_path, content.replace("\n", end)) == sentence


def test_a_text_of_several_lines_is_no_stray_quote(tmp_path: Path) -> None:
    remark = "a line, with a comma\nand another one\n\nand a third, of one, two, commas\n"
    read = cells(tmp_path, f'a,b,c\n1,"{remark}",2\n3,4,5\n')
    assert read["b"] == [remark, "4"]


@pytest.mark.parametrize(
    ("lines", "values"),
    [
        ("39, State-gov, 77516, 13\n50, Private, 83311, 9\n", "'39', '77516', '13'"),
        ("5.1,3.5,1.4,0.2,setosa\n4.9,3.0,1.4,0.2,setosa\n", "'5.1', '3.5', '1.4'"),
        ("2020-01-31,x\n2020-02-01,y\n", "'2020-01-31'"),
        ("Ann,f,yes\nBob,m,no\nEve,f,yes\n", "'f', 'yes'"),
        ("7,,Ann\n8,1,Bob\n", "'7'"),
        ("-1,x\n5,y\n", "'-1'"),
    ],
)
def test_a_first_line_of_values_names_no_columns(tmp_path: Path, lines: str, values: str) -> None:
    assert refusal(tmp_path, lines) == (
        f"pets.csv: expected a first line that names the columns, got values ({values}): put a "
        "line of names above it"
    )


@pytest.mark.parametrize(
    "header",
    ["id,2019,2020,2021", "0,1", "0,1,2,3", "1,7,30,90", "id,spam", "400.5,401,401.5,402,402.5",
     "id,q1,q2"],
)  # fmt: skip
def test_names_may_be_years_positions_or_rise_evenly(tmp_path: Path, header: str) -> None:
    width = header.count(",") + 1
    rows = [",".join(["9", *["spam"] * (width - 1)]), ",".join(["8", *["ham"] * (width - 1)])]
    assert list(cells(tmp_path, "\n".join([header, *rows]))) == header.split(",")


def test_where_rows_stand_is_said_as_an_editor_counts(tmp_path: Path) -> None:
    file = tmp_path / "pets.csv"
    file.write_text('\n"a\nb",c\n1,"2\n\n3"\n\n4,5\n')
    assert open_table(file).places([1, 0]) == ["line 8", "line 4"]
    pq.write_table(pa.table({"a": [1, 2]}), file)
    assert open_table(file).places([1]) == ["row 2"]
