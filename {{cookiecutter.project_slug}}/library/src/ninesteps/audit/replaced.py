"""How a version differs from the one that it replaced, as a pack has it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ninesteps.audit.subject import Subject
from ninesteps.errors import NineStepsError
from ninesteps.registry.registry import APPROVED
from ninesteps.report.evidence import Absent, RunEvidence

if TYPE_CHECKING:
    from ninesteps.report.comparison.side import Side
    from ninesteps.report.reading import Reading

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
    raise Absent("it replaced none: no earlier version was approved or served")


def comparison(
    local: Path, subject: Subject, reading: Reading, before: Reading, number: int
) -> dict[str, Any]:
    """This version against the one that it replaced; differences are this one less that one.

    Args:
        local: the folder such as `.local` that has both.
        reading: of the pack's copies, and `before` of copies of the other version's files.
        number: of the other version.

    Raises:
        Absent: if they cannot be compared.
    """
    from ninesteps.report.comparison.compare import compare
    from ninesteps.report.comparison.local import Here
    from ninesteps.report.comparison.model import as_json

    sides = Here(local, subject.settings)
    try:
        first = _without_people(sides.of_version(number), before)
        second = _without_people(sides.of_version(subject.version.number), reading)
        content = as_json(compare(first, second))
    except NineStepsError as error:
        raise Absent(str(error)) from None
    rows = [row for row in content["settings"]["rows"] if row["name"] not in _ADDRESSES]
    return {**content, "settings": {**content["settings"], "rows": rows}}


def _without_people(side: Side, reading: Reading) -> Side:
    """A side whose groups are those of the copies; rows are read for intervals alone."""
    evidence = vars(reading.evidence) | {"test": side.reading.evidence.test}
    return replace(
        side,
        subject=replace(side.subject, by=""),
        reading=replace(reading, evidence=RunEvidence(**evidence)),
    )
