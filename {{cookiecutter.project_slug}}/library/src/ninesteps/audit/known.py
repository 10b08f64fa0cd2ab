"""Facts about a version, by the names that the sentences of `laws.toml` use."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from ninesteps.audit.impact_ratios import SCORING, Rates
from ninesteps.audit.privacy import LEAST
from ninesteps.audit.subject import NO_CHAIN, Subject
from ninesteps.feature_store import findings
from ninesteps.local.endpoint.deployments import Deployment
from ninesteps.registry.registry import Decision
from ninesteps.report import champion
from ninesteps.report.bias_charts import is_shown
from ninesteps.report.evidence import Absent
from ninesteps.report.formatting import between, count, listed, moment, number, percent
from ninesteps.report.reading import BROKEN, Reading
from ninesteps.settings.gate import CHAMPION
from ninesteps.settings.model_card import FILE, Statements

MOST_NAMES = 12
"""The most names that are listed; the others are counted."""


@dataclass(frozen=True)
class Known:
    """Facts about a version, and for those that are not known, why."""

    texts: Mapping[str, str]
    unknown: Mapping[str, str]


def known(
    subject: Subject, reading: Reading, ratios: list[Rates] | str, statements: Statements
) -> Known:
    """Every fact that a sentence can name.

    Args:
        reading: of the pack's copies, so that no sentence says what they leave out.
        ratios: or why there are none.
        statements: what people have stated about the model.
    """
    texts, unknown = {}, {}
    facts = {**_FACTS, **(_OF_REPLIES if reading.is_of_replies else {})}
    for name, make in facts.items():
        try:
            texts[name] = make(subject, reading)
        except Absent as why:
            unknown[name] = str(why)
        except BROKEN as error:
            unknown[name] = f"a file is not in the expected format ({type(error).__name__})"
    if isinstance(ratios, str):
        unknown["impact_ratios"] = ratios
    else:
        texts["impact_ratios"] = " ".join(_sentences(ratios))
    for name in STATED:
        if stated := " ".join(getattr(statements, name).split()):
            texts[name] = stated
        else:
            unknown[name] = f"{FILE} does not state {name}"
    return Known(texts, unknown)


Fact = Callable[[Subject, Reading], str]


def _rows(split: str) -> Fact:
    def rows(subject: Subject, reading: Reading) -> str:
        return number(reading.evidence.findings.json()["rows"][split])

    return rows


def _metrics(subject: Subject, reading: Reading) -> str:
    return ", ".join(f"{name} {number(value)}" for name, value in reading.metrics.items())


def _gate_numbers(subject: Subject, reading: Reading) -> str:
    judgement = reading.judgement
    each = [
        f"{judged.name} is {number(judged.value, 6)}, expected {judged.expected}"
        for judged in judgement.comparisons
    ]
    each += (
        f"{name}: {text}" if name == CHAMPION else f"{name} is {text}"
        for name, text in champion.told(reading.facts.champion, reading.evaluation)
    )
    outcome = "passes" if judgement.recomputed else "does not pass"
    return f"{'; '.join(each)}; it {outcome}"


def _bias_gate(subject: Subject, reading: Reading) -> str:
    limits = [str(j.comparison) for j in reading.judgement.comparisons if j.comparison.is_bias]
    return f"a model is registered only if {' and '.join(limits)}" if limits else "none was set"


def _worst(name: str) -> Fact:
    def worst(subject: Subject, reading: Reading) -> str:
        if not reading.columns["facets"]:
            raise Absent("no columns to compare groups by are set")
        return number(reading.evaluation["bias_metrics"][name]["value"], 3)

    return worst


def _facets(subject: Subject, reading: Reading) -> str:
    if names := [str(facet["column"]) for facet in reading.columns["facets"]]:
        return listed(list(dict.fromkeys(names)))
    raise Absent("no columns to compare groups by are set")


def _facets_as_features(subject: Subject, reading: Reading) -> str:
    columns = reading.columns
    names = list(dict.fromkeys(str(facet["column"]) for facet in columns["facets"]))
    if not names:
        raise Absent("no columns to compare groups by are set")
    features = [str(name) for name in columns["features"]]
    used = [n for n in names if any(f == n or f.startswith(f"{n}_") for f in features)]
    if not used:
        return f"{listed(names)}, none is a feature by its name"
    return f"{listed(used)} {'is a feature' if len(used) == 1 else 'are features'} of the model"


def _small_groups(subject: Subject, reading: Reading) -> str:
    """Of the run's own evaluation: the pack's copy lacks some of these groups."""
    bias = subject.evidence.evaluation.json()["bias_metrics"]
    groups = [group for facet in bias.get("groups", {}).values() for group in facet]
    left = sum(not group["counted"] for group in groups)
    withheld = sum(not is_shown(group) for group in groups)
    text = f"of {count(len(groups), 'group')} {number(left)} had too few rows to be counted"
    also = f", and {number(withheld)} of fewer than {LEAST} rows are left out of this pack"
    return f"{text}{also if withheld else ''}"


def _features(subject: Subject, reading: Reading) -> str:
    names = [reading.shown(str(name)) for name in reading.columns["features"]]
    return _some(names)


def _some(names: list[str]) -> str:
    if len(names) <= MOST_NAMES:
        return listed(names)
    return f"{', '.join(names[:MOST_NAMES])} and {len(names) - MOST_NAMES} more (columns.json)"


def _top_features(subject: Subject, reading: Reading) -> str:
    explanations = reading.evidence.analysis.json().get("explanations") or {}
    for values in explanations.get("kernel_shap", {}).values():
        weights = values["global_shap_values"]
        names = sorted(weights, key=lambda name: -weights[name])[:5]
        return listed([reading.shown(name) for name in names])
    raise Absent("analysis.json has no explanations")


def _task(subject: Subject, reading: Reading) -> str:
    return f"predict {reading.columns['label']}"


def _reads(subject: Subject, reading: Reading) -> str:
    return count(len(reading.columns["features"]), "feature")


def _threshold(subject: Subject, reading: Reading) -> str:
    decision = reading.evaluation.get("decision")
    if not decision:
        return "the prediction is a number, and nothing is decided by a threshold"
    value, rule = number(decision["threshold"], 4), decision["rule"]
    return f"the decision threshold is {value}, chosen on the validation split by the rule {rule}"


def _at_threshold(subject: Subject, reading: Reading) -> str:
    if "at_threshold" not in reading.curves:
        raise Absent("a model that predicts a number has no decision threshold")
    sure = percent(reading.curves["confidence"])
    return ", ".join(
        f"{name} {percent(part['value'], 1)} ({sure} interval {between(part['interval'], 1)})"
        for name, part in reading.curves["at_threshold"].items()
    )


def _flagged(subject: Subject, reading: Reading) -> str:
    if "confusion" not in reading.curves:
        quantiles = reading.curves["residuals"]["quantiles"]
        low, high = (number(quantiles[key]) for key in ("0.05", "0.95"))
        return f"the errors of 90 % of the predictions are between {low} and {high}"
    cells = reading.curves["confusion"]
    flagged = cells["true_positive"] + cells["false_positive"]
    return (
        f"{number(flagged)} of {number(sum(cells.values()))} rows are predicted "
        f"{reading.positive}, {number(cells['false_positive'])} of them by mistake; "
        f"{number(cells['false_negative'])} are missed"
    )


def _trials(subject: Subject, reading: Reading) -> str:
    for step in subject.facts.step("Tuning"):
        if summaries := step.answer.get("TrainingJobSummaries", []):
            return count(len(summaries), "trial")
    raise Absent("this pipeline has no search")


def _table(subject: Subject, reading: Reading) -> str:
    if subject.facts.table is None:
        raise Absent("the findings in the raw table are not known here")
    return findings.of_table(subject.facts.table, reading.is_of_the_newest)


def _source(subject: Subject, reading: Reading) -> str:
    table = subject.origin.get("table") or {}
    if not table.get("sha256"):
        raise Absent("the run did not record its source table")
    name = str(table.get("path", "")).replace("\\", "/").rpartition("/")[2]
    return f"the table {name} with SHA-256 {table['sha256']}, {number(table.get('rows'))} rows"


def _commit(subject: Subject, reading: Reading) -> str:
    repository = subject.origin.get("repository")
    if repository is None:
        raise Absent("the run did not record its commit")
    if not repository.get("commit"):
        return "no commit: the repository was not under git, or had none yet"
    changed = {True: ", with uncommitted changes", None: ", its state unknown"}
    return f"commit {repository['commit']}{changed.get(repository.get('is_dirty'), '')}"


def _library(subject: Subject, reading: Reading) -> str:
    if library := subject.origin.get("library") or subject.version.metadata.get("library"):
        return str(library)
    raise Absent("the run did not record its library")


def _model_sha256(subject: Subject, reading: Reading) -> str:
    for stored in subject.objects:
        if stored.uri == subject.version.model and (digest := stored.noted or stored.now):
            return digest
    raise Absent("the digest of the model's archive is not known")


def _decisions(subject: Subject, reading: Reading) -> str:
    return "; ".join(map(decision_in_words, subject.version.decisions)) or "none so far"


def decision_in_words(decision: Decision) -> str:
    """`approved by Jo at ... (reviewed)`."""
    stage = f" for {decision.stage.lower()}" if decision.stage else ""
    return f"{decision.after.lower()}{stage} by {decision.who}, {moment(decision.at)}"


def _deployments(subject: Subject, reading: Reading) -> str:
    if subject.local is None:
        raise Absent("in an account the approval itself starts the rollout")
    return "; ".join(map(deployment_in_words, subject.facts.deployments)) or "none so far"


def deployment_in_words(deployment: Deployment) -> str:
    """`deployed in place of version 1 by Jo, ...`."""
    who = f" by {deployment.who}" if deployment.who else ""
    return f"{deployment.what}{who}, {moment(deployment.began)}"


def _drift(subject: Subject, reading: Reading) -> str:
    drifts = reading.drifts
    moved = [f"{drift.name} (PSI {number(drift.psi, 3)})" for drift in drifts[:3]]
    return f"of {count(len(drifts), 'column')}, most in {listed(moved)}"


def _remarks(subject: Subject, reading: Reading) -> str:
    remarks = [f"{remark[:1].upper()}{remark[1:]}" for remark in reading.remarks]
    return " ".join(text if text.endswith("?") else f"{text}." for text in remarks) or (
        "The automatic checks of the data and the metrics found no problems."
    )


def _chain(subject: Subject, reading: Reading) -> str:
    if subject.chain is None:
        raise Absent(NO_CHAIN)
    if not subject.chain.entries:
        raise Absent("no event was recorded")
    last = subject.chain.entries[-1]
    whole = (
        "and no faults" if not subject.chain.faults
        else f"AND IS BROKEN: {subject.chain.faults[0]}"
    )  # fmt: skip
    return f"{count(len(subject.chain.entries), 'entry', 'entries')}, the head {last.head}, {whole}"


def _selected(subject: Subject, reading: Reading) -> str:
    if reading.columns["problem"] == "regression":
        return "an estimate above the median of the estimates"
    than = "above" if reading.columns["favourable_label"] else "below"
    return f"{reading.favourable}; of scores, a probability {than} the median of all"


def _sentences(ratios: list[Rates]) -> Iterator[str]:
    for table in ratios:
        by, how = " and ".join(table.by), "selected"
        if table.measure == SCORING:
            by, how = f"{by}, of scores", "better than the median:"
        compared = [c for c in table.categories if c.ratio is not None]
        if not compared:
            yield f"By {by} no ratio can be computed."
            continue
        lowest = min(compared, key=lambda c: c.ratio or 0)
        yield (
            f"By {by}: {count(len(table.categories), 'category', 'categories')}, the lowest impact "
            f"ratio is {number(lowest.ratio, 3)} ({lowest.name}, {how} "
            f"{percent(lowest.rate, 1)} of {number(lowest.rows)}); "
            f"{count(table.unknown, 'row')} with an unknown category."
        )


def _fine_tuned(subject: Subject, reading: Reading) -> str:
    base = reading.evaluation["training"].get("base_sha256")
    of = f" with SHA-256 {base}" if base else ""
    return f"a language model, fine-tuned with LoRA from a base model{of}"


def _answered(subject: Subject, reading: Reading) -> str:
    """How replies err, by the judge's own measure."""
    evaluation, metrics = reading.evaluation, reading.metrics
    judge = evaluation["judge"]
    is_base = evaluation["incumbent"]["what"] == "base"
    other = "the base model" if is_base else "the version that served"
    return (
        f"of {count(judge['prompts'], 'different prompt')}, {number(judge['wins'])} replies are "
        f"closer to a reference than those of {other}, and {number(judge['losses'])} are less "
        f"close; {percent(metrics['wrong_refusal_rate'], 1)} were wrongly refused, and of "
        f"{count(judge['must_refuse'], 'prompt')} that must be refused "
        f"{percent(metrics['refusal_rate'], 1)} were"
    )


