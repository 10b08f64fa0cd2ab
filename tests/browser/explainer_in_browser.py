"""The explainer in a real browser: `tox run -e browser`; it fails without a Chromium."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from browser.views import (
    VIEWS,
    OpenFile,
    current,
    expect_axe_to_find_nothing,
    expect_everything_to_fit,
)
from explainer import page as explainer
from explainer.facts import ScenarioFacts

pytest_plugins = ["browser.chromium"]

PAUSE = 4_000  # milliseconds, between two steps that are played

Open = Callable[..., Page]


@pytest.fixture(scope="module")
def file(explained: dict[str, ScenarioFacts], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page, of churn and salary."""
    return explainer.write(tmp_path_factory.mktemp("explainer"), explained)


@pytest.fixture
def open_page(open_file: OpenFile, file: Path) -> Open:
    """Opens the page in a view."""
    return partial(open_file, file)


def node(page: Page, number: int, scenario: str = "churn") -> str:
    """The selector of a step's node."""
    return f'.walkthrough[data-scenario="{scenario}"] a.node[data-step="{number}"]'


@pytest.mark.parametrize("view", VIEWS)
def test_axe_finds_nothing(open_page: Open, view: str) -> None:
    expect_axe_to_find_nothing(open_page(view))


@pytest.mark.parametrize("view", VIEWS)
def test_everything_fits(open_page: Open, view: str) -> None:
    expect_everything_to_fit(open_page(view), view)


@pytest.mark.parametrize("view", ["light", "narrow"])
def test_every_node_explains_its_step(open_page: Open, view: str) -> None:
    page = open_page(view)
    assert page.locator(".walkthrough:visible a.node").count() == 9
    for number in range(1, 10):
        page.locator(node(page, number)).click()
        expect(current(page)).to_have_count(1)
        expect(current(page)).to_have_id(f"churn-step-{number}")
        expect(current(page)).to_be_focused()
        expect(current(page)).to_be_in_viewport()
        expect(page.locator(node(page, number))).to_have_attribute("aria-current", "step")
        assert page.locator(".walkthrough:visible a.node[aria-current]").count() == 1
        current(page).locator("summary", has_text="What SageMaker receives").click()
        expect(current(page).locator("pre.json")).to_contain_text('"Arguments"')


def test_the_keyboard_goes_through_the_steps_and_back(open_page: Open) -> None:
    page = open_page()
    tabs = page.locator(".walkthrough:visible a.node[tabindex='0']")
    expect(tabs).to_have_count(1)  # one stop for all nine
    tabs.focus()
    for key, number in (("ArrowDown", 2), ("ArrowRight", 3), ("ArrowUp", 2), ("End", 9),
                        ("ArrowDown", 9), ("Home", 1), ("ArrowLeft", 1)):  # fmt: skip
        page.keyboard.press(key)
        expect(page.locator(node(page, number))).to_be_focused()
        expect(current(page)).to_have_id(f"churn-step-{number}")
    expect(tabs).to_have_attribute("data-step", "1")
    for key in ("Enter", "Space"):
        page.keyboard.press(key)
        expect(current(page)).to_be_focused()
        page.keyboard.press("Escape")
        expect(page.locator(node(page, 1))).to_be_focused()


def test_the_steps_are_played_to_the_end(open_page: Open) -> None:
    page = open_page()
    told, play = page.locator("#told"), page.locator("#play")
    play.click()
    expect(play).to_have_text("Pause")
    for number in range(1, 10):
        expect(told).to_contain_text(f"Step {number} of 9")
        expect(current(page)).to_have_id(f"churn-step-{number}")
        page.clock.run_for(PAUSE)
    expect(play).to_have_text("Play")
    expect(page.locator("#next")).to_be_disabled()
    play.click()
    page.clock.run_for(PAUSE)
    play.click()
    page.clock.run_for(5 * PAUSE)
    expect(told).to_contain_text("Step 2 of 9")
    page.locator("#next").click()
    expect(told).to_contain_text("Step 3 of 9")
    page.locator("#before").click()
    expect(told).to_contain_text("Step 2 of 9")


def test_who_wants_no_motion_gets_none(open_page: Open) -> None:
    page = open_page(reduced_motion="reduce")
    play = page.locator("#play")
    expect(play).to_have_text("Step by step")
    play.click()
    expect(current(page)).to_have_id("churn-step-2")
    page.clock.run_for(10 * PAUSE)
    expect(current(page)).to_have_id("churn-step-2")
    page.locator("#next").click()
    expect(current(page)).to_have_id("churn-step-3")


