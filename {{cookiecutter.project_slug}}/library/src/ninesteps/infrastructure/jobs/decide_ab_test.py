"""One look at an A/B test: reads the events that are new, and says whether it goes on, and how.

It leaves `state.json`, which the next look begins with, and `decision.json` for the state machine.
The decision is that of `ab_decision`, as in a rehearsal on a developer's machine.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from botocore.exceptions import ClientError

import ab_events
from ab_decision import CONTINUE, DAY, INCONCLUSIVE, TAKE_OVER, ABTest, Decision, Rules
from ab_events import Event, EventError, Outcome
from aws import client
from container import output_path, write_json

LATE = timedelta(hours=2)
"""How long after the moment that an object's key sorts by the object may still be written."""

CONVERT = {"int": int, "float": float, "str": str}


class LookError(ValueError):
    """A look that cannot be made; the message is one sentence."""


@dataclass(frozen=True)
class Place:
    """An object in S3, or a prefix."""

    bucket: str
    key: str

    @classmethod
    def of(cls, uri: str) -> Place:
        """The place of an S3 URI."""
        parts = urlsplit(uri)
        return cls(parts.netloc, parts.path.removeprefix("/"))

    def read(self) -> bytes | None:
        """The object's content; None if it is not there."""
        try:
            answer = client("s3").get_object(Bucket=self.bucket, Key=self.key)
        except ClientError as error:
            if error.response["Error"]["Code"] != "NoSuchKey":
                raise
            return None
        return bytes(answer["Body"].read())


@dataclass
class State:
    """What a look begins with."""

    test: ABTest
    look: int = 0
    after: str = ""  # keys up to this one have been read, and no other is expected before it
    seen: list[str] = field(default_factory=list)  # keys behind it that have been read
    lines: int = 0  # that have been read
    unreadable: int = 0  # of them, that are no events
    first_fault: str = ""  # what the first of them is

    def as_json(self) -> dict[str, Any]:
        """For `of`."""
        return {**dataclasses.asdict(dataclasses.replace(self, test=None)),  # type: ignore[arg-type]
                "test": self.test.as_json()}  # fmt: skip

    @classmethod
    def of(cls, content: Mapping[str, Any]) -> State:
        """The state that `as_json` wrote."""
        return cls(**{**content, "test": ABTest.from_json(content["test"])})


