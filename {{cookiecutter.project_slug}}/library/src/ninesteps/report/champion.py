"""The version that a run was compared with: its number, and the differences in words."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from ninesteps.registry.champion import Champion
from ninesteps.report.evidence import Absent, output_file
from ninesteps.report.facts import RunFacts, Source
from ninesteps.settings.gate import CHAMPION, differences
from ninesteps.step_code.no_champion import PARAMETER

Archives = Callable[[], Iterable[tuple[int, str]]]
"""Gives each version, the newest first, with the SHA-256 of its archive."""


def version_of(facts: RunFacts, source: Source, archives: Archives) -> int | None:
    """The registered version whose archive a run was compared with; see `version`."""
    if PARAMETER not in facts.parameters:
        return None
    try:
        evaluation = output_file(facts, source, "evaluation", "evaluation.json").json()
    except Absent:
        return None
    return version(evaluation, facts.version, archives)


def version(evaluation: Mapping[str, Any], own: int | None, archives: Archives) -> int | None:
    """The registered version whose archive a model was compared with, by its SHA-256.

    None if its gate does not use the champion, if none served, or if no version has the archive.

    Args:
        evaluation: `evaluation.json`.
        own: the version that the model became; None: none.
    """
    try:
        champion = Champion.of(evaluation)
    except (ValueError, AttributeError):  # damaged: the code that reads the section reports it
        return None
    return champion.version(archives(), own) if champion else None


def name(number: int | None, section: Mapping[str, Any]) -> str:
    """The champion's name: its version and its archive's digest."""
    of = f"version {number}" if number else "an unknown version"
    return f"{of}, sha256 {section['sha256'][:12]}"


def told(number: int | None, evaluation: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The champion of an evaluation, then each difference from it."""
    section = evaluation.get(CHAMPION)
    if not section:
        return
    if section.get("says"):
        yield CHAMPION, section["says"]
        return
    yield CHAMPION, name(number, section)
    for metric, found in differences(section).items():
        yield f"{metric} - {CHAMPION}.{metric}", difference(found)


def difference(found: Mapping[str, Any]) -> str:
    """A difference with its paired interval, where it has one."""
    text, (low, high) = f"{found['value']:+.4g}", found.get("interval") or (None, None)
    return text if low is None else f"{text} (95 % interval {low:+.4g} to {high:+.4g})"
