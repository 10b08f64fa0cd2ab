"""Sends commands to the endpoint on this machine, and finds which version it serves."""

from __future__ import annotations

import errno
import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ninesteps.errors import DeployError

LOCALHOST = "127.0.0.1"
ADDRESS = "endpoint.json"
"""The file in the endpoint's folder with its address and token, while it runs."""

_NONE_RUNS = "no endpoint is running here; `pipeline deploy V` starts one"


def port_refused(port: int, error: OSError) -> str:
    """Why a port cannot be listened on, and what to do: of one that is in use or not allowed."""
    reason = error.strerror or str(error)
    if error.errno in (errno.EADDRINUSE, errno.EACCES):
        reason += "; use another port, or --port 0 for any free one"
    return f"port {port} of {LOCALHOST}: {reason}"


def ask(folder: Path, command: str, **arguments: Any) -> dict[str, Any]:
    """Send the endpoint of a folder a command.

    Raises:
        DeployError: with the endpoint's own message, or if it is not running.
    """
    with asked(folder, command, **arguments) as answer:
        return answer


@contextmanager
def asked(folder: Path, command: str, **arguments: Any) -> Iterator[dict[str, Any]]:
    """The same with an open connection: an A/B test ends when it closes."""
    running = address(folder)
    content = {"do": command, "token": running["token"], **arguments}
    try:
        control = socket.create_connection((LOCALHOST, running["control"]), timeout=30)
    except OSError:
        raise DeployError(_NONE_RUNS) from None
    with control:
        try:
            control.sendall(json.dumps(content).encode() + b"\n")
            with control.makefile("rb") as reply:
                answer = dict(json.loads(reply.readline()))
        except (OSError, ValueError):
            raise DeployError(_NONE_RUNS) from None
        if "error" in answer:
            raise DeployError(answer["error"])
        yield answer


def address(folder: Path) -> dict[str, Any]:
    """Where the endpoint of a folder listens.

    Raises:
        DeployError: if no endpoint is running.
    """
    try:
        return dict(json.loads((folder / ADDRESS).read_text(encoding="utf-8")))
    except (OSError, ValueError):
        raise DeployError(_NONE_RUNS) from None


def serving(local: Path) -> int | None:
    """The version that the endpoint of a folder such as `.local` serves; None if none does."""
    try:
        version = ask(local / "endpoint", "status")["version"]
    except DeployError:
        return None
    return None if version is None else int(version)
