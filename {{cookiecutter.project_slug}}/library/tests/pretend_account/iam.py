"""IAM's decision on a call: identity policies and a boundary, evaluated as AWS documents it.

"Policy evaluation logic", "IAM JSON policy elements" and "Condition operators" of the IAM User
Guide. An explicit Deny wins, then an Allow, and what nothing allows is denied. What the stacks'
policies do not use (policy variables, set operators, numbers, dates, addresses) is an error here:
it must never count as a yes.

Resource policies are not evaluated. Those of the stacks only deny plain HTTP and let services in
that act under no role; the key's own leaves the decision to the identity policies.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

Statement = Mapping[str, Any]
Document = Mapping[str, Any]

CONDITION_KEYS = (
    "aws:SecureTransport", "aws:SourceAccount", "cloudwatch:namespace", "iam:PassedToService",
    "kms:GrantIsForAWSResource", "kms:ViaService", "s3:prefix", "sagemaker:ModelApprovalStatus",
    "token.actions.githubusercontent.com:aud", "token.actions.githubusercontent.com:sub",
)  # fmt: skip
"""The keys that `calls.py` knows the values of; a policy with another one is an error."""

_ELEMENTS = {"Sid", "Effect", "Action", "NotAction", "Resource", "NotResource", "Condition"}
_ARN_PARTS = 6


class PolicyError(ValueError):
    """A policy that this evaluator cannot read."""


@dataclass(frozen=True)
class Asked:
    """What one call asks IAM: an action on a resource, and the values of the condition keys."""

    action: str
    resource: str = "*"
    context: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        where = ", ".join(f"{key} = {value}" for key, value in self.context)
        return f"{self.action} on {self.resource}" + (f" with {where}" if where else "")


@dataclass(frozen=True)
class Identity:
    """Who asks: the statements of the policies, and those of the boundary, if there is one."""

    statements: tuple[Statement, ...]
    boundary: tuple[Statement, ...] | None = None

    def without(self, number: int) -> Identity:
        """The same without one of its statements."""
        kept = self.statements[:number] + self.statements[number + 1 :]
        return Identity(kept, self.boundary)


@dataclass(frozen=True)
class Decision:
    """What IAM says."""

    allowed: bool
    reason: str
    statement: Statement = field(default_factory=dict)


def statements(*documents: Document) -> tuple[Statement, ...]:
    """The statements of policies, in order."""
    return tuple(s for document in documents for s in _list(document["Statement"]))


def decide(identity: Identity, asked: Asked) -> Decision:
    """Whether an identity may do what it asks for.

    Raises:
        PolicyError: if a statement says what this evaluator does not know.
    """
    layers = [identity.statements]
    if identity.boundary is not None:
        layers.append(identity.boundary)
    matching = [[s for s in layer if _applies(s, asked)] for layer in layers]
    for statement in (s for layer in matching for s in layer):
        if statement["Effect"] == "Deny":
            return Decision(False, f"a statement denies {asked}", statement)
    if not matching[0]:
        return Decision(False, f"no statement allows {asked}")
    if identity.boundary is not None and not matching[1]:
        return Decision(False, f"the permissions boundary does not allow {asked}")
    return Decision(True, f"a statement allows {asked}", matching[0][0])


def may_assume(trust: Document, principal: Mapping[str, str], context: Mapping[str, str]) -> bool:
    """Whether a role's trust policy lets somebody take it on.

    Args:
        principal: kind and name, such as `{"Service": "sagemaker.amazonaws.com"}`.
    """
    effects = set()
    for statement in statements(trust):
        if odd := set(statement) - {"Sid", "Effect", "Principal", "Action", "Condition"}:
            raise PolicyError(f"a trust policy has {', '.join(sorted(odd))}")
        named = {(kind, name) for kind, names in statement["Principal"].items()
                 for name in _list(names)}  # fmt: skip
        is_assuming = all(
            action.startswith("sts:AssumeRole") for action in _list(statement["Action"])
        )
        if not is_assuming:
            raise PolicyError(f"a trust policy allows {statement['Action']}")
        if named & set(principal.items()) and _holds(statement.get("Condition", {}), dict(context)):
            effects.add(statement["Effect"])
    return effects == {"Allow"}


def _applies(statement: Statement, asked: Asked) -> bool:
    """Whether a statement is about what is asked for, whatever its effect."""
    if odd := set(statement) - _ELEMENTS:
        raise PolicyError(f"a statement has {', '.join(sorted(odd))}")
    if statement["Effect"] not in ("Allow", "Deny"):
        raise PolicyError(f"expected the effect Allow or Deny, got {statement['Effect']!r}")
    return (
        _matches(statement, "Action", asked.action, _is_action)
        and _matches(statement, "Resource", asked.resource, _is_resource)
        and _holds(statement.get("Condition", {}), dict(asked.context))
    )


def _matches(
    statement: Statement, element: str, value: str, is_match: Callable[[str, str], bool]
) -> bool:
    """Whether `Action` or `NotAction` (`Resource` or `NotResource`) is about a value."""
    given = {element, f"Not{element}"} & set(statement)
    if len(given) != 1:
        raise PolicyError(f"expected {element} or Not{element}, got {statement}")
    (name,) = given
    found = _any(is_match(pattern, value) for pattern in _list(statement[name]))
    return found is (name == element)


def _is_action(pattern: str, action: str) -> bool:
    return _is_like(pattern.lower(), action.lower())


def _is_resource(pattern: str, resource: str) -> bool:
    """Each part of an ARN by itself: a `*` does not reach over a colon, but in the last part."""
    if pattern == "*":
        return True
    parts = pattern.split(":", _ARN_PARTS - 1)
    if len(parts) != _ARN_PARTS:
        raise PolicyError(f"expected a resource's ARN or *, got {pattern!r}")
    of_resource = resource.split(":", _ARN_PARTS - 1)
    return len(of_resource) == _ARN_PARTS and _all(
        _is_like(*pair) for pair in zip(parts, of_resource, strict=True)
    )


def _is_like(pattern: str, value: str) -> bool:
    """`*` stands for any characters, `?` for one."""
    return _compiled(pattern).fullmatch(value) is not None


@functools.cache
def _compiled(pattern: str) -> re.Pattern[str]:
    if "${" in pattern:
        raise PolicyError(f"policy variables are not supported: {pattern!r}")
    parts = (".*" if c == "*" else "." if c == "?" else re.escape(c) for c in pattern)
    return re.compile("".join(parts), re.DOTALL)


def _holds(conditions: Mapping[str, Mapping[str, Any]], context: Mapping[str, str]) -> bool:
    """Whether all operators hold for all of their keys."""
    return _all(
        _condition_holds(operator, key, _list(values), context)
        for operator, keys in conditions.items()
        for key, values in keys.items()
    )


def _condition_holds(
    operator: str, key: str, values: list[str], context: Mapping[str, str]
) -> bool:
    if key not in CONDITION_KEYS:
        raise PolicyError(f"the condition key {key} is not known")
    given = context.get(key)
    if operator == "Null":  # "true": the key is not in the request
        return _truth(values) is (given is None)
    name = operator.removesuffix("IfExists")
    if name not in _OPERATORS:
        raise PolicyError(f"the condition operator {operator} is not known")
    is_negated, compare = _OPERATORS[name]
    if given is None:
        return is_negated or name != operator
    return _any(compare(value, given) for value in values) is not is_negated


def _truth(values: list[str]) -> bool:
    (value,) = values
    if value not in ("true", "false"):
        raise PolicyError(f"expected true or false, got {value!r}")
    return value == "true"


def _equals(value: str, given: str) -> bool:
    if "${" in value:
        raise PolicyError(f"policy variables are not supported: {value!r}")
    return value == given


_OPERATORS: dict[str, tuple[bool, Callable[[str, str], bool]]] = {
    "ArnEquals": (False, _is_resource),  # "behave identically", says the User Guide
    "ArnLike": (False, _is_resource),
    "ArnNotEquals": (True, _is_resource),
    "ArnNotLike": (True, _is_resource),
    "Bool": (False, lambda value, given: _truth([value]) is _truth([given])),
    "StringEquals": (False, _equals),
    "StringEqualsIgnoreCase": (False, lambda value, given: _equals(value.lower(), given.lower())),
    "StringLike": (False, _is_like),
    "StringNotEquals": (True, _equals),
    "StringNotLike": (True, _is_like),
}
"""By operator: whether it is negated, and how a value is compared with the request's."""


def _all(results: Iterable[bool]) -> bool:
    """As `all`, but everything is looked at: what is not known is an error wherever it stands."""
    return False not in list(results)


def _any(results: Iterable[bool]) -> bool:
    return True in list(results)


def _list(value: Any) -> list[Any]:
    return [*value] if isinstance(value, list | tuple) else [value]


def refusals(identity: Identity, asked: Iterable[Asked]) -> Iterator[str]:
    """Why each thing that is asked for and not allowed is refused."""
    decisions = (decide(identity, one) for one in asked)
    return (decision.reason for decision in decisions if not decision.allowed)
