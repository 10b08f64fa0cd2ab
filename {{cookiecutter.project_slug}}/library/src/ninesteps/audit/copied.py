"""A run, as seen through a pack's copies of its files."""

from __future__ import annotations

from dataclasses import replace

from ninesteps.audit.privacy import Copies, facts_of
from ninesteps.report.evidence import File, RunEvidence
from ninesteps.report.facts import RunFacts
from ninesteps.report.reading import BROKEN, Reading

OF_ROWS = ("local_shap", "test", "replies", "attributions")
"""Files with a row for each record: no pack has them."""

WITHHELD = "left out of audit packs: it has a row for each record"


def reading(facts: RunFacts, evidence: RunEvidence, copies: Copies) -> Reading:
    """A run without people, and the copies of its files; of a changed copy no digest was noted.

    Args:
        copies: makes them.
    """
    pairs = {name: (file, _copy(name, file, copies)) for name, file in vars(evidence).items()}
    whole = {f.uri for f, copy in pairs.values() if f.raw is not None and copy.raw == f.raw}
    own = facts_of(facts)
    digests = {uri: digest for uri, digest in own.digests.items() if uri in whole}
    kept = RunEvidence(**{name: copy for name, (_, copy) in pairs.items()})
    return Reading(replace(own, digests=digests), kept)


def _copy(name: str, file: File, copies: Copies) -> File:
    if file.raw is None:
        return file
    if name in OF_ROWS:
        return replace(file, raw=None, why=WITHHELD)
    try:
        return replace(file, raw=copies.copy(file.name, file.raw))
    except BROKEN as error:
        why = f"{file.name} is not in the expected format ({type(error).__name__})"
        return replace(file, raw=None, why=why)
