"""Reads a raw table as `[data]` describes it, or refuses it in one sentence.

Flaws (an empty number, an unreadable date, an unknown category) are counted and kept, as far as
`[data.quality]` allows. Anything that no run can use (a missing column, a word among numbers) is an
error.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from ninesteps.errors import RawTableError
from ninesteps.feature_store.raw_rows import RawTable
from ninesteps.feature_store.reading import dates, typed_cells
from ninesteps.feature_store.reading.columns import ROWS_AT_ONCE, Columns, part_by_part
from ninesteps.feature_store.reading.numbers import notation
from ninesteps.feature_store.reading.source import Rows, Source, open_source
from ninesteps.feature_store.reading.values import (
    Moments,
    finite,
    is_given,
    known_texts,
    moment_texts,
    outside,
    range_in_words,
    read_dates,
    read_iso,
    read_numbers,
    without_fraction,
    without_missing,
)
from ninesteps.local.erasures import LOST, Erasures, rows_erased_on
from ninesteps.local.pseudonyms import Key
from ninesteps.settings.data import Column
from ninesteps.settings.moments import to_the_millisecond
from ninesteps.settings.settings import Settings

NONE_ERASED = Erasures()

Cells: TypeAlias = pa.ChunkedArray
"""One column of the table: texts, numbers (NaN for none) or dates."""


def read_raw_table(
    file: Path,
    settings: Settings,
    folder: Path | None = None,
    rows_at_once: int | None = None,
    erased: Erasures = NONE_ERASED,
    key: Key | None = None,
    most_rows: int | None = None,
) -> RawTable:
    """Read a CSV, JSON Lines, Parquet or Feather file, one column at a time.

    Of rows with the same id and event time, the last one counts.

    Args:
        folder: where the columns of a table with more than `rows_at_once` rows are stored while it
            is used; without one, they are in memory.
        erased: records whose rows are left out.
        key: the key for hashing texts where `[data.columns]` says so; without one, texts are not
            hashed, and nothing may be written.
        most_rows: for a sample, how many of the first rows to read; None: all. Reasons to refuse a
            whole table because of a share of its rows are then in `doubts`.

    Raises:
        RawTableError: with one sentence for the user.
    """
    data = settings.data
    cells_folder = Columns(folder and folder / "cells", rows_at_once)
    source = open_source(file, settings, cells_folder, most_rows)
    columns = Columns(folder and folder / "columns", rows_at_once)
    unusable: list[tuple[str, Rows]] = []
    columns.put(data.record_id, _record_id(source))
    columns.put(data.label, _label(source, settings))
    source.release()
    for name, column in data.columns.items():
        cells = _column(source, name, column, name in settings.stored_columns)
        if column.type == "conversation":
            cells, without = _conversations(source, name, cells)
            unusable += without
        columns.put(name, _hashed(cells, key) if key and column.pseudonym else cells)
        source.release()
    moments, without_moment = _event_time(source)
    unusable += without_moment
    columns.put("event_time", _moment_texts(moments) if data.event_time else _snapshot(source))
    source.release()
    source.check_contract()
    unusable += _of_erased(source, columns.whole(data.record_id), erased)
    names = (data.record_id, data.label, *data.columns, "event_time")
    table = RawTable(columns, names, source.rows, source.found)
    _drop_unusable(source, table, moments, unusable)
    _check_classes(source, table, settings)
    source.check_empty()
    table.doubts = source.doubts
    return table


def _record_id(source: Source) -> Cells:
    name = source.data.record_id
    if source.data.number_rows:
        return pc.cast(pa.chunked_array([np.arange(1, source.rows + 1)]), pa.string())
    texts = source.texts(name)
    source.check_one_line(name, texts)
    return without_fraction(texts)


# The label


def _label(source: Source, settings: Settings) -> Cells:
    """The label as numbers: 0 and 1, or the number of a regression; NaN for no value."""
    name, data = source.data.label, source.data
    if settings.project.problem == "regression":
        column = data.label_column
        return _within(source, name, _numbers(source, name, column), column)
    if data.positives:
        return _label_of_texts(source, source.texts(name))
    cells = read = source.numbers(name)
    if cells is None or read is None:
        cells = source.texts(name)
        read = read_numbers(cells, Column("number"))
    is_label = pc.is_in(read, pa.array([0.0, 1.0])).to_numpy()
    source.refuse(
        name, is_given(cells) & ~is_label, "0 or 1",
        "; [data] positive names the text that counts as 1, [data] missing a word for no value",
    )  # fmt: skip
    return _numbers_or_nan(read)


def _label_of_texts(source: Source, texts: pa.ChunkedArray) -> Cells:
    """A label of texts, of which some count as 1 and the others as 0."""
    name, data = source.data.label, source.data
    positive, negative = data.positives, data.negative
    if not negative:
        values = sorted(pc.unique(texts.drop_null()).to_pylist())
        negative = tuple(value for value in values if value not in positive)
        is_one = len(negative) == 1 and len(values) > 1
        if values and not is_one and not (source.is_sample and len(negative) < 2):  # more may come
            raise RawTableError(
                f"{source.path}: the label {name!r}: expected {_either(positive)} ([data] "
                f"positive) and one other value, got {', '.join(map(repr, values[:5]))}; several "
                "others go into [data] negative"
            )
    is_positive = pc.is_in(texts, pa.array(positive)).to_numpy()
    is_known = is_positive | pc.is_in(texts, pa.array(negative, pa.string())).to_numpy()
    expected = f"{_either(positive)} ([data] positive) or {_either(negative)} (negative)"
    source.refuse(name, is_given(texts) & ~is_known, expected)
    return pa.chunked_array([np.where(is_given(texts), is_positive, np.nan)])


def _either(texts: tuple[str, ...]) -> str:
    return " or ".join(map(repr, texts))


# The columns


def _column(source: Source, name: str, column: Column, is_stored: bool) -> Cells:
    if column.type == "number":
        numbers = _numbers(source, name, column)
        _count_missing(source, name, column, pc.is_nan(numbers).to_numpy())
        return _within(source, name, numbers, column)
    if column.type == "date":
        return _dates(source, name, column)
    if column.type == "conversation":
        return source.cells(name)
    texts = source.texts(name)
    source.note_if_empty(name, texts)
    source.check_one_line(name, texts)
    if column.type == "category":
        texts = _known(source, name, texts, column.values)
    elif is_stored:
        texts = without_fraction(texts)
    _count_missing(source, name, column, ~is_given(texts))
    return texts


def _conversations(source: Source, name: str, cells: Cells) -> tuple[Cells, list[tuple[str, Rows]]]:
    """Conversations, and the rows without a usable one, by reason."""
    from ninesteps.feature_store.reading.conversation_cells import REPLACED, UNUSABLE

    replaced = pc.match_substring_regex(cells, REPLACED).to_numpy()
    source.count(f"personal data replaced in {name}", replaced)
    wrong = pc.starts_with(cells, UNUSABLE)
    kinds = sorted(pc.unique(cells.filter(wrong)).to_pylist())
    rows = [
        (f"{kind.removeprefix(UNUSABLE)} in {name}", pc.equal(cells, kind).to_numpy())
        for kind in kinds
    ]
    return pc.if_else(wrong, pa.scalar(None, cells.type), cells), rows


def _hashed(texts: Cells, key: Key) -> Cells:
    """A pseudonym for each text: without the key, the text cannot be found out."""
    different = pc.unique(texts.drop_null())
    hashes = pa.array([key.of(text) for text in different.to_pylist()], pa.string())
    return pc.take(hashes, pc.index_in(texts, different))


def _count_missing(source: Source, name: str, column: Column, missing: Rows) -> None:
    source.count(f"missing {name}", missing)
    if column.required:
        expected = "a value in every row (required in [data.columns])"
        source.check_share(name, source.rows, missing, expected, limit="missing")


def _within(source: Source, name: str, numbers: Cells, column: Column) -> Cells:
    """Numbers within a column's range; others count as missing, as far as that is allowed."""
    plain = numbers.to_numpy()
    wrong = outside(plain, column.min, column.max)
    if not wrong.any():
        return numbers
    expected = f"numbers {range_in_words(column.min, column.max)}"
    given = int((~np.isnan(plain)).sum())
    source.check_share(name, given, wrong, expected, limit="out_of_range")
    source.count(f"value out of range in {name}: treated as missing", wrong)
    return pa.chunked_array([np.where(wrong, np.nan, plain)])


