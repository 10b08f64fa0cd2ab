"""The panel on outcomes by group: in the predictions, in the data, and all bias metrics."""

from __future__ import annotations

from typing import Any

from ninesteps.report import bias_charts
from ninesteps.report.evidence import Absent
from ninesteps.report.facet_names import group_name
from ninesteps.report.figure import Figure, Panel, Table
from ninesteps.report.formatting import number, percent
from ninesteps.report.reading import Reading, group


def bias(reading: Reading) -> Panel:
    """How often each group gets the favourable outcome.

    Raises:
        Absent: if there is no evaluation, or no facet.
    """
    content = reading.bias
    facets = content.get("groups", {})
    if not facets:
        raise Absent("no facet is set: list the groups to compare in pipeline.toml, [bias] facets")
    favourable = reading.favourable
    to_be = (
        f"not to be {favourable[4:]}" if favourable.startswith("not ") else f"to be {favourable}"
    )
    says = (
        f"The favourable outcome is {to_be}. Groups are compared by how often they get it. A "
        "difference is not proof of discrimination; it shows where to look."
    )
    return Panel(
        "bias",
        "Outcomes by group",
        says,
        [
            group("In the predictions", "", lambda: _prediction_bias(content, reading)),
            group(
                "In the data",
                "The labels in the data, before any model.",
                lambda: _data_bias(reading),
            ),
            group(
                "All bias metrics",
                "Clarify's metrics on the test split. Each group is compared with all others "
                "together.",
                lambda: ([], _metric_tables(reading)),
            ),
        ],
    )


def _prediction_bias(content: dict[str, Any], reading: Reading) -> tuple[list[Figure], list[Table]]:
    sure, columns = percent(content["confidence"]), reading.facet_columns
    names = reading.facet_names
    figures = [
        bias_charts.predicted_shares(
            facet,
            names[facet],
            columns[facet],
            groups,
            content.get("others", {}).get(facet),
            content.get("without_value", {}).get(facet, 0),
            reading.favourable,
            sure,
        )
        for facet, groups in content["groups"].items()
        if groups
    ]
    ratios = {names[facet]: ratio for facet, ratio in content["four_fifths"].items()}
    return [*figures, bias_charts.four_fifths(ratios, sure)], []


def _data_bias(reading: Reading) -> tuple[list[Figure], list[Table]]:
    training, names = reading.training_bias, reading.facet_names
    sure, columns = percent(training["confidence"]), reading.facet_columns
    try:
        test = reading.bias["groups"]
    except Absent:
        test = {}
    return [
        bias_charts.labelled_shares(
            facet, names[facet], columns[facet], groups, test.get(facet, []), sure
        )
        for facet, groups in training["groups"].items()
        if groups
    ], []


def _small_groups(reading: Reading) -> set[tuple[str, str]]:
    """The groups that are too small to be shown: facet's column, and group."""
    groups, columns = reading.bias["groups"], reading.facet_columns
    return {(columns[facet], g["value"]) for facet, facet_groups in groups.items()
            for g in facet_groups if not bias_charts.is_shown(g)}  # fmt: skip


def _metric_tables(reading: Reading) -> list[Table]:
    analysis, tables, small = reading.evidence.analysis.json(), [], _small_groups(reading)
    for section, words in (
        ("pre_training_bias_metrics", "Labels"),
        ("post_training_bias_metrics", "Predictions"),
    ):
        for facet, groups in analysis.get(section, {}).get("facets", {}).items():
            names = [metric["name"] for metric in groups[0]["metrics"]] if groups else []
            column = reading.shown(facet.removeprefix("facet_"))
            name = reading.facets_of(column)
            rows = [
                (value, *("–" if (column, value) in small else number(m["value"], 3)
                          for m in group["metrics"]))
                for group in groups for value in [group_name(group["value_or_threshold"])]
            ]  # fmt: skip
            tables.append(Table(f"{words} by {name}", ("group", *names), rows))
    if not tables:
        raise Absent("analysis.json has no bias metrics")
    return tables
