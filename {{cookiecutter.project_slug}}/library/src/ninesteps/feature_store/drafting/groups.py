"""Finds columns that seem to identify people: one person's rows must not be in two splits.

A model that has seen three of a customer's four months recognises the fourth: its metrics on such a
test split say nothing about customers that it has not seen.
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
"""Last words of names. Places, kinds and times repeat for other reasons."""

FEWEST_GROUPS = 20  # too few for three splits
REPEATED = 0.05  # share of rows whose value another row has too
SAME_ROWS = 0.95  # share of values with the usual number of rows, in a panel
ROWS_LOOKED_AT = 5_000
MOST_TIMES = 400  # distinct days, or whole numbers such as months, in a panel
MORE_THAN_CHANCE = 3  # times more equal rows than in independent columns

_SPREAD = np.uint64(0x9E3779B97F4A7C15)  # an odd number near 2**64 / 1.618: spreads numbers widely


@dataclass(frozen=True)
class Group:
    """A column whose equal values belong together."""

    column: Contents
    reason: str
    is_measure: bool  # its values are amounts, so it is a feature too

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
    """The columns that identify who a row belongs to, the likeliest first.

    Args:
        columns: the candidates, without the record id and the label.
        times: columns of dates, and of few distinct whole numbers, such as months.
        by_name_alone: whether to ignore values, since the rows are copies and every value repeats.
        drawn: the share of the table's rows in this sample, in which fewer values repeat.
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
    """Whether enough values have several rows, and no value dominates."""
    _, rows = column.counted
    if column.different < FEWEST_GROUPS or column.different >= column.present:
        return False
    several = int(rows[rows > 1].sum())
    return several >= REPEATED * drawn * column.present and int(rows.max()) <= column.present / 5


def _name_says(column: Contents) -> int:
    """How clearly its name says that it identifies someone: 2 a person, 1 something."""
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
    """Why its values seem to identify someone; empty if they do not."""
    if any(map(PLACES.fullmatch, column.words)):
        return ""
    _, rows = column.counted
    usual = int(np.bincount(rows).argmax())
    if usual > 1 and (rows == usual).mean() >= SAME_ROWS:
        return f"each of its values has {usual} rows"
    for time in times:
        if time is not column and _is_panel(column, time, codes):
            return f"no two rows have the same value and the same {time.name}"
    if column.is_number and not column.is_whole:
        return ""
    alike = _columns_alike(column, columns, codes)
    if alike < (3 if column.is_number else 2) or _is_measure(column):
        return ""  # amounts often go together
    return f"{alike} other columns are constant within each value"


def _is_measure(column: Contents) -> bool:
    """Whether its values are amounts: fractions, or numbers with a unit."""
    if column.is_number:
        return not column.is_whole
    notation = notation_of(column)
    return bool(notation and notation.fits)


def _is_panel(column: Contents, time: Contents, codes: dict[str, NDArray[np.int64]]) -> bool:
    """Whether each value occurs once at each time, where chance would have repeated many."""
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
    """How many other columns are constant within each value, beyond chance.

    Columns that follow from a number's size, as an age group follows from an age, do not count:
    people with neighbouring numbers have nothing in common.
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
    """Whether each value covers one contiguous range of numbers.

    Args:
        column: whole numbers.
        codes: distinct ones of them, (n,).
        values: another column's value for each, (n,).
    """
    in_order = values[np.argsort(column.numbers[codes], kind="stable")]
    stretches = 1 + int((np.diff(in_order) != 0).sum())
    return stretches <= 1.1 * len(np.unique(in_order))


def _codes(column: Contents) -> NDArray[np.int64]:
    """Each row's position among the distinct values, -1 for no value."""
    indices = pc.index_in(column.cells, value_set=column.counted[0]).fill_null(-1)
    codes: NDArray[np.int64] = indices.to_numpy().astype(np.int64)
    return codes


def repeated_rows(columns: list[Contents]) -> int:
    """The number of rows that equal an earlier one in all columns; 0 if chance explains them."""
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
