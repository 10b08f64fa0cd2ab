"""The explainer's sections say what the runs, the registry and the settings say."""

from __future__ import annotations

import html
import json
import re
import tomllib
from dataclasses import replace
from typing import Any

import pytest

from conftest import GENERATED, Run, overlay
from explainer.facts import ScenarioFacts
from explainer.sections import (
    bias,
    features,
    gate,
    lifecycle,
    lineage,
    mapping,
    package,
    production,
)
from ninesteps.settings import gate as gates
from package_contents import package_contents

Explained = dict[str, ScenarioFacts]


@pytest.fixture(scope="module")
def facts(explained: Explained) -> ScenarioFacts:
    """Churn, run."""
    return explained["churn"]


@pytest.fixture(scope="module")
def tried(facts: ScenarioFacts) -> gate.Trial:
    """Its gate, to try."""
    return gate.trial(facts)


# The gate


def test_at_the_runs_own_threshold_the_gate_says_what_the_terminal_said(
    tried: gate.Trial, churn_run: Run
) -> None:
    for beginning, holds, end in tried.lines:
        assert f"{beginning}  {'passes' if holds else 'fails'} {end}" in churn_run.output
    verdict = "passes" if tried.passes else "fails"
    assert f"{tried.gate}  {verdict}" in churn_run.output


def test_at_the_runs_own_threshold_the_counts_are_the_reports(
    tried: gate.Trial, facts: ScenarioFacts
) -> None:
    curves, at = facts.reading.curves, tried.points[tried.used]
    assert at.threshold == curves["threshold"]
    assert {
        "true_positive": at.found, "false_positive": at.alarms,
        "false_negative": at.missed, "true_negative": at.passed,
    } == curves["confusion"]  # fmt: skip


def test_a_stricter_threshold_flags_fewer(tried: gate.Trial) -> None:
    flagged = [point.found + point.alarms for point in tried.points]
    assert flagged == sorted(flagged, reverse=True)
    assert flagged[0] > flagged[-1]
    assert len({point.threshold for point in tried.points}) == len(tried.points) >= gate.STEPS - 1


def test_a_gate_with_a_limit_for_bias_reads_it_at_every_threshold(facts: ScenarioFacts) -> None:
    asked = gates.parse("auc > 0.75 and (recall > 0.99 or worst_dppl < 0.1)", "binary")
    settings = replace(facts.settings, gate=replace(
        facts.settings.gate, metric="auc > 0.75 and (recall > 0.99 or worst_dppl < 0.1)"
    ))  # fmt: skip
    found = gate.trial(replace(facts, settings=settings))
    evaluation = facts.reading.evaluation["bias_metrics"]["worst_dppl"]["value"]
    assert found.points[found.used].values[2] == pytest.approx(evaluation)
    assert len({point.values[2] for point in found.points}) > 1
    assert str(found.gate) == str(asked)
    assert gate._data(found)["gate"] == ["and", 0, ["or", 1, 2]]


def test_without_script_the_gate_shows_its_verdict_and_no_dead_control(
    explained: Explained,
) -> None:
    page = str(gate.section(explained).html)
    assert "The gate passes" in page
    assert '<fieldset class="controls" hidden>' in page
    data = json.loads(html.unescape(re.findall(r'data-trial="([^"]*)"', page)[0]))
    assert data["points"][data["used"]][0] == explained["churn"].reading.curves["threshold"]


# Bias


def test_the_bias_of_the_planted_group_is_the_runs(explained: Explained) -> None:
    planted = bias.PLANTED["churn"]
    shown = {m.short: m for m in bias.measures(explained["churn"], planted)}
    groups = explained["churn"].reading.evaluation["bias_metrics"]["groups"][planted.column]
    (group,) = (g for g in groups if g["value"] == planted.value)
    assert float(shown["DPPL"].value) == pytest.approx(group["dppl"], abs=6e-4)
    assert float(shown["DI"].value) == pytest.approx(group["di"], abs=6e-4)
    assert group["dppl"] == max(g["dppl"] for g in groups)  # the one that was planted
    assert "below 0.8, the limit" in shown["DI"].says
    page = str(bias.section(explained).html)
    assert planted.how in html.unescape(page)


