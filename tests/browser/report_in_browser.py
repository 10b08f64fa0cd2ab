"""The report of real runs in a real browser: `tox run -e browser`; it fails without a Chromium."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from browser.views import (
    VIEWS,
    OpenFile,
    current,
    expect_axe_to_find_nothing,
    expect_everything_to_fit,
)
from conftest import Run

pytest_plugins = ["browser.chromium"]

SCENARIOS = ("churn", "salary")
PAUSE = 2_400  # milliseconds, of the walk-through

Open = Callable[..., Page]


@pytest.fixture
def open_page(open_file: OpenFile, ran: Callable[[str], Run], tmp_path: Path) -> Open:
    """Opens a scenario's report from a folder of its own, as from a mail."""

    def opened(scenario: str, view: str = "light", **options: Any) -> Page:
        (report,) = ran(scenario).repository.path.glob(".local/runs/*/report.html")
        file = shutil.copyfile(report, tmp_path / f"{scenario}.html")
        return open_file(file, view, **options)

    return opened


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_axe_finds_nothing(open_page: Open, scenario: str, view: str) -> None:
    page = open_page(scenario, view)
    expect_axe_to_find_nothing(page)


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_nothing_is_wider_than_the_window_nor_cut_off(
    open_page: Open, scenario: str, view: str
) -> None:
    page = open_page(scenario, view)
    expect_everything_to_fit(page, view)


@pytest.mark.parametrize("view", ["light", "narrow"])
def test_every_node_shows_what_its_step_did(open_page: Open, view: str) -> None:
    page = open_page("churn", view)
    nodes = page.locator("svg.graph a.node")
    assert nodes.count() == 9
    for number in range(1, 10):
        node = page.locator(f'a.node[data-step="{number}"]')
        node.click()
        expect(current(page)).to_have_count(1)
        expect(current(page)).to_have_id(f"step-{number}")
        expect(current(page)).to_be_focused()
        expect(node).to_have_attribute("aria-current", "step")
        assert page.locator("a.node[aria-current]").count() == 1
        expect(current(page).locator("h4").first).to_have_text(
            "Inputs" if number != 9 else "Outputs"
        )


def test_parameters_and_logs_unfold(open_page: Open) -> None:
    page = open_page("churn")
    page.locator('a.node[data-step="2"]').click()
    page.get_by_text("End of the log").locator("visible=true").click()
    expect(current(page).locator("pre")).to_contain_text("validation-auc")
    current(page).locator("summary", has_text="Parameters").click()
    expect(current(page)).to_contain_text("max_depth")


def test_the_keyboard_goes_through_the_steps(open_page: Open) -> None:
    page = open_page("churn")
    page.locator('a.node[data-step="1"]').focus()
    for number in (2, 3):
        page.keyboard.press("ArrowDown")
        expect(page.locator(f'a.node[data-step="{number}"]')).to_be_focused()
        expect(current(page)).to_have_id(f"step-{number}")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    expect(current(page)).to_have_id("step-2")
    expect(current(page)).to_be_focused()
    page.locator('a.node[data-step="4"]').focus()
    page.keyboard.press("Space")
    expect(current(page)).to_have_id("step-4")


def test_the_first_stop_leads_past_the_header(open_page: Open) -> None:
    page = open_page("churn")
    page.keyboard.press("Tab")
    expect(page.locator(".skip")).to_be_focused()
    page.keyboard.press("Enter")
    assert page.url.endswith("#main")


def test_the_run_is_played_step_by_step_to_its_end(open_page: Open) -> None:
    page = open_page("churn")
    told, play = page.locator("#told"), page.locator("#play")
    play.click()
    expect(play).to_have_text("Pause")
    for number in range(1, 10):
        expect(told).to_contain_text(f"Step {number} of 9")
        expect(current(page)).to_have_id(f"step-{number}")
        page.clock.run_for(PAUSE)
    expect(play).to_have_text("Play the run")
    play.click()
    expect(told).to_contain_text("Step 1 of 9")
    page.clock.run_for(PAUSE)
    play.click()
    page.clock.run_for(5 * PAUSE)
    expect(told).to_contain_text("Step 2 of 9")
    page.locator("#next").click()
    expect(told).to_contain_text("Step 3 of 9")
    page.locator("#before").click()
    expect(told).to_contain_text("Step 2 of 9")


