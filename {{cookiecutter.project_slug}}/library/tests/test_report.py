"""The report's page: whole with whatever there is, honest about what is not, safe with any text."""

from __future__ import annotations

import copy
import dataclasses
import json
import re
from typing import Any

import pytest

from ninesteps.feature_store.ingest import Ingested
from ninesteps.local.endpoint.deployments import Deployment
from ninesteps.registry.registry import Decision
from ninesteps.report.drawing import FAR, NEAR
from ninesteps.report.evidence import collect
from ninesteps.report.facet_names import facet_name, group_name
from ninesteps.report.facts import Previous, RunFacts
from ninesteps.report.formatting import as_markdown, between, duration, moment, number, percent
from ninesteps.report.graph import layers
from ninesteps.report.judgement import judge
from ninesteps.report.model_charts import dependence
from ninesteps.report.page import Report, build
from ninesteps.settings import gate as gates
from ninesteps.settings.facets import parse
from page_structure import Page, check_structure
from reports import (
    ANALYSIS,
    CAME_FROM,
    COLUMNS,
    CURVES,
    EVALUATION,
    FOUND,
    GATE,
    PROFILE,
    ROOT,
    SEARCH,
    TRAINING_BIAS,
    Files,
    facts,
    files,
    group,
    steps,
    trial,
)

SECTION = "binary_classification_metrics"
SECTIONS = ("steps", "gate", "quality", "search", "bias", "explained", "features", "data",
            "origin", "evidence", "terms")  # fmt: skip


def made(run: RunFacts | None = None, source: Files | None = None) -> tuple[Page, Report]:
    report = build(run or facts(), source or files())
    return check_structure(report.html), report


@pytest.fixture(scope="module")
def page() -> Page:
    return made()[0]


def test_a_whole_run_has_every_part_and_none_is_empty(page: Page) -> None:
    assert [one.attributes["id"] for one in page.root.all("section")] == list(SECTIONS)
    absent = [one.text for one in page.elements if one.attributes.get("class") == "absent"]
    assert absent == ["No earlier run is on this machine."]
    assert page.root.all("h1")[0].text.endswith("The model was registered")


def test_the_steps_are_links_to_what_they_did(page: Page) -> None:
    links = [a for svg in page.root.all("svg") for a in svg.all("a")]
    assert [link.attributes["href"] for link in links] == [f"#step-{n}" for n in range(1, 10)]
    for number_, step in enumerate(facts().steps, 1):
        part = page.by_id(f"step-{number_}")
        assert step.name in part.all("h3")[0].text
    text = page.by_id("step-1").text
    for said in ("s3://bucket/code", f"{ROOT}/Process/train", "--label", "after step"):
        assert said in (text if said != "after step" else page.by_id("step-2").text)


def test_a_log_is_shown_by_its_end() -> None:
    source = files()
    source.printed["Process"] = [f"line {n}" for n in range(500)]
    (log,) = made(source=source)[0].by_id("step-1").all("pre")
    assert log.text.splitlines()[-1] == "line 499"
    assert len(log.text) <= 4_001
    assert "line 0\n" not in log.text


@pytest.mark.parametrize(
    ("lost", "said"),
    [
        ("evaluation", {"gate", "quality", "bias", "explained"}),
        ("curves", {"quality"}),
        ("columns", {"quality", "bias", "features"}),
        ("profile", {"data"}),
        ("analysis", {"bias", "explained"}),
        ("pretraining_bias", {"bias"}),
    ],
)
def test_a_file_that_is_not_there_empties_its_part_and_says_so(lost: str, said: set[str]) -> None:
    page, _ = made(source=files(**{lost: None}))
    found = {
        key for key in SECTIONS for one in page.section(key).all("p")
        if one.attributes.get("class") == "absent" and f"{lost}.json" in one.text
    }  # fmt: skip
    assert found == said


@pytest.mark.parametrize("content", [[], {}, {"bias_metrics": 7}, "text", 1e400, None])
@pytest.mark.parametrize(
    "name", ["evaluation", "curves", "columns", "profile", "analysis", "pretraining_bias"]
)
def test_a_file_of_another_shape_spoils_no_more_than_its_part(name: str, content: Any) -> None:
    page, _ = made(source=files(**{name: content}))
    assert page.section("evidence").all("table")
    assert page.section("search").all("figure")


