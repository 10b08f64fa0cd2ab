"""Creates or changes a stack by a change set: shows it, asks, applies it and follows it.

A change set is CloudFormation's own list of changes. Nothing is changed before it is executed, and
CloudFormation rolls back an execution that fails.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError

from ninesteps.errors import AccountError

POLL_SECONDS = 5.0
MOST_SECONDS = 3600.0

NO_CHANGES = ("didn't contain changes", "No updates are to be performed")
"""CloudFormation's texts for a change set without changes: it has no code for them."""

CANCELLED = "Resource creation cancelled", "Resource update cancelled"
"""The reasons of resources that failed only because another one failed."""

NOT_THERE, IN_REVIEW = "", "REVIEW_IN_PROGRESS"


@dataclass(frozen=True)
class Import:
    """An existing resource that a stack is to import."""

    resource: str  # its name in the template
    type: str
    identifier: Mapping[str, str]  # by which CloudFormation finds it

    @property
    def line(self) -> str:
        """The change as a line for the terminal, within 80 columns if its name allows it."""
        return f"{'Import':<8}{self.resource:<28}{' '.join(self.identifier.values())}"


@dataclass(frozen=True)
class Stack:
    """A stack as it should be."""

    name: str
    template: str  # empty: the one that the stack has
    parameters: Mapping[str, str]
    tags: Mapping[str, str]
    imports: tuple[Import, ...] = ()  # what the template has is there already: nothing is made


@dataclass(frozen=True)
class Change:
    """The change of one resource in a change set."""

    resource: str  # its name in the template
    type: str
    action: str  # Add, Modify, Remove ...
    replacement: str  # True, Conditional, False; empty where nothing is replaced

    @property
    def line(self) -> str:
        """For the person who is asked, within 80 columns."""
        replaced = {"True": "replaced", "Conditional": "replaced?"}.get(self.replacement, "")
        kind = self.type.removeprefix("AWS::")
        return f"{self.action:<8}{self.resource:<28}{kind:<34}{replaced}".rstrip()


@dataclass(frozen=True)
class Event:
    """An event of a resource while CloudFormation works."""

    resource: str
    status: str
    reason: str


@dataclass(frozen=True)
class Applied:
    """The result."""

    status: str  # applied, unchanged or declined
    outputs: dict[str, str]


def outputs(cloudformation: Any, name: str) -> dict[str, str]:
    """The outputs of a stack; empty if it does not exist."""
    stack = _described(cloudformation, name)
    return {item["OutputKey"]: item["OutputValue"] for item in stack.get("Outputs", [])}


def parameters(cloudformation: Any, name: str) -> dict[str, str]:
    """The parameters of a stack; empty if it does not exist."""
    stack = _described(cloudformation, name)
    return {item["ParameterKey"]: item["ParameterValue"] for item in stack.get("Parameters", [])}


def is_there(cloudformation: Any, name: str) -> bool:
    """Whether there is a stack, or one that is being reviewed."""
    return bool(_described(cloudformation, name))


def with_parameter(cloudformation: Any, name: str, parameter: str, value: str) -> Stack | None:
    """An existing stack with one parameter changed; None without such a parameter or stack."""
    previous = parameters(cloudformation, name)
    if parameter not in previous:
        return None
    tags = {item["Key"]: item["Value"] for item in _described(cloudformation, name).get("Tags", [])}
    return Stack(name, "", {**previous, parameter: value}, tags)


def apply(
    cloudformation: Any,
    stack: Stack,
    agreed: Callable[[list[Change]], bool],
    told: Callable[[Event], None],
) -> Applied:
    """Create or change a stack, if the user agrees to the changes.

    Raises:
        AccountError: if the stack is in a state that has to be corrected by hand, or the change
            failed; the message says what to do, or gives the first resource's reason.
    """
    status = _described(cloudformation, stack.name).get("StackStatus", NOT_THERE)
    _refuse_state(stack.name, status)
    is_new = status in (NOT_THERE, IN_REVIEW)
    change_set = _create_change_set(cloudformation, stack, is_new)
    if change_set is None:
        return Applied("unchanged", outputs(cloudformation, stack.name))
    if not agreed(_changes(cloudformation, change_set)):
        cloudformation.delete_change_set(ChangeSetName=change_set)
        if status == NOT_THERE:  # an empty stack, which is there for the change set alone
            cloudformation.delete_stack(StackName=stack.name)
        return Applied("declined", {})
    seen = {event["EventId"] for event in _events(cloudformation, stack.name)}
    cloudformation.execute_change_set(ChangeSetName=change_set)
    _follow(cloudformation, stack.name, seen, told)
    return Applied("applied", outputs(cloudformation, stack.name))


def _described(cloudformation: Any, name: str) -> dict[str, Any]:
    try:
        stack: dict[str, Any] = cloudformation.describe_stacks(StackName=name)["Stacks"][0]
    except ClientError as error:
        if error.response["Error"]["Code"] == "ValidationError" and "does not exist" in str(error):
            return {}
        raise
    return stack


