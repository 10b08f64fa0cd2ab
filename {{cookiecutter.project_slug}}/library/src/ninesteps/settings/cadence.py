"""The small language of cadences: `monthly`, `cron(0 6 1 * ? *)`, `rate(12 hours)`, `none`.

A cadence becomes an EventBridge Scheduler expression. Its next firings are computed here, so that a
schedule that never fires is refused before anything is built. Standard library only.

Grammar::

    cadence = word | "cron(" minutes hours day-of-month month day-of-week year ")"
            | "rate(" number ( "minutes" | "hours" | "days" ) ")"
    word    = "daily" | "weekly" | "monthly" | "quarterly" | "annual" | "none"

Fields are those of the EventBridge Scheduler user guide, "Schedule types": lists `1,15`, ranges
`MON-FRI`, steps `0/15`, `*`, and for days `?`, `L` (last), `W` (nearest weekday), `#` (n-th).
"""

from __future__ import annotations

import calendar
import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

WORDS = {
    "daily": "cron(0 6 * * ? *)",
    "weekly": "cron(0 6 ? * MON *)",
    "monthly": "cron(0 6 1 * ? *)",
    "quarterly": "cron(0 6 1 1,4,7,10 ? *)",
    "annual": "cron(0 6 1 1 ? *)",
}
"""The named cadences: at 06:00, on the first day of the week, month, quarter or year."""

NEVER = "none"
LAST_YEAR = 2199  # EventBridge's
_MONTHS = {name.upper(): n for n, name in enumerate(calendar.month_abbr) if name}
_WEEKDAYS = {"SUN": 1, "MON": 2, "TUE": 3, "WED": 4, "THU": 5, "FRI": 6, "SAT": 7}
_UNITS = {"minute": 60, "hour": 3600, "day": 86400}
_RATE = re.compile(r"rate\(\s*([0-9]+)\s+(minute|hour|day)s?\s*\)")


class CadenceError(ValueError):
    """A cadence that cannot be read or never fires; the message says what was expected."""


@dataclass(frozen=True)
class Field:
    """One field of a cron expression."""

    name: str
    low: int
    high: int
    names: tuple[tuple[str, int], ...] = ()

    def value(self, text: str) -> int:
        """One number, for a field that takes no list."""
        return self._value(text, text)

    def values(self, text: str) -> frozenset[int]:
        """The numbers in a list of values, ranges and steps."""
        return frozenset(v for part in text.split(",") for v in self._part(part))

    def _part(self, part: str) -> range:
        span, slash, step_text = part.partition("/")
        step = self._number(step_text, part) if slash else 1
        if slash and not 1 <= step <= self.high:
            raise self._error(part)
        if span == "*":
            return range(self.low, self.high + 1, step)
        first, dash, last = span.partition("-")
        start = self._value(first, part)
        stop = self._value(last, part) if dash else (self.high if slash else start)
        if stop < start:
            raise self._error(part)
        return range(start, stop + 1, step)

    def _value(self, text: str, part: str) -> int:
        named = dict(self.names)
        value = named[text.upper()] if text.upper() in named else self._number(text, part)
        if not self.low <= value <= self.high:
            raise self._error(part)
        return value

    def _number(self, text: str, part: str) -> int:
        if not (text.isascii() and text.isdigit() and len(text) <= 4):
            raise self._error(part)
        return int(text)

    def _error(self, part: str) -> CadenceError:
        expected = f"{self.low} to {self.high}"
        if self.names:
            expected += f" or {self.names[0][0]} to {self.names[-1][0]}"
        return CadenceError(f"expected {expected} for the {self.name}, got `{part}`")


MINUTES = Field("minutes", 0, 59)
HOURS = Field("hours", 0, 23)
DAYS = Field("day of the month", 1, 31)
MONTHS = Field("month", 1, 12, tuple(_MONTHS.items()))
WEEKDAYS = Field("day of the week", 1, 7, tuple(_WEEKDAYS.items()))
WEEKS = Field("week of the month", 1, 5)
YEARS = Field("year", 1970, LAST_YEAR)


@dataclass(frozen=True)
class Cadence:
    """A cadence as EventBridge Scheduler's expression."""

    text: str  # as it was written
    expression: str  # cron(...) or rate(...); empty for none
    timezone: str = "UTC"

    def next(self, after: datetime, count: int = 5) -> list[datetime]:
        """The next firings after a moment; for a rate, counted from that moment."""
        if not self.expression:
            return []
        if rate := _RATE.fullmatch(self.expression):
            step = timedelta(seconds=int(rate[1]) * _UNITS[rate[2]])
            return [after + step * n for n in range(1, count + 1)]
        firings = _cron_firings(self.expression, _zone(self.timezone), after)
        return [firing for firing, _ in zip(firings, range(count), strict=False)]

    def in_a_year(self, after: datetime) -> int:
        """How many firings there are in the 365 days after a moment."""
        if not self.expression:
            return 0
        end = after + timedelta(days=365)
        if rate := _RATE.fullmatch(self.expression):
            return timedelta(days=365) // timedelta(seconds=int(rate[1]) * _UNITS[rate[2]])
        firings = _cron_firings(self.expression, _zone(self.timezone), after)
        return sum(1 for _ in itertools.takewhile(lambda firing: firing <= end, firings))