def test_a_file_that_is_no_json_is_named() -> None:
    source = files()
    source.content[f"{ROOT}/Evaluate/evaluation/evaluation.json"] = b"{"
    assert "evaluation.json cannot be read as JSON." in made(source=source)[0].section("gate").text


def test_where_it_came_from_is_shown_and_what_is_not_recorded_is_said(page: Page) -> None:
    section = page.section("origin")
    assert f"1 file differs from commit {'0a' * 6} (pipeline.toml)." in section.text
    tables = [[cell.text for cell in table.all("td")] for table in section.all("table")]
    code, table, left_out = tables
    assert f"{'0a' * 20}; 1 file differs from it (pipeline.toml)" in code
    assert "1a" * 32 in table and "31 January 2025, 00:00 UTC" in table
    assert table[-3:] == ["1,200", "1,190", "400"]
    assert left_out == ["10"] and "empty chip" in section.text
    nothing, _ = made(facts(origin={}))
    assert "it was made by an earlier version of the library." in nothing.section("origin").text
    unknown, _ = made(facts(origin={"unknown": "evidence.json is gone"}))
    assert "evidence.json is gone" in unknown.section("origin").text


def test_the_tables_of_an_account_are_those_that_were_ingested() -> None:
    ingest = {"at": MOMENT, "table": CAME_FROM["table"]}
    origin = {**CAME_FROM, "table": None, "ingests": [ingest, ingest], "older_ingests": 3}
    text = made(facts(origin=origin))[0].section("origin").text
    assert "2 ingested tables" in text and "10 empty chip" in text and "1a" * 32 in text
    assert "3 earlier tables are not listed" in text


def test_a_run_that_failed_says_where_and_shows_what_there_is() -> None:
    run = facts(steps=tuple(
        dataclasses.replace(one, reason="line 3: no such column") if one.name == "Evaluate" else one
        for one in steps(Evaluate="Failed", Clarify="Skipped", Check="Skipped", Register="Skipped")
    ), status="Failed", registered="")  # fmt: skip
    page, report = made(run)
    assert page.root.all("h1")[0].text.endswith("The run failed")
    assert "Evaluate failed: line 3: no such column." in page.section("gate").text
    assert page.section("data").all("table")
    assert "no such column" in page.by_id("step-3").text
    assert "the run failed" in report.markdown
    assert "Missing: Gate" in report.markdown


def test_a_run_of_nothing_but_its_first_step_is_a_page() -> None:
    waiting = {one.name: "Waiting" for one in steps()[1:]}
    run = facts(steps=steps(**waiting), status="Executing", registered="", ended="", took="")
    page, _ = made(run)
    assert "The run is executing" in page.root.all("h1")[0].text


def refusing(value: float = 0.6) -> tuple[RunFacts, Files]:
    evaluation = copy.deepcopy(EVALUATION)
    evaluation["binary_classification_metrics"]["auc"]["value"] = value
    run = facts(steps=tuple(
        dataclasses.replace(one, outcome=False) if one.name == "Check" else one
        for one in steps(Register="Skipped")
    ), registered="")  # fmt: skip
    return run, files(evaluation=evaluation)


def test_a_refused_model_is_said_with_the_distance() -> None:
    page, report = made(*refusing())
    assert page.root.all("h1")[0].text.endswith("The model failed the gate")
    said = "auc: expected more than 0.75, got 0.6000"
    assert said in page.html
    assert said in report.markdown
    assert "✕ fails by 0.150" in page.by_id("decision").text
    assert "auc fails It fails by 0.150. The AUC measures how well" in page.by_id("decision").text
    assert "the outcome is the same" in page.section("gate").text


