"""A first `[data]` and `[data.columns]` of pipeline.toml for a table: what its values say.

Every column is read as texts and judged by its different values. What they leave open is decided
one way and said in a comment: a person reads the draft before a pipeline does.
"""

from __future__ import annotations

import json
import re
import textwrap
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd

from ninesteps.errors import RawTableError
from ninesteps.feature_store.table_columns import (
    BLEMISHES,
    Contents,
    Dates,
    dates_of,
    parse_dates,
    read_columns,
)
from ninesteps.settings.data import RESERVED_COLUMNS

MOST_VALUES = 50  # of a category
FEW_VALUES = 10  # of whole numbers that may be codes
OUTCOMES = re.compile(
    "label|target|y|class|churn(ed)?|retained|retention|attrition|left|exited|stayed|fraud(ulent)?"
    "|default(ed)?|respon(se|ded)|outcome|survived|converted|subscribed|purchased|approved"
    "|cancell?ed|returned|diagnosis"
)
AMOUNTS = re.compile("salary|wages?|income|earnings|price|cost|sales|revenue|demand")
POSITIVE = re.compile("yes|y|true|t|pos(itive)?|churn(ed)?|left|fraud|default(ed)?")
IDS = re.compile("(cust|user)?id|key|number|no|nr|code|index|serial|uuid|guid")
EVENTS = re.compile("(event )?(time|timestamp|date ?time)|event date|as of")
"""Words of columns' names."""


@dataclass(frozen=True)
class Roles:
    """The columns that are no features, and what else each could be."""

    label: Contents | None
    labels: list[str]  # other candidates
    record_id: Contents | None
    moment: Contents | None
    moments: list[str]  # other columns of moments


def draft(file: Path, label: str = "", likely_label: str = "") -> str:
    """The `[data]` and `[data.columns]` of pipeline.toml for a table, to be read by a person.

    Args:
        file: a CSV or Parquet file.
        label: the column that is predicted, if that is known.
        likely_label: the column that is predicted, if the table has it.

    Raises:
        RawTableError: with one sentence for the person who brought the table.
    """
    columns = read_columns(file)
    names = [column.name for column in columns]
    if label and label not in names:
        raise RawTableError(f"{file}: expected a column {label!r}, got {_some(names, 20)}")
    if likely_label in names:
        label = label or likely_label
    if label == "event_time":
        raise RawTableError(
            f"{file}: expected another name for the label (the feature group has a column of this "
            "one), got 'event_time'"
        )
    dates = dates_of([c for c in columns if not c.unusable])
    roles = _roles(columns, dates, label)
    kept = [c for c in columns if c not in (roles.label, roles.record_id, roles.moment)]
    lines = [*_head(file, columns), *_key_lines(roles, columns), *_label_lines(roles)]
    lines += _moment_lines(roles, dates, file)
    lines += ["", "[data.columns]"]
    for column in kept:
        lines += _column_lines(column, dates.get(column.name), roles.label)
    if all(column.unusable for column in kept):
        lines += ["# No column is left to make features of."]
    return "\n".join(lines) + "\n"


def _roles(columns: list[Contents], dates: dict[str, Dates], label: str) -> Roles:
    """Who is who: moments first, then the record id, then the likeliest label of the rest."""
    known = next((c for c in columns if label and c.name == label), None)
    moments = sorted(
        (c for c in columns if c is not known and _is_moment(c)), key=lambda c: not _is_event(c)
    )
    usable = [c for c in columns if c is not known and c not in moments and not c.unusable]
    free = [c for c in usable if c.name not in dates and c.name.lower() not in RESERVED_COLUMNS]
    ids = sorted(filter(_is_record_id, free), key=lambda c: (not _has_id_name(c), c.missing > 0))
    ranked = sorted(
        (c for c in free if c not in ids and (c.is_binary or c.is_number)), key=_label_rank
    )
    likeliest = known or (ranked[-1] if ranked else None)
    others = [c.name for c in ranked[::-1] if c is not likeliest and any(_label_rank(c))]
    return Roles(
        label=likeliest,
        labels=[] if known else others,
        record_id=ids[0] if ids else None,
        moment=moments[0] if moments else None,
        moments=[c.name for c in moments[1:]],
    )


def _is_event(column: Contents) -> bool:
    return bool(EVENTS.fullmatch(" ".join(column.words)))


def _is_moment(column: Contents) -> bool:
    """Whether it says in every row when: ISO-8601, with a time of day or by its name."""
    texts, _ = column.counted
    if not column.name or column.missing or column.is_number or column.has(r"^(\D|\d{0,3}\D)"):
        return False
    cells = pd.Series(texts.to_pandas(), dtype="object")
    moments = pd.to_datetime(cells, format="ISO8601", errors="coerce", utc=True)
    if moments.isna().any():
        return False
    return _is_event(column) or bool((moments != moments.dt.normalize()).any())