def _no_reply(why: str) -> Fact:
    """A fact that there is of tables alone."""

    def none(subject: Subject, reading: Reading) -> str:
        raise Absent(why)

    return none


_OF_REPLIES: dict[str, Fact] = {
    "task": lambda subject, reading: "reply to conversations",
    "reads": lambda subject, reading: "messages of conversations",
    "features": lambda subject, reading: (
        "what users and the assistant wrote, with personal data in known formats replaced at ingest"
    ),
    "facets_as_features": lambda subject, reading: (
        "none is given to the model, but what users write may reveal them"
    ),
    "algorithm": _fine_tuned,
    "threshold": lambda subject, reading: "it writes replies, and no threshold decides anything",
    "flagged": _answered,
    "top_features": _no_reply(
        "a language model reads words, not features; the report has the words that matter for its "
        "replies"
    ),
    "at_threshold": _no_reply("a reply is not decided by a threshold"),
    "selected": _no_reply("a language model's replies select nobody"),
}
"""What is true of a language model in the place of what is true of a model of tables."""

_FACTS: dict[str, Fact] = {
    "name": lambda subject, reading: subject.name,
    "project": lambda subject, reading: subject.facts.project,
    "pipeline": lambda subject, reading: subject.facts.pipeline,
    "where": lambda subject, reading: subject.facts.where,
    "as_of": lambda subject, reading: moment(str(subject.facts.parameters.get("AsOf", ""))),
    "definition_sha256": lambda subject, reading: subject.facts.definition_sha256,
    "rules": lambda subject, reading: subject.approvals.rules,
    "gate": lambda subject, reading: str(reading.judgement.gate),
    "favourable": lambda subject, reading: reading.favourable,
    "algorithm": lambda subject, reading: str(reading.evaluation["algorithm"]),
    "task": _task,
    "reads": _reads,
    "objects": lambda subject, reading: count(
        sum(bool(o.noted or o.now) for o in subject.objects), "object"
    ),
    "train_rows": _rows("train"),
    "validation_rows": _rows("validation"),
    "test_rows": _rows("test"),
    "metrics": _metrics,
    "gate_numbers": _gate_numbers,
    "bias_gate": _bias_gate,
    "worst_dppl": _worst("worst_dppl"),
    "worst_di": _worst("worst_di"),
    "facets": _facets,
    "facets_as_features": _facets_as_features,
    "small_groups": _small_groups,
    "features": _features,
    "top_features": _top_features,
    "threshold": _threshold,
    "at_threshold": _at_threshold,
    "flagged": _flagged,
    "trials": _trials,
    "table": _table,
    "source": _source,
    "commit": _commit,
    "library": _library,
    "model_sha256": _model_sha256,
    "decisions": _decisions,
    "deployments": _deployments,
    "drift": _drift,
    "remarks": _remarks,
    "chain": _chain,
    "selected": _selected,
}

STATED = ("intended_use", "not_intended_for", "who_may_be_harmed", "limits", "contact")
"""What people state in `model_card.toml`."""

NAMES = frozenset({*_FACTS, *STATED, "impact_ratios"})
