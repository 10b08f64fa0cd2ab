"""A record's trace in an account, as a text that can be given to the person or as data."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import Any

from ninesteps.terminal import record
from ninesteps.terminal import trace as view
from ninesteps.tracing.in_account import AccountTrace, Said

NOWHERE = "no store has it now"

NOT_LOOKED_AT = (
    "executions that registered no version",
    "answers of queries (below executions/ and feature-store-queries/)",
    "requests that an endpoint captured (below captured/)",
    "CloudWatch's logs, and copies made elsewhere",
)
"""What a trace of an account does not read."""


def as_text(trace: AccountTrace) -> str:
    """The trace, for a person to read."""
    return "\n".join(_lines(trace)) + "\n"


def _lines(trace: AccountTrace) -> Iterator[str]:
    yield f"{'row' if trace.is_numbered else 'record'} {trace.id} in {trace.where}"
    if trace.is_numbered:
        yield view.IS_NUMBERED
    yield from ("", "Where it is")
    yield from (f"  {line}" for line in _stores(trace))
    yield from ("", "Versions of the model")
    yield from (f"  {line}" for said in trace.versions for line in _version(said))
    if not trace.versions:
        yield "  none is registered"
    if trace.older:
        yield f"  and {trace.older:,} older: --last {len(trace.versions) + trace.older} reads them"
    if trace.why:
        yield ""
        yield from view.why(trace)
    else:
        yield from ("", "No version serves, so there are no reasons to give.")
    yield from ("", "Not looked at")
    yield from (f"  {what}" for what in NOT_LOOKED_AT)


def _stores(trace: AccountTrace) -> Iterator[str]:
    found = trace.found
    if found is None:
        yield NOWHERE
        return
    for store, row in (("offline", found.offline), ("online", found.online)):
        if row:
            yield f"in the {store} store, as of {row.get(found.event_time, 'an unknown time')}"
    yield from record.sentences(found)


def _version(said: Said) -> Iterator[str]:
    """A version, with its prediction and what could not be read."""
    as_of = f" (its execution read the store as of {said.as_of})" if said.as_of else ""
    if said.split:
        used = f"{view.USED[said.split]} ({said.split} split, as of {said.event_time})"
    elif said.unread:
        used = "not every split could be read"
    else:
        used = "was made without it"
    yield f"version {said.version}, {said.status}: {used}{as_of}"
    if said.answer:
        yield f"    its execution kept its answer: {view.said_in_words(said.answer)}"
    elif said.split == "test":
        yield "    its answer was not kept, or may not be read"
    yield from (f"    {why}" for why in said.unread)


def as_json(trace: AccountTrace) -> dict[str, Any]:
    """The same as data."""
    return {
        "id": trace.id,
        "is_row_number": trace.is_numbered,
        "environment": trace.environment,
        "where": trace.where,
        "stores": trace.found and record.as_json(trace.found),
        "versions": [
            {
                "version": said.version,
                "status": said.status,
                "as_of": said.as_of or None,
                "split": said.split or None,
                "event_time": said.event_time or None,
                "answer": view.answer_as_json(said.answer, trace),
                "places": list(said.places),
                "not_read": list(said.unread),
            }
            for said in trace.versions
        ],
        "older_versions": trace.older,
        "why": view.why_as_json(trace),
        "not_looked_at": list(NOT_LOOKED_AT),
    }


def erasure(trace: AccountTrace) -> str:
    """What has to be deleted in an account, and the commands; listing deletes nothing."""
    return "\n".join(_erasure(trace)) + "\n"


def _erasure(trace: AccountTrace) -> Iterator[str]:
    yield f"NOTHING WAS DELETED in {trace.where}: this is a list of what you have to delete"
    yield from ("", "In the stores")
    if trace.found is None:
        yield f"  {NOWHERE}"
    else:
        identifier = shlex.quote(trace.id)
        yield f"  pipeline record --delete --env {trace.environment} -- {identifier}"
        yield "  no later run reads its earlier rows; they stay in the offline store:"
        yield f"  {trace.offline_rows}"
    yield from ("", "In S3, in every version of each object if the bucket keeps versions")
    yield from (f"  {place}" for place in trace.places)
    if not trace.places:
        yield "  no split that was read has it"
    yield from ("", "To be trained again, because they learnt from it or were selected on it")
    if trace.learnt:
        yield f"  versions {', '.join(map(str, trace.learnt))}{_serving(trace)}:"
        yield f"  pipeline start --env {trace.environment}, then approve; the approval rolls it out"
    else:
        yield "  no version that was looked at"
    unread = [f"version {said.version}: {why}" for said in trace.versions for why in said.unread]
    if trace.older:
        unread.append(f"{trace.older:,} older versions: --last reads them")
    yield from ("", "Not looked at")
    yield from (f"  {what}" for what in (*unread, *NOT_LOOKED_AT))


def _serving(trace: AccountTrace) -> str:
    version = trace.why.version if trace.why else None
    return f" (version {version} serves: first)" if version in trace.learnt else ""
