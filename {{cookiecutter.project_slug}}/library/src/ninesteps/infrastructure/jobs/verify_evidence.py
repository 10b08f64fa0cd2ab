"""On approval: checks a version's floors, its approvers, its evidence and the gate in force.

It must have been made under the account's floors and, where two people are asked for, approved by
somebody other than who started its run. Its evidence must be as recorded and pass the gate.

The bias numbers are computed again from Clarify's list in `analysis.json`, by name and facet, and
must be those that the evaluation wrote; whatever is missing or altered refuses the version.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from approvers import check_two
from aws import client
from dataset import FACET_PREFIX
from evidence import (
    NAMES,
    EvidenceError,
    Package,
    as_json,
    read_noted,
    read_package,
    write_verdict,
)
from ninesteps.infrastructure import serving
from ninesteps.profiles.stamps import Expected
from ninesteps.registry.champion import Champion
from ninesteps.settings import gate as gates

CLOSE = 1e-9
"""How far a number computed again may lie from the one that was written."""


def main(arguments: Sequence[str]) -> None:
    """Write `verdict.json`."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--package", required=True)
    parser.add_argument("--gate", required=True)
    parser.add_argument("--problem", required=True)
    parser.add_argument("--facets", required=True, help="key=column, with commas between")
    parser.add_argument("--min-group-size", type=int, required=True)
    parser.add_argument("--profile", required=True)
    parser.add_argument("--profile-sha256", required=True)
    parser.add_argument("--least-library", required=True, help="x.y.z")
    parser.add_argument("--pipeline", required=True, help="its name in the account")
    parser.add_argument("--require-second-approver", choices=("true", "false"), required=True)
    options = parser.parse_args(arguments)
    expected = Expected(options.profile, options.profile_sha256, options.least_library)
    named = (pair.split("=", 1) for pair in options.facets.split(",") if pair)
    facets = {key: FACET_PREFIX + column for key, column in named}
    own = gates.own_metrics_in(options.gate)  # of the stack's gate, which was checked
    gate = gates.parse(options.gate, options.problem, tuple(facets), own)
    try:
        package = read_package(options.package)
        if violation := expected.violation(package.metadata):
            raise EvidenceError(violation)
        if options.require_second_approver == "true":
            check_two(package, options.pipeline)
        files = {name: read_noted(package, name, package.uris[name]) for name in NAMES}
        check_evidence_file(package)
        evaluation = as_json("evaluation.json", files["evaluation"])
        check_judged(evaluation, package.noted("model_sha256"))
        check_champion(package, evaluation, options.pipeline)
        analysis = as_json("analysis.json", files["analysis"])
        computed = bias_numbers(evaluation, analysis, facets, options.min_group_size)
        values = {c: value_of(c, evaluation, computed) for c in gates.comparisons(gate)}
        failing = [str(c) for c in gates.comparisons(gate) if not c.holds(values[c])]
        if not gates.holds(gate, values.__getitem__):
            raise EvidenceError(f"the gate {gate} fails: {', '.join(failing)}")
    except EvidenceError as error:
        write_verdict(False, str(error))
    else:
        write_verdict(True, f"the evidence is as it was recorded, and passes the gate {gate}")


def check_evidence_file(package: Package) -> None:
    """Check the one file of the evidence, and that its digests are those of the metadata.

    A version whose evidence an earlier library recorded names none.

    Raises:
        EvidenceError: if it is gone, altered, written over, or of other files.
    """
    if not package.metadata.get("evidence_uri"):
        return
    content = read_noted(package, "evidence", package.noted("evidence_uri"))
    files = as_json("evidence.json", content)["files"]
    for name in NAMES:
        for key in ("sha256", "version_id"):
            expected, got = files[name][key], package.noted(f"{name}_{key}")
            if expected != got:
                raise EvidenceError(
                    f"{name}_{key}: expected {expected} as evidence.json has it, got {got}"
                )


def check_judged(evaluation: Mapping[str, Any], model_sha256: str) -> None:
    """Check that the archive is the one that was evaluated; earlier libraries did not record it.

    Raises:
        EvidenceError: if it is another.
    """
    judged = evaluation.get("model_sha256", model_sha256)
    if judged != model_sha256:
        raise EvidenceError(
            f"evaluation.json: expected metrics of the model with sha256 {model_sha256}, got those "
            f"of {judged}"
        )


