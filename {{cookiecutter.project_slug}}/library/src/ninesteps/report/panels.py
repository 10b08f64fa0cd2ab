"""The panels of the page after the steps, each made from the files that it needs."""

from __future__ import annotations

from typing import Any

from ninesteps.report import binary_charts, regression_charts, reply_panels, search_chart
from ninesteps.report.bias_panel import bias
from ninesteps.report.champion import name
from ninesteps.report.evidence import Absent
from ninesteps.report.facts import RunFacts
from ninesteps.report.features_panel import features
from ninesteps.report.figure import Figure, Group, Panel, Table
from ninesteps.report.formatting import count, listed, moment, number
from ninesteps.report.judgement import champion_table, comparison_figure
from ninesteps.report.model_panels import data, explained
from ninesteps.report.origin_panel import came_from
from ninesteps.report.reading import BROKEN, Reading, group, panel
from ninesteps.report.reply_panels import replies
from ninesteps.settings.gate import CHAMPION


def panels(reading: Reading) -> list[Panel]:
    """Every panel after the steps, in order."""
    panel_list = [
        panel("gate", "Gate", reading, _gate),
        panel("quality", "Model quality", reading, _quality),
        *([panel("replies", "Replies", reading, replies)] if reading.is_of_replies else []),
        panel("search", "Hyperparameter search", reading, _search),
        panel("bias", "Outcomes by group", reading, bias),
        _explained(reading),
        panel("features", "Features", reading, features),
        panel("data", "Training data", reading, data),
        panel("origin", "Where it came from", reading, came_from),
    ]
    if reading.facts.changes or reading.facts.deployments:
        panel_list.append(panel("approval", "Approval", reading, _approval))
    return [*panel_list, panel("evidence", "Evidence", reading, _evidence)]


def _explained(reading: Reading) -> Panel:
    if reading.is_of_replies:
        return panel("explained", "Words that matter for replies", reading, reply_panels.explained)
    return panel("explained", "Influence of the features", reading, explained)


def _gate(reading: Reading) -> Panel:
    judgement = reading.judgement
    try:
        curves = reading.curves
    except Absent:
        curves = {}
    says = f"A model is registered only if {judgement.gate}. These limits are part of the "
    says += "pipeline's definition: nobody can loosen them when starting a run."
    if judgement.outcome is not None:
        says += (
            " Recomputed for this page from evaluation.json, the outcome is the same."
            if judgement.recomputed is judgement.outcome
            else " RECOMPUTED FOR THIS PAGE, THE OUTCOME IS NOT THE SAME AS IN THE RUN."
        )
    if any(judged.comparison.is_bias for judged in judgement.comparisons):
        says += f" {reading.uncounted}"
    figure, table = comparison_figure(judgement, curves)  # it is drawn on the first screen
    says += f" {figure.says}"
    tables = [table]
    if champion := reading.evaluation.get(CHAMPION):
        says += f" {_of_champion(champion, reading.facts.champion)}"
        tables += filter(None, [champion_table(judgement, reading.evaluation)])
    return Panel("gate", "Gate", says, [Group("", tables=tables)])


def _of_champion(section: dict[str, Any], version: int | None) -> str:
    """Which version the champion is, and how its differences were measured."""
    if section["says"]:
        return f"Champion: {section['says']}."
    how = section["bootstrap"]
    by = {"prompts": "by its own replies"}.get(how["drawn"], "with its own threshold")
    return (
        f"The champion is {name(version, section)}, {section['uri']}, scored on the same rows "
        f"{by}. Intervals come from {how['resamples']} resamples of "
        f"{count(how['units'], 'row' if how['drawn'] == 'rows' else 'group')}: {how['source']}."
    )


def _quality(reading: Reading) -> Panel:
    evaluation, metrics = reading.evaluation, reading.metrics
    says = (
        f"Measured on {count(evaluation['rows'], 'row')} of the test split, which neither the "
        f"training nor the search used. The best model is {_algorithm(evaluation)}."
    )
    table = Table(
        "All metrics", ("metric", "value"), [(n, number(v, 5)) for n, v in metrics.items()]
    )
    return Panel(
        "quality",
        "Model quality",
        says,
        [
            group("", "", lambda: (_quality_figures(reading), [table])),
        ],
    )


def _quality_figures(reading: Reading) -> list[Figure]:
    if reading.is_of_replies:
        return reply_panels.quality_figures(reading)
    curves, metrics, label = reading.curves, reading.metrics, reading.columns["label"]
    if "roc" in curves:
        positive = reading.positive
        return [
            binary_charts.confusion(curves, positive),
            binary_charts.at_threshold(curves, reading.evaluation.get("decision")),
            binary_charts.scores(curves, positive),
            binary_charts.roc(curves, metrics["auc"], positive),
            binary_charts.precision_recall(curves, metrics["average_precision"], positive),
            binary_charts.calibration(curves, positive),
        ]
    return [
        regression_charts.predicted_actual(curves, label),
        regression_charts.residuals(curves, label),
        regression_charts.levels(curves, label),
        *(
            regression_charts.group_errors(curves, facet, reading.facet_names[facet], groups)
            for facet, groups in curves["by_group"].items()
        ),
    ]


def _algorithm(evaluation: dict[str, Any]) -> str:
    names = {"xgboost": "XGBoost", "lightgbm": "LightGBM", "lora": "the base model with LoRA"}
    return names.get(evaluation["algorithm"], str(evaluation["algorithm"]))


