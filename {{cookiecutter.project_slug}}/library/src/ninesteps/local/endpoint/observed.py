"""CloudWatch's metrics of an endpoint, computed from the requests that it answered."""

from __future__ import annotations

import time
from collections import defaultdict, deque
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
    seconds: float  # of the model, including waiting
    is_large: bool = False  # slow because of its size

    @property
    def is_refused(self) -> bool:
        """Whether the client was at fault."""
        return 400 <= self.status < 500

    @property
    def is_failed(self) -> bool:
        """Whether the model failed."""
        return self.status >= 500


@dataclass(frozen=True)
class Totals:
    """The sums of a version's requests."""

    requests: int
    failed: int
    p50_ms: float
    p99_ms: float


@dataclass
class Tally:
    """How many requests a version has answered since it began to serve."""

    requests: int = 0
    failed: int = 0


class Observed:
    """The latest requests, the oldest first, and the number for each version."""

    def __init__(self) -> None:
        self._seen: deque[Seen] = deque(maxlen=KEPT)
        self.tallies: defaultdict[int, Tally] = defaultdict(Tally)

    def note(self, version: int, status: int, seconds: float, is_large: bool = False) -> None:
        """Record an answered request."""
        seen = Seen(time.monotonic(), version, status, seconds, is_large)
        self._seen.append(seen)
        tally = self.tallies[version]
        tally.requests += 1
        tally.failed += seen.is_failed

    def since(self, moment: float) -> list[Seen]:
        """The requests answered since a moment."""
        recent = []
        for request in reversed(self._seen):
            if request.at < moment:
                break
            recent.append(request)
        return recent[::-1]


def totals(seen: Sequence[Seen]) -> dict[int, Totals]:
    """The sums by version."""
    by_version = {}
    for version in sorted({request.version for request in seen}):
        own = [request for request in seen if request.version == version]
        latencies = sorted(request.seconds * 1000 for request in own)
        failed = sum(request.is_failed for request in own)
        by_version[version] = Totals(
            len(own), failed, percentile(latencies, 50), percentile(latencies, 99)
        )
    return by_version


LATENCY, REFUSALS = "ModelLatency", "Invocation4XXErrors"
METRICS: dict[str, Callable[[Seen], float]] = {
    "Invocation5XXErrors": lambda request: float(request.is_failed),
    REFUSALS: lambda request: float(request.is_refused),
    LATENCY: lambda request: request.seconds * 1_000_000,
}
"""CloudWatch's metrics of one request."""


def metric(alarm: Alarm, seen: Sequence[Seen]) -> float | None:
    """The value of an alarm's metric over some requests; None without requests.

    A client's mistakes and bulk requests say nothing about a version: refused requests do not
    count, unless the metric is about them, and large requests do not count for latency.
    """
    counted = [
        request
        for request in seen
        if not (request.is_refused and alarm.metric != REFUSALS)
        and not (request.is_large and alarm.metric == LATENCY)
    ]
    if not counted:
        return None
    numbers = sorted(map(METRICS[alarm.metric], counted))
    if alarm.statistic == "Average":
        return sum(numbers) / len(numbers)
    return percentile(numbers, float(alarm.statistic.removeprefix("p")))


def percentile(ordered: Sequence[float], percent: float) -> float:
    """The percentile of sorted numbers: the smallest that this percentage does not exceed."""
    return ordered[max(0, -int(-len(ordered) * percent // 100) - 1)]
