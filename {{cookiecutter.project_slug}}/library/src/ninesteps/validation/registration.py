"""What is registered, and when: behind a gate, for a person to approve, after its bias report."""

from __future__ import annotations

from collections.abc import Iterator
from posixpath import basename

from ninesteps.definition.reader import Compiled, Step
from ninesteps.validation.finding import read
from ninesteps.validation.managed_bias import is_managed

PENDING = "PendingManualApproval"
BIAS_SCRIPT = "clarify.py"


def check_registration(step: Step, _: Compiled) -> Iterator[str]:
    """A version comes through a gate and waits for a person; no execution can approve it."""
    if step.type != "RegisterModel":
        return
    if not step.branch or step.branch[1] != "IfSteps":
        stands = f"the {step.branch[1]} of {step.branch[0]}" if step.branch else "Steps"
        right = "a condition's IfSteps are right: no gate has let it through"
        yield f"it stands in {stands}, where {right}"
    status = step.arguments.get("ModelApprovalStatus")
    if status != PENDING:
        right = f"{PENDING!r}, written out, is right"
        yield f"Arguments.ModelApprovalStatus is {read(status)}, where {right}"


def check_bias_report(step: Step, compiled: Compiled) -> Iterator[str]:
    """A registration that can outrun its bias report is one that a person approves without it.

    The condition itself has to wait: it would decide as soon as the metrics are there, while the
    report is still being written, or has failed to be.
    """
    if step.type != "RegisterModel":
        return
    reports = [other.name for other in compiled.of_type("Processing") if _is_bias_report(other)]
    if not reports:
        right = f"a Processing step with {BIAS_SCRIPT} or Clarify's image is right"
        yield f"no step writes its bias report, where {right}"
    gate = step.branch[0] if step.branch else step.name
    for report in reports:
        if report not in compiled.waits_for(gate):
            right = "its DependsOn names it: the registration can outrun its bias report"
            yield f"{gate} does not wait for {report}, where {right}"


def _is_bias_report(step: Step) -> bool:
    lists = ("AppSpecification.ContainerEntrypoint[]", "AppSpecification.ContainerArguments[]")
    words = [word for path in lists for _, word in step.at(path) if isinstance(word, str)]
    return BIAS_SCRIPT in map(basename, words) or is_managed(step)
