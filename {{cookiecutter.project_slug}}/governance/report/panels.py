"""The parts of the page, each from the files that it needs, or saying why they are not there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from governance.report import bias_charts, model_charts, quality_charts
from governance.report.drift import Drift, drifts
from governance.report.evidence import Absent, Evidence, swarm
from governance.report.facts import RunFacts
from governance.report.figure import Figure, Group, Panel, Table
from governance.report.judgement import Judgement, comparison_figure, judge
from governance.report.words import count, listed, moment, number, percent

BROKEN = (KeyError, TypeError, ValueError, IndexError, AttributeError, ZeroDivisionError)
"""What reading a file of another shape raises: the part says so, the page goes on."""


@dataclass(frozen=True)
class Reading:
    """A run, its files, and what several parts ask of them."""

    facts: RunFacts
    evidence: Evidence

    @property
    def columns(self) -> dict[str, Any]:
        """`columns.json`."""
        found: dict[str, Any] = self.evidence.columns.json()
        return found

    @property
    def evaluation(self) -> dict[str, Any]:
        """`evaluation.json`."""
        found: dict[str, Any] = self.evidence.evaluation.json()
        return found

    @property
    def curves(self) -> dict[str, Any]:
        """`curves.json`."""
        found: dict[str, Any] = self.evidence.curves.json()
        return found

    @property
    def judgement(self) -> Judgement:
        """The gate."""
        return judge(self.facts, self.evidence)

    @property
    def drifts(self) -> list[Drift]:
        """Since the latest run on other data."""
        if self.facts.previous is None:
            raise Absent(self.facts.no_previous)
        import json

        return drifts(json.loads(self.facts.previous.profile), self.evidence.profile.json())

    @property
    def positive(self) -> str:
        """`retained = 1`."""
        return f"{self.columns['label']} = {self.facts.positive}"

    @property
    def favourable(self) -> str:
        """The favourable outcome in words that follow `are`."""
        columns = self.columns
        if columns["label_threshold"] is not None:
            return f"predicted {columns['label']} above {number(columns['label_threshold'])}"
        verb = "predicted" if columns["favourable_label"] else "not predicted"
        return f"{verb} {self.positive}"

    @property
    def facet_columns(self) -> dict[str, str]:
        """The column that each facet tells groups by."""
        return {facet["key"]: facet["column"] for facet in self.columns["facets"]}

    @property
    def metrics(self) -> dict[str, float]:
        """Every metric of the problem."""
        return {
            name: one["value"]
            for section, values in self.evaluation.items()
            if section.endswith(("classification_metrics", "regression_metrics"))
            for name, one in values.items()
        }


def panels(reading: Reading) -> list[Panel]:
    """Every part after the steps, in order."""
    made = [
        _panel("gate", "The gate", reading, _gate),
        _panel("quality", "How good the model is", reading, _quality),
        _panel("search", "The search", reading, _search),
        _panel("bias", "Who gets which outcome", reading, _bias),
        _panel("explained", "What the model looks at", reading, _explained),
        _panel("data", "The data", reading, _data),
    ]
    if reading.facts.changes:
        made.append(_panel("approval", "Approval", reading, _approval))
    return [*made, _panel("evidence", "Evidence", reading, _evidence)]


def _panel(key: str, title: str, reading: Reading, make: Callable[[Reading], Panel]) -> Panel:
    try:
        return make(reading)
    except Absent as why:
        return Panel(key, title, "", absent=_sentence(str(why)))
    except BROKEN as error:
        return Panel(key, title, "", absent=_unreadable(error))


def _group(title: str, says: str, make: Callable[[], tuple[list[Figure], list[Table]]]) -> Group:
    """A part of a part, which stands or is absent by itself."""
    try:
        figures, tables = make()
    except Absent as why:
        return Group(title, absent=_sentence(str(why)))
    except BROKEN as error:
        return Group(title, absent=_unreadable(error))
    return Group(title, says, figures, tables)


def _sentence(text: str) -> str:
    is_name = "." in text.partition(" ")[0]  # of a file
    return f"{text[:1] if is_name else text[:1].upper()}{text[1:]}." if text else ""


def _unreadable(error: Exception) -> str:
    what = f"{type(error).__name__}: {error}"
    return f"A file of this run has another shape than this page reads ({what})."


# The gate


def _gate(reading: Reading) -> Panel:
    judgement = reading.judgement
    try:
        curves = reading.curves
    except Absent:
        curves = {}
    says = f"A model is registered only if {judgement.gate}. These numbers stand in the pipeline's "
    says += "definition: whoever starts a run cannot loosen them."
    if judgement.outcome is not None:
        says += (
            " Computed anew for this page from evaluation.json, the gate comes out the same."
            if judgement.recomputed is judgement.outcome
            else " COMPUTED ANEW FOR THIS PAGE, THE GATE COMES OUT OTHERWISE THAN THE RUN SAID."
        )
    figure, table = comparison_figure(judgement, curves)
    return Panel("gate", "The gate", says, [Group("", figures=[figure], tables=[table])])


# How good the model is


def _quality(reading: Reading) -> Panel:
    evaluation, metrics = reading.evaluation, reading.metrics
    says = (
        f"Measured on {count(evaluation['rows'], 'row')} of the test split, which neither training "
        f"nor search has seen. The best model is {_algorithm(evaluation)}."
    )
    table = Table(
        "All metrics", ("metric", "value"), [(n, number(v, 5)) for n, v in metrics.items()]
    )
    return Panel(
        "quality",
        "How good the model is",
        says,
        [
            _group("", "", lambda: (_quality_figures(reading), [table])),
        ],
    )


def _quality_figures(reading: Reading) -> list[Figure]:
    curves, metrics, label = reading.curves, reading.metrics, reading.columns["label"]
    if "roc" in curves:
        positive = reading.positive
        return [
            quality_charts.confusion(curves, positive),
            quality_charts.at_threshold(curves, reading.evaluation.get("decision")),
            quality_charts.scores(curves, positive),
            quality_charts.roc(curves, metrics["auc"], positive),
            quality_charts.precision_recall(curves, metrics["average_precision"], positive),
            quality_charts.calibration(curves, positive),
        ]
    return [
        quality_charts.predicted_actual(curves, label),
        quality_charts.residuals(curves, label),
        quality_charts.levels(curves, label),
        *(
            quality_charts.group_errors(curves, facet, reading.facet_columns[facet], groups)
            for facet, groups in curves["by_group"].items()
        ),
    ]


def _algorithm(evaluation: dict[str, Any]) -> str:
    names = {"xgboost": "XGBoost", "lightgbm": "LightGBM"}
    return names.get(evaluation["algorithm"], str(evaluation["algorithm"]))


# The search


def trials(facts: RunFacts) -> tuple[list[dict[str, Any]], str, bool]:
    """The trials in the order that they were begun, the objective, and whether more is better.

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
    made = [
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
    return made, objective["MetricName"], objective["Type"] == "Maximize"


def _search(reading: Reading) -> Panel:
    made, objective, maximize = trials(reading.facts)
    names = list(dict.fromkeys(name for t in made for name in t["tuned"]))
    rows = [
        (
            str(t["number"]),
            t["algorithm"] or "–",
            t["status"],
            number(t["value"], 5),
            *(_rounded(t["tuned"].get(name)) for name in names),
        )
        for t in made
    ]
    table = Table("All trials", ("trial", "algorithm", "state", objective, *names), rows, (1, 2))
    says = (
        f"A Bayesian search tries settings where the earlier ones did well, judged by {objective} on "
        f"the validation split, {'more' if maximize else 'less'} being better."
    )
    figures = [quality_charts.search(made, objective, maximize)]
    compared = reading.evaluation.get("algorithms") if reading.evidence.evaluation.raw else None
    tables = [table, *([_algorithms(compared)] if compared else [])]
    return Panel("search", "The search", says, [Group("", figures=figures, tables=tables)])


def _rounded(text: str | None) -> str:
    try:
        return "–" if text is None else number(float(text), 3)
    except ValueError:
        return str(text)


def _algorithms(compared: dict[str, Any]) -> Table:
    """The best of each algorithm, on validation and on the test split."""
    sections = [key for one in compared.values() for key in one if key.endswith("tion_metrics")]
    metrics = list(next(iter(compared.values()))[sections[0]])
    rows = []
    for name, one in compared.items():
        ((_, value),) = one["objective"].items()
        tested = [number(one[sections[0]][m]["value"]) for m in metrics]
        rows.append((name, str(one["trials"]), number(value, 5), *tested))
    return Table(
        "The best of each algorithm, on the test split",
        ("algorithm", "trials", "on validation", *metrics),
        rows,
    )


# Who gets which outcome


def _bias(reading: Reading) -> Panel:
    content = reading.evaluation["bias_metrics"]
    facets = content.get("groups", {})
    if not facets:
        raise Absent(
            "no facet is set: [bias] facets in pipeline.toml names the columns to compare by"
        )
    says = (
        f"The favourable outcome is to be {reading.favourable}. Groups are compared by how often that "
        "comes to them. A difference is not yet a wrong: it says where to ask."
    )
    return Panel(
        "bias",
        "Who gets which outcome",
        says,
        [
            _group("In the predictions", "", lambda: _prediction_bias(content, reading)),
            _group(
                "In the data",
                "What the labels themselves say, before any model.",
                lambda: _data_bias(reading),
            ),
            _group(
                "All bias metrics",
                "Clarify's metrics, of the test split; a group is compared with all "
                "others together.",
                lambda: ([], _metric_tables(reading)),
            ),
        ],
    )


def _prediction_bias(content: dict[str, Any], reading: Reading) -> tuple[list[Figure], list[Table]]:
    sure = percent(content.get("confidence", 0.95))
    figures = []
    for facet, groups in content["groups"].items():
        if any("predicted" not in group for group in groups):
            raise Absent("evaluation.json has no rates of groups: an earlier version wrote it")
        groups = bias_charts.with_others(groups, reading.evaluation["rows"])
        figures.append(
            bias_charts.shares(
                facet, reading.facet_columns[facet], groups, reading.favourable, sure
            )
        )
    if "four_fifths" in content:
        figures.append(bias_charts.four_fifths(content["four_fifths"], sure))
    return figures, []


def _data_bias(reading: Reading) -> tuple[list[Figure], list[Table]]:
    training = _dpl(reading.evidence.training_bias.json())
    try:
        test = _dpl(reading.evidence.analysis.json().get("pre_training_bias_metrics", {}))
    except Absent:
        test = {}
    return [
        bias_charts.label_gaps(facet, groups, test.get(facet, {}))
        for facet, groups in training.items()
    ], []


def _dpl(section: dict[str, Any]) -> dict[str, dict[str, float | None]]:
    """DPL by facet and group."""
    return {
        facet.removeprefix("facet_"): {
            group["value_or_threshold"]: next(
                (m["value"] for m in group["metrics"] if m["name"] == "DPL"), None
            )
            for group in groups
        }
        for facet, groups in section.get("facets", {}).items()
    }


def _metric_tables(reading: Reading) -> list[Table]:
    analysis, tables, described = reading.evidence.analysis.json(), [], {}
    for section, words in (
        ("pre_training_bias_metrics", "Labels"),
        ("post_training_bias_metrics", "Predictions"),
    ):
        for facet, groups in analysis.get(section, {}).get("facets", {}).items():
            names = [metric["name"] for metric in groups[0]["metrics"]] if groups else []
            rows = [
                (
                    str(group["value_or_threshold"]),
                    *(number(m["value"], 3) for m in group["metrics"]),
                )
                for group in groups
            ]
            described |= {m["name"]: m["description"] for g in groups for m in g["metrics"]}
            name = f"{words}, by {facet.removeprefix('facet_')}"
            tables.append(Table(name, ("group", *names), rows))
    if not tables:
        raise Absent("analysis.json has no bias metrics")
    glossary = [(name, text) for name, text in described.items()]
    return [*tables, Table("What the letters stand for", ("metric", "name"), glossary, (0, 1))]


# What the model looks at


def _explained(reading: Reading) -> Panel:
    analysis = reading.evidence.analysis.json()
    explained = analysis.get("explanations") or {}
    (values, *_) = explained["kernel_shap"].values() if "kernel_shap" in explained else ({},)
    shap = values.get("global_shap_values")
    if not shap:
        raise Absent("analysis.json has no explanations")
    method = str(explained.get("method", ""))
    unit = (
        "log-odds"
        if "log-odds" in method or not reading.columns["problem"] == "regression"
        else f"the unit of {reading.columns['label']}"
    )
    says = (
        "SHAP values share out each prediction among the features: what each added to the average "
        f"prediction, or took from it. {_sentence(method) if method else ''}"
    ).strip()
    groups = [
        _group("", "", lambda: ([model_charts.shap_bars(shap, unit)], [])),
        _group("Record by record", "", lambda: (_swarm(reading, shap, unit), [])),
    ]
    first = groups[0]
    if not groups[1].absent:  # side by side
        groups = [Group("", "", [*first.figures, *groups[1].figures])]
    groups.append(_group("Partial dependence", "", lambda: (_dependence(explained), [])))
    return Panel("explained", "What the model looks at", says, groups)


def _swarm(reading: Reading, shap: dict[str, float], unit: str) -> list[Figure]:
    return [model_charts.beeswarm(swarm(reading.evidence, reading.evaluation["rows"]), shap, unit)]


def _dependence(explained: dict[str, Any]) -> list[Figure]:
    if not explained.get("pdp"):
        raise Absent("this run computed none")
    return [
        model_charts.dependence(
            one["feature_name"], one["feature_values"], one["model_predictions"][0], "of the model"
        )
        for one in explained["pdp"]
    ]


# The data


def _data(reading: Reading) -> Panel:
    profile, facts = reading.evidence.profile.json(), reading.facts
    says = (
        f"The model learnt from {count(profile['rows'], 'row')} with "
        f"{count(len(profile['features']), 'feature')}, as of {moment(str(facts.parameters.get('AsOf', '')))}."
    )
    previous = facts.previous
    since = f"Compared with run {previous.run} of {moment(previous.started)}." if previous else ""
    sketched = "Columns of few values are compared exactly; the others by their percentiles, which are right to about 0.02."
    return Panel(
        "data",
        "The data",
        says,
        [
            _group(
                "Since the last run on other data",
                f"{since} {sketched}" if since else "",
                lambda: ([model_charts.drift_bars(reading.drifts)], []),
            ),
            _group(
                "The columns",
                "Of the training split; the outermost percent at either end is left out.",
                lambda: ([], [_columns(profile)]),
            ),
        ],
    )


def _columns(profile: dict[str, Any]) -> Table:
    places = [profile["percentiles"].index(p) for p in (1, 25, 50, 75, 99)]
    rows = []
    for name, one in [("the label", profile["label"]), *profile["features"].items()]:
        missing = percent(one["missing"] / profile["rows"], 1)
        if "quantiles" in one:
            rows.append((name, missing, "many", *(number(one["quantiles"][p], 3) for p in places)))
        else:
            values = one["values"]
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


# Approval


def _approval(reading: Reading) -> Panel:
    changes = reading.facts.changes
    rows = [(moment(c.at), c.stage or "-", c.before, c.after, c.who, c.why) for c in changes]
    last = changes[-1]
    of = f", for {last.stage}," if last.stage else ""
    says = f"{last.who} set the version{of} to {last.after} on {moment(last.at)}: {last.why}"
    head = ("when", "stage", "from", "to", "who", "why")
    table = Table("Every change of its status", head, rows, (0, 1, 2, 3, 4, 5))
    return Panel("approval", "Approval", says, [Group("", tables=[table])])


# Evidence


def _evidence(reading: Reading) -> Panel:
    facts = reading.facts
    rows, changed = [], []
    for file in reading.evidence.files:
        if file.raw is None:
            continue
        same = {"": "not noted then", file.sha256: "as noted then"}.get(file.noted, "CHANGED SINCE")
        changed += [file.name] if same == "CHANGED SINCE" else []
        rows.append((file.name, file.sha256, same, f"{len(file.raw):,}", file.uri))
    files = Table(
        "Files that this page was made from",
        ("file", "SHA-256", "", "bytes", "where"),
        rows,
        (0, 1, 2, 4),
    )
    run = Table(
        "The run",
        ("", ""),
        [
            ("run", facts.id),
            ("pipeline", facts.pipeline),
            ("where", facts.where),
            ("who", facts.started_by or "not noted"),
            ("started", facts.started),
            ("ended", facts.ended or "–"),
            ("definition, SHA-256", facts.definition_sha256),
            *((f"parameter {name}", str(value)) for name, value in facts.parameters.items()),
        ],
        (0, 1),
    )
    versions = Table("Versions", ("", ""), list(facts.versions.items()), (0, 1))
    notes = [(note,) for step in facts.steps for note in step.notes]
    tables = [
        files,
        run,
        *([versions] if facts.versions else []),
        *([Table("What was done otherwise than on SageMaker", ("note",), notes)] if notes else []),
    ]
    says = (
        "To compare: sha256sum of a file must give the same digits."
        if not changed
        else f"{listed(changed)} changed after the step had ended: this page shows "
        "what lies there now, not what the run had written."
    )
    return Panel("evidence", "Evidence", says, [Group("", tables=tables)])
