"""The glossary: a term for all that a report shows numbers of, and on a page those that it uses."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from ninesteps.report import glossary, local_page
from ninesteps.report.page import build
from ninesteps.settings import gate
from page_structure import Page, check_structure
from reports import facts, files


def metrics() -> Iterator[str]:
    """Every metric of a gate and of the bias report, as a table writes it."""
    import bias_metrics

    for problem, names in gate.METRICS.items():
        yield from (*names, *gate.BIAS_METRICS[problem])
    yield from (f"{name}[age_ge_40]" for name in gate.FACET_METRICS)
    yield from bias_metrics.DESCRIPTIONS


@pytest.mark.parametrize("metric", sorted(set(metrics())))
def test_every_metric_has_one_term(metric: str) -> None:
    assert len([term for term in glossary.terms() if term.is_cell(metric)]) == 1


def test_a_bias_metric_has_the_name_that_the_bias_report_gives_it() -> None:
    import bias_metrics

    long = {term.name: term.long for term in glossary.terms()}
    for name, description in bias_metrics.DESCRIPTIONS.items():
        said = description.partition(" (")[0].lower().replace("liebler", "leibler")
        assert long[name].lower().replace("lp norm", "l-p norm") == said


def test_each_term_is_one_sentence_and_has_an_anchor_of_its_own() -> None:
    terms = glossary.terms()
    assert len({term.key for term in terms}) == len(terms) > 50
    for term in terms:
        assert re.fullmatch(r"(chrF|[A-Z]).*[^.!?]\.", term.says), term.name
        assert not re.search(r"[.!?] [A-Z]", term.says), term.name


@pytest.fixture(scope="module")
def page() -> Page:
    return check_structure(build(facts(), files()).html)


def test_a_page_explains_the_terms_that_it_uses_and_no_others(page: Page) -> None:
    explained = {one.text for one in page.section("terms").all("dfn")}
    assert {"Gate", "AUC", "DPPL", "SHAP", "Split", "Feature store"} <= explained
    assert not {"RMSE", "Canary", "Win rate", "LoRA", "loss", "decided"} & explained


def test_a_metric_in_a_table_leads_to_its_term(page: Page) -> None:
    (link,) = [a for a in page.section("bias").all("a") if a.text == "DPPL"]
    assert link.parent is not None and link.parent.tag == "th"
    term = page.by_id(link.attributes["href"].removeprefix("#"))
    assert "difference in positive proportions in predicted labels" in term.text


def test_what_a_log_or_a_picture_says_is_not_explained() -> None:
    page = "<p>the gates</p><pre>canary</pre><svg><text>SHAP</text></svg><style>.drift {}</style>"
    assert [term.name for term in glossary.used(page)] == ["Gate"]


def test_an_abbreviation_is_found_in_capitals_alone_and_a_word_only_as_a_whole() -> None:
    page = "<p>ci, Di, ad; registers, investigate, rain &amp; te</p><td>loss</td><p>decided</p>"
    assert [term.name for term in glossary.used(page)] == ["loss"]


def test_only_the_first_cell_leads_to_a_term_and_says_what_it_said() -> None:
    page = "<th>auc</th><td>auc</td><td class='x'>dppl[a&lt;b]</td><td>no term</td>"
    linked = glossary.linked(page, glossary.used(page))
    assert re.sub(r"</?a\b[^>]*>", "", linked) == page
    assert re.findall(r'<a class="term" href="#([\w-]+)">([^<]*)</a>', linked) == [
        ("term-auc", "auc"), ("term-dppl-facet", "dppl[a&lt;b]")
    ]  # fmt: skip


def test_a_page_is_made_again_when_the_glossary_or_a_template_has_changed() -> None:
    """A later run reuses a page only if no file that makes one differs."""
    kinds = {file.suffix for file in glossary.FILE.parent.rglob("*")
             if file.is_file() and "__pycache__" not in file.parts}  # fmt: skip
    assert {".toml", ".jinja", ".css"} <= kinds <= set(local_page.KINDS)
