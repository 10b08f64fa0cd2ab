"""Reading a raw table: every value as `[data.columns]` says, or a sentence that says which is not.

What a table may well have (an empty number, a date that is none, a category never seen) is counted
and kept; what must not be (a missing column, a word where numbers are) stops the run.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import pandas as pd

from cli.settings import Column, Data, Settings
from feature_store.errors import RawTableError

Cells: TypeAlias = "pd.Series[Any]"
"""One column of the table."""

MISSING = ("", "NA", "N/A", "#N/A", "nan", "NaN", "null", "NULL", "None")
"""What stands for no value in a CSV file."""


@dataclass
class RawTable:
    """A raw table's usable rows, and what was found on the way."""

    rows: pd.DataFrame  # record id and label first, then the columns of the settings
    read: int  # rows in the file
    found: dict[str, int] = field(default_factory=dict)  # what was odd, and in how many rows


def read_raw_table(file: Path, settings: Settings) -> RawTable:
    """Read a CSV file.

    Raises:
        RawTableError: with one sentence for the person who brought the table.
    """
    data = settings.data
    texts = _texts(file)
    wanted = [data.record_id, data.label, *data.columns, *filter(None, [data.event_time])]
    absent = [name for name in wanted if name not in texts.columns]
    if absent:
        has = ", ".join(map(str, texts.columns))
        raise RawTableError(f"{file} has no column {', '.join(map(repr, absent))}; it has {has}")
    if texts.empty:
        raise RawTableError(f"{file} has a header and no rows")
    table = RawTable(rows=pd.DataFrame(index=texts.index), read=len(texts))
    table.rows[data.record_id] = texts[data.record_id].str.strip()
    table.rows[data.label] = _label(texts[data.label], file)
    for name, column in data.columns.items():
        table.rows[name] = _column(texts[name], column, file, table.found)
    table.rows["event_time"] = _event_time(texts, data, file)
    _drop_unusable(table, data)
    _check_classes(table, settings, file)
    return table


def _texts(file: Path) -> pd.DataFrame:
    """The file's cells as texts: nothing is guessed."""
    try:
        return pd.read_csv(file, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except FileNotFoundError:
        raise RawTableError(f"there is no file {file}") from None
    except (IsADirectoryError, PermissionError) as error:
        raise RawTableError(f"{file} cannot be read: {error.strerror}") from None
    except pd.errors.EmptyDataError:
        raise RawTableError(f"{file} is empty, where a header and rows are right") from None
    except UnicodeDecodeError:
        raise RawTableError(f"{file} is no UTF-8 text, where a CSV file is right") from None
    except pd.errors.ParserError as error:
        raise RawTableError(f"{file} is no CSV file: {str(error).strip()}") from None


def _label(texts: Cells, file: Path) -> Cells:
    values = _numbers(texts, file)
    wrong = values.notna() & ~values.isin((0, 1))
    if wrong.any():
        raise RawTableError(
            f"{_where(texts, wrong, file)}: the label {texts.name!r} is "
            f"{texts[wrong].iloc[0]!r}, where 0 or 1 is right"
        )
    return values


def _column(texts: Cells, column: Column, file: Path, found: dict[str, int]) -> Cells:
    missing = texts.str.strip().isin(MISSING)
    if column.type == "date":
        dates = pd.to_datetime(texts, format=column.format, errors="coerce", exact=True)
        _count(found, f"unreadable date in {texts.name}", dates.isna())
        return dates
    if column.type == "category":
        values = texts.str.strip().mask(missing)
        _count(found, f"unknown value in {texts.name}", ~missing & ~values.isin(column.values))
        _count(found, f"missing {texts.name}", missing)
        return values
    _count(found, f"missing {texts.name}", missing)
    return _numbers(texts, file)


def _numbers(texts: Cells, file: Path) -> Cells:
    cells = texts.str.strip()
    missing = cells.isin(MISSING)
    numbers = pd.to_numeric(cells.mask(missing), errors="coerce").astype("float64")
    wrong = (numbers.isna() | numbers.isin((float("inf"), float("-inf")))) & ~missing
    if wrong.any():
        raise RawTableError(
            f"{_where(texts, wrong, file)}: {texts.name!r} is {texts[wrong].iloc[0]!r}, "
            f"where a number is right ({int(wrong.sum()):,} such rows)"
        )
    return numbers


def _event_time(texts: pd.DataFrame, data: Data, file: Path) -> Cells:
    """Moments as the Feature Store writes them: ISO-8601, to the second, with Z."""
    if data.snapshot:
        return pd.Series(data.snapshot, index=texts.index)
    cells = texts[data.event_time]
    moments = pd.to_datetime(cells, format="ISO8601", errors="coerce", utc=True)
    if moments.isna().any():
        raise RawTableError(
            f"{_where(cells, moments.isna(), file)}: {data.event_time!r} is "
            f"{cells[moments.isna()].iloc[0]!r}, where a moment such as 2026-01-31T00:00:00Z is "
            f"right ({int(moments.isna().sum()):,} such rows)"
        )
    return moments.dt.strftime("%Y-%m-%dT%H:%M:%SZ")


def _drop_unusable(table: RawTable, data: Data) -> None:
    """Rows that no record can be made of are left out, and counted."""
    no_id = table.rows[data.record_id].isin(MISSING)
    _count(table.found, f"empty {data.record_id}: left out", no_id)
    no_label = table.rows[data.label].isna() & ~no_id
    _count(table.found, f"no {data.label}: left out", no_label)
    table.rows = table.rows[~no_id & ~no_label]
    repeated = table.rows.duplicated([data.record_id, "event_time"], keep="last")
    _count(
        table.found,
        f"repeated {data.record_id}: of each the row put last, furthest down, counts",
        repeated,
    )


def _check_classes(table: RawTable, settings: Settings, file: Path) -> None:
    label = settings.data.label
    if table.rows.empty:
        raise RawTableError(f"{file} has no row with a {settings.data.record_id} and a {label}")
    classes = table.rows[label].unique()
    if len(classes) < 2:
        raise RawTableError(
            f"{file}: the label {label!r} is {classes[0]:g} in every row, where both 0 and 1 "
            "are needed to learn from"
        )


def _count(found: dict[str, int], what: str, rows: Cells) -> None:
    if count := int(rows.sum()):
        found[what] = count


def _where(texts: Cells, wrong: Cells, file: Path) -> str:
    """The first wrong row as an editor counts lines, the header being line 1."""
    return f"{file}, line {int(wrong.to_numpy().argmax()) + 2}"
