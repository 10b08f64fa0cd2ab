"""A team's own panels in the report: what `model_build/report_panels.py` can use, and its call.

That module has a function `panels(run: Run) -> list[Panel]`. If it is missing or raises an error,
the page still has everything else.
"""

from __future__ import annotations

import contextlib
import csv
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup

from ninesteps.errors import NineStepsError, SettingsError
from ninesteps.report import figure
from ninesteps.report.evidence import MOST_BYTES, Absent, output_file
from ninesteps.report.facts import Source
from ninesteps.report.own_html import PREFIX, Refused, checked
from ninesteps.report.own_place import FILE, MODULE
from ninesteps.report.reading import Reading, sentence
from ninesteps.repository import modules

MOST_PANELS, MOST_CHARACTERS = 12, 500_000
_MARKS = dict.fromkeys(range(0xE000, 0xF900))
"""Private-use characters: the page's own marks are made of them, and no text needs any."""


@dataclass(frozen=True)
class Panel:
    """A part of the report that a team makes itself.

    A `content` of type str is shown as plain text. A `markupsafe.Markup` is HTML or inline SVG,
    with the elements and attributes that `own_html` knows.
    """

    title: str
    content: str
    says: str = ""  # a sentence under the title


@dataclass(frozen=True)
class Run:
    """The results of a run, from the files of its steps.

    A file that is missing, for example because a step failed, raises `Absent`; the page then says
    why. There is no id, time or version here, because the page of a run that reuses every result
    is made from the page of the run before.
    """

    _reading: Reading
    _source: Source

    @property
    def project(self) -> str:
        """The project's display name."""
        return self._reading.facts.project

    @property
    def parameters(self) -> Mapping[str, Any]:
        """The pipeline's parameters, such as `AsOf`."""
        return self._reading.facts.parameters

    @property
    def metrics(self) -> dict[str, float]:
        """Every metric of the problem on the test split, such as `auc`."""
        return self._reading.metrics

    @property
    def evaluation(self) -> dict[str, Any]:
        """`evaluation.json`: metrics, bias metrics by group, the decision threshold."""
        return self._reading.evaluation

    @property
    def curves(self) -> dict[str, Any]:
        """`curves.json`: ROC, precision-recall, calibration; of a regression its residuals."""
        return self._reading.curves

    @property
    def columns(self) -> dict[str, Any]:
        """`columns.json`: the columns of the splits, the label, the facets."""
        return self._reading.columns

    @property
    def profile(self) -> dict[str, Any]:
        """`profile.json`: the training split, column by column."""
        return self._reading.profile

    @property
    def analysis(self) -> dict[str, Any]:
        """`analysis.json`: bias metrics and SHAP values, in Clarify's shape."""
        content: dict[str, Any] = self._reading.evidence.analysis.json()
        return content

    def test_rows(self) -> list[dict[str, str]]:
        """The rows of the test split, by column name; they may be personal data."""
        names, test = self.columns["columns"], self._reading.evidence.test
        if test.raw is None:
            raise Absent(test.why)
        return [dict(zip(names, row, strict=True)) for row in _rows(test.raw)]

    def predictions(self) -> list[list[str]]:
        """The rows of step 6's output, in the order of the test split.

        Of a classification: the record's id, the predicted label, the probability; of a
        regression: the record's id and the predicted value.
        """
        for step in self._reading.facts.step("Transform"):
            place = step.request.get("TransformOutput", {}).get("S3OutputPath")
            if isinstance(place, str):
                raw = self._source.read(f"{place.rstrip('/')}/test.csv.out", MOST_BYTES)
                if raw is not None:
                    return _rows(raw)
        raise Absent("this run has no predictions that can be read")

    def file(self, output: str, name: str) -> bytes:
        """A file that a processing step wrote, by the output's name and the file's name."""
        found = output_file(self._reading.facts, self._source, output, name)
        if found.raw is None:
            raise Absent(found.why)
        return found.raw


def own_panels(root: Path, reading: Reading, source: Source) -> list[figure.Panel]:
    """The repository's own panels, ready for the page; empty without that module.

    If they could not be made, one panel has the error (`figure.Panel.fault`).
    """
    if not (root / FILE).is_file():
        return []
    try:
        with contextlib.redirect_stdout(sys.stderr), modules.own_errors(root, root / FILE):
            return _panels(root, reading, source)
    except NineStepsError as error:
        return [_fault(error)]


def _panels(root: Path, reading: Reading, source: Source) -> list[figure.Panel]:
    make = getattr(modules.load(root, MODULE), "panels", None)
    if not callable(make):
        raise SettingsError("expected a function panels, found none", file=FILE)
    try:
        made = make(Run(reading, source))
    except Absent as why:
        return [figure.Panel(f"{PREFIX}panel-1", "Own panels", "", absent=sentence(str(why)))]
    if not isinstance(made, list) or not all(isinstance(one, Panel) for one in made):
        raise SettingsError(f"panels: expected a list of Panel, got {_kind(made)}", file=FILE)
    if len(made) > MOST_PANELS:
        raise SettingsError(f"panels: expected {MOST_PANELS} at most, got {len(made)}", file=FILE)
    ids = {f"{PREFIX}panel-{number}" for number in range(1, len(made) + 1)}
    ids |= {f"{identifier}-h" for identifier in ids}
    return [_shown(number, one, ids) for number, one in enumerate(made, 1)]


def _shown(number: int, panel: Panel, ids: set[str]) -> figure.Panel:
    """A panel, ready for the page.

    Raises:
        SettingsError: if its content is not allowed on the page.
    """
    texts = {"title": panel.title, "content": panel.content, "says": panel.says}
    for name, text in texts.items():
        if not isinstance(text, str):
            got = type(text).__name__
            raise SettingsError(f"panel {number}: {name}: expected a text, got {got}", file=FILE)
    if not panel.title.strip():
        raise SettingsError(f"panel {number}: title: expected a text, got none", file=FILE)
    if len(panel.content) > MOST_CHARACTERS:
        raise SettingsError(
            f"panel {panel.title!r}: expected {MOST_CHARACTERS:,} characters at most, got "
            f"{len(panel.content):,}", file=FILE,
        )  # fmt: skip
    key, html = (
        f"{PREFIX}panel-{number}",
        Markup("<p>{}</p>").format(str(panel.content).translate(_MARKS)),
    )
    if isinstance(panel.content, Markup):
        try:
            html = checked(str(panel.content).translate(_MARKS), ids)
        except Refused as why:
            raise SettingsError(f"panel {panel.title!r}: {why}", file=FILE) from None
    title, says = (str(text).translate(_MARKS) for text in (panel.title, panel.says))
    return figure.Panel(key, title, says, html=html)


def _fault(error: Exception) -> figure.Panel:
    title = "Own panels"
    said = f"The repository's own panels could not be created: {error}."
    return figure.Panel(f"{PREFIX}panel-1", title, "", absent=said, fault=str(error))


def _kind(made: object) -> str:
    if isinstance(made, list):
        others = [type(one).__name__ for one in made if not isinstance(one, Panel)]
        return f"one with a {others[0]}"
    return type(made).__name__


def _rows(raw: bytes) -> list[list[str]]:
    return list(csv.reader(raw.decode("utf-8").splitlines()))
