"""Serves a version beside the one that serves, as long as whoever runs the A/B test is there.

Who runs it deals the users out and decides; here a part of the requests is taken, and given back.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

from ninesteps.local.endpoint.blue_green import Deployment, RolledBackError
from ninesteps.local.endpoint.fleet import Fleet
from ninesteps.local.endpoint.router import Router

INTERRUPTED = "interrupted"
"""The outcome of a test that was left before it was decided: it can be gone on with."""

LEFT = "left before it was decided"


@dataclass
class AbDeployment(Deployment):
    """A version that is tested; `share` is what requests without a variant get, in percent."""

    share: int = 10
    decision: dict[str, Any] = field(default_factory=dict)  # outcome, why, and what is noted of it
    _router: Router | None = None
    _is_over: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def facts(self) -> dict[str, Any]:
        """What the chain of events says of the test."""
        decision = self.decision or {"outcome": INTERRUPTED}
        return {f"ab_{key}": value for key, value in decision.items() if key != "why"}

    async def run(self, router: Router, green: Fleet) -> Fleet | None:
        """Serve the version beside the other until the test is over.

        Raises:
            RolledBackError: if the version does not take over; the other serves alone again.
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
        self.phase = "stopping the version before"
        return router.take_over()

    def turn(self, share: int) -> None:
        """Give the version another share of the requests that name no variant."""
        self.share = share
        if self._router and not self._is_over.is_set():
            self._router.turn(share, 100)
            self.phase = f"A/B test, {share} % of the users"

    def end(self, decision: dict[str, Any], takes_over: bool) -> None:
        """The test was decided."""
        self.decision, self.share = decision, 100 if takes_over else 0
        self._is_over.set()

    def leave(self) -> None:
        """Whoever ran the test has gone."""
        if not self._is_over.is_set():
            self.end({}, takes_over=False)
