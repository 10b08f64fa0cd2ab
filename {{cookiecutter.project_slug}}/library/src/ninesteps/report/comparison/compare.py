"""Compares two runs, aspect by aspect; an aspect that cannot be compared says why.

Groups of few people are hidden here too, as they are in the report.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ninesteps.errors import RegistryError
from ninesteps.feature_store import findings
from ninesteps.registry import registry
from ninesteps.report import champion
from ninesteps.report.bias_charts import is_shown
from ninesteps.report.comparison.code import code
from ninesteps.report.comparison.model import (
    LESS_IS_BETTER,
    NEITHER_IS_BETTER,
    Change,
    Comparison,
    DriftChange,
    FeatureChange,
    GroupChange,
    Interval,
    MetricChange,
    Part,
    ReplyChange,
)
from ninesteps.report.comparison.side import Side, trees_and_nodes
from ninesteps.report.comparison.verdict import verdict
from ninesteps.report.drift import drifts
from ninesteps.report.evidence import Absent
from ninesteps.report.formatting import count
from ninesteps.report.judgement import read_gate
from ninesteps.report.reading import BROKEN, sentence
from ninesteps.repository import origin_text
from ninesteps.settings import gate as gates


def compare(first: Side, second: Side) -> Comparison:
    """Compare two runs, as far as their files exist; differences are the second less the first."""

    def part(make: Callable[[Side, Side], Part[Any]]) -> Part[Any]:
        try:
            return make(first, second)
        except Absent as why:
            return Part(absent=sentence(str(why)))
        except BROKEN as error:
            what = f"{type(error).__name__}: {error}"
            return Part(absent=f"A file is not in the format that is expected here ({what}).")

    are_of_replies = [side.reading.is_of_replies for side in (first, second)]
    metrics, model = part(_metrics), part(_model)
    return Comparison(
        first=first.subject,
        second=second.subject,
        verdict=verdict(first.name, second.name, metrics, model),
        metrics=metrics,
        decision=part(_decision),
        bias=part(_bias),
        groups=part(_groups),
        replies=part(_replies) if any(are_of_replies) else None,
        features=None if all(are_of_replies) else part(_features),
        model=model,
        data=part(_data),
        drift=part(_drift),
        settings=part(_settings),
        parameters=part(_parameters),
        hyperparameters=part(_hyperparameters),
        origin=part(_origin),
        code=part(code),
    )


# The model's quality


def _metrics(first: Side, second: Side) -> Part[MetricChange]:
    _check_alike(first, second)
    from ninesteps.report.comparison.scored import intervals  # numpy

    of_first, of_second = first.reading.metrics, second.reading.metrics
    found, gated = intervals(first, second), _gated(first, second)
    return Part(
        tuple(
            MetricChange(
                name, of_first.get(name), of_second.get(name), found.first.get(name),
                found.second.get(name), found.difference.get(name),
                _direction(name, gated), name in gated,
            )
            for name in dict.fromkeys((*of_second, *of_first))
        ),
        says=found.says,
    )  # fmt: skip


def _check_alike(first: Side, second: Side) -> None:
    """Two models whose metrics mean the same.

    Raises:
        Absent: with what is not alike.
    """
    for side in (first, second):
        if side.reading.evidence.evaluation.raw is None:
            why = side.reading.evidence.evaluation.why
            raise Absent(f"the metrics cannot be compared, since {side.name} has none: {why}")
    for what, values in (
        ("problem types", [first.problem, second.problem]),
        ("labels", [_label(first), _label(second)]),
    ):
        if None not in values and values[0] != values[1]:
            raise Absent(
                f"the metrics cannot be compared, since the {what} differ: {values[0]} in "
                f"{first.name}, {values[1]} in {second.name}"
            )


def _label(side: Side) -> str | None:
    """The label's name; None where it is not known."""
    try:
        return str(side.reading.columns["label"])
    except (Absent, *BROKEN):
        return None


def _gated(first: Side, second: Side) -> dict[str, str]:
    """The metrics that the gates read, each with the sign of the comparison."""
    signs = {}
    for side in (first, second):
        for comparison in gates.comparisons(gate) if (gate := _gate(side)) else ():
            if not comparison.is_bias:
                signs[comparison.metric] = comparison.sign
    return signs


def _gate(side: Side) -> gates.Gate | None:
    try:
        return read_gate(side.facts)[1]
    except Absent:
        return None


