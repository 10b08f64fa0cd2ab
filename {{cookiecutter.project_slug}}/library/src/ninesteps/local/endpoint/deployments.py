"""The deployments to the endpoint on this machine, as it noted them: when, by whom and why."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ninesteps.local.endpoint.serving import SERVED, SERVING

FOLDER = "endpoint"
"""Where the endpoint keeps what it notes, in the folder that runs leave their results in."""

DEPLOYMENTS = "deployments.jsonl"
"""Every deployment and its outcome, one per line; lines are only added."""

DEPLOYED = "deployed"
"""The outcome of a deployment after which its version serves."""


@dataclass
class Noted:
    """The lines of one deployment."""

    number: int  # the first is 1
    group: str  # of the version
    began: dict[str, Any]
    ended: dict[str, Any]  # empty while it goes on, or if it was broken off
    served: dict[str, Any]  # the traffic; empty if none is noted

    @property
    def version(self) -> int:
        """The version's number."""
        return int(self.began["version"])

    def told(self, version: int) -> Deployment:
        """What a person wants to know of it, as a part of a version's history."""
        both = {**self.began, **self.ended}  # who broke it off is noted at its end
        return Deployment(
            self.began["at"], self.ended.get("at", ""), self._what(version), both.get("who", ""),
            both.get("reason", ""),
        )  # fmt: skip

    def is_of(self, group: str, version: int) -> bool:
        """Whether it is part of a version's history: it deploys it, or goes back from it."""
        is_back = bool(self.began.get("by_hand")) and self.ended.get("outcome") == DEPLOYED
        before = self.began.get("before") if is_back else None
        return self.group == group and version in (self.version, before)

    def _what(self, version: int) -> str:
        before, outcome = self.began.get("before"), self.ended.get("outcome", "not ended")
        if version != self.version:
            return f"rolled back to version {self.version}"
        if outcome != DEPLOYED or before is None:
            return str(outcome)
        if self.began.get("by_hand"):
            return f"deployed again: version {before} was rolled back"
        return f"deployed in place of version {before}"


@dataclass(frozen=True)
class Deployment:
    """A deployment in the history of a version, by whom and why."""

    began: str  # a moment in ISO 8601, as the one below
    ended: str  # empty while it goes on, or if it was broken off
    what: str  # in words
    who: str  # empty where it was not kept
    why: str  # the reason that was given; empty as above


def deployments(folder: Path, group: str) -> list[Noted]:
    """The deployments that the endpoint noted, the oldest first.

    Lines that are cut off, or that name no version or moment, are left out.

    Args:
        folder: what the endpoint keeps.
        group: the model package group of deployments that do not note theirs.
    """
    found: list[Noted] = []
    for event in _lines(folder / DEPLOYMENTS):
        if event.get("event") == "began":
            if not (isinstance(event.get("version"), int) and isinstance(event.get("at"), str)):
                continue
            own = str(event.get("group") or group)  # which it did not note in earlier versions
            found.append(Noted(len(found) + 1, own, event, {}, {}))
        elif found and found[-1].began["version"] == event.get("version"):
            found[-1].ended = event
    traffic = list(_lines(folder / SERVED))
    with contextlib.suppress(OSError, ValueError):
        traffic += json.loads((folder / SERVING).read_text(encoding="utf-8"))
    for event in traffic:
        if 0 < event.get("deployment", 0) <= len(found):
            found[event["deployment"] - 1].served = event
    return found


def of_version(local: Path, group: str, version: int) -> tuple[Deployment, ...]:
    """The deployments of a version, the oldest first.

    Args:
        local: the folder that runs leave their results in.
    """
    return tuple(
        one.told(version) for one in deployments(local / FOLDER, group) if one.is_of(group, version)
    )


def _lines(file: Path) -> Iterator[dict[str, Any]]:
    with contextlib.suppress(FileNotFoundError):
        for line in file.read_text(encoding="utf-8", errors="replace").splitlines():
            with contextlib.suppress(ValueError):
                if isinstance(event := json.loads(line), dict):
                    yield event