def _numbers(source: Source, name: str, column: Column) -> Cells:
    """The nearest number to each text; NaN for no value."""
    cells = source.numbers(name)
    if cells is None:
        cells = part_by_part(without_missing, source.texts(name))
        read = part_by_part(lambda part: read_numbers(part, column), cells)
    else:
        read = finite(cells)
    wrong = is_given(cells) & ~is_given(read)
    if wrong.any():
        source.refuse(name, wrong, "a number", _remedy(source, name, wrong))
    if name != source.data.label:
        source.note_if_empty(name, read)
    return _numbers_or_nan(read)


def _numbers_or_nan(numbers: pa.ChunkedArray) -> Cells:
    return pa.chunked_array([numbers.to_numpy()])


def _remedy(source: Source, name: str, wrong: Rows) -> str:
    """The setting that would read values in another notation, or that are not numbers."""
    texts = pc.unique(source.texts(name).filter(pa.array(wrong)))
    words = pc.filter(texts, pc.invert(pc.match_substring_regex(texts, r"\d")))
    if len(words):
        return '; list a word that means "no value" in [data] missing'
    table = "[data.label_column]" if name == source.data.label else "[data.columns]"
    said, pronoun = notation(texts), "it" if len(texts) == 1 else "them"
    return f"; {said} in {table} reads {pronoun}" if said else ""