def _direction(name: str, gated: Mapping[str, str]) -> bool | None:
    """Whether more of a metric is better; None: neither. A team's own goes by the gate."""
    if name in LESS_IS_BETTER:
        return False
    if name in NEITHER_IS_BETTER:
        return None
    if not gates.is_reserved(name):
        return gated[name].startswith(">") if name in gated else None
    return True


def _decision(first: Side, second: Side) -> Part[Change]:
    pairs = [dict(_decided(side)) for side in (first, second)]
    return Part(tuple(_changes(*pairs)))


def _decided(side: Side) -> Iterator[tuple[str, Any]]:
    if gate := _gate(side):
        yield "gate", str(gate)
        outcome = read_gate(side.facts)[0]
        yield "passes the gate", {True: "yes", False: "no", None: None}[outcome]
    yield "profile", _stamp(side, "profile")
    try:
        evaluation = side.reading.evaluation
    except Absent:
        return
    yield from champion.told(side.facts.champion, evaluation)
    decision = evaluation.get("decision") or {}
    yield "threshold", decision.get("threshold")
    yield "rule of the threshold", decision.get("rule")


# Bias


def _bias(first: Side, second: Side) -> Part[Change]:
    _check_alike(first, second)
    of_each = []
    for side in (first, second):
        raw = side.reading.evidence.evaluation.raw or b""
        own = side.reading.metrics
        try:
            numbers = registry.metrics(raw)
        except RegistryError as error:
            raise Absent(f"{side.name}: {error}") from None
        of_each.append(
            {
                name: value
                for name, value in numbers.items()
                if name not in own and f" - {gates.CHAMPION}." not in name  # told with the gate
            }
        )
    if not any(of_each):
        raise Absent("no facet is set in either")
    return Part(tuple(_changes(*of_each)))


def _groups(first: Side, second: Side) -> Part[GroupChange]:
    _check_alike(first, second)
    of_each = [
        {
            (side.reading.facet_names.get(facet, facet), group["value"]): group
            for facet, groups in side.reading.bias.get("groups", {}).items()
            for group in groups
        }
        for side in (first, second)
    ]
    if not any(of_each):
        raise Absent("no facet is set in either")
    named = dict.fromkeys((*of_each[0], *of_each[1]))
    rows = tuple(_group(*key, *(groups.get(key, {}) for groups in of_each)) for key in named)
    return Part(rows, says="Shares are of favourable predictions.")


def _group(facet: str, value: str, first: dict[str, Any], second: dict[str, Any]) -> GroupChange:
    shown = [group if group and is_shown(group) else {} for group in (first, second)]
    shares = [(group.get("predicted") or {}) for group in shown]
    return GroupChange(
        facet,
        value,
        rows=(first.get("rows"), second.get("rows")),
        shares=(shares[0].get("share"), shares[1].get("share")),
        intervals=(_interval(shares[0]), _interval(shares[1])),
        dppl=(shown[0].get("dppl"), shown[1].get("dppl")),
        counted=(first.get("counted"), second.get("counted")),
    )


def _interval(share: Mapping[str, Any]) -> Interval | None:
    interval = share.get("interval")
    return (float(interval[0]), float(interval[1])) if interval else None


# The model


def _replies(first: Side, second: Side) -> Part[ReplyChange]:
    from ninesteps.report.comparison import replies  # numpy

    return replies.changed(first, second)


def _features(first: Side, second: Side) -> Part[FeatureChange]:
    of_first, of_second = first.shap_shares, second.shap_shares
    rows = (
        FeatureChange(name, of_first.get(name), of_second.get(name))
        for name in dict.fromkeys((*of_second, *of_first))
    )
    return Part(
        tuple(sorted(rows, key=lambda row: -abs(row.moved))),
        says="Each feature's share of the sum of mean absolute SHAP values.",
    )


def _model(first: Side, second: Side) -> Part[Change]:
    if first.archive.raw is None and second.archive.raw is None:
        raise Absent(first.archive.why)
    return Part(tuple(_changes(*(dict(_archive(side)) for side in (first, second)))))


def _archive(side: Side) -> Iterator[tuple[str, Any]]:
    with contextlib.suppress(Absent):
        yield "algorithm", side.reading.evaluation.get("algorithm")
    if side.archive.raw is None:
        return
    yield "SHA-256", side.archive.sha256
    yield "bytes", len(side.archive.raw)
    try:
        trees, nodes = trees_and_nodes(side.archive.raw)
    except Absent:
        return
    yield "trees", trees
    yield "nodes", nodes


def _hyperparameters(first: Side, second: Side) -> Part[Change]:
    return Part(tuple(_changes(first.hyperparameters, second.hyperparameters)))


# The data