def _is_record_id(column: Contents) -> bool:
    """Whether it tells rows apart, but for blemishes, and not by chance as a measure may."""
    rows = len(column.cells)
    if column.different < (1 - BLEMISHES) * rows or column.has(".{65}"):
        return False
    if _has_id_name(column):
        return column.is_whole or not column.is_number
    if not column.is_number:
        return column.different == rows or not column.has(r"\s")
    # Drawn by chance, so many numbers of a range so narrow would have met.
    spread = column.parsed.max() - column.parsed.min()
    return column.different == rows and column.is_whole and spread < max(rows, rows**2 / 10)


def _has_id_name(column: Contents) -> bool:
    return any(map(IDS.fullmatch, column.words[-1:]))


def _label_rank(column: Contents) -> tuple[int, int]:
    """How likely it is the label: by its name, then by its values; the last column wins a tie."""
    words, binary = column.words, column.is_binary
    reasons = (
        OUTCOMES.fullmatch(" ".join(words)),
        binary and any(map(OUTCOMES.fullmatch, words)),
        AMOUNTS.fullmatch(" ".join(words)),
        not binary and any(map(AMOUNTS.fullmatch, words[-1:])),
    )
    strength = next((4 - place for place, reason in enumerate(reasons) if reason), 0)
    return strength, 0 if not binary else 2 if column.is_zero_or_one or _positive(column)[1] else 1


def _head(file: Path, columns: list[Contents]) -> list[str]:
    rows = len(columns[0].cells)
    head = (
        f"Drafted from {rows:,} rows and {len(columns)} columns of {_named(file.name)}. To look "
        "at: the record id, the label, the moment, and every line with a comment."
    )
    return [*_comment(head), "[data]", f"file = {_toml(file.as_posix())}"]


def _key_lines(roles: Roles, columns: list[Contents]) -> list[str]:
    column = roles.record_id
    if column is None:
        taken = {column.name.lower() for column in columns}
        names = ("row", *(f"row_{number}" for number in range(2, len(columns) + 3)))
        name = next(name for name in names if name not in taken)
        numbered = "number_rows = true  # no column tells rows apart: they are numbered"
        return [f"record_id = {_toml(name)}", numbered]
    remarks = [] if _has_id_name(column) else ["by its values"]
    if column.missing:
        remarks += [f"{_rows(column.missing)} without one: left out"]
    if repeated := column.present - column.different:
        remarks += [f"{_rows(repeated)} with a duplicate id: the last row is kept"]
    return _line(f"record_id = {_toml(column.name)}", remarks)


def _label_lines(roles: Roles) -> list[str]:
    column = roles.label
    if column is None:
        return ['label = ""  # no column has two values or is a number: name the one to predict']
    if column.is_binary:
        remarks = ['two values: [project] problem = "binary"']
    elif column.is_number and column.different > 2:
        remarks = ['numbers: [project] problem = "regression"']
    else:
        different = f"{column.different:,} different value{'s' * (column.different != 1)}"
        remarks = [f"expected two values, or numbers, got {different}"]
    if column.missing:
        remarks += [f"{_rows(column.missing)} without one: left out"]
    if roles.labels:
        remarks += [f"or {_some(roles.labels, 5)}"]
    lines = _line(f"label = {_toml(column.name)}", remarks)
    return lines + (_positive_lines(column) if column.is_binary else [])


def _positive_lines(column: Contents) -> list[str]:
    if column.is_zero_or_one:
        return []
    chosen, is_known, other = _positive(column)
    remarks = [f"counts as 1, {_quoted(other)} as 0"]
    remarks += [] if is_known else ["the rarer one: is it the one to find?"]
    return _line(f"positive = {_toml(chosen)}", remarks)


def _positive(column: Contents) -> tuple[str, bool, str]:
    """Of two texts the one that counts as 1, whether its word says so, and the other."""
    texts, rows = column.counted
    rarer, other = (texts[int(place)].as_py() for place in rows.argsort(kind="stable")[:2])
    if POSITIVE.fullmatch(other.lower()) and not POSITIVE.fullmatch(rarer.lower()):
        return other, True, rarer
    return rarer, bool(POSITIVE.fullmatch(rarer.lower())), other


def _moment_lines(roles: Roles, dates: dict[str, Dates], file: Path) -> list[str]:
    if roles.moment:
        remarks = [f"or {_some(roles.moments, 5)}"] if roles.moments else []
        return _line(f"event_time = {_toml(roles.moment.name)}", remarks)
    day = datetime.fromtimestamp(file.stat().st_mtime, UTC)
    remarks = ["the file's day: no column says the moment"]
    if dates:
        name, latest = max(dates.items(), key=lambda item: item[1].latest)
        remarks += [f"the latest date is {latest.latest:%Y-%m-%d}, in {_named(name)}"]
    return _line(f'snapshot = "{day:%Y-%m-%d}T00:00:00Z"', remarks)


