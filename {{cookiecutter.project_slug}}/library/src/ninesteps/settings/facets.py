"""The small language of facets: `gender, age>=40, ethnicity=a|b, location`.

A name alone compares each of its values with all others; `=` names the values of one group; `>=`
and `>` compare the group above a number with the rest. Standard library only: the template's hook
reads facets before anything is installed.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass

MAX_ARGUMENT = 256
"""SageMaker's limit on the length of a container argument, which a facet becomes."""

_FACET = re.compile(r"(?P<column>[^=<>|,]+?)\s*(?:(?P<sign>>=|>|=)\s*(?P<group>[^=<>,]+))?")


class FacetError(ValueError):
    """Facets that cannot be read; the message says what was expected and what was got."""


@dataclass(frozen=True)
class Facet:
    """A column whose groups are compared, and how the groups are defined."""

    column: str
    values: tuple[str, ...] = ()  # the values of one group; empty: each value in turn
    threshold: float | None = None  # the group above it (`>`), or at and above it (`>=`)
    inclusive: bool = False

    @property
    def key(self) -> str:
        """The facet's name in `evaluation.json` and in gates: `[a-z0-9_]`, such as `age_ge_40`."""
        parts = [self.column, *self.values]
        if self.threshold is not None:
            number = self._number.replace("-", "minus_")
            parts += ["ge" if self.inclusive else "gt", number]
        return re.sub(r"[^a-z0-9]+", "_", "_".join(parts).lower()).strip("_")

    @property
    def _number(self) -> str:
        """The threshold as the shortest text of that number."""
        return "" if self.threshold is None else shortest(self.threshold)

    @property
    def exclusive_threshold(self) -> float | None:
        """The threshold for Clarify, whose groups are strictly above it."""
        if self.threshold is None or not self.inclusive:
            return self.threshold
        return math.nextafter(self.threshold, -math.inf)

    @property
    def argument(self) -> str:
        """The facet as a container argument: JSON that the steps' `dataset.py` reads."""
        return self.argument_of(self.column)

    def argument_of(self, stored: str) -> str:
        """The same argument, for the name under which its column is stored."""
        text = {"key": self.key, "column": stored}
        group = {"values": list(self.values), "threshold": self.exclusive_threshold}
        return json.dumps({**text, **{k: v for k, v in group.items() if v not in ([], None)}})

    def __str__(self) -> str:
        if self.values:
            return f"{self.column}={'|'.join(self.values)}"
        if self.threshold is not None:
            return f"{self.column}{'>=' if self.inclusive else '>'}{self._number}"
        return self.column


def shortest(number: float) -> str:
    """The text that the feature group stores for a number that defines groups."""
    return repr(float(number) + 0.0).removesuffix(".0")  # turns -0.0 into 0.0


def parse(text: str) -> tuple[Facet, ...]:
    """Read a comma-separated list of facets; none for an empty text.

    Raises:
        FacetError: with one sentence for the person who wrote the facets.
    """
    facets = tuple(_facet(part.strip()) for part in text.split(",")) if text.strip() else ()
    keys = [facet.key for facet in facets]
    for facet in facets:
        if keys.count(facet.key) > 1:
            raise FacetError(f"`{facet}` is named twice in `{text}` (as `{facet.key}`)")
    return facets


def _facet(text: str) -> Facet:
    match = _FACET.fullmatch(text)
    if match is None:
        raise FacetError(
            f"expected a facet such as `gender`, `age>=40` or `ethnicity=a|b`, got `{text}`"
        )
    column, sign, group = match["column"].strip(), match["sign"], (match["group"] or "").strip()
    facet = Facet(column)
    if sign == "=":
        values = tuple(value.strip() for value in group.split("|"))
        if not all(values):
            raise FacetError(f"expected values as in `{column}=a|b`, got an empty one in `{text}`")
        facet = Facet(column, values=values)
    elif sign:
        try:
            threshold = float(group)
        except ValueError:
            raise FacetError(
                f"expected a number as in `{column}>=40`, got `{group}` in `{text}`"
            ) from None
        if not math.isfinite(threshold):
            raise FacetError(
                f"expected a finite number as in `{column}>=40`, got `{group}` in `{text}`"
            )
        facet = Facet(column, threshold=threshold, inclusive=sign == ">=")
    if not Facet(column).key:
        raise FacetError(f"expected a letter a to z or a digit in the facet's name, got `{text}`")
    if len(facet.argument) > MAX_ARGUMENT:
        raise FacetError(
            f"expected a facet that fits into a container argument ({MAX_ARGUMENT} characters), "
            f"got `{text}`"
        )
    return facet
