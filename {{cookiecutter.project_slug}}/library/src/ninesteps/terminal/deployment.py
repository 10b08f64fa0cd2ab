"""Shows a deployment in progress: each version's share of requests and its answers."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

from rich.live import Live
from rich.table import Table

from ninesteps.errors import DeployError
from ninesteps.local.endpoint.traffic import Caller
from ninesteps.runs.rehearsal import Known, Rehearsal
from ninesteps.terminal.console import Console

PAUSE = 0.2  # seconds between requests for its state

CONVERSATION = '{"messages": [{"role": "user", "content": "..."}]}'
"""A request to a language model."""


async def follow(
    rehearsal: Rehearsal, known: Known | None, per_second: float, as_json: bool
) -> dict[str, Any]:
    """Show a deployment until it ends and return its outcome; send traffic if asked to.

    The traffic begins when a version is served; before the first one there is none to ask.

    Args:
        known: the requests' contents, a record or a conversation each.
        per_second: requests per second; 0 for none.
    """
    requests, kind = (known.requests(), known.content_type) if known else ([], "")
    caller = Caller(rehearsal.port(), requests, kind)
    stop = asyncio.Event()
    traffic: asyncio.Task[None] | None = None
    console, status = Console(), dict[str, Any]()
    try:
        with Live(console=console, auto_refresh=False, transient=False) as live:
            async for status in _looks(rehearsal):
                _show(live, status, as_json)
                if (
                    per_second
                    and not traffic
                    and any(version["share"] for version in status["versions"])
                ):
                    traffic = asyncio.create_task(caller.steadily(per_second, stop))
        last = dict(status["last"])
    except DeployError:
        if not status:
            raise
        last = {"version": status["deploying"] or status["version"], "before": None,
                "outcome": "interrupted", "why": "the endpoint has stopped"}  # fmt: skip
    finally:
        stop.set()
        if traffic:
            await traffic
    if per_second:
        last["sent"] = dict(Counter(str(reply.status or "dropped") for reply in caller.replies))
    return last


async def _looks(rehearsal: Rehearsal) -> AsyncIterator[dict[str, Any]]:
    """Yield the endpoint's state repeatedly until its deployment has ended."""
    while True:
        status = await asyncio.to_thread(rehearsal.ask, "status")
        yield status
        if status["deploying"] is None:
            return
        await asyncio.sleep(PAUSE)


def _show(live: Live, status: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print(json.dumps(status), flush=True)  # noqa: T201  # an event a line
    elif live.console.is_terminal:
        live.update(table(status), refresh=True)


def table(status: dict[str, Any]) -> Table:
    """Each version's answers since the last deployment began."""
    title = f"{status['seconds']:.0f} s: {status['phase']}"
    shown = Table(title=title, title_justify="left")
    for name in ("version", "traffic", "requests", "failed", "p50", "p99"):
        shown.add_column(name, justify="right")
    for version in status["versions"]:
        times = [f"{version[key]:.1f} ms" if key in version else "" for key in ("p50_ms", "p99_ms")]
        counts = [str(version.get(key, 0)) for key in ("requests", "failed")]
        shown.add_row(str(version["version"]), f"{version['share']} %", *counts, *times)
    return shown


def address(rehearsal: Rehearsal) -> str:
    """The endpoint's address, and the type of request if it does not take records."""
    url = f"http://127.0.0.1:{rehearsal.port()}/invocations"
    if not rehearsal.settings.is_language_model:
        return url
    return f"{url}\nsend it application/json:\n{CONVERSATION}"


def decided(last: Mapping[str, Any]) -> Iterator[str]:
    """How the last deployment ended, who acted and why; empty if not recorded."""
    if "who" in last:
        yield f"{sentence(dict(last))}; by {last['who']}: {last['reason']}"


def standing(rehearsal: Rehearsal) -> str:
    """The endpoint's state after the command stops watching; the deployment continues."""
    try:
        status = rehearsal.ask("status")
    except DeployError:
        return "no endpoint is running here"
    if status["deploying"] is not None:
        return (
            f"version {status['deploying']} is still being deployed: `pipeline endpoint` shows it, "
            "`pipeline rollback` stops it"
        )
    return sentence(status["last"]) if status["last"] else "no version is served"


def sentence(last: dict[str, Any]) -> str:
    """How a deployment ended."""
    reason = last.get("not_entered")
    lost = f"; no entry could be added to the chain of events: {reason}" if reason else ""
    number, before = last["version"], last["before"]
    if last["outcome"] == "deployed":
        return f"version {number} serves{f', after version {before}' if before else ''}{lost}"
    serves = f"version {before} still serves" if before else "no version is served"
    return f"version {number} was {last['outcome']}: {last['why']}; {serves}{lost}"