def _known(
    source: Source, name: str, texts: pa.ChunkedArray, values: tuple[str, ...]
) -> pa.ChunkedArray:
    """A category's texts, counting unknown ones; 1.0 is read as 1 if only 1 is known."""
    texts, unknown = known_texts(texts, values)
    shown = ", ".join(map(repr, values[:5])) + ", ..." * (len(values) > 5)
    given = source.rows - texts.null_count
    source.check_share(name, given, unknown, f"one of the values in [data.columns] ({shown})")
    source.count(f"unknown value in {name}", unknown)
    return texts


def _dates(source: Source, name: str, column: Column) -> Cells:
    """Dates in a format; NaT for a text that is not one."""
    cells, form = source.cells(name), column.format
    read = typed_cells.cells_as_dates(cells, form)
    if read is None:
        cells = part_by_part(without_missing, source.texts(name, form))
        read = _each_once(cells, lambda texts: read_dates(texts, form))
        _check_order(source, name, cells, form, is_given(cells) & np.isnat(read))
    source.note_if_empty(name, cells)
    unreadable = is_given(cells) & np.isnat(read)
    given = source.rows - cells.null_count
    source.check_share(name, given, unreadable, f"dates of the format {form!r}")
    _count_missing(source, name, column, ~is_given(cells))
    source.count(f"unreadable date in {name}", unreadable)
    return pa.chunked_array([read])


def _check_order(
    source: Source, name: str, texts: pa.ChunkedArray, form: str, unreadable: Rows
) -> None:
    """Refuse a format if swapping day and month would read more dates."""
    other = dates.other_order(form)
    if not other or not unreadable.any():
        return
    read = _each_once(texts, lambda texts: read_dates(texts, other))
    if np.count_nonzero(is_given(texts) & np.isnat(read)) < np.count_nonzero(unreadable):
        expected = f"dates of the format {form!r} in [data.columns]"
        source.refuse(name, unreadable, expected, f"; {other!r} reads more of the values")


