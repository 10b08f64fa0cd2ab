"""The rules of who may approve a registered version, and which version may be deployed.

Versions are kept on this machine (`local.py`) and in SageMaker's Model Registry (`account.py`).
The rules here are the same for both.
"""

from __future__ import annotations

import hashlib
import json
import math
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from ninesteps.definition.known_fields import APPROVAL_STATUSES
from ninesteps.errors import RegistryError
from ninesteps.feature_store.findings import FINDINGS
from ninesteps.feature_store.ingest import Ingested
from ninesteps.local.chain_tables import decision_facts
from ninesteps.profiles.stamps import Expected
from ninesteps.registry import signatures
from ninesteps.registry.champion import Champion
from ninesteps.registry.person import is_same_person, may_be_same_person
from ninesteps.registry.signatures import SIGNED, Signers
from ninesteps.repository import origin_text
from ninesteps.settings import gate as gates
from ninesteps.settings.gate import FACET_METRICS, SECTIONS

PENDING, APPROVED, REJECTED = APPROVAL_STATUSES
"""The approval statuses of SageMaker's Model Registry."""

PRODUCTION = "Production"
"""The stage of a version's life cycle that may need a second approval."""

MAX_WHO, MAX_WHY = 100, 900
"""Limits in UTF-16 code units: together they fit into a model package's ApprovalDescription."""


@dataclass(frozen=True)
class Decision:
    """A person's decision on a version."""

    before: str
    after: str
    who: str
    why: str
    at: str  # in UTC, to the second
    stage: str = ""  # the stage, such as Production; empty: the version itself
    evidence: dict[str, str] = field(default_factory=dict)  # as it was then: S3 URI -> SHA-256
    rules: str = ""  # in force then; empty if not recorded
    signature: str = ""  # in the format of `ssh-keygen -Y sign`; empty: not signed


@dataclass(frozen=True)
class Version:
    """A registered version of the model."""

    group: str
    number: int
    status: str
    created: str
    execution: str  # the run that registered it
    model: str  # S3 URI of the archive
    evaluation: str  # ... of evaluation.json; empty if it names none
    reports: tuple[str, ...]  # ... of the other evidence that it names
    metadata: dict[str, str]
    decisions: tuple[Decision, ...]  # the oldest first

    @property
    def name(self) -> str:
        """Its name for people."""
        return f"{self.group} version {self.number}"

    @property
    def findings(self) -> str:
        """S3 URI of step 1's findings on its splits; empty if it names none."""
        split = self.metadata.get("test_split", "")
        return f"{split}/{FINDINGS}" if split else ""

    @property
    def evidence(self) -> tuple[str, ...]:
        """S3 URIs of the evidence for an approval."""
        return tuple(dict.fromkeys(filter(None, (self.evaluation, *self.reports, self.model))))

    def last(self, stage: str = "") -> Decision | None:
        """The decision that is in force for a stage, if any."""
        return next((d for d in reversed(self.decisions) if d.stage == stage), None)

    @property
    def is_rejected(self) -> bool:
        """Whether it was ever rejected; a rejected version stays rejected, whatever its status."""
        return REJECTED in (self.status, *(decision.after for decision in self.decisions))

    def status_in(self, stage: str) -> str:
        """Its status in a stage of its life cycle, or as a version."""
        last = self.last(stage)
        return self.status if not stage else last.after if last else PENDING


def version_of(
    package: dict[str, Any],
    group: str,
    number: int,
    status: str,
    created: str,
    execution: str,
    decisions: tuple[Decision, ...],
) -> Version:
    """A version from its model package: from its create request or from Describe's answer."""
    containers = package.get("InferenceSpecification", {}).get("Containers", [])
    model = containers[0].get("ModelDataUrl", "") if containers else ""
    sources = package.get("ModelMetrics", {})
    evaluation = sources.get("ModelQuality", {}).get("Statistics", {}).get("S3Uri", "")
    reports = [sources.get(kind, {}).get("Report", {}) for kind in ("Bias", "Explainability")]
    uris = tuple(dict.fromkeys(report["S3Uri"] for report in reports if report))
    metadata = dict(package.get("CustomerMetadataProperties", {}))
    return Version(
        group, number, status, created, execution, model, evaluation, uris, metadata, decisions
    )


