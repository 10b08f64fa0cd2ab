"""A page in a browser: the views it is looked at in, and what every page here has to keep."""

from __future__ import annotations

from collections.abc import Callable
from importlib import resources
from typing import Any

from playwright.sync_api import Locator, Page

AXE = (resources.files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8")
VIEWS: dict[str, dict[str, Any]] = {
    "light": {"color_scheme": "light", "viewport": {"width": 1280, "height": 900}},
    "dark": {"color_scheme": "dark", "viewport": {"width": 1280, "height": 900}},
    "narrow": {"color_scheme": "light", "viewport": {"width": 375, "height": 812}},
}
CUT_OFF = """
[...document.querySelectorAll("svg.graph text, svg.chart text")].filter((text) => {
  const [box, around] = [text, text.ownerSVGElement].map((one) => one.getBoundingClientRect());
  const room = 24 * around.width / 340;  // what half a tick may stand out by
  return box.left < around.left - room || box.right > around.right + room;
}).map((text) => text.textContent)
"""

OpenFile = Callable[..., Page]
"""Opens a file in a view of VIEWS, with more options of a browser's context."""


def expect_axe_to_find_nothing(page: Page) -> None:
    """Unfold everything, and let axe-core look at it."""
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    page.evaluate(AXE)
    found = page.evaluate("axe.run()")
    assert len(found["passes"]) > 20
    for violation in found["violations"]:
        raise AssertionError(f"{violation['help']}: {violation['nodes'][0]['html']:.300}")


def expect_everything_to_fit(page: Page, view: str) -> None:
    """Nothing is wider than the window, and no text of a picture is cut off."""
    width = page.evaluate("document.documentElement.scrollWidth")
    assert width <= VIEWS[view]["viewport"]["width"]
    assert page.evaluate(CUT_OFF) == []


def current(page: Page) -> Locator:
    """The part of the step that is shown."""
    return page.locator(".part:visible")
