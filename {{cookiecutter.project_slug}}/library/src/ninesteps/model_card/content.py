"""The content of a version's model card: facts from its run, and statements that people made.

The form is SageMaker's ("Model card JSON schema" in its developer guide); `schema` validates it. No
value of a record is in it: numbers are of the whole test split, or of groups that the report shows.
"""

from __future__ import annotations

import contextlib
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ninesteps.registry.registry import Version, how
from ninesteps.report import champion
from ninesteps.report.bias_charts import LEAST_SHOWN, is_shown
from ninesteps.report.evidence import Absent
from ninesteps.report.features_panel import feature_names
from ninesteps.report.formatting import count, number, shortened
from ninesteps.report.panels import trials
from ninesteps.report.reading import BROKEN, Reading, sentence
from ninesteps.settings.gate import CHAMPION, FACET_METRICS, differences, written
from ninesteps.settings.model_card import FILE, Statements

PROBLEMS = {
    "binary": "Binary classification",
    "regression": "Regression",
    "language_model": "Text generation",
}

MOST_FEATURES = 20
"""Bars of a chart in a card ("Model card JSON schema")."""

MOST_DESCRIBED = 100
"""Features whose meaning is in a card, which may have 100,000 characters in all."""

LONG, LONGER, NAME, LABEL = 1024, 2048, 255, 63
"""Characters that texts of a card may have."""

Part = dict[str, Any]