def check_champion(package: Package, evaluation: Mapping[str, Any], pipeline: str) -> None:
    """Check what the version was compared with, if its gate spoke of the version that serves.

    Args:
        pipeline: its name in the account, and its endpoint's.

    Raises:
        EvidenceError: if it was the archive of no registered version; or none, where one serves.
    """
    try:
        champion = Champion.of(evaluation)
        if champion is None:
            return
        arn = serving.package_arn(client("sagemaker"), pipeline) if champion.is_none else ""
    except ValueError as error:
        raise EvidenceError(f"evaluation.json: {error}") from None
    number, own = serving.number(arn) if arn else None, serving.number(package.arn)
    if fault := champion.fault(archives(package.arn.split("/")[-2]), own, number):
        raise EvidenceError(f"version {own} {fault}")


def archives(group: str) -> Iterator[tuple[int, str]]:
    """Each version, the newest first, with the SHA-256 that its archive was registered with."""
    more: dict[str, str] = {}
    while True:
        page = client("sagemaker").list_model_packages(
            ModelPackageGroupName=group, SortBy="CreationTime", SortOrder="Descending", **more
        )
        for summary in page["ModelPackageSummaryList"]:
            package = client("sagemaker").describe_model_package(
                ModelPackageName=summary["ModelPackageArn"]
            )
            if digest := package.get("CustomerMetadataProperties", {}).get("model_sha256"):
                yield summary["ModelPackageVersion"], digest
        if not page.get("NextToken"):
            return
        more = {"NextToken": page["NextToken"]}


def value_of(
    comparison: gates.Comparison, evaluation: Mapping[str, Any], computed: Mapping[str, float]
) -> float:
    """What a metric came to: as it was computed again, or as the evaluation has it."""
    path = comparison.json_path
    return computed[path] if path in computed else written(evaluation, path)


def written(evaluation: Mapping[str, Any], path: str) -> float:
    """A number of `evaluation.json`, by its path.

    Raises:
        EvidenceError: if there is no finite number.
    """
    value: Any = evaluation
    for key in path.split("."):
        value = value.get(key) if isinstance(value, dict) else None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise EvidenceError(f"evaluation.json {path}: expected a finite number, got {value!r}")
    return float(value)


def bias_numbers(
    evaluation: Mapping[str, Any],
    analysis: Mapping[str, Any],
    facets: Mapping[str, str],
    min_group_size: int,
) -> dict[str, float]:
    """dppl and di of every facet, and the worst, by their paths in `evaluation.json`.

    Formulas as in `bias_report.gate_numbers`; the groups that count are those of the evaluation
    with `min_group_size` rows at least, and as many others.

    Raises:
        EvidenceError: if a group is missing, or a number is not the one that the evaluation wrote.
    """
    computed: dict[str, float] = {}
    for key, column in facets.items():
        groups = list(_counted(evaluation, key, min_group_size))
        values = [_metrics(analysis, column, group) for group in groups]
        computed[f"bias_metrics.dppl.{key}.value"] = max(
            (1.0 if (v := metrics["DPPL"]) is None else abs(v) for metrics in values), default=1.0
        )
        computed[f"bias_metrics.di.{key}.value"] = min(
            (min(v, 1 / v) if (v := metrics["DI"]) else 0.0 for metrics in values), default=0.0
        )
    of = {metric: [value for path, value in computed.items() if f".{metric}." in path]
          for metric in ("dppl", "di")}  # fmt: skip
    computed["bias_metrics.worst_dppl.value"] = max(of["dppl"], default=1.0)
    computed["bias_metrics.worst_di.value"] = min(of["di"], default=0.0)
    for path, value in computed.items():
        evaluated = written(evaluation, path)
        if not math.isclose(value, evaluated, rel_tol=0, abs_tol=CLOSE):
            raise EvidenceError(
                f"evaluation.json {path}: expected {value} as analysis.json gives, got {evaluated}"
            )
    return computed


def _counted(evaluation: Mapping[str, Any], key: str, least: int) -> Iterator[str]:
    """The groups of a facet that count, as Clarify shows them."""
    groups = evaluation.get("bias_metrics", {}).get("groups", {}).get(key)
    if groups is None:
        raise EvidenceError(f"evaluation.json: expected groups of {key}, got none")
    total = written(evaluation, "rows")
    for group in groups:
        if group["counted"] and group["rows"] >= least and total - group["rows"] >= least:
            yield group["value"]


def _metrics(analysis: Mapping[str, Any], column: str, group: str) -> dict[str, float | None]:
    """The metrics of a group by name: the list's order says nothing."""
    section = analysis.get("post_training_bias_metrics", {}).get("facets", {})
    for entry in section.get(column, []):
        if entry["value_or_threshold"] == group:
            metrics = {metric["name"]: metric["value"] for metric in entry["metrics"]}
            if {"DPPL", "DI"} <= metrics.keys():
                return metrics
    raise EvidenceError(f"analysis.json: expected DPPL and DI of {group} of {column}, got none")


if __name__ == "__main__":
    main(sys.argv[1:])
