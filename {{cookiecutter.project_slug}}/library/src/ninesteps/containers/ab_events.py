"""The events of an A/B test: which version answers a user, its replies, and what came of them.

A user is known by a digest alone. Who sends a user's request to an endpoint finds the variant by
`variant_of` and writes one line of JSON for each reply and each outcome:

    {"kind": "reply", "time": 1764288000.5, "id": "r-1", "user": "4e07...", "share": 10,
     "variant": "main", "status": 200, "ms": 41.5, "refused": false, "leaked": false}
    {"kind": "outcome", "time": 1764291600.0, "id": "r-1", "value": true}

`time` is in seconds since 1970 (UTC), `share` is the challenger's percentage at that moment, and
an outcome has the id of its reply. Standard library alone: jobs and endpoints' clients take it
along.
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
"""Characters of a reply's id."""

MAX_LINE = 4096
"""Characters of an event: it holds no text of a user's."""

_DIGEST = re.compile(r"[0-9a-f]{64}")


class EventError(ValueError):
    """A line that is no event; the message is one sentence."""


@dataclass(frozen=True)
class Reply:
    """An endpoint's answer to a user."""

    kind: ClassVar[Literal["reply"]] = "reply"

    time: float  # seconds since 1970
    id: str  # of the request: its outcome has the same
    user: str  # `user_digest`
    share: int  # the challenger's, in percent, known before the request
    variant: str  # that answered
    status: int  # of HTTP
    ms: float  # that the client waited
    refused: bool = False  # whether the reply declines to answer
    leaked: bool = False  # whether it has personal data that the request had not

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
    """What came of a reply."""

    kind: ClassVar[Literal["outcome"]] = "outcome"

    time: float  # seconds since 1970
    id: str  # of the reply
    value: bool  # whether it ended well, such as: the user's question was resolved


Event = Reply | Outcome


def user_digest(salt: str, user: str) -> str:
    """SHA-256 of the test's salt and the user's name: each test deals the users out differently."""
    return hashlib.sha256(f"{salt}:{user}".encode()).hexdigest()


def variant_of(digest: str, share: int) -> str:
    """The variant that answers a user: the same each time, as long as the share stays.

    A larger share leaves the challenger with all users it had.
    """
    return CHALLENGER if int(digest, 16) % 100 < share else MAIN


def line(event: Event) -> str:
    """An event as a line of JSON, without the line's end."""
    return json.dumps({"kind": event.kind, **asdict(event)}, separators=(",", ":"))


def read(text: str) -> Event:
    """The event of a line.

    Raises:
        EventError: if it is none.
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

    A last line without an end is left out: whoever wrote it was stopped, or is still writing.

    Raises:
        EventError: for a line that is no event, by its number.
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
    _require(_is_whole(status, 100, 599), content, "status", "a status of HTTP")
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
    _require(is_id, content, "id", f"a text of 1 to {LONGEST_ID} characters")


def _require(condition: object, content: dict[str, object], key: str, expected: str) -> None:
    if not condition:
        raise EventError(f"{key}: expected {expected}, got {str(content[key])[:60]!r}")


def _is_whole(value: object, least: int, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def _is_number(value: object) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and math.isfinite(value) and value >= 0  # type: ignore[arg-type, operator]
