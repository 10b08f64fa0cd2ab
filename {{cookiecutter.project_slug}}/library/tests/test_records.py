"""Requests, read: any bytes are numbers or a ValueError, and cost no more than their length."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import records

FIELDS = [b"1", b"-2.5", b"", b"nan", b"inf", b"1e400", b"9" * 400, b'"1"', b'"', b" 1 ", b"x",
          b"\0", b"\xff", b"0x1", b"1_0", b"true", b"\xef\xbb\xbf", "１".encode()]  # fmt: skip
ENDS = [b",", b",", b"\n", b"\n", b"\r\n", b"\r", b";", b""]

CSV_LIKE = st.lists(st.tuples(st.sampled_from(FIELDS), st.sampled_from(ENDS)), max_size=12).map(
    lambda pairs: b"".join(field + end for field, end in pairs)
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.just(10**400) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.just("features") | st.text(), inner),
    max_leaves=8,
)
JSON_LIKE = st.one_of(
    VALUES.map(json.dumps), VALUES.map(lambda value: json.dumps({"instances": value}))
)
Read = Callable[[bytes], np.ndarray]


def is_read_or_refused(read: Read, body: bytes) -> None:
    try:
        numbers = read(body)
    except ValueError as error:
        assert str(error).startswith("expected ")
        assert "\n" not in str(error)
        return
    assert (numbers.dtype, numbers.ndim) == (np.float32, 2)
    assert numbers.size > 0
    assert not np.isinf(numbers).any()


@settings(deadline=None)
@given(st.binary(max_size=60) | CSV_LIKE)
def test_any_bytes_are_csv_of_numbers_or_a_sentence_says_why_not(body: bytes) -> None:
    is_read_or_refused(records.from_csv, body)


@settings(deadline=None)
@given(
    st.binary(max_size=60) | JSON_LIKE.map(str.encode) | JSON_LIKE.map(lambda t: t.encode("utf-16"))
)
def test_any_bytes_are_json_of_numbers_or_a_sentence_says_why_not(body: bytes) -> None:
    is_read_or_refused(records.from_json, body)


HUGE_SIZE = 2 * 1024 * 1024
HUGE = {
    "commas alone": b"," * HUGE_SIZE,
    "commas in a later line": b"1,2\n" + b"," * HUGE_SIZE,
    "records as wide as the widest": (b"," * 2499 + b"\n") * (HUGE_SIZE // 2500),
    "another width last": b"1,2\n" * (HUGE_SIZE // 4) + b"1\n",
    "a number without end": b"1" * HUGE_SIZE + b",2\n",
    "quotes without end": b'"' * HUGE_SIZE + b",2\n",
    "carriage returns": b"1,x" + b"\r" * HUGE_SIZE,
}


@pytest.mark.parametrize("name", HUGE)
def test_a_huge_request_takes_little_more_memory_than_its_length(name: str) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=r"^expected 2 fields|^expected CSV"):
            records.from_csv(HUGE[name], 2)
        assert tracemalloc.get_traced_memory()[1] < 20 * HUGE_SIZE
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("fields", "said"), [(2, "expected 2 fields in a record, got 2501"), (None, "1 to 2500 fields")]
)
def test_fields_are_counted_before_they_are_read(fields: int | None, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        records.from_csv(b"x," * 2500, fields)


@pytest.mark.parametrize(
    "features", ["[1, 2, 3]", "[" * 100_000, "[1" + "0" * 400 + ", 2]", "[-1e400, 2]", "[]"]
)
def test_json_that_no_record_can_be_made_of_is_refused(features: str) -> None:
    with pytest.raises(ValueError, match=r"^expected "):
        records.from_json(f'{{"instances": [{{"features": {features}}}]}}', 2)


def test_a_key_that_stands_twice_is_refused() -> None:
    body = '{"instances": [{"features": [1, 2], "features": [3, 4]}]}'
    with pytest.raises(ValueError, match="got something else"):
        records.from_json(body)


def test_numbers_may_be_written_in_many_ways() -> None:
    body = b'\xef\xbb\xbf" 1 ",+2\r\n.5,5.\r\n1e-3,-0\r3,""'
    expected = [[1, 2], [0.5, 5], [1e-3, -0.0], [3, np.nan]]
    np.testing.assert_array_equal(records.from_csv(body), np.array(expected, dtype=np.float32))


NUMBERS = st.floats().map(repr) | st.floats(width=32).map(lambda x: f"{x:.30f}"[:40])


@settings(deadline=None)
@given(st.lists(NUMBERS | st.text("0123456789.-", max_size=5), min_size=1, max_size=3))
def test_a_short_request_is_read_as_a_long_one_is(fields: list[str]) -> None:
    body = f"{','.join(fields)}\n".encode()
    padding = b"," * (len(fields) - 1) + b"\n"
    try:
        expected = records.from_csv(body + padding * records._SHORT)[:1]
    except ValueError:
        with pytest.raises(ValueError, match=r"^expected "):
            records.from_csv(body)
        return
    np.testing.assert_array_equal(records.from_csv(body), expected)


@pytest.mark.parametrize("sign", ["", "-"])
def test_a_number_is_rounded_once(sign: str) -> None:
    """As doubles these are half way between two singles, and the even one is wrong."""
    for text, single in (("16777217.0000000001", 16777218), ("16777218.9999999999", 16777218)):
        assert records.from_csv(f"{sign}{text},1\n".encode())[0, 0] == float(f"{sign}{single}")


def test_what_was_read_can_be_written_to() -> None:
    numbers = records.from_csv(b"1,\n")
    numbers[np.isnan(numbers)] = 0
    assert numbers.tolist() == [[1, 0]]
