"""Serves a version beside the current one while the A/B test's client stays connected.

The client assigns users and decides; the endpoint only routes a share of the requests.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

from ninesteps.local.endpoint.blue_green import Deployment, RolledBackError
from ninesteps.local.endpoint.fleet import Fleet
from ninesteps.local.endpoint.router import Router

INTERRUPTED = "interrupted"
"""The outcome of a test that was left undecided: it can be continued."""

LEFT = "left undecided"


@dataclass
class AbDeployment(Deployment):
    """A version in an A/B test; `share` is its percentage of requests that name no variant."""

    share: int = 10
    decision: dict[str, Any] = field(default_factory=dict)  # outcome, reason, and what is recorded
    _router: Router | None = None
    _is_over: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def facts(self) -> dict[str, Any]:
        """The test's facts for the chain of events."""
        decision = self.decision or {"outcome": INTERRUPTED}
        return {f"ab_{key}": value for key, value in decision.items() if key != "why"}

    async def run(self, router: Router, green: Fleet) -> Fleet | None:
        """Serve the version beside the other until the test is over.

        Raises:
            RolledBackError: if the version does not take over; then the other serves alone again.
        """
        self.phase = "golden requests"
        try:
            await self.golden.check(green)
            router.green, router.is_test, self._router = green, True, router
            self.turn(self.share)
            await self._is_over.wait()
            if self.share < 100:
                raise RolledBackError(f"A/B test: {self.decision.get('why', LEFT)}")
        except BaseException:
            await self._go_back(router, green)
            raise
        self.phase = "stopping the previous version"
        return router.take_over()

    def turn(self, share: int) -> None:
        """Change the version's share of requests that name no variant."""
        self.share = share
        if self._router and not self._is_over.is_set():
            self._router.turn(share, 100)
            self.phase = f"A/B test, {share} % of the users"

    def end(self, decision: dict[str, Any], takes_over: bool) -> None:
        """The test was decided."""
        self.decision, self.share = decision, 100 if takes_over else 0
        self._is_over.set()

    def leave(self) -> None:
        """The test's client has disconnected."""
        if not self._is_over.is_set():
            self.end({}, takes_over=False)