def _data(first: Side, second: Side) -> Part[Change]:
    pairs = [dict(_learnt_from(side)) for side in (first, second)]
    return Part(tuple(_changes(*pairs)))


def _learnt_from(side: Side) -> Iterator[tuple[str, Any]]:
    yield "as of", side.facts.parameters.get("AsOf")
    yield from _raw_table(side)
    rows = findings.read(side.reading.evidence.findings.raw).get("rows", {})
    for split in ("train", "validation", "test"):
        yield f"rows, {split}", rows.get(split)
    try:
        profile = side.reading.profile
    except (Absent, *BROKEN):
        return
    yield "features", len(profile["features"])
    yield "mean label, train", _mean(profile["label"], profile["rows"])


def _raw_table(side: Side) -> Iterator[tuple[str, Any]]:
    """What the run recorded of its table, or what its feature group says of it."""
    origin = side.facts.origin
    ingests = sorted(origin.get("ingests", ()), key=lambda ingest: str(ingest["at"]))
    if table := origin.get("table") or (ingests[-1]["table"] if ingests else None):
        yield "table", table.get("path")
        yield "table, SHA-256", table.get("sha256")
        yield "first event", table.get("first")
        yield "newest event", table.get("last")
        for what in ("read", "kept", "used"):
            yield f"rows {what}", table.get("rows" if what == "read" else what)
        for left_out in table.get("left_out", []):
            yield f"left out: {left_out['why']}", left_out["rows"]
    elif side.facts.table:
        yield from findings.counts(side.facts.table, side.reading.is_of_the_newest).items()


def _mean(label: Mapping[str, Any], rows: int) -> float | None:
    if "values" not in label:
        return label.get("mean")
    total = sum(value * many for value, many in label["values"])
    return float(total / rows) if rows else None


def _drift(first: Side, second: Side) -> Part[DriftChange]:
    before, now = first.reading.profile, second.reading.profile
    moved = drifts(before, now)
    gone = [name for name in before["features"] if name not in now["features"]]
    new = [name for name in now["features"] if name not in before["features"]]
    says = "From the training split of the first to that of the second: PSI and KS."
    if gone or new:
        says += f" {count(len(new), 'feature')} added, {len(gone)} removed."
    rows = (DriftChange(one.name, round(one.psi, 6), one.ks, one.reading) for one in moved)
    return Part(tuple(rows), says)


# What it was made with


def _settings(first: Side, second: Side) -> Part[Change]:
    return Part(tuple(_changes(first.settings, second.settings)))


def _parameters(first: Side, second: Side) -> Part[Change]:
    return Part(tuple(_changes(first.facts.parameters, second.facts.parameters)))


def _origin(first: Side, second: Side) -> Part[Change]:
    return Part(tuple(_changes(*(dict(_made_with(side)) for side in (first, second)))))


def _made_with(side: Side) -> Iterator[tuple[str, Any]]:
    origin = side.facts.origin
    if "repository" in origin:
        yield "commit", origin_text.commit(origin)
    if template := origin.get("template"):
        yield "template", template.get("commit")
    yield "library", origin.get("library") or _stamp(side, "library")
    yield "library, SHA-256", origin.get("library_sha256") or None
    yield "Python", origin.get("python")
    yield "machine", origin.get("machine")
    yield "lock, SHA-256", origin.get("lock_sha256") or None
    if "overridden" in origin:
        for name, digest in sorted(origin["overridden"].items()):
            yield f"overridden {name}", digest
    else:
        yield "overridden", _stamp(side, "overridden")
    yield "image", ", ".join(_images(side)) or None
    yield "definition, SHA-256", side.facts.definition_sha256


def _images(side: Side) -> list[str]:
    uris = {
        str(step.request.get("AppSpecification", {}).get("ImageUri", ""))
        for step in side.facts.step("Processing")
    }
    return sorted(uris - {""})


def _stamp(side: Side, key: str) -> str | None:
    """What a registered version records of itself; of a run that registered none, its definition.

    The text of a definition is known before a run, so a run that failed its gate has it too.
    """
    for step in side.facts.step("RegisterModel"):
        made = step.answer or step.arguments
        value = made.get("CustomerMetadataProperties", {}).get(key)
        return None if value is None else str(value)
    return None


def _changes(first: Mapping[str, Any], second: Mapping[str, Any]) -> Iterator[Change]:
    """The values of both by name, in the second's order; nothing that neither has."""
    for name in dict.fromkeys((*second, *first)):
        change = Change(name, first.get(name), second.get(name))
        if (change.first, change.second) != (None, None):
            yield change
