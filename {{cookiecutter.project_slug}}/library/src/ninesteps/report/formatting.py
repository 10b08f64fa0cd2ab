"""Formats numbers and texts for people."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence


def number(value: object, digits: int = 4) -> str:
    """A number of some significant digits, at most so many decimals; `–` for none."""
    if value is None:
        return "–"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    if isinstance(value, int) or (value == int(value) and abs(value) < 1e15):
        return f"{int(value):,}".replace("-", "−")
    if abs(value) > 1e300:
        return "no limit"
    whole = math.floor(math.log10(abs(value))) + 1
    if whole <= -digits:
        return f"{value:.1e}".replace("-", "−")
    return f"{value:,.{max(digits - max(whole, 0), 0)}f}".replace("-", "−")


def percent(share: float | None, digits: int = 0) -> str:
    """A share in percent, with a digit more where it is near an end."""
    if share is None:
        return "–"
    if 0 < share < 0.01 or 0.99 < share < 1:
        digits = max(digits, 1)
    return f"{100 * share:.{digits}f} %"


def between(interval: Sequence[float] | None, digits: int = 0) -> str:
    """An interval of shares: `91 to 96 %`."""
    if not interval:
        return "–"
    low, high = (percent(end, digits).removesuffix(" %") for end in interval)
    return f"{low} to {high} %"


def count(many: int, one: str, several: str = "") -> str:
    """`1 row`, `2,000 rows`."""
    return f"{many:,} {one if many == 1 else several or one + 's'}"


def listed(names: Sequence[str]) -> str:
    """`a, b and c`."""
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} and {names[-1]}"


def duration(seconds: float | None) -> str:
    """`0.4 s`, `3 min 20 s`, `2 h 5 min`."""
    if seconds is None:
        return ""
    if seconds < 90:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 90:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def moment(text: str) -> str:
    """`2026-01-31T09:05:00Z` -> `31 January 2026, 09:05 UTC`."""
    match = re.fullmatch(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):\d\d(?:\.\d+)?(?:Z|\+00:00)", text)
    if not match or not 1 <= int(match[2]) <= 12:
        return text
    year, month, day, hour, minute = match.groups()
    return f"{int(day)} {_MONTHS[int(month) - 1]} {year}, {hour}:{minute} UTC"


_MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)


def shortened(text: str, most: int) -> str:
    """A text of at most so many characters."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


_HTML = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&#34;", "'": "&#39;"})


def as_html(text: str) -> str:
    """A text escaped as jinja2 does it, without its import."""
    return text.translate(_HTML)


def as_markdown(text: str) -> str:
    """A text with everything escaped that has a meaning in Markdown or HTML."""
    escaped = re.sub(r"([\\`*_\[\]|~#@])", r"\\\1", " ".join(text.split()))
    return escaped.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
