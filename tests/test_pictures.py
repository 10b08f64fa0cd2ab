"""The README's pictures show what a run prints and what its page says."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from PIL import Image

import pictures
from conftest import Run
from explainer import page as explainer
from explainer.facts import ScenarioFacts


@pytest.fixture(scope="module")
def front(explained: dict[str, ScenarioFacts]) -> str:
    """The explainer, of some scenarios."""
    return explainer.html(explained)


@pytest.fixture(scope="module")
def page(churn_run: Run) -> str:
    """The report of churn's first run."""
    (first,) = churn_run.repository.path.glob(f".local/runs/{churn_run.execution.name}/report.html")
    return first.read_text(encoding="utf-8")


def test_no_picture_is_stale(churn_run: Run, page: str, front: str) -> None:
    assert pictures.stale(churn_run.output, page, front) == []


def test_the_picture_of_a_run_is_drawn_to_its_last_line(churn_run: Run) -> None:
    shown = pictures.text_of(pictures.drawn(churn_run.output))
    assert shown == pictures.comparable(churn_run.output)
    assert shown.endswith("next pipeline approve 0, or pipeline reject 0")


@pytest.mark.parametrize(
    ("old", "new"), [("metrics ", "numbers "), ("next ", "then "), ("Succeeded", "Done")]
)
def test_a_word_that_is_printed_otherwise_makes_the_picture_stale(
    churn_run: Run, page: str, front: str, old: str, new: str
) -> None:
    assert old in churn_run.output
    assert pictures.stale(churn_run.output.replace(old, new), page, front) == [pictures.RUN]


def test_a_heading_that_is_new_makes_the_page_picture_stale(
    churn_run: Run, page: str, front: str
) -> None:
    changed = page.replace("<h1", "<p>New</p><h1")
    assert pictures.stale(churn_run.output, changed, front) == [pictures.REPORT]
    changed = front.replace("<h1", "<p>New</p><h1")
    assert pictures.stale(churn_run.output, page, changed) == [pictures.EXPLAINER]


def test_another_run_of_the_same_words_makes_none_stale(
    churn_run: Run, page: str, front: str
) -> None:
    run = churn_run.execution.name
    printed = churn_run.output.replace(run, "abcdefghijkl").replace("0.9", "0.8")
    assert pictures.stale(printed, page.replace(run, "abcdefghijkl"), front) == []


def test_a_picture_that_says_nothing_of_its_page_is_stale(
    churn_run: Run, page: str, front: str, tmp_path: Path
) -> None:
    for name in (pictures.RUN, pictures.EXPLAINER):
        shutil.copyfile(pictures.DOCS / name, tmp_path / name)
    assert pictures.stale(churn_run.output, page, front, tmp_path) == [pictures.REPORT]
    with Image.open(pictures.DOCS / pictures.REPORT) as taken:
        taken.save(tmp_path / pictures.REPORT)
    assert pictures.stale(churn_run.output, page, front, tmp_path) == [pictures.REPORT]