def main(arguments: Sequence[str]) -> None:
    """Write `state.json` and `decision.json`."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--events", required=True, help="s3://BUCKET/PREFIX/ of the test's events")
    parser.add_argument("--state", required=True, help="s3://... that the look before has left")
    parser.add_argument("--look", type=int, required=True, help="1 for the first")
    parser.add_argument("--started-at", required=True, help="when the test began, in ISO 8601")
    parser.add_argument("--share", type=int, required=True, help="the challenger's, in percent")
    parser.add_argument("--rules", required=True, help="key=value, with commas between")
    options = parser.parse_args(arguments)
    now = datetime.now(UTC)
    state = read_state(Place.of(options.state), options.look, read_rules(options.rules))
    take_in(state, Place.of(options.events), now)
    decision = decide(state.test, datetime.fromisoformat(options.started_at), now)
    folder = output_path("result")
    write_json(folder / "state.json", state.as_json())
    write_json(folder / "decision.json", as_decided(state, decision, options.share))


def read_rules(text: str) -> Rules:
    """The rules of a text such as `first_share=10,share=50`; what it lacks is as `Rules` has it.

    Raises:
        LookError: for a key that there is not.
    """
    kinds = {one.name: str(one.type) for one in dataclasses.fields(Rules)}
    pairs = dict(pair.split("=", 1) for pair in text.split(",") if pair)
    if unknown := pairs.keys() - kinds.keys():
        raise LookError(f"expected rules of {', '.join(kinds)}, got {', '.join(sorted(unknown))}")
    values: dict[str, Any] = {key: CONVERT[kinds[key]](value) for key, value in pairs.items()}
    return Rules(**values)


def read_state(place: Place, look: int, rules: Rules) -> State:
    """What the look before has left, or this one if its job failed at its end; at the first none.

    Raises:
        LookError: if it is not there, or is of another look: no test may begin again unnoticed.
    """
    content = None if look == 1 else place.read()
    if content is None:
        if look != 1:
            raise LookError(f"expected the state of look {look - 1} in {place.key}, got none")
        return State(ABTest(rules, LATE.total_seconds()), look)
    state = State.of(json.loads(content))
    if state.look not in (look - 1, look):
        raise LookError(
            f"expected the state of look {look - 1} in {place.key}, got that of {state.look}"
        )
    return dataclasses.replace(state, look=look)


def take_in(state: State, events: Place, now: datetime) -> None:
    """Give the test the events that have been written since the look before, by their times."""
    found: list[Event] = []
    written = list(objects(events, state.after))
    for key, _ in written:
        if key not in state.seen:
            found += read_events(state, Place(events.bucket, key))
    for event in sorted(found, key=lambda one: (one.time, isinstance(one, Outcome))):
        state.test.add(event)
    settled = [key for key, at in written if at < now - LATE]
    state.after = max([state.after, *settled])
    state.seen = [key for key, _ in written if key > state.after]


def objects(prefix: Place, after: str) -> Iterator[tuple[str, datetime]]:
    """The keys below a prefix behind one, in their order, each with when it was written."""
    pages = client("s3").get_paginator("list_objects_v2").paginate(
        Bucket=prefix.bucket, Prefix=prefix.key, **({"StartAfter": after} if after else {})
    )  # fmt: skip
    for page in pages:
        for one in page.get("Contents", []):
            yield one["Key"], one["LastModified"]


def read_events(state: State, place: Place) -> Iterator[Event]:
    """The events of an object; a line that is none is counted, and the first is told."""
    for text in (place.read() or b"").decode(errors="replace").split("\n"):
        if not text.strip():
            continue
        state.lines += 1
        try:
            yield ab_events.read(text)
        except EventError as error:
            state.unreadable += 1
            state.first_fault = state.first_fault or f"{place.key}: {error}"


def decide(test: ABTest, started: datetime, now: datetime) -> Decision:
    """How the test stands; one that nobody writes events of ends after its days too."""
    decision = test.look(now.timestamp())
    rules = test.rules
    if test.began is None and (now - started).total_seconds() >= rules.max_days * DAY:
        takes_over = rules.on_inconclusive == TAKE_OVER
        why = f"{rules.max_days} days have passed, and no reply was written"
        return Decision(INCONCLUSIVE, why, 100 if takes_over else 0)
    return decision


def as_decided(state: State, decision: Decision, share: int) -> dict[str, Any]:
    """What the state machine goes by: every key is there in each case.

    Args:
        share: that the challenger has now; a test that goes on never lessens it.
    """
    goes_on = decision.outcome == CONTINUE
    reason = decision.why
    if state.unreadable:
        reason += (
            f"; of {state.lines:,} lines {state.unreadable:,} are no events, the first: "
            f"{state.first_fault}"
        )
    return {
        "look": state.look,
        "outcome": decision.outcome,
        "reason": reason,
        "share": max(share, decision.share) if goes_on else decision.share,
        "takes_over": not goes_on and decision.share > 0,
        "metadata": metadata(state.test),
    }


def metadata(test: ABTest) -> dict[str, str]:
    """What is noted on the version: texts that its metadata takes."""
    (main_users, users), resolved = test.bets.users, test.bets.resolved
    return {
        "ab_users": f"main {main_users} challenger {users}",
        "ab_rates": f"main {_rate(resolved[0], main_users)} challenger {_rate(resolved[1], users)}",
        "ab_e_better": _number(test.e_better),
        "ab_e_worse": _number(test.e_worse),
    }


def _rate(part: int, whole: int) -> str:
    return f"{part / whole:.4f}" if whole else "none"


def _number(logarithm: float) -> str:
    """A number by its natural logarithm, which may be that of one too large for a float."""
    exponent = math.floor(logarithm / math.log(10))
    if -4 <= exponent < 6:
        return f"{math.exp(logarithm):.4g}"
    return f"{math.exp(logarithm - exponent * math.log(10)):.2f}e{exponent:+d}"


if __name__ == "__main__":
    main(sys.argv[1:])