def test_another_scenario_shows_its_own_steps(open_page: Open) -> None:
    page = open_page()
    page.locator(node(page, 4)).click()
    page.get_by_role("radio", name="Salary benchmarking").check()
    expect(current(page)).to_have_id("salary-step-4")
    expect(page.locator(".walkthrough:visible")).to_have_count(1)
    page.get_by_role("radio", name="Salary benchmarking").focus()
    page.keyboard.press("ArrowLeft")
    expect(current(page)).to_have_id("churn-step-4")


def test_an_address_leads_to_a_step(open_page: Open) -> None:
    page = open_page(anchor="#salary-step-7")
    expect(current(page)).to_have_id("salary-step-7")
    expect(page.get_by_role("radio", name="Salary benchmarking")).to_be_checked()
    current(page).get_by_role("link", name="the same file").click()
    expect(current(page)).to_have_id("churn-step-7")


def test_light_and_dark_by_a_button(open_page: Open) -> None:
    page = open_page("dark")
    colour = "getComputedStyle(document.body).backgroundColor"
    dark = page.evaluate(colour)
    page.get_by_role("button", name="Light").click()
    assert page.evaluate(colour) != dark
    page.get_by_role("button", name="Dark").click()
    assert page.evaluate(colour) == dark


def test_without_javascript_the_first_scenario_is_whole(open_page: Open) -> None:
    page = open_page(java_script_enabled=False)
    expect(page.locator(".part:visible")).to_have_count(9)
    for hidden in (".walk", ".switch", "#theme"):
        expect(page.locator(hidden)).to_be_hidden()


def test_on_paper_the_scenario_that_is_shown_is_unfolded(open_page: Open) -> None:
    page = open_page()
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    expect(page.locator(".part:visible")).to_have_count(9)
    expect(page.locator("nav")).to_be_hidden()
    page.set_viewport_size({"width": 680, "height": 960})  # A4 less its margins
    assert page.evaluate("document.documentElement.scrollWidth") <= 680


# The gate to try


def outcome(page: Page) -> str:
    """What the gate comes to, with each comparison."""
    return str(page.locator(".trial .outcome").inner_text())


def test_the_gate_follows_the_threshold_and_its_limits_by_keyboard(open_page: Open) -> None:
    page = open_page()
    slider = page.get_by_role("slider")
    before, counted = outcome(page), page.locator("[data-count='1']").inner_text()
    assert "The gate passes" in before
    slider.focus()
    for _ in range(20):
        slider.press("ArrowRight")
    assert page.locator("[data-count='1']").inner_text() != counted  # fewer are flagged
    assert outcome(page) == before  # no threshold changes the AUC
    limit = page.get_by_label("auc >")
    limit.fill("0.95")
    assert "The gate fails" in outcome(page)
    assert re.search(r"auc 0\.\d+ > 0\.95 +fails by 0\.0\d+", outcome(page))
    limit.fill("")  # no limit is typed: that of the run counts
    assert "The gate passes" in outcome(page)
    page.get_by_role("button", name="Reset to the run's values").click()
    assert outcome(page) == before
    expect(page.locator("[data-count='1']")).to_have_text(counted)


def test_the_point_lies_where_the_counts_are(open_page: Open) -> None:
    page = open_page()
    slider, point = page.get_by_role("slider"), page.locator("#trial-point")
    places = []
    for key in ("Home", "End"):
        slider.press(key)
        places.append([float(point.get_attribute(name) or "nan") for name in ("cx", "cy")])
    (low_x, low_y), (high_x, high_y) = places
    assert low_x > high_x  # from everybody flagged, at the right ...
    assert low_y < high_y  # ... and at the top, to nobody
    found, alarms = (page.locator(f"[data-count='{n}']").inner_text() for n in (1, 2))
    missed = page.locator("[data-count='3']").inner_text()
    share = int(found.replace(",", "")) / (
        int(found.replace(",", "")) + int(missed.replace(",", ""))
    )
    expect(page.locator("[data-rate='recall']")).to_have_text(f"{100 * share:.1f} %")
    assert alarms


def test_without_script_the_gate_is_a_picture_with_its_verdict(open_page: Open) -> None:
    page = open_page(java_script_enabled=False)
    assert "The gate passes" in outcome(page)
    expect(page.locator(".trial .controls")).to_be_hidden()
    expect(page.locator("#trial-point")).to_be_visible()
