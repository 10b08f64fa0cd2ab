"""The files of a run that its warnings are read from, wherever the run was."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import Any

from ninesteps.feature_store import findings
from ninesteps.feature_store.findings import FINDINGS
from ninesteps.report import run_warnings
from ninesteps.report.evidence import Absent, File, RunEvidence, output_file
from ninesteps.report.facts import RunFacts, Source


@dataclass(frozen=True)
class Files:
    """These files, unread."""

    evaluation: File
    columns: File
    profile: File
    findings: File


def collect(facts: RunFacts, source: Source) -> Files:
    """These files of a run: less than a report reads."""
    return Files(
        evaluation=output_file(facts, source, "evaluation", "evaluation.json"),
        columns=output_file(facts, source, "train", "columns.json"),
        profile=output_file(facts, source, "train", "profile.json"),
        findings=output_file(facts, source, "test", FINDINGS),
    )


def warnings(facts: RunFacts, files: Files | RunEvidence) -> list[str]:
    """All warnings of a run, what matters most first.

    Args:
        facts: with the summary of its table and what it is compared with, where they are known.
        files: one that is missing or malformed gives no warnings.
    """
    previous = facts.previous
    return run_warnings.warnings(
        run_warnings.Known(
            evaluation=findings.read(files.evaluation.raw),
            splits=findings.read(files.findings.raw),
            profile=findings.read(files.profile.raw),
            table=facts.table,
            on_purpose=facts.protected_on_purpose,
            before=findings.read(previous.profile if previous else None),
            before_name=previous.name_and_why if previous else "",
            names=shown_names(facts, files.columns),
        )
    )


def shown_names(facts: RunFacts, columns: File) -> dict[str, str]:
    """The columns that are shown under another name than they are stored."""
    told: dict[str, Any] = {}
    with contextlib.suppress(Absent, AttributeError, TypeError, ValueError):
        told = dict(columns.json().get("shown", {}))
    return told | facts.names | (facts.table.names if facts.table else {})
