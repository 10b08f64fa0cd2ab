"""A run with its files, and the values that several parts of the page use."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ninesteps.report import warning_files
from ninesteps.report.drift import Drift, drifts
from ninesteps.report.evidence import Absent, RunEvidence, is_of_replies
from ninesteps.report.facet_names import facet_name, with_group_names
from ninesteps.report.facts import RunFacts
from ninesteps.report.figure import Figure, Group, Panel, Table
from ninesteps.report.formatting import listed, number
from ninesteps.report.judgement import Judgement, judge
from ninesteps.settings.gate import SECTIONS

BROKEN = (KeyError, TypeError, ValueError, IndexError, AttributeError, ZeroDivisionError)
"""What reading a malformed file can raise: that part says so, and the page has the rest."""


@dataclass(frozen=True)
class Reading:
    """A run with its files, and the values that several parts of the page use."""

    facts: RunFacts
    evidence: RunEvidence

    @cached_property
    def names(self) -> dict[str, str]:
        """The columns that are shown by a name other than their stored one."""
        return warning_files.shown_names(self.facts, self.evidence.columns)

    def shown(self, column: str) -> str:
        """The name of a stored column, as it is in the raw table or in features.py."""
        return self.names.get(column, column)

    @property
    def columns(self) -> dict[str, Any]:
        """`columns.json`, the label and the facets' columns with the names that are shown."""
        content: dict[str, Any] = self.evidence.columns.json()
        facets = [{**f, "column": self.shown(f["column"])} for f in content.get("facets", [])]
        return {**content, "label": self.shown(content["label"]), "facets": facets}

    @property
    def profile(self) -> dict[str, Any]:
        """`profile.json`, with the names that are shown."""
        return self._with_names(self.evidence.profile.json())

    def _with_names(self, profile: dict[str, Any]) -> dict[str, Any]:
        parts = {
            part: {self.shown(name): column for name, column in profile[part].items()}
            for part in ("features", "context")
        }
        return {**profile, **parts}

    @property
    def remarks(self) -> list[str]:
        """The run's warnings, a sentence each."""
        return warning_files.warnings(self.facts, self.evidence)

    @property
    def is_of_the_newest(self) -> bool:
        """Whether the run's data are as of the newest event in its table."""
        table = self.facts.table
        return table is not None and self.facts.parameters.get("AsOf") == table.latest

    @property
    def evaluation(self) -> dict[str, Any]:
        """`evaluation.json`."""
        content: dict[str, Any] = self.evidence.evaluation.json()
        return content

    @property
    def curves(self) -> dict[str, Any]:
        """`curves.json`."""
        content: dict[str, Any] = self.evidence.curves.json()
        return {**content, "by_group": with_group_names(content.get("by_group", {}))}

    @cached_property
    def bias(self) -> dict[str, Any]:
        """`bias_metrics` of `evaluation.json`, groups by the names that are shown."""
        content: dict[str, Any] = with_group_names(self.evaluation["bias_metrics"])
        return content

    @cached_property
    def training_bias(self) -> dict[str, Any]:
        """`bias.json` of the training split, groups by the names that are shown."""
        content: dict[str, Any] = with_group_names(self.evidence.training_bias.json())
        return content

    @cached_property
    def judgement(self) -> Judgement:
        """The gate."""
        return judge(self.facts, self.evidence)

    @property
    def drifts(self) -> list[Drift]:
        """The drift since the version or run that the training data are compared with."""
        if self.facts.previous is None:
            raise Absent(self.facts.no_previous)
        before = self._with_names(json.loads(self.facts.previous.profile))
        return drifts(before, self.profile)

    @property
    def positive(self) -> str:
        """`retained = 1`."""
        return f"{self.columns['label']} = {self.facts.positive}"

    @property
    def is_of_replies(self) -> bool:
        """Whether the model is a language model."""
        return is_of_replies(self.evidence.columns)

    @property
    def favourable(self) -> str:
        """The favourable outcome in words that follow `are`."""
        columns = self.columns
        if self.is_of_replies:
            return "answered well"
        if columns["label_threshold"] is not None:
            return f"predicted {columns['label']} above {number(columns['label_threshold'])}"
        verb = "predicted" if columns["favourable_label"] else "not predicted"
        return f"{verb} {self.positive}"

    @property
    def uncounted(self) -> str:
        """A sentence on the facets without a group that counts; empty if there are none."""
        facets = self.evaluation["bias_metrics"].get("groups", {})
        keys = [key for key, groups in facets.items() if not any(g["counted"] for g in groups)]
        if not keys:
            return ""
        names = [self.facet_names.get(key, key) for key in keys]
        return (
            f"No group of {listed(names)} counts: either the group or all others together have "
            "too few rows. The gate uses the worst possible number instead."
        )

    @property
    def facet_columns(self) -> dict[str, str]:
        """The column that defines each facet's groups, by the facet's key."""
        return {facet["key"]: facet["column"] for facet in self.columns["facets"]}

    @property
    def facet_names(self) -> dict[str, str]:
        """Each facet's name, such as `age>=40`, by its key."""
        return {facet["key"]: facet_name(facet) for facet in self.columns["facets"]}

    def facets_of(self, column: str) -> str:
        """What the facets of a column are called: `age>=40`; the column, where it has none."""
        names = [facet_name(f) for f in self.columns["facets"] if f["column"] == column]
        return listed(names) if names else column

    @property
    def metrics(self) -> dict[str, float]:
        """Every metric of the problem."""
        return {
            name: metric["value"]
            for section, values in self.evaluation.items()
            if section in SECTIONS.values()
            for name, metric in values.items()
        }


def panel(key: str, title: str, reading: Reading, make: Callable[[Reading], Panel]) -> Panel:
    """A part, or why it is empty."""
    try:
        return make(reading)
    except Absent as why:
        return Panel(key, title, "", absent=sentence(str(why)))
    except BROKEN as error:
        return Panel(key, title, "", absent=_unreadable(error))


def group(title: str, says: str, make: Callable[[], tuple[list[Figure], list[Table]]]) -> Group:
    """A group within a panel; if it cannot be made, the panel still has the others."""
    try:
        figures, tables = make()
    except Absent as why:
        return Group(title, absent=sentence(str(why)))
    except BROKEN as error:
        return Group(title, absent=_unreadable(error))
    return Group(title, says, figures, tables)


def sentence(text: str) -> str:
    """A reason as a sentence."""
    is_name = "." in text.partition(" ")[0]  # of a file
    return f"{text[:1] if is_name else text[:1].upper()}{text[1:]}." if text else ""


def _unreadable(error: Exception) -> str:
    what = f"{type(error).__name__}: {error}"
    return f"A file of this run is not in the format that this page expects ({what})."
