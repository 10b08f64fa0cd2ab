"""What was seen of requests: CloudWatch's metrics of an endpoint, computed from real ones."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ninesteps.settings.deploy import Alarm

KEPT = 200_000


@dataclass(frozen=True)
class Seen:
    """One request that reached a model."""

    at: float  # monotonic seconds
    version: int
    status: int
    seconds: float  # that the model took, waiting for it included

    @property
    def is_failed(self) -> bool:
        """Whether the model failed it."""
        return self.status >= 500


@dataclass(frozen=True)
class Totals:
    """What a version's requests came to."""

    requests: int
    failed: int
    p50_ms: float
    p99_ms: float


class Observed:
    """The last requests, the oldest first."""

    def __init__(self) -> None:
        self._seen: deque[Seen] = deque(maxlen=KEPT)

    def note(self, version: int, status: int, seconds: float) -> None:
        """A request was answered."""
        self._seen.append(Seen(time.monotonic(), version, status, seconds))

    def since(self, moment: float) -> list[Seen]:
        """The requests that were answered since a moment."""
        found = []
        for one in reversed(self._seen):
            if one.at < moment:
                break
            found.append(one)
        return found[::-1]


def totals(seen: Sequence[Seen]) -> dict[int, Totals]:
    """What the requests came to, by version."""
    found = {}
    for version in sorted({one.version for one in seen}):
        own = [one for one in seen if one.version == version]
        latencies = sorted(one.seconds * 1000 for one in own)
        failed = sum(one.is_failed for one in own)
        found[version] = Totals(
            len(own), failed, percentile(latencies, 50), percentile(latencies, 99)
        )
    return found


METRICS: dict[str, Callable[[Seen], float]] = {
    "Invocation5XXErrors": lambda one: float(one.is_failed),
    "ModelLatency": lambda one: one.seconds * 1_000_000,
}
"""CloudWatch's metrics of one request."""


def metric(alarm: Alarm, seen: Sequence[Seen]) -> float | None:
    """The value of an alarm's metric over some requests; None of none."""
    if not seen:
        return None
    numbers = sorted(map(METRICS[alarm.metric], seen))
    if alarm.statistic == "Average":
        return sum(numbers) / len(numbers)
    return percentile(numbers, float(alarm.statistic.removeprefix("p")))


def percentile(ordered: Sequence[float], percent: float) -> float:
    """The smallest of some ordered numbers that so many in a hundred do not exceed."""
    return ordered[max(0, -int(-len(ordered) * percent // 100) - 1)]
