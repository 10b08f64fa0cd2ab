"""Records how long each version serves and how many requests: at its end, and every second.

So a killed endpoint loses at most a second of counts.
"""

from __future__ import annotations

import json
import os
import time
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ninesteps.local.endpoint.observed import Observed, Tally, totals

SERVED = "served.jsonl"
"""What each deployment served, one per line, written when its version gets no more requests."""

SERVING = "serving.json"
"""The versions that serve, with their requests up to a second ago."""


@dataclass(frozen=True)
class _Beginning:
    """When a version began to serve."""

    deployment: int
    moment: str  # in UTC, as ISO 8601
    at: float  # monotonic seconds


@dataclass
class Serving:
    """The versions that are served."""

    folder: Path
    observed: Observed
    _began: dict[int, _Beginning] = field(default_factory=dict)  # by version
    _written: Any = None

    def close_earlier(self) -> None:
        """Record what a killed endpoint had served."""
        with suppress(OSError, ValueError):
            for event in json.loads((self.folder / SERVING).read_text(encoding="utf-8")):
                until = event.pop("as_of")
                self._note({**event, "until": until, "why": "the endpoint was killed"})
        (self.folder / SERVING).unlink(missing_ok=True)

    def begin(self, version: int, deployment: int) -> None:
        """A version starts to get requests.

        Args:
            deployment: the number of the deployment, from 1.
        """
        self._began[version] = _Beginning(deployment, moment(), time.monotonic())
        self.observed.tallies[version] = Tally()
        self.write()

    def end(self, version: int, why: str, is_noted: bool = True) -> None:
        """A version gets no more requests.

        Args:
            is_noted: record it even without any requests.
        """
        if version not in self._began:
            return
        event = self._event(version)
        began = self._began.pop(version)
        own = totals(self.observed.since(began.at)).get(version)
        times = {"p50_ms": own.p50_ms, "p99_ms": own.p99_ms} if own else {}
        if is_noted or event["requests"]:
            self._note({**event, "until": moment(), "why": why, **times})
        self.write()

    def end_all(self, why: str) -> None:
        """The endpoint ends."""
        for version in [*self._began]:
            self.end(version, why)
        (self.folder / SERVING).unlink(missing_ok=True)

    def write(self) -> None:
        """Write what is served, if that has changed; a full disk does not stop the endpoint."""
        events = [self._event(version) for version in self._began]
        if events == self._written:
            return
        text = json.dumps([{**event, "as_of": moment()} for event in events])
        whole = self.folder / f"{SERVING}.part"
        with suppress(OSError):
            whole.write_text(text, encoding="utf-8")
            whole.replace(self.folder / SERVING)
            self._written = events

    def _event(self, version: int) -> dict[str, Any]:
        tally, began = self.observed.tallies[version], self._began[version]
        return {"deployment": began.deployment, "version": version, "from": began.moment,
                "requests": tally.requests, "failed": tally.failed}  # fmt: skip

    def _note(self, event: dict[str, Any]) -> None:
        with (self.folder / SERVED).open("a", encoding="utf-8") as file:
            file.write(json.dumps(event) + "\n")
            file.flush()
            os.fsync(file.fileno())


def moment() -> str:
    """Now, in UTC, to the second."""
    return datetime.now(tz=UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
