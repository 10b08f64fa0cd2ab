"""A comparison as data, from which the terminal, the JSON and the page are made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any, Generic, Protocol, TypeVar

Interval = tuple[float, float]

LEAST_SHARE_MOVED = 0.01
"""A feature's share of all SHAP values counts as unchanged if it moves by less than this."""

LESS_IS_BETTER = frozenset(("rmse", "mae", "loss", "perplexity"))
NEITHER_IS_BETTER = frozenset(("flagged_share",))


class Difference(Protocol):
    """A row of a part: something that both sides have, or one of them."""

    @property
    def is_same(self) -> bool:
        """Whether both have the same."""


Row_co = TypeVar("Row_co", bound=Difference, covariant=True)


@dataclass(frozen=True)
class Part(Generic[Row_co]):
    """One aspect of the comparison."""

    rows: tuple[Row_co, ...] = ()  # also those that are the same
    says: str = ""  # what these are, a sentence
    absent: str = ""  # why they cannot be compared, a sentence

    @property
    def different(self) -> tuple[Row_co, ...]:
        """The rows that are not the same."""
        return tuple(row for row in self.rows if not row.is_same)

    @property
    def is_same(self) -> bool:
        """Whether it was compared, and nothing differs."""
        return not self.absent and not self.different


@dataclass(frozen=True)
class Subject:
    """One of the two that are compared."""

    name: str  # `version 5`, or `run tp6pbcf72zbn`
    run: str
    version: int | None  # None: the run registered none
    status: str  # the version's approval status, or the run's own status
    started: str
    by: str  # who started the run; empty: not known
    serves: bool = False


@dataclass(frozen=True)
class Change:
    """A value in both; None where one has none."""

    name: str
    first: Any
    second: Any

    @property
    def is_same(self) -> bool:
        """Whether both have the same."""
        return bool(self.first == self.second)


@dataclass(frozen=True)
class MetricChange:
    """A metric of both models; the difference is the second less the first."""

    name: str
    first: float | None
    second: float | None
    first_interval: Interval | None = None
    second_interval: Interval | None = None
    interval: Interval | None = None  # of the difference, paired on the same rows
    more_is_better: bool | None = True  # None: neither more nor less is
    is_gated: bool = False  # whether the gate of either reads it

    @property
    def difference(self) -> float | None:
        """The second less the first."""
        if self.first is None or self.second is None:
            return None
        return self.second - self.first

    @property
    def is_same(self) -> bool:
        """Whether both have the same value."""
        return self.first == self.second

    @property
    def is_beyond_chance(self) -> bool | None:
        """Whether the paired interval does not contain 0; None: there is no such interval."""
        if self.interval is None:
            return None
        return self.interval[0] > 0 or self.interval[1] < 0

    @property
    def is_apart(self) -> bool:
        """Whether the intervals of the two do not overlap: a difference on whatever rows."""
        first, second = self.first_interval, self.second_interval
        if not first or not second:
            return False
        return first[1] < second[0] or second[1] < first[0]

    @property
    def reading(self) -> str:
        """In a word or two: `the same`, `better`, `worse`, `more`, `less`, `may be chance`."""
        if self.difference is None:
            return "in one alone"
        if self.is_same:
            return "the same"
        if not (self.is_beyond_chance if self.interval else self.is_apart):
            return "may be chance" if self.interval else "not known"
        is_more = self.difference > 0
        if self.more_is_better is None:
            return "more" if is_more else "less"
        return "better" if is_more is self.more_is_better else "worse"


@dataclass(frozen=True)
class GroupChange:
    """How often a group of a facet gets the favourable outcome, by both models."""

    facet: str
    group: str
    rows: tuple[int | None, int | None]
    shares: tuple[float | None, float | None]  # predicted favourable
    intervals: tuple[Interval | None, Interval | None]  # ... of each share
    dppl: tuple[float | None, float | None]
    counted: tuple[bool | None, bool | None]  # whether the bias gate counts the group

    @property
    def name(self) -> str:
        """Facet and group."""
        return f"{self.facet} {self.group}"

    @property
    def is_same(self) -> bool:
        """Whether both treat it the same."""
        pairs = (self.rows, self.shares, self.dppl, self.counted)
        return all(first == second for first, second in pairs)


@dataclass(frozen=True)
class DriftChange:
    """How far a column of the training data has moved from the first to the second."""

    name: str
    psi: float
    ks: float | None
    reading: str  # little, some or much

    @property
    def is_same(self) -> bool:
        """Whether it has not moved at all."""
        return self.psi == 0 and not self.ks


