"""The files of an audit pack, each made from what a version left; missing ones say why."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from ninesteps.audit import copied, impact_ratios, replaced
from ninesteps.audit.impact_ratios import NotComputed, Rates
from ninesteps.audit.laws import Laws
from ninesteps.audit.lineage import graph
from ninesteps.audit.privacy import LEAST, Copies
from ninesteps.audit.subject import NO_CHAIN, QUERY, Subject, sha256
from ninesteps.errors import AccountError
from ninesteps.lineage.graph import Graph
from ninesteps.lineage.graph import as_json as graph_as_json
from ninesteps.model_card.content import Card
from ninesteps.report.evidence import MOST_BYTES, Absent, File, RunEvidence, is_of_replies
from ninesteps.report.facts import RunFacts, StepFacts
from ninesteps.report.lineage_picture import lineage_part
from ninesteps.report.reading import BROKEN, Reading
from ninesteps.report.steps import inputs
from ninesteps.repository.vendor import LOCK
from ninesteps.settings import model_card
from ninesteps.settings.model_card import Statements
from ninesteps.step_code.bundle import lock_uri

HEADS = "chain_heads.json"
"""Of an account's version alone: a machine's pack has the chain itself."""

COPIED = ("evaluation", "curves", "columns", "profile", "training_bias", "config", "analysis",
          "findings")  # fmt: skip
"""Files of the run that a pack has a copy of, as `RunEvidence` calls them."""


@dataclass(frozen=True)
class Item:
    """A file of the pack, or why it is not there."""

    name: str
    says: str  # what it is, in a few words
    content: bytes = b""
    copy_of: str = ""  # the URI whose object it is, byte by byte
    note: str = ""  # what its copy lacks
    absent: str = ""  # why it is not there


@dataclass(frozen=True)
class Contents:
    """Makes the files of a version's pack."""

    subject: Subject
    laws: Laws

    @cached_property
    def copies(self) -> Copies:
        """Makes the copies of the run's files."""
        return Copies.of(self.subject.evidence)

    @cached_property
    def _copied_run(self) -> Reading:
        return copied.reading(self.subject.facts, self.subject.evidence, self.copies)

    @cached_property
    def reading(self) -> Reading:
        """The run as the pack's copies show it."""
        drawn = "" if isinstance(self.lineage, str) else lineage_part(self.lineage)
        versions = _versions(self.subject.origin)
        facts = replace(self._copied_run.facts, versions=versions, lineage=drawn)
        return replace(self._copied_run, facts=facts)

    @cached_property
    def lineage(self) -> Graph | str:
        """The graph of the version; or why there is none."""
        try:
            return graph(self.subject)
        except Absent as why:
            return str(why)

    @cached_property
    def statements(self) -> Statements:
        """What people have stated about the model, as `model_card.toml` has it now."""
        return model_card.load(self.subject.settings.root)

    @cached_property
    def ratios(self) -> list[Rates] | str:
        """Impact ratios; or why there are none."""
        (law,) = (law for law in self.laws.law if law.sex)
        evidence = self.subject.evidence
        try:
            if is_of_replies(evidence.columns):
                raise Absent("a language model's replies select nobody")
            if evidence.test.raw is None:
                raise Absent(evidence.test.why)
            predictions = self.subject.read(f"{_predictions(self.subject.facts)}/test.csv.out")
            columns = evidence.columns.json()
            return impact_ratios.tables(
                columns, evidence.test.raw, predictions, law.sex, law.race, LEAST
            )
        except (Absent, NotComputed) as why:
            return str(why)
        except BROKEN as error:
            return f"a file is not in the expected format ({type(error).__name__})"

    def items(self) -> list[Item]:
        """Every file but the page, the manifest and what checks them."""
        return [
            *(
                self._made(name, says, make)
                for name, (says, make) in _ITEMS.items()
                if name != HEADS or self.subject.local is None
            ),
            *(self._copied(name) for name in COPIED),
            *self._report(),
        ]

    def _made(self, name: str, says: str, make: Callable[[Contents], Any]) -> Item:
        try:
            content = make(self)
        except Absent as why:
            return Item(name, says, absent=str(why))
        raw = content if isinstance(content, bytes) else as_json(content)
        return Item(name, says, raw)

    def _copied(self, name: str) -> Item:
        file: File = getattr(self.reading.evidence, name)
        original: File = getattr(self.subject.evidence, name)
        if file.raw is None:
            return Item(file.name, _COPIES[name], absent=file.why)
        is_same = file.raw == original.raw
        changed = original.noted and original.sha256 != original.noted
        notes = [self.copies.left_out.get(file.name, ""),
                 "IT WAS CHANGED AFTER ITS STEP HAD ENDED" if changed else ""]  # fmt: skip
        return Item(
            file.name,
            _COPIES[name],
            file.raw,
            copy_of=file.uri if is_same else "",
            note="; ".join(filter(None, notes)),
        )

    def _report(self) -> list[Item]:
        from ninesteps.report.page import build  # jinja2

        report = build(self.reading.facts, _Copied(self.reading.evidence))
        note = "without examples of records, logs, own panels and who started the run"
        return [
            Item("report.html", "The run's report", report.html.encode(), note=note),
            Item("report.md", "Its summary", report.markdown.encode(), note=note),
        ]


