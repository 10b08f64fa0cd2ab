"""A team's own panels: on the page, refused where the page's policy would be, never a lost run."""

from __future__ import annotations

import dataclasses
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ninesteps.report.own_html import Refused, checked
from ninesteps.report.own_place import code_of
from ninesteps.report.page import Report, build
from page_structure import check_structure
from reports import facts, files, steps

DOCS = Path(__file__).resolve().parents[3] / "docs/report.md"
BEGIN = """
from markupsafe import Markup
from ninesteps.report.own_panels import Panel, Run
"""


@pytest.fixture(autouse=True)
def _own_modules() -> Iterator[None]:
    before = {name: m for name, m in sys.modules.items() if name.startswith("model_build")}
    yield
    for name in [name for name in sys.modules if name.startswith("model_build")]:
        del sys.modules[name]
    sys.modules.update(before)


def own(root: Path, code: str) -> None:
    (root / "model_build").mkdir()
    (root / "model_build/__init__.py").touch()
    (root / "model_build/report_panels.py").write_text(code, encoding="utf-8")


def made(root: Path, code: str, **replaced: object) -> Report:
    own(root, code)
    return build(facts(**replaced), files(), root=root)


def of(body: str) -> str:
    return f"{BEGIN}\ndef panels(run: Run) -> list[Panel]:\n    {body}\n"


def test_the_example_of_the_documentation_is_on_the_page(tmp_path: Path) -> None:
    _, _, after = DOCS.read_text(encoding="utf-8").partition("`model_build/report_panels.py`:\n")
    block = re.match(r"\n```python\n(.*?)```", after, re.DOTALL)
    assert block
    report = made(tmp_path, block[1])
    assert report.faults == ()
    page = check_structure(report.html)
    section = page.section("own-panel-1")
    assert [one.text for one in section.all("td")] == ["800", "200"]  # 20 x 40 and 40 x 5 euros
    assert "the errors cost 1,000 euros" in section.text
    assert [one.attributes["width"] for one in section.all("rect")] == ["340", "85"]
    links = [a.attributes["href"] for a in page.root.all("nav")[0].all("a")]
    assert links[links.index("#own-panel-1") + 1] == "#evidence"


def test_a_plain_text_is_shown_as_it_is(tmp_path: Path) -> None:
    report = made(tmp_path, of('return [Panel("<b>T</b>", "<script>x</script> & co", "<i>")]'))
    section = check_structure(report.html).section("own-panel-1")
    assert "<script>x</script> & co" in section.text
    assert section.all("b", "i") == []


@pytest.mark.parametrize(
    ("html", "says"),
    [
        ("<script>1</script>", "<script> is not allowed on the page"),
        ("<svg><script href='x'/></svg>", "<script> is not allowed"),
        ("<img src='data:,'>", "<img> is not allowed"),
        ("<svg><foreignObject></foreignObject></svg>", "<foreignobject> is not allowed"),
        ("<style>p { color: red }</style>", "<style> is not allowed"),
        ("<p onclick='x()'>a</p>", "onclick of <p> is not allowed"),
        ("<p style='color: red'>a</p>", "the page's policy blocks inline styles"),
        ("<a href='https://x.example'>a</a>", "got 'https://x.example'"),
        ("<a href=' javascript:x()'>a</a>", "href of <a>: expected a place on the page"),
        ("<svg><use xlink:href='a.svg#b'/></svg>", "got 'a.svg#b'"),
        ("<svg><rect fill='url(https://x.example/#a)'/></svg>", "no outside address"),
        ("<p id='steps'>a</p>", "expected a unique one that begins with own-"),
        ("<p id='own-a'>a</p><p id='own-a'>b</p>", "got one id twice"),
        ("<p id='own-panel-1'>a</p>", "got one id twice"),
        ("</section><p>a</p>", "expected none, got </section>"),
        ("<div><p>a</div>", "expected </p>, got </div>"),
        ("<table><tr>", "expected </tr>, got the end"),
        ("<!-- a -->", "expected HTML without comments"),
        ("<!doctype html>", "expected a part of a page"),
        ("<div/>", "expected <div>...</div>, got <div/>"),
    ],
)
def test_what_the_page_may_not_carry_is_refused_in_a_sentence(html: str, says: str) -> None:
    with pytest.raises(Refused) as refused:
        checked(html, {"own-panel-1"})
    assert says in str(refused.value)


