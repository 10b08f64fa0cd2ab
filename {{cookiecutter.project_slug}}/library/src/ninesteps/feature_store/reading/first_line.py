"""Reads the first lines of a CSV file: its delimiter, and whether they are a header."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence, Set
from itertools import islice, pairwise

DELIMITERS = (",", ";", "\t", "|")

_LOOKED_AT = 20  # rows

_NUMBER = re.compile(r"[+-]?(\d+[.,]?\d*|[.,]\d+)([eE][+-]?\d+)?")
_DATE = re.compile(r"\d{1,4}([-/.])\d{1,2}\1\d{1,4}([T ]\d{1,2}:\d{2}.*)?")


def is_row(row: list[str]) -> bool:
    """Whether a line is not blank."""
    return len(row) > 1 or bool("".join(row).strip())


def delimiter_of(sample: str) -> str:
    """The delimiter that gives all first rows the same number of cells, the larger the better."""
    best, most = ",", 1
    for delimiter in DELIMITERS:
        reader = csv.reader(io.StringIO(sample, newline=""), delimiter=delimiter)
        widths = {len(row) for row in islice(filter(is_row, reader), _LOOKED_AT)}
        if len(widths) == 1 and max(widths) > most:
            best, most = delimiter, max(widths)
    return best


def line_of_names(sample: str, names: Set[str]) -> int:
    """The later line that has most of the column names; 0 if there is none."""
    for number, line in enumerate(islice(sample.splitlines(), 1, _LOOKED_AT), start=2):
        for delimiter in DELIMITERS:
            cells = {cell.strip() for cell in next(csv.reader([line], delimiter=delimiter), [])}
            if len(cells & names) > len(names) / 2:
                return number
    return 0


def values_among(names: Sequence[str], rows: Sequence[Sequence[str]]) -> tuple[str, ...]:
    """The cells of a first line that look like values; empty if it can be a header.

    Numbers and dates are not names, unless they form a series, such as years or positions. If
    several texts appear again in their own columns, they are values too.
    """
    numbers = [name for name in names if _NUMBER.fullmatch(name)]
    values = [name for name in names if _DATE.fullmatch(name)]
    values += [] if _are_series(numbers) else numbers
    words = [place for place, name in enumerate(names) if name and name not in numbers]
    again = [p for p in words if names[p] in {row[p].strip() for row in rows if p < len(row)}]
    is_repeated = any([*names] == [cell.strip() for cell in row] for row in rows)
    if len(again) >= max(2, len(words) / 2) and not is_repeated:
        values += [names[place] for place in again]
    return tuple(values)


def _are_series(numbers: Sequence[str]) -> bool:
    """Whether numbers can be names: years, positions, or many that only increase or only
    decrease."""
    read = [float(number.replace(",", ".")) for number in numbers]
    steps = [after - before for before, after in pairwise(read)] or [1.0]
    if all(number.is_integer() for number in read):
        is_rising = min(steps) > 0 and len(read) >= 3
        return is_rising or all(1900 <= n <= 2100 for n in read) or read == [0, 1]
    return len(read) >= 5 and (min(steps) > 0 or max(steps) < 0)
