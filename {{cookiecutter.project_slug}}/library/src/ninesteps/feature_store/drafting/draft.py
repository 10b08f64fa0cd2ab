"""Drafts `[data]` of pipeline.toml from a table's values.

Every column is read as text and judged by its distinct values. A comment says what they leave open.
What must not be guessed stays invalid until a person decides: the label, and words that may mean
"no value".
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.compute as pc

from ninesteps.errors import RawTableError
from ninesteps.feature_store import protected
from ninesteps.feature_store.drafting.contents import BLEMISHES, Contents, read_columns
from ninesteps.feature_store.drafting.dates import Dates, dates_of
from ninesteps.feature_store.drafting.groups import (
    MOST_TIMES,
    REPEATED,
    Group,
    groups_of,
    repeated_rows,
)
from ninesteps.feature_store.drafting.kinds import Kind, kind_of
from ninesteps.feature_store.drafting.labels import (
    Label,
    candidates,
    few_rows,
    label_lines,
    label_question,
)
from ninesteps.feature_store.drafting.moments import Moment, is_event, moment_lines, moments_of
from ninesteps.feature_store.drafting.people import people_lines, protected_of
from ninesteps.feature_store.drafting.toml_lines import (
    comment,
    example,
    key,
    named,
    quoted,
    rows,
    setting,
    some,
    table,
    value,
)
from ninesteps.feature_store.drafting.words import missing_words
from ninesteps.feature_store.leaks import SUSPICIOUS, ranking_power
from ninesteps.feature_store.reading.table_file import clean_name
from ninesteps.feature_store.reading.values import MISSING
from ninesteps.settings.names import is_stored_name, proposed_name

IDS = re.compile("(cust|user)?id|key|number|no|nr|code|index|serial|uuid|guid")
"""Last words in the names of columns that identify rows."""


@dataclass(frozen=True)
class Decisions:
    """What the user has already decided."""

    label: str = ""  # the column that is predicted
    missing: tuple[str, ...] = ()  # words that mean "no value"
    values: tuple[str, ...] = ()  # words that look like "no value" but are values


@dataclass(frozen=True)
class Roles:
    """The columns that are not features, and what else each could be."""

    label: Label | None
    candidates: list[str]  # if the label is unknown
    record_id: Contents | None
    moment: Moment | None
    moments: list[str]  # other columns of moments
    groups: list[Group]
    copies: int  # rows that equal an earlier one except for their record id
    dates: dict[str, Dates]


@dataclass(frozen=True)
class Line:
    """A column and its entry in `[data.columns]`."""

    column: Contents
    kind: Kind
    power: float  # how well it ranks the label on its own


def draft(
    file: Path, decided: Decisions = Decisions(), likely_label: str = "", path: str = ""
) -> str:
    """The `[data]` and `[data.columns]` of pipeline.toml for a table, for a person to review.

    Args:
        file: a CSV or Parquet file.
        decided: what the user has already decided.
        likely_label: the label, if the table has such a column.
        path: the file's path for the settings; by default, as given.

    Raises:
        RawTableError: with one sentence for the user.
    """
    columns = read_columns(file, decided.missing, decided.values)
    label = _label(file, columns, decided.label, likely_label)
    roles = _roles(columns, label)
    grouping = roles.groups[0].column if roles.groups else None
    apart = [roles.label and roles.label.column, roles.record_id]
    apart += [roles.moment.column] if roles.moment else []
    rest = [column for column in columns if not any(column is one for one in apart)]
    lines = [
        _line(c, roles, c is grouping and not roles.groups[0].is_measure)
        for c in rest
        if not _why_left_out(c)
    ]
    kinds = protected_of([one.column for one in lines])
    types = {one.column.name: str(one.kind.keys["type"]) for one in lines}
    text = [
        *_head(file, columns, roles, lines, [*kinds]),
        "[data]",
        f"file = {value(path or file.as_posix())}",
        *_key_lines(roles, columns),
        *(label_lines(roles.label) if roles.label else label_question(roles.candidates)),
        *moment_lines(roles.moment, roles.moments, rest, roles.dates, file),
        *_word_lines(roles, lines, decided),
        "",
        "[data.columns]",
        *(line for column in rest for line in _column_lines(column, lines, kinds)),
        *([] if lines else ["# No column is left for features."]),
        *_stored_lines(roles, rest),
        *_split_lines(roles, columns),
        *people_lines(kinds, types, columns),
    ]
    return "\n".join(text) + "\n"


def _label(file: Path, columns: list[Contents], asked: str, likely: str) -> Label | None:
    """The label, if its name is known."""
    by_name = {column.name: column for column in columns}
    asked = clean_name(asked)
    if asked and asked not in by_name:
        raise RawTableError(f"{file}: expected a column {asked!r}, got {some([*by_name], 20)}")
    name = asked or (likely if likely in by_name else "")
    if name.lower() == "event_time":
        raise RawTableError(
            f"{file}: expected another name for the label (the feature group has a column of this "
            f"one), got {name!r}"
        )
    return Label(by_name[name]) if name else None


def _roles(columns: list[Contents], label: Label | None) -> Roles:
    """Assign the roles: moments first, then the record id, then the group that rows belong to."""
    others = [c for c in columns if not c.unusable and c is not (label and label.column)]
    dates = dates_of(others)
    same = [c for c in columns if is_event(c) and c not in others and c.different == 1]
    moments = moments_of([*others, *same], dates)
    taken = [moment.column for moment in moments[:1]]
    are_dates = {name for name, read in dates.items() if read.fits} | {"event_time"}
    free = [c for c in others if c not in taken and c.name not in are_dates]
    ids = sorted(filter(_is_record_id, free), key=lambda c: (not _has_id_name(c), c.missing > 0))
    free = [c for c in free if c not in ids[:1]]
    copies = repeated_rows([c for c in columns if c.is_single and c not in ids[:1]])
    times = [c for c in others if c.name in dates or (c.is_whole and c.different <= MOST_TIMES)]
    return Roles(
        label=label,
        candidates=[] if label else candidates(free),
        record_id=ids[0] if ids else None,
        moment=moments[0] if moments else None,
        moments=[moment.column.name for moment in moments[1:]],
        groups=groups_of(free, [*taken, *times], copies >= REPEATED * len(columns[0].cells)),
        copies=copies,
        dates=dates,
    )


def _is_record_id(column: Contents) -> bool:
    """Whether it identifies rows, apart from flaws, and not by chance as measurements may."""
    count = len(column.cells)
    if column.different < (1 - BLEMISHES) * count or column.has(".{65}"):
        return False
    if column.has(r"^[+-]?\d*\.\d*[1-9]") and not np.isnan(column.numbers).any():
        return False  # a measurementment
    if _has_id_name(column):
        return column.is_whole or not column.is_number
    if not column.is_number:
        return column.different == count or not column.has(r"\s")
    # Among so many random numbers in so narrow a range, some would be equal.
    spread = np.nanmax(column.numbers) - np.nanmin(column.numbers)
    return bool(
        column.different == count and column.is_whole and spread < max(count, count**2 / 10)
    )


def _has_id_name(column: Contents) -> bool:
    return any(map(IDS.fullmatch, column.words[-1:]))


def _line(column: Contents, roles: Roles, is_group: bool) -> Line:
    kind = kind_of(column, roles.dates.get(column.name), is_group)
    return Line(
        column, kind, 0 if is_group or not roles.label else _power(column, kind, roles.label)
    )


def _power(column: Contents, kind: Kind, label: Label) -> float:
    """How well a column ranks the label on its own; for a text, whether it is present or
    missing."""
    labels = _in_rows(label.column, pd.Series(label.numbers))
    values = column.cells.is_valid().to_pandas() if kind.values is None else kind.values
    rows_of = values if kind.values is None else _in_rows(column, kind.values)
    return ranking_power(rows_of, labels.to_numpy())


def _in_rows(column: Contents, values: pd.Series[Any]) -> pd.Series[Any]:
    """A value for each distinct text, as a value for each row."""
    places = pc.index_in(column.cells, value_set=column.counted[0]).to_pandas()
    return values.reindex(places.fillna(-1).astype("int64")).reset_index(drop=True)


def _head(
    file: Path, columns: list[Contents], roles: Roles, lines: list[Line], people: list[str]
) -> list[str]:
    count = len(columns[0].cells)
    drafted = (
        f"Drafted from {count:,} rows and {len(columns)} columns of {named(file.name)}. Check the "
        "record id, the label, the event time, and every line with a comment."
    )
    return [*comment(drafted), *(line for one in _warnings(roles, lines, people) for line in one)]


def _warnings(roles: Roles, lines: list[Line], people: list[str]) -> list[list[str]]:
    """The most important remarks, at the top."""
    warnings = []
    if roles.label and (few := few_rows(roles.label)):
        warnings += [few]
    leaking = [one.column.name for one in lines if one.power >= SUSPICIOUS]
    if leaking:
        each = "each ranks" if len(leaking) > 1 else "it ranks"
        warnings += [
            f"{some(leaking, 5)}: alone {each} the label almost perfectly. What is recorded after "
            "the outcome is not known when predicting: delete such a line."
        ]
    if people:
        warnings += [f"Usually protected attributes: {some(people, 5)}. See the end."]
    if roles.groups:
        name = named(roles.groups[0].column.name)
        warnings += [f"Several rows have the same {name}: see the end."]
    return [comment(f"- {warning}", "  ") for warning in warnings]


def _key_lines(roles: Roles, columns: list[Contents]) -> list[str]:
    column = roles.record_id
    if column is None:
        taken = {column.name.lower() for column in columns}
        names = ("row", *(f"row_{number}" for number in range(2, len(columns) + 3)))
        name = next(name for name in names if name not in taken)
        numbered = "number_rows = true  # no column identifies rows: they are numbered"
        return [f"record_id = {quoted(name)}", numbered]
    remarks = [] if _has_id_name(column) else ["by its values"]
    if column.missing:
        remarks += [f"{rows(column.missing)} without one: left out"]
    if repeated := column.present - column.different:
        remarks += [f"{rows(repeated)} with a duplicate id: the last row is kept"]
    return setting(f"record_id = {quoted(column.name)}", remarks)


def _word_lines(roles: Roles, lines: list[Line], decided: Decisions) -> list[str]:
    """`missing` and `undecided`."""
    places: dict[str, list[str]] = {}
    keys = [(roles.record_id, missing_words(roles.record_id))] if roles.record_id else []
    keys += [(roles.label.column, roles.label.words)] if roles.label else []
    found = [(column, words.rows_of, "") for column, words in keys]
    for one in lines:
        is_read = one.kind.type in ("number", "date")
        words = {w: n for w, n in one.kind.words.rows_of.items() if not (is_read and w in MISSING)}
        found += [(one.column, words, f", otherwise a {one.kind.type}" * is_read)]
    for column, words, what in found:
        for word, count in words.items():
            places.setdefault(word, []).append(f"{rows(count)} of {named(column.name)}{what}")
    if not places:
        return [f"missing = {value(decided.missing)}"] if decided.missing else []
    options = " ".join(f"--missing {shlex.quote(word)}" for word in places)
    return [
        *comment(
            "Do these words mean that there is no value? No run starts until each is moved to "
            "`missing` (and removed from a category's values), or deleted here because it is a "
            f"value. To draft again, add {options}, or --value for a word that is a value."
        ),
        *(
            line
            for word, where in places.items()
            for line in comment(f"  {example(word)}: {', '.join(where)}", "    ")
        ),
        f"missing = {value(decided.missing)}",
        f"undecided = {value([*places])}",
    ]


def _why_left_out(column: Contents) -> str:
    """Why a column has no entry; empty if it has one."""
    if column.name == "event_time":
        return "the feature group uses this name for the event time; rename the column to use it"
    return column.unusable


def _column_lines(
    column: Contents, lines: list[Line], kinds: Mapping[str, protected.Kind]
) -> list[str]:
    if reason := _why_left_out(column):
        return comment(f"{named(column.name)} is left out: {reason}")
    line = next(one for one in lines if one.column is column)
    remarks = [*line.kind.remarks]
    if line.power >= SUSPICIOUS:
        remarks += ["alone it ranks the label almost perfectly: is it known before the outcome?"]
    if kind := kinds.get(column.name):
        remarks += [f"protected ({kind.name}): see the end"]
    if column.missing > column.present:
        remarks += [f"{rows(column.missing)} without a value"]
    return setting(f"{key(column.name)} = {table(line.kind.keys)}", remarks)


def _stored_lines(roles: Roles, rest: list[Contents]) -> list[str]:
    """`[data.stored]`: names for columns whose own name a feature group does not accept."""
    keys = [roles.record_id, roles.label.column if roles.label else None]
    kept = [c.name for c in [*keys, *rest] if c is not None and not _why_left_out(c)]
    taken: set[str] = set()
    for name in kept:
        taken |= {name.lower()} if is_stored_name(name) else set()
    lines, seen = [], set[str]()
    for name in kept:
        if is_stored_name(name) and name.lower() not in seen:
            seen.add(name.lower())
            continue
        stored = proposed_name(name, taken)
        taken.add(stored.lower())
        lines += [f"{key(name)} = {quoted(stored)}"]
    why = "Names in the feature group, which does not accept the table's own names:"
    return ["", "[data.stored]", *comment(why), *lines] if lines else []


def _split_lines(roles: Roles, columns: list[Contents]) -> list[str]:
    """What to put into `[split]`, which follows in pipeline.toml."""
    if roles.groups:
        first, *others = roles.groups
        name = named(first.column.name)
        alternatives = [group.column.name for group in others]
        either = f" Or is it {some(alternatives, 5)}?" if alternatives else ""
        return [
            "",
            *comment(
                f"Put the next line, without its #, into [split], which follows: a value of {name} "
                f"has {first.rows_each:.1f} rows on average ({first.reason}). Without it, rows of "
                "the same value are in both train and test, and every metric is too good."
                f"{either}"
            ),
            f"# group = {quoted(first.column.name)}",
        ]
    if roles.copies < BLEMISHES * len(columns[0].cells):
        return []
    but, then = "", "identical rows go to one split"
    if roles.record_id:
        but = f" except for {named(roles.record_id.name)}"
        then = "if they are copies, some are in both train and test, and every metric is too good"
    return ["", *comment(f"{rows(roles.copies)} are the same as an earlier one{but}: {then}.")]