@pytest.mark.parametrize(
    ("gate", "said"),
    [
        ("worst_dppl < 0.1", "Facet kind, group dog: 50 % of this group are"),
        ("dppl[age_ge_4] < 0.1", "Facet age>=4, group 4 and over: 75 % of this group are"),
        ("worst_di > 0.9", "Facet kind, group dog:"),
    ],
)
def test_of_a_failed_bias_gate_facet_group_and_measure_come_first(gate: str, said: str) -> None:
    evaluation = copy.deepcopy(EVALUATION)
    cat, dog, _ = evaluation["bias_metrics"]["groups"]["kind"]
    cat.update(dppl=-0.25, di=1.4)
    dog.update(dppl=0.25, di=0.66)
    evaluation["bias_metrics"]["dppl"]["age_ge_4"] = {"value": 0.2}
    parsed = gates.parse(gate, "binary", ("kind", "age_ge_4"))
    run = facts(steps=steps([condition(parsed)]), registered="")
    run = dataclasses.replace(run, steps=tuple(
        dataclasses.replace(one, outcome=False) if one.type == "Condition" else one
        for one in run.steps
    ))  # fmt: skip
    page, report = made(run, files(evaluation=evaluation))
    first = page.by_id("decision").text
    assert f"{gate.split(maxsplit=1)[0]} fails {said}" in first
    assert page.html.index('id="decision"') < page.html.index('id="steps"')
    assert said.split(":", maxsplit=1)[0].replace(">", "&gt;") in report.markdown
    (_, means) = page.by_id("decision").all("p")[0].text.split("of all others. ")
    assert len(means.split()) > 5  # what the measure means, in words


def test_the_first_screen_says_how_groups_fare_where_no_bias_gate_is_set() -> None:
    first = made()[0].by_id("decision").text
    assert "No bias gate is set The widest gap is in facet" in first
    assert "Nothing to compare with No version is serving" in first


def test_a_failed_run_has_no_gate_to_show_on_its_first_screen() -> None:
    run = facts(status="Failed", steps=steps(Evaluate="Failed"), registered="")
    page, _ = made(run, Files({}))
    assert not page.by_id("decision").all("svg")
    assert page.by_id("decision").text == ""


def test_a_gate_that_the_model_failed_has_no_tick() -> None:
    page, _ = made(*refusing())
    (node,) = [one for one in page.root.all("a") if "Check" in one.attributes.get("aria-label", "")]
    assert "bad" in node.attributes["class"].split()
    assert "✓" not in node.text and "✕" in node.text
    (state,) = [one for part in page.root.all("article") if "Check" in part.all("h3")[0].text
                for one in part.all("p") if "state" in one.attributes.get("class", "")]  # fmt: skip
    assert "✕" in state.text and "✓" not in state.text


@pytest.mark.parametrize(
    ("kept", "name"),
    [
        ({"column": "gender", "values": [], "threshold": None}, "gender"),
        ({"column": "city", "values": ["DEL", "BOM"]}, "city=DEL|BOM"),
        ({"column": "age", "threshold": 39.99999999999999}, "age>=40"),
        ({"column": "age", "threshold": 40.0}, "age>40"),
    ],
)
def test_a_facet_has_the_name_that_the_settings_write(kept: dict[str, Any], name: str) -> None:
    assert facet_name(kept) == name
    (facet,) = parse(name)
    assert facet_name(json.loads(facet.argument)) == name


def test_a_group_of_an_interval_is_said_by_where_it_begins(page: Page) -> None:
    assert [group_name(value) for value in ("[40, 64]", "(40, 75.5]", "[a, b]", "F")] == [
        "40 and over", "over 40", "[a, b]", "F"]  # fmt: skip
    _, report = made()
    for text in (page.root.text, report.markdown):
        assert "4 and over" in text
        assert not re.search(r"age_ge_4|\[4, 9|3\.99999", text)


def test_an_evaluation_that_says_otherwise_than_the_run_is_shouted() -> None:
    page, _ = made(*refusing(value=0.9))
    assert "THE OUTCOME IS NOT THE SAME AS IN THE RUN" in page.section("gate").text


def test_a_number_that_no_group_decided_is_explained() -> None:
    evaluation = copy.deepcopy(EVALUATION)
    evaluation["bias_metrics"]["groups"] = {"kind": [group("cat", 40), group("dog", 60)]}
    evaluation["bias_metrics"]["worst_dppl"]["value"] = 1
    gate = gates.parse("worst_dppl < 0.1", "binary")
    run = facts(steps=tuple(
        dataclasses.replace(one, outcome=False) if one.name == "Check" else one
        for one in steps([condition(gate)], Register="Skipped")
    ), registered="")  # fmt: skip
    page, report = made(run, files(evaluation=evaluation))
    said = "No group of kind counts: either the group or all others together"
    assert said in page.section("gate").text
    assert said in page.root.all("header")[0].text
    assert said in report.markdown
    assert said not in made(*refusing())[0].html