@dataclass(frozen=True)
class Card:
    """A version's card, before SageMaker's form is given to it."""

    version: Version
    reading: Reading
    statements: Statements
    problem: str  # as pipeline.toml calls it
    arn: str = ""  # of its package, in an account

    def content(self) -> Part:
        """The whole card; missing parts are left out and listed under caveats."""
        absent: list[str] = []

        def told(make: Any) -> Any:
            try:
                return make()
            except Absent as why:
                absent.append(sentence(str(why)))
            except BROKEN as error:
                absent.append(f"A file of the run has a wrong format ({type(error).__name__}).")
            return None

        training = told(self._training)
        evaluations = [told(make) for make in (self._quality, self._bias, self._explanations)]
        remarks = told(lambda: self.reading.remarks) or []
        card: Part = _kept({
            "model_overview": self._overview(told(lambda: self.reading.evaluation) or {}),
            "model_package_details": self._package(),
            "intended_uses": self._intended_uses(),
            "business_details": {
                "business_problem": self.statements.business_problem,
                "business_stakeholders": self.statements.stakeholders,
                "line_of_business": self.statements.line_of_business,
            },
            "training_details": training,
            "evaluation_details": [part for part in evaluations if part],
            "additional_information": {
                "ethical_considerations": self.statements.who_may_be_harmed,
                "caveats_and_recommendations": self._caveats(remarks, absent),
                "custom_details": dict(self._details()),
            },
        })  # fmt: skip
        return card

    def _overview(self, evaluation: Mapping[str, Any]) -> Part:
        version, facts = self.version, self.reading.facts
        return {
            "model_id": self.arn or f"{version.group}/{version.number}",
            "model_name": version.group,
            "model_version": version.number,
            "model_description": shortened(self._description(), LONG),
            "model_creator": shortened(facts.started_by, LONG),
            "model_owner": self.statements.contact,
            "problem_type": PROBLEMS.get(self.problem, self.problem),
            "algorithm_type": str(evaluation.get("algorithm", "")),
            "model_artifact": [version.model],
            "inference_environment": {"container_image": [c["Image"] for c in self._containers()]},
        }

    def _description(self) -> str:
        project, gate = self.reading.facts.project, written(self.version.metadata.get("gate", ""))
        try:
            label = self.reading.columns["label"]
            predicted = (
                ": replies to conversations"
                if self.reading.is_of_replies
                else f": predicts {label}"
            )
        except (Absent, *BROKEN):
            predicted = ""
        return f"{project}{predicted}. Registered because {gate}."

    def _package(self) -> Part:
        version, last = self.version, self.version.last()
        return {
            "model_package_arn": self.arn,
            "model_package_group_name": version.group,
            "model_package_version": version.number,
            "model_approval_status": version.status,
            "approval_description": shortened(f"{last.who}: {last.why}", LONG) if last else "",
            "inference_specification": {
                "containers": [
                    {"image": c["Image"], "model_data_url": c.get("ModelDataUrl", "")}
                    for c in self._containers()
                ]
            },
        }

    def _containers(self) -> list[dict[str, Any]]:
        registered = self.reading.facts.step("RegisterModel")
        request = registered[0].request if registered else {}
        return list(request.get("InferenceSpecification", {}).get("Containers", []))

    def _intended_uses(self) -> Part:
        stated = self.statements
        uses = [stated.intended_use]
        uses += [f"Not intended for: {stated.not_intended_for}"] if stated.not_intended_for else []
        return {
            "purpose_of_model": stated.purpose,
            "intended_uses": "\n".join(filter(None, uses)),
            "factors_affecting_model_efficiency": stated.limits,
            "risk_rating": stated.risk_rating,
            "explanations_for_risk_rating": stated.risk_reasons,
        }

    def _training(self) -> Part:
        """How the model was found.

        Raises:
            Absent: if there was no search.
        """
        facts = self.reading.facts
        all_trials, objective, maximize = trials(facts)
        best = next((t for t in all_trials if f"/{t['name']}/" in self.version.model), None)
        search = facts.step("Tuning")[0].request
        definitions = search.get("TrainingJobDefinitions") or [search["TrainingJobDefinition"]]
        hyperparameters = {**definitions[0].get("StaticHyperParameters", {}),
                           **(best["tuned"] if best else {})}  # fmt: skip
        return {
            "objective_function": {
                "function": {
                    "function": "Maximize" if maximize else "Minimize",
                    "facet": shortened(objective, LABEL),
                },
                "notes": f"Of {count(len(all_trials), 'trial')}, the best on the validation split.",
            },
            "training_observations": shortened(" ".join(self._observations()), LONG),
            "training_job_details": {
                "training_arn": self._arn_of(best["name"]) if best else "",
                "training_datasets": list(_channels(definitions[0])),
                "training_environment": {
                    "container_image": [definitions[0]["AlgorithmSpecification"]["TrainingImage"]]
                },
                "training_metrics": _metrics({objective: best["value"] if best else None}),
                "hyper_parameters": [
                    {"name": shortened(name, NAME), "value": shortened(str(value), NAME)}
                    for name, value in hyperparameters.items() if str(value)
                ],
            },
        }  # fmt: skip

    def _arn_of(self, name: str) -> str:
        """Of the training job that made the model; empty where none has one."""
        (search, *_) = self.reading.facts.step("Tuning")
        summaries = search.answer.get("TrainingJobSummaries", [])
        arns = {s["TrainingJobName"]: str(s.get("TrainingJobArn", "")) for s in summaries}
        return arns.get(name, "")

    def _observations(self) -> Iterator[str]:
        table, evaluation = self.reading.facts.table, self.reading.evaluation
        yield f"Trained on records as of {self.version.metadata.get('as_of', 'an unknown time')}."
        if table:
            yield f"Kept {table.kept:,} of the table's {table.read:,} rows."
        if decision := evaluation.get("decision"):
            yield (
                f"A record is predicted {self.reading.positive} from a probability of "
                f"{number(decision['threshold'])} (rule: {decision['rule']})."
            )
        if self.reading.is_of_replies:
            yield from _fine_tuned(evaluation)

    def _quality(self) -> Part:
        """The metrics of the test split.

        Raises:
            Absent: if there is no evaluation.
        """
        evaluation = self.reading.evaluation
        gate = written(self.version.metadata.get("gate", ""))
        shares: Part = {}
        with contextlib.suppress(Absent):  # the metrics stand without their intervals
            shares = self.reading.curves.get("at_threshold", {})
        notes = {
            name: f"95 % interval {number(low)} to {number(high)}"
            for name, share in shares.items() if share.get("interval")
            for low, high in [share["interval"]]
        }  # fmt: skip
        return {
            "name": "Test split",
            "evaluation_observation": shortened(f"The gate passes: {gate}.", LONG),
            "datasets": [self.version.metadata.get("test_split", "")],
            "metadata": {
                "rows": str(evaluation.get("rows", "")),
                "evaluation": self.version.evaluation,
                "evaluation_sha256": self.reading.evidence.evaluation.sha256,
                **self._champion(evaluation),
            },
            "metric_groups": [
                {"name": "Metrics", "metric_data": _typed(_metrics(self.reading.metrics, notes))},
                *_against_champion(evaluation),
            ],
        }

    def _champion(self, evaluation: Mapping[str, Any]) -> Part:
        """Which version the gate compared it with, or why with none."""
        section = evaluation.get(CHAMPION)
        if not section:
            return {}
        if section["says"]:
            return {"champion": shortened(section["says"], LONG)}
        version = champion.name(self.reading.facts.champion, section)
        return {"champion": version, "champion_archive": section["uri"]}

    def _bias(self) -> Part:
        """How often each group gets the favourable outcome.

        Raises:
            Absent: if there is no evaluation, or no facet.
        """
        content = self.reading.bias
        if not (facets := content.get("groups", {})):
            raise Absent("no facet is set, so no group was compared")
        columns, names = self.reading.facet_columns, self.reading.facet_names
        worst = {name: content[name]["value"] for name in content if name.startswith("worst_")}
        groups = [{"name": "All facets", "metric_data": _typed(_metrics(worst))}]
        for key, members in facets.items():
            column = columns.get(key, key)
            shown = {f"{column} {m['value']}": m for m in members if is_shown(m)}
            shares = {name: member["predicted"]["share"] for name, member in shown.items()}
            notes = {name: _group_notes(member) for name, member in shown.items()}
            limits = {f"{m}[{key}]": content.get(m, {}).get(key, {}).get("value")
                      for m in FACET_METRICS}  # fmt: skip
            if data := _typed(_metrics({**shares, **limits}, notes)):
                name = shortened(f"By {names.get(key, key)}", LABEL)
                groups.append({"name": name, "metric_data": data})
        return {
            "name": "Outcomes by group",
            "evaluation_observation": shortened(
                f"Shares of each group that are {self.reading.favourable}. A difference is not "
                "proof of discrimination; it shows where to look.", LONGER),
            "datasets": [self.version.metadata.get("test_split", "")],
            "metric_groups": groups,
        }  # fmt: skip

    def _explanations(self) -> Part:
        """Which features have the most influence.

        Raises:
            Absent: if there is no analysis, or nothing was explained in it.
        """
        explanations = self.reading.evidence.analysis.json().get("explanations") or {}
        for kind, make in self._explained.items():
            if found := explanations.get(kind):
                return make(found)
        raise Absent("nothing was explained")

    @property
    def _explained(self) -> Mapping[str, Callable[[Any], Part]]:
        return {"kernel_shap": self._features, "word_attributions": _words}

    def _features(self, explained: Mapping[str, Any]) -> Part:
        """The mean absolute SHAP values."""
        (values, *_) = explained.values()
        strongest = sorted(values["global_shap_values"].items(), key=lambda item: -abs(item[1]))
        bars = strongest[:MOST_FEATURES]
        chart = {
            "name": "Mean absolute SHAP value",
            "type": "bar_chart",
            "value": [value for _, value in bars],
            "x_axis_name": [shortened(self.reading.shown(name), LABEL) for name, _ in bars],
            "y_axis_name": "SHAP value",
        }
        return {
            "name": "Most influential features",
            "evaluation_observation": f"The {len(bars)} most influential of "
            f"{count(len(strongest), 'feature')}. Influence is not proof of cause.",
            "metric_groups": [{"name": "Features", "metric_data": [chart]}],
        }

    def _caveats(self, remarks: Iterable[str], absent: Iterable[str]) -> str:
        texts = [sentence(remark) for remark in remarks] + list(dict.fromkeys(absent))
        if missing := self.statements.missing:
            texts.append(f"Not stated in {FILE}: {', '.join(missing)}.")
        return shortened(" ".join(texts), LONGER)

    def _details(self) -> Iterator[tuple[str, str]]:
        """Further facts, by names of letters, digits and underscores."""
        version, facts = self.version, self.reading.facts
        yield "gate", written(version.metadata.get("gate", ""))
        for name in ("gate_sha256", "profile", "profile_sha256", "library", "overridden"):
            yield name, version.metadata.get(name, "")
        yield "execution", version.execution
        yield "registered_at", version.created
        yield "definition_sha256", facts.definition_sha256
        for place, decision in enumerate(version.decisions, 1):
            of = f" for {decision.stage.lower()}" if decision.stage else ""
            told = f"{decision.after}{of} by {decision.who} at {decision.at}: {decision.why}"
            yield f"decision_{place}", shortened(told, LONG)
        yield "standing", shortened(how(version), LONG)
        yield from self._dictionary()

    def _dictionary(self) -> Iterator[tuple[str, str]]:
        """The known meanings of features, and the columns that the model never sees."""
        dictionary = self.reading.facts.dictionary
        if dictionary is None:
            return
        names: list[str] = []
        with contextlib.suppress(Absent, *BROKEN):
            names = feature_names(self.reading)
        told = [row for row in dictionary.rows(names) if row.meaning or not row.is_seen]
        for row in told[:MOST_DESCRIBED]:
            kind = "feature" if row.is_seen else "never_seen"
            key = re.sub(r"\W+", "_", f"{kind}_{row.name}", flags=re.ASCII).strip("_")
            means = f"{row.meaning} " if row.meaning else ""
            yield shortened(key, NAME), shortened(f"{means}({row.type}; {row.source})", LONG)


