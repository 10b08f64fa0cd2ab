"""The differences between a version and the one that it replaced, for a pack."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ninesteps.audit import copied
from ninesteps.audit.privacy import Copies
from ninesteps.audit.subject import Subject
from ninesteps.errors import NineStepsError
from ninesteps.registry.registry import APPROVED
from ninesteps.report.evidence import Absent, RunEvidence
from ninesteps.report.reading import Reading

if TYPE_CHECKING:
    from ninesteps.report.comparison.side import Side

_ADDRESSES = ("notify.email",)
"""Settings that may name a person."""


def replaced(subject: Subject) -> int:
    """The version that served before this one did, or else the last one that was approved before.

    Raises:
        Absent: if there is none.
    """
    version, registry = subject.version, subject.approvals.registry
    for entry in reversed(subject.chain.entries if subject.chain else ()):
        before = entry.facts.get("from")
        key = (entry.facts.get("group"), entry.facts.get("to"))
        if entry.kind == "deployed" and key == (version.group, version.number) and before:
            return int(before)
    for number in registry.numbers():  # the newest first
        if number < version.number:
            earlier = registry.version(number)
            if APPROVED in (earlier.status, *(d.after for d in earlier.decisions)):
                return number
    raise Absent("it did not replace a version: none was approved or served before it")


def comparison(subject: Subject, reading: Reading) -> dict[str, Any]:
    """This version against the one that it replaced; differences are this one less that one.

    Args:
        reading: of the pack's copies.

    Raises:
        Absent: if they cannot be compared, or there is nothing to compare with.
    """
    from ninesteps.report.comparison.compare import compare
    from ninesteps.report.comparison.model import as_json

    try:
        before, serving = _here(subject) if subject.local else _in_account(subject)
        copies = copied.reading(before.facts, before.reading.evidence,
                                Copies.of(before.reading.evidence))  # fmt: skip
        content = as_json(compare(_without_people(before, copies),
                                  _side(subject, reading, serving)))  # fmt: skip
    except NineStepsError as error:
        raise Absent(str(error)) from None
    rows = [row for row in content["settings"]["rows"] if row["name"] not in _ADDRESSES]
    return {**content, "settings": {**content["settings"], "rows": rows}}


def _here(subject: Subject) -> tuple[Side, int | None]:
    """The version that it replaced here, and the number of the one that serves."""
    from ninesteps.local.endpoint import control
    from ninesteps.report.comparison.local import Here

    assert subject.local is not None  # noqa: S101
    before = Here(subject.local, subject.settings).of_version(replaced(subject))
    return before, control.serving(subject.local)


def _in_account(subject: Subject) -> tuple[Side, int | None]:
    """The same of an account: what it is compared with is what its report is."""
    from ninesteps.infrastructure import account
    from ninesteps.report.comparison.account import InAccount

    registry = subject.account_registry
    others = InAccount(registry.session, registry.environment, subject.settings)
    with account.one_sentence():
        found = others.reference(subject.version.number, subject.facts.began)
        if found is None:
            raise Absent("no other version serves, and none was approved before it")
        return others.of_version(found[0]), others.serving


def _side(subject: Subject, reading: Reading, serving: int | None) -> Side:
    """The version itself."""
    from ninesteps.report.comparison.model import Subject as Compared
    from ninesteps.report.comparison.side import Side

    version, facts = subject.version, reading.facts
    compared = Compared(f"version {version.number}", facts.id, version.number, version.status,
                        facts.started, "", version.number == serving)  # fmt: skip
    whole = Reading(subject.facts, subject.evidence)
    return _without_people(Side(compared, whole, subject.source), reading)


def _without_people(side: Side, copies: Reading) -> Side:
    """A side whose groups are those of the copies; rows are read for intervals alone."""
    evidence = vars(copies.evidence) | {"test": side.reading.evidence.test}
    return replace(
        side,
        subject=replace(side.subject, by=""),
        reading=replace(copies, evidence=RunEvidence(**evidence)),
    )
