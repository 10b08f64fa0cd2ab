"""The events of an A/B test: which version answers a user, its replies, and their outcomes.

Users are identified only by a digest. The client of an endpoint finds a user's variant with
`variant_of`, and writes one line of JSON for each reply and each outcome:

    {"kind": "reply", "time": 1764288000.5, "id": "r-1", "user": "4e07...", "share": 10,
     "variant": "main", "status": 200, "ms": 41.5, "refused": false, "leaked": false}
    {"kind": "outcome", "time": 1764291600.0, "id": "r-1", "value": true}

`time` is in seconds since 1970 (UTC), `share` is the challenger's percentage at that moment, and an
outcome has the id of its reply. It uses only the standard library, since jobs and endpoints'
clients include it.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, fields
from typing import ClassVar, Literal

MAIN, CHALLENGER = "main", "challenger"
"""The production variants: the version that served before, and the one that is tested."""

VARIANTS = (MAIN, CHALLENGER)

LONGEST_ID = 128
"""The most characters of a reply's id."""

MAX_LINE = 4096
"""The most characters of an event, which contains no user's text."""

_DIGEST = re.compile(r"[0-9a-f]{64}")


class EventError(ValueError):
    """A line that is not an event; the message is one sentence."""


@dataclass(frozen=True)
class Reply:
    """An endpoint's answer to a user."""

    kind: ClassVar[Literal["reply"]] = "reply"

    time: float  # seconds since 1970
    id: str  # of the request; its outcome has the same id
    user: str  # `user_digest`
    share: int  # the challenger's, in percent, known before the request
    variant: str  # the variant that answered
    status: int  # HTTP status
    ms: float  # waiting time of the client
    refused: bool = False  # whether the reply declines to answer
    leaked: bool = False  # whether it has personal data that the request did not have

    @property
    def arm(self) -> int:
        """1 where the challenger answered, else 0."""
        return int(self.variant == CHALLENGER)

    @property
    def assigned_arm(self) -> int:
        """1 where the user's digest and the share call for the challenger, else 0."""
        return int(variant_of(self.user, self.share) == CHALLENGER)


@dataclass(frozen=True)
class Outcome:
    """The outcome of a reply."""

    kind: ClassVar[Literal["outcome"]] = "outcome"

    time: float  # seconds since 1970
    id: str  # of the reply
    value: bool  # whether it was good, such as: the user's question was resolved


Event = Reply | Outcome


def user_digest(salt: str, user: str) -> str:
    """SHA-256 of the test's salt and the user's name: each test assigns users differently."""
    return hashlib.sha256(f"{salt}:{user}".encode()).hexdigest()


def variant_of(digest: str, share: int) -> str:
    """The variant for a user: always the same while the share is unchanged.

    With a larger share, the challenger keeps all of its users.
    """
    return CHALLENGER if int(digest, 16) % 100 < share else MAIN


def line(event: Event) -> str:
    """An event as a line of JSON, without the line's end."""
    return json.dumps({"kind": event.kind, **asdict(event)}, separators=(",", ":"))


def read(text: str) -> Event:
    """The event of a line.

    Raises:
        EventError: if it is not an event.
    """
    if len(text) > MAX_LINE:
        raise EventError(f"expected an event of at most {MAX_LINE} characters, got {len(text)}")
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        raise EventError(f"expected an event as JSON, got {text[:60]!r}") from None
    if not isinstance(content, dict):
        raise EventError(f"expected an event as a JSON object, got {text[:60]!r}")
    kind = content.pop("kind", None)
    if kind == "reply":
        return _reply(content)
    if kind == "outcome":
        return _outcome(content)
    raise EventError(f"kind: expected 'reply' or 'outcome', got {kind!r}")


def read_lines(lines: Iterable[str]) -> Iterator[Event]:
    """The events of a file's lines, in its order.

    A last line without a line end is left out: it is incomplete.

    Raises:
        EventError: for a line that is not an event, with its number.
    """
    for number, text in enumerate(lines, start=1):
        if not text.endswith("\n"):
            return
        if text.strip():
            try:
                yield read(text)
            except EventError as error:
                raise EventError(f"line {number}: {error}") from None


def _reply(content: dict[str, object]) -> Reply:
    _check_keys(content, Reply, {"refused", "leaked"})
    for key in ("refused", "leaked"):
        _require(isinstance(content.get(key, False), bool), content, key, "true or false")
    _check_time_and_id(content)
    user, share, status, ms = (content[key] for key in ("user", "share", "status", "ms"))
    is_digest = isinstance(user, str) and _DIGEST.fullmatch(user)
    _require(is_digest, content, "user", "SHA-256 of the salt and the user, in hexadecimal")
    _require(_is_whole(share, 0, 100), content, "share", "a whole number of 0 to 100")
    _require(content["variant"] in VARIANTS, content, "variant", " or ".join(VARIANTS))
    _require(_is_whole(status, 100, 599), content, "status", "an HTTP status")
    _require(_is_number(ms), content, "ms", "milliseconds, 0 or more")
    return Reply(**content)  # type: ignore[arg-type]


def _outcome(content: dict[str, object]) -> Outcome:
    _check_keys(content, Outcome, set())
    _check_time_and_id(content)
    _require(isinstance(content["value"], bool), content, "value", "true or false")
    return Outcome(**content)  # type: ignore[arg-type]


def _check_keys(content: dict[str, object], cls: type[Event], optional: set[str]) -> None:
    known = {one.name for one in fields(cls)}
    if missing := sorted(known - optional - set(content)):
        raise EventError(f"{missing[0]}: this key is missing")
    if unknown := sorted(set(content) - known):
        raise EventError(f"unknown key {unknown[0]!r}; expected one of {', '.join(sorted(known))}")


def _check_time_and_id(content: dict[str, object]) -> None:
    _require(_is_number(content["time"]), content, "time", "seconds since 1970")
    name = content["id"]
    is_id = isinstance(name, str) and 0 < len(name) <= LONGEST_ID
    _require(is_id, content, "id", f"a string of 1 to {LONGEST_ID} characters")


def _require(condition: object, content: dict[str, object], key: str, expected: str) -> None:
    if not condition:
        raise EventError(f"{key}: expected {expected}, got {str(content[key])[:60]!r}")


def _is_whole(value: object, least: int, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def _is_number(value: object) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and math.isfinite(value) and value >= 0  # type: ignore[arg-type, operator]