def test_who_wants_no_motion_gets_none(open_page: Open) -> None:
    page = open_page("churn", reduced_motion="reduce")
    play = page.locator("#play")
    expect(play).to_have_text("Step by step")
    play.click()
    expect(current(page)).to_have_id("step-2")
    page.clock.run_for(10 * PAUSE)
    expect(current(page)).to_have_id("step-2")


def test_light_and_dark_by_a_button(open_page: Open) -> None:
    page = open_page("churn", "dark")
    colour = "getComputedStyle(document.body).backgroundColor"
    dark = page.evaluate(colour)
    page.get_by_role("button", name="Light").click()
    light = page.evaluate(colour)
    assert dark != light
    page.get_by_role("button", name="Dark").click()
    assert page.evaluate(colour) == dark


def test_it_is_whole_without_javascript(open_page: Open) -> None:
    page = open_page("churn", java_script_enabled=False)
    expect(page.locator(".part:visible")).to_have_count(9)
    expect(page.locator(".walk")).to_be_hidden()
    expect(page.locator("#theme")).to_be_hidden()
    assert page.locator("svg.chart:visible").count() == page.locator("svg.chart").count() > 10


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_it_prints_on_a_few_pages_with_the_verdict_on_the_first(
    open_page: Open, scenario: str
) -> None:
    page = open_page(scenario)
    for size in ("A4", "Letter"):
        printed = page.pdf(
            format=size, margin={"top": "1cm", "right": "1cm", "bottom": "1cm", "left": "1cm"}
        )
        pages = re.findall(rb"/Type\s*/Page\b", printed)
        assert 3 <= len(pages) <= 8, size
    page.emulate_media(media="print")
    page.set_viewport_size({"width": 718, "height": 1047})  # A4 less its margins
    verdict = page.locator("h1").bounding_box()
    assert verdict
    assert verdict["y"] + verdict["height"] < 1047


def test_paper_has_what_the_decision_rests_on(open_page: Open) -> None:
    page = open_page("churn")
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    expect(page.get_by_text("This is the short printed version")).to_be_visible()
    expect(page.locator(".part:visible")).to_have_count(9)
    expect(page.locator(".part .state:visible")).to_have_count(9)
    for kept in ("#gate table", "#quality .tables table", "#bias figure"):
        expect(page.locator(kept).first).to_be_visible()
    assert page.locator("svg.chart:visible").count() == page.locator("svg.chart").count() > 10
    for left_out in ("nav", "pre", ".part dl", "#lineage", "#terms", "figure table"):
        assert page.locator(left_out).count() > 0
        expect(page.locator(f"{left_out} >> visible=true")).to_have_count(0)
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    page.set_viewport_size({"width": 680, "height": 960})
    assert page.evaluate("document.documentElement.scrollWidth") <= 680


def test_a_table_wider_than_its_box_says_so(open_page: Open) -> None:
    page = open_page("churn", "narrow")
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    page.screenshot()  # draws a frame, after which an animation knows of what scrolls
    boxes = page.evaluate(
        """() => [...document.querySelectorAll('.scroll')].filter((box) => box.clientWidth).map(
             (box) => [box.scrollWidth > box.clientWidth,
                       parseFloat(getComputedStyle(box, '::after').fontSize) > 0,
                       getComputedStyle(box).backgroundAttachment])"""
    )
    assert {is_wider for is_wider, *_ in boxes} == {True, False}
    for is_wider, says_so, attachment in boxes:
        assert says_so is is_wider
        assert attachment == "local, local, scroll, scroll"


def test_the_page_runs_no_script_but_its_own(open_page: Open, said: list[str]) -> None:
    page = open_page("churn")
    page.evaluate(
        "document.body.insertAdjacentHTML('beforeend', '<i onclick=\"window.ran = 1\">x</i>');"
        "document.body.lastChild.click()"
    )
    assert page.evaluate("window.ran") is None
    refused = [line for line in said if "Content Security Policy" in line]
    assert refused
    said.clear()