def test_where_no_two_groups_count_the_four_fifths_rule_says_so() -> None:
    evaluation = copy.deepcopy(EVALUATION)
    evaluation["bias_metrics"]["four_fifths"] = {"kind": None}
    text = made(source=files(evaluation=evaluation))[0].section("bias").text
    assert "Here there is no ratio, because fewer than two groups count." in text
    assert "No facet is below it" not in text


def test_where_nobody_is_favoured_the_four_fifths_rule_says_so() -> None:
    evaluation = copy.deepcopy(EVALUATION)
    none = {"lowest": "dog", "highest": "cat", "ratio": None, "interval": None}
    evaluation["bias_metrics"]["four_fifths"] = {"kind": none}
    text = made(source=files(evaluation=evaluation))[0].section("bias").text
    assert "there is no ratio, because no prediction is favourable." in text


@pytest.mark.parametrize("number", ["-7", "0", "1.5", "1e6"])
@pytest.mark.parametrize("value", [-12.5, 0.0, 3.0, 1e9])
def test_a_gate_on_a_metric_of_ones_own_is_judged_and_drawn(number: str, value: float) -> None:
    gate = gates.parse(f"lift > {number}", "binary", (), ("lift",))
    evaluation = copy.deepcopy(EVALUATION)
    evaluation[SECTION]["lift"] = {"value": value}
    run, source = facts(steps=steps([condition(gate)])), files(evaluation=evaluation)
    found = judge(run, collect(run, source))
    assert found.recomputed is (value > float(number))
    assert gates.digest(found.gate) == gates.digest(gate)
    (place,) = made(run, source)[0].by_id("decision").all("circle")
    assert NEAR <= float(place.attributes["cx"] or "") <= FAR


def test_of_a_small_group_no_metric_is_shown_that_tells_its_share() -> None:
    text = made()[0].section("bias").text
    assert "newt 4 too few – too few – – it has 4 rows" in text


GATES = (
    "auc > 0.75",
    "auc > 0.75 and recall > 0.5",
    "auc > 0.95 or recall >= 0.6",
    "auc > 0.95 or recall > 0.5 and f1 < 0.9",
    "(auc > 0.95 or recall > 0.7) and dppl[kind] < 0.3",
    "worst_dppl < 0.1",
    "di[kind] >= 0.8 or precision <= 0.9 and (f1 > 0.9 or auc > 0.8)",
)


@pytest.mark.parametrize("text", GATES)
def test_a_gate_is_read_back_from_its_definition_and_judged_as_it_reads(text: str) -> None:
    gate = gates.parse(text, "binary", ("kind", "age_ge_4"))
    parts = gate.parts if isinstance(gate, gates.AllOf) else (gate,)
    run = facts(steps=steps([condition(part) for part in parts]))
    found = judge(run, collect(run, files()))
    assert str(found.gate) == str(gate)
    assert gates.digest(found.gate) == gates.digest(gate)
    values = {"auc": 0.9, "recall": 0.6, "f1": 0.67, "precision": 0.75, "worst_dppl": 0.25}
    python = text.replace("dppl[kind]", "0.25").replace("di[kind]", "0.66")
    python = re.sub(r"[a-z_0-9]{2,}", lambda m: str(values.get(m[0], m[0])), python)
    assert found.recomputed is eval(python)  # noqa: S307
    assert len(found.comparisons) == len(list(gates.comparisons(gate)))
    made(run)


def condition(gate: gates.Gate) -> dict[str, Any]:
    """As `model_build/sdk.py` compiles it."""
    if isinstance(gate, gates.Comparison):
        signs = {">": "GreaterThan", ">=": "GreaterThanOrEqualTo", "<": "LessThan",
                 "<=": "LessThanOrEqualTo"}  # fmt: skip
        left = {"Std:JsonGet": {**GATE["LeftValue"]["Std:JsonGet"], "Path": gate.json_path}}
        return {"Type": signs[gate.sign], "LeftValue": left, "RightValue": gate.number}
    inner = [condition(part) for part in gate.parts]
    if isinstance(gate, gates.AnyOf):
        return {"Type": "Or", "Conditions": inner}
    nots = [{"Type": "Not", "Condition": one} for one in inner]
    return {"Type": "Not", "Condition": {"Type": "Or", "Conditions": nots}}


