"""A check's finding, and the wording of its message."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """A part of a definition that AWS would refuse, or that would not do what it is meant to.

    The message says where, what was expected and what was found.
    """

    step: str  # empty: it concerns the pipeline
    message: str

    def __str__(self) -> str:
        return f"step {self.step}: {self.message}" if self.step else f"the pipeline: {self.message}"


def expected(where: str, right: str, value: object) -> str:
    """A message: the place, what was expected there, and the value found."""
    return f"{where}: expected {right}, got {quoted(value)}"


def quoted(value: object) -> str:
    """A value as quoted in a message."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def either(names: Iterable[object]) -> str:
    """Names as listed in a message: `a, b or c`."""
    *others, last = [str(name) for name in names] or ["none"]
    return f"{', '.join(others)} or {last}" if others else last