def _search(reading: Reading) -> Panel:
    all_trials, objective, maximize = trials(reading.facts)
    names = list(dict.fromkeys(name for t in all_trials for name in t["tuned"]))
    rows = [
        (
            str(t["number"]),
            t["algorithm"] or "–",
            t["status"],
            number(t["value"], 5),
            *(_rounded(t["tuned"].get(name)) for name in names),
        )
        for t in all_trials
    ]
    table = Table("All trials", ("trial", "algorithm", "state", objective, *names), rows, (1, 2))
    says = (
        "A Bayesian search tries settings near those that did well before. Trials are compared by "
        f"{objective} on the validation split: {'higher' if maximize else 'lower'} is better."
    )
    figures = [search_chart.search(all_trials, objective, maximize)]
    tables = [table, *_algorithms(reading)]
    groups = [Group("", figures=figures, tables=tables)]
    return Panel("search", "Hyperparameter search", says, groups)


def trials(facts: RunFacts) -> tuple[list[dict[str, Any]], str, bool]:
    """The trials in the order in which they started, the objective, and whether higher is better.

    Raises:
        Absent: if there was no search.
    """
    searches = facts.step("Tuning")
    if not searches:
        raise Absent("this pipeline has no search")
    (step, *_), summaries = searches, searches[0].answer.get("TrainingJobSummaries", [])
    if not summaries:
        raise Absent(f"{step.name} {step.status.lower()}{': ' if step.reason else ''}{step.reason}")
    request = step.request
    config = request["HyperParameterTuningJobConfig"]
    definitions = request.get("TrainingJobDefinitions") or [
        request.get("TrainingJobDefinition", {})
    ]
    objective = definitions[0].get("TuningObjective") or config["HyperParameterTuningJobObjective"]
    ordered = sorted(
        summaries, key=lambda s: (str(s.get("CreationTime", "")), s["TrainingJobName"])
    )
    all_trials = [
        {
            "number": place,
            "name": s["TrainingJobName"],
            "algorithm": s.get("TrainingJobDefinitionName", ""),
            "status": s["TrainingJobStatus"],
            "value": s.get("FinalHyperParameterTuningJobObjectiveMetric", {}).get("Value"),
            "tuned": s.get("TunedHyperParameters", {}),
        }
        for place, s in enumerate(ordered, 1)
    ]
    return all_trials, objective["MetricName"], objective["Type"] == "Maximize"


def _rounded(text: str | None) -> str:
    try:
        return "–" if text is None else number(float(text), 3)
    except ValueError:
        return str(text)


def _algorithms(reading: Reading) -> list[Table]:
    """The best trial of each algorithm, if several were compared."""
    try:
        compared = reading.evaluation.get("algorithms", {})
        rows = [_best_of(name, best) for name, best in compared.items() if best["trials"]]
        head = ("algorithm", "trials", "on validation", *reading.metrics)
    except (Absent, *BROKEN):
        return []
    name = "The best trial of each algorithm, on the test split"
    return [Table(name, head, rows)] if rows else []


def _best_of(name: str, best: dict[str, Any]) -> tuple[str, ...]:
    ((_, objective),) = best["objective"].items()
    (tested,) = [values for key, values in best.items() if key.endswith("tion_metrics")]
    values = [number(metric["value"]) for metric in tested.values()]
    return (name, str(best["trials"]), number(objective, 5), *values)


def _approval(reading: Reading) -> Panel:
    changes, deployed = reading.facts.changes, reading.facts.deployments
    tables, said = [], []
    if changes:
        rows = [(moment(c.at), c.stage or "-", c.before, c.after, c.who, c.why) for c in changes]
        head = ("when", "stage", "from", "to", "who", "why")
        tables.append(Table("All status changes", head, rows, (0, 1, 2, 3, 4, 5)))
        last = changes[-1]
        of = f", for {last.stage}," if last.stage else ""
        said.append(
            f"{last.who} set the version{of} to {last.after} on {moment(last.at)}: {last.why}"
        )
    if deployed:
        told = [(moment(d.began), d.what, d.who or "not kept", d.why or "-") for d in deployed]
        columns = ("when", "what", "who", "why")
        tables.append(Table("All deployments on this machine", columns, told, (0, 1, 2, 3)))
    return Panel("approval", "Approval", " ".join(said), [Group("", tables=tables)])


def _evidence(reading: Reading) -> Panel:
    facts = reading.facts
    rows, changed = [], []
    for file in reading.evidence.files:
        if file.raw is None:
            continue
        as_noted = facts.erased.get(file.uri, "unchanged")
        same = {"": "not recorded", file.sha256: as_noted}.get(file.noted, "CHANGED")
        changed += [file.name] if same == "CHANGED" else []
        rows.append((file.name, file.sha256, same, f"{len(file.raw):,}", file.uri))
    files = Table(
        "Files used for this page",
        ("file", "SHA-256", "since the step", "bytes", "where"),
        rows,
        (0, 1, 2, 4),
    )
    run = Table(
        "The run",
        ("what", "value"),
        [
            ("run", facts.id),
            ("pipeline", facts.pipeline),
            ("where", facts.where),
            ("who", facts.started_by or "not recorded"),
            ("started", facts.started),
            ("ended", facts.ended or "–"),
            ("definition, SHA-256", facts.definition_sha256),
            *((f"parameter {name}", str(value)) for name, value in facts.parameters.items()),
        ],
        (0, 1),
    )
    versions = Table("Versions", ("what", "version"), list(facts.versions.items()), (0, 1))
    notes = [(note,) for step in facts.steps for note in step.notes]
    tables = [
        files,
        run,
        *([versions] if facts.versions else []),
        *([Table("Differences from SageMaker", ("note",), notes)] if notes else []),
    ]
    says = (
        "To check a file, compare the output of sha256sum with its SHA-256 here."
        if not changed
        else f"{listed(changed)} changed after the step had ended: this page shows the current "
        "content, not what the run wrote."
    )
    return Panel("evidence", "Evidence", says, [Group("", tables=tables)])
