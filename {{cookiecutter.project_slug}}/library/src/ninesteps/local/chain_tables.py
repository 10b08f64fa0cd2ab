"""Compares the chain's entries with the state's tables, and reports where they disagree.

The same queries read the facts from the tables when an entry is written and when it is checked.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from ninesteps.errors import StateError
from ninesteps.local.chain import Entry, Fault, append, head, head_fault

Facts = dict[str, Any]

DECISIONS = {"Approved": "approved", "Rejected": "rejected"}
"""The kind of entry for each decided approval status."""


def run_started(connection: sqlite3.Connection, run: str) -> Entry:
    """Add the entry for a run that was just written."""
    return append(connection, "started", next(_runs(connection, run)))


def version_registered(connection: sqlite3.Connection, group: str, version: int) -> Entry:
    """Add the entry for a version that was just written."""
    return append(connection, "registered", next(_versions(connection, (group, version))))


def status_changed(connection: sqlite3.Connection, number: int) -> Entry:
    """Add the entry for a decision that was just written."""
    facts = next(_decisions(connection, number))
    return append(connection, DECISIONS[facts["after"]], facts)


def begin(connection: sqlite3.Connection) -> None:
    """Record the content of a file from before it had a chain, as one entry, if there is any.

    Its time is that of the newest content, so that the entry is the same whenever it is written.
    """
    history = _history(connection)
    moments = [facts["at"] for part in history.values() for facts in part]
    if moments:
        counts = {name: len(part) for name, part in history.items()}
        append(connection, "begun", {**counts, "sha256": _digest_of_all(history)}, max(moments))


def disagreements(connection: sqlite3.Connection, chain: Iterable[Entry]) -> Iterator[Fault]:
    """Where the tables differ from the entries, and what has no entry."""
    chain = list(chain)
    history = _history(connection)
    if not chain and history["runs"]:
        count = len(history["runs"])
        runs = "1 run is" if count == 1 else f"{count} runs are"
        yield Fault(None, f"the chain has no entry, but {runs} there: its entries were deleted")
        return
    begun = next((entry for entry in chain if entry.kind == "begun"), None)
    before = {
        name: part[: _count(begun.facts.get(name)) if begun else 0]
        for name, part in history.items()
    }
    if begun and begun.facts.get("sha256") != _digest_of_all(before):
        yield Fault(
            begun.number, "the records from before the chain have changed: a run, a version or a "
            "decision of that time was changed, deleted or inserted",
        )  # fmt: skip
    for name, part in history.items():
        key, called = _KEYS[name], _NAMES[name]
        there = {key(facts): facts for facts in part}
        told = {
            key(entry.facts): entry
            for entry in chain
            if entry.facts and _SUBJECTS.get(entry.kind) == name  # unreadable: it was edited
        }
        for subject, entry in told.items():
            yield from _compared(entry, called(entry.facts), there.get(subject))
        for facts in part[len(before[name]) :]:
            if key(facts) not in told:
                yield Fault(None, f"{called(facts)} has no entry: it was inserted")
    yield from _noted_beside(connection, chain)
    for group, version, kept in connection.execute(
        "SELECT package_group, version, head FROM model_packages WHERE head <> '' ORDER BY rowid"
    ):
        yield from _checked_head(f"{group} version {version}", kept, chain)


def _noted_beside(connection: sqlite3.Connection, chain: Iterable[Entry]) -> Iterator[Fault]:
    """Where the digest of a run or a version differs from its entry."""
    subject: tuple[str, ...]
    for entry in chain:
        name = _NAMES.get(_SUBJECTS.get(entry.kind, ""), str)(entry.facts)
        if entry.kind == "started":
            query = "SELECT sha256 FROM definitions WHERE subject = ? ORDER BY rowid LIMIT 1"
            subject, what = (_text(entry.facts.get("run")),), "definition"
        elif entry.kind == "registered" and entry.facts.get("model"):
            query = "SELECT sha256 FROM model_digests WHERE package_group = ? AND version = ?"
            group, version = entry.facts.get("group"), entry.facts.get("version")
            subject, what = (_text(group), _text(version)), "model"
        else:
            continue
        noted = [sha256 for (sha256,) in connection.execute(query, subject)]
        if noted != [entry.facts.get(what)]:
            yield Fault(entry.number, f"the digest of the {what} of {name} was changed or deleted")


def _checked_head(name: str, kept: str, chain: Sequence[Entry]) -> Iterator[Fault]:
    try:
        fault = head_fault(head(kept), chain)
    except StateError:
        fault = Fault(None, f"its head is {kept!r}")
    if fault:
        yield Fault(fault.number, f"at the registration of {name}: {fault.text}")


def _count(value: Any) -> int:
    return value if isinstance(value, int) else 0


def _compared(entry: Entry, name: str, now: Facts | None) -> Iterator[Fault]:
    if now is None:
        yield Fault(entry.number, f"{name} no longer exists: it was deleted")
        return
    facts = ((key, value) for key, value in entry.facts.items() if key not in _DERIVED)
    different = [key for key, value in facts if now.get(key) != value]
    if different:
        yield Fault(
            entry.number, f"{name} was changed since: {', '.join(different)} of its table "
            "is not what the entry says",
        )  # fmt: skip


_DERIVED = ("model",)
"""Digests of files that the version's request names."""

