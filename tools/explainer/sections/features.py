"""The Feature Store: the offline and the online store, and the rows that a training run reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from markupsafe import Markup

from explainer.diagram import Box, across, arrow, down, label
from explainer.facts import ScenarioFacts
from explainer.section import Section, rendered
from ninesteps.report import drawing as d
from ninesteps.report.dictionary import Feature, rows
from ninesteps.report.features_panel import feature_names
from ninesteps.report.formatting import count, moment, number

SHOWN = "churn"


def section(facts: Mapping[str, ScenarioFacts]) -> Section:
    """The section."""
    scenario = facts[SHOWN]
    html = rendered(
        "sections/features.html.jinja",
        stores=_stores(scenario),
        moments=_moments(scenario),
        record_id=scenario.settings.data.record_id,
        dictionaries=[dictionary_of(one) for one in facts.values()],
    )
    lead = (
        "Features are kept in a feature group, with a row for each record and point in time. "
        "Training and predictions use the same features, computed by the same code."
    )
    return Section("feature-store", "The Feature Store", lead, html, menu="Feature Store")


@dataclass(frozen=True)
class Dictionary:
    """The features of a scenario with their meanings, from its settings."""

    project: str
    says: str
    rows: list[Feature]


def dictionary_of(scenario: ScenarioFacts) -> Dictionary:
    """The dictionary of a run's features; for a language model, of the columns it learns from."""
    found = rows(scenario.settings, feature_names(scenario.reading))
    seen = sum(feature.is_seen for feature in found)
    says = f"{count(seen, 'entry', 'entries')} that the model sees"
    if unseen := len(found) - seen:
        says += f", {unseen} that it never sees"
    return Dictionary(scenario.settings.project.name, says, found)


def _stores(scenario: ScenarioFacts) -> Markup:
    """From the raw table to the two stores, and who reads each."""
    settings, table = scenario.settings, scenario.run.table
    used = number(table.used) if table else "no"
    columns = len(scenario.reading.columns["features"])
    raw = Box(3, 8, 140, settings.data.file.rpartition("/")[2], ("your table",), "store")
    code = Box(197, 8, 140, "features.py", ("the team's own code",))
    group = Box(40, 92, 260, settings.project.pipeline,
                (f"feature group: {count(columns, 'feature')}, {used} rows",), "good")  # fmt: skip
    offline = Box(3, 186, 160, "offline store", ("every row ever written",
                  "in S3, read by Athena"), "store")  # fmt: skip
    is_on = settings.features.online
    online = Box(177, 186, 160, "online store",
                 ("the newest row of each id", "on" if is_on else "off: [features] online = true"),
                 "store" if is_on else "absent")  # fmt: skip
    training = Box(3, 294, 160, "step 1, training", ("the rows as of one point in time",))
    caller = Box(177, 294, 160, "an application", ("reads one record, at once",))
    marks = [
        across(raw, code),
        arrow((code.middle, code.bottom), (code.middle, group.y - 1)),
        label(code.middle - 6, 76, "ingest", "end"),
        down(group, offline), down(group, online), down(offline, training), down(online, caller),
        *(box.marks for box in (raw, code, group, offline, online, training, caller)),
    ]  # fmt: skip
    says = (
        "The table's rows become features and are written to a feature group. Its offline store "
        "keeps all rows for training, its online store the newest row of each record."
    )
    return d.svg("stores", 344, "Offline and online store", says, *marks)


_ROWS = {"A": (0.1, 0.42, 0.9), "B": (0.3,), "C": (0.2, 0.55), "D": (0.84,)}
"""Example records with the times of their rows, between 0 and 1."""

_AS_OF = 0.68


def _moments(scenario: ScenarioFacts) -> Markup:
    """Which row of each record a run reads, as of a point in time."""
    x = d.Scale(0, 1, 34, 330)
    bottom = 44 + 44 * len(_ROWS)
    marks = [
        d.rect(x(_AS_OF), 26, 330 - x(_AS_OF), bottom - 40, "track"),
        d.line(x(_AS_OF), 22, x(_AS_OF), bottom - 10, "limit"),
        d.text(x(_AS_OF), 14, f"as of {moment(str(scenario.run.parameters['AsOf']))}", "flow-says",
               "middle"),
        d.text(334, bottom + 8, "time", "flow-says", "end"),
    ]  # fmt: skip
    for place, (record, times) in enumerate(_ROWS.items()):
        y = 52 + 44 * place
        known = [time for time in times if time <= _AS_OF]
        marks += [d.text(6, y + 4, record, "flow-name"), d.line(34, y, 330, y, "rule")]
        for time in times:
            is_taken = bool(known) and time == max(known)
            marks.append(
                d.circle(x(time), y, 6.5 if is_taken else 5, "dot" if is_taken else "point")
            )
    says = (
        "A run reads each record's newest row at its point in time. It does not see later rows, "
        "and leaves out records whose first row is later."
    )
    return d.svg("as-of", bottom + 14, "Rows as of a point in time", says, *marks)
