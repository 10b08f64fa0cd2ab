"""Compares every artifact of a version with the one that was made again."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ninesteps.local.execution import Execution
from ninesteps.local.state import KeptStep, State, digest_of
from ninesteps.local.storage import Storage, files_of
from ninesteps.report import run_warnings
from ninesteps.runs.reproducing.differences import difference
from ninesteps.runs.reproducing.inputs import differing_rows, objects
from ninesteps.runs.reproducing.recorded import Recorded
from ninesteps.runs.reproducing.result import DIFFERS, IDENTICAL, MISSING, WITHIN, Artifact, Part

_RANDOM = re.compile(r"[0-9a-f]{32}|(?<=Z_)[0-9a-f]{16}(?=\.parquet$)")
"""What differs between any two runs: the id of a query, the end of the name of a file of rows."""

FEATURE_STORE = "Feature Store"
"""The name for what is before the first step."""

ANSWER, PACKAGE = "request and answer", "package request"


def rows_of(
    kept: Recorded, made: Mapping[tuple[str, str], str], storage: Storage, tolerance: float
) -> Part:
    """The rows in the offline store, after a version's raw table was put into it again.

    Args:
        made: the tables that were made again: (database, table) -> the URI of its rows.
    """
    artifacts = []
    for database, table, uri in kept.run.catalog:
        if (again := made.get((database, table))) is None:
            continue
        old, new = dict(objects(kept.storage, uri)), dict(objects(storage, again))
        problem = differing_rows(kept, old) if old else "the recorded rows were deleted"
        then = {_alike(name): file for name, file in old.items()}
        now = {_alike(name): file for name, file in new.items()}
        for name in sorted({*then, *now}):
            artifact = _compared(name, "", then.get(name), now.get(name), tolerance)
            if problem:
                artifact = Artifact(name, MISSING, problem, "", artifact.made)
            artifacts.append(replace(artifact, name=f"{table}/{name}"))
    return Part(FEATURE_STORE, "Succeeded", artifacts=tuple(artifacts))


def not_made(kept: Recorded, tables: Collection[tuple[str, str]], why: str) -> Part:
    """The rows in the offline store that could not be made again.

    Args:
        tables: the repository's own, as (database, table).
    """
    names = [table for database, table, _ in kept.run.catalog if (database, table) in tables]
    artifacts = tuple(Artifact(name, MISSING, why) for name in names)
    return Part(FEATURE_STORE, "Skipped", artifacts=artifacts)


def of_no_step(kept: Recorded, why: str) -> Iterator[Part]:
    """What each step of the version made, if nothing could be made again."""
    for name in kept.definition.steps:
        if (step := kept.steps.get(name)) is not None:
            recorded = {kept.as_now(uri): digest for uri, digest in step.record.digests.items()}
            artifacts = (
                Artifact(_name(uri, kept.run.id, name), MISSING, why, digest)
                for uri, digest in recorded.items()
            )
            yield Part(name, "Skipped", artifacts=tuple(artifacts))


def of_steps(
    kept: Recorded, execution: Execution, state: State, storage: Storage, prefix: str,
    tolerance: float,
) -> Iterator[Part]:  # fmt: skip
    """What each step made, in the definition's order.

    Args:
        state: of the fresh folder.
        storage: of the fresh folder.
        prefix: the URI that the folders of executions are below.
    """
    again = {step.name: step for step in state.steps(kept.run.id)}
    for run in execution.numbered:
        name = run.step.name
        if (step := kept.steps.get(name)) is None:
            continue
        new = again.get(name)
        artifacts = [
            *_outputs(kept, step, new, storage, tolerance),
            *_unrecorded(kept, step, storage, prefix, tolerance),
            *_answers(kept, step, new, state, tolerance),
        ]
        source = kept.sources[name]
        yield Part(
            name, run.status, run.reason, "" if source == kept.run.id else source, tuple(artifacts)
        )


def _outputs(
    kept: Recorded, step: KeptStep, new: KeptStep | None, storage: Storage, tolerance: float
) -> Iterator[Artifact]:
    """The files whose digests were recorded when the step ended."""
    made = new.record.digests if new else {}
    digests = step.record.digests.items()
    left = {uri: kept.erasures.after(uri, digest) for uri, digest in digests}  # by erasures
    recorded = {kept.as_now(uri): (uri, digest) for uri, digest in left.items()}
    for uri in dict.fromkeys([*recorded, *made]):
        of_then, digest = recorded.get(uri, ("", ""))
        old = _file(kept.storage, of_then) if of_then else None
        artifact = _compared(
            uri, digest, old, _file(storage, uri) if uri in made else None, tolerance, kept
        )
        yield replace(artifact, name=_name(uri, kept.run.id, step.name))


def _unrecorded(
    kept: Recorded, step: KeptStep, storage: Storage, prefix: str, tolerance: float
) -> Iterator[Artifact]:
    """The files below a step's own prefix that are not outputs of its job: a query's results."""
    old = _below(kept.storage, f"{prefix}/{kept.sources[step.name]}/{step.name}")
    new = _below(storage, f"{prefix}/{kept.run.id}/{step.name}")
    outputs = {_name(uri, kept.run.id, step.name) for uri in map(kept.as_now, step.record.digests)}
    for name in sorted({*map(kept.as_now, old), *new} - outputs):
        then = {kept.as_now(of): file for of, file in old.items()}.get(name)
        yield _compared(name, "", then, new.get(name), tolerance, kept)


def _answers(
    kept: Recorded, step: KeptStep, new: KeptStep | None, state: State, tolerance: float
) -> Iterator[Artifact]:
    """Describe's answer for a job, with every trial's parameters and value; or the package."""
    if step.type == "RegisterModel":
        packages = [p for p in state.model_packages(kept.package.group) if new]
        request = _without_warnings(packages[0].request) if packages else None
        recorded = _without_warnings(kept.package.request)
        yield _values(PACKAGE, kept, recorded, request, tolerance)
        return
    compared = ("answer", "outcome", "compared")
    then, now = ({key: vars(s.record)[key] for key in compared} if s else None for s in (step, new))
    if new and new.status == step.status:
        yield _values(ANSWER, kept, then, now, tolerance)
    else:
        yield _values(ANSWER, kept, then, None, tolerance)


def _without_warnings(request: Mapping[str, Any]) -> dict[str, Any]:
    """A registration without what was noted of its warnings: they depend on what served then."""
    noted = request.get("CustomerMetadataProperties", {})
    metadata = {key: noted[key] for key in noted if key not in run_warnings.NOTED}
    return {**request, "CustomerMetadataProperties": metadata}


def _values(name: str, kept: Recorded, then: Any, now: Any, tolerance: float) -> Artifact:
    ours = kept.as_now(json.dumps(then, sort_keys=True)).encode()
    if now is None:
        return Artifact(name, MISSING, "it was not made again", _sha256(ours))
    theirs = json.dumps(now, sort_keys=True).encode()
    return _of_bytes(name, "values.json", ours, theirs, tolerance)


def _compared(
    name: str, recorded: str, old: Path | None, new: Path | None, tolerance: float,
    kept: Recorded | None = None,
) -> Artifact:  # fmt: skip
    """Compare a file with the one that was made again.

    Args:
        recorded: the SHA-256 that was recorded; empty if none was.
        old: the recorded file, if it is still there.
        kept: reads the ids of earlier runs as the id of the version's own run.
    """
    if new is None:
        return Artifact(name, MISSING, "it was not made again", recorded)
    made, there = digest_of(new), digest_of(old) if old else ""
    if made == (recorded or there):
        return Artifact(name, IDENTICAL, "", made, made)
    if old is None or there != (recorded or there):
        return Artifact(name, DIFFERS, _why_unknown(recorded, there), recorded, made)
    content = old.read_bytes()
    if kept and len(kept.runs) > 1:
        content = _renamed(content, kept)
    artifact = _of_bytes(name, name, content, new.read_bytes(), tolerance)
    return replace(artifact, recorded=there)


def _why_unknown(recorded: str, there: str) -> str:
    """Why the difference from the recorded file is unknown."""
    if not recorded:
        return "the recorded run had no such file"
    if not there:
        return "the recorded file was deleted, so the size of the difference is unknown"
    return f"the recorded file was changed since: expected {recorded[:12]}, got {there[:12]}"


def _renamed(content: bytes, kept: Recorded) -> bytes:
    """A text with the ids of earlier runs replaced by the version's own; other bytes unchanged."""
    try:
        return kept.as_now(content.decode("utf-8")).encode()
    except UnicodeDecodeError:
        return content


def _of_bytes(name: str, kind: str, recorded: bytes, made: bytes, tolerance: float) -> Artifact:
    digests = (_sha256(recorded), _sha256(made))
    if recorded == made:
        return Artifact(name, IDENTICAL, "", *digests)
    found = difference(kind, recorded, made, tolerance)
    state = WITHIN if found.is_within else DIFFERS
    detail = found.what or ("" if found.numbers else "the bytes differ, but no value does")
    return Artifact(
        name, state, detail, *digests, found.numbers, found.absolute, found.relative, found.where
    )


def _name(uri: str, run: str, step: str) -> str:
    """An artifact's name within its step, with the step's name if it is from another step."""
    below = uri.partition(f"/{run}/")[2] or uri
    return below.removeprefix(f"{step}/")


def _below(storage: Storage, uri: str) -> dict[str, Path]:
    folder = storage.path(uri)
    return {_alike(file.relative_to(folder).as_posix()): file for file in files_of(folder)}


def _alike(name: str) -> str:
    return _RANDOM.sub("*", name)


def _file(storage: Storage, uri: str) -> Path | None:
    file = storage.path(uri)
    return file if file.is_file() else None


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
