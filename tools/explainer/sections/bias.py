"""Bias before and after training, for the group that the sample data disadvantage."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import attrition
import churn
from explainer.facts import ScenarioFacts
from explainer.section import Section, rendered
from ninesteps.report import bias_charts
from ninesteps.report.figure import Figure
from ninesteps.report.formatting import number, percent


@dataclass(frozen=True)
class Planted:
    """What a sample's generator does to one group."""

    column: str
    value: str
    how: str  # a sentence


PLANTED = {
    "attrition": Planted(
        "location",
        attrition.BIASED_LOCATION,
        f"In location {attrition.BIASED_LOCATION}, {percent(attrition.NIGHT_SHARE, 1)} of the "
        f"people were put on the night shift, and {percent(attrition.FLIPPED_SHARE)} of those "
        "leave, regardless of anything else.",
    ),
    "churn": Planted(
        "city",
        churn.BIASED_CITY,
        f"In {churn.BIASED_CITY}, {percent(churn.FLIPPED_SHARE)} of the customers whose behaviour "
        "suggests that they stay were labelled as lost.",
    ),
}
"""The planted difference of each scenario, from the generators in `samples/`; the first scenario
that was run is shown."""

_BEFORE, _AFTER = "before training, in the labels", "after training, in the predictions"


@dataclass(frozen=True)
class Measure:
    """One bias metric, explained for this run."""

    short: str
    name: str
    when: str
    value: str
    says: str


def section(facts: Mapping[str, ScenarioFacts]) -> Section:
    """The section."""
    name, planted = next((name, planted) for name, planted in PLANTED.items() if name in facts)
    scenario = facts[name]
    html = rendered(
        "sections/bias.html.jinja",
        planted=planted,
        project=scenario.settings.project.name,
        measures=measures(scenario, planted),
        figures=_figures(scenario, planted),
        hidden=planted.column in scenario.settings.model.exclude,
        limits=scenario.settings.bias_gate,
        least=scenario.settings.bias.min_group_size,
    )
    lead = (
        "A good average can hide a group that is treated badly, so groups are compared twice: in "
        "the labels, before any training, and in the model's predictions. A difference is not "
        "proof of discrimination; it shows where to look."
    )
    return Section("bias", "Bias, before and after training", lead, html, menu="Bias")


def measures(scenario: ScenarioFacts, planted: Planted) -> list[Measure]:
    """Four of Clarify's metrics for the planted group, each in a sentence.

    Raises:
        KeyError: if the run has no such group, or no such metric of it.
    """
    labels = _metrics(scenario, "pre_training_bias_metrics", planted)
    predictions = _metrics(scenario, "post_training_bias_metrics", planted)
    group, others = _shares(scenario, planted)
    ci, dpl, dppl, di = labels["CI"], labels["DPL"], predictions["DPPL"], predictions["DI"]
    favoured = scenario.reading.favourable
    there = f"{planted.column} {planted.value}"
    alarm = (
        "below 0.8, the limit of the four-fifths rule"
        if di < bias_charts.FOUR_FIFTHS
        else "above 0.8, the limit of the four-fifths rule"
    )
    return [
        Measure("CI", "Class imbalance", _BEFORE, number(ci, 3),
                f"{percent((1 - ci) / 2)} of the rows have {there}. 0 would be half of them; the "
                "closer to 1, the less there is to learn about the group."),
        Measure("DPL", "Difference in proportions of labels", _BEFORE, number(dpl, 3),
                f"Of 100 people in the group, {100 * abs(dpl):.1f} {_fewer(dpl)} have the "
                "favourable label than of 100 others. This difference is in the data."),
        Measure("DPPL", "Difference in proportions of predictions", _AFTER, number(dppl, 3),
                f"{percent(group, 1)} of the group are {favoured}, and {percent(others, 1)} of "
                f"the others: the model {_passed_on(dpl, dppl)} the difference in the labels."),
        Measure("DI", "Disparate impact", _AFTER, number(di, 3),
                f"The group's share divided by the others' share. 1 is equal. This is {alarm}."),
    ]  # fmt: skip


def _fewer(difference: float) -> str:
    return "fewer" if difference > 0 else "more"


def _passed_on(before: float, after: float) -> str:
    """Whether the model keeps, widens or narrows a difference."""
    if abs(after) > abs(before) * 1.1:
        return "widens"
    return "narrows" if abs(after) < abs(before) * 0.9 else "keeps"


def _metrics(scenario: ScenarioFacts, part: str, planted: Planted) -> dict[str, float]:
    groups = scenario.evidence.analysis.json()[part]["facets"][f"facet_{planted.column}"]
    (found,) = (g for g in groups if str(g["value_or_threshold"]) == planted.value)
    return {metric["name"]: metric["value"] for metric in found["metrics"]}


def _shares(scenario: ScenarioFacts, planted: Planted) -> tuple[float, float]:
    """The share predicted favourable in the group, and among all others."""
    groups = _groups(scenario, planted)
    (group,) = (g for g in groups if g["value"] == planted.value)
    share = float(group["predicted"]["share"])
    return share, share + float(group["dppl"])


def _groups(scenario: ScenarioFacts, planted: Planted) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = scenario.reading.evaluation["bias_metrics"]["groups"][
        planted.column
    ]
    return found


def _figures(scenario: ScenarioFacts, planted: Planted) -> list[Figure]:
    training = scenario.evidence.training_bias.json()
    test, sure = _groups(scenario, planted), percent(training["confidence"])
    name = scenario.reading.facet_names[planted.column]
    return [
        bias_charts.labelled_shares(
            f"planted-{planted.column}", name, planted.column,
            training["groups"][planted.column], test, sure,
        ),
        bias_charts.predicted_shares(
            f"planted-{planted.column}", name, planted.column, test, None, 0,
            scenario.reading.favourable, sure,
        ),
    ]  # fmt: skip
