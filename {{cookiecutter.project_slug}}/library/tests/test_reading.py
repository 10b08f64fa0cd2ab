"""Texts as numbers and dates, in the notation and format that the settings say."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from ninesteps.feature_store.reading.dates import resolution
from ninesteps.feature_store.reading.values import read_dates, read_numbers
from ninesteps.settings.data import Column


def number(text: str, **notation: str | bool) -> float | None:
    column = Column("number", **notation)  # type: ignore[arg-type]
    read: float | None = read_numbers(pa.chunked_array([[text]]), column)[0].as_py()
    return read


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1234", 1234), ("1,234.50", 1234.5), ("12,345,678", 12345678), ("-1,000", -1000),
        ("1,23", None), ("1,2345", None), ("12,34,567", None), (",123", None), ("1,000,", None),
        ("1.5", 1.5), ("1e3", 1000), ("1 000", None), ("1.000,5", None),
    ],
)  # fmt: skip
def test_thousands_are_parted_in_threes_or_not_at_all(text: str, value: float | None) -> None:
    assert number(text, thousands=",") == value


@pytest.mark.parametrize(
    ("text", "value"),
    [("1,5", 1.5), ("1.234,5", 1234.5), ("-,5", -0.5), ("1.5", None), ("1.500", 1500), ("7", 7),
     ("1,5e-1", 0.15), ("1,234.5", None)],
)  # fmt: skip
def test_a_fraction_may_begin_with_a_comma(text: str, value: float | None) -> None:
    assert number(text, decimal=",", thousands=".") == value


@pytest.mark.parametrize("space", [" ", "\u00a0", "\u202f", "\u2009"])
def test_a_space_between_thousands_or_before_a_unit_may_be_a_typographers(space: str) -> None:
    text = f"1{space}234,5{space}€"
    assert number(text, decimal=",", thousands=" ", unit="€") == 1234.5
    assert number("1'234") is None
    assert number("1’234", thousands="'") == number("1'234", thousands="'") == 1234


@pytest.mark.parametrize(
    ("text", "value"),
    [("$12.50", 12.5), ("12.50$", 12.5), ("$ 12.50", 12.5), ("-$12", -12), ("$-12", -12),
     ("+12 $", 12), ("12", 12), ("$12$", None), ("-$-12", None), ("€12", None), ("$", None)],
)  # fmt: skip
def test_a_unit_stands_before_or_after_a_number_once(text: str, value: float | None) -> None:
    assert number(text, unit="$") == value


@pytest.mark.parametrize(
    ("unit", "text", "value"),
    [("kg", "12 kg", 12), ("kg", "12kg", 12), ("kg", "12 KG", None), ("%", "12 %", 12),
     ("m2", "12 m2", 12), ("km/h", "1.5 km/h", 1.5), ("", "12 kg", None)],
)  # fmt: skip
def test_a_unit_is_a_text_as_it_is_written(unit: str, text: str, value: float | None) -> None:
    assert number(text, unit=unit) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [("(12)", -12), ("($12)", -12), ("$(12.5)", -12.5), ("( 12 )", -12), ("12", 12), ("-12", -12),
     ("(-12)", None), ("-(12)", None), ("(12", None), ("12)", None), ("($12$)", None)],
)  # fmt: skip
def test_parentheses_may_mean_below_zero(text: str, value: float | None) -> None:
    assert number(text, parentheses=True, unit="$") == value
    assert number("(12)") is None


@pytest.mark.parametrize(
    ("text", "value"),
    [("+5", 5), ("\u22125", -5), (".5", 0.5), ("5.", 5), ("1E5", 1e5), ("- 5", -5), ("inf", None),
     ("Infinity", None), ("1e400", None), ("nan", None), ("1_000", None), ("0x10", None),
     ("1,000", None), ("5-", None), ("--5", None), ("\u0663", None), ("", None)],
)  # fmt: skip
def test_a_plain_number_is_finite_and_of_plain_digits(text: str, value: float | None) -> None:
    assert number(text) == value


def dates(*texts: str | None, form: str = "%Y-%m-%d") -> list[str]:
    return (
        read_dates(pa.array(texts, pa.string()), form).astype("datetime64[s]").astype(str).tolist()
    )


def test_a_date_may_be_of_any_year_from_1_to_9999() -> None:
    assert dates("9999-12-31", "0001-01-01", "2026-01-31", None) == [
        "9999-12-31T00:00:00", "0001-01-01T00:00:00", "2026-01-31T00:00:00", "NaT",
    ]  # fmt: skip
    assert dates("31/12/9999 23:59", form="%d/%m/%Y %H:%M") == ["9999-12-31T23:59:00"]


@pytest.mark.parametrize("text", ["10000-01-01", "2026-02-30", "0000-01-01", "2026-01-31x", ""])
def test_what_is_no_date_of_a_format_is_none(text: str) -> None:
    assert dates(text) == ["NaT"]


def test_a_date_of_another_zone_is_told_in_utc() -> None:
    form = "%Y-%m-%dT%H:%M:%S%z"
    texts = ("2026-01-31T00:00:00+0200", "9999-12-31T00:00:00-0100", "0001-01-01T00:00:00+0100")
    assert dates(*texts, form=form) == ["2026-01-30T22:00:00", "9999-12-31T01:00:00", "NaT"]


@pytest.mark.parametrize("text", ["2026-01-31", "9999-12-31", "0001-01-01"])
def test_dates_are_in_microseconds_whatever_they_stand_beside(text: str) -> None:
    """So a row alone gives the features that it gives in a table."""
    assert read_dates(pa.array([text, "1999-12-31"]), "%Y-%m-%d").dtype == "datetime64[us]"
    assert read_dates(pa.array([text]), "%Y-%m-%d").dtype == "datetime64[us]"


@pytest.mark.parametrize(
    ("form", "unit"),
    [("%Y-%m-%d", "D"), ("%d.%m.%y %H:%M", "m"), ("%Y-%m-%d %H:%M:%S.%f", "us"), ("%m/%Y", "M"),
     ("%Y-%m-%dT%H:%M:%SZ", "s"), ("%Y-%m-%d %I:%M %p", "m"), ("%I:%M", None)],
)  # fmt: skip
def test_a_formats_smallest_part(form: str, unit: str | None) -> None:
    assert resolution(form) == unit


def test_a_thousand_texts_are_the_nearest_numbers() -> None:
    texts = [repr(value) for value in (np.random.default_rng(1).random(1000) * 100).tolist()]
    with_one_odd = [*texts, "+1"]
    read = read_numbers(pa.chunked_array([with_one_odd]), Column("number")).to_pylist()
    assert read == [*map(float, texts), 1]