# Any text is a text

MOMENT = "2026-01-02T00:00:00Z"
HOSTILE = "<script>alert(1)</script>\"'&amp;<img src=x onerror=alert(2)>\ue000id\ue001"


def everywhere(content: Any) -> Any:
    """A content whose every name and text is hostile, but for those that are looked up."""
    if isinstance(content, dict):
        return {key: everywhere(value) for key, value in content.items()}
    if isinstance(content, list):
        return [everywhere(value) for value in content]
    kept = ("kind", "age_ge_4", "binary", "accuracy", "DPL")
    return HOSTILE if isinstance(content, str) and content not in kept else content


def test_what_turns_a_text_around_is_shown_as_its_code() -> None:
    obeyed = "a\x1b]0;title\x07b\u202ec"
    source = files(evaluation=EVALUATION, columns=COLUMNS, curves=CURVES)
    source.printed["Process"] = [obeyed]
    report = build(facts(project=obeyed, started_by=obeyed), source)
    assert report.html.count(r"a\u001b]0;title\u0007b\u202ec") > 2
    for text in (report.html, report.markdown):
        assert not {"\x1b", "\x07", "\u202e"} & set(text)


def test_no_text_of_the_data_becomes_markup() -> None:
    analysis = everywhere(ANALYSIS)
    shap = {f"{HOSTILE}{n}": v for n, v in enumerate((0.4, 0.1))}
    analysis["explanations"]["kernel_shap"] = {"label0": {"global_shap_values": shap}}
    profile = {**everywhere(PROFILE), "features": {HOSTILE: PROFILE["features"]["weight"]}}
    evaluation = {**everywhere(EVALUATION), "rows": 404}
    source = files(
        analysis=analysis, profile=profile, evaluation=evaluation,
        columns={**COLUMNS, "label": HOSTILE}, curves=CURVES,
        pretraining_bias=everywhere(TRAINING_BIAS),
    )  # fmt: skip
    source.printed["Process"] = [HOSTILE]
    source.content[f"{ROOT}/Clarify/analysis_result/explanations_shap/out.csv"] = (
        f'"{HOSTILE.replace(chr(34), chr(34) * 2)}0_label0"\n0.5\n-0.5\n'.encode()
    )
    search = {**SEARCH, "TrainingJobSummaries": [trial(1, 0.9, of=HOSTILE)]}
    run = facts(
        project=HOSTILE, where=HOSTILE, started_by=HOSTILE, parameters={HOSTILE: HOSTILE},
        positive=HOSTILE, versions={HOSTILE: HOSTILE}, registered=HOSTILE,
        steps=tuple(
            dataclasses.replace(
                one, detail=HOSTILE, notes=(HOSTILE,), log_place=HOSTILE, reason=HOSTILE,
                name=HOSTILE if one.name == "Transform" else one.name,
                answer=search if one.type == "Tuning" else one.answer)
            for one in steps()
        ),
        changes=(Decision("Pending", "Approved", HOSTILE, HOSTILE, HOSTILE),),
        deployments=(Deployment(HOSTILE, "", HOSTILE, HOSTILE, HOSTILE),),
        previous=Previous("zero", HOSTILE, json.dumps(profile).encode()),
    )  # fmt: skip
    page, report = made(run, source)
    assert len(page.root.all("script")) == 1
    assert page.root.all("img") == []
    assert page.html.count("&lt;script&gt;") > 20
    assert not re.search(r"<(script|img)", report.markdown)


def test_a_text_in_markdown_is_a_text() -> None:
    assert as_markdown("[a](b)|*c*\n`d` @x #1 <b>&") == (
        r"\[a\](b)\|\*c\* \`d\` \@x \#1 &lt;b&gt;&amp;"
    )


# What is read off


def test_a_difference_between_groups_is_read_in_words(page: Page) -> None:
    text = page.section("bias").text
    assert (
        "Of 100 rows with kind dog, 50 are predicted stayed = 1; of 100 rows with kind cat, 75."
        in text
    )
    assert "kind is below" in text
    assert "dog over cat: 0.667" in text


