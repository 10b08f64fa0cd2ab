"""Checks whether SageMaker would run only some steps, and finds what they need from others.

The rules are those of SageMaker's selective execution. Every step on a path between two selected
steps must be selected too (API reference, SelectiveExecutionConfig). What a selected step reads
from an unselected one comes from an earlier execution, the source. Steps after the selected ones do
not run (developer guide, "Selective execution of pipeline steps").
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from ninesteps.definition.order import steps_before
from ninesteps.definition.step_content import step_contents
from ninesteps.definition.step_names import numbered, step_name
from ninesteps.errors import DefinitionError


def selected_steps(definition: Mapping[str, Any], asked: Collection[str]) -> tuple[str, ...]:
    """The names of steps, each found by number, name or the beginning of its name.

    Raises:
        DefinitionError: if there is no such step, or more than one.
    """
    names = numbered({step.name: step.type for step in step_contents(definition)})
    return tuple(dict.fromkeys(step_name(one, names) for one in asked))


def needed_of_others(definition: Mapping[str, Any], selected: Collection[str]) -> list[str]:
    """The unselected steps whose outputs the selected ones read.

    Raises:
        DefinitionError: if a step between two selected ones is missing, or a step is selected
        without the condition that decides whether it runs.
    """
    steps = {step.name: step for step in step_contents(definition)}
    for name in selected:
        branch = steps[name].branch
        if branch and branch[0] not in selected:
            raise DefinitionError(
                f"expected {branch[0]} among the selected steps, which decides whether {name} "
                f"runs, got {', '.join(selected)}"
            )
    before = {
        name: steps_before(name, {n: s.waits_for for n, s in steps.items()}) for name in steps
    }
    for name in steps:
        follows = [other for other in selected if other in before[name]]
        leads_to = [other for other in selected if name in before[other]]
        if name not in selected and follows and leads_to:
            raise DefinitionError(
                f"expected {name} among the selected steps, which is between {follows[0]} and "
                f"{leads_to[0]}, got {', '.join(selected)}"
            )
    return [
        name
        for name in steps
        if name not in selected and any(name in steps[other].waits_for for other in selected)
    ]
