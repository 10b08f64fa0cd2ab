"""Shows a deployment as it goes on: who gets how much, and how they answer."""

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

PAUSE = 0.2  # seconds between looks

CONVERSATION = '{"messages": [{"role": "user", "content": "..."}]}'
"""A request to a language model."""


async def follow(
    rehearsal: Rehearsal, known: Known | None, per_second: float, as_json: bool
) -> dict[str, Any]:
    """Show a deployment until it ends, and give how; with traffic of one's own if asked for.

    It begins once a version is served: before the first there is nobody to ask.

    Args:
        known: what is sent, a record or a conversation a request.
        per_second: requests; 0 for none.
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
                "outcome": "interrupted", "why": "the endpoint has ended"}  # fmt: skip
    finally:
        stop.set()
        if traffic:
            await traffic
    if per_second:
        last["sent"] = dict(Counter(str(reply.status or "dropped") for reply in caller.replies))
    return last


async def _looks(rehearsal: Rehearsal) -> AsyncIterator[dict[str, Any]]:
    """What the endpoint says of itself, again and again, until its deployment has ended."""
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
    """How each version answers, since the last deployment began."""
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
    """Where the endpoint is asked, and how, where that is no record of the table."""
    url = f"http://127.0.0.1:{rehearsal.port()}/invocations"
    if not rehearsal.settings.is_language_model:
        return url
    return f"{url}, with the type application/json:\n{CONVERSATION}"


def decided(last: Mapping[str, Any]) -> Iterator[str]:
    """How the last deployment ended, and by whom and why; nothing where that was not kept."""
    if "who" in last:
        yield f"{sentence(dict(last))}; by {last['who']}: {last['reason']}"


def standing(rehearsal: Rehearsal) -> str:
    """How the endpoint stands, for who no longer follows a deployment: that goes on by itself."""
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
    lost = f"; the chain of events has no entry of it: {reason}" if reason else ""
    number, before = last["version"], last["before"]
    if last["outcome"] == "deployed":
        return f"version {number} serves{f', after version {before}' if before else ''}{lost}"
    serves = f"version {before} still serves" if before else "no version is served"
    return f"version {number} was {last['outcome']}: {last['why']}; {serves}{lost}"
