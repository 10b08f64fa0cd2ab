"""A draft's remarks on usually protected attributes, and what it proposes for them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np

from ninesteps.feature_store.drafting.contents import Contents
from ninesteps.feature_store.drafting.toml_lines import comment, named, quoted, value
from ninesteps.feature_store.protected import Kind, kind_of
from ninesteps.settings import facets as language

FEW = 20
"""The most distinct texts of a column that is recognised by its values, or can be a facet."""

AT_WORK = re.compile(
    "employees?|emp|staff|hired?|hiring|manager|salary|wages?|payroll|department|job|applicants?|"
    "candidates?|recruiter|tenure|overtime|attrition|mitarbeiter|gehalt|abteilung|personal(nr|nummer)|"
    "salarie|salaire|embauche|empleado|empleados|salario|dipendente|dipendenti|stipendio|medewerker|"
    "pracownik|anstalld|karmchari|vetan"
)
"""Words in the column names of a table about people at work."""

OLDER = 40
"""The age in years from which the US Age Discrimination in Employment Act protects people."""


def protected_of(columns: Sequence[Contents]) -> dict[str, Kind]:
    """The columns that seem to be protected attributes, in the table's order."""
    found = {}
    for column in columns:
        few = column.counted[0].to_pylist() if column.different <= FEW else []
        span = None
        if column.is_number and not np.isnan(column.numbers).all():
            span = (float(np.nanmin(column.numbers)), float(np.nanmax(column.numbers)))
        if kind := kind_of(column.name, few, span):
            found[column.name] = kind
    return found


def people_lines(
    found: Mapping[str, Kind], types: Mapping[str, str], columns: Sequence[Contents]
) -> list[str]:
    """What to put into `[model]`, `[bias]` and `[project]`, with reasons, as comments.

    Args:
        found: the protected columns in the draft.
        types: the type of each drafted column.
        columns: all of the table.
    """
    if not found:
        return []
    each = [comment(f"- {named(name)}: {kind.why}", "  ") for name, kind in found.items()]
    facets = [facet for name, kind in found.items() if (facet := _facet(name, kind, types[name]))]
    lines = [
        "",
        *comment("These columns usually describe protected attributes of people:"),
        *(line for lines in each for line in lines),
        *comment(
            "To keep them out of the features, put the next line, without its #, into [model]. A "
            "column that the model may use goes into [model.protected], with the reason."
        ),
        f"# exclude = {value([*found])}",
    ]
    if facets:
        lines += [
            *comment("To compare their groups, put the next line, without its #, into [bias]:"),
            f"# facets = {quoted(', '.join(facets))}",
        ]
    return [*lines, *_profile_lines(columns, bool(facets))]


def _facet(name: str, kind: Kind, of_type: str) -> str:
    """A column as a facet of `[bias] facets`; empty for too many groups, or a mere proxy."""
    if kind.proxy or of_type not in ("number", "category"):
        return ""
    facet = f"{name}>={OLDER}" if kind.key == "age" and of_type == "number" else name
    try:
        return facet if [one.column for one in language.parse(facet)] == [name] else ""
    except language.FacetError:
        return ""  # a name with a comma, or with no character that a key can have


def _profile_lines(columns: Sequence[Contents], has_facets: bool) -> list[str]:
    """Suggests the profile `hr` if the table seems to be about people at work."""
    words = [word for column in columns for word in column.words]
    if not has_facets or not any(map(AT_WORK.fullmatch, words)):
        return []
    return comment(
        'The table seems to be about people at work: with profile = "hr" in [project], no model is '
        'registered without a bias gate over every facet: bias = "worst_dppl < 0.1" in [gate], say.'
    )
