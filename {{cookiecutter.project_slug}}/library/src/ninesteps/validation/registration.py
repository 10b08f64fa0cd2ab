"""Checks a registration: behind a gate, pending a person's approval, after its bias report."""

from __future__ import annotations

from collections.abc import Iterator
from posixpath import basename

from ninesteps.definition.known_fields import PENDING
from ninesteps.definition.step_content import StepContent
from ninesteps.validation.compiled import Compiled
from ninesteps.validation.finding import expected
from ninesteps.validation.managed_bias import is_managed

BIAS_SCRIPT = "clarify.py"


def check_registration(step: StepContent, _: Compiled) -> Iterator[str]:
    """A version must pass a gate and wait for a person; no execution can approve it."""
    if step.type != "RegisterModel":
        return
    if not step.branch or not step.branch[1]:
        place = f"the ElseSteps of {step.branch[0]}" if step.branch else "Steps"
        right = "expected it in a condition's IfSteps, behind a gate"
        yield f"{right}, got it in {place}, where it does not pass a gate"
    status = step.arguments.get("ModelApprovalStatus")
    if status != PENDING:
        yield expected("Arguments.ModelApprovalStatus", f"{PENDING!r}, written out", status)


def check_bias_report(step: StepContent, compiled: Compiled) -> Iterator[str]:
    """A registration must wait for its bias report, or a person might approve without it.

    The condition itself has to wait: otherwise it would decide as soon as the metrics exist, while
    the report is still being written or has failed.
    """
    if step.type != "RegisterModel":
        return
    reports = [other.name for other in compiled.of_type("Processing") if _is_bias_report(other)]
    if not reports:
        right = f"a Processing step with {BIAS_SCRIPT} or Clarify's image"
        yield f"expected a step that writes its bias report ({right}), got none"
    gate = step.branch[0] if step.branch else step.name
    for report in reports:
        if report not in compiled.waits_for(gate):
            why = "the registration could come before its bias report"
            yield f"expected {report} in the DependsOn of {gate}, got no such wait: {why}"


def _is_bias_report(step: StepContent) -> bool:
    lists = ("AppSpecification.ContainerEntrypoint[]", "AppSpecification.ContainerArguments[]")
    words = [word for path in lists for _, word in step.at(path) if isinstance(word, str)]
    return BIAS_SCRIPT in map(basename, words) or is_managed(step)