def _fine_tuned(evaluation: Mapping[str, Any]) -> Iterator[str]:
    """The base of a language model, the epoch that was kept, and what computed it."""
    training, judge = evaluation["training"], evaluation["judge"]
    losses = {one["epoch"]: one["validation"] for one in training["losses"]}
    base, kept = training.get("base_sha256"), training.get("kept_epoch")
    if base:
        yield f"Fine-tuned with LoRA from the base model with SHA-256 {base}."
    if kept is not None:
        yield (
            f"Epoch {kept} of {max(losses)} was kept: its loss on the validation split is "
            f"{number(losses[kept])}, the base's {number(losses[0])}."
        )
    if trained := training.get("trained_parameters"):
        yield (
            f"{trained:,} parameters were trained in addition to the {training['parameters']:,} of "
            f"the base, on {training['tokens']:,} tokens."
        )
    yield f"Computed by {evaluation['backend']}."
    yield (
        f"A reply counts as good if its {judge['metric']} with the reference is at least "
        f"{number(judge['good'])}. For open chat, where many replies are correct, this is a weak "
        "measure."
    )


def _words(explained: Mapping[str, Any]) -> Part:
    """The words that matter for the references, if enough prompts have them.

    Raises:
        Absent: if no word is in so many.
    """
    common = [one for one in explained["words"] if one["conversations"] >= LEAST_SHOWN]
    bars = sorted(common, key=lambda one: -abs(one["mean_change"]))[:MOST_FEATURES]
    if not bars:
        raise Absent(f"no word that matters for replies is in {LEAST_SHOWN} prompts or more")
    chart = {
        "name": "Mean change of the reference reply's log-likelihood without the word",
        "type": "bar_chart",
        "value": [one["mean_change"] for one in bars],
        "x_axis_name": [shortened(one["word"], LABEL) for one in bars],
        "y_axis_name": "nats",
    }
    says = f"{sentence(explained['method'])} {explained['caution']}"
    return {
        "name": "Words that matter for replies",
        "evaluation_observation": shortened(
            f"{says} Only words in at least {LEAST_SHOWN} prompts are shown.", LONGER),
        "metric_groups": [{"name": "Words", "metric_data": [chart]}],
    }  # fmt: skip


