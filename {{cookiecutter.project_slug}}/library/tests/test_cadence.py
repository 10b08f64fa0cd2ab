"""The cadence's language: what fires when, and what is refused."""

from __future__ import annotations

import sys
import zoneinfo
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from ninesteps.settings import cadence
from ninesteps.settings.cadence import CadenceError

NOW = datetime(2026, 11, 23, 8, tzinfo=UTC)  # a Monday


def firings(text: str, count: int = 3, timezone: str = "UTC", after: datetime = NOW) -> list[str]:
    moments = cadence.parse(text, timezone).next(after, count)
    return [f"{moment:%Y-%m-%d %H:%M}" for moment in moments]


FIRES = {
    "daily": ["2026-11-24 06:00", "2026-11-25 06:00"],
    "weekly": ["2026-11-30 06:00", "2026-12-07 06:00"],
    "monthly": ["2026-12-01 06:00", "2027-01-01 06:00"],
    "quarterly": ["2027-01-01 06:00", "2027-04-01 06:00"],
    "annual": ["2027-01-01 06:00", "2028-01-01 06:00"],
    "rate(12 hours)": ["2026-11-23 20:00", "2026-11-24 08:00"],
    "rate(1 day)": ["2026-11-24 08:00", "2026-11-25 08:00"],
    "cron(0/30 9-10 ? * MON-FRI *)": ["2026-11-23 09:00", "2026-11-23 09:30"],
    "cron(0 0 29 2 ? *)": ["2028-02-29 00:00", "2032-02-29 00:00"],
    "cron(30 2 L * ? *)": ["2026-11-30 02:30", "2026-12-31 02:30"],
    "cron(0 8 ? * 6#3 *)": ["2026-12-18 08:00", "2027-01-15 08:00"],
    "cron(0 8 ? * FRIL *)": ["2026-11-27 08:00", "2026-12-25 08:00"],
    "cron(0 9 15W * ? *)": ["2026-12-15 09:00", "2027-01-15 09:00"],
    "cron(0 9 1W 8,11 ? 2027)": ["2027-08-02 09:00", "2027-11-01 09:00"],
    "cron(15 10 1,20 jan,DEC ? *)": ["2026-12-01 10:15", "2026-12-20 10:15"],
}


@pytest.mark.parametrize(("text", "expected"), FIRES.items())
def test_it_fires_when_eventbridge_would(text: str, expected: list[str]) -> None:
    assert firings(text, 2) == expected


def test_none_never_fires() -> None:
    assert cadence.parse("none").expression == ""
    assert firings("none") == []


def test_firings_are_in_the_zone_and_follow_its_clocks() -> None:
    paris = cadence.parse("cron(0 6 1 * ? *)", "Europe/Paris").next(NOW, 6)
    assert [m.astimezone(UTC).hour for m in paris] == [5, 5, 5, 5, 4, 4]


def test_a_time_that_clocks_skip_does_not_fire() -> None:
    before = datetime(2027, 3, 27, 12, tzinfo=ZoneInfo("Europe/Paris"))
    found = firings("cron(30 2 * * ? *)", 2, "Europe/Paris", before)
    assert found == ["2027-03-29 02:30", "2027-03-30 02:30"]


WORDS = "daily, weekly, monthly, quarterly, annual, none, cron(...) or rate(...)"
REFUSED = {
    "": f"expected {WORDS}, got ``",
    "fortnightly": f"expected {WORDS}, got `fortnightly`",
    "rate(0 days)": "`rate(0 days)` never fires; expected a number of 1 or more",
    "rate(99999999 days)": "days, so that it fires before 2200, got 99999999",
    "rate(999999 days)": "days, so that it fires before 2200, got 999999",
    f"rate({'9' * 5000} hours)": "hours, so that it fires before 2200, got more",
    "rate(\u0663 days)": f"expected {WORDS}, got `rate(\u0663 days)`",
    f"cron(0 0 1 1 ? {'2' * 5000})": "expected 1970 to 2199 for the year, got `222",
    "rate(5 weeks)": f"expected {WORDS}, got `rate(5 weeks)`",
    "cron(61 0 1 1 ? *)": "expected 0 to 59 for the minutes, got `61`",
    "cron(0 0 1 FOO ? *)": "expected 1 to 12 or JAN to DEC for the month, got `FOO`",
    "cron(0 0 * * * *)": "expected `?` in exactly one of day-of-month and day-of-week, got `cron(0",
    "cron(0 0 ? * ? *)": "expected `?` in exactly one of day-of-month and day-of-week, got `cron(0",
    "cron(0 0 1 * ?)": "month day-of-week year), got 5 in `cron(0 0 1 * ?)`",
    "cron(0 0 W * ? *)": "expected 1 to 31 for the day of the month, got ``",
    "cron(0 0 ? * 2#6 *)": "expected 1 to 5 for the week of the month, got `6`",
    "cron(5-1 0 1 * ? *)": "expected 0 to 59 for the minutes, got `5-1`",
    "cron(0/0 0 1 * ? *)": "expected 0 to 59 for the minutes, got `0/0`",
    "cron(0 0 1-5W * ? *)": "expected 1 to 31 for the day of the month, got `1-5`",
    "cron(0 0 30 2 ? *)": "never fires again",
    "cron(0 0 1 1 ? 2020)": "never fires again",
}


@pytest.mark.parametrize(("text", "sentence"), REFUSED.items())
def test_what_cannot_be_read_or_never_fires_is_refused(text: str, sentence: str) -> None:
    with pytest.raises(CadenceError) as refused:
        cadence.parse(text)
    assert sentence in str(refused.value)


@pytest.mark.parametrize("zone", ["Mars/Base", "", "../etc/passwd"])
def test_a_zone_that_does_not_exist_is_refused(zone: str) -> None:
    with pytest.raises(CadenceError, match="expected a time zone such as Europe/Paris, got `"):
        cadence.parse("daily", zone)


@pytest.mark.parametrize(
    ("text", "expression"),
    [("rate(2 day)", "rate(2 days)"), ("rate(01 hours)", "rate(1 hour)"),
     ("rate( 60000  days )", "rate(60000 days)")],
)  # fmt: skip
def test_a_rate_is_written_as_eventbridge_has_it(text: str, expression: str) -> None:
    read = cadence.parse(text)
    assert read.expression == expression
    assert len(read.next(datetime.now(tz=UTC))) == 5


def test_without_time_zone_data_there_is_utc(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("tzdata.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "tzdata", None)
    before = zoneinfo.TZPATH
    ZoneInfo.clear_cache()
    zoneinfo.reset_tzpath(to=())
    try:
        assert f"{cadence.parse('daily').next(datetime.now(tz=UTC), 1)[0]:%H:%M %Z}" == "06:00 UTC"
        with pytest.raises(CadenceError, match="got none: pip install tzdata"):
            cadence.parse("daily", "Europe/Paris")
    finally:
        zoneinfo.reset_tzpath(to=before)