def _each_once(texts: pa.ChunkedArray, read: Callable[[pa.Array], Moments]) -> Moments:
    """Texts as moments; each distinct text of a part is read once, since days repeat."""
    moments = np.full(len(texts), "NaT", dtype="datetime64[us]")
    for start in range(0, len(texts), ROWS_AT_ONCE):
        part = texts.slice(start, ROWS_AT_ONCE).combine_chunks().dictionary_encode()
        codes = part.indices.fill_null(len(part.dictionary)).to_numpy()
        different = np.append(read(part.dictionary), np.datetime64("NaT", "us"))
        moments[start : start + len(codes)] = different[codes]
    return moments


# The moment


def _event_time(source: Source) -> tuple[Moments, list[tuple[str, Rows]]]:
    """The rows' moments, and the rows without a usable one."""
    data, name = source.data, source.data.event_time
    if not name:
        return np.empty(0, "datetime64[us]"), []
    cells = source.cells(name)
    if pa.types.is_date(cells.type) or pa.types.is_timestamp(cells.type):
        moments = typed_cells.as_dates(cells)
    else:
        form, cells = data.event_time_format, part_by_part(without_missing, source.texts(name))
        moments = _each_once(
            cells, lambda texts: read_dates(texts, form) if form else read_iso(texts)
        )
    given = source.rows - cells.null_count
    if not given:
        raise RawTableError(f"{source.path}: {name!r}: expected times, got none in any row")
    unreadable = is_given(cells) & np.isnat(moments)
    expected = f"times in the format {data.event_time_format!r}"
    if not data.event_time_format:
        expected = "times such as 2026-01-31T00:00:00Z"
    remedy = '; another format, such as "%d.%m.%Y %H:%M", goes into [data] event_time_format'
    source.check_share(name, given, unreadable, expected, remedy)
    future = moments > np.datetime64(_now(), "us")
    expected = f"times up to now ({_now():%Y-%m-%dT%H:%M:%SZ})"
    source.check_share(
        name, given, future, expected, "; a row describes what was known at its time"
    )
    return moments, [
        (f"no {name}", ~is_given(cells)),
        (f"unreadable {name}", unreadable),
        (f"{name} in the future", future),
    ]


def _snapshot(source: Source) -> Cells:
    moment = to_the_millisecond(source.data.snapshot)
    if moment > f"{_now():%Y-%m-%dT%H:%M:%S.999Z}":
        raise RawTableError(
            f"{source.path}: expected rows that describe a time up to now, got "
            f"{source.data.snapshot} in [data] snapshot, which is in the future"
        )
    return pa.chunked_array([pa.repeat(moment, source.rows)])


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)


def _moment_texts(moments: Moments) -> Cells:
    return part_by_part(lambda part: moment_texts(part.to_numpy()), pa.chunked_array([moments]))


# The rows


def _of_erased(source: Source, ids: Cells, erased: Erasures) -> list[tuple[str, Rows]]:
    """The rows of erased records, by day of erasure."""
    if lost := erased.under_lost_keys:
        source.found[LOST] = lost
    days: dict[str, list[str]] = {}
    for identifier, at in erased.among(pc.unique(ids.drop_null()).to_pylist()).items():
        days.setdefault(rows_erased_on(at).removesuffix(": left out"), []).append(identifier)
    return [(what, pc.is_in(ids, pa.array(of_day)).to_numpy()) for what, of_day in days.items()]


