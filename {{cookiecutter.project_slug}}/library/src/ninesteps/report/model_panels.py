"""The panels on feature influence and on the training data."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ninesteps.feature_store import findings
from ninesteps.report import model_charts
from ninesteps.report.evidence import Absent, swarm
from ninesteps.report.figure import Figure, Group, Panel, Table
from ninesteps.report.formatting import count, moment, number, percent
from ninesteps.report.reading import Reading, group, sentence


def explained(reading: Reading) -> Panel:
    """SHAP values and partial dependence.

    Raises:
        Absent: if there is no analysis, or nothing was explained in it.
    """
    analysis = reading.evidence.analysis.json()
    explanations = analysis.get("explanations") or {}
    (values, *_) = explanations["kernel_shap"].values() if "kernel_shap" in explanations else ({},)
    shap = {reading.shown(n): v for n, v in values.get("global_shap_values", {}).items()}
    if not shap:
        raise Absent("analysis.json has no explanations")
    method = str(explanations.get("method", ""))
    unit = (
        "log-odds"
        if "log-odds" in method or reading.columns["problem"] != "regression"
        else f"the unit of {reading.columns['label']}"
    )
    says = (
        "SHAP values divide each prediction among the features: what each one added to the average "
        f"prediction, or took away from it. {sentence(method) if method else ''}"
    ).strip()
    groups = [
        group("", "", lambda: ([model_charts.shap_bars(shap, unit)], [])),
        group("Record by record", "", lambda: (_swarm(reading, shap, unit), [])),
    ]
    first = groups[0]
    if not groups[1].absent:  # side by side
        groups = [Group("", "", [*first.figures, *groups[1].figures])]
    groups.append(group("Partial dependence", "", lambda: (_dependence(reading, explanations), [])))
    return Panel("explained", "Influence of the features", says, groups)


def _swarm(reading: Reading, shap: dict[str, float], unit: str) -> list[Figure]:
    stored = swarm(reading.evidence, reading.evaluation["rows"])
    shown = replace(stored, features=[reading.shown(name) for name in stored.features])
    return [model_charts.beeswarm(shown, shap, unit)]


def _dependence(reading: Reading, explained: dict[str, Any]) -> list[Figure]:
    if not explained.get("pdp"):
        raise Absent("this run computed no partial dependence")
    return [
        model_charts.dependence(
            reading.shown(dependence["feature_name"]),
            dependence["feature_values"],
            dependence["model_predictions"][0],
        )
        for dependence in explained["pdp"]
    ]


def data(reading: Reading) -> Panel:
    """The training split's columns, and how far they have moved.

    Raises:
        Absent: if there is no profile.
    """
    profile, facts = reading.profile, reading.facts
    features = count(len(profile["features"]), "feature") if profile["features"] else ""
    says = (
        f"The model learnt from {count(profile['rows'], 'row')}{features and f' with {features}'}, "
        f"as of {moment(str(facts.parameters.get('AsOf', '')))}."
    )
    since = ""
    if previous := facts.previous:
        why = previous.why and f", {previous.why}"
        since = f"Compared with {previous.name} of {moment(previous.started)}{why}."
    sketched = (
        "Columns with few values are compared exactly, the others by their percentiles: there, KS "
        "is accurate to about 0.02."
    )
    return Panel(
        "data",
        "Training data",
        says,
        [
            *_raw_table(reading),
            group(
                "Drift of the training data",
                f"{since} {sketched}" if since else "",
                lambda: ([model_charts.drift_bars(reading.drifts)], []),
            ),
            group(
                "The columns",
                "Columns of the training split, without the lowest and the highest percent of "
                "values.",
                lambda: ([], [_columns(profile)]),
            ),
        ],
    )


def _raw_table(reading: Reading) -> list[Group]:
    """How many rows of the raw table were used or left out; empty if that is not known."""
    table = reading.facts.table
    if not table:
        return []
    counts = findings.counts(table, reading.is_of_the_newest)
    rows = [(what, number(many)) for what, many in counts.items()]
    says = f"{findings.of_table(table, reading.is_of_the_newest)}."
    return [Group("The raw table", says, tables=[Table("The counts", ("what", "rows"), rows)])]


def _columns(profile: dict[str, Any]) -> Table:
    places = [profile["percentiles"].index(p) for p in (1, 25, 50, 75, 99)]
    rows = []
    for name, column in [("the label", profile["label"]), *profile["features"].items()]:
        missing = percent(column["missing"] / profile["rows"], 1)
        if "quantiles" in column:
            rows.append(
                (name, missing, "many", *(number(column["quantiles"][p], 3) for p in places))
            )
        else:
            values = column["values"]
            at = (
                [_of_counts(values, (1, 25, 50, 75, 99)[i]) for i in range(5)]
                if values
                else [None] * 5
            )
            rows.append((name, missing, str(len(values)), *(number(v, 3) for v in at)))
    head = ("column", "missing", "values", "1 %", "25 %", "median", "75 %", "99 %")
    return Table(f"All {len(rows)} columns", head, rows[:300])


def _of_counts(values: list[list[float]], percentile: int) -> float:
    total, so_far = sum(many for _, many in values), 0.0
    for value, many in values:
        so_far += many
        if so_far >= total * percentile / 100:
            return value
    return values[-1][0]