def _channels(training_job: Mapping[str, Any]) -> Iterator[str]:
    for channel in training_job.get("InputDataConfig", []):
        yield str(channel.get("DataSource", {}).get("S3DataSource", {}).get("S3Uri", ""))


def _metrics(values: Mapping[str, Any], notes: Mapping[str, str] | None = None) -> list[Part]:
    """Numbers in a card's form; missing ones are left out."""
    return [
        {"name": shortened(name, NAME), "value": float(value), "notes": (notes or {}).get(name, "")}
        for name, value in values.items()
        if value is not None and math.isfinite(value)
    ]


def _against_champion(evaluation: Mapping[str, Any]) -> Iterator[Part]:
    """The measured differences from the champion, each with its interval."""
    section = evaluation.get(CHAMPION)
    if not section or section["says"]:
        return
    found = differences(section)
    values = {f"{name} - {CHAMPION}.{name}": metric["value"] for name, metric in found.items()}
    notes = {
        f"{name} - {CHAMPION}.{name}": f"{number(metric['challenger'])} here, "
        f"{number(metric['champion'])} of the champion, on the same rows{_interval(metric)}"
        for name, metric in found.items()
    }
    yield {"name": "Compared with the version that served",
           "metric_data": _typed(_metrics(values, notes))}  # fmt: skip


def _interval(metric: Mapping[str, Any]) -> str:
    low, high = metric.get("interval") or (None, None)
    return "" if low is None else f"; 95 % interval {number(low)} to {number(high)}"


def _typed(metrics: Iterable[Part]) -> list[Part]:
    return [{**metric, "type": "number"} for metric in metrics]


def _group_notes(member: Mapping[str, Any]) -> str:
    """How many rows a group has, and why it does not count, if it does not."""
    low, high = member["predicted"]["interval"]
    why = f"; not counted: {member['why_not']}" if member["why_not"] else ""
    rows = count(member["rows"], "row")
    return shortened(f"{rows}, 95 % interval {number(low)} to {number(high)}{why}", LONG)


def _kept(part: Any) -> Any:
    """A part without what is empty: texts, lists and objects."""
    if isinstance(part, dict):
        kept = {key: _kept(value) for key, value in part.items()}
        return {key: value for key, value in kept.items() if value not in ("", [], {}, None)}
    if isinstance(part, list):
        return [value for item in part if (value := _kept(item)) not in ("", [], {}, None)]
    return part