@dataclass(frozen=True)
class FeatureChange:
    """A feature's part in all of a model's mean absolute SHAP values, in [0, 1]."""

    name: str
    first: float | None  # None: the model does not have it
    second: float | None

    @property
    def how(self) -> str:
        """How it changed: `new`, `gone`, `gained`, `lost` or `about the same`."""
        if self.first is None:
            return "new"
        if self.second is None:
            return "gone"
        moved = self.second - self.first
        if abs(moved) < LEAST_SHARE_MOVED:
            return "about the same"
        return "gained" if moved > 0 else "lost"

    @property
    def moved(self) -> float:
        """By how much of the whole."""
        return (self.second or 0) - (self.first or 0)

    @property
    def is_same(self) -> bool:
        """Whether it keeps its weight exactly."""
        return self.first == self.second


@dataclass(frozen=True)
class ReplyChange:
    """Both models' replies to a prompt that both were asked."""

    prompt: str  # the user's last message
    first: str
    second: str
    is_right: tuple[bool, bool]  # answered well, or refused as it must be

    @property
    def how(self) -> str:
        """How it changed: `now right`, `now wrong`, `right in both` or `wrong in both`."""
        if self.is_same:
            return "right in both" if self.is_right[0] else "wrong in both"
        return "now right" if self.is_right[1] else "now wrong"

    @property
    def is_same(self) -> bool:
        """Whether both answer it well, or neither does."""
        return self.is_right[0] is self.is_right[1]


@dataclass(frozen=True)
class FileChange:
    """A file of a step's code."""

    step: str
    file: str
    how: str  # changed, added or removed; the same: `the same`

    @property
    def name(self) -> str:
        """The step, then the file."""
        return f"{self.step}  {self.file}"

    @property
    def is_same(self) -> bool:
        """Whether it is the same file."""
        return self.how == "the same"


@dataclass(frozen=True)
class Comparison:
    """What differs between two runs or versions, aspect by aspect."""

    first: Subject
    second: Subject
    verdict: str  # which is better, and in which metrics beyond chance
    metrics: Part[MetricChange]
    decision: Part[Change]  # gate, whether it passes, threshold
    bias: Part[Change]  # the numbers of a bias gate
    groups: Part[GroupChange]
    replies: Part[ReplyChange] | None  # None: neither is a language model
    features: Part[FeatureChange] | None  # None: both are language models
    model: Part[Change]
    data: Part[Change]
    drift: Part[DriftChange]
    settings: Part[Change]
    parameters: Part[Change]
    hyperparameters: Part[Change]
    origin: Part[Change]  # commit, library, image
    code: Part[FileChange]

    @property
    def parts(self) -> Mapping[str, Part[Any]]:
        """Every aspect that these models have, by its name."""
        named = ((field.name, getattr(self, field.name)) for field in fields(self))
        return {name: value for name, value in named if isinstance(value, Part)}

    @property
    def is_same(self) -> bool:
        """Whether everything could be compared, and nothing differs."""
        return all(part.is_same for part in self.parts.values())


TITLES = {
    "metrics": "Metrics",
    "decision": "Gate and threshold",
    "bias": "Bias",
    "groups": "Bias by group",
    "replies": "Replies",
    "features": "Feature weights",
    "model": "Model",
    "data": "Data",
    "drift": "Drift",
    "settings": "Settings",
    "parameters": "Parameters",
    "hyperparameters": "Hyperparameters",
    "origin": "Versions",
    "code": "Code of the steps",
}
"""What a person calls each part, in the order in which they are shown; a comparison has those that
its models have."""


def as_json(comparison: Comparison) -> dict[str, Any]:
    """A comparison for a program to read; docs/compare.md says what is in it."""
    return {
        "first": _subject(comparison.first),
        "second": _subject(comparison.second),
        "verdict": comparison.verdict,
        "is_same": comparison.is_same,
        **{name: _part(part) for name, part in comparison.parts.items()},
    }


def _subject(subject: Subject) -> dict[str, Any]:
    return dict(vars(subject))


def _part(part: Part[Any]) -> dict[str, Any]:
    return {
        "absent": part.absent or None,
        "says": part.says or None,
        "is_same": part.is_same,
        "rows": [dict(_row(row)) for row in part.rows],
    }


def _row(row: Any) -> Iterator[tuple[str, Any]]:
    yield from vars(row).items()
    yield "is_same", row.is_same
    for name in ("difference", "reading", "how"):
        if name not in vars(row) and hasattr(row, name):
            yield name, getattr(row, name)