@dataclass(frozen=True)
class EvidenceFile:
    """A file of a version's evidence."""

    uri: str
    registered: str  # its SHA-256 when the version was registered; empty if not recorded
    now: str  # ... and now; empty if it is gone
    erased: str = ""  # which erasure changed or deleted it, and when; empty if none

    @property
    def name(self) -> str:
        """The file's own name."""
        return self.uri.rpartition("/")[2]

    @property
    def fault(self) -> str:
        """Why it cannot be used as evidence; empty if it can."""
        if not self.now:
            return self.erased or "is gone"
        if not self.registered:
            return "has no recorded digest"
        return "" if self.now == self.registered else "was changed after registration"


Sign = Callable[[str], str]
"""Returns the signature of a text."""


@dataclass(frozen=True)
class ABLook:
    """The state of a running A/B test at its last evaluation."""

    why: str  # that it is running, or why that is unknown
    at: str = ""  # when its job decided; empty: not yet
    look: int = 0  # how many evaluations there have been
    share: int | None = None  # percent of the users that get the version
    metadata: Mapping[str, str] = field(default_factory=dict)  # as noted on a version at the end


class Registry(Protocol):
    """A store of versions and of every decision on them."""

    @property
    def group(self) -> str:
        """The model package group."""

    def numbers(self) -> list[int]:
        """All versions, newest first."""

    def version(self, number: int) -> Version:
        """An existing version."""

    def read(self, uri: str) -> bytes | None:
        """The content of an S3 URI; None if there is no object."""

    def evidence(self, version: Version) -> list[EvidenceFile]:
        """A version's evidence, at registration and now."""

    def started_by(self, version: Version) -> str:
        """Who started the run that registered it; empty if unknown."""

    def findings(self, version: Version) -> bytes | None:
        """Step 1's findings on its splits; None if there are none, or they may not be read."""

    def table(self, version: Version) -> Ingested | None:
        """The summary of the raw table that it was trained on; None if unknown."""

    def origin(self, version: Version) -> Mapping[str, Any]:
        """Where its run came from: code, library, settings, table; empty if it is not recorded."""

    def same_model_as(self, version: Version) -> int | None:
        """The first version with the same archive, byte for byte, if it is an earlier one."""

    def erased(self, version: Version) -> str:
        """A notice if it learnt from records that were since erased; empty if unknown."""

    def ab_look(self, version: Version) -> ABLook | None:
        """The state of a version's A/B test; None if there is none."""

    def identity(self, who: str) -> str:
        """The decider's name as this registry records it, from the name that was given."""

    def keep(self, version: Version, decision: Decision) -> bool:
        """Record a decision if the version's status has not changed; of several at once, one is
        recorded."""

    def archives(self) -> Iterator[tuple[int, str]]:
        """Each version, newest first, with the SHA-256 of its archive at registration."""

    def serving(self) -> int | None:
        """The version that serves; None if none does."""

    def report(self, version: Version) -> Path | None:
        """The path of the report of the run that registered it; None if it is not written yet."""


@dataclass(frozen=True)
class _Excluded:
    """A person who may not give an approval."""

    name: str  # empty if it is not known
    did: str  # why they are excluded
    rule: str  # ... and the rule that excludes them


