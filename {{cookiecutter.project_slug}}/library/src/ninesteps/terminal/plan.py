"""A plan as a person reads it: numbered actions in their order, then what only AWS can tell."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from ninesteps.infrastructure.plan import (
    Action,
    CheckAction,
    GroupAction,
    PipelineAction,
    Plan,
    RecordAction,
    StackAction,
    Upload,
    UploadAction,
)
from ninesteps.report.formatting import count
from ninesteps.terminal.lines import WIDTH, wrapped

INDENT = 3
TYPE, PARAMETER, FACT = 33, 28, 18
"""Where the second column begins."""

DIGITS = 52
"""Of the 64 of a SHA-256, those that are not shown."""

LATER = "(known when the first stack is there)"


def lines(plan: Plan, lists_files: bool = True) -> Iterator[str]:
    """A plan.

    Args:
        lists_files: whether each file that is put has a line, or each folder.
    """
    yield f"{plan.command}, in {plan.region} of account {plan.account}"
    yield "A plan: it is made from this repository alone, and nothing is sent to AWS."
    for number, action in enumerate(plan.actions, 1):
        first, *more = _action(action, lists_files)
        yield ""
        yield wrapped(first, f"{number}.", INDENT)
        yield from more
    if plan.not_made:
        yield ""
        yield wrapped(f"The feature group {plan.not_made}")
    yield ""
    yield "Not known without AWS:"
    for sentence in plan.not_known:
        yield wrapped(sentence, " - ", INDENT)


def _action(action: Action, lists_files: bool) -> Iterator[str]:
    if isinstance(action, StackAction):
        return _stack(action)
    if isinstance(action, UploadAction):
        return _uploads(action, lists_files)
    if isinstance(action, GroupAction):
        return _group(action)
    if isinstance(action, CheckAction):
        return _check(action)
    return _record(action) if isinstance(action, RecordAction) else _pipeline(action)


def _stack(action: StackAction) -> Iterator[str]:
    yield f"Create or update the stack {action.stack}: {count(len(action.resources), 'resource')}"
    for one in action.resources:
        yield _pair(one.type.removeprefix("AWS::"), one.name or f"({one.resource})", TYPE)
    yield f"\n{'':<{INDENT}}Its parameters:"
    for name, value in action.parameters.items():
        if value != "":
            yield _pair(name, LATER if value is None else value, PARAMETER)
    if empty := [name for name, value in action.parameters.items() if value == ""]:
        yield _pair("(empty)", ", ".join(empty), PARAMETER)


def _pair(left: str, right: str, column: int) -> str:
    """Two columns; a right one that is too long gets a line of its own."""
    if column + len(right) <= WIDTH or " " in right:
        return wrapped(right, f"{'':<{INDENT}}{left}", column)
    return f"{'':<{INDENT}}{left}\n{wrapped(right.replace(',', ', '), ' ' * 6, 6)}"


def _uploads(action: UploadAction, lists_files: bool) -> Iterator[str]:
    known = sum(file.bytes or 0 for file in action.files)
    more = " and the wheels" if action.wheels else ""
    yield (
        f"Put {count(len(action.files), 'file')} ({known:,} bytes{more}) into the bucket "
        f"{action.bucket}, those that are not there yet"
    )
    for wheel in action.wheels:
        yield wrapped(f"pip first fetches {wheel}", " " * INDENT, INDENT)
    yield f"{'bytes':>12}  {'SHA-256       ' if lists_files else ''}key"
    for folder, files in groupby(action.files, lambda file: _key(file)[:3]):
        put = [*files]
        if lists_files:
            yield f"{'':<{INDENT}}{'/'.join(folder)}/"
            yield from map(_file, put)
        else:
            facts, name = f"{sum(file.bytes or 0 for file in put):>12,}", "/".join(folder) + "/"
            if len(put) == 1:
                yield _facts_and_name(facts, name + _key(put[0])[-1])
            else:
                yield _facts_and_name(facts, name, f"({len(put):,} files)")


def _key(file: Upload) -> list[str]:
    """The parts of a file's key: the pipeline, `code`, a digest, its path."""
    return file.uri.removeprefix("s3://").split("/", 4)[1:]


def _file(file: Upload) -> str:
    size = "not known" if file.bytes is None else f"{file.bytes:,}"
    digest = "" if file.sha256 is None else file.sha256[:12]
    return _facts_and_name(f"{size:>12}  {digest:<12}", _key(file)[-1])


def _facts_and_name(facts: str, name: str, more: str = "") -> str:
    """A line; or two, if the name is too long for one."""
    line = f"{facts}  {name} {more}".rstrip()
    return line if len(line) <= WIDTH else f"{facts}  {more}".rstrip() + f"\n{'':<6}{name}"


def _group(action: GroupAction) -> Iterator[str]:
    features = count(len(action.features), "feature")
    yield f"Create or extend the feature group {action.feature_group}: {features}"
    yield _pair("table", action.table, TYPE)
    for kind in sorted(set(action.features.values())):
        of_kind = (name for name, of in action.features.items() if of == kind)
        yield wrapped(", ".join(of_kind), f"{'':<{INDENT}}{kind}", TYPE)


def _check(action: CheckAction) -> Iterator[str]:
    yield "Check in the account what the pipeline needs, and stop if it is missing"
    yield _pair("workgroup", action.workgroup, FACT)
    for group in action.feature_groups:
        yield _pair("feature group", group, FACT)


def _record(action: RecordAction) -> Iterator[str]:
    yield "Put a record of where the code came from"
    key = action.prefix.removeprefix("s3://").split("/", 1)[1].rstrip("/")
    yield _pair("below", f"{key[:-DIGITS]}.../", FACT)
    yield _pair("commit", action.commit, FACT)


def _pipeline(action: PipelineAction) -> Iterator[str]:
    yield f"Create or update the pipeline {action.pipeline}: {count(len(action.steps), 'step')}"
    longest = max((len(name) for name, _ in action.steps), default=0)
    for number, (name, kind) in enumerate(action.steps, 1):
        yield f"   {number}  {name:<{longest}}  {kind}"
    yield _pair("role", action.role, FACT)
    yield _pair("definition", f"{action.bytes:,} bytes  sha256 {action.sha256[:12]}", FACT)
