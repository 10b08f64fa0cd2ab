"""`pipeline deploy V --ab`: simulated users, real requests and real processes on this machine.

The users' time is compressed: requests are sent as fast as they are answered, and each event has
its simulated moment. The only state is a file of events: a test that was stopped at any moment,
even by a kill, continues from there.
"""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import json
import math
import os
import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ninesteps.errors import DeployError
from ninesteps.local.endpoint.router import TARGET
from ninesteps.local.endpoint.traffic import Caller
from ninesteps.local.state import ModelPackage, State, digest_of
from ninesteps.runs.ab_plan import rules_of
from ninesteps.runs.rehearsal import Rehearsal

if TYPE_CHECKING:  # as in feature_store/leaks.py
    import ab_decision
    import ab_events
    import personal_data
    from refusals import refuses
else:
    from ninesteps.containers import ab_decision, ab_events, personal_data
    from ninesteps.containers.refusals import refuses

EVENTS, TEST, PAGE = "events.jsonl", "test.json", "page.html"
"""The files of a test: its events, its definition, and what is shown of it."""

RETURNING = 0.2
"""The share of simulated requests from returning users."""

UNKNOWN = 0.02
"""The share of simulated outcomes that are never reported."""

OUTCOME_HOURS = 6.0
"""The average delay of an outcome; all are reported within the window."""

BATCH = 64
"""Requests between two looks at the shares."""

CALLERS = 4
"""Concurrent requests."""

AFTER = 0.05  # seconds between looks at the endpoint
READY_SECONDS = 120.0


@dataclass(frozen=True)
class Population:
    """Simulated users; each is the same every time."""

    users: int  # new ones a day
    rates: tuple[float, float]  # the true shares of good outcomes: of main and the challenger
    seed: int
    began: float  # the first user's moment, in seconds since 1970
    window: float  # seconds in which an outcome counts

    def moment(self, number: int) -> float:
        """When a request comes."""
        return self.began + number * ab_decision.DAY * (1 - RETURNING) / self.users

    def user(self, number: int) -> str:
        """Whose request it is."""
        chance = random.Random(f"{self.seed} user {number}")  # noqa: S311
        is_new = not number or chance.random() >= RETURNING
        return f"user {number if is_new else chance.randrange(number)}"

    def outcome(self, reply: ab_events.Reply, number: int) -> ab_events.Outcome | None:
        """The outcome of a reply; None: never reported. A failed reply is a bad outcome."""
        chance = random.Random(f"{self.seed} outcome {number}")  # noqa: S311
        is_known, hours = chance.random() >= UNKNOWN, chance.expovariate(1 / OUTCOME_HOURS)
        value = chance.random() < self.rates[reply.arm] and reply.status == 200
        if not is_known:
            return None
        moment = reply.time + min(hours * 3600, self.window - 1)
        return ab_events.Outcome(moment, reply.id, value)


