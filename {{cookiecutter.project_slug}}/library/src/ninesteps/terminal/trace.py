"""A record's trace, as a text that can be given to the person or as data."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any, Protocol

from ninesteps.local.erasures import Erasure
from ninesteps.tracing.erasing import Plan
from ninesteps.tracing.reasons import NO_PROOF, Reasons
from ninesteps.tracing.trace import KEPT, Said, Trace, Why
from ninesteps.tracing.uses import Snapshot, Use
from ninesteps.tracing.words import Words

SHOWN = 20
"""How many tables, versions and runs the text lists; --json has all."""


IS_NUMBERED = (
    "No column identifies records ([data] number_rows): this is a row's number, and in another "
    "table that row is a different person."
)


class Answered(Protocol):
    """What the traces of this machine and of an account have in common: answers and reasons."""

    @property
    def label(self) -> str:
        """The label's column."""

    @property
    def positive(self) -> str:
        """The label's value that counts as 1."""

    @property
    def is_regression(self) -> bool:
        """Whether the model estimates a number."""

    @property
    def why(self) -> Why | None:
        """Why one version predicts what it does."""


USED = {
    "train": "learnt from it",
    "validation": "was selected on it",
    "test": "was tested on it, and did not learn from it",
}
"""How a version used a record, by its split."""


def as_text(trace: Trace) -> str:
    """The trace, for a person to read."""
    return "\n".join(_lines(trace)) + "\n"


def _lines(trace: Trace) -> Iterator[str]:
    what = "row" if trace.is_numbered else "record"
    yield f"{what} {trace.id}"
    if trace.erased:
        yield from _erased(trace.erased, trace.is_anywhere)
    if not trace.is_anywhere:
        return
    if trace.is_numbered:
        yield IS_NUMBERED
    yield from _part("Where it is", _stores(trace))
    yield from _part("Versions of the model", map(_version, trace.versions), len(trace.versions))
    yield from _part("Runs that registered no version", map(_run, trace.runs), len(trace.runs))
    if trace.why:
        yield ""
        yield from why(trace)


def _erased(erased: Erasure, is_anywhere: bool) -> Iterator[str]:
    """Lines saying that a record was erased, and what is left to do."""
    since = (
        "what is listed here was added later" if is_anywhere else "nothing on this machine has it"
    )
    yield f"It was erased on {erased.at}; {since}."
    if erased.learnt:
        versions = ", ".join(map(str, erased.learnt))
        yield f"Versions that had learnt from it or were selected on it: {versions}."


def _part(title: str, lines: Iterator[str], count: int = 0) -> Iterator[str]:
    listed = list(lines)
    if not listed:
        return
    yield from ("", title)
    for line in listed[:SHOWN]:
        yield f"  {line}"
    if (more := max(count, len(listed)) - SHOWN) > 0:
        yield f"  and {more:,} more: --json lists all"


def _stores(trace: Trace) -> Iterator[str]:
    if not trace.snapshots:
        yield "in no table of the offline store"
    yield from map(_snapshot, trace.snapshots)
    if not trace.has_online:
        yield "there is no online store"
    elif trace.online:
        yield f"in the online store, as of {trace.online}"
    else:
        yield "not in the online store"


def _snapshot(snapshot: Snapshot) -> str:
    times = snapshot.event_times
    rows = f"{len(times):,} rows, as of {times[0]} to {times[-1]}"
    return f"in the table {snapshot.uri}: {f'as of {times[0]}' if len(times) == 1 else rows}"


def _version(said: Said) -> str:
    use = said.use
    used = f"{USED[use.split]} ({use.split} split of run {use.run.execution}, as of " \
           f"{use.row.event_time})" if use else "was made without it"  # fmt: skip
    lines = [f"version {said.version}, {said.status}: {used}"]
    if use and use.has_explanation:
        lines.append("its report's explanations have a row of it, without its id")
    lines.append(_answer(said))
    return "\n      ".join(lines)


def _answer(said: Said) -> str:
    if said.why_not:
        return f"it gives no answer: {said.why_not}"
    if not said.answer and not said.reply:
        return "it kept no answer about it: --ask asks the version"
    when = "its run kept its answer" if said.how == KEPT else "asked now, it answers"
    words = said_in_words(said.answer) if said.answer else _quoted(said.reply)
    return f"{when}: {words}"


def _quoted(reply: str) -> str:
    return json.dumps(reply, ensure_ascii=False)


def said_in_words(answer: Sequence[float]) -> str:
    """Label and probability, or a number."""
    label, *probability = answer
    return f"{label:g}, with probability {probability[0]:.4g}" if probability else f"{label:.6g}"


def _run(use: Use) -> str:
    how = "read it and kept an answer about it" if use.answer else "read it"
    return f"run {use.run.execution}: {how} ({use.split} split, as of {use.row.event_time})"


def why(trace: Answered) -> Iterator[str]:
    """Why one version predicts as it does."""
    told = trace.why
    if told is None:
        return
    title = f"Why version {told.version}, {told.where}, predicts as it does"
    if told.words is not None:
        yield (f"What the reference reply depends on, by version {told.version}, {told.where} "
               f"(about the record as of {told.event_time})")  # fmt: skip
        yield from (f"  {line}" for line in _words(told.words))
        return
    if told.reasons is None:
        yield f"{title}: not available: {told.why_not}"
        return
    yield f"{title} (about the record as of {told.event_time})"
    yield from (f"  {line}" for line in reasons(trace, told.reasons))


