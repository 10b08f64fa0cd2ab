"""Serves the pages to a browser on this machine: on 127.0.0.1, and read-only.

A page of another site could make a browser send requests here, by a name that resolves to 127.0.0.1
(DNS rebinding). Therefore, requests for any host name but this server's are refused.
"""

from __future__ import annotations

import contextlib
import re
import socketserver
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from ninesteps.errors import NineStepsError
from ninesteps.report.template import csp_hash
from ninesteps.ui import pages
from ninesteps.ui.machine import Machine

ADDRESS = "127.0.0.1"
LONGEST_WAIT = 10
"""Seconds after which a silent connection is closed."""

_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_NOTHING = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
_REPORT = (
    f"{_NOTHING}; style-src 'unsafe-inline'; script-src 'unsafe-inline'; sandbox allow-scripts"
)
"""The report's own policy, by hashes, also applies; this one blocks every request from it."""


@dataclass(frozen=True)
class Answer:
    """A response."""

    status: HTTPStatus
    html: bytes
    policy: str


def answer(machine: Machine, target: str) -> Answer:
    """The page at a target such as `/runs/abc?x=1`."""
    try:
        return _page(machine, target)
    except NineStepsError as error:
        return _said(
            machine, HTTPStatus.INTERNAL_SERVER_ERROR, "The page cannot be made", f"{error}."
        )


def _page(machine: Machine, target: str) -> Answer:
    split = urlsplit(target)
    if split.path == "/":
        asked = parse_qs(split.query)
        at = (_number(asked, name) for name in ("runs", "versions"))
        return _own(machine, pages.index(machine, *at))
    version = re.fullmatch(r"/versions/([1-9][0-9]{0,8})", split.path)
    if version and int(version[1]) in {v.number for v in machine.versions()}:
        return _own(machine, pages.version(machine, int(version[1])))
    run = re.fullmatch(r"/runs/([^/]{1,100})(/report\.html)?", split.path)
    if run and machine.knows(run[1]):  # only a known run leads to a file
        return _report(machine, run[1]) if run[2] else _own(machine, pages.run(machine, run[1]))
    return _said(machine, HTTPStatus.NOT_FOUND, "Page not found",
                 "No run or version on this machine has this address.")  # fmt: skip


def _report(machine: Machine, run: str) -> Answer:
    page = machine.report(run)
    if page is None:
        return _said(machine, HTTPStatus.NOT_FOUND, "This run has no report",
                     f"To write it: pipeline report {run}")  # fmt: skip
    return Answer(HTTPStatus.OK, page.read_bytes(), _REPORT)


def _said(machine: Machine, status: HTTPStatus, title: str, says: str) -> Answer:
    return _own(machine, pages.message(machine, title, says), status)


def _own(machine: Machine, html: str, status: HTTPStatus = HTTPStatus.OK) -> Answer:
    policy = f"{_NOTHING}; style-src '{csp_hash(pages.style())}'"
    return Answer(status, html.encode(), policy)


def _number(asked: dict[str, list[str]], name: str) -> int:
    (text, *_) = asked.get(name, ["1"])
    return int(text) if re.fullmatch(r"[0-9]{1,6}", text) else 1


class Server(ThreadingHTTPServer):
    """The server; it listens when it is made."""

    daemon_threads = True

    def __init__(self, machine: Machine, port: int) -> None:
        """Listen on a port; 0: any that is free.

        Raises:
            OSError: if the port is not free.
        """
        self.machine = machine
        super().__init__((ADDRESS, port), _Handler)

    def server_bind(self) -> None:
        """Take the port; the base class asks for the machine's name, which may take long."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = ADDRESS, int(self.server_address[1])

    @property
    def address(self) -> str:
        """Where the index is."""
        return f"http://{ADDRESS}:{self.server_port}/"


class _Handler(BaseHTTPRequestHandler):
    server: Server
    server_version, sys_version = "ninesteps", ""
    timeout = LONGEST_WAIT

    def do_GET(self) -> None:
        self._send(with_content=True)

    def do_HEAD(self) -> None:
        self._send(with_content=False)

    def _refuse(self) -> None:
        self._reply(
            HTTPStatus.METHOD_NOT_ALLOWED, b"expected GET or HEAD\n", {"Allow": "GET, HEAD"}
        )

    do_POST = do_PUT = do_DELETE = do_PATCH = do_OPTIONS = do_TRACE = do_CONNECT = _refuse

    def _send(self, with_content: bool) -> None:
        port = self.server.server_port
        if self.headers.get("Host") not in (f"{ADDRESS}:{port}", f"localhost:{port}"):
            sentence = f"expected a request for {self.server.address}\n"
            self._reply(HTTPStatus.MISDIRECTED_REQUEST, sentence.encode(), {})
            return
        made = answer(self.server.machine, self.path)
        headers = {"Content-Type": "text/html; charset=utf-8",
                   "Content-Security-Policy": made.policy}  # fmt: skip
        self._reply(made.status, made.html, headers, with_content)

    def _reply(
        self, status: HTTPStatus, content: bytes, headers: dict[str, str], is_whole: bool = True
    ) -> None:
        with contextlib.suppress(ConnectionError):  # the client has gone
            self.send_response(status)
            for name, value in {"Content-Type": "text/plain", **_HEADERS, **headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if is_whole:
                self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Print nothing: the terminal shows only the address."""
