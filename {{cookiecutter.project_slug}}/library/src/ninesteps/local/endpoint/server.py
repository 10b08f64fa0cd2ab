"""The endpoint's server: one address for requests, and one for commands.

    python -m ninesteps.local.endpoint.server OPTIONS.json

Both addresses are on 127.0.0.1. A command is a line of JSON with a token, which is in a file that
only this user can read. The address for requests accepts no commands.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import json
import os
import secrets
import shutil
import signal
import socket
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ninesteps.errors import NineStepsError
from ninesteps.local.endpoint.ab_test import AbDeployment
from ninesteps.local.endpoint.blue_green import Deployment, Golden, RolledBackError
from ninesteps.local.endpoint.connection import MAX_CONNECTIONS, Clients, Connection
from ninesteps.local.endpoint.control import ADDRESS, LOCALHOST, port_refused
from ninesteps.local.endpoint.deployments import DEPLOYED, DEPLOYMENTS
from ninesteps.local.endpoint.fleet import Fleet, FleetError, ServedVersion
from ninesteps.local.endpoint.observed import Observed, totals
from ninesteps.local.endpoint.router import Router
from ninesteps.local.endpoint.serving import Serving, moment
from ninesteps.local.state import State, digest_of_text
from ninesteps.settings.deploy import Alarm

DECIDED = ("who", "reason")
"""The fields for who deploys or rolls back, and why."""

MAX_COMMAND = 16 * 1024 * 1024
COMMAND_SECONDS = 10.0  # to receive a command
END_SECONDS = 5.0  # to answer current requests
WAITING = 2048  # connections waiting to be accepted


@dataclass(frozen=True)
class Options:
    """The options of an endpoint."""

    folder: str  # with address, logs and deployments
    port: int  # 0: any free port
    state: str = ""  # the file with the chain of events; empty: deployments are not entered
    request_seconds: float = 60.0  # SageMaker's limit for an answer
    receive_seconds: float = 10.0  # limit for sending a request


class Endpoint:
    """The version that serves, and the deployment in progress."""

    def __init__(self, options: Options) -> None:
        self._options, self._folder = options, Path(options.folder)
        self._router = Router(Observed())
        self._serving = Serving(self._folder, self._router.observed)
        self._token = secrets.token_hex(16)
        self._previous: int | None = None
        self._deployment: Deployment | None = None
        self._last: dict[str, Any] = {}
        self._cancelled: dict[str, str] = {}  # who, and why
        self._task: asyncio.Task[None] | None = None
        self._began = time.monotonic()
        self._clients = Clients(_most_connections())
        self._to_end = asyncio.Event()

    async def run(self) -> None:
        """Serve until stopped."""
        loop, public = asyncio.get_running_loop(), _listening(self._options.port)
        for number in (signal.SIGINT, signal.SIGTERM):
            with contextlib.suppress(NotImplementedError):  # Windows
                loop.add_signal_handler(number, self._to_end.set)
        control = await asyncio.start_server(self._command, LOCALHOST, 0, limit=MAX_COMMAND)
        serving = await loop.create_server(self._connection, sock=public, backlog=WAITING)
        try:
            self._serving.close_earlier()
            self._write_address(public, control)
            while not self._to_end.is_set():
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._to_end.wait(), 1)
                self._serving.write()
                if not (self._folder / ADDRESS).exists():  # nobody could stop it
                    self._to_end.set()
            serving.close()
            await self._answer_the_last()
        finally:
            self._to_end.set()
            control.close()
            if self._task:
                self._task.cancel()
                await asyncio.wait([self._task])
            if self._router.blue:
                await self._router.blue.stop()
                self._forget(self._router.blue.version)
            self._serving.end_all("the endpoint was stopped")
            self._remove_address()  # last: the command that stopped the endpoint waits for this

    def _connection(self) -> Connection:
        return Connection(self._router.answer, self._options.receive_seconds, self._clients)

    async def _answer_the_last(self) -> None:
        """Answer current requests, then close all connections."""
        until = time.monotonic() + END_SECONDS
        while self._clients.connections and time.monotonic() < until:
            for connection in [*self._clients.connections]:
                connection.end()
            await asyncio.sleep(0.01)
        for connection in [*self._clients.connections]:
            connection.abort()

    def _write_address(self, public: socket.socket, control: asyncio.Server) -> None:
        """Write the address atomically, readable by this user only."""
        content = {"pid": os.getpid(), "port": public.getsockname()[1], "token": self._token,
                   "control": control.sockets[0].getsockname()[1]}  # fmt: skip
        part = self._folder / f"{ADDRESS}.part"
        part.unlink(missing_ok=True)
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            json.dump(content, file)
        part.replace(self._folder / ADDRESS)

    def _remove_address(self) -> None:
        """Remove the file with the address, unless another endpoint has replaced it."""
        with contextlib.suppress(OSError, ValueError):
            content = json.loads((self._folder / ADDRESS).read_text(encoding="utf-8"))
            if content["token"] == self._token:
                (self._folder / ADDRESS).unlink()

    async def _command(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one command with the right token; none once the endpoint is stopping.

        The outcome of an interrupted deployment is in the file of deployments.
        """
        with contextlib.suppress(ConnectionError, ValueError, TimeoutError):
            async with asyncio.timeout(COMMAND_SECONDS):
                given = json.loads(await reader.readline())
            token = given.pop("token", "") if isinstance(given, dict) else ""
            is_known = hmac.compare_digest(str(token).encode(), self._token.encode())
            if is_known and not self._to_end.is_set():
                known: dict[str, Callable[..., Awaitable[dict[str, Any]]]] = {
                    "status": self._status, "deploy": self._deploy, "cancel": self._cancel,
                    "stop": self._stop, "ab_share": self._ab_share, "ab_end": self._ab_end,
                }  # fmt: skip
                answer = await known[given.pop("do")](**given)
                writer.write(json.dumps(answer).encode() + b"\n")
                await writer.drain()
                if given.get("ab") and not answer:
                    await self._until_left(reader)
        writer.close()

    async def _until_left(self, reader: asyncio.StreamReader) -> None:
        """Wait until the client of an A/B test closes the connection, which ends the test.

        The system also closes it if the client is killed.
        """
        deployment = self._deployment
        with contextlib.suppress(ConnectionError):
            await reader.read()
        if isinstance(deployment, AbDeployment):
            deployment.leave()

    async def _status(self) -> dict[str, Any]:
        router, deployment = self._router, self._deployment
        served = router.blue.version.number if router.blue else None
        shares = {served: 100 - router.share} if served is not None else {}
        fleets = [fleet for fleet in (router.blue, router.green) if fleet]
        if router.green:
            shares[router.green.version.number] = router.share
        seen = totals(router.observed.since(self._began))
        return {
            "version": served,
            "previous": self._previous,
            "deploying": deployment and deployment.version,
            "phase": deployment.phase if deployment else "serving" if served else "",
            "seconds": round(time.monotonic() - self._began, 3),
            "last": self._last,
            "versions": [
                {"version": number, "share": shares.get(number, 0),
                 **(asdict(seen[number]) if number in seen else {})}
                for number in sorted({*shares, *seen})
            ],
            "processes": {fleet.version.number: fleet.pids for fleet in fleets},
        }  # fmt: skip

    async def _deploy(
        self,
        version: dict[str, Any],
        config: dict[str, Any],
        instances: int,
        alarms: list[dict[str, Any]],
        golden: dict[str, Any],
        time_scale: float,
        by_hand: bool = False,
        package: dict[str, str] | None = None,
        ab: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Start to deploy a version.

        Args:
            package: further facts for the chain of events, with `who` deploys it and their
                `reason`, which is recorded as a digest.
            ab: for an A/B test, the challenger's `share` in percent; the test lasts until it is
        decided or this connection closes.
        """
        if self._deployment:
            return {"error": f"version {self._deployment.version} is being deployed"}
        if self._router.blue and self._router.blue.version.number == version["number"]:
            return {"error": f"version {version['number']} is already served"}
        if ab and not self._router.blue:
            return {"error": "an A/B test needs a version that serves, but none does"}
        requests = Golden(**{name: tuple(values) for name, values in golden.items()})
        kind = AbDeployment if ab else Deployment
        deployment = kind(
            version["number"], config, instances, [Alarm(**alarm) for alarm in alarms], requests,
            time_scale, **(ab or {}),
        )  # fmt: skip
        self._deployment, self._began = deployment, deployment.began
        served = ServedVersion(**version)
        self._task = asyncio.create_task(self._run(deployment, served, by_hand, package or {}))
        return {}

    async def _run(
        self,
        deployment: Deployment,
        version: ServedVersion,
        by_hand: bool,
        package: dict[str, str],
    ) -> None:
        before = self._router.blue.version.number if self._router.blue else None
        noted: dict[str, Any] = {"version": version.number, "before": before, "by_hand": by_hand}
        noted |= {name: package[name] for name in DECIDED if name in package}
        package = {name: text for name, text in package.items() if name not in DECIDED}
        group = {"group": package["group"]} if "group" in package else {}
        self._note({**noted, **group, "event": "began", "policy": deployment.config})
        log = self._folder / f"version-{version.number}.log"
        options = self._options
        fleet = Fleet(version, deployment.instances, log, options.request_seconds)
        outcome, why = "interrupted", "the endpoint was stopped"
        try:
            await fleet.start()
            self._serving.begin(version.number, self._begun())
            replaced = await deployment.run(self._router, fleet)
            self._previous, outcome, why = before, DEPLOYED, ""
            if replaced:
                await asyncio.shield(replaced.stop())
                self._forget(replaced.version)
        except (FleetError, RolledBackError) as error:
            outcome, why = "rolled back", str(error)
        except asyncio.CancelledError:
            if outcome != DEPLOYED:
                outcome, why = "rolled back", "by hand"
                noted |= self._cancelled
        finally:
            if outcome != DEPLOYED:
                self._forget(version)
                self._serving.end(version.number, outcome, is_noted=False)
            elif before is not None:
                self._serving.end(before, f"version {version.number} took over")
            self._deployment = None
            seen = totals(self._router.observed.since(deployment.began))
            how = {"event": "ended", "outcome": outcome, "why": why}
            by_version = {number: asdict(total) for number, total in seen.items()}
            noted |= deployment.facts
            kept = self._enter(noted, outcome, why, {**package, **deployment.facts})
            self._last = {**noted, **how, **kept, "seen": by_version}
            self._note(self._last)

    def _enter(
        self, noted: dict[str, Any], outcome: str, why: str, package: dict[str, Any]
    ) -> dict[str, str]:
        """Enter a deployment in the chain of events; return the error if that failed."""
        number, before = noted["version"], noted["before"]
        is_deployed = outcome == DEPLOYED
        kind = "deployed" if is_deployed and not noted["by_hand"] else "rolled back"
        change = {"from": before, "to": number} if is_deployed else {"from": number, "to": before}
        facts = {**package, "version": number, **change, "by_hand": noted["by_hand"]}
        if "who" in noted:
            facts |= {"who": noted["who"], "reason_sha256": digest_of_text(noted["reason"])}
        if not is_deployed:  # the reason may be a model's error that quotes a record
            facts["why_sha256"] = digest_of_text(why)
        try:
            if self._options.state:
                State(Path(self._options.state)).append_event(kind, facts)
        except NineStepsError as error:
            return {"not_entered": str(error)}
        return {}

    async def _cancel(self, **decided: str) -> dict[str, Any]:
        """Roll the deployment back; `decided` has who decided it and why."""
        if not self._deployment or not self._task:
            return {"error": "no version is being deployed"}
        self._cancelled = {name: decided[name] for name in DECIDED if name in decided}
        self._task.cancel()
        return {}

    async def _ab_share(self, share: int) -> dict[str, Any]:
        """Change the tested version's share, in percent."""
        if not isinstance(self._deployment, AbDeployment):
            return {"error": "no version is being tested"}
        self._deployment.turn(share)
        return {}

    async def _ab_end(self, decision: dict[str, Any], takes_over: bool) -> dict[str, Any]:
        """End the test; `decision` has the outcome, the reason, and what to record."""
        if not isinstance(self._deployment, AbDeployment):
            return {"error": "no version is being tested"}
        self._deployment.end(decision, takes_over)
        return {}

    async def _stop(self) -> dict[str, Any]:
        self._to_end.set()
        return {}

    def _forget(self, version: ServedVersion) -> None:
        """Delete the unpacked archive of a version that no longer serves, if this endpoint made
        it."""
        if Path(version.archive).is_relative_to(self._folder):
            shutil.rmtree(version.archive, ignore_errors=True)

    def _begun(self) -> int:
        """How many deployments have started, including the current one."""
        text = (self._folder / DEPLOYMENTS).read_text(encoding="utf-8")
        return sum('"event": "began"' in line for line in text.splitlines())

    def _note(self, event: dict[str, Any]) -> None:
        with (self._folder / DEPLOYMENTS).open("a", encoding="utf-8") as file:
            file.write(json.dumps({"at": moment(), **event}) + "\n")
            file.flush()
            os.fsync(file.fileno())


def _listening(port: int) -> socket.socket:
    """A socket on a port; asyncio sets TCP_NODELAY only if the protocol is given as TCP."""
    public = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    if os.name == "posix":  # elsewhere it would allow two servers on one port
        public.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    public.bind((LOCALHOST, port))
    return public


def _most_connections() -> int:
    """The most connections at a time: the process needs some of its open files for other things.

    Without this limit, further connections would be neither accepted nor refused.
    """
    if sys.platform == "win32":
        return MAX_CONNECTIONS
    import resource

    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MAX_CONNECTIONS if files == resource.RLIM_INFINITY else min(MAX_CONNECTIONS, files // 2)


def main(file: str) -> None:
    """Run an endpoint."""
    options = Options(**json.loads(Path(file).read_text(encoding="utf-8")))
    try:
        asyncio.run(Endpoint(options).run())
    except OSError as error:
        sys.exit(port_refused(options.port, error))


if __name__ == "__main__":
    main(sys.argv[1])
