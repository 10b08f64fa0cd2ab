"""Signing in: what is between here and AWS is one sentence, and soon."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from accounts import ACCOUNT, REGION, sign_in
from ninesteps.errors import AccountError
from ninesteps.infrastructure import account
from ninesteps.settings.environment import Environment

PROD = Environment(ACCOUNT, REGION, name="prod")


def refusal() -> str:
    with pytest.raises(AccountError) as refused, account.one_sentence():
        account.session(PROD)
    assert "\n" not in str(refused.value)
    return str(refused.value)


@pytest.fixture
def _signed_in(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    sign_in(monkeypatch, tmp_path)


@pytest.mark.usefixtures("_signed_in")
def test_what_does_not_answer_is_waited_for_twice_and_not_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(account, "SIGN_IN_SECONDS", 0.05)
    with socket.create_server(("127.0.0.1", 0), backlog=8) as silent:
        port = silent.getsockname()[1]
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", f"http://127.0.0.1:{port}")
        assert refusal().startswith("the request to AWS failed: Read timeout on endpoint URL")
        silent.settimeout(0.1)
        asked = 0
        with pytest.raises(TimeoutError):
            while True:
                silent.accept()[0].close()
                asked += 1
    assert asked == 2


class _Page(BaseHTTPRequestHandler):
    """What a proxy or the sign-in page of a network answers to whatever is asked."""

    def do_POST(self) -> None:
        content = b"<!DOCTYPE html><p>Sign in<br>to go on"
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Nothing: a test prints no requests."""


@contextmanager
def page() -> Iterator[int]:
    with HTTPServer(("127.0.0.1", 0), _Page) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.usefixtures("_signed_in")
def test_an_answer_that_is_none_of_awss_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    with page() as port:
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", f"http://127.0.0.1:{port}")
        assert refusal() == (
            "the request to AWS failed: the answer is not from AWS; a proxy or a network's sign-in "
            "page may be in between"
        )
