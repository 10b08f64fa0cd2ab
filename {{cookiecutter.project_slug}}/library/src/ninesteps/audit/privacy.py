"""Copies a run's files for a pack without groups so small that they are about single people.

The steps write counts and shares, not rows of anyone's data. But a group of three people, a value
that two records have, or the oldest person's age are still about single people. If nothing has to
be left out, a copy has exactly the bytes of the file.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ninesteps.report.bias_charts import LEAST_SHOWN
from ninesteps.report.evidence import Absent, RunEvidence
from ninesteps.report.facts import RunFacts, StepFacts

LEAST = LEAST_SHOWN
"""Rows: groups with fewer are left out of a copy."""

UNNAMED = f"fewer than {LEAST} rows"
"""The placeholder for the name of a small group, where a name is required."""

_INTERVAL = re.compile(r"([\[(].+, )(.+)\]")
_PEOPLE = ("CreatedBy", "LastModifiedBy", "UserContext", "ModelApprovalStatusLastModifiedBy")
"""What Describe answers say about who made something."""


@dataclass
class Copies:
    """Makes the copies of a run's files."""

    columns: dict[str, str]  # facet -> the column that it tells groups by
    small: set[tuple[str, str]]  # (column, group) of fewer than LEAST rows in some split
    tops: set[tuple[str, str]]  # (column, number): an interval's upper end that few records have
    left_out: dict[str, str] = field(default_factory=dict)  # file -> what its copy lacks

    @staticmethod
    def of(evidence: RunEvidence) -> Copies:
        """For the files of a run; a file that cannot be read counts as empty."""
        keys = {f["key"]: f["column"] for f in _json(evidence.columns).get("facets", [])}
        copies = Copies(keys, set(), set())
        groups = [_json(evidence.evaluation).get("bias_metrics", {}).get("groups", {}),
                  _json(evidence.training_bias).get("groups", {}),
                  _json(evidence.curves).get("by_group", {})]  # fmt: skip
        for facet, group in ((f, g) for facets in groups for f in facets for g in facets[f]):
            if _rows(group) < LEAST:
                copies.small.add((copies.column(facet), str(group["value"])))
        for column, content in _json(evidence.profile).get("context", {}).items():
            for value, count in content.get("values", []):
                if count < LEAST:
                    copies.small.add((column, str(value)))
        copies.tops = set(_rare_tops(groups, copies, _json(evidence.profile)))
        return copies

    def column(self, facet: str) -> str:
        """The column of a facet."""
        return self.columns.get(facet, facet)

    def copy(self, name: str, raw: bytes) -> bytes:
        """A file without what is about persons; the same bytes if there is nothing of it."""
        content = json.loads(raw)
        before = json.dumps(content)
        kept = _KINDS[name](content, self) if name in _KINDS else content
        if json.dumps(kept) == before:
            return raw
        self.left_out[name] = f"groups, values and words of fewer than {LEAST} rows are left out"
        return (json.dumps(kept, indent=2, ensure_ascii=False) + "\n").encode()

    def name(self, column: str, value: str) -> str:
        """A group's name as a copy has it."""
        if (column, value) in self.small:
            return UNNAMED
        interval = _INTERVAL.fullmatch(value)
        if interval and (column, interval[2]) in self.tops:
            return f"{interval[1]}…]"
        return value


def _json(file: Any) -> dict[str, Any]:
    try:
        content = file.json()
    except Absent:
        return {}
    return content if isinstance(content, dict) else {}


def _rows(group: Mapping[str, Any]) -> int:
    return int(group["rows"] if "rows" in group else group["labelled"]["rows"])


def _rare_tops(
    groups: Iterable[Mapping[str, Any]], copies: Copies, profile: Mapping[str, Any]
) -> Iterator[tuple[str, str]]:
    """The upper ends of groups that are intervals: a column's largest value, if few have it.

    How many have it is known of columns with few different values.
    """
    for facet, group in ((f, g) for facets in groups for f in facets for g in facets[f]):
        if interval := _INTERVAL.fullmatch(str(group["value"])):
            column = copies.column(facet)
            values = profile.get("context", {}).get(column, {}).get("values", [])
            counts = {str(value): count for value, count in values}
            if counts.get(interval[2], 0) < LEAST:
                yield column, interval[2]


def _evaluation(content: dict[str, Any], copies: Copies) -> dict[str, Any]:
    bias = content.get("bias_metrics", {})
    groups = {f: list(_kept(g, f, copies)) for f, g in bias.get("groups", {}).items()}
    ratios = {
        facet: ratio and {**ratio, **{end: copies.name(copies.column(facet), str(ratio[end]))
                                      for end in ("lowest", "highest")}}
        for facet, ratio in bias.get("four_fifths", {}).items()
    }  # fmt: skip
    parts = {"groups": groups, "four_fifths": ratios}
    kept = {part: parts.get(part, value) for part, value in bias.items()}
    if "incumbent" in content:  # of a language model: the other one's numbers, of the same groups
        content = {**content, "incumbent": _evaluation(content["incumbent"], copies)}
    return {**content, "bias_metrics": kept} if bias else content


def _curves(content: dict[str, Any], copies: Copies) -> dict[str, Any]:
    if "by_group" not in content:
        return content
    kept = {f: list(_kept(groups, f, copies)) for f, groups in content["by_group"].items()}
    return {**content, "by_group": kept}


def _training_bias(content: dict[str, Any], copies: Copies) -> dict[str, Any]:
    groups = {f: list(_kept(g, f, copies)) for f, g in content.get("groups", {}).items()}
    parts = {"facets": _facets(content.get("facets", {}), copies), "groups": groups}
    return {name: parts.get(name, value) for name, value in content.items()}


