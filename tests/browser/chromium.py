"""Fixtures that open a page in Chromium and watch what it says and asks for."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from browser.views import VIEWS, OpenFile

QUIET = (
    "--disable-quic", "--disable-background-networking", "--disable-component-update",
    "--disable-sync", "--no-first-run",
)  # fmt: skip


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Debian's Chromium, or the one that CHROMIUM names."""
    names = ("chromium", "chromium-browser", "google-chrome")
    found = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, names)), None)
    if not found:
        pytest.fail("there is no Chromium: apt-get install chromium, or set CHROMIUM to its path")
    is_root = hasattr(os, "geteuid") and os.geteuid() == 0
    options = [*QUIET, *(["--no-sandbox"] if is_root else [])]  # root has no sandbox of its own
    with sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=found, args=options)
        yield chromium
        chromium.close()


@pytest.fixture
def said() -> list[str]:
    """What a page says on its console, and what it asks for beside itself."""
    return []


@pytest.fixture
def open_file(browser: Browser, said: list[str]) -> Iterator[OpenFile]:
    """Opens a page from disk, its clock held; it may say and fetch nothing."""
    contexts = []

    def opened(file: Path, view: str = "light", anchor: str = "", **options: Any) -> Page:
        context = browser.new_context(**VIEWS[view], **options)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: said.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on(
            "request",
            lambda r: said.append(r.url) if r.url.partition("#")[0] != file.as_uri() else None,
        )
        page.clock.install()
        page.goto(file.as_uri() + anchor)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert said == []
