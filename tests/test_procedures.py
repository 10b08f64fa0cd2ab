"""What the documentation tells to do is done, page by page, and says what the page says."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import pytest

import walk
from conftest import GENERATED, ROOT

DOCS = ROOT / "docs"


@pytest.fixture
def quick_template(template: Path, tmp_path: Path) -> Path:
    """The template, with two trials where churn's search has twelve."""
    copy = tmp_path / "template"
    shutil.copytree(template, copy)
    settings = copy / GENERATED.name / "pipeline.toml"
    text = settings.read_text(encoding="utf-8")
    quick = re.sub(r"^(jobs|parallel) = \d+$", r"\1 = 2", text, flags=re.MULTILINE)
    assert quick != text
    settings.write_text(quick, encoding="utf-8")
    return copy


EVERY_PAGE = "PAGES_FOLLOWED" in os.environ
"""In the full tier every page is followed, else the quick ones: a minute each, some of them."""

QUICK = ("add-a-feature",)
IN_A_REPOSITORY = (
    "add-a-feature",
    "add-a-facet",
    "add-a-metric",
    "approval",
    "audit",
    "chain",
    "compare",
    "lineage",
    "origin",
    "report",
    "reproduce",
    "trace",
)


@pytest.mark.parametrize("page", walk.pages())
def test_the_changes_that_a_page_shows_fit_the_files(page: str) -> None:
    """In milliseconds, so that a page that is not followed in this tier cannot become stale."""
    files: dict[str, str] = {}
    for block in walk.blocks(DOCS / f"{page}.md"):
        if block.file is not None:
            files[block.file] = block.text
        for name, old, new in walk.hunks(block) if block.kind == "diff" else ():
            file = (ROOT if page == "add-a-scenario" else GENERATED) / name
            text = files.get(name) or file.read_text(encoding="utf-8")
            assert text.count(old) == 1, f"{page}.md: {name} has not once:\n{old}"
            files[name] = text.replace(old, new)


@pytest.mark.parametrize("page", walk.pages() if EVERY_PAGE else QUICK)
def test_what_a_page_tells_to_do_can_be_done(
    quick_template: Path, tmp_path: Path, page: str
) -> None:
    commands = tmp_path / "commands"
    commands.mkdir()
    begin = tmp_path if page == "start" else quick_template
    if page in IN_A_REPOSITORY:
        begin, _ = walk.run(
            f"cookiecutter --no-input {quick_template}\ncd customer-churn", tmp_path, commands
        )
    done = walk.follow(DOCS / f"{page}.md", quick_template, begin, commands)
    assert [line for line in done if line.startswith("pipeline ")]
