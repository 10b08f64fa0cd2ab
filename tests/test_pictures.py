"""The README's pictures show what a run prints and what its page says."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from PIL import Image

import pictures
from conftest import Run


@pytest.fixture(scope="module")
def page(churn_run: Run) -> str:
    """The report of churn's first run."""
    (first,) = churn_run.repository.path.glob(f".local/runs/{churn_run.execution.name}/report.html")
    return first.read_text(encoding="utf-8")


def test_no_picture_is_stale(churn_run: Run, page: str) -> None:
    assert pictures.stale(churn_run.output, page) == []


def test_the_picture_of_a_run_is_drawn_to_its_last_line(churn_run: Run) -> None:
    shown = pictures.text_of(pictures.drawn(churn_run.output))
    assert shown == pictures.comparable(churn_run.output)
    assert shown.endswith("go on pipeline approve 0, or pipeline reject 0")


@pytest.mark.parametrize(
    ("old", "new"), [("metrics ", "numbers "), ("go on ", "next "), ("Succeeded", "Done")]
)
def test_a_word_that_is_printed_otherwise_makes_the_picture_stale(
    churn_run: Run, page: str, old: str, new: str
) -> None:
    assert old in churn_run.output
    assert pictures.stale(churn_run.output.replace(old, new), page) == [pictures.RUN]


def test_a_heading_that_is_new_makes_the_page_picture_stale(churn_run: Run, page: str) -> None:
    changed = page.replace("<h1", "<p>New</p><h1")
    assert pictures.stale(churn_run.output, changed) == [pictures.REPORT]


def test_another_run_of_the_same_words_makes_none_stale(churn_run: Run, page: str) -> None:
    run = churn_run.execution.name
    printed = churn_run.output.replace(run, "abcdefghijkl").replace("0.9", "0.8")
    assert pictures.stale(printed, page.replace(run, "abcdefghijkl")) == []


def test_a_picture_that_says_nothing_of_its_page_is_stale(
    churn_run: Run, page: str, tmp_path: Path
) -> None:
    shutil.copyfile(pictures.DOCS / pictures.RUN, tmp_path / pictures.RUN)
    assert pictures.stale(churn_run.output, page, tmp_path) == [pictures.REPORT]
    with Image.open(pictures.DOCS / pictures.REPORT) as taken:
        taken.save(tmp_path / pictures.REPORT)
    assert pictures.stale(churn_run.output, page, tmp_path) == [pictures.REPORT]
