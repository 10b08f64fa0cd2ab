"""Why a version answered as it did for one record, in sentences.

SHAP values against the background of step 7. They say what moved the answer, and by how much. They
do not prove a cause, and they do not say what would lead to another answer. A feature that reveals
a facet is never named as a reason; its effect is in the rest.
"""

from __future__ import annotations

import json
import math
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ninesteps.errors import StepError
from ninesteps.local.storage import Storage
from ninesteps.tracing import explained_process

MOST_REASONS = 5

NO_PROOF = (
    "These features moved the model's answer away from its average answer. They do not prove cause "
    "and effect, and the model may be wrong about this record."
)


@dataclass(frozen=True)
class Reason:
    """A feature that moved an answer."""

    feature: str  # its name in the table or in the features' code
    value: float | None  # of the record; None: it has none
    usual: float | None  # the median in training
    amount: float  # its SHAP value
    share: float  # of the total effect, from 0 to 1

    def sentence(self, what: str) -> str:
        """The reason in words.

        Args:
            what: that was raised or lowered, such as `the probability of retained = 1`.
        """
        moved = "raised" if self.amount > 0 else "lowered"
        return f"{self._said} {moved} {what} ({self.share:.0%} of the total effect)"

    @property
    def _said(self) -> str:
        if self.value is None:
            return f"A missing {self.feature!r}"
        if self.usual is None or math.isnan(self.usual):
            return f"{self.feature!r} = {_number(self.value)}, which has no usual value,"
        value, usual = _number(self.value), _number(self.usual)
        if self.value == self.usual:
            return f"{self.feature!r} = {value}, the usual value,"
        if {self.value, self.usual} == {0.0, 1.0}:
            return f"{self.feature!r} = {value}, where {usual} is usual,"
        more = "higher" if self.value > self.usual else "lower"
        article = f"A {more} {self.feature!r} than usual"
        return f"{article} ({value}; the median is {usual})"


@dataclass(frozen=True)
class Reasons:
    """Why a version answered as it did."""

    answer: tuple[float, ...]  # label and probability, or the number that a regression estimates
    threshold: float | None  # the lowest probability at which it answers 1
    reasons: tuple[Reason, ...]  # the strongest first
    others: int  # features that are not among them
    rest: float  # the sum of their SHAP values
    expected: float  # the answer before any feature is known
    method: str  # what the values are, and their unit
    never_named: tuple[str, ...]  # facets: features that reveal them are not among the reasons

    @property
    def share(self) -> float:
        """The reasons' share of the total effect, from 0 to 1."""
        return sum(reason.share for reason in self.reasons)


def _number(value: float) -> str:
    return f"{value:.6g}"


def explain(
    archive: str,
    storage: Storage,
    line: Callable[[Sequence[str]], str],
    shap: Mapping[str, Any],
    facets: Iterable[str],
    places: Sequence[Path],
    names: Mapping[str, str],
) -> Reasons:
    """Explain the answer of an archive's model to one record.

    Args:
        archive: its S3 URI.
        line: gives the record's text for the names of the archive's features.
        shap: the SHAP settings of step 7's configuration, with the background.
        facets: columns whose features are never named.
        places: the folders of step code; the first one that has a module is used.
        names: of columns that are shown under another name than they are stored, beside those
            that the archive has.

    Raises:
        ValueError: with why it cannot be explained.
    """
    with tempfile.TemporaryDirectory() as name:
        folder, exchange = Path(name, "model"), Path(name)
        try:
            storage.unpack(archive, folder)
            columns = json.loads((folder / "code" / "columns.json").read_text(encoding="utf-8"))
        except (OSError, StepError) as error:
            raise ValueError(str(error)) from None
        record = line(columns["features"])
        request = json.dumps({"record": record, "shap": shap})
        (exchange / explained_process.REQUEST).write_text(request, encoding="utf-8")
        command = [sys.executable, str(Path(explained_process.__file__)), str(folder), name]
        subprocess.run([*command, *map(str, places)], check=False, capture_output=True)
        answered = exchange / explained_process.EXPLAINED
        said = json.loads(answered.read_text(encoding="utf-8")) if answered.is_file() else {}
    if "error" in said or not said:
        raise ValueError(said.get("error", "its process ended without an answer"))
    shown = {**names, **columns.get("shown", {})}
    return _reasons(said, columns, record, tuple(facets), shown)


def _reasons(
    said: Mapping[str, Any], columns: Mapping[str, Any], record: str, facets: tuple[str, ...],
    shown: Mapping[str, str],
) -> Reasons:  # fmt: skip
    named = [*facets, *columns["context"]]
    never = tuple(dict.fromkeys([*named, *(shown.get(name, name) for name in named)]))
    names, values = columns["features"], said["values"]
    total = sum(map(abs, values)) or 1.0
    every = [
        Reason(shown.get(name, name), _value(cell), usual, amount, abs(amount) / total)
        for name, cell, usual, amount in zip(
            names, record.split(","), columns.get("baseline") or [None] * len(names), values,
            strict=True,
        )
        if amount and not tells(name, never) and not tells(shown.get(name, name), never)
    ]  # fmt: skip
    strongest = sorted(every, key=lambda reason: -abs(reason.amount))[:MOST_REASONS]
    return Reasons(
        answer=tuple(said["answer"]),
        threshold=said["threshold"],
        reasons=tuple(strongest),
        others=len(names) - len(strongest),
        rest=sum(values) - sum(reason.amount for reason in strongest),
        expected=said["expected"],
        method=said["method"],
        never_named=tuple(dict.fromkeys(shown.get(name, name) for name in named)),
    )


def _value(cell: str) -> float | None:
    number = float(cell) if cell else math.nan
    return None if math.isnan(number) else number


def tells(feature: str, columns: Iterable[str]) -> bool:
    """Whether a feature's name shows that it is made from one of these columns.

    Such as `city` itself, or `city_BLR` and `city=BLR`.
    """
    return any(
        re.fullmatch(rf"{re.escape(column)}([\W_].*)?", feature, re.IGNORECASE | re.DOTALL)
        for column in columns
    )