def _analysis(content: dict[str, Any], copies: Copies) -> dict[str, Any]:
    return {
        name: {**part, "facets": _facets(part["facets"], copies)}
        if isinstance(part, dict) and "facets" in part else
        _explanations(part) if name == "explanations" else part
        for name, part in content.items()
    }  # fmt: skip


def _explanations(content: Any) -> Any:
    """The content without words of few conversations, which may reveal who wrote them."""
    words = (content or {}).get("word_attributions")
    if not words:
        return content
    common = [one for one in words["words"] if one["conversations"] >= LEAST]
    return {**content, "word_attributions": {**words, "words": common}}


def _facets(facets: Mapping[str, Any], copies: Copies) -> dict[str, Any]:
    """Clarify's own shape: a facet's column, and its groups by `value_or_threshold`."""
    kept = {}
    for facet, groups in facets.items():
        column = facet.removeprefix("facet_")
        named = [{**g, "value_or_threshold": copies.name(column, str(g["value_or_threshold"]))}
                 for g in groups]  # fmt: skip
        kept[facet] = [g for g in named if g["value_or_threshold"] != UNNAMED]
    return kept


def _kept(groups: Iterable[Mapping[str, Any]], facet: str, copies: Copies) -> Iterator[Any]:
    for group in groups:
        if (name := copies.name(copies.column(facet), str(group["value"]))) != UNNAMED:
            yield {**group, "value": name}


def _profile(content: dict[str, Any], copies: Copies | None = None) -> dict[str, Any]:
    few = content["rows"] < 100 * LEAST  # a percentile is about fewer than LEAST rows
    parts: dict[str, Any] = {
        part: {name: _column(column, few) for name, column in content[part].items()}
        for part in ("features", "context")
        if part in content
    }
    return {**content, **parts, "label": _column(content["label"], few)}


def _column(column: dict[str, Any], few: bool) -> dict[str, Any]:
    kept = dict(column)
    if "values" in column:
        kept["values"] = _common(column["values"])
    if few and "quantiles" in column:
        kept["quantiles"] = [_coarse(value) for value in column["quantiles"]]
    return kept


def _common(values: list[list[Any]]) -> list[list[Any]]:
    """Values with their counts, the rare ones counted with the nearest one that is not."""
    common = [[value, count] for value, count in values if count >= LEAST]
    rare = [(value, count) for value, count in values if count < LEAST]
    if not rare:
        return values
    if not common or isinstance(values[0][0], str):
        return [*common, [UNNAMED, sum(count for _, count in rare)]]
    for value, count in rare:
        nearest = min(common, key=lambda pair: abs(pair[0] - value))
        nearest[1] += count
    return common


def _coarse(value: float | None) -> float | None:
    """A number to two digits."""
    return None if value is None else float(f"{value:.2g}")


_KINDS = {
    "evaluation.json": _evaluation,
    "curves.json": _curves,
    "pretraining_bias.json": _training_bias,
    "analysis.json": _analysis,
    "profile.json": _profile,
}


def facts_of(facts: RunFacts) -> RunFacts:
    """The facts that a pack's copy of the report is made from: no log, no path, and no names.

    It is put together field by field, so that one which is added later is not carried by itself.
    Who approved and who deployed is kept: a decision without a name is none.
    """
    previous = facts.previous and replace(
        facts.previous, profile=json.dumps(_profile(json.loads(facts.previous.profile))).encode()
    )
    return RunFacts(
        id=facts.id,
        pipeline=facts.pipeline,
        project=facts.project,
        where=facts.where,
        status=facts.status,
        started=facts.started,
        ended=facts.ended,
        took=facts.took,
        started_by="left out of this copy",
        parameters=facts.parameters,
        definition_sha256=facts.definition_sha256,
        steps=tuple(_step(step) for step in facts.steps),
        positive=facts.positive,
        began=facts.began,
        digests=facts.digests,
        erased=facts.erased,
        registered=facts.registered,
        changes=facts.changes,
        deployments=facts.deployments,
        previous=previous,
        no_previous=facts.no_previous,
        names=facts.names,
        table=facts.table,
        origin=without_folders(facts.origin),
        protected_on_purpose=facts.protected_on_purpose,
        champion=facts.champion,
    )


def _step(step: StepFacts) -> StepFacts:
    return StepFacts(
        name=step.name,
        type=step.type,
        waits_for=step.waits_for,
        arguments=step.arguments,
        status=step.status,
        said=step.said,
        took=step.took,
        taken=step.taken,
        reason=step.reason if step.status == "Skipped" else "",
        detail=step.detail,
        notes=step.notes,
        outcome=step.outcome,
        answer=without_people(step.answer),
        log_place="left out of this copy: it may quote records",
    )


def without_folders(content: Any) -> Any:
    """What a run recorded, with the paths on a machine by their last names."""
    if isinstance(content, Mapping):
        return {name: last_name(value) if name in ("path", "file") and isinstance(value, str)
                else without_folders(value) for name, value in content.items()}  # fmt: skip
    if isinstance(content, list | tuple):
        return [without_folders(item) for item in content]
    return content


def last_name(place: str) -> str:
    """A path on a machine by its last name; a URI, an ARN or a relative path as it is."""
    is_absolute = place.startswith(("/", "\\", "~")) or place[1:3] in (":\\", ":/")
    return place.replace("\\", "/").rpartition("/")[2] if is_absolute else place


def without_people(answer: Any) -> Any:
    """What a Describe call answered, without who made it."""
    if isinstance(answer, Mapping):
        return {k: without_people(v) for k, v in answer.items() if k not in _PEOPLE}
    if isinstance(answer, list):
        return [without_people(item) for item in answer]
    return answer
