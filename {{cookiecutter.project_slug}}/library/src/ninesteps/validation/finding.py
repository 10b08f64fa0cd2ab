"""What a check finds, and how its messages are put."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """Something in a definition that AWS would refuse, or that would not do what it is there for.

    The message says where, what was expected and what was got.
    """

    step: str  # none: it concerns the pipeline
    message: str

    def __str__(self) -> str:
        return f"step {self.step}: {self.message}" if self.step else f"the pipeline: {self.message}"


def expected(where: str, right: str, value: object) -> str:
    """A message: what was expected somewhere, and the value that stands there."""
    return f"{where}: expected {right}, got {quoted(value)}"


def quoted(value: object) -> str:
    """A value as a message quotes it."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def either(names: Iterable[object]) -> str:
    """Names as a message lists them: `a, b or c`."""
    *others, last = [str(name) for name in names] or ["none"]
    return f"{', '.join(others)} or {last}" if others else last