def _drop_unusable(
    source: Source, table: RawTable, moments: Moments, unusable: list[tuple[str, Rows]]
) -> None:
    """Leave out the rows that cannot be records, and count them."""
    data, rows = source.data, source.rows
    ids, labels = (table.columns.whole(name) for name in (data.record_id, data.label))
    reasons = [
        (f"empty {data.record_id}", ~is_given(ids)),
        (f"no {data.label}", pc.is_nan(labels).to_numpy()),
        *unusable,
    ]
    dropped = np.zeros(rows, dtype=bool)
    counted = []
    for what, wrong in reasons:
        counted.append((f"{what}: left out", wrong & ~dropped))
        table.left_out[what] = int((wrong & ~dropped).sum())
        dropped |= wrong
    kept = np.flatnonzero(~dropped)
    if data.event_time:
        table.moments = moments[kept].astype("datetime64[ms]")
    else:
        snapshot = np.datetime64(to_the_millisecond(data.snapshot).removesuffix("Z"), "ms")
        table.moments = np.broadcast_to(snapshot, len(kept))
    repeated, table.records = np.zeros(rows, dtype=bool), len(kept)
    if not data.number_rows and len(kept):
        ids = ids.take(pa.array(kept)) if dropped.any() else ids
        repeated[kept], table.records = _repeated(ids, table.moments if data.event_time else None)
    table.older = len(kept) - table.records - int(repeated.sum())
    table.superseded = {
        f"a later row has the same {data.record_id} and event time": int(repeated.sum()),
        f"a newer row has the same {data.record_id}": table.older,
    }
    if not dropped.all():
        counted.append((f"duplicate {data.record_id}: kept the last row", repeated))
        _check_dropped(source, counted)
    for what, wrong in counted:
        source.count(what, wrong)
    table.dropped = dropped if dropped.any() else None


def _repeated(ids: Cells, moments: Moments | None) -> tuple[Rows, int]:
    """Which rows are replaced by a later one of the same id and event time, (n,); and the distinct
    ids."""
    if ids.nbytes >= 2**31:  # the limit of one array's offsets
        ids = ids.cast(pa.large_string())
    chunks = pc.dictionary_encode(ids).chunks
    keys = np.concatenate([chunk.indices.to_numpy() for chunk in chunks]).astype("int64")
    records = len(chunks[-1].dictionary)
    repeated = np.zeros(len(keys), dtype=bool)
    if records == len(keys):
        return repeated, records
    if moments is not None:
        different, places = np.unique(moments, return_inverse=True)
        keys = keys * len(different) + places
    order = np.argsort(keys, kind="stable")
    in_order = keys[order]
    repeated[order[:-1]] = in_order[:-1] == in_order[1:]
    return repeated, records


def _check_dropped(source: Source, counted: list[tuple[str, Rows]]) -> None:
    """Refuse a table if too many of its rows would be left out."""
    quality, count = source.data.quality, sum(int(wrong.sum()) for _, wrong in counted)
    if count <= (most := quality.most_dropped(source.rows)):
        return
    reasons = []
    for what, wrong in counted:
        if wrong.any():
            positions = np.flatnonzero(wrong)[:3].tolist()
            places = ", ".join(source.table.places(positions))
            reasons.append(f"{what.partition(':')[0]} in {int(wrong.sum()):,} ({places})")
    source.refuse_whole(
        f"{source.path}: expected at most {most:,} rows to be left out "
        f"([data.quality] dropped = {quality.dropped:g}), got {count:,} of {source.rows:,}: "
        f"{'; '.join(reasons)}"
    )


def _check_classes(source: Source, table: RawTable, settings: Settings) -> None:
    data, file = source.data, source.path
    if not table.kept:
        left_out = [f"{what} in {count:,}" for what, count in table.left_out.items() if count]
        why = f" of {table.read:,}: {'; '.join(left_out)}" if left_out else ""
        raise RawTableError(f"{file}: expected rows that can be used, got none{why}")
    classes = pd.unique(table.labels)
    if len(classes) < 2:
        needed = {"regression": "different numbers"}.get(settings.project.problem, "both 0 and 1")
        source.refuse_whole(
            f"{file}: the label {data.label!r}: expected {needed} to learn from, got "
            f"{classes[0]:g} in every row"
        )