def _column_lines(column: Contents, dates: Dates | None, label: Contents | None) -> list[str]:
    if reason := column.unusable:
        return _comment(f"{_named(column.name)} is left out: {reason}")
    kind, remarks = _date_kind(column, dates) if dates else _kind(column)
    if label is not None and _tells(column, label):
        remarks += ["alone it tells the label: is it known in time?"]
    if column.name.lower() in RESERVED_COLUMNS:
        remarks += ["no facet and no feature can be called so"]
    if column.missing > column.present:
        remarks += [f"{_rows(column.missing)} without a value"]
    key = column.name if re.fullmatch("[A-Za-z0-9_-]+", column.name) else _toml(column.name)
    return _line(f"{key} = {{ {kind} }}", remarks)


def _date_kind(column: Contents, dates: Dates) -> tuple[str, list[str]]:
    remarks = []
    if dates.unreadable:
        texts, _ = column.counted
        example = texts[int(parse_dates(texts, dates.format).isna().to_numpy().argmax())].as_py()
        remarks += [f"{_rows(dates.unreadable)} unreadable, such as {_quoted(example)}"]
    if dates.others:
        remarks += [f"or {', '.join(dates.others)}: no value decides"]
    if column.is_number:
        remarks += ["or a number?"]
    return f'type = "date", format = {_toml(dates.format)}', remarks


def _kind(column: Contents) -> tuple[str, list[str]]:
    """A column that is no date: its type, and what is not sure."""
    if column.is_number:
        if column.is_zero_or_one:
            return 'type = "number"', ["0 or 1"]
        if column.is_whole and column.different <= FEW_VALUES:
            return 'type = "number"', ["few values: a category?"]
        unique = column.is_whole and column.different == len(column.cells)
        return 'type = "number"', ["no two rows have the same: an id?"] if unique else []
    remarks = _why_no_number(column)
    most = min(MOST_VALUES, (column.present + 1) // 2)
    if column.different <= most:
        values = ", ".join(map(_toml, sorted(column.counted[0].to_pylist())))
        return f'type = "category", values = [{values}]', remarks
    if column.words[-1:] == ["id"] and column.different < column.present:
        remarks += ["rows of one stay together as [split] group"]
    return 'type = "text"', [f"{column.different:,} different values", *remarks]


def _why_no_number(column: Contents) -> list[str]:
    wrong = column.parsed.isna().to_numpy()
    if not wrong.any():
        return ["codes, no numbers"]
    texts, rows = column.counted
    if (count := int(rows[wrong].sum())) < 0.1 * column.present:
        example = texts[int(wrong.argmax())].as_py()
        return [f"numbers but for {_rows(count)}, such as {_quoted(example)}"]
    return []


def _tells(column: Contents, label: Contents) -> bool:
    """Whether a column's values, or their being there, go one to one with the label's."""
    if label.different == label.present:  # as many values as rows: any id goes with them
        return bool(column.cells.equals(label.cells))
    known = label.cells.is_valid()
    codes = pd.factorize(label.cells.filter(known).to_pandas())[0]
    values = column.cells.fill_null("")
    signals = [values] if abs(column.different - label.different) <= 1 else []
    signals += [column.cells.is_valid()] if label.different == 2 and column.missing else []
    return any(
        np.array_equal(codes, pd.factorize(signal.filter(known).to_pandas())[0])
        for signal in signals
    )


def _line(setting: str, remarks: list[str]) -> list[str]:
    """A setting with its remarks: behind it, or above it where they do not fit."""
    line = f"{setting}  # {'; '.join(remarks)}" if remarks else setting
    return [line] if len(line) <= 100 or not remarks else [*_comment("; ".join(remarks)), setting]


def _comment(text: str) -> list[str]:
    return [
        f"# {line}"
        for line in textwrap.wrap(text, 98, break_long_words=False, break_on_hyphens=False)
    ]


def _rows(count: int) -> str:
    return f"{count:,} row{'s' * (count != 1)}"


def _some(names: list[str], most: int) -> str:
    rest = [f"{len(names) - most} more"] if len(names) > most else []
    return ", ".join([*map(_named, names[:most]), *rest])


def _named(name: str) -> str:
    return name if re.fullmatch(r"[\w .-]{1,40}", name) and name.isprintable() else _quoted(name)


def _quoted(text: str) -> str:
    return _toml(text if len(text) <= 40 else f"{text[:37]}...")


def _toml(text: str) -> str:
    """A TOML basic string: JSON's escapes are TOML's too; what no screen shows is escaped."""
    written = json.dumps(text, ensure_ascii=False)
    return "".join(c if c.isprintable() else f"\\U{ord(c):08X}" for c in written)