@dataclass
class Run:
    """A running test."""

    rehearsal: Rehearsal
    package: ModelPackage  # the version that is tested
    before: int  # the version that serves
    folder: Path
    population: Population
    salt: str
    test: ab_decision.ABTest
    requests: int = 0  # that have been answered
    _due: list[tuple[float, int, ab_events.Outcome]] = field(default_factory=list)  # a heap

    async def go_on(self, show: Callable[[Run], None]) -> None:
        """Send requests until the test is decided, and tell the endpoint.

        Raises:
            DeployError: if the endpoint stops, or no longer tests the version.
        """
        known = self.rehearsal.known(self.package)
        caller = Caller(self.rehearsal.port(), known.requests(), known.content_type)
        await self._until_ready()
        share = self.test.share
        self.rehearsal.ask("ab_share", share=share)
        with (self.folder / EVENTS).open("a", encoding="utf-8") as file:
            while not self.test.has_ended:
                events = await self._batch(caller, share)
                file.write("".join(f"{ab_events.line(event)}\n" for event in events))
                file.flush()
                os.fsync(file.fileno())
                for event in events:
                    self.test.add(event)
                show(self)
                if self.test.share != share and not self.test.has_ended:
                    share = self.test.share
                    self.rehearsal.ask("ab_share", share=share)
        caller.close()
        self.rehearsal.ask("ab_end", decision=self.noted(), takes_over=self.test.share == 100)

    def noted(self) -> dict[str, Any]:
        """The test's entry for the chain of events, with why it ended."""
        decision, users = self.test.decision, self.test.bets.users
        return {
            "outcome": decision.outcome,
            "why": decision.why,
            "users": sum(users),
            "events_sha256": digest_of(self.folder / EVENTS),
        }

    async def _until_ready(self) -> None:
        """Wait until both versions serve."""
        until = time.monotonic() + READY_SECONDS
        while True:
            status = await asyncio.to_thread(self.rehearsal.ask, "status")
            if status["deploying"] is None:
                raise DeployError(f"the A/B test did not begin: {status['last'].get('why', '')}")
            if status["phase"].startswith("A/B test"):
                return
            if time.monotonic() > until:
                raise DeployError("the A/B test did not begin: the version took too long to start")
            await asyncio.sleep(AFTER)

    async def _batch(self, caller: Caller, share: int) -> list[ab_events.Event]:
        """The next requests, and the outcomes until then, in order of time."""
        turns = asyncio.Semaphore(CALLERS)

        async def call(number: int) -> ab_events.Reply:
            user = ab_events.user_digest(self.salt, self.population.user(number))
            variant = ab_events.variant_of(user, share)
            async with turns:
                reply = await caller.ask(number, time.monotonic(), (TARGET, variant))
            if not reply.status:
                raise DeployError(
                    f"the endpoint has stopped; once version {self.before} serves again, the "
                    "same command continues the test"
                )
            refused, leaked = looked_at(
                caller.records[reply.record], reply.body, self.rehearsal.settings.judge.refusals
            )
            return ab_events.Reply(
                self.population.moment(number), f"r{number}", user, share, variant, reply.status,
                round(reply.seconds * 1000, 3), refused, leaked,
            )  # fmt: skip

        numbers = range(self.requests, self.requests + BATCH)
        replies = await asyncio.gather(*map(call, numbers))
        for number, reply in zip(numbers, replies, strict=True):
            self._expect(number, reply)
        self.requests += BATCH
        until = self.population.moment(self.requests)
        events: list[ab_events.Event] = [*replies]
        while self._due and self._due[0][0] < until:
            events.append(heapq.heappop(self._due)[2])
        return sorted(events, key=lambda event: event.time)

    def _expect(self, number: int, reply: ab_events.Reply) -> None:
        if outcome := self.population.outcome(reply, number):
            heapq.heappush(self._due, (outcome.time, number, outcome))

    def take_up(self) -> None:
        """Continue from the file of events; an incomplete last line is removed.

        No other command writes to it: the endpoint tests one version at a time.

        Raises:
            DeployError: if the file was changed and cannot be from a test.
        """
        file = self.folder / EVENTS
        file.touch()
        content = file.read_bytes()
        whole = content[: content.rfind(b"\n") + 1]
        if whole != content:
            os.truncate(file, len(whole))
        told = set()
        replies = []
        try:
            for event in ab_events.read_lines(whole.decode().splitlines(keepends=True)):
                self.test.add(event)
                if event.kind == "reply":
                    replies.append(event)
                else:
                    told.add(event.id)
        except (ab_events.EventError, UnicodeDecodeError) as error:
            raise DeployError(f"{file}: {error}") from None
        for reply in replies:
            if reply.id not in told:
                self._expect(_number(reply), reply)
        self.requests = max((_number(reply) + 1 for reply in replies), default=0)