def test_overlapping_intervals_are_said() -> None:
    close = {"rows": 200, "favourable": 148, "share": 0.74, "interval": [0.67, 0.8]}
    evaluation = copy.deepcopy(EVALUATION)
    evaluation["bias_metrics"]["groups"]["kind"] = [group("cat"), group("dog", share=close)]
    text = made(source=files(evaluation=evaluation))[0].section("bias").text
    assert "Their intervals overlap, so the difference may be chance." in text


def test_a_table_of_bias_metrics_has_its_facets_name() -> None:
    group = {"value_or_threshold": "[4, 9]", "metrics": [{"name": "DPL", "value": 0.1}]}
    content = {**ANALYSIS, "pre_training_bias_metrics": {"facets": {"facet_age": [group]}}}
    text = made(source=files(analysis=content))[0].section("bias").text
    assert "Labels by age>=4 group DPL 4 and over 0.100" in text


def test_of_a_group_of_a_few_nothing_is_told(page: Page) -> None:
    section = page.section("bias")
    assert "newt" in section.text
    assert "too few to show" in section.text
    assert "25.0 %" not in section.text


def test_a_group_alone_is_shown_beside_all_others(page: Page) -> None:
    (figure,) = [one for one in page.section("bias").all("figure") if "By age>=4" in one.text]
    assert "all others" in figure.text
    assert "all others 200 50.0 % 43.0 to 57.0 % 75.0 %" in figure.text
    assert "7 rows without age count among the others." in figure.text
    assert "Of 100 other rows, 50 are predicted" in figure.text


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({}, "to be predicted stayed = 1"),
        ({"favourable_label": 0}, "not to be predicted stayed = 1"),
        ({"label_threshold": 40_000.0}, "to be predicted stayed above 40,000"),
    ],
)  # fmt: skip
def test_the_favourable_outcome_is_in_the_settings_words(
    changed: dict[str, Any], said: str
) -> None:
    page, _ = made(source=files(columns={**COLUMNS, **changed}))
    assert f"The favourable outcome is {said}." in page.section("bias").text


def test_a_file_that_changed_since_is_shouted(page: Page) -> None:
    uri = f"{ROOT}/Evaluate/evaluation/evaluation.json"
    assert "sha256sum" in page.section("evidence").text
    text = made(facts(digests={uri: "0" * 64}))[0].section("evidence").text
    assert "CHANGED" in text
    assert "evaluation.json changed after the step had ended" in text
    found = next(f for f in collect(facts(), files()).files if f.uri == uri)
    assert "CHANGED" not in made(facts(digests={uri: found.sha256}))[0].section("evidence").text


TABLE = Ingested(
    location="s3://bucket/rows", latest="2026-01-01T00:00:00Z", read=3_000, kept=2_990,
    found={"missing age": 12}, used=600, names={"weight": "Gewicht (kg) <b>", "kind": "Art"},
    suspicious={"reason": 1.0}, crossing={"owner": 12},
)  # fmt: skip


def test_what_was_found_in_the_data_is_said() -> None:
    found = {"rows_with_a_twin": {"train": 8, "test": 7}, "suspicious_features": {"weight": 0.998}}
    excellent = copy.deepcopy(EVALUATION)
    excellent[SECTION]["auc"]["value"] = 0.9987
    page, report = made(facts(table=TABLE), files(findings=FOUND | found, evaluation=excellent))
    assert "3,000 rows read, 600 used; 12 missing age." in page.section("data").text
    said = page.section("remarks").text
    for text in (
        "'Gewicht (kg) <b>' alone ranks the label almost perfectly (0.998): is it known before",
        "'reason' alone ranks the label almost perfectly (1): is it known before the outcome?",
        "7 of 404 test rows have the same features, label and facets as a training row",
        "'owner' seems to identify people, and about 12 of its values have rows in both "
        "train and test",
        "auc 0.9987 is suspiciously high",
    ):
        assert text in said
    assert "- 3,000 rows read, 600 used; 12 missing age\n" in report.markdown
    assert "- 7 of 404 test rows have" in report.markdown


