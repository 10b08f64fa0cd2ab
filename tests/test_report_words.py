"""A report says things as people do: it names no folder of a machine, no key and no rounding."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from conftest import Run

LEFTOVERS = {
    "a float's rounding": r"\d+\.\d*(?:9{8,}|0{8,})\d*",
    "a sign in words": r"\bg[te]\b|\bl[te]\b|GreaterThan|LessThan",
    "a facet's key": r"\w+_g[te]_\w+",
}


@pytest.fixture(params=["churn", "salary"])
def run(request: pytest.FixtureRequest, ran: Callable[[str], Run]) -> Run:
    """A run whose page is read; salary's has the facet `age>=40`."""
    return ran(request.param)


@pytest.fixture
def texts(run: Run) -> dict[str, str]:
    """The words of page and summary, and what the terminal shows of the run."""
    match = re.search(r"^report +(\.local/runs/(\w+)/report)\.html$", run.output, re.MULTILINE)
    assert match is not None
    page, summary = (run.repository.path / f"{match[1]}.{kind}" for kind in ("html", "md"))
    shown = re.sub(
        r"<(script|style).*?</\1>", "", page.read_text(encoding="utf-8"), flags=re.DOTALL
    )
    return {
        "page": html.unescape(re.sub(r"<[^>]*>", " ", shown)),
        "summary": html.unescape(summary.read_text(encoding="utf-8")),
        "run": run.output,
        "show": run.repository.pipeline("show", match[2]).stdout,
    }


@pytest.mark.parametrize("what", LEFTOVERS)
def test_it_has_no_leftover(texts: dict[str, str], what: str) -> None:
    found = {name: re.search(LEFTOVERS[what], text) for name, text in texts.items()}
    assert {name: match[0] for name, match in found.items() if match} == {}


def test_it_names_no_folder_of_the_machine(run: Run, texts: dict[str, str]) -> None:
    folders = {str(run.repository.path.parent), str(Path.home()), "/root/", "/home/"}
    named = {(name, f) for name, text in texts.items() for f in folders if f in text}
    assert named == set()
    assert ".local/runs/" in texts["page"]  # where the logs are, from the repository


def test_the_gate_s_step_has_its_comparisons_as_the_settings_write_them(
    run: Run, texts: dict[str, str]
) -> None:
    settings = (run.repository.path / "pipeline.toml").read_text(encoding="utf-8")
    compared = re.findall(r"\bcondition +(\w+ [<>]=? [\d.]+)", texts["page"])
    assert compared
    assert [one for one in compared if one not in settings] == []
