"""Routes requests to two versions, and counts their outcomes.

It has the two routes of SageMaker's containers: `/ping` and `/invocations`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from ninesteps.local.endpoint.connection import Answer, Head, RequestRefused
from ninesteps.local.endpoint.fleet import Fleet, FleetClosedError, Request
from ninesteps.local.endpoint.observed import Observed
from ninesteps.settings.deploy import share

if TYPE_CHECKING:  # as in feature_store/leaks.py
    from ab_events import CHALLENGER, MAIN
else:
    from ninesteps.containers.ab_events import CHALLENGER, MAIN

TARGET, INVOKED = "x-amzn-sagemaker-target-variant", "x-amzn-invoked-production-variant"
"""InvokeEndpoint's headers: the target variant, and the variant that answered."""

METHODS = {"/ping": ("GET", "HEAD"), "/invocations": ("POST",)}


class Router:
    """Routes requests to the version that serves and to the one being deployed."""

    def __init__(self, observed: Observed) -> None:
        self.observed = observed
        self.blue: Fleet | None = None  # serves
        self.green: Fleet | None = None  # is being deployed
        self.is_test = False  # whether requests may name both as variants
        self._part, self._whole, self._owed = 0, 1, 0

    @property
    def share(self) -> int:
        """The new version's percentage of the traffic."""
        return share(self._part, self._whole)

    def turn(self, part: int, whole: int) -> None:
        """Send this many requests out of each cycle to the new version."""
        self._part, self._whole, self._owed = part, whole, 0

    def take_over(self) -> Fleet | None:
        """Let the new version serve; return the previous one."""
        before, self.blue, self.green = self.blue, self.green, None
        self.is_test = False
        self.turn(0, 1)
        return before

    def give_up(self) -> Fleet | None:
        """Stop sending requests to the new version; return it."""
        green, self.green = self.green, None
        self.is_test = False
        self.turn(0, 1)
        return green

    async def answer(
        self, head: Head, body: bytes, is_waited_for: Callable[[], bool] = lambda: True
    ) -> Answer:
        """Answer one request, if its client is still waiting when its turn comes.

        Raises:
            RequestRefused: if no model is asked.
        """
        methods = METHODS.get(head.path)
        if methods is None:
            raise RequestRefused(404, "expected /ping or /invocations")
        if head.method not in methods:
            allow = ", ".join(methods)
            sentence = f"method: expected {allow}, got {head.method[:20]}"
            raise RequestRefused(405, sentence, ("allow", allow))
        if head.path == "/ping":
            return Answer(200 if self.blue else 503, "text/plain", b"")
        if "content-encoding" in head.headers:
            raise RequestRefused(415, "expected a plain body, got a compressed one")
        if not body:
            raise RequestRefused(400, "expected at least one record, got no body")
        kind, accept = (head.headers.get(name, "")[:200] for name in ("content-type", "accept"))
        request = Request(kind, accept, body, is_waited_for)
        return await self.invoke(request, head.headers.get(TARGET, ""))

    async def invoke(self, request: Request, variant: str = "") -> Answer:
        """Have a request answered by one of the versions, and observe it.

        Args:
            variant: the target; empty: the versions take turns according to their shares.

        Raises:
            RequestRefused: if there is no such variant, or no version.
        """
        while fleet := self._targeted(variant) if variant else self._next():
            began = time.perf_counter()
            try:
                answer = await fleet.send(request)
            except FleetClosedError:
                continue
            seconds = time.perf_counter() - began
            self.observed.note(fleet.version.number, answer.status, seconds, request.is_large)
            if self.is_test:
                invoked = CHALLENGER if fleet is self.green else MAIN
                return replace(answer, headers=(*answer.headers, (INVOKED, invoked)))
            return answer
        raise RequestRefused(503, "no version is served")

    def _targeted(self, variant: str) -> Fleet | None:
        """The version of a variant; outside a test there is only one variant."""
        known = (MAIN, CHALLENGER) if self.is_test else (MAIN,)
        if variant not in known:
            raise RequestRefused(
                400, f"{TARGET}: expected {' or '.join(known)}, got {variant[:50]!a}"
            )
        if not self.is_test:
            return self._next()
        return self.green if variant == CHALLENGER else self.blue

    def _next(self) -> Fleet | None:
        """The version whose turn it is; a cycle has as many requests as there are instances."""
        if self.green:
            self._owed += self._part
            if self._owed >= self._whole:
                self._owed -= self._whole
                return self.green
        return self.blue
