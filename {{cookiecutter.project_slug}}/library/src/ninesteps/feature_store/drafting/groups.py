"""Columns that seem to identify persons: rows of one person must not be in two splits.

A model that has seen three of a customer's four months recognizes the fourth: its metrics on such
a test split say nothing of customers that it has not seen.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from ninesteps.feature_store.drafting.contents import Contents
from ninesteps.feature_store.drafting.numbers import notation_of

PERSONS = re.compile(
    "customers?|clients?|patients?|users?|members?|subscribers?|accounts?|acct|employees?|persons?"
    "|people|students?|pupils?|drivers?|riders?|players?|households?|family|subjects?|participants?"
    "|e?mails?|phone|card|device|vehicle|vin|iban|borrowers?|applicants?|claimants?|owners?|buyers?"
    "|sellers?|merchants?|visitors?|guests?|tenants?|donors?|workers?|machine|sensor"
)
IDENTIFIERS = re.compile("(cust|user|client|patient|member|person|emp)?(id|uuid|guid)")
PLACES = re.compile(
    "city|town|state|zip(code)?|post(al|code)?|country|county|region|district|street|location|place"
    "|store|branch|product|brand|model|make|category|type|kind|job|title|department|dept|date|day|month"
    "|year|week|hour|time|quarter|age|currency|language"
)
"""Last words of names. What is called by a place, a kind or a time repeats for another reason."""

FEWEST_GROUPS = 20  # fewer cannot be divided into three splits
REPEATED = 0.05  # share of the rows whose value some other row has too
SAME_ROWS = 0.95  # share of the values that have as many rows as is usual, in a panel
ROWS_LOOKED_AT = 5_000
MOST_TIMES = 400  # different days, or whole numbers such as months, of a panel
MORE_THAN_CHANCE = 3  # times as many equal rows as independent columns would have

_SPREAD = np.uint64(0x9E3779B97F4A7C15)  # an odd number near 2**64 / 1.618: numbers lie far apart


@dataclass(frozen=True)
class Group:
    """A column whose rows of one value belong together."""

    column: Contents
    reason: str
    is_measure: bool  # its values are amounts, which are a feature all the same

    @property
    def rows_each(self) -> float:
        """How many rows a value has, on average."""
        return self.column.present / self.column.different


def groups_of(
    columns: list[Contents],
    times: list[Contents],
    by_name_alone: bool = False,
    drawn: float = 1.0,
) -> list[Group]:
    """The columns that name whom a row belongs to, the likeliest first.

    Args:
        columns: those that may; neither the record id nor the label.
        times: columns of dates, and of few whole numbers such as a month.
        by_name_alone: whether values say nothing, since rows are copies and all of them repeat.
        drawn: the share of the table's rows that these are; of others fewer repeat.
    """
    codes = {column.name: _codes(column) for column in [*columns, *times]}
    groups = []
    for column in columns:
        if not _repeats(column, drawn):
            continue
        if _name_says(column):
            groups += [Group(column, "its name says so", False)]
        elif not by_name_alone and (reason := _values_say(column, columns, times, codes)):
            groups += [Group(column, reason, _is_measure(column))]
    return sorted(groups, key=lambda group: (-_name_says(group.column), -group.column.different))


def _repeats(column: Contents, drawn: float) -> bool:
    """Whether enough values have several rows, and no value has a large part of them."""
    _, rows = column.counted
    if column.different < FEWEST_GROUPS or column.different >= column.present:
        return False
    several = int(rows[rows > 1].sum())
    return several >= REPEATED * drawn * column.present and int(rows.max()) <= column.present / 5


def _name_says(column: Contents) -> int:
    """How surely its name says that it names somebody: 2 a person, 1 something."""
    words = column.words
    if not words or any(map(PLACES.fullmatch, words)) or (column.is_number and not column.is_whole):
        return 0
    if IDENTIFIERS.fullmatch(words[-1]):
        return 2 if words[-1] != "id" or any(map(PERSONS.fullmatch, words[:-1])) else 1
    is_whose = len(words) == 1 or not column.is_number  # no months_as_customer
    return 2 if is_whose and PERSONS.fullmatch(words[-1]) else 0


def _values_say(
    column: Contents,
    columns: list[Contents],
    times: list[Contents],
    codes: dict[str, NDArray[np.int64]],
) -> str:
    """Why its values are somebody's; nothing if they are not."""
    if any(map(PLACES.fullmatch, column.words)):
        return ""
    _, rows = column.counted
    usual = int(np.bincount(rows).argmax())
    if usual > 1 and (rows == usual).mean() >= SAME_ROWS:
        return f"each of its values has {usual} rows"
    for time in times:
        if time is not column and _is_panel(column, time, codes):
            return f"no two rows have the same of it and of {time.name}"
    if column.is_number and not column.is_whole:
        return ""
    alike = _columns_alike(column, columns, codes)
    if alike < (3 if column.is_number else 2) or _is_measure(column):
        return ""  # one amount may well go with another
    return f"{alike} other columns are the same in all rows of one value"