_DELETE = "delete it by `aws cloudformation delete-stack --stack-name {name}`, then run this again"
BY_HAND = {
    "ROLLBACK_COMPLETE": f"its first creation failed and was rolled back; {_DELETE}",
    "ROLLBACK_FAILED": f"its first creation failed and could not be rolled back; {_DELETE}",
    "CREATE_FAILED": f"its creation failed; {_DELETE}",
    "DELETE_FAILED": f"it could not be deleted; {_DELETE}",
    "UPDATE_ROLLBACK_FAILED": "a change failed and could not be rolled back; correct what its "
    "events name, then `aws cloudformation continue-update-rollback --stack-name {name}`",
}  # fmt: skip
"""What to do about a stack that takes no change set, by its status."""


def _refuse_state(name: str, status: str) -> None:
    advice = BY_HAND.get(status, "")
    if status.endswith("_IN_PROGRESS") and status != IN_REVIEW:
        advice = "another change to it is in progress; wait until it ends, then run this again"
    if advice:
        raise AccountError(f"the stack {name} is in {status}: {advice.format(name=name)}")


def _create_change_set(cloudformation: Any, stack: Stack, is_new: bool) -> str | None:
    """The change set's ARN; None if nothing would change."""
    imports = [
        {"ResourceType": i.type, "LogicalResourceId": i.resource,
         "ResourceIdentifier": dict(i.identifier)}
        for i in stack.imports
    ]  # fmt: skip
    created = cloudformation.create_change_set(
        StackName=stack.name,
        ChangeSetName=f"bootstrap-{datetime.now(tz=UTC):%Y%m%d-%H%M%S-%f}",
        ChangeSetType="IMPORT" if stack.imports else "CREATE" if is_new else "UPDATE",
        **({"TemplateBody": stack.template} if stack.template else {"UsePreviousTemplate": True}),
        Parameters=[{"ParameterKey": k, "ParameterValue": v} for k, v in stack.parameters.items()],
        Capabilities=["CAPABILITY_NAMED_IAM"],
        Tags=[{"Key": key, "Value": value} for key, value in stack.tags.items()],
        **({"ResourcesToImport": imports} if imports else {}),
    )
    identifier = str(created["Id"])
    for _ in _until(f"the change set of {stack.name} was not ready"):
        change_set = cloudformation.describe_change_set(ChangeSetName=identifier)
        if change_set["Status"] == "CREATE_COMPLETE":
            return identifier
        if change_set["Status"] == "FAILED":
            break
    reason = change_set.get("StatusReason", "")
    cloudformation.delete_change_set(ChangeSetName=identifier)
    if any(phrase in reason for phrase in NO_CHANGES):
        return None
    raise AccountError(f"CloudFormation could not create a change set of {stack.name}: {reason}")


def _changes(cloudformation: Any, change_set: str) -> list[Change]:
    pages = cloudformation.get_paginator("describe_change_set").paginate(ChangeSetName=change_set)
    changes = [item["ResourceChange"] for page in pages for item in page["Changes"]]
    return [
        Change(c["LogicalResourceId"], c["ResourceType"], c["Action"], c.get("Replacement", ""))
        for c in changes
    ]


def _events(cloudformation: Any, name: str) -> list[dict[str, Any]]:
    """All events of a stack, the oldest first."""
    pages = cloudformation.get_paginator("describe_stack_events").paginate(StackName=name)
    return [event for page in pages for event in page["StackEvents"]][::-1]


def _follow(
    cloudformation: Any, name: str, seen: set[str], on_event: Callable[[Event], None]
) -> None:
    """Report events until the stack is done."""
    first_failed: Event | None = None
    for _ in _until(f"the change of {name} was not complete"):
        status = _described(cloudformation, name)["StackStatus"]
        for item in _events(cloudformation, name):
            if item["EventId"] in seen:
                continue
            seen.add(item["EventId"])
            event = Event(item["LogicalResourceId"], item["ResourceStatus"],
                          item.get("ResourceStatusReason", ""))  # fmt: skip
            on_event(event)
            is_failure = event.status.endswith("_FAILED") and event.reason not in CANCELLED
            if is_failure and first_failed is None:
                first_failed = event
        if status.endswith("_IN_PROGRESS"):
            continue
        if status in ("CREATE_COMPLETE", "IMPORT_COMPLETE", "UPDATE_COMPLETE"):
            return
        break
    why = f"{first_failed.resource}: {first_failed.reason}" if first_failed else "no event says why"
    undone = (
        "and was rolled back" if status.endswith("ROLLBACK_COMPLETE") else f"and is in {status}"
    )
    raise AccountError(f"the change of {name} failed {undone}; {' '.join(why.split())}")


def _until(late: str) -> Iterator[None]:
    """Repeat at once, then every few seconds for an hour."""
    end = time.monotonic() + MOST_SECONDS
    while time.monotonic() < end:
        yield
        time.sleep(POLL_SECONDS)
    raise AccountError(f"{late} after {MOST_SECONDS / 60:.0f} minutes; it continues in the account")
