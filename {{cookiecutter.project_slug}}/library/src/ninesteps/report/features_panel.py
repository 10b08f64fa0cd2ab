"""The panel on features: the meaning of each, and the columns that the model never sees."""

from __future__ import annotations

from collections.abc import Sequence

from ninesteps.report.dictionary import Dictionary, Feature
from ninesteps.report.evidence import Absent
from ninesteps.report.figure import Group, Panel, Table
from ninesteps.report.formatting import count, listed
from ninesteps.report.reading import Reading

MOST_ROWS, MOST_NAMED = 300, 8
"""Rows of a table, and names in a sentence."""


def features(reading: Reading) -> Panel:
    """The dictionary of features.

    Raises:
        Absent: if the run's columns or its settings are not known.
    """
    dictionary = reading.facts.dictionary
    if dictionary is None:
        raise Absent("the settings of this run are not known")
    names = feature_names(reading)
    rows = dictionary.rows(names)
    seen, unseen = ([row for row in rows if row.is_seen is kind] for kind in (True, False))
    tables = [_table("What the model sees", "feature", "where it comes from", seen)]
    if unseen:
        tables.append(_table("Never seen by the model", "column", "why", unseen))
    sentences = (_seen(dictionary, len(names)), _never(unseen), _meanings(seen))
    says = " ".join(filter(None, sentences))
    return Panel("features", "Features", says, [Group("", tables=tables)])


def feature_names(reading: Reading) -> list[str]:
    """The features of a run, by the names that `features.py` gives; none of a language model."""
    if reading.is_of_replies:
        return []
    return [reading.shown(name) for name in reading.columns["features"]]


def _seen(dictionary: Dictionary, features: int) -> str:
    if dictionary.learnt:
        return (
            f"A language model has no features: it learns only from the conversations in "
            f"{listed(dictionary.learnt)}."
        )
    return f"The model sees {count(features, 'feature')} of each record, and nothing else."


def _never(unseen: Sequence[Feature]) -> str:
    names = [row.name for row in unseen]
    return f"Columns that it never sees: {listed(names)}." if 0 < len(names) <= MOST_NAMED else ""


def _meanings(seen: Sequence[Feature]) -> str:
    """Which features have no meaning, and where to add one."""
    where = "pipeline.toml: meaning in [data.columns], or an entry in [features.dictionary]"
    missing = [row.name for row in seen if not row.meaning]
    if seen and len(missing) == len(seen):
        return f"No meanings are given yet. Add them in {where}."
    if missing:
        named, more = missing[:MOST_NAMED], len(missing) - MOST_NAMED
        names = listed([*named, f"{more} more"] if more > 0 else named)
        return f"No meaning is given for {names}. Add meanings in {where}."
    return ""


def _table(title: str, what: str, where: str, rows: Sequence[Feature]) -> Table:
    cells = [(row.name, row.meaning or "–", row.type, row.source) for row in rows]
    return Table(title, (what, "meaning", "type", where), cells[:MOST_ROWS], (0, 1, 2, 3))