@dataclass(frozen=True)
class _Copied:
    """A `ninesteps.report.facts.Source` of the pack's copies alone."""

    evidence: RunEvidence

    def read(self, uri: str, most: int) -> bytes | None:
        """A copy; None if there is none.

        Raises:
            Absent: of a file that no pack has.
        """
        for file in self.evidence.files:
            if file.uri == uri:
                if file.raw is None:
                    raise Absent(file.why)
                return file.raw
        return None

    def log(self, step: StepFacts) -> tuple[str, ...]:
        """None: logs may quote records."""
        return ()


def _versions(origin: Mapping[str, Any]) -> dict[str, str]:
    """What the run recorded of versions: those that are installed now may be others."""
    own = {"Python": "python", "machine": "machine", "ninesteps": "library"}
    told = {name: origin.get(key) for name, key in own.items()} | origin.get("packages", {})
    return {name: str(version) for name, version in told.items() if version}


def as_json(content: Any) -> bytes:
    """JSON as the pack has it: keys in their order, the same bytes each time."""
    return (json.dumps(content, indent=2, ensure_ascii=False, default=str) + "\n").encode()


def _definition(contents: Contents) -> bytes:
    if not contents.subject.definition:
        raise Absent("the run's definition was not kept")
    return contents.subject.definition.encode()


def _parameters(contents: Contents) -> Mapping[str, Any]:
    facts = contents.subject.facts
    return {"run": facts.id, "pipeline": facts.pipeline, "where": facts.where,
            "parameters": facts.parameters}  # fmt: skip


def _data(contents: Contents) -> Mapping[str, Any]:
    return {
        "objects": [
            {"step": o.step, "role": o.role, "uri": o.uri, "sha256_noted": o.noted,
             "sha256_now": o.now, **({"erased": o.erased} if o.erased else {})}
            for o in contents.subject.objects
        ]
    }  # fmt: skip


def _query(contents: Contents) -> bytes:
    for step in contents.subject.facts.step("Processing"):
        for name, uri in inputs(step.request):
            if name == "query":
                return contents.subject.read(f"{uri.rstrip('/')}/{QUERY}")
    raise Absent("no step of this pipeline reads a query")


def _origin(contents: Contents) -> Mapping[str, Any]:
    """As it was recorded, but for the folders of files on a machine: they may name a person."""
    if not contents.reading.facts.origin:
        raise Absent("the run did not record where its code and its data came from")
    return contents.reading.facts.origin


def _lineage(contents: Contents) -> Mapping[str, Any]:
    return graph_as_json(_graph(contents))


def _chart(contents: Contents) -> bytes:
    from ninesteps.lineage.mermaid import mermaid

    return mermaid(_graph(contents)).encode()


def _graph(contents: Contents) -> Graph:
    if isinstance(contents.lineage, str):
        raise Absent(contents.lineage)
    return contents.lineage


def _comparison(contents: Contents) -> Mapping[str, Any]:
    return replaced.comparison(contents.subject, contents.reading)


def _lock(contents: Contents) -> bytes:
    """As it was kept with the code; of a run before that was done, the repository's own."""
    subject = contents.subject
    noted = str(subject.origin.get("lock_sha256", ""))
    if not noted:
        raise Absent(f"the run did not record which {LOCK} it ran with")
    kept = subject.source.read(lock_uri(subject.store, noted), MOST_BYTES)
    for content in (kept, subject.lock):
        if content is not None and sha256(content) == noted:
            return content
    raise Absent(
        f"the {LOCK} of the run was not kept with its code, and the repository has a different one "
        f"now: expected SHA-256 {noted}"
    )


def _approvals(contents: Contents) -> Mapping[str, Any]:
    subject = contents.subject
    version, approvals = subject.version, subject.approvals
    started = {"run_started_by": subject.started_by} if approvals.require_second_approver else {}
    return {
        "version": version.name,
        "status": version.status,
        "registered": version.created,
        **started,
        "rules_in_force": approvals.rules,
        "metadata": version.metadata,
        "decisions": [vars(decision) for decision in version.decisions],
        "deployments": [vars(deployment) for deployment in subject.facts.deployments],
    }