# The package and the life cycle


def test_the_package_lists_every_file_that_the_registered_version_names(
    facts: ScenarioFacts,
) -> None:
    (registered,) = facts.run.step("RegisterModel")
    contents = package_contents(registered.request)
    named = {contents[kind] for kind in ("archive", "quality", "bias", "explainability")}
    found = package.artifacts(facts)
    assert {artifact.name for artifact in found} == named
    assert [artifact.step.name for artifact in found] == [
        "ChurnHyperParameterTuning", "ChurnEvalBestModel", "ClarifyProcessingStep",
    ]  # fmt: skip
    for artifact in found:
        assert artifact.purpose
        assert len(artifact.sha256) == 64


def test_the_life_cycle_is_what_the_registry_does(facts: ScenarioFacts) -> None:
    before = (facts.local / "state.db").read_bytes()
    done = [(one.state, one.action) for one in lifecycle.transitions(facts) if one.is_done]
    assert done == [
        ("waits for approval", "approve"),
        ("waits for approval", "reject"),
        ("approved", "approve --for production"),
        ("approved", "reject"),
        ("approved", "deploy to staging"),
        ("approved for production", "reject"),
        ("approved for production", "deploy to staging"),
        ("approved for production", "deploy"),
    ]
    assert (facts.local / "state.db").read_bytes() == before  # it was tried on copies


def test_an_arrow_of_the_life_cycle_is_there_only_if_the_registry_allows_it(
    facts: ScenarioFacts,
) -> None:
    tried = lifecycle.transitions(facts)
    assert lifecycle._picture(tried).count("withdraw</text>") == 2
    changed = [replace(one, refusal="no") if one.action == "reject" else one for one in tried]
    assert "withdraw</text>" not in lifecycle._picture(changed)


# The table from the lab to HR, lineage, production, the feature store


@pytest.mark.parametrize("scenario", ["churn", "attrition"])
def test_the_table_from_the_lab_names_columns_that_are_there(scenario: str) -> None:
    settings = tomllib.loads((overlay(scenario) / "pipeline.toml").read_text(encoding="utf-8"))
    data: dict[str, Any] = settings["data"]
    known = {*data["columns"], data["record_id"], data["label"]}
    named = [name for concept in mapping.concepts() for name in getattr(concept, scenario)]
    assert named
    assert set(named) <= known
    if scenario == "churn":  # nothing of the lab is left out
        assert set(named) == known


def test_the_lineage_is_that_of_the_registered_version(explained: Explained) -> None:
    found = lineage.section(explained)
    assert "customer-churn version 1" in found.lead
    assert 'class="lineage"' in found.html


def test_production_shows_the_settings_own_cadences_and_rollout(explained: Explained) -> None:
    page = html.unescape(str(production.section(explained).html))
    assert "cron(0 6 1 * ? *)" in page  # churn's, monthly
    assert "cron(0 6 1 1 ? *)" in page  # salary's, annual
    assert "new: 50 %" in page  # of two instances a canary is one
    assert "second approval" not in page  # churn asks for none


def test_the_feature_store_is_churns(facts: ScenarioFacts, explained: Explained) -> None:
    page = str(features.section(explained).html)
    assert f"{len(facts.reading.columns['features'])} features" in page
    assert facts.run.table is not None
    assert f"{facts.run.table.used:,} rows" in page
    assert (GENERATED / "data" / "churn.csv").is_file()
    assert "churn.csv" in page


def test_the_dictionary_has_every_feature_with_the_settings_own_meaning(
    facts: ScenarioFacts, explained: Explained
) -> None:
    found = features.dictionary_of(facts).rows
    assert {f.name for f in found} >= {"spend_rate", "esent"}
    (sent,) = (f for f in found if f.name == "esent")
    assert sent.meaning == facts.settings.data.columns["esent"].meaning != ""
    page = html.unescape(str(features.section(explained).html))
    assert all(f.meaning in page for f in found)
    assert page.count("<details>") == len(explained)
