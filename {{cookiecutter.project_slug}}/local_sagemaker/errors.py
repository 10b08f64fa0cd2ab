"""What can go wrong in an execution, told apart by who has to act."""

from __future__ import annotations

from dataclasses import dataclass


class DefinitionError(ValueError):
    """The definition, or a parameter given to it, cannot be run here; nothing was started."""


@dataclass(frozen=True)
class Frame:
    """The place in a step's own code at which it failed."""

    file: str
    line: int
    function: str
    source: str


class StepError(RuntimeError):
    """A step failed; the message says why, in the words of whatever failed."""

    def __init__(self, message: str, frame: Frame | None = None, fault: str = "") -> None:
        super().__init__(message)
        self.frame = frame
        self.fault = fault
        """The fault that a retry policy may name, where it was none of the step's own."""


class StateError(RuntimeError):
    """What earlier executions left on this machine cannot be used."""

    def __init__(self, message: str, fault: str = "") -> None:
        super().__init__(message)
        self.fault = fault
        """As of a step's error."""