def _chain(contents: Contents) -> Mapping[str, Any]:
    """Every entry; of those about other versions the hash, and not what they say."""
    subject = contents.subject
    if subject.chain is None:
        raise Absent(NO_CHAIN)
    if not subject.chain.entries:
        raise Absent("no event was recorded on this machine")
    last = subject.chain.entries[-1]
    return {
        "about": "facts are null in entries about other versions, and where they would name who "
        "started a run though no rule of approval asks for it",
        "entries": [
            {"number": e.number, "kind": e.kind, "at": e.at,
             "facts": dict(e.facts) if _is_told(subject, e.kind, e.facts) else None,
             "previous": e.previous, "sha256": e.sha256}
            for e in subject.chain.entries
        ],
        "head": f"{last.number}:{last.sha256}",
    }  # fmt: skip


def _heads(contents: Contents) -> Mapping[str, Any]:
    """The heads of machines' chains that were kept in the account's bucket."""
    from ninesteps.infrastructure import account, chain_heads

    subject = contents.subject
    registry, pipeline = subject.account_registry, subject.settings.project.pipeline
    try:
        with account.one_sentence():
            s3 = registry.session.client("s3")
            found = chain_heads.every(s3, registry.environment, pipeline)
    except AccountError as error:
        raise Absent(str(error)) from None
    if not found:
        raise Absent("no head of a chain was kept in this account: `pipeline audit --head --env "
                     f"{registry.environment.name}` keeps one")  # fmt: skip
    return {
        "about": "the heads of machines' chains of events that are kept in the account's bucket; "
        "in an account AWS CloudTrail tells who did what",
        "chains": [
            {"first_entry": start, "heads": [f"{head.number}:{head.sha256}" for head in heads]}
            for start, heads in found.items()
        ],
    }


def _is_told(subject: Subject, kind: str, facts: Mapping[str, Any]) -> bool:
    version = subject.version
    if kind == "started":
        is_needed = subject.approvals.require_second_approver
        return bool(facts.get("run") == version.execution and is_needed)
    return bool((facts.get("group"), facts.get("version")) == (version.group, version.number))


def _card(contents: Contents) -> Mapping[str, Any]:
    subject = contents.subject
    problem = subject.settings.project.problem
    return Card(subject.version, contents.reading, contents.statements, problem).content()


def _impact_ratios(contents: Contents) -> Mapping[str, Any]:
    if isinstance(contents.ratios, str):
        raise Absent(contents.ratios)
    return {
        "selected": "on the test split: of a selection rate the favourable outcome, of a scoring "
        "rate a score on the favourable side of the median",
        "least_share_of_a_ratio": impact_ratios.LEAST_SHARE,
        "least_rows_of_a_category": LEAST,
        "tables": impact_ratios.as_json(contents.ratios),
    }


def _predictions(facts: RunFacts) -> str:
    for step in facts.step("Transform"):
        place = step.request.get("TransformOutput", {}).get("S3OutputPath")
        if isinstance(place, str):
            return place.rstrip("/")
    raise Absent("no step of this run wrote predictions")


_ITEMS: dict[str, tuple[str, Callable[[Contents], Any]]] = {
    "definition.json": ("The definition that the run used", _definition),
    "parameters.json": ("The values of its parameters", _parameters),
    "query.sql": ("Step 1's query of the feature store", _query),
    "data.json": ("Every object that was read and written, with its SHA-256", _data),
    "origin.json": ("Commit, library, lock and source table, as recorded", _origin),
    LOCK: ("The environment's lock", _lock),
    "lineage.json": ("The lineage, in SageMaker's terms", _lineage),
    "lineage.mmd": ("The same as a Mermaid flowchart", _chart),
    "comparison.json": ("The differences from the version that it replaced", _comparison),
    "approvals.json": ("Decisions, with the rules in force, and deployments", _approvals),
    "chain.json": ("The chain of events", _chain),
    HEADS: ("Heads of machines' chains that the account keeps", _heads),
    "model_card.json": ("The model card, with the statements that people made", _card),
    "impact_ratios.json": ("Selection and scoring rates, with impact ratios", _impact_ratios),
}

_COPIES = {
    "evaluation": "Metrics and bias numbers on the test split",
    "curves": "Curves of its errors",
    "columns": "The columns of the splits: features, label, facets",
    "profile": "The training split, column by column",
    "training_bias": "Bias in the labels of the training split",
    "config": "The configuration of the bias step",
    "analysis": "Bias and explanations of the test split, in Clarify's shape",
    "findings": "Step 1's findings in the splits",
}
