"""Inline SVG from small functions: marks, scales, axes. Colours and sizes are in the page's CSS."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

WIDTH, NEAR, FAR = 340, 3, 337
"""Of every chart, and where its lines may begin and end: as wide as a phone shows at full size."""


def svg(key: str, height: float, title: str, says: str, *marks: Iterable[str] | str) -> Markup:
    """A picture with a title and a description, for readers who cannot see it.

    Args:
        key: unique on the page.
    """
    key = re.sub(r"[^A-Za-z0-9_-]", "-", key)
    inner = "".join(mark if isinstance(mark, str) else "".join(mark) for mark in marks)
    return Markup(
        f'<svg class="chart" viewBox="0 0 {WIDTH} {_n(height)}" role="img" '
        f'aria-labelledby="{key}-t {key}-d"><title id="{key}-t">{escape(title)}</title>'
        f'<desc id="{key}-d">{escape(says)}</desc>{inner}</svg>'
    )


def line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    """A straight line."""
    return f'<line class="{kind}" x1="{_n(x1)}" y1="{_n(y1)}" x2="{_n(x2)}" y2="{_n(y2)}"/>'


def rect(x: float, y: float, width: float, height: float, kind: str, more: str = "") -> str:
    """A rectangle; a negative width reaches to the left."""
    left = min(x, x + width)
    return (
        f'<rect class="{kind}" x="{_n(left)}" y="{_n(y)}" width="{_n(abs(width))}" '
        f'height="{_n(height)}"{more}/>'
    )


def circle(x: float, y: float, radius: float, kind: str) -> str:
    """A dot."""
    return f'<circle class="{kind}" cx="{_n(x)}" cy="{_n(y)}" r="{_n(radius)}"/>'


def diamond(x: float, y: float, radius: float, kind: str) -> str:
    """A mark with a different shape than a dot."""
    r = radius
    return path([(x, y - r), (x + r, y), (x, y + r), (x - r, y)], kind, closed=True)


def cross(x: float, y: float, radius: float, kind: str) -> str:
    """A mark for something that failed."""
    r = radius
    return (
        f'<path class="{kind}" d="M{_n(x - r)} {_n(y - r)}L{_n(x + r)} {_n(y + r)}'
        f'M{_n(x - r)} {_n(y + r)}L{_n(x + r)} {_n(y - r)}"/>'
    )


def path(points: Sequence[tuple[float, float]], kind: str, closed: bool = False) -> str:
    """A line through points."""
    words = "L".join(f"{_n(x)} {_n(y)}" for x, y in points)
    return f'<path class="{kind}" d="M{words}{"Z" if closed else ""}"/>'


def text(x: float, y: float, content: object, kind: str = "", anchor: str = "start") -> str:
    """A text on a baseline; `anchor` is start, middle or end."""
    where = "" if anchor == "start" else f' text-anchor="{anchor}"'
    named = f' class="{kind}"' if kind else ""
    return f'<text{named} x="{_n(x)}" y="{_n(y)}"{where}>{escape(content)}</text>'


@dataclass(frozen=True)
class Scale:
    """Maps values to coordinates."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """The coordinate of a value; values beyond the ends are put at the end."""
        span = self.high - self.low or 1.0
        share = min(max((value - self.low) / span, 0.0), 1.0)
        return self.start + share * (self.end - self.start)

    def ticks(self, about: int = 4) -> list[float]:
        """About this many round values within the scale."""
        span = (self.high - self.low) or 1.0
        raw = span / about
        power = 10.0 ** math.floor(math.log10(raw))
        step = power * next(f for f in (1, 2, 2.5, 5, 10) if f * power >= raw * 0.999)
        first = math.ceil(self.low / step - 1e-9)
        last = math.floor(self.high / step + 1e-9)
        return [round(place * step, 12) + 0.0 for place in range(first, last + 1)]


LEFT, RIGHT, TOP = 42, 328, 34
"""Where a picture with two axes has its inside."""


def square(low: float = 0.0, high: float = 1.0) -> tuple[Scale, Scale]:
    """The scales of a picture with the same values on both axes."""
    return Scale(low, high, LEFT, RIGHT), tall(230, low, high)


def tall(height: float, low: float, high: float) -> Scale:
    """An upright scale."""
    return Scale(low, high, TOP + height, TOP)


def axes(
    x: Scale,
    y: Scale,
    x_name: str,
    y_name: str,
    x_text: Callable[[float], str],
    y_text: Callable[[float], str] | None = None,
) -> list[str]:
    """Light rules with their values, the axes' names in words: below, and above at the left."""
    y_text = y_text or x_text
    marks = []
    for value in y.ticks():
        marks += [
            line(x.start, y(value), x.end, y(value), "rule"),
            text(x.start - 6, y(value) + 4, y_text(value), "tick", "end"),
        ]
    for value in x.ticks():
        marks += [
            line(x(value), y.start, x(value), y.start + 4, "mark"),
            text(x(value), y.start + 17, x_text(value), "tick", "middle"),
        ]
    marks += [
        line(x.start, y.start, x.end, y.start, "axis"),
        text((x.start + x.end) / 2, y.start + 35, x_name, "name", "middle"),
        text(NEAR, y.end - 14, y_name, "name"),
    ]
    return marks


def whisker(scale: Scale, interval: Sequence[float] | None, y: float, kind: str) -> str:
    """An interval as a line with ends."""
    if not interval:
        return ""
    low, high = scale(interval[0]), scale(interval[1])
    return (
        line(low, y, high, y, kind)
        + line(low, y - 4, low, y + 4, kind)
        + line(high, y - 4, high, y + 4, kind)
    )


def upright(scale: Scale, interval: Sequence[float] | None, x: float, kind: str) -> str:
    """An interval, standing."""
    if not interval:
        return ""
    low, high = scale(interval[0]), scale(interval[1])
    return (
        line(x, low, x, high, kind)
        + line(x - 3, low, x + 3, low, kind)
        + line(x - 3, high, x + 3, high, kind)
    )


def _n(value: float) -> str:
    """A coordinate, shortest."""
    return f"{value:.1f}".removesuffix(".0")