@dataclass(frozen=True)
class Approvals:
    """Approves and rejects versions of a registry, and decides which may be deployed."""

    registry: Registry
    expected: Expected  # what versions have to be made under
    require_second_approver: bool = False
    before_production: bool = False
    option: str = ""  # with which commands act on this registry, such as ` --env prod`
    require_signature: bool = False
    signers: Signers | None = None  # who may sign; None: no list
    gate: gates.Gate | None = None  # in force here; that of an account is its stack's

    @property
    def rules(self) -> str:
        """The rules that decisions are made under, as recorded with each."""
        asked = {"require_second_approver": self.require_second_approver}
        if not self.option:  # in an account the rollout asks for the second approval
            asked["before_production"] = self.before_production
            asked |= {SIGNED: True} if self.require_signature else {}
        parts = [f"gate {self.gate}"] if self.gate else []
        parts += [f"{name} = {str(is_so).lower()}" for name, is_so in asked.items()]
        return ", ".join([*parts, f"profile {self.expected.profile}"])

    def find(self, number: int) -> Version:
        """A version.

        Raises:
            RegistryError: if there is none with that number.
        """
        numbers = self.registry.numbers()
        if number not in numbers:
            has = f"it has {listed(numbers)}" if numbers else "no version is registered"
            raise RegistryError(f"{self.registry.group} has no version {number}: {has}")
        return self.registry.version(number)

    def check(self, number: int, after: str, stage: str = "") -> Version:
        """A version whose status could change to the given one, by anybody.

        Raises:
            RegistryError: if it cannot.
        """
        version = self.find(number)
        if stage and not self.before_production:
            raise RegistryError(
                f"{version.name} needs no second approval: [approval] before_production of "
                "pipeline.toml does not require one"
            )
        if stage and version.status == PENDING:
            raise RegistryError(f"{version.name} is not approved yet: {self.command(number)}")
        if version.is_rejected:
            stays = (
                "; nothing was changed"
                if after == REJECTED
                else "; a rejected version stays rejected: register another one"
            )
            raise RegistryError(f"{version.name} {how(version)}{stays}")
        if version.status_in(stage) == after and not self.objection(version, stage):
            raise RegistryError(f"{version.name} {how(version, stage)}; nothing was changed")
        if after == APPROVED:
            self._check_what_it_rests_on(version)
        return version

    def approve(
        self, number: int, who: str, why: str, stage: str = "", sign: Sign | None = None
    ) -> Decision:
        """Approve a version, or approve it for a stage such as Production.

        Args:
            sign: returns the signature of a text.

        Raises:
            RegistryError: if it cannot be approved, or not by this person; nothing was changed.
        """
        version = self.check(number, APPROVED, stage)
        who, why = worded("who", who, MAX_WHO), worded("why", why, MAX_WHY)
        known = self.registry.identity(who)
        for other in self._excluded(version, stage):
            if not other.name:
                raise RegistryError(f"who {other.did} is not known, and {other.rule}: run the "
                                    "pipeline again")  # fmt: skip
            if is_same_person(known, other.name):
                raise RegistryError(f"{known} {other.did} as {other.name}, and {other.rule}")
        if self.require_signature and sign is None:
            raise RegistryError(
                f"[approval] {SIGNED} of pipeline.toml asks for a signature: "
                f"{self.command(number, stage)} --sign KEY"
            )
        return self._keep(version, APPROVED, who, why, stage, sign)

    def notices(self, number: int, who: str, stage: str = "") -> list[str]:
        """Notices for the approver; they do not prevent the approval.

        The approver may be an excluded person, by their initials; the code may differ from the
        commit; the model may be identical to an earlier version's; another version may serve now
        than the one it was compared with; a record that it learnt from may have been erased.
        """
        known, version = self.registry.identity(who), self.find(number)
        notices = [
            f"{known} may be {other.name}, who {other.did}, and {other.rule}"
            for other in self._excluded(version, stage)
            if not is_same_person(known, other.name) and may_be_same_person(known, other.name)
        ]
        if changes := origin_text.dirty(self.registry.origin(version)):
            notices.append(f"{version.name} was made from uncommitted code: {changes}")
        if earlier := self.registry.same_model_as(version):
            same = f"{version.name} has the same bytes as version {earlier}"
            is_there = earlier in self.registry.numbers()
            standing = f", which {how(self.registry.version(earlier))}" if is_there else ""
            notices.append(same + standing)
        if other := self._other_champion(version):
            notices.append(other)
        return [*notices, *self.erasure_notices(version)]

    def erasure_notices(self, version: Version) -> list[str]:
        """Notices of erasures for whoever approves or deploys; they do not prevent either."""
        erased = self.registry.erased(version)
        again = "the next `pipeline run` registers a version that did not"
        return [f"{version.name} {erased}: {again}"] if erased else []

    def reject(self, number: int, who: str, why: str) -> Decision:
        """Reject a version, or withdraw an approved one: it is never deployed again.

        Raises:
            RegistryError: if it was rejected already; nothing was changed.
        """
        version = self.check(number, REJECTED)
        who, why = worded("who", who, MAX_WHO), worded("why", why, MAX_WHY)
        return self._keep(version, REJECTED, who, why, "")

    def may_deploy(
        self, number: int, to_production: bool = True, has_served: bool = False
    ) -> Version:
        """A version that may be deployed.

        Args:
            has_served: it has served before, and a rollback returns to it. Later changes of floors
                and rules of approval do not matter: it met those in force at its time.

        Raises:
            RegistryError: if it may not be, with the command that helps, if any.
        """
        version = self.find(number)
        if version.is_rejected:
            raise RegistryError(f"{version.name} {how(version)}; it can never be deployed")
        if version.status != APPROVED:
            raise RegistryError(f"{version.name} is not approved: {self.command(number)}")
        second = to_production and self.before_production
        if second and version.status_in(PRODUCTION) != APPROVED:
            raise RegistryError(
                f"{version.name} is approved, but not yet for production: "
                f"{self.command(number, PRODUCTION)}"
            )
        for stage in ("", PRODUCTION) if second else ("",):
            if not has_served and (objection := self.objection(version, stage)):
                raise RegistryError(f"{version.name} {objection}: {self.command(number, stage)}")
            last = version.last(stage)
            if last and (fault := self.signature_fault(version, last, only_text=True)):
                raise RegistryError(f"{version.name} cannot be deployed: {fault}")
        self._check_what_it_rests_on(version, floors=not has_served)
        return version

    def objection(self, version: Version, stage: str = "") -> str:
        """Why an approval does not count under the rules in force; empty if it counts.

        It was given under earlier rules. Another person can approve the version again.
        """
        if version.status_in(stage) != APPROVED:
            return ""
        last, place = version.last(stage), f" for {stage.lower()}" if stage else ""
        by = last.who if last else ""
        for other in self._excluded(version, stage):
            if not by or not other.name:
                unknown = other.did if by else f"approved it{place}"
                return f"cannot be deployed: who {unknown} is not known, and {other.rule}"
            if is_same_person(by, other.name):
                return f"was approved{place} by {by}, who {other.did}, and {other.rule}"
        if last and not last.signature and self.require_signature:
            return (
                f"was approved{place} by {by} without a signature, but [approval] {SIGNED} of "
                "pipeline.toml asks for one"
            )
        fault = self.signature_fault(version, last) if last else ""
        return f"was approved{place} by {by}, but {fault}" if fault else ""

    def signature_fault(self, version: Version, decision: Decision, only_text: bool = False) -> str:
        """Why the signature of a decision does not count; empty if it does, or there is none.

        Args:
            only_text: accept any signer, as for a version that has served.
        """
        if not decision.signature:
            return ""
        text = self._signed_text(version, decision)
        try:
            if self.signers is None or only_text:
                signatures.check(text, decision.signature)
            else:
                self.signers.check(text, decision.signature, decision.who, decision.at)
        except signatures.SignatureError as error:
            return str(error)
        return ""

    def _signed_text(self, version: Version, decision: Decision) -> str:
        d = decision
        return signatures.signed_text(decision_facts(
            version.group, version.number, d.stage, d.before, d.after, d.who, d.why, d.at,
            d.evidence, d.rules, d.evidence.get(version.model, ""),
        ))  # fmt: skip

    def _excluded(self, version: Version, stage: str) -> Iterator[_Excluded]:
        """The people who may not give the approval of a stage."""
        asks = "of pipeline.toml asks for somebody else"
        if self.require_second_approver:
            started_by = self.registry.started_by(version)
            rule = f"[approval] require_second_approver {asks}"
            yield _Excluded(started_by, f"started run {version.execution}", rule)
        if stage and (first := version.last()):
            rule = f"[approval] before_production {asks}"
            yield _Excluded(first.who, f"approved {version.name}", rule)

    def may_give(self, number: int, who: str, stage: str = "") -> bool:
        """Whether to offer a person as the approver: not one who may not approve.

        Nor who started its run, even if no rule requires somebody else.
        """
        version, known = self.find(number), self.registry.identity(who)
        others = [other.name for other in self._excluded(version, stage)]
        if not self.require_second_approver:
            others.append(self.registry.started_by(version))
        return not any(other and is_same_person(known, other) for other in others)

    def command(self, number: int, stage: str = "") -> str:
        """The command that approves a version."""
        stage = f" --for {stage.lower()}" if stage else ""
        return f"pipeline approve {number}{stage}{self.option}"

    def _check_what_it_rests_on(self, version: Version, floors: bool = True) -> None:
        """Check the floors and library that it was made under, and the files of its evidence."""
        if floors and (violation := self.expected.violation(version.metadata)):
            raise RegistryError(f"{version.name}: {violation}")
        evidence = self.registry.evidence(version)
        for file in evidence:
            if file.fault:
                raise RegistryError(
                    f"{version.name} cannot be approved or deployed: its evidence "
                    f"{file.uri} {file.fault}"
                )
        if version.evaluation or (self.gate and floors):
            self._check_evaluation(version, {e.uri: e.registered for e in evidence}, floors)

    def _check_evaluation(self, version: Version, digests: Mapping[str, str], floors: bool) -> None:
        """Check that the metrics are of this version's archive and pass the gate in force."""
        content = self.registry.read(version.evaluation)
        if content is None:
            raise RegistryError(f"{version.name} has no evaluation.json")
        now = hashlib.sha256(content).hexdigest()  # of the bytes that are read here
        file = EvidenceFile(version.evaluation, digests[version.evaluation], now)
        if file.fault:
            raise RegistryError(
                f"{version.name} cannot be approved or deployed: its evidence "
                f"{file.uri} {file.fault}"
            )
        judged, model = judged_model(content), digests.get(version.model, "")
        if judged and judged != model:
            raise RegistryError(
                f"{version.name}: expected metrics of the model with sha256 {model[:12]}, got "
                f"those of {judged[:12]}"
            )
        gate = self.gate if floors else None
        if floors:
            self._check_champion(version, content)
        if gate and (failing := failed_comparisons(gate, metrics(content))):
            raise RegistryError(
                f"{version.name} does not pass the gate in force, {gate}: {failing}"
            )

    def _check_champion(self, version: Version, evaluation: bytes) -> None:
        """Check that it was compared with a registered archive, or that no version serves."""
        champion = _champion(evaluation)
        if champion is None:
            return
        registry = self.registry
        serving = registry.serving() if champion.is_none else None
        if fault := champion.fault(registry.archives(), version.number, serving):
            raise RegistryError(f"{version.name} {fault}")

    def _other_champion(self, version: Version) -> str:
        """A notice if another version serves now than it was compared with; otherwise empty."""
        content = self.registry.read(version.evaluation) if version.evaluation else None
        champion = _champion(content) if content else None
        if champion is None:
            return ""
        registry = self.registry
        return champion.notice(registry.archives(), version.number, registry.serving())

    def _keep(
        self,
        version: Version,
        after: str,
        who: str,
        why: str,
        stage: str,
        sign: Sign | None = None,
    ) -> Decision:
        digests = {file.uri: file.now for file in self.registry.evidence(version) if file.now}
        at = datetime.now(tz=UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        before = version.status_in(stage)
        decision = Decision(before, after, who, why, at, stage, digests, self.rules)
        if sign:
            signature = sign(self._signed_text(version, decision))
            decision = replace(decision, signature=signature)
            if fault := self.signature_fault(version, decision):
                raise RegistryError(f"{version.name} was not approved: {fault}")
        if self.registry.keep(version, decision):
            return decision
        now = how(self.registry.version(version.number), stage)
        raise RegistryError(f"{version.name} {now}, just before you; you changed nothing")


def how(version: Version, stage: str = "") -> str:
    """A version's status, such as `was approved by Jo at 2026-01-31T12:00:00Z`."""
    last = version.last(stage)
    if last is None:
        return f"is {version.status}"
    place = f" for {stage.lower()}" if stage else ""
    return f"was {last.after.lower()}{place} by {last.who} at {last.at}"


def listed(numbers: list[int]) -> str:
    """Numbers as a list: consecutive ones as ranges, and at most ten entries."""
    spans: list[list[int]] = []
    for number in sorted(numbers):
        if spans and number == spans[-1][1] + 1:
            spans[-1][1] = number
        else:
            spans.append([number, number])
    texts = [f"{first}" if first == last else f"{first} to {last}" for first, last in spans]
    return ", ".join(texts[-10:])


def worded(what: str, text: str, longest: int) -> str:
    """A text as it is recorded: on one line, without invisible characters.

    Raises:
        RegistryError: if the result is empty or too long.
    """
    shown = "".join(c if _is_shown(c) else " " for c in unicodedata.normalize("NFC", text))
    kept = " ".join(shown.split())
    if not any(c.isalnum() for c in kept):
        expected = {"who": "a name", "why": "a reason"}[what]
        raise RegistryError(f"{what}: expected {expected}, got {text!r}")
    if (length := len(kept.encode("utf-16-le")) // 2) > longest:
        raise RegistryError(f"{what}: expected at most {longest} characters, got {length}")
    return kept


JOINERS = "\u200c\u200d"
"""Within words of some scripts, and within emoji."""


def _is_shown(character: str) -> bool:
    """Neither a control character, nor one that reverses or hides its neighbours."""
    return character in JOINERS or unicodedata.category(character)[0] != "C"


def judged_model(evaluation: bytes) -> str:
    """SHA-256 of the archive that an evaluation.json describes; empty if not recorded."""
    try:
        return str(json.loads(evaluation).get("model_sha256", ""))
    except (ValueError, AttributeError):
        raise RegistryError("evaluation.json is damaged") from None


def _champion(evaluation: bytes) -> Champion | None:
    try:
        return Champion.of(evaluation)
    except (ValueError, AttributeError):
        raise RegistryError("evaluation.json is damaged") from None


def failed_comparisons(gate: gates.Gate, numbers: Mapping[str, float]) -> str:
    """The comparisons of a gate that fail, with their numbers; empty if the gate passes."""
    values = {c: numbers.get(c.name, math.nan) for c in gates.comparisons(gate)}
    if gates.holds(gate, values.__getitem__):
        return ""
    failing = ((c, value) for c, value in values.items() if not c.holds(value))
    return ", ".join(f"{comparison.name} is {value:.6g}" for comparison, value in failing)


def metrics(evaluation: bytes) -> dict[str, float]:
    """The values of an evaluation.json, by the names that gates use.

    Without a facet no groups were compared: the worst of all facets is then no measurement.

    Raises:
        RegistryError: if it is not an evaluation.
    """
    try:
        content: dict[str, Any] = json.loads(evaluation)
        groups = [content[section] for section in SECTIONS.values() if section in content]
        numbers = {name: float(m["value"]) for group in groups for name, m in group.items()}
        bias = content.get("bias_metrics", {})
        has_facets = bool(bias.get("groups", True))  # a damaged or old file says nothing of them
        for name, metric in bias.items():
            if name in FACET_METRICS:
                numbers |= {f"{name}[{key}]": float(m["value"]) for key, m in metric.items()}
            elif isinstance(metric, dict) and "value" in metric and has_facets:
                numbers[name] = float(metric["value"])
        for name, metric in gates.differences(content.get(gates.CHAMPION, {})).items():
            numbers[f"{name} - {gates.CHAMPION}.{name}"] = float(metric["value"])
    except (ValueError, AttributeError, KeyError, TypeError):
        raise RegistryError("evaluation.json is damaged") from None
    return numbers
