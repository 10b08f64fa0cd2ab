"""`pipeline ui` on a real run in a real browser: `tox run -e browser`; it needs a Chromium."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from browser.views import VIEWS, expect_axe_to_find_nothing, expect_everything_to_fit
from conftest import Run

pytest_plugins = ["browser.chromium"]

Open = Callable[..., Page]


@pytest.fixture(scope="module")
def address(ran: Callable[[str], Run]) -> Iterator[str]:
    """Where the server of churn's repository answers."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    where = f"http://127.0.0.1:{port}"
    process = ran("churn").repository.start("ui", "--port", str(port), until=where)
    yield where
    process.terminate()
    process.communicate(timeout=30)


@pytest.fixture
def open_page(browser: Browser, address: str, said: list[str]) -> Iterator[Open]:
    """Opens an address of the server; it may say nothing, and ask for nothing else."""
    contexts = []

    def opened(target: str, view: str = "light", **options: Any) -> Page:
        context = browser.new_context(**VIEWS[view], **options)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: said.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda r: None if r.url.startswith(address) else said.append(r.url))
        page.goto(address + target)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert said == []


def test_every_page_is_reached_by_links_and_axe_finds_nothing(open_page: Open) -> None:
    for view in VIEWS:
        page = open_page("/", view)
        check(page, view)
        page.get_by_role("link", name="Version 1").first.click()
        expect(page.locator("h1")).to_contain_text("Version 1")
        check(page, view)
        page.locator(".when a").click()
        expect(page.locator("h1")).to_contain_text("registered")
        check(page, view)
        page.get_by_role("link", name="Read its report").click()
        expect(page.locator("h1")).to_contain_text("The model")
        page.locator('a.node[data-step="2"]').click()  # its own script runs, and nothing else
        expect(page.locator(".part:visible")).to_have_id("step-2")
        page.go_back()
        page.locator(".kicker a").click()
        expect(page.locator("h1")).to_have_text("Runs and versions")


def test_the_keyboard_reaches_the_first_version(open_page: Open) -> None:
    page = open_page("/")
    page.keyboard.press("Tab")
    expect(page.locator(".skip")).to_be_focused()
    page.keyboard.press("Enter")
    for _ in range(2):  # the table, then its first link
        page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Version 1").first).to_be_focused()


def check(page: Page, view: str) -> None:
    expect_everything_to_fit(page, view)
    expect_axe_to_find_nothing(page)