def parse(text: str, timezone: str = "UTC") -> Cadence:
    """Read a cadence.

    Raises:
        CadenceError: with one sentence for the person who wrote it.
    """
    _zone(timezone)
    written = " ".join(text.split())
    if written == NEVER:
        return Cadence(written, "", timezone)
    expression = WORDS.get(written, written)
    if rate := _RATE.fullmatch(expression):
        expression = _rate(rate, written)
    elif not (expression.startswith("cron(") and expression.endswith(")")):
        words = ", ".join([*WORDS, NEVER])
        raise CadenceError(f"expected {words}, cron(...) or rate(...), got `{written}`")
    cadence = Cadence(written, expression, timezone)
    if not cadence.next(datetime.now(tz=UTC), 1):
        raise CadenceError(f"`{written}` never fires again")
    return cadence


def _zone(name: str) -> tzinfo:
    """A time zone by its name; UTC works even without time zone data on this machine."""
    if name == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        pass
    if not available_timezones():
        raise CadenceError(
            f"expected time zone data on this machine to read `{name}`, got none: "
            "pip install tzdata"
        )
    raise CadenceError(f"expected a time zone such as Europe/Paris, got `{name}`")


def _rate(rate: re.Match[str], written: str) -> str:
    """A rate as EventBridge writes it: 1 day, 2 days."""
    digits, unit = rate[1].lstrip("0"), rate[2]
    if not digits:
        raise CadenceError(f"`{written}` never fires; expected a number of 1 or more")
    left = date(LAST_YEAR, 12, 31) - datetime.now(tz=UTC).date()
    most = left // timedelta(seconds=_UNITS[unit])
    if len(digits) > len(str(most)) or int(digits) > most:
        raise CadenceError(
            f"expected at most {most} {unit}s, so that it fires before {LAST_YEAR + 1}, got "
            f"{digits if len(digits) < 20 else 'more'}"
        )
    return f"rate({digits} {unit}{'' if digits == '1' else 's'})"


def _cron_firings(expression: str, zone: tzinfo, after: datetime) -> Iterator[datetime]:
    fields = expression.removeprefix("cron(").removesuffix(")").split()
    if len(fields) != 6:
        raise CadenceError(
            "expected six fields (minutes hours day-of-month month day-of-week year), "
            f"got {len(fields)} in `{expression}`"
        )
    minutes, hours, days, months, weekdays, years = fields
    if (days == "?") == (weekdays == "?"):
        raise CadenceError(
            f"expected `?` in exactly one of day-of-month and day-of-week, got `{expression}`"
        )
    times = [(h, m) for h in sorted(HOURS.values(hours)) for m in sorted(MINUTES.values(minutes))]
    start = after.astimezone(zone)
    in_months, in_years = MONTHS.values(months), YEARS.values(years)
    _days_of(days, weekdays, start.year, start.month)  # refuses wrong fields at once
    for year in sorted(y for y in in_years if y >= start.year):
        for month in sorted(in_months):
            if (year, month) < (start.year, start.month):
                continue
            for day in sorted(_days_of(days, weekdays, year, month)):
                for hour, minute in times:
                    yield from _moment(datetime(year, month, day, hour, minute), zone, after)


def _moment(local: datetime, zone: tzinfo, after: datetime) -> Iterator[datetime]:
    """A local time as a moment, if it exists (clocks go forward) and is still to come."""
    moment = local.replace(tzinfo=zone)
    exists = moment.astimezone(UTC).astimezone(zone).replace(tzinfo=None) == local
    if exists and moment > after:
        yield moment


def _days_of(days: str, weekdays: str, year: int, month: int) -> set[int]:
    """The days of a month that match the two fields for days."""
    last = calendar.monthrange(year, month)[1]
    if weekdays == "?":
        return {d for part in days.split(",") for d in _month_days(part, year, month, last)}
    return {d for part in weekdays.split(",") for d in _week_days(part, year, month, last)}


def _month_days(part: str, year: int, month: int, last: int) -> set[int]:
    if part in ("L", "LW"):
        return {last if part == "L" else _nearest_weekday(year, month, last, last)}
    if part.endswith("W"):
        day = DAYS.value(part[:-1])
        return {_nearest_weekday(year, month, day, last)} if day <= last else set()
    return {day for day in DAYS.values(part) if day <= last}


def _week_days(part: str, year: int, month: int, last: int) -> set[int]:
    if part == "L":
        part = "7"
    base, mark, nth = part.partition("#")
    if mark:
        number = WEEKS.value(nth)
        days = _on(WEEKDAYS.value(base), year, month, last)
        return {days[number - 1]} if number <= len(days) else set()
    if part.endswith("L"):
        return {_on(WEEKDAYS.value(part[:-1]), year, month, last)[-1]}
    return {day for weekday in WEEKDAYS.values(part) for day in _on(weekday, year, month, last)}


def _on(weekday: int, year: int, month: int, last: int) -> list[int]:
    """The days of a month that fall on a weekday, Sunday being 1."""
    return [d for d in range(1, last + 1) if date(year, month, d).isoweekday() % 7 + 1 == weekday]


def _nearest_weekday(year: int, month: int, day: int, last: int) -> int:
    """The working day nearest to a day, within its month."""
    weekday = date(year, month, day).isoweekday()
    if weekday == 6:
        return day - 1 if day > 1 else day + 2
    if weekday == 7:
        return day + 1 if day < last else day - 2
    return day