def test_what_is_allowed_is_written_again_as_it_was_meant() -> None:
    html = (
        '<svg class="chart" viewbox="0 0 9 9" role="img" aria-label="&lt;a&gt;">'
        '<g fill="url(#own-g)"><path d="M0 0L9 9"></path></g></svg><p>1 &lt; 2 &amp;&#34;<br></p>'
        '<a href="#steps">Steps</a>'
    )
    assert checked(html, set()) == html
    assert checked("<svg><path d='M0'/></svg>", set()) == '<svg><path d="M0"></path></svg>'
    assert checked("<p title='a\"><script>'>x</p>", set()) == (
        '<p title="a&#34;&gt;&lt;script&gt;">x</p>'
    )


@pytest.mark.parametrize(
    ("code", "says"),
    [
        (of("return [][1]"), "model_build/report_panels.py: line 6: IndexError: list index out of"),
        (of("raise SystemExit(0)"), "line 6: SystemExit: 0"),
        ("import nothing_of_that_name", "line 1: ModuleNotFoundError: No module named"),
        ("def panels(:", "model_build/report_panels.py: line 1: "),
        ("panels = 3", "expected a function panels, found none"),
        (of("return None"), "panels: expected a list of Panel, got NoneType"),
        (of('return [Panel("a", "b"), "c"]'), "expected a list of Panel, got one with a str"),
        (of('return [Panel(" ", "b")]'), "panel 1: title: expected a text, got none"),
        (of('return [Panel("a", None)]'), "panel 1: content: expected a text, got NoneType"),
        (of('return [Panel("a", "b")] * 13'), "panels: expected 12 at most, got 13"),
        (
            of('return [Panel("a", "b" * 500001)]'),
            "expected 500,000 characters at most, got 500,001",
        ),
        (of('return [Panel("a", Markup("<script>"))]'), "panel 'a': <script> is not allowed"),
    ],
)
def test_an_error_costs_the_panel_alone(tmp_path: Path, code: str, says: str) -> None:
    report = made(tmp_path, code)
    (fault,) = report.faults
    assert says in fault
    page = check_structure(report.html)
    assert says.partition(": ")[0] in page.section("own-panel-1").text
    assert page.section("evidence").all("table")


def test_what_a_run_did_not_come_to_is_said_and_no_error(tmp_path: Path) -> None:
    report = made(tmp_path, of('return [Panel("a", str(run.evaluation))]'),
                  steps=steps(Evaluate="Failed"))  # fmt: skip
    assert report.faults == ()
    assert "Evaluate failed." in check_structure(report.html).section("own-panel-1").text


def test_a_panel_gets_the_rows_and_the_predictions_on_them(tmp_path: Path) -> None:
    body = (
        'return [Panel("a", repr((run.test_rows()[3], run.predictions(), run.metrics["auc"],'
        ' run.file("config", "analysis_config.json"))))]'
    )
    source = files()
    source.content["s3://bucket/out/test.csv.out"] = b"0,1,0.75\n1,0,0.25\n"
    own(tmp_path, of(body))
    with_output = tuple(
        dataclasses.replace(s, answer={"TransformOutput": {"S3OutputPath": "s3://bucket/out"}})
        if s.type == "Transform" else s
        for s in steps()
    )  # fmt: skip
    report = build(facts(steps=with_output), source, root=tmp_path)
    text = check_structure(report.html).section("own-panel-1").text
    assert "'id': '3'" in text and "'weight': '3'" in text
    assert "[['0', '1', '0.75'], ['1', '0', '0.25']], 0.9, b'{}'" in text


def test_what_is_printed_is_not_in_the_output_of_a_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made(tmp_path, of('print("seen"); return []'))
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", "seen\n")


def test_the_code_that_makes_panels_is_known_by_its_bytes(tmp_path: Path) -> None:
    (tmp_path / "model_build").mkdir()
    (tmp_path / "model_build/costs.py").write_text("COST = 1", encoding="utf-8")
    assert code_of(tmp_path) == {}
    (tmp_path / "model_build/report_panels.py").write_text("", encoding="utf-8")
    before = code_of(tmp_path)
    assert set(before) == {"model_build/costs.py", "model_build/report_panels.py"}
    (tmp_path / "model_build/costs.py").write_text("COST = 2", encoding="utf-8")
    assert code_of(tmp_path) != before
