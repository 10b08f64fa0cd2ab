"""Deploys a version by a policy as SageMaker does: shares, waits, alarms and rollback.

The policy is UpdateEndpoint's DeploymentConfig. Time may be compressed: this applies to waits and
alarm periods, but not to latencies.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ninesteps.local.endpoint.connection import Answer, RequestRefused
from ninesteps.local.endpoint.fleet import Fleet, FleetClosedError, Request
from ninesteps.local.endpoint.observed import Observed, Seen, metric
from ninesteps.local.endpoint.router import Router
from ninesteps.settings.deploy import Alarm, step_instances

if TYPE_CHECKING:  # as in feature_store/leaks.py
    import known_answers
else:
    from ninesteps.containers import known_answers

NO_SUCH_KIND = (406, 415)
"""The statuses with which a version without JSON support refuses a request."""

PAUSE = 0.02
"""Seconds between checks while waiting only for golden answers."""


class RolledBackError(RuntimeError):
    """The new version was rolled back; the message gives the reason."""


@dataclass(frozen=True)
class Golden:
    """Records with known answers: the batch predictions from before the registration."""

    records: tuple[str, ...] = ()
    answers: tuple[str, ...] = ()
    content_types: tuple[str, ...] = (known_answers.CSV, known_answers.JSON)

    async def check(self, fleet: Fleet) -> None:
        """Send them to a version in every supported form.

        Raises:
            RolledBackError: if the answers differ or are missing, or if there are no golden
        requests.
        """
        if not self.records:
            raise RolledBackError("golden requests: expected some, got none")
        requests, difference = known_answers.golden(self.records, self.answers, self.content_types)
        for request in requests:
            answer = await _answered(
                fleet, Request(request.content_type, request.accept, request.body)
            )
            if request.may_be_refused and 400 <= answer.status < 500:
                continue
            if answer.status in NO_SUCH_KIND and known_answers.JSON in (
                request.content_type, request.accept,
            ):  # fmt: skip
                continue
            if answer.status != 200:
                raise RolledBackError(f"golden requests: status {answer.status}")
            if different := difference(request, answer.body):
                raise RolledBackError(f"golden requests: {different}")


@dataclass
class Deployment:
    """A deployment in progress."""

    version: int
    config: dict[str, Any]  # UpdateEndpoint's DeploymentConfig
    instances: int  # of the version: one process each
    alarms: Sequence[Alarm]
    golden: Golden
    time_scale: float  # seconds of the policy per real second
    phase: str = "starting"
    began: float = field(default_factory=time.monotonic)
    _in_alarm: dict[str, int] = field(default_factory=dict)  # consecutive periods

    @property
    def facts(self) -> dict[str, Any]:
        """Facts for the chain of events, besides the versions."""
        return {}

    async def run(self, router: Router, green: Fleet) -> Fleet | None:
        """Replace the version that serves with a new one, or start the first one.

        Raises:
            RolledBackError: if that failed; then the previous version serves alone again.
        """
        self.phase = "golden requests"
        policy = self.config["BlueGreenUpdatePolicy"]
        try:
            await self.golden.check(green)
            router.green = green
            async with asyncio.timeout(
                policy["MaximumExecutionTimeoutInSeconds"] / self.time_scale
            ):
                for part, seconds in steps(policy, self.instances) if router.blue else ():
                    router.turn(part, self.instances)
                    self.phase = f"{router.share} % of the traffic"
                    await self._watch(router.observed, green, seconds / self.time_scale)
        except TimeoutError:
            await self._go_back(router, green)
            raise RolledBackError("the deployment took longer than the policy allows") from None
        except FleetClosedError:
            await self._go_back(router, green)
            raise RolledBackError("the endpoint was stopped") from None
        except BaseException:
            await self._go_back(router, green)
            raise
        self.phase = "stopping the previous version"
        return router.take_over()

    async def _go_back(self, router: Router, green: Fleet) -> None:
        self.phase = "rolling back"
        router.give_up()
        await green.stop()

    async def _watch(self, observed: Observed, green: Fleet, seconds: float) -> None:
        """Wait, and check the alarms at the end of each period and of the wait.

        Golden requests are sent at the same time, so that a slow version does not delay an alarm.
        """
        end = time.monotonic() + seconds
        period = min((alarm.period_seconds for alarm in self.alarms), default=60) / self.time_scale
        checking = asyncio.create_task(self.golden.check(green))
        try:
            while True:
                began = time.monotonic()
                await asyncio.sleep(min(period, max(end - began, PAUSE)))
                self._look(observed.since(began))
                if checking.done():
                    checking.result()
                    if time.monotonic() >= end:
                        return
                    checking = asyncio.create_task(self.golden.check(green))
        finally:
            checking.cancel()
            await asyncio.wait([checking])

    def _look(self, seen: Sequence[Seen]) -> None:
        """Evaluate the alarms over one period's requests."""
        for alarm in self.alarms:
            value = metric(alarm, seen)
            goes_off = value is not None and value > alarm.threshold
            self._in_alarm[alarm.name] = goes_off * (self._in_alarm.get(alarm.name, 0) + 1)
            if self._in_alarm[alarm.name] >= alarm.periods:
                raise RolledBackError(
                    f"alarm {alarm.name}: {alarm.metric} ({alarm.statistic}) was {value:g}, "
                    f"above {alarm.threshold:g}"
                )


async def _answered(fleet: Fleet, request: Request) -> Answer:
    """The answer to a request, repeated until the queue has room."""
    while True:
        with contextlib.suppress(RequestRefused):
            return await fleet.send(request)


def steps(policy: dict[str, Any], instances: int) -> Iterator[tuple[int, float]]:
    """The numbers of new instances that get traffic in each step, with the seconds to wait after
    it.

    Whole instances are turned on, as in an account; all get equal shares.
    """
    routing = policy["TrafficRoutingConfiguration"]
    wait = routing["WaitIntervalInSeconds"]
    if routing["Type"] == "CANARY":
        yield _turned_on(routing["CanarySize"], instances), wait
    elif routing["Type"] == "LINEAR":
        step = _turned_on(routing["LinearStepSize"], instances)
        for part in range(step, instances, step):
            yield part, wait
    yield instances, policy["TerminationWaitInSeconds"]


def _turned_on(size: dict[str, Any], instances: int) -> int:
    """A CapacitySize as a number of instances."""
    is_percent = size["Type"] == "CAPACITY_PERCENT"
    return step_instances(size["Value"], instances) if is_percent else int(size["Value"])