def looked_at(asked: bytes, body: bytes, refusals: Sequence[str]) -> tuple[bool, bool]:
    """Whether a language model's reply refuses to answer, and whether it leaks personal data.

    Any other answer, such as a prediction for a record, does neither.
    """
    try:
        messages, reply = json.loads(asked)["messages"], json.loads(body)["reply"]
        prompt = [str(message["content"]) for message in messages]
    except (ValueError, TypeError, KeyError):
        return False, False
    return refuses(str(reply), refusals), bool(personal_data.leaked(str(reply), prompt))


def _number(reply: ab_events.Reply) -> int:
    return int(reply.id.removeprefix("r"))


def folder_of_tests(local: Path) -> Path:
    """Where tests are kept, a folder each."""
    return local / "ab_tests"


def find(
    rehearsal: Rehearsal,
    package: ModelPackage,
    before: int,
    users: int,
    rates: tuple[float, float],
    seed: int,
) -> Run:
    """The test that was stopped before a decision, if it is the same test; otherwise a new one."""
    of = _about(rehearsal, package, before, users, rates, seed)
    for folder, content in _tests(rehearsal.local):
        if _is_open(content, of):
            return _run(rehearsal, package, folder, content)
    root = folder_of_tests(rehearsal.local)
    folder = root / f"{len([*root.glob('[0-9]*')]) + 1:04}"
    folder.mkdir(parents=True)
    content = {**of, "began": float(math.floor(time.time()))}
    _write(folder, content)
    return _run(rehearsal, package, folder, content)


def ended_unseen(
    rehearsal: Rehearsal, package: ModelPackage, users: int, rates: tuple[float, float], seed: int
) -> Run | None:
    """The same test, if the endpoint has ended it but its command was killed before recording that.

    The chain of events already has how it ended, so it gets no second entry.
    """
    entered = State(rehearsal.local / "state.db", read_only=True).events()
    ended = {event.facts.get("ab_events_sha256") for event in entered}
    for folder, content in _tests(rehearsal.local):
        of = _about(rehearsal, package, int(content["before"]), users, rates, seed)
        events = folder / EVENTS
        if _is_open(content, of) and events.exists() and digest_of(events) in ended:
            run = _run(rehearsal, package, folder, content)
            run.take_up()
            return run
    return None


def _about(
    rehearsal: Rehearsal,
    package: ModelPackage,
    before: int,
    users: int,
    rates: tuple[float, float],
    seed: int,
) -> dict[str, Any]:
    """What identifies a test."""
    ab = rehearsal.settings.ab
    return {"group": package.group, "version": package.version, "before": before,
            "salt": ab.salt_of(package.group, package.version),
            "rules": asdict(rules_of(rehearsal.settings)), "users": users, "rates": list(rates),
            "seed": seed, "outcome": ab.outcome}  # fmt: skip


def _is_open(content: dict[str, Any], of: dict[str, Any]) -> bool:
    """Whether a stored test is the same, and its end was not recorded."""
    return {key: content.get(key) for key in of} == of and "decision" not in content


def keep(run: Run, decision: dict[str, Any]) -> None:
    """Write down how a test ended."""
    content = json.loads((run.folder / TEST).read_text(encoding="utf-8"))
    _write(run.folder, {**content, "decision": decision})


def _run(rehearsal: Rehearsal, package: ModelPackage, folder: Path, content: dict[str, Any]) -> Run:
    rates = (content["rates"][0], content["rates"][1])
    window = content["rules"]["window_hours"] * 3600
    population = Population(content["users"], rates, content["seed"], content["began"], window)
    test = ab_decision.ABTest(ab_decision.Rules.from_json(content["rules"]))
    return Run(rehearsal, package, content["before"], folder, population, content["salt"], test)


def _tests(local: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    """The tests that are kept, the newest first."""
    for folder in sorted(folder_of_tests(local).glob("[0-9]*"), reverse=True):
        with contextlib.suppress(OSError, ValueError):
            yield folder, dict(json.loads((folder / TEST).read_text(encoding="utf-8")))


def _write(folder: Path, content: dict[str, Any]) -> None:
    part = folder / f"{TEST}.part"
    part.write_text(json.dumps(content, indent=2), encoding="utf-8")
    part.replace(folder / TEST)