_SUBJECTS = {
    "started": "runs", "registered": "versions", "approved": "decisions", "rejected": "decisions",
}  # fmt: skip
_KEYS: Mapping[str, Callable[[Mapping[str, Any]], Any]] = {
    "runs": lambda facts: facts.get("run"),
    "versions": lambda facts: (facts.get("group"), facts.get("version")),
    "decisions": lambda facts: facts.get("decision"),
}
_NAMES: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "runs": lambda facts: f"run {facts.get('run')}",
    "versions": lambda facts: f"{facts.get('group')} version {facts.get('version')}",
    "decisions": lambda facts: (
        f"decision {facts.get('decision')} on {facts.get('group')} version {facts.get('version')}"
    ),
}


def _history(connection: sqlite3.Connection) -> dict[str, list[Facts]]:
    return {
        "runs": [*_runs(connection)],
        "versions": [*_versions(connection)],
        "decisions": [*_decisions(connection)],
    }


def _digest_of_all(history: Mapping[str, list[Facts]]) -> str:
    return _digest(
        json.dumps(history, sort_keys=True, default=repr)
    )  # a column may have been edited


def _runs(connection: sqlite3.Connection, run: str | None = None) -> Iterator[Facts]:
    """The unchanging facts of all runs, the oldest first, or of one."""
    rows = connection.execute(
        "SELECT id, pipeline, started_by, started, definition, parameters, catalog, wanted, origin "
        "FROM executions WHERE ?1 IS NULL OR id = ?1 ORDER BY rowid",
        (run,),
    )
    for id_, pipeline, by, at, definition, parameters, catalog, options, origin in rows:
        digests = {"definition": definition, "parameters": parameters, "catalog": catalog,
                   "options": options, "origin": origin}  # fmt: skip
        yield {
            "run": _text(id_), "pipeline": _text(pipeline), "by": _text(by), "at": _text(at),
            **{key: _digest(value) for key, value in digests.items()},
        }  # fmt: skip


def _versions(
    connection: sqlite3.Connection, version: tuple[str, int] | None = None
) -> Iterator[Facts]:
    """The facts of all versions, the oldest first, or of one: files and the model's digest."""
    rows = connection.execute(
        "SELECT package_group, version, status, execution, step, created, request "
        "FROM model_packages WHERE ?1 IS NULL OR (package_group = ?1 AND version = ?2) "
        "ORDER BY rowid",
        version or (None, None),
    ).fetchall()
    for group, number, status, run, step, at, request in rows:
        written = _files(connection, run)
        content = _json(request)
        named = set(_texts(content))
        files = {uri: sha256 for uri, sha256 in written.items() if uri in named}
        yield {
            "group": _text(group), "version": number, "run": _text(run), "step": _text(step),
            "status": _text(status), "at": _text(at), "request": _digest(request),
            "model": files.get(_model(content), ""), "files": files,
        }  # fmt: skip


def _decisions(connection: sqlite3.Connection, number: int | None = None) -> Iterator[Facts]:
    """The facts of all decisions, the oldest first, or of one; of the reason, which may name
    people, only the digest."""
    rows = connection.execute(
        "SELECT c.number, c.package_group, c.version, stage, before, after, who, why, at, "
        "evidence, rules, signature, request FROM status_changes c LEFT JOIN model_packages p "
        "ON p.package_group = c.package_group AND p.version = c.version "
        "WHERE ?1 IS NULL OR c.number = ?1 ORDER BY c.number",
        (number,),
    )
    for id_, group, version, stage, before, after, who, why, at, digests, rules, *more in rows:
        evidence, (signature, request) = _json(digests), more
        model = evidence.get(_model(_json(request)), "")
        facts = decision_facts(
            group, version, stage, before, after, who, why, at, evidence, rules, model
        )
        yield {"decision": id_, **facts, **({"signature": signature} if signature else {})}


def decision_facts(
    group: str,
    version: int,
    stage: str,
    before: str,
    after: str,
    who: str,
    why: str,
    at: str,
    evidence: Mapping[str, str],
    rules: str,
    model: str,
) -> Facts:
    """The facts of a decision in the chain, which its signature covers."""
    texts = {"group": group, "stage": stage, "before": before, "after": after, "who": who,
             "at": at, "rules": rules, "model": model}  # fmt: skip
    plain = {name: _text(text) for name, text in texts.items()}
    return {**plain, "version": version, "why_sha256": _digest(why), "evidence": dict(evidence)}


def _files(connection: sqlite3.Connection, run: str) -> dict[str, str]:
    """SHA-256 of the outputs of a run's steps, by S3 URI."""
    rows = connection.execute("SELECT record FROM steps WHERE execution = ? ORDER BY rowid", (run,))
    written: dict[str, str] = {}
    for (record,) in rows:
        digests = _json(record).get("digests", {})
        written |= digests if isinstance(digests, dict) else {}
    return written


def _model(request: Facts) -> str:
    """The URI of the model archive in a package's request; empty if there is none."""
    try:
        return str(request["InferenceSpecification"]["Containers"][0]["ModelDataUrl"])
    except (KeyError, IndexError, TypeError):
        return ""


def _texts(content: Any) -> Iterator[str]:
    """Every string in a JSON value."""
    if isinstance(content, str):
        yield content
    elif isinstance(content, Mapping):
        for value in content.values():
            yield from _texts(value)
    elif isinstance(content, list):
        for value in content:
            yield from _texts(value)


def _json(value: Any) -> Facts:
    """A column's JSON object; empty if it was changed to something else."""
    try:
        content = json.loads(value)
    except (ValueError, TypeError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else repr(value)


def _digest(value: Any) -> str:
    """SHA-256 of a column's value."""
    import hashlib

    content = value if isinstance(value, bytes) else str(value).encode("utf-8", "surrogatepass")
    return hashlib.sha256(content).hexdigest()
