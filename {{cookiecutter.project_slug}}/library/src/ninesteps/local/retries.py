"""Retry policies of a step: after which faults it is repeated, how often, and after what delay."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

_INTERVAL, _RATE, _ATTEMPTS = 1.0, 2.0, 5
"""SageMaker's defaults."""


@dataclass
class Retries:
    """The policies of one step, and how often each has been used."""

    policies: tuple[dict[str, Any], ...]
    _tried: dict[int, int] = field(default_factory=dict)
    _begun: float = field(default_factory=time.monotonic)

    def pause_after(self, fault: str) -> float | None:
        """The delay in seconds before the step is repeated after a fault; None if it is not."""
        for number, policy in enumerate(self.policies):
            if fault not in policy["ExceptionType"]:
                continue
            tried = self._tried.get(number, 0)
            minutes = policy.get("ExpireAfterMin")
            if minutes is None and tried >= policy.get("MaxAttempts", _ATTEMPTS):
                return None
            if minutes is not None and time.monotonic() - self._begun > minutes * 60:
                return None
            self._tried[number] = tried + 1
            interval = float(policy.get("IntervalSeconds", _INTERVAL))
            return interval * float(policy.get("BackoffRate", _RATE)) ** tried
        return None