def test_of_an_earlier_moment_the_rows_used_are_not_said() -> None:
    run = facts(table=TABLE, parameters={"AsOf": "2025-01-01T00:00:00Z"})
    said = made(run)[0].section("data").text
    assert "3,000 rows read, 2,990 kept; 12 missing age." in said


def test_where_nothing_was_found_nothing_is_said(page: Page) -> None:
    for said in (page.root.text, made(source=files(findings=None))[0].root.text):
        assert "Before you trust the metrics" not in said
        assert "The raw table" not in said


def test_findings_of_another_shape_leave_the_rest_of_the_page() -> None:
    page, _ = made(source=files(findings={"rows_with_a_twin": 7}))
    assert "findings.json has a wrong format" in page.section("remarks").text
    assert "auc" in page.section("quality").text


def test_values_on_an_axis_are_not_rounded_to_others() -> None:
    drawn = dependence("year", [2010, 2015, 2020], [0.1, 0.2, 0.3])
    assert "2,015" in drawn.svg
    assert drawn.svg.count("2,020") == 1


def test_columns_are_shown_under_the_names_of_the_table_everywhere() -> None:
    columns = {**COLUMNS, "shown": {"stayed": "Geblieben?"}}
    analysis = copy.deepcopy(ANALYSIS)
    previous = Previous("zero", "2025-12-31T00:00:00Z", json.dumps(PROFILE).encode())
    run = facts(table=TABLE, previous=previous)
    page, report = made(run, files(columns=columns, analysis=analysis))
    for section in ("explained", "data"):
        text = page.section(section).text
        assert "Gewicht (kg) <b>" in text
        assert "weight" not in text.replace("weigh most", "")
    assert "Art (facet)" in page.section("data").text
    assert "Labels by Art" in page.section("bias").text
    assert "Geblieben? = 1" in page.section("bias").text
    assert "Gewicht" in report.markdown


def test_drift_is_since_the_earlier_run() -> None:
    before = copy.deepcopy(PROFILE)
    before["features"]["purrs"]["values"] = [[0.0, 900], [1.0, 100]]
    previous = Previous("zero", "2025-12-01T00:00:00Z", json.dumps(before).encode())
    page, report = made(facts(previous=previous))
    text = page.section("data").text
    assert "Compared with run zero of 1 December 2025, 00:00 UTC." in text
    assert "Of 4 columns, 1 moved much" in text
    assert "| purrs | 0.879 | 0.400 | much |" in report.markdown


def test_an_approval_has_a_part_when_there_is_one(page: Page) -> None:
    assert "approval" not in [one.attributes["id"] for one in page.root.all("section")]
    change = Decision("PendingManualApproval", "Approved", "Jo", "as agreed", MOMENT)
    text = made(facts(changes=(change,)))[0].section("approval").text
    assert "Jo set the version to Approved on 2 January 2026, 00:00 UTC: as agreed" in text
    assert "All deployments" not in text
    deployed = Deployment(MOMENT, MOMENT, "deployed in place of version 1", "Al", "for the spring")
    text = made(facts(changes=(change,), deployments=(deployed,)))[0].section("approval").text
    table = text.partition("All deployments on this machine")[2]
    assert "deployed in place of version 1 Al for the spring" in " ".join(table.split())


def test_two_algorithms_are_told_apart_and_compared() -> None:
    summaries = [trial(1, 0.9, of="xgboost"), trial(2, 0.8, of="lightgbm")]
    run = facts(steps=tuple(
        dataclasses.replace(one, answer={**SEARCH, "TrainingJobSummaries": summaries})
        if one.type == "Tuning" else one for one in steps()
    ))  # fmt: skip
    best = {"trials": 1, "objective": {"validation:auc": 0.9},
            SECTION: EVALUATION[SECTION]}  # fmt: skip
    doubt = "catboost has 0 of 2 trials with a model, fewer than 3: no comparison took place"
    compared = {"xgboost": best, "lightgbm": best, "catboost": {"trials": 0}}
    evaluation = {**EVALUATION, "algorithms": compared, "comparison_doubts": [doubt]}
    page, report = made(run, files(evaluation=evaluation))
    assert doubt in report.markdown
    section = page.section("search")
    assert "with xgboost" in section.text
    assert "The best trial of each algorithm, on the test split" in section.text
    (keys,) = [one for one in section.all("ul") if one.attributes.get("class") == "keys"]
    assert "xgboost" in keys.text
    assert "lightgbm" in keys.text


