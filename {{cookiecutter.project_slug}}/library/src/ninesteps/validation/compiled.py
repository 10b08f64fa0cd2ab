"""The input of every rule: a compiled definition, and an example of its evaluation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ninesteps.definition.order import steps_before
from ninesteps.definition.step_content import StepContent, step_contents
from ninesteps.definition.values import places


@dataclass(frozen=True)
class Compiled:
    """A compiled definition, and an example of its evaluation step's output."""

    content: dict[str, Any]
    evaluation: Mapping[str, Any]

    @cached_property
    def steps(self) -> list[StepContent]:
        """All steps, including those in branches, in order."""
        return list(step_contents(self.content))

    @cached_property
    def by_name(self) -> dict[str, StepContent]:
        """All steps by name; of two with the same name, the first."""
        return {step.name: step for step in reversed(self.steps)}

    @cached_property
    def parameters(self) -> dict[str, dict[str, Any]]:
        """All parameters by name."""
        declared = [spec for _, spec in places(self.content, "Parameters[]")]
        return {str(spec.get("Name")): spec for spec in declared if isinstance(spec, dict)}

    def of_type(self, *types: str) -> Iterator[StepContent]:
        """The steps of given types."""
        return (step for step in self.steps if step.type in types)

    def waits_for(self, name: str) -> set[str]:
        """The steps that must have ended before a step starts, directly or indirectly."""
        return steps_before(name, self._waits_for)

    @cached_property
    def _waits_for(self) -> dict[str, frozenset[str]]:
        return {name: step.waits_for for name, step in self.by_name.items()}