def _is_measure(column: Contents) -> bool:
    """Whether its values are amounts: no whole numbers, or numbers with a unit."""
    if column.is_number:
        return not column.is_whole
    notation = notation_of(column)
    return bool(notation and notation.fits)


def _is_panel(column: Contents, time: Contents, codes: dict[str, NDArray[np.int64]]) -> bool:
    """Whether each value has each time once, where chance would have repeated many."""
    first, second = codes[column.name], codes[time.name]
    known = (first >= 0) & (second >= 0)
    count = int(known.sum())
    rows = np.bincount(first[known])
    pairs_of_rows = float((rows * (rows - 1) / 2).sum())
    by_chance = pairs_of_rows * float(((np.bincount(second[known]) / max(count, 1)) ** 2).sum())
    if time.different < 2 or by_chance < FEWEST_GROUPS or column.different <= time.different:
        return False
    pairs = first[known] * (int(second.max()) + 1) + second[known]
    return len(np.unique(pairs)) == count


def _columns_alike(
    column: Contents, columns: list[Contents], codes: dict[str, NDArray[np.int64]]
) -> int:
    """How many other columns have one value in all rows of a value, beyond chance.

    Beside a number those are not counted that follow from its size, as an age group does from an
    age: of persons who are numbered neighbours have nothing in common.
    """
    own = codes[column.name]
    counts = np.bincount(own[own >= 0])
    repeated = np.flatnonzero(counts > 1)
    chosen = repeated[np.cumsum(counts[repeated]) <= max(ROWS_LOOKED_AT, counts[repeated[0]])]
    places = np.flatnonzero(np.isin(own, chosen))
    places = places[np.argsort(own[places], kind="stable")]
    is_first = np.diff(own[places], prepend=-1) != 0
    first_of = np.maximum.accumulate(np.where(is_first, np.arange(len(places)), 0))
    alike = 0
    for other in columns:
        values = codes[other.name][places]
        shares = np.bincount(values[values >= 0], minlength=1) / len(places)
        same = (values == values[first_of])[~is_first].mean()
        if other is column or same < 0.99 or float((shares**2).sum()) >= 0.6:
            continue
        if column.is_number and _follows_from(column, own[places][is_first], values[is_first]):
            continue
        alike += other.different < column.present * 0.95
    return alike


def _follows_from(column: Contents, codes: NDArray[np.int64], values: NDArray[np.int64]) -> bool:
    """Whether equal values stand beside neighbouring numbers, each in one stretch.

    Args:
        column: whole numbers.
        codes: different ones of them, (n,).
        values: what another column has beside each, (n,).
    """
    in_order = values[np.argsort(column.numbers[codes], kind="stable")]
    stretches = 1 + int((np.diff(in_order) != 0).sum())
    return stretches <= 1.1 * len(np.unique(in_order))


def _codes(column: Contents) -> NDArray[np.int64]:
    """The place of each row's value among the different ones, -1 for none."""
    indices = pc.index_in(column.cells, value_set=column.counted[0]).fill_null(-1)
    codes: NDArray[np.int64] = indices.to_numpy().astype(np.int64)
    return codes


def repeated_rows(columns: list[Contents]) -> int:
    """The rows that are the same as an earlier one in all columns; 0 if chance explains them."""
    if not columns:
        return 0
    count = len(columns[0].cells)
    keys, by_chance = np.zeros(count, dtype=np.uint64), count**2 / 2
    for column in columns:
        codes = _codes(column)
        mixed = (codes.astype(np.uint64) + np.uint64(1)) * _SPREAD
        keys = (keys ^ mixed ^ (mixed >> np.uint64(29))) * _SPREAD
        by_chance *= float(((np.bincount(codes + 1) / count) ** 2).sum())
    repeated = count - len(np.unique(keys))
    return repeated if repeated > MORE_THAN_CHANCE * by_chance else 0