def test_stopped_and_failed_trials_are_drawn_as_such(page: Page) -> None:
    section = page.section("search")
    assert "Of 4 trials, number 2 is the best" in section.text
    classes = [one.attributes.get("class") for one in section.all("svg")[0].all("circle", "path")]
    assert classes.count("stopped") == 1
    assert classes.count("failed") == 1


def test_a_search_without_any_value_says_so() -> None:
    summaries = [trial(1, None, "Failed")]
    run = facts(steps=tuple(
        dataclasses.replace(one, answer={**SEARCH, "TrainingJobSummaries": summaries})
        if one.type == "Tuning" else one for one in steps()
    ))  # fmt: skip
    assert made(run)[0].section("search").all("p")


def test_a_regression_has_its_own_pictures() -> None:
    curves = {
        "rows": 4, "confidence": 0.95,
        "predicted_actual": {"edges": [0, 1, 2], "counts": [[1, 0], [1, 2]], "outside": 0},
        "residuals": {"edges": [-1, 0, 1], "counts": [2, 2], "outside": 0,
                      "quantiles": {"0.05": -1, "0.25": -0.5, "0.5": 0, "0.75": 0.5, "0.95": 1}},
        "calibration": [{"rows": 2, "said": 0.5, "true": 0.6, "interval": [0.4, 0.8]},
                        {"rows": 2, "said": 1.5, "true": 1.4, "interval": [1.2, 1.6]}],
        "by_group": {"kind": [{"value": "cat", "rows": 4, "mean": 0.3, "interval": [0.1, 0.5],
                               "absolute": 0.4}, {"value": "dog", "rows": 1}], "age_ge_4": []},
    }  # fmt: skip
    evaluation = {k: v for k, v in EVALUATION.items() if k != "binary_classification_metrics"}
    evaluation["regression_metrics"] = {"rmse": {"value": 0.5}}
    text = made(source=files(curves=curves, evaluation=evaluation))[0].section("quality").text
    for said in ("Predicted against actual", "Residuals", "By size", "Error by kind"):
        assert said in text
    assert "cat: on average 0.3000 too high. Lines are" in text
    assert "furthest off" not in text  # of one that is known
    assert "too few rows" in text
    curves["by_group"]["kind"] = [
        {"value": "cat", "rows": 4, "mean": 0.3, "interval": [-0.1, 0.5], "absolute": 0.4},
        {"value": "dog", "rows": 4, "mean": 0.2, "interval": [0.1, 0.3], "absolute": 0.4},
    ]
    text = made(source=files(curves=curves, evaluation=evaluation))[0].section("quality").text
    assert "Predictions are furthest off for cat: on average 0.3000 too high. Its interval" in text


def test_steps_stand_below_those_that_they_wait_for() -> None:
    rows = [[step.name for step in row] for row in layers(steps())]
    assert rows == [["Process"], ["Tune"], ["Evaluate", "Create"], ["Config", "Transform"],
                    ["Clarify"], ["Check"], ["Register"]]  # fmt: skip


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (0.92452, "0.9245"), (12_345.6, "12,346"), (0, "0"), (-0.00131, "−0.0013"), (None, "–"),
        (1e-9, "1.0e−09"), (1_234, "1,234"), (1.7e308, "no limit"), (3.0, "3"), (True, "True"),
    ],
)  # fmt: skip
def test_numbers_are_read_easily(value: object, said: str) -> None:
    assert number(value) == said


def test_shares_times_and_moments_are_read_easily() -> None:
    assert [percent(v) for v in (0.5, 0.004, 0.996, 1.0, None)] == [
        "50 %", "0.4 %", "99.6 %", "100 %", "–"
    ]  # fmt: skip
    assert between([0.914, 0.96]) == "91 to 96 %"
    said = [duration(seconds) for seconds in (0.42, 200, 7_500, None)]
    assert said == ["0.4 s", "3 min 20 s", "2 h 5 min", ""]
    assert moment("2026-01-31T09:05:00Z") == "31 January 2026, 09:05 UTC"
    assert moment("yesterday") == "yesterday"
