"""Formats the values of a comparison, and selects the rows that are worth showing."""

from __future__ import annotations

from typing import Any

from ninesteps.report.comparison.model import Part

SHORT_DIGEST = 12

LITTLE = ("about the same", "little")
"""How a feature or a column has moved that is counted, and not shown."""


def that_matter(part: Part[Any]) -> tuple[Any, ...]:
    """The rows that differ, by more than a little where that is told."""
    return tuple(row for row in part.different
                 if getattr(row, "how", getattr(row, "reading", "")) not in LITTLE)  # fmt: skip


def shown(name: str, value: Any) -> str:
    """A value of a `Change`; of a digest its beginning."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list):
        return ", ".join(shown(name, item) for item in value) or "none"
    text = "-" if value is None else str(value) or "(empty)"
    is_digest = "SHA-256" in name or name.startswith("overridden ")
    return text[:SHORT_DIGEST] if is_digest else text