def _words(found: Words) -> Iterator[str]:
    for number, (word, change) in enumerate(found.changes, start=1):
        yield f"{number}. Without {_quoted(word)} it is less likely, by {change:.3g} nats."
    if not found.changes:
        yield "No word of the user's last message makes it more likely."
    yield found.caution
    yield f"Method: {found.method}."


def subject(trace: Answered) -> str:
    """What a reason raises or lowers."""
    if trace.is_regression:
        return f"the estimated {trace.label}"
    return f"the probability of {trace.label} = {trace.positive}"


def reasons(trace: Answered, found: Reasons) -> Iterator[str]:
    """The reasons in sentences, the strongest first, and what they are and are not."""
    yield f"It predicts {said_in_words(found.answer)}{_from_on(found)}."
    for number, reason in enumerate(found.reasons, start=1):
        yield f"{number}. {reason.sentence(subject(trace))}."
    if not found.reasons:
        yield "No feature that may be named affected it."
    direction = "raised" if found.rest > 0 else "lowered"
    yield (f"Together these make up {found.share:.0%} of the total effect; the other "
           f"{found.others} features together {direction} it.")  # fmt: skip
    if found.never_named:
        yield (f"Features that reveal {_listed(found.never_named)} are never named as a reason; "
            "their effect is in the rest.")  # fmt: skip
    yield NO_PROOF
    yield f"Method: {found.method}."


def _from_on(found: Reasons) -> str:
    return "" if found.threshold is None else f" (1 from a probability of {found.threshold:.4g} on)"


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"


def as_json(trace: Trace) -> dict[str, Any]:
    """The same as data."""
    return {
        "id": trace.id,
        "is_row_number": trace.is_numbered,
        "erased": trace.erased and {"at": trace.erased.at, "learnt": list(trace.erased.learnt)},
        "tables": [asdict(snapshot) for snapshot in trace.snapshots],
        "online_store": {"exists": trace.has_online, "event_time": trace.online or None},
        "versions": [
            {
                "version": said.version,
                "status": said.status,
                **_use_as_json(said.use),
                "answer": {"reply": said.reply} if said.reply
                else answer_as_json(said.answer, trace),
                "how": said.how or None,
                "no_answer": said.why_not or None,
            }
            for said in trace.versions
        ],
        "runs": [_use_as_json(use) for use in trace.runs],
        "why": why_as_json(trace),
    }  # fmt: skip


def why_as_json(trace: Answered) -> dict[str, Any] | None:
    """Why one version predicts as it does, as data."""
    told = trace.why
    return (
        None
        if told is None
        else {
            "version": told.version,
            "where": told.where,
            "event_time": told.event_time,
            "no_reasons": told.why_not or None,
            **(_reasons_as_json(trace, told.reasons) if told.reasons else {}),
            **(_words_as_json(told.words) if told.words else {}),
        }
    )


def _words_as_json(found: Words) -> dict[str, Any]:
    words = [{"word": word, "change": change} for word, change in found.changes]
    return {"words": words, "method": found.method, "caveat": found.caution}


def _use_as_json(use: Use | None) -> dict[str, Any]:
    if use is None:
        return {"split": None}
    return {
        "split": use.split, "run": use.run.execution, "event_time": use.row.event_time,
        "has_explanation": use.has_explanation, "uri": use.row.uri,
    }  # fmt: skip


def answer_as_json(answer: Sequence[float], trace: Answered) -> dict[str, float] | None:
    """The same as data; None if there is none."""
    names = ("estimate",) if trace.is_regression else ("label", "probability")
    return dict(zip(names, answer, strict=True)) if answer else None


def _reasons_as_json(trace: Answered, found: Reasons) -> dict[str, Any]:
    return {
        "answer": answer_as_json(found.answer, trace),
        "threshold": found.threshold,
        "of": subject(trace),
        "reasons": [
            {**asdict(reason), "sentence": reason.sentence(subject(trace))}
            for reason in found.reasons
        ],
        "others": found.others,
        "rest": found.rest,
        "share": found.share,
        "never_named": list(found.never_named),
        "method": found.method,
        "caveat": NO_PROOF,
    }


# Erasing


def plan(found: Plan, tables: Sequence[str], serving: str) -> str:
    """What an erasure changes, to be read before confirming it."""
    lines = []
    if found.is_begun:
        lines.append("An erasure of this record was interrupted: this continues it.")
    lines.append("To be deleted on this machine")
    lines += [f"  {change.what}: {change.uri}" for change in found.changes]
    if found.learnt:
        listed = ", ".join(map(str, found.learnt))
        lines += ["To be trained again, because they learnt from it or were selected on it",
                  f"  versions {listed}{serving}: pipeline run, approve, deploy"]  # fmt: skip
    if tables:
        lines += ["Not deleted here: delete its rows in these files, if they have any"]
        lines += [f"  {table}" for table in tables]
    return "\n".join(lines)
